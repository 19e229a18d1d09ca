"""A comparison as HTML, Markdown and text, what flipped first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import polars as pl

from retab_analysis import markup
from retab_analysis.comparison.suite_test import BROKEN
from retab_analysis.comparison.wording import headline, phrase

if TYPE_CHECKING:
    from retab_analysis.comparison.comparison import Comparison

FLIPPED = (*BROKEN, "fixed")
_ASIDE = ("flaky", "incomplete", "not_comparable", "removed", "added")
SIGNS = {
    "regressed": ("✗", "bad"),
    "newly_blocked": ("⊘", "bad"),
    "newly_errored": ("‼", "bad"),
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
BLOCKS = {True: "changed", False: "did not change", None: ""}
_ROWS = 200
_LINES = 12
_VALUES = ("expected_value", "baseline_actual", "candidate_actual")


def verdict_words(verdict: str) -> str:
    """The verdict with its sign."""
    return VERDICTS[verdict][0]


def as_html(comparison: Comparison, *, values: bool) -> markup.Html:
    """A fragment: the verdict, three sentences, what flipped; the rest to be opened."""
    evals = comparison.evals
    words, kind = VERDICTS[comparison.verdict]
    summary = comparison.summary.row(0, named=True)
    head = markup.tag(
        "div",
        markup.tag("span", words, class_=f"rta-{kind}"),
        f" · {headline(summary, evals)}",
        class_="rta-head rta-text",
    )
    parts = [head, markup.tag("div", comparison.explain(), class_="rta-text")]
    flipped = evals.filter(pl.col("transition").is_in(FLIPPED))
    if flipped.height:
        parts.append(_scrolled(flipped, values))
    aside = evals.filter(pl.col("transition").is_in(_ASIDE))
    if aside.height:
        opened = markup.tag("summary", f"{aside.height} not counted")
        parts.append(markup.tag("details", opened, _scrolled(aside, values)))
    return markup.fragment(*parts)


def _scrolled(evals: pl.DataFrame, values: bool) -> markup.Html:
    rows = (_html_row(row, values) for row in evals.head(_ROWS).iter_rows(named=True))
    shown = markup.table(_header(values), rows)
    return markup.tag(
        "div", shown, _more(evals.height, markup.escape), class_="rta-scroll", tabindex="0"
    )


def _header(values: bool) -> list[str]:
    header = ["What", "Eval", "Block", "Block's code", "Before → now", "Why"]
    return [*header, "Expected", "Before", "Now"] if values else header


def _html_row(row: Mapping[str, object], values: bool) -> list[object]:
    transition = str(row["transition"])
    sign, kind = SIGNS[transition]
    cells: list[object] = [
        markup.tag("span", f"{sign} {phrase(transition)}", class_=f"rta-tag rta-{kind}"),
        markup.tag("span", markup.name(_name(row)), title=row["eval_id"]),
        markup.name(row["block_id"]),
        BLOCKS[_flag(row["block_changed"])],
        _states(row),
        row["reason"],
    ]
    return [*cells, *(markup.tag("code", row[name]) for name in _VALUES)] if values else cells


def as_markdown(comparison: Comparison, *, values: bool) -> str:
    """Markdown for GitHub: the same in the same order."""
    evals, said = comparison.evals, markup.markdown
    summary = comparison.summary.row(0, named=True)
    parts = [
        f"**{said(verdict_words(comparison.verdict))}** · {said(headline(summary, evals))}",
        said(comparison.explain()),
    ]
    for title, names in (("", FLIPPED), ("Not counted:", _ASIDE)):
        chosen = evals.filter(pl.col("transition").is_in(names))
        if chosen.height:
            rows = [_markdown_row(row, values) for row in chosen.head(_ROWS).iter_rows(named=True)]
            parts += [
                title,
                markup.markdown_table(_header(values), rows),
                _more(chosen.height, said),
            ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_row(row: Mapping[str, object], values: bool) -> list[str]:
    transition = str(row["transition"])
    cells = (
        f"{SIGNS[transition][0]} {phrase(transition)}",
        _name(row),
        row["block_id"],
        BLOCKS[_flag(row["block_changed"])],
        _states(row),
        row["reason"],
    )
    shown = [markup.markdown(cell) for cell in cells]
    code = [_code(row[name]) for name in _VALUES] if values else []
    return [*shown, *code]


def _code(value: object) -> str:
    return "" if value is None else markup.markdown_code(value)


def as_text(comparison: Comparison) -> str:
    """A few lines for a terminal."""
    evals = comparison.evals
    summary = comparison.summary.row(0, named=True)
    lines = [f"{verdict_words(comparison.verdict)}: {headline(summary, evals)}"]
    flipped = evals.filter(pl.col("transition").is_in(FLIPPED))
    lines += [_line(row) for row in flipped.head(_LINES).iter_rows(named=True)]
    if flipped.height > _LINES:
        lines.append(f"  … and {flipped.height - _LINES} more, see .evals")
    return "\n".join([*lines, comparison.explain()])


def _line(row: Mapping[str, object]) -> str:
    transition = str(row["transition"])
    block = ", ".join(
        each
        for each in (markup.one_line(row["block_id"]), BLOCKS[_flag(row["block_changed"])])
        if each
    )
    name = markup.one_line(_name(row), 60)
    return f"  {SIGNS[transition][0]} {phrase(transition)}: {name}" + (
        f" ({block})" if block else ""
    )


def _name(row: Mapping[str, object]) -> object:
    return row["eval_id"] if row["eval_name"] is None else row["eval_name"]


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _states(row: Mapping[str, object]) -> str:
    before, now = (row[f"{side}_state"] or "absent" for side in ("baseline", "candidate"))
    return f"{before} → {now}"


def _more(height: int, said: Callable[[object], str]) -> str:
    return said(f"… and {height - _ROWS} more") if height > _ROWS else ""
