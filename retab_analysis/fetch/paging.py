"""Follow the cursors of a list to its end, and keep what came before an error."""

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


@dataclass(frozen=True, slots=True)
class Fetched:
    """A frame of the table, and what did not decode."""

    frame: pl.DataFrame
    problems: Sequence[Problem]


@dataclass(slots=True)
class Collected:
    """What has come so far of one list.

    Attributes:
        table: What the rows are.
        cursor: Where the next page is, or None before the first and after the last.
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
        if rows["id"].n_unique() == rows.height:
            return rows
        return rows.unique("id", keep="last", maintain_order=True)

    def frame(self) -> pl.DataFrame:
        """The rows so far, as the table has them."""
        rows = self.rows()
        return to_frame(self.table, [] if rows is None else [rows])


def collect(
    client: Client,
    path: str,
    params: Params,
    into: Collected,
    *,
    wanted: int | None = None,
    strict: bool = True,
) -> Iterator[Collected]:
    """Read a list page by page, from ``into.cursor`` on.

    Args:
        client: What to ask.
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
    seen = {into.cursor}
    try:
        while True:
            page = _get_page(client, path, params, into, wanted)
            report_problems(into.table, page.problems if strict else [], strict=True)
            into.add(page)
            yield into
            if into.cursor is None:
                return
            _refuse_repeated(into.cursor, seen, path)
    except RetabAnalysisError as error:
        error.partial, error.cursor = into.frame(), into.cursor
        raise


def collect_all(
    client: Client, path: str, params: Params, table: Table, *, strict: bool, progress: Progress
) -> Fetched:
    """Read a whole list."""
    into = Collected(table, None)
    for _ in collect(client, path, params, into, strict=strict):
        progress.update(len(into.ids))
    return Fetched(into.frame(), into.problems)


def get_one(client: Client, table: Table, path: str) -> pl.DataFrame:
    """Read a single document as a frame of one row.

    Raises:
        SchemaError: It does not decode.
    """
    page = client.get(path, parse=lambda body: parse_one(table, body))
    return one_row(table, page)


def one_row(table: Table, page: Page) -> pl.DataFrame:
    """The frame of a single document.

    Raises:
        SchemaError: It did not decode.
    """
    report_problems(table, page.problems, strict=True)
    return to_frame(table, [page.rows])


def _get_page(
    client: Client, path: str, params: Params, into: Collected, wanted: int | None
) -> Page:
    missing = PAGE_SIZE if wanted is None else wanted - len(into.ids)
    size = missing if 0 < missing < PAGE_SIZE else PAGE_SIZE
    cursor = [] if into.cursor is None else [("after", into.cursor)]
    query = [*params, ("limit", str(size)), *cursor]
    return client.get(path, query, parse=lambda body: parse_page(into.table, body))


def _refuse_repeated(cursor: str, seen: set[str | None], path: str) -> None:
    if cursor in seen:
        raise PaginationError(
            f"GET {path}: the cursor {cursor!r} came a second time; "
            "following it would never end. The rows so far are in .partial"
        )
    seen.add(cursor)
