"""Explore eval runs, results and evals: what users hold in their hands."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import polars as pl

from retab_analysis.errors import ConfigError, WaitTimeout
from retab_analysis.export import write_csv
from retab_analysis.markup import one_line
from retab_analysis.progress import in_kernel
from retab_analysis.transport import Client
from retab_analysis.widgets.explorer import html
from retab_analysis.widgets.explorer.background import Background
from retab_analysis.widgets.explorer.fetcher import FETCHING, Reader
from retab_analysis.widgets.explorer.state import BATCH, Exploration

_BETWEEN_DRAWS = 0.1


class Explorer:
    """An explorer of runs, results and evals; made by :func:`explore`.

    ``.frame`` is what passes the filters of the tab that is seen, ``.tab`` turns to another one.
    What has to be fetched is fetched in the background: ``.wait()`` blocks until it is here, and
    raises why it is not. ``.export(path)`` and ``.code()`` are two of the buttons.
    """

    def __init__(
        self, explored: Exploration, client: Client | None, workflow_id: str | None = None
    ) -> None:
        self._explored = explored
        self._lock = threading.RLock()
        self._background = Background(self._ended)
        self._reader = Reader(explored, self._lock, self._say, client, workflow_id)
        self._asked: set[str] = set()
        self._looked_at: Any = None
        self._error: BaseException | None = None
        self._message, self._trouble = "", False
        self._view: Any = None
        self._said_at = 0.0
        if workflow_id is not None:
            self.load_more()

    @property
    def tab(self) -> str:
        """Which tab is seen: ``runs``, ``results`` or ``evals``; assign another one to turn to it.

        Raises:
            ConfigError: There is no such tab.
        """
        return self._explored.tab

    @tab.setter
    def tab(self, tab: str) -> None:
        if tab not in self._explored.tabs:
            raise ConfigError(f"tab must be {' or '.join(self._explored.tabs)}, got {tab!r}")
        with self._lock:
            self._explored.tab = tab
            self._looked()

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
        self._background.run("again", self._reader.read_again)

    def load_more(self) -> None:
        """Fetch more, in the background: the 90 days before, or the results of further runs."""
        with self._lock:
            if self._explored.tab == "evals":
                self._read(self._explored.unread()[:BATCH])
            elif self._explored.tab == "runs" and self._reader.workflow_id:
                self._background.run("earlier", self._reader.read_earlier)

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
            ConfigError: It is no path.
            OSError: It cannot be written.
        """
        if not isinstance(path, str | Path) or not str(path):
            raise ConfigError(f"path must say where to write the CSV file, got {path!r}")
        try:
            target = Path(path).expanduser().resolve()
        except (RuntimeError, ValueError) as error:
            raise ConfigError(f"there is no file {str(path)!r}: {error}") from error
        frame = self.frame
        write_csv(frame, target)
        self._tell(f"{frame.height:,} {self._explored.listed.listing.noun} written to {target}")
        return target

    @property
    def widget(self) -> Any:
        """The ipywidgets box, to be put beside others."""
        with self._lock:
            if self._view is None:
                from retab_analysis.widgets.explorer.controls import ExplorerActions, ExplorerView

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

    def close(self) -> None:
        """Take the widgets away: Jupyter keeps those of a cell that runs again, with their rows."""
        with self._lock:
            if self._view is not None:
                self._view.close()
                self._view = None

    def _looked(self) -> None:
        """A person has changed what is seen."""
        with self._lock:
            self._read(self._missing())
            self._draw()

    def _missing(self) -> list[str]:
        """The runs whose results are seen and not here."""
        explored = self._explored
        if explored.tab == "evals":
            return explored.unread(newest=BATCH)
        if explored.tab == "results" or explored.runs is None:
            return []
        chosen = explored.runs.chosen
        if chosen != self._looked_at:  # what has failed is tried again where it is chosen anew
            self._looked_at = chosen
            explored.failed.discard(chosen)
        here = explored.read | explored.failed
        return [] if chosen is None or chosen in here else [chosen]

    def _read(self, run_ids: list[str]) -> None:
        """Have the results of some runs fetched, but for those that are being fetched already."""
        missing = [each for each in run_ids if each not in self._asked]

        def read() -> None:
            try:
                self._reader.read_results(missing)
            finally:
                self._asked.difference_update(missing)

        if missing:
            self._asked.update(missing)
            self._background.run(tuple(missing), read)

    def _export(self, path: str) -> None:
        try:
            self.export(path)
        except (ConfigError, OSError) as error:
            self._tell(f"Nothing was written: {error}", trouble=True)

    def _ended(self, error: BaseException | None) -> None:
        """A job of the background has ended."""
        with self._lock:
            if error is not None:
                self._error = error
                self._message, self._trouble = f"{type(error).__name__}: {error}", True
            else:
                if self._message.startswith(FETCHING):
                    self._message = ""
                self._read(self._missing())
            self._draw()

    def _say(self, message: str) -> None:
        """Tell how far a fetch is, not more often than a person can read."""
        now = time.monotonic()
        if not message.startswith(FETCHING) or now - self._said_at >= _BETWEEN_DRAWS:
            self._said_at = now
            self._tell(message)

    def _tell(self, message: str, *, trouble: bool = False) -> None:
        with self._lock:
            self._message, self._trouble = message, trouble
            if self._view is not None:
                self._view.draw_head(self._title(), message, trouble=trouble)

    def _draw(self) -> None:
        with self._lock:
            if self._view is not None:
                self._view.draw_head(self._title(), self._message, trouble=self._trouble)
                self._view.draw(more=self._reader.more, reading=bool(self._asked))

    def _title(self) -> str:
        explored, workflow_id = self._explored, self._reader.workflow_id
        if workflow_id is not None and explored.runs is not None and not explored.runs.frame.height:
            return f"Runs of {one_line(workflow_id)}"
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
            title, trouble = self._title(), self._trouble
            page = html.page(self._explored, title, self._message, trouble=trouble)
        return {**bundle, "text/html": str(page), "text/plain": repr(self)}

    def __repr__(self) -> str:
        waiting = "Not all is here yet: .wait() blocks until it is." if self.busy else ""
        with self._lock:
            message = " ".join(each for each in (self._message, waiting) if each)
            return html.plain(self._explored, self._title(), message)
