"""The object that a comparison returns."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from msgspec import structs

from retab_analysis.arguments import When, check_flag, check_path, naming, resolve
from retab_analysis.comparison.accepted import (
    GivenAccepted,
    Policy,
    choose_accepted,
    name_by_id,
    read_accepted,
    read_policy,
    write_accepted,
)
from retab_analysis.comparison.conclusion import find_next_step, judge, write_heading
from retab_analysis.comparison.config_changes import Edits, find_spans
from retab_analysis.comparison.detail import WHOLE, explain_eval
from retab_analysis.comparison.explanation import explain
from retab_analysis.comparison.gate import FAIL_ON, USUAL, Gate, GateRule
from retab_analysis.comparison.json_diff import differing_paths, split_path
from retab_analysis.comparison.plain_values import (
    list_brief,
    list_conclusion,
    list_rows,
    tell_tries,
)
from retab_analysis.comparison.reruns import list_reruns
from retab_analysis.comparison.shown import Shown
from retab_analysis.comparison.shown_evals import show_evals
from retab_analysis.comparison.sides import PLAN, Sides, find_year
from retab_analysis.comparison.since import find_since, list_known
from retab_analysis.comparison.suite_test import Suite, SuiteTest
from retab_analysis.comparison.verdict_document import list_cases, make_document
from retab_analysis.comparison.verdict_facts import VerdictFacts
from retab_analysis.comparison.verdict_runs import Runs
from retab_analysis.config import shows_values
from retab_analysis.errors import ConfigError, RegressionError
from retab_analysis.evidence.story import Story
from retab_analysis.evidence.tries import Try, list_tries
from retab_analysis.files import save
from retab_analysis.progress import say
from retab_analysis.render.brief import shorten
from retab_analysis.render.document import Case, Document, plain
from retab_analysis.render.door import Door, NextStep
from retab_analysis.render.html import PASSING, to_page
from retab_analysis.render.markdown import to_markdown
from retab_analysis.schema import CONFIG_CHANGES
from retab_analysis.schema.conversion import check_polars_threads
from retab_analysis.vocabulary import BROKEN

_DIFF, _VALUES = (
    pl.Schema(dict.fromkeys(names, pl.String()))
    for names in (
        ("path", "expected", "baseline", "candidate"),
        ("eval_name", "asserted", "expected", "was", "got", "eval_id"),
    )
)


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
        return tuple(each for each in self.stories if not each.is_apart)

    def story_of(self, asked: str) -> Story:
        """The story of an eval, by its id or its name."""
        with naming("eval"):
            eval_id = resolve("eval", str(asked), name_by_id(self.stories), parts=True)
        return next(each for each in self.stories if each.id == eval_id)

    @functools.cached_property
    def evals(self) -> pl.DataFrame:
        accepted = self.sides.accepted.set_aside(self.counting, FAIL_ON)
        return show_evals(self.stories, find_year(self.sides.candidate), accepted)

    @property
    def spans(self) -> pl.DataFrame:
        """The moments between which edits broke evals, see :func:`find_spans`."""
        return find_spans(self.stories)

    @functools.cached_property
    def test(self) -> SuiteTest:
        return self.suite.test(self.alpha)

    @functools.cached_property
    def summary(self) -> pl.DataFrame:
        return self.test.summarize()

    @functools.cached_property
    def judged(self) -> Gate:
        """The answer of the usual rule."""
        return self.judge(USUAL)

    def judge(self, rule: GateRule, accepted: GivenAccepted = None, since: object = None) -> Gate:
        """Apply a rule; by default with the accepted failures of the comparison."""
        if accepted is not None:
            rule = replace(rule, policy=self._fit(read_accepted(accepted)))
        if since is not None:
            named = partial(list_known, self.sides)
            rule = replace(rule, since=find_since(since, named, self.sides.accepted.today))
        return judge(self._tell(rule))

    def _fit(self, policy: Policy) -> Policy:
        sides = self.sides
        fitted = policy.fit(self.stories, sides.saved.evals)
        return replace(fitted, today=sides.accepted.today)

    def facts(self, gate: Gate | None = None) -> VerdictFacts:
        """The facts under the rule of a gate's answer; by default the usual one."""
        return self._tell((self.judged if gate is None else gate).asked)

    def _tell(self, rule: GateRule) -> VerdictFacts:
        policy = rule.policy or self.sides.accepted
        accepted = policy.set_aside(self.counting, rule.fail_on)
        facts = VerdictFacts(
            self.counting,
            self.summary.row(0, named=True),
            self.sides,
            fallen=None,
            notes=self.notes,
            accepted=accepted,
            rule=rule,
            tries=self.tries,
        )
        aside = accepted.union(each.id for each in facts.old)
        fallen = self.suite.without(aside).test(self.alpha) if aside else self.test
        return replace(facts, fallen=fallen) if fallen.fell else facts

    @functools.cached_property
    def tries(self) -> Mapping[str, list[Try]]:
        """The tries of each block with breaks by an edit, fixed evals, or none that ran since."""
        told = self.sides.told
        if told is None or self.sides.read.versions:
            return {}
        blocks = {
            each.block_id: None
            for each in self.counting
            if each.transition == "fixed"
            or (each.transition in BROKEN and each.cause == "edit")
            or each.standing == "block"
        }
        return {
            block: list_tries(
                told, block, stories=[e for e in self.counting if e.block_id == block]
            )
            for block in blocks
            if block is not None
        }

    def find_step(self, gate: Gate) -> NextStep | None:
        return find_next_step(self.facts(gate), gate)

    def explain(self, gate: Gate | None = None) -> str:
        return explain(self.facts(gate), self.test, self.margin)

    def explain_eval(self, asked: str, *, values: bool) -> str:
        year = find_year(self.sides.candidate)
        return "\n".join(explain_eval(self.story_of(asked), year, values=values))

    def document(self, door: Door, gate: Gate | None = None) -> Document:
        """The verdict; for a page with its runs, and with rows that open."""
        document, runs = self.undrawn(door, gate)
        return runs.draw(document) if door.passing else document

    def undrawn(self, door: Door, gate: Gate | None = None) -> tuple[Document, Runs]:
        """The verdict without its runs, and what draws them."""
        judged = self.judged if gate is None else gate
        facts, step = self.facts(judged), self.find_step(judged)
        if door.is_live:
            facts = facts.say_on(facts.newest_day)
        stories = {each.id: each for each in self.stories if each.standing != "removed"}
        told = facts, judged, self.explain(judged), step, door, stories
        return make_document(*told), Runs(facts, stories, door.values)

    def cases(self, gate: Gate, *, values: bool, passes_undecided: bool = False) -> list[Case]:
        facts = self.facts(gate)
        aside = [each for each in self.stories if each.is_apart]
        return list_cases(facts, gate, aside, values=values, passes_undecided=passes_undecided)

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

    def with_sides(self, **changes: Any) -> Compared:
        return replace(self, sides=replace(self.sides, **changes))

    def with_edits(self, edits: Edits | None) -> Compared:
        """The same with the edits and the labels of blocks."""
        named = self.with_sides(edits=edits)
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
            gate = self.with_file(path).judge(USUAL)
            errors = {each.id for each in self.stories if each.transition == "newly_errored"}
            evals = [each for each in (*gate.failing, *gate.undecided) if each not in errors]
        chosen = choose_accepted(self.stories, evals)
        ids = self.sides.candidate["workflow_id"].drop_nulls()
        flow, today = ids[0] if len(ids) else None, self.sides.accepted.today
        return write_accepted(
            chosen, path, reason=reason, until=until, who=who, workflow=flow, today=today
        )


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Shown, called="verdict"):
    """The evals that broke between two sides: how sure that is, and since when.

    Example:
        >>> verdict = ra.check("wf_invoices")
        >>> verdict.gate().exit_code
        1
    """

    _compared: Compared

    @property
    def alpha(self) -> float:
        """The level of the suite's test."""
        return self._compared.alpha

    @property
    def margin(self) -> float:
        """The largest fall of the pass rate that still counts as ``no_change``."""
        return self._compared.margin

    @property
    def evals(self) -> pl.DataFrame:
        """One row per eval, the most urgent first.

        ``transition`` is its change in a word, ``p_regressed`` the probability that it got worse to
        stay. ``cause``, ``since_at`` and ``reason`` tell why and since when.
        ``ra.schema.COMPARISON.describe()`` explains all columns.
        """
        return self._compared.evals

    @property
    def summary(self) -> pl.DataFrame:
        """The suite as a whole, in one row.

        It has the number of evals of each transition. ``baseline_pass_rate, candidate_pass_rate``
        and their difference ``delta`` (from -1 to 1) are over the ``n_evals`` that were decided on
        both sides, of ``n_documents``. ``delta_low, delta_high, p_value`` are its interval and
        test; ``detectable`` is the fall that the test finds with 80 % power.
        """
        return self._compared.summary

    @property
    def verdict(self) -> str:
        """``regressed``, ``improved``, ``no_change`` or ``inconclusive``: the suite in a word.

        ``regressed`` if an eval broke or the test finds that the pass rate fell. This is
        statistics; the rule that passes or fails a build is :meth:`gate`.
        """
        return self._compared.test.conclude(self.margin)

    @property
    def reruns(self) -> pl.DataFrame:
        """The evals that a rerun may decide, and how many rows decide each of them.

        Returns:
            ``eval_name, p_regressed, reruns_to_clear, reruns_to_confirm, eval_id``. Each row is an
            eval that ended in an isolated error. Or it is a suspect, or broken with a probability
            below 0.95, and four reruns may change its transition. Evals that a run tests now are
            left out.
        """
        names = ("eval_name", "p_regressed", "reruns_to_clear", "reruns_to_confirm", "eval_id")
        evals = self._compared.sides.saved.leave_out_tested(self._compared.stories)
        ids = [each.id for each in list_reruns(evals)]
        return self.evals.filter(pl.col("eval_id").is_in(ids)).select(names)

    @property
    def headline(self) -> str:
        """The verdict in one line, behind its mark."""
        return str(write_heading(self._compared.facts()))

    @property
    def plan(self) -> pl.DataFrame:
        """The runs that were read, and why: ``run_id, created_at, scope, why``."""
        plan = self._compared.sides.read.plan
        return PLAN.to_frame() if plan is None else plan

    def gate(
        self,
        fail_on: str | Iterable[str] = FAIL_ON,
        max_failures: int = 0,
        accepted: GivenAccepted = None,
        min_pass_rate: float | None = None,
        since: When = None,
    ) -> Gate:
        """Decide whether a build may pass.

        Args:
            fail_on: The transitions that fail it, in place of the default: all that broke, or have
                no result. ``"fails_repeatedly"`` are unclear evals that passed before, and failed
                in their newest three rows without an edit.
            max_failures: How many evals may have them.
            accepted: Known failures, which do not count: ids or names of evals, or a file that
                :meth:`accept` wrote (a ``Path``, or a text that ends in ``.toml``). By default the
                failures that the comparison knows. An outdated entry fails the gate: the entry has
                run out, its eval is not saved any more, or its eval passed in two rows and is not
                flaky.
            min_pass_rate: The least pass rate of the checked run, from 0 to 1.
            since: A moment: what broke before it does not fail the gate, and the headline says how
                many evals that are. A date is the beginning of its day, in UTC. Or an age
                (``"7d"``), or the name of a version, an edit or a run that the comparison knows.
                What is undecided or has not run counts, whatever its age.

        Returns:
            ``.exit_code``: 0 holds, 1 fails, 2 undecided; ``.ok``: whether that is 0; ``.reasons``:
            why it fails; ``.doubt``: why it is undecided although nothing fails it; ``.failing``,
            ``.undecided`` and ``.accepted``, ids of evals; ``.notes``: facts that do not count;
            ``.rule``: in words. An outage is a reason, too, and so is a run whose results do not
            match its counts.

        Raises:
            ConfigError: An argument cannot be used, or a file cannot be read.
        """
        rule = GateRule.check(fail_on, max_failures, min_pass_rate)
        return self._compared.judge(rule, accepted, since)

    def raise_if_regressed(
        self,
        fail_on: str | Iterable[str] = FAIL_ON,
        max_failures: int = 0,
        accepted: GivenAccepted = None,
        min_pass_rate: float | None = None,
        since: When = None,
        *,
        undecided: bool = False,
    ) -> None:
        """Raise if the gate fails; the arguments are those for :meth:`gate`.

        Args:
            fail_on: As for :meth:`gate`.
            max_failures: As for :meth:`gate`.
            accepted: As for :meth:`gate`.
            min_pass_rate: As for :meth:`gate`.
            since: As for :meth:`gate`.
            undecided: Whether to raise also if the gate is undecided.

        Raises:
            RegressionError: The gate fails, or is undecided; with ``.comparison`` and ``.reasons``.
            ConfigError, RetabAnalysisError: As for :meth:`gate`.
        """
        check_flag("undecided", undecided)
        gate = self.gate(fail_on, max_failures, accepted, min_pass_rate, since)
        if gate.reasons or (undecided and gate.doubt):
            reasons = gate.reasons or (f"Undecided: {gate.doubt}.",)
            raise RegressionError(" ".join(reasons), comparison=self, reasons=reasons)

    def accept(
        self,
        path: str | os.PathLike[str],
        evals: Iterable[str] | pl.DataFrame | None = None,
        *,
        reason: str,
        until: date | str | None = None,
        who: str | None = None,
    ) -> Comparison:
        """Write known failures into a file; prints which, and how to use the file.

        Other entries of the file stay, with their comments. A new entry replaces one that ran out.
        ``accept`` replaces the file whole or not at all.

        Args:
            path: The file, TOML.
            evals: Ids or names, or a frame with a column ``eval_id``. By default all evals, except
                errors, that with this file still fail the gate or leave it undecided.
            reason: Why they are accepted.
            until: The last day on which they are accepted, a date or ``"2026-12-31"``, today or
                later; None for ever.
            who: Who accepts them.

        Returns:
            The comparison with the file's entries as its accepted failures. Pass the file to other
            calls as ``accepted=``, or to all of them with ``ra.use(accepted=…)``.

        Raises:
            ConfigError: An argument cannot be used, an eval was not compared or has nothing to
                accept, or the file is not one of accepted failures.
            OSError: The file cannot be written.
        """
        its = self._compared
        told = its.write_down(path, evals, reason=reason, until=until, who=who)
        told += f" From now on: ra.use(accepted={json.dumps(str(path))})" * Path(path).exists()
        say(told)
        return Comparison(its.with_file(path))

    def diff(self, eval_id: str) -> pl.DataFrame:
        """The JSON paths at which an eval's expected, baseline and candidate value differ.

        Args:
            eval_id: The eval, its id or its name.

        Returns:
            ``path, expected, baseline, candidate`` (String). The first row is the whole value of
            the condition's path. The others are paths inside it such as ``$.lines[7→6].price``:
            item 7 of the baseline, 6 of the candidate. A side has a JSON text, or null if it has
            nothing there. Numbers of the same value, 385.00 and 385.0, do not differ. An item that
            was dropped, added or moved is one row. ``diff`` ignores a value that is not known: an
            eval without an expected value, a side without the eval. Inside the value, it also
            ignores the operand of a condition, for example the length of a list. No rows if nothing
            differs.

        Raises:
            ConfigError: There is no such eval, or several have that name.
        """
        story = self._compared.story_of(eval_id)
        texts = {
            "expected": story.expected_value,
            "baseline": None if story.was is None else story.was.actual_value,
            "candidate": story.got,
        }
        is_whole = story.condition_kind in WHOLE
        differing = differing_paths(texts, split_path(story.path), is_expected=is_whole)
        return pl.DataFrame(differing, schema=_DIFF)

    def values(self, eval: str | None = None) -> pl.DataFrame:
        """The expected and actual values of the evals that do not pass.

        Args:
            eval: Only this eval, by its id or its name, whether it passes or not.

        Returns:
            One row per eval, in the order of ``evals`` (String each): ``eval_name, asserted,
            expected, was, got, eval_id``. ``asserted`` is the path in the block's output and the
            condition; ``was``, the value of the earlier result; ``got``, the present value, or why
            there is none. The three values are JSON texts, exactly as they were sent.

        Raises:
            ConfigError: There is no such eval, or several have that name.
        """
        its = self._compared
        rows = [
            (
                story.name,
                " ".join(each for each in (story.path, story.condition) if each is not None),
                story.expected_value,
                None if story.was is None else story.was.actual_value,
                story.failure if story.got is None else story.got,
                story.id,
            )
            for story in (its.stories if eval is None else [its.story_of(eval)])
            if eval is not None or story.fails or story.transition in BROKEN
        ]
        return pl.DataFrame(rows, schema=_VALUES, orient="row")

    @property
    def broken(self) -> pl.DataFrame:
        """The rows of ``evals`` that got worse to stay, without the accepted ones."""
        return self.evals.filter(pl.col("transition").is_in(BROKEN), ~pl.col("is_accepted"))

    @property
    def unclear(self) -> pl.DataFrame:
        """The rows of ``evals`` that may have got worse, until ``settle`` decides them.

        Without the accepted ones, as in the verdict's counts.
        """
        return self.evals.filter(~pl.col("is_accepted"), transition="suspect")

    @property
    def accepted(self) -> pl.DataFrame:
        """The rows of ``evals`` that do not simply pass, and that somebody accepted by name."""
        return self.evals.filter("is_accepted")

    @property
    def flaky(self) -> pl.DataFrame:
        """The rows of ``evals`` that do not always pass, without a lasting change."""
        return self.evals.filter(transition="flaky")

    @property
    def fixed(self) -> pl.DataFrame:
        """The rows of ``evals`` that did not pass, and pass now."""
        return self.evals.filter(transition="fixed")

    @property
    def new(self) -> pl.DataFrame:
        """The rows of ``evals`` that have no earlier result."""
        return self.evals.filter(transition="added")

    @property
    def stale(self) -> pl.DataFrame:
        """The rows of ``evals`` that have not run since they or their blocks were edited."""
        return self.evals.filter(transition="stale")

    @property
    def near(self) -> pl.DataFrame:
        """The rows of ``evals`` that pass, while their score sank to near its limit.

        These are evals with a ``similarity_gte`` or ``split_iou_gte`` condition. The median score
        of the last five rows (runs of the workflow or of the block) lies below the median before:
        by more than twice the median absolute deviation, and by at least 0.01. Its distance to the
        limit is at most a third of the distance before. The gate does not count them.

        Example:
            >>> ra.check("wf_invoices").near.height
            0
        """
        ids = [each.id for each in self._compared.stories if each.is_near]
        return self.evals.filter(pl.col("eval_id").is_in(ids))

    @property
    def removed(self) -> pl.DataFrame:
        """The rows of ``evals`` that were deleted; of two frames, those the candidate lacks."""
        return self.evals.filter(transition="removed")

    @property
    def next_step(self) -> NextStep | None:
        """The next step: a ``.sentence`` and the ``.code`` to type; None if there is none."""
        return self._compared.find_step(self._compared.judged)

    @property
    def last_try(self) -> dict[str, Any] | list[dict[str, Any]] | None:
        """The newest edit that ran since a block broke, and what it mended; None without one.

        It has ``block, name, edited_at``, and numbers of evals: ``mended``, ``of`` so many that did
        not pass before and ran, ``broke``, and ``n`` that ran. A list if several blocks broke.
        """
        return tell_tries(self._compared.facts())

    @property
    def config_changes(self) -> pl.DataFrame:
        """The edits that broke something, as far as ``check`` found them.

        Returns:
            ``block_id, block_type, label, change, field, before, after`` (String), as from
            ``fetch_config_changes``: the edit between the last pass and the first failure, or no
            rows. The values are the prompts and schemas of the workflow.
        """
        edits = self._compared.sides.edits
        return CONFIG_CHANGES.empty() if edits is None else edits.changes

    def explain(self, eval: str | None = None) -> str:
        """Explain in sentences: both sides, how sure the breaks are, the pass rates; or one eval.

        Args:
            eval: Only this eval, by its id or its name: what became of it and why, what it was and
                got, where these differ, and its last runs.

        Raises:
            ConfigError: There is no such eval.
        """
        its = self._compared
        return its.explain() if eval is None else its.explain_eval(eval, values=shows_values())

    def to_dict(self, *, brief: bool = False, values: bool = False) -> dict[str, Any]:
        """Everything as plain Python values that JSON can hold.

        Args:
            brief: For a reader with a small window, at most 10,000 characters (3,000 tokens):
                without the rows that simply pass and without details. ``left_out`` counts the
                omissions of each list.
            values: Also expected and actual values, and the words of prompts: the customers' data.

        Returns:
            ``headline, workflow_id, run_ids, baseline_run_ids, version, version_ids, gate,
            findings, counts, edits, next_step, values``. Unless ``brief``, also ``verdict,
            explanation, alpha, margin, summary``. And ``evals``, a dict for each.

        Raises:
            ConfigError: A flag is not a bool.
        """
        check_flag("brief", brief)
        check_flag("values", values)
        return self._compared.values(Door(values), brief=brief)

    def _document(self, door: Door) -> Document:
        return self._compared.document(door)

    def __bool__(self) -> bool:
        raise TypeError("a comparison is neither true nor false; write: if verdict.gate().ok:")


def inside(comparison: Comparison) -> Compared:
    """All that a comparison knows, for the other rooms."""
    return comparison._compared


def write_report(
    what: object,
    path: str | os.PathLike[str],
    *,
    values: bool = False,
    gate: Gate | None = None,
) -> None:
    """Write a verdict, tries or an overview as a file, for somebody else.

    A verdict's file has first the breaks with their causes, then the rest; it only counts the evals
    that still pass. An overview's file is the page of all workflows. ``write_report`` replaces an
    existing file whole or not at all. Markdown fits into a pull request or a message: it has at
    most 60,000 characters, and counts the rows that it leaves out.

    Args:
        what: A comparison from :func:`check` or :func:`compare`, :func:`tries`, or an
            :func:`overview`.
        path: The file: ``.md`` for Markdown that reads well on GitHub, ``.html`` for one file that
            loads nothing else, for light and dark screens.
        values: Also expected and actual values, and the words of prompts: the customers' data.
            Without them the report still has the names of evals, blocks and versions. A name that
            quotes a value shows it.
        gate: An answer of ``comparison.gate(…)``, if your rule is not the default one.

    Raises:
        ConfigError: Another suffix, no such folder, neither a comparison, tries nor an overview,
            ``values`` is not a bool, or ``gate`` is not a gate's answer.
        OSError: The file cannot be written.

    Example:
        >>> verdict = ra.check("wf_claims")
        >>> ra.write_report(verdict, "report.html")
        >>> ra.write_report(verdict, "report.md", values=True)  # with the customers' data
        >>> ra.write_report(ra.overview(every="1w"), "week.html")
    """
    if not isinstance(what, Shown):
        given = type(what).__name__
        raise ConfigError(
            f"expected a comparison from ra.check(…), tries or an overview, got {given}"
        )
    check_flag("values", values)
    if not isinstance(gate, Gate | None):
        raise ConfigError(f"gate: expected comparison.gate(), got {type(gate).__name__}")
    target = check_path("path", path)
    suffix = target.suffix.lower()
    if suffix not in (".md", ".html"):
        raise ConfigError(f"path must end in .md or .html, got {target.name!r}")
    door = Door(values, passing=PASSING * (suffix == ".html"))
    document = what._document(door)
    if isinstance(what, Comparison):
        document = inside(what).document(door, gate)
    save(target, str((to_page if suffix == ".html" else to_markdown)(document)).encode())
