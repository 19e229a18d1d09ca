"""One body as rows: read, gathered, its times parsed, its bad records set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import polars as pl

from retab_analysis import wire
from retab_analysis.decode.documents import Problem, Structs, read_any, read_one, read_page
from retab_analysis.decode.frames import gather, parse_times
from retab_analysis.errors import SchemaError
from retab_analysis.schema import Table

__all__ = ["Page", "Problem", "parse_any", "parse_document", "parse_one", "parse_page"]

W = TypeVar("W", bound=wire.Wire)


@dataclass(frozen=True, slots=True)
class Page:
    """What one body holds.

    Attributes:
        rows: One row per good record, one column per path that the table needs.
        problems: The other records.
        after: The cursor of the next page, or None.
    """

    rows: pl.DataFrame
    problems: Sequence[Problem]
    after: str | None


def parse_page(table: Table, body: bytes) -> Page:
    """Read a page of a list.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but no page.
    """
    return _page(table, read_page(table.record, body))


def parse_one(table: Table, body: bytes) -> Page:
    """Read a single document as a page of one.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but no object.
    """
    return _page(table, read_one(table.record, body))


def parse_any(table: Table, body: bytes) -> Page:
    """Read a page, a list of records, or a single one.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but none of these.
    """
    return _page(table, read_any(table.record, body))


def parse_document(record: type[W], body: bytes) -> W:
    """Read a single document that makes no row.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON of another shape.
    """
    structs = read_one(record, body)
    for problem in structs.problems:
        raise SchemaError(f"at {problem.path}: {problem.reason}", path=problem.path)
    document: W = structs.records[0]
    return document


def _page(table: Table, structs: Structs) -> Page:
    gathered = gather(table, structs.records)
    rows, unreadable = parse_times(table, gathered)
    problems = list(structs.problems)
    for row, path in sorted(unreadable.items()):
        text = gathered[path][row]
        reason = f"Expected a time in ISO 8601, to the microsecond at most; found {text!r}"
        where = f"{structs.where[row]}.{path}"
        problems.append(Problem(gathered["id"][row], where, reason, text))
    if unreadable:
        rows = rows.filter(~pl.int_range(pl.len()).is_in(list(unreadable)))
    return Page(rows, problems, structs.after)
