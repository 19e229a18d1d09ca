"""What evals that flipped have in common."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.inside import CAUSES_SCHEMA, FLIPPED, group_causes

SECRET = "Confidential Ltd"
LINES = [{"text": f"{SECRET} {at}", "price": at + 0.5} for at in range(5)]

EVALS = pl.Schema(
    dict.fromkeys(
        (
            *("eval_id", "transition", "block_id", "baseline_actual", "candidate_actual"),
            *("failure", "baseline_state", "candidate_state"),
        ),
        pl.String(),
    )
)


def flip(
    before: Any = 1,
    after: Any = 2,
    *,
    block: str | None = "lines",
    transition: str = "regressed",
    state: str = "failed",
    failure: str | None = None,
) -> dict[str, str | None]:
    states = ("passed", state)
    if transition == "fixed":
        states = (state, "passed")
    return {
        "transition": transition,
        "block_id": block,
        "baseline_actual": None if before is None else json.dumps(before),
        "candidate_actual": None if after is None else json.dumps(after),
        "failure": failure,
        "baseline_state": states[0],
        "candidate_state": states[1],
    }


def frame(*flips: dict[str, str | None]) -> pl.DataFrame:
    rows = [{"eval_id": f"e{at}", **each} for at, each in enumerate(flips)]
    return pl.DataFrame(rows, schema=EVALS)


def error(block: str, code: str | None = "rate_limited") -> dict[str, str | None]:
    failure = None if code is None else f"{code}: {SECRET} was asked too often"
    return flip(1, None, block=block, transition="newly_errored", state="error", failure=failure)


def told(*flips: dict[str, str | None]) -> list[tuple[Any, ...]]:
    columns = ("block_id", "path", "change", "evals", "example_eval_id")
    return group_causes(frame(*flips)).select(columns).rows()


def test_evals_that_lost_an_item_are_one_row() -> None:
    dropped = (flip({"lines": LINES}, {"lines": LINES[:at] + LINES[at + 1 :]}) for at in range(3))
    causes = group_causes(frame(flip(transition="still_failing"), *dropped))
    assert causes.schema == CAUSES_SCHEMA
    assert causes.rows() == [
        (
            *("lines", "$.lines[*]", "dropped item", 3, "e1"),
            "3 evals of lines: an item of $.lines is missing.",
        )
    ]


def test_the_largest_group_comes_first_and_each_flip_counts_once() -> None:
    both = [{"text": "a b c", "price": 5}, LINES[4]]
    kept = [{"text": "a b", "price": 5}, LINES[4]]
    flips = [flip({"a": 1}, {"a": at}) for at in (2, 3)]
    flips += [flip(kept, both), flip(kept, both), flip([*kept, 1], both)]
    assert told(*flips) == [
        ("lines", "$[*].text", "changed text", 3, "e2"),
        ("lines", "$.a", "changed number", 2, "e0"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "change", "path"),
    [
        ([1, 2, 3], [1, 2], "dropped item", "$[*]"),
        ([1, 2], [1, 2, 3], "added item", "$[*]"),
        ([1, 2, 3], [3, 1, 2], "moved item", "$[*]"),
        ([[7, 8, 9], 1], [[4, 5, 6], 1], "replaced item", "$[*]"),
        ({"a": 1, "b": 2}, {"a": 1}, "missing field", "$.b"),
        ({"a": 1}, {"a": 1, "b": 2}, "added field", "$.b"),
        ({"a": 1}, {"a": None}, "missing value", "$.a"),
        (None, None, "unknown value", None),
        ({"a": None}, {"a": 1}, "added value", "$.a"),
        ({"a": "1"}, {"a": 1}, "type changed", "$.a"),
        ([{"a": 1, "b": "x"}], [{"a": 2, "b": "x"}], "changed number", "$[*].a"),
        ("x", "y", "changed text", "$"),
        (True, False, "changed value", "$"),
        (10, 10.0, "rewritten number", "$"),
        ({"a": 1}, {"a": 1}, "same value", None),
    ],
)
def test_kinds_of_change(before: Any, after: Any, change: str, path: str | None) -> None:
    evals = frame(flip(before, after), flip(before, after))
    [row] = group_causes(evals).rows(named=True)
    assert (row["change"], row["path"], row["evals"]) == (change, path, 2)
    assert row["sentence"].startswith("2 evals of lines: ")


def test_a_path_begins_at_the_output_where_it_is_known_what_an_eval_looks_at() -> None:
    flips = frame(flip(1, 2), flip(1, 3), flip(LINES, LINES[1:]), flip(LINES, LINES[:4]))
    asserted = {"e0": "lines.0.quantity", "e1": "lines.12.quantity", "e2": "lines", "e3": "lines"}
    assert group_causes(flips, asserted)["sentence"].to_list() == [
        "2 evals of lines: an item of $.lines is missing.",
        "2 evals of lines: the number at $.lines[*].quantity changed.",
    ]
    assert group_causes(flips, asserted | {"e1": "total"})["path"].to_list() == [
        "$.lines[*]",
        None,
    ]
    only = group_causes(flips.head(1), {"e0": 'a key."0"'})
    assert only["path"].to_list() == ['$["a key"]["\\"0\\""]']


def test_what_tells_more_is_said_of_an_eval_that_is_alone() -> None:
    assert told(flip({"a": 1, "lines": LINES}, {"a": 2, "lines": LINES[1:]})) == [
        ("lines", "$.lines[*]", "dropped item", 1, "e0")
    ]


def test_the_same_change_at_several_paths() -> None:
    causes = group_causes(frame(flip({"a": 1}, {"a": 2}), flip({"b": 1}, {"b": 2})))
    assert causes.rows() == [
        ("lines", None, "changed number", 2, "e0", "2 evals of lines: numbers changed.")
    ]


def test_what_is_left_of_a_block_is_one_row() -> None:
    causes = group_causes(frame(flip("a", "b"), flip(1, 2), error("lines"), flip(block="other")))
    assert causes.rows() == [
        ("lines", None, "various", 3, "e0", "3 evals of lines changed, each in another way."),
        ("other", "$", "changed number", 1, "e3", "1 eval of other: the number at $ changed."),
    ]


def test_one_failure_code_in_several_blocks_is_one_row() -> None:
    causes = group_causes(frame(error("a"), error("b"), error("b"), error("c", "output_limit")))
    assert causes.rows() == [
        (
            *(None, None, "error: rate_limited", 3, "e0"),
            "3 evals of 2 blocks: they did not run, rate_limited.",
        ),
        ("c", None, "error: output_limit", 1, "e3", "1 eval of c: it did not run, output_limit."),
    ]


def test_errors_of_one_block_are_told_of_the_block() -> None:
    assert told(error("a"), error("a")) == [("a", None, "error: rate_limited", 2, "e0")]
    assert told(error("a", None), error("b", None)) == [(None, None, "error", 2, "e0")]


def test_a_message_is_not_taken_for_a_code() -> None:
    blocked = flip(transition="newly_blocked", state="blocked", failure=f"Note: {SECRET}")
    assert told(blocked) == [("lines", None, "blocked", 1, "e0")]


def test_what_was_fixed_is_apart_from_what_broke() -> None:
    back = [flip(LINES[1:], LINES, transition="fixed"), flip(LINES[2:], LINES, transition="fixed")]
    ran = flip(None, 1, transition="fixed", state="error", block="b")
    causes = group_causes(frame(*back, flip(LINES[1:], LINES), ran))
    assert causes["sentence"].to_list() == [
        "2 evals of lines pass again: $ has an additional item.",
        "1 eval of lines: $ has an additional item.",
        "1 eval of b passes again: before, it did not run.",
    ]
    assert causes["change"].to_list() == ["fixed: added item", "added item", "fixed: error"]


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("0", "1e-400", "changed number"),
        ("0.1", "0.10000000000000000001", "changed number"),
        ("9007199254740993", "9007199254740992.0", "changed number"),
        ("9007199254740993", "9007199254740993.0", "rewritten number"),
        ("1.10", "11e-1", "rewritten number"),
        ("1e99999999999999999999", "1e99999999999999999998", "changed number"),
    ],
)
def test_numbers_are_the_same_where_they_are_exactly(before: str, after: str, change: str) -> None:
    values = {"baseline_actual": before, "candidate_actual": after}
    assert group_causes(frame(flip() | values))["change"].to_list() == [change]


def test_an_item_is_named_as_one_of_its_list() -> None:
    causes = group_causes(frame(flip({"scores": [1, 2, 3]}, {"scores": [1, 9, 3]})))
    assert causes["sentence"].to_list() == ["1 eval of lines: the number at $.scores[*] changed."]


def test_suspects_are_not_called_broken() -> None:
    suspects = [flip(1, 2, transition="suspect"), flip("a", None, transition="suspect")]
    assert group_causes(frame(*suspects))["sentence"].to_list() == [
        "2 evals of lines (2 suspect) changed, each in another way."
    ]


def test_suspects_are_named_as_such() -> None:
    causes = group_causes(frame(flip(transition="suspect"), flip()))
    assert causes["sentence"][0] == "2 evals of lines (1 suspect): the number at $ changed."


def test_without_flips_there_are_no_causes() -> None:
    for evals in (frame(), frame(flip(transition="flaky"))):
        assert group_causes(evals).is_empty()
        assert group_causes(evals).schema == CAUSES_SCHEMA


VALUES = st.sampled_from([None, 1, 2, SECRET, LINES, LINES[1:], {"a": SECRET}, {"a": 1, "b": 2}])
FLIPS = st.builds(
    flip,
    VALUES,
    VALUES,
    block=st.sampled_from(["a", "b", None]),
    transition=st.sampled_from([*FLIPPED, "flaky"]),
    state=st.sampled_from(["failed", "blocked", "error", "mixed"]),
    failure=st.sampled_from([None, f"type_error: {SECRET}", SECRET, f"schema_invalid: {SECRET}"]),
)


@examples(80)
@given(st.lists(FLIPS, max_size=20))
def test_any_flips(flips: list[dict[str, str | None]]) -> None:
    causes = group_causes(frame(*flips))
    flipped = [each for each in flips if each["transition"] in FLIPPED]
    assert causes["evals"].sum() == len(flipped)
    assert causes["evals"].to_list() == sorted(causes["evals"], reverse=True)
    alone = {(each["block_id"], each["transition"] == "fixed") for each in flipped}
    assert causes.filter(pl.col("evals") == 1).height <= len(alone)
    assert causes.height <= (len(flipped) + len(alone)) / 2
    assert causes["example_eval_id"].n_unique() == causes.height
    assert SECRET not in str(causes.to_dicts())
    backwards = group_causes(frame(*reversed(flips)))
    assert sorted(backwards["evals"]) == sorted(causes["evals"])
