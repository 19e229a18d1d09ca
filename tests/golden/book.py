"""The golden book: what is said today, as text that a person reviews as a diff.

A file is a list of entries. An entry is a line of its own and indented lines, one for each aspect;
so git names the entry above each hunk. A new aspect is one pair more in the list of an entry's
aspects; its text may have several lines. Whoever wants a whole text to be held adds it there, or to
a file of its own.
"""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
MOST_NAMED = 6
MOST_SHOWN = 200
Aspects = Sequence[tuple[str, str]]


def hold(name: str, text: str) -> None:
    """Fail, with a diff, where a file of the book says something else; write it if asked to."""
    path = HERE / name
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text, encoding="utf-8", newline="\n")
        return
    recorded = path.read_text(encoding="utf-8").splitlines()
    difference = [
        *difflib.unified_diff(
            recorded, text.splitlines(), f"recorded in {name}", "now", lineterm=""
        )
    ]
    if difference:
        shown = [*difference[:MOST_SHOWN], f"({len(difference)} lines of difference)"]
        ask = "If that is meant, run: GOLDEN=write pytest tests/golden, and review the diff."
        pytest.fail("\n".join([*shown, ask]), pytrace=False)


def write_entry(title: str, aspects: Aspects) -> str:
    """An entry; control characters are escaped, and an aspect of several lines is indented."""
    lines = [_visible(title)]
    for name, text in aspects:
        first, *others = text.splitlines() or [""]
        lines += [f"  {name:<10}{_visible(first)}".rstrip()]
        lines += [f"  {'':<10}{_visible(each)}".rstrip() for each in others]
    return "\n".join(lines) + "\n"


def _visible(text: str) -> str:
    return re.sub(r"[^\x20-\U0010ffff]|[\x7f-\x9f]", lambda at: ascii(at[0])[1:-1], text)


def describe_verdict(
    headline: str, verdict: str, evals: Iterable[Mapping[str, Any]], gate: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """The aspects of a verdict.

    Args:
        headline: Its first line.
        verdict: What the statistics say.
        evals: The rows of ``Comparison.evals``.
        gate: What ``Comparison.gate()`` gave, by name.
    """
    rows = list(evals)
    return [
        ("headline", headline),
        ("verdict", verdict),
        ("counts", count_transitions(rows)),
        ("evals", "\n".join(name_evals(rows, MOST_NAMED)) or "all pass as before"),
        ("gate", _describe_gate(gate)),
    ]


def count_transitions(rows: Iterable[Mapping[str, Any]]) -> str:
    """How many evals there are of each transition."""
    counts = Counter(row["transition"] for row in rows)
    return ", ".join(f"{counts[each]} {each}" for each in sorted(counts))


def say_number(number: float | None) -> str:
    """Two digits; a tie is rounded up, whatever the machine's last digit is."""
    return "-" if number is None else f"{number + 1e-9:.2f}"


def name_evals(rows: Iterable[Mapping[str, Any]], most: int) -> list[str]:
    """A line for what became of evals, with the run and the cause; each eval with its p.

    Args:
        rows: Rows of ``Comparison.evals``; what still passes is left out.
        most: How many evals a line may name.
    """
    groups: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: row["eval_id"]):
        if row["transition"] != "still_passing":
            since = f" since {row['since_run_id']}" if row["since_run_id"] else ""
            cause = f" ({row['cause']})" if row["cause"] else ""
            evals = groups.setdefault(f"{row['transition']}{since}{cause}", [])
            evals.append(f"{row['eval_id']} {say_number(row['p_regressed'])}")
    return [f"{group}: {_shorten(groups[group], most)}" for group in sorted(groups)]


def _describe_gate(gate: Mapping[str, Any]) -> str:
    failing = f"fails, reasons: {len(gate['reasons'])}"
    lines = [("holds", failing, "undecided")[gate["exit_code"]]]
    for name in ("failing", "undecided", "accepted"):
        if gate.get(name):
            lines.append(f"{name}: {_shorten(sorted(gate[name]), MOST_NAMED)}")
    return "\n".join(lines)


def _shorten(words: Sequence[str], most: int) -> str:
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")
