"""The grid of verdicts."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from support.frames import many, result, results
from support.inside import STATE_LOOKS
from support.plotted import legend_texts, notes_of, title_of

from retab_analysis import ConfigError, plot_verdicts, summarize_evals


def grid_of(ax: Axes) -> Any:
    return ax.collections[0].get_array()


def marks(ax: Axes, hollow: bool, whole: bool = False) -> list[tuple[float, float]]:
    """Where rings are, or corners, or (``whole``) the signs of states."""
    found = [
        tuple(float(each) for each in offset)
        for collection in ax.collections[1:]
        if isinstance(collection, PathCollection)
        if (len(collection.get_facecolor()) == 0) == hollow
        for offset in collection.get_offsets()
    ]
    return sorted(each for each in found if hollow or (each[0] == round(each[0])) == whole)


def test_verdicts_are_a_grid_with_what_fails_now_on_top() -> None:
    frame = results(*many("steady", "PPP"), *many("broken", "PFE"), *many("late", "UC", 2))
    ax = plot_verdicts(frame)
    days = [each.get_text() for each in ax.get_xticklabels()]
    assert days == ["19 May", "20 May", "21 May"]
    assert title_of(ax) == "Verdicts by eval and run"
    names = [each.get_text() for each in ax.get_yticklabels()]
    assert names == ["name of broken", "name of late", "name of steady"]
    assert legend_texts(ax)[:5] == ["passed", "failed", "error", "cancelled", "unscored"]
    grid = grid_of(ax)
    assert grid.mask.tolist() == [[False] * 3, [True, False, False], [False] * 3]
    colours = [ax.collections[0].to_rgba(value) for value in grid[0]]
    wanted = [to_rgba(STATE_LOOKS[state].colour) for state in ("passed", "failed", "error")]
    assert [tuple(each) for each in colours] == wanted


def steps(ax: Axes) -> list[tuple[float, float]]:
    """Where a line marks that an eval broke, and in which row."""
    lines = [each for each in ax.collections if isinstance(each, LineCollection)]
    ends = [segment for each in lines[-1:] for segment in each.get_segments()]
    return [(float(end[0][0]), float(end[:, 1].mean())) for end in ends]


def test_the_step_at_which_an_eval_broke_is_marked() -> None:
    frame = results(*many("broken", "PPPPFFFF"), *many("steady", "PPPPPPPP"))
    ax = plot_verdicts(frame)
    assert summarize_evals(frame)["since_run_id"].to_list() == ["run_5", None]
    assert steps(ax) == [pytest.approx((3.5, 0))]
    assert "broke here" in legend_texts(ax)
    whole = plot_verdicts(results(*many("steady", "PPPPPPPP"), *many("never", "FFFFFFFF")))
    assert steps(whole) == []
    assert "broke here" not in legend_texts(whole)


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


def test_of_many_evals_those_that_ever_failed_are_drawn_page_by_page() -> None:
    rows = [*(each for at in range(160) for each in many(f"steady{at:03}", "PP"))]
    rows += [each for at in range(40) for each in many(f"broken{at:03}", "PF")]
    ax = plot_verdicts(results(*rows))
    assert len(ax.get_yticklabels()) == 40
    assert notes_of(ax) == ("left out: 160 evals that never failed",)
    assert ax.get_xlabel() == notes_of(ax)[0]
    rows += [each for at in range(5) for each in many(f"late{at:03}", "FP")]
    first, second = (plot_verdicts(results(*rows), page=page) for page in (1, 2))
    names = [[each.get_text() for each in ax.get_yticklabels()] for ax in (first, second)]
    assert list(map(len, names)) == [40, 5]
    assert len({*names[0], *names[1]}) == 45
    assert notes_of(second)[1] == "evals 41 to 45 of 45: page 2 of 2"
    assert second.get_xlabel() == "; ".join(notes_of(second))
    with pytest.raises(ConfigError, match="page=3: there is only page 1 to 2"):
        plot_verdicts(results(*rows), page=3)
    low = plot_verdicts(results(*rows), ax=Figure(figsize=(4, 2)).subplots())
    fonts = [each.get_fontsize() for each in low.get_yticklabels()]
    assert min(fonts) >= 7
    assert len(fonts) * 7 * 1.35 <= 2 * 72
    high = plot_verdicts(results(*rows), ax=Figure(figsize=(6, 40)).subplots())
    assert len(high.get_yticklabels()) == 40


def test_rings_are_where_analysis_finds_flaky_evals() -> None:
    frame = results(
        *many("flaky", "PFPPFPPFPEFP"),
        *many("drifted", "PPPPPPFFFFFF"),
        *many("steady", "P" * 12),
        *many("edited", "PPPPPP"),
        *many("edited", "FFFFFF", 7, expected_value="2"),
    )
    assert summarize_evals(frame).filter(transition="flaky")["eval_id"].to_list() == ["flaky"]
    ax = plot_verdicts(frame)
    names = [each.get_text() for each in ax.get_yticklabels()]
    row = names.index("name of flaky")
    failures = [(float(x), row) for x in (1, 4, 7, 10)]
    assert marks(ax, hollow=True) == failures
    crosses = [each for each in marks(ax, hollow=False, whole=True) if each[1] == row]
    assert not set(crosses) & set(failures)
    assert "flaky" in legend_texts(ax)


def test_a_cell_without_a_result_is_explained() -> None:
    whole = results(*many("e1", "PP"), *many("e2", "PF"))
    assert "no result" not in legend_texts(plot_verdicts(whole))
    gap = results(*many("e1", "PP"), *many("e2", "F", 2))
    assert "no result" in legend_texts(plot_verdicts(gap))
