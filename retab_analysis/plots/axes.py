"""Axes, ticks and legends, the same way in every plot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from retab_analysis.errors import ConfigError
from retab_analysis.plots.labels import measure_width, shorten_names
from retab_analysis.plots.palette import EDGE, Look, Style

PLAIN: dict[str, Any] = {"parse_math": False, "usetex": False}
"""Arguments of every text: names from outside are drawn as they are, not read as formulas."""

Entry = tuple[Any, str]
"""A legend's handle and its text."""

# Lengths of labels are estimates: what a layout engine will do is not known while one draws.
_LARGEST = 18.0  # inches
_LINE = 1.35  # of a font's height, from one line of text to the next
_HANDLE = 3.2  # of a font's height: a legend's handle with the gaps around it
_BAND = 0.4  # of the axes, for a legend or for notes beside an axis
_NOTE_BAND = 0.18  # of an axes' height, for what stands beside an upright name
_FEW_COLUMNS = 4
_SMALLEST = 0.6  # of a tick's font
_THIN = 6.0  # pixels
_LEFT = 0.6  # of an axes' height, once its labels have taken their room
_THIRD = 0.42  # of the axes, for names beside an axis: a third of the figure
_SHORTEST, _WIDEST = 10, 28  # characters of a name


def prepare_axes(ax: Axes | None, *, width: float = 0.0, height: float = 0.0) -> Axes:
    """The axes to draw on.

    Args:
        ax: What was asked for; None makes a new figure of pyplot.
        width: How wide a new figure would have to be, in inches; it is never narrower than the
            user's own ``figure.figsize``, and never wider than 18 inches.
        height: How high, likewise.

    Raises:
        ConfigError: ``ax`` is something else.
    """
    if ax is not None:
        if not isinstance(ax, Axes):
            raise ConfigError(f"ax must be a matplotlib Axes or None, got {type(ax).__name__}")
        ax.tick_params(which="both", color=text_colour(ax), labelcolor=text_colour(ax))
        return ax
    # pyplot chooses a backend when it is imported, so this waits until a figure is asked for.
    from matplotlib import pyplot as plt

    least: Sequence[float] = plt.rcParams["figure.figsize"]
    wide, high = (max(low, min(w, _LARGEST)) for low, w in zip(least, (width, height), strict=True))
    return plt.subplots(figsize=(wide, high), layout="constrained")[1]


def text_colour(ax: Axes) -> Any:
    """The colour of the axes' own labels, which can be read on a dark ground, too."""
    return ax.xaxis.label.get_color()


def show_message(ax: Axes, message: str) -> Axes:
    """Draw a message in the middle, and nothing else."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.text(
        *(0.5, 0.5, message),
        transform=ax.transAxes,
        ha="center",
        va="center",
        color=text_colour(ax),
        **PLAIN,
    )
    return ax


def add_note(ax: Axes, said: str) -> None:
    """Draw a short line in the lower right corner, about what is left out."""
    style: Style = {"ha": "right", "va": "bottom", "color": text_colour(ax), "fontsize": "small"}
    ax.text(0.99, 0.01, said, transform=ax.transAxes, **PLAIN, **style)


def name_axes(ax: Axes, x: str = "", y: str = "") -> None:
    """Say what the axes measure, and draw no frame around them."""
    ax.set_xlabel(x, **PLAIN)
    ax.set_ylabel(y, **PLAIN)
    ax.spines[["top", "right"]].set_visible(False)


def measure_font(ax: Axes) -> float:
    """The height of a tick's font in pixels."""
    points: Any = ax.xaxis.get_major_ticks(1)[0].label1.get_fontsize()
    return float(points) * ax.figure.dpi / 72


def space_columns(ax: Axes, n: int) -> None:
    """Set the limits of x for places 0, 1, …; a few of them stand in the middle, not far apart."""
    beside = max(0.0, (_FEW_COLUMNS - n) / 2)
    ax.set_xlim(-0.6 - beside, n - 0.4 + beside)


def label_columns(
    ax: Axes, names: Iterable[object], notes: Sequence[str] = (), *, room: float = 0.9
) -> None:
    """Label places 0, 1, … along x: side by side where there is room, else upright, else a few.

    Args:
        ax: The axes.
        names: The labels, shortened so that they take at most about a third of the axes.
        notes: What stands beside each of them, where there is room.
        room: What share of the present width the layout will leave.
    """
    size, values = measure_font(ax), list(names)
    spacing = ax.bbox.width * room / max(len(values), 1)
    flat = _noted(shorten_names(values, _WIDEST), notes, "\n")
    if _longest(flat) * size <= spacing:
        _ticks(ax, "x", range(len(flat)), flat)
        return
    kept = choose_labelled(len(values), size * _LINE, spacing)
    if _longest(notes) * size > ax.bbox.height * _NOTE_BAND:
        notes = ()
    labels = _beside(values, notes, ax.bbox.height, size, spacing)
    _ticks(ax, "x", kept, [labels[at] for at in kept], rotation=90)


def label_rows(
    ax: Axes, names: Iterable[object], notes: Sequence[str] = (), *, room: float = 0.8
) -> None:
    """Label places 0, 1, … down y, the first on top, as :func:`label_columns` does along x.

    The limits of y have to be set before, because they say how far apart the places are.
    """
    size, values = measure_font(ax), list(names)
    low, high = ax.get_ylim()
    spacing = ax.bbox.height * room / abs(high - low)
    kept = choose_labelled(len(values), size * _LINE, spacing)
    if _longest(notes) * size > ax.bbox.width * _BAND:
        notes = ()
    labels = _beside(values, notes, ax.bbox.width, size, spacing)
    _ticks(ax, "y", kept, [labels[at] for at in kept])


def _beside(
    values: Sequence[object], notes: Sequence[str], pixels: float, size: float, spacing: float
) -> list[str]:
    """Labels beside an axis, the notes in a line of their own where there is room for two."""
    if spacing >= 2 * size * _LINE:
        return _noted(shorten_names(values, _limit(pixels, size, ())), notes, "\n")
    return _noted(shorten_names(values, _limit(pixels, size, notes)), notes, "  ")


def _limit(pixels: float, size: float, notes: Sequence[str]) -> int:
    """How many characters a label may have beside an axis of that length."""
    characters = int((pixels * _THIRD / size - _longest(notes)) / measure_width("x"))
    return max(_SHORTEST, min(_WIDEST, characters))


def _longest(texts: Iterable[str]) -> float:
    """How wide the widest of some texts is, in units of the font size."""
    return max(map(measure_width, texts), default=0.0)


def _noted(names: Sequence[str], notes: Sequence[str], by: str) -> list[str]:
    if not notes:
        return list(names)
    return [f"{name}{by}{note}" if note else name for name, note in zip(names, notes, strict=True)]


def choose_labelled(n: int, size: float, spacing: float) -> list[int]:
    """Which of ``n`` places have a label when each takes ``size``: the last one, and every k-th."""
    step = max(1, math.ceil(size / spacing)) if spacing > 0 else max(1, n)
    return list(range(n - 1, -1, -step))[::-1]


def _ticks(
    ax: Axes, which: Literal["x", "y"], places: Iterable[int], labels: Sequence[str], **more: Any
) -> None:
    set_ticks = ax.set_xticks if which == "x" else ax.set_yticks
    set_ticks(list(places), list(labels), **PLAIN, **more)


def area_handle(look: Look) -> Patch:
    """A legend's handle of an area."""
    return Patch(facecolor=look.colour, hatch=look.hatch, edgecolor=EDGE, linewidth=0.5)


def bar_style(look: Look, pixels: float) -> Style:
    """How a bar is filled; a hatch, or an edge, would hide the colour of a thin one."""
    if pixels < _THIN:
        return {"color": look.colour, "linewidth": 0}
    return {"color": look.colour, "hatch": look.hatch, "edgecolor": EDGE, "linewidth": 0.5}


def point_handle(ax: Axes, look: Look) -> Line2D:
    """A legend's handle of a point."""
    edge = text_colour(ax)
    return Line2D(
        *([], []), ls="", marker=look.marker, color=look.colour, mec=edge, mew=0.5, markersize=7
    )


def cell_handle(look: Look) -> tuple[Line2D, ...]:
    """A legend's handle of a cell with its sign."""
    ground = Line2D([], [], ls="", marker="s", color=look.colour, markersize=10)
    return (ground, sign_handle(look.sign)) if look.sign else (ground,)


def empty_cell_handle(ax: Axes) -> Line2D:
    """A legend's handle of a cell in which nothing is drawn."""
    outline: Style = {"color": "none", "mec": text_colour(ax), "mew": 0.5, "alpha": 0.6}
    return Line2D([], [], ls="", marker="s", markersize=9.5, **outline)


def sign_handle(marker: str, size: float = 6.0, **more: Any) -> Line2D:
    """A sign on a cell."""
    return Line2D([], [], ls="", marker=marker, color=EDGE, markersize=size, **more)


def _legend_size(ax: Axes, texts: Sequence[str], room: float) -> tuple[float, int, float]:
    """Font size in pixels, columns, and the share of the height; smaller where there is no room."""
    size = full = measure_font(ax)
    while True:
        each = (_longest(texts) + _HANDLE) * size
        across = min(len(texts), max(1, int(ax.bbox.width * 0.95 / each)))
        lines = math.ceil(len(texts) / across)
        share = (lines * 1.5 + 0.8) * size / (ax.bbox.height * room)
        if share <= _BAND or size < full * _SMALLEST:
            return size, across, min(share, 2 * _BAND)
        size *= 0.9


def draw_legend(ax: Axes, entries: Sequence[Entry], *, room: float = _LEFT) -> None:
    """Draw a legend above the rest, within the axes: y is extended by as much as it takes.

    The texts are set afterwards, because matplotlib leaves out a label that begins with ``_``.
    """
    if not entries:
        return
    size, across, share = _legend_size(ax, [text for _, text in entries], room)
    low, high = ax.get_ylim()
    ax.set_ylim(low, low + (high - low) / (1 - share))
    made = ax.legend(
        [handle for handle, _ in entries],
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
    for text, (_, said) in zip(made.get_texts(), entries, strict=True):
        text.set(text=said, **PLAIN)
