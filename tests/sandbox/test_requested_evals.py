"""Evals that a client mends and deletes in the sandbox."""

from __future__ import annotations

from typing import Any

import pytest
from support.sandbox_api import Api

FLOW, BLOCK = "wf_invoices", "extract_lines"
EVALS, RESULTS = "/v1/workflows/evals", "/v1/workflows/evals/results"
HANDLE = {"output_handle_id": "output-json-0", "path": "lines.0.unit_price"}


@pytest.fixture
def api() -> Api:
    return Api(speed=1_000)


def failing(api: Api) -> tuple[dict[str, Any], Any]:
    """An eval that the newest edit broke, and the value that it got."""
    for saved in api.evals(FLOW, target_block_id=BLOCK):
        latest, condition = saved["latest_run_summary"], saved["assertion"]["condition"]
        if latest["outcome"] == "failed" and condition["kind"] == "equals":
            result = api.get(f"{RESULTS}/{latest['run_record_id']}")
            return saved, result["assertion_result"]["actual_value"]
    raise AssertionError("none fails")


def run(api: Api, eval_id: str) -> dict[str, Any]:
    started = api.create(FLOW, type="single", eval_id=eval_id)
    api.clock.forward(600)
    (result,) = api.results(started["id"])
    return dict(result)


def patch(api: Api, **changes: Any) -> tuple[int, Any]:
    known, _ = failing(api)
    return api.call("PATCH", f"{EVALS}/{known['id']}", body=changes)


def test_a_mended_expectation_passes_and_moves_updated_at(api: Api) -> None:
    saved, actual = failing(api)
    place = f"{EVALS}/{saved['id']}"
    condition = {"kind": "equals", "expected": actual}
    assertion = {"target": saved["assertion"]["target"], "condition": condition}
    status, mended = api.call("PATCH", place, body={"assertion": assertion})
    assert status == 200
    assert mended["updated_at"] > saved["updated_at"]
    assert mended["assertion"]["id"] != saved["assertion"]["id"]
    # The block is the one that ran: only the time and the id tell the edit.
    assert mended["freshness"] == saved["freshness"]
    assert run(api, saved["id"])["verdict"] == "passed"
    after = api.get(place)
    assert after["updated_at"] == mended["updated_at"]
    assert after["latest_run_summary"]["outcome"] == "passed"
    api.clock.forward(1)
    _, renamed = api.call("PATCH", place, body={"name": "another"})
    assert renamed["updated_at"] > after["updated_at"]
    assert renamed["assertion"] == after["assertion"]


def test_one_cannot_be_created(api: Api) -> None:
    assert api.call("POST", EVALS, body={"workflow_id": FLOW})[0] == 501


def test_other_inputs_are_a_reason(api: Api) -> None:
    saved, _ = failing(api)
    others = [each for each in api.evals(FLOW, target_block_id=BLOCK) if each["id"] != saved["id"]]
    source = next(
        each["source"] for each in others if each["source"] not in (saved["source"], None)
    )
    _, changed = api.call("PATCH", f"{EVALS}/{saved['id']}", body={"source": source})
    assert changed["freshness"]["reasons"] == ["inputs_changed"]
    assert changed["assertion"] == saved["assertion"]


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ({"kind": "equals", "expected": "something else"}, "failed"),
        ({"kind": "not_equals", "expected": 0}, "passed"),
        ({"kind": "number_compare", "op": "gte", "expected": 0}, "passed"),
        ({"kind": "between", "lower": -2, "upper": -1}, "failed"),
        ({"kind": "length_compare", "op": "gt", "expected": 1}, "blocked"),
        ({"kind": "matches_regex", "pattern": "("}, "blocked"),
        ({"kind": "llm_judged_as", "rubric": "a price"}, "failed"),
    ],
)
def test_the_same_outputs_are_judged(api: Api, condition: dict[str, Any], verdict: str) -> None:
    _, changed = patch(api, assertion={"target": HANDLE, "condition": condition})
    found = run(api, changed["id"])
    assert found["verdict"] == verdict
    assert found["assertion_result"]["condition_kind"] == condition["kind"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"assertion": {"target": HANDLE, "condition": {"kind": "resembles"}}}, 422),
        ({"assertion": {"target": HANDLE, "condition": {"kind": "equals"}}}, 422),
        ({"source": {"type": "manual", "handle_inputs": {}}}, 422),
        ({"source": 3}, 422),
    ],
)
def test_a_wrong_request_changes_nothing(api: Api, more: dict[str, Any], status: int) -> None:
    before = api.evals(FLOW)
    assert patch(api, **more)[0] == status
    assert api.evals(FLOW) == before


def test_a_deleted_eval_takes_its_results_along(api: Api) -> None:
    saved, _ = failing(api)
    own = run(api, saved["id"])
    whole = api.get(f"{RESULTS}/{saved['latest_run_summary']['run_record_id']}")
    before = api.results(whole["workflow_eval_run_id"])
    assert api.call("DELETE", f"{EVALS}/{saved['id']}") == (204, None)
    assert api.results(whole["workflow_eval_run_id"]) == [each for each in before if each != whole]
    for path in (
        f"{EVALS}/{saved['id']}",
        f"{RESULTS}/{whole['id']}",
        f"{RESULTS}/{own['id']}",
        f"/v1/workflows/evals/runs/{own['workflow_eval_run_id']}",
    ):
        assert api.call("GET", path)[0] == 404, path
    assert saved["id"] not in {each["id"] for each in api.evals(FLOW)}
    assert own["workflow_eval_run_id"] not in {each["id"] for each in api.runs()}
    assert api.call("DELETE", f"{EVALS}/{saved['id']}")[0] == 404
