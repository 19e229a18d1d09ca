"""Which label a block gave instead of which, as a matrix."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba

from retab_analysis.analysis.frames import check_frame, read_edits
from retab_analysis.analysis.label_counts import READ, confusion, find_labels
from retab_analysis.errors import ConfigError
from retab_analysis.plots import axes
from retab_analysis.plots.columns import LONGEST, name_blocks, name_workflow, say_left_out
from retab_analysis.plots.labels import shorten_names
from retab_analysis.plots.palette import BLUE, NEW, Style
from retab_analysis.render.text import measure
from retab_analysis.schema import RESULTS
from retab_analysis.vocabulary import DECIDED

_MOST = 20  # labels
_PALEST, _DARKEST = 0.22, 0.55  # numbers are readable on them, on light and dark grounds


def plot_confusion(
    results: pl.DataFrame | pl.LazyFrame,
    *,
    block: str | None = None,
    edits: pl.DataFrame | pl.LazyFrame | None = None,
    title: str | None = "auto",
    ax: Axes | None = None,
) -> Axes:
    """Draw how often a block gave which label: expected labels as rows, given ones as columns.

    The numbers come from :func:`retab_analysis.confusion`. A cell has its number of results. Blue
    cells, on the diagonal, are right and orange ones are wrong; a cell is the stronger, the larger
    its share of the row. Below a label is its recall at the left, and its precision at the bottom.
    A figure has at most 20 labels, those with the most results. The text ``ax.retab_notes`` lists
    the omissions of the figure.

    Args:
        results: A RESULTS frame; each result counts, so choose the runs first.
        block: The block, its id; by default the only classifier, or the only block with labels.
        edits: An EDITS frame, for the names of the workflow and of the block.
        title: A line above the figure: by default the workflow's name if ``edits`` has it, else its
            id; None for no such line.
        ax: The axes; by default a new figure.

    Returns:
        The axes; the labels are at x = 0, 1, … and at y = 0, 1, … from the top, in the same order.

    Raises:
        ConfigError: An argument cannot be used, it is not a frame, or several blocks have labels.
        SchemaError: It is not a RESULTS frame, or ``edits`` is not an EDITS frame.

    Example:
        >>> results = ra.fetch_results(ra.fetch_runs("wf_invoices", scope="workflow", limit=10))
        >>> axes = ra.plot_confusion(results, block="classify_document")
        >>> axes.figure.savefig("confusion.png")
    """
    read = (*READ, "eval_id", "block_type", "workflow_id")
    frame = check_frame(results, RESULTS, read).select(read).collect()
    chosen = _choose_block(frame) if block is None else block
    counted = confusion(frame, block=chosen)
    known = counted.group_by(label="expected_value").agg(
        pl.col("n").sum(), pl.col("precision", "recall").first()
    )
    shown = known.sort(-pl.col("n"), "label").head(_MOST).sort("label")
    others = counted.filter(~pl.col("actual_value").is_in(known["label"].implode()))
    given = [*shown["label"], *others["actual_value"].unique().sort()][:_MOST]
    given += [None] * bool(counted["actual_value"].null_count())
    longest = max((measure(_read(each)) for each in given if each), default=0)
    wide = max(0.75, 0.1 * min(longest, LONGEST)) * len(given)
    ax = axes.prepare_axes(ax, width=2.5 + wide, height=1.8 + 0.5 * shown.height)
    if counted.is_empty():
        said = "no results" if frame.is_empty() else "no eval asserts a label"
        return axes.show_message(ax, said)
    is_given = pl.col("actual_value").is_in(given, nulls_equal=True)
    drawn = counted.filter(is_given, pl.col("expected_value").is_in(shown["label"].implode()))
    _draw(ax, drawn, shown, given)
    its = find_labels(frame.lazy(), chosen).select("eval_id").collect()
    open_ = frame.join(its, on="eval_id", how="semi").filter(~pl.col("state").is_in(DECIDED))
    left = int(counted["n"].sum()) - int(drawn["n"].sum())
    why = {"in error, cancelled or unscored": open_.height, "with a label beyond 20": left}
    named = None if edits is None else read_edits(edits)
    workflow = name_workflow(title, frame.lazy(), named)
    what = f"Labels of {shorten_names(name_blocks([chosen], named), 40)[0]}"
    return axes.conclude(ax, what, say_left_out("result", why), workflow=workflow)


def _choose_block(frame: pl.DataFrame) -> str | None:
    """The only classifier, else the only block with labels; None without any."""
    is_other = pl.col("block_type").ne_missing("classifier")
    labels = find_labels(frame.lazy()).drop_nulls("block_id").filter(is_other == is_other.min())
    ids = labels.select(pl.col("block_id").unique().sort()).collect().to_series().to_list()
    if len(ids) > 1:
        raise ConfigError(f"block= chooses one of the blocks with labels: {', '.join(ids)}")
    return ids[0] if ids else None


def _draw(ax: Axes, counted: pl.DataFrame, shown: pl.DataFrame, given: list[Any]) -> None:
    rows = {each["label"]: (at, each) for at, each in enumerate(shown.to_dicts())}
    cells = np.zeros((len(rows), len(given), 4))
    style: Style = {"ha": "center", "va": "center", "color": axes.text_colour(ax), **axes.plain()}
    style["fontsize"] = axes.fit_points(ax, ax.bbox.height / len(rows))
    for _, expected, actual, n, *_ in counted.iter_rows():
        (y, its), x = rows[expected], given.index(actual)
        share = _PALEST + (_DARKEST - _PALEST) * n / its["n"]
        cells[y, x] = to_rgba(BLUE if expected == actual else NEW, share)
        ax.text(x, y, f"{n:,}", **style)
    ax.imshow(cells, aspect="auto", interpolation="nearest")
    names = ["no value" if each is None else _read(each) for each in given]
    # A label that no eval expects is never right.
    precise = [rows[each][1]["precision"] if each in rows else 0.0 for each in given]
    precise[-1] = None if given[-1] is None else precise[-1]
    axes.label_columns(ax, names, [*map(_say, precise)], room=0.9)
    axes.label_rows(ax, names[: len(rows)], [*map(_say, shown["recall"])])
    ax.set_xlabel("given, and its precision", **axes.plain())
    ax.set_ylabel("expected, and its recall", **axes.plain())
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _read(label: str) -> str:
    """A label without its quotation marks, if it is a text."""
    try:
        value = json.loads(label)
    except ValueError:
        return label
    return value if isinstance(value, str) else label


def _say(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
