"""JSON values whose numbers keep their text, and what makes two of them equal."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass

MAX_DEPTH = 100
"""A text that is nested deeper than this is compared as a whole."""

Path = tuple[str | int, ...]
"""Where a value stands in a document: the keys and indices that lead to it."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?|-?Infinity|NaN")


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A piece of JSON as it was written: 1.10 is not 1.1, and 10**30 stays whole.

    Numbers are kept like this, and whole texts that cannot be taken apart.
    """

    text: str


def parse_json(text: str) -> object:
    """A JSON text as dicts, lists, strings, booleans and None; numbers are :class:`Verbatim`.

    What is not JSON, or is nested deeper than :data:`MAX_DEPTH`, is one :class:`Verbatim`.
    """
    try:
        document = json.loads(
            text, parse_int=Verbatim, parse_float=Verbatim, parse_constant=Verbatim
        )
    except (ValueError, RecursionError):
        return Verbatim(text)
    return Verbatim(text) if is_too_deep(document) else document


def is_too_deep(document: object) -> bool:
    """Whether a document is nested deeper than :data:`MAX_DEPTH`."""
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return False
    return True


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def write_json(value: object) -> str:
    """A value as compact JSON, numbers as they were written; always valid UTF-8."""
    if isinstance(value, Verbatim):
        return value.text
    if isinstance(value, dict):
        members = (f"{_quoted(key)}:{write_json(each)}" for key, each in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(write_json, value))}]"
    return _quoted(value)


def _quoted(value: object) -> str:
    written = json.dumps(value, ensure_ascii=False)
    try:
        written.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can write
        return json.dumps(value)
    return written


def write_path(path: Path, *, generalised: bool = False) -> str:
    """A path as it is shown, ``$.lines[3].price``; generalised, ``$.lines[*].price``."""
    return "$" + "".join(_step(step, generalised) for step in path)


def _step(step: str | int, generalised: bool) -> str:
    if isinstance(step, int):
        return "[*]" if generalised else f"[{step}]"
    return f".{step}" if _PLAIN.fullmatch(step) else f"[{_quoted(step)}]"


def kind_of(value: object) -> str:
    """What a value is: object, list, text, number, boolean, null, or verbatim (not JSON)."""
    if isinstance(value, Verbatim):
        return "number" if _NUMBER.fullmatch(value.text) else "verbatim"
    kinds = ((dict, "object"), (list, "list"), (str, "text"), (bool, "boolean"))
    named = (name for kind, name in kinds if isinstance(value, kind))
    return next(named, "null" if value is None else "number")


class Identities:
    """Gives equal JSON values the same number, and different ones different numbers.

    The order of an object's members does not matter; numbers are equal where their texts are. Each
    container is read once, however often it is asked for.
    """

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        # By address. The containers are kept, so that no address is used a second time.
        self._containers: dict[int, tuple[object, int]] = {}

    def of(self, value: object) -> int:
        """The number of a value."""
        if not isinstance(value, dict | list):
            return self._number(_scalar_key(value))
        known = self._containers.get(id(value))
        if known is None:
            known = self._containers[id(value)] = (value, self._container(value))
        return known[1]

    def of_item(self, value: object, without: Container[str] = ()) -> int:
        """The number of a list's item when some of its members are left out of account."""
        if not without or not isinstance(value, dict):
            return self.of(value)
        members = {key: each for key, each in value.items() if key not in without}
        return self._container(members)

    def _container(self, value: dict[str, object] | list[object]) -> int:
        if isinstance(value, dict):
            return self._number(frozenset((key, self.of(each)) for key, each in value.items()))
        return self._number(tuple(self.of(each) for each in value))

    def _number(self, key: object) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def _scalar_key(value: object) -> tuple[str, object]:
    if isinstance(value, Verbatim):
        return "verbatim", value.text
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "verbatim", json.dumps(value)
    return type(value).__name__, value
