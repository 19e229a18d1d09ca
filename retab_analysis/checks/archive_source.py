"""The source that reads a workflow from an archive; loaded only if there is one."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import datetime

import polars as pl

from retab_analysis.archive import Archive
from retab_analysis.archive.archive import list_states, sync_to_check
from retab_analysis.checks.source import Lists, Source
from retab_analysis.decode import read_one, to_frame
from retab_analysis.progress import Progress
from retab_analysis.schema import EVALS
from retab_analysis.transport import Client

_DEFINITION = ("target", "source", "assertion")
_one_sync = threading.Lock()


class ArchiveSource(Source):
    """A source that first syncs the archive, and asks the API for the rest.

    Records that a user deleted on the server do not count. Runs that the server itself has
    forgotten do: they are older than every run that it still has.
    """

    most_results = 1_000_000

    def __init__(
        self,
        archive: Archive,
        client: Client,
        workflow_id: str,
        progress: Progress | bool | None = None,
        *,
        strict: bool = True,
    ) -> None:
        super().__init__(client, workflow_id, strict=strict)
        self._archive = archive
        self.refresh(progress)

    def refresh(self, progress: Progress | bool | None = None) -> None:
        archive, flow = self._archive, self.workflow_id
        with _one_sync:  # another archive of this process waits here as long as it takes
            # The runs whose results the API did not give this time.
            self._absent, has_versions = sync_to_check(archive, flow, self.client, progress)
        saved, versions = archive.scan_evals(flow).collect(), archive.scan_versions(flow).collect()
        there = archive.scan_runs(flow, gone=False).collect()
        first = pl.lit(there["created_at"].min(), there.schema["created_at"])
        # Deleting an eval deletes its single runs.
        is_deleted = pl.col("eval_id").is_in(saved["eval_id"].implode()).not_().fill_null(False)
        older = archive.scan_runs(flow).filter(pl.col("created_at") < first, ~is_deleted)
        self._forgotten = older.collect()
        self._runs = pl.concat([there, self._forgotten])
        # Without any, it is not known which versions are drafts.
        is_told = has_versions or not versions.is_empty()
        self._lists = Lists(saved=saved, versions=versions if is_told else None)

    @property
    def labels(self) -> dict[str, str | None]:
        kept = dict(self.saved["block_id", "block_label"].drop_nulls().iter_rows())
        return kept | super().labels

    def list_runs(self, to_date: datetime | None) -> tuple[pl.DataFrame, bool]:
        return self._runs, True

    def say_where(self, read: pl.DataFrame, *, is_whole: bool) -> str:
        return "in the archive"

    def read_kept_edits(self) -> pl.DataFrame:
        kept = self._archive.scan_edits(self.workflow_id).collect()
        return kept.with_columns(block_type=pl.lit(None, pl.String))

    def find_renamed(self, evals: Mapping[str, datetime]) -> frozenset[str]:
        states = {each: list_states(self._archive, each) for each in evals}
        return frozenset(each for each in evals if _is_renamed(states[each], evals[each]))

    def _read_missing(self, runs: pl.DataFrame, progress: Progress) -> pl.DataFrame:
        known = self._runs.filter(~pl.col("run_id").is_in([*self._absent]))
        kept = runs.join(known, on="run_id", how="semi")
        found = self._read_kept(kept)
        asked = runs.join(kept, on="run_id", how="anti")
        if asked.is_empty():
            return found
        return pl.concat([found, super()._read_missing(asked, progress)])

    def _read_kept(self, runs: pl.DataFrame) -> pl.DataFrame:
        """The results of some runs; gone ones only of forgotten runs and of deleted evals."""
        found, there = (
            self._archive.scan_results(self.workflow_id, gone=gone)
            .filter(pl.col("run_id").is_in(runs["run_id"].implode()))
            .collect()
            for gone in (True, False)
        )
        is_there = pl.col("result_id").is_in(there["result_id"].implode())
        is_old = pl.col("run_id").is_in(self._forgotten["run_id"].implode())
        is_saved = pl.col("eval_id").is_in(self.saved["eval_id"].implode())
        return found.filter(is_there | is_old | ~is_saved)


def _is_renamed(states: list[bytes], began: datetime) -> bool:
    """Whether an eval is as it was when its newest result began, but for its name.

    ``states`` are its states, the latest first. One that knows a result since then, and was saved
    before, is the one that ran.
    """
    read = [structs[0] for each in states if (structs := read_one(EVALS.record, each).structs)]
    if len(read) < len(states):
        return False
    known = pl.max_horizontal("latest_run_completed_at", "last_passed_at", "last_failed_at")
    ran = (known >= began) & (pl.col("updated_at") <= began)
    at = to_frame(EVALS, read).select(ran.arg_true().first()).item()
    if at is None:
        return False
    now, then = json.loads(states[0]), json.loads(states[at])
    return all(now.get(part) == then.get(part) for part in _DEFINITION)
