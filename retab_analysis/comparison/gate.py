"""The gate: the rule that passes or fails a build. The verdict, in contrast, is statistics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from retab_analysis.arguments import check_count, check_share, resolve
from retab_analysis.comparison.accepted import Policy, check_texts, find_evals, name_by_id
from retab_analysis.comparison.detail import WORDS, list_stories
from retab_analysis.comparison.headline import VerdictFacts, say_rate, say_rates
from retab_analysis.comparison.names import say_day
from retab_analysis.comparison.suite_test import say_p_value, say_points
from retab_analysis.errors import ConfigError
from retab_analysis.evidence.story import Story
from retab_analysis.markup import count_noun, one_line
from retab_analysis.vocabulary import BROKEN, TRANSITIONS

FAIL_ON = (*BROKEN, "incomplete")
"""The transitions that count against a candidate by default."""
AGAIN = "fails_repeatedly"
"""An unclear eval whose newest three rows failed, and that passed before, without an edit since."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether the candidate may pass, and why.

    Attributes:
        reasons: Why it fails, one sentence each; empty if nothing fails it.
        notes: Facts that do not count: evals that were removed, accepted failures.
        failing: The ids of the evals that fail it, in the order of ``Comparison.evals``; none if
            the rule tolerates as many.
        undecided: The ids of unclear evals, isolated errors (:func:`settle` reruns both), and evals
            that have not run since their edit (``start_runs(…, only="edited")`` runs them).
        doubt: Why it is undecided although nothing fails it, in words; else empty.
        accepted: The ids of the evals that do not simply pass, and are accepted.
        rule: The rule, in words.
        suite_reasons: The reasons that are not about a single failing eval.
    """

    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    doubt: str = ""
    accepted: tuple[str, ...] = ()
    rule: str = ""
    suite_reasons: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 if it holds, 1 if it fails, 2 if it is undecided."""
        return 1 if self.reasons else 2 if self.doubt else 0

    @property
    def ok(self) -> bool:
        """Whether it holds: nothing fails it, and nothing is undecided."""
        return self.exit_code == 0

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True, slots=True)
class GateRule:
    """A rule with checked arguments; see :meth:`Comparison.gate`."""

    fail_on: tuple[str, ...] = FAIL_ON
    max_failures: int = 0
    min_pass_rate: float | None = None

    @classmethod
    def check(
        cls, fail_on: str | Iterable[str], max_failures: int, min_pass_rate: float | None
    ) -> GateRule:
        check_count("max_failures", max_failures)
        if min_pass_rate is not None:
            check_share("min_pass_rate", min_pass_rate, ends=True)
        transitions = check_texts("fail_on", fail_on)
        if unknown := [each for each in transitions if each not in (*TRANSITIONS, AGAIN)]:
            known = ", ".join((*TRANSITIONS, AGAIN))
            raise ConfigError(f"fail_on: {unknown[0]!r} is not one of {known}")
        return cls(transitions, max_failures, min_pass_rate)

    def names(self, story: Story) -> bool:
        is_again = (
            story.transition == "suspect" and story.cause != "edit" and story.fails_repeatedly
        )
        return story.transition in self.fail_on or (is_again and AGAIN in self.fail_on)

    def describe(self, known: int) -> str:
        """The rule in words, for the reader of a report; ``known`` failures are accepted."""
        said = [self._describe_evals()] if self.fail_on else []
        said.append("the suite's test may not find that the pass rate fell")
        if self.min_pass_rate is not None:
            said.append(f"the pass rate must be at least {say_rate(self.min_pass_rate)}")
        free = f"; {count_noun(known, 'failure')} accepted" if known else ""
        return ", and ".join(said) + free

    def _describe_evals(self) -> str:
        names = {each: word for each, (_, word, _) in WORDS.items()} | {AGAIN: "fails repeatedly"}
        *most, last = dict.fromkeys(names[each] for each in self.fail_on)
        named = f"{', '.join(most)} or {last}" if most else last
        few = self.max_failures
        tolerated = f"at most {count_noun(few, 'eval')}" if few else "no eval"
        return f"{tolerated} may count as {named}"


def _say_against(facts: VerdictFacts) -> list[str]:
    """The reasons against the candidate that are not about single evals."""
    said, fallen = list[str](), facts.fallen
    if facts.outage is not None:
        ended, total = facts.outage
        said.append(
            f"Outage: {ended} of {count_noun(total, 'eval')} ended in an error; run them again."
        )
    if n := facts.sides.read.unnamed:
        said.append(f"The run does not add up: {count_noun(n, 'result')} missing or miscounted.")
    if fallen is not None and fallen.is_sure:
        change = fallen.change
        beginning = "Without the accepted evals, the" if facts.accepted else "The"
        said.append(
            f"{beginning} pass rate fell by {say_points(change.delta or 0)}, more than chance "
            f"explains (p value {say_p_value(change.p_value or 0)})."
        )
    return said


def apply_rule(rule: GateRule, policy: Policy, facts: VerdictFacts) -> Gate:
    """Apply a rule to the evals of a comparison that the policy did not set aside."""
    stories, waiting, aside = facts.stories, facts.sides.read.waiting, facts.accepted
    counting = [each for each in stories if rule.names(each) or each.errs_always]
    counts = {each.id for each in counting}
    named = [each for each in counting if each.id not in aside]
    # The gate is undecided until the checked run has ended.
    if len(named) <= rule.max_failures or waiting[0]:
        named = []
    failures = _name_failures(named, facts.year)
    if named and rule.max_failures:
        failures.append(f"Against the gate: {len(named)}; tolerated: {rule.max_failures}.")
    outdated = policy.list_outdated(stories, facts.saved)
    further = _say_against(facts) + _check_pass_rate(rule, facts)
    further += [f"{each.why} Remove the entry." for each in outdated]
    if facts.lost and not failures:
        further.append(f"The run could not run: {count_noun(len(facts.lost), 'result')} missing.")
    further = [] if waiting[0] else further
    reasons = [*failures, *further]
    removed = [each for each in stories if each.transition == "removed"]
    notes = []
    # While results are still to come, an eval may not be gone.
    if removed and not waiting[0] and "removed" not in rule.fail_on:
        notes.append(f"{len(removed)} removed: {list_stories(removed)}.")
    if facts.saved is None:  # it may be a typing error
        entries = [each.id for each in policy.accepted]
        known = find_evals(stories, entries)
        notes += [f"Accepted, but not compared: {one_line(e)}." for e in entries if e not in known]
    if accepted := [each for each in stories if each.id in aside]:
        notes.append(f"{len(accepted)} accepted: {list_stories(accepted)}.")
    unsure = [
        each
        for each in stories
        if (each.is_undecided or each.transition == "stale") and each.id not in aside | counts
    ]
    return Gate(
        tuple(reasons),
        tuple(notes),
        failing=tuple(each.id for each in named),
        undecided=tuple(each.id for each in unsure),
        doubt="" if reasons else _say_doubt(facts, unsure),
        accepted=tuple(each.id for each in accepted),
        rule=rule.describe(len(accepted)),
        suite_reasons=tuple(further),
    )


def _say_doubt(facts: VerdictFacts, unsure: Sequence[Story]) -> str:
    left, total = facts.sides.read.waiting
    if left:
        return (
            f"{left} of {count_noun(total, 'result')} {'is' if left == 1 else 'are'} still to come"
        )
    stale = [each for each in unsure if each.transition == "stale"]
    unsure = [each for each in unsure if each.transition != "stale"]
    suspects = sum(each.transition == "suspect" for each in unsure)
    errors = len(unsure) - suspects
    said = [f"{count_noun(suspects, 'eval')} may have broken"] if suspects else []
    said += [f"{count_noun(errors, 'eval')} ended in an error"] if errors else []
    if facts.fallen is not None and not said:
        return "the pass rate fell in one run and no single eval explains it; run the suite again"
    said += ["the pass rate fell in one run"] if facts.fallen is not None else []
    verb, now = ("has", "it is") if len(stale) == 1 else ("have", "they are")
    said += [f"{count_noun(len(stale), 'eval')} {verb} not run as {now} now"] if stale else []
    is_hidden = facts.sides.saved.hidden_since is not None
    said += ["all evals were saved again, and edits among them cannot be seen"] * is_hidden
    said += ["a newer run cannot be judged yet"] if facts.sides.read.doubts else []
    if not said and not facts.is_decided:
        return "nothing was decided"
    if not said and not facts.has_pass and not (facts.passing[0] and facts.is_apart):
        return "no eval passes"
    return " and ".join(said)


def _name_failures(named: Iterable[Story], year: int | None) -> list[str]:
    """The evals against the candidate, grouped by their change and its date."""
    groups: dict[str, list[Story]] = {}
    for each in named:
        said, at = WORDS[each.transition][1], each.since_at
        if each.errors_since is not None:
            said += f" at every run since {say_day(each.errors_since, year)}"
        elif at is not None:
            latest = " at the latest" if each.is_latest else ""
            said += f" since {say_day(at, year)}{latest}"
        groups.setdefault(said, []).append(each)
    return [f"{len(its)} {said}: {list_stories(its)}." for said, its in groups.items()]


def _check_pass_rate(rule: GateRule, facts: VerdictFacts) -> list[str]:
    """The pass rate of the checked run."""
    least = rule.min_pass_rate
    if least is None:
        return []
    passed, of = facts.count_passes()
    if not of:
        return [f"The pass rate is not known; the rule asks for at least {say_rate(least)}."]
    if passed / of >= least:
        return []
    said = say_rates(passed / of, least)
    told = f"{said[0]}, {passed} of {of} that ended"
    return [f"The pass rate is {told}; the rule asks for at least {said[1]}."]


def choose_accepted(
    stories: Sequence[Story], evals: str | Iterable[str] | pl.DataFrame
) -> list[Story]:
    """The evals to accept, from their ids, names, or a frame of them."""
    if isinstance(evals, pl.DataFrame) and "eval_id" not in evals.columns:
        raise ConfigError("evals: the frame has no column eval_id")
    known = name_by_id(stories)
    ids = {resolve("eval", each, known) for each in check_texts("evals", evals)}
    chosen = [each for each in stories if each.id in ids]
    idle = [each for each in chosen if not (each.fails or each.transition in (*FAIL_ON, "stale"))]
    if idle:
        raise ConfigError(f"evals: nothing to accept, as these pass: {list_stories(idle)}")
    return chosen
