"""The rows read in time and by code: each eval has the more probable reading."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evidence.exact import ask, histories
from evidence.test_inference import drawn, same
from support.inside import Histories, infer, infer_both, mark_returns


def with_codes(rows: list[str], codes: str, candidate: int = -1) -> Histories:
    """Evals of a block whose code has a letter per row."""
    edited = "".join("e" if a != b else " " for a, b in zip(codes, codes[:1] + codes, strict=False))
    given = histories(rows, edited, candidate)
    numbers = np.array([0 if letter == "?" else ord(letter) - 64 for letter in codes])
    return replace(given, codes=np.tile(numbers, (len(rows), 1)))


@pytest.mark.parametrize("seed", range(3))
def test_where_no_code_comes_back_the_rows_are_read_once(seed: int) -> None:
    given = drawn(seed)
    same(infer_both(given), infer(given))
    assert (mark_returns(given).edited == given.edited).all()


ROWS = ["PPPPFFPPFF", "PPPPPPPPPF", "PPFPPPPPPP", "PPPPPPFFFF", *["P" * 10] * 8]


@pytest.mark.parametrize("codes", ["AAAABBAABB", "AAABBBAAAB", "ABABABABAB", "AABB??AABB"])
def test_no_probability_is_lost_and_moved_rows_are_dated_in_the_last_stretch(codes: str) -> None:
    given = mark_returns(with_codes(ROWS, codes))
    both, in_time = infer_both(given), infer(given)
    for told in (both, in_time):
        assert (told.worse.sum(axis=1) <= 1 + 1e-9).all()
        assert np.allclose(told.present.sum(axis=0), 1)
    moved = [codes.rindex(letter) for letter in "AB"]
    assert both.up.shape == in_time.up.shape
    found = ask(given, both).since
    assert found[0] == 8 if codes == "AAAABBAABB" else found[0] in (-1, 4, 5, 8, 9, *moved)


def test_what_failed_on_one_code_alone_is_read_by_code() -> None:
    rows = ["PPPPFFPPFF", *["P" * 10] * 8]
    given = mark_returns(with_codes(rows, "AAAABBAABB"))
    p, in_time = (ask(given, told(given)).p_regressed[0] for told in (infer_both, infer))
    assert p > in_time
    assert ask(given, infer_both(given)).cause[0] == "edit"


def test_what_fails_whatever_the_code_is_read_in_time() -> None:
    given = mark_returns(with_codes(["PPPPPFFFFF", *["P" * 10] * 8], "AAAAAAABBA"))
    found = ask(given, infer_both(given))
    assert (found.since[0], found.cause[0]) == (5, "drift")


def test_a_return_to_code_on_which_it_passed_is_no_edit_for_an_eval() -> None:
    given = with_codes(["PPPPPP", "FFPPPP"], "AABBAA")
    assert given.edited[:, 4].tolist() == [2, 2]
    assert mark_returns(given).edited[:, 4].tolist() == [0, 2]


def test_the_candidate_s_rows_stay_the_last_ones() -> None:
    rows = ["PPFF", *["PPPP"] * 5]
    given = mark_returns(with_codes(rows, "ABBA", candidate=-2))
    found = ask(given, infer_both(given))
    assert found.since[0] >= 2
