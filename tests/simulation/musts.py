"""Whether what must hold does: ``python tests/simulation/musts.py --suites 40 --seed 7``.

The table has a line for each measure and world: what the library reaches, in brackets of how many;
the 90 % interval; what must be; what the naive rule reaches. ✗ is missed: the whole interval lies
beyond it. ``--measures settle looks`` computes a part, ``--into docs/simulation.md`` replaces the
table there.

*Broken* is an eval whose failing rate rose by .14 or more; a call is *false* of one that is not
worse by that than at any earlier time. The *ceiling* are the broken ones that fail in the
candidate's run at all. *At sight* is the first check after the change; *after settle* there were
one round of reruns at once and looks 3, 6 and 9 hours later.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
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

import retab_analysis as ra
from simulation import heavy
from simulation import world as first_world
from simulation.acting import ALPHA, RED, Answer, judge, look, look_naively, settle
from simulation.clocked import LAWS, RISE, Drawn, draw
from simulation.luck import FAILED, PASSED
from simulation.world import Scenario

EARLIER = {"first": first_world.simulate, "second": heavy.simulate}
RUNS = (1, 2, 4, 7, 12, 20, 30, 40)
LOOKS, LOOKED_BACK = 12, 3
RULES = {"": look, "naive ": look_naively}
Z = 1.645
MARK = "<!-- What follows is written by tests/simulation/musts.py. -->"

TABLE = """
exit 0 after settle                  | settle same | A B | exit 0/suites | ≥ .85 .60
same: red after settle               | settle same | A B | red settled/suites | ≤ .08 .15
benign: red after settle             | settle benign | A B | red settled/suites | ≤ .15 .35
hour: red after settle               | settle hour | A B | red settled/suites | ≤ .20 .30
{kind}: false calls, at sight        | settle same,benign,hour | A B | false sight/suite | ≤ -
{kind}: false calls, after settle    | settle same,benign,hour | A B | false settled/suite | ≤ -
{kind}: false calls, more after it   | settle same,benign,hour | A B | more false/suite | ≤ - .05
edit: the ceiling, of what broke     | settle edit | A B | ceiling/broken | ≥ -
edit, settled: recall of ceiling     | settle edit | A B | found settled/ceiling | ≥ .86 .50
edit, settled: precision             | settle edit | A B | true settled/called settled | ≥ .92 .72
edit, at sight: recall of ceiling    | settle edit | A B | found sight/ceiling | ≥ .82 .55
edit, at sight: precision            | settle edit | A B | true sight/called sight | ≥ .78 .52
edit, at sight: `fixed` is true      | settle edit | A B | truly fixed sight/fixed sight | ≥ -
said .8 to 1 at sight: it is worse   | settle edit | A B | true of .8/said .8 | ≥ -
said .5 to .8 at sight: it is worse  | settle edit | A B | true of .5/said .5 | ≥ -
said .2 to .5 at sight: it is worse  | settle edit | A B | true of .2/said .2 | ≥ -
edited blocks alone: words alike     | only edit | A B | alike/words | ≥ -
edited blocks alone: calls alike     | only edit | A B | both/either | ≥ -
edited blocks alone: evals that run  | only edit | A B | ran/all | ≤ -
reruns a suite, nothing changed      | settle same | A B | reruns/suite | ≤ 5 9
drift, {runs} runs: at sight         | settle drift 3,10,20 | A B | found sight/ceiling | ≥ -
drift, {runs} runs: after settle     | settle drift 3,10,20 | A B | found settled/ceiling | ≥ -
drift, {runs} runs: at look 2        | settle drift 3,10,20 | A B | found second/ceiling 2 | ≥ -
drift, {runs} runs: either           | settle drift 3,10,20 | A B | found either/ceiling | ≥ .78
words that change a look: all        | looks same | A B | changes/words | ≤ .05
words that change: rate .2 to .6     | looks same | A B | flaky changes/flaky words | ≤ .10
red a look, nothing changed          | looks same | A B | red/looks | ≤ .10 .15
exit 0 a look, nothing changed       | looks same | A B | exit 0/looks | ≥ -
said `fixed`, nothing changed        | looks same | A B | said fixed/suite | ≤ -
since, hard breaks                   | past edit | A B | since/hard | ≥ .93
cause of an edit                     | past edit | A B | by edit/called | ≥ .97
suite's size, {runs} runs            | size same 1,5,20,40 | A B first second uniform | found/suites | ≤ .10
suite's size, all                    | size same 1 5 20 40 | A B first second uniform | found/suites | ≤ .10
suite's power, {runs} runs           | size tenth 5,20,40 | A B | fell/suites | ≥ .28
suite's power, all                   | size tenth 5 20 40 | A B | fell/suites | ≥ .28
earlier worlds, nothing changed: red | earlier same 0 3 10 20 | first second | red/suites | ≤ .03
the same, each by its own past       | earlier same 0 3 10 20 | first second | red by own past/suites | ≤ -
2 passes, an edit, 3 failures: red   | sequence same 2 | first second | red/looks | ≥ .97
10 passes, 4 failures: red           | sequence same 10 | first second | red/looks | ≥ .97
"""  # noqa: E501
"""A line: what it says; what is counted, of which kind, with so many earlier runs (of all sorts
where none is named; a line each where commas are between); the worlds; the counts; what must be."""


@dataclass(frozen=True)
class Task:
    """Suites of which something is measured: ``measure`` is one of ``MEASURES``."""

    measure: str
    world: str
    kind: str = "same"
    runs: int | None = None

    def count(self, seed: int, suite: int) -> Counter[str]:
        """What is counted in one suite."""
        return MEASURES[self.measure](self, (seed, suite))

    def draw(self, seed: Sequence[int], looks: int = 1) -> Drawn:
        """A suite; where nothing is said of earlier runs, each suite in turn has another number."""
        runs = RUNS[seed[-1] % len(RUNS)] if self.runs is None else self.runs
        return draw(self.world, self.kind, runs, seed=seed, looks=looks)


@dataclass(frozen=True)
class Figure:
    """A line of the table: what is counted in the suites of some tasks together."""

    title: str
    tasks: tuple[Task, ...]
    counts: str  # part/whole; per "suite" it is a mean, else a share
    sign: str  # ≤ where less is better, else ≥
    must: float | None

    def compute(self, tasks: Mapping[Task, list[Counter[str]]]) -> dict[str, object]:
        """The values of its line, from the counts of each suite of its tasks."""
        part, whole = self.counts.split("/")
        counted = [suite for task in self.tasks for suite in tasks[task]]
        value, low, high, total = _estimate(counted, part, whole)
        names = {name for each in counted for name in each}
        of = f"naive {whole}" if f"naive {whole}" in names else whole
        asked = f"naive {part}" in names
        naive = _estimate(counted, f"naive {part}", of)[0] if asked else math.nan
        must = math.nan if self.must is None else self.must
        missed = low > must if self.sign == "≤" else high < must
        values = {"value": value, "low": low, "high": high, "naive": naive}
        return {
            "measure": self.title,
            "world": self.tasks[0].world,
            **{name: None if math.isnan(each) else each for name, each in values.items()},
            "of": total,
            "must": None if self.must is None else f"{self.sign} {self.must:g}",
            "missed": bool(missed) if total and self.must is not None else None,
        }


def _estimate(
    counted: Sequence[Counter[str]], part: str, whole: str
) -> tuple[float, float, float, int]:
    """The share or mean, its 90 % interval (Wilson's, or the normal one), and of how many."""
    is_mean = whole == "suite"
    total = sum(1 if is_mean else each[whole] for each in counted)
    if not total:
        return math.nan, math.nan, math.nan, 0
    value = sum(each[part] for each in counted) / total
    if is_mean:
        spread = Z * float(np.std([each[part] for each in counted], ddof=1)) / math.sqrt(total)
        return value, value - spread, value + spread, total
    middle = (value + Z**2 / (2 * total)) / (1 + Z**2 / total)
    spread = Z * math.sqrt(value * (1 - value) / total + Z**2 / (4 * total**2))
    spread /= 1 + Z**2 / total
    return value, max(middle - spread, 0.0), min(middle + spread, 1.0), total


def count_settle(task: Task, seed: Sequence[int]) -> Counter[str]:
    """A check at sight and after settle, and for a drift the next whole run."""
    drawn = task.draw(seed, looks=2)
    at, ceiling = drawn.at, drawn.fails & drawn.broken()
    counts: Counter[str] = Counter(suites=1, broken=int(drawn.broken().sum()))
    counts.update({"ceiling": int(ceiling[at].sum()), "ceiling 2": int(ceiling[at + 1].sum())})

    def score(name: str, when: str, answer: Answer, row: int) -> None:
        worse, fixed = drawn.worse(row), answer.words == "fixed"
        better = drawn.rates[:row].max(axis=0) - drawn.rates[row] >= RISE
        told = {"false": answer.called & ~worse, "true": answer.called & worse}
        told |= {"called": answer.called, "found": answer.called & ceiling[row]}
        told |= {"fixed": fixed, "truly fixed": fixed & better}
        counts.update({f"{name}{what} {when}": int(which.sum()) for what, which in told.items()})
        counts[f"{name}red {when}"] = int(answer.exit == 1)

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
        if task.kind in ("edit", "drift"):
            second = ask(drawn, at + 1)
            score(name, "second", second, at + 1)
            either = (after.called | second.called) & ceiling[at]
            counts[f"{name}found either"] = int(either.sum())
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
        counts[f"{name}exit 0"] = sum(each.exit == 0 for each in answers)
        words = np.stack([each.words for each in answers])
        changes = words[1:] != words[:-1]
        counts[f"{name}changes"] = int(changes.sum())
        counts[f"{name}flaky changes"] = int(changes[:, flaky].sum())
        counts[f"{name}said fixed"] = int((words == "fixed").sum())
    counts["words"] = (LOOKS - 1) * drawn.size
    counts["flaky words"] = (LOOKS - 1) * int(flaky.sum())
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


def count_size(task: Task, seed: Sequence[int]) -> Counter[str]:
    """Whether the suite's test is significant: nothing changed, or a tenth of documents fails."""
    if task.world in LAWS:
        drawn = task.draw(seed)
        made = look(drawn, drawn.at).made
    else:
        kind, where = ("uniform", "first") if task.world == "uniform" else ("same", task.world)
        old = EARLIER[where](kind, task.runs - 1, seed=seed)
        made = judge(old.candidate, old.of_rows(0, old.candidate_row))
    p, delta = made.summary.select("p_value", "delta").row(0)
    found = p is not None and p <= ALPHA
    return Counter(suites=1, found=found, fell=found and delta < 0)


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
    "past": count_past,
    "size": count_size,
    "earlier": count_earlier,
    "only": count_only,
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
                Task(measure, world, kind, many) for many in ([*map(int, runs.split())] or [None])
            )
            named = title.format(kind=kind, runs=runs)
            figures.append(Figure(named, tasks, counts, sign, musts[min(at, len(musts) - 1)]))
    return figures


def count_all(
    figures: Iterable[Figure], suites: int, seed: int, processes: int = 1
) -> dict[Task, list[Counter[str]]]:
    """The counts of all suites of the tasks that some figures need."""
    tasks = list(dict.fromkeys(task for figure in figures for task in figure.tasks))
    if processes == 1:
        return {task: [task.count(seed, at) for at in range(suites)] for task in tasks}
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        waiting = {
            task: [pool.submit(partial(task.count, seed, at)) for at in range(suites)]
            for task in tasks
        }
        return {task: [each.result() for each in its] for task, its in waiting.items()}


def write_table(lines: Sequence[dict[str, object]]) -> str:
    """The lines in Markdown."""

    def number(value: object) -> str:
        return "–" if value is None else f"{value:.3f}"

    heads = ["", "world", "value (of)", "90 %", "must", "", "naive"]
    rows = [heads, ["---"] * len(heads)]
    for line in lines:
        value, low, high, naive = (number(line[each]) for each in ("value", "low", "high", "naive"))
        verdict = {None: "", True: "✗", False: "ok"}[line["missed"]]
        named = [str(line["measure"]), str(line["world"]), f"{value} ({line['of']})"]
        rows.append([*named, f"{low} to {high}", str(line["must"] or ""), verdict, naive])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the number of musts that are missed is the exit code."""
    parser = argparse.ArgumentParser(description="Whether what must hold does.")
    parser.add_argument("--suites", type=int, default=40, help="suites a task")
    parser.add_argument("--seed", type=int, default=7, help="another seed, other suites")
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--only", default="", help="only lines whose title has this text")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--into", type=Path, help="a page whose part below MARK it becomes")
    asked = parser.parse_args(arguments)
    figures = [
        each
        for each in list_figures()
        if each.tasks[0].measure in asked.measures and asked.only in each.title
    ]
    counted = count_all(figures, asked.suites, asked.seed, asked.processes)
    lines = [each.compute(counted) for each in figures]
    told = f"{asked.suites} suites a line, seed {asked.seed}.\n\n{write_table(lines)}"
    sys.stdout.write(told)
    if asked.into:
        above = asked.into.read_text().partition(MARK)[0]
        asked.into.write_text(f"{above}{MARK}\n\n{told}")
    return sum(bool(line["missed"]) for line in lines)


if __name__ == "__main__":
    sys.exit(main())
