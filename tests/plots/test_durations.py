"""Durations and queues as boxes."""

from __future__ import annotations

import pytest
from support.frames import run, runs
from support.plotted import legend_texts, texts

from retab_analysis.plots import plot_durations


def test_durations_keep_the_queue_apart() -> None:
    frame = runs(
        *(run(f"a{at}", 1, duration_ms=60_000 * at, queue_ms=1000 * at) for at in (1, 2, 3, 4, 5)),
        run("b", 2, workflow_version_id="v2", duration_ms=None, queue_ms=None),
    )
    ax = plot_durations(frame)
    assert ax.get_ylabel() == "duration [min]"
    assert texts(ax)[:2] == ["v1\nn=5", "v2\nn=0"]
    assert legend_texts(ax) == ["execution", "queue"]
    execution, queue = (box.get_path().vertices for box in ax.patches)
    assert (execution[:, 1].min(), execution[:, 1].max()) == (2, 4)
    assert (queue[:, 1].min(), queue[:, 1].max()) == pytest.approx((2 / 60, 4 / 60))
    assert execution[:, 0].max() < queue[:, 0].min()
    assert ax.patches[0].get_hatch() != ax.patches[1].get_hatch()


@pytest.mark.parametrize(("most", "unit"), [(900, "ms"), (5000, "s"), (10**7, "h"), (-5, "ms")])
def test_durations_choose_a_unit(most: int, unit: str) -> None:
    ax = plot_durations(runs(run("a", 1, duration_ms=most, queue_ms=None)))
    assert ax.get_ylabel() == f"duration [{unit}]"
    assert (ax.get_ylim()[0] < 0) == (most < 0)


def test_one_or_two_runs_are_points_without_a_box() -> None:
    ax = plot_durations(runs(*(run(f"a{at}", 1, duration_ms=at) for at in (100, 300))))
    assert not ax.patches
    points = ax.collections[0].get_offsets().tolist()
    assert points == [pytest.approx([-0.2, 100]), pytest.approx([-0.2, 300])]
