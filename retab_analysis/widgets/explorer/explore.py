"""``explore``: what it takes."""

from __future__ import annotations

from typing import Any

import polars as pl

from retab_analysis.errors import ConfigError, SchemaError, described
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.params import check_text as text
from retab_analysis.schema import RESULTS, RUNS, Table
from retab_analysis.transport import Client
from retab_analysis.widgets.explorer.state import Exploration, Source
from retab_analysis.widgets.explorer.view import Explorer


def explore(
    runs: pl.DataFrame | None = None,
    results: pl.DataFrame | None = None,
    *,
    workflow_id: str | None = None,
    client: Client | None = None,
) -> Explorer:
    """Explore runs, results and evals: filter, sort, look into one, and take the rows along.

    Show what it returns as a cell's last line. What has to be fetched is fetched in the
    background: with ``workflow_id`` the runs, and the results of a run that is chosen.

    The static page that a saved or exported notebook keeps has no expected and actual values; where
    Jupyter is told to save the state of widgets, those of the run or result that is open are in it.

    Args:
        runs: A RUNS frame.
        results: A RESULTS frame; with ``runs`` as well, their results are not fetched again.
        workflow_id: Instead of both: the runs of this workflow in the last 90 days.
        client: What to ask; the default one if not given, and only once something is asked.

    Returns:
        The explorer; its ``.frame`` is what passes the filters of the tab that is seen, and its
        ``.wait()`` blocks until what is being fetched is here.

    Raises:
        ConfigError: An argument cannot be used.
        SchemaError: A frame that lacks columns.
    """
    if (workflow_id is None) == (runs is None and results is None):
        raise ConfigError("pass runs, results= or both, or else workflow_id= alone")
    if workflow_id is not None:
        text("workflow_id", workflow_id)
        empty = Exploration(RUNS.empty(), None, Source())
        return Explorer(empty, client_or_default(client), workflow_id)
    if client is not None:
        client_or_default(client)
    shown_runs = None if runs is None else _checked(runs, RUNS, "runs")
    shown_results = None if results is None else _checked(results, RESULTS, "results")
    source = Source(
        runs="# runs: the frame that was passed to explore",
        results="# results: the frame that was passed to explore",
    )
    return Explorer(Exploration(shown_runs, shown_results, source), client)


def _checked(frame: Any, table: Table, argument: str) -> pl.DataFrame:
    """The frame, with the columns of its kind."""
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
    # What holds nulls alone may have lost its dtype.
    return frame.cast(
        {name: dtype for name, dtype in table.schema.items() if frame.schema[name] == pl.Null()}
    )
