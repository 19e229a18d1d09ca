"""What users call to read and run evals: one module for each kind of thing in the API.

``runs``, ``starts``, ``results``, ``evals``, ``workflows``, ``versions`` and ``documents`` have the
public functions, each beside its endpoint; ``polling`` waits. ``params`` checks arguments,
``paging`` and ``parallel_paging`` follow a list to its end, ``threads`` do many things at once, and
``default_client`` knows which client is meant.
"""

from retab_analysis.fetch.default_client import use
from retab_analysis.fetch.documents import fetch_document_link
from retab_analysis.fetch.evals import fetch_evals
from retab_analysis.fetch.polling import wait_for_runs
from retab_analysis.fetch.results import fetch_result, fetch_results
from retab_analysis.fetch.runs import fetch_run, fetch_runs
from retab_analysis.fetch.starts import cancel_runs, start_runs
from retab_analysis.fetch.versions import fetch_version_diff, fetch_versions
from retab_analysis.fetch.workflows import fetch_workflows

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
