"""Rates that the library reaches, on few suites at a fixed seed, of both worlds.

``python tests/simulation/table.py`` says how they are on many; the bounds here are what is promised
and what chance does on so few suites.
"""

from __future__ import annotations

import functools

import pytest

from simulation.rules import LibraryRule
from simulation.scoring import WORLDS, Cell, calibrate
from simulation.table import Study

SUITES, SEED = 6, 20
HISTORIES = (3, 10)
pytestmark = [pytest.mark.study, pytest.mark.parametrize("world", WORLDS)]


@functools.cache
def study(world: str) -> Study:
    return Study(world, SUITES, SEED, [LibraryRule()])


def shares(world: str, cells: list[Cell], *figures: str) -> list[float]:
    """The shares that are asked for, each ``part/whole``."""
    (counts,) = study(world).count(cells).values()
    asked = [figure.split("/") for figure in figures]
    assert all(counts[whole] >= 6 for _, whole in asked)
    return [counts[part] / counts[whole] for part, whole in asked]


def compared(kind: str) -> list[Cell]:
    return [Cell("compare", kind, runs) for runs in HISTORIES]


def test_nothing_is_rarely_called_where_nothing_broke(world: str) -> None:
    alarms, red, worse = shares(
        world, compared("same"), "alarms/suites", "red/suites", "worse/verdicts"
    )
    assert alarms <= 0.5
    assert red <= 0.2
    assert worse <= 0.2
    assert shares(world, compared("benign"), "red/suites")[0] <= 0.5


def test_where_only_the_edited_blocks_are_run_the_same_is_found(world: str) -> None:
    """Two hundred edits in both worlds: the same evals are called, of the same draws."""
    made = Study(world, 25, 1, [LibraryRule()])
    (few,), (more,) = (
        made.count([Cell("only", "edit", runs) for runs in histories]).values()
        for histories in ((0,), (3, 10, 20))
    )
    assert few["missed"] == more["missed"] == 0
    assert more["same"] == more["suites"] == 75
    assert more["whole"] > 200
    # After one run, the whole run also tells how flaky the others are.
    assert few["found"] >= 0.9 * few["found whole"]
    assert few["both"] >= 0.8 * few["either"]
    assert few["ran"] + more["ran"] <= 0.33 * (few["all"] + more["all"])


def test_one_run_more_before_an_edit_helps_where_there_is_one(world: str) -> None:
    made = Study(world, 60, 1, [LibraryRule()])
    (once,), (often,) = (made.count([Cell("again", "edit", runs)]).values() for runs in (1, 11))
    assert once["with"] > once["without"]
    assert abs(often["with"] - often["without"]) <= 0.02 * often["planted"]


def test_what_an_edit_broke_is_found(world: str) -> None:
    recall, of_failing, precision = shares(
        world, compared("edit"), "found/planted", "found/failing", "found/called"
    )
    assert recall >= 0.5
    assert of_failing >= 0.65
    assert precision >= 0.65


def test_a_stated_probability_comes_true_about_as_often_as_it_says(world: str) -> None:
    cells = [cell for kind in ("same", "benign", "edit") for cell in compared(kind)]
    (counts,) = study(world).count(cells).values()
    ends = calibrate(counts).filter(tenth=0)
    assert ends["cases"].item() > 500
    assert abs(ends["off"].item()) <= 0.03
    assert calibrate(counts).filter(tenth=9)["true"].item() >= 0.7


def test_blame_names_the_run_that_broke_it(world: str) -> None:
    cells = [Cell("past", "past", runs) for runs in (10, 20)]
    right, covered, precision = shares(
        world, cells, "right hard/hard", "covered/named", "named/blamed"
    )
    assert right >= 0.8
    assert covered >= 0.8
    assert precision >= 0.6


def test_reruns_decide_what_one_run_leaves_open(world: str) -> None:
    cells = [Cell("settle", "edit", 3)]
    recall, alarms, reruns = shares(world, cells, "found/failing", "alarms/suites", "reruns/suites")
    assert recall >= 0.75
    assert alarms <= 0.8
    assert reruns <= 20


def test_a_hard_break_does_not_turn_green(world: str) -> None:
    cells = [Cell("looks", "edit", 10, looks=3, level=1.0)]
    green, third, failing = shares(
        world, cells, "green/known", "called 3/planted 3", "failing 3/planted 3"
    )
    assert green <= 0.05
    assert third >= 0.9 * failing


@pytest.mark.parametrize(("runs", "least"), [(2, 0.8), (9, 0.9)])
def test_a_break_among_random_outcomes_is_red_until_it_is_mended(
    world: str, runs: int, least: float
) -> None:
    # After three passes alone, a hundred evals of the block that nothing happened to outweigh one.
    assert shares(world, [Cell("sequence", "same", runs, looks=5)], "red/looks")[0] >= least
