"""Which earlier runs a candidate is held against: as many as may be read, those that tell most.

The newest are read first, and some around the last passes that the saved evals remember. What else
is read depends on what these show. Where an eval fails for long, and its last pass was a lucky one,
they do not show that it was good: it would look like an eval that was never any good, and turn
green by itself. Then the others reach further back.
"""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass

import polars as pl

from retab_analysis.fetch.run_window import WHOLE, each_once

# So many runs that end with the last pass of an eval are read where the newest hardly have it.
_LAST_PASSES = 3
# If fewer are read in all, they are the newest: each of these tells more then.
_FEW_RUNS = 10
# These shares of what is read are the newest runs, and reruns at most.
_NEWEST, _RERUNS = 0.6, 0.2
# This share of what is read further back are the oldest runs.
_FAR = 0.67


@dataclass(frozen=True, eq=False)
class EarlierRuns:
    """What may be read of the past.

    Attributes:
        newest: The runs that are read in any case, the newest first.
        older: All other runs that are known, the newest first.
        telling: Those of them around last passes, the most telling first.
        reruns: What was run again of the newest, as far as it is read; with ``rerun_of``.
        most: How many are read in all.
    """

    newest: pl.DataFrame
    older: pl.DataFrame
    telling: pl.DataFrame
    reruns: pl.DataFrame
    most: int

    @classmethod
    def of(
        cls, known: pl.DataFrame, reruns: pl.DataFrame, evals: pl.DataFrame, most: int
    ) -> EarlierRuns:
        """Choose what is read in any case.

        Args:
            known: All earlier runs that are known, the newest first.
            reruns: What was run again of them, the newest first; with ``rerun_of``.
            evals: The EVALS frame of the workflow, which says when each eval passed last.
            most: How many may be read in all.
        """
        newest = known.head(most if most < _FEW_RUNS else round(_NEWEST * most))
        again = reruns.filter(pl.col("rerun_of").is_in(newest["run_id"].implode()))
        again = again.head(max(round(_RERUNS * most), most - known.height))
        newest = newest.head(most - again.height)
        again = again.filter(pl.col("rerun_of").is_in(newest["run_id"].implode()))
        older = known[newest.height :]
        return cls(newest, older, _find_around_last_passes(newest, older, evals), again, most)

    @property
    def first(self) -> pl.DataFrame:
        """The runs that are read before it is chosen what else is."""
        return pl.concat([self.newest, self.telling.head(self._others // 2)])

    @property
    def rest(self) -> int:
        """How many runs are read then."""
        return self.newest.height + min(self._others, self.older.height) - self.first.height

    @property
    def _others(self) -> int:
        return self.most - self.newest.height - self.reruns.height

    def choose(self, *, reach_back: bool) -> pl.DataFrame:
        """Choose all that is read beside reruns.

        Args:
            reach_back: Whether the rest is taken from all that is older; otherwise it is what else
                is around last passes, and the next newest.

        Returns:
            A RUNS frame, the newest first.
        """
        ordered = self.older if reach_back else each_once(self.telling, self.older)
        others = ordered.join(self.first, on="run_id", how="anti", maintain_order="left")
        rest = _reach_back(others, self.rest) if reach_back else others.head(self.rest)
        chosen = pl.concat([self.first["run_id"], rest["run_id"]])
        return self.known.filter(pl.col("run_id").is_in(chosen.implode()))

    @property
    def known(self) -> pl.DataFrame:
        """All runs that may be read, the newest first."""
        return pl.concat([self.newest, self.older])


def find_gaps(known: pl.DataFrame, read: pl.Series) -> pl.Series:
    """The ids of those runs that are read, and the run before them is not.

    Args:
        known: All runs that are known, the newest first.
        read: The ids of those that are read.
    """
    is_read = known["run_id"].is_in(read.implode())
    return known["run_id"].filter(is_read & ~is_read.shift(-1, fill_value=True))


def _find_around_last_passes(
    newest: pl.DataFrame, older: pl.DataFrame, evals: pl.DataFrame
) -> pl.DataFrame:
    """The runs around the last passes of evals that hardly pass in the newest ones.

    Three that end with the oldest of these passes tell that the evals were good; the run of each
    pass and the one after it tell since when, and on which version, they are not.
    """
    created, passed = pl.col("created_at"), evals["last_passed_at"]
    if newest.height < _LAST_PASSES:
        return older.clear()
    lost = passed.filter(passed < newest["created_at"][-_LAST_PASSES]).unique().sort()
    known = pl.concat([newest, older]).filter(WHOLE)
    # What was before the runs that are known is left to what the saved evals remember.
    before = [(at, known.filter(created <= at)) for at in lost]
    reached = [(at, runs) for at, runs in before if runs.height]
    if not reached:
        return older.clear()
    ending = [runs.head(_LAST_PASSES) for _, runs in reached]
    passes = next((each for each in ending if each.height == _LAST_PASSES), ending[0])
    around = [
        each
        for at, runs in reversed(reached)
        for each in (known.filter(created > at).tail(1), runs.head(1))
    ]
    telling = each_once(passes, *around)
    return telling.filter(pl.col("run_id").is_in(older["run_id"].implode()))


def _reach_back(runs: pl.DataFrame, number: int) -> pl.DataFrame:
    """So many of some runs: two thirds of them the oldest, the others spread over the rest.

    The oldest tell most surely that an eval was good, and the others about when that ended. Which
    one of each stretch is told by the run's id, so that the next choice, when there is one run
    more, is nearly the same: dates do not move from check to check.
    """
    if runs.height <= number:
        return runs
    ids, far = runs["run_id"].to_list(), round(_FAR * number)
    between, parts = len(ids) - far, number - far
    edges = [between * at // parts for at in range(parts + 1)] if parts else []
    chosen = [
        min(ids[begin:end], key=lambda each: zlib.crc32(each.encode()))
        for begin, end in itertools.pairwise(edges)
    ]
    return runs.filter(pl.col("run_id").is_in([*chosen, *ids[between:]]))
