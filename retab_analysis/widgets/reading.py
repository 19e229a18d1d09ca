"""One workflow of a view: what was asked about it, what is kept of it, and the last look at it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from retab_analysis.checks.plan import LAST_GOOD, Choice
from retab_analysis.checks.settle import RerunPlan
from retab_analysis.checks.source import Source
from retab_analysis.checks.verdict import Memory, Question, Verdict, make_verdict
from retab_analysis.comparison.accepted import Policy
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.reruns import SETTLE_ROUNDS
from retab_analysis.comparison.sides import Sides
from retab_analysis.errors import ConfigError
from retab_analysis.markup import count_noun
from retab_analysis.progress import Progress
from retab_analysis.schema import RUNS
from retab_analysis.transport import Client
from retab_analysis.widgets.state import NO_EVAL, NO_RUN, WATCHED, Phase, WorkflowLook


@dataclass(eq=False)
class Followed:
    """One workflow of a view. ``open`` may take long: with an archive it first syncs it."""

    open: Callable[[], Source]
    accepted: Policy
    candidate: str | None
    baseline: str
    look: WorkflowLook = field(default_factory=WorkflowLook)
    runs: pl.DataFrame = field(default_factory=RUNS.empty)  # that are watched
    marks: dict[str, object] = field(default_factory=dict)  # their counts when results were read
    compared: object = None  # the watched runs then, and whether each had ended
    refused: int = 0
    why: str = ""  # the reason if there is no baseline
    # The stream's thread and jobs hold it while they change this and the state of the view.
    lock: threading.RLock = field(default_factory=threading.RLock)
    _kept: Memory | None = None

    @property
    def kept(self) -> Memory:
        if self._kept is None:
            self._kept = Memory(self.open())
        return self._kept

    @property
    def lack(self) -> str:
        """The reason if there is nothing to judge yet: no saved eval or no run; else empty."""
        if self._kept is None or not self._kept.lacks_runs:
            return ""
        return NO_RUN if self._kept.source.saved.height else NO_EVAL

    @property
    def phase(self) -> Phase:
        if self.look.phase == "failed":
            return "failed"
        if self.has_ended:
            return "reading" if self.look.comparison is None else "ended"
        return "going"

    @property
    def has_ended(self) -> bool:
        return bool(self.runs["is_terminal"].all())

    # A look

    def watch(self, runs: pl.DataFrame) -> None:
        is_watched = self.look.is_watched or not runs.is_empty()
        self.runs, self.look = runs, replace(self.look, is_watched=is_watched)

    def read_results(self) -> bool:
        """Read the results of watched runs whose counts have changed; whether any is new."""
        names = ("run_id", "status", "completed", "error", "cancelled", "running")
        marks = {row[0]: row[1:] for row in self.runs.select(names).iter_rows()}
        stale = [each for each, mark in marks.items() if self.marks.get(each) != mark]
        if not stale:
            return False
        is_new = self.kept.source.read_again(self.runs.filter(pl.col("run_id").is_in(stale)))
        self.marks |= {each: marks[each] for each in stale}
        return is_new

    def refresh(self) -> None:
        """Read lists again, and the results of runs that had not ended when they were read."""
        is_read = pl.col("run_id").is_in([*self.kept.source.read_ids])
        went_on = self.look.runs.filter(~pl.col("is_terminal"), is_read)
        self.kept.refresh()
        if went_on.height:
            self.kept.source.read_again(went_on)

    def see(self) -> None:
        """Take the watched runs and their results into the look; sends no request."""
        source, look = self.kept.source, self.look
        both = pl.concat([self.runs, look.runs]).unique("run_id", keep="first")
        runs = both.sort("created_at", "run_id", descending=True, nulls_last=True)
        results = source.read_results(runs.filter(pl.col("run_id").is_in([*source.read_ids])))
        sides = Sides(results) if look.comparison is None else inside(look.comparison).sides
        self.look = replace(
            look,
            name=source.name,
            runs=runs,
            results=sides.code(results),
            read=source.read_ids,
            watched=self.runs,
        )

    def judge(self, progress: Progress) -> None:
        """Compare as ``check`` does. Runs that go on judge nothing: what is known stands."""
        marks = self.mark()
        if self.look.is_watched and self.compared not in (None, marks):
            self.kept.refresh()  # what else ran or was saved
        source, listing = self.kept.source, self.kept.listing
        if self.runs.height:
            listing.add(self.runs)
            listing.shown = frozenset(self.runs.filter(~pl.col("is_terminal"))["run_id"])
        verdict = self._make_verdict(progress)
        plan, made = verdict.plan, verdict.comparison
        runs = pl.concat([plan.read.drop("why"), listing.runs]).unique("run_id", keep="first")
        self.look = replace(
            self.look,
            runs=runs,
            checked=verdict.checked,
            comparison=made,
            saved=source.saved,
            versions=inside(made).sides.told,
            labels=source.labels,
            reruns=count_reruns(made, source.client),
        )
        self.see()
        self.compared = marks

    def _make_verdict(self, progress: Progress) -> Verdict:
        is_own = self.candidate == WATCHED
        chosen = Choice(self.runs, "which is watched") if is_own else self.candidate
        asked = Question(chosen, self.baseline, accepted=self.accepted)
        try:
            return make_verdict(asked, self.kept, progress)
        except ConfigError:
            if self.has_ended or chosen is not None:
                raise
            # The baseline may be the very run that is judged until the watched one has ended.
            return make_verdict(replace(asked, baseline=LAST_GOOD), self.kept, progress)

    def count_in(self, made: Comparison, settled: Comparison) -> None:
        """From now on judge the checked runs with the reruns that settled them."""
        before, now = ({*inside(each).sides.candidate["run_id"]} for each in (made, settled))
        reruns = count_reruns(settled, self.kept.source.client)
        self.look = replace(self.look, comparison=settled, reruns=reruns)
        self.kept.count_in(self.look.checked, now - before)

    @property
    def is_due(self) -> bool:
        """Whether another comparison may say something else: a watched run began or ended."""
        is_gone = self.look.is_watched and self.runs.is_empty()
        return self.compared != self.mark() and not is_gone

    def mark(self) -> object:
        return self.runs.select("run_id", "is_terminal").rows()

    def list_notes(self, gone: Sequence[str] = ()) -> tuple[str, ...]:
        """Notes on the runs."""
        notes = [f"Run {each} is not found any more." for each in gone]
        if unread := self.kept.source.unread:
            are = "is" if unread == 1 else "are"
            notes.append(f"{count_noun(unread, 'result')} did not decode and {are} left out.")
        return tuple(filter(None, (*notes, self.why)))


def count_reruns(comparison: Comparison, client: Client) -> int:
    return len(RerunPlan.make(comparison, SETTLE_ROUNDS, now=client.api_time).asked)
