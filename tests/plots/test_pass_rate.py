"""The pass rate by version."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import same_color, to_rgba
from matplotlib.dates import date2num, num2date
from matplotlib.figure import Figure
from support.frames import START, edits, result, results, run, runs
from support.inside import publications
from support.lettered_api import LetteredApi
from support.plotted import OF_FRAMES, Plot, notes_of, some, texts, title_of

from retab_analysis import (
    ConfigError,
    SchemaError,
    fetch_runs,
    fetch_versions,
    plot_durations,
    plot_outcomes,
    plot_pass_rate,
    summarize_results,
    summarize_runs,
)


def test_the_pass_rate_has_wilson_intervals_in_order_of_appearance() -> None:
    from statsmodels.stats.proportion import proportion_confint

    frame = runs(
        run("r3", 3, workflow_version_id="a", passed=5, failed=3, blocked=2),
        run("r1", 1, workflow_version_id="b", passed=8, failed=2),
        run("r2", 2, workflow_version_id="b", passed=10),
        run("r4", 4, workflow_version_id="c", passed=None, failed=None, blocked=None, error=None),
        run("r5", 5, workflow_version_id="d", passed=1, scope="eval"),
    )
    ax = plot_pass_rate(frame, scope="workflow")
    assert texts(ax) == [
        "draft of\n19 May 00:00",
        "draft of\n21 May 00:00",
        "draft of\n22 May 00:00",
        *percents(ax),
    ]
    assert (title_of(ax), ax.get_xlabel()) == ("Pass rate by version, 95 % intervals", "")
    assert list(ax.lines[0].get_xdata()) == [0, 1]
    assert points_of(ax) == pytest.approx([0.9, 0.5])
    (intervals,) = (each for each in ax.collections if isinstance(each, LineCollection))
    ends = [tuple(segment[:, 1]) for segment in intervals.get_segments()]
    wilson = [proportion_confint(k, n, method="wilson") for k, n in ((18, 20), (5, 10))]
    assert ends == [pytest.approx(each) for each in wilson]
    assert "draft of\n23 May 00:00" in texts(plot_pass_rate(frame))
    none = plot_pass_rate(frame, scope="block")
    assert texts(none) == ["no runs\nleft out: 5 runs of another scope"]
    left = "left out: 1 run of a part, that did not complete, or without counts, "
    left += "1 run of another scope"
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
    summary = summarize_runs(frame, "version", scope=scope)
    assert points_of(ax) == summary["pass_rate"].drop_nulls().to_list()
    assert len(ax.get_xticklabels()) == summary.height


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
    summary = summarize_runs(frame, "version")
    assert summary["pass_rate"].to_list() == [0.97, 0.5]
    assert summary["n_outages"].to_list() == [1, 1]
    assert summary["rated_runs"].to_list() == [1, 1]
    weekly = summarize_runs(frame, None, every="1w")
    assert weekly["n_outages"].to_list() == [2]
    assert weekly["pass_rate"].to_list() == [99 / 104]
    assert notes_of(ax)[0].startswith("left out: 2 runs in an outage, 2 runs ")


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
    assert notes_of(ax)[0].startswith("left out: 1 run of a part, that did not complete")


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


ERAS = (("a", -3, [1]), ("b", -3, [1, 2]), ("a", 1, []), ("a", 2, [2]), ("b", 3, []))


def test_drafts_are_quiet_and_the_newest_has_its_value() -> None:
    frame = runs(*(run(f"r{at}", at, passed=9) for at in range(4)))
    ax = plot_pass_rate(frame, edits=edits(*ERAS))
    assert texts(ax)[:4] == ["v1\n18 May", "\n19 May 00:00", "v2\n20 May", "edit of\n21 May 00:00"]
    first, quiet, second, newest = map(tuple, scattered(ax).get_facecolor())
    assert first == second != quiet
    assert newest not in (first, quiet)
    sizes = list(scattered(ax).get_sizes())
    assert sizes[1] < sizes[0] == sizes[2] == sizes[3]
    (value,) = ax.texts
    assert (value.get_text(), value.xy) == ("100%", (3, 1.0))
    wide = plot_pass_rate(frame, edits=edits(*ERAS), ax=Figure(figsize=(9, 4)).subplots())
    assert wide.get_title(loc="right") == "grey: drafts"


def test_categories_have_no_line_between_them() -> None:
    frame = runs(run("r1", 1, target_block_id="a"), run("r2", 2, target_block_id="b"))
    ax = plot_pass_rate(frame, by="target_block_id", edits=edits(*ERAS))
    assert not ax.lines
    assert not ax.texts
    assert title_of(ax) == "Pass rate by block, 95 % intervals"
    names = [each.get_text() for each in ax.get_xticklabels()]
    assert names == ["label of a", "label of b"]


@pytest.mark.parametrize("plot", [plot_pass_rate, plot_outcomes, plot_durations])
@pytest.mark.parametrize("by", ["version", "workflow_version_id"])
def test_no_label_of_a_version_is_an_id(plot: Plot, by: str) -> None:
    frame = runs(run("a", 0, workflow_version_id="ver_1171a6f7"), run("b", 3))
    for known, first, last in ((None, "draft of", "draft of"), (edits(*ERAS), "v1", "edit of")):
        ax = plot(frame, by=by, edits=known)
        names = [each.get_text().split("\n")[0] for each in ax.get_xticklabels()]
        assert names == ([first, last] if plot is plot_outcomes or last != first else names)
    with pytest.raises(SchemaError, match="edits is not an EDITS frame"):
        plot(frame, by=by, edits=frame)


@pytest.mark.parametrize("plot", OF_FRAMES)
def test_a_figure_names_its_workflow(plot: Plot) -> None:
    frame = some(plot, ["a", "b"])
    assert plot(frame).get_figure(True).axes[-1].get_title().strip() == "wf"
    for title, said in (("auto", "Letters"), ("My title", "My title"), (None, "")):
        ax = plot(frame, edits=edits(*ERAS), title=title)
        assert ax.get_figure(True).axes[-1].get_title().strip() == said
    two = pl.concat([frame, frame.with_columns(workflow_id=pl.lit("wf_2"), run_id="run_id")])
    two = two.with_columns(pl.concat_str("run_id", "workflow_id"))
    assert plot(two).get_figure(True).axes[-1].get_title().strip() in ("2 workflows",)
    with pytest.raises(ConfigError, match="title must be a text or None"):
        plot(frame, title=3)


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
    weekly = summarize_runs(runs(*WEEKS), None, every="1w")
    middles = [each + timedelta(days=3.5) for each in weekly["period_start"]]
    points = over_time(ax)
    assert [num2date(x) for x, _ in points] == middles
    assert [y for _, y in points] == pytest.approx(weekly["pass_rate"].to_list())
    (dots,) = (each for each in ax.collections if isinstance(each, PathCollection))
    ground = to_rgba(ax.get_facecolor())
    # The newest run is of a Tuesday, and the frame begins with a Monday.
    hollow = [tuple(each) == ground for each in dots.get_facecolor()]  # type: ignore[arg-type]
    assert hollow == [True, False, False]
    assert "hollow: the frame begins inside this period" in notes_of(ax)
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


def test_over_time_edits_are_marks_and_published_versions_have_names() -> None:
    known = edits(("a", -50, [1]), ("a", 9, [2]), ("a", 12, []), ("a", 15, [3]))
    ax = plot_pass_rate(runs(*WEEKS), every="1w", edits=known)
    dotted = [each for each in ax.get_lines() if each.get_linestyle() not in ("-", "None")]
    assert [num2date(each.get_xdata()[0]) for each in dotted] == [
        START + timedelta(days=day) for day in (15, 12, 9)
    ]
    assert [each.get_text() for each in ax.texts] == ["v3", "v2"]


def test_a_single_period_has_its_interval_all_the_same() -> None:
    from statsmodels.stats.proportion import proportion_confint

    ax = plot_pass_rate(runs(WEEKS[0]), every="1w")
    (interval,) = (each for each in ax.collections if isinstance(each, LineCollection))
    low, high = proportion_confint(8, 10, method="wilson")
    assert [y for _, y in interval.get_segments()[0]] == pytest.approx([low, high])


def test_with_a_group_and_a_period_each_group_has_a_panel() -> None:
    rows = [
        result(f"e{at}", state, day, block_id="ab"[at % 2], run_scope="workflow")
        for day in (0, 1, 8, 15)
        for at, state in enumerate(("passed", "failed", "passed", "passed"))
    ]
    known = edits(("a", 2, [1]), ("b", 9, []))
    frame = results(*rows)
    ax = plot_pass_rate(frame, by="block_id", every="1w", edits=known)
    panels = ax.get_figure(True).axes
    assert [each.texts[0].get_text() for each in panels] == ["label of a", "label of b"]
    assert [each.texts[1].get_text() for each in panels] == ["100%", "50%"]
    summary = summarize_results(frame, every="1w")
    for panel, block in zip(panels, "ab", strict=True):
        drawn = panel.lines[0].get_ydata()
        assert list(drawn) == summary.filter(block_id=block)["pass_rate"].to_list()
        marks = [each for each in panel.get_lines() if each.get_linestyle() not in ("-", "None")]
        assert [num2date(each.get_xdata()[0]) for each in marks] == [
            START + timedelta(days=2 if block == "a" else 9)
        ]
    assert title_of(ax) == "Pass rate by block over time; dotted: edits"
    assert {each.get_ylim() for each in panels} == {ax.get_ylim()}
    assert points_of(plot_pass_rate(frame, every="1w")) == [0.75, 0.75, 0.75]
    # The end of a panel has a colour of its own only if something broke.
    quiet = ax.xaxis.label.get_color()
    assert [same_color(each.texts[1].get_color(), quiet) for each in panels] == [True, True]
    broken = pl.when(eval_id="e0", run_id="run_15").then(pl.lit("failed")).otherwise("state")
    more = frame.with_columns(block_execution_fingerprint="run_id", state=broken)
    ends = plot_pass_rate(more, by="block_id", every="1w").get_figure(True).axes
    assert same_color(ends[0].texts[1].get_color(), "#D55E00")
    assert same_color(ends[1].texts[1].get_color(), quiet)


def test_the_line_of_a_panel_follows_time() -> None:
    rows = [
        run(f"r{week}{at}", 7 * week, passed=8, failed=at, workflow_id=f"wf_{at}")
        for week in range(40)
        for at in range(4)
    ]
    drawn = plot_pass_rate(runs(*reversed(rows)), by="workflow_id", every="1w")
    for panel in drawn.get_figure(True).axes:
        places = panel.lines[0].get_xdata()
        assert len(places) == 40
        assert list(places) == sorted(places)


def test_by_none_is_one_line_over_time() -> None:
    assert points_of(plot_pass_rate(runs(*WEEKS), None, every="1w")) == points_of(
        plot_pass_rate(runs(*WEEKS), every="1w")
    )
    with pytest.raises(ConfigError, match="by must be the name of one column"):
        plot_pass_rate(runs(*WEEKS), None)


def test_a_run_that_names_a_publication_has_its_name_once_that_was_read() -> None:
    publications.clear()
    with LetteredApi({"a": "PPP", "b": "PPP"}, codes="ABC", published="AB") as api:
        frame = fetch_runs(api.flow, client=api.client, progress=False)
        before = plot_pass_rate(frame)
        fetch_versions(api.flow, client=api.client, progress=False)
        after = plot_pass_rate(frame)
    assert not any("v1" in each for each in texts(before))
    names = [each.get_text().split("\n")[0] for each in after.get_xticklabels()]
    assert names == ["v1", "v2", "draft of"]
