"""GitHub Actions: annotations, the summary of a job, and text without commands for its runner.

The runner reads commands from a step's output: ``::name …::text`` at the beginning of a line, and
the older ``##[name]`` anywhere in one
(https://docs.github.com/actions/reference/workflow-commands-for-github-actions).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MOST_ANNOTATIONS = 10
"""How many of a kind GitHub shows for one step."""

_NOTHING = "\u200b"  # a space without width


def in_actions() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def as_output(text: str) -> str:
    """Text without commands for the runner; it looks the same."""
    if not in_actions():
        return text
    lines = text.replace("##[", f"##{_NOTHING}[").split("\n")
    return "\n".join(
        f"{_NOTHING}{line}" if line.lstrip().startswith("::") else line for line in lines
    )


def annotation(level: str, title: str, message: str) -> str:
    """The command for an annotation; its level is ``error`` or ``warning``."""
    escaped = _escape(title).replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={escaped}::{_escape(message)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def add_summary(markdown: str) -> None:
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{markdown}\n")


def set_output(name: str, value: str) -> None:
    """Set an output of the step; a later value replaces it."""
    path = os.environ.get("GITHUB_OUTPUT")
    if path and in_actions():
        with contextlib.suppress(OSError), Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{name}={' '.join(value.split())}\n")
