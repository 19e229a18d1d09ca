"""The gate: the rule that passes or fails a build. The verdict, in contrast, is statistics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from retab_analysis.arguments import Guided, check_count, check_share, suggest_words
from retab_analysis.comparison.accepted import Policy, check_texts
from retab_analysis.comparison.detail import ACCEPTED, WORDS
from retab_analysis.comparison.since import Since
from retab_analysis.errors import ConfigError
from retab_analysis.evidence.story import Story
from retab_analysis.markup import count_noun, say_rate
from retab_analysis.vocabulary import BROKEN, TRANSITIONS

FAIL_ON = (*BROKEN, "incomplete")
"""The transitions that count against a candidate by default."""
AGAIN = "fails_repeatedly"
"""An unclear eval whose newest three rows failed, and that passed before, without an edit since."""


@dataclass(frozen=True, slots=True)
class GateRule:
    """A rule with checked arguments; see :meth:`Comparison.gate`."""

    fail_on: tuple[str, ...] = FAIL_ON
    max_failures: int = 0
    min_pass_rate: float | None = None
    policy: Policy | None = None  # None for the accepted failures of the comparison
    since: Since | None = None  # what broke before it does not fail

    @classmethod
    def check(
        cls, fail_on: str | Iterable[str], max_failures: int, min_pass_rate: float | None
    ) -> GateRule:
        check_count("max_failures", max_failures)
        if min_pass_rate is not None:
            check_share("min_pass_rate", min_pass_rate, ends=True)
        transitions = check_texts("fail_on", fail_on)
        words = [*(each for each in TRANSITIONS if each != "same_code"), AGAIN]
        if unknown := [each for each in transitions if each not in words]:
            hint = suggest_words("transitions", unknown[0], words)
            raise ConfigError(f"fail_on: {unknown[0]!r} is not one of its transitions; {hint}")
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
        free = f"; {count_noun(known, 'failure')} {ACCEPTED}" if known else ""
        if self.since is not None:
            free += f"; a break before {self.since.said} does not count"
        return ", and ".join(said) + free

    def _describe_evals(self) -> str:
        names = {each: told.word for each, told in WORDS.items()} | {AGAIN: "fails repeatedly"}
        *most, last = dict.fromkeys(names[each] for each in self.fail_on)
        named = f"{', '.join(most)} or {last}" if most else last
        few = self.max_failures
        tolerated = f"at most {count_noun(few, 'eval')}" if few else "no eval"
        return f"{tolerated} may count as {named}"


USUAL = GateRule()


@dataclass(frozen=True, repr=False)
class Gate(Guided, called="gate"):
    """Whether the candidate may pass, and why.

    Attributes:
        reasons: Why it fails, one sentence each; empty if nothing fails it.
        notes: Facts that do not count: evals that were removed, accepted failures, old breaks.
        failing: The ids of the evals that fail it, in the order of ``Comparison.evals``; none if
            the rule tolerates as many.
        undecided: The ids of unclear evals, isolated errors (:func:`settle` reruns both), and evals
            that have not run since their edit (``start_runs(…, only="edited")`` runs them).
        doubt: Why it is undecided although nothing fails it, in words; else empty.
        accepted: The ids of the evals that do not simply pass, and are accepted.
        rule: The rule, in words.
        suite_reasons: The reasons that are not about a single failing eval.
        asked: The rule with its numbers.
    """

    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    doubt: str = ""
    accepted: tuple[str, ...] = ()
    rule: str = ""
    suite_reasons: tuple[str, ...] = ()
    asked: GateRule = USUAL

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

    def __repr__(self) -> str:
        if self.reasons:
            return f"The gate fails. {' '.join(self.reasons)}"
        return f"The gate is undecided: {self.doubt}." if self.doubt else "The gate holds."
