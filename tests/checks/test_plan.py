"""Which runs are read, and why: the table of the plan, row by row, over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.fakes import KEY
from support.lettered_api import HOUR, MINUTE, LetteredApi, alike

import retab_analysis as ra

CHECKED = "checked"


def read(made: ra.Comparison, why: str = "") -> list[str]:
    """The ids of the runs that were read for a reason, the newest first."""
    known = made.plan.drop_nulls("run_id")
    return [run for run, said in known.select("run_id", "why").iter_rows() if said.startswith(why)]


def numbers(runs: list[str]) -> list[int]:
    return [int(run.removeprefix("run_")) for run in runs]


def whole(runs: int, **more: Any) -> LetteredApi:
    return LetteredApi(alike(3, "P" * runs), **more)


# The earlier runs


def test_the_earlier_runs_are_the_newest_the_oldest_and_some_between() -> None:
    made = whole(100).check()
    found = numbers(read(made, "an earlier run of the whole"))
    assert len(found) == 30
    assert found[:24] == list(range(98, 74, -1))
    assert found[-3:] == [2, 1, 0]
    assert found[24:27] == [62, 38, 14]
    assert made.plan.columns == ["run_id", "created_at", "scope", "why"]


@pytest.mark.parametrize(("history", "expected"), [(0, 0), (1, 1), (5, 5), (30, 20), (200, 20)])
def test_history_is_how_many_earlier_whole_runs_are_read(history: int, expected: int) -> None:
    made = whole(21).check(history=history)
    assert len(read(made, "an earlier run of the whole")) == expected


def test_pages_are_listed_until_there_are_enough_whole_runs() -> None:
    """Hundreds of runs of single evals, and runs that decided nothing, lie between."""
    with LetteredApi({"a": "P" * 12 + "F" * 3, **alike(2, "P" * 15)}) as api:
        for at in range(210):
            api.run({"fine 0": "P"}, scope="E", after=MINUTE)
            if at % 7 == 0:
                api.run("CCC", after=MINUTE)
        made = api.check()
        assert api.asked.count("GET /v1/workflows/evals/runs") == 3
    assert read(made, CHECKED) == ["run_14"]
    assert numbers(read(made, "an earlier run of the whole")) == [*range(13, -1, -1)]
    assert len(read(made, "since")) == 41  # and the newest that was cancelled
    assert made.gate().failing == ("a",)
    assert made.plan["why"][-1] == "255 runs are listed; the list ends here"


def test_the_last_row_says_where_the_list_stopped() -> None:
    last = whole(150).check().plan.row(-1, named=True)
    assert (last["run_id"], last["why"]) == (
        None,
        "100 runs are listed; older runs were not listed",
    )


def test_of_blocks_and_evals_before_it_the_ends_are_read_and_displace_nothing() -> None:
    with whole(40) as api:
        for _ in range(30):
            api.run("PPP", scope="B", after=MINUTE)
            api.run({"fine 1": "P"}, scope="E", after=MINUTE)
        api.run("PPP")
        made = api.check()
    assert len(read(made, "an earlier run of the whole")) == 30
    assert numbers(read(made, "an earlier run of a block")) == [99, 98, 41, 40]


def test_of_runs_since_those_that_say_something_are_read_first() -> None:
    evals = {"a": "P" * 9 + "F", **alike(50, "P" * 10)}
    with LetteredApi(evals) as api:
        api.run({"a": "F"}, scope="E", after=MINUTE)
        for at in range(50):
            api.run({f"fine {at}": "P"}, scope="E", after=MINUTE)
        made = api.check()
    assert len(read(made, "since")) == 40
    assert "run_10" in read(made, "since")


# What is checked


def test_nothing_after_the_next_whole_run_belongs_to_an_old_candidate() -> None:
    with LetteredApi({"a": "P" * 8 + "FFF", **alike(3, "P" * 11)}) as api:
        api.upto = 10
        api.run({"a": "F"}, scope="E", after=MINUTE, id="again")
        api.upto = None
        api.run({"a": "P"}, scope="E", after=MINUTE, id="later")
        made = api.check(candidate="run_9")
    assert read(made, "since") == ["again"]
    assert made.evals.filter(eval_id="a")["candidate_n"].item() == 2


def test_a_candidate_far_back_is_found_with_what_was_before_it() -> None:
    with whole(1250) as api:
        made = api.check(candidate="run_40")
        assert api.asked.count("GET /v1/workflows/evals/runs") <= 12
    assert read(made, CHECKED) == ["run_40"]
    assert numbers(read(made, "an earlier run of the whole"))[:24] == [*range(39, 15, -1)]
    assert not read(made, "since")


def test_without_a_whole_run_the_newest_run_of_each_block_is_checked() -> None:
    blocks = {"a": "one", "b": "two"}
    with LetteredApi({"a": "", "b": ""}, blocks=blocks) as api:
        api.run({"a": "F"}, scope="E", id="alone")
        for name in "abab":
            api.run({name: "P"}, scope="B")
        made = api.check()
        api.run({"a": "C", "b": "C"})
        assert api.check().evals.equals(made.evals)
    assert read(made, CHECKED) == ["run_4", "run_3"]
    assert made.evals["transition"].to_list() == ["still_passing", "still_passing"]


def test_several_runs_are_one_side() -> None:
    with LetteredApi({"a": "P" * 5 + "FFF", **alike(3, "P" * 8)}) as api:
        frame = ra.fetch_runs(api.flow, limit=3, client=api.client, progress=False)
        for given in (["run_5", "run_6", "run_7"], frame, frame.lazy(), frame["run_id"]):
            made = api.check(candidate=given)
            assert sorted(read(made, CHECKED)) == ["run_5", "run_6", "run_7"]
            assert made.evals["candidate_n"].to_list() == [3] * 4
            assert made.gate().failing == ("a",)


def test_a_run_in_the_future_and_one_that_became_a_single_one_are_not_the_newest() -> None:
    with LetteredApi({"a": "PPPPPFF", **alike(3, "P" * 7)}) as api:
        api.now = api.runs[-1].at
        api.runs[-1].at += timedelta(days=90)
        api.change("run_5", eval_id="fine 0")
        made = api.check()
    assert read(made, CHECKED) == ["run_4"]
    assert "future" in made.explain()


@pytest.mark.parametrize(("minutes", "checked"), [(55, "run_4"), (65, "run_3")])
def test_the_future_begins_an_hour_after_the_clock_of_the_api(minutes: int, checked: str) -> None:
    """Whatever this machine's clock says, which is months from that of the API here."""
    with whole(5) as api:
        api.now = api.runs[-1].at
        api.runs[-1].at += minutes * MINUTE
        assert read(api.check(), CHECKED) == [checked]


def test_a_newer_run_that_goes_on_or_was_cut_short_is_named() -> None:
    with LetteredApi({"a": "P" * 8, **alike(3, "P" * 8)}) as api:
        api.run("PPUU", after=HOUR)
        going_on = api.check()
        api.runs[-1].letters = {each: "C" for each in api.evals}
        cancelled = api.check()
    for made, said in ((going_on, "goes on"), (cancelled, "was cancelled after 0 of 4 evals")):
        assert read(made, CHECKED) == ["run_7"]
        assert said in made.explain()
        assert made.gate().ok


def test_a_revert_is_said() -> None:
    rows, said = alike(3, "P" * 9), "is on older code than in the run before"
    assert said in LetteredApi(rows, codes="AAAAABBBA").check().explain()
    for codes in ("AAAAABBBB", "AAAAABBAA", "AAAAABBBC"):
        assert said not in LetteredApi(rows, codes=codes).check().explain()


# By name


def named(runs: int = 12, **more: Any) -> LetteredApi:
    """Three versions of which two are published as v1 and v2; C is a draft."""
    return LetteredApi(alike(3, "P" * runs), codes="AAAABBBBCCCC", published=("A", "B"), **more)


@pytest.mark.parametrize("name", ["v1", "1", "version_A", "2026-04-04"])
def test_of_a_version_the_runs_around_its_moment_are_read(name: str) -> None:
    """The newest nine before the next publication; three before its moment, three after it."""
    with named() as api:
        made = api.check(baseline=name)
    assert numbers(read(made, "the baseline: "))[-4:] == [3, 2, 1, 0]
    row = made.evals.row(0, named=True)
    assert (row["baseline_n"], row["candidate_n"]) == (4, 1)


def test_of_previous_nothing_more_is_read() -> None:
    with named() as api:
        made = api.check(baseline="previous")
        asked = len(api.asked)
        api.asked.clear()
        assert read(api.again().check()) == read(made)
    assert asked >= len(api.asked)
    assert made.evals["baseline_n"].to_list() == [4] * 3


def test_a_run_as_candidate_and_one_as_baseline() -> None:
    with named() as api:
        made = api.check(candidate="run_7", baseline="run_5")
    assert read(made, CHECKED) == ["run_7"]
    assert read(made, "the baseline") == ["run_5"]
    assert set(made.evals["baseline_run_id"]) == {"run_5"}


def test_a_version_that_is_older_than_what_is_listed_is_found() -> None:
    with LetteredApi(alike(2, "P" * 260), codes="A" * 40 + "B", published="A") as api:
        for wanted in ("v1", "version_A"):
            made = api.check(baseline=wanted)
            assert made.headline.startswith("✓ Nothing broke from v1 to "), wanted
            assert made.evals["baseline_n"].to_list() == [3, 3]
        made = api.check(baseline="run_39")
        assert read(made, "the baseline") == ["run_39"]
        assert "days older" in made.explain()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"baseline": "run_11"}, "is the run that is checked"),
        ({"candidate": ["run_3", "nope"]}, "'nope' is not a run"),
        ({"candidate": []}, "candidate names no run"),
        ({"candidate": 3}, "candidate must be"),
    ],
)
def test_what_there_is_not_is_an_error_that_says_what_there_is(
    arguments: dict[str, Any], said: str
) -> None:
    with named() as api, pytest.raises(ra.ConfigError, match=said):
        api.check(**arguments)


def test_a_workflow_of_which_nothing_is_published_says_so() -> None:
    with whole(5) as api, pytest.raises(ra.ConfigError, match="has no published version"):
        api.check(baseline="published")


def test_a_run_of_another_workflow_is_refused() -> None:
    with whole(5) as api, whole(5, flow="wf_other") as other:
        run = ra.fetch_run("run_2", client=other.client)
        with pytest.raises(ra.ConfigError, match="is of workflow wf_other, not wf_letters"):
            api.check(candidate=run)


@pytest.mark.parametrize("which", ["run_2", "res_run_3_fine 0", "fine 1"])
def test_75_a_row_of_another_workflow_in_a_list_is_refused(which: str) -> None:
    with whole(4) as api:
        api.change(which, workflow_id="wf_other")
        client = ra.Client(KEY, api.server.url, max_attempts=1)  # type: ignore[union-attr]
        with pytest.raises(ra.ProtocolError, match="is of workflow 'wf_other'"):
            ra.check(api.flow, client=client, progress=False)
