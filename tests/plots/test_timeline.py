"""Runs in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from support.frames import START, run, runs
from support.inside import STATE_LOOKS
from support.plotted import heights, legend_texts, said_below, texts

from retab_analysis import plot_timeline


def test_the_timeline_says_what_became_of_each_run() -> None:
    started = START + timedelta(days=1, hours=1)
    frame = runs(
        run("third", 3, status="_strange", ok=None),
        run("first", 1, started_at=started, completed_at=started + timedelta(hours=2)),
        run("second", 2, ok=False),
        run("never", 4, created_at=None, status="queued"),
    )
    ax = plot_timeline(frame)
    assert [each.get_text() for each in ax.get_yticklabels()] == ["first", "second", "third"]
    assert legend_texts(ax) == ["all passed", "not all passed", "_strange"]
    assert said_below(ax) == ["UTC", "left out: 1 run without a time"]
    queue, execution, *points = ax.collections
    assert [path.vertices[:, 1].tolist() for path in queue.get_paths()] == [[0, 0]]
    length = execution.get_paths()[0].vertices[:, 0]
    assert length[1] - length[0] == pytest.approx(2 / 24)
    assert [point.get_offsets()[0][1] for point in points] == [0, 1, 2]
    assert same_color(points[0].get_facecolor()[0], STATE_LOOKS["passed"].colour)


def test_a_timeline_without_any_time_says_so() -> None:
    assert texts(plot_timeline(runs(run("a", 1, created_at=None)))) == ["no run has a time"]


def test_many_runs_are_counted_by_time() -> None:
    frame = runs(
        *(
            run(f"r{at}", 0, created_at=START + timedelta(hours=at), ok=at % 3 == 0)
            for at in range(1000)
        ),
        run("never", 0, created_at=None),
    )
    ax = plot_timeline(frame, ax=Figure(figsize=(6, 3), layout="constrained").subplots())
    drawn = heights(ax)
    assert {state: sum(high) for state, high in drawn.items()} == {"passed": 334, "failed": 666}
    assert legend_texts(ax) == ["all passed", "not all passed"]
    assert ax.get_ylabel() == "runs"
    assert [bar.get_width() for bar in ax.patches] == [1.0] * len(ax.patches)
    assert drawn["passed"][0] + drawn["failed"][0] == 24
    _, bars, left = said_below(ax)
    assert bars == "each bar: runs created in 1 day, because 1,000 have no room for a line each"
    assert left == "left out: 1 run without a time"


def test_runs_that_have_room_are_not_counted() -> None:
    frame = runs(*(run(f"r{at}", at) for at in range(200)))
    points = plot_timeline(frame).collections[-1]
    assert len(points.get_offsets()) == 200
