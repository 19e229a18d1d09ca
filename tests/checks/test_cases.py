"""What must be said of hand-made histories, through ``check`` and over HTTP.

P is a pass, F a failure, E an error, C cancelled; a column is a run, the last one is the newest.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from support.lettered_api import MINUTE, LetteredApi, alike, spell

import retab_analysis as ra

CALLED = ("regressed", "newly_blocked")
OPEN = (*CALLED, "suspect")


def state(made: ra.Comparison, eval_id: str = "a") -> str | None:
    """What became of an eval."""
    found = made.evals.filter(eval_id=eval_id)["transition"].to_list()
    return found[0] if found else None


def fails(made: ra.Comparison, eval_id: str = "a") -> bool:
    return eval_id in made.gate().failing


def fine(n: int, runs: int) -> dict[str, str]:
    return alike(n, "P" * runs)


def checks(api: LetteredApi, runs: range | list[int], **more: Any) -> list[ra.Comparison]:
    """The check after so many runs, again and again."""
    found = []
    with api:
        for api.upto in runs:
            found.append(api.check(**more))
    return found


def shaky(n: int, runs: int, failures: int, seed: int) -> list[str]:
    """The letters of so many evals, each of which fails in so many of its runs."""
    dice = Random(seed)
    rows = ["F" * failures + "P" * (runs - failures) for _ in range(n)]
    return ["".join(dice.sample(row, runs)) for row in rows]


def test_forty_evals_that_fail_more_often_are_a_regression_though_none_is_sure() -> None:
    rows = [a + b for a, b in zip(shaky(40, 5, 1, 7), shaky(40, 5, 3, 8), strict=True)]
    evals = {f"e {at}": row for at, row in enumerate(rows)}
    with LetteredApi(evals, codes="A" * 5 + "B" * 5) as api:
        made = api.check(candidate=[f"run_{at}" for at in range(5, 10)])
    assert made.verdict == "regressed"
    assert made.evals["p_regressed"].max() < 0.95  # type: ignore[operator]
    assert made.summary["delta"].item() == pytest.approx(-0.4, abs=0.02)
    assert not made.gate(fail_on=()).ok


def test_ninety_one_of_ninety_three_errors_touch_no_rate() -> None:
    made = LetteredApi({**alike(91, "PPPE", "e"), **fine(2, 4)}).check()
    assert "Outage: 91 of 93" in made.gate().reasons[0]
    assert not made.gate().failing
    assert not made.evals["transition"].is_in(OPEN).any()
    row = made.summary.row(0, named=True)
    assert (row["baseline_pass_rate"], row["candidate_pass_rate"]) == (1.0, 1.0)
    later = LetteredApi({**alike(91, "PPPEP", "e"), **fine(2, 5)}).check()
    assert later.gate().ok
    assert later.summary["baseline_pass_rate"].item() == 1.0


def test_another_threshold_is_another_definition() -> None:
    api = LetteredApi({"a": "PPPPFF", **fine(6, 6)})
    for at, run in enumerate(api.runs):
        api.change(f"res_{run.id}_a", assertion_result__threshold=0.8 if at < 4 else 0.95)
    made = api.check()
    row = made.evals.filter(eval_id="a").row(0, named=True)
    assert (row["transition"], row["cause"]) == ("still_failing", None)
    assert row["reason"] == "never passed since it was edited"
    assert made.gate().ok


def test_what_is_broken_and_not_run_stays_broken() -> None:
    api = LetteredApi({"a": "P" * 17 + "FFF" + "...", **fine(6, 23)})
    first, *others = checks(api, range(18, 24))
    assert state(first) in OPEN
    assert all(fails(made) for made in others)
    assert "not run since" in others[-1].evals["reason"][0]
    p = [made.evals["p_regressed"][0] for made in others[1:]]
    assert p == pytest.approx([p[0]] * len(p), abs=0.02)


def test_a_run_of_another_block_mends_nothing() -> None:
    """What a run was not asked for is told by earlier runs, also where only that one is checked."""
    evals = {"a": "P" * 20 + "FFF.", **fine(6, 24)}
    with LetteredApi(evals, blocks={"a": "split"}, scopes="W" * 23 + "B") as api:
        for candidate in ("run_23", None):
            made = api.check(candidate=candidate)
            assert (state(made), made.gate().failing) == ("regressed", ("a",))


def test_a_run_without_a_result_forgets_no_pass_that_only_the_saved_eval_remembers() -> None:
    api = LetteredApi({"a": "P" * 10 + "F" * 6, **fine(6, 16)})
    with api:
        remembered = api._eval("a")["latest_passing_run_summary"]
        del api.runs[:10]
        api.change("a", latest_passing_run_summary=remembered)
        assert state(api.check()) == "suspect"  # that it passed more often, nobody knows any more
        api.run("P" * 7).results = []
        made = api.check()
    assert (state(made), state(made, "fine 0")) == ("incomplete", "incomplete")


def test_a_later_run_of_one_eval_does_not_excuse_what_the_whole_run_lacks() -> None:
    """However many evals the block has."""
    api = LetteredApi({"a": "PPP", "b": "PPP", **fine(6, 3)}, blocks={"a": "small", "b": "small"})
    api.runs[-1].results = ["a", *fine(6, 3)]
    api.run({"a": "P"}, scope="E", after=MINUTE)
    made = api.check()
    assert (state(made, "b"), made.gate().exit_code) == ("incomplete", 1)


def test_one_eval_that_was_tried_on_an_edited_draft_is_only_said() -> None:
    api = LetteredApi({"a": "P" * 20, **fine(6, 20)})
    with api:
        api.run({"a": "F"}, scope="E", codes={"extract": "Z"}, after=MINUTE)
        made = api.check()
    assert made.evals["transition"].to_list() == ["still_passing"] * 7
    assert made.gate().ok
    assert "Tried on edited code since, which does not count here: a (" in made.explain()


@pytest.mark.parametrize("codes", ["A" * 10 + "B" * 5, "A" * 15])
def test_nine_solid_breaks_of_76_say_the_same_at_every_look(codes: str) -> None:
    evals = {**alike(9, "P" * 10 + "F" * 5, "bad"), **fine(67, 15)}
    first, second, last = checks(LetteredApi(evals, codes=codes), [11, 12, 15])
    for made in (second, last):
        assert made.verdict == first.verdict == "regressed"
        for name in ("delta", "baseline_pass_rate", "candidate_pass_rate"):
            assert made.summary[name].item() == pytest.approx(first.summary[name].item(), abs=1e-3)
        assert made.summary["p_value"].item() < 0.05
        assert made.gate(max_failures=99).ok == first.gate(max_failures=99).ok
    assert first.summary["delta"].item() == pytest.approx(-9 / 76)
    assert not first.gate(max_failures=99).ok


def test_the_rate_before_is_of_the_rows_before_it_got_worse_whatever_was_edited_since() -> None:
    evals = {**alike(9, "P" * 10 + "F" * 6, "bad"), **fine(67, 16)}
    made = LetteredApi(evals, codes="A" * 13 + "BBB").check()
    assert made.evals["since_run_id"][0] == "run_10"
    assert made.summary["baseline_pass_rate"].item() == 1.0


def test_the_rate_before_is_of_other_code_where_it_got_worse_now() -> None:
    # It had failed once on the code to which somebody went back; on the code between it held.
    evals = {**alike(9, "P" * 18 + "F", "bad"), "bad 0": "PPPF" + "P" * 14 + "F", **fine(67, 19)}
    made = LetteredApi(evals, codes="A" * 10 + "B" * 8 + "A").check()
    assert state(made, "bad 0") in OPEN
    assert made.evals["since_run_id"][0] == "run_18"
    assert made.summary["baseline_pass_rate"].item() == 1.0


@pytest.mark.parametrize(
    ("letters", "codes", "said"),
    [("F" * 8 + "P", "A" * 8 + "B", "fixed"), ("PPPPPFP", "AAAAABA", "passes again")],
)
def test_fixed_is_what_probably_got_better_and_the_rest_passes_again(
    letters: str, codes: str, said: str
) -> None:
    made = LetteredApi({"a": letters, **fine(6, len(letters))}, codes=codes).check()
    row = made.evals.filter(eval_id="a").row(0, named=True)
    assert row["transition"] == ("fixed" if said == "fixed" else "still_passing")
    assert (row["p_improved"] >= 0.5) == (said == "fixed")
    assert row["reason"].startswith(said)


def test_a_saved_eval_that_is_not_valid_is_named_and_not_missed() -> None:
    api = LetteredApi({"a": "PPPP.", **fine(6, 5)})
    with api:
        issues = [{"code": "gone", "message": "the output has no such field"}]
        api.change("a", validation_status="broken", validation_issues=issues)
        made = api.check()
    assert (state(made), made.gate().exit_code) == ("incomplete", 1)
    assert made.headline == "? 1 eval does not fit extract any more since its edit"
    said = "This saved eval cannot run: a (the output has no such field)."
    assert said in made.explain()
    assert said in str(made)


def test_an_eval_that_was_moved_keeps_its_history() -> None:
    codes = {"extract": "A", "other": "A"}
    api = LetteredApi({"a": "P" * 10 + "FFF", **fine(6, 13)}, codes=codes, blocks={"a": "other"})
    with api:
        for at in range(10):
            api.change(f"res_run_{at}_a", block_id="extract")
        made = api.check()
    row = made.evals.filter(eval_id="a").row(0, named=True)
    assert row["transition"] in OPEN
    assert row["cause"] == "unknown"


def looks(
    letters: str, codes: str = "", others: int = 6, first: int | None = None
) -> list[dict[str, Any]]:
    """The row of an eval after each run from ``first`` on, else after the last."""
    api = LetteredApi({"a": letters, **fine(others, len(letters))}, codes=codes)
    made = checks(api, range(first or len(letters), len(letters) + 1))
    return [each.evals.filter(eval_id="a").row(0, named=True) for each in made]


@pytest.mark.parametrize("codes", ["", "A" + "B" * 35])
def test_a_break_after_a_single_pass_does_not_fade_beyond_the_horizon(codes: str) -> None:
    seen = looks("P" + "F" * 35, codes, others=3, first=24)
    told = [row["p_regressed"] for row in seen]
    assert all(later >= 0.97 * before for before, later in pairwise(told))
    assert {row["since_run_id"] for row in seen} == {"run_1"}


@pytest.mark.parametrize("others", [1, 6, 60])
def test_a_soft_break_by_an_edit_is_not_excused_as_flaky(others: int) -> None:
    letters, codes = "P" * 30 + "PFPPFPPFPP", "A" * 30 + "B" * 10
    with LetteredApi({"a": letters, **alike(others, "P" * 40)}, codes=codes) as api:
        made = api.check(candidate=[f"run_{at}" for at in range(30, 40)])
    assert state(made) in OPEN


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


class TestTheGateIsNeverGreenByAccident:
    """What is missing, doubled or contradicts itself."""

    def test_a_result_is_lost_and_another_doubled(self) -> None:
        api = LetteredApi({"a": "PPPP", "b": "PPPP", **fine(6, 4)})
        with api:
            names = ["a", "a", *(f"fine {at}" for at in range(6))]
            api.runs[-1].results = names
            made = api.check()
        assert state(made, "b") == "incomplete"
        assert not made.gate().ok

    def test_a_run_that_counts_failures_which_it_does_not_show(self) -> None:
        api = LetteredApi(fine(6, 4))
        with api:
            assert api.check().gate().ok
            api.change("run_3", counts__outcome__failed=3, counts__outcome__passed=3)
            gate = api.check().gate()
        assert not gate.ok
        assert not gate.failing
        assert "add up" in gate.reasons[0]

    def test_results_of_evals_that_were_deleted_are_a_note(self) -> None:
        api = LetteredApi(fine(6, 4))
        with api:
            api.change("run_3", total_evals=8, counts__outcome__passed=8)
            made = api.check()
        assert made.gate().exit_code == 0
        assert "2 results are not there any more" in made.explain()

    def test_a_run_that_broke_off_is_not_the_newest_good_one(self) -> None:
        api = LetteredApi({"a": "P" * 10 + "FFC", **alike(6, "P" * 12 + "C")}, codes="A" * 10 + "B")
        with api:
            api.runs[-1].status = "error"
            made = api.check()
        assert fails(made)
        assert "broke off" in made.explain()


def test_the_edit_that_is_shown_is_never_one_that_was_put_back() -> None:
    row, codes = spell("10P FF PP FFF"), spell("10A BB AA CCC")
    with LetteredApi({"a": row, **fine(6, len(row))}, codes=codes) as api:
        made = api.check()
    changes = made.config_changes.select("before", "after").rows()
    assert changes == [('"Prompt A"', '"Prompt C"')]
    assert "still broken" in made.headline


@pytest.mark.parametrize(
    ("letters", "codes", "values", "said"),
    [
        (
            "PPFPPPPPFPPF",
            "A",
            ("110", "1.1e2", "110.0"),
            "got 110.0, as on 3 and 9 Apr, and passed",
        ),
        ("PPFPPPPPFPPF", "A", ("7", "8", "110"), "never got 110 before"),
        ("PPFPPPPPFPPF", "A", ("7", "110", "110"), "as on 9 Apr, and passed after"),
        # The pass has to be on the code of the failure.
        ("PPPPPPFFPPPF", "AAAAAABBAAAB", ("110", "110", "110"), None),
        ("PPPPPPPPPFFF", "A", ("110", "110", "110"), None),
        ("PPPPPPPPPPPF", "A", ("110",), None),
    ],
)
def test_the_value_of_a_failure_is_a_fact(
    letters: str, codes: str, values: tuple[str, ...], said: str | None
) -> None:
    api = LetteredApi({"a": letters, **fine(6, 12)}, codes=codes, values={"A": 18.5})
    failed = [run.id for run, letter in zip(api.runs, letters, strict=True) if letter == "F"]
    for run_id, value in zip(failed, values, strict=True):
        api.change(f"res_{run_id}_a", assertion_result__actual_value=json.loads(value))
    made = api.check()
    shown = made.to_html(values=True)
    assert (said in shown) if said else not re.search("as on|never got", shown)
    assert "110" not in made.to_html()


@pytest.mark.parametrize(
    ("codes", "letters", "said"),
    [
        ("6A 3B A", "9P F", "it passed 6 of 6 on this very code before"),
        ("10A BB AA B", "10P FF PP F", "it failed 2 of 2 on this code before"),
        ("20A", "PF 18P", None),
        ("16A 7B", "16P F P 2F P F P", "3 of 7 passed; before, 16 of 16"),
        ("16A 7B", "16P F P 2F P F P", "comes and goes since"),
    ],
)
def test_what_is_said_of_codes_and_of_failures_in_a_row(
    codes: str, letters: str, said: str | None
) -> None:
    row = spell(letters)
    made = LetteredApi({"a": row, **fine(40, len(row))}, codes=spell(codes)).check()
    told = made.evals.filter(eval_id="a").row(0, named=True)
    assert (said or "") in (told["reason"] or "")
    assert told["n_failed_in_a_row"] == len(row) - len(row.rstrip("F"))


def test_an_unclear_eval_of_an_edited_block_is_named_first_with_its_edit() -> None:
    evals = {"b": "PPPPF", "a": "PPPPF", **fine(6, 5)}
    codes, blocks = {"extract": "AAAAB", "split": "A"}, {"b": "split"}
    alone = LetteredApi({"a": "PPPPF", **fine(20, 5)}, codes="AAAAB").check()
    assert (state(alone), alone.gate().exit_code) == ("suspect", 2)
    assert "since the edit of extract" in alone.headline
    assert not alone.gate(fail_on="suspect").ok
    said = str(LetteredApi(evals, codes=codes, blocks=blocks).check())
    order = [said.index(each) for each in ("Not sure yet", "Prompt", "? a", "? b")]
    assert order == sorted(order)


def test_what_fails_again_and_again_may_fail_the_gate() -> None:
    made = LetteredApi({"a": "P" + "F" * 10, **fine(40, 11)}).check()
    assert (state(made), made.gate().exit_code) == ("suspect", 2)
    gate = made.gate(fail_on=("regressed", "fails_repeatedly"))
    assert (gate.failing, gate.exit_code) == (("a",), 1)
    once = LetteredApi({"a": "P" * 15 + "F", **fine(6, 16)}).check()
    assert once.gate(fail_on="fails_repeatedly").exit_code == 2


@pytest.mark.parametrize(
    ("blocks", "again", "words"),
    [
        (4, "", ["suspect"]),
        (4, "P", ["still_passing", "flaky"]),
        (4, "F", ["regressed"]),
        # EVIDENCE 7 asks for regressed among forty solid evals, and rule 1 for P of one half: forty
        # others of one block that stay solid speak against a drift (P .26). One more failure tells.
        (1, "F", ["suspect"]),
        (1, "FF", ["regressed"]),
    ],
)
def test_a_young_eval_that_fails_first_waits_for_its_own_pass_or_fails_hours_later(
    blocks: int, again: str, words: list[str]
) -> None:
    evals = {"a": "PPPF", **fine(40, 4)}
    api = LetteredApi(evals, blocks={each: f"b{at % blocks}" for at, each in enumerate(evals)})
    with api:
        for letter in again:
            api.run({"a": letter}, scope="E", after=240 * MINUTE)
        made = api.check()
    row = made.evals.filter(eval_id="a").row(0, named=True)
    assert row["transition"] in words
    assert row["cause"] == (None if words[0] == "still_passing" else "drift")
    assert made.gate().exit_code == {"suspect": 2, "regressed": 1}.get(row["transition"], 0)


@pytest.mark.parametrize(
    ("letters", "codes", "words", "since", "cause", "exits"),
    [
        ("15P F", "A", OPEN, None, None, {1, 2}),
        ("15P 2F", "A", OPEN, None, None, {1, 2}),
        *((f"15P {n}F", "A", CALLED, 15, "drift", {1}) for n in range(3, 9)),
        ("20P F P 3F", "20A 5B", CALLED, 20, "edit", {1}),
        *(("PPFPPFPPF"[:n], "A", ("flaky",), None, None, {0}) for n in range(6, 10)),
        ("20P F 2P F", "20A 4B", OPEN, None, None, {1, 2}),
        ("3P F", "A", ("suspect",), None, None, {2}),
        ("10P F 2P F", "10A B 2A B", CALLED, 13, "edit", {1}),
        ("10P 2F 2P F", "10A 2B 2A B", CALLED, 14, "edit", {1}),
        ("10P 2F 2P 3F", "10A 2B 2A 3C", CALLED, 14, "edit", {1}),
        ("9P F", "6A 3B A", ("suspect",), None, "drift", {2}),
        ("9P 3F", "6A 3B 3A", CALLED, 9, "drift", {1}),
        ("5P 8F", "8A 3B 2A", CALLED, 5, "drift", {1}),
        ("10P 2F P", "10A 2B A", ("fixed",), None, None, {0}),
        ("PFPFPFPFPF", "ABABABABAB", CALLED, None, "edit", {1}),
        # With the ten runs as the candidate it is not: test_a_soft_break_by_an_edit_…
        pytest.param(
            *("31P F 2P F 2P F 2P", "30A 10B", OPEN, None, None, {1, 2}),
            marks=pytest.mark.xfail(reason="run by run, what passes now comes and goes: flaky"),
        ),
        ("3F P 3F", "A", ("flaky", "still_failing"), None, None, {0}),
        ("F 39P F", "40A B", OPEN, None, None, {1, 2}),
        ("5P 3F P 3F", "A", OPEN, 5, None, {1, 2}),
        ("8P 2E", "A", ("newly_errored",), None, None, {1}),
    ],
)
def test_histories_of_one_eval_among_forty_that_always_pass(
    letters: str, codes: str, words: tuple[str, ...], since: int | None, cause: str, exits: set[int]
) -> None:
    row = spell(letters)
    with LetteredApi({"a": row, **fine(40, len(row))}, codes=spell(codes)) as api:
        made = api.check()
        told = made.evals.filter(eval_id="a").row(0, named=True)
    assert told["transition"] in words
    assert made.gate().exit_code in exits
    assert since is None or told["since_run_id"] == f"run_{since}"
    assert cause is None or told["cause"] == cause
