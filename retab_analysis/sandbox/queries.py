"""The queries to the store: pages, filters and scopes."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from retab_analysis.sandbox.encoding import to_json
from retab_analysis.sandbox.http.messages import not_found


class Scope(NamedTuple):
    """The evals of a new run: one eval, one block, or (both None) the whole workflow."""

    eval_id: str | None = None
    block_id: str | None = None


class RunFilter(NamedTuple):
    """The filters of the list of runs; None does not filter."""

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
    """The requested page; at most one of the cursors is given."""

    limit: int
    order: str = "desc"
    before: str | None = None
    after: str | None = None


R = TypeVar("R")
# The order of rows; it includes the id, which cursors hold: no two keys are equal.
Key = tuple[int, str]


class SortedRows(Generic[R]):
    """Rows in ascending order of their keys, given page by page.

    Pages use keysets: a cursor is the id of a row and means the place of its key, so it stays valid
    while rows are added.
    """

    def __init__(self, pairs: Iterable[tuple[Key, R]] = ()) -> None:
        ordered = sorted(pairs, key=lambda pair: pair[0])
        self.keys: list[Key] = [key for key, _ in ordered]
        self.rows: list[R] = [row for _, row in ordered]

    def add(self, key: Key, row: R) -> None:
        place = bisect_right(self.keys, key)
        self.keys.insert(place, key)
        self.rows.insert(place, row)

    def page(
        self,
        query: PageQuery,
        locate: Callable[[str], Key | None],
        encode: Callable[[R], bytes],
        keep: Callable[[R], bool] = lambda row: True,
    ) -> bytes:
        """Walk from the cursor until the page is full, and encode it with its neighbours' cursors.

        ``locate`` gives the key of a cursor's row, whether it is one of these rows or not.
        """
        backward = query.before is not None
        upward = (query.order == "asc") != backward
        cursor = query.before if backward else query.after
        start = 0 if upward else len(self.keys) - 1
        if cursor is not None:
            key = locate(cursor)
            if key is None:
                raise not_found("cursor", cursor)
            start = bisect_right(self.keys, key) if upward else bisect_left(self.keys, key) - 1
        places = range(start, len(self.rows)) if upward else range(start, -1, -1)
        # One more row than requested tells whether there is a further page.
        found = list(islice((i for i in places if keep(self.rows[i])), query.limit + 1))
        has_more, found = len(found) > query.limit, found[: query.limit]
        if backward:
            found.reverse()
        before = after = None
        if found:
            before = self.keys[found[0]][1] if (has_more if backward else cursor) else None
            after = self.keys[found[-1]][1] if backward or has_more else None
        data = b",".join(encode(self.rows[i]) for i in found)
        metadata = to_json({"before": before, "after": after})
        return b"".join((b'{"data":[', data, b'],"list_metadata":', metadata, b"}"))
