"""The README's examples do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from matplotlib import pyplot

import retab_analysis as ra

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
FIRST, LOOP, SECOND = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_it_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= 88


def test_the_examples_run_and_print_what_stands_below_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(FIRST.splitlines()) == 4
    names: dict[str, object] = {}
    try:
        exec(compile(FIRST, "README.md", "exec"), names)
        printed = _undated(capsys.readouterr().out)
        exec(compile(LOOP, "README.md", "exec"), names)
        exec(compile(SECOND, "README.md", "exec"), names)
    finally:
        ra.demo().stop()
        pyplot.close("all")
    # The sandbox runs evals on its own, and a failure by chance changes counts.
    shown = README.partition(FIRST)[2].split("```")[2]
    pieces = [_undated(each) for each in shown.split("…")]
    assert len(pieces) > 3
    assert printed.startswith(pieces[0])
    for piece in pieces:
        assert piece in printed
    assert ra.read_csv(tmp_path / "runs.csv").height > 10
    assert "extract_lines" in (tmp_path / "report.html").read_text("utf-8")


def _undated(text: str) -> str:
    """The text in one line without days, because the edit is of yesterday or today."""
    return re.sub(r"\d+ [A-Z][a-z]{2}\b", "that day", " ".join(text.split()))


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(((?!http)[^)#]+)[^)]*\)", README):
        assert (Path(__file__).parents[1] / target).exists(), target


def test_every_call_in_the_prose_is_public() -> None:
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    assert set(re.findall(r"\bra\.(\w+)", prose)) <= set(ra.__all__)
