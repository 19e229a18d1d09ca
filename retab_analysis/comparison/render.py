"""A comparison as HTML, Markdown and text: one renderer for notebooks, reports and views.

What is said comes from ``wording``; here it only gets its form. The sections and the columns of the
tables are the same whichever form is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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

HEADER = ("What", "Eval", "Block", "Edited", "Before → now", "Why")
ROWS = 200
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
        (*HEADER, *VALUES) if values else HEADER,
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
    return [*cells, *(html_code(row[column]) for column in VALUES.values())] if values else cells


def html_code(value: str | None) -> object:
    """A value of a customer's document."""
    return "–" if value is None else tag("code", value)


def to_markdown(document: Document, *, values: bool) -> str:
    """Markdown for GitHub: the same in the same order."""
    said = markup.markdown
    parts = [
        f"**{said(document.title)}**",
        *markdown_lines(document.explanation),
    ]
    for title, evals in document.sections().items():
        parts.append(f"{title}: {evals.height}")
        parts += markdown_table(evals, values)
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_lines(text: str) -> Iterator[str]:
    """A paragraph for each line of a text."""
    return map(markup.markdown, text.splitlines())


def markdown_table(evals: pl.DataFrame, values: bool, limit: int = ROWS) -> Iterator[str]:
    """Evals as a table, and how many more there are than ``limit``."""
    header = (*HEADER, *VALUES) if values else HEADER
    rows = (_markdown_cells(row, values) for row in evals.head(limit).iter_rows(named=True))
    yield markup.markdown_table(header, rows)
    yield markup.markdown(more(evals, limit))


def _markdown_cells(row: Row, values: bool) -> list[str]:
    shown = [markup.markdown(cell) for cell in describe(row)]
    return [*shown, *(markdown_code(row[name]) for name in VALUES.values())] if values else shown


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
