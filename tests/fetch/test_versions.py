"""The versions of a workflow, and what differs between two of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import polars as pl
import pytest
from support.fakes import client_for
from support.faultserver import FaultServer, reply

import retab_analysis as ra
from retab_analysis.schema import VERSION_DIFF

DIFF = {
    "added_block_ids": ["a"],
    "removed_block_ids": ["b"],
    "changed_block_ids": ["c", "d"],
}


@pytest.mark.parametrize(
    ("document", "rows"),
    [
        (DIFF, [("a", "added"), ("b", "removed"), ("c", "changed"), ("d", "changed")]),
        (
            {**DIFF, "added_block_ids": [], "removed_block_ids": []},
            [("c", "changed"), ("d", "changed")],
        ),
        ({name: [] for name in DIFF}, []),
    ],
)
def test_a_version_diff(document: dict[str, Any], rows: list[tuple[str, str]]) -> None:
    versions = {"from_workflow_version_id": "v/1", "to_workflow_version_id": "v 2"}
    with FaultServer([reply(body={**document, **versions, "workflow_id": "w"})]) as server:
        frame = ra.fetch_version_diff("w", "v/1", "v 2", client=client_for(server.url))
        query = dict(parse_qsl(urlsplit(server.paths[0]).query))
    assert query == {**versions, "workflow_id": "w"}
    assert frame.schema == pl.Schema(VERSION_DIFF)
    assert frame.rows() == rows


@pytest.mark.parametrize("document", [{}, [], 7, {**DIFF, "added_block_ids": [7]}])
def test_a_version_diff_of_another_shape_is_no_empty_diff(document: object) -> None:
    with FaultServer([reply(body=document)]) as server:
        with pytest.raises(ra.SchemaError):
            ra.fetch_version_diff("w", "v1", "v2", client=client_for(server.url))


def test_a_version_that_is_not_known_is_no_empty_diff() -> None:
    with FaultServer([reply(404, {"detail": "unknown version"})]) as server:
        with pytest.raises(ra.NotFoundError, match="unknown version"):
            ra.fetch_version_diff("w", "v1", "v2", client=client_for(server.url))
