"""A list over time: how many rows, and the share of them that passed; also the filter of dates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import polars as pl

from retab_analysis.markup import Html, join, tag
from retab_analysis.vocabulary import FAILING
from retab_analysis.widgets.common.text import count_noun
from retab_analysis.widgets.explorer.list_state import DAYS, ListState

# At most so many spans are told apart, each of whole days.
_SPANS = 60
# The height of the picture, and of the bars, which stand below the rates where there are any.
_HEIGHT, _HIGHEST, _LOWER = 100, 94, 34


@dataclass(frozen=True, slots=True)
class Span:
    """Some days in a row.

    Attributes:
        first: The first day, in UTC.
        last: The last day, included.
        rows: How many rows are of these days.
        passed: How many evals of these passed, None where the list does not say it.
        ended: How many ended, without those that were cancelled.
    """

    first: date
    last: date
    rows: int = 0
    passed: int | None = None
    ended: int = 0

    @property
    def rate(self) -> float | None:
        """The share that passed, or None."""
        return self.passed / self.ended if self.passed is not None and self.ended else None


def count_spans(state: ListState) -> list[Span]:
    """Count the rows that pass all filters but that of the dates, over all days of the list."""
    moment = state.listing.moment[1]
    days = state.frame.select(first=pl.col(moment).min(), last=pl.col(moment).max())
    first, last = (each and each.date() for each in days.row(0))
    if first is None or last is None:
        return []
    length = -(-((last - first).days + 1) // _SPANS)
    place = (pl.col(moment).dt.date() - first).dt.total_days() // length
    passed, ended = _count_passed(state)
    found = state.rows_of_all_days(*{moment, *passed.meta.root_names(), *ended.meta.root_names()})
    counted = found.group_by(place.alias("span")).agg(
        rows=pl.len(), passed=passed.sum(), ended=ended.sum()
    )
    known = {row[0]: row[1:] for row in counted.iter_rows()}
    spans = []
    for number in range((last - first).days // length + 1):
        begin = first + timedelta(days=number * length)
        end = min(begin + timedelta(days=length - 1), last)
        spans.append(Span(begin, end, *known.get(number, ())))
    return spans


def _count_passed(state: ListState) -> tuple[pl.Expr, pl.Expr]:
    """How many evals of a row passed, and how many ended, as expressions."""
    parts = ("passed", "failed", "blocked", "error")
    if state.listing.noun == "runs":
        # As of the pass rate: of a run of which a part is not known, nothing is.
        known = pl.col("pass_rate").is_not_null()
        ended = pl.sum_horizontal(parts)
        return pl.when(known).then(pl.col("passed")), pl.when(known).then(ended)
    if state.listing.noun == "results":
        return pl.col("state") == "passed", pl.col("state").is_in(("passed", *FAILING))
    return pl.lit(None, pl.Int64), pl.lit(0)


def render_strip(state: ListState, event: str | None) -> Html:
    """The strip; empty where all rows are of one day, or of none.

    Args:
        state: The list.
        event: What choosing some days sends, or None where nothing can be chosen.
    """
    spans = state.keep("spans", DAYS, lambda: count_spans(state))
    if len(spans) < 2:
        return Html("")
    rates = [each.rate for each in spans if each.rate is not None]
    # The rates fill the height; the lowest and the highest are written beside it.
    low, high = (min(rates), max(rates)) if rates else (0.0, 1.0)
    picture = tag(
        "svg",
        *_draw_bars(spans, _LOWER if rates else _HIGHEST),
        *_draw_rates(spans, low, high),
        viewBox=f"0 0 {len(spans)} {_HEIGHT}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
    options = (_render_span(state, each, can_choose=event is not None) for each in spans)
    scale = None
    if rates:
        ends = (tag("span", f"{each:.1%}") for each in dict.fromkeys((high, low)))
        scale = tag("div", join(*ends, by=" "), class_="ra-scale")
    strip = tag(
        "div",
        picture,
        *options,
        role="listbox" if event else "group",
        aria_label=_name_strip(state, "pass rate over time" if rates else "over time"),
        aria_orientation="horizontal" if event else None,
        aria_multiselectable="true" if event else None,
        data_range=event,
        class_="ra-strip",
    )
    return tag("div", scale, strip, _render_legend(state, spans, bool(rates)), class_="ra-time")


def _name_strip(state: ListState, what: str) -> str:
    return f"{state.listing.noun.capitalize()} by day, {what}"


def _draw_bars(spans: Sequence[Span], highest: int) -> Iterator[Html]:
    most = max(each.rows for each in spans) or 1
    for at, span in enumerate(spans):
        if span.rows:
            height = max(highest * span.rows / most, 3)
            yield tag(
                "rect",
                x=f"{at + 0.1:g}",
                y=f"{_HEIGHT - height:.1f}",
                width=0.8,
                height=f"{height:.1f}",
                class_="ra-bars",
            )


def _draw_rates(spans: Sequence[Span], low: float, high: float) -> Iterator[Html]:
    """A line through the rates; days without any are bridged by a dashed one."""
    room = _HIGHEST - _LOWER - 6
    points = [
        (at, f"{at + 0.5:g},{6 + room * (high - span.rate) / (high - low or 1):.1f}")
        for at, span in enumerate(spans)
        if span.rate is not None
    ]
    for (at, begin), (after, end) in pairwise(points):
        dashed = "ra-gap" if after - at > 1 else None
        yield tag("path", d=f"M{begin}L{end}", class_=dashed)
    # A line without length is drawn as a dot.
    yield tag("path", d="".join(f"M{point}h0" for _, point in points), class_="ra-dots")


def _render_span(state: ListState, span: Span, *, can_choose: bool) -> Html:
    filters = state.filters
    is_filtered = bool(filters.since or filters.until)
    inside = (not filters.until or span.first <= filters.until) and (
        not filters.since or span.last >= filters.since
    )
    words = _describe_span(state, span)
    return tag(
        "div",
        role="option" if can_choose else None,
        aria_selected=str(is_filtered and inside).lower() if can_choose else None,
        aria_label=words if can_choose else None,
        title=words,
        tabindex=-1 if can_choose else None,
        data_key=str(span.first),
        data_value=f"{span.first}/{span.last}",
        class_="ra-outside" if is_filtered and not inside else None,
    )


def _describe_span(state: ListState, span: Span) -> str:
    days = str(span.first) if span.first == span.last else f"{span.first} to {span.last}"
    said = f"{days}: {count_noun(span.rows, state.listing.noun.removesuffix('s'))}"
    if span.rate is None:
        return said
    return f"{said}, {span.rate:.1%} passed ({span.passed:,} of {span.ended:,})"


def _render_legend(state: ListState, spans: Sequence[Span], has_rates: bool) -> Html:
    length = (spans[0].last - spans[0].first).days + 1
    each = "a day" if length == 1 else f"{length} days"
    line = "line: pass rate; " if has_rates else ""
    bars = f"bars: {state.listing.noun} {state.listing.moment[0]}"
    words = (spans[0].first, f"{line}{bars}, each {each}", spans[-1].last)
    shown = join(*(tag("span", each) for each in words), by=" ")
    return tag("div", shown, class_="ra-legend ra-soft")


def join_days(one: str, other: str) -> tuple[date, date]:
    """The first and the last day of two spans, as a page sends them.

    Raises:
        ValueError: It is not what a page sends.
    """
    days = [date.fromisoformat(day) for span in (one, other) for day in span.split("/")]
    return min(days), max(days)
