"""Follow the cursor of a list to its end, and keep the rows from before an error."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any

import polars as pl

from retab_analysis.decode import (
    Page,
    Problems,
    compute,
    gather,
    read_one,
    read_page,
    report_problems,
)
from retab_analysis.errors import PaginationError, ProtocolError, RetabAnalysisError
from retab_analysis.fetch.threads import run_all
from retab_analysis.progress import Progress
from retab_analysis.schema import Table
from retab_analysis.transport import Client, check_time
from retab_analysis.transport.request import Params

PAGE_SIZE = 100
"""Rows asked for in one request; the API gives at most as many."""
MOST_PAGES_IN_VAIN = 100
"""After so many pages in a row without a new row, a list counts as endless."""

Accept = Callable[[Sequence[Any]], None]
"""Checks structs; it raises a ``ProtocolError`` if they do not answer the request."""

# Bytes of the bodies whose records wait before they become rows: a thousand results, or a few
# thousand runs. With more, the last ones delay the frame for longer.
_GATHERED_AT = 2 * 2**20
_LIST = "#list"  # no path of a document has this name


@dataclass(frozen=True, slots=True)
class Fetched:
    """A frame of the table, and the records that did not decode."""

    frame: pl.DataFrame
    problems: Problems

    def deliver(self, table: Table) -> pl.DataFrame:
        """The frame; it warns its caller's caller of omitted records."""
        report_problems(table, self.problems, strict=False)
        return self.frame


class Gathering:
    """The records of one list, or of several parallel ones, on the way to one frame.

    Decoded records wait until there are enough of them: making rows of one page costs as much as
    making rows of many. Any thread may add some.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._lock = threading.Lock()
        self._rows: list[pl.DataFrame] = []
        self._pages: list[tuple[int, list[Any]]] = []
        self._numbers: set[int] = set()
        self._size = self.count = 0

    def add(self, page: Page, number: int = 0) -> None:
        with self._lock:
            self._pages.append((number, page.structs))
            self._numbers.add(number)
            self._size += len(page.body)
            self.count += len(page.structs)
            if self._size >= _GATHERED_AT:
                self._gather()

    def look(self, page: Page) -> None:
        """See a page while its request goes on: the deadline holds for this, too."""

    def rows(self, number: int | None = None) -> pl.DataFrame:
        """The rows, list by list as they arrived, with ``_LIST``; ``number`` selects one list."""
        with self._lock:
            if self._pages or not self._rows:
                self._gather()
            if len(self._rows) > 1:
                self._rows = [pl.concat(self._rows).sort(_LIST, maintain_order=True)]
            rows, is_one = self._rows[0], self._numbers <= {number}
        return rows if number is None or is_one else rows.filter(pl.col(_LIST) == number)

    def frame(self) -> pl.DataFrame:
        return compute(self.table, _without_repeated(self.rows(), _LIST, "id"))

    def _gather(self) -> None:
        self._pages.sort(key=itemgetter(0))
        structs = list(itertools.chain.from_iterable(page for _, page in self._pages))
        numbers = [number for number, page in self._pages for _ in page]
        rows = gather(self.table, structs)
        self._rows.append(rows.insert_column(0, pl.Series(_LIST, numbers, pl.Int64)))
        self._pages, self._size = [], 0


@dataclass(slots=True)
class Collected:
    """The records of one list so far; ``number`` is the list among the gathered ones."""

    gathering: Gathering
    cursor: str | None = None
    number: int = 0
    ids: set[str] = field(default_factory=set)
    problems: Problems = field(default_factory=Problems)

    def add(self, page: Page) -> None:
        self.gathering.add(page, self.number)
        self.ids.update(map(attrgetter("id"), page.structs))
        self.problems.add_all(page.problems)
        self.cursor = page.after

    def rows(self) -> pl.DataFrame:
        """The rows so far, before their columns are computed; the later document of an id wins."""
        return _without_repeated(self.gathering.rows(self.number), "id")

    def frame(self) -> pl.DataFrame:
        return compute(self.gathering.table, self.rows())


def _without_repeated(rows: pl.DataFrame, *key: str) -> pl.DataFrame:
    # While a list is read, new records push older ones onto the next page: they come twice.
    if rows["id"].n_unique() == rows.height:
        return rows
    return rows.unique(key, keep="last", maintain_order=True)


def read_pages(
    client: Client,
    path: str,
    params: Params,
    into: Collected,
    *,
    wanted: int | None = None,
    strict: bool = True,
    accept: Accept = lambda structs: None,
    tries: int | None = None,
    known: list[str | None] | None = None,
) -> Iterator[Page]:
    """Read a list page by page, from ``into.cursor`` on.

    Only an absent cursor is the end of a list: an empty or a short page with a cursor goes on. It
    yields a page once ``into`` has it. After an error, ``into`` has the rows so far and the cursor:
    the caller puts both on the error. ``wanted`` is the number of wanted rows, if not all.

    ``known`` are the cursors of the last reading; this one renews them. Their pages are asked for
    side by side, with the first. One counts only if the page before it ends with its cursor or, if
    cursors are ids of rows, has its first row. Otherwise the list is read on from there.
    """
    table = into.gathering.table

    def parse(body: bytes) -> Page:
        # All inside the request: a wrong page is worth another attempt, an error can name the
        # request, and the deadline holds. If strict, a page with a record that does not decode is
        # not added: ``.partial`` ends where ``.cursor`` goes on.
        page = read_page(table.record, body, check_time)
        accept(page.structs)
        report_problems(table, page.problems if strict else Problems(), strict=True, verb="fetch")
        into.gathering.look(page)
        return page

    def ask(cursor: str | None, size: int = PAGE_SIZE) -> Page:
        after = [] if cursor is None else [("after", cursor)]
        return client.get(path, [*params, ("limit", str(size)), *after], parse=parse, tries=tries)

    cursors = [into.cursor, *known] if known else []
    ahead = run_all([partial(ask, each) for each in cursors], client.max_concurrency)
    if error := ahead.errors.get(0):
        raise error
    ready = {cursors[at]: page for at, page in ahead.results.items()}
    # The caller's cursor counts too: coming back to it is a circle.
    seen, in_vain = {into.cursor: False}, 0  # and whether it is good for the next reading
    while True:
        before, cursor, is_ready = len(into.ids), into.cursor, into.cursor in ready
        # No more than wanted; a whole page if the caller cut off rows that were counted here.
        missing = PAGE_SIZE if wanted is None else wanted - before
        size = missing if 0 < missing < PAGE_SIZE else PAGE_SIZE
        page = ready.pop(cursor, None) or ask(cursor, size)
        into.add(page)
        yield page
        met = _find_met(page, ready) if ready else None
        seen[cursor] = cursor is not None and (is_ready or met is None)
        if into.cursor is None:
            if known is not None:
                known[:] = [each for each, is_good in seen.items() if is_good]
            return
        into.cursor = met or into.cursor
        in_vain = in_vain + 1 if len(into.ids) == before else 0
        circle = f"the cursor {into.cursor!r} came a second time" if into.cursor in seen else None
        endless = f"{in_vain} pages in a row had no new row, and each had another cursor"
        if circle or in_vain >= MOST_PAGES_IN_VAIN:
            raise PaginationError(
                f"GET {path}: {circle or endless}; following it would never end. The rows so far "
                "are in .partial"
            )
        seen[into.cursor] = False


def _find_met(page: Page, ready: Mapping[str | None, Page]) -> str | None:
    """The cursor of a page that begins within this one, if this one does not lead to another."""
    ids = {each.id for each in page.structs}
    if page.after in ready or page.after not in ids:
        return None
    # Of a record that does not decode it is not known where it is.
    known = (
        (at, its.structs[0].id) for at, its in ready.items() if its.structs and not its.problems
    )
    return next((cursor for cursor, first in known if first in ids), None)


def read_list(
    client: Client,
    path: str,
    params: Params,
    table: Table,
    *,
    strict: bool = True,
    progress: Progress | None = None,
    of: str | None = None,
    most_pages: int | None = None,
    **how: Any,
) -> Fetched:
    """Records of another workflow than asked for, or than ``of``, raise a ProtocolError."""
    into, asked = Collected(Gathering(table)), dict(params)
    accept = refuse_other_workflow(of or asked.get("workflow_id"), table)
    try:
        pages = read_pages(client, path, params, into, strict=strict, accept=accept, **how)
        for _ in itertools.islice(pages, most_pages):
            if progress is not None:
                progress.update(len(into.ids))
    except RetabAnalysisError as error:
        error.partial, error.cursor = into.frame(), into.cursor
        raise
    rows = into.frame()
    # The API may ignore the requested order.
    if "order" in asked and not rows["created_at"].drop_nulls().is_sorted(descending=True):
        rows = rows.sort("created_at", descending=True, nulls_last=True, maintain_order=True)
    return Fetched(rows, into.problems)


def read_record(client: Client, table: Table, path: str, record_id: str) -> Any:
    parse = record_parser(table, partial(refuse_other, table.noun, "id", record_id))
    return client.get(path, parse=parse)


def record_parser(table: Table, accept: Accept) -> Callable[[bytes], Any]:
    def parse(body: bytes) -> Any:
        page = read_one(table.record, body, check_time)
        report_problems(table, page.problems, strict=True)
        accept(page.structs)
        return page.structs[0]

    return parse


def refuse_other(noun: str, name: str, expected: str, structs: Sequence[Any]) -> None:
    """Refuse the answer to another request, which a proxy may give, as far as ``name`` shows it."""
    for found in map(attrgetter(name), structs):
        if found is not None and found != expected:
            of = "" if name == "id" else "of "
            raise ProtocolError(f"{of}{noun} {found!r}, but the request was for {expected!r}")


def refuse_other_workflow(workflow_id: str | None, table: Table) -> Accept:
    if workflow_id is None or "workflow_id" not in table.paths:
        return lambda structs: None
    return partial(refuse_other, "workflow", "workflow_id", workflow_id)
