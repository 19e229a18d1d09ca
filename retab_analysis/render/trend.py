"""A line of rates over time."""

from __future__ import annotations

from retab_analysis.markup import Html, tag
from retab_analysis.render.document import Trend

_TOP, _LOWEST = 4.0, 0.5  # pixels above the line at 100 %, and the rate of the lower line
_EDGE = 6.0  # pixels left and right of the points
_WIDE, _HIGH = 252, 40


def write_trend(trend: Trend) -> Html:
    """A line of rates from 50 to 100 %; what is lower is drawn at the lower line."""

    def x(place: float) -> str:
        return f"{_EDGE + place * (_WIDE - 2 * _EDGE):.1f}"

    def y(rate: float) -> str:
        share = (1 - max(rate, _LOWEST)) / (1 - _LOWEST)
        return f"{_TOP + share * (_HIGH - 2 * _TOP):.1f}"

    lines = [
        tag("line", class_="g", x1=0, x2=_WIDE, y1=y(rate), y2=y(rate)) for rate in (1, _LOWEST)
    ]
    lines += [
        tag("line", class_="rtd-edit", x1=x(at), x2=x(at), y1=0, y2=_HIGH) for at in trend.edits
    ]
    lines += [
        tag("rect", class_="rtd-out", x=f"{float(x(at)) - 3:.1f}", y=_HIGH - 6, width=6, height=6)
        for at in trend.outages
    ]
    if trend.points:
        points = " ".join(f"{x(at)},{y(rate)}" for at, rate in trend.points)
        lines.append(tag("polyline", class_="l", points=points))
        at, rate = trend.points[-1]
        lines.append(tag("circle", class_=f"rtd-end rtd-{trend.tone}", cx=x(at), cy=y(rate), r=3.2))
    size = {"viewBox": f"0 0 {_WIDE} {_HIGH}", "width": _WIDE, "height": _HIGH}
    size["preserveAspectRatio"] = "xMinYMid"  # in a wide cell it begins below its name
    return tag("svg", *lines, role="img", aria_label=trend.said, class_="rtd-trend", **size)
