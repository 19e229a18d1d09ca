"""What is known of the watched runs, and what a person is told: plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any

import polars as pl

from retab_analysis.comparison import Comparison
from retab_analysis.comparison.comparison import suite_of
from retab_analysis.comparison.detail import tell_result
from retab_analysis.config import shows_values
from retab_analysis.evidence.story import Story
from retab_analysis.render.document import Document, Heading
from retab_analysis.schema import RESULTS, RUNS
from retab_analysis.vocabulary import BROKEN, NOT_COMPARED, TERMINAL, TRANSITIONS
from retab_analysis.widgets.live.news import OUTCOME, News, Outcome, list_outcomes
from retab_analysis.widgets.live.run_lines import (
    TOLD,
    RunLine,
    estimate_all,
    make_run_line,
    say_not_passing,
)
from retab_analysis.widgets.phrases import format_seconds

# What is read of each result; more of those that do not pass and are compared with nothing.
_READ = ("run_id", "eval_id", "state", "status", "duration_ms", "completed_at")
# So many runs are named, or things that runs are held against; the others are counted.
_NAMED = 3


@dataclass(frozen=True)
class Snapshot:
    """What is known, and how well. Runs, results and news are of one time, the last contact.

    ``news`` is empty if not wanted or not known yet. While ``is_comparing``, news of all results,
    or of the latest, are still to come. ``usual_ms`` is how long each eval took in its newest run.
    ``gone`` are runs that were there before; ``unfound`` are runs that the API does not know (yet).
    ``trouble`` says why the API has not answered since ``seen_at``, ``failure`` why watching ended
    early. ``phase`` is ``watching``, ``ended`` (all runs have), ``stopped`` (by hand) or
    ``failed``.
    """

    runs: pl.DataFrame = field(default_factory=RUNS.empty)
    results: pl.DataFrame = field(default_factory=RESULTS.empty)
    news: tuple[News, ...] = ()
    is_comparing: bool = False
    usual_ms: Mapping[str, int] = field(default_factory=dict)
    seen_at: datetime | None = None
    trouble: str | None = None
    gone: frozenset[str] = frozenset()
    unfound: tuple[str, ...] = ()
    failure: str | None = None
    phase: str = "watching"
    notes: tuple[str, ...] = ()

    @cached_property
    def later(self) -> dict[Outcome, bool]:
        """The outcomes that the news do not count yet, and whether each may change the news."""
        news = {run_id: each for each in self.news for run_id in each.run_ids}
        found = {}
        for outcome in list_outcomes(self.results):
            its = news.get(outcome[0])
            if its is None or (its.missing is None and outcome not in its.outcomes):
                found[outcome] = its is None or its.is_changed_by(*outcome[1:])
        return found


@dataclass(frozen=True, slots=True)
class LiveState:
    """The whole view.

    ``news`` counts evals by transition as ``check`` does, summed over workflows; None if there is
    nothing to compare with. ``headings`` say how far each workflow is now, even if its news are
    older. ``listed`` are the evals to look at first: broken, unclear, or not passing and impossible
    to judge. ``alone`` are those of them that are not compared with anything, or not yet. ``later``
    says what the news do not count yet. All numbers are as of ``refreshed``. ``eta`` is the low and
    high end of the seconds until all runs have ended.
    """

    heading: str
    runs: tuple[RunLine, ...]
    news: Mapping[str, int] | None
    told: tuple[News, ...]
    headings: tuple[Heading, ...]
    listed: tuple[Story, ...]
    alone: tuple[Story, ...]
    compared: str | None
    is_comparing: bool
    later: str
    connection: str
    refreshed: str
    failure: str | None
    phase: str
    notes: tuple[str, ...]
    can_cancel: bool
    eta: tuple[float, float] | None

    @property
    def broke(self) -> tuple[Story, ...]:
        return tuple(each for each in self.listed if each.transition in BROKEN)

    def documents(self, *, values: bool) -> Iterator[tuple[Comparison, Document]]:
        """Each of ``told`` as ``check`` shows it, with how far it is now."""
        for each, heading in zip(self.told, self.headings, strict=True):
            document = each.document(values=values)
            assert each.comparison is not None
            assert document is not None
            yield each.comparison, replace(document, heading=heading)


def compute_state(snapshot: Snapshot, now: datetime) -> LiveState:
    """What a person is told; ``now`` (UTC) only says how long ago the last contact was."""
    results = _group_by_run(snapshot.results)
    seen = list(snapshot.runs.iter_rows(named=True))
    then, usual = snapshot.seen_at or now, snapshot.usual_ms
    runs = tuple(
        make_run_line(
            run, results.get(run["run_id"], []), usual, then, is_gone=run["run_id"] in snapshot.gone
        )
        for run in seen
    )
    # A run that is gone will not end.
    there = [run for run in seen if run["run_id"] not in snapshot.gone]
    counted = [each.counts for each in snapshot.news if each.counts is not None]
    news = {name: sum(each[name] for each in counted) for name in TRANSITIONS}
    alone = tuple(_list_alone(snapshot))
    told = tuple(each for each in snapshot.news if each.comparison is not None)
    same = sum(not is_new for is_new in snapshot.later.values())
    state = LiveState(
        heading="",
        runs=runs,
        news=MappingProxyType(news) if counted else None,
        told=told,
        headings=tuple(_write_heading(each, runs, snapshot) for each in told),
        listed=(*_list_judged(told), *alone),
        alone=alone,
        compared=_describe_comparison(snapshot),
        is_comparing=snapshot.is_comparing,
        later=f"{same} more ended as before since the last comparison" if same else "",
        connection=_describe_connection(snapshot, now),
        refreshed=_format_time(snapshot.seen_at),
        failure=snapshot.failure,
        phase=snapshot.phase,
        notes=(*snapshot.notes, *_say_missing(snapshot)),
        can_cancel=bool(not snapshot.runs["is_terminal"].all()),
        eta=estimate_all(there, results, usual, then),
    )
    return replace(state, heading=_describe_progress(snapshot, state))


def _group_by_run(results: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in results.select(_READ).iter_rows(named=True):
        rows.setdefault(row["run_id"], []).append(row)
    return rows


def _list_judged(told: Sequence[News]) -> Iterator[Story]:
    """What broke, what is unclear, and what does not pass and has no past."""
    for each in told:
        assert each.comparison is not None
        for story in suite_of(each.comparison).stories:
            is_new = story.transition in NOT_COMPARED and story.fails
            if is_new or story.transition in (*BROKEN, "suspect", "newly_errored"):
                yield story


def _list_alone(snapshot: Snapshot) -> Iterator[Story]:
    """The results that do not pass and are compared with nothing (yet), as they ended."""
    missing = {run_id for each in snapshot.news if each.missing for run_id in each.run_ids}
    failed = snapshot.results.filter(pl.col("state").is_in(TOLD), pl.col("state") != "passed")
    ended = failed.sort("completed_at", nulls_last=True, maintain_order=True)
    for at, outcome in enumerate(ended.select(OUTCOME).iter_rows()):
        if outcome[0] in missing or snapshot.later.get(outcome):
            yield tell_result(ended.row(at, named=True))


def _count_waiting(snapshot: Snapshot, run_ids: Sequence[str] | None = None) -> str:
    """How many outcomes of some runs are still to be compared, in words; empty for none."""
    waiting = sum(
        is_new and (run_ids is None or run_id in run_ids)
        for (run_id, _, _), is_new in snapshot.later.items()
    )
    return f", {waiting} not compared yet" if waiting and snapshot.is_comparing else ""


def _write_heading(news: News, runs: Sequence[RunLine], snapshot: Snapshot) -> Heading:
    """What ``check`` says of the same runs; while they go on, of all that has ended by now."""
    its = [line for line in runs if line.run_id in news.run_ids]
    waiting = _count_waiting(snapshot, news.run_ids)
    if not waiting and all(line.status in TERMINAL for line in its):
        document = news.document(values=shows_values())
        assert document is not None
        return document.heading
    done, total = sum(line.done for line in its), sum(line.total for line in its)
    said = _say_broke(sum((news.counts or {})[each] for each in BROKEN), is_over=False)
    return Heading("…", "other", f"{done} of {total} done", f": {said}{waiting}")


def _say_broke(broke: int, *, is_over: bool) -> str:
    return f"{broke or 'nothing'} broke{'' if is_over else ' so far'}"


def _describe_progress(snapshot: Snapshot, state: LiveState) -> str:
    runs = state.runs
    if snapshot.failure:
        # Of what does not exist nothing else is told.
        return "Watching has ended" if runs else snapshot.failure
    if not runs:
        if snapshot.unfound:
            which = _list_first(snapshot.unfound, ", ")
            return f"There is no run {which} so far; one that was just started may still appear"
        return "No run is going on" if snapshot.seen_at else "Looking for the runs"
    going = sum(line.status not in TERMINAL for line in runs)
    progress = f"{going} of {len(runs)} runs going on" if going else f"{len(runs)} runs ended"
    # One run is described by its own words, several by how many go on.
    if len(runs) == 1:
        progress = runs[0].words
    if len(state.headings) == 1:
        return f"{progress}: {state.headings[0]}"
    if state.news is not None:
        said = _say_broke(len(state.broke), is_over=not going and not snapshot.is_comparing)
        return f"{progress}: {said}{_count_waiting(snapshot)}"
    # A completed run says so already in its own words.
    bad = say_not_passing(len(state.alone))
    return f"{progress}: {bad}" if state.alone and not progress.endswith(bad) else progress


def _describe_comparison(snapshot: Snapshot) -> str | None:
    if snapshot.runs.is_empty():
        return None
    if snapshot.is_comparing and not snapshot.news:
        return "The earlier runs are being read."
    known = [each for each in snapshot.news if each.against is not None]
    if len(known) == 1 and known[0].comparison is not None:
        return known[0].comparison.explain().partition("\n")[0]
    against = list(dict.fromkeys(each.against for each in known if each.against))
    return f"Held against {_list_first(against, '; ')}." if against else None


def _say_missing(snapshot: Snapshot) -> Iterator[str]:
    """Why some runs are held against nothing, each reason once."""
    reasons: dict[str, list[str]] = {}
    for each in snapshot.news:
        if each.missing is not None:
            reasons.setdefault(each.missing, []).extend(each.run_ids)
    for reason, ids in reasons.items():
        # Which runs it is about is said only where there are others.
        which = f" ({_list_first(ids, ', ')})" if len(snapshot.news) > 1 else ""
        yield f"Held against nothing{which}: {reason}"


def _list_first(names: Sequence[str], by: str) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{by.join(names[:_NAMED])}{more}"


def _format_time(moment: datetime | None) -> str:
    return f"{moment:%H:%M:%S} UTC" if moment else "not yet"


def _describe_connection(snapshot: Snapshot, now: datetime) -> str:
    # Once watching has ended, nobody retries any more.
    if snapshot.trouble is None or snapshot.phase != "watching":
        return ""
    if snapshot.seen_at is None:
        return f"retrying, not seen yet: {snapshot.trouble}"
    ago = format_seconds((now - snapshot.seen_at).total_seconds())
    return f"as of {_format_time(snapshot.seen_at)}, {ago} ago; retrying: {snapshot.trouble}"
