"""Whether a result is of the present definition of its eval: inputs, assertion, time of the save.

A result carries inputs, kind, expected value and threshold. It does not carry path, output handle,
operator, method or rubric. So results that began before the eval was saved last are of an edited
one, too. Servers may move this time with each run. So a save within a minute after the result or
its run ended is no sign, unless the assertion's id differs. Results of runs that go on do not
count.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

import polars as pl

from retab_analysis.evidence.cells import BEGAN
from retab_analysis.schema import asserts_the_same
from retab_analysis.vocabulary import DECIDED, SAME_EVAL

_GRACE = timedelta(minutes=1)
FindRenamed = Callable[[Mapping[str, datetime]], frozenset[str]]


def mark_definitions(
    results: pl.DataFrame,
    saved: pl.DataFrame,
    going: Collection[str] = (),
    find_renamed: FindRenamed | None = None,
) -> tuple[pl.DataFrame, dict[str, datetime]]:
    """Add ``defined``: a word, whether a result is of its eval's present definition.

    And ``is_own``: whether it is for all that the result itself carries, if its eval has not
    another definition than its results: another id of the assertion, or inputs that the API calls
    changed without telling the new ones. It also returns when those evals were saved whose last
    save may be an edit: they ran before it.

    ``going`` are the runs that go on. ``find_renamed`` is asked about evals that were saved after a
    result, with the time when this began.
    """
    inputs = saved.filter(pl.col("freshness_reasons").str.contains("inputs_changed", literal=True))
    newest = _find_newest(results, saved, going)
    is_other, saved_at = pl.col("assertion_id") != pl.col("told_id"), pl.col("updated_at")
    ends = (pl.col(name) for name in ("ended_before", "run_ended_before"))
    is_right_after = pl.any_horizontal(
        saved_at.is_between(ended, ended + _GRACE).fill_null(False) for ended in ends
    )
    later = newest.drop_nulls("began_before").filter(is_other.fill_null(False) | ~is_right_after)
    began = dict(later.select("eval_id", "began_before").iter_rows())
    renamed = find_renamed(began) if began and find_renamed else frozenset[str]()
    again = {k: at for k, at in later["eval_id", "updated_at"].iter_rows() if k not in renamed}
    others = [*newest.filter(is_other)["eval_id"], *inputs["eval_id"]]
    is_own = pl.col("is_own") & ~pl.col("eval_id").is_in(others).fill_null(False)
    dtype = saved.schema["updated_at"]
    at = pl.col("eval_id").replace_strict(again, default=None, return_dtype=dtype)
    is_now = is_own & ~(at > BEGAN).fill_null(False)
    is_known = pl.col("eval_id").is_in(saved["eval_id"].implode()).fill_null(False)
    word = pl.when(is_now).then(pl.lit("is_now")).otherwise(pl.lit("is_not"))
    defined = pl.when(is_known).then(word).otherwise(pl.lit("unknown"))
    return _mark_own(results, saved).with_columns(is_own=is_own, defined=defined), again


def _find_newest(
    results: pl.DataFrame, saved: pl.DataFrame, going: Collection[str]
) -> pl.DataFrame:
    """The saved evals that ran: their newest result, and the newest before their last save."""
    ended = results.filter(pl.col("state").is_in((*DECIDED, "error"))).select(
        "eval_id",
        # An error may not tell when it ended.
        ended=pl.coalesce("completed_at", "run_completed_at"),
        run_ended="run_completed_at",
        told_id="assertion_id",
        began=BEGAN,
        goes_on=pl.col("run_id").is_in([*going]).fill_null(False),
    )
    took = pl.duration(milliseconds=pl.col("latest_run_duration_ms").fill_null(0))
    remembered = saved.filter(pl.col("latest_run_status").is_in(("completed", "error"))).select(
        "eval_id",
        ended="latest_run_completed_at",
        run_ended="latest_run_completed_at",
        told_id=pl.lit(None, pl.String),
        began=pl.col("latest_run_completed_at") - took,
        goes_on=pl.lit(None, pl.Boolean),
    )
    # What a saved eval remembers of a run that goes on.
    first_open = pl.col("ended").filter("goes_on").min().over("eval_id")
    is_open = pl.col("goes_on").fill_null(pl.col("ended") >= first_open).fill_null(False)
    known = pl.concat([remembered, ended]).filter(~is_open).drop_nulls("began")
    its = known.join(saved.select("eval_id", "assertion_id", "updated_at"), on="eval_id")
    before = pl.col("ended", "run_ended", "began").filter(pl.col("began") < pl.col("updated_at"))
    return (
        its.sort("began", maintain_order=True)
        .group_by("eval_id")
        .agg(
            pl.col("told_id", "assertion_id", "updated_at").last(),
            before.last().name.suffix("_before"),
        )
    )


def _mark_own(results: pl.DataFrame, saved: pl.DataFrame) -> pl.DataFrame:
    """Add ``is_own``: whether a result has the inputs and the condition that its eval has now.

    A value that is unknown on one side is no difference.
    """
    keys = ("eval_id", *SAME_EVAL)
    now = saved.select("eval_id", "condition", inputs="latest_inputs_fingerprint")
    both = results.select(keys).unique().join(now, on="eval_id", how="left")
    asked = both.select("condition", "condition_kind", "expected_value", "threshold").iter_rows()
    same = [None in row[:2] or asserts_the_same(*row) for row in asked]
    given = (pl.col("handle_inputs_fingerprint") == pl.col("inputs")).fill_null(True)
    told = both.select(*keys, is_own=pl.Series(same, dtype=pl.Boolean) & given)
    known = results.drop("is_own", strict=False)  # of an earlier timeline
    return known.join(told, on=keys, how="left", nulls_equal=True, maintain_order="left")
