"""The rows of the table of situations: a verdict is about code and definitions as they are now."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
from support.edited import BLOCKS, EXTRACT, FINE, TABLE, broken, edited, made
from support.fakes import FakeTime
from support.faultserver import Reply, page, reply
from support.lettered_api import DAY, HOUR

import retab_analysis as ra

CODES = {"✓": [0], "✗": [1], "‼": [1], "?": [1, 2], "○": [0, 2], "…": [2]}


@pytest.mark.parametrize("rule", [{"fail_on": "suspect"}, {"max_failures": 5}])
def test_a_run_that_could_not_run_fails_whatever_the_rule_says(rule: dict[str, Any]) -> None:
    row = TABLE["asked for and could not run"]
    assert row.make().check(**row.asks).gate(**rule).exit_code == 1


def test_an_eval_that_is_accepted_is_no_result_that_lacks() -> None:
    row = TABLE["asked for and could not run"]
    verdict = row.make().check(**row.asks, accepted=[*BLOCKS])
    assert verdict.gate().exit_code in CODES[verdict.headline[0]]
    assert "could not run" not in verdict.headline


def test_what_has_not_run_is_a_frame_and_is_skipped_by_its_reason() -> None:
    verdict = edited().check()
    assert verdict.stale["eval_id"].to_list() == EXTRACT
    assert {*verdict.stale["reason"]} == {"has not run since the edit of extract"}
    assert verdict.summary["stale"].item() == 4
    assert sorted(verdict.gate().undecided) == EXTRACT
    assert verdict.gate(fail_on="stale").exit_code == 1


@pytest.mark.parametrize("is_told", [True, False])
def test_codes_that_each_eval_has_of_its_own_are_compared_eval_by_eval(is_told: bool) -> None:
    """What the fingerprint hashes is not documented: it may hold the inputs, too."""
    api = edited("P")
    run = api.runs[-1]
    for each in api.runs:
        for eval_id in each.letters:
            code = f"{each.codes[BLOCKS[eval_id]]} of {eval_id}"
            api.change(f"res_{each.id}_{eval_id}", block_execution_fingerprint=code)
            api.change(eval_id, latest_run_summary__block_execution_fingerprint=code)
    if not is_told:
        for eval_id in FINE:
            api.change(eval_id, freshness=None)
    with api:
        ran = api.check()
        run.results = EXTRACT[:1]
        lacks = api.check()
    assert (ran.headline, ran.gate().exit_code) == ("✓ Nothing broke: 8 of 8 pass", 0)
    assert lacks.gate().exit_code == 1


@pytest.mark.parametrize("days", [-30, 30])
def test_100_a_clock_that_is_wrong_by_days_hides_no_run(days: int) -> None:
    api = made({EXTRACT[0]: "PPPFFF"}, codes={"classify": "A", "extract": "AAABBB"})
    with api:
        told = api.check()
        here = api.runs[-1].at + days * DAY
        api.client._set_time(FakeTime(wall_at_start=here.timestamp()).as_time())
        wrong = api.check()
        assert wrong.evals.equals(told.evals)
        assert wrong.broken["eval_id"].to_list() == EXTRACT[:1]
        api.now = api.runs[0].at  # the API's own clock is slow: its runs are of the future
        assert api.check().gate().exit_code == 2


@pytest.mark.parametrize("answer", [reply(403, {}), reply(405, {}), reply(200, b"<html>")])
def test_where_nobody_says_when_a_block_was_saved_its_edits_are_unseen(answer: Reply) -> None:
    api = made(broken={"GET /v1/workflows/blocks": answer}, max_attempts=2)
    for eval_id in FINE:
        api.change(eval_id, freshness=None)
    with api:
        verdict = api.check()
        assert verdict.headline == "○ Edits of 2 blocks cannot be seen; 8 of 8 passed"
        assert api.asked.count("GET /v1/workflows/blocks") <= 2  # the attempts of one request
        assert verdict.gate().exit_code == 2
        assert {*verdict.gate().undecided} == {*BLOCKS}
        assert {*verdict.evals["transition"]} == {"still_passing"}
        assert str(verdict).count("when blocks were saved is not known: ") == 1
        assert (
            verdict.next_step.call
            == 'ra.check("wf_letters", candidate=ra.start_runs("wf_letters"))'
        )
        with contextlib.redirect_stderr(io.StringIO()) as said:
            assert ra.start_runs(api.flow, only="edited", client=api.client).is_empty()
        assert "8 evals, because edits of their blocks cannot be seen" in said.getvalue()


def test_without_freshness_a_run_of_older_code_does_not_hide_a_draft_that_never_ran() -> None:
    api = made(codes={"classify": "A", "extract": "ABBBB"}, published=["AA"])
    for eval_id in FINE:
        api.change(eval_id, freshness=None)
    with api:
        api.codes = {"classify": "A", "extract": "ABBBBC"}  # the draft is edited, and C never runs
        edited_at = api.runs[-1].at + HOUR
        eras = api._eras("extract")
        eras[0]["first_seen_at"] = edited_at.isoformat()
        path = "GET /v1/workflows/blocks/extract/config-history"
        api.broken[path] = reply(200, page(eras))
        api.run("P" * 8, after=DAY, codes={"classify": "A", "extract": "B"})
        assert api.check().headline.startswith("○ extract was edited and has not run yet")


def test_the_headline_calls_an_edited_block_by_its_label() -> None:
    api = made(labels={"extract": "Line items"})
    for eval_id in EXTRACT:
        api.change(eval_id, freshness__status="stale", freshness__reasons=["validity_changed"])
    with api:
        named = api.check()
        asked = api.asked.count("GET /v1/workflows/blocks")
        api.broken["GET /v1/workflows/blocks"] = reply(500, {})
        unnamed = api.check()
    said = "○ {} was edited and has not run yet; before that nothing broke"
    assert (named.headline, asked) == (said.format("Line items"), 1)
    assert "has not run since the edit of Line items" in named.evals["reason"].to_list()
    assert unnamed.headline == said.format("extract")


def test_a_run_of_another_block_is_not_the_next_step_of_an_edit() -> None:
    api = edited()
    with api:
        others = {each: "U" for each in BLOCKS if BLOCKS[each] == "classify"}
        api.run(others, scope="B", after=HOUR)
        verdict = api.check()
    assert verdict.headline.startswith("○ extract was edited and has not run yet")
    assert 'only="edited"' in verdict.next_step.code


def test_new_breaks_of_an_edit_that_was_edited_again_say_so() -> None:
    api = broken("PPPPPF", "AAAAABC")
    with api:
        assert api.check().headline == (
            "✗ 3 evals broke since the edit of extract; extract was edited again and has not run"
        )
        api.run(dict.fromkeys(EXTRACT, "U"), scope="B", after=HOUR)
        assert api.check().headline.endswith("was edited again and its run goes on (0 of 4)")
