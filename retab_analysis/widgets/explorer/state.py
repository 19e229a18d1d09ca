"""What an explorer knows: runs, the results fetched so far, and the lists made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from retab_analysis.analysis import eval_history, summarize_evals
from retab_analysis.schema import RESULTS
from retab_analysis.widgets.explorer.list_state import ListState
from retab_analysis.widgets.explorer.lists import (
    EVALS_LISTING,
    list_results,
    list_runs,
)

# How many runs' results are fetched at a time.
BATCH = 20
# The code that *Copy code* shows for the list of evals.
_EVALS_CODE = "evals = ra.summarize_evals(results)"
_BAD_FIRST = pl.col("state").replace_strict(
    {"error": 0, "failed": 1, "blocked": 2, "cancelled": 3, "passed": 9}, default=4
)


@dataclass(frozen=True, slots=True)
class FrameOrigin:
    """Where the rows come from, as code.

    Attributes:
        runs: The lines that make ``runs``.
        results: The lines that make ``results``, empty where they are read run by run.
    """

    runs: str = ""
    results: str = ""


class ExplorerState:
    """The lists of an explorer and what they are made of; it neither draws nor asks the API.

    Attributes:
        source: Where the rows come from, as code.
        runs: The list of runs, or None where only results were given.
        results: The list of results, or None where they are read run by run.
        tab: Which list is seen: ``runs``, ``results`` or ``evals``.
        fetched: The runs whose results are here.
        failed: The runs whose results could not be fetched.
    """

    def __init__(
        self, runs: pl.DataFrame | None, results: pl.DataFrame | None, source: FrameOrigin
    ) -> None:
        self.source = source
        self.runs = None if runs is None else ListState(list_runs(runs), runs)
        self.results = None if results is None else ListState(list_results(results), results)
        self._known = RESULTS.empty() if results is None else results
        self._given = set(self._known["run_id"].drop_nulls())
        self.fetched, self.failed = set(self._given), set[str]()
        # Of which of the given frames some rows have been fetched again: the code has to say so.
        self._refreshed: set[str] = set()
        self._evals = ListState(EVALS_LISTING, summarize_evals(RESULTS.empty()))
        self._made_of: tuple[object, ...] = ()
        self.tab = self.tabs[0]

    @property
    def tabs(self) -> list[str]:
        """The lists that there are."""
        found = {"runs": self.runs, "results": self.results}
        return [*(name for name, state in found.items() if state is not None), "evals"]

    def list_of(self, tab: str) -> ListState:
        """One of the lists; that of the evals as it was when it was last up to date."""
        found = {"runs": self.runs, "results": self.results}.get(tab)
        return self._evals if found is None else found

    @property
    def listed(self) -> ListState:
        """The list that is seen."""
        return self.evals if self.tab == "evals" else self.list_of(self.tab)

    @property
    def evals(self) -> ListState:
        """One row per eval, over the results of the runs that pass the filters."""
        runs = self.runs
        # Order and page of the runs make no difference. Frames are compared by identity: while they
        # are held here, no other one can come to have the same.
        made_of = (self._known, *((runs.frame, runs.filters) if runs else ()))
        same = [
            old is new or (not isinstance(old, pl.DataFrame) and old == new)
            for old, new in zip(self._made_of, made_of, strict=False)
        ]
        if not same or not all(same):
            self._made_of = made_of
            # It takes longer than all the rest, and is done only where the list is looked at.
            self._evals.frame = summarize_evals(self.results_in_sight())
        return self._evals

    @property
    def known(self) -> pl.DataFrame:
        """All results that are here."""
        return self._known

    def results_in_sight(self) -> pl.DataFrame:
        """The results that are here, of the runs that pass the filters."""
        if self.runs is None:
            return self._known
        return self._known.filter(pl.col("run_id").is_in(self.runs.rows["run_id"].implode()))

    def take_runs(self, found: pl.DataFrame) -> None:
        """Take runs as they are now, and forget the results of those that were going on."""
        assert self.runs is not None
        before = self.runs.frame
        # Their results were fetched while they went on, and are out of date.
        going = before.filter(~pl.col("is_terminal")).join(found, on="run_id", how="semi")
        self._forget(going["run_id"])
        rest = before.join(found, on="run_id", how="anti")
        self.runs.frame = pl.concat([_add_own_columns(found, before, "run_id"), rest])
        self.failed.clear()
        if rest.height < before.height:
            self._refreshed.add("runs")

    def _forget(self, run_ids: Iterable[str]) -> None:
        gone = set(run_ids) & self.fetched
        if gone:
            self.fetched -= gone
            # Results without a run id belong to none of these runs, and stay.
            of_gone = pl.col("run_id").is_in(gone).fill_null(False)
            self._set_known(self._known.filter(~of_gone))

    def take_results(self, run_ids: Iterable[str], found: pl.DataFrame) -> None:
        """Take the results of some runs, in place of those known before."""
        read, known = set(run_ids), self._known
        # Results without a run id belong to none of these runs, and stay.
        others = known.filter(~pl.col("run_id").is_in(read).fill_null(False))
        named = _add_names(_add_own_columns(found, known, "result_id"), known)
        self._set_known(pl.concat([others, named]))
        self.failed -= read
        self.fetched |= read
        if read & self._given:
            self._refreshed.add("results")

    def _set_known(self, results: pl.DataFrame) -> None:
        self._known = results
        if self.results is not None:
            self.results.frame = results

    def results_of(self, run_id: str) -> pl.DataFrame | None:
        """A run's results, what does not pass first; None where they are not here."""
        if run_id not in self.fetched:
            return None
        found = self._known.filter(pl.col("run_id") == run_id)
        return found.sort(_BAD_FIRST, "block_id", "eval_name", maintain_order=True)

    def history_of(self, eval_id: str) -> pl.DataFrame:
        """An eval's history over the runs in sight, the newest first, see ``eval_history``."""
        rows = self.results_in_sight().filter(pl.col("eval_id") == eval_id)
        return eval_history(rows).reverse()

    def list_missing(self, newest: int | None = None) -> list[str]:
        """The runs that pass the filters and whose results can be fetched but are not here.

        Args:
            newest: Look only at so many of the newest.

        Returns:
            Their ids, the newest first.
        """
        if self.runs is None:
            return []
        ids = self.runs.rows.sort("created_at", descending=True, nulls_last=True)["run_id"]
        return [
            each for each in ids.head(newest or len(ids)) if each not in self.fetched | self.failed
        ]

    @property
    def frame(self) -> pl.DataFrame:
        """The rows of the list that is seen, filtered and sorted."""
        return self.listed.rows

    def code(self) -> str:
        """The code that makes :attr:`frame`."""
        made = {"runs": self._write_runs, "results": self._write_results}.get(
            self.tab, self._write_evals
        )
        body = f"{made()}\n\n{self.listed.code()}"
        header = ["from datetime import UTC, datetime\n"] if "datetime(" in body else []
        header += ["import polars as pl"] if "pl." in body else []
        header += ["import retab_analysis as ra"] if "ra." in body else []
        return "\n".join([*header, "", body]) if header else body

    def _write_runs(self) -> str:
        return self.source.runs + self._write_refreshed("runs")

    def _write_refreshed(self, name: str) -> str:
        # A comment stands for a frame that the user has; code that fetches is always up to date.
        comment = getattr(self.source, name).startswith("#")
        return "; some of its rows have been fetched again" * (comment and name in self._refreshed)

    def _write_results(self) -> str:
        """The code that makes all results that are here."""
        made = self.source.results + self._write_refreshed("results")
        # The user has the given results; only those that were fetched since need code.
        more = [each for each in self._run_ids(self._known) if each not in self._given]
        if not more:
            return made
        fetched = f"ra.fetch_results({more!r}{self._write_names()})"
        return f"{made}\nresults = pl.concat([results, {fetched}], how='diagonal')"

    def _write_evals(self) -> str:
        if self.results is None:
            ids = self._run_ids(self.results_in_sight())
            results = f"results = ra.fetch_results({ids!r}{self._write_names()})"
        else:
            results = self._write_results()
            if self.runs is not None:
                results += (
                    f"\n{self._write_runs()}\n{self.runs.code('runs')}\n"
                    'results = results.filter(pl.col("run_id").is_in(runs["run_id"].implode()))'
                )
        return f"{results}\n{_EVALS_CODE}"

    def _run_ids(self, results: pl.DataFrame) -> list[str]:
        return results["run_id"].drop_nulls().unique(maintain_order=True).to_list()

    def _write_names(self) -> str:
        """The argument that gives evals their names."""
        frame = self._known if self.runs is None else self.runs.frame
        workflows = frame["workflow_id"].drop_nulls().unique(maintain_order=True).to_list()
        if not workflows:
            return ""
        if len(workflows) == 1:
            return f", evals=ra.fetch_evals({workflows[0]!r})"
        return f", evals=pl.concat([ra.fetch_evals(each) for each in {workflows!r}])"


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
