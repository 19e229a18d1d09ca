"""Records on the way to one frame: when they become rows changes the memory it takes, no more."""

from __future__ import annotations

import json
import math
import threading
import tracemalloc
from typing import Any

import polars as pl
import pytest
from support.documents import result_document, run_document
from support.fakes import client_for
from support.faultserver import FaultServer, page
from support.history_api import HOUR, TODAY, HistoryApi, runs_at
from support.inside import RESULTS, RUNS, Collected, Gathering, Page, paging, read_page
from support.results_api import ResultsApi, results_of

import retab_analysis as ra

AT = [1, 5_000, math.inf]


def read(*records: dict[str, Any]) -> Page:
    return read_page(RUNS.record, json.dumps(page(list(records))).encode())


@pytest.mark.parametrize("at", AT)
def test_lists_come_one_behind_the_other_whenever_their_pages_came(
    at: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "_GATHERED_AT", at)
    gathering = Gathering(RUNS)
    lists = [Collected(gathering, number=number) for number in range(3)]
    for number, at_page, names in [
        (2, 0, "ab"),
        (0, 0, "cd"),
        (2, 1, "e"),
        (0, 1, "fc"),
        (2, 2, "ga"),
    ]:
        # The later document of an id wins, and stands where it came.
        documents = [run_document(name, total_evals=at_page) for name in names]
        lists[number].add(read(*documents))
    assert gathering.frame()["run_id"].to_list() == list("dfcbega")
    assert gathering.frame()["total_evals"].to_list() == [0, 1, 1, 0, 1, 2, 2]
    assert [each.frame()["run_id"].to_list() for each in lists] == [
        *(list("dfc"), [], list("bega")),
    ]
    lists[1].add(read(run_document("a")))
    # An id that two lists have is in both.
    assert gathering.frame()["run_id"].to_list() == list("dfcabega")


def test_no_pages_are_an_empty_frame_of_the_table() -> None:
    assert Gathering(RESULTS).frame().equals(RESULTS.empty())
    assert Collected(Gathering(RUNS)).frame().equals(RUNS.empty())


@pytest.mark.parametrize("count", [1, 29, 30, 31, 400])
def test_few_records_and_many_become_the_same_cells(count: int) -> None:
    documents = [
        result_document(
            f"r{at}", warnings=[f"w{at}", "x"][: at % 3], assertion_result__score=at / 7 or None
        )
        for at in range(count)
    ]
    alone = pl.concat([ra.decode_results(each) for each in documents])
    assert ra.decode_results(documents).equals(alone)


@pytest.mark.parametrize("at", AT)
def test_what_is_fetched_does_not_depend_on_it(at: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_GATHERED_AT", at)
    runs = {f"r{number}": results_of(f"r{number}", 3 * number) for number in range(8)}
    with FaultServer([ResultsApi(runs)]) as server:
        found = ra.fetch_results(list(runs), evals=False, client=client_for(server.url))
    expected = [record["id"] for records in runs.values() for record in records]
    assert found["result_id"].to_list() == expected
    api = HistoryApi(runs_at([TODAY - number * HOUR for number in range(1200)]))
    with FaultServer([api]) as server:
        history = ra.fetch_runs(client=client_for(server.url))
    assert history["run_id"].to_list() == [run.id for run in api.chosen({"order": "desc"})]


def test_the_memory_that_waits_is_bounded_by_the_size_of_the_bodies() -> None:
    value = "x" * 200_000
    body = json.dumps(page([result_document(assertion_result__actual_value=value)])).encode()
    gathering = Gathering(RESULTS)
    tracemalloc.start()
    try:
        for _ in range(400):
            # A raw value keeps the body that it was sent in, a copy of its own each time.
            gathering.add(read_page(RESULTS.record, bytes(bytearray(body))))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * paging._GATHERED_AT < 400 * len(body) / 2
    assert gathering.rows().height == 400


def test_threads_that_add_at_once_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_GATHERED_AT", 3_000)
    gathering = Gathering(RUNS)
    lists = [Collected(gathering, number=number) for number in range(8)]

    def fill(into: Collected) -> None:
        for at in range(30):
            into.add(read(run_document(f"{into.number}-{at}")))

    threads = [threading.Thread(target=fill, args=(each,)) for each in lists]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    expected = [f"{number}-{at}" for number in range(8) for at in range(30)]
    assert gathering.frame()["run_id"].to_list() == expected
