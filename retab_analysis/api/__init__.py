"""The API's endpoints: what may be asked, page after page, and what came back.

``arguments`` checks what callers pass, ``paging`` follows cursors, ``endpoints`` has one function
for each endpoint.
"""

from retab_analysis.api.arguments import RunQuery
from retab_analysis.api.endpoints import get_run, list_runs, list_workflows
from retab_analysis.api.paging import Fetched

__all__ = ["Fetched", "RunQuery", "get_run", "list_runs", "list_workflows"]
