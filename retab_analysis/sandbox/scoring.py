"""Values inside documents, and the two scores that can be computed: edit distance and overlap."""

from collections.abc import Mapping
from functools import cache
from typing import Any


def value_at(document: Any, path: str | None) -> Any:
    """Give the value at a dotted path; no path is the whole document.

    >>> value_at({"lines": [{"price": 3}]}, "lines.0.price")
    3
    """
    for step in _steps(path):
        document = document[step]
    return document


def with_value(document: Any, path: str | None, value: Any) -> Any:
    """Give the document with another value at a path; the document itself stays as it is.

    >>> with_value({"lines": [{"price": 3}]}, "lines.0.price", 4)
    {'lines': [{'price': 4}]}
    """
    return _placed(document, _steps(path), value)


def _steps(path: str | None) -> list[Any]:
    return [int(s) if s.isdigit() else s for s in path.split(".")] if path else []


def _placed(document: Any, steps: list[Any], value: Any) -> Any:
    if not steps:
        return value
    copy: Any = dict(document) if isinstance(document, Mapping) else list(document)
    copy[steps[0]] = _placed(document[steps[0]], steps[1:], value)
    return copy


@cache
def closeness(left: str, right: str) -> float:
    """Give 1 minus the Levenshtein distance over the longer length, to four digits.

    >>> closeness("Lefèvre", "Lefevre")
    0.8571
    """
    previous = list(range(len(right) + 1))
    for row, letter in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            change = previous[column - 1] + (letter != other)
            current.append(min(previous[column] + 1, current[-1] + 1, change))
        previous = current
    return round(1 - previous[-1] / max(len(left), len(right), 1), 4)


def overlap(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> float:
    """Give the mean intersection over union of the pages of each expected part, to four digits.

    >>> overlap({"splits": [{"name": "a", "pages": [1, 2]}]},
    ...         {"splits": [{"name": "a", "pages": [2]}]})
    0.5
    """
    found = {part["name"]: set(part["pages"]) for part in actual["splits"]}
    scores = []
    for part in expected["splits"]:
        wanted, got = set(part["pages"]), found.get(part["name"], set())
        scores.append(len(wanted & got) / len(wanted | got))
    return round(sum(scores) / len(scores), 4)
