"""The pass rate by version."""

from __future__ import annotations

import pytest
from support.frames import run, runs
from support.plotted import texts

from retab_analysis.analysis import summarize_runs
from retab_analysis.errors import ConfigError
from retab_analysis.plots import plot_pass_rate
from retab_analysis.stats import wilson_interval


def test_the_pass_rate_has_wilson_intervals_in_order_of_appearance() -> None:
    frame = runs(
        run("r3", 3, workflow_version_id="a", passed=5, failed=3, blocked=2),
        run("r1", 1, workflow_version_id="b", passed=8, failed=2),
        run("r2", 2, workflow_version_id="b", passed=10),
        run("r4", 4, workflow_version_id="c", passed=None, failed=None, blocked=None, error=None),
        run("r5", 5, workflow_version_id="d", passed=1, scope="eval"),
    )
    ax = plot_pass_rate(frame)
    assert texts(ax)[:3] == ["b\nn=20", "a\nn=10", "c\nn=0"]
    line, *_ = ax.containers[0].lines
    assert line.get_xdata().tolist() == [0, 1]
    assert line.get_ydata().tolist() == pytest.approx([0.9, 0.5])
    segments = ax.containers[0].lines[2][0].get_segments()
    ends = [tuple(segment[:, 1]) for segment in segments]
    assert ends == [pytest.approx(wilson_interval(18, 20)), pytest.approx(wilson_interval(5, 10))]
    assert "d\nn=1" in texts(plot_pass_rate(frame, scope=None))
    assert texts(plot_pass_rate(frame, scope="block")) == ["no runs"]


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
    expected = zip(summary["workflow_version_id"], summary["rated_evals"], strict=True)
    assert [each.get_text() for each in ax.get_xticklabels()] == [
        f"{version}\nn={n}" for version, n in expected
    ]


@pytest.mark.parametrize(
    ("unknown", "said"), [(0, []), (1, ["1 run without counts"]), (2, ["2 runs without counts"])]
)
def test_runs_that_are_left_out_are_counted(unknown: int, said: list[str]) -> None:
    left = [run(f"u{at}", 2, blocked=None) for at in range(unknown)]
    ax = plot_pass_rate(runs(run("r1", 1, passed=3), *left))
    assert [each.get_text() for each in ax.texts] == said
    assert texts(ax)[0] == "v1\nn=3"
