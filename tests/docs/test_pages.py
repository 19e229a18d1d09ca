"""No internal link of the pages is dead; ``make docs`` looks at anchors and names, too."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from support.inside import WORDS, build_parser

import retab_analysis as ra

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("**/*.md"))
DOORS = ROOT / "tests" / "golden" / "doors.md"
FRAMES = ["runs", "results", "evals", "workflows", "versions", "edits"]
FRAMES += ["config_changes", "tries", "comparison"]
# Made by docs/conf.py: copies of these notebooks, and a page of columns for each frame.
MADE = {f"generated/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
MADE |= {f"generated/{frame}.md" for frame in FRAMES}


def written() -> list[Path]:
    """The pages that a person wrote."""
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


def test_every_public_name_stands_on_one_page_of_the_reference() -> None:
    pages = [page.read_text("utf-8") for page in (ROOT / "docs" / "reference").glob("*.md")]
    documented = re.findall(
        r"auto(?:function|class):: (?:retab_analysis\.)?(\w+)", "\n".join(pages)
    )
    names = {*ra.__all__} - {*vars(ra.errors)}
    assert sorted(each for each in documented if each in ra.__all__) == sorted(names)
    index = (ROOT / "docs" / "reference" / "index.md").read_text("utf-8")
    listed = set(re.findall(r"`(\w+)`", re.sub(r"(?s)\n## Frames.*", "", index)))
    assert names <= listed <= {*ra.__all__, *dir(ra.Comparison), "retab_analysis", "ra"}


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs" / "reference").glob("*.md")), ids=lambda page: page.name
)
def test_a_page_of_the_reference_says_where_to_read_on(page: Path) -> None:
    assert page.name == "index.md" or "\n**See also**\n" in page.read_text("utf-8")


def test_the_signs_are_those_of_the_program() -> None:
    """The codes of headlines are those of the recorded situations with the usual rule."""
    start, doors = (ROOT / "docs" / "start.md").read_text("utf-8"), DOORS.read_text("utf-8")
    told = re.findall(r"^\| `(.)` \| [^|]+ \| (\d) \|", start, re.MULTILINE)
    rows = re.findall(r"^\| [^|]+ \| `([^`]+)` \| \*\*([012])\*\* \| (\S) ", doors, re.MULTILINE)
    usual = {(sign, code) for call, code, sign in rows if "--undecided" not in call}
    assert usual == {*told}
    for signs, named in re.findall(r"^\| (`.`.*?) \| [^|]+ \| (`\w+`.*?) \|", start, re.MULTILINE):
        words = [WORDS[each].sign for each in re.findall(r"\w+", named)]
        assert re.findall("`(.)`", signs) == [*dict.fromkeys(words)]


# What a stranger types into the search, and the pages that answer it.
SEARCHED = {
    "csv": {"how-to/colleague"},
    "german": {"how-to/colleague"},
    "excel": {"how-to/colleague"},
    "timezone": {"how-to/trends"},
    "trend": {"how-to/trends"},
    "slow": {"how-to/trends"},
    "cost": {"how-to/cost"},
    "flaky": {"how-to/verdict"},
    "not run": {"how-to/not-in-verdict"},
    "draft": {"start"},
    "accept": {"how-to/accept"},
    "slack": {"how-to/colleague"},
    "pandas": {"how-to/frames"},
    "duckdb": {"how-to/frames"},
}


@pytest.mark.parametrize("typed", SEARCHED)
def test_the_search_has_an_entry_for(typed: str) -> None:
    """The search puts an entry of the index first, if it is not much longer."""
    found = set()
    for page in written():
        for line in re.findall(r"<!-- index: (.+) -->", page.read_text("utf-8")):
            if any(typed in each and len(each) <= 2 * len(typed) for each in line.split(", ")):
                found.add(str(page.relative_to(ROOT / "docs").with_suffix("")))
    assert found
    assert found <= SEARCHED[typed]
