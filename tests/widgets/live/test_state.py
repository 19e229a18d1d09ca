"""What the live view says, as a function of frames and a clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.inside import LISTS, News, Snapshot, compute_state, estimate_seconds_left
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
    return [line.eval_id for line in lines]


def test_without_a_baseline_what_does_not_pass_comes_first() -> None:
    state = seen(
        run_with(passed=1, failed=1, blocked=1, error=1, cancelled=1, queued=1), results=RESULTS
    )
    assert names(state.unjudged) == ["b", "c", "d"]
    assert state.listed == state.unjudged
    assert names(state.passed) == ["a"]
    assert (state.news, state.compared, state.apart, state.known) == (None, None, (), ())
    assert state.heading == "running: 3 do not pass"
    assert [line.message for line in state.listed] == ["1.5 is not 2", "1.5 is not 2", "boom"]
    assert state.listed[0].expected == '{"total":2}'
    assert state.listed[0].actual == "1.5"
    assert state.listed[0].document == "invoice 1.pdf"
    assert state.listed[0].seconds == 2.0


# The list of each transition, where the eval fails.
EACH = {
    "regressed": "broke",
    "newly_blocked": "broke",
    "newly_errored": "suspects",
    "suspect": "suspects",
    "fixed": "apart",
    "flaky": "apart",
    "incomplete": "apart",
    "not_comparable": "unjudged",
    "added": "unjudged",
    "still_failing": "known",
    "still_passing": "passed",
}


def test_each_eval_is_in_the_list_of_its_transition() -> None:
    results = [result_with(f"e_{name}", "failed") for name in EACH]
    news = news_of({f"e_{name}": name for name in EACH}, p=0.9)
    state = seen(run_with(failed=len(EACH), running=1), results=results, news=(news,))
    lists = {name: names(getattr(state, name)) for name in LISTS}
    assert lists == {
        name: [f"e_{each}" for each, its in EACH.items() if its == name] for name in LISTS
    }
    assert names(state.listed) == names((*state.broke, *state.suspects, *state.unjudged))
    assert state.heading == "running: 2 broke, 1 suspect, 1 newly errored"
    assert state.news is not None
    assert dict(state.news) == dict(news.counts or {})
    first = state.broke[0]
    assert (first.transition, first.p, first.reason) == ("regressed", 0.9, "why e_regressed")
    text = html.plain_text(state)
    assert "✗ e_regressed [invoice 1.pdf] broke (p 0.90): why e_regressed" in text
    assert "Known failures (1)." in text
    assert "Other changes (1 fixed, 1 flaky, 1 incomplete)." in text


def test_the_heading_while_it_runs_and_at_the_end() -> None:
    calm = news_of({"a": "still_passing"})
    going = seen(run_with(passed=1, running=1), results=RESULTS[:1], news=(calm,))
    assert going.heading == "running: nothing broke so far"
    assert going.compared == "Compared r1 with v1."
    last = news_of({"a": "still_passing"}, headline="1 unchanged")
    ended = seen(run_with("r1", "completed", passed=1), results=RESULTS[:1], news=(last,))
    assert ended.heading == "completed, all pass: 1 unchanged"


def test_several_workflows_are_added_up_and_each_has_its_own_news() -> None:
    results = [
        result_with(name, "failed", run)
        for name, run in zip("abc", ("r1", "r2", "r3"), strict=True)
    ]
    news = (
        news_of({"a": "regressed"}, "r1"),
        news_of({"b": "flaky"}, "r2"),
        News(("r3",), missing="no earlier run"),
    )
    runs = [run_with(run, "completed", failed=1) for run in ("r1", "r2", "r3")]
    state = seen(*runs, results=results, news=news)
    assert [line.run_id for line in state.broke] == ["r1"]
    assert [line.run_id for line in state.apart] == ["r2"]
    assert [line.run_id for line in state.unjudged] == ["r3"]
    assert state.news is not None
    assert (state.news["regressed"], state.news["flaky"]) == (1, 1)
    assert state.heading == "3 runs ended: 1 broke"
    assert state.compared == "Held against v1."
    assert state.notes == ("Held against nothing (r3): no earlier run",)


def test_several_runs_of_an_eval_are_one_line_with_the_result_that_was_compared() -> None:
    """Three repeats in which one eval fails broke one eval, not three."""
    runs = ("r1", "r2", "r3")
    results = [
        result_with("a", "passed" if run == "r3" else "failed", run, id=f"a in {run}")
        for run in runs
    ]
    news = news_of({"a": "regressed"}, *runs, candidate_result_id="a in r2")
    state = seen(*(run_with(run, failed=1) for run in runs), results=results, news=(news,))
    assert [(line.run_id, line.state) for line in state.broke] == [("r2", "failed")]
    assert sum(len(getattr(state, name)) for name in LISTS) == 1
    assert state.heading == "3 of 3 runs going on: 1 broke"


def test_a_known_break_that_was_not_run_is_listed_all_the_same() -> None:
    news = news_of({"a": "newly_blocked", "gone": "removed"}, candidate_state=None)
    state = seen(run_with("r1", "cancelled", cancelled=1), news=(news,))
    assert [(line.name, line.state) for line in state.broke] == [("name of a", "blocked")]
    assert names(state.apart) == ["gone"]
    assert "⊘ name of a [invoice 1.pdf] newly blocked: why a" in html.plain_text(state)


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
    news = news_of({"a": "still_passing"})
    run = run_with(passed=1, failed=1, blocked=1, running=1)
    state = seen(run, results=RESULTS[:3], news=(news,), is_comparing=True)
    assert names(state.passed) == ["a"]
    assert [(line.eval_id, line.reason) for line in state.listed] == [
        ("b", "not compared yet"),
        ("c", "not compared yet"),
    ]
    assert state.heading == "running: nothing broke so far, 2 not compared yet"
    assert "✗ b [invoice 1.pdf] not compared yet" in html.plain_text(state)


def test_a_cancelled_eval_is_neither_news_nor_speed() -> None:
    results = [result_with(f"p{i}", "passed") for i in range(5)]
    results += [result_with(f"c{i}", "cancelled") for i in range(90)]
    news = news_of(
        {f"p{i}": "still_passing" for i in range(5)} | {f"c{i}": "incomplete" for i in range(90)}
    )
    run = run_with("r1", "cancelled", passed=5, cancelled=90)
    run["timing"]["completed_at"] = "2026-05-18T10:00:31Z"
    state = seen(run, results=results, news=(news,))
    assert {name: len(getattr(state, name)) for name in LISTS} == dict.fromkeys(LISTS, 0) | {
        "passed": 5,
        "apart": 90,
    }
    assert state.listed == ()
    (line,) = state.runs
    assert (line.done, line.total) == (5, 95)
    assert line.rate == pytest.approx(10.0)
    assert dict(line.counts)["cancelled"] == 90
    without = seen(run, results=results)
    assert without.heading == "cancelled"
    assert without.listed == ()


def test_the_card_agrees_with_the_list() -> None:
    """Results are asked for after their run, so that they may be ahead of its counts."""
    results = [result_with(f"p{i}", "passed") for i in range(4)] + [result_with("f", "failed")]
    results += [result_with(f"q{i}", "unscored") for i in range(3)]
    state = seen(run_with(passed=3, running=1, queued=4), results=results)
    assert dict(state.runs[0].counts) == {"passed": 4, "failed": 1, "queued": 3}
    assert (state.runs[0].done, len(state.passed), len(state.unjudged)) == (5, 4, 1)
    # What did not decode is missing in the list, and not on the card.
    behind = seen(run_with(passed=3, running=1, queued=4), results=results[:1])
    assert dict(behind.runs[0].counts) == {"passed": 3, "running": 1, "queued": 4}


def test_evals_stand_in_the_order_in_which_they_ended() -> None:
    late = result_with("late", "failed")
    late["timing"]["completed_at"] = "2026-05-18T11:00:00Z"
    state = seen(run_with(failed=2), results=[late, result_with("early", "failed")])
    assert names(state.unjudged) == ["early", "late"]


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
