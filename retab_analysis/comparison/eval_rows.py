"""``Comparison.evals``: one row per eval, both sides beside each other, and why it is so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from retab_analysis.comparison.detail import FACTS, EvalDetail, find_year
from retab_analysis.comparison.sides import (
    Sides,
    choose_baseline,
    choose_candidate,
    choose_last_good,
    pick_rows,
    summarize_side,
)
from retab_analysis.comparison.transitions import (
    EVALS_SCHEMA,
    find_transition,
    is_called_though_passing,
    order_evals,
)
from retab_analysis.evidence.comparable import BASELINE, CANDIDATE, DEFINITION, Ledger
from retab_analysis.evidence.since import Findings
from retab_analysis.vocabulary import BROKEN, DECIDED, FAILING, LIKELY

_SIDE_COLUMNS = {
    "actual_value": "actual",
    "state": "state",
    "n": "n",
    "pass_rate": "pass_rate",
    "run_id": "run_id",
    "result_id": "result_id",
}
_DEFINITION_WORDS = dict(zip(DEFINITION, ("inputs", "condition", "expected value"), strict=True))

FURTHER = (
    *("eval", "expected_reruns", "unknown", "is_latest", "is_outage", "since_row"),
    *("p_worse", "p_better", "not_run_since", "passing_rows", "comes_and_goes"),
    *("tries", "tried_at", "in_bad_hour"),
    *FACTS,
)
"""What a comparison keeps of each eval beside what it shows."""


@dataclass(frozen=True, eq=False)
class EvalRows:
    """What became of each eval.

    Attributes:
        evals: One row per eval, what needs attention first: the columns of :data:`EVALS_SCHEMA`,
            and :data:`FURTHER`: ``eval`` (its index in the ledger);
            ``expected_reruns``, how many it will get in the mean if it gets at most 0, 1, …;
            ``unknown`` (List(String)), of which parts of its definition it is not known whether
            they changed; ``is_latest``, whether it may have broken earlier than it shows;
            ``is_outage``, whether it ended in an error of an outage; ``since_row``; ``p_worse``,
            the probability that it is worse whenever that began, and ``p_better``;
            ``not_run_since``, when it was decided last where it was not run now; ``passing_rows``,
            how many of its newest rows passed, one after the other; ``comes_and_goes``; ``tries,
            tried_at, in_bad_hour``, as :meth:`Findings.newest_hour` says; and what a detail reads.
        earlier: ``eval, at``: the results that each eval is held against.
    """

    evals: pl.DataFrame
    earlier: pl.DataFrame


def describe_evals(
    results: pl.DataFrame,
    ledger: Ledger,
    findings: Findings,
    sides: Sides,
    changed_blocks: frozenset[str] | None,
) -> EvalRows:
    """One row per eval, what needs attention first.

    Args:
        results: What :func:`combine_sides` gives.
        ledger: What is made of them.
        findings: What the model says of them.
        sides: What is compared.
        changed_blocks: The blocks in which the versions differ, None where that is not known.
    """
    facts = _collect_facts(ledger, sides)
    facts = facts.join(findings.overall_of_each, on="eval").with_columns(is_broken=_is_broken())
    own_past = sides.baseline is None
    earlier = choose_baseline(ledger)
    if own_past:
        passing = facts.select("eval", passing=pl.col("is_passing") & ~is_called_though_passing())
        earlier = choose_last_good(ledger, passing, findings.since)
    after = _last_decided(earlier, ledger)
    if own_past:
        # For what does not pass now it does not matter how long ago that began: all rows count.
        after = after.join(passing.filter("passing"), on="eval", how="semi")
    stays = pl.col("is_broken") & ~pl.col("c_decided")
    known = facts.select((pl.col("c_decided") & pl.col("decided_before")) | stays).to_series()
    told = findings.of_each_eval(after, known)
    joined = (
        ledger.evals.drop("block", "block_id")
        .join(_put_beside(earlier, results, ledger), on="eval", how="left")
        .join(facts.drop("p_worse", "fails_last"), on="eval")
        .join(told, on="eval")
    )
    judged = joined.with_columns(transition=find_transition(own_past=own_past))
    listed = judged.drop_nulls("transition").with_columns(
        is_latest=_is_remembered()
        | _is_beyond_gap(ledger, judged, sides.after_gaps).gather(
            judged.with_row_index("place").drop_nulls("transition")["place"]
        ),
    )
    # Which of the runs that were not read was on edited code is not known.
    listed = listed.with_columns(
        cause=pl.when("is_latest", cause="edit").then(pl.lit("unknown")).otherwise("cause"),
    )
    concluded = listed.with_columns(
        *_concluded(), block_changed=_block_changed(changed_blocks), failure=_failure()
    )
    return EvalRows(order_evals(_shaped(concluded, find_year(sides.candidate))), earlier)


def _collect_facts(ledger: Ledger, sides: Sides) -> pl.DataFrame:
    """What the rules ask beside the states, one row per eval."""
    told = ledger.histories
    is_now, state = pl.col("side") == CANDIDATE, pl.col("state")
    decided, error = state.is_in(DECIDED), state == "error"
    now = is_now & pl.col("comparable")
    found = ledger.results.group_by("eval").agg(
        has_earlier=(~is_now & (decided | error)).any(),
        has_candidate=is_now.any(),
        is_comparable=(~is_now & pl.col("comparable") & (decided | error)).any(),
        c_decided=(now & decided).any(),
        c_errored=(now & error).any(),
        is_outage=(now & error & pl.col("outage")).any(),
        passes_now=(now & (state == "passed")).any(),
        fails_now=(now & decided & (state != "passed")).any(),
    )

    def is_among(names: Iterable[str] | None) -> pl.Expr:
        among = pl.col("eval_id").is_in(
            pl.Series(sorted([] if names is None else names), dtype=pl.String).implode()
        )
        return pl.lit(None, pl.Boolean) if names is None else among

    counted = pl.DataFrame(
        {
            "eval": ledger.evals["eval"],
            "decided_before": told.observed[:, : told.candidate].any(axis=1),
            "failed_before": told.fails[:, : told.candidate].any(axis=1),
            "passed_before": told.passes[:, : told.candidate].any(axis=1),
            "errors_count": ledger.errors_count,
            "was_there": _was_there(ledger),
        }
    )
    facts = ledger.evals.select("eval", "eval_id").join(found, on="eval", how="left")
    facts = facts.join(counted, on="eval").with_columns(
        pl.col("c_decided") | pl.col("errors_count"),
        is_passing=pl.col("passes_now")
        & ~(pl.col("fails_now") | (pl.col("c_errored") & pl.col("errors_count"))),
        is_saved=is_among(None if sides.saved is None else sides.saved["eval_id"]),
        is_expected=is_among(sides.expected),
        is_pending=is_among(sides.pending),
        is_edited_since=is_among(sides.edited_since),
    )
    for more in (_find_last(ledger), _compare_definitions(ledger)):
        facts = facts.join(more, on="eval", how="left")
    return facts.drop("eval_id")


def _was_there(ledger: Ledger) -> pl.Series:
    """Which evals the baseline has; where there is none, the newest earlier run of most evals.

    What only older runs have was removed long ago.
    """
    rows = ledger.results
    before = rows.filter(side=BASELINE)
    if before.is_empty():
        now = rows.filter(side=CANDIDATE)["eval"].n_unique()
        earlier = rows.filter(pl.col("side") != CANDIDATE)
        sizes = earlier.group_by("run_id").agg(
            pl.col("eval").n_unique().alias("n"), pl.col("at").max()
        )
        newest = sizes.filter(2 * pl.col("n") >= now).sort("at")["run_id"].tail(1)
        before = earlier.filter(pl.col("run_id").is_in(newest.implode()))
    there = np.bincount(before["eval"].to_numpy(), minlength=ledger.evals.height) > 0
    return pl.Series(there)


def _find_last(ledger: Ledger) -> pl.DataFrame:
    """``eval, last_state, last_at, same_code``: what each eval did when it was decided last.

    ``same_code``: whether its block has the same code now; what is not known counts as the same,
    so that it makes nothing incomplete.
    """
    rows = ledger.results.sort("at")
    last = (
        rows.filter("comparable", pl.col("state").is_in(DECIDED))
        .group_by("eval")
        .agg(
            pl.col("state").last().alias("last_state"),
            pl.col("moment").last().alias("last_at"),
            pl.col("code").last().alias("last_code"),
        )
    )
    now = rows.filter(pl.col("side") == CANDIDATE, pl.col("state").is_in((*DECIDED, "error")))
    present = now.group_by("block_id").agg(present_code=pl.col("code").drop_nulls().last())
    evals = ledger.evals.select("eval", "block_id").join(present, on="block_id", how="left")
    same = (pl.col("last_code") == pl.col("present_code")).fill_null(True)
    joined = evals.join(last, on="eval", how="left").with_columns(same_code=same)
    return joined.select("eval", "last_state", "last_at", "same_code")


def _compare_definitions(ledger: Ledger) -> pl.DataFrame:
    """``eval, unknown, differs``, in words.

    ``unknown``: what of each eval the comparable results of one side do not say. An expected value
    that neither side has is none that could have changed: not every condition has one. ``differs``:
    what of its definition was edited.
    """
    same = pl.col("comparable")
    before, now = same & (pl.col("side") != CANDIDATE), same & (pl.col("side") == CANDIDATE)
    unknown, differs = [], []
    for name, word in _DEFINITION_WORDS.items():
        column = pl.col(name)
        says = [(side & column.is_not_null()).any() for side in (before, now)]
        lacks = says[0] != says[1] if name == "expected" else ~(says[0] & says[1])
        unknown.append(pl.when(before.any() & now.any() & lacks).then(pl.lit(word)))
        present, other = (column.filter(each).drop_nulls().last() for each in (same, ~same))
        differs.append(pl.when(present != other).then(pl.lit(word)))
    decided = ledger.results.filter(pl.col("state").is_in(DECIDED)).sort("at")
    told = decided.group_by("eval").agg(
        unknown=pl.concat_list(unknown).list.drop_nulls(),
        differs=pl.concat_str(differs, separator=" and ", ignore_nulls=True),
        is_edited=(~same).any(),
    )
    return told.select("eval", "unknown", pl.when("is_edited").then("differs").alias("differs"))


def _is_broken() -> pl.Expr:
    """Whether what was decided last says that the eval is worse than it once was."""
    worse = pl.col("fails_last") & (pl.col("p_worse") >= LIKELY)
    passed = pl.col("passed_before") | pl.col("passes_now")
    return ((worse | is_called_though_passing()) & passed).fill_null(False)


def _last_decided(chosen: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """``eval, after``: the row of the newest decided result of those that were chosen."""
    rows = ledger.results.select("at", "row", "state", "comparable")
    decided = chosen.join(rows, on="at").filter("comparable", pl.col("state").is_in(DECIDED))
    return decided.group_by("eval").agg(pl.col("row").max().alias("after"))


def _put_beside(earlier: pl.DataFrame, results: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """Both sides of each eval: ``eval``, what it is held against, and ``c_…``, what it does now."""
    chosen = choose_candidate(ledger)
    rows = pick_rows(results, pl.concat([earlier["at"], chosen["at"]]))
    before, now = summarize_side(earlier, rows), summarize_side(chosen, rows)
    named = now.rename({name: f"c_{name}" for name in now.columns if name != "eval"})
    return before.join(named, on="eval", how="full", coalesce=True)


def _is_remembered() -> pl.Expr:
    """Whether only the saved eval remembers that it passed: other runs may lie between."""
    return ((pl.col("state") == "passed") & pl.col("run_id").is_null()).fill_null(False)


def _is_beyond_gap(ledger: Ledger, evals: pl.DataFrame, after_gaps: frozenset[str]) -> pl.Series:
    """Whether runs that were not read lie between the last pass and that since which it is broken.

    Args:
        ledger: What the runs are taken from.
        evals: One row per eval, with ``eval`` and ``since_row``.
        after_gaps: The ids of the runs before which there are some that were not read.
    """
    told = ledger.histories
    rows = ledger.results.filter(
        pl.col("run_id").is_in(list(after_gaps)), pl.col("row").is_not_null()
    )
    gaps = np.zeros((told.shape[0], told.shape[1] + 1), dtype=np.int64)
    gaps[rows["eval"].to_numpy(), rows["row"].to_numpy() + 1] = 1
    before = np.cumsum(gaps, axis=1)  # how many gaps lie before the result of a row
    passed = told.passed
    places = np.where(passed, np.arange(told.shape[1]), -1)
    last = np.pad(np.maximum.accumulate(places, axis=1), ((0, 0), (1, 0)), constant_values=-1)
    eval_, since = evals["eval"].to_numpy(), evals["since_row"].fill_null(-1).to_numpy()
    passes = last[eval_, np.maximum(since, 0)]
    start = np.where(passes < 0, since, passes + 1)
    return pl.Series((before[eval_, since + 1] > before[eval_, start]) & (since >= 0))


def _concluded() -> list[pl.Expr]:
    """Since when, and why, only of evals of which a worsening is said; no reruns of one gone."""
    still = (pl.col("transition") == "still_failing") & (pl.col("p_worse") >= LIKELY)
    said = pl.col("transition").is_in((*BROKEN, "suspect")) | (still & pl.col("passed_before"))
    gone = pl.col("transition") == "removed"
    # What has no result now has no p, unless it stays broken: then it keeps the last one.
    is_told = pl.col("c_decided") | pl.col("transition").is_in(BROKEN)
    edit = pl.col("cause") == "edit"
    return [
        *(pl.when(said).then(name).alias(name) for name in ("since_at", "since_run_id", "cause")),
        *(pl.when(is_told).then(name).alias(name) for name in ("p_regressed", "p_improved")),
        # A drift has a run and a date, and no version.
        pl.when(said & edit).then("since_version_id").alias("since_version_id"),
        *(
            pl.when(~gone).then(name).alias(name)
            for name in ("reruns_to_clear", "reruns_to_confirm")
        ),
        pl.when(~pl.col("c_decided") & ~pl.col("c_errored")).then("last_at").alias("not_run_since"),
    ]


def _block_changed(changed_blocks: frozenset[str] | None) -> pl.Expr:
    if changed_blocks is None:
        # Codes of two blocks say nothing of either.
        moved = (pl.col("block_id") != pl.col("c_block_id")).fill_null(False)
        return pl.when(~moved).then(pl.col("code") != pl.col("c_code"))
    return pl.coalesce("c_block_id", "block_id").is_in(sorted(changed_blocks))


def _failure() -> pl.Expr:
    """Why the candidate's result does not pass: code and message."""
    message = pl.coalesce("c_failure_message", "c_status_message")
    both = pl.concat_str("c_failure_code", message, separator=": ", ignore_nulls=True)
    failing = pl.col("c_state").is_in((*FAILING, "mixed"))
    return pl.when(failing & (both != "")).then(both)


def _shaped(judged: pl.DataFrame, year: int | None) -> pl.DataFrame:
    """The columns that are shown, in the order in which they are read."""
    either = [
        pl.coalesce(f"c_{name}", name).alias(name)
        for name in ("eval_name", "document_names", "condition", "expected_value")
    ]
    moved = (pl.col("block_id") != pl.col("c_block_id")).fill_null(False)
    named = judged.with_columns(
        *either,
        pl.coalesce("c_block_id", "block_id").alias("block_id"),
        moved.alias("has_moved"),
        pl.lit(None, pl.String).alias("reason"),
        *(
            (pl.col(f"c_{name}") - pl.col(name)).alias(f"{name}_delta")
            for name in ("score", "margin")
        ),
        # A difference that overflows Int64 (300 million years) becomes null.
        duration_delta_ms=(pl.col("c_duration_ms") - pl.col("duration_ms"))
        .round()
        .cast(pl.Int64, strict=False),
    ).rename(
        {
            f"{prefix}{name}": f"{side}_{short}"
            for prefix, side in (("", "baseline"), ("c_", "candidate"))
            for name, short in _SIDE_COLUMNS.items()
        }
    )
    filled = named.with_columns(pl.col("baseline_n", "candidate_n").fill_null(0))
    shaped = filled.select(
        *(pl.col(name).cast(dtype) for name, dtype in EVALS_SCHEMA.items()), *FURTHER
    )
    # Most of a large suite simply passes, of which there is nothing to say.
    told = shaped.filter(pl.col("transition") != "still_passing")
    reasons = [EvalDetail.make(row, year=year).reason for row in told.iter_rows(named=True)]
    said = pl.DataFrame(
        {"eval": told["eval"], "reason": reasons}, schema_overrides={"reason": pl.String}
    )
    worded = shaped.drop("reason").join(said, on="eval", how="left", maintain_order="left")
    return worded.select(*EVALS_SCHEMA.names(), *FURTHER)
