"""An explorer as HTML and text: the same live, saved, exported and in a terminal."""

from __future__ import annotations

from dataclasses import dataclass, field

from retab_analysis.markup import Html, join, one_line, tag, without_controls
from retab_analysis.widgets.elements import Option, beside, button, chips, render_still
from retab_analysis.widgets.explorer.panel import render_panel
from retab_analysis.widgets.explorer.state import ExplorerState
from retab_analysis.widgets.open_eval import DetailLook
from retab_analysis.widgets.table import PAGE, TableState
from retab_analysis.widgets.table_html import (
    format_table,
    render_field,
    render_pages,
    render_rows,
)


@dataclass(frozen=True, slots=True)
class ExplorerLook:
    """What is shown besides the lists; ``more`` is what *Load more* would do, if anything."""

    title: str
    message: str = ""
    is_trouble: bool = False
    more: str = ""
    fetching: bool = False
    panel: DetailLook = field(default_factory=DetailLook)


def render_sections(explored: ExplorerState, look: ExplorerLook) -> dict[str, Html]:
    """The whole explorer by the sections of its page, from the top to the bottom."""
    state, is_live = explored.listed, look.panel.is_live
    field = render_field("search", "Search", state.text, placeholder="Search")
    search = tag("div", field, class_="ra-actions")
    told = tag("div", _describe_search(state), class_="ra-soft") if state.text else Html("")
    # Its height stays the same from page to page.
    tall = " ra-tall" if is_live and state.frame.height > PAGE else ""
    position = tag("div", state.position, class_="ra-soft")
    return {
        "head": render_head(explored, look),
        "search": search if is_live else told,
        "list": tag("div", render_rows(state, is_live=is_live), class_=f"ra-main{tall}"),
        "panel": render_panel(explored, look.panel, fetching=look.fetching),
        "pages": _render_pages(explored, look) if is_live else position,
        "actions": _render_actions(look) if is_live else Html(""),
    }


def _describe_search(state: TableState) -> str:
    return f"Those with “{one_line(state.text)}”"


def _render_pages(explored: ExplorerState, look: ExplorerLook) -> Html:
    """Which page is seen; nothing is said to be none while it is on its way."""
    state = explored.listed
    if look.fetching and state.frame.is_empty():
        words = f"The results of the {state.listing.noun} are on their way …"
        return tag("div", words, class_="ra-soft", role="status")
    return render_pages(state)


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
    # How many evals there are is not known before they have been weighed.
    rows = {
        each: explored.list_of(each).frame.height
        for each in explored.tabs
        if each != "evals" or (explored.is_weighed and not look.fetching)
    }
    tabs = (
        Option(each, each.capitalize(), rows.get(each), each == explored.tab)
        for each in explored.tabs
    )
    return join(head, chips(tabs, "tab", label="Lists"))


def _render_actions(look: ExplorerLook) -> Html:
    hint = "All rows that the search finds; asks before it replaces a file"
    more = button("Load more", "more", hint=look.more, key="more") if look.more else None
    return tag(
        "div",
        button("Export CSV", "export", hint=hint),
        button("Refresh", "refresh", hint="Ask again for what may have changed"),
        more,
        class_="ra-actions",
    )


def plain_text(explored: ExplorerState, title: str, message: str) -> str:
    state = explored.listed
    lines = [title, message, _describe_search(state) if state.text else ""]
    lines += format_table(state)
    # A terminal has no tabs to click on: it is told how to get to the others.
    others = [each for each in explored.tabs if each != explored.tab]
    lines += [f"{state.position}; .frame is all of them, .tab turns to {' or '.join(others)}"]
    return "\n".join(without_controls(line) for line in lines if line)
