"""A table as HTML and as text: its filters, its rows, its pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from retab_analysis.markup import Html, one_line, tag
from retab_analysis.widgets.elements import GridColumn, GridRow, Option, button, grid, multi_select
from retab_analysis.widgets.table import Row, TableColumn, TableState

# Characters of a cell in a terminal.
_CELL = 28
# What has fewer characters for each em of its column fits in it, and so many of its end are kept.
_FIT, _END = 1.6, 0.6


def render_filters(state: TableState) -> Html:
    """The filters in one bar; what they let pass is said where it is folded, too."""
    words, filters = state.describe_filters(), state.filters
    since, until = (day and day.isoformat() for day in (filters.since, filters.until))
    columns = [
        Option(str(number), column.title, chosen=column.name not in state.hidden)
        for number, column in enumerate(state.listing.columns)
    ]
    bar = tag(
        "div",
        render_field("search", "Search", filters.text, placeholder="Search"),
        *_render_facets(state),
        tag(
            "label",
            f"{state.listing.moment[0].capitalize()} since ",
            render_field("since", "since", since, type="date"),
        ),
        tag("label", "until ", render_field("until", "until", until, type="date")),
        button("Clear filters", "clear", hint="Show all again", disabled=not words),
        multi_select(columns, "column", label="Columns", key="columns"),
        class_="ra-actions",
    )
    summary = tag("summary", "Filters", tag("span", f": {words}") if words else None)
    return tag("details", summary, bar, open=True, class_="ra-fold")


def _render_facets(state: TableState) -> Iterator[Html]:
    for number, facet in enumerate(state.listing.facets):
        values = state.values(facet)
        # With one value there is nothing to choose; what is chosen stays to be seen.
        if len(values) < 2 and not state.filters.facets.get(facet.name):
            continue
        options = state.choices(facet)
        left = len(values) - len(options)
        options += [Option("", f"and {left:,} more, which the search finds")] if left else []
        yield multi_select(options, f"facet-{number}", label=facet.title, key=f"facet-{number}")


def render_field(event: str, label: str, value: object, **more: object) -> Html:
    """A field of one line that sends what is typed in it."""
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


def render_rows(state: TableState, *, is_live: bool = True) -> Html:
    shown = state.columns
    numbers = {each.name: str(number) for number, each in enumerate(state.listing.columns)}
    order = "descending" if state.descending else "ascending"
    columns = [
        GridColumn(
            numbers[each.name],
            each.title,
            each.is_number,
            "sort" if is_live and state.sort is not None else None,
            order if each.name == state.sort else None,
            each.width,
            each.hint,
        )
        for each in shown
    ]
    rows = zip(state.shown_numbers, state.shown.iter_rows(named=True), strict=True)
    lines = (
        GridRow(
            str(number),
            [render_cell(state, each, row) for each in shown],
            number == state.chosen_number,
        )
        for number, row in rows
    )
    noun, event = state.listing.noun, "open" if is_live else None
    return grid(columns, lines, label=noun.capitalize(), event=event, key=noun)


def render_cell(state: TableState, column: TableColumn, row: Row) -> Html:
    """A cell; all of what is longer than its column is in the tooltip."""
    if column.html is not None:
        return column.html(row)
    text = column.text(row)
    called = state.version_name(column.name, row[column.name]) or text
    if column.width is None or len(called) <= _FIT * column.width:
        return tag("bdi", called, title=text or None)
    # Names that begin alike are told apart by their ends, which stay where the column is narrow.
    end = len(called) - int(_END * column.width)
    pieces = (tag("span", each) for each in (called[:end], called[end:]))
    return tag("bdi", *pieces, title=text or None, class_="ra-cut")


def render_pages(state: TableState) -> Html:
    """Which page is seen, and the buttons that turn to others."""
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


def format_table(state: TableState, columns: Sequence[TableColumn]) -> list[str]:
    """The rows of the page as lines of text, one below the other; numbers stand on the right."""
    cells = [[column.title for column in columns]]
    for row in state.shown.iter_rows(named=True):
        texts = (
            state.version_name(each.name, row[each.name]) or each.text(row) for each in columns
        )
        cells.append([one_line(each, _CELL) for each in texts])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    signs = [">" if column.is_number else "<" for column in columns]
    return [
        "  ".join(
            f"{cell:{sign}{width}}" for cell, sign, width in zip(line, signs, widths, strict=True)
        ).rstrip()
        for line in cells
    ]
