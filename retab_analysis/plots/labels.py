"""Names as labels: short, and still different from one another."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, time
from itertools import takewhile

from retab_analysis.markup import one_line
from retab_analysis.plots.fonts import replace_undrawable

NO_NAME = "(none)"
_SEPARATORS = "_/.:, -"
_TOKEN = re.compile(rf"(?:^[{_SEPARATORS}]+)?[^{_SEPARATORS}]+[{_SEPARATORS}]*|^[{_SEPARATORS}]*$")


def shorten_names(names: Iterable[object], limit: int = 16) -> list[str]:
    """Each name in one line of about ``limit`` characters; wide ones count twice.

    A name that is too long loses its end. Names that would be alike then show their beginning and
    the places at which they differ; what is still alike is numbered. None is ``(none)``.

    Example:
        >>> shorten_names(["short", "wfv_0123456789abcdef", None], 12)
        ['short', 'wfv_0123456…', '(none)']
        >>> shorten_names(["draft_2026_07_24", "draft_2026_08_22", "ver_1171a6f77028"], 12)
        ['draft…07_24', 'draft…08_22', 'ver_1171a6f…']
    """
    values = list(names)
    lines = {
        value: NO_NAME if value is None else to_one_line(value) for value in dict.fromkeys(values)
    }
    short = _tell_apart(list(dict.fromkeys(lines.values())), limit, ())
    return _numbered(values, [short[lines[value]] for value in values])


def _tell_apart(lines: list[str], limit: int, places: tuple[int, ...]) -> dict[str, str]:
    """Lines as labels that show, besides their beginning, what stands at these places."""
    short = {line: _show(line, limit, places) for line in lines}
    alike: dict[str, list[str]] = {}
    for line, label in short.items():
        alike.setdefault(label, []).append(line)
    differ = _common(lines)
    for group in alike.values():
        if len(group) > 1 and (len(group) < len(lines) or not places):
            # The first place tells this group from the others, the last one its own lines.
            short |= _tell_apart(group, limit, ((*places, differ)[0], _common(group)))
    return short


def _show(line: str, limit: int, places: Iterable[int]) -> str:
    shown = sorted({0, *places})
    if _cells(line) <= limit or len(shown) == 1:
        return clip(line, limit)
    room, end, label = max(3, limit // len(shown) - 1), 0, ""
    for place in shown:
        begin = max(end, _token_start(line, place, room))
        label += "…" * (begin > end) + line[begin : begin + room]
        end = begin + room
    return label + "…" * (end < len(line))


def _token_start(line: str, place: int, room: int) -> int:
    """Where the word at a place begins; if that is too far away, just before the place."""
    near = range(place, max(place - room + 1, 0), -1)
    return next((at for at in near if line[at - 1 : at] in _SEPARATORS), max(place - 1, 0))


def _common(lines: list[str]) -> int:
    """How many characters all the lines have in common at their beginning."""
    columns = zip(*lines, strict=False)
    return sum(1 for _ in takewhile(lambda each: len(set(each)) == 1, columns))


def _numbered(values: Sequence[object], lines: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    found: dict[object, str] = {}
    for value, line in zip(values, lines, strict=True):
        if value not in found:
            seen[line] += 1
            found[value] = line if seen[line] == 1 else f"{line} ({seen[line]})"
    return [found[value] for value in values]


def clip(line: str, width: int) -> str:
    """A line without its end where it is too long."""
    if _cells(line) <= width:
        return line
    while _cells(line) > width - 1:
        line = line[:-1]
    return f"{line.rstrip()}…"


def wrap_name(line: str, width: int, most: int = 3) -> str | None:
    r"""A name in up to ``most`` lines, broken between its words; None where that is not possible.

    Example:
        >>> wrap_name("draft_2026_06_26", 9), wrap_name("ver_1171a6f77028", 9)
        ('draft_\n2026_\n06_26', None)
    """
    lines = _wrap(line, width)
    if len(lines) > most or any(_cells(each) > width for each in lines):
        return None
    # As many lines as that, but none longer than it has to be.
    even = (_wrap(line, narrow) for narrow in range(1, width + 1))
    return "\n".join(next(each for each in even if len(each) <= len(lines)))


def _wrap(line: str, width: int) -> list[str]:
    lines = [""]
    for token in _TOKEN.findall(line):
        if _cells((lines[-1] + token).rstrip()) <= width or not lines[-1]:
            lines[-1] += token
        else:
            lines.append(token)
    return [each.rstrip() for each in lines]


def to_one_line(value: object) -> str:
    """Any value in one line.

    As :func:`retab_analysis.markup.one_line`, but what no installed font has is a box. A time is
    told to the minute, and midnight is the day alone, as where runs are grouped by day or week.
    """
    if isinstance(value, datetime):
        midnight = value.time() == time.min
        return value.strftime("%Y-%m-%d" if midnight else "%Y-%m-%d %H:%M")
    return replace_undrawable(one_line(value))


def measure_width(label: str) -> float:
    """About how wide a label is, in units of its font size; of several lines the longest."""
    return max(map(_ems, label.split("\n")))


def _ems(line: str) -> float:
    return sum(1.05 if _is_wide(each) else 0.66 for each in line)


def _cells(line: str) -> int:
    return len(line) + sum(map(_is_wide, line))


def _is_wide(character: str) -> bool:
    return not character.isascii() and unicodedata.east_asian_width(character) in "WF"
