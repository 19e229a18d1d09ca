"""Pages of ordered rows, by keyset: a cursor is a row's id, and stays good while rows arrive."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from retab_analysis.sandbox.http.messages import not_found

Key = tuple[int, str]


class HasId(Protocol):
    """A row; its id is what cursors are made of."""

    @property
    def id(self) -> str:
        """The row's id."""
        ...


R = TypeVar("R", bound=HasId)


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which page is asked for; at most one of the cursors is given."""

    limit: int
    order: str = "desc"
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """The rows of a page, and the cursors of its neighbours where there are any."""

    rows: Sequence[R]
    before: str | None
    after: str | None


class Shelf(Generic[R]):
    """Rows kept in ascending order of their keys."""

    def __init__(self, pairs: Sequence[tuple[Key, R]] = ()) -> None:
        ordered = sorted(pairs, key=lambda pair: pair[0])
        self.keys: list[Key] = [key for key, _ in ordered]
        self.rows: list[R] = [row for _, row in ordered]

    def add(self, key: Key, row: R) -> None:
        """Put a row where its key belongs; at the end this costs nothing."""
        place = bisect_right(self.keys, key)
        self.keys.insert(place, key)
        self.rows.insert(place, row)

    def page(
        self,
        query: PageQuery,
        locate: Callable[[str], Key | None],
        keep: Callable[[R], bool] = lambda row: True,
    ) -> Page[R]:
        """Walk from the cursor until the page is full.

        Args:
            query: The page asked for.
            locate: Gives the key of the row that a cursor names, also of one not on this shelf.
            keep: The filter.

        Raises:
            ApiError: 404 for a cursor that names nothing.
        """
        backward = query.before is not None
        upward = (query.order == "asc") != backward
        cursor = query.before if backward else query.after
        rows = self._walk(self._start(cursor, locate, upward), upward, keep, query.limit + 1)
        more = len(rows) > query.limit
        rows = rows[: query.limit]
        if backward:
            rows.reverse()
        first, last = (rows[0].id, rows[-1].id) if rows else (None, None)
        if backward:
            return Page(rows, first if more else None, last)
        return Page(rows, first if cursor else None, last if more else None)

    def _start(self, cursor: str | None, locate: Callable[[str], Key | None], upward: bool) -> int:
        if cursor is None:
            return 0 if upward else len(self.keys) - 1
        key = locate(cursor)
        if key is None:
            raise not_found("cursor", cursor)
        return bisect_right(self.keys, key) if upward else bisect_left(self.keys, key) - 1

    def _walk(self, start: int, upward: bool, keep: Callable[[R], bool], count: int) -> list[R]:
        found: list[R] = []
        for index in range(start, len(self.rows)) if upward else range(start, -1, -1):
            if keep(self.rows[index]):
                found.append(self.rows[index])
                if len(found) == count:
                    break
        return found
