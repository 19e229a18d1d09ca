"""Work beside the notebook: how far it is, how it ends, and what it leaves."""

from __future__ import annotations

import threading
import warnings

from support.compared import THREE
from support.inside import STOPPED, Comparison, Progress, Task, TaskState
from support.watching import until

import retab_analysis as ra

COMPARED = ra.compare_versions(THREE, "v2", "v3")


class Watched:
    """A task, what it looked like whenever it changed, and what came of it."""

    def __init__(self) -> None:
        self.seen: list[TaskState] = []
        self.found: list[Comparison | None] = []
        self.task: Task

    def change(self, found: Comparison | None) -> None:
        self.seen.append(self.task.state)
        self.found.append(found)

    def run(self, work: object, *, stop: bool = False) -> TaskState:
        self.task = Task("Working", work, self.change)  # type: ignore[arg-type]
        if stop:
            self.task.stop()
        self.task.start()
        until(lambda: not self.task.state.is_running)
        until(lambda: bool(self.seen) and not self.seen[-1].is_running)
        return self.task.state


def test_progress_and_what_came() -> None:
    def work(progress: Progress) -> Comparison:
        progress.update(0, 3, "Running 1 eval again")
        progress.update(2, 3)
        progress.close()
        return COMPARED

    watched = Watched()
    watched.run(work)
    assert [(each.done, each.total, each.note) for each in watched.seen] == [
        (0, 3, "Running 1 eval again"),
        (2, 3, "Running 1 eval again"),
        (2, 3, "Running 1 eval again"),
    ]
    assert watched.found == [None, None, COMPARED]
    assert watched.seen[-1].failure is None


def test_an_error_is_told_and_what_came_before_it_is_kept() -> None:
    def work(progress: Progress) -> Comparison:
        error = ra.RetabAnalysisError("the API refuses")
        error.partial = COMPARED  # type: ignore[assignment]
        raise error

    watched = Watched()
    assert watched.run(work).failure == "the API refuses"
    assert watched.found == [COMPARED]


def test_warnings_are_told_in_the_view() -> None:
    def work(progress: Progress) -> Comparison:
        warnings.warn("2 evals could not be run again", stacklevel=1)
        return COMPARED

    watched = Watched()
    assert watched.run(work).failure == "2 evals could not be run again"
    assert watched.found == [COMPARED]


def test_stopping_ends_the_work_at_its_next_progress() -> None:
    went_on = threading.Event()

    def work(progress: Progress) -> Comparison:
        progress.update(1, 2)
        went_on.set()
        return COMPARED

    watched = Watched()
    assert watched.run(work, stop=True).failure == STOPPED
    assert not went_on.is_set()
