"""A small workflow with a story: one run a day, an edit that breaks evals, a drift, a known gap."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

import retab_analysis as ra
from support.lettered_api import FLOW as FLOW
from support.lettered_api import LetteredApi

FIRST, EDITED, MENDED = -60, -30, -18
"""The days of the first run, of the edit that breaks two evals, and of the edit that mends them."""
DRIFTED, CURED = -40, -33
"""The days on which an eval of the other block begins to fail and passes again, on one code."""
LATE = -12
"""The day from which on one eval fails that nobody mends, by an edit of the other block."""
EVALS = 8
"""So many evals each block has."""


def _days(letters: str, *changes: tuple[int, str]) -> str:
    """A letter for each day, from the first one to yesterday: another one from some days on."""
    for day, letter in changes:
        letters = letters.ljust(day - FIRST, letters[-1]) + letter
    return letters.ljust(-FIRST, letters[-1])


class Small(LetteredApi):
    """The small workflow's API; runs are named by the day, counted back from today."""

    def runs_frame(self) -> pl.DataFrame:
        """The runs, the oldest first."""
        return ra.fetch_runs(FLOW, client=self.client, order="asc", progress=False)

    def run_of(self, day: int) -> str:
        """The run of a day."""
        return f"run_{day - FIRST}"


@contextmanager
def small_api(*, unsure: bool = False) -> Iterator[Small]:
    """Serve the small workflow.

    Args:
        unsure: Whether the last edit came today, so that one run cannot tell what it broke: one is
            broken by it, one failed by accident, and one ended in an error.
    """
    late = -1 if unsure else LATE
    rows = {f"{block} {at}": _days("P") for block in ("extract", "classify") for at in range(EVALS)}
    rows["extract 0"] = _days("P", (EDITED, "F"), (MENDED, "P"))
    rows["extract 1"] = rows["extract 0"]
    rows["extract 2"] = _days("F")
    rows["classify 0"] = _days("P", (DRIFTED, "F"), (CURED, "P"))
    rows["classify 1"] = _days("P", (late, "F"))
    if unsure:
        rows |= {"extract 1": _days("P"), "extract 3": _days("P", (-1, "F"))}
        rows["extract 4"] = _days("P", (-1, "E"))
    with Small(
        rows,
        {"extract": _days("A", (EDITED, "B"), (MENDED, "C")), "classify": _days("A", (late, "B"))},
        blocks={each: each.split()[0] for each in rows},
        published=("AA", "BA", "CA", "CB") if unsure else ("AA", "BA", "CA"),
        reruns={"classify 1": "F" * 20},
        looks=1,
    ) as api:
        yield api
