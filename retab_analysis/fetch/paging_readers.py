"""What reads a long list from some place on, and how what several have read becomes one."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from retab_analysis.fetch.paging import Collected

# Readers begin at whole seconds, to which an API may cut the dates that it is given.
SECOND = 1_000_000


class DoesNotFitError(Exception):
    """Rows that cannot be, if the API filters and orders by ``created_at``."""


@dataclass(slots=True, eq=False)
class Reader:
    """Follows the list from one place on.

    Places are positions: microseconds that grow in the order of reading.

    Attributes:
        pages: What it reads.
        into: What it has read.
        sign: 1 where time grows in the order of reading, else -1.
        start: Where it was told to begin; a row just there it may have or not.
        is_further: Whether it was sent to see whether there is anything.
        position: Where its last row is, or None before the first.
        density: Rows in a microsecond, where it is.
        is_done: Whether it has met the next reader, or the end of the list.
        is_busy: Whether a request is under way.
    """

    pages: Iterator[Collected]
    into: Collected
    sign: int
    start: float = -math.inf
    is_further: bool = False
    position: int | None = None
    density: float = 0.0
    is_done: bool = False
    is_busy: bool = False

    def take(self, rows: pl.DataFrame) -> None:
        """Move on over new rows.

        Raises:
            DoesNotFitError: They are not in order, or begin before the place that was asked for.
        """
        places = positions(rows, self.sign)
        if not places:
            return
        if self.position is None and places[0] < self.start:
            raise DoesNotFitError
        self.position = places[-1]
        self.density = len(places) / max(places[-1] - places[0], 1)

    def rows_left(self, end: float) -> float:
        """How many rows are probably left before the end."""
        if self.is_done or self.position is None or end <= self.position:
            return 0.0
        return self.density * (end - self.position)


def positions(rows: pl.DataFrame, sign: int) -> list[int]:
    """Where rows stand, which must be in the order of reading.

    Raises:
        DoesNotFitError: They are not, or one of them has no date.
    """
    places = rows["timing.created_at"].dt.epoch("us") * sign
    if places.null_count() or not places.is_sorted():
        raise DoesNotFitError
    return places.to_list()


def join(readers: Sequence[Reader]) -> pl.DataFrame:
    """Put the readers' rows behind one another; where they overlap, the later one's stay.

    Raises:
        DoesNotFitError: Two have not met, or a row is not where it belongs.
    """
    parts = [rows for each in readers if (rows := each.into.rows()) is not None]
    for rows, (left, right) in zip(parts, itertools.pairwise(readers), strict=False):
        _check_overlap(rows, left, right)
    joined = pl.concat(parts).unique("id", keep="last", maintain_order=True)
    positions(joined, readers[0].sign)
    return joined


def _check_overlap(rows: pl.DataFrame, left: Reader, right: Reader) -> None:
    """What the left one read where the right one was, that must have read too."""
    places = positions(rows, left.sign)
    begin = bisect.bisect_right(places, right.start)
    end = bisect.bisect_left(places, -math.inf if right.position is None else right.position)
    have_met = not left.into.ids.isdisjoint(right.into.ids)
    if not have_met or not right.into.ids.issuperset(rows["id"][begin:end]):
        raise DoesNotFitError
