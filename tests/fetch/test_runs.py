"""Single runs, and what an empty list of them means."""

from __future__ import annotations

from typing import Any

import pytest
from support.documents import eval_document, run_document, workflow_document
from support.fakes import client_for
from support.faultserver import FaultServer, Reply, page, reply
from support.inside import PAGE_SIZE, RUNS

import retab_analysis as ra


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


def block_document(block_id: str) -> dict[str, Any]:
    return {"id": block_id, "type": "extract"}


EMPTY = reply(body=page([]))


def workflows(*ids: str) -> Reply:
    return reply(body=page([workflow_document(each) for each in ids]))


@pytest.mark.parametrize("fetch", [ra.fetch_runs, ra.fetch_evals, ra.fetch_versions])
@pytest.mark.parametrize(("asked", "requests"), [("wf_invoice", 2), ("Invoces", 1)])
def test_an_unknown_workflow_is_an_error_that_names_the_nearest(
    fetch: Any, asked: str, requests: int
) -> None:
    known = workflows("wf_other", "wf_invoices")
    with FaultServer([EMPTY, known] if requests == 2 else [known]) as server:
        with pytest.raises(ra.ConfigError, match=rf"{asked}.*did you mean '.*wf_invoices"):
            fetch(asked, client=client_for(server.url))
        assert len(server.requests) == requests
        assert server.paths[-1].startswith("/v1/workflows?")


@pytest.mark.parametrize("fetch", [ra.fetch_evals, ra.fetch_versions, ra.check])
def test_so_is_one_of_which_the_api_says_so(fetch: Any) -> None:
    with ra.Sandbox() as sandbox, ra.Client(**sandbox.credentials) as client:
        with pytest.raises(ra.NotFoundError, match="did you mean 'wf_invoices'") as caught:
            fetch("wf_invoces", client=client)
        assert caught.value.status_code == 404


def test_where_none_is_near_some_are_named() -> None:
    with FaultServer([EMPTY, workflows("wf_a", "wf_b")]) as server:
        with pytest.raises(ra.ConfigError, match=r"wf_a.*wf_b"):
            ra.fetch_runs("wf_something_else", client=client_for(server.url))


@pytest.mark.parametrize(
    ("arguments", "listed", "path"),
    [
        ({"target_block_id": "extrct"}, block_document("extract"), "/v1/workflows/blocks?"),
        ({"eval_id": "extrct"}, eval_document("extract"), "/v1/workflows/evals?"),
    ],
)
def test_so_is_an_unknown_block_or_eval(arguments: Any, listed: Any, path: str) -> None:
    with FaultServer([EMPTY, reply(body=page([listed]))]) as server:
        with pytest.raises(ra.ConfigError, match=r"'extrct'.*did you mean 'extract'"):
            ra.fetch_runs("wf_invoices", **arguments, client=client_for(server.url))
        assert [each.startswith(path) for each in server.paths] == [False, True]


def test_an_eval_is_asked_for_by_its_name() -> None:
    saved = reply(body=page([eval_document("e1", name="Total")]))
    found = reply(body=page([run_document("r1", workflow_id="wf_invoices")]))
    with FaultServer([EMPTY, saved, found]) as server:
        runs = ra.fetch_runs("wf_invoices", eval_id="Total", client=client_for(server.url))
        assert [each.get("eval_id") for each in server.queries] == ["Total", None, "e1"]
    assert runs["run_id"].to_list() == ["r1"]


def test_an_unknown_block_of_an_unknown_workflow() -> None:
    known = workflows("wf_invoices")
    for blocks in (reply(404), EMPTY):
        with FaultServer([EMPTY, blocks, known]) as server:
            with pytest.raises(ra.ConfigError, match="did you mean 'wf_invoices'"):
                ra.fetch_evals("wf_invoice", target_block_id="b", client=client_for(server.url))


def test_so_is_an_unknown_project() -> None:
    one = workflow_document("wf", project_id="proj_finance")
    with FaultServer([EMPTY, reply(body=page([one]))]) as server:
        with pytest.raises(ra.ConfigError, match="did you mean 'proj_finance'"):
            ra.fetch_workflows(project_id="proj_fiance", client=client_for(server.url))


def test_of_several_workflows_those_without_runs_are_asked_for() -> None:
    first = reply(body=page([run_document(workflow_id="wf_a")]))
    with FaultServer([first, EMPTY, EMPTY, workflows("wf_a", "wf_b")]) as server:
        with pytest.raises(ra.ConfigError, match="no workflow 'wf_c'"):
            ra.fetch_runs(["wf_a", "wf_b", "wf_c"], client=client_for(server.url))


@pytest.mark.parametrize(
    "answer",
    [
        *(workflows("wf"), reply(403), reply(body=b"<html>")),
        workflows(*(f"wf_{number}" for number in range(PAGE_SIZE))),
    ],
)
def test_a_workflow_that_may_be_there_without_runs_is_an_empty_frame(answer: Reply) -> None:
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


@pytest.mark.parametrize("use", [ra.fetch_run, ra.fetch_results, ra.wait_for_runs, ra.cancel_runs])
def test_a_workflow_in_the_place_of_a_run_is_called_so(use: Any) -> None:
    def answer(request: str) -> Reply:
        return reply(404) if "/evals/" in request else reply(body=workflow_document("wf_invoices"))

    told = r"'wf_invoices' (is|looks like) a workflow.*fetch_runs\("
    with FaultServer([answer]) as server:
        with pytest.raises(ra.NotFoundError, match=told):
            use("wf_invoices", client=client_for(server.url))


def test_only_runs_of_a_scope() -> None:
    runs = [
        run_document("whole", target=None),
        run_document("block", eval_id=None),
        run_document("eval", eval_id="e"),
    ]
    with FaultServer([reply(body=page(runs[:1], "c")), reply(body=page(runs[1:]))]) as server:
        client = client_for(server.url)
        assert ra.fetch_runs(scope="block", limit=1, client=client)["run_id"].to_list() == ["block"]
        assert all("limit=100" in path for path in server.paths)
    with pytest.raises(ra.ConfigError, match="scope"):
        ra.fetch_runs(scope="all", client=client)


def at(hour: int, run_id: str) -> dict[str, Any]:
    return run_document(run_id, timing__created_at=f"2026-05-18T{hour:02}:00:00Z")


@pytest.mark.parametrize("limit", [None, 2])
def test_90_a_list_that_ignores_the_order_is_sorted(limit: int | None) -> None:
    pages = [reply(body=page([at(1, "a"), at(2, "b")], "c")), reply(body=page([at(3, "c")]))]
    with FaultServer(pages) as server:
        frame = ra.fetch_runs(limit=limit, client=client_for(server.url))
    assert frame["run_id"].to_list() == ["c", "b", "a"][:limit]


def test_90_so_are_saved_evals() -> None:
    evals = [eval_document(str(day), created_at=f"2026-01-0{day}T00:00:00Z") for day in (1, 3, 2)]
    with FaultServer([reply(body=page(evals))]) as server:
        found = ra.fetch_evals(evals[0]["workflow_id"], client=client_for(server.url))
    assert found["eval_id"].to_list() == ["3", "2", "1"]


PUBLICATION = {
    "id": "wph_1",
    "workflow_id": "wf_invoices",
    "workflow_version_id": "ver_1",
    "version": 1,
    "published_at": "2026-05-01T10:00:00Z",
}


@pytest.mark.parametrize(
    ("fetch", "document"),
    [
        (ra.fetch_runs, run_document()),
        (ra.fetch_evals, eval_document()),
        (ra.fetch_versions, PUBLICATION),
    ],
)
def test_75_a_list_of_another_workflow_is_a_protocol_error(fetch: Any, document: Any) -> None:
    with FaultServer([reply(body=page([document]))]) as server:
        told = "of workflow 'wf_invoices', but the request was for 'wf_x'"
        with pytest.raises(ra.ProtocolError, match=told):
            fetch("wf_x", client=client_for(server.url, max_attempts=1))


def run(run_id: str) -> Reply:
    return reply(body=run_document(run_id))


def test_62_the_answer_of_another_run_is_asked_for_again() -> None:
    with FaultServer([run("r2"), run("r1")]) as server:
        assert ra.fetch_run("r1", client=client_for(server.url))["run_id"].to_list() == ["r1"]
        assert len(server.requests) == 2


def test_62_in_the_end_it_is_a_protocol_error() -> None:
    with FaultServer([run("r2")]) as server:
        words = "is run 'r2', but the request was for 'r1'.*after 3 attempts"
        with pytest.raises(ra.ProtocolError, match=words):
            ra.fetch_run("r1", client=client_for(server.url, max_attempts=3))
        assert len(server.requests) == 3
