"""Results: those of many runs at once, and single ones."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from support.documents import eval_document, result_document, run_document
from support.fakes import FakeTime, Recorder, client_for
from support.faultserver import FaultServer, Reply, page, reply
from support.frames import ArrowFrame
from support.inside import EVALS, RESULTS, RESULTS_WITH_PAYLOADS
from support.results_api import (
    RESULTS_PATH,
    RUNS_PATH,
    ResultsApi,
    body,
    our_threads,
    results_of,
    some_runs,
)

import retab_analysis as ra

AT_ONCE = FakeTime(chance=0.0)  # threads that can be stopped wait by the real clock
NOWHERE = "http://127.0.0.1:9"


def ids(frame: pl.DataFrame | None) -> list[str]:
    assert frame is not None
    return frame["result_id"].to_list()


def all_ids(api: ResultsApi, runs: list[str]) -> list[str]:
    return [record["id"] for run_id in runs for record in api.runs[run_id]]


def runs_frame(*run_ids: str) -> pl.DataFrame:
    return pl.concat(
        [ra.decode_runs(json.loads(body(ResultsApi({}).run(each)))) for each in run_ids]
    )


# --- what comes, and in which order


def test_all_pages_of_all_runs_in_the_order_given_whatever_comes_first() -> None:
    last_first = threading.Semaphore(0)

    def slow_first(run_id: str, query: dict[str, str]) -> None:
        if run_id == "r4" and query:
            for _ in range(3):
                last_first.acquire(timeout=5)
        elif query:
            last_first.release()

    api = ResultsApi(some_runs(5, each=230), slow_first)  # type: ignore[arg-type]
    order = ["r4", "r0", "r3", "r1", "r2"]
    with FaultServer([api]) as server:
        frame = ra.fetch_results(order, client=client_for(server.url))
    assert ids(frame) == all_ids(api, order)
    assert frame.schema == RESULTS.schema
    assert Counter(api.asked) == {
        **{f"run {each}": 1 for each in order},
        **{f"results {each}": 3 for each in order},
    }


FRAME = runs_frame("r1", "r0")


@pytest.mark.parametrize(
    ("runs", "run_requests"),
    [
        (["r1", "r0"], 2),
        (("r1", "r0", "r1"), 2),
        ((each for each in ("r1", "r0")), 2),
        (FRAME["run_id"], 2),
        (FRAME, 0),
        (FRAME.lazy(), 0),
        # As pandas gives it: nanoseconds, and floats for integers.
        (ArrowFrame(FRAME.cast({pl.Datetime: pl.Datetime("ns", "UTC"), pl.Int64: pl.Float64})), 0),
        (FRAME.to_dicts(), 2),
        ([{"id": "r1"}, "r0"], 2),
        (pl.concat([FRAME, FRAME]), 0),
        (FRAME.drop("workflow_version_id"), 2),
        (FRAME.select("run_id"), 2),
        (FRAME.with_columns(created_at=pl.lit("2026-05-18")), 2),
    ],
)
def test_runs_in_whatever_way_they_are_named(runs: Any, run_requests: int) -> None:
    api = ResultsApi(some_runs(2))
    with FaultServer([api]) as server:
        frame = ra.fetch_results(runs, client=client_for(server.url))
    assert ids(frame) == ["r1-0", "r1-1", "r0-0", "r0-1"]
    assert frame["workflow_version_id"].to_list() == ["v-r1"] * 2 + ["v-r0"] * 2
    days = [datetime(2026, 5, day, tzinfo=UTC) for day in (2, 2, 1, 1)]
    assert frame["run_created_at"].to_list() == days
    assert sum(each.startswith("run ") for each in api.asked) == run_requests
    assert sum(each.startswith("results ") for each in api.asked) == 2


def test_saved_evals_may_be_a_frame_of_another_library() -> None:
    evals = ra.decode_evals([eval_document("e0", name="Zero")])
    with FaultServer([ResultsApi(some_runs(1))]) as server:
        client = client_for(server.url)
        frame = ra.fetch_results("r0", evals=ArrowFrame(evals), client=client)
        assert frame.equals(ra.fetch_results({"run_id": "r0"}, evals=evals, client=client))
    assert frame["eval_name"].to_list() == ["Zero", None]


@pytest.mark.parametrize("run", [{}, {"run_id": None}, [{"name": "r0"}]])
def test_a_dict_without_a_run_is_refused(run: Any) -> None:
    with pytest.raises(ra.ConfigError, match="run"):
        ra.fetch_results(run, client=client_for(NOWHERE))


@pytest.mark.parametrize("known", [True, False])
def test_75_results_of_another_workflow_are_a_protocol_error(known: bool) -> None:
    api = ResultsApi(some_runs(2))
    frame = ra.decode_runs(json.loads(body(api.run("r0"))))
    api.runs["r0"][1]["workflow_id"] = "other"
    of_run = reply(body=run_document("r0"))
    api.hook = lambda run_id, query: None if query else of_run
    with FaultServer([api]) as server:
        with pytest.raises(ra.ProtocolError, match="is of workflow 'other'"):
            ra.fetch_results(
                frame if known else "r0", client=client_for(server.url, max_attempts=1)
            )


def test_the_run_columns_of_a_results_frame_are_not_those_of_its_runs() -> None:
    api = ResultsApi(some_runs(1))
    with FaultServer([api]) as server:
        first = ra.fetch_results("r0", client=client_for(server.url))
        again = ra.fetch_results(first, client=client_for(server.url))
    assert again.equals(first)
    assert again["run_created_at"].to_list() != again["created_at"].to_list()


def test_a_result_that_does_not_name_its_run_gets_it() -> None:
    records = [result_document("x", workflow_eval_run_id=None), result_document("y")]
    api = ResultsApi({"r3": [{**each, "workflow_eval_run_id": None} for each in records]})
    with FaultServer([api]) as server:
        frame = ra.fetch_results("r3", client=client_for(server.url))
    assert frame["run_id"].to_list() == ["r3", "r3"]
    assert frame["workflow_version_id"].to_list() == ["v-r3", "v-r3"]


@pytest.mark.parametrize("runs", [[], FRAME.clear(), FRAME["run_id"].clear(), FRAME.clear().lazy()])
@pytest.mark.parametrize("payloads", [False, True])
def test_no_runs_are_no_rows_and_no_requests(runs: Any, payloads: bool) -> None:
    frame = ra.fetch_results(runs, payloads=payloads, client=client_for(NOWHERE))
    assert frame.equals((RESULTS_WITH_PAYLOADS if payloads else RESULTS).empty())


@pytest.mark.parametrize("bad", [".", "..", "", "\ud800"])
@pytest.mark.parametrize("call", [ra.fetch_result, ra.open_document, ra.fetch_run])
def test_37_an_impossible_id_is_refused(call: Callable[..., object], bad: str) -> None:
    with pytest.raises(ra.ConfigError):
        call(bad, client=client_for(NOWHERE))


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        (None, "runs is None"),
        (7, "runs must be a string or several strings, got int"),
        (["a", 7], "runs must be a string, got int"),
        (pl.DataFrame({"id": ["a"]}), "runs has no column run_id; it has id"),
        ([""], "runs is empty"),
    ],
)
def test_what_is_no_runs_is_refused(runs: Any, words: str) -> None:
    with pytest.raises(ra.ConfigError, match=words):
        ra.fetch_results(runs, client=client_for(NOWHERE))


# --- evals= and payloads=


OTHER = {"kind": "contains", "expected": "42"}


def saved_evals(workflow_id: str) -> list[dict[str, Any]]:
    return [
        eval_document("e0", name="Zero", assertion__condition=OTHER, workflow_id=workflow_id),
        eval_document("e9", workflow_id=workflow_id),
    ]


def names(frame: pl.DataFrame) -> list[tuple[str | None, str | None, str | None]]:
    return frame.select("eval_name", "path", "condition").rows()


ASSERTED = '= {"total":2}'  # whatever the saved eval asserts by now
NAMED = ("Zero", "total.amount", ASSERTED)
NAMELESS = (None, None, ASSERTED)


@pytest.mark.parametrize(("expected", "words"), [(5, "> 5"), (5.0, "> 5"), (6, "number_compare 6")])
def test_an_operator_comes_from_a_saved_eval_that_expects_the_same(
    expected: float, words: str
) -> None:
    condition = {"kind": "number_compare", "op": "gt", "expected": 5}
    runs = some_runs(1, each=1)
    runs["r0"][0]["assertion_result"] |= {
        "condition_kind": "number_compare",
        "expected_value": expected,
    }
    evals = ra.decode_evals(eval_document("e0", assertion__condition=condition))
    with FaultServer([ResultsApi(runs)]) as server:
        frame = ra.fetch_results("r0", evals=evals, client=client_for(server.url))
    assert frame["condition"].to_list() == [words]


def test_an_evals_frame_fills_names_and_paths() -> None:
    evals = ra.decode_evals(saved_evals("wf"))
    again = evals.with_columns(eval_name=pl.lit("again"))
    api = ResultsApi(some_runs(2))
    with FaultServer([api]) as server:
        client = client_for(server.url)
        plain = ra.fetch_results(["r0", "r1"], evals=False, client=client)
        frame = ra.fetch_results(["r0", "r1"], evals=pl.concat([evals, again]), client=client)
    assert names(frame) == [NAMED, NAMELESS, NAMED, NAMELESS]
    assert names(plain) == [NAMELESS] * 4
    filled = ("eval_name", "path")
    assert frame.drop(filled).equals(plain.drop(filled))
    assert frame.schema == plain.schema == RESULTS.schema
    assert api.evals_asked == []


def test_the_saved_evals_of_each_workflow_are_read_once() -> None:
    runs = some_runs(4)
    for number, records in enumerate(runs.values()):
        for record in records:
            record["workflow_id"] = f"wf{number % 2}"
    api = ResultsApi(runs, evals=lambda flow: reply(body=page(saved_evals(flow))))
    with FaultServer([api]) as server:
        frame = ra.fetch_results(list(runs), client=client_for(server.url))
    assert sorted(api.evals_asked) == ["wf0", "wf1"]
    assert names(frame) == [NAMED, NAMELESS] * 4
    assert ids(frame) == all_ids(api, list(runs))


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (reply(404, {"detail": "no such workflow"}), "no such workflow"),
        (reply(403), "403"),
        (reply(401), "401"),
        (reply(503), "503"),
        (Reply(b"", "reset"), "reset|broke off|closed"),
        (reply(body=b"<html>"), "JSON"),
        (reply(body={"data": None}), "page"),
    ],
)
def test_saved_evals_that_cannot_be_read_cost_no_result(
    fault: Reply, words: str, strict: bool
) -> None:
    def evals(workflow_id: str) -> Reply:
        return fault if workflow_id == "wf0" else reply(body=page(saved_evals(workflow_id)))

    runs = some_runs(2)
    for number, records in enumerate(runs.values()):
        for record in records:
            record["workflow_id"] = f"wf{number}"
    api = ResultsApi(runs, evals=evals)
    with FaultServer([api]) as server:
        client = client_for(server.url, AT_ONCE, max_attempts=1, max_concurrency=1)
        with pytest.warns(ra.ProblemsWarning, match="saved evals could not be read") as caught:
            frame = ra.fetch_results(list(runs), client=client, strict=strict)
    assert ids(frame) == all_ids(api, list(runs))
    assert frame.schema == RESULTS.schema
    # Where the key is refused, no further list is asked for.
    told_once = words == "401"
    assert names(frame)[2:] == [NAMELESS if told_once else NAMED, NAMELESS]
    assert [each.filename for each in caught] == [__file__]
    problems = caught[0].message.problems  # type: ignore[union-attr]
    assert problems["record_id"].to_list() == (["wf0", "wf1"] if told_once else ["wf0"])
    assert problems["reason"].str.contains(words).all()


def test_saved_evals_that_do_not_decode_leave_their_results_without_a_name() -> None:
    documents = [*saved_evals("wf_invoices"), eval_document("e1", created_at=7)]
    api = ResultsApi(some_runs(1), evals=lambda flow: reply(body=page(documents)))
    with FaultServer([api]) as server:
        with pytest.warns(ra.ProblemsWarning, match="saved evals could not be read") as caught:
            frame = ra.fetch_results("r0", client=client_for(server.url))
    assert names(frame) == [NAMED, NAMELESS]
    problems = caught[0].message.problems  # type: ignore[union-attr]
    assert problems["record_id"].to_list() == ["e1"]


def test_an_interrupt_while_the_saved_evals_come_loses_no_result() -> None:
    def interrupt(workflow_id: str) -> Reply:
        os.kill(os.getpid(), signal.SIGINT)
        return reply(body=b"{" + b" " * 100, drip=0.3)

    api = ResultsApi(some_runs(2), evals=interrupt)
    with FaultServer([api]) as server, ra.Client("some_key", server.url) as client:
        with pytest.raises(KeyboardInterrupt) as caught:
            ra.fetch_results(["r0", "r1"], client=client)
    assert ids(caught.value.partial) == all_ids(api, ["r0", "r1"])  # type: ignore[attr-defined]
    assert our_threads() == []


@pytest.mark.parametrize(
    "evals",
    [
        [],
        "wf",
        0,
        pl.DataFrame({"eval_id": ["a"]}),
        EVALS.empty().drop("condition"),
        EVALS.empty().cast({"eval_name": pl.Int64}),
        FRAME,
    ],
)
def test_what_is_not_an_evals_frame_is_refused(evals: Any) -> None:
    with pytest.raises((ra.ConfigError, ra.SchemaError), match=r"evals .*an EVALS frame"):
        ra.fetch_results("r0", evals=evals, client=client_for(NOWHERE))


# --- what does not decode


def spoilt(api: ResultsApi) -> None:
    api.runs["r0"][1]["timing"]["duration_ms"] = "long"
    api.runs["r2"][0]["timing"]["started_at"] = "noon"


def test_strict_names_the_result_and_keeps_the_other_runs() -> None:
    api = ResultsApi(some_runs(4))
    spoilt(api)
    with FaultServer([api]) as server:
        with pytest.raises(ra.SchemaError, match=r"result r0-1: .*duration_ms.*r0, r2") as caught:
            ra.fetch_results(list(api.runs), client=client_for(server.url))
    assert ids(caught.value.partial) == ["r1-0", "r1-1", "r3-0", "r3-1"]
    assert caught.value.record_id == "r0-1"


def test_lenient_keeps_the_good_results_of_all_runs_and_warns_once() -> None:
    api = ResultsApi(some_runs(4))
    spoilt(api)
    with FaultServer([api]) as server:
        with pytest.warns(ra.ProblemsWarning, match="2 results left out") as caught:
            frame = ra.fetch_results(list(api.runs), client=client_for(server.url), strict=False)
    assert ids(frame) == ["r0-0", "r1-0", "r1-1", "r2-1", "r3-0", "r3-1"]
    assert [each.filename for each in caught] == [__file__]
    problems = caught[0].message.problems  # type: ignore[union-attr]
    assert problems["record_id"].to_list() == ["r0-1", "r2-0"]


def test_a_run_that_does_not_decode_leaves_its_columns_null_if_lenient() -> None:
    def bad_run(run_id: str, query: dict[str, str]) -> Reply | None:
        is_bad = run_id == "r1" and not query
        return reply(body=run_document("r1", total_evals="many")) if is_bad else None

    api = ResultsApi(some_runs(3), bad_run)
    with FaultServer([api]) as server:
        client = client_for(server.url)
        with pytest.raises(ra.SchemaError, match=r"run r1: .*total_evals.*incomplete: r1;"):
            ra.fetch_results(list(api.runs), client=client)
        with pytest.warns(ra.ProblemsWarning, match="document of the run"):
            frame = ra.fetch_results(list(api.runs), client=client, strict=False)
    assert ids(frame) == all_ids(api, list(api.runs))
    versions = frame["workflow_version_id"].to_list()
    assert versions == ["v-r0", "v-r0", None, None, "v-r2", "v-r2"]


# --- failures


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (reply(404, {"detail": "no such run"}), ra.NotFoundError),
        (reply(500), ra.ServerError),
        (Reply(b"", "reset"), ra.TransportError),
        (reply(body=b"<html>"), ra.ProtocolError),
        (reply(body={"data": None}), ra.SchemaError),
        (reply(429), ra.RateLimitError),
        (reply(403), ra.PermissionDeniedError),
    ],
)
def test_one_run_that_fails_does_not_stall_the_others(
    fault: Reply, error: type[ra.RetabAnalysisError]
) -> None:
    def fail(run_id: str, query: dict[str, str]) -> Reply | None:
        return fault if run_id == "r3" and query else None

    api = ResultsApi(some_runs(12), fail)
    with FaultServer([api]) as server:
        with pytest.raises(error, match="1 of 12 runs are missing or incomplete: r3;") as caught:
            ra.fetch_results(list(api.runs), client=client_for(server.url, AT_ONCE, max_attempts=2))
    others = [each for each in api.runs if each != "r3"]
    assert ids(caught.value.partial) == all_ids(api, others)
    assert caught.value.partial["workflow_version_id"].null_count() == 0  # type: ignore[index]
    assert caught.value.cursor is None


def test_the_pages_before_a_failure_are_in_partial_with_names() -> None:
    def fail(run_id: str, query: dict[str, str]) -> Reply | None:
        return reply(404) if run_id == "r0" and "after" in query else None

    api = ResultsApi(some_runs(2, each=150), fail)
    evals = ra.decode_evals([eval_document("e0", name="Zero")])
    with FaultServer([api]) as server:
        with pytest.raises(ra.NotFoundError) as caught:
            ra.fetch_results(["r0", "r1"], evals=evals, client=client_for(server.url))
    partial = caught.value.partial
    assert ids(partial) == [*all_ids(api, ["r0"])[:100], *all_ids(api, ["r1"])]
    assert partial is not None
    assert partial["eval_name"].drop_nulls().to_list() == ["Zero", "Zero"]


def test_the_message_names_no_more_runs_than_can_be_read() -> None:
    api = ResultsApi(some_runs(30), lambda run_id, query: reply(404))
    with FaultServer([api]) as server:
        with pytest.raises(ra.NotFoundError, match=r"30 of 30 .* r19 and 10 more; .partial") as caught:
            ra.fetch_results(list(api.runs), client=client_for(server.url))
    assert ids(caught.value.partial) == []


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_no_more_requests_at_once_than_connections(workers: int) -> None:
    def linger(run_id: str, query: dict[str, str]) -> None:
        time.sleep(0.01)

    api = ResultsApi(some_runs(12), linger)  # type: ignore[arg-type]
    with FaultServer([api]) as server:
        ra.fetch_results(list(api.runs), client=client_for(server.url, max_concurrency=workers))
        assert server.connections <= workers
    # All of them at one moment is a matter of the machine's load; more is never right.
    assert workers / 2 <= api.most_at_once <= workers


# --- Ctrl-C


@contextmanager
def interrupt_when(ready: threading.Semaphore, number: int) -> Iterator[list[float]]:
    """Ctrl-C once so many have told that they are ready; when it came."""
    at: list[float] = []

    def interrupt() -> None:
        for _ in range(number):
            assert ready.acquire(timeout=60)
        at.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    yield at
    thread.join(5)


@pytest.mark.parametrize("hangs", ["answer", "body", "backoff"])
def test_ctrl_c_stops_within_a_second_and_loses_nothing(hangs: str) -> None:
    hanging, release = threading.Semaphore(0), threading.Event()

    def hang(run_id: str, query: dict[str, str]) -> Reply | None:
        if int(run_id[1:]) < 4 and not (run_id == "r0" and "after" in query):
            return None
        hanging.release()
        if hangs == "answer":
            release.wait(60)
        if hangs == "body":
            return reply(body=b"{" + b" " * 100, drip=0.3)
        return reply(503, headers={"Retry-After": "20"})

    api = ResultsApi({**some_runs(12), "r0": results_of("r0", 150)}, hang)
    try:
        with (
            FaultServer([api]) as server,
            ra.Client("some_key", server.url, max_concurrency=4) as c,
        ):
            with interrupt_when(hanging, 4) as at, pytest.raises(KeyboardInterrupt) as caught:
                ra.fetch_results(list(api.runs), client=c)
            assert time.monotonic() - at[0] < 20
            assert our_threads() == []
            expected = [*all_ids(api, ["r0"])[:100], *all_ids(api, ["r1", "r2", "r3"])]
            partial = caught.value.partial  # type: ignore[attr-defined]
            assert ids(partial) == expected
            assert partial["workflow_version_id"].null_count() == 0
            release.set()
            api.hook = lambda run_id, query: None
            assert ra.fetch_results("r5", client=c).height == 2, "the client is of no use any more"
    finally:
        release.set()


# --- progress


def test_progress_counts_runs_and_results() -> None:
    recorder = Recorder()
    with FaultServer([ResultsApi(some_runs(3, each=120))]) as server:
        client = client_for(server.url, max_concurrency=1)
        ra.fetch_results(["r0", "r1", "r2"], client=client, progress=recorder)
    assert recorder.told == [(1, 3, "120 results"), (2, 3, "240 results"), (3, 3, "360 results")]
    assert recorder.closed == 1


def test_an_error_of_the_callers_progress_leaves_no_thread() -> None:
    class Broken(Recorder):
        def update(self, done: int, total: int | None = None, note: str = "") -> None:
            raise ZeroDivisionError

    recorder = Broken()
    with FaultServer([ResultsApi(some_runs(20))]) as server, pytest.raises(ZeroDivisionError):
        ra.fetch_results(list(some_runs(20)), client=client_for(server.url), progress=recorder)
    assert our_threads() == []
    assert recorder.closed == 1


# --- one result


def test_one_result_has_what_its_run_knows() -> None:
    answers = [
        reply(body=result_document("x", workflow_eval_run_id="r7")),
        ResultsApi({}).run("r7"),
    ]
    with FaultServer(answers) as server:
        frame = ra.fetch_result("x", client=client_for(server.url))
        assert server.paths == [f"{RESULTS_PATH}/x", f"{RUNS_PATH}r7"]
    assert frame.schema == RESULTS.schema
    assert frame.select("result_id", "run_id", "workflow_version_id").row(0) == ("x", "r7", "v-r7")
    assert frame["run_created_at"][0] == datetime(2026, 5, 8, tzinfo=UTC)


def test_one_result_without_a_run() -> None:
    with FaultServer([reply(body=result_document("x", workflow_eval_run_id=None))]) as server:
        frame = ra.fetch_result("x", client=client_for(server.url))
        assert len(server.requests) == 1
    assert frame["workflow_version_id"].to_list() == [None]


def test_one_result_whose_run_is_gone_is_in_partial() -> None:
    with FaultServer([reply(body=result_document("x")), reply(404)]) as server:
        with pytest.raises(ra.NotFoundError) as caught:
            ra.fetch_result("x", client=client_for(server.url))
    assert ids(caught.value.partial) == ["x"]


def test_a_frame_of_another_library_is_not_taken_for_the_names_of_its_columns() -> None:
    frame = type("DataFrame", (), {"__module__": "pandas", "columns": ["run_id"]})()
    with pytest.raises(ra.ConfigError, match=r"polars\.from_pandas converts it"):
        ra.fetch_results(frame, client=ra.Client("some_key", "http://127.0.0.1:1"))


def test_62_the_results_of_another_run_are_asked_for_again() -> None:
    other, mine = (reply(body=page(results_of(each))) for each in ("r1", "r0"))
    with FaultServer([ResultsApi({}).run("r0"), other, mine]) as server:
        frame = ra.fetch_results("r0", evals=False, client=client_for(server.url, AT_ONCE))
        assert len(server.requests) == 3
    assert set(frame["run_id"]) == {"r0"}
    with FaultServer([ResultsApi({}).run("r0"), other]) as server:
        with pytest.raises(ra.ProtocolError, match="is of run 'r1', but the request was for 'r0'"):
            ra.fetch_results("r0", evals=False, client=client_for(server.url, AT_ONCE))


def test_62_another_result_is_not_the_one_that_was_asked_for() -> None:
    other, mine = (reply(body=result_document(each)) for each in ("x", "y"))
    with FaultServer([other, mine, reply(body=run_document())]) as server:
        frame = ra.fetch_result("y", client=client_for(server.url, AT_ONCE))
        assert frame["result_id"].to_list() == ["y"]
        assert len(server.requests) == 3
    with FaultServer([other]) as server:
        with pytest.raises(ra.ProtocolError, match="is result 'x', but the request was for 'y'"):
            ra.fetch_result("y", client=client_for(server.url, AT_ONCE))
