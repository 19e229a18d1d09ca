"""The versions of a workflow, and what differs between two of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.documents import workflow_document
from support.fakes import client_for
from support.faultserver import FaultServer, Reply, page, reply
from support.inside import VERSIONS
from support.lettered_api import LetteredApi

import retab_analysis as ra
from retab_analysis import fetch_versions

PUBLISHED = {
    "id": "wph_2",
    "workflow_id": "wf",
    "workflow_version_id": "ver_b",
    "version": 2,
    "description": "Second",
    "published_at": "2026-05-18T10:00:00Z",
    "published_by": "usr_1",
    "published_by_name": "Ada Lovelace",
    "published_by_email": "ada@example.com",
    "is_current": True,
    "block_count": 4,
}
# As the API lists graphs: without a number, a note, and which one is current.
GRAPHS = [
    {"id": "ver_a", "workflow_id": "wf", "created_at": "2026-05-01T10:00:00.5Z", "blocks": []},
    {"id": "ver_b", "workflow_id": "wf", "created_at": "2026-05-17T10:00:00Z", "blocks": []},
]
CURRENT = {"version_id": "ver_b", "published_at": "2026-05-18T10:00:00Z", "description": "Second"}
AT = datetime(2026, 5, 18, 10, tzinfo=UTC)
SECOND = ("ver_b", 2, "Second", AT, "Ada Lovelace", True, "wf")
EARLIER = datetime(2026, 5, 1, 10, 0, 0, 500_000, tzinfo=UTC)
FIRST = ("ver_a", None, None, EARLIER, None, False, "wf")


def served(publications: Reply, flow: dict[str, Any], graphs: Reply | None = None) -> LetteredApi:
    """An API that answers so on the three paths that are asked."""
    return LetteredApi(
        {},
        broken={
            "GET /v1/workflows/wf/published-versions": publications,
            "GET /v1/workflows/versions": graphs or reply(404),
            "GET /v1/workflows/wf ": reply(body=flow),
        },
    )


def test_versions_are_the_publications() -> None:
    before = {**PUBLISHED, "id": "wph_1", "workflow_version_id": "ver_a", "version": 1}
    answers = [reply(body=page([PUBLISHED], "c")), reply(body=page([before]))]
    with FaultServer(answers) as server:
        frame = fetch_versions("wf", client=client_for(server.url))
        queries = server.queries
        paths = {urlsplit(path).path for path in server.paths}
    assert paths == {"/v1/workflows/wf/published-versions"}
    assert queries == [{"limit": "100"}, {"limit": "100", "after": "c"}]
    assert frame.schema == VERSIONS.schema
    assert frame.rows()[0] == SECOND
    assert frame["version"].to_list() == [2, 1]


@pytest.mark.parametrize(
    ("unknown", "publisher"),
    [
        ([], "Ada Lovelace"),
        (["name"], "ada@example.com"),
        (["name", "email"], "usr_1"),
        (["name", "email", "id"], None),
    ],
)
@pytest.mark.parametrize("nothing", [None, ""])
def test_who_published_is_the_name_else_the_email_else_the_id(
    unknown: list[str], publisher: str | None, nothing: str | None
) -> None:
    members = {"name": "published_by_name", "email": "published_by_email", "id": "published_by"}
    document = PUBLISHED | {members[each]: None if each == "id" else nothing for each in unknown}
    with FaultServer([reply(body=page([document]))]) as server:
        assert fetch_versions("wf", client=client_for(server.url))["published_by"][0] == publisher


@pytest.mark.parametrize("member", ["id", "workflow_version_id", "published_at"])
def test_a_publication_that_lacks_a_member_is_none(member: str) -> None:
    document = {name: value for name, value in PUBLISHED.items() if name != member}
    with FaultServer([reply(body=page([document]))]) as server:
        with pytest.raises(ra.SchemaError, match=member):
            fetch_versions("wf", client=client_for(server.url))


REFUSED = [
    reply(403, {"detail": "no"}),
    reply(404),
    reply(405),
    reply(body=b"<html>not here</html>"),
]


@pytest.mark.parametrize("answer", REFUSED)
@pytest.mark.parametrize("graphs", [reply(body=page(GRAPHS)), REFUSED[0]])
def test_91_where_publications_are_not_listed_graphs_or_the_workflow_tell(
    answer: Reply, graphs: Reply
) -> None:
    """Without graphs only the current version is known, which the workflow names."""
    flow = workflow_document("wf", published=CURRENT)
    with served(publications=answer, graphs=graphs, flow=flow) as api:
        with pytest.warns(UserWarning, match="versions have no numbers"):
            frame = fetch_versions("wf", client=api.client)
    assert frame.schema == VERSIONS.schema
    older = [] if graphs is REFUSED[0] else [FIRST]
    assert frame.rows() == [("ver_b", None, "Second", AT, None, True, "wf"), *older]


def test_where_no_publication_says_that_it_is_current_the_workflow_does() -> None:
    rows = [
        {**PUBLISHED, "id": f"wph_{each}", "workflow_version_id": f"ver_{each}"} for each in "ba"
    ]
    for row in rows:
        del row["is_current"]
    flow = workflow_document("wf", published={**CURRENT, "version_id": "ver_a"})
    with served(publications=reply(body=page(rows)), flow=flow) as api:
        frame = fetch_versions("wf", client=api.client)
    assert frame["is_current"].to_list() == [False, True]


def test_a_version_that_was_published_twice_is_two_rows() -> None:
    again = {**PUBLISHED, "id": "wph_3", "is_current": True}
    documents = [again, {**PUBLISHED, "is_current": False}]
    with FaultServer([reply(body=page(documents))]) as server:
        frame = fetch_versions("wf", client=client_for(server.url))
    assert frame["workflow_version_id"].to_list() == ["ver_b", "ver_b"]
    assert frame["is_current"].to_list() == [True, False]


def test_a_workflow_without_versions_is_not_an_empty_frame() -> None:
    with FaultServer([reply(404, {"detail": "operates on published versions only"})]) as server:
        with pytest.raises(ra.NotFoundError, match="published versions only"):
            fetch_versions("wf", client=client_for(server.url))


def test_versions_are_asked_for_as_a_person_calls_them() -> None:
    with ra.Sandbox() as sandbox, ra.Client(**sandbox.credentials) as client:
        versions = ra.fetch_versions("wf_invoices", client=client)
        newest, before = versions["workflow_version_id"].head(2)
        numbers = [f"v{each}" for each in versions["version"].head(2)]
        by_id = ra.fetch_config_changes("wf_invoices", before, newest, client=client)
        for names in ((numbers[1], numbers[0]), (numbers[1], "published"), (before, numbers[0])):
            assert ra.fetch_config_changes("wf_invoices", *names, client=client).equals(by_id)
        with pytest.raises(ra.ConfigError, match=r"'v999': there is no such .*Published: v5 \("):
            ra.fetch_config_changes("wf_invoices", "v999", newest, client=client)
