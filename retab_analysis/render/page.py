"""What a page shows beyond its document: rows that open, and a matrix of runs; plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from retab_analysis.render.document import (
    Change,
    Count,
    Document,
    DocumentTable,
    Line,
    Row,
    Span,
)

LETTERS: Mapping[str, str] = {
    "p": "passed",
    "f": "failed",
    "b": "blocked",
    "e": "error",
    "c": "cancelled",
    "r": "running",
    "n": "not yet",
    "o": "",  # not run
    "-": "",  # the gap between two sides
}
"""What each letter of a matrix stands for, in words."""


@dataclass(frozen=True, slots=True)
class RunLine:
    """Equal runs of a row, one after another."""

    when: str
    version: str
    outcome: str
    value: str


@dataclass(frozen=True, slots=True)
class Inside:
    """What an open row shows; ``documents`` are ids and names."""

    reason: str = ""
    title: str = ""
    differences: tuple[Change, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    runs: tuple[RunLine, ...] = ()
    earlier: int = 0  # runs that are not listed
    documents: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RunColumn:
    """A run as a column of the matrix; ``edited`` are the groups that differ from there on."""

    version: str = ""
    day: str = ""
    moment: str = ""
    title: str = ""
    is_checked: bool = False
    is_baseline: bool = False
    is_now: bool = False
    is_gap: bool = False
    edited: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PageRow:
    """A row of the page.

    ``kind`` is the key of its count, ``progress`` that of its count while runs go on. ``group`` is
    the key of the columns' edits, ``group_name`` its name. ``why`` stands in folds, ``mark`` stands
    under *got*. ``text`` is searched beside what is shown. ``cells`` has a letter for each column.
    """

    row: Row
    kind: str
    group: str = ""
    group_name: str = ""
    why: str = ""
    text: str = ""
    cells: str = ""
    mark: Line = ()
    progress: str = ""


@dataclass(frozen=True, slots=True)
class TryColumn:
    """A try as a column: its name, the words that it changed, and what came of them.

    ``passed`` and ``failed`` are shares of its evals; the rest ended in errors.
    """

    name: str
    words: tuple[Line, ...] = ()
    passed: float = 0.0
    failed: float = 0.0
    passing: str = ""
    outcome: str = ""
    is_edit: bool = False  # whether it broke what is broken
    is_now: bool = False


@dataclass(frozen=True, slots=True)
class TriesTable(DocumentTable):
    """Rows with a cell for each try, whose key is the letter of its state.

    A cell's first line is its value where that changes, its second one else.
    """

    moments: tuple[TryColumn, ...] = ()


COLUMNS = (("name", "eval"), ("asserts", "asserts"), ("was", "was"), ("got", "got"))
"""The keys of the cells of a row and the titles of their columns."""


@dataclass(frozen=True, eq=False)
class ShownPage:
    """A document with its rows in the order of harm.

    ``context`` is in small print, ``line`` below the headline, ``seen`` right of the counts.
    ``status`` is that of runs that go on: ``progress`` counts the rows that have run again, ``far``
    is their share. ``passing`` is the kind of rows that may be left out of a large page. ``folds``
    has titles for the rows that no part has, by their kinds. ``inside`` makes what an open row
    shows.
    """

    document: Document
    context: tuple[Span, ...] = ()
    line: Line = ()
    status: Literal["", "waiting", "running"] = ""
    progress: tuple[Count, ...] = ()
    far: float = 0.0
    seen: str = ""
    name: str = ""
    rows: Mapping[str, PageRow] = field(default_factory=dict)
    columns: tuple[RunColumn, ...] = ()
    titles: tuple[tuple[str, str], ...] = COLUMNS
    passing: str = ""
    folds: Mapping[str, str] = field(default_factory=dict)
    inside: Callable[[str], Inside | None] = lambda _: None
    copies: tuple[tuple[str, str], ...] = ()  # texts that can be copied, by what the button says
