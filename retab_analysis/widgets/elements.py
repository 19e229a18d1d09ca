"""The HTML that a page understands: buttons, chips, grids, scroll areas.

A *key* names an element among those beside it, in the page and in the events that it sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from retab_analysis.markup import Html, join, tag
from retab_analysis.render.html import STYLE as DOCUMENT_STYLE

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8") + DOCUMENT_STYLE
"""The style sheet of pages and of what stands for them."""


def button(
    words: object,
    event: str,
    *,
    key: str | None = None,
    value: str | None = None,
    hint: str | None = None,
    disabled: bool = False,
) -> Html:
    return tag(
        "button",
        words,
        type="button",
        title=hint,
        data_event=event,
        data_key=key,
        data_value=value,
        disabled=disabled,
        class_="ra-button",
    )


def copy_button(words: object, text: str, *, hint: str | None = None) -> Html:
    """A button that copies a text to the clipboard, in the browser alone."""
    return tag("button", words, type="button", title=hint, data_copy=text, class_="ra-button")


@dataclass(frozen=True, slots=True)
class Option:
    """One of several things to choose from: what is sent, its words, how many there are of it."""

    value: str
    words: str
    count: int | None = None
    chosen: bool = False


def chips(choices: Iterable[Option], event: str, *, label: str) -> Html:
    """Buttons that stay pressed: one tab stop, and a click sends ``event`` with the value."""
    made = []
    for each in choices:
        count = None if each.count is None else tag("span", f"{each.count:,}", class_="ra-soft")
        pressed = tag(
            "button",
            join(each.words, " ", count),
            type="button",
            aria_pressed=str(each.chosen).lower(),
            tabindex=-1,
            data_key=each.value,
            data_event=event,
            data_value=each.value,
            class_="ra-chip",
        )
        made.append(pressed)
    return tag("div", *made, role="toolbar", aria_label=label, class_="ra-chips")


@dataclass(frozen=True, slots=True)
class GridColumn:
    """A column of a grid; ``sort`` is the event of its heading, ``width`` is in em."""

    key: str
    words: str
    is_number: bool = False
    sort: str | None = None
    order: str | None = None
    width: float | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class GridRow:
    """A row of a grid: its key, one cell for each column, and whether it is selected."""

    key: str
    cells: Sequence[object]
    selected: bool = False


def grid(
    columns: Sequence[GridColumn],
    rows: Iterable[GridRow],
    *,
    label: str,
    event: str | None = None,
    key: str | None = None,
) -> Html:
    """A table that is one tab stop; a click on a row sends ``event`` with the key of the row."""
    widths = [each.width for each in columns if each.width is not None]
    styles = [None if each.width is None else f"width:{each.width:g}em" for each in columns]
    table = tag(
        "table",
        tag("colgroup", *(tag("col", style=each) for each in styles)),
        tag("thead", tag("tr", *map(_heading, columns))),
        tag("tbody", *(_row(columns, row, event) for row in rows)),
        role="grid",
        aria_label=label,
        style=f"min-width:{sum(widths):g}em" if len(widths) == len(columns) else None,
        class_="ra-grid",
    )
    return tag("div", table, data_key=key, class_="ra-scroll")


def _heading(column: GridColumn) -> Html:
    words: object = column.words
    if column.sort is not None:
        arrow = {"ascending": " ▲", "descending": " ▼"}.get(column.order or "", "")
        mark = tag("span", arrow, aria_hidden="true")
        words = tag(
            "button", column.words, mark, type="button", tabindex=-1, data_event=column.sort
        )
    return tag(
        "th",
        words,
        scope="col",
        tabindex=-1,
        title=column.hint or column.words,
        aria_sort=column.order,
        data_key=column.key,
        class_="ra-number" if column.is_number else None,
    )


def _row(columns: Sequence[GridColumn], row: GridRow, event: str | None) -> Html:
    cells = (
        tag("td", cell, tabindex=-1, class_="ra-number" if column.is_number else None)
        for column, cell in zip(columns, row.cells, strict=True)
    )
    return tag(
        "tr",
        *cells,
        data_key=row.key,
        data_event=event,
        aria_selected=None if event is None else str(row.selected).lower(),
    )


def scroll_area(*children: object, label: str, key: str | None = None) -> Html:
    """A part that scrolls where it is long; it can have the focus, so that keys scroll it, too."""
    return tag(
        "div",
        *children,
        role="region",
        aria_label=label,
        tabindex=0,
        data_key=key,
        class_="ra-scroll",
    )


def beside(*children: object, is_head: bool = False) -> Html:
    """Short texts beside one another; the spaces are for sites that drop the style sheet."""
    class_ = "ra-row ra-head" if is_head else "ra-row"
    return tag("div", join(*children, by=" "), class_=class_)


def render_still(sections: Mapping[str, object], *, token: str | None = None) -> Html:
    """A page for where no script runs; ``token`` is that of the page that it stands for."""
    style = tag("style", Html(STYLE))
    parts = (tag("div", html, data_section=name) for name, html in sections.items())
    return tag("div", style, *parts, class_="ra-page", data_stands_for=token)
