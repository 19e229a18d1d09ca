"""What must not matter: the order of rows, the names of things, what is given twice or too late."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from comparison.cases import (
    RUNS,
    Rows,
    every_transition,
    held_against,
    history,
    many_evals,
    numbers,
    runs,
    the_only,
)
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from support.examples import examples
from support.frames import results
from support.inside import (
    COMPARISON,
    Comparison,
    Sides,
    check_results,
    compare,
    compare_sides,
)

ROWS = [
    *every_transition(),
    *history("twice", "PFPFPPPPPPPPPPPPPPPPF", "A" * RUNS + "B", document_ids=["shared"]),
    *history("again", "PPPPPPPPPPPPPPPPPPPPF", "A" * RUNS + "B", document_ids=["shared"]),
]
FRAMES = runs(ROWS, RUNS), runs(ROWS, RUNS + 1), results(*ROWS)


def against_own_past(candidate: pl.DataFrame, history: pl.DataFrame) -> Comparison:
    frames = [check_results(each, "x").collect() for each in (candidate, history)]
    return compare_sides(Sides.of(frames[0], history=frames[1]), 0.05, 0.05)


def both_ways(
    baseline: pl.DataFrame, candidate: pl.DataFrame, history: pl.DataFrame
) -> list[Comparison]:
    return [
        compare(baseline, candidate, history=history),
        against_own_past(candidate, history),
    ]


PLAIN = both_ways(*FRAMES)


def same(one: Comparison, other: Comparison) -> None:
    """Everything that is concluded and said is the same, up to rounding."""
    assert_frame_equal(one.evals, other.evals)
    assert_frame_equal(one.summary, other.summary)
    assert (one.verdict, one.headline) == (other.verdict, other.headline)
    assert one.gate() == other.gate()


def all_the_same(ones: list[Comparison], others: list[Comparison]) -> None:
    for one, other in zip(ones, others, strict=True):
        same(one, other)


def test_the_documents_are_those_of_the_newest_result_whatever_the_order() -> None:
    rows = [*history("a", "PF"), *history("b", "PF"), *history("c", "PP")]
    again = [
        row | {"run_id": f"run_{at}", "result_id": f"{row['eval_id']}/{at}", "document_ids": [name]}
        for at, name in ((3, "old"), (4, "shared"))
        for row in rows[1:4:2]
    ]
    moved = [row | {"run_created_at": row["run_created_at"] + timedelta(days=1)} for row in again]
    now = [*(row for row in rows if row["run_id"] == "run_2"), *moved]
    for candidate in (now, now[::-1]):
        made = compare(runs(rows, 1), results(*candidate))
        assert numbers(made)["n_documents"] == 2


def test_frames_in_pieces_are_one() -> None:
    pieces = [pl.concat([each[:3], each[3:]], rechunk=False) for each in FRAMES]
    all_the_same(both_ways(*pieces), PLAIN)


IDS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "run_id": lambda column: "x" + column.str.slice(4).str.zfill(5),
    "result_id": lambda column: column + " of another name",
    "eval_id": lambda column: "z " + column,
    "block_id": lambda column: "block of " + column,
    "workflow_version_id": lambda column: column.str.to_lowercase() + "!",
    "workflow_id": lambda column: "other " + column,
    "handle_inputs_fingerprint": lambda column: "fingerprint " + column,
    "block_execution_fingerprint": lambda column: "code " + column,
}


@pytest.mark.parametrize("name", IDS)
def test_what_things_are_called_does_not_matter(name: str) -> None:
    renamed = [frame.with_columns(IDS[name](pl.col(name)).alias(name)) for frame in FRAMES]
    for one, other in zip(both_ways(*renamed), PLAIN, strict=True):
        unnamed = pl.exclude(
            *("eval_id", "block_id", "reason"),
            *(each for each in COMPARISON.schema if each.endswith(("_run_id", "_result_id"))),
            "since_version_id",
        )
        assert_frame_equal(one.evals.select(unnamed), other.evals.select(unnamed))
        assert_frame_equal(one.summary, other.summary)
        assert one.verdict == other.verdict


def test_of_a_result_that_is_given_twice_the_later_row_counts() -> None:
    old = results(*history("e", "FF"))
    new = results(*history("e", "PF"))
    twice = compare(pl.concat([old, new]).filter(run_id="run_1"), new.filter(run_id="run_2"))
    assert the_only(twice)["baseline_state"] == "passed"


def test_the_compared_runs_in_the_history_count_once() -> None:
    without = FRAMES[2].filter(~pl.col("run_id").is_in([f"run_{RUNS}", f"run_{RUNS + 1}"]))
    same(compare(*FRAMES[:2], history=without), PLAIN[0])


def test_where_runs_are_not_known_results_are_recognised_by_their_id() -> None:
    nameless = [
        frame.with_columns(
            run_id=pl.when(pl.col("run_id") != f"run_{RUNS}").then("run_id"),
        )
        for frame in FRAMES
    ]
    whole = compare(nameless[0], nameless[1], history=nameless[2])
    before = nameless[2].filter(pl.col("run_created_at") < FRAMES[1]["run_created_at"].min())
    same(whole, compare(nameless[0], nameless[1], history=before))


def test_columns_of_ones_own_do_not_matter() -> None:
    own = {"code": pl.lit("x"), "draft": pl.lit("y"), "is_own": pl.lit(value=False)}
    baseline, candidate, history = (each.with_columns(**own) for each in FRAMES)
    made = compare(baseline, candidate, history=history)
    assert_frame_equal(made.evals, PLAIN[0].evals)


def test_history_that_is_later_than_the_candidate_is_ignored() -> None:
    late = [
        row
        | {
            "run_id": f"late {row['run_id']}",
            "result_id": f"late {row['result_id']}",
            "state": "failed",
            "run_created_at": row["run_created_at"] + timedelta(days=RUNS + 1),
        }
        for row in ROWS
    ]
    more = pl.concat([FRAMES[2], results(*late)])
    same(compare(FRAMES[0], FRAMES[1], history=more), PLAIN[0])


def test_a_baseline_is_earlier_whatever_its_dates_say() -> None:
    rows = many_evals(4, "P" * 8 + "F" + "P", "A" * 8 + "BA")
    later = held_against(rows, 10, 9)
    assert later.evals["transition"].unique().to_list() == ["regressed"]
    assert later.evals["since_run_id"].unique().to_list() == ["run_9"]
    back = held_against(rows, 9, 10)
    assert back.evals["transition"].unique().to_list() == ["fixed"]


def test_the_same_on_both_sides_has_not_changed() -> None:
    for run in (RUNS, RUNS + 1):
        frame = runs(ROWS, run)
        for past in (None, FRAMES[2]):
            itself = compare(frame, frame, history=past)
            row = numbers(itself)
            assert (row["removed"], row["not_comparable"]) == (0, 0)
            # What was only ever cancelled has no earlier outcome.
            added = itself.evals.filter(transition="added")
            assert added["candidate_state"].is_in(("cancelled", "unscored")).all()
            assert row["baseline_pass_rate"] == row["candidate_pass_rate"]
            assert (row["delta"], row["p_value"]) == (0.0, 1.0)
            assert itself.verdict in ("no_change", "inconclusive")
            assert row["regressed"] + row["newly_blocked"] + row["fixed"] + row["suspect"] == 0
            decided = itself.evals.filter(pl.col("candidate_n") > 0)
            assert decided["baseline_state"].to_list() == decided["candidate_state"].to_list()


UNKNOWN = (
    *("run_id", "result_id", "workflow_version_id", "run_created_at", "created_at", "block_id"),
    *("eval_name", "handle_inputs_fingerprint", "block_execution_fingerprint", "expected_value"),
    *("condition_kind", "document_ids", "document_names", "workflow_id"),
)


@pytest.mark.parametrize("names", [*[(name,) for name in UNKNOWN], UNKNOWN], ids=str)
def test_columns_of_which_nothing_is_known(names: tuple[str, ...]) -> None:
    rows = [row | dict.fromkeys(names) for row in many_evals(5, "PPPPPPF", "AAAAAAB")]
    made = compare(results(*rows[:0]), results(*rows[:0]))
    assert made.evals.is_empty()
    sides = [
        results(*(row for at, row in enumerate(rows) if at % 7 in places))
        for places in (range(6), (6,))
    ]
    for comparison in (compare(*sides), against_own_past(sides[1], sides[0])):
        evals = comparison.evals
        assert evals.height == 5
        assert evals["candidate_n"].to_list() == [1] * 5
        assert set(evals["transition"]) <= {"regressed", "suspect"}
        assert comparison.explain()
        assert "None" not in comparison.explain()
        comparison.to_html()
        comparison.to_dict()


def test_null_columns_of_no_dtype_are_taken() -> None:
    rows = [row | {"score": None} for row in many_evals(3, "PF", "AB")]
    frame = results(*rows).with_columns(score=pl.lit(None), threshold=pl.lit(None))
    assert frame.schema["score"] == pl.Null
    made = compare(frame.filter(run_id="run_1"), frame.filter(run_id="run_2"))
    assert made.evals["score_delta"].null_count() == 3


LETTERS = st.text("PFBECU.", min_size=6, max_size=6)


@given(
    st.lists(LETTERS, min_size=1, max_size=6),
    st.text("AB", min_size=6, max_size=6),
    st.randoms(use_true_random=False),
)
@examples(40)
def test_nothing_of_it_matters_whatever_happened(
    letters: list[str], codes: str, draw: random.Random
) -> None:
    rows: Rows = [
        row
        for at, outcomes in enumerate(letters)
        for row in history(f"e{at}", outcomes, codes, block_id=f"block_{at % 2}")
    ]
    mixed = [*rows, *draw.sample(rows, len(rows) // 2)]
    draw.shuffle(mixed)
    plain = held_against(rows, 5, 6)
    same(held_against(mixed, 5, 6), plain)
    evals: Any = plain.evals
    assert evals["eval_id"].is_unique().all()
    p = evals["p_regressed"].drop_nulls()
    assert p.is_between(0, 1).all()
    known = (evals["baseline_n"] > 0) & (evals["candidate_n"] > 0)
    assert (
        evals.filter(known & (evals["transition"] != "not_comparable"))["p_regressed"].null_count()
        == 0
    )
