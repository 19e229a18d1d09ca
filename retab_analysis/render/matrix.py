"""The matrix of a page: a column for each run, a letter for each result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from retab_analysis.markup import Html, join, tag
from retab_analysis.render.document import LETTERS, Row, TableColumn

SLIM, LEAST = 16, 10
"""So many columns, the newest, a page shows where it has little room."""

UNSEEN = "until-found"
"""Hides an element until our style shows it; resets of hosts, which hide for good, leave it."""

_STEP = 10  # pixels of a column in a narrow page; others have more room
_LETTER = 6.2  # pixels of a letter above the columns


def write_places(columns: Sequence[TableColumn], tints: Collection[int]) -> str | None:
    """The number of columns, and those that are tinted, for the style.

    Of two versions all runs of both; else the run that judged the rows, if it is one.
    """
    if not columns:
        return None
    places = [f"--n:{len(columns)}"]
    checked, before, now = (
        [at for at, each in enumerate(columns) if mark in each.marks]
        for mark in ("checked", "baseline", "now")
    )
    judged = checked if any("gap" in each.marks for each in columns) else [*tints]
    for name, its in (("c", judged if len(tints) < 2 else []), ("b", before), ("t", now)):
        if its:
            places.append(f"--{name}:{its[0]}")
            places += [f"--{name}n:{its[-1] - its[0] + 1}"] * (its[-1] > its[0])
    return ";".join(places)


def write_now_cell(row: Row) -> Html:
    """The last cell of a row, of runs that go on."""
    return tag("i", class_=row.letters[-1], data_progress=row.progress or None)


def write_cells(
    row: Row, columns: Sequence[TableColumn], now: Html | None, tint: int | None
) -> Html | None:
    """The cells of a row, the last is ``now``; equal ones that say little are one element."""
    if not columns:
        return None
    letters = row.letters if now is None else row.letters[:-1]
    edited = {at for at, each in enumerate(columns) if row.group and row.group in each.edited}
    inner, at = [], 0
    while at < len(letters):
        letter, end = letters[at], at + 1
        while letter in "po" and end < len(letters) and end not in edited:
            if letters[end] != letter:
                break
            end += 1
        flag, size = " x" * (at in edited), f' style="--k:{end - at}"' * (end - at > 1)
        inner.append(f'<i class="{letter if letter != "-" else "g"}{flag}"{size}></i>')
        at = end
    counts = Counter(LETTERS[each] for each in letters)
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if word)
    words = tag("span", f"runs: {said or 'none'}", class_="rv-hidden")
    drawn = tag("span", join(Html("".join(inner)), now))
    style = None if tint is None else f"--c:{tint}"
    return join(words, " ", tag("span", drawn, class_="c rv-m", style=style, hidden=UNSEEN))


def write_key() -> Html:
    """The names of the shapes in the matrix, above the titles of the first table."""
    marks = {each: LETTERS[each] for each in "pfbec"}
    marks |= {"o": "not run", "x": "edited", "j": "judged by"}
    words = (tag("span", tag("i", class_=mark), said) for mark, said in marks.items())
    return tag("span", *words, class_="rv-key")


def write_matrix_heads(columns: Sequence[TableColumn], group: str) -> Html | None:
    """Above the columns: versions, the first day, the checked run, and flags where edits were."""
    if not columns:
        return None
    looks = ("rv-wide", len(columns)), ("rv-slim", SLIM), ("rv-ten", LEAST)
    each = (tag("span", *_write_over(columns[-n:], group), class_=css) for css, n in looks)
    return tag("span", *each, class_="rv-m")


def _write_over(columns: Sequence[TableColumn], group: str) -> Iterator[Html]:
    yield from _place_words(columns)
    for at, each in enumerate(columns):
        if group and group in each.edited:
            yield tag("b", class_="rv-flag", style=f"left:calc(8px + var(--w)*{at})")


def _place_words(columns: Sequence[TableColumn]) -> Iterator[Html]:
    past = [each for each in columns if "now" not in each.marks]
    versions = [(at, each.title) for at, each in enumerate(past) if each.title]
    starts = [now for before, now in pairwise([(-1, ""), *versions]) if before[1] != now[1]]
    checked = [at for at, each in enumerate(past) if "checked" in each.marks][-1:]
    # The name over the checked column always has its room.
    end = checked[0] if checked else len(past) - 1
    if checked and past[end].title:
        starts = [each for each in starts if each[1] != past[end].title]
        starts = [each for each in starts if each[0] < end] + [(end, past[end].title)]
    inset = (
        1 if "now" in columns[-1].marks and end == len(past) - 1 else 13
    )  # words do not run into "now"
    yield from _place(starts, end, "rv-over", inset)
    for at in checked:
        first = [(0, past[0].told[0])] if past[0].told[0] and at else []
        yield from _place([*first, (at, past[at].told[1])], at, "rv-over d", inset)
    if "now" in columns[-1].marks:
        left = f"left:calc(13px + var(--w)*{len(past) + 0.5})"
        yield tag("span", "now", class_="rv-over d rv-now-word", style=left)


def _place(labels: Sequence[tuple[int, str]], end: int, css: str, inset: int) -> Iterator[Html]:
    """Words where their columns begin, if there is room; the last ones end above column ``end``."""
    room = float((end + 1) * _STEP)
    for _, words in labels[-1:]:
        fits = room + 26 >= len(words) * _LETTER
        style = f"right:calc(100% - {inset}px - var(--w)*{end + 1})" if fits else "left:0"
        yield tag("span", words, class_=css, style=style)
        room -= len(words) * _LETTER + 4
    free = 0.0
    for at, words in labels[:-1]:
        begin, after = at * _STEP, at * _STEP + len(words) * _LETTER
        if begin >= free and after < room:
            free = after + 6
            yield tag("span", words, class_=css, style=f"left:calc(13px + var(--w)*{at})")


def write_titles(columns: Sequence[TableColumn]) -> Html:
    """What each run was, for the script, which shows it where the pointer is."""
    return join(tag("i", hidden=True, data_runs="\n\n".join(each.about for each in columns)))
