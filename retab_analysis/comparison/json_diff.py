"""JSON values whose numbers keep their text and are equal if their values are; differences."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from retab_analysis.comparison.json_alignment import align

MAX_DEPTH = 100
"""A text that is nested deeper than this is compared as a whole."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


class Index(NamedTuple):
    """The index of an item in the earlier and in the later list, None if it is missing."""

    before: int | None
    after: int | None


Path = tuple[str | Index, ...]
"""The place of a value in a document: the keys and indices that lead to it."""


@dataclass(frozen=True, slots=True, eq=False)
class Verbatim:
    """A piece of JSON as it was written: a number, or a whole text that cannot be taken apart.

    So 10**30 and 0.1 stay as they were sent. Numbers of the same value are equal: 1.10 and 1.1.
    """

    text: str

    @property
    def value(self) -> Decimal | str:
        try:
            return Decimal(self.text) if _NUMBER.fullmatch(self.text) else self.text
        except InvalidOperation:  # an exponent of twenty digits
            return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verbatim) and (
            self.text == other.text or self.value == other.value
        )

    def __hash__(self) -> int:
        return hash(self.value)


def parse_json(text: str) -> object:
    """A JSON text as dicts, lists, strings, booleans and None; numbers are :class:`Verbatim`.

    A text that is not JSON, or is nested deeper than :data:`MAX_DEPTH`, is one :class:`Verbatim`.
    """
    try:
        document: object = json.loads(
            text, parse_int=Verbatim, parse_float=Verbatim, parse_constant=Verbatim
        )
    except (ValueError, RecursionError):
        return Verbatim(text)
    level = [document]
    for _ in range(MAX_DEPTH):
        dicts = [[*value.values()] for value in level if isinstance(value, dict)]
        lists = [value for value in level if isinstance(value, list)]
        level = [child for children in (*dicts, *lists) for child in children]
        if not level:
            return document
    return Verbatim(text)


def write_json(value: object, margin: str | None = None) -> str:
    """A value as JSON, numbers as they were written; always valid UTF-8.

    It is compact without a margin; with one (``""`` outside), each member and item has a line.
    """
    if not isinstance(value, dict | list):
        return value.text if isinstance(value, Verbatim) else _quoted(value)
    inner = None if margin is None else f"{margin}  "
    gap, start, end = ("", "", "") if margin is None else (" ", f"\n{inner}", f"\n{margin}")
    if isinstance(value, dict):
        parts = [f"{_quoted(key)}:{gap}{write_json(each, inner)}" for key, each in value.items()]
    else:
        parts = [write_json(each, inner) for each in value]
    left, right = "{}" if isinstance(value, dict) else "[]"
    lines = f",{start}".join(parts)
    return f"{left}{start}{lines}{end}{right}" if parts else left + right


def _quoted(value: object) -> str:
    written = json.dumps(value, ensure_ascii=False)
    try:
        written.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can write
        return json.dumps(value)
    return written


def split_path(asserted: str | None) -> Path:
    """The steps of a path such as ``lines.0.quantity``, which has the number of a list item."""
    steps = asserted.split(".") if asserted else []
    return tuple(Index(int(step), int(step)) if step.isdecimal() else step for step in steps)


def write_path(path: Path) -> str:
    return "$" + "".join(map(_step, path))


def _step(step: str | Index) -> str:
    if isinstance(step, str):
        return f".{step}" if _PLAIN.fullmatch(step) else f"[{_quoted(step)}]"
    known = dict.fromkeys(str(each) for each in step if each is not None)
    return f"[{'→'.join(known)}]"


# Differences, with list items aligned and numbers compared by value

ABSENT = object()  # nothing stands there


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where documents differ: its path in the last two, and the value in each.

    ``is_moved``: whether it is an item whose order among the others changed.
    """

    path: Path
    values: tuple[object, ...]
    is_moved: bool = False


def differing_paths(
    texts: Mapping[str, str | None], at: Path = (), *, is_expected: bool = True
) -> list[dict[str, str | None]]:
    """The paths where some JSON texts disagree, and the value in each; see ``diff``.

    The newest is last. ``expected`` is first, if there is one. A side that is None is ignored.
    ``at`` is the path of these values in their output. Without ``is_expected``, ``expected`` is the
    operand of a condition, for example the length of a list. It then says nothing about the values
    inside.
    """
    known = {name: parse_json(text) for name, text in texts.items() if text is not None}
    values = [*known.values()]
    if all(value == values[-1] for value in values):
        return []
    if not is_expected or type(known.get("expected")) is not type(values[-1]):
        known.pop("expected", None)
    rows: list[dict[str, str | None]] = [{"path": write_path(at), **texts}]
    for each in diff_documents(*known.values()):
        found = zip(known, each.values, strict=True)
        there = {name: write_json(value) for name, value in found if value is not ABSENT}
        if each.path:
            path = write_path((*at, *each.path))
            rows.append({"path": path, **dict.fromkeys(texts), **there})
    return rows


def diff_documents(*values: object, path: Path = ()) -> Iterator[Difference]:
    """The differences of documents from :func:`parse_json`, in the order of the last one.

    ``path`` is their place, if they are parts of other documents.
    """
    if all(value == values[-1] for value in values):
        return
    if all(isinstance(value, dict) for value in values):
        for key in dict.fromkeys(key for value in reversed(values) for key in value):  # type: ignore[attr-defined]
            members = (value.get(key, ABSENT) for value in values)  # type: ignore[attr-defined]
            yield from diff_documents(*members, path=(*path, key))
    elif all(isinstance(value, list) for value in values):
        yield from _item_differences(path, values)  # type: ignore[arg-type]
    else:
        yield Difference(path, values)


@dataclass(frozen=True, slots=True)
class _Slot:
    """An item in several lists: its index in each, None if a list lacks it."""

    indices: tuple[int | None, ...]
    is_moved: bool = False
    is_alike: bool = True

    def pick(self, lists: tuple[list[object], ...]) -> tuple[object, ...]:
        return tuple(
            ABSENT if index is None else items[index]
            for items, index in zip(lists, self.indices, strict=True)
        )


def _item_differences(path: Path, lists: tuple[list[object], ...]) -> Iterator[Difference]:
    for slot in _slots(lists):
        values = slot.pick(lists)
        index = Index(*slot.indices[-2:])
        if index == (None, None):  # only the expected value has it
            index = Index(slot.indices[0], None)
        here = (*path, index)
        if slot.is_moved and index.before != index.after:
            yield Difference(here, values, is_moved=True)
        elif slot.is_alike:
            yield from diff_documents(*values, path=here)
        elif any(value != values[-1] for value in values):
            yield Difference(here, values)


def _slots(lists: tuple[list[object], ...]) -> list[_Slot]:
    """The items of all lists, aligned one list after the other, beginning with the last."""
    slots = [_Slot((at,)) for at in range(len(lists[-1]))]
    for start in reversed(range(len(lists) - 1)):
        newer = lists[start + 1 :]
        # If several lists have an item, the next one is aligned with the newest.
        newest = [
            [value for value in slot.pick(newer) if value is not ABSENT][-1] for slot in slots
        ]
        # An item that is expected elsewhere did not move.
        pairs = align(lists[start], newest, moves=start == len(lists) - 2)
        nothing = _Slot((None,) * len(newer))
        slots = [
            _Slot(
                (pair.before, *old.indices),
                old.is_moved or pair.is_moved,
                old.is_alike and pair.is_alike,
            )
            for pair in pairs
            for old in [nothing if pair.after is None else slots[pair.after]]
        ]
    return slots
