"""What ``check`` says after a run of what was edited alone: the gate keeps all the rest."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from support.inside import StoreServer
from support.lettered_api import DAY, HOUR, MINUTE, LetteredApi
from support.sandbox_api import ANCHOR, KEY, Clock, make_store, plan_world

import retab_analysis as ra

P = "P" * 20
EVALS = {f"{block} {at}": P for block in ("classify", "extract", "split") for at in range(4)}
OF_BLOCK = {each: each.split()[0] for each in EVALS}
EDITED = {"classify": "A", "extract": "A" * 20 + "B", "split": "A"}


def made(evals: dict[str, str] | None = None, **settings: Any) -> LetteredApi:
    return LetteredApi({**EVALS, **(evals or {})}, blocks=OF_BLOCK, **{"codes": EDITED} | settings)


def run_edited(api: LetteredApi, **more: Any) -> pl.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ra.ProblemsWarning)
        started = ra.start_runs(api.flow, only="edited", client=api.client, **more)
    return ra.wait_for_runs(started, client=api.client)


def test_what_was_broken_elsewhere_stays_in_the_gate_and_nothing_is_missing() -> None:
    broken = {"split 0": "P" * 15 + "F" * 5}
    with made(broken, reruns={"extract 0": "F", "extract 1": "F"}) as api:
        runs = run_edited(api)
        assert runs["total_evals"].to_list() == [4]
        own, newest = api.check(candidate=runs), api.check()
        # The newest run of the whole workflow is older than the edit.
        for verdict in (own, newest):
            assert sorted(verdict.gate().failing) == ["extract 0", "extract 1", "split 0"]
            assert verdict.summary["incomplete"].item() == 0
            causes = dict(verdict.broken.select("eval_id", "cause").iter_rows())
            assert causes == {"extract 0": "edit", "extract 1": "edit", "split 0": "drift"}
        assert sorted(own.evals["eval_id"]) == [*(f"extract {at}" for at in range(4)), "split 0"]
        assert newest.evals.height == len(EVALS)
        assert run_edited(api).is_empty()
        assert api.check().gate() == newest.gate()


@pytest.mark.parametrize("weeks", [0, 3])
def test_what_broke_in_a_block_stays_however_often_another_one_is_edited(weeks: int) -> None:
    """Only a run of its block showed it, and each edit gives the draft another name."""
    codes = {
        **EDITED,
        "extract": "A" * 20 + "BCDEFGHIJKLMNOPQRSTUVWXYZ" * 3,
        "split": "A" * 20 + "B",
    }
    with made(codes=codes) as api:
        api.run({"split 0": "F", "split 1": "F", "split 2": "P", "split 3": "P"}, scope="B")
        for _ in range(14 + 10 * weeks):
            newest = api.run({f"extract {at}": "P" for at in range(4)}, scope="B")
        verdict = api.check(candidate=newest.id)
        assert sorted(verdict.gate().failing) == ["split 0", "split 1"]
        api.run({f"split {at}": "P" for at in range(4)}, scope="B")
        newest = api.run({f"extract {at}": "P" for at in range(4)}, scope="B")
        assert api.check(candidate=newest.id).gate().ok


def test_what_the_edited_block_lacks_is_missing() -> None:
    with made() as api:
        runs = run_edited(api)
        api.runs[-1].results = ["extract 0", "extract 1", "extract 2"]
        verdict = api.check(candidate=runs["run_id"].item())
    assert verdict.gate().failing == ("extract 3",)


def test_in_the_sandbox_18_of_95_evals_give_the_same_nine_regressions() -> None:
    """On the evening on which the invoices' extract_lines was edited, and nothing was run yet."""
    whole, edited = check_just_edited(), check_just_edited(only="edited")
    assert whole.evals["candidate_n"].sum() == 95
    assert edited.evals["candidate_n"].sum() == 18
    assert whole.broken.height == 9
    assert sorted(edited.broken["eval_id"]) == sorted(whole.broken["eval_id"])
    assert edited.headline == whole.headline
    assert edited.gate().failing == whole.gate().failing


def check_just_edited(**arguments: Any) -> ra.Comparison:
    world = plan_world()
    workflows = [
        replace(each, past_runs=tuple(run for run in each.past_runs if run.at < each.newest.at))
        for each in world.workflows
    ]
    clock = Clock(ANCHOR)
    store = make_store(replace(world, workflows=workflows, in_flight=[]), clock=clock, speed=60.0)
    with StoreServer(store, key=KEY) as server, ra.Client(**server.credentials) as client:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ra.ProblemsWarning)
            started = ra.start_runs("wf_invoices", **arguments, client=client)
        clock.forward(600)
        return ra.check("wf_invoices", candidate=started, client=client, progress=False)


# An hour in which canaries fail

FAIL = {"extract 0": "FFF", "extract 1": "FFF"}
CANARIES = ("classify 0", "split 0", "classify 1", "split 1")


def unlucky(canaries: int, letters: str = "FFF", **settings: Any) -> LetteredApi:
    """The edited block's evals fail when it is run, and so many of four canaries with them."""
    return made(reruns={**FAIL, **dict.fromkeys(CANARIES[:canaries], letters)}, **settings)


@pytest.mark.parametrize("letters", ["FFF", "E"])
@pytest.mark.parametrize("canaries", range(5))
def test_nothing_is_called_for_an_edit_in_an_hour_in_which_canaries_fail(
    canaries: int, letters: str
) -> None:
    with unlucky(canaries, letters) as api:
        runs = run_edited(api, canary=4)
        assert runs["eval_id"].to_list() == [None, *CANARIES]
        own, newest = api.check(candidate=runs), api.check()
    for verdict in (own, newest):
        called = {*verdict.broken.filter(block_id="extract")["eval_id"]}
        assert called == ({*FAIL} if canaries < 2 else set())
        if canaries >= 2:
            assert {*FAIL} <= {*verdict.gate().undecided}
            assert verdict.verdict == "inconclusive"
            assert verdict.gate().ok
            assert "failed in a bad hour: evals that always passed" in str(verdict)
            assert verdict.unclear.filter(block_id="extract")["p_regressed"].null_count() == 2


def test_canaries_that_are_flaky_say_nothing() -> None:
    flaky = {"classify 0": "PPFPPPFPPFPPPPFPPFPP", "split 0": "PFPPPPFPPFPPPPFPPFPP"}
    with made(flaky, reruns={**FAIL, "classify 0": "F", "split 0": "F"}) as api:
        started = ra.start_runs(
            api.flow, blocks="extract", evals=["classify 0", "split 0"], client=api.client
        )
        verdict = api.check(candidate=ra.wait_for_runs(started, client=api.client))
    assert {*verdict.broken["eval_id"]} == {*FAIL}


def test_evals_that_failed_in_the_run_are_no_canaries_when_they_are_run_again() -> None:
    drifting = {each: "P" * 20 + "F" for each in ("classify 0", "split 0")}
    evals = {each: f"{letters}P" for each, letters in EVALS.items()}
    evals |= {each: "P" * 20 + "F" for each in FAIL} | drifting
    with made(evals, reruns=dict.fromkeys(drifting, "FFF")) as api:
        verdict = ra.settle(api.check(), client=api.client, progress=False)
        assert {run.eval_id for run in api.started} == {*drifting}
        api.run(
            {f"extract {at}": "P" if at > 1 else "F" for at in range(4)}, scope="B", after=MINUTE
        )
        again = api.check()
    for each in (verdict, again):
        assert {*each.broken["eval_id"]} == {*FAIL, *drifting}


@pytest.mark.parametrize("later", ["P", "F"])
def test_what_is_run_again_later_decides(later: str) -> None:
    letters = "FFF" + 4 * later
    with made(reruns=dict.fromkeys(FAIL, letters) | dict.fromkeys(CANARIES, "FFFPPPP")) as api:
        verdict = api.check(candidate=run_edited(api, canary=4))
        at_once = ra.settle(verdict, client=api.client, progress=False)
        assert at_once.broken.is_empty()
        api.now = api.runs[-1].at + HOUR
        settled = ra.settle(at_once, client=api.client, progress=False)
        for each in (settled, api.check()):
            assert {*each.broken["eval_id"]} == ({*FAIL} if later == "F" else set())
            assert {*each.broken["cause"]} <= {"edit"}
            assert each.gate().ok is (later == "P")
            assert not each.gate().doubt


@pytest.mark.parametrize("later", ["P", "F"])
def test_the_next_whole_run_decides(later: str) -> None:
    with unlucky(4) as api:
        run_edited(api, canary=4)
        api.run({each: later if each in FAIL else "P" for each in EVALS})
        verdict = api.check()
        assert {*verdict.broken["eval_id"]} == ({*FAIL} if later == "F" else set())
        assert verdict.headline.startswith("✓ Nothing broke: 12" if later == "P" else "✗ 2 evals")


def test_a_bad_hour_is_none_of_another_block_that_is_edited_next() -> None:
    with unlucky(4, "F") as api:
        run_edited(api, canary=4)
        api.edit("split")
        api.now = api.runs[-1].at + DAY
        verdict = api.check(candidate=run_edited(api))
    assert verdict.headline == "✓ Nothing broke: 4 of 4 pass"


def test_a_break_from_before_stays_one_in_a_bad_hour() -> None:
    codes = {**EDITED, "extract": "A" * 15 + "B" * 5 + "C"}
    with made(
        {"extract 0": "P" * 15 + "F" * 5},
        codes=codes,
        reruns={**FAIL, **dict.fromkeys(CANARIES, "F")},
    ) as api:
        verdict = api.check(candidate=run_edited(api, canary=4))
    assert verdict.broken["eval_id"].to_list() == ["extract 0"]
    assert verdict.gate().failing == ("extract 0",)
