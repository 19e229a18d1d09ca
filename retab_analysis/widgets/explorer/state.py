"""What an explorer knows: runs, the results fetched so far, and the lists made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from retab_analysis.analysis import summarize_evals
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.names import name_blocks
from retab_analysis.schema import RESULTS
from retab_analysis.widgets.explorer.lists import EVALS_LISTING, list_results, list_runs
from retab_analysis.widgets.table import TableState

# How many runs' results are fetched at a time.
BATCH = 20
# Ids that are not longer are shown as they are.
_SHORT_ID = 10
_BAD_FIRST = pl.col("state").replace_strict(
    {"error": 0, "failed": 1, "blocked": 2, "cancelled": 3, "passed": 9}, default=4
)


class ExplorerState:
    """The lists of an explorer; ``results`` is None if they are read run by run."""

    def __init__(self, runs: pl.DataFrame | None, results: pl.DataFrame | None) -> None:
        # Of versions and blocks, by their ids.
        self.names: dict[str, str] = {}
        self.runs, self.results = (
            None if frame is None else TableState(describe(frame), frame, self.names)
            for describe, frame in ((list_runs, runs), (list_results, results))
        )
        self.known = RESULTS.empty() if results is None else results
        self.fetched, self.failed = set(self.known["run_id"].drop_nulls()), set[str]()
        self._evals = TableState(EVALS_LISTING, summarize_evals(RESULTS.empty()), self.names)
        # The results that the list of evals is made of.
        self._weighed: pl.DataFrame | None = None
        # The results in sight, behind what they depend on: order and page make no difference.
        nothing = pl.DataFrame()
        self._in_sight = nothing, nothing, "", nothing
        # Versions that were published, and their numbers.
        self._numbers: dict[str, int] = {}
        self._labels: dict[str, str | None] = {}
        # What became of the evals of runs that were checked, by their ids.
        self.checked: dict[str, Comparison] = {}
        self.tab = self.tabs[0]
        self.name_versions()

    @property
    def tabs(self) -> list[str]:
        found = {"runs": self.runs, "results": self.results}
        return [*(name for name, state in found.items() if state is not None), "evals"]

    def list_of(self, tab: str) -> TableState:
        """One of the lists; that of the evals as it was when they were last weighed."""
        found = {"runs": self.runs, "results": self.results}.get(tab)
        return self._evals if found is None else found

    @property
    def listed(self) -> TableState:
        return self.list_of(self.tab)

    def turn_to(self, tab: str) -> None:
        self.tab = tab

    def look_into(self, eval_id: str | None) -> Mapping[str, Any] | None:
        """The result to tell of: the chosen one, or the newest of the chosen or open eval."""
        row = self.listed.chosen_row
        if row is None or self.tab == "results":
            return row
        if self.tab == "evals":
            return self.newest_of(row["eval_id"])
        return None if eval_id is None else self.newest_of(eval_id, row["run_id"])

    @property
    def is_weighed(self) -> bool:
        """Whether the list of evals is of the results in sight: it takes longer than all else."""
        return self._weighed is self.results_in_sight()

    def weigh(self) -> None:
        """Bring the list of evals up to date where it is seen."""
        if self.tab == "evals" and not self.is_weighed:
            results = self.results_in_sight()
            self.take_evals(results, summarize_evals(results))

    def take_evals(self, results: pl.DataFrame, evals: pl.DataFrame) -> None:
        self._weighed, self._evals.frame = results, evals

    def eval_row(self, eval_id: str) -> dict[str, Any] | None:
        """What is known of an eval, None where it has not been weighed yet."""
        if not self.is_weighed:
            return None
        return next(self._evals.frame.filter(eval_id=eval_id).iter_rows(named=True), None)

    def results_in_sight(self) -> pl.DataFrame:
        """The results that are here, of the runs that the search finds; the same frame again."""
        runs, known = self.runs, self.known
        if runs is None:
            return known
        of, frame, text, found = self._in_sight
        if not (of is known and frame is runs.frame and text == runs.text):
            ids = runs.select("run_id")["run_id"]
            found = known.filter(pl.col("run_id").is_in(ids.implode()))
            self._in_sight = known, runs.frame, runs.text, found
        return found

    def take_runs(self, found: pl.DataFrame) -> None:
        """Take runs as they are now, and forget the results of those that were going on."""
        assert self.runs is not None
        before = self.runs.frame
        # Their results were fetched while they went on, and are out of date.
        going = before.filter(~pl.col("is_terminal")).join(found, on="run_id", how="semi")
        if gone := {*going["run_id"]} & self.fetched:
            self.fetched -= gone
            self._set_known(self._without(gone))
        rest = before.join(found, on="run_id", how="anti")
        self.runs.frame = pl.concat([_add_own_columns(found, before, "run_id"), rest])
        self.name_versions()
        self.failed.clear()

    def take_results(self, run_ids: Iterable[str], found: pl.DataFrame) -> None:
        """Take the results of some runs, in place of those known before."""
        read, known = set(run_ids), self.known
        named = _add_names(_add_own_columns(found, known, "result_id"), known)
        self._set_known(pl.concat([self._without(read), named]))
        self.failed -= read
        self.fetched |= read

    def _without(self, run_ids: set[str]) -> pl.DataFrame:
        # Results without a run id belong to none of these runs, and stay.
        return self.known.filter(~pl.col("run_id").is_in(run_ids).fill_null(False))

    def _set_known(self, results: pl.DataFrame) -> None:
        self.known, self.checked = results, {}
        if self.results is not None:
            self.results.frame = results
        self.name_versions()

    def results_of(self, run_id: str) -> pl.DataFrame | None:
        """A run's results, what does not pass first; None where they are not here."""
        if run_id not in self.fetched:
            return None
        found = self.known.filter(pl.col("run_id") == run_id)
        return found.sort(_BAD_FIRST, "block_id", "eval_name", maintain_order=True)

    def newest_of(self, eval_id: str, run_id: str = "") -> Mapping[str, Any] | None:
        """The newest result of an eval, of one run where that has some, else of those in sight."""
        of_run = self.known.filter(eval_id=eval_id, run_id=run_id)
        found = of_run if of_run.height else self.results_of_eval(eval_id)
        newest = found.sort("run_created_at", "created_at", nulls_last=False).tail(1)
        return next(newest.iter_rows(named=True), None)

    def results_of_eval(self, eval_id: str) -> pl.DataFrame:
        return self.results_in_sight().filter(pl.col("eval_id") == eval_id)

    def list_missing(self, newest: int | None = None) -> list[str]:
        """The runs in sight (or so many of the ``newest``) whose results are not here."""
        if self.runs is None:
            return []
        runs = self.runs.select("run_id", "created_at")
        ids = runs.sort("created_at", descending=True, nulls_last=True)["run_id"]
        if newest is not None:
            ids = ids.head(newest)
        here = pl.Series([*self.fetched, *self.failed], dtype=pl.String)
        return ids.filter(~ids.is_in(here.implode())).to_list()

    def take_versions(self, published: pl.DataFrame) -> None:
        columns = published.select("workflow_version_id", "version").drop_nulls()
        self._numbers |= dict(columns.iter_rows())
        self.name_versions()

    def take_labels(self, blocks: pl.DataFrame) -> None:
        """Take what blocks are called: two columns, ids and labels."""
        self._labels |= dict(blocks.drop_nulls().iter_rows())
        self.names |= name_blocks(self._labels)

    def name_versions(self) -> None:
        """Give each version a short name: its number, or the day of its first run."""
        parts = [(self.runs, "created_at"), (self.results, "run_created_at")]
        frames = [
            state.frame.select("workflow_version_id", at=pl.col(moment))
            for state, moment in parts
            if state is not None
        ]
        if not frames:
            return
        every = pl.concat(frames).drop_nulls("workflow_version_id")
        first = every.group_by("workflow_version_id").agg(pl.col("at").min())
        self.names |= _shorten(dict(first.iter_rows()), self._numbers)

    @property
    def frame(self) -> pl.DataFrame:
        self.weigh()
        return self.listed.rows


def _shorten(first: Mapping[str, datetime | None], numbers: Mapping[str, int]) -> dict[str, str]:
    """Short names of versions, each another one: by number, or by the moment of the first run."""
    names = {}
    for version, at in first.items():
        day = version if at is None or len(version) <= _SHORT_ID else f"{at:%Y-%m-%d}"
        names[version] = f"v{numbers[version]}" if version in numbers else day
    alike = Counter(names.values())
    # The ends of ids tell apart what has the same number or day; else the whole ids do.
    longer = {each: f"{name} …{each[-4:]}" for each, name in names.items() if alike[name] > 1}
    twice = Counter(longer.values())
    return names | {each: name if twice[name] == 1 else each for each, name in longer.items()}


def _add_own_columns(found: pl.DataFrame, before: pl.DataFrame, key: str) -> pl.DataFrame:
    """Rows with the columns of those before; a user's own values are taken from there."""
    own = [name for name in before.columns if name not in found.columns]
    if own:
        kept = before.select(key, *own).unique(key, keep="first")
        found = found.join(kept, on=key, how="left", maintain_order="left")
    return found.select(before.columns)


def _add_names(found: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Results with the names and paths that their evals have had before, where they have none."""
    names = ("eval_name", "path")
    known = before.group_by("eval_id").agg(pl.col(names).drop_nulls().first())
    both = found.join(known, on="eval_id", how="left", suffix="_before", maintain_order="left")
    filled = (pl.coalesce(name, f"{name}_before").alias(name) for name in names)
    return both.with_columns(filled).select(found.columns)
