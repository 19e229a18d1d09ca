"""Evals that fail now and then, told from those that broke and from what has passed by."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from comparison.cases import Rows, history, many_evals
from statsmodels.stats.proportion import proportion_confint
from support.frames import START, results
from support.inside import NEEDED, blame, mark_results

from retab_analysis import ConfigError, SchemaError, flaky_evals

SCHEMA = pl.Schema(
    {
        "eval_name": pl.String(),
        "eval_id": pl.String(),
        "block_id": pl.String(),
        "code": pl.String(),
        "workflow_version_id": pl.String(),
        "outcomes": pl.Int64(),
        "failures": pl.Int64(),
        "rate": pl.Float64(),
        "rate_low": pl.Float64(),
        "rate_high": pl.Float64(),
        "kind": pl.String(),
        "first_created_at": pl.Datetime("us", "UTC"),
        "last_created_at": pl.Datetime("us", "UTC"),
        "last_failed_at": pl.Datetime("us", "UTC"),
    }
)
SHAKY = "PPFPPPFPPFPPPPFPPFPP"


def found(*parts: Rows) -> list[dict[str, Any]]:
    frame = flaky_evals(results(*(row for part in parts for row in part)))
    assert frame.schema == SCHEMA
    return frame.to_dicts()


def test_one_row_tells_how_often_it_fails_on_a_code() -> None:
    (row,) = found(history("shaky", SHAKY), many_evals(4, "P" * 20))
    assert (row["eval_id"], row["kind"], row["code"]) == ("shaky", "flaky", "A")
    assert (row["outcomes"], row["failures"], row["rate"]) == (20, 5, 0.25)
    low, high = proportion_confint(5, 20, method="wilson")
    assert (row["rate_low"], row["rate_high"]) == (pytest.approx(low), pytest.approx(high))
    assert row["first_created_at"] == START + timedelta(days=1)
    assert row["last_created_at"] == START + timedelta(days=20)
    assert row["last_failed_at"] == START + timedelta(days=18)


@pytest.mark.parametrize(
    "outcomes",
    [
        "P" * 20,
        "F" * 20,  # never passed
        "P" * 10 + "F" * 10,  # it broke by itself
        "PEPEPEPEPEPEPEPEPEPE",  # an error is no outcome
        "PCPCPCUUPCPCPCPUPCPP",
    ],
)
def test_who_does_not_pass_and_fail_by_turns_is_not_flaky(outcomes: str) -> None:
    assert found(history("e", outcomes), many_evals(4, "P" * 20)) == []


@pytest.mark.parametrize(
    ("outcomes", "codes"),
    [
        ("P" * 20 + "F", "A" * 21),  # nobody knows yet
        ("P" * 20 + "F", "A" * 20 + "B"),
        ("P" + "F" * 20, "A" * 21),
        ("PPFFFF", "A" * 6),
        ("PF", "AA"),
    ],
)
def test_what_has_not_passed_again_is_not_flaky(outcomes: str, codes: str) -> None:
    assert found(history("e", outcomes, codes), many_evals(79, "P" * len(codes), codes)) == []


def test_a_code_on_which_it_never_passed_is_not_told_of() -> None:
    codes = "A" * 20 + "BC"
    (row,) = found(history("e", SHAKY + "FP", codes), many_evals(60, "P" * 22, codes))
    assert (row["code"], row["outcomes"], row["failures"]) == ("A", 20, 5)


@pytest.mark.parametrize(
    ("outcomes", "codes"),
    [
        ("P" * 19 + "FPF", "A" * 21 + "B"),  # suspect
        ("PPPPPFFP", "AAAAABBC"),
        ("PPPPPFFP", "AAAAABBA"),
        ("FFFFPPPPF", "AAAABBBBA"),
        ("FFFFFFFFP", "AAAAAAAAA"),
        ("FP", "AA"),
        ("PFPFPFPF", "ABABABAB"),
    ],
)
def test_who_changes_once_on_a_code_is_not_flaky(outcomes: str, codes: str) -> None:
    assert found(history("e", outcomes, codes), many_evals(9, "P" * len(codes), codes)) == []


@pytest.mark.parametrize("codes", ["A" * 10 + "B" * 10, None])
def test_a_break_is_not_flakiness_whoever_made_it(codes: str | None) -> None:
    rows = history("broken", "P" * 10 + "FFFPFFFFFF", codes)
    assert found(rows, many_evals(4, "P" * 20, codes)) == []


def test_an_incident_that_ended_is_an_episode() -> None:
    (row,) = found(history("e", "PPPPPPFFFFF" + "P" * 15), many_evals(4, "P" * 26))
    assert (row["kind"], row["failures"], row["outcomes"]) == ("episode", 5, 26)
    assert row["last_failed_at"] == START + timedelta(days=11)
    mended = found(
        history("e", "PPPPPPFFFFF" + "P" * 15, "A" * 6 + "B" * 5 + "C" * 15),
        many_evals(4, "P" * 26, "A" * 6 + "B" * 5 + "C" * 15),
    )
    # Only on the code on which it failed.
    assert [(row["kind"], row["code"], row["outcomes"]) for row in mended] == [("episode", "B", 5)]


def test_a_beginning_that_failed_and_was_mended_is_a_step() -> None:
    assert found(history("e", "FFFFPPPPPP", "AAAABBBBBB"), many_evals(4, "P" * 10)) == []


def test_codes_are_never_pooled_and_the_newest_comes_first() -> None:
    codes = "A" * 20 + "B" * 20
    rows = found(history("shaky", SHAKY * 2, codes), many_evals(4, "P" * 40, codes))
    assert [(row["code"], row["outcomes"], row["failures"]) for row in rows] == [
        ("B", 20, 5),
        ("A", 20, 5),
    ]
    assert [row["workflow_version_id"] for row in rows] == ["vB", "vA"]


def test_where_the_block_is_not_known_the_version_names_the_code() -> None:
    blind = {"block_execution_fingerprint": None}
    rows = found(history("shaky", SHAKY * 2, "A" * 20 + "B" * 20, **blind))
    assert [row["code"] for row in rows] == ["version vB", "version vA"]
    nothing = found(history("shaky", SHAKY, **blind, workflow_version_id=None))
    assert [(row["code"], row["outcomes"]) for row in nothing] == [(None, 20)]


def test_an_eval_that_was_edited_starts_anew() -> None:
    rows = [
        *history("e", "PFPFPFPFPF"),
        *history("e", "." * 10 + "P" * 10, expected_value="9"),
    ]
    assert found(rows, many_evals(4, "P" * 20)) == []
    rows = [
        *history("e", "F" * 10),
        *history("e", "." * 10 + SHAKY, expected_value="9"),
    ]
    (row,) = found(rows, many_evals(4, "P" * 30))
    assert (row["outcomes"], row["failures"]) == (20, 5)


def test_several_results_of_one_run_are_several_outcomes() -> None:
    rows = [
        row | {"run_id": f"run_{(at // 2) + 1}", "run_created_at": START + timedelta(days=at // 2)}
        for at, row in enumerate(history("shaky", SHAKY))
    ]
    (row,) = found(rows)
    assert (row["outcomes"], row["failures"]) == (20, 5)


FRAME = results(*history("shaky", SHAKY), *many_evals(4, "P" * 20))


def test_the_order_of_rows_columns_of_ones_own_and_doubles_do_not_matter() -> None:
    plain = flaky_evals(FRAME)
    shuffled = FRAME.sample(fraction=1, shuffle=True, seed=3)
    for other in (
        shuffled,
        pl.concat([shuffled, FRAME.tail(30)]),
        FRAME.with_columns(mine=pl.lit(1), kind=pl.lit("x"), code=pl.lit("y")),
    ):
        assert flaky_evals(other).equals(plain)


def test_a_lazy_frame_gives_a_lazy_frame() -> None:
    lazy = flaky_evals(FRAME.lazy())
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(flaky_evals(FRAME))


def test_of_nothing_nothing_is_flaky() -> None:
    assert flaky_evals(results()).schema == SCHEMA
    assert flaky_evals(results()).is_empty()


def test_outcomes_of_flaky_evals_are_marked_and_nothing_else_changes() -> None:
    rows = [*history("shaky", SHAKY), *history("odd", "PPECUP"), *many_evals(2, "P" * 20)]
    rows += history("shaky", "." * 20 + "EC")
    frame = results(*rows).with_columns(mine=pl.int_range(pl.len()))
    marked = mark_results(frame.lazy().select(*NEEDED, "mine")).collect()
    assert marked.drop("flaky", "broke").equals(frame.select(*NEEDED, "mine"))
    is_flaky = (pl.col("eval_id") == "shaky") & pl.col("state").is_in(("passed", "failed"))
    assert marked["flaky"].to_list() == frame.select(is_flaky).to_series().to_list()
    assert not marked["broke"].any()


def test_the_results_of_the_run_that_broke_an_eval_are_marked() -> None:
    frame = results(*many_evals(2, "P" * 20), *history("late", "P" * 12 + "F" * 8))
    marked = mark_results(frame.lazy().select(NEEDED)).collect()
    (since,) = blame(frame)["since_run_id"]
    assert marked.filter("broke").select("eval_id", "run_id").rows() == [("late", since)]


def test_what_is_not_a_results_frame_is_refused() -> None:
    with pytest.raises(ConfigError, match="RESULTS frame"):
        flaky_evals(None)  # type: ignore[type-var]
    with pytest.raises(SchemaError, match="eval_id"):
        flaky_evals(FRAME.drop("eval_id"))
