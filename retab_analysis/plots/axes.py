"""Axes, titles, ticks and legends, the same way in every plot."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.text import Text

from retab_analysis.errors import ConfigError
from retab_analysis.plots.labels import NO_GLYPH, choose_families, shorten_names
from retab_analysis.plots.palette import EDGE, MUTED, Look, Style
from retab_analysis.render.text import clip, measure

# The room for a label is an estimate: the layout engine acts later.
_LARGEST, _HIGHEST = 14.0, 60.0  # inches; in a wider figure a notebook shows too small letters
LINE, _CHARACTER, _BOLD = 1.35, 0.6, 0.66  # of a font's height
FEW_COLUMNS = 4
_NARROWEST, _SHORT = 7, 12  # characters of a shortened name
_THIN = 6.0  # pixels
_LOWEST = 20.0  # lines of text in the height of axes, with letters of the usual size
SMALLEST_POINTS = 7.0


def plain(*texts: str) -> dict[str, Any]:
    """Arguments of every text: names from outside are drawn as they are, not read as formulas."""
    return {"parse_math": False, "usetex": False, "fontfamily": choose_families("".join(texts))}


def prepare_axes(ax: Axes | None, *, width: float = 0.0, height: float = 0.0) -> Axes:
    if ax is not None:
        if not isinstance(ax, Axes):
            raise ConfigError(f"ax must be a matplotlib Axes or None, got {type(ax).__name__}")
        ax.tick_params(which="both", color=text_colour(ax), labelcolor=text_colour(ax))
        # In low axes letters are smaller: labels must leave room for the data.
        points = max(SMALLEST_POINTS, ax.bbox.height / _LOWEST * 72 / ax.figure.dpi)
        axis: Any
        for axis in (ax.xaxis, ax.yaxis):
            ticks = axis.get_major_ticks(1)[0].label1.get_fontsize()
            axis.set_tick_params(labelsize=min(points, ticks))
            axis.label.set_fontsize(min(points, axis.label.get_fontsize()))
        return ax
    # pyplot chooses a backend at its import, so this waits until a figure is needed.
    from matplotlib import pyplot as plt

    least: Sequence[float] = plt.rcParams["figure.figsize"]
    size = max(least[0], min(width, _LARGEST)), max(least[1], min(height, _HIGHEST))
    return plt.subplots(figsize=size, layout="constrained")[1]


def text_colour(ax: Axes) -> Any:
    return ax.xaxis.label.get_color()


def show_message(ax: Axes, message: str, notes: Sequence[str] = ()) -> Axes:
    ax.set_xticks([])
    write_message(ax, "\n".join([message, *notes]))
    return conclude(ax, "", notes)


def write_message(ax: Axes, message: str) -> None:
    ax.set_yticks([])
    style: Style = {"ha": "center", "va": "center", "color": text_colour(ax)}
    ax.text(0.5, 0.5, message, transform=ax.transAxes, **style, **plain(message))


def say_below(ax: Axes, text: str) -> None:
    size = 0.9 * measure_font(ax) * 72 / ax.figure.dpi
    ax.set_xlabel(text, loc="right", alpha=0.7, fontsize=size, **plain(text))


def frame_values(ax: Axes, label: str = "", axis: Literal["x", "y"] = "y") -> None:
    measured = ax.yaxis if axis == "y" else ax.xaxis
    measured.set_label_text(label, **plain(label))
    ax.spines[["top", "right", "left" if axis == "y" else "bottom"]].set_visible(False)
    ax.tick_params(which="both", length=0)
    ax.grid(axis=axis, color=text_colour(ax), alpha=0.15, linewidth=0.6)
    ax.set_axisbelow(True)


def conclude(
    ax: Axes,
    title: str,
    notes: Iterable[str],
    *,
    workflow: str = "",
    aside: str = "",
    above: Axes | None = None,
    panels: int = 0,
) -> Axes:
    """Write the titles: the workflow's in bold, below it the figure's.

    They may be as wide as so many panels, and stand above the names of these.
    """
    top = above or ax
    dots = 72 / top.figure.dpi
    own: Any = top.title.get_fontsize()
    size = min(float(own), 1.25 * measure_font(ax) * dots)
    across = top.bbox.width * dots / size * (panels or 1)
    pad = (LINE + 0.3) * size if panels else None
    wide = _CHARACTER if workflow else _BOLD
    named, short = (
        clip(workflow, max(10, int(across / _BOLD))),
        clip(title, max(10, int(across / wide))),
    )
    style: Style = {"fontsize": size, "color": text_colour(ax), "va": "baseline"}
    bold: Style = {**style, "fontweight": "bold"}
    top.set_title(short, loc="left", pad=pad, **(style if named else bold), **plain(short))
    if named:  # a line above the other title
        bold |= {"x": 0.0, "ha": "left", "va": "bottom"}
        top.set_title(f"{named}\n", loc="center", pad=pad, linespacing=1.05, **bold, **plain(named))
    if len(short) * _BOLD + (len(aside) + 3) * _CHARACTER * 0.8 < across:
        top.set_title(aside, loc="right", pad=pad, fontsize=0.8 * size, color=MUTED, **plain(aside))
    said = [*notes]
    if any(NO_GLYPH in each.get_text() for each in top.figure.findobj(Text)):
        said.append("no installed font has some of the characters in the names, drawn as boxes")
        warnings.warn(said[-1], stacklevel=4)
    vars(ax)["retab_notes"] = "\n".join(said)
    return ax


def measure_font(ax: Axes) -> float:
    # From x, because the labels of y may be smaller.
    points: Any = ax.xaxis.get_major_ticks(1)[0].label1.get_fontsize()
    return float(points) * ax.figure.dpi / 72


def label_columns(
    ax: Axes,
    names: Sequence[object],
    days: Sequence[str] = (),
    *,
    may_be_upright: bool = False,
    room: float = 1.0,
) -> None:
    size = measure_font(ax)
    # A layout engine gives axes more room than they have before it.
    wide = ax.bbox.width * (1.15 if ax.figure.get_layout_engine() else 1.0)
    spacing = room * wide / max(len(names), FEW_COLUMNS)
    across = int(spacing / size / _CHARACTER - 0.7)
    dated, style = max(map(measure, days), default=0), Style()
    kept: Sequence[int] = range(len(names))
    shown = shorten_names(names, max(across, _SHORT))
    widest = max(map(measure, shown))
    if max(widest, dated) > across >= max(_NARROWEST, dated):
        shown = shorten_names(names, across)
    elif max(widest, dated) > across and may_be_upright:
        kept, style = choose_labelled(len(names), size * LINE, spacing), {"rotation": 90}
        shown = shorten_names(names, limit_label(ax.bbox.height, size))
    elif max(widest, dated) > across:
        room_of_each = (max(widest, dated) + 1) * size * _CHARACTER
        kept = choose_labelled(len(names), room_of_each, spacing)
    lines = [f"{shown[at]}\n{days[at]}" if any(days) else shown[at] for at in kept]
    ax.set_xticks(list(kept), lines, **plain(*lines), **style)


def label_rows(
    ax: Axes, names: Iterable[object], notes: Sequence[str] = (), *, room: float = 0.9
) -> None:
    values = list(names)
    low, high = ax.get_ylim()
    spacing = ax.bbox.height * room / abs(high - low)
    points = fit_points(ax, spacing)
    size = points * ax.figure.dpi / 72
    labels = shorten_names(values, limit_label(ax.bbox.width, size))
    if notes and spacing >= 2 * size * LINE:
        labels = [f"{name}\n{note}" for name, note in zip(labels, notes, strict=True)]
    ax.set_yticks(range(len(values)), labels, fontsize=points, **plain(*labels))


def fit_points(ax: Axes, spacing: float) -> float:
    """The font size, in points, of lines that are so many pixels apart."""
    dots = 72 / ax.figure.dpi
    return max(SMALLEST_POINTS, min(measure_font(ax), spacing / LINE) * dots)


def count_rows(ax: Axes, room: float, points: float = SMALLEST_POINTS) -> int:
    return max(1, int(ax.bbox.height * room / (points * LINE * ax.figure.dpi / 72)))


def limit_label(pixels: float, size: float) -> int:
    return max(10, min(40, int(pixels * 0.42 / size / _CHARACTER)))


def choose_labelled(n: int, size: float, spacing: float) -> Sequence[int]:
    step = max(1, math.ceil(size / spacing - 1e-9))
    return range(n - 1, -1, -step)[::-1]


def area_style(look: Look, pixels: float = _THIN) -> Style:
    if pixels < _THIN:
        return {"color": look.colour, "linewidth": 0}
    line: Style = {"edgecolor": EDGE, "linewidth": 0.4, "hatch_linewidth": 0.5}
    return {"facecolor": look.colour, "hatch": look.hatch, **line}


def draw_legend(ax: Axes, entries: Iterable[tuple[Any, str]]) -> None:
    """Draw a legend within the axes, and extend y for it."""
    entries = [*entries]
    size, texts = 0.9 * measure_font(ax), [text for _, text in entries]
    each = (max(map(measure, texts)) * 0.9 * _CHARACTER + 3.2) * size
    across = max(1, min(len(texts), int(ax.bbox.width * 0.95 / each)))
    lines = math.ceil(len(texts) / across)
    share = min(0.6, (lines * 1.5 + 0.8) * size / (ax.bbox.height * 0.9))
    scale = ax.yaxis.get_transform()
    low, high = scale.transform(ax.get_ylim())
    ax.set_ylim(top=float(scale.inverted().transform([low + (high - low) / (1 - share)])[0]))
    made = ax.legend(
        [Patch(**area_style(each)) if isinstance(each, Look) else each for each, _ in entries],
        [str(at) for at in range(len(entries))],
        loc="upper left",
        ncols=across,
        frameon=False,
        borderaxespad=0.1,
        columnspacing=1.0,
        handlelength=1.6,
        handletextpad=0.5,
        fontsize=size * 72 / ax.figure.dpi,
        labelcolor=text_colour(ax),
    )
    # Now, because matplotlib leaves out a label that begins with "_".
    for label, text in zip(made.get_texts(), texts, strict=True):
        label.set(text=text, **plain(text))
