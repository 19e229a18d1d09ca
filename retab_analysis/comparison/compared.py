"""Everything that a comparison knows: one object, which :class:`Comparison` shows to users."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import polars as pl
from msgspec import structs

from retab_analysis.arguments import check_path, resolve
from retab_analysis.comparison.accepted import (
    GivenAccepted,
    Policy,
    name_by_id,
    read_accepted,
    read_policy,
    write_accepted,
)
from retab_analysis.comparison.config_changes import Edits, find_spans
from retab_analysis.comparison.explanation import explain
from retab_analysis.comparison.gate import Gate, GateRule, apply_rule, choose_accepted
from retab_analysis.comparison.headline import VerdictFacts
from retab_analysis.comparison.names import find_year
from retab_analysis.comparison.next_step import NextStep, find_next_step
from retab_analysis.comparison.plain_values import list_brief, list_conclusion, list_rows, shorten
from retab_analysis.comparison.reruns import SETTLE_ROUNDS, find_next_look, list_reruns
from retab_analysis.comparison.shown_evals import show_evals
from retab_analysis.comparison.sides import Sides
from retab_analysis.comparison.suite_test import Suite, SuiteTest
from retab_analysis.comparison.verdict_document import Door, list_cases, make_document
from retab_analysis.evidence.story import Story
from retab_analysis.render.document import Case, Document, plain
from retab_analysis.schema.polars_threads import check_polars_threads


@dataclass(frozen=True, eq=False, repr=False)
class Compared:
    """Both sides of a comparison, the stories of its evals, and all that follows from them.

    ``weighed`` has the stories and rates that count; ``notes`` are facts that do not.
    """

    alpha: float
    margin: float
    sides: Sides
    weighed: Suite
    notes: tuple[str, ...] = ()

    @property
    def suite(self) -> Suite:
        check_polars_threads()  # raises the error if nothing can be computed
        return self.weighed

    @property
    def stories(self) -> tuple[Story, ...]:
        return self.suite.stories

    @functools.cached_property
    def counting(self) -> tuple[Story, ...]:
        """The stories without the evals about which two versions say nothing."""
        return tuple(each for each in self.stories if each.saved.word is None)

    def story_of(self, asked: str) -> Story:
        """The story of an eval, by its id or its name."""
        eval_id = resolve("eval", str(asked), name_by_id(self.stories))
        return next(each for each in self.stories if each.id == eval_id)

    @functools.cached_property
    def evals(self) -> pl.DataFrame:
        return show_evals(self.stories, find_year(self.sides.candidate))

    @property
    def spans(self) -> pl.DataFrame:
        """The moments between which edits broke evals, see :func:`find_spans`."""
        sides = self.sides
        return find_spans(self.stories, sides.candidate, sides.history, sides.baseline)

    @functools.cached_property
    def test(self) -> SuiteTest:
        return self.suite.test(self.alpha)

    @functools.cached_property
    def summary(self) -> pl.DataFrame:
        return self.test.summarize()

    # The gate

    @functools.cached_property
    def judged(self) -> Gate:
        """The answer of the usual rule."""
        return self.judge(GateRule())

    def judge(self, rule: GateRule, accepted: GivenAccepted = None) -> Gate:
        """Apply a rule; by default with the accepted failures of the comparison."""
        known = self.sides.accepted
        if accepted is not None:
            known = self._fit(read_accepted(accepted))
        return apply_rule(rule, known, self._tell(known.set_aside(self.counting, rule.fail_on)))

    def _fit(self, policy: Policy) -> Policy:
        sides = self.sides
        fitted = policy.fit(self.stories, sides.saved.evals)
        return replace(fitted, today=sides.accepted.today)

    def facts(self, gate: Gate | None = None) -> VerdictFacts:
        """The facts of the headline, with a gate's answer; by default of the usual rule."""
        judged = self.judged if gate is None else gate
        return replace(
            self._tell(frozenset(judged.accepted)), objection=next(iter(judged.reasons), "")
        )

    def _tell(self, accepted: frozenset[str]) -> VerdictFacts:
        fallen = self.suite.without(accepted).test(self.alpha) if accepted else self.test
        return VerdictFacts(
            self.counting,
            self.summary.row(0, named=True),
            self.sides,
            fallen=fallen if fallen.fell else None,
            notes=self.notes,
            accepted=accepted,
        )

    # Its forms

    def find_step(self, gate: Gate | None = None) -> NextStep | None:
        judged = self.judged if gate is None else gate
        return find_next_step(self.facts(judged), judged, self._looks(judged))

    def _looks(self, gate: Gate) -> tuple[int, datetime | None]:
        """How many evals one rerun may clear, and when the next look may decide the rerun ones."""
        stories = [each for each in self.stories if each.id not in gate.accepted]
        waiting, until = find_next_look(stories, SETTLE_ROUNDS)
        return len(list_reruns(stories)) - waiting, until

    def explain(self, gate: Gate | None = None) -> str:
        return explain(self.facts(gate), self.test, self.margin)

    def document(self, door: Door, gate: Gate | None = None) -> Document:
        judged = self.judged if gate is None else gate
        facts, looks, step = self.facts(judged), self._looks(judged), self.find_step(judged)
        return make_document(facts, judged, self.explain(judged), looks, step, door)

    def cases(self, gate: Gate, *, values: bool, passes_undecided: bool = False) -> list[Case]:
        facts = self.facts(gate)
        return list_cases(facts, gate, values=values, passes_undecided=passes_undecided)

    def values(self, door: Door, gate: Gate | None = None, *, brief: bool) -> dict[str, Any]:
        """The values of ``Comparison.to_dict``, with a gate's answer."""
        judged = self.judged if gate is None else gate
        facts, values = self.facts(judged), door.values
        told = list_conclusion(facts, judged, values=values) | {
            "next_step": door.write_step(self.find_step(judged)),
            "values": plain(door.hint()) or "shown",
        }
        if brief:
            return shorten({**told, "evals": list_brief(facts, values=values)})
        return {
            **told,
            "verdict": self.test.conclude(self.margin),
            "explanation": self.explain(judged),
            "alpha": self.alpha,
            "margin": self.margin,
            "summary": list_rows(self.summary)[0],
            "evals": list_rows(self.evals, values=values),
        }

    # The same with other surroundings, without judging anew

    def with_sides(self, **changes: Any) -> Compared:
        return replace(self, sides=replace(self.sides, **changes))

    def with_edits(self, edits: Edits | None) -> Compared:
        """The same with the edits and the labels of blocks."""
        named = self.with_sides(around=replace(self.sides.around, edits=edits))
        if edits is None:
            return named
        called = {each: (label, edits.names.get(each)) for each, label in edits.labels.items()}
        stories = []
        for each in self.weighed.stories:
            label, name = called.get(each.block_id or "", (None, None))
            stories.append(structs.replace(each, block_label=label, block_name=name))
        return replace(named, weighed=replace(self.weighed, stories=tuple(stories)))

    def with_file(self, path: str | os.PathLike[str]) -> Compared:
        """The same with the accepted failures of a file, none if it is not there."""
        known = read_policy(path) if check_path("path", path).exists() else Policy()
        return self.with_sides(accepted=self._fit(known))

    def write_down(
        self,
        path: str | os.PathLike[str],
        evals: Iterable[str] | pl.DataFrame | None,
        *,
        reason: str,
        until: date | str | None,
        who: str | None,
    ) -> str:
        """Write accepted failures into a file, as :meth:`Comparison.accept`; says which."""
        if evals is None:
            gate = self.with_file(path).judge(GateRule())
            errors = {each.id for each in self.stories if each.transition == "newly_errored"}
            evals = [each for each in (*gate.failing, *gate.undecided) if each not in errors]
        chosen = choose_accepted(self.stories, evals)
        ids = self.sides.candidate["workflow_id"].drop_nulls()
        flow, today = ids[0] if len(ids) else None, self.sides.accepted.today
        return write_accepted(
            chosen, path, reason=reason, until=until, who=who, workflow=flow, today=today
        )
