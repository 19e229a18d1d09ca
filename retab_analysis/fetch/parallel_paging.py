"""A long list of runs, read at several places of its history at once.

A cursor is sequential by nature. So after the first pages further readers begin somewhere behind
them, each at a date, and read on by their own cursors. A reader stops when it meets a run that the
next one has read: no run can fall between two readers, whatever the API makes of a date. Who has
nothing left to do begins again where the most is probably left.

The first reader follows the list as it is, without dates. Where another fails, or brings what does
not fit, the first goes on alone: the API may ignore dates, or order by something else.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl

from retab_analysis.errors import RetabAnalysisError
from retab_analysis.fetch.paging import PAGE_SIZE, Collected, collect
from retab_analysis.fetch.paging_readers import SECOND, DoesNotFitError, Reader, join, positions
from retab_analysis.fetch.params import iso
from retab_analysis.fetch.threads import next_done, threads
from retab_analysis.transport import Client
from retab_analysis.transport.request import Params

FIRST_PAGES = 5
# How many rows must probably be left to be worth a further reader, and how many rows ahead it
# begins at most: the density of a page says nothing about what is far away.
WORTH = 1.5 * PAGE_SIZE
REACH = 20 * PAGE_SIZE
# How many further readers may have brought nothing: some, and one for so many rows.
IN_VAIN = 4
ROWS_PER_VAIN = 10 * PAGE_SIZE
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def collect_history(
    client: Client, path: str, params: Params, order: str, into: Collected, *, strict: bool
) -> Generator[int]:
    """Read a whole list of runs, as :func:`collect` does, and faster where it is long.

    Yields:
        How many runs have come so far.

    Raises:
        RetabAnalysisError: Whatever went wrong; ``.partial`` and ``.cursor`` as from ``collect``.
    """
    pages = collect(client, path, params, into, strict=strict)
    for number, _ in enumerate(pages, 1):
        yield len(into.ids)
        # The last of the first pages is read together with the end of the list.
        if number == FIRST_PAGES - 1 and client.max_concurrency > 1:
            break
    if into.cursor is not None:
        first = Reader(pages, into, -1 if order == "desc" else 1)
        yield from _History(client, path, params, first, strict).read()


class _History:
    """Reads what is left of one list.

    The readers stand in the order of their places; where one is done, it has met the next.
    """

    def __init__(
        self, client: Client, path: str, params: Params, first: Reader, strict: bool
    ) -> None:
        self._client, self._path, self._strict = client, path, strict
        self._params = [each for each in params if each[0] != "order"]
        self._first, self._readers, self._sign = first, [first], first.sign
        self._end: int | None = None
        self._far: float = -math.inf
        self._is_alone = False
        self._seen = set(first.into.ids)
        self._in_vain = 0
        self._joined: pl.DataFrame | None = None

    def read(self) -> Generator[int]:
        """Read to the end of the list, and put all of it into the first reader's ``into``."""
        running: dict[Future[Any], Callable[[Future[Any]], None]] = {}
        workers = self._client.max_concurrency
        with threads(workers) as pool:
            if self._knows_its_place():
                running[pool.submit(self._last_position)] = self._note_end
            while not self._is_complete():
                for reader in self._next_readers(workers - len(running)):
                    reader.is_busy = True
                    running[pool.submit(partial(next, reader.pages))] = partial(self._take, reader)
                for future in next_done(running):
                    running.pop(future)(future)
                self._divide()
                yield len(self._seen)
        self._finish()  # now that no thread has it in hand any more

    def _knows_its_place(self) -> bool:
        """Find out where the first reader is; False where its rows do not tell."""
        rows = self._first.into.rows()
        try:
            places = [] if rows is None else positions(rows, self._sign)
        except DoesNotFitError:
            places = []
        if rows is None or not places or places[0] == places[-1]:
            self._go_alone()
            return False
        self._first.take(rows)
        return True

    def _last_position(self) -> int | None:
        """Where the list ends: the first row in the opposite order."""
        into = Collected(self._first.into.table, None)
        params = [*self._params, ("order", "asc" if self._sign < 0 else "desc")]
        next(collect(self._client, self._path, params, into, wanted=1, strict=False))
        places = positions(into.pages[0].head(1), self._sign)
        return places[0] if places else None

    def _note_end(self, future: Future[int | None]) -> None:
        with contextlib.suppress(RetabAnalysisError, DoesNotFitError):
            self._end = future.result()

    def _divide(self) -> None:
        """Have further readers begin, evenly up to the end, once the first pages are there."""
        near, far, workers = self._first.position, self._end, self._client.max_concurrency
        if far is None or near is None or len(self._first.into.pages) < FIRST_PAGES:
            return
        self._end = None
        if far > near and not self._is_alone:
            self._far = far
            even = {_whole(near + (far - near) * part // workers) for part in range(1, workers)}
            self._readers += [self._reader_at(start) for start in sorted(even) if start > near]

    def _next_readers(self, room: int) -> list[Reader]:
        """Who shall get a page now."""
        chosen = [each for each in self._readers if not (each.is_busy or each.is_done)][:room]
        while len(chosen) < room and (further := self._further()) is not None:
            chosen.append(further)
        return chosen

    def _further(self) -> Reader | None:
        """A reader more, in the middle of the most that is left anywhere."""
        ends = [*(each.start for each in self._readers[1:]), self._far]
        left = [each.rows_left(end) for each, end in zip(self._readers, ends, strict=True)]
        most = max(left)
        if most < WORTH or self._in_vain >= IN_VAIN + len(self._seen) // ROWS_PER_VAIN:
            return None
        at = left.index(most)
        here = self._readers[at].position
        assert here is not None
        start = _whole(here + int((ends[at] - here) * min(0.5, REACH / most)))
        if start <= here:
            return None
        further = self._reader_at(start, is_further=True)
        self._in_vain += 1  # until it has brought something
        self._readers.insert(at + 1, further)
        return further

    def _reader_at(self, start: int, *, is_further: bool = False) -> Reader:
        order, near = ("desc", "to_date") if self._sign < 0 else ("asc", "from_date")
        date = iso(_EPOCH + timedelta(microseconds=start * self._sign))
        others = [each for each in self._params if each[0] != near]
        params = [*others, ("order", order), (near, date)]
        into = Collected(self._first.into.table, None)
        pages = collect(self._client, self._path, params, into, strict=self._strict)
        return Reader(pages, into, self._sign, start, is_further)

    def _take(self, reader: Reader, future: Future[Any]) -> None:
        """See what the newest page of a reader means."""
        reader.is_busy = False
        if reader not in self._readers:
            return
        try:
            future.result()
            page = reader.into.pages[-1]
            reader.take(page)
            self._link(reader, page["id"].to_list())
        except (RetabAnalysisError, DoesNotFitError) as error:
            # What ails another reader, the first will meet where the caller can resume; or never.
            if reader is self._first and isinstance(error, RetabAnalysisError):
                raise
            self._go_alone()

    def _link(self, reader: Reader, ids: list[str]) -> None:
        """See whom a reader has met with its newest page."""
        is_begin = len(reader.into.pages) == 1
        if is_begin and reader.is_further:
            self._in_vain -= not self._seen.issuperset(ids)
        self._seen.update(ids)
        at = self._readers.index(reader)
        if reader.into.cursor is None:
            self._come_to_end(reader, at)
        begins_in_vain = at and is_begin and ids and self._readers[at - 1].into.ids.issuperset(ids)
        if begins_in_vain or (reader.is_done and not reader.into.ids):
            del self._readers[at]
            left = self._readers[at - 1]
            left.is_done, ids = left.into.cursor is None, list(left.into.ids)
        self._meet(at - 1, ids)
        self._meet(at, ids)

    def _come_to_end(self, reader: Reader, at: int) -> None:
        """The list has no more for a reader: those behind it have nothing else either."""
        reader.is_done = True
        if reader.position is not None:
            if reader is not self._first and reader.position < self._far:
                raise DoesNotFitError  # nor for anybody: dates also limit how far it goes
            del self._readers[at + 1 :]

    def _meet(self, at: int, ids: list[str]) -> None:
        """See whether two neighbours have met at these rows, which one of them has."""
        if 0 <= at < len(self._readers) - 1:
            left, right = self._readers[at : at + 2]
            left.is_done |= any(each in left.into.ids and each in right.into.ids for each in ids)

    def _go_alone(self) -> None:
        """Leave all to the first reader."""
        self._is_alone, self._far, self._readers = True, -math.inf, [self._first]
        self._first.is_done = self._first.into.cursor is None

    def _is_complete(self) -> bool:
        """Whether all has been read, by the first reader or by all of them."""
        if self._first.into.cursor is None:
            return True
        if not all(each.is_done for each in self._readers):
            return False
        try:
            self._joined = join(self._readers)
        except DoesNotFitError:
            self._go_alone()
        return self._joined is not None

    def _finish(self) -> None:
        """Put what all have read into the first reader's ``into``."""
        if self._joined is None:
            return
        into = self._first.into
        problems = [problem for each in self._readers for problem in each.into.problems]
        into.pages, into.ids, into.cursor = [self._joined], set(self._joined["id"]), None
        # The same record has another path on another page.
        into.problems = list({(each.record_id, each.raw): each for each in problems}.values())


def _whole(position: int) -> int:
    return position // SECOND * SECOND
