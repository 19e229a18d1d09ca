"""A block of the sandbox that is edited: what it gives then, and what the API says of the edit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.fakes import STILL

import retab_analysis as ra

OLD = "Extract every line item of the invoice, returns too."
JOIN = f"{OLD} Join descriptions that are wrapped over several rows."
HELPS = f"{JOIN} A row with a price is a line of its own."


@pytest.fixture
def sandbox() -> Iterator[ra.Sandbox]:
    with ra.Sandbox(speed=1000) as sandbox, ra.Client(**sandbox.credentials) as client:
        ra.use(client)
        yield sandbox


def look() -> tuple[str, int]:
    """What is said once what was edited has run."""
    ra.wait_for_runs(ra.start_runs("wf_invoices", only="edited"), timeout=60)
    verdict = ra.check("wf_invoices")
    return verdict.headline, verdict.gate().exit_code


def test_what_is_put_back_has_the_code_that_it_had(sandbox: ra.Sandbox) -> None:
    assert sandbox.prompt("extract_lines") == JOIN
    began = fingerprints()
    sandbox.edit("extract_lines", HELPS)
    assert sandbox.prompt("extract_lines") == HELPS
    sandbox.put_back("extract_lines")
    assert sandbox.prompt("extract_lines") == OLD
    ra.wait_for_runs(ra.start_runs("wf_invoices", blocks="extract_lines"), timeout=60)
    assert {fingerprints()[0]} == {each for each in began[1:] if each != began[0]}
    sandbox.put_back("extract_lines")  # as it is already
    assert ra.fetch_evals("wf_invoices")["freshness_status"].unique().to_list() == ["fresh"]


def fingerprints() -> list[Any]:
    """The present validity of a block's evals, then those of their newest passes."""
    evals = ra.fetch_evals("wf_invoices", target_block_id="extract_lines")
    (present,) = evals["present_validity"].unique()
    assert {present} == {*evals["latest_validity"]}
    return [present, *evals["last_passed_validity"].drop_nulls().unique()]


def test_each_edit_has_a_draft_of_its_own() -> None:
    with ra.Sandbox(speed=1000) as sandbox, ra.Client(**sandbox.credentials) as mine:
        ids = []
        for prompt in (HELPS, OLD, HELPS):
            sandbox.edit("extract_lines", prompt)
            run = ra.start_runs("wf_invoices", blocks="extract_lines", client=mine)
            ids.append(ra.wait_for_runs(run, client=mine)["workflow_version_id"].item())
    assert ids == [min(ids), f"{min(ids)}_2", f"{min(ids)}_3"]


def test_a_prompt_that_it_had_breaks_another_workflow(sandbox: ra.Sandbox) -> None:
    """The third version of the contracts took some of them for another kind."""
    sandbox.edit("classify_contract", prompt="Say what kind of contract this is, by its title.")
    run = ra.start_runs("wf_contracts", blocks="classify_contract")
    ended = ra.wait_for_runs(run, timeout=60)
    assert ended["failed"].item() >= 1


def test_what_the_api_says_of_an_edit(sandbox: ra.Sandbox) -> None:
    before = ra.fetch_edits("wf_invoices", blocks="extract_lines")
    sandbox.edit("extract_lines", prompt="Extract the lines.")
    edits = ra.fetch_edits("wf_invoices", blocks="extract_lines")
    assert edits["is_draft"].to_list() == [True, False, False, False]
    assert edits.height == before.height + 1
    changes = ra.fetch_config_changes("wf_invoices", "published", "draft")
    prompt = changes.filter(field="$.config.prompt", block_id="extract_lines")
    assert prompt["after"].item() == '"Extract the lines."'
    # The same prompt edits nothing; putting one back is the era that it was, now in the draft.
    sandbox.edit("extract_lines", prompt="Extract the lines.")
    sandbox.edit("extract_lines", prompt=JOIN)
    again = ra.fetch_edits("wf_invoices", blocks="extract_lines")
    assert again.height == edits.height
    now = again.filter("is_draft")
    assert now["config_fingerprint"].to_list() == before["config_fingerprint"].head(1).to_list()


def test_a_model_or_a_schema_is_an_edit_that_changes_no_result(sandbox: ra.Sandbox) -> None:
    schema = {"type": "object", "properties": {"lines": {"type": "array"}}}
    sandbox.edit("extract_lines", model="retab-micro")
    sandbox.edit("extract_lines", schema=schema)
    changed = ra.fetch_config_changes("wf_invoices", "published", "draft")
    fields = changed.filter(block_id="extract_lines")["field"].to_list()
    assert "$.config.model" in fields
    assert any(each.startswith("$.config.json_schema") for each in fields)
    headline, code = look()
    assert headline.startswith("✗ 9 evals are still broken since the edit of ")
    assert code == 1


@pytest.mark.parametrize(
    ("block", "given", "words"),
    [
        ("nothing", {"prompt": "Read it."}, "no block 'nothing' has a prompt; .*extract_lines"),
        ("check_totals", {"prompt": "Read it."}, "no block 'check_totals' has a prompt"),
        ("classify_document", {"schema": {}}, "block 'classify_document' has no json_schema"),
        ("extract_lines", {}, "edit takes prompt=…, model=… or"),
        ("extract_lines", {"model": 3}, "edit takes prompt=…, model=… or"),
        ([], {"prompt": "Read it."}, "edit takes the id of a block"),
        ("extract_lines", {"prompt": "\ud800"}, "surrogates not allowed"),
    ],
)
def test_what_cannot_be_edited(block: Any, given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ra.Sandbox(speed=STILL).edit(block, **given)
