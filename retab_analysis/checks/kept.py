"""What an archive holds of a workflow, in the place of what the API would be asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass

import polars as pl

from retab_analysis.archive import Archive
from retab_analysis.archive.archive import PATH_VARIABLE, sync_to_check
from retab_analysis.errors import ConfigError
from retab_analysis.progress import Progress
from retab_analysis.schema import RESULTS, checked
from retab_analysis.transport import Client


@dataclass(frozen=True, eq=False)
class KeptWorkflow:
    """A workflow as an archive holds it.

    What somebody deleted on the server says nothing any more. What the server itself has forgotten
    does: runs that are older than all that it still has.

    Attributes:
        archive: Where it is kept.
        workflow_id: The workflow.
        saved: The EVALS frame of what is saved.
        versions: The VERSIONS frame.
        runs: A RUNS frame of those that the server has.
        forgotten: Of those that are older.
        absent: The ids of runs whose results the API did not give, and may give when asked again.
    """

    archive: Archive
    workflow_id: str
    saved: pl.DataFrame
    versions: pl.DataFrame
    runs: pl.DataFrame
    forgotten: pl.DataFrame
    absent: frozenset[str]

    @classmethod
    def read(cls, archive: Archive, workflow_id: str, absent: frozenset[str]) -> KeptWorkflow:
        """Read what an archive holds of a workflow now."""
        there = archive.scan_runs(workflow_id, gone=False).collect()
        first = pl.lit(there["created_at"].min(), there.schema["created_at"])
        saved = archive.scan_evals(workflow_id).collect()
        # The runs of a single eval are deleted with it.
        is_deleted = pl.col("eval_id").is_in(saved["eval_id"].implode()).not_().fill_null(False)
        older = archive.scan_runs(workflow_id).filter(pl.col("created_at") < first, ~is_deleted)
        versions = archive.scan_versions(workflow_id).collect()
        return cls(archive, workflow_id, saved, versions, there, older.collect(), absent)

    @property
    def all_runs(self) -> pl.DataFrame:
        """All runs, a RUNS frame."""
        return pl.concat([self.runs, self.forgotten])

    def choose(self, runs: pl.DataFrame) -> pl.DataFrame:
        """Those of some runs whose results are kept."""
        known = self.all_runs.filter(~pl.col("run_id").is_in(list(self.absent)))
        return runs.join(known, on="run_id", how="semi")

    def read_results(self, runs: pl.DataFrame) -> pl.DataFrame:
        """The results of some of the runs; of the forgotten ones those of evals that are saved."""
        there = self.archive.scan_results(self.workflow_id, gone=False)
        found = there.filter(pl.col("run_id").is_in(runs["run_id"].implode())).collect()
        older = self.forgotten.join(runs, on="run_id", how="semi")
        if older.is_empty():
            return found
        kept = self.archive.scan_results(self.workflow_id).filter(
            pl.col("run_id").is_in(older["run_id"].implode()),
            pl.col("eval_id").is_in(self.saved["eval_id"].implode()),
        )
        return pl.concat([found, kept.collect()])


def archive_or_none(archive: Archive | None) -> Archive | None:
    """The archive that was given, else the one that the environment names, if it does.

    Raises:
        ConfigError: It is not an archive.
        ArchiveError: What the environment names is not one.
    """
    if archive is not None and not isinstance(archive, Archive):
        got = type(archive).__name__
        raise ConfigError(f"archive must be an Archive or None, got {got}; open it: Archive(path)")
    if archive is None and os.environ.get(PATH_VARIABLE):
        return Archive()
    return archive


def read_kept(
    archive: Archive, workflow_id: str, client: Client, progress: Progress | bool | None = None
) -> KeptWorkflow:
    """Bring an archive up to date, and read what it holds of a workflow.

    Raises:
        ArchiveError: The archive cannot be read or written.
        RetabAnalysisError: What is needed cannot be read.
    """
    absent = sync_to_check(archive, workflow_id, client, progress)
    return KeptWorkflow.read(archive, workflow_id, absent)


def add_archived(results: pl.DataFrame | pl.LazyFrame, archive: Archive) -> pl.DataFrame:
    """Some results, and those of other runs of their workflow that are in an archive.

    Raises:
        ConfigError: It is not an archive.
        SchemaError: It is not a RESULTS frame.
    """
    given = checked(results, RESULTS, ("workflow_id", "run_id"), "results").collect()
    workflows = given["workflow_id"].drop_nulls().unique().to_list()
    there = archive_or_none(archive)
    if there is None or not workflows:
        return given
    kept = (KeptWorkflow.read(there, each, frozenset()) for each in workflows)
    known = pl.concat([each.read_results(each.all_runs) for each in kept])
    others = known.join(given, on="run_id", how="anti").join(given, on="result_id", how="anti")
    return pl.concat([given, others], how="diagonal")
