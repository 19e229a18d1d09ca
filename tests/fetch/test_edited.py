"""Start only what was edited: what is chosen, and what is said of it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest
from support.inside import RUNS
from support.lettered_api import DAY, FIRST, FLOW, HOUR, LetteredApi

import retab_analysis as ra

BLOCKS = ("classify", "extract", "split")
EVALS = {f"{block} {at}": "PPPP" for block in BLOCKS for at in range(3)}
OF_BLOCK = {each: each.split()[0] for each in EVALS}
UNSAID = {"freshness": None}
SILENT = {**UNSAID, "latest_run_summary__block_execution_fingerprint": None}


def made(codes: Mapping[str, str], **settings: Any) -> LetteredApi:
    same = dict.fromkeys(BLOCKS, "A")
    evals, now = settings.pop("evals", EVALS), FIRST + 5 * DAY
    return LetteredApi(evals, codes={**same, **codes}, blocks=OF_BLOCK, now=now, **settings)


def start(api: LetteredApi, **arguments: Any) -> tuple[pl.DataFrame, str]:
    """What is started, and what was said before."""
    asked = {"only": "edited", **arguments}
    with contextlib.redirect_stderr(io.StringIO()) as told:
        runs = ra.start_runs(api.flow, **asked, client=api.client)
    return runs, told.getvalue().rstrip("\n")


def scopes(runs: pl.DataFrame) -> list[tuple[str | None, str | None]]:
    return runs.select("target_block_id", "eval_id").rows()


EDITED = {"extract": "AAAAB"}
WHY = {
    "code": "it was edited and has not run since",
    "saved": "it was saved after its evals ran last",
    "unknown": "on which code its evals ran last is not known",
    "half": "half of its evals have no verdict as they are now",
    "cut": "its last run was cut short",
    "never": "its evals were never run",
}


def test_the_block_that_was_edited_is_run_and_all_is_said() -> None:
    with made(EDITED) as api:
        runs, said = start(api, repeat=2)
    assert scopes(runs) == [("extract", None)] * 2
    assert runs["total_evals"].to_list() == [3, 3]
    assert said == (
        f"Starting 2 runs of 3 evals each in {FLOW}: block 'extract' ({WHY['code']}). "
        "Left out: 'classify' (3 evals, not edited), 'split' (3 evals, not edited)."
    )


def test_where_nothing_was_edited_nothing_is_started_and_the_verdict_stands() -> None:
    with made({"extract": "AABB"}) as api:
        before = api.check()
        runs, said = start(api)
        assert runs.equals(RUNS.empty())
        assert not api.started
        assert str(api.check()) == str(before)
    assert said.startswith("No run is started: no block was edited since its evals ran last.")
    assert all(f"{each!r} (3 evals, not edited)" in said for each in BLOCKS)


@pytest.mark.parametrize(
    ("codes", "changes", "why"),
    [
        # Freshness is believed before all else ...
        (EDITED, {"extract 1": {"freshness": {"status": "stale", "reasons": []}}}, "code"),
        ({}, {"extract 1": {"freshness__status": "stale"}}, "code"),
        (
            {},
            {"extract 1": {"freshness": {"status": "stale", "reasons": ["validity_changed"]}}},
            "code",
        ),
        ({}, {"extract 1": {"latest_run_summary__block_execution_fingerprint": "old"}}, None),
        # ... then that evals ran on different code ...
        ({}, {f"extract {at}": UNSAID for at in range(3)}, None),
        (
            {},
            {
                **{f"extract {at}": UNSAID for at in range(2)},
                "extract 2": {**UNSAID, "latest_run_summary__block_execution_fingerprint": "old"},
            },
            "code",
        ),
        # ... then when the block was saved; and without any of it, it is run.
        (EDITED, {f"extract {at}": SILENT for at in range(3)}, "saved"),
        ({}, {f"extract {at}": SILENT for at in range(3)}, None),
        (
            {},
            {
                f"extract {at}": {**SILENT, "latest_run_summary__completed_at": None}
                for at in range(3)
            },
            "unknown",
        ),
    ],
)
def test_what_says_most_is_believed(
    codes: dict[str, str], changes: dict[str, dict[str, Any]], why: str | None
) -> None:
    with made(codes) as api:
        for eval_id, members in changes.items():
            api.change(eval_id, **members)
        runs, said = start(api)
    assert scopes(runs) == ([] if why is None else [("extract", None)])
    assert why is None or f"block 'extract' ({WHY[why]})" in said


def test_one_eval_that_was_tried_on_the_edited_draft_does_not_hide_the_others() -> None:
    with made(EDITED) as api:
        api.run({"extract 0": "P"}, scope="E", codes={"extract": "B"}, after=HOUR)
        for at in range(3):
            api.change(f"extract {at}", **UNSAID)
        assert scopes(start(api)[0]) == [("extract", None)]


@pytest.mark.parametrize(
    ("letters", "why"),
    [("FFF", None), ("PPE", None), ("EEE", "half"), ("PEE", "half"), ("PPC", "cut")],
)
def test_a_run_that_decided_too_little_is_made_again(letters: str, why: str | None) -> None:
    with made({"extract": "AAAAB"}) as api:
        of_block = {f"extract {at}": letter for at, letter in enumerate(letters)}
        api.run(of_block, scope="B", codes={"extract": "B"}, after=HOUR)
        runs, said = start(api)
    assert scopes(runs) == ([("extract", None)] if why else [])
    assert why is None or WHY[why] in said


def test_single_evals_that_are_new_or_were_edited_are_run_by_themselves() -> None:
    with made({}) as api:
        api.change("extract 1", freshness={"status": "stale", "reasons": ["inputs_changed"]})
        api.change("split 0", latest_run_summary=None)
        runs, said = start(api)
    assert scopes(runs) == [("extract", "extract 1"), ("split", "split 0")]
    assert "2 evals that are new or edited ('extract 1', 'split 0')" in said


def test_blocks_that_are_new_or_gone_and_evals_that_never_ran_or_cannot() -> None:
    letters = {**EVALS, "split 2": ""}
    with made({}, evals=letters) as api:
        runs, said = start(api)
        assert scopes(runs) == [("split", "split 2")]
        assert "'split' (3 evals, not edited, 1 never run)" in said
        for at in range(2):
            api.change(f"split {at}", latest_run_summary=None)
        runs, said = start(api)
        assert scopes(runs) == [("split", None)]
        assert WHY["half"] in said
        for at in range(3):
            api.change(f"split {at}", validation_status="broken")
            api.change(f"classify {at}", target__block_id="no more")
        runs, said = start(api)
    assert scopes(runs) == []
    assert "'no more' (3 evals; the workflow does not have this block any more)" in said


def test_a_workflow_that_is_not_there() -> None:
    with (
        made(EDITED) as api,
        pytest.raises(ra.ConfigError, match="there is no workflow 'wf_letter'"),
    ):
        ra.start_runs("wf_letter", only="edited", client=api.client)
