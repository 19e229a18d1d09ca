"""Start runs, cancel them, and wait for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from retab_analysis.errors import (
    ConfigError,
    ConflictError,
    NotFoundError,
    RetabAnalysisError,
)
from retab_analysis.fetch import run_endpoints as api
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.params import OneOrSeveral, RunList, Runs, count, several, text
from retab_analysis.fetch.polling import wait_for
from retab_analysis.schema import RUNS
from retab_analysis.transport import Client

_THIS_RUN_ONLY = (ConflictError, NotFoundError)


def start_runs(
    workflow_id: str,
    *,
    eval_ids: OneOrSeveral = None,
    block_ids: OneOrSeveral = None,
    repeat: int = 1,
    client: Client | None = None,
) -> pl.DataFrame:
    """Start eval runs on the newest version of a workflow.

    All evals of all workflows of an organization are executed one after the other, on one shared
    queue. A run of more than about 25 evals is a large one: it takes minutes, and other people's
    runs wait behind it. To try a change, run the evals or the block that it concerns.

    Args:
        workflow_id: The workflow.
        eval_ids: Run only this saved eval, or these: a run for each.
        block_ids: Run only the evals of this block, or these: a run for each.
        repeat: Start each run so often, for example to see whether an eval is flaky.
        client: What to ask; the default one if not given.

    Returns:
        A RUNS frame, one row per run started, in that order. They have only just been created.

    Raises:
        ConfigError: An argument cannot be used.
        NotFoundError: There is no such workflow, eval or block.
        RetabAnalysisError: Any other failure. No start is tried again by itself, since it may have
            happened; ``.partial`` has the runs started before.
        KeyboardInterrupt: After Ctrl-C; ``.partial`` as above, in a notebook
            ``sys.last_value.partial``. What was started goes on.
    """
    text("workflow_id", workflow_id)
    scopes = _scopes(several("eval_ids", eval_ids), several("block_ids", block_ids))
    if count("repeat", repeat) in (0, None):
        raise ConfigError(f"repeat must be a whole number of at least 1, got {repeat!r}")
    chosen = client_or_default(client)
    started: list[pl.DataFrame] = []
    for scope in (scope for scope in scopes for _ in range(repeat)):
        try:
            started.append(api.create_run(chosen, workflow_id, scope))
        except (RetabAnalysisError, KeyboardInterrupt) as error:
            error.partial = _stacked(started)  # type: ignore[union-attr]
            raise
    return _stacked(started)


def cancel_runs(runs: Runs, *, client: Client | None = None) -> pl.DataFrame:
    """Cancel eval runs.

    Args:
        runs: An id, several, a RUNS frame or its ``run_id`` column.
        client: What to ask; the default one if not given.

    Returns:
        A RUNS frame of the runs as they are then, in the order given.

    Raises:
        ConflictError: A run has already ended. The other runs are cancelled all the same, and are
            in ``.partial``.
        NotFoundError: There is no such run; as above.
        RetabAnalysisError: Any other failure, which ends the cancelling; ``.partial`` has the runs
            cancelled before.
    """
    chosen = client_or_default(client)
    cancelled: list[pl.DataFrame] = []
    failed: list[RetabAnalysisError] = []
    for run_id in RunList.make(runs).ids:
        try:
            cancelled.append(api.cancel_run(chosen, run_id))
        except RetabAnalysisError as error:
            failed.append(error)
            if not isinstance(error, _THIS_RUN_ONLY):
                break
    if failed:
        # The one that ended it, if any, says more than a run that could not be cancelled.
        told = failed[0] if isinstance(failed[-1], _THIS_RUN_ONLY) else failed[-1]
        told.partial = _stacked(cancelled)
        raise told
    return _stacked(cancelled)


def wait_for_runs(
    runs: Runs,
    *,
    timeout: float = 3600.0,
    interval: float = 2.0,
    on_poll: Callable[[pl.DataFrame], object] | None = None,
    client: Client | None = None,
) -> pl.DataFrame:
    """Wait until all runs have ended. This blocks; interrupting it cancels no run.

    Args:
        runs: An id, several, a RUNS frame or its ``run_id`` column.
        timeout: Seconds to wait at most.
        interval: Seconds between two polls; longer where the API asks for it (``Retry-After``).
        on_poll: Called with the RUNS frame after each poll.
        client: What to ask; the default one if not given.

    Returns:
        A RUNS frame of the runs, all of them terminal, in the order given.

    Raises:
        ConfigError: An argument cannot be used.
        WaitTimeout: Not all have ended in time; ``.runs`` is the last frame.
        NotFoundError: A run was not there four times in a row; it takes a moment after its start
            until the API knows it.
        RetabAnalysisError: The API refuses (400, 401, 403, 422) or gives what does not decode.
            While it fails (5xx, 429) or cannot be reached, the wait goes on. ``.partial`` is the
            last frame.
    """
    ids = RunList.make(runs).ids
    for name, value in (("timeout", timeout), ("interval", interval)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise ConfigError(f"{name} must be a number of seconds, got {value!r}")
    return wait_for(client_or_default(client), ids, timeout, interval, on_poll)


def _scopes(
    eval_ids: Sequence[str] | None, block_ids: Sequence[str] | None
) -> list[dict[str, str]]:
    if eval_ids is None and block_ids is None:
        return [{"type": "workflow"}]
    singles = [{"type": "single", "eval_id": each} for each in eval_ids or []]
    return singles + [{"type": "block", "block_id": each} for each in block_ids or []]


def _stacked(runs: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([RUNS.empty(), *runs])
