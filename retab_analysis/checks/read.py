"""Reads what a plan names, and puts it on the two sides of a comparison."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from retab_analysis.checks.plan import OLD, WHOLE, ReadingPlan
from retab_analysis.checks.source import Source
from retab_analysis.comparison.detail import list_evals, say_invalid
from retab_analysis.comparison.sides import ReadRuns, SavedEvals, Sides, check_results
from retab_analysis.evidence.comparable import is_in_scope, split_by_candidate
from retab_analysis.markup import one_line
from retab_analysis.progress import Progress
from retab_analysis.schema import asserts_the_same
from retab_analysis.vocabulary import BLOCK_CODE, DECIDED, MOMENT

_COUNTED = ("passed", "failed", "blocked", "error", "cancelled")
_NAMED = 3


def make_sides(plan: ReadingPlan, source: Source, progress: Progress | None = None) -> Sides:
    saved, runs = source.saved, plan.read
    results = _without_pending(source.read_results(runs, progress), runs)
    against = [] if plan.baseline is None else plan.baseline.runs["run_id"].to_list()
    is_baseline = pl.col("run_id").is_in(against)
    base = frozenset(plan.candidate.runs["run_id"])
    placed = split_by_candidate(results.filter(~is_baseline), runs, saved, base, plan.follow)
    now, earlier, tried = (
        placed.filter(place=each).drop("place") for each in ("candidate", "earlier", "tried")
    )
    begun = plan.candidate.runs.select(pl.col("created_at").min()).item()
    first = now.select(MOMENT.min()).item()
    remembered = _remember_passes(earlier, now, saved, first or begun)
    earlier = pl.concat([earlier, remembered], how="diagonal")
    expected = _find_expected(plan, saved)
    pending = _find_pending(plan.candidate.runs, now, saved) & expected
    return Sides(
        candidate=check_results(now, "candidate").collect(),
        baseline=None
        if plan.baseline is None
        else check_results(results.filter(is_baseline), "baseline").collect(),
        history=check_results(earlier, "history").collect(),
        saved=SavedEvals(
            saved,
            expected,
            pending,
            edited=_find_edited_since(now, saved) if plan.is_newest else frozenset(),
        ),
        read=ReadRuns(
            why=plan.candidate.why,
            against=_say_against(plan),
            plan=plan.table,
            horizon=plan.horizon,
            after_gaps=plan.after_gaps,
            changed_blocks=_read_changed(plan, now, source),
            unnamed=_count_unnamed(plan, now, expected - pending, placed),
            waiting=count_waiting(plan.candidate.runs),
        ),
        notes=(
            *plan.notes,
            *_note_reverted(placed, runs),
            *_note_tried(tried),
            *_note_invalid(saved),
        ),
    )


def _without_pending(results: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Without what has no verdict yet, in runs that go on: it is still to come."""
    going_on = runs.filter(~pl.col("is_terminal"))["run_id"]
    pending = pl.col("run_id").is_in(going_on.implode()) & (pl.col("state") == "unscored")
    return results.filter(~pending)


def _remember_passes(
    earlier: pl.DataFrame, now: pl.DataFrame, saved: pl.DataFrame, begun: datetime | None
) -> pl.DataFrame:
    """Each eval's last pass that the saved eval remembers, where it is not among what was read.

    Without that a break would leave what is read one day, and turn from "broken" into "never
    passed" by itself. A pass on other inputs than the present ones says nothing; whether the eval
    asserted the same then is not known.
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


def _find_expected(plan: ReadingPlan, saved: pl.DataFrame) -> frozenset[str]:
    """The evals of which the candidate ought to have a result: saved, valid and there in time."""
    runs = plan.candidate.runs
    begun = runs["created_at"].min()
    valid = (pl.col("validation_status") == "valid").fill_null(True)
    there = valid & (pl.col("created_at") <= begun).fill_null(True)
    return frozenset(saved.filter(there, is_in_scope(runs))["eval_id"])


def _find_pending(runs: pl.DataFrame, now: pl.DataFrame, saved: pl.DataFrame) -> frozenset[str]:
    """The evals of which a run that goes on has no result yet: they are still to come."""
    found: set[str] = set()
    for run in runs.filter(~pl.col("is_terminal")).iter_slices(1):
        asked = saved.filter(is_in_scope(run))["eval_id"]
        found |= {*asked} - {*now.filter(run_id=run["run_id"].item())["eval_id"]}
    return frozenset(found)


def _count_unnamed(
    plan: ReadingPlan, now: pl.DataFrame, expected: frozenset[str], results: pl.DataFrame
) -> int:
    """How many results of the checked runs are missing, or not as the runs count them.

    Beside those of evals that are known to be missing: they are named. A run that was cut short
    after the checked one is only more evidence, and need not add up.
    """
    is_checked = pl.col("run_id").is_in(plan.candidate.runs["run_id"].implode())
    counts_too = pl.col("run_id").is_in(now["run_id"].implode()) & (pl.col("status") == "completed")
    wrong = 0
    for run in plan.read.filter("is_terminal", is_checked | counts_too).iter_rows(named=True):
        its = results.filter(pl.col("run_id") == run["run_id"]).unique("eval_id", keep="last")
        told = dict(its["state"].value_counts().iter_rows())
        counts = {name: run[name] for name in _COUNTED if run[name] is not None}
        absent = sum(max(0, n - told.get(name, 0)) for name, n in counts.items())
        besides = sum(max(0, told.get(name, 0) - n) for name, n in counts.items())
        wrong += max(absent, besides, (run["total_evals"] or 0) - its.height)
    named = len(expected - set(now["eval_id"]))
    return max(0, wrong - named)


def _find_edited_since(now: pl.DataFrame, saved: pl.DataFrame) -> frozenset[str]:
    """The saved evals that were saved after their newest decided result, and assert something else.

    That they were saved is not enough: a new name changes nothing.
    """
    newest = (
        now.filter(pl.col("state").is_in(DECIDED))
        .sort(MOMENT)
        .unique("eval_id", keep="last", maintain_order=True)
        .select("eval_id", "condition_kind", "expected_value", ran_at=MOMENT)
    )
    both = newest.join(saved.select("eval_id", "condition", "updated_at"), on="eval_id")
    later = both.filter(pl.col("updated_at") > pl.col("ran_at")).drop_nulls("condition_kind")
    rows = later.select("eval_id", "condition", "condition_kind", "expected_value").iter_rows()
    return frozenset(eval_id for eval_id, *asserted in rows if asserts_the_same(*asserted) is False)


def _read_changed(plan: ReadingPlan, now: pl.DataFrame, source: Source) -> frozenset[str] | None:
    """The blocks that differ, where the results do not say on which code they ran; else None."""
    if now[BLOCK_CODE].null_count() == 0:
        return None
    earlier = plan.read.filter(WHOLE, why="an earlier run of the whole workflow").head(1)
    before = earlier if plan.baseline is None else plan.baseline.runs
    pair = [
        side["workflow_version_id"].unique().to_list() for side in (before, plan.candidate.runs)
    ]
    # A draft keeps its version's name while it is edited, so that the same name on both sides does
    # not mean that nothing changed.
    if any(len(each) != 1 or each[0] is None for each in pair) or pair[0] == pair[1]:
        return None
    return source.read_changed_blocks(pair[0][0], pair[1][0])


def count_waiting(runs: pl.DataFrame) -> tuple[int, int]:
    going_on = runs.filter(~pl.col("is_terminal"))
    ended = going_on.select(
        pl.sum_horizontal("completed", "error", "cancelled").fill_null(0).sum()
    ).item()
    total = going_on["total_evals"].sum()
    return int(total - ended), int(runs["total_evals"].sum())


def _say_against(plan: ReadingPlan) -> str:
    if plan.baseline is None:
        return ""
    newest = plan.candidate.runs["created_at"].max()
    oldest = plan.baseline.runs["created_at"].min()
    warning = ""
    if newest is not None and oldest is not None and newest - oldest > OLD:  # type: ignore[operator]
        warning = f" (which is {(newest - oldest).days} days older)"  # type: ignore[operator, union-attr]
    return f", {plan.baseline.why}{warning}"


def _note_reverted(placed: pl.DataFrame, runs: pl.DataFrame) -> list[str]:
    known = placed.drop_nulls(BLOCK_CODE).join(
        runs.filter(pl.col("scope") != "eval").select("run_id", "created_at").drop_nulls(),
        on="run_id",
    )
    codes = known.group_by("block_id", "place", "run_id").agg(
        pl.col(BLOCK_CODE).first().alias("code"), pl.col("created_at").first()
    )
    notes = []
    its = codes.sort("block_id", "created_at", "run_id").partition_by("block_id", as_dict=True)
    for (block,), rows in its.items():
        now, before = (rows.filter(place=place) for place in ("candidate", "earlier"))
        again = before.filter(pl.col("code").is_in(now["code"].tail(1).implode()))
        if again.height and again["run_id"][-1] != before["run_id"][-1]:
            notes.append(
                f"Block {one_line(block)} is on older code than in the run before: that of "
                f"{again['created_at'][-1]:%-d %b %Y}."
            )
    return notes


def _note_tried(tried: pl.DataFrame) -> list[str]:
    decided = tried.filter(pl.col("state").is_in(DECIDED)).unique("eval_id", keep="last")
    if decided.is_empty():
        return []
    passed = decided.filter(state="passed").height
    return [
        "Tried on edited code since, which judges nothing here: "
        f"{list_evals(decided.sort('eval_name', 'eval_id'), _NAMED)} "
        f"({passed} of {decided.height} passed)."
    ]


def _note_invalid(saved: pl.DataFrame) -> list[str]:
    invalid = saved.filter((pl.col("validation_status") != "valid").fill_null(False))
    named = invalid.sort("eval_name", "eval_id")
    if invalid.height <= _NAMED:
        return list(map(say_invalid, named.iter_rows(named=True)))
    return [f"{invalid.height} saved evals cannot run: {list_evals(named, _NAMED)}."]
