"""What is known of the watched runs, and what a person is told: plain values.

:func:`compute_state` is a pure function of a :class:`Snapshot` and a clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any

import polars as pl

from retab_analysis.comparison import Comparison
from retab_analysis.comparison.comparison import compared_of, details_of
from retab_analysis.comparison.detail import EvalDetail
from retab_analysis.config import shows_values
from retab_analysis.render.document import Document, Heading
from retab_analysis.schema import RESULTS, RUNS
from retab_analysis.vocabulary import BROKEN, TERMINAL, TRANSITIONS
from retab_analysis.widgets.live.news import OUTCOME, News, Outcome, list_outcomes
from retab_analysis.widgets.live.run_lines import (
    TOLD,
    RunLine,
    estimate_all,
    make_run_line,
    say_not_passing,
)
from retab_analysis.widgets.phrases import format_seconds

_WITHOUT_PAST = ("added", "not_comparable")
# What is read of each result; more of those that do not pass and are compared with nothing.
_READ = ("run_id", "eval_id", "state", "status", "duration_ms", "completed_at")
# So many runs are named, or things that runs are held against; the others are counted.
_NAMED = 3


@dataclass(frozen=True)
class Snapshot:
    """What is known, and how well. Runs, results and news are of one time, the last contact.

    Attributes:
        runs: The watched runs as last seen, a RUNS frame.
        results: Their results as last seen, a RESULTS frame.
        news: What became of the evals of each workflow; empty where that is not wanted, or not
            known yet.
        is_comparing: Whether news are wanted and still to come: for all results at first, and later
            for those that have come since and may change what is said.
        usual_ms: How long each eval took in its newest run, by eval id.
        seen_at: When the API answered last, or None.
        trouble: Why it did not answer since, or None.
        gone: The runs that were there and are not found any more.
        unfound: The runs that the API does not know yet, or never will.
        failure: Why watching ended early, or None.
        phase: ``watching``, ``ended`` (all runs have), ``stopped`` (by hand) or ``failed``.
        notes: What else a person should know, for example of a callback that raised.
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
        """The outcomes that the news do not count yet, and whether each may change what they say.

        Those of runs that are held against nothing are not among them.
        """
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

    Attributes:
        heading: In a few words, how far the runs are and what is news.
        runs: The runs, in the order in which they were given or found.
        news: How many evals have each transition, the same as ``check`` counts; of several
            workflows the sum. None where the runs are held against nothing.
        told: What became of each workflow's evals, where they are held against their past.
        headings: The first line of each of them: how far it is now, whatever the news are of.
        listed: The evals that a person should look at first: that broke, that are unclear, and that
            do not pass and cannot be judged.
        alone: Those of them that are held against nothing, or not yet.
        compared: What the results are held against, or None.
        is_comparing: As in :class:`Snapshot`.
        later: What the news do not count yet; empty where they are of all results.
        connection: What is wrong with the connection; empty while the API answers.
        refreshed: When the API answered last; all numbers are as of then.
        failure: Why watching ended early, or None.
        phase: As in :class:`Snapshot`.
        notes: What else a person should know, for example why there is no news.
        can_cancel: Whether a run has not ended.
        eta: Low and high end of the seconds until all runs have ended, or None.
    """

    heading: str
    runs: tuple[RunLine, ...]
    news: Mapping[str, int] | None
    told: tuple[News, ...]
    headings: tuple[Heading, ...]
    listed: tuple[EvalDetail, ...]
    alone: tuple[EvalDetail, ...]
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
    def broke(self) -> tuple[EvalDetail, ...]:
        """The evals that got worse to stay."""
        return tuple(each for each in self.listed if each.transition in BROKEN)

    def documents(self, *, values: bool) -> Iterator[tuple[Comparison, Document]]:
        """Each of ``told`` as ``check`` shows it, with how far it is now."""
        for each, heading in zip(self.told, self.headings, strict=True):
            document = each.document(values=values)
            assert each.comparison is not None
            assert document is not None
            yield each.comparison, replace(document, heading=heading)


def compute_state(snapshot: Snapshot, now: datetime) -> LiveState:
    """What a person is told at a moment.

    Args:
        snapshot: What is known.
        now: The present, in UTC. It only says how long ago the last contact was: rates and times
            are those of the last contact, and stand still while the API is away.
    """
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


def _list_judged(told: Sequence[News]) -> Iterator[EvalDetail]:
    """What broke, what is unclear, and what does not pass and has no past."""
    for each in told:
        assert each.comparison is not None
        for detail in details_of(each.comparison):
            is_new = detail.transition in _WITHOUT_PAST and detail.fails
            if is_new or detail.transition in (*BROKEN, "suspect", "newly_errored"):
                yield detail


def _list_alone(snapshot: Snapshot) -> Iterator[EvalDetail]:
    """The results that do not pass and are held against nothing (yet), in the order of their end.

    Not a cancelled one: nobody asked that eval.
    """
    missing = {run_id for each in snapshot.news if each.missing for run_id in each.run_ids}
    failed = snapshot.results.filter(pl.col("state").is_in(TOLD), pl.col("state") != "passed")
    ended = failed.sort("completed_at", nulls_last=True, maintain_order=True)
    for at, outcome in enumerate(ended.select(OUTCOME).iter_rows()):
        if outcome[0] in missing or snapshot.later.get(outcome):
            yield EvalDetail.of_result(ended.row(at, named=True))


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
    """How far the runs are, and what is news."""
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
    """What the runs are held against, in one sentence."""
    if snapshot.runs.is_empty():
        return None
    if snapshot.is_comparing and not snapshot.news:
        return "The earlier runs are being read."
    known = [each for each in snapshot.news if each.against is not None]
    if len(known) == 1 and known[0].comparison is not None:
        return compared_of(known[0].comparison)
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
