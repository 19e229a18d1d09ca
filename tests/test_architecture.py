"""How the house is built: which room may import which, and how large functions and files may be."""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import retab_analysis

ROOT = Path(retab_analysis.__file__).parent

# A room may import what its row names, and whatever the rows of those may.
DIRECT: dict[str, set[str]] = {
    "errors": set(),
    "vocabulary": set(),
    "markup": set(),
    "wire": set(),
    "stats": set(),
    "sandbox": set(),
    "arguments": {"errors"},
    "config": {"errors", "arguments"},
    "progress": {"errors"},
    "files": {"errors", "arguments"},
    "schema": {"wire", "vocabulary", "errors"},
    "transport": {"errors", "config", "progress"},
    "decode": {"errors", "arguments", "wire", "schema"},
    "fetch": {"errors", "config", "progress", "transport", "schema", "decode", "evidence"},
    "export": {"errors", "arguments", "schema", "files"},
    "archive": {"errors", "progress", "transport", "schema", "decode", "fetch", "export"},
    "render": {"errors", "markup", "files"},
    "evidence": {"errors", "vocabulary", "schema", "stats"},
    "analysis": {"errors", "arguments", "vocabulary", "schema", "stats", "evidence"},
    "comparison": {
        *("errors", "arguments", "config", "vocabulary", "schema", "stats", "evidence", "markup"),
        *("files", "render", "progress"),
    },
    "plots": {"errors", "vocabulary", "schema", "stats", "analysis", "evidence", "comparison"},
    "checks": {"fetch", "analysis", "comparison", "archive", "sandbox"},
    "widgets": {"fetch", "export", "plots", "checks"},
    "cli": {"widgets"},
    "__main__": {"cli"},
    "pytest_plugin": {"cli"},
    "mcp": {"checks"},
}
ONLY_IN = {
    "requests": "transport",
    "urllib3": "transport",
    "truststore": "transport",
    "msgspec": "wire",
    "tqdm": "progress",
}
ALSO_IN = {"msgspec": {"decode", "schema", "transport", "evidence", "comparison"}}

# A block's fingerprint tells its code; the timeline alone compares it. The sandbox makes it.
OF_FINGERPRINTS = ("BLOCK_CODE", "block_execution_fingerprint", "_block_fingerprint")
NAME_FINGERPRINTS = {
    *("analysis/history.py", "cli/assumptions.py", "cli/facts.toml", "evidence/cells.py"),
    *("evidence/presence.py", "evidence/places.py", "evidence/timeline.py"),
    *("schema/tables.py", "vocabulary.py"),
    "wire.py",
}

MOST_LINES = 800
LONGEST_FUNCTION, MEDIAN_FUNCTION, NINE_IN_TEN = 60, 10, 30
MOST_NAMES_TWICE = 10


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def read_trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}


def closure(direct: dict[str, set[str]]) -> dict[str, set[str]]:
    """What each room may import, through however many others."""
    found: dict[str, set[str]] = {}

    def reach(room: str) -> set[str]:
        if room not in found:
            found[room] = set(direct[room]).union(*(reach(each) for each in direct[room]))
        return found[room]

    for room in direct:
        reach(room)
    return found


MAY_IMPORT = closure(DIRECT)


def imports(tree: ast.Module) -> set[str]:
    """Every module that a file names in an import: in functions and for type checkers too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@cache
def read_imports() -> dict[Path, set[str]]:
    return {path: imports(tree) for path, tree in read_trees().items()}


def rooms_imported(path: Path) -> set[str]:
    """The other rooms of this package that a file imports."""
    parts = [name.split(".") for name in read_imports()[path]]
    found = {part[1] for part in parts if part[0] == "retab_analysis" and len(part) > 1}
    return found - {room_of(path)}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def module_graph() -> dict[str, set[str]]:
    """Which module imports which; a package stands for its ``__init__``."""
    names = {module_name(path): path for path in read_trees()}

    def resolve(name: str) -> str | None:
        while name and name not in names:
            name = name.rpartition(".")[0]
        return name or None

    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        targets = {resolve(each) for each in read_imports()[path]}
        graph[name] = {each for each in targets if each and each not in (name, "retab_analysis")}
    return graph


def functions() -> list[tuple[str, int]]:
    """Each function and its lines, without its docstring."""
    found = []
    for path, tree in read_trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1
                first = node.body[0]
                if ast.get_docstring(node, clean=False) is not None:
                    assert first.end_lineno is not None
                    lines -= first.end_lineno - first.lineno + 1
                found.append((f"{path.name}: {node.name}", lines))
    return found


def test_every_room_is_in_the_table() -> None:
    assert set(DIRECT) == {room_of(path) for path in read_trees()} - {"__init__"}


def test_the_table_has_no_cycle() -> None:
    assert not [room for room, may in MAY_IMPORT.items() if room in may]


def test_a_file_imports_what_its_room_may() -> None:
    inner = [path for path in read_trees() if room_of(path) != "__init__"]
    wrong = {path: rooms_imported(path) - MAY_IMPORT[room_of(path)] for path in inner}
    assert not {path: rooms for path, rooms in wrong.items() if rooms}


def test_a_library_has_one_user() -> None:
    wrong = [
        (path, name)
        for path, names in read_imports().items()
        for name in {each.split(".")[0] for each in names} & set(ONLY_IN)
        if room_of(path) not in {ONLY_IN[name], *ALSO_IN.get(name, ())}
    ]
    assert not wrong


def test_no_module_imports_itself_through_others() -> None:
    graph = module_graph()
    # The __init__ of a package hands on what its modules hold, and they do not look at it.
    inner = {
        name: {each for each in targets if not name.startswith(f"{each}.")}
        for name, targets in graph.items()
    }
    done: set[str] = set()
    while ready := {name for name, needs in inner.items() if name not in done and needs <= done}:
        done |= ready
    assert not set(inner) - done


def test_the_sandbox_is_of_the_standard_library() -> None:
    for path, names in read_imports().items():
        if room_of(path) == "sandbox":
            tops = {name.split(".")[0] for name in names}
            assert tops <= sys.stdlib_module_names | {"retab_analysis"}, path


def test_nothing_but_the_timeline_decides_about_code() -> None:
    files = {path for kind in ("*.py", "*.toml") for path in ROOT.rglob(kind)}
    naming = {
        str(path.relative_to(ROOT))
        for path in files
        if room_of(path) != "sandbox" and any(name in path.read_text() for name in OF_FINGERPRINTS)
    }
    assert naming == NAME_FINGERPRINTS
    compared = {
        room_of(path)
        for path, tree in read_trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and not isinstance(node.ops[0], ast.Gt)
        if any(map(is_code, (node.left, *node.comparators)))
    }
    assert compared == {"evidence"}


def is_code(node: ast.expr) -> bool:
    """Whether it is the code of a block, as an attribute or as a column."""
    column = r"pl\.col\('((before|after)_)?code'\)"
    is_attribute = isinstance(node, ast.Attribute) and node.attr in ("code", "codes")
    return is_attribute or re.fullmatch(column, ast.unparse(node)) is not None


def test_a_file_is_not_too_long() -> None:
    assert not [path for path in read_trees() if path.read_text().count("\n") >= MOST_LINES]


def test_functions_are_short() -> None:
    lengths = functions()
    long = [name for name, lines in lengths if lines > LONGEST_FUNCTION]
    assert not long
    lines = sorted(length for _, length in lengths)
    assert statistics.median(lines) <= MEDIAN_FUNCTION
    assert lines[int(0.9 * len(lines))] <= NINE_IN_TEN


def test_few_files_share_a_name() -> None:
    # A package's __init__ only hands on what is in it.
    counts = Counter(
        path.stem for path in read_trees() if path.name not in ("__init__.py", "__main__.py")
    )
    twice = sorted(name for name, count in counts.items() if count > 1)
    assert len(twice) <= MOST_NAMES_TWICE, twice


def test_no_public_function_is_hidden_by_a_module() -> None:
    modules = {path.stem for path in ROOT.glob("*.py")} | {each.name for each in ROOT.iterdir()}
    assert not modules & set(retab_analysis.__all__)


def test_names_of_classes_are_told_apart() -> None:
    """A class has one meaning; the sandbox is the API's side, and has words of its own."""
    defined = Counter(
        node.name
        for path, tree in read_trees().items()
        if room_of(path) != "sandbox"
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert not [name for name, count in defined.items() if count > 1]


TESTS = Path(__file__).parent


def test_the_tests_reach_inside_through_one_door() -> None:
    """A module of the package is named in ``tests/support/inside.py`` and nowhere else in them."""
    reaches = {
        str(path.relative_to(TESTS))
        for path in TESTS.rglob("*.py")
        for name in imports(ast.parse(path.read_text()))
        if name.startswith("retab_analysis.")
        and name.split(".")[1] not in {*retab_analysis.__all__, "__version__"}
    }
    assert not reaches
