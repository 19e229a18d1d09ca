"""The sentences that a person meets in pages, notebooks and modules, each with its place."""

from __future__ import annotations

import ast
import io
import json
import re
import textwrap
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

# A block of prose: the line it begins in, and its words in one line.
Block = tuple[int, str]

CODE = "\N{BULLET}"  # stands for code in a sentence: it is read, and is no word of English
_NEW_ITEM = re.compile(
    r"\s*(?:[-*+]|\d+\.|#+|:?[\w*`][\w*`.]*(?:, [\w*`]+)*:|>)\s|\s*[\w.-]+ {3,}(?=\S)"
)
_TITLE = re.compile(r"\s*#+\s|\s*\S+:$")
_FENCE = re.compile(r"\s*(`{3,}|~{3,}|:{3,})")
_RULE = re.compile(r"[\s|:=+*_-]*")
_NO_PROSE = re.compile(
    r"SELECT |INSERT |CREATE |PRAGMA |UPDATE |DELETE |</?\w|\(\?|\{\n|\w\(\w*\) =>"
)


def split_sentences(text: str) -> list[str]:
    """The sentences of a text: they end in ``.``, ``!``, ``?`` or ``:``, before a space."""
    ends = r"""(?<=[.!?:])(?<!\be\.g\.)(?<!\bi\.e\.)["')\]*_]*\s+"""
    return [each for each in re.split(ends, " ".join(text.split())) if count_words(each)]


def count_words(sentence: str) -> int:
    return len([each for each in sentence.split() if re.search(rf"\w|{CODE}", each)])


def hide_code(text: str) -> str:
    """The text with a mark for each piece of code, and with links as they are read."""
    text = re.sub(r"<!--.*?-->", "", text)
    text = re.sub(r"(?:\{[\w:.-]+\})?(`+)(?!`).+?(?<!`)\1(?!`)", CODE, text, flags=re.DOTALL)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"https?://\S+|</?\w[^>\n]*>", CODE, text)
    # A name with an underscore, a call, or a dotted name is code without its quotes.
    return re.sub(r"\b\w*[A-Za-z]_\w+\b(?:\.\w+)*(?:\(\S*\))?|\b\w+(?:\.\w+)*\(\S*\)", CODE, text)


def split_blocks(text: str) -> Iterator[Block]:
    """Paragraphs, items, titles and cells of Markdown or of a docstring, without code."""
    lines = textwrap.dedent(text).splitlines()
    held: list[str] = []
    begun, indent, fence, literal, shown = 1, 0, "", -1, False
    for number, line in enumerate([*lines, ""], 1):
        here = len(line) - len(line.lstrip())
        mark = _FENCE.match(line)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) else fence
            continue
        shown = bool(line.strip()) and (shown or line.lstrip().startswith(">>>"))
        if shown or (literal >= 0 and (not line.strip() or here > literal)):
            if held:
                yield begun, " ".join(held)
                held = []
            continue
        literal = here if line.rstrip().endswith("::") else -1
        table = line.lstrip().startswith("|")
        ends = not line.strip() or bool(mark) or table or bool(_NEW_ITEM.match(line))
        if held and (ends or here < indent or _TITLE.match(held[-1])):
            yield begun, " ".join(held)
            held = []
        if mark:
            fence = "" if mark[1].startswith(":") else mark[1]
        elif table:
            yield from ((number, cell) for cell in re.split(r"(?<!\\)\|", line) if cell.strip())
        elif not _RULE.fullmatch(line):
            begun = begun if held else number
            held.append(re.sub(r"^\s*(?:[-*+]|\d+\.|#+|>)\s+", "", line))
            indent = here


def in_markdown(text: str) -> Iterator[Block]:
    # Code of several lines keeps the number of lines.
    for number, block in split_blocks(text):
        for sentence in split_sentences(hide_code(block)):
            yield number, sentence


def in_notebook(text: str) -> Iterator[Block]:
    for number, cell in enumerate(json.loads(text)["cells"], 1):
        if cell["cell_type"] == "markdown":
            yield from ((number, each) for _, each in in_markdown("".join(cell["source"])))


def in_toml(text: str) -> Iterator[Block]:
    """The sentences of the facts that ``doctor`` asks; their numbers are not lines."""
    for number, fact in enumerate(tomllib.loads(text)["fact"].values(), 1):
        for said in (fact["says"], fact["otherwise"]):
            yield from ((number, each) for _, each in in_markdown(said))


def in_python(source: str) -> Iterator[Block]:
    """The sentences of docstrings, comments and messages."""
    tree = ast.parse(source)
    documented, parts = set(), set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            text = body[0].value
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                documented.add(text)
                for number, sentence in in_markdown(text.value):
                    yield text.lineno + number - 1, sentence
        if isinstance(node, ast.JoinedStr):
            parts |= {each for each in node.values if isinstance(each, ast.Constant)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            said = "" if node in documented | parts else node.value
        elif isinstance(node, ast.JoinedStr):
            said = "".join(
                str(each.value) if isinstance(each, ast.Constant) else CODE for each in node.values
            )
        else:
            continue
        if " " in said and not _NO_PROSE.search(said):
            yield from ((node.lineno, sentence) for _, sentence in in_markdown(said))
    yield from _in_comments(source)


def _in_comments(source: str) -> Iterator[Block]:
    held: list[str] = []
    begun = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or re.match(
            r"# (?:noqa|type:|pragma|mypy)", token.string
        ):
            continue
        alone = not token.line[: token.start[1]].strip()
        if held and not (alone and token.start[0] == last + 1):
            yield from ((begun, each) for _, each in in_markdown("\n".join(held)))
            held = []
        begun = begun if held else token.start[0]
        held.append(token.string.lstrip("#: ").rstrip())
        last = token.start[0] if alone else 0
    yield from ((begun, each) for _, each in in_markdown("\n".join(held)))


READERS = {".md": in_markdown, ".ipynb": in_notebook, ".py": in_python, ".toml": in_toml}


def read_sentences(path: Path) -> Iterator[Block]:
    """Line (in a notebook: cell; of facts: fact) and text of each sentence of a file."""
    return READERS[path.suffix](path.read_text("utf-8"))
