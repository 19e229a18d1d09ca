"""From frames to what the model is given: what counts, in which row, and on which code."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.frames import START, many, result, results
from support.inside import (
    EDITED,
    SAME,
    SAME_EVAL,
    STATES,
    UNKNOWN,
    Outcomes,
    blame,
    collect_outcomes,
    combine_sides,
    compare,
)

from retab_analysis import ConfigError

Row = dict[str, Any]
CODE = "block_execution_fingerprint"
NOW = 50
BLOCKS = {"a": "block_1", "b": "block_2", "c": "block_3"}


def read(
    candidate: list[Row],
    baseline: list[Row] | None = None,
    history: list[Row] | None = None,
    changed: frozenset[str] | None = None,
) -> Outcomes:
    frames = (None if rows is None else results(*rows) for rows in (baseline, history))
    return collect_outcomes(combine_sides(results(*candidate), *frames), changed)


def place(outcomes: Outcomes, eval_id: str = "a") -> int:
    return outcomes.evals["eval_id"].to_list().index(eval_id)


def counted(outcomes: Outcomes, eval_id: str = "a") -> list[str]:
    """What an eval has in each row: a P for each pass and an F for each failure."""
    e, told = place(outcomes, eval_id), outcomes.histories
    return [
        "P" * int(passed) + "F" * int(failed)
        for passed, failed in zip(told.passes[e], told.fails[e], strict=True)
    ]


def edits(outcomes: Outcomes, eval_id: str = "a") -> str:
    """What is said of each row's code: e edited, ? not known, a dot the same."""
    flags = outcomes.histories.edited[place(outcomes, eval_id)]
    return "".join({SAME: ".", UNKNOWN: "?", EDITED: "e"}[int(flag)] for flag in flags)


def defined(outcomes: Outcomes, eval_id: str = "a") -> Row:
    return outcomes.evals.row(place(outcomes, eval_id), named=True)


def undated(*rows: Row) -> list[Row]:
    return [row | {"run_created_at": None, "created_at": None} for row in rows]


# Each once


def test_of_a_result_that_is_given_twice_the_later_row_counts() -> None:
    before, after = many("a", "F", NOW), many("a", "P", NOW)
    assert counted(read(before + after)) == ["P"]
    assert counted(read(after + before)) == ["F"]
    assert counted(read(after, before + after + before)) == ["F", "P"]
    history = many("a", "PPF")
    assert counted(read(after, None, history * 3)) == ["P", "P", "F", "P"]


def test_results_without_an_id_all_count() -> None:
    rows = many("a", "PF", NOW, result_id=None, run_id="now")
    assert counted(read(rows * 2)) == ["PPFF"]


def test_two_evals_may_have_results_of_one_id() -> None:
    outcomes = read(many("a", "P", NOW, result_id="1") + many("b", "F", NOW, result_id="1"))
    assert (counted(outcomes), counted(outcomes, "b")) == (["P"], ["F"])


# What is history


def test_history_that_is_not_earlier_than_the_candidate_is_left_out() -> None:
    outcomes = read(many("a", "F", 3), None, many("a", "PP") + many("a", "PPP", 4))
    assert counted(outcomes) == ["P", "P", "F"]
    same_moment = many("a", "P", 3, run_id="another")
    assert counted(read(many("a", "F", 3), None, same_moment)) == ["F"]


def test_the_first_of_several_candidate_runs_ends_the_history() -> None:
    outcomes = read(many("a", "F", 3) + many("b", "F", 6), None, many("a", "PPPPP"))
    assert counted(outcomes) == ["P", "P", "F"]


def test_the_runs_that_are_compared_are_no_history() -> None:
    history = many("a", "PPPP", 1)
    outcomes = read(many("a", "F", NOW, run_id="run_3"), many("a", "P", 2), history)
    assert counted(outcomes) == ["P", "P", "P", "F"]
    assert outcomes.results.height == 4


def test_history_without_a_date_is_kept_as_the_oldest() -> None:
    old = undated(*many("a", "F", 9, run_id="z"))
    assert counted(read(many("a", "F", 5), None, many("a", "PP") + old)) == ["F", "P", "P", "F"]
    assert counted(read(undated(*many("a", "F", 5)), None, many("a", "PP"))) == ["P", "P", "F"]


def test_a_baseline_is_earlier_whatever_its_dates_say() -> None:
    assert counted(read(many("a", "F", 3), many("a", "P", 8))) == ["P", "F"]
    assert counted(read(many("a", "F", 3), many("a", "P", 8), many("a", "FF"))) == list("FFPF")
    assert counted(read(many("a", "F", 9), many("a", "P", 1), many("a", "FF", 2))) == list("PFFF")


def test_a_result_counts_on_the_day_of_its_run() -> None:
    late = {"created_at": START + timedelta(days=90)}
    assert counted(read(many("a", "F", 5), None, many("a", "PF", 1, **late))) == list("PFF")
    alone = many("a", "P", 1, run_created_at=None)
    assert counted(read(many("a", "F", 5), None, alone)) == list("PF")
    assert counted(read(many("a", "F", 5), None, [alone[0] | late])) == ["F"]


# Which results are of the same eval


@pytest.mark.parametrize("name", SAME_EVAL)
def test_results_of_another_definition_say_nothing(name: str) -> None:
    history = many("a", "PP", 1, **{name: "other"}) + many("a", "P", 3)
    outcomes = read(many("a", "F", 5), None, history)
    assert counted(outcomes) == ["", "", "P", "F"]
    assert outcomes.histories.begun.tolist() == [[False, False, False, True]]
    assert outcomes.results.filter("comparable").height == 2


@pytest.mark.parametrize("name", SAME_EVAL)
def test_what_is_not_known_on_one_side_is_comparable(name: str) -> None:
    unknown = {name: None}
    assert counted(read(many("a", "F", 5, **unknown), None, many("a", "PP"))) == list("PPF")
    assert counted(read(many("a", "F", 5), None, many("a", "PP", 1, **unknown))) == list("PPF")
    assert counted(read(many("a", "F", 5, **unknown), many("a", "P", 1, **unknown))) == list("PF")


@pytest.mark.parametrize("name", SAME_EVAL)
def test_what_the_candidate_does_not_say_the_newest_result_says(name: str) -> None:
    history = many("a", "PP", 1, **{name: "old"}) + many("a", "P", 3, **{name: "new"})
    outcomes = read(many("a", "F", 5, **{name: None}), None, history)
    assert counted(outcomes) == ["", "", "P", "F"]


def test_the_newest_of_the_candidates_definitions_counts() -> None:
    now = many("a", "F", 5, expected_value="old") + many("a", "P", 6, expected_value="new")
    history = many("a", "P", 1, expected_value="old") + many("a", "F", 2, expected_value="new")
    assert counted(read(now[::-1], None, history)) == ["", "F", "", "P"]


def test_of_an_eval_without_a_result_now_the_newest_definition_counts() -> None:
    history = many("gone", "FF", 1, expected_value="old") + many("gone", "P", 3)
    outcomes = read(many("a", "P", 5), None, history)
    assert counted(outcomes, "gone") == ["", "", "P", ""]


# What is an outcome


def test_what_is_no_outcome_is_no_outcome() -> None:
    outcomes = read(many("a", "C", 9), None, many("a", "PFBECU"))
    assert counted(outcomes) == ["P", "F", "F", "", "", "", ""]
    unheard = result("a", "passed_with_remarks", 9)
    assert counted(read([unheard], many("a", "P"))) == ["P", ""]


@pytest.mark.parametrize(
    ("states", "fails"),
    [
        ("E", 0),
        ("EE", 2),
        ("EEE", 3),
        ("EPE", 0),
        ("EPEE", 2),
        ("EEPE", 2),
        ("EEP", 2),
        ("PEE", 2),
        ("EFE", 3),
        ("ECE", 2),
        ("EF", 1),
    ],
)
def test_errors_count_where_they_repeat_with_no_pass_between(states: str, fails: int) -> None:
    rows = many("a", states, NOW)
    for dated in (rows, rows[::-1], undated(*rows), undated(*rows[::-1])):
        found = read(dated, many("a", "P"))
        assert found.histories.fails.sum() == fails
        assert not found.outage


@pytest.mark.parametrize("states", list(itertools.permutations("PEE")))
def test_errors_beside_a_pass_of_the_same_run_do_not_count(states: tuple[str, ...]) -> None:
    rows = [row | {"result_id": str(n)} for n, row in enumerate(many("a", "".join(states), NOW))]
    together = [row | {"run_id": "now", "run_created_at": START} for row in rows]
    assert counted(read(together)) == ["P"]


def test_errors_of_one_run_repeat() -> None:
    rows = [result("a", "error", NOW, result_id=name) for name in "xy"]
    assert counted(read(rows)) == ["FF"]


def test_earlier_errors_and_those_of_another_definition_never_count() -> None:
    assert counted(read(many("a", "P", NOW), many("a", "EEE"))) == ["", "", "", "P"]
    now = many("a", "EE", NOW, expected_value="old") + many("a", "E", NOW + 2)
    assert counted(read(now)) == ["", "", ""]


def errored(errors: dict[str, int], passes: int) -> Outcomes:
    """So many evals that ended in two errors in each block, and so many of ``a`` that passed."""
    rows = [
        row
        for block, n in errors.items()
        for e in range(n)
        for row in many(f"{block}{e}", "EE", NOW, block_id=block)
    ]
    return read(rows + [row for e in range(passes) for row in many(f"p{e}", "P", NOW)])


@pytest.mark.parametrize(
    ("errors", "passes", "outage"),
    [
        ({"x": 25, "y": 25}, 0, True),
        ({"x": 2, "y": 1}, 0, True),
        ({"x": 2, "y": 1}, 27, True),
        ({"x": 2, "y": 1}, 28, False),  # fewer than a tenth
        ({"x": 1, "y": 1}, 0, False),  # fewer than three
        ({"x": 50}, 0, False),  # one block
        ({}, 5, False),
    ],
)
def test_many_errors_over_several_blocks_are_an_outage(
    errors: dict[str, int], passes: int, outage: bool
) -> None:
    found = errored(errors, passes)
    assert found.outage == outage
    assert found.histories.fails.sum() == (0 if outage else 2 * sum(errors.values()))


def test_what_came_out_otherwise_once_is_no_outage() -> None:
    rows = [row for name in "abc" for row in many(name, "E", NOW, block_id=BLOCKS[name])]
    assert read(rows).outage
    assert not read(rows + many("a", "F", NOW + 1)).outage
    assert read(rows + many("a", "C", NOW + 1)).outage
    assert not read(many("z", "P", NOW), rows).outage


# Rows


def parts(*runs: tuple[str, str]) -> list[Row]:
    """One run after another: the evals in it, which pass, and its version."""
    return [
        row
        for day, (evals, version) in enumerate(runs, 1)
        for name in evals
        for row in many(name, "P", day, workflow_version_id=version)
    ]


@pytest.mark.parametrize(
    ("runs", "a", "b"),
    [
        ([("ab", "v1"), ("ab", "v1")], [0, 1], [0, 1]),
        ([("a", "v1"), ("b", "v1")], [0], [0]),
        ([("a", "v1"), ("b", "v1"), ("a", "v1")], [0, 1], [0]),
        ([("a", "v1"), ("b", "v1"), ("b", "v1"), ("a", "v1")], [0, 1], [0, 1]),
        ([("a", "v1"), ("b", "v2")], [0], [1]),
        ([("a", "v1"), ("c", "v2"), ("b", "v1")], [0], [2]),
        ([("a", None), ("b", None)], [0], [0]),
        ([("a", "v1"), ("b", None)], [0], [1]),
    ],
)
def test_runs_of_one_version_that_share_no_eval_share_a_row(
    runs: list[tuple[str, str]], a: list[int], b: list[int]
) -> None:
    outcomes = read(many("a", "P", NOW) + many("b", "P", NOW), None, parts(*runs))
    found = {
        name: [row for row, said in enumerate(counted(outcomes, name)[:-1]) if said]
        for name in "ab"
    }
    assert found == {"a": a, "b": b}


def test_each_result_without_a_run_is_a_run_of_its_own() -> None:
    history = many("a", "PFP", 1, run_id=None)
    assert counted(read(many("a", "F", NOW), None, history)) == list("PFPF")


def test_the_first_result_of_each_eval_is_in_the_candidates_row_and_reruns_after_it() -> None:
    now = [*many("a", "FPF", 5), *many("b", "F", 6), *many("c", "PP", 6, run_id="run_6")]
    outcomes = read([*now, result("c", "failed", 6, result_id="more")], many("a", "P"))
    assert outcomes.histories.candidate == 1
    assert counted(outcomes) == ["P", "F", "P", "F"]
    assert counted(outcomes, "b") == ["", "F", "", ""]
    assert sorted(counted(outcomes, "c")[1]) == sorted("PPF")


def test_reruns_without_end_share_the_last_row() -> None:
    outcomes = read(many("a", "F" * 60, NOW))
    assert outcomes.histories.shape[1] < 60
    assert outcomes.histories.fails.sum() == 60


def test_the_run_of_each_row_is_told() -> None:
    history = many("a", "CP") + many("b", "P", 2, run_id="run_2b")
    outcomes = read(many("a", "F", NOW), None, history)
    told = outcomes.runs_of_rows().filter(eval=place(outcomes)).sort("row")
    assert told["row"].to_list() == [0, 1, 2]
    assert told["run_id"].to_list() == ["run_1", "run_2", f"run_{NOW}"]
    assert told["moment"].to_list() == [START + timedelta(days=day) for day in (1, 2, NOW)]


# Which code


def coded(eval_id: str, codes: str, first_run: int = 1, **more: Any) -> list[Row]:
    """A pass in each run, on the code that a letter names; a dot is one that is not known."""
    return [
        result(eval_id, "passed", day, **{CODE: None if code == "." else code} | more)
        for day, code in enumerate(codes, first_run)
    ]


@pytest.mark.parametrize(
    ("codes", "flags"),
    [
        ("AAA", "..."),
        ("AAB", "..e"),
        ("ABA", ".ee"),
        ("ABB", ".e."),
        ("A..B", ".??e"),  # when it changed in between is not known
        ("A..A", "...."),
        ("...", "..."),  # the version is the same
        (".AA", "..."),
    ],
)
def test_a_block_is_edited_where_its_code_is_another_than_before(codes: str, flags: str) -> None:
    history = coded("a", codes[:-1])
    now = coded("a", codes[-1], NOW)
    assert edits(read(now, None, history)) == flags


def test_without_fingerprints_the_version_says_whether_it_was_edited() -> None:
    versions = ["v1", "v1", "v2", None, "v2", "v3"]
    rows = [
        row
        for day, version in enumerate(versions, 1)
        for row in coded("a", ".", day, workflow_version_id=version)
    ]
    assert edits(read(rows[-1:], None, rows[:-1])) == "..e?.e"


def test_a_version_is_no_edit_of_a_block_whose_code_is_known_before_and_after() -> None:
    history = coded("a", "A") + coded("a", ".", 2, workflow_version_id="v2")
    now = coded("a", "A", NOW, workflow_version_id="v2")
    assert edits(read(now, None, history)) == "..."
    now = coded("a", "B", NOW, workflow_version_id="v2")
    assert edits(read(now, None, history)) == ".?e"


def test_what_neither_code_nor_version_tells_is_unknown() -> None:
    rows = coded("a", "..", 1, workflow_version_id=None)
    assert edits(read(rows[1:], rows[:1])) == ".?"
    known = coded("a", "A", 2)
    assert edits(read(known, rows[:1])) == ".?"


@pytest.mark.parametrize(("edited", "whole"), [(1, "."), (2, "e"), (3, "e"), (4, "e")])
def test_a_block_was_edited_where_half_of_its_evals_say_so(edited: int, whole: str) -> None:
    names = "abcd"
    history = [row for name in names for row in coded(name, "A")]
    now = [
        row
        for at, name in enumerate(names)
        for row in coded(name, "B" if at < edited else "A", NOW)
    ]
    other = coded("z", "A", block_id="block_2"), coded("z", "A", NOW, block_id="block_2")
    found = read(now + other[1], None, history + other[0])
    assert [edits(found, name)[-1] for name in names] == ["e"] * edited + [whole] * (4 - edited)
    assert edits(found, "z") == ".."


def test_an_eval_that_was_not_run_for_long_is_told_of_the_edit_at_its_next_result() -> None:
    history = coded("a", "AAABBB") + coded("b", "A")
    now = coded("a", "B", NOW) + coded("b", "B", NOW)
    found = read(now, None, history)
    assert edits(found) == "...e..e"  # half of the block says so
    assert edits(found, "b")[-1] == "e"


def test_a_cancelled_run_in_between_was_on_the_new_code() -> None:
    history = many("a", "PP", 1, **{CODE: "A"}) + many("a", "C", 3, **{CODE: "B"})
    assert edits(read(many("a", "F", NOW, **{CODE: "B"}), None, history)) == "..e."


def moved(*evals: Row) -> list[Row]:
    """An eval that goes from block 1 with code A to block 2 with code X, at the second run."""
    return coded("a", "A") + coded("a", "X", 2, block_id="block_2") + list(evals)


def test_an_eval_that_was_moved_to_another_block_is_not_on_edited_code() -> None:
    now = coded("a", "X", NOW, block_id="block_2")
    assert edits(read(now, None, moved())) == ".?."
    stayed = coded("b", "XX", block_id="block_2") + coded("c", "AA")
    found = read(now, None, moved(*stayed))
    assert [edits(found, name) for name in "abc"] == [".?.", "...", "..."]
    edited = coded("b", "WX", block_id="block_2") + coded("c", "AA")
    found = read(now, None, moved(*edited))
    assert [edits(found, name) for name in "abc"] == [".e.", ".e.", "..."]


def test_what_is_said_of_a_block_is_said_of_the_evals_that_it_had_then() -> None:
    history = coded("a", "AABB") + coded("b", "AABB")
    history += coded("c", "A") + coded("c", "B", 4) + coded("d", "XXYY", block_id="block_2")
    now = coded("c", "Y", NOW, block_id="block_2") + coded("d", "Y", NOW, block_id="block_2")
    found = read(now, None, history)
    assert [edits(found, name) for name in "cd"] == ["..ee?", "..e.."]
    history = coded("c", "AA") + coded("d", "XY", block_id="block_2")
    assert edits(read(now, None, history), "c") == "..?"


def test_a_move_is_none_of_the_codes_whichever_results_say_them() -> None:
    other = {"block_id": "block_2"}
    now = coded("a", "X", NOW, **other)
    assert edits(read(now, None, coded("a", "A") + coded("a", ".", 2, **other))) == ".??"
    assert edits(read(now, None, coded("a", "A.") + coded("a", ".", 3, block_id=None))) == ".???"
    unknown = coded("a", ".", NOW, **other)
    assert edits(read(unknown, None, coded("a", ".."))) == "..?"
    assert edits(read(unknown, None, coded("a", ".", block_id=None))) == ".."


def test_reruns_are_of_the_candidates_code() -> None:
    now = coded("a", "B", NOW) + coded("a", "C", NOW + 1)
    assert edits(read(now, coded("a", "A"))) == ".e."


@pytest.mark.parametrize(
    ("version", "changed", "flag"),
    [
        (None, None, "?"),
        (None, {"block_1"}, "e"),
        (None, {"block_2"}, "."),
        ("v2", None, "e"),
        ("v2", {"block_1"}, "e"),
        ("v2", {"block_2"}, "."),
        ("v2", set(), "."),
        ("v1", {"block_1"}, "."),  # a version is the same as itself
    ],
)
def test_a_version_diff_tells_of_blocks_whose_results_have_no_code(
    version: str | None, changed: set[str] | None, flag: str
) -> None:
    known = None if changed is None else frozenset(changed)
    now = coded("a", ".", NOW, workflow_version_id=version)
    assert edits(read(now, coded("a", "."), None, known)) == "." + flag


def test_the_blocks_own_code_goes_before_a_version_diff() -> None:
    now = coded("a", "B", NOW) + coded("b", "A", NOW, block_id="block_2")
    before = coded("a", "A") + coded("b", "A", block_id="block_2")
    found = read(now, before, None, frozenset({"block_2"}))
    assert (edits(found), edits(found, "b")) == (".e", "..")


def test_a_version_diff_tells_of_the_candidate_alone() -> None:
    history = coded("a", ".", 1) + coded("a", ".", 2, workflow_version_id="v2")
    now = coded("a", ".", NOW, workflow_version_id="v3")
    assert edits(read(now, None, history, frozenset())) == ".e."


# When an eval was edited


def test_an_eval_that_was_never_edited_has_no_date_of_it() -> None:
    told = defined(read(many("a", "P", NOW), None, many("a", "PP")))
    assert (told["edited_at"], told["edited_run_id"]) == (None, None)


def test_an_eval_was_edited_at_its_first_result_of_the_present_definition() -> None:
    old = many("a", "PP", 1, expected_value="old")
    told = defined(read(many("a", "F", NOW), None, [*old, *many("a", "CFF", 3)]))
    assert told["edited_at"] == START + timedelta(days=3)
    assert (told["edited_run_id"], told["edited_version_id"]) == ("run_3", "v1")


def test_an_eval_that_was_edited_back_was_edited_then() -> None:
    history = [*many("a", "P"), *many("a", "P", 2, expected_value="other"), *many("a", "P", 3)]
    told = defined(read(many("a", "F", NOW), None, history))
    assert told["edited_run_id"] == "run_3"


def test_a_baseline_of_another_definition_is_earlier_whatever_its_date() -> None:
    told = defined(read(many("a", "F", 3), many("a", "P", 8, expected_value="old")))
    assert (told["edited_run_id"], told["edited_at"]) == ("run_3", START + timedelta(days=3))


def test_a_result_without_a_date_is_not_when_an_eval_was_edited() -> None:
    oldest = undated(*many("a", "P", 1))
    history = [*oldest, *many("a", "P", 2, expected_value="other")]
    assert defined(read(many("a", "F", NOW), None, history))["edited_run_id"] == f"run_{NOW}"


# Several workflows


def test_results_of_two_workflows_do_not_mix() -> None:
    one = results(*many("a", "P" * 9 + "FFF"), *many("b", "P" * 12))
    rows = many("c", "PPPPPFFFFFFF", 1, workflow_id="wf_2", workflow_version_id="w1")
    other = results(*(row | {"run_id": f"other {row['run_id']}"} for row in rows))
    together = blame(pl.concat([one, other]))
    alone = pl.concat([blame(one), blame(other)])
    assert together.sort("eval_id").equals(alone.sort("eval_id"))
    assert together["eval_id"].sort().to_list() == ["a", "c"]
    with pytest.raises(ConfigError, match="different workflows"):
        compare(one, other)


# Nothing


@pytest.mark.parametrize("baseline", [None, [], many("a", "PF")])
@pytest.mark.parametrize("history", [None, [], many("b", "PF", 3)])
def test_nothing_now(baseline: list[Row] | None, history: list[Row] | None) -> None:
    found = read([], baseline, history)
    told = found.histories
    known = {row["eval_id"] for row in (baseline or []) + (history or [])}
    assert found.evals["eval_id"].to_list() == sorted(known)
    assert told.shape == (len(known), told.candidate + 1)
    assert not found.outage
    assert not told.decided.any()
    assert found.runs_of_rows().height == sum(1 for said in told.observed.ravel() if said)


def test_frames_without_rows_have_the_columns_of_those_with_some() -> None:
    empty, full = read([]), read(many("a", "F", 5), many("a", "P"))
    for name in ("results", "evals"):
        assert getattr(empty, name).schema == getattr(full, name).schema


def test_only_a_candidate() -> None:
    found = read(many("a", "P") + many("b", "F"))
    assert found.histories.candidate == 0
    assert (counted(found), counted(found, "b")) == (["P"], ["F"])


# Whatever the results are


@st.composite
def frames(draw: st.DrawFn) -> tuple[list[Row], list[Row] | None, list[Row] | None]:
    """Results of a few evals in a few runs, of which some are the baseline and some the history."""
    days = st.one_of(st.none(), st.integers(1, 5))
    runs = draw(st.lists(st.tuples(days, st.sampled_from(["v1", "v2", None])), min_size=1))
    known = st.sampled_from(["1", "2", None])
    drawn = st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(STATES),
        st.integers(0, len(runs) - 1),
        known,
        known,
    )
    sides: list[list[Row]] = [[], [], []]
    for number, (name, state, at, expected, code) in enumerate(draw(st.lists(drawn, max_size=25))):
        day, version = runs[at]
        row = result(
            name,
            state,
            day or 0,
            run_id=f"run_{at}",
            workflow_version_id=version,
            expected_value=expected,
            block_id=BLOCKS[name] if name == "a" else draw(st.sampled_from(["block_2", None])),
            result_id=str(number),
        )
        row[CODE] = code
        sides[at % 3].extend(undated(row) if day is None else [row])
    return sides[0], sides[1], sides[2]


def by_result(outcomes: Outcomes) -> pl.DataFrame:
    told = outcomes.results.drop("at")
    return told.sort("eval", "row", "run_id", "state", "comparable")


@given(frames(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(sides: tuple[list[Row], ...], random: Any) -> None:
    before = read(*sides)
    for side in sides:
        random.shuffle(side)
    after = read(*sides)
    assert before.evals.equals(after.evals)
    assert before.outage == after.outage
    assert by_result(before).equals(by_result(after))
    for name in ("passes", "fails", "block", "edited"):
        told = (getattr(each.histories, name) for each in (before, after))
        np.testing.assert_array_equal(*told, err_msg=name)
    runs = [each.runs_of_rows().sort("eval", "row") for each in (before, after)]
    assert runs[0].equals(runs[1])


@given(frames())
def test_rows_are_in_the_order_of_time_and_hold_what_belongs_together(
    sides: tuple[list[Row], ...],
) -> None:
    outcomes = read(*sides)
    candidate = outcomes.histories.candidate
    earlier, now = outcomes.results.filter(pl.col("side") != 2), outcomes.results.filter(side=2)
    assert (earlier["row"] < candidate).all()
    assert (now["row"] >= candidate).all()
    runs = earlier.group_by("run_id").agg(pl.col("row").n_unique(), pl.col("moment").first())
    assert (runs["row"] == 1).all()
    ordered = earlier.sort("row", "moment", nulls_last=False)["moment"]
    assert ordered.fill_null(START).is_sorted()
    shared = earlier.group_by("row").agg(pl.col("workflow_version_id").n_unique())
    assert (shared["workflow_version_id"] == 1).all()
    assert (earlier.group_by("row", "eval").agg(pl.col("run_id").n_unique())["run_id"] == 1).all()
    first = now.group_by("eval").agg(pl.col("row").min())
    assert (first["row"] == candidate).all()


@given(frames())
def test_passes_and_failures_are_those_of_comparable_results(sides: tuple[list[Row], ...]) -> None:
    outcomes = read(*sides)
    told = outcomes.results.filter("comparable").group_by("eval", "row", "state").len()
    passes, least = np.zeros((2, *outcomes.histories.shape), dtype=np.int64)
    for e, row, state, n in told.iter_rows():
        passes[e, row] += n * (state == "passed")
        least[e, row] += n * (state in ("failed", "blocked"))
    np.testing.assert_array_equal(outcomes.histories.passes, passes)
    more = outcomes.histories.fails - least
    assert (more >= 0).all()
    assert not more[:, : outcomes.histories.candidate].any()
    assert not (more > 0)[passes > 0].any()
