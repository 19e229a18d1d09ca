"""A view of a comparison that was made without an API."""

from __future__ import annotations

from typing import Any

import polars as pl

import retab_analysis as ra
from support.fakes import client_for
from support.inside import RUNS, Comparison, View, WorkflowLook, inside


def view_of(comparison: Comparison, results: pl.DataFrame, **more: Any) -> View:
    """A view that has ended with this comparison, made of these results."""
    view = ra.watch("run", client=client_for("http://127.0.0.1:9"), **more)
    view.stop()
    flow = results["workflow_id"].drop_nulls().first()
    runs = results.group_by("run_id").agg(
        pl.col("workflow_version_id", "workflow_id").first(),
        created_at=pl.col("run_created_at").first(),
        scope=pl.col("run_scope").first(),
        status=pl.lit("completed"),
        is_terminal=pl.lit(True),
    )
    listed = pl.concat([RUNS.empty(), runs], how="diagonal").select(RUNS.schema.names())
    listed = listed.sort("created_at", descending=True)
    known: dict[str, Any] = {
        "runs": listed,
        "checked": listed.head(1),
        "read": frozenset(listed["run_id"]),
    }
    coded = inside(comparison).sides.code(results)
    look = WorkflowLook(phase="ended", comparison=comparison, results=coded, **known)
    view._change(str(flow), look=look)
    return view
