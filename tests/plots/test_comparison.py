"""The pass rate of each block before and now, and the evals that broke."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from support.frames import many, result, results
from support.inside import Comparison, compare
from support.plotted import legend_texts, notes_of, texts, title_of

from retab_analysis import plot_comparison


def broken(blocks: dict[str, str], *, before: str = "passed") -> Comparison:
    """Evals of each block, one for each letter: ``F`` broke by an edit of it, ``P`` passes."""
    evals = [
        (f"{block} {at}", block, letter)
        for block, letters in blocks.items()
        for at, letter in enumerate(letters)
    ]
    states = {"P": "passed", "F": "failed"}
    first = [result(name, before, at, block_id=block) for name, block, _ in evals for at in (1, 2)]
    last = [
        result(name, states[letter], at, block_id=block, block_execution_fingerprint=code)
        for name, block, letter in evals
        for at in (3, 4)
        for code in ["new" if "F" in blocks[block] else "code"]
    ]
    return compare(results(*first), results(*last))


def dots(ax: Axes) -> dict[str, PathCollection]:
    scattered = [each for each in ax.collections if isinstance(each, PathCollection)]
    return {str(each.get_label()): each for each in scattered}


def rates(ax: Axes, side: str) -> list[float]:
    return [float(x) for x, _ in dots(ax)[side].get_offsets()]


def intervals(ax: Axes) -> list[list[tuple[float, float]]]:
    lines = [each for each in ax.collections if isinstance(each, LineCollection)]
    return [
        [(float(ends[0][0]), float(ends[1][0])) for ends in each.get_segments()] for each in lines
    ]


def names_of(ax: Axes) -> list[str]:
    return [each.get_text() for each in ax.get_yticklabels()]


def test_each_block_has_its_rate_before_and_now_with_its_interval() -> None:
    from statsmodels.stats.proportion import proportion_confint

    made = broken({"fine": "PPPPP", "worse": "FFP", "worst": "FFFF"})
    ax = plot_comparison(made)
    expected = ["worst\nedited, 4 evals", "worse\nedited, 3 evals", "fine\n5 evals"]
    assert names_of(ax) == expected
    assert rates(ax, "before") == [1, 1, 1]
    assert rates(ax, "now") == [0, pytest.approx(1 / 3), 1]
    counts = {"before": [(4, 4), (3, 3), (5, 5)], "now": [(0, 4), (1, 3), (5, 5)]}
    for found, each in zip(intervals(ax), counts.values(), strict=True):
        wilson = [proportion_confint(k, n, method="wilson") for k, n in each]
        assert found == [pytest.approx(ends) for ends in wilson]
    assert title_of(ax) == "Pass rate by block, 95 % intervals"
    assert notes_of(ax) == ()


def test_before_is_hollow_and_what_broke_has_a_colour_of_its_own() -> None:
    ax = plot_comparison(broken({"fine": "PP", "worse": "FF"}))
    assert all(same_color(each, ax.get_facecolor()) for each in dots(ax)["before"].get_facecolor())
    worse, fine = map(tuple, dots(ax)["now"].get_facecolor())
    assert worse != fine
    heading = ax.texts[0]
    assert same_color(heading.get_color(), worse)
    heights = [[float(y) for _, y in each.get_offsets()] for each in dots(ax).values()]
    assert all(was < is_now for was, is_now in zip(*heights, strict=True))


def test_the_evals_that_broke_are_named_at_the_right() -> None:
    ax = plot_comparison(broken({"fine": "PP", "worse": "FF"}))
    said = [each.get_text() for each in ax.texts]
    assert said == ["2 evals broke", "name of worse 0", "name of worse 1"]
    low, high = ax.get_xlim()
    begins = {low + each.xy[0] * (high - low) for each in ax.texts}  # type: ignore[attr-defined]
    assert min(begins) > 1
    assert max(ax.get_xticks()) == 1


def test_of_several_blocks_each_name_stands_below_its_own() -> None:
    ax = plot_comparison(broken({"one": "FP", "two": "FFP"}), ax=Figure((10, 6)).subplots())
    said = [each.get_text() for each in ax.texts]
    assert said[:3] == ["3 evals broke", "two", "name of two 0"]
    assert said[3:] == ["name of two 1", "one", "name of one 0"]


@pytest.mark.parametrize("size", [(6, 4), (10, 6)])
def test_at_most_twelve_evals_are_named(size: tuple[int, int]) -> None:
    few = [each.get_text() for each in plot_comparison(broken({"b": 12 * "F"})).texts]
    assert len(few) == 13
    ax = plot_comparison(broken({"b": 40 * "F"}), ax=Figure(size).subplots())
    said = [each.get_text() for each in ax.texts]
    assert (said[0], len(said), said[-1]) == ("40 evals broke", 14, "… 28 more")


def test_in_low_axes_fewer_evals_are_named() -> None:
    ax = plot_comparison(broken({"b": 40 * "F"}), ax=Figure((4, 1.5)).subplots())
    said = [each.get_text() for each in ax.texts]
    assert said[-1] == f"… {40 - (len(said) - 2)} more"
    size: Any = ax.texts[0].get_fontsize()
    assert len(said) * size * 1.3 <= 1.5 * 72


def test_sides_are_called_as_in_the_verdict() -> None:
    first, last = (results(*many("e", "P", at, workflow_version_id=f"v_{at}")) for at in (1, 2))
    made = compare(first, last)
    assert legend_texts(plot_comparison(made)) == ["before", "v_2"]


def test_blocks_that_cannot_be_compared_are_in_the_notes() -> None:
    first = results(result("old", "passed", 1, block_id="one"))
    last = results(
        result("old", "passed", 2, block_id="one"), result("new", "passed", 2, block_id="two")
    )
    ax = plot_comparison(compare(first, last))
    assert names_of(ax) == ["one\n1 eval"]
    assert notes_of(ax) == ("left out: 1 block without an eval to compare",)
    only = results(result("new", "passed", 2))
    assert texts(plot_comparison(compare(first, only))) == ["nothing to compare"]
    assert texts(plot_comparison(compare(results(), results()))) == ["no results"]


def test_beyond_twenty_blocks_those_that_fell_most_are_drawn() -> None:
    made = broken({f"b{at:02}": "PPPP" for at in range(30)} | {"worst": "FFFP"})
    ax = plot_comparison(made)
    assert names_of(ax)[0].startswith("worst\n")
    assert len(names_of(ax)) == 20
    assert ax.get_xlabel() == "20 of 31 blocks: the largest falls"
    assert notes_of(ax) == ("left out: 11 blocks whose pass rate fell less",)
    low = plot_comparison(made, ax=Figure((6, 2)).subplots())
    sizes: Any = [each.get_fontsize() for each in low.get_yticklabels()]
    assert min(sizes) >= 7
    assert len(sizes) < 10
