"""``settle``: rerun the evals that one more result may decide, once."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import polars as pl

from retab_analysis.arguments import check_count
from retab_analysis.checks.read import read_timeline
from retab_analysis.checks.source import Source
from retab_analysis.comparison.compare import compare_sides
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.detail import (
    FLAKY,
    UNCLEAR,
    list_evals,
    name_block,
    name_eval,
    say_doubt,
    say_word,
)
from retab_analysis.comparison.reruns import SETTLE_ROUNDS, find_next_look, list_reruns
from retab_analysis.comparison.sides import Sides, check_results
from retab_analysis.errors import (
    ConfigError,
    NotFoundError,
    ProblemsWarning,
    RetabAnalysisError,
    list_some,
)
from retab_analysis.evidence.comparable import CANDIDATE, put_on_side
from retab_analysis.evidence.saved_evals import find_tested
from retab_analysis.evidence.story import Story
from retab_analysis.evidence.timeline import CODE, mark_codes
from retab_analysis.fetch import fetch_results, wait_for_runs
from retab_analysis.fetch.params import client_or_default
from retab_analysis.fetch.run_line import say_hour
from retab_analysis.fetch.starts import start_each
from retab_analysis.fetch.threads import apart
from retab_analysis.markup import count_noun, one_line
from retab_analysis.progress import Progress, announce, show_progress
from retab_analysis.schema import PROBLEMS, RESULTS, RUNS
from retab_analysis.transport import Client
from retab_analysis.vocabulary import MOMENT, SAME_EVAL

_WAIT = 24 * 3600.0

_NAMED = 12
MOST_ERRORS = 10
"""How many isolated errors are run again on their own."""


def settle(
    comparison: Comparison,
    *,
    max_rounds: int = SETTLE_ROUNDS,
    max_reruns: int | None = None,
    client: Client | None = None,
    progress: Progress | bool | None = None,
) -> Comparison:
    """Rerun the evals that a further result may decide.

    ``settle`` starts one run for each of them, and then judges all evals anew. A model repeats
    its output for a while: a rerun within three hours after the run can clear an eval, but cannot
    confirm that it broke. At the end ``settle`` prints one word about each eval: it passes, it
    broke, it is flaky, or the time of the next look. The next call of ``settle`` is that look;
    before that time, it starts nothing.

    An eval is worth a rerun if it is unclear, or broken with a probability below 0.95, and the
    reruns that are left can decide it. They decide it if so many passes would clear it, or so many
    failures would take it across 0.8 (0.5 if an edit broke it). ``settle`` also reruns isolated
    errors once, at most ten; not the errors of an outage. ``comparison.reruns`` lists all of these,
    accepted ones too. ``settle`` does not run accepted evals.

    ``settle`` never cancels a run that it started. If an error ends it early, the comparison in
    ``.partial`` knows the unfinished runs: call ``settle`` with it, and it counts them first.

    Args:
        comparison: A comparison from :func:`check` or :func:`compare`. Its candidate has to be the
            workflow as it is now, because the API runs the present workflow.
        max_rounds: How often an eval is run again at most, earlier calls included.
        max_reruns: How many runs to start at most; by default as many as the rounds need.
        client: The client to ask; by default the session's.
        progress: False for no progress bar; by default a notebook or a terminal shows one. The bar
            counts runs that have ended.

    Returns:
        The comparison with the new results on the candidate's side; the same object if there was
        nothing to rerun.

    Raises:
        ConfigError: An argument cannot be used. Or an eval, or its block, was edited since the
            candidate ran: reruns would say nothing about it. ``settle`` checks that before it
            starts runs, and again in the results. ``.partial`` is the comparison so far, with the
            results that count.
        RetabAnalysisError: A start, the wait or a read failed. ``.partial`` is the comparison with
            all results that came. A failed start may have happened, so ``settle`` does not try it
            again; it waits for the runs that it started before.
        KeyboardInterrupt: After Ctrl-C, without waiting; ``.partial`` as above.

    Warns:
        ProblemsWarning: Evals were deleted meanwhile, and could not be run again.

    Example:
        >>> verdict = ra.settle(ra.check("wf_claims"), max_reruns=6)
        >>> verdict.reruns.columns
        ['eval_name', 'p_regressed', 'reruns_to_clear', 'reruns_to_confirm', 'eval_id']
    """
    if not isinstance(comparison, Comparison):
        raise ConfigError(
            f"comparison: expected a comparison from ra.check(…), got {type(comparison).__name__}"
        )
    if others := inside(comparison).sides.read.others:
        raise ConfigError(
            f"settle runs the draft, and the verdict is about {inside(comparison).facts().version}:"
            f" its code of {list_some(others, 3)} is not known to be the draft's. Settle "
            'ra.check(…) without candidate=, or with candidate="draft"'
        )
    rounds = check_count("max_rounds", max_rounds)
    most = sys.maxsize if max_reruns is None else check_count("max_reruns", max_reruns)
    chosen = client_or_default(client)
    return run_again(comparison, rounds, most, client=chosen, progress=progress)


def run_again(
    comparison: Comparison,
    rounds: int = SETTLE_ROUNDS,
    most: int = sys.maxsize,
    *,
    client: Client,
    progress: Progress | bool | None,
    only_errors: bool = False,
) -> Comparison:
    """Settle a comparison; ``only_errors``: only rerun isolated errors once."""
    with show_progress(progress, "Running again", "runs") as bar:
        return _Settling(comparison, client, rounds, most, bar, only_errors).run()


@dataclass(frozen=True, eq=False)
class RerunPlan:
    """The next step of :func:`settle`; as a text, a sentence.

    ``stories`` are the evals that count, ``asked`` those to rerun now; ``gone`` counts evals that
    cannot run. Whether others ``are_some_tested`` now is said where nothing is left to rerun.
    """

    stories: Sequence[Story]
    asked: Sequence[Story]
    rounds: int
    now: datetime
    gone: int = 0
    are_some_tested: bool = False

    @classmethod
    def make(
        cls, comparison: Comparison, rounds: int, allowed: int = sys.maxsize, *, now: datetime
    ) -> RerunPlan:
        """The plan from the comparison alone, before asking the API."""
        stories = () if inside(comparison).sides.read.others else _list_counting(comparison)
        asked = _choose_now(stories, rounds, now)[:allowed]
        on_way = bool(inside(comparison).sides.saved.on_way)
        return cls(stories, asked, rounds, now, are_some_tested=on_way)

    def __str__(self) -> str:
        if not self.asked:
            later = self.say_later()
            return later or f"Nothing to run again: {self._why_nothing()}."
        return f"Running {count_noun(len(self.asked), 'undecided eval')} again, once."

    def say_later(self) -> str:
        """The time of the next look that can decide, in words; empty if nothing waits."""
        waiting, until = find_next_look(self.stories, self.rounds, self.now)
        if until is None:
            return ""
        verb = "is" if waiting == 1 else "are"
        evals = count_noun(waiting, "eval")
        return f"{evals} {verb} {UNCLEAR}; a look after {say_hour(until, self.now)} UTC may decide."

    def _why_nothing(self) -> str:
        undecided = sum(each.is_undecided for each in self.stories)
        if not undecided:
            untested = " and that no run tests now" * self.are_some_tested
            return f"no eval that counts{untested} is undecided"
        evals = count_noun(undecided, "undecided eval")
        if not self.rounds:
            return f"no rerun was asked for, with {evals}"
        if self.gone:
            return f"{evals} cannot be run any more"
        reruns = count_noun(self.rounds, "rerun")
        return f"{reruns} could not change the verdict on {evals}"


def _say_outcome(story: Story, now: datetime) -> str:
    if story.is_undecided:
        at = story.reading.row_ends_at
        later = "" if at is None else f": look again after {say_hour(at, now)} UTC"
        return f"is not decided by reruns{later}"
    passes = story.transition != "flaky" and story.passes_in_the_end
    words = {"flaky": f"is {FLAKY}", "still_failing": "fails as before"}
    return "passes" if passes else words.get(story.transition, say_doubt(story) or say_word(story))


def _list_counting(comparison: Comparison) -> Sequence[Story]:
    """The evals without the accepted ones, and without those that a run tests now."""
    accepted, compared = comparison.gate().accepted, inside(comparison)
    counted = [each for each in compared.stories if each.id not in accepted]
    return compared.sides.saved.leave_out_tested(counted)


def _choose_now(
    stories: Sequence[Story],
    rounds: int,
    now: datetime,
    gone: Collection[str] = (),
    *,
    only_errors: bool = False,
) -> list[Story]:
    """The evals that can run again now and are not ``gone``: isolated errors before the others."""
    worth = [each for each in list_reruns(stories, rounds, now) if each.id not in gone]
    errors = [each for each in worth if each.transition == "newly_errored"][:MOST_ERRORS]
    others = [each for each in worth if each.transition != "newly_errored"]
    return errors if only_errors else [*errors, *others]


@dataclass
class _Settling:
    """A comparison in the course of settling, with all results counted so far.

    ``waiting`` is a RUNS frame of started runs that are not counted yet. ``gone`` has the evals
    that cannot run any more, with the API's message.
    """

    comparison: Comparison
    client: Client
    rounds: int
    most: int
    bar: Progress
    only_errors: bool
    ended: int = 0
    total: int = 0
    asked: set[str] = field(default_factory=set)
    waiting: pl.DataFrame = field(default_factory=RUNS.empty)
    gone: dict[str, str] = field(default_factory=dict)

    def run(self) -> Comparison:
        try:
            self._count_earlier()
            asked = self._choose()
            if asked or not self.only_errors:
                stories, now = _list_counting(self.comparison), self.client.api_time
                on_way = bool(inside(self.comparison).sides.saved.on_way)
                plan = RerunPlan(stories, asked, self.rounds, now, len(self.gone), on_way)
                self._announce(str(plan), len(asked))
            if asked:
                self._start(asked)
                self._count()
            if self.asked and not self.only_errors:
                self._announce(self._say_outcomes(), 0)
        except (RetabAnalysisError, KeyboardInterrupt) as error:
            error.partial = self._so_far()  # type: ignore[union-attr]
            raise
        finally:
            self._warn_of_gone()
        return self.comparison

    def _count_earlier(self) -> None:
        earlier = inside(self.comparison).sides.started
        if earlier is not None:
            self.comparison = Comparison(inside(self.comparison).with_sides(started=None))
            self.waiting = earlier
            runs = count_noun(earlier.height, "run")
            self._announce(f"Waiting for {runs} that an earlier call started.", earlier.height)
            self._count()

    def _announce(self, line: str, more: int) -> None:
        """Announce the next step, and add its runs to the progress bar."""
        self.total = self.ended + more
        announce(self.bar, line, self.ended, self.total)

    def _say_outcomes(self) -> str:
        now = self.client.api_time
        its = [each for each in _list_counting(self.comparison) if each.id in self.asked]
        said = [f"{name_eval(each)} {_say_outcome(each, now)}" for each in its[:_NAMED]]
        more = len(its) - len(said)
        return f"{'; '.join([*said, *([f'and {more} more'] if more else [])])}."

    def _choose(self) -> list[Story]:
        """The evals to rerun now that are still saved; a ConfigError if one was edited since."""
        stories, now = _list_counting(self.comparison), self.client.api_time
        worth = _choose_now(stories, self.rounds, now, self.gone, only_errors=self.only_errors)
        if not (chosen := worth[: self.most]):
            return []
        source = Source(self.client, _workflow_of(self.comparison))
        there = {*source.saved["eval_id"]}
        for each in chosen:
            if each.id not in there:
                self.gone[each.id] = "the workflow has no such saved eval any more"
        asked = [each for each in chosen if each.id in there]
        self._refuse_edited(asked, source)
        return asked

    def _refuse_edited(self, asked: Sequence[Story], source: Source) -> None:
        """Refuse evals whose results are not of the workflow as it is now."""
        sides = inside(self.comparison).sides
        told = read_timeline(sides.results, source)
        is_now = pl.col("run_id").is_in(sides.candidate["run_id"].implode())
        ran = told.results.filter(is_now)
        on_code = {*ran.filter(pl.col("on_code").is_in(("is_now", "unknown")))["eval_id"]}
        tested = find_tested(ran) | find_tested(ran, "unknown")
        edited = {
            each.id: "eval" if each.id in on_code else "block"
            for each in asked
            if each.id not in tested
        }
        self._refuse(edited, "a rerun would say nothing about the candidate, so none was started")

    def _refuse(self, edited: Mapping[str, str], why: str) -> None:
        """``edited`` has what was edited of some evals: their ``block`` or the ``eval``."""
        if not edited:
            return
        stories = inside(self.comparison).stories
        blocks = [each for each in stories if edited.get(each.id) == "block"]
        evals = [each for each in stories if edited.get(each.id) == "eval"]
        names = (
            dict.fromkeys(name_block(each) or "a block" for each in blocks),
            map(name_eval, evals),
        )
        said = (list_some(map(one_line, each), 3) for each in names)
        kinds = zip(("block", "the inputs or the assertion of eval"), said, strict=True)
        what = "; ".join(f"{kind} {each}" for kind, each in kinds if each)
        raise ConfigError(
            f"the workflow was edited since the candidate ran ({what}): {why}; check a run of the "
            "workflow as it is now"
        )

    def _start(self, asked: Sequence[Story]) -> None:
        """Start a run for each eval; if a start fails, count the runs before it."""
        workflow_id = _workflow_of(self.comparison)
        for eval_id in (each.id for each in asked):
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
                self.asked.add(eval_id)

    def _count(self) -> None:
        """Wait for the started runs, and judge all evals anew with their results.

        If some are of other code, it raises a ConfigError; the others count.
        """
        results = self._collect(self.waiting)
        counted, edited = apart(partial(_count_results, self.comparison, results))
        ended, nothing = self.ended + self.waiting.height, RUNS.empty()
        # Both at once: a Ctrl-C between them would lose the runs.
        self.comparison, self.ended, self.waiting = counted, ended, nothing
        reruns = count_noun(len(edited), "rerun")
        why = f"{reruns} ran other code, or asserted something else, and cannot be counted"
        self._refuse(edited, why)

    def _collect(self, runs: pl.DataFrame) -> pl.DataFrame:
        """Wait for some runs and read their results, without deleted runs."""
        if runs.is_empty():
            return RESULTS.empty()
        try:
            ended = wait_for_runs(runs, timeout=_WAIT, on_poll=self._show, client=self.client)
            return fetch_results(ended, client=self.client, progress=False)
        except NotFoundError as error:
            # Deleting a saved eval deletes its runs. The others are read one by one.
            if runs.height > 1:
                return pl.concat([self._collect(each) for each in runs.iter_slices(1)])
            self.gone[runs["eval_id"].item()] = str(error)
            return RESULTS.empty()

    def _show(self, runs: pl.DataFrame) -> None:
        self.bar.update(self.ended + runs.filter("is_terminal").height, self.total)

    def _so_far(self) -> Comparison:
        if self.waiting.is_empty():
            return self.comparison
        return Comparison(inside(self.comparison).with_sides(started=self.waiting))

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
            stacklevel=6,  # the line that called settle
        )


def _count_results(
    comparison: Comparison, results: pl.DataFrame
) -> tuple[Comparison, dict[str, str]]:
    """The comparison with the reruns that repeat it, and what differs in the others."""
    sides = inside(comparison).sides
    new = check_results(results, "reruns").collect()
    same, edited = _split(sides, new)
    if same.is_empty():
        return comparison, edited
    again = put_on_side(same, CANDIDATE).select(sides.results.columns)
    grown = replace(sides, results=pl.concat([sides.results, again]))
    return compare_sides(grown, comparison.alpha, comparison.margin), edited


def _split(sides: Sides, reruns: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
    """The reruns of the candidate's code and definitions, and what differs in the others.

    That is the ``block`` or the ``eval``, by the ids of evals.
    """
    coded = mark_codes(pl.concat([sides.results.drop(CODE, strict=False), reruns], how="diagonal"))
    told = {name: pl.col(name).drop_nulls().last() for name in (CODE, *SAME_EVAL)}
    ran = coded.filter(pl.col("run_id").is_in(sides.candidate["run_id"].implode())).sort(MOMENT)
    before = ran.group_by("eval_id").agg(**{f"{name}_known": it for name, it in told.items()})
    names = [name for name in told if name != "threshold"]
    differs = pl.any_horizontal(pl.col(name) != pl.col(f"{name}_known") for name in names)
    new = coded.tail(reruns.height).join(before, on="eval_id", how="left", maintain_order="left")
    is_edited = (pl.col(CODE) != pl.col(f"{CODE}_known")).fill_null(False)
    what = pl.when(is_edited).then(pl.lit("block")).otherwise(pl.lit("eval"))
    judged = new.with_columns(is_other=differs.fill_null(False), what=what)
    same = judged.filter(~pl.col("is_other")).with_columns(is_own=True).select(coded.columns)
    return same, dict(judged.filter("is_other").select("eval_id", "what").iter_rows())


def _workflow_of(comparison: Comparison) -> str:
    found = inside(comparison).sides.candidate["workflow_id"].drop_nulls().unique()
    if len(found) != 1:
        raise ConfigError("the comparison's results have no workflow_id")
    workflow: str = found.item()
    return workflow
