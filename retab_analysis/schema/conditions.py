"""What a saved eval asserts, in words: ``= "invoice"`` rather than a JSON object."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

import msgspec

_SIGNS = {"gt": ">", "gte": "≥", "lt": "<", "lte": "≤", "eq": "=", "neq": "≠"}

# For each kind, its words over the members of the condition. The split and the schema are whole
# documents, which the column ``expected_value`` holds: they would bury what is asserted.
_WORDS: Mapping[str, str] = {
    "exists": "exists",
    "not_exists": "does not exist",
    "equals": "= {expected}",
    "not_equals": "≠ {expected}",
    "number_compare": "{op} {expected}",
    "length_compare": "length {op} {expected}",
    "between": "between {lower} and {upper}{inclusive}",
    "contains": "contains {expected}",
    "not_contains": "does not contain {expected}",
    "object_contains": "contains {expected}",
    "array_contains": "contains an item with {expected}",
    "starts_with": "starts with {expected}",
    "ends_with": "ends with {expected}",
    "matches_regex": "matches /{pattern}/",
    "any_item_matches": "any item {condition}",
    "all_items_match": "every item {condition}",
    "json_schema_valid": "fits the JSON schema",
    "similarity_gte": "similarity ≥ {threshold} to {reference}{method}",
    "split_iou_gte": "split IoU ≥ {threshold}",
    "llm_judged_as": "judged{expected_label}: {rubric}",
    "llm_not_judged_as": "not judged{expected_label}: {rubric}",
}
# What the API takes for a member that is absent or null.
_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "between": {"inclusive": "true"},
    "similarity_gte": {"method": '"levenshtein"'},
    "split_iou_gte": {"threshold": "1"},
    "llm_judged_as": {"expected_label": "null"},
    "llm_not_judged_as": {"expected_label": "null"},
}
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\."
)


def describe_condition(condition: str) -> str:
    """Say in words what a condition asserts.

    Args:
        condition: The condition as JSON, as the column ``condition`` of an EVALS frame has it.

    Returns:
        The words. Values are the JSON that was sent, so that no number is rounded. Of a kind that
        is not known, or lacks a member, the kind and the members; what is not a condition stays as
        it is.

    Example:
        >>> describe_condition('{"kind":"length_compare","op":"gte","expected":6}')
        'length ≥ 6'
        >>> describe_condition('{"kind":"contains","expected":"42 persons"}')
        'contains "42 persons"'
    """
    try:
        # Raw members keep the text of a number: 1.10 is not 1.1, and 1e400 is not infinity.
        sent = msgspec.json.decode(condition, type=dict[str, msgspec.Raw])
        members = {name: bytes(raw).decode() for name, raw in sent.items()}
        kind = msgspec.json.decode(members.pop("kind"), type=str)
        return _fill_in(kind, members)
    except (msgspec.MsgspecError, ValueError, KeyError, RecursionError):
        return condition


def _fill_in(kind: str, members: Mapping[str, str]) -> str:
    defaults = _DEFAULTS.get(kind, {})
    given = {name: json for name, json in members.items() if json != "null" or name not in defaults}
    words = {
        name: _WRITERS.get(name, _unescape)(json) for name, json in {**defaults, **given}.items()
    }
    try:
        return _WORDS[kind].format_map(words)
    except KeyError:
        return f"{kind} {_as_object(members)}" if members else kind


def _as_object(members: Mapping[str, str]) -> str:
    inner = (f"{json.dumps(name)}:{value}" for name, value in members.items())
    return _unescape("{" + ",".join(inner) + "}")


def _unescape(value: str) -> str:
    r"""JSON with its letters in place of their escapes: "Müller" rather than "M\u00fcller"."""
    return _ESCAPE.sub(_letter, value)


def _letter(escape: re.Match[str]) -> str:
    """The letter of an escape, or the escape where the letter cannot be shown in a JSON text."""
    letter: str = json.loads(f'"{escape[0]}"')
    return letter if letter.isprintable() and letter not in ('"', "\\") else escape[0]


def _write_text(value: str) -> str:
    """A text without its quotes; whatever else was sent, as JSON."""
    try:
        return msgspec.json.decode(value, type=str)
    except msgspec.MsgspecError:
        return value


def _write_sign(value: str) -> str:
    op = _write_text(value)
    return _SIGNS.get(op, op)


def _write_ends(value: str) -> str:
    return " (both excluded)" if value == "false" else ""


def _write_method(value: str) -> str:
    return "" if value == '"levenshtein"' else f" ({_write_text(value)})"


def _write_label(value: str) -> str:
    return "" if value == "null" else f" {_unescape(value)}"


# How the members are written that are not shown as JSON.
_WRITERS: Mapping[str, Callable[[str], str]] = {
    "op": _write_sign,
    "pattern": _write_text,
    "rubric": _write_text,
    "condition": describe_condition,
    "inclusive": _write_ends,
    "method": _write_method,
    "expected_label": _write_label,
}
