"""The rates that the library must reach, on suites that share nothing with its model.

Fewer suites than ``python tests/simulation/table.py`` draws, with a fixed seed. A figure that
must hold for several histories is taken over all their suites together, and recall, precision and
calibration may be off by what chance does at this size; the table says whether they hold without.
"""

from __future__ import annotations

import functools

import pytest

from simulation.rules import LibraryRule
from simulation.scoring import BlameTally, Calibration, Tally
from simulation.table import COMPARED, HISTORIES, SETTLED, Study

SEED = 20
# Long histories cost most.
SUITES = {0: 14, 1: 14, 3: 14, 10: 14, 20: 14, 50: 6, 100: 3}
# By so much a recall over some forty suites is off by chance (two standard deviations): evals of
# a block break together, so that few are independent.
CHANCE = 0.09
FEW, MANY, LONG = (0, 1, 3), (10, 20, 50, 100), (50, 100)
OURS = LibraryRule.name


@functools.cache
def study() -> Study:
    return Study([LibraryRule()], SUITES, SEED)


def compared(kind: str, *histories: int) -> Tally:
    return study().pooled(kind, histories, OURS)


def past(*histories: int) -> BlameTally:
    return study().blamed(histories, OURS)


def test_nothing_changed_is_rarely_red() -> None:
    tally = compared("same", *HISTORIES)
    assert tally.alarms_a_suite <= 0.3
    assert tally.red_share <= 0.10


def test_an_edit_without_effect_is_seldom_red() -> None:
    assert compared("benign", *HISTORIES).red_share <= 0.25


@pytest.mark.parametrize(
    ("histories", "recall", "precision"), [(FEW, 0.68, 0.78), (MANY, 0.73, 0.85)]
)
def test_what_an_edit_broke_is_found(
    histories: tuple[int, ...], recall: float, precision: float
) -> None:
    tally = compared("edit", *histories)
    assert tally.planted > 100
    assert tally.recall >= recall - CHANCE
    assert tally.precision >= precision - CHANCE


@pytest.mark.parametrize(("runs", "recall"), [(3, 0.55), (10, 0.70), (20, 0.75)])
def test_drift_is_found(runs: int, recall: float) -> None:
    # Drift breaks one block of a suite at once, so that it takes more suites to tell.
    tally = Study([LibraryRule()], 32, SEED).compare("drift", runs)[OURS]
    assert tally.recall >= recall - CHANCE


def test_reruns_decide_what_one_run_leaves_open() -> None:
    broken = study().settled(["edit"], OURS, SETTLED)
    edited = study().settled(["edit", "benign"], OURS, SETTLED)
    assert broken.recall >= 0.82 - CHANCE
    assert edited.alarms_a_suite <= 0.15
    assert edited.reruns_a_suite <= 10


def test_a_stated_probability_comes_true_as_often_as_it_says() -> None:
    total = Calibration()
    for kind in COMPARED:
        total.merge(compared(kind, *HISTORIES).calibration)
    tenths = total.table(least=50)
    assert tenths.height >= 3
    assert max(map(abs, tenths["off"])) <= 0.15 + CHANCE


@pytest.mark.parametrize(("histories", "least"), [((0, 1, 3, 10, 20), 0.93), (LONG, 0.90)])
def test_blame_names_the_run_that_broke_it(histories: tuple[int, ...], least: float) -> None:
    tally = past(*histories)
    assert tally.judged[True] >= 20
    assert tally.right_share(hard=True) >= least


def test_blame_names_the_run_that_broke_it_softly() -> None:
    tally = past(*HISTORIES)
    assert tally.judged[False] >= 5
    assert tally.right_share(hard=False) >= 0.80 - CHANCE


def test_the_set_of_runs_holds_the_right_one() -> None:
    assert past(*HISTORIES).coverage >= 0.93


def test_episodes_are_told_from_what_is_broken() -> None:
    tally = past(*LONG)
    assert tally.steady > 50
    assert tally.recognised_share >= 0.80 - CHANCE
    assert tally.precision >= 0.85 - CHANCE


def test_the_verdict_regressed_is_rare_where_nothing_changed() -> None:
    tally = compared("same", *HISTORIES)
    assert tally.worse_share <= 0.05 + 0.03
    assert tally.verdict_share("regressed") <= 0.10
    # Edits that break a few evals, or softly, are named eval by eval; the suite is often not.
    assert compared("edit", *HISTORIES).verdict_share("regressed") >= 0.4
