"""Stories told as data: incidents by versions, by days, and in single runs."""

from __future__ import annotations

from typing import Any

import pytest
from support.inside import DAY, Incident, Window, World, build_workflow
from support.sandbox_api import ANCHOR, Api, past_of, status_of

WRONG = {"values": ["wrong"]}


def eval_fields(**more: Any) -> dict[str, Any]:
    return {
        "name": "The total",
        "document": "letter",
        "path": "total",
        "condition": {"kind": "equals"},
        "since": -30,
        **more,
    }


def workflow_fields(**more: Any) -> dict[str, Any]:
    """A workflow whose second version came on day -10; one run a day, at noon."""
    return {
        "about": "One eval.",
        "id": "wf",
        "name": None,
        "description": None,
        "project_id": None,
        "blocks": [{"id": "block", "kind": "extract", "name": "Block"}],
        "versions": [
            {"day": -31, "changed": {}},
            {"day": -10, "changed": {"block": {"prompt": "Add it up."}}},
        ],
        "documents": [{"key": "letter", "filename": "a.pdf", "outputs": {"block": {"total": "5"}}}],
        "runs": [{"days": [[-20, -1]], "at": "12:00", "trigger": "api", "quiet": True}],
        "evals": {"block": [eval_fields()]},
        **more,
    }


def failing_days(**more: Any) -> list[int]:
    """The days on which the eval does not pass."""
    spec = workflow_fields(**more)
    world = World(0, ANCHOR, [build_workflow(spec, 0, ANCHOR)], {})
    api = Api(world)
    runs = {run.id: run for run in past_of(world)}
    return [
        (runs[run["id"]].created - ANCHOR) // DAY
        for run in api.runs(order="asc")
        if any(child["verdict"] != "passed" for child in api.results(run["id"]))
    ]


def named(incident: dict[str, Any], **more: Any) -> list[int]:
    return failing_days(
        incidents={"it": {"kind": "edit", "about": "It.", **incident}},
        evals={"block": [eval_fields(fails=[{"when": "it", **WRONG}])]},
        **more,
    )


def test_without_an_incident_all_is_well() -> None:
    assert failing_days() == []


def test_versions() -> None:
    assert named({"versions": [2, None]}) == list(range(-10, 0))
    assert named({"versions": [1, 1]}) == list(range(-20, -10))


def test_days_on_unchanged_code() -> None:
    assert named({"days": [-6, None]}) == list(range(-6, 0))
    assert named({"days": [-14, -12]}) == [-14, -13, -12]


def test_versions_and_days_together() -> None:
    assert named({"versions": [2, None], "days": [None, -8]}) == [-10, -9, -8]


def test_single_runs() -> None:
    runs = [
        {"days": [-5, -3], "at": "12:00", "trigger": "api", "quiet": True},
        {"days": [-4], "at": "12:00", "trigger": "api", "quiet": True, "incidents": ["it"]},
    ]
    assert named({}, runs=runs) == [-4]


def test_an_incident_of_every_eval() -> None:
    error = {"code": "provider_down", "message": "The provider is down"}
    incidents = {
        "outage": {
            "kind": "outage",
            "about": "An outage.",
            "days": [-7, -7],
            "every_eval": {"error": error},
        }
    }
    assert failing_days(incidents=incidents) == [-7]


def test_an_edit_ends_a_failure() -> None:
    fails = [{"when": "it", **WRONG}]
    edits = [{"day": -6, "fails": []}]
    days = failing_days(
        incidents={"it": {"kind": "gap", "about": "It.", "versions": [1, None]}},
        evals={"block": [eval_fields(fails=fails, edits=edits)]},
    )
    assert days == list(range(-20, -6))


def test_a_live_run_has_what_is_still_so() -> None:
    incidents = {"it": {"kind": "drift", "about": "It.", "days": [-6, None]}}
    evals = {"block": [eval_fields(fails=[{"when": "it", **WRONG}])]}
    spec = workflow_fields(incidents=incidents, evals=evals)
    api = Api(World(0, ANCHOR, [build_workflow(spec, 0, ANCHOR)], {}))
    run = api.create("wf")
    api.until(lambda: status_of(api.run(run["id"])) == "completed")
    assert [child["verdict"] for child in api.results(run["id"])] == ["failed"]


@pytest.mark.parametrize(
    "more",
    [
        {"evals": {"block": [eval_fields(fails=[{"when": "nothing", **WRONG}])]}},
        {"runs": [{"days": [-1], "at": "12:00", "trigger": "api", "incidents": ["nothing"]}]},
    ],
)
def test_a_name_that_no_incident_has_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="nothing"):
        build_workflow(workflow_fields(**more), 0, ANCHOR)


@pytest.mark.parametrize(
    "more",
    [
        {"evals": {"block": [eval_fields(colour="blue")]}},
        {"runs": [{"days": [-1], "at": "12:00", "trigger": "api", "colour": "blue"}]},
        {"incidents": {"it": {"kind": "gap", "about": "It.", "colour": "blue"}}},
    ],
)
def test_a_field_that_there_is_not_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="colour"):
        build_workflow(workflow_fields(**more), 0, ANCHOR)


def test_windows() -> None:
    assert not lasting().covers(1, 0)
    assert lasting(period=Window(5, 5)).covers(1, 5)
    assert not lasting(period=Window(5, 5)).covers(1, 6)
    assert not lasting(Window(2, None), Window(0, None)).covers(1, 6)


def lasting(versions: Window | None = None, period: Window | None = None) -> Incident:
    return Incident("edit", "It.", versions, period)
