"""What users call to read and run evals: one module for each kind of thing in the API.

``runs``, ``results``, ``lists`` (saved evals, workflows, versions, blocks, documents) and
``starts`` have the public functions, each beside its endpoint; ``polling`` waits. ``params`` checks
arguments, ``paging`` follows a list to its end, ``windows`` reads a long one in parts, ``threads``
do many things at once, and ``default_client`` knows which client is meant.
"""

from retab_analysis.fetch.default_client import use
from retab_analysis.fetch.lists import (
    fetch_document_link,
    fetch_evals,
    fetch_version_diff,
    fetch_versions,
    fetch_workflows,
)
from retab_analysis.fetch.polling import wait_for_runs
from retab_analysis.fetch.results import fetch_result, fetch_results
from retab_analysis.fetch.runs import fetch_run, fetch_runs
from retab_analysis.fetch.starts import cancel_runs, start_runs

__all__ = [
    "cancel_runs",
    "fetch_document_link",
    "fetch_evals",
    "fetch_result",
    "fetch_results",
    "fetch_run",
    "fetch_runs",
    "fetch_version_diff",
    "fetch_versions",
    "fetch_workflows",
    "start_runs",
    "use",
    "wait_for_runs",
]
