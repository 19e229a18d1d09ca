"""What a verdict has found: each situation is a class that says all that follows from it.

:func:`find` has the one order of headlines, reasons of the gate and next steps. A finding says its
headline, its clause behind another's, its reasons for the gate and its next step from its fields.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from retab_analysis.comparison.breaks import (
    Break,
    list_breaks,
    name_again,
    name_try,
    say_breaks,
    say_mended,
)
from retab_analysis.comparison.detail import (
    ACCEPTED,
    BROKE,
    FIXED,
    FLAKY,
    NO_RESULT,
    WORDS,
    agree,
    name_block,
)
from retab_analysis.comparison.gate import FAIL_ON
from retab_analysis.comparison.next_step import Steps
from retab_analysis.comparison.suite_test import SuiteTest
from retab_analysis.comparison.verdict_facts import VerdictFacts
from retab_analysis.evidence.story import Story
from retab_analysis.evidence.tries import LastTry, Try
from retab_analysis.markup import count_noun, one_line, say_p_value, say_points, say_rates
from retab_analysis.render.document import Tone
from retab_analysis.render.door import NextStep
from retab_analysis.vocabulary import BROKEN, DECIDED, NOT_COMPARED, say_day

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
_TOLD = {"edit", "saved_again"}  # causes of evals that may have broken
_OF_OTHERS = (*FAIL_ON, "newly_errored", "suspect", "stale")  # they have findings of their own


Step = Callable[[Steps], NextStep | None]


def _no_step(steps: Steps) -> None:
    return None


class Said(NamedTuple):
    """A headline: its strong part, the rest, and its own clause behind a semicolon.

    Another finding's clause may stand in the place of ``calm``, which is None if there is no room.
    """

    strong: str
    rest: str = ""
    clause: str = ""
    calm: str | None = None


class Finding(Struct, frozen=True, eq=False, kw_only=True):
    """A situation with its evals; what a class does not say has the defaults here.

    ``facts`` tell how things are named. ``run`` is a step that runs something, ``look`` one for a
    person. ``last_doubt`` is why the gate is undecided if no other finding says so.
    """

    facts: VerdictFacts
    evals: tuple[Story, ...] = ()
    mark: Mark = BAD
    last_doubt: str = ""
    run: Step = _no_step
    look: Step = _no_step

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        """Its headline, with labels of so many characters, with or without a part per cause."""
        raise NotImplementedError

    def say_beside(self, mark: Mark) -> str:
        """Its clause behind another headline with a mark; empty if it has none."""
        return ""

    def say_doubt(self, evals: Sequence[Story]) -> str:
        """Why the gate is undecided, with its evals in doubt; empty if it is not."""
        return ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the gate fails, if not by single evals."""
        return ()

    @property
    def n(self) -> str:
        return count_noun(len(self.evals), "eval")

    def agree(self, several: str) -> str:
        return agree(len(self.evals), several)


class NoSavedEval(Finding, frozen=True, kw_only=True, tag="no_saved_eval"):
    """A workflow without a saved eval: there is nothing to conclude from."""

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        return Said(f"{Steps(self.facts).id} has no saved eval")

    def say_doubt(self, evals: Sequence[Story]) -> str:
        return "there is no saved eval"


class GoesOn(Finding, frozen=True, kw_only=True, tag="goes_on"):
    """A run that was asked for goes on; until it has ended, nothing else is concluded."""

    left: int
    of: int
    failing: int

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        far = f"{self.failing} {agree(self.failing, 'fail')}" if self.failing else ""
        far = far or f"{self.facts.nothing} {BROKE}"
        return Said(f"{self.of - self.left:,} of {self.of:,} done", f": {far} so far")

    def say_doubt(self, evals: Sequence[Story]) -> str:
        of = count_noun(self.of, "result")
        return f"{self.left} of {of} {agree(self.left, 'are')} still to come"


class Outage(Finding, frozen=True, kw_only=True, tag="outage"):
    """So many errors on a wide front, ``of`` so many evals that ended."""

    errors: int
    of: int

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        of = count_noun(self.of, "eval")
        return Said("Outage", f": {self.errors} of {of} ended in an error", calm="")

    @property
    def reasons(self) -> tuple[str, ...]:
        return (f"{''.join(self.say()[:2])}; run them again.",)


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

    @classmethod
    def make(cls, facts: VerdictFacts) -> Broken:
        broken = tuple(facts.of(*BROKEN))
        found = map(facts.find_again, {each.block_id for each in broken})
        backs = [each for each in found if each is not None and each.is_waiting]
        unrun = Unrun.make(facts) if facts.unrun and not facts.broke_between else None
        last = next(iter(facts.last_tries), None)
        unsure = [each for each in broken if each.is_unsure]
        waiting = [*broken, *(unrun.blocks.evals if unrun else ())]
        is_tried = last is not None and unrun is None and any(each.fails for each in broken)
        block = last.block if last is not None else ""
        return cls(
            facts=facts,
            evals=broken,
            breaks=tuple(facts.breaks),
            last=last,
            unrun=unrun,
            back=backs[0] if backs and unrun is None else None,
            is_new=bool(facts.broke_between) or not all(each.was_seen for each in broken),
            run=lambda steps: steps.test(waiting) or (steps.settle(unsure) if unsure else None),
            look=lambda steps: steps.see_tries(block) if is_tried else steps.fix(),
        )

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        facts, are, breaks, last = self.facts, self.agree("are"), self.breaks, self.last
        if self.back is not None and len(breaks) == 1:
            since = name_again(self.back)
            return Said(f"{self.n} {are} broken again", f" since {since}")
        unrun = "" if self.unrun is None else self.unrun.say_again(self.evals, label)
        clause, which = unrun or ("" if last is None else self._say_last(last)), ""
        own = [each for each in breaks if last is not None and each.edit == last.its]
        if own and last is not None and not unrun and is_split:
            breaks = (*(each for each in breaks if each not in own), *own)
            clause, which = "", say_mended(last.its)
        said = BROKE if self.is_new else f"{are} still broken"
        if self.is_new and len(breaks) > 1 and (clause or which):
            said = f"{are} broken"
        if facts.broke_between:
            return Said(f"{self.n} {said}", facts.broke_between, calm="")
        known = {each.block_id for each in self.evals}
        names = not self.unrun or known & {each.block_id for each in self.unrun.blocks.evals}
        is_short = bool(names and (clause or which))
        how = {"is_new": self.is_new, "is_split": is_split, "is_short": is_short}
        since = say_breaks(breaks, facts.year, label, which, **how)
        return Said(f"{self.n} {said}", since, clause, None if which else "")

    def _say_last(self, last: LastTry) -> str:
        old = [each for its in self.breaks if its.edit != last.its for each in its.evals]
        said, again = say_mended(last.its), len({each.id for each in old} & last.its.broke)
        if again:
            said = f"{f'{said} and ' if last.its.mended else ''}{BROKE} {again} again"
        return f"{name_try(last.its)} {said}"

    def say_beside(self, mark: Mark) -> str:
        verb = BROKE if self.is_new else f"{self.agree('are')} still broken"
        return f"{len(self.evals)} {verb}"


class InError(Finding, frozen=True, kw_only=True, tag="in_error"):
    """Errors outside an outage, once or ``is_always``: at every run."""

    is_always: bool

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        said = f"{self.n} ended in an error"
        if not self.is_always:
            return Said(said, calm=f"{self.facts.nothing} {BROKE}" * self.facts.is_decided)
        since = min(each.errors_since for each in self.evals if each.errors_since)
        return Said(said, f" at every run since {say_day(since, self.facts.year)}")

    def say_beside(self, mark: Mark) -> str:
        return f"{len(self.evals)} ended in an error" * (mark == OPEN and not self.is_always)

    def say_doubt(self, evals: Sequence[Story]) -> str:
        return f"{count_noun(len(evals), 'eval')} ended in an error" * (not self.is_always)


Why = Literal["could not run", "does not fit", "cancelled", "nothing decided", "no result"]


class Missing(Finding, frozen=True, kw_only=True, tag="missing"):
    """Evals that ought to have a result; ``of`` so many, ``passed`` so many passed."""

    why: Why
    passed: int
    of: int

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        have, block = self.agree("have"), _name_blocks(self.evals, label)
        if self.why == "could not run":
            errors = self.facts.states.count("error")
            none = sum(not each.state for each in self.facts.there)
            said = [f"{self.passed} of {self.of} passed"]
            said += [count_noun(errors, "error")] if errors else []
            said += [f"{none} {agree(none, 'have')} {NO_RESULT}"] if none else []
            return Said("This run could not run", f": {', '.join(said)}")
        if self.why == "does not fit":
            edits = (
                "its edit" if len({each.block_id for each in self.evals}) == 1 else "their edits"
            )
            return Said(self.n, f" {self.agree('do')} not fit {block} any more since {edits}")
        if self.why == "cancelled":
            return Said(f"{block} was edited", "; its run was cancelled before a result")
        if self.why == "no result":
            of = count_noun(self.of, "eval")
            return Said(f"{len(self.evals)} of {of} {have} {NO_RESULT}", calm="")
        is_cancelled = {*self.facts.states} == {"cancelled"}
        why = "the run was cancelled" if is_cancelled else "no eval has a verdict"
        return Said(f"{NO_RESULT.capitalize()} yet", f": {why}")

    def say_beside(self, mark: Mark) -> str:
        is_said = self.why == "no result" or (self.why == "cancelled" and mark != OPEN)
        return f"{len(self.evals)} {self.agree('have')} {NO_RESULT}" * is_said

    @property
    def reasons(self) -> tuple[str, ...]:
        lost = f"The run could not run: {count_noun(len(self.evals), 'result')} missing."
        return (lost,) * (self.why == "could not run")


def _find_missing(facts: VerdictFacts) -> Iterator[Finding]:
    read, expected = facts.sides.read, facts.sides.saved.expected or ()
    wanting = [s for s in facts.of("incomplete", *BROKEN) if s.state not in _ENDED]
    lost = tuple(each for each in wanting if each.id in expected and read.could_not_run)
    missing = tuple(each for each in facts.of("incomplete") if each not in lost)
    passed, of = facts.passing
    if lost:
        every = of + sum(not each.state for each in facts.there)
        its = Missing(
            facts=facts, evals=lost, mark=GRAVE, why="could not run", passed=passed, of=every
        )
        yield replace(its, run=Steps.run_all)
    if why := _find_why(facts, missing):
        steps = {"nothing decided": Steps.run_all, "does not fit": _no_step}
        yield Missing(
            facts=facts,
            evals=missing,
            mark=OPEN,
            why=why,
            passed=passed,
            of=of + sum(each.state is None for each in missing),
            last_doubt="nothing was decided" * (why == "nothing decided"),
            run=steps.get(why, lambda steps: steps.run_missing(missing)),
            look=_no_step if why == "nothing decided" else Steps.fix,
        )


def _find_why(facts: VerdictFacts, missing: Sequence[Story]) -> Why | None:
    cancelled = {each.block_id for each in missing if each.state == "cancelled"}
    its = {each for each in facts.there if each.block_id in cancelled}
    if missing and all(each.standing == "not valid" for each in missing):
        return "does not fit"
    if len(cancelled) == 1 and its == {*missing} and all(s.ran_on_new_code for s in its):
        return "cancelled"
    if facts.apart and not facts.there:
        return None
    if not facts.is_decided and ("cancelled" in facts.states or not facts.of("newly_errored")):
        return "nothing decided"
    return "no result" if missing else None


class DoesNotAddUp(Finding, frozen=True, kw_only=True, tag="does_not_add_up"):
    """So many results or evals that an answer of the API should have, and lacks.

    They fail the gate, unless they are in ``doubt``, in words.
    """

    n_lost: int
    doubt: str = ""

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        if self.doubt:
            strong = f"{self.doubt[0].upper()}{self.doubt[1:]}"
            return Said(strong, calm=f"{self.facts.nothing} else {BROKE}")
        return Said(self._say_lost(" of the run"), calm="")

    def say_beside(self, mark: Mark) -> str:
        return self._say_lost() * (mark == OPEN and not self.doubt)

    def say_doubt(self, evals: Sequence[Story]) -> str:
        return self.doubt

    @property
    def reasons(self) -> tuple[str, ...]:
        return (f"The run does not add up: {self._say_lost()}.",) * (not self.doubt)

    def _say_lost(self, of: str = "") -> str:
        return f"{count_noun(self.n_lost, 'result')}{of} missing or miscounted"


class AgainstRule(Finding, frozen=True, kw_only=True, tag="against_rule"):
    """What only the rule counts: evals it names, a pass rate below its least one.

    ``rate`` says the rate in words, ``outdated`` of accepted entries why they are over.
    """

    rate: str = ""
    outdated: tuple[str, ...] = ()

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        if self.evals:
            words = ", ".join(dict.fromkeys(WORDS[s.transition].word for s in self.evals))
            return Said(f"{self.n} {self.agree('count')} against the gate", f": {words}")
        if self.rate or len(self.outdated) == 1:
            return Said(self.rate or self.outdated[0])
        return Said(f"{len(self.outdated)} entries of accepted failures are outdated")

    @property
    def reasons(self) -> tuple[str, ...]:
        rate = (f"{self.rate}.",) * bool(self.rate)
        return (*rate, *(f"{each}. Remove the entry." for each in self.outdated))


def _find_ruled(facts: VerdictFacts) -> Iterator[Finding]:
    if others := tuple(s for s in facts.failing if s.transition not in _OF_OTHERS):
        yield AgainstRule(facts=facts, evals=others, look=Steps.fix)
    ended = [each for each in facts.stories if each.state in _ENDED]
    passed, least = sum(each.passes_in_the_end for each in ended), facts.rule.min_pass_rate
    if least is not None and (not ended or passed / len(ended) < least):
        now, asked = say_rates(passed / len(ended) if ended else 0, least)
        told = f"{now}, {passed} of {len(ended)} that ended" if ended else "not known"
        rate = f"The pass rate is {told}; the rule asks for at least {asked}"
        yield AgainstRule(facts=facts, rate=rate, look=Steps.see)
    if over := tuple(each.why.rstrip(".") for each in facts.outdated):
        yield AgainstRule(facts=facts, outdated=over, look=Steps.delete)


class Fell(Finding, frozen=True, kw_only=True, tag="fell"):
    """The pass rate fell: for sure, or in one run. ``is_alone``: no eval is unclear or in error."""

    test: SuiteTest
    is_alone: bool

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        change, once = self.test.change, "" if self.test.is_sure else " in one run"
        before, now = say_rates(change.baseline_pass_rate or 0, change.candidate_pass_rate or 0)
        rest = f" from {before} to {now}{once}; no single eval explains it"
        return Said("The pass rate fell", rest)

    @property
    def reasons(self) -> tuple[str, ...]:
        change, accepted = self.test.change, self.facts.accepted
        beginning = f"Without the {ACCEPTED} evals, the" if accepted else "The"
        fell, p = say_points(change.delta or 0), say_p_value(change.p_value or 0)
        said = f"{beginning} pass rate fell by {fell}, more than chance explains (p value {p})."
        return (said,) * self.test.is_sure

    def say_doubt(self, evals: Sequence[Story]) -> str:
        alone = " and no single eval explains it; run the suite again" * self.is_alone
        return f"the pass rate fell in one run{alone}" * (not self.test.is_sure)


class Unclear(Finding, frozen=True, kw_only=True, tag="unclear"):
    """Evals that may have broken."""

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        facts = self.facts
        if {each.cause for each in self.evals} <= _TOLD and not facts.broke_between:
            since = say_breaks(
                list_breaks(self.evals, {}),
                facts.year,
                label,
                is_new=True,
                is_split=is_split,
            )
            return Said(f"{self.n} may have broken", since, calm="")
        return Said(f"{self.n} may have broken", calm=f"{facts.nothing_else} did")

    def say_beside(self, mark: Mark) -> str:
        return f"{len(self.evals)} may have broken" * (mark == OPEN)

    def say_doubt(self, evals: Sequence[Story]) -> str:
        return f"{count_noun(len(evals), 'eval')} may have broken"


class Waiting(NamedTuple):
    """Evals that have not run as they are now: those that a run tests now, and ``idle`` ones."""

    evals: tuple[Story, ...]
    going: tuple[Story, ...]
    idle: tuple[Story, ...]


class Unrun(Finding, frozen=True, kw_only=True, tag="unrun"):
    """What has not run as it is now: evals of edited blocks, edited, saved again and new ones.

    So many ``were_broken`` when their block had its present code before.
    """

    blocks: Waiting
    edited: Waiting
    saved_again: Waiting
    new: Waiting
    were_broken: int

    @classmethod
    def make(cls, facts: VerdictFacts) -> Unrun:
        def wait(evals: Iterable[Story]) -> Waiting:
            its = tuple(evals)
            going = tuple(each for each in its if facts.find_run(each))
            return Waiting(its, going, tuple(each for each in its if each not in going))

        stale, names = facts.stale, {each.block_id for each in facts.unrun}
        again = facts.find_again(names.pop()) if len(names) == 1 else None
        return cls(
            facts=facts,
            evals=tuple(stale),
            mark=IDLE,
            blocks=wait(facts.unrun),
            edited=wait(s for s in stale if s.standing == "eval"),
            saved_again=wait(s for s in stale if s.standing == "saved"),
            new=wait(s for s in stale if s.standing == "never"),
            were_broken=0 if again is None else len(again.broke),
            run=lambda steps: steps.test([*facts.unrun, *stale]),
        )

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        if self.blocks.evals:
            return self._say_blocks(label)
        if self.edited.evals:
            return self._say_evals(self.edited, "edited eval", "", "yet")
        if self.saved_again.evals:
            return self._say_evals(self.saved_again, "eval", "were saved again and ", "since")
        return self._say_evals(self.new, "new eval", "", "yet")

    def _say_evals(self, its: Waiting, noun: str, again: str, since: str) -> Said:
        n = len(its.evals)
        again = again.replace("were", agree(n, "were"))
        said = f"{count_noun(n, noun)} {again}{agree(n, 'have')} not run {since}"
        if its.idle:
            return Said(said, calm=f"{self.facts.nothing_else} {BROKE}")
        return Said(said, clause=self._say_run("its" if n == 1 else "their", its.going))

    def _say_edited(self, label: int) -> tuple[str, int, int, int]:
        """``2 blocks were edited``; how many, how many of their evals did not run, of how many.

        Blocks that a run tests now are named only if there are no others.
        """
        its = self.blocks.idle or self.blocks.going
        names = {each.block_id for each in its}
        said = f"{_name_blocks(its, label)} {agree(len(names), 'were')} edited"
        of = sum(each.block_id in names for each in self.facts.there)
        return said, len(names), len(its), of

    def _say_blocks(self, label: int) -> Said:
        _, going, idle = self.blocks
        edited, n, unrun, of = self._say_edited(label)
        its = "its" if n == 1 else "their"
        if not idle:
            return Said(f"{edited}; {self._say_run(its, going)}")
        said = f"{edited} and {agree(n, 'have')} not run yet"
        if is_part := unrun < of:
            have = agree(unrun, "have")
            said = f"{edited}: {unrun} of {its} {count_noun(of, 'eval')} {have} not run since"
        calm = f"{'' if is_part else 'before that '}{self.facts.nothing} {BROKE}"
        if broken := self.were_broken:
            calm = f"when it had this code, {broken} of its evals {agree(broken, 'were')} broken"
        if going:
            calm = self._say_run("the", going, f" of {_name_blocks(going, label)}")
        return Said(said, calm=calm)

    def _say_run(self, whose: str, going: Sequence[Story], of: str = "") -> str:
        runs = {run.run_id: run for each in going if (run := self.facts.find_run(each))}
        if len(runs) > 1:
            return f"{whose} runs{of} go on"
        return "".join(
            f"{whose} run{of} goes on ({run.done} of {run.total})" for run in runs.values()
        )

    def say_again(self, broken: Sequence[Story], label: int) -> str:
        """Its clause behind what is broken; empty if the part that ran is the news."""
        (_, going, idle), (edited, n, unrun, of) = self.blocks, self._say_edited(label)
        is_old = all(s.was_seen for s in broken) or any(s.standing == "block" for s in broken)
        if unrun < of and not is_old:
            return ""
        by_edit = all(s.cause == "edit" for s in broken)
        blocks = {s.block_id for s in idle or going}
        again = " again" * (by_edit and blocks <= {each.block_id for each in broken})
        edited += again
        if not idle:
            return f"{edited} and {self._say_run('its' if n == 1 else 'their', going)}"
        if unrun < of:
            return f"{edited}: {unrun} of {of} {agree(unrun, 'have')} not run"
        return f"{edited} and {agree(n, 'have')} not run"

    def say_doubt(self, evals: Sequence[Story]) -> str:
        are = "it is" if len(evals) == 1 else "they are"
        have = agree(len(evals), "have")
        return f"{count_noun(len(evals), 'eval')} {have} not run as {are} now"


class Unseen(Finding, frozen=True, kw_only=True, tag="unseen"):
    """Evals that ran, while nothing tells whether their blocks were edited since."""

    passed: int
    of: int

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        said = f"Edits of {_name_blocks(self.evals, label)} cannot be seen"
        return Said(said, calm=f"{self.passed:,} of {self.of:,} passed")

    def say_doubt(self, evals: Sequence[Story]) -> str:
        return f"edits of {_name_blocks(self.evals)} cannot be seen"


class Newer(Finding, frozen=True, kw_only=True, tag="newer_run"):
    """A newer run that cannot be judged yet: it ``goes_on``, is stuck, or dated in the future."""

    goes_on: bool

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        run, said = self.facts.sides.read.doubts[0], "is dated in the future"
        if run.kind == "going on":
            hour = "" if run.at is None else f" since {run.at:%-H:%M}"
            said = f"goes on{hour} ({run.done} of {run.total})"
        elif run.kind == "stuck":
            day = "" if run.at is None else f" since {say_day(run.at, self.facts.year)}"
            said = f"has not ended{day}"
        return Said(f"A newer run {said}", calm=f"before it {self.facts.nothing} {BROKE}")

    def say_doubt(self, evals: Sequence[Story]) -> str:
        return "a newer run cannot be judged yet"


class TwoVersions(Finding, frozen=True, kw_only=True, tag="two_versions"):
    """Two versions of which nothing is compared: ``same`` evals have one code in both.

    ``never`` so many have no result on one of the codes; ``unknown`` says what is not known.
    """

    same: int
    never: int
    unknown: str

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        if self.unknown:
            told = self.facts.sides.told
            return Said(self.unknown, told.lacking if told else "")
        if self.never:
            return Said("Nothing to compare", f": {self.say_doubt(())}")
        both = " and ".join(self.facts.versions)
        return Said(
            WORDS["same_code"].word.capitalize(),
            f": {both} do not differ ({count_noun(self.same, 'eval')})",
        )

    def say_doubt(self, evals: Sequence[Story]) -> str:
        versions = " and ".join(self.facts.versions)
        where = f"one of {versions}" if versions else self.facts.named.said
        never = f"{count_noun(self.never, 'eval')} never ran on {where}" * (self.never > 0)
        return self.unknown.replace("It is", "it is", 1) or never


class Uncompared(Finding, frozen=True, kw_only=True, tag="uncompared"):
    """No eval that passes was compared: a first run, new and edited evals, or nothing passes."""

    passed: int
    of: int
    is_first: bool

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        failed, passing = self.of - self.passed, f"{self.passed:,} of {self.of:,}"
        if self.is_first and self.last_doubt:
            return Said(f"First run: all {self.of} fail", calm="")
        if self.is_first:
            far = (
                f"{failed} of {self.of} {agree(failed, 'fail')}"
                if failed
                else f"all {self.of} pass"
            )
            return Said(f"First run: {far}", "; the next check compares with it")
        if not self.last_doubt:
            return Said("Nothing to compare yet", f": {passing} pass")
        n = len(self.facts.of("still_failing"))
        as_before = f", {n} {agree(n, 'fail')} as before" if n else ""
        return Said("Nothing passes", f": {passing}{as_before}")


class NothingBroke(Finding, frozen=True, kw_only=True, tag="nothing_broke"):
    """Nothing broke; its evals are those that are fixed."""

    passed: int
    of: int

    def say(self, label: int = LABEL, *, is_split: bool = True) -> Said:
        nothing, between = self.facts.nothing, self.facts.between
        if self.evals:
            return Said(f"{self.n} {self.agree('are')} {FIXED}", f"{between}, {nothing} {BROKE}")
        passing = f"{self.passed:,} of {self.of:,} pass{self._say_failing()}"
        return Said(f"{nothing.capitalize()} {BROKE}", f"{between}: {passing}")

    def say_beside(self, mark: Mark) -> str:
        is_said = self.evals and mark != OPEN
        return f"{len(self.evals)} {self.agree('are')} {FIXED}" if is_said else ""

    def _say_failing(self) -> str:
        """The evals that do not pass, beside those that broke."""
        facts, flaky = self.facts, self.facts.of("flaky")
        failing = [each for each in facts.counted if each.fails and not each.passes_in_the_end]
        counts = Counter(each.transition for each in failing)
        counts["flaky"] = len(flaky) * any(each.fails for each in flaky)
        as_before = f"{agree(counts['still_failing'], 'fail')} as before"
        told = {"still_failing": as_before, "flaky": FLAKY}
        told |= {each: f"{WORDS[each].word} and failing" for each in ("added", "not_comparable")}
        said = [f"{len(facts.accepted)} {ACCEPTED}"] if facts.accepted else []
        said += [f"{counts[each]} {word}" for each, word in told.items() if counts[each]]
        return "".join(f", {each}" for each in said)


def _find_passing(facts: VerdictFacts) -> Iterator[Finding]:
    """What passes, if anything was compared, and whether two versions differ."""
    never, same = facts.apart["not compared"], facts.apart["same_code"]
    unknown, is_empty = facts.sides.read.unknown, bool(facts.apart) and not facts.there
    if unknown or is_empty:
        mark = IDLE if unknown or never else GOOD
        yield TwoVersions(facts=facts, mark=mark, same=same, never=never, unknown=unknown)
    if is_empty:
        return
    passed, of = facts.passing
    ran = [each for each in facts.stories if each.state is not None]
    good = [s for s in ran if s.transition in ("still_passing", "fixed", "flaky")]
    if facts.is_first or not any(each.state in ("passed", "mixed") for each in good):
        is_apart = facts.is_first or all(each.transition in NOT_COMPARED for each in ran)
        none = not (passed and is_apart)
        yield Uncompared(
            facts=facts,
            mark=IDLE,
            look=Steps.see if none else _no_step,
            passed=passed,
            of=of,
            is_first=facts.is_first,
            last_doubt="no eval passes" * none,
        )
    fixed = tuple(facts.of("fixed"))
    yield NothingBroke(facts=facts, evals=fixed, mark=GOOD, passed=passed, of=of)


def _name_blocks(evals: Sequence[Story], label: int = LABEL) -> str:
    """The block of some evals, or how many they have."""
    names = {each.block_id: one_line(name_block(each), label) for each in evals}
    return f"{len(names)} blocks" if len(names) > 1 else "".join(names.values()) or "their block"


def find(facts: VerdictFacts) -> list[Finding]:
    """The findings, the most urgent first: the one order of them.

    Until a run that was asked for has ended, nothing else is concluded; nor is anything without
    saved evals.
    """
    saved, (left, of) = facts.sides.saved.evals, facts.sides.read.waiting
    if saved is not None and saved.is_empty() and not facts.sides.read.unlisted:
        return [NoSavedEval(facts=facts, mark=IDLE, look=Steps.save)]
    if left:
        failing = sum(each.fails for each in facts.counted)
        its = GoesOn(facts=facts, mark=GOES, run=Steps.watch, left=left, of=of, failing=failing)
        return [its]
    return [*_find_urgent(facts), *_find_open(facts)]


def _find_urgent(facts: VerdictFacts) -> Iterator[Finding]:
    """What fails the gate, by itself or under the rule."""
    if errors := sum(each.state == "error" and each.is_outage for each in facts.stories):
        of = sum(each in _ENDED for each in facts.states)
        yield Outage(facts=facts, mark=GRAVE, errors=errors, of=of, run=Steps.run_all)
    if facts.of(*BROKEN):
        yield Broken.make(facts)
    if always := tuple(each for each in facts.of("newly_errored") if each.errs_always):
        yield InError(facts=facts, evals=always, is_always=True, look=Steps.fix)
    yield from _find_missing(facts)
    if lost := facts.sides.read.unnamed:
        yield DoesNotAddUp(facts=facts, mark=OPEN, n_lost=lost, run=Steps.run_all)
    yield from _find_ruled(facts)


def _find_lost(facts: VerdictFacts) -> Iterator[Finding]:
    """What the list of saved evals lacks, and what went with deleted evals."""
    read = facts.sides.read
    if n := read.unlisted:
        doubt = "the list of saved evals is not whole"
        if read.is_list_whole:
            doubt = f"{count_noun(n, 'eval')} may have been deleted"
        again = partial(Steps.check_again, sentence="Check again")
        yield DoesNotAddUp(facts=facts, mark=OPEN, n_lost=n, doubt=doubt, look=again)
    if n := read.gone_failures:
        doubt = f"{count_noun(n, 'failure')} of the run {agree(n, 'are')} not there any more"
        yield DoesNotAddUp(facts=facts, mark=OPEN, n_lost=n, doubt=doubt, run=Steps.run_all)


def _find_open(facts: VerdictFacts) -> Iterator[Finding]:
    """A fall of the pass rate, all that is in doubt or has not run, and what passes."""
    suspects, errors = tuple(facts.of("suspect")), facts.of("newly_errored")
    alone, fallen = not suspects and not errors, facts.fallen
    if fallen is not None and fallen.is_sure:
        yield Fell(facts=facts, test=fallen, is_alone=alone, look=Steps.see)
    if suspects:
        settle = partial(Steps.settle, evals=suspects)
        yield Unclear(facts=facts, evals=suspects, mark=OPEN, run=settle)
    if fallen is not None and not fallen.is_sure:
        yield Fell(facts=facts, mark=OPEN, test=fallen, is_alone=alone, run=Steps.run_all)
    if once := tuple(each for each in errors if each.is_undecided):
        settle = partial(Steps.settle, evals=once)
        yield InError(facts=facts, evals=once, mark=OPEN, is_always=False, run=settle)
    yield from _find_lost(facts)
    if facts.stale:
        yield Unrun.make(facts)
    if unseen := tuple(s for s in facts.counted if s.standing == "unseen"):
        judge, (passed, of) = partial(Steps.judge_new_run, evals=unseen), facts.passing
        yield Unseen(facts=facts, evals=unseen, mark=IDLE, passed=passed, of=of, run=judge)
    if doubts := facts.sides.read.doubts:
        is_going = any(each.kind == "going on" for each in doubts)
        step = Steps.watch if is_going else Steps.run_all
        yield Newer(facts=facts, mark=IDLE, goes_on=is_going, run=step)
    yield from _find_passing(facts)
