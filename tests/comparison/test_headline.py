"""The headline: which situation it tells, and that its words are those of the situation."""

from __future__ import annotations

import pytest
from comparison.cases import held_against, history

P = "P" * 20


@pytest.mark.parametrize(
    ("evals", "headline"),
    [
        # Broken for long, and mended by an edit: that is a repair. A short dip is only over.
        (["P" * 10 + "F" * 10 + "P"], "✓ 1 eval is fixed, nothing broke"),
        (["P" * 10 + "F" * 10 + "P"] * 2, "✓ 2 evals are fixed, nothing broke"),
        (["P" * 18 + "FFP"], "✓ Nothing broke: 2 of 2 pass"),
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


@pytest.mark.parametrize(
    ("runs", "sign", "where"), [((13,), "?", " in one run"), ((13, 14), "✗", "")]
)
def test_a_suite_that_fell_says_from_where_to_where(
    runs: tuple[int, ...], sign: str, where: str
) -> None:
    """Each eval failed in every fourth run, a quarter of them in each; now half of them fail."""
    patterns = [("PPPF" * 4)[at:][:12] for at in range(4)]
    rows = [
        row
        for at in range(80)
        for row in history(f"e{at:03}", patterns[at % 4] + ("FP" if at // 4 % 2 else "PF"))
    ]
    comparison = held_against(rows, (1, 12), runs)
    assert set(comparison.evals["transition"]) <= {"flaky", "still_passing"}
    assert comparison.headline == (
        f"{sign} The pass rate fell from 75 % to 50 %{where}; no single eval explains it"
    )
