"""The pass rate from version to version, or from week to week."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes

from retab_analysis.analysis.frames import VERSION
from retab_analysis.plots import axes
from retab_analysis.plots.columns import Columns, find_rows, say_left_out
from retab_analysis.plots.palette import BLUE, NEW, QUIET, SKY, Style
from retab_analysis.plots.panels import draw_panels, mark_edits, rate, say_unrated, zoom
from retab_analysis.schema import RESULTS, RUNS, as_polars

_THINNEST = 6.0  # pixels of an interval and its gap
_MANY = 40  # more points are drawn smaller


def plot_pass_rate(
    frame: pl.DataFrame | pl.LazyFrame,
    by: str | None = VERSION,
    *,
    every: str | None = None,
    scope: str | None = None,
    edits: pl.DataFrame | pl.LazyFrame | None = None,
    title: str | None = "auto",
    ax: Axes | None = None,
) -> Axes:
    """Draw the pass rate of each version, or with ``every`` over time, with its 95 % interval.

    Rates and Wilson intervals come from :func:`retab_analysis.summarize_runs` or
    :func:`retab_analysis.summarize_results`, which leave outages out. A hollow point has only runs
    in which evals are missing, so its rate may look better or worse than it is. A version without
    any ended run has no point. Drafts are grey. The newest point has its own colour, and its rate
    in figures. If there are too many groups to tell apart, neighbours share a place.

    With ``every``, a point is in the middle of its period, and the interval is a band. The first
    point is hollow if the frame begins inside its period: after the first day of it. With
    ``edits=``, a dotted line marks each edit, and a published version has its name there. With
    ``every`` and ``by``, each group has a panel of its own, and a block only its own edits. The
    newest rate of a panel is orange if one of its evals broke, which a RESULTS frame tells. The
    text ``ax.retab_notes`` lists the omissions of the figure.

    Args:
        frame: A RUNS frame, or a RESULTS frame for groups of results such as ``by="block_id"``.
        by: The column that makes the groups, your own included. ``"version"`` is the name of the
            code that ran: ``v5``, ``edit of 29 Nov 19:26``. Without ``edits=`` a run is of the
            version that it names: ``draft of 29 Nov 19:26``, or ``v5`` if this session has read
            that publication, for example by ``check`` or ``fetch_versions``. With ``every``, None
            and ``"version"`` draw one line.
        every: Over time: the length of a period, as for :func:`summarize_runs` (``"1w"``).
        scope: Only runs of this scope: ``workflow``, ``block`` or ``eval``; by default whole runs
            where there are any.
        edits: An EDITS frame, for the names of versions and blocks, and for the marks of edits.
        title: A line above the figure: by default the workflow's name if ``edits`` has it, else its
            id; None for no such line.
        ax: The axes; by default a new figure. Panels share their room.

    Returns:
        The axes, of panels the first ones; the versions are at x = 0, 1, …, and periods at
        matplotlib's dates.

    Raises:
        ConfigError: An argument cannot be used, or it is not a frame.
        SchemaError: It is not a RUNS or RESULTS frame, or ``edits`` is not an EDITS frame.

    Example:
        >>> runs = ra.fetch_runs("wf_invoices", limit=100)
        >>> axes = ra.plot_pass_rate(runs, edits=ra.fetch_edits("wf_invoices"))
        >>> ra.plot_pass_rate(runs, every="1w").figure.savefig("pass_rate.png")
    """
    known = as_polars(frame, "frame")
    table = RUNS if known is None or "state" not in known.collect_schema() else RESULTS
    columns, rows, left = find_rows(frame, by, every, scope, edits, title, table)
    if every is not None and columns.by != VERSION:
        return draw_panels(ax, columns, rows, scope, left)
    wide = columns.width if every is None else 8.0
    ax = axes.prepare_axes(ax, width=wide, height=4.4)
    if not columns.height:
        return axes.show_message(ax, f"no {table.name}", say_left_out(table.noun, left))
    columns = columns.fit(ax, _THINNEST)
    rates = columns.arrange(ax, rate(columns.place(rows), "x", columns, scope))
    quiet = _draw(ax, rates, columns)
    columns.label(ax, quiet=quiet)
    aside = "grey: drafts" if quiet else ""
    if every is not None and columns.edits is not None:
        aside = "dotted: edits" * mark_edits(ax, columns.edits)
    notes = [*say_left_out(table.noun, say_unrated(rates) | left), *columns.notes]
    notes += columns.say_hollow(rates.drop_nulls("pass_rate"))
    if rates.filter("partial", pl.col("pass_rate").is_not_null()).height:
        notes.append("hollow: only runs in which evals are missing")
    what, workflow = f"Pass rate {columns.title}, 95 % intervals", columns.workflow
    return axes.conclude(ax, what, notes, workflow=workflow, aside=aside)


def _draw(ax: Axes, rates: pl.DataFrame, columns: Columns) -> list[bool]:
    """Returns which points are drawn as drafts."""
    known = rates.drop_nulls("pass_rate")
    places = known["x"].to_list()
    newest = (
        columns.is_ordered and columns.every is None and places[-1:] == rates["x"].to_list()[-1:]
    )
    quiet = columns.drafts
    if newest and quiet:
        quiet[-1] = False
    # Without other points, quiet ones would be the only ones.
    quiet = quiet if any(quiet) and len(places) > 1 else []
    colours = [QUIET if at < len(quiet) and quiet[at] else BLUE for at in places]
    if newest:
        colours[-1] = NEW
    rate, low, high = (known[f"pass_rate{each}"].to_list() for each in ("", "_low", "_high"))
    few, is_band = len(places) < _MANY, columns.every is not None and len(places) > 1
    if is_band:
        ax.fill_between(places, low, high, color=SKY, alpha=0.3, linewidth=0, zorder=1)
    else:
        # Intervals are pale: a pale colour is readable on light and dark grounds.
        pale = [(colour, 0.55) for colour in colours]
        ax.vlines(places, low, high, colors=pale, linewidth=3.0 if few else 1.5, zorder=1)
    if columns.is_ordered:
        ax.plot(places, rate, color=BLUE if is_band else QUIET, linewidth=1 + is_band / 2, zorder=1)
    sizes = [(70 if few else 12) / (2.2 if colour == QUIET else 1) for colour in colours]
    ground, partial = ax.get_facecolor(), known["partial"] | known["hollow"]
    fill = [ground if part else each for each, part in zip(colours, partial, strict=True)]
    ax.scatter(places, rate, s=sizes, color=fill, edgecolors=colours, linewidths=1.3, zorder=3)
    zoom(ax, known["pass_rate_low"].min(), known["pass_rate_high"].max())
    axes.frame_values(ax)
    if newest:
        size = 1.1 * axes.measure_font(ax) * 72 / ax.figure.dpi
        words: Style = {"va": "center", "fontsize": size, "fontweight": "bold", "color": NEW}
        place: Style = {"textcoords": "offset points", "annotation_clip": False}
        said = f"{rate[-1]:.1%}".replace(".0%", "%")
        ax.annotate(said, (places[-1], rate[-1]), (0.8 * size, 0), **place, **words, **axes.plain())
    return quiet
