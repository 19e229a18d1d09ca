"""The conclusion of a check: its exit code, and its text for each door of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retab_analysis.cli import github
from retab_analysis.cli.console import FAILS, HOLDS, UNDECIDED, Console
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.comparison import inside
from retab_analysis.comparison.gate import Gate
from retab_analysis.markup import one_line
from retab_analysis.render.document import Case, Document, plain
from retab_analysis.render.door import Door
from retab_analysis.render.markdown import to_markdown
from retab_analysis.render.text import to_text

UNDECIDED_CODES = {"ok": HOLDS, "fail": FAILS, "2": UNDECIDED}
"""The values of ``--undecided``, and their exit codes."""


@dataclass(frozen=True)
class Conclusion:
    """A comparison, the gate's answer, and its meaning for a shell."""

    workflow_id: str
    comparison: Comparison
    gate: Gate
    undecided: str = "2"  # the value of --undecided
    shows: str = "--values"  # the option that shows values

    @property
    def about(self) -> str:
        return f"Retab check of {one_line(self.workflow_id)}"

    @property
    def exit_code(self) -> int:
        if self.gate.reasons:
            return FAILS
        return UNDECIDED_CODES[self.undecided] if self.gate.doubt else HOLDS

    def document(self, *, values: bool) -> Document:
        return inside(self.comparison).document(self.door(values=values), self.gate)

    def door(self, *, values: bool) -> Door:
        return Door(values, "command", self.shows)

    def text(self, width: int, door: Door) -> str:
        """Its text, with the reasons if the gate does not hold."""
        told = to_text(inside(self.comparison).document(door, self.gate), width)
        reasons = [f"  - {one_line(reason)}" for reason in self.gate.reasons]
        notes = [f"  - {one_line(each)}" for each in self.gate.notes]
        also = ["Also worth knowing:", *notes] if notes else []
        return "\n".join([told, f"The gate {self.describe_gate()}", *reasons, *also])

    def describe_gate(self) -> str:
        if self.gate.reasons:
            return "does not hold:"
        return f"is undecided: {self.gate.doubt}." if self.gate.doubt else "holds."

    def cases(self, *, values: bool) -> list[Case]:
        passes = self.undecided == "ok"
        return inside(self.comparison).cases(self.gate, values=values, passes_undecided=passes)

    def properties(self, *, values: bool) -> dict[str, str]:
        """The properties above the cases of a test suite: the words of the other doors."""
        document = self.document(values=values)
        counts = " · ".join(map(str, document.counts))
        told = {
            "headline": str(document.head.heading),
            "counts": counts,
            "gate": document.head.badge,
        }
        hint = plain(self.door(values=values).hint()) or "shown"
        return told | {"next step": plain(document.next), "values": hint}

    def to_dict(self, *, values: bool) -> dict[str, Any]:
        told = inside(self.comparison).values(self.door(values=values), self.gate, brief=False)
        return {"exit_code": self.exit_code, **told}

    def markdown(self, *, values: bool) -> str:
        return to_markdown(self.document(values=values))


def tell_github(console: Console, conclusion: Conclusion, *, values: bool) -> None:
    """Add the report to the summary, and annotations: the headline, and why the gate fails."""
    if not github.in_actions():
        return
    console.add_summary(conclusion.markdown(values=values))
    title = conclusion.about
    level, said = "error", conclusion.gate.reasons
    if conclusion.gate.doubt:
        level, said = "warning", (f"The gate {conclusion.describe_gate()}",)
    if said:
        said = (str(conclusion.document(values=False).head.heading), *said)
    for reason in said[: github.MOST_ANNOTATIONS]:
        console.command_runner(github.annotation(level, title, one_line(reason)))
