"""Follow the cursor of a list to its end, and keep what came before an error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from retab_analysis.decode import Page, Problem, parse_one, parse_page, report_problems, to_frame
from retab_analysis.errors import PaginationError, RetabAnalysisError
from retab_analysis.progress import Progress
from retab_analysis.schema import Table
from retab_analysis.transport import Client
from retab_analysis.transport.request import Params

PAGE_SIZE = 100
"""Rows asked for in one request; the API gives at most as many."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A frame of the table, and the records that did not decode."""

    frame: pl.DataFrame
    problems: Sequence[Problem]

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
    problems: list[Problem] = field(default_factory=list)

    def add(self, page: Page) -> None:
        """Take a page in."""
        self.ids.update(page.rows["id"])
        self.pages.append(page.rows)
        self.problems += page.problems
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

    Yields:
        ``into``, after each page.

    Raises:
        RetabAnalysisError: Whatever went wrong, with the rows before it as ``.partial``, and as
            ``.cursor`` where to go on.
    """
    # The cursor that the caller gave counts too: to come back to it is to go in a circle.
    seen = {into.cursor}
    try:
        while True:
            page = _get_page(client, path, params, into, wanted)
            # Before the page is taken in, so that ``.partial`` ends where ``.cursor`` goes on.
            report_problems(into.table, page.problems if strict else [], strict=True)
            into.add(page)
            yield into
            if into.cursor is None:
                return
            _refuse_repeated(into.cursor, seen, path)
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


def read_single(client: Client, table: Table, path: str) -> pl.DataFrame:
    """Read a single document as a frame of one row.

    Raises:
        SchemaError: It does not decode.
    """
    return to_single_row(table, client.get(path, parse=lambda body: parse_one(table, body)))


def to_single_row(table: Table, page: Page) -> pl.DataFrame:
    """The frame of a single document.

    Raises:
        SchemaError: It did not decode.
    """
    report_problems(table, page.problems, strict=True)
    return to_frame(table, [page.rows])


def _get_page(
    client: Client, path: str, params: Params, into: Collected, wanted: int | None
) -> Page:
    # No more than is wanted; a whole page where the caller cut off rows that were counted here.
    missing = PAGE_SIZE if wanted is None else wanted - len(into.ids)
    size = missing if 0 < missing < PAGE_SIZE else PAGE_SIZE
    cursor = [] if into.cursor is None else [("after", into.cursor)]
    query = [*params, ("limit", str(size)), *cursor]
    # Parsed inside of the request, because a body that is cut short is worth another attempt.
    return client.get(path, query, parse=lambda body: parse_page(into.table, body))


def _refuse_repeated(cursor: str, seen: set[str | None], path: str) -> None:
    if cursor in seen:
        raise PaginationError(
            f"GET {path}: the cursor {cursor!r} came a second time; "
            "following it would never end. The rows so far are in .partial"
        )
    seen.add(cursor)
