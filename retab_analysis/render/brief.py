"""Plain values for a small window, such as an assistant's."""

from __future__ import annotations

import json
from typing import Any

_BRIEF = 10_000  # bytes: a token has about 3.5, and there should be at most 3,000
_SENTENCE = 400


def shorten(told: dict[str, Any]) -> dict[str, Any]:
    """Fit the values into a small window: cut long texts, and long lists at their end.

    It halves the longest part until all fits; ``left_out`` counts the omissions of each list.
    """
    told = _cut_texts(told)
    lost: dict[str, int] = {}
    while len(_write({**told, "left_out": lost})) > _BRIEF:
        holders = [told, *(each for each in told.values() if isinstance(each, dict))]
        lists = [(each, name) for each in holders for name in each if isinstance(each[name], list)]
        holder, name = max(lists, key=lambda each: len(_write(each[0][each[1]])))
        kept = holder[name][: len(holder[name]) // 2]
        lost[name] = lost.get(name, 0) + len(holder[name]) - len(kept)
        holder[name] = kept
    return {**told, "left_out": lost} if lost else told


def _write(value: object) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()


def _cut_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _cut_texts(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_cut_texts(each) for each in value]
    if isinstance(value, str) and len(value) > _SENTENCE:
        return f"{value[:_SENTENCE]} …"
    return value
