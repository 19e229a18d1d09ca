"""Did a change of a Retab workflow break anything? Eval runs as polars frames, and the answer.

For example::

    import retab_analysis as ra
    ra.demo()                          # or set RETAB_API_KEY
    verdict = ra.check("wf_invoices")  # the evals that broke, since when, by which edit
    verdict.broken                     # a frame; also unclear, flaky, fixed, new, evals
    verdict = ra.settle(verdict)       # reruns unclear evals

``help(ra.check)`` explains a function and shows an example that runs. A workflow is its id or
name, and so is an eval; runs are an id, several, or a RUNS frame. Only ``start_runs``, ``settle``
and ``cancel_runs`` change anything on the server.

Daily:
    check            did the newest run break anything, since when, by which edit, how surely
    settle           rerun unclear evals, once
    start_runs       start eval runs of the workflow as it is now
    watch            follow runs in a notebook while they go on, broken evals first
    overview         all workflows at a glance, or one with its evals that do not pass
    fetch_runs       runs as a frame, one row each
    fetch_results    results as a frame, one row for each eval in a run
    fetch_evals      the saved evals as a frame
    explore          the results of a workflow, to search and to compare versions
    open_document    the document of a result

Now and then:
    fetch            fetch_run, fetch_result, fetch_workflows, fetch_versions,
                     fetch_edits, fetch_config_changes; wait_for_runs, cancel_runs
    analyse          summarize_runs, summarize_results, summarize_evals, states, failures
                     and eval_history; compare_versions, and compare of frames that you have
    draw             plot_pass_rate, plot_outcomes, plot_durations, plot_verdicts, plot_comparison
    files            write_report (Markdown, HTML), write_csv, read_csv, write_excel; decode_runs,
                     decode_results and decode_evals of documents that you have
    keep             Archive: a file of all runs, results and evals, deleted ones included
    connect          Client, Sandbox, demo, use (the client, archive and values of a session)

``schema.RUNS.describe()`` says what the columns of a frame mean (also RESULTS, EVALS, WORKFLOWS,
VERSIONS, EDITS, CONFIG_CHANGES, and COMPARISON for a verdict's ``evals``). Errors of the
API, arguments and records are a ``RetabAnalysisError``; ``help(ra.errors)`` draws their tree.
"""

# Names load at their first use (PEP 562). A new one goes into ``_NAMES`` and the imports here.

import os as _os
import sys as _sys
import typing as _typing
from typing import TYPE_CHECKING as _TYPE_CHECKING

# Under an alias: mypy 2.4 would take some of these names to be defined twice.
if _TYPE_CHECKING:
    from retab_analysis import errors as errors
    from retab_analysis import schema as schema
    from retab_analysis.analysis import eval_history as eval_history
    from retab_analysis.analysis import failures as failures
    from retab_analysis.analysis import states as states
    from retab_analysis.analysis import summarize_evals as summarize_evals
    from retab_analysis.analysis import summarize_results as summarize_results
    from retab_analysis.analysis import summarize_runs as summarize_runs
    from retab_analysis.archive import Archive as Archive
    from retab_analysis.checks.defaults import use as use
    from retab_analysis.checks.demo import demo as demo
    from retab_analysis.checks.edits import fetch_config_changes as fetch_config_changes
    from retab_analysis.checks.open_document import open_document as open_document
    from retab_analysis.checks.overview import overview as overview
    from retab_analysis.checks.settle import settle as settle
    from retab_analysis.checks.start import start_runs as start_runs
    from retab_analysis.checks.verdict import check as check
    from retab_analysis.checks.verdict import compare_versions as compare_versions
    from retab_analysis.comparison import compare as compare
    from retab_analysis.comparison.report import write_report as write_report
    from retab_analysis.decode import decode_evals as decode_evals
    from retab_analysis.decode import decode_results as decode_results
    from retab_analysis.decode import decode_runs as decode_runs
    from retab_analysis.errors import APIError as APIError
    from retab_analysis.errors import ArchiveError as ArchiveError
    from retab_analysis.errors import AuthenticationError as AuthenticationError
    from retab_analysis.errors import ConfigError as ConfigError
    from retab_analysis.errors import ConflictError as ConflictError
    from retab_analysis.errors import DeadlineExceeded as DeadlineExceeded
    from retab_analysis.errors import InvalidRequestError as InvalidRequestError
    from retab_analysis.errors import NotFoundError as NotFoundError
    from retab_analysis.errors import PaginationError as PaginationError
    from retab_analysis.errors import PermissionDeniedError as PermissionDeniedError
    from retab_analysis.errors import ProblemsWarning as ProblemsWarning
    from retab_analysis.errors import ProtocolError as ProtocolError
    from retab_analysis.errors import RateLimitError as RateLimitError
    from retab_analysis.errors import RegressionError as RegressionError
    from retab_analysis.errors import ResponseTooLarge as ResponseTooLarge
    from retab_analysis.errors import RetabAnalysisError as RetabAnalysisError
    from retab_analysis.errors import SchemaError as SchemaError
    from retab_analysis.errors import ServerError as ServerError
    from retab_analysis.errors import TransportError as TransportError
    from retab_analysis.errors import WaitTimeout as WaitTimeout
    from retab_analysis.export import read_csv as read_csv
    from retab_analysis.export import write_csv as write_csv
    from retab_analysis.export import write_excel as write_excel
    from retab_analysis.fetch import cancel_runs as cancel_runs
    from retab_analysis.fetch import fetch_edits as fetch_edits
    from retab_analysis.fetch import fetch_evals as fetch_evals
    from retab_analysis.fetch import fetch_result as fetch_result
    from retab_analysis.fetch import fetch_results as fetch_results
    from retab_analysis.fetch import fetch_run as fetch_run
    from retab_analysis.fetch import fetch_runs as fetch_runs
    from retab_analysis.fetch import fetch_versions as fetch_versions
    from retab_analysis.fetch import fetch_workflows as fetch_workflows
    from retab_analysis.fetch import wait_for_runs as wait_for_runs
    from retab_analysis.plots import plot_comparison as plot_comparison
    from retab_analysis.plots import plot_durations as plot_durations
    from retab_analysis.plots import plot_outcomes as plot_outcomes
    from retab_analysis.plots import plot_pass_rate as plot_pass_rate
    from retab_analysis.plots import plot_verdicts as plot_verdicts
    from retab_analysis.sandbox import Sandbox as Sandbox
    from retab_analysis.transport import Client as Client
    from retab_analysis.widgets import explore as explore
    from retab_analysis.widgets import watch as watch

    __version__: str

_NAMES = {
    "analysis": ("eval_history failures states summarize_evals summarize_results summarize_runs"),
    "archive": "Archive",
    "checks.verdict": "check compare_versions",
    "checks.demo": "demo",
    "checks.edits": "fetch_config_changes",
    "checks.open_document": "open_document",
    "checks.overview": "overview",
    "checks.settle": "settle",
    "checks.start": "start_runs",
    "checks.defaults": "use",
    "comparison": "compare",
    "comparison.report": "write_report",
    "decode": "decode_evals decode_results decode_runs",
    "errors": (
        "APIError ArchiveError AuthenticationError ConfigError ConflictError DeadlineExceeded "
        "InvalidRequestError NotFoundError PaginationError PermissionDeniedError ProblemsWarning "
        "ProtocolError RateLimitError RegressionError ResponseTooLarge RetabAnalysisError "
        "SchemaError ServerError TransportError WaitTimeout"
    ),
    "export": "read_csv write_csv write_excel",
    "fetch": (
        "cancel_runs fetch_edits fetch_evals fetch_result fetch_results fetch_run fetch_runs "
        "fetch_versions fetch_workflows wait_for_runs"
    ),
    "plots": "plot_comparison plot_durations plot_outcomes plot_pass_rate plot_verdicts",
    "sandbox": "Sandbox",
    "transport": "Client",
    "widgets": "explore watch",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}
_PACKAGES = ("errors", "schema")

if not _typing.TYPE_CHECKING:  # which would have every name exist
    __all__ = list(_HOMES)

    def __getattr__(name):
        from importlib import import_module

        if name in _HOMES:
            try:
                value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
            except RuntimeError as error:
                import_module(f"{__name__}.errors").refuse_at_end(name, error)
        elif name in _PACKAGES:
            value = import_module(f"{__name__}.{name}")
        elif name == "__version__":
            from importlib.metadata import version

            value = version(__name__)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value  # the second use finds it without this function
        return value

    if hasattr(_os, "register_at_fork"):
        _os.register_at_fork(
            before=lambda: (
                "polars" in _sys.modules and __getattr__("schema").polars_threads.before_fork()
            )
        )

    def __dir__():
        here = {name for name in globals() if name.startswith("__") or not name.startswith("_")}
        # pydoc writes out all names of ``dir``, in 3,000 lines: help() shows the docstring alone.
        frame = _sys._getframe(1)
        while frame is not None and frame.f_globals.get("__name__") == "inspect":
            frame = frame.f_back
        if frame is not None and frame.f_globals.get("__name__") == "pydoc":
            return sorted(name for name in here if name.startswith("__"))
        return sorted({*here, *_HOMES, *_PACKAGES, "__version__"})
