"""The next step after a verdict: one sentence and the code to type, if there is one."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from datetime import datetime

from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.headline import VerdictFacts, find_going
from retab_analysis.comparison.names import say_day
from retab_analysis.markup import count_noun, one_line
from retab_analysis.vocabulary import BROKEN

_LISTED = 12  # how many evals are named, and how many reruns advised, in a terminal


@dataclass(frozen=True, slots=True, repr=False)
class NextStep:
    """The next step.

    Attributes:
        sentence: The step, in words.
        code: The Python code, with the comparison as ``verdict``; empty for nothing.
        command: The command for a terminal.
        otherwise: An alternative.
    """

    sentence: str
    code: str = ""
    command: str = ""
    otherwise: NextStep | None = None

    @property
    def call(self) -> str:
        """The code without variables, whose names may differ: ``ra.settle(…)``."""
        call = re.sub(r"^\w+ = ", "", self.code)
        return re.sub(r"^verdict(?=\.)", "", call).replace("(verdict", "(…", 1)

    def __repr__(self) -> str:
        said = f"{self.sentence}{': ' * bool(self.code)}{self.code}"
        return said if self.otherwise is None else f"{said}; {self.otherwise}"


@dataclass(frozen=True, slots=True)
class _Workflow:
    """The workflow and the file of accepted failures, as you type them."""

    id: str
    accepted: str

    def settle(self, sentence: str) -> NextStep:
        command = self.check(f" --settle {_LISTED}")
        return NextStep(sentence, "verdict = ra.settle(verdict)", command)

    def start(self, sentence: str, more: str = "", option: str = "") -> NextStep:
        code = f"run = ra.start_runs({json.dumps(self.id)}{more})"
        return NextStep(sentence, code, self.check(f" --start{option}"))

    def check(self, options: str = "", command: str = "check") -> str:
        known = f" --accepted {shlex.quote(self.accepted)}" if self.accepted else ""
        return f"retab-analysis {command} {shlex.quote(self.id)}{options}{known}"


def find_next_step(
    facts: VerdictFacts, gate: Gate, looks: tuple[int, datetime | None]
) -> NextStep | None:
    """The first step that fits: a run that is possible now, a look by a person, a wait.

    ``looks`` are the number of evals that one rerun may clear, and the time of the next look.
    """
    frames = (facts.sides.around.workflow, facts.sides.candidate)
    ids = [each["workflow_id"].drop_nulls() for each in frames if each is not None]
    flow = next((each[0] for each in ids if len(each)), "…")
    workflow = _Workflow(one_line(flow), facts.sides.accepted.path)
    reruns, until = looks
    look = _look(facts, gate, workflow)
    if facts.sides.read.versions:  # these have the runs that they have
        return look
    return _run(facts, reruns, workflow) or look or _wait(facts, gate, until, workflow)


def _run(facts: VerdictFacts, reruns: int, workflow: _Workflow) -> NextStep | None:
    read = facts.sides.read
    stale = [s for s in facts.stories if s.saved.stale and s.transition]
    stale = [each for each in stale if each.id not in facts.accepted]
    going = [each for each in read.newer if each.kind == "going on"]
    goes_on = find_going(facts, {each.block_id for each in stale}) if stale else None
    if read.waiting[0] or goes_on or any(not each.is_judged for each in going):
        code = f"view = ra.watch(workflow_id={json.dumps(workflow.id)})"
        command = f"retab-analysis watch {shlex.quote(workflow.id)}"
        return NextStep("A run goes on; watch it", code, command)
    if facts.outage or facts.lost:
        return workflow.start("Run the workflow again")
    if stale:
        said = "Run the evals that were edited or never ran"
        return workflow.start(said, ', only="edited"', " --only edited")
    if reruns:
        clears = "may clear it" if reruns == 1 else "may clear them"
        return workflow.settle(f"Run {count_noun(reruns, 'eval')} again, once, which {clears}")
    missing = [each.id for each in facts.of("incomplete") if each.saved.is_valid]
    if missing and facts.is_decided:
        evals = f", evals={json.dumps(missing)}" if len(missing) <= _LISTED else ""
        return workflow.start("Run the evals without a result", evals)
    fell = facts.fallen is not None and not facts.fallen.is_sure
    is_hidden = facts.sides.saved.hidden_since is not None
    if missing or read.unnamed or read.doubts or fell or is_hidden or not facts.is_decided:
        return workflow.start("Run the workflow again")
    return None


def _look(facts: VerdictFacts, gate: Gate, workflow: _Workflow) -> NextStep | None:
    """The step for breaks, evals that do not fit or never passed, and outdated entries."""
    accepted = facts.sides.accepted
    report = workflow.check(" report.html --values", "report")
    errors = [each for each in facts.of("newly_errored") if each.errs_always]
    if facts.of(*BROKEN, "incomplete") or errors or gate.failing:
        file = accepted.path or "accepted.toml"
        accept = f'verdict.accept({json.dumps(file)}, reason="…")'
        shell = f'retab-analysis accept {shlex.quote(workflow.id)} {shlex.quote(file)} --reason "…"'
        known = NextStep("where a failure is known", accept, shell)
        return NextStep("See what each eval got, and fix it", "verdict.values()", report, known)
    if outdated := accepted.list_outdated(facts.stories, facts.saved):
        entries = ", ".join(each.lines or json.dumps(each.entry.id) for each in outdated)
        return NextStep(f"Delete {entries} from {accepted.path or 'accepted='}")
    passes = facts.has_pass or (facts.is_apart and facts.passing[0])
    if gate.reasons or not passes or (gate.doubt and facts.sides.read.versions):
        return NextStep("See what each eval got", "verdict.values()", report)
    return None


def _wait(
    facts: VerdictFacts, gate: Gate, until: datetime | None, workflow: _Workflow
) -> NextStep | None:
    if until is not None:
        code = f"verdict = ra.check({json.dumps(workflow.id)})"
        said = f"Look again after {say_day(until, facts.year)} {until:%H:%M} UTC"
        return NextStep(said, code, workflow.check())
    return workflow.start("Only a further run can tell") if gate.doubt else None
