"""Start runs and cancel them."""

from __future__ import annotations

import io
import json
import os
import signal
import warnings
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from support.dialects import DIALECTS, Dialect, spoken
from support.documents import eval_document, run_document
from support.fakes import KEY, client_for
from support.faultserver import FaultServer, Reply, page, reply
from support.inside import RUNS

import retab_analysis as ra

IGNORED = "idempotency keys ignored"
NOWHERE = "http://127.0.0.1:9"


def bodies(server: FaultServer) -> list[dict[str, Any]]:
    starts = (each for each in server.requests if each.startswith("POST /v1/workflows/evals/runs "))
    return [json.loads(request.partition("\r\n\r\n")[2]) for request in starts]


AT = datetime(2026, 5, 18, 10, tzinfo=UTC)  # a run document's
DATED = {"Date": format_datetime(AT, usegmt=True)}
OF_BLOCK = {"target": {"type": "block", "block_id": "b1"}}


def started(*run_ids: str, **changes: Any) -> list[Reply]:
    usual = {"workflow_id": "wf", "target": None, "lifecycle__status": "pending"}
    made = (run_document(each, **{**usual, **changes}) for each in run_ids)
    return [reply(201, each, DATED) for each in made]


SAVED = reply(
    body=page(
        [
            eval_document(each, name=name, workflow_id="wf", target__block_id=block)
            for each, name, block in (
                *(("e1", "first", "b1"), ("e2", "second", "b1")),
                *(("e3", "Total", "b1"), ("e4", "Total", "b2")),
            )
        ]
    )
)


class StartServer(FaultServer):
    """Gives its answers in order, beside that to who asks which evals there are."""

    saved: Reply | None = SAVED

    def _next(self, request: str) -> Reply:
        is_list = request.startswith("GET /v1/workflows/evals?")
        return self.saved if is_list and self.saved else super()._next(request)


WHOLE = {"type": "workflow"}
ONE, TWO = {"type": "single", "eval_id": "e1"}, {"type": "single", "eval_id": "e2"}
BLOCK = {"type": "block", "block_id": "b1"}


def answers_to(scopes: list[dict[str, str]]) -> list[Reply]:
    of = {"single": lambda each: {"eval_id": each["eval_id"]}, "block": lambda each: OF_BLOCK}
    made = [of.get(each["type"], lambda _: {})(each) for each in scopes]
    return [started(f"r{at}", **each)[0] for at, each in enumerate(made)] or [reply(500)]


@pytest.mark.parametrize(
    ("arguments", "scopes"),
    [
        ({}, [WHOLE]),
        ({"repeat": 3}, [WHOLE] * 3),
        ({"evals": "e1"}, [ONE]),
        ({"evals": ["e1", "second", "e1", "e2"]}, [ONE, TWO]),
        ({"evals": pl.Series(["e1", "e2"]), "repeat": 2}, [ONE, ONE, TWO, TWO]),
        ({"blocks": ["b1"]}, [BLOCK]),
        ({"evals": ["e1"], "blocks": "b1"}, [ONE, BLOCK]),
        ({"evals": []}, []),
    ],
)
def test_a_run_is_started_for_each_scope(
    arguments: dict[str, Any], scopes: list[dict[str, str]]
) -> None:
    with StartServer(answers_to(scopes)) as server:
        runs = ra.start_runs("wf", client=client_for(server.url), **arguments)
        assert bodies(server) == [{"workflow_id": "wf", "scope": scope} for scope in scopes]
    assert runs.schema == RUNS.schema
    assert runs["run_id"].to_list() == [f"r{i}" for i in range(len(scopes))]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "Starting 1 run of 4 evals in wf."),
        ({"repeat": 3}, "Starting 3 runs of 4 evals each in wf."),
        ({"evals": ["e1", "second"], "repeat": 3}, "Starting 6 runs of 1 eval each in wf."),
        ({"evals": "e1"}, "Starting 1 run of 1 eval in wf."),
        ({"blocks": "b1"}, "Starting 1 run of 3 evals in wf."),
        ({"evals": "e1", "blocks": ["b1", "b2"]}, "Starting 3 runs of 5 evals together in wf."),
    ],
)
def test_how_many_are_started_is_said_before(
    arguments: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []

    def start(request: str) -> Reply:
        told.append(capsys.readouterr().err)
        return reply(403)

    with StartServer([start]) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ra.PermissionDeniedError):
            ra.start_runs("wf", client=client_for(server.url), **arguments)
    assert told == [f"{said}\n"]


def test_where_nobody_can_be_told_it_is_started_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr("sys.stderr", stream)
        with StartServer(started("r1")) as server:
            assert ra.start_runs("wf", client=client_for(server.url)).height == 1


UNANSWERED = {
    "503": reply(503),
    "reset": Reply(b"", "reset"),
    "closed": Reply(b"", "close"),
    "html": reply(body=b"<p>"),
    "408": reply(408),
    "409": reply(409, {"detail": "a request with this key is under way"}),
    "another shape": reply(201, {"id": "r9", "workflow_id": 7}),
}


def posts(server: FaultServer) -> int:
    return sum(request.startswith("POST ") for request in server.requests)


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429])
def test_a_start_that_was_refused_is_not_looked_for(status: int) -> None:
    with StartServer([*started("r1"), reply(status, headers={"Retry-After": "1"})]) as server:
        with pytest.raises(ra.APIError) as caught:
            ra.start_runs("wf", repeat=5, client=client_for(server.url))
        assert len(server.requests) == 2
    assert caught.value.unconfirmed is None


def listed(*runs: tuple[str, dict[str, Any]], dated: datetime | None = None) -> Reply:
    headers = {} if dated is None else {"Date": format_datetime(dated, usegmt=True)}
    now = datetime.now(UTC).isoformat()
    usual = {"workflow_id": "wf", "target": None, "timing__created_at": now}
    return reply(
        body=page([run_document(each, **{**usual, **how}) for each, how in runs]), headers=headers
    )


LONG_AGO = {"timing__created_at": "2020-01-01T00:00:00Z"}


def keys(server: FaultServer) -> list[str]:
    """The Idempotency-Key of each start."""
    at = [n for n, each in enumerate(server.requests) if each.startswith("POST ")]
    return [server.header("Idempotency-Key", each) or "" for each in at]


@pytest.mark.parametrize("fault", UNANSWERED.values(), ids=UNANSWERED)
def test_121_a_lost_run_that_is_found_is_taken_and_the_other_starts_go_on(fault: Reply) -> None:
    found = listed(("r1", {}), ("r7", {}), ("r8", OF_BLOCK), ("r9", LONG_AGO))
    with StartServer([*started("r1"), fault, found, *started("r3")]) as server:
        with pytest.warns(UserWarning, match="takes r7 for the run that it started") as warned:
            runs = ra.start_runs("wf", repeat=3, client=client_for(server.url))
        asked = server.queries[2]
        assert len({UUID(each) for each in keys(server)}) == posts(server) == 3
    assert runs["run_id"].to_list() == ["r1", "r7", "r3"]
    assert (asked["workflow_id"], asked["trigger_type"]) == ("wf", "api")
    assert warned[0].filename == __file__


@pytest.mark.parametrize("fault", UNANSWERED.values(), ids=UNANSWERED)
def test_121_of_two_runs_that_are_found_none_is_taken(fault: Reply) -> None:
    found = listed(("r1", {}), ("r7", {}), ("r9", {}))
    with StartServer([*started("r1"), fault, found]) as server:
        with pytest.raises(ra.RetabAnalysisError, match=r"it may be r9, r7, see") as caught:
            ra.start_runs("wf", repeat=5, client=client_for(server.url))
        assert posts(server) == 2
    assert caught.value.unconfirmed["run_id"].to_list() == ["r9", "r7"]
    assert caught.value.partial["run_id"].to_list() == ["r1"]


def test_121_a_proxy_that_loses_an_answer_loses_no_start() -> None:
    """It delivers each POST; the API behind it starts each run once."""
    with ra.Sandbox(seed=0) as sandbox:
        before = ra.Client(**sandbox.credentials)
        known = {*ra.fetch_runs("wf_claims", client=before)["run_id"]}
        with spoken(Dialect(lost={2}), sandbox.base_url) as url:
            client = ra.Client(sandbox.credentials["api_key"], url)
            with pytest.warns(UserWarning, match="for the run that it started"):
                runs = ra.start_runs("wf_claims", repeat=3, client=client)
        now = ra.fetch_runs("wf_claims", trigger_type="api", client=before)
    new = [each for each in now["run_id"] if each not in known]
    assert sorted(new) == sorted(runs["run_id"])
    assert len(new) == 3


@pytest.mark.parametrize(("dialect", "number"), [("as documented", 1), (IGNORED, 2)])
def test_121_a_second_post_with_a_key_gives_the_first_run(dialect: str, number: int) -> None:
    body = {"workflow_id": "wf_claims", "scope": WHOLE}
    with ra.Sandbox() as sandbox, spoken(DIALECTS[dialect](), sandbox.base_url) as url:
        client = ra.Client(sandbox.credentials["api_key"], url)
        path, how = "/v1/workflows/evals/runs", {"parse": json.loads}
        made = [client.post(path, body, key=key, **how)["id"] for key in ("a", "a", "b")]
    assert len({*made}) == number + 1
    assert made[2] not in made[:2]


@pytest.mark.parametrize(
    ("changes", "headers", "words"),
    [
        ({"workflow_id": "wf_other"}, {}, "of workflow 'wf_other', but the request was for 'wf'"),
        ({"target": {"type": "block", "block_id": "b2"}}, {}, "of block 'b2', but"),
        ({"target": None}, {}, "of the whole workflow, but the request was for block 'b1'"),
        ({"eval_id": "e1"}, {}, "of eval 'e1', but the request was for block 'b1'"),
        ({}, {"Date": format_datetime(AT + timedelta(seconds=62), usegmt=True)}, "of 2026-05-18"),
        ({}, {**DATED, "Age": "62"}, "of 2026-05-18 10:00:00 UTC, but the request was sent at"),
        ({}, {}, "of 2026-05-18 10:00:00 UTC, but the request was sent at 2026-09-21"),
    ],
)
def test_117_the_answer_to_another_start_is_refused_and_its_run_named(
    changes: dict[str, Any], headers: dict[str, str], words: str
) -> None:
    made = run_document("r9", **{"workflow_id": "wf", **OF_BLOCK, **changes})
    found = listed(("r7", OF_BLOCK))
    with StartServer([reply(201, made, headers), found]) as server:
        with pytest.raises(ra.ProtocolError, match=f"run 'r9' {words}") as caught:
            ra.start_runs("wf", blocks="b1", client=client_for(server.url))
        assert posts(server) == 1
    assert "it may be r9, r7, see .unconfirmed" in str(caught.value)
    assert caught.value.unconfirmed["run_id"].to_list() == ["r9", "r7"]
    assert caught.value.partial.is_empty()


def test_117_an_answer_that_was_given_before_is_refused() -> None:
    with StartServer([*started("r1"), *started("r1"), listed()]) as server:
        with pytest.raises(ra.ProtocolError, match="'r1', which an earlier request started"):
            ra.start_runs("wf", repeat=3, client=client_for(server.url))
        assert posts(server) == 2


@pytest.mark.parametrize("seconds", [-59, 600])
def test_123_a_start_may_be_a_minute_older_and_its_run_newer_than_its_answer(seconds: int) -> None:
    at = (AT + timedelta(seconds=seconds)).isoformat()
    with StartServer(started("r1", timing__created_at=at)) as server:
        assert ra.start_runs("wf", client=client_for(server.url)).height == 1


def test_117_an_answer_without_a_date_is_held_against_the_time_of_the_list_of_runs() -> None:
    made = run_document("r1", workflow_id="wf", target=None)
    with StartServer([listed(dated=AT), reply(201, made)]) as server:
        client = client_for(server.url)
        ra.fetch_runs("wf", limit=1, client=client)
        assert ra.start_runs("wf", client=client)["run_id"].to_list() == ["r1"]


@pytest.mark.parametrize(
    ("arguments", "filters", "run"),
    [
        ({"evals": "first"}, {"eval_id": "e1"}, {"eval_id": "e1"}),
        ({"blocks": "b1"}, {"target_block_id": "b1"}, OF_BLOCK),
    ],
)
def test_a_start_is_looked_for_by_its_scope(
    arguments: dict[str, str], filters: dict[str, str], run: dict[str, Any]
) -> None:
    answers = [Reply(b"", "close"), listed(("r6", {}), ("r7", run))]
    with StartServer(answers) as server:
        with pytest.warns(UserWarning, match="takes r7"):
            runs = ra.start_runs("wf", client=client_for(server.url), **arguments)
        assert server.queries[-1].items() >= filters.items()
    assert runs["run_id"].to_list() == ["r7"]


def test_a_start_that_left_no_run_says_so() -> None:
    with StartServer([Reply(b"", "close"), listed(("r9", LONG_AGO))]) as server:
        with pytest.raises(ra.TransportError, match="no such run has appeared yet") as caught:
            ra.start_runs("wf", client=client_for(server.url))
    assert caught.value.unconfirmed.equals(RUNS.empty())


def test_where_runs_cannot_be_listed_that_is_said() -> None:
    with StartServer([Reply(b"", "close"), reply(403, {"detail": "no lists"})]) as server:
        with pytest.raises(ra.TransportError, match=r"is not known: .*no lists") as caught:
            ra.start_runs("wf", client=client_for(server.url))
    assert caught.value.unconfirmed is None


def interrupted_by(number: int, server: StartServer) -> KeyboardInterrupt:
    """Start three runs; the third start gets the signal, and no answer."""

    def interrupt(request: str) -> Reply:
        os.kill(os.getpid(), number)
        return Reply(b"")

    server.answers[:] = [*started("r1", "r2"), interrupt, *server.answers]
    with ra.Client(KEY, server.url) as client, pytest.raises(KeyboardInterrupt) as caught:
        ra.start_runs("wf", repeat=5, client=client)
    assert posts(server) == 3
    return caught.value


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_82_after_an_interrupt_the_run_is_looked_for_and_named(number: int) -> None:
    with StartServer([listed(("r7", {}), ("r2", {}), ("r1", {}))]) as server:
        interrupt: Any = interrupted_by(number, server)
    assert "it may be r7" in str(interrupt)
    assert interrupt.unconfirmed["run_id"].to_list() == ["r7"]
    assert interrupt.partial["run_id"].to_list() == ["r1", "r2", "r7"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_82_a_second_interrupt_ends_the_look() -> None:
    def again(request: str) -> Reply:
        os.kill(os.getpid(), signal.SIGINT)
        return Reply(b"")

    with StartServer([again]) as server:
        interrupt: Any = interrupted_by(signal.SIGINT, server)
    assert "interrupted again" in str(interrupt)
    assert interrupt.partial["run_id"].to_list() == ["r1", "r2"]


def test_82_a_program_that_handles_sigterm_keeps_its_handler() -> None:
    got: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: got.append(number))
    try:
        with StartServer([listed(("r7", {}))]) as server:

            def terminate(request: str) -> Reply:
                os.kill(os.getpid(), signal.SIGTERM)
                return started("r1")[0]

            server.answers[:] = [terminate]
            assert ra.start_runs("wf", client=client_for(server.url)).height == 1
    finally:
        signal.signal(signal.SIGTERM, before)
    assert got == [signal.SIGTERM]


@pytest.mark.parametrize("minutes", [-10, 10])
def test_82_a_clock_that_is_wrong_is_corrected_by_the_date_of_the_answer(minutes: int) -> None:
    there = datetime.now(UTC) + timedelta(minutes=minutes)  # what the API's clock says

    def run_at(moment: datetime) -> dict[str, Any]:
        return {"timing__created_at": moment.isoformat()}

    answer = listed(
        ("r7", run_at(there)), ("r6", run_at(there - timedelta(minutes=5))), dated=there
    )
    with StartServer([Reply(b"", "close"), answer]) as server, ra.Client(KEY, server.url) as client:
        with pytest.warns(UserWarning, match="takes r7"):
            assert ra.start_runs("wf", client=client)["run_id"].to_list() == ["r7"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["e1", "secnd"], "there is no eval 'secnd'; did you mean 'second'"),
        ("Total", r"'Total' is the name of 2 evals: 'Total' \(e3\), 'Total' \(e4\)"),
    ],
)
def test_of_evals_that_are_not_clear_none_is_started(asked: Any, words: str) -> None:
    with StartServer(started("r1")) as server:
        with pytest.raises(ra.ConfigError, match=words):
            ra.start_runs("wf", evals=asked, client=client_for(server.url))
        assert bodies(server) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"repeat": 0}, "repeat must be a whole number of at least 1, got 0"),
        ({"evals": 7}, "evals must be"),
        ({"blocks": [""]}, "blocks is empty"),
        ({"only": "edited", "blocks": "b1"}, "leave evals and blocks out"),
        ({"only": "edited", "evals": []}, "leave evals and blocks out"),
    ],
)
def test_bad_starts_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ra.ConfigError, match=words):
        ra.start_runs(**{"workflow_id": "wf", **arguments}, client=client_for(NOWHERE))


def test_runs_are_cancelled_in_order() -> None:
    names = ["a", "b/c"]
    answers = [reply(body=run_document(each, lifecycle__status="cancelled")) for each in names]
    with FaultServer(answers) as server:
        runs = ra.cancel_runs(names, client=client_for(server.url))
        assert [path.rpartition("runs/")[2] for path in server.paths] == [
            "a/cancel",
            "b%2Fc/cancel",
        ]
        assert all(request.startswith("POST ") for request in server.requests)
    assert runs["status"].to_list() == ["cancelled", "cancelled"]
    assert ra.cancel_runs([], client=client_for(NOWHERE)).equals(RUNS.empty())


def with_status(run_id: str, status: str) -> Reply:
    return reply(body=run_document(run_id, lifecycle__status=status))


LOST = {
    **{name: UNANSWERED[name] for name in ("503", "reset", "closed", "html", "408", "409")},
    "another run's": with_status("b", "cancelled"),
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
@pytest.mark.parametrize("status", ["cancelled", "completed"])
def test_a_run_that_has_ended_is_no_error_whatever_became_of_the_answer(
    fault: Reply, status: str
) -> None:
    answers = [fault, with_status("a", status), with_status("c", "cancelled")]
    with FaultServer(answers) as server:
        runs = ra.cancel_runs(["a", "c"], client=client_for(server.url))
        asked = [each.split(" ")[0] for each in server.requests]
        assert asked == ["POST", "GET", "POST"]
    assert runs.select("run_id", "status").rows() == [("a", status), ("c", "cancelled")]


@pytest.mark.parametrize(
    ("fault", "error", "rest"),
    [(reply(409), ra.ConflictError, ["c"]), (reply(503), ra.ServerError, [])],
)
def test_a_run_that_goes_on_was_not_cancelled(
    fault: Reply, error: type[ra.APIError], rest: list[str]
) -> None:
    answers = [fault, with_status("a", "running"), with_status("c", "cancelled")]
    with FaultServer(answers) as server:
        with pytest.raises(error, match=r"The run is running now\. Not cancelled: a ") as caught:
            ra.cancel_runs(["a", "c"], client=client_for(server.url))
        assert posts(server) == 1 + len(rest)
    assert caught.value.partial["run_id"].to_list() == rest


def test_every_run_that_was_not_cancelled_is_named() -> None:
    cancelled, queued = with_status("b", "cancelled"), with_status("d", "queued")
    with FaultServer([reply(404), cancelled, reply(404), reply(409), queued]) as server:
        words = r"Not cancelled: a \(404\), c \(404\), d \(409\); the others are in \.partial"
        with pytest.raises(ra.NotFoundError, match=words):
            ra.cancel_runs(list("abcd"), client=client_for(server.url))


def test_a_failing_api_ends_the_cancelling() -> None:
    with FaultServer([reply(500)]) as server:
        with pytest.raises(ra.ServerError, match=r"a \(500\); not tried: b, c;") as caught:
            ra.cancel_runs(list("abc"), client=client_for(server.url))
        assert posts(server) == 1
    assert caught.value.partial.is_empty()


def test_62_the_answer_of_another_run_is_not_taken_for_the_one_that_was_cancelled() -> None:
    with FaultServer([reply(body=run_document("b"))]) as server:
        with pytest.raises(ra.ProtocolError, match="run 'b', but the request was for 'a'"):
            ra.cancel_runs("a", client=client_for(server.url))
        assert posts(server) == 1


def test_what_ended_the_cancelling_is_told_rather_than_what_did_not() -> None:
    with FaultServer([reply(404), with_status("b", "cancelled"), reply(401)]) as server:
        with pytest.raises(ra.AuthenticationError) as caught:
            ra.cancel_runs(list("abcd"), client=client_for(server.url))
        assert posts(server) == 3
    assert caught.value.partial["run_id"].to_list() == ["b"]
