"""The two sides of a comparison: their results and their surroundings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from retab_analysis.comparison.accepted import Policy
from retab_analysis.comparison.config_changes import Edits
from retab_analysis.errors import ConfigError
from retab_analysis.evidence.comparable import BASELINE, CANDIDATE, EARLIER, NEEDED, put_on_side
from retab_analysis.evidence.names import Name
from retab_analysis.evidence.saved_evals import SavedEvals
from retab_analysis.evidence.telling import Told, tell
from retab_analysis.evidence.timeline import CODE, mark_codes
from retab_analysis.evidence.versions import Versions
from retab_analysis.schema import RESULTS, as_polars, checked
from retab_analysis.vocabulary import MOMENT

READ = tuple(
    dict.fromkeys(
        (
            *(*NEEDED, "condition", "expected_value", "actual_value", "path"),
            *("failure_code", "failure_message", "status_message"),
            *("score", "threshold", "duration_ms", "created_at", "started_at", "assertion_id"),
        )
    )
)
"""The columns of a RESULTS frame that a comparison reads."""
SIDED = (*READ, CODE, "is_own", "order", "side")
"""The columns of results that a timeline judged, on their sides."""

_OPTIONAL = (
    *("condition", "path", "document_ids", "completed_at", "run_scope", "run_completed_at"),
    *("failure_code", "failure_message", "status_message", "started_at", "assertion_id"),
)
# Columns that are only shown, or sharpen the answer; a frame may lack them.


PLAN = pl.Schema(
    {
        "run_id": pl.String(),
        "created_at": pl.Datetime("us", "UTC"),
        "scope": pl.String(),
        "why": pl.String(),
    }
)
"""The runs that were read and why, one row per run; the last row says where the list stopped."""


@dataclass(frozen=True, slots=True)
class NewerRun:
    """A newer run that has not ended: ``future``, ``stuck`` or ``going on``.

    ``is_judged``: whether it runs only the judged code anyway.
    """

    run_id: str
    kind: str
    is_judged: bool
    at: datetime | None
    done: int
    total: int | None
    block_id: str | None


@dataclass(frozen=True, eq=False)
class ReadRuns:
    """Facts about the runs that were read: which, why, and what they do not show."""

    why: str = ""  # why these are checked
    against: str = ""  # the reason for the baseline, behind its name
    plan: pl.DataFrame | None = None
    horizon: datetime | None = None  # rows before it only tell since when
    after_gaps: frozenset[str] = frozenset()  # runs before which some were not read
    unnamed: int = 0  # failures that the candidate's runs count, and that contradict their results
    gone_failures: int = 0  # failures that they count, and that are gone with deleted evals
    unlisted: int = 0  # evals with results that the list of saved evals lacks, not known as deleted
    is_list_whole: bool = True  # False if the API still has one of these
    waiting: tuple[int, int] = (0, 0)  # how many results are still to come, of how many
    newer: tuple[NewerRun, ...] = ()
    could_not_run: bool = False  # whether the checked run ended in an error, and results lack
    named: Name | None = None  # the checked version, if it was asked for
    versions: tuple[Name, ...] = ()  # of both sides, if these are versions
    others: tuple[str, ...] = ()  # blocks whose checked code is not known to be the draft's
    unknown: str = ""  # what is not known about two versions, in words

    @property
    def doubts(self) -> list[NewerRun]:
        """The newer runs that cannot be judged."""
        return [each for each in self.newer if not each.is_judged]


@dataclass(frozen=True, eq=False)
class Sides:
    """Both sides of a comparison: results with their ``side``, facts about the runs and evals.

    With ``own_past`` there is no baseline: each eval is compared with its own last good result.
    """

    results: pl.DataFrame
    own_past: bool = True
    read: ReadRuns = field(default_factory=ReadRuns)
    saved: SavedEvals = field(default_factory=SavedEvals)
    told: Versions | None = None  # names moments; None for frames
    asked: tuple[object, object] | None = None  # the candidate and the baseline; None for frames
    edits: Edits | None = None
    notes: tuple[str, ...] = ()
    accepted: Policy = field(default_factory=Policy)
    started: pl.DataFrame | None = None  # reruns whose results are not counted yet

    @staticmethod
    def of(
        candidate: pl.DataFrame,
        baseline: pl.DataFrame | None = None,
        history: pl.DataFrame | None = None,
        **facts: Any,
    ) -> Sides:
        """The sides of some frames. The baseline is earlier whatever its dates."""
        sides = ((history, EARLIER), (baseline, BASELINE), (candidate, CANDIDATE))
        its = [put_on_side(frame, side) for frame, side in sides if frame is not None]
        return Sides(mark_codes(pl.concat(its, how="diagonal")), baseline is None, **facts)

    @cached_property
    def candidate(self) -> pl.DataFrame:
        return self.results.filter(side=CANDIDATE)

    @cached_property
    def baseline(self) -> pl.DataFrame | None:
        return None if self.own_past else self.results.filter(side=BASELINE)

    @property
    def workflow(self) -> pl.DataFrame | None:
        return None if self.told is None else self.told.timeline.facts.workflow

    def code(self, results: pl.DataFrame) -> pl.DataFrame:
        """Results of the workflow with their codes."""
        return mark_codes(results) if self.told is None else self.told.timeline.code(results)

    def tell(self) -> Told:
        read = self.read
        return tell(
            self.results,
            self.saved,
            own_past=self.own_past,
            horizon=read.horizon,
            after_gaps=read.after_gaps,
        )


def check_results(frame: object, name: str) -> pl.LazyFrame:
    """The columns of a RESULTS frame that a comparison reads; users may have others."""
    given = as_polars(frame, name)
    there = set(READ) if given is None else set(given.collect_schema())
    absent = [each for each in _OPTIONAL if each not in there]
    needed = [each for each in READ if each in RESULTS.schema and each not in absent]
    known = checked(frame if given is None else given, RESULTS, needed, name)
    filled = [pl.lit(None, RESULTS.schema[each]).alias(each) for each in absent]
    return known.with_columns(filled).select(READ)


def find_year(results: pl.DataFrame) -> int | None:
    newest = results.select(MOMENT.max()).item()
    return None if newest is None else int(newest.year)


def rank_by_run(results: pl.DataFrame) -> pl.DataFrame:
    """``run_id, workflow_version_id, at`` of each row: whole runs before others, newest first.

    The rows are results or runs.
    """
    are_results = "run_scope" in results.columns
    scope, at = ("run_scope", MOMENT) if are_results else ("scope", pl.col("created_at"))
    keys = pl.col(scope).eq_missing("workflow"), at
    ranked = results.sort(*keys, descending=True, nulls_last=True)
    return ranked.select("run_id", "workflow_version_id", at=at)


def check_one_workflow(*frames: pl.DataFrame | None) -> None:
    """Refuse results of two workflows: their evals have nothing to do with one another."""
    named = pl.concat([each["workflow_id"] for each in frames if each is not None])
    found = named.drop_nulls().unique().sort()
    if len(found) > 1:
        raise ConfigError(
            "these results are of different workflows, which cannot be compared: "
            f"{', '.join(found.head(5))}; filter the frames by workflow_id first"
        )
