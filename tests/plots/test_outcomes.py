"""Outcomes as stacked bars."""

from __future__ import annotations

import math

import polars as pl
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from support.frames import run, runs
from support.inside import RUNS, STATE_LOOKS
from support.plotted import heights, legend_texts, notes_of, texts, title_of

from retab_analysis import plot_outcomes


def test_outcomes_are_stacked_to_the_number_of_evals() -> None:
    counts = {"passed": 3, "failed": 2, "blocked": 1, "error": 1, "cancelled": 1}
    going = {"running": 1, "queued": 2, "pending": 3}
    frame = runs(
        run("late", 2, passed=4, total_evals=4),
        run("early", 1, **counts, **going, total_evals=15),
        run("uncounted", 3, passed=None, failed=None, total_evals=7),
    )
    ax = plot_outcomes(frame)
    assert texts(ax)[:3] == ["19 May", "20 May", "21 May"]
    drawn = heights(ax)
    assert drawn["passed"] == [3, 4, 0]
    assert drawn["unscored"] == [1, 0, 7]
    first = {name: values[0] for name, values in drawn.items()}
    assert first == counts | {"not ended": sum(going.values()), "unscored": 1}
    assert legend_texts(ax) == list(drawn)
    tops = [bar.get_y() + bar.get_height() for bar in ax.containers[-1].patches]
    assert tops == [15, 4, 7]
    for bars in ax.containers:
        look = STATE_LOOKS[str(bars.get_label())]
        assert same_color(bars.patches[0].get_facecolor(), look.colour)
        assert (bars.patches[0].get_hatch() or "") == look.hatch


def test_outcomes_by_version_are_shares() -> None:
    frame = runs(
        run("r1", 1, passed=3, failed=1, total_evals=4),
        run("r2", 2, passed=4, total_evals=4),
        run("r3", 3, passed=0, error=5, total_evals=5, workflow_version_id="v2"),
        run("r4", 4, passed=0, total_evals=0, workflow_version_id="v3"),
    )
    ax = plot_outcomes(frame, by="workflow_version_id")
    drawn = heights(ax)
    assert drawn == {"passed": [7 / 8, 0, 0], "failed": [1 / 8, 0, 0], "error": [0, 1, 0]}
    labels = [each.get_text() for each in ax.get_xticklabels()]
    assert labels == ["v1\n19 May", "v2\n21 May", "v3\n22 May"]
    assert title_of(ax) == "Share of evals by outcome and version"
    assert ax.get_yticks()[-1] == 1


def test_bars_that_cannot_be_seen_apart_are_put_together() -> None:
    frame = runs(*(run(f"r{at:04}", at // 24, failed=at % 2, total_evals=2) for at in range(1000)))
    ax = plot_outcomes(frame, ax=Figure(figsize=(4, 3), layout="constrained").subplots())
    failed = heights(ax)["failed"]
    together = math.ceil(1000 / len(failed))
    assert len(failed) < ax.bbox.width / 3
    assert notes_of(ax)[0].startswith(f"{together} runs in a row at each place, with the day")
    assert failed[0] == (together // 2) / (2 * together)
    days = [each.get_text() for each in ax.get_xticklabels()]
    assert len(days) < 20
    assert days[-1] == "28 Jun"


def test_a_frame_of_untyped_nulls_will_do() -> None:
    frame = pl.DataFrame([dict.fromkeys(RUNS.schema) | run("r", 1)])
    assert heights(plot_outcomes(frame)) == {"passed": [1]}
