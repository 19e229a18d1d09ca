"""Other worlds than the demonstration's: large ones for benchmarks, recorded ones for tests."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from retab_analysis.sandbox.catalog.specs import Doc, Spec, VersionSpec, WorkflowSpec
from retab_analysis.sandbox.catalog.words import equals
from retab_analysis.sandbox.instants import SECOND
from retab_analysis.sandbox.simulation.planning import Circumstances, make_plan
from retab_analysis.sandbox.simulation.simulated_runs import RecordedRun, SimulatedRun
from retab_analysis.sandbox.world.model import Block, File, Workflow
from retab_analysis.sandbox.world.saved_evals import files_of, resolve_workflow
from retab_analysis.sandbox.world.world import World

BULK_WORKFLOW_ID = "wf_bulk"
_DAYS = 400


def bulk_world(
    runs: int, evals: int, *, anchor: int, spacing: float = 3600.0, seed: int = 0
) -> World:
    """Build a world of one workflow, `wf_bulk`, with any number of alike runs.

    Args:
        runs: How many finished runs there are.
        evals: How many evals each of them has; a result is about 1.8 kB.
        anchor: The instant (microseconds since 1970) at which the newest run is created.
        spacing: Seconds from one run to the next; 0 creates all of them at the same instant.
        seed: As in `build_world`.
    """
    spec = _bulk_spec(evals)
    workflow = resolve_workflow(spec, seed, anchor)
    step = round(spacing * SECOND)
    past = [_bulk_run(workflow, seed, n, anchor - (runs - 1 - n) * step) for n in range(runs)]
    return World(seed, [workflow], past, {file.id: file for file in files_of(spec, seed)})


def _bulk_spec(evals: int) -> WorkflowSpec:
    docs = tuple(_bulk_doc(number) for number in range(evals))
    # They were saved before the oldest run, however far back that is.
    specs = tuple(
        Spec(doc.key, "extract", "total", equals, f"Bulk {doc.key}", since=-100 * _DAYS)
        for doc in docs
    )
    return WorkflowSpec(
        id=BULK_WORKFLOW_ID,
        name="Bulk",
        description=None,
        project_id=None,
        published=None,
        published_note="",
        blocks=(Block("extract", "extract", "Extract"),),
        versions=(VersionSpec(-_DAYS, ()),),
        incidents={},
        docs=docs,
        specs=specs,
        events=(),
    )


def _bulk_doc(number: int) -> Doc:
    output = {
        "total": 100 + number,
        "currency": "EUR",
        "supplier": f"Supplier {number}",
        "lines": [{"position": p, "description": f"Item {p}", "amount": 12.5} for p in range(1, 7)],
    }
    return Doc(f"document_{number:04d}", f"document_{number:04d}.pdf", {"extract": output})


def _bulk_run(workflow: Workflow, seed: int, number: int, created: int) -> SimulatedRun:
    plan = make_plan(
        workflow,
        workflow.newest,
        workflow.evals,
        created,
        "api",
        seed,
        number,
        Circumstances(),
    )
    run = SimulatedRun(plan, pace=0.001)
    end = run.begin(run.ready).end
    # Encoded now, so that a benchmark measures its client and not the first request for each run.
    run.json(end)
    run.results_json(end)
    return run


def recorded_world(
    runs: Iterable[tuple[Mapping[str, Any], Sequence[Any]]] = (),
    *,
    workflows: Sequence[Mapping[str, Any]] = (),
    evals: Sequence[Mapping[str, Any]] = (),
    files: Iterable[File] = (),
) -> World:
    """Build a world of documents that are served exactly as given.

    Args:
        runs: Pairs of a run's document and its results' documents, in the order of execution; a
            result may also be bytes, which go out untouched.
        workflows: The workflows' documents.
        evals: The saved evals' documents.
        files: What download links can be made for.
    """
    return World(
        0,
        (),
        [RecordedRun(document, results) for document, results in runs],
        {file.id: file for file in files},
        recorded_workflows=workflows,
        recorded_evals=evals,
    )
