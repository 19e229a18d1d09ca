"""With how many reruns left one may change what is said, against asking the model anew."""

from __future__ import annotations

import numpy as np
import pytest
from evidence.exact import ask, histories
from evidence.test_inference import drawn
from support.frames import many, results
from support.inside import ROUNDS, compare

NOW = 50
CASES = ["PPPPPPPF", "PPFPPPPF", "PPPPPPPP", "PFPFFPFF", "FFFFFFFF", "PPPPFFFF", "PP.PPP.F"]


@pytest.mark.parametrize("rows", CASES)
@pytest.mark.parametrize("edited", ["", " " * 7 + "e"])
def test_a_rerun_is_worth_it_where_as_many_as_are_left_may_change_what_is_said(
    rows: str, edited: str
) -> None:
    def p_with(more: str) -> float:
        given = histories([rows + more], edited, -1 - len(more))
        return float(ask(given).p_regressed[0])

    given = histories([rows], edited)
    found = ask(given)
    # By an edit, more likely than not is enough from the second failure on its code on.
    failed = rows[7:].count("F") if found.cause[0] == "edit" else -9
    limit = 0.1 if rows[-1] == "P" else 0.05
    now = p_with("")
    expected = -1
    for left in range(ROUNDS, 0, -1):
        best, worst = p_with("P" * left), p_with("F" * left)
        called, after = (0.5 if n >= 2 else 0.8 for n in (failed, failed + left))
        crosses = (now < called and after <= worst) or (best < called <= now)
        if crosses or best <= limit < now:
            expected = left
    assert found.rounds[0] == expected


@pytest.mark.parametrize("seed", range(3))
def test_what_was_not_decided_on_both_sides_has_no_number_of_rounds(seed: int) -> None:
    given = drawn(seed)
    rounds = ask(given).rounds
    assert ((rounds == -1) | ((rounds >= 1) & (rounds <= ROUNDS))).all()
    assert (rounds[~given.decided] == -1).all()


def held(now: dict[str, str], earlier: str = "P" * 16) -> object:
    history = [row for name in now for row in many(name, earlier)]
    rows = [row for name, states in now.items() for row in many(name, states, NOW)]
    return compare(results(*history), results(*rows))


def test_a_comparison_names_what_is_worth_a_rerun() -> None:
    others = {f"e{n}": "P" for n in range(20)}
    made = held({**others, "broken": "F", "twin": "F", "error": "E"})
    assert sorted(made.reruns["eval_id"]) == ["broken", "error", "twin"]
    assert np.isnan(made.reruns["p_regressed"].to_numpy()).sum() == 1  # of the error
    assert held(others).reruns.is_empty()
