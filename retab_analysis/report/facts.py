"""What a report says, whichever way it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from retab_analysis.comparison import Comparison
from retab_analysis.comparison.render import FLIPPED, verdict_words
from retab_analysis.comparison.wording import headline, phrase
from retab_analysis.markup import one_line

_FLIPPED = pl.col("transition").is_in(FLIPPED)
_FAILING = pl.col("transition") == "still_failing"
_PASSING = pl.col("transition") == "still_passing"
_BLOCKS = {True: "changed", False: "did not change"}
_ROWS = 500
_PATHS = 30

HEADER = ("What", "Eval", "Block", "Block's code", "Document", "Before → now", "Why")
VALUES = {"Expected": "expected_value", "Before": "baseline_actual", "Now": "candidate_actual"}
PATH_HEADER = ("Path", "Before", "Now")
SHORT = 100
"""So much of a value stands in a table of Markdown; of longer ones it is said where they differ."""

Row = Mapping[str, Any]


def parts(comparison: Comparison) -> dict[str, pl.DataFrame]:
    """The tables of evals, by their titles."""
    evals = comparison.evals
    tables = {
        "What flipped": evals.filter(_FLIPPED),
        "Not counted": evals.filter(~_FLIPPED & ~_FAILING & ~_PASSING),
        "Still failing": evals.filter(_FAILING),
    }
    return {title: part for title, part in tables.items() if part.height}


def rows(evals: pl.DataFrame) -> Iterator[Row]:
    """The evals that are listed."""
    return evals.head(_ROWS).iter_rows(named=True)


def more(evals: pl.DataFrame) -> str | None:
    """How many are not."""
    return f"… and {evals.height - _ROWS:,} more" if evals.height > _ROWS else None


def title(comparison: Comparison) -> str:
    """The verdict and what became of the evals."""
    summary = comparison.summary.row(0, named=True)
    return f"{verdict_words(comparison.verdict)}: {headline(summary, comparison.evals)}"


def name(row: Row) -> str:
    """What to call an eval."""
    return one_line(row["eval_id"] if row["eval_name"] is None else row["eval_name"])


def documents(row: Row) -> str:
    """The names of an eval's documents."""
    return one_line(", ".join(each for each in row["document_names"] or () if each))


def state(row: Row, side: str) -> str:
    """What an eval came to on a side."""
    known: str | None = row[f"{side}_state"]
    return known or "absent"


def numbers(comparison: Comparison) -> list[tuple[str, str]]:
    """The statistics, each with its name."""
    row = comparison.summary.row(0, named=True)
    return [
        ("Pass rate before", _share(row["baseline_pass_rate"])),
        ("Pass rate now", _share(row["candidate_pass_rate"])),
        ("Comparable evals", f"{row['n_pairs']}, of which {row['n_discordant']} flipped"),
        ("Change over them", _change(row, comparison.alpha)),
        ("p (exact McNemar)", "–" if row["p_value"] is None else f"{row['p_value']:.2g}"),
        ("Gate with its default rule", "holds" if comparison.gate() else "does not hold"),
    ]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _change(row: Row, alpha: float) -> str:
    if row["delta"] is None:
        return "–"
    delta, low, high = (100 * row[name] for name in ("delta", "delta_low", "delta_high"))
    level = f"{100 - 100 * alpha:.4g} %"
    said = f"{delta:+.1f} points ({level} interval {low:+.1f} to {high:+.1f})"
    return said.replace("-", "−")


def changes(comparison: Comparison, row: Row) -> list[tuple[str | None, ...]]:
    """Where long values of the two sides differ: path, before, now."""
    if max(len(row[name] or "") for name in VALUES.values()) <= SHORT:
        return []
    differing = comparison.diff(row["eval_id"])
    sides = differing.filter(pl.col("baseline").ne_missing(pl.col("candidate")))
    listed = sides.select("path", "baseline", "candidate").head(_PATHS).rows()
    more = sides.height - _PATHS
    return listed if more <= 0 else [*listed, (f"… and {more:,} more", None, None)]


def cells(row: Row) -> list[object]:
    """What is said of an eval, under :data:`HEADER`."""
    return [
        phrase(row["transition"]),
        name(row),
        row["block_id"],
        _BLOCKS.get(row["block_changed"]),
        documents(row),
        f"{state(row, 'baseline')} → {state(row, 'candidate')}",
        row["reason"],
    ]
