"""The facts of a verdict under a rule: what counts, and what is known of edits and runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from datetime import date, datetime
from functools import cached_property
from typing import Any

import polars as pl
from msgspec.structs import replace

from retab_analysis.comparison.accepted import Outdated, Policy
from retab_analysis.comparison.breaks import Break, list_breaks
from retab_analysis.comparison.detail import WORDS, Word, name_block, word_of
from retab_analysis.comparison.gate import USUAL, GateRule
from retab_analysis.comparison.reruns import SETTLE_ROUNDS, find_next_look, list_reruns
from retab_analysis.comparison.sides import NewerRun, Sides, find_year, rank_by_run
from retab_analysis.comparison.suite_test import SuiteTest
from retab_analysis.evidence.names import Name
from retab_analysis.evidence.story import APART, Story
from retab_analysis.evidence.tries import LastTry, Try, find_last_try, say_on
from retab_analysis.markup import one_line
from retab_analysis.render.document import Count
from retab_analysis.vocabulary import BROKEN, DECIDED, FAILING, MOMENT


@dataclass(frozen=True, eq=False)
class VerdictFacts:
    """The facts of a verdict under a rule.

    ``fallen`` is the test of the suite, without the accepted evals, if it fell. ``accepted`` are
    the ids of those that do not simply pass. ``tries`` has the tries of each block that an edit
    broke, that has fixed evals, or that was edited and has not run; the oldest first.
    """

    stories: Sequence[Story]
    summary: Mapping[str, Any]
    sides: Sides
    fallen: SuiteTest | None
    notes: tuple[str, ...] = ()
    accepted: frozenset[str] = frozenset()
    rule: GateRule = USUAL
    tries: Mapping[str, Sequence[Try]] = field(default_factory=dict)

    @cached_property
    def counted(self) -> list[Story]:
        """The evals without the accepted ones, and those that broke before the rule's moment."""
        aside = self.accepted.union(each.id for each in self.old)
        return [each for each in self.stories if each.id not in aside]

    @cached_property
    def old(self) -> list[Story]:
        """The evals that broke before the moment of the rule, without the accepted ones."""
        since = self.rule.since
        return [
            each
            for each in self.stories
            if since is not None and since.covers(each) and each.id not in self.accepted
        ]

    @property
    def said_old(self) -> str:
        """``9 broke before 1 Dec 12:00: not counted``; empty if there are none."""
        since = self.rule.since
        return since.say(self.old) if since is not None and self.old else ""

    @cached_property
    def stale(self) -> list[Story]:
        """The evals that have not run as they are now, those that broke before too."""
        return [*self.of("stale"), *(each for each in self.old if each.is_stale)]

    @cached_property
    def there(self) -> list[Story]:
        """The evals without the deleted ones."""
        return [each for each in self.stories if each.transition != "removed"]

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
        """The evals of edited blocks that have not run as they are now."""
        blocks = {each.block_id for each in self.stories if each.standing == "block"}
        return [s for s in self.stories if s.is_stale and s.block_id in blocks]

    @cached_property
    def breaks(self) -> list[Break]:
        """The broken evals by what broke them, the most evals first."""
        return list_breaks(self.of(*BROKEN), self.tries)

    @cached_property
    def last_tries(self) -> list[LastTry]:
        """Of blocks with broken evals the newest edit that ran since, the newest first."""
        runs = {*self.sides.candidate["run_id"]}
        ran = {each.block_id for each in self.stories if each not in self.unrun}
        broken = [(s.block_id, s.since_run_id) for s in self.of(*BROKEN) if s.cause == "edit"]
        found = (find_last_try(its, block, runs) for block, its in self.tries.items())
        known = [
            replace(each, is_newest=each.is_newest and each.block in ran)
            for each in found
            if each is not None
            and any(block == each.block and run not in each.its.runs for block, run in broken)
        ]
        return sorted(known, key=lambda each: each.its.began_at, reverse=True)

    def find_again(self, block: str | None) -> Try | None:
        """The present code of a block, if it was put in again and is what was checked."""
        tries = () if self.sides.read.named else self.tries.get(block or "", ())
        return next((each for each in tries if each.again is not None), None)

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
        evals = self.sides.saved.leave_out_tested(self.counted)
        waiting, until = find_next_look(evals, SETTLE_ROUNDS)
        return len(list_reruns(evals)) - waiting, until

    @property
    def nothing(self) -> str:
        return "nothing new" if self.accepted or self.old else "nothing"

    @property
    def nothing_else(self) -> str:
        return self.nothing if self.accepted or self.old else "nothing else"

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
        ran = [each for each in self.stories if each.standing != "never"]
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

    def say_on(self, day: date | None) -> VerdictFacts:
        """The same facts with the names of edits as they are said on a day."""
        tries = {block: say_on(its, day) for block, its in self.tries.items()}
        versions = tuple(each.on(day) for each in self.sides.read.versions)
        read = replace_fields(self.sides.read, versions=versions)
        return replace_fields(self, tries=tries, sides=replace_fields(self.sides, read=read))

    @cached_property
    def named(self) -> Name:
        """The name of the checked version; empty if it is not known."""
        if self.sides.read.named is not None:
            return self.sides.read.named
        return self.name_side(self.sides.candidate)

    def name_side(self, results: pl.DataFrame) -> Name:
        """The name of the version of some results; of frames the id that they carry."""
        if (told := self.sides.told) is not None:
            labels = {each.block_id or "": name_block(each) for each in self.stories}
            return told.name_side(results, labels)
        ids = rank_by_run(results)["workflow_version_id"].drop_nulls().unique(maintain_order=True)
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        return Name(f"{one_line(ids[0], 24)}{more}" if len(ids) else "")

    @property
    def version(self) -> str:
        return one_line(self.named.text, 120)

    @property
    def versions(self) -> tuple[str, ...]:
        """The names of both sides, as they were asked for, if two versions are compared."""
        return tuple(one_line(each.full, 44) for each in self.sides.read.versions)

    @property
    def between(self) -> str:
        """`` from v4 to v5`` if two versions are compared, else nothing."""
        if not self.sides.read.versions:
            return ""
        before, now = (one_line(each.said, 44) for each in self.sides.read.versions)
        return f" from {before} to {now}"

    @property
    def broke_between(self) -> str:
        """:attr:`between`, unless a break is older than an edit that has not run: then nothing."""
        return "" if any(s.standing == "block" for s in self.of(*BROKEN)) else self.between

    @cached_property
    def apart(self) -> Counter[str]:
        """How many evals do not count: ``same_code``, or ``not compared`` in two versions."""
        words = self.sides.saved.list(*APART).values()
        return Counter(word if word == "same_code" else "not compared" for word in words)

    def find_run(self, story: Story) -> NewerRun | None:
        """The run that goes on, and tests an eval as it is now."""
        run_id = self.sides.saved.on_way.get(story.id)
        going = (each for each in self.sides.read.newer if each.kind == "going on")
        return next((each for each in going if each.run_id == run_id), None)

    def word_of(self, story: Story) -> Word:
        """The word of an eval as it is counted; in a first run each fails or passes."""
        if story.id in self.accepted:
            return WORDS["accepted"]
        if story in self.old:
            return WORDS["old"]
        if not self.is_first or story.state not in ("passed", *FAILING, "mixed"):
            return word_of(story)
        return WORDS["first pass" if story.passes_in_the_end else "first failure"]

    def counts(self) -> list[Count]:
        """How many evals there are of each kind of word; together they are all evals there are."""
        numbers = Counter(self.word_of(each).key for each in self.there)
        numbers.update({WORDS[word].key: n for word, n in self.apart.items()})
        known = {each.key: each for each in reversed([*WORDS.values()])}
        order = [*dict.fromkeys(each.key for each in WORDS.values())]
        return [known[key].make_count(numbers[key]) for key in order if numbers[key]]
