"""``watch``, and the view that it returns."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import polars as pl

from retab_analysis.arguments import check_callable, check_flag, check_seconds
from retab_analysis.checks.defaults import archive_or_default
from retab_analysis.checks.plan import LAST_GOOD
from retab_analysis.config import shows_values
from retab_analysis.errors import ConfigError, RetabAnalysisError, WaitTimeout
from retab_analysis.fetch import cancel_runs
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.lists import resolve_workflow
from retab_analysis.fetch.params import RunList, Runs, check_text
from retab_analysis.progress import in_kernel
from retab_analysis.transport import Client
from retab_analysis.widgets.handle import Handle
from retab_analysis.widgets.jobs import run_beside
from retab_analysis.widgets.kernel_events import wait_answering
from retab_analysis.widgets.live import html
from retab_analysis.widgets.live.state import LiveState, Snapshot, compute_state
from retab_analysis.widgets.live.watcher import Watcher
from retab_analysis.widgets.open_eval import OpenEval

if TYPE_CHECKING:
    from retab_analysis.widgets.page import Event

Callback = Callable[["LiveView"], object]


def watch(
    runs: Runs | None = None,
    *,
    workflow_id: str | None = None,
    baseline: Runs | None = LAST_GOOD,
    interval: float = 2.0,
    allow_cancel: bool | None = None,
    save_values: bool = False,
    client: Client | None = None,
) -> LiveView:
    """Watch eval runs while they go on. Returns at once and blocks nothing.

    In a notebook, show what it returns as a cell's last line; in a terminal, ``print(view)`` shows
    how far the runs are. Watching the same runs again stops the watching before.

    What is news is what :func:`check` would call so, from the results so far: evals that broke and
    suspects stand first, with the probability and the reason. Evals that are flaky, edited, new or
    fixed are listed apart from them, as are failures that were there before. All watched runs of a
    workflow are one candidate together: an eval that was run three times is one eval. They are held
    against that workflow's past, which is read once, after the first look, and from the archive
    that :func:`use` set, if any; what is still to come is not missed.

    Args:
        runs: An id, several, a RUNS frame or its ``run_id`` column.
        workflow_id: Instead: every run of this workflow that is in flight, and those that start
            meanwhile, until none is in flight any more.
        baseline: What to hold the runs against, as for :func:`check`: ``"last_good"`` (each eval
            against its own last good result), ``"published"``, ``"last_ok"``, ``"previous"``, a run
            or a version. None looks for no news: what does not pass stands first. Where there is
            nothing to compare with, or asking for it fails, the view says so and goes on without.
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

    Example:
        >>> run = ra.start_runs("wf_claims", blocks=ra.fetch_evals("wf_claims")["block_id"][0])
        >>> view = ra.watch(run)  # the last line of a cell shows it, while the run goes on
        >>> view.wait(timeout=60)["status"].to_list()
        ['completed']
    """
    if (runs is None) == (workflow_id is None):
        raise ConfigError("pass either runs or workflow_id=")
    if workflow_id is not None:
        check_text("workflow_id", workflow_id)
    check_seconds("interval", interval)
    if baseline is not None:
        RunList.make(baseline, "baseline")
    # Of a followed workflow, the runs of other people are there, too.
    may_cancel = workflow_id is None if allow_cancel is None else allow_cancel
    look = {
        "may_cancel": check_flag("allow_cancel", may_cancel),
        "save_values": check_flag("save_values", save_values),
    }
    ids = [] if runs is None else list(RunList.make(runs).ids)
    chosen = client_or_default(client)
    workflow_id = workflow_id and resolve_workflow(chosen, workflow_id)
    archive = archive_or_default()
    watcher = Watcher(chosen, ids, workflow_id, baseline, float(interval), archive)
    view = LiveView(watcher, chosen, **look)
    watcher.start((chosen.base_url, tuple(sorted(ids)), workflow_id))
    return view


class LiveView(Handle):
    """A view of eval runs that keeps itself up to date; made by :func:`retab_analysis.watch`.

    A context manager that stops watching at its end, and awaitable: ``await view`` gives what
    ``view.wait()`` does without blocking the event loop.
    """

    _label = "Live view of eval runs"

    def __init__(
        self,
        watcher: Watcher,
        client: Client,
        *,
        may_cancel: bool = False,
        save_values: bool = False,
    ) -> None:
        super().__init__()
        self._watcher, self._client = watcher, client
        self._save_values = save_values
        self._shown = html.LiveLook(can_cancel=may_cancel)
        self._opened = OpenEval(client, self._draw)
        self._computed: tuple[Snapshot, LiveState] | None = None
        self._has_runs = False
        self._on_update: list[Callback] = []
        self._on_done: list[Callback] = []
        # The thread must not keep the view alive: a view that nobody holds stops watching.
        me = weakref.ref(self)

        def update(snapshot: Snapshot) -> None:
            if (view := me()) is not None:
                view._update(snapshot)

        watcher.add_listener(update)
        weakref.finalize(self, watcher.stop)

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
        self._flush()
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
        """Stop watching, and take the widgets away. What was seen can still be read."""
        self.stop()
        super().close()

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

    def _update(self, snapshot: Snapshot) -> None:
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
        state, has_begun = self.state, bool(snapshot.runs.height) and not self._has_runs
        self._has_runs |= has_begun
        # A page that another thread is making has this state, or is there once the lock is free.
        with self._lock:
            # What was saved first may say nothing yet; what is saved last stays.
            self._draw(now=has_begun or state.phase != "watching")

    def _render(self) -> dict[str, str]:
        return dict(html.render_sections(self.state, self._shown, self._opened))

    def _make_still(self, token: str | None = None) -> dict[str, str]:
        state, values = self.state, self._save_values
        still = html.render_still_view(state, html.LiveLook(values=values, limit=None), token)
        return {"text/html": str(still), "text/plain": html.plain_text(state, values=values)}

    def _wait_for_content(self, seconds: float) -> None:
        self._watcher.wait_for_look(seconds)

    def __repr__(self) -> str:
        # What is printed in a notebook is saved with it.
        values = self._save_values or (not in_kernel() and shows_values())
        return html.plain_text(self.state, values=values)

    def _on_event(self, event: Event) -> None:
        if event.name == "stop":
            self._watcher.stop()
        elif event.name == "refresh":
            self._watcher.refresh()
        elif event.name == "cancel" and self._shown.can_cancel:
            self._cancel()
        elif event.name == "eval":
            self._opened.toggle(event.value)
        elif event.name == "document":
            with contextlib.suppress(ValueError, LookupError):
                for each in self.state.told:
                    if each.comparison is not None:
                        self._opened.show_of(each.comparison, event.value)
        with self._lock:
            limit = self._shown.limit
            if event.name == "show":
                limit = None if limit else html.SHOWN_EVALS
            # Whatever else is done answers the question.
            self._shown = replace(self._shown, limit=limit, asking=event.name == "ask")
        self._draw()

    def _cancel(self) -> None:
        """Cancel what has not ended, in a thread: a click must not wait for the network."""
        going = self.frame.filter(~pl.col("is_terminal"))

        def work() -> None:
            try:
                cancel_runs(going, client=self._client)
            except RetabAnalysisError as error:
                self._watcher.note(f"cancel: {error}")
            self._watcher.refresh()

        run_beside(work, "cancel")

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
