"""The runs that a live view watches: given ones, or all of a workflow that are going on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from retab_analysis.errors import NotFoundError, RetabAnalysisError
from retab_analysis.fetch.params import RunQuery
from retab_analysis.fetch.polling import Poller
from retab_analysis.fetch.runs import list_runs
from retab_analysis.fetch.threads import is_away
from retab_analysis.progress import Silent
from retab_analysis.transport import Client

# The list of runs is asked for its newest page; more of it only where a page is not enough.
_PAGE = 100
# A run may come into the list a little after one that was created later.
_OVERLAP = timedelta(minutes=1)
# A run that goes on for longer is not looked for in the list.
_LONGEST = timedelta(days=1)


class WatchedRuns(Poller):
    """The watched runs: given ones, or all of a workflow that start or are going on."""

    def __init__(self, client: Client, ids: Sequence[str], workflow_id: str | None) -> None:
        super().__init__(client, ids)
        self._workflow_id = workflow_id
        # Of a followed workflow: when the newest run was created that a list has shown, and the
        # runs that had ended before the watching began.
        self._newest: datetime | None = None
        self._old: set[str] | None = None
        self.gone: set[str] = set()  # runs that are not found any more, or never were
        self.unread: RetabAnalysisError | None = None  # of a run that could never be read

    def pending(self) -> list[str]:
        """The runs that are not known to have ended, without those that are gone."""
        return [run_id for run_id in super().pending() if run_id not in self.gone]

    def look(self) -> None:
        """Look once at every run; raises only errors that waiting does not cure."""
        # Polling resets ``away``; errors of the lists are put there afterwards.
        self.away, away, listed = None, None, set[str]()
        for workflow_id, since in self._choose_lists():
            try:
                listed |= self._take_list(workflow_id, since)
            except RetabAnalysisError as error:
                if not is_away(error):
                    raise
                away = error
        if away is None:
            # A run that no list showed is asked for by its id; of a workflow only if it goes on.
            asked = self._seen if self._workflow_id is None else self.pending()
            self.poll(ids=[each for each in asked if each not in listed | self.gone])
        self.away = self.away or away

    @property
    def unfound(self) -> list[str]:
        """The runs that the API does not know, or not yet."""
        return [each for each, seen in self._seen.items() if seen is None and self._missing[each]]

    def give_up(self, run_id: str, error: RetabAnalysisError) -> None:
        """Leave out a run that is not found; anything else ends the watching."""
        if not isinstance(error, NotFoundError):
            raise error
        self.gone.add(run_id)
        if self._seen[run_id] is None:
            self.unread = error

    def _choose_lists(self) -> Iterator[tuple[str, datetime | None]]:
        """The lists to ask for, and since when: a page costs one request for all its runs."""
        if self._workflow_id is not None:
            # Runs that go on, and new runs: by the dates that the API gives, because this
            # machine's clock may be another one.
            dates = [*self.frame().filter(~pl.col("is_terminal"))["created_at"].drop_nulls()]
            newest = self._newest
            since = newest and max(min([*dates, newest - _OVERLAP]), newest - _LONGEST)
            yield self._workflow_id, since
            return
        seen = self.frame().filter(~pl.col("run_id").is_in([*self.gone]))
        several = seen.group_by("workflow_id", maintain_order=True).agg(
            pl.len(), pl.col("created_at").min(), pl.col("created_at").null_count().alias("nulls")
        )
        # A run without a date could be on any page of the list, and is asked for by its id.
        for workflow_id, count, since, nulls in several.iter_rows():
            if count > 1 and not nulls:
                yield workflow_id, since

    def _take_list(self, workflow_id: str, since: datetime | None) -> set[str]:
        query = RunQuery.make(workflow_id=workflow_id, from_date=since)
        # Of a followed workflow more than a page may have started since the last look.
        limit = None if self._newest is not None else _PAGE
        how: Any = {"after": None, "strict": True, "progress": Silent()}
        runs = list_runs(self._client, query, limit=limit, **how).frame
        is_watched = pl.col("run_id").is_in([*self._seen])
        if self._workflow_id is not None:
            self._newest = runs["created_at"].max() or self._newest  # type: ignore[assignment]
            if self._old is None:
                self._old = {*runs.filter("is_terminal")["run_id"]}
            is_watched |= ~pl.col("is_terminal") | ~pl.col("run_id").is_in([*self._old])
        taken = runs.filter(is_watched)
        self.take(taken)
        self.gone.difference_update(taken["run_id"])  # one that was not found may be there again
        return {*runs["run_id"]}
