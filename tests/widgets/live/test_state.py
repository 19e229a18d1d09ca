"""What the live view says, as a function of frames and a clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.inside import (
    News,
    OpenEval,
    Snapshot,
    compute_state,
    estimate_seconds_left,
    list_documents,
    say_short,
)
from support.inside import live_html as html
from support.live_states import CREATED, NOW, RESULTS, news_of, seen
from support.made_runs import result_with, run_with, runs_frame


def test_nothing_is_known_at_first() -> None:
    state = compute_state(Snapshot(), NOW)
    assert (state.heading, state.runs, state.refreshed) == ("Looking for the runs", (), "not yet")
    assert not state.can_cancel


def test_a_run_at_a_glance() -> None:
    run = run_with(passed=10, failed=3, blocked=1, error=1, cancelled=0, running=1, queued=24)
    (line,) = seen(run).runs
    assert line.words == "running"
    assert line.about == "wf_invoices · draft_2026_05_18 · all evals"
    assert line.counts == (
        ("passed", 10),
        ("failed", 3),
        ("blocked", 1),
        ("error", 1),
        ("running", 1),
        ("queued", 24),
    )
    assert (line.done, line.total) == (15, 40)
    assert (line.waited, line.ran) == (1.0, 30.0)
    assert line.rate == pytest.approx(30.0)
    assert line.eta is None
    assert line.marks == ()
    words = html.list_facts(line)
    assert words == ["15 of 40 done", "1 s in the queue", "30 s running", "30 evals a minute"]


@pytest.mark.parametrize(
    ("status", "counts", "words"),
    [
        ("pending", {"pending": 4}, "waiting in the queue"),
        ("queued", {"queued": 4}, "waiting in the queue"),
        ("running", {"queued": 4}, "waiting in the queue"),
        ("running", {"running": 1, "queued": 3}, "running"),
        ("running", {"passed": 1, "queued": 3}, "running"),
        ("running", {"passed": 4}, "running"),
        ("completed", {"passed": 4}, "completed, all pass"),
        (
            "completed",
            {"passed": 1, "failed": 1, "blocked": 1, "error": 1},
            "completed, 3 do not pass",
        ),
        ("error", {"pending": 4}, "could not run"),
        ("cancelled", {"passed": 1, "cancelled": 3}, "cancelled"),
        ("paused", {"passed": 1, "queued": 3}, "paused"),
    ],
)
def test_52_the_status_in_words(status: str, counts: dict[str, int], words: str) -> None:
    state = seen(run_with("r1", status, **counts))
    assert state.runs[0].words == words
    assert state.can_cancel == (status not in ("completed", "error", "cancelled"))
    assert state.heading.startswith(words)


def names(lines: Any) -> list[str]:
    return [line.id for line in lines]


def test_without_a_baseline_what_does_not_pass_comes_first() -> None:
    state = seen(
        run_with(passed=1, failed=1, blocked=1, error=1, cancelled=1, queued=1), results=RESULTS
    )
    assert names(state.alone) == ["b", "c", "d"]
    assert state.listed == state.alone
    assert (state.news, state.compared, state.told) == (None, None, ())
    assert state.heading == "running: 3 do not pass"
    said = [say_short(each, values=True) for each in state.listed]
    assert said == ['expected {"total":2}, got 1.5'] * 2 + ["boom"]
    assert list_documents(state.listed[0]) == "invoice 1.pdf"
    shown = html.render_sections(state, html.LiveLook(), OpenEval(None, lambda: None))
    assert shown["alone"].count("<tr") == 1 + 3


GOOD = "P" * 12


def test_what_became_of_the_evals_is_the_document_of_the_comparison() -> None:
    news = news_of({"a": GOOD + "F", "b": GOOD + "P", "c": "F" * 13, "new": "F"})
    results = [result_with("a", "failed"), result_with("b", "passed")]
    state = seen(run_with(passed=1, failed=1), results=results, news=(news,))
    assert (names(state.broke), names(state.listed)) == (["a"], ["a", "new"])
    assert state.news is not None
    assert state.news["still_failing"] == state.news["still_passing"] == 1
    shown = html.render_sections(state, html.LiveLook(), OpenEval(None, lambda: None))
    assert ": 1 broke so far" in shown["head"]
    assert "block_1 was edited" in shown["news"]
    for words in ("Failing as before", "New and failing: name of new."):
        assert words in shown["news"]
    assert "name of b" not in shown["news"], "what passes is counted"
    opened = OpenEval(None, lambda: None)
    opened.toggle("a")
    assert "13 runs" in html.render_sections(state, html.LiveLook(), opened)["news"]


def test_the_heading_while_it_runs_and_at_the_end() -> None:
    news = news_of({"a": GOOD + "P"})
    going = seen(run_with(passed=1, running=1), results=RESULTS[:1], news=(news,))
    assert going.heading == "running: … 1 of 2 done: nothing broke so far"
    assert news.comparison.explain().startswith(going.compared)  # type: ignore[union-attr]
    ended = seen(run_with("r1", "completed", passed=1), results=RESULTS[:1], news=(news,))
    assert ended.heading == "completed, all pass: ✓ Nothing broke: 1 of 1 pass"


def test_several_workflows_are_added_up_and_each_has_its_own_news() -> None:
    results = [
        result_with(name, "passed" if name == "b" else "failed", run)
        for name, run in zip("abc", ("r1", "r2", "r3"), strict=True)
    ]
    news = (
        news_of({"a": GOOD + "F"}, run_id="r1"),
        news_of({"b": GOOD + "P"}, run_id="r2"),
        News(("r3",), missing="no earlier run"),
    )
    runs = [run_with(run, "completed", failed=1) for run in ("r1", "r2", "r3")]
    state = seen(*runs, results=results, news=news)
    assert (names(state.broke), names(state.alone)) == (["a"], ["c"])
    assert state.news is not None
    assert (state.news["regressed"], state.news["still_passing"]) == (1, 1)
    assert state.heading == "3 runs ended: 1 broke"
    assert state.compared == "Held against v1."
    assert state.notes == ("Held against nothing (r3): no earlier run",)
    shown = html.render_sections(state, html.LiveLook(), OpenEval(None, lambda: None))
    assert shown["news"].count("<h2") == 2, "each workflow has its own document"
    assert "name of a" not in shown["alone"]


def test_why_there_is_no_news_is_said() -> None:
    news = (News(("r1",), missing="no earlier run"),)
    state = seen(run_with(failed=1), results=[RESULTS[1]], news=news)
    assert state.notes == ("Held against nothing: no earlier run",)
    assert (state.news, names(state.listed)) == (None, ["b"])
    assert "Held against nothing: no earlier run" in html.plain_text(state)
    assert "Held against nothing: no earlier run" in html.render_still_view(
        state, html.LiveLook(values=False)
    )


def test_what_came_after_the_last_comparison_is_not_compared_yet() -> None:
    """While a cell computes, comparing takes longer than looking."""
    news = news_of({"a": GOOD + "P"})
    run = run_with(passed=1, failed=1, blocked=1, running=1)
    state = seen(run, results=RESULTS[:3], news=(news,), is_comparing=True)
    assert names(state.listed) == names(state.alone) == ["b", "c"]
    assert state.heading.endswith(", 2 not compared yet")
    shown = html.render_sections(state, html.LiveLook(), OpenEval(None, lambda: None))
    assert "Not compared yet" in shown["alone"]
    assert "3 of 4 done</b>" in shown["head"], "as the card, whatever was compared"
    assert ": nothing broke so far, 2 not compared yet<" in shown["head"]
    assert "3 of 4 done" in shown["total"]
    assert "✗ b [invoice 1.pdf]: failed" in html.plain_text(state)


def test_a_cancelled_eval_is_neither_news_nor_speed() -> None:
    results = [result_with(f"p{i}", "passed") for i in range(5)]
    results += [result_with(f"c{i}", "cancelled") for i in range(90)]
    run = run_with("r1", "cancelled", passed=5, cancelled=90)
    run["timing"]["completed_at"] = "2026-05-18T10:00:31Z"
    state = seen(run, results=results)
    assert state.listed == ()
    assert state.heading == "cancelled"
    (line,) = state.runs
    assert (line.done, line.total) == (5, 95)
    assert line.rate == pytest.approx(10.0)
    assert dict(line.counts)["cancelled"] == 90


def test_the_card_agrees_with_the_list() -> None:
    """Results are asked for after their run, so that they may be ahead of its counts."""
    results = [result_with(f"p{i}", "passed") for i in range(4)] + [result_with("f", "failed")]
    results += [result_with(f"q{i}", "unscored") for i in range(3)]
    state = seen(run_with(passed=3, running=1, queued=4), results=results)
    assert dict(state.runs[0].counts) == {"passed": 4, "failed": 1, "queued": 3}
    assert (state.runs[0].done, len(state.alone)) == (5, 1)
    # What did not decode is missing in the list, and not on the card.
    behind = seen(run_with(passed=3, running=1, queued=4), results=results[:1])
    assert dict(behind.runs[0].counts) == {"passed": 3, "running": 1, "queued": 4}


def test_evals_stand_in_the_order_in_which_they_ended() -> None:
    late = result_with("late", "failed")
    late["timing"]["completed_at"] = "2026-05-18T11:00:00Z"
    state = seen(run_with(failed=2), results=[late, result_with("early", "failed")])
    assert names(state.alone) == ["early", "late"]


def test_counts_that_are_not_given_come_from_the_results() -> None:
    run = run_with(passed=1, queued=5)
    run["counts"] = None
    (line,) = seen(run, results=RESULTS).runs
    assert dict(line.counts) == {
        "passed": 1,
        "failed": 1,
        "blocked": 1,
        "error": 1,
        "cancelled": 1,
        "queued": 1,
    }


def test_completed_evals_without_a_verdict_are_counted() -> None:
    (line,) = seen(run_with("r1", "completed", passed=2, completed=3)).runs
    assert dict(line.counts) == {"passed": 2, "unscored": 1}
    assert line.done == 3


@pytest.mark.parametrize("seconds", [-3600, -2])
def test_54_clocks_that_disagree_are_clamped_and_marked(seconds: int) -> None:
    now = CREATED + timedelta(seconds=1 + seconds)
    (line,) = compute_state(Snapshot(runs=runs_frame(run_with(running=1))), now).runs
    assert line.ran == 0.0
    assert line.marks == ("clocks disagree",)
    early = run_with(timing__started_at="2026-05-18T09:00:00Z", running=1)
    (line,) = compute_state(Snapshot(runs=runs_frame(early)), NOW).runs
    assert line.waited == 0.0
    assert line.marks == ("clocks disagree",)


def test_50_a_failure_says_why() -> None:
    state = seen(run_with(running=1), failure="AuthenticationError: 401", phase="failed")
    assert (state.heading, state.failure) == ("Watching has ended", "AuthenticationError: 401")
    assert "AuthenticationError: 401" in html.plain_text(state)


def test_a_run_that_is_not_there_yet_is_told_without_anything_beside_it() -> None:
    state = compute_state(Snapshot(unfound=("r9",), seen_at=NOW), NOW)
    said = "There is no run r9 so far; one that was just started may still appear"
    assert state.heading == html.plain_text(state) == said
    shown = html.render_sections(state, html.LiveLook(), OpenEval(None, lambda: None))
    assert said in shown["head"]
    assert {shown[each] for each in ("total", "news", "alone", "runs")} == {""}


def test_a_run_that_does_not_exist_says_that_and_nothing_else() -> None:
    state = seen(failure="There is no run r9.", phase="failed")
    shown = html.render_sections(state, html.LiveLook(), OpenEval(None, lambda: None))
    assert "There is no run r9." in shown.pop("head")
    assert set(shown.values()) == {""}
    assert html.plain_text(state) == "There is no run r9."


def took(*durations: int) -> list[tuple[int, int | None]]:
    return [(duration, None) for duration in durations]


def test_the_time_left_needs_a_few_evals() -> None:
    assert estimate_seconds_left(took(2000, 2000), [None], 4.0) is None
    assert estimate_seconds_left(took(0, 0, 0), [None], 4.0) is None
    assert estimate_seconds_left(took(2000, 2000, 2000), [None], 0.0) is None


def test_equal_evals_leave_no_doubt() -> None:
    low, high = estimate_seconds_left(took(*[2000] * 5), [None] * 10, 10.0) or (0, 0)
    assert (low, high) == (pytest.approx(20.0), pytest.approx(20.0))


def test_usual_durations_and_pauses_count() -> None:
    low, high = estimate_seconds_left(took(*[1000] * 4), [5000, None], 8.0) or (0, 0)
    assert low == high == pytest.approx(2 * (5 + 1))


def test_a_run_that_is_faster_than_usual_stays_so() -> None:
    low, high = estimate_seconds_left([(100, 4000)] * 10, [8000, 4000, None], 1.0) or (0, 0)
    assert low == high == pytest.approx(0.2 + 0.1 + 0.1)


def test_the_range_covers_four_of_five_runs() -> None:
    import random

    chance = random.Random(7)
    hits = 0
    for _ in range(2000):
        durations = [chance.gauss(3000, 600) for _ in range(60)]
        done, left = durations[:20], durations[20:]
        low, high = estimate_seconds_left(
            took(*map(round, done)), [None] * 40, sum(done) / 1000
        ) or (
            0,
            0,
        )
        hits += low <= sum(left) / 1000 <= high
    assert 0.77 <= hits / 2000 <= 0.83


def test_the_time_left_stays_while_one_eval_has_ended_and_the_next_has_not_begun() -> None:
    results = [result_with(f"e{i}", "passed") for i in range(4)]
    for each in results:
        each["timing"]["completed_at"] = "2026-05-18T10:00:25Z"
    between = run_with("r1", passed=4, queued=9)
    assert seen(between, results=results).runs[0].eta is not None
    for each in results:
        each["timing"]["completed_at"] = "2026-05-18T10:00:05Z"
    assert seen(between, results=results).runs[0].eta is None, "it waits behind another run"


def test_the_time_left_of_several_runs_is_that_of_all_that_is_left() -> None:
    def runs(left: int) -> list[dict[str, Any]]:
        ended = run_with("r1", "completed", passed=4)
        return [ended, run_with("r2", running=1, queued=left)]

    results = [result_with(f"e{i}", "passed", "r1") for i in range(4)]
    alone = seen(*runs(0), results=results)
    more = seen(*runs(9), results=results)
    assert alone.eta is not None
    assert more.eta is not None
    assert more.eta[1] > 5 * alone.eta[1] > 0
    # Of a run that is gone nothing is to come; neither is it where all have ended.
    assert seen(*runs(9), results=results, gone=frozenset({"r2"})).eta is None
    assert seen(runs(0)[0], results=results).eta is None
