"""The present code of a block, and whether its evals ran on it: only this module asks.

The API does not tell the code of a block. The first of these signs decides (EVIDENCE 4):

1. The evals that the API calls up to date all ran on one code: that is it.
2. It calls none up to date, and some out of date by an edit: no result has the present code, unless
   a run that began after the block was saved names one.
3. It tells nothing about them: the one code that ran first since the draft's era began. If only
   older code ran since then, no result has it.
4. It tells nothing, and the block was saved after its newest result began: no result has it.
5. The code of the newest result, whatever its outcome.
6. If results have no code: the results after the block was saved, or all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from retab_analysis.vocabulary import BLOCK_CODE, MOMENT

NO_EDIT = ("inputs_changed", "engine_changed", "metrics_engine_changed")
"""Why a result may be out of date without an edit of the block's configuration."""

NOTHING_RAN = pl.DataFrame(
    schema=dict.fromkeys(("block_id", "eval_id", "run_id", "code"), pl.String())
    | {"began": pl.Datetime("us", "UTC")}
)
"""The columns that :func:`find_present` reads of results."""

_MOST_BLOCKS = 12  # whose history it asks for

SavedAt = Mapping[str, datetime | None]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Present:
    """The present code of a block, as far as it is known.

    ``is_run`` is False if no result has it. Without a ``code``, results that began after ``since``
    have it, or all for None. ``is_said``: whether the API tells it, and not only the newest result.
    If the evals of a block have different codes, ``own`` has the code of each, None if no result
    has it.
    """

    is_run: bool = True
    code: str | None = None
    since: datetime | None = None
    is_said: bool = False
    own: Mapping[str, str | None] | None = None

    def has(self, eval_id: str, code: str | None, began: datetime | None) -> bool:
        """Whether a result of an eval, with its code and its run's beginning, is of this code."""
        if not self.is_run:
            return False
        known = self.code if self.own is None else self.own.get(eval_id, code)
        if self.own is not None and known is None and eval_id in self.own:
            return False
        if known is not None and code is not None:
            return code == known
        return self.since is None or (began is not None and began > self.since)


def find_present(
    saved: pl.DataFrame,
    ran: pl.DataFrame,
    read_saved_at: Callable[[], SavedAt],
    read_begun: Callable[[list[str]], SavedAt] = lambda blocks: {},
) -> dict[str, Present]:
    """The present code of each block that has saved evals; it sends only the needed requests.

    ``saved`` is an EVALS frame. ``ran`` has the columns of :data:`NOTHING_RAN` of results,
    cancelled ones and errors included. ``read_begun`` tells when the era of each draft began.
    """
    began = pl.col("latest_run_completed_at") - pl.duration(
        milliseconds=pl.col("latest_run_duration_ms").fill_null(0)
    )
    summaries = saved.select(
        *("block_id", "eval_id", pl.lit(None, pl.String).alias("run_id")),
        code="latest_block_fingerprint",
        began=began,
    )
    every = pl.concat(
        [ran.select(NOTHING_RAN.columns), summaries.filter(pl.col("began").is_not_null())]
    )
    ordered = every.sort("began", nulls_last=False)
    rows = {
        key[0]: its.to_dicts()
        for key, its in ordered.partition_by("block_id", as_dict=True).items()
    }
    parts = saved.partition_by("block_id", as_dict=True)
    evals = {str(block): its.to_dicts() for (block,), its in parts.items()}
    silent = [
        block
        for block, its in evals.items()
        if block in rows and not any(is_up_to_date(each) or is_edited(each) for each in its)
    ]
    begun = read_begun(silent[:_MOST_BLOCKS]) if silent else {}
    return {
        block: _find(block, its, rows.get(block, []), read_saved_at, begun.get(block))
        for block, its in evals.items()
    }


def list_codes(results: pl.DataFrame) -> pl.DataFrame:
    """The columns of results that :func:`find_present` reads."""
    ran = results.filter(pl.col("block_id").is_not_null())
    return ran.select("block_id", "eval_id", "run_id", code=BLOCK_CODE, began=MOMENT)


def mark_present(results: pl.DataFrame, present: Mapping[str, Present]) -> pl.DataFrame:
    """Add ``is_present``: whether a result is of the present code of its block."""
    rows = results.select("block_id", "eval_id", BLOCK_CODE, MOMENT.alias("t")).iter_rows()
    unknown = Present()
    has = [present.get(block, unknown).has(*row) for block, *row in rows]
    return results.with_columns(is_present=pl.Series(has, dtype=pl.Boolean))


def _find(
    block: str,
    evals: Sequence[Row],
    ran: Sequence[Row],
    read_saved_at: Callable[[], SavedAt],
    begun: datetime | None,
) -> Present:
    newest: Row = ran[-1] if ran else {"code": None, "began": None}
    fresh = [each for each in evals if is_up_to_date(each)]
    edited = [each for each in evals if is_edited(each)]
    codes = {each["latest_block_fingerprint"] for each in fresh} - {None}
    if len(codes) > 1 or _is_mixed(ran):
        if fresh or not edited:
            return Present(is_said=bool(fresh), own=_find_own(evals, ran))
    elif codes:
        return Present(code=codes.pop(), is_said=True)
    if fresh or not ran:
        # An eval may be up to date without an outcome, on code that the API does not name.
        is_open = any(each["latest_run_status"] not in ("completed", "error") for each in fresh)
        saved_at = read_saved_at().get(block) if is_open and newest["code"] is None else None
        return Present(code=newest["code"], since=saved_at, is_said=bool(fresh))
    if edited:
        known = {each["latest_block_fingerprint"] for each in edited}
        if newest["code"] is None or newest["code"] in known:
            return Present(is_run=False, is_said=True)
    if None not in (begun, newest["began"]) and not edited:
        first = {row["code"]: row["began"] for row in reversed(ran)}
        since = [code for code, at in first.items() if at is not None and at >= begun]
        if newest["began"] < begun or (None not in first and len(since) < 2):
            return Present(bool(since), since[0] if since else newest["code"])
    saved_at = read_saved_at().get(block)
    is_later = None not in (saved_at, newest["began"]) and newest["began"] > saved_at
    if edited:
        return Present(is_later, newest["code"], is_said=True)
    is_run = saved_at is None or is_later or newest["began"] is None
    return Present(is_run, newest["code"], saved_at)


def _is_mixed(ran: Sequence[Row]) -> bool:
    codes: dict[str, set[str]] = {}
    for row in ran:
        if row["run_id"] is not None and row["code"] is not None:
            codes.setdefault(row["run_id"], set()).add(row["code"])
    return any(len(each) > 1 for each in codes.values())


def _find_own(evals: Sequence[Row], ran: Sequence[Row]) -> dict[str, str | None]:
    newest = {row["eval_id"]: row["code"] for row in ran if row["code"] is not None}
    edited = {row["eval_id"]: None for row in evals if is_edited(row)}
    fresh = (row for row in evals if is_up_to_date(row) and row["latest_block_fingerprint"])
    return newest | edited | {row["eval_id"]: row["latest_block_fingerprint"] for row in fresh}


def find_began(row: Row) -> datetime | None:
    ended, took = row["latest_run_completed_at"], row["latest_run_duration_ms"] or 0
    return None if ended is None else ended - timedelta(milliseconds=took)


def list_reasons(row: Row) -> list[str]:
    said = row["freshness_reasons"] or ()
    return said.split(", ") if isinstance(said, str) else list(said)


def is_up_to_date(row: Row) -> bool:
    reasons = list_reasons(row)
    only = bool(reasons) and {*reasons} <= {*NO_EDIT}
    return row["freshness_status"] == "fresh" or (row["freshness_status"] == "stale" and only)


def is_edited(row: Row) -> bool:
    never = "no_baseline" in list_reasons(row)
    return row["freshness_status"] == "stale" and not never and not is_up_to_date(row)
