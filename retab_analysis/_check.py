"""``check``: fetch what is needed, and say whether the newest run broke anything."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from retab_analysis.comparison import Comparison
from retab_analysis.comparison.compare import compare_sides
from retab_analysis.comparison.wording import counted, label
from retab_analysis.errors import ConfigError, InvalidRequestError, NotFoundError
from retab_analysis.fetch import fetch_evals, fetch_results, fetch_run, fetch_runs
from retab_analysis.fetch import fetch_version_diff as fetch_diff
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.params import RunList, Runs, check_count
from retab_analysis.progress import Progress
from retab_analysis.transport import Client

_WINDOW = 100  # one page of runs, in one request
_FLIPPED = ("regressed", "newly_blocked", "newly_errored", "fixed")
_WHOLE = pl.col("scope") == "workflow"
_COMPLETE = _WHOLE & (pl.col("status") == "completed")


def check(
    workflow_id: str,
    *,
    candidate: Runs | None = None,
    baseline: Runs = "last_ok",
    history: int = 20,
    alpha: float = 0.05,
    client: Client | None = None,
    progress: Progress | bool | None = None,
) -> Comparison:
    """Compare a run with the last good one, and with what came before; fetches all that it needs.

    Earlier runs are read only where an eval flipped, to tell flaky from broken.

    Args:
        workflow_id: The workflow.
        candidate: What to check: a run's id, a version (its newest run), several ids or a RUNS
            frame. None for the newest run of the whole workflow that has ended.
        baseline: What to compare with: ``"last_ok"``, the newest run before it in which every
            eval passed (where there is none among the runs looked at, the newest that completed);
            ``"previous"``, the newest that completed; or a run or version, as for ``candidate``.
        history: How many earlier runs to read at most.
        alpha: As for :func:`compare`.
        client: What to ask; the default one if not given.
        progress: As for :func:`fetch_results`.

    Returns:
        The comparison; its ``explain()`` says what was compared with what, and why. Where the
        runs of one side are of a block or of single evals only, the other side is cut to those.

    Raises:
        ConfigError: There is no such run or version (the message lists what there is), no run to
            check, nothing to compare it with, or another argument cannot be used.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.
    """
    if check_count("history", history) is None:
        raise ConfigError("history must be a whole number of at least 0, got None")
    client = client_or_default(client)
    window = _Window.newest(client, workflow_id)
    now = _candidate(window, candidate)
    before = _baseline(window, baseline, now)
    evals = fetch_evals(workflow_id, client=client, progress=False)

    def results_of(runs: pl.DataFrame) -> pl.DataFrame:
        return fetch_results(runs, evals=evals, client=client, progress=progress)

    both = results_of(pl.concat([now.runs, before.runs]).unique("run_id", maintain_order=True))
    sides = _Sides.make(both, before, now, _version_diff(client, workflow_id, before, now))
    first = sides.compare(None, alpha)
    earlier = window.earlier(now.runs, but=before.runs).head(history)
    if earlier.is_empty() or not first.evals["transition"].is_in(_FLIPPED).any():
        return first
    return sides.compare(results_of(earlier), alpha)


def find_baseline(
    workflow_id: str, runs: pl.DataFrame, wanted: Runs, *, client: Client
) -> pl.DataFrame:
    """The runs that some runs are to be compared with; shows no progress.

    Args:
        workflow_id: The workflow.
        runs: The RUNS frame of what is checked.
        wanted: As ``baseline`` of :func:`check`.
        client: What to ask.

    Raises:
        ConfigError: There is nothing to compare with.
    """
    return _baseline(_Window.newest(client, workflow_id), wanted, _Chosen(runs, "as given")).runs


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Some runs, and why these."""

    runs: pl.DataFrame
    why: str


@dataclass(slots=True)
class _Window:
    """The newest runs of a workflow; older ones are read where they are asked for."""

    client: Client
    workflow_id: str
    runs: pl.DataFrame

    @classmethod
    def newest(cls, client: Client, workflow_id: str) -> _Window:
        """One page of runs."""
        runs = fetch_runs(workflow_id, limit=_WINDOW, client=client, progress=False)
        return cls(client, workflow_id, runs)

    def earlier(self, than: pl.DataFrame, but: pl.DataFrame | None = None) -> pl.DataFrame:
        """The whole-workflow runs that completed before some runs, the newest first."""
        start = than["created_at"].min()
        left_out = than["run_id"] if but is None else pl.concat([than["run_id"], but["run_id"]])
        known = pl.col("run_id").is_in(left_out.implode())
        return self.runs.filter(_COMPLETE, pl.col("created_at") < start, ~known)

    def reach(self, than: pl.DataFrame) -> None:
        """Read the runs before some runs, where the window ends too soon."""
        if self.runs.height >= _WINDOW and self.earlier(than).is_empty():
            moment = than.select(pl.col("created_at").min()).item()
            older = fetch_runs(
                self.workflow_id,
                to_date=moment,
                limit=_WINDOW,
                client=self.client,
                progress=False,
            )
            self.add(older)

    def add(self, runs: pl.DataFrame) -> None:
        """Take in further runs."""
        merged = pl.concat([self.runs, runs]).unique("run_id", keep="first")
        self.runs = merged.sort("created_at", "run_id", descending=True)

    def find(self, name: str, wanted: Runs) -> _Chosen:
        """The runs that an argument names.

        Raises:
            ConfigError: There are none, or they are of another workflow.
        """
        if isinstance(wanted, str):
            return self._version(wanted) or self._run(name, wanted)
        listed = RunList.make(wanted, name)
        if not listed.ids:
            raise ConfigError(f"{name} names no run")
        if listed.known is not None and listed.known.columns == self.runs.columns:
            return _Chosen(self._own(name, listed.known), "as given")
        found = [self._run(name, run_id).runs for run_id in listed.ids]
        return _Chosen(pl.concat(found), "as given")

    def _version(self, wanted: str) -> _Chosen | None:
        runs = self.runs.filter(_WHOLE, "is_terminal", pl.col("workflow_version_id") == wanted)
        completed = runs.filter(_COMPLETE)
        newest = (runs if completed.is_empty() else completed).head(1)
        return None if newest.is_empty() else _Chosen(newest, "the newest run of that version")

    def _run(self, name: str, run_id: str) -> _Chosen:
        known = self.runs.filter(pl.col("run_id") == run_id)
        if known.is_empty():
            try:
                known = fetch_run(run_id, client=self.client)
            except NotFoundError:
                return self._older_version(name, run_id)
        return _Chosen(self._own(name, known), "as given")

    def _older_version(self, name: str, wanted: str) -> _Chosen:
        if self.runs.height >= _WINDOW:
            self.add(fetch_runs(self.workflow_id, client=self.client, progress=False))
        found = self._version(wanted)
        if found is None:
            raise ConfigError(f"{name}={wanted!r} is no run or version of this workflow. {self}")
        return found

    def _own(self, name: str, runs: pl.DataFrame) -> pl.DataFrame:
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


def _candidate(window: _Window, wanted: Runs | None) -> _Chosen:
    if wanted is not None:
        return window.find("candidate", wanted)
    ended = window.runs.filter(_WHOLE, "is_terminal").head(1)
    if ended.is_empty():
        if window.runs.is_empty():
            where = "fetch_workflows lists those that there are"
            raise ConfigError(f"workflow {window.workflow_id} has no run; is that its id? {where}")
        raise ConfigError(
            f"no run of the whole workflow {window.workflow_id} has ended among the "
            f"{window.runs.height} newest; start one with start_runs, or name a candidate"
        )
    return _Chosen(ended, "the newest run of the whole workflow that has ended")


def _baseline(window: _Window, wanted: Runs, now: _Chosen) -> _Chosen:
    if not isinstance(wanted, str) or wanted not in ("last_ok", "previous"):
        return window.find("baseline", wanted)
    window.reach(now.runs)
    earlier = window.earlier(now.runs)
    if earlier.is_empty():
        raise ConfigError(
            f"baseline={wanted!r}: no run of the whole workflow completed before the candidate. "
            f"{window}"
        )
    good = earlier.filter(pl.col("ok").fill_null(False)).head(1)
    if wanted == "last_ok" and good.height:
        return _Chosen(good, "the newest run before it in which every eval passed")
    why = "the newest run that completed before it"
    if wanted == "last_ok":
        why += ", for in none of the runs looked at did every eval pass"
    return _Chosen(earlier.head(1), why)


def _version_diff(
    client: Client, workflow_id: str, before: _Chosen, now: _Chosen
) -> pl.DataFrame | None:
    """The blocks that differ, or None where there is no telling.

    A draft keeps its version's name while it is edited, so that the same name on both sides does
    not mean that nothing changed; the blocks' fingerprints say it then.
    """
    versions = [side.runs["workflow_version_id"].unique().to_list() for side in (before, now)]
    (old, *more), (new, *others) = versions
    if more or others or old is None or new is None or old == new:
        return None
    try:
        return fetch_diff(workflow_id, old, new, client=client)
    except (NotFoundError, InvalidRequestError) as error:
        if error.status_code not in (404, 422):
            raise
        return None


@dataclass(frozen=True, slots=True)
class _Sides:
    """The results of both sides, over the same evals where one of them did not run all."""

    baseline: pl.DataFrame
    candidate: pl.DataFrame
    diff: pl.DataFrame | None
    story: str

    @classmethod
    def make(
        cls, results: pl.DataFrame, before: _Chosen, now: _Chosen, diff: pl.DataFrame | None
    ) -> _Sides:
        old, new = (
            results.filter(pl.col("run_id").is_in(side.runs["run_id"].implode()))
            for side in (before, now)
        )
        story = f"Compared {label(now.runs)}, {now.why}, with {label(before.runs)}, {before.why}"
        old_cut, new_cut = _cut(old, now.runs, new), _cut(new, before.runs, old)
        return cls(old_cut, new_cut, diff, story)

    def compare(self, history: pl.DataFrame | None, alpha: float) -> Comparison:
        """The comparison, with a sentence about how it came about."""
        story = self.story
        if history is not None:
            runs = history["run_id"].n_unique()
            story += f", in the light of {counted(runs, 'earlier run')}"
        return compare_sides(
            self.baseline,
            self.candidate,
            history=history,
            version_diff=self.diff,
            alpha=alpha,
            compared=f"{story}.",
        )


def _cut(results: pl.DataFrame, other_runs: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """The results that the other side could have had: of its blocks and of its evals."""
    if other_runs.select(_WHOLE.any()).item():
        return results
    blocks = other_runs.filter(pl.col("scope") == "block")["target_block_id"].implode()
    evals = other["eval_id"].implode()
    return results.filter(
        pl.col("block_id").is_in(blocks).fill_null(False) | pl.col("eval_id").is_in(evals)
    )
