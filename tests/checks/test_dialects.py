"""The golden story in every shape that the API may have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.dialects import (
    APART,
    DIALECTS,
    EVALS,
    HISTORY,
    NO_FINGERPRINTS,
    RESULTS,
    Dialect,
    spoken,
    without,
)
from support.inside import StoreServer, inside
from support.sandbox_api import KEY, Clock, ask, make_server, make_store, plan_world
from support.studied import with_studies

import retab_analysis as ra

Asked = tuple[str, str | None]
Answer = tuple[str, set[str], int]
FLOW = "wf_invoices"
EDITED = "since the edit of extract_lines"
WORDS = "Join descriptions that are wrapped over several rows."
UNNUMBERED = "The API does not list publications here, so versions have no numbers."
NOT_NUMBERED = ("graph versions only", "publications for the dashboard only", "a web page")
NOT_NUMBERED = (*NOT_NUMBERED, "last month")
ELSEWHERE = "another environment"
NO_HISTORY = ("no config-history", "config-history answers 500", *NOT_NUMBERED[1:])
NUMBER = re.compile("[vV]?[0-9]")
DAY = "2026-11-20"
# What is called so where versions have no numbers.
CALLED = {"v5": "the version of 8 Nov", "v4": "the version of 6 Oct"}
IDS = {"v5": "ver_a465f2e1d5c58c3aa5e593809b70f7ae", "v4": "ver_778de95d557c34e6f448ac1389c518f8"}
BEFORE_THE_EDIT = "evalrun_WcrUvm49h6UGe89uW3gua"
NAMED: list[Asked] = [
    *(("v5", "draft"), ("5", None), ("published", "draft"), (DAY, None), ("{v5}", "draft")),
    *(("v4", "V5"), ("draft", "production"), ("previous", None), ("v3", "{v4}"), ("{ran}", None)),
]
DIFFERS: dict[tuple[str, Asked], str] = {
    # Nothing but fingerprints tells that the inputs of an eval were edited.
    ("no fingerprints", ("v4", "V5")): "✗ 1 eval broke from v4 to v5",
    ("no fingerprints", ("previous", None)): "✗ 10 evals broke from the code before to",
}
NO_CODES = "Results do not say which code they ran"


@pytest.fixture(scope="module")
def behind() -> Iterator[dict[str, str]]:
    """The sandbox behind the dialects."""
    with make_server(plan_world()) as server:
        yield server.credentials


@pytest.mark.parametrize(
    ("when", "of_run"),
    [
        ("starts", "✓ Same code: v5 and the run do not differ"),
        ("is created", "✗ 9 evals broke from v5 to the run"),
    ],
)
def test_111_an_edit_while_a_run_waits(when: str, of_run: str) -> None:
    """The run is of one code, whichever of both that is; the code that was put back has passed."""
    clock, speaks = Clock(), DIALECTS[f"the draft is frozen when the run {when}"]()
    store = make_store(plan_world(0), clock=clock, frozen_at=speaks.frozen_at)
    with StoreServer(store, key=KEY) as server, spoken(speaks, server.base_url) as url:
        body = {"workflow_id": FLOW, "scope": {"type": "block", "block_id": "extract_lines"}}
        _, run, _ = ask(server, "/v1/workflows/evals/runs", "POST", json.dumps(body).encode())
        store.put_back("extract_lines")
        clock.forward(3_600)
        with ra.Client(KEY, url) as client:
            results = ra.fetch_results(run["id"], client=client)
            verdict = ra.check(FLOW, client=client, progress=False)
            named = {"client": client, "baseline": "v5", "progress": False}
            draft, its = ra.check(FLOW, **named), ra.check(FLOW, candidate=run["id"], **named)
    assert draft.headline == "✓ Same code: v5 and the draft do not differ (95 evals)"
    assert its.headline.startswith(of_run)
    assert results["block_execution_fingerprint"].n_unique() == 1
    assert verdict.headline == "✓ 9 evals are fixed, nothing broke"


# What tells codes and names of versions is missing, one sign after the other.
WITHOUT_SIGNS = {"no freshness", "last month"}


@pytest.fixture(params=with_studies(DIALECTS, APART))
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(behind: dict[str, str], dialect: str) -> Iterator[ra.Client]:
    api_key, base_url = behind.values()
    with (
        spoken(DIALECTS[dialect](), base_url) as url,
        ra.Client(api_key, url, max_attempts=1) as made,
    ):
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
    # Without fingerprints nothing tells that the inputs of a further eval were edited.
    said = (
        f"✗ 10 evals broke: 9 {EDITED}"
        if verdict.broken.height == 10
        else f"✗ 9 evals broke {EDITED}"
    )
    assert verdict.headline.startswith(said)
    assert (NO_CODES in text) == (dialect == "no fingerprints")
    assert (WORDS in text) == (dialect not in NO_HISTORY)
    assert ("The edit is not known: " in text) == (dialect in NO_HISTORY)
    assert f"{'draft' if dialect in NO_HISTORY else 'edit'} of 23 Nov" in text


def name_versions(client: ra.Client) -> list[Asked]:
    """The pairs of names, where ``{ran}`` is the id that a run of before the edit carries."""
    ran = ra.fetch_run(BEFORE_THE_EDIT, client=client)["workflow_version_id"].item()
    return [(was.format(ran=ran, **IDS), now and now.format(**IDS)) for was, now in NAMED]


def compare(client: ra.Client, asked: Asked) -> Any:
    baseline, candidate = asked
    made = ra.check(FLOW, baseline=baseline, candidate=candidate, client=client, progress=False)
    sides = inside(made).sides
    of_one_code = made.evals.filter(transition="same_code")["eval_id"]
    both = sides.candidate.join(sides.baseline, on="result_id", how="semi")
    assert {*both["eval_id"]} <= {*of_one_code}, "a result stands on one side"
    assert sum(made.to_dict()["counts"].values()) == made.evals.height - made.removed.height
    return made


@pytest.fixture(scope="module")
def documented(behind: dict[str, str]) -> list[Answer]:
    with ra.Client(**behind) as client:
        found = [compare(client, asked) for asked in name_versions(client)]
    return [(made.headline, {*made.broken["eval_id"]}, made.gate().exit_code) for made in found]


@pytest.mark.parametrize("dialect", with_studies(DIALECTS, {"last month"}))
def test_106_every_name_of_a_version(
    client: ra.Client, dialect: str, documented: list[Answer]
) -> None:
    """The headline, the broken evals and the exit code, or what cannot be known."""
    if dialect == ELSEWHERE:
        return
    names = zip(NAMED, name_versions(client), documented, strict=True)
    for written, asked, (expected, broken, code) in names:
        if dialect in NOT_NUMBERED and any(NUMBER.fullmatch(each or "") for each in asked):
            with pytest.raises(ra.ConfigError, match="so versions have no numbers"):
                compare(client, asked)
            continue
        made = compare(client, asked)
        if (dialect, written) in DIFFERS:
            assert made.headline.startswith(DIFFERS[dialect, written]), asked
            continue
        for name, other in CALLED.items():
            expected = expected.replace(name, other) if dialect in NOT_NUMBERED else expected
        if dialect in NO_HISTORY:
            expected = expected.replace("the edit of 23 Nov", "the draft of 23 Nov")
        if dialect in NOT_NUMBERED:  # their names are long, and what follows is cut
            expected = expected.partition(":")[0]
        said = re.sub(r"(the draft of \d+ \w+) \d\d:\d\d", r"\1", made.headline)
        assert said.startswith(expected), asked
        assert {*made.broken["eval_id"]} == broken, asked
        assert made.gate().exit_code == code, asked


def test_the_documented_names(documented: list[Answer]) -> None:
    said = dict(zip(NAMED, documented, strict=True))
    assert said["v5", "draft"][0] == "✗ 9 evals broke from v5 to the draft"
    assert said["5", None][0] == said[DAY, None][0] == said["{ran}", None][0]
    assert said["5", None][0] == "✗ 9 evals broke from v5 to the edit of 23 Nov"
    assert said["v4", "V5"][0].startswith("✓ Nothing broke from v4 to v5: 50 of 54 pass")
    assert (
        said["draft", "production"][0] == "✓ 9 evals are fixed from the draft to v5, nothing broke"
    )
    assert [code for _, _, code in documented] == [1, 1, 1, 1, 1, 0, 0, 1, 1, 1]


def test_94_without_fingerprints_freshness_and_times_of_blocks(
    behind: dict[str, str],
) -> None:
    """Then it is not known whether an edit broke anything, and the answer says so."""
    told = {
        f"{RESULTS}(/[^/]+)?|{EVALS}": lambda row: without("freshness")(NO_FINGERPRINTS(row)),
        "/v1/workflows/blocks": without("updated_at"),
    }
    api_key, base_url = behind.values()
    with spoken(Dialect({HISTORY: 404}, told=told), base_url) as url:
        with ra.Client(api_key, url, max_attempts=1) as made:
            verdict = ra.check(FLOW, client=made, progress=False)
    text = " ".join(str(verdict).split())
    assert verdict.headline.startswith("✗ 10 evals broke: 9 for an unknown reason, ")
    assert NO_CODES in text
    assert "Edits of" in text
    assert "Whether the inputs of 90 of 95 evals changed is not known" in verdict.explain()
