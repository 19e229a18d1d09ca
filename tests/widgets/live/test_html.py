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
    assert sections["runs"].count("ra-line") == html.SHOWN_RUNS
    assert "and 5 more runs" in sections["runs"]
    assert sections["alone"].count("<tr") == 21
    assert "and 37 more" in sections["alone"]
    assert "and 37 more" in html.plain_text(state)


def test_runs_beyond_three_are_a_line_each_below_a_total() -> None:
    runs = [run_with(f"r{i}", passed=2, running=int(i == 0), queued=3) for i in range(4)]
    few, many = seen(*runs[:3]), seen(*runs)
    for state, lines, done in ((few, 0, "6 of 16 done"), (many, 4, "8 of 21 done")):
        sections = html.render_sections(state, html.LiveLook(), NONE)
        assert sections["total"].count("ra-bar") == 1
        assert done in sections["total"]
        assert sections["runs"].count("ra-line") == lines
        assert sections["runs"].count("ra-bar") == len(state.runs)
    assert "8 of 21 done" in html.plain_text(many)
    # Each run's status, and how many passed.
    assert sections["runs"].count(">running</b>") == 4
    assert sections["runs"].count("2 of 6 done, 2 passed") == 1


def test_what_is_saved_while_it_goes_on_says_so_and_never_looks_for_runs() -> None:
    before = compute_state(Snapshot(), NOW)
    assert before.heading == "Looking for the runs"
    for render in (html.render_still_line, lambda state: html.render_still_view(state, WITH)):
        for state in (before, seen(run_with(running=1))):
            assert "Run the cell again to watch" in render(state)
            assert "Looking for" not in render(state)
        assert "Run the cell again" not in render(seen(run_with(), phase="ended"))
    assert "The API had not answered yet" in html.render_still_line(before)


def test_what_stands_for_the_page_is_the_same_without_buttons() -> None:
    state = seen(run_with(passed=1, failed=1, running=1), results=RESULTS[:2])
    look = html.LiveLook(limit=None, code="the code")
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
