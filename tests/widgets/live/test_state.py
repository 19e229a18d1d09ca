"""What the live view says, as a function of frames and a clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.live_states import CREATED, NOW, RESULTS, seen
from support.made_runs import result_with, run_with, runs_frame

from retab_analysis.widgets.live import html
from retab_analysis.widgets.live.state import (
    Baseline,
    Snapshot,
    compute_rate,
    compute_state,
    estimate_seconds_left,
)


def test_nothing_is_known_at_first() -> None:
    state = compute_state(Snapshot(), NOW)
    assert (state.heading, state.runs, state.refreshed) == ("Looking for the runs", (), "not yet")
    assert not state.can_cancel


def test_nothing_is_going_on() -> None:
    assert compute_state(Snapshot(seen_at=NOW), NOW).heading == "No run is going on"


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


def test_the_heading_says_once_how_many_do_not_pass() -> None:
    results = [result_with("a", "passed"), result_with("b", "failed")]
    ended = run_with("r1", "completed", passed=1, failed=1)
    assert seen(ended, results=results).heading == "completed, 1 does not pass"
    both = seen(ended, run_with("r2", passed=1, running=1), results=results)
    assert both.heading == "1 of 2 runs going on: 1 does not pass"


def test_no_time_left_is_told_while_nothing_moves() -> None:
    results = [result_with(f"e{i}", "passed") for i in range(5)]
    results += [result_with(f"q{i}", "unscored") for i in range(5)]
    moving = seen(run_with(passed=5, running=1, queued=4), results=results)
    waiting = seen(run_with(passed=5, queued=5), results=results)
    assert moving.runs[0].eta is not None
    assert waiting.runs[0].eta is None


def test_messages_and_reasons_are_shown() -> None:
    broken = run_with("r1", "error", lifecycle={"status": "error", "message": "no worker"})
    ended = run_with("r2", "cancelled", lifecycle={"status": "cancelled", "reason": "by hand"})
    assert [run.message for run in seen(broken, ended).runs] == ["no worker", "by hand"]


def names(lines: Any) -> list[str]:
    return [line.eval_id for line in lines]


def test_without_a_baseline_what_does_not_pass_comes_first() -> None:
    state = seen(
        run_with(passed=1, failed=1, blocked=1, error=1, cancelled=1, queued=1), results=RESULTS
    )
    assert names(state.news) == ["b", "c", "d", "e"]
    assert names(state.known) == []
    assert names(state.passed) == ["a"]
    assert state.heading == "waiting in the queue: 4 do not pass"
    assert [line.message for line in state.news] == ["1.5 is not 2", "1.5 is not 2", "boom", None]
    assert state.news[0].expected == '{"total":2}'
    assert state.news[0].actual == "1.5"
    assert state.news[0].document == "invoice 1.pdf"
    assert state.news[0].seconds == 2.0


def test_with_a_baseline_the_news_comes_first() -> None:
    then = Baseline(
        "v1, run of yesterday", {"a": "passed", "b": "passed", "c": "failed", "d": "error"}
    )
    state = seen(run_with(passed=1, failed=1, blocked=1, running=1), results=RESULTS, baseline=then)
    assert names(state.news) == ["b", "e"], "what the baseline does not have did not fail in it"
    assert names(state.known) == ["c", "d"]
    assert state.heading == "running: 2 new"
    assert state.baseline == "v1, run of yesterday"
    calm = seen(run_with(passed=1, running=1), results=RESULTS[:1], baseline=then)
    assert calm.heading == "running: nothing new"


def test_evals_stand_in_the_order_in_which_they_ended() -> None:
    late = result_with("late", "failed")
    late["timing"]["completed_at"] = "2026-05-18T11:00:00Z"
    state = seen(run_with(failed=2), results=[late, result_with("early", "failed")])
    assert names(state.news) == ["early", "late"]


def test_several_runs_are_counted() -> None:
    runs = [run_with("r1", "running", running=1), run_with("r2", "completed", passed=1)]
    assert seen(*runs).heading == "1 of 2 runs going on"
    assert seen(*runs[1:], run_with("r3", "cancelled")).heading == "2 runs ended"
    scoped = [
        run_with("r4", target={"type": "block", "block_id": "b1"}),
        run_with("r5", eval_id="e1"),
    ]
    assert [line.about.rpartition(" · ")[2] for line in seen(*scoped).runs] == [
        "block b1",
        "eval e1",
    ]


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
        "unscored": 1,
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


def test_a_second_of_difference_is_no_news() -> None:
    now = CREATED + timedelta(milliseconds=300)
    (line,) = compute_state(Snapshot(runs=runs_frame(run_with(running=1))), now).runs
    assert (line.ran, line.marks) == (0.0, ())


def test_51_a_run_that_is_gone_is_marked() -> None:
    state = seen(run_with(running=1), gone=frozenset({"r1"}))
    assert state.runs[0].marks == ("not found any more",)


def test_56_trouble_says_since_when() -> None:
    snapshot = Snapshot(runs=runs_frame(run_with(running=1)), seen_at=NOW, trouble="refused")
    state = compute_state(snapshot, NOW + timedelta(seconds=75))
    assert state.connection == "retrying, last seen 1 min 15 s ago: refused"
    assert len(state.runs) == 1
    never = compute_state(Snapshot(trouble="refused"), NOW)
    assert never.connection == "retrying, not seen yet: refused"


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


def test_a_rate_needs_something_done() -> None:
    assert compute_rate(0, 10) is None
    assert compute_rate(3, 0) is None
    assert compute_rate(3, 10) == 18
