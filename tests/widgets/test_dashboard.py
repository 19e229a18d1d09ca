"""The dashboard's notebook: one view of all workflows, which follows what goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from support.fakes import KEY
from support.lettered_api import FLOW, MINUTE, LetteredApi, alike
from support.watching import until

import retab_analysis as ra

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "04_dashboard.ipynb"
EVALS = {"a": "P" * 9, **alike(6, "P" * 9)}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[LetteredApi]:
    with LetteredApi(EVALS, codes="A" * 6 + "B" * 3 + "C", published="AB") as api:
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


def test_it_follows_a_run_to_its_end(api: LetteredApi) -> None:
    going = api.run("F" + "P" * 6, after=MINUTE, looks=1)
    view = run_cells()["view"]
    until(lambda: view.comparison is not None)
    assert view.state.look.checked["run_id"].to_list() == [going.id]
    assert view.state.look.phase == "going"
    going.looks = 0
    view._stream.refresh()
    view.wait(60)
    assert view.comparison.headline == "✗ 1 eval broke since the edit of extract"


def test_where_nothing_goes_on_it_shows_how_the_workflow_is(api: LetteredApi) -> None:
    api.run("F" + "P" * 6)
    view = run_cells()["view"]
    view.wait(60)
    assert view.comparison.headline == ra.check(FLOW, progress=False).headline
    assert api.started == []
