"""The object that a comparison gives: what to run again, where values differ, what is kept."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import polars as pl
import pytest
from comparison.cases import (
    TRANSITION_OF,
    held_against,
    held_against_own_past,
    history,
    many_evals,
    of_every_transition,
    suite,
)
from support.frames import result, results
from support.inside import compare

from retab_analysis import ConfigError


def test_what_to_run_again() -> None:
    comparison = of_every_transition()
    again = comparison.reruns
    assert again.columns == [
        *("eval_name", "p_regressed", "reruns_to_clear", "reruns_to_confirm", "eval_id")
    ]
    is_sure = pl.col("p_regressed") >= 0.95
    unsure = ("newly_errored", "suspect", "regressed", "newly_blocked")
    known = comparison.evals.filter(pl.col("transition").is_in(unsure), ~is_sure.fill_null(False))
    assert set(again["eval_id"]) <= set(known["eval_id"])
    # From when a look can decide is said of what is unclear, and of nothing else.
    dated = comparison.evals.filter(pl.col("decides_at").is_not_null())
    assert sorted([*dated["eval_id"], "crashed"]) == sorted(known["eval_id"])
    assert {"doubtful", "crashed"} <= set(again["eval_id"])
    assert not {"gone", "new", "changed", "gap", "stopped"} & set(again["eval_id"])


def test_the_rows_of_what_became_of_evals_have_names() -> None:
    comparison = of_every_transition()
    kinds = {
        "broken": ("regressed", "newly_blocked"),
        "unclear": ("suspect",),
        "flaky": ("flaky",),
        "fixed": ("fixed",),
        "new": ("added",),
    }
    for name, transitions in kinds.items():
        rows = comparison.evals.filter(pl.col("transition").is_in(transitions))
        assert rows.height
        assert getattr(comparison, name).equals(rows)


def test_the_values_of_what_does_not_pass() -> None:
    known = {"path": "lines.0.quantity", "condition": "= 18.5", "expected_value": "18.5"}
    rows = [
        *history("a", "PPPF", "AAAB", eval_name="Blue", **known),
        *history("b", "PPPE", "AAAB", actual_value=None, failure_message="too many requests"),
        *history("c", "PPPP", "AAAB", actual_value="7"),
    ]
    for row, value in zip(rows, ("18.5", "18.5", "18.5", "1"), strict=False):
        row["actual_value"] = value
    made = held_against_own_past(rows, 4)
    (errored, blue) = made.values().rows()
    assert blue == ("Blue", "lines.0.quantity = 18.5", "18.5", "18.5", "1", "a")
    assert "too many requests" in errored[4]
    assert made.values("Blue").rows() == [blue]
    assert made.values("c")["got"].to_list() == ["7"]
    assert made.values().schema == dict.fromkeys(made.values().columns, pl.String())


def test_what_to_do_next_can_be_typed_until_there_is_nothing() -> None:
    comparison = of_every_transition()
    step = comparison.next_step
    assert step.code == "verdict = ra.settle(verdict)"
    # A variable may have another name: the line runs without one.
    assert "Next: Run 2 evals again" in repr(comparison)
    assert "ra.settle(ra.compare(baseline, candidate))" in repr(comparison)
    assert step.command == ""  # no command compares frames
    assert "verdict" not in repr(comparison)
    assert held_against_own_past(history("e", "PPPP"), 4).next_step is None
    accept = step = held_against_own_past(history("e", "PPPPFFF", "AAAABBB"), 7).next_step
    assert step is not None
    while step is not None:
        compile(step.code, "cell", "exec")
        accept, step = step, step.otherwise
    assert accept.code == 'verdict.accept("accepted.toml", reason="…")'


def test_everything_as_json() -> None:
    for comparison in (of_every_transition(own_past=True), compare(results(), results())):
        told = comparison.to_dict(values=True)
        read = json.loads(json.dumps(told, allow_nan=False))
        assert list(told)[:3] == ["headline", "workflow_id", "run_ids"]
        assert set(told) >= {"baseline_run_ids", "gate", "counts", "evals"}
        brief = comparison.to_dict(brief=True)
        assert not {"summary", "explanation"} & set(brief)
        assert sum(brief["counts"].values()) == comparison.evals.height
        assert read == told
        assert read["summary"] == comparison.summary.row(0, named=True)
        assert [row["eval_id"] for row in read["evals"]] == comparison.evals["eval_id"].to_list()
        assert [row["transition"] for row in read["evals"]] == (
            comparison.evals["transition"].to_list()
        )


def test_what_is_brief_is_so_however_much_broke() -> None:
    rows = [
        row
        for at in range(300)
        for row in history(f"eval_{at:021}", "PPF", "AAB", eval_name=f"{'name ' * 20}{at}")
    ]
    told = held_against(rows, 2, 3).to_dict(brief=True, values=True)
    assert len(json.dumps(told, indent=2)) / 3.5 < 3000
    assert told["counts"]["broke"] == 300
    assert told["evals"][0]["said"] == "expected 1, got 2"
    assert len(told["evals"]) + told["left_out"]["evals"] == 300
    assert len(told["evals"]) > 5


def test_dates_are_iso_and_what_is_not_finite_is_null() -> None:
    rows = [
        result("e", "passed", 1, score=float("inf"), threshold=0.5),
        result("e", "failed", 2, score=float("nan"), threshold=0.5, workflow_version_id="v2"),
    ]
    rows[1]["block_execution_fingerprint"] = "new"
    told = compare(results(rows[0]), results(rows[1])).to_dict()["evals"][0]
    assert (told["score_delta"], told["margin_delta"]) == (None, None)
    broken = of_every_transition().to_dict()["evals"][0]
    since = datetime.fromisoformat(broken["since_at"])
    assert since == of_every_transition().evals["since_at"][0]


def test_the_explanation_begins_with_what_was_compared() -> None:
    comparison = of_every_transition()
    assert comparison.explain().startswith("Compared ")
    assert (comparison.alpha, comparison.margin) == (0.05, 0.05)
    other = held_against(many_evals(30, "PP"), 1, 2, alpha=0.1, margin=0.2)
    assert (other.alpha, other.margin) == (0.1, 0.2)
    assert "90 % interval" in other.explain()
    assert "a fall of 20 points or more" in other.explain()


def diff_of(
    expected: str | None, before: str | None, after: str | None, kind: str | None = None
) -> list[Any]:
    values = {"expected_value": expected, "eval_name": "e", "condition_kind": kind}
    return (
        compare(
            results(result("e", "passed", 1, **values, actual_value=before)),
            results(result("e", "failed", 2, **values, actual_value=after)),
        )
        .diff("e")
        .select("path", "expected", "baseline", "candidate")
        .rows()
    )


def test_where_the_values_of_an_eval_differ() -> None:
    assert diff_of("1.10", "1.10", "1.1") == []
    assert diff_of("1.10", "1.10", "1.2") == [("$.total", "1.10", "1.10", "1.2")]
    whole = ('{"a":1,"b":2}', '{"a":1,"b":2}', '{"a":1,"b":3}')
    assert diff_of(*whole) == [("$.total", *whole), ("$.total.b", "2", "2", "3")]
    assert diff_of(None, None, None) == []


@pytest.mark.parametrize(
    ("kind", "told"), [("equals", "2"), ("similarity_gte", "2"), (None, "2"), ("contains", None)]
)
def test_what_is_expected_is_told_inside_where_the_whole_value_is(
    kind: str | None, told: str | None
) -> None:
    [_, (path, expected, *_)] = diff_of("[1,2]", "[1,2]", "[1]", kind)
    assert (path, expected) == ("$.total[1]", told)


def test_a_diff_of_an_eval_that_was_not_compared() -> None:
    for ask in (suite("PP", "PP").diff, suite("PP", "PP").values):
        with pytest.raises(ConfigError, match="no eval 'name of e000'; did you mean 'name of e00"):
            ask("name of e000")
    with pytest.raises(ConfigError, match="there are none"):
        compare(results(), results()).diff("e")


@pytest.mark.parametrize("eval_id", sorted(TRANSITION_OF))
def test_every_eval_has_a_diff(eval_id: str) -> None:
    assert isinstance(of_every_transition().diff(eval_id), pl.DataFrame)


@pytest.mark.parametrize(
    ("letters", "is_edited", "low", "high", "told"),
    [
        ("PPPPF", False, 0.0, 0.2, "failed 1 of its last 5 runs; more likely luck"),
        ("P" * 8 + "F", False, 0.2, 0.5, "0 of 1; before, 8 of 8"),
        ("PPPPF", True, 0.5, 0.8, "0 of 1; before, 4 of 4"),
        ("P" * 13 + "F", True, 0.8, 0.95, "broke, with some doubt"),
        ("PFFFFF", False, 0.2, 0.8, "failed its last 5 runs; passed 1 of 1 before"),
    ],
)
def test_a_doubt_is_said_in_words_or_counts_and_the_frame_has_the_number(
    letters: str, is_edited: bool, low: float, high: float, told: str
) -> None:
    codes = letters.replace("P", "A").replace("F", "B") if is_edited else None
    rows = [*many_evals(6, "P" * len(letters)), *history("a", letters, codes)]
    made = held_against_own_past(rows, len(letters))
    (row,) = made.evals.filter(eval_id="a").rows(named=True)
    assert low < row["p_regressed"] < high
    assert row["n_failed_in_a_row"] == letters.count("F")
    shown = made.to_html() + made.explain()
    assert told in f"{shown} {row['reason']}"
    assert not re.search("probab|perhaps", shown)
    assert ("with some doubt" in made.explain()) == (row["transition"] == "regressed")


STEADY, SUNK = [0.99] * 6, [0.92] * 5
SINKING = [*STEADY, *SUNK]
NEAR: dict[str, tuple[list[float], bool, dict[str, Any]]] = {
    "sank": (SINKING, True, {}),
    "of a split": (SINKING, True, {"condition_kind": "split_iou_gte"}),
    "to a third": ([*STEADY, *[0.93] * 5], True, {}),
    "not to a third": ([*STEADY, *[0.931] * 5], False, {}),
    "last": ([*STEADY, 0.99, 0.99, *[0.91] * 3], True, {}),  # the median of five
    "for two rows": ([*STEADY, 0.99, 0.99, 0.99, 0.91, 0.91], False, {}),
    "rose": ([*[0.92] * 6, *[0.99] * 5], False, {}),
    "was always near": ([*[0.92] * 6, *[0.915] * 5], False, {}),
    "little": ([*[0.905] * 6, *[0.9] * 5], False, {}),
    "comes and goes": ([0.98, 0.92, 0.98, 0.92, 0.95, 0.95, *[0.91] * 5], False, {}),
    "too short": (SUNK, False, {}),
    "no limit": (SINKING, False, {"threshold": None}),
    "another kind": (SINKING, False, {"condition_kind": "other_gte"}),
    "another limit before": (SINKING, False, {"limits": [0.8] * 6 + [0.9] * 5}),
}


def test_evals_that_pass_near_their_limit_are_named_and_count_nowhere() -> None:
    rows = []
    for name, (scores, _, more) in NEAR.items():
        more = {**more}
        limits = more.pop("limits", [0.9] * 11)
        said = {"condition_kind": "similarity_gte", "expected_value": '"a"'}
        its = history(name, "P" * 11, **(said | more))[-len(scores) :]
        for row, score, limit in zip(its, scores, limits[-len(scores) :], strict=True):
            row["score"] = score
            row.setdefault("threshold", limit)
        rows += its
    broken = history("broke", "P" * 10 + "F", condition_kind="similarity_gte", threshold=0.9)
    for row, score in zip(broken, [*SINKING[:-1], 0.7], strict=True):
        row["score"] = score
    made = held_against_own_past([*rows, *broken], 11)
    near = [name for name, (_, is_near, _) in NEAR.items() if is_near]
    assert sorted(made.near["eval_id"]) == sorted(near)
    assert made.near.schema == made.evals.schema
    told = "4 pass, but near their limit: "
    for shown in (made.to_markdown(), made.to_html(), repr(made)):
        assert told in " ".join(shown.split())
    counted = made.to_dict()["counts"]
    calm = held_against_own_past([row | {"score": None} for row in (*rows, *broken)], 11)
    assert (calm.to_dict()["counts"], calm.gate()) == (counted, made.gate())
    assert calm.near.is_empty()
    assert "near" not in calm.to_markdown()
