"""A body of runs into a frame, in one call."""

from __future__ import annotations

from retab.types.workflows.evals import WorkflowEvalRun

import retab_analysis as ra
from benchmarks.bodies import page, runs
from benchmarks.harness import Row, compare
from benchmarks.sdk_frames import sdk_frame

NAME = "decode_runs"
IN_ONE_CALL = "all in one call"
PROMISES = {IN_ONE_CALL: 8.0}
PAGE = 100


def measure(size: int = 10_000) -> list[Row]:
    """Compare on ``size`` runs at once, and on a page as the API gives it."""
    return [_compare(IN_ONE_CALL, size), _compare(f"a page of {PAGE}", PAGE)]


def _compare(label: str, size: int) -> Row:
    body = page(runs(size))

    def ours() -> object:
        return ra.decode_runs(body)

    def theirs() -> object:
        return sdk_frame(body, WorkflowEvalRun)

    assert ra.decode_runs(body)["run_id"].equals(sdk_frame(body, WorkflowEvalRun)["id"])
    return compare(label, "runs", size, ours, theirs)
