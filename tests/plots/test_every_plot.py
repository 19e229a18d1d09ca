"""What every plot makes of the frame that it is given."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from support.plotted import ALL, OF_FRAMES, Plot, drawn, some, texts, version

from retab_analysis import (
    ConfigError,
    plot_confusion,
    plot_durations,
    plot_outcomes,
    plot_pass_rate,
    plot_verdicts,
)


@pytest.mark.parametrize("plot", OF_FRAMES)
def test_the_order_of_rows_and_the_kind_of_frame_do_not_matter(plot: Plot) -> None:
    frame = some(plot, [version(at) for at in range(6)])
    expected = drawn(plot(frame))
    assert drawn(plot(frame.sample(fraction=1, shuffle=True, seed=1))) == expected
    assert drawn(plot(frame.lazy())) == expected


@pytest.mark.parametrize("plot", OF_FRAMES)
def test_an_empty_frame_says_so(plot: Plot) -> None:
    frame = some(plot, ["a"]).clear()
    said = "no results" if plot in (plot_verdicts, plot_confusion) else "no runs"
    assert texts(plot(frame)) == [said]
    assert texts(plot(frame.lazy())) == [said]


@pytest.mark.parametrize("plot", ALL)
def test_what_is_no_frame_is_refused(plot: Plot) -> None:
    with pytest.raises(ConfigError, match="expected a"):
        plot([1, 2])
    with pytest.raises(ConfigError, match="ax must be"):
        plot(some(plot, ["a"]), ax="here")


KEYED: tuple[Plot, ...] = (plot_pass_rate, plot_outcomes, plot_durations, plot_verdicts)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("nothing", "by='nothing' is not a column of this frame; known are"),
        (5, "by must be the name of one column, got 5"),
        (["run_id"], "by must be the name of one column"),
        ("lists", r"a column of single values, 'lists' holds List\(String\)"),
    ],
)
@pytest.mark.parametrize("plot", KEYED)
def test_a_key_must_be_a_column_of_single_values(plot: Plot, by: Any, message: str) -> None:
    frame = some(plot, ["a"]).with_columns(lists=pl.lit(["x"]))
    with pytest.raises(ConfigError, match=message):
        plot(frame, by=by)


@pytest.mark.parametrize("plot", KEYED)
@pytest.mark.parametrize("values", [["x", "y"], [1, 2], [0.5, None], [True, False]])
def test_a_key_may_be_a_column_of_your_own(plot: Plot, values: list[Any]) -> None:
    names = [version(at) for at in range(8)]
    first, last = map(pl.lit, values)
    own = some(plot, names).with_columns(
        own=pl.when(pl.col("run_id").is_in(names[:4])).then(first).otherwise(last)
    )
    labels = [each.get_text().split("\n")[0] for each in plot(own, by="own").get_xticklabels()]
    assert labels == ["(none)" if value is None else str(value) for value in values]


@pytest.mark.parametrize("plot", ALL)
def test_the_notes_are_one_text(plot: Plot) -> None:
    ax: Any = plot(some(plot, [version(at) for at in range(60)]))
    assert isinstance(ax.retab_notes, str)
    assert plot is plot_verdicts or ax.retab_notes not in texts(ax)
