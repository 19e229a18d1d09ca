"""The README's examples do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from matplotlib import pyplot

import retab_analysis as ra

README = (Path(__file__).parents[1] / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_it_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= 120


def test_the_longer_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = EXAMPLES[1]
    names: dict[str, object] = {}
    try:
        exec(compile(code, "README.md", "exec"), names)
    finally:
        sandbox = names.get("sandbox")
        assert isinstance(sandbox, ra.Sandbox)
        sandbox.stop()
        pyplot.close("all")
    assert ra.read_csv(tmp_path / "runs.csv").height > 10


def test_the_lines_at_the_top_print_what_stands_below_them() -> None:
    *lines, settle = EXAMPLES[0].splitlines()
    assert "settle" in settle
    sandbox = ra.demo(speed=100)
    names: dict[str, object] = {}
    try:
        exec(compile("\n".join(lines), "README.md", "exec"), names)
        printed = _undated(str(names["verdict"]))
        exec(compile(settle, "README.md", "exec"), names)
    finally:
        sandbox.stop()
    # What runs by itself meanwhile may add a failure by chance, and so change the headline alone.
    headline, *pieces = re.findall(r"```\n(✗.*?)```", README, re.DOTALL)[0].split("…")
    assert "since the edit of extract_lines" in headline
    assert printed.startswith("✗")
    assert "since the edit of extract_lines" in printed
    for piece in pieces:
        assert _undated(piece) in printed
    assert "broke" in repr(names["verdict"])


def _undated(text: str) -> str:
    """The text in one line without the day of the edit, which is that of yesterday or today."""
    return re.sub(r"\d+ [A-Z][a-z]{2}\b", "that day", " ".join(text.split()))


def test_every_name_in_the_table_is_public() -> None:
    rows = re.findall(r"^\| (`.*?) \|", README, re.MULTILINE)
    names = re.findall(r"`(\w+)`", " ".join(rows))
    assert len(names) > 15
    assert set(names) <= set(ra.__all__)


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (Path(__file__).parents[1] / target).exists(), target


def test_the_dependency_table_is_complete() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    table = README.partition("## Dependencies")[2].partition("## ")[0]
    for requirement in project["dependencies"]:
        assert re.split(r"[>=<]", requirement)[0] in table
