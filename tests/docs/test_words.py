"""Plain English: constructions that make a reader start again are rare, sentences short."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.prose import CODE, count_words, in_markdown, in_notebook, in_python, read_sentences

ROOT = Path(__file__).parents[2]
READ = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *(path for path in sorted((ROOT / "docs").glob("**/*.md")) if "generated" not in path.parts),
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
    *sorted((ROOT / "retab_analysis").glob("**/*.py")),
    ROOT / "retab_analysis" / "cli" / "facts.toml",
]
HEAVY = re.compile(
    r"\b(?:what is|what was|so that|beside|nobody|of which|that of|those of|is told|is said)\b",
    re.IGNORECASE,
)
MOST_HEAVY, MOST_WORDS = 150, 28


def places(found: list[tuple[Path, int, str]]) -> str:
    return "\n".join(f"{path.relative_to(ROOT)}:{line}: {said}" for path, line, said in found)


@pytest.fixture(scope="module")
def sentences() -> list[tuple[Path, int, str]]:
    return [(path, *each) for path in READ for each in read_sentences(path)]


def test_heavy_constructions_are_rare(sentences: list[tuple[Path, int, str]]) -> None:
    found = [each for each in sentences for _ in HEAVY.findall(each[2])]
    assert len(found) <= MOST_HEAVY, f"{len(found)} of at most {MOST_HEAVY}:\n{places(found)}"


def test_no_sentence_is_long(sentences: list[tuple[Path, int, str]]) -> None:
    found = [each for each in sentences if count_words(each[2]) > MOST_WORDS]
    assert not found, f"{len(found)} of more than {MOST_WORDS} words:\n{places(found)}"


def test_every_kind_of_file_is_read(sentences: list[tuple[Path, int, str]]) -> None:
    """Few files have no prose at all; the whole is tens of thousands of words."""
    assert {path.suffix for path, _, _ in sentences} == {".md", ".ipynb", ".py", ".toml"}
    assert len({path for path, _, _ in sentences}) > 0.95 * len(READ)
    assert sum(count_words(said) for _, _, said in sentences) > 40_000


PAGE = """---
title: Front matter
---
# A title without an end

One paragraph
of two lines. A second `a.b: c` [link, shown](to/a. file.md)! Version 3.11 is one word:
so it goes.
```python
print("what is no prose. At all.")
```
| a cell | another one. With two. |
|---|---|
1. An item
   goes on.
- Another
"""


def test_a_page_is_read_by_sentence() -> None:
    assert [(number, each) for number, each in in_markdown(PAGE)] == [
        (2, "title:"),
        (2, "Front matter"),
        (4, "A title without an end"),
        (6, "One paragraph of two lines."),
        (6, f"A second {CODE} link, shown!"),
        (6, "Version 3.11 is one word:"),
        (6, "so it goes."),
        (12, "a cell"),
        (12, "another one."),
        (12, "With two."),
        (14, "An item goes on."),
        (16, "Another"),
    ]


MODULE = '''"""A module. It has ``code: in`` quotes."""

# A comment
# goes on.
x = 1  # Beside it
def f(a: int) -> str:
    """Do it.

    Args:
        a: A number, in
            metres
        b, c: Two more.

    >>> f(1)
    what is no prose

    After it::

        so that, this neither

    Last.

    name     a row
    other    another
    """
    return f"The eval {a} is {a if a else 'what it was'}: " "try again"
'''


def test_a_module_is_read_by_sentence() -> None:
    assert sorted({each for _, each in in_python(MODULE)}) == sorted(
        [
            *("A module.", f"It has {CODE} quotes.", "A comment goes on.", "Beside it"),
            *("Do it.", "Args:", "a:", "A number, in metres", "b, c:", "Two more.", "After it::"),
            *(
                "Last.",
                "name a row",
                "other another",
                f"The eval {CODE} is {CODE}:",
                "try again",
                "what it was",
            ),
        ]
    )


def test_a_notebook_is_read_by_sentence() -> None:
    cells = [{"cell_type": "code", "source": ["x"]}, {"cell_type": "markdown", "source": ["A.\n"]}]
    assert list(in_notebook(json.dumps({"cells": cells}))) == [(2, "A.")]


@pytest.mark.parametrize(
    ("said", "n"),
    [
        ("What is read is said beside that of others, so that nobody waits.", 6),
        ("what_is, whatis, besides, that often, those office", 0),
        ("`what is` code", 0),
        ("of\nwhich", 1),
    ],
)
def test_heavy_constructions_are_counted(said: str, n: int) -> None:
    assert sum(len(HEAVY.findall(each)) for _, each in in_markdown(said)) == n


def test_words_are_counted() -> None:
    assert count_words(f"A run - or {CODE} - isn't 28 % of it.") == 8
