"""The table of evals that the views share."""

from __future__ import annotations

from support.live_states import seen
from support.made_runs import result_with, run_with

from retab_analysis.widgets.common.html import render_evals


def test_a_long_value_is_cut_and_kept_in_its_title() -> None:
    long = result_with("a", "failed")
    long["assertion_result"]["actual_value"] = "x" * 500
    table = render_evals(
        seen(run_with(failed=1), results=[long]).listed,
        limit=None,
        values=True,
        several=False,
        nothing="",
    )
    assert "x" * 155 + "…" in table
    assert "x" * 500 in table
