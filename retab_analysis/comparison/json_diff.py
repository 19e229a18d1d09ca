"""Where JSON values differ, path by path, with numbers left as they were written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Number(str):
    """A number as it was written: 1.10 is not 1.1, and 10**30 stays whole."""

    __slots__ = ()


def differing_paths(texts: dict[str, str | None]) -> list[dict[str, str | None]]:
    """The paths at which some JSON texts do not all agree.

    A value that is not known (None) takes no part. Numbers are compared as they are written. A
    scalar that is ``expected`` (a count, for example, of a list) says nothing about what is inside
    of objects or lists.

    Args:
        texts: The JSON text of each, by name.

    Returns:
        One row per path, in the order of the documents: ``path`` (``$.lines[0].price``), and for
        each name what stands there, as JSON, or None where nothing does.
    """
    leaves = {
        name: dict(_leaves(_parsed(text))) for name, text in texts.items() if text is not None
    }
    paths = list(dict.fromkeys(path for each in leaves.values() for path in each))
    scalar = leaves.get("expected", {}).get("$") not in (None, "{}", "[]")
    whole = [name for name in leaves if name != "expected" or not scalar]
    rows = []
    for path in paths:
        found = {name: leaves.get(name, {}).get(path) for name in texts}
        if len({found[name] for name in (leaves if path == "$" else whole)}) > 1:
            rows.append({"path": path, **found})
    return rows


def _parsed(text: str) -> object:
    try:
        return json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=_Number)
    except (ValueError, RecursionError):
        return _Number(text)  # too deep, or no JSON: it is compared as a whole


def _leaves(document: object) -> Iterator[tuple[str, str]]:
    """Every path that ends in a scalar or in an empty object or list, with its JSON."""
    waiting: list[tuple[str, object]] = [("$", document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict) and value:
            waiting += [(_member(path, key), each) for key, each in reversed(value.items())]
        elif isinstance(value, list) and value:
            waiting += [(f"{path}[{at}]", each) for at, each in reversed([*enumerate(value)])]
        else:
            yield path, str(value) if isinstance(value, _Number) else _written(value)


def _member(path: str, key: str) -> str:
    return f"{path}.{key}" if _PLAIN.fullmatch(key) else f"{path}[{_written(key)}]"


def _written(value: object) -> str:
    written = json.dumps(value, ensure_ascii=False)
    try:
        written.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(value)
    return written
