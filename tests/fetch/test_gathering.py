"""Records on the way to one frame: when they become rows changes the memory it takes, no more."""

from __future__ import annotations

import json
import math
import tracemalloc

import pytest
from support.documents import result_document
from support.fakes import client_for
from support.faultserver import FaultServer, page
from support.history_api import HOUR, TODAY, HistoryApi, runs_at
from support.inside import RESULTS, RUNS, Collected, Gathering, paging, read_page
from support.results_api import ResultsApi, results_of

import retab_analysis as ra

AT = [1, 5_000, math.inf]


def test_no_pages_are_an_empty_frame_of_the_table() -> None:
    assert Gathering(RESULTS).frame().equals(RESULTS.empty())
    assert Collected(Gathering(RUNS)).frame().equals(RUNS.empty())


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
