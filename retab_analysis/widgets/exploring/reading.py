"""Fetches what an explorer has not got yet, and gives it to the exploration."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from retab_analysis.errors import RetabAnalysisError
from retab_analysis.fetch import fetch_evals, fetch_results, fetch_runs
from retab_analysis.transport import Client
from retab_analysis.widgets.exploring.exploration import BATCH, Exploration, Source
from retab_analysis.widgets.exploring.listing import ListState

DAYS = 90
FETCHING = "Fetching"


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
        self._names: dict[str, pl.DataFrame | None] = {}
        self.since = datetime.now(UTC)
        """From when on the runs of the workflow are here."""

    @property
    def more(self) -> str:
        """What there is more to fetch, in words; empty where there is nothing."""
        if self._explored.tab == "evals":
            left = len(self._explored.unread())
            return f"The results of {min(left, BATCH)} of {left} further runs" if left else ""
        if self._explored.tab == "runs" and self.workflow_id:
            return f"The runs of the {DAYS} days before {self.since:%Y-%m-%d}"
        return ""

    def read_more(self) -> None:
        """What :attr:`more` says."""
        if self._explored.tab == "evals":
            self.read_results(self._explored.unread()[:BATCH])
        elif self.workflow_id:
            self.read_earlier()

    def read_earlier(self) -> None:
        """The runs of the 90 days before those that are here."""
        start = self.since - timedelta(days=DAYS)
        here = self._runs.frame.height
        with self._keeping():
            self._take_runs(self._fetch_runs(start, self.since))
        self.since = start
        with self._lock:
            code = f"ra.fetch_runs({self.workflow_id!r}, from_date={start.isoformat()!r})"
            self._explored.source = Source(runs=f"runs = {code}")
        if self._runs.frame.height == here:
            self._say(f"There is no run{' before those' if here else ''} since {start:%Y-%m-%d}.")

    def read_again(self) -> None:
        """What may have changed: new runs of the workflow, and what had not ended."""
        if self.workflow_id:
            with self._keeping():
                self._take_runs(self._fetch_runs(self.since, None))
        elif self._explored.runs is not None:
            self._read_going()
        else:
            undecided = self._explored.results_in_sight().filter(pl.col("state") == "unscored")
            ids = undecided["run_id"].drop_nulls().unique(maintain_order=True).to_list()
            self.read_results(ids)
            if not ids:
                self._say("Every result is decided: there is nothing to ask again.")

    def _read_going(self) -> None:
        going = self._runs.frame.filter(~pl.col("is_terminal"))
        if going.is_empty():
            self._say("Every run has ended: there is nothing to ask again.")
            return
        workflows = going["workflow_id"].unique().to_list()
        first, last = going.select(first=pl.col("created_at").min(), last="created_at").row(0)
        with self._keeping():
            found = self._fetch_runs(first, last, workflows)
            self._take_runs(found.join(going.select("run_id"), on="run_id", how="semi"))

    def read_results(self, run_ids: Sequence[str]) -> None:
        """The results of some runs."""
        if not run_ids:
            return
        with self._lock:
            known = self._explored.runs
            runs: Any = list(run_ids)
            if known is not None:
                runs = known.frame.filter(pl.col("run_id").is_in(run_ids))
        names = self._names_of(runs) if isinstance(runs, pl.DataFrame) else None
        found = fetch_results(
            runs, evals=names, client=self._client, progress=Told("results", self._say)
        )
        with self._lock:
            self._explored.add_results(run_ids, found)

    def _names_of(self, runs: pl.DataFrame) -> pl.DataFrame | None:
        """The evals of the runs' workflows; without them, results have ids for names."""
        for workflow_id in runs["workflow_id"].unique().to_list():
            if workflow_id not in self._names:
                try:
                    found = fetch_evals(workflow_id, client=self._client, progress=False)
                except RetabAnalysisError as error:
                    self._say(f"The evals of {workflow_id} have no names: {error}")
                    found = None
                self._names[workflow_id] = found
        frames = [frame for frame in self._names.values() if frame is not None]
        return pl.concat(frames) if frames else None

    @property
    def _runs(self) -> ListState:
        assert self._explored.runs is not None
        return self._explored.runs

    def _fetch_runs(
        self, start: datetime | None, end: datetime | None, workflows: list[str] | None = None
    ) -> pl.DataFrame:
        return fetch_runs(
            workflows or self.workflow_id,
            from_date=start,
            to_date=end,
            client=self._client,
            progress=Told("runs", self._say),
        )

    def _take_runs(self, found: pl.DataFrame) -> None:
        """Take runs as they are now, in place of how they were."""
        with self._lock:
            both = pl.concat([found, self._runs.frame], how="diagonal")
            columns = self._runs.frame.columns
            self._explored.set_runs(
                both.unique("run_id", keep="first", maintain_order=True).select(columns)
            )

    @contextlib.contextmanager
    def _keeping(self) -> Iterator[None]:
        """Keep what has come before a failure."""
        try:
            yield
        except RetabAnalysisError as error:
            if error.partial is not None:
                self._take_runs(error.partial)
            raise
