"""The live view as HTML and text."""

from __future__ import annotations

from dataclasses import replace

from support.inside import OpenEval, Snapshot, compute_state
from support.inside import live_html as html
from support.live_states import NOW, RESULTS, news_of, seen
from support.made_runs import result_with, run_with

WITH, WITHOUT = (html.LiveLook(values=each, limit=None) for each in (True, False))
NONE = OpenEval(None, lambda: None)
HOSTILE = "<img src=x onerror=alert(1)>\"'&"


def test_33_hostile_texts_are_escaped_wherever_they_stand() -> None:
    run = run_with("r1", "error", workflow_id=HOSTILE, workflow_version_id="<b>v", running=1)
    run["lifecycle"]["message"] = HOSTILE
    bad = result_with(HOSTILE, "failed")
    broke = news_of({HOSTILE: "PPPPPF"}, eval_name=HOSTILE, document_names=[HOSTILE])
    bad["handle_inputs"]["document"]["document"]["filename"] = HOSTILE
    bad["assertion_result"].update(expected_value=HOSTILE, actual_value=HOSTILE)
    bad["assertion_result"]["failure"]["message"] = HOSTILE
    state = seen(
        run, results=[bad], notes=(HOSTILE,), failure=HOSTILE, trouble=HOSTILE, news=(broke,)
    )
    page = html.render_still_view(state, WITH)
    assert "<img" not in page
    assert "<b>v" not in page
    assert page.count("&lt;img") >= 7


def test_the_page_holds_values_only_when_asked() -> None:
    state = seen(run_with(failed=1), results=[RESULTS[1]])
    assert "1.5 is not 2" not in html.render_still_view(state, WITHOUT)
    assert "1.5 is not 2" in html.render_still_view(state, WITH)
    assert "1.5" not in html.plain_text(state)
    assert "got 1.5" in html.plain_text(state, values=True)


def test_long_lists_and_many_runs_are_cut_and_counted() -> None:
    results = [result_with(f"e{i:03}", "failed") for i in range(57)]
    state = seen(*(run_with(f"r{i}", running=1) for i in range(25)), results=results)
    sections = html.render_sections(state, html.LiveLook(), NONE)
    assert sections["runs"].count('class="ra-run"') == html.SHOWN_RUNS
    assert "and 5 more runs" in sections["runs"]
    assert sections["alone"].count("<tr") == 21
    assert "and 37 more" in sections["alone"]
    assert "and 37 more" in html.plain_text(state)


def test_each_of_several_runs_has_its_counts_below_a_total_with_a_bar() -> None:
    error = run_with("r0", "error", passed=2, queued=3)
    error["lifecycle"]["message"] = "no such model"
    state = seen(error, *(run_with(f"r{i}", passed=2, running=1, queued=3) for i in range(1, 4)))
    sections = html.render_sections(state, html.LiveLook(), NONE)
    assert sections["total"].count("ra-bar") == 1
    assert "8 of 23 done" in sections["total"]
    assert "8 of 23 done" in html.plain_text(state)
    assert "ra-bar" not in sections["runs"]
    assert "no such model" in sections["runs"]
    # Each run's status, its counts, and how far it is.
    assert sections["runs"].count(">running</b>") == 3
    assert sections["runs"].count(" 2 passed</span>") == 4
    assert sections["runs"].count("2 of 6 done") == 3


def test_news_are_told_once_and_again_where_they_have_become_something_else() -> None:
    said: set[tuple[str, str]] = set()
    results = [result_with("e0", "failed"), result_with("e1", "passed")]
    going, broke = run_with("r1", running=1), news_of({"e0": "PPPPPF", "e1": "PPPPPP"})
    early = seen(going, results=results, is_comparing=True)
    assert [*html.list_news(early, said, values=False)] == [], "what is not compared yet may be old"
    (line,) = html.list_news(seen(going, results=results, news=(broke,)), said, values=False)
    assert line.startswith("✗ name of e0 ")
    assert [*html.list_news(seen(going, results=results, news=(broke,)), said, values=False)] == []
    said = {("e0", "suspect")}
    assert (
        len([*html.list_news(seen(going, results=results, news=(broke,)), said, values=False)]) == 1
    )


def test_what_is_saved_while_it_goes_on_says_so_and_never_looks_for_runs() -> None:
    before = compute_state(Snapshot(), NOW)
    assert before.heading == "Looking for the runs"
    for state in (before, seen(run_with(running=1))):
        saved = html.render_still_view(state, WITH)
        assert "Run the cell again to watch" in saved
        assert "Looking for" not in saved
    assert "Run the cell again" not in html.render_still_view(seen(run_with(), phase="ended"), WITH)
    assert "The API had not answered yet" in html.render_still_view(before, WITH)


def test_what_stands_for_the_page_is_the_same_without_buttons() -> None:
    state = seen(run_with(passed=1, failed=1, running=1), results=RESULTS[:2])
    look = html.LiveLook(limit=None)
    still = html.render_still_view(state, look, "t0")
    assert 'data-stands-for="t0"' in still
    assert "<button" not in still
    for name, section in html.render_sections(state, replace(look, is_live=False), NONE).items():
        assert name == "actions" or section in still


def test_meaning_does_not_hang_on_colour() -> None:
    run = run_with(passed=2, failed=1, running=1)
    total = html.render_sections(seen(run), html.LiveLook(), NONE)["total"]
    assert 'aria-label="2 passed, 1 failed, 1 running"' in total
    for words in ("2 passed", "1 failed", "1 running"):
        assert f" {words}<" in total
