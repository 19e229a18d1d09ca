"""``settle``: run again what one more result may decide, round by round."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import polars as pl

from retab_analysis.arguments import check_count
from retab_analysis.checks.freshness import (
    find_edited,
    has_freshness,
    say_edited,
    split_reruns,
)
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.compare import compare_sides
from retab_analysis.comparison.comparison import sides_of, suite_of, with_sides
from retab_analysis.comparison.detail import list_evals
from retab_analysis.comparison.reruns import (
    SETTLE_ROUNDS,
    choose_reruns,
    list_undecided,
    mean_reruns,
)
from retab_analysis.comparison.sides import check_results
from retab_analysis.comparison.suite_test import Suite
from retab_analysis.errors import (
    ConfigError,
    NotFoundError,
    ProblemsWarning,
    RetabAnalysisError,
)
from retab_analysis.evidence.reruns import BAD_HOUR_ROUNDS
from retab_analysis.fetch import fetch_results, wait_for_runs
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.lists import read_live_blocks, read_saved
from retab_analysis.fetch.starts import start_each
from retab_analysis.fetch.threads import apart
from retab_analysis.markup import count_noun
from retab_analysis.progress import Progress, announce, choose_progress
from retab_analysis.schema import PROBLEMS, RESULTS, RUNS
from retab_analysis.transport import Client
from retab_analysis.vocabulary import UNLIKELY

_WAIT = 24 * 3600.0

MOST_ERRORS = 10
"""So many isolated errors are run again by themselves."""


def settle(
    comparison: Comparison,
    *,
    max_rounds: int = SETTLE_ROUNDS,
    max_reruns: int | None = None,
    client: Client | None = None,
    progress: Progress | bool | None = None,
) -> Comparison:
    """Run the evals again that one more result may decide, until they are decided.

    In each round every eval that is still undecided is run once, as a run of its own; then
    everything is weighed anew. An eval is left alone where

    * the probability that it got worse is at least 0.95 or at most 0.05; or
    * a rerun more could not change the gate. The gate counts an eval against the candidate where
      that probability is at least 0.5, notes it as a suspect below that, and does not mention it
      once it is at most 0.05 and the eval passed again. Where neither as many passes nor as many
      failures as there are rounds left would bring it from one of these groups to another, its
      reruns are saved. That the gate is red for another eval is not a reason: which evals broke is
      worth knowing. Evals that ended in an error are always run again, because they have no
      verdict. What the gate makes of the suite as a whole is not looked at.

    Errors come first, ten at most; those of an outage are not run again. What runs within half an
    hour is not independent, so that an error is run again once in it, and what failed in what is
    probably a bad hour (the shaky evals of a block failed at once, the solid ones did not) twice:
    it is said what to run again half an hour later.

    ``comparison.reruns`` names what is undecided, and starts nothing. Before the first run is
    started it is said how many there will be in the mean and at most. Runs that were started are
    never cancelled: a comparison that came with an error knows those that it did not wait for, and
    ``settle`` counts them first when it is called with it.

    Args:
        comparison: What :func:`check` or :func:`compare` gives. Its candidate has to be the
            workflow as it is now, because that is what runs.
        max_rounds: How many rounds there are at most.
        max_reruns: How many runs are started at most; None for as many as the rounds need.
        client: What to ask; the default one if not given.
        progress: False for no progress bar; None shows one where there is a notebook or a terminal.
            The bar counts runs that have ended.

    Returns:
        The comparison with the new results on the candidate's side; the same object where nothing
        was to be run again.

    Raises:
        ConfigError: An argument that cannot be used; or the block of an eval, or the eval itself,
            was edited since the candidate ran, so that reruns would say nothing about it. That is
            looked up before each round, and again in the results that came; what counts of those
            is in ``.partial``, the comparison so far.
        RetabAnalysisError: A start, the wait or a read failed; ``.partial`` is the comparison with
            all results that came. Of a start that failed nobody knows whether it happened, so that
            it is not tried again; what was started before it is waited for.
        KeyboardInterrupt: After Ctrl-C, without waiting; ``.partial`` as above.

    Warns:
        ProblemsWarning: Evals that were deleted meanwhile, and could not be run again.

    Example:
        >>> verdict = ra.settle(ra.check("wf_claims"), max_reruns=6)
        >>> verdict.reruns.columns
        ['eval_name', 'p_regressed', 'reruns_to_clear', 'reruns_to_confirm', 'eval_id']
    """
    if not isinstance(comparison, Comparison):
        raise ConfigError(
            f"comparison: expected what check or compare gives, got {type(comparison).__name__}"
        )
    rounds = check_count("max_rounds", max_rounds)
    most = sys.maxsize if max_reruns is None else check_count("max_reruns", max_reruns)
    chosen = client_or_default(client)
    return settle_others(comparison, (), rounds, most, client=chosen, progress=progress)


def settle_others(
    comparison: Comparison,
    set_aside: Collection[str],
    rounds: int = SETTLE_ROUNDS,
    most: int = sys.maxsize,
    *,
    client: Client,
    progress: Progress | bool | None,
    only_errors: bool = False,
) -> Comparison:
    """Settle a comparison, but for evals that stop nothing, come what may (``set_aside``).

    ``only_errors`` runs isolated errors again once, and nothing else.
    """
    bar = choose_progress(progress, "Running again", "runs")
    if only_errors:
        rounds, most = 1, MOST_ERRORS
    with contextlib.closing(bar):
        return _Settling(comparison, client, rounds, most, bar, set_aside, only_errors).run()


@dataclass(frozen=True, eq=False)
class RerunPlan:
    """What :func:`settle` is about to do; as a text, the sentence that says so.

    ``asked`` is what is run again in the first round; ``gone`` counts evals that cannot be run.
    """

    suite: Suite
    asked: pl.DataFrame
    rounds: int
    allowed: int
    gone: int = 0
    now: datetime | None = None

    @classmethod
    def make(
        cls,
        comparison: Comparison,
        rounds: int,
        allowed: int = sys.maxsize,
        *,
        now: datetime | None,
        set_aside: Collection[str] = (),
    ) -> RerunPlan:
        """The plan as far as the comparison tells, before the API is asked."""
        suite = suite_of(comparison).without(set_aside)
        errors, others = _split_errors(suite, choose_reruns(suite, rounds, now))
        asked = pl.concat([errors.head(MOST_ERRORS), others]).head(allowed)
        return cls(suite, asked, rounds, allowed, now=now)

    @property
    def mean(self) -> int:
        """How many runs will be started in the mean."""
        expected = mean_reruns(self.suite, self.rounds, self.asked["eval_id"], self.now)
        return min(round(expected), self.most)

    @property
    def most(self) -> int:
        """How many runs will be started at most."""
        in_bad_hour = self.asked.filter("in_bad_hour").height
        fewer = in_bad_hour * max(self.rounds - BAD_HOUR_ROUNDS, 0)
        return min(self.allowed, self.asked.height * self.rounds - fewer)

    def __str__(self) -> str:
        if self.asked.is_empty():
            later = _say_later(self.suite, self.rounds, self.now)
            return later or f"Nothing to run again: {self._why_nothing()}."
        evals, runs = count_noun(self.asked.height, "undecided eval"), count_noun(self.mean, "run")
        return f"Running {evals} again: about {runs}, at most {self.most}.{self.say_hour()}"

    def say_hour(self) -> str:
        """That some of the evals failed in what is probably a bad hour; empty where none did."""
        if not self.asked["in_bad_hour"].any():
            return ""
        return f" Probably a bad hour: {BAD_HOUR_ROUNDS} rounds now, more half an hour later."

    def _why_nothing(self) -> str:
        again, p = list_undecided(self.suite), pl.col("p_regressed")
        if again.is_empty():
            return "no eval that counts is undecided"
        unlikely = again.filter(p <= UNLIKELY).height
        if unlikely == again.height:
            suspects = count_noun(unlikely, "suspect")
            return f"{suspects} probably did not get worse (p at most {UNLIKELY})"
        undecided = count_noun(again.height - unlikely, "undecided eval")
        chosen = choose_reruns(self.suite, self.rounds, self.now)
        if not self.rounds or (chosen.height and not self.gone):
            return f"no rerun was asked for, with {undecided}"
        if chosen.height:
            return f"{undecided} cannot be run any more"
        reruns = count_noun(self.rounds, "rerun")
        return f"{reruns} could not change what the gate says of {undecided}"


def _say_later(suite: Suite, rounds: int, now: datetime | None) -> str:
    """That undecided evals should be run again half an hour later; empty for none."""
    again, chosen = choose_reruns(suite, rounds), choose_reruns(suite, rounds, now)
    later = again.join(chosen, on="eval_id", how="anti")
    if later.is_empty():
        return ""
    bad = ": probably a bad hour" if later["in_bad_hour"].any() else ""
    return f"Run {count_noun(later.height, 'undecided eval')} again half an hour later{bad}."


def _split_errors(suite: Suite, chosen: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Those that ended in an error, and the others."""
    is_error = pl.col("eval_id").is_in(sorted(_list_errored(suite)))
    return chosen.filter(is_error), chosen.filter(~is_error)


@dataclass
class _Settling:
    """A comparison that is being settled, with all results that were counted so far.

    ``waiting`` is a RUNS frame of what was started and is not counted yet; ``gone`` has the evals
    that cannot be run any more, and what the API said; an eval in ``retried`` ended in an error and
    is not run again. ``now`` is the API's time when this began, or that of the first start.
    """

    comparison: Comparison
    client: Client
    rounds: int
    most: int
    bar: Progress
    set_aside: Collection[str]
    only_errors: bool
    started: int = 0
    ended: int = 0
    total: int = 0
    waiting: pl.DataFrame = field(default_factory=RUNS.empty)
    gone: dict[str, str] = field(default_factory=dict)
    retried: set[str] = field(default_factory=set)
    now: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.now = self.client.api_time

    def run(self) -> Comparison:
        """Go on until all is decided, or the rounds or the reruns are used up."""
        try:
            self._count_earlier()
            asked = self._choose(self.rounds)
            gone = len(self.gone)
            plan = RerunPlan(self._suite(), asked, self.rounds, self.most, gone, self.now)
            self.most = plan.most
            if self.only_errors and asked.is_empty():
                return self.comparison
            self._announce(apart(partial(str, plan)), self.most, starts=not asked.is_empty())
            for left in range(self.rounds - 1, -1, -1):
                if asked.is_empty():
                    break
                self._start(asked)
                self._count()
                asked = self._choose(left)
            later = "" if self.only_errors else _say_later(self._suite(), self.rounds, self.now)
            if self.started and later:
                self._announce(later, 0)
        except (RetabAnalysisError, KeyboardInterrupt) as error:
            error.partial = self._so_far()  # type: ignore[union-attr]
            raise
        finally:
            self._warn_of_gone()
        return self.comparison

    def _count_earlier(self) -> None:
        """Count what an earlier call started and did not wait for."""
        earlier = sides_of(self.comparison).started
        if earlier is not None:
            self.comparison = with_sides(self.comparison, started=None)
            self.waiting = earlier
            runs = count_noun(earlier.height, "run")
            self._announce(f"Waiting for {runs} that an earlier call started.", earlier.height)
            self._count()

    def _suite(self) -> Suite:
        return suite_of(self.comparison).without(self.set_aside)

    def _announce(self, line: str, more: int, *, starts: bool = False) -> None:
        """Say what comes now, and that there will be at most so many more runs."""
        self.total = self.ended + more
        announce(self.bar, line, self.ended, self.total, starts=starts)

    def _choose(self, left: int) -> pl.DataFrame:
        """The evals to run again now, still saved; a ConfigError where one was edited since."""
        suite = self._suite()
        undecided = apart(partial(choose_reruns, suite, left, self.now))
        undecided = undecided.filter(~pl.col("eval_id").is_in([*self.gone]))
        errors, others = _split_errors(suite, undecided)
        errors = errors.filter(~pl.col("eval_id").is_in([*self.retried]))
        errors = errors.head(MOST_ERRORS - len(self.retried))
        chosen = errors if self.only_errors else pl.concat([errors, others])
        chosen = chosen.head(self.most - self.started)
        if chosen.is_empty():
            return chosen
        saved = read_saved(self.client, _workflow_of(self.comparison))
        there = [*saved.frame["eval_id"], *(each.record_id for each in saved.problems)]
        is_there = pl.col("eval_id").is_in([each for each in there if each is not None])
        for eval_id in chosen.filter(~is_there)["eval_id"]:
            self.gone[eval_id] = "the workflow has no such saved eval any more"
        asked = chosen.filter(is_there)
        self._refuse_edited(saved.frame.join(asked, on="eval_id", how="semi"))
        return asked

    def _refuse_edited(self, saved: pl.DataFrame) -> None:
        candidate = sides_of(self.comparison).candidate
        blocks = None
        if saved.select((~has_freshness()).any()).item():
            blocks = read_live_blocks(self.client, _workflow_of(self.comparison))
        edited = find_edited(candidate, saved, blocks)
        if edited.height:
            first = f" after the first {count_noun(self.started, 'run')}, which count"
            raise ConfigError(
                f"{say_edited(edited)}: a rerun would say nothing about the candidate, so that "
                f"none was started{first if self.started else ''}; check a run of the workflow as "
                "it is now"
            )

    def _start(self, asked: pl.DataFrame) -> None:
        """Start a run for each eval; where one fails, those before it are waited for, and count."""
        workflow_id = _workflow_of(self.comparison)
        self.retried |= _list_errored(self._suite()) & {*asked["eval_id"]}
        for eval_id in asked["eval_id"]:
            scope = {"type": "single", "eval_id": eval_id}
            try:
                run = start_each(self.client, workflow_id, [scope])
            except NotFoundError as error:
                self.gone[eval_id] = str(error)
            except RetabAnalysisError:
                self._count()
                raise
            else:
                self.waiting = pl.concat([self.waiting, run])
                if not self.started:
                    self.now = run["created_at"].item() or self.now
                self.started += 1

    def _count(self) -> None:
        """Wait for what was started, and weigh everything anew with its results.

        It is a ConfigError where some are of other code; the others count.
        """
        results = self._collect(self.waiting)
        counted, edited = apart(partial(_count_results, self.comparison, results))
        ended, nothing = self.ended + self.waiting.height, RUNS.empty()
        # At once: what is neither waited for nor counted would be lost to a Ctrl-C between them.
        self.comparison, self.ended, self.waiting = counted, ended, nothing
        if edited.height:
            raise ConfigError(
                f"{say_edited(edited)}: {count_noun(edited.height, 'rerun')} ran other code, or "
                "asserted something else, and cannot be counted; check a run of the workflow as "
                "it is now"
            )

    def _collect(self, runs: pl.DataFrame) -> pl.DataFrame:
        """The results of some runs once they have ended; without those that are not there."""
        if runs.is_empty():
            return RESULTS.empty()
        try:
            ended = wait_for_runs(runs, timeout=_WAIT, on_poll=self._show, client=self.client)
            return fetch_results(ended, evals=False, client=self.client, progress=False)
        except NotFoundError as error:
            # With a saved eval its runs are deleted. The others are read one by one.
            if runs.height > 1:
                return pl.concat([self._collect(each) for each in runs.iter_slices(1)])
            self.gone[runs["eval_id"].item()] = str(error)
            return RESULTS.empty()

    def _show(self, runs: pl.DataFrame) -> None:
        self.bar.update(self.ended + runs.filter("is_terminal").height, self.total)

    def _so_far(self) -> Comparison:
        """The comparison, which knows what was started and not counted."""
        if self.waiting.is_empty():
            return self.comparison
        return with_sides(self.comparison, started=self.waiting)

    def _warn_of_gone(self) -> None:
        if not self.gone:
            return
        evals = self.comparison.evals.filter(pl.col("eval_id").is_in([*self.gone]))
        rows = [(eval_id, "$", reason, "") for eval_id, reason in self.gone.items()]
        problems = pl.DataFrame(rows, schema=PROBLEMS, orient="row")
        warnings.warn(
            ProblemsWarning(
                f"{count_noun(len(rows), 'eval')} could not be run again, see .problems: "
                f"{list_evals(evals)}",
                problems,
            ),
            stacklevel=5,  # the line that called settle
        )


def _count_results(
    comparison: Comparison, results: pl.DataFrame
) -> tuple[Comparison, pl.DataFrame]:
    """The comparison with the results of reruns, and those that are of other code."""
    sides = sides_of(comparison)
    named = _with_names(results, sides.candidate)
    new = check_results(named, "reruns").collect().select(sides.candidate.columns)
    same, edited = split_reruns(sides.candidate, new)
    if same.is_empty():
        return comparison, edited
    runs = sides.runs
    if runs is not None:
        single = same.select("run_id", scope=pl.lit("eval")).unique("run_id")
        runs = pl.concat([runs, single])
    grown = replace(sides, candidate=pl.concat([sides.candidate, same]), runs=runs)
    return compare_sides(grown, comparison.alpha, comparison.margin), edited


def _list_errored(suite: Suite) -> set[str]:
    """The evals that ended in an error now."""
    return {*suite.evals.filter(transition="newly_errored")["eval_id"]}


def _workflow_of(comparison: Comparison) -> str:
    found = sides_of(comparison).candidate["workflow_id"].drop_nulls().unique()
    if len(found) != 1:
        raise ConfigError("the comparison's results do not say which workflow they are of")
    workflow: str = found.item()
    return workflow


def _with_names(results: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The reruns with the names and conditions that the candidate's results have.

    Where a rerun does not say its documents, because it ended in an error, it has them as well.
    """
    named, inherited = ("eval_name", "condition"), ("document_names", "document_ids")
    names = known.group_by("eval_id").agg(
        *(pl.col(name).drop_nulls().last() for name in named),
        *(pl.col(name).filter(pl.col(name).list.len() > 0).last() for name in inherited),
    )
    joined = results.drop(named).join(names, on="eval_id", how="left", suffix="_known")
    own = [
        pl.when(pl.col(name).list.len() > 0).then(name).otherwise(f"{name}_known").alias(name)
        for name in inherited
    ]
    return joined.with_columns(own).select(results.columns)
