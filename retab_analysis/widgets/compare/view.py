"""Look at a comparison: what users hold in their hands."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import polars as pl

from retab_analysis.comparison import Comparison
from retab_analysis.progress import in_kernel
from retab_analysis.widgets.compare import html
from retab_analysis.widgets.compare.state import Versus

if TYPE_CHECKING:
    from retab_analysis.widgets.compare.controls import CompareNotebook


def compare_view(
    results: pl.DataFrame | pl.LazyFrame,
    baseline: str | None = None,
    candidate: str | None = None,
    *,
    version_diff: pl.DataFrame | None = None,
    alpha: float = 0.05,
) -> CompareView:
    """Look at what flipped between two versions, eval by eval, with the values side by side.

    In a notebook, show what it returns as a cell's last line. There other versions, or two runs or
    drafts, can be chosen, too; the rows of the frame that are on neither side are the history.
    The static page that a saved or exported notebook keeps has no expected and actual values; where
    Jupyter is told to save the state of widgets, those of the eval that is open are in it.

    Args:
        results: A RESULTS frame of several runs.
        baseline: What was: a version, a run or a draft's fingerprint in the frame. Without it, the
            newest that is older than the candidate.
        candidate: What is, of the same kind. Without it, the newest that is newer than the
            baseline. Without both, they are the two newest versions, or the two newest runs where
            there is only one version. A version is as old as its first run.
        version_diff: What :func:`fetch_version_diff` gives for these two, as for :func:`compare`.
            It is used for these two only.
        alpha: The level at which a difference counts as more than chance.

    Returns:
        The view; its ``.comparison`` is what is compared at present.

    Raises:
        ConfigError: A side that is not in the frame (the message lists those that are), results of
            fewer than two runs, or another argument that cannot be used.
        SchemaError: A frame that is no RESULTS frame.
    """
    state = Versus(results, baseline, candidate, version_diff=version_diff, alpha=alpha)
    return CompareView(state)


class CompareView:
    """A comparison to be looked at; made by :func:`compare_view`."""

    def __init__(self, state: Versus) -> None:
        self._state = state
        self._notebook: CompareNotebook | None = None
        self._lock = threading.Lock()

    @property
    def comparison(self) -> Comparison:
        """What is compared at present."""
        return self._state.comparison

    @property
    def widget(self) -> Any:
        """The ipywidgets box, to be put beside others."""
        with self._lock:
            if self._notebook is None:
                from retab_analysis.widgets.compare.controls import CompareNotebook

                self._notebook = CompareNotebook(self._state)
            return self._notebook.box

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """The widget, with the present state as static HTML and text for where there is none."""
        bundle = self.widget._repr_mimebundle_(**kwargs) if in_kernel() else {}
        page, text = html.page(self._state), html.plain(self._state)
        return {**bundle, "text/html": str(page), "text/plain": text}

    def __repr__(self) -> str:
        return html.plain(self._state)
