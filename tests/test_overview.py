"""All workflows at a glance, or one with what does not pass: counts, causes, what is drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from matplotlib import pyplot
from support.fakes import STILL
from support.html_elements import Elements
from support.inside import BLOCKS_OF_OVERVIEW as BLOCKS
from support.inside import OVERVIEW, UNWELL, Heading, Overview, Periods, Seen
from support.lettered_api import FLOW, LetteredApi, spell
from support.watched import Fault, WatchedSandbox

import retab_analysis as ra


@pytest.fixture(scope="module")
def client(still_sandbox: WatchedSandbox) -> Iterator[ra.Client]:
    with ra.Client(**still_sandbox.credentials) as made:
        yield made


@pytest.fixture(scope="module")
def board(client: ra.Client) -> Overview:
    return ra.overview(client=client, progress=False)


def test_there_is_a_row_for_each_workflow(board: Overview, client: ra.Client) -> None:
    known = ra.fetch_workflows(client=client, progress=False)
    assert board.frame.schema == OVERVIEW
    shared = ("workflow_id", "name")
    told = board.frame.select(shared).sort("workflow_id")
    assert told.equals(known.select(shared).sort("workflow_id"))


def test_it_says_what_check_says_and_its_marks_are_the_gates(
    board: Overview, client: ra.Client
) -> None:
    text = " ".join(repr(board).split())
    for row in board.frame.drop_nulls("exit_code").iter_rows(named=True):
        flow = row["workflow_id"]
        made = ra.check(flow, client=client, progress=False)
        assert row["headline"] == made.headline
        assert row["exit_code"] == made.gate().exit_code
        assert (row["headline"][0] == "✓") == (row["exit_code"] == 0)
        told = made.to_dict()["counts"]
        assert (row["broken"], row["unclear"]) == (told.get("broke", 0), told.get("unclear", 0))
        assert row["unclear"] == made.unclear.height
        name = " ".join((row["name"] or flow).split())
        assert f"{made.headline[0]} {name} {' '.join(made.headline[2:].split())}" in text
        saved = made.evals.height - made.removed.height
        assert (row["mark"], row["n_evals"]) == (made.headline[0], saved)
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
    red = board.frame.filter(exit_code=1)["broken"].to_list()
    assert red == sorted(red, reverse=True)
    assert len(red) == 3


def test_one_workflow_is_shown_with_what_does_not_pass(client: ra.Client) -> None:
    one = ra.overview("wf_invoices", client=client, progress=False)
    text = " ".join(repr(one).split())
    assert re.search(r"✗ Invoices.* \d+ evals broke ", text)
    rows = rows_of(one._repr_html_())
    assert one.frame.height > 10
    for shown, row in zip(rows[1:], one.frame.iter_rows(named=True), strict=True):
        assert f"{' '.join(row['eval_name'].split())} {' '.join(row['reason'].split())}, " in text
        assert row["reason"] in shown
        assert " ".join(row["eval_name"].split()) in shown
    assert "ra.check(&#x27;wf_invoices&#x27;)" in one._repr_html_()
    nothing = ra.overview("wf_untitled", client=client, progress=False)
    assert nothing.frame.equals(UNWELL.to_frame())
    assert "○ Untitled Workflow  No evals yet" in repr(nothing)
    assert "save an eval" in repr(nothing)
    assert "ra.check" not in nothing._repr_html_()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("wf_invoces", "there is no workflow 'wf_invoces'; did you mean 'wf_invoices'"),
        ([7], "workflow_id must be a string, got int"),
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
        shown = ra.overview(client=client, progress=False)
        with pytest.raises(ra.PermissionDeniedError):
            ra.overview("wf_claims", client=client, progress=False)
    row = shown.frame.row(by_predicate=pl.col("workflow_id") == "wf_claims", named=True)
    assert (row["mark"], row["exit_code"], row["broken"]) == ("–", None, None)
    assert "Not read" in row["headline"]
    assert "1 could not be read" in shown.headline
    assert shown.frame.drop_nulls("exit_code").height == 3


def test_nothing_is_claimed_of_what_was_not_read() -> None:
    fault = Fault(match="/evals?workflow_id=wf_", status=403, times=None)
    with WatchedSandbox(speed=STILL, faults=[fault], key="sandbox-key") as sandbox:
        client = ra.Client(**sandbox.credentials)
        with pytest.raises(ra.PermissionDeniedError):
            ra.overview(client=client, progress=False)


@pytest.fixture(scope="module")
def week(client: ra.Client) -> Overview:
    return ra.overview(every="1w", client=client, progress=False)


def test_the_figures_of_a_week_are_those_of_the_summaries(
    week: Overview, client: ra.Client
) -> None:
    newest = ra.fetch_runs(limit=1, client=client, progress=False)["created_at"][0]
    midnight = newest.replace(hour=0, minute=0, second=0, microsecond=0)
    end = midnight + timedelta(days=1)
    assert week.frame.schema == OVERVIEW
    for row in week.frame.drop_nulls("exit_code").iter_rows(named=True):
        runs = ra.fetch_runs(row["workflow_id"], client=client, progress=False)
        for name, last in (("", end), ("_before", end - timedelta(days=7))):
            its = runs.filter(
                pl.col("created_at") >= last - timedelta(days=7), pl.col("created_at") < last
            )
            summed = ra.summarize_runs(its, "workflow_id")
            rate, p95 = summed.select("pass_rate", "duration_ms_p95").row(0)
            assert row[f"pass_rate{name}"] == rate
            assert row[f"duration_ms_p95{name}"] == round(p95)
            if not name:
                used = its.select(pl.sum_horizontal("passed", "failed", "blocked", "error").sum())
                assert (row["runs"], row["evals_used"]) == (its.height, used.item())


def test_page_frame_and_figure_of_a_wednesday_agree_to_the_digit() -> None:
    """Three weeks that end with a Wednesday: nothing fails, then one of four, then two."""
    weeks = {"a": "8P7F7F", "b": "15P7F", "c": "22P", "d": "22P"}
    with LetteredApi({each: spell(row) for each, row in weeks.items()}) as api:
        del api.runs[0]  # the frame begins on a Thursday, a whole week
        week = ra.overview(FLOW, every="1w", client=api.client, progress=False)
        runs = ra.fetch_runs(FLOW, client=api.client, progress=False)
        results = ra.fetch_results(runs, client=api.client, progress=False)
    row, newest = week.workflow.row(0, named=True), runs["created_at"].max()
    frame = ra.summarize_runs(runs, None, every="1w")
    assert newest.weekday() == (frame["period_end"] - timedelta(days=1))[-1].weekday() == 2
    assert frame["period_end"].to_list() == [*frame["period_start"][1:], frame["period_end"][-1]]
    assert frame["pass_rate"].to_list() == [1.0, 0.75, 0.5]
    assert frame["pass_rate_change"].to_list() == [None, -0.25, -0.25]
    assert frame["rated_runs"].to_list() == [7, 7, 7]
    of_results = ra.summarize_results(results, None, every="1w")
    shared = ("period_start", "period_end", "pass_rate")
    assert frame.select(shared).equals(of_results.select(shared))
    assert (row["pass_rate_before"], row["pass_rate"]) == (*frame["pass_rate"][-2:],)
    assert row["duration_ms_p95"] == round(frame["duration_ms_p95"][-1])
    assert "50 %" in (page := Elements(week._repr_html_()).text)
    assert "−25 points" in page
    for drawn in (runs, results):
        axes = ra.plot_pass_rate(drawn, every="1w")
        assert list(axes.lines[0].get_ydata()) == frame["pass_rate"].to_list()
        assert "hollow" not in axes.retab_notes
        pyplot.close(axes.figure)
    begun = ra.plot_pass_rate(runs.filter(pl.col("created_at") < newest), every="1w")
    assert begun.lines[0].get_ydata()[-1] < 0.6, "the week that ends with the Tuesday"
    assert "hollow" in begun.retab_notes
    pyplot.close(begun.figure)


def test_deleted_evals_are_named_in_the_weeks_in_which_they_ran() -> None:
    """They ran until two days, or twenty days, before the newest run."""
    for days, said in ((2, "2 deleted evals: c, d"), (20, "")):
        row = "P" * 25
        with LetteredApi({"a": row + "P" * days, "b": row + "P" * days, "c": row, "d": row}) as api:
            api.remove("c", "d")
            week = ra.overview(every="1w", client=api.client, progress=False)
        text = Elements(week._repr_html_()).text
        assert said in text
        assert bool(said) == ("deleted" in text)


def test_blocks_with_broken_evals_come_first(week: Overview, board: Overview) -> None:
    assert board.blocks.is_empty()
    assert week.blocks.schema == BLOCKS
    for workflow, its in week.blocks.group_by("workflow_id"):
        row = week.frame.row(by_predicate=pl.col("workflow_id") == workflow[0], named=True)
        assert its["broken"].sum() == row["broken"]
        fell = its.filter(broken=0).select(pl.col("pass_rate") - pl.col("pass_rate_before"))
        assert fell.to_series().fill_null(0).is_sorted()
        assert its["broken"].is_sorted(descending=True)


def test_the_page_has_the_weeks_and_can_be_given_away(
    week: Overview, board: Overview, tmp_path: Path
) -> None:
    ra.write_report(week, tmp_path / "week.html")
    ra.write_report(board, tmp_path / "board.html")
    ra.write_report(week, tmp_path / "week.md")
    ra.write_csv(week, tmp_path / "week.csv")
    ra.write_excel(week, tmp_path / "week.xlsx")
    assert pl.read_csv(tmp_path / "week.csv").height == week.frame.height
    page, brief = ((tmp_path / f"{each}.html").read_text() for each in ("week", "board"))
    lines = week.frame.drop_nulls("exit_code").height + week.blocks.height
    assert (page.count('class="l"'), brief.count('class="l"')) == (lines, 0)
    text, message = Elements(page).text, (tmp_path / "week.md").read_text()
    failing = week.frame.filter(exit_code=1)["name"]
    for said in (text, message.replace("&amp;", "&")):
        assert week.headline[2:] in said.replace("**", "")
        assert all(each in said.partition("Failing: ")[2] for each in failing)
        assert "left out of rates and durations" in said
    assert len(message.splitlines()) < 16
    with pytest.raises(ra.ConfigError, match=r"expected a comparison from ra\.check"):
        ra.write_report(week.frame, tmp_path / "no.html")


def rows_of(page: str) -> list[str]:
    """The text of each row of a table."""
    rows = page.partition("rv-plain")[2].split('<div class="rv-row"')[1:]
    return [Elements(f"<div{each}").text for each in rows]


def test_the_status_board_has_a_row_for_each_workflow(board: Overview) -> None:
    text = Elements(board._repr_html_()).text
    for row in board.frame.iter_rows(named=True):
        assert row["name"] in text
        assert row["headline"][2:] in text
        if row["pass_rate"] is not None:
            assert f"{100 * row['pass_rate']:.0f} %" in text


def stays_text(made: Overview) -> None:
    page = made._repr_html_()
    assert "img" not in {tag for tag, _ in Elements(page).made}
    assert page.count("<script") <= 1, "its own"
    assert "&lt;script&gt;" in page


def test_hostile_names_stay_text() -> None:
    hostile = '"><script>alert(1)</script>\n<img src=x onerror=alert(1)>'
    row = dict.fromkeys(OVERVIEW) | {
        "workflow_id": hostile,
        "name": hostile,
        "headline": f"✗ {hostile}",
        "n_evals": 1,
    }
    seen, span = (Seen(row, Heading("✗", "bad", hostile)),), Periods.until(datetime.now(UTC), "1w")
    made = Overview(pl.DataFrame([row], schema=OVERVIEW), span, _seen=seen)
    stays_text(made)
    assert hostile not in repr(made)
    row = dict.fromkeys(UNWELL, hostile) | {"since_at": None, "transition": "regressed"}
    unwell = pl.DataFrame([row], schema=UNWELL)
    one = Overview(unwell, span, made.frame, _seen=seen)
    stays_text(one)
    assert hostile not in repr(one)
