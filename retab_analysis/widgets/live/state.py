"""What is known of the watched runs, and what a person is told: plain values.

:func:`compute_state` is a pure function of a :class:`Snapshot` and a clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import polars as pl

from retab_analysis.comparison.comparison import compared_of, details_of
from retab_analysis.comparison.detail import EvalDetail
from retab_analysis.schema import RESULTS, RUNS
from retab_analysis.vocabulary import BROKEN, TERMINAL, TRANSITIONS
from retab_analysis.widgets.live.news import News
from retab_analysis.widgets.live.run_lines import (
    TOLD,
    RunLine,
    estimate_all,
    make_run_line,
    say_not_passing,
)
from retab_analysis.widgets.phrases import format_seconds

_WITHOUT_PAST = ("added", "not_comparable")
# What is read of a result: a row as a dict costs as much as its columns.
_READ = (
    *("run_id", "eval_id", "eval_name", "state", "status", "document_names", "duration_ms"),
    *("expected_value", "actual_value", "failure_code", "failure_message", "status_message"),
    *(
        "completed_at",
        "result_id",
        "block_id",
        "condition",
        "condition_kind",
        "path",
        "document_ids",
    ),
)
# So many runs are named, or things that runs are held against; the others are counted.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known, and how well. Runs, results and news are of one time, the last contact.

    Attributes:
        runs: The watched runs as last seen, a RUNS frame.
        results: Their results as last seen, a RESULTS frame.
        news: What became of the evals of each workflow; empty where that is not wanted, or not
            known yet.
        is_comparing: Whether news are wanted and still to come: for all results at first, and later
            for those that have come since.
        later: How many outcomes are newer than the news: passes that change nothing but counts.
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
    later: int = 0
    usual_ms: Mapping[str, int] = field(default_factory=dict)
    seen_at: datetime | None = None
    trouble: str | None = None
    gone: frozenset[str] = frozenset()
    unfound: tuple[str, ...] = ()
    failure: str | None = None
    phase: str = "watching"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveState:
    """The whole view.

    Attributes:
        heading: In a few words, how far the runs are and what is news.
        runs: The runs, in the order in which they were given or found.
        news: How many evals have each transition, the same as ``check`` counts; of several
            workflows the sum. None where the runs are held against nothing.
        told: What became of each workflow's evals, where they are held against their past.
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


def compute_state(snapshot: Snapshot, now: datetime) -> LiveState:
    """What a person is told at a moment.

    Args:
        snapshot: What is known.
        now: The present, in UTC. It only says how long ago the last contact was: rates and times
            are those of the last contact, and stand still while the API is away.
    """
    results = _group_by_run(snapshot)
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
    alone, waiting = _list_alone(results, snapshot)
    told = tuple(each for each in snapshot.news if each.comparison is not None)
    state = LiveState(
        heading="",
        runs=runs,
        news=MappingProxyType(news) if counted else None,
        told=told,
        listed=(*_list_judged(told), *alone),
        alone=alone,
        compared=_describe_comparison(snapshot),
        is_comparing=snapshot.is_comparing,
        later=f"{snapshot.later} more passed since" if snapshot.later else "",
        connection=_describe_connection(snapshot, now),
        refreshed=_format_time(snapshot.seen_at),
        failure=snapshot.failure,
        phase=snapshot.phase,
        notes=(*snapshot.notes, *_say_missing(snapshot)),
        can_cancel=bool(not snapshot.runs["is_terminal"].all()),
        eta=estimate_all(there, results, usual, then),
    )
    return replace(state, heading=_describe_progress(snapshot, state, waiting))


def _group_by_run(snapshot: Snapshot) -> dict[str, list[dict[str, Any]]]:
    """The results of each run in the order in which they ended."""
    # What ended first stands first, so that lists grow at their end and nothing jumps.
    results = snapshot.results
    ended = results["completed_at"].to_physical().to_list()
    order = sorted(range(len(ended)), key=lambda at: math.inf if ended[at] is None else ended[at])
    values = list(zip(*(results[name].to_list() for name in _READ), strict=True))
    rows: dict[str, list[dict[str, Any]]] = {}
    for at in order:
        row = dict(zip(_READ, values[at], strict=True))
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


def _list_alone(
    results: Mapping[str, Sequence[Mapping[str, Any]]], snapshot: Snapshot
) -> tuple[tuple[EvalDetail, ...], int]:
    """The results that do not pass and are held against nothing (yet), in the order of their end.

    And how many results are still to be compared. A cancelled one counts as neither: nobody asked
    that eval.
    """
    compared: set[tuple[str, str]] = set()
    for each in snapshot.news:
        evals = () if each.comparison is None else each.comparison.evals["eval_id"]
        compared |= {(run_id, eval_id) for run_id in each.run_ids for eval_id in evals}
    rows = [
        row
        for run_id, its in results.items()
        for row in its
        if row["state"] in TOLD and (run_id, row["eval_id"]) not in compared
    ]
    alone = {run_id for each in snapshot.news if each.missing for run_id in each.run_ids}
    waiting = sum(row["run_id"] not in alone for row in rows) if snapshot.is_comparing else 0
    return tuple(EvalDetail.of_result(row) for row in rows if row["state"] != "passed"), waiting


def _describe_progress(snapshot: Snapshot, state: LiveState, waiting: int) -> str:
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
    if state.news is not None:
        said = _say_news(state, is_over=not going and not snapshot.is_comparing)
        return f"{progress}: {said}" + (f", {waiting} not compared yet" if waiting else "")
    # A completed run says so already in its own words.
    bad = say_not_passing(len(state.alone))
    return f"{progress}: {bad}" if state.alone and not progress.endswith(bad) else progress


def _say_news(state: LiveState, *, is_over: bool) -> str:
    """What became of the evals: of one workflow in the words of ``check``."""
    if len(state.told) == 1 and state.told[0].comparison is not None:
        return state.told[0].headline
    broke = len(state.broke)
    return f"{broke} broke" if broke else "nothing broke" + ("" if is_over else " so far")


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
