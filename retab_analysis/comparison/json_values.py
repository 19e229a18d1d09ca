"""JSON values whose numbers keep their text and are equal if their values are."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

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
