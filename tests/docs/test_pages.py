"""No internal link of the pages is dead; ``make docs`` looks at anchors and names, too."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from support.inside import build_parser

import retab_analysis as ra

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("**/*.md"))
# What docs/conf.py makes: copies of these notebooks, and a page of the frames' columns.
MADE = {f"generated/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
MADE |= {"generated/columns.md"}


def written() -> list[Path]:
    """The pages that somebody wrote."""
    return [page for page in PAGES if not {"generated", "skill"} & {*page.parts}]


@pytest.mark.parametrize("page", written(), ids=lambda page: page.name)
def test_no_internal_link_is_dead(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        path = (page.parent / target).resolve()
        made = path.is_relative_to(ROOT / "docs") and str(path.relative_to(ROOT / "docs")) in MADE
        assert made or path.exists(), target


@pytest.mark.parametrize("page", written(), ids=lambda page: page.name)
def test_python_on_a_page_is_executed_or_said_not_to_be(page: Path) -> None:
    text = page.read_text("utf-8")
    shown = re.search(r"^```python", text, re.MULTILINE)
    assert not shown or "not executed" in text


@pytest.mark.parametrize("page", written(), ids=lambda page: page.name)
def test_a_page_names_what_there_is(page: Path) -> None:
    named = set(re.findall(r"\bra\.(\w+)", page.read_text("utf-8")))
    assert named <= {*ra.__all__, "schema", "errors"}


@pytest.mark.parametrize("page", written(), ids=lambda page: page.name)
def test_a_command_on_a_page_can_be_typed(page: Path) -> None:
    code = re.split(r"^```.*$", page.read_text("utf-8"), flags=re.MULTILINE)[1::2]
    for command in re.findall(r"\bretab-analysis ([a-z][^#|;&>\n]*)", "\n".join(code)):
        assert build_parser().parse_args(shlex.split(command))


def test_every_page_is_reached_from_the_first() -> None:
    listed = set()
    for page in written():
        for tree in re.findall(r"```{toctree}\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            names = [line for line in tree.splitlines() if line and not line.startswith(":")]
            listed |= {(page.parent / f"{name}.md").resolve() for name in names}
    assert {page.resolve() for page in written()} - listed == {ROOT / "docs" / "index.md"}
