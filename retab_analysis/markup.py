"""The one place that makes HTML: escaping, elements, and the colours and signs of states."""

from __future__ import annotations

import html

# Okabe and Ito, "Color Universal Design", 2008: told apart by all kinds of colour vision. They are
# seen on light and on dark grounds; text never has them for its colour.
STATE_COLOURS = {
    "passed": "#009E73",
    "failed": "#D55E00",
    "blocked": "#E69F00",
    "error": "#CC79A7",
    "cancelled": "#7F7F7F",
    "running": "#56B4E9",
    "queued": "#A9B4BE",
    "pending": "#C9D1D8",
    "unscored": "#C9D1D8",
}
STATE_SIGNS = {
    "passed": "✓",
    "failed": "✗",
    "blocked": "⊘",
    "error": "!",
    "cancelled": "–",
    "running": "▸",
    "queued": "…",
    "pending": "…",
    "unscored": "?",
}


class Html(str):
    """A text that is HTML already, and not escaped again."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return self


def escape(value: object) -> Html:
    """Any text as HTML: nothing in it is markup, in content and in attributes."""
    return value if isinstance(value, Html) else Html(html.escape(str(value), quote=True))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """An element; children and attributes are escaped unless they are HTML.

    Args:
        name: The element's name.
        *children: Its content; None is left out.
        **attributes: ``class_`` and ``aria_label`` stand for ``class`` and ``aria-label``; None
            and False are left out, True stands alone.

    Example:
        >>> tag("b", "<i>", class_="x", hidden=True)
        '<b class="x" hidden>&lt;i&gt;</b>'
    """
    shown = "".join(
        f" {_attribute(key)}" if value is True else f' {_attribute(key)}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{shown}>{join(*children)}</{name}>")


def join(*children: object, by: str = "") -> Html:
    """Pieces behind one another; texts are escaped, None is left out."""
    return Html(by.join(escape(child) for child in children if child is not None))


def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def sign(state: str) -> Html:
    """A state's sign on its colour, with its name for who does not see it."""
    colour = STATE_COLOURS.get(state, STATE_COLOURS["unscored"])
    style = (
        f"background:{colour};color:#000;border-radius:3px;padding:0 .35em;"
        "font-weight:600;display:inline-block;min-width:1em;text-align:center"
    )
    return tag("span", STATE_SIGNS.get(state, "?"), title=state, aria_label=state, style=style)
