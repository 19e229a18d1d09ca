"""Each message on the page of questions is the one that the program gives."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

import retab_analysis as ra

PAGE = (Path(__file__).parents[2] / "docs" / "questions.md").read_text("utf-8")
CELL = r"```\{code-cell\} python\n(?::tags:[^\n]*\n)?(.*?)```"
MESSAGE = r"```text\n(.*?)```"


def test_the_messages_are_what_the_cells_below_them_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text ``[…]`` stands for names and ids that differ from day to day."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    names: dict[str, object] = {}
    shown, compared = "", 0
    try:
        for cell, message in re.findall(f"{CELL}|{MESSAGE}", PAGE, re.DOTALL):
            if message:
                shown = " ".join(message.split())
                continue
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                exec(compile(cell, "questions.md", "exec"), names)
            if printed := " ".join(said.getvalue().split()):
                wanted = ".+".join(map(re.escape, shown.split("[…]")))
                assert re.fullmatch(wanted, printed), f"{shown}\n{printed}"
                shown, compared = "", compared + 1
    finally:
        ra.demo().stop()
    assert compared == PAGE.count("\nshow(") > 8
