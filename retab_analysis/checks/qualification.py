"""``qualify``: run new evals several times, and say which of them can be trusted."""

from __future__ import annotations

import contextlib

import polars as pl

from retab_analysis.analysis.frames import count_rows, count_where
from retab_analysis.arguments import check_count
from retab_analysis.errors import ConfigError
from retab_analysis.fetch import fetch_results, start_runs, wait_for_runs
from retab_analysis.fetch.params import OneOrSeveral, list_values
from retab_analysis.progress import choose_progress
from retab_analysis.stats.proportions import wilson_over
from retab_analysis.transport import Client
from retab_analysis.vocabulary import DECIDED, NOT_PASSING, TERMINAL

_WAIT = 24 * 3600.0


def qualify(
    workflow_id: str, evals: OneOrSeveral, *, repeat: int = 5, client: Client | None = None
) -> pl.DataFrame:
    """Run new evals several times on the workflow as it is now, and say which can be trusted.

    An eval that comes and goes on the same code says little about an edit. Before the first start
    it is said how many runs there will be.

    Args:
        workflow_id: The workflow.
        evals: The saved evals, by id or name.
        repeat: How often to run each of them, at least 2.
        client: What to ask; the default one if not given.

    Returns:
        One row per eval, in the order given: ``eval_name, eval_id, block_id``; ``kind``: ``steady``
        (passed each time), ``flaky`` (passed and failed), ``never_passed``, or null where nothing
        was decided; ``outcomes, failures, errors`` (Int64); ``rate, rate_low, rate_high``
        (Float64), the share of outcomes that failed and its 95 % interval (Wilson): five passes
        leave room for a rate of .43; ``duration_ms_p50``.

    Raises:
        ConfigError: An argument cannot be used, or there is no such eval: nothing was started then.
        RetabAnalysisError: What :func:`start_runs`, :func:`wait_for_runs` and :func:`fetch_results`
            raise. What was started goes on.

    Example:
        >>> names = ra.fetch_evals("wf_claims")["eval_name"].head(2)
        >>> ra.qualify("wf_claims", names, repeat=3).select("kind", "outcomes").height
        2
    """
    asked = list_values("evals", evals)
    if not asked:
        raise ConfigError("evals: name at least one saved eval, by id or name")
    check_count("repeat", repeat, 2)
    started = start_runs(workflow_id, evals=asked, repeat=repeat, client=client)
    with contextlib.closing(choose_progress(None, "Running", "runs")) as bar:

        def show(runs: pl.DataFrame) -> None:
            bar.update(runs.filter(pl.col("status").is_in(TERMINAL)).height, started.height)

        ended = wait_for_runs(started, timeout=_WAIT, on_poll=show, client=client)
    results = fetch_results(ended, client=client, progress=False)
    failed, decided = pl.col("state").is_in(NOT_PASSING), pl.col("state").is_in(DECIDED)
    counted = results.group_by("eval_id", maintain_order=True).agg(
        pl.col("eval_name", "block_id").first(),
        outcomes=count_where(decided),
        failures=count_where(failed),
        errors=count_rows() - count_where(decided),
        duration_ms_p50=pl.col("duration_ms").filter(decided).median(),
    )
    low, high = wilson_over(pl.col("failures"), pl.col("outcomes"))
    order = started.select("eval_id").unique(maintain_order=True)
    return order.join(counted, on="eval_id", how="left", maintain_order="left").select(
        *("eval_name", "eval_id", "block_id"),
        kind=pl.when(pl.col("outcomes") == 0)
        .then(None)
        .when(pl.col("failures") == 0)
        .then(pl.lit("steady"))
        .when(pl.col("failures") < pl.col("outcomes"))
        .then(pl.lit("flaky"))
        .otherwise(pl.lit("never_passed")),
        outcomes="outcomes",
        failures="failures",
        errors="errors",
        rate=pl.when(pl.col("outcomes") > 0).then(pl.col("failures") / pl.col("outcomes")),
        rate_low=low,
        rate_high=high,
        duration_ms_p50="duration_ms_p50",
    )
