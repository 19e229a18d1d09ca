"""Single runs, and what an empty list of them means."""

from __future__ import annotations

import pytest
from support.documents import run_document, workflow_document
from support.fakes import client_for
from support.faultserver import FaultServer, Reply, page, reply
from support.inside import PAGE_SIZE, RUNS

import retab_analysis as ra

NOWHERE = "http://127.0.0.1:9"


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
    with FaultServer([reply(body=run_document(run_id))]) as server:
        ra.fetch_run(run_id, client=client_for(server.url))
        assert server.paths == [f"/v1/workflows/evals/runs/{path}"]


@pytest.mark.parametrize("run_id", [".", "..", "", None, 7, b"x", ["a"], "\ud800"])
def test_37_an_impossible_id_is_refused(run_id: object) -> None:
    with pytest.raises(ra.ConfigError, match="run_id"):
        ra.fetch_run(run_id, client=client_for(NOWHERE))  # type: ignore[arg-type]


EMPTY = reply(body=page([]))


def workflows(*ids: str) -> Reply:
    return reply(body=page([workflow_document(each) for each in ids]))


@pytest.mark.parametrize("fetch", [ra.fetch_runs, ra.fetch_evals])
def test_an_unknown_workflow_is_said_with_one_more_request(fetch: object) -> None:
    with FaultServer([EMPTY, workflows("wf_invoices")]) as server:
        with pytest.warns(ra.ProblemsWarning, match="there is no such workflow") as caught:
            frame = fetch("wf_invoice", client=client_for(server.url))  # type: ignore[operator]
        assert len(server.requests) == 2
        assert server.paths[1].startswith("/v1/workflows?")
    assert frame.is_empty()
    assert [each.filename for each in caught] == [__file__]
    problems = caught[0].message.problems  # type: ignore[union-attr]
    assert problems.rows() == [("wf_invoice", "$", "there is no such workflow", "")]


def test_a_workflow_beyond_the_newest_hundred_may_be_there() -> None:
    newest = workflows(*(f"wf_{number}" for number in range(PAGE_SIZE)))
    with FaultServer([EMPTY, newest]) as server:
        with pytest.warns(ra.ProblemsWarning, match="not among the newest 100 workflows"):
            ra.fetch_runs("wf_old", client=client_for(server.url))


def test_of_several_workflows_those_without_runs_are_asked_for() -> None:
    first = reply(body=page([run_document(workflow_id="wf_a")]))
    with FaultServer([first, EMPTY, EMPTY, workflows("wf_a", "wf_b")]) as server:
        with pytest.warns(ra.ProblemsWarning, match="nothing was found for wf_c: "):
            frame = ra.fetch_runs(["wf_a", "wf_b", "wf_c"], client=client_for(server.url))
    assert frame.height == 1


@pytest.mark.parametrize("answer", [workflows("wf"), reply(403), reply(body=b"<html>")])
def test_a_known_workflow_without_runs_is_an_empty_frame(answer: Reply) -> None:
    """So is one of which nothing could be found out."""
    with FaultServer([EMPTY, answer]) as server:
        frame = ra.fetch_runs("wf", client=client_for(server.url, max_attempts=1))
        assert len(server.requests) == 2
    assert frame.equals(RUNS.empty())


@pytest.mark.parametrize(
    "arguments", [{"workflow_id": None}, {"after": "c"}, {"limit": 0}, {"from_date": "2026-01-01"}]
)
def test_nobody_asks_where_an_empty_answer_says_nothing(arguments: dict[str, object]) -> None:
    with FaultServer([EMPTY]) as server:
        ra.fetch_runs(**{"workflow_id": "wf", **arguments}, client=client_for(server.url))  # type: ignore[arg-type]
        assert len(server.requests) <= 1


def run(run_id: str) -> Reply:
    return reply(body=run_document(run_id))


def test_62_the_answer_of_another_run_is_asked_for_again() -> None:
    with FaultServer([run("r2"), run("r1")]) as server:
        assert ra.fetch_run("r1", client=client_for(server.url))["run_id"].to_list() == ["r1"]
        assert len(server.requests) == 2


def test_62_in_the_end_it_is_a_protocol_error() -> None:
    with FaultServer([run("r2")]) as server:
        words = "is run 'r2', where 'r1' was asked for.*after 3 attempts"
        with pytest.raises(ra.ProtocolError, match=words):
            ra.fetch_run("r1", client=client_for(server.url, max_attempts=3))
        assert len(server.requests) == 3
