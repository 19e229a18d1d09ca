"""Results: those of many runs at once, and single ones."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import polars as pl
import pytest
from support.documents import eval_document, result_document, run_document
from support.fakes import KEY, FakeTime, Recorder, client_for
from support.faultserver import FaultServer, Reply, page, reply
from support.frames import ArrowFrame
from support.inside import EVALS, RESULTS, RESULTS_WITH_PAYLOADS
from support.lettered_api import DAY, FIRST, LetteredApi

import retab_analysis as ra

AT_ONCE = FakeTime(chance=0.0)  # threads that can be stopped wait by the real clock
NOWHERE = "http://127.0.0.1:9"
RUNS_PATH, RESULTS_PATH = "/v1/workflows/evals/runs/", "/v1/workflows/evals/results"
Hook = Callable[[str, dict[str, str]], Reply | None]


def some_runs(number: int, each: int = 2, hook: Hook | None = None) -> LetteredApi:
    """So many runs, each of a version of its own, with so many results each.

    ``hook`` may answer what is asked of a run, or with a query, of its results.
    """

    def answer(request: str) -> Reply | None:
        address = urlsplit(request.split(" ")[1])
        query = dict(parse_qsl(address.query))
        if hook is None or not address.path.startswith((RUNS_PATH, RESULTS_PATH)):
            return None
        return hook(query.get("run_id", address.path.rpartition("/")[2]), query)

    codes = "".join(chr(ord("A") + at) for at in range(number))
    evals = {f"e{at}": "P" * number for at in range(each)}
    return LetteredApi(evals, codes, broken={"GET": answer})


def ids(frame: pl.DataFrame | None) -> list[str]:
    return frame["result_id"].to_list()


def run_ids(api: LetteredApi) -> list[str]:
    return [run.id for run in api.runs]


def all_ids(api: LetteredApi, runs: list[str]) -> list[str]:
    return [f"res_{run_id}_{each}" for run_id in runs for each in api.evals]


def our_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("retab_analysis")]


def client_of(api: LetteredApi, time: FakeTime | None = None, **settings: Any) -> ra.Client:
    return client_for(api.server.url, time, **settings)


# --- what comes, and in which order


def test_all_pages_of_all_runs_in_the_order_given_whatever_comes_first() -> None:
    last_first = threading.Semaphore(0)

    def slow_first(run_id: str, query: dict[str, str]) -> None:
        if run_id == "run_4" and query:
            for _ in range(3):
                last_first.acquire(timeout=5)
        elif query:
            last_first.release()

    order = [f"run_{at}" for at in (4, 0, 3, 1, 2)]
    with some_runs(5, 230, slow_first) as api:  # type: ignore[arg-type]
        frame = ra.fetch_results(order, client=client_of(api))
        queries = [each for each in api.server.queries if "run_id" in each]
    assert ids(frame) == all_ids(api, order)
    assert frame.schema == RESULTS.schema
    assert Counter(each["run_id"] for each in queries) == dict.fromkeys(order, 3)
    assert sum(f"{each} ".startswith(f"GET {RUNS_PATH[:-1]} ") for each in api.asked) == 1


def test_runs_of_ids_come_from_the_newest_pages_that_hold_several() -> None:
    with some_runs(165, 1) as api, client_of(api) as client:
        for its, requests in ((run_ids(api)[-60:], 1), (run_ids(api)[:4], 1 + 4)):
            before = len(api.asked)
            frame = ra.fetch_results(its, evals=False, client=client)
            assert frame["run_scope"].null_count() == 0
            assert len(api.asked) - before == len(its) + requests


TWO = some_runs(2)
FRAME = ra.decode_runs([TWO._document(run) for run in reversed(TWO.runs)])


@pytest.mark.parametrize(
    ("runs", "run_requests"),
    [
        (["run_1", "run_0"], 2),
        (("run_1", "run_0", "run_1"), 2),
        ((each for each in ("run_1", "run_0")), 2),
        (FRAME["run_id"], 2),
        (FRAME, 0),
        (FRAME.lazy(), 0),
        # As pandas gives it: nanoseconds, and floats for integers.
        (ArrowFrame(FRAME.cast({pl.Datetime: pl.Datetime("ns", "UTC"), pl.Int64: pl.Float64})), 0),
        (FRAME.to_dicts(), 2),
        ([{"id": "run_1"}, "run_0"], 2),
        (pl.concat([FRAME, FRAME]), 0),
        (FRAME.drop("workflow_version_id"), 2),
        (FRAME.select("run_id"), 2),
        (FRAME.with_columns(created_at=pl.lit("2026-05-18")), 2),
    ],
)
def test_runs_in_whatever_way_they_are_named(runs: Any, run_requests: int) -> None:
    with some_runs(2) as api:
        frame = ra.fetch_results(runs, client=client_of(api))
    assert ids(frame) == all_ids(api, ["run_1", "run_0"])
    assert frame["workflow_version_id"].to_list() == ["version_B"] * 2 + ["version_A"] * 2
    assert frame["run_created_at"].to_list() == [FIRST + DAY] * 2 + [FIRST] * 2
    assert sum(RUNS_PATH in each for each in api.asked) == run_requests
    assert api.asked.count(f"GET {RESULTS_PATH}") == 2


def test_saved_evals_may_be_a_frame_of_another_library() -> None:
    evals = ra.decode_evals([eval_document("e0", name="Zero")])
    with some_runs(1) as api:
        client = client_of(api)
        frame = ra.fetch_results("run_0", evals=ArrowFrame(evals), client=client)
        assert frame.equals(ra.fetch_results({"run_id": "run_0"}, evals=evals, client=client))
    assert frame["eval_name"].to_list() == ["Zero", None]


@pytest.mark.parametrize("run", [{}, {"run_id": None}, [{"name": "r0"}]])
def test_a_dict_without_a_run_is_refused(run: Any) -> None:
    with pytest.raises(ra.ConfigError, match="run"):
        ra.fetch_results(run, client=client_for(NOWHERE))


@pytest.mark.parametrize("known", [True, False])
def test_75_results_of_another_workflow_are_a_protocol_error(known: bool) -> None:
    with some_runs(2) as api:
        api.change("res_run_0_e1", workflow_id="other")
        runs = FRAME.filter(run_id="run_0") if known else "run_0"
        with pytest.raises(ra.ProtocolError, match="is of workflow 'other'"):
            ra.fetch_results(runs, client=client_of(api, max_attempts=1))


def test_the_run_columns_of_a_results_frame_are_not_those_of_its_runs() -> None:
    with some_runs(1) as api:
        api.change("res_run_0_e0", timing__created_at="2026-05-18T10:00:00Z")
        first = ra.fetch_results("run_0", client=client_of(api))
        again = ra.fetch_results(first, client=client_of(api))
    assert again.equals(first)
    assert again["run_created_at"].to_list() != again["created_at"].to_list()


def test_a_result_that_does_not_name_its_run_gets_it() -> None:
    with some_runs(4) as api:
        for each in all_ids(api, ["run_3"]):
            api.change(each, workflow_eval_run_id=None)
        frame = ra.fetch_results("run_3", client=client_of(api))
    assert frame["run_id"].to_list() == ["run_3", "run_3"]
    assert frame["workflow_version_id"].to_list() == ["version_D", "version_D"]


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


ASSERTED = '= {"total":"12.50","note":"two red apples"}'  # whatever the saved eval asserts by now
NAMED = ("Zero", "total.amount", ASSERTED)
NAMELESS = (None, None, ASSERTED)


@pytest.mark.parametrize(("expected", "words"), [(5, "> 5"), (5.0, "> 5"), (6, "number_compare 6")])
def test_an_operator_comes_from_a_saved_eval_that_expects_the_same(
    expected: float, words: str
) -> None:
    condition = {"kind": "number_compare", "op": "gt", "expected": 5}
    evals = ra.decode_evals(eval_document("e0", assertion__condition=condition))
    with some_runs(1, each=1) as api:
        asserted = {"condition_kind": "number_compare", "expected_value": expected}
        api.change(
            "res_run_0_e0",
            **{f"assertion_result__{name}": value for name, value in asserted.items()},
        )
        frame = ra.fetch_results("run_0", evals=evals, client=client_of(api))
    assert frame["condition"].to_list() == [words]


def test_an_evals_frame_fills_names_and_paths() -> None:
    evals = ra.decode_evals(saved_evals("wf"))
    again = evals.with_columns(eval_name=pl.lit("again"))
    with some_runs(2) as api:
        client, runs = client_of(api), run_ids(api)
        plain = ra.fetch_results(runs, evals=False, client=client)
        frame = ra.fetch_results(runs, evals=pl.concat([evals, again]), client=client)
    assert names(frame) == [NAMED, NAMELESS, NAMED, NAMELESS]
    assert names(plain) == [NAMELESS] * 4
    filled = ("eval_name", "path")
    assert frame.drop(filled).equals(plain.drop(filled))
    assert frame.schema == plain.schema == RESULTS.schema
    assert "GET /v1/workflows/evals" not in api.asked


def of_two_workflows(number: int) -> LetteredApi:
    """Runs of two workflows by turns, each with its saved evals."""
    api = some_runs(number)
    for at, run_id in enumerate(run_ids(api)):
        for each in (run_id, *all_ids(api, [run_id])):
            api.change(each, workflow_id=f"wf{at % 2}")
    for flow in ("wf0", "wf1"):
        saved = reply(body=page(saved_evals(flow)))
        api.broken[f"GET /v1/workflows/evals?workflow_id={flow}"] = saved
    return api


def test_the_saved_evals_of_each_workflow_are_read_once() -> None:
    with of_two_workflows(4) as api:
        frame = ra.fetch_results(run_ids(api), client=client_of(api))
    assert api.asked.count("GET /v1/workflows/evals") == 2
    assert names(frame) == [NAMED, NAMELESS] * 4
    assert ids(frame) == all_ids(api, run_ids(api))


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (reply(404, {"detail": "no such workflow"}), "no such workflow"),
        (reply(401), "401"),
        (reply(503), "503"),
        (reply(body={"data": None}), "page"),
    ],
)
def test_saved_evals_that_cannot_be_read_cost_no_result(
    fault: Reply, words: str, strict: bool
) -> None:
    with of_two_workflows(2) as api:
        api.broken["GET /v1/workflows/evals?workflow_id=wf0"] = fault
        client = client_of(api, AT_ONCE, max_attempts=1, max_concurrency=1)
        with pytest.warns(ra.ProblemsWarning, match="saved evals could not be read") as caught:
            frame = ra.fetch_results(run_ids(api), client=client, strict=strict)
    assert ids(frame) == all_ids(api, run_ids(api))
    assert frame.schema == RESULTS.schema
    # Where the key is refused, no further list is asked for.
    told_once = words == "401"
    assert names(frame)[2:] == [NAMELESS if told_once else NAMED, NAMELESS]
    assert [each.filename for each in caught] == [__file__]
    problems = caught[0].message.problems  # type: ignore[union-attr]
    assert problems["record_id"].to_list() == (["wf0", "wf1"] if told_once else ["wf0"])
    assert problems["reason"].str.contains(words).all()


def test_saved_evals_that_do_not_decode_leave_their_results_without_a_name() -> None:
    with some_runs(1) as api:
        api.change("e1", created_at=7)
        with pytest.warns(ra.ProblemsWarning, match="saved evals could not be read") as caught:
            frame = ra.fetch_results("run_0", client=client_of(api))
    assert frame["eval_name"].to_list() == ["e0", None]
    problems = caught[0].message.problems  # type: ignore[union-attr]
    assert problems["record_id"].to_list() == ["e1"]


def test_an_interrupt_while_the_saved_evals_come_loses_no_result() -> None:
    def interrupt(request: str) -> Reply:
        os.kill(os.getpid(), signal.SIGINT)
        return reply(body=b"{" + b" " * 100, drip=0.3)

    with some_runs(2) as api, ra.Client(KEY, api.server.url) as client:  # type: ignore[union-attr]
        api.broken["GET /v1/workflows/evals?"] = interrupt
        with pytest.raises(KeyboardInterrupt) as caught:
            ra.fetch_results(run_ids(api), client=client)
    assert ids(caught.value.partial) == all_ids(api, run_ids(api))  # type: ignore[attr-defined]
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


def spoilt(api: LetteredApi) -> None:
    api.change("res_run_0_e1", timing__duration_ms="long")
    api.change("res_run_2_e0", timing__started_at="noon")


def test_strict_names_the_result_and_keeps_the_other_runs() -> None:
    with some_runs(4) as api:
        spoilt(api)
        told = r"result res_run_0_e1: .*duration_ms.*run_0, run_2"
        with pytest.raises(ra.SchemaError, match=told) as caught:
            ra.fetch_results(run_ids(api), client=client_of(api))
    assert ids(caught.value.partial) == all_ids(api, ["run_1", "run_3"])
    assert caught.value.record_id == "res_run_0_e1"


def test_lenient_keeps_the_good_results_of_all_runs_and_warns_once() -> None:
    with some_runs(4) as api:
        spoilt(api)
        with pytest.warns(ra.ProblemsWarning, match="2 results left out") as caught:
            frame = ra.fetch_results(run_ids(api), client=client_of(api), strict=False)
    bad = ["res_run_0_e1", "res_run_2_e0"]
    assert ids(frame) == [each for each in all_ids(api, run_ids(api)) if each not in bad]
    assert [each.filename for each in caught] == [__file__]
    problems = caught[0].message.problems  # type: ignore[union-attr]
    assert problems["record_id"].to_list() == bad


def test_a_run_that_does_not_decode_leaves_its_columns_null_if_lenient() -> None:
    with some_runs(3) as api:
        api.change("run_1", total_evals="many")
        client, runs = client_of(api), run_ids(api)
        with pytest.raises(ra.SchemaError, match=r"run run_1: .*total_evals.*incomplete: run_1;"):
            ra.fetch_results(runs, client=client)
        with pytest.warns(ra.ProblemsWarning, match="document of the run"):
            frame = ra.fetch_results(runs, client=client, strict=False)
    assert ids(frame) == all_ids(api, runs)
    versions = frame["workflow_version_id"].to_list()
    assert versions == ["version_A", "version_A", None, None, "version_C", "version_C"]


# --- failures


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (reply(404, {"detail": "no such run"}), ra.NotFoundError),
        (Reply(b"", "reset"), ra.TransportError),
        (reply(body={"data": None}), ra.SchemaError),
        (reply(403), ra.PermissionDeniedError),
    ],
)
def test_126_one_run_that_fails_does_not_stall_the_others(
    fault: Reply, error: type[ra.RetabAnalysisError]
) -> None:
    def fail(run_id: str, query: dict[str, str]) -> Reply | None:
        return fault if run_id == "run_3" and query else None

    with some_runs(12, hook=fail) as api:
        with pytest.raises(error, match="1 of 12 runs are missing or incomplete: run_3;") as caught:
            ra.fetch_results(run_ids(api), client=client_of(api, AT_ONCE, max_attempts=2))
    others = [each for each in run_ids(api) if each != "run_3"]
    assert ids(caught.value.partial) == all_ids(api, others)
    assert caught.value.partial["workflow_version_id"].null_count() == 0  # type: ignore[index]
    assert caught.value.cursor is None


def test_the_pages_before_a_failure_are_in_partial_with_names() -> None:
    def fail(run_id: str, query: dict[str, str]) -> Reply | None:
        return reply(404) if run_id == "run_0" and "after" in query else None

    evals = ra.decode_evals([eval_document("e0", name="Zero")])
    with some_runs(2, 150, fail) as api, pytest.raises(ra.NotFoundError) as caught:
        ra.fetch_results(run_ids(api), evals=evals, client=client_of(api))
    partial = caught.value.partial
    assert ids(partial) == [*all_ids(api, ["run_0"])[:100], *all_ids(api, ["run_1"])]
    assert partial["eval_name"].drop_nulls().to_list() == ["Zero", "Zero"]


def test_the_message_names_no_more_runs_than_can_be_read() -> None:
    with some_runs(30, hook=lambda run_id, query: reply(404)) as api:
        told = r"30 of 30 .* run_19 and 10 more; .partial"
        with pytest.raises(ra.NotFoundError, match=told) as caught:
            ra.fetch_results(run_ids(api), client=client_of(api))
    assert ids(caught.value.partial) == []


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_no_more_requests_at_once_than_connections(workers: int) -> None:
    at_once: list[str] = []
    most = []

    def linger(run_id: str, query: dict[str, str]) -> None:
        at_once.append(run_id)
        most.append(len(at_once))
        time.sleep(0.01)
        at_once.remove(run_id)

    with some_runs(12, hook=linger) as api:  # type: ignore[arg-type]
        ra.fetch_results(run_ids(api), client=client_of(api, max_concurrency=workers))
        assert api.server.connections <= workers
    # All of them at one moment is a matter of the machine's load; more is never right.
    assert workers / 2 <= max(most) <= workers


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
        is_first = int(run_id.removeprefix("run_")) < 4
        if release.is_set() or (is_first and not (run_id == "run_0" and "after" in query)):
            return None
        hanging.release()
        if hangs == "answer":
            release.wait(60)
        if hangs == "body":
            return reply(body=b"{" + b" " * 100, drip=0.3)
        return reply(503, headers={"Retry-After": "20"})

    api = some_runs(12, 150, hang)
    for run in api.runs[1:]:
        run.results = ["e0", "e1"]
    try:
        with api, ra.Client(KEY, api.server.url, max_concurrency=4) as c:  # type: ignore[union-attr]
            with interrupt_when(hanging, 4) as at, pytest.raises(KeyboardInterrupt) as caught:
                ra.fetch_results(run_ids(api), client=c)
            assert time.monotonic() - at[0] < 20
            assert our_threads() == []
            others = [f"res_run_{run}_e{each}" for run in (1, 2, 3) for each in (0, 1)]
            partial = caught.value.partial  # type: ignore[attr-defined]
            assert ids(partial) == [*all_ids(api, ["run_0"])[:100], *others]
            assert partial["workflow_version_id"].null_count() == 0
            release.set()
            assert ra.fetch_results("run_5", client=c).height == 2, "the client is of no use"
    finally:
        release.set()


# --- progress


def test_progress_counts_runs_and_results() -> None:
    recorder = Recorder()
    with some_runs(3, each=120) as api:
        client = client_of(api, max_concurrency=1)
        ra.fetch_results(run_ids(api), client=client, progress=recorder)
    assert recorder.told == [(1, 3, "120 results"), (2, 3, "240 results"), (3, 3, "360 results")]
    assert recorder.closed == 1


def test_an_error_of_the_callers_progress_leaves_no_thread() -> None:
    class Broken(Recorder):
        def update(self, done: int, total: int | None = None, note: str = "") -> None:
            raise ZeroDivisionError

    recorder = Broken()
    with some_runs(20) as api, pytest.raises(ZeroDivisionError):
        ra.fetch_results(run_ids(api), client=client_of(api), progress=recorder)
    assert our_threads() == []
    assert recorder.closed == 1


# --- one result


def test_one_result_has_what_its_run_knows() -> None:
    with some_runs(8) as api:
        frame = ra.fetch_result("res_run_7_e0", client=client_of(api))
        assert api.asked == [f"GET {RESULTS_PATH}/res_run_7_e0", f"GET {RUNS_PATH}run_7"]
    assert frame.schema == RESULTS.schema
    told = frame.select("result_id", "run_id", "workflow_version_id", "run_created_at").row(0)
    assert told == ("res_run_7_e0", "run_7", "version_H", FIRST + 7 * DAY)


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


@pytest.mark.parametrize("times", [1, 9])
def test_62_the_results_of_another_run_are_asked_for_again(times: int) -> None:
    with some_runs(2) as api:
        other = reply(body=page(api._results(api.runs[1])))
        api.fail(f"GET {RESULTS_PATH}?", other, times=times)
        client = client_of(api, AT_ONCE)
        if times == 1:
            frame = ra.fetch_results("run_0", evals=False, client=client)
            assert set(frame["run_id"]) == {"run_0"}
            assert len(api.asked) == 3
            return
        told = "is of run 'run_1', but the request was for 'run_0'"
        with pytest.raises(ra.ProtocolError, match=told):
            ra.fetch_results("run_0", evals=False, client=client)


def test_62_another_result_is_not_the_one_that_was_asked_for() -> None:
    other, mine = (reply(body=result_document(each)) for each in ("x", "y"))
    with FaultServer([other, mine, reply(body=run_document())]) as server:
        frame = ra.fetch_result("y", client=client_for(server.url, AT_ONCE))
        assert frame["result_id"].to_list() == ["y"]
        assert len(server.requests) == 3
    with FaultServer([other]) as server:
        with pytest.raises(ra.ProtocolError, match="is result 'x', but the request was for 'y'"):
            ra.fetch_result("y", client=client_for(server.url, AT_ONCE))
