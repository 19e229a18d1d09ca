"""An eval's assertion in words: ``= "invoice"`` rather than a JSON object.

A saved eval holds its whole condition, a result only its kind, one value and a threshold. The words
of a result come from these, because the saved eval may have been edited since.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec
import polars as pl

_SIGNS = {"gt": ">", "gte": "≥", "lt": "<", "lte": "≤", "eq": "=", "neq": "≠"}

# For each kind, its words over the members of the condition. The split and the schema are whole
# documents, too long for a sentence; the column ``expected_value`` holds them.
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
# The API's default for a member that is absent or null.
_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "between": {"inclusive": "true"},
    "similarity_gte": {"method": '"levenshtein"'},
    "split_iou_gte": {"threshold": "1"},
    "llm_judged_as": {"expected_label": "null"},
    "llm_not_judged_as": {"expected_label": "null"},
}
# The member of a condition that is the ``expected_value`` of a result; else it is ``expected``. For
# "between" it is an object of all members.
_EXPECTED: Mapping[str, str] = {
    "similarity_gte": "reference",
    "matches_regex": "pattern",
    "any_item_matches": "condition",
    "all_items_match": "condition",
    "json_schema_valid": "schema",
    "llm_judged_as": "expected_label",
    "llm_not_judged_as": "expected_label",
}
# Kinds whose words need a member that no result has.
_NOT_WHOLE = ("number_compare", "length_compare", "llm_judged_as", "llm_not_judged_as")
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\."
)

_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


def describe_condition(condition: str) -> str:
    """Put a condition, given as JSON as in an EVALS frame, into words.

    Values are the JSON that was sent: no number is rounded. If the kind is not known, or lacks a
    member, the words are the kind and the members. A text that is not a condition stays as it is.

    Example:
        >>> describe_condition('{"kind":"length_compare","op":"gte","expected":6}')
        'length ≥ 6'
        >>> describe_condition('{"kind":"contains","expected":"42 persons"}')
        'contains "42 persons"'
    """
    try:
        members = _members(condition)
        kind = msgspec.json.decode(members.pop("kind"), type=str)
        with contextlib.suppress(KeyError):  # another kind, or a missing member
            return _WORDS[kind].format_map(_write_members(kind, members))
        return f"{kind} {_unescape(_write_object(members))}" if members else kind
    except (*_UNREADABLE, KeyError):
        return condition


def describe_asserted(results: pl.Series) -> pl.Series:
    """Put the assertions of results, structs of kind, expected value and threshold, into words.

    It is null if there was no assertion. If a condition has a member that no result has, the words
    are the kind and the value: ``number_compare 0``.
    """
    rows = [*zip(*(each.to_list() for each in results.struct.unnest()), strict=True)]
    words = {each: _describe_one(*each) for each in dict.fromkeys(rows)}
    return pl.Series([words[each] for each in rows], dtype=pl.String)


def _describe_one(kind: str | None, expected: str | None, threshold: float | None) -> str | None:
    if kind is None:
        return None
    members = {} if expected is None else {_EXPECTED.get(kind, "expected"): expected}
    if kind == "between" and expected is not None:
        with contextlib.suppress(*_UNREADABLE):
            members = _members(expected)
    if threshold is not None:
        members["threshold"] = json.dumps(threshold)
    try:
        return _WORDS[kind].format_map(_write_members(kind, members))
    except KeyError:
        return kind if expected is None else f"{kind} {_unescape(expected)}"


def complete_words(results: pl.DataFrame, evals: pl.DataFrame) -> pl.Series:
    """The words of RESULTS, completed from the saved evals with operators and rubrics.

    No result has these. They are known only if a saved eval still has the result's assertion.
    """
    saved = dict(evals.select("eval_id", "condition").iter_rows())

    @functools.cache
    def complete(eval_id: str, kind: str, told: str | None, least: float | None, words: str) -> str:
        condition = saved.get(eval_id)
        if condition is None or not asserts_the_same(condition, kind, told, least):
            return words
        return describe_condition(condition)

    told = ("eval_id", "condition_kind", "expected_value", "threshold", "condition")
    rows = results.select(told).iter_rows()
    words = [complete(*row) if row[1] in _NOT_WHOLE else row[4] for row in rows]
    return pl.Series("condition", words, pl.String)


def asserts_the_same(
    condition: str, kind: str, told: str | None, least: float | None
) -> bool | None:
    """Whether a saved condition, as JSON, has a result's kind, expected value and threshold.

    It compares by value: 1 is 1.0. None if one of them is not known.
    """
    told = told or "null"
    try:
        members = {**_DEFAULTS.get(kind, {}), **_members(condition)}
        if msgspec.json.decode(members["kind"], type=str) != kind:
            return False
        threshold = msgspec.json.decode(members.get("threshold", "null"), type=float | None)
        if None not in (threshold, least) and threshold != least:
            return False
        saved = members.get(_EXPECTED.get(kind, "expected"), "null")
        if kind == "between":
            saved = _write_object({name: members.get(name, "null") for name in _members(told)})
    except (*_UNREADABLE, KeyError):
        return None
    if (saved == "null") != (told == "null"):
        return None
    return saved == told or write_by_value(saved) == write_by_value(told)


def write_by_value(text: str) -> str:
    """JSON in a form that is equal if the values are: sorted keys, 1 and 1.0 alike."""
    try:
        value = json.loads(text, parse_int=Decimal, parse_float=Decimal)
        return json.dumps(value, sort_keys=True, default=_write_number)
    except (ValueError, RecursionError):
        return text


def _write_number(number: Decimal) -> list[str]:
    sign, digits, exponent = number.as_tuple()
    written = "".join(map(str, digits))
    short = written.rstrip("0")
    if not short:
        return ["number", "0"]
    return ["number", f"{'-' * sign}{short}e{int(exponent) + len(written) - len(short)}"]


def _members(condition: str) -> dict[str, str]:
    # Raw members keep the text of a number: 1.10 is not 1.1, and 1e400 is not infinity.
    sent = msgspec.json.decode(condition, type=dict[str, msgspec.Raw])
    return {name: bytes(raw).decode() for name, raw in sent.items()}


def _write_members(kind: str, members: Mapping[str, str]) -> Mapping[str, str]:
    defaults = _DEFAULTS.get(kind, {})
    given = {name: json for name, json in members.items() if json != "null" or name not in defaults}
    told = {**defaults, **given}
    if kind in ("object_contains", "array_contains") and "expected" in told:
        told["expected"] = _write_flat(told["expected"])
    return {name: _WRITERS.get(name, _unescape)(json) for name, json in told.items()}


def _write_flat(value: str) -> str:
    """The members of an object without objects or lists in it: ``plate "IN-QQ 812"``."""
    with contextlib.suppress(*_UNREADABLE):
        members = _members(value)
        if members and not any(each[0] in "[{" for each in members.values()):
            return ", ".join(f"{_unescape(json.dumps(k))[1:-1]} {v}" for k, v in members.items())
    return value


def _write_object(members: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members.items()) + "}"


def _unescape(value: str) -> str:
    r"""JSON with its letters in place of their escapes: "Müller" rather than "M\u00fcller"."""
    return _ESCAPE.sub(_letter, value) if "\\" in value else value


def _letter(escape: re.Match[str]) -> str:
    letter: str = json.loads(f'"{escape[0]}"')
    return letter if letter.isprintable() and letter not in ('"', "\\") else escape[0]


def _write_text(value: str) -> str:
    try:
        return msgspec.json.decode(value, type=str)
    except msgspec.MsgspecError:
        return value


# The form of members that are not shown as JSON.
_WRITERS: Mapping[str, Callable[[str], str]] = {
    "op": lambda value: _SIGNS.get(_write_text(value), _write_text(value)),
    "pattern": _write_text,
    "rubric": _write_text,
    "condition": describe_condition,
    "inclusive": lambda value: " (both excluded)" if value == "false" else "",
    "method": lambda value: "" if value == '"levenshtein"' else f" ({_write_text(value)})",
    "expected_label": lambda value: "" if value == "null" else f" {_unescape(value)}",
}
