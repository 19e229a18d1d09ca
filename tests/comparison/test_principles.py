"""What a user must be able to believe, one test for each; the simulation holds them at large."""

from __future__ import annotations

import re

from comparison.cases import (
    held_against,
    history,
    numbers,
    of_every_transition,
    runs,
    suite,
    the_only,
)
from support.frames import results
from support.inside import Comparison, compare


def test_more_evidence_never_makes_the_answer_worse() -> None:
    shaky = history("shaky", "PPPPFPPPPPPPPPFPPPPP" + "PFFFF", "A" * 20 + "B" * 5)
    steady = history("steady", "P" * 21 + "FFFF", "A" * 20 + "B" * 5)
    for rows in (shaky, steady):
        # More failures on the new code say more, and a longer history makes it surer.
        p = [the_only(held_against(rows, 20, (22, 21 + n)))["p_regressed"] for n in range(1, 5)]
        assert p == sorted(p)
    p = [
        the_only(compare(runs(steady, 20), runs(steady, 22), history=runs(steady, 20 - n, 20)))[
            "p_regressed"
        ]
        for n in (0, 5, 19)
    ]
    assert p == sorted(p)
    # A fail among the earlier runs does not exempt an eval that now always fails.
    assert the_only(held_against(shaky, 20, (22, 25)))["transition"] == "regressed"


def test_nothing_is_concluded_from_nothing() -> None:
    nothing: list[Comparison] = [
        compare(results(), results()),
        suite("P", "P"),
        suite("C" * 50, "P" * 50),
        suite("P" * 50, "C" * 50),
        suite("P" * 49 + ".", "." * 49 + "P"),
        suite("PP", "PP"),
    ]
    for comparison in nothing:
        assert comparison.verdict == "inconclusive"
    for comparison in (*nothing, suite("P" * 100, "P" * 100), suite("P" * 30, "P" * 30)):
        row = numbers(comparison)
        inside = (
            row["delta_low"] is not None and -0.05 <= row["delta_low"] <= row["delta_high"] <= 0.05
        )
        assert (comparison.verdict == "no_change") is inside


def test_every_sentence_is_true_or_is_not_said() -> None:
    for own_past in (False, True):
        comparison = of_every_transition(own_past=own_past)
        row, said = numbers(comparison), comparison.explain()
        reason = comparison.evals.filter(eval_id="broken")["reason"].item()
        assert "0 of 1 passed; before, 20 of 20" in reason
        found = re.search(r"Over the (\d+) evals .* \((\d+) independent documents?\)", said)
        assert found is not None
        assert [int(each) for each in found.groups()] == [row["n_evals"], row["n_documents"]]
        assert "identical code" not in said
        assert row["n_evals"] < comparison.evals.height
        assert "all evals" not in said + comparison.headline
