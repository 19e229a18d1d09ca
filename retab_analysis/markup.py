"""The one place that makes HTML and Markdown: escaping, elements, the colours and signs of states.

Ids, names and messages come from outside. :func:`tag` escapes all that is not :class:`Html`: a
forgotten call shows an entity, never an element.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

# Okabe and Ito, "Color Universal Design", 2008: told apart by all kinds of colour vision. They are
# backgrounds and marks, which can be seen on light and on dark pages; text is never in them.
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

# The characters that turn text round, or end that: with them "exe.gpj" can read as "gpj.exe".
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Invisible between two letters: it joins them, keeps them apart, or says where a line may break.
_LETTER = "[^\\s\u00ad\u200c\u200d]"
_JOINER = re.compile(f"(?<={_LETTER})([\u00ad\u200c\u200d])(?={_LETTER})")
# Besides line ends: what sets the direction of what is next to it, and where a line may break.
_KEPT = "\n\t\u200b\u200e\u200f"
# Elements without content and without an end.
_VOID = frozenset({"base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})


class Html(str):
    """A text that is HTML already, and not escaped again."""

    __slots__ = ()


def escape(value: object) -> Html:
    """Escape text for content or attributes: nothing in it is markup or turns text round."""
    if isinstance(value, Html):
        return value
    return Html(html.escape(show_turning(str(value)), quote=True))


def show_turning(text: str) -> str:
    """Show the characters that would turn text round by their numbers.

    Example:
        >>> show_turning("invoice\u202efdp.exe")
        'invoice<U+202E>fdp.exe'
    """
    return _TURNING.sub(lambda found: f"<U+{ord(found[0]):04X}>", text)


def tag(name: str, *children: object, **attributes: object) -> Html:
    """An element; children and attributes are escaped unless they are HTML.

    ``class_`` and ``aria_label`` stand for ``class`` and ``aria-label``. None and False are left
    out, True stands alone.

    Example:
        >>> tag("b", "<i>", class_="x", hidden=True)
        '<b class="x" hidden>&lt;i&gt;</b>'
    """
    named = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    shown = "".join(
        f" {key}" if value is True else f' {key}="{escape(value)}"'
        for key, value in named
        if value is not None and value is not False
    )
    end = "" if name in _VOID else f"</{name}>"
    return Html(f"<{name}{shown}>{join(*children)}{end}")


def join(*children: object, by: str = "") -> Html:
    """Pieces behind one another; texts are escaped, None is left out."""
    return Html(by.join(escape(child) for child in children if child is not None))


def sign(state: str) -> Html:
    """The sign of a state or status on its colour, with its name as tooltip and for readers."""
    colour = STATE_COLOURS.get(state, STATE_COLOURS["unscored"])
    style = (
        f"background:{colour};color:#000;border-radius:3px;padding:0 .35em;"
        "font-weight:600;display:inline-block;min-width:1em;text-align:center"
    )
    shown = STATE_SIGNS.get(state, "?")
    return tag("span", shown, title=state, aria_label=state, style=style)


def name(value: object) -> Html:
    """A name in any script: one written from right to left does not reorder its neighbours."""
    return tag("bdi", value)


def page(title: str, *children: object) -> Html:
    """A whole page in one file, which loads nothing."""
    head = tag(
        "head",
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        tag("title", title),
        tag("style", Html(_PAGE_STYLE)),
    )
    body = tag("body", *children)
    return Html(f"<!doctype html>\n{tag('html', head, body, lang='en')}\n")


_PAGE_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font-family:system-ui,sans-serif;margin:2em auto;padding:0 1em;max-width:110em}"
    "@media (prefers-color-scheme:dark)"
    "{body{--background:#15191e;background:var(--background);color:#e6e9ec}}"
)

# Markdown reads what stands between HTML's elements; an entity is never markup to it.
_ADDRESS = r"(?<=www)\.|:(?=//)"  # without these, www.… and https://… are not links
_MARKDOWN = re.compile(r"([\\`*_\[\]|$~#])")
# Without what HTML's own entities are made of.
_ACTIVE = re.compile(rf"[\\`*_\[\]|$~@]|{_ADDRESS}", re.IGNORECASE)
# How a link without markup begins: @name, #1, user/repo#1, GH-1, www.… and https://…. GitHub looks
# for some of them after rendering, when no backslash is left.
_LINKED = re.compile(r"@|#(?=\w)|(?<![a-z0-9])GH-(?=\d)|www(?=\.)|:(?=//)", re.IGNORECASE)
_APART = "&#8203;"  # a space of no width


def markdown(value: object) -> str:
    r"""Any value as text in one line of Markdown, also in a table.

    Text that would become a link without markup gets an invisible neighbour: ``#1``, ``www.…``, and
    ``@name``, which notifies somebody on GitHub.

    Example:
        >>> print(markdown("<b> $x_$ | y"))
        &lt;b&gt; \$x\_\$ \| y
    """
    plain = html.escape(_MARKDOWN.sub(r"\\\1", one_line(value)), quote=False)
    return _LINKED.sub(lambda found: found[0] + _APART, plain)


def markdown_code(value: object) -> str:
    r"""Any value as code in one line of Markdown, also in a table.

    Markdown is also read inside HTML elements. Characters that would make a link, an image or
    emphasis there become numbers, which are never markup.

    Example:
        >>> print(markdown_code("<b> | [x](y)"))
        <code>&lt;b&gt; &#124; &#91;x&#93;(y)</code>
    """
    plain = html.escape(one_line(value))
    return tag("code", Html(_ACTIVE.sub(lambda found: f"&#{ord(found[0])};", plain)))


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def one_line(value: object, limit: int | None = None) -> str:
    """Any value as one line of plain text, without control characters, cut at ``limit``."""
    line = " ".join(without_controls("" if value is None else str(value)).split())
    return line if limit is None or len(line) <= limit else f"{line[: limit - 1]}…"


def count_noun(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def without_controls(value: str) -> str:
    """Without characters that steer a terminal or that HTML forbids; line ends and tabs stay.

    So do marks of direction, and a joiner between two letters, which Persian, Hindi and emoji need.
    """
    # Nearly every text has none; this saves the look at each character.
    if value.isascii() and value.isprintable():
        return value
    pieces = _JOINER.split(show_turning(value))  # every second one is a joiner
    return "".join(
        each
        if at % 2 or each.isprintable() or each in _KEPT or (each.isspace() and each > "\x7f")
        else "\ufffd"  # a control character or half a surrogate pair, no space of another script
        for at, piece in enumerate(pieces)
        for each in piece
    )


def say_points(delta: float) -> str:
    """A change of a rate without its sign; if it is small, to its first digit that is not zero.

    Example:
        >>> say_points(-0.123), say_points(0.0004)
        ('12.3 points', '0.04 points')
    """
    points = abs(100 * delta)
    return f"{points:.1f} points" if points >= 0.05 else f"{points:.1g} points"


def say_p_value(p: float) -> str:
    return f"= {p:.2g}" if p >= 0.001 else "< 0.001"


def say_rate(rate: float) -> str:
    """A rate in percent with all its digits, up to four after the point."""
    return f"{round(100 * rate, 4):g} %"


def say_rates(before: float, now: float) -> tuple[str, str]:
    """Two rates in whole percent, or with as many digits as tell them apart."""
    for digits in range(4):
        said = tuple(f"{100 * rate:.{digits}f} %" for rate in (before, now))
        if said[0] != said[1] or before == now:
            break
    return said[0], said[1]
