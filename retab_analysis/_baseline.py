"""What a candidate is held against: chosen in one place, for ``check`` and ``watch`` alike."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl

from retab_analysis.comparison.same_code import split_reruns
from retab_analysis.comparison.sides import (
    Sides,
    add_last_passes,
    add_missing,
    check_results,
    restrict_scope,
)
from retab_analysis.comparison.wording import count_noun, label_side
from retab_analysis.errors import ConfigError, InvalidRequestError, NotFoundError
from retab_analysis.fetch import fetch_version_diff, fetch_versions
from retab_analysis.fetch.earlier_runs import EarlierRuns, find_gaps
from retab_analysis.fetch.params import RunList, Runs
from retab_analysis.fetch.results import list_results
from retab_analysis.fetch.run_window import COMPLETE, WHOLE, Choice, RunWindow, each_once
from retab_analysis.progress import Part, Progress, Silent, choose_progress
from retab_analysis.schema import RESULTS
from retab_analysis.transport import Client
from retab_analysis.vocabulary import DECIDED, NOT_PASSING

LAST_GOOD = "last_good"
"""Each eval is held against its own last good result."""

BASELINES = (LAST_GOOD, "published", "last_ok", "previous")
"""The words for a baseline; anything else names a run or a version."""

HISTORY = 20
"""So many earlier runs are read, unless somebody asks for another number."""

OLD = timedelta(days=30)
"""A baseline that is older than that is said to be."""

_MANY_MISSING = 0.1
_MOST = 0.6  # an eval that fails in that share of its latest outcomes is not just shaky


class NoBaselineError(ConfigError):
    """There is nothing to hold a candidate against: it is the first run, for example."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """What some runs are held against.

    Attributes:
        choice: The runs of the baseline; None holds each eval against its own last good result.
        earlier: Further earlier runs.
        reruns: Later runs of single evals on the same version: evals that were run again.
    """

    choice: Choice | None
    earlier: EarlierRuns
    reruns: pl.DataFrame

    @property
    def runs(self) -> pl.DataFrame:
        """The runs whose results are needed first."""
        chosen = self.earlier.newest if self.choice is None else self.choice.runs
        again = self.earlier.reruns.drop("rerun_of")
        return each_once(chosen, self.earlier.first, self.reruns, again)


def choose_baseline(
    window: RunWindow, candidate: pl.DataFrame, wanted: Runs, history: int, evals: pl.DataFrame
) -> Baseline:
    """Choose what some runs are held against.

    Args:
        window: The runs of the workflow.
        candidate: The RUNS frame of what is checked.
        wanted: As ``baseline`` of :func:`check`.
        history: How many earlier runs to look at, at most.
        evals: The EVALS frame of the workflow.

    Raises:
        NoBaselineError: There is nothing to compare with.
        ConfigError: There is no such run or version.
    """
    window.reach_before(candidate, max(history, 1))
    earlier, choice = window.earlier(candidate), None
    if isinstance(wanted, str) and wanted == LAST_GOOD:
        if earlier.is_empty() or not history:
            raise NoBaselineError(
                f"baseline={wanted!r}: there is no earlier run of the whole workflow to hold the "
                f"candidate against{'' if history else ', because history=0'}. {window}"
            )
    else:
        choice = _choose(window, earlier, wanted)
        earlier = earlier.filter(~pl.col("run_id").is_in(choice.runs["run_id"].implode()))
    # Whoever edits a block runs it alone first.
    known = pl.concat([earlier, window.on_same_version(candidate)])
    known = known.sort("created_at", "run_id", descending=True)
    past = EarlierRuns.of(known, window.earlier_reruns(candidate), evals, history)
    return Baseline(choice, past, window.reruns(candidate))


def _choose(window: RunWindow, earlier: pl.DataFrame, wanted: Runs) -> Choice:
    if isinstance(wanted, str) and wanted == "published":
        return _choose_published(window)
    if not isinstance(wanted, str) or wanted not in BASELINES:
        return window.find("baseline", wanted)
    completed = earlier.filter(COMPLETE)
    if completed.is_empty():
        raise NoBaselineError(
            f"baseline={wanted!r}: no run of the whole workflow completed before the candidate. "
            f"{window}"
        )
    if wanted == "previous":
        return Choice(completed.head(1), "the newest run that completed before it")
    good = completed.filter(pl.col("ok").fill_null(False)).head(1)
    if good.is_empty():
        raise NoBaselineError(
            f"baseline='last_ok': in none of the {completed.height} runs before the candidate that "
            "were looked at did every eval pass; baseline='last_good' holds each eval against its "
            f"own last good result. {window}"
        )
    return Choice(good, "the newest run before it in which every eval passed")


def _choose_published(window: RunWindow) -> Choice:
    versions = fetch_versions(window.workflow_id, client=window.client, progress=False)
    current = versions.filter(pl.col("is_current").fill_null(False)).head(1)
    if current.is_empty():
        raise NoBaselineError(
            f"baseline='published': workflow {window.workflow_id} has no published version"
        )
    version = current["workflow_version_id"].item()
    found = window.find_version(version)
    return Choice(found.runs, "the newest run of the published version")


@dataclass(slots=True)
class SideReader:
    """Reads results of one workflow, each run's once, and puts them on their sides.

    Attributes:
        client: What to ask.
        evals: The EVALS frame of the workflow.
        strict: Whether a result that does not decode is an error; otherwise it is left out.
        unread: How many results were left out.
    """

    client: Client
    evals: pl.DataFrame
    strict: bool = True
    unread: int = 0
    _results: dict[str, pl.DataFrame] = field(default_factory=dict)
    _diffs: dict[tuple[str | None, str | None], pl.DataFrame | None] = field(default_factory=dict)

    def take(self, run_id: str, results: pl.DataFrame) -> None:
        """Take in the results of a run that somebody else has read."""
        self._results[run_id] = results

    def read(self, runs: pl.DataFrame, progress: Progress | None = None) -> None:
        """Read the results of those runs that are not known yet, several runs at once.

        Args:
            runs: A RUNS frame.
            progress: What is told how many runs were read; None for nothing.
        """
        missing = runs.filter(~pl.col("run_id").is_in(list(self._results)))
        if missing.is_empty():
            return
        fetched = list_results(
            self.client,
            RunList.make(missing),
            RESULTS,
            evals=self.evals,
            strict=self.strict,
            progress=progress or Silent(),
        )
        self.unread += len(fetched.problems)
        # A run without results is known, too.
        self._results.update(dict.fromkeys(missing["run_id"], RESULTS.empty()))
        parts = fetched.frame.partition_by("run_id", as_dict=True)
        self._results.update({run_id: part for (run_id,), part in parts.items()})

    def make_sides(
        self, candidate: Choice, baseline: Baseline, progress: Progress | bool | None = False
    ) -> Sides:
        """Read the results that are not known yet, and put all of them on their sides.

        Args:
            candidate: What is checked.
            baseline: What it is held against.
            progress: As for :func:`fetch_results`.
        """
        first = each_once(candidate.runs, baseline.runs)
        total = first.height + baseline.earlier.rest
        with contextlib.closing(choose_progress(progress, "results", "runs")) as bar:
            self.read(first, Part(bar, 0, total))
            now = self._of(candidate.runs)
            hides = hides_good_past(now, self._of(baseline.earlier.first), self.evals)
            history = baseline.earlier.choose(reach_back=hides)
            self.read(history, Part(bar, first.height, total))
        again = self._of_earlier_reruns(baseline.earlier.reruns)
        earlier = pl.concat([self._of(history), again])
        earlier = add_last_passes(earlier, self.evals, candidate.runs)
        earlier = restrict_scope(earlier, candidate.runs, now)
        before = None
        if baseline.choice is not None:
            before = restrict_scope(self._of(baseline.choice.runs), candidate.runs, now)
        known = earlier if before is None else pl.concat([earlier, before])
        now = add_missing(now, known, candidate.runs, self.evals)
        if baseline.choice is not None and before is not None:
            now = restrict_scope(now, baseline.choice.runs, before)
        judged = check_results(now, "candidate").collect()
        later = check_results(self._of(baseline.reruns), "reruns").collect()
        reruns = _of_same_code(judged, later)
        return Sides(
            candidate=judged,
            baseline=None if before is None else check_results(before, "baseline").collect(),
            history=check_results(earlier, "history").collect(),
            reruns=None if reruns.is_empty() else reruns.select(judged.columns),
            earlier_reruns=frozenset(again["run_id"]),
            after_gaps=_find_gaps(candidate, baseline, history),
            version_diff=self._read_diff(candidate, baseline),
            compared=describe(candidate, baseline, now, before, history),
            waiting=count_waiting(candidate.runs),
        )

    def _of(self, runs: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([RESULTS.empty(), *(self._results[each] for each in runs["run_id"])])

    def _of_earlier_reruns(self, again: pl.DataFrame) -> pl.DataFrame:
        """The results of reruns that are of the same code as those of the runs before them."""
        parts = again.partition_by("rerun_of", maintain_order=True)
        return pl.concat(
            [RESULTS.empty()]
            + [_of_same_code(self._results[part["rerun_of"][0]], self._of(part)) for part in parts]
        )

    def _read_diff(self, candidate: Choice, baseline: Baseline) -> pl.DataFrame | None:
        """The blocks that differ, or None where that is not known; each pair is asked for once."""
        whole = baseline.earlier.newest.filter(WHOLE).head(1)
        before = whole if baseline.choice is None else baseline.choice.runs
        versions = [
            side["workflow_version_id"].unique().to_list() for side in (before, candidate.runs)
        ]
        # A draft keeps its version's name while it is edited, so that the same name on both sides
        # does not mean that nothing changed; the blocks' fingerprints say so then.
        if (
            any(len(each) != 1 or each[0] is None for each in versions)
            or versions[0] == versions[1]
        ):
            return None
        pair = versions[0][0], versions[1][0]
        if pair not in self._diffs:
            workflow_id = candidate.runs["workflow_id"][0]
            self._diffs[pair] = fetch_known_diff(self.client, workflow_id, pair[0], pair[1])
        return self._diffs[pair]


def _of_same_code(results: pl.DataFrame, reruns: pl.DataFrame) -> pl.DataFrame:
    """The reruns of a run's evals; of other code, where a draft was edited since, they are left."""
    same, _ = split_reruns(results, reruns.join(results, on="eval_id", how="semi"))
    return same


def hides_good_past(now: pl.DataFrame, first: pl.DataFrame, evals: pl.DataFrame) -> bool:
    """Whether an eval fails for long, and what was read does not show that it ever was good.

    It fails now, and in most of its outcomes; and its last pass came after a failure, or is the
    first outcome that is known, or the saved eval remembers a later one instead. Where it passed
    twice in a row before it broke, that is seen.

    Args:
        now: The candidate's results.
        first: The results of the runs that were read first.
        evals: The EVALS frame of the workflow.
    """
    is_failure = pl.col("state").is_in(NOT_PASSING)
    failing = now.filter(is_failure).select("eval_id").unique()
    decided = pl.concat([first, now]).filter(pl.col("state").is_in(DECIDED))
    decided = decided.join(failing, on="eval_id", how="semi").sort("run_created_at")
    passed = pl.col("state") == "passed"
    good = passed & passed.shift(fill_value=False)
    last = pl.col("run_created_at").filter(passed).max()
    found = decided.group_by("eval_id").agg(
        is_failure.mean().alias("failing"),
        passed.any().alias("passed"),
        good.filter(pl.col("run_created_at") == last).any().alias("good"),
    )
    begun = now["run_created_at"].min()
    passed_later = evals.filter(pl.col("last_passed_at") >= begun)["eval_id"]
    is_later = pl.col("eval_id").is_in(passed_later.implode())
    is_hidden = pl.when("passed").then(~pl.col("good")).otherwise(is_later)
    return not found.filter(is_hidden, pl.col("failing") >= _MOST).is_empty()


def _find_gaps(candidate: Choice, baseline: Baseline, history: pl.DataFrame) -> frozenset[str]:
    """The ids of the runs before which there are some that were not read, the candidate's too."""
    chosen = history.clear() if baseline.choice is None else baseline.choice.runs
    known = each_once(baseline.earlier.known, chosen).sort("created_at", "run_id", descending=True)
    read = pl.concat([history["run_id"], chosen["run_id"]])
    found = frozenset(find_gaps(known, read))
    is_next = known["run_id"].head(1).is_in(read.implode()).all()
    return found if is_next else found | frozenset(candidate.runs["run_id"])


def count_waiting(runs: pl.DataFrame) -> tuple[int, int]:
    """How many evals of some runs are still to come, of how many."""
    going_on = runs.filter(~pl.col("is_terminal"))
    ended = going_on.select(
        pl.sum_horizontal("completed", "error", "cancelled").fill_null(0).sum()
    ).item()
    total = going_on["total_evals"].sum()
    return int(total - ended), int(runs["total_evals"].sum())


def _only_version(runs: pl.DataFrame) -> str | None:
    """The version that all of some runs have."""
    versions = runs["workflow_version_id"].unique()
    only: str | None = versions.item() if len(versions) == 1 else None
    return only


def fetch_known_diff(
    client: Client, workflow_id: str, baseline: str, candidate: str
) -> pl.DataFrame | None:
    """The blocks in which two versions differ, or None where the API does not say.

    It compares published versions only, and answers 404 for a draft.
    """
    try:
        return fetch_version_diff(workflow_id, baseline, candidate, client=client)
    except (NotFoundError, InvalidRequestError):
        return None


def describe(
    candidate: Choice,
    baseline: Baseline,
    now: pl.DataFrame,
    before: pl.DataFrame | None,
    history: pl.DataFrame,
) -> str | None:
    """One sentence about what is compared with what, and why; None where each eval has its own."""
    what = f"Compared {label_side(candidate.runs)}, {candidate.why},"
    if baseline.choice is None or before is None:
        return f"{what} with each eval's own last good result"
    with_what = f"with {label_side(baseline.choice.runs)}, {baseline.choice.why}"
    more = history.height + baseline.earlier.reruns.height
    seen = f", in the light of {count_noun(more, 'further run')}" if more else ""
    return f"{what} {with_what}{_warn(candidate, baseline.choice, now, before)}{seen}."


def _warn(candidate: Choice, chosen: Choice, now: pl.DataFrame, before: pl.DataFrame) -> str:
    """What makes a baseline doubtful: its age, and evals that it does not have."""
    warnings = []
    newest, oldest = candidate.runs["created_at"].max(), chosen.runs["created_at"].min()
    if newest is not None and oldest is not None and newest - oldest > OLD:  # type: ignore[operator]
        warnings.append(f"is {(newest - oldest).days} days older")  # type: ignore[operator,union-attr]
    evals = now["eval_id"].unique()
    missing = evals.is_in(before["eval_id"].unique().implode()).not_().sum()
    if missing > _MANY_MISSING * len(evals):
        warnings.append(f"lacks {missing} of the {len(evals)} evals")
    return f" (which {' and '.join(warnings)})" if warnings else ""
