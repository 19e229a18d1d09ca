"""Conditions in words: every kind of the contract, with its numbers as they were sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.contract import JSON, WORDS, schema_of
from support.documents import result_document
from support.inside import asserts_the_same, describe_condition

import retab_analysis as ra

KINDS: list[str] = schema_of("Condition")["properties"]["kind"]["enum"]
WRITTEN = (Path(__file__).parents[1] / "data" / "conditions.txt").read_text("utf-8")
WORDED = dict(line.split("\t") for line in WRITTEN.splitlines()[1:])


@pytest.mark.parametrize(("condition", "words"), WORDED.items())
def test_a_condition_in_words(condition: str, words: str) -> None:
    assert describe_condition(condition) == words


def test_every_kind_of_the_contract_has_words() -> None:
    assert {json.loads(condition)["kind"] for condition in WORDED} == set(KINDS)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        # A new kind, and a new operator, stay as they were sent.
        ('{"kind":"sounds_like","expected":1.0,"n":[]}', 'sounds_like {"expected":1.0,"n":[]}'),
        ('{"kind":"is_new"}', "is_new"),
        ('{"kind":"number_compare","op":"divides","expected":3}', "divides 3"),
        # A member that is missing is not made up.
        ('{"kind":"equals"}', "equals"),
        ('{"kind":"number_compare","expected":3}', 'number_compare {"expected":3}'),
        ('{"kind":"similarity_gte","reference":"x"}', 'similarity_gte {"reference":"x"}'),
        # Members of another type than the contract has.
        ('{"kind":"matches_regex","pattern":7}', "matches /7/"),
        ('{"kind":"any_item_matches","condition":"x"}', 'any item "x"'),
        # Names in braces are not members.
        ('{"kind":"equals","expected":"{op}"}', '= "{op}"'),
        ('{"kind":"contains","expected":"{}","{x}":1}', 'contains "{}"'),
    ],
)
def test_what_the_contract_does_not_have(condition: str, words: str) -> None:
    assert describe_condition(condition) == words


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "[]", "null", "{}", "{", '{"kind":7}', '{"kind":null}', '{"expected":1}'),
        r'{"kind":"equals","expected":"\ud800"}',
    ],
)
def test_what_is_not_a_condition_stays_as_it_is(text: str) -> None:
    assert describe_condition(text) == text


def test_what_is_nested_too_deeply_stays_as_it_is() -> None:
    outer, simple = '{"kind":"any_item_matches","condition":', '{"kind":"exists"}'
    words = describe_condition(outer * 3000 + simple + "}" * 3000)
    # How deeply Python recurses differs from version to version; what is below stays JSON.
    depth = words.count("any item ")
    rest = 3000 - depth
    assert rest == 0 or words == "any item " * depth + outer * rest + simple + "}" * rest


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (r'"M\u00fcller"', '"Müller"'),
        (r'"\ud83d\ude00"', '"😀"'),
        (r'"\\u00fc"', r'"\\u00fc"'),
        (r'"\u0022\u005c\u000a\n\t"', r'"\u0022\u005c\u000a\n\t"'),
        (r'"\u202e"', r'"\u202e"'),
    ],
)
def test_letters_are_shown_in_place_of_their_escapes(sent: str, shown: str) -> None:
    assert describe_condition('{"kind":"equals","expected":' + sent + "}") == f"= {shown}"


@pytest.mark.parametrize(
    ("kind", "expected", "threshold", "words"),
    [
        ("exists", None, None, "exists"),
        ("equals", '"M\\u00fcller"', None, '= "Müller"'),
        ("equals", "null", None, "= null"),
        ("equals", None, None, "equals"),
        ("similarity_gte", '"Acme"', 0.9, 'similarity ≥ 0.9 to "Acme"'),
        ("split_iou_gte", '{"splits":[]}', 0.85, "split IoU ≥ 0.85"),
        ("matches_regex", r'"^\\d$"', None, r"matches /^\d$/"),
        ("between", '{"lower":1.0,"upper":2}', None, "between 1.0 and 2"),
        ("between", "7", None, "between 7"),
        ("all_items_match", '{"kind":"exists"}', None, "every item exists"),
        # The operator and the rubric are in the saved eval only.
        ("number_compare", "-1.50", None, "number_compare -1.50"),
        ("llm_judged_as", '"yes"', None, 'llm_judged_as "yes"'),
        ("sounds_like", "1", None, "sounds_like 1"),
    ],
)
def test_what_a_result_asserted_is_said_by_its_own_values(
    kind: str, expected: str | None, threshold: float | None, words: str
) -> None:
    sent = result_document("r")
    sent["assertion_result"] |= {"condition_kind": kind, "threshold": threshold}
    sent["assertion_result"].pop("expected_value", None)
    body = json.dumps(sent)
    if expected is not None:
        body = body.replace('"condition_kind"', f'"expected_value": {expected}, "condition_kind"')
    assert ra.decode_results(body)["condition"].to_list() == [words]


OVER_FIVE = '{"kind":"number_compare","op":"gt","expected":5}'


@pytest.mark.parametrize(
    ("condition", "kind", "expected", "same"),
    [
        (OVER_FIVE, "number_compare", "5.0", True),
        (OVER_FIVE, "number_compare", "6", False),
        (OVER_FIVE, "length_compare", "5", False),
        (OVER_FIVE, "number_compare", None, None),
        ('{"kind":"equals","expected":{"a":1,"b":[]}}', "equals", '{"b":[],"a":1e0}', True),
        ('{"kind":"exists"}', "exists", None, True),
        ('{"kind":"between","lower":1,"upper":2}', "between", '{"lower":1,"upper":2.0}', True),
        ('{"kind":"between","lower":1,"upper":2}', "between", '{"lower":1,"upper":3}', False),
        ('{"kind":"similarity_gte","reference":"x","threshold":1}', "similarity_gte", '"x"', True),
        ('{"kind":"llm_judged_as","rubric":"Is it?"}', "llm_judged_as", "null", True),
        ("{", "exists", None, None),
    ],
)
def test_whether_a_saved_eval_still_asserts_what_a_result_did(
    condition: str, kind: str, expected: str | None, same: bool | None
) -> None:
    assert asserts_the_same(condition, kind, expected, None) is same


@pytest.mark.parametrize(("least", "same"), [(1.0, True), (0.9, False), (None, True)])
def test_another_threshold_is_another_assertion(least: float | None, same: bool) -> None:
    condition = '{"kind":"similarity_gte","reference":"x","threshold":1}'
    assert asserts_the_same(condition, "similarity_gte", '"x"', least) is same


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)
@given(members=st.dictionaries(st.sampled_from(["expected", "op", "rubric", "lower"]), JSON))
def test_no_members_are_too_strange(kind: str, members: dict[str, Any]) -> None:
    words = describe_condition(json.dumps({"kind": kind, **members}, separators=(",", ":")))
    assert words
    words.encode()


@settings(deadline=None)
@given(JSON, WORDS)
def test_a_value_is_the_json_that_was_sent(value: Any, other: str) -> None:
    sent = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    words = describe_condition(f'{{"kind":"equals","expected":{sent}}}')
    assert json.loads(words.removeprefix("= ")) == value
    assert describe_condition(json.dumps({"kind": other})) == other
