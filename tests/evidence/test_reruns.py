"""With how many reruns left one may change what is said, against asking the model anew."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from evidence.exact import ask, histories
from evidence.test_inference import drawn
from support.frames import many, result, results
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


@pytest.mark.parametrize(
    ("again", "hours", "words"),
    [
        ("", 0, ["suspect"]),
        ("passed", 1 / 3, ["flaky", "still_passing"]),
        ("passed", 4, ["flaky", "still_passing"]),
        ("failed", 1 / 3, ["suspect"]),  # a model repeats its output for a while
        ("failed", 4, ["regressed"]),  # without an edit
    ],
)
def test_nothing_but_a_pass_of_its_own_excuses_a_first_failure(
    again: str, hours: float, words: list[str]
) -> None:
    names = ["x", *(f"e{n}" for n in range(40))]
    history = [row for name in names for row in many(name, "P" * 10, document_ids=[name])]
    known = {"run_scope": "workflow", "block_execution_fingerprint": "A"}
    states = {name: "passed" for name in names} | {"x": "failed"}
    now = [result(name, states[name], 11, document_ids=[name], **known) for name in names]
    if again:
        at = now[0]["run_created_at"] + timedelta(hours=hours)
        alone = {"run_id": "again", "result_id": "again", "run_created_at": at}
        now.append(now[0] | alone | {"run_scope": "eval", "state": again})
    before = results(*(row | known for row in history))
    found = compare(before, results(*now)).evals.filter(eval_id="x")
    assert found["transition"].item() in words
    assert (found["reruns_to_clear"].item() != 0) == (again != "passed")


def test_the_evals_of_a_document_do_not_support_each_other() -> None:
    rows = ["PPPPPPPF"] * 3 + ["PPPPPPPP"] * 12
    alone, together = (
        ask(histories(rows, " " * 7 + "e", document=document)).p_regressed[:3]
        for document in (range(15), [0, 0, 0, *range(1, 13)])
    )
    single = ask(histories([rows[0], *rows[3:]], " " * 7 + "e")).p_regressed[0]
    np.testing.assert_allclose(together, single, atol=0.01)  # the first rate is fitted to all
    assert (alone > together + 0.05).all()
