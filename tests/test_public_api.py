"""The names that others write code against, and what importing them costs."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import retab_analysis as ra
from retab_analysis import errors

NAMES = """
APIError ArchiveError AuthenticationError Client ConfigError ConflictError DeadlineExceeded
InvalidRequestError NotFoundError PaginationError PermissionDeniedError ProblemsWarning
ProtocolError RateLimitError RegressionError ResponseTooLarge RetabAnalysisError Sandbox
SchemaError ServerError TransportError WaitTimeout blame cancel_runs check compare
compare_versions compare_view count_failures decode_evals decode_results decode_runs demo
eval_history explore failures
fetch_document_link fetch_evals fetch_result fetch_results fetch_run fetch_runs fetch_version_diff
fetch_workflows flaky_evals latest_results plot_comparison plot_durations plot_outcomes
plot_pass_rate plot_timeline plot_verdicts read_csv start_runs states summarize_runs use
wait_for_runs watch write_csv write_report
"""

SIGNATURES = {
    "Client": "(api_key=None, base_url=None, *, timeout=30.0, deadline=120.0, "
    "max_attempts=5, max_concurrency=8)",
    "use": "(client)",
    "demo": "(seed=0, speed=1.0)",
    "fetch_run": "(run_id, *, client=None)",
    "fetch_runs": "(workflow_id=None, *, eval_id=None, target_block_id=None, status=None, "
    "exclude_status=None, trigger_type=None, from_date=None, to_date=None, order='desc', "
    "limit=None, after=None, client=None, progress=None, strict=True)",
    "fetch_workflows": "(*, client=None, progress=None, strict=True)",
    "fetch_results": "(runs, *, evals=None, payloads=False, client=None, progress=None, "
    "strict=True)",
    "fetch_result": "(result_id, *, client=None)",
    "fetch_evals": "(workflow_id, *, target_block_id=None, client=None, progress=None, "
    "strict=True)",
    "fetch_version_diff": "(workflow_id, baseline, candidate, *, client=None)",
    "fetch_document_link": "(document_id, *, client=None)",
    "start_runs": "(workflow_id, *, eval_ids=None, block_ids=None, repeat=1, client=None)",
    "cancel_runs": "(runs, *, client=None)",
    "wait_for_runs": "(runs, *, timeout=3600.0, interval=2.0, on_poll=None, client=None)",
    "summarize_runs": "(runs, by='workflow_version_id', *, scope=None)",
    "latest_results": "(results)",
    "states": "(results, by='run_id')",
    "eval_history": "(results)",
    "flaky_evals": "(results)",
    "failures": "(results)",
    "count_failures": "(results, by='block_id')",
    "blame": "(results)",
    "compare": "(baseline, candidate, *, history=None, version_diff=None, alpha=0.05)",
    "compare_versions": "(results, baseline, candidate, *, by='workflow_version_id', "
    "version_diff=None, alpha=0.05)",
    "check": "(workflow_id, *, candidate=None, baseline='last_ok', history=20, alpha=0.05, "
    "client=None, progress=None)",
    "plot_comparison": "(comparison, *, ax=None)",
    "plot_durations": "(runs, *, by='workflow_version_id', ax=None)",
    "plot_outcomes": "(runs, *, by='run_id', ax=None)",
    "plot_pass_rate": "(runs, *, by='workflow_version_id', scope='workflow', ax=None)",
    "plot_timeline": "(runs, *, ax=None)",
    "plot_verdicts": "(results, *, by='run_id', ax=None)",
    "write_report": "(comparison, path, *, values=True)",
    "watch": "(runs=None, *, workflow_id=None, baseline=None, interval=2.0, allow_cancel=None, "
    "save_values=False, client=None)",
    "explore": "(runs=None, results=None, *, workflow_id=None, client=None)",
    "compare_view": "(results, baseline=None, candidate=None, *, version_diff=None, alpha=0.05)",
    "decode_runs": "(data)",
    "decode_results": "(data)",
    "decode_evals": "(data)",
    "write_csv": "(frame, path, *, spreadsheet_safe=True, excel=False)",
    "read_csv": "(path, table='runs')",
    "Sandbox": "(seed=0, speed=1.0, *, latency=0.0, faults=None)",
}


def test_the_names_are_these() -> None:
    assert sorted(ra.__all__) == sorted(NAMES.split())
    assert len(set(ra.__all__)) == len(ra.__all__)
    assert all(hasattr(ra, name) for name in ra.__all__)


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_parameters_are_these(name: str) -> None:
    signature = inspect.signature(getattr(ra, name))
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    bare = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    assert str(bare) == SIGNATURES[name]


TREE = {
    "ConfigError": (ra.RetabAnalysisError, ValueError),
    "TransportError": (ra.RetabAnalysisError,),
    "DeadlineExceeded": (ra.TransportError, TimeoutError),
    "ResponseTooLarge": (ra.TransportError,),
    "ProtocolError": (ra.RetabAnalysisError,),
    "APIError": (ra.RetabAnalysisError,),
    "InvalidRequestError": (ra.APIError,),
    "AuthenticationError": (ra.APIError,),
    "PermissionDeniedError": (ra.APIError,),
    "NotFoundError": (ra.APIError,),
    "ConflictError": (ra.APIError,),
    "RateLimitError": (ra.APIError,),
    "ServerError": (ra.APIError,),
    "SchemaError": (ra.RetabAnalysisError, ValueError),
    "PaginationError": (ra.RetabAnalysisError,),
    "WaitTimeout": (ra.RetabAnalysisError, TimeoutError),
    "ArchiveError": (ra.RetabAnalysisError,),
    "RegressionError": (ra.RetabAnalysisError,),
}


@pytest.mark.parametrize("name", TREE)
def test_the_tree_of_errors(name: str) -> None:
    error = getattr(ra, name)
    assert error.__bases__ == TREE[name]
    raised = error("what happened")
    assert (str(raised), raised.partial, raised.cursor) == ("what happened", None, None)
    assert name in (errors.__doc__ or "")


def test_the_tree_in_the_docstring_is_complete() -> None:
    drawn = set(re.findall(r"\b\w+(?:Error|Exceeded|TooLarge|Timeout)\b", errors.__doc__ or ""))
    assert drawn == {*TREE, "RetabAnalysisError", "ValueError", "TimeoutError"}


def test_an_error_survives_a_pickle() -> None:
    import pickle

    error = ra.RateLimitError("slow", status_code=429, retry_after=3.0, request_id="r")
    error.cursor = "c"
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_importing_is_light() -> None:
    code = "import retab_analysis, sys; sys.stdout.write(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "polars" in loaded
    assert not loaded & {"matplotlib", "ipywidgets", "IPython", "tqdm", "pandas", "numpy"}


@pytest.mark.parametrize("name", sorted(set(NAMES.split())))
def test_every_public_name_is_documented(name: str) -> None:
    documentation = inspect.getdoc(getattr(ra, name)) or ""
    assert documentation.endswith((".", "None.", "`", ")")) or "\n" in documentation
    if inspect.isfunction(getattr(ra, name)):
        assert "Args:" in documentation or "()" in str(inspect.signature(getattr(ra, name)))


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'plot_nothing'"):
        ra.plot_nothing  # noqa: B018
    assert set(ra.__all__) <= set(dir(ra))


def test_the_package_is_typed() -> None:
    assert (Path(ra.__file__).parent / "py.typed").exists()
