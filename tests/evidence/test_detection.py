"""How probably a break would be found, against breaks that were drawn and asked of the model."""

from __future__ import annotations

import numpy as np
import pytest
from evidence.exact import histories
from support.inside import (
    LIKELY,
    SURE,
    UNLIKELY,
    Floats,
    Histories,
    Ints,
    answer,
    find_power,
    infer,
)

CASES = ["P" * 20, "PPFPPPPFPPPPPPFPPPPP", "P"]
DRAWS = 300


def drawn_share(row: str, rate: float, runs: int, rounds: int, seed: int) -> float:
    """The share of drawn breaks that are called, each run again while that may decide something.

    The same history many times, each with outcomes of its own: evals are asked alone, so that none
    supports another.
    """
    random = np.random.default_rng(seed)
    before = histories([row] * DRAWS, candidate=len(row) - 1, block=np.arange(DRAWS))
    fails = random.binomial(runs, rate, DRAWS)
    tried = [(runs - fails, fails)]
    nothing, once = np.zeros(DRAWS, dtype=np.int64), np.ones(DRAWS, dtype=np.int64)

    def ask(further: list[tuple[Ints, Ints]]) -> Floats:
        """The probabilities after the runs and these reruns, each at an hour of its own."""
        passes, fails = (
            np.column_stack([first, *more])
            for first, more in (
                (before.passes, [each[0] for each in further]),
                (before.fails, [each[1] for each in further]),
            )
        )
        new = np.arange(len(further))
        edited = np.column_stack([before.edited, np.tile(np.where(new == 0, 2, 0), (DRAWS, 1))])
        jumps = np.column_stack([before.jumps, np.tile(new == 0, (DRAWS, 1))])
        made = Histories(passes, fails, before.block, edited, len(row), jumps)
        return answer(made, infer(made, learns_late=False)).p_regressed

    p = ask(tried)
    for left in range(rounds, 0, -1):
        best, worst = ask(tried + [(once, nothing)] * left), ask(tried + [(nothing, once)] * left)
        may_be_called = (best < LIKELY) & (worst >= LIKELY)
        again = (p > UNLIKELY) & (p < SURE) & (may_be_called | (best <= UNLIKELY))
        failed = random.random(DRAWS) < rate
        tried.append(((again & ~failed).astype(np.int64), (again & failed).astype(np.int64)))
        p = ask(tried)
    return float((p >= LIKELY).mean())


@pytest.mark.parametrize("row", CASES)
@pytest.mark.parametrize(("rate", "runs"), [(0.9, 1), (0.6, 1), (0.6, 3), (0.3, 4)])
def test_it_is_the_share_of_drawn_breaks_that_are_called(row: str, rate: float, runs: int) -> None:
    before = histories([row] * DRAWS, candidate=len(row) - 1)
    said = find_power(before, rate, runs, 3)[runs - 1, 0]
    share = drawn_share(row, rate, runs, 3, seed=7)
    # Four standard errors of so many draws.
    assert abs(said - share) <= 4 * np.sqrt(max(said * (1 - said), 0.01) / DRAWS)


def test_a_break_is_not_found_more_often_than_it_shows() -> None:
    power = find_power(histories(CASES[:2], candidate=19), 0.3, 1, 8)
    assert (power <= 0.3 + 1e-12).all()
    assert (find_power(histories(CASES[:1], candidate=19), 0.0, 2, 4) == 0).all()


def test_evals_are_asked_alone() -> None:
    alone = find_power(histories(CASES[1:2], candidate=19), 0.6, 2, 4)[:, 0]
    among = find_power(histories([CASES[0]] * 9 + CASES[1:2], candidate=19), 0.6, 2, 4)[:, 9]
    # Only the prior of the first rate is shared.
    assert among == pytest.approx(alone, abs=0.15)
