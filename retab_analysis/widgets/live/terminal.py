"""Draws the state in a terminal: a bar for each run, bad news above them."""

from __future__ import annotations

from retab_analysis.progress import Bars
from retab_analysis.widgets.live.html import one_line
from retab_analysis.widgets.live.state import WatchState

_MOST_BARS = 10


class TerminalView:
    """tqdm's bars, and a line for each eval that does not pass."""

    def __init__(self) -> None:
        self._bars = Bars()
        self._told: set[tuple[str, str]] = set()

    def draw(self, state: WatchState) -> None:
        """Show a state."""
        for line in state.news:
            key = (line.run_id, line.eval_id)
            if key not in self._told:
                self._told.add(key)
                self._bars.say(one_line(line, values=True))
        for run in state.runs[:_MOST_BARS]:
            counts = ", ".join(f"{count} {name}" for name, count in run.counts)
            self._bars.update(run.run_id, run.words, run.done, run.total, counts)
        if state.phase != "watching":
            self._bars.close()
            if state.failure:
                self._bars.say(state.failure)
