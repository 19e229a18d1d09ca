"""What is new in the watched runs: what ``check`` says, with the runs so far as the candidate.

The watched runs of a workflow are one candidate together, and their news are one. The earlier runs
are read once per workflow; after that a comparison costs no request, and is made again only where
results have changed.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import polars as pl

from retab_analysis.checks.defaults import open_source
from retab_analysis.checks.edits import add_config_changes, spans_of
from retab_analysis.checks.plan import HISTORY, Choice, Limits, ReadingPlan, RunListing, make_plan
from retab_analysis.checks.read import make_sides
from retab_analysis.checks.source import Source
from retab_analysis.comparison.compare import compare_sides
from retab_analysis.comparison.comparison import Comparison, sides_of, with_edits
from retab_analysis.comparison.config_changes import Edits
from retab_analysis.comparison.names import name_runs
from retab_analysis.comparison.report import make_document
from retab_analysis.comparison.sides import Surroundings
from retab_analysis.comparison.verdict_document import Door
from retab_analysis.config import shows_values
from retab_analysis.errors import AuthenticationError, ConfigError, RetabAnalysisError
from retab_analysis.fetch.params import Runs
from retab_analysis.fetch.polling import GRACE
from retab_analysis.fetch.threads import is_away
from retab_analysis.render.document import Document
from retab_analysis.transport import Client
from retab_analysis.vocabulary import TRANSITIONS
from retab_analysis.widgets.live.run_lines import TOLD

if TYPE_CHECKING:
    from retab_analysis.archive import Archive

# The levels that ``check`` has by default.
_ALPHA = _MARGIN = 0.05

# How an eval has ended in a run.
OUTCOME = ("run_id", "eval_id", "state")
Outcome = tuple[str, str, str]

NO_NEWS: Mapping[str, int] = MappingProxyType(dict.fromkeys(TRANSITIONS, 0))


@dataclass(frozen=True, eq=False)
class News:
    """What became of the evals of the watched runs of one workflow."""

    run_ids: tuple[str, ...]
    comparison: Comparison | None = None
    against: str | None = None  # None if there is nothing to compare with
    missing: str | None = None  # why there is nothing
    outcomes: frozenset[Outcome] = frozenset()
    took: float = 0.0  # seconds
    _documents: dict[bool, Document] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def counts(self) -> Mapping[str, int] | None:
        """How many evals have each transition; None where the runs are held against nothing."""
        if self.comparison is None:
            return None if self.against is None else NO_NEWS
        # Not from the summary, which takes longer.
        found = self.comparison.evals["transition"].value_counts()
        return MappingProxyType({**NO_NEWS, **dict(found.iter_rows())})

    @cached_property
    def _said(self) -> Mapping[str, tuple[str, str | None]]:
        if self.comparison is None:
            return {}
        rows = self.comparison.evals.select("eval_id", "transition", "candidate_state").iter_rows()
        return {eval_id: (transition, state) for eval_id, transition, state in rows}

    def is_changed_by(self, eval_id: str, state: str) -> bool:
        """Whether a further outcome of an eval may change what is said of it, beside counts.

        One more failure says nothing new of what is broken already, one more pass nothing of what
        passes; of a suspect each outcome does.
        """
        transition, shown = self._said.get(eval_id, ("incomplete", None))
        if transition == "incomplete" and shown is None:
            return state != "passed"
        return transition == "suspect" or shown not in (state, "mixed")

    def document(self, *, values: bool) -> Document | None:
        """What ``check`` shows of the same runs; None before anything was compared."""
        made = self.comparison
        if made is not None and values not in self._documents:
            document = make_document(made, made.gate(), Door(values, types="", shows=""))
            # A gate is judged at the end.
            is_going = sides_of(made).read.waiting[0]
            self._documents[values] = replace(document, badge="") if is_going else document
        return self._documents.get(values)


class NewsFinder:
    """Finds the news of watched runs; ``wanted`` is the ``baseline`` of ``watch``."""

    def __init__(self, client: Client, wanted: Runs | None, archive: Archive | None) -> None:
        self._client, self._archive = client, archive
        self._workflows: dict[str, WorkflowNews] = {}
        self.wanted = wanted

    @property
    def unread(self) -> int:
        """How many results of earlier runs did not decode, and were left out."""
        return sum(each.unread for each in self._workflows.values())

    def find(
        self,
        runs: pl.DataFrame,
        results: Mapping[str, pl.DataFrame],
        evals: Mapping[str, pl.DataFrame],
    ) -> tuple[News, ...]:
        """The news of each workflow, in the order of the runs; a refused key raises its error."""
        if self.wanted is None:
            return ()
        found: list[News] = []
        for its in runs.partition_by("workflow_id", maintain_order=True):
            workflow_id = its["workflow_id"][0]
            if workflow_id not in self._workflows:
                self._workflows[workflow_id] = WorkflowNews(
                    self._client, workflow_id, self.wanted, evals[workflow_id], self._archive
                )
            found.append(self._workflows[workflow_id].find(its, results))
        return tuple(found)


class WorkflowNews:
    """The news of the watched runs of one workflow; ``evals`` are its saved evals."""

    def __init__(
        self,
        client: Client,
        workflow_id: str,
        wanted: Runs,
        evals: pl.DataFrame,
        archive: Archive | None,
    ) -> None:
        self._client, self._workflow_id, self._wanted = client, workflow_id, wanted
        self._archive, self._evals = archive, evals
        self._source: Source | None = None
        self._listing: RunListing | None = None
        self._news: News | None = None
        # What the news were found in: the runs, which of them had ended, and their outcomes.
        self._found_in: object = None
        # Whether the list of runs and the saved evals were read again after the runs had ended.
        self._is_final = False
        # What was edited where something broke, and how often that was asked for in vain.
        self._edits: dict[object, Edits | None] = {}
        self._unanswered: Counter[object] = Counter()
        self._versions: pl.DataFrame | None = None  # those that were published, once that is known
        # How often in a row the API was away.
        self._refused = 0

    @property
    def unread(self) -> int:
        return 0 if self._source is None else self._source.unread

    def find(self, runs: pl.DataFrame, results: Mapping[str, pl.DataFrame]) -> News:
        ids = tuple(runs["run_id"])
        outcomes = list_outcomes(pl.concat([results[each] for each in ids]))
        seen = ids, runs["is_terminal"].to_list(), outcomes
        if self._news is None or self._found_in != seen:
            try:
                self._news = self._compare(runs, results, outcomes)
                self._refused = 0
            except ConfigError as error:
                self._news = News(ids, missing=str(error))
            except RetabAnalysisError as error:
                self._refused += 1
                is_passing = is_away(error) and self._refused <= GRACE
                if isinstance(error, AuthenticationError) or is_passing:
                    raise
                self._news = News(ids, missing=str(error))
            self._found_in = seen
        return self._news

    def _compare(
        self, runs: pl.DataFrame, results: Mapping[str, pl.DataFrame], outcomes: frozenset[Outcome]
    ) -> News:
        has_ended = bool(runs["is_terminal"].all())
        source, plan = self._plan(runs, has_ended)
        for run_id in runs["run_id"]:
            source.take(run_id, results[run_id])
        ids, against = tuple(runs["run_id"]), _describe(plan)
        if not (has_ended or outcomes):
            source.read_results(plan.read)
            return News(ids, against=against)
        if self._versions is None:
            with contextlib.suppress(RetabAnalysisError):
                self._versions = source.read_versions()
        sides, began = make_sides(plan, source), time.monotonic()
        sides = replace(sides, around=Surroundings(versions=self._versions))
        comparison = compare_sides(sides, _ALPHA, _MARGIN)
        took = time.monotonic() - began
        news = News(ids, self._add_edits(comparison, source), against, outcomes=outcomes, took=took)
        # Here, in a thread of its own, and not where it is drawn.
        news.document(values=shows_values())
        return news

    def _add_edits(self, comparison: Comparison, source: Source) -> Comparison:
        """Add what was edited, where something broke by an edit; it is asked for a few times."""
        spans = spans_of(comparison)
        if spans.is_empty():
            return comparison
        edited = frozenset(spans["block_id", "before_version", "after_version"].iter_rows())
        found = self._edits.get(edited)
        if (found is None or found.has_failed) and self._unanswered[edited] <= GRACE:
            found = sides_of(add_config_changes(comparison, source)).around.edits
            self._edits[edited] = found
            self._unanswered[edited] += found is None or found.has_failed
        return with_edits(comparison, found)

    def _plan(self, runs: pl.DataFrame, has_ended: bool) -> tuple[Source, ReadingPlan]:
        """Which runs are read, as ``check`` would choose them now; once more at the end."""
        if self._source is None:
            # Without the saved evals everything would be taken for removed.
            saved = None if self._evals.is_empty() else self._evals
            self._source = open_source(
                self._client,
                self._workflow_id,
                progress=False,
                archive=self._archive,
                strict=False,
                saved=saved,
            )
        elif self._listing is not None and has_ended and not self._is_final:
            self._source.refresh(progress=False)
            self._listing = None
        listing = self._listing or RunListing.read(self._source)
        self._listing, self._is_final = listing, has_ended
        listing.add(runs)
        limits = Limits.choose(HISTORY, self._source)
        candidate = Choice(runs, "which is watched")
        return self._source, make_plan(listing, candidate, self._wanted, limits)


def list_outcomes(results: pl.DataFrame) -> frozenset[Outcome]:
    """How the evals of a RESULTS frame have ended by themselves: a cancelled one was not asked."""
    ended = results.filter(pl.col("state").is_in(TOLD))
    return frozenset(ended.select(OUTCOME).iter_rows())


def _describe(plan: ReadingPlan) -> str:
    if plan.baseline is None:
        return "each eval's own last good result"
    return f"{name_runs(plan.baseline.runs, None, None)}, {plan.baseline.why}"
