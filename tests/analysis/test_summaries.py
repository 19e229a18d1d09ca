"""Runs summed up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from support.frames import START, run, runs
from support.inside import RUNS, analysis

from retab_analysis import ConfigError

SUMMARY = {
    "workflow_version_id": pl.String,
    **dict.fromkeys(("n_runs", "ok_runs", "rated_runs", "n_outages", "n_left_out"), pl.Int64),
    "total_evals": pl.Int64,
    **dict.fromkeys(("passed", "failed", "blocked", "error", "cancelled"), pl.Int64),
    "rated_evals": pl.Int64,
    **dict.fromkeys(("pass_rate", "pass_rate_low", "pass_rate_high"), pl.Float64),
    **dict.fromkeys(("duration_ms_p50", "duration_ms_p95"), pl.Float64),
    **dict.fromkeys(("queue_ms_p50", "queue_ms_p95"), pl.Float64),
    **dict.fromkeys(("first_created_at", "last_created_at"), RUNS.schema["created_at"]),
}


def test_runs_are_summed_up_by_version() -> None:
    from statsmodels.stats.proportion import proportion_confint

    frame = runs(
        run("r1", 3, workflow_version_id="b", passed=3, failed=1, total_evals=4, ok=False),
        run("r2", 1, workflow_version_id="a", passed=2, blocked=1, error=2, ok=False),
        run("r3", 2, workflow_version_id="a", passed=5, ok=None, duration_ms=3000),
        run("r4", 4, workflow_version_id="a", duration_ms=None, queue_ms=None),
    )
    found = analysis.summarize_runs(frame)
    assert dict(found.schema) == SUMMARY
    assert found["workflow_version_id"].to_list() == ["a", "b"]
    row = found.row(0, named=True)
    assert (row["n_runs"], row["ok_runs"], row["total_evals"]) == (3, 1, 3)
    assert [row[name] for name in ("passed", "failed", "blocked", "error", "cancelled")] == [
        *(8, 0, 1, 2, 0)
    ]
    assert (row["rated_runs"], row["rated_evals"]) == (3, 11)
    assert row["pass_rate"] == pytest.approx(8 / 11)
    interval = row["pass_rate_low"], row["pass_rate_high"]
    assert interval == pytest.approx(proportion_confint(8, 11, method="wilson"))
    assert (row["duration_ms_p50"], row["duration_ms_p95"]) == (2000, 2900)
    assert (row["queue_ms_p50"], row["queue_ms_p95"]) == (100, 100)
    assert row["first_created_at"] == START + timedelta(days=1)
    assert row["last_created_at"] == START + timedelta(days=4)


def test_runs_by_several_columns_and_of_one_scope() -> None:
    frame = runs(run("r1", 2), run("r2", 1, scope="block"), run("r3", 2, trigger_type="api"))
    found = analysis.summarize_runs(frame, ["scope", "trigger_type"])
    assert found.select("scope", "trigger_type", "n_runs").rows() == [
        ("block", None, 1),
        ("workflow", "api", 1),
        ("workflow", None, 1),
    ]
    assert analysis.summarize_runs(frame, scope="block")["n_runs"].to_list() == [1]


def test_runs_by_a_column_of_your_own() -> None:
    frame = runs(run("r1", 1), run("r2", 2), run("r3", 3)).with_columns(
        temperature=pl.Series([0.5, None, 0.5]), nothing=None
    )
    found = analysis.summarize_runs(frame, ["temperature", "workflow_id"])
    assert found.select("temperature", "workflow_id", "n_runs").rows() == [
        (0.5, "wf", 2),
        (None, "wf", 1),
    ]
    assert analysis.summarize_runs(frame, "nothing")["n_runs"].to_list() == [3]


def test_runs_by_time() -> None:
    """START is a Monday, and the newest run is of the next one: weeks end with Mondays."""
    frame = runs(
        run("r1", 0, passed=1, workflow_version_id="a"),
        run("r2", 6, passed=3, failed=1, workflow_version_id="a"),
        run("r3", 6, workflow_version_id="b"),
        run("r4", 7, workflow_version_id="a"),
        run("r5", 1, created_at=None, workflow_version_id="a"),
    )
    weeks = [START - timedelta(days=6), START + timedelta(days=1), None]
    ends = [START + timedelta(days=1), START + timedelta(days=8), None]
    for by in (None, (), []):
        found = analysis.summarize_runs(frame, by, every="1w")
        columns = ["period_start", "period_end", *list(SUMMARY)[1:]]
        columns.insert(columns.index("pass_rate_high") + 1, "pass_rate_change")
        assert found.columns == columns
        assert found["period_start"].to_list() == weeks
        assert found["period_end"].to_list() == ends
        assert found["n_runs"].to_list() == [1, 3, 1]
        assert found["pass_rate"].to_list() == [1.0, pytest.approx(5 / 6), 1.0]
        assert found["pass_rate_change"].to_list() == [None, pytest.approx(-1 / 6), None]
    both = analysis.summarize_runs(frame, every="1w")
    assert both.select("workflow_version_id", "period_start", "n_runs").rows() == [
        ("a", weeks[0], 1),
        ("a", weeks[1], 2),
        ("b", weeks[1], 1),
        ("a", None, 1),
    ]
    assert both.schema["period_start"] == both.schema["period_end"] == RUNS.schema["created_at"]
    lazy = analysis.summarize_runs(frame.lazy(), every="1w")
    assert lazy.collect(engine="streaming").equals(both)


@pytest.mark.parametrize(
    ("every", "starts"),
    [
        ("1d", ["2026-02-27", "2026-03-01", "2026-03-30"]),
        ("12h", ["2026-02-27T12", "2026-03-01", "2026-03-30"]),
        ("1w2d", ["2026-02-23", "2026-03-22"]),
        ("1mo", ["2026-01-31", "2026-02-28"]),
        ("2mo", ["2026-01-31"]),
        ("1q", ["2025-12-31"]),
        ("1y", ["2025-03-31"]),
        ("999y1q", ["1026-12-31"]),
    ],
)
def test_periods_of_all_kinds_end_with_the_day_of_the_newest_run(
    every: str, starts: list[str]
) -> None:
    """Counted back from 31 March: a month before is 28 February, and two are 31 January."""
    moments = [datetime(2026, *each, tzinfo=UTC) for each in ((2, 27, 23), (3, 1), (3, 30, 9))]
    frame = runs(*(run(f"r{at}", 0, created_at=each) for at, each in enumerate(moments)))
    newest = pl.col("run_id") == "r2"
    frame = frame.with_columns(scope=pl.when(newest).then(pl.lit("eval")).otherwise("scope"))
    found = analysis.summarize_runs(frame, None, every=every)
    assert found["period_start"].to_list() == [
        datetime.fromisoformat(each).replace(tzinfo=UTC) for each in starts
    ]
    for row in found.iter_rows(named=True):
        assert row["period_start"] <= row["first_created_at"]
        assert row["last_created_at"] < row["period_end"]
    # The newest run makes the end, also if it is of another scope.
    whole = analysis.summarize_runs(frame, None, every=every, scope="workflow")
    assert {*whole["period_end"]} <= {*found["period_end"]}


@pytest.mark.parametrize(
    "every", ["", "week", "1", "0d", "-1d", "1i", "1ns", "1.5h", "1w ", "9999999w", 7, b"1w"]
)
def test_what_is_not_a_duration_is_refused(every: Any) -> None:
    with pytest.raises(ConfigError, match="every must be a duration such as '1d'"):
        analysis.summarize_runs(RUNS.empty().lazy(), every=every)


def test_units_that_do_not_go_together_are_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"every='1mo2d' is not a period: .*mix"):
        analysis.summarize_runs(RUNS.empty().lazy(), every="1mo2d")
    with pytest.raises(ConfigError, match="every='999999w' is longer than 1,000 years"):
        analysis.summarize_runs(RUNS.empty().lazy(), every="999999w")


def test_the_period_may_not_be_there_already() -> None:
    for name in ("period_start", "period_end"):
        frame = RUNS.empty().with_columns(pl.lit("x").alias(name))
        with pytest.raises(ConfigError, match=f"by='{name}' is also a column of the outcome"):
            analysis.summarize_runs(frame, name, every="1w")
        assert analysis.summarize_runs(frame, name).is_empty()
