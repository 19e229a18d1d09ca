"""How two or three JSON documents differ."""

from __future__ import annotations

import json
import random
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.inside import (
    PAIRS_OF_LISTS,
    Identities,
    Verbatim,
    apply_changes,
    diff_documents,
    differing_paths,
    is_moved,
    mark_words,
    parse_json,
    write_json,
)

RELAXED = examples(80)
NUMBERS = st.sampled_from(["0", "1", "2", "1.0", "1.10", "1e1", str(10**30)]).map(Verbatim)
SCALARS = st.none() | st.booleans() | NUMBERS | st.sampled_from(["", "1", "a b", "\ud800", "é"])
KEYS = st.sampled_from(["a", "b", "position", "x y", "\udfff"])
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)
LISTS = st.lists(DOCUMENTS, max_size=8)
WORDS = st.text(st.sampled_from("ab, \n.品目é"), max_size=30)


def same(left: object, right: object) -> bool:
    identities = Identities()
    return identities.of(left) == identities.of(right)


def numbered(items: list[Any]) -> list[dict[str, Any]]:
    return [{"position": Verbatim(str(at)), "value": item} for at, item in enumerate(items, 1)]


def invoice_lines(count: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    goods = ["ball bearing", "hex bolt", "steel washer", "O-ring kit", "gear oil"]
    return [
        {
            "position": at,
            "description": f"{rng.choice(goods)} {rng.randrange(10_000)}",
            "quantity": rng.randrange(1, 50),
            "unit_price": rng.randrange(100, 9999) / 100,
            "amount": rng.randrange(100_000),
        }
        for at in range(1, count + 1)
    ]


def renumbered(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**item, "position": at} for at, item in enumerate(items, 1)]


def rows(
    before: Any, after: Any, expected: Any = None, *, is_whole: bool = False
) -> list[dict[str, str | None]]:
    texts = {"expected": expected, "baseline": before, "candidate": after}
    return differing_paths(
        {name: None if value is None else json.dumps(value) for name, value in texts.items()},
        is_whole=is_whole,
    )


def told(before: Any, after: Any, expected: Any = None, **more: bool) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in rows(before, after, expected, **more)]


# What is true of any two documents.


@RELAXED
@given(DOCUMENTS, DOCUMENTS)
def test_applying_the_diff_to_one_side_gives_the_other(before: object, after: object) -> None:
    kept = write_json(before)
    assert same(apply_changes(before, diff_documents(before, after)), after)
    assert write_json(before) == kept


@RELAXED
@given(LISTS.flatmap(lambda items: st.tuples(st.just(items), st.permutations(items))), LISTS)
def test_lists_that_share_items_are_made_of_one_another(pair: Any, others: list[Any]) -> None:
    before, mixed = pair
    for after in (mixed, [*mixed[:3], *others, *mixed[4:]]):
        for left, right in ((before, after), (numbered(before), numbered(after))):
            assert same(apply_changes(left, diff_documents(left, right)), right)


@RELAXED
@given(DOCUMENTS)
def test_equal_documents_do_not_differ(document: object) -> None:
    text = write_json(document)
    assert diff_documents(document, parse_json(text)) == []
    assert differing_paths({"expected": text, "baseline": text, "candidate": text}) == []


@RELAXED
@given(DOCUMENTS, DOCUMENTS)
def test_documents_that_differ_have_a_row_that_is_valid_utf8(before: object, after: object) -> None:
    found = differing_paths({"baseline": write_json(before), "candidate": write_json(after)})
    assert bool(found) != same(before, after)
    for row in found:
        for text in row.values():
            assert text is None or text.encode()


@RELAXED
@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_an_expected_value_hides_nothing(expected: object, before: object, after: object) -> None:
    texts = {"expected": expected, "baseline": before, "candidate": after}
    found = differing_paths({name: write_json(value) for name, value in texts.items()})
    if not same(before, after):
        assert any(
            row["baseline"] != row["candidate"] or is_moved(row["path"] or "") for row in found
        )
    elif same(expected, after):
        assert found == []


@RELAXED
@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_where_the_whole_value_is_expected_another_one_has_a_row(
    expected: object, before: object, after: object
) -> None:
    texts = {"expected": expected, "baseline": before, "candidate": after}
    found = differing_paths(
        {name: write_json(value) for name, value in texts.items()}, is_whole=True
    )
    assert bool(found) != (same(expected, before) and same(before, after))


@RELAXED
@given(LISTS, DOCUMENTS, st.integers(0, 8), st.booleans())
def test_an_item_that_was_dropped_or_added_is_one_change(
    items: list[Any], item: object, at: int, counted: bool
) -> None:
    at = min(at, len(items))
    more = [*items[:at], item, *items[at:]]
    counted &= len(more) >= 3  # of fewer it cannot be told that they are counted
    short, long = (numbered(items), numbered(more)) if counted else (items, more)
    [removed] = diff_documents({"lines": long}, {"lines": short})
    [added] = diff_documents({"lines": short}, {"lines": long})
    assert (removed.kind, added.kind) == ("removed", "added")
    assert same(removed.before, long[removed.origin[-1]])
    assert same(added.after, long[added.path[-1]])


@RELAXED
@given(LISTS, st.integers(0, 8), st.integers(0, 8))
def test_an_item_that_moved_is_one_change(items: list[Any], source: int, target: int) -> None:
    after = [*items]
    if items:
        after.insert(target, after.pop(source % len(items)))
    kinds = [change.kind for change in diff_documents(items, after)]
    assert kinds == ([] if same(items, after) else ["moved"])


def test_changes_of_plain_python_values() -> None:
    lines = invoice_lines(20)
    after = renumbered([*lines[1:9], *lines[10:], lines[0]])
    changes = diff_documents(lines, after)
    assert sorted(change.kind for change in changes) == ["moved", "removed"]
    assert apply_changes(lines, changes) == after


# What is shown.


@pytest.mark.parametrize("expected", [None, 20, "same"])
@pytest.mark.parametrize("counted", [True, False])
def test_a_dropped_line_item_is_one_row(expected: Any, counted: bool) -> None:
    lines = invoice_lines(20)
    kept = [line for line in lines if line["position"] != 7]
    now = renumbered(kept) if counted else kept
    [row] = rows(
        {"lines": lines}, {"lines": now}, {"lines": lines} if expected == "same" else expected
    )
    assert row["path"] == "$.lines[6]"
    assert row["candidate"] is None
    assert json.loads(row["baseline"] or "") == lines[6]
    assert row["expected"] == (row["baseline"] if expected == "same" else None)


def test_an_inserted_line_item_is_one_row() -> None:
    lines = invoice_lines(20)
    [row] = rows(renumbered(lines[:6] + lines[7:]), lines)
    assert (row["path"], row["baseline"]) == ("$[6]", None)
    assert json.loads(row["candidate"] or "") == lines[6]


def test_a_moved_line_item_is_one_row_that_names_both_places() -> None:
    lines = invoice_lines(20)
    now = renumbered([*lines[:3], lines[7], *lines[3:7], *lines[8:]])
    [row] = rows({"lines": lines}, {"lines": now})
    assert row["path"] == "$.lines[3] (was [7])"
    assert is_moved(row["path"])
    assert json.loads(row["baseline"] or "") == lines[7]
    assert json.loads(row["candidate"] or "") == now[3]


def test_a_merged_line_item_is_the_fields_that_changed() -> None:
    lines = invoice_lines(20)
    both = {**lines[4], "description": f"{lines[4]['description']} {lines[5]['description']}"}
    found = rows(lines, renumbered([*lines[:4], both, *lines[6:]]))
    assert [row["path"] for row in found] == ["$[4].description", "$[5]"]


def test_three_of_five_members_are_enough_to_know_an_item_elsewhere() -> None:
    before = {"c": 0, "d": 1, "a": 1, "b": 1, "position": 1}
    found = [row["path"] for row in rows([before, 1], [1, {**before, "d": 2, "position": 2}])]
    assert found == ["$[1] (was [0])", "$[1].d", "$[1].position"]


def test_a_line_item_that_moved_and_changed_is_told_so() -> None:
    lines = invoice_lines(20)
    changed = {**lines[7], "amount": -1}
    found = rows(lines, renumbered([*lines[:3], changed, *lines[3:7], *lines[8:]]))
    assert [row["path"] for row in found] == ["$[3] (was [7])", "$[3].amount"]


def test_of_two_items_that_are_like_one_elsewhere_the_other_was_dropped() -> None:
    first, second, now = ({**dict.fromkeys("abcd", 7), "e": each} for each in (1, 2, 1))
    found = rows([second, first, 1, 2], [1, 2, {**now, "d": 8}])
    assert [(row["path"], row["candidate"] is None) for row in found] == [
        ("$[0]", True),
        ("$[2] (was [1])", False),
        ("$[2].d", False),
    ]


def test_an_item_that_has_nothing_in_common_with_what_stood_there_is_one_row() -> None:
    one, other = ({key: f"{key}{at}" for key in "abcd"} for at in range(2))
    assert [row["path"] for row in rows([one, 1, 2], [other, 1, 2])] == ["$[0]"]


@pytest.mark.parametrize(
    ("before", "after", "expected", "found"),
    [
        ([1, 2], [1, 3, 4], None, [("$[1]", None, "2", "3"), ("$[2]", None, None, "4")]),
        ([1, 2, 3], [3, 2, 1], None, [("$[0] (was [2])", None, "3", "3"), ("$[2] (was [0])", None, "1", "1")]),  # noqa: E501
        ({"a": {"b": 1}}, {}, None, [("$.a", None, '{"b":1}', None)]),
        ({"a": [1]}, {"a": None}, None, [("$.a", None, "[1]", "null")]),
        # A scalar says nothing of what is inside, nor does a document of another shape.
        ([1, 2], [1, 4], 3, [("$[1]", None, "2", "4")]),
        ([1, 2], [1, 2], 3, []),
        ({"a": 1}, {"a": 2}, {"kind": "between", "lower": 1}, [("$.a", None, "1", "2")]),
        ({"a": 1}, {"a": 2}, {"a": 3, "b": 4}, [("$.a", "3", "1", "2"), ("$.b", "4", None, None)]),
        # Deeper than that it is a value like others; how the others differ is told beside it.
        ({"a": [1], "b": 1}, {"a": [1], "b": 1}, {"a": 1, "b": 1}, [("$.a", "1", "[1]", "[1]")]),
        ({"a": [1], "b": 1}, {"a": [2], "b": 1}, {"a": 1, "b": 1}, [("$.a", "1", "[1]", "[2]"), ("$.a[0]", None, "1", "2")]),  # noqa: E501
        ("no", "no", "yes", [("$", '"yes"', '"no"', '"no"')]),
        (["a", "b"], ["a", "b"], ["b", "a"], [("$[1] (expected at [0])", '"b"', '"b"', '"b"')]),
        # An expected item stands where the item is that it was of; and a row names a place once.
        ([3, 0], [3, 2], [3, 0], [("$[1]", "0", "0", "2")]),
        ([1, 3], [3, 1], [], [("$[0]", None, "3", "3"), ("$[1] (was [0])", None, "1", "1"), ("$[1]", None, "1", "1")]),  # noqa: E501
        # Alike is what has half of its members in common, and small records by their names alone.
        ([{"b": 1, "c": 2}, 0], [], [{"b": 4, "c": 2}, 0], [("$[0]", '{"b":4,"c":2}', '{"b":1,"c":2}', None), ("$[1]", "0", "0", None)]),  # noqa: E501
        ([{"a": 0, "d": 0}], [{"a": 1, "d": 3}], None, [("$[0].a", None, "0", "1"), ("$[0].d", None, "0", "3")]),  # noqa: E501
        ("1", 1, None, [("$", None, '"1"', "1")]),
        (1, True, None, [("$", None, "1", "true")]),
    ],
)  # fmt: skip
def test_rows(before: Any, after: Any, expected: Any, found: list[Any]) -> None:
    assert told(before, after, expected) == found


@pytest.mark.parametrize(
    ("before", "after", "expected", "found"),
    [
        (["USD"], ["USD"], "USD", [("$", '"USD"', '["USD"]', '["USD"]')]),
        ("USD", ["USD"], "USD", [("$", '"USD"', '"USD"', '["USD"]')]),
        ([1, 2], [1, 3], 1, [("$", "1", "[1,2]", "[1,3]"), ("$[1]", None, "2", "3")]),
        ({"x": 1}, {"x": 1}, {"a": 1, "b": 2, "c": 3}, [("$.x", None, "1", "1"), ("$.a", "1", None, None), ("$.b", "2", None, None), ("$.c", "3", None, None)]),  # noqa: E501
        ([1], None, 1, [("$", "1", "[1]", None)]),
    ],
)  # fmt: skip
def test_what_the_whole_value_should_be_is_told_whatever_its_shape(
    before: Any, after: Any, expected: Any, found: list[Any]
) -> None:
    assert told(before, after, expected, is_whole=True) == found


def test_two_values_at_one_path_are_one_row() -> None:
    first, second = {"k": 1, "z": 2}, {"q": 5, "w": [1, 2]}
    found = told([first, False, second, "c"], [second, [], first, "c"])
    assert [row[0] for row in found] == ["$[1]", "$[2] (was [0])"]
    assert found[0] == ("$[1]", None, "false", "[]")
    lists = [[*each] for size in range(4) for each in product([1, 2, [3], "x"], repeat=size)]
    for before, after in product(lists, lists):
        paths = [row["path"] for row in rows(before, after)]
        assert len({*paths}) == len(paths)


def test_numbers_are_compared_and_told_as_they_were_written() -> None:
    texts = {"baseline": f"[1.10,{10**30},1]", "candidate": f"[1.1,{10**30},{10**30}1]"}
    assert differing_paths(texts) == [
        {"path": "$[0]", "baseline": "1.10", "candidate": "1.1"},
        {"path": "$[2]", "baseline": "1", "candidate": f"{10**30}1"},
    ]


def test_without_a_candidate_the_baseline_is_aligned_with_what_was_expected() -> None:
    assert told([1, 2, 3], None, [1, 3]) == [("$[1]", None, "2", None)]
    assert told(None, None, [1]) == []


def test_what_is_dropped_from_both_is_one_row_and_another_expected_item_its_own() -> None:
    lines, other = invoice_lines(20), invoice_lines(1, seed=5)[0]
    found = rows(lines, lines[:-1], lines)
    assert [row["path"] for row in found] == ["$[19]"]
    found = rows(lines[:-1], lines[:-1], [*lines[:-1], other])
    assert [(row["path"], row["baseline"], row["candidate"]) for row in found] == [
        ("$[19]", None, None)
    ]


def test_an_expected_item_that_is_like_neither_is_a_row_of_its_own() -> None:
    fields = [{key: f"{key}{at}" for key in "abcd"} for at in range(3)]
    changed = {**fields[1], "a": 0}
    found = told([fields[1], 1, 2], [changed, 1, 2], [fields[0], 1, 2])
    assert [(path, expected is None) for path, expected, *_ in found] == [
        ("$[0]", False),
        ("$[0].a", True),
    ]
    found = told([fields[1], 1, 2], [fields[2], 1, 2], [fields[1], 1, 2])
    assert [path for path, *_ in found] == ["$[0]"]


def test_an_item_that_keeps_its_index_while_others_move_around_it_is_no_row() -> None:
    found = rows([*"abcde"], [*"edcba"])
    assert [row["path"] for row in found] == [f"$[{at}] (was [{4 - at}])" for at in (0, 1, 3, 4)]
    found = rows([*"pqFab"], [*"abFpq"])
    assert len(found) == 2
    assert not any(row["baseline"] == '"F"' for row in found)


def test_what_is_expected_instead_of_a_dropped_item_is_a_row_of_its_own() -> None:
    fields = [{key: f"{key}{at}" for key in "abcd"} for at in range(4)]
    kept = [fields[0], 1, 2]
    found = told([*kept, fields[1], fields[2]], kept, [*kept, fields[2], fields[3]])
    assert [[value is not None for value in row[1:]] for row in found] == [
        [False, True, False],
        [True, True, False],
        [True, False, False],
    ]


def test_members_that_happen_to_count_two_items_are_values() -> None:
    found = rows([{"a": "x", "n": 1}, {"a": "y", "n": 2}], [{"a": "y", "n": 1}])
    assert [row["path"] for row in found] == ["$[0]", "$[0].n"]


@pytest.mark.parametrize("depth", [99, 101, 100_000])
def test_deep_documents(depth: int) -> None:
    old, new = (f"{'[' * depth}{value}{']' * depth}" for value in (1, 2))
    [row] = differing_paths({"baseline": old, "candidate": new})
    whole = (old, new) if depth > 100 else ("1", "2")
    assert (row["baseline"], row["candidate"]) == whole
    assert differing_paths({"baseline": old, "candidate": old}) == []


def test_a_document_that_is_too_deep_for_changes() -> None:
    deep: list[Any] = []
    for _ in range(101):
        deep = [deep]
    with pytest.raises(ValueError, match="deeper than 100"):
        diff_documents(1, deep)


def test_what_is_not_json_is_compared_as_a_whole() -> None:
    assert differing_paths({"baseline": "{oops", "candidate": "[1]"}) == [
        {"path": "$", "baseline": "{oops", "candidate": "[1]"}
    ]


def test_long_lists_are_matched_where_an_item_is_the_only_one_of_its_kind() -> None:
    lines = invoice_lines(1000)
    gone = {2, 500, 501, 900}
    now = [line for at, line in enumerate(lines) if at not in gone]
    assert len(lines) * len(now) > PAIRS_OF_LISTS
    found = rows(lines, renumbered(now))
    assert [row["path"] for row in found] == [f"$[{at}]" for at in sorted(gone)]


def test_in_long_lists_what_repeats_is_matched_between_the_items_that_do_not() -> None:
    """Each of the three has its neighbours, however far they were shifted."""
    before = [item for at in range(200) for item in (f"item {at}", "same", "same", "same")]
    gone = {0, 403, 796}
    now = [item for at, item in enumerate(before) if at not in gone]
    assert len(before) * len(now) > PAIRS_OF_LISTS
    found = rows(before, now)
    assert [(row["path"], row["candidate"]) for row in found] == [
        ("$[0]", None),
        ("$[403]", None),
        ("$[796]", None),
    ]


@pytest.mark.parametrize("length", [30, 700])
def test_lists_of_few_values_stay_true_whatever_their_length(length: int) -> None:
    rng = random.Random(length)
    before, after = ([rng.randrange(3) for _ in range(length)] for _ in range(2))
    changes = diff_documents(before, after)
    assert apply_changes(before, changes) == after
    assert len(changes) <= length


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


def test_long_texts_are_marked_from_the_first_difference_to_the_last() -> None:
    rng = random.Random(0)
    old, new = (" ".join(str(rng.random()) for _ in range(500)) for _ in range(2))
    segments = mark_words(f"Terms: {old} end", f"Terms: {new} end")
    assert segments[0].text.startswith("Terms: ")
    assert segments[-1].text.endswith(" end")
    assert len(segments) == 4
