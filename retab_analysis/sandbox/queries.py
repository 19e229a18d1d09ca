"""What the store can be asked for (pages, filters, scopes), and how it says that it cannot."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, NamedTuple, Protocol, TypeVar


class NotFoundError(LookupError):
    """Nothing of this kind has this id."""

    def __init__(self, kind: str, ident: str) -> None:
        super().__init__(kind, ident)
        self.kind, self.ident = kind, ident


class ConflictError(Exception):
    """What is asked for cannot be done in the present state; `code` is for programs."""

    def __init__(self, code: str, message: str, details: dict[str, Any]) -> None:
        super().__init__(code, message)
        self.code, self.message, self.details = code, message, details


class Scope(NamedTuple):
    """What a new run covers: one eval, one block, or (both None) the whole workflow."""

    eval_id: str | None = None
    block_id: str | None = None


class RunFilter(NamedTuple):
    """What the list of runs can be narrowed by; None does not narrow."""

    workflow_id: str | None = None
    eval_id: str | None = None
    target_block_id: str | None = None
    status: str | None = None
    exclude_status: str | None = None
    trigger_type: str | None = None
    from_date: int | None = None
    to_date: int | None = None


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which page is asked for; at most one of the cursors is given."""

    limit: int
    order: str = "desc"
    before: str | None = None
    after: str | None = None


class Row(Protocol):
    """A row of a list; its id is what cursors are made of."""

    @property
    def id(self) -> str:
        """The row's id."""
        ...


R = TypeVar("R", bound=Row)
# What rows are ordered by; the id, so that no two rows are equal.
Key = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """The rows of a page, and the cursors of its neighbours where there are any."""

    rows: Sequence[R]
    before: str | None
    after: str | None


class SortedRows(Generic[R]):
    """Rows in ascending order of their keys, given page by page.

    Pages are found by keyset: a cursor is the id of a row and stands for the place of its key, so
    it stays good while rows are added.
    """

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

        ``locate`` gives the key of the row that a cursor names, be it one of these rows or not.
        """
        backward = query.before is not None
        upward = (query.order == "asc") != backward
        cursor = query.before if backward else query.after
        start = 0 if upward else len(self.keys) - 1
        if cursor is not None:
            key = locate(cursor)
            if key is None:
                raise NotFoundError("cursor", cursor)
            start = bisect_right(self.keys, key) if upward else bisect_left(self.keys, key) - 1
        places = range(start, len(self.rows)) if upward else range(start, -1, -1)
        wanted = (self.rows[place] for place in places if keep(self.rows[place]))
        # One row more than asked for says whether there is a further page.
        rows = list(islice(wanted, query.limit + 1))
        more = len(rows) > query.limit
        rows = rows[: query.limit]
        if backward:
            rows.reverse()
        first, last = (rows[0].id, rows[-1].id) if rows else (None, None)
        if backward:
            return Page(rows, first if more else None, last)
        return Page(rows, first if cursor else None, last if more else None)
