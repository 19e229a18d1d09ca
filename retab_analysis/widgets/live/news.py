"""What is new in the watched runs: each is held against its own past, as ``check`` does it.

The earlier runs are read once per workflow. After that, a comparison costs no request, and is made
again only where results have changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import polars as pl

from retab_analysis._baseline import (
    HISTORY,
    Baseline,
    SideReader,
    choose_baseline,
)
from retab_analysis.comparison.compare import compare_sides
from retab_analysis.comparison.comparison import Comparison
from retab_analysis.comparison.wording import label_side
from retab_analysis.errors import AuthenticationError, ConfigError, RetabAnalysisError
from retab_analysis.fetch.lists import list_evals
from retab_analysis.fetch.params import Runs
from retab_analysis.fetch.polling import GRACE
from retab_analysis.fetch.run_window import Choice, RunWindow
from retab_analysis.fetch.threads import is_away
from retab_analysis.progress import Silent
from retab_analysis.transport import Client
from retab_analysis.vocabulary import DECIDED, TRANSITIONS

# Of many watched runs, so many are compared in one round at most, so that the next one is not late.
_AT_ONCE = 8
# The levels that ``check`` has by default.
_ALPHA = _MARGIN = 0.05

_SHOWN = ("eval_id", "candidate_state", "transition", "p_regressed", "reason")
# The states of an eval that had not ended when it was compared.
_NOT_YET = (None, "unscored", "cancelled")

NO_NEWS: Mapping[str, int] = MappingProxyType(dict.fromkeys(TRANSITIONS, 0))


@dataclass(frozen=True, eq=False)
class News:
    """What became of the evals of one run, or of several that are one candidate together.

    Attributes:
        run_ids: The runs.
        counts: How many evals have each transition, as in ``Comparison.summary``; None where the
            runs are held against nothing.
        evals: ``eval_id, candidate_state, transition, p_regressed, reason``, one row per eval.
        against: What the runs are held against, in a few words.
        compared: The same in one sentence, with dates, or None before anything was compared.
        headline: The comparison's, or None before anything was compared.
        missing: Why there is nothing to compare with, or None.
    """

    run_ids: tuple[str, ...]
    counts: Mapping[str, int] | None = None
    evals: pl.DataFrame | None = None
    against: str | None = None
    compared: str | None = None
    headline: str | None = None
    missing: str | None = None

    def find_evals(self) -> dict[str, dict[str, Any]]:
        """``transition, p_regressed, reason`` by eval, of those that had ended by then."""
        rows = () if self.evals is None else self.evals.iter_rows(named=True)
        return {row["eval_id"]: row for row in rows if row["candidate_state"] not in _NOT_YET}


class NewsFinder:
    """Finds the news of watched runs, each workflow's against that workflow's own past.

    Attributes:
        wanted: As ``baseline`` of :func:`watch`; None looks for no news.
        is_behind: Whether there is more to compare, which the next round does.
    """

    def __init__(self, client: Client, wanted: Runs | None) -> None:
        self._client = client
        self._workflows: dict[str, WorkflowNews] = {}
        self.wanted = wanted
        self.is_behind = False

    @property
    def unread(self) -> int:
        """How many results of earlier runs did not decode, and were left out."""
        return sum(each.reader.unread for each in self._workflows.values())

    def find(
        self,
        runs: pl.DataFrame,
        results: Mapping[str, pl.DataFrame],
        evals: Mapping[str, pl.DataFrame],
    ) -> tuple[News, ...]:
        """The news of some runs, in their order.

        Args:
            runs: A RUNS frame.
            results: The results of each run so far, by its id: always the same frame while they
                have not changed.
            evals: The saved evals of each workflow.

        Raises:
            AuthenticationError: The key is refused.
            RetabAnalysisError: The API is away, and may come back.
        """
        if self.wanted is None:
            return ()
        found: list[News] = []
        left, self.is_behind = _AT_ONCE, False
        for its in runs.partition_by("workflow_id", maintain_order=True):
            workflow_id = its["workflow_id"][0]
            if workflow_id not in self._workflows:
                self._workflows[workflow_id] = WorkflowNews(
                    self._client, workflow_id, self.wanted, evals[workflow_id]
                )
            news = self._workflows[workflow_id]
            found += news.find(its, results, left)
            left -= news.compared
            self.is_behind |= news.is_behind
        return tuple(found)


@dataclass(frozen=True, eq=False)
class _Known:
    """The news of a candidate, and what they were found in: results, and which runs had ended."""

    news: News
    results: Sequence[pl.DataFrame]
    ended: Sequence[str]

    def is_of(self, results: Sequence[pl.DataFrame], ended: Sequence[str]) -> bool:
        """Whether nothing has changed since."""
        if self.ended != ended:
            return False
        # Where there is nothing to compare with, results do not change that.
        is_missing = self.news.missing is not None
        return is_missing or all(a is b for a, b in zip(self.results, results, strict=True))


class WorkflowNews:
    """The news of the watched runs of one workflow.

    Attributes:
        reader: Reads the results of the earlier runs.
        compared: How many comparisons the last round made.
        is_behind: Whether it left some to the next round.
    """

    def __init__(self, client: Client, workflow_id: str, wanted: Runs, evals: pl.DataFrame) -> None:
        self._client, self._workflow_id, self._wanted = client, workflow_id, wanted
        self._window: RunWindow | None = None
        self._known: dict[tuple[str, ...], _Known] = {}
        self._failure: str | None = None
        # The runs that had ended when the saved evals were read, which remember their last passes.
        self._remembered: set[str] = set()
        # How often in a row the API was away.
        self._refused = 0
        self.reader = SideReader(client, evals, strict=False)
        self.compared, self.is_behind = 0, False

    def find(
        self, runs: pl.DataFrame, results: Mapping[str, pl.DataFrame], at_most: int
    ) -> list[News]:
        """The news of some runs of the workflow, in their order; as :meth:`NewsFinder.find`.

        Args:
            runs: The watched runs of the workflow, a RUNS frame.
            results: The results of each run so far.
            at_most: So many comparisons at most; the others are left to the next round.
        """
        groups = group_runs(runs, results, self.reader.evals)
        self.compared, self.is_behind = 0, False
        stale = self._choose_stale(groups, runs, results) if self._failure is None else {}
        try:
            if stale:
                self._refresh(stale, runs, results, at_most)
            self._refused = 0
        except RetabAnalysisError as error:
            self._raise_if_passing(error)
            # What was found before is not of these results any more.
            self._known = {ids: each for ids, each in self._known.items() if ids not in stale}
            self._failure = str(error)
        return [self._tell(ids) for ids in groups]

    def _tell(self, ids: tuple[str, ...]) -> News:
        known = self._known.get(ids)
        return News(ids, missing=self._failure) if known is None else known.news

    def _raise_if_passing(self, error: RetabAnalysisError) -> None:
        """Raise what ends the watching, or may be over in the next round."""
        self._refused += 1
        if isinstance(error, AuthenticationError) or (is_away(error) and self._refused <= GRACE):
            raise error

    def _choose_stale(
        self,
        groups: Sequence[tuple[str, ...]],
        runs: pl.DataFrame,
        results: Mapping[str, pl.DataFrame],
    ) -> dict[tuple[str, ...], list[str]]:
        """The candidates of which something has changed; first what goes on.

        Returns:
            For each the runs that have ended, of itself and of its past.
        """
        columns = runs.select("run_id", "created_at", "is_terminal")
        rows = {run_id: _Row(created, ended) for run_id, created, ended in columns.iter_rows()}
        stale = {}
        for ids in sorted(groups, key=lambda ids: all(rows[each].has_ended for each in ids)):
            ended, known = _list_ended(rows, ids), self._known.get(ids)
            if known is None or not known.is_of([results[each] for each in ids], ended):
                stale[ids] = ended
        return stale

    def _refresh(
        self,
        stale: Mapping[tuple[str, ...], Sequence[str]],
        runs: pl.DataFrame,
        results: Mapping[str, pl.DataFrame],
        at_most: int,
    ) -> None:
        """Compare again what has changed."""
        window = self._open_window(runs)
        for run_id in runs["run_id"]:
            self.reader.take(run_id, results[run_id])
        for ids, ended in stale.items():
            if self.compared == at_most:
                self.is_behind = True
                return
            candidate = runs.filter(pl.col("run_id").is_in(ids))
            seen = [results[each] for each in ids]
            news = self._compare(window, candidate, seen)
            self._known[ids] = _Known(news, seen, ended)

    def _open_window(self, runs: pl.DataFrame) -> RunWindow:
        if self._window is None:
            self._window = RunWindow.read(self._client, self._workflow_id)
            self._remembered = set(runs.filter("is_terminal")["run_id"])
        self._window.add(runs)
        return self._window

    def _renew_last_passes(self, candidate: pl.DataFrame) -> bool:
        """Read again what the saved evals remember, where a candidate went on when they were read.

        They remember one pass each, and ``check`` would find what they remember now. Says whether
        they may remember others now.
        """
        if self._remembered.issuperset(candidate["run_id"]):
            return False
        try:
            self.reader.evals = list_evals(
                self._client, self._workflow_id, None, strict=False, progress=Silent()
            ).frame
        except RetabAnalysisError as error:
            # What they remembered before will do.
            self._raise_if_passing(error)
        self._remembered.update(candidate["run_id"])
        return True

    def _compare(
        self, window: RunWindow, runs: pl.DataFrame, results: Sequence[pl.DataFrame]
    ) -> News:
        """Hold one candidate against its past."""
        ids, has_ended = tuple(runs["run_id"]), bool(runs["is_terminal"].all())
        # A run before it that was still going on when the list was read may be part of its past.
        if has_ended and window.is_waiting_before(runs):
            window.renew()
        try:
            baseline = choose_baseline(window, runs, self._wanted, HISTORY, self.reader.evals)
            if has_ended and self._renew_last_passes(runs):
                baseline = choose_baseline(window, runs, self._wanted, HISTORY, self.reader.evals)
            self.reader.read(baseline.runs)
            against = _describe(baseline)
            if not (has_ended or any(_has_outcome(each) for each in results)):
                return News(ids, counts=NO_NEWS, against=against)
            sides = self.reader.make_sides(Choice(runs, "which is watched"), baseline)
            self.compared += 1
            comparison = compare_sides(sides, _ALPHA, _MARGIN)
        except ConfigError as error:
            return News(ids, missing=str(error))
        return _make_news(ids, comparison, against, has_ended=has_ended)


def _make_news(
    ids: tuple[str, ...], comparison: Comparison, against: str, *, has_ended: bool
) -> News:
    # Not from the summary: the suite's test is for the end.
    found = dict(comparison.evals["transition"].value_counts().iter_rows())
    return News(
        run_ids=ids,
        counts=MappingProxyType({**NO_NEWS, **found}),
        evals=comparison.evals.select(_SHOWN),
        against=against,
        compared=comparison.compared,
        headline=comparison.headline if has_ended else None,
    )


def _describe(baseline: Baseline) -> str:
    if baseline.choice is None:
        return "each eval's own last good result"
    return f"{label_side(baseline.choice.runs)}, {baseline.choice.why}"


def _has_outcome(results: pl.DataFrame) -> bool:
    return bool(results["state"].is_in((*DECIDED, "error")).any())


@dataclass(frozen=True, slots=True)
class _Row:
    """When a run was created, and whether it has ended."""

    created_at: datetime | None
    has_ended: bool

    def is_later(self, than: datetime | None) -> bool:
        """Whether it was created after a moment, as far as that is known."""
        return self.created_at is not None and than is not None and self.created_at > than


def _list_ended(rows: Mapping[str, _Row], ids: Sequence[str]) -> list[str]:
    """The runs that have ended, of a candidate and of those from before it: they are its past."""
    newest = max((at for each in ids if (at := rows[each].created_at) is not None), default=None)
    return [run_id for run_id, row in rows.items() if row.has_ended and not row.is_later(newest)]


@dataclass(slots=True)
class _Group:
    """Runs that are one candidate together, and the evals that they have."""

    ids: list[str]
    version: str | None
    evals: set[str]
    is_whole: bool

    def takes(self, other: _Group) -> bool:
        """Whether the runs of another one can be part of the same candidate."""
        is_same = self.version is not None and self.version == other.version
        return (
            is_same and not (self.is_whole or other.is_whole) and self.evals.isdisjoint(other.evals)
        )


def group_runs(
    runs: pl.DataFrame, results: Mapping[str, pl.DataFrame], evals: pl.DataFrame
) -> list[tuple[str, ...]]:
    """Which of some runs of one workflow are one candidate together.

    A run of the whole workflow is a candidate of its own. Runs that were started block by block or
    eval by eval are one candidate, as long as they are of one version and have no eval in common.

    Args:
        runs: A RUNS frame.
        results: The results of each run so far.
        evals: The EVALS frame of the workflow, which says what a block has.

    Returns:
        The ids of the runs of each candidate.
    """
    groups: list[_Group] = []
    for run in runs.iter_rows(named=True):
        run_id, block = run["run_id"], run["target_block_id"]
        is_whole = run["scope"] == "workflow"
        mine = set() if is_whole else {*results[run_id]["eval_id"], run["eval_id"]} - {None}
        if run["scope"] == "block":
            # The block itself, too: two runs of it have the same evals, known or not.
            mine |= {*evals.filter(block_id=block)["eval_id"], f"block {block}"}
        new = _Group([run_id], run["workflow_version_id"], mine, is_whole)
        group = next((each for each in groups if each.takes(new)), None)
        if group is None:
            groups.append(new)
        else:
            group.ids.append(run_id)
            group.evals |= new.evals
    return [tuple(group.ids) for group in groups]
