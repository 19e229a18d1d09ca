"""A long list of runs, read at several places of its history at once.

A cursor is sequential by nature. So after its first pages further readers begin somewhere behind
it, each at a date. A reader stops when it meets a run that the next one has read: no run can fall
between two, whatever the API makes of a date. The first follows the list without dates. Where the
others fail, or bring what does not fit, it goes on alone.
"""

from __future__ import annotations

import bisect
import contextlib
import math
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl

from retab_analysis.api.arguments import iso
from retab_analysis.api.paging import PAGE_SIZE, Collected, collect
from retab_analysis.api.parallel import next_done, threads
from retab_analysis.errors import RetabAnalysisError
from retab_analysis.transport import Client
from retab_analysis.transport.exchange import Params

FIRST_PAGES = 5
# How many rows must probably be left to be worth a further reader, and how many rows ahead it
# begins at most: the density of a few pages says nothing about what is far away.
WORTH = 1.5 * PAGE_SIZE
REACH = 20 * PAGE_SIZE
SLACK = 1_000_000  # microseconds; an API may take bounds as exclusive, or cut them to seconds
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
        yield from _History(client, path, params, order, strict, _Reader(into, pages)).read()


class _DoesNotFitError(Exception):
    """Rows that cannot be, if the API filters and orders by ``created_at``."""


@dataclass(slots=True, eq=False)
class _Reader:
    """Follows the list from one place on.

    Places are positions: microseconds that grow in the order of reading.

    Attributes:
        into: What it has read.
        pages: What it reads.
        start: Where it was told to begin.
        first: Where its first row is.
        position: Where its last row is.
        density: Rows in a microsecond, where it is.
        is_done: Whether it has met the next reader, or the end of the list.
        is_busy: Whether a request is under way.
    """

    into: Collected
    pages: Iterator[Collected]
    start: float = -math.inf
    first: int | None = None
    position: int = 0
    density: float = 0.0
    is_done: bool = False
    is_busy: bool = False

    def take(self, positions: list[int]) -> None:
        """Move on over a page.

        Raises:
            _DoesNotFitError: It is not behind what was read before, or not where it was asked for.
        """
        if not positions:
            return
        if positions[0] < (self.start - SLACK if self.first is None else self.position):
            raise _DoesNotFitError
        self.first = positions[0] if self.first is None else self.first
        self.position = positions[-1]
        if positions[-1] > positions[0]:  # rows that share a time tell nothing of what follows
            self.density = len(positions) / (positions[-1] - positions[0])

    def rows_left(self, end: float) -> float:
        """How many rows are probably left before the end."""
        if self.is_done or self.first is None or end <= self.position:
            return 0.0
        return self.density * (end - self.position)


class _History:
    """Reads what is left of one list.

    The readers stand in the order of their places; where one is done, it has met the next.
    """

    def __init__(
        self, client: Client, path: str, params: Params, order: str, strict: bool, first: _Reader
    ) -> None:
        self._client, self._path, self._strict = client, path, strict
        self._params = [each for each in params if each[0] != "order"]
        self._order, self._sign = order, -1 if order == "desc" else 1
        self._first, self._readers = first, [first]
        self._far: float = -math.inf
        self._end: int | None = None
        self._is_alone = False
        self._seen = set(first.into.ids)
        self._pages, self._in_vain = FIRST_PAGES - 1, 0
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
            self._first.take([] if rows is None else self._positions(rows))
        except _DoesNotFitError:
            self._go_alone()
        return self._first.first not in (None, self._first.position)

    def _last_position(self) -> int | None:
        """Where the list ends: the first row in the opposite order."""
        opposite = "asc" if self._order == "desc" else "desc"
        into = Collected(self._first.into.table, None)
        params = [*self._params, ("order", opposite)]
        next(collect(self._client, self._path, params, into, wanted=1, strict=False))
        positions = self._positions(into.pages[0].head(1))
        return positions[0] if positions else None

    def _note_end(self, future: Future[int | None]) -> None:
        with contextlib.suppress(RetabAnalysisError, _DoesNotFitError):
            self._end = future.result()

    def _divide(self) -> None:
        """Have further readers begin, evenly up to the end, once the first pages are there."""
        first = self._first
        if self._end is None or self._is_alone or len(first.into.pages) < FIRST_PAGES:
            return
        near, far, workers = first.position, self._end, self._client.max_concurrency
        self._end = None
        if far <= near or first.into.cursor is None:
            return
        self._far = far
        starts = {near + (far - near) * part // workers for part in range(1, workers)} - {near}
        self._readers += [self._reader_at(start) for start in sorted(starts)]

    def _next_readers(self, room: int) -> list[_Reader]:
        """Who shall get a page now."""
        chosen = [each for each in self._readers if not (each.is_busy or each.is_done)][:room]
        while len(chosen) < room and (further := self._further()) is not None:
            chosen.append(further)
        return chosen

    def _further(self) -> _Reader | None:
        """A reader more, in the middle of the most that is left anywhere."""
        ends = [*(each.start for each in self._readers[1:]), self._far]
        left = [each.rows_left(end) for each, end in zip(self._readers, ends, strict=True)]
        most = max(left)
        if most < WORTH or self._in_vain > self._client.max_concurrency + self._pages // 5:
            return None
        at = left.index(most)
        here = self._readers[at].position
        start = here + int((ends[at] - here) * min(0.5, REACH / most))
        if start <= here + SLACK:  # it might be given what has been read
            return None
        self._readers.insert(at + 1, self._reader_at(start))
        return self._readers[at + 1]

    def _reader_at(self, start: int) -> _Reader:
        near = "to_date" if self._order == "desc" else "from_date"
        date = iso(_EPOCH + timedelta(microseconds=start * self._sign))
        others = [each for each in self._params if each[0] != near]
        params = [*others, ("order", self._order), (near, date)]
        into = Collected(self._first.into.table, None)
        pages = collect(self._client, self._path, params, into, strict=self._strict)
        return _Reader(into, pages, start)

    def _take(self, reader: _Reader, future: Future[Any]) -> None:
        """See what the newest page of a reader means."""
        reader.is_busy = False
        if reader not in self._readers:
            return
        try:
            future.result()
            page = reader.into.pages[-1]
            reader.take(self._positions(page))
            self._link(reader, page)
        except (RetabAnalysisError, _DoesNotFitError) as error:
            # What ails another reader, the first will meet where the caller can resume; or never.
            if reader is self._first and isinstance(error, RetabAnalysisError):
                raise
            self._go_alone()

    def _link(self, reader: _Reader, page: pl.DataFrame) -> None:
        """See whom a reader has met."""
        ids = page["id"].to_list()
        self._pages += 1
        self._seen.update(ids)
        reader.is_done |= reader.into.cursor is None
        at = self._readers.index(reader)
        for left, other in ((at - 1, at - 1), (at, at + 1)):
            if 0 <= other < len(self._readers):
                met = not self._readers[other].into.ids.isdisjoint(ids)
                self._readers[left].is_done |= met
        if len(reader.into.pages) == 1 and reader is not self._readers[-1]:
            self._in_vain += reader.into.ids <= self._readers[at + 1].into.ids
        if reader.is_done and not reader.into.ids:
            self._readers.remove(reader)  # nobody can meet it

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
            self._joined = self._join()
        except _DoesNotFitError:
            self._go_alone()
        return self._joined is not None

    def _join(self) -> pl.DataFrame:
        """Put the readers' rows behind one another; where they overlap, the later one's stay.

        Raises:
            _DoesNotFitError: A row is not where it belongs.
        """
        parts = [rows for each in self._readers if (rows := each.into.rows()) is not None]
        for rows, reader in zip(parts, self._readers[1:], strict=False):
            positions = self._positions(rows)
            behind = bisect.bisect_right(positions, reader.start + SLACK)
            before = bisect.bisect_left(positions, reader.position)
            if not reader.into.ids.issuperset(rows["id"][behind:before]):
                raise _DoesNotFitError
        joined = pl.concat(parts).unique("id", keep="last", maintain_order=True)
        self._positions(joined)
        return joined

    def _finish(self) -> None:
        """Put what all have read into the first reader's ``into``."""
        if self._joined is None:
            return
        into = self._first.into
        problems = [problem for each in self._readers for problem in each.into.problems]
        into.pages, into.ids, into.cursor = [self._joined], set(self._joined["id"]), None
        # The same record has another path on another page.
        into.problems = list({(each.record_id, each.raw): each for each in problems}.values())

    def _positions(self, rows: pl.DataFrame) -> list[int]:
        """Where the rows stand, which must be in the order of reading.

        Raises:
            _DoesNotFitError: It is not, or one of them has no date.
        """
        positions = rows["timing.created_at"].dt.epoch("us") * self._sign
        if positions.null_count() or not positions.is_sorted():
            raise _DoesNotFitError
        return positions.to_list()
