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

from retab_analysis.schema import RESULTS, RUNS
from retab_analysis.vocabulary import BROKEN, FAILING, TERMINAL, TRANSITIONS
from retab_analysis.widgets.live.news import News
from retab_analysis.widgets.live.run_lines import (
    TOLD,
    RunLine,
    estimate_all,
    make_run_line,
    say_not_passing,
)
from retab_analysis.widgets.phrases import (
    EvalLine,
    format_seconds,
    make_eval_line,
)

LISTS = ("broke", "suspects", "unjudged", "apart", "known", "passed")
"""The lists of evals that a state has."""

_UNSURE = {"suspect": "suspect", "newly_errored": "newly errored"}
_WITHOUT_PAST = ("added", "not_comparable")
_LIST_OF = {
    **dict.fromkeys(BROKEN, "broke"),
    **dict.fromkeys(_UNSURE, "suspects"),
    "still_failing": "known",
    "still_passing": "passed",
}
# What is read of a result: a row as a dict costs as much as its columns.
_READ = (
    *("run_id", "eval_id", "eval_name", "state", "status", "document_names", "duration_ms"),
    *("expected_value", "actual_value", "failure_code", "failure_message", "status_message"),
    "result_id",
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
        usual_ms: How long each eval took in its newest run, by eval id.
        seen_at: When the API answered last, or None.
        trouble: Why it did not answer since, or None.
        gone: The runs that were there and are not found any more.
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
        broke: Evals that are called worse, with probability and reason; also those that were
            broken before and were not run.
        suspects: Evals that one more run may decide: suspects, and those that newly ended in an
            error.
        unjudged: Evals that do not pass and cannot be held against anything, because they are new
            or edited, or because nothing is compared (yet).
        apart: Other evals that changed: fixed, flaky, added, edited, removed, and those of which no
            result came.
        known: Evals that do not pass and did not before.
        passed: Evals that pass and did before, or are held against nothing, or not yet.
        compared: What the results are held against, or None.
        is_comparing: As in :class:`Snapshot`.
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
    broke: tuple[EvalLine, ...]
    suspects: tuple[EvalLine, ...]
    unjudged: tuple[EvalLine, ...]
    apart: tuple[EvalLine, ...]
    known: tuple[EvalLine, ...]
    passed: tuple[EvalLine, ...]
    compared: str | None
    is_comparing: bool
    connection: str
    refreshed: str
    failure: str | None
    phase: str
    notes: tuple[str, ...]
    can_cancel: bool
    eta: tuple[float, float] | None

    @property
    def listed(self) -> tuple[EvalLine, ...]:
        """What a person should look at first: broke, suspects, and what cannot be judged."""
        return (*self.broke, *self.suspects, *self.unjudged)


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
    state = LiveState(
        heading="",
        runs=runs,
        news=MappingProxyType(news) if counted else None,
        **_sort_lines(results, snapshot),
        compared=_describe_comparison(snapshot),
        is_comparing=snapshot.is_comparing,
        connection=_describe_connection(snapshot, now),
        refreshed=_format_time(snapshot.seen_at),
        failure=snapshot.failure,
        phase=snapshot.phase,
        notes=(*snapshot.notes, *_say_missing(snapshot)),
        can_cancel=bool(not snapshot.runs["is_terminal"].all()),
        eta=estimate_all(there, results, usual, then),
    )
    return replace(state, heading=_describe_progress(snapshot, state))


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


def _sort_lines(
    results: Mapping[str, Sequence[Mapping[str, Any]]], snapshot: Snapshot
) -> dict[str, tuple[EvalLine, ...]]:
    """Each eval in the list that it belongs to, by the fields of the state.

    What was compared has one line per eval, as many as are counted. What was not has one per result
    that has ended; a cancelled one has none: nobody asked that eval.
    """
    lists: dict[str, list[EvalLine]] = {name: [] for name in LISTS}
    alone = {run_id for each in snapshot.news if each.missing for run_id in each.run_ids}
    compared: set[tuple[str, str]] = set()
    for each in snapshot.news:
        rows = _group_by_eval(results, each)
        compared |= {(run_id, eval_id) for run_id in each.run_ids for eval_id in rows}
        for row, found in rows.values():
            line = make_eval_line(row, found)
            lists[_choose_list(line)].append(line)
    for run_id, its in results.items():
        is_waiting = snapshot.is_comparing and run_id not in alone
        for row in its:
            if row["state"] in TOLD and (run_id, row["eval_id"]) not in compared:
                line = make_eval_line(row, {"reason": "not compared yet"} if is_waiting else None)
                lists[_choose_list(line)].append(line)
    # What is surer to have broken does not stand first: lists grow at their end.
    return {name: tuple(lines) for name, lines in lists.items()}


def _group_by_eval(
    results: Mapping[str, Sequence[Mapping[str, Any]]], news: News
) -> dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The result that is shown of each compared eval, and what was found of it.

    In the order in which they ended first; then those of which the watched runs have no result.
    """
    evals = () if news.evals is None else news.evals.iter_rows(named=True)
    found = {row["eval_id"]: row for row in evals}
    shown: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
    for run_id in news.run_ids:
        for row in results.get(run_id, ()):
            its = found.get(row["eval_id"])
            if its is None or row["state"] not in TOLD:
                continue
            # Of several runs the result that the comparison names, so that both show the same.
            if row["eval_id"] not in shown or row["result_id"] == its["candidate_result_id"]:
                shown[row["eval_id"]] = row, its
    for eval_id, its in found.items():
        if eval_id not in shown:
            shown[eval_id] = _stand_in(its), its
    return shown


def _stand_in(found: Mapping[str, Any]) -> dict[str, Any]:
    """What is shown of an eval that the watched runs have no result of: how it was before."""
    not_passing = {"regressed": "failed", "newly_blocked": "blocked"}
    state = not_passing.get(found["transition"], found["candidate_state"] or "unscored")
    row = dict.fromkeys(_READ) | {name: found[name] for name in _READ if name in found}
    return row | {"run_id": "", "state": state}


def _choose_list(line: EvalLine) -> str:
    if line.transition is None:
        return "passed" if line.state == "passed" else "unjudged"
    if line.transition in _WITHOUT_PAST and line.state in FAILING:
        return "unjudged"
    return _LIST_OF.get(line.transition, "apart")


def _describe_progress(snapshot: Snapshot, state: LiveState) -> str:
    """How far the runs are, and what is news."""
    runs = state.runs
    if snapshot.failure:
        return "Watching has ended"
    if not runs:
        return "No run is going on" if snapshot.seen_at else "Looking for the runs"
    going = sum(line.status not in TERMINAL for line in runs)
    progress = f"{going} of {len(runs)} runs going on" if going else f"{len(runs)} runs ended"
    # One run is described by its own words, several by how many go on.
    if len(runs) == 1:
        progress = runs[0].words
    if state.news is not None:
        has_ended = not going and not snapshot.is_comparing
        said = _say_news(snapshot.news, state.news, has_ended=has_ended)
        lines = (*state.unjudged, *state.passed)
        waiting = sum(each.transition is None for each in lines) if snapshot.is_comparing else 0
        return f"{progress}: {said}" + (f", {waiting} not compared yet" if waiting else "")
    failing = sum(line.state != "passed" for name in LISTS for line in getattr(state, name))
    # A completed run says so already in its own words.
    bad = say_not_passing(failing)
    return f"{progress}: {bad}" if failing and not progress.endswith(bad) else progress


def _say_news(news: Sequence[News], counts: Mapping[str, int], *, has_ended: bool) -> str:
    """What broke and what is not sure; at the end of one workflow in the words of ``check``."""
    if has_ended and len(news) == 1 and news[0].headline:
        return news[0].headline
    broke = sum(counts[name] for name in BROKEN)
    said = [f"{broke} broke" if broke else "nothing broke" + ("" if has_ended else " so far")]
    said += [f"{counts[name]} {words}" for name, words in _UNSURE.items() if counts[name]]
    return ", ".join(said)


def _describe_comparison(snapshot: Snapshot) -> str | None:
    """What the runs are held against, in one sentence."""
    if snapshot.is_comparing and not snapshot.news:
        return "The earlier runs are being read."
    known = [each for each in snapshot.news if each.against is not None]
    if len(known) == 1 and known[0].compared:
        return known[0].compared
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
