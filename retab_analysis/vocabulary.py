"""The words for evals, once: statuses, states, transitions, and which results are comparable.

Everything here is either a tuple of words or a polars expression over the columns of a RUNS or
RESULTS frame. All code that groups, filters, counts or draws by such a word takes it from here. So
no two parts of the library disagree about "broken" or "pass rate".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import reduce
from operator import add
from typing import Literal, get_args

import polars as pl

TERMINAL = ("completed", "error", "cancelled")
"""The final statuses of a run, or of one eval in it."""

NOT_PASSING = ("failed", "blocked")
"""The verdicts of an eval that does not pass."""

DECIDED = ("passed", *NOT_PASSING)
"""The verdicts. Only these say something about the output; an execution error does not."""

FAILING = (*NOT_PASSING, "error")
"""The states that need a look: the eval did not pass, or it did not run."""

STATES = (*DECIDED, "error", "cancelled", "unscored")
"""Every state that a result can have."""

BROKEN = ("regressed", "newly_blocked")
"""The transitions of an eval that got worse."""

UNDECIDED = ("newly_errored", "suspect", "incomplete", "stale")
"""The transitions of evals that may or may not have got worse."""

NOT_COMPARED = ("not_comparable", "removed", "added")
"""The transitions of evals without an earlier result to compare with."""

Transition = Literal[
    "regressed",
    "newly_blocked",
    "newly_errored",
    "suspect",
    "fixed",
    "flaky",
    "incomplete",
    "stale",
    "not_comparable",
    "removed",
    "added",
    "still_failing",
    "still_passing",
    "same_code",
]
TRANSITIONS: tuple[str, ...] = get_args(Transition)
"""All transitions of an eval, the most urgent first."""

UNLIKELY, LIKELY, SURE = 0.05, 0.5, 0.95
"""Three thresholds for the probability that an eval got worse. Up to the first, it is cleared. From
the second on, it is regressed if it failed twice on the code of an edit. From the third on, no
rerun is needed to confirm that."""

CLEARED_BY_PASS = 0.1
"""An eval that passed in its newest row is cleared up to this probability."""

CERTAIN_ENOUGH = 0.8
"""From this probability on that it got worse, an eval is regressed, whether it fails or passes."""

DRAFT = "draft"
"""The workflow as it is now, or its newest version that is not published."""

SCORED = ("similarity_gte", "split_iou_gte")
"""The conditions with a score that people read."""

SAME_EVAL = ("handle_inputs_fingerprint", "condition_kind", "expected_value", "threshold")
"""Two results of an eval are comparable if they agree in these columns, where both have them."""

BLOCK_CODE = "block_execution_fingerprint"
"""The column that tells one state of a block's code from another."""

ERA = "era "
"""The prefix of a code without a fingerprint, which is known by its time."""

MOMENT = pl.coalesce("run_created_at", "created_at")
"""When a result's run was created, or the result itself if the run is not known."""


_Said = str | int | pl.Expr | None


def first_that_holds(*rules: tuple[pl.Expr, _Said], otherwise: _Said = None) -> pl.Expr:
    """The value of the first rule whose condition holds; a text is a word, not a column."""
    found = otherwise if isinstance(otherwise, pl.Expr) else pl.lit(otherwise)
    for condition, said in reversed(rules):
        value = said if isinstance(said, pl.Expr) else pl.lit(said)
        found = pl.when(condition).then(value).otherwise(found)
    return found


def known_state() -> pl.Expr:
    """The column ``state``; an unknown word counts as ``unscored``."""
    state = pl.col("state")
    return pl.when(state.is_in(STATES)).then(state).otherwise(pl.lit("unscored"))


def state_counts() -> list[pl.Expr]:
    """How many results have each of :data:`STATES`, from the column ``state`` (Int64)."""
    state = pl.col("state")
    return [(state == each).sum().cast(pl.Int64).alias(each) for each in STATES]


def combined_state() -> pl.Expr:
    """The state of an eval from several results, over the columns of :func:`state_counts`.

    Decided results count first: all passed is ``passed``, some passed and some not is ``mixed``,
    none passed is the more frequent of ``failed`` and ``blocked``, ``blocked`` where they are
    equal. Without a decided one it is ``error``, else ``unscored``, else ``cancelled``.
    """
    passed, failed, blocked = (pl.col(each) > 0 for each in DECIDED)
    return first_that_holds(
        (passed & (failed | blocked), "mixed"),
        (passed, "passed"),
        (blocked & (pl.col("blocked") >= pl.col("failed")), "blocked"),
        (failed, "failed"),
        (pl.col("error") > 0, "error"),
        (pl.col("unscored") > 0, "unscored"),
        otherwise="cancelled",
    )


def eval_rate() -> list[pl.Expr]:
    """``n`` (Int64) and ``pass_rate`` (Float64) of an eval, over its decided results alone."""
    decided = pl.sum_horizontal(DECIDED)
    return [
        decided.alias("n"),
        pl.when(decided > 0).then(pl.col("passed") / decided).alias("pass_rate"),
    ]


RATED = ("passed", "failed", "blocked", "error")
"""The counts that :func:`pass_rate` is made of."""


def rated_total() -> pl.Expr:
    """How many evals ended without being cancelled; null if one count is null."""
    return pl.sum_horizontal(RATED, ignore_nulls=False)


OUTAGE_EVALS, OUTAGE_HALF = 3, 0.5
"""So many evals of a run, and this share of those that ended, end in an error in an outage."""


def is_outage(error: pl.Expr, rated: pl.Expr) -> pl.Expr:
    """Whether a run was an outage, as far as its counts tell: they do not name blocks."""
    return (error >= OUTAGE_EVALS) & (error >= OUTAGE_HALF * rated)


def pass_rate(counts: Sequence[pl.Expr] = tuple(map(pl.col, RATED))) -> pl.Expr:
    """The one pass rate: passed / (passed + failed + blocked + error), from 0 to 1.

    Errors are in the denominator: a version that crashes must not look better than one that fails.
    Cancelled evals are not: they gave no answer. It is null if nothing has ended or a count is
    unknown. ``counts`` are the counts of :data:`RATED`.
    """
    # As floats, because four counts of 64 bits can be more than 64 bits together. By operators,
    # because in a frame of one row ``sum_horizontal`` takes longer than all the rest.
    parts = [count.cast(pl.Float64) for count in counts]
    total = reduce(add, parts)
    return pl.when(total > 0).then(parts[0] / total)


# Days and durations

SECONDS = 90
"""A longer time is said in minutes."""


def say_day(moment: date, year: int | None = None) -> str:
    return f"{moment.day} {moment:%b}" + (f" {moment.year}" if moment.year != year else "")


def say_duration(seconds: float) -> str:
    """``24 s``, ``5 min``, ``2 h 10 min``."""
    if seconds < SECONDS:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
