"""``settle``: run again only what one more result may decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from comparison.cases import hand_made
from support.fakes import Recorder, client_for
from support.faultserver import Reply, reply
from support.frames import many, results
from support.inside import (
    SURE,
    UNLIKELY,
    Comparison,
    compare,
    compare_sides,
    inside,
    run_again,
)
from support.lettered_api import MINUTE, LetteredApi, alike
from support.small_world import FLOW, Small, small_api

import retab_analysis as ra
from retab_analysis import check, settle

UNDECIDED = ["classify 1", "extract 3", "extract 4"]
"""What one run leaves open in the small world: a break, an accident, and an error."""
RUNS = "/v1/workflows/evals/runs"
EDITED = "A" * 60 + "B"
"""The letters of what was edited after the sixtieth run."""


@pytest.fixture
def unsure() -> Iterator[Small]:
    """A world in which the last edit came today; nobody waits for real."""
    with small_api(unsure=True) as api:
        yield api


def checked(api: Small, **more: Any) -> Comparison:
    return check(FLOW, client=api.client, progress=False, **more)


def settled(api: Small, comparison: Comparison | None = None, **more: Any) -> Comparison:
    first = checked(api) if comparison is None else comparison
    api.asked.clear()
    return settle(first, client=api.client, **({"progress": False} | more))


def starts(api: Small) -> int:
    """How many runs were asked for since the requests were counted anew."""
    return api.asked.count(f"POST {RUNS}")


def counted(comparison: object) -> int:
    """How many results of reruns a comparison counts."""
    assert isinstance(comparison, Comparison)
    sides = inside(comparison).sides
    return sides.candidate.filter(run_scope="eval").height


def transition(comparison: Comparison, name: str) -> dict[str, Any]:
    return comparison.evals.filter(eval_name=name).row(0, named=True)


def started_runs(api: Small) -> pl.DataFrame:
    """The runs of single evals; the world's past has none."""
    runs = ra.fetch_runs(FLOW, client=api.client, progress=False)
    return runs.filter(pl.col("scope") != "workflow")


def test_what_is_unclear_is_run_again_once(unsure: Small) -> None:
    first = checked(unsure)
    assert sorted(first.reruns["eval_name"]) == UNDECIDED
    assert transition(first, "extract 4")["transition"] == "newly_errored"
    last = settled(unsure, first)
    # A model repeats its output for a while: a rerun that fails confirms nothing.
    before, after = (transition(each, "classify 1") for each in (first, last))
    assert (after["transition"], after["cause"]) == ("regressed", "edit")
    assert after["p_regressed"] == pytest.approx(before["p_regressed"], abs=0.01)
    assert transition(last, "extract 4")["transition"] == "still_passing"
    assert transition(last, "extract 4")["p_regressed"] <= UNLIKELY
    before, after = (transition(each, "extract 3") for each in (first, last))
    assert after["transition"] == "suspect"
    assert after["p_regressed"] < before["p_regressed"] / 2
    assert last.reruns["eval_name"].to_list() == ["classify 1", "extract 3"]
    # What was decided was not run, and nothing was cancelled.
    again = started_runs(unsure)
    assert sorted(again["eval_id"]) == sorted(first.reruns["eval_id"])
    assert starts(unsure) == counted(last) == again.height
    assert again["status"].unique().to_list() == ["completed"]
    untouched = ~pl.col("eval_name").is_in(UNDECIDED)
    for column in ("transition", "candidate_n", "candidate_result_id"):
        before, after = (
            each.evals.filter(untouched).sort("eval_id")[column] for each in (first, last)
        )
        assert before.to_list() == after.to_list()
    # Reruns have the names, conditions and documents of their evals.
    known = inside(last).sides.candidate.join(again, on="eval_id", how="semi").group_by("eval_id")
    for name in ("eval_name", "condition", "document_names"):
        found = known.agg(pl.col(name).drop_nulls().unique())  # an error has no condition
        assert found[name].list.len().to_list() == [1] * again["eval_id"].n_unique()


EARLY = "2 evals are unclear; a look after 13:00 UTC may decide."


def test_called_too_early_it_says_from_when_on_and_starts_nothing(unsure: Small) -> None:
    bar = Recorder()
    first = checked(unsure)
    assert first.next_step.code == "verdict = ra.settle(verdict)"
    last = settled(unsure, first, progress=bar)
    assert bar.told[-1][2] == (
        "classify 1 broke, with some doubt; extract 3 is not decided by reruns: look again after "
        "13:00 UTC; extract 4 passes."
    )
    at = {each: transition(last, each)["decides_at"] for each in UNDECIDED}
    assert at.pop("extract 4") is None
    assert {f"{each:%d %H:%M}" for each in at.values()} == {"30 13:00"}
    # What can be done now comes before what has to wait.
    assert last.next_step.code == "verdict.values()"
    waits = last.gate(accepted=["classify 1"])
    assert waits.exit_code == 2
    assert "a look after 30 May 13:00 UTC may decide" in last.to_markdown()
    for made in (last, checked(unsure)):
        again = Recorder()
        assert settled(unsure, made, progress=again) is made
        assert starts(unsure) == 0
        assert [each[2] for each in again.told] == [EARLY]


def test_a_row_is_over_a_moment_after_its_end(unsure: Small) -> None:
    settled(unsure)
    for seconds, runs in ((0, 0), (1, 2)):
        unsure.now = unsure.runs[60 - 1].at + timedelta(hours=3, seconds=30 + seconds)
        settled(unsure)
        assert starts(unsure) == runs


def hours_later(api: LetteredApi, hours: float = 4) -> Comparison:
    """The same check some hours after the newest run; by it the client learns what time it is."""
    api.now = api.runs[-1].at + timedelta(hours=hours)
    made: Comparison = api.check()
    return made


def test_later_looks_decide(unsure: Small) -> None:
    settled(unsure)
    first = hours_later(unsure)
    second = settled(unsure, first)
    assert starts(unsure) == 2
    broken = transition(second, "classify 1")
    assert (broken["transition"], broken["cause"]) == ("regressed", "edit")
    assert broken["p_regressed"] >= SURE
    assert second.reruns["eval_name"].to_list() == ["extract 3"]
    third = settled(unsure, hours_later(unsure))
    assert starts(unsure) == 1
    assert transition(third, "extract 3")["transition"] == "still_passing"
    assert transition(third, "extract 3")["p_regressed"] <= UNLIKELY
    assert third.reruns.is_empty()
    later = hours_later(unsure)
    assert settled(unsure, later) is later
    assert starts(unsure) == 0


def test_the_next_check_says_what_settle_found_out(unsure: Small) -> None:
    first = checked(unsure)
    last = settled(unsure, first)
    again = checked(unsure)
    assert again.evals.equals(last.evals)
    assert again.gate() == last.gate()
    assert again.explain() == last.explain()
    assert again.headline == last.headline
    assert not again.evals.equals(first.evals)
    assert settled(unsure, again) is again


@pytest.mark.parametrize("most", [0, 1, 2, 4])
def test_no_more_is_started_than_allowed(unsure: Small, most: int) -> None:
    settled(unsure, max_reruns=most)
    assert starts(unsure) == min(most, len(UNDECIDED))


def test_the_reruns_of_earlier_calls_are_counted_too(unsure: Small) -> None:
    first = checked(unsure)
    assert settled(unsure, first, max_rounds=0) is first
    assert starts(unsure) == 0
    # It failed once since the edit: a pass leaves it unclear.
    settled(unsure, first, max_rounds=1)
    assert sorted(started_runs(unsure)["eval_id"]) == ["classify 1", "extract 3", "extract 4"]
    later, bar = hours_later(unsure), Recorder()
    assert settled(unsure, later, max_rounds=1, progress=bar) is later
    assert starts(unsure) == 0
    assert bar.told[-1][2].endswith("1 rerun could not change the verdict on 1 undecided eval.")
    settled(unsure, later, max_rounds=2)
    again = ["classify 1", "extract 3"]
    assert sorted(started_runs(unsure)["eval_id"]) == sorted([*again, *again, "extract 4"])
    assert starts(unsure) == 2


@pytest.mark.parametrize(
    "answer",
    [reply(500), Reply(then="reset"), reply(201, b"{", length=99, then="close")],
    ids=["failed", "reset", "cut"],
)
def test_a_failing_start_keeps_what_was_started(unsure: Small, answer: Reply) -> None:
    first = checked(unsure)
    unsure.fail(f"POST {RUNS}", answer, after=1)
    with pytest.raises(ra.RetabAnalysisError) as caught:
        settled(unsure, first)
    partial: Any = caught.value.partial
    # The start that failed may have happened; nobody knows its run, and nobody starts it again.
    assert counted(partial) == 1
    assert starts(unsure) == 2
    # It can be gone on with: what was run again waits, what was not is run.
    settled(unsure, partial)
    assert starts(unsure) == 2
    assert {run.eval_id for run in unsure.started} == {*UNDECIDED}


def test_a_failing_read_leaves_the_comparison_so_far_and_what_was_started(unsure: Small) -> None:
    first = checked(unsure)
    unsure.fail("GET /v1/workflows/evals/results", reply(403))
    with pytest.raises(ra.PermissionDeniedError) as caught:
        settled(unsure, first)
    partial: Any = caught.value.partial
    assert partial.evals.equals(first.evals)
    assert set(inside(partial).sides.started["run_id"]) == set(started_runs(unsure)["run_id"])
    assert "not waited for" in partial.explain()
    # They are not started a second time.
    before = starts(unsure)
    assert before == 3
    bar = Recorder()
    last = settled(unsure, partial, max_rounds=0, progress=bar)
    assert starts(unsure) == 0
    assert counted(last) == 3
    assert bar.told[0][:2] == (0, 3)
    assert "earlier call" in bar.told[0][2]
    assert bar.told[-1][:2] == (3, 3)
    assert inside(last).sides.started is None
    assert "not waited for" not in last.explain()


class Impatient(Recorder):
    """Presses Ctrl-C when so many runs have ended."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        if done >= self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_ctrl_c_loses_nothing_and_starts_nothing_twice(unsure: Small, after: int) -> None:
    first = checked(unsure)
    with pytest.raises(KeyboardInterrupt) as caught:
        settled(unsure, first, progress=Impatient(after))
    partial: Any = caught.value.partial  # type: ignore[attr-defined]
    asked = starts(unsure)
    waiting = 0 if inside(partial).sides.started is None else inside(partial).sides.started.height
    assert counted(partial) + waiting == asked == started_runs(unsure).height
    assert bool(waiting) == bool(after)
    assert not any("cancel" in each for each in unsure.asked)
    last = settled(unsure, partial)
    assert counted(last) == asked + starts(unsure) == started_runs(unsure).height == 3
    assert all(transition(last, name)["transition"] for name in UNDECIDED)


def before_start(api: Small, number: int, happen: Callable[[], object]) -> None:
    """Let something happen just before so many starts."""
    post, seen = api.client.post, []

    def watch(path: str, body: Any, **more: Any) -> Any:
        seen.append(path)
        if len(seen) == number:
            happen()
        return post(path, body, **more)

    api.client.post = watch  # type: ignore[method-assign]


def test_an_edited_draft_is_refused_before_anything_is_started(unsure: Small) -> None:
    first = checked(unsure)
    unsure.edit("extract")
    with pytest.raises(
        ra.ConfigError,
        match=r"edited since .* \(block extract\).*none was started",
    ) as caught:
        settled(unsure, first)
    assert caught.value.partial is first
    assert starts(unsure) == 0
    # A run of the draft as it is now can be settled.
    ra.wait_for_runs(ra.start_runs(FLOW, client=unsure.client), client=unsure.client)
    now = checked(unsure)
    assert settled(unsure, now).reruns.is_empty()


def test_where_the_api_does_not_say_whether_a_result_is_up_to_date_the_blocks_do(
    unsure: Small,
) -> None:
    for each in unsure.evals:
        unsure.change(each, freshness=None)
    first = checked(unsure)
    once = settled(unsure, first, max_rounds=1)
    assert counted(once) == 3
    unsure.edit("classify")
    with pytest.raises(ra.ConfigError, match=r"edited since .* \(block classify\)"):
        settled(unsure, first)
    assert starts(unsure) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": {"extract 3": EDITED}},
        {"definitions": {"extract 3": EDITED}},
        {},
    ],
)
def test_an_eval_that_was_edited_is_refused(unsure: Small, changes: dict[str, Any]) -> None:
    first = checked(unsure)
    assert "extract 3" in first.reruns["eval_name"]
    for name, letters in changes.items():
        setattr(unsure, name, letters)
    if not changes:
        unsure.change("extract 3", assertion__condition={"kind": "exists"})
    what = "the inputs or the assertion of eval extract 3"
    with pytest.raises(ra.ConfigError, match=f"was edited since the candidate ran .*{what}"):
        settled(unsure, first)
    assert starts(unsure) == 0


def test_an_edit_of_another_block_is_no_reason(unsure: Small) -> None:
    first = checked(unsure)
    unsure.edit("extract")
    only = narrowed(first, "classify")
    assert only.reruns["eval_name"].to_list() == ["classify 1"]
    settled(unsure, only)
    assert [run.eval_id for run in unsure.started] == ["classify 1"]


def narrowed(comparison: Comparison, block: str) -> Comparison:
    """A comparison of the evals of one block."""
    sides = inside(comparison).sides
    its = replace(sides, results=sides.results.filter(block_id=block))
    return compare_sides(its, comparison.alpha, comparison.margin)


def test_of_a_round_in_which_somebody_edits_what_ran_before_counts(unsure: Small) -> None:
    first = checked(unsure)
    before_start(unsure, 3, lambda: (unsure.edit("extract"), unsure.edit("classify")))
    with pytest.raises(
        ra.ConfigError, match=r"\(block (extract|classify)\): 1 rerun ran other code"
    ) as caught:
        settled(unsure, first)
    assert starts(unsure) == 3
    assert counted(caught.value.partial) == 2
    assert inside(caught.value.partial).sides.started is None  # type: ignore[union-attr]


def test_evals_that_were_deleted_are_left_out_and_named(unsure: Small) -> None:
    first = checked(unsure)
    unsure.remove("extract 3")
    with pytest.warns(ra.ProblemsWarning, match="extract 3") as said:
        last = settled(unsure, first)
    assert "test_settle" in said[0].filename
    assert counted(last) == 2
    assert transition(last, "extract 3")["candidate_n"] == 1
    problems: Any = said[0].message
    assert problems.problems["record_id"].to_list() == [transition(first, "extract 3")["eval_id"]]
    # What is left cannot be run again.
    bar = Recorder()
    only = narrowed(last, "extract")
    with pytest.warns(ra.ProblemsWarning):
        assert settled(unsure, only, progress=bar) is only
    assert starts(unsure) == 0
    assert bar.told[0][2].endswith("cannot be run any more.")


@pytest.mark.parametrize(("before", "gone"), [(1, "extract 3"), (3, "classify 1")])
def test_an_eval_that_is_deleted_meanwhile_does_not_stop_the_others(
    unsure: Small, before: int, gone: str
) -> None:
    # Before its start; or after it, and its runs are deleted with it.
    first = checked(unsure)
    before_start(unsure, before, lambda: unsure.remove(gone))
    with pytest.warns(ra.ProblemsWarning, match=gone):
        last = settled(unsure, first)
    assert transition(last, gone)["candidate_n"] == 1
    assert counted(last) == 2
    assert inside(last).sides.started is None


def test_frames_that_were_kept_can_be_settled_too(unsure: Small) -> None:
    read = ra.fetch_results(unsure.runs_frame()[-21:], client=unsure.client, progress=False)
    newest = pl.col("run_created_at") == pl.col("run_created_at").max()
    last = read.filter(~newest).filter(newest)
    first = compare(last, read.filter(newest), history=read.filter(~newest))
    assert sorted(first.reruns["eval_name"]) == UNDECIDED
    again = settled(unsure, first)
    assert starts(unsure) == 3
    assert transition(again, "extract 4")["transition"] == "still_passing"
    assert transition(again, "classify 1")["transition"] == "regressed"


def test_the_plan_is_said_before_anything_is_started(
    unsure: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    first = checked(unsure)
    seen: list[int] = []
    bar = Recorder()
    told = bar.update

    def update(*said: Any) -> None:
        seen.append(starts(unsure))
        told(*said)

    bar.update = update  # type: ignore[method-assign]
    settled(unsure, first, progress=bar, max_reruns=2)
    assert (seen[0], bar.told[0][:2]) == (0, (0, 2))
    assert bar.told[0][2] == "Running 2 undecided evals again, once."
    done = settled(unsure, hours_later(unsure), progress=True)
    assert "Running 2 undecided evals again, once." in capsys.readouterr().err
    settled(unsure, checked(unsure, candidate="run_50"), progress=True)
    assert "Nothing to run again: no eval that counts is undecided." in capsys.readouterr().err
    settled(unsure, done, progress=False)
    assert capsys.readouterr().err == "1 eval is unclear; a look after 17:03 UTC may decide.\n"
    # Without a bar, too, it is said how many are started and what came of each.
    settled(unsure, hours_later(unsure), progress=False, max_reruns=1)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "Running 1 undecided eval again, once."
    assert last == "extract 3 is not decided by reruns: look again after 21:03 UTC."


def test_the_bar_moves_as_runs_end(unsure: Small) -> None:
    bar = Recorder()
    first = checked(unsure)
    last = settled(unsure, first, progress=bar)
    done = [done for done, _, _ in bar.told]
    assert done == sorted(done)
    assert done[-1] == starts(unsure) == counted(last)
    assert len(set(done)) > 2
    assert {total for _, total, _ in bar.told} == {3}
    assert bar.closed == 1
    failing = Recorder()
    unsure.fail(f"POST {RUNS}", reply(403))
    with pytest.raises(ra.PermissionDeniedError) as caught:
        settled(unsure, first, progress=failing)
    assert caught.value.partial is first
    assert failing.closed == 1


def beside(now: str, code: str, *, steady: int) -> Comparison:
    """An eval that passed once, beside others that always pass; nothing was run in between."""
    names = [f"e{at}" for at in range(steady)]
    reads = {name: {"document_ids": [name]} for name in ("x", *names)}
    before = [row for name in reads for row in many(name, "P", 1, **reads[name])]
    after = [
        row
        for name, states in (("x", now), *((each, "P") for each in names))
        for row in many(name, states, 50, block_execution_fingerprint=code, **reads[name])
    ]
    return compare(results(*before), results(*after))


@pytest.mark.parametrize(
    ("now", "steady", "rounds", "said"),
    [
        ("FP", 20, 4, "4 reruns could not change the verdict on 1 undecided eval."),
        ("FFF", 4, 3, "no eval that counts is undecided."),
        ("FFP", 20, 0, "no rerun was asked for, with 1 undecided eval."),
    ],
)
def test_what_reruns_could_not_change_is_left_alone_in_words(
    now: str, steady: int, rounds: int, said: str
) -> None:
    first = beside(now, "edited", steady=steady)
    bar = Recorder()
    # Nobody is asked: there is no server.
    client = client_for("http://127.0.0.1:9")
    assert settle(first, max_rounds=rounds, client=client, progress=bar) is first
    assert bar.told[0][2].endswith(said)


@pytest.mark.parametrize("given", [None, "run_1", hand_made()])
def test_what_is_not_a_comparison_is_refused(given: Any) -> None:
    with pytest.raises(ra.ConfigError, match=r"expected a comparison from ra\.check"):
        settle(given)


def test_results_that_do_not_say_their_workflow_cannot_be_run_again(unsure: Small) -> None:
    runs = unsure.runs_frame()
    results = ra.fetch_results(runs[-2:], client=unsure.client, progress=False)
    nameless = results.with_columns(workflow_id=pl.lit(None, pl.String))
    ids = runs["run_id"].to_list()
    first = compare(*(nameless.filter(run_id=each) for each in ids[-2:]))
    assert first.reruns.height
    with pytest.raises(ra.ConfigError, match="have no workflow_id"):
        settled(unsure, first)
    assert starts(unsure) == 0


STEADY = alike(6, "P" * 21)


def errors_again(api: LetteredApi, made: Comparison) -> Comparison:
    """Run isolated errors again, and nothing else."""
    again: Comparison = run_again(made, only_errors=True, client=api.client, progress=False)
    return again


def test_an_error_is_run_again_once_in_a_row() -> None:
    with LetteredApi({"a": "P" * 20 + "E", **STEADY}, reruns={"a": "EEF"}) as api:
        api.now = api.runs[-1].at + MINUTE
        bar = Recorder()
        once = settle(api.check(), client=api.client, progress=bar)
        assert (len(api.started), once.gate().undecided) == (1, ("a",))
        said = "a is not decided by reruns: look again after 13:00 UTC."
        assert bar.told[-1][2] == said
        assert str(once.next_step) == (
            'Look again after 21 Apr 13:00 UTC: verdict = ra.check("wf_letters")'
        )
        for made in (once, api.check()):
            assert settle(made, client=api.client, progress=False) is made
            assert errors_again(api, made) is made
        assert len(api.started) == 1
        later = settle(hours_later(api), client=api.client, max_rounds=1, progress=False)
        assert len(api.started) == 2
        # An error at two rows is no accident any more.
        assert (later.gate().failing, later.gate().undecided) == (("a",), ())
        assert transition(later, "a")["p_regressed"] is None
        again = hours_later(api)
        assert settle(again, client=api.client, progress=False) is again
        assert errors_again(api, again) is again


def test_an_eval_that_never_did_anything_but_err_is_left_alone_at_last() -> None:
    with LetteredApi({"a": "E", **alike(6, "P")}, reruns={"a": "EEEE"}) as api:
        for _ in range(3):
            settle(hours_later(api), client=api.client, progress=False)
        assert len(api.started) == 1


def test_ten_errors_are_run_again_and_those_of_an_outage_are_not() -> None:
    evals = {**alike(12, "PPPE", "bad"), **alike(120, "PPPP")}
    with LetteredApi(evals) as api:
        made = api.check()
        assert errors_again(api, made).reruns.height == 2
        assert len(api.started) == 10
        settle(made, client=api.client, progress=False)
        assert len(api.started) == 20
        settle(api.check(), client=api.client, progress=False)
        assert len(api.started) == 22
    with LetteredApi({**alike(12, "PPPE", "bad"), **alike(12, "PPPP")}) as api:
        made = api.check()
        assert made.headline == "‼ Outage: 12 of 24 evals ended in an error"
        assert errors_again(api, made) is made
        assert settle(made, client=api.client, progress=False) is made


def test_an_eval_that_a_run_tests_now_is_not_run_again_and_the_next_step_says_so() -> None:
    evals = {**alike(6, "P" * 8), **alike(1, "PPPPPPPF", "shaky")}
    with LetteredApi(evals, codes="AAAAAAAA") as api:
        unclear = api.check()
        assert unclear.reruns["eval_name"].to_list() == ["shaky 0"]
        api.run({"shaky 0": "U"}, scope="E", after=MINUTE)
        found = api.check()
        assert found.reruns.is_empty()
        assert str(found.next_step).startswith("A run goes on; watch it")
        said = Recorder()
        assert settle(found, client=api.client, progress=said) is found
        assert "that no run tests now is undecided" in str(said.told)
