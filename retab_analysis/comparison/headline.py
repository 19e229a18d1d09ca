"""The first line of a verdict: one clause, made from the evals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from retab_analysis.comparison.detail import WORDS, name_block
from retab_analysis.comparison.names import find_year, name_versions, say_day
from retab_analysis.comparison.sides import NewerRun, Sides
from retab_analysis.comparison.suite_test import SuiteTest
from retab_analysis.evidence.story import REPEATEDLY, Story
from retab_analysis.markup import count_noun, one_line
from retab_analysis.render.document import Count, Heading, Tone
from retab_analysis.vocabulary import BROKEN, DECIDED, LIKELY, NOT_COMPARED

LONGEST = 100
SHORT = 3
"""So many outcomes before a break without an edit tell on which day it was."""
_ENDED = (*DECIDED, "mixed", "error")


@dataclass(frozen=True, eq=False)
class VerdictFacts:
    """The facts of a verdict.

    ``fallen`` is the test of the suite, without the accepted evals, if it fell. ``accepted`` are
    the ids of those that do not simply pass. ``objection`` is the gate's first reason, if any.
    """

    stories: Sequence[Story]
    summary: Mapping[str, Any]
    sides: Sides
    fallen: SuiteTest | None
    notes: tuple[str, ...] = ()
    accepted: frozenset[str] = frozenset()
    objection: str = ""

    def of(self, *transitions: str) -> list[Story]:
        """The evals of some transitions, without the accepted ones."""
        its = [each for each in self.stories if each.transition in transitions]
        return [each for each in its if each.id not in self.accepted]

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

    @property
    def outage(self) -> tuple[int, int] | None:
        """How many evals have only errors of an outage, and how many ended."""
        errors = sum(each.state == "error" and each.is_outage for each in self.stories)
        return (errors, sum(each in _ENDED for each in self.states)) if errors else None

    @cached_property
    def lost(self) -> list[Story]:
        """The evals that the checked run did not reach before it ended in an error itself."""
        if not self.sides.read.could_not_run:
            return []
        expected = self.sides.saved.expected or ()
        its = [each for each in self.of("incomplete", *BROKEN) if each.id in expected]
        return [each for each in its if each.state not in _ENDED]

    def count_passes(self) -> tuple[int, int]:
        """How many evals pass, and how many ended."""
        ended = [each for each in self.stories if each.state in _ENDED]
        return sum(each.passes_in_the_end for each in ended), len(ended)

    @cached_property
    def saved(self) -> frozenset[str] | None:
        """The ids and names of the saved evals; None if they are not known."""
        saved = self.sides.saved.evals
        if saved is None:
            return None
        return frozenset(saved.select("eval_id", "eval_name").unpivot()["value"])

    @property
    def is_first(self) -> bool:
        ran = [each for each in self.stories if each.saved.stale != "never"]
        is_all = len(ran) == self.summary["added"] and bool(ran)
        return self.sides.baseline is None and is_all

    @property
    def has_pass(self) -> bool:
        """Whether an eval passes that was compared, and ran as it is now."""
        words = ("still_passing", "fixed", "flaky")
        return any(s.transition in words and s.state in ("passed", "mixed") for s in self.stories)

    @property
    def is_apart(self) -> bool:
        """Whether nothing can be compared: all is new or edited."""
        ran = [each for each in self.stories if each.state is not None]
        return all(each.transition in NOT_COMPARED for each in ran)

    @property
    def is_decided(self) -> bool:
        return any(each in (*DECIDED, "mixed") for each in self.states)

    @cached_property
    def year(self) -> int | None:
        return find_year(self.sides.candidate)

    @cached_property
    def version(self) -> str:
        """The name of the checked version; empty if it is not known."""
        return name_versions(self.sides.candidate, self.sides.around.versions, self.year)

    @cached_property
    def versions(self) -> tuple[str, ...]:
        """The names of both sides, if two versions are compared; their ids if alike."""
        asked, known = self.sides.read.versions, self.sides.around.versions
        if not asked:
            return ()
        both = zip((self.sides.baseline, self.sides.candidate), asked, strict=True)
        names = tuple(
            (side is not None and name_versions(side, known, self.year, of_all_runs=True)) or name
            for side, name in both
        )
        return tuple(one_line(each, 40) for each in (names if names[0] != names[1] else asked))

    @property
    def between(self) -> str:
        """`` from v4 to v5`` if two versions are compared, else nothing."""
        the = ("the " * each.startswith("draft of ") + each for each in self.versions)
        return " from {} to {}".format(*the) if self.versions else ""

    def counts(self) -> list[Count]:
        numbers = Counter(
            "accepted" if each.id in self.accepted else WORDS[each.transition][1]
            for each in self.stories
        )
        tones = {word: tone for _, word, tone in reversed([*WORDS.values()])} | {"broke": "bad"}
        order = [*dict.fromkeys(word for _, word, _ in WORDS.values())]
        order.insert(order.index("no result"), "accepted")
        shown = ((numbers[word], word, tones.get(word, "known")) for word in order)
        return [Count(n, word + "s" * (word == "error" and n > 1), t) for n, word, t in shown if n]


def write_heading(facts: VerdictFacts) -> Heading:
    for situation in _SITUATIONS:
        found = situation(facts)
        if found is not None:
            strong, rest = found.strong, found.rest
            kept = max(LONGEST - len(found.sign) - 1 - len(strong), 0)
            if len(rest) > kept:
                rest = f"{rest[: max(kept - 1, 0)].rstrip()}…" if kept else ""
            return Heading(found.sign, found.tone, one_line(strong, LONGEST - 2), rest)
    raise AssertionError("the last situation always fits")


def _going_on(facts: VerdictFacts) -> Heading | None:
    left, total = facts.sides.read.waiting
    if not left:
        return None
    n = len([each for each in facts.stories if each.fails and each.id not in facts.accepted])
    said = f"{n} {'fails' if n == 1 else 'fail'} so far" if n else f"{facts.nothing} broke so far"
    return Heading("…", "other", f"{total - left} of {total} done", f": {said}")


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
    new = [each for each in broken if facts.between or not each.was_seen]
    old = [each for each in broken if each not in new]
    still = f"{'is' if len(old) == 1 else 'are'} still broken"
    strong = f"{count_noun(len(new), 'eval')} broke" if new else ""
    strong = strong or f"{count_noun(len(old), 'eval')} {still}"
    fixed, missing = facts.of("fixed"), facts.of("incomplete")
    unrun = None if facts.between else _name_unrun(facts)
    if new and unrun and unrun.open < unrun.of and all(s.saved.stale != "block" for s in broken):
        unrun = None  # the part that ran is the news
    is_by_edit = unrun is not None and all(each.cause == "edit" for each in broken)
    more = [f"{len(old)} {still}"] if new and old else []
    if unrun is not None:
        is_again = is_by_edit and unrun.blocks <= {each.block_id for each in broken}
        going = find_going(facts, unrun.blocks)
        far = "" if going is None else f" and its run goes on ({going.done} of {going.total})"
        more.insert(0, unrun.say(far, is_again=is_again))
    more += [_say_fixed(fixed, short=True)] if fixed else []
    more += [_say_missing(len(missing))] if missing else []
    causes = facts.between or _say_causes(new or old, facts, is_new=bool(new))
    if is_by_edit and not new and (day := _find_day(old, facts)):
        causes = f" since the edit of {day}"
    return Heading("✗", "bad", strong, f"{causes}{''.join(f'; {each}' for each in more[:1])}")


def _find_day(evals: Sequence[Story], facts: VerdictFacts) -> str | None:
    days = {say_day(at, facts.year) for each in evals if (at := each.since_at)}
    return days.pop() if len(days) == 1 else None


def _say_causes(broken: Sequence[Story], facts: VerdictFacts, *, is_new: bool) -> str:
    """The edit or the date of the breaks; with several causes, the evals of each."""
    groups: dict[tuple[str, str], list[Story]] = {}
    for each in broken:
        cause = each.cause or "unknown"
        groups.setdefault((cause, name_block(each) if cause == "edit" else ""), []).append(each)
    if len(groups) == 1:
        ((cause, block), evals) = next(iter(groups.items()))
        return _say_cause(cause, block, evals, facts, is_new=is_new)
    ranked = sorted(groups.items(), key=lambda each: -len(each[1]))
    words = {"drift": "without an edit", "unknown": "for an unknown reason"}
    said = []
    for (cause, block), evals in ranked[:2]:
        where = f"since the edit of {one_line(block, 40) or 'their block'}"
        said.append(f"{len(evals)} {words.get(cause, where)}")
    rest = sum(len(evals) for _, evals in ranked[2:])
    return f": {', '.join([*said, *([f'{rest} otherwise'] if rest else [])])}"


def _say_cause(
    cause: str, block: str, evals: Sequence[Story], facts: VerdictFacts, *, is_new: bool
) -> str:
    day = _find_day(evals, facts)
    latest = " at the latest" if any(each.is_latest for each in evals) else ""
    if cause == "edit":
        where = one_line(block, 40) or "their block"
        return f" since the edit of {where}" + (f" on {day}" if day and not is_new else "")
    first, failed = evals[0].reading, evals[0].reading.failing_rows
    if len(evals) == 1 and first.before.of < SHORT and failed >= REPEATEDLY:
        # So short a history does not tell the day.
        return f": it failed its last {failed} runs, and passed {first.before} before"
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
        return Heading("?", "doubt", "No result yet", ": the run was cancelled")
    return Heading("?", "doubt", "No result yet", ": no eval has a verdict")


def _fell(facts: VerdictFacts) -> Heading | None:
    """The pass rate fell, in two runs; or in one, which may be a bad hour."""
    fallen = facts.fallen
    if fallen is None:
        return None
    if not fallen.is_sure and (facts.of("suspect", "incomplete") or facts.sides.read.unnamed):
        return None
    change = fallen.change
    before, now = say_rates(change.baseline_pass_rate or 0, change.candidate_pass_rate or 0)
    where = "" if fallen.is_sure else " in one run"
    said = f" from {before} to {now}{where}; no single eval explains it"
    sign: tuple[str, Tone] = ("✗", "bad") if fallen.is_sure else ("?", "doubt")
    return Heading(*sign, "The pass rate fell", said)


def _errs_always(facts: VerdictFacts) -> Heading | None:
    found = [each for each in facts.of("newly_errored") if each.errs_always]
    if not found:
        return None
    since = min(each.errors_since for each in found if each.errors_since is not None)
    said = f" at every run since {say_day(since, facts.year)}"
    return Heading("✗", "bad", f"{count_noun(len(found), 'eval')} ended in an error", said)


def _say_missing(n: int, of: str = "") -> str:
    return f"{n}{of} {'has' if n == 1 else 'have'} no result"


def _open(facts: VerdictFacts) -> Heading | None:
    suspects, errors = len(facts.of("suspect")), len(facts.of("newly_errored"))
    missing, unnamed = len(facts.of("incomplete")), facts.sides.read.unnamed
    said = []
    if suspects:
        edit = _say_edit(facts.of("suspect"))
        said.append(f"{count_noun(suspects, 'eval')} may have broken{edit}")
    if errors:
        said.append(f"{errors if said else count_noun(errors, 'eval')} ended in an error")
    if missing:
        of = facts.passing[1] + len([each for each in facts.of("incomplete") if not each.state])
        said.append(_say_missing(missing, "" if said else f" of {count_noun(of, 'eval')}"))
    if unnamed:
        said.append(f"{count_noun(unnamed, 'result')} of the run missing or miscounted")
    if not said:
        return None
    if len(said) == 1 and (suspects or errors):
        end = "nothing else did" if suspects else f"{facts.nothing} broke"
        if suspects and edit:
            return Heading("?", "doubt", said[0], "")
        return Heading("?", "doubt", said[0], f"; {end}")
    return Heading("?", "doubt", said[0], "".join(f", {each}" for each in said[1:]))


def _say_edit(unclear: Sequence[Story]) -> str:
    """The edit since which evals may have broken, if it is the same for all."""
    blocks = {name_block(each) if each.cause == "edit" else "" for each in unclear}
    block = blocks.pop() if len(blocks) == 1 else ""
    return f" since the edit of {one_line(block, 40)}" if block else ""


def _could_not_run(facts: VerdictFacts) -> Heading | None:
    if not facts.lost:
        return None
    passed, of = facts.passing
    errors, missing = facts.states.count("error"), len([s for s in facts.stories if not s.state])
    said = [f"{passed} of {of + missing} passed"]
    said += [f"{errors} error{'' if errors == 1 else 's'}"] if errors else []
    said += [_say_missing(missing)] if missing else []
    return Heading("‼", "error", "This run could not run", f": {', '.join(said)}")


def _does_not_fit(facts: VerdictFacts) -> Heading | None:
    """Evals that do not fit their edited block; or an edit's run that was cancelled."""
    missing = facts.of("incomplete")
    invalid = [each for each in missing if not each.saved.is_valid]
    block = _name_block(invalid)
    if invalid and len(invalid) == len(missing):
        verb = "does" if len(invalid) == 1 else "do"
        since = f" {verb} not fit {block} any more since its edit"
        return Heading("?", "doubt", count_noun(len(invalid), "eval"), since)
    cancelled = {each.block_id for each in missing if each.state == "cancelled"}
    its = [each for each in facts.stories if each.block_id in cancelled]
    is_edited = all(each.ran_on_new_code for each in its)
    if not missing or len(cancelled) != 1 or {*its} != {*missing} or not is_edited:
        return None
    said = "; its run was cancelled before a result"
    return Heading("?", "doubt", f"{_name_block(missing)} was edited", said)


class _Unrun(NamedTuple):
    name: str
    open: int
    of: int
    blocks: set[str | None]

    def say(self, far: str = "", *, is_again: bool = False) -> str:
        were, have = ("was", "has") if len(self.blocks) == 1 else ("were", "have")
        part = f": {self.open} of {self.of} {'has' if self.open == 1 else 'have'} not run"
        far = far or (part if self.open < self.of else f" and {have} not run")
        return f"{self.name} {were} edited{' again' * is_again}{far}"


def _name_unrun(facts: VerdictFacts) -> _Unrun | None:
    its = [each for each in facts.stories if each.saved.stale == "block"]
    blocks = {each.block_id for each in its}
    if not blocks:
        return None
    of = sum(each.block_id in blocks for each in facts.stories)
    name = f"{len(blocks)} blocks" if len(blocks) > 1 else _name_block(its)
    return _Unrun(name, len(its), of, blocks)


def _name_block(stories: Iterable[Story]) -> str:
    names = [*dict.fromkeys(one_line(name_block(each), 40) for each in stories if each.block_id)]
    return names[0] if len(names) == 1 else "their blocks"


def _not_run(facts: VerdictFacts) -> Heading | None:
    stale, unrun = facts.of("stale"), _name_unrun(facts)
    if not stale:
        return None
    if unrun is None or not any(each.saved.stale == "block" for each in stale):
        kinds = {kind: [s for s in stale if s.saved.stale == kind] for kind in ("eval", "saved")}
        chosen = kinds["eval"] or kinds["saved"] or stale
        verb, was = ("has", "was") if len(chosen) == 1 else ("have", "were")
        if chosen is kinds["saved"]:
            said = f"{count_noun(len(chosen), 'eval')} {was} saved again and {verb} not run since"
        else:
            word = "edited" if chosen is kinds["eval"] else "new"
            said = f"{count_noun(len(chosen), f'{word} eval')} {verb} not run yet"
        return Heading("○", "other", said, "; nothing else broke")
    going = find_going(facts, {each.block_id for each in stale})
    if going is not None:
        far = f"; its run goes on ({going.done} of {going.total})"
        return Heading("○", "other", unrun.say(far))
    if unrun.open < unrun.of:
        its = "its" if len(unrun.blocks) == 1 else "their"
        have = "has" if unrun.open == 1 else "have"
        part = f": {unrun.open} of {its} {unrun.of} evals {have} not run since"
        return Heading("○", "other", unrun.say(part), f"; {facts.nothing} broke")
    return Heading("○", "other", f"{unrun.say()} yet", f"; before that {facts.nothing} broke")


def find_going(facts: VerdictFacts, blocks: Collection[str | None]) -> NewerRun | None:
    """The run that goes on, and tests the evals of some blocks as they are now."""
    on_way = facts.sides.saved.on_way
    runs = {on_way.get(each.id) for each in facts.stories if each.block_id in blocks}
    going = (each for each in facts.sides.read.newer if each.kind == "going on")
    return next((each for each in going if each.run_id in runs), None)


def _saved_again(facts: VerdictFacts) -> Heading | None:
    """Nearly all evals were saved again: which of them were edited cannot be seen."""
    since = facts.sides.saved.hidden_since
    if since is None:
        return None
    said = f"All evals were saved again on {say_day(since, facts.year)}"
    return Heading("○", "other", said, ": edits among them cannot be seen")


def _newer_run(facts: VerdictFacts) -> Heading | None:
    for each in facts.sides.read.doubts:
        since = "" if each.at is None else f" since {say_day(each.at, facts.year)}"
        hour = "" if each.at is None else f" since {each.at:%-H:%M}"
        said = {
            "going on": f"goes on{hour} ({each.done} of {each.total})",
            "stuck": f"has not ended{since}",
            "future": "is dated in the future",
        }[each.kind]
        return Heading("○", "other", f"A newer run {said}", f"; before it {facts.nothing} broke")
    return None


def _nothing_passes(facts: VerdictFacts) -> Heading | None:
    passed, of = facts.passing
    if facts.is_first:
        following = "; the next check compares with it" if passed else ""
        return Heading("○", "other", "First run", f": {passed} of {of} pass{following}")
    if facts.has_pass:
        return None
    if facts.is_apart and passed:
        return Heading("○", "other", "Nothing to compare yet", f": {passed} of {of} pass")
    n = len(facts.of("still_failing"))
    known = f", {n} {'fails' if n == 1 else 'fail'} as before" if n else ""
    return Heading("○", "other", "Nothing passes", f": {passed} of {of}{known}")


def _objected(facts: VerdictFacts) -> Heading | None:
    if not facts.objection:
        return None
    gone = len(facts.sides.accepted.list_outdated(facts.stories, facts.saved))
    if facts.objection.startswith("Accepted") and gone > 1:
        return Heading("✗", "bad", f"{gone} entries of accepted failures are outdated")
    return Heading("✗", "bad", facts.objection.removesuffix(" Remove the entry.").rstrip("."))


def _fixed(facts: VerdictFacts) -> Heading | None:
    fixed = facts.of("fixed")
    if not fixed:
        return None
    said = f"{facts.between}, {facts.nothing} broke"
    return Heading("✓", "good", _say_fixed(fixed, short=False), said)


def _nothing_broke(facts: VerdictFacts) -> Heading:
    passed, of = facts.passing
    failing = [s for s in facts.stories if s.fails and not s.passes_in_the_end]
    counts = Counter(each.transition for each in failing if each.id not in facts.accepted)
    flaky = facts.of("flaky")
    counts["flaky"] = len(flaky) * any(each.fails for each in flaky)
    said = [f"{passed:,} of {of:,} pass"]
    said += [f"{len(facts.accepted)} accepted"] if facts.accepted else []
    words = {
        "still_failing": "fails as before" if counts["still_failing"] == 1 else "fail as before",
        "flaky": "flaky",
        "added": "new and failing",
        "not_comparable": "edited and failing",
    }
    said += [f"{counts[each]} {word}" for each, word in words.items() if counts[each]]
    told = f"{facts.between}: {', '.join(said)}"
    return Heading("✓", "good", f"{facts.nothing.capitalize()} broke", told)


_SITUATIONS: Sequence[Callable[[VerdictFacts], Heading | None]] = (
    _going_on,
    _outage,
    _could_not_run,
    _broke,
    _errs_always,
    _does_not_fit,
    _nothing_decided,
    _fell,
    _open,
    _objected,
    _not_run,
    _saved_again,
    _newer_run,
    _nothing_passes,
    _fixed,
    _nothing_broke,
)


def say_rate(rate: float) -> str:
    """A rate in percent with all its digits, up to four after the point."""
    return f"{round(100 * rate, 4):g} %"


def say_rates(before: float, now: float) -> tuple[str, str]:
    """Two rates in whole percent, or with as many digits as tell them apart."""
    for digits in range(4):
        said = tuple(f"{100 * rate:.{digits}f} %" for rate in (before, now))
        if said[0] != said[1] or before == now:
            break
    return said[0], said[1]
