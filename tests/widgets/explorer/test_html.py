"""Lists of the explorer as HTML and text."""

from __future__ import annotations

import pytest
from support.explored import RUNS
from support.frames import result, results

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


def test_a_result_says_what_was_asserted_why_it_fails_and_its_ids() -> None:
    known = result(
        "e1",
        "failed",
        condition="< 0",
        path="lines.0.total",
        failure_code="type_error",
        failure_message="a text",
        document_ids=["file_1", "file_2"],
    )
    (row,) = results(known).iter_rows(named=True)
    shown = html.render_result(row)
    for words in (
        "&lt; 0 at lines.0.total",
        "type_error: a text",
        "a.pdf <code>file_1</code> <code>file_2</code>",
        f"<code>{known['result_id']}</code>",
    ):
        assert words in shown
    bare = dict.fromkeys(("condition", "path", "failure_code", "document_ids", "document_names"))
    less = html.render_result(row | bare)
    assert f"<td>{row['condition_kind']}</td>" in less
    assert "<td>a text</td>" in less
    assert "Document" not in less
