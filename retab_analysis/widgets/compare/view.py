"""``compare_view``, and the view that it returns."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from retab_analysis.arguments import check_flag
from retab_analysis.checks.edits import add_config_changes
from retab_analysis.checks.settle import settle
from retab_analysis.checks.source import Source
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.comparison import sides_of
from retab_analysis.config import shows_values
from retab_analysis.fetch.default_client import check_client, client_or_default
from retab_analysis.progress import Progress, in_kernel
from retab_analysis.transport import Client
from retab_analysis.widgets.compare import html
from retab_analysis.widgets.compare.state import ROUNDS, CompareState
from retab_analysis.widgets.handle import Handle
from retab_analysis.widgets.jobs import JobProgress, describe_error, run_beside
from retab_analysis.widgets.open_eval import OpenEval

if TYPE_CHECKING:
    from retab_analysis.widgets.page import Event


def compare_view(
    results: pl.DataFrame | pl.LazyFrame,
    baseline: str | None = None,
    candidate: str | None = None,
    *,
    alpha: float = 0.05,
    margin: float = 0.05,
    save_values: bool = False,
    client: Client | None = None,
) -> CompareView:
    """Look at what became of each eval between two versions, as :func:`compare_versions` has it.

    In a notebook, show what it returns as a cell's last line. There other versions, or two runs or
    drafts, can be chosen, too; the rows of the frame that are on neither side are the history. A
    click on an eval shows its values, documents and history. What is undecided can be run again, as
    by :func:`settle`: the button says first what it would start.

    Args:
        results: A RESULTS frame of several runs.
        baseline: What was: a version, a run or a draft's fingerprint in the frame. Without it, the
            newest that is older than the candidate.
        candidate: What is, of the same kind. Without it, the newest that is newer than the
            baseline. Without both, they are the two newest versions, or the two newest runs where
            there is only one version. A version is as old as its first run.
        alpha: The level of the suite's test, and one minus that of its interval.
        margin: The loss of pass rate that ``no_change`` rules out (0.05: five points).
        save_values: Whether the static page that a saved or exported notebook keeps holds expected
            and actual values. What a live widget shows is not affected: where Jupyter is told to
            save the state of widgets, its values are in it.
        client: What to ask when evals are run again, for what was edited, and for documents; the
            default one if not given.

    Returns:
        The view; its ``.comparison`` is what is compared at present.

    Raises:
        ConfigError: A side that is not in the frame (the message lists those that are), results of
            fewer than two runs, or another argument that cannot be used.
        SchemaError: A frame that is not a RESULTS frame.

    Example:
        >>> runs = ra.fetch_runs("wf_invoices", scope="workflow", limit=4)
        >>> view = ra.compare_view(ra.fetch_results(runs))  # the last line of a cell shows it
        >>> view.close()
    """
    check_flag("save_values", save_values)
    check_client(client)
    state = CompareState(results, baseline, candidate, alpha=alpha, margin=margin)
    return CompareView(state, client, save_values=save_values)


class CompareView(Handle):
    """A comparison to be looked at; made by :func:`retab_analysis.compare_view`.

    ``.comparison`` is what is compared at present, ``.update(results)`` gives it other results.
    """

    _label = "Comparison of eval runs"

    def __init__(
        self, state: CompareState, client: Client | None = None, *, save_values: bool = False
    ) -> None:
        super().__init__()
        self._state, self._client, self._save_values = state, client, save_values
        if client is not None:
            state.clock = lambda: client.api_time
        self._look = html.CompareLook()
        # The job that goes on, or None.
        self._progress: JobProgress | None = None
        self._opened = OpenEval(client, self._draw)

    @property
    def state(self) -> CompareState:
        """What the view shows and changes."""
        return self._state

    @property
    def comparison(self) -> Comparison:
        """What is compared at present, with the reruns that were settled in the view."""
        return self._state.comparison

    def update(self, results: pl.DataFrame | pl.LazyFrame) -> None:
        """Compare other results from now on, for example once another run has ended.

        Sides that were chosen stay, the others are the newest again. What was run again in the view
        is counted with them.

        Args:
            results: A RESULTS frame; the results of before are compared if it has them, too.

        Raises:
            ConfigError: It has no two sides, or not those that were chosen.
            SchemaError: It is not a RESULTS frame.
        """
        with self._lock:
            self._state.take(results)
            self._draw(now=True)

    def close(self) -> None:
        """Take the view away: Jupyter keeps that of a cell that runs again, with its rows."""
        self._stop()
        super().close()

    def _render(self) -> dict[str, str]:
        return dict(html.render_sections(self._state, self._look, self._opened))

    def _make_still(self, token: str | None = None) -> dict[str, str]:
        with self._lock:
            still = html.render_still_view(self._state, values=self._save_values, token=token)
            return {
                "text/html": str(still),
                "text/plain": html.plain_text(self._state, values=self._save_values),
            }

    def __repr__(self) -> str:
        # What is printed in a notebook is saved with it.
        values = self._save_values or (not in_kernel() and shows_values())
        return html.plain_text(self._state, values=values)

    def _on_event(self, event: Event) -> None:
        with self._lock, contextlib.suppress(ValueError, TypeError, LookupError):
            before, value = self.comparison, event.value
            # Whatever else is done answers the question.
            self._look = replace(self._look, asking=event.name == "ask")
            if event.name in ("kind", "baseline", "candidate"):
                self._choose(event.name, value)
            elif event.name == "eval":
                self._opened.toggle(value)
            elif event.name == "document":
                self._opened.show_of(before, value)
            elif event.name == "settle":
                self._start("Running evals again", self._settle)
            elif event.name == "look_up" and self._state.can_look_up:
                self._start("Looking up what was edited", self._look_up)
            elif event.name == "leave":
                self._stop()
            # Where something else is compared, it is kept at once.
            self._draw(now=self.comparison is not before)

    def _choose(self, what: str, value: object) -> None:
        """Compare something else, unless what is compared is being settled."""
        if self._progress is not None or not isinstance(value, str):
            return
        if what == "kind":
            self._state.choose_kind(value)
        else:
            self._state.choose_side(**{what: value})
        self._look = replace(self._look, failure="")

    def _start(self, words: str, work: Callable[[Comparison, Progress], Comparison]) -> None:
        """Do something beside the notebook; what comes of it is compared from then on."""
        if self._progress is not None:
            return
        pair, comparison, results = self._state.pair, self.comparison, self._state.results
        self._progress = progress = JobProgress(words, self._say)
        self._look = html.CompareLook(doing=words)

        def job() -> None:
            found, said = None, []
            # A warning would be printed into whatever cell runs; the view shows it instead.
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    found = work(comparison, progress)
                except BaseException as error:  # or the view would be busy for ever
                    found, said = getattr(error, "partial", None), [describe_error(error)]
            with self._lock:
                if isinstance(found, Comparison):
                    self._state.learn(pair, found)
                    if self._state.results is not results:  # there are others meanwhile
                        self._state.take(self._state.results)
                failure = "\n".join([*said, *(str(each.message) for each in caught)])
                self._progress, self._look = None, html.CompareLook(failure=failure)
                self._draw(now=True)

        run_beside(job, "compare")

    def _say(self, words: str) -> None:
        with self._lock:
            self._look = replace(self._look, doing=words)
            self._draw()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _settle(self, comparison: Comparison, progress: Progress) -> Comparison:
        return settle(comparison, max_rounds=ROUNDS, client=self._client, progress=progress)

    def _look_up(self, comparison: Comparison, progress: Progress) -> Comparison:
        workflow_id = sides_of(comparison).candidate["workflow_id"].drop_nulls()[0]
        return add_config_changes(comparison, Source(client_or_default(self._client), workflow_id))
