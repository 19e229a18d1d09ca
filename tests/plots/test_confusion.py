"""Which label a block gave instead of which, as a matrix."""

from __future__ import annotations

import json
from typing import Any

import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from support.frames import result, results
from support.plotted import notes_of, some, texts, title_of

from retab_analysis import ConfigError, plot_confusion


def labelled(at: int, expected: str, actual: str | None, **more: Any) -> dict[str, Any]:
    values = {"expected_value": json.dumps(expected), "actual_value": actual and json.dumps(actual)}
    values["state"] = "passed" if expected == actual else "failed"
    return result(f"e{at}", "", at) | values | more


ROWS = [
    *(labelled(at, "nda", "nda") for at in range(30)),
    *(labelled(at, "nda", "saas") for at in range(40, 42)),
    *(labelled(at, "lease", "lease") for at in range(50, 59)),
    labelled(59, "lease", "nda"),
    labelled(60, "lease", None),
]


def test_rows_are_expected_and_columns_given_labels() -> None:
    error = labelled(0, "nda", None, result_id="again", state="error", condition_kind=None)
    ax = plot_confusion(results(*ROWS, error))
    cells = {each.get_position(): each.get_text() for each in ax.texts}
    assert cells == {(0, 0): "9", (1, 0): "1", (3, 0): "1", (1, 1): "30", (2, 1): "2"}
    across, down = (
        [each.get_text() for each in its] for its in (ax.get_xticklabels(), ax.get_yticklabels())
    )
    assert across == ["lease\n100%", "nda\n97%", "saas\n0%", "no value\n–"]
    assert down == ["lease\n82%", "nda\n94%"]
    (matrix,) = ax.images
    drawn: Any = matrix.get_array()
    colours = [[tuple(map(float, each[:3])) for each in row] for row in drawn]
    assert same_color(colours[0][0], "#0072B2"), "right"
    assert same_color(colours[1][2], "#D55E00"), "wrong"
    assert drawn[0][0][3] > drawn[0][1][3], "the larger share of the row is the stronger"
    assert drawn[0][2][3] == 0, "empty"
    assert title_of(ax) == "Labels of block_1"
    assert notes_of(ax) == ("left out: 1 result in error, cancelled or unscored",)


def test_the_only_classifier_is_drawn_else_block_chooses() -> None:
    text, one, two = (labelled(70 + at, "a", "a", block_id=f"b{at}") for at in range(3))
    frame = results(text, one | {"block_type": "classifier"})
    assert title_of(plot_confusion(frame)) == "Labels of b1"
    assert title_of(plot_confusion(frame, block="b0")) == "Labels of b0"
    with pytest.raises(ConfigError, match="block= chooses one of the blocks with labels: b0, b2"):
        plot_confusion(results(text, two))
    with pytest.raises(ConfigError, match="there is no block 'b9'"):
        plot_confusion(frame, block="b9")
    none = plot_confusion(results(result("e", "passed", 1)))
    assert texts(none) == ["no eval asserts a label"]


def test_a_figure_has_at_most_twenty_labels_and_fits_into_small_axes() -> None:
    frame = some(plot_confusion, [f"label {at:02}" for at in range(25)])
    small = Figure((4, 3), layout="constrained").subplots()
    for ax in (plot_confusion(frame), plot_confusion(frame, ax=small)):
        assert ax.images[0].get_array().shape == (20, 20, 4)  # type: ignore[union-attr]
        assert notes_of(ax) == ("left out: 5 results with a label beyond 20",)
