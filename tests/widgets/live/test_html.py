"""The live view as HTML and text."""

from __future__ import annotations

from support.live_states import RESULTS, news_of, seen
from support.made_runs import result_with, run_with

from retab_analysis.widgets.common.html import render_evals
from retab_analysis.widgets.live import html

HOSTILE = "<img src=x onerror=alert(1)>\"'&"


def test_33_hostile_texts_are_escaped_wherever_they_stand() -> None:
    run = run_with("r1", "error", workflow_id=HOSTILE, workflow_version_id="<b>v", running=1)
    run["lifecycle"]["message"] = HOSTILE
    bad = result_with(HOSTILE, "failed")
    broke = news_of({HOSTILE: "regressed"}, compared=HOSTILE)
    bad["handle_inputs"]["document"]["document"]["filename"] = HOSTILE
    bad["assertion_result"].update(expected_value=HOSTILE, actual_value=HOSTILE)
    bad["assertion_result"]["failure"]["message"] = HOSTILE
    state = seen(
        run, results=[bad], notes=(HOSTILE,), failure=HOSTILE, trouble=HOSTILE, news=(broke,)
    )
    page = html.static_page(state, values=True)
    assert "<img" not in page
    assert "<b>v" not in page
    assert page.count("&lt;img") >= 10


def test_the_page_holds_values_only_when_asked() -> None:
    state = seen(run_with(failed=1), results=[RESULTS[1]])
    assert "{&quot;total&quot;:2}" not in html.static_page(state, values=False)
    assert "{&quot;total&quot;:2}" in html.static_page(state, values=True)
    assert "total" not in html.plain_text(state)


def test_long_lists_and_many_runs_are_cut_and_counted() -> None:
    results = [result_with(f"e{i:03}", "failed") for i in range(57)]
    state = seen(*(run_with(f"r{i}", running=1) for i in range(25)), results=results)
    top = html.render_top(state)
    assert top.count("ra-bar") == html.SHOWN_RUNS
    assert "and 5 more runs" in top
    table = render_evals(state.listed, limit=20, values=True, several=True, nothing="")
    assert table.count("<tr") == 21
    assert "and 37 more" in table
    assert ">run</th>" in table
    assert "and 37 more" in html.plain_text(state)


def test_meaning_does_not_hang_on_colour() -> None:
    top = html.render_top(seen(run_with(passed=2, failed=1, running=1)))
    assert 'aria-label="2 passed, 1 failed, 1 running"' in top
    for words in ("2 passed", "1 failed", "1 running"):
        assert f" {words}<" in top


def test_no_news_is_said() -> None:
    watching = seen(run_with(running=1))
    assert html.say_nothing_new(watching) == "Evals that do not pass will be listed here."
    ended = seen(run_with("r1", "completed", passed=1), phase="ended")
    assert html.say_nothing_new(ended) == "There is no eval that does not pass."
    news = (news_of({"a": "still_passing"}),)
    going = seen(run_with(passed=1, running=1), news=news)
    assert html.say_nothing_new(going) == "Evals that broke, and suspects, will be listed here."
    then = seen(run_with("r1", "completed", passed=1), phase="ended", news=news)
    assert html.say_nothing_new(then) == "No eval is called broken, and none is suspect."


def test_a_reason_is_told_beside_the_eval_and_holds_no_value() -> None:
    news = news_of({"b": "regressed", "a": "still_passing"}, p=0.976)
    state = seen(run_with(passed=1, failed=1), results=RESULTS[:2], news=(news,))
    for values in (False, True):
        page = html.static_page(state, values=values)
        assert '<td data-label="change">broke (p 0.98): why b</td>' in page
    assert "Compared r1 with v1." in html.static_page(state, values=False)
