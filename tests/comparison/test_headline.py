"""The headline: which situation it tells, and that its words are those of the situation."""

from __future__ import annotations

import random

import pytest
from comparison.cases import held_against, history

P = "P" * 20
RATES = [0.7] * 8 + [0.55]
"""The rates at which the evals of a shaky suite pass in its nine runs."""


@pytest.mark.parametrize(
    ("evals", "headline"),
    [
        # Broken for long, and mended by an edit: that is a repair. A short dip is only over.
        (["P" * 10 + "F" * 10 + "P"], "✓ 1 eval is fixed, nothing broke"),
        (["P" * 10 + "F" * 10 + "P"] * 2, "✓ 2 evals are fixed, nothing broke"),
        (["P" * 18 + "FFP"], "✓ 1 eval passes again, nothing broke"),
        (["P" * 18 + "FFP"] * 2, "✓ 2 evals pass again, nothing broke"),
        ([P + "E"], "? 1 eval ended in an error; nothing broke"),
    ],
)
def test_what_became_of_the_evals_that_do_not_simply_pass(evals: list[str], headline: str) -> None:
    rows = history("fine", P + "P")
    for at, outcomes in enumerate(evals):
        is_repair = outcomes[10:20] == "F" * 10
        rows += history(f"e{at}", outcomes, "A" * 10 + "B" * 10 + "C" if is_repair else None)
    assert held_against(rows, 20, 21).headline == headline


def test_one_failure_after_a_few_passes_is_a_doubt() -> None:
    rows = history("fine", "P" * 11) + history("e", "P" * 10 + "F")
    assert held_against(rows, 10, 11).headline == "? 1 eval may have broken; nothing else did"


def test_a_suite_of_shaky_evals_that_fell_says_from_where_to_where() -> None:
    draw = random.Random(4)
    rows = [
        row
        for at in range(40)
        for row in history(f"e{at:03}", "".join("PF"[draw.random() >= rate] for rate in RATES))
    ]
    comparison = held_against(rows, (1, 8), 9)
    before, now = comparison.summary.select("baseline_pass_rate", "candidate_pass_rate").row(0)
    assert comparison.headline.startswith(
        f"✗ The pass rate fell from {before:.0%} to {now:.0%};".replace("%", " %")
    )
