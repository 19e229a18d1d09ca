"""What a verdict has found: each situation is a class that says all that follows from it.

:data:`ORDER` is the one order of headlines, reasons of the gate and next steps. A finding says its
headline, its clause behind another's, its reasons for the gate and its next step from its fields.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from retab_analysis.comparison.breaks import Break, say_breaks
from retab_analysis.comparison.detail import WORDS, name_block
from retab_analysis.comparison.gate import FAIL_ON
from retab_analysis.comparison.next_step import Steps
from retab_analysis.comparison.suite_test import SuiteTest
from retab_analysis.comparison.try_words import name_back, name_try, say_mended
from retab_analysis.comparison.verdict_facts import VerdictFacts
from retab_analysis.evidence.story import Story
from retab_analysis.evidence.tries import LastTry, Try, find_put_back
from retab_analysis.markup import count_noun, one_line, say_p_value, say_points, say_rate, say_rates
from retab_analysis.render.document import Tone
from retab_analysis.render.door import NextStep
from retab_analysis.vocabulary import BROKEN, DECIDED, LIKELY, NOT_COMPARED, say_day

LABEL, SHORT_LABEL = 40, 30
"""How long a label in a headline may be, and where room lacks."""

Mark = tuple[str, Tone]
BAD: Mark = ("✗", "bad")
GRAVE: Mark = ("‼", "error")
OPEN: Mark = ("?", "doubt")
IDLE: Mark = ("○", "other")
GOOD: Mark = ("✓", "good")
GOES: Mark = ("…", "other")

_ENDED = (*DECIDED, "mixed", "error")
_OF_OTHERS = (
    *FAIL_ON,
    "newly_errored",
    "suspect",
    "stale",
)  # transitions with findings of their own


class Said(NamedTuple):
    """A headline: its strong part, the rest, and its own clause behind a semicolon.

    Another finding's clause may stand in the place of ``calm``, which is None if there is no room.
    """

    strong: str
    rest: str = ""
    clause: str = ""
    calm: str | None = None


class Finding(Struct, frozen=True, eq=False, kw_only=True):
    """A situation with its evals. Most say nothing of some things: these defaults stand for that.

    ``facts`` tell how things are named.
    """

    facts: VerdictFacts
    evals: tuple[Story, ...] = ()
    mark: Mark = BAD

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        """Its headline, with labels of so many characters, with or without a part per cause."""
        raise NotImplementedError

    def say_beside(self, mark: Mark) -> str:
        """Its clause behind another headline with a mark; empty if it has none."""
        return ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the gate fails, if not by single evals."""
        return ()

    def say_doubt(self, evals: Sequence[Story]) -> str:
        """Why the gate is undecided, with its evals in doubt; empty if it is not."""
        return ""

    @property
    def last_doubt(self) -> str:
        """Why the gate is undecided if no other finding says so."""
        return ""

    def run(self, steps: Steps) -> NextStep | None:
        """The step that runs something."""
        return None

    def look(self, steps: Steps) -> NextStep | None:
        """The step for a person."""
        return None

    @property
    def n(self) -> str:
        return count_noun(len(self.evals), "eval")

    def verb(self, one: str, several: str) -> str:
        return one if len(self.evals) == 1 else several


class GoesOn(Finding, frozen=True, kw_only=True, tag="goes_on"):
    """A run that was asked for goes on; until it has ended, nothing else is concluded."""

    left: int
    of: int
    failing: int
    mark: Mark = GOES

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        n = self.failing
        far = f"{n} fail{'s' * (n == 1)}" if n else f"{self.facts.nothing} broke"
        return Said(f"{self.of - self.left:,} of {self.of:,} done", f": {far} so far")

    def say_doubt(self, evals: Sequence[Story]) -> str:
        are = "is" if self.left == 1 else "are"
        return f"{self.left} of {count_noun(self.of, 'result')} {are} still to come"

    def run(self, steps: Steps) -> NextStep:
        return steps.watch()


def _find_going(facts: VerdictFacts) -> Iterator[Finding]:
    left, of = facts.sides.read.waiting
    if left:
        failing = sum(each.fails for each in facts.counted)
        yield GoesOn(facts=facts, left=left, of=of, failing=failing)


class Outage(Finding, frozen=True, kw_only=True, tag="outage"):
    """Errors on a wide front; ``of`` so many evals ended."""

    of: int
    mark: Mark = GRAVE

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        said = f"{len(self.evals)} of {count_noun(self.of, 'eval')} ended in an error"
        return Said("Outage", f": {said}", calm="")

    @property
    def reasons(self) -> tuple[str, ...]:
        return (f"{''.join(self.say()[:2])}; run them again.",)

    def run(self, steps: Steps) -> NextStep:
        return steps.run_all()


def _find_outage(facts: VerdictFacts) -> Iterator[Finding]:
    errors = tuple(each for each in facts.stories if each.state == "error" and each.is_outage)
    if errors:
        yield Outage(facts=facts, evals=errors, of=sum(each in _ENDED for each in facts.states))


class Broken(Finding, frozen=True, kw_only=True, tag="broken"):
    """All that is broken: by which edits, what the newest edit since did, what has not run.

    ``last`` is the newest edit that ran since some of them broke, ``unrun`` the later edits that
    did not. ``back`` is the code of all of them, if it was put in again and has not run since.
    """

    breaks: tuple[Break, ...]
    last: LastTry | None
    unrun: Unrun | None
    back: Try | None
    is_new: bool

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        facts, are = self.facts, self.verb("is", "are")
        if self.back is not None and len(self.breaks) == 1:
            since = name_back(self.back, facts.sides.around.told, facts.today, facts.year)
            return Said(f"{self.n} {are} broken again", f" since {since}")
        unrun = "" if self.unrun is None else self.unrun.say_again(self.evals, label)
        breaks, which = self.breaks, ""
        clause = unrun or ("" if self.last is None else self._say_last(self.last))
        own = [e for e in breaks if self.last is not None and e.edit == self.last.its]
        if own and self.last is not None and not unrun and is_split:
            breaks = (*(each for each in breaks if each not in own), *own)
            clause, which = "", say_mended(self.last.its)
        said = "broke" if self.is_new else f"{are} still broken"
        if len(breaks) > 1 and (clause or which):
            said = f"{are} broken"
        if facts.broke_between:
            return Said(f"{self.n} {said}", facts.broke_between, calm="")
        since = say_breaks(
            breaks,
            facts.today,
            facts.year,
            is_new=self.is_new,
            label=label,
            is_split=is_split,
            is_short=bool(clause or which),
            which=which,
        )
        return Said(f"{self.n} {said}", since, clause, None if which else "")

    def _say_last(self, last: LastTry) -> str:
        again, mended = len({each.id for each in self.evals} & last.its.broke), last.its.mended
        new = sum(len(each.evals) for each in self.breaks if each.edit == last.its)
        said = say_mended(last.its)
        if again > new:
            said = f"{f'{said} and ' if mended else ''}broke {again - new} again"
        return f"{name_try(last.its, self.facts.today)} {said}"

    def say_beside(self, mark: Mark) -> str:
        if mark == OPEN:
            return ""
        are = self.verb("is", "are")
        return f"{len(self.evals)} {'broke' if self.is_new else f'{are} still broken'}"

    def run(self, steps: Steps) -> NextStep | None:
        unrun = () if self.unrun is None else self.unrun.blocks.evals
        tests = steps.test([*self.evals, *unrun])
        unsure = [each for each in self.evals if each.is_unsure]
        return tests or (steps.settle(unsure) if unsure else None)

    def look(self, steps: Steps) -> NextStep:
        is_tried = self.last is not None and self.unrun is None
        if is_tried and self.last is not None and any(each.fails for each in self.evals):
            return steps.see_tries(self.last.block)
        return steps.fix()


def _find_broken(facts: VerdictFacts) -> Iterator[Finding]:
    if not (broken := facts.of(*BROKEN)):
        return
    blocks = {each.block_id for each in broken}
    backs = [back for each in blocks if (back := find_put_back(facts.tries.get(each or "", ())))]
    unrun = Unrun.make(facts) if facts.unrun and not facts.broke_between else None
    yield Broken(
        facts=facts,
        evals=tuple(broken),
        breaks=tuple(facts.breaks),
        last=next(iter(facts.last_tries), None),
        unrun=unrun,
        back=backs[0] if backs and unrun is None else None,
        is_new=bool(facts.broke_between) or not all(each.was_seen for each in broken),
    )


class InError(Finding, frozen=True, kw_only=True, tag="in_error"):
    """Errors outside an outage, once or ``is_always``: at every run."""

    is_always: bool

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        said = f"{self.n} ended in an error"
        if not self.is_always:
            return Said(said, calm=f"{self.facts.nothing} broke" * self.facts.is_decided)
        since = min(each.errors_since for each in self.evals if each.errors_since)
        return Said(said, f" at every run since {say_day(since, self.facts.year)}")

    def say_beside(self, mark: Mark) -> str:
        return f"{len(self.evals)} ended in an error" * (mark == OPEN and not self.is_always)

    def say_doubt(self, evals: Sequence[Story]) -> str:
        return f"{count_noun(len(evals), 'eval')} ended in an error" * (not self.is_always)

    def run(self, steps: Steps) -> NextStep | None:
        return None if self.is_always else steps.settle(self.evals)

    def look(self, steps: Steps) -> NextStep | None:
        return steps.fix() if self.is_always else None


def _find_errors(facts: VerdictFacts, *, is_always: bool) -> Iterator[Finding]:
    errors = facts.of("newly_errored")
    its = tuple(each for each in errors if (each.errs_always if is_always else each.is_undecided))
    if its:
        mark = BAD if is_always else OPEN
        yield InError(facts=facts, evals=its, mark=mark, is_always=is_always)


class CouldNotRun(Finding, frozen=True, kw_only=True, tag="could_not_run"):
    """The run that was asked for ended in an error itself, and some results lack."""

    passed: int
    of: int
    errors: int
    missing: int
    mark: Mark = GRAVE

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        said = [f"{self.passed} of {self.of + self.missing} passed"]
        said += [count_noun(self.errors, "error")] if self.errors else []
        have = "has" if self.missing == 1 else "have"
        said += [f"{self.missing} {have} no result"] if self.missing else []
        return Said("This run could not run", f": {', '.join(said)}")

    @property
    def reasons(self) -> tuple[str, ...]:
        return (f"The run could not run: {count_noun(len(self.evals), 'result')} missing.",)

    def run(self, steps: Steps) -> NextStep:
        return steps.run_all()


Why = Literal["does not fit", "cancelled", "nothing decided", "no result"]


class Missing(Finding, frozen=True, kw_only=True, tag="missing"):
    """Evals that ought to have a result; ``of`` so many."""

    why: Why
    of: int
    mark: Mark = OPEN

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        block = _name_blocks(self.evals, label)
        if self.why == "does not fit":
            does = self.verb("does", "do")
            return Said(self.n, f" {does} not fit {block} any more since its edit")
        if self.why == "cancelled":
            said = f"{block} was edited"
            return Said(said, "; its run was cancelled before a result")
        if self.why == "nothing decided":
            is_cancelled = {*self.facts.states} == {"cancelled"}
            why = "the run was cancelled" if is_cancelled else "no eval has a verdict"
            return Said("No result yet", f": {why}")
        of = count_noun(self.of, "eval")
        return Said(f"{len(self.evals)} of {of} {self.verb('has', 'have')} no result", calm="")

    def say_beside(self, mark: Mark) -> str:
        is_said = self.why == "no result" or (self.why == "cancelled" and mark != OPEN)
        return f"{len(self.evals)} {self.verb('has', 'have')} no result" * is_said

    @property
    def last_doubt(self) -> str:
        return "nothing was decided" * (self.why == "nothing decided")

    def run(self, steps: Steps) -> NextStep | None:
        if self.why == "nothing decided":
            return steps.run_all()
        return None if self.why == "does not fit" else steps.run_missing(self.evals)

    def look(self, steps: Steps) -> NextStep | None:
        return None if self.why == "nothing decided" else steps.fix()


def _find_missing(facts: VerdictFacts) -> Iterator[Finding]:
    read, expected = facts.sides.read, facts.sides.saved.expected or ()
    wanting = [s for s in facts.of("incomplete", *BROKEN) if s.state not in _ENDED]
    lost = tuple(each for each in wanting if each.id in expected and read.could_not_run)
    passed, of = facts.passing
    if lost:
        errors, none = facts.states.count("error"), sum(not each.state for each in facts.stories)
        yield CouldNotRun(
            facts=facts, evals=lost, passed=passed, of=of, errors=errors, missing=none
        )
    missing = tuple(each for each in facts.of("incomplete") if each not in lost)
    if why := _find_why(facts, missing):
        of += sum(each.state is None for each in missing)
        yield Missing(facts=facts, evals=missing, why=why, of=of)


def _find_why(facts: VerdictFacts, missing: Sequence[Story]) -> Why | None:
    cancelled = {each.block_id for each in missing if each.state == "cancelled"}
    its = {each for each in facts.stories if each.block_id in cancelled}
    if missing and not any(each.saved.is_valid for each in missing):
        return "does not fit"
    if len(cancelled) == 1 and its == {*missing} and all(s.ran_on_new_code for s in its):
        return "cancelled"
    if facts.apart and not facts.stories:
        return None
    if not facts.is_decided and ("cancelled" in facts.states or not facts.of("newly_errored")):
        return "nothing decided"
    return "no result" if missing else None


class DoesNotAddUp(Finding, frozen=True, kw_only=True, tag="does_not_add_up"):
    """Results that the candidate's runs lack, or that contradict their counts."""

    results: int
    mark: Mark = OPEN

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        said = f"{count_noun(self.results, 'result')} of the run missing or miscounted"
        return Said(said, calm="")

    def say_beside(self, mark: Mark) -> str:
        said = f"{count_noun(self.results, 'result')} missing or miscounted"
        return said * (mark == OPEN)

    @property
    def reasons(self) -> tuple[str, ...]:
        return (f"The run does not add up: {self.say_beside(OPEN)}.",)

    def run(self, steps: Steps) -> NextStep:
        return steps.run_all()


def _find_lost(facts: VerdictFacts) -> Iterator[Finding]:
    if lost := facts.sides.read.unnamed:
        yield DoesNotAddUp(facts=facts, results=lost)


class AgainstRule(Finding, frozen=True, kw_only=True, tag="against_rule"):
    """What only the rule counts: evals it names, a pass rate below its least one.

    ``outdated`` says of accepted entries why they are over.
    """

    rate: str = ""
    outdated: tuple[str, ...] = ()

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        if self.evals:
            words = ", ".join(dict.fromkeys(WORDS[s.transition].word for s in self.evals))
            counts = self.verb("counts", "count")
            return Said(f"{self.n} {counts} against the gate", f": {words}")
        if self.rate:
            return Said(self.rate)
        if len(self.outdated) == 1:
            return Said(self.outdated[0].rstrip("."))
        return Said(f"{len(self.outdated)} entries of accepted failures are outdated")

    @property
    def reasons(self) -> tuple[str, ...]:
        over = (f"{each.rstrip('.')}. Remove the entry." for each in self.outdated)
        return (*([f"{self.rate}."] if self.rate else []), *over)

    def look(self, steps: Steps) -> NextStep:
        return steps.fix() if self.evals else steps.see() if self.rate else steps.delete()


def _find_ruled(facts: VerdictFacts) -> Iterator[Finding]:
    if others := tuple(s for s in facts.failing if s.transition not in _OF_OTHERS):
        yield AgainstRule(facts=facts, evals=others)
    ended = [each for each in facts.stories if each.state in _ENDED]
    passed, least = sum(each.passes_in_the_end for each in ended), facts.rule.min_pass_rate
    if least is not None and not ended:
        rate = f"The pass rate is not known; the rule asks for at least {say_rate(least)}"
        yield AgainstRule(facts=facts, rate=rate)
    elif least is not None and passed / len(ended) < least:
        now, asked = say_rates(passed / len(ended), least)
        told = f"{now}, {passed} of {len(ended)} that ended"
        rate = f"The pass rate is {told}; the rule asks for at least {asked}"
        yield AgainstRule(facts=facts, rate=rate)
    if over := tuple(each.why for each in facts.outdated):
        yield AgainstRule(facts=facts, outdated=over)


class Fell(Finding, frozen=True, kw_only=True, tag="fell"):
    """The pass rate fell: for sure, or in one run."""

    test: SuiteTest
    is_alone: bool

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        change, once = self.test.change, "" if self.test.is_sure else " in one run"
        before, now = say_rates(change.baseline_pass_rate or 0, change.candidate_pass_rate or 0)
        rest = f" from {before} to {now}{once}; no single eval explains it"
        return Said("The pass rate fell", rest)

    @property
    def reasons(self) -> tuple[str, ...]:
        if not self.test.is_sure:
            return ()
        beginning = "Without the accepted evals, the" if self.facts.accepted else "The"
        fell = say_points(self.test.change.delta or 0)
        p = say_p_value(self.test.change.p_value or 0)
        return (f"{beginning} pass rate fell by {fell}, more than chance explains (p value {p}).",)

    def say_doubt(self, evals: Sequence[Story]) -> str:
        alone = " and no single eval explains it; run the suite again" * self.is_alone
        return f"the pass rate fell in one run{alone}" * (not self.test.is_sure)

    def run(self, steps: Steps) -> NextStep | None:
        return None if self.test.is_sure else steps.run_all()

    def look(self, steps: Steps) -> NextStep | None:
        return steps.see() if self.test.is_sure else None


def _find_fall(facts: VerdictFacts, *, is_sure: bool) -> Iterator[Finding]:
    if facts.fallen is not None and facts.fallen.is_sure == is_sure:
        alone = not facts.of("suspect", "newly_errored")
        mark = BAD if is_sure else OPEN
        yield Fell(facts=facts, mark=mark, test=facts.fallen, is_alone=alone)


class Unclear(Finding, frozen=True, kw_only=True, tag="unclear"):
    """Evals that may have broken."""

    mark: Mark = OPEN

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        if all(each.cause == "edit" for each in self.evals) and not self.facts.broke_between:
            since = f" since the edit of {_name_blocks(self.evals, label)}"
            return Said(f"{self.n} may have broken", since, calm="")
        return Said(f"{self.n} may have broken", calm="nothing else did")

    def say_beside(self, mark: Mark) -> str:
        return f"{len(self.evals)} may have broken" * (mark == OPEN)

    def say_doubt(self, evals: Sequence[Story]) -> str:
        return f"{count_noun(len(evals), 'eval')} may have broken"

    def run(self, steps: Steps) -> NextStep | None:
        return steps.settle(self.evals)


def _find_unclear(facts: VerdictFacts) -> Iterator[Finding]:
    if suspects := tuple(facts.of("suspect")):
        yield Unclear(facts=facts, evals=suspects)


class Waiting(NamedTuple):
    """Evals that have not run as they are now, and those of them that a run tests now."""

    evals: tuple[Story, ...]
    going: tuple[Story, ...] = ()

    @property
    def idle(self) -> tuple[Story, ...]:
        return tuple(each for each in self.evals if each not in self.going)


class Unrun(Finding, frozen=True, kw_only=True, tag="unrun"):
    """What has not run as it is now: evals of edited blocks, edited, saved again and new ones.

    ``of`` so many evals do the edited blocks have. So many ``were_broken`` when their block had its
    present code before.
    """

    blocks: Waiting
    edited: Waiting
    saved_again: Waiting
    new: Waiting
    of: int
    were_broken: int = 0

    @classmethod
    def make(cls, facts: VerdictFacts) -> Unrun:
        stale = facts.of("stale")
        names = {each.block_id for each in facts.unrun}
        tries = facts.tries.get(facts.unrun[0].block_id or "", ()) if len(names) == 1 else ()
        back = find_put_back(tries)
        before = [each for each in tries[:-1] if back is not None and each.code == back.code]
        return cls(
            facts=facts,
            evals=tuple(stale),
            blocks=cls._wait(facts, facts.unrun),
            edited=cls._wait(facts, [s for s in stale if s.saved.stale == "eval"]),
            saved_again=cls._wait(facts, [s for s in stale if s.saved.stale == "saved"]),
            new=cls._wait(facts, [s for s in stale if s.saved.stale == "never"]),
            of=sum(each.block_id in names for each in facts.stories),
            were_broken=len(before[-1].broke) if before else 0,
        )

    @staticmethod
    def _wait(facts: VerdictFacts, evals: Iterable[Story]) -> Waiting:
        its = tuple(evals)
        return Waiting(its, tuple(each for each in its if facts.find_run(each)))

    mark: Mark = IDLE

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        if self.blocks.evals:
            return self._say_blocks(label)
        for its, noun, verb in (
            (self.edited, "edited eval", ""),
            (self.saved_again, "eval", "was saved again and"),
            (self.new, "new eval", ""),
        ):
            if its.evals:
                one = len(its.evals) == 1
                verb = verb if one else verb.replace("was", "were")
                have = f"{verb} {'has' if one else 'have'} not run".lstrip()
                said = f"{count_noun(len(its.evals), noun)} {have} {'since' if verb else 'yet'}"
                if len(its.going) == len(its.evals):
                    return Said(said, clause=self._say_run(its.going, one=one))
                return Said(said, calm="nothing else broke")
        raise AssertionError("nothing waits")

    def _say_blocks(self, label: int) -> Said:
        idle, going = self.blocks.idle, self.blocks.going
        edited, nothing = _say_edited(idle or going, label), self.facts.nothing
        blocks = {each.block_id for each in idle}
        if not idle:
            one = len({each.block_id for each in going}) == 1
            return Said(f"{edited}; {self._say_run(going, one=one)}")
        has_part = len(self.blocks.evals) < self.of or any(e.block_id in blocks for e in going)
        if has_part:
            its, have = "its" if len(blocks) == 1 else "their", "has" if len(idle) == 1 else "have"
            of = count_noun(self.of, "eval")
            said = f"{edited}: {len(idle)} of {its} {of} {have} not run since"
        else:
            said = f"{edited} and {'has' if len(blocks) == 1 else 'have'} not run yet"
        if going:
            where = _name_blocks(going, label)
            return Said(said, calm=f"the run of {where} goes on{self._say_far(going)}")
        if n := self.were_broken:
            was = "was" if n == 1 else "were"
            return Said(said, calm=f"when it had this code, {n} of its evals {was} broken")
        return Said(said, calm=f"{'' if has_part else 'before that '}{nothing} broke")

    def _say_run(self, going: Sequence[Story], *, one: bool) -> str:
        return f"{'its' if one else 'their'} run goes on{self._say_far(going)}"

    def _say_far(self, going: Sequence[Story]) -> str:
        runs = [run for each in going if (run := self.facts.find_run(each))]
        is_one = len({each.run_id for each in runs}) == 1
        return f" ({runs[0].done} of {runs[0].total})" if is_one else ""

    def say_again(self, broken: Sequence[Story], label: int) -> str:
        """Its clause behind what is broken; empty if the part that ran is the news."""
        n, idle, going = len(self.blocks.evals), self.blocks.idle, self.blocks.going
        is_old = all(s.was_seen for s in broken) or any(s.saved.stale == "block" for s in broken)
        if n < self.of and not is_old:
            return ""
        its = idle or going
        blocks, by_edit = {s.block_id for s in its}, all(s.cause == "edit" for s in broken)
        again = " again" * (by_edit and blocks <= {each.block_id for each in broken})
        edited = f"{_say_edited(its, label)}{again}"
        if not idle:
            return f"{edited} and {self._say_run(going, one=len(blocks) == 1)}"
        if n < self.of:
            return f"{edited}: {n} of {self.of} {'has' if n == 1 else 'have'} not run"
        return f"{edited} and {'has' if len(blocks) == 1 else 'have'} not run"

    def say_doubt(self, evals: Sequence[Story]) -> str:
        have, are = ("has", "it is") if len(evals) == 1 else ("have", "they are")
        return f"{count_noun(len(evals), 'eval')} {have} not run as {are} now"

    def run(self, steps: Steps) -> NextStep | None:
        return steps.test([*self.blocks.evals, *self.evals])


def _find_unrun(facts: VerdictFacts) -> Iterator[Finding]:
    if facts.of("stale"):
        yield Unrun.make(facts)


class Newer(Finding, frozen=True, kw_only=True, tag="newer_run"):
    """A newer run that cannot be judged yet."""

    mark: Mark = IDLE

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        run = self.facts.sides.read.doubts[0]
        day = "" if run.at is None else f" since {say_day(run.at, self.facts.year)}"
        hour = "" if run.at is None else f" since {run.at:%-H:%M}"
        going = f"goes on{hour} ({run.done} of {run.total})"
        said = {
            "going on": going,
            "stuck": f"has not ended{day}",
            "future": "is dated in the future",
        }
        calm = f"before it {self.facts.nothing} broke"
        return Said(f"A newer run {said[run.kind]}", calm=calm)

    def say_doubt(self, evals: Sequence[Story]) -> str:
        return "a newer run cannot be judged yet"

    def run(self, steps: Steps) -> NextStep:
        is_going = any(each.kind == "going on" for each in self.facts.sides.read.doubts)
        return steps.watch() if is_going else steps.run_all()


def _find_newer(facts: VerdictFacts) -> Iterator[Finding]:
    if facts.sides.read.doubts:
        yield Newer(facts=facts)


class TwoVersions(Finding, frozen=True, kw_only=True, tag="two_versions"):
    """Two versions of which nothing is compared: ``same`` evals have one code in both.

    ``never`` so many have no result on one of the codes.
    """

    same: int
    never: int
    is_same: bool
    unknown: str

    @property
    def where(self) -> str:
        versions, named = " and ".join(self.facts.versions), self.facts.named
        return f"one of {versions}" if versions else named.said

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        if self.unknown:
            return Said(self.unknown, self.facts.sides.read.lacking)
        if self.is_same:
            both = " and ".join(self.facts.versions)
            said = f"{both} do not differ ({count_noun(self.same, 'eval')})"
            return Said("Same code", f": {said}")
        return Said("Nothing to compare", f": {self.say_doubt(())}")

    def say_doubt(self, evals: Sequence[Story]) -> str:
        if self.unknown:
            return self.unknown.replace("It is", "it is", 1)
        never = f"{count_noun(self.never, 'eval')} never ran on {self.where}"
        return "" if self.is_same else never


def _find_apart(facts: VerdictFacts) -> Iterator[Finding]:
    never, same = facts.apart["not compared"], facts.apart["same_code"]
    unknown, is_same = facts.sides.read.unknown, bool(same and not never)
    if unknown or (facts.apart and not facts.stories):
        mark = GOOD if is_same and not unknown else IDLE
        yield TwoVersions(
            facts=facts, mark=mark, same=same, never=never, is_same=is_same, unknown=unknown
        )


class Uncompared(Finding, frozen=True, kw_only=True, tag="uncompared"):
    """No eval that passes was compared: a first run, or nothing that passes."""

    passed: int
    of: int
    mark: Mark = IDLE

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        passed, of = self.passed, self.of
        failed, passing = of - passed, f"{passed:,} of {of:,}"
        if self.facts.is_first and not passed:
            return Said(f"First run: all {of} fail", calm="")
        if self.facts.is_first:
            far = f"{failed} of {of} fail{'s' * (failed == 1)}" if failed else f"all {of} pass"
            return Said(f"First run: {far}", "; the next check compares with it")
        if not self.last_doubt:
            return Said("Nothing to compare yet", f": {passing} pass")
        n = len(self.facts.of("still_failing"))
        as_before = f", {n} fail{'s' * (n == 1)} as before" if n else ""
        return Said("Nothing passes", f": {passing}{as_before}")

    @property
    def last_doubt(self) -> str:
        ran = [each for each in self.facts.stories if each.state is not None]
        is_apart = all(each.transition in NOT_COMPARED for each in ran)
        is_told = self.passed and (self.facts.is_first or is_apart)
        return "" if is_told else "no eval passes"

    def look(self, steps: Steps) -> NextStep | None:
        return steps.see() if self.last_doubt else None


class NothingBroke(Finding, frozen=True, kw_only=True, tag="nothing_broke"):
    """Nothing broke; its evals are those that are fixed."""

    passed: int
    of: int
    mark: Mark = GOOD

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        nothing, between = self.facts.nothing, self.facts.between
        if self.evals:
            return Said(f"{self.n} {self._say_fixed()}", f"{between}, {nothing} broke")
        passing = f"{self.passed:,} of {self.of:,} pass{self._say_failing()}"
        return Said(f"{nothing.capitalize()} broke", f"{between}: {passing}")

    def say_beside(self, mark: Mark) -> str:
        is_said = self.evals and mark != OPEN
        return f"{len(self.evals)} {self._say_fixed()}" if is_said else ""

    def _say_fixed(self) -> str:
        is_sure = all((each.reading.p_improved or 0) >= LIKELY for each in self.evals)
        return (
            self.verb("is fixed", "are fixed")
            if is_sure
            else self.verb("passes", "pass") + " again"
        )

    def _say_failing(self) -> str:
        """The evals that do not pass, beside those that broke."""
        facts, flaky = self.facts, self.facts.of("flaky")
        failing = [each for each in facts.counted if each.fails and not each.passes_in_the_end]
        counts = Counter(each.transition for each in failing)
        counts["flaky"] = len(flaky) * any(each.fails for each in flaky)
        as_before = f"fail{'s' * (counts['still_failing'] == 1)} as before"
        told = {"still_failing": as_before, "flaky": "flaky"}
        told |= {"added": "new and failing", "not_comparable": "edited and failing"}
        said = [f"{len(facts.accepted)} accepted"] if facts.accepted else []
        said += [f"{counts[each]} {word}" for each, word in told.items() if counts[each]]
        return "".join(f", {each}" for each in said)


def _find_passing(facts: VerdictFacts) -> Iterator[Finding]:
    if facts.apart and not facts.stories:
        return  # nothing was compared
    passed, of = facts.passing
    good = ("still_passing", "fixed", "flaky")
    ran = (each for each in facts.stories if each.state in ("passed", "mixed"))
    if facts.is_first or not any(each.transition in good for each in ran):
        yield Uncompared(facts=facts, passed=passed, of=of)
    fixed = tuple(facts.of("fixed"))
    yield NothingBroke(facts=facts, evals=fixed, passed=passed, of=of)


def _name_blocks(evals: Sequence[Story], label: int) -> str:
    names = {one_line(name_block(each), label) for each in evals if each.block_id}
    return names.pop() if len(names) == 1 else "their blocks"


def _say_edited(evals: Sequence[Story], label: int) -> str:
    n = len({each.block_id for each in evals})
    return f"{n} blocks were edited" if n > 1 else f"{_name_blocks(evals, label)} was edited"


ORDER: Sequence[Callable[[VerdictFacts], Iterator[Finding]]] = (
    _find_outage,
    _find_broken,
    lambda facts: _find_errors(facts, is_always=True),
    _find_missing,
    _find_lost,
    _find_ruled,
    lambda facts: _find_fall(facts, is_sure=True),
    _find_unclear,
    lambda facts: _find_fall(facts, is_sure=False),
    lambda facts: _find_errors(facts, is_always=False),
    _find_unrun,
    _find_newer,
    _find_apart,
    _find_passing,
)
"""What finds the situations, the most urgent first."""


def find(facts: VerdictFacts) -> list[Finding]:
    """The findings, the most urgent first. Until a run has ended, nothing else is concluded."""
    going = [*_find_going(facts)]
    return going or [each for its in ORDER for each in its(facts)]
