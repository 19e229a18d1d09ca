"""What a verdict has found: the situations of a workflow, typed and in order.

:func:`find` lists the findings in the order of :class:`Kind`; no other place knows an order. The
table in :mod:`retab_analysis.comparison.situations` says what follows from each kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from retab_analysis.comparison.accepted import Outdated, Policy
from retab_analysis.comparison.detail import WORDS, Word, word_of
from retab_analysis.comparison.gate import FAIL_ON, USUAL, GateRule
from retab_analysis.comparison.names import find_year, name_version
from retab_analysis.comparison.reruns import SETTLE_ROUNDS, find_next_look, list_reruns
from retab_analysis.comparison.sides import NewerRun, Sides
from retab_analysis.comparison.suite_test import SuiteTest
from retab_analysis.evidence.story import Story
from retab_analysis.evidence.tries import LastTry
from retab_analysis.evidence.versions import Name
from retab_analysis.markup import one_line
from retab_analysis.render.document import Count
from retab_analysis.vocabulary import BROKEN, DECIDED, FAILING, MOMENT, NOT_COMPARED

_ENDED = (*DECIDED, "mixed", "error")
_OF_OTHERS = (*FAIL_ON, "newly_errored", "suspect", "stale")  # transitions with kinds of their own


class Kind(StrEnum):
    """The situations, the most urgent first."""

    NO_SAVED_EVAL = "no_saved_eval"
    GOES_ON = "goes_on"  # a run that was asked for
    OUTAGE = "outage"
    TRIED = "tried"  # broke, and was edited again and ran
    BROKE = "broke"
    EDITED_AGAIN = "edited_again"  # and not run, while evals are broken
    STILL_BROKEN = "still_broken"  # beside others that broke now
    UNSURE = "unsure"  # broke, with some doubt
    ERRS_ALWAYS = "errs_always"
    COULD_NOT_RUN = "could_not_run"
    DOES_NOT_FIT = "does_not_fit"
    RUN_CANCELLED = "run_cancelled"  # of an edited block, before a result
    NOTHING_DECIDED = "nothing_decided"
    NO_RESULT = "no_result"
    DOES_NOT_ADD_UP = "does_not_add_up"
    RULED_OUT = "ruled_out"  # only this rule counts them
    RATE_TOO_LOW = "rate_too_low"
    OUTDATED = "outdated"  # accepted entries that are over
    FELL = "fell"
    UNCLEAR = "unclear"
    FELL_ONCE = "fell_once"
    ERROR = "error"
    EDITED = "edited"
    EDITED_IN_PART = "edited_in_part"
    EDIT_GOES_ON = "edit_goes_on"
    EVAL_EDITED = "eval_edited"
    SAVED_AGAIN = "saved_again"
    NEVER_RAN = "never_ran"
    UNSEEN = "unseen"  # edits of their blocks
    NEWER_RUN = "newer_run"
    NOT_KNOWN = "not_known"  # of two versions: whether they differ, or which results are whose
    NEVER_RAN_THERE = "never_ran_there"  # nothing ran on the code of both versions
    FIRST_FAILS = "first_fails"
    NOTHING_PASSES = "nothing_passes"
    FIRST_RUN = "first_run"
    NOTHING_TO_COMPARE = "nothing_to_compare"
    SAME_CODE = "same_code"  # two versions do not differ
    FIXED = "fixed"
    NOTHING_BROKE = "nothing_broke"


@dataclass(frozen=True, slots=True)
class Finding:
    """A situation with its evals and its numbers."""

    kind: Kind
    stories: tuple[Story, ...] = ()
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class VerdictFacts:
    """The facts of a verdict under a rule.

    ``fallen`` is the test of the suite, without the accepted evals, if it fell. ``accepted`` are
    the ids of those that do not simply pass.
    """

    stories: Sequence[Story]
    summary: Mapping[str, Any]
    sides: Sides
    fallen: SuiteTest | None
    notes: tuple[str, ...] = ()
    accepted: frozenset[str] = frozenset()
    rule: GateRule = USUAL
    last_tries: tuple[LastTry, ...] = ()
    today: date | None = None  # edits of that day are named without it

    @cached_property
    def found(self) -> list[Finding]:
        return find(self)

    @cached_property
    def counted(self) -> list[Story]:
        """The evals without the accepted ones."""
        return [each for each in self.stories if each.id not in self.accepted]

    def of(self, *transitions: str) -> list[Story]:
        """The evals of some transitions, without the accepted ones."""
        return [each for each in self.counted if each.transition in transitions]

    @cached_property
    def against(self) -> list[Story]:
        """The evals that the rule counts against the candidate."""
        rule = self.rule
        return [s for s in self.counted if rule.names(s) or s.errs_always]

    @cached_property
    def failing(self) -> list[Story]:
        """The evals that fail the gate; none if the rule tolerates so many."""
        return self.against if len(self.against) > self.rule.max_failures else []

    @cached_property
    def unrun(self) -> list[Story]:
        """The evals of edited blocks that have not run since the edit."""
        return [each for each in self.stories if each.saved.stale == "block"]

    @cached_property
    def tries(self) -> list[LastTry]:
        """Of each block with broken evals that was edited again since: the newest edit that ran.

        The newest comes first.
        """
        broken = [(s.block_id, s.since_run_id) for s in self.of(*BROKEN) if s.cause == "edit"]
        return [
            each
            for each in self.last_tries
            if any(block == each.block and run not in each.its.runs for block, run in broken)
        ]

    @cached_property
    def outdated(self) -> list[Outdated]:
        """The entries of accepted failures that are over."""
        return self.policy.list_outdated(self.stories, self.saved)

    @property
    def policy(self) -> Policy:
        return self.sides.accepted if self.rule.policy is None else self.rule.policy

    @cached_property
    def looks(self) -> tuple[int, datetime | None]:
        """How many evals one rerun may clear, and when the next look may decide the rerun ones."""
        waiting, until = find_next_look(self.counted, SETTLE_ROUNDS)
        return len(list_reruns(self.counted)) - waiting, until

    @property
    def nothing(self) -> str:
        return "nothing new" if self.accepted else "nothing"

    @cached_property
    def states(self) -> list[str]:
        return [each.state for each in self.stories if each.state is not None]

    @property
    def passing(self) -> tuple[int, int]:
        """How many evals pass by their newest outcome, and how many have a result."""
        return sum(each.passes_in_the_end for each in self.stories), len(self.states)

    @cached_property
    def saved(self) -> frozenset[str] | None:
        """The ids and names of the saved evals; None if they are not known."""
        saved = self.sides.saved.evals
        if saved is None:
            return None
        return frozenset(saved.select("eval_id", "eval_name").unpivot()["value"])

    @cached_property
    def is_first(self) -> bool:
        """Whether no eval ran before."""
        ran = [each for each in self.stories if each.saved.stale != "never"]
        is_all = len(ran) == self.summary["added"] and bool(ran)
        return self.sides.baseline is None and is_all

    @property
    def is_decided(self) -> bool:
        return any(each in (*DECIDED, "mixed") for each in self.states)

    @cached_property
    def year(self) -> int | None:
        return find_year(self.sides.candidate)

    @property
    def newest_day(self) -> date | None:
        newest = self.sides.candidate.select(MOMENT.max()).item()
        return None if newest is None else newest.date()

    @cached_property
    def named(self) -> Name:
        """The name of the checked version; empty if it is not known."""
        if self.sides.read.named is not None:
            return self.sides.read.named
        return name_version(self.sides.candidate, self.sides.around.told, self.year)

    @property
    def version(self) -> str:
        return one_line(self.named.text, 40)

    @property
    def versions(self) -> tuple[str, ...]:
        """The names of both sides, as they were asked for, if two versions are compared."""
        return tuple(one_line(each.said, 44) for each in self.sides.read.versions)

    @property
    def between(self) -> str:
        """`` from v4 to v5`` if two versions are compared, else nothing."""
        if not self.sides.read.versions:
            return ""
        before, now = self.sides.read.versions
        said = before.say(self.today), now.say(self.today, after=before)
        return " from {} to {}".format(*(one_line(each, 44) for each in said))

    @property
    def broke_between(self) -> str:
        """:attr:`between`, unless a break is older than an edit that has not run: then nothing."""
        return "" if any(s.saved.stale == "block" for s in self.of(*BROKEN)) else self.between

    @cached_property
    def apart(self) -> Counter[str]:
        """How many evals do not count: ``same_code``, or ``not compared`` in two versions."""
        words = self.sides.saved.words.values()
        return Counter(word if word == "same_code" else "not compared" for word in words)

    def find_going(self, blocks: Collection[str | None]) -> NewerRun | None:
        """The run that goes on, and tests the evals of some blocks as they are now."""
        on_way = self.sides.saved.on_way
        runs = {on_way.get(each.id) for each in self.stories if each.block_id in blocks}
        going = (each for each in self.sides.read.newer if each.kind == "going on")
        return next((each for each in going if each.run_id in runs), None)

    def word_of(self, story: Story) -> Word:
        """The word of an eval as it is counted; in a first run each fails or passes."""
        if story.id in self.accepted:
            return WORDS["accepted"]
        if not self.is_first or story.state not in ("passed", *FAILING, "mixed"):
            return word_of(story)
        return WORDS["first pass" if story.passes_in_the_end else "first failure"]

    def counts(self) -> list[Count]:
        """How many evals there are of each kind of word; together they are all evals."""
        numbers = Counter(self.word_of(each).key for each in self.stories)
        numbers.update({WORDS[word].key: n for word, n in self.apart.items()})
        known = {each.key: each for each in reversed([*WORDS.values()])}
        order = [*dict.fromkeys(each.key for each in WORDS.values())]
        return [known[key].make_count(numbers[key]) for key in order if numbers[key]]


def find(facts: VerdictFacts) -> list[Finding]:
    """The findings, the most urgent first.

    Until a run has ended, nothing else is concluded; nor is anything without saved evals.
    """
    saved, (left, total) = facts.sides.saved.evals, facts.sides.read.waiting
    if saved is not None and saved.is_empty():
        return [Finding(Kind.NO_SAVED_EVAL)]
    if left:
        return [Finding(Kind.GOES_ON, (), (total - left, total, left))]
    parts = [_find_broken, _find_errors, _find_missing, _find_ruled, _find_unrun, _find_apart]
    if facts.stories or not facts.apart:  # else nothing was compared
        parts.append(_find_passing)
    order = {kind: at for at, kind in enumerate(Kind)}
    return sorted((each for part in parts for each in part(facts)), key=lambda e: order[e.kind])


def _find_broken(facts: VerdictFacts) -> Iterator[Finding]:
    broken, suspects = facts.of(*BROKEN), facts.of("suspect")
    old = tuple(each for each in broken if each.was_seen and not facts.broke_between)
    new = tuple(each for each in broken if each not in old)
    tried = {each.block for each in facts.tries}
    if tried and not facts.unrun and tried.issuperset(each.block_id for each in new):
        its = facts.tries[0].its
        yield Finding(Kind.TRIED, (*broken,), (len(its.mended), len(its.of), len(its.broke)))
        new = old = ()
    elif broken:
        yield Finding(Kind.BROKE, new or old)
    if new and old:
        yield Finding(Kind.STILL_BROKEN, old)
    if unsure := tuple(each for each in broken if each.is_unsure):
        yield Finding(Kind.UNSURE, unsure)
    if suspects:
        yield Finding(Kind.UNCLEAR, (*suspects,))
    if facts.fallen is not None:
        others = len(suspects) + len(facts.of("newly_errored"))
        yield Finding(Kind.FELL if facts.fallen.is_sure else Kind.FELL_ONCE, (), (others,))


def _find_errors(facts: VerdictFacts) -> Iterator[Finding]:
    errors = facts.of("newly_errored")
    if outage := sum(each.state == "error" and each.is_outage for each in facts.stories):
        yield Finding(Kind.OUTAGE, (), (outage, sum(each in _ENDED for each in facts.states)))
    if always := tuple(each for each in errors if each.errs_always):
        yield Finding(Kind.ERRS_ALWAYS, always)
    if once := tuple(each for each in errors if each.is_undecided):
        yield Finding(Kind.ERROR, once)


def _find_missing(facts: VerdictFacts) -> Iterator[Finding]:
    read, expected = facts.sides.read, facts.sides.saved.expected or ()
    wanting = [s for s in facts.of("incomplete", *BROKEN) if s.state not in _ENDED]
    lost = [s for s in wanting if s.id in expected and read.could_not_run]
    if lost:
        yield Finding(Kind.COULD_NOT_RUN, (*lost,), facts.passing)
    missing = tuple(each for each in facts.of("incomplete") if each not in lost)
    cancelled = {each.block_id for each in missing if each.state == "cancelled"}
    its = {each for each in facts.stories if each.block_id in cancelled}
    if missing and not any(each.saved.is_valid for each in missing):
        yield Finding(Kind.DOES_NOT_FIT, missing)
    elif len(cancelled) == 1 and its == {*missing} and all(s.ran_on_new_code for s in its):
        yield Finding(Kind.RUN_CANCELLED, missing)
    elif facts.apart and not facts.stories:
        pass
    elif not facts.is_decided and ("cancelled" in facts.states or not facts.of("newly_errored")):
        yield Finding(Kind.NOTHING_DECIDED, missing)
    elif missing:
        of = facts.passing[1] + sum(each.state is None for each in missing)
        yield Finding(Kind.NO_RESULT, missing, (of,))
    if read.unnamed:
        yield Finding(Kind.DOES_NOT_ADD_UP, (), (read.unnamed,))


def _find_ruled(facts: VerdictFacts) -> Iterator[Finding]:
    if others := tuple(s for s in facts.failing if s.transition not in _OF_OTHERS):
        yield Finding(Kind.RULED_OUT, others)
    ended = [each for each in facts.stories if each.state in _ENDED]
    passed, least = sum(each.passes_in_the_end for each in ended), facts.rule.min_pass_rate
    if least is not None and (not ended or passed / len(ended) < least):
        yield Finding(Kind.RATE_TOO_LOW, (), (passed, len(ended)))
    for at in range(len(facts.outdated)):
        yield Finding(Kind.OUTDATED, (), (at,))


def _find_unrun(facts: VerdictFacts) -> Iterator[Finding]:
    stale, unrun, is_broken = facts.of("stale"), tuple(facts.unrun), bool(facts.of(*BROKEN))
    blocks = {each.block_id for each in unrun}
    of = sum(each.block_id in blocks for each in facts.stories)
    if is_broken and unrun and not facts.broke_between:
        yield Finding(Kind.EDITED_AGAIN, unrun, (len(unrun), of))
    if not is_broken and any(each.saved.stale == "block" for each in stale):
        is_part = len(unrun) < of
        kind = Kind.EDITED_IN_PART if is_part else Kind.EDITED
        goes_on = facts.find_going({each.block_id for each in stale})
        yield Finding(Kind.EDIT_GOES_ON if goes_on else kind, unrun, (len(unrun), of))
    kinds = {"eval": Kind.EVAL_EDITED, "saved": Kind.SAVED_AGAIN, "never": Kind.NEVER_RAN}
    for why, kind in kinds.items():
        if its := tuple(each for each in stale if each.saved.stale == why):
            yield Finding(kind, its)
    if unseen := tuple(s for s in facts.counted if s.saved.is_unseen and s.saved.word is None):
        yield Finding(Kind.UNSEEN, unseen, facts.passing)
    if facts.sides.read.doubts:
        yield Finding(Kind.NEWER_RUN)


def _find_apart(facts: VerdictFacts) -> Iterator[Finding]:
    never, same = facts.apart["not compared"], facts.apart["same_code"]
    if facts.sides.read.unknown:
        yield Finding(Kind.NOT_KNOWN)
    elif never and not facts.stories:
        yield Finding(Kind.NEVER_RAN_THERE, (), (never,))
    if same and not never and not facts.stories:
        yield Finding(Kind.SAME_CODE, (), (same,))


def _find_passing(facts: VerdictFacts) -> Iterator[Finding]:
    passed, of = facts.passing
    good = ("still_passing", "fixed", "flaky")
    ran = [each for each in facts.stories if each.state is not None]
    if facts.is_first:
        kind = Kind.FIRST_RUN if passed else Kind.FIRST_FAILS
        yield Finding(kind, (), (passed, of))
    elif not any(each.transition in good and each.state in ("passed", "mixed") for each in ran):
        is_apart = passed and all(each.transition in NOT_COMPARED for each in ran)
        kind = Kind.NOTHING_TO_COMPARE if is_apart else Kind.NOTHING_PASSES
        yield Finding(kind, (), (passed, of))
    if fixed := tuple(facts.of("fixed")):
        yield Finding(Kind.FIXED, fixed)
    yield Finding(Kind.NOTHING_BROKE, (), (passed, of))
