"""A comparison as HTML, Markdown and text: one renderer for notebooks, reports and views.

What is said comes from ``wording``; here it only gets its form. The sections and the columns of the
tables are the same whichever form is asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from retab_analysis import markup
from retab_analysis.comparison.wording import phrase
from retab_analysis.markup import Html, tag
from retab_analysis.vocabulary import BROKEN, FLIPPED, NOT_COUNTED

SIGNS = {
    "regressed": ("✗", "bad"),
    "newly_blocked": ("⊘", "bad"),
    "newly_errored": ("‼", "bad"),
    "suspect": ("?", "doubt"),
    "fixed": ("✓", "good"),
    "flaky": ("≈", "doubt"),
    "incomplete": ("…", "doubt"),
    "not_comparable": ("≠", "other"),
    "removed": ("−", "other"),
    "added": ("+", "other"),
    "still_failing": ("×", "other"),
    "still_passing": ("·", "other"),
}
"""The sign of each transition, and what it means for the candidate."""

VERDICTS = {
    "regressed": ("✗ Regressed", "bad"),
    "improved": ("✓ Improved", "good"),
    "no_change": ("= No change", "good"),
    "inconclusive": ("? Inconclusive", "doubt"),
}
"""The words of each verdict, and what it means for the candidate."""

BLOCKS = {True: "edited", False: "not edited", None: ""}
"""What is said of the code of an eval's block, by ``block_changed``."""

VALUES = {"Expected": "expected_value", "Before": "baseline_actual", "Now": "candidate_actual"}
"""The headings of the values of an eval, and where they stand in ``Comparison.evals``."""

SHOWN_VALUES = {"Asserted": "condition", **VALUES}
"""The same, with what is asserted of them."""

HEADER = ("What", "Eval", "Block", "Edited", "Before → now", "Why")
ROWS = 200

LONGEST_MARKDOWN = 60_000
"""So many characters a page of Markdown may have; GitHub takes 65,536 in a comment."""

FEWER_ROWS = (500, 200, 100, 50, 20, 5)
"""How many rows a table of Markdown may have, tried one after the other."""

_LINES = 12

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Document:
    """What is rendered of a comparison."""

    verdict: str
    headline: str
    explanation: str
    evals: pl.DataFrame

    @property
    def mark(self) -> tuple[str, str]:
        """What stands before the headline, and its kind.

        Where an eval is called broken that is the sign alone, whatever can be said of the suite as
        a whole: the headline says what broke.
        """
        if self.evals["transition"].is_in(BROKEN).any():
            return SIGNS["regressed"]
        words, kind = VERDICTS[self.verdict]
        return f"{words}:", kind

    @property
    def title(self) -> str:
        """The mark and the headline, one line of text."""
        return f"{self.mark[0]} {self.headline}"

    def sections(self) -> dict[str, pl.DataFrame]:
        """The tables of evals by their titles, what needs attention first; none is empty."""
        transition = pl.col("transition")
        named = {
            "Broke": BROKEN,
            "Suspects": ("suspect",),
            "Ended in an error": ("newly_errored",),
            "Fixed": ("fixed",),
            "Not counted": NOT_COUNTED,
            "Still failing": ("still_failing",),
        }
        found = {title: self.evals.filter(transition.is_in(of)) for title, of in named.items()}
        return {title: evals for title, evals in found.items() if evals.height}


OPEN = ("Broke", "Suspects", "Ended in an error", "Fixed")
"""The sections that are shown at once; the others are opened by the reader."""


def name_eval(row: Row) -> str:
    """What to call an eval, in one line."""
    return markup.one_line(row["eval_id"] if row["eval_name"] is None else row["eval_name"])


def state_of_side(row: Row, side: str) -> str:
    """What an eval came to on a side."""
    known: str | None = row[f"{side}_state"]
    return known or "absent"


def describe(row: Row) -> list[object]:
    """What is said of an eval, under :data:`HEADER`, as plain values."""
    return [
        f"{SIGNS[row['transition']][0]} {phrase(row['transition'])}",
        name_eval(row),
        row["block_id"],
        BLOCKS[row["block_changed"]],
        f"{state_of_side(row, 'baseline')} → {state_of_side(row, 'candidate')}",
        row["reason"],
    ]


def to_html(document: Document, *, values: bool) -> Html:
    """A fragment for a notebook: the verdict, what is said, what broke; the rest to be opened."""
    words, kind = document.mark
    head = tag(
        "div",
        tag("span", words, class_=f"rta-{kind}"),
        f" {document.headline}",
        class_="rta-head rta-text",
    )
    parts = [head, tag("div", document.explanation, class_="rta-text")]
    for title, evals in document.sections().items():
        table = tag("div", html_table(evals, values), class_="rta-scroll", tabindex="0")
        if title in OPEN:
            heading = tag("div", f"{title}: {evals.height}", class_="rta-title")
            parts += [heading, table]
        else:
            summary = tag("summary", f"{title}: {evals.height}")
            parts.append(tag("details", summary, table))
    return markup.fragment(*parts)


def html_table(evals: pl.DataFrame, values: bool, limit: int = ROWS) -> Html:
    """Evals as a table, and how many more there are than ``limit``."""
    shown = markup.table(
        (*HEADER, *SHOWN_VALUES) if values else HEADER,
        (html_cells(row, values) for row in evals.head(limit).iter_rows(named=True)),
    )
    return markup.join(shown, more(evals, limit))


def html_cells(row: Row, values: bool) -> list[object]:
    """The cells of one eval."""
    what, name, block, code, _, why = describe(row)
    sides = (markup.sign(state_of_side(row, side)) for side in ("baseline", "candidate"))
    cells: list[object] = [
        tag("span", what, class_=f"rta-tag rta-{SIGNS[row['transition']][1]}"),
        tag("span", markup.name(name), title=row["eval_id"]),
        markup.name(markup.one_line(block)),
        code,
        tag("span", markup.join(*sides, by=" → "), class_="rta-tag"),
        markup.one_line(why),
    ]
    shown = (html_code(row[column]) for column in SHOWN_VALUES.values())
    return [*cells, *shown] if values else cells


def html_code(value: str | None) -> object:
    """A value of a customer's document."""
    return "–" if value is None else tag("code", value)


def to_markdown(document: Document, *, values: bool) -> str:
    """Markdown for GitHub: the same in the same order, and short enough for a pull request."""
    sections = document.sections()

    def write(rows: int, valued: int) -> str:
        parts = [f"**{markup.markdown(document.title)}**", *markdown_lines(document.explanation)]
        left = valued
        for title, evals in sections.items():
            parts.append(f"{title}: {evals.height}")
            parts += markdown_table(evals, rows, left)
            left = max(0, left - min(rows, evals.height))
        listed = sum(min(rows, evals.height) for evals in sections.values())
        parts += _say_missing_values(listed - valued) if values else []
        return "\n\n".join(part for part in parts if part) + "\n"

    pieces = sum(evals.height for evals in sections.values()) if values else 0
    return fit_markdown(write, [each for each in FEWER_ROWS if each <= ROWS], pieces)


def markdown_lines(text: str) -> Iterator[str]:
    """A paragraph for each line of a text."""
    return map(markup.markdown, text.splitlines())


def fit_markdown(write: Callable[[int, int], str], rows: Iterable[int], values: int) -> str:
    """The longest page that a pull request has room for: all rows that fit, then all values.

    Values are left out from the end, and after them rows. A page that is too long with the fewest
    rows, because of very long names, loses its last lines.

    Args:
        write: Writes the page, for how many rows a table has at most and how many values are shown;
            and says on it what it left out.
        rows: How many rows a table may have, the most first.
        values: How many values there are.
    """
    for limit in rows:
        page = write(limit, 0)
        if len(page) <= LONGEST_MARKDOWN:
            break
    else:
        return _cut_lines(page)
    whole = write(limit, values)
    if len(whole) <= LONGEST_MARKDOWN:
        return whole

    def measure(count: int) -> int:
        return len(write(limit, count))

    return write(limit, bisect_right(range(values), LONGEST_MARKDOWN, key=measure) - 1)


def _cut_lines(page: str) -> str:
    note = f"… {say_room('the rest')}"
    room, kept = LONGEST_MARKDOWN - len(note) - 2, []
    for line in page.split("\n"):
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join([*kept, "", note])


def say_room(what: str) -> str:
    """Why something is left out of a page of Markdown."""
    return (
        f"Left out: {what}, because a pull request has room for no more than about "
        f"{LONGEST_MARKDOWN:,} characters."
    )


def _say_missing_values(missing: int) -> list[str]:
    if missing <= 0:
        return []
    evals = "the last eval" if missing == 1 else f"the last {missing:,} evals"
    return [markup.markdown(say_room(f"the values of {evals}"))]


def markdown_table(evals: pl.DataFrame, limit: int = ROWS, valued: int = 0) -> Iterator[str]:
    """Evals as a table, and how many more there are than ``limit``.

    Args:
        evals: The evals.
        limit: How many rows there are at most.
        valued: For how many of them the values are shown, too.
    """
    header = (*HEADER, *SHOWN_VALUES) if valued else HEADER
    rows = []
    for at, row in enumerate(each_row(evals, limit)):
        cells = [markup.markdown(cell) for cell in describe(row)]
        columns = SHOWN_VALUES.values() if valued else ()
        known = (markdown_code(row[name]) if at < valued else "…" for name in columns)
        rows.append([*cells, *known])
    yield markup.markdown_table(header, rows)
    yield markup.markdown(more(evals, limit))


def markdown_code(value: str | None) -> str:
    """A value of a customer's document."""
    return "" if value is None else markup.markdown_code(value)


def to_text(document: Document) -> str:
    """Some lines for a terminal: the title, what broke or is suspect, and the explanation."""
    shown = document.evals.filter(pl.col("transition").is_in(FLIPPED))
    lines = [document.title, *map(_text_line, shown.head(_LINES).iter_rows(named=True))]
    if shown.height > _LINES:
        lines.append(f"  … and {shown.height - _LINES} more, see .evals")
    return "\n".join([*lines, document.explanation])


def _text_line(row: Row) -> str:
    what, _, block, code, _, _ = describe(row)
    where = ", ".join(str(each) for each in (markup.one_line(block), code) if each)
    name = markup.one_line(name_eval(row), 60)
    return f"  {what}: {name}" + (f" ({where})" if where else "")


def more(evals: pl.DataFrame, limit: int) -> str:
    """How many evals are not listed, in words; empty where all are."""
    return f"… and {evals.height - limit:,} more" if evals.height > limit else ""


def each_row(evals: pl.DataFrame, limit: int = ROWS) -> Iterable[Row]:
    """The evals that are listed."""
    return evals.head(limit).iter_rows(named=True)
