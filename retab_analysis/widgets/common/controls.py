"""What every view here builds from ipywidgets, and how it changes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets


def assign(widget: Any, **values: Any) -> None:
    """Assign only what differs: each assignment is a message."""
    for name, value in values.items():
        if getattr(widget, name) != value:
            setattr(widget, name, value)


def show(widget: Any, visible: bool) -> None:
    """Show or hide a widget."""
    assign(widget.layout, display="" if visible else "none")


def button(words: str, hint: str, do: Callable[[], object]) -> widgets.Button:
    """A button that is as wide as its words."""
    made = widgets.Button(description=words, tooltip=hint, layout=widgets.Layout(width="auto"))
    made.on_click(lambda _: do())
    return made


def row(*children: Any) -> widgets.HBox:
    """Widgets beside one another, in several lines where there is no room."""
    return widgets.HBox(children, layout=widgets.Layout(flex_flow="row wrap", align_items="center"))


def stack(*children: Any, css_class: str = "") -> widgets.VBox:
    """Widgets below one another, as wide as the cell."""
    box = widgets.VBox(children, layout=widgets.Layout(width="100%", overflow="hidden"))
    if css_class:
        box.add_class(css_class)
    return box


# Browsers draw the arrows of lists and the signs of calendars for light grounds unless told.
_DARK = """<style>
[data-jp-theme-light="false"] .jupyter-widgets,.vscode-dark .jupyter-widgets,
html[theme="dark"] .jupyter-widgets{color-scheme:dark}
</style>"""


def style(rules: str) -> widgets.HTML:
    """Style sheets for the page, without a place on it."""
    return widgets.HTML(rules + _DARK, layout=widgets.Layout(display="none"))


def close(widget: Any) -> None:
    """Take away a widget and all that is in it: Jupyter would keep them."""
    for child in getattr(widget, "children", ()):
        close(child)
    widget.close()
