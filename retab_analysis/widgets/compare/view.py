"""``compare_view``, and the view that it returns."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import polars as pl

from retab_analysis.arguments import check_flag
from retab_analysis.comparison import Comparison
from retab_analysis.fetch.default_client import check_client
from retab_analysis.transport import Client
from retab_analysis.widgets.common.handle import Handle
from retab_analysis.widgets.compare import html
from retab_analysis.widgets.compare.state import CompareState

if TYPE_CHECKING:
    from retab_analysis.widgets.compare.compare_page import ComparePage


def compare_view(
    results: pl.DataFrame | pl.LazyFrame,
    baseline: str | None = None,
    candidate: str | None = None,
    *,
    version_diff: pl.DataFrame | None = None,
    alpha: float = 0.05,
    margin: float = 0.05,
    save_values: bool = False,
    client: Client | None = None,
) -> CompareView:
    """Look at what flipped between two versions, eval by eval, with the values side by side.

    In a notebook, show what it returns as a cell's last line. There other versions, or two runs or
    drafts, can be chosen, too; the rows of the frame that are on neither side are the history. What
    is undecided can be run again, as by :func:`settle`, which says first how many runs that takes.

    Args:
        results: A RESULTS frame of several runs.
        baseline: What was: a version, a run or a draft's fingerprint in the frame. Without it, the
            newest that is older than the candidate.
        candidate: What is, of the same kind. Without it, the newest that is newer than the
            baseline. Without both, they are the two newest versions, or the two newest runs where
            there is only one version. A version is as old as its first run.
        version_diff: What :func:`fetch_version_diff` gives for these two, as for :func:`compare`.
            It is used for these two only.
        alpha: As for :func:`compare`.
        margin: As for :func:`compare`.
        save_values: Whether the static page that a saved or exported notebook keeps holds expected
            and actual values. What a live widget shows is not affected: where Jupyter is told to
            save the state of widgets, the values of the eval that is open are in it.
        client: What to ask when evals are run again, and for what was edited; the default one if
            not given.

    Returns:
        The view; its ``.comparison`` is what is compared at present.

    Raises:
        ConfigError: A side that is not in the frame (the message lists those that are), results of
            fewer than two runs, or another argument that cannot be used.
        SchemaError: A frame that is not a RESULTS frame.
    """
    check_flag("save_values", save_values)
    check_client(client)
    state = CompareState(
        results, baseline, candidate, version_diff=version_diff, alpha=alpha, margin=margin
    )
    return CompareView(state, client, save_values=save_values)


class CompareView(Handle):
    """A comparison to be looked at; made by :func:`compare_view`."""

    def __init__(
        self, state: CompareState, client: Client | None = None, *, save_values: bool = False
    ) -> None:
        self._state, self._client, self._save_values = state, client, save_values
        self._page: ComparePage | None = None
        self._lock = threading.Lock()

    @property
    def state(self) -> CompareState:
        """What the view shows and changes."""
        return self._state

    @property
    def comparison(self) -> Comparison:
        """What is compared at present, with the reruns that were settled in the view."""
        return self._state.comparison

    def _make_page(self) -> ComparePage:
        with self._lock:
            if self._page is None:
                # Loaded here, because a terminal needs no widgets.
                from retab_analysis.widgets.compare.compare_page import ComparePage

                values = self._save_values
                self._page = ComparePage(self, self._state, self._client, save_values=values)
            return self._page

    def close(self) -> None:
        """Take the view away: Jupyter keeps that of a cell that runs again, with its rows."""
        with self._lock:
            page, self._page = self._page, None
        if page is not None:
            page.close()

    def _make_still(self) -> dict[str, str]:
        look = html.CompareLook(values=self._save_values, live=False)
        still = html.render_still_view(self._state, look)
        return {"text/html": str(still), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return html.plain_text(self._state)
