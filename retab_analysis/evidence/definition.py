"""Whether a result is of the present definition of its eval: inputs, assertion, time of the save.

A result carries inputs, kind, expected value and threshold. It does not carry path, output handle,
operator, method or rubric. So a saved eval that was saved after its newest result began counts as
edited, too. Servers may move this time, or the assertion's id, with each run. So a save within a
minute after the result ended is no sign, unless the assertion's id differs. A sign that says the
same of nearly all evals is none. Results of runs that go on do not count.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from retab_analysis.evidence.presence import find_began
from retab_analysis.schema import asserts_the_same
from retab_analysis.vocabulary import DECIDED, MOMENT

DEFINITION = ("handle_inputs_fingerprint", "condition_kind", "threshold", "expected")
"""The columns that have to agree; ``expected`` compares the expected value by value."""

_GRACE = timedelta(minutes=1)
_ALL, _LEAST = 0.9, 4
"""A sign that says the same of this share of evals, and of so many or more, is none."""


class Definitions(Struct, frozen=True, eq=False):
    """What is known of the definitions of saved evals.

    ``later`` has the evals that were saved after their newest result began, and when it began.
    ``saved_again`` are those of which that is a sign.
    ``reidentified`` has those whose assertion has another id in their newest result,
    ``with_other_inputs`` those whose inputs the API calls changed, without telling the new ones.
    ``hidden_since`` is the time of a save of nearly all evals, after which edits cannot be seen.
    """

    saved: pl.DataFrame
    later: Mapping[str, datetime] = {}
    saved_again: Collection[str] = ()
    reidentified: Collection[str] = ()
    with_other_inputs: Collection[str] = ()
    hidden_since: datetime | None = None
    n_ran: int = 0

    def clear(self, renamed: Collection[str]) -> Definitions:
        """The same, if the last save of some evals changed nothing but the name."""
        later = {each: began for each, began in self.later.items() if each not in renamed}
        return replace(self, later=later)._weigh()

    def _weigh(self) -> Definitions:
        """Decide whether the later saves are a sign."""
        at = dict(self.saved.select("eval_id", "updated_at").iter_rows())
        hides = _says_nothing(self.later, self.n_ran)
        return replace(
            self,
            saved_again=() if hides else [*self.later],
            hidden_since=max(at[each] for each in self.later) if hides else None,
        )

    def mark(self, results: pl.DataFrame) -> pl.DataFrame:
        """Add ``defined``: a word, whether a result is of its eval's present definition.

        And ``is_own``: whether it is for all that the result itself carries.
        """
        placed = results.with_columns(at=pl.int_range(pl.len()))
        told = mark_own(placed, self.saved, "expected_value")
        others = {*self.reidentified, *self.with_other_inputs}
        is_other = pl.col("eval_id").is_in([*others]).fill_null(False)
        own = (
            placed.join(told, on="at", how="left", maintain_order="left")
            .drop("at")
            .with_columns(pl.col("is_own") & ~is_other)
        )
        is_saved_again = pl.col("eval_id").is_in([*self.saved_again]).fill_null(False)
        is_known = pl.col("eval_id").is_in(self.saved["eval_id"].implode()).fill_null(False)
        word = (
            pl.when(~is_known)
            .then(pl.lit("unknown"))
            .when(pl.col("is_own") & ~is_saved_again)
            .then(pl.lit("is_now"))
            .otherwise(pl.lit("is_not"))
        )
        return own.with_columns(defined=word)


class _Newest(Struct, frozen=True, gc=False):
    """The newest result of an eval that says something about it."""

    began: datetime
    ended: datetime | None
    assertion_id: str | None


def judge_definitions(
    results: pl.DataFrame, saved: pl.DataFrame, going: Collection[str] = ()
) -> Definitions:
    """Find the evals that were edited in parts that no result carries.

    ``going`` are the runs that go on.
    """
    newest = _find_newest(results, saved, going)
    rows = {row["eval_id"]: row for row in saved.to_dicts() if row["eval_id"] in newest}
    inputs = saved.filter(pl.col("freshness_reasons").str.contains("inputs_changed", literal=True))
    unknown = inputs.filter(_present_inputs(saved).eq_missing(pl.col("latest_inputs_fingerprint")))[
        "eval_id"
    ].to_list()
    differing = {
        eval_id
        for eval_id, row in rows.items()
        if None not in (row["assertion_id"], newest[eval_id].assertion_id)
        and row["assertion_id"] != newest[eval_id].assertion_id
    }
    if _says_nothing(differing, len(rows)):
        differing = set()
    later = {
        eval_id: newest[eval_id].began
        for eval_id, row in rows.items()
        if _is_saved_later(row["updated_at"], newest[eval_id], is_other=eval_id in differing)
    }
    times = [rows[each]["updated_at"] for each in later]
    if _says_nothing(later, len(rows)) and _ends_with_run(times, results):
        later = {}
    return Definitions(
        saved, later, reidentified=differing, with_other_inputs=unknown, n_ran=len(rows)
    )._weigh()


def _says_nothing(told: Collection[str], number: int) -> bool:
    return number >= _LEAST and len(told) >= _ALL * number


def _is_saved_later(saved_at: datetime | None, newest: _Newest, *, is_other: bool) -> bool:
    if saved_at is None or saved_at <= newest.began:
        return False
    ended = newest.ended
    is_right_after = ended is not None and ended <= saved_at <= ended + _GRACE
    return is_other or not is_right_after


def _ends_with_run(times: Collection[datetime], results: pl.DataFrame) -> bool:
    """Whether these saves lie within a minute after a whole run ended: the server made them."""
    whole = results.filter(run_scope="workflow").drop_nulls("run_completed_at")
    ended = whole["run_completed_at"].max()
    if not isinstance(ended, datetime):
        return False
    right_after = [at for at in times if ended <= at <= ended + _GRACE]
    return len(right_after) >= _ALL * len(times)


def _find_newest(
    results: pl.DataFrame, saved: pl.DataFrame, going: Collection[str]
) -> dict[str, _Newest]:
    decided = results.filter(pl.col("state").is_in((*DECIDED, "error")))
    goes_on = pl.col("run_id").is_in([*going]).fill_null(False)
    ended, open_ones = decided.filter(~goes_on), decided.filter(goes_on)
    seen = dict(open_ones.group_by("eval_id").agg(pl.col("completed_at").min()).iter_rows())
    began = pl.coalesce("started_at", MOMENT)
    told = (
        ended.select("eval_id", "completed_at", "assertion_id", began=began)
        .drop_nulls(("eval_id", "began"))
        .sort("began", maintain_order=True)
        .group_by("eval_id")
        .agg(pl.all().last())
    )
    newest = {
        eval_id: _Newest(began, completed, assertion)
        for eval_id, completed, assertion, began in told.select(
            "eval_id", "completed_at", "assertion_id", "began"
        ).iter_rows()
    }
    for row in saved.iter_rows(named=True):
        at, known = find_began(row), newest.get(row["eval_id"])
        has_ended = row["latest_run_status"] in ("completed", "error")
        if at is None or not has_ended or (known is not None and known.began >= at):
            continue
        first = seen.get(row["eval_id"])
        if first is None or row["latest_run_completed_at"] < first:
            newest[row["eval_id"]] = _Newest(at, row["latest_run_completed_at"], None)
    return newest


def _present_inputs(saved: pl.DataFrame) -> pl.Expr:
    newest = pl.col("latest_inputs_fingerprint")
    return pl.coalesce("present_inputs", newest) if "present_inputs" in saved.columns else newest


def mark_own(results: pl.DataFrame, saved: pl.DataFrame, expected: str) -> pl.DataFrame:
    """``at, is_own``: whether a result has the inputs and the condition that its eval has now.

    A value that is unknown on one side is no difference; ``expected`` names the value's column.
    """
    keys = ("eval_id", *DEFINITION[:-1], expected)
    now = saved.select("eval_id", "condition", inputs=_present_inputs(saved))
    both = results.select(keys).unique().join(now, on="eval_id", how="left")
    asked = both.select("condition", "condition_kind", expected, "threshold").iter_rows()
    same = [None if None in row[:2] else asserts_the_same(*row) for row in asked]
    given = (pl.col("handle_inputs_fingerprint") == pl.col("inputs")).fill_null(True)
    told = both.with_columns(is_own=pl.Series(same, dtype=pl.Boolean).fill_null(True)).with_columns(
        pl.col("is_own") & given
    )
    joined = results.join(
        told.select(*keys, "is_own"), on=keys, how="left", nulls_equal=True, maintain_order="left"
    )
    return joined.select("at", "is_own")
