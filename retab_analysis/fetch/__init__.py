"""The functions that read and run evals: one module for each kind of record in the API.

``runs``, ``results``, ``lists`` (saved evals, workflows, blocks, documents), ``publications``,
``edits`` and ``starts`` have the public functions, each with its endpoint; ``polling`` waits.
``params`` checks arguments and chooses the client, ``paging`` follows a list to its end, and
``threads`` sends requests at the same time.
"""

from retab_analysis.fetch.edits import fetch_edits as fetch_edits
from retab_analysis.fetch.lists import fetch_evals as fetch_evals
from retab_analysis.fetch.lists import fetch_workflows as fetch_workflows
from retab_analysis.fetch.polling import wait_for_runs as wait_for_runs
from retab_analysis.fetch.publications import fetch_versions as fetch_versions
from retab_analysis.fetch.results import fetch_result as fetch_result
from retab_analysis.fetch.results import fetch_results as fetch_results
from retab_analysis.fetch.runs import fetch_run as fetch_run
from retab_analysis.fetch.runs import fetch_runs as fetch_runs
from retab_analysis.fetch.starts import cancel_runs as cancel_runs
