"""What a check came to: its exit code, and how it is told on each door."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from retab_analysis.cli import github
from retab_analysis.cli.console import FAILS, HOLDS, UNDECIDED, Console
from retab_analysis.cli.eval_checks import VALUE_COLUMNS
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.comparison import suite_of
from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.render import OPEN, describe
from retab_analysis.comparison.reruns import choose_reruns
from retab_analysis.comparison.wording import count_noun
from retab_analysis.markup import markdown, one_line
from retab_analysis.report import write_report
from retab_analysis.vocabulary import DECIDED

UNDECIDED_CODES = {"ok": HOLDS, "fail": FAILS, "2": UNDECIDED}
"""What ``--undecided`` may be, and the exit code that it means."""

ROUNDS = 4
"""In so many rounds ``--settle`` runs evals again at most."""

_ADVISED = 12  # so many reruns are advised, as in the documents
_LISTED = 30  # so many evals are listed in a terminal

# Of the 65,536 characters of a comment on GitHub a report may have 60,000. As Markdown a text is at
# most eight times as long, so that the first reason always has room.
_LONGEST_REASON = 500
_ROOM_FOR_REASONS = 4_500


@dataclass(frozen=True)
class Conclusion:
    """A comparison, what the gate says, and what that means for a shell.

    Attributes:
        workflow_id: The workflow.
        comparison: What was compared.
        gate: What the gate says.
        undecided: What ``--undecided`` is.
    """

    workflow_id: str
    comparison: Comparison
    gate: Gate
    undecided: str = "2"

    @property
    def about(self) -> str:
        """What it is of."""
        return f"Retab check of {one_line(self.workflow_id)}"

    @property
    def open(self) -> str:
        """What is open although the gate holds, in words; empty where nothing is."""
        if not self.gate.ok:
            return ""
        comparison = self.comparison
        if not comparison.evals["candidate_state"].is_in((*DECIDED, "mixed")).any():
            return "nothing was decided"
        asked = comparison.evals.filter(pl.col("eval_id").is_in(self.gate.undecided))
        suspects = asked.filter(transition="suspect").height
        errors = asked.height - suspects
        said = []
        if suspects:
            verb = "is" if suspects == 1 else "are"
            said.append(f"{count_noun(suspects, 'eval')} {verb} suspect")
        if errors:
            said.append(f"{count_noun(errors, 'eval')} ended in an error")
        if not said and comparison.may_have_broken:
            said.append("something probably broke, but it is not certain which")
        return " and ".join(said)

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        if not self.gate.ok:
            return FAILS
        return UNDECIDED_CODES[self.undecided] if self.open else HOLDS

    def lines(self) -> Iterator[str]:
        """What is said of it, line by line, the title first."""
        document = self.comparison.document()
        yield document.title
        yield from _list_evals(self.comparison)
        yield document.explanation
        yield from self.gate_lines()

    def gate_lines(self) -> Iterator[str]:
        """What the gate says, line by line."""
        yield f"The gate {self.describe_gate()}"
        yield from (f"  - {one_line(reason)}" for reason in self.gate.reasons)
        if self.advice and not self.gate.ok:
            beginning = "What may change that" if self.is_for_now else "Not decided yet"
            yield f"{beginning}: {self.advice}."
        if self.gate.notes:
            yield "Also worth knowing:"
            yield from (f"  - {one_line(note)}" for note in self.gate.notes)

    def describe_gate(self) -> str:
        """Whether the gate holds."""
        if not self.gate.ok:
            return "does not hold:"
        if not self.open:
            return "holds."
        return f"holds, but {'; '.join(filter(None, (self.open, self.advice)))}."

    @property
    def is_for_now(self) -> bool:
        """Whether the gate may hold once undecided evals have been run again."""
        # An entry of accepted failures that has to go stays a reason, whatever is run again.
        stale = any(reason.startswith("Accepted") for reason in self.gate.reasons)
        return bool(self.gate.failing) and {*self.gate.failing} <= self._chosen and not stale

    @property
    def _chosen(self) -> set[str]:
        """The evals that ``--settle`` would run again."""
        return {*choose_reruns(suite_of(self.comparison), ROUNDS)["eval_id"]}

    @property
    def advice(self) -> str:
        """How to have undecided evals decided; empty where reruns would not do it."""
        again = len(self._chosen - {*self.gate.accepted})
        evals = count_noun(again, "undecided eval")
        most = min(_ADVISED, ROUNDS * again)
        return f"check --settle {_ADVISED} runs {evals} again, at most {most} runs" if again else ""

    def to_dict(self, *, values: bool) -> dict[str, Any]:
        """Everything as plain values, the conclusion first."""
        gate = {
            name: getattr(self.gate, name)
            for name in ("ok", "reasons", "notes", "failing", "undecided", "accepted")
        }
        told = self.comparison.to_dict()
        if not values:
            told["evals"] = [
                {name: row[name] for name in row if name not in VALUE_COLUMNS}
                for row in told["evals"]
            ]
        return {
            "exit_code": self.exit_code,
            "workflow_id": self.workflow_id,
            "title": self.comparison.title,
            "gate": gate,
            **told,
        }

    def markdown(self, *, values: bool) -> str:
        """What the gate says, and the report."""
        # A report is a file; this is the one way to have it.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "report.md")
            write_report(self.comparison, path, values=values, gate=self.gate)
            report = path.read_text(encoding="utf-8")
        gate = "\n".join(self._list_reasons())
        return f"**The gate {markdown(self.describe_gate())}**\n\n{gate}\n\n{report}"

    def _list_reasons(self) -> Iterator[str]:
        """The reasons as a list of Markdown that leaves a comment's room to the report."""
        room, reasons = _ROOM_FOR_REASONS, self.gate.reasons
        for at, reason in enumerate(reasons):
            line = f"- {markdown(one_line(reason, _LONGEST_REASON))}"
            room -= len(line) + 1
            if room < 0:
                more = count_noun(len(reasons) - at, "more reason")
                yield f"- … and {more}, for which there is no room here; the log has all of them"
                break
            yield line


def _list_evals(comparison: Comparison) -> Iterator[str]:
    """The evals that somebody should look at, a line each."""
    left = _LISTED
    for title, evals in comparison.document().sections().items():
        if title in OPEN:
            for row in evals.head(left).iter_rows(named=True):
                what, name, block, edited, _, _ = describe(row)
                where = ", ".join(f"{each}" for each in (one_line(block), edited) if each)
                shown = one_line(name, 100)
                yield f"  {what}: {shown}" + (f" ({where})" if where else "")
            more = evals.height - left
            left = max(0, left - evals.height)
            if more > 0:
                yield f"  … and {more} more of: {title.lower()}"


def tell_github(console: Console, conclusion: Conclusion, *, values: bool) -> None:
    """Add the report to the job's summary, and make annotations of what fails the gate."""
    if not github.in_actions():
        return
    console.add_summary(conclusion.markdown(values=values))
    title = conclusion.about
    level, said = "error", conclusion.gate.reasons
    if conclusion.open:
        level, said = "warning", (f"The gate {conclusion.describe_gate()}",)
    for reason in said[: github.MOST_ANNOTATIONS]:
        console.command_runner(github.annotation(level, title, one_line(reason)))
