"""Reads and judges one workflow for a view, as ``check`` does, or a given frame."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from retab_analysis.checks.defaults import open_source
from retab_analysis.checks.edits import fetch_config_changes
from retab_analysis.checks.plan import LAST_GOOD, Choice, ReadingPlan
from retab_analysis.checks.settle import RerunPlan
from retab_analysis.checks.verdict import Kept, Question, make_verdict
from retab_analysis.comparison.accepted import Policy, read_accepted
from retab_analysis.comparison.compare import compare_sides
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.config_changes import compare_blocks, readable, shorten_field
from retab_analysis.comparison.detail import mark_texts
from retab_analysis.comparison.reruns import SETTLE_ROUNDS
from retab_analysis.comparison.sides import Sides, check_one_workflow, check_results
from retab_analysis.errors import ConfigError, RetabAnalysisError
from retab_analysis.fetch.edits import find_era
from retab_analysis.render.document import Change
from retab_analysis.schema import BLOCKS, RUNS
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
        self._known = RUNS.empty()  # runs; _read has the ids of those whose results were read
        self._labels: dict[str, str | None] = {}
        self._read: set[str] = set()
        self._words: dict[tuple[str, str], tuple[Change, ...]] = {}
        self._between: dict[tuple[str, ...], pl.DataFrame | None] = {}

    @cached_property
    def kept(self) -> Kept:
        how: Any = {"archive": self._archive, "strict": False}
        return Kept(open_source(self.client, self._workflow_id, False, **how))

    def read_again(self, runs: pl.DataFrame) -> bool:
        """Read the results of runs that are watched as they are now; whether any is new."""
        is_new = self.kept.source.read_again(runs)
        self._read.update(runs["run_id"])
        return is_new

    def refresh(self) -> None:
        """Read the lists anew before the next comparison; results that were read stay."""
        self.kept.refresh()

    def judge(self, candidate: str | None, baseline: str, watched: pl.DataFrame) -> Answer:
        """Compare as ``check`` does; without a candidate the watched runs, if any, are it."""
        kept, chosen = self.kept, candidate  # type: tuple[Kept, Any]
        if watched.height:
            kept.listing.add(watched)
            chosen = candidate or Choice(watched, "which is watched")
        with contextlib.suppress(RetabAnalysisError):  # then blocks are called by their ids
            self._labels = kept.source.read_labels()
        began = time.thread_time()  # waiting for the API is no work of this machine
        asked = Question(chosen, baseline, accepted=self._accepted)
        verdict = make_verdict(asked, kept, progress=False)
        took = time.thread_time() - began
        plan, made = verdict.plan, verdict.comparison
        checked = plan.candidate.runs
        self._read.update(plan.read["run_id"])
        self._known = pl.concat([plan.read.drop("why"), kept.listing.runs]).unique(
            "run_id", keep="first"
        )
        if inside(made).sides.read.could_not_run:
            # A later run may say that the code was not to blame.
            later = self._known.filter(pl.col("created_at") > checked["created_at"].max())
            whole = later.filter(scope="workflow", status="completed").sort("created_at")
            self._read.update(whole["run_id"].head(1))
        told = self.tell(watched)
        return told | {
            "comparison": made,
            "checked": checked,
            "saved": kept.source.saved,
            "versions": kept.source.read_surroundings()[1],
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
        runs, is_read = sort_runs(both), pl.col("run_id").is_in([*self._read])
        return {
            "name": self.kept.source.name,
            "runs": runs,
            "results": self.kept.source.read_results(runs.filter(is_read)),
            "read": frozenset(self._read),
        }

    def count_in(self, checked: pl.DataFrame, made: Comparison, settled: Comparison) -> None:
        """From now on judge these runs with the reruns that settled them."""
        before, now = ({*inside(each).sides.candidate["run_id"]} for each in (made, settled))
        self.kept.count_in(checked, now - before)

    @property
    def lack(self) -> str:
        """The reason if there is nothing to judge yet: no saved eval or no run; else empty."""
        if not self.kept.lacks_runs:
            return ""
        return NO_RUN if self.kept.source.saved.height else NO_EVAL

    def count_reruns(self, comparison: Comparison) -> int:
        return len(RerunPlan.make(comparison, SETTLE_ROUNDS, now=self.client.api_time).asked)

    def _word_edits(self, results: pl.DataFrame) -> dict[tuple[str, str], tuple[Change, ...]]:
        """The edits before a run, if a block ran on other code in the run before."""
        new = [each for each in _list_edited(results) if each[:2] not in self._words]
        eras = None
        if new:
            with contextlib.suppress(RetabAnalysisError):
                eras = self.kept.source.read_edits([*{block for _, block, _, _ in new}])
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
