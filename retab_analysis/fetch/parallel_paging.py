"""Read a long list of runs at several places of its history at once.

A cursor is sequential by nature. So after the first pages, further readers begin somewhere behind
them, each at a date, and read on by their own cursors. A reader stops when it meets a run that the
next reader has read: no run can fall between two readers, whatever the API makes of a date. A
worker that has nothing left to do begins again where the most rows are probably left.

The first reader follows the list as it is, without dates. Where another one fails, or brings rows
that do not fit, the first goes on alone: the API may ignore dates, or order by something else.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import gt
from typing import Any

import polars as pl

from retab_analysis import wire
from retab_analysis.decode import Page, Problems
from retab_analysis.errors import RetabAnalysisError
from retab_analysis.fetch.paging import PAGE_SIZE, Collected, Gathering, read_pages
from retab_analysis.fetch.params import format_moment
from retab_analysis.fetch.threads import next_done, threads
from retab_analysis.transport import Client
from retab_analysis.transport.request import Params

_FIRST_PAGES = 5
# A further reader costs a request. It begins only where so many rows are probably left, and at most
# so many rows ahead, because the density of a page says nothing about what is far away.
_WORTH = 1.5 * PAGE_SIZE
_REACH = 20 * PAGE_SIZE
# How many further readers may have brought nothing: a few, and one more for so many rows.
_IN_VAIN = 4
_ROWS_PER_VAIN = 10 * PAGE_SIZE
# Readers begin at whole seconds, because an API may cut the dates that it is given to those.
_SECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_history(
    client: Client, path: str, params: Params, order: str, into: Collected, *, strict: bool
) -> Generator[int]:
    """Read a whole list of runs as :func:`read_pages` does, and faster where it is long.

    Args:
        client: The client to ask with, ``max_concurrency`` requests at once.
        path: The list's path.
        params: Its filters and its order.
        order: ``desc`` or ``asc``, as in ``params``.
        into: Where the pages are put.
        strict: Whether a record that does not decode is an error.

    Yields:
        How many runs have come so far.

    Raises:
        RetabAnalysisError: Whatever went wrong; ``.partial`` and ``.cursor`` are those of
            :func:`read_pages`, since only the first reader's errors are raised.
    """
    pages = read_pages(client, path, params, into, strict=strict)
    runs: dict[str, wire.Run] = {}
    for page in pages:
        yield len(into.ids)
        if into.pages < _FIRST_PAGES:
            runs.update({each.id: each for each in page.structs})
        # The last of the first pages is read together with the end of the list.
        if into.pages == _FIRST_PAGES - 1 and client.max_concurrency > 1:
            break
    if into.cursor is not None:
        first = _Reader(pages, into, -1 if order == "desc" else 1)
        yield from _History(client, path, params, first, strict).read(list(runs.values()))


class _DoesNotFitError(Exception):
    """Rows that cannot be, if the API filters and orders by ``created_at``."""


@dataclass(slots=True, eq=False)
class _Reader:
    """Follows the list from one place on.

    A place is a number of microseconds that grows in the order of reading: the time since 1970,
    negative where the newest run comes first.

    Attributes:
        pages: What it reads.
        into: What it has read.
        sign: 1 where time grows in the order of reading, else -1.
        start: Where it was told to begin; it may have a row that is just there, or not.
        is_further: Whether it was sent to see whether there is anything.
        position: The place of its last row, or None before the first.
        density: Rows in a microsecond on its newest page.
        is_done: Whether it has met the next reader, or the end of the list.
        is_busy: Whether a request of it is under way.
    """

    pages: Iterator[Page]
    into: Collected
    sign: int
    start: float = -math.inf
    is_further: bool = False
    position: int | None = None
    density: float = 0.0
    is_done: bool = False
    is_busy: bool = False

    def advance(self, runs: Sequence[wire.Run]) -> None:
        """Move on over new rows.

        Raises:
            _DoesNotFitError: They are not in order, or begin before the place that was asked for.
        """
        places = _find_places(_times(runs), self.sign)
        if not places:
            return
        if self.position is None and places[0] < self.start:
            raise _DoesNotFitError
        self.position = places[-1]
        self.density = len(places) / max(places[-1] - places[0], 1)

    def rows_left(self, end: float) -> float:
        """How many rows are probably left before the end."""
        if self.is_done or self.position is None or end <= self.position:
            return 0.0
        return self.density * (end - self.position)


class _History:
    """Reads what is left of one list.

    The readers stand in the order of their places; a reader that is done has met the next one.
    """

    def __init__(
        self, client: Client, path: str, params: Params, first: _Reader, strict: bool
    ) -> None:
        self._client, self._path, self._strict = client, path, strict
        # Each reader sets its own order: the end of the list is found by reading it backwards.
        self._params = [each for each in params if each[0] != "order"]
        self._first, self._readers, self._sign = first, [first], first.sign
        self._end: int | None = None
        self._far: float = -math.inf
        self._is_alone = False
        self._seen = set(first.into.ids)
        self._made = self._in_vain = 0
        self._joined: pl.DataFrame | None = None

    def read(self, runs: Sequence[wire.Run]) -> Generator[int]:
        """Read to the end of the list, and put all of it into the first reader's ``into``.

        Args:
            runs: What the first reader has read so far.

        Yields:
            How many runs have come so far.
        """
        running: dict[Future[Any], Callable[[Future[Any]], None]] = {}
        workers = self._client.max_concurrency
        with threads(workers) as pool:
            if self._locate_first(runs):
                running[pool.submit(self._find_last_place)] = self._note_end
            while not self._is_complete():
                for reader in self._next_readers(workers - len(running)):
                    reader.is_busy = True
                    running[pool.submit(partial(next, reader.pages))] = partial(self._take, reader)
                for future in next_done(running):
                    running.pop(future)(future)
                # After the answers, because the first pages and the end come in either order.
                self._divide()
                yield len(self._seen)
        # Only now: until the pool is left, a thread may still add pages to ``into``.
        self._finish()

    def _locate_first(self, runs: Sequence[wire.Run]) -> bool:
        """Find out where the first reader is; False where its rows do not tell."""
        try:
            places = _find_places(_times(runs), self._sign)
        except _DoesNotFitError:
            places = []
        # Where all runs are of one moment, no date can lie between two of them.
        if not places or places[0] == places[-1]:
            self._go_alone()
            return False
        self._first.advance(runs)
        return True

    def _find_last_place(self) -> int | None:
        """Where the list ends: the first row in the opposite order."""
        into = Collected(Gathering(self._first.into.gathering.table))
        params = [*self._params, ("order", "asc" if self._sign < 0 else "desc")]
        page = next(read_pages(self._client, self._path, params, into, wanted=1, strict=False))
        places = _find_places(_times(page.structs[:1]), self._sign)
        return places[0] if places else None

    def _note_end(self, future: Future[int | None]) -> None:
        # Without a known end there are no further readers: the first reads on alone.
        with contextlib.suppress(RetabAnalysisError, _DoesNotFitError):
            self._end = future.result()

    def _divide(self) -> None:
        """Have further readers begin, evenly up to the end, once the first pages are there."""
        near, far, workers = self._first.position, self._end, self._client.max_concurrency
        if far is None or near is None or self._first.into.pages < _FIRST_PAGES:
            return
        self._end = None
        if far > near and not self._is_alone:
            self._far = far
            even = {
                _cut_to_second(near + (far - near) * part // workers) for part in range(1, workers)
            }
            self._readers += [self._make_reader(start) for start in sorted(even) if start > near]

    def _next_readers(self, room: int) -> list[_Reader]:
        """The readers that shall get a page now."""
        chosen = [each for each in self._readers if not (each.is_busy or each.is_done)][:room]
        while len(chosen) < room and (further := self._add_further()) is not None:
            chosen.append(further)
        return chosen

    def _add_further(self) -> _Reader | None:
        """Add a reader in the middle of the most that is left anywhere, where that is worth it."""
        ends = [*(each.start for each in self._readers[1:]), self._far]
        left = [each.rows_left(end) for each, end in zip(self._readers, ends, strict=True)]
        most = max(left)
        if most < _WORTH or self._in_vain >= _IN_VAIN + len(self._seen) // _ROWS_PER_VAIN:
            return None
        at = left.index(most)
        here = self._readers[at].position
        assert here is not None
        start = _cut_to_second(here + int((ends[at] - here) * min(0.5, _REACH / most)))
        if start <= here:
            return None
        further = self._make_reader(start, is_further=True)
        self._in_vain += 1  # until it has brought something
        self._readers.insert(at + 1, further)
        return further

    def _make_reader(self, start: int, *, is_further: bool = False) -> _Reader:
        order, near = ("desc", "to_date") if self._sign < 0 else ("asc", "from_date")
        date = format_moment(_EPOCH + timedelta(microseconds=start * self._sign))
        # The caller's own date at this end is replaced, as the reader begins behind it; the date at
        # the other end stays.
        others = [each for each in self._params if each[0] != near]
        params = [*others, ("order", order), (near, date)]
        self._made += 1
        into = Collected(self._first.into.gathering, number=self._made)
        pages = read_pages(self._client, self._path, params, into, strict=self._strict)
        return _Reader(pages, into, self._sign, start, is_further)

    def _take(self, reader: _Reader, future: Future[Any]) -> None:
        """See what the newest page of a reader means."""
        reader.is_busy = False
        # It was left behind meanwhile: its neighbour has its rows, or the first goes on alone.
        if reader not in self._readers:
            return
        try:
            runs = future.result().structs
            reader.advance(runs)
            self._link(reader, [each.id for each in runs])
        except (RetabAnalysisError, _DoesNotFitError) as error:
            # An error of another reader is not raised: the first reader will come to the same
            # place, where the caller can resume, or find that there is nothing wrong with it.
            if reader is self._first and isinstance(error, RetabAnalysisError):
                raise
            self._go_alone()

    def _link(self, reader: _Reader, ids: list[str]) -> None:
        """See which neighbours a reader has met with its newest page."""
        is_begin = reader.into.pages == 1
        if is_begin and reader.is_further:
            self._in_vain -= not self._seen.issuperset(ids)
        self._seen.update(ids)
        at = self._readers.index(reader)
        if reader.into.cursor is None:
            self._end_at(reader, at)
        begins_in_vain = at and is_begin and ids and self._readers[at - 1].into.ids.issuperset(ids)
        # A reader that began where its left neighbour had been already has nothing to add.
        if begins_in_vain or (reader.is_done and not reader.into.ids):
            del self._readers[at]
            left = self._readers[at - 1]
            left.is_done, ids = left.into.cursor is None, list(left.into.ids)
        self._meet(at - 1, ids)
        self._meet(at, ids)

    def _end_at(self, reader: _Reader, at: int) -> None:
        """The list has no more for a reader: those behind it have nothing else either."""
        reader.is_done = True
        if reader.position is not None:
            # A list that ends before its last row is one where a date also limits how far it goes.
            if reader is not self._first and reader.position < self._far:
                raise _DoesNotFitError
            del self._readers[at + 1 :]

    def _meet(self, at: int, ids: list[str]) -> None:
        """See whether two neighbours have met at these rows, which one of them has."""
        if 0 <= at < len(self._readers) - 1:
            left, right = self._readers[at : at + 2]
            left.is_done |= any(each in left.into.ids and each in right.into.ids for each in ids)

    def _go_alone(self) -> None:
        """Leave all of it to the first reader."""
        self._is_alone, self._far, self._readers = True, -math.inf, [self._first]
        self._first.is_done = self._first.into.cursor is None

    def _is_complete(self) -> bool:
        """Whether all has been read, by the first reader or by all of them."""
        if self._first.into.cursor is None:
            return True
        if not all(each.is_done for each in self._readers):
            return False
        try:
            self._joined = _join(self._readers)
        except _DoesNotFitError:
            self._go_alone()
        return self._joined is not None

    def _finish(self) -> None:
        """Put what all have read into the first reader's ``into``."""
        if self._joined is None:
            return
        into = self._first.into
        problems = [each.into.problems for each in self._readers]
        into.replace(self._joined)
        # The same bad record has another JSON path on another reader's page.
        once = {(each.record_id, each.raw): each for every in problems for each in every}
        into.problems = Problems(once.values())
        into.problems.total += sum(each.total - len(each) for each in problems)


def _times(runs: Sequence[wire.Run]) -> list[int | None]:
    return [each.timing.created_at for each in runs]


def _find_places(times: Sequence[int | None], sign: int) -> list[int]:
    """The places of runs that were created then, which must be in the order of reading.

    Raises:
        _DoesNotFitError: They are not, or one of them has no date.
    """
    # In the other direction time falls, so its sign is turned and the places grow in both.
    places = [sign * each for each in times if each is not None]
    if len(places) < len(times) or any(map(gt, places, places[1:])):
        raise _DoesNotFitError
    return places


def _find_row_places(rows: pl.DataFrame, sign: int) -> list[int]:
    return _find_places(rows["timing.created_at"].to_physical().to_list(), sign)


def _join(readers: Sequence[_Reader]) -> pl.DataFrame:
    """Put the readers' rows behind one another; where they overlap, the later one's stay.

    Raises:
        _DoesNotFitError: Two have not met, or a row is not where it belongs.
    """
    parts = [each.into.rows() for each in readers]
    for rows, (left, right) in zip(parts, itertools.pairwise(readers), strict=False):
        _check_overlap(rows, left, right)
    joined = pl.concat(parts).unique("id", keep="last", maintain_order=True)
    _find_row_places(joined, readers[0].sign)
    return joined


def _check_overlap(rows: pl.DataFrame, left: _Reader, right: _Reader) -> None:
    """Check that the right reader has every row that the left one read in the right one's part."""
    places = _find_row_places(rows, left.sign)
    begin = bisect.bisect_right(places, right.start)
    end = bisect.bisect_left(places, -math.inf if right.position is None else right.position)
    have_met = not left.into.ids.isdisjoint(right.into.ids)
    if not have_met or not right.into.ids.issuperset(rows["id"][begin:end]):
        raise _DoesNotFitError


def _cut_to_second(place: int) -> int:
    return place // _SECOND * _SECOND
