"""What follows from each kind of finding, as one table.

``SITUATIONS`` says of each kind its mark, its headline, what it does to the gate, its next step.
The headline is the first finding, with at most one more behind a semicolon. The gate has all that
fail or are in doubt, under its rule. The next step is that of the first finding with one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from retab_analysis.comparison.accepted import find_evals
from retab_analysis.comparison.detail import (
    ACCEPTED,
    BROKE,
    FIXED,
    FLAKY,
    NO_RESULT,
    WORDS,
    list_stories,
    name_block,
    say_saved_again,
)
from retab_analysis.comparison.findings import Finding, Kind, VerdictFacts
from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.next_step import Step, Steps
from retab_analysis.comparison.try_words import name_try, say_mended
from retab_analysis.evidence.story import REPEATEDLY, Story
from retab_analysis.markup import count_noun, one_line, say_p_value, say_points, say_rate, say_rates
from retab_analysis.render.document import Heading, Tone
from retab_analysis.render.door import NextStep
from retab_analysis.vocabulary import BROKEN, LIKELY, say_day

LONGEST = 100
SHORT = 3
"""So many outcomes before a break without an edit tell on which day it was."""
_VERBS = {"have": "has", "are": "is", "were": "was", "do": "does", "they are": "it is"}
_VERBS |= {"fail": "fails", "count": "counts"}
_NOUNS = {"evals": "eval", "edited_evals": "edited eval", "new_evals": "new eval"}
_NOUNS |= {"results": "result"}


class _Words:
    """The words of a finding, for templates such as ``{evals} {have} no result``."""

    def __init__(self, finding: Finding, facts: VerdictFacts) -> None:
        self.evals, self.numbers, self.facts = finding.stories, finding.numbers, facts
        self.n, self.blocks = len(finding.stories), {each.block_id for each in finding.stories}

    def __getitem__(self, name: str) -> object:
        """A verb that agrees with the evals, a noun with its number, or one of the phrases."""
        if name in _VERBS:
            return name if self.n != 1 else _VERBS[name]
        noun, _, at = name.partition(" ")
        if noun in _NOUNS:  # with a place: that number of the finding
            return count_noun(self.numbers[int(at)] if at else self.n, _NOUNS[noun])
        return getattr(self, name) if name in ("n", "numbers") else _PHRASES[name](self)

    def fill(self, template: str) -> str:
        return template.format_map(self)

    @property
    def is_new(self) -> bool:
        return bool(self.facts.broke_between) or not all(each.was_seen for each in self.evals)

    @property
    def are_by_edit(self) -> bool:
        return all(each.cause == "edit" for each in self.evals) and not self.facts.broke_between


def _name_blocks(words: _Words) -> str:
    names = {one_line(name_block(each), 40): None for each in words.evals if each.block_id}
    return next(iter(names)) if len(names) == 1 else "their blocks"


def _say_edited(words: _Words) -> str:
    n = len(words.blocks)
    return f"{n} blocks were edited" if n > 1 else f"{_name_blocks(words)} was edited"


def _say_progress(words: _Words) -> str:
    going = words.facts.find_going(words.blocks)
    return "" if going is None else f"its run goes on ({going.done} of {going.total})"


def _was_edited_again(facts: VerdictFacts) -> bool:
    """Whether blocks were edited after evals broke, and the part that ran is not the news."""
    unrun, broken = facts.unrun, facts.of(*BROKEN)
    blocks = {each.block_id for each in unrun}
    is_part = len(unrun) < sum(each.block_id in blocks for each in facts.stories)
    is_old = all(each.was_seen for each in broken) or any(s.saved.stale == "block" for s in broken)
    return bool(unrun) and not facts.broke_between and (is_old or not is_part)


def _say_edited_again(words: _Words) -> str:
    broken, n = words.facts.of(*BROKEN), words.n
    if not _was_edited_again(words.facts):
        return ""
    by_edit = all(each.cause == "edit" for each in broken)
    again = " again" * (by_edit and words.blocks <= {each.block_id for each in broken})
    far = words.fill(
        ": {n} of {numbers[1]} {have} not run" if n < words.numbers[1] else "{not_run}"
    )
    going = _say_progress(words)
    return f"{_say_edited(words)}{again}{f' and {going}' if going else far}"


def _say_causes_of(words: _Words) -> str:
    facts, day = words.facts, find_day(words.evals, words.facts)
    by_edit = all(each.cause == "edit" for each in facts.of(*BROKEN))
    if day and by_edit and not words.is_new and _was_edited_again(facts):
        return f" since the edit of {day}"
    return facts.broke_between or say_causes(words.evals, facts, is_new=words.is_new)


def _say_tried_evals(words: _Words) -> str:
    still = " still" * (not _list_since(words))
    return words.fill(f"{{evals}} {{are}}{still} broken")


def _list_since(words: _Words) -> list[Story]:
    """The evals that broke by the newest edit itself."""
    last = words.facts.tries[0]
    its = (each for each in words.evals if each.block_id == last.block)
    return [each for each in its if each.since_run_id in last.its.runs]


def _say_tried(words: _Words) -> str:
    facts, since = words.facts, _list_since(words)
    last = facts.tries[0]
    named, mended = name_try(last.its, facts.today), say_mended(last.its)
    old = [each for each in words.evals if each not in since]
    day = find_day(old, facts)
    if since:
        before = f"{len(old)} since {day}" if day else f"{len(old)} before"
        return f": {before}, {len(since)} since {named}, which {mended}"
    by_edit = day and all(each.cause == "edit" for each in old)
    causes = f" since the edit of {day}" if by_edit else say_causes(old, facts, is_new=False)
    if again := sum(each.id in last.its.broke for each in old):
        mended = f"{mended} and " * bool(last.its.mended) + f"{BROKE} {again} again"
    said, room = f"; {named} {mended}", LONGEST - 2 - len(_say_tried_evals(words))
    return f"{causes}{said}" if len(causes) + len(said) <= room else said


def _say_fixed(words: _Words) -> str:
    is_sure = all((each.reading.p_improved or 0) >= LIKELY for each in words.evals)
    return f"{words['are']} {FIXED}" if is_sure else f"pass{'es' * (words.n == 1)} again"


def _say_reached(words: _Words) -> str:
    passed, of = words.numbers
    errors = words.facts.states.count("error")
    missing = sum(not each.state for each in words.facts.stories)
    said = [f"{passed} of {of + missing} passed"]
    said += [count_noun(errors, "error")] if errors else []
    said += [f"{missing} {'has' if missing == 1 else 'have'} {NO_RESULT}"] if missing else []
    return ", ".join(said)


def _say_rate(words: _Words) -> str:
    (passed, of), least = words.numbers, words.facts.rule.min_pass_rate or 0.0
    if not of:
        return f"The pass rate is not known; the rule asks for at least {say_rate(least)}"
    now, asked = say_rates(passed / of, least)
    told = f"{now}, {passed} of {of} that ended"
    return f"The pass rate is {told}; the rule asks for at least {asked}"


def _say_fall(words: _Words) -> str:
    assert words.facts.fallen is not None
    change = words.facts.fallen.change
    rates = say_rates(change.baseline_pass_rate or 0, change.candidate_pass_rate or 0)
    return "from {} to {}".format(*rates)


def _say_fell(words: _Words) -> str:
    assert words.facts.fallen is not None
    change = words.facts.fallen.change
    beginning = f"Without the {ACCEPTED} evals, the" if words.facts.accepted else "The"
    fell, p = say_points(change.delta or 0), say_p_value(change.p_value or 0)
    return f"{beginning} pass rate fell by {fell}, more than chance explains (p value {p})."


def _say_newer(words: _Words) -> str:
    run = words.facts.sides.read.doubts[0]
    day = "" if run.at is None else f" since {say_day(run.at, words.facts.year)}"
    hour = "" if run.at is None else f" since {run.at:%-H:%M}"
    going = f"goes on{hour} ({run.done} of {run.total})"
    said = {"going on": going, "stuck": f"has not ended{day}", "future": "is dated in the future"}
    return said[run.kind]


def _say_failing(words: _Words) -> str:
    """The evals that do not pass, beside those that broke."""
    facts, flaky = words.facts, words.facts.of("flaky")
    failing = [each for each in facts.counted if each.fails and not each.passes_in_the_end]
    counts = Counter(each.transition for each in failing)
    counts["flaky"] = len(flaky) * any(each.fails for each in flaky)
    as_before = f"fail{'s' * (counts['still_failing'] == 1)} as before"
    told = {"still_failing": as_before, "flaky": FLAKY}
    told |= {each: f"{WORDS[each].word} and failing" for each in ("added", "not_comparable")}
    said = [f"{len(facts.accepted)} {ACCEPTED}"] if facts.accepted else []
    said += [f"{counts[each]} {word}" for each, word in told.items() if counts[each]]
    return "".join(f", {each}" for each in said)


def _say_to_come(words: _Words) -> str:
    _, of, left = words.numbers
    return f"{left} of {count_noun(of, 'result')} {'is' if left == 1 else 'are'} still to come"


def _say_first(words: _Words) -> str:
    failed, of = words.numbers[1] - words.numbers[0], words.numbers[1]
    return f"{failed} of {of} fail{'s' * (failed == 1)}" if failed else f"all {of} pass"


_PHRASES: Mapping[str, Callable[[_Words], object]] = {
    "nothing": lambda w: w.facts.nothing,
    "Nothing": lambda w: w.facts.nothing.capitalize(),
    "between": lambda w: w.facts.between,
    "words": lambda w: ", ".join(dict.fromkeys(WORDS[s.transition].word for s in w.evals)),
    "block": _name_blocks,
    "edited": _say_edited,
    "not_run": lambda w: f" and {'have' if len(w.blocks) > 1 else 'has'} not run",
    "its": lambda w: "its" if len(w.blocks) == 1 else "their",
    "progress": _say_progress,
    "edited_again": _say_edited_again,
    "BROKE": lambda w: BROKE,
    "NO_RESULT": lambda w: NO_RESULT,
    "No_result": lambda w: NO_RESULT.capitalize(),
    "Same_code": lambda w: WORDS["same_code"].word.capitalize(),
    "broke": lambda w: w.fill("{evals} {BROKE}" if w.is_new else "{evals} {are} still broken"),
    "causes": _say_causes_of,
    "tried_evals": _say_tried_evals,
    "tried": _say_tried,
    "since_edit": lambda w: (
        f" {say_saved_again(w.evals, w.facts.year)}"
        if all(each.cause == "saved_again" for each in w.evals)
        else f" since the edit of {_name_blocks(w)}" * w.are_by_edit
    ),
    "nothing_else": lambda w: "; nothing else did" * (not w.are_by_edit),
    "nothing_broke": lambda w: f"; {w.facts.nothing} {BROKE}" * w.facts.is_decided,
    "to_come": _say_to_come,
    "fixed": _say_fixed,
    "errors_since": lambda w: say_day(
        min(each.errors_since for each in w.evals if each.errors_since), w.facts.year
    ),
    "why_nothing": lambda w: (
        "the run was cancelled" if {*w.facts.states} == {"cancelled"} else "no eval has a verdict"
    ),
    "reached": _say_reached,
    "rate": _say_rate,
    "entry": lambda w: w.facts.outdated[w.numbers[0]].why.rstrip("."),
    "outdated": lambda w: (
        f"{n} entries of accepted failures are outdated"
        if (n := len(w.facts.outdated)) > 1
        else w.facts.outdated[0].why.rstrip(".")
    ),
    "fall": _say_fall,
    "fell": _say_fell,
    "alone": lambda w: " and no single eval explains it; run the suite again" * (not w.numbers[0]),
    "workflow": lambda w: Steps(w.facts).id,
    "blocks": lambda w: f"{len(w.blocks)} blocks" if len(w.blocks) > 1 else _name_blocks(w),
    "newer": _say_newer,
    "failing": _say_failing,
    "as_before": lambda w: (
        f", {n} fail{'s' * (n == 1)} as before" if (n := len(w.facts.of("still_failing"))) else ""
    ),
    "so_far": lambda w: (
        f"{n} fail{'s' * (n == 1)} so far"
        if (n := sum(each.fails for each in w.facts.counted))
        else f"{w.facts.nothing} {BROKE} so far"
    ),
    "first": _say_first,
    "unknown": lambda w: w.facts.sides.read.unknown,
    "not_known": lambda w: w.facts.sides.read.unknown.replace("It is", "it is", 1),
    "lacking": lambda w: w.facts.sides.read.lacking,
    "both": lambda w: " and ".join(w.facts.versions),
    "one_of": lambda w: (
        f"one of {' and '.join(w.facts.versions)}" if w.facts.versions else w.facts.named.said
    ),
}


def find_day(evals: Sequence[Story], facts: VerdictFacts) -> str | None:
    days = {say_day(at, facts.year) for each in evals if (at := each.since_at)}
    return days.pop() if len(days) == 1 else None


def say_causes(broken: Sequence[Story], facts: VerdictFacts, *, is_new: bool) -> str:
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
        words["saved_again"] = say_saved_again(evals, facts.year)
        where = f"since the edit of {one_line(block, 40) or 'their block'}"
        said.append(f"{len(evals)} {words.get(cause, where)}")
    rest = sum(len(evals) for _, evals in ranked[2:])
    return f": {', '.join([*said, *([f'{rest} otherwise'] if rest else [])])}"


def _say_cause(
    cause: str, block: str, evals: Sequence[Story], facts: VerdictFacts, *, is_new: bool
) -> str:
    day = find_day(evals, facts)
    latest = " at the latest" if any(each.is_latest for each in evals) else ""
    if cause == "edit":
        where = one_line(block, 40) or "their block"
        return f" since the edit of {where}" + (f" on {day}" if day and not is_new else "")
    if cause == "saved_again":
        return f" {say_saved_again(evals, facts.year)}"
    first, failed = evals[0].reading, evals[0].reading.failing_rows
    if len(evals) == 1 and first.before.of < SHORT and failed >= REPEATEDLY:
        # So short a history does not tell the day.
        return f": it failed its last {failed} runs, and passed {first.before} before"
    when = f" {'on' if is_new and not latest else 'since'} {day}{latest}" if day else ""
    return f"{when}, without an edit" if cause == "drift" else when


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
_GOES: tuple[str, Tone] = ("…", "other")
_NOT_RUN = "{evals} {have} not run as {they are} now"
_NO_RESULT = "{n} {have} {NO_RESULT}"
_MISCOUNTED = "{results 0} missing or miscounted"
_OUTAGE = "{numbers[0]} of {evals 1} ended in an error"
_OF = "{numbers[0]:,} of {numbers[1]:,}"
_tests, _fix, _see, _run_all = Steps.test_edits, Steps.fix, Steps.see, Steps.run_all
_S = Situation

# fmt: off
SITUATIONS: Mapping[Kind, Situation] = {
    Kind.NO_SAVED_EVAL: _S(_IDLE, "{workflow} has no saved eval", "doubt", "there is no saved eval",
                           look=Steps.save),
    Kind.GOES_ON: _S(_GOES, f"{_OF} done|: {{so_far}}", "doubt", "{to_come}", run=Steps.watch),
    Kind.OUTAGE: _S(_GRAVE, f"Outage|: {_OUTAGE}|", "fails", f"Outage: {_OUTAGE}; run them again.",
                    run=_run_all),
    Kind.TRIED: _S(_BAD, "{tried_evals}|{tried}", "fails", run=_tests, look=Steps.see_tries),
    Kind.BROKE: _S(_BAD, "{broke}|{causes}|", "fails", behind="{n} {BROKE}", run=_tests, look=_fix),
    Kind.EDITED_AGAIN: _S(_IDLE, "{edited}", "doubt", _NOT_RUN, "{edited_again}", run=_tests),
    Kind.STILL_BROKEN: _S(_BAD, "{broke}|{causes}|", "fails", behind="{n} {are} still broken",
                          run=_tests),
    Kind.UNSURE: _S(_BAD, "{broke}|{causes}|", run=Steps.settle),
    Kind.ERRS_ALWAYS: _S(_BAD, "{evals} ended in an error| at every run since {errors_since}",
                         "fails", look=_fix),
    Kind.COULD_NOT_RUN: _S(_GRAVE, "This run could not run|: {reached}", "fails",
                           "The run could not run: {results} missing.", run=_run_all),
    Kind.DOES_NOT_FIT: _S(_OPEN, "{evals}| {do} not fit {block} any more since its edit", "fails",
                          look=_fix),
    Kind.RUN_CANCELLED: _S(_OPEN, "{block} was edited|; its run was cancelled before a result",
                           "fails", behind=_NO_RESULT, run=Steps.run_missing, look=_fix),
    Kind.NOTHING_DECIDED: _S(_OPEN, "{No_result} yet|: {why_nothing}", "else",
                             "nothing was decided", run=_run_all),
    Kind.NO_RESULT: _S(_OPEN, "{n} of {evals 0} {have} {NO_RESULT}||", "fails", behind=_NO_RESULT,
                       beside=_NO_RESULT, run=Steps.run_missing, look=_fix),
    Kind.DOES_NOT_ADD_UP: _S(_OPEN, "{results 0} of the run missing or miscounted||", "fails",
                             f"The run does not add up: {_MISCOUNTED}.", beside=_MISCOUNTED,
                             run=_run_all),
    Kind.RULED_OUT: _S(_BAD, "{evals} {count} against the gate|: {words}", "fails", look=_fix),
    Kind.RATE_TOO_LOW: _S(_BAD, "{rate}", "fails", "{rate}.", look=_see),
    Kind.OUTDATED: _S(_BAD, "{outdated}", "fails", "{entry}. Remove the entry.",
                      look=Steps.delete),
    Kind.FELL: _S(_BAD, "The pass rate fell| {fall}; no single eval explains it", "fails", "{fell}",
                  look=_see),
    Kind.UNCLEAR: _S(_OPEN, "{evals} may have broken|{since_edit}|{nothing_else}", "doubt",
                     "{evals} may have broken", beside="{n} may have broken", run=Steps.settle),
    Kind.FELL_ONCE: _S(_OPEN, "The pass rate fell| {fall} in one run; no single eval explains it",
                       "doubt", "the pass rate fell in one run{alone}", run=_run_all),
    Kind.ERROR: _S(_OPEN, "{evals} ended in an error||{nothing_broke}", "doubt",
                   "{evals} ended in an error", beside="{n} ended in an error", run=Steps.settle),
    Kind.EDITED: _S(_IDLE, "{edited}{not_run} yet|; before that {nothing} {BROKE}", "doubt",
                    _NOT_RUN, run=_tests),
    Kind.EDITED_IN_PART: _S(
        _IDLE, "{edited}: {n} of {its} {evals 1} {have} not run since|; {nothing} {BROKE}", "doubt",
        _NOT_RUN, run=_tests),
    Kind.EDIT_GOES_ON: _S(_IDLE, "{edited}; {progress}", "doubt", _NOT_RUN, run=_tests),
    Kind.EVAL_EDITED: _S(_IDLE, "{edited_evals} {have} not run yet|; nothing else {BROKE}", "doubt",
                         _NOT_RUN, run=_tests),
    Kind.SAVED_AGAIN: _S(
        _IDLE, "{evals} {were} saved again and {have} not run since|; nothing else {BROKE}",
        "doubt", _NOT_RUN, run=_tests),
    Kind.NEVER_RAN: _S(_IDLE, "{new_evals} {have} not run yet|; nothing else {BROKE}", "doubt",
                       _NOT_RUN, run=_tests),
    Kind.UNSEEN: _S(_IDLE, f"Edits of {{blocks}} cannot be seen|; {_OF} passed", "doubt",
                    "edits of {blocks} cannot be seen", run=Steps.judge_new_run),
    Kind.NEWER_RUN: _S(_IDLE, "A newer run {newer}|; before it {nothing} {BROKE}", "doubt",
                       "a newer run cannot be judged yet", run=Steps.watch),
    Kind.NOT_KNOWN: _S(_IDLE, "{unknown}|{lacking}", "doubt", "{not_known}"),
    Kind.NEVER_RAN_THERE: _S(_IDLE, "Nothing to compare|: {evals 0} never ran on {one_of}", "doubt",
                             "{evals 0} never ran on {one_of}"),
    Kind.FIRST_FAILS: _S(_IDLE, "First run: all {numbers[1]} fail|", "else", "no eval passes",
                         look=_see),
    Kind.NOTHING_PASSES: _S(_IDLE, f"Nothing passes|: {_OF}{{as_before}}", "else",
                            "no eval passes", look=_see),
    Kind.FIRST_RUN: _S(_IDLE, "First run: {first}|; the next check compares with it"),
    Kind.NOTHING_TO_COMPARE: _S(_IDLE, f"Nothing to compare yet|: {_OF} pass"),
    Kind.SAME_CODE: _S(_GOOD, "{Same_code}|: {both} do not differ ({evals 0})"),
    Kind.FIXED: _S(_GOOD, "{evals} {fixed}|{between}, {nothing} {BROKE}", behind="{n} {fixed}"),
    Kind.NOTHING_BROKE: _S(_GOOD, f"{{Nothing}} {{BROKE}}|{{between}}: {_OF} pass{{failing}}"),
}
# fmt: on


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
    if len(rest) > kept and more[-1].startswith(";"):
        rest = more[-1]  # the causes stand on the cards, too
    if len(rest) > kept:
        short = rest[: max(kept - 1, 0)]
        whole, comma, _ = short.rpartition(", ")
        rest = f"{whole}, …" if comma and len(whole) > kept // 2 else f"{short.rstrip()}…"[:kept]
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
        open_ones = tuple(
            s
            for s in each.stories
            if s.is_undecided or s.transition == "stale" or s.saved.is_unseen
            if s.id not in against | facts.accepted
        )
        if about.effect == "doubt" and (open_ones or not each.stories):
            same = found.get(about.reason, Finding(each.kind, (), each.numbers))
            found[about.reason] = replace(same, stories=(*same.stories, *open_ones))
    others = (each for each in facts.found if SITUATIONS[each.kind].effect == "else")
    return [*found.values()] or [replace(each, stories=()) for each in others][:1]


def _list_notes(facts: VerdictFacts) -> Iterator[str]:
    removed = [each for each in facts.stories if each.transition == "removed"]
    # While results are still to come, an eval may not be gone.
    if removed and not facts.sides.read.waiting[0] and "removed" not in facts.rule.fail_on:
        yield f"{len(removed)} {WORDS['removed'].word}: {list_stories(removed)}."
    if left := [each for each in facts.of(*BROKEN) if not facts.rule.names(each)]:
        yield f"{len(left)} {BROKE}, and the rule does not count them: {list_stories(left)}."
    if facts.saved is None:  # it may be a typing error
        entries = [each.id for each in facts.policy.accepted]
        known = find_evals(facts.stories, entries)
        yield from (
            f"{ACCEPTED.capitalize()}, but not compared: {one_line(e)}."
            for e in entries
            if e not in known
        )
    if accepted := [each for each in facts.stories if each.id in facts.accepted]:
        yield f"{len(accepted)} {ACCEPTED}: {list_stories(accepted)}."


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
    steps, (_, until) = Steps(facts), facts.looks
    about = [(each, SITUATIONS[each.kind]) for each in facts.found]
    looks = (told.look(steps, each) for each, told in about if told.look)
    if facts.sides.read.versions:  # of these the draft alone can run
        tests = next(filter(None, map(steps.test_edits, facts.found)), None)
        return tests or next(looks, None) or (steps.see(about[0][0]) if gate.doubt else None)
    runs = (told.run(steps, each) for each, told in about if told.run)
    if found := next(filter(None, runs), None) or next(looks, None):
        return found
    if until is not None:
        return steps.check_again(f"Look again after {say_day(until, facts.year)} {until:%H:%M} UTC")
    return steps.start("Only a further run can tell") if gate.doubt else None
