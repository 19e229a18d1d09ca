"""Retab eval runs as polars frames, live progress and version comparison in Jupyter.

Start with :func:`demo`, which needs no key, or set ``RETAB_API_KEY`` and call :func:`fetch_runs`.
"""

from importlib import import_module as _import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from retab_analysis._check import check
from retab_analysis._demo import demo
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
from retab_analysis.comparison import compare, compare_versions
from retab_analysis.decode import decode_evals, decode_results, decode_runs
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
from retab_analysis.widgets import compare_view, explore, watch

if _TYPE_CHECKING:
    from retab_analysis.plots import (
        plot_comparison,
        plot_durations,
        plot_outcomes,
        plot_pass_rate,
        plot_timeline,
        plot_verdicts,
    )
    from retab_analysis.report import write_report

__version__ = _version("retab_analysis")

# Loaded at first use: matplotlib takes longer than all the rest.
_LATER = {
    "plot_comparison": "plots",
    "plot_durations": "plots",
    "plot_outcomes": "plots",
    "plot_pass_rate": "plots",
    "plot_timeline": "plots",
    "plot_verdicts": "plots",
    "write_report": "report",
}


def __getattr__(name: str) -> _Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(f"{__name__}.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


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
    "compare_view",
    "count_failures",
    "decode_evals",
    "decode_results",
    "decode_runs",
    "demo",
    "eval_history",
    "explore",
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
    "plot_comparison",
    "plot_durations",
    "plot_outcomes",
    "plot_pass_rate",
    "plot_timeline",
    "plot_verdicts",
    "read_csv",
    "start_runs",
    "states",
    "summarize_runs",
    "use",
    "wait_for_runs",
    "watch",
    "write_csv",
    "write_report",
]
