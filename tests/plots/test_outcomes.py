"""Outcomes as stacked bars."""

from __future__ import annotations

import math

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from support.frames import run, runs
from support.inside import STATE_LOOKS
from support.plotted import heights, legend_texts, notes_of, texts, title_of

from retab_analysis import plot_outcomes, summarize_runs

MARK = "cancelled run"


def results_of(ax: Axes) -> dict[str, list[float]]:
    return {name: each for name, each in heights(ax).items() if name != MARK}


def marks(ax: Axes) -> list[float]:
    """The places that have the mark of a cancelled run, which lies below 0."""
    bars = [each.patches for each in ax.containers if each.get_label() == MARK]
    assert all(bar.get_y() + bar.get_height() < 0 for each in bars for bar in each)
    return [bar.get_x() + bar.get_width() / 2 for each in bars for bar in each]


def test_outcomes_are_stacked_to_the_number_of_evals() -> None:
    counts = {"passed": 3, "failed": 2, "blocked": 1, "error": 1}
    going = {"running": 1, "queued": 2, "pending": 3}
    frame = runs(
        run("late", 2, passed=4, total_evals=4),
        run("early", 1, **counts, **going, cancelled=1, total_evals=15),
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
    assert tops == [14, 4, 7]
    for bars in ax.containers:
        look = STATE_LOOKS[str(bars.get_label())]
        assert same_color(bars.patches[0].get_facecolor(), look.colour)
        assert (bars.patches[0].get_hatch() or "") == look.hatch


def test_a_cancelled_run_is_a_hatched_mark_and_no_bar() -> None:
    frame = runs(
        run("whole", 1, passed=9, failed=1, total_evals=10),
        run("cut", 2, status="cancelled", passed=2, failed=1, cancelled=7, total_evals=10),
        run("at once", 3, status="cancelled", passed=0, cancelled=10, total_evals=10),
    )
    ax = plot_outcomes(frame)
    assert results_of(ax) == {"passed": [9, 0, 0], "failed": [1, 0, 0]}
    assert marks(ax) == [pytest.approx(1), pytest.approx(2)]
    assert legend_texts(ax) == ["passed", "failed", MARK]
    hatches = {bar.get_hatch() for bar in ax.containers[-1].patches}
    assert hatches == {"////"}
    assert min(ax.get_yticks()) == 0
    assert notes_of(ax) == ("left out: 2 runs that were cancelled",)
    empty = [bar for bars in ax.containers for bar in bars.patches if not bar.get_height()]
    assert not any(bar.get_linewidth() for bar in empty)


def test_outcomes_by_version_are_shares() -> None:
    frame = runs(
        run("r1", 1, passed=3, failed=1, total_evals=4),
        run("r2", 2, passed=4, total_evals=4),
        run("r3", 3, passed=0, error=5, total_evals=5, workflow_version_id="v2"),
        run("r4", 4, passed=0, total_evals=0, workflow_version_id="v3"),
    )
    ax = plot_outcomes(frame, by="version")
    drawn = heights(ax)
    assert drawn == {"passed": [7 / 8, 0, 0], "failed": [1 / 8, 0, 0], "error": [0, 1, 0]}
    labels = [each.get_text() for each in ax.get_xticklabels()]
    assert labels == [f"draft of\n{day} May 00:00" for day in (19, 21, 22)]
    assert title_of(ax) == "Share of results by version"
    assert ax.get_yticks()[-1] == 1


@pytest.mark.parametrize(
    "other",
    [
        run("cut", 2, status="cancelled", passed=5, failed=2, cancelled=83),
        run("broken off", 2, status="error", passed=5, failed=30),
        run("going", 2, status="running", passed=1, failed=1, running=98),
        run("some cancelled", 2, passed=20, failed=20, cancelled=60),
        run("block", 2, passed=1, failed=9, scope="block"),
        run("outage", 2, passed=2, error=98),
        run("uncounted", 2, passed=None),
    ],
    ids=lambda each: each["run_id"],
)
def test_no_bar_reads_as_a_lower_pass_rate(other: dict[str, object]) -> None:
    frame = runs(run("whole", 1, passed=90, failed=10), other)
    ax = plot_outcomes(frame, by="version")
    assert heights(ax)["passed"] == summarize_runs(frame)["pass_rate"].to_list() == [0.9]
    assert len(marks(ax)) == (other["status"] == "cancelled")
    (note,) = notes_of(ax)
    assert note.startswith("left out: 1 run ")


def test_of_runs_that_all_lack_something_the_best_are_drawn() -> None:
    frame = runs(
        run("block", 1, passed=1, failed=1, scope="block"),
        run("outage", 2, passed=0, error=10, workflow_version_id="v2"),
        run("going", 3, status="running", passed=3, failed=1, running=9, workflow_version_id="v3"),
    )
    drawn = heights(plot_outcomes(frame, by="version"))
    assert drawn == {"passed": [0.5, 0, 0.75], "failed": [0.5, 0, 0.25], "error": [0, 1, 0]}


def test_bars_that_cannot_be_seen_apart_are_put_together() -> None:
    frame = runs(*(run(f"r{at:04}", at // 24, failed=at % 2) for at in range(1000)))
    ax = plot_outcomes(frame, ax=Figure(figsize=(4, 3), layout="constrained").subplots())
    failed = heights(ax)["failed"]
    together = math.ceil(1000 / len(failed))
    assert len(failed) < ax.bbox.width / 3
    assert notes_of(ax)[0].startswith(f"{together} runs in a row at each place, with the day")
    failures = together // 2
    assert failed[0] == pytest.approx(failures / (together + failures))
    days = [each.get_text() for each in ax.get_xticklabels()]
    assert len(days) < 20
    assert days[-1] == "28 Jun"
