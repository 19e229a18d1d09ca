"""What a candidate is held against: chosen in one place, for ``check`` and ``watch`` alike."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

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
from retab_analysis.fetch import fetch_run, fetch_version_diff, fetch_versions
from retab_analysis.fetch.params import RunList, Runs
from retab_analysis.fetch.results import list_results
from retab_analysis.fetch.runs import read_newest_runs
from retab_analysis.progress import Progress, choose_progress
from retab_analysis.schema import RESULTS
from retab_analysis.transport import Client

LAST_GOOD = "last_good"
"""Each eval is held against its own last good result."""

BASELINES = (LAST_GOOD, "published", "last_ok", "previous")
"""The words for a baseline; anything else names a run or a version."""

HISTORY = 20
"""So many earlier runs are read, unless somebody asks for another number."""

PAGE = 100
"""So many runs come with one request."""

MOST_PAGES = 10
"""Further back than so many requests reach, runs of the whole workflow are not looked for."""

OLD = timedelta(days=30)
"""A baseline that is older than that is said to be."""

_WHOLE = pl.col("scope") == "workflow"
_ENDED = _WHOLE & pl.col("is_terminal")
_COMPLETE = _WHOLE & (pl.col("status") == "completed")
_MANY_MISSING = 0.1
# So many runs that end with the last pass of an eval are read where the newest ones hardly have it,
# unless so few are read in all that each of these tells more.
_LAST_PASSES = 3
_FEW_RUNS = 10


class NoBaselineError(ConfigError):
    """There is nothing to hold a candidate against: it is the first run, for example."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Some runs, and why these."""

    runs: pl.DataFrame
    why: str


@dataclass(slots=True)
class RunWindow:
    """The newest runs of a workflow; older ones are read where they are asked for."""

    client: Client
    workflow_id: str
    runs: pl.DataFrame
    _further: int = MOST_PAGES - 1

    @classmethod
    def read(cls, client: Client, workflow_id: str) -> RunWindow:
        """Read one page of runs."""
        runs = read_newest_runs(client, workflow_id, limit=PAGE)
        return cls(client, workflow_id, runs, MOST_PAGES - 1 if runs.height >= PAGE else 0)

    def earlier(self, than: pl.DataFrame) -> pl.DataFrame:
        """The whole-workflow runs that ended, and were created before some runs; newest first.

        Runs that were cancelled or ended in an error are among them: what was decided in them was
        decided.
        """
        known = pl.col("run_id").is_in(than["run_id"].implode())
        before = pl.col("created_at") < than["created_at"].min()
        return self.runs.filter(_ENDED, before, ~known)

    def on_same_version(self, runs: pl.DataFrame) -> pl.DataFrame:
        """The runs of whole blocks that ended before some runs, on the version of these.

        Whoever edits a block runs it alone first: what failed then did not break later. Runs of
        single evals are left out, because those are run again that have just failed.
        """
        before = pl.col("created_at") < runs["created_at"].min()
        same = pl.col("workflow_version_id").is_in(runs["workflow_version_id"].implode())
        known = pl.col("run_id").is_in(runs["run_id"].implode())
        block = pl.col("scope") == "block"
        return self.runs.filter(block, pl.col("is_terminal"), before, same, ~known)

    def reruns(self, runs: pl.DataFrame) -> pl.DataFrame:
        """The runs of single evals after some runs, on the version of these.

        They end with the next run of the whole workflow, which they belong to.
        """
        created, last = pl.col("created_at"), runs.select(pl.col("created_at").max())
        later = self.runs.join(last.rename({"created_at": "last"}), how="cross")
        later = later.filter(created > pl.col("last")).drop("last")
        following = later.filter(_WHOLE).select(pl.col("created_at").min()).item()
        known = pl.col("run_id").is_in(runs["run_id"].implode())
        same = pl.col("workflow_version_id").is_in(runs["workflow_version_id"].implode())
        single = later.filter(pl.col("scope") == "eval", pl.col("is_terminal"), same, ~known)
        return single if following is None else single.filter(created < following)

    def reach_before(self, runs: pl.DataFrame, wanted: int) -> None:
        """Read older runs until so many of the whole workflow before some runs are known.

        Runs of blocks and of single evals may be the more by far. Runs that are older than the
        window are looked for in any case.
        """
        first: datetime | None = runs.select(pl.col("created_at").min()).item()
        is_older = first is not None and self.runs.filter(pl.col("created_at") <= first).is_empty()
        if self._further and is_older and not self._read_before(first):
            self._further = 0
        while self.earlier(runs).height < wanted and self._read_older():
            pass

    def _read_older(self) -> bool:
        """Read the page before the window; False where there is none, or it is too far back."""
        if not self._further:
            return False
        before = self.runs.height
        is_full = self._read_before(self.runs.select(pl.col("created_at").min()).item())
        self._further = self._further - 1 if is_full and self.runs.height > before else 0
        return self.runs.height > before

    def _read_before(self, moment: datetime | None) -> bool:
        """Read a page of runs up to a moment; whether it was full."""
        page = read_newest_runs(self.client, self.workflow_id, limit=PAGE, to_date=moment)
        self.add(page)
        return page.height >= PAGE

    def renew(self) -> None:
        """Read the newest runs again."""
        self.add(RunWindow.read(self.client, self.workflow_id).runs)

    def is_waiting_before(self, runs: pl.DataFrame) -> bool:
        """Whether a whole-workflow run from before some runs had not ended when it was read."""
        before = pl.col("created_at") < runs["created_at"].min()
        return not self.runs.filter(_WHOLE, ~pl.col("is_terminal"), before).is_empty()

    def add(self, runs: pl.DataFrame) -> None:
        """Take in further runs; of one that is known already, this is how it is now."""
        merged = _each_once(runs, self.runs)
        self.runs = merged.sort("created_at", "run_id", descending=True)

    def find_candidate(self, wanted: Runs | None) -> Choice:
        """What is to be checked: what was asked for, else the newest whole run that ended.

        Raises:
            ConfigError: There is no such run.
        """
        if wanted is not None:
            return self.find("candidate", wanted)
        while (ended := self.runs.filter(_ENDED).head(1)).is_empty() and self._read_older():
            pass
        if not ended.is_empty():
            return Choice(ended, "the newest run of the whole workflow that has ended")
        if self.runs.is_empty():
            raise ConfigError(
                f"workflow {self.workflow_id} has no run; is that its id? overview lists those "
                "that there are, and start_runs (check --start) starts a run"
            )
        raise ConfigError(
            f"no run of the whole workflow {self.workflow_id} has ended among the "
            f"{self.runs.height} newest; start one with start_runs (check --start), or name a "
            "candidate"
        )

    def find(self, name: str, wanted: Runs) -> Choice:
        """The runs that an argument names.

        Raises:
            ConfigError: There are none, or they are of another workflow.
        """
        if isinstance(wanted, str):
            return self._find_version(wanted) or self._find_run(name, wanted)
        listed = RunList.make(wanted, name)
        if not listed.ids:
            raise ConfigError(f"{name} names no run")
        known = listed.known
        # A frame from when the runs were started does not say how they are now.
        if known is not None and known.columns == self.runs.columns and known["is_terminal"].all():
            return Choice(self._check_workflow(name, known), "as given")
        found = [self._find_run(name, run_id).runs for run_id in listed.ids]
        return Choice(pl.concat(found), "as given")

    def find_version(self, version: str) -> Choice:
        """The newest run of a version, however old.

        Raises:
            ConfigError: There is none.
        """
        found = self._find_version(version)
        return found or self._find_older_version("baseline", version)

    def _find_version(self, wanted: str) -> Choice | None:
        runs = self.runs.filter(_ENDED, pl.col("workflow_version_id") == wanted)
        completed = runs.filter(_COMPLETE)
        newest = (runs if completed.is_empty() else completed).head(1)
        return None if newest.is_empty() else Choice(newest, "the newest run of that version")

    def _find_run(self, name: str, run_id: str) -> Choice:
        known = self.runs.filter(pl.col("run_id") == run_id)
        if known.is_empty():
            try:
                known = fetch_run(run_id, client=self.client)
            except NotFoundError:
                return self._find_older_version(name, run_id)
        return Choice(self._check_workflow(name, known), "as given")

    def _find_older_version(self, name: str, wanted: str) -> Choice:
        if self.runs.height >= PAGE:
            self.add(read_newest_runs(self.client, self.workflow_id))
        found = self._find_version(wanted)
        if found is None:
            raise ConfigError(
                f"{name}={wanted!r} is not a run or a version of this workflow. {self}"
            )
        return found

    def _check_workflow(self, name: str, runs: pl.DataFrame) -> pl.DataFrame:
        others = set(runs["workflow_id"].drop_nulls()) - {self.workflow_id}
        if others:
            raise ConfigError(
                f"{name} is of workflow {', '.join(sorted(others))}, not {self.workflow_id}"
            )
        return runs

    def __str__(self) -> str:
        runs = self.runs.filter(_WHOLE)
        versions = runs["workflow_version_id"].drop_nulls().unique(maintain_order=True)
        return (
            f"Its newest whole-workflow runs: {', '.join(runs['run_id'].head(5)) or 'none'}; "
            f"versions: {', '.join(versions.head(10)) or 'none'}"
        )


@dataclass(frozen=True, eq=False)
class Baseline:
    """What some runs are held against.

    Attributes:
        choice: The runs of the baseline; None holds each eval against its own last good result.
        history: Further earlier runs whose results are read, the newest first.
        earlier: All earlier runs of the whole workflow that are known, the newest first.
        reruns: Later runs of single evals on the same version: evals that were run again.
    """

    choice: Choice | None
    history: pl.DataFrame
    earlier: pl.DataFrame
    reruns: pl.DataFrame

    @property
    def runs(self) -> pl.DataFrame:
        """All runs whose results are needed."""
        chosen = self.history if self.choice is None else self.choice.runs
        return _each_once(chosen, self.history, self.reruns)

    def with_last_passes(self, evals: pl.DataFrame) -> Baseline:
        """Read other runs in place of some of the newest ones, as many in all, if they tell more.

        A break that lasts leaves ever fewer passes among the newest runs; with a single one left it
        would look like an eval that was never any good, and with none it would begin anew with each
        run. So up to half of the runs are those around the last passes of evals that hardly pass in
        the newest ones: three that end with the oldest of these passes tell that the evals were
        good, and the first run after each pass since when, and on which version, they are not.

        Args:
            evals: The EVALS frame of the workflow, which says when each eval passed last.
        """
        newest, created = self.history, pl.col("created_at")
        if newest.height < _FEW_RUNS:
            return self
        passed = evals["last_passed_at"]
        lost = passed.filter(passed < newest["created_at"][-_LAST_PASSES]).unique().sort()
        # What was before the page of runs is left to what the saved evals remember.
        before = [(at, self.earlier.filter(created <= at)) for at in lost]
        reached = [at for at, runs in before if runs.height]
        if not reached:
            return self
        ending = [runs.head(_LAST_PASSES) for _, runs in before if runs.height]
        passes = next((each for each in ending if each.height == _LAST_PASSES), ending[0])
        missed = [self.earlier.filter(created > at).tail(1) for at in reversed(reached)]
        telling = _each_once(passes, *missed).head(newest.height // 2)
        chosen = _each_once(telling, newest).head(newest.height)
        return replace(self, history=chosen.sort("created_at", "run_id", descending=True))


def _each_once(*runs: pl.DataFrame) -> pl.DataFrame:
    """All runs of some RUNS frames; of one that is in several, the first row."""
    return pl.concat(runs).unique("run_id", keep="first", maintain_order=True)


def choose_baseline(
    window: RunWindow, candidate: pl.DataFrame, wanted: Runs, history: int
) -> Baseline:
    """Choose what some runs are held against.

    Args:
        window: The runs of the workflow.
        candidate: The RUNS frame of what is checked.
        wanted: As ``baseline`` of :func:`check`.
        history: How many earlier runs to look at, at most.

    Raises:
        NoBaselineError: There is nothing to compare with.
        ConfigError: There is no such run or version.
    """
    window.reach_before(candidate, max(history, 1))
    earlier, reruns = window.earlier(candidate), window.reruns(candidate)
    if isinstance(wanted, str) and wanted == LAST_GOOD:
        if earlier.is_empty() or not history:
            raise NoBaselineError(
                f"baseline={wanted!r}: there is no earlier run of the whole workflow to hold the "
                f"candidate against{'' if history else ', because history=0'}. {window}"
            )
        newest = _choose_newest(window, candidate, earlier, history)
        return Baseline(None, newest, earlier, reruns)
    choice = _choose(window, earlier, wanted)
    known = pl.col("run_id").is_in(choice.runs["run_id"].implode())
    others = earlier.filter(~known)
    return Baseline(choice, _choose_newest(window, candidate, others, history), others, reruns)


def _choose_newest(
    window: RunWindow, candidate: pl.DataFrame, earlier: pl.DataFrame, history: int
) -> pl.DataFrame:
    """The newest of the earlier whole runs, and of the blocks' runs on the candidate's version."""
    runs = pl.concat([earlier, window.on_same_version(candidate)])
    return runs.sort("created_at", "run_id", descending=True).head(history)


def _choose(window: RunWindow, earlier: pl.DataFrame, wanted: Runs) -> Choice:
    if isinstance(wanted, str) and wanted == "published":
        return _choose_published(window)
    if not isinstance(wanted, str) or wanted not in BASELINES:
        return window.find("baseline", wanted)
    completed = earlier.filter(_COMPLETE)
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

    def read(self, runs: pl.DataFrame, progress: Progress | bool | None = False) -> None:
        """Read the results of those runs that are not known yet, several runs at once.

        Args:
            runs: A RUNS frame.
            progress: As for :func:`fetch_results`.
        """
        missing = runs.filter(~pl.col("run_id").is_in(list(self._results)))
        if missing.is_empty():
            return
        with contextlib.closing(choose_progress(progress, "results", "runs")) as bar:
            fetched = list_results(
                self.client,
                RunList.make(missing),
                RESULTS,
                evals=self.evals,
                strict=self.strict,
                progress=bar,
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
        self.read(_each_once(candidate.runs, baseline.runs), progress)
        now = self._of(candidate.runs)
        earlier = add_last_passes(self._of(baseline.history), self.evals, candidate.runs)
        earlier = restrict_scope(earlier, candidate.runs, now)
        before = None
        if baseline.choice is not None:
            before = restrict_scope(self._of(baseline.choice.runs), candidate.runs, now)
        known = earlier if before is None else pl.concat([earlier, before])
        now = add_missing(now, known, candidate.runs, self.evals)
        if baseline.choice is not None and before is not None:
            now = restrict_scope(now, baseline.choice.runs, before)
        judged = check_results(now, "candidate").collect()
        again = check_results(self._of(baseline.reruns), "reruns").collect()
        # Of other code, where a draft was edited since, they say nothing about the candidate.
        reruns, _ = split_reruns(judged, again.join(judged, on="eval_id", how="semi"))
        return Sides(
            candidate=judged,
            baseline=None if before is None else check_results(before, "baseline").collect(),
            history=check_results(earlier, "history").collect(),
            reruns=None if reruns.is_empty() else reruns.select(judged.columns),
            version_diff=self._read_diff(candidate, baseline),
            compared=describe(candidate, baseline, now, before),
            waiting=count_waiting(candidate.runs),
        )

    def _of(self, runs: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([RESULTS.empty(), *(self._results[each] for each in runs["run_id"])])

    def _read_diff(self, candidate: Choice, baseline: Baseline) -> pl.DataFrame | None:
        """The blocks that differ, or None where that is not known; each pair is asked for once."""
        whole = baseline.history.filter(_WHOLE).head(1)
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
    candidate: Choice, baseline: Baseline, now: pl.DataFrame, before: pl.DataFrame | None
) -> str | None:
    """One sentence about what is compared with what, and why; None where each eval has its own."""
    what = f"Compared {label_side(candidate.runs)}, {candidate.why},"
    if baseline.choice is None or before is None:
        return f"{what} with each eval's own last good result"
    with_what = f"with {label_side(baseline.choice.runs)}, {baseline.choice.why}"
    more = baseline.history.height
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
