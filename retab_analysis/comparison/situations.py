"""What follows from each kind of finding, as one table.

``SITUATIONS`` says of each kind its mark, its headline, what it does to the gate, its next step.
The headline is the first finding, with at most one more behind a semicolon. The gate has all that
fail or are in doubt, under its rule. The next step is that of the first finding with one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from retab_analysis.comparison.accepted import find_evals
from retab_analysis.comparison.detail import WORDS, list_stories, name_block
from retab_analysis.comparison.findings import Finding, Kind, VerdictFacts
from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.names import say_day
from retab_analysis.comparison.next_step import LISTED, NextStep, Steps
from retab_analysis.comparison.suite_test import say_p_value, say_points, say_rate, say_rates
from retab_analysis.evidence.story import Story
from retab_analysis.markup import count_noun, one_line
from retab_analysis.render.document import Heading, Tone
from retab_analysis.vocabulary import BROKEN, LIKELY

LONGEST = 100
_ONE = {"have": "has", "are": "is", "were": "was", "do": "does", "they are": "it is"}
_ONE |= {"fail": "fails", "count": "counts", "pass again": "passes again"}


_NOUNS = {"evals": "eval", "edited_evals": "edited eval", "new_evals": "new eval"}
_NOUNS |= {"results": "result"}


class _Words:
    """The words of a finding, for templates such as ``{evals} {have} no result``."""

    def __init__(self, finding: Finding, facts: VerdictFacts) -> None:
        self.kind, self.evals, self.numbers = finding.kind, finding.stories, finding.numbers
        self.facts, self.n = facts, len(finding.stories)
        self.blocks = {each.block_id for each in finding.stories}
        self.nothing, self.between = facts.nothing, facts.between
        self.Nothing = facts.nothing.capitalize()

    def __getitem__(self, name: str) -> object:
        """A verb that agrees with the evals, a noun with its number, or a property."""
        if name in _ONE:
            return _ONE[name] if self.n == 1 else name
        noun, _, at = name.partition(" ")
        if noun in _NOUNS:  # with a place: that number of the finding
            return count_noun(self.numbers[int(at)] if at else self.n, _NOUNS[noun])
        return getattr(self, name)

    def fill(self, template: str) -> str:
        return template.format_map(self)

    @property
    def words(self) -> str:
        return ", ".join(dict.fromkeys(WORDS[each.transition].word for each in self.evals))

    @property
    def block(self) -> str:
        names = {one_line(name_block(each), 40): None for each in self.evals if each.block_id}
        return next(iter(names)) if len(names) == 1 else "their blocks"

    @property
    def edited(self) -> str:
        many = len(self.blocks) > 1
        return f"{len(self.blocks)} blocks were edited" if many else f"{self.block} was edited"

    @property
    def not_run(self) -> str:
        return f"{'have' if len(self.blocks) > 1 else 'has'} not run"

    @property
    def its(self) -> str:
        return "its" if len(self.blocks) == 1 else "their"

    @property
    def progress(self) -> str:
        going = self.facts.find_going(self.blocks)
        return "" if going is None else f"its run goes on ({going.done} of {going.total})"

    @property
    def edited_again(self) -> str:
        """The blocks that were edited after evals broke, unless the part that ran is the news."""
        broken = self.facts.of(*BROKEN)
        if not _was_edited_again(self.facts):
            return ""
        by_edit = all(each.cause == "edit" for each in broken)
        again = " again" * (by_edit and self.blocks <= {each.block_id for each in broken})
        part = f": {self.n} of {self.numbers[1]} {self['have']} not run"
        far = part if self.n < self.numbers[1] else f" and {self.not_run}"
        return f"{self.edited}{again}{f' and {self.progress}' if self.progress else far}"

    @property
    def broke(self) -> str:
        return self.fill("{evals} broke" if _is_new(self) else "{evals} {are} still broken")

    @property
    def causes(self) -> str:
        day, broken = _find_day(self.evals, self.facts), self.facts.of(*BROKEN)
        by_edit = all(each.cause == "edit" for each in broken)
        if day and by_edit and not _is_new(self) and _was_edited_again(self.facts):
            return f" since the edit of {day}"
        return self.between or _say_causes(self.evals, self.facts, is_new=_is_new(self))

    @property
    def since_edit(self) -> str:
        by_edit = all(each.cause == "edit" for each in self.evals) and not self.between
        return f" since the edit of {self.block}" if by_edit else ""

    @property
    def nothing_else(self) -> str:
        return "" if self.since_edit else "; nothing else did"

    @property
    def nothing_broke(self) -> str:
        return f"; {self.nothing} broke" if self.facts.is_decided else ""

    @property
    def to_come(self) -> str:
        left = self.numbers[2]
        of = count_noun(self.numbers[1], "result")
        return f"{left} of {of} {'is' if left == 1 else 'are'} still to come"

    @property
    def fixed(self) -> str:
        is_sure = all((each.reading.p_improved or 0) >= LIKELY for each in self.evals)
        return f"{self['are']} fixed" if is_sure else str(self["pass again"])

    @property
    def errors_since(self) -> str:
        since = min(each.errors_since for each in self.evals if each.errors_since is not None)
        return say_day(since, self.facts.year)

    @property
    def why_nothing(self) -> str:
        states = self.facts.sides.candidate["state"]
        is_cancelled = len(states) and (states == "cancelled").all()
        return "the run was cancelled" if is_cancelled else "no eval has a verdict"

    @property
    def reached(self) -> str:
        passed, of = self.numbers
        errors = self.facts.states.count("error")
        missing = sum(not each.state for each in self.facts.stories)
        said = [f"{passed} of {of + missing} passed"]
        said += [count_noun(errors, "error")] if errors else []
        said += [f"{missing} {'has' if missing == 1 else 'have'} no result"] if missing else []
        return ", ".join(said)

    @property
    def rate(self) -> str:
        (passed, of), least = self.numbers, self.facts.rule.min_pass_rate or 0.0
        if not of:
            return f"The pass rate is not known; the rule asks for at least {say_rate(least)}"
        now, asked = say_rates(passed / of, least)
        told = f"{now}, {passed} of {of} that ended"
        return f"The pass rate is {told}; the rule asks for at least {asked}"

    @property
    def entry(self) -> str:
        return self.facts.outdated[self.numbers[0]].why.rstrip(".")

    @property
    def outdated(self) -> str:
        n = len(self.facts.outdated)
        return f"{n} entries of accepted failures are outdated" if n > 1 else self.entry

    @property
    def fall(self) -> str:
        assert self.facts.fallen is not None
        change = self.facts.fallen.change
        rates = say_rates(change.baseline_pass_rate or 0, change.candidate_pass_rate or 0)
        return " from {} to {}".format(*rates)

    @property
    def fell(self) -> str:
        assert self.facts.fallen is not None
        change = self.facts.fallen.change
        beginning = "Without the accepted evals, the" if self.facts.accepted else "The"
        return (
            f"{beginning} pass rate fell by {say_points(change.delta or 0)}, more than chance "
            f"explains (p value {say_p_value(change.p_value or 0)})."
        )

    @property
    def alone(self) -> str:
        return "" if self.numbers[0] else " and no single eval explains it; run the suite again"

    @property
    def saved_at(self) -> str:
        since = self.facts.sides.saved.hidden_since
        assert since is not None
        return say_day(since, self.facts.year)

    @property
    def newer(self) -> str:
        run = self.facts.sides.read.doubts[0]
        day = "" if run.at is None else f" since {say_day(run.at, self.facts.year)}"
        hour = "" if run.at is None else f" since {run.at:%-H:%M}"
        said = {
            "going on": f"goes on{hour} ({run.done} of {run.total})",
            "stuck": f"has not ended{day}",
            "future": "is dated in the future",
        }
        return said[run.kind]

    @property
    def failing(self) -> str:
        """The evals that do not pass, beside those that broke."""
        facts, flaky = self.facts, self.facts.of("flaky")
        failing = [each for each in facts.counted if each.fails and not each.passes_in_the_end]
        counts = Counter(each.transition for each in failing)
        counts["flaky"] = len(flaky) * any(each.fails for each in flaky)
        words = {
            "still_failing": f"fail{'s' * (counts['still_failing'] == 1)} as before",
            "flaky": "flaky",
            "added": "new and failing",
            "not_comparable": "edited and failing",
        }
        said = [f"{len(facts.accepted)} accepted"] if facts.accepted else []
        said += [f"{counts[each]} {word}" for each, word in words.items() if counts[each]]
        return "".join(f", {each}" for each in said)

    @property
    def as_before(self) -> str:
        n = len(self.facts.of("still_failing"))
        return f", {n} {'fails' if n == 1 else 'fail'} as before" if n else ""

    @property
    def so_far(self) -> str:
        n = sum(each.fails for each in self.facts.counted)
        return f"{n} fail{'s' * (n == 1)} so far" if n else f"{self.nothing} broke so far"

    @property
    def first(self) -> str:
        passed, of = self.numbers
        fail = f"{of - passed} of {of} {'fails' if of - passed == 1 else 'fail'}"
        return f"all {of} pass" if passed == of else fail


def _is_new(words: _Words) -> bool:
    return bool(words.between) or not all(each.was_seen for each in words.evals)


def _was_edited_again(facts: VerdictFacts) -> bool:
    unrun, broken = facts.unrun, facts.of(*BROKEN)
    blocks = {each.block_id for each in unrun}
    is_part = len(unrun) < sum(each.block_id in blocks for each in facts.stories)
    is_old = all(each.was_seen for each in broken) or any(s.saved.stale == "block" for s in broken)
    return bool(unrun) and not facts.between and (is_old or not is_part)


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
    when = f" {'on' if is_new and not latest else 'since'} {day}{latest}" if day else ""
    return f"{when}, without an edit" if cause == "drift" else when


# Next steps

Step = Callable[[Finding, VerdictFacts, Steps], NextStep | None]


def _test_edits(finding: Finding, facts: VerdictFacts, steps: Steps) -> NextStep | None:
    """For evals that have not run as they are now: the run that tests them, or its start."""
    stale = {each.block_id for each in finding.stories if each.saved.stale}
    if stale and facts.find_going(stale):
        return steps.watch()
    said = "Run the evals that were edited or never ran"
    return steps.start(said, only_edited=True) if stale else None


def _settle(finding: Finding, facts: VerdictFacts, steps: Steps) -> NextStep | None:
    reruns, _ = facts.looks
    clears = "may clear it" if reruns == 1 else "may clear them"
    said = f"Run {count_noun(reruns, 'eval')} again, once, which {clears}"
    return _test_edits(finding, facts, steps) or (steps.settle(said) if reruns else None)


def _run_missing(finding: Finding, facts: VerdictFacts, steps: Steps) -> NextStep | None:
    valid = [each.id for each in finding.stories if each.saved.is_valid]
    said, named = "Run the evals without a result", valid if len(valid) <= LISTED else []
    return _settle(finding, facts, steps) or (steps.start(said, named) if valid else None)


def _run_all(finding: Finding, facts: VerdictFacts, steps: Steps) -> NextStep:
    return steps.start("Run the workflow again")


def _watch(finding: Finding, facts: VerdictFacts, steps: Steps) -> NextStep:
    is_going = any(each.kind == "going on" for each in facts.sides.read.doubts)
    is_watched = is_going or finding.kind is Kind.GOES_ON
    return steps.watch() if is_watched else _run_all(finding, facts, steps)


def _fix(finding: Finding, facts: VerdictFacts, steps: Steps) -> NextStep:
    return steps.fix()


def _see(finding: Finding, facts: VerdictFacts, steps: Steps) -> NextStep:
    return steps.see("See what each eval got")


def _delete(finding: Finding, facts: VerdictFacts, steps: Steps) -> NextStep:
    entries = ", ".join(each.lines or json.dumps(each.entry.id) for each in facts.outdated)
    return NextStep(f"Delete {entries} from {steps.accepted or 'accepted='}")


# The table


class Situation(NamedTuple):
    """What follows from a kind of finding.

    ``headline`` is a template: its strong part, the rest, and an end. One with an end takes one
    more finding instead of it: its form ``behind`` a ✗ or ‼, or ``beside`` a ``?``. ``effect`` is
    what a finding does to the gate: it ``fails``, it is in ``doubt``, or it is in doubt if nothing
    ``else`` says so. ``reason`` says why; without one, evals are named. ``run`` is a step that runs
    something, ``look`` one for a person.
    """

    mark: tuple[str, Tone]
    headline: str
    effect: Literal["fails", "doubt", "else", ""] = ""
    reason: str = ""
    behind: str = ""
    beside: str = ""
    run: Step | None = None
    look: Step | None = None


_BAD: tuple[str, Tone] = ("✗", "bad")
_GRAVE: tuple[str, Tone] = ("‼", "error")
_OPEN: tuple[str, Tone] = ("?", "doubt")
_IDLE: tuple[str, Tone] = ("○", "other")
_GOOD: tuple[str, Tone] = ("✓", "good")
_NOT_RUN = "{evals} {have} not run as {they are} now"
_NO_RESULT = "{n} {have} no result"
_MISCOUNTED = "{results 0} missing or miscounted"
_FEWER = "{numbers[0]:,} of {numbers[1]:,}"


def _unrun(headline: str, behind: str = "") -> Situation:
    """Evals that have not run as they are now."""
    return Situation(_IDLE, headline, "doubt", _NOT_RUN, behind, run=_test_edits)


SITUATIONS: Mapping[Kind, Situation] = {
    Kind.GOES_ON: Situation(
        ("…", "other"), f"{_FEWER} done|: {{so_far}}", "doubt", "{to_come}", run=_watch
    ),
    Kind.OUTAGE: Situation(
        *(_GRAVE, "Outage|: {numbers[0]} of {evals 1} ended in an error|", "fails"),
        reason="Outage: {numbers[0]} of {evals 1} ended in an error; run them again.",
        run=_run_all,
    ),
    Kind.BROKE: Situation(
        _BAD, "{broke}|{causes}|", "fails", behind="{n} broke", run=_test_edits, look=_fix
    ),
    Kind.EDITED_AGAIN: _unrun("{edited} and {not_run}", "{edited_again}"),
    Kind.STILL_BROKEN: Situation(
        _BAD, "{broke}|{causes}|", "fails", behind="{n} {are} still broken", run=_test_edits
    ),
    Kind.UNSURE: Situation(_BAD, "{broke}|{causes}|", run=_settle),
    Kind.ERRS_ALWAYS: Situation(
        _BAD, "{evals} ended in an error| at every run since {errors_since}", "fails", look=_fix
    ),
    Kind.COULD_NOT_RUN: Situation(
        *(_GRAVE, "This run could not run|: {reached}", "fails"),
        reason="The run could not run: {results} missing.",
        run=_run_all,
    ),
    Kind.DOES_NOT_FIT: Situation(
        _OPEN, "{evals}| {do} not fit {block} any more since its edit", "fails", look=_fix
    ),
    Kind.RUN_CANCELLED: Situation(
        *(_OPEN, "{block} was edited|; its run was cancelled before a result", "fails"),
        behind=_NO_RESULT,
        beside=_NO_RESULT,
        run=_run_missing,
        look=_fix,
    ),
    Kind.NOTHING_DECIDED: Situation(
        _OPEN, "No result yet|: {why_nothing}", "else", "nothing was decided", run=_run_all
    ),
    Kind.NO_RESULT: Situation(
        *(_OPEN, "{n} of {evals 0} {have} no result||", "fails"),
        behind=_NO_RESULT,
        beside=_NO_RESULT,
        run=_run_missing,
        look=_fix,
    ),
    Kind.DOES_NOT_ADD_UP: Situation(
        *(_OPEN, "{results 0} of the run missing or miscounted||", "fails"),
        reason=f"The run does not add up: {_MISCOUNTED}.",
        beside=_MISCOUNTED,
        run=_run_all,
    ),
    Kind.RULED_OUT: Situation(
        _BAD, "{evals} {count} against the gate|: {words}", "fails", look=_fix
    ),
    Kind.RATE_TOO_LOW: Situation(_BAD, "{rate}", "fails", "{rate}.", look=_see),
    Kind.OUTDATED: Situation(
        _BAD, "{outdated}", "fails", "{entry}. Remove the entry.", look=_delete
    ),
    Kind.FELL: Situation(
        *(_BAD, "The pass rate fell|{fall}; no single eval explains it", "fails", "{fell}"),
        look=_see,
    ),
    Kind.UNCLEAR: Situation(
        *(_OPEN, "{evals} may have broken|{since_edit}|{nothing_else}", "doubt"),
        reason="{evals} may have broken",
        beside="{n} may have broken",
        run=_settle,
    ),
    Kind.FELL_ONCE: Situation(
        *(_OPEN, "The pass rate fell|{fall} in one run; no single eval explains it", "doubt"),
        reason="the pass rate fell in one run{alone}",
        run=_run_all,
    ),
    Kind.ERROR: Situation(
        *(_OPEN, "{evals} ended in an error||{nothing_broke}", "doubt"),
        reason="{evals} ended in an error",
        beside="{n} ended in an error",
        run=_settle,
    ),
    Kind.EDITED: _unrun("{edited} and {not_run} yet|; before that {nothing} broke"),
    Kind.EDITED_IN_PART: _unrun(
        "{edited}: {n} of {its} {evals 1} {have} not run since|; {nothing} broke"
    ),
    Kind.EDIT_GOES_ON: _unrun("{edited}; {progress}"),
    Kind.EVAL_EDITED: _unrun("{edited_evals} {have} not run yet|; nothing else broke"),
    Kind.SAVED_AGAIN: _unrun(
        "{evals} {were} saved again and {have} not run since|; nothing else broke"
    ),
    Kind.NEVER_RAN: _unrun("{new_evals} {have} not run yet|; nothing else broke"),
    Kind.ALL_SAVED_AGAIN: Situation(
        _IDLE,
        "All evals were saved again on {saved_at}|: edits among them cannot be seen",
        "doubt",
        "all evals were saved again, and edits among them cannot be seen",
        run=_run_all,
    ),
    Kind.NEWER_RUN: Situation(
        *(_IDLE, "A newer run {newer}|; before it {nothing} broke", "doubt"),
        reason="a newer run cannot be judged yet",
        run=_watch,
    ),
    Kind.FIRST_FAILS: Situation(
        _IDLE, "First run|: all {numbers[1]} fail", "else", "no eval passes", look=_see
    ),
    Kind.NOTHING_PASSES: Situation(
        _IDLE, f"Nothing passes|: {_FEWER}{{as_before}}", "else", "no eval passes", look=_see
    ),
    Kind.FIRST_RUN: Situation(_IDLE, "First run|: {first}; the next check compares with it"),
    Kind.NOTHING_TO_COMPARE: Situation(_IDLE, f"Nothing to compare yet|: {_FEWER} pass"),
    Kind.FIXED: Situation(
        _GOOD, "{evals} {fixed}|{between}, {nothing} broke", behind="{n} {fixed}"
    ),
    Kind.NOTHING_BROKE: Situation(
        _GOOD, f"{{Nothing}} broke|{{between}}: {_FEWER} pass{{failing}}"
    ),
}


def write_heading(facts: VerdictFacts) -> Heading:
    """The first finding, and the next one with a form for its place."""
    first, *others = facts.found
    about = SITUATIONS[first.kind]
    strong, *more = map(_Words(first, facts).fill, about.headline.split("|"))
    form = "beside" if about.mark == _OPEN else "behind"
    if len(more) > 1:
        told = (_Words(e, facts).fill(getattr(SITUATIONS[e.kind], form)) for e in others)
        more[1] = next((f"; {each}" for each in told if each), more[1])
    kept, rest = max(LONGEST - len(about.mark[0]) - 1 - len(strong), 0), "".join(more)
    if len(rest) > kept:
        rest = f"{rest[: max(kept - 1, 0)].rstrip()}…" if kept else ""
    return Heading(*about.mark, one_line(strong, LONGEST - 2), rest)


def judge(facts: VerdictFacts) -> Gate:
    """The gate: the findings that fail or are in doubt, under the rule."""
    rule, reasons, suite_reasons = facts.rule, list[str](), list[str]()
    failing, named = {each.id for each in facts.failing}, list[Story]()
    for each in facts.found:
        about = SITUATIONS[each.kind]
        its = [s for s in each.stories if s.id in failing and s not in named]
        named += its
        reasons += _name_failures(its, facts.year)
        if about.effect == "fails" and about.reason and not its:
            suite_reasons.append(_Words(each, facts).fill(about.reason))
            reasons.append(suite_reasons[-1])
    if named and rule.max_failures:
        reasons.append(f"Against the gate: {len(named)}; tolerated: {rule.max_failures}.")
    doubts = _find_doubts(facts)
    unsure = {story.id for each in doubts for story in each.stories}
    told = (_Words(each, facts).fill(SITUATIONS[each.kind].reason) for each in doubts)
    accepted = [each.id for each in facts.stories if each.id in facts.accepted]
    return Gate(
        tuple(reasons),
        tuple(_list_notes(facts)),
        failing=tuple(each.id for each in facts.stories if each in named),
        undecided=tuple(each.id for each in facts.stories if each.id in unsure),
        doubt="" if reasons else " and ".join(told),
        accepted=tuple(accepted),
        rule=rule.describe(len(accepted)),
        suite_reasons=tuple(suite_reasons),
        asked=rule,
    )


def _find_doubts(facts: VerdictFacts) -> list[Finding]:
    """The findings that leave the gate undecided, one for each reason, with the evals in doubt."""
    against, found = {each.id for each in facts.against}, dict[str, Finding]()
    for each in facts.found:
        about = SITUATIONS[each.kind]
        its = (s for s in each.stories if s.is_undecided or s.transition == "stale")
        open_ones = tuple(s for s in its if s.id not in against | facts.accepted)
        if about.effect == "doubt" and (open_ones or not each.stories):
            same = found.get(about.reason, Finding(each.kind, (), each.numbers))
            found[about.reason] = replace(same, stories=(*same.stories, *open_ones))
    others = (each for each in facts.found if SITUATIONS[each.kind].effect == "else")
    return [*found.values()] or [replace(each, stories=()) for each in others][:1]


def _list_notes(facts: VerdictFacts) -> Iterator[str]:
    removed = [each for each in facts.stories if each.transition == "removed"]
    # While results are still to come, an eval may not be gone.
    if removed and not facts.sides.read.waiting[0] and "removed" not in facts.rule.fail_on:
        yield f"{len(removed)} removed: {list_stories(removed)}."
    if facts.saved is None:  # it may be a typing error
        entries = [each.id for each in facts.policy.accepted]
        known = find_evals(facts.stories, entries)
        yield from (
            f"Accepted, but not compared: {one_line(e)}." for e in entries if e not in known
        )
    if accepted := [each for each in facts.stories if each.id in facts.accepted]:
        yield f"{len(accepted)} accepted: {list_stories(accepted)}."


def _name_failures(named: Iterable[Story], year: int | None) -> list[str]:
    """The evals against the candidate, grouped by their change and its date."""
    groups: dict[str, list[Story]] = {}
    for each in named:
        said, at = WORDS[each.transition].word, each.since_at
        if each.errors_since is not None:
            said += f" at every run since {say_day(each.errors_since, year)}"
        elif at is not None:
            latest = " at the latest" if each.is_latest else ""
            said += f" since {say_day(at, year)}{latest}"
        groups.setdefault(said, []).append(each)
    return [f"{len(its)} {said}: {list_stories(its)}." for said, its in groups.items()]


def find_next_step(facts: VerdictFacts, gate: Gate) -> NextStep | None:
    """The first finding's with one: what can run now, else a look by a person, else a wait."""
    frames = (facts.sides.around.workflow, facts.sides.candidate)
    ids = [each["workflow_id"].drop_nulls() for each in frames if each is not None]
    flow = next((each[0] for each in ids if len(each)), "…")
    steps = Steps(one_line(flow), facts.sides.accepted.path)
    about = [(each, SITUATIONS[each.kind]) for each in facts.found]
    looks = (told.look(each, facts, steps) for each, told in about if told.look)
    if facts.sides.read.versions:  # these have the runs that they have
        return next(looks, None) or (steps.see("See what each eval got") if gate.doubt else None)
    runs = (told.run(each, facts, steps) for each, told in about if told.run)
    _, until = facts.looks
    if found := next(filter(None, runs), None) or next(looks, None):
        return found
    if until is not None:
        return steps.check_again(f"Look again after {say_day(until, facts.year)} {until:%H:%M} UTC")
    return steps.start("Only a further run can tell") if gate.doubt else None
