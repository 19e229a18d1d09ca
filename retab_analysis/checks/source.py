"""The source that asks the API for the records of one workflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import polars as pl

from retab_analysis.errors import AuthenticationError, RetabAnalysisError, ServerError
from retab_analysis.evidence.facts import Facts
from retab_analysis.fetch.edits import read_graphs
from retab_analysis.fetch.kept import read_history, read_results, read_saved, say_dropped
from retab_analysis.fetch.lists import find_workflow, read_live_blocks
from retab_analysis.fetch.paging import PAGE_SIZE
from retab_analysis.fetch.params import RunList
from retab_analysis.fetch.publications import is_unavailable, read_newest_versions
from retab_analysis.fetch.results import eval_columns, list_results
from retab_analysis.fetch.runs import read_newest_runs
from retab_analysis.fetch.threads import TaskOutcomes, is_away, next_done, run_all, threads
from retab_analysis.progress import Progress, Silent
from retab_analysis.schema import ERAS, LIVE_BLOCKS, RESULTS, VERSIONS
from retab_analysis.transport import Client
from retab_analysis.vocabulary import DRAFT

T = TypeVar("T")
MOST_BLOCKS = 12
"""Of so many blocks the history is read: those that were saved last."""


@dataclass(eq=False)
class Lists:
    """What an edit, a save or a publication changes: it is read once, until the next refresh.

    ``errors`` has why something was not given: it is not asked for again until then.
    """

    saved: pl.DataFrame | None = None
    live: pl.DataFrame | None = None
    versions: pl.DataFrame | None = None
    workflow: pl.DataFrame | None = None
    are_read: bool = False
    eras: dict[str, pl.DataFrame | None] = field(default_factory=dict)  # by blocks
    graphs: dict[str, pl.DataFrame | None] = field(default_factory=dict)  # by versions
    errors: dict[str, RetabAnalysisError] = field(default_factory=dict)


class Source:
    """Runs, results, saved evals, versions and edits of one workflow; it asks for nothing twice.

    It keeps the results of a run for good, until ``read_again``, and everything else until
    ``refresh``. Without ``strict`` it omits results that do not decode, and counts them in
    ``unread``.
    """

    most_results = 0
    """How many results it can read without a request."""

    def __init__(self, client: Client, workflow_id: str, *, strict: bool = True) -> None:
        self.client, self.workflow_id, self.strict = client, workflow_id, strict
        self.unread = 0
        self.name = ""  # of the workflow, once it was read
        self.find_workflow: Callable[[], pl.DataFrame] = partial(find_workflow, client, workflow_id)
        self._lists = Lists()
        self._taken: dict[str, pl.DataFrame] = {}
        self._read, self._read_ids = RESULTS.empty(), set[str]()

    @property
    def saved(self) -> pl.DataFrame:
        if self._lists.saved is None:
            found = read_saved(self.client, self.workflow_id, strict=self.strict)
            self._lists.saved = found.frame
        return self._lists.saved

    @property
    def labels(self) -> dict[str, str | None]:
        rows = self._read_live()["block_id", "label"].iter_rows()
        return {block: label or None for block, label in rows}

    def refresh(self, progress: Progress | bool | None = None) -> None:
        self._lists = Lists()

    def read_facts(self) -> Facts:
        """What is known of the workflow as it is now, with the histories of a few blocks."""
        workflow, saved, saved_at = self.read_workflow(), self.saved, self._find_saved_at()
        blocks = saved["block_id"].drop_nulls().unique(maintain_order=True)
        there = [each for each in blocks if each in saved_at or not saved_at]
        newest = sorted(there, key=lambda each: str(saved_at.get(each) or ""), reverse=True)
        error = self._lists.errors.get("blocks")
        return Facts(
            saved,
            saved_at,
            self.labels,
            str(getattr(error, "status_code", "the answer is no list")) if error else "",
            self.read_eras(newest[:MOST_BLOCKS]),
            self._lists.versions,
            workflow,
            self.client.api_time,
        )

    def read_workflow(self, meanwhile: Callable[[], object] = lambda: None) -> pl.DataFrame | None:
        """The workflow, None if unknown; reads the other lists, and does ``meanwhile``, at once."""
        if self._lists.are_read:
            meanwhile()
            return self._lists.workflow
        lists = self.find_workflow, self.read_versions, self._read_live
        tasks = meanwhile, lambda: self.saved, *lists
        outcomes: TaskOutcomes[Any] = run_all(tasks, self.client.max_concurrency)
        if error := outcomes.errors.get(0) or outcomes.errors.get(1):
            raise error
        self._lists.workflow = workflow = outcomes.results.get(2)
        self._lists.are_read = True
        if workflow is not None and workflow.height:
            self.name = workflow["name"][0] or ""
        return workflow

    def read_versions(self) -> pl.DataFrame:
        """The publications, a VERSIONS frame; none if they are not given."""
        if self._lists.versions is None:
            read = partial(read_newest_versions, self.client, self.workflow_id)
            self._lists.versions = self._ask("versions", read, None)
        return VERSIONS.empty() if self._lists.versions is None else self._lists.versions

    def _find_saved_at(self) -> dict[str, datetime | None]:
        return dict(self._read_live()["block_id", "updated_at"].iter_rows())

    def _read_live(self) -> pl.DataFrame:
        if self._lists.live is None:
            try:
                self._lists.live = read_live_blocks(self.client, self.workflow_id)
            except RetabAnalysisError as error:
                if not (is_unavailable(error) or isinstance(error, ServerError)):
                    raise
                self._lists.errors["blocks"] = error
                self._lists.live = LIVE_BLOCKS.empty()
        return self._lists.live

    def list_runs(self, to_date: datetime | None) -> tuple[pl.DataFrame, bool]:
        """The newest runs up to a moment, and whether the list ends there."""
        page = read_newest_runs(self.client, self.workflow_id, limit=PAGE_SIZE, to_date=to_date)
        return page, page.height < PAGE_SIZE

    def say_where(self, read: pl.DataFrame, *, is_whole: bool) -> str:
        """Where a list of runs ends, and how many are not kept; ``is_whole``: it has all runs."""
        ends = "the list ends here" if is_whole else "older runs were not listed"
        return f"listed; {ends}{say_dropped(self.client, read['run_id'])}"

    @property
    def read_ids(self) -> frozenset[str]:
        """The ids of the runs whose results were read."""
        return frozenset(self._read_ids.union(self._taken))

    def read_again(self, runs: pl.DataFrame) -> bool:
        """Read the results of some runs as they are now; whether any is new."""
        read = self._fetch_results(runs, Silent(), again=True)
        parts = read.partition_by("run_id", as_dict=True)
        now = {each: parts.get((each,), RESULTS.empty()) for each in runs["run_id"]}
        is_new = any(
            k not in self._taken or not its.equals(self._taken[k]) for k, its in now.items()
        )
        self._taken |= now
        return is_new

    def read_results(self, runs: pl.DataFrame, progress: Progress | None = None) -> pl.DataFrame:
        missing = runs.filter(~pl.col("run_id").is_in([*self._taken, *self._read_ids]))
        if not missing.is_empty():
            with threads(1) as pool:
                facts = pool.submit(self.read_facts)  # the histories, together with the results
                found = self._read_missing(missing, progress or Silent())
                next_done([facts])
            facts.result()
            self._read = pl.concat([self._read, found])
            self._read_ids.update(missing["run_id"])
        taken = [each for each in runs["run_id"] if each in self._taken]
        others = pl.col("run_id").is_in([*{*runs["run_id"]}.difference(taken)])
        return pl.concat([self._read.filter(others), *(self._taken[each] for each in taken)])

    def _read_missing(self, runs: pl.DataFrame, progress: Progress) -> pl.DataFrame:
        return self._fetch_results(runs, progress)

    def _fetch_results(
        self, runs: pl.DataFrame, progress: Progress, *, again: bool = False
    ) -> pl.DataFrame:
        chosen, saved = runs.drop("why", strict=False), None
        try:
            saved = self.saved
        except RetabAnalysisError as error:
            if isinstance(error, AuthenticationError) or is_away(error):
                raise
            # Then evals are called by their ids.
        how: Any = {"strict": self.strict, "progress": progress}
        fetched = (
            list_results(self.client, RunList.make(chosen), **how)
            if again
            else read_results(self.client, chosen, saved, **how)
        )
        self.unread += len(fetched.problems)
        its = fetched.frame
        if saved is None:
            return its
        named = its.with_columns(eval_columns(saved))
        return named.with_columns(pl.coalesce("eval_name", its["eval_name"]))

    def require(self, what: str) -> None:
        """Raise the error because of which the ``versions`` or ``edits`` were not given."""
        if (error := self._lists.errors.get(what)) is not None:
            raise error

    def read_eras(self, blocks: Sequence[str]) -> pl.DataFrame | None:
        """The history of some blocks, from the archive if the API does not give it."""
        if not blocks or (eras := self.read_edits(blocks)) is not None:
            return eras if blocks else None
        kept = self.read_kept_edits().filter(pl.col("block_id").is_in(blocks))
        return None if kept.is_empty() else kept

    def read_edits(self, blocks: Sequence[str]) -> pl.DataFrame | None:
        """The history of some blocks, an ERAS frame; None if the API does not give it."""
        known = self._lists.eras
        # If it does not, it is not asked for other blocks.
        if any(its is None for its in known.values()):
            known.update({each: None for each in blocks if each not in known})
        if missing := [each for each in blocks if each not in known]:
            saved_at = self._find_saved_at()
            at = {each: saved_at.get(each) for each in missing}
            read = partial(read_history, self.client, self.workflow_id, at, self._find_published())
            its = self._ask("edits", read, None)
            for each in missing:
                known[each] = None if its is None else its.filter(block_id=each)
        eras = [its for each in blocks if (its := known[each]) is not None]
        return None if blocks and not eras else pl.concat([ERAS.empty(), *eras])

    def _find_published(self) -> str | None:
        """The id of the current version, as far as it was read."""
        versions = self._lists.versions
        if versions is None:
            return None
        current = versions.filter(pl.col("is_current").fill_null(False))
        return next(iter(current["workflow_version_id"]), None)

    def read_kept_edits(self) -> pl.DataFrame:
        return ERAS.empty()

    def find_renamed(self, evals: Mapping[str, datetime]) -> frozenset[str]:
        """The evals that were only renamed since they ran; only an archive knows.

        ``evals`` tells when the newest result of each began.
        """
        return frozenset()

    def read_blocks(self, versions: Sequence[str]) -> dict[str, pl.DataFrame]:
        """The blocks of those versions that the API has, by version id or ``"draft"``."""
        known = self._lists.graphs
        if DRAFT in versions and not (live := self._read_live()).is_empty():
            known[DRAFT] = live
        if missing := [each for each in versions if each not in known]:
            read = partial(read_graphs, self.client, self.workflow_id, missing)
            found: dict[str, pl.DataFrame] = self._ask("edits", read, {})
            known |= {each: found.get(each) for each in missing}
        return {each: its for each in versions if (its := known[each]) is not None}

    def _ask(self, what: str, read: Callable[[], T], default: T) -> T:
        if what not in self._lists.errors:
            try:
                return read()
            except RetabAnalysisError as error:
                self._lists.errors[what] = error
        return default
