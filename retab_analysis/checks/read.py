"""Reads the runs of a plan, and puts their results on the two sides of a comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from retab_analysis.checks.moments import make_versions
from retab_analysis.checks.plan import (
    AHEAD,
    HISTORY,
    LAST_GOOD,
    OLD,
    Limits,
    ReadingPlan,
    RunListing,
    make_plan,
)
from retab_analysis.checks.source import Source
from retab_analysis.checks.version_sides import keep_to_version, set_against
from retab_analysis.comparison.config_changes import Edits
from retab_analysis.comparison.detail import list_evals, say_invalid
from retab_analysis.comparison.sides import SIDED, NewerRun, ReadRuns, Sides
from retab_analysis.errors import list_some
from retab_analysis.evidence.comparable import (
    BASELINE,
    CANDIDATE,
    EARLIER,
    MOMENT_TYPE,
    put_on_side,
)
from retab_analysis.evidence.facts import Facts
from retab_analysis.evidence.placing import TRIED, is_in_scope, place_results
from retab_analysis.evidence.saved_evals import (
    SavedEvals,
    count_lost,
    find_expected,
    judge_saved,
    remember_passes,
)
from retab_analysis.evidence.timeline import Timeline, lacks_codes
from retab_analysis.evidence.versions import Versions
from retab_analysis.fetch.kept import find_deleted
from retab_analysis.progress import Progress, Silent
from retab_analysis.transport import Client
from retab_analysis.vocabulary import DECIDED, MOMENT

_NAMED = 3
DAY = timedelta(days=1)
GOING_ON = ("pending", "queued", "running")
_NO_CODES = (
    "Results do not say which code they ran; the history of their blocks does instead, or else "
    "their versions."
)


def read_results(plan: ReadingPlan, source: Source, progress: Progress) -> pl.DataFrame:
    """The results of the runs of a plan, without those that are still to come."""
    results = source.read_results(plan.read, progress)
    going_on = plan.read.filter(~pl.col("is_terminal"))["run_id"]
    pending = pl.col("run_id").is_in(going_on.implode()) & (pl.col("state") == "unscored")
    return results.filter(~pending)


def read_versions(
    plan: ReadingPlan, results: pl.DataFrame, runs: pl.DataFrame, source: Source
) -> Versions:
    """The timeline of some results, and what tells the versions of a plan and of runs."""
    moments = [each for each in (plan.now, plan.before) if each is not None]
    timeline = read_timeline(results, source, _list_going(plan, source.client.api_time)["run_id"])
    return make_versions(source, timeline, runs, moments)


def read_timeline(results: pl.DataFrame, source: Source, going: Iterable[str] = ()) -> Timeline:
    """The timeline of some results; ``going`` are the runs that go on."""
    return Timeline.make(results, source.read_facts(), [*going], source.find_renamed)


def read_as_it_is_now(source: Source) -> SavedEvals:
    """The facts about the saved evals, from the reading of ``check``."""
    listing = RunListing.read(source)
    if listing.present.is_empty():
        return SavedEvals(source.saved, standing=dict.fromkeys(source.saved["eval_id"], "never"))
    plan = make_plan(listing, None, LAST_GOOD, Limits.choose(HISTORY, source))
    results = read_results(plan, source, Silent())
    timeline = read_timeline(results, source, _list_going(plan, source.client.api_time)["run_id"])
    return make_sides(plan, Versions(timeline), source.client).saved


def make_sides(plan: ReadingPlan, versions: Versions, client: Client) -> Sides:
    """The two sides, and what is known about the saved evals.

    Between two versions, each side has the results on its version's code, whatever run they are
    of. The present definitions of evals say nothing about an earlier version.
    """
    timeline, now = versions.timeline, plan.now
    codes = None if now is None or now.kind == "draft" else versions.code_of(now)
    if codes is not None:
        timeline = timeline.at(codes)
    sides = _make_sides(plan, versions, timeline, client, is_now=plan.follow and codes is None)
    if codes is not None and now is not None:
        sides = keep_to_version(sides, now, codes, versions)
    return sides if plan.before is None else set_against(sides, plan, versions)


def _make_sides(
    plan: ReadingPlan, versions: Versions, timeline: Timeline, client: Client, *, is_now: bool
) -> Sides:
    # Results of a version may be of any run.
    against = None if plan.before is not None else plan.baseline
    is_baseline = pl.col("run_id").is_in([] if against is None else [*against.runs["run_id"]])
    facts, runs = timeline.facts, _describe_runs(plan.read)
    saved, going = facts.saved, _list_going(plan, facts.read_at)
    named = frozenset() if plan.follow else frozenset(plan.candidate.runs["run_id"])
    # Results of a run that goes on judge nothing, unless you asked for that run.
    aside = [*going["run_id"], *(() if against is None else against.runs["run_id"])]
    placed = place_results(timeline, runs, named, aside)
    its, now = placed.filter(pl.col("side") >= EARLIER), placed.filter(side=CANDIDATE)
    begun = plan.candidate.runs.select(pl.col("created_at").min()).item()
    remembered = remember_passes(its, saved, now.select(MOMENT.min()).item() or begun)
    before = put_on_side(timeline.results.filter(is_baseline), BASELINE)
    expected = find_expected(_list_due(plan, going), saved, placed)
    unread = {*saved["eval_id"]}.difference(placed["eval_id"])
    pending = _find_pending(plan.candidate.runs, now, saved) & (expected | unread)
    deleted, unlisted, is_list_whole = _find_deleted(plan, timeline, client)
    checked, lacking = _choose_checked(plan, now), expected - pending
    lost = count_lost(checked, placed, len(lacking - {*now["eval_id"]}))
    explained = len(_find_recent(plan, checked, timeline.results, deleted) - {*now["eval_id"]})
    ended = {*now.filter(pl.col("state").is_in((*DECIDED, "error")))["eval_id"]}
    is_cut = bool((plan.candidate.runs["status"] == "error").all()) and not expected <= ended
    told = SavedEvals(saved, expected, pending, saved_again=timeline.saved_again)
    if is_now:
        told = judge_saved(now, timeline, expected, pending, going)
    return Sides(
        pl.concat([its, remembered, before], how="diagonal").select(SIDED),
        own_past=against is None,
        told=versions,
        saved=replace(told.stand(dict.fromkeys(deleted, "removed")), read_at=facts.read_at),
        read=ReadRuns(
            why=plan.candidate.why,
            against=_say_against(plan),
            plan=plan.table,
            horizon=plan.horizon,
            after_gaps=plan.after_gaps,
            unnamed=lost[0],
            gone_failures=max(0, lost[1] - explained),
            unlisted=unlisted,
            is_list_whole=is_list_whole,
            waiting=count_waiting(plan.candidate.runs),
            newer=_list_newer(plan, timeline) if is_now else (),
            could_not_run=is_cut,
        ),
        notes=(
            *plan.notes,
            *_note_reverted(placed, facts),
            *(_note_tried(placed.filter(side=TRIED)) if is_now else ()),
            *_note_invalid(saved),
            *_note_unseen(timeline),
            *_note_deleted(lost[2]),
        ),
    )


def _choose_checked(plan: ReadingPlan, now: pl.DataFrame) -> pl.DataFrame:
    """The runs that have to add up: not those that were cut short after the checked ones."""
    is_checked = pl.col("run_id").is_in(plan.candidate.runs["run_id"].implode())
    is_judged = pl.col("run_id").is_in(now["run_id"].implode()) & (pl.col("status") == "completed")
    return plan.read.filter(is_checked | is_judged)


def _find_deleted(
    plan: ReadingPlan, timeline: Timeline, client: Client
) -> tuple[frozenset[str], int, bool]:
    """The deleted evals with results, how many others are not saved, whether the list is whole.

    If so many lack that only some were asked for, the newest whole run with all of its results
    tells of the others: it has every eval that was saved when it began.
    """
    results = timeline.results
    is_saved = pl.col("eval_id").is_in(timeline.facts.saved["eval_id"].implode())
    last = results.filter(~is_saved).group_by("eval_id").agg(MOMENT.max().alias("at"))
    missing = last.sort(-pl.col("at").to_physical(), "eval_id", nulls_last=True)
    deleted, is_whole = find_deleted(client, [*missing["eval_id"]])
    if is_whole and len(deleted) < missing.height:
        sizes = results.group_by("run_id").agg(n=pl.col("eval_id").n_unique())
        whole = plan.read.filter(scope="workflow", status="completed").join(sizes, on="run_id")
        newest = whole.filter(pl.col("n") >= pl.col("total_evals"))["created_at"].max()
        deleted |= {*missing.filter(pl.col("at") < pl.lit(newest, MOMENT_TYPE))["eval_id"]}
    return deleted, missing.height - len(deleted), is_whole


def _find_recent(
    plan: ReadingPlan, checked: pl.DataFrame, results: pl.DataFrame, deleted: frozenset[str]
) -> frozenset[str]:
    """The deleted evals that ran since the whole run before: they may have been in the checked."""
    before = pl.col("created_at") < checked["created_at"].min()
    since = plan.read.filter(before, scope="workflow")["created_at"].max()
    recent = results.filter(pl.col("run_created_at") >= pl.lit(since, MOMENT_TYPE))
    return deleted.intersection(recent["eval_id"])


def _list_going(plan: ReadingPlan, now: datetime) -> pl.DataFrame:
    """The runs that have not ended and are younger than a day; none if runs were asked for."""
    is_young = pl.col("created_at") > now - DAY
    return plan.read.filter(~pl.col("is_terminal"), is_young, pl.lit(plan.follow))


def _describe_runs(runs: pl.DataFrame) -> pl.DataFrame:
    """The columns of runs that :func:`place_results` needs."""
    decided = pl.sum_horizontal("passed", "failed", "blocked")
    is_completed = pl.col("status") == "completed"
    has_half = (2 * decided >= pl.col("total_evals")).fill_null(False)
    return runs.select(
        *("run_id", "created_at", "workflow_version_id", "scope", "target_block_id", "eval_id"),
        is_completed=is_completed,
        stands=pl.col("is_terminal") & (is_completed | has_half),
        ended_at="completed_at",
    )


def _list_due(plan: ReadingPlan, going: pl.DataFrame) -> pl.DataFrame:
    """The runs that ought to have results: those that were asked for, or else all that ended."""
    ended = plan.read.join(going, on="run_id", how="anti").filter(pl.col("scope") != "eval")
    return ended if plan.follow else plan.candidate.runs


def _list_newer(plan: ReadingPlan, timeline: Timeline) -> tuple[NewerRun, ...]:
    on_code = {*timeline.results.filter(pl.col("on_code") != "is_not")["run_id"].drop_nulls()}
    told = (each for its in timeline.presences.values() for each in its.told.values())
    fresh = [each.eval_id for each in told if each.word == "fresh"]
    unsure = timeline.facts.saved.filter(~pl.col("eval_id").is_in(fresh))
    now, found = timeline.facts.read_at, []
    for run in plan.open_runs.iter_slices(1):
        row = run.row(0, named=True)
        done = sum(row[name] or 0 for name in ("passed", "failed", "blocked", "error"))
        at = row["created_at"]
        is_old = row["status"] not in GOING_ON or (at is not None and now - at > DAY)
        kind = "stuck" if is_old else "going on"
        kind = "future" if at is not None and at > now + AHEAD else kind
        is_judged = row["run_id"] in on_code or unsure.filter(is_in_scope(run)).is_empty()
        block = row["target_block_id"]
        found.append(NewerRun(row["run_id"], kind, is_judged, at, done, row["total_evals"], block))
    return tuple(found)


def _find_pending(runs: pl.DataFrame, now: pl.DataFrame, saved: pl.DataFrame) -> frozenset[str]:
    """The evals whose results from a run that goes on are still to come."""
    found: set[str] = set()
    for run in runs.filter(~pl.col("is_terminal")).iter_slices(1):
        asked = saved.filter(is_in_scope(run))["eval_id"]
        found |= {*asked} - {*now.filter(run_id=run["run_id"].item())["eval_id"]}
    return frozenset(found)


def count_waiting(runs: pl.DataFrame) -> tuple[int, int]:
    """How many results of some runs are still to come, of how many."""
    going_on = runs.filter(~pl.col("is_terminal"))
    ended = pl.sum_horizontal("completed", "error", "cancelled").fill_null(0).sum()
    left = pl.col("total_evals").sum() - ended
    return int(going_on.select(left).item()), int(runs["total_evals"].sum())


def _say_against(plan: ReadingPlan) -> str:
    if plan.baseline is None:
        return ""
    newest = plan.candidate.runs["created_at"].max()
    oldest = plan.baseline.runs["created_at"].min()
    warning = ""
    if newest is not None and oldest is not None and newest - oldest > OLD:  # type: ignore[operator]
        warning = f" (which is {(newest - oldest).days} days older)"  # type: ignore[operator, union-attr]
    return f", {plan.baseline.why}{warning}"


def _note_reverted(placed: pl.DataFrame, facts: Facts) -> list[str]:
    known = placed.drop_nulls(("code", "run_created_at")).filter(pl.col("run_scope") != "eval")
    notes, its = [], known.sort("block_id", "run_created_at", "run_id", "code")
    for (block,), rows in its.partition_by("block_id", as_dict=True).items():
        now, before = (rows.filter(side=side) for side in (CANDIDATE, EARLIER))
        again = before.filter(pl.col("code").is_in(now["code"].tail(1).implode()))
        if again.height and again["run_id"][-1] != before["run_id"][-1]:
            name = Edits(again.select("block_id"), labels=facts.labels).name(block)
            notes.append(
                f"Block {name} is on older code than in the run before: its code of "
                f"{again['run_created_at'][-1]:%-d %b %Y}."
            )
    return notes


def _note_tried(tried: pl.DataFrame) -> list[str]:
    decided = tried.filter(pl.col("state").is_in(DECIDED)).unique("eval_id", keep="last")
    if decided.is_empty():
        return []
    passed = decided.filter(state="passed").height
    return [
        "Tried on edited code since, which does not count here: "
        f"{list_evals(decided.sort('eval_name', 'eval_id'), _NAMED)} "
        f"({passed} of {decided.height} passed)."
    ]


def _note_unseen(timeline: Timeline) -> list[str]:
    """The blocks whose edits cannot be seen, and why it is not known when blocks were saved."""
    facts, why = timeline.facts, timeline.facts.why_no_blocks
    unseen = {block for block, each in timeline.presences.items() if each.sign == "none"}
    blocks = sorted(unseen.intersection(facts.saved["block_id"]))
    unread = f"when blocks were saved is not known: {why}" if why else ""
    if not blocks:
        return [f"{unread[0].upper()}{unread[1:]}."] if unread else []
    names = Edits(facts.saved.select("block_id"), labels=facts.labels)
    said = f"Edits of {list_some(map(names.name, blocks), _NAMED)} cannot be seen"
    return [f"{said}; {unread}." if unread else f"{said}."]


def _note_deleted(count: int) -> list[str]:
    if count <= 0:
        return []
    are = "result is" if count == 1 else "results are"
    return [f"{count} {are} not there any more: deleting a saved eval deletes its results."]


def _note_invalid(saved: pl.DataFrame) -> list[str]:
    invalid = saved.filter((pl.col("validation_status") != "valid").fill_null(False))
    named = invalid.sort("eval_name", "eval_id")
    if invalid.height <= _NAMED:
        return list(map(say_invalid, named.iter_rows(named=True)))
    return [f"{invalid.height} saved evals cannot run: {list_evals(named, _NAMED)}."]


def note_codes(results: pl.DataFrame) -> list[str]:
    """The notes about codes if no decided result has the fingerprint of its code."""
    return [_NO_CODES] if lacks_codes(results.filter(pl.col("state").is_in(DECIDED))) else []
