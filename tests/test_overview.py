"""All workflows at a glance, or one with what does not pass: counts, causes, what is drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest
from support.fakes import STILL
from support.inside import OVERVIEW, UNWELL, WHY, Overview
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


def test_there_is_a_row_for_each_workflow_in_the_apis_order(
    board: Overview, client: ra.Client
) -> None:
    known = ra.fetch_workflows(client=client, progress=False)
    assert board.frame.schema == OVERVIEW
    shared = ("workflow_id", "name", "published_version_id", "published_at")
    assert board.frame.select(shared).equals(known.select(shared))


def test_the_counts_are_of_the_evals_that_are_listed(board: Overview, client: ra.Client) -> None:
    for row in board.frame.iter_rows(named=True):
        evals = ra.fetch_evals(row["workflow_id"], client=client, progress=False)
        told = ra.overview(row["workflow_id"], client=client, progress=False).frame
        assert told.schema == UNWELL
        assert row["evals"] == evals.height
        assert row["passing"] == evals.filter(latest_run_outcome="passed").height
        assert {why: row[why] for why in WHY} == {why: told.filter(why=why).height for why in WHY}


def test_it_agrees_with_check_on_every_break_in_a_changed_block(
    board: Overview, client: ra.Client
) -> None:
    agreed = 0
    for workflow_id in board.frame.filter(pl.col("last_run_id").is_not_null())["workflow_id"]:
        made = ra.check(workflow_id, client=client, progress=False)
        broken = made.evals.filter(
            pl.col("transition").is_in(("regressed", "newly_blocked")), pl.col("cause") == "edit"
        )
        evals = ra.fetch_evals(workflow_id, client=client, progress=False)
        told = ra.overview(workflow_id, client=client, progress=False).frame
        # A later run of single evals may have passed since: then there is nothing to do.
        now = evals.filter(pl.col("latest_run_outcome") != "passed")["eval_id"]
        still = broken.filter(pl.col("eval_id").is_in(now.implode()))
        joined = still.join(told, on="eval_id", how="left", suffix="_told")
        assert set(joined["why"]) <= {"block_changed"}, workflow_id
        agreed += joined.height
        row = board.frame.row(by_predicate=pl.col("workflow_id") == workflow_id, named=True)
        assert row["block_changed"] >= joined.height
    assert agreed >= 8


def test_one_workflow_by_its_id_or_its_name(board: Overview, client: ra.Client) -> None:
    row = board.frame.filter(workflow_id="wf_invoices")
    one = ra.overview("wf_invoices", client=client, progress=False)
    assert one.workflow is not None
    assert one.workflow.equals(row)
    assert set(one.frame["workflow_id"]) == {"wf_invoices"}
    named = ra.overview(row["name"].item(), client=client, progress=False)
    assert named.frame.equals(one.frame)
    assert board.workflow is None


def test_one_workflow_is_shown_with_what_does_not_pass(client: ra.Client) -> None:
    one = ra.overview("wf_invoices", client=client, progress=False)
    first, *lines = repr(one).splitlines()
    assert re.search(r"\(wf_invoices\): \d+ of \d+ evals pass; \d+ block changed", first)
    _, *rows = Cells(one._repr_html_()).rows
    assert one.frame.height > 10
    for line, shown, row in zip(lines, rows, one.frame.iter_rows(named=True), strict=True):
        assert f"{' '.join(row['eval_name'].split())} ({row['eval_id']}): {row['state']}" in line
        for word in ("eval_id", "state", "block_id"):
            assert row[word] in shown
        assert row["why"].replace("_", " ").removeprefix("same code") in shown
    assert "ra.check(&#x27;wf_invoices&#x27;)" in one._repr_html_()
    nothing = ra.overview("wf_untitled", client=client, progress=False)
    assert nothing.frame.equals(UNWELL.to_frame())
    assert "no saved eval" in repr(nothing)
    assert "ra.check" not in nothing._repr_html_()


def test_few_requests_are_enough(world: WatchedSandbox, client: ra.Client) -> None:
    world.requests.clear()
    ra.overview("wf_invoices", client=client, progress=False)
    assert len(world.requests) == 3  # the list of workflows, the saved evals, the runs


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
    assert frame is not None
    assert frame.schema == OVERVIEW
    assert "wf_claims" not in frame["workflow_id"]
    assert "wf_invoices" in frame["workflow_id"]


class Cells(HTMLParser):
    """The elements and the text of each row of a table."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.made: list[str] = []
        self.rows: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.made.append(tag)
        if tag == "tr":
            self.rows.append("")

    def handle_data(self, data: str) -> None:
        if self.rows:
            self.rows[-1] += f"{data} "


def test_the_status_board_has_a_row_for_each_workflow(board: Overview) -> None:
    rows = Cells(board._repr_html_()).rows
    assert len(rows) == 1 + board.frame.height
    for shown, row in zip(rows[1:], board.frame.iter_rows(named=True), strict=True):
        assert row["name"] in shown
        assert re.search(rf"\b{row['evals']}\b", shown)
        if row["block_changed"]:
            assert f"{row['block_changed']} block changed" in shown
        assert row["workflow_id"] in shown
        if row["published_version_id"]:
            assert f"{row['published_at']:%Y-%m-%d %H:%M}" in shown
            assert (row["published_description"] or "") in shown


def test_the_board_says_how_to_open_a_workflow(board: Overview) -> None:
    rates = board.frame.filter(pl.col("evals") > 0).select(
        "workflow_id", rate=pl.col("passing") / pl.col("evals")
    )
    worst = rates.sort("rate")["workflow_id"][0]
    assert f"ra.overview(&#x27;{worst}&#x27;)" in board._repr_html_()
    assert "ra.overview" not in Overview(OVERVIEW.to_frame())._repr_html_()


def test_counts_on_the_board_add_up() -> None:
    counts = dict.fromkeys(("evals", "passing", *WHY), 2) | {"evals": 15}
    row = dict.fromkeys(OVERVIEW) | {"workflow_id": "wf", "name": "One"} | counts
    made = Overview(pl.DataFrame([row], schema=OVERVIEW))
    said = "2 never passed, 3 without a verdict or a known cause"
    assert said in repr(made)
    assert said in made._repr_html_()


def test_hostile_names_stay_text() -> None:
    hostile = '"><script>alert(1)</script>\n<img src=x onerror=alert(1)>'
    row = dict.fromkeys(OVERVIEW) | {
        "workflow_id": hostile,
        "name": hostile,
        "evals": 1,
        "passing": 0,
    }
    made = Overview(pl.DataFrame([row], schema=OVERVIEW))
    shown = Cells(made._repr_html_())
    assert not {"script", "img"} & set(shown.made)
    assert "<script>" in shown.rows[1]
    assert len(repr(made).splitlines()) == 1
    row = dict.fromkeys(UNWELL, hostile) | dict.fromkeys(("last_passed_at", "last_failed_at"))
    unwell = pl.DataFrame([row | {"state": "failed", "why": None}], schema=UNWELL)
    one = Overview(unwell, made.frame)
    shown = Cells(one._repr_html_())
    assert not {"script", "img"} & set(shown.made)
    assert "<script>" in shown.rows[1]
    assert len(repr(one).splitlines()) == 2
