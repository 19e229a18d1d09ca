"""``watch`` and ``explore``, and the view that both return."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import math
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from functools import partial
from itertools import islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import polars as pl

from retab_analysis.arguments import Guided, check_callable, check_flag, check_seconds
from retab_analysis.checks.plan import LAST_GOOD
from retab_analysis.checks.settle import run_again
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.run_columns import say_moment
from retab_analysis.config import shows_values
from retab_analysis.errors import ConfigError, RetabAnalysisError, WaitTimeout, described
from retab_analysis.fetch import cancel_runs
from retab_analysis.fetch.lists import WORKFLOW_ID, find_workflow, read_link, resolve_workflow
from retab_analysis.fetch.params import RunList, Runs, check_text, client_or_default
from retab_analysis.fetch.run_line import count_ended
from retab_analysis.progress import in_kernel, say
from retab_analysis.render.document import Head, list_rows, plain
from retab_analysis.schema import COMPARISON
from retab_analysis.transport import Client
from retab_analysis.widgets.pieces import Pieces, render_still, render_view
from retab_analysis.widgets.state import COMPARING, Preview, ViewState, WorkflowLook, apply_event
from retab_analysis.widgets.state_in_words import StateInWords, list_news, rank, say_status, sum_up
from retab_analysis.widgets.stream import Stream, describe_error, follow_as, run_beside
from retab_analysis.widgets.watched_runs import WatchedRuns

if TYPE_CHECKING:
    from retab_analysis.widgets.page import HtmlPage

# Seconds between two looks at whether a job has ended.
_STEP = 0.05
# Seconds that displaying a view waits for its first state.
_FIRST_LOOK = 3.0
# The same if no front end tells which cell runs: then probably nobody looks.
_FIRST_READING = 120.0
_BLOCKS = (
    "Buttons of the view may wait until this cell ends; `await view` lets them answer meanwhile."
)

Callback = Callable[["View"], object]
Workflows = str | Iterable[str]


def watch(
    runs: Runs | None = None,
    *,
    workflow_id: Workflows | None = None,
    baseline: str = LAST_GOOD,
    interval: float = 2.0,
    allow_cancel: bool | None = None,
    save_values: bool = False,
    client: Client | None = None,
) -> View:
    """Watch eval runs while they go on. ``watch`` returns at once.

    Show the view as a cell's last line. It shows all evals of the workflow as :func:`check` does,
    and marks each with what it does in the watched runs. Runs that go on judge nothing. When they
    end, the view says what ``check`` says then. Each eval is shown with its last 30 runs. In a
    terminal, ``print(view)`` shows the same as text. A second ``watch`` of the same runs ends the
    first.

    The view can also show the verdict of the watched runs alone, as ``check(candidate=runs)`` does:
    choose it on the page. ``watch`` reads the past once, from the archive if :func:`use` has set
    one.

    Args:
        runs: An id, several, a RUNS frame or its ``run_id`` column.
        workflow_id: Instead: every run of this workflow, or of several (ids or names), that is in
            flight, and the runs that start before the last of them has ended. A workflow without
            such a run is shown as it is, as :func:`explore` does.
        baseline: The results to compare with, as for :func:`check`: ``"last_good"``,
            ``"published"``, ``"previous"``, a run or a version.
        interval: Seconds between two rounds of requests. The rounds become rarer while nothing
            changes.
        allow_cancel: Whether the button *Cancel run* is there. Default: for ``runs=`` only.
        save_values: Whether a saved or exported notebook keeps expected and actual values, and
            messages that may quote them. The live page shows them either way.
        client: The client to ask; by default the session's.

    Returns:
        The view. ``await view`` and ``view.wait()`` give the RUNS frame once the runs have ended.
        In a notebook prefer ``await view``: ``wait`` blocks the kernel.

    Raises:
        ConfigError: An argument cannot be used, there is no such workflow, or a file of accepted
            failures (:func:`use`) cannot be read.

    Example:
        >>> run = ra.start_runs("wf_claims", blocks=ra.fetch_evals("wf_claims")["block_id"][0])
        >>> view = ra.watch(run)  # the last line of a cell shows it, while the run goes on
        >>> view.wait(timeout=60)["status"].to_list()
        ['completed']
    """
    if (runs is None) == (workflow_id is None):
        raise ConfigError("pass either runs or workflow_id=")
    check_text("baseline", baseline)
    check_seconds("interval", interval)
    may_cancel = workflow_id is None if allow_cancel is None else allow_cancel
    check_flag("allow_cancel", may_cancel)
    check_flag("save_values", save_values)
    ids = [] if runs is None else list(RunList.make(runs).ids)
    chosen = client_or_default(client)
    _refuse_workflow(chosen, ids)
    flows = () if workflow_id is None else _list_workflows(chosen, workflow_id)
    pollers = [WatchedRuns(chosen, ids, each) for each in flows or (None,)]
    follow, key = follow_as(chosen, None, baseline), (chosen.base_url, *sorted(ids), *flows)
    stream = Stream(chosen, flows, follow, pollers, interval, key)
    return View(chosen, stream, can_cancel=may_cancel, save_values=save_values)


def explore(
    workflow_id: Workflows,
    *,
    candidate: str | None = None,
    baseline: str = LAST_GOOD,
    save_values: bool = False,
    client: Client | None = None,
) -> View:
    """Show what :func:`check` says of a workflow, with the last 30 runs of each eval.

    Show the view as a cell's last line. ``explore`` fetches results in the background. On the page
    you choose the checked run and the baseline, search, open an eval, and run unclear
    evals again.

    Args:
        workflow_id: The id or name of a workflow, or of several.
        candidate: The run to check, as for :func:`check`: a run or a version. Default: the workflow
            as it is now.
        baseline: The results to compare with, as for :func:`check`. If both are versions, the view
            compares all runs of both.
        save_values: Whether a saved or exported notebook keeps expected and actual values, and
            messages that may quote them. The live page shows them either way.
        client: The client to ask; by default the session's.

    Returns:
        The view. ``view.wait()`` blocks until everything is there, and ``view.comparison`` is what
        :func:`check` gives.

    Raises:
        ConfigError: An argument cannot be used, there is no such workflow, or a file of accepted
            failures (:func:`use`) cannot be read.

    Example:
        >>> view = ra.explore("wf_invoices")  # the last line of a cell shows it
        >>> view.wait(timeout=60).height
        1
        >>> view.comparison.headline
        '✗ ...'
        >>> view.close()
    """
    if candidate is not None:
        check_text("candidate", candidate)
    check_text("baseline", baseline)
    check_flag("save_values", save_values)
    chosen = client_or_default(client)
    flows = _list_workflows(chosen, workflow_id)
    stream = Stream(chosen, flows, follow_as(chosen, candidate, baseline))
    return View(chosen, stream, save_values=save_values)


def _refuse_workflow(client: Client, ids: Iterable[str]) -> None:
    """Refuse the id of a workflow where runs are asked for, before a page says so later."""
    for each in islice(filter(WORKFLOW_ID.fullmatch, ids), 1):
        is_one = False
        with contextlib.suppress(RetabAnalysisError):  # then watching tells the problem
            is_one = not find_workflow(client, each).is_empty()
        if is_one:
            how = f"ra.watch(workflow_id={json.dumps(each)}) watches its runs"
            raise ConfigError(f"{each!r} is a workflow, not a run; {how}")


def _list_workflows(client: Client, given: Any) -> tuple[str, ...]:
    if hasattr(given, "columns") or isinstance(given, Comparison):
        raise ConfigError(
            f"workflow_id must be an id or a name, got {described(given)}; "
            "ra.compare(baseline, candidate) shows two frames of results"
        )
    several = [given] if isinstance(given, str) or not isinstance(given, Iterable) else [*given]
    if not several:
        raise ConfigError("workflow_id names no workflow")
    return tuple(dict.fromkeys(resolve_workflow(client, each) for each in several))


class View(Guided, called="view"):
    """Runs and their evals on a page; ``watch`` and ``explore`` make it.

    A context manager that stops watching at its end, and awaitable: ``await view`` gives what
    ``view.wait()`` does without blocking the event loop.

    Example:
        >>> with ra.explore("wf_claims") as view:
        ...     runs = view.wait(timeout=60)
    """

    def __init__(
        self, client: Client, stream: Stream, *, save_values: bool, can_cancel: bool = False
    ) -> None:
        self._client, self._stream = client, stream
        self._save_values, self._can_cancel = save_values, can_cancel
        self._page: HtmlPage | None = None
        # Held while the state is changed or drawn: events and jobs come in several threads.
        self._lock = threading.RLock()
        # By when they were first known; this place is the name of a workflow on the page.
        self._states = {each: self._new_state(each) for each in stream.followed}
        self._facts: dict[tuple[str, bool], StateInWords] = {}
        self._order, self._open_view, self._was_opened = [*self._states], "", False
        self._on_update: list[Callback] = []
        # The thread must not keep the view alive: a view without references stops watching.
        me = weakref.ref(self)

        def show(workflow_id: str, look: WorkflowLook) -> None:
            if (view := me()) is not None:
                view._change(workflow_id, look=look)

        weakref.finalize(self, stream.stop)
        _views.add(self)
        stream.start(show)

    def _new_state(self, workflow_id: str) -> ViewState:
        state = ViewState(workflow_id, values=shows_values(), can_cancel=self._can_cancel)
        of = self._stream.followed.get(workflow_id, state)
        return replace(state, candidate=of.candidate, baseline=of.baseline)

    # Its state

    @property
    def state(self) -> ViewState:
        """The state of the page; of several workflows the open one."""
        with self._lock:
            return self._states.get(self._shown_id) or ViewState("")

    @property
    def comparison(self) -> Comparison | None:
        """The answer that ``check`` would give now; None before the first comparison."""
        return self.state.look.comparison

    @property
    def frame(self) -> pl.DataFrame:
        """The rows of ``comparison.evals``; no rows before the first comparison."""
        made = self.comparison
        return COMPARISON.empty() if made is None else made.evals

    @property
    def done(self) -> bool:
        """Whether watching has ended, for any reason."""
        return not self._stream.is_alive

    @property
    def _shown_id(self) -> str:
        return self._open_view or (self._order[0] if self._order else "")

    def _list_states(self) -> list[ViewState]:
        with self._lock:
            return [*self._states.values()]

    @property
    def _runs(self) -> pl.DataFrame:
        watched, states = self._stream.runs, self._list_states()
        return (
            watched if watched.height else pl.concat([watched, *(s.look.checked for s in states)])
        )

    def wait(self, timeout: float | None = None) -> pl.DataFrame:
        """Block until the runs have ended and their results are read. An interrupt cancels no run.

        Args:
            timeout: Seconds to wait at most, or None.

        Returns:
            The watched runs, else the checked runs, a RUNS frame.

        Raises:
            WaitTimeout: They have not ended in time; ``.runs`` has their last known state.
            RetabAnalysisError: The watching ended early, for this reason.
        """
        if timeout is not None:
            check_seconds("timeout", timeout, zero=True)
        if self._page is not None and not self._join(0):
            say(_BLOCKS)
        if not self._join(timeout):
            raise WaitTimeout(
                f"the runs have not ended after {timeout:g} s; they are still watched",
                partial=self._runs,
            )
        return self._finish()

    def _join(self, timeout: float | None = None) -> bool:
        end = math.inf if timeout is None else time.monotonic() + timeout
        if not self._stream.join(timeout):
            return False
        while any(each.job for each in self._list_states()):
            if time.monotonic() >= end:
                return False
            time.sleep(_STEP)
        return True

    def _finish(self) -> pl.DataFrame:
        with self._lock:
            if self._page is not None:
                self._page.show(self._render())
                self._page.flush()
        if self._stream.error is not None:
            raise self._stream.error
        return self._runs

    def stop(self) -> None:
        """Stop watching. The runs go on."""
        self._stream.stop()
        # Seconds; a callback of the user may take longer than that.
        self._stream.join(5.0)

    def close(self) -> None:
        """Stop watching and take the page away. The last state can still be read."""
        self.stop()
        with self._lock:
            page, self._page = self._page, None
            if page is not None:
                page.close()

    def on_update(self, callback: Callback) -> Self:
        """Call ``callback`` with this view after each change, in the thread that made it.

        Raises:
            ConfigError: It is not a function.
        """
        check_callable("callback", callback)
        self._on_update.append(callback)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __await__(self) -> Generator[Any, None, pl.DataFrame]:
        # In a thread of the loop's own pool, because waiting blocks; the last update is sent from
        # the cell that awaits.
        yield from asyncio.get_running_loop().run_in_executor(None, self._join)
        return self._finish()

    # Changes

    def _change(self, workflow_id: str, **changes: Any) -> None:
        """Change the state of a workflow, and draw; called in the stream's thread and by jobs."""
        with self._lock:
            if workflow_id and "" in self._states:  # nothing was known of it
                del self._states[""]
                self._order.remove("")
            if workflow_id not in self._states:
                self._states[workflow_id] = self._new_state(workflow_id)
                self._order.append(workflow_id)
            before, state = self._states[workflow_id], self._put(workflow_id, **changes)
            is_new = before.look.comparison is not state.look.comparison
            has_ended = before.look.phase != state.look.phase and state.look.phase != "going"
            if is_new or has_ended:
                self._sort()
        self._call_back(workflow_id)
        self._draw(now=is_new or has_ended)

    def _put(self, workflow_id: str, **changes: Any) -> ViewState:
        with self._lock:
            state = self._states[workflow_id] = replace(self._states[workflow_id], **changes)
            return state

    def _draw(self, *, now: bool = False) -> None:
        with self._lock:
            if self._page is not None:
                self._page.show(self._render(), now=now)

    def _call_back(self, workflow_id: str) -> None:
        for call in list(self._on_update):
            try:
                call(self)
            except Exception as error:
                said = f"A callback raised {type(error).__name__}: {error}"
                with self._lock:
                    failures = dict.fromkeys((*self._states[workflow_id].failures, said))
                    self._put(workflow_id, failures=tuple(failures))

    def _sort(self) -> None:
        """The worst workflow first. Once all are read it is open, if none was opened before."""
        self._order = sorted(self._order, key=lambda each: rank(self._tell(each)))
        looks = [self._states[each].look for each in self._order]
        is_read = all(each.comparison is not None or each.phase == "failed" for each in looks)
        if is_read and len(self._order) > 1 and not self._was_opened:
            self._open_view, self._was_opened = self._order[0], True

    # Showing

    def _tell(self, workflow_id: str, *, values: bool | None = None) -> StateInWords:
        """A workflow in words, made anew only after a change."""
        state = self._states.get(workflow_id) or ViewState(workflow_id)
        if values is not None and values != state.values:
            state = replace(state, values=values)
        key = workflow_id, state.values
        known = self._facts.get(key)
        if known is not None and known.is_of(state):
            known.state = state
            return known
        made = self._facts[key] = StateInWords(state, None if known is None else known.judged)
        return made

    def _list_views(self, *, values: bool | None = None) -> tuple[dict[str, StateInWords], str]:
        """The workflows as they stand on the page, by their names there; and the open one."""
        known = [*self._states]
        views = {str(known.index(each)): self._tell(each, values=values) for each in self._order}
        opened = str(known.index(self._open_view)) if self._open_view else ""
        return views or {"0": StateInWords(ViewState(""), None)}, opened

    def _render(self, *, values: bool | None = None) -> Pieces:
        with self._lock:
            return render_view(*self._list_views(values=values), self._sum_up())

    def _sum_up(self) -> Head | None:
        """What stands above several workflows; None if there is one."""
        if len(self._order) < 2:
            return None
        told = [self._tell(each) for each in self._order]
        seen = [each.look.seen_at for each in told if each.look.seen_at is not None]
        at = f"as of {say_moment(min(seen), min(seen).year)} UTC" if seen else ""
        line = self._stream.sum_line()
        return Head(sum_up(told), going=say_status(line), seen=at, seconds=line.seconds)

    def _make_saved(self) -> Pieces:
        return self._render(values=self._save_values and shows_values())

    def _make_still(self, token: str | None = None) -> dict[str, str]:
        """The HTML that stands for the page with this token if no script drives it."""
        values = self._save_values and shows_values()
        with self._lock:
            views = self._list_views(values=values)
            still = render_still(*views, self._sum_up(), token)
        return {"text/html": str(still), "text/plain": self._write_text(values=values)}

    def _write_text(self, *, values: bool) -> str:
        with self._lock:
            told = [self._tell(each, values=values) for each in self._order]
            if len(told) == 1:
                return told[0].to_text()
            if (above := self._sum_up()) is None:
                return StateInWords(ViewState(""), None).to_text()
            lines = [str(above.heading), " · ".join(filter(None, (plain(above.line), above.seen)))]
            for each in told:
                head = each.head
                about = " · ".join(span.text for span in head.context)
                lines += ["", about, str(head.heading), *filter(None, [plain(head.line)])]
            return "\n".join(lines)

    def __repr__(self) -> str:
        # A notebook saves its printed output.
        values = shows_values() and (self._save_values or not in_kernel())
        return self._write_text(values=values)

    @property
    def widget(self) -> Any:
        """The widget, to combine with others."""
        return self._make_page().widget

    def _make_page(self) -> HtmlPage:
        with self._lock:
            if self._page is None:
                from retab_analysis.widgets.page import HtmlPage

                made = self._render(), self._make_saved, self._make_still
                self._page = HtmlPage(*made, self._on_event)
            return self._page

    def _ipython_display_(self) -> None:
        """Show the view in a notebook, once it has something to show or three seconds have passed.

        A program that executes a notebook keeps what is displayed now: there the view waits until
        all workflows were read.

        Outside a notebook, this raises NotImplementedError, and IPython shows the text.
        """
        if not in_kernel():
            raise NotImplementedError
        from retab_analysis.widgets.page import close_earlier, find_cell

        # Some programs that execute notebooks keep only displays of now.
        if not self.done:
            self._stream.has_looked.wait(_FIRST_LOOK if find_cell() else _FIRST_READING)
        close_earlier(self)
        with self._lock:
            self._make_page().display()

    def _display_(self) -> Any:
        return self.widget

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """The widget, with the present state as static HTML and text."""
        page = self._make_page().mime_bundle()[0] if in_kernel() else {}
        return {**page, **self._make_still()}

    # Events

    def _on_event(self, name: str, scope: str | None, value: Any) -> None:
        with self._lock, contextlib.suppress(ValueError, LookupError):
            self._do([*self._states][int(scope or "0")], name, value)
            self._draw()

    def _do(self, workflow_id: str, name: str, value: Any) -> None:
        """Do what an event asks for."""
        state = self._states[workflow_id]
        jobs = {"cancel": self._cancel, "settle": self._settle}
        if name == "fold-view":
            asked = [*self._states][int(str(value))]
            self._open_view, self._was_opened = "" if self._open_view == asked else asked, True
        elif name == "document":
            eval_id, _, at = str(value).rpartition(" ")
            self._show_document(workflow_id, eval_id, int(at))
        elif name == "refresh" and not (state.job or state.look.is_watched):
            self._start_job(workflow_id, "Reading again …", self._stream.read_again)
        elif name in jobs and state.asking == name:
            words = {"cancel": "ending the run …", "settle": "Running again …"}[name]
            self._start_job(workflow_id, words, jobs[name])
        else:
            changed = self._states[workflow_id] = apply_event(state, name, value)
            if changed.job and not state.job:
                self._start_job(workflow_id, COMPARING, self._stream.ask)

    def _start_job(self, workflow_id: str, words: str, work: Callable[[ViewState], object]) -> None:
        """Work in a thread; the page says how far it is, or why it failed.

        If a person chooses something else meanwhile, the work is done again for that choice.
        """
        self._put(workflow_id, job=words, asking="", failures=())

        def job() -> None:
            has_ended = False
            while not has_ended:
                asked, failures = self._states[workflow_id], tuple[str, ...]()
                try:
                    work(asked)
                except BaseException as error:  # a panic of polars is not an Exception
                    failures = (describe_error(error),)
                has_ended = self._end_job(workflow_id, asked, failures)
            self._change(workflow_id)

        run_beside(job, "job")

    def _end_job(self, workflow_id: str, asked: ViewState, failures: tuple[str, ...]) -> bool:
        """Say why a job failed, and which sides are compared, unless a person chose again."""
        with self._lock:
            state, of = self._states[workflow_id], self._stream.followed.get(workflow_id, asked)
            is_last = (state.candidate, state.baseline) == (asked.candidate, asked.baseline)
            if is_last:
                chosen = {"candidate": of.candidate, "baseline": of.baseline}
                self._put(workflow_id, job="", failures=failures, **chosen)
            return is_last

    def _cancel(self, asked: ViewState) -> None:
        """Cancel the runs; the job lasts until they have ended."""
        runs = asked.look.going
        cancel_runs(runs, client=self._client)
        self._stream.refresh()
        its = pl.col("run_id").is_in(runs["run_id"].implode())
        while (
            self._stream.is_alive and self._states[asked.workflow_id].look.going.filter(its).height
        ):
            time.sleep(_STEP)

    def _settle(self, asked: ViewState) -> None:
        made, workflow_id = asked.look.comparison, asked.workflow_id
        followed = self._stream.followed[workflow_id]
        if made is None:
            return

        def say(done: int, total: int | None = None, note: str = "") -> None:
            known = f"Running again: {done:,}" + (f" of {total:,}" if total else "")
            self._change(workflow_id, job=known)

        progress: Any = SimpleNamespace(update=say, close=lambda: None)
        settled: Any = made
        try:
            settled = run_again(made, client=self._client, progress=progress)
        except RetabAnalysisError as error:  # the next time counts what was started
            settled = made if error.partial is None else error.partial
            raise
        finally:
            with followed.lock:
                followed.count_in(made, settled)
                self._change(workflow_id, look=followed.look)
        self._stream.ask(asked)

    def _show_document(self, workflow_id: str, eval_id: str, at: int) -> None:
        rows = list_rows(self._tell(workflow_id).document.parts)
        inside = next((row.inside() for row in rows if row.key == eval_id and row.inside), None)
        documents = inside.documents if inside else ()
        if 0 <= at < len(documents):
            asked = Preview(eval_id, *documents[at])
            self._put(workflow_id, preview=asked)
            run_beside(partial(self._read_document, workflow_id, asked), "document")

    def _read_document(self, workflow_id: str, asked: Preview) -> None:
        try:
            link = read_link(self._client, asked.document_id)
            found = replace(asked, url=link.download_url)
        except RetabAnalysisError as error:
            found = replace(asked, failure=str(error))
        # A person may look at something else meanwhile.
        if self._states[workflow_id].preview is asked:
            self._change(workflow_id, preview=found)


def tell_news(view: View, said: set[tuple[str, str]], *, values: bool) -> list[str]:
    with view._lock:
        facts = [view._tell(each) for each in view._order]
    return [line for each in facts for line in list_news(each, said, values=values)]


def write_text(view: View, *, values: bool) -> str:
    return view._write_text(values=values)


def count_done(view: View) -> tuple[int, int]:
    counts = [count_ended(each.look.watched) for each in view._list_states()]
    return sum(done for done, _ in counts), sum(total for _, total in counts)


def say_line(view: View) -> str:
    """How far the runs are, of several workflows that of the open one."""
    return str(view.state.look.line)


_views: weakref.WeakSet[View] = weakref.WeakSet()


@atexit.register
def end_all() -> None:
    """End all threads before the kernel closes its sockets: what registers last is called first."""
    for each in [*_views]:
        each._stream.stop()
        if each._page is not None:
            each._page.end()
    for each in [*_views]:
        each._stream.join(1.0)
