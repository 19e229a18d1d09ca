"""Read single runs, start runs and cancel them."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import polars as pl
import pytest
from support.documents import run_document
from support.fakes import client_for
from support.faultserver import FaultServer, Reply, reply

import retab_analysis as ra
from retab_analysis.schema import RUNS

NOWHERE = "http://127.0.0.1:9"


def bodies(server: FaultServer) -> list[dict[str, Any]]:
    return [json.loads(request.partition("\r\n\r\n")[2]) for request in server.requests]


def started(*run_ids: str) -> list[Reply]:
    return [reply(201, run_document(run_id, lifecycle__status="pending")) for run_id in run_ids]


WHOLE = {"type": "workflow"}
ONE, TWO = {"type": "single", "eval_id": "e1"}, {"type": "single", "eval_id": "e2"}
BLOCK = {"type": "block", "block_id": "b1"}


@pytest.mark.parametrize(
    ("arguments", "scopes"),
    [
        ({}, [WHOLE]),
        ({"repeat": 3}, [WHOLE] * 3),
        ({"eval_ids": "e1"}, [ONE]),
        ({"eval_ids": ["e1", "e2", "e1"]}, [ONE, TWO]),
        ({"eval_ids": pl.Series(["e1", "e2"]), "repeat": 2}, [ONE, ONE, TWO, TWO]),
        ({"block_ids": ["b1"]}, [BLOCK]),
        ({"eval_ids": ["e1"], "block_ids": "b1"}, [ONE, BLOCK]),
        ({"eval_ids": []}, []),
    ],
)
def test_a_run_is_started_for_each_scope(
    arguments: dict[str, Any], scopes: list[dict[str, str]]
) -> None:
    with FaultServer(started(*(f"r{i}" for i in range(9)))) as server:
        runs = ra.start_runs("wf", client=client_for(server.url), **arguments)
        assert bodies(server) == [{"workflow_id": "wf", "scope": scope} for scope in scopes]
        assert all(
            request.startswith("POST /v1/workflows/evals/runs ") for request in server.requests
        )
    assert runs.schema == RUNS.schema
    assert runs["run_id"].to_list() == [f"r{i}" for i in range(len(scopes))]


@pytest.mark.parametrize(
    "fault",
    [reply(503), reply(429, headers={"Retry-After": "1"}), Reply(b"", "reset"), reply(body=b"<p>")],
)
def test_a_start_is_not_tried_again_and_what_was_started_is_kept(fault: Reply) -> None:
    with FaultServer([*started("r1", "r2"), fault]) as server:
        with pytest.raises(ra.RetabAnalysisError) as caught:
            ra.start_runs("wf", repeat=5, client=client_for(server.url))
        assert len(server.requests) == 3
    assert caught.value.partial is not None
    assert caught.value.partial["run_id"].to_list() == ["r1", "r2"]


def test_an_interrupt_keeps_what_was_started() -> None:
    def interrupt(request: str) -> Reply:
        os.kill(os.getpid(), signal.SIGINT)
        return Reply(b"")

    with FaultServer([*started("r1", "r2"), interrupt]) as server:
        with ra.Client("some_key", server.url) as client:
            with pytest.raises(KeyboardInterrupt) as caught:
                ra.start_runs("wf", repeat=5, client=client)
        assert len(server.requests) == 3
    assert caught.value.partial["run_id"].to_list() == ["r1", "r2"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"workflow_id": ""}, "workflow_id is empty"),
        ({"workflow_id": None}, "workflow_id must be a string"),
        ({"repeat": 0}, "repeat must be a whole number of at least 1, got 0"),
        ({"repeat": -1}, "repeat must be"),
        ({"repeat": 1.5}, "repeat must be"),
        ({"repeat": None}, "repeat must be"),
        ({"eval_ids": 7}, "eval_ids must be"),
        ({"block_ids": [""]}, "block_ids is empty"),
    ],
)
def test_bad_starts_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ra.ConfigError, match=words):
        ra.start_runs(**{"workflow_id": "wf", **arguments}, client=client_for(NOWHERE))


def test_runs_are_cancelled_in_order() -> None:
    answers = [reply(body=run_document(each, lifecycle__status="cancelled")) for each in "ab"]
    with FaultServer(answers) as server:
        runs = ra.cancel_runs(["a", "b/c"], client=client_for(server.url))
        assert [path.rpartition("runs/")[2] for path in server.paths] == [
            "a/cancel",
            "b%2Fc/cancel",
        ]
        assert all(request.startswith("POST ") for request in server.requests)
    assert runs["status"].to_list() == ["cancelled", "cancelled"]
    assert ra.cancel_runs([], client=client_for(NOWHERE)).equals(RUNS.empty())


@pytest.mark.parametrize(("status", "error"), [(409, ra.ConflictError), (404, ra.NotFoundError)])
def test_a_run_that_cannot_be_cancelled_does_not_save_the_others(
    status: int, error: type[ra.APIError]
) -> None:
    good = [reply(body=run_document(each, lifecycle__status="cancelled")) for each in "ac"]
    with FaultServer([good[0], reply(status, {"detail": "has ended"}), good[1]]) as server:
        with pytest.raises(error, match="has ended") as caught:
            ra.cancel_runs(list("abc"), client=client_for(server.url))
        assert len(server.requests) == 3
    assert caught.value.partial is not None
    assert caught.value.partial["run_id"].to_list() == ["a", "c"]


def test_a_failing_api_ends_the_cancelling() -> None:
    with FaultServer([reply(500)]) as server:
        with pytest.raises(ra.ServerError) as caught:
            ra.cancel_runs(list("abc"), client=client_for(server.url))
        assert len(server.requests) == 1
    assert caught.value.partial is not None
    assert caught.value.partial.is_empty()


def test_what_ended_the_cancelling_is_told_rather_than_what_did_not() -> None:
    """The docstring says of a conflict that all the others were cancelled."""
    good = reply(body=run_document("b", lifecycle__status="cancelled"))
    with FaultServer([reply(409), good, reply(401)]) as server:
        with pytest.raises(ra.AuthenticationError) as caught:
            ra.cancel_runs(list("abcd"), client=client_for(server.url))
        assert len(server.requests) == 3
    assert caught.value.partial is not None
    assert caught.value.partial["run_id"].to_list() == ["b"]


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        (None, "runs is None"),
        (7, "runs must be"),
        ("", "runs is empty"),
        (pl.DataFrame({"id": ["r"]}), "no column run_id; it has id"),
        (pl.DataFrame({"run_id": [None]}, schema={"run_id": pl.String}), "runs must be a string"),
    ],
)
def test_bad_runs_are_refused(runs: Any, words: str) -> None:
    for function in (ra.wait_for_runs, ra.cancel_runs):
        with pytest.raises(ra.ConfigError, match=words):
            function(runs, client=client_for(NOWHERE))


def test_the_whole_way_in_the_sandbox() -> None:
    with ra.Sandbox(speed=200) as sandbox:
        client = ra.Client(**sandbox.credentials)
        started_runs = ra.start_runs("wf_claims", repeat=2, client=client)
        ended = ra.wait_for_runs(started_runs, interval=0.1, timeout=60, client=client)
        assert ended["run_id"].equals(started_runs["run_id"])
        assert ended["status"].to_list() == ["completed", "completed"]
        with pytest.raises(ra.ConflictError, match="completed"):
            ra.cancel_runs(ended, client=client)
        assert ra.wait_for_runs(ended.lazy(), client=client).equals(ended)


def test_one_run() -> None:
    with FaultServer([reply(body=run_document("r1"))]) as server:
        frame = ra.fetch_run("r1", client=client_for(server.url))
        assert server.paths == ["/v1/workflows/evals/runs/r1"]
    assert frame.schema == RUNS.schema
    assert frame.height == 1


def test_one_run_of_the_wrong_shape() -> None:
    with FaultServer([reply(body=run_document("r1", total_evals=1.5))]) as server:
        with pytest.raises(ra.SchemaError, match=r"run r1: at \$\.total_evals.*found 1\.5") as got:
            ra.fetch_run("r1", client=client_for(server.url))
    assert (got.value.record_id, got.value.path) == ("r1", "$.total_evals")


@pytest.mark.parametrize(
    ("run_id", "path"),
    [
        ("a/b", "a%2Fb"),
        ("a?b", "a%3Fb"),
        ("a#b", "a%23b"),
        ("../x", "..%2Fx"),
        ("é %", "%C3%A9%20%25"),
    ],
)
def test_37_an_id_is_quoted(run_id: str, path: str) -> None:
    with FaultServer([reply(body=run_document())]) as server:
        ra.fetch_run(run_id, client=client_for(server.url))
        assert server.paths == [f"/v1/workflows/evals/runs/{path}"]


@pytest.mark.parametrize("run_id", [".", "..", "", None, 7, b"x", ["a"], "\ud800"])
def test_37_an_impossible_id_is_refused(run_id: object) -> None:
    with pytest.raises(ra.ConfigError, match="run_id"):
        ra.fetch_run(run_id, client=client_for(NOWHERE))  # type: ignore[arg-type]
