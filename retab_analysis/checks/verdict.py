"""``check``, and the one path to a verdict: plan, results, two sides, a comparison, the edits.

Every door to a verdict calls :func:`make_verdict`: ``check`` once, a view at each look. Between two
looks a view keeps a :class:`Memory`; ``check`` begins with one in which nothing was read.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

import polars as pl

from retab_analysis.arguments import check_count, check_share
from retab_analysis.checks.defaults import open_source
from retab_analysis.checks.edits import add_config_changes
from retab_analysis.checks.plan import (
    HISTORY,
    LAST_GOOD,
    Asked,
    Choice,
    Limits,
    ReadingPlan,
    RunListing,
    make_plan,
)
from retab_analysis.checks.read import note_codes, read_results, read_versions
from retab_analysis.checks.sides import make_sides
from retab_analysis.checks.source import Source
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.accepted import GivenAccepted, Policy, read_accepted
from retab_analysis.comparison.compare import compare_sides
from retab_analysis.fetch.lists import resolve_workflow
from retab_analysis.fetch.params import check_text, client_or_default
from retab_analysis.fetch.publications import note_versions
from retab_analysis.progress import Progress, check_progress, show_progress
from retab_analysis.transport import Client


def check(
    workflow_id: str,
    *,
    candidate: Asked = None,
    baseline: Asked = LAST_GOOD,
    accepted: GivenAccepted = None,
    history: int = HISTORY,
    alpha: float = 0.05,
    margin: float = 0.05,
    client: Client | None = None,
    progress: Progress | bool | None = None,
) -> Comparison:
    """Find the evals that broke: since when, by which edit, and how sure that is.

    By default, ``check`` compares each eval with its own past, not with one run. So a break stays
    visible until it is fixed, the eval's definition is changed, or you accept it. The same
    check, repeated with nothing changed, gives the same answer. The answer's ``.plan`` lists the
    runs that were read, and why.

    Args:
        workflow_id: The workflow, its id or its name.
        candidate: The version to check: ``"draft"``, ``"v5"``, ``"published"``, the id of a
            version, or a date or time. Or runs: an id, several ids or a RUNS frame. Default: the
            workflow as it is now, the draft. For each block these are the runs on its present code,
            since its newest whole run. Evals that were edited, or whose block was, and that have
            not run since are ``stale``.
        baseline: The results to compare with. ``"last_good"``: for each eval its own last good
            result. The others are the same for all evals: a version, as for ``candidate``;
            ``"previous"``, of each block the code before the present one; or runs. If it is a
            version, evals of blocks with the same code in both are ``same_code``, and do not count.
        accepted: Known failures: ids or names of evals, or a file that ``Comparison.accept`` wrote.
            By default the failures that :func:`use` was given.
        history: How many earlier runs of the whole workflow to read. Four fifths are the newest,
            the others the oldest and some between. With more runs, ``check`` tells drift, flaky
            evals and breaks apart better. With an archive (:func:`use`), the default is all.
        alpha: The level of the suite's test. Its interval has the level 1 - ``alpha``.
        margin: The loss of pass rate that ``no_change`` rules out (0.05: five points).
        client: The client to ask; by default the session's.
        progress: False for no progress bar; by default a notebook or a terminal shows one.

    Returns:
        The comparison. A first run, a cancelled one and one that does not add up are results, too.
        If an edit broke something, ``.config_changes`` has that edit, as far as the API or an
        archive knows it.

    Raises:
        ConfigError: The run or version does not exist (the message lists known ones), there is no
            run to check, or another argument cannot be used.
        ArchiveError: The archive cannot be read or written.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.

    Example:
        >>> verdict = ra.check("wf_invoices")
        >>> verdict.headline
        '✗ ... since the edit of extract_lines...'
        >>> verdict.broken.select("eval_name", "p_regressed", "cause").columns
        ['eval_name', 'p_regressed', 'cause']
        >>> verdict.gate().ok
        False
    """
    check_count("history", history)
    asked = Question(candidate, baseline, history, alpha, margin, read_accepted(accepted))
    check_text("workflow_id", workflow_id)
    check_share("alpha", alpha)
    check_share("margin", margin)
    check_progress(progress)
    chosen = client_or_default(client)
    source = open_source(chosen, resolve_workflow(chosen, workflow_id), progress)
    return make_verdict(asked, Memory(source), progress).comparison


@dataclass(frozen=True, eq=False)
class Question:
    """What to judge, against which results, and how strictly; see :func:`check`."""

    candidate: Asked | Choice = None
    baseline: Asked = LAST_GOOD
    history: int = HISTORY
    alpha: float = 0.05
    margin: float = 0.05
    accepted: Policy = field(default_factory=read_accepted)


@dataclass(eq=False)
class Memory:
    """What was read of a workflow, for the next look.

    Results of a run stay for good; those of watched runs come as they end. Which reruns settled
    which runs stays, too. Lists of runs, saved evals, blocks, publications, histories and versions
    stay until :meth:`refresh`.
    """

    source: Source
    _listing: RunListing | None = None
    _reruns: dict[frozenset[str], set[str]] = field(default_factory=lambda: defaultdict(set))

    @property
    def listing(self) -> RunListing:
        if self._listing is None:
            self._listing = RunListing.read(self.source)
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


def make_verdict(asked: Question, kept: Memory, progress: Progress | bool | None = None) -> Verdict:
    source, listing = kept.source, kept.listing
    plan, checked = _choose_runs(asked, kept)
    with show_progress(progress, "results", "runs") as bar:
        results = read_results(plan, source, bar)
        told = read_versions(plan, results, listing.runs, source)
        facts, sides = told.timeline.facts, make_sides(plan, told, source.client)
        whole = replace(
            sides,
            asked=(asked.candidate, asked.baseline),
            notes=(*sides.notes, *note_versions(facts.publications), *note_codes(sides.candidate)),
            accepted=replace(asked.accepted, today=facts.read_at.date()),
        )
        made = compare_sides(whole, asked.alpha, asked.margin)
    return Verdict(plan, checked, add_config_changes(made, source, plan))


def _choose_runs(asked: Question, kept: Memory) -> tuple[ReadingPlan, pl.DataFrame]:
    """The plan, and the runs that are checked before the reruns that settled them were added."""
    limits = Limits.choose(asked.history, kept.source)
    plan = make_plan(kept.listing, asked.candidate, asked.baseline, limits)
    checked = plan.candidate.runs
    settled = kept.add_reruns(plan.candidate) if plan.now is None else None
    if settled is not None:
        plan = make_plan(kept.listing, settled, asked.baseline, limits)
    return plan, checked
