"""Frames to be explored, and an explorer as a person uses it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from support.html_elements import Elements
from support.inside import Explorer
from support.made_runs import result_with, results_frame, run_with, runs_frame


def section(explorer: Explorer, name: str) -> str:
    """The HTML of one section of the page, as it was sent last."""
    widget = explorer.widget
    assert explorer._page is not None
    # What changes within a tenth of a second is sent together.
    explorer._page.flush()
    html: str = getattr(widget, f"html_{name}")
    return html


def htmls(explorer: Explorer) -> str:
    """All that the page shows."""
    return "\n".join(section(explorer, name) for name in explorer.widget.sections)


def send(explorer: Explorer, event: str, value: Any = None, key: str | None = None) -> None:
    """What a browser sends when a person does something."""
    message = {"id": "1", "event": event, "key": key, "value": value}
    explorer.widget._handle_custom_msg(message, [])


def keys(explorer: Explorer) -> list[str]:
    """The ids of the rows that are seen."""
    state = explorer.state.listed
    return state.shown[state.listing.key].to_list()


def rows_shown(explorer: Explorer) -> list[dict[str, str | None]]:
    """The attributes of the rows of the list."""
    rows = Elements(section(explorer, "list")).attributes("tr")
    return [each for each in rows if "data-key" in each]


def open_row(explorer: Explorer, at: int) -> None:
    """Choose a row of the page, counted from 0."""
    send(explorer, "open", key=rows_shown(explorer)[at]["data-key"])


def sort_by(explorer: Explorer, title: str) -> None:
    """Click on a heading."""
    titles = [each.title for each in explorer.state.listed.listing.columns]
    send(explorer, "sort", key=str(titles.index(title)))


def buttons(explorer: Explorer) -> dict[str, dict[str, str | None]]:
    """The attributes of each button of the page that sends something, by its event."""
    made = Elements(htmls(explorer)).attributes("button")
    return {each["data-event"] or "": each for each in made if "data-event" in each}


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
