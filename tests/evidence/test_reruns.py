"""How many reruns will be needed, against every sequence that there can be."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest
from evidence.exact import histories
from evidence.test_inference import drawn
from support.frames import many, results

from retab_analysis.comparison import compare
from retab_analysis.evidence.answers import CLEARED, CONFIRMED, answer
from retab_analysis.evidence.histories import Histories
from retab_analysis.evidence.inference import infer
from retab_analysis.evidence.rates import HOUR_RATES, HOURS
from retab_analysis.evidence.reruns import ROUNDS, still_undecided

NOW = 50
CASES = ["PPPPPPPF", "PPFPPPPF", "PPPPPPPP", "PFPFFPFF", "FFFFFFFF", "PPPPFFFF", "P......F"]


def enumerate_sequences(rows: str, edited: str, rounds: int) -> list[float]:
    """The probability of being undecided after so many results, from the model asked anew.

    A sequence goes on while the probability that the eval got worse, which is found by inferring
    from all its outcomes, lies between the two limits. The next outcome's probability is that of
    the present rate, which is found likewise.
    """

    @cache
    def ask(sequence: str) -> tuple[float, float]:
        """The probabilities that it got worse, and that it fails next."""
        given = histories([rows + sequence], edited, -1 - len(sequence))
        posterior = infer(given)
        fails = float((HOURS @ HOUR_RATES) @ posterior.present[:, posterior.pattern[0]])
        return answer(given, posterior).p_regressed[0], fails

    def probability(sequence: str) -> float:
        """That reruns begin with these outcomes, and are still to go on after the last one."""
        found = 1.0
        for done in range(len(sequence) + 1):
            p, fails = ask(sequence[:done])
            found *= CLEARED < p < CONFIRMED
            if done < len(sequence):
                found *= fails if sequence[done] == "F" else 1 - fails
        return found

    return [
        sum(probability("".join(each)) for each in itertools.product("PF", repeat=length))
        for length in range(rounds)
    ]


@pytest.mark.parametrize("rows", CASES)
@pytest.mark.parametrize("edited", ["", " " * 7 + "e"])
def test_what_is_still_undecided_is_what_every_sequence_together_says(
    rows: str, edited: str
) -> None:
    found = still_undecided(infer(histories([rows], edited)), np.array([-1]))
    expected = enumerate_sequences(rows, edited, 5)
    np.testing.assert_allclose(found[:5, 0], expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_it_never_rises_and_begins_with_what_is_undecided_now(seed: int) -> None:
    given = drawn(seed)
    posterior = infer(given)
    found = still_undecided(posterior, np.full(given.shape[0], -1))
    assert found.shape == (ROUNDS, given.shape[0])
    assert (np.diff(found, axis=0) <= 1e-12).all()
    assert (found >= 0).all()
    p = answer(given, posterior).p_regressed
    now = (p > CLEARED) & (p < CONFIRMED)
    known = given.decided
    assert found[0][known].tolist() == now[known].astype(float).tolist()


def test_only_a_worsening_after_the_row_counts() -> None:
    posterior = infer(histories(["PPPPPPPF"] * 2 + ["P" * 8] * 20))
    found = still_undecided(posterior, np.array([-1, 7, *[-1] * 20]))
    assert found[0, :2].tolist() == [1, 0]


@pytest.mark.parametrize("seed", range(3))
def test_evals_of_which_the_same_is_said_are_asked_once_and_told_apart(seed: int) -> None:
    given = drawn(seed, n=60)
    twice = replace(
        given,
        **{
            name: np.concatenate([getattr(given, name)] * 2)
            for name in ("passes", "fails", "block", "edited", "start")
        },
    )
    posterior = infer(twice)
    after = np.random.default_rng(seed).integers(-1, 12, 120)
    alone, rows, which = posterior.each_once(after)
    assert len(set(zip(alone.pattern, rows, alone.resumed, strict=True))) == rows.size < 120
    assert (alone.pattern[which] == posterior.pattern).all()
    assert (alone.resumed[which] == posterior.resumed).all()
    assert (rows[which] == after).all()
    found = still_undecided(posterior, after)
    each = [
        still_undecided(
            replace(posterior, pattern=posterior.pattern[[e]], resumed=posterior.resumed[[e]]),
            after[[e]],
        )
        for e in range(120)
    ]
    np.testing.assert_allclose(found, np.concatenate(each, axis=1), rtol=1e-9, atol=1e-12)


def test_nobody_is_asked_again_where_there_is_nobody() -> None:
    none, some = np.zeros((0, 3), dtype=np.int64), np.zeros(0, dtype=np.int64)
    posterior = infer(Histories(none, none, some, none, some, 2))
    assert still_undecided(posterior, some).shape == (ROUNDS, 0)


# As a comparison tells it


def held(now: dict[str, str]) -> object:
    history = [row for name in now for row in many(name, "P" * 16)]
    rows = [row for name, states in now.items() for row in many(name, states, NOW)]
    return compare(results(*history), results(*rows))


def test_a_comparison_expects_the_sum_over_its_reruns() -> None:
    comparison = held({**{f"e{n}": "P" for n in range(20)}, "broken": "F", "twin": "F"})
    asked = comparison.reruns
    assert sorted(asked["eval_id"]) == ["broken", "twin"]
    rows = histories(["P" * 16 + "F"] * 2 + ["P" * 17] * 20)
    # What was earlier is a baseline, whose last row is 15.
    undecided = still_undecided(infer(rows), np.full(22, 15))[:, :2]
    assert (undecided[0] == 1).all()
    for rounds in range(ROUNDS + 1):
        expected = undecided[:rounds].sum()
        assert comparison.expect_reruns(rounds) == pytest.approx(expected, rel=1e-6), rounds


def test_more_rounds_are_expected_to_need_more_runs_but_no_more_than_all() -> None:
    comparison = held({**{f"e{n}": "P" for n in range(9)}, "x": "F", "y": "FP", "z": "E"})
    n = comparison.reruns.height
    assert n >= 2
    expected = [comparison.expect_reruns(rounds) for rounds in range(ROUNDS + 1)]
    assert expected[0] == 0
    assert all(0 <= more - less <= n for less, more in itertools.pairwise(expected))


def test_of_an_eval_without_a_verdict_the_first_rerun_is_needed() -> None:
    comparison = held({**{f"e{n}": "P" for n in range(9)}, "z": "E"})
    assert comparison.reruns["eval_id"].to_list() == ["z"]
    assert comparison.expect_reruns(1) == 1


def test_where_nothing_is_to_be_run_again_nothing_is_expected() -> None:
    comparison = held({f"e{n}": "P" for n in range(9)})
    assert comparison.reruns.is_empty()
    assert comparison.expect_reruns(4) == 0
    assert isinstance(comparison.reruns, pl.DataFrame)
