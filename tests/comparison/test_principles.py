"""What a user must be able to believe, one test for each; the simulation holds them at large."""

from __future__ import annotations

import re

from comparison.cases import (
    numbers,
    of_every_transition,
    suite,
)
from support.frames import results
from support.inside import Comparison, compare


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
    assert suite("PP", "EE").headline == "? 2 evals ended in an error"


def test_every_sentence_is_true_or_is_not_said() -> None:
    for own_past in (False, True):
        comparison = of_every_transition(own_past=own_past)
        row, said = numbers(comparison), comparison.explain()
        reason = comparison.evals.filter(eval_id="broken")["reason"].item()
        assert "0 of 1 passed; before, 20 of 20" in reason
        found = re.search(r"Over the (\d+) evals .* \((\d+) independent documents?\)", said)
        assert [int(each) for each in found.groups()] == [row["n_evals"], row["n_documents"]]
        assert "identical code" not in said
        assert row["n_evals"] < comparison.evals.height
        assert "all evals" not in said + comparison.headline
