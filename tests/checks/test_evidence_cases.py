"""The cases of the evidence rules: what must be said of each, at every look that they name.

P passed, F failed, E erred; a letter a whole run, a day apart; the last one is the candidate's.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from support.lettered_api import LetteredApi, alike

import retab_analysis as ra

BROKEN = ("regressed", "newly_blocked")
OPEN = (*BROKEN, "suspect")


def looks(
    letters: str, codes: str | None = None, others: int = 6, first: int | None = None
) -> list[tuple[dict[str, Any], ra.Comparison]]:
    """The eval's row and the verdict after each run from ``first`` on, else after the last."""
    n = len(letters)
    found = []
    known = {} if codes is None else {"codes": codes}
    with LetteredApi({"a": letters, **alike(others, "P" * n)}, **known) as api:
        for api.upto in range(n if first is None else first, n + 1):
            made = api.check()
            found.append((made.evals.filter(eval_id="a").row(0, named=True), made))
    return found


@pytest.mark.parametrize("letters", ["P" * 20 + "FPPF", "F" + "P" * 39 + "F"])
def test_two_failures_are_no_nature_yet_where_an_edit_lies_between_or_before(letters: str) -> None:
    edit = 20 if letters.startswith("P") else 40
    codes = "A" * edit + "B" * (len(letters) - edit)
    ((row, _),) = looks(letters, codes)
    assert row["transition"] in OPEN
    ((row, _),) = looks(letters, codes, others=60)
    assert row["transition"] in OPEN


@pytest.mark.parametrize("codes", [None, "A" + "B" * 45])
def test_a_break_after_a_single_pass_does_not_fade_beyond_the_horizon(codes: str | None) -> None:
    seen = looks("P" + "F" * 45, codes, others=3, first=28)
    told = [row["p_regressed"] for row, _ in seen]
    assert all(later >= 0.97 * before for before, later in pairwise(told))
    assert {row["since_run_id"] for row, _ in seen} == {"run_1"}


@pytest.mark.parametrize("others", [1, 6, 60])
def test_a_soft_break_by_an_edit_is_not_excused_as_flaky(others: int) -> None:
    letters, codes = "P" * 30 + "PFPPFPPFPP", "A" * 30 + "B" * 10
    with LetteredApi({"a": letters, **alike(others, "P" * 40)}, codes=codes) as api:
        made = api.check(candidate=[f"run_{at}" for at in range(30, 40)])
    assert made.evals.filter(eval_id="a")["transition"].item() in OPEN


def test_one_pass_among_failures_is_no_break() -> None:
    ((row, made),) = looks("FFFPFFF")
    assert row["transition"] in ("flaky", "still_failing")
    assert made.gate().ok


def test_a_break_with_a_lucky_pass_is_dated_where_it_began() -> None:
    ((row, _),) = looks("PPPPPFFFPFFF")
    assert row["transition"] in OPEN
    assert row["since_run_id"] == "run_5"


@pytest.mark.parametrize("history", [10, 30, 60])
def test_more_history_changes_no_word(history: int) -> None:
    """What lies before the thirtieth whole run says only since when."""
    evals = {
        "drifted long ago": "P" * 20 + "F" * 60,
        "shaky long ago": "PFPFPFPF" + "P" * 72,
        "shaky": ("PPPF" * 20)[:79] + "P",
        **alike(6, "P" * 80),
    }
    words = {}
    with LetteredApi(evals) as api:
        for read in (30, history):
            made = api.check(history=read)
            words[read] = dict(made.evals.select("eval_name", "transition").rows())
    assert words[30]["drifted long ago"] == "regressed"
    assert words[30]["shaky long ago"] == "still_passing"
    assert words[30]["shaky"] == "flaky"
    assert words[history] == words[30]
