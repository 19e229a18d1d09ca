"""Names as labels: short, still different from one another, and in a font that can draw them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time
from functools import cache, lru_cache
from typing import Any

import matplotlib as mpl
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

from retab_analysis.markup import one_line
from retab_analysis.render.text import clip

NO_NAME = "(none)"
NO_GLYPH = "□"
"""The sign for a character that no installed font has."""
_SEPARATORS = "_/.:, -"


def shorten_names(names: Iterable[object], limit: int = 16) -> list[str]:
    """Each name in one line of about ``limit`` characters; wide ones count twice.

    A name that is too long loses its end. Names that would then be equal show their beginning and
    the place where they differ; equal ones get numbers. None is ``(none)``.
    """
    values = list(names)
    distinct = list(dict.fromkeys(values))
    lines = [NO_NAME if value is None else to_one_line(value) for value in distinct]
    short = {line: clip(line, limit) for line in lines}
    head = limit // 2 - 1
    room = limit - head - 1
    # Names that differ at one place may be alike until a later one.
    for _ in range(3):
        groups: dict[str, list[str]] = {}
        for line, label in short.items():
            groups.setdefault(label, []).append(line)
        for group in (each for each in groups.values() if len(each) > 1):
            letters = enumerate(zip(*group, strict=False))
            place = next((at for at, each in letters if len(set(each)) > 1), min(map(len, group)))
            word = max(group[0].rfind(each, 0, place) + 1 for each in _SEPARATORS)
            start = max(head, word, place - room // 2)
            short |= {line: f"{line[:head]}…{clip(line[start:], room)}" for line in group}
    seen: dict[str, int] = {}
    labels = {}
    for value, line in zip(distinct, lines, strict=True):
        label = short[line]
        seen[label] = seen.get(label, 0) + 1
        labels[value] = label if seen[label] == 1 else f"{label} ({seen[label]})"
    return [labels[value] for value in values]


def to_one_line(value: object) -> str:
    """A character that no installed font has is :data:`NO_GLYPH`; matplotlib would warn of each."""
    if isinstance(value, datetime):
        midnight = value.time() == time.min
        return value.strftime("%Y-%m-%d" if midnight else "%Y-%m-%d %H:%M")
    line = one_line(value)
    return "".join(NO_GLYPH if find_family(each) is None else each for each in line)


def choose_families(text: str) -> list[str]:
    own = list(mpl.rcParams["font.family"])
    return list(dict.fromkeys([*own, *(find_family(each) or own[0] for each in text)]))


def find_family(character: str) -> str | None:
    own = tuple(mpl.rcParams["font.family"])
    return own[0] if character.isascii() else _search(ord(character), own)


@lru_cache(maxsize=4096)
def _search(code: int, own: tuple[str, ...]) -> str | None:
    for family in own:
        if code in _characters(findfont(FontProperties(family=[family]))):
            return family
    # "Last Resort" has a box for every character.
    fonts = (each for each in fontManager.ttflist if not each.name.startswith("Last Resort"))
    return next((each.name for each in fonts if code in _characters(each.fname)), None)


@cache
def _characters(path: Any) -> frozenset[int]:
    try:
        return frozenset(get_font(path).get_charmap())
    except (OSError, RuntimeError):  # a missing file, or no font
        return frozenset()
