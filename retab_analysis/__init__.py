"""Retab eval runs as polars frames, live progress and version comparison in Jupyter.

Start with :func:`demo`, which needs no key, or set ``RETAB_API_KEY`` and call :func:`fetch_runs`.
"""

from importlib.metadata import version as _version

from retab_analysis.analysis import (
    blame,
    count_failures,
    eval_history,
    failures,
    flaky_evals,
    latest_results,
    states,
    summarize_runs,
)
from retab_analysis.check import check
from retab_analysis.comparison import compare, compare_versions
from retab_analysis.decode import decode_evals, decode_results, decode_runs
from retab_analysis.demo import demo
from retab_analysis.errors import (
    APIError,
    ArchiveError,
    AuthenticationError,
    ConfigError,
    ConflictError,
    DeadlineExceeded,
    InvalidRequestError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    ProblemsWarning,
    ProtocolError,
    RateLimitError,
    RegressionError,
    ResponseTooLarge,
    RetabAnalysisError,
    SchemaError,
    ServerError,
    TransportError,
    WaitTimeout,
)
from retab_analysis.export import read_csv, write_csv
from retab_analysis.fetch import (
    cancel_runs,
    fetch_document_link,
    fetch_evals,
    fetch_result,
    fetch_results,
    fetch_run,
    fetch_runs,
    fetch_version_diff,
    fetch_workflows,
    start_runs,
    use,
    wait_for_runs,
)
from retab_analysis.sandbox import Sandbox
from retab_analysis.transport import Client
from retab_analysis.widgets import watch

__version__ = _version("retab_analysis")

__all__ = [
    "APIError",
    "ArchiveError",
    "AuthenticationError",
    "Client",
    "ConfigError",
    "ConflictError",
    "DeadlineExceeded",
    "InvalidRequestError",
    "NotFoundError",
    "PaginationError",
    "PermissionDeniedError",
    "ProblemsWarning",
    "ProtocolError",
    "RateLimitError",
    "RegressionError",
    "ResponseTooLarge",
    "RetabAnalysisError",
    "Sandbox",
    "SchemaError",
    "ServerError",
    "TransportError",
    "WaitTimeout",
    "blame",
    "cancel_runs",
    "check",
    "compare",
    "compare_versions",
    "count_failures",
    "decode_evals",
    "decode_results",
    "decode_runs",
    "demo",
    "eval_history",
    "failures",
    "fetch_document_link",
    "fetch_evals",
    "fetch_result",
    "fetch_results",
    "fetch_run",
    "fetch_runs",
    "fetch_version_diff",
    "fetch_workflows",
    "flaky_evals",
    "latest_results",
    "read_csv",
    "start_runs",
    "states",
    "summarize_runs",
    "use",
    "wait_for_runs",
    "watch",
    "write_csv",
]
