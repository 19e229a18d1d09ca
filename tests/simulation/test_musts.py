"""What must hold, on few suites at a fixed seed: ``musts.py`` says more, and with other seeds.

A must is missed where the whole 90 % interval lies beyond it.
"""

from __future__ import annotations

import functools
from collections import Counter

import pytest

from simulation.musts import Figure, Task, list_figures

SEED = 23
SUITES = {"settle": 30, "looks": 40, "past": 30, "size": 20, "earlier": 12, "sequence": 12}
"""So many of each task; sizes and earlier worlds are asked of several histories together."""

ASKED = [
    each
    for each in list_figures()
    if each.must is not None and (each.tasks[0].measure != "size" or len(each.tasks) > 1)
]


@functools.cache
def counted(task: Task) -> list[Counter[str]]:
    return [task.count(SEED, suite) for suite in range(SUITES[task.measure])]


@pytest.mark.study
@pytest.mark.parametrize("figure", ASKED, ids=lambda each: each.name)
def test_what_must_hold_does(figure: Figure) -> None:
    rate = figure.compute({task: counted(task) for task in figure.tasks})[figure.name]
    assert rate["missed"] is False, rate
