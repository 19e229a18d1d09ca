"""The study: how often the library is right, and whether that is what must hold.

``make rates`` runs it and writes ``docs/_rates.json``, from which the pages take every rate that
they state. A part of it, by hand: ``python tests/simulation/musts.py --suites 8 --only drift``.

*Broken* is an eval whose failing rate rose by .14 or more. A call is *false* if the eval is not
worse by that than at any earlier time. The *ceiling* are the broken evals that fail in the
candidate's run at all. *At sight* is the first check after the change. *After settle* comes after
one round of reruns at once and looks 3, 6 and 9 hours later. A must is missed (✗) if the whole 90 %
interval lies beyond it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    for threads in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(threads, "1")

import numpy as np
import polars as pl
from support.inside import CERTAIN_ENOUGH, CLEARED_BY_PASS, LIKELY, SURE, UNLIKELY

import retab_analysis as ra
from simulation import heavy
from simulation import world as first_world
from simulation.acting import ALPHA, RED, Answer, judge, look, look_naively, settle
from simulation.clocked import LAWS, RISE, Drawn, decline, draw
from simulation.luck import FAILED, PASSED
from simulation.returning import HARD, draw_returning
from simulation.trying import count_tried
from simulation.world import Scenario

EARLIER = {"first": first_world.simulate, "second": heavy.simulate}
RUNS = (1, 2, 4, 7, 12, 20, 30, 40)
LOOKS, LOOKED_BACK = 12, 3
STEADY, LATER = 20, 24
"""So many runs come before a slow decline, and so many after it."""
SIZES = {5: "5 or more", 2: "2 to 4", 1: "1"}
"""How many evals broke."""
GREAT = 0.5
"""A great fall: some eval's failing rate rose by so much."""
SMALL = 40
"""So many evals a small suite has at most."""
FIRST_LOOK, LATER_LOOKS, MOST_LOOKS = 6, (0, 1, 2, 4), 8
"""In a world whose codes come back: which runs are checked, counted from each break on."""
RULES = {"": look, "naive ": look_naively}
INTERVAL, Z = 0.9, 1.645

TABLE = """
nothing changed: exit code 0 at a look          | looks same | ALL | exit 0/looks | ≥ -
nothing changed: exit code 1 at a look          | looks same | ALL | red/looks | ≤ .10 .15 - -
nothing changed: exit code 1 once in 12 looks   | looks same | ALL | red once/suites | ≤ -
nothing changed: exit code 0 after settle       | settle same | ALL | exit 0/suites | ≥ .85 .60 - -
nothing changed: exit code 1 after settle       | settle same | ALL | red settled/suites | ≤ .08 .15 - -
nothing changed: reruns                         | settle same | ALL | reruns/suite | ≤ 5 9 - -
nothing changed: words that differ from the look before | looks same | ALL | changes/words | ≤ .05 .05 - -
nothing changed: the same, of flaky evals       | looks same | ALL | flaky changes/flaky words | ≤ .10 .10 - -
nothing changed: evals called fixed, in 12 looks | looks same | ALL | said fixed/suite | ≤ -
half benign by eval: called at sight that broke | settle edit+benign | MORE J N | true sight/called sight | ≥ .88 .84 - - - - .72 .72
half benign by eval: called at sight with some doubt that broke | settle edit+benign | MORE | true doubt sight/called doubt sight | ≥ -
half benign by eval: called after settle that broke | settle edit+benign | MORE | true settled/called settled | ≥ -
half benign by eval: called at the second look that broke | settle edit+benign | MORE J N | true second/called second | ≥ - - - - - - - .90
half benign by eval: called at the second look without doubt that broke | settle edit+benign | MORE J N | true sure second/called sure second | ≥ - - - - - - - .95
half benign by suite: red at sight in which something broke | settle edit+benign | MORE J N | red broken sight/red sight | ≥ -
half benign by suite: red after settle in which something broke | settle edit+benign | MORE | red broken settled/red settled | ≥ -
half benign by suite: red at the second look in which something broke | settle edit+benign | MORE J N | red broken second/red second | ≥ -
broken suites: red at sight                     | settle edit | MORE | red broken sight/broken sight | ≥ .45 .45 - - - -
broken suites: red at sight if 1 eval broke     | settle edit | MORE | red 1 sight/broken 1 sight | ≥ -
broken suites: red at sight if 2 to 4 broke     | settle edit | MORE | red 2 to 4 sight/broken 2 to 4 sight | ≥ -
broken suites: red at sight if 5 or more broke  | settle edit | MORE | red 5 or more sight/broken 5 or more sight | ≥ -
broken suites: red at the second look           | settle edit | MORE | red broken second/broken second | ≥ .80 .80 - - - -
broken suites: red after settle                 | settle edit | MORE | red broken settled/broken settled | ≥ -
broken suites: exit code not 0 at sight         | settle edit | MORE | not 0 sight/broken sight | ≥ -
broken suites: exit code not 0 after settle     | settle edit | MORE | not 0 settled/broken settled | ≥ -
broken suites: undecided if not red at sight    | settle edit | MORE | undecided sight/not red sight | ≥ .95 .95 - - - -
benign edit: exit code 1 at sight               | settle benign | MORE J N | red sight/suites | ≤ .07 .07 - - - - .14 -
benign edit: exit code 1 at the first or second look | settle benign | MORE | red at 1 or 2/suites | ≤ .12 .12 - - - -
benign edit: exit code 1 after settle           | settle benign | A B | red settled/suites | ≤ .15 .35
bad hour: exit code 1 after settle              | settle hour | A B | red settled/suites | ≤ .20 .30
{kind}: false calls at sight                    | settle same,benign,hour | A B | false sight/suite | ≤ -
{kind}: false calls after settle                | settle same,benign,hour | A B | false settled/suite | ≤ -
{kind}: false calls that settle adds            | settle same,benign,hour | A B | more false/suite | ≤ - .05
edit: broken evals that fail at sight           | settle edit | ALL | ceiling/broken | ≥ -
edit: of these, called at sight                 | settle edit | ALL | found sight/ceiling | ≥ -
edit: of these, called or unclear at sight      | settle edit | ALL | open sight/ceiling | ≥ .95 .85 - -
edit: of these, called after settle             | settle edit | ALL | found settled/ceiling | ≥ .86 .50 - -
edit: calls after settle that are true          | settle edit | ALL | true settled/called settled | ≥ .92 .72 - -
edit: evals called fixed that are better        | settle edit | A B | truly fixed sight/fixed sight | ≥ -
probability: 0.8 or more                        | settle edit | ALL | true of .8/said .8 | ≥ -
probability: 0.5 to 0.8                         | settle edit | ALL | true of .5/said .5 | ≥ -
probability: 0.2 to 0.5                         | settle edit | ALL | true of .2/said .2 | ≥ -
short history: broken evals that fail, called after {runs} | settle edit 1,2,4 | A B | found sight/ceiling | ≥ -
only edited blocks: the same word               | only edit | A B | alike/words | ≥ -
only edited blocks: the same call               | only edit | A B | both/either | ≥ -
only edited blocks: evals that run              | only edit | A B | ran/all | ≤ -
drift: called at sight, {runs}                  | settle drift 3,10,20 | A B | found sight/ceiling | ≥ -
drift of 1 eval: called at sight                | settle drift 3 10 20 | A B | found 1 sight/ceiling 1 | ≥ -
drift of 2 to 4 evals: called at sight          | settle drift 3 10 20 | A B | found 2 to 4 sight/ceiling 2 to 4 | ≥ -
drift of 5 evals or more: called at sight       | settle drift 3 10 20 | A B | found 5 or more sight/ceiling 5 or more | ≥ -
drift of 1 eval: called after settle            | settle drift 3 10 20 | A B | found 1 settled/ceiling 1 | ≥ -
drift of 1 eval: called at the next whole run   | settle drift 3 10 20 | A B | found 1 second/ceiling 2 1 | ≥ -
an edit that makes evals flakier: red at the second look | settle flakier | A B | red second/suites | ≥ -
an edit that makes evals flakier: exit code 0 after strict | settle flakier | A B | strict 0/suites | ≤ -
an edit that makes evals flakier: these, called at the second look | settle flakier | A B | found second/ceiling 2 | ≥ -
a decline over {n} runs: exit code 1 when it ends | decline drift 6,24,48 | A B | red end/suites | ≥ -
a decline over {n} runs: exit code 0 when it ends | decline drift 6,24,48 | A B | exit 0 end/suites | ≤ -
a decline over {n} runs: evals called when it ends | decline drift 6,24,48 | A B | called end/broken | ≥ -
a decline over {n} runs: exit code 1 24 runs later | decline drift 6,24,48 | A B | red later/suites | ≥ -
a decline over {n} runs: exit code 0 24 runs later | decline drift 6,24,48 | A B | exit 0 later/suites | ≤ -
a decline over {n} runs: evals called 24 runs later | decline drift 6,24,48 | A B | called later/broken | ≥ -
drift: called after settle, {runs}              | settle drift 3,10,20 | A B | found settled/ceiling | ≥ -
drift: called at the next whole run, {runs}     | settle drift 3,10,20 | A B | found second/ceiling 2 | ≥ -
drift: called after settle or then, {runs}      | settle drift 3,10,20 | A B | found either/ceiling | ≥ .78
codes come back: the run of a repeated break    | returning same | D | since repeated/repeated | ≥ .95
codes come back: the run of a first break       | returning same | D | since first/first | ≥ .99
codes come back: repeated breaks called or unclear at once | returning same | D | open again/again | ≥ .95
codes come back and evals drift: called at the second look | returning same | G | found 2/look 2 | ≥ .85
codes come back and evals drift: called from the third look on | returning same | G | found later/later | ≥ .95
codes come back and evals drift: the run of a hard break | returning same | G | since hard/hard | ≥ .95
codes come back and evals drift: without an edit as the cause | returning same | G | drift/broken called | ≥ .95
benign edits every second run: the run of a soft break | returning same | H | since soft/soft | ≥ .88
versions take turns: calls that are true        | returning same | I | true/called | ≥ .95
nothing changed: exit code 0 after strict       | settle same | ALL | strict 0/suites | ≥ .78 .78 - -
nothing changed: reruns of strict               | settle same | ALL | strict reruns/suite | ≤ -
edit: exit code 0 after calm, of suites with a great fall   | settle edit | MORE J N | calm 0 great/great | ≤ -
edit: exit code 0 after strict, of suites with a great fall | settle edit | MORE J N | strict 0 great/great | ≤ .04 .04 .04 .04 - - .04 .04
edit: reruns of calm                            | settle edit | A B | reruns/suite | ≤ -
edit: reruns of strict                          | settle edit | A B | strict reruns/suite | ≤ -
drift: exit code 1 after calm, of broken suites | settle drift 3 10 20 | A B J N | red broken settled/broken settled | ≥ .80 .72 .65 .72
drift: exit code 0 after calm, of suites with a great fall   | settle drift 3 10 20 | A B J N | calm 0 great/great | ≤ -
drift: exit code 0 after strict, of suites with a great fall | settle drift 3 10 20 | A B J N | strict 0 great/great | ≤ .15
drift: reruns of calm                           | settle drift 3 10 20 | A B | reruns/suite | ≤ -
drift: reruns of strict                         | settle drift 3 10 20 | A B | strict reruns/suite | ≤ -
ten edits a day: evals that a try broke, and that it did | tries whole+parts | L | broke/said broke | ≥ .85
ten edits a day: of these, worse than at the try before | tries whole+parts | L | broke at once/said broke | ≥ -
ten edits a day: evals that a try mended, and that it did | tries whole+parts | L | mended/said mended | ≥ .85
ten edits a day: the best try is the best one, each run whole | tries whole | L | best/named | ≥ .95
ten edits a day: the best try is the best one, some run in part | tries parts | L | best/named | ≥ .95
edits that change nothing: a best try is named  | tries equal | L | named/asked | ≤ .10
when and why: the run of a hard break           | past edit | A B | since/hard | ≥ .93
when and why: an edit as the cause              | past edit | A B | by edit/called | ≥ .97
suite without a change: {runs}                  | size same 1,5,20,40 | A B first second uniform | found/suites | ≤ .10
suite without a change: all                     | size same 1 5 20 40 | A B first second uniform | found/suites | ≤ .10
small suites: the fall that would show | size same 5 20 | A B | detectable/small | ≤ -
a tenth of documents fails: {runs}              | size tenth 5,20,40 | A B | fell/suites | ≥ .28
a tenth of documents fails: all                 | size tenth 5 20 40 | A B | fell/suites | ≥ .28
more mishaps: a false call, nothing changed     | earlier same 0 3 10 20 | first second | red/suites | ≤ .03
more mishaps: the same, each eval by its own past | earlier same 0 3 10 20 | first second | red by own past/suites | ≤ -
more mishaps: 2 passes, an edit, 3 failures     | sequence same 2 | first second | red/looks | ≥ .97
more mishaps: 10 passes, 4 failures             | sequence same 10 | first second | red/looks | ≥ .97
""".replace("ALL", "A B repeating shaky").replace("MORE", "A B C E repeating shaky")  # noqa: E501
"""A line each: where and what; the measure, the kind of change, and how many earlier runs (of all
sorts if it names none; a line for each if commas stand between them); the worlds; the counts; what
must hold in each world."""
KINDS = {"same": "nothing changed", "benign": "benign edit", "hour": "bad hour"}

LEAST_SUITES = 40
RATES = Path(__file__).parents[2] / "docs" / "_rates.json"
MEASURED = ("retab_analysis", "tests/simulation")
LIMITS = {
    "broke": CERTAIN_ENOUGH,
    "broke by an edit": LIKELY,
    "cleared": UNLIKELY,
    "cleared after a pass": CLEARED_BY_PASS,
    "sure": SURE,
    "broken in a simulation": RISE,
    "interval": INTERVAL,
}
"""Numbers that pages state and no study measures: somebody chose them."""


@dataclass(frozen=True)
class Task:
    """Suites of which something is measured: ``measure`` is one of ``MEASURES``."""

    measure: str
    world: str
    kind: str = "same"
    runs: int | None = None

    @property
    def is_recommended(self) -> bool:
        """Whether the pages recommend a procedure by its rates."""
        kinds = {"same": (None,), "edit": (None,), "benign": (None,), "drift": (3, 10, 20)}
        known = self.measure == "settle" and self.world in "AB"
        return known and self.runs in kinds.get(self.kind, ())

    def count(self, seed: int, suite: int) -> Counter[str]:
        """What is counted in one suite."""
        return MEASURES[self.measure](self, (seed, suite))

    def draw(self, seed: Sequence[int], looks: int = 1) -> Drawn:
        """A suite; where nothing is said of earlier runs, each suite in turn has another number."""
        runs = RUNS[seed[-1] % len(RUNS)] if self.runs is None else self.runs
        return draw(self.world, self.kind, runs, seed=seed, looks=looks)


@dataclass(frozen=True)
class Rate:
    """A share of many, or a mean per suite, with its 90 % interval."""

    value: float
    of: int
    low: float
    high: float

    @classmethod
    def estimate(cls, counted: Sequence[Counter[str]], part: str, whole: str) -> Rate | None:
        """None where there is nothing to count.

        Cases in one suite are not independent. So the interval of a share is Wilson's for as many
        independent cases as have the variance of the ratio estimator over suites (Cochran, Sampling
        Techniques, 1977, 6.4), and for no more cases than there are. If all suites have the share 0
        or 1, it is Wilson's for the number of suites.
        """
        parts = np.array([each[part] for each in counted], dtype=float)
        if whole == "suite":
            spread = Z * float(parts.std(ddof=1)) / math.sqrt(len(parts))
            value = float(parts.mean())
            return cls(value, len(parts), value - spread, value + spread)
        wholes = np.array([each[whole] for each in counted], dtype=float)
        total = wholes.sum()
        if not total:
            return None
        value = float(parts.sum() / total)
        variance = float(((parts - value * wholes) ** 2).sum()) / total**2
        variance *= len(parts) / max(len(parts) - 1, 1)
        is_certain = value in (0, 1)
        independent = value * (1 - value) / max(variance, 1e-12)
        n = np.count_nonzero(wholes) if is_certain else min(total, independent)
        middle = (value + Z**2 / (2 * n)) / (1 + Z**2 / n)
        spread = Z * math.sqrt(value * (1 - value) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
        return cls(value, int(total), max(middle - spread, 0.0), min(middle + spread, 1.0))


@dataclass(frozen=True)
class Figure:
    """A line of the table: what is counted in the suites of some tasks together."""

    title: str
    tasks: tuple[Task, ...]
    counts: str  # part/whole; per "suite" it is a mean, else a share
    sign: str  # ≤ where less is better, else ≥
    must: float | None

    @property
    def name(self) -> str:
        return f"{self.title} | {self.tasks[0].world}"

    def compute(self, tasks: Mapping[Task, list[Counter[str]]]) -> dict[str, dict[str, object]]:
        """Its entries in the file: what the library reaches, and what the naive rule does."""
        part, whole = self.counts.split("/")
        counted = [suite for task in self.tasks for suite in tasks[task]]
        names = {name for each in counted for name in each}
        rate, unit = Rate.estimate(counted, part, whole), "a suite" if whole == "suite" else "share"
        if rate is None:
            return {}
        rates = {self.name: {**asdict(rate), "unit": unit}}
        if self.must is not None:
            missed = rate.low > self.must if self.sign == "≤" else rate.high < self.must
            rates[self.name] |= {"sign": self.sign, "must": self.must, "missed": bool(missed)}
        of = f"naive {whole}" if f"naive {whole}" in names else whole
        if f"naive {part}" in names and (naive := Rate.estimate(counted, f"naive {part}", of)):
            rates[f"{self.name} | naive"] = {**asdict(naive), "unit": unit}
        return rates


def count_settle(task: Task, seed: Sequence[int]) -> Counter[str]:
    """A check at sight and after settle, and for a drift the next whole run."""
    drawn = task.draw(seed, looks=2)
    at, ceiling = drawn.at, drawn.fails & drawn.broken()
    counts: Counter[str] = Counter(suites=1, broken=int(drawn.broken().sum()))
    counts.update({"ceiling": int(ceiling[at].sum()), "ceiling 2": int(ceiling[at + 1].sum())})

    n_broken = int(drawn.broken().sum())
    its = next((name for least, name in SIZES.items() if n_broken >= least), "")
    for each in ("ceiling", "ceiling 2"):
        counts[f"{each} {its}"] += counts[each] * (n_broken > 0)

    def score(name: str, when: str, answer: Answer, row: int) -> None:
        worse, fixed = drawn.worse(row), answer.words == "fixed"
        better = drawn.rates[:row].max(axis=0) - drawn.rates[row] >= RISE
        told = {"false": answer.called & ~worse, "true": answer.called & worse}
        told |= {"called": answer.called, "found": answer.called & ceiling[row]}
        told |= {"fixed": fixed, "truly fixed": fixed & better}
        counts.update({f"{name}{what} {when}": int(which.sum()) for what, which in told.items()})
        counts[f"{name}red {when}"] = int(answer.exit == 1)
        if ceiling[row].any() and not name:
            score_suite(when, answer)
        if not name:
            open_ = answer.called | (answer.words == "suspect")
            counts[f"open {when}"] = int((open_ & ceiling[row]).sum())
            counts[f"found {its} {when}"] = counts[f"found {when}"]
            sure = answer.told["p_regressed"].fill_null(0).to_numpy() >= SURE
            for each, its_p in {"doubt": ~sure, "sure": sure}.items():
                counts[f"called {each} {when}"] = int((answer.called & its_p).sum())
                counts[f"true {each} {when}"] = int((answer.called & its_p & worse).sum())

    def score_suite(when: str, answer: Answer) -> None:
        """Whether a suite is red, or undecided, in which something broke and fails in that run."""
        counts[f"broken {when}"] = counts[f"broken {its} {when}"] = 1
        counts[f"red {its} {when}"] = counts[f"red broken {when}"] = int(answer.exit == 1)
        counts[f"not red {when}"] = int(answer.exit != 1)
        counts[f"undecided {when}"] = int(answer.exit == 2)
        counts[f"not 0 {when}"] = int(answer.exit != 0)

    for name, ask in RULES.items():
        sight, after, reruns = settle(drawn, at, naively=bool(name))
        score(name, "sight", sight, at)
        for low, high in () if name else ((0.2, 0.5), (0.5, 0.8), (0.8, 1.01)):
            said = sight.told["p_regressed"].is_between(low, high, closed="left")
            said, where = said.fill_null(False).to_numpy(), f"{low:g}"[1:]
            true = int((said & drawn.worse(at)).sum())
            counts.update({f"said {where}": int(said.sum()), f"true of {where}": true})
        score(name, "settled", after, at)
        counts.update({f"{name}reruns": reruns, f"{name}exit 0": after.exit == 0})
        before = counts[f"{name}false sight"]
        counts[f"{name}more false"] = counts[f"{name}false settled"] - before
        if task.kind in ("edit", "drift", "benign", "flakier"):
            second = ask(drawn, at + 1)
            score(name, "second", second, at + 1)
            counts[f"{name}red at 1 or 2"] = int(1 in (sight.exit, second.exit))
            either = (after.called | second.called) & ceiling[at]
            counts[f"{name}found either"] = int(either.sum())
            if not name:
                counts[f"found {its} either"] = counts["found either"]
        if not name and task.kind != "hour":
            # Calm is settle once; strict is settle, another whole run, settle. Who sees red at the
            # first settle has the answer: a pass in the run after it does not take it back.
            _, strict, more = settle(drawn, at + 1, before=after.again)
            great = int((drawn.rates[at] - drawn.rates[at - 1] >= GREAT).any())
            calm_0, strict_0 = after.exit == 0, after.exit != 1 and strict.exit == 0
            counts.update({"great": great, "calm 0 great": great * calm_0, "strict 0": strict_0})
            counts.update({"strict 0 great": great * strict_0, "strict reruns": reruns + more})
    return counts


def count_looks(task: Task, seed: Sequence[int]) -> Counter[str]:
    """Twelve whole runs in which nothing changes, each checked when it is the newest."""
    drawn = task.draw(seed, looks=LOOKS)
    counts: Counter[str] = Counter(suites=1, looks=LOOKS)
    rate = drawn.rates[0]
    flaky = (rate >= 0.2) & (rate <= 0.6)
    for name, ask in RULES.items():
        answers = [ask(drawn, drawn.at + later) for later in range(LOOKS)]
        counts[f"{name}red"] = sum(each.exit == 1 for each in answers)
        counts[f"{name}red once"] = int(counts[f"{name}red"] > 0)
        counts[f"{name}exit 0"] = sum(each.exit == 0 for each in answers)
        words = np.stack([each.words for each in answers])
        changes = words[1:] != words[:-1]
        counts[f"{name}changes"] = int(changes.sum())
        counts[f"{name}flaky changes"] = int(changes[:, flaky].sum())
        counts[f"{name}said fixed"] = int((words == "fixed").sum())
    counts["words"] = (LOOKS - 1) * drawn.size
    counts["flaky words"] = (LOOKS - 1) * int(flaky.sum())
    return counts


def count_decline(task: Task, seed: Sequence[int]) -> Counter[str]:
    """Checks of evals that got worse little by little: when that ends, and long after."""
    assert task.runs is not None
    drawn = draw(task.world, task.kind, STEADY, seed=seed, looks=task.runs + LATER)
    drawn, broken = decline(drawn, task.runs), drawn.broken()
    counts: Counter[str] = Counter(suites=1, broken=int(broken.sum()))
    ends = drawn.at + task.runs - 1
    for when, row in {"end": ends, "later": ends + LATER}.items():
        answer = look(drawn, row)
        counts.update({f"red {when}": answer.exit == 1, f"exit 0 {when}": answer.exit == 0})
        counts[f"called {when}"] = int((answer.called & broken).sum())
    return counts


def count_past(task: Task, seed: Sequence[int]) -> Counter[str]:
    """Since when and why, of what an edit broke up to nine runs ago."""
    drawn = task.draw(seed, looks=10)
    hard = drawn.broken() & (drawn.rates[drawn.at] >= 0.96)
    counts: Counter[str] = Counter(suites=1)
    for row in range(drawn.at, drawn.rows, LOOKED_BACK):
        answer = look(drawn, row)
        called = answer.called & drawn.broken()
        is_since = (answer.told["since_run_id"] == drawn.run_ids[drawn.at]).fill_null(False)
        by_edit = (answer.told["cause"] == "edit").fill_null(False).to_numpy()
        flips = look_naively(drawn, row).called & hard
        # The naive rule says the run after the last pass.
        is_after = ~drawn.fails[drawn.at - 1] & drawn.fails[drawn.at : row].all(axis=0)
        counts.update(
            {
                "hard": int((called & hard).sum()),
                "since": int((called & hard & is_since.to_numpy()).sum()),
                "called": int(called.sum()),
                "by edit": int((called & by_edit).sum()),
                "naive hard": int(flips.sum()),
                "naive since": int((flips & is_after).sum()),
            }
        )
    return counts


def count_returning(task: Task, seed: Sequence[int]) -> Counter[str]:
    """Checks after some runs of a suite whose codes come back: calls, since when, and why."""
    told = draw_returning(task.world, seed=seed)
    drawn, since, is_repeated = told.drawn, told.since, told.is_repeated
    begun = np.unique(since[since >= FIRST_LOOK])
    rows = {min(int(row) + later, drawn.rows - 1) for row in begun for later in LATER_LOOKS}
    rng = np.random.default_rng([5, *drawn.seed])
    counts: Counter[str] = Counter(suites=1)
    for row in sorted(rng.permutation(sorted(rows))[:MOST_LOOKS].tolist()):
        answer, began = look(drawn, row), since[row]
        worse, fails = drawn.worse(row), drawn.fails[row] & told.is_broken[row]
        open_ = answer.called | (answer.words == "suspect")
        ran = np.array([*drawn.run_ids, ""])[began]
        said = answer.told["since_run_id"].fill_null("").to_numpy() == ran
        by = answer.told["cause"].fill_null("").to_numpy()
        called, hard = answer.called & told.is_broken[row], drawn.rates[row] >= HARD
        at, repeated = row - began, is_repeated[row]
        counted = {
            "called": answer.called,
            "true": answer.called & worse,
            "repeated": called & repeated,
            "since repeated": called & repeated & said,
            "first": called & ~repeated,
            "since first": called & ~repeated & said,
            "again": fails & repeated & (at == 0),
            "open again": fails & repeated & (at == 0) & open_,
            "look 2": told.is_broken[row] & (at == 1),
            "found 2": called & (at == 1),
            "later": told.is_broken[row] & (at >= 2),
            "found later": called & (at >= 2),
            "hard": called & hard & (at >= 1),
            "since hard": called & hard & (at >= 1) & said,
            "soft": called & ~hard & (at >= 1),
            "since soft": called & ~hard & (at >= 1) & said,
            "broken called": called,
            "drift": called & (by == "drift"),
            "by edit": called & (by == "edit"),
        }
        counts.update({name: int(which.sum()) for name, which in counted.items()})
    return counts


def count_size(task: Task, seed: Sequence[int]) -> Counter[str]:
    """Whether the suite's test is significant: nothing changed, or a tenth of documents fails."""
    if task.world in LAWS:
        drawn = task.draw(seed)
        made = look(drawn, drawn.at).made
    else:
        kind, where = ("uniform", "first") if task.world == "uniform" else ("same", task.world)
        old = EARLIER[where](kind, task.runs - 1, seed=seed)
        made = judge(old.candidate, old.of_rows(0, old.candidate_row))
    p, delta, n, share = made.summary.select("p_value", "delta", "n_evals", "detectable").row(0)
    found, small = p is not None and p <= ALPHA, n <= SMALL and share is not None
    power = Counter(small=1, detectable=share) if small else Counter()
    return Counter(suites=1, found=found, fell=found and delta < 0) + power


def count_earlier(task: Task, seed: Sequence[int]) -> Counter[str]:
    """The earlier worlds, nothing changed: red by a false call."""
    old = EARLIER[task.world](task.kind, task.runs, seed=seed)
    at, defined = old.candidate_row, np.arange(old.suite.rows)[:, None] >= old.suite.changed_at
    least = np.where(defined, old.rates, 1.0)[: at + 1].min(axis=0)
    worse = {*pl.Series(old.eval_ids).filter(old.rates[at] - least >= RISE)}
    own_past = judge(old.candidate, old.of_rows(0, at)).evals
    against_one = ra.compare(old.baseline, old.candidate, history=old.history).evals
    counts = Counter(suites=1)
    for name, evals in {"red": against_one, "red by own past": own_past}.items():
        called = evals.filter(evals["transition"].is_in(RED))["eval_id"]
        counts[name] = int(not worse.issuperset(called))
    return counts


def count_only(task: Task, seed: Sequence[int]) -> Counter[str]:
    """What is said of edited blocks where they are run alone, beside the whole run of them all."""
    drawn = task.draw(seed)
    edited = drawn.code[drawn.at] > drawn.code[drawn.at - 1]
    ran = edited[drawn.block]
    whole, alone = (look(drawn, drawn.at, blocks=each) for each in (None, edited))
    both, either = whole.called & alone.called, whole.called | alone.called
    alike = whole.words == alone.words
    counted = {"words": ran, "alike": alike & ran, "both": both & ran, "either": either & ran}
    counts = {name: int(which.sum()) for name, which in counted.items()}
    return Counter(suites=1, ran=int(ran.sum()), all=drawn.size, **counts)


def count_sequence(task: Task, seed: Sequence[int]) -> Counter[str]:
    """One eval passes in all runs, then fails in all: is it red from the third or fourth on?

    It is put among evals to which nothing happens. With up to three earlier runs its block is
    edited when it breaks, and three failures are due; else nobody edits it and four are.
    """
    old: Scenario = EARLIER[task.world](task.kind, task.runs - 1, seed=seed, looks=5)
    suite, row = old.suite, old.candidate_row
    is_there = (suite.changed_at == 0) & (suite.added_at == 0) & (suite.removed_at == suite.rows)
    at = int(np.argmax(is_there))
    states, code, block = old.states.copy(), old.code.copy(), suite.block[at]
    states[:row, at], states[row:, at] = PASSED, FAILED
    is_edited = row <= 3
    code[row:, block] = code[row - 1, block] + is_edited
    made = replace(old, states=states, code=code)
    counts: Counter[str] = Counter(suites=1)
    for now in range(row + 3 - is_edited, suite.rows):
        newest = judge(made.of_rows(now, now + 1), made.of_rows(0, now)).evals
        word = newest.filter(eval_id=made.eval_ids[at])["transition"].item()
        counts.update(looks=1, red=word in RED)
    return counts


MEASURES: dict[str, Callable[[Task, Sequence[int]], Counter[str]]] = {
    "settle": count_settle,
    "looks": count_looks,
    "decline": count_decline,
    "past": count_past,
    "returning": count_returning,
    "size": count_size,
    "earlier": count_earlier,
    "only": count_only,
    "tries": lambda task, seed: count_tried(task.kind, seed),
    "sequence": count_sequence,
}


def list_figures() -> list[Figure]:
    """All lines of the table."""
    figures = []
    for row in TABLE.strip().splitlines():
        title, asked, worlds, counts, said = (each.strip() for each in row.split("|"))
        (measure, kinds, *histories), (sign, *given) = asked.split(), said.split()
        musts = [None if each == "-" else float(each) for each in given]
        columns = [*enumerate(worlds.split())]
        each_of = histories[0].split(",") if len(histories) == 1 else [" ".join(histories)]
        for kind, runs, (at, world) in product(kinds.split(","), each_of, columns):
            tasks = tuple(
                Task(measure, world, each, many)
                for each in kind.split("+")
                for many in ([*map(int, runs.split())] or [None])
            )
            count = f"{runs} earlier {'run' if runs == '1' else 'runs'}"
            named = title.format(kind=KINDS.get(kind), runs=count, n=runs)
            figures.append(Figure(named, tasks, counts, sign, musts[min(at, len(musts) - 1)]))
    return figures


def count_all(
    figures: Iterable[Figure], suites: int, seed: int, processes: int = 1, many: int = 0
) -> dict[Task, list[Counter[str]]]:
    """The counts of all suites of the tasks that some figures need.

    ``many`` are those of the tasks by which the pages recommend; drift has them of three histories
    together.
    """
    tasks = list(dict.fromkeys(task for figure in figures for task in figure.tasks))
    asked = {
        task: max(suites, -(-many // (1 if task.runs is None else 3)) * task.is_recommended)
        for task in tasks
    }
    if processes == 1:
        return {task: [task.count(seed, at) for at in range(asked[task])] for task in tasks}
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        waiting = {
            task: [pool.submit(partial(task.count, seed, at)) for at in range(asked[task])]
            for task in tasks
        }
        return {task: [each.result() for each in its] for task, its in waiting.items()}


def find_commit() -> str:
    """The newest commit of the code that is measured."""
    asked = {"cwd": RATES.parents[1], "check": True, "capture_output": True, "text": True}
    status = subprocess.run(["git", "status", "--porcelain", *MEASURED], **asked)
    if status.stdout:
        raise SystemExit(f"Commit first, so that the file can name it:\n{status.stdout}")
    return subprocess.run(
        ["git", "log", "-1", "--format=%H", "--", *MEASURED], **asked
    ).stdout.strip()


def say_rate(name: str, rate: Mapping[str, object]) -> str:
    """A rate in one line."""
    must = (
        f"{rate['sign']} {rate['must']}{' ✗' if rate['missed'] else ''}" if "must" in rate else ""
    )
    value, low, high = (f"{rate[each]:.3f}" for each in ("value", "low", "high"))
    return f"{name:<80} {value} ({low} to {high}) of {rate['of']}  {must}\n"


def write_rates(rates: Mapping[str, Mapping[str, object]], **study: object) -> None:
    """Write the pages' file, a rate a line, with four digits: the suites tell no more."""
    lines = [f"{json.dumps(name)}: {json.dumps(each)}" for name, each in study.items()]
    rounded = {
        name: {key: round(x, 4) if isinstance(x, float) else x for key, x in rate.items()}
        for name, rate in rates.items()
    }
    each_rate = [
        f"  {json.dumps(name)}: {json.dumps(rate, ensure_ascii=False)}"
        for name, rate in rounded.items()
    ]
    lines.append('"rates": {\n' + ",\n".join(each_rate) + "\n}")
    RATES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rates. The exit code is how many musts are missed, or 0 if it writes the file."""
    parser = argparse.ArgumentParser(description="How often the library is right.")
    parser.add_argument("--suites", type=int, default=LEAST_SUITES, help="suites a task")
    parser.add_argument("--many", type=int, default=0, help="those of calm and strict in A and B")
    parser.add_argument("--seed", type=int, default=7, help="another seed, other suites")
    parser.add_argument("--only", default="", help="only rates whose name has this text")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"write {RATES.name} for the pages")
    asked = parser.parse_args(arguments)
    if asked.write and (asked.suites < LEAST_SUITES or asked.only):
        parser.error(f"the pages need all rates, of {LEAST_SUITES} suites or more")
    commit = find_commit() if asked.write else ""
    figures = [each for each in list_figures() if asked.only in each.name]
    counted = count_all(figures, asked.suites, asked.seed, asked.processes, asked.many)
    rates = {name: each for figure in figures for name, each in figure.compute(counted).items()}
    sys.stdout.writelines(say_rate(name, each) for name, each in rates.items())
    if asked.write:
        study = {"commit": commit, "suites": asked.suites, "many": asked.many, "seed": asked.seed}
        no_case = [each.name for each in figures if each.name not in rates]
        write_rates(rates, **study, limits=LIMITS, no_case=no_case)
        return 0
    return sum(bool(each.get("missed")) for each in rates.values())


if __name__ == "__main__":
    sys.exit(main())
