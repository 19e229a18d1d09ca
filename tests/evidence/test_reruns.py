"""How many reruns will be needed, against every sequence that there can be."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import polars as pl
import pytest
from evidence.exact import histories
from evidence.test_inference import drawn
from support.frames import many, results
from support.inside import (
    HOUR_RATES,
    HOURS,
    LIKELY,
    ROUNDS,
    SURE,
    UNLIKELY,
    Histories,
    answer,
    compare,
    expect_reruns,
    infer,
    mean_reruns,
    suite_of,
)

NOW = 50
CASES = ["PPPPPPPF", "PPFPPPPF", "PPPPPPPP", "PFPFFPFF", "FFFFFFFF", "PPPPFFFF", "PP.PPP.F"]


class Sequences:
    """What reruns would come to, from the model asked anew after each of them.

    The probability that the eval got worse is found by inferring from all its outcomes, and the
    next outcome's probability is that of the present rate, which is found likewise.
    """

    def __init__(self, rows: str, edited: str) -> None:
        self.rows, self.edited = rows, edited
        self.ask = cache(self._ask)
        self.expect = cache(self._expect)

    def _ask(self, sequence: str) -> tuple[float, float]:
        """The probabilities that it got worse, and that it fails next."""
        given = histories([self.rows + sequence], self.edited, -1 - len(sequence))
        posterior = infer(given)
        fails = float((HOURS @ HOUR_RATES) @ posterior.present[:, 0])
        return answer(given, posterior).p_regressed[0], fails

    @staticmethod
    def group(p: float) -> int:
        """Cleared, suspect, or called broken."""
        return int(p > UNLIKELY) + int(p >= LIKELY)

    def may_change(self, sequence: str, left: int) -> bool:
        """Whether any sequence of so many more outcomes leads to another group."""
        now = self.group(self.ask(sequence)[0])
        further = itertools.product("PF", repeat=left)
        return any(self.group(self.ask(sequence + "".join(each))[0]) != now for each in further)

    def _expect(self, sequence: str, left: int) -> float:
        """How many reruns there will be in the mean, if there are at most so many."""
        p, fails = self.ask(sequence)
        if left == 0 or not UNLIKELY < p < SURE or not self.may_change(sequence, left):
            return 0.0
        passes = (1 - fails) * self.expect(sequence + "P", left - 1)
        return 1 + passes + fails * self.expect(sequence + "F", left - 1)


@pytest.mark.parametrize("rows", CASES)
@pytest.mark.parametrize("edited", ["", " " * 7 + "e"])
def test_the_expected_number_is_what_every_sequence_together_says(rows: str, edited: str) -> None:
    found = expect_reruns(infer(histories([rows], edited)), np.array([-1]), np.array([True]))
    sequences = Sequences(rows, edited)
    expected = [sequences.expect("", left) for left in range(5)]
    np.testing.assert_allclose(found[:5, 0], expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("rows", CASES)
def test_without_a_verdict_a_pass_ends_it_and_a_failure_goes_on(rows: str) -> None:
    posterior = infer(histories([rows]))
    found = expect_reruns(posterior, np.array([-1]), np.array([False]))
    sequences = Sequences(rows, "")
    fails = sequences.ask("")[1]
    expected = [0.0, *(1 + fails * sequences.expect("F", left) for left in range(4))]
    np.testing.assert_allclose(found[:5, 0], expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("rows", "low", "high"), [("PFFF", UNLIKELY, LIKELY), ("PPPPFFFF", 0.5, 0.95)]
)
def test_what_one_rerun_could_not_bring_to_another_group_is_left_alone(
    rows: str, low: float, high: float
) -> None:
    sequences = Sequences(rows, "")
    assert low < sequences.ask("")[0] < high
    found = expect_reruns(infer(histories([rows])), np.array([-1]), np.array([True]))[:, 0]
    # One result more leaves a suspect a suspect, and what is called broken called so; two may not.
    assert not sequences.may_change("", 1)
    assert sequences.may_change("", 2)
    assert found[1] == 0
    assert found[2] >= 1


@pytest.mark.parametrize("seed", range(3))
def test_more_reruns_allowed_never_make_fewer(seed: int) -> None:
    given = drawn(seed)
    posterior = infer(given)
    found = expect_reruns(posterior, np.full(given.shape[0], -1), given.decided)
    assert found.shape == (ROUNDS + 1, given.shape[0])
    assert (found[0] == 0).all()
    assert (np.diff(found, axis=0) >= -1e-12).all()
    assert (found <= np.arange(ROUNDS + 1)[:, None] + 1e-12).all()
    assert ((found == 0) | (found >= 1)).all()
    p = answer(given, posterior).p_regressed
    decided = given.decided & ((p <= UNLIKELY) | (p >= SURE))
    assert decided.any()
    assert (found[:, decided] == 0).all()
    assert (found[1:, ~given.decided] >= 1).all()


def test_only_a_worsening_after_the_row_counts() -> None:
    posterior = infer(histories(["PPPPPPPF"] * 2 + ["P" * 8] * 20))
    found = expect_reruns(posterior, np.array([-1, 7, *[-1] * 20]), np.full(22, True))
    assert found[1, :2].tolist() == [1, 0]


def test_nobody_is_asked_again_where_there_is_nobody() -> None:
    none, some = np.zeros((0, 3), dtype=np.int64), np.zeros(0, dtype=np.int64)
    posterior = infer(Histories(none, none, some, none, 2, none > 0))
    assert expect_reruns(posterior, some, some > 0).shape == (ROUNDS + 1, 0)


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
    each = expect_reruns(infer(rows), np.full(22, 15), rows.decided)[:, :2]
    assert (each[1] == 1).all()
    for rounds in range(ROUNDS + 1):
        expected = each[rounds].sum()
        assert mean_reruns(suite_of(comparison), rounds) == pytest.approx(expected, rel=1e-6), (
            rounds
        )


def test_more_rounds_are_expected_to_need_more_runs_but_no_more_than_all() -> None:
    comparison = held({**{f"e{n}": "P" for n in range(9)}, "x": "F", "y": "FP", "z": "E"})
    n = comparison.reruns.height
    assert n >= 2
    expected = [mean_reruns(suite_of(comparison), rounds) for rounds in range(ROUNDS + 1)]
    assert expected[0] == 0
    assert all(0 <= more - less <= n for less, more in itertools.pairwise(expected))


def test_of_an_eval_without_a_verdict_the_first_rerun_is_needed() -> None:
    comparison = held({**{f"e{n}": "P" for n in range(9)}, "z": "E"})
    assert comparison.reruns["eval_id"].to_list() == ["z"]
    assert mean_reruns(suite_of(comparison), 1) == 1


def test_where_nothing_is_to_be_run_again_nothing_is_expected() -> None:
    comparison = held({f"e{n}": "P" for n in range(9)})
    assert comparison.reruns.is_empty()
    assert mean_reruns(suite_of(comparison), 4) == 0
    assert isinstance(comparison.reruns, pl.DataFrame)
