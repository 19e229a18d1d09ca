"""Runs in time: created, queued, run one after the other, cancelled; and two always in flight."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.inside import SANDBOX_TERMINAL as TERMINAL
from support.inside import SECOND
from support.sandbox_api import START, Api, status_of

OPEN = ("pending", "queued", "running")
RANK = {"pending": 0, "queued": 1, "running": 2, "completed": 3, "error": 3, "cancelled": 3}
SCOPES: tuple[dict[str, str], ...] = (
    {},
    {"type": "workflow"},
    {"type": "block", "block_id": "classify_document"},
    {"type": "block", "block_id": "extract_lines"},
)


def check_counts(run: dict[str, Any], children: list[dict[str, Any]]) -> None:
    lifecycle = run["counts"]["lifecycle_counts"]
    outcome = run["counts"]["outcome"]
    assert sum(lifecycle.values()) == run["total_evals"] == len(children)
    assert sum(outcome.values()) == lifecycle["completed"]
    assert Counter(lifecycle) == Counter(status_of(child) for child in children)
    assert Counter(outcome) == Counter(c["verdict"] for c in children if c["verdict"])
    for child in children:
        assert (child["verdict"] is None) == (status_of(child) != "completed")
        assert (child["assertion_result"] is None) == (status_of(child) != "completed")
        assert (child["timing"]["completed_at"] is None) == (status_of(child) in OPEN)


def check_all(api: Api, mine: list[str]) -> None:
    flying = [run for status in OPEN for run in api.runs(status=status)]
    assert len([run for run in flying if run["id"] not in mine]) == 2
    assert len([run for run in flying if status_of(run) == "running"]) <= 1
    for run in (*flying, *map(api.run, mine)):
        check_counts(run, api.results(run["id"]))


@examples(40)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 200),
            st.sampled_from(["look", "create", "cancel", "cancel one in flight"]),
            st.integers(0, 3),
        ),
        max_size=12,
    ),
    st.sampled_from([0.5, 1.0, 7.0, 300.0]),
)
def test_counts_add_up_whatever_happens(steps: list[tuple[float, str, int]], speed: float) -> None:
    api = Api(speed=speed)
    mine: list[str] = []
    ranks: dict[str, int] = {}
    check_all(api, mine)
    for wait, what, which in steps:
        api.clock.forward(wait / speed)
        if what == "create":
            mine.append(api.create("wf_invoices", **SCOPES[which])["id"])
        elif what == "cancel" and mine:
            status, run = api.cancel(mine[which % len(mine)])
            assert status in (200, 409)
            assert status == 409 or status_of(run) == "cancelled"
        elif what == "cancel one in flight":
            flying = [run for status in OPEN for run in api.runs(status=status)]
            assert api.cancel(flying[which % len(flying)]["id"])[0] == 200
        check_all(api, mine)
        for run_id in mine:
            rank = RANK[status_of(api.run(run_id))]
            assert rank >= ranks.get(run_id, 0)
            ranks[run_id] = rank


@examples(25)
@given(st.lists(st.floats(0, 600), max_size=8))
def test_what_happens_does_not_depend_on_who_looks(looks: list[float]) -> None:
    def played(instants: list[float]) -> list[Any]:
        api = Api()
        api.clock.forward(20)
        created = api.create("wf_contracts")["id"]
        for instant in sorted(instants):
            api.clock.now = max(api.clock.now, START + round(instant * SECOND))
            api.run(created)
        api.clock.now = START + 700 * SECOND
        return [api.runs(limit=100)[:30], api.results(created)]

    assert played(looks) == played([])


def test_cancel_in_the_middle_keeps_what_is_done() -> None:
    api = Api()
    run_id = api.create("wf_invoices")["id"]

    def half_done() -> bool:
        return bool(api.run(run_id)["counts"]["lifecycle_counts"]["completed"] > 40)

    api.until(half_done)
    before = {c["id"]: c for c in api.results(run_id)}
    status, run = api.cancel(run_id)
    assert (status, status_of(run)) == (200, "cancelled")
    api.clock.forward(500)
    check_counts(api.run(run_id), api.results(run_id))
    assert api.run(run_id) == run
    for child in api.results(run_id):
        if status_of(before[child["id"]]) in TERMINAL:
            assert child == before[child["id"]]
        else:
            assert status_of(child) == "cancelled"


@pytest.mark.parametrize(
    ("workflow", "scope", "status", "code"),
    [
        ("wf_nothing", {}, 404, "workflow_not_found"),
        ("wf_invoices", {"type": "single", "eval_id": "eval_x"}, 404, "workflow_eval_not_found"),
        ("wf_invoices", {"type": "block", "block_id": "x"}, 404, "block_not_found"),
        # Versions 1 to 4 had it, the newest has not.
        ("wf_invoices", {"type": "block", "block_id": "route_language"}, 404, "block_not_found"),
    ],
)
def test_runs_that_cannot_be_started(
    workflow: str, scope: dict[str, str], status: int, code: str
) -> None:
    body = {"workflow_id": workflow, **({"scope": scope} if scope else {})}
    found, document = Api().call("POST", "/v1/workflows/evals/runs", body=body)
    assert (found, document["detail"]["code"]) == (status, code)


def test_the_same_runs_come_as_seldom_at_any_speed() -> None:
    """Otherwise runs of today would soon be all that anybody reads, and the past out of sight."""

    def played(speed: float) -> list[Any]:
        api = Api(speed=speed)
        before = {run["id"] for run in api.runs()}
        api.clock.forward(600)
        new = [run for run in api.runs(order="asc", status="completed") if run["id"] not in before]
        return [
            (run["id"], run["target"], [child["verdict"] for child in api.results(run["id"])])
            for run in new
        ]

    stories = [played(speed) for speed in (1.0, 60.0, 600.0)]
    shortest = min(map(len, stories))
    assert 10 <= shortest <= max(map(len, stories)) <= 30
    assert all(story[:shortest] == stories[0][:shortest] for story in stories)
    blocks = {target["block_id"] for _, target, _ in stories[0] if target}
    assert blocks == {"classify_document", "split_bundle"}
