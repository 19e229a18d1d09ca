"""Look at the watched runs with as few requests as will do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import polars as pl

from retab_analysis.errors import NotFoundError, RetabAnalysisError
from retab_analysis.fetch.params import RunQuery
from retab_analysis.fetch.polling import Poller
from retab_analysis.fetch.runs import list_runs
from retab_analysis.fetch.threads import is_away
from retab_analysis.progress import Silent
from retab_analysis.transport import Client

# One page of the run list.
_PAGE = 100


class Following(Poller):
    """The watched runs: given ones, or all of a workflow that are in flight.

    A run that has ended is looked at too while others go on: it may be running again.

    Attributes:
        gone: Runs that are not found any more, or never were.
        unread: The error of a run that could never be read.
    """

    def __init__(self, client: Client, ids: Sequence[str], workflow_id: str | None) -> None:
        super().__init__(client, ids)
        self._workflow_id = workflow_id
        self.gone: set[str] = set()
        self.unread: RetabAnalysisError | None = None

    def pending(self) -> list[str]:
        """The runs that are not known to have ended, without those that are gone."""
        return [run_id for run_id in super().pending() if run_id not in self.gone]

    def look(self) -> None:
        """Look once at every run.

        Raises:
            RetabAnalysisError: One that waiting does not cure.
        """
        self.away = None
        listed: set[str] = set()
        away = None
        for workflow_id, since in self._lists():
            try:
                listed |= self._list(workflow_id, since)
            except RetabAnalysisError as error:
                if not is_away(error):
                    raise
                away = error
        if away is None:
            self.poll(ids=[each for each in self._seen if each not in listed | self.gone])
        self.away = self.away or away

    def give_up(self, run_id: str, error: RetabAnalysisError) -> None:
        """Leave out a run that is not found; anything else ends the watching."""
        if not isinstance(error, NotFoundError):
            raise error
        self.gone.add(run_id)
        if self._seen[run_id] is None:
            self.unread = error

    def _lists(self) -> Iterator[tuple[str, datetime | None]]:
        """The lists that save requests: a workflow that is followed, or has several of the runs."""
        if self._workflow_id is not None:
            yield self._workflow_id, None
            return
        seen = self.frame().filter(~pl.col("run_id").is_in(list(self.gone)))
        several = seen.group_by("workflow_id", maintain_order=True).agg(
            pl.len(), pl.col("created_at").min(), pl.col("created_at").null_count().alias("nulls")
        )
        for workflow_id, count, since, nulls in several.iter_rows():
            if count > 1 and not nulls:
                yield workflow_id, since

    def _list(self, workflow_id: str, since: datetime | None) -> set[str]:
        """Take what is watched, or in flight where a workflow is followed, from one page."""
        query = RunQuery.make(workflow_id=workflow_id, from_date=since)
        runs = list_runs(
            self._client, query, limit=_PAGE, after=None, strict=True, progress=Silent()
        ).frame
        followed = self._workflow_id is not None
        for run in runs.iter_slices(1):
            run_id = run["run_id"].item()
            if run_id in self._seen or (followed and not run["is_terminal"].item()):
                self._seen.setdefault(run_id, None)
                self.take(run_id, run)
                self.gone.discard(run_id)
        return set(runs["run_id"])
