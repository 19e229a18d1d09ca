"""The first line of a verdict: one clause about what a person must know, made from the evals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from retab_analysis.comparison.detail import WORDS, name_block
from retab_analysis.comparison.names import find_year, name_versions, say_day
from retab_analysis.comparison.sides import Sides
from retab_analysis.comparison.suite_test import SuiteTest
from retab_analysis.evidence.story import Story
from retab_analysis.markup import count_noun, one_line
from retab_analysis.render.document import Count, Heading, Tone
from retab_analysis.vocabulary import BROKEN, DECIDED, LIKELY

LONGEST = 100
SET_ASIDE = ("accepted", "informational")
_ENDED = (*DECIDED, "mixed", "error")


@dataclass(frozen=True, eq=False)
class VerdictFacts:
    """What a verdict is told of.

    ``fallen`` is about the suite without those set aside, where it fell by its test, and
    ``set_aside`` has the word for why each of these does not count.
    """

    stories: Sequence[Story]
    summary: Mapping[str, Any]
    sides: Sides
    fallen: SuiteTest | None
    notes: tuple[str, ...] = ()
    set_aside: Mapping[str, str] = field(default_factory=dict)

    def of(self, *transitions: str) -> list[Story]:
        """The evals of some transitions, but for those set aside."""
        its = [each for each in self.stories if each.transition in transitions]
        return [each for each in its if each.id not in self.set_aside]

    @cached_property
    def states(self) -> list[str]:
        return [each.state for each in self.stories if each.state is not None]

    @property
    def passing(self) -> tuple[int, int]:
        return self.states.count("passed"), len(self.states)

    @property
    def outage(self) -> tuple[int, int] | None:
        """How many evals have nothing but errors of an outage, of how many that ended."""
        errors = sum(each.state == "error" and each.is_outage for each in self.stories)
        return (errors, sum(each in _ENDED for each in self.states)) if errors else None

    @property
    def pass_rate(self) -> float | None:
        """The pass rate now; where nothing is compared, that of all that ended."""
        rate: float | None = self.summary["candidate_pass_rate"]
        ended = sum(each in _ENDED for each in self.states)
        if rate is not None or not ended:
            return rate
        return self.states.count("passed") / ended

    @property
    def is_first(self) -> bool:
        """Whether nothing is known of any eval before."""
        is_all = len(self.stories) == self.summary["added"]
        return self.sides.baseline is None and is_all

    @property
    def is_decided(self) -> bool:
        return any(each in (*DECIDED, "mixed") for each in self.states)

    @cached_property
    def year(self) -> int | None:
        return find_year(self.sides.candidate)

    @cached_property
    def version(self) -> str:
        """What a person calls the version that was checked; empty where it is not known."""
        return name_versions(self.sides.candidate, self.sides.around.versions, self.year)

    def counts(self) -> list[Count]:
        numbers: dict[str, int] = {}
        for each in self.stories:
            word = self.set_aside.get(each.id, WORDS[each.transition][1])
            numbers[word] = numbers.get(word, 0) + 1
        tones = {word: tone for _, word, tone in reversed([*WORDS.values()])} | {"broke": "bad"}
        order = [*dict.fromkeys(word for _, word, _ in WORDS.values())]
        at = order.index("no result")
        order[at:at] = SET_ASIDE
        return [
            Count(
                numbers[word],
                "errors" if word == "error" and numbers[word] > 1 else word,
                tones.get(word, "known"),
            )
            for word in order
            if word in numbers
        ]


def write_heading(facts: VerdictFacts) -> Heading:
    for situation in _SITUATIONS:
        found = situation(facts)
        if found is not None:
            strong, rest = found.strong, found.rest
            kept = max(LONGEST - len(found.sign) - 1 - len(strong), 0)
            if len(rest) > kept:
                rest = f"{rest[: max(kept - 1, 0)].rstrip()}…" if kept else ""
            return Heading(found.sign, found.tone, one_line(strong, LONGEST - 2), rest)
    raise AssertionError("the last situation fits always")


def _going_on(facts: VerdictFacts) -> Heading | None:
    left, total = facts.sides.read.waiting
    if not left:
        return None
    broke = len(facts.of(*BROKEN))
    said = f"{broke} broke so far" if broke else "nothing broke so far"
    return Heading("…", "other", f"{total - left} of {total} done", f": {said}")


def _first_run(facts: VerdictFacts) -> Heading | None:
    if not facts.is_first or not facts.is_decided or facts.outage is not None:
        return None
    passed, of = facts.passing
    said = f": {passed} of {of} pass; the next check compares with it"
    return Heading("○", "other", "First run", said)


def _outage(facts: VerdictFacts) -> Heading | None:
    if facts.outage is None:
        return None
    ended, of = facts.outage
    broke = len(facts.of(*BROKEN))
    still = f"; {broke} broke" if broke else ""
    said = f": {ended} of {count_noun(of, 'eval')} ended in an error{still}"
    return Heading("‼", "error", "Outage", said)


def _broke(facts: VerdictFacts) -> Heading | None:
    broken = facts.of(*BROKEN)
    if not broken:
        return None
    new = [each for each in broken if not each.was_seen]
    old = [each for each in broken if each.was_seen]
    still = f"{'is' if len(old) == 1 else 'are'} still broken"
    strong = f"{count_noun(len(new), 'eval')} broke" if new else ""
    strong = strong or f"{count_noun(len(old), 'eval')} {still}"
    more = f"; {len(old)} {still}" if new and old else ""
    if fixed := facts.of("fixed"):
        more += f"; {_say_fixed(fixed, short=True)}"
    return Heading("✗", "bad", strong, f"{_say_causes(new or old, facts, is_new=bool(new))}{more}")


def _say_causes(broken: Sequence[Story], facts: VerdictFacts, *, is_new: bool) -> str:
    """Since which edit, or since when; of several causes how many evals each has."""
    groups: dict[tuple[str, str], list[Story]] = {}
    for each in broken:
        cause = each.cause or "unknown"
        groups.setdefault((cause, name_block(each) if cause == "edit" else ""), []).append(each)
    if len(groups) == 1:
        ((cause, block), evals) = next(iter(groups.items()))
        return _say_cause(cause, block, evals, facts, is_new=is_new)
    ranked = sorted(groups.items(), key=lambda each: -len(each[1]))
    words = {"drift": "without an edit", "unknown": "by what is not known"}
    said = []
    for (cause, block), evals in ranked[:2]:
        where = f"since the edit of {one_line(block, 40) or 'their block'}"
        said.append(f"{len(evals)} {words.get(cause, where)}")
    rest = sum(len(evals) for _, evals in ranked[2:])
    return f": {', '.join([*said, *([f'{rest} otherwise'] if rest else [])])}"


def _say_cause(
    cause: str, block: str, evals: Sequence[Story], facts: VerdictFacts, *, is_new: bool
) -> str:
    days = {say_day(at, facts.year) for each in evals if (at := each.since_at)}
    day = days.pop() if len(days) == 1 else None
    latest = " at the latest" if any(each.is_latest for each in evals) else ""
    if cause == "edit":
        where = one_line(block, 40) or "their block"
        return f" since the edit of {where}" + (f" on {day}" if day and not is_new else "")
    when = f" {'on' if is_new and not latest else 'since'} {day}{latest}" if day else ""
    return f"{when}, without an edit" if cause == "drift" else when


def _say_fixed(fixed: Sequence[Story], *, short: bool) -> str:
    n = len(fixed)
    sure = all((each.reading.p_improved or 0) >= LIKELY for each in fixed)
    who = f"{n:,}" if short else count_noun(n, "eval")
    fixed_, again = ("is fixed", "passes again") if n == 1 else ("are fixed", "pass again")
    return f"{who} {fixed_ if sure else again}"


def _nothing_decided(facts: VerdictFacts) -> Heading | None:
    if facts.is_decided:
        return None
    states = facts.sides.candidate["state"]
    if (n := len(facts.of("newly_errored"))) and not (states == "cancelled").any():
        return Heading("?", "doubt", f"{count_noun(n, 'eval')} ended in an error", "")
    if len(states) and (states == "cancelled").all():
        return Heading("○", "other", "No result yet", ": the run was cancelled")
    return Heading("○", "other", "No result yet", ": no eval has a verdict")


def _fell(facts: VerdictFacts) -> Heading | None:
    """The pass rate fell, in two runs; or in one, which may be a bad hour."""
    fallen = facts.fallen
    if fallen is None:
        return None
    if not fallen.is_sure and (facts.of("suspect", "incomplete") or facts.sides.read.unnamed):
        return None
    change = fallen.change
    before, now = say_rates(change.baseline_pass_rate or 0, change.candidate_pass_rate or 0)
    aside = [word for word in SET_ASIDE if word in facts.set_aside.values()]
    without = f" without the {' and '.join(aside)} evals" if aside else ""
    where = "" if fallen.is_sure else " in one run"
    said = f" from {before} to {now}{without}{where}; no single eval explains it"
    sign: tuple[str, Tone] = ("✗", "bad") if fallen.is_sure else ("?", "doubt")
    return Heading(*sign, "The pass rate fell", said)


def _errs_always(facts: VerdictFacts) -> Heading | None:
    """Evals that passed once and ended in an error at every run since."""
    found = [each for each in facts.of("newly_errored") if each.errs_always]
    if not found:
        return None
    since = min(each.errors_since for each in found if each.errors_since is not None)
    said = f" at every run since {say_day(since, facts.year)}"
    return Heading("✗", "bad", f"{count_noun(len(found), 'eval')} ended in an error", said)


def _open(facts: VerdictFacts) -> Heading | None:
    """Something may have broken, has no result, or does not add up."""
    suspects, errors = len(facts.of("suspect")), len(facts.of("newly_errored"))
    missing, unnamed = len(facts.of("incomplete")), facts.sides.read.unnamed
    said = []
    if suspects:
        said.append(f"{count_noun(suspects, 'eval')} may have broken")
    if errors:
        said.append(f"{errors if said else count_noun(errors, 'eval')} ended in an error")
    if missing:
        verb = "has" if missing == 1 else "have"
        of = facts.passing[1] + len([each for each in facts.of("incomplete") if not each.state])
        told = f"{missing} {verb} no result"
        said.append(told if said else f"{missing} of {count_noun(of, 'eval')} {verb} no result")
    if unnamed:
        verb = "is" if unnamed == 1 else "are"
        said.append(f"{count_noun(unnamed, 'result')} of the run {verb} missing or do not add up")
    if not said:
        return None
    if len(said) == 1 and (suspects or errors):
        end = "nothing else did" if suspects else "nothing broke"
        return Heading("?", "doubt", said[0], f"; {end}")
    return Heading("?", "doubt", said[0], "".join(f", {each}" for each in said[1:]))


def _fixed(facts: VerdictFacts) -> Heading | None:
    fixed = facts.of("fixed")
    if not fixed:
        return None
    return Heading("✓", "good", _say_fixed(fixed, short=False), ", nothing broke")


def _nothing_broke(facts: VerdictFacts) -> Heading:
    passed, of = facts.passing
    aside = [facts.set_aside[each.id] for each in facts.stories if each.id in facts.set_aside]
    failing = [each for each in facts.stories if each.fails and each.id not in facts.set_aside]
    counts = Counter(each.transition for each in failing)
    said = [f"{passed:,} of {of:,} pass"]
    said += [f"{aside.count(word)} {word}" for word in SET_ASIDE if word in aside]
    words = {
        "still_failing": "fails as before" if counts["still_failing"] == 1 else "fail as before",
        "flaky": "flaky",
        "added": "new and failing",
        "not_comparable": "edited and failing",
    }
    said += [f"{counts[each]} {word}" for each, word in words.items() if counts[each]]
    broke = "Nothing new broke" if aside else "Nothing broke"
    return Heading("✓", "good", broke, f": {', '.join(said)}")


_SITUATIONS: Sequence[Callable[[VerdictFacts], Heading | None]] = (
    _going_on,
    _first_run,
    _outage,
    _broke,
    _errs_always,
    _nothing_decided,
    _fell,
    _open,
    _fixed,
    _nothing_broke,
)


def say_rates(before: float, now: float) -> tuple[str, str]:
    """Two rates in whole percent, or with as many digits as tell them apart."""
    for digits in range(4):
        said = tuple(f"{100 * rate:.{digits}f} %" for rate in (before, now))
        if said[0] != said[1] or before == now:
            break
    return said[0], said[1]
