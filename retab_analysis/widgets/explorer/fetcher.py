"""Fetches what an explorer has not got yet, and gives it to the exploration."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from retab_analysis.errors import (
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RetabAnalysisError,
    SchemaError,
)
from retab_analysis.fetch import fetch_evals, fetch_results, fetch_runs, fetch_workflows
from retab_analysis.transport import Client
from retab_analysis.widgets.explorer.list_state import ListState
from retab_analysis.widgets.explorer.state import BATCH, Exploration, Source

DAYS = 90
FETCHING = "Fetching"
# What is wrong with one run, and says nothing about the others.
_OF_ONE_RUN = (NotFoundError, SchemaError, InvalidRequestError, PermissionDeniedError)


class Told:
    """A progress that tells in words."""

    def __init__(self, what: str, say: Callable[[str], None]) -> None:
        self._what, self._say = what, say

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how much is done."""
        of = f" of {total:,}" if total else ""
        self._say(f"{FETCHING} {self._what}: {done:,}{of}")

    def close(self) -> None:
        """Say nothing."""


class Reader:
    """Asks the API on behalf of an explorer. Its methods block: they are for its thread."""

    def __init__(
        self,
        explored: Exploration,
        lock: threading.RLock,
        say: Callable[[str], None],
        client: Client | None,
        workflow_id: str | None,
    ) -> None:
        self._explored, self._lock, self._say = explored, lock, say
        self._client, self.workflow_id = client, workflow_id
        self._names: dict[str, pl.DataFrame] = {}
        self._reach_back_to(datetime.now(UTC))

    def _reach_back_to(self, since: datetime) -> None:
        self.since = since
        """From when on the runs of the workflow are here."""
        if self.workflow_id:
            code = f"ra.fetch_runs({self.workflow_id!r}, from_date={since.isoformat()!r})"
            self._explored.source = Source(runs=f"runs = {code}")

    @property
    def more(self) -> str:
        """What there is more to fetch, in words; empty where there is nothing."""
        if self._explored.tab == "evals":
            left = len(self._explored.unread())
            return f"The results of {min(left, BATCH)} of {left} further runs" if left else ""
        if self._explored.tab == "runs" and self.workflow_id:
            return f"The runs of the {DAYS} days before {self.since:%Y-%m-%d}"
        return ""

    def read_earlier(self) -> None:
        """The runs of the 90 days before those that are here."""
        start = self.since - timedelta(days=DAYS)
        here = self._runs.frame.height
        self._take_runs(start, self.since)
        with self._lock:
            self._reach_back_to(start)
        if self._runs.frame.height == here:
            before = " before those" if here else ""
            self._say(f"There is no run{before} since {start:%Y-%m-%d}.{self._unknown()}")

    def _unknown(self) -> str:
        """Whether there is no such workflow at all: to the API its runs are simply none."""
        if self._runs.frame.height:
            return ""
        known = fetch_workflows(client=self._client, progress=False)["workflow_id"]
        if self.workflow_id in known:
            return ""
        listed = ", ".join(known.head(10)) or "none"
        return f" There is no workflow {self.workflow_id!r}; there are {listed}."

    def read_again(self) -> None:
        """What may have changed: new runs of the workflow, and what had not ended."""
        self._names.clear()
        with self._lock:
            self._explored.failed.clear()
        if self.workflow_id:
            self._take_runs(self.since, None)
        elif self._explored.runs is not None:
            self._read_going()
        else:
            self._read_undecided()

    def _read_going(self) -> None:
        going = self._runs.frame.filter(~pl.col("is_terminal"))
        if going.is_empty():
            self._say("Every run has ended: there is nothing to ask again.")
            return
        moment = pl.col("created_at")
        first, last = going.select(first=moment.min(), last=moment.max()).row(0)
        self._take_runs(first, last, only=going)

    def _read_undecided(self) -> None:
        undecided = self._explored.known.filter(pl.col("state") == "unscored")
        ids = undecided["run_id"].drop_nulls().unique(maintain_order=True).to_list()
        if ids:
            self.read_results(ids)
        elif undecided.is_empty():
            self._say("Every result is decided: there is nothing to ask again.")
        else:
            self._say("The results that are not decided name no run to ask for.")

    def read_results(self, run_ids: Sequence[str]) -> None:
        """The results of some runs; one that cannot be read costs nothing of the others."""
        try:
            self._read_results(run_ids)
        except _OF_ONE_RUN as error:
            if len(run_ids) == 1:
                with self._lock:
                    self._explored.failed.update(run_ids)
                raise
            self._read_one_by_one(run_ids, error)

    def _read_one_by_one(self, run_ids: Sequence[str], error: RetabAnalysisError) -> None:
        last: RetabAnalysisError | None = None
        for run_id in run_ids:
            try:
                self.read_results([run_id])
            except _OF_ONE_RUN as problem:
                last = problem
        if last is not None:
            raise last from error

    def _read_results(self, run_ids: Sequence[str]) -> None:
        with self._lock:
            known, results = self._explored.runs, self._explored.known
        runs: Any = list(run_ids)
        if known is not None:
            runs = known.frame.filter(pl.col("run_id").is_in(run_ids))
        found = fetch_results(
            runs,
            evals=self._names_of(runs if known is not None else results),
            payloads="handle_inputs" in results.columns,
            client=self._client,
            progress=Told("results", self._say),
        )
        with self._lock:
            self._explored.take_results(run_ids, found)

    def _names_of(self, frame: pl.DataFrame) -> pl.DataFrame | None:
        """The evals of the workflows; without them, results have the names known before, or ids."""
        for workflow_id in frame["workflow_id"].drop_nulls().unique().to_list():
            if workflow_id not in self._names:
                with contextlib.suppress(RetabAnalysisError):
                    found = fetch_evals(workflow_id, client=self._client, progress=False)
                    self._names[workflow_id] = found
        return pl.concat(self._names.values()) if self._names else None

    @property
    def _runs(self) -> ListState:
        assert self._explored.runs is not None
        return self._explored.runs

    def _take_runs(
        self, start: datetime | None, end: datetime | None, only: pl.DataFrame | None = None
    ) -> None:
        """Fetch runs, and keep what has come before a failure, too.

        Args:
            start: Created then or later.
            end: Created then or earlier.
            only: Some runs that are here, or None for all of the workflow.
        """
        of = self.workflow_id if only is None else only["workflow_id"].unique().to_list()
        told = Told("runs", self._say)
        found = None
        try:
            found = fetch_runs(of, from_date=start, to_date=end, client=self._client, progress=told)
        except RetabAnalysisError as error:
            found = error.partial
            raise
        finally:
            if found is not None:
                with self._lock:
                    known = found if only is None else found.join(only, on="run_id", how="semi")
                    self._explored.take_runs(known)
