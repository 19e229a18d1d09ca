"""Runs in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from matplotlib.colors import same_color
from support.frames import START, run, runs
from support.plotted import legend_texts, texts

from retab_analysis.plots import plot_timeline
from retab_analysis.plots.palette import STATE_LOOKS


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
    assert "1 without a time" in texts(ax)
    queue, execution, *points = ax.collections
    assert [path.vertices[:, 1].tolist() for path in queue.get_paths()] == [[0, 0]]
    length = execution.get_paths()[0].vertices[:, 0]
    assert length[1] - length[0] == pytest.approx(2 / 24)
    assert [point.get_offsets()[0][1] for point in points] == [0, 1, 2]
    assert same_color(points[0].get_facecolor()[0], STATE_LOOKS["passed"].colour)


def test_a_timeline_without_any_time_says_so() -> None:
    assert texts(plot_timeline(runs(run("a", 1, created_at=None)))) == ["no run has a time"]
