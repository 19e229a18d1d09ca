"""Which evals come and go: they failed in two rows with a pass between, without an edit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evidence.exact import histories
from support.inside import comes_and_goes, infer

ALL = slice(None)


def nature(row: str, edited: str = "", *, inside: slice = ALL, before: int | None = None) -> bool:
    """Whether an eval comes and goes, beside others of its block that always pass."""
    given = histories([row, *["P" * len(row)] * 10], edited)
    counts = np.zeros(given.shape, dtype=bool)
    counts[:, inside] = True
    ends = None if before is None else np.full(given.shape[0], before)
    return bool(comes_and_goes(given, infer(given), counts, ends)[0])


@pytest.mark.parametrize(
    ("row", "edited", "comes"),
    [
        ("PPFPPPFP", "", True),
        ("PPFPPPFPP", "", True),  # whether it fails today or passes
        ("FPF", "", True),
        ("PPPPPF", "", False),  # one failure
        ("PPFFFP", "", False),  # failures with no pass between
        ("FFFFPPPP", "", False),  # one change is a step
        ("FFPPFFPP", "  e e   ", False),  # an edit lies between
        ("FPPF", "  e", False),
        ("FPPF", "e", True),  # the edit came with the first of them
        ("FPPFPPFP", " e", True),  # two of them after the edit
        ("F.P.F", "", True),
        ("FF.FF", "", False),
        ("------", "", False),
    ],
)
def test_two_failures_with_a_pass_between(row: str, edited: str, comes: bool) -> None:
    assert nature(row, edited) == comes


def test_a_pass_lies_between_in_the_row_of_the_first_failure_and_not_of_the_last() -> None:
    given = histories(["PPPFF", *["P" * 5] * 10])
    for row, comes in ((3, True), (4, False)):
        passes = given.passes.copy()
        passes[0, row] = 1
        again = replace(given, passes=passes)
        assert comes_and_goes(again, infer(again), given.observed)[0] == comes


def test_only_rows_that_decide_and_lie_before_a_row_count() -> None:
    row = "PFPPPFPPPPFP"
    assert nature(row, inside=slice(4, None))
    assert not nature(row, inside=slice(6, None))
    assert nature(row, before=6)
    assert not nature(row, before=5)


def test_what_was_before_a_lasting_change_does_not_count() -> None:
    assert not nature("FPFPFPFP" + "P" * 30 + "FFFFFF", " " * 38 + "e")
    assert nature("PPPPPPPPPP" + "FFPFFPFF", " " * 10 + "e")
