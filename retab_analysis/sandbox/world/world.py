"""A world: workflows, saved evals, files and past runs, from a seed and an anchor in time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from retab_analysis.sandbox.catalog.claims import CLAIM_WORKFLOW
from retab_analysis.sandbox.catalog.contracts import CONTRACT_WORKFLOW
from retab_analysis.sandbox.catalog.invoices import INVOICE_WORKFLOW
from retab_analysis.sandbox.catalog.specs import WorkflowSpec
from retab_analysis.sandbox.catalog.statements import STATEMENT_WORKFLOW, UNTITLED_WORKFLOW
from retab_analysis.sandbox.simulation.past_runs import past_runs
from retab_analysis.sandbox.simulation.simulated_runs import Run
from retab_analysis.sandbox.world.model import File, Workflow
from retab_analysis.sandbox.world.saved_evals import files_of, resolve_workflow

CATALOG: tuple[WorkflowSpec, ...] = (
    INVOICE_WORKFLOW,
    CONTRACT_WORKFLOW,
    CLAIM_WORKFLOW,
    STATEMENT_WORKFLOW,
    UNTITLED_WORKFLOW,
)


@dataclass(frozen=True, eq=False)
class World:
    """Everything that a sandbox starts from.

    Attributes:
        in_flight: For each run that is always in flight, what it runs, in turns: pairs of a
            workflow id and a block id (None: the whole workflow).
        recorded_workflows: Documents served as they are, beside the simulated workflows.
        recorded_evals: The same for saved evals.
    """

    seed: int
    workflows: Sequence[Workflow]
    runs: Sequence[Run]
    files: Mapping[str, File] = field(default_factory=dict)
    in_flight: Sequence[Sequence[tuple[str, str | None]]] = ()
    recorded_workflows: Sequence[Mapping[str, Any]] = ()
    recorded_evals: Sequence[Mapping[str, Any]] = ()


IN_FLIGHT = (
    (
        ("wf_invoices", "classify_document"),
        ("wf_invoices", "split_bundle"),
    ),
    (("wf_contracts", None), ("wf_claims", None), ("wf_statements", None)),
)


def build_world(seed: int, anchor: int) -> World:
    """Build the world of the demonstration; the same seed and anchor give the same, byte by byte.

    Args:
        seed: Any whole number: ids, durations and chance follow from it. The story does not.
        anchor: A midnight (UTC) in microseconds since 1970; the history ends just before it.
    """
    workflows = [resolve_workflow(spec, seed, anchor) for spec in CATALOG]
    events = [(w, spec.events) for w, spec in zip(workflows, CATALOG, strict=True)]
    files = {file.id: file for spec in CATALOG for file in files_of(spec, seed)}
    runs = past_runs(events, seed, anchor)
    return World(seed, workflows, runs, files, IN_FLIGHT)
