"""The saved evals of a workflow."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from support.documents import eval_document
from support.fakes import client_for
from support.faultserver import FaultServer, page, reply
from support.inside import EVALS

import retab_analysis as ra


def test_evals_are_paged_and_filtered_by_block() -> None:
    first = eval_document("e1", workflow_id="wf & co")
    second = eval_document("e2", workflow_id="wf & co", assertion=None, name=None)
    # The names of workflows cannot be looked up.
    answers = [reply(403), reply(body=page([first], "c")), reply(body=page([second]))]
    with FaultServer(answers) as server:
        frame = ra.fetch_evals("wf & co", target_block_id="b/1", client=client_for(server.url))
        asked = [urlsplit(path) for path in server.paths[1:]]
        queries = [dict(parse_qsl(each.query)) for each in asked]
        assert {each.path for each in asked} == {"/v1/workflows/evals"}
    common = {"workflow_id": "wf & co", "order": "desc", "target_block_id": "b/1", "limit": "100"}
    assert queries == [common, {**common, "after": "c"}]
    assert frame.schema == EVALS.schema
    assert frame["eval_id"].to_list() == ["e1", "e2"]
    assert json.loads(frame["condition"][0]) == {"kind": "equals", "expected": 2}
    assert frame["condition"][1] is None


def test_evals_strictly_and_leniently() -> None:
    answers = [reply(body=page([eval_document("e1"), eval_document("e2", created_at=7)]))]
    with FaultServer(answers) as server:
        client = client_for(server.url)
        with pytest.raises(ra.SchemaError, match=r"eval e2: at \$\.data\[1\]\.created_at"):
            ra.fetch_evals("wf_invoices", client=client)
        with pytest.warns(ra.ProblemsWarning, match="1 eval left out") as caught:
            frame = ra.fetch_evals("wf_invoices", client=client, strict=False)
    assert frame["eval_id"].to_list() == ["e1"]
    assert caught[0].filename == __file__
