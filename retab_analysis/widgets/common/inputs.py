"""The arguments of ``watch``, ``explore`` and ``compare_view``, checked before anything is made."""

from __future__ import annotations

from typing import Any

import polars as pl

from retab_analysis.errors import ConfigError, SchemaError, described
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.params import RunList, Runs, check_text
from retab_analysis.schema import RESULTS, RUNS, Table
from retab_analysis.transport import Client

__all__ = [
    "Runs",
    "check_client",
    "check_frame",
    "check_workflow_id",
    "choose_client",
    "list_run_ids",
]


def check_workflow_id(workflow_id: object) -> str:
    """Check the id of a workflow.

    Raises:
        ConfigError: It cannot be in a URL.
    """
    return check_text("workflow_id", workflow_id)


def check_client(client: Client | None) -> Client | None:
    """Check a client that a view may need later; none is made from the environment.

    Raises:
        ConfigError: It is neither a client nor None.
    """
    return None if client is None else client_or_default(client)


def choose_client(client: Client | None) -> Client:
    """The given client, or the default one for a view that asks the API at once.

    Raises:
        ConfigError: It is not a client, or none is given and the environment has no key.
    """
    return client_or_default(client)


def list_run_ids(runs: Runs | None) -> list[str]:
    """The ids of some runs, each once; for None there are none.

    Raises:
        ConfigError: It is neither an id, several, a RUNS frame nor its ``run_id`` column.
    """
    return [] if runs is None else list(RunList.make(runs).ids)


def check_frame(frame: Any, table: Table, argument: str) -> pl.DataFrame:
    """Check a frame of one of our tables; columns of one's own may stand beside ours.

    Args:
        frame: What was passed; a lazy frame is collected.
        table: RUNS or RESULTS.
        argument: What the caller calls it.

    Raises:
        ConfigError: It is not a polars frame.
        SchemaError: It lacks columns, or is a frame of the other table.
    """
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, str):
        raise ConfigError(
            f"{argument} must be a {table.name.upper()} frame, got a text; to explore a workflow, "
            f"name it: explore(workflow_id={frame!r})"
        )
    if not isinstance(frame, pl.DataFrame):
        raise ConfigError(
            f"{argument} must be a {table.name.upper()} frame (polars), got {described(frame)}"
        )
    mismatch = table.mismatch(frame.schema)
    for other, right in ((RUNS, "runs"), (RESULTS, "results")):
        if mismatch and other is not table and other.mismatch(frame.schema) is None:
            mismatch = f"a {other.name.upper()} frame: pass it as {right}="
    if mismatch is not None:
        raise SchemaError(f"{argument} is {mismatch}")
    # A column that holds only nulls may have lost its dtype on the way, for example in a CSV file.
    return frame.cast(
        {name: dtype for name, dtype in table.schema.items() if frame.schema[name] == pl.Null()}
    )
