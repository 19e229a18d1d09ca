"""What users call to read and run evals.

``lists`` and ``results`` fetch frames, ``running`` starts, cancels and waits, ``clients`` knows
which client is meant.
"""

from retab_analysis.fetch.default_client import use
from retab_analysis.fetch.results import fetch_result, fetch_results
from retab_analysis.fetch.run_control import cancel_runs, start_runs, wait_for_runs
from retab_analysis.fetch.runs import (
    fetch_document_link,
    fetch_evals,
    fetch_run,
    fetch_runs,
    fetch_version_diff,
    fetch_workflows,
)

__all__ = [
    "cancel_runs",
    "fetch_document_link",
    "fetch_evals",
    "fetch_result",
    "fetch_results",
    "fetch_run",
    "fetch_runs",
    "fetch_version_diff",
    "fetch_workflows",
    "start_runs",
    "use",
    "wait_for_runs",
]
