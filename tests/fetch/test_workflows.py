"""The workflows."""

from __future__ import annotations

import pytest
from support.documents import workflow_document
from support.fakes import client_for
from support.faultserver import FaultServer, page, reply

import retab_analysis as ra


def test_the_query_of_workflows() -> None:
    with FaultServer([reply(body=page([]))]) as server:
        ra.fetch_workflows(client=client_for(server.url))
        assert server.paths[0].startswith("/v1/workflows?")
        assert server.queries[-1] == {"sort_by": "created_at", "order": "desc", "limit": "100"}


def test_workflows_are_paged_too() -> None:
    answers = [
        reply(body=page([workflow_document("w1")], "c")),
        reply(body=page([workflow_document("w2", published=None, name=...)])),
    ]
    with FaultServer(answers) as server:
        frame = ra.fetch_workflows(client=client_for(server.url))
    assert frame["workflow_id"].to_list() == ["w1", "w2"]
    assert frame["published_version_id"].to_list() == ["wfv_1", None]
    assert frame["name"].to_list() == ["Invoices", "Untitled Workflow"]


def test_workflows_leniently() -> None:
    bad = workflow_document("w2", created_at=...)
    with FaultServer([reply(body=page([workflow_document("w1"), bad]))]) as server:
        with pytest.warns(ra.ProblemsWarning, match="1 workflow left out.*created_at"):
            frame = ra.fetch_workflows(client=client_for(server.url), strict=False)
        assert frame.height == 1
        with pytest.raises(ra.SchemaError, match="workflow w2"):
            ra.fetch_workflows(client=client_for(server.url))
