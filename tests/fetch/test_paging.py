"""FAULTS.md, paging: 20 to 28."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from support.documents import run_document
from support.fakes import Recorder, client_for
from support.faultserver import FaultServer, Reply, page, reply
from support.lettered_api import LetteredApi

import retab_analysis as ra


def ids(frame: pl.DataFrame | None) -> list[str]:
    return frame["run_id"].to_list()


def runs(*names: str) -> list[dict[str, object]]:
    return [run_document(name) for name in names]


def history(*pages: list[dict[str, object]]) -> list[Reply]:
    """The pages as answers; the cursor of page k is ``c<k>``."""
    last = len(pages)
    return [
        reply(body=page(records, f"c{k}" if k < last else None))
        for k, records in enumerate(pages, 1)
    ]


def test_all_pages_are_read_in_order() -> None:
    with FaultServer(history(runs("a", "b"), runs("c"), runs("d"))) as server:
        assert ids(ra.fetch_runs(client=client_for(server.url))) == ["a", "b", "c", "d"]
        assert [query.get("after") for query in server.queries] == [None, "c1", "c2"]
        assert {query["limit"] for query in server.queries} == {"100"}


def test_20_an_empty_page_with_a_cursor_goes_on() -> None:
    with FaultServer(history(runs("a"), [], [], runs("b"))) as server:
        assert ids(ra.fetch_runs(client=client_for(server.url))) == ["a", "b"]


def test_21_the_same_cursor_again_is_an_error_after_two_requests() -> None:
    with FaultServer([reply(body=page(runs("a"), "c"))]) as server:
        with pytest.raises(ra.PaginationError, match="'c' came a second time") as caught:
            ra.fetch_runs(client=client_for(server.url))
        assert len(server.requests) == 2
        assert ids(caught.value.partial) == ["a"]


def test_22_a_circle_of_cursors_is_an_error() -> None:
    answers = [reply(body=page(runs(name), cursor)) for name, cursor in ["aA", "bB", "cA"]]
    with FaultServer(answers) as server:
        with pytest.raises(ra.PaginationError) as caught:
            ra.fetch_runs(client=client_for(server.url))
        assert len(server.requests) == 3
        assert ids(caught.value.partial) == ["a", "b", "c"]


def test_22_the_cursor_that_was_given_counts() -> None:
    with FaultServer([reply(body=page(runs("a"), "mine"))]) as server:
        with pytest.raises(ra.PaginationError):
            ra.fetch_runs(after="mine", client=client_for(server.url))
        assert len(server.requests) == 1


def test_23_an_id_twice_is_one_row_of_the_later_document() -> None:
    older, newer = run_document("b", total_evals=1), run_document("b", total_evals=2)
    pages = history([run_document("a"), older], [newer, run_document("c")])
    with FaultServer(pages) as server:
        frame = ra.fetch_runs(client=client_for(server.url))
    assert ids(frame) == ["a", "b", "c"]
    assert frame["total_evals"].to_list() == [4, 2, 4]


@pytest.mark.parametrize("status", [400, 404])
def test_25_a_cursor_whose_row_is_gone(status: int) -> None:
    first = reply(body=page(runs("a"), "gone"))
    with FaultServer([first, reply(status, {"detail": "unknown cursor"})]) as server:
        with pytest.raises(ra.APIError, match="unknown cursor") as caught:
            ra.fetch_runs(client=client_for(server.url))
    assert ids(caught.value.partial) == ["a"]
    assert caught.value.cursor == "gone"


def test_26_a_page_size_clamped_by_the_server_loses_nothing() -> None:
    names = [f"r{i:03}" for i in range(250)]
    pages = [runs(*names[i : i + 20]) for i in range(0, 250, 20)]
    with FaultServer(history(*pages)) as server:
        assert ids(ra.fetch_runs(client=client_for(server.url))) == names


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (reply(500), ra.ServerError),
        (Reply(b"", "reset"), ra.TransportError),
        (reply(body=b"<html>"), ra.ProtocolError),
        (reply(body=page([{"id": "bad"}])), ra.SchemaError),
        (reply(401), ra.AuthenticationError),
    ],
)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_27_a_failure_on_page_k_can_be_resumed(
    k: int, fault: Reply, error: type[ra.RetabAnalysisError]
) -> None:
    pages = history(runs("a", "b"), runs("c", "d"), runs("e"))
    with FaultServer([*pages[: k - 1], fault]) as server:
        with pytest.raises(error) as caught:
            ra.fetch_runs(client=client_for(server.url, max_attempts=1))
    partial, cursor = caught.value.partial, caught.value.cursor
    assert ids(partial) == list("abcd"[: 2 * (k - 1)])
    assert cursor == (f"c{k - 1}" if k > 1 else None)
    with FaultServer(pages[k - 1 :]) as server:
        rest = ra.fetch_runs(after=cursor, client=client_for(server.url))
        assert server.queries[0].get("after") == cursor
    assert partial is not None
    assert ids(pl.concat([partial, rest])) == list("abcde")


def test_28_an_empty_cursor_is_none() -> None:
    with FaultServer([reply(body=page(runs("a"), ""))]) as server:
        assert ids(ra.fetch_runs(client=client_for(server.url))) == ["a"]
        assert len(server.requests) == 1


def test_a_page_without_metadata_is_no_silent_end() -> None:
    with FaultServer([reply(body={"data": runs("a")})]) as server:
        with pytest.raises(ra.SchemaError, match="list_metadata"):
            ra.fetch_runs(client=client_for(server.url))


def serve(count: int) -> LetteredApi:
    """Runs, one a minute, of which every other one ended in an error."""
    api = LetteredApi({"a": "P" * count}, scopes="w")
    for run in api.runs[::2]:
        run.status = "error"
    return api


@pytest.mark.parametrize(
    ("limit", "requests"), [(0, 0), (1, 1), (99, 1), (100, 1), (101, 2), (250, 3), (999, 3)]
)
def test_a_limit_asks_for_no_more_than_it_needs(limit: int, requests: int) -> None:
    with serve(250) as api:
        frame = ra.fetch_runs(limit=limit, client=api.client)
        assert frame.height == min(limit, 250)
        assert frame.schema == ra.fetch_runs(limit=1, client=api.client).schema
        assert api.server is not None
        assert len(api.asked) == requests + 1
        asked = sum(int(query["limit"]) for query in api.server.queries[:requests])
        assert asked <= max(limit, 0) + (100 if limit > 250 else 0) or limit == 999


def test_several_values_are_merged_in_order() -> None:
    with serve(30) as api:
        client = api.client
        everything = ra.fetch_runs(client=client)
        both = ra.fetch_runs(status=["error", "completed", "error"], client=client)
        assert both.equals(everything)
        assert len(api.asked) == 3
        oldest = ra.fetch_runs(status=["error", "completed"], order="asc", limit=5, client=client)
        assert oldest.equals(everything.reverse().head(5))
        assert ra.fetch_runs(status=[], client=client).equals(everything.clear())
        assert len(api.asked) == 5


def test_a_failure_among_several_queries_has_the_rows_but_no_cursor() -> None:
    of_each = [run_document(name, workflow_id=of) for name, of in (("a", "wf1"), ("b", "wf2"))]
    answers = [reply(body=page(of_each[:1])), reply(body=page(of_each[1:], "c")), reply(500)]
    with FaultServer(answers) as server:
        with pytest.raises(ra.ServerError) as caught:
            ra.fetch_runs(["wf1", "wf2"], client=client_for(server.url, max_attempts=1))
    assert ids(caught.value.partial) == ["a", "b"]
    assert caught.value.cursor is None


def test_a_cursor_goes_with_one_query_only() -> None:
    with pytest.raises(ra.ConfigError, match="single query"):
        ra.fetch_runs(["wf1", "wf2"], after="c", client=client_for("http://127.0.0.1:9"))


def test_progress_rises_through_pages_and_queries() -> None:
    recorder = Recorder()
    with serve(250) as api:
        ra.fetch_runs(client=api.client, progress=recorder)
        assert recorder.seen == [100, 200, 250]
        recorder.told.clear()
        ra.fetch_runs(status=["completed", "error"], client=api.client, progress=recorder)
        assert recorder.seen == [100, 125, 225, 250]
    assert recorder.closed == 2


def test_progress_is_closed_after_an_error() -> None:
    recorder = Recorder()
    with FaultServer([reply(401)]) as server, pytest.raises(ra.AuthenticationError):
        ra.fetch_workflows(client=client_for(server.url), progress=recorder)
    assert recorder.closed == 1


def test_lenient_keeps_the_good_records_of_all_pages_and_warns_once() -> None:
    bad = run_document("x", timing__duration_ms="long")
    worse = run_document("y", timing__started_at="noon")
    with FaultServer(history([run_document("a"), bad], [worse, run_document("b")])) as server:
        with pytest.warns(ra.ProblemsWarning, match="2 runs left out") as caught:
            frame = ra.fetch_runs(client=client_for(server.url), strict=False)
    assert ids(frame) == ["a", "b"]
    assert len(caught) == 1
    assert caught[0].filename == __file__
    problems = caught[0].message.problems
    assert problems["record_id"].to_list() == ["x", "y"]
    assert problems["path"].to_list() == [
        "$.data[1].timing.duration_ms",
        "$.data[0].timing.started_at",
    ]
    assert json.loads(problems["raw"][0])["id"] == "x"


def endless(records: Callable[[int], list[Any]]) -> Callable[[str], Reply]:
    """Always another cursor; the records of each page by its number."""
    number = itertools.count()

    def answer(request: str) -> Reply:
        at = next(number)
        return reply(body=page(records(at), f"c{at}"))

    return answer


@pytest.mark.parametrize(
    "records", [[], runs("a"), [{"id": "bad"}]], ids=["no rows", "old rows", "bad rows"]
)
@pytest.mark.parametrize("limit", [None, 100_000])
def test_60_a_list_without_an_end_is_an_error_after_a_hundred_pages(
    records: list[Any], limit: int | None
) -> None:
    with FaultServer([endless(lambda at: runs("a", "b") if at == 0 else records)]) as server:
        with pytest.raises(ra.PaginationError, match="100 pages in a row") as caught:
            ra.fetch_runs(limit=limit, strict=False, client=client_for(server.url))
        # With several readers the first of them is the one that is counted, and a few more ask.
        assert 101 <= len(server.requests) <= 110
    assert sorted(ids(caught.value.partial)) == ["a", "b"]
    assert caught.value.cursor is not None
