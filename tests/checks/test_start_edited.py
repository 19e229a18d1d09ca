"""``only="edited"`` starts what ``check`` calls not tested, and says why."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest
from support.inside import RUNS
from support.lettered_api import DAY, FIRST, HOUR, LetteredApi

import retab_analysis as ra

BLOCKS = ("classify", "extract", "split")
EVALS = {f"{block} {at}": "PPPP" for block in BLOCKS for at in range(3)}
OF_BLOCK = {each: each.split()[0] for each in EVALS}
EDITED = {"extract": "AAAAB"}
EDIT, NEVER = "it was edited and has not run since", "its evals were never run"


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


def test_the_block_that_was_edited_is_run_and_all_is_said() -> None:
    with made(EDITED) as api:
        runs, said = start(api, repeat=2)
    assert scopes(runs) == [("extract", None)] * 2
    assert runs["total_evals"].to_list() == [3, 3]
    assert f"block 'extract' ({EDIT})" in said
    assert "Left out: 'classify' (3 evals), 'split' (3 evals)." in said


def test_if_all_is_tested_nothing_is_started_and_the_verdict_stands() -> None:
    with made({"extract": "AABB"}) as api:
        before = api.check()
        runs, said = start(api)
        assert runs.equals(RUNS.empty())
        assert not api.started
        assert str(api.check()) == str(before)
    assert said.startswith("No run is started: every eval has a result as it is now.")


@pytest.mark.parametrize("letters", ["FFF", "PPE"])
def test_115_an_advice_that_was_followed_is_not_given_again(letters: str) -> None:
    of_block = {f"extract {at}": letter for at, letter in enumerate(letters)}
    with made(EDITED, reruns=of_block) as api:
        assert 'only="edited"' in api.check().next_step.code
        assert scopes(start(api)[0]) == [("extract", None)]
        step = api.check().next_step
        assert step is None or 'only="edited"' not in step.code
        assert scopes(start(api)[0]) == []


@pytest.mark.parametrize(
    ("letters", "scope"),
    [("EPP", []), ("CCC", [("extract", None)]), ("PPC", [("extract", "extract 2")])],
)
def test_evals_without_a_result_on_the_edited_code_are_started(
    letters: str, scope: list[tuple[str, str | None]]
) -> None:
    with made(EDITED) as api:
        of_block = {f"extract {at}": letter for at, letter in enumerate(letters)}
        api.run(of_block, scope="B", codes={"extract": "B"}, after=HOUR)
        assert scopes(start(api)[0]) == scope


def test_broken_evals_that_were_edited_again_are_started() -> None:
    evals = {**EVALS, **{f"extract {at}": "PFFF" for at in range(3)}}
    with made({"extract": "ABBBC"}, evals=evals) as api:
        verdict = api.check()
        assert {*verdict.broken["eval_id"]} == {f"extract {at}" for at in range(3)}
        assert scopes(start(api)[0]) == [("extract", None)]


def test_evals_of_a_run_that_goes_on_are_left_out_and_the_run_is_named() -> None:
    with made(EDITED) as api:
        block = {f"extract {at}": "U" for at in range(3)}
        run = api.run(block, scope="B", codes={"extract": "B"}, after=HOUR)
        api.now = run.at + HOUR / 2
        runs, said = start(api)
        assert scopes(runs) == []
        assert f"3 evals are on the way in {run.id}" in said
        assert api.check().next_step.code.startswith("view = ra.watch")


@pytest.mark.parametrize(("going", "started"), [(3, [3, 4, 5]), (1, [1, 2, 3, 4, 5]), (6, [])])
def test_124_a_block_of_which_evals_are_on_their_way_is_not_started_as_a_whole(
    going: int, started: list[int]
) -> None:
    """They are queued as single runs."""
    evals = {**EVALS, **{f"extract {at}": "PPPP" for at in range(6)}}
    with made(EDITED, evals=evals) as api:
        for at in range(going):
            how: Any = {"codes": {"extract": "B"}, "after": HOUR, "status": "queued"}
            run = api.run({f"extract {at}": "U"}, scope="E", **how)
        api.now = run.at + HOUR / 2
        runs, said = start(api)
    assert scopes(runs) == [("extract", f"extract {at}") for at in started]
    assert f"{going} eval{'s are' if going > 1 else ' is'} on the way in " in said


def test_a_run_that_was_created_before_the_edit_is_not_its_run() -> None:
    with made({}) as api:
        run = api.run({f"extract {at}": "U" for at in range(3)}, scope="B", after=HOUR)
        api.now = run.at + HOUR
        api.codes = {**dict.fromkeys(BLOCKS, "A"), "extract": "AAAAAB"}
        api.saved["extract"] = run.at + HOUR / 2
        assert scopes(start(api)[0]) == [("extract", None)]


def test_single_evals_that_are_new_or_were_edited_are_run_by_themselves() -> None:
    with made({}, evals={**EVALS, "split 0": ""}) as api:
        api.change("extract 1", freshness={"status": "stale", "reasons": ["inputs_changed"]})
        runs, said = start(api)
    assert scopes(runs) == [("extract", "extract 1"), ("split", "split 0")]
    assert "2 evals that are edited or new ('extract 1', 'split 0')" in said


def test_blocks_that_never_ran_or_are_gone_and_evals_that_cannot_run() -> None:
    letters = {**EVALS, **{f"split {at}": "" for at in range(3)}}
    with made({}, evals=letters) as api:
        runs, said = start(api)
        assert scopes(runs) == [("split", None)]
        assert NEVER in said
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
