"""The words for evals, once: statuses, states, transitions, and what makes two results comparable.

Everything here is either a tuple of words or a polars expression over the columns of a RUNS or
RESULTS frame. Whoever groups, filters, counts or draws by such a word takes it from here, so that
two parts of the library cannot disagree about what "broken" or "pass rate" means.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import reduce
from operator import add
from typing import Literal, get_args

import polars as pl

TERMINAL = ("completed", "error", "cancelled")
"""The statuses of a run, or of one eval in it, after which nothing changes any more."""

NOT_PASSING = ("failed", "blocked")
"""The verdicts that say that an eval does not pass."""

DECIDED = ("passed", *NOT_PASSING)
"""The verdicts. Only these say something about the output; an execution error does not."""

FAILING = (*NOT_PASSING, "error")
"""The states of a result that somebody has to look into: it did not pass, or it did not run."""

STATES = (*DECIDED, "error", "cancelled", "unscored")
"""Every state that a result can have."""

BROKEN = ("regressed", "newly_blocked")
"""The transitions that say that an eval got worse."""

UNDECIDED = ("newly_errored", "suspect", "incomplete", "stale")
"""The transitions of which nobody can tell yet whether an eval got worse."""

NOT_COMPARED = ("not_comparable", "removed", "added")
"""The transitions of evals that have nothing to be compared with."""

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
]
TRANSITIONS: tuple[str, ...] = get_args(Transition)
"""What can become of an eval, the most urgent first."""

UNLIKELY, LIKELY, SURE = 0.05, 0.5, 0.95
"""The probabilities that an eval got worse which matter: up to the first it is cleared, from the
second on it is called regressed, and from the third on no rerun is needed to confirm that."""

CERTAIN_ENOUGH = 0.8
"""From this probability on that any eval got worse, the suite did; and an eval that passes now is
called regressed."""

DRAFT = "draft"
"""Stands for the workflow as it is now, or for its newest version that is not published."""

SAME_EVAL = ("handle_inputs_fingerprint", "condition_kind", "expected_value", "threshold")
"""The columns in which two results of an eval have to agree to be comparable, where both know."""

BLOCK_CODE = "block_execution_fingerprint"
"""The column that tells one state of a block's code from another."""

ERA = "era "
"""How the code of a result begins that has no fingerprint, and is known by when it ran."""

CODE = pl.coalesce(BLOCK_CODE, "version " + pl.col("workflow_version_id"))
"""What names the code that a result was made by: the block's, or the version where it is null."""

MOMENT = pl.coalesce("run_created_at", "created_at")
"""When a result's run was created, or the result itself where the run is not known."""


_Said = str | int | pl.Expr | None


def first_that_holds(*rules: tuple[pl.Expr, _Said], otherwise: _Said = None) -> pl.Expr:
    """What the first rule says whose condition holds; a text is a word, and not a column."""
    found = otherwise if isinstance(otherwise, pl.Expr) else pl.lit(otherwise)
    for condition, said in reversed(rules):
        value = said if isinstance(said, pl.Expr) else pl.lit(said)
        found = pl.when(condition).then(value).otherwise(found)
    return found


def known_state() -> pl.Expr:
    """The column ``state``, where a word that we do not know counts as ``unscored``."""
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
    """How many evals ended otherwise than by being cancelled; null where one count is null."""
    return pl.sum_horizontal(RATED, ignore_nulls=False)


def pass_rate(counts: Sequence[pl.Expr] = tuple(map(pl.col, RATED))) -> pl.Expr:
    """The one pass rate: passed / (passed + failed + blocked + error), from 0 to 1.

    Errors are in the denominator, so that a version that crashes does not look better than one
    that fails. Cancelled evals are not: nobody asked them. Null where nothing has ended, or where
    one of the counts is not known. ``counts`` are those of :data:`RATED`.
    """
    # As floats, because four counts of 64 bits can be more than 64 bits together. By operators,
    # because in a frame of one row ``sum_horizontal`` takes longer than all the rest.
    parts = [count.cast(pl.Float64) for count in counts]
    total = reduce(add, parts)
    return pl.when(total > 0).then(parts[0] / total)


def eval_label() -> pl.Expr:
    """What an eval is called where it is shown: its name, or its id where it has none."""
    return pl.coalesce("eval_name", "eval_id")


def is_draft(version: object, published: Collection[object] | None) -> bool:
    """Whether a version is none of those that were published; False where these are not known.

    How its id begins says nothing: a draft's may look like that of a published version.
    """
    return version is not None and published is not None and version not in published
