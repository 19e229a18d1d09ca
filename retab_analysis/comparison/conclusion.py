"""What follows from the findings together: the headline, the gate and the next step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from retab_analysis.comparison.accepted import find_evals
from retab_analysis.comparison.detail import (
    ACCEPTED,
    BROKE,
    WORDS,
    list_stories,
    say_removed,
    say_since,
)
from retab_analysis.comparison.findings import SHORT_LABEL, Finding, find
from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.next_step import Steps
from retab_analysis.comparison.verdict_facts import VerdictFacts
from retab_analysis.evidence.story import Story
from retab_analysis.markup import one_line
from retab_analysis.render.document import Heading
from retab_analysis.render.door import NextStep
from retab_analysis.vocabulary import BROKEN, say_day

LONGEST = 100


def write_heading(facts: VerdictFacts) -> Heading:
    """The first finding, and a clause of its own or of the next one that has one.

    It shortens labels first, then the parts of each cause, then the clause; never its number.
    """
    first, *others = find(facts)
    more = next(filter(None, (each.say_beside(first.mark) for each in others)), "")
    for said in (first.say(), first.say(SHORT_LABEL), first.say(SHORT_LABEL, is_split=False)):
        clause = facts.said_old or said.clause or (said.calm is not None and (more or said.calm))
        whole = f"{said.rest}{f'; {clause}' if clause else ''}"
        if len(said.strong) + len(whole) + 2 <= LONGEST:
            return Heading(*first.mark, said.strong, whole)
    rest, kept = said.rest, max(LONGEST - 2 - len(said.strong), 0)
    cut = rest if len(rest) <= kept else f"{rest[: max(kept - 1, 0)].rstrip(', ')}…"[:kept]
    return Heading(*first.mark, one_line(said.strong, LONGEST - 2), cut)


def judge(facts: VerdictFacts) -> Gate:
    """The gate: the findings that fail or are in doubt, under the rule."""
    rule, reasons, suite_reasons, found = facts.rule, list[str](), list[str](), find(facts)
    failing, named = {each.id for each in facts.failing}, list[Story]()
    for each in found:
        its = [s for s in each.evals if s.id in failing and s not in named]
        named += its
        reasons += _name_failures(its, facts.year)
        if not its:
            suite_reasons += each.reasons
            reasons += each.reasons
    if named and rule.max_failures:
        reasons.append(f"Against the gate: {len(named)}; tolerated: {rule.max_failures}.")
    doubts = list(_find_doubts(facts, found))
    last = [each.last_doubt for each in found if each.last_doubt][:1]
    unsure = {story.id for _, evals in doubts for story in evals}
    told = [each.say_doubt(evals) for each, evals in doubts] or last
    accepted = [each.id for each in facts.stories if each.id in facts.accepted]
    return Gate(
        tuple(reasons),
        tuple(_list_notes(facts)),
        failing=tuple(each.id for each in facts.stories if each in named),
        undecided=tuple(each.id for each in facts.stories if each.id in unsure),
        doubt="" if reasons else " and ".join(filter(None, (", ".join(told[:-1]), *told[-1:]))),
        accepted=tuple(accepted),
        rule=rule.describe(len(accepted)),
        suite_reasons=tuple(suite_reasons),
        asked=rule,
    )


def _find_doubts(
    facts: VerdictFacts, found: Iterable[Finding]
) -> Iterator[tuple[Finding, Sequence[Story]]]:
    """The findings that leave the gate undecided, with the evals in doubt."""
    settled = {each.id for each in facts.against} | facts.accepted
    for each in found:
        left = [
            s
            for s in each.evals
            if s.is_undecided or s in facts.stale or s.standing == "unseen"
            if s.id not in settled
        ]
        if (left or not each.evals) and each.say_doubt(left):
            yield each, left


def _list_notes(facts: VerdictFacts) -> Iterator[str]:
    removed = [each for each in facts.stories if each.transition == "removed"]
    if removed and "removed" not in facts.rule.fail_on:
        yield say_removed(removed, facts.year)
    if facts.said_old:
        yield f"{facts.said_old.replace(': ', ', ')}: {list_stories(facts.old)}."
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
        since = say_since([each], year)
        if each.errors_since is not None:
            since = f"at every run since {say_day(each.errors_since, year)}"
        said = " ".join(filter(None, (WORDS[each.transition].word, since)))
        groups.setdefault(said, []).append(each)
    return [f"{len(its)} {said}: {list_stories(its)}." for said, its in groups.items()]


def find_next_step(facts: VerdictFacts, gate: Gate) -> NextStep | None:
    """The first finding's with one: what can run now, else a look by a person, else a wait."""
    steps, (_, until), found = Steps(facts), facts.looks, find(facts)
    look = next(filter(None, (each.look(steps) for each in found)), None)
    if facts.sides.read.versions:  # of these the draft alone can run
        tests = steps.test([*facts.unrun, *facts.of("stale")])
        return tests or look or (steps.see() if gate.doubt else None)
    if step := next(filter(None, (each.run(steps) for each in found)), None) or look:
        return step
    if until is not None:
        return steps.check_again(f"Look again after {say_day(until, facts.year)} {until:%H:%M} UTC")
    return steps.start("Only a further run can tell") if gate.doubt else None
