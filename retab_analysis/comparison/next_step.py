"""The next step after a verdict: one sentence and the code to type."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

LISTED = 12  # how many evals are named, and how many reruns advised, in a terminal


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
class Steps:
    """The steps of one workflow: its id, and the file of accepted failures, as you type them."""

    id: str
    accepted: str

    def settle(self, sentence: str) -> NextStep:
        command = self._check(f" --settle {LISTED}")
        return NextStep(sentence, "verdict = ra.settle(verdict)", command, call="ra.settle(…)")

    def start(
        self, sentence: str, evals: Sequence[str] = (), *, only_edited: bool = False
    ) -> NextStep:
        more = f", evals={json.dumps(evals)}" if evals else ', only="edited"' * only_edited
        call = f"ra.start_runs({json.dumps(self.id)}{more})"
        command = self._check(f" --start{' --only edited' * only_edited}")
        return NextStep(sentence, f"run = {call}", command, call=call)

    def watch(self) -> NextStep:
        call = f"ra.watch(workflow_id={json.dumps(self.id)})"
        command = f"retab-analysis watch {shlex.quote(self.id)}"
        return NextStep("A run goes on; watch it", f"view = {call}", command, call=call)

    def check_again(self, sentence: str) -> NextStep:
        call = f"ra.check({json.dumps(self.id)})"
        return NextStep(sentence, f"verdict = {call}", self._check(), call=call)

    def see(self, sentence: str, otherwise: NextStep | None = None) -> NextStep:
        command = self._check(" report.html --values", "report")
        return NextStep(sentence, "verdict.values()", command, otherwise, ".values()")

    def fix(self) -> NextStep:
        file = self.accepted or "accepted.toml"
        call = f'.accept({json.dumps(file)}, reason="…")'
        shell = f'retab-analysis accept {shlex.quote(self.id)} {shlex.quote(file)} --reason "…"'
        known = NextStep("where a failure is known", f"verdict{call}", shell, call=call)
        return self.see("See what each eval got, and fix it", known)

    def _check(self, options: str = "", command: str = "check") -> str:
        known = f" --accepted {shlex.quote(self.accepted)}" if self.accepted else ""
        return f"retab-analysis {command} {shlex.quote(self.id)}{options}{known}"
