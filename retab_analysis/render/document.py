"""The tree of a document: plain data that every renderer reads in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
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
class Trend:
    """Rates over time: places from 0 to 1, without those that have no rate, and marks."""

    points: tuple[tuple[float, float], ...]
    edits: tuple[float, ...] = ()
    outages: tuple[float, ...] = ()
    tone: Tone = "other"
    said: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: lines, and differences that the reader can unfold.

    ``key`` says what it holds, whatever its column is called. ``letter`` is a state (LETTERS).
    """

    key: str = ""
    lines: tuple[Line, ...] = ()
    folded: tuple[Change, ...] = ()
    letter: str = ""
    trend: Trend | None = None


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
class Row:
    """A row of a table, with one cell for each column.

    ``key`` says what it is about, an eval's id for example. ``word`` is the sign for readers who
    cannot see it. In a line of text, ``brief`` replaces all cells except the first. A page opens a
    row that has an ``inside``. ``kind`` is the key of its count, ``progress`` that of its count
    while runs go on. ``group`` is the key of the columns' edits, ``group_name`` its name. ``text``
    is searched beside what is shown. ``letters`` has one for each run of the document, ``tint`` the
    place of the run that judged it. ``mark`` stands under *got*; if it is another
    result, ``now`` says whether a good one.
    """

    key: str
    sign: str
    tone: Tone
    word: str
    cells: tuple[Cell, ...]
    brief: Line | None = None
    kind: str = ""
    group: str = ""
    group_name: str = ""
    text: str = ""
    letters: str = ""
    tint: int | None = None
    mark: Line = ()
    now: Literal["", "good", "bad"] = ""
    progress: str = ""
    inside: Callable[[], Inside | None] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table, or a run of a matrix.

    ``lines`` and ``told`` stand below its title, between them a bar with the ``shares`` of what
    passed and what failed. ``marks`` say what it is: ``edit``, ``last``; of a run ``checked``,
    ``baseline``, ``now``, ``gap``. ``about`` shows under a pointer. ``edited`` are the groups that
    differ from there on.
    """

    title: str
    key: str = ""
    in_text: bool = True  # whether a line of text also has it
    named: bool = False  # a line of text and a narrow page show its title before the value
    lines: tuple[Line, ...] = ()
    shares: tuple[float, float] | None = None
    told: tuple[str, ...] = ()
    marks: frozenset[str] = frozenset()
    about: str = ""
    edited: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DocumentTable:
    """Rows under their columns; each form shows as many as fit."""

    columns: tuple[TableColumn, ...]
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
class Head:
    """What stands above a document, the same in every form.

    ``context`` is in small print: the workflow, the code, the number of evals. ``brief`` takes its
    place in a line of text. ``going`` says how far runs are (``status`` in a word, ``far`` their
    share, ``seconds`` since one began), ``judged`` which runs judged, ``seen`` when that was. The
    badge is a judgement in two words.
    """

    heading: Heading
    context: tuple[Span, ...] = ()
    brief: str = ""
    badge: str = ""
    badge_tone: Tone = "other"
    going: Line = ()
    judged: Line = ()
    seen: str = ""
    status: Literal["", "waiting", "running", "away"] = ""
    seconds: float | None = None
    far: float = 0.0

    @property
    def line(self) -> Line:
        """How far the runs are, and which ones judged."""
        between = (Span(" · "),) if self.going and self.judged else ()
        return (*self.going, *between, *self.judged)


@dataclass(frozen=True, slots=True)
class Document:
    """A whole document, its parts in reading order.

    ``counts`` add up; ``progress`` counts what has run again. ``columns`` are the usual ones of a
    table, ``runs`` those of the matrix that every row has. A large page may leave out rows of the
    kind ``passing``.
    """

    head: Head
    notes: tuple[Line, ...] = ()
    counts: tuple[Count, ...] = ()
    parts: tuple[Part, ...] = ()
    next: Line = ()
    progress: tuple[Count, ...] = ()
    columns: tuple[TableColumn, ...] = ()
    runs: tuple[TableColumn, ...] = ()
    passing: str = ""
    name: str = ""
    copies: tuple[tuple[str, str], ...] = ()  # texts that can be copied, by what the button says


LETTERS: Mapping[str, str] = {
    "p": "passed",
    "f": "failed",
    "b": "blocked",
    "e": "error",
    "c": "cancelled",
    "r": "running",
    "n": "not yet",
    "s": "mixed",
    "o": "",  # not run
    "-": "",  # the gap between two sides
}
"""What each letter of a row stands for, in words."""


def list_rows(parts: Iterable[Part]) -> Iterator[Row]:
    """All rows, in their order."""
    for part in parts:
        if isinstance(part, DocumentTable):
            yield from part.rows
        elif isinstance(part, Card | Folded):
            yield from list_rows(part.parts)


def change_rows(parts: Iterable[Part], change: Callable[[Row], Row]) -> tuple[Part, ...]:
    """The parts with other rows."""
    return tuple(_change(each, change) for each in parts)


def _change(part: Part, change: Callable[[Row], Row]) -> Part:
    if isinstance(part, DocumentTable):
        return replace(part, rows=tuple(map(change, part.rows)))
    if isinstance(part, Card | Folded):
        return replace(part, parts=change_rows(part.parts, change))
    return part


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
