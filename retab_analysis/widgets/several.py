"""Several workflows on one page: their order, and what stands above them."""

from __future__ import annotations

from collections.abc import Sequence

from retab_analysis.comparison.detail import WORDS
from retab_analysis.markup import count_noun
from retab_analysis.render.document import Heading
from retab_analysis.widgets.facts import BROKE, Facts
from retab_analysis.widgets.state import NO_EVAL, NO_RUN


def rank(facts: Facts) -> tuple[int, ...]:
    """The place of a workflow: the worst first, then those that are read, then the others."""
    if facts.judged is None:
        return (2 if facts.look.phase == "failed" else 1), 0, 0, 0
    doubts = facts.count("error", "unclear")
    return 0, -facts.count(BROKE), -doubts, -facts.judged.gate.exit_code


def sum_up(told: Sequence[Facts]) -> Heading:
    """The headline; it sums only what was read."""
    flows = count_noun(len(told), "workflow")
    broken = [number for each in told if (number := each.count(BROKE))]
    codes = [each.judged.gate.exit_code for each in told if each.judged is not None]
    others = [each.look for each in told if each.judged is None]
    reading = sum(each.phase != "failed" for each in others)
    lost = sum(each.phase == "failed" and each.trouble not in (NO_EVAL, NO_RUN) for each in others)
    rest = f", reading {reading}" * bool(reading) + f", {lost} could not be read" * bool(lost)
    if broken:
        evals = count_noun(sum(broken), "eval")
        strong = f"{flows}: {len(broken)} with broken evals"
        return Heading("✗", "bad", strong, f" ({evals}){rest}")
    if failing := codes.count(1):
        gates = f"{count_noun(failing, 'gate')} fail{'s' * (failing == 1)}"
        return Heading("✗", "bad", f"{flows}: {gates}", rest)
    if reading:
        return Heading("…", "other", flows, f": {rest.removeprefix(', ')}")
    if unsure := codes.count(2):
        return Heading(
            "?",
            "doubt",
            f"{flows}: {unsure} undecided",
            f", nothing {WORDS['regressed'].word}{rest}",
        )
    if not codes:
        return Heading("○", "other", f"{flows}: nothing to judge yet", rest)
    return Heading("✓", "good", f"{flows}: nothing {WORDS['regressed'].word}", rest)
