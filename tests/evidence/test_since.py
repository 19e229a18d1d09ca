from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evidence.exact import ask, histories
from evidence.test_inference import drawn
from support.inside import (
    Answers,
    Histories,
    Posterior,
    comes_and_goes,
    infer,
    infer_within,
    predict,
)


def told(row: str, edited: str = "", *, candidate: int = -1, others: int = 20) -> Answers:
    """What is said of the first eval, beside others of its block that always pass."""
    return ask(histories([row, *["P" * len(row)] * others], edited, candidate))


@pytest.mark.parametrize("seed", range(12))
def test_one_more_failure_never_clears_and_one_more_pass_never_accuses(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_rows = int(rng.integers(9, 14))  # with less than 5 earlier rows it need not hold
    given = drawn(seed + 100, n=25, n_rows=n_rows, rounds=int(rng.integers(1, 4)))
    before = ask(given).p_regressed
    for e in rng.choice(25, 8, replace=False):
        row = int(rng.integers(given.candidate, n_rows))
        more = np.zeros(given.shape, dtype=np.int64)
        more[e, row] = 1
        if np.isnan(before[e]):
            continue
        worse = ask(replace(given, fails=given.fails + more)).p_regressed[e]
        better = ask(replace(given, passes=given.passes + more)).p_regressed[e]
        slack = 0.01 if before[e] < 0.04 else 1e-9  # as the module's docstring says
        assert better - slack <= before[e] <= worse + slack


def test_reruns_are_predicted_as_they_come_out() -> None:
    rows = ["PPPPPPF", "PPFPPPF", "PPPPPPP", "PFPFFPF"]
    for e, row in enumerate(rows):
        given = histories([row], "      e")
        predicted = predict(infer(given), np.array([-1]))
        for outcome, p in zip("PF", predicted, strict=True):
            for k in range(1, 6):
                found = ask(histories([row + outcome * k], "      e", -1 - k)).p_regressed
                assert p[k, 0] == pytest.approx(found[0], rel=1e-6), (e, k)


def test_what_decides_is_the_least_number_of_reruns() -> None:
    found = told("P" * 20 + "F")
    for k in range(1, 6):
        passed = told("P" * 20 + "F" + "P" * k, candidate=-1 - k).p_regressed[0]
        failed = told("P" * 20 + "F" + "F" * k, candidate=-1 - k).p_regressed[0]
        assert (passed <= 0.05) == (k >= found.reruns_to_clear[0] > 0)
        assert (failed >= 0.95) == (k >= found.reruns_to_confirm[0] > 0)


def test_without_an_outcome_on_either_side_nothing_is_said() -> None:
    given = histories(["PPP.", "...F", "----", "---F", "PPPF"], "   e")
    found = ask(given)
    assert np.isnan(found.p_regressed).tolist() == [True] * 4 + [False]
    assert np.isnan(found.p_improved).tolist() == [True] * 4 + [False]
    assert found.since.tolist() == [-1] * 4 + [3]
    assert found.cause.tolist() == [""] * 4 + ["edit"]
    # What was decided before, and is not now, needs one result at least.
    assert found.reruns_to_clear[0] == 1
    assert found.reruns_to_clear.tolist()[1:4] == [-1] * 3


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (3, 0)])
def test_nothing_to_answer(shape: tuple[int, int]) -> None:
    none, some = np.zeros(shape, dtype=np.int64), np.zeros(shape[0], dtype=np.int64)
    given = Histories(none, none, some, some, none, none, 0, none > 0, none > 0)
    found = ask(given)
    assert np.isnan(found.p_regressed).all()
    assert found.p_regressed.shape == found.since.shape == found.cause.shape == (shape[0],)
    assert not comes_and_goes(given, infer(given), given.observed).any()


def test_the_row_after_which_it_counts_may_differ() -> None:
    given = histories(["PPPPPPFFFF", "PPPPPPFFFF", *["P" * 10] * 20])
    found = ask(given, after=np.array([-1, 7] + [-1] * 20))
    assert found.p_regressed[0] > 0.9 > 0.05 > found.p_regressed[1]


def test_since_is_the_first_outcome_that_shows_it() -> None:
    found = told("PPPP..FF", "    e   ")
    assert found.since[0] == 6
    assert found.cause[0] == "edit"


def test_an_edit_before_a_run_of_others_is_a_cause_at_the_next_run() -> None:
    rows = ["PPPPP", "PP.FF", *["PP.PP"] * 3]
    found = ask(histories(rows, "  e  "))
    assert found.since[1] == 3
    assert found.cause[1] == "edit"


def test_since_is_the_likeliest_row_whatever_the_cause() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        rows = ["".join(rng.choice(list("PF"), 10, p=[0.6, 0.4])) for _ in range(5)]
        given = histories(rows, "".join(rng.choice(list(" e"), 10, p=[0.7, 0.3])))
        posterior = infer(given)
        found = ask(given, posterior)
        for e, since in enumerate(found.since):
            if since >= 0:
                assert posterior.worse[e, since] == posterior.worse[e].max()


def carried(rows: list[str], inside: int, edited: str = "") -> tuple[Histories, Posterior]:
    """What the model makes of the newest rows alone, so many of them."""
    given = histories(rows, edited)
    is_inside = np.arange(given.shape[1])[None, :] >= given.shape[1] - inside
    return given, infer_within(given, np.repeat(is_inside, given.shape[0], axis=0))


def test_what_lies_before_the_horizon_decides_nothing() -> None:
    rows = ["PFPFPFPF" + "P" * 11 + "F", *["P" * 20] * 8]
    given, cut = carried(rows, 12)
    assert cut.worse[:, :8].sum() == 0
    newest = infer(histories([row[8:] for row in rows]))
    np.testing.assert_allclose(cut.worse[:, 8:], newest.worse, rtol=1e-9)
    assert ask(given, cut).p_regressed[0] == pytest.approx(newest.worse[0].sum())


@pytest.mark.parametrize(("edited", "cause"), [(" " * 6 + "e", "edit"), ("", "drift")])
def test_what_did_not_pass_within_the_horizon_keeps_its_last_pass_and_its_date(
    edited: str, cause: str
) -> None:
    rows = ["PPPPPP" + "F" * 14, *["P" * 20] * 8]
    given, cut = carried(rows, 10, edited)
    found = ask(given, cut)
    assert found.p_regressed[0] > 0.9
    assert found.since[0] == 6  # the first failure after that pass
    assert found.cause[0] == cause
