"""The truth table of the timeline: which code is the present one, and which eval is tested on it.

A row tells the API's word, the letters of the codes that ran, the save, and the draft's code.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Collection, Mapping
from itertools import product
from random import Random
from typing import Any

import polars as pl
import pytest
from support.edited import BLOCKS, EXTRACT, made
from support.faultserver import reply
from support.lettered_api import DAY, HOUR, MINUTE, VALUE, LetteredApi
from support.studied import with_studies

import retab_analysis as ra

X, Y = EXTRACT[:2]
STALE = "stale", ("validity_changed",)
PASSED = "✓ Nothing broke: 8 of 8 pass"
SAVED_AGAIN = "○ 1 eval was saved again and has not run since; nothing else broke"
NOT_RUN = "○ extract was edited and has not run yet; before that nothing broke"


def ran(codes: str, draft: str, letters: Mapping[str, str] | str = "", **more: Any) -> LetteredApi:
    """Whole runs on codes of extract, and the draft's; letters are of all its evals, or of some."""
    each = "P" * len(codes)
    if isinstance(letters, str):
        letters = dict.fromkeys(EXTRACT, letters or each)
    rows = {**dict.fromkeys(BLOCKS, each), **letters}
    return made(rows, codes={"classify": "A", "extract": codes + draft}, **more)


def say(
    api: LetteredApi, word: tuple[str, Collection[str]] | None, evals: Collection[str] = EXTRACT
) -> LetteredApi:
    """What the API says of the freshness of some evals; None if it says nothing of any."""
    if word is None:
        for each in BLOCKS:
            api.change(each, freshness=None)
        return api
    for each in evals:
        api.change(each, freshness__status=word[0], freshness__reasons=[*word[1]])
    return api


def silent(
    codes: str, draft: str, *, after: int | None, history: bool = False, **more: Any
) -> LetteredApi:
    """No freshness; extract was saved after so many runs, or at a time that is not known."""
    api = say(ran(codes, draft, history=history, **more), None)
    if after is None:
        api.broken["GET /v1/workflows/blocks"] = reply(403, {})
    else:
        api.saved_at["extract"] = api.runs[after - 1].at + HOUR
    return api


def put_back() -> LetteredApi:
    """A passed and B failed; the draft is A again, which only the validity tells."""
    return say(ran("AAAB", "A", "PPPF", validity=True), STALE)


def stale_on_older(after: int) -> LetteredApi:
    api = say(ran("ABA", "B" if after < 3 else "C", "PFP"), STALE)
    api.saved_at["extract"] = api.runs[after - 1].at + HOUR
    return api


def only_x_ran() -> LetteredApi:
    """X ran alone on a new code that no summary and only its own result tells."""
    api = ran("AAA", "B")
    api.run({X: "P"}, scope="E", codes={"extract": "B"}, after=HOUR)
    say(api, STALE, EXTRACT[1:])
    for each in EXTRACT:
        api.change(each, latest_run_summary__block_execution_fingerprint=None)
    return api


def saved_again(after: int = 3, **members: Any) -> LetteredApi:
    api = ran("AAA", "A")
    api.resave(X, api.runs[after - 1].at + HOUR, **members)
    return api


def only_one_ran() -> LetteredApi:
    api = silent("AAA", "A", after=3)
    api.run({X: "P"}, scope="E", after=2 * HOUR)
    return api


def older_version() -> LetteredApi:
    """B broke, and an older version ran after it, which is fresh for nobody."""
    return silent("AABA", "B", after=2, letters={X: "PPFP"})


def no_saved_eval() -> LetteredApi:
    api = ran("AAA", "A")
    api.remove(*BLOCKS)
    return api


TABLE = {
    "fresh on A": (lambda: ran("AAA", "A"), PASSED, 0),
    "Y is stale": (
        lambda: say(ran("AAA", "A"), STALE, [Y]),
        "○ extract was edited: 1 of its 4 evals has not run since; nothing broke",
        2,
    ),
    "X is fresh without a code": (
        only_x_ran,
        "○ extract was edited: 3 of its 4 evals have not run since; nothing broke",
        2,
    ),
    "the validity is that of the pass on A": (put_back, "✓ 4 evals are fixed, nothing broke", 0),
    "stale on A, saved before B": (lambda: stale_on_older(1), "✗", 1),
    "stale on A, saved last": (lambda: stale_on_older(3), "○", 2),
    "silent, saved last": (lambda: silent("AAA", "B", after=3), NOT_RUN, 2),
    "silent, saved last for looks, with history": (
        lambda: silent("AAA", "A", after=3, history=True),
        NOT_RUN,
        2,
    ),
    "silent, put back, with history": (
        lambda: silent("AAAB", "A", after=4, history=True),
        NOT_RUN,
        2,
    ),
    "silent, one run after the save": (lambda: silent("AAAA", "A", after=3), PASSED, 0),
    "silent, a single run after the save": (only_one_ran, PASSED, 0),
    "silent, put back, and it ran": (
        lambda: silent("AAABA", "A", after=4, letters="PPPFP"),
        "✓ 4 evals are fixed, nothing broke",
        0,
    ),
    "silent, an older version ran": (older_version, "? 1 eval may have broken", 2),
    "silent, no save is known": (
        lambda: silent("ABA", "A", after=None),
        "○ Edits of 2 blocks cannot be seen; 8 of 8 passed",
        2,
    ),
    "no saved eval": (no_saved_eval, "○ wf_letters has no saved eval", 2),
    "saved after its newest result": (saved_again, SAVED_AGAIN, 2),
}


@pytest.mark.parametrize("row", TABLE)
def test_the_truth_table(row: str) -> None:
    make, headline, code = TABLE[row]
    verdict = make().check()
    assert verdict.headline.startswith(headline)
    assert verdict.gate().exit_code == code
    is_unseen = "extract cannot be seen" in verdict.explain()
    assert is_unseen == (row == "silent, no save is known")


def start(api: LetteredApi) -> list[tuple[str | None, str | None]]:
    """The scopes of the runs that ``only="edited"`` starts."""
    with contextlib.redirect_stderr(io.StringIO()):
        runs = ra.start_runs(api.flow, only="edited", client=api.client)
    return runs.select("target_block_id", "eval_id").rows()


PARTS: dict[str, dict[str, Any]] = {
    "path": {"assertion__target__path": "total.net"},
    "handle": {"assertion__target__output_handle_id": "out-2"},
    "operator": {"assertion__condition": {"kind": "contains", "expected": VALUE}},
    "expected": {"assertion__condition": {"kind": "equals", "expected": {"total": "1.00"}}},
    "method": {"assertion__condition__method": "jaccard"},
    "rubric": {"assertion__condition__rubric": "It names two apples."},
    "threshold": {"assertion__condition__threshold": 0.9},
    "id": {"assertion__id": "as_2"},
}


# Of a fingerprint nothing tells which part it is that differs.
OFTEN = [("path", True), *((each, False) for each in PARTS)]


@pytest.mark.parametrize(("part", "is_told"), with_studies(product(PARTS, (True, False)), OFTEN))
def test_107_no_part_of_an_assertion_is_edited_unseen(part: str, is_told: bool) -> None:
    api = ran("AAA", "A", fingerprints=is_told)
    if not is_told:
        say(api, None)
    api.resave(X, api.runs[-1].at + HOUR, **PARTS[part])
    with api:
        verdict = api.check()
        assert verdict.headline[0] == "○"
        assert verdict.gate().undecided == (X,)
        assert start(api) == [("extract", X)]
        # 115: what was advised is done, and is not advised again.
        api.resave(X, api.started[-1].at - MINUTE / 2, **PARTS[part])
        column = api.started[-1].column
        api.change(f"res_{api.started[-1].id}_{X}", **of_result(api, part))
        assert api.check().gate().ok, column
        assert start(api) == []


def of_result(api: LetteredApi, part: str) -> dict[str, Any]:
    """What a result of an edited assertion tells of it."""
    known = {"assertion_id": "as_2"} if part == "id" else {}
    condition = PARTS[part].get("assertion__condition")
    if condition:
        known |= {"condition_kind": condition["kind"], "expected_value": condition["expected"]}
    if part == "threshold":
        known |= {"threshold": 0.9}
    return {f"assertion_result__{name}": value for name, value in known.items()}


@pytest.mark.parametrize("evals", [EXTRACT[:1], EXTRACT[:2]])
@pytest.mark.parametrize("runs", [1, 3])
def test_what_fails_since_it_was_saved_again_says_so(evals: list[str], runs: int) -> None:
    api = ran("AAAAAA", "A")
    for each in evals:
        api.resave(each, api.runs[-1].at + HOUR, assertion__target__path="total.net")
    for _ in range(runs):
        api.run({**dict.fromkeys(BLOCKS, "P"), **dict.fromkeys(evals, "F")}, after=DAY)
    with api:
        verdict = api.check()
    they = "it was" if len(evals) == 1 else "they were"
    assert f"since {they} saved again on 6 Apr" in verdict.headline
    card = f"broke since {they} saved again on 6 Apr ("
    assert (card in " ".join(str(verdict).split())) == bool(verdict.broken.height)
    explained = verdict.explain(X)
    assert "it fails since it was saved again on 6 Apr" in explained
    assert "without an edit" not in f"{verdict} {explained}"
    assert "No one edited" not in str(verdict)
    assert {*verdict.evals.filter(pl.col("eval_id").is_in(evals))["cause"]} == {"saved_again"}


def test_what_failed_before_it_was_saved_again_does_not() -> None:
    api = ran("A" * 9, "A", {X: "P" * 6 + "FFF"})
    api.resave(X, api.runs[-1].at + HOUR)
    api.run({**dict.fromkeys(BLOCKS, "P"), X: "F"}, after=DAY)
    verdict = api.check()
    assert verdict.headline.endswith("without an edit")
    assert "; saved again on 9 Apr" in verdict.explain(X)


def test_107_a_save_within_a_minute_after_the_result_is_the_servers() -> None:
    api = ran("AAA", "A")
    ended = api.runs[-1].at + 30 * MINUTE / 60
    api.resave(X, ended, assertion__target__path="total.net")
    assert api.check().gate().ok
    api.resave(X, ended, assertion__id="as_2")
    assert api.check().gate().undecided == (X,)


def test_107_an_error_ends_with_its_run_where_it_does_not_tell() -> None:
    api = ran("AAA", "A", {X: "PPE"})
    api.resave(X, api.runs[-1].at + MINUTE / 2)
    with api:
        verdict = api.check()
        assert verdict.gate().undecided == (X,)
        with contextlib.redirect_stderr(io.StringIO()):
            assert ra.settle(verdict, client=api.client, progress=False).gate().ok


@pytest.mark.parametrize("dialect", ["fresh", "validity", "silent", "history"])
def test_108_a_run_of_older_code_mends_nothing_and_hides_nothing(dialect: str) -> None:
    letters = {X: "P" * 6 + "FF", Y: "P" * 6 + "FF"}
    api = ran("A" * 6 + "BB", "B", letters, validity=dialect == "validity")
    api.saved_at["extract"] = api.runs[5].at + HOUR
    if dialect in ("silent", "history"):
        say(api, None)
        api.history = dialect == "history"
    with api:
        assert {*api.check().gate().failing} == {X, Y}
        for _ in range(2):
            api.run("P" * 8, codes={"extract": "A"}, after=HOUR)
            verdict = api.check()
            assert {*verdict.gate().failing} == {X, Y}, verdict.explain()
            assert verdict.fixed.is_empty()


@pytest.mark.parametrize("history", [True, False])
def test_108_without_codes_the_api_decides_which_evals_have_run(history: bool) -> None:
    """B breaks X, then A runs again; nothing but the freshness tells B from A."""
    letters = {X: "P" * 6 + "FFP"}
    api = ran("A" * 6 + "BBA", "B", letters, fingerprints=False, history=history)
    api.saved_at["extract"] = api.runs[5].at + HOUR
    with api:
        assert {*api.check().gate().undecided} == {*EXTRACT}
        assert start(api) == [("extract", None)]
        assert api.check().gate().ok


def test_111_what_a_going_run_has_is_no_result_yet() -> None:
    """Neither on its block's code, nor of an eval that was saved before the run began."""
    api = silent("AAA", "B", after=3, fingerprints=False)
    api.resave("classify 0", api.runs[-1].at + HOUR, assertion__target__path="total.net")
    api.run({each: "U" if each == Y else "P" for each in BLOCKS}, after=2 * HOUR)
    with api:
        assert {*api.check().gate().undecided} == {*EXTRACT, "classify 0"}
        assert start(api) == []


def test_111_a_run_that_began_before_an_eval_was_saved_is_not_its_run() -> None:
    api = ran("AAA", "A")
    going = api.run(dict.fromkeys(BLOCKS, "U"))
    api.resave(X, going.at + MINUTE, assertion__target__path="total.net")
    api.now = going.at + HOUR
    with api:
        assert api.check().gate().undecided == (X,)
        assert start(api) == [("extract", X)]


def test_111_a_run_of_code_that_is_old_for_its_block_is_not_its_run() -> None:
    api = say(ran("AAA", "B", broken={"GET /v1/workflows/blocks": reply(403, {})}), STALE)
    api.run({**dict.fromkeys(BLOCKS, "U"), X: "P"}, codes={"extract": "A"}, after=HOUR)
    with api:
        assert start(api) == [("extract", None)]


def equal_and_stale() -> LetteredApi:
    return say(ran("AAA", "A"), STALE, [X])


def against_its_reason() -> LetteredApi:
    """X has the validity of its newest run, and a reason that says it has not."""
    return say(ran("AAA", "A", validity=True), STALE, [X])


def null_beside_fresh() -> LetteredApi:
    """Nothing that the API says of X has a code: neither its results nor what it remembers."""
    api = ran("AAA", "A")
    for run in api.runs:
        api.change(f"res_{run.id}_{X}", block_execution_fingerprint=None)
    for each in ("latest_run", "latest_passing_run"):
        api.change(X, **{f"{each}_summary__block_execution_fingerprint": None})
    return say(api, STALE, [X])


def other_validity() -> LetteredApi:
    """X is called fresh and Y unknown, and its validity has changed; the others confirm theirs."""
    api = ran("AAA", "A", validity=True)
    api.change(X, freshness__status="unknown", freshness__validity_fingerprint="validity B")
    return api


CONTRADICTIONS = {
    "freshness against an equal fingerprint": equal_and_stale,
    "validity against its own reason": against_its_reason,
    "a null code beside a fresh eval": null_beside_fresh,
    "unknown, and another validity": other_validity,
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_109_of_two_words_the_stricter_one_holds_for_that_eval(name: str) -> None:
    with CONTRADICTIONS[name]() as api:
        verdict = api.check()
        assert verdict.gate().undecided == (X,)
        assert verdict.headline.startswith("○ extract was edited: 1 of its 4 evals has not run")
        assert start(api) == [("extract", X)]


@pytest.mark.parametrize("history", [True, False])
def test_109_fresh_evals_are_of_now_whenever_the_block_was_saved(history: bool) -> None:
    api = ran("AAA", "A", history=history)
    api.saved_at["extract"] = api.runs[-1].at + HOUR / 2
    assert api.check().headline == PASSED


def test_110_an_edit_that_is_put_back_needs_no_run_where_the_validity_tells() -> None:
    with put_back() as api:
        assert api.check().gate().ok
        assert start(api) == []


def test_110_without_validity_one_run_ends_the_doubt() -> None:
    with say(ran("AAAB", "A", "PPPF", history=False), None) as api:
        api.saved_at["extract"], api.now = api.runs[-1].at + HOUR / 2, api.runs[-1].at + HOUR
        assert not api.check().gate().ok
        assert start(api) == [("extract", None)]
        assert api.check().gate().ok
        assert start(api) == []


@pytest.mark.parametrize("days", [0, 9])
def test_112_a_save_of_all_evals_costs_one_run_unless_the_server_made_it(days: int) -> None:
    api = ran("AAA", "A")
    at = api.runs[-1].at + days * 24 * HOUR + (HOUR if days else MINUTE / 2 + MINUTE / 4)
    for each in BLOCKS:
        api.resave(each, at)
    api.now = at + HOUR
    with api:
        verdict = api.check()
        if days == 0:
            assert verdict.headline == PASSED
            return
        assert (
            verdict.headline
            == "○ 8 evals were saved again and have not run since; nothing else broke"
        )
        assert verdict.gate().exit_code == 2
        api.run("P" * 8, after=10 * 24 * HOUR)
        api.now = None
        assert api.check().headline == PASSED


@pytest.mark.parametrize("seed", range(int(os.environ.get("SEQUENCES", 12))))
def test_suites_that_ran_whole_and_passed_are_green_whatever_was_edited(seed: int) -> None:
    """Edits come and go; in any dialect the newest whole run is of the draft."""
    draw = Random(seed)
    codes = "A" + "".join(draw.choice("ABC") for _ in range(draw.randrange(3, 9)))
    dialect = {name: draw.random() < 0.7 for name in ("history", "fingerprints", "memory")}
    api = ran(codes, codes[-1], **dialect)
    if draw.random() < 0.5:
        say(api, None)
    assert api.check().gate().exit_code == 0, (codes, dialect)


def test_a_queued_run_that_shows_no_code_lends_none() -> None:
    """Neither is what ran before it of the code that the API calls fresh, nor of a newer one."""
    api = ran("AAA", "B", history=False)
    api.saved_at["extract"] = api.runs[-1].at + HOUR
    api.run({each: "P" if each == X else "U" for each in BLOCKS}, after=2 * HOUR)
    for each in EXTRACT[1:]:
        api.change(each, latest_run_summary__block_execution_fingerprint=None)
    assert {*api.check().gate().undecided} == {*EXTRACT}


def test_an_eval_is_tested_by_one_result_of_its_code_and_its_definition() -> None:
    """A run of older code, after the save, tests the new definition on the wrong code."""
    api = silent("ABB", "B", after=1)
    api.resave(X, api.runs[-1].at + HOUR, assertion__target__path="total.net")
    api.run("P" * 8, codes={"extract": "A"}, after=2 * HOUR)
    assert api.check().gate().undecided == (X,)


def test_a_later_run_of_an_older_version_keeps_its_date() -> None:
    """It is earlier evidence in the order of codes; its day is said as it is."""
    with older_version() as api:
        api.remove(EXTRACT[1])
        [note] = api.check().gate().notes
        assert f"last run {api.runs[-1].at:%-d %b}" in note


def test_a_baseline_that_ran_later_takes_no_row_away() -> None:
    """An eval keeps its older row: the whole run after it has the eval, and is the baseline."""
    rows = {**dict.fromkeys(BLOCKS, "PPPP"), X: "PCPP"}
    codes = {"classify": "A", "extract": "AABBB"}
    with made(rows, codes=codes, published=["AA"]) as api:
        told = api.check(candidate="v1", baseline="run_2").evals
        assert told.filter(eval_id=X)["transition"].to_list() == ["still_passing"]
