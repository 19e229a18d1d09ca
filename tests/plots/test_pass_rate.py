"""The pass rate by version."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import same_color
from matplotlib.dates import date2num, num2date
from matplotlib.figure import Figure
from statsmodels.stats.proportion import proportion_confint
from support.frames import START, run, runs
from support.inside import VERSIONS
from support.plotted import Plot, notes_of, texts, title_of

from retab_analysis import (
    ConfigError,
    SchemaError,
    plot_durations,
    plot_outcomes,
    plot_pass_rate,
    summarize_runs,
)


def test_the_pass_rate_has_wilson_intervals_in_order_of_appearance() -> None:
    frame = runs(
        run("r3", 3, workflow_version_id="a", passed=5, failed=3, blocked=2),
        run("r1", 1, workflow_version_id="b", passed=8, failed=2),
        run("r2", 2, workflow_version_id="b", passed=10),
        run("r4", 4, workflow_version_id="c", passed=None, failed=None, blocked=None, error=None),
        run("r5", 5, workflow_version_id="d", passed=1, scope="eval"),
    )
    ax = plot_pass_rate(frame)
    assert texts(ax) == ["b\n19 May", "a\n21 May", "c\n22 May", *percents(ax)]
    assert (title_of(ax), ax.get_xlabel()) == ("Pass rate by version, 95 % intervals", "")
    assert list(ax.lines[0].get_xdata()) == [0, 1]
    assert points_of(ax) == pytest.approx([0.9, 0.5])
    (intervals,) = (each for each in ax.collections if isinstance(each, LineCollection))
    ends = [tuple(segment[:, 1]) for segment in intervals.get_segments()]
    wilson = [proportion_confint(k, n, method="wilson") for k, n in ((18, 20), (5, 10))]
    assert ends == [pytest.approx(each) for each in wilson]
    assert "d\n23 May" in texts(plot_pass_rate(frame, scope=None))
    none = plot_pass_rate(frame, scope="block")
    assert texts(none) == ["no runs\nleft out: 5 runs of another scope"]
    left = "left out: 1 run that did not complete, or without counts, 1 run of another scope"
    assert notes_of(ax) == (left,)


def percents(ax: Axes) -> list[str]:
    return [each.get_text() for each in ax.get_yticklabels()]


@pytest.mark.parametrize("scope", ["workflow", None])
def test_the_rates_are_those_of_the_summary(scope: str | None) -> None:
    frame = runs(
        run("r1", 1, passed=4, failed=None),
        run("r2", 2, passed=3, failed=1, error=4),
        run("r3", 3, passed=1, workflow_version_id="v2", scope="block"),
        run("r4", 4, passed=4, failed=None, workflow_version_id="v3"),
    )
    ax = plot_pass_rate(frame, scope=scope)
    summary = summarize_runs(frame, scope=scope)
    assert points_of(ax) == summary["pass_rate"].drop_nulls().to_list()
    labels = [each.get_text().split("\n") for each in ax.get_xticklabels()]
    assert [label[0] for label in labels] == summary["workflow_version_id"].to_list()


def test_an_outage_and_what_did_not_complete_are_in_neither_rate() -> None:
    frame = runs(
        run("whole", 1, passed=97, failed=3),
        run("outage", 2, passed=2, error=91),
        run("cut", 3, passed=10, cancelled=83, status="cancelled"),
        run("block", 4, passed=1, failed=9, scope="block"),
        run("three of five", 5, passed=2, error=3, workflow_version_id="v2"),
        run("two of four", 6, passed=2, error=2, workflow_version_id="v2"),
    )
    ax = plot_pass_rate(frame)
    assert points_of(ax) == [0.97, 0.5]
    summary = summarize_runs(frame)
    assert summary["pass_rate"].to_list() == [0.97, 0.5]
    assert summary["n_outages"].to_list() == [1, 1]
    assert summary["rated_runs"].to_list() == [1, 1]
    weekly = summarize_runs(frame, None, every="1w")
    assert weekly["n_outages"].to_list() == [2]
    assert weekly["pass_rate"].to_list() == [99 / 104]
    assert notes_of(ax)[0].startswith("left out: 2 runs in an outage, 1 run that did not complete")


def partial(run_id: str, day: int, **more: Any) -> dict[str, Any]:
    return run(run_id, day, **({"status": "cancelled", "cancelled": 62} | more))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"cancelled": 0},
        {"status": "completed"},
        {"status": "running", "cancelled": 0},
        {"status": "error", "cancelled": 0},
    ],
)
def test_a_partial_run_does_not_embellish_a_version_that_has_a_complete_one(
    more: dict[str, Any],
) -> None:
    whole = run("whole", 1, passed=75, failed=20)
    ax = plot_pass_rate(runs(whole, partial("part", 2, passed=32, failed=1, **more)))
    assert points_of(ax) == [pytest.approx(75 / 95)]
    assert hollow_points(ax) == []
    assert notes_of(ax) == ("left out: 1 run that did not complete, or without counts",)


def test_a_version_of_partial_runs_alone_has_a_hollow_point() -> None:
    whole = run("whole", 1, passed=75, failed=25)
    part = partial("part", 2, passed=32, failed=8, workflow_version_id="v2")
    ax = plot_pass_rate(runs(whole, part))
    assert points_of(ax) == [0.75, 0.8]
    assert hollow_points(ax) == [(1, 0.8)]
    assert "hollow: only runs in which evals are missing" in notes_of(ax)
    uncounted = run("uncounted", 2, blocked=None, workflow_version_id="v2")
    assert hollow_points(plot_pass_rate(runs(whole, part, uncounted))) == [(1, 0.8)]


def points_of(ax: Axes) -> list[float]:
    return list(ax.lines[0].get_ydata())


def scattered(ax: Axes) -> PathCollection:
    return next(each for each in ax.collections if isinstance(each, PathCollection))


def hollow_points(ax: Axes) -> list[tuple[float, float]]:
    points = scattered(ax)
    both = zip(points.get_offsets(), points.get_facecolor(), strict=True)
    return [(float(x), float(y)) for (x, y), fill in both if same_color(fill, ax.get_facecolor())]


def test_drafts_are_quiet_and_the_newest_has_its_value() -> None:
    ids = ["ver_1", "draft_2026_05_20", "ver_2", "draft_2026_05_22"]
    frame = runs(
        *(run(each, at, passed=9, workflow_version_id=each) for at, each in enumerate(ids))
    )
    both = pl.concat([versions(workflow_version_id=f"ver_{at}", version=at) for at in (1, 2)])
    ax = plot_pass_rate(frame, versions=both)
    assert texts(ax)[:4] == ["v1\n18 May", "\n19 May", "v2\n20 May", "draft\n21 May"]
    first, quiet, second, newest = map(tuple, scattered(ax).get_facecolor())
    assert first == second != quiet
    assert newest not in (first, quiet)
    sizes = list(scattered(ax).get_sizes())
    assert sizes[1] < sizes[0] == sizes[2] == sizes[3]
    (value,) = ax.texts
    assert (value.get_text(), value.xy) == ("100%", (3, 1.0))
    wide = plot_pass_rate(frame, versions=both, ax=Figure(figsize=(9, 4)).subplots())
    assert wide.get_title(loc="right") == "grey: drafts"
    by_trigger = plot_pass_rate(frame, by="trigger_type")
    assert not by_trigger.texts
    assert title_of(by_trigger) == "Pass rate by trigger_type, 95 % intervals"


def versions(**more: Any) -> pl.DataFrame:
    row = {
        "workflow_version_id": "ver_1171a6f7",
        "version": 5,
        "description": "Rounding tolerance",
        "published_at": START,
        "is_current": True,
        "workflow_id": "wf",
    }
    return pl.DataFrame([row | more], schema=VERSIONS.schema)


@pytest.mark.parametrize("plot", [plot_pass_rate, plot_outcomes, plot_durations])
def test_versions_have_their_number(plot: Plot) -> None:
    frame = runs(run("a", 1, workflow_version_id="ver_1171a6f7"), run("b", 2))
    for known in (versions(), versions(published_at=None).lazy()):
        ax = plot(frame, by="workflow_version_id", versions=known)
        names = [each.get_text().split("\n")[0] for each in ax.get_xticklabels()]
        assert names == ["v5", "draft"]


@pytest.mark.parametrize("plot", [plot_pass_rate, plot_outcomes, plot_durations])
def test_numbers_of_versions_are_for_versions_only(plot: Plot) -> None:
    with pytest.raises(ConfigError, match="by must be 'workflow_version_id', got 'run_id'"):
        plot(runs(run("a", 1)), by="run_id", versions=versions())
    with pytest.raises(SchemaError, match="not a VERSIONS frame"):
        plot(runs(run("a", 1)), by="workflow_version_id", versions=runs())


def over_time(ax: Axes) -> list[tuple[float, float]]:
    """The points, as days since the first period and rates."""
    (points,) = (each for each in ax.collections if isinstance(each, PathCollection))
    return [tuple(each) for each in points.get_offsets()]  # type: ignore[union-attr]


WEEKS = [
    run("r1", 0, passed=8, failed=2),
    run("r2", 1, passed=10),
    run("r3", 8, passed=5, failed=5),
    run("r4", 22, passed=9, failed=1),  # nothing ran in the week before
]


def test_over_time_x_is_dates_and_the_interval_a_band() -> None:
    ax = plot_pass_rate(runs(*WEEKS), every="1w")
    weekly = summarize_runs(runs(*WEEKS), None, every="1w", scope="workflow")
    middles = [each + timedelta(days=3.5) for each in weekly["period_start"]]
    points = over_time(ax)
    assert [num2date(x) for x, _ in points] == middles
    assert [y for _, y in points] == pytest.approx(weekly["pass_rate"].to_list())
    (band,) = (each for each in ax.collections if isinstance(each, PolyCollection))
    corners = band.get_paths()[0].vertices
    for x, low, high in zip(
        date2num(middles), weekly["pass_rate_low"], weekly["pass_rate_high"], strict=True
    ):
        assert {low, high} <= {y for at, y in corners if at == x}  # type: ignore[union-attr]
    ax.figure.canvas.draw()
    assert all(re.fullmatch(r"\d+ \w{3}", each) for each in tick_names(ax))
    assert title_of(ax) == "Pass rate over time, 95 % intervals"


def tick_names(ax: Axes) -> list[str]:
    return [each.get_text() for each in ax.get_xticklabels() if each.get_text()]


def test_over_time_published_versions_are_marks() -> None:
    marks = pl.concat(
        versions(workflow_version_id=f"v{at}", version=at, published_at=START + timedelta(days=day))
        for at, day in ((1, -50), (2, 9), (3, 15))
    )
    ax = plot_pass_rate(runs(*WEEKS), every="1w", versions=marks)
    dashed = [each for each in ax.get_lines() if each.get_linestyle() == "--"]
    assert [num2date(each.get_xdata()[0]) for each in dashed] == [
        START + timedelta(days=day) for day in (15, 9)
    ]
    assert {"v2", "v3"} <= set(texts(ax))
    assert "v1" not in texts(ax)  # before what is drawn


def test_a_single_period_has_its_interval_all_the_same() -> None:
    ax = plot_pass_rate(runs(WEEKS[0]), every="1w")
    (interval,) = (each for each in ax.collections if isinstance(each, LineCollection))
    low, high = proportion_confint(8, 10, method="wilson")
    assert [y for _, y in interval.get_segments()[0]] == pytest.approx([low, high])
