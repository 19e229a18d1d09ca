"""The worlds on a clock are what they are said to be."""

from __future__ import annotations

from dataclasses import replace
from string import ascii_letters

import numpy as np
import pytest
from support.inside import RESULTS
from support.lettered_api import LetteredApi
from support.studied import with_studies

from simulation.acting import LATER, NOW, choose_read, look
from simulation.clocked import KINDS, LAWS, RISE, Drawn, decline, draw
from simulation.returning import WORLDS as RETURNING
from simulation.returning import draw_returning

in_each = pytest.mark.parametrize("world", LAWS)


def many(world: str, kind: str, count: int = 30) -> list[Drawn]:
    return [draw(world, kind, 4, seed=(5, at), looks=2) for at in range(count)]


def rerun(drawn: Drawn, wait: float) -> np.ndarray:
    last = drawn.after(drawn.at)
    everything = np.ones(drawn.size, dtype=bool)
    drawn.rerun(drawn.at, 0, drawn.hours[drawn.at] + wait, everything, last)
    return last.fails


@in_each
def test_the_frames_say_what_happened(world: str) -> None:
    drawn = draw(world, "edit", 3, seed=(1,))
    candidate = drawn.of_rows([drawn.at])
    assert set(candidate.columns) <= set(RESULTS.schema)
    assert candidate["eval_id"].to_list() == drawn.eval_ids
    assert ((candidate["state"] == "failed").to_numpy() == drawn.fails[drawn.at]).all()
    asked = np.arange(drawn.size) < 3
    again = drawn.results_again(drawn.at, 0, 50.0, asked, drawn.after(drawn.at))
    assert again.height == again["run_id"].n_unique() == 3
    assert set(again["block_execution_fingerprint"]) <= set(
        candidate["block_execution_fingerprint"]
    )


@in_each
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_says_is_true(world: str, kind: str) -> None:
    for drawn in many(world, kind):
        at, broken = drawn.at, drawn.broken()
        edited = (drawn.code[at] != drawn.code[at - 1])[drawn.block]
        assert broken.any() == (kind in ("edit", "drift", "tenth", "flakier"))
        assert (drawn.rates[at] - drawn.rates[at - 1])[broken].min(initial=1) >= RISE
        assert edited.any() == (kind in ("benign", "edit", "tenth", "flakier"))
        assert edited[broken].all() or kind == "drift"
        assert (drawn.worse(at) == broken).all()
        assert (drawn.rise(drawn.hours[at]) > 0) or kind != "hour"


@in_each
def test_a_decline_ends_in_even_steps_where_a_break_begins(world: str) -> None:
    drawn = draw(world, "drift", 4, seed=(5, 1), looks=8)
    slow, at = decline(drawn, 6), drawn.at
    steps, whole = np.diff(slow.rates, axis=0), drawn.rates[at] - drawn.rates[at - 1]
    assert np.allclose(steps[at - 1 : at + 5], whole / 6)
    assert (steps[: at - 1] == 0).all()
    assert np.allclose(slow.rates[at + 5 :], drawn.rates[at])


def test_only_what_runs_again_soon_repeats_its_output() -> None:
    same = {
        (world, wait): np.mean(
            [
                (drawn.fails[drawn.at] == rerun(drawn, wait))[drawn.fails[drawn.at]].mean()
                for drawn in many(world, "same", 60)
                if drawn.fails[drawn.at].any()
            ]
        )
        for world in LAWS
        for wait in (NOW, LATER)
    }
    assert same["B", NOW] > same["B", LATER] + 0.2
    assert abs(same["A", NOW] - same["A", LATER]) < 0.1
    assert same["repeating", LATER] > 0.9


def test_whole_runs_repeat_their_output_only_where_it_lasts_and_nothing_changed() -> None:
    def count_changes(world: str, soon: bool) -> float:
        changes = [
            (drawn.fails[row] != drawn.fails[row - 1]).mean()
            for drawn in many(world, "same", 60)
            for row in range(1, drawn.rows)
            if (drawn.hours[row] - drawn.hours[row - 1] < 12) == soon
            and (drawn.code[row] == drawn.code[row - 1]).all()
        ]
        return float(np.mean(changes))

    assert count_changes("repeating", True) < 0.5 * count_changes("repeating", False)
    assert count_changes("B", True) > 0.7 * count_changes("B", False)
    for drawn in many("repeating", "edit", 60):
        assert drawn.fails[drawn.at][drawn.rates[drawn.at] > 0.999].all()


def test_a_third_or_more_is_flaky_in_the_shaky_world() -> None:
    flaky = {
        world: [
            ((each.rates[0] > 0.1) & (each.rates[0] < 0.9)).mean() for each in many(world, "same")
        ]
        for world in ("A", "shaky")
    }
    assert np.mean(flaky["shaky"]) > 0.3 > 3 * np.mean(flaky["A"])


@pytest.mark.parametrize("world", ["A", "B"])
def test_a_bad_hour_is_met_at_once_and_over_three_hours_later(world: str) -> None:
    drawn = many(world, "hour", 60)
    failing = {
        wait: np.mean([rerun(each, wait).mean() / each.rates[each.at].mean() for each in drawn])
        for wait in (NOW, LATER)
    }
    assert failing[NOW] > 1.4 * failing[LATER]


def test_a_check_reads_the_newest_the_oldest_and_some_between() -> None:
    assert choose_read(30) == list(range(30))
    rows = choose_read(52)
    assert len(set(rows)) == 30
    assert (rows[:3], rows[-24:]) == ([0, 1, 2], list(range(28, 52)))


@in_each
def test_what_comes_of_an_eval_does_not_depend_on_what_else_runs(world: str) -> None:
    drawn = draw(world, "same", 4, seed=(9,))
    ends = []
    for stop in (drawn.size, 5):
        last = drawn.after(4)
        drawn.rerun(4, 0, drawn.hours[4] + LATER, np.arange(drawn.size) < stop, last)
        ends.append(last.fails)
    assert (ends[0][:5] == ends[1][:5]).all()
    assert (ends[1][5:] == drawn.fails[4][5:]).all()


@pytest.mark.parametrize("world", RETURNING)
def test_where_codes_come_back_an_eval_is_broken_as_long_as_it_is_said(world: str) -> None:
    returned = 0
    for seed in range(10):
        told = draw_returning(world, seed=(6, seed))
        drawn, since = told.drawn, told.since
        assert (drawn.rates[told.is_broken] >= 0.3).all()
        assert ((since >= 0) == told.is_broken).all()
        begun = since == np.arange(drawn.rows)[:, None]
        edited = (np.diff(drawn.code, axis=0, prepend=drawn.code[:1]) != 0)[:, drawn.block]
        assert world == "G" or edited[begun].all()
        for code in drawn.code.T:
            stretches = code[np.flatnonzero(np.diff(code, prepend=-1))]
            returned += stretches.size - np.unique(stretches).size
    assert (returned > 0) == (world != "H")


@pytest.mark.parametrize("suite", with_studies(range(200), {*range(6)}))
def test_the_study_says_word_for_word_what_a_check_says_over_http(suite: int) -> None:
    """The study hands its frames to what ``check`` asks once it has read the runs.

    Its saved evals remember no pass of a run that is not read.
    """
    kind, world = ("edit", "same", "drift", "benign")[suite % 4], "ABJNA"[suite % 5]
    runs = (4, 12, 30, 2, 20, 40, 7)[suite % 7]
    drawn = draw(world, kind, runs, seed=(9, suite))
    drawn = replace(drawn, hours=24.0 * np.arange(drawn.rows))
    ids, letters = drawn.eval_ids, np.where(drawn.fails, "F", "P")
    codes = np.array([*ascii_letters])[drawn.code]
    api = LetteredApi(
        {each: "".join(letters[:, at]) for at, each in enumerate(ids)},
        {f"block {at}": "".join(codes[:, at]) for at in range(drawn.code.shape[1])},
        blocks={each: f"block {at}" for each, at in zip(ids, drawn.block, strict=True)},
        documents={each: f"document {at}" for each, at in zip(ids, drawn.document, strict=True)},
        memory=False,
    )
    made, said = api.check(), look(drawn, drawn.at)
    assert dict(made.evals["eval_id", "transition"].iter_rows()) == dict(
        zip(ids, said.words.tolist(), strict=True)
    )
    assert made.gate().exit_code == said.exit
