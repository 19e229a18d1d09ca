"""What a view of ipywidgets is drawn with: its style, and a plot."""

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

STYLE = Html("""<style>
.ra-view{font:13px/1.45 var(--jp-ui-font-family,system-ui,sans-serif);
 color:var(--jp-ui-font-color1,currentColor);
 --ra-line:color-mix(in srgb,currentColor 16%,transparent);
 --ra-soft:color-mix(in srgb,currentColor 65%,transparent)}
.ra-view .ra-head{display:flex;flex-wrap:wrap;gap:0 1em;align-items:baseline;margin-bottom:6px}
.ra-view .ra-head b{font-size:15px}
.ra-view .ra-soft{color:var(--ra-soft)}
.ra-view .ra-run{padding:6px 0 8px;border-top:1px solid var(--ra-line)}
.ra-view .ra-row{display:flex;flex-wrap:wrap;gap:0 1em;align-items:baseline}
.ra-view .ra-push{margin-left:auto}
.ra-view code{font:11px var(--jp-code-font-family,monospace);background:none;color:inherit;
 padding:0}
.ra-view .ra-bar{display:flex;height:12px;margin:5px 0;border-radius:3px;overflow:hidden;
 background:var(--ra-line)}
.ra-view .ra-bar span{min-width:3px;border-right:1px solid var(--jp-layout-color0,transparent)}
.ra-view .ra-bar .ra-active{
 background-image:repeating-linear-gradient(135deg,#0003 0 4px,#0000 4px 8px)}
.ra-view .ra-count{white-space:nowrap;margin-right:.9em}
.ra-view .ra-alert{border-left:3px solid #D55E00;padding:2px 8px;margin:4px 0}
.ra-view table{border-collapse:collapse;width:100%;table-layout:fixed;font-size:12px;margin:0}
.ra-view th{text-align:left;font-weight:600;color:var(--ra-soft);position:sticky;top:0;
 background:var(--jp-layout-color0,Canvas);z-index:1}
.ra-view th,.ra-view td{padding:3px 8px 3px 0;vertical-align:top;overflow-wrap:anywhere;
 text-align:left!important;border:0;white-space:normal}
.ra-view tbody tr{background:none!important}
.ra-view tbody td{border-top:1px solid var(--ra-line)}
.ra-view td code{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:3;
 overflow:hidden;white-space:pre-wrap}
.ra-view th.ra-sign{width:2.6em}
.ra-view th.ra-change{width:32%}
.ra-view{container-type:inline-size}
@container (max-width:560px){
 .ra-view .ra-wide,.ra-view thead{display:none}
 .ra-view table,.ra-view tbody,.ra-view tr,.ra-view td{display:block}
 .ra-view tbody tr{border-top:1px solid var(--ra-line);padding:4px 0 6px}
 .ra-view tbody td{border:0;padding:1px 0}
 .ra-view td:empty{display:none}
 .ra-view td[data-label]:not([data-label=""])::before{content:attr(data-label) " ";
  color:var(--ra-soft);font-size:11px}
 .ra-view td code{display:inline}
}
</style>""")


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
