"""The next step after a verdict: one sentence and the code to type."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from datetime import date

from retab_analysis.comparison.sides import Sides
from retab_analysis.comparison.verdict_facts import VerdictFacts
from retab_analysis.evidence.story import Story
from retab_analysis.markup import count_noun, one_line
from retab_analysis.render.door import NextStep

_LISTED = 12  # how many evals are named, and how many reruns advised, in a terminal


class Steps:
    """The steps of one verdict: those that run something, and looks; None where there is none."""

    def __init__(self, facts: VerdictFacts) -> None:
        frames = (facts.sides.workflow, facts.sides.candidate)
        ids = [each["workflow_id"].drop_nulls() for each in frames if each is not None]
        self.id = one_line(next((each[0] for each in ids if len(each)), "…"))
        self.facts, self.accepted = facts, facts.sides.accepted.path
        self._sides = _name_sides(facts.sides)
        self._check = self._call()

    def _call(self, without: str = "") -> str:
        """The call that gives this verdict again."""
        if self._sides is None:
            return "ra.compare(baseline, candidate)"
        named = {name: its for name, its in self._sides.items() if name != without}
        said = (f", {name}={json.dumps(its if its[1:] else its[0])}" for name, its in named.items())
        return f"ra.check({json.dumps(self.id)}{''.join(said)})"

    def start(self, sentence: str, more: str = "", option: str = "") -> NextStep:
        call = f"ra.start_runs({json.dumps(self.id)}{more})"
        command = self._shell(f" --start{option}", without="candidate")
        return NextStep(sentence, f"run = {call}", command, call=call)

    def run_all(self) -> NextStep:
        return self.start("Run the workflow again")

    def watch(self) -> NextStep:
        call, command = f"ra.watch(workflow_id={json.dumps(self.id)})", "retab-analysis watch "
        command += shlex.quote(self.id)
        return NextStep("A run goes on; watch it", f"view = {call}", command, call=call)

    def test(self, evals: Sequence[Story]) -> NextStep | None:
        """For evals that have not run as they are now: the run that tests them, or its start."""
        stale = [each for each in evals if each.is_stale]
        if stale and all(map(self.facts.find_run, stale)):
            return self.watch()
        said = "Run the evals that were edited or never ran"
        return self.start(said, ', only="edited"', " --only edited") if stale else None

    def judge_new_run(self, evals: Sequence[Story]) -> NextStep:
        """For evals whose edits cannot be seen: a run that is judged by itself."""
        if any(map(self.facts.find_run, evals)):
            return self.watch()
        its = json.dumps(self.id)
        call = f"ra.check({its}, candidate=ra.start_runs({its}))"
        command = self._shell(" --start", without="candidate")
        said = "Start a run, which is judged by itself"
        return NextStep(said, f"verdict = {call}", command, call=call)

    def save(self) -> NextStep:
        return NextStep("Save an eval in the dashboard first")

    def settle(self, evals: Sequence[Story]) -> NextStep | None:
        reruns, _ = self.facts.looks
        if (tests := self.test(evals)) or not reruns:
            return tests or (self.watch() if any(map(self.facts.find_run, evals)) else None)
        clears = "may clear it" if reruns == 1 else "may clear them"
        said = f"Run {count_noun(reruns, 'eval')} again, once, which {clears}"
        command = self._shell(f" --settle {_LISTED}")
        return NextStep(
            said, "verdict = ra.settle(verdict)", command, call=f"ra.settle({self._check})"
        )

    def run_missing(self, evals: Sequence[Story]) -> NextStep | None:
        valid = [each.id for each in evals if each.standing != "not valid"]
        named = f", evals={json.dumps(valid)}" if len(valid) <= _LISTED else ""
        started = self.start("Run the evals without a result", named) if valid else None
        return self.settle(evals) or started

    def see(self, more: str = "", known: NextStep | None = None) -> NextStep:
        command = self._shell(" report.html --values", "report")
        said = f"See what each eval got{more}"
        return NextStep(said, "verdict.values()", command, known, f"{self._check}.values()")

    def fix(self) -> NextStep:
        file = self.accepted or "accepted.toml"
        call = f'.accept({json.dumps(file)}, reason="…")'
        shell = self._shell(f' {shlex.quote(file)} --reason "…"', "accept")
        again = f"{self._check}{call}"
        known = NextStep("where a failure is known", f"verdict{call}", shell, call=again)
        return self.see(", and fix it", known)

    def see_tries(self, block: str) -> NextStep:
        block = one_line(block)
        call = f"ra.tries({json.dumps(self.id)}, {json.dumps(block)})"
        command = f"retab-analysis tries {shlex.quote(self.id)} {shlex.quote(block)}"
        return NextStep("See what each edit since mended", call, command, call=call)

    def delete(self) -> NextStep:
        gone = (each.lines or json.dumps(each.entry.id) for each in self.facts.outdated)
        return NextStep(f"Delete {', '.join(gone)} from {self.accepted or 'accepted='}")

    def check_again(self, sentence: str) -> NextStep:
        # Named runs do not show what ran since.
        without = "" if self.facts.sides.read.named else "candidate"
        call, command = self._call(without), self._shell(without=without)
        return NextStep(sentence, f"verdict = {call}", command, call=call)

    def _shell(self, options: str = "", command: str = "check", without: str = "") -> str:
        """A command about this verdict; there is none for frames and for several baselines."""
        if self._sides is None or len(self._sides.get("baseline", ())) > 1:
            return ""
        named = {name: its for name, its in self._sides.items() if name != without}
        sides = (f" --{name} {shlex.quote(each)}" for name, its in named.items() for each in its)
        told = f"retab-analysis {command} {shlex.quote(self.id)}{options}{''.join(sides)}"
        is_known = self.accepted and command != "accept"
        since = self.facts.rule.since if command == "check" else None
        told += f" --accepted {shlex.quote(self.accepted)}" * bool(is_known)
        return told if since is None else f"{told} --since {shlex.quote(since.asked)}"


def _name_sides(sides: Sides) -> dict[str, list[str]] | None:
    """The sides that ``check`` was asked for, but the usual ones and new runs; None for frames."""
    if sides.asked is None:
        return None
    plan, named = sides.read.plan, {}
    newest = set() if plan is None else {*plan.sort("created_at")["run_id"].tail(1)}
    frames = {"candidate": sides.candidate, "baseline": sides.baseline}
    for (name, frame), asked in zip(frames.items(), sides.asked, strict=True):
        ids = [] if frame is None else [*frame["run_id"].drop_nulls().unique().sort()]
        if isinstance(asked, str | date):
            named[name] = [str(asked)] if asked != "last_good" else []
        elif asked is not None and newest.isdisjoint(ids):
            named[name] = ids
    return {name: its for name, its in named.items() if its}
