"""What a view shows of one workflow, as a plain value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import polars as pl

from retab_analysis.checks.plan import LAST_GOOD
from retab_analysis.comparison import Comparison
from retab_analysis.render.document import Change
from retab_analysis.schema import EVALS, RESULTS, RUNS

Phase = Literal["reading", "going", "ended", "stopped", "failed"]

EditWords = Mapping[tuple[str, str], tuple[Change, ...]]
"""What was edited in a block before a run: by the ids of the run and the block."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A document that somebody looks at; ``url`` once it is known, ``failure`` if it is not."""

    document_id: str
    name: str
    url: str | None = None
    failure: str | None = None


@dataclass(frozen=True, eq=False)
class ViewState:
    """One workflow as a view shows it; each change makes another state.

    Attributes:
        workflow_id: The workflow; empty for frames that do not say it.
        name: What a person calls it.
        runs: The runs that are known, a RUNS frame, newest first.
        results: The results that were read, a RESULTS frame.
        read: The ids of the runs whose results were read.
        saved: The saved evals, an EVALS frame.
        versions: The published versions, or None if they are not known.
        labels: What blocks are called, by their ids.
        checked: The runs that are judged, a RUNS frame.
        comparison: What is said of them; None before the first one.
        passing: The evals that passed when they were decided last before.
        candidate: What is checked: None for what was asked for, else a run or a version.
        baseline: What it is held against.
        is_watched: Whether runs are watched, and not a workflow as it is.
        edits: What was edited before which run.
        between: What differs between the two versions that are compared, or None.
        values: Whether expected and actual values are shown.
        reruns: How many runs *Settle* starts.
        can_cancel: Whether *Cancel run* is there.
        show: The words of the counts that are pressed.
        search: What somebody looks for.
        opened: The eval that is open.
        preview: The document beside it.
        unfolded: The titles of what is folded and was opened.
        asking: What a person is asked before it is done: ``cancel``, ``settle`` or nothing.
        phase: ``reading``, ``going``, ``ended``, ``stopped`` or ``failed``.
        job: What is being done for a person, in words.
        trouble: Why the API has not answered since ``seen_at``, or why watching failed.
        notes: What else has to be said.
        seen_at: When the API answered last.
    """

    workflow_id: str
    name: str = ""
    runs: pl.DataFrame = field(default_factory=RUNS.empty)
    results: pl.DataFrame = field(default_factory=RESULTS.empty)
    read: frozenset[str] = frozenset()
    saved: pl.DataFrame = field(default_factory=EVALS.empty)
    versions: pl.DataFrame | None = None
    labels: Mapping[str, str | None] = field(default_factory=dict)
    checked: pl.DataFrame = field(default_factory=RUNS.empty)
    comparison: Comparison | None = None
    passing: frozenset[str] = frozenset()
    candidate: str | None = None
    baseline: str = LAST_GOOD
    is_watched: bool = False
    edits: EditWords = field(default_factory=dict)
    between: pl.DataFrame | None = None
    values: bool = True
    reruns: int = 0
    can_cancel: bool = False
    show: frozenset[str] = frozenset()
    search: str = ""
    opened: str | None = None
    preview: Preview | None = None
    unfolded: frozenset[str] = frozenset()
    asking: Literal["", "cancel", "settle"] = ""
    phase: Phase = "reading"
    job: str = ""
    trouble: str = ""
    notes: tuple[str, ...] = ()
    seen_at: datetime | None = None

    @property
    def is_going(self) -> bool:
        """Whether what is checked has not ended yet."""
        return not self.checked.is_empty() and not bool(self.checked["is_terminal"].all())

    @property
    def year(self) -> int | None:
        """The year that dates are in unless they say another one."""
        newest: datetime | None = self.checked["created_at"].max()  # type: ignore[assignment]
        return None if newest is None else newest.year
