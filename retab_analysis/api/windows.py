"""A long list of runs, read at several places of its history at once.

A cursor is sequential by nature, so after the first pages the rest is split by ``created_at``.
Windows overlap and are joined by id; a worker that has nothing left to read takes over half of
what the slowest one has before it. All this trusts that the API filters and orders by
``created_at``: where an answer shows that it does not, the list is read on by its cursor.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import SimpleQueue

import polars as pl

from retab_analysis.api.arguments import iso
from retab_analysis.api.paging import PAGE_SIZE, Collected, collect
from retab_analysis.api.parallel import Pool, threads
from retab_analysis.errors import RetabAnalysisError
from retab_analysis.transport import Client
from retab_analysis.transport.exchange import Params

FIRST_PAGES = 5
# Neighbours overlap by so much on either side, in microseconds: it must not matter whether the
# API's bounds are inclusive, or cut to seconds.
OVERLAP = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def collect_history(
    client: Client, path: str, params: Params, order: str, into: Collected, *, strict: bool
) -> Iterator[Collected]:
    """Read a whole list of runs, as :func:`collect` does, and faster where it is long.

    Raises:
        RetabAnalysisError: Whatever went wrong; ``.partial`` and ``.cursor`` as from ``collect``.
    """
    pages = collect(client, path, params, into, strict=strict)
    for number, _ in enumerate(pages, 1):
        yield into
        if number == FIRST_PAGES and client.max_concurrency > 1:
            break
    if into.cursor is None:
        return
    try:
        yield from _History(client, path, params, order, strict).read_rest(into)
    except _NotByTimeError:
        yield from pages
    except RetabAnalysisError as error:
        error.partial, error.cursor = into.frame(), into.cursor
        raise


class _NotByTimeError(Exception):
    """The API does not filter or order by ``created_at``."""


@dataclass(slots=True, eq=False)
class _Window:
    """A part of the history, in positions: microseconds that grow in the order of reading."""

    into: Collected
    start: int
    end: int
    is_last: bool
    position: int
    is_done: bool = False

    def rows_left(self) -> float:
        """How many rows are probably still to be read, by the density so far."""
        if self.is_done or not self.into.ids or self.end <= self.position:
            return 0.0
        density = len(self.into.ids) / max(self.position - self.start, 1)
        return density * (self.end - self.position)

    def halve(self) -> _Window:
        """Give away the far half of what is left."""
        middle = (self.position + self.end) // 2
        away = _Window(Collected(self.into.table, None), middle, self.end, self.is_last, middle)
        self.end, self.is_last = middle, False
        return away


class _History:
    """Reads what is left of one list by windows."""

    def __init__(self, client: Client, path: str, params: Params, order: str, strict: bool) -> None:
        self._client, self._path, self._strict = client, path, strict
        self._filters = [
            each for each in params if each[0] not in ("order", "from_date", "to_date")
        ]
        self._given = dict(params)
        self._order, self._opposite = (order, "asc") if order == "desc" else (order, "desc")
        self._near, self._far = (
            ("to_date", "from_date") if order == "desc" else ("from_date", "to_date")
        )

    def read_rest(self, into: Collected) -> Iterator[Collected]:
        """Read what is behind the last page of ``into``, and put it there in the end."""
        windows = self._split_evenly(into)
        waiting = list(windows)
        events: SimpleQueue[Future[None] | None] = SimpleQueue()
        running = 0
        with threads(self._client.max_concurrency) as pool:
            while True:
                while running < self._client.max_concurrency:
                    window = waiting.pop(0) if waiting else _take_over(windows)
                    if window is None:
                        break
                    self._start(pool, window, events)
                    running += 1
                if not running:
                    break
                event = events.get()
                if event is not None:
                    running -= 1
                    event.result()
                into.ids.update(*(window.into.ids for window in windows))
                yield into
        _join(windows, into)
        yield into

    def _start(self, pool: Pool, window: _Window, events: SimpleQueue[Future[None] | None]) -> None:
        """Have a window read; an event is None for a page, and the future at the end."""
        task = partial(self._read, window, on_page=partial(events.put, None))
        pool.submit(task).add_done_callback(events.put)

    def _read(self, window: _Window, on_page: Callable[[], None]) -> None:
        near, far = window.start - OVERLAP, window.end + OVERLAP
        params = [*self._filters, ("order", self._order), (self._near, self._date(near))]
        if not window.is_last:
            params.append((self._far, self._date(far)))
        elif self._far in self._given:
            params.append((self._far, self._given[self._far]))
        bounds = (near, None if window.is_last else far)
        for into in collect(self._client, self._path, params, window.into, strict=self._strict):
            if positions := self._positions(into.pages[-1]):
                _check_inside(positions, *bounds)
                window.position = positions[-1]
            on_page()
            if window.position > window.end and not window.is_last:
                break
        window.is_done = True

    def _split_evenly(self, into: Collected) -> list[_Window]:
        """One window a worker, from the last row read to the far end of the history."""
        rows = into.rows()
        read = self._positions(rows) if rows is not None else []
        if not read or read[0] == read[-1]:
            raise _NotByTimeError
        end = self._far_end(into)
        if not end or end[0] <= read[-1]:
            raise _NotByTimeError
        count = self._client.max_concurrency
        span = end[0] - read[-1]
        borders = [read[-1] + span * index // count for index in range(count + 1)]
        return [
            _Window(Collected(into.table, None), start, stop, stop == borders[-1], start)
            for start, stop in itertools.pairwise(borders)
        ]

    def _far_end(self, into: Collected) -> list[int]:
        """The position of the last row of the list, if any."""
        dates = [each for each in self._given.items() if each[0] in ("from_date", "to_date")]
        probe = Collected(into.table, None)
        params = [*self._filters, *dates, ("order", self._opposite)]
        next(collect(self._client, self._path, params, probe, wanted=1, strict=False))
        return self._positions(probe.pages[0])

    def _positions(self, rows: pl.DataFrame) -> list[int]:
        """Where the rows stand, which must be in the order of reading."""
        sign = -1 if self._order == "desc" else 1
        positions = rows["timing.created_at"].dt.epoch("us") * sign
        if positions.null_count() or not positions.is_sorted():
            raise _NotByTimeError
        return positions.to_list()

    def _date(self, position: int) -> str:
        sign = -1 if self._order == "desc" else 1
        return iso(_EPOCH + timedelta(microseconds=position * sign))


def _take_over(windows: list[_Window]) -> _Window | None:
    """Half of the most that is left anywhere, unless that is about a page."""
    most = max(windows, key=_Window.rows_left)
    if most.rows_left() < 1.5 * PAGE_SIZE:
        return None
    away = most.halve()
    windows.insert(windows.index(most) + 1, away)
    return away


def _check_inside(positions: list[int], near: int, far: int | None) -> None:
    """An answer outside of what was asked for shows that the dates were not heeded."""
    if positions[0] < near or (far is not None and positions[-1] > far):
        raise _NotByTimeError


def _join(windows: list[_Window], into: Collected) -> None:
    """Put the windows behind one another; where they overlap, the later document stays."""
    for window in windows:
        into.pages += window.into.pages
        into.ids |= window.into.ids
        into.problems += [each for each in window.into.problems if each not in into.problems]
    into.cursor = None
