"""Both sides in turns, the median of each, and a table of what came out.

A benchmark is a module of this package with ``NAME``, with ``PROMISES`` (for each label that has
one, the least ratio, or :class:`AtMost`), and with ``measure(size)``, which gives for each label a
:class:`Row`, or a :class:`Figure` where there is nothing to compare with.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

# Medians of rounds in turns: the speed of a processor's clock changes, and the best rounds of both
# sides are not of the same moment.
ROUNDS = 5
# What is short is measured more often.
AT_LEAST, _MOST_ROUNDS = 5.0, 15


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

    @property
    def judged(self) -> float:
        """What is held against the promise."""
        return self.ratio

    def cells(self) -> tuple[str, str, str]:
        ours, theirs = (f"{each:,.0f} {self.unit}/s" for each in (self.ours, self.theirs))
        return ours, theirs, f"{self.ratio:.1f}"


@dataclass(frozen=True)
class Figure:
    """Something that the SDK has no counterpart for."""

    label: str
    value: float
    unit: str

    @property
    def judged(self) -> float:
        """What is held against the promise."""
        return self.value

    def cells(self) -> tuple[str, str, str]:
        digits = 0 if self.value >= 100 else 2 if self.value < 10 else 1
        return f"{self.value:,.{digits}f} {self.unit}", "", ""


class AtMost(float):
    """A promise that is kept by what is not larger."""


def compare(
    label: str, unit: str, units: int, ours: Callable[[], object], theirs: Callable[[], object]
) -> Row:
    """Let both sides do the same work of so many units, in turns, and take the median of each."""
    took = medians_of_both(lambda: seconds(ours), lambda: seconds(theirs))
    return Row(label, unit, units / took[0], units / took[1])


def medians_of_both(ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float]:
    """Measure both sides in turns, each by a function that gives seconds; the median of each."""
    rounds: list[tuple[float, float]] = []
    while len(rounds) < ROUNDS or (sum(map(sum, rounds)) < AT_LEAST and len(rounds) < _MOST_ROUNDS):
        rounds.append((ours(), theirs()))
    return median(each[0] for each in rounds), median(each[1] for each in rounds)


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """How long it takes, starting without garbage; the collector stays on, as in real use."""
    gc.collect()
    start = clock()
    done = work()
    took = clock() - start
    del done  # freeing what came out is not part of the work
    return took


def processor_seconds(work: Callable[[], object]) -> float:
    """The processor time of all threads of this process; waiting for others takes none."""
    return seconds(work, time.process_time)


def alone(name: str, *arguments: object, **environment: str) -> Any:
    """What a benchmark's own program, ``python -m benchmarks.NAME``, says as JSON.

    A process of its own has not used more memory before, and loads the code anew.
    """
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}", *map(str, arguments)]
    places = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    # A library is compiled once.
    settings = {**os.environ, **places, "PYTHONDONTWRITEBYTECODE": "", **environment}
    return json.loads(subprocess.check_output(command, env=settings))


def python_calls(work: Callable[[], object]) -> int:
    """How many functions of Python are called, in this thread and in those that it starts."""
    calls = 0
    lock = threading.Lock()

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        if event == "call":
            with lock:
                calls += 1

    before = sys.getprofile()
    threading.setprofile(count)
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
        threading.setprofile(before)
    return calls


HEADER = ("benchmark", "measured", "ours", "SDK", "ratio", "promised")


def table(
    name: str, rows: Sequence[Row | Figure], promises: Mapping[str, float]
) -> list[tuple[str, ...]]:
    """The cells of a benchmark's lines."""
    return [(name, row.label, *row.cells(), _promised(promises.get(row.label))) for row in rows]


def _promised(promise: float | None) -> str:
    if promise is None:
        return ""
    return f"{'≤' if isinstance(promise, AtMost) else '≥'} {promise:g}"


def broken(rows: Sequence[Row | Figure], promises: Mapping[str, float]) -> list[str]:
    """The labels whose promise is not kept; one that was not measured is not kept either."""
    measured = {row.label: row.judged for row in rows}
    return [label for label, each in promises.items() if not _kept(each, measured.get(label))]


def _kept(promise: float, measured: float | None) -> bool:
    if measured is None:
        return False
    return measured <= promise if isinstance(promise, AtMost) else measured >= promise


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table that reads well as it is, and can be put into the README."""
    cells = [HEADER, *lines]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADER))]
    ruler = ["-" * width for width in widths]
    return "".join(
        "| " + " | ".join(map(str.ljust, line, widths)) + " |\n" for line in (HEADER, ruler, *lines)
    )
