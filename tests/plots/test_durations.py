"""The median and the 95th percentile of durations and queues."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from matplotlib.axes import Axes
from matplotlib.dates import num2date
from matplotlib.figure import Figure
from support.frames import run, runs
from support.plotted import figure_of, legend_texts, notes_of, texts, title_of

from retab_analysis import ConfigError, plot_durations, summarize_runs


def queue_of(ax: Axes) -> Axes:
    return figure_of(ax).axes[-1]


def lines(ax: Axes) -> dict[str, list[float]]:
    """The values of the median and of p95, at each place."""
    return {str(each.get_label()): [*map(float, each.get_ydata())] for each in ax.lines}  # type: ignore[arg-type]


def test_the_queue_and_the_execution_are_two_panels() -> None:
    frame = runs(
        *(run(f"a{at}", 1, duration_ms=60_000 * at, queue_ms=1000 * at) for at in (1, 2, 3, 4, 5)),
        run("b", 2, workflow_version_id="v2", duration_ms=180_000, queue_ms=None),
    )
    ax = plot_durations(frame)
    queue = queue_of(ax)
    assert (ax.get_ylabel(), queue.get_ylabel()) == ("execution\n[min]", "queue\n[min]")
    assert texts(ax)[:2] == ["draft of\n19 May 00:00", "draft of\n20 May 00:00"]
    assert queue.get_title(loc="left") == "Duration of runs by version"
    assert legend_texts(queue) == ["median", "p95"]
    assert legend_texts(ax) == []
    figure_of(ax).canvas.draw()
    assert queue.get_position().y0 > ax.get_position().y1
    assert not any(each.label1.get_visible() for each in queue.xaxis.get_major_ticks())


def test_the_numbers_are_those_of_the_summary() -> None:
    frame = runs(
        *(run(f"a{at}", 1, duration_ms=1000 * at**2, queue_ms=100 * at) for at in range(1, 9)),
        *(run(f"b{at}", 2, duration_ms=700 * at, workflow_version_id="v2") for at in range(1, 30)),
        run("block", 2, duration_ms=10**6, scope="block"),
    )
    ax, summary = plot_durations(frame, scope="workflow"), summarize_runs(frame, scope="workflow")
    for panel, part in ((ax, "duration_ms"), (queue_of(ax), "queue_ms")):
        unit = 1000 if panel.get_ylabel().endswith("[s]") else 1
        wanted = {
            "median": (summary[f"{part}_p50"] / unit).to_list(),
            "p95": (summary[f"{part}_p95"] / unit).to_list(),
        }
        assert lines(panel) == {name: pytest.approx(each) for name, each in wanted.items()}
    assert notes_of(ax) == (
        "left out: 1 run of another scope",
        "fewer than 20 runs at 1 of 2 places: p95 is near the longest",
    )


def test_a_scope_is_chosen_as_for_the_pass_rate() -> None:
    frame = runs(run("w", 1, duration_ms=60_000), run("e", 2, duration_ms=2_000, scope="eval"))
    assert lines(plot_durations(frame, scope="eval"))["median"] == [2]
    assert lines(plot_durations(frame))["median"] == [60]
    none = plot_durations(frame, scope="block")
    assert texts(none) == ["no runs\nleft out: 2 runs of another scope"]
    with pytest.raises(ConfigError, match="scope must be"):
        plot_durations(frame, scope="all")


def test_over_time_a_period_is_at_its_middle() -> None:
    frame = runs(*(run(f"r{at}", at, duration_ms=1000 * (at + 3)) for at in (0, 1, 7, 21)))
    ax = plot_durations(frame, every="1w")
    middles = [datetime(2026, 5, day, 12, tzinfo=UTC) for day in (15, 22)]
    middles.append(datetime(2026, 6, 5, 12, tzinfo=UTC))
    assert [num2date(x, UTC) for x in ax.lines[0].get_xdata()] == middles  # type: ignore[no-untyped-call, union-attr]
    assert lines(ax)["median"] == [3, 7, 24]
    assert lines(ax)["_hollow"] == [3]
    assert notes_of(ax)[0] == "hollow: the frame begins inside this period"
    whole = plot_durations(frame, every="1d")
    assert "_hollow" not in lines(whole)
    assert title_of(queue_of(ax)) == "Duration of runs over time"
    figure_of(ax).canvas.draw()
    days = [each.get_text() for each in ax.get_xticklabels()]
    assert "6 Jun" in days
    assert all(each.split()[1] in ("May", "Jun") for each in days)
    with pytest.raises(ConfigError, match="every must be"):
        plot_durations(frame, every="soon")
    with pytest.raises(ConfigError, match="leave by='trigger_type' out"):
        plot_durations(frame, every="1w", by="trigger_type")


def test_both_panels_have_one_unit_and_leave_outages_out() -> None:
    usual = [run(f"r{at}", at, duration_ms=60_000, workflow_version_id=f"v{at}") for at in range(4)]
    outage = run("outage", 4, duration_ms=7_200_000, error=9, workflow_version_id="v3")
    ax = plot_durations(runs(*usual, run("late", 5, queue_ms=3_600_000), outage))
    for panel, what in ((ax, "execution"), (queue_of(ax), "queue")):
        assert (panel.get_ylabel(), panel.get_yscale()) == (f"{what}\n[min]", "linear")
        assert panel.get_ylim()[0] == 0
    assert max(lines(ax)["p95"]) == 1
    assert notes_of(ax)[0].startswith("left out: 1 run in an outage")


@pytest.mark.parametrize(("most", "unit"), [(900, "ms"), (5000, "s"), (10**7, "h"), (-5, "ms")])
def test_durations_choose_a_unit(most: int, unit: str) -> None:
    ax = plot_durations(runs(run("a", 1, duration_ms=most, queue_ms=None)))
    assert ax.get_ylabel() == f"execution\n[{unit}]"
    assert (ax.get_ylim()[0] < 0) == (most < 0)


def test_what_has_no_durations_yet_says_so() -> None:
    ax = plot_durations(runs(run("a", 1, duration_ms=None, queue_ms=100)))
    assert texts(ax) == ["draft of\n19 May 00:00", "no execution times yet"]
    assert queue_of(ax).get_ylabel() == "queue\n[ms]"
    assert notes_of(ax)[0] == "left out: 1 run without a duration"


def test_axes_without_a_grid_are_shared_out_too() -> None:
    ax = Figure().add_axes((0.1, 0.1, 0.8, 0.8))
    queue = queue_of(plot_durations(runs(run("a", 1)), ax=ax))
    assert queue is not ax
    assert ax.get_position().y0 == pytest.approx(0.1)
    assert queue.get_position().y0 > ax.get_position().y1
    assert queue.get_position().y1 == pytest.approx(0.9)


def test_no_line_joins_groups_without_an_order() -> None:
    frame = runs(*(run(f"r{at}", at, workflow_id=f"wf_{at % 3}") for at in range(9)))
    assert {each.get_linestyle() for each in plot_durations(frame, by="workflow_id").lines} == {
        "None"
    }
    joined = plot_durations(frame, by=None, every="1d").lines
    assert {each.get_linestyle() for each in joined} == {"-"}
