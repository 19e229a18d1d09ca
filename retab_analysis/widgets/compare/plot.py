"""A plot as SVG that takes the colours of the page."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from retab_analysis.markup import Html, tag

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A colour that nothing else has; in the page it becomes the colour of its text.
_INK = "#010203"
_POINTS = 8.5


def render_plot(draw: Callable[[Axes], object], *, label: str, width: float, height: float) -> Html:
    """Draw a plot as SVG whose ink is the page's own, light or dark.

    Args:
        draw: Draws on the axes that it is given. They belong to a figure of their own, apart from
            pyplot, which is not safe in threads.
        label: What the picture shows, for screen readers.
        width: In inches.
        height: In inches.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=_INK, fontsize=_POINTS)
    axes.tick_params(labelsize=_POINTS)
    axes.spines[:].set_color(_INK)
    draw(axes)
    file = io.StringIO()
    # Not Figure.savefig, which draws twice: for the layout, and once more with that layout.
    canvas = FigureCanvasSVG(figure)
    canvas.print_svg(file, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    text = file.getvalue()
    drawing = text[text.index("<svg") :].replace(_INK, "currentColor")
    return tag("div", Html(drawing), role="img", aria_label=label, class_="ra-plot")
