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
            "3 evals of lines: an item of lines is missing.",
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
    ("before", "after", "change", "path", "said"),
    [
        ([1, 2, 3], [1, 2], "dropped item", "$[*]", "an item is missing"),
        ([1, 2], [1, 2, 3], "added item", "$[*]", "an additional item"),
        ([1, 2, 3], [3, 1, 2], "moved item", "$[*]", "an item moved"),
        ([[7, 8, 9], 1], [[4, 5, 6], 1], "replaced item", "$[*]", "an item was replaced"),
        ({"a": [1]}, {"a": [1, 2]}, "added item", "$.a[*]", "an additional item of a"),
        ({"a": 1, "b": 2}, {"a": 1}, "missing field", "$.b", "b is missing"),
        ({"a": 1}, {"a": 1, "b": 2}, "added field", "$.b", "b is new"),
        ({"a": 1}, {"a": None}, "missing value", "$.a", "the value at a is null now"),
        ({"a": None}, {"a": 1}, "added value", "$.a", "the value at a is no longer null"),
        ({"a": "1"}, {"a": 1}, "type changed", "$.a", "the value at a changed its type"),
        ([{"a": 1, "b": "x"}], [{"a": 2, "b": "x"}], "changed number", "$[*].a", "the number at [].a changed"),  # noqa: E501
        ([1, 2, 3], [1, 9, 3], "changed number", "$[*]", "the number at [] changed"),
        ("x", "y", "changed text", "$", "the text changed"),
        (True, False, "changed value", "$", "the value changed"),
        ({"a": 10}, {"a": 10.0}, "same value", "$", "the value did not change"),
    ],
)  # fmt: skip
def test_kinds_of_change(before: Any, after: Any, change: str, path: str, said: str) -> None:
    [row] = group_causes(frame(flip(before, after), flip(before, after))).rows(named=True)
    assert (row["change"], row["path"], row["evals"]) == (change, path, 2)
    assert row["sentence"] == f"2 evals of lines: {said}."


def test_a_path_begins_at_the_output_where_it_is_known_what_an_eval_looks_at() -> None:
    flips = frame(flip(1, 2), flip(1, 3), flip(LINES, LINES[1:]), flip(LINES, LINES[:4]))
    asserted = {"e0": "lines.0.quantity", "e1": "lines.12.quantity", "e2": "lines", "e3": "lines"}
    assert group_causes(flips, asserted)["sentence"].to_list() == [
        "2 evals of lines: an item of lines is missing.",
        "2 evals of lines: the number at lines[].quantity changed.",
    ]
    paths = group_causes(flips, dict.fromkeys(asserted, 'a key."0"'))["path"]
    assert paths[0] == '$["a key"]["\\"0\\""][*]'


def test_what_says_more_is_told_of_evals_that_share_two_changes() -> None:
    both = flip({"a": 1, "lines": LINES}, {"a": 2, "lines": LINES[1:]})
    assert told(both, both) == [("lines", "$.lines[*]", "dropped item", 2, "e0")]


def test_what_is_not_shared_is_no_cause() -> None:
    alone = [flip("a", "b"), flip(1, 2), error("lines"), flip(block="other"), flip(None, 1)]
    nothing = group_causes(frame(*alone, flip({"a": 1}, {"a": 2}), flip(None, 1)))
    assert nothing.equals(pl.DataFrame(schema=CAUSES_SCHEMA))
    assert told(flip(transition="flaky"), flip(transition="flaky")) == []


def test_one_failure_code_in_several_blocks_is_one_row() -> None:
    causes = group_causes(frame(error("a"), error("b"), error("b"), error("c", "output_limit")))
    assert causes.rows() == [
        (
            *(None, None, "error: rate_limited", 3, "e0"),
            "3 evals of 2 blocks: they did not run, rate_limited.",
        ),
    ]
    assert told(error("a"), error("a")) == [("a", None, "error: rate_limited", 2, "e0")]
    assert told(error("a", None), error("b", None)) == [(None, None, "error", 2, "e0")]


def test_a_message_is_not_taken_for_a_code() -> None:
    blocked = flip(transition="newly_blocked", state="blocked", failure=f"Note: {SECRET}")
    assert told(blocked, blocked) == [("lines", None, "blocked", 2, "e0")]


def test_what_was_fixed_is_apart_from_what_broke() -> None:
    back = [flip(LINES[1:], LINES, transition="fixed"), flip(LINES[2:], LINES, transition="fixed")]
    ran = flip(None, 1, transition="fixed", state="error", block="b")
    causes = group_causes(frame(*back, flip(LINES[1:], LINES), ran, ran))
    assert causes.select("change", "sentence").rows() == [
        ("fixed: error", "2 evals of b pass again: before, they did not run."),
        ("fixed: added item", "2 evals of lines pass again: an additional item."),
    ]


def test_suspects_are_called_unclear() -> None:
    causes = group_causes(frame(flip(transition="suspect"), flip()))
    assert causes["sentence"][0] == "2 evals of lines (1 unclear): the number changed."


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
    assert causes["evals"].sum() <= sum(each["transition"] in FLIPPED for each in flips)
    assert causes["evals"].to_list() == sorted(causes["evals"], reverse=True)
    assert causes.filter(pl.col("evals") < 2).is_empty()
    assert causes["example_eval_id"].n_unique() == causes.height
    assert SECRET not in str(causes.to_dicts())
    backwards = group_causes(frame(*reversed(flips)))
    assert sorted(backwards["evals"]) == sorted(causes["evals"])
