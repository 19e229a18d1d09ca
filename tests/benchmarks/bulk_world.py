"""A world of any size: one workflow, ``wf_bulk``, with any number of alike runs and evals."""

from __future__ import annotations

from typing import Any

from support.inside import (
    SECOND,
    Circumstances,
    SimulatedRun,
    World,
    build_workflow,
    files_of,
    make_plan,
)

BULK_WORKFLOW_ID = "wf_bulk"
FIRST_DAY = -400


def bulk_world(evals: int, *, anchor: int) -> World:
    """The workflow with its evals; a result of one is about 1.8 kB."""
    spec = _bulk_fields(evals)
    workflow = build_workflow(spec, 0, anchor)
    return World(0, anchor, [workflow], {file.id: file for file in files_of(spec, 0)})


def bulk_runs(world: World, count: int, *, spacing: float = 3600.0) -> list[SimulatedRun]:
    """Finished runs of such a world.

    Args:
        world: The world; the newest run is created at its anchor.
        count: How many runs there are.
        spacing: Seconds from one run to the next; 0 creates all of them at the same instant.
    """
    step = round(spacing * SECOND)
    return [_bulk_run(world, n, world.anchor - (count - 1 - n) * step) for n in range(count)]


def _bulk_fields(evals: int) -> dict[str, Any]:
    documents = [_bulk_document(number) for number in range(evals)]
    saved_evals = [
        {
            "name": f"Bulk {document['key']}",
            "document": document["key"],
            "path": "total",
            "condition": {"kind": "equals"},
            # Before the oldest run, however far back that is.
            "since": 100 * FIRST_DAY,
        }
        for document in documents
    ]
    return {
        "about": "As many alike runs and evals as one likes.",
        "id": BULK_WORKFLOW_ID,
        "name": "Bulk",
        "description": None,
        "project_id": None,
        "blocks": [{"id": "extract", "kind": "extract", "name": "Extract"}],
        "versions": [{"day": FIRST_DAY, "changed": {}}],
        "documents": documents,
        "evals": {"extract": saved_evals},
    }


def _bulk_document(number: int) -> dict[str, Any]:
    output = {
        "total": 100 + number,
        "currency": "EUR",
        "supplier": f"Supplier {number}",
        "lines": [{"position": p, "description": f"Item {p}", "amount": 12.5} for p in range(1, 7)],
    }
    key = f"document_{number:04d}"
    return {"key": key, "filename": f"{key}.pdf", "outputs": {"extract": output}}


def _bulk_run(world: World, number: int, created: int) -> SimulatedRun:
    (workflow,) = world.workflows
    plan = make_plan(
        workflow,
        workflow.newest,
        workflow.evals,
        created,
        "api",
        world.seed,
        number,
        Circumstances(),
    )
    run = SimulatedRun(plan, pace=0.001)
    end = run.begin(run.ready).end
    # Encoded now, so that a benchmark measures its client and not the first request for each run.
    run.json(end)
    run.results_json(end)
    return run
