"""Names as labels: one line each, short, and still different from one another."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, time
from itertools import takewhile

from retab_analysis.markup import one_line

NO_NAME = "(none)"
_HEAD = 4


def shorten_names(names: Iterable[object], limit: int = 16) -> list[str]:
    """Each name in one line of about ``limit`` characters, its middle left out.

    Names that would be alike without their middle lose their end instead, if that tells them apart,
    or what they begin with; what is still alike then is numbered. None is ``(none)``.

    Example:
        >>> shorten_names(["short", "wfv_0123456789abcdef", None], 12)
        ['short', 'wfv_01…bcdef', '(none)']
        >>> shorten_names(["total of invoice 1 from Oslo", "total of invoice 2 from Oslo"], 20)
        ['total of invoice 1…', 'total of invoice 2…']
        >>> shorten_names(["wfv_0000000000001_x_abcdef", "wfv_0000000000002_x_abcdef"], 12)
        ['wfv_…1_x_abcd…', 'wfv_…2_x_abcd…']
    """
    values = list(names)
    lines = {
        value: NO_NAME if value is None else to_one_line(value) for value in dict.fromkeys(values)
    }
    alike: dict[str, list[str]] = {}
    for line in lines.values():
        alike.setdefault(_cut(line, limit), []).append(line)
    short: dict[str, str] = {group[0]: cut for cut, group in alike.items() if len(group) == 1}
    several = [line for group in alike.values() if len(group) > 1 for line in group]
    if len({line[: limit - 1] for line in several}) == len(several):
        short |= {line: _without_end(line, limit) for line in several}
    else:
        shared = _common(several)
        for group in alike.values():
            start = shared if shared > _HEAD else _common(group)
            short |= {line: _apart(line, start, limit) for line in group if line not in short}
    return _numbered(values, [short[lines[value]] for value in values])


def _without_end(line: str, limit: int) -> str:
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def _apart(line: str, start: int, limit: int) -> str:
    """A line from where it differs from others that would be alike, after its first characters."""
    if start <= _HEAD or len(line) <= limit:
        return _cut(line, limit)
    end = start + max(limit - _HEAD, 3)
    return f"{line[:_HEAD]}…{line[start:end]}{'…' if end < len(line) else ''}"


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


def _cut(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    tail = (width - 1) // 2
    return f"{line[: width - 1 - tail]}…{line[len(line) - tail :]}"


def to_one_line(value: object) -> str:
    """Any value in one line.

    As :func:`retab_analysis.markup.one_line`; a time is told to the minute, and midnight is the day
    alone, as where runs are grouped by day or week.
    """
    if isinstance(value, datetime):
        midnight = value.time() == time.min
        return value.strftime("%Y-%m-%d" if midnight else "%Y-%m-%d %H:%M")
    return one_line(value)


def measure_width(label: str) -> float:
    """About how wide a label is, in units of its font size; of several lines the longest."""
    lines = label.split("\n")
    return max(sum(_em(each) for each in line) for line in lines)


def _em(character: str) -> float:
    return 1.05 if unicodedata.east_asian_width(character) in "WF" else 0.66
