"""Best of three, both sides in turns, and a table of what came out.

A benchmark is a module of this package with ``NAME``, with ``PROMISES`` (the least ratio for each
label that has one), and with ``measure(size)``, which gives a :class:`Row` for each label.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

ROUNDS = 3


@dataclass(frozen=True)
class Row:
    """One comparison: how many units a second each side does."""

    label: str
    unit: str
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs


def compare(
    label: str, unit: str, units: int, ours: Callable[[], object], theirs: Callable[[], object]
) -> Row:
    """Let both sides do the same work of so many units, in turns, and take the best of each."""
    best = [math.inf, math.inf]
    for _ in range(ROUNDS):
        for side, work in enumerate((ours, theirs)):
            best[side] = min(best[side], seconds(work))
    return Row(label, unit, units / best[0], units / best[1])


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, starting without garbage; the collector stays on, as in real use."""
    gc.collect()
    start = time.perf_counter()
    done = work()
    took = time.perf_counter() - start
    del done  # freeing what came out is not part of the work
    return took


HEADER = ("benchmark", "measured", "ours", "SDK", "ratio", "promised")


def table(name: str, rows: Sequence[Row], promises: Mapping[str, float]) -> list[tuple[str, ...]]:
    """The cells of a benchmark's lines."""
    return [
        (
            name,
            row.label,
            f"{row.ours:,.0f} {row.unit}/s",
            f"{row.theirs:,.0f} {row.unit}/s",
            f"{row.ratio:.1f}",
            f"≥ {promises[row.label]:g}" if row.label in promises else "",
        )
        for row in rows
    ]


def broken(rows: Sequence[Row], promises: Mapping[str, float]) -> list[str]:
    """The labels whose promise is not kept; one that was not measured is not kept either."""
    measured = {row.label: row.ratio for row in rows}
    return [label for label, least in promises.items() if measured.get(label, 0) < least]


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table that reads well as it is, and can be put into the README."""
    cells = [HEADER, *lines]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADER))]
    ruler = ["-" * width for width in widths]
    return "".join(
        "| " + " | ".join(map(str.ljust, line, widths)) + " |\n" for line in (HEADER, ruler, *lines)
    )
