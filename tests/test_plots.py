"""The plots: what is drawn, and how it fares with names, sizes and grounds of all kinds."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import polars as pl
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import same_color, to_rgba
from matplotlib.figure import Figure
from support.frames import START, many, result, results, run, runs

from retab_analysis.comparison import Comparison, compare
from retab_analysis.errors import ConfigError, SchemaError
from retab_analysis.plots import (
    plot_comparison,
    plot_durations,
    plot_outcomes,
    plot_pass_rate,
    plot_timeline,
    plot_verdicts,
)
from retab_analysis.plots.labels import shortened
from retab_analysis.plots.palette import STATES, TRANSITIONS
from retab_analysis.schema import RESULTS, RUNS
from retab_analysis.stats import wilson_interval

Plot = Callable[..., Axes]
OF_RUNS: tuple[Plot, ...] = (plot_pass_rate, plot_outcomes, plot_durations, plot_timeline)
OF_FRAMES: tuple[Plot, ...] = (*OF_RUNS, plot_verdicts)
ALL: tuple[Plot, ...] = (*OF_FRAMES, plot_comparison)
HOSTILE = ("$x_$", "_private", "<b>", "$5 and $6", "\\alpha", "a\nb", "%s", "{x}")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


def version(at: int) -> str:
    return f"wfv_0123456789abcdef{at:04}0123456789abcdef"


def some(plot: Plot, names: list[str]) -> Any:
    """What a plot draws, with a category of each name."""
    if plot is plot_comparison:
        first = [result(f"e{at}", "passed", 1, block_id=each) for at, each in enumerate(names)]
        last = [result(f"e{at}", "failed", 2, block_id=each) for at, each in enumerate(names)]
        return compare(results(*first), results(*last))
    if plot is plot_verdicts:
        rows = [
            result(f"e{at}", "failed" if (at + on) % 3 else "passed", on, **named)
            for at, eval_name in enumerate(names)
            for on, run_id in enumerate(names[:40])
            for named in [{"eval_name": eval_name, "run_id": run_id}]
        ]
        return results(*rows)
    return runs(
        *(run(each, at, workflow_version_id=each, failed=at % 3) for at, each in enumerate(names))
    )


def texts(ax: Axes) -> list[str]:
    found = [*ax.get_xticklabels(), *ax.get_yticklabels(), *ax.texts]
    return [each.get_text() for each in found]


def legend_texts(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [each.get_text() for each in legend.get_texts()]


def heights(ax: Axes) -> dict[str, list[float]]:
    return {
        str(bars.get_label()): [bar.get_height() for bar in bars.patches] for bars in ax.containers
    }


def figure_of(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


# What is drawn.


def test_the_pass_rate_has_wilson_intervals_in_order_of_appearance() -> None:
    frame = runs(
        run("r3", 3, workflow_version_id="a", passed=5, failed=3, blocked=2),
        run("r1", 1, workflow_version_id="b", passed=8, failed=2),
        run("r2", 2, workflow_version_id="b", passed=10),
        run("r4", 4, workflow_version_id="c", passed=None, failed=None, blocked=None),
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


def test_outcomes_are_stacked_to_the_number_of_evals() -> None:
    counts = {"passed": 3, "failed": 2, "blocked": 1, "error": 1, "cancelled": 1}
    going = {"running": 1, "queued": 2, "pending": 3}
    frame = runs(
        run("late", 2, passed=4, total_evals=4),
        run("early", 1, **counts, **going, total_evals=15),
        run("uncounted", 3, passed=None, failed=None, total_evals=7),
    )
    ax = plot_outcomes(frame)
    assert texts(ax)[:3] == ["early", "late", "uncounted"]
    drawn = heights(ax)
    assert drawn["passed"] == [3, 4, 0]
    assert drawn["unscored"] == [1, 0, 7]
    assert {name: values[0] for name, values in drawn.items()} == counts | going | {"unscored": 1}
    assert legend_texts(ax) == list(drawn)
    tops = [bar.get_y() + bar.get_height() for bar in ax.containers[-1].patches]
    assert tops == [15, 4, 7]
    for bars in ax.containers:
        look = STATES[str(bars.get_label())]
        assert same_color(bars.patches[0].get_facecolor(), look.colour)
        assert (bars.patches[0].get_hatch() or "") == look.hatch


def test_outcomes_by_version_add_up() -> None:
    frame = runs(run("r1", 1, passed=3), run("r2", 2, passed=4), run("r3", 3, passed=5))
    ax = plot_outcomes(frame, by="workflow_version_id")
    assert heights(ax)["passed"] == [12]


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
    assert same_color(points[0].get_facecolor()[0], STATES["passed"].colour)


def test_a_timeline_without_any_time_says_so() -> None:
    assert texts(plot_timeline(runs(run("a", 1, created_at=None)))) == ["no run has a time"]


def grid_of(ax: Axes) -> Any:
    return ax.collections[0].get_array()


def test_verdicts_are_a_grid_with_what_fails_now_on_top() -> None:
    frame = results(*many("steady", "PPP"), *many("broken", "PFE"), *many("late", "UC", 2))
    ax = plot_verdicts(frame)
    assert [each.get_text() for each in ax.get_xticklabels()] == ["run_1", "run_2", "run_3"]
    names = [each.get_text() for each in ax.get_yticklabels()]
    assert names == ["name of broken", "name of late", "name of steady"]
    assert legend_texts(ax)[:5] == ["passed", "failed", "error", "cancelled", "unscored"]
    grid = grid_of(ax)
    assert grid.mask.tolist() == [[False] * 3, [True, False, False], [False] * 3]
    colours = [ax.collections[0].to_rgba(value) for value in grid[0]]
    wanted = [to_rgba(STATES[state].colour) for state in ("passed", "failed", "error")]
    assert [tuple(each) for each in colours] == wanted


def marks(ax: Axes, hollow: bool) -> list[tuple[float, float]]:
    """Where rings are, or corners."""
    found = [
        tuple(float(each) for each in offset)
        for collection in ax.collections[1:]
        if (len(collection.get_facecolor()) == 0) == hollow
        for offset in collection.get_offsets()
    ]
    return sorted(each for each in found if hollow or each[0] != round(each[0]))


def test_flaky_results_have_a_ring_and_a_single_step_has_none() -> None:
    frame = results(*many("flaky", "PFPFPPFP"), *many("broken", "PPPPFFFF"))
    ax = plot_verdicts(frame)
    assert marks(ax, hollow=True) == [(float(x), 1.0) for x in range(8)]
    assert "flaky" in legend_texts(ax)


def test_a_changed_eval_has_a_corner_where_it_changed() -> None:
    changed = {"expected_value": "2"}
    rows = [
        *many("e", "PP"),
        result("e", "passed", 3, **changed),
        result("e", "passed", 4, **changed),
    ]
    ax = plot_verdicts(results(*rows))
    assert marks(ax, hollow=False) == [pytest.approx((1.67, -0.33))]
    assert "eval changed" in legend_texts(ax)
    assert "eval changed" not in legend_texts(plot_verdicts(results(*many("e", "PP"))))


def test_verdicts_by_version_mix() -> None:
    ax = plot_verdicts(results(*many("e", "PF")), by="workflow_version_id")
    assert legend_texts(ax)[:1] == ["mixed"]


def test_evals_of_one_name_are_told_apart_by_id() -> None:
    ax = plot_verdicts(
        results(result("e1", "passed", eval_name="n"), result("e2", "passed", eval_name="n"))
    )
    assert [each.get_text() for each in ax.get_yticklabels()] == ["n e1", "n e2"]


def widths(ax: Axes) -> dict[str, list[float]]:
    return {
        str(bars.get_label()): [bar.get_width() for bar in bars.patches] for bars in ax.containers
    }


def test_a_comparison_shows_what_flipped_by_block() -> None:
    before = [result(f"e{at}", "passed", 1, block_id=f"b{at % 3}") for at in range(9)]
    after = [
        result(f"e{at}", state, 2, block_id=f"b{at % 3}", block_execution_fingerprint=code)
        for at, state in enumerate(
            ("passed", "failed", "passed", "blocked", "failed") + ("passed",) * 4
        )
        for code in ["new" if at % 3 == 1 else "code"]
    ]
    ax = plot_comparison(compare(results(*before), results(*after)))
    names = [each.get_text() for each in ax.get_yticklabels()]
    assert names == ["b1\n(changed, 1 unchanged)", "b0\n(same code, 2 unchanged)"]
    assert widths(ax) == {"regressed": [2, 0], "newly_blocked": [0, 1]}
    assert legend_texts(ax) == ["regressed", "newly blocked"]
    assert [each.get_text() for each in ax.texts] == ["2", "", "", "1"]
    assert ax.get_xlabel() == "evals; nothing in 1 other block"
    assert same_color(ax.containers[0].patches[0].get_facecolor(), TRANSITIONS["regressed"].colour)


def test_a_comparison_without_flips_says_so() -> None:
    same = results(*many("e", "P"))
    assert texts(plot_comparison(compare(same, same))) == ["nothing flipped"]
    assert texts(plot_comparison(compare(results(), results()))) == ["no results"]


# The rules that hold for all of them.


def drawn(ax: Axes) -> list[Any]:
    """What can be compared of a plot."""
    figure_of(ax).canvas.draw()
    places = [collection.get_offsets().tolist() for collection in ax.collections]
    patches = [patch.get_path().vertices.tolist() for patch in ax.patches]
    return [texts(ax), legend_texts(ax), places, patches, ax.get_xlim(), ax.get_ylim()]


@pytest.mark.parametrize("plot", OF_FRAMES)
def test_the_order_of_rows_and_the_kind_of_frame_do_not_matter(plot: Plot) -> None:
    frame = some(plot, [version(at) for at in range(6)])
    expected = drawn(plot(frame))
    assert drawn(plot(frame.sample(fraction=1, shuffle=True, seed=1))) == expected
    assert drawn(plot(frame.lazy())) == expected


@pytest.mark.parametrize("plot", OF_FRAMES)
def test_an_empty_frame_says_so(plot: Plot) -> None:
    frame = some(plot, ["a"]).clear()
    said = "no results" if plot is plot_verdicts else "no runs"
    assert texts(plot(frame)) == [said]
    assert texts(plot(frame.lazy())) == [said]


@pytest.mark.parametrize("plot", OF_FRAMES)
def test_a_frame_that_lacks_columns_is_named(plot: Plot) -> None:
    frame = some(plot, ["a"])
    with pytest.raises(SchemaError, match="no column created_at"):
        plot(frame.drop("created_at"))
    with pytest.raises(SchemaError, match="created_at is String"):
        plot(frame.with_columns(created_at=pl.lit("x")))
    with pytest.raises(SchemaError, match=r"no column .*created_at"):
        plot(pl.DataFrame())
    assert not plt.get_fignums()


@pytest.mark.parametrize("plot", OF_FRAMES)
def test_the_frame_of_another_kind_is_refused(plot: Plot) -> None:
    other = RUNS if plot is plot_verdicts else RESULTS
    with pytest.raises(SchemaError, match=r"^this is not a R\w+ frame"):
        plot(other.empty())


@pytest.mark.parametrize("plot", OF_FRAMES)
def test_what_is_there_twice_is_drawn_once(plot: Plot) -> None:
    frame = some(plot, [version(at) for at in range(6)])
    assert drawn(plot(pl.concat([frame.head(3), frame]))) == drawn(plot(frame))


@pytest.mark.parametrize("plot", ALL)
def test_what_is_no_frame_is_refused(plot: Plot) -> None:
    with pytest.raises(ConfigError, match="expected a"):
        plot([1, 2])
    with pytest.raises(ConfigError, match="ax must be"):
        plot(some(plot, ["a"]), ax="here")


@pytest.mark.parametrize("by", ["nothing", "duration_ms", 5, "freshness_reasons"])
@pytest.mark.parametrize("plot", [plot_pass_rate, plot_outcomes, plot_durations, plot_verdicts])
def test_a_key_must_be_a_column_of_texts(plot: Plot, by: Any) -> None:
    with pytest.raises(ConfigError, match="by must be"):
        plot(some(plot, ["a"]), by=by)


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(ConfigError, match="scope must be"):
        plot_pass_rate(runs(), scope="all")


@pytest.mark.parametrize("plot", ALL)
def test_with_axes_pyplot_is_not_touched(plot: Plot) -> None:
    ax = Figure().subplots()
    assert plot(some(plot, ["a", "b"]), ax=ax) is ax
    assert not plt.get_fignums()


@pytest.mark.parametrize("plot", ALL)
def test_without_axes_a_new_figure_of_pyplot_is_drawn(plot: Plot) -> None:
    plt.figure()
    ax = plot(some(plot, ["a", "b"]))
    assert plt.gcf() is figure_of(ax)
    assert len(plt.get_fignums()) == 2


def test_pyplot_is_not_even_imported() -> None:
    code = (
        "import sys; from matplotlib.figure import Figure; import retab_analysis.plots as p;"
        "import polars as pl; from retab_analysis.schema import RUNS;"
        "p.plot_outcomes(pl.DataFrame(schema=RUNS.schema), ax=Figure().subplots());"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("plot", ALL)
def test_names_are_drawn_as_they_are(plot: Plot) -> None:
    ax = plot(some(plot, list(HOSTILE)))
    figure_of(ax).canvas.draw()
    said = " ".join(texts(ax))
    for name in ("$x_$", "_private", "<b>", "$5 and $6", "\\alpha", "a b", "%s", "{x}"):
        assert name in said
    labels = [*ax.get_xticklabels(), *ax.get_yticklabels(), *ax.texts]
    legend = ax.get_legend()
    named = [each for each in labels if any(name in each.get_text() for name in HOSTILE)]
    assert not any(
        each.get_parse_math() for each in [*named, *(legend.get_texts() if legend else [])]
    )


@pytest.mark.parametrize("plot", ALL)
def test_a_null_name_is_shown(plot: Plot) -> None:
    frame = some(plot, ["a", "b"])
    if isinstance(frame, Comparison):
        frame = compare(
            results(result("e", "passed", 1, block_id=None)),
            results(result("e", "failed", 2, block_id=None)),
        )
    else:
        names = ("workflow_version_id", "run_id")
        frame = frame.with_columns(pl.lit(None, pl.String).alias(name) for name in names)
    assert any("(none)" in each for each in texts(plot(frame)))


@pytest.mark.parametrize("plot", ALL)
def test_text_has_the_colour_of_the_axes(plot: Plot) -> None:
    with plt.style.context("dark_background"):
        ax = plt.figure().subplots()
    plot(some(plot, ["a", "b"]), ax=ax)
    legend = ax.get_legend()
    found = [*ax.get_xticklabels(), *ax.get_yticklabels(), *(legend.get_texts() if legend else [])]
    assert found
    assert all(same_color(each.get_color(), "white") for each in found)


def overlapping(labels: list[Any]) -> int:
    boxes = [each.get_window_extent() for each in labels if each.get_text()]
    return sum(one.overlaps(other) for at, one in enumerate(boxes) for other in boxes[at + 1 :])


@pytest.mark.parametrize("n", [1, 12, 200])
@pytest.mark.parametrize("size", [None, (3.2, 2.4), (12, 3)])
@pytest.mark.parametrize("plot", ALL)
def test_labels_do_not_overlap(plot: Plot, size: tuple[float, float] | None, n: int) -> None:
    what = some(plot, [version(at) for at in range(n)])
    ax = plot(what, ax=plt.figure(figsize=size, layout="constrained").subplots() if size else None)
    figure_of(ax).canvas.draw()
    for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
        assert any(each.get_text() for each in labels)
        assert overlapping(labels) == 0
    legend = ax.get_legend()
    if legend is not None and size is None:
        box = legend.get_window_extent()
        assert ax.get_window_extent().padded(1).containsx(box.x1)
        assert not any(box.overlaps(bar.get_window_extent()) for bar in ax.patches)


def test_many_labels_are_thinned_and_the_newest_is_kept() -> None:
    ax = plot_outcomes(some(plot_outcomes, [f"r{at}" for at in range(200)]))
    labels = [each.get_text() for each in ax.get_xticklabels()]
    assert labels[-1] == "r199"
    assert 10 < len(labels) < 200
    assert [int(at) for at in ax.get_xticks()] == [int(each[1:]) for each in labels]
    assert len(heights(ax)["passed"]) == 200


@pytest.mark.parametrize("limit", [8, 16, 28])
def test_shortened_names_stay_unique(limit: int) -> None:
    dice = random.Random(limit)
    tails = ["".join(dice.choices("ab", k=dice.randrange(60))) for _ in range(200)]
    names = [*dict.fromkeys(f"ver_{tail}" for tail in tails), None, "(none)", "a\nb", "a b"]
    names += [version(at) for at in range(30)]
    short = shortened(names, limit)
    assert len(set(short)) == len(names)
    assert max(map(len, short)) <= 2 * limit
    assert shortened(["\ud800\u202e"]) == ["\ufffd\ufffd"]
    assert shortened(["same", "same"]) == ["same", "same"]


def test_every_colour_has_a_second_sign() -> None:
    assert len({(look.hatch, look.marker) for look in STATES.values()}) == len(STATES)
    assert len({look.marker for look in STATES.values()}) == len(STATES)
    assert len({look.hatch for look in TRANSITIONS.values()}) == len(TRANSITIONS)


def test_a_frame_of_untyped_nulls_will_do() -> None:
    frame = pl.DataFrame([dict.fromkeys(RUNS.schema) | run("r", 1)])
    assert heights(plot_outcomes(frame)) == {"passed": [1]}
