"""The dashboard's notebook: its live parts tell the same, before and after a run has ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest
from support.fakes import KEY
from support.lettered_api import FLOW, HOUR, MINUTE, LetteredApi, alike
from support.watching import until

import retab_analysis as ra

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "04_dashboard.ipynb"
EVALS = {"a": "P" * 9, **alike(6, "P" * 9)}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[LetteredApi]:
    """A workflow that passes, whose newest runs are of these days."""
    with LetteredApi(EVALS, codes="A" * 6 + "B" * 3 + "C", published="AB") as api:
        late = datetime.now(UTC) - api.runs[-1].at - HOUR
        for run in api.runs:
            run.at += late
        monkeypatch.setenv("RETAB_API_KEY", KEY)
        monkeypatch.setenv("RETAB_WORKFLOW_ID", FLOW)
        ra.use(client=api.client)
        yield api


def run_cells() -> dict[str, Any]:
    """Run the notebook's code here; gives the names that it has made."""
    names: dict[str, Any] = {}
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    return names


def statuses(frame: Any) -> dict[str, str]:
    return dict(frame.select("run_id", "status").iter_rows())


def test_all_parts_follow_a_run_that_ends(api: LetteredApi) -> None:
    going = api.run("F" + "P" * 6, after=MINUTE, looks=1)
    made = run_cells()
    live, explorer = made["live"], made["explorer"]
    until(lambda: made["seen"])
    explorer.wait(60)
    assert statuses(live.frame) == {going.id: "running"}
    assert statuses(explorer.frame)[going.id] == "running"
    assert made["verdict"].headline == "○ extract was edited; its run goes on (0 of 7)"
    going.looks = 0
    live.refresh()
    live.wait(60)
    explorer.wait(60)
    assert statuses(explorer.frame)[going.id] == statuses(live.frame)[going.id] == "completed"
    headline = "✗ 1 eval broke since the edit of extract"
    assert live.state.heading.endswith(f": {headline}")
    assert run_cells()["verdict"].headline == headline, "once the page is loaded again"


def test_where_no_run_has_ended_yet_there_is_no_verdict(api: LetteredApi) -> None:
    del api.runs[1:]
    going = api.runs[0]
    going.looks = 1
    made = run_cells()
    assert made["verdict"] is None
    going.looks = 0
    made["live"].refresh()
    made["live"].wait(60)
    assert made["live"].state.notes == ()
    assert statuses(made["explorer"].wait(60))[going.id] == "completed"
