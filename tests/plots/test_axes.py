"""How texts are placed and coloured, in every plot."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import polars as pl
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from support.frames import result, results
from support.inside import Comparison, compare
from support.plotted import (
    ALL,
    HOSTILE,
    Plot,
    figure_of,
    heights,
    some,
    texts,
    version,
)

from retab_analysis import plot_outcomes


def overlapping(labels: list[Any]) -> int:
    boxes = [each.get_window_extent() for each in labels if each.get_text()]
    return sum(one.overlaps(other) for at, one in enumerate(boxes) for other in boxes[at + 1 :])


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
    # A long name may be broken, but only between its words.
    said = " ".join(" ".join(texts(ax)).split())
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


@pytest.mark.parametrize(
    ("size", "n"), [(None, 1), (None, 12), (None, 60), ((3.2, 2.4), 12), ((12, 3), 60)]
)
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
    labels = [each.get_text().split("\n")[0] for each in ax.get_xticklabels()]
    assert labels[-1] == "r199"
    assert 10 < len(labels) < 200
    assert [int(at) for at in ax.get_xticks()] == [int(each[1:]) for each in labels]
    assert len(heights(ax)["passed"]) == 200


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
def test_a_few_columns_stand_in_the_middle(n: int) -> None:
    low, high = plot_outcomes(some(plot_outcomes, [version(at) for at in range(n)])).get_xlim()
    assert (low + high) / 2 == pytest.approx((n - 1) / 2)
    assert high - low == pytest.approx(max(n, 4) + 0.2)
