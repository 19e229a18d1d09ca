"""Versions: what was published can be asked for, drafts cannot, and each edit shows in a config."""

from __future__ import annotations

from typing import Any

import pytest
from support.sandbox_api import Api

API = Api()
VERSIONS = "/v1/workflows/versions"
PUBLISHED = ["wf_invoices", "wf_contracts", "wf_claims"]


def publications(workflow_id: str) -> list[Any]:
    return API.all(f"/v1/workflows/{workflow_id}/published-versions")


def version(workflow_id: str, version_id: str) -> Any:
    return API.get(f"{VERSIONS}/{version_id}", workflow_id=workflow_id)


def configs(document: Any) -> dict[str, Any]:
    return {block["id"]: block["config"] for block in document["blocks"]}


@pytest.mark.parametrize("workflow_id", PUBLISHED)
def test_runs_name_drafts(workflow_id: str) -> None:
    published = {row["workflow_version_id"] for row in publications(workflow_id)}
    runs = API.runs(workflow_id=workflow_id)
    assert not published & {run["workflow_version_id"] for run in runs}


@pytest.mark.parametrize("workflow_id", PUBLISHED)
def test_drafts_are_not_addressed_by_any_endpoint(workflow_id: str) -> None:
    """Nor is a publication by its own id."""
    good = publications(workflow_id)[0]["workflow_version_id"]
    drafts = {run["workflow_version_id"] for run in API.runs(workflow_id=workflow_id)}
    assert all(each.startswith("draft_2026_") for each in drafts)
    for unknown in (*drafts, publications(workflow_id)[0]["id"]):
        asked = [
            (f"{VERSIONS}/{unknown}", {"workflow_id": workflow_id}),
            *(
                (f"{VERSIONS}/diff", {"workflow_id": workflow_id, **ends})
                for ends in (
                    {"from_workflow_version_id": good, "to_workflow_version_id": unknown},
                    {"from_workflow_version_id": unknown, "to_workflow_version_id": good},
                )
            ),
        ]
        for path, query in asked:
            status, document = API.call("GET", path, query)
            assert (status, document["detail"]["code"]) == (404, "workflow_version_not_found")


@pytest.mark.parametrize("workflow_id", PUBLISHED)
def test_configs_differ_where_the_diff_says_so(workflow_id: str) -> None:
    ids = [row["workflow_version_id"] for row in reversed(publications(workflow_id))]
    for old in ids:
        for new in ids:
            diff = API.get(
                f"{VERSIONS}/diff",
                workflow_id=workflow_id,
                from_workflow_version_id=old,
                to_workflow_version_id=new,
            )
            before, after = (configs(version(workflow_id, each)) for each in (old, new))
            assert diff["added_block_ids"] == [name for name in after if name not in before]
            assert diff["removed_block_ids"] == [name for name in before if name not in after]
            shared = [name for name in after if name in before]
            changed = [name for name in shared if before[name] != after[name]]
            assert diff["changed_block_ids"] == changed


def eras(workflow_id: str, block_id: str, **query: Any) -> list[Any]:
    path = f"/v1/workflows/blocks/{block_id}/config-history"
    return API.all(path, workflow_id=workflow_id, **query)


@pytest.mark.parametrize("workflow_id", PUBLISHED)
def test_the_eras_of_a_block_are_its_configurations_in_versions_and_draft(workflow_id: str) -> None:
    current = {each["workflow_version_id"]: each for each in publications(workflow_id)}
    blocks = API.all("/v1/workflows/blocks", workflow_id=workflow_id)
    for block in blocks:
        found = eras(workflow_id, block["id"])
        (now,) = (each for each in found if each["matches_current_draft"])
        assert now["config_snapshot"] == block["config"]
        assert [each["first_seen_at"] for each in found] == sorted(
            (each["first_seen_at"] for each in found), reverse=True
        )
        for era in found:
            assert era["first_seen_at"] <= era["last_seen_at"]
            assert era["run_count"] >= 0
            for epoch in era["publish_epochs"]:
                published = version(workflow_id, epoch["workflow_version_id"])
                assert configs(published)[block["id"]] == era["config_snapshot"]
                assert current[epoch["workflow_version_id"]]["version"] == epoch["publish_version"]
                assert (
                    current[epoch["workflow_version_id"]]["is_current"]
                    <= (era["is_current_published"])
                )


def test_a_page_of_eras_may_have_two_hundred() -> None:
    path = "/v1/workflows/blocks/extract_invoice/config-history"
    whole = eras("wf_invoices", "extract_invoice")
    assert API.get(path, workflow_id="wf_invoices", limit=200)["data"] == whole
    assert eras("wf_invoices", "extract_invoice", limit=2) == whole
    for limit, status in ((0, 422), (201, 422)):
        assert API.call("GET", path, {"workflow_id": "wf_invoices", "limit": limit})[0] == status
    assert API.call("GET", path, {"workflow_id": "wf_nope"})[0] == 404
    assert API.call("GET", path)[0] == 422
    assert (
        API.call("GET", path.replace("invoice/", "nothing/"), {"workflow_id": "wf_claims"})[0]
        == 404
    )
