"""How two or three JSON documents differ."""

from __future__ import annotations

import json
import random
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.inside import Verbatim, differing_paths, mark_words, parse_json, write_json

RELAXED = examples(80)
NUMBERS = st.sampled_from(["0", "1", "2", "1.0", "1.10", "1e1", str(10**30)]).map(Verbatim)
SCALARS = st.none() | st.booleans() | NUMBERS | st.sampled_from(["", "1", "a b", "\ud800", "é"])
KEYS = st.sampled_from(["a", "b", "x y", "\udfff"])
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)
LISTS = st.lists(DOCUMENTS, max_size=8)
MOVED = re.compile(r"\[\d+→\d+\]$")  # of an item that only stands elsewhere now
WORDS = st.text(st.sampled_from("ab, \n.品目é"), max_size=30)


def rows(before: Any, after: Any, expected: Any = None, **more: Any) -> list[tuple[Any, ...]]:
    """What differs inside of the values: path, expected, before, after."""
    values = {"expected": expected, "baseline": before, "candidate": after}
    texts = {name: None if each is None else json.dumps(each) for name, each in values.items()}
    first, *inside = (tuple(row.values()) for row in differing_paths(texts, **more))
    assert first == ("$", *texts.values())
    return inside


# What is true of any documents.


@RELAXED
@given(DOCUMENTS, DOCUMENTS, DOCUMENTS, st.booleans())
def test_there_are_rows_exactly_where_documents_differ(
    expected: object, before: object, after: object, is_expected: bool
) -> None:
    values = {"expected": expected, "baseline": before, "candidate": after}
    texts = {name: write_json(value) for name, value in values.items()}
    found = differing_paths(texts, is_expected=is_expected)
    assert bool(found) != (expected == before == after)
    for row in found[1:]:
        known = {row["expected"], row["baseline"], row["candidate"]}
        assert len(known) > 1 or MOVED.search(row["path"] or "")
        assert all(text is None or text.encode() for text in row.values())
    if before != after and type(before) is type(after) in (dict, list):
        assert len(found) > 1


@RELAXED
@given(LISTS, DOCUMENTS, st.integers(0, 8))
def test_an_item_that_was_dropped_or_added_is_one_row(
    items: list[Any], item: object, at: int
) -> None:
    longer = [*items[:at], item, *items[at:]]
    texts = {"short": write_json(items), "long": write_json(longer)}
    _, added = differing_paths(texts)
    _, dropped = differing_paths({name: texts[name] for name in ("long", "short")})
    assert added["path"] == dropped["path"]
    assert (added["short"], dropped["short"]) == (None, None)
    assert added["long"] == dropped["long"]
    assert parse_json(added["long"] or "") == item


@RELAXED
@given(st.lists(DOCUMENTS, max_size=8, unique_by=write_json), st.integers(0, 7), st.integers(0, 7))
def test_an_item_that_moved_is_one_row(items: list[Any], source: int, target: int) -> None:
    items = [[at, item] for at, item in enumerate(items)]
    after = [*items]
    if items:
        after.insert(target, after.pop(source % len(items)))
    if after != items:
        [(path, _, was, now)] = rows(*(json.loads(write_json(each)) for each in (items, after)))
        assert MOVED.search(path or "")
        assert was == now


@RELAXED
@given(LISTS, st.data())
def test_a_value_that_changed_is_told_with_the_place_that_it_has_and_had(
    items: list[Any], data: st.DataObject
) -> None:
    """Every item is distinct, one was dropped, and a later one has another value."""
    lines = [{"at": f"item {at}", "more": each, "n": 1} for at, each in enumerate([1, 2, *items])]
    at = data.draw(st.integers(1, len(lines) - 1))
    dropped = data.draw(st.integers(0, at - 1))
    after = [{**line, "n": 2} if line is lines[at] else line for line in lines]
    del after[dropped]
    texts = {"baseline": write_json(plain(lines)), "candidate": write_json(plain(after))}
    found = [tuple(row.values()) for row in differing_paths(texts)][1:]
    assert (f"$[{at}→{at - 1}].n", "1", "2") in found
    assert len(found) == 2


def plain(value: Any) -> Any:
    """Numbers as a text has them."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [*map(plain, value)]
    return Verbatim(str(value)) if type(value) is int else value


# What is shown.


@pytest.mark.parametrize(
    ("before", "after", "expected", "found"),
    [
        ([1, 2], [1, 3, 4], None, [("$[1]", None, "2", "3"), ("$[2]", None, None, "4")]),
        ([1, 2, 3], [3, 1, 2], None, [("$[2→0]", None, "3", "3")]),
        ({"a": {"b": 1}}, {}, None, [("$.a", None, '{"b":1}', None)]),
        ({"a": [1]}, {"a": None}, None, [("$.a", None, "[1]", "null")]),
        # A value of another shape says nothing of what is inside; deeper it is one like others.
        ([1, 2], [1, 4], 3, [("$[1]", None, "2", "4")]),
        ([1, 2], [1, 2], 3, []),
        ({"a": 1}, {"a": 2}, {"a": 3, "b": 4}, [("$.a", "3", "1", "2"), ("$.b", "4", None, None)]),
        ({"a": [1]}, {"a": [2]}, {"a": 1}, [("$.a", "1", "[1]", "[2]")]),
        (["a", "b"], ["a", "b"], ["b", "a"], [("$[0]", None, '"a"', '"a"'), ("$[1]", '"a"', None, None)]),  # noqa: E501
        ([3, 0], [3, 2], [3, 0], [("$[1]", "0", "0", "2")]),
        ([{"a": 0, "d": 5}], [{"a": 1, "d": 5}], None, [("$[0].a", None, "0", "1")]),
        (["1"], [1], None, [("$[0]", None, '"1"', "1")]),
        ([1], [True], None, [("$[0]", None, "1", "true")]),
        ("no", "yes", "yes", []),
        # Two line items were merged: a field of the first changed, the second is gone.
        (
            [{"d": "a", "n": 1}, {"d": "b", "n": 2}, {"d": "c", "n": 3}],
            [{"d": "a b", "n": 1}, {"d": "c", "n": 3}],
            None,
            [("$[0].d", None, '"a"', '"a b"'), ("$[1]", None, '{"d":"b","n":2}', None)],
        ),
        # Without a candidate the baseline is aligned with what was expected.
        ([1, 2, 3], None, [1, 3], [("$[1]", None, "2", None)]),
    ],
)  # fmt: skip
def test_rows(before: Any, after: Any, expected: Any, found: list[Any]) -> None:
    assert rows(before, after, expected) == found


def test_the_operand_of_a_condition_is_told_in_the_first_row_only() -> None:
    assert rows([1, 2], [1], [2], is_expected=False) == [("$[1]", None, "2", None)]


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("385.00", "385.0", True),
        ("1.10", "11e-1", True),
        ("0", "-0.0", True),
        ("9007199254740993", "9007199254740993.0", True),
        ("9007199254740993", "9007199254740992.0", False),
        ("0", "1e-400", False),
        ("0.1", "0.1000000000000000000000000000000001", False),
        ("1e99999999999999999999", "1e99999999999999999998", False),
        ("NaN", "NaN", True),
        ("1000", "1_000", False),
        ("1", "true", False),
    ],
)
def test_numbers_differ_where_their_values_do(before: str, after: str, same: bool) -> None:
    texts = {"baseline": f"[7,{before},8]", "candidate": f"[7,{after},8]"}
    assert (differing_paths(texts) == []) is same
    texts = {"baseline": before, "candidate": after}
    assert differing_paths(texts) == ([] if same else [{"path": "$", **texts}])


@pytest.mark.parametrize("depth", [99, 101, 100_000])
def test_deep_documents(depth: int) -> None:
    old, new = (depth * '{"a":' + value + depth * "}" for value in "12")
    _, *inside = differing_paths({"baseline": old, "candidate": new})
    assert [(row["baseline"], row["candidate"]) for row in inside] == [("1", "2")] * (depth < 100)
    assert differing_paths({"baseline": old, "candidate": old}) == []


def test_what_is_not_json_is_compared_as_a_whole_and_what_is_alone_with_nothing() -> None:
    assert differing_paths({"expected": "1", "baseline": None}) == []
    texts = {"baseline": "{oops", "candidate": "[1]"}
    assert differing_paths(texts) == [{"path": "$", **texts}]


# Words.


@RELAXED
@given(WORDS, WORDS)
def test_marked_words_are_the_two_texts(before: str, after: str) -> None:
    segments = mark_words(before, after)
    for left_out, text in (("added", before), ("removed", after)):
        assert "".join(each.text for each in segments if each.kind != left_out) == text
    assert all(each.text for each in segments)
    kinds = [each.kind for each in segments]
    assert all(kind != following for kind, following in pairwise(kinds))


@pytest.mark.parametrize(
    ("before", "after", "marked"),
    [
        ("Buffet lunch\n(42 persons)", "Buffet lunch", "=Buffet lunch -\n(42 persons)"),
        ("net 30 days", "net 14 days", "=net  -30 +14 = days"),
        ("支払期限", "支払日限", "=支払 -期 +日 =限"),
        ("same", "same", "=same"),
        ("", "", ""),
    ],
)
def test_marked_words(before: str, after: str, marked: str) -> None:
    signs = {"equal": "=", "removed": "-", "added": "+"}
    segments = mark_words(before, after)
    assert " ".join(signs[each.kind] + each.text for each in segments) == marked


def test_in_a_long_text_each_edit_is_marked_by_itself() -> None:
    rng = random.Random(0)
    common, rare = ("the", "of", "a", "every", "line"), [f"word{at}" for at in range(500)]
    words = [rng.choice(common if at % 2 else rare) for at in range(3000)]
    edited = [*words[:9], "never", *words[9:2990], "always", *words[2991:]]
    segments = mark_words(" ".join(words), " ".join(edited))
    added = [each.text for each in segments if each.kind == "added"]
    assert "never" in added[0]
    assert "always" in added[-1]
    assert sum(len(each.text) for each in segments if each.kind != "equal") < 60
