"""The runs of one workflow from which a candidate and what came before it are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from retab_analysis.errors import ConfigError, NotFoundError
from retab_analysis.fetch.params import RunList, Runs
from retab_analysis.fetch.runs import fetch_run, read_newest_runs
from retab_analysis.transport import Client

PAGE = 100
"""So many runs come with one request."""

MOST_PAGES = 10
"""Further back than so many requests reach, runs of the whole workflow are not looked for."""

WHOLE = pl.col("scope") == "workflow"
ENDED = WHOLE & pl.col("is_terminal")
COMPLETE = WHOLE & (pl.col("status") == "completed")


@dataclass(frozen=True, slots=True)
class Choice:
    """Some runs, and why these."""

    runs: pl.DataFrame
    why: str


@dataclass(slots=True)
class RunWindow:
    """The newest runs of a workflow; older ones are read where they are asked for."""

    client: Client
    workflow_id: str
    runs: pl.DataFrame
    _further: int = MOST_PAGES - 1

    @classmethod
    def read(cls, client: Client, workflow_id: str) -> RunWindow:
        """Read one page of runs."""
        runs = read_newest_runs(client, workflow_id, limit=PAGE)
        return cls(client, workflow_id, runs, MOST_PAGES - 1 if runs.height >= PAGE else 0)

    def earlier(self, than: pl.DataFrame) -> pl.DataFrame:
        """The whole-workflow runs that ended, and were created before some runs; newest first.

        Runs that were cancelled or ended in an error are among them: what was decided in them was
        decided.
        """
        known = pl.col("run_id").is_in(than["run_id"].implode())
        before = pl.col("created_at") < than["created_at"].min()
        return self.runs.filter(ENDED, before, ~known)

    def on_same_version(self, runs: pl.DataFrame) -> pl.DataFrame:
        """The runs of whole blocks that ended before some runs, on the version of these.

        Whoever edits a block runs it alone first: what failed then did not break later. Runs of
        single evals are left out, because those are run again that have just failed.
        """
        before = pl.col("created_at") < runs["created_at"].min()
        same = pl.col("workflow_version_id").is_in(runs["workflow_version_id"].implode())
        known = pl.col("run_id").is_in(runs["run_id"].implode())
        block = pl.col("scope") == "block"
        return self.runs.filter(block, pl.col("is_terminal"), before, same, ~known)

    def reruns(self, runs: pl.DataFrame) -> pl.DataFrame:
        """The runs of single evals after some runs, on the version of these.

        Those after the next run of the whole workflow are reruns of that one.
        """
        created, last = pl.col("created_at"), runs.select(pl.col("created_at").max())
        later = self.runs.join(last.rename({"created_at": "last"}), how="cross")
        later = later.filter(created > pl.col("last")).drop("last")
        following = later.filter(WHOLE).select(pl.col("created_at").min()).item()
        known = pl.col("run_id").is_in(runs["run_id"].implode())
        same = pl.col("workflow_version_id").is_in(runs["workflow_version_id"].implode())
        single = later.filter(pl.col("scope") == "eval", pl.col("is_terminal"), same, ~known)
        return single if following is None else single.filter(created < following)

    def earlier_reruns(self, runs: pl.DataFrame) -> pl.DataFrame:
        """The runs of single evals before some runs, where they are reruns of an earlier run.

        That is the whole run before them, if it has their version.

        Returns:
            A RUNS frame, the newest first, with ``rerun_of``, the id of the earlier run.
        """
        whole = self.runs.filter(WHOLE, pl.col("created_at").is_not_null()).select(
            "created_at", rerun_of="run_id", rerun_version="workflow_version_id"
        )
        before = self.runs.filter(
            pl.col("scope") == "eval",
            pl.col("is_terminal"),
            pl.col("created_at") < runs["created_at"].min(),
        )
        found = before.sort("created_at").join_asof(whole.sort("created_at"), on="created_at")
        same = pl.col("workflow_version_id") == pl.col("rerun_version")
        return found.filter(same).drop("rerun_version").reverse()

    def reach_before(self, runs: pl.DataFrame, wanted: int) -> None:
        """Read older runs until so many of the whole workflow before some runs are known.

        Runs of blocks and of single evals may be the more by far. Runs that are older than the
        window are looked for in any case.
        """
        first: datetime | None = runs.select(pl.col("created_at").min()).item()
        is_older = first is not None and self.runs.filter(pl.col("created_at") <= first).is_empty()
        if self._further and is_older and not self._read_before(first):
            self._further = 0
        while self.earlier(runs).height < wanted and self._read_older():
            pass

    def _read_older(self) -> bool:
        """Read the page before the window; False where there is none, or it is too far back."""
        if not self._further:
            return False
        before = self.runs.height
        is_full = self._read_before(self.runs.select(pl.col("created_at").min()).item())
        self._further = self._further - 1 if is_full and self.runs.height > before else 0
        return self.runs.height > before

    def _read_before(self, moment: datetime | None) -> bool:
        """Read a page of runs up to a moment; whether it was full."""
        page = read_newest_runs(self.client, self.workflow_id, limit=PAGE, to_date=moment)
        self.add(page)
        return page.height >= PAGE

    def renew(self) -> None:
        """Read the newest runs again."""
        self.add(RunWindow.read(self.client, self.workflow_id).runs)

    def is_waiting_before(self, runs: pl.DataFrame) -> bool:
        """Whether a whole-workflow run from before some runs had not ended when it was read."""
        before = pl.col("created_at") < runs["created_at"].min()
        return not self.runs.filter(WHOLE, ~pl.col("is_terminal"), before).is_empty()

    def add(self, runs: pl.DataFrame) -> None:
        """Take in further runs; of one that is known already, this is how it is now."""
        merged = each_once(runs, self.runs)
        self.runs = merged.sort("created_at", "run_id", descending=True)

    def find_candidate(self, wanted: Runs | None) -> Choice:
        """What is to be checked: what was asked for, else the newest whole run that ended.

        Raises:
            ConfigError: There is no such run.
        """
        if wanted is not None:
            return self.find("candidate", wanted)
        while (ended := self.runs.filter(ENDED).head(1)).is_empty() and self._read_older():
            pass
        if not ended.is_empty():
            return Choice(ended, "the newest run of the whole workflow that has ended")
        if self.runs.is_empty():
            raise ConfigError(
                f"workflow {self.workflow_id} has no run; is that its id? overview lists those "
                "that there are, and start_runs (check --start) starts a run"
            )
        raise ConfigError(
            f"no run of the whole workflow {self.workflow_id} has ended among the "
            f"{self.runs.height} newest; start one with start_runs (check --start), or name a "
            "candidate"
        )

    def find(self, name: str, wanted: Runs) -> Choice:
        """The runs that an argument names.

        Raises:
            ConfigError: There are none, or they are of another workflow.
        """
        if isinstance(wanted, str):
            return self._find_version(wanted) or self._find_run(name, wanted)
        listed = RunList.make(wanted, name)
        if not listed.ids:
            raise ConfigError(f"{name} names no run")
        known = listed.known
        # A frame from when the runs were started does not say how they are now.
        if known is not None and known.columns == self.runs.columns and known["is_terminal"].all():
            return Choice(self._check_workflow(name, known), "as given")
        found = [self._find_run(name, run_id).runs for run_id in listed.ids]
        return Choice(pl.concat(found), "as given")

    def find_version(self, version: str) -> Choice:
        """The newest run of a version, however old.

        Raises:
            ConfigError: There is none.
        """
        found = self._find_version(version)
        return found or self._find_older_version("baseline", version)

    def _find_version(self, wanted: str) -> Choice | None:
        runs = self.runs.filter(ENDED, pl.col("workflow_version_id") == wanted)
        completed = runs.filter(COMPLETE)
        newest = (runs if completed.is_empty() else completed).head(1)
        return None if newest.is_empty() else Choice(newest, "the newest run of that version")

    def _find_run(self, name: str, run_id: str) -> Choice:
        known = self.runs.filter(pl.col("run_id") == run_id)
        if known.is_empty():
            try:
                known = fetch_run(run_id, client=self.client)
            except NotFoundError:
                return self._find_older_version(name, run_id)
        return Choice(self._check_workflow(name, known), "as given")

    def _find_older_version(self, name: str, wanted: str) -> Choice:
        if self.runs.height >= PAGE:
            self.add(read_newest_runs(self.client, self.workflow_id))
        found = self._find_version(wanted)
        if found is None:
            raise ConfigError(
                f"{name}={wanted!r} is not a run or a version of this workflow. {self}"
            )
        return found

    def _check_workflow(self, name: str, runs: pl.DataFrame) -> pl.DataFrame:
        others = set(runs["workflow_id"].drop_nulls()) - {self.workflow_id}
        if others:
            raise ConfigError(
                f"{name} is of workflow {', '.join(sorted(others))}, not {self.workflow_id}"
            )
        return runs

    def __str__(self) -> str:
        runs = self.runs.filter(WHOLE)
        versions = runs["workflow_version_id"].drop_nulls().unique(maintain_order=True)
        return (
            f"Its newest whole-workflow runs: {', '.join(runs['run_id'].head(5)) or 'none'}; "
            f"versions: {', '.join(versions.head(10)) or 'none'}"
        )


def each_once(*runs: pl.DataFrame) -> pl.DataFrame:
    """All runs of some RUNS frames; of one that is in several, the first row."""
    return pl.concat(runs).unique("run_id", keep="first", maintain_order=True)
