"""What a click in the explorer takes on the Python side: rows, plots, table, messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import retab_analysis as ra
from benchmarks import bodies, harness
from benchmarks.harness import AtMost, Figure, seconds
from retab_analysis.widgets import Explorer

NAME = "explore"
SIZE = 10_000
FILTER, LARGE = "10,000 runs: change a filter", "100,000 runs: change a filter"
TURN = "turn a page of 100,000 runs, against one of 100"
PROMISES = {FILTER: AtMost(150), TURN: AtMost(1.5)}
_TIMES = 2


def measure(size: int = SIZE) -> list[Figure]:
    """Change a filter and turn a page of so many runs, ten times as many and a hundredth."""
    normal, large, small = (_explorer(each) for each in (size, 10 * size, max(size // 100, 20)))
    turned = _turning(large) / _turning(small)
    return [
        Figure(FILTER, 1000 * _filtering(normal), "ms"),
        Figure(LARGE, 1000 * _filtering(large), "ms"),
        Figure(TURN, turned, "times the time"),
    ]


def _explorer(runs: int) -> Explorer:
    explorer = ra.explore(ra.decode_runs(bodies.page(bodies.runs(runs))))
    assert explorer.widget is not None
    return explorer


def control(widget: Any, words: str) -> Any:
    """The first control of a widget that is labelled so."""
    if getattr(widget, "description", None) == words:
        return widget
    found = (control(child, words) for child in getattr(widget, "children", ()))
    return next((each for each in found if each is not None), None)


def _filtering(explorer: Explorer) -> float:
    status = control(explorer.widget, "Status")

    def change(value: tuple[str, ...]) -> None:
        status.value = value

    return _each(change, [("completed",), ("error",), ()] * _TIMES)


def _turning(explorer: Explorer) -> float:
    page = control(explorer.widget, "Page")

    def turn(number: int) -> None:
        page.value = number

    return _each(turn, [2, 1] * _TIMES)


def _each(do: Callable[[Any], None], values: list[Any]) -> float:
    """Seconds that each takes, in the best of the rounds."""
    rounds = [sum(seconds(partial(do, each)) for each in values) for _ in range(harness.ROUNDS)]
    return min(rounds) / len(values)
