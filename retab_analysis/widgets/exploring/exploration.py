"""What an explorer knows: runs, the results read so far, and the lists made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from retab_analysis.analysis import eval_history
from retab_analysis.schema import RESULTS
from retab_analysis.widgets.exploring.listing import ListState
from retab_analysis.widgets.exploring.listings import (
    EVALS_LISTING,
    OVERVIEW_CODE,
    RESULTS_LISTING,
    overview,
    runs_listing,
)

BATCH = 20
_BAD_FIRST = pl.col("state").replace_strict(
    {"error": 0, "failed": 1, "blocked": 2, "cancelled": 3, "passed": 9}, default=4
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows come from, as code.

    Attributes:
        runs: The lines that make ``runs``.
        results: The lines that make ``results``, empty where they are read run by run.
    """

    runs: str = ""
    results: str = ""


class Exploration:
    """The lists of an explorer and what they are made of; draws nothing, asks nobody.

    Attributes:
        runs: The list of runs, or None where only results were given.
        results: The list of results, or None where they are read run by run.
        tab: Which list is seen: ``runs``, ``results`` or ``evals``.
        read: The runs whose results are here.
    """

    def __init__(
        self, runs: pl.DataFrame | None, results: pl.DataFrame | None, source: Source
    ) -> None:
        self.source = source
        self.runs = None if runs is None else ListState(runs_listing(runs), runs)
        self.results = None if results is None else ListState(RESULTS_LISTING, results)
        self._known = RESULTS.empty() if results is None else results
        self.read: set[str] = set(self._known["run_id"].drop_nulls())
        self._evals = ListState(EVALS_LISTING, overview(RESULTS.empty()))
        self._made_of: tuple[pl.DataFrame, pl.DataFrame | None] | None = None
        self.tab = self.tabs[0]

    @property
    def tabs(self) -> list[str]:
        """The lists that there are."""
        found = {"runs": self.runs, "results": self.results}
        return [*(name for name, state in found.items() if state is not None), "evals"]

    def list_of(self, tab: str) -> ListState:
        """One of the lists; that of the evals is brought up to date first."""
        found = {"runs": self.runs, "results": self.results}.get(tab)
        return self.evals if found is None else found

    @property
    def listed(self) -> ListState:
        """The list that is seen."""
        return self.list_of(self.tab)

    @property
    def evals(self) -> ListState:
        """One row per eval, over the results of the runs that pass the filters."""
        rows = None if self.runs is None else self.runs.rows
        made_of = (self._known, rows)
        if self._made_of is None or any(
            old is not new for old, new in zip(self._made_of, made_of, strict=True)
        ):
            self._made_of = made_of
            self._evals.frame = overview(self.results_in_sight())
        return self._evals

    def results_in_sight(self) -> pl.DataFrame:
        """The results that are here, of the runs that pass the filters."""
        if self.runs is None:
            return self._known
        return self._known.filter(pl.col("run_id").is_in(self.runs.rows["run_id"].implode()))

    def set_runs(self, frame: pl.DataFrame) -> None:
        """Take other runs, and forget the results of those that have gone on since."""
        assert self.runs is not None
        self.forget(self.runs.frame.filter(~pl.col("is_terminal"))["run_id"])
        self.runs.frame = frame

    def forget(self, run_ids: Iterable[str]) -> None:
        """Forget the results of some runs."""
        gone = set(run_ids) & self.read
        if gone:
            self.read -= gone
            self._known = self._known.filter(~pl.col("run_id").is_in(gone))

    def add_results(self, run_ids: Iterable[str], frame: pl.DataFrame) -> None:
        """Take the results of some runs, in place of those known before."""
        read = set(run_ids)
        others = self._known.filter(~pl.col("run_id").is_in(read).fill_null(False))
        both = pl.concat([others, frame], how="diagonal")
        self._known = both.select(self._known.columns)
        self.read |= read
        if self.results is not None:
            self.results.frame = self._known

    def results_of(self, run_id: str) -> pl.DataFrame | None:
        """A run's results, what does not pass first; None where they are not here."""
        if run_id not in self.read:
            return None
        found = self._known.filter(pl.col("run_id") == run_id)
        return found.sort(_BAD_FIRST, "block_id", "eval_name", maintain_order=True)

    def history_of(self, eval_id: str) -> pl.DataFrame:
        """An eval's history over the runs in sight, the newest first, see ``eval_history``."""
        rows = self.results_in_sight().filter(pl.col("eval_id") == eval_id)
        return eval_history(rows).reverse()

    def unread(self, newest: int | None = None) -> list[str]:
        """The runs that pass the filters and whose results are not here, the newest first.

        Args:
            newest: Look only at so many of the newest.
        """
        if self.runs is None:
            return []
        ids = self.runs.rows.sort("created_at", descending=True, nulls_last=True)["run_id"]
        return [each for each in ids.head(newest or len(ids)) if each not in self.read]

    @property
    def frame(self) -> pl.DataFrame:
        """The rows of the list that is seen, filtered and sorted."""
        return self.listed.rows

    def code(self) -> str:
        """The code that makes :attr:`frame`."""
        parts = [self._made(), self.listed.code()]
        body = "\n\n".join(part for part in parts if part)
        header = ["from datetime import UTC, datetime\n"] if "datetime(" in body else []
        header += ["import polars as pl"] if "pl." in body else []
        header += ["import retab_analysis as ra"] if "ra." in body else []
        return "\n".join([*header, "", body]) if header else body

    def _made(self) -> str:
        if self.tab != "evals":
            return self.source.runs if self.tab == "runs" else self.source.results
        return f"{self._results_made()}\n{OVERVIEW_CODE}".rstrip()

    def _results_made(self) -> str:
        if self.runs is None:
            return self.source.results
        ids = self.results_in_sight()["run_id"].unique(maintain_order=True).to_list()
        if self.results is not None:
            return f"{self.source.results}\nresults = results.filter({_in('run_id', ids)})"
        return f"results = ra.fetch_results({ids!r}, evals={self._evals_made()})"

    def _evals_made(self) -> str:
        assert self.runs is not None
        workflows = self.runs.frame["workflow_id"].unique(maintain_order=True).to_list()
        if len(workflows) == 1:
            return f"ra.fetch_evals({workflows[0]!r})"
        return f"pl.concat([ra.fetch_evals(each) for each in {workflows!r}])"


def _in(name: str, values: Sequence[str]) -> str:
    return f"pl.col({name!r}).is_in({list(values)!r})"
