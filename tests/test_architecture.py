"""Which module may import which, as data; function bodies included."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import retab_analysis

ROOT = Path(retab_analysis.__file__).parent
FETCHING = {"errors", "config", "progress", "transport", "wire", "schema", "decode"}
COMPARING = {"errors", "vocabulary", "schema", "stats", "evidence", "markup", "files"}

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "vocabulary": set(),
    "config": {"errors"},
    "progress": {"errors"},
    "files": {"errors"},
    "markup": set(),
    "wire": set(),
    "schema": {"wire", "vocabulary", "errors"},
    "transport": {"errors", "config"},
    "decode": {"errors", "wire", "schema"},
    "fetch": FETCHING,
    "export": {"errors", "schema", "files"},
    "stats": set(),
    "evidence": {"errors", "vocabulary", "schema", "stats"},
    "analysis": {"errors", "vocabulary", "schema", "stats", "evidence"},
    "comparison": COMPARING,
    "plots": {"errors", "vocabulary", "schema", "stats", "analysis", "evidence", "comparison"},
    "report": {"errors", "markup", "comparison", "plots", "files"},
    "_check": {"fetch", "analysis", "comparison"} | FETCHING | COMPARING,
    "sandbox": set(),
    "_demo": {"fetch", "sandbox", "transport"},
    "widgets": FETCHING
    | COMPARING
    | {"fetch", "analysis", "comparison", "plots", "export", "report", "_check"},
}
ONLY_IN = {"requests": "transport", "urllib3": "transport", "msgspec": "wire", "tqdm": "progress"}
ALSO_IN = {"msgspec": {"decode", "schema", "transport"}}


def unit_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


FILES = sorted(ROOT.rglob("*.py"))
UNITS = sorted({unit_of(path) for path in FILES} - {"__init__"})


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import, at whatever depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(path: Path) -> set[str]:
    """The units of this package that a file imports."""
    parts = [name.split(".") for name in imports(path)]
    return {part[1] for part in parts if part[0] == "retab_analysis" and len(part) > 1}


def test_every_unit_is_in_the_table() -> None:
    assert set(UNITS) <= set(MAY_IMPORT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_what_its_unit_may(path: Path) -> None:
    unit = unit_of(path)
    if unit == "__init__":
        return
    assert own(path) - {unit} <= MAY_IMPORT[unit]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_library_has_one_user(path: Path) -> None:
    unit = unit_of(path)
    for name in {name.split(".")[0] for name in imports(path)} & set(ONLY_IN):
        assert unit == ONLY_IN[name] or unit in ALSO_IN.get(name, set()), name


def test_the_table_has_no_cycle() -> None:
    done: set[str] = set()
    while ready := {
        unit for unit, needs in MAY_IMPORT.items() if unit not in done and needs <= done
    }:
        done |= ready
    assert done == set(MAY_IMPORT)


def test_the_sandbox_is_of_the_standard_library() -> None:
    import sys

    for path in FILES:
        if unit_of(path) == "sandbox":
            tops = {name.split(".")[0] for name in imports(path)}
            assert tops <= sys.stdlib_module_names | {"retab_analysis"}, path


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    source = path.read_text()
    assert source.count("\n") <= 500
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= 60 or node.name in ("fetch_runs",), f"{node.name}: {length} lines"
