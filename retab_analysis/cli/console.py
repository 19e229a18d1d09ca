"""The command line's output: conclusions to stdout, messages to stderr, colours on a terminal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from typing import Any, TextIO

from retab_analysis.cli import github
from retab_analysis.markup import markdown
from retab_analysis.progress import Progress
from retab_analysis.render.text import WIDEST

HOLDS, FAILS, UNDECIDED, NOT_ASKED, USAGE = range(5)
"""The exit codes: the gate holds, fails, or is undecided; no answer; usage."""

INTERRUPTED, PIPE_CLOSED = 130, 141
"""A shell's exit codes for a program that Ctrl-C ended, or whose reader closed the pipe."""

MANY = 25
"""A run of more evals than that is large for the shared queue."""

_COLOURS = {"bad": "31", "error": "31", "good": "32", "doubt": "33"}


class UsageError(Exception):
    """The command line cannot be used."""


@dataclass
class Console:
    """The output streams, and how much to print; Python has None for a closed stream."""

    quiet: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    errors: TextIO = field(default_factory=lambda: sys.stderr)
    hints: bool = True  # whether it is still to say how hidden values are shown

    def __post_init__(self) -> None:
        self.out, self.errors = self.out or io.StringIO(), self.errors or io.StringIO()
        for stream in (self.out, self.errors):
            # A terminal without ✗ shows \u2717 instead of a traceback.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")

    def show(self, text: str) -> None:
        if not self.quiet:
            self._print(text, self.out)

    def show_json(self, document: dict[str, Any]) -> None:
        """Print a JSON document, the requested output, even with ``--quiet``."""
        # JSON is UTF-8; a stream with another encoding gets ASCII, which any reader accepts. Both
        # escape characters that steer or turn a terminal.
        encoding = (getattr(self.out, "encoding", None) or "utf-8").lower().replace("-", "")
        text = json.dumps(document, indent=2, allow_nan=False, ensure_ascii=encoding != "utf8")
        text = "".join(map(_escape, text))
        # A text that GitHub's runner does not obey, and still JSON.
        print(text.replace("##[", "##\\u005b"), file=self.out, flush=True)

    def say(self, text: str) -> None:
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Print an important message; if that fails, the exit code tells it."""
        with contextlib.suppress(OSError):
            self._print(text, self.errors)

    def command_runner(self, line: str) -> None:
        with contextlib.suppress(OSError):
            print(line, file=self.errors, flush=True)

    def add_summary(self, text: str) -> None:
        try:
            github.add_summary(text)
        except OSError as error:
            self.warn(f"Warning: GITHUB_STEP_SUMMARY cannot be written: {error}")

    def tell_failure(self, title: str, message: str) -> None:
        """In a step of GitHub Actions, say there why there is no answer."""
        if github.in_actions():
            self.add_summary(f"**{markdown(title)}**\n\n{markdown(message)}\n")
            self.command_runner(github.annotation("error", title, message))

    def _print(self, text: str, stream: TextIO) -> None:
        print(github.as_output(text), file=stream, flush=True)

    @property
    def progress(self) -> bool | None:
        """The value of ``progress=``: a bar on a terminal."""
        return None if not self.quiet and self.errors.isatty() else False

    @property
    def telling(self) -> Progress | None:
        return _Lines(self) if self.progress is False else None

    @property
    def width(self) -> int:
        return shutil.get_terminal_size((WIDEST, 24)).columns if self.out.isatty() else WIDEST

    def coloured(self, text: str, tone: str) -> str:
        """The text in a colour on a terminal that has them, if https://no-color.org allows it."""
        is_plain = os.environ.get("TERM") == "dumb" or os.environ.get("NO_COLOR")
        code = _COLOURS.get(tone) if self.out.isatty() and not is_plain else None
        return f"\x1b[1;{code}m{text}\x1b[0m" if code else text

    def confirm(self, question: str) -> bool:
        """Ask; without a terminal, the answer is yes."""
        if not (sys.stdin is not None and sys.stdin.isatty() and self.errors.isatty()):
            return True
        print(f"{question} [y/N] ", end="", file=self.errors, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")


@dataclass
class _Lines:
    """Progress that only prints its notes, a line for each change."""

    console: Console
    last: str = ""

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        if note and note != self.last:
            self.last = note
            self.console.say(note)

    def close(self) -> None:
        pass


def _escape(character: str) -> str:
    """A character inside JSON: escapes those that a terminal would hide or obey."""
    is_shown = character.isprintable() or character == "\n"
    return character if is_shown else json.dumps(character)[1:-1]
