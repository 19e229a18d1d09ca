"""What the saved evals tell besides results: a last pass, and what did not run as it is now."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from retab_analysis.evidence.comparable import mark_own
from retab_analysis.evidence.present import Present, list_reasons
from retab_analysis.vocabulary import DECIDED, MOMENT


@dataclass(frozen=True, eq=False)
class SavedEvals:
    """Facts about the saved evals, by their ids; None means: not known."""

    evals: pl.DataFrame | None = None
    expected: frozenset[str] | None = None  # evals that ought to have a result in the candidate
    pending: frozenset[str] = frozenset()  # evals whose result is still to come
    invalid: frozenset[str] = frozenset()  # evals that cannot run
    on_present_code: frozenset[str] = frozenset()  # evals with an outcome or an error on it
    stale: Mapping[str, str] = field(default_factory=dict)  # evals not run as they are now, and why


def remember_passes(
    earlier: pl.DataFrame, now: pl.DataFrame, saved: pl.DataFrame, begun: datetime | None
) -> pl.DataFrame:
    """The last pass that each saved eval remembers, if its result was not read.

    Without it, a break would be older than all read runs one day, and turn from "broken" into
    "never passed". A pass on other inputs than the present ones says nothing. Whether the eval had
    the same assertion then is not known.
    """
    if begun is None:
        return earlier.clear()
    known = pl.concat([earlier, now])
    passed = known.filter(state="passed").group_by("eval_id")
    seen = passed.agg(pl.coalesce("completed_at", "created_at", "run_created_at").max().alias("at"))
    inputs = pl.col("handle_inputs_fingerprint")
    present = (
        known.filter(pl.col("state").is_in(DECIDED))
        .sort(MOMENT)
        .group_by("eval_id")
        .agg(inputs.drop_nulls().last().alias("inputs"))
    )
    at, same = pl.col("last_passed_at"), pl.col("last_passed_inputs_fingerprint")
    remembered = (
        saved.join(seen, on="eval_id", how="left")
        .join(present, on="eval_id", how="left")
        .filter(
            at < begun,
            (at > pl.col("at")).fill_null(True),
            (same == pl.col("inputs")).fill_null(True),
        )
    )
    return remembered.select(
        *("eval_id", "eval_name", "block_id", "workflow_id"),
        state=pl.lit("passed"),
        run_created_at=at,
        created_at=at,
        completed_at=at,
        handle_inputs_fingerprint=same,
        block_execution_fingerprint="last_passed_block_fingerprint",
    )


def find_expected(runs: pl.DataFrame, saved: pl.DataFrame, placed: pl.DataFrame) -> frozenset[str]:
    """The evals that ought to have a result: they were saved and valid when a run of them began.

    The run has ended, is of the whole workflow or of their block, and is on the judged code.
    """
    valid = saved.filter((pl.col("validation_status") == "valid").fill_null(True))
    judged = placed.filter(place="candidate")
    first = dict(judged.group_by("block_id").agg(at=MOMENT.min()).drop_nulls("at").iter_rows())
    ran_in = {*judged.select("block_id", "run_id").iter_rows()}
    had = {*placed.select("block_id", "run_id").iter_rows()}
    ended = runs.filter("is_terminal", pl.col("scope") != "eval").drop_nulls("created_at")
    its = ended.select("run_id", "created_at", "scope", "target_block_id").rows()

    def is_judged(block: str, run_id: str, began: datetime) -> bool:
        of = block, run_id
        return of in ran_in or (of not in had and began >= first.get(block, began))

    return frozenset(
        eval_id
        for eval_id, block, created in valid["eval_id", "block_id", "created_at"].iter_rows()
        if any(
            (scope == "workflow" or target == block)
            and (created is None or created <= began)
            and is_judged(block, run_id, began)
            for run_id, began, scope, target in its
        )
    )


def judge_saved(
    now: pl.DataFrame,
    saved: pl.DataFrame,
    present: Mapping[str, Present],
    expected: frozenset[str],
    pending: frozenset[str] = frozenset(),
) -> SavedEvals:
    """Which evals are invalid, ran on present code, and did not run as they are."""
    ended = now.filter(pl.col("state").is_in((*DECIDED, "error")))
    on_present = frozenset(ended.filter("is_present")["eval_id"])
    invalid = saved.filter((pl.col("validation_status") != "valid").fill_null(False))["eval_id"]
    redefined, ran = _find_redefined(ended, saved), {*now["eval_id"]}
    stale = _find_stale(saved, present, on_present, ran, redefined)
    return SavedEvals(saved, expected, pending, frozenset(invalid), on_present, stale)


def _find_redefined(ended: pl.DataFrame, saved: pl.DataFrame) -> frozenset[str]:
    """The evals without a result for their present inputs and condition, whatever their name."""
    decided = ended.filter(pl.col("state").is_in(DECIDED)).with_columns(at=pl.int_range(pl.len()))
    told = decided.join(mark_own(decided, saved, "expected_value"), on="at")
    is_own = told.group_by("eval_id").agg(pl.col("is_own").any())
    return frozenset(is_own.filter(~pl.col("is_own"))["eval_id"])


def _find_stale(
    saved: pl.DataFrame,
    present: Mapping[str, Present],
    on_present: Collection[str],
    ran: Collection[str],
    redefined: Collection[str] = (),
) -> dict[str, str]:
    """The valid evals that did not run as they and their blocks are now, by their ids, and why.

    ``never``; ``eval``: not with the present inputs or condition (``redefined``); ``block``: not on
    the present code (``on_present`` did). ``ran`` have more results than the remembered ones.
    """
    found = {}
    for row in saved.iter_rows(named=True):
        eval_id = row["eval_id"]
        if row["validation_status"] not in (None, "valid"):
            continue
        if row["latest_run_status"] is None and eval_id not in ran:
            found[eval_id] = "never"
        elif "inputs_changed" in list_reasons(row) or eval_id in redefined:
            found[eval_id] = "eval"
        elif eval_id not in on_present and row["block_id"] in present:
            found[eval_id] = "block"
    return found
