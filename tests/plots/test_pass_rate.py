"""The pass rate by version."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from statsmodels.stats.proportion import proportion_confint
from support.frames import START, run, runs
from support.inside import VERSIONS
from support.plotted import Plot, said_below, texts

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
    labels = ["b\n19 May\nn=20", "a\n21 May\nn=10", "c\n22 May\nn=0\nnewest"]
    assert texts(ax)[:3] == labels
    assert "version, with the day of its first run (2026, UTC)" in ax.get_xlabel()
    line, *_ = ax.containers[0].lines
    assert line.get_xdata().tolist() == [0, 1]
    assert line.get_ydata().tolist() == pytest.approx([0.9, 0.5])
    segments = ax.containers[0].lines[2][0].get_segments()
    ends = [tuple(segment[:, 1]) for segment in segments]
    wilson = [proportion_confint(k, n, method="wilson") for k, n in ((18, 20), (5, 10))]
    assert ends == [pytest.approx(each) for each in wilson]
    assert "d\n23 May\nn=1\nnewest" in texts(plot_pass_rate(frame, scope=None))
    assert texts(plot_pass_rate(frame, scope="block")) == ["no block runs, 5 of another scope"]
    assert "left out: 1 run without counts from the API, 1 run of another scope" in said_below(ax)


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(ConfigError, match="scope must be"):
        plot_pass_rate(runs(), scope="all")


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
    line, *_ = ax.containers[0].lines
    assert line.get_ydata().tolist() == summary["pass_rate"].drop_nulls().to_list()
    labels = [each.get_text().split("\n") for each in ax.get_xticklabels()]
    assert [label[0] for label in labels] == summary["workflow_version_id"].to_list()
    assert [label[2] for label in labels] == [f"n={n}" for n in summary["rated_evals"]]


@pytest.mark.parametrize(
    ("unknown", "said"),
    [
        (0, []),
        (1, ["left out: 1 run without counts from the API"]),
        (2, ["left out: 2 runs without counts from the API"]),
    ],
)
def test_runs_that_are_left_out_are_counted(unknown: int, said: list[str]) -> None:
    left = [run(f"u{at}", 2, blocked=None) for at in range(unknown)]
    ax = plot_pass_rate(runs(run("r1", 1, passed=3), *left))
    assert [line for line in said_below(ax) if "left out" in line] == said
    assert texts(ax)[0] == "v1\n19 May\nn=3"


def partial(run_id: str, day: int, **more: Any) -> dict[str, Any]:
    return run(run_id, day, **({"status": "cancelled", "cancelled": 62} | more))


@pytest.mark.parametrize(
    "more", [{}, {"cancelled": 0}, {"status": "completed"}, {"status": "running", "cancelled": 0}]
)
def test_a_partial_run_does_not_embellish_a_version_that_has_a_complete_one(
    more: dict[str, Any],
) -> None:
    whole = run("whole", 1, passed=75, failed=20)
    ax = plot_pass_rate(runs(whole, partial("part", 2, passed=32, failed=1, **more)))
    assert points_of(ax) == [pytest.approx(75 / 95)]
    assert hollow_points(ax) == []
    assert "left out: 1 run that did not complete" in said_below(ax)


def test_a_version_of_partial_runs_alone_has_a_hollow_point() -> None:
    whole = run("whole", 1, passed=75, failed=25)
    part = partial("part", 2, passed=32, failed=8, workflow_version_id="v2")
    ax = plot_pass_rate(runs(whole, part))
    assert points_of(ax) == [0.75, 0.8]
    assert hollow_points(ax) == [(1, 0.8)]
    assert "hollow: only runs that did not complete" in said_below(ax)
    uncounted = run("uncounted", 2, blocked=None, workflow_version_id="v2")
    assert hollow_points(plot_pass_rate(runs(whole, part, uncounted))) == []


def points_of(ax: Axes) -> list[float]:
    line, *_ = ax.containers[0].lines
    return list(line.get_ydata())


def hollow_points(ax: Axes) -> list[tuple[float, float]]:
    """Those of the circles, without the diamond of the newest version."""
    circles = next(each for each in ax.collections if isinstance(each, PathCollection))
    return [(float(x), float(y)) for x, y in circles.get_offsets()]


def test_the_newest_version_is_marked() -> None:
    first, last = run("a", 1, passed=9), run("b", 2, failed=1, workflow_version_id="v2")
    ax = plot_pass_rate(runs(first, last))
    (newest,) = [each for each in ax.texts if each.get_text() == "50.0%"]
    assert newest.xy == (1, 0.5)
    assert [each.get_text().endswith("newest") for each in ax.get_xticklabels()] == [False, True]
    by_scope = plot_pass_rate(runs(first, last), by="trigger_type")
    assert not by_scope.texts
    assert said_below(by_scope)[0] == "trigger_type; n: evals that the rate is of"


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
def test_versions_have_their_number_and_their_release_note(plot: Plot) -> None:
    frame = runs(run("a", 1, workflow_version_id="ver_1171a6f7"), run("b", 2))
    how = {"by": "workflow_version_id", "versions": versions()}
    ax = plot(frame, **how)
    names = [each.get_text().split("\n")[0] for each in ax.get_xticklabels()]
    assert names == ["v5", "v1"]
    assert said_below(ax)[-1] == "v5 of 2026-05-18, in production now: Rounding tolerance"
    how["versions"] = versions(description=None, is_current=False).lazy()
    assert said_below(plot(frame, **how))[-1] == "v5 of 2026-05-18: no release note"
    low = plot(frame, ax=Figure(figsize=(6, 1.2)).subplots(), **how)
    assert said_below(low)[-1] == "1 release note without room here"


@pytest.mark.parametrize("plot", [plot_pass_rate, plot_outcomes, plot_durations])
def test_release_notes_are_of_versions_only(plot: Plot) -> None:
    with pytest.raises(ConfigError, match="by must be 'workflow_version_id', got 'run_id'"):
        plot(runs(run("a", 1)), by="run_id", versions=versions())
    with pytest.raises(SchemaError, match="not a VERSIONS frame"):
        plot(runs(run("a", 1)), by="workflow_version_id", versions=runs())
