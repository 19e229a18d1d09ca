"""Cells that a spreadsheet would take for formulas: an apostrophe in front, and away again.

``guarded`` maps different texts to different texts and ``unguarded`` is its inverse, whether
formulas were defused or not, so that reading need not know how the file was written.
"""

from __future__ import annotations

import polars as pl

_ACTIVE = r"[=+\-@\t\r\n]"
_QUOTED_ACTIVE = rf"^'+{_ACTIVE}"
_JSON_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\z"


def guarded(text: pl.Expr, *, spreadsheet_safe: bool) -> pl.Expr:
    """Text as it is written.

    Args:
        text: Strings.
        spreadsheet_safe: Also defuse what starts a formula and is no number.
    """
    marked = text.str.contains(_QUOTED_ACTIVE)
    if spreadsheet_safe:
        active = text.str.contains(f"^{_ACTIVE}") & ~text.str.contains(_JSON_NUMBER)
        marked = marked | active
    return pl.when(~marked).then(text).otherwise(pl.concat_str(pl.lit("'"), text))


def unguarded(text: pl.Expr) -> pl.Expr:
    """Text as it was before :func:`guarded`."""
    return pl.when(text.str.contains(_QUOTED_ACTIVE)).then(text.str.slice(1)).otherwise(text)
