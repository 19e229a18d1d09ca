"""Reads and judges one workflow for a view, as ``check`` does, or a given frame."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from retab_analysis.checks.check import compare_plan
from retab_analysis.checks.defaults import open_source
from retab_analysis.checks.edits import (
    BlockLabels,
    add_config_changes,
    fetch_config_changes,
)
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
from retab_analysis.comparison.accepted import Policy, read_accepted
from retab_analysis.comparison.compare import compare_sides
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.config_changes import Edits, compare_blocks, readable, shorten_field
from retab_analysis.comparison.detail import mark_texts
from retab_analysis.comparison.reruns import SETTLE_ROUNDS
from retab_analysis.comparison.sides import Sides, Surroundings, check_one_workflow, check_results
from retab_analysis.errors import AuthenticationError, ConfigError, RetabAnalysisError
from retab_analysis.fetch.edits import find_era
from retab_analysis.fetch.params import RunList
from retab_analysis.fetch.polling import GRACE
from retab_analysis.fetch.results import list_results
from retab_analysis.fetch.threads import is_away
from retab_analysis.progress import Silent
from retab_analysis.render.document import Change
from retab_analysis.schema import BLOCKS, CONFIG_CHANGES, EVALS, RESULTS, RUNS
from retab_analysis.transport import Client
from retab_analysis.vocabulary import BLOCK_CODE, DECIDED, MOMENT
from retab_analysis.widgets.state import NO_EVAL, NO_RUN

if TYPE_CHECKING:
    from retab_analysis.archive import Archive

# The levels that ``check`` has by default.
_ALPHA = _MARGIN = 0.05

Answer = dict[str, Any]
"""The attributes of a state that change together; ``took`` is the cost of a comparison."""


class WorkflowReader:
    """Judges one workflow, and reads nothing twice."""

    def __init__(
        self, client: Client, workflow_id: str, archive: Archive | None, accepted: Policy
    ) -> None:
        self.client, self._workflow_id = client, workflow_id
        self._archive, self._accepted = archive, accepted
        self._listing: RunListing | None = None
        self._known = RUNS.empty()  # runs; _read has the ids of those whose results were read
        self._around = Surroundings()
        self._labels: dict[str, str | None] = {}
        self._read: set[str] = set()
        self._reruns = defaultdict[frozenset[str], set[str]](set)  # of which runs, by their ids
        # The edits that broke evals, and how many requests for them failed.
        self._edits: dict[object, Edits | None] = {}
        self._unanswered: Counter[object] = Counter()
        self._words: dict[tuple[str, str], tuple[Change, ...]] = {}
        self._between: dict[tuple[str, ...], pl.DataFrame | None] = {}

    @cached_property
    def source(self) -> Source:
        archive = self._archive
        return open_source(self.client, self._workflow_id, False, archive=archive, strict=False)

    def read_anew(self, runs: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """The results of runs that are watched, by their ids."""
        try:
            saved = self.source.saved
        except RetabAnalysisError as error:
            if isinstance(error, AuthenticationError) or is_away(error):
                raise
            saved = EVALS.empty()  # then evals are called by their ids
        how: Any = {"evals": saved, "strict": False, "progress": Silent()}
        fetched = list_results(self.client, RunList.make(runs), RESULTS, **how)
        self.source.unread += len(fetched.problems)
        parts = fetched.frame.partition_by("run_id", as_dict=True)
        found = {each: parts.get((each,), RESULTS.empty()) for each in runs["run_id"]}
        for run_id, results in found.items():
            self.source.take(run_id, results)
        self._read.update(found)
        return found

    def refresh(self) -> None:
        """Read the lists anew before the next comparison; results that were read stay."""
        self._listing = None
        self.source.refresh(progress=False)

    def judge(self, candidate: str | None, baseline: str, watched: pl.DataFrame) -> Answer:
        """Compare as ``check`` does; without a candidate the watched runs, if any, are it."""
        listing, chosen = self._list(), candidate  # type: tuple[RunListing, Any]
        if watched.height:
            listing.add(watched)
            chosen = candidate or Choice(watched, "which is watched")
        limits = Limits.choose(HISTORY, self.source)
        plan = make_plan(listing, chosen, baseline, limits)
        checked = plan.candidate.runs
        reruns = self._reruns[frozenset(checked["run_id"])]
        if reruns and not (plan.follow or plan.versions):
            its = listing.runs.filter(pl.col("run_id").is_in([*reruns]))
            both = pl.concat([checked, its]).unique("run_id", maintain_order=True)
            plan = make_plan(listing, replace(plan.candidate, runs=both), baseline, limits)
        self.source.read_results(plan.read)
        self._read.update(plan.read["run_id"])
        self._known = pl.concat([plan.read.drop("why"), listing.runs]).unique(
            "run_id", keep="first"
        )
        began = time.thread_time()  # waiting for the API is no work of this machine
        made = compare_plan(plan, self.source, self._around, self._accepted)
        took = time.thread_time() - began
        if inside(made).sides.read.could_not_run:
            # A later run may say that the code was not to blame.
            later = self._known.filter(pl.col("created_at") > checked["created_at"].max())
            whole = later.filter(scope="workflow", status="completed").sort("created_at")
            self._read.update(whole["run_id"].head(1))
        told = self.tell(watched)
        return told | {
            "comparison": self._add_edits(made),
            "checked": checked,
            "saved": self.source.saved,
            "versions": self._around.versions,
            "labels": self._labels,
            "passing": _find_passing(made),
            "edits": self._word_edits(told["results"]),
            "between": self._compare_versions(plan),
            "reruns": 0 if plan.versions else self.count_reruns(made),
            "took": took,
        }

    def tell(self, watched: pl.DataFrame) -> Answer:
        """The known runs and their results, the watched ones as they are now; sends no request."""
        both = pl.concat([watched, self._known]).unique("run_id", keep="first")
        runs, workflow = sort_runs(both), self._around.workflow
        return {
            "name": "" if workflow is None or workflow.is_empty() else workflow["name"][0] or "",
            "runs": runs,
            "results": self.source.read_results(runs.filter(pl.col("run_id").is_in([*self._read]))),
            "read": frozenset(self._read),
        }

    def count_in(self, checked: pl.DataFrame, made: Comparison, settled: Comparison) -> None:
        """From now on judge these runs with the reruns that settled them."""
        before, now = ({*inside(each).sides.candidate["run_id"]} for each in (made, settled))
        self._reruns[frozenset(checked["run_id"])] |= now - before
        self.refresh()

    def _list(self) -> RunListing:
        if self._listing is None:
            listing = RunListing.read(self.source)
            around, labels = self.source.read_surroundings(), BlockLabels(self.source)
            self._around = Surroundings(*around, read_labels=labels)
            with contextlib.suppress(RetabAnalysisError):  # then blocks are called by their ids
                self._labels = self.source.read_labels()
            self._listing = listing
        return self._listing

    @property
    def lack(self) -> str:
        """The reason if there is nothing to judge yet: no saved eval or no run; else empty."""
        if self._listing is None or self._listing.present.height:
            return ""
        return NO_RUN if self.source.saved.height else NO_EVAL

    def count_reruns(self, comparison: Comparison) -> int:
        return len(RerunPlan.make(comparison, SETTLE_ROUNDS, now=self.client.api_time).asked)

    def _add_edits(self, comparison: Comparison) -> Comparison:
        """Add the edits that broke evals; a failed request is repeated a few times."""
        spans = inside(comparison).spans
        edited = frozenset(spans["block_id", "before_version", "after_version"].iter_rows())
        found = self._edits.get(edited)
        if edited and (found is None or found.has_failed) and self._unanswered[edited] <= GRACE:
            found = inside(add_config_changes(comparison, self.source)).sides.around.edits
            self._edits[edited] = found
            self._unanswered[edited] += found is None or found.has_failed
        known = found or Edits(CONFIG_CHANGES.empty())
        named = replace(known, labels={**self._labels, **known.labels})
        return Comparison(inside(comparison).with_edits(named))

    def _word_edits(self, results: pl.DataFrame) -> dict[tuple[str, str], tuple[Change, ...]]:
        """The edits before a run, if a block ran on other code in the run before."""
        new = [each for each in _list_edited(results) if each[:2] not in self._words]
        eras = None
        if new:
            with contextlib.suppress(RetabAnalysisError):
                eras = self.source.read_edits([*{block for _, block, _, _ in new}])
        for run_id, block, *moments in new:
            its = None if eras is None else eras.filter(block_id=block)
            sides = [] if its is None else [find_era(its, at) for at in moments]
            if is_known := bool(sides) and all(each.height == 1 for each in sides):
                sides = [each.select([*BLOCKS.schema]) for each in sides]
            self._words[run_id, block] = mark_changes(compare_blocks(*sides)) if is_known else ()
        return dict(self._words)

    def _compare_versions(self, plan: ReadingPlan) -> pl.DataFrame | None:
        """The differences between two versions, asked once for each pair."""
        if not plan.versions or plan.baseline is None:
            return None
        sides = plan.baseline.runs, plan.candidate.runs
        pair = tuple(str(each["workflow_version_id"].drop_nulls().first()) for each in sides)
        if pair not in self._between:
            self._between[pair] = None
            with contextlib.suppress(RetabAnalysisError):
                found = fetch_config_changes(self._workflow_id, *pair, client=self.client)
                self._between[pair] = found
        return self._between[pair]


def sort_runs(runs: pl.DataFrame) -> pl.DataFrame:
    return runs.sort("created_at", "run_id", descending=True, nulls_last=True)


def _find_passing(comparison: Comparison) -> frozenset[str]:
    """The evals that passed when they were decided last before the candidate."""
    sides = inside(comparison).sides
    before = [each for each in (sides.history, sides.baseline) if each is not None]
    decided = pl.concat(before).filter(pl.col("state").is_in(DECIDED)).sort(MOMENT)
    last = decided.group_by("eval_id").agg(pl.col("state").last())
    return frozenset(last.filter(state="passed")["eval_id"])


def _list_edited(results: pl.DataFrame) -> list[tuple[str, str, datetime, datetime]]:
    """The runs before which a block was edited: run, block, when it ran before, and this run."""
    known = results.drop_nulls(("run_id", "block_id", "run_created_at", BLOCK_CODE))
    codes = known.filter(pl.col("run_scope") != "eval").group_by("block_id", "run_id")
    rows = codes.agg(at=pl.col("run_created_at").first(), code=pl.col(BLOCK_CODE).last())
    was, before = (pl.col(each).shift().over("block_id") for each in ("code", "at"))
    pairs = rows.sort("block_id", "at", "run_id").with_columns(was=was, before_at=before)
    edited = pairs.filter(pl.col("was") != pl.col("code"))
    return edited.select("run_id", "block_id", "before_at", "at").rows()


def mark_changes(changes: pl.DataFrame) -> tuple[Change, ...]:
    """The rows of a CONFIG_CHANGES frame, each with its words marked."""
    return tuple(
        Change(shorten_field(field), mark_texts(readable(before), readable(after)))
        for field, before, after in changes.select("field", "before", "after").iter_rows()
    )


class FrameReader:
    """Judges a RESULTS frame, without the API."""

    lack = ""

    def __init__(self, results: pl.DataFrame) -> None:
        check_one_workflow(results)
        self._results, self._runs, self._accepted = results, list_runs(results), read_accepted()
        if self._runs.is_empty():
            raise ConfigError("results has no row with a run_id")
        self.workflow_id = str(self._runs["workflow_id"].drop_nulls().first() or "")

    def judge(self, candidate: str | None, baseline: str, _: pl.DataFrame) -> Answer:
        """Compare a run (by default the newest) or a version with the chosen baseline."""
        now = self._runs.head(1) if candidate is None else self._find("candidate", candidate)
        is_before = (pl.col("created_at") < now["created_at"].min()).fill_null(True)
        before = self._runs.filter(is_before).join(now, on="run_id", how="anti")
        against = None if baseline == LAST_GOOD else before.head(1)
        if baseline not in (LAST_GOOD, "previous"):
            against = self._find("baseline", baseline)
        if against is not None:
            before = before.join(against, on="run_id", how="anti")
        sides = Sides(
            self._choose(now), against if against is None else self._choose(against),
            self._choose(before), accepted=self._accepted,
        )  # fmt: skip
        return {
            "checked": now,
            "comparison": compare_sides(sides, _ALPHA, _MARGIN),
            "runs": self._runs,
            "results": self._results,
            "read": frozenset(self._runs["run_id"]),
            "took": 0.0,
        }

    def _find(self, name: str, asked: str) -> pl.DataFrame:
        is_asked = (pl.col("run_id") == asked) | (pl.col("workflow_version_id") == asked)
        found = self._runs.filter(is_asked.fill_null(False))
        if found.is_empty():
            raise ConfigError(f"{name}={asked!r} is not a run or a version of these results")
        return found

    def _choose(self, runs: pl.DataFrame) -> pl.DataFrame:
        chosen = self._results.filter(pl.col("run_id").is_in(runs["run_id"].implode()))
        return check_results(chosen, "results").collect()


def list_runs(results: pl.DataFrame) -> pl.DataFrame:
    """A RUNS frame of the runs in a RESULTS frame."""
    counts = ("passed", "failed", "blocked", "error", "cancelled")
    known = results.drop_nulls("run_id").group_by("run_id").agg(
        MOMENT.min().alias("created_at"),
        pl.col("run_completed_at").max().alias("completed_at"),
        pl.col("workflow_version_id", "workflow_id").drop_nulls().first(),
        pl.col("run_scope").drop_nulls().first().fill_null("workflow").alias("scope"),
        *((pl.col("state") == name).sum().cast(pl.Int64).alias(name) for name in counts),
        total_evals=pl.len().cast(pl.Int64),
        status=pl.lit("completed"),
        is_terminal=pl.lit(True),
    )  # fmt: skip
    runs = pl.concat([RUNS.empty(), known], how="diagonal").select(RUNS.schema.names())
    return sort_runs(runs)


Reader = WorkflowReader | FrameReader
