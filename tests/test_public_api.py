"""The names that others write code against, and what importing them loads."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.inside import errors

import retab_analysis as ra

WRITTEN = (Path(__file__).parent / "data" / "public_names.txt").read_text().splitlines()[1:]
PUBLIC = {name: more and f"({more}" for name, _, more in (each.partition("(") for each in WRITTEN)}
SIGNATURES = {name: signature for name, signature in PUBLIC.items() if signature}


def test_the_names_are_these() -> None:
    assert sorted(ra.__all__) == sorted(PUBLIC)
    assert len(set(ra.__all__)) == len(ra.__all__)


def test_what_type_checkers_see_is_what_is_there() -> None:
    stub = ast.parse(Path(ra.__file__).with_suffix(".pyi").read_text())
    imported = [each for each in stub.body if isinstance(each, ast.ImportFrom)]
    for node in imported:
        (alias,) = node.names
        assert alias.asname == alias.name, "else it would not be exported"
        home = importlib.import_module(node.module or "")
        assert inspect.unwrap(getattr(ra, alias.name)) is getattr(home, alias.name)
    assert len(imported) == len(ra.__all__) + len(["errors", "schema"])


def test_the_package_works_from_a_zip_file(tmp_path: Path) -> None:
    package = Path(ra.__file__).parent
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as packed:
        for each in (each for kind in ("*.py", "*.pyi") for each in package.rglob(kind)):
            packed.write(each, each.relative_to(package.parent))
    program = "import retab_analysis as ra; print(ra.ConfigError('x'), ra.schema.RUNS.name)"
    ended = run_python(program, PYTHONPATH=str(tmp_path / "package.zip"))
    assert ended.stdout == "x runs\n", ended.stderr


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_survives_a_pickle(name: str) -> None:
    value = getattr(ra, name)
    assert pickle.loads(pickle.dumps(value)) is value


def test_the_version_is_that_of_the_distribution() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", ra.__version__)
    assert (
        f'version = "{ra.__version__}"'
        in (Path(ra.__file__).parents[1] / "pyproject.toml").read_text()
    )


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_parameters_are_these(name: str) -> None:
    signature = inspect.signature(getattr(ra, name))
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for each, parameter in signature.parameters.items()
        if not each.startswith("_")
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


@pytest.mark.parametrize("name", [*TREE, "RetabAnalysisError"])
def test_an_error_survives_a_pickle(name: str) -> None:
    error = getattr(ra, name)("what happened")
    for each in vars(error):
        setattr(error, each, f"its {each}")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_an_error_can_be_unpickled_where_nothing_was_imported_before() -> None:
    error = ra.RateLimitError("slow", status_code=429, retry_after=3.0, request_id="r")
    code = "import pickle, sys; print(repr(vars(pickle.load(sys.stdin.buffer))))"
    ended = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(error), capture_output=True, check=True
    )
    assert ended.stdout.decode().strip() == repr(vars(error))


HEAVY = {
    *("matplotlib", "ipywidgets", "IPython", "tqdm", "pandas", "numpy", "asyncio"),
    *("retab_analysis.sandbox", "retab_analysis.widgets", "retab_analysis.plots"),
}
# fetch_config_changes compares what it fetches, and loads what that needs.
LIGHT_USE = """
for name in set(ra.__all__) - {"fetch_config_changes"}:
    if name.startswith(("fetch_", "decode_", "write_csv", "read_csv")) or name == "Client":
        getattr(ra, name)
"""


def run_python(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command, environment = [sys.executable, "-c", program], {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def loaded_by(code: str) -> set[str]:
    program = f"import retab_analysis as ra, sys, json\n{code}\nprint(json.dumps([*sys.modules]))"
    return set(json.loads(run_python(program).stdout))


def test_importing_loads_nothing_of_what_is_not_used() -> None:
    loaded = loaded_by("dir(ra)")
    assert not loaded & {*HEAVY, "polars", "requests", "msgspec", "importlib.metadata"}
    assert {name for name in loaded if name.startswith("retab_analysis")} == {"retab_analysis"}


def test_fetching_and_decoding_load_nothing_heavy() -> None:
    loaded = loaded_by(LIGHT_USE)
    assert loaded >= {"polars", "requests", "retab_analysis.fetch", "retab_analysis.decode"}
    assert not loaded & HEAVY


def test_a_name_that_is_not_there() -> None:
    assert not hasattr(ra, "plot_nothing")
    assert set(ra.__all__) <= set(dir(ra))
    # In the text, because IPython shows no suggestion of Python's; and only once.
    ended = run_python("import retab_analysis as ra; ra.fetch_run_s")
    assert ended.stderr.endswith("did you mean ra.fetch_runs?\n")


def test_the_package_is_typed() -> None:
    assert (Path(ra.__file__).parent / "py.typed").exists()
