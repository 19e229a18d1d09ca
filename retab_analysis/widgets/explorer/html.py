"""An explorer as HTML and text: the same live, saved, exported and in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from retab_analysis.markup import Html, join, one_line, tag, without_controls
from retab_analysis.widgets.elements import (
    GridColumn,
    GridRow,
    Option,
    beside,
    button,
    chips,
    copy_button,
    grid,
    multi_select,
    render_still,
)
from retab_analysis.widgets.explorer.list_state import PAGE, ListState
from retab_analysis.widgets.explorer.lists import ListColumn, Row, render_cell
from retab_analysis.widgets.explorer.panel import PanelLook, render_panel
from retab_analysis.widgets.explorer.state import ExplorerState
from retab_analysis.widgets.explorer.time_strip import render_strip

# Characters of a cell in a terminal.
_CELL = 28


@dataclass(frozen=True, slots=True)
class ExplorerLook:
    """What is shown besides the lists, and how.

    Attributes:
        title: What is explored.
        message: How far a fetch is, or what has been done.
        is_trouble: Whether the message is of a failure.
        more: What *Load more* would do, empty where it would do nothing.
        path: Where *Export CSV* writes to.
        code: The code that makes the rows.
        panel: How the run, result or eval is told that is chosen.
    """

    title: str
    message: str = ""
    is_trouble: bool = False
    more: str = ""
    path: str = ""
    code: str = ""
    panel: PanelLook = field(default_factory=PanelLook)


def render_sections(explored: ExplorerState, look: ExplorerLook) -> dict[str, Html]:
    """The whole explorer by the sections of its page, from the top to the bottom."""
    state, is_live = explored.listed, look.panel.is_live
    return {
        "head": render_head(explored, look),
        "filters": _render_filters(state) if is_live else _tell_filters(state),
        "time": render_strip(state, "days" if is_live else None),
        "list": _render_list(state, is_live=is_live),
        "panel": render_panel(explored, look.panel),
        "pages": _render_pages(state) if is_live else tag("div", state.position, class_="ra-soft"),
        "actions": _render_actions(look) if is_live else Html(""),
        "code": _render_code(look.code),
    }


def render_still_view(
    explored: ExplorerState, look: ExplorerLook, token: str | None = None
) -> Html:
    """The list that is seen as a page for where nothing drives it."""
    sections = render_sections(explored, look)
    return render_still({name: html for name, html in sections.items() if html}, token=token)


def render_head(explored: ExplorerState, look: ExplorerLook) -> Html:
    """What is explored, what there is to know about it, and which lists there are."""
    looks = "ra-alert" if look.is_trouble else "ra-soft ra-push"
    said = tag("span", look.message, class_=looks, role="status", data_key="message")
    head = beside(tag("b", look.title), said, is_head=True)
    if not look.panel.is_live:
        return head
    tabs = [
        Option(each, each.capitalize(), _count_rows(explored, each), each == explored.tab)
        for each in explored.tabs
    ]
    return join(head, chips(tabs, "tab", label="Lists"))


def _count_rows(explored: ExplorerState, tab: str) -> int | None:
    """How many rows a list has, None where that is not known yet."""
    if tab == "evals" and not explored.is_weighed:
        return None
    return explored.list_of(tab).frame.height


# Filters


def _tell_filters(state: ListState) -> Html:
    words = state.describe_filters()
    return tag("div", f"Filtered by {words}", class_="ra-soft") if words else Html("")


def _render_filters(state: ListState) -> Html:
    """The filters in one bar; what they let pass is said where it is folded, too."""
    words, filters = state.describe_filters(), state.filters
    since, until = (day and day.isoformat() for day in (filters.since, filters.until))
    about = state.listing.moment[0].capitalize()
    controls = (
        _field("search", "Search", filters.text, placeholder="Search"),
        *_render_facets(state),
        tag("label", f"{about} since ", _field("since", "since", since, type="date")),
        tag("label", "until ", _field("until", "until", until, type="date")),
        button("Clear filters", "clear", hint="Show all again", disabled=not words),
        _render_columns(state),
    )
    summary = tag("summary", "Filters", tag("span", f": {words}") if words else None)
    bar = tag("div", *controls, class_="ra-actions")
    return tag("details", summary, bar, open=True, class_="ra-fold")


def _field(event: str, label: str, value: object, **more: object) -> Html:
    given = {"type": "search", "autocomplete": "off", **more}
    return tag(
        "input",
        **given,
        value=value or "",
        aria_label=label,
        data_event=event,
        data_key=event,
        class_="ra-field",
    )


def _render_facets(state: ListState) -> Iterator[Html]:
    for number, facet in enumerate(state.listing.facets):
        values = state.values(facet)
        # With one value there is nothing to choose; what is chosen stays to be seen.
        if len(values) < 2 and not state.filters.facets.get(facet.name):
            continue
        options = [
            Option(str(each.number), state.label(facet.name, each.value), each.count, each.chosen)
            for each in state.choices(facet)
        ]
        left = len(values) - len(options)
        options += [Option("", f"and {left:,} more, which the search finds")] if left else []
        yield multi_select(options, f"facet-{number}", label=facet.title, key=f"facet-{number}")


def _render_columns(state: ListState) -> Html:
    options = [
        Option(str(number), column.title, chosen=column.name not in state.hidden)
        for number, column in enumerate(state.listing.columns)
    ]
    return multi_select(options, "column", label="Columns", key="columns")


# The list


def _render_list(state: ListState, *, is_live: bool) -> Html:
    listing, shown = state.listing, state.columns
    numbers = {each.name: str(number) for number, each in enumerate(listing.columns)}
    order = "descending" if state.descending else "ascending"
    columns = [
        GridColumn(
            numbers[each.name],
            each.title,
            each.is_number,
            "sort" if is_live else None,
            order if each.name == state.sort else None,
            f"{each.width:g}em",
            each.hint,
        )
        for each in shown
    ]
    rows = zip(state.shown_numbers, state.shown.iter_rows(named=True), strict=True)
    lines = [
        GridRow(
            str(number),
            [render_cell(each, row, state.versions) for each in shown],
            number == state.chosen_number,
        )
        for number, row in rows
    ]
    table = grid(
        columns,
        lines,
        label=listing.noun.capitalize(),
        event="open" if is_live else None,
        key=listing.noun,
        width=f"{sum(each.width for each in shown):g}em",
    )
    # Its height stays the same from page to page.
    tall = " ra-tall" if is_live and state.frame.height > PAGE else ""
    return tag("div", table, class_=f"ra-main{tall}")


def _render_pages(state: ListState) -> Html:
    page = tag(
        "input",
        type="number",
        min=1,
        max=state.pages,
        value=state.page + 1,
        aria_label="Page",
        data_event="page",
        data_key="page",
        class_="ra-field ra-page-number",
    )
    return tag(
        "div",
        button("‹ Previous", "turn", value="-1", disabled=state.page == 0, key="before"),
        tag("label", "Page ", page, f" of {state.pages:,}"),
        button("Next ›", "turn", value="1", disabled=state.page + 1 >= state.pages, key="after"),
        tag("span", state.position, role="status"),
        class_="ra-actions",
    )


def _render_actions(look: ExplorerLook) -> Html:
    hint = "All rows that pass the filters, to this file; one that is there is replaced"
    more = button("Load more", "more", hint=look.more, key="more") if look.more else None
    return tag(
        "div",
        tag("label", "to ", _field("path", "File", look.path, type="text", spellcheck="false")),
        button("Export CSV", "export", hint=hint),
        copy_button("Copy code", look.code, hint="The lines that make the same rows"),
        button("Refresh", "refresh", hint="Ask again for what may have changed"),
        more,
        class_="ra-actions",
    )


def _render_code(code: str) -> Html:
    words = tag("summary", "Code that makes these rows")
    return tag("details", words, tag("pre", code), class_="ra-fold")


# Text


def format_table(columns: Sequence[ListColumn], rows: Sequence[Row], state: ListState) -> list[str]:
    """Rows as lines of text, one below the other; numbers stand on the right."""
    cells = [[column.title for column in columns]]
    cells += [[_format_cell(column, row, state) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    signs = [">" if column.is_number else "<" for column in columns]
    return [
        "  ".join(
            f"{cell:{sign}{width}}" for cell, sign, width in zip(line, signs, widths, strict=True)
        ).rstrip()
        for line in cells
    ]


def _format_cell(column: ListColumn, row: Row, state: ListState) -> str:
    called = state.versions.get(row[column.name]) if column.is_version else None
    return one_line(called or column.text(row), _CELL)


def plain_text(explored: ExplorerState, title: str, message: str) -> str:
    """The list that is seen as text."""
    state = explored.listed
    words = state.describe_filters()
    lines = [title, *([message] if message else []), f"Filtered by {words}" if words else ""]
    lines += format_table(state.columns, state.shown.to_dicts(), state)
    # A terminal has no tabs to click on: it is told how to get to the others.
    others = [each for each in explored.tabs if each != explored.tab]
    lines += [f"{state.position}; .frame is all of them, .tab turns to {' or '.join(others)}"]
    return "\n".join(without_controls(line) for line in lines if line)
