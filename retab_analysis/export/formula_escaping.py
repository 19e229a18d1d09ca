"""Cells that a spreadsheet would execute: an apostrophe in front of them, and away again.

:func:`escape_formulas` maps different texts to different texts, and :func:`unescape_formulas` is
its inverse in both modes, so that reading does not need to know how a file was written.
"""

from __future__ import annotations

import polars as pl

# Spreadsheets drop spaces and characters that nobody sees before they look for a formula, and take
# the full-width forms of its signs for the signs themselves.
_FORMULA_START = r"(?:[\t\r\n]|[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠])"
_ESCAPED_FORMULA = rf"^'+{_FORMULA_START}"
_JSON_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\z"


def escape_formulas(text: pl.Expr, *, spreadsheet_safe: bool) -> pl.Expr:
    """Text as it is written.

    Args:
        text: Strings.
        spreadsheet_safe: Whether to put an apostrophe before what starts like a formula and is not
            a number. What looks escaped already gets another one in any case: else reading would
            take away an apostrophe that belongs to the text.
    """
    escaped = text.str.contains(_ESCAPED_FORMULA)
    if spreadsheet_safe:
        formula = text.str.contains(f"^{_FORMULA_START}") & ~text.str.contains(_JSON_NUMBER)
        escaped = escaped | formula
    return pl.when(~escaped).then(text).otherwise(pl.concat_str(pl.lit("'"), text))


def may_be_escaped(text: pl.Expr) -> pl.Expr:
    """Whether :func:`escape_formulas` could change a text; false of what it certainly does not."""
    return text.str.contains(f"^'*{_FORMULA_START}")


def unescape_formulas(text: pl.Expr) -> pl.Expr:
    """Text as it was before :func:`escape_formulas`."""
    return pl.when(text.str.contains(_ESCAPED_FORMULA)).then(text.str.slice(1)).otherwise(text)
