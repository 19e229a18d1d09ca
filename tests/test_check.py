"""``check`` against the sandbox: what it finds, what it asks for, what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from support.fakes import STILL, client_for
from support.faultserver import FaultServer, Reply, page, reply
from support.inside import BROKEN, Comparison, NoBaselineError
from support.lettered_api import LetteredApi, alike
from support.made_runs import run_with
from support.small_world import (
    CURED,
    DRIFTED,
    EDITED,
    EVALS,
    FIRST,
    FLOW,
    LATE,
    MENDED,
    Small,
    small_api,
)
from support.watched import WatchedSandbox

import retab_analysis as ra
from retab_analysis import check

WORKFLOW = "wf_invoices"
DIFF = "GET /v1/workflows/versions/diff"
PLANTED = "extract_lines"  # the block whose prompt the newest version changed


@pytest.fixture(scope="module")
def world() -> Iterator[WatchedSandbox]:
    with WatchedSandbox(speed=STILL) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def client(world: WatchedSandbox) -> ra.Client:
    return ra.Client(**world.credentials)


@pytest.fixture(scope="module")
def whole(client: ra.Client) -> pl.DataFrame:
    """The whole-workflow runs that ended, the newest first."""
    runs = ra.fetch_runs(WORKFLOW, client=client, progress=False)
    return runs.filter(pl.col("scope") == "workflow", "is_terminal")


@pytest.fixture(scope="module")
def small() -> Iterator[Small]:
    with small_api() as api:
        yield api


def checked(api: Small, day: int | None = None, **more: Any) -> Comparison:
    """Check the run of a day, the newest if None."""
    candidate = None if day is None else api.run_of(day)
    return check(FLOW, candidate=candidate, client=api.client, progress=False, **more)


def broken(comparison: Comparison) -> pl.DataFrame:
    return comparison.evals.filter(pl.col("transition").is_in(BROKEN))


def names(evals: pl.DataFrame) -> list[str]:
    return sorted(evals["eval_name"])


# The sandbox's own story


def test_it_finds_what_the_newest_version_broke(client: ra.Client) -> None:
    made = check(WORKFLOW, client=client, progress=False)
    assert made.verdict == "regressed"
    found = broken(made)
    naive = made.evals.filter(
        pl.col("block_id") == PLANTED,
        pl.col("baseline_state") == "passed",
        pl.col("candidate_state").is_in(("failed", "blocked")),
    )
    assert naive.height >= 8
    assert names(found.filter(block_id=PLANTED)) == names(naive)
    assert found.filter(pl.col("block_id") != PLANTED).height <= 1
    assert naive["block_changed"].all()
    assert naive["cause"].unique().to_list() == ["edit"]
    assert naive["since_version_id"].n_unique() == 1
    assert not made.gate().ok


def test_what_is_flaky_edited_or_was_never_right_is_not_news(client: ra.Client) -> None:
    evals = check(WORKFLOW, client=client, progress=False).evals
    flaky = evals.filter(transition="flaky")
    assert flaky.height >= 2
    assert flaky["reason"].str.ends_with(": this eval alone shows no lasting change").all()
    assert (flaky["p_regressed"] <= 0.05).all()
    still = evals.filter(transition="still_failing")
    assert still["reason"].str.starts_with("never passed").all()


def test_it_says_what_it_compared_and_why(client: ra.Client, whole: pl.DataFrame) -> None:
    said = check(WORKFLOW, client=client, progress=False).compared
    assert said.startswith(
        f"Compared run {whole['run_id'][0]} of version {whole['workflow_version_id'][0]}, the "
        "newest run of the whole workflow that has ended, with each eval's own last good result: "
    )


# The requests


def asked(world: WatchedSandbox, piece: str) -> int:
    return len(world.requests.matching(piece))


def requests_of(small: Small, day: int) -> int:
    """How many requests a check of that day's run takes, without asking for the run."""
    run_id = small.run_of(day)
    small.asked.clear()
    check(FLOW, candidate=run_id, client=small.client, progress=False)
    return len(small.asked)


def test_it_asks_as_often_whether_red_or_green_and_not_more_than_needed(small: Small) -> None:
    green, red = requests_of(small, MENDED + 1), requests_of(small, EDITED + 1)
    assert broken(checked(small, MENDED + 1)).is_empty()
    assert not broken(checked(small, EDITED + 1)).is_empty()
    assert green <= 26
    # What broke by an edit costs two more: the configs of both versions.
    assert red == green + 2


def test_of_everything_it_asks_once(world: WatchedSandbox, client: ra.Client) -> None:
    world.requests.clear()
    check(WORKFLOW, client=client, progress=False)
    assert asked(world, "/evals/runs") == 1
    assert asked(world, "/workflows/evals?") == 1
    assert asked(world, "/evals/results") == 21


def test_one_progress_tells_of_all_that_is_read(client: ra.Client) -> None:
    class Told:
        def __init__(self) -> None:
            self.seen: list[tuple[int, int | None]] = []
            self.closed = 0

        def update(self, done: int, total: int | None = None, note: str = "") -> None:
            self.seen.append((done, total))

        def close(self) -> None:
            self.closed += 1

    told = Told()
    check(WORKFLOW, client=client, progress=told)
    assert told.seen == sorted(told.seen)
    assert {total for _, total in told.seen} == {21}
    assert told.seen[-1] == (21, 21)
    assert told.closed == 1


@pytest.mark.parametrize("history", [1, 5])
def test_the_history_is_as_long_as_asked(
    world: WatchedSandbox, client: ra.Client, history: int
) -> None:
    world.requests.clear()
    made = check(WORKFLOW, history=history, client=client, progress=False)
    assert asked(world, "/evals/results") == history + 1
    assert made.sides.history is not None
    # The last pass that a saved eval remembers is a result without a run.
    assert made.sides.history["run_id"].drop_nulls().n_unique() == history


def test_without_history_there_is_only_the_baseline(
    world: WatchedSandbox, client: ra.Client
) -> None:
    world.requests.clear()
    made = check(WORKFLOW, baseline="previous", history=0, client=client, progress=False)
    assert asked(world, "/evals/results") == 2
    assert "further run" not in made.compared
    with pytest.raises(NoBaselineError, match="because history=0"):
        check(WORKFLOW, history=0, client=client, progress=False)


# Checks in a row


def test_six_checks_after_a_bad_edit_are_red_until_it_is_mended(small: Small) -> None:
    before = checked(small, EDITED - 1)
    assert broken(before).is_empty()
    assert before.gate().ok
    for day in range(EDITED, EDITED + 6):
        made = checked(small, day)
        found = broken(made)
        assert names(found) == ["extract 0", "extract 1"], day
        assert found["cause"].unique().to_list() == ["edit"]
        assert found["since_run_id"].unique().to_list() == [small.run_of(EDITED)]
        assert found["baseline_run_id"].unique().to_list() == [small.run_of(EDITED - 1)]
        assert found["block_changed"].all()
        assert made.verdict == "regressed"
        assert not made.gate().ok
    mended = checked(small, MENDED)
    assert broken(mended).is_empty()
    assert names(mended.evals.filter(transition="fixed")) == ["extract 0", "extract 1"]
    assert mended.gate().ok


def test_six_checks_after_a_drift_are_red_from_the_second_on(small: Small) -> None:
    first = checked(small, DRIFTED).evals.filter(eval_name="classify 0")
    assert first["transition"].item() in ("suspect", "regressed")
    for day in range(DRIFTED + 1, DRIFTED + 6):
        made = checked(small, day)
        found = broken(made)
        assert names(found) == ["classify 0"], day
        assert found["cause"].item() == "drift"
        assert found["since_run_id"].item() == small.run_of(DRIFTED)
        assert found["block_changed"].item() is False
        assert not made.gate().ok
    cured = checked(small, CURED)
    assert broken(cured).is_empty()
    assert cured.gate().ok


def test_a_known_gap_never_counts(small: Small) -> None:
    for day in (FIRST + 1, EDITED, MENDED, -1):
        row = checked(small, day).evals.filter(eval_name="extract 2").row(0, named=True)
        assert (row["transition"], row["reason"]) == ("still_failing", "never passed")


def test_a_break_does_not_leave_the_window_of_the_history(small: Small) -> None:
    # Ten runs after the break, of which only three are read: no pass is among them.
    made = checked(small, history=3)
    (row,) = broken(made).iter_rows(named=True)
    assert row["eval_name"] == "classify 1"
    assert (row["baseline_state"], row["baseline_run_id"]) == ("passed", None)
    assert "what the saved evals remember" in made.compared
    # There were other runs between that pass and those that were read, and one of them may have
    # been the first to fail, before the block was edited.
    assert row["cause"] == "unknown"
    said = " at the latest: 0 of 4 passed; before, 1 of 1; its block was edited since that pass"
    assert said in row["reason"]
    assert re.search(r"is broken since .* at the latest; the probability", made.explain())
    assert made.headline.startswith("1 broke in classify, ")
    assert not made.gate().ok
    longer = checked(small, history=LATE * -2)
    (same,) = broken(longer).iter_rows(named=True)
    assert (same["eval_name"], same["since_run_id"]) == ("classify 1", small.run_of(LATE))
    assert same["baseline_run_id"] == small.run_of(LATE - 1)
    assert "at the latest" not in same["reason"] + longer.explain()


LETTERED = alike(8, "P" * 130)


def check_lettered(upto: int, codes: str, history: int = 20, **evals: str) -> Comparison:
    """Check the newest of so many runs; the code of the last letter stays."""
    with LetteredApi({**LETTERED, **evals}, codes, upto=upto) as api:
        made = api.check(history=history)
    assert api.asked.count("GET /v1/workflows/evals/results") == 1 + min(upto - 1, history)
    return made


@pytest.mark.parametrize("history", [10, 20])
def test_a_break_stays_red_and_keeps_its_date_while_the_window_moves_over_it(history: int) -> None:
    codes = "A" * 20 + "B" * 15 + "C"  # broken by B, and not by the edit that followed
    for upto in (24, 30, 31, 32, 37, 38, 39, 40, 41, 42, 55, 90, 119):
        made = check_lettered(upto, codes, history, bad="P" * 20 + "F" * 110)
        (row,) = broken(made).iter_rows(named=True)
        assert not made.gate().ok
        assert row["since_version_id"] == "version_B", upto
        assert (row["since_run_id"], row["cause"]) == ("run_20", "edit"), upto
        assert row["baseline_run_id"] == "run_19"


def test_what_drifted_stays_red_with_any_number_of_passes_in_the_window() -> None:
    for upto in (24, *range(36, 46), 125, 130):
        made = check_lettered(upto, "A", bad="P" * 20 + "F" * 110)
        assert [each["eval_name"] for each in broken(made).iter_rows(named=True)] == ["bad"], upto


def look_at_bad(
    again: str = "",
    then: str = "",
    before: int = 12,
    codes: str = "A",
    memory: bool = True,
    **changes: Any,
) -> tuple[Comparison, dict[str, Any]]:
    """Check after so many runs, the last of which failed.

    Args:
        again: What became of it in runs of it alone since.
        then: What became of it in whole runs after these.
        before: How many whole runs there were first.
        codes: The code of each run.
        memory: Whether the saved evals remember their latest pass.
        **changes: What is changed in each result of the runs of it alone.
    """
    api = LetteredApi(
        {
            **alike(8, "P" * before + "." * len(again) + "P" * len(then)),
            "bad": "P" * (before - 1) + "F" + again + then,
        },
        codes,
        scopes="W" * before + "E" * len(again) + "W",
        memory=memory,
    )
    for run in api.runs:
        if run.scope == "E":
            api.change(f"res_{run.id}_bad", **changes)
    made = api.check()
    return made, made.evals.filter(eval_id="bad").row(0, named=True)


@pytest.mark.parametrize("number", [99, 101])
def test_runs_of_single_evals_do_not_hide_those_of_the_workflow(number: int) -> None:
    # On another version, so that they say nothing about the candidate.
    made, _ = look_at_bad("P" * number, before=30, codes="A" * 30 + "B")
    alone, _ = look_at_bad(before=30)
    assert made.evals.equals(alone.evals)
    assert set(made.evals["candidate_run_id"]) == {"run_29"}
    assert made.sides.history["run_id"].n_unique() == 20  # type: ignore[index]


def test_runs_of_single_evals_between_hardly_shorten_the_history() -> None:
    bad = "P" * 29 + "F"
    fine = alike(8, ("P" + "." * 12) * 30)
    between = "".join(letter + "P" * 12 for letter in bad)
    api = LetteredApi({**fine, "bad": between}, scopes=("W" + "E" * 12) * 30)
    for run in api.runs:
        if run.scope == "E":
            run.results = []
    made = api.check()
    # They have no results, and are not more than one in five of what is read.
    assert made.sides.history["run_id"].n_unique() == 16  # type: ignore[index]
    alone, _ = look_at_bad(before=30)
    told = ("eval_id", "transition", "cause")
    assert made.evals.select(told).equals(alone.evals.select(told))


@pytest.mark.parametrize("letter", ["P", "F"])
def test_what_was_run_again_on_the_same_version_counts(letter: str) -> None:
    _, before = look_at_bad(before=30)
    made, now = look_at_bad(4 * letter, before=30)
    assert made.sides.reruns is not None
    assert made.sides.reruns.height == 4
    assert "4 verdicts of reruns are counted as well." in made.explain()
    assert (before["transition"], before["candidate_n"], now["candidate_n"]) == ("suspect", 1, 5)
    assert (now["p_regressed"] > before["p_regressed"]) == (letter == "F")
    assert now["transition"] == {"P": "flaky", "F": "regressed"}[letter]
    # Reruns belong to the run before them.
    assert look_at_bad(4 * letter, "F", before=30)[0].sides.reruns is None


def test_what_was_run_again_still_counts_once_there_is_a_newer_run() -> None:
    alone, without = look_at_bad("", "F")
    assert without["transition"] == "regressed"
    cleared, passed = look_at_bad("PPPP", "F")
    assert passed["transition"] != "regressed"
    said = "4 verdicts of earlier reruns are counted as well, but not in the pass rate."
    assert said in cleared.explain()
    _, failed = look_at_bad("FFFF", "F")
    assert failed["p_regressed"] > without["p_regressed"]
    assert failed["since_run_id"] == "run_11"
    assert "0 of 6 passed" in failed["reason"]
    # One pass does not mend what was confirmed.
    _, lucky = look_at_bad("FFFF", "P")
    _, thought_mended = look_at_bad("", "P")
    assert "it may still fail now and then" in lucky["reason"]
    assert "may still fail" not in thought_mended["reason"]
    # What was chosen because it failed does not say how the suite does.
    shown = ("delta", "delta_low", "delta_high", "p_value", "baseline_pass_rate")
    assert cleared.summary.select(shown).equals(alone.summary.select(shown))


def test_a_break_that_reruns_confirmed_is_still_red_in_the_next_run() -> None:
    _, once = look_at_bad(before=4)
    confirmed, sure = look_at_bad("FFFF", before=4)
    following, still = look_at_bad("FFFF", "F", before=4)
    assert once["transition"] == "suspect"
    assert (sure["transition"], still["transition"]) == ("regressed", "regressed")
    assert not confirmed.gate().ok
    assert not following.gate().ok


@pytest.mark.parametrize("codes", ["A" * 12 + "BBBBA", "A"], ids=["version", "code"])
def test_what_was_run_again_on_other_code_does_not_count(codes: str) -> None:
    other = {"block_execution_fingerprint": "a draft that was edited"} if codes == "A" else {}
    _, row = look_at_bad("PPPP", "F", codes=codes, memory=False, **other)
    _, without = look_at_bad("", "F", memory=False)
    told = ("transition", "p_regressed", "cause", "since_run_id", "baseline_run_id", "candidate_n")
    assert [row[each] for each in told] == [without[each] for each in told]


@pytest.mark.parametrize(("history", "reruns"), [(2, 0), (5, 1), (20, 4)])
def test_one_in_five_of_the_earlier_runs_may_be_a_rerun(history: int, reruns: int) -> None:
    evals = {**alike(8, "P" * 30 + "." * 30 + "P"), "bad": "P" * 29 + "F" + "P" * 30 + "F"}
    with LetteredApi(evals, scopes="W" * 30 + "E" * 30 + "W") as api:
        made = api.check(history=history)
    assert api.asked.count("GET /v1/workflows/evals/results") == 1 + history
    assert made.sides.earlier_rerun_verdicts == reruns


@pytest.mark.parametrize(
    "bad",
    [
        "P" * 15 + "FFFP" + "F" * 80,
        "P" * 13 + "FP" + "F" * 80,
        "PCCPCCPCCPCCPCCP" + "F" * 80,
        "P" * 16 + "FFP" * 10,
    ],
    ids=["a lucky pass", "one failure before", "cancelled runs before", "two of three fail"],
)
def test_a_break_does_not_turn_green_as_the_good_past_gets_older(bad: str) -> None:
    for upto in (22, 30, 35, 36, 38, 44, 60, 80):
        if upto <= len(bad) and bad[upto - 1] == "F":
            made = check_lettered(upto, "A" * 16 + "B", bad=bad)
            assert [each["eval_name"] for each in broken(made).iter_rows(named=True)] == ["bad"]
            assert not made.gate().ok


def test_what_may_have_begun_in_runs_that_were_not_read_is_said() -> None:
    # The saved eval remembers the lucky pass, and not where the passes before the break ended.
    made = check_lettered(60, "A" * 16 + "B", bad="P" * 16 + "FFFP" + "F" * 40)
    (row,) = broken(made).iter_rows(named=True)
    assert row["since_run_id"] not in (None, "run_16")
    assert row["cause"] == "unknown"
    assert re.search(r"^worse since version_B .* runs read\) at the latest: 1 of", row["reason"])
    assert "is broken since version_B" in made.explain()
    assert "at the latest" in made.explain()
    assert re.search(r"^1 regressed since version_B .* at the latest: bad", made.gate().reasons[0])


def test_dates_of_breaks_between_which_runs_are_not_read_stay_right() -> None:
    codes = "A" * 40 + "B"
    for upto in (45, 55, 58, 60, 66, 70):
        made = check_lettered(upto, codes, old="P" * 15 + "F" * 55, edited="P" * 40 + "F" * 30)
        since = dict(broken(made).select("eval_name", "since_run_id").iter_rows())
        cause = dict(broken(made).select("eval_name", "cause").iter_rows())
        assert since == {"old": "run_15", "edited": "run_40"}, upto
        assert cause == {"old": "drift", "edited": "edit"}, upto


@pytest.mark.parametrize(
    "bad",
    [
        "P" * 5 + "F" * 25 + "P" * 20 + "F" * 45,
        "F" * 25 + "P" * 20 + "F" * 45,
        "P" * 15 + "F" * 15 + "P" * 30 + "F" * 50,
    ],
    ids=["an episode", "bad at first", "an episode long ago"],
)
def test_what_was_bad_long_ago_does_not_hide_a_break(bad: str) -> None:
    broke = len(bad.rstrip("F"))
    for upto in (broke + 5, broke + 10, broke + 14, broke + 18, broke + 30, broke + 44):
        made = check_lettered(upto, "A", bad=bad)
        assert not made.gate().ok, upto
        (row,) = broken(made).iter_rows(named=True)
        assert row["since_run_id"] == f"run_{broke}"


@pytest.mark.parametrize("others", [0, 1, 4])
def test_old_breaks_of_others_do_not_hide_one_with_a_lucky_pass(others: int) -> None:
    more = {f"old {at}": "P" * (25 + 5 * at) + "F" * 90 for at in range(others)}
    for upto in (42, 58, 75, 90):
        made = check_lettered(upto, "A", bad="P" * 15 + "FFFFFP" + "F" * 80, **more)
        assert "bad" in broken(made)["eval_name"].to_list(), upto


def test_a_cause_is_not_told_across_runs_that_were_not_read() -> None:
    # Read are hardly any of the runs between the drift at 30 and the edit that broke others.
    evals = {
        **{f"edited {at}": "P" * 45 + "F" * 20 for at in range(3)},
        **{"older": "P" * 27 + "F" * 40, "bad": "P" * 30 + "F" * 40},
    }
    made = LetteredApi({**evals, "fine": "P" * 60}, codes="A" * 42 + "BBBC", upto=60).check()
    (row,) = broken(made).filter(eval_name="bad").iter_rows(named=True)
    assert (row["since_run_id"], row["cause"]) == ("run_30", "drift") or (
        row["cause"] == "unknown" and "at the latest" in row["reason"]
    )
    # A baseline that is much older than the candidate, and nothing in between.
    api = LetteredApi({**LETTERED, "bad": "P" * 40 + "F" * 30}, codes="A" * 40 + "B")
    for baseline, history in (("run_20", 0), ("run_20", 5), ("run_55", 5)):
        made = api.check(candidate="run_69", baseline=baseline, history=history)
        (row,) = made.evals.filter(eval_name="bad").iter_rows(named=True)
        assert row["cause"] == "unknown"
        assert "at the latest" in row["reason"]


def test_an_old_candidate_is_not_judged_by_what_passed_later() -> None:
    evals = {**LETTERED, "bad": "P" * 15 + "F" * 31 + "P" * 20}
    for upto in (46, 47, 56):
        made = LetteredApi(evals, codes="A" * 15 + "B", upto=upto).check(candidate="run_45")
        assert [each["eval_name"] for each in broken(made).iter_rows(named=True)] == ["bad"], upto


def test_what_a_run_that_ended_early_left_out_is_not_removed() -> None:
    evals = {**alike(8, "P" * 30), "fine 0": "P" * 31, "bad": "P" * 28 + "FF."}
    for status in ("error", "cancelled", "completed"):
        api = LetteredApi(evals)
        api.change("run_30", total_evals=9)
        api.runs[-1].status = status
        made = api.check()
        counts = made.summary.row(0, named=True)
        assert (counts["incomplete"], counts["removed"], counts["still_passing"]) == (8, 0, 1)
        assert not made.gate().ok
        assert "bad" in str(made.gate().reasons)


def test_several_old_breaks_have_their_own_dates() -> None:
    made = check_lettered(
        60, "A", one="P" * 20 + "F" * 40, two="P" * 30 + "F" * 30, three="P" * 33 + "F" * 27
    )
    since = dict(broken(made).select("eval_name", "since_run_id").iter_rows())
    assert since == {"one": "run_20", "two": "run_30", "three": "run_33"}


def test_a_definition_that_was_edited_long_ago_is_no_break() -> None:
    evals = {**alike(8, "P" * 45), "edited": "P" * 20 + "F" * 25}
    made = LetteredApi(evals, definitions={"edited": "A" * 20 + "B" * 25}).check()
    assert broken(made).is_empty()


@pytest.mark.parametrize("letters", ["P" * 15 + "FE", "P" * 15 + "FFFFE", "P" * 15 + "FFFFEEEE"])
def test_an_error_does_not_hide_a_break(letters: str) -> None:
    made = check_lettered(len(letters), "A" * 15 + "B", bad=letters)
    (row,) = made.evals.filter(eval_name="bad").iter_rows(named=True)
    assert (row["transition"], row["baseline_state"]) == ("newly_errored", "passed")
    assert not made.gate().ok
    assert "bad" in made.reruns["eval_name"]


def test_a_soft_break_that_passes_now_and_then_is_not_called_mended() -> None:
    codes = "A" * 20 + "B"
    for letters, red in (("FFF", True), ("FFFP", False), ("FFFPFF", True), ("FFFPFFP", False)):
        made = check_lettered(20 + len(letters), codes, bad="P" * 20 + letters)
        (row,) = made.evals.filter(eval_name="bad").iter_rows(named=True)
        assert made.gate().ok != red
        if not red:
            passed = letters.count("P"), len(letters)
            assert "{} of {} passed since it broke".format(*passed) in row["reason"]
            assert "mended" not in made.explain()
            assert "was fixed" not in made.explain()


def test_the_code_of_a_block_is_compared_with_each_evals_own_result(small: Small) -> None:
    # The version before the candidate's differs in the other block alone.
    made = checked(small, LATE)
    assert broken(made)["block_changed"].to_list() == [True]
    others = made.evals.filter(pl.col("transition") == "still_passing")
    assert others.filter(block_id="extract")["block_changed"].any() is False
    assert others.filter(block_id="classify")["block_changed"].all()


def test_the_same_check_says_the_same(small: Small) -> None:
    once, twice = checked(small), checked(small)
    assert once.evals.equals(twice.evals)
    assert once.explain() == twice.explain()
    assert once.gate() == twice.gate()


# Baselines


def compared_runs(comparison: Comparison, side: str) -> list[str]:
    return comparison.evals[f"{side}_run_id"].drop_nulls().unique().to_list()


def test_the_last_run_in_which_every_eval_passed(client: ra.Client, whole: pl.DataFrame) -> None:
    good = whole[1:].filter("ok").head(1)
    made = check(WORKFLOW, baseline="last_ok", client=client, progress=False)
    assert made.sides.baseline is not None
    assert made.sides.baseline["run_id"].unique().to_list() == [good["run_id"][0]]
    assert (
        f"with run {good['run_id'][0]} of version {good['workflow_version_id'][0]}, the newest run "
        "before it in which every eval passed, in the light of 20 further runs." in made.compared
    )


def test_where_no_run_was_wholly_good_that_is_said(small: Small) -> None:
    with pytest.raises(NoBaselineError, match=r"in none of the \d+ runs .* did every eval pass"):
        checked(small, baseline="last_ok")


def test_the_previous_run(small: Small) -> None:
    made = checked(small, EDITED + 1, baseline="previous")
    assert compared_runs(made, "baseline") == [small.run_of(EDITED)]
    assert "the newest run that completed before it" in made.compared
    # Against that run alone nothing is new; each eval's own past says more.
    assert broken(made).is_empty()
    assert made.evals.filter(eval_name="extract 0")["transition"].item() == "still_failing"


def test_the_published_version(small: Small) -> None:
    made = checked(small, baseline="published")
    assert compared_runs(made, "baseline") == [small.run_of(LATE - 1)]
    assert "the newest run of the published version" in made.compared
    assert names(broken(made)) == ["classify 1"]
    changed = made.evals.filter("block_changed")
    assert changed["block_id"].unique().to_list() == ["classify"]


def test_where_nothing_is_published_that_is_said(client: ra.Client) -> None:
    with pytest.raises(NoBaselineError, match="workflow wf_statements has no published version"):
        check("wf_statements", baseline="published", client=client, progress=False)


def test_runs_and_versions_by_name(small: Small) -> None:
    runs = small.runs_frame()
    new, old = small.run_of(-1), small.run_of(EDITED - 3)
    given = runs.filter(run_id=new)
    for candidate in (new, [new], given, given.lazy(), given["run_id"]):
        made = check(FLOW, candidate=candidate, baseline=old, client=small.client, progress=False)
        assert compared_runs(made, "candidate") == [new]
        assert compared_runs(made, "baseline") == [old]
    version = runs.filter(run_id=old)["workflow_version_id"].item()
    made = checked(small, baseline=version)
    assert compared_runs(made, "baseline") == [small.run_of(EDITED - 1)]
    assert "the newest run of that version" in made.compared
    made = check(FLOW, candidate=version, client=small.client, progress=False)
    assert compared_runs(made, "candidate") == [small.run_of(EDITED - 1)]


def test_a_baseline_that_is_later_counts_as_earlier(small: Small) -> None:
    made = checked(small, EDITED, baseline=small.run_of(MENDED))
    assert names(broken(made)) == ["extract 0", "extract 1"]


def test_an_old_baseline_is_named_as_such_in_the_first_sentence(small: Small) -> None:
    made = checked(small, -1, baseline=small.run_of(-40))
    assert "(which is 39 days older)" in made.compared.split(". ")[0]
    assert "days older" not in checked(small, -1, baseline=small.run_of(-20)).compared


def test_a_baseline_that_lacks_evals_is_named_as_such(
    client: ra.Client, whole: pl.DataFrame
) -> None:
    half = whole.filter(status="cancelled").tail(1)
    oldest = whole.tail(1)
    made = check(WORKFLOW, baseline=oldest["run_id"][0], client=client, progress=False)
    evals = set(made.sides.candidate["eval_id"])
    assert made.sides.baseline is not None
    missing = len(evals - set(made.sides.baseline["eval_id"]))
    assert half.height == 1
    assert f"lacks {missing} of the {len(evals)} evals)" in made.compared.split(". ")[0]


def test_several_runs_are_one_side(small: Small) -> None:
    ids = [small.run_of(day) for day in (EDITED, EDITED + 1, EDITED + 2)]
    made = check(FLOW, candidate=ids, client=small.client, progress=False)
    assert made.evals["candidate_n"].to_list() == [3] * 2 * EVALS
    assert names(broken(made)) == ["extract 0", "extract 1"]
    assert (broken(made)["p_regressed"] > 0.95).all()


# Scopes


def test_a_run_of_a_block_is_compared_with_that_block(client: ra.Client) -> None:
    runs = ra.fetch_runs(WORKFLOW, client=client, progress=False)
    block = runs.filter(
        pl.col("scope") == "block", "is_terminal", pl.col("target_block_id") == PLANTED
    ).head(1)
    for baseline in ("last_good", "previous"):
        made = check(WORKFLOW, candidate=block, baseline=baseline, client=client, progress=False)
        assert set(made.evals["block_id"]) == {PLANTED}
        assert made.summary["removed"].item() == 0
    assert made.verdict == "regressed"


def test_a_run_of_an_eval_is_compared_with_that_eval(client: ra.Client) -> None:
    runs = ra.fetch_runs(WORKFLOW, client=client, progress=False)
    single = runs.filter(pl.col("scope") == "eval", "is_terminal").head(1)
    for baseline in ("last_good", "previous"):
        made = check(WORKFLOW, candidate=single, baseline=baseline, client=client, progress=False)
        assert made.evals["eval_id"].to_list() == single["eval_id"].to_list()


def test_a_whole_run_is_compared_with_a_block_where_that_is_the_baseline(
    client: ra.Client,
) -> None:
    runs = ra.fetch_runs(WORKFLOW, client=client, progress=False)
    block = runs.filter(pl.col("scope") == "block", "is_terminal").head(1)
    made = check(WORKFLOW, baseline=block, client=client, progress=False)
    assert set(made.evals["block_id"]) == {block["target_block_id"].item()}


def test_what_failed_in_a_run_of_its_block_did_not_break_later(client: ra.Client) -> None:
    runs = ra.fetch_runs(WORKFLOW, client=client, progress=False)
    made = check(WORKFLOW, client=client, progress=False)
    now = runs.filter(pl.col("run_id") == made.evals["candidate_run_id"].drop_nulls()[0])
    block = runs.filter(
        pl.col("target_block_id") == PLANTED,
        pl.col("workflow_version_id") == now["workflow_version_id"].item(),
        pl.col("created_at") < now["created_at"].item(),
    )
    assert block.height == 1
    since = set(broken(made)["since_run_id"])
    assert since == {block["run_id"].item()}
    assert (made.evals.filter(pl.col("transition") == "regressed")["cause"] == "edit").all()


# A candidate that has not ended


def test_a_run_that_goes_on_is_counted_and_its_evals_are_not_listed() -> None:
    with small_api() as api:
        ended = 3
        started = api.run("P" * ended + "U" * (2 * EVALS - ended)).id
        run = ra.fetch_run(started, client=api.client)
        made = check(FLOW, candidate=started, client=api.client, progress=False)
        again = check(FLOW, candidate=run, client=api.client, progress=False)
    total = 2 * EVALS
    coming = f"not ended yet: {total - ended} of {total} are still to come"
    assert again.headline.startswith(coming)
    assert again.sides.waiting == (total - ended, total)
    assert made.sides.waiting[1] == total
    gate = again.gate()
    assert gate.reasons[0] == f"{coming.capitalize()}."
    undecided = again.evals.filter(transition="incomplete")
    assert undecided.height == total - ended
    said = " ".join((*gate.reasons, *gate.notes, again.explain(), repr(again)))
    assert not any(name in said for name in undecided["eval_name"])


def test_the_run_that_was_just_waited_for() -> None:
    with ra.Sandbox(speed=5000) as sandbox:
        client = ra.Client(**sandbox.credentials)
        started = ra.start_runs(WORKFLOW, block_ids=[PLANTED], client=client)
        ended = ra.wait_for_runs(started, interval=0.1, client=client)
        made = check(WORKFLOW, candidate=ended, client=client, progress=False)
    assert compared_runs(made, "candidate") == ended["run_id"].to_list()
    assert made.verdict == "regressed"


# What fails


@pytest.mark.parametrize("status", [404, 422])
def test_without_a_version_diff_the_fingerprints_do(status: int) -> None:
    with small_api() as api:
        api.fail(DIFF, reply(status))
        made = checked(api, EDITED, baseline="previous")
        assert api.asked.count(DIFF) == 1
    assert broken(made)["block_changed"].all()


def test_any_other_failure_is_one() -> None:
    with small_api() as api:
        api.fail(DIFF, reply(403))
        with pytest.raises(ra.PermissionDeniedError):
            checked(api, EDITED)


@pytest.mark.parametrize(
    ("workflow", "arguments", "message"),
    [
        (WORKFLOW, {"candidate": "nope"}, "'nope' is not a run or a version .* versions: draft_"),
        (WORKFLOW, {"baseline": "nope"}, "'nope' is not a run or a version"),
        (WORKFLOW, {"candidate": []}, "candidate names no run"),
        (WORKFLOW, {"candidate": 3}, "candidate must be"),
        (WORKFLOW, {"baseline": None}, "baseline is None; expected an id"),
        (WORKFLOW, {"history": -1}, "history must be"),
        (WORKFLOW, {"history": None}, "history must be"),
        (WORKFLOW, {"history": 2.5}, "history must be"),
        (WORKFLOW, {"alpha": 2}, "alpha must be"),
        (WORKFLOW, {"margin": 0}, "margin must be"),
        ("wf_untitled", {}, "workflow wf_untitled has no run; is that its id"),
    ],
)
def test_arguments_that_cannot_be_used(
    client: ra.Client, workflow: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ra.ConfigError, match=message):
        check(workflow, client=client, progress=False, **arguments)


def test_the_oldest_run_has_nothing_before_it(small: Small) -> None:
    for baseline in ("last_good", "previous", "last_ok"):
        with pytest.raises(ra.ConfigError, match=f"baseline='{baseline}'"):
            checked(small, FIRST, baseline=baseline)


def test_a_workflow_none_of_whose_runs_has_ended_has_no_candidate() -> None:
    def answer(request: str) -> Reply:
        runs = [
            run_with("r1", "running", running=1, workflow_id="wf_1"),
            run_with("r2", "queued", queued=1, workflow_id="wf_1"),
        ]
        return reply(body=page(runs if "/evals/runs?" in request else []))

    with FaultServer([answer]) as server:
        client = client_for(server.url)
        with pytest.raises(ra.ConfigError, match="has ended among the 2 newest; start one with"):
            check("wf_1", client=client, progress=False)


def test_a_run_of_another_workflow_is_refused(client: ra.Client, whole: pl.DataFrame) -> None:
    for candidate in (whole["run_id"][0], whole.head(1)):
        with pytest.raises(ra.ConfigError, match="is of workflow wf_invoices, not wf_claims"):
            check("wf_claims", candidate=candidate, client=client, progress=False)


def test_what_a_saved_eval_remembers_counts_once_and_only_as_earlier() -> None:
    from support.inside import EVALS, RESULTS, RUNS, add_last_passes

    with small_api() as api:
        evals = ra.fetch_evals(FLOW, client=api.client, progress=False)
        candidate = ra.fetch_run(api.run_of(-1), client=api.client)
    (row,) = evals.filter(eval_name="classify 1").to_dicts()
    passed_at = row["last_passed_at"]

    def remembered(**changes: Any) -> pl.DataFrame:
        frame = pl.DataFrame([row | changes], schema=EVALS.schema)
        return add_last_passes(RESULTS.empty(), frame, candidate)

    (added,) = remembered().to_dicts()
    assert (added["state"], added["eval_id"], added["created_at"]) == (
        "passed",
        row["eval_id"],
        passed_at,
    )
    assert added["block_execution_fingerprint"] == row["last_passed_block_fingerprint"]
    day = timedelta(days=1)
    assert remembered(last_passed_at=None).is_empty()
    # That moves with a new name, too, or whenever the API notes how a run went.
    assert remembered(updated_at=passed_at + day).height == 1
    assert remembered(last_passed_at=candidate["created_at"].item() + day).is_empty()
    # What was read already is not added once more.
    read = remembered().with_columns(completed_at=pl.col("created_at"))
    again = add_last_passes(read, pl.DataFrame([row], schema=EVALS.schema), candidate)
    assert again.height == 1
    assert candidate.schema == RUNS.schema
