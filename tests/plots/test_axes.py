"""How texts are placed and coloured, in every plot."""

from __future__ import annotations

import subprocess
import sys

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
    OF_RUNS,
    Plot,
    figure_of,
    some,
    texts,
)

from retab_analysis import plot_confusion, plot_outcomes, plot_verdicts


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
    how = {"by": "trigger_type"} if plot in OF_RUNS else {}
    ax = plot(some(plot, list(HOSTILE)), **how)
    figure_of(ax).canvas.draw()
    said = " ".join(" ".join(texts(ax)).split())
    for name in ("$x_$", "_private", "<b>", "$5 and $6", "\\alpha", "a b", "%s", "{x}"):
        assert name in said
    labels = [*ax.get_xticklabels(), *ax.get_yticklabels(), *ax.texts]
    legend = ax.get_legend()
    named = [each for each in labels if any(name in each.get_text() for name in HOSTILE)]
    assert not any(
        each.get_parse_math() for each in [*named, *(legend.get_texts() if legend else [])]
    )


@pytest.mark.parametrize("plot", [each for each in ALL if each is not plot_confusion])
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
    how = {"by": "workflow_version_id"} if plot in (plot_outcomes, plot_verdicts) else {}
    assert any("(none)" in each for each in texts(plot(frame, **how)))


@pytest.mark.parametrize("plot", ALL)
def test_text_has_the_colour_of_the_axes(plot: Plot) -> None:
    with plt.style.context("dark_background"):
        ax = plt.figure().subplots()
    plot(some(plot, ["a", "b"]), ax=ax)
    legend = ax.get_legend()
    found = [*ax.get_xticklabels(), *ax.get_yticklabels(), *(legend.get_texts() if legend else [])]
    assert found
    assert all(same_color(each.get_color(), "white") for each in found)
