"""What every analysis function makes of the frame that it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.frames import many, result, results, run, runs
from support.inside import RESULTS, RUNS, analysis

from retab_analysis import ConfigError, SchemaError

CODE = "block_execution_fingerprint"


OF_RESULTS: list[Callable[..., Any]] = [
    analysis.states,
    analysis.eval_history,
    analysis.failures,
    analysis.summarize_results,
    analysis.summarize_evals,
]


ALL = [*OF_RESULTS, analysis.summarize_runs]


def empty_of(function: Callable[..., Any]) -> pl.DataFrame:
    return RUNS.empty() if function is analysis.summarize_runs else RESULTS.empty()


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


@examples(40)
@given(ROWS, st.randoms(use_true_random=False))
def test_neither_the_order_nor_the_engine_matters(rows: list[Any], random: Any) -> None:
    frame = results(*rows)
    random.shuffle(rows)
    shuffled = results(*rows)
    for function in OF_RESULTS:
        first = function(frame)
        assert first.equals(function(shuffled)), function.__name__
        assert first.equals(function(frame.lazy()).collect(engine="streaming")), function.__name__


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
    read = "duration_ms" if function is analysis.summarize_results else "created_at"
    wrong = empty_of(function).with_columns(pl.lit("x").alias(read))
    with pytest.raises(SchemaError, match=f"column {read} is String, expected "):
        function(wrong)
    empty = empty_of(function).with_columns(created_at=pl.lit(None, pl.Null))
    assert function(empty).is_empty()


NAMED = RESULTS.empty().with_columns(passed=pl.lit(1))
OBJECTS = RESULTS.empty().with_columns(objects=pl.Series(dtype=pl.Object))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: analysis.summarize_runs(RUNS.empty(), "nope"), "by='nope' is not a column of"),
        (lambda: analysis.summarize_runs(RUNS.empty(), []), "by must be a column or several"),
        (lambda: analysis.summarize_runs(RUNS.empty(), 3), "by must be a column or several"),
        (lambda: analysis.summarize_runs(RUNS.empty(), "passed"), "also a column of the outcome"),
        (lambda: analysis.summarize_runs(RUNS.empty(), ["ok", "pass_rate"]), "by='pass_rate' is"),
        (lambda: analysis.summarize_runs(RUNS.empty(), ["scope"] * 2), "a column twice"),
        (lambda: analysis.summarize_runs(RUNS.empty(), scope="all"), "scope must be one of"),
        (lambda: analysis.states(RESULTS.empty(), "nope"), "known are eval_name, eval_id"),
        (lambda: analysis.states(RESULTS.empty(), ["run_id"]), "the name of one column"),
        (lambda: analysis.states(RESULTS.empty(), "document_names"), "a column of single values"),
        (lambda: analysis.states(RESULTS.empty(), "state"), "also a column of the outcome"),
        (lambda: analysis.summarize_results(RESULTS.empty(), "nope"), "by='nope' is not a column"),
        (lambda: analysis.summarize_results(RESULTS.empty(), []), "by must be a column or several"),
        (lambda: analysis.summarize_results(RESULTS.empty(), ["state"] * 2), "a column twice"),
        (lambda: analysis.summarize_results(NAMED, "passed"), "also a column of the outcome"),
        (
            lambda: analysis.summarize_results(RESULTS.empty(), ["state", "document_names"]),
            r"a column of single values, 'document_names' holds List\(String\)",
        ),
        (lambda: analysis.states(OBJECTS, "objects"), "holds Python objects"),
    ],
)
def test_arguments_that_cannot_be_used(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()


@examples(20)
@given(ROWS, st.integers(0, 15))
def test_a_result_that_is_there_twice_counts_once(rows: list[Any], overlap: int) -> None:
    once = results(*rows)
    twice = results(*rows[:overlap], *rows)
    for function in OF_RESULTS:
        assert function(twice).equals(function(once)), function.__name__
        assert function(twice.lazy()).collect().equals(function(once)), function.__name__


def test_what_has_no_id_counts_as_often_as_it_is_there() -> None:
    nameless = [result("e", state, result_id=None) for state in ("passed", "passed", "failed")]
    assert analysis.states(results(*nameless))["n"].to_list() == [3]
    frame = results(*nameless).drop("result_id")
    assert analysis.eval_history(frame)["n"].to_list() == [3]


def test_a_frame_in_several_pieces_is_as_good_as_one_in_one() -> None:
    """Of the first piece nothing counts for some; polars' own ``format`` panics at what is left."""
    pieces = results(*many("e", "CCU")), results(*many("e", "PF" * 8, 4, **{CODE: None}))
    for function in OF_RESULTS:
        in_pieces = function(pl.concat(pieces, rechunk=False))
        assert in_pieces.equals(function(pl.concat(pieces, rechunk=True))), function.__name__


@pytest.mark.parametrize("function", OF_RESULTS)
def test_columns_of_ones_own_change_nothing(function: Callable[..., Any]) -> None:
    frame = results(*many("e", "PFPFPP"), *many("f", "PPPFFF"))
    names = ("eval", "row", "at", "kind", "code", "place", "moment", "side", "scope", "version")
    own = frame.with_columns(pl.lit("mine").alias(name) for name in names)
    plain = function(frame)
    assert function(own).select(plain.columns).equals(plain)
