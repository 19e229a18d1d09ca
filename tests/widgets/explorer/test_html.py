"""Lists of the explorer as HTML and text."""

from __future__ import annotations

import pytest
from support.explored import RUNS

from retab_analysis.widgets.explorer import html
from retab_analysis.widgets.explorer.list_state import PAGE, ListState
from retab_analysis.widgets.explorer.lists import (
    list_runs,
)


@pytest.fixture
def runs() -> ListState:
    return ListState(list_runs(RUNS), RUNS)


def test_rows_as_text_and_as_a_table(runs: ListState) -> None:
    lines = html.format_table(runs.listing.columns, runs.shown.to_dicts())
    assert len(lines) == 1 + PAGE
    assert lines[0].split()[:3] == ["Status", "Created", "(UTC)"]
    assert lines[1].startswith("running")
    shown = html.render_table(runs.listing.columns, runs.shown.to_dicts(), heading=True)
    assert shown.count("<tr>") == 1 + PAGE
    assert shown.count("<th ") == len(runs.listing.columns)
    assert shown.count("<col ") == len(runs.listing.columns)
    assert "</col>" not in shown
    hidden = html.render_table(runs.listing.columns, [], heading=False)
    assert '<thead class="ra-heard">' in hidden
