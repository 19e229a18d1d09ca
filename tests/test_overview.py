"""All workflows at a glance, or one with what does not pass: counts, causes, what is drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from support.fakes import STILL
from support.html_elements import Elements
from support.inside import OVERVIEW, UNWELL, Overview
from support.watched import Fault, WatchedSandbox

import retab_analysis as ra


@pytest.fixture(scope="module")
def world() -> Iterator[WatchedSandbox]:
    with WatchedSandbox(speed=STILL) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def client(world: WatchedSandbox) -> Iterator[ra.Client]:
    with ra.Client(**world.credentials) as made:
        yield made


@pytest.fixture(scope="module")
def board(client: ra.Client) -> Overview:
    return ra.overview(client=client, progress=False)


def test_there_is_a_row_for_each_workflow(board: Overview, client: ra.Client) -> None:
    known = ra.fetch_workflows(client=client, progress=False)
    assert board.frame.schema == OVERVIEW
    shared = ("workflow_id", "name", "published_version_id", "published_at")
    told = board.frame.select(shared).sort("workflow_id")
    assert told.equals(known.select(shared).sort("workflow_id"))


def test_it_says_what_check_says_and_its_marks_are_the_gates(
    board: Overview, client: ra.Client
) -> None:
    lines = dict(zip(board.frame["workflow_id"], repr(board).splitlines(), strict=True))
    for row in board.frame.drop_nulls("exit_code").iter_rows(named=True):
        flow = row["workflow_id"]
        made = ra.check(flow, client=client, progress=False)
        assert row["headline"] == made.headline
        assert row["exit_code"] == made.gate().exit_code
        assert (row["headline"][0] == "✓") == (row["exit_code"] == 0)
        told = made.to_dict()["counts"]
        counts = {name: row[name] for name in ("broke", "unclear")}
        assert counts == {name: told.get(name, 0) for name in counts}
        assert counts["unclear"] == made.unclear.height
        assert lines[flow].startswith(made.headline[0])
        assert f"{row['passing']} of {row['evals']} pass" in repr(made)
        one = ra.overview(flow, client=client, progress=False)
        assert one.frame.schema == UNWELL
        passes = one.frame.filter(candidate_state="passed")["transition"]
        assert {*passes} <= {"regressed", "newly_blocked", "suspect", "stale", "incomplete"}
        order = made.evals["eval_id"].to_list()
        assert one.frame["eval_id"].to_list() == [
            each for each in order if each in {*one.frame["eval_id"]}
        ]
        assert {*made.broken["eval_id"], *made.unclear["eval_id"]} <= {*one.frame["eval_id"]}


def test_the_worst_comes_first(board: Overview) -> None:
    codes = board.frame["exit_code"].to_list()
    assert codes == sorted(codes, key=lambda code: {1: 0, 2: 1, 0: 2, None: 3}[code])
    red = board.frame.filter(exit_code=1)["broke"].to_list()
    assert red == sorted(red, reverse=True)
    assert len(red) == 3


def test_one_workflow_by_its_id_or_its_name(board: Overview, client: ra.Client) -> None:
    row = board.frame.filter(workflow_id="wf_invoices")
    one = ra.overview("wf_invoices", client=client, progress=False)
    assert one.workflow.equals(row)
    assert set(one.frame["workflow_id"]) == {"wf_invoices"}
    named = ra.overview(row["name"].item(), client=client, progress=False)
    assert named.frame.equals(one.frame)
    assert board.workflow is None


def test_one_workflow_is_shown_with_what_does_not_pass(client: ra.Client) -> None:
    one = ra.overview("wf_invoices", client=client, progress=False)
    first, *lines = repr(one).splitlines()
    assert re.match(r"✗ .* \(wf_invoices\): \d+ evals broke .* · \d+ of \d+ pass", first)
    _, *rows = rows_of(one._repr_html_())
    assert one.frame.height > 10
    for line, shown, row in zip(lines, rows, one.frame.iter_rows(named=True), strict=False):
        assert f"{' '.join(row['eval_name'].split())} ({row['eval_id']}): {row['reason']}" in line
        for word in ("eval_id", "reason", "block_id"):
            assert row[word] in shown
    assert "ra.check(&#x27;wf_invoices&#x27;)" in one._repr_html_()
    nothing = ra.overview("wf_untitled", client=client, progress=False)
    assert nothing.frame.equals(UNWELL.to_frame())
    assert repr(nothing).startswith("○ Untitled Workflow (wf_untitled): No evals yet; save an eval")
    assert "ra.check" not in nothing._repr_html_()


def test_it_asks_what_a_check_asks_and_for_the_workflows(
    world: WatchedSandbox, client: ra.Client
) -> None:
    asked = []
    for call in (ra.check, ra.overview):
        world.requests.clear()
        call("wf_invoices", client=client, progress=False)
        asked.append(len(world.requests))
    assert asked[1] - asked[0] in (0, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("wf_invoice", "there is no workflow 'wf_invoice'; did you mean 'wf_invoices'"),
        (["wf_claims"], "workflow_id must be a string, got list"),
        (7, "workflow_id must be a string, got int"),
        ("", "is empty"),
    ],
)
def test_what_cannot_be_looked_at(client: ra.Client, given: Any, message: str) -> None:
    with pytest.raises(ra.ConfigError, match=message):
        ra.overview(given, client=client, progress=False)


def test_a_workflow_that_fails_leaves_the_others() -> None:
    fault = Fault(match="/evals?workflow_id=wf_claims", status=403, times=None)
    with WatchedSandbox(speed=STILL, faults=[fault], key="sandbox-key") as sandbox:
        client = ra.Client(**sandbox.credentials)
        with pytest.raises(ra.PermissionDeniedError) as caught:
            ra.overview(client=client, progress=False)
    frame = caught.value.partial
    assert frame.schema == OVERVIEW
    assert "wf_claims" not in frame["workflow_id"]
    assert "wf_invoices" in frame["workflow_id"]


def rows_of(page: str) -> list[str]:
    """The text of each row of a table."""
    rows = page.replace("</td>", " </td>").split("<tr")[1:]
    return [Elements(f"<tr{each}").text for each in rows]


def test_the_status_board_has_a_row_for_each_workflow(board: Overview) -> None:
    rows = rows_of(board._repr_html_())
    assert len(rows) == 1 + board.frame.height
    for shown, row in zip(rows[1:], board.frame.iter_rows(named=True), strict=True):
        assert row["name"] in shown
        assert re.search(rf"\b{row['evals']}\b", shown)
        assert row["headline"][2:] in shown
        assert row["workflow_id"] in shown
        if row["published_version_id"]:
            assert f"{row['published_at']:%Y-%m-%d %H:%M}" in shown
            assert (row["published_description"] or "") in shown


def test_the_board_says_how_to_open_a_workflow(board: Overview) -> None:
    worst = board.frame["workflow_id"][0]
    assert f"ra.overview(&#x27;{worst}&#x27;)" in board._repr_html_()
    assert "ra.overview" not in Overview(OVERVIEW.to_frame())._repr_html_()


def stays_text(made: Overview) -> None:
    page = made._repr_html_()
    assert not {"script", "img"} & {tag for tag, _ in Elements(page).made}
    assert "<script>" in rows_of(page)[1]


def test_hostile_names_stay_text() -> None:
    hostile = '"><script>alert(1)</script>\n<img src=x onerror=alert(1)>'
    row = dict.fromkeys(OVERVIEW) | {
        "workflow_id": hostile,
        "name": hostile,
        "headline": "✗ 1 eval broke",
        "evals": 1,
        "passing": 0,
    }
    made = Overview(pl.DataFrame([row], schema=OVERVIEW))
    stays_text(made)
    assert len(repr(made).splitlines()) == 1
    row = dict.fromkeys(UNWELL, hostile) | {"since_at": None, "transition": "regressed"}
    unwell = pl.DataFrame([row], schema=UNWELL)
    one = Overview(unwell, made.frame)
    stays_text(one)
    assert len(repr(one).splitlines()) == 2
