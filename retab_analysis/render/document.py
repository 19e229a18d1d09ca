"""The tree of a document: plain data that every renderer reads in the same order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Look = Literal["plain", "strong", "quiet", "code", "value", "wrong", "right", "removed", "added"]
"""The look of a piece of a line; every form marks ``removed`` and ``added``."""

Tone = Literal["bad", "blocked", "error", "doubt", "flaky", "known", "new", "other", "good"]
"""The meaning of a sign, a count or a card; each has one colour everywhere."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line; its title, an id for example, shows under a pointer."""

    text: str
    look: Look = "plain"
    title: str | None = None


Line = tuple[Span, ...]


def write_line(*parts: str | Span | None) -> Line:
    """A line of pieces; texts are plain, and empty pieces are left out."""
    spans = (Span(part) if isinstance(part, str) else part for part in parts if part)
    return tuple(span for span in spans if span.text)


def plain(line: Line) -> str:
    """A line without its looks."""
    return "".join(span.text for span in line)


@dataclass(frozen=True, slots=True)
class Heading:
    """The first line: a sign, the main part, and the rest of the sentence."""

    sign: str
    tone: Tone
    strong: str
    rest: str = ""

    def __str__(self) -> str:
        return f"{self.sign} {self.strong}{self.rest}"


@dataclass(frozen=True, slots=True)
class Count:
    """A number of some kind, which has a key."""

    key: str
    number: int
    word: str
    tone: Tone

    def __str__(self) -> str:
        return f"{self.number:,} {self.word}"


@dataclass(frozen=True, slots=True)
class Change:
    """A change at a place, with marked pieces."""

    label: str
    line: Line


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: lines, and differences that the reader can unfold.

    ``key`` says what it holds, whatever its column is called.
    """

    key: str = ""
    lines: tuple[Line, ...] = ()
    folded: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, with one cell for each column.

    ``key`` says what it is about, an eval's id for example. ``word`` is the sign for readers who
    cannot see it. In a line of text, ``brief`` replaces all cells except the first.
    """

    key: str
    sign: str
    tone: Tone
    word: str
    cells: tuple[Cell, ...]
    brief: Line | None = None


@dataclass(frozen=True, slots=True)
class ColumnTitle:
    """A column of a table."""

    title: str
    in_text: bool = True  # whether a line of text also has it
    named: bool = False  # a line of text and a narrow page show its title before the value


@dataclass(frozen=True, slots=True)
class DocumentTable:
    """Rows under their columns; each form shows as many as fit."""

    columns: tuple[ColumnTitle, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A separate line."""

    line: Line


EDITS = 6
"""How many changes a page and a text show at once."""


@dataclass(frozen=True, slots=True)
class ChangeList:
    """Changes, place by place."""

    differences: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """Parts that belong together, under a title; ``now`` replaces the aside."""

    tone: Tone
    title: Line
    aside: Line
    parts: tuple[Part, ...]
    now: Line = ()


@dataclass(frozen=True, slots=True)
class Folded:
    """A part that the reader can unfold, with its count; in a line of text ``brief``.

    ``now`` stands behind its count.
    """

    key: str
    title: str
    count: int | None
    parts: tuple[Part, ...]
    brief: Line | None = None
    now: Line = ()


Part = Note | ChangeList | DocumentTable | Card | Folded


@dataclass(frozen=True, slots=True)
class Document:
    """A whole document, its parts in reading order.

    ``context`` is in small print; at the end of a line of text ``brief`` takes its place. The badge
    is a judgement in two words. ``counts`` add up.
    """

    heading: Heading
    context: tuple[Span, ...]
    brief: str
    badge: str
    badge_tone: Tone
    notes: tuple[Line, ...]
    counts: tuple[Count, ...]
    parts: tuple[Part, ...]
    next: Line = ()


@dataclass(frozen=True, slots=True)
class FailedTry:
    """One of several tries of a case that did not pass."""

    kind: Literal["failure", "error"]
    message: str


@dataclass(frozen=True, slots=True)
class Case:
    """A case of a test suite; ``key`` distinguishes it from others of the same name.

    ``message`` is one line, empty if it passed. ``attempts`` are further tries that did not pass,
    except the one of the message.
    """

    name: str
    key: str
    group: str
    outcome: Literal["passed", "failed", "xfailed", "skipped"]
    message: str = ""
    details: str = ""
    attempts: tuple[FailedTry, ...] = ()
