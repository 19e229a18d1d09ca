"""The workflows."""

from __future__ import annotations

from typing import Any

import pytest
from support.documents import workflow_document
from support.fakes import client_for
from support.faultserver import FaultServer, page, reply

import retab_analysis as ra


def test_the_query_of_workflows() -> None:
    with FaultServer([reply(body=page([workflow_document()]))]) as server:
        ra.fetch_workflows(client=client_for(server.url))
        assert server.paths[0].startswith("/v1/workflows?")
        ra.fetch_workflows(project_id="p & q", client=client_for(server.url))
        common = {"sort_by": "created_at", "order": "desc", "limit": "100"}
        assert server.queries == [common, {**common, "project_id": "p & q"}]


@pytest.mark.parametrize("project_id", ["", 7, ["p"]])
def test_an_impossible_project_is_refused(project_id: Any) -> None:
    with pytest.raises(ra.ConfigError, match="project_id"):
        ra.fetch_workflows(project_id=project_id, client=client_for("http://127.0.0.1:9"))


def test_workflows_are_paged_too() -> None:
    answers = [
        reply(body=page([workflow_document("w1")], "c")),
        reply(body=page([workflow_document("w2", published=None, name=...)])),
    ]
    with FaultServer(answers) as server:
        frame = ra.fetch_workflows(client=client_for(server.url))
    assert frame["workflow_id"].to_list() == ["w1", "w2"]
    assert frame["published_version_id"].to_list() == ["wfv_1", None]
    assert frame["published_description"].to_list() == ["First", None]
    assert frame["name"].to_list() == ["Invoices", "Untitled Workflow"]
