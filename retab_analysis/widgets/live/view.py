"""``watch``, and the view that it returns."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import polars as pl

from retab_analysis._baseline import LAST_GOOD
from retab_analysis.arguments import check_callable, check_flag, check_seconds
from retab_analysis.errors import ConfigError, RetabAnalysisError, WaitTimeout
from retab_analysis.fetch import cancel_runs
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.params import RunList, Runs, check_text
from retab_analysis.markup import one_line
from retab_analysis.progress import Bars, in_kernel
from retab_analysis.transport import Client
from retab_analysis.widgets.common.handle import Handle
from retab_analysis.widgets.kernel_events import wait_answering
from retab_analysis.widgets.live import html
from retab_analysis.widgets.live.state import LiveState, Snapshot, compute_state
from retab_analysis.widgets.live.watcher import Watcher

if TYPE_CHECKING:
    from retab_analysis.widgets.live.live_page import LivePage

# More bars than that leave no room in a terminal.
_MOST_BARS = 10

Callback = Callable[["LiveView"], object]


def watch(
    runs: Runs | None = None,
    *,
    workflow_id: str | None = None,
    baseline: Runs | None = LAST_GOOD,
    compact: bool = False,
    interval: float = 2.0,
    allow_cancel: bool | None = None,
    save_values: bool = False,
    client: Client | None = None,
) -> LiveView:
    """Watch eval runs while they go on. Returns at once and blocks nothing.

    In a notebook, show what it returns as a cell's last line; in a terminal, bars appear by
    themselves. Watching the same runs again stops the watching before.

    What is news is what :func:`check` would call so, from the results so far: evals that broke and
    suspects stand first, with the probability and the reason. Evals that are flaky, edited, new or
    fixed are told apart from them, as are failures that were there before. Each run is a candidate
    of its own; runs that were started block by block or eval by eval, of one version and without an
    eval in common, are one together. The runs of each workflow are held against that workflow's
    past, which is read once, after the first look.

    Args:
        runs: An id, several, a RUNS frame or its ``run_id`` column.
        workflow_id: Instead: every run of this workflow that is in flight, and those that start
            meanwhile, until none is in flight any more.
        baseline: What to hold the runs against, as for :func:`check`: ``"last_good"`` (each eval
            against its own last good result), ``"published"``, ``"last_ok"``, ``"previous"``, a run
            or a version. None looks for no news: what does not pass stands first. Where there is
            nothing to compare with, or asking for it fails, the view says so and goes on without.
        compact: Show one line and one bar for all runs together, without lists and buttons.
        interval: Seconds between two rounds of requests; rounds become rarer while nothing changes.
        allow_cancel: Whether the button *Cancel run* is there; by default for ``runs=`` only.
        save_values: Whether the static page that a saved or exported notebook keeps holds expected
            and actual values, and messages that may quote them. What a live widget shows is not
            affected: where Jupyter is told to save the state of widgets, their values are in it.
        client: What to ask; the default one if not given.

    Returns:
        The view. ``await view`` and ``view.wait()`` give the RUNS frame once the runs have ended.
        In a notebook prefer ``await view``: ``wait`` blocks the kernel. The view's buttons are
        answered meanwhile in Jupyter; elsewhere they may wait for the cell's end, and say so.

    Raises:
        ConfigError: An argument cannot be used.
    """
    _check_arguments(runs, workflow_id, baseline, interval)
    # Of a followed workflow, the runs of other people are there, too.
    may_cancel = workflow_id is None if allow_cancel is None else allow_cancel
    look = _Look(
        compact=check_flag("compact", compact),
        may_cancel=check_flag("allow_cancel", may_cancel),
        save_values=check_flag("save_values", save_values),
    )
    ids = [] if runs is None else list(RunList.make(runs).ids)
    chosen = client_or_default(client)
    watcher = Watcher(chosen, ids, workflow_id, baseline, float(interval))
    view = LiveView(watcher, chosen, look)
    watcher.start((chosen.base_url, tuple(sorted(ids)), workflow_id))
    return view


def _check_arguments(
    runs: object, workflow_id: object, baseline: Runs | None, interval: object
) -> None:
    if (runs is None) == (workflow_id is None):
        raise ConfigError("pass either runs or workflow_id=")
    if workflow_id is not None:
        check_text("workflow_id", workflow_id)
    check_seconds("interval", interval)
    if baseline is not None:
        RunList.make(baseline, "baseline")


@dataclass(frozen=True, slots=True)
class _Look:
    """What a view shows, as :func:`watch` describes it."""

    compact: bool
    may_cancel: bool
    save_values: bool


class LiveView(Handle):
    """A view of eval runs that keeps itself up to date; made by :func:`watch`.

    A context manager that stops watching at its end, and awaitable: ``await view`` gives what
    ``view.wait()`` does without blocking the event loop.
    """

    def __init__(self, watcher: Watcher, client: Client, look: _Look) -> None:
        self._watcher, self._client, self._look = watcher, client, look
        self._drawing: Any = None
        self._computed: tuple[Snapshot, LiveState] | None = None
        self._on_update: list[Callback] = []
        self._on_done: list[Callback] = []
        self._lock = threading.Lock()
        # The thread must not keep the view alive: a view that nobody holds stops watching.
        me = weakref.ref(self)
        watcher.add_listener(lambda snapshot: _notify(me, snapshot))
        weakref.finalize(self, watcher.stop)
        if not in_kernel() and sys.stderr.isatty():
            self._drawing = TerminalBars(compact=look.compact)

    @property
    def frame(self) -> pl.DataFrame:
        """The watched runs as last seen, a RUNS frame."""
        return self._watcher.snapshot.runs

    @property
    def results(self) -> pl.DataFrame:
        """Their results as last seen, a RESULTS frame."""
        return self._watcher.snapshot.results

    @property
    def state(self) -> LiveState:
        """What the view shows, as a plain value.

        Its ``news`` counts evals by transition, the same as ``check`` does.
        """
        snapshot = self._watcher.snapshot
        known = self._computed
        # Of one snapshot there is one state; only how long the API is away goes on by itself.
        if known is None or known[0] is not snapshot or known[1].connection:
            known = self._computed = snapshot, compute_state(snapshot, datetime.now(UTC))
        return known[1]

    @property
    def done(self) -> bool:
        """Whether watching has ended, in whatever way."""
        return not self._watcher.is_alive()

    def wait(self, timeout: float | None = None) -> pl.DataFrame:
        """Block until watching has ended. Interrupting it cancels no run.

        Args:
            timeout: Seconds to wait at most, or None.

        Returns:
            The watched runs, a RUNS frame.

        Raises:
            WaitTimeout: They have not ended in time; ``.runs`` is how they were last seen.
            RetabAnalysisError: Why watching ended early.
        """
        if timeout is not None:
            check_seconds("timeout", timeout, zero=True)
        if not wait_answering(self._watcher.join, timeout, answering=self._page is not None):
            raise WaitTimeout(
                f"the runs have not ended after {timeout:g} s; they are still watched",
                runs=self.frame,
            )
        return self._finish()

    def _finish(self) -> pl.DataFrame:
        """The runs as they ended, or the error that ended watching early."""
        # Whoever executes a notebook without a browser stores only what the waiting cell sends.
        if (page := self._page) is not None:
            page.flush()
        error = self._watcher.error
        if error is not None:
            raise error
        return self.frame

    def stop(self) -> None:
        """Stop watching. The runs go on."""
        self._watcher.stop()
        # Seconds; a callback of the user may take longer than that.
        self._watcher.join(5.0)

    def close(self) -> None:
        """Stop watching, and take the widgets or the bars away. What was seen can still be read."""
        self.stop()
        drawing, self._drawing = self._drawing, None
        if drawing is not None:
            drawing.close()

    def refresh(self) -> None:
        """Look at once."""
        self._watcher.refresh()

    def on_update(self, callback: Callback) -> Self:
        """Have a function called with this view after each round, in the watching thread.

        Raises:
            ConfigError: It is not a function.
        """
        check_callable("callback", callback)
        self._on_update.append(callback)
        return self

    def on_done(self, callback: Callback) -> Self:
        """Have a function called with this view once watching has ended, in the watching thread."""
        # The watching thread may end between the question and the answer to it.
        with self._lock:
            ended = self._watcher.snapshot.phase != "watching"
            if not ended:
                self._on_done.append(callback)
        if ended:
            callback(self)
        return self

    def code(self) -> str:
        """The lines that fetch what the view shows."""
        ids = self.frame["run_id"].to_list()
        shown = repr(ids[0]) if len(ids) == 1 else repr(ids)
        lines = [
            "import retab_analysis as ra\n",
            f"runs = ra.wait_for_runs({shown})",
            "results = ra.fetch_results(runs)",
        ]
        # One check is of one candidate.
        is_one = len(ids) == 1 or len(self._watcher.snapshot.news) == 1
        if is_one and isinstance(self._watcher.baseline, str):
            lines.append(
                "comparison = ra.check(runs['workflow_id'][0], candidate=runs, "
                f"baseline={self._watcher.baseline!r})"
            )
        return "\n".join(lines)

    def _update(self, snapshot: Snapshot) -> None:
        """Draw, and call back; runs in the watching thread."""
        calls = list(self._on_update)
        if snapshot.phase != "watching":
            with self._lock:
                calls += self._on_done
                self._on_done.clear()
        for call in calls:
            try:
                call(self)
            except Exception as error:
                self._watcher.note(f"a callback raised {type(error).__name__}: {error}")
        # Another thread may close the view between the two lines.
        if (drawing := self._drawing) is not None:
            drawing.draw(self.state)

    def _cancel(self) -> None:
        """Cancel what has not ended, in a thread: a click must not wait for the network."""
        going = self.frame.filter(~pl.col("is_terminal"))

        def work() -> None:
            try:
                cancel_runs(going, client=self._client)
            except RetabAnalysisError as error:
                self._watcher.note(f"cancel: {error}")
            self._watcher.refresh()

        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(work,), daemon=True).start()

    @property
    def _page(self) -> LivePage | None:
        """The page; None in a terminal, where bars are drawn until somebody asks for the widget."""
        drawing = self._drawing
        return None if isinstance(drawing, TerminalBars) else drawing

    def _make_page(self) -> LivePage:
        # Loaded here, because a terminal needs no widgets.
        from retab_analysis.widgets.live.live_page import Actions, LivePage

        page = self._page
        if page is None:
            actions = Actions(
                stop=self._watcher.stop,
                refresh=self._watcher.refresh,
                cancel=self._cancel if self._look.may_cancel else None,
                code=self.code,
            )
            compact, save_values = self._look.compact, self._look.save_values
            page = LivePage(self, self.state, actions, compact=compact, save_values=save_values)
            self._drawing = page
            # Something may have come between the state and the assignment.
            page.draw(self.state)
        return page

    def _wait_for_content(self, seconds: float) -> None:
        self._watcher.wait_for_look(seconds)

    def _make_still(self) -> dict[str, str]:
        from retab_analysis.widgets.live.live_page import make_still

        compact, values = self._look.compact, self._look.save_values
        return make_still(self.state, compact=compact, values=values, code=self.code())

    def __repr__(self) -> str:
        # What is printed in a notebook is saved with it.
        if self._look.compact:
            return html.describe_briefly(self.state)
        return html.plain_text(self.state, values=self._look.save_values or not in_kernel())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __await__(self) -> Generator[Any, None, pl.DataFrame]:
        return self._wait_aside().__await__()

    async def _wait_aside(self) -> pl.DataFrame:
        # In a thread of the loop's own pool, because waiting blocks; the last update is sent from
        # the cell that awaits.
        await asyncio.get_running_loop().run_in_executor(None, self._watcher.join)
        return self._finish()


def _notify(me: weakref.ref[LiveView], snapshot: Snapshot) -> None:
    view = me()
    if view is not None:
        view._update(snapshot)


class TerminalBars:
    """The view in a terminal: tqdm's bars, and a line for each eval that is news.

    Args:
        compact: Show one bar for all runs together, and no lines.
    """

    def __init__(self, *, compact: bool = False) -> None:
        self._bars = Bars()
        self._compact = compact
        self._shown: set[tuple[str, str, str | None]] = set()

    def draw(self, state: LiveState) -> None:
        """Show a state."""
        if self._compact:
            self._draw_sum(state)
        else:
            self._print_news(state)
            for run in state.runs[:_MOST_BARS]:
                counts = ", ".join(f"{count} {name}" for name, count in run.counts)
                self._bars.update(run.run_id, run.words, run.done, run.total, counts)
        if state.phase != "watching":
            self._bars.close()
            if state.failure:
                self._bars.say(one_line(state.failure))

    def _print_news(self, state: LiveState) -> None:
        # What is not compared yet may turn out to be old.
        listed = (*state.broke, *state.suspects) if state.is_comparing else state.listed
        for line in listed:
            # What a terminal has printed cannot be taken back: each eval is printed once, and again
            # where more results made a suspect of it, or a break.
            key = (line.run_id, line.eval_id, line.transition)
            if key not in self._shown:
                self._shown.add(key)
                self._bars.say(html.describe_eval(line, values=True))

    def _draw_sum(self, state: LiveState) -> None:
        if state.runs:
            counts = ", ".join(f"{n} {name}" for name, n in html.sum_counts(state).items())
            heading = one_line(state.heading)
            self._bars.update("all runs", heading, *html.sum_progress(state), counts)

    def close(self) -> None:
        """Leave the bars as they are."""
        self._bars.close()
