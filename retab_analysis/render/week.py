"""Several workflows on one page: how each stands, and how it did week by week."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from retab_analysis import markup
from retab_analysis.markup import Html, markdown, tag
from retab_analysis.render.document import Heading, Tone
from retab_analysis.render.html import STYLE as DOCUMENT_STYLE
from retab_analysis.render.html import write_badge, write_heading

STYLE = DOCUMENT_STYLE + (Path(__file__).parent / "week.css").read_text(encoding="utf-8")
_TOP, _LOWEST = 4.0, 0.5  # pixels above the line at 100 %, and the rate of the lower line
FIGURES = 4
_EDGE = 6.0  # pixels left and right of the points


@dataclass(frozen=True, slots=True)
class Trend:
    """Rates over time: places from 0 to 1, without those that have no rate, and marks."""

    points: tuple[tuple[float, float], ...]
    edits: tuple[float, ...] = ()
    outages: tuple[float, ...] = ()
    tone: Tone = "other"
    said: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in bold, the rest of its line, and a line below; or all in words."""

    strong: str = ""
    rest: str = ""
    below: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class WeekRow:
    """A workflow: its name, what it is about, how it stands, and its figures."""

    name: str
    about: str
    heading: Heading
    figures: tuple[Figure, ...] = ()
    trend: Trend | None = None


@dataclass(frozen=True, slots=True)
class WeekBlock:
    """A block of a workflow: its rate of this week, and of how many evals."""

    workflow: str
    name: str
    rate: str
    of: str
    trend: Trend
    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class Week:
    """The whole page. ``titles`` are those of the figures; ``last`` names what fails."""

    context: str
    heading: Heading
    note: str
    as_of: str
    badge: str
    badge_tone: Tone
    titles: tuple[str, ...]
    rows: tuple[WeekRow, ...]
    blocks: tuple[WeekBlock, ...] = ()
    read: str = ""
    last: str = ""


def week_to_html(week: Week) -> Html:
    """A piece of HTML with its own style."""
    return tag("div", tag("style", Html(STYLE)), tag("div", *_write(week), class_=_ROOT))


def week_to_page(week: Week) -> Html:
    """A whole page in one file, which loads nothing."""
    body = tag("main", *_write(week), class_=_ROOT)
    return markup.page(str(week.heading), tag("style", Html(STYLE)), body)


_ROOT = "rtd rtd-week mathjax_ignore tex2jax_ignore"


def _write(week: Week) -> Iterator[Html]:
    badge = write_badge(week.badge, week.badge_tone)
    yield tag("div", tag("span", week.context), " ", badge, class_="rtd-top")
    yield tag("div", write_heading(week.heading), role="heading", aria_level=1, class_="w-head")
    as_of = tag("span", week.as_of, class_="w-push")
    yield tag("div", tag("span", week.note), " ", as_of, class_="w-now")
    has_trends = any(row.trend for row in week.rows)
    titles = ["workflow, as it is now", *week.titles]
    heads = (
        tag("span", each, class_="num" if at > has_trends else None, role="columnheader")
        for at, each in enumerate(titles)
    )
    rows = (
        tag("div", *_write_row(row, week.titles), class_="w-row", role="row") for row in week.rows
    )
    css = "w-table" if has_trends else "w-table w-brief"
    yield tag(
        "div", tag("div", *heads, class_="w-heads", role="row"), *rows, class_=css, role="table"
    )
    if week.blocks:
        by = ": those with broken evals first, in red; then by how much they fell"
        yield tag("div", tag("b", "Blocks"), by, class_="w-h", role="heading", aria_level=2)
        for workflow, its in groupby(week.blocks, lambda each: each.workflow):
            cells = map(_write_block, its)
            yield tag("div", tag("span", markup.name(workflow)), *cells, class_="w-multi")
    if has_trends:
        yield _LEGEND
    yield from (tag("p", each, class_="rtd-quiet") for each in (week.read, week.last) if each)


def _write_row(row: WeekRow, titles: Sequence[str]) -> Iterator[Html]:
    named = markup.name(row.name)
    about = f" · {row.about}" if row.about else ""
    stands = tag("span", write_heading(row.heading), class_="hl")
    yield tag("span", tag("span", named, about, class_="nm"), " ", stands, role="cell")
    if len(titles) > FIGURES:
        trend = None if row.trend is None else _draw(row.trend, 252, 40)
        yield tag("span", trend, role="cell")
    for title, each in zip(titles[-FIGURES:], row.figures, strict=False):
        below = tag("small", each.below) if each.below else None
        strong = tag("b", each.strong) if each.strong else None
        yield tag(
            "span", strong, each.rest, " ", below, class_="num", role="cell", data_title=title
        )


def _write_block(block: WeekBlock) -> Html:
    rate = tag("b", block.rate, class_="fell" if block.is_broken else None)
    named = tag("span", markup.name(block.name), class_="t", title=block.name)
    head = tag("div", named, tag("span", rate, f" of {block.of}"))
    return tag("span", head, _draw(block.trend, 190, 44), class_="w-cell")


def _draw(trend: Trend, wide: float, high: float) -> Html:
    """A line of rates from 50 to 100 %; what is lower is drawn at the lower line."""

    def x(place: float) -> str:
        return f"{_EDGE + place * (wide - 2 * _EDGE):.1f}"

    def y(rate: float) -> str:
        share = (1 - max(rate, _LOWEST)) / (1 - _LOWEST)
        return f"{_TOP + share * (high - 2 * _TOP):.1f}"

    lines = [
        tag("line", class_="g", x1=0, x2=wide, y1=y(rate), y2=y(rate)) for rate in (1, _LOWEST)
    ]
    lines += [tag("line", class_="ed", x1=x(at), x2=x(at), y1=0, y2=high) for at in trend.edits]
    lines += [
        tag("rect", class_="ou", x=f"{float(x(at)) - 3:.1f}", y=high - 6, width=6, height=6)
        for at in trend.outages
    ]
    if trend.points:
        points = " ".join(f"{x(at)},{y(rate)}" for at, rate in trend.points)
        lines.append(tag("polyline", class_="l", points=points))
        at, rate = trend.points[-1]
        lines.append(tag("circle", class_=f"end {trend.tone}", cx=x(at), cy=y(rate), r=3.2))
    size = {"viewBox": f"0 0 {wide} {high}", "width": wide, "height": high}
    size["preserveAspectRatio"] = "xMinYMid"  # in a wide cell it begins below its name
    return tag("svg", *lines, role="img", aria_label=trend.said, **size)


def _explain(mark: Html, wide: int, said: str) -> Html:
    return tag("span", tag("svg", mark, width=wide, height=12, aria_hidden="true"), said)


_LEGEND = tag(
    "div",
    _explain(
        tag("line", class_="l", x1=0, x2=18, y1=6, y2=6),
        18,
        "pass rate of whole runs; lines at 100 and 50 %",
    ),
    _explain(
        tag("line", class_="ed", x1=4, x2=4, y1=0, y2=12),
        8,
        "the block (above: any block) was edited",
    ),
    _explain(tag("rect", class_="ou", x=1, y=3, width=6, height=6), 8, "outage, left out"),
    class_="w-legend",
)


def week_to_markdown(week: Week) -> str:
    """The same for a chat message: a line for each workflow, and those that fail at the end."""
    head = week.heading
    context = " · ".join(filter(None, (week.context, week.note, week.as_of)))
    strong = f"**{markdown(head.sign)} {markdown(head.strong)}**"
    gap = " " if head.rest.startswith(" ") else ""
    lines = [f"{strong}{gap}{markdown(head.rest)}", ""]
    lines += [markdown(context), ""]
    lines += map(_mark_down, week.rows)
    lines += ["", markdown(week.last)] if week.last else []
    return "\n".join(lines) + "\n"


def _mark_down(row: WeekRow) -> str:
    told = [f"{row.heading.strong}{row.heading.rest}", *(each.said for each in row.figures)]
    said = " · ".join(each for each in told if each)
    return f"- {row.heading.sign} **{markdown(row.name)}**: {markdown(said)}"
