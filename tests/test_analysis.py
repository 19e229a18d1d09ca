"""Summaries, states, history, flakiness, failures and blame."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.frames import START, many, result, results, run, runs

from retab_analysis import analysis, stats
from retab_analysis.errors import ConfigError, SchemaError
from retab_analysis.schema import RESULTS, RUNS

CODE, INPUTS = "block_execution_fingerprint", "handle_inputs_fingerprint"
OF_RESULTS: list[Callable[..., Any]] = [
    analysis.latest_results,
    analysis.states,
    analysis.eval_history,
    analysis.flaky_evals,
    analysis.failures,
    analysis.count_failures,
    analysis.blame,
]
ALL = [*OF_RESULTS, analysis.summarize_runs]

SUMMARY = {
    "workflow_version_id": pl.String,
    **dict.fromkeys(("n_runs", "ok_runs", "total_evals"), pl.Int64),
    **dict.fromkeys(("passed", "failed", "blocked", "error", "cancelled"), pl.Int64),
    **dict.fromkeys(("pass_rate", "pass_rate_low", "pass_rate_high"), pl.Float64),
    **dict.fromkeys(("duration_ms_median", "duration_ms_p95", "queue_ms_median"), pl.Float64),
    **dict.fromkeys(("first_created_at", "last_created_at"), RUNS.schema["created_at"]),
}


def empty_of(function: Callable[..., Any]) -> pl.DataFrame:
    return RUNS.empty() if function is analysis.summarize_runs else RESULTS.empty()


def test_runs_are_summed_up_by_version() -> None:
    frame = runs(
        run("r1", 3, workflow_version_id="b", passed=3, failed=1, total_evals=4, ok=False),
        run("r2", 1, workflow_version_id="a", passed=2, blocked=1, error=2, ok=False),
        run("r3", 2, workflow_version_id="a", passed=5, cancelled=1, ok=None, duration_ms=3000),
        run("r4", 4, workflow_version_id="a", duration_ms=None, queue_ms=None),
    )
    found = analysis.summarize_runs(frame)
    assert dict(found.schema) == SUMMARY
    assert found["workflow_version_id"].to_list() == ["a", "b"]
    row = found.row(0, named=True)
    assert (row["n_runs"], row["ok_runs"], row["total_evals"]) == (3, 1, 3)
    assert [row[name] for name in ("passed", "failed", "blocked", "error", "cancelled")] == [
        *(8, 0, 1, 2, 1)
    ]
    assert row["pass_rate"] == pytest.approx(8 / 9)
    interval = row["pass_rate_low"], row["pass_rate_high"]
    assert interval == pytest.approx(stats.wilson_interval(8, 9))
    assert (row["duration_ms_median"], row["duration_ms_p95"]) == (2000, 2900)
    assert row["queue_ms_median"] == 100
    assert row["first_created_at"] == START + timedelta(days=1)
    assert row["last_created_at"] == START + timedelta(days=4)


def test_runs_without_counts_are_counted_but_not_summed() -> None:
    counts = ("passed", "failed", "blocked", "error", "cancelled")
    row = analysis.summarize_runs(runs(run("r", 1, **dict.fromkeys(counts), ok=None))).row(
        0, named=True
    )
    assert (row["n_runs"], row["total_evals"]) == (1, 1)
    assert {row[name] for name in (*counts, "pass_rate", "pass_rate_low")} == {None}


def test_runs_by_several_columns_and_of_one_scope() -> None:
    frame = runs(run("r1", 2), run("r2", 1, scope="block"), run("r3", 2, trigger_type="api"))
    found = analysis.summarize_runs(frame, ["scope", "trigger_type"])
    assert found.select("scope", "trigger_type", "n_runs").rows() == [
        ("block", None, 1),
        ("workflow", "api", 1),
        ("workflow", None, 1),
    ]
    assert analysis.summarize_runs(frame, scope="block")["n_runs"].to_list() == [1]


def test_groups_without_a_date_come_last() -> None:
    frame = runs(run("r1", 1, created_at=None, workflow_version_id="a"), run("r2", 1), run("r3", 1))
    assert analysis.summarize_runs(frame)["workflow_version_id"].to_list() == ["v1", "a"]


def test_the_newest_decided_result_of_each_eval() -> None:
    frame = results(
        *many("e2", "PFU", 1), *many("e1", "FP", 2), *many("e0", "CU", 1), *many("e3", "E", 1)
    )
    found = analysis.latest_results(frame)
    assert found.columns == frame.columns
    assert found.select("eval_id", "state", "run_id").rows() == [
        ("e2", "failed", "run_2"),
        ("e3", "error", "run_1"),
        ("e1", "passed", "run_3"),
    ]


def test_states_side_by_side() -> None:
    frame = results(
        *many("e1", "PPF", 1, workflow_version_id="old"),
        *many("e2", "FB", 2, workflow_version_id="old"),
        *many("e2", "P", 9, workflow_version_id="new"),
        *many("e1", "U", 9, workflow_version_id="new"),
        result("e3", "something new", 10, workflow_version_id="new"),
    )
    found = analysis.states(frame, by="workflow_version_id")
    assert found.schema == pl.Schema(
        {
            "eval_id": pl.String(),
            "group": pl.String(),
            "state": pl.String(),
            "n": pl.Int64(),
            "pass_rate": pl.Float64(),
        }
    )
    assert found.rows() == [
        ("e1", "old", "mixed", 3, pytest.approx(2 / 3)),
        ("e2", "old", "blocked", 2, 0.0),
        ("e1", "new", "unscored", 0, None),
        ("e2", "new", "passed", 1, 1.0),
        ("e3", "new", "unscored", 0, None),
    ]
    assert analysis.states(frame)["group"].n_unique() == 5


def test_the_history_of_an_eval() -> None:
    frame = results(
        *many("e1", "PFFPBEPU", 1),
        *many("e1", "F", 9, expected_value="other"),
        *many("e2", "P", 1, **{CODE: None}),
        *many("e2", "P", 2, **{INPUTS: "other"}),
    )
    found = analysis.eval_history(frame)
    assert found.filter(pl.col("eval_id") == "e1")["change"].to_list() == [
        *(None, "regressed", "still_failing", "fixed", "newly_blocked", "still_failing", "fixed"),
        *("incomplete", "not_comparable"),
    ]
    second = found.filter(pl.col("eval_id") == "e2").row(1, named=True)
    assert (second["change"], second["block_changed"], second["inputs_changed"]) == (
        *("not_comparable", None),
        True,
    )
    assert (second["previous_state"], second["previous_run_id"]) == ("passed", "run_1")
    assert found["eval_id"].to_list() == ["e1"] * 9 + ["e2"] * 2


def test_flaky_is_what_flips_on_identical_code() -> None:
    frame = results(
        *many("flaky", "PFPPFP", 1),
        *many("steady", "PPPPPP", 1),
        *many("errors", "PEPEPE", 1),
        *many("edited", "PPP", 1),
        *many("edited", "FFF", 4, expected_value="9"),
        *many("fixed", "FFF", 1),
        *many("fixed", "PPP", 4, **{CODE: "new"}),
        *many("inputs", "PPP", 1),
        *many("inputs", "FFF", 4, **{INPUTS: "new"}),
        *many("unknown", "PFPF", 1, **{CODE: None, "workflow_version_id": None}),
    )
    found = analysis.flaky_evals(frame)
    assert found.columns[:9] == [
        *("eval_name", "eval_id", "block_id", "runs", "failed", "flips", "rate"),
        *("drift", "drift_run_id"),
    ]
    assert found.select("eval_id", "runs", "failed", "flips", "drift", "drift_run_id").rows() == [
        ("flaky", 6, 2, 4, False, None)
    ]
    assert found["rate"].item() == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("states", "drift", "since"),
    [
        ("PPPPFFFF", True, "run_5"),
        ("FFFFPPPP", True, "run_5"),
        ("PPPPBBBB", True, "run_5"),
        ("PPPFFF", False, None),  # would happen by luck in one of ten such histories
        ("PPPPPPPF", False, None),
        ("PPPPFFFP", False, None),
        ("P" * 39 + "F", True, "run_40"),
    ],
)
def test_a_single_step_is_drift(states: str, drift: bool, since: str | None) -> None:
    row = analysis.flaky_evals(results(*many("e", states))).row(0, named=True)
    assert (row["drift"], row["drift_run_id"]) == (drift, since)


def test_where_the_block_is_not_known_the_version_counts() -> None:
    blind = {CODE: None}
    same = results(*many("e", "PFPF", 1, **blind))
    assert analysis.flaky_evals(same).height == 1
    other = results(
        *many("e", "PP", 1, **blind), *many("e", "FF", 3, workflow_version_id="v2", **blind)
    )
    assert analysis.flaky_evals(other).is_empty()


def test_failures_are_what_did_not_pass() -> None:
    frame = results(*many("e1", "PFBECU", 1), *many("e0", "F", 2))
    found = analysis.failures(frame)
    assert found.select("eval_id", "state", "run_id").rows() == [
        ("e1", "error", "run_4"),
        ("e1", "blocked", "run_3"),
        ("e0", "failed", "run_2"),
        ("e1", "failed", "run_2"),
    ]
    assert set(found.columns) < set(RESULTS.schema)


@pytest.mark.parametrize("by", ["block_id", "condition_kind", "failure_code", "path"])
def test_failures_are_counted_by_one_column(by: str) -> None:
    frame = results(
        result("e1", "failed", 2, **{by: "x"}),
        result("e1", "error", 3, **{by: "x"}),
        result("e2", "blocked", 1, **{by: "y"}),
        result("e3", "passed", 1, **{by: "y"}),
        result("e4", "failed", 4, **{by: None}),
    )
    found = analysis.count_failures(frame, by=by)
    assert found.drop("first_created_at", "last_created_at").rows() == [
        ("y", 1, 0, 1, 0, 1),
        ("x", 2, 1, 0, 1, 1),
        (None, 1, 1, 0, 0, 1),
    ]
    assert found["last_created_at"][1] == START + timedelta(days=3)


def test_failures_are_counted_for_each_document() -> None:
    frame = results(
        result("e1", "failed", 1, document_names=["a", "b"]),
        result("e2", "failed", 1, document_names=["b"]),
        result("e3", "failed", 1, document_names=[]),
        result("e4", "failed", 1, document_names=None),
    )
    found = analysis.count_failures(frame, by=["document_names", "block_id"])
    assert found.select("document_names", "n_failures").rows() == [("a", 1), ("b", 2), (None, 2)]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("PPP", None),
        ("FFP", None),
        ("PPU", None),
        ("PFF", ("run_1", "run_2", 0, 2)),
        ("PFPE", ("run_3", "run_4", 0, 1)),
        ("PUCB", ("run_1", "run_4", 2, 1)),
        ("PFUF", ("run_1", "run_2", 0, 2)),
        ("FF", (None, "run_1", None, 2)),
    ],
)
def test_who_is_to_blame(states: str, expected: tuple[Any, ...] | None) -> None:
    found = analysis.blame(results(*many("e", states)))
    columns = ["last_good_run_id", "first_bad_run_id", "runs_between", "streak"]
    assert found.select(columns).rows() == ([] if expected is None else [expected])


def test_blame_counts_the_runs_that_say_nothing_and_names_versions() -> None:
    frame = results(
        *many("e", "P", 1, workflow_version_id="old"),
        *many("other", "PPPP", 1),
        *many("e", "F", 4, workflow_version_id="new", **{CODE: "new"}),
    )
    row = analysis.blame(frame).row(0, named=True)
    assert row == {
        "eval_name": "name of e",
        "eval_id": "e",
        "last_good_run_id": "run_1",
        "last_good_version": "old",
        "first_bad_run_id": "run_4",
        "first_bad_version": "new",
        "runs_between": 2,
        "streak": 1,
        "block_changed": True,
    }


ROWS = st.lists(
    st.builds(
        lambda number, at, state, code, version: result(
            f"e{number}", state, at, workflow_version_id=version, **{CODE: code}
        ),
        st.integers(0, 3),
        st.integers(1, 6),
        st.sampled_from(["passed", "failed", "blocked", "error", "cancelled", "unscored"]),
        st.sampled_from(["code", "new", None]),
        st.sampled_from(["v1", "v2", None]),
    ),
    max_size=15,
    unique_by=lambda row: row["result_id"],
)


@settings(deadline=None, max_examples=40)
@given(ROWS, st.randoms(use_true_random=False))
def test_neither_the_order_nor_the_engine_matters(rows: list[Any], random: Any) -> None:
    frame = results(*rows)
    random.shuffle(rows)
    shuffled = results(*rows)
    for function in OF_RESULTS:
        first = function(frame)
        assert first.equals(function(shuffled)), function.__name__
        assert first.equals(function(frame.lazy()).collect(engine="streaming")), function.__name__


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_against_plain_python(rows: list[Any]) -> None:
    frame = results(*rows)
    decided = [row for row in rows if row["state"] not in ("cancelled", "unscored")]
    for row in decided:
        row["good"] = row["state"] == "passed"
    per_eval = {
        row["eval_id"]: sorted(
            (each for each in decided if each["eval_id"] == row["eval_id"]),
            key=lambda each: each["run_created_at"],
        )
        for row in decided
    }
    newest = {eval_id: each[-1] for eval_id, each in per_eval.items()}
    latest = analysis.latest_results(frame)
    assert dict(latest.select("eval_id", "result_id").iter_rows()) == {
        eval_id: row["result_id"] for eval_id, row in newest.items()
    }
    streaks = {}
    for eval_id, history in per_eval.items():
        streak = 0
        for row in history:
            streak = 0 if row["good"] else streak + 1
        if streak:
            streaks[eval_id] = streak
    assert dict(analysis.blame(frame).select("eval_id", "streak").iter_rows()) == streaks


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
@settings(deadline=None, max_examples=40)
def test_quantiles_are_linear(durations: list[int]) -> None:
    frame = runs(*(run(f"r{at}", 1, duration_ms=each) for at, each in enumerate(durations)))
    row = analysis.summarize_runs(frame).row(0, named=True)
    assert row["duration_ms_median"] == statistics.median(durations)
    if len(durations) > 1:
        cuts = statistics.quantiles(durations, n=20, method="inclusive")
        assert row["duration_ms_p95"] == pytest.approx(cuts[-1])


@pytest.mark.parametrize("function", ALL)
def test_empty_frames_give_empty_frames_of_the_same_schema(function: Callable[..., Any]) -> None:
    empty = empty_of(function)
    full = runs(run("r", 1)) if function is analysis.summarize_runs else results(*many("e", "PF"))
    found = function(empty)
    assert found.is_empty()
    assert found.schema == function(full).schema


@pytest.mark.parametrize("function", ALL)
def test_lazy_in_lazy_out(function: Callable[..., Any]) -> None:
    lazy = function(empty_of(function).lazy())
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect_schema() == function(empty_of(function)).schema


@pytest.mark.parametrize("function", ALL)
def test_what_is_no_such_frame_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=r"expected a \w+ frame .*, got list"):
        function([1])
    with pytest.raises(SchemaError, match=r"has no column .*; it has other"):
        function(pl.DataFrame({"other": [1]}))
    wrong = empty_of(function).with_columns(pl.col("created_at").cast(pl.String))
    with pytest.raises(SchemaError, match="column created_at is String, expected Datetime"):
        function(wrong)
    empty = empty_of(function).with_columns(created_at=pl.lit(None, pl.Null))
    assert function(empty).is_empty()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: analysis.summarize_runs(RUNS.empty(), "nope"), "by='nope' is no column of RUNS"),
        (lambda: analysis.summarize_runs(RUNS.empty(), []), "by must be a column or several"),
        (lambda: analysis.summarize_runs(RUNS.empty(), 3), "by must be a column or several"),
        (lambda: analysis.summarize_runs(RUNS.empty(), "passed"), "is itself summed up"),
        (lambda: analysis.summarize_runs(RUNS.empty(), ["ok", "pass_rate"]), "by='pass_rate' is"),
        (lambda: analysis.summarize_runs(RUNS.empty(), ["scope"] * 2), "a column twice"),
        (lambda: analysis.summarize_runs(RUNS.empty(), scope="all"), "scope must be one of"),
        (lambda: analysis.states(RESULTS.empty(), "nope"), "there are eval_name, eval_id"),
        (lambda: analysis.states(RESULTS.empty(), ["run_id"]), "one column of text"),
        (lambda: analysis.states(RESULTS.empty(), "score"), "one column of text"),
        (lambda: analysis.count_failures(RESULTS.empty(), "nope"), "no column of RESULTS"),
    ],
)
def test_arguments_that_cannot_be_used(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()


@settings(deadline=None, max_examples=20)
@given(ROWS, st.integers(0, 15))
def test_a_result_that_is_there_twice_counts_once(rows: list[Any], overlap: int) -> None:
    once = results(*rows)
    twice = results(*rows[:overlap], *rows)
    for function in OF_RESULTS:
        assert function(twice).equals(function(once)), function.__name__
        assert function(twice.lazy()).collect().equals(function(once)), function.__name__


def test_a_run_that_is_there_twice_counts_once_as_it_was_last() -> None:
    earlier = run("r1", 1, status="running", passed=1, ok=None)
    later = [run("r1", 1, passed=3), run("r2", 2, passed=5)]
    once = analysis.summarize_runs(runs(*later))
    assert analysis.summarize_runs(runs(earlier, *later)).equals(once)
    assert once.row(0, named=True)["passed"] == 8


def test_what_has_no_id_counts_as_often_as_it_is_there() -> None:
    nameless = [result("e", state, result_id=None) for state in ("passed", "passed", "failed")]
    assert analysis.states(results(*nameless))["n"].to_list() == [3]
    frame = results(*nameless).drop("result_id")
    assert analysis.eval_history(frame)["n"].to_list() == [3]


@pytest.mark.parametrize("function", ALL)
def test_the_frame_of_another_kind_is_refused(function: Callable[..., Any]) -> None:
    other = RESULTS if function is analysis.summarize_runs else RUNS
    with pytest.raises(SchemaError, match=r"^this is not a R\w+ frame"):
        function(other.empty())


def test_a_frame_in_several_pieces_is_as_good_as_one_in_one() -> None:
    """Of the first piece nothing counts for some; polars' own ``format`` panics at what is left."""
    pieces = results(*many("e", "CCU")), results(*many("e", "PF" * 8, 4, **{CODE: None}))
    for function in OF_RESULTS:
        in_pieces = function(pl.concat(pieces, rechunk=False))
        assert in_pieces.equals(function(pl.concat(pieces, rechunk=True))), function.__name__
