"""The source that asks the API for the records of one workflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import polars as pl

from retab_analysis.errors import InvalidRequestError, NotFoundError, RetabAnalysisError
from retab_analysis.fetch.edits import read_graphs, read_history
from retab_analysis.fetch.lists import (
    find_workflow,
    read_changed_blocks,
    read_live_blocks,
    read_saved,
)
from retab_analysis.fetch.paging import PAGE_SIZE
from retab_analysis.fetch.params import RunList
from retab_analysis.fetch.publications import is_unavailable, read_newest_versions
from retab_analysis.fetch.results import list_results
from retab_analysis.fetch.runs import read_newest_runs
from retab_analysis.fetch.threads import TaskOutcomes, run_all
from retab_analysis.progress import Progress, Silent
from retab_analysis.schema import ERAS, LIVE_BLOCKS, RESULTS
from retab_analysis.transport import Client


class Source:
    """Runs, results, saved evals, versions and edits of one workflow.

    It reads the results of a run once. Without ``strict`` it omits results that do not decode, and
    counts them in ``unread``.
    """

    most_results = 0
    """How many results it can read without a request."""

    def __init__(self, client: Client, workflow_id: str, *, strict: bool = True) -> None:
        self.client, self.workflow_id, self.strict = client, workflow_id, strict
        self.unread = 0
        self._saved: pl.DataFrame | None = None
        self._live: pl.DataFrame | None = None
        self._versions: pl.DataFrame | None = None
        self._taken: dict[str, pl.DataFrame] = {}
        self._read, self._read_ids = RESULTS.empty(), set[str]()

    @property
    def saved(self) -> pl.DataFrame:
        if self._saved is None:
            self._saved = read_saved(self.client, self.workflow_id, strict=self.strict).frame
        return self._saved

    @property
    def labels(self) -> dict[str, str | None]:
        return {}

    def refresh(self, progress: Progress | bool | None = None) -> None:
        self._saved = self._live = self._versions = None

    def read_surroundings(self) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
        """The workflow and its publications, None if unknown; also reads the saved evals."""
        outcomes: TaskOutcomes[pl.DataFrame] = TaskOutcomes()
        tasks: list[Callable[[], pl.DataFrame]] = [
            lambda: self.saved,
            partial(find_workflow, self.client, self.workflow_id),
            self.read_versions,
        ]
        run_all(tasks, self.client.max_concurrency, outcomes)
        error = outcomes.errors.get(0) or outcomes.error()
        if 0 not in outcomes.results and error is not None:
            raise error
        return outcomes.results.get(1), outcomes.results.get(2)

    def read_versions(self) -> pl.DataFrame:
        if self._versions is None:
            self._versions = read_newest_versions(self.client, self.workflow_id)
        return self._versions

    def read_saved_at(self) -> dict[str, datetime | None]:
        return dict(self._read_live()["block_id", "updated_at"].iter_rows())

    def read_labels(self) -> dict[str, str | None]:
        return self.labels or dict(self._read_live()["block_id", "label"].iter_rows())

    def _read_live(self) -> pl.DataFrame:
        if self._live is None:
            try:
                self._live = read_live_blocks(self.client, self.workflow_id)
            except RetabAnalysisError as error:
                if not is_unavailable(error):
                    raise
                self._live = LIVE_BLOCKS.empty()
        return self._live

    def list_runs(self, to_date: datetime | None) -> tuple[pl.DataFrame, bool]:
        """The newest runs up to a moment, and whether the list ends there."""
        page = read_newest_runs(self.client, self.workflow_id, limit=PAGE_SIZE, to_date=to_date)
        return page, page.height < PAGE_SIZE

    def say_where(self, *, is_whole: bool) -> str:
        """Where a list of runs ends; ``is_whole``: there are no others."""
        return f"listed; {'the list ends here' if is_whole else 'older runs were not listed'}"

    def take(self, run_id: str, results: pl.DataFrame) -> None:
        self._taken[run_id] = results

    def read_results(self, runs: pl.DataFrame, progress: Progress | None = None) -> pl.DataFrame:
        missing = runs.filter(~pl.col("run_id").is_in([*self._taken, *self._read_ids]))
        if not missing.is_empty():
            self._read = pl.concat([self._read, self._read_missing(missing, progress or Silent())])
            self._read_ids.update(missing["run_id"])
        taken = [each for each in runs["run_id"] if each in self._taken]
        others = pl.col("run_id").is_in([*{*runs["run_id"]}.difference(taken)])
        return pl.concat([self._read.filter(others), *(self._taken[each] for each in taken)])

    def _read_missing(self, runs: pl.DataFrame, progress: Progress) -> pl.DataFrame:
        chosen = RunList.make(runs.drop("why", strict=False))
        fetched = list_results(
            self.client, chosen, RESULTS, evals=self.saved, strict=self.strict, progress=progress
        )
        self.unread += len(fetched.problems)
        return fetched.frame

    def read_edits(self, blocks: Sequence[str]) -> pl.DataFrame | None:
        """The history of some blocks, an ERAS frame; None if the API does not give it."""
        return read_history(self.client, self.workflow_id, blocks)

    def read_begun(self, blocks: Sequence[str]) -> dict[str, datetime | None]:
        """When the era of the draft began, for blocks whose history the API gives."""
        eras = ERAS.empty() if (its := self.read_edits(blocks)) is None else its
        return dict(eras.filter("is_draft")["block_id", "first_seen_at"].iter_rows())

    def read_kept_edits(self) -> pl.DataFrame:
        return ERAS.empty()

    def read_blocks(self, versions: Sequence[str]) -> dict[str, pl.DataFrame]:
        """The blocks of those versions that the API has, by version id or ``"draft"``."""
        return read_graphs(self.client, self.workflow_id, versions)

    def read_changed_blocks(self, baseline: str, candidate: str) -> frozenset[str] | None:
        """The ids of the blocks that differ; None for a draft, for which the API answers 404."""
        try:
            return read_changed_blocks(self.client, self.workflow_id, baseline, candidate)
        except (NotFoundError, InvalidRequestError):
            return None
