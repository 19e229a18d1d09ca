"""What a user must be able to believe, one test for each; the simulation holds them at large."""

from __future__ import annotations

import re

import polars as pl
import pytest
from comparison.cases import (
    Rows,
    held_against,
    held_against_own_past,
    history,
    many_evals,
    numbers,
    of_every_transition,
    runs,
    suite,
    the_only,
)
from simulation.rules import LibraryRule
from simulation.scoring import Cell, calibrate
from simulation.table import Study
from support.frames import results
from support.frames import run as run_row
from support.frames import runs as runs_frame
from support.inside import BROKEN, Comparison, blame, compare

from retab_analysis import summarize_evals, summarize_runs


@pytest.mark.study
def test_what_is_called_regressed_got_worse_with_the_probability_that_is_stated() -> None:
    kinds = ("same", "benign", "edit", "drift")
    cells = [Cell("compare", kind, runs) for kind in kinds for runs in (0, 3, 10)]
    (total,) = Study("first", 12, 7, [LibraryRule()]).count(cells).values()
    # Nearly all of what it is sure of came true, and hardly anything that it rules out.
    told = calibrate(total, least=30)
    sure, excluded = told.filter(pl.col("tenth") == 9), told.filter(pl.col("tenth") == 0)
    assert sure["true"].item() >= 0.8
    assert excluded["true"].item() <= 0.05
    # What one run cannot tell is a suspect, and comes with the reruns that would tell.
    for row in of_every_transition().evals.filter(transition="suspect").iter_rows(named=True):
        assert 0 < row["p_regressed"] < 0.5
        assert row["reruns_to_clear"] or row["reruns_to_confirm"]


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


def test_one_number_has_one_definition() -> None:
    rows = [
        *many_evals(4, "PP", "AB"),
        *history("fails", "PF", "AB"),
        *history("blocks", "PB", "AB"),
    ]
    comparison = compare(runs(rows, 1), runs(rows, 2))
    counted = runs_frame(
        run_row("run_1", 1, passed=6, workflow_version_id="vA", pass_rate=1.0),
        run_row(
            "run_2",
            2,
            passed=4,
            failed=1,
            blocked=1,
            workflow_version_id="vB",
            pass_rate=4 / 6,
        ),
    )
    versions = dict(summarize_runs(counted).select("workflow_version_id", "pass_rate").iter_rows())
    row = numbers(comparison)
    assert row["baseline_pass_rate"] == versions["vA"] == counted["pass_rate"][0]
    assert row["candidate_pass_rate"] == versions["vB"] == counted["pass_rate"][1]


def test_what_is_broken_is_the_same_to_whoever_asks() -> None:
    rows: Rows = [
        *many_evals(4, "P" * 20 + "FFF", "A" * 20 + "BBB", block_id="edited"),
        *(
            row
            for at in range(9)
            for row in history(f"fine{at}", "P" * 23, "A" * 20 + "BBB", block_id="other")
        ),
        *history("shaky", "PPFPPPFPPPPFPPPPFPPPPPF", block_id="other"),
        *history("gap", "F" * 23, block_id="other"),
    ]
    checked = held_against_own_past(rows, 23).evals
    broken = checked.filter(pl.col("transition").is_in(BROKEN))
    kinds = summarize_evals(results(*rows)).filter(kind="broken")
    blamed = blame(results(*rows)).filter(pl.col("p_regressed") >= 0.5)
    names = [f"e{at:03}" for at in range(4)]
    assert sorted(broken["eval_id"]) == names
    assert sorted(kinds["eval_id"]) == sorted(blamed["eval_id"]) == names
    for frame in (broken, kinds, blamed):
        assert frame["since_run_id"].unique().to_list() == ["run_21"]
        assert frame["cause"].unique().to_list() == ["edit"]


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
