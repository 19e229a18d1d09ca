"""The golden story in every shape that the API may have."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest
from support.dialects import (
    DIALECTS,
    EVALS,
    HISTORY,
    NO_FINGERPRINTS,
    RESULTS,
    Dialect,
    spoken,
    without,
)
from support.inside import StoreServer
from support.sandbox_api import KEY, Clock, ask, make_server, make_store, plan_world

import retab_analysis as ra

FLOW = "wf_invoices"
EDITED = "since the edit of extract_lines"
WORDS = "Join descriptions that are wrapped over several rows."
UNNUMBERED = "The API does not list publications here, so versions have no numbers."
NOT_NUMBERED = ("graph versions only", "publications for the dashboard only", "a web page")
NOT_NUMBERED = (*NOT_NUMBERED, "last month")
ELSEWHERE, BY_NAME = "another environment", "runs name publications"
NO_CODES = "Results do not say which code they ran"


@pytest.fixture(scope="module")
def behind() -> Iterator[dict[str, dict[str, str]]]:
    """The sandboxes behind the dialects, by what their runs name."""
    with contextlib.ExitStack() as stack:
        names = {made().named for made in DIALECTS.values()}
        servers = {each: stack.enter_context(make_server(plan_world(0, each))) for each in names}
        yield {name: server.credentials for name, server in servers.items()}


@pytest.mark.parametrize(
    ("dialect", "says"),
    [
        ("the draft is frozen when the run starts", "✓ 9 evals are fixed, nothing broke"),
        ("the draft is frozen when the run is created", "✓ Nothing broke"),
    ],
)
def test_111_an_edit_while_a_run_waits(dialect: str, says: str) -> None:
    """The run is of one code, whichever of both that is; the code that was put back has passed."""
    clock, speaks = Clock(), DIALECTS[dialect]()
    store = make_store(plan_world(0), clock=clock, frozen_at=speaks.frozen_at)
    with StoreServer(store, key=KEY) as server, spoken(speaks, server.base_url) as url:
        body = {"workflow_id": FLOW, "scope": {"type": "block", "block_id": "extract_lines"}}
        _, run, _ = ask(server, "/v1/workflows/evals/runs", "POST", json.dumps(body).encode())
        store.put_back("extract_lines")
        clock.forward(3_600)
        with ra.Client(KEY, url) as client:
            results = ra.fetch_results(run["id"], client=client)
            verdict = ra.check(FLOW, client=client, progress=False)
    assert results["block_execution_fingerprint"].n_unique() == 1
    assert says in verdict.headline


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(behind: dict[str, dict[str, str]], dialect: str) -> Iterator[ra.Client]:
    speaks = DIALECTS[dialect]()
    api_key, base_url = behind[speaks.named].values()
    with spoken(speaks, base_url) as url, ra.Client(api_key, url, max_attempts=1) as made:
        yield made


def test_the_golden_story(client: ra.Client, dialect: str) -> None:
    if dialect == ELSEWHERE:
        with pytest.raises(ra.NotFoundError, match="environment 'sandbox' alone"):
            ra.check(FLOW, client=client, progress=False)
        return
    verdict = ra.check(FLOW, client=client, progress=False)
    text = " ".join(str(verdict).split())
    assert (UNNUMBERED in text) == (dialect in NOT_NUMBERED)
    assert verdict.broken.filter(cause="edit", block_id="extract_lines").height == 9
    assert verdict.headline.startswith(f"✗ 9 evals broke {EDITED}")
    assert (NO_CODES in text) == (dialect == "no fingerprints")
    assert WORDS in text


@pytest.mark.parametrize("named", ["published", "v5"])
def test_versions_by_name(client: ra.Client, dialect: str, named: str) -> None:
    if dialect == ELSEWHERE:
        return
    if dialect == BY_NAME:
        verdict = ra.check(FLOW, baseline=named, client=client, progress=False)
        assert verdict.broken.height >= 9
        return
    why = "Give the id of a run or of a draft"
    if dialect in NOT_NUMBERED and named == "v5":
        why = "versions have no numbers"
    with pytest.raises(ra.ConfigError, match=why):
        ra.check(FLOW, baseline=named, client=client, progress=False)
    with pytest.raises(ra.ConfigError, match=why):
        ra.compare_versions(FLOW, named, "draft", client=client, progress=False)


def test_the_draft_by_name(client: ra.Client, dialect: str) -> None:
    if dialect == ELSEWHERE:
        return
    verdict = ra.check(FLOW, candidate="draft", client=client, progress=False)
    assert "draft of" in str(verdict)


def test_94_without_fingerprints_freshness_and_times_of_blocks(
    behind: dict[str, dict[str, str]],
) -> None:
    """Then it is not known whether an edit broke anything, and the answer says so."""
    told = {
        f"{RESULTS}(/[^/]+)?|{EVALS}": lambda row: without("freshness")(NO_FINGERPRINTS(row)),
        "/v1/workflows/blocks": without("updated_at"),
    }
    api_key, base_url = behind["drafts"].values()
    with spoken(Dialect({HISTORY: 404}, told=told), base_url) as url:
        with ra.Client(api_key, url, max_attempts=1) as made:
            verdict = ra.check(FLOW, client=made, progress=False)
    text = " ".join(str(verdict).split())
    assert verdict.headline.startswith("✗ 9 evals broke on ")
    assert NO_CODES in text
    assert "Edits of" in text
    assert "Whether the inputs of 90 of 95 evals changed is not known" in verdict.explain()
