"""The results of runs as polars frames."""

from __future__ import annotations

import contextlib

import polars as pl

from retab_analysis.errors import ConfigError, described
from retab_analysis.fetch import result_endpoints as results
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.params import RunList, Runs
from retab_analysis.fetch.runs import reported
from retab_analysis.progress import Progress, choose_progress
from retab_analysis.schema import EVALS, RESULTS, RESULTS_WITH_PAYLOADS
from retab_analysis.transport import Client


def fetch_results(
    runs: Runs,
    *,
    evals: pl.DataFrame | None = None,
    payloads: bool = False,
    client: Client | None = None,
    progress: Progress | bool | None = None,
    strict: bool = True,
) -> pl.DataFrame:
    """Fetch the results of eval runs, several runs at once.

    Args:
        runs: An id, several, a RUNS frame or its ``run_id`` column. With the frame, no request is
            needed for the runs themselves.
        evals: An EVALS frame; fills the columns ``eval_name`` and ``path``.
        payloads: Also the columns ``handle_inputs`` and ``handle_outputs``, the blocks' inputs and
            outputs as compact JSON. They can be large.
        client: What to ask, with ``max_concurrency`` requests at once; the default one if not
            given.
        progress: None for a bar of runs and results where there is a notebook or a terminal and it
            takes longer than a second, False for none, or an object with ``update`` and ``close``.
        strict: Raise for a result that does not decode. False keeps the good ones and warns once;
            a run that does not decode leaves its two columns null then.

    Returns:
        A RESULTS frame, one row per eval and run: the runs in the order given, each run's results
        in the API's order, whatever came first. ``expected_value`` and ``actual_value`` are the
        JSON that was sent, white space apart.

    Raises:
        ConfigError: An argument cannot be used.
        SchemaError: A result does not decode, with its id and JSON path.
        RetabAnalysisError: Any other failure. The other runs are fetched all the same; the message
            names those that are missing, and ``.partial`` has the rows of the others.
        KeyboardInterrupt: After Ctrl-C, within a second. The rows that had come are its
            ``.partial``; in a notebook, ``sys.last_value.partial``.

    Warns:
        ProblemsWarning: With ``strict=False``, some did not decode; see its ``.problems``.
    """
    chosen = RunList.make(runs)
    if evals is not None:
        _check_evals(evals)
    table = RESULTS_WITH_PAYLOADS if payloads else RESULTS
    with contextlib.closing(choose_progress(progress, "results", "runs")) as bar:
        fetched = results.list_results(
            client_or_default(client), chosen, table, evals=evals, strict=strict, progress=bar
        )
    return reported(table, fetched)


def fetch_result(result_id: str, *, client: Client | None = None) -> pl.DataFrame:
    """Fetch one result.

    Args:
        result_id: The result.
        client: What to ask; the default one if not given.

    Returns:
        A RESULTS frame of one row; ``eval_name`` and ``path`` are null.

    Raises:
        ConfigError: The id cannot be in a URL.
        NotFoundError: There is no such result; or its run is gone, and the result is in
            ``.partial``.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.
    """
    return results.get_result(client_or_default(client), result_id)


def _check_evals(evals: pl.DataFrame) -> None:
    if not isinstance(evals, pl.DataFrame):
        raise ConfigError(f"evals must be an EVALS frame, got {described(evals)}")
    needed = ("eval_id", "name", "path")
    missing = [name for name in needed if evals.schema.get(name) != EVALS.schema[name]]
    if missing:
        raise ConfigError(
            f"evals must be an EVALS frame ({', '.join(EVALS.schema)}); "
            f"it has no String column {', '.join(missing)}"
        )
