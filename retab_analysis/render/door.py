"""A step to take, and the places that show a document: each has its own way to type a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from retab_analysis.render.document import Line, Span, write_line


@dataclass(frozen=True, slots=True, repr=False)
class NextStep:
    """The next step.

    Attributes:
        sentence: The step, in words.
        code: The Python code, with the comparison as ``verdict``; empty for nothing.
        command: The command for a terminal.
        otherwise: An alternative.
        call: The code without variables, whose names may differ: ``ra.settle(…)``.
    """

    sentence: str
    code: str = ""
    command: str = ""
    otherwise: NextStep | None = None
    call: str = ""

    def __repr__(self) -> str:
        said = f"{self.sentence}{': ' * bool(self.code)}{self.code}"
        return said if self.otherwise is None else f"{said}; {self.otherwise}"


@dataclass(frozen=True, slots=True)
class Door:
    """A place that shows a document: with ``values`` or without.

    ``types`` is the part of a next step that you type there: a call, a command, or nothing on a
    live page, which has buttons. ``shows`` is how to show hidden values. Where it ``is_live``, an
    edit of the newest run's day is named without the day. A page has rows that open, and at most so
    many ``passing`` ones; a text has none.
    """

    values: bool
    types: Literal["call", "command", ""] = "call"
    shows: str = "values=True"
    is_live: bool = False
    passing: int = 0

    def write_step(self, step: NextStep | None) -> dict[str, Any] | None:
        """A step as plain values; None if there is none, or nothing to type."""
        if step is None or not self.types:
            return None
        told: dict[str, Any] = {"sentence": step.sentence, "code": getattr(step, self.types)}
        other = self.write_step(step.otherwise)
        return told if other is None else {**told, "otherwise": other}

    def say_step(self, step: NextStep | None) -> Line:
        line: Line = ()
        told = self.write_step(step)
        while told:
            code = Span(told["code"], "code")
            line += write_line("; " * bool(line), told["sentence"], ": " * bool(code.text), code)
            told = told.get("otherwise")
        return line

    def hint(self) -> Line:
        if self.values or not self.shows:
            return ()
        return write_line("Values are hidden; ", Span(self.shows, "code"), " shows them.")
