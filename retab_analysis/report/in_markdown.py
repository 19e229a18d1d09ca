"""A comparison as Markdown that reads well on GitHub."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from retab_analysis import markup
from retab_analysis.comparison import Comparison
from retab_analysis.markup import markdown, markdown_code, markdown_table
from retab_analysis.report import facts
from retab_analysis.report.facts import HEADER, PATH_HEADER, SHORT, VALUES, Row


def as_markdown(comparison: Comparison, values: bool) -> str:
    """The text of the file."""
    pieces = [f"# {markdown(facts.title(comparison))}", markdown(comparison.explain())]
    for title, evals in facts.parts(comparison).items():
        pieces += [f"## {title}", _markdown_evals(evals), markdown(facts.more(evals))]
        if values and title == "What flipped":
            pieces += _markdown_values(comparison, evals)
    numbers = [[markdown(name), markdown(said)] for name, said in facts.numbers(comparison)]
    pieces += ["## Numbers", markdown_table(("", ""), numbers)]
    return "\n\n".join(piece for piece in pieces if piece) + "\n"


def _markdown_evals(evals: pl.DataFrame) -> str:
    rows = ([markdown(each) for each in facts.cells(row)] for row in facts.rows(evals))
    return markdown_table(HEADER, rows)


def _markdown_values(comparison: Comparison, evals: pl.DataFrame) -> Iterator[str]:
    yield "### Values"
    yield markdown_table(
        ("Eval", "Document", *VALUES),
        (
            [markdown(facts.name(row)), markdown(facts.documents(row)), *_short_values(row)]
            for row in facts.rows(evals)
        ),
    )
    for row in facts.rows(evals):
        if changes := facts.changes(comparison, row):
            # As code, for Markdown's own escapes mean nothing here, and GitHub still looks for @.
            name = markdown_code(facts.name(row))
            yield f"<details><summary>Where it differs: {name}</summary>"
            cells = ([_code(each) for each in change] for change in changes)
            yield markdown_table(PATH_HEADER, cells)
            yield "</details>"


def _short_values(row: Row) -> list[str]:
    values = (row[name] for name in VALUES.values())
    return [_code(None if each is None else markup.one_line(each, SHORT)) for each in values]


def _code(value: str | None) -> str:
    return "" if value is None else markdown_code(value)
