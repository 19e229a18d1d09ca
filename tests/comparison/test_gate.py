"""The gate: what counts, what is accepted, and what is said of it."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from comparison.cases import (
    Rows,
    held_against,
    held_against_own_past,
    history,
    many_evals,
    numbers,
    of_every_transition,
    suite,
)
from support.inside import FAIL_ON, TRANSITIONS, Accepted, Comparison, at_least, read_accepted

from retab_analysis import ConfigError, RegressionError

TODAY = datetime.now(UTC).date()
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)
FAILING = ["broken", "blocked", "crashed", "stopped"]
"""The evals of :func:`of_every_transition` that fail the default gate."""


def reasons(**arguments: Any) -> tuple[str, ...]:
    return of_every_transition().gate(verdict=False, **arguments).reasons


def test_what_counts_by_default_is_named_with_its_moment() -> None:
    assert reasons() == (
        "1 regressed since vB (8 Jun 2026): name of broken (broken).",
        "1 newly blocked since vB (8 Jun 2026): name of blocked (blocked).",
        "1 newly errored: name of crashed (crashed).",
        "1 incomplete: name of stopped (stopped).",
    )
    assert FAIL_ON == ("regressed", "newly_blocked", "newly_errored", "incomplete")


USUAL = "no eval may be regressed, newly blocked, newly errored or incomplete on the side that is "


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({}, f"{USUAL}checked, and the verdict on the suite may not be regressed"),
        ({"fail_on": "flaky", "verdict": False}, "no eval may be flaky"),
        ({"fail_on": (), "verdict": False}, "nothing fails it"),
        (
            {"fail_on": ["suspect", "removed"], "max_failures": 2},
            "at most 2 evals may be suspect or removed, and the suite's own test may not find "
            "that the pass rate fell",
        ),
        (
            {"fail_on": (), "min_pass_rate": 0.9, "verdict": False, "allow": ["broken"]},
            "the pass rate must be at least 90.0%; 1 failure is accepted",
        ),
        ({"fail_on": (), "verdict": False, "allow": ["nobody", "fine0"]}, "nothing fails it"),
    ],
)
def test_the_rule_is_said_in_words(arguments: dict[str, Any], rule: str) -> None:
    assert of_every_transition().gate(**arguments).rule == rule


@pytest.mark.parametrize("transition", TRANSITIONS)
def test_any_transition_can_count(transition: str) -> None:
    gate = of_every_transition().gate(transition, verdict=False)
    assert not gate.ok
    assert gate.reasons[0].startswith(f"{numbers(of_every_transition())[transition]} ")
    assert of_every_transition().gate([transition], verdict=False).reasons == gate.reasons


def test_what_is_broken_since_different_versions_is_told_apart() -> None:
    rows = [
        *many_evals(3, "P" * 9 + "FFF", "A" * 9 + "BBC", block_id="old"),
        *(
            row | {"eval_id": f"new{row['eval_id']}"}
            for row in many_evals(2, "P" * 11 + "F", "A" * 11 + "C", block_id="new")
        ),
    ]
    said = held_against_own_past(rows, 12).gate(verdict=False).reasons
    assert [each.split(":")[0] for each in said] == [
        "3 regressed since vB (28 May 2026)",
        "2 regressed since vC (30 May 2026)",
    ]


def test_since_when_is_said_of_a_drift_too() -> None:
    rows = [*history("e", "P" * 15 + "FFF"), *many_evals(20, "P" * 18)]
    said = held_against_own_past(rows, 18).gate(verdict=False).reasons
    assert said == ("1 regressed since vA (3 Jun 2026): name of e (e).",)


def test_incomplete_counts_only_where_the_candidate_is_undecided() -> None:
    assert suite("UP", "PP").gate().ok
    assert not suite("PP", "UP").gate().ok
    assert not suite("PP", "CP").gate().ok


def test_notes_are_said_and_do_not_count() -> None:
    gate = of_every_transition().gate(fail_on=(), verdict=False)
    assert gate.ok
    assert gate
    assert gate.notes == (
        "1 removed: name of gone (gone).",
        "1 new and not passing: name of new (new).",
        "1 edited and not passing: name of changed (changed).",
        "1 suspect: name of doubtful (doubtful).",
    )
    counted = of_every_transition().gate(("removed", "suspect"), verdict=False)
    assert [note.split(":")[0] for note in counted.notes] == [
        "1 new and not passing",
        "1 edited and not passing",
    ]
    assert suite("PF", "PF").gate().notes == ()


@pytest.mark.parametrize(("most", "ok"), [(3, False), (4, True), (5, True)])
def test_so_many_failures_are_tolerated(most: int, ok: bool) -> None:
    gate = of_every_transition().gate(max_failures=most, verdict=False)
    assert gate.ok is ok
    if not ok:
        assert gate.reasons[-1] == "4 count against the gate; 3 are tolerated."
    one = of_every_transition().gate("regressed", max_failures=1, verdict=False)
    assert one.ok


def test_ids_and_names_are_allowed() -> None:
    assert reasons(allow=FAILING) == ()
    assert reasons(allow=[f"name of {each}" for each in FAILING]) == ()
    assert reasons(fail_on="regressed", allow="broken") == ()
    notes = of_every_transition().gate(allow=["broken", "doubtful"], verdict=False).notes
    assert notes[-1] == "2 accepted: name of broken (broken), name of doubtful (doubtful)."
    assert not any(note.startswith("1 suspect") for note in notes)


def test_an_id_or_name_that_no_eval_needs_is_noted() -> None:
    assert len(reasons(allow=["broken", "nobody"])) == 3
    gate = of_every_transition().gate(allow=[*FAILING, "nobody", "fine0", "name of fine1"])
    assert gate.notes[-4:-1] == (
        "Allowed, but not compared: nobody.",
        "Allowed, but passes: fine0.",
        "Allowed, but passes: name of fine1.",
    )


def test_what_looks_like_a_file_is_not_taken_for_an_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "accepted").write_text("", encoding="utf-8")
    for name in ("accepted", "accepted.txt", "accepted.TOML"):
        with pytest.raises(ConfigError, match="looks like a file: accepted failures are read from"):
            of_every_transition().gate(allow=name)


def test_the_verdict_is_a_reason_of_its_own() -> None:
    comparison = of_every_transition()
    assert comparison.verdict == "regressed"
    p = numbers(comparison)["p_any_regressed"]
    (said,) = comparison.gate(fail_on=()).reasons
    assert said == (
        f"The verdict is regressed: something got worse with a probability of {at_least(p)}."
    )
    assert comparison.gate(fail_on=(), verdict=False).ok


def fallen() -> Comparison:
    """Many evals break at once, and one beside them breaks in another block."""
    rows = many_evals(30, "P" * 8 + "F", "A" * 8 + "B", block_id="edited")
    rows += many_evals_named("fine", 60, "P" * 9, "A" * 9)
    rows += history("alone", "P" * 8 + "F", "A" * 8 + "C", block_id="other")
    return held_against(rows, 8, 9)


def many_evals_named(name: str, number: int, outcomes: str, codes: str) -> Rows:
    return [row for at in range(number) for row in history(f"{name}{at}", outcomes, codes)]


def test_the_verdict_is_computed_without_what_is_accepted() -> None:
    comparison = fallen()
    broken = [f"e{at:03}" for at in range(30)]
    (before,) = comparison.gate(fail_on=()).reasons
    assert "the pass rate fell by 34.1 points, more than chance explains (p < 0.001)" in before
    alone = comparison.evals.filter(eval_id="alone")["p_regressed"].item()
    # The numbers are those of the rest, not of what was accepted.
    assert comparison.gate(fail_on=(), allow=broken).reasons == (
        "Without the accepted evals, the verdict is regressed: something got worse with a "
        f"probability of {at_least(alone)}.",
    )
    assert comparison.gate(allow=[*broken, "alone"]).ok


def test_where_failures_are_tolerated_only_the_suites_test_counts() -> None:
    comparison = fallen()
    (said,) = comparison.gate(fail_on=(), max_failures=1).reasons
    assert said == (
        "The verdict is regressed: the pass rate fell by 34.1 points, more than chance explains "
        "(p < 0.001)."
    )
    few = of_every_transition()
    assert not few.gate(fail_on=()).ok
    assert few.gate(fail_on=(), max_failures=1).ok


@pytest.mark.parametrize(("least", "ok"), [(0.0, True), (0.5, True), (0.51, False), (1, False)])
def test_the_least_pass_rate(least: float, ok: bool) -> None:
    gate = suite("PF", "PF").gate(min_pass_rate=least)
    assert gate.ok is ok
    if not ok:
        assert gate.reasons == (f"The pass rate is 50.0%; at least {least:.1%} is asked for.",)
    close = suite("P" * 199, "P" * 189 + "F" * 10).gate((), min_pass_rate=0.95, verdict=False)
    assert close.reasons == ("The pass rate is 94.97%; at least 95.00% is asked for.",)
    assert (
        "the pass rate must be at least 99.95%" in suite("P", "P").gate(min_pass_rate=0.9995).rule
    )
    assert suite("P", "C").gate((), min_pass_rate=0.1).reasons == (
        "The pass rate is not known; at least 10.0% is asked for.",
    )


def test_evals_that_are_still_to_come_are_counted_and_not_named() -> None:
    rows = [*many_evals(5, "PPU"), *history("x", "PPC"), *history("y", "PP.")]
    comparison = held_against_own_past(rows, 3, waiting=(6, 8))
    gate = comparison.gate()
    assert gate.reasons == (
        "Not ended yet: 6 of 8 are still to come.",
        "1 incomplete: name of x (x).",
    )
    assert gate.notes == ()
    assert comparison.headline.startswith("not ended yet: 6 of 8 are still to come")
    assert comparison.gate(fail_on="regressed").ok
    assert held_against_own_past(rows, 3, waiting=(1, 8)).gate().reasons[0] == (
        "Not ended yet: 1 of 8 is still to come."
    )
    assert not comparison.gate(max_failures=6).ok
    assert comparison.gate(max_failures=7).ok


def test_many_evals_are_named_in_part() -> None:
    rows = many_evals(30, "P" * 9 + "F", "A" * 9 + "B")
    said = held_against(rows, 9, 10).gate(verdict=False).reasons[0]
    assert said.startswith("30 regressed since vB (28 May 2026): name of e000 (e000), ")
    assert said.endswith(" and 10 more.")


def test_texts_from_outside_stay_in_their_line() -> None:
    evil = {"eval_name": "a\nb\x1b[31m", "workflow_version_id": "v\n2"}
    rows = history("i\nd", "P" * 8 + "F", "A" * 8 + "B", **evil)
    for reason in held_against(rows, 8, 9).gate().reasons:
        assert "\n" not in reason
        assert "\x1b" not in reason


def test_raising() -> None:
    comparison = of_every_transition()
    with pytest.raises(
        RegressionError, match=r"1 regressed since vB \(8 Jun 2026\): name of broken"
    ) as caught:
        comparison.raise_if_regressed()
    assert caught.value.comparison is comparison
    assert caught.value.reasons == comparison.gate().reasons
    assert str(caught.value) == " ".join(caught.value.reasons)
    comparison.raise_if_regressed(allow=FAILING, verdict=False)
    comparison.raise_if_regressed(fail_on=(), max_failures=9, min_pass_rate=0.1)


# Accepted failures


def test_what_is_accepted_goes_round(tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    comparison = of_every_transition()
    comparison.accept(path, reason='the "provider"\nis down\x7f \\', until=TOMORROW, who="Ida")
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["accepted"]
    assert [entry["id"] for entry in entries] == sorted(FAILING)
    assert entries[0] == {
        "id": "blocked",
        "name": "name of blocked",
        "reason": 'the "provider"\nis down\x7f \\',
        "who": "Ida",
        "until": TOMORROW,
    }
    for given in (path, str(path)):
        gate = comparison.gate(allow=given, verdict=False)
        assert gate.ok
        assert gate.notes[-1].startswith("4 accepted: ")
    # What is accepted now is all that failed the gate.
    comparison.accept(path, reason="again")
    assert tomllib.loads(path.read_text(encoding="utf-8"))["accepted"] == entries


def test_existing_entries_stay_and_new_ones_are_sorted_in(tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text('[[accepted]]\nid = "elsewhere"\nreason = "old"\n', encoding="utf-8")
    comparison = of_every_transition()
    comparison.accept(path, ["shaky"], reason="new", until="2099-12-31")
    comparison.accept(path, comparison.evals.filter(eval_id="gap"), reason="newer")
    comparison.accept(path, "shaky", reason="other")
    assert [(entry.id, entry.reason) for entry in read_accepted(path)] == [
        ("elsewhere", "old"),
        ("gap", "newer"),
        ("shaky", "new"),
    ]
    assert read_accepted(path)[2].until == date(2099, 12, 31)


BY_HAND = f"""# What the team knows.

# Waits for the provider.
[[accepted]]
id = "gap"  # since May
reason = "old"

[[accepted]]
# The one with the long name.
id = "shaky"
until = {YESTERDAY}
"""


def test_what_was_written_by_hand_stays_and_what_has_run_out_is_written_anew(
    tmp_path: Path,
) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(BY_HAND, encoding="utf-8")
    of_every_transition().accept(path, "gap", reason="other")
    assert path.read_text(encoding="utf-8") == BY_HAND
    of_every_transition().accept(path, ["gap", "shaky", "fine0"], reason="new", until=TOMORROW)
    written = path.read_text(encoding="utf-8")
    assert [line for line in written.splitlines() if "#" in line] == [
        "# What the team knows.",
        "# Waits for the provider.",
        'id = "gap"  # since May',
        "# The one with the long name.",
    ]
    assert [(each.id, each.reason, each.until) for each in read_accepted(path)] == [
        ("fine0", "new", TOMORROW),
        ("gap", "old", None),
        ("shaky", "new", TOMORROW),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "accepted = []",
        "accepted = [{id = 'gap', reason = 'old'}]",
        '[[accepted]]\nid = \'gap\'\nreason = """\n[[accepted]]\n"""',
        "[[accepted]]\nid = 'gap'\n[[accepted]]\nid = 'gap'",
    ],
)
def test_entries_can_be_added_however_the_others_are_written(tmp_path: Path, text: str) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(text, encoding="utf-8")
    before = {each.id: each for each in read_accepted(path)}
    of_every_transition().accept(path, "fine0", reason="new")
    assert {each.id: each for each in read_accepted(path)} == before | {
        "fine0": Accepted("fine0", "name of fine0", "new")
    }


def test_a_last_day_that_is_over_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is over; the last day must be today or later"):
        of_every_transition().accept(tmp_path / "a.toml", "gap", reason="x", until=YESTERDAY)
    assert list(tmp_path.iterdir()) == []


def test_half_a_surrogate_does_not_break_the_file(tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    of_every_transition().accept(path, "gap", reason="a\ud800b")
    assert read_accepted(path)[0].id == "gap"


def test_an_entry_that_has_no_reason_any_more_is_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(
        f"""
[[accepted]]
id = "fine0"
name = "Fine"
[[accepted]]
id = "nobody"
[[accepted]]
id = "broken"
until = {YESTERDAY}
[[accepted]]
id = "blocked"
until = "{TODAY}"
""",
        encoding="utf-8",
    )
    gate = of_every_transition().gate(BROKEN, allow=path, verdict=False)
    assert gate.reasons == (
        "1 regressed since vB (8 Jun 2026): name of broken (broken).",
        "Accepted, but passes again: Fine (fine0). Remove the entry.",
        "Accepted, but not compared: nobody. Remove the entry.",
        f"Accepted until {YESTERDAY}, which is over: broken.",
    )
    assert gate.notes[-1] == "1 accepted: name of blocked (blocked)."


BROKEN = ("regressed", "newly_blocked")


def test_an_entry_that_has_run_out_counts_for_the_verdict_again(tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    ids = ["broken", "blocked", "doubtful"]
    of_every_transition().accept(path, ids, reason="known", until=TOMORROW)
    assert of_every_transition().gate(fail_on=(), allow=path).ok
    path.write_text(path.read_text().replace(str(TOMORROW), str(YESTERDAY)))
    said = of_every_transition().gate(fail_on=(), allow=path).reasons
    assert said[0].startswith("The verdict is regressed")
    assert len(said) == 4


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        "accepted = 3",
        "[other]\nx = 1",
        "[[accepted]]\nname = 'no id'",
        "[[accepted]]\nid = ''",
        "[[accepted]]\nid = 3",
        "[[accepted]]\nid = 'a'\nreason = 3",
        "[[accepted]]\nid = 'a'\nuntil = 'soon'",
        "[[accepted]]\nid = 'a'\nuntil = 2026-01-01T00:00:00Z",
        "[[accepted]]\nid = 'a'\nsince = 2026-01-01",
        "accepted = ['a']",
    ],
)
def test_a_file_that_is_not_one_of_accepted_failures_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"accepted\.toml"):
        of_every_transition().gate(allow=path)
    with pytest.raises(ConfigError):
        of_every_transition().accept(path, "gap", reason="x")
    assert path.read_text(encoding="utf-8") == text


def test_a_file_that_is_not_there_is_refused_by_the_gate_and_made_by_accept(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError, match=r"none\.toml"):
        of_every_transition().gate(allow=str(path))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        of_every_transition().gate(allow=path)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": None}, "reason"),
        ({"reason": "x", "who": 3}, "who"),
        ({"reason": "x", "until": "soon"}, "until"),
        ({"reason": "x", "until": 3}, "until"),
        ({"reason": "x", "until": datetime(2026, 1, 1, tzinfo=UTC)}, "until"),
        ({"reason": "x", "evals": ["nobody"]}, "evals: nobody"),
        ({"reason": "x", "evals": [3]}, "evals"),
        ({"reason": "x", "evals": pl.DataFrame({"id": ["gap"]})}, "evals"),
    ],
)
def test_what_cannot_be_accepted(tmp_path: Path, arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        of_every_transition().accept(tmp_path / "a.toml", **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"fail_on": "broken"},
        {"fail_on": 3},
        {"fail_on": [3]},
        {"allow": [3]},
        {"allow": 3},
        {"max_failures": -1},
        {"max_failures": 1.5},
        {"max_failures": True},
        {"min_pass_rate": 95},
        {"min_pass_rate": "all"},
        {"min_pass_rate": True},
        {"min_pass_rate": float("nan")},
        {"verdict": "yes"},
    ],
)
def test_a_gate_that_cannot_be(arguments: dict[str, Any]) -> None:
    for ask in (of_every_transition().gate, of_every_transition().raise_if_regressed):
        with pytest.raises(ConfigError, match=next(iter(arguments))):
            ask(**arguments)


# Which evals


def test_the_evals_that_fail_the_gate_are_listed() -> None:
    comparison = of_every_transition()
    assert sorted(comparison.gate().failing) == sorted(FAILING)
    order = comparison.evals["eval_id"].to_list()
    assert [*comparison.gate().failing] == [each for each in order if each in FAILING]
    assert comparison.gate("suspect").failing == ("doubtful",)


def test_what_is_tolerated_fails_nothing() -> None:
    comparison = of_every_transition()
    assert comparison.gate(max_failures=len(FAILING), verdict=False).failing == ()
    assert len(comparison.gate(max_failures=len(FAILING) - 1).failing) == len(FAILING)


def test_the_accepted_evals_are_listed_where_they_do_not_pass() -> None:
    gate = of_every_transition().gate(allow=["broken", "fine0", "gap"])
    assert sorted(gate.accepted) == ["broken", "gap"]
    assert "broken" not in gate.failing


def test_a_reason_of_the_whole_suite_names_no_eval() -> None:
    gate = of_every_transition().gate(fail_on=(), min_pass_rate=1.0, verdict=False)
    assert not gate.ok
    assert gate.failing == ()
