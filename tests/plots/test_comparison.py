"""What became of the evals of each block."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.colors import same_color
from support.frames import many, result, results
from support.inside import TRANSITION_LOOKS, compare
from support.plotted import legend_texts, notes_of, texts, title_of

from retab_analysis import plot_comparison


def widths(ax: Axes) -> dict[str, list[float]]:
    return {
        str(bars.get_label()): [bar.get_width() for bar in bars.patches] for bars in ax.containers
    }


def test_a_comparison_shows_what_flipped_by_block() -> None:
    before = [result(f"e{at}", "passed", 1, block_id=f"b{at % 3}") for at in range(9)]
    after = [
        result(f"e{at}", state, 2, block_id=f"b{at % 3}", block_execution_fingerprint=code)
        for at, state in enumerate(
            ["passed", "failed", *["passed"] * 2, "failed", *["passed"] * 2, "blocked", "passed"]
        )
        for code in ["new" if at % 3 == 1 else "code"]
    ]
    ax = plot_comparison(compare(results(*before), results(*after)))
    names = [each.get_text() for each in ax.get_yticklabels()]
    assert names == ["b1\ncode changed, 0 as before"]
    assert widths(ax) == {"regressed": [2], "newly_blocked": [1]}
    assert legend_texts(ax) == ["regressed: passed → failed", "newly blocked: passed → blocked"]
    assert [each.get_text() for each in ax.texts] == ["2", "1"]
    assert notes_of(ax) == ("left out: 2 blocks in which every eval came out as before",)
    assert title_of(ax) == "Evals that changed in v1, by block"
    assert same_color(
        ax.containers[0].patches[0].get_facecolor(), TRANSITION_LOOKS["regressed"].colour
    )


def test_a_comparison_without_flips_says_so() -> None:
    same = results(*many("e", "P"))
    assert texts(plot_comparison(compare(same, same))) == ["every eval came out as before"]
    assert texts(plot_comparison(compare(results(), results()))) == ["no results"]


def test_what_broke_is_above_what_could_not_run() -> None:
    before = [result(f"e{at}", "passed", 1, block_id=f"b{at % 2}") for at in range(5)]
    states = ("error", "failed", "error", "passed", "error")
    after = [
        result(f"e{at}", state, 2, block_id=f"b{at % 2}", block_execution_fingerprint="new")
        for at, state in enumerate(states)
    ]
    ax = plot_comparison(compare(results(*before), results(*after)))
    assert [each.get_text().split("\n")[0] for each in ax.get_yticklabels()] == ["b1", "b0"]


def test_beyond_thirty_blocks_those_with_fewer_changes_are_counted() -> None:
    """Of 33 blocks the one with two changes is on top, and the last three are in the notes."""
    evals = [(f"e{at}", f"b{at % 33:02d}") for at in range(34)]
    before = [result(name, "passed", 1, block_id=block) for name, block in evals]
    after = [
        result(name, "failed", 2, block_id=block, block_execution_fingerprint="new")
        for name, block in evals
    ]
    ax = plot_comparison(compare(results(*before), results(*after)))
    names = [each.get_text().split("\n")[0] for each in ax.get_yticklabels()]
    assert names == [f"b{at:02d}" for at in range(30)]
    assert [sum(parts) for parts in zip(*widths(ax).values(), strict=True)] == [2] + [1] * 29
    assert notes_of(ax) == ("left out: 3 blocks in which fewer evals changed",)
