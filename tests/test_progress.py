"""Progress bars: when they show, and to whom."""

from __future__ import annotations

import io
import sys

import pytest
from support.inside import progress


def test_a_bar_shows_after_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    bar = progress.choose_progress(True, "eval runs", "runs")
    bar.update(100)
    assert capsys.readouterr().err == ""
    bar._bar.start_t -= 2  # type: ignore[attr-defined]
    bar._bar.last_print_t -= 2  # type: ignore[attr-defined]
    bar.update(300, 500, "3 of 5")
    assert "300/500" in (shown := capsys.readouterr().err)
    assert "eval runs" in shown
    assert "3 of 5" in shown
    bar.close()


@pytest.mark.parametrize("given", [True, False])
def test_a_plan_is_printed_at_once(given: bool, capsys: pytest.CaptureFixture[str]) -> None:
    bar = progress.choose_progress(given, "eval runs", "runs")
    progress.announce(bar, "A plan.", 0, 5)
    assert capsys.readouterr().err.replace("\r", "") == "A plan.\n"
    bar.close()


def test_a_plan_is_the_note_of_a_progress_of_ones_own() -> None:
    told: list[tuple[int, int | None, str]] = []

    class Own(progress.Silent):
        def update(self, done: int, total: int | None = None, note: str = "") -> None:
            told.append((done, total, note))

    progress.announce(Own(), "A plan.", 2, 5)
    assert told == [(2, 5, "A plan.")]


def test_what_is_started_is_said_without_a_bar_too(capsys: pytest.CaptureFixture[str]) -> None:
    progress.announce(progress.Silent(), "Running 3 evals again.", 0, 5)
    assert capsys.readouterr() == ("", "Running 3 evals again.\n")
    progress.say("Starting 1 run of wf\u202e: 2 evals.")
    assert capsys.readouterr() == ("", "Starting 1 run of wf<U+202E>: 2 evals.\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_for_somebody_who_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(progress.choose_progress(None, "a", "b"), progress.Silent)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(progress.choose_progress(None, "a", "b"), progress.Bar)
    assert isinstance(progress.choose_progress(False, "a", "b"), progress.Silent)
