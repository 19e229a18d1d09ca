"""``settle``: run again only what one more result may decide."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from comparison.cases import hand_made
from support.fakes import FakeTime
from support.small_world import DRIFTED, FLOW, Small, small_api

import retab_analysis as ra
from retab_analysis import _settle
from retab_analysis._check import check
from retab_analysis._settle import settle
from retab_analysis.comparison import Comparison, compare
from retab_analysis.comparison.transitions import SURE, UNLIKELY

UNDECIDED = ["classify 1", "extract 3", "extract 4"]
"""What one run leaves open in the small world: a break, an accident, and an error."""
RUNS = "/v1/workflows/evals/runs"


@pytest.fixture
def unsure() -> Iterator[Small]:
    """A world in which the last edit came today; nobody waits for real."""
    with small_api(unsure=True) as api:
        api.client._set_time(FakeTime().as_time())
        yield api


def checked(api: Small, **more: Any) -> Comparison:
    return check(FLOW, client=api.client, progress=False, **more)


def settled(api: Small, comparison: Comparison | None = None, **more: Any) -> Comparison:
    first = checked(api) if comparison is None else comparison
    api.server.requests.clear()
    return settle(first, client=api.client, **({"progress": False} | more))


def starts(api: Small) -> int:
    """How many runs were asked for since the requests were counted anew."""
    return sum(seen.method == "POST" for seen in api.server.requests.matching(RUNS))


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
    settled(unsure)
    counts = Counter(started_runs(unsure)["eval_id"])
    one_round = checked(unsure)
    assert one_round.reruns.height == len(counts) == 3
    # Each eval was run as often as it took, and not as often as there are rounds.
    assert min(counts.values()) < 4
    assert max(counts.values()) <= 4


def test_rounds_are_counted(unsure: Small) -> None:
    first = checked(unsure)
    assert settled(unsure, first, max_rounds=0) is first
    assert starts(unsure) == 0
    once = settled(unsure, first, max_rounds=1)
    assert starts(unsure) == first.reruns.height
    assert once.evals.filter(pl.col("candidate_n") > 1).height >= 2
    assert "results of reruns are counted as well." in once.explain()


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
    assert unsure.server.requests.matching("/cancel") == []
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
    unsure.server.inject({"match": RUNS, "method": "POST", "status": 500, "after": 1})
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
    unsure.server.inject({"match": RUNS, "method": "POST", "status": 403})
    with pytest.raises(ra.PermissionDeniedError) as caught:
        settled(unsure, first)
    assert caught.value.partial is first


def test_a_failing_read_leaves_the_comparison_so_far(unsure: Small) -> None:
    first = checked(unsure)
    unsure.server.inject({"match": "/evals/results", "status": 403})
    with pytest.raises(ra.PermissionDeniedError) as caught:
        settled(unsure, first)
    assert caught.value.partial is first


@pytest.mark.parametrize("step", ["start_runs", "wait_for_runs", "fetch_results"])
def test_an_interrupt_leaves_the_comparison_so_far_and_waits_for_nothing(
    unsure: Small, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    first = checked(unsure)
    waited: list[str] = []

    def interrupt(*arguments: Any, **more: Any) -> Any:
        error = KeyboardInterrupt()
        error.partial = ra.fetch_runs(FLOW, limit=1, client=unsure.client)  # type: ignore[attr-defined]
        raise error

    if step == "start_runs":
        monkeypatch.setattr(_settle, "wait_for_runs", lambda *_, **__: waited.append("waited"))
    monkeypatch.setattr(_settle, step, interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        settled(unsure, first)
    assert caught.value.partial is first  # type: ignore[attr-defined]
    assert waited == []
    assert unsure.server.requests.matching("/cancel") == []


def test_reruns_of_other_code_are_refused_in_words() -> None:
    with small_api() as api:
        api.client._set_time(FakeTime().as_time())
        # The candidate is an old run: what would run now is another version.
        old = check(FLOW, candidate=api.run_of(DRIFTED), client=api.client, progress=False)
        assert old.reruns["eval_name"].to_list() == ["classify 0"]

        def wait(runs: pl.DataFrame, **more: Any) -> pl.DataFrame:
            api.clock.forward(600)
            return ra.wait_for_runs(runs, client=api.client)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(_settle, "wait_for_runs", wait)
            with pytest.raises(
                ra.ConfigError,
                match=r"edited since the candidate ran \(block classify\): 1 rerun ran other code",
            ) as caught:
                settled(api, old)
        assert caught.value.partial is old


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
    runs = unsure.runs()
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


class Recorder:
    """A bar that writes down what it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int | None, str]] = []
        self.closed = 0

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        self.seen.append((done, total, note))

    def close(self) -> None:
        self.closed += 1


def test_the_bar_says_before_it_starts_how_many_there_will_be_at_most(unsure: Small) -> None:
    bar = Recorder()
    settled(unsure, progress=bar, max_reruns=5)
    assert bar.seen[0] == (0, 5, "at most 5")
    assert bar.seen[-1][0] == starts(unsure) <= 5
    assert [done for done, _, _ in bar.seen] == sorted(done for done, _, _ in bar.seen)
    assert bar.closed == 1
    failing = Recorder()
    unsure.server.inject({"match": RUNS, "method": "POST", "status": 403})
    with pytest.raises(ra.PermissionDeniedError):
        settled(unsure, progress=failing)
    assert failing.closed == 1


def test_the_words_of_the_bar(unsure: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def choose(progress: Any, description: str, unit: str) -> Recorder:
        said.append(f"{description} / {unit}")
        return Recorder()

    monkeypatch.setattr(_settle, "choose_progress", choose)
    first = checked(unsure)
    expected = round(first.expect_reruns(4))
    settled(unsure, first, max_rounds=0)
    settled(unsure, first, max_reruns=1)
    last = settled(unsure, first)
    settled(unsure, last)
    assert said == [
        "Running again, about 0 times / runs",
        "Running again, about 1 time / runs",
        f"Running again, about {expected} times / runs",
        "Running again, about 0 times / runs",
    ]
    assert 3 <= expected <= 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_rounds": None}, "max_rounds must be"),
        ({"max_rounds": -1}, "max_rounds must be"),
        ({"max_rounds": 1.5}, "max_rounds must be"),
        ({"max_rounds": True}, "max_rounds must be"),
        ({"max_reruns": -1}, "max_reruns must be"),
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
    runs = unsure.runs()
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
    assert [body["scope"]["eval_id"] for body in asked] == first.reruns["eval_id"].to_list()
    assert {body["scope"]["type"] for body in asked} == {"single"}
    assert {body["workflow_id"] for body in asked} == {FLOW}
