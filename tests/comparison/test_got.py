"""What an eval got is what made its word: the value that failed, its day, and never what it was."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from comparison.cases import Rows, held_against_own_past, history
from support.inside import Comparison


def with_values(letters: str, *values: Any, kind: str = "contains", **more: Any) -> Rows:
    """An eval with a value in each of its runs; the code of its block is another from the fifth."""
    rows = history("e", letters, "AAAA" + "B" * (len(letters) - 4), condition_kind=kind, **more)
    for row, value in zip(rows, values, strict=True):
        row["actual_value"] = None if value is None else json.dumps(value)
    return rows


def said(made: Comparison) -> str:
    """A report with values; what was removed and added is in brackets."""
    report = made.to_markdown(values=True).replace("<del>", "[").replace("</ins>", "]")
    return " ".join(html.unescape(re.sub("<[^>]*>|[*`]", "", report)).split())


@pytest.mark.parametrize(("last", "state"), [("C", "cancelled"), ("E", "error"), ("U", "unscored")])
def test_what_is_broken_shows_its_failure_whatever_ran_since(last: str, state: str) -> None:
    values = [18.5] * 4 + [1, 1, None]
    made = held_against_own_past(with_values(f"PPPPFF{last}", *values), 7)
    (row,) = made.evals.rows(named=True)
    assert (row["transition"], row["candidate_state"]) == ("regressed", state)
    assert made.values()["got"].to_list() == ["1"]
    assert made.values()["was"].to_list() == ["18.5"]
    told = said(made)
    assert "| 1 on 24 May" in told


def test_hidden_values_have_the_day_too() -> None:
    made = held_against_own_past(with_values("PPPPFFC", *[18.5] * 4, 1, 1, None), 7)
    hidden = made.to_markdown()
    assert "failed on " in hidden
    assert "cancelled" not in hidden.partition("Next")[2].partition("<details>")[0]


def test_a_score_is_told_before_the_value() -> None:
    rows = with_values("PPPPFF", *["INTERCO FUNDING"] * 6, kind="similarity_gte", threshold=0.9)
    for row, score in zip(rows, [0.97] * 4 + [0.61, 0.62], strict=True):
        row["score"] = score
    told = said(held_against_own_past(rows, 6))
    assert '0.97: "INTERCO FUNDING"' in told
    assert '0.62: "INTERCO FUNDING"' in told


def test_a_score_has_enough_digits_to_miss_its_threshold() -> None:
    rows = with_values("PPPPFF", *["a"] * 6, kind="similarity_gte", threshold=0.9)
    for row, score in zip(rows, [0.97] * 4 + [0.61, 0.8991], strict=True):
        row["score"] = score
    assert "0.8991" in said(held_against_own_past(rows, 6))


PAIRS = [
    ([{"a": 1}, {"b": 2}], [{"a": 1}, {"b": 3}]),
    ({"a": 1, "text": "x" * 80}, {"a": 2, "text": "x" * 80}),
    ("the terms of 30 days", "the terms of 30 days."),
    ("x" * 200 + " red apples", "x" * 200 + " green apples"),
    ("the same", "the same"),
]


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_was_and_got_are_never_the_same_text(before: Any, after: Any) -> None:
    rows = with_values("PPPPFF", *[before] * 4, *[after] * 2)
    table = held_against_own_past(rows, 6).to_markdown(values=True)
    (line,) = [each for each in table.splitlines() if each.startswith("| ✗")]
    *_, was, got = [each.strip() for each in line.strip("| ").split(" | ")]
    assert was.strip("`*") != got.strip("`*")
    assert was
    assert got


def test_a_difference_of_two_letters_is_both_whole_values() -> None:
    before, after = {"terms": "net 30 days", "n": 1}, {"terms": "net 30 days.", "n": 1}
    told = said(held_against_own_past(with_values("PPPPFF", *[before] * 4, *[after] * 2), 6))
    assert 'terms: ["net 30 days" "net 30 days."]' in told
