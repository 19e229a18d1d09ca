"""The state of one workflow in a view, as a plain value, and the events that change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Literal

import polars as pl

from retab_analysis.checks.plan import LAST_GOOD
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.comparison import inside
from retab_analysis.evidence.timeline import mark_codes
from retab_analysis.evidence.versions import Versions
from retab_analysis.fetch.run_line import WAITING, RunStatus
from retab_analysis.schema import EVALS, RESULTS, RUNS

# A workflow without evals or runs, in words; neither is an error.
NO_EVAL, NO_RUN = "No saved eval yet: save one in Retab", "No run yet"
COMPARING = "Comparing …"
# The candidate if a person asks for the verdict of the watched runs alone.
WATCHED = "watched"

Phase = Literal["reading", "going", "ended", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Preview:
    """A document that a person looks at, with its ``url`` or the ``failure`` to get it."""

    eval_id: str
    document_id: str
    name: str
    url: str | None = None
    failure: str | None = None


@dataclass(frozen=True, eq=False)
class WorkflowLook:
    """What was seen of a workflow at the last look, and what was made of it."""

    name: str = ""
    phase: Phase = "reading"
    is_watched: bool = False
    runs: pl.DataFrame = field(default_factory=RUNS.empty)  # that are known, newest first
    watched: pl.DataFrame = field(default_factory=RUNS.empty)
    results: pl.DataFrame = field(default_factory=lambda: mark_codes(RESULTS.empty()))
    read: frozenset[str] = frozenset()  # the ids of the runs whose results were read
    progress: tuple[int, int] = (0, 0)  # so many runs were read at first, of how many
    checked: pl.DataFrame = field(default_factory=RUNS.empty)  # the runs that are judged
    comparison: Comparison | None = None
    saved: pl.DataFrame = field(default_factory=EVALS.empty)
    versions: Versions | None = None  # names moments; None until something was judged
    labels: Mapping[str, str | None] = field(default_factory=dict)  # of blocks, by their ids
    reruns: int = 0  # so many runs *Settle* starts
    line: RunStatus = field(default_factory=RunStatus)  # how far the runs are
    is_away: bool = False  # whether the API does not answer
    trouble: str = ""  # why the API has not answered since, or why watching failed
    notes: tuple[str, ...] = ()  # on the runs
    seen_at: datetime | None = None  # when the API answered last

    @cached_property
    def going(self) -> pl.DataFrame:
        """The watched runs that have not ended."""
        return self.watched.filter(~pl.col("is_terminal"))

    @cached_property
    def is_going(self) -> bool:
        return not self.watched["is_terminal"].all()

    @cached_property
    def is_waiting(self) -> bool:
        """Whether none of the watched runs that go on has begun."""
        return bool(self.going["status"].is_in(WAITING).all())

    @property
    def status(self) -> Literal["", "waiting", "running", "away"]:
        """What the watched runs do that go on."""
        if not self.is_going:
            return ""
        return "away" if self.is_away else "waiting" if self.is_waiting else "running"

    @property
    def year(self) -> int | None:
        runs = self.watched if self.checked.is_empty() else self.checked
        newest: datetime | None = runs["created_at"].max()  # type: ignore[assignment]
        return None if newest is None else newest.year


@dataclass(frozen=True, eq=False)
class ViewState:
    """One workflow as a view shows it; each change makes another state.

    What is searched, pressed and unfolded lives in the browser.
    """

    workflow_id: str
    look: WorkflowLook = field(default_factory=WorkflowLook)
    candidate: str | None = None  # a run, a version or WATCHED; None for the workflow as it is now
    baseline: str = LAST_GOOD
    values: bool = True
    can_cancel: bool = False
    opened: frozenset[str] = frozenset()  # evals whose inside was asked for
    preview: Preview | None = None
    asking: Literal["", "cancel", "settle"] = ""
    job: str = ""  # the job in words
    failures: tuple[str, ...] = ()  # of callbacks, and of the last job


def apply_event(state: ViewState, name: str, value: object) -> ViewState:
    """The state after an event; the same one if the event means nothing.

    What a browser sends may be anything.
    """
    if not isinstance(value, str | None):
        return state
    text, made = value or "", state.look.comparison
    if name == "ask" and not state.job:
        return replace(state, asking=text if text in ("cancel", "settle") else "")  # type: ignore[arg-type]
    if name == "candidate" or (name == "baseline" and text):
        is_candidate = name == "candidate"
        candidate = (text or None) if is_candidate else state.candidate
        baseline = state.baseline if is_candidate else text
        is_other = (candidate, baseline) != (state.candidate, state.baseline)
        chosen = replace(state, candidate=candidate, baseline=baseline, job=COMPARING, asking="")
        return chosen if is_other and state.job in ("", COMPARING) else state
    if name == "open" and made is not None and text in {each.id for each in inside(made).stories}:
        return replace(state, opened=state.opened | {text})
    return state
