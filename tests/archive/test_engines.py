"""Tabular functions over exported files: streamed, in memory, and asked in SQL of DuckDB."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support import questions
from support.fakes import STILL
from support.frames import START, result, results, run, runs
from support.hive import ask, open_views, scan, write_hive

import retab_analysis as ra

FLOWS = ("wf_claims", "wf_contracts")
READ = ("result_id", "eval_id", "state", "block_id", "failure_code", "run_id", "duration_ms")


def by_version(frame: Any) -> Any:
    return ra.states(frame, "workflow_version_id")


def by_block_and_code(frame: Any) -> Any:
    return ra.summarize_results(frame, ["block_id", "failure_code"])


QUESTIONS: dict[Callable[[Any], Any], str] = {
    ra.summarize_runs: questions.summarize_runs(),
    ra.states: questions.states(),
    by_version: questions.states("workflow_version_id"),
    ra.summarize_results: questions.summarize_results("block_id"),
    by_block_and_code: questions.summarize_results("block_id", "failure_code"),
    ra.failures: questions.failures(*READ),
    ra.eval_history: questions.eval_history(),
}
TABLES = {ra.summarize_runs: "runs"}  # else results
Exported = tuple[Path, dict[str, pl.DataFrame]]


def hard_runs() -> pl.DataFrame:
    """Runs of every kind: counts that are missing, outages, ties, and none that is dated."""
    draw = random.Random(32)

    def some(*values: Any) -> Any:
        return draw.choice(values)

    def one(at: int) -> dict[str, Any]:
        counts = {
            name: draw.choice([0, 1, 2, 9]) for name in ("passed", "failed", "blocked", "error")
        }
        return run(
            f"run_{at}",
            at // 2,  # two at a time
            **counts | some({}, {}, {some(*counts): None}, {"passed": 0, "error": 9}),
            status=some("completed", "completed", "error", "cancelled", "novel"),
            scope=some("workflow", "workflow", "block", "eval"),
            cancelled=some(0, 0, 2, None),
            total_evals=some(9, None),
            ok=some(True, False, None),
            duration_ms=some(at, 1000 - at, None),
            queue_ms=some(at, None),
            workflow_version_id=some("v1", "v2", "v3", None),
            workflow_id=some(*FLOWS),
            **some({}, {}, {}, {"created_at": None}),
        )

    # Versions of which no whole run completed, and of which there are only parts.
    broken_off = [run(f"o{at}", at, workflow_version_id="v4", status="error") for at in range(3)]
    whole = [{"scope": "block"}, {"scope": "block", "failed": 2}]
    parts = [each | {"status": "cancelled", "passed": 3} for each in whole]
    names = ("passed", "failed", "blocked", "error", "cancelled", "total_evals")
    nothing = {"workflow_version_id": "v9", **dict.fromkeys(names)}
    told = [{"workflow_version_id": "v4"} | each for each in whole]
    told += [{"workflow_version_id": "v5"} | each for each in whole + parts]
    beside = [run(f"p{at}", at, **each) for at, each in enumerate([*told, nothing])]
    return runs(*map(one, range(150)), *broken_off, *beside)


def hard_results() -> pl.DataFrame:
    """Results in every state and one of no known state, renamed, of edited evals, undated."""
    draw = random.Random(32)

    def some(*values: Any) -> Any:
        return draw.choice(values)

    def one(at: int, flow: str, number: int) -> dict[str, Any]:
        eval_id, state = f"{flow}_{number}", some(*("passed", "failed", "blocked", "error") * 3)
        moment = START + timedelta(days=2 * (at // 2))  # two runs at a time
        told: dict[str, Any] = {
            "eval_name": some(f"name of {eval_id}", f"{eval_id}, renamed", None),
            "block_id": some("extract", "classify", None),
            "failure_code": some("type_error", None),
            "duration_ms": some(at, None),
            "score": some(0.1 * at, None),
            "run_created_at": some(moment, moment, None),
            "created_at": moment + timedelta(seconds=number),
            "workflow_version_id": some("v1", "v2", None),
            "workflow_id": flow,
            "expected_value": some("1", "1", "1", "2", None),
            "handle_inputs_fingerprint": some("in", "in", "in", "other", None),
            "block_execution_fingerprint": some("code", "edited", None),
        }
        if number == 3:
            told |= some({}, dict.fromkeys(("run_created_at", "created_at")))
        elif number == 4:
            state = some("error", "cancelled", "unscored", "novel")
        return result(eval_id, some(state, "novel") if at % 9 == 0 else state, at, **told)

    rows = [one(at, flow, each) for at in range(60) for flow in FLOWS for each in range(12)]
    # A run has not all of them.
    return results(*draw.sample(rows, 1200))


@pytest.fixture(scope="module", params=["sandbox", "hard"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("exported")
    if request.param == "hard":
        frames = {"runs": hard_runs(), "results": hard_results()}
        write_hive(folder, frames)
        return folder, frames
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        archive = ra.Archive(folder / "archive.sqlite")
        archive.sync(FLOWS, client=client, progress=False)
    archive.export_parquet(folder / "exported")
    scans = {"runs": archive.scan_runs, "results": archive.scan_results}
    frames = {name: each().collect() for name, each in scans.items()}
    return folder / "exported", frames


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.__name__)
def test_streamed_in_memory_and_in_sql_it_is_the_same(
    exported: Exported, question: Callable[[Any], Any]
) -> None:
    folder, frames = exported
    name = TABLES.get(question, "results")
    in_memory = question(frames[name])
    assert in_memory.height > 2
    lazy = question(scan(folder, name))
    # What the files have beside it is one's own column.
    assert set(lazy.collect_schema()) - set(in_memory.columns) <= {"month"}
    streamed = lazy.select(in_memory.columns).collect(engine="streaming")
    assert_frame_equal(streamed, in_memory, rel_tol=1e-9, abs_tol=1e-9)
    with duckdb.connect() as connection:
        open_views(connection, folder)
        asked = ask(connection, QUESTIONS[question])
    if question is ra.failures:
        streamed = streamed.select(READ)
    assert_frame_equal(streamed, asked, rel_tol=1e-9, abs_tol=1e-9)
