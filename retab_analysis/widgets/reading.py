"""Reads and judges one workflow for a view, as ``check`` does; or frames that are there already."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from retab_analysis.checks.check import compare_plan
from retab_analysis.checks.defaults import open_source
from retab_analysis.checks.edits import add_config_changes, fetch_config_changes, spans_of
from retab_analysis.checks.plan import (
    HISTORY,
    LAST_GOOD,
    Choice,
    Limits,
    ReadingPlan,
    RunListing,
    make_plan,
)
from retab_analysis.checks.settle import RerunPlan
from retab_analysis.checks.source import Source
from retab_analysis.comparison.compare import compare_sides
from retab_analysis.comparison.comparison import Comparison, sides_of, with_edits
from retab_analysis.comparison.config_changes import Edits, compare_blocks, readable, shorten_field
from retab_analysis.comparison.detail import mark_texts
from retab_analysis.comparison.reruns import SETTLE_ROUNDS
from retab_analysis.comparison.sides import Sides, check_one_workflow, check_results
from retab_analysis.errors import AuthenticationError, ConfigError, RetabAnalysisError
from retab_analysis.fetch.edits import find_era
from retab_analysis.fetch.polling import GRACE
from retab_analysis.render.document import Change
from retab_analysis.schema import BLOCKS, CONFIG_CHANGES, EVALS, RESULTS, RUNS
from retab_analysis.transport import Client
from retab_analysis.vocabulary import BLOCK_CODE, DECIDED, MOMENT
from retab_analysis.widgets.state import EditWords

# The levels that ``check`` has by default.
_ALPHA = _MARGIN = 0.05
_OF_BLOCK = tuple(BLOCKS.schema)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a state is given at once: the comparison, and all that was read for it.

    ``took`` is what the comparison cost, in seconds of processor time.
    """

    checked: pl.DataFrame
    comparison: Comparison
    runs: pl.DataFrame
    results: pl.DataFrame
    read: frozenset[str]
    saved: pl.DataFrame = field(default_factory=EVALS.empty)
    name: str = ""
    versions: pl.DataFrame | None = None
    labels: dict[str, str | None] = field(default_factory=dict)
    passing: frozenset[str] = frozenset()
    edits: EditWords = field(default_factory=dict)
    between: pl.DataFrame | None = None
    reruns: int = 0
    took: float = 0.0

    def changes(self) -> dict[str, Any]:
        """The attributes of a state that it replaces."""
        return {name: value for name, value in vars(self).items() if name != "took"}


class WorkflowReader:
    """Judges what is asked of one workflow; what was read once is not read again."""

    def __init__(self, client: Client, workflow_id: str) -> None:
        self.client, self._workflow_id = client, workflow_id
        # Events come in several threads.
        self._lock = threading.RLock()
        self._source: Source | None = None
        self._listing: RunListing | None = None
        self._around: tuple[pl.DataFrame | None, pl.DataFrame | None] = (None, None)
        self._labels: dict[str, str | None] = {}
        self._read: set[str] = set()
        # What was edited where something broke, and how often that was asked for in vain.
        self._edits: dict[object, Edits | None] = {}
        self._unanswered: Counter[object] = Counter()
        self._words: dict[tuple[str, str], tuple[Change, ...]] = {}
        self._between: dict[tuple[str, ...], pl.DataFrame | None] = {}

    @property
    def unread(self) -> int:
        """How many results did not decode and were left out."""
        return 0 if self._source is None else self._source.unread

    @property
    def saved(self) -> pl.DataFrame:
        """The saved evals; read at first use."""
        with self._lock:
            return self._open().saved

    def take(self, run_id: str, results: pl.DataFrame) -> None:
        """Take in the results of a run that is watched."""
        with self._lock:
            self._open().take(run_id, results)
            self._read.add(run_id)

    def refresh(self) -> None:
        """From now on judge by what is there now; results that were read stay."""
        with self._lock:
            self._listing = None
            if self._source is not None:
                self._source.refresh(progress=False)

    def judge(
        self, candidate: str | None, baseline: str, watched: pl.DataFrame | None = None
    ) -> Answer:
        """Compare as ``check`` does; without a candidate the watched runs, if any, are it."""
        with self._lock:
            source, listing = self._open(), self._list()
            if watched is not None:
                listing.add(watched)
            asked = candidate
            chosen: Any = asked
            if asked is None and watched is not None:
                chosen = Choice(watched, "which is watched")
            plan = make_plan(listing, chosen, baseline, Limits.choose(HISTORY, source))
            # Before the clock is read: what is asked of the API is no work of this machine.
            source.read_results(plan.read)
            began = time.thread_time()
            comparison = compare_plan(plan, source, self._around, _ALPHA, _MARGIN)
            took = time.thread_time() - began
            comparison = self._add_edits(comparison, source)
            self._read.update(plan.read["run_id"])
            return self._answer(plan, comparison, took)

    def _answer(self, plan: ReadingPlan, comparison: Comparison, took: float) -> Answer:
        source, listing = self._open(), self._list()
        known = pl.concat([plan.read.drop("why"), listing.runs]).unique("run_id", keep="first")
        runs = known.sort("created_at", "run_id", descending=True, nulls_last=True)
        read = runs.filter(pl.col("run_id").is_in([*self._read]))
        results = source.read_results(read)
        workflow, versions = self._around
        named = None if workflow is None or workflow.is_empty() else workflow["name"][0]
        checked = plan.candidate.runs
        if plan.versions:
            checked = plan.read.filter(pl.col("why").str.starts_with("checked")).drop("why")
        return Answer(
            checked=checked,
            comparison=comparison,
            runs=runs,
            results=results,
            read=frozenset(self._read),
            saved=source.saved,
            name=named or "",
            versions=versions,
            labels=self._labels,
            passing=_find_passing(comparison),
            edits=self._word_edits(results),
            between=self._compare_versions(plan),
            reruns=0 if plan.versions else self._count_reruns(comparison),
            took=took,
        )

    def _open(self) -> Source:
        if self._source is None:
            self._source = open_source(
                self.client, self._workflow_id, progress=False, strict=False
            )
        return self._source

    def _list(self) -> RunListing:
        if self._listing is None:
            source = self._open()
            self._listing = RunListing.read(source)
            self._around = source.read_surroundings()
            with contextlib.suppress(RetabAnalysisError):  # then blocks are called by their ids
                self._labels = source.read_labels()
        return self._listing

    def _count_reruns(self, comparison: Comparison) -> int:
        aside = comparison.gate().set_aside
        now = self.client.api_time
        plan = RerunPlan.make(comparison, SETTLE_ROUNDS, now=now, set_aside=aside)
        return len(plan.asked)

    def count_reruns(self, comparison: Comparison) -> int:
        """How many runs ``settle`` would start now."""
        return self._count_reruns(comparison)

    def _add_edits(self, comparison: Comparison, source: Source) -> Comparison:
        """Add what was edited, where something broke by an edit; it is asked for a few times."""
        spans = spans_of(comparison)
        edited = frozenset(spans["block_id", "before_version", "after_version"].iter_rows())
        found = self._edits.get(edited)
        if edited and (found is None or found.has_failed) and self._unanswered[edited] <= GRACE:
            found = sides_of(add_config_changes(comparison, source)).around.edits
            self._edits[edited] = found
            self._unanswered[edited] += found is None or found.has_failed
        known = found or Edits(CONFIG_CHANGES.empty())
        return with_edits(comparison, replace(known, labels={**self._labels, **known.labels}))

    def _word_edits(self, results: pl.DataFrame) -> EditWords:
        """What was edited before a run, where a block ran on other code in the run before."""
        new = [each for each in _list_edited(results) if each[:2] not in self._words]
        if new:
            eras = None
            with contextlib.suppress(RetabAnalysisError):
                eras = self._open().read_edits([*{block for _, block, _, _ in new}])
            for run_id, block, before, after in new:
                self._words[run_id, block] = _word_edit(eras, block, before, after)
        return dict(self._words)

    def _compare_versions(self, plan: ReadingPlan) -> pl.DataFrame | None:
        """What differs between two versions, asked once for each pair."""
        if not plan.versions or plan.baseline is None:
            return None
        sides = (plan.baseline.runs, plan.candidate.runs)
        pair = tuple(each["workflow_version_id"].drop_nulls().first() or "" for each in sides)
        if pair not in self._between:
            found = None
            with contextlib.suppress(RetabAnalysisError):
                found = fetch_config_changes(self._workflow_id, *pair, client=self.client)
            self._between[pair] = found
        return self._between[pair]


def _find_passing(comparison: Comparison) -> frozenset[str]:
    """The evals that passed when they were decided last before the candidate."""
    sides = sides_of(comparison)
    before = [each for each in (sides.history, sides.baseline) if each is not None]
    if not before:
        return frozenset()
    decided = pl.concat(before).filter(pl.col("state").is_in(DECIDED)).sort(MOMENT)
    last = decided.group_by("eval_id").agg(pl.col("state").last())
    return frozenset(last.filter(state="passed")["eval_id"])


def _list_edited(results: pl.DataFrame) -> list[tuple[str, str, datetime, datetime]]:
    """The runs before which a block was edited: run, block, when it ran before, and this run."""
    known = results.drop_nulls(("run_id", "block_id", "run_created_at", BLOCK_CODE))
    known = known.filter(pl.col("run_scope") != "eval")
    codes = known.group_by("block_id", "run_id").agg(
        pl.col("run_created_at").first().alias("at"), pl.col(BLOCK_CODE).last().alias("code")
    )
    before = {name: pl.col(name).shift().over("block_id") for name in ("code", "at")}
    pairs = codes.sort("block_id", "at", "run_id").with_columns(
        was=before["code"], before_at=before["at"]
    )
    edited = pairs.filter(pl.col("was") != pl.col("code"))
    return edited.select("run_id", "block_id", "before_at", "at").rows()


def _word_edit(
    eras: pl.DataFrame | None, block: str, before: datetime, after: datetime
) -> tuple[Change, ...]:
    """What was edited in a block between two moments, as far as its history says it."""
    if eras is None:
        return ()
    its = eras.filter(block_id=block)
    sides = [find_era(its, at) for at in (before, after)]
    if any(each.height != 1 for each in sides):
        return ()
    return mark_changes(compare_blocks(*(each.select(_OF_BLOCK) for each in sides)))


def mark_changes(changes: pl.DataFrame) -> tuple[Change, ...]:
    """The rows of a CONFIG_CHANGES frame, each with its words marked."""
    return tuple(
        Change(shorten_field(field), mark_texts(readable(before), readable(after)))
        for field, before, after in changes.select("field", "before", "after").iter_rows()
    )


class FrameReader:
    """Judges a RESULTS frame, without asking anybody."""

    client: Client | None = None
    unread = 0

    def __init__(self, results: pl.DataFrame) -> None:
        check_one_workflow(results)
        self._results = results
        self._runs = list_runs(results)
        if self._runs.is_empty():
            raise ConfigError("results: there is no result of a run that is known")

    @property
    def workflow_id(self) -> str:
        """The workflow of the results; empty if they do not say it."""
        found: str | None = self._results["workflow_id"].drop_nulls().first()  # type: ignore[assignment]
        return found or ""

    def refresh(self) -> None:
        """Do nothing: nothing changes."""

    def judge(
        self, candidate: str | None, baseline: str, watched: pl.DataFrame | None = None
    ) -> Answer:
        """Hold a run, by default the newest, or a version against what is asked for."""
        now = self._runs.head(1) if candidate is None else self._find("candidate", candidate)
        begun = now["created_at"].min()
        earlier = self._runs.filter((pl.col("created_at") < begun).fill_null(True))
        earlier = earlier.join(now, on="run_id", how="anti")
        against = None
        if baseline == "previous":
            against = earlier.head(1)
        elif baseline != LAST_GOOD:
            against = self._find("baseline", baseline)
        sides = Sides(
            candidate=self._choose(now),
            baseline=None if against is None else self._choose(against),
            history=self._choose(
                earlier if against is None else earlier.join(against, on="run_id", how="anti")
            ),
        )
        comparison = compare_sides(sides, _ALPHA, _MARGIN)
        read = frozenset(self._runs["run_id"])
        return Answer(now, comparison, self._runs, self._results, read)

    def _find(self, name: str, asked: str) -> pl.DataFrame:
        is_asked = (pl.col("run_id") == asked) | (pl.col("workflow_version_id") == asked)
        found = self._runs.filter(is_asked.fill_null(False))
        if found.is_empty():
            raise ConfigError(f"{name}={asked!r} is not a run or a version of these results")
        return found

    def _choose(self, runs: pl.DataFrame) -> pl.DataFrame:
        chosen = self._results.filter(pl.col("run_id").is_in(runs["run_id"].implode()))
        return check_results(chosen, "results").collect()

    def count_reruns(self, comparison: Comparison) -> int:
        """Nothing can be run."""
        return 0


def list_runs(results: pl.DataFrame) -> pl.DataFrame:
    """The runs of a RESULTS frame as far as it tells them, a RUNS frame, newest first."""
    counts = ("passed", "failed", "blocked", "error", "cancelled")
    known = results.drop_nulls("run_id").group_by("run_id", maintain_order=True).agg(
        MOMENT.min().alias("created_at"),
        pl.col("run_completed_at").max().alias("completed_at"),
        pl.col("workflow_version_id", "workflow_id").drop_nulls().first(),
        pl.col("run_scope").drop_nulls().first().alias("scope"),
        *((pl.col("state") == name).sum().cast(pl.Int64).alias(name) for name in counts),
        total_evals=pl.len().cast(pl.Int64),
    )
    filled = known.with_columns(
        pl.col("scope").fill_null("workflow"),
        status=pl.lit("completed"),
        is_terminal=pl.lit(True),
        ok=pl.sum_horizontal("failed", "blocked", "error", "cancelled") == 0,
    )
    whole = pl.concat([RUNS.empty(), filled], how="diagonal").select(RUNS.schema.names())
    return whole.sort("created_at", "run_id", descending=True, nulls_last=True)


Reader = WorkflowReader | FrameReader

__all__ = ["Answer", "FrameReader", "Reader", "WorkflowReader", "list_runs", "mark_changes"]
