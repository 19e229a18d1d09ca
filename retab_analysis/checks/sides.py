"""The sides of a verdict: the places of results, the facts about the saved evals, and notes.

The present definitions of evals say nothing about an earlier version. Evals of a block with one
code in two versions are ``same_code``; those without a result on one of the codes are
``not_comparable``. Neither counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from retab_analysis.checks.plan import (
    AHEAD,
    DRAFT_NOW,
    HISTORY,
    LAST_GOOD,
    OLD,
    Limits,
    ReadingPlan,
    RunListing,
    make_plan,
)
from retab_analysis.checks.read import DAY, count_waiting, list_going, read_results, read_timeline
from retab_analysis.checks.source import Source
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
from retab_analysis.evidence.names import Name
from retab_analysis.evidence.places import (
    TRIED,
    choose_coded,
    is_in_scope,
    place_results,
    place_versions,
)
from retab_analysis.evidence.presence import OPEN, Presence, Sameness
from retab_analysis.evidence.saved_evals import (
    SavedEvals,
    count_lost,
    find_ended,
    find_expected,
    judge_saved,
)
from retab_analysis.evidence.story import Standing
from retab_analysis.evidence.timeline import Timeline
from retab_analysis.evidence.versions import Moment, Versions
from retab_analysis.fetch.kept import find_deleted
from retab_analysis.markup import count_noun
from retab_analysis.progress import Silent
from retab_analysis.transport import Client
from retab_analysis.vocabulary import DECIDED, MOMENT, NOT_PASSING

_NAMED = 3


def read_as_it_is_now(source: Source) -> SavedEvals:
    """The facts about the saved evals, from the reading of ``check``."""
    listing = RunListing.read(source)
    if listing.present.is_empty():
        return SavedEvals(source.saved, standing=dict.fromkeys(source.saved["eval_id"], "never"))
    plan = make_plan(listing, None, LAST_GOOD, Limits.choose(HISTORY, source))
    results = read_results(plan, source, Silent())
    timeline = read_timeline(results, source, list_going(plan, source.client.api_time)["run_id"])
    return make_sides(plan, Versions(timeline), source.client).saved


def make_sides(plan: ReadingPlan, versions: Versions, client: Client) -> Sides:
    """The two sides, and what is known about the saved evals."""
    timeline, past = versions.timeline, plan.past
    facts, saved = timeline.facts, timeline.facts.saved
    codes = None if past is None else versions.code_of(past)
    is_now = plan.follow and codes is None
    asked, going = plan.candidate.runs, list_going(plan, facts.read_at)
    # Results of a version may be of any run.
    against = plan.baseline.runs["run_id"] if plan.baseline and not plan.before else pl.Series([""])
    # Results of a run that goes on judge nothing, unless you asked for that run.
    aside, named = [*going["run_id"], *against], [] if plan.follow else [*asked["run_id"]]
    placed = place_results(timeline, _describe_runs(plan.read), named, aside, codes)
    its, now = placed.filter(pl.col("side") >= EARLIER), placed.filter(side=CANDIDATE)
    before = timeline.results.filter(pl.col("run_id").is_in(against.implode()))
    expected = find_expected(_list_due(plan, going), saved, placed)
    unread = {*saved["eval_id"]}.difference(placed.drop_nulls("run_id")["eval_id"])
    pending = _find_pending(asked, now, saved) & (expected | unread)
    told = SavedEvals(saved, expected, pending, saved_again=timeline.saved_again)
    if is_now:
        told = judge_saved(now, timeline, expected, pending, going)
    deleted, unlisted, is_list_whole = _find_deleted(plan, timeline, client)
    checked, ran = _choose_checked(plan, now), {*now["eval_id"]}
    lost = count_lost(checked, placed, len(expected - pending - ran))
    explained = len(_find_recent(plan, checked, timeline.results, deleted) - ran)
    is_error, ended = bool((asked["status"] == "error").all()), {*find_ended(now)["eval_id"]}
    sides = Sides(
        pl.concat([its, put_on_side(before, BASELINE)], how="diagonal").select(SIDED),
        own_past=plan.before is None and plan.baseline is None,
        told=versions,
        saved=replace(told.stand(dict.fromkeys(deleted, "removed")), read_at=facts.read_at),
        read=ReadRuns(
            why=plan.candidate.why,
            against=_say_against(plan),
            plan=plan.tabulate(),
            horizon=plan.horizon,
            after_gaps=plan.after_gaps,
            unnamed=lost[0],
            gone_failures=max(0, lost[1] - explained),
            unlisted=unlisted,
            is_list_whole=is_list_whole,
            waiting=count_waiting(asked),
            newer=_list_newer(plan, timeline) if is_now else (),
            could_not_run=is_error and not expected <= ended,
        ),
        notes=(
            *plan.notes,
            *_note_reverted(placed, facts),
            *(_note_tried(placed.filter(side=TRIED)) if is_now else ()),
            *_note_invalid(saved),
            *_note_unseen(facts, timeline.presences if codes is None else {}),
            *_note_deleted(lost[2]),
        ),
    )
    if codes is not None and past is not None:
        sides = _keep_to_version(sides, past, codes, versions)
    return sides if plan.before is None else _set_against(sides, plan, versions)


def _keep_to_version(
    sides: Sides, past: Moment, codes: Mapping[str, Presence], versions: Versions
) -> Sides:
    """The candidate's side of an earlier version: its own results, and all that stays unknown."""
    named, draft = versions.name(past), versions.code_of(DRAFT_NOW)
    others = [block for block, its in codes.items() if its.compare(draft[block]) != "same"]
    candidate, is_other = choose_coded(sides.candidate, codes), pl.col("side") != CANDIDATE
    never = {*versions.timeline.facts.saved["eval_id"]} - {*find_ended(candidate)["eval_id"]}
    unknown = [block for block, its in codes.items() if its.is_there and not its.codes]
    saved = sides.saved.stand(dict.fromkeys(sorted(never), "not_comparable"))
    said = f"It is not known which results are of {named.said}" if unknown else ""
    note = f"{count_noun(len(never), 'eval')} never ran on {named.said}."
    return replace(
        sides,
        results=pl.concat([sides.results.filter(is_other), candidate]),
        saved=replace(saved, expected=frozenset(), pending=frozenset()),
        read=replace(sides.read, others=tuple(others), named=named, unknown=said),
        notes=(*sides.notes, *[note] * bool(never and not said)),
    )


def _set_against(sides: Sides, plan: ReadingPlan, versions: Versions) -> Sides:
    """The sides of two versions."""
    assert plan.before is not None
    before, every = versions.code_of(plan.before), versions.timeline.results
    now = _find_codes(plan, versions, sides.candidate)
    told = {block: its.compare(now[block]) for block, its in before.items() if block in now}
    called = Name("run") if plan.now is None else versions.name(plan.now)
    names = versions.name(plan.before), called
    if plan.now is not None and names[0].text == names[1].text:
        names = plan.before.keep(names[0]), plan.now.keep(names[1])
    differing = {block: before[block] for block, word in told.items() if word == "edited"}
    results = place_versions(every, sides.results, differing, now if plan.past else None)
    grown = replace(sides, results=results.select(SIDED), own_past=False)
    words = _find_words(versions.timeline.facts.saved, told, grown, is_past=plan.past is not None)
    notes, read = _note_versions(words, names, told, grown.candidate), sides.read
    if plan.past is not None:  # its newest whole run has to add up
        newest = grown.candidate.filter(run_scope="workflow").sort(MOMENT)["run_id"].tail(1)
        run = plan.read.filter(pl.col("run_id").is_in(newest.implode()))
        unnamed, failures, _ = count_lost(run, every)
        read = replace(read, unnamed=unnamed, gone_failures=failures, against=" and nothing else")
    unknown = _say_unknown(before, now, told, names)
    return replace(
        grown,
        saved=sides.saved.stand(words),
        notes=(*sides.notes, *notes),
        read=replace(read, versions=names, named=names[1], unknown=unknown),
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
        is_old = row["status"] not in OPEN or (at is not None and now - at > DAY)
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
    order = pl.coalesce("order", "run_created_at")
    notes, its = [], known.sort("block_id", order, "run_id", "code")
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


def _note_unseen(facts: Facts, presences: Mapping[str, Presence]) -> list[str]:
    """The blocks whose edits cannot be seen, and why it is not known when blocks were saved."""
    why, unseen = facts.why_no_blocks, {b for b, each in presences.items() if each.sign == "none"}
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


def _say_unknown(
    before: Mapping[str, Presence],
    now: Mapping[str, Presence],
    told: Mapping[str, Sameness],
    names: tuple[Name, Name],
) -> str:
    """What is not known about two versions, in words; empty if all is known."""
    unknown = [block for block, word in told.items() if word == "unknown"]
    pairs = [(before[block].config, now.get(block, Presence()).config) for block in unknown]
    if not unknown:
        return ""
    if any(None in pair for pair in pairs):
        return f"It is not known whether {names[0].said} and {names[1].said} differ"
    return f"It is not known which results are of {names[0].said}"


def _find_codes(
    plan: ReadingPlan, versions: Versions, candidate: pl.DataFrame
) -> Mapping[str, Presence]:
    """The codes of the checked version; runs that were asked for have those of their blocks."""
    if plan.now is not None:
        return versions.code_of(plan.now)
    codes = candidate.group_by("block_id").agg(pl.col("code").drop_nulls().unique())
    return {block: Presence(codes=frozenset(its)) for block, its in codes.iter_rows()}


def _find_words(
    saved: pl.DataFrame, told: Mapping[str, Sameness], sides: Sides, *, is_past: bool
) -> dict[str, Standing]:
    """The transitions that two versions decide: the same code, or no result to compare."""
    before, now = (sides.results.filter(side=side) for side in (BASELINE, CANDIDATE))
    ran_before, runs_now = ({*find_ended(each)["eval_id"]} for each in (before, now))
    words: dict[str, Standing] = {}
    for eval_id, block in saved.select("eval_id", "block_id").iter_rows():
        if block not in told:
            continue
        is_there = eval_id in ran_before and (not is_past or eval_id in runs_now)
        if told[block] == "same":
            words[eval_id] = "same_code"
        elif told[block] == "unknown" or not is_there:
            words[eval_id] = "not_comparable"
    return words


def _note_versions(
    words: Mapping[str, Standing],
    names: tuple[Name, Name],
    told: Mapping[str, Sameness],
    candidate: pl.DataFrame,
) -> list[str]:
    same = [each for each, word in words.items() if word == "same_code"]
    notes = []
    if same and len(same) < len(words) + len(candidate):
        blocks = sum(word == "same" for word in told.values())
        failing = pl.col("eval_id").is_in(same) & pl.col("state").is_in(NOT_PASSING)
        n = candidate.sort(MOMENT).unique("eval_id", keep="last").filter(failing).height
        fails = f"; {n} of them {'fails' if n == 1 else 'fail'} on it now" if n else ""
        have = "has" if len(same) == 1 else "have"
        notes.append(
            f"{count_noun(len(same), 'eval')} of {count_noun(blocks, 'block')} {have} the same "
            f"code in {names[0].said} and {names[1].said}{fails}."
        )
    never = sum(word == "not_comparable" for word in words.values())
    if never and "unknown" not in told.values():
        notes.append(f"{count_noun(never, 'eval')} never ran on {names[0].said}.")
    return notes
