"""Outcomes of other checks as RESULTS frames."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from support.inside import RESULTS

import retab_analysis as ra

STATES = ["passed", "failed", "blocked", "error", "cancelled", "unscored"]


def nights(outcomes: dict[str, str]) -> pl.DataFrame:
    """A letter for each night: P or F; the commit changes with the last night."""
    last = len(next(iter(outcomes.values())))
    return pl.DataFrame(
        [
            {"test": test, "ok": letter == "P", "sha": "new" if night == last else "old"}
            | {"day": date(2026, 10, night), "suite": "totals"}
            for test, letters in outcomes.items()
            for night, letter in enumerate(letters, 1)
        ]
    )


def as_results(frame: object) -> pl.DataFrame:
    return ra.outcomes(frame, eval="test", passed="ok", run="day", at="day", version="sha")


def test_the_columns_are_those_of_results_then_ones_own() -> None:
    found = as_results(nights({"a": "PF"}))
    assert found.schema == pl.Schema(
        {**RESULTS.schema, "test": pl.String, "ok": pl.Boolean, "sha": pl.String}
        | {"day": pl.Date, "suite": pl.String}
    )
    assert (
        found.row(1, named=True).items()
        >= {
            **dict.fromkeys(("eval_id", "eval_name"), "a"),
            **dict.fromkeys(("state", "verdict"), "failed"),
            "status": "completed",
            "run_id": "2026-10-02",
            "workflow_version_id": "new",
            "run_created_at": datetime(2026, 10, 2, tzinfo=UTC),
            "result_id": "2026-10-02/a/1",
        }.items()
    )


def test_a_break_and_what_comes_and_goes_are_found() -> None:
    frame = nights({"broken": "P" * 20 + "F", "shaky": "PFPPFPFPPPFPPFPPFPPFP", "fine": "P" * 21})
    found = as_results(frame)
    verdict = ra.compare_versions(found, "old", "new")
    assert verdict.evals.select("eval_name", "transition").rows()[:1] == [("broken", "regressed")]
    assert ra.flaky_evals(found)["eval_name"].to_list() == ["shaky"]
    assert ra.blame(found).select("eval_name", "cause", "since_run_id").rows() == [
        ("broken", "edit", "2026-10-21")
    ]


def test_what_bears_the_name_of_a_column_of_ours_is_taken_as_it() -> None:
    frame = nights({"a": "PF"}).with_columns(
        duration_ms=pl.lit(7.0), failure_message=pl.lit("6 != 7"), state=pl.lit("mine")
    )
    found = as_results(frame)
    assert found["duration_ms"].to_list() == [7, 7]
    assert found["failure_message"].to_list() == ["6 != 7"] * 2
    assert found["state"].to_list() == ["passed", "failed"]
    with pytest.raises(ra.SchemaError, match="column duration_ms is String, expected Int64"):
        as_results(frame.with_columns(duration_ms=pl.lit("7 ms")))


def test_words_expressions_and_single_values() -> None:
    frame = pl.DataFrame({"name": STATES, "n": range(6)})
    found = ra.outcomes(
        frame,
        eval=pl.col("name") + "!",
        passed="name",
        version=pl.lit("v7"),
        run=pl.lit(1),
        document="name",
    )
    assert found["state"].to_list() == STATES
    assert found["status"].to_list() == [*["completed"] * 3, "error", "cancelled", "completed"]
    assert found["verdict"].to_list() == [*STATES[:3], None, None, None]
    assert found["run_id"].unique().to_list() == ["1"]
    assert found["workflow_version_id"].unique().to_list() == ["v7"]
    assert found["document_names"].to_list() == [[each] for each in STATES]


def test_without_a_run_the_frame_is_one_and_two_frames_are_two() -> None:
    frame = pl.DataFrame({"test": ["a", "b", "a"], "ok": [True, None, False]})
    before, now = (ra.outcomes(frame, eval="test", passed="ok") for _ in range(2))
    assert now["state"].to_list() == ["passed", "unscored", "failed"]
    assert before["run_id"].n_unique() == now["run_id"].n_unique() == 1
    assert before["run_created_at"][0] < now["run_created_at"][0]
    assert pl.concat([before, now])["result_id"].n_unique() == 6


def test_lazy_frames_other_zones_and_no_rows() -> None:
    frame = nights({"a": "PF"})
    moments = frame.with_columns(pl.col("day").cast(pl.Datetime("us", "Europe/Berlin")))
    found = ra.outcomes(moments.lazy(), eval="test", passed="ok", run="day", at="day")
    assert found["created_at"].dtype == pl.Datetime("us", "UTC")
    assert found["state"].to_list() == ["passed", "failed"]
    nothing = as_results(frame.clear())
    assert nothing.is_empty()
    assert nothing.columns[: len(RESULTS.schema)] == RESULTS.schema.names()
    assert ra.summarize_evals(nothing).is_empty()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"eval": "tset"},
            "eval must be a column of the frame .* got 'tset'; .* are test, ok, sha",
        ),
        ({"eval": None}, "eval must be a column of the frame or a polars expression, got None"),
        ({"eval": pl.col("tset")}, "eval cannot be computed from this frame"),
        ({"eval": pl.lit(None)}, "eval is null in 2 rows"),
        ({"eval": pl.struct("test", "ok")}, "eval must hold single values, got Struct"),
        ({"passed": "day"}, "passed must hold booleans or states, got Date: say from where on"),
        ({"passed": "test"}, "passed holds 'a'; the states are passed, failed, blocked, error"),
        (
            {"at": "test"},
            "at must hold dates, or times with a time zone, got String: .*to_datetime",
        ),
        ({"at": pl.col("day").cast(pl.Datetime)}, "got Datetime.*names the zone of times"),
        ({"run": "day"}, "several runs need at="),
    ],
)
def test_what_cannot_be_used_is_said(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ra.ConfigError, match=said):
        ra.outcomes(nights({"a": "PF"}), **{"eval": "test", "passed": "ok"} | given)


@pytest.mark.parametrize("frame", [[{"test": "a"}], pl.Series([1]), None])
def test_what_is_no_frame_is_said(frame: object) -> None:
    with pytest.raises(ra.ConfigError, match="frame must be a frame of outcomes, got"):
        ra.outcomes(frame, eval="test", passed="ok")
