"""Frames to be explored, and an explorer as a person uses it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

import retab_analysis as ra
from retab_analysis.widgets import Explorer
from support.drawn import control, walk
from support.made_runs import result_with, results_frame, run_with, runs_frame


def with_class(widget: Any, name: str) -> Any:
    return next(each for each in walk(widget) if name in each._dom_classes)


def keys(explorer: Explorer) -> list[str]:
    """The ids of the rows that are seen, by what their buttons are called."""
    return [each.split()[-1] for each in with_class(explorer.widget, "ra-picks").options]


def htmls(widget: Any) -> str:
    return "\n".join(each.value for each in walk(widget) if type(each).__name__ == "HTML")


def click(explorer: Explorer, words: str) -> None:
    control(explorer.widget, words).click()


def turn_to(explorer: Explorer, tab: str) -> None:
    tabs = explorer.state.tabs
    next(
        each for each in explorer.widget.children if hasattr(each, "titles")
    ).selected_index = tabs.index(tab)


STATUSES = ("completed", "error", "cancelled", "running")
START = datetime(2026, 5, 1, 12, tzinfo=UTC)


def made_runs(count: int = 40) -> pl.DataFrame:
    documents = [
        run_with(
            f"run_{number:03}",
            STATUSES[number % 4],
            passed=number % 7,
            failed=number % 3,
            workflow_version_id=f"v{number % 5}",
            trigger__type=("api", "Schedule")[number % 2],
            target={"type": "block", "block_id": "extract"} if number % 6 == 0 else None,
            timing__created_at=(START + timedelta(days=number)).isoformat(),
        )
        for number in range(count)
    ]
    return runs_frame(*documents)


RUNS = made_runs()
RESULTS = results_frame(
    *(
        result_with(
            f"e{eval_number}",
            ("passed", "failed", "error", "unscored", "passed")[(eval_number + run) % 5],
            f"r{run}",
            handle_inputs={
                "f": {"type": "file", "document": {"id": "d", "filename": f"Käse {run}.pdf"}}
            },
        )
        for eval_number in range(4)
        for run in range(6)
    )
).with_columns(
    run_created_at=pl.lit(START) + pl.duration(days=pl.col("run_id").str.slice(1).cast(pl.Int64))
)


def run_code(code: str, **names: Any) -> pl.DataFrame:
    scope = {"pl": pl, "ra": ra, "UTC": UTC, "datetime": datetime, **names}
    exec(code, scope)
    rows: pl.DataFrame = scope["rows"]
    return rows
