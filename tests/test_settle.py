"""``settle``: run again only what one more result may decide."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from comparison.cases import hand_made
from support.fakes import client_for
from support.faultserver import Reply, reply
from support.frames import many, results
from support.inside import SURE, UNLIKELY, Comparison, compare, compare_sides
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
    return 0 if comparison.sides.reruns is None else comparison.sides.reruns.height


def transition(comparison: Comparison, name: str) -> dict[str, Any]:
    return comparison.evals.filter(eval_name=name).row(0, named=True)


def started_runs(api: Small) -> pl.DataFrame:
    """The runs of single evals; the world's past has none."""
    runs = ra.fetch_runs(FLOW, client=api.client, progress=False)
    return runs.filter(pl.col("scope") != "workflow")


def test_one_run_leaves_something_open(unsure: Small) -> None:
    first = checked(unsure)
    assert sorted(first.reruns["eval_name"]) == UNDECIDED
    assert transition(first, "extract 4")["transition"] == "newly_errored"
    assert not first.gate().ok


def test_everything_is_decided_by_running_again_what_is_open(unsure: Small) -> None:
    first = checked(unsure)
    last = settled(unsure, first)
    broken = transition(last, "classify 1")
    assert broken["transition"] == "regressed"
    assert broken["p_regressed"] >= SURE
    assert broken["cause"] == "edit"
    for name in ("extract 3", "extract 4"):
        assert transition(last, name)["p_regressed"] <= UNLIKELY
        assert transition(last, name)["transition"] in ("flaky", "still_passing")
    assert last.reruns.is_empty()
    # What was decided was not run again.
    assert sorted(started_runs(unsure)["eval_id"].unique()) == sorted(first.reruns["eval_id"])
    assert last.sides.reruns is not None
    assert starts(unsure) == last.sides.reruns.height == started_runs(unsure).height
    untouched = ~pl.col("eval_name").is_in(UNDECIDED)
    for column in ("transition", "candidate_n", "candidate_result_id"):
        before, after = (
            each.evals.filter(untouched).sort("eval_id")[column] for each in (first, last)
        )
        assert before.to_list() == after.to_list()


def test_what_is_decided_is_left_alone_in_the_next_round(unsure: Small) -> None:
    first = checked(unsure)
    settled(unsure, first)
    counts = Counter(started_runs(unsure)["eval_id"])
    assert first.reruns.height == len(counts) == 3
    # Each eval was run as often as it took, and not as often as there are rounds.
    assert min(counts.values()) < 4
    assert max(counts.values()) <= 4


def test_the_next_check_says_what_settle_found_out(unsure: Small) -> None:
    first = checked(unsure)
    last = settled(unsure, first)
    again = checked(unsure)
    assert again.evals.equals(last.evals)
    assert again.gate() == last.gate()
    assert again.explain() == last.explain()
    assert not again.evals.equals(first.evals)
    assert settled(unsure, again) is again


def test_rounds_are_counted(unsure: Small) -> None:
    first = checked(unsure)
    assert settled(unsure, first, max_rounds=0) is first
    assert starts(unsure) == 0
    once = settled(unsure, first, max_rounds=1)
    assert starts(unsure) == first.choose_reruns(1).height >= 2
    assert once.evals.filter(pl.col("candidate_n") > 1).height >= 1
    assert "verdicts of reruns are counted as well." in once.explain()


@pytest.mark.parametrize("most", [0, 1, 2, 4])
def test_no_more_is_started_than_allowed(unsure: Small, most: int) -> None:
    settled(unsure, max_reruns=most)
    assert starts(unsure) == most


def test_what_is_decided_starts_nothing(unsure: Small) -> None:
    last = settled(unsure)
    assert settled(unsure, last) is last
    assert starts(unsure) == 0


def test_nothing_is_ever_cancelled(unsure: Small) -> None:
    settled(unsure)
    assert not any("cancel" in each for each in unsure.asked)
    assert started_runs(unsure)["status"].unique().to_list() == ["completed"]


def test_reruns_have_the_names_conditions_and_documents_of_their_evals(unsure: Small) -> None:
    last = settled(unsure)
    assert last.sides.reruns is not None
    known = last.sides.candidate.select("eval_id", "eval_name", "condition", "document_names")
    again = last.sides.reruns.select(known.columns)
    assert again.unique("eval_id").join(known, on=known.columns, nulls_equal=True).height == 3
    assert again["eval_name"].null_count() == 0


def test_a_failing_start_keeps_what_was_started(unsure: Small) -> None:
    first = checked(unsure)
    unsure.fail(f"POST {RUNS}", reply(500), after=1)
    with pytest.raises(ra.ServerError) as caught:
        settled(unsure, first)
    partial: Any = caught.value.partial
    assert isinstance(partial, Comparison)
    assert partial.sides.reruns is not None
    # The start that failed may have happened; nobody knows its run, and nobody starts it again.
    assert partial.sides.reruns.height == 1
    assert starts(unsure) == 2
    # It can be gone on with.
    assert settled(unsure, partial).reruns.is_empty()


def test_where_nothing_could_be_started_the_comparison_is_what_it_was(unsure: Small) -> None:
    first = checked(unsure)
    unsure.fail(f"POST {RUNS}", reply(403))
    with pytest.raises(ra.PermissionDeniedError) as caught:
        settled(unsure, first)
    assert caught.value.partial is first


@pytest.mark.parametrize(
    "answer",
    [Reply(then="reset"), reply(201, b"{", length=99, then="close")],
    ids=["reset", "cut"],
)
def test_a_start_of_which_nothing_is_known_is_not_tried_again(unsure: Small, answer: Reply) -> None:
    first = checked(unsure)
    unsure.fail(f"POST {RUNS}", answer, after=1)
    with pytest.raises(ra.TransportError) as caught:
        settled(unsure, first)
    assert starts(unsure) == 2
    assert counted(caught.value.partial) == 1


def test_a_failing_read_leaves_the_comparison_so_far_and_what_was_started(unsure: Small) -> None:
    first = checked(unsure)
    unsure.fail("GET /v1/workflows/evals/results", reply(403))
    with pytest.raises(ra.PermissionDeniedError) as caught:
        settled(unsure, first)
    partial: Any = caught.value.partial
    assert partial.evals.equals(first.evals)
    assert set(partial.sides.started["run_id"]) == set(started_runs(unsure)["run_id"])
    assert "3 reruns were started and not waited for." in partial.explain()
    # They are not started a second time.
    before = starts(unsure)
    assert before == 3
    bar = Recorder()
    last = settled(unsure, partial, max_rounds=0, progress=bar)
    assert starts(unsure) == 0
    assert counted(last) == 3
    assert bar.seen[0] == (0, 3, "Waiting for 3 runs that an earlier call started.")
    assert bar.seen[-1][:2] == (3, 3)
    assert bar.seen[-1][2].startswith("Nothing to run again: no rerun was asked for, with ")
    assert last.sides.started is None
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


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_ctrl_c_loses_nothing_and_starts_nothing_twice(unsure: Small, after: int) -> None:
    first = checked(unsure)
    with pytest.raises(KeyboardInterrupt) as caught:
        settled(unsure, first, progress=Impatient(after))
    partial: Any = caught.value.partial  # type: ignore[attr-defined]
    asked = starts(unsure)
    waiting = 0 if partial.sides.started is None else partial.sides.started.height
    assert counted(partial) + waiting == asked == started_runs(unsure).height
    assert waiting >= 1
    assert not any("cancel" in each for each in unsure.asked)
    last = settled(unsure, partial)
    assert last.reruns.is_empty()
    assert counted(last) == asked + starts(unsure) == started_runs(unsure).height
    assert all(transition(last, name)["transition"] for name in UNDECIDED)


def test_ctrl_c_before_anything_was_started(unsure: Small) -> None:
    first = checked(unsure)
    with pytest.raises(KeyboardInterrupt) as caught:
        settled(unsure, first, progress=Impatient(0))
    assert caught.value.partial is first  # type: ignore[attr-defined]
    assert starts(unsure) == 0


def test_ctrl_c_between_two_starts_keeps_the_first(unsure: Small) -> None:
    first = checked(unsure)
    interrupt_at(unsure, 2)
    with pytest.raises(KeyboardInterrupt) as caught:
        settled(unsure, first)
    partial: Any = caught.value.partial  # type: ignore[attr-defined]
    assert partial.sides.started.height == 1
    assert partial.evals.equals(first.evals)
    assert started_runs(unsure)["status"].to_list() != ["cancelled"]


def interrupt_at(api: Small, number: int) -> None:
    """Somebody presses Ctrl-C before so many starts."""
    before_start(api, number, lambda: (_ for _ in ()).throw(KeyboardInterrupt()))


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
        match=r"was edited since the candidate ran \(block extract, or the assertion of eval "
        r"extract [34], .*none was started; check a run of the workflow as it is now",
    ) as caught:
        settled(unsure, first)
    assert caught.value.partial is first
    assert starts(unsure) == 0
    # A run of the draft as it is now can be settled.
    ra.wait_for_runs(ra.start_runs(FLOW, client=unsure.client), client=unsure.client)
    now = checked(unsure)
    assert settled(unsure, now).reruns.is_empty()


def test_a_draft_that_somebody_edited_and_ran_is_refused_as_well(unsure: Small) -> None:
    first = checked(unsure)
    unsure.edit("classify")
    ra.wait_for_runs(ra.start_runs(FLOW, client=unsure.client), client=unsure.client)
    with pytest.raises(
        ra.ConfigError, match=r"was edited since the candidate ran \(block classify\)"
    ) as caught:
        settled(unsure, first)
    assert caught.value.partial is first
    assert starts(unsure) == 0


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
    assert counted(once) == first.choose_reruns(1).height >= 2
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
    sides = comparison.sides
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
        ra.ConfigError,
        match=r"was edited since the candidate ran \(block (extract|classify)\): 1 rerun ran other "
        r"code, or asserted something else, and cannot be counted",
    ) as caught:
        settled(unsure, first)
    assert starts(unsure) == 3
    assert counted(caught.value.partial) == 2
    assert caught.value.partial.sides.started is None  # type: ignore[union-attr]


def test_evals_that_were_deleted_are_left_out_and_named(unsure: Small) -> None:
    first = checked(unsure)
    unsure.remove("extract 3")
    with pytest.warns(
        ra.ProblemsWarning, match=r"1 eval could not be run again.*extract 3"
    ) as said:
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
    assert bar.seen == [(0, 0, "Nothing to run again: 1 undecided eval cannot be run any more.")]


def test_an_eval_that_is_deleted_before_its_start_does_not_stop_the_others(unsure: Small) -> None:
    first = checked(unsure)
    before_start(unsure, 1, lambda: unsure.remove(first.reruns["eval_name"][0]))
    with pytest.warns(ra.ProblemsWarning, match="1 eval could not be run again"):
        last = settled(unsure, first)
    assert last.reruns["eval_name"].to_list() == [first.reruns["eval_name"][0]]
    assert started_runs(unsure)["eval_id"].n_unique() == 2


def test_a_run_that_is_deleted_with_its_eval_does_not_stop_the_others(unsure: Small) -> None:
    first = checked(unsure)
    name = first.reruns["eval_name"][0]
    before_start(unsure, 3, lambda: unsure.remove(name))
    with pytest.warns(ra.ProblemsWarning, match=f"1 eval could not be run again.*{name}"):
        last = settled(unsure, first)
    assert last.reruns["eval_name"].to_list() == [name]
    assert last.sides.started is None


def test_a_workflow_that_is_gone_is_an_error(unsure: Small) -> None:
    first = checked(unsure)
    unsure.fail("GET /v1/workflows/evals?", reply(404))
    with pytest.raises(ra.NotFoundError) as caught:
        settled(unsure, first)
    assert caught.value.partial is first
    assert starts(unsure) == 0


def test_code_that_is_not_known_is_not_refused(unsure: Small) -> None:
    first = checked(unsure)
    blind = [
        None
        if each is None
        else each.with_columns(block_execution_fingerprint=pl.lit(None, pl.String))
        for each in (first.sides.baseline, first.sides.candidate, first.sides.history)
    ]
    candidate = blind[1]
    assert candidate is not None
    made = compare(_as_results(candidate.clear()), _as_results(candidate), history=None)
    assert settled(unsure, made) is made  # everything is new: nothing to run again


def _as_results(frame: pl.DataFrame) -> pl.DataFrame:
    missing = [
        pl.lit(None, dtype).alias(name)
        for name, dtype in ra.schema.RESULTS.schema.items()
        if name not in frame.columns
    ]
    return frame.with_columns(missing).select(ra.schema.RESULTS.schema.names())


def test_a_comparison_of_frames_can_be_settled_too(unsure: Small) -> None:
    runs = unsure.runs_frame()
    results = ra.fetch_results(runs[-21:], client=unsure.client, progress=False)
    newest = results["run_created_at"].max()
    before = results.filter(pl.col("run_created_at") < newest)
    first = compare(
        before.filter(pl.col("run_created_at") == before["run_created_at"].max()),
        results.filter(pl.col("run_created_at") == newest),
        history=before,
    )
    last = settled(unsure, first)
    assert transition(last, "classify 1")["p_regressed"] >= SURE
    assert last.compared == first.compared


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


def test_the_plan_is_said_before_anything_is_started(unsure: Small) -> None:
    first = checked(unsure)
    seen: list[int] = []
    bar = Recorder()
    told = bar.update

    def update(*said: Any) -> None:
        seen.append(starts(unsure))
        told(*said)

    bar.update = update  # type: ignore[method-assign]
    settled(unsure, first, progress=bar, max_reruns=5)
    assert bar.seen[0] == (0, 5, "Running 3 undecided evals again: about 5 runs, at most 5.")
    assert seen[0] == 0
    mean = round(first.expect_reruns(4))
    again = Recorder()
    settled(unsure, first, progress=again)
    assert again.seen[0][2] == (f"Running 3 undecided evals again: about {mean} runs, at most 12.")
    assert starts(unsure) <= 12


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
    with pytest.raises(ra.PermissionDeniedError):
        settled(unsure, first, progress=failing)
    assert failing.closed == 1


def test_a_second_time_does_nothing_and_says_so(
    unsure: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    first = checked(unsure)
    last = settled(unsure, first, progress=True)
    assert "Running 3 undecided evals again: about" in capsys.readouterr().err
    assert settled(unsure, last, progress=True) is last
    assert "Nothing to run again: no eval is undecided." in capsys.readouterr().err
    assert settled(unsure, first, progress=True, max_reruns=0) is first
    said = "Nothing to run again: no rerun was asked for, with 3 undecided evals."
    assert said in capsys.readouterr().err
    assert settled(unsure, last, progress=False) is last
    assert capsys.readouterr().err == ""


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
        ("F", "code", 4, "1 suspect probably did not get worse (p at most 0.05)"),
        ("FFP", "edited", 1, "1 rerun could not change what the gate says of 1 undecided eval"),
        ("FFP", "edited", 2, "2 reruns could not change what the gate says of 1 undecided eval"),
    ],
)
def test_what_reruns_could_not_change_is_left_alone_in_words(
    now: str, code: str, rounds: int, said: str
) -> None:
    first = beside(now, code, steady=30 if code == "code" else 20)
    assert first.reruns["eval_id"].to_list() == ["x"]
    bar = Recorder()
    # Nobody is asked: there is no server.
    client = client_for("http://127.0.0.1:9")
    assert settle(first, max_rounds=rounds, client=client, progress=bar) is first
    assert bar.seen == [(0, 0, f"Nothing to run again: {said}.")]


def test_a_red_gate_is_no_reason_to_leave_the_others_alone(unsure: Small) -> None:
    first = checked(unsure)
    assert not first.gate()
    one = settled(unsure, first, max_reruns=4)
    assert transition(one, "classify 1")["p_regressed"] >= SURE
    assert not one.gate()
    assert "extract 3" in first.choose_reruns(4)["eval_name"]
    last = settled(unsure, one)
    assert last.reruns.is_empty()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_rounds": None}, "max_rounds must be"),
        ({"max_rounds": -1}, "max_rounds must be"),
        ({"max_rounds": 1.5}, "max_rounds must be"),
        ({"max_rounds": True}, "max_rounds must be"),
        ({"max_reruns": -1}, "max_reruns must be"),
        ({"max_reruns": 2.0}, "max_reruns must be"),
        ({"max_reruns": True}, "max_reruns must be"),
        ({"max_reruns": "3"}, "max_reruns must be"),
        ({"progress": "bar"}, "progress must be"),
    ],
)
def test_arguments_that_cannot_be_used(
    unsure: Small, arguments: dict[str, Any], message: str
) -> None:
    first = checked(unsure)
    with pytest.raises(ra.ConfigError, match=message):
        settled(unsure, first, **arguments)
    assert starts(unsure) == 0


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


def test_the_requests_ask_for_one_eval_each(unsure: Small) -> None:
    asked: list[dict[str, Any]] = []
    post = unsure.client.post

    def watch(path: str, body: Any, **more: Any) -> Any:
        asked.append(json.loads(json.dumps(body)))
        return post(path, body, **more)

    unsure.client.post = watch  # type: ignore[method-assign]
    first = checked(unsure)
    settled(unsure, first, max_rounds=1)
    assert [body["scope"]["eval_id"] for body in asked] == first.choose_reruns(1)[
        "eval_id"
    ].to_list()
    assert {body["scope"]["type"] for body in asked} == {"single"}
    assert {body["workflow_id"] for body in asked} == {FLOW}
