"""Durations and queues as boxes."""

from __future__ import annotations

import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from support.frames import run, runs
from support.plotted import figure_of, legend_texts, notes_of, texts

from retab_analysis import plot_durations


def queue_of(ax: Axes) -> Axes:
    return figure_of(ax).axes[-1]


def box_ends(ax: Axes) -> list[tuple[float, float]]:
    vertices = [box.get_path().vertices[:, 1] for box in ax.patches]
    return [(float(each.min()), float(each.max())) for each in vertices]


def test_durations_keep_the_queue_apart() -> None:
    frame = runs(
        *(run(f"a{at}", 1, duration_ms=60_000 * at, queue_ms=1000 * at) for at in (1, 2, 3, 4, 5)),
        run("b", 2, workflow_version_id="v2", duration_ms=None, queue_ms=None),
    )
    ax = plot_durations(frame)
    queue = queue_of(ax)
    assert (ax.get_ylabel(), queue.get_ylabel()) == ("execution\n[min]", "queue\n[s]")
    assert texts(ax)[:2] == ["v1\n19 May", "v2\n20 May"]
    assert notes_of(ax) == ("left out: 1 run without a duration",)
    assert queue.get_title(loc="left") == "Duration of runs by version"
    assert box_ends(ax) == [(2, 4)]
    assert box_ends(queue) == [(2, 4)]
    assert legend_texts(queue) == []
    figure_of(ax).canvas.draw()
    assert queue.get_position().y0 > ax.get_position().y1
    assert not any(each.label1.get_visible() for each in queue.xaxis.get_major_ticks())


def test_runs_of_the_whole_workflow_are_apart_from_single_evals() -> None:
    frame = runs(
        *(run(f"w{at}", 1, duration_ms=60_000 * at) for at in (1, 2, 3)),
        *(run(f"e{at}", 1, duration_ms=1_000 * at, scope="eval") for at in (1, 2, 3)),
        run("odd", 1, duration_ms=180_000, scope=None),
    )
    ax = plot_durations(frame)
    assert legend_texts(queue_of(ax)) == ["whole workflow", "single eval", "of unknown scope"]
    whole, single = ax.patches
    ends = [pytest.approx((1.5, 2.5)), pytest.approx((1.5 / 60, 2.5 / 60))]
    assert box_ends(ax) == ends
    assert whole.get_path().vertices[:, 0].max() < single.get_path().vertices[:, 0].min()
    assert not same_color(whole.get_facecolor(), single.get_facecolor())
    assert texts(ax)[0] == "v1\n19 May"


@pytest.mark.parametrize("least", [0, 1_000])
def test_one_that_takes_very_long_does_not_flatten_the_boxes(least: int) -> None:
    usual = [least, *range(60_000, 64_000, 1_000)]
    ax = plot_durations(runs(*(run(f"a{at}", 1, duration_ms=ms) for at, ms in enumerate(usual))))
    assert (ax.get_ylabel(), ax.get_yscale()) == ("execution\n[s]", "linear")
    late = [*usual, 3_600_000]
    ax = plot_durations(runs(*(run(f"a{at}", 1, duration_ms=ms) for at, ms in enumerate(late))))
    assert ax.get_ylabel() == "execution\n(log)"
    assert ax.get_yscale() == ("log" if least else "symlog")
    ticks = [each.get_text() for each in ax.get_yticklabels()]
    assert ticks[-2:] == ["20 min", "1 h"]
    usual_at = ax.transData.transform((0, 1))[1]
    assert usual_at - ax.bbox.y0 > 0.2 * ax.bbox.height


@pytest.mark.parametrize(("most", "unit"), [(900, "ms"), (5000, "s"), (10**7, "h"), (-5, "ms")])
def test_durations_choose_a_unit(most: int, unit: str) -> None:
    ax = plot_durations(runs(run("a", 1, duration_ms=most, queue_ms=None)))
    assert ax.get_ylabel() == f"execution\n[{unit}]"
    assert (ax.get_ylim()[0] < 0) == (most < 0)


def test_one_or_two_runs_are_points_without_a_box() -> None:
    ax = plot_durations(runs(*(run(f"a{at}", 1, duration_ms=at) for at in (100, 300))))
    assert not ax.patches
    points = ax.collections[0].get_offsets().tolist()
    assert points == [pytest.approx([0, 100]), pytest.approx([0, 300])]


def test_what_has_no_durations_yet_says_so() -> None:
    ax = plot_durations(runs(run("a", 1, duration_ms=None, queue_ms=100)))
    assert texts(ax) == ["v1\n19 May", "no execution times yet"]
    assert queue_of(ax).get_ylabel() == "queue\n[ms]"


def test_versions_that_cannot_be_seen_apart_are_put_together() -> None:
    names = [f"v{at:04}" for at in range(600)]
    frame = runs(*(run(name, at, workflow_version_id=name) for at, name in enumerate(names)))
    ax = plot_durations(frame, ax=Figure(figsize=(6, 4), layout="constrained").subplots())
    assert len(ax.patches) < ax.bbox.width / 12
    assert "versions in a row at each place" in notes_of(ax)[0]
    longer = frame.with_columns(duration_ms=pl.int_range(pl.len()) * 1000)
    drawn = plot_durations(longer, ax=Figure(figsize=(6, 4)).subplots())
    ends = [end for box in box_ends(drawn) for end in box]
    assert ends == sorted(ends)
