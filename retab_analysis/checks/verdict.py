"""The one path to a verdict: the source, a plan, its results, two sides, a comparison, the edits.

Every door to a verdict calls :func:`make_verdict`: ``check`` once, a view at each look. Between two
looks a view keeps a :class:`Kept`; ``check`` begins with one in which nothing was read.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from dataclasses import dataclass, field, replace

import polars as pl

from retab_analysis.checks.edits import add_config_changes
from retab_analysis.checks.plan import (
    HISTORY,
    LAST_GOOD,
    Choice,
    Limits,
    ReadingPlan,
    RunListing,
    make_plan,
)
from retab_analysis.checks.read import choose_timeline, make_sides, note_codes, read_results
from retab_analysis.checks.source import Source
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.accepted import Policy, read_accepted
from retab_analysis.comparison.compare import compare_sides
from retab_analysis.comparison.sides import Surroundings
from retab_analysis.errors import ConfigError
from retab_analysis.fetch.params import Runs
from retab_analysis.fetch.publications import note_versions
from retab_analysis.progress import Progress, choose_progress


@dataclass(frozen=True, eq=False)
class Question:
    """What to judge, against which results, and how strictly; see :func:`check`.

    ``between_versions``: refuse sides that do not both name a version.
    """

    candidate: Runs | Choice | None = None
    baseline: Runs = LAST_GOOD
    history: int = HISTORY
    alpha: float = 0.05
    margin: float = 0.05
    accepted: Policy = field(default_factory=read_accepted)
    between_versions: bool = False


@dataclass(eq=False)
class Kept:
    """What was read of a workflow, for the next look.

    ================================================  ==============================================
    results of a run                                  for good; of watched runs as they come
    list of runs, saved evals, blocks, publications,  until :meth:`refresh`
    histories, versions
    which reruns settled which runs                   for good
    ================================================  ==============================================
    """

    source: Source
    _listing: RunListing | None = None
    _reruns: dict[frozenset[str], set[str]] = field(default_factory=lambda: defaultdict(set))

    @property
    def listing(self) -> RunListing:
        if self._listing is None:
            listing = RunListing.read(self.source)
            self.source.read_surroundings()
            self._listing = listing
        return self._listing

    @property
    def lacks_runs(self) -> bool:
        """Whether the list of runs was read, and is empty."""
        return self._listing is not None and self._listing.present.is_empty()

    def refresh(self) -> None:
        self._listing = None
        self.source.refresh(progress=False)

    def count_in(self, checked: pl.DataFrame, reruns: set[str]) -> None:
        """From now on judge these runs with the reruns that settled them."""
        self._reruns[frozenset(checked["run_id"])] |= reruns
        self.refresh()

    def add_reruns(self, chosen: Choice) -> Choice | None:
        """The runs with the reruns that settled them; None if there are none."""
        reruns = self._reruns.get(frozenset(chosen.runs["run_id"]))
        if not reruns:
            return None
        its = self.listing.runs.filter(pl.col("run_id").is_in([*reruns]))
        both = pl.concat([chosen.runs, its]).unique("run_id", maintain_order=True)
        return replace(chosen, runs=both)


@dataclass(frozen=True, eq=False)
class Verdict:
    """A comparison, the plan of the runs that it was made from, and the checked runs."""

    plan: ReadingPlan
    checked: pl.DataFrame  # without the reruns that settled them
    comparison: Comparison


def make_verdict(asked: Question, kept: Kept, progress: Progress | bool | None = None) -> Verdict:
    source, listing = kept.source, kept.listing
    workflow, versions = source.read_surroundings()
    plan, checked = _choose_runs(asked, kept)
    if asked.between_versions and not plan.versions:
        raise ConfigError(
            f"baseline={asked.baseline!r} and candidate={asked.candidate!r} do not both name a "
            f'version; write "v5", "published", "draft" or the id of one, or check(…) for runs. '
            f"{listing}"
        )
    with contextlib.closing(choose_progress(progress, "results", "runs")) as bar:
        results = read_results(plan, source, bar)
        timeline = choose_timeline(plan, results, source)
        sides = make_sides(plan, results, timeline, source)
        whole = replace(
            sides,
            around=Surroundings(workflow, versions),
            notes=(*sides.notes, *note_versions(versions), *note_codes(sides.candidate)),
            accepted=replace(asked.accepted, today=source.client.api_time.date()),
        )
        made = compare_sides(whole, asked.alpha, asked.margin)
    return Verdict(plan, checked, add_config_changes(made, source))


def _choose_runs(asked: Question, kept: Kept) -> tuple[ReadingPlan, pl.DataFrame]:
    """The plan, and the runs that are checked before the reruns that settled them were added."""
    limits = Limits.choose(asked.history, kept.source)
    plan = make_plan(kept.listing, asked.candidate, asked.baseline, limits)
    checked = plan.candidate.runs
    settled = None if plan.follow or plan.versions else kept.add_reruns(plan.candidate)
    if settled is not None:
        plan = make_plan(kept.listing, settled, asked.baseline, limits)
    return plan, checked
