"""``settle``: run again only what one more result may decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from comparison.cases import hand_made
from support.fakes import client_for
from support.faultserver import Reply, reply
from support.frames import many, results
from support.inside import (
    SURE,
    UNLIKELY,
    Comparison,
    collect,
    combine_sides,
    compare,
    compare_sides,
    mean_reruns,
    settle_others,
    sides_of,
    suite_of,
)
from support.lettered_api import MINUTE, LetteredApi, alike
from support.small_world import DRIFTED, FLOW, Small, small_api

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
    sides = sides_of(comparison)
    single = [] if sides.runs is None else sides.runs.filter(scope="eval")["run_id"].to_list()
    return sides.candidate.filter(pl.col("run_id").is_in(single)).height


def transition(comparison: Comparison, name: str) -> dict[str, Any]:
    return comparison.evals.filter(eval_name=name).row(0, named=True)


def started_runs(api: Small) -> pl.DataFrame:
    """The runs of single evals; the world's past has none."""
    runs = ra.fetch_runs(FLOW, client=api.client, progress=False)
    return runs.filter(pl.col("scope") != "workflow")


def test_everything_is_decided_by_running_again_what_is_open(unsure: Small) -> None:
    first = checked(unsure)
    assert sorted(first.reruns["eval_name"]) == UNDECIDED
    assert transition(first, "extract 4")["transition"] == "newly_errored"
    last = settled(unsure, first)
    broken = transition(last, "classify 1")
    assert (broken["transition"], broken["cause"]) == ("regressed", "edit")
    assert broken["p_regressed"] >= SURE
    for name, became in (("extract 3", "flaky"), ("extract 4", "still_passing")):
        assert transition(last, name)["p_regressed"] <= UNLIKELY
        assert transition(last, name)["transition"] == became
    assert last.reruns.is_empty()
    # Each was run as often as it took, what was decided not at all, and nothing was cancelled.
    again = started_runs(unsure)
    times = Counter(again["eval_id"])
    assert sorted(times) == sorted(first.reruns["eval_id"])
    assert min(times.values()) == 1
    assert max(times.values()) <= 4
    assert starts(unsure) == counted(last) == again.height
    assert again["status"].unique().to_list() == ["completed"]
    untouched = ~pl.col("eval_name").is_in(UNDECIDED)
    for column in ("transition", "candidate_n", "candidate_result_id"):
        before, after = (
            each.evals.filter(untouched).sort("eval_id")[column] for each in (first, last)
        )
        assert before.to_list() == after.to_list()
    # Reruns have the names, conditions and documents of their evals.
    known = sides_of(last).candidate.select("eval_id", "eval_name", "condition", "document_names")
    for each in again["eval_id"]:
        assert known.filter(eval_id=each).unique().height == 1
    # There is nothing left to do.
    assert settled(unsure, last) is last
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
    assert starts(unsure) == most


def test_rounds_are_counted_and_those_that_decide_nothing_are_saved(unsure: Small) -> None:
    first = checked(unsure)
    assert settled(unsure, first, max_rounds=0) is first
    assert starts(unsure) == 0
    once = settled(unsure, first, max_rounds=1)
    # One result more would leave what is called broken by an edit as it is.
    assert sorted(started_runs(unsure)["eval_id"]) == ["extract 3", "extract 4"]
    assert once.reruns["eval_name"].to_list() == ["classify 1", "extract 3"]


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
    # It can be gone on with.
    assert settled(unsure, partial).reruns.is_empty()


def test_a_failing_read_leaves_the_comparison_so_far_and_what_was_started(unsure: Small) -> None:
    first = checked(unsure)
    unsure.fail("GET /v1/workflows/evals/results", reply(403))
    with pytest.raises(ra.PermissionDeniedError) as caught:
        settled(unsure, first)
    partial: Any = caught.value.partial
    assert partial.evals.equals(first.evals)
    assert set(sides_of(partial).started["run_id"]) == set(started_runs(unsure)["run_id"])
    assert "not waited for" in partial.explain()
    # They are not started a second time.
    before = starts(unsure)
    assert before == 3
    bar = Recorder()
    last = settled(unsure, partial, max_rounds=0, progress=bar)
    assert starts(unsure) == 0
    assert counted(last) == 3
    assert bar.seen[0][:2] == (0, 3)
    assert "earlier call" in bar.seen[0][2]
    assert bar.seen[-1][:2] == (3, 3)
    assert sides_of(last).started is None
    assert "not waited for" not in last.explain()


class Impatient:
    """Presses Ctrl-C when so many runs have ended."""

    def __init__(self, after: int) -> None:
        self.after = after

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        if done >= self.after:
            raise KeyboardInterrupt

    def close(self) -> None:
        pass


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4])
def test_ctrl_c_loses_nothing_and_starts_nothing_twice(unsure: Small, after: int) -> None:
    first = checked(unsure)
    with pytest.raises(KeyboardInterrupt) as caught:
        settled(unsure, first, progress=Impatient(after))
    partial: Any = caught.value.partial  # type: ignore[attr-defined]
    asked = starts(unsure)
    waiting = 0 if sides_of(partial).started is None else sides_of(partial).started.height
    assert counted(partial) + waiting == asked == started_runs(unsure).height
    assert bool(waiting) == bool(after)
    assert not any("cancel" in each for each in unsure.asked)
    last = settled(unsure, partial)
    assert last.reruns.is_empty()
    assert counted(last) == asked + starts(unsure) == started_runs(unsure).height
    assert all(transition(last, name)["transition"] for name in UNDECIDED)


def test_ctrl_c_between_two_starts_keeps_the_first(unsure: Small) -> None:
    first = checked(unsure)
    before_start(unsure, 2, lambda: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt) as caught:
        settled(unsure, first)
    partial: Any = caught.value.partial  # type: ignore[attr-defined]
    assert sides_of(partial).started.height == 1
    assert partial.evals.equals(first.evals)


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
        match=r"block extract, or the assertion of eval extract [34], .*none was started",
    ) as caught:
        settled(unsure, first)
    assert caught.value.partial is first
    assert starts(unsure) == 0
    # A run of the draft as it is now can be settled.
    ra.wait_for_runs(ra.start_runs(FLOW, client=unsure.client), client=unsure.client)
    now = checked(unsure)
    assert settled(unsure, now).reruns.is_empty()


def test_an_old_version_is_not_what_would_run(unsure: Small) -> None:
    with small_api() as api:
        old = check(FLOW, candidate=api.run_of(DRIFTED), client=api.client, progress=False)
        assert old.reruns["eval_name"].to_list() == ["classify 0"]
        with pytest.raises(ra.ConfigError, match=r"edited since .* \(block classify\)"):
            settled(api, old)
        assert starts(api) == 0


def test_where_the_api_does_not_say_whether_a_result_is_up_to_date_the_blocks_do(
    unsure: Small,
) -> None:
    for each in unsure.evals:
        unsure.change(each, freshness=None)
    first = checked(unsure)
    once = settled(unsure, first, max_rounds=1)
    assert counted(once) == 2
    unsure.edit("classify")
    with pytest.raises(
        ra.ConfigError, match=r"may have been edited .* \(block classify, as it was saved again\)"
    ):
        settled(unsure, first)
    assert starts(unsure) == 0


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"inputs": {"extract 3": EDITED}}, "the inputs of eval extract 3"),
        ({"definitions": {"extract 3": EDITED}}, "the assertion of eval extract 3"),
        ({}, "the assertion of eval extract 3"),
    ],
)
def test_an_eval_that_was_edited_is_refused(
    unsure: Small, changes: dict[str, Any], what: str
) -> None:
    first = checked(unsure)
    assert "extract 3" in first.reruns["eval_name"]
    for name, letters in changes.items():
        setattr(unsure, name, letters)
    if not changes:
        unsure.change("extract 3", assertion__condition={"kind": "exists"})
    with pytest.raises(ra.ConfigError, match=f"was edited since the candidate ran .*{what}"):
        settled(unsure, first)
    assert starts(unsure) == 0


def test_an_edit_of_another_block_is_no_reason(unsure: Small) -> None:
    first = checked(unsure)
    unsure.edit("extract")
    only = narrowed(first, "classify")
    assert only.reruns["eval_name"].to_list() == ["classify 1"]
    assert transition(settled(unsure, only), "classify 1")["p_regressed"] >= SURE


def narrowed(comparison: Comparison, block: str) -> Comparison:
    """A comparison of the evals of one block."""
    sides = sides_of(comparison)
    of_block = {
        name: frame.filter(block_id=block)
        for name in ("candidate", "history")
        if (frame := getattr(sides, name)) is not None
    }
    return compare_sides(replace(sides, **of_block), comparison.alpha, comparison.margin)


def test_an_edit_between_two_rounds_keeps_the_rounds_before_it(unsure: Small) -> None:
    first = checked(unsure)
    waited: list[str] = []
    bar = Recorder()

    def edit_once(done: int, *_: Any) -> None:
        if done == 3 and not waited:
            waited.append("the first round has ended")
            unsure.edit("classify")
            unsure.edit("extract")

    bar.update = edit_once  # type: ignore[method-assign]
    with pytest.raises(ra.ConfigError, match="after the first 3 runs, which count") as caught:
        settled(unsure, first, progress=bar)
    assert starts(unsure) == 3
    assert counted(caught.value.partial) == 3


def test_of_a_round_in_which_somebody_edits_what_ran_before_counts(unsure: Small) -> None:
    first = checked(unsure)
    before_start(unsure, 3, lambda: (unsure.edit("extract"), unsure.edit("classify")))
    with pytest.raises(
        ra.ConfigError, match=r"\(block (extract|classify)\): 1 rerun ran other code"
    ) as caught:
        settled(unsure, first)
    assert starts(unsure) == 3
    assert counted(caught.value.partial) == 2
    assert sides_of(caught.value.partial).started is None  # type: ignore[union-attr]


def test_evals_that_were_deleted_are_left_out_and_named(unsure: Small) -> None:
    first = checked(unsure)
    unsure.remove("extract 3")
    with pytest.warns(ra.ProblemsWarning, match="extract 3") as said:
        last = settled(unsure, first)
    assert "test_settle" in said[0].filename
    assert transition(last, "classify 1")["p_regressed"] >= SURE
    assert transition(last, "extract 3")["candidate_n"] == 1
    problems: Any = said[0].message
    assert problems.problems["record_id"].to_list() == [transition(first, "extract 3")["eval_id"]]
    # What is left cannot be run again.
    bar = Recorder()
    with pytest.warns(ra.ProblemsWarning):
        assert settled(unsure, last, progress=bar) is last
    assert starts(unsure) == 0
    assert bar.seen[0][2].endswith("cannot be run any more.")


@pytest.mark.parametrize("before", [1, 4])
def test_an_eval_that_is_deleted_meanwhile_does_not_stop_the_others(
    unsure: Small, before: int
) -> None:
    # Before its first start; or after it, and its runs are deleted with it.
    first = checked(unsure)
    before_start(unsure, before, lambda: unsure.remove("extract 3"))
    with pytest.warns(ra.ProblemsWarning, match="extract 3"):
        last = settled(unsure, first)
    assert last.reruns["eval_name"].to_list() == ["extract 3"]
    assert transition(last, "classify 1")["p_regressed"] >= SURE
    assert sides_of(last).started is None


def test_a_workflow_that_is_gone_is_an_error(unsure: Small) -> None:
    first = checked(unsure)
    unsure.fail("GET /v1/workflows/evals?", reply(404))
    with pytest.raises(ra.NotFoundError) as caught:
        settled(unsure, first)
    assert caught.value.partial is first
    assert starts(unsure) == 0


@pytest.mark.parametrize("excel", [False, True])
def test_frames_that_were_kept_as_csv_can_be_settled_too(
    unsure: Small, tmp_path: Path, excel: bool
) -> None:
    results = ra.fetch_results(unsure.runs_frame()[-21:], client=unsure.client, progress=False)
    ra.write_csv(results, tmp_path / "results.csv", excel=excel)
    read = ra.read_csv(tmp_path / "results.csv", table="results")
    newest = pl.col("run_created_at") == pl.col("run_created_at").max()
    last = read.filter(~newest).filter(newest)
    first = compare(last, read.filter(newest), history=read.filter(~newest))
    assert sorted(first.reruns["eval_name"]) == UNDECIDED
    again = settled(unsure, first)
    assert again.reruns.is_empty()
    assert transition(again, "classify 1")["transition"] == "regressed"


class Recorder:
    """A bar that writes down what it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int | None, str]] = []
        self.closed = 0

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        self.seen.append((done, total, note))

    def close(self) -> None:
        self.closed += 1


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
    settled(unsure, first, progress=bar, max_reruns=5)
    assert (seen[0], bar.seen[0][:2]) == (0, (0, 5))
    assert bar.seen[0][2].startswith("Running 3 undecided evals again")
    assert bar.seen[0][2].endswith("at most 5.")
    last = settled(unsure, first, progress=True)
    assert (
        f"about {round(mean_reruns(suite_of(first), 4))} runs, at most 12."
        in capsys.readouterr().err
    )
    settled(unsure, last, progress=True)
    assert "Nothing to run again: no eval that counts is undecided." in capsys.readouterr().err
    settled(unsure, last, progress=False)
    assert capsys.readouterr().err == ""
    # Without a bar it is said how many are started, too, and nothing else.
    settled(unsure, first, progress=False, max_reruns=1)
    said = "Running 1 undecided eval again: about 1 run, at most 1.\n"
    assert capsys.readouterr().err == said


def test_the_bar_moves_as_runs_end(unsure: Small) -> None:
    bar = Recorder()
    first = checked(unsure)
    last = settled(unsure, first, progress=bar)
    done = [done for done, _, _ in bar.seen]
    assert done == sorted(done)
    assert done[-1] == starts(unsure) == counted(last)
    assert len(set(done)) > 2
    assert {total for _, total, _ in bar.seen} == {12}
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
    before = [row for name in ("x", *names) for row in many(name, "P", 1)]
    after = [
        row
        for name, states in (("x", now), *((each, "P") for each in names))
        for row in many(name, states, 50, block_execution_fingerprint=code)
    ]
    return compare(results(*before), results(*after))


@pytest.mark.parametrize(
    ("now", "code", "rounds", "said"),
    [
        ("FFP", "edited", 1, "could not change what the gate says"),
        ("FFP", "edited", 2, "could not change what the gate says"),
        ("F", "code", 4, "did not get worse"),
    ],
)
def test_what_reruns_could_not_change_is_left_alone_in_words(
    now: str, code: str, rounds: int, said: str
) -> None:
    first = beside(now, code, steady=20)
    assert first.reruns["eval_id"].to_list() == ["x"]
    bar = Recorder()
    # Nobody is asked: there is no server.
    client = client_for("http://127.0.0.1:9")
    assert settle(first, max_rounds=rounds, client=client, progress=bar) is first
    assert said in bar.seen[0][2]


@pytest.mark.parametrize("given", [None, "run_1", hand_made()])
def test_what_is_not_a_comparison_is_refused(given: Any) -> None:
    with pytest.raises(ra.ConfigError, match="expected what check or compare gives"):
        settle(given)


def test_results_that_do_not_say_their_workflow_cannot_be_run_again(unsure: Small) -> None:
    runs = unsure.runs_frame()
    results = ra.fetch_results(runs[-2:], client=unsure.client, progress=False)
    nameless = results.with_columns(workflow_id=pl.lit(None, pl.String))
    ids = runs["run_id"].to_list()
    first = compare(
        *(nameless.filter(run_id=each) for each in ids[-2:]),
    )
    assert first.reruns.height
    with pytest.raises(ra.ConfigError, match="do not say which workflow they are of"):
        settled(unsure, first)
    assert starts(unsure) == 0


def test_errors_come_first_and_each_run_is_of_one_eval(unsure: Small) -> None:
    first = checked(unsure)
    settled(unsure, first, max_rounds=1)
    assert [run.eval_id for run in unsure.started] == ["extract 4", "extract 3"]


def rows_of(made: Comparison) -> dict[str, list[int]]:
    """How many results each eval that was run again has in each row of the candidate's side."""
    sides = sides_of(made)
    ledger = collect(combine_sides(sides.candidate, sides.baseline, sides.history), sides.runs)
    now = ledger.results.filter(side=2).join(ledger.evals, on="eval")
    counts = now.group_by("eval_id", "row").len().sort("row").group_by("eval_id").agg("len")
    return {name: n for name, n in counts.iter_rows() if sum(n) > 1}


@pytest.mark.parametrize(("later", "alone"), [(MINUTE, False), (timedelta(minutes=40), True)])
def test_reruns_of_the_same_half_hour_are_one_hour(
    unsure: Small, later: timedelta, alone: bool
) -> None:
    unsure.now = unsure.runs[-1].at + later
    last = settled(unsure)
    found = rows_of(last)
    assert sorted(found) == UNDECIDED
    for counts in found.values():
        assert len(counts) == (2 if alone else 1)
    assert rows_of(checked(unsure)) == found


@pytest.fixture
def bad_hour() -> Iterator[LetteredApi]:
    """Eight shaky evals fail at once, and go on for half of them; ten solid ones pass."""
    shaky = {
        f"shaky {each}": "".join("PF"[(3 * at + 2 * each) % 7 == 0] for at in range(20)) + "F"
        for each in range(8)
    }
    reruns = {name: "FF" if at < 4 else "P" for at, name in enumerate(shaky)}
    with LetteredApi(
        {**shaky, **alike(10, "P" * 21, "solid")}, "A" * 20 + "B", reruns=reruns
    ) as api:
        api.now = api.runs[-1].at + 5 * MINUTE
        yield api


def test_in_a_bad_hour_there_are_two_rounds_and_the_rest_is_advised_for_later(
    bad_hour: LetteredApi,
) -> None:
    bar = Recorder()
    first = bad_hour.check()
    last = settle(first, client=bad_hour.client, progress=bar)
    times = Counter(run.eval_id for run in bad_hour.started)
    assert len(times) == 8
    assert max(times.values()) == 2
    assert "bad hour" in bar.seen[0][2]
    assert bar.seen[0][1] == 16
    left = last.reruns["eval_name"].to_list()
    assert sorted(left) == [f"shaky {at}" for at in range(4)]
    assert not last.evals["transition"].is_in(("regressed", "newly_blocked")).any()
    for said in (bar.seen[-1][2], last.explain()):
        assert "half an hour later" in said
    again = bad_hour.check()
    assert again.evals.equals(last.evals)
    assert again.explain() == last.explain()
    # In the same half hour nothing more is started; later it is, and that is another hour.
    assert settle(last, client=bad_hour.client, progress=bar) is last
    assert "half an hour later" in bar.seen[-1][2]
    assert bad_hour.now is not None
    bad_hour.now += timedelta(hours=1)
    bad_hour.check()  # by which the client learns what time it is
    decided = settle(last, client=bad_hour.client, progress=False)
    assert decided.reruns.is_empty()
    assert "half an hour later" not in decided.explain()
    assert all(rows_of(decided)[name][0] == 3 for name in left)
    assert all(len(rows_of(decided)[name]) == 2 for name in left)


def errors_again(api: LetteredApi, made: Comparison) -> Comparison:
    """Run isolated errors again, and nothing else."""
    again: Comparison = settle_others(made, (), only_errors=True, client=api.client, progress=False)
    return again


def test_an_error_is_run_again_once_in_half_an_hour() -> None:
    with LetteredApi({"a": "P" * 20 + "E", **alike(6, "P" * 21)}, reruns={"a": "EEF"}) as api:
        api.now = api.runs[-1].at + MINUTE
        bar = Recorder()
        once = settle(api.check(), client=api.client, progress=bar)
        assert (len(api.started), once.gate().undecided) == (1, ("a",))
        assert "half an hour later" in bar.seen[-1][2]
        for made in (once, api.check()):
            assert settle(made, client=api.client, progress=False) is made
            assert errors_again(api, made) is made
        assert len(api.started) == 1
        api.now += timedelta(hours=1)
        later = api.check()
        settled = settle(later, client=api.client, max_rounds=1, progress=False)
        assert [run.eval_id for run in api.started] == ["a", "a"]
        # Two errors in two hours are not luck any more.
        assert transition(settled, "a")["transition"] in ("regressed", "suspect")


def test_ten_errors_are_run_again_and_those_of_an_outage_are_not() -> None:
    evals = {**alike(12, "PPPE", "bad"), **alike(120, "PPPP")}
    with LetteredApi(evals) as api:
        made = api.check()
        assert errors_again(api, made).reruns.height == 2
        assert len(api.started) == 10
        settle(made, client=api.client, progress=False)
        assert len(api.started) == 20
    with LetteredApi({**alike(12, "PPPE", "bad"), **alike(12, "PPPP")}) as api:
        made = api.check()
        assert made.headline == "‼ Outage: 12 of 24 evals ended in an error"
        assert errors_again(api, made) is made
        assert settle(made, client=api.client, progress=False) is made
