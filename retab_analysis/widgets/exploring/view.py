"""Explore eval runs, results and evals: what users hold in their hands."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import polars as pl

from retab_analysis.api.arguments import text
from retab_analysis.errors import ConfigError, SchemaError, WaitTimeout
from retab_analysis.export import write_csv
from retab_analysis.fetch.clients import client_or_default
from retab_analysis.markup import one_line
from retab_analysis.progress import in_kernel
from retab_analysis.schema import RESULTS, RUNS, Table
from retab_analysis.transport import Client
from retab_analysis.widgets.exploring import fragments
from retab_analysis.widgets.exploring.background import Background
from retab_analysis.widgets.exploring.exploration import BATCH, Exploration, Source
from retab_analysis.widgets.exploring.reading import FETCHING, Reader

_BETWEEN_DRAWS = 0.1


def explore(
    runs: pl.DataFrame | None = None,
    results: pl.DataFrame | None = None,
    *,
    workflow_id: str | None = None,
    client: Client | None = None,
) -> Explorer:
    """Explore runs, results and evals: filter, sort, look into one, and take the rows along.

    Show what it returns as a cell's last line. What has to be fetched is fetched in the
    background: with ``workflow_id`` the runs, and the results of a run that is chosen.

    Args:
        runs: A RUNS frame.
        results: A RESULTS frame; with ``runs`` as well, their results are not fetched again.
        workflow_id: Instead of both: the runs of this workflow in the last 90 days.
        client: What to ask; the default one if not given, and only once something is asked.

    Returns:
        The explorer; its ``.frame`` is what passes the filters of the tab that is seen.

    Raises:
        ConfigError: An argument cannot be used.
        SchemaError: A frame that lacks columns.
    """
    if (workflow_id is None) == (runs is None and results is None):
        raise ConfigError("pass runs, results= or both, or else workflow_id= alone")
    if workflow_id is not None:
        text("workflow_id", workflow_id)
        empty = Exploration(RUNS.empty(), None, Source())
        return Explorer(empty, client_or_default(client), workflow_id)
    shown_runs = None if runs is None else _checked(runs, RUNS, "runs")
    shown_results = None if results is None else _checked(results, RESULTS, "results")
    source = Source(
        runs="# runs: the frame that was passed to explore",
        results="# results: the frame that was passed to explore",
    )
    return Explorer(Exploration(shown_runs, shown_results, source), client)


def _checked(frame: Any, table: Table, argument: str) -> pl.DataFrame:
    """The frame, with the columns of its kind."""
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, pl.DataFrame):
        raise ConfigError(
            f"{argument} must be a {table.name.upper()} frame (polars), got {type(frame).__name__}"
        )
    mismatch = table.mismatch(frame.schema)
    if mismatch is not None:
        raise SchemaError(f"{argument} is {mismatch}")
    # What holds nulls alone may have lost its dtype.
    return frame.cast(
        {name: dtype for name, dtype in table.schema.items() if frame.schema[name] == pl.Null()}
    )


class Explorer:
    """An explorer of runs, results and evals; made by :func:`explore`."""

    def __init__(
        self, explored: Exploration, client: Client | None, workflow_id: str | None = None
    ) -> None:
        self._explored = explored
        self._lock = threading.RLock()
        self._background = Background(self._ended)
        self._reader = Reader(explored, self._lock, self._say, client, workflow_id)
        self._asked: set[str] = set()
        self._error: Exception | None = None
        self._message = ""
        self._view: Any = None
        self._said_at = 0.0
        if workflow_id is not None:
            self._background.run(self._reader.read_earlier)

    @property
    def frame(self) -> pl.DataFrame:
        """The rows of the tab that is seen, filtered and sorted as seen: RUNS, RESULTS or evals."""
        with self._lock:
            return self._explored.frame

    @property
    def results(self) -> pl.DataFrame:
        """The results that are here of the runs that pass the filters, a RESULTS frame."""
        with self._lock:
            return self._explored.results_in_sight()

    @property
    def state(self) -> Exploration:
        """What the widgets show and change."""
        return self._explored

    @property
    def busy(self) -> bool:
        """Whether something is being fetched."""
        return self._background.busy

    @property
    def message(self) -> str:
        """What was last said: how far a fetch is, why it failed, what was written where."""
        return self._message

    def wait(self, timeout: float | None = None) -> pl.DataFrame:
        """Block until what is being fetched is here.

        Args:
            timeout: Seconds to wait at most, or None.

        Returns:
            ``.frame``.

        Raises:
            WaitTimeout: It is not here in time; ``.runs`` is what is.
            RetabAnalysisError: Why a fetch since the last call failed.
        """
        if not self._background.wait(timeout):
            raise WaitTimeout(f"still fetching after {timeout:g} s", runs=self.frame)
        if self._view is not None:
            self._view.send_all()
        error, self._error = self._error, None
        if error is not None:
            raise error
        return self.frame

    def refresh(self) -> None:
        """Fetch again, in the background, what may have changed: new runs, those that go on."""
        self._background.run(self._reader.read_again)

    def load_more(self) -> None:
        """Fetch more, in the background: the 90 days before, or the results of further runs."""
        self._background.run(self._reader.read_more)

    def code(self) -> str:
        """The code that gives ``.frame``."""
        with self._lock:
            return self._explored.code()

    def export(self, path: str | Path) -> Path:
        """Write ``.frame`` to a CSV file; see :func:`write_csv`.

        Args:
            path: Where to; a file that is there is replaced.

        Returns:
            The whole path.

        Raises:
            ConfigError: There is no path.
            OSError: It cannot be written.
        """
        if not str(path):
            raise ConfigError("say where to write the CSV file")
        target = Path(path).expanduser().resolve()
        frame = self.frame
        write_csv(frame, target)
        self._tell(f"{frame.height:,} {self._explored.listed.listing.noun} written to {target}")
        return target

    @property
    def widget(self) -> Any:
        """The ipywidgets box, to be put beside others."""
        with self._lock:
            if self._view is None:
                from retab_analysis.widgets.exploring.notebook import ExplorerActions, ExplorerView

                actions = ExplorerActions(
                    refresh=self.refresh,
                    more=self.load_more,
                    code=self.code,
                    export=self._export,
                    looked=self._looked,
                )
                self._view = ExplorerView(self._explored, actions, self._lock)
                self._draw()
            return self._view.box

    def _looked(self) -> None:
        """A person has changed what is seen."""
        with self._lock:
            self._read_what_is_missing()
            self._draw()

    def _read_what_is_missing(self) -> None:
        missing = [each for each in self._missing() if each not in self._asked]
        if missing:
            self._asked.update(missing)
            self._background.run(lambda: self._reader.read_results(missing))

    def _missing(self) -> list[str]:
        """The runs whose results are seen and not here."""
        explored = self._explored
        if explored.tab == "evals":
            return explored.unread(newest=BATCH)
        if explored.tab == "results" or explored.runs is None:
            return []
        chosen = explored.runs.chosen
        return [] if chosen is None or chosen in explored.read else [chosen]

    def _export(self, path: str) -> None:
        try:
            self.export(path)
        except (ConfigError, OSError) as error:
            self._tell(f"Nothing was written: {error}")

    def _ended(self, error: Exception | None) -> None:
        """A job of the background has ended."""
        with self._lock:
            self._asked.clear()
            if error is not None:
                self._error = error
                self._message = f"{type(error).__name__}: {error}"
            else:
                if self._message.startswith(FETCHING):
                    self._message = ""
                self._read_what_is_missing()
            self._draw()

    def _say(self, message: str) -> None:
        """Tell how far a fetch is, not more often than a person can read."""
        self._message = message
        now = time.monotonic()
        if not message.startswith(FETCHING) or now - self._said_at >= _BETWEEN_DRAWS:
            self._said_at = now
            self._draw()

    def _tell(self, message: str) -> None:
        self._message = message
        self._draw()

    def _draw(self) -> None:
        with self._lock:
            if self._view is not None:
                self._view.draw(
                    self._title(),
                    self._message,
                    more=self._reader.more,
                    reading=bool(self._asked),
                )

    def _title(self) -> str:
        explored, workflow_id = self._explored, self._reader.workflow_id
        if explored.tab == "evals":
            runs = explored.results_in_sight()["run_id"].n_unique()
            left = len(explored.unread())
            more = f"; {left:,} further runs pass the filters" if left else ""
            return f"Evals over {runs:,} {'run' if runs == 1 else 'runs'}{more}"
        if workflow_id is not None:
            return f"Runs of {one_line(workflow_id)} since {self._reader.since:%Y-%m-%d}"
        first = explored.list_of(explored.tabs[0])
        return f"{first.frame.height:,} {first.listing.noun}"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """The widget, with the present state as static HTML and text for where there is none."""
        bundle = self.widget._repr_mimebundle_(**kwargs) if in_kernel() else {}
        with self._lock:
            page = fragments.page(self._explored, self._title(), self._message)
        return {**bundle, "text/html": str(page), "text/plain": repr(self)}

    def __repr__(self) -> str:
        with self._lock:
            return fragments.plain(self._explored, self._title(), self._message)
