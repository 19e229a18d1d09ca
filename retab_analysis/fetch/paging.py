"""Follow the cursor of a list to its end, and keep what came before an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from retab_analysis.decode import Page, Problems, parse_one, parse_page, report_problems, to_frame
from retab_analysis.errors import PaginationError, ProtocolError, RetabAnalysisError
from retab_analysis.progress import Progress
from retab_analysis.schema import Table
from retab_analysis.transport import Client
from retab_analysis.transport.exchange import check_time
from retab_analysis.transport.request import Params

PAGE_SIZE = 100
"""Rows asked for in one request; the API gives at most as many."""
MOST_PAGES_IN_VAIN = 100
"""After so many pages in a row without a new row, a list is taken to have no end."""

Accept = Callable[[pl.DataFrame], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A frame of the table, and the records that did not decode."""

    frame: pl.DataFrame
    problems: Problems

    def deliver(self, table: Table) -> pl.DataFrame:
        """The frame; warns where records were left out of it.

        Call it from the public function itself, so that the warning points at its caller.
        """
        report_problems(table, self.problems, strict=False)
        return self.frame


@dataclass(slots=True)
class Collected:
    """What has come so far of one list.

    Attributes:
        table: The table that the records belong to.
        cursor: Where the next page is, or None before the first and after the last.
        ids: The ids of the records so far.
        pages: Their rows, before the table's columns are computed.
        problems: The records that did not decode.
    """

    table: Table
    cursor: str | None
    ids: set[str] = field(default_factory=set)
    pages: list[pl.DataFrame] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)

    def add(self, page: Page) -> None:
        """Take a page in."""
        self.ids.update(page.rows["id"])
        self.pages.append(page.rows)
        self.problems.add_all(page.problems)
        self.cursor = page.after

    def rows(self) -> pl.DataFrame | None:
        """The rows so far, before their columns are computed; the later document of an id wins."""
        if not self.pages:
            return None
        rows = pl.concat(self.pages)
        # While a list is read, new records push older ones onto the next page: they come twice.
        if rows["id"].n_unique() == rows.height:
            return rows
        return rows.unique("id", keep="last", maintain_order=True)

    def frame(self) -> pl.DataFrame:
        """The rows so far, with the columns of the table."""
        rows = self.rows()
        return to_frame(self.table, [] if rows is None else [rows])


def read_pages(
    client: Client,
    path: str,
    params: Params,
    into: Collected,
    *,
    wanted: int | None = None,
    strict: bool = True,
    accept: Accept = lambda rows: None,
) -> Iterator[Collected]:
    """Read a list page by page, from ``into.cursor`` on.

    Only an absent cursor is the end of a list: an empty page with a cursor goes on, and so does a
    page that is shorter than asked for.

    Args:
        client: The client to ask with.
        path: The list's path.
        params: Its filters.
        into: Where the pages are put.
        wanted: How many rows are wanted, or None for all.
        strict: Whether a record that does not decode is an error.
        accept: Looks at the rows of each page; its ``ProtocolError`` says that they are not what
            was asked for, and has the page asked for again.

    Yields:
        ``into``, after each page.

    Raises:
        RetabAnalysisError: Whatever went wrong, with the rows before it as ``.partial``, and as
            ``.cursor`` where to go on.
    """
    # The cursor that the caller gave counts too: to come back to it is to go in a circle.
    seen, in_vain = {into.cursor}, 0
    parse = _page_parser(into.table, strict, accept)
    try:
        while True:
            before = len(into.ids)
            into.add(client.get(path, _query(params, into, wanted), parse=parse))
            yield into
            if into.cursor is None:
                return
            _refuse_repeated(into.cursor, seen, path)
            in_vain = in_vain + 1 if len(into.ids) == before else 0
            _refuse_endless(in_vain, path)
    except RetabAnalysisError as error:
        error.partial, error.cursor = into.frame(), into.cursor
        raise


def read_list(
    client: Client, path: str, params: Params, table: Table, *, strict: bool, progress: Progress
) -> Fetched:
    """Read all pages of a list, one after the other; raises as :func:`read_pages` does."""
    into = Collected(table, None)
    for _ in read_pages(client, path, params, into, strict=strict):
        progress.update(len(into.ids))
    return Fetched(into.frame(), into.problems)


def read_first_page(client: Client, path: str, params: Params, table: Table) -> pl.DataFrame:
    """Read the first page of a list, without what does not decode: for what is good to know.

    Raises:
        RetabAnalysisError: It cannot be read.
    """
    into = Collected(table, None)
    next(read_pages(client, path, params, into, strict=False))
    return into.frame()


def read_single(client: Client, table: Table, path: str, record_id: str) -> pl.DataFrame:
    """Read a single document as a frame of one row.

    Raises:
        SchemaError: It does not decode.
        ProtocolError: Again and again, it was another document.
    """
    parse = single_parser(table, partial(refuse_other, table.noun, "id", record_id))
    return client.get(path, parse=parse)


def single_parser(table: Table, accept: Accept) -> Callable[[bytes], pl.DataFrame]:
    """What makes a frame of a single document; ``accept`` looks at its row as it was gathered."""

    def parse(body: bytes) -> pl.DataFrame:
        page = parse_one(table, body, check_time)
        report_problems(table, page.problems, strict=True)
        accept(page.rows)
        return to_frame(table, [page.rows])

    return parse


def refuse_other(noun: str, path: str, expected: str, rows: pl.DataFrame) -> None:
    """Make sure that records are what was asked for, as far as they say it.

    Something between the API and this process may give the answer to another request.

    Args:
        noun: What ``path`` is the id of.
        path: Where the records say it.
        expected: What was asked for.
        rows: The records.

    Raises:
        ProtocolError: One of them is something else.
    """
    others = rows.filter(pl.col(path) != expected)[path]
    if len(others):
        of = "" if path == "id" else "of "
        raise ProtocolError(f"{of}{noun} {others[0]!r}, where {expected!r} was asked for")


def _page_parser(table: Table, strict: bool, accept: Accept) -> Callable[[bytes], Page]:
    """What makes a page of a body.

    All of it is done inside of the request: what is not the page is worth another attempt, an error
    can name the request, and the deadline holds. A page with a record that does not decode is not
    taken in, if strict, so that ``.partial`` ends where ``.cursor`` goes on.
    """

    def parse(body: bytes) -> Page:
        page = parse_page(table, body, check_time)
        accept(page.rows)
        report_problems(table, page.problems if strict else Problems(), strict=True)
        return page

    return parse


def _query(params: Params, into: Collected, wanted: int | None) -> Params:
    # No more than is wanted; a whole page where the caller cut off rows that were counted here.
    missing = PAGE_SIZE if wanted is None else wanted - len(into.ids)
    size = missing if 0 < missing < PAGE_SIZE else PAGE_SIZE
    cursor = [] if into.cursor is None else [("after", into.cursor)]
    return [*params, ("limit", str(size)), *cursor]


def _refuse_endless(in_vain: int, path: str) -> None:
    if in_vain >= MOST_PAGES_IN_VAIN:
        raise PaginationError(
            f"GET {path}: {in_vain} pages in a row brought no new row, and there is always another "
            "cursor; following them would never end. The rows so far are in .partial"
        )


def _refuse_repeated(cursor: str, seen: set[str | None], path: str) -> None:
    if cursor in seen:
        raise PaginationError(
            f"GET {path}: the cursor {cursor!r} came a second time; "
            "following it would never end. The rows so far are in .partial"
        )
    seen.add(cursor)
