"""Worlds with a clock: a bad hour ends, and a model stops repeating its output.

*A*: failing rates come from Beta laws with most mass near 0; some evals are flaky; each run has
noise. *B*: each input has a few possible outputs, and the assertion accepts some of them. A rerun
within two hours mostly repeats the output. Now and then a whole document fails. In every world a
provider has bad hours, one to three hours long, in which all rates are up.

Further worlds break what the model assumes. *repeating* (F): each input has one to six phrasings,
one stays for about thirty hours, past every look of ``settle``, and every edit draws anew. *shaky*
is A with many more flaky evals. *C*: three to ten evals read one document and fail together for
hours, a provider has bad periods of 4 to 30 hours, and 7 of 100 runs are in an outage. *E* is A
with a run a week, and half of the evals are saved month by month. *J*: failing rates come from a
Beta law with a heavy tail, and 8 of 100 runs are in a mild bad hour, which adds .1 to every rate.
*N*: three to ten evals read one document, which fails as a whole now and then.

Nothing here was tuned to the library.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.random import Generator
from scipy.special import expit, logit
from support.inside import EVALS, check_results

from simulation import result_frames
from simulation.luck import ERROR, FAILED, PASSED
from simulation.population import Bools, Floats, Ints
from simulation.result_frames import FIRST_RUN

KINDS = ("same", "benign", "hour", "edit", "drift", "tenth", "flakier")
SHARES = (0.01, 0.05, 0.4)
RISE = 0.14
"""By how much a failing rate rises at least where an eval broke."""


@dataclass(frozen=True)
class Law:
    """What differs between the worlds; of each range a suite draws its own."""

    noise: tuple[float, float]  # of a run, and of a block in it: log-odds
    repeats: tuple[float, float]  # how likely a rerun repeats its output
    documents_fail: tuple[float, float]  # how likely a document fails in a run
    has_outputs: bool
    repeats_for: float = 2.0  # hours
    flaky: tuple[float, float] = (0.01, 0.12)  # the share of flaky evals, without outputs
    outputs: tuple[float, ...] = (0.5, 0.25, 0.14, 0.11)  # how likely an input has 1, 2, … outputs
    stays: float = 0.0  # for about so many hours an output stays, in whole runs and reruns
    of_document: tuple[float, float] = (1, 6)  # how many evals read one document
    together: float = (
        0.0  # how often a document's evals begin to fail together, in a thousand hours
    )
    bad_hours: tuple[float, float] = (1, 3)
    outages: float = 0.0  # the share of runs
    weekly: bool = False
    tail: tuple[float, float] | None = None  # the Beta law of failing rates
    mild: float = 0.0  # the share of runs in a mild bad hour


_A = Law((0.1, 0.4), (0, 0), (0, 0), has_outputs=False)
_B = Law((0.0, 0.2), (0.55, 0.9), (0.001, 0.01), has_outputs=True)
LAWS = {
    "A": _A,
    "B": _B,
    "repeating": replace(_B, outputs=(0.4, 0.2, 0.15, 0.1, 0.08, 0.07), repeats=(0, 0), stays=30.0),
    "shaky": replace(_A, flaky=(0.3, 0.6)),
    "C": replace(_A, of_document=(3, 10), together=0.5, bad_hours=(4, 30), outages=0.07),
    "E": replace(_A, weekly=True),
    "J": replace(_A, tail=(0.1, 1.2), mild=0.08),
    "N": replace(_A, of_document=(3, 10), documents_fail=(0.005, 0.02)),
}


@dataclass
class Outcomes:
    """What each eval ended with last, and when: what runs again soon may repeat it."""

    fails: Bools
    hour: Floats


@dataclass(frozen=True, eq=False)
class Drawn:
    """A suite, run after run: row ``at`` is the candidate's, later rows are later looks.

    Attributes:
        at: How many whole runs come before it.
        block: Which block each eval is of.
        document: Which document it reads.
        rates: How often each fails, ``rows × evals``, but for noise and bad hours.
        code: How often each block had been edited by then, ``rows × blocks``.
        hours: When each run began, in hours since the first.
        bad: Bad hours: when they begin and end, and by how much log-odds of failing rise.
        noise, repeats, repeats_for, documents_fail, stays: See ``Law``.
        together: When the evals of a document fail together: the document, begin and end.
        errors: Which evals end in an error in each whole run, ``rows × evals``.
        added_at: The first whole run that has each eval.
        mild: When mild bad hours begin and end.
        seed: From which everything is drawn.
    """

    at: int
    block: Ints
    document: Ints
    rates: Floats
    code: Ints
    hours: Floats
    bad: Floats
    noise: float
    repeats: float
    repeats_for: float
    documents_fail: float
    seed: tuple[int, ...]
    stays: float = 0.0
    together: Floats = field(default_factory=lambda: np.zeros((3, 0)))
    errors: Bools | None = None
    added_at: Ints | None = None
    mild: Floats = field(default_factory=lambda: np.zeros((2, 0)))

    @property
    def size(self) -> int:
        return len(self.block)

    @property
    def rows(self) -> int:
        return len(self.hours)

    def rise(self, hour: float) -> float:
        """By how much the log-odds of failing are up at some hour."""
        begins, ends, rises = self.bad
        return float(rises[(begins <= hour) & (hour < ends)].max(initial=0.0))

    def worse(self, row: int) -> Bools:
        """Which evals are worse than at any earlier time: to call one of them is not false."""
        return np.asarray(self.rates[row] - self.rates[: row + 1].min(axis=0) >= RISE)

    def broken(self) -> Bools:
        """Which evals broke with the candidate."""
        return np.asarray(self.rates[self.at] - self.rates[self.at - 1] >= RISE)

    @functools.cached_property
    def fails(self) -> Bools:
        """Which evals did not pass in the whole runs, rows × evals.

        A whole run, too, repeats outputs that are young enough, unless the eval's block was edited
        or its rate changed.
        """
        rng = np.random.default_rng([*self.seed, 1])
        everything, told = np.ones(self.size, dtype=bool), []
        last = Outcomes(everything, np.full(self.size, -np.inf))
        for row, hour in enumerate(self.hours):
            before = max(row - 1, 0)
            moved = (self.rates[row] != self.rates[before]) | (self.code[row] != self.code[before])[
                self.block
            ]
            last.hour = np.where(moved, -np.inf, last.hour)
            self._run(rng, row, hour, everything, last)
            told.append(last.fails)
        return np.stack(told)

    def after(self, row: int) -> Outcomes:
        """What the evals ended with in a whole run."""
        return Outcomes(self.fails[row], np.full(self.size, self.hours[row]))

    def _run(self, rng: Generator, row: int, hour: float, asked: Bools, last: Outcomes) -> None:
        """Run some evals at some hour on the code of a row; ``last`` is what they end with."""
        shift = rng.normal(0, self.noise) + rng.normal(0, self.noise, self.code.shape[1])
        rise = self.rise(hour)  # of solid evals, too
        least = 0.002 if rise else 1e-6
        rate = expit(logit(np.clip(self.rates[row], least, 1 - 1e-6)) + shift[self.block] + rise)
        begins, ends = self.mild
        rate = np.minimum(rate + 0.1 * ((begins <= hour) & (hour < ends)).any(), 1.0)
        lost = rng.random(int(self.document.max()) + 1) < self.documents_fail
        which, begins, ends = self.together
        lost[which[(begins <= hour) & (hour < ends)].astype(int)] = True
        fresh = (rng.random(self.size) < rate) | lost[self.document]
        recent = (hour - last.hour <= self.repeats_for) & (rng.random(self.size) < self.repeats)
        if self.stays:
            recent = rng.random(self.size) < np.exp((last.hour - hour) / self.stays)
        last.fails = np.where(asked, np.where(recent, last.fails, fresh), last.fails)
        last.hour = np.where(asked, hour, last.hour)

    def rerun(self, row: int, look: int, hour: float, asked: Bools, last: Outcomes) -> None:
        """Run evals again, each by itself; what comes of one does not depend on the others."""
        self._run(np.random.default_rng([*self.seed, 2, row, look]), row, hour, asked, last)

    def time(self, hour: float) -> datetime:
        return FIRST_RUN + timedelta(hours=float(hour))

    @functools.cached_property
    def _described(self) -> pl.DataFrame:
        return result_frames.describe_evals(self)  # type: ignore[arg-type]

    @functools.cached_property
    def eval_ids(self) -> list[str]:
        return self._described["eval_id"].to_list()

    @functools.cached_property
    def run_ids(self) -> list[str]:
        return [f"run_{row:04d}" for row in range(self.rows)]

    @functools.cached_property
    def results(self) -> pl.DataFrame:
        """The results of all whole runs, run by run, with the columns that a comparison reads."""
        times = [self.time(hour) for hour in self.hours]
        versions = result_frames.name_versions(self.code)
        runs = result_frames.describe_runs(self.run_ids, times, versions)
        there = np.ones(self.fails.shape, dtype=bool)
        if self.added_at is not None:
            there = np.arange(self.rows)[:, None] >= self.added_at
        return self._build(runs, self.fails, there, self.code, self.errors)

    def results_again(
        self, row: int, look: int, hour: float, asked: Bools, last: Outcomes
    ) -> pl.DataFrame:
        """The results of reruns: of each eval a run of its own."""
        name, versions = f"{self.run_ids[row]}_again_{look}", result_frames.name_versions(self.code)
        run = result_frames.describe_runs([name], [self.time(hour)], [versions[row]])
        results = self._build(run, last.fails[None], asked[None], self.code[[row]])
        return results.with_columns(run_id=pl.format("{}_{}", "run_id", "eval_id"))

    def _build(
        self,
        runs: pl.DataFrame,
        fails: Bools,
        there: Bools,
        code: Ints,
        errors: Bools | None = None,
    ) -> pl.DataFrame:
        states = np.where(fails, FAILED, PASSED)
        states = np.where(there, states if errors is None else np.where(errors, ERROR, states), -1)
        place = pl.Series("at", np.tile(np.arange(self.size), len(fails)))
        definition = pl.select(
            handle_inputs_fingerprint=pl.format("in:{}", place),
            expected_value=pl.format('"value {}"', place),
        )
        frame = result_frames.build_results(
            self._described, runs, states, code[:, self.block], definition
        )
        return check_results(frame, "results").collect()

    def of_rows(self, rows: Sequence[int]) -> pl.DataFrame:
        """The results of some whole runs."""
        return self.results.filter(pl.col("run_id").is_in([self.run_ids[row] for row in rows]))

    @functools.cached_property
    def saved(self) -> pl.DataFrame:
        """The saved evals as the API has them: an EVALS frame."""
        saved_at = pl.lit(self.time(-24.0)).cast(pl.Datetime("us", "UTC"))
        ok = {"validation_status": pl.lit("valid"), "freshness_status": pl.lit("fresh")}
        known = self._described.with_columns(created_at=saved_at, updated_at=saved_at, **ok)
        return known.select(
            (pl.col(name) if name in known.columns else pl.lit(None)).cast(dtype).alias(name)
            for name, dtype in EVALS.schema.items()
        )


def draw(world: str, kind: str, runs: int, *, seed: Sequence[int], looks: int = 1) -> Drawn:
    """Draw a suite with ``runs`` earlier runs, the candidate's, and later ones for more looks."""
    law, rows = LAWS[world], runs + looks
    drawn_from = (3, *seed, list(LAWS).index(world), KINDS.index(kind), runs)
    rng = np.random.default_rng([*drawn_from, 0])
    size = round(20 * 15 ** rng.random())
    blocks = int(rng.integers(2, 7))
    block = rng.choice(blocks, size, p=rng.dirichlet(np.full(blocks, 4.0)))
    document = rng.integers(max(2, int(size / rng.uniform(*law.of_document))), size=size)
    rate = (
        _draw_outputs(rng, size, law.outputs)
        if law.has_outputs
        else _draw_rates(rng, size, law.flaky)
    )
    rate = rate if law.tail is None else rng.beta(*law.tail, size)
    rates = np.tile(rate, (rows, 1))
    code = _draw_edits(rng, rows, runs, block, quiet=kind != "benign")
    if kind in ("edit", "drift", "tenth", "flakier"):
        _break(rng, kind, rates[runs:], code[runs:], block, document, law)
    hours = np.cumsum(np.clip(rng.lognormal(2.9, 1.0, rows), 2.5, 150))
    if law.weekly:
        hours = 168.0 * np.arange(rows) + rng.uniform(0, 9, rows)
    end = hours[-1] + 24
    return Drawn(
        at=runs,
        block=block,
        document=document,
        rates=rates,
        code=code,
        hours=hours,
        bad=_draw_bad_hours(rng, end, hours[runs] if kind == "hour" else None, law.bad_hours),
        noise=rng.uniform(*law.noise),
        repeats=rng.uniform(*law.repeats),
        repeats_for=law.repeats_for,
        documents_fail=rng.uniform(*law.documents_fail),
        seed=drawn_from,
        stays=law.stays,
        together=_draw_together(rng, end, document, law.together),
        errors=_draw_errors(rng, rows, size, runs, law.outages),
        added_at=_draw_added(rng, size, runs) if law.weekly else None,
        mild=_draw_mild(rng, hours, law.mild),
    )


def decline(drawn: Drawn, over: int) -> Drawn:
    """The same suite, but what breaks gets worse little by little, over so many runs."""
    share = np.minimum(np.arange(1, drawn.rows - drawn.at + 1) / over, 1.0)[:, None]
    rates, before = drawn.rates.copy(), drawn.rates[drawn.at - 1]
    rates[drawn.at :] = before + share * (rates[drawn.at :] - before)
    return replace(drawn, rates=rates)


def _draw_mild(rng: Generator, hours: Floats, share: float) -> Floats:
    """Begin and end of the mild bad hours in which a share of the runs is."""
    its = hours[rng.random(len(hours)) < share]
    return np.stack([its - rng.uniform(0, 1, len(its)), its + rng.uniform(0.2, 2, len(its))])


def _draw_together(rng: Generator, end: float, document: Ints, often: float) -> Floats:
    """The document, begin and end of the hours in which all evals of a document fail."""
    which = rng.integers(document.max() + 1, size=rng.poisson(often * end * document.max() / 1000))
    begins = rng.uniform(0, end, len(which))
    return np.stack([which.astype(float), begins, begins + rng.uniform(2, 10, len(which))])


def _draw_errors(rng: Generator, rows: int, size: int, at: int, often: float) -> Bools | None:
    """The evals that end in an error: in some runs most, in no run from the candidate's on."""
    if not often:
        return None
    share = np.where(rng.random(rows) < often, rng.uniform(0.3, 1.0, rows), 0.002)
    share[at:] = 0.0
    return np.asarray(rng.random((rows, size)) < share[:, None])


def _draw_added(rng: Generator, size: int, at: int) -> Ints:
    """Half of the evals are there from the beginning, others are saved every four weeks."""
    month = 4 * rng.integers(0, at // 4 + 1, size)
    return np.where(rng.random(size) < 0.5, 0, np.minimum(month, at))


def _draw_rates(rng: Generator, size: int, share: tuple[float, float]) -> Floats:
    """World A: most evals hardly ever fail, a share is flaky, a few hardly ever pass."""
    narrow, mean = rng.uniform(0.1, 0.6), rng.uniform(0.003, 0.02)
    sort = rng.random(size)
    flaky, gap = rng.uniform(*share), rng.uniform(0, 0.03)
    solid = rng.beta(narrow, narrow * (1 / mean - 1), size)
    rate = np.where(sort < flaky, rng.beta(2, 4, size), solid)
    return np.where(sort > 1 - gap, rng.uniform(0.93, 1, size), rate)


def _draw_outputs(rng: Generator, size: int, likely: tuple[float, ...]) -> Floats:
    """World B: of some outputs of each input the assertion accepts the first, and others."""
    most = len(likely)
    outputs = rng.choice(np.arange(1, most + 1), size, p=likely)
    small = [np.full(size, 0.25)] * (most - 1)
    shapes = np.column_stack([np.exp(rng.uniform(0, 2.5, size)), *small])
    weight = rng.gamma(shapes) * (np.arange(most) < outputs[:, None]) + 1e-12
    right = np.array([1 - rng.uniform(0, 0.03), *([0.5] * (most - 1))])
    accepted = rng.random((size, most)) < right
    return np.asarray((weight * ~accepted).sum(axis=1) / weight.sum(axis=1))


def _draw_edits(rng: Generator, rows: int, at: int, block: Ints, *, quiet: bool) -> Ints:
    """Edits without effect in the history; none in the candidate's run or, if quiet, later."""
    code = np.zeros((rows, blocks := int(block.max()) + 1), dtype=np.int64)
    often = rng.uniform(0.05, 0.3)
    for row in range(1, at):
        if rng.random() < often:
            code[row:, rng.integers(blocks)] += 1
    if not quiet:
        several = 1 + int(rng.random() < 0.3)
        its = rng.permutation(np.unique(block))[:several]  # some block may have no eval
        code[at:, its] += 1
    return code


def _break(
    rng: Generator, kind: str, rates: Floats, code: Ints, block: Ints, document: Ints, law: Law
) -> None:
    """Some evals get worse, from the first of some rows on; an edit also mends some."""
    good = rates[0] <= 0.3
    here = rng.choice(block[good])
    pool, share = np.flatnonzero((block == here) & good), rng.choice(SHARES)
    if kind == "flakier":  # solid evals fail one time in four
        good &= rates[0] <= 0.05
        here = rng.choice(block[good])
        pool, share = np.flatnonzero((block == here) & good), 0.4
    if kind == "tenth":
        known = np.unique(document)
        hit = rng.choice(known, max(1, round(len(known) / 10)), replace=False)
        pool, share = np.flatnonzero(np.isin(document, hit) & good), 1.0
    few = rng.choice(pool, min(len(pool), max(1, round(share * len(pool)))), replace=False)
    before = rates[0, few]
    if law.has_outputs:  # mass moves from accepted outputs to another one
        after = before + (1 - before) * np.minimum(rng.uniform(0.2, 1.3, len(few)), 1)
    else:
        soft = np.minimum(before + rng.uniform(0.2, 0.7, len(few)), 0.96)
        after = np.where(rng.random(len(few)) < 0.7, rng.uniform(0.96, 1, len(few)), soft)
    rates[:, few] = 0.25 if kind == "flakier" else after
    code[:, here] += kind in ("edit", "flakier")
    if kind == "edit":
        gaps = np.flatnonzero((block == here) & (rates[0] > 0.9) & ~np.isin(range(block.size), few))
        rates[:, gaps[rng.random(len(gaps)) < 0.33]] = 0.02
    if kind == "tenth":
        code += 1


def _draw_bad_hours(
    rng: Generator, end: float, one: float | None, last: tuple[float, float]
) -> Floats:
    """Begin, end and rise of bad hours, one in a few days; ``one`` is within one."""
    begins = rng.uniform(0, end, rng.poisson(end / rng.uniform(80, 250)))
    if one is not None:
        begins = np.append(begins, one - rng.uniform(0, 0.8))
    lasts, rises = rng.uniform(*last, len(begins)), rng.uniform(1, 2.5, len(begins))
    return np.stack([begins, begins + lasts, rises])
