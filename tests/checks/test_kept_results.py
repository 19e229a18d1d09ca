"""Results of ended runs do not change: a client asks for them once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.inside import kept
from support.lettered_api import FLOW, LetteredApi, alike

import retab_analysis as ra

RUNS = 21
MOST = 12
"""How many requests a check takes beside those for results."""


@pytest.fixture
def api() -> Iterator[LetteredApi]:
    evals = {"broken": "P" * 18 + "FFF", "doubtful": "P" * 20 + "F", **alike(4, "P" * RUNS)}
    with LetteredApi(evals, codes="A" * 18 + "BBB") as made:
        yield made


def check(api: LetteredApi, client: ra.Client | None = None) -> tuple[ra.Comparison, int]:
    """A verdict, and how many requests for results it took; the others are few."""
    api.asked.clear()
    made = ra.check(FLOW, client=client or api.client, progress=False)
    return made, count(api)


def count(api: LetteredApi) -> int:
    asked = api.asked.count("GET /v1/workflows/evals/results")
    assert len(api.asked) - asked <= MOST
    return asked


def another(api: LetteredApi) -> ra.Client:
    made = ra.Client("sk_retab_test_7f3a9c", api.client.base_url)
    made._set_time(api.client._source)
    return made


def test_a_second_look_reads_the_results_of_new_runs_only(api: LetteredApi) -> None:
    before, first = check(api)
    again, second = check(api)
    assert (first, second) == (RUNS, 0)
    assert again.evals.equals(before.evals)
    api.run("FPPPPP")
    newer, third = check(api)
    assert third == 1
    fresh, _ = check(api, another(api))
    assert newer.evals.equals(fresh.evals)


@pytest.mark.parametrize("what", ["edited", "overview", "explore"])
def test_each_door_has_them_from_a_check(api: LetteredApi, what: str) -> None:
    check(api)
    api.asked.clear()
    if what == "edited":
        ra.start_runs(FLOW, only="edited", client=api.client)
    elif what == "overview":
        ra.overview(FLOW, client=api.client, progress=False)
    else:
        with ra.explore(FLOW, client=api.client) as view:
            view.wait(60)
    assert count(api) <= 1


def test_settle_reads_its_reruns(api: LetteredApi) -> None:
    before, _ = check(api)
    api.asked.clear()
    ra.settle(before, client=api.client, progress=False)
    assert len(api.started) == count(api) >= 1


def test_what_was_judged_again_or_came_late_is_read_again(api: LetteredApi) -> None:
    api.runs[-1].results = [each for each in api.evals if each != "broken"]
    late, _ = check(api)
    assert late.gate().exit_code == 1
    api.runs[-1].results = None
    assert check(api)[1] == 1, "not all of its results were there"
    api.runs[5].letters["fine 0"] = "F"
    assert check(api)[1] == 1, "its counts differ"
    assert check(api)[1] == 0


def test_a_run_that_goes_on_is_read_again(api: LetteredApi) -> None:
    api.run("PPPPPU")
    assert [check(api)[1] for _ in range(2)] == [RUNS + 1, 1]


def test_results_of_an_eval_that_was_deleted_since_are_remembered(api: LetteredApi) -> None:
    check(api)
    api.remove("broken", with_results=True)
    kept_ones, asked = check(api)
    fresh, _ = check(api, another(api))
    assert asked == 0
    assert kept_ones.removed["eval_id"].to_list() == ["broken"]
    assert {*fresh.evals["eval_id"]} == {*kept_ones.evals["eval_id"]} - {"broken"}


def test_fetch_results_always_asks(api: LetteredApi) -> None:
    check(api)
    api.asked.clear()
    ra.fetch_results("run_3", evals=False, client=api.client)
    assert count(api) == 1


@pytest.mark.parametrize(("name", "most"), [("MOST_RUNS", 5), ("MOST_BYTES", 0)])
def test_the_newest_ones_are_kept(
    api: LetteredApi, name: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, name, most)
    check(api)
    assert check(api)[1] == RUNS - most


def test_names_are_those_of_now(api: LetteredApi) -> None:
    check(api)
    api.change("broken", name="Total of invoice 7")
    made: Any = check(api)[0]
    assert made.broken["eval_name"].to_list() == ["Total of invoice 7"]
