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
