"""``explore``, and the explorer that it returns."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from retab_analysis.analysis import summarize_evals
from retab_analysis.arguments import check_flag, check_path, check_seconds
from retab_analysis.checks.check import check_source
from retab_analysis.checks.defaults import archive_or_default, open_source
from retab_analysis.errors import ConfigError, WaitTimeout
from retab_analysis.export import write_csv
from retab_analysis.fetch.default_client import check_client, client_or_default
from retab_analysis.fetch.params import check_text
from retab_analysis.markup import count_noun, one_line
from retab_analysis.schema import RESULTS, RUNS, Table, checked
from retab_analysis.transport import Client
from retab_analysis.widgets.explorer import html
from retab_analysis.widgets.explorer.fetcher import Fetcher
from retab_analysis.widgets.explorer.state import BATCH, ExplorerState
from retab_analysis.widgets.handle import Handle
from retab_analysis.widgets.jobs import JobProgress, JobQueue, describe_error
from retab_analysis.widgets.kernel_events import wait_answering
from retab_analysis.widgets.open_eval import DetailLook, OpenEval, list_documents

if TYPE_CHECKING:
    from retab_analysis.archive import Archive
    from retab_analysis.widgets.page import Event


def explore(
    runs: pl.DataFrame | None = None,
    results: pl.DataFrame | None = None,
    *,
    workflow_id: str | None = None,
    save_values: bool = False,
    client: Client | None = None,
) -> Explorer:
    """Explore runs, results and evals: search, sort, look into one, and take the rows along.

    Show what it returns as a cell's last line. What has to be fetched is fetched in the
    background: with ``workflow_id`` the runs, and the results of a run that is chosen; *Check this
    run* says what that run broke, as :func:`check`.

    Args:
        runs: A RUNS frame.
        results: A RESULTS frame; with ``runs`` as well, their results are not fetched again.
        workflow_id: Instead of both: the runs of this workflow in the last 90 days, or all runs if
            :func:`use` has set an archive.
        save_values: Whether the static page that a saved or exported notebook keeps holds expected
            and actual values, and messages that may quote them. What a live widget shows is not
            affected: where Jupyter is told to save the state of widgets, the values of the run or
            result that is open are in it.
        client: What to ask; the default one if not given, and only once something is asked.

    Returns:
        The explorer; its ``.frame`` holds the rows that the search finds in the tab that is seen,
        and its ``.wait()`` blocks until what is being fetched is here.

    Raises:
        ConfigError: An argument cannot be used.
        SchemaError: A frame that lacks columns.

    Example:
        >>> view = ra.explore(workflow_id="wf_invoices")  # the last line of a cell shows it
        >>> view.close()
    """
    if (workflow_id is None) == (runs is None and results is None):
        raise ConfigError("pass runs, results= or both, or else workflow_id= alone")
    check_flag("save_values", save_values)
    if workflow_id is not None:
        check_text("workflow_id", workflow_id)
        empty, chosen = ExplorerState(RUNS.empty(), None), client_or_default(client)
        archive = archive_or_default()
        return Explorer(empty, chosen, workflow_id, save_values=save_values, archive=archive)
    shown_runs = None if runs is None else _check_frame(runs, RUNS, "runs")
    shown_results = None if results is None else _check_frame(results, RESULTS, "results")
    explored = ExplorerState(shown_runs, shown_results)
    return Explorer(explored, check_client(client), save_values=save_values)


def _check_frame(frame: object, table: Table, name: str) -> pl.DataFrame:
    """A frame with all columns of its table; one's own may stand beside them."""
    if isinstance(frame, str):
        raise ConfigError(
            f"{name} must be {table.frame_name}, got a text; to explore a workflow, name it: "
            f"explore(workflow_id={frame!r})"
        )
    return checked(frame, table, table.schema, name).collect()


@dataclass(frozen=True, slots=True)
class _Message:
    """What was last said; what says how far a fetch is has no meaning after its end."""

    words: str = ""
    is_trouble: bool = False
    is_progress: bool = False


class Explorer(Handle):
    """An explorer of runs, results and evals; made by :func:`retab_analysis.explore`.

    ``.frame`` is what the search finds in the tab that is seen, ``.tab`` turns to another one. What
    has to be fetched is fetched in the background: ``.wait()`` blocks until it is here, and raises
    why it is not. ``.export(path)`` is one of the buttons.
    """

    _label = "Explorer of eval runs"

    def __init__(
        self,
        explored: ExplorerState,
        client: Client | None,
        workflow_id: str | None = None,
        *,
        save_values: bool = False,
        archive: Archive | None = None,
    ) -> None:
        super().__init__()
        self._archive = archive
        self._explored, self._client, self._save_values = explored, client, save_values
        self._jobs = JobQueue(self._finish_job)
        self._fetcher = Fetcher(
            explored, self._lock, self._say, self._report, client, workflow_id, archive
        )
        self._asked: set[str] = set()
        self._chosen_before: Any = None
        self._error: BaseException | None = None
        self._message = _Message()
        self._opened = OpenEval(client, self._draw)
        # The file of which it was said last that it is there already.
        self._replacing: str | None = None
        if workflow_id is not None:
            self.load_more()

    @property
    def tab(self) -> str:
        """The tab that is seen, ``runs``, ``results`` or ``evals``; assign one to turn to it.

        Raises:
            ConfigError: There is no such tab.
        """
        return self._explored.tab

    @tab.setter
    def tab(self, tab: str) -> None:
        if tab not in self._explored.tabs:
            raise ConfigError(f"tab must be {' or '.join(self._explored.tabs)}, got {tab!r}")
        with self._lock:
            self._explored.turn_to(tab)
            self._follow()

    @property
    def frame(self) -> pl.DataFrame:
        """The rows of the tab that is seen which the search finds, sorted."""
        with self._lock:
            return self._explored.frame

    @property
    def results(self) -> pl.DataFrame:
        """The results that are here of the runs that the search finds, a RESULTS frame."""
        with self._lock:
            return self._explored.results_in_sight()

    @property
    def state(self) -> ExplorerState:
        """What the page shows and changes."""
        return self._explored

    @property
    def busy(self) -> bool:
        """Whether something is being fetched."""
        return self._jobs.busy

    @property
    def message(self) -> str:
        """What was last said, as how far a fetch is, why it failed, what was written where."""
        return self._message.words

    def wait(self, timeout: float | None = None) -> pl.DataFrame:
        """Block until everything that is being fetched is here.

        Args:
            timeout: Seconds to wait at most, or None.

        Returns:
            ``.frame``.

        Raises:
            WaitTimeout: It is not here in time; ``.runs`` is what is.
            RetabAnalysisError: Why a fetch since the last call failed.
        """
        if timeout is not None:
            check_seconds("timeout", timeout, zero=True)
        if not wait_answering(self._jobs.wait, timeout, answering=self._page is not None):
            raise WaitTimeout(f"still fetching after {timeout:g} s", runs=self.frame)
        # Whoever executes a notebook without a browser stores only what the waiting cell sends.
        self._flush()
        # The error of a job is raised once, where somebody waits.
        error, self._error = self._error, None
        if error is not None:
            raise error
        return self.frame

    def refresh(self) -> None:
        """Fetch again, in the background, what may have changed: new runs, those that go on."""
        self._jobs.run("again", self._fetcher.refresh)

    def load_more(self) -> None:
        """Fetch more, in the background: the 90 days before, or the results of further runs."""
        with self._lock:
            if self._explored.tab == "evals":
                self._fetch_results(self._explored.list_missing()[:BATCH])
            elif self._explored.tab == "runs" and self._fetcher.workflow_id:
                self._jobs.run("earlier", self._fetcher.fetch_earlier)

    def export(self, path: str | Path) -> Path:
        """Write ``.frame`` to a CSV file; see :func:`retab_analysis.write_csv`.

        Args:
            path: Where to; a file that is there is replaced.

        Returns:
            The whole path.

        Raises:
            ConfigError: It is not a path.
            OSError: It cannot be written.
        """
        if path == "":
            raise ConfigError("path must say where to write the CSV file, it is empty")
        try:
            target = check_path("path", path).expanduser().resolve()
        except RuntimeError as error:
            raise ConfigError(f"there is no file {str(path)!r}: {error}") from error
        frame = self.frame
        write_csv(frame, target)
        self._say(f"{frame.height:,} {self._explored.listed.listing.noun} written to {target}")
        return target

    def _wait_for_content(self, seconds: float) -> None:
        self._jobs.wait(seconds)

    def _render(self) -> dict[str, str]:
        with self._lock:
            return dict(html.render_sections(self._explored, self._look()))

    def _look(self) -> html.ExplorerLook:
        explored = self._explored
        is_weighed = explored.tab != "evals" or explored.is_weighed
        return html.ExplorerLook(
            title=self._write_title(),
            message=self._message.words,
            is_trouble=self._message.is_trouble,
            more=self._fetcher.more,
            fetching=bool(self._asked) or not is_weighed,
            panel=DetailLook(preview=self._opened.preview, eval_id=self._opened.eval_id),
        )

    def _write_title(self) -> str:
        explored, workflow_id = self._explored, self._fetcher.workflow_id
        if workflow_id is not None and explored.runs is not None and not explored.runs.frame.height:
            return f"Runs of {one_line(workflow_id)}"
        if explored.tab == "evals":
            runs = explored.results_in_sight()["run_id"].n_unique()
            left = len(explored.list_missing())
            more = f"; {left:,} further runs are not read" if left else ""
            return f"Evals over {count_noun(runs, 'run')}{more}"
        if workflow_id is not None and self._archive is not None:
            return f"Runs of {one_line(workflow_id)} in the archive"
        if workflow_id is not None:
            return f"Runs of {one_line(workflow_id)} since {self._fetcher.since:%Y-%m-%d}"
        first = explored.list_of(explored.tabs[0])
        return f"{first.frame.height:,} {first.listing.noun}"

    def _make_still(self, token: str | None = None) -> dict[str, str]:
        with self._lock:
            self._explored.weigh()
            panel = DetailLook(values=self._save_values, is_live=False)
            look = replace(self._look(), panel=panel)
            still = html.render_still_view(self._explored, look, token)
            # What is saved tells nobody to wait.
            text = html.plain_text(self._explored, look.title, look.message)
            return {"text/html": str(still), "text/plain": text if token else repr(self)}

    def __repr__(self) -> str:
        waiting = "Not all is here yet: .wait() blocks until it is." if self.busy else ""
        with self._lock:
            self._explored.weigh()
            message = " ".join(each for each in (self._message.words, waiting) if each)
            return html.plain_text(self._explored, self._write_title(), message)

    def _on_event(self, event: Event) -> None:
        with self._lock, contextlib.suppress(ValueError, LookupError, TypeError, OverflowError):
            name, value, explored = event.name, event.value, self._explored
            asked, self._replacing = self._replacing, None
            if name == "export":
                self._export(f"{explored.tab}.csv", asked)
            elif name == "refresh":
                self.refresh()
            elif name == "more":
                self.load_more()
            elif name == "document":
                eval_id, _, at = str(value).rpartition(" ")
                if (row := explored.look_into(eval_id)) is not None:
                    self._opened.show(eval_id, *list_documents(row)[int(at)])
                self._draw()
            elif name == "check" and explored.runs is not None and explored.runs.chosen_row:
                self._check(explored.runs.chosen_row)
            else:
                self._change(event)
                self._follow()

    def _export(self, path: str, asked: str | None) -> None:
        try:
            if path != asked and Path(path).exists():
                self._replacing = path
                words = f"{path} is there already: Export CSV again replaces it"
                self._tell(_Message(words, is_trouble=True))
            else:
                self.export(path)
        except (ConfigError, OSError, ValueError) as error:
            self._tell(_Message(f"Nothing was written: {error}", is_trouble=True))

    def _change(self, event: Event) -> None:
        explored, value = self._explored, event.value
        if event.name == "tab" and value in explored.tabs:
            explored.turn_to(value)
        elif event.name == "open":
            explored.listed.choose(int(event.key or ""))
        elif event.name == "close":
            explored.listed.choose(None)
        else:
            explored.listed.change(event.name, event.key, value)
        if event.name in ("tab", "open", "close", "eval"):
            self._opened.toggle(value if event.name == "eval" else None)

    def _follow(self) -> None:
        """A person has changed what is seen: fetch what that needs, and draw."""
        with self._lock:
            self._get_missing()
            self._draw()

    def _check(self, run: Mapping[str, Any]) -> None:
        run_id, progress = run["run_id"], JobProgress("Checking the run", self._report)

        def job() -> None:
            client, archive = client_or_default(self._client), self._archive
            source = open_source(client, run["workflow_id"], progress, archive=archive)
            made = check_source(source, run_id, progress=progress)
            with self._lock:
                self._explored.checked[run_id] = made

        self._jobs.run(("check", run_id), job)

    def _get_missing(self) -> None:
        """Fetch the results that are seen and not here, and weigh evals where one is seen."""
        explored = self._explored
        self._fetch_results(self._list_missing())
        is_seen = explored.tab == "evals" or explored.look_into(self._opened.eval_id)
        if is_seen and not explored.is_weighed:
            self._jobs.run("weigh", self._weigh)

    def _weigh(self) -> None:
        """Weigh what is in sight, while everything else goes on."""
        with self._lock:
            results = self._explored.results_in_sight()
        found = summarize_evals(results)
        with self._lock:
            self._explored.take_evals(results, found)

    def _list_missing(self) -> list[str]:
        explored = self._explored
        if explored.tab == "evals":
            return explored.list_missing(newest=BATCH)
        if explored.tab == "results" or explored.runs is None:
            return []
        chosen = explored.runs.chosen
        if chosen != self._chosen_before:
            # A person who chooses a run anew wants it tried again, although it failed before.
            self._chosen_before = chosen
            explored.failed.discard(chosen)
        here = explored.fetched | explored.failed
        return [] if chosen is None or chosen in here else [chosen]

    def _fetch_results(self, run_ids: list[str]) -> None:
        """Have the results of some runs fetched, except where that is going on already."""
        missing = [each for each in run_ids if each not in self._asked]

        def fetch() -> None:
            try:
                self._fetcher.fetch_results_of(missing)
            finally:
                self._asked.difference_update(missing)

        if missing:
            # Marked before the job runs: the next click must not ask for them again.
            self._asked.update(missing)
            self._jobs.run(tuple(missing), fetch)

    def _finish_job(self, error: BaseException | None) -> None:
        """Tell how a job has ended, and go on with what is missing; runs in the jobs' thread."""
        with self._lock:
            if error is not None:
                self._error = error
                self._message = _Message(describe_error(error), is_trouble=True)
            else:
                # What else was said, for example where a file was written, stays.
                if self._message.is_progress:
                    self._message = _Message()
                self._get_missing()
            # What is saved with the notebook must not be what stood there before.
            self._draw(now=True)

    def _say(self, words: str) -> None:
        self._tell(_Message(words))

    def _report(self, words: str) -> None:
        self._tell(_Message(words, is_progress=True))

    def _tell(self, message: _Message) -> None:
        with self._lock:
            self._message = message
            if self._page is not None:
                # How far a fetch is changes often, and nothing else with it.
                self._page.show({"head": html.render_head(self._explored, self._look())})
