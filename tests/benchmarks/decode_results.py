"""A body of results, of about 1.8 kB each, into a frame."""

from __future__ import annotations

from collections.abc import Callable

from retab.types.workflows.evals import WorkflowEvalResult

import retab_analysis as ra
from benchmarks.bodies import page, results
from benchmarks.harness import Row, compare
from benchmarks.sdk_frames import sdk_frame, sdk_models

NAME = "decode_results"
TO_MODELS = "the SDK to its models only"
TO_FRAME = "the SDK to a frame"
PROMISES = {TO_MODELS: 5.0, TO_FRAME: 8.0}
PAGE = 100


def measure(size: int = 4_000) -> list[Row]:
    """Compare on ``size`` results at once, and on a page as the API gives it."""
    return [
        _compare(TO_MODELS, size, sdk_models),
        _compare(TO_FRAME, size, sdk_frame),
        _compare(f"a page of {PAGE}, to a frame", PAGE, sdk_frame),
    ]


def _compare(label: str, size: int, read: Callable[..., object]) -> Row:
    body = page(results(size))

    def ours() -> object:
        return ra.decode_results(body)

    def theirs() -> object:
        return read(body, WorkflowEvalResult)

    same_ids = [each.id for each in sdk_models(body, WorkflowEvalResult)]
    assert ra.decode_results(body)["result_id"].to_list() == same_ids
    return compare(label, "results", size, ours, theirs)
