"""A table as HTML and as text: its rows, its pages."""

from __future__ import annotations

from retab_analysis.markup import Html, one_line, tag
from retab_analysis.widgets.elements import GridColumn, GridRow, button, grid
from retab_analysis.widgets.table import Row, TableColumn, TableState

# Characters of a cell in a terminal.
_CELL = 28
# What has fewer characters for each em of its column fits in it, and so many of its end are kept.
_FIT, _END = 1.6, 0.6


def render_field(event: str, label: str, value: object, **more: object) -> Html:
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
    shown = state.listing.columns
    order = "descending" if state.descending else "ascending"
    columns = [
        GridColumn(
            str(number),
            each.title,
            each.is_number,
            "sort" if is_live else None,
            order if each.name == state.sort else None,
            each.width,
            each.hint,
        )
        for number, each in enumerate(shown)
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
    called = column.text(state.with_names(row))
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


def format_table(state: TableState) -> list[str]:
    """The rows of the page as lines of text, one below the other; numbers stand on the right."""
    columns = state.listing.columns
    cells = [[column.title for column in columns]]
    for row in map(state.with_names, state.shown.iter_rows(named=True)):
        cells.append([one_line(each.text(row), _CELL) for each in columns])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    signs = [">" if column.is_number else "<" for column in columns]
    return [
        "  ".join(
            f"{cell:{sign}{width}}" for cell, sign, width in zip(line, signs, widths, strict=True)
        ).rstrip()
        for line in cells
    ]
