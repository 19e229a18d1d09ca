"""A block of the sandbox that is edited: what it gives then, and what the API says of the edit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.fakes import STILL

import retab_analysis as ra

OLD = "Extract every line item of the invoice, returns too."
JOIN = f"{OLD} Join descriptions that are wrapped over several rows."


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


def test_edit_red_mend_green(sandbox: ra.Sandbox) -> None:
    sandbox.edit("extract_lines", prompt=OLD)
    assert look() == ("✓ 9 evals are fixed, nothing broke", 0)
    sandbox.edit("extract_lines", prompt=f"{JOIN} Leave out empty rows.")
    edited = "○ extract_lines was edited and has not run yet; before that nothing broke"
    assert ra.check("wf_invoices").headline == edited
    assert look() == ("✗ 9 evals broke since the edit of extract_lines", 1)
    changes = ra.check("wf_invoices").config_changes.filter(field="$.config.prompt")
    assert "Leave out empty rows." in changes["after"].item()
    sandbox.edit("extract_lines", prompt=f"{OLD} Leave out empty rows.")
    assert look() == ("✓ 9 evals are fixed, nothing broke", 0)


def test_a_prompt_that_it_had_breaks_another_workflow(sandbox: ra.Sandbox) -> None:
    """The third version of the contracts took some of them for another kind."""
    sandbox.edit("classify_contract", prompt="Say what kind of contract this is, by its title.")
    run = ra.start_runs("wf_contracts", only="edited")
    ended = ra.wait_for_runs(run, timeout=60)
    assert ended["target_block_id"].to_list() == ["classify_contract"]
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


@pytest.mark.parametrize(
    ("block", "prompt", "words"),
    [
        ("nothing", "Read it.", "no block 'nothing' has a prompt; some do: .*extract_lines"),
        ("check_totals", "Read it.", "no block 'check_totals' has a prompt"),
        ("extract_lines", None, "block and prompt are texts, not .* and None"),
        ([], "Read it.", "block and prompt are texts"),
        ("extract_lines", "\ud800", "surrogates not allowed"),
    ],
)
def test_what_cannot_be_edited(block: Any, prompt: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ra.Sandbox(speed=STILL).edit(block, prompt=prompt)
