"""Outcomes as stacked bars."""

from __future__ import annotations

import polars as pl
from matplotlib.colors import same_color
from support.frames import run, runs
from support.plotted import heights, legend_texts, texts

from retab_analysis.plots import plot_outcomes
from retab_analysis.plots.palette import STATE_LOOKS
from retab_analysis.schema import RUNS


def test_outcomes_are_stacked_to_the_number_of_evals() -> None:
    counts = {"passed": 3, "failed": 2, "blocked": 1, "error": 1, "cancelled": 1}
    going = {"running": 1, "queued": 2, "pending": 3}
    frame = runs(
        run("late", 2, passed=4, total_evals=4),
        run("early", 1, **counts, **going, total_evals=15),
        run("uncounted", 3, passed=None, failed=None, total_evals=7),
    )
    ax = plot_outcomes(frame)
    assert texts(ax)[:3] == ["early", "late", "uncounted"]
    drawn = heights(ax)
    assert drawn["passed"] == [3, 4, 0]
    assert drawn["unscored"] == [1, 0, 7]
    assert {name: values[0] for name, values in drawn.items()} == counts | going | {"unscored": 1}
    assert legend_texts(ax) == list(drawn)
    tops = [bar.get_y() + bar.get_height() for bar in ax.containers[-1].patches]
    assert tops == [15, 4, 7]
    for bars in ax.containers:
        look = STATE_LOOKS[str(bars.get_label())]
        assert same_color(bars.patches[0].get_facecolor(), look.colour)
        assert (bars.patches[0].get_hatch() or "") == look.hatch


def test_outcomes_by_version_add_up() -> None:
    frame = runs(run("r1", 1, passed=3), run("r2", 2, passed=4), run("r3", 3, passed=5))
    ax = plot_outcomes(frame, by="workflow_version_id")
    assert heights(ax)["passed"] == [12]


def test_a_frame_of_untyped_nulls_will_do() -> None:
    frame = pl.DataFrame([dict.fromkeys(RUNS.schema) | run("r", 1)])
    assert heights(plot_outcomes(frame)) == {"passed": [1]}
