"""The state of each eval in the run that watched runs are held against."""

from __future__ import annotations

import polars as pl

from retab_analysis._check import find_baseline
from retab_analysis.analysis import latest_results
from retab_analysis.fetch.params import RunList
from retab_analysis.fetch.result_endpoints import list_results
from retab_analysis.progress import Silent
from retab_analysis.schema import RESULTS
from retab_analysis.transport import Client
from retab_analysis.widgets.common.text import shorten
from retab_analysis.widgets.live.snapshot import Baseline


def fetch_baseline(client: Client, wanted: str | pl.DataFrame, runs: pl.DataFrame) -> Baseline:
    """Fetch the states of the evals in the baseline of some runs.

    Args:
        client: What to ask.
        wanted: As ``baseline`` of :func:`retab_analysis._check`.
        runs: The watched runs of one workflow.

    Raises:
        ConfigError: There is nothing to compare with.
        RetabAnalysisError: The API failed.
    """
    then = find_baseline(runs["workflow_id"][0], runs, wanted, client=client)
    results = list_results(
        client, RunList.make(then), RESULTS, strict=False, progress=Silent()
    ).frame
    created = then["created_at"][0]
    when = f", run of {created:%Y-%m-%d %H:%M}" if created else ""
    words = f"{shorten(then['workflow_version_id'][0])}{when}"
    states = latest_results(results).select("eval_id", "state")
    return Baseline(words, dict(states.iter_rows()))
