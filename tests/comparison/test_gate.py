"""The gate: what counts, what is accepted, and what is said of it."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from comparison.cases import (
    held_against,
    held_against_own_past,
    history,
    many_evals,
    numbers,
    of_every_transition,
    suite,
)
from support.frames import results
from support.inside import (
    EVALS,
    FAIL_ON,
    TRANSITIONS,
    Comparison,
    ReadRuns,
    SavedEvals,
    read_policy,
)

from retab_analysis import ConfigError, RegressionError, compare, write_report

TODAY = datetime.now(UTC).date()
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)
FAILING = ["broken", "blocked", "stopped"]
"""The evals of :func:`of_every_transition` that fail the default gate."""
FELL = "the suite's test may not find that the pass rate fell"


def reasons(**arguments: Any) -> tuple[str, ...]:
    return of_every_transition().gate(**arguments).reasons


def said(comparison: Comparison, **arguments: Any) -> list[str]:
    """The reasons of a gate up to their colon or full stop."""
    reasons = comparison.gate(**arguments).reasons
    return [re.split(r"[:.](?!\d)", reason)[0] for reason in reasons]


def test_what_counts_by_default_is_named_with_its_moment() -> None:
    assert said(of_every_transition()) == [
        "2 broke since 8 Jun",
        "1 no result",
        "The pass rate fell by 21.4 points, more than chance explains (p value = 0.02)",
    ]
    assert FAIL_ON == ("regressed", "newly_blocked", "incomplete")


def test_what_one_run_cannot_tell_is_undecided_and_fails_nothing() -> None:
    comparison = of_every_transition()
    assert sorted(comparison.gate().undecided) == ["crashed", "doubtful"]
    fails = repr(comparison.gate())
    assert fails.startswith("The gate fails. 2 broke since 8 Jun: ")
    assert ". The pass rate fell by 21.4 points" in fails
    doubt = comparison.gate((), accepted=FAILING)
    assert repr(doubt) == f"The gate is undecided: {doubt.doubt}."
    assert repr(suite("PF", "PF").gate()) == "The gate holds."
    # Unless it counts, or is accepted.
    assert comparison.gate("suspect").undecided == ("crashed",)
    assert comparison.gate(accepted=["crashed"]).undecided == ("doubtful",)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({}, f"no eval may count as broke or no result, and {FELL}"),
        ({"fail_on": "flaky"}, f"no eval may count as flaky, and {FELL}"),
        (
            {"fail_on": ["suspect", "removed", "flaky"], "max_failures": 2},
            f"at most 2 evals may count as unclear, removed or flaky, and {FELL}",
        ),
        (
            {"fail_on": (), "min_pass_rate": 0.9},
            f"{FELL}, and the pass rate must be at least 90 %",
        ),
        (
            {"fail_on": (), "accepted": ["broken"], "since": "2026-06-01"},
            f"{FELL}; 1 failure accepted; a break before 1 Jun does not count",
        ),
    ],
)
def test_the_rule_is_said_in_words(arguments: dict[str, Any], rule: str) -> None:
    assert of_every_transition().gate(**arguments).rule == rule


@pytest.mark.parametrize(
    "transition", [each for each in TRANSITIONS if each not in ("stale", "same_code")]
)
def test_any_transition_can_count(transition: str) -> None:
    gate = of_every_transition().gate(transition)
    assert not gate.ok
    (named,) = set(gate.reasons) - set(gate.suite_reasons)
    assert named.startswith(f"{numbers(of_every_transition())[transition]} ")
    assert of_every_transition().gate([transition]).reasons == gate.reasons


@pytest.mark.parametrize(
    ("outcomes", "codes", "counts"),
    [
        ("PPPPFFF", None, True),  # unclear: three rows fail
        ("PPPPFF", None, False),  # only two do
        ("PFFF", "ABBB", False),  # an edit may have done it
        ("P" * 15 + "FFF", None, False),  # it broke
        ("FFFFFF", None, False),  # it never passed
    ],
)
def test_an_unclear_eval_that_fails_repeatedly_can_count(
    outcomes: str, codes: str | None, counts: bool
) -> None:
    n = len(outcomes)
    made = held_against_own_past([*history("a", outcomes, codes), *many_evals(6, "P" * n)], n)
    gate = made.gate("fails_repeatedly")
    assert gate.failing == ("a",) * counts
    assert (gate.exit_code == 1) is counts
    assert gate.rule.startswith("no eval may count as fails repeatedly, and the suite's test ")
    assert made.gate(()).failing == ()


def test_what_is_broken_since_different_runs_is_told_apart() -> None:
    rows = [
        *history("drifted", "P" * 15 + "FFF", "A" * 18, block_id="steady"),
        *history("old", "P" * 9 + "F" * 9, "A" * 9 + "B" * 8 + "C", block_id="old"),
        *many_evals(20, "P" * 18, block_id="steady"),
    ]
    assert said(held_against_own_past(rows, 18)) == [
        "1 broke since 28 May",
        "1 broke since 3 Jun",
    ]


def test_notes_are_said_and_do_not_count() -> None:
    gate = of_every_transition().gate(fail_on=(), accepted=FAILING)
    assert gate.exit_code == 2
    assert not gate
    assert gate.notes[0] == "1 removed: name of gone."
    (left_out,) = of_every_transition().gate(("removed",)).notes
    assert left_out.startswith("2 broke, and the rule does not count them: name of broken, ")
    assert suite("PF", "PF").gate().notes == ()


@pytest.mark.parametrize(("most", "ok"), [(2, False), (3, True), (4, True)])
def test_so_many_failures_are_tolerated(most: int, ok: bool) -> None:
    gate = of_every_transition().gate(max_failures=most)
    # That the pass rate fell is no matter of single evals.
    assert (len(gate.reasons) == 1) is ok
    if not ok:
        assert "Against the gate: 3; tolerated: 2." in gate.reasons
    assert gate.failing == (() if ok else of_every_transition().gate().failing)


def test_ids_and_names_are_accepted() -> None:
    assert reasons(accepted=FAILING) == ()
    assert reasons(accepted=[f"name of {each}" for each in FAILING]) == ()
    assert reasons(fail_on="regressed", accepted="broken") == ()
    notes = of_every_transition().gate(accepted=["broken", "doubtful"]).notes
    assert notes[-1] == "2 accepted: name of broken, name of doubtful."


def test_an_id_or_name_has_to_go_as_an_entry_of_a_file_has() -> None:
    gate = of_every_transition().gate(accepted=[*FAILING, "nobody", "fine0", "name of fine1"])
    assert [each for each in gate.reasons if "Accepted" in each] == [
        "Accepted, but passes again: fine0. Remove the entry.",
        "Accepted, but passes again: name of fine1. Remove the entry.",
    ]
    # Whether it is saved is not known here.
    assert "Accepted, but not compared: nobody." in gate.notes


def test_a_comparison_knows_what_is_accepted() -> None:
    rows = [*history("a", "P" * 9 + "FFF", "A" * 9 + "BBB"), *many_evals(9, "P" * 12)]
    is_late = [row["run_id"] in ("run_10", "run_11", "run_12") for row in rows]
    sides = [
        results(*(row for row, late in zip(rows, is_late, strict=True) if late is wanted))
        for wanted in (False, True)
    ]
    made = compare(*sides, accepted=["a"])
    assert made.gate().accepted == ("a",)
    assert made.gate(accepted=()).failing == ("a",)
    assert made.headline == "✓ Nothing new broke: 9 of 10 pass, 1 accepted"


def test_a_name_that_several_evals_have_is_an_error_that_lists_their_ids(tmp_path: Path) -> None:
    rows = [*history("a", "PPF", eval_name="Total"), *history("b", "PPF", eval_name="Total")]
    made = held_against(rows, 2, 3)
    path = tmp_path / "accepted.toml"
    path.write_text('[[accepted]]\nid = "Total"\n', encoding="utf-8")
    for ask in (
        lambda: made.gate(accepted="Total"),
        lambda: made.gate(accepted=path),
        lambda: made.accept(path, "Total", reason="x"),
        lambda: made.diff("Total"),
        lambda: made.values("Total"),
    ):
        with pytest.raises(ConfigError, match=r"2 evals: 'Total' \(a\), 'Total' \(b\)"):
            ask()


def fallen() -> Comparison:
    """Many evals break at once, and one beside them breaks in another block."""
    rows = many_evals(30, "P" * 8 + "F", "A" * 8 + "B", block_id="edited")
    rows += many_evals(60, "P" * 9, "A" * 9, "fine")
    rows += history("alone", "P" * 8 + "F", "A" * 8 + "C", block_id="other")
    return held_against(rows, 8, 9)


def test_that_the_suite_fell_is_a_reason_without_what_is_accepted(tmp_path: Path) -> None:
    comparison = fallen()
    broken = [f"e{at:03}" for at in range(30)]
    for most in (0, 99):
        (before,) = comparison.gate(fail_on=(), max_failures=most).reasons
        assert before.startswith("The pass rate fell by 34.1 points")
    # The numbers are those of the rest, not of what was accepted.
    assert comparison.gate(fail_on=(), accepted=broken).ok
    (rest,) = comparison.gate(fail_on=(), accepted=broken[15:]).reasons
    assert rest.startswith("Without the accepted evals, the pass rate fell by 21.1 points")
    assert comparison.gate(accepted=[*broken, "alone"]).ok
    # Nor is the headline of a report about what is accepted.
    gate = comparison.gate(fail_on=(), accepted=[*broken, "alone"])
    write_report(comparison, tmp_path / "report.md", gate=gate)
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert report.startswith("### ✓ **Nothing new broke**")


@pytest.mark.parametrize(("least", "ok"), [(0.0, True), (0.5, True), (0.51, False), (1, False)])
def test_the_least_pass_rate(least: float, ok: bool) -> None:
    gate = suite("PF", "PF").gate(min_pass_rate=least)
    assert gate.ok is ok
    if not ok:
        asked = f"the rule asks for at least {100 * least:.0f} %."
        assert gate.reasons == (f"The pass rate is 50 %, 1 of 2 that ended; {asked}",)
    close = suite("P" * 199, "P" * 189 + "F" * 10).gate((), min_pass_rate=0.95)
    said = "The pass rate is 94.97 %, 189 of 199 that ended; the rule asks for at least 95.00 %."
    assert close.reasons == (said,)
    rule = suite("P", "P").gate(min_pass_rate=0.9995).rule
    assert "the pass rate must be at least 99.95 %" in rule
    assert suite("P", "C").gate((), min_pass_rate=0.1).reasons == (
        "The pass rate is not known; the rule asks for at least 10 %.",
    )


def test_evals_that_are_still_to_come_are_counted_and_not_named() -> None:
    rows = [*many_evals(5, "PPU"), *history("x", "PPC"), *history("y", "PP.")]
    to_come = frozenset(f"e{at:03}" for at in range(5)) | {"y"}
    comparison = held_against_own_past(
        rows, 3, read=ReadRuns(waiting=(6, 8)), saved=SavedEvals(pending=to_come)
    )
    gate = comparison.gate()
    assert (gate.exit_code, gate.reasons, gate.failing, gate.notes) == (2, (), (), ())
    assert gate.doubt == "6 of 8 results are still to come"
    assert comparison.headline == "… 2 of 8 done: nothing broke so far"
    one = held_against_own_past(rows, 3, read=ReadRuns(waiting=(1, 8))).gate(min_pass_rate=1)
    assert (one.exit_code, one.doubt) == (2, "1 of 8 results is still to come")


def test_many_evals_are_named_in_part() -> None:
    rows = many_evals(30, "P" * 9 + "F", "A" * 9 + "B")
    said = held_against(rows, 9, 10).gate().reasons[0]
    assert said.startswith("30 broke since 28 May: name of e000, ")
    assert said.endswith(" and 10 more.")


def test_raising() -> None:
    comparison = of_every_transition()
    with pytest.raises(RegressionError, match="2 broke since 8 Jun: name of broken") as caught:
        comparison.raise_if_regressed()
    assert caught.value.comparison is comparison
    assert caught.value.reasons == comparison.gate().reasons
    assert str(caught.value) == " ".join(caught.value.reasons)
    comparison.raise_if_regressed(accepted=FAILING)
    comparison.raise_if_regressed((), 9, FAILING, min_pass_rate=0.1)


def test_a_fall_in_one_run_that_no_called_eval_explains_is_undecided() -> None:
    rows = many_evals(20, "P" * 21, "A" * 21, "fine")
    for at in range(4):
        rows += history(f"fell{at}", "P" * 20 + "F", block_id=f"block_{at}")
    once = held_against(rows, 20, 21)
    assert (once.verdict, once.gate().exit_code) == ("regressed", 2)
    assert once.gate().doubt == "4 evals may have broken and the pass rate fell in one run"
    accepted = once.gate(accepted=[f"fell{at}" for at in range(4)])
    assert (accepted.ok, accepted.doubt) == (True, "")
    # A second run on the same code shows it again.
    twice = rows + many_evals(20, "." * 21 + "P", "A" * 22, "fine")
    for at in range(4):
        twice += history(f"fell{at}", "." * 21 + "F", block_id=f"block_{at}")
    gate = held_against(twice, 20, (21, 22)).gate(fail_on=())
    assert [each.partition(",")[0] for each in gate.reasons] == [
        "The pass rate fell by 16.7 points"
    ]


# Accepted failures


def test_what_is_accepted_goes_round(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "accepted.toml"
    comparison = of_every_transition()
    made = comparison.accept(
        path, reason='the "provider"\nis down\x7f \\', until=TOMORROW, who="Ida"
    )
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["accepted"]
    assert [entry["id"] for entry in entries] == sorted([*FAILING, "doubtful"])
    assert entries[0] == {
        "id": "blocked",
        "name": "name of blocked",
        "reason": 'the "provider"\nis down\x7f \\',
        "who": "Ida",
        "until": TOMORROW,
        "workflow": "wf",
    }
    for given in (path, str(path)):
        gate = comparison.gate(accepted=given)
        assert gate.exit_code == 2  # an error is run again, and not accepted
        assert gate.notes[-1].startswith("4 accepted: ")
    assert f'From now on: ra.use(accepted="{path}")' in capsys.readouterr().err
    # What is accepted now is all that failed the gate, or left it undecided.
    again = made.accept(path, reason="again")
    said = "accepted.toml stays as it is, and holds 4 now."
    assert capsys.readouterr().err.startswith(said)
    assert again.gate() == made.gate()
    assert tomllib.loads(path.read_text(encoding="utf-8"))["accepted"] == entries


def test_existing_entries_stay_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text('[[accepted]]\nid = "elsewhere"\nreason = "old"\n', encoding="utf-8")
    comparison = of_every_transition()
    last = date(2099, 12, 31)
    comparison.accept(path, ["doubtful"], reason="new", until="2099-12-31", who="Ida")
    comparison.accept(path, comparison.evals.filter(eval_id="broken"), reason="newer")
    comparison.accept(path, ["name of doubtful", "blocked"], reason="other")
    assert [
        (each.id, each.reason, each.until, each.who) for each in read_policy(path).accepted
    ] == [
        ("blocked", "other", None, None),
        ("broken", "newer", None, None),
        ("doubtful", "new", last, "Ida"),
        ("elsewhere", "old", None, None),
    ]
    said = [each.partition(" From now on")[0] for each in capsys.readouterr().err.splitlines()]
    assert said == [
        "Accepted: name of doubtful. accepted.toml holds 2 now.",
        "Accepted: name of broken. accepted.toml holds 3 now.",
        "Accepted: name of blocked. Accepted already: name of doubtful. accepted.toml holds 4 now.",
    ]
    suite("P", "P").accept(tmp_path / "none.toml", reason="new")
    assert capsys.readouterr().err.startswith("There is nothing to accept.")
    assert not (tmp_path / "none.toml").exists()


BY_HAND = f"""# What the team knows.

# Waits for the provider.
[[accepted]]
id = "gap"  # since May
reason = "old"  # as agreed
who = "Ida"

[[accepted]]
# The one with the long name.
id = "name of doubtful"
until = {YESTERDAY}
"""


def test_comments_stay_and_what_has_run_out_holds_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(BY_HAND, encoding="utf-8")
    of_every_transition().accept(path, "gap", reason="old")
    assert path.read_text(encoding="utf-8") == BY_HAND
    of_every_transition().accept(path, "doubtful", reason="new")
    of_every_transition().accept(path, ["gap", "broken"], reason="new", until=TOMORROW)
    written = path.read_text(encoding="utf-8")
    assert [line for line in written.splitlines() if "#" in line] == [
        "# What the team knows.",
        "# The one with the long name.",
        "# Waits for the provider.",
        'id = "gap"  # since May',
        'reason = "old"  # as agreed',
    ]
    assert [(each.id, each.reason, each.until) for each in read_policy(path).accepted] == [
        ("broken", "new", TOMORROW),
        ("doubtful", "new", None),
        ("gap", "old", None),
    ]


def test_half_a_surrogate_does_not_break_the_file(tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    of_every_transition().accept(path, "gap", reason="a\ud800b")
    assert read_policy(path).accepted[0].id == "gap"


def accepted(path: Path, *entries: str) -> Path:
    path.write_text("".join(f"[[accepted]]\nid = {each}\n" for each in entries), encoding="utf-8")
    return path


def test_an_entry_is_a_reason_once_it_has_none(tmp_path: Path) -> None:
    path = accepted(
        tmp_path / "accepted.toml",
        '"fine0"\nname = "Fine"',
        '"name of fine1"',
        f'"broken"\nuntil = {YESTERDAY}',
        f'"blocked"\nuntil = "{TODAY}"',
        '"nobody"',
        '"gone"',
    )
    gate = of_every_transition().gate(("regressed", "newly_blocked"), accepted=path)
    assert [each.split(":")[0] for each in gate.reasons] == [
        "1 broke since 8 Jun",
        "Accepted, but passes again",
        "Accepted, but passes again",
        f"Accepted until {YESTERDAY}, which is over",
        "Accepted, but not a saved eval",
    ]
    # Whether it is saved is not known here.
    assert "Accepted, but not compared: nobody." in gate.notes
    assert gate.accepted == ("blocked",)


@pytest.mark.parametrize(
    ("outcomes", "codes", "is_reason"),
    [
        ("PPPPFFP", "AAAABBC", False),  # one pass is not the end
        ("PPPPFFPP", "AAAABBCC", True),
        ("PPPPFFPPE", "AAAABBCCC", False),
        ("PFPPFPFFPFPFPP", None, False),  # comes and goes
        ("PPPPFFC", "AAAABBC", False),
        ("PPPPFF.", "AAAABBC", False),  # out of scope
    ],
)
def test_one_pass_does_not_end_what_is_accepted(
    tmp_path: Path, outcomes: str, codes: str | None, is_reason: bool
) -> None:
    rows = [*history("a", outcomes, codes), *many_evals(6, "P" * len(outcomes))]
    named = [{"eval_id": each, "eval_name": f"name of {each}"} for each in ("a", "b")]
    saved = pl.DataFrame(named, schema=EVALS.schema)
    scope = frozenset(f"e{at:03}" for at in range(6))
    made = held_against_own_past(rows, len(outcomes), saved=SavedEvals(saved, scope))
    for entry in ("a", "name of a"):
        reasons = made.gate(accepted=accepted(tmp_path / "a.toml", f'"{entry}"')).reasons
        assert bool(reasons) is is_reason, reasons
    # What is out of scope is no reason, and what is not saved any more is one.
    assert "Accepted" not in str(made.gate(accepted=accepted(tmp_path / "a.toml", '"b"')).reasons)
    (gone,) = made.gate(accepted=accepted(tmp_path / "a.toml", '"a"', '"c"')).reasons[-1:]
    assert gone.startswith("Accepted, but not a saved eval: c.")


def test_a_file_that_is_not_there_is_refused_by_the_gate_and_made_by_accept(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError, match=r"none\.toml"):
        of_every_transition().gate(accepted=str(path))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        of_every_transition().gate(accepted=path)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": None}, "reason"),
        ({"reason": "x", "who": 3}, "who"),
        ({"reason": "x", "until": "soon"}, "until"),
        ({"reason": "x", "until": 3}, "until"),
        ({"reason": "x", "until": YESTERDAY}, "is over; the last day must be today or later"),
        ({"reason": "x", "until": datetime(2026, 1, 1, tzinfo=UTC)}, "until"),
        ({"reason": "x", "evals": ["broke"]}, "there is no eval 'broke'; did you mean .*broken"),
        (
            {"reason": "x", "evals": ["broken", "fine0"]},
            "nothing to accept, as these pass: name of fine0",
        ),
        ({"reason": "x", "evals": [3]}, "evals"),
        ({"reason": "x", "evals": pl.DataFrame({"id": ["gap"]})}, "evals"),
    ],
)
def test_what_cannot_be_accepted(tmp_path: Path, arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        of_every_transition().accept(tmp_path / "a.toml", **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"fail_on": "regresed"}, "'regresed' is not .* did you mean 'regressed'"),
        ({"fail_on": "same_code"}, "'same_code' is not one of its transitions"),
        ({"fail_on": 3}, "got 3"),
        ({"fail_on": [3]}, "got "),
        ({"accepted": [3]}, "got "),
        ({"accepted": 3}, "got 3"),
        ({"max_failures": -1}, "got -1"),
        ({"min_pass_rate": 95}, "got 95"),
        ({"min_pass_rate": "all"}, "got 'all'"),
    ],
)
def test_a_gate_that_cannot_be(arguments: dict[str, Any], said: str) -> None:
    for ask in (of_every_transition().gate, of_every_transition().raise_if_regressed):
        with pytest.raises(ConfigError, match=f"^{next(iter(arguments))}.*{said}"):
            ask(**arguments)
