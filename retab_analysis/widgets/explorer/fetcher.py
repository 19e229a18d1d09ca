"""Fetches in a thread what an explorer has not got yet, and puts it into the explorer's state."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from retab_analysis.errors import (
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RetabAnalysisError,
    SchemaError,
)
from retab_analysis.fetch import fetch_results, fetch_workflows
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.lists import read_evals, read_live_blocks
from retab_analysis.fetch.params import RunQuery
from retab_analysis.fetch.publications import read_newest_versions
from retab_analysis.fetch.runs import list_runs
from retab_analysis.transport import Client
from retab_analysis.widgets.explorer.state import BATCH, ExplorerState
from retab_analysis.widgets.jobs import JobProgress
from retab_analysis.widgets.table import TableState

if TYPE_CHECKING:
    from retab_analysis.archive import Archive
    from retab_analysis.checks.archive_source import ArchiveSource

DAYS = 90
# Errors of one run, which say nothing about the other ones.
_OF_ONE_RUN = (NotFoundError, SchemaError, InvalidRequestError, PermissionDeniedError)


class Fetcher:
    """Asks the API for an explorer, in its thread; ``workflow_id`` is None if frames were given."""

    def __init__(
        self,
        explored: ExplorerState,
        lock: threading.RLock,
        say: Callable[[str], None],
        report: Callable[[str], None],
        client: Client | None,
        workflow_id: str | None,
        archive: Archive | None = None,
    ) -> None:
        self._archive = archive
        self._source: ArchiveSource | None = None
        self._explored, self._lock = explored, lock
        self._say, self._report = say, report
        self._client, self.workflow_id = client, workflow_id
        self._names: dict[str, pl.DataFrame] = {}
        # From then on the runs of the workflow are here.
        self.since = datetime.now(UTC)

    @property
    def more(self) -> str:
        """What there is more to fetch, in words; empty where there is nothing."""
        if self._explored.tab == "evals":
            left = len(self._explored.list_missing())
            return f"The results of {min(left, BATCH)} of {left} further runs" if left else ""
        if self._explored.tab == "runs" and self.workflow_id and self._archive is None:
            return f"The runs of the {DAYS} days before {self.since:%Y-%m-%d}"
        return ""

    def fetch_earlier(self) -> None:
        """Fetch the runs of the 90 days before those that are here, or all from the archive."""
        if self._read_archive():
            return
        start = self.since - timedelta(days=DAYS)
        here = self._runs.frame.height
        self._fetch_runs(start, self.since)
        if self.workflow_id and not here and self._runs.frame.height:
            self._read_names(self.workflow_id)
        self.since = start
        if self._runs.frame.height > here:
            return
        before, unknown = " before those" if here else "", ""
        if not here:
            # One request more, where there is nothing to show: an unknown workflow is no error.
            known = fetch_workflows(client=self._client, progress=False)["workflow_id"]
            if self.workflow_id not in known:
                listed = ", ".join(known.head(10)) or "none"
                key = client_or_default(self._client).describe_environment()
                unknown = f" There is no workflow {self.workflow_id!r}; there are {listed}. {key}."
        self._say(f"There is no run{before} since {start:%Y-%m-%d}.{unknown}")

    def _read_archive(self) -> bool:
        """Bring the archive up to date and show the runs in it; whether there is one."""
        if self._archive is None or self.workflow_id is None:
            return False
        from retab_analysis.checks.archive_source import ArchiveSource

        client, progress = client_or_default(self._client), JobProgress("Archiving", self._report)
        source = ArchiveSource(self._archive, client, self.workflow_id, progress)
        kept, runs_there = source.kept, source.kept.runs
        here = {*self._explored.fetched}.difference(source.absent)
        found = kept.read_results(runs_there.filter(pl.col("run_id").is_in(list(here))))
        with self._lock:
            self._source = source
            self._runs.frame = runs_there  # without those that were deleted
            self._explored.take_runs(runs_there)
            self._explored.take_results(here, found)
            self._explored.take_versions(kept.versions)
            self._explored.take_labels(kept.saved["block_id", "block_label"])
        if runs_there.is_empty():
            self._say("There is no run.")
        return True

    def refresh(self) -> None:
        """Fetch what may have changed: new runs of the workflow, and what had not ended."""
        # Evals may have been renamed since.
        self._names.clear()
        with self._lock:
            # What could not be fetched is tried again where a person asks.
            self._explored.failed.clear()
        runs, known = self._explored.runs, self._explored.known
        if self._read_archive():
            return
        if self.workflow_id:
            self._fetch_runs(self.since, None)
        elif runs is not None:
            going = runs.frame.filter(~pl.col("is_terminal"))
            if going.is_empty():
                self._say("Every run has ended: there is nothing to ask again.")
                return
            # One list of all their dates is one request a page; run by run it would be one a run.
            moment = pl.col("created_at")
            first, last = going.select(first=moment.min(), last=moment.max()).row(0)
            self._fetch_runs(first, last, only=going)
        else:
            undecided = known.filter(pl.col("state") == "unscored")
            ids = undecided["run_id"].drop_nulls().unique(maintain_order=True).to_list()
            if ids:
                self.fetch_results_of(ids)
            elif undecided.is_empty():
                self._say("Every result is decided: there is nothing to ask again.")
            else:
                self._say("The results that are not decided name no run to ask for.")

    def fetch_results_of(self, run_ids: Sequence[str]) -> None:
        """Fetch the results of some runs; where one run's fail, those of the others are kept."""
        try:
            self._fetch_results(run_ids)
        except _OF_ONE_RUN as error:
            # The error is of one run, but does not say of which.
            if len(run_ids) == 1:
                with self._lock:
                    self._explored.failed.update(run_ids)
                raise
            last: RetabAnalysisError | None = None
            for run_id in run_ids:
                try:
                    self.fetch_results_of([run_id])
                except _OF_ONE_RUN as problem:
                    last = problem
            if last is not None:
                raise last from error

    def _fetch_results(self, run_ids: Sequence[str]) -> None:
        with self._lock:
            known, results = self._explored.runs, self._explored.known
        runs: Any = list(run_ids)
        if known is not None:
            runs = known.frame.filter(pl.col("run_id").is_in(run_ids))
        source = self._source
        if source is not None and source.choose_kept(runs).height == runs.height:
            found = source.kept.read_results(runs)
            with self._lock:
                self._explored.take_results(run_ids, found)
            return
        found = fetch_results(
            runs,
            evals=self._fetch_names(runs if known is not None else results),
            payloads="handle_inputs" in results.columns,
            client=self._client,
            progress=JobProgress("Fetching results", self._report),
        )
        with self._lock:
            self._explored.take_results(run_ids, found)

    def _fetch_names(self, frame: pl.DataFrame) -> pl.DataFrame | None:
        """Fetch the saved evals, for their names; where that fails, results go without."""
        for workflow_id in frame["workflow_id"].drop_nulls().unique().to_list():
            if workflow_id not in self._names:
                with contextlib.suppress(RetabAnalysisError):
                    self._names[workflow_id] = read_evals(self._client, workflow_id)
                self._read_names(workflow_id)
        return pl.concat(self._names.values()) if self._names else None

    def _read_names(self, workflow_id: str) -> None:
        """Ask for the numbers of versions and the labels of blocks; what fails stays unnamed."""
        client = client_or_default(self._client)
        with contextlib.suppress(RetabAnalysisError):
            published = read_newest_versions(client, workflow_id)
            with self._lock:
                self._explored.take_versions(published)
        with contextlib.suppress(RetabAnalysisError):
            blocks = read_live_blocks(client, workflow_id)["block_id", "label"]
            with self._lock:
                self._explored.take_labels(blocks)

    @property
    def _runs(self) -> TableState:
        assert self._explored.runs is not None
        return self._explored.runs

    def _fetch_runs(
        self, start: datetime | None, end: datetime | None, only: pl.DataFrame | None = None
    ) -> None:
        """Fetch runs, or only those of ``only``; what came before a failure is kept."""
        of: Any = self.workflow_id
        if only is not None:
            # A run that does not name its workflow may be of any of them.
            named = only["workflow_id"].unique()
            of = None if named.null_count() else named.to_list()
        progress = JobProgress("Fetching runs", self._report)
        found = None
        try:
            query = RunQuery.make(workflow_id=of, from_date=start, to_date=end)
            # A workflow that is not there is told of in the view, without a warning.
            client = client_or_default(self._client)
            found = list_runs(
                client, query, limit=None, after=None, strict=True, progress=progress
            ).frame
        except RetabAnalysisError as error:
            found = error.partial
            raise
        finally:
            if found is not None:
                with self._lock:
                    # The list also has runs of that time which are not in the user's frame.
                    known = found if only is None else found.join(only, on="run_id", how="semi")
                    self._explored.take_runs(known)
