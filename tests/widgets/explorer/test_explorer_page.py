"""The explorer as a page: what it shows, what it sends, what its controls do."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.explored import (
    htmls,
    open_row,
    section,
    send,
    sort_by,
)
from support.faultserver import FaultServer, reply
from support.inside import ExplorerState
from support.inside import explorer_html as html
from support.lettered_api import LetteredApi
from support.made_runs import result_with, results_frame, run_with, runs_frame
from support.watching import client, until

import retab_analysis as ra

HOSTILE = "<img src=x onerror=alert(1)>"


def headings(explorer: Any) -> list[str]:
    return re.findall(r"<th [^>]*>(?:<button[^>]*>)?([^<]+)", section(explorer, "list"))


def test_columns_of_ones_own_are_shown_and_searched(
    runs: pl.DataFrame, results: pl.DataFrame
) -> None:
    team = pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("billing")).otherwise(pl.lit("ops"))
    explorer = ra.explore(runs.with_columns(team=team, cost=1.5, tags=pl.lit(["x"])))
    assert headings(explorer)[-2:] == ["team", "cost"]
    send(explorer, "search", "billing")
    assert set(explorer.frame["team"]) == {"billing"}
    assert ">billing</bdi>" in section(explorer, "list")
    by_results = ra.explore(results=results.with_columns(handle_inputs=pl.lit("{}"), team=team))
    assert headings(by_results)[-1] == "team"


# Runs.


def test_controls_change_what_is_seen(runs: pl.DataFrame) -> None:
    explorer = ra.explore(runs)
    send(explorer, "search", " extract_LINES ")
    assert set(explorer.frame["target_block_id"]) == {"extract_lines"}
    sort_by(explorer, "Pass rate")
    assert 'aria-sort="descending"' in section(explorer, "list")
    rates = explorer.frame["pass_rate"].drop_nulls().to_list()
    assert rates == sorted(rates, reverse=True)
    send(explorer, "search", "")
    assert explorer.frame.height == runs.height


def test_what_a_browser_sends_may_be_anything(runs: pl.DataFrame) -> None:
    explorer = ra.explore(runs)
    before = htmls(explorer)
    for event in ("tab", "open", "sort", "page"):
        for value in (None, "x", "99999", "-99999", ["a"], {"b": 1}, 1e400):
            send(explorer, event, value, key=None if value is None else str(value))
    for event in ("turn", "eval", "document", "nonsense"):
        for value in ("x", ["a"], ["2026-01-01/x", "y"], 1e400, {"b": 1}):
            send(explorer, event, value)
    send(explorer, "page", "1")
    send(explorer, "close")
    assert htmls(explorer) == before


def test_only_the_page_is_sent(runs: pl.DataFrame, sent: list[dict[str, Any]]) -> None:
    many = pl.concat([runs.with_columns(pl.col("run_id") + str(n)) for n in range(50)])
    explorer = ra.explore(many)
    assert explorer.widget is not None
    time.sleep(0.11)
    send(explorer, "page", "7")
    assert 0 < sum(len(str(state)) for state in sent) < 25_000


def test_twenty_explorers_leave_what_one_leaves(runs: pl.DataFrame) -> None:
    from ipywidgets.widgets import widget as registry

    def left() -> tuple[int, int]:
        return len(registry._instances), threading.active_count()

    before = left()
    for _ in range(20):
        explorer = ra.explore(runs)
        send(explorer, "turn", "1")
        explorer.close()
    until(lambda: left() == before)  # a timer that was cancelled takes a moment to end
    first = explorer.widget
    assert len(registry._instances) == before[0] + 2  # the page and its layout
    explorer.close()
    assert first.comm is None
    assert explorer.frame.height == runs.height
    assert explorer.widget is not first


# What is chosen.


def test_a_result_with_what_was_expected_and_what_came(results: pl.DataFrame) -> None:
    explorer = ra.explore(results=results)
    assert section(explorer, "panel") == ""
    at = explorer.frame["state"].to_list().index("failed")
    explorer.state.listed.choose(explorer.state.listed.numbers[at])
    explorer._follow()
    row = explorer.frame.row(at, named=True)
    explorer.wait(20)
    shown = section(explorer, "panel")
    assert row["eval_id"] in shown
    for title in ("Asserts", "Expected", "Got"):
        assert f">{title}</th>" in shown
    assert f'data-copy="{row["run_id"]}"' in shown
    # What its history says was weighed meanwhile.
    evals = ra.summarize_evals(results).filter(eval_id=row["eval_id"]).row(0, named=True)
    here = results.filter(eval_id=row["eval_id"])["run_id"].n_unique()
    assert f"in {here} runs: " in shown
    assert f"failed {evals['failures']} of {evals['outcomes']}" in shown
    assert 'aria-selected="true"' in section(explorer, "list")
    send(explorer, "close")
    assert section(explorer, "panel") == ""


def test_a_run_leads_to_its_results(runs: pl.DataFrame, results: pl.DataFrame) -> None:
    explorer = ra.explore(runs, results)
    failed = results.filter(state="failed")["run_id"][0]
    send(explorer, "search", failed)
    open_row(explorer, 0)
    assert ">asserts</th>" in section(explorer, "panel")
    of_run = explorer.state.results_of(failed)
    assert of_run is not None
    send(explorer, "eval", of_run["eval_id"][1])
    explorer.wait(20)
    shown = section(explorer, "panel")
    assert of_run["result_id"][1] in shown
    assert "Asserts" in shown
    assert ">asserts</th>" in shown, "it opens below its row"
    send(explorer, "eval", of_run["eval_id"][1])
    assert "Asserts" not in section(explorer, "panel")
    send(explorer, "eval", of_run["eval_id"][1])
    open_row(explorer, 0)
    assert "Asserts" not in section(explorer, "panel"), "what was open is closed with the run"


def test_a_document_is_asked_for_only_when_somebody_wants_to_see_it(results: pl.DataFrame) -> None:
    row = results.head(1).with_columns(
        document_ids=pl.lit(["file_1", "file_2"]), document_names=pl.lit(["a.pdf", "b.png"])
    )
    links = {
        name: reply(body={"download_url": url, "expires_in": "5m", "filename": name})
        for name, url in (
            ("file_1", "https://x.invalid/a.pdf?key=1&b"),
            ("file_2", "https://x.invalid/b.png"),
        )
    }

    def answer(request: str) -> Any:
        return next(each for name, each in links.items() if f"/{name}/" in request)

    with FaultServer([answer, answer]) as server:
        explorer = ra.explore(results=row, client=client(server.url))
        open_row(explorer, 0)
        explorer.wait(20)
        assert server.requests == []
        send(explorer, "document", "0")
        until(lambda: "Open in a new tab" in section(explorer, "panel"))
        shown = section(explorer, "panel")
        assert 'data="https://x.invalid/a.pdf?key=1&amp;b#page=1' in shown
        send(explorer, "document", "1")
        until(lambda: "Open in a new tab" in section(explorer, "panel"))
        shown = section(explorer, "panel")
        assert '<img src="https://x.invalid/b.png" alt="b.png"' in shown
        assert "a.pdf?key" not in shown
        # Whoever has the address can read the document: it is not saved with the notebook.
        assert "x.invalid" not in str(explorer._repr_mimebundle_())


def test_a_document_whose_address_could_run_is_not_shown(results: pl.DataFrame) -> None:
    row = results.head(1).with_columns(document_ids=pl.lit(["f"]), document_names=pl.lit(["a.png"]))
    link = {"download_url": "javascript:alert(1)", "expires_in": "5m", "filename": "a.png"}
    with FaultServer([reply(body=link)]) as server:
        explorer = ra.explore(results=row, client=client(server.url))
        open_row(explorer, 0)
        send(explorer, "document", "0")
        until(lambda: "not one of the web" in section(explorer, "panel"))
    assert "javascript" not in section(explorer, "panel")
    assert "not one of the web" in section(explorer, "panel")


# Versions.


def test_versions_have_short_names() -> None:
    versions = ("ver_aaaaaaaaaaaaaaaa", "ver_bbbbbbbbbbbb1111", "ver_bbbbbbbbbbbb2222", "v7")
    frame = runs_frame(
        *(
            run_with(each, workflow_version_id=each, timing__created_at=f"2026-05-0{day}T10:00:00Z")
            for day, each in zip((1, 2, 2, 3), versions, strict=True)
        )
    )
    explorer = ra.explore(frame)
    names = explorer.state.names
    assert list(map(names.get, versions)) == [
        *("2026-05-01", "2026-05-02 …1111", "2026-05-02 …2222", "v7")
    ]
    published = pl.DataFrame(
        {"workflow_version_id": ["ver_aaaaaaaaaaaaaaaa"], "version": [3]},
        schema_overrides={"version": pl.Int64},
    )
    explorer.state.take_versions(published)
    explorer._follow()
    shown = section(explorer, "list")
    assert '<bdi title="ver_aaaaaaaaaaaaaaaa">v3</bdi>' in shown
    open_row(explorer, 3)
    assert 'data-copy="ver_aaaaaaaaaaaaaaaa"' in section(explorer, "panel")


def test_the_numbers_of_versions_are_asked_for(api: ra.Client) -> None:
    explorer = ra.explore(workflow_id="wf_invoices", client=api)
    explorer.wait(30)
    published = ra.fetch_versions("wf_invoices", client=api)
    names = explorer.state.names
    here = published.filter(pl.col("workflow_version_id").is_in(list(names)))
    assert here.height > 1
    for version, number in here.select("workflow_version_id", "version").iter_rows():
        assert names[version] == f"v{number}"


def test_the_search_finds_the_short_name_of_a_version(api: ra.Client) -> None:
    explorer = ra.explore(workflow_id="wf_invoices", client=api)
    explorer.wait(30)
    names = explorer.state.names
    (version,) = [each for each, name in names.items() if name == "v5"]
    send(explorer, "search", "V5")
    assert set(explorer.frame["workflow_version_id"]) == {version}


def test_blocks_have_their_labels() -> None:
    with LetteredApi({}) as api:
        api.blocks = {"broken": "extract", "other": "classify"}
        api.labels = {"extract": "Read the lines", "classify": "Classify"}
        api.write({"broken": "PPF", "other": "PPP"})
        explorer = ra.explore(workflow_id=api.flow, client=api.client)
        while explorer.wait(30).is_empty():
            explorer.load_more()
        send(explorer, "tab", "evals")
        explorer.wait(30)
        assert "Read the lines" in section(explorer, "list")
        send(explorer, "search", "READ THE LINES")
        assert set(explorer.frame["block_id"]) == {"extract"}


# Files and names.


def test_a_file_that_is_there_is_replaced_only_when_asked_again(
    runs: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "runs.csv"
    target.write_text("mine")
    explorer = ra.explore(runs)
    send(explorer, "export")
    assert target.read_text() == "mine"
    assert "is there already" in section(explorer, "head")
    send(explorer, "search", "x")
    send(explorer, "search", "")
    send(explorer, "export")
    assert target.read_text() == "mine", "whatever else is done answers the question"
    send(explorer, "export")
    assert ra.read_csv(target).height == runs.height


def test_cancelled_results_are_one_line() -> None:
    rows = [result_with(f"e{at}", "cancelled") for at in range(63)]
    run = runs_frame(run_with("r1", "cancelled", cancelled=63, passed=1))
    explorer = ra.explore(run, results_frame(*rows, result_with("p", "passed")))
    open_row(explorer, 0)
    assert "63 cancelled" in section(explorer, "panel")
    assert "rtd-open" in section(explorer, "panel")
    assert section(explorer, "panel").count('data-event="eval"') == 1


def test_what_is_on_its_way_is_not_told_to_be_nothing() -> None:
    state = ExplorerState(runs_frame(run_with("r1", "completed", passed=1)), None)
    state.turn_to("evals")
    state.weigh()
    for fetching in (True, False):
        look = html.ExplorerLook("Evals", fetching=fetching)
        shown = html.render_sections(state, look)
        assert ("are on their way" in shown["pages"]) is fetching
        assert ("no evals" in shown["pages"]) is not fetching
        assert (">0</span>" in shown["head"]) is not fetching


def test_names_from_outside_are_no_markup() -> None:
    run = run_with(HOSTILE, "error", workflow_version_id=HOSTILE, failed=1)
    run["lifecycle"] = {"status": "error", "message": HOSTILE, "details": {}}
    result = result_with(HOSTILE, "failed", HOSTILE, workflow_id="wf")
    results = results_frame(result).with_columns(
        document_ids=pl.lit([HOSTILE]), document_names=pl.lit([HOSTILE]), own=pl.lit(HOSTILE)
    )
    explorer = ra.explore(runs_frame(run).with_columns(pl.lit("x").alias(HOSTILE)), results)
    assert explorer.widget is not None
    pages = ""
    for tab in explorer.state.tabs:
        send(explorer, "tab", tab)
        explorer.wait(60)
        open_row(explorer, 0)
        pages += htmls(explorer) + explorer._repr_mimebundle_()["text/html"]
    assert "<img" not in pages
    assert "&lt;img" in pages
