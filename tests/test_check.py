"""``check`` in the sandbox's world: what it finds, what it asks for, what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from support.fakes import STILL, client_for
from support.faultserver import FaultServer, Reply, page, reply
from support.made_runs import run_with

import retab_analysis as ra
from retab_analysis._check import check
from retab_analysis.comparison.suite_test import BROKEN

WORKFLOW = "wf_invoices"
PLANTED = "extract_lines"  # the block whose prompt the newest version changed


@pytest.fixture(scope="module")
def world() -> Iterator[ra.Sandbox]:
    with ra.Sandbox(speed=STILL) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def client(world: ra.Sandbox) -> ra.Client:
    return ra.Client(**world.credentials)


@pytest.fixture(scope="module")
def whole(client: ra.Client) -> pl.DataFrame:
    """The whole-workflow runs that ended, the newest first."""
    runs = ra.fetch_runs(WORKFLOW, client=client)
    return runs.filter(pl.col("scope") == "workflow", "is_terminal")


def looked_at(comparison: Any) -> set[str]:
    return {
        run
        for side in ("baseline", "candidate")
        for run in comparison.evals[f"{side}_run_id"].drop_nulls()
    }


def test_it_finds_the_planted_regression(client: ra.Client) -> None:
    made = check(WORKFLOW, client=client, progress=False)
    evals = made.evals
    assert made.verdict == "regressed"
    broken = evals.filter(pl.col("transition").is_in(BROKEN))
    planted = evals.filter(
        pl.col("block_id") == PLANTED,
        pl.col("baseline_state") == "passed",
        pl.col("candidate_state") != "passed",
        pl.col("transition") != "not_comparable",
    )
    assert planted.height >= 8
    assert set(planted["transition"]) <= set(BROKEN)
    suspect = broken.filter(pl.col("block_id") != PLANTED)
    assert suspect.height <= 1
    assert not suspect["block_changed"].any()
    assert planted["block_changed"].all()


def test_it_does_not_count_what_is_flaky_or_changed(client: ra.Client) -> None:
    evals = check(WORKFLOW, client=client, progress=False).evals
    naive = evals.filter(
        pl.col("baseline_state") == "passed", pl.col("candidate_state") != "passed"
    )
    flaky = naive.filter(pl.col("transition") == "flaky")
    assert flaky.height >= 2
    assert flaky["reason"].str.contains(r"^failed \d+ of \d+ earlier runs on identical code$").all()
    changed = naive.filter(pl.col("transition") == "not_comparable")
    assert changed.height >= 2
    assert changed["reason"].str.ends_with(" changed").all()


def test_it_says_what_it_compared_and_why(client: ra.Client, whole: pl.DataFrame) -> None:
    made = check(WORKFLOW, client=client, progress=False)
    good = whole.filter("ok").head(1)
    said = made.explain()
    assert f"Compared run {whole['run_id'][0]} of version" in said
    assert "the newest run of the whole workflow that has ended" in said
    assert f"with run {good['run_id'][0]} of version {good['workflow_version_id'][0]}" in said
    assert "the newest run before it in which every eval passed" in said
    assert "in the light of 20 earlier runs" in said
    assert looked_at(made) == {whole["run_id"][0], good["run_id"][0]}
    assert made.evals["eval_name"].drop_nulls().len() > 80


def asked(world: ra.Sandbox, piece: str) -> int:
    return len(world.requests.matching(piece))


def test_it_asks_for_as_little_as_possible(world: ra.Sandbox, client: ra.Client) -> None:
    world.requests.clear()
    check(WORKFLOW, client=client, progress=False)
    assert asked(world, "/evals/runs") == 1
    assert asked(world, "/versions/diff") == 1
    assert asked(world, "/evals/results") == 22
    assert len(world.requests) == 25  # and the saved evals


def test_where_nothing_flipped_it_reads_no_history(world: ra.Sandbox, client: ra.Client) -> None:
    world.requests.clear()
    made = check("wf_claims", client=client, progress=False)
    assert made.verdict == "no_change"
    assert "earlier runs" not in made.explain()
    assert asked(world, "/evals/results") == 2


def test_the_history_is_as_long_as_asked(world: ra.Sandbox, client: ra.Client) -> None:
    world.requests.clear()
    assert "5 earlier runs" in check(WORKFLOW, history=5, client=client, progress=False).explain()
    assert asked(world, "/evals/results") == 7
    made = check(WORKFLOW, history=0, client=client, progress=False)
    assert made.summary["flaky"].item() == 0


def test_the_previous_run(client: ra.Client, whole: pl.DataFrame) -> None:
    made = check(WORKFLOW, baseline="previous", client=client, progress=False)
    completed = whole.filter(pl.col("status") == "completed")
    assert looked_at(made) == set(completed["run_id"][:2])
    assert "the newest run that completed before it" in made.explain()


def test_runs_and_versions_by_name(client: ra.Client, whole: pl.DataFrame) -> None:
    new, old = whole["run_id"][0], whole["run_id"][4]
    version = whole["workflow_version_id"][4]
    for candidate in (new, [new], whole.head(1), whole.head(1).lazy(), whole["run_id"].head(1)):
        made = check(WORKFLOW, candidate=candidate, baseline=old, client=client, progress=False)
        assert looked_at(made) == {new, old}
    newest = whole.filter(pl.col("workflow_version_id") == version, pl.col("status") == "completed")
    made = check(WORKFLOW, baseline=version, client=client, progress=False)
    assert looked_at(made) == {new, newest["run_id"][0]}
    assert "the newest run of that version" in made.explain()


def test_several_runs_are_one_side(client: ra.Client, whole: pl.DataFrame) -> None:
    completed = whole.filter(pl.col("status") == "completed")
    made = check(WORKFLOW, candidate=completed[1:4], client=client, progress=False)
    assert made.evals["candidate_n"].max() == 3


def test_a_block_is_compared_with_that_block(client: ra.Client) -> None:
    runs = ra.fetch_runs(WORKFLOW, client=client)
    block = runs.filter(
        pl.col("scope") == "block", "is_terminal", pl.col("target_block_id") == PLANTED
    ).head(1)
    made = check(WORKFLOW, candidate=block, client=client, progress=False)
    assert set(made.evals["block_id"]) == {PLANTED}
    assert made.verdict == "regressed"
    single = runs.filter(pl.col("scope") == "eval", "is_terminal").head(1)
    made = check(WORKFLOW, candidate=single, client=client, progress=False)
    assert made.evals["eval_id"].to_list() == single["eval_id"].to_list()


def test_old_runs_and_versions_are_found(client: ra.Client, whole: pl.DataFrame) -> None:
    oldest = whole.tail(1)
    made = check(
        WORKFLOW, candidate=oldest["workflow_version_id"][0], client=client, progress=False
    )
    assert made.evals.height
    with pytest.raises(ra.ConfigError, match="no run of the whole workflow completed before"):
        check(WORKFLOW, candidate=oldest["run_id"][0], client=client, progress=False)


@pytest.mark.parametrize("status", [404, 422])
def test_without_a_version_diff_the_fingerprints_do(
    world: ra.Sandbox, client: ra.Client, status: int
) -> None:
    world.inject({"match": "/versions/diff", "status": status})
    made = check(WORKFLOW, client=client, progress=False)
    broken = made.evals.filter(pl.col("transition").is_in(BROKEN), pl.col("block_id") == PLANTED)
    assert broken["block_changed"].all()


def test_any_other_failure_is_one(world: ra.Sandbox, client: ra.Client) -> None:
    world.inject({"match": "/versions/diff", "status": 403})
    with pytest.raises(ra.PermissionDeniedError):
        check(WORKFLOW, client=client, progress=False)


@pytest.mark.parametrize(
    ("workflow", "arguments", "message"),
    [
        (WORKFLOW, {"candidate": "nope"}, "'nope' is no run or version .* versions: draft_"),
        (WORKFLOW, {"baseline": "nope"}, "'nope' is no run or version"),
        (WORKFLOW, {"candidate": []}, "candidate names no run"),
        (WORKFLOW, {"candidate": 3}, "candidate must be"),
        (WORKFLOW, {"history": -1}, "history must be"),
        (WORKFLOW, {"history": None}, "history must be"),
        (WORKFLOW, {"alpha": 2}, "alpha must be"),
        ("wf_untitled", {}, "workflow wf_untitled has no run; is that its id"),
    ],
)
def test_arguments_that_cannot_be_used(
    client: ra.Client, workflow: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ra.ConfigError, match=message):
        check(workflow, client=client, progress=False, **arguments)


def test_a_workflow_none_of_whose_runs_has_ended_has_no_candidate() -> None:
    def answer(request: str) -> Reply:
        runs = [run_with("r1", "running", running=1), run_with("r2", "queued", queued=1)]
        return reply(body=page(runs if "/evals/runs?" in request else []))

    with FaultServer([answer]) as server:
        client = client_for(server.url)
        with pytest.raises(ra.ConfigError, match="has ended among the 2 newest; start one with"):
            check("wf_1", client=client, progress=False)


def test_a_run_of_another_workflow_is_refused(client: ra.Client, whole: pl.DataFrame) -> None:
    for candidate in (whole["run_id"][0], whole.head(1)):
        with pytest.raises(ra.ConfigError, match="is of workflow wf_invoices, not wf_claims"):
            check("wf_claims", candidate=candidate, client=client, progress=False)


def test_the_run_that_was_just_waited_for() -> None:
    with ra.Sandbox(speed=5000) as sandbox:
        client = ra.Client(**sandbox.credentials)
        started = ra.start_runs(WORKFLOW, block_ids=[PLANTED], client=client)
        ended = ra.wait_for_runs(started, interval=0.1, client=client)
        made = check(WORKFLOW, candidate=ended, client=client, progress=False)
    assert looked_at(made) >= set(ended["run_id"])
    assert made.verdict == "regressed"
