"""The object that a comparison gives."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import polars as pl
from msgspec import structs

from retab_analysis.arguments import check_flag, check_path, resolve
from retab_analysis.comparison.accepted import accept as accept_failures
from retab_analysis.comparison.config_changes import Edits
from retab_analysis.comparison.detail import WHOLE
from retab_analysis.comparison.explanation import explain
from retab_analysis.comparison.gate import (
    FAIL_ON,
    Gate,
    GateRule,
    apply_rule,
    choose_accepted,
    name_by_id,
)
from retab_analysis.comparison.headline import VerdictFacts, write_heading
from retab_analysis.comparison.json_diff import differing_paths
from retab_analysis.comparison.json_values import split_path
from retab_analysis.comparison.names import find_year
from retab_analysis.comparison.plain_values import list_brief, list_conclusion, list_rows, shorten
from retab_analysis.comparison.reruns import (
    SETTLE_ROUNDS,
    find_next_look,
    list_reruns,
    show_reruns,
)
from retab_analysis.comparison.sides import PLAN, Sides
from retab_analysis.comparison.stories import show_evals
from retab_analysis.comparison.suite_test import Suite, SuiteTest
from retab_analysis.comparison.verdict_document import Door, make_document
from retab_analysis.config import shows_values
from retab_analysis.errors import RegressionError
from retab_analysis.evidence.story import Story
from retab_analysis.markup import count_noun
from retab_analysis.render.document import Document
from retab_analysis.render.html import to_html
from retab_analysis.render.markdown import to_markdown
from retab_analysis.render.text import WIDEST, to_text
from retab_analysis.schema import CONFIG_CHANGES
from retab_analysis.schema.polars_threads import check_polars_threads
from retab_analysis.vocabulary import BROKEN

_DIFF, _VALUES = (
    pl.Schema(dict.fromkeys(names, pl.String()))
    for names in (
        ("path", "expected", "baseline", "candidate"),
        ("eval_name", "asserted", "expected", "was", "got", "eval_id"),
    )
)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Which evals broke between two sides, how sure that is, and since when.

    Attributes:
        alpha: The level of the suite's test.
        margin: How far the interval may reach for ``no_change``.
    """

    alpha: float
    margin: float
    _sides: Sides
    _weighed: Suite
    _notes: tuple[str, ...]

    @property
    def _suite(self) -> Suite:
        check_polars_threads()  # says so where nothing can be computed
        return self._weighed

    @functools.cached_property
    def evals(self) -> pl.DataFrame:
        """One row per eval, what needs attention first.

        ``transition`` is what became of it, ``p_regressed`` the probability that it got worse to
        stay, ``cause``, ``since_at`` and ``reason`` why and since when.
        ``ra.schema.COMPARISON.describe()`` explains all columns.
        """
        return show_evals(self._suite.stories, find_year(self._sides.candidate))

    @functools.cached_property
    def _test(self) -> SuiteTest:
        return self._suite.test(self.alpha)

    @functools.cached_property
    def summary(self) -> pl.DataFrame:
        """The suite as a whole, in one row.

        How many evals there are of each transition; ``baseline_pass_rate, candidate_pass_rate`` and
        their difference ``delta`` (from -1 to 1), over the ``n_evals`` that were decided on both
        sides, of ``n_documents``; ``delta_low, delta_high, p_value``, its interval and test;
        ``detectable``, the fall that would be found with 80 % power.
        """
        return self._test.summarize()

    @functools.cached_property
    def verdict(self) -> str:
        """``regressed``, ``improved``, ``no_change`` or ``inconclusive``: the suite in a word.

        ``regressed`` where an eval is called broken or the pass rate fell by its test. That is
        statistics; the rule that passes or fails a build is :meth:`gate`.
        """
        return self._test.conclude(self.margin)

    @property
    def reruns(self) -> pl.DataFrame:
        """The evals that a rerun may decide, and how many rows decide each of them.

        Returns:
            ``eval_name, p_regressed, reruns_to_clear, reruns_to_confirm, eval_id``: those that
            ended in an isolated error; the suspects, and those called broken with a probability
            below 0.95, where four reruns may change what is said of them.
        """
        return show_reruns(list_reruns(self._suite.stories))

    def _facts(self, set_aside: Mapping[str, str] | None = None) -> VerdictFacts:
        aside = set_aside or {}
        summary = self.summary.row(0, named=True)
        return VerdictFacts(
            self._suite.stories,
            summary,
            self._sides,
            fallen=self._fallen(aside),
            notes=self._notes,
            set_aside=aside,
        )

    def _fallen(self, set_aside: Collection[str]) -> SuiteTest | None:
        """The test of the suite without some evals, where it says that the pass rate fell."""
        test = self._suite.without(set_aside).test(self.alpha) if set_aside else self._test
        return test if test.fell else None

    @property
    def headline(self) -> str:
        """What a person must know, in one line behind its mark."""
        return str(write_heading(self._facts()))

    @property
    def plan(self) -> pl.DataFrame:
        """Which runs were read and why, as ``run_id, created_at, scope, why``."""
        plan = self._sides.read.plan
        return PLAN.to_frame() if plan is None else plan

    def gate(
        self,
        fail_on: str | Iterable[str] = FAIL_ON,
        max_failures: int = 0,
        allow: str | os.PathLike[str] | Iterable[str] = (),
        min_pass_rate: float | None = None,
        verdict: bool = True,
    ) -> Gate:
        """Apply a rule.

        Args:
            fail_on: The transitions that count against the candidate.
            max_failures: How many evals may have them.
            allow: Ids or names of evals that do not count, or a file of accepted failures (a
                ``Path``, or a text that ends in ``.toml``) as :meth:`accept` writes it. An entry
                of a file is a reason itself once its eval passed in two rows and does not come and
                go, is not saved any more, or has run out; an id or a name that passes or was not
                compared is noted. By hand the file may also name evals that never fail a build:
                ``[tiers.informational]`` with ``evals = […]`` and ``blocks = […]`` (ids or names;
                of a block its label, which ``check`` asks for where it is needed).
            min_pass_rate: The least pass rate of the candidate, from 0 to 1.
            verdict: Whether it counts that the suite fell by its test, which is computed without
                the accepted and the informational evals.

        Returns:
            ``.exit_code`` (0 holds, 1 fails, 2 undecided); ``.ok``, whether that is 0; ``.reasons``
            (why it fails); ``.doubt`` (why it is undecided although nothing fails
            it); ``.failing``, ``.undecided``, ``.accepted`` and ``.informational``, ids of evals;
            ``.notes`` (said, not counted); ``.rule`` (in words). An outage, and a run whose results
            do not add up to what it says, are reasons, too.

        Raises:
            ConfigError: An argument that cannot be used, or a file that cannot be read.
            RetabAnalysisError: The file names a block that is not the id of one here, and the API
                cannot be asked for the labels of blocks.
        """
        rule = GateRule.check(fail_on, max_failures, allow, min_pass_rate, verdict)
        stories = self._suite.stories
        rule = rule.with_block_ids(stories, self._sides.around.read_labels)
        aside = rule.set_aside(stories)
        fallen = self._fallen(aside) if rule.verdict else None
        facts = self._facts()
        counted = facts
        if rule.min_pass_rate is not None:
            suite = self._suite.without(rule.informational_ids(stories))
            summary = suite.test(self.alpha).summarize().row(0, named=True)
            counted = replace(facts, stories=suite.stories, summary=summary)
        return apply_rule(rule, facts, fallen, counted.pass_rate)

    def raise_if_regressed(
        self,
        fail_on: str | Iterable[str] = FAIL_ON,
        max_failures: int = 0,
        allow: str | os.PathLike[str] | Iterable[str] = (),
        min_pass_rate: float | None = None,
        verdict: bool = True,
        *,
        undecided: bool = False,
    ) -> None:
        """Raise if the gate fails; takes what :meth:`gate` takes.

        Args:
            fail_on: As for :meth:`gate`.
            max_failures: As for :meth:`gate`.
            allow: As for :meth:`gate`.
            min_pass_rate: As for :meth:`gate`.
            verdict: As for :meth:`gate`.
            undecided: Whether to raise also where it is undecided.

        Raises:
            RegressionError: It does not; with ``.comparison`` and ``.reasons``.
            ConfigError: An argument that cannot be used.
        """
        check_flag("undecided", undecided)
        gate = self.gate(fail_on, max_failures, allow, min_pass_rate, verdict)
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
    ) -> str:
        """Write down failures that are known and accepted, for :meth:`gate`'s ``allow``.

        Entries are sorted, and comments stay beside theirs. The file is replaced whole or not at
        all.

        Args:
            path: The file, TOML.
            evals: Ids or names, or a frame with a column ``eval_id``: of one that has an entry
                already, reason, last day and who are renewed where they are given. None for what
                fails the gate now with this file, so that entries which still hold stay untouched.
            reason: Why they are accepted.
            until: The last day on which they are, a date or ``"2026-12-31"``, today or later; None
                for ever, and for as long as an entry that still holds has said.
            who: Who accepts them.

        Returns:
            What was changed, in words.

        Raises:
            ConfigError: An argument that cannot be used; an eval that was not compared, or neither
                fails nor fails the gate; or a file that is not one of accepted failures.
            OSError: It cannot be written.
        """
        if evals is None:
            allow = path if check_path("path", path).exists() else ()
            evals = self.gate(allow=allow, verdict=False).failing
        chosen = choose_accepted(self._suite.stories, evals)
        return accept_failures(chosen, path, reason=reason, until=until, who=who)

    def diff(self, eval_id: str) -> pl.DataFrame:
        """The JSON paths at which an eval's expected, baseline and candidate value differ.

        Args:
            eval_id: The eval, its id or its name.

        Returns:
            ``path, expected, baseline, candidate`` (String). The first row is what the condition
            looks at, as a whole; the others are the paths inside of it such as
            ``$.lines[7→6].price`` (item 7 of the baseline, 6 of the candidate): what stands there
            as JSON, null where nothing does. Numbers of the same value, 385.00 and 385.0, do not
            differ. An item that was dropped, added or moved is one row. What is not known at all
            (an eval without an expected value, a side without the eval) takes no part, and inside
            of it nor does the operand of a condition, the length of a list for example. No rows
            where nothing differs.

        Raises:
            ConfigError: There is no such eval, or several have that name.
        """
        story = self._story_of(eval_id)
        texts = {
            "expected": story.expected_value,
            "baseline": None if story.was is None else story.was.actual_value,
            "candidate": story.got,
        }
        is_whole = story.condition_kind in WHOLE
        differing = differing_paths(texts, split_path(story.path), is_expected=is_whole)
        return pl.DataFrame(differing, schema=_DIFF)

    def _story_of(self, asked: str) -> Story:
        stories = self._suite.stories
        eval_id = resolve("eval", str(asked), name_by_id(stories))
        return next(each for each in stories if each.id == eval_id)

    def values(self, eval: str | None = None) -> pl.DataFrame:
        """What was expected of the evals that do not pass, and what came in its place.

        Args:
            eval: Only of this eval, its id or its name, whether it passes or not.

        Returns:
            One row per eval, in the order of ``evals`` (String each): ``eval_name``; ``asserted``,
            the path in the block's output and the condition; ``expected``; ``was``, what came at
            the result that it is held against; ``got``, what came now, or why nothing did; and
            ``eval_id``. The three values are JSON texts, exactly as they were sent.

        Raises:
            ConfigError: There is no such eval, or several have that name.
        """
        rows = [
            (
                story.name,
                " ".join(each for each in (story.path, story.condition) if each is not None),
                story.expected_value,
                None if story.was is None else story.was.actual_value,
                story.failure if story.got is None else story.got,
                story.id,
            )
            for story in (self._suite.stories if eval is None else [self._story_of(eval)])
            if eval is not None or story.fails or story.transition in BROKEN
        ]
        return pl.DataFrame(rows, schema=_VALUES, orient="row")

    @property
    def broken(self) -> pl.DataFrame:
        """The rows of ``evals`` that got worse to stay."""
        return self.evals.filter(pl.col("transition").is_in(BROKEN))

    @property
    def unclear(self) -> pl.DataFrame:
        """The rows of ``evals`` that one run cannot tell, until ``settle`` decides them.

        They may have got worse, or ended in an error that is not part of an outage.
        """
        unclear = [each.is_undecided for each in self._suite.stories]
        return self.evals.filter(pl.Series(unclear, dtype=pl.Boolean))

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
        """The rows of ``evals`` that have not run as they and their blocks are now."""
        return self.evals.filter(transition="stale")

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What to type next in a notebook, a line each, among it what the verdict prints."""
        steps = []
        reruns, until = self._looks(self._suite)
        if reruns:
            runs = count_noun(reruns, "run")
            steps.append(f"verdict = ra.settle(verdict)  # {runs}: may clear what is not decided")
        elif until is not None:
            steps.append(f"verdict = ra.settle(verdict)  # after {until:%H:%M} UTC it may decide")
        if not self.values().is_empty():
            steps.append("verdict.values()  # what was expected, and what came")
        return (*steps, "verdict.explain()  # how this was compared, and how sure it is")

    @property
    def config_changes(self) -> pl.DataFrame:
        """What was edited, where ``check`` found that an edit broke something.

        Returns:
            ``block_id, block_type, label, change, field, before, after`` (String), as
            ``fetch_config_changes`` gives them: the edit between the last pass and the first
            failure, or no rows. The values are the prompts and schemas of the workflow.
        """
        edits = self._sides.around.edits
        return CONFIG_CHANGES.empty() if edits is None else edits.changes

    def explain(self) -> str:
        """In plain words, line by line: what was compared, what broke, what the numbers say."""
        return explain(self._facts(), self._test, self.margin)

    def to_dict(self, *, brief: bool = False, values: bool = False) -> dict[str, Any]:
        """Everything as plain Python values that JSON can hold.

        Args:
            brief: Without the rows that simply pass and without what can be looked up, for who
                reads it with a small window: under 3,000 tokens (10,000 characters); ``left_out``
                says how much each list lost for that.
            values: Also expected and actual values, and the words of prompts, which are the
                customers' data.

        Returns:
            What was checked and what came of it first: ``headline, run_ids, versions, gate, counts,
            edits``; then, but where it is to be brief, ``summary`` and ``explanation``; and
            ``evals``, a dict for each.

        Raises:
            ConfigError: A flag is not a bool.
        """
        check_flag("brief", brief)
        check_flag("values", values)
        return self._list_values(self.gate(), brief=brief, values=values)

    def to_markdown(self, *, values: bool = False) -> str:
        """Markdown that reads well on GitHub, and fits into a comment on a pull request.

        It has at most 60,000 characters: where all would be more, rows of long tables are left out,
        and it says how many.

        Args:
            values: Also expected and actual values, and the words of prompts, which are the
                customers' data.

        Raises:
            ConfigError: ``values`` is not a bool.
        """
        return to_markdown(self._document(Door(check_flag("values", values))))

    def to_html(self, *, values: bool = False) -> str:
        """A piece of HTML with its own style, for light and dark pages.

        Args:
            values: Also expected and actual values, and the words of prompts, which are the
                customers' data.

        Raises:
            ConfigError: ``values`` is not a bool.
        """
        return str(to_html(self._document(Door(check_flag("values", values)))))

    @staticmethod
    def _looks(suite: Suite) -> tuple[int, datetime | None]:
        """How many evals one rerun may clear, and when a look may decide those that had it."""
        waiting, until = find_next_look(suite.stories, SETTLE_ROUNDS)
        return len(list_reruns(suite.stories)) - waiting, until

    def _document(self, door: Door, gate: Gate | None = None) -> Document:
        judged = self.gate() if gate is None else gate
        looks = self._looks(self._suite.without(judged.set_aside))
        return make_document(self._facts(judged.set_aside), judged, self.explain(), looks, door)

    def _list_values(self, gate: Gate, *, brief: bool, values: bool) -> dict[str, Any]:
        facts = self._facts(gate.set_aside)
        told = list_conclusion(facts, gate, values=values)
        if brief:
            return shorten({**told, "evals": list_brief(facts, values=values)})
        return {
            **told,
            "verdict": self.verdict,
            "explanation": self.explain(),
            "alpha": self.alpha,
            "margin": self.margin,
            "summary": list_rows(self.summary)[0],
            "evals": list_rows(self.evals, values=values),
        }

    def _repr_html_(self) -> str:
        return self.to_html(values=shows_values())

    def __repr__(self) -> str:
        width = shutil.get_terminal_size((WIDEST, 24)).columns
        return to_text(self._document(Door(shows_values())), width)


def sides_of(comparison: Comparison) -> Sides:
    """The results that were compared, and what is known beside them."""
    return comparison._sides


def facts_of(comparison: Comparison) -> VerdictFacts:
    return comparison._facts()


def with_sides(comparison: Comparison, **changes: Any) -> Comparison:
    """A comparison that knows more beside its results, or something else; nothing is weighed."""
    return replace(comparison, _sides=replace(comparison._sides, **changes))


def with_edits(comparison: Comparison, edits: Edits | None) -> Comparison:
    """A comparison that knows what was edited, and what the blocks are called."""
    around, named = replace(sides_of(comparison).around, edits=edits), comparison
    if edits is not None:
        called = {each: (label, edits.names.get(each)) for each, label in edits.labels.items()}
        stories = []
        for each in comparison._weighed.stories:
            label, name = called.get(each.block_id or "", (None, None))
            stories.append(structs.replace(each, block_label=label, block_name=name))
        named = replace(comparison, _weighed=replace(comparison._weighed, stories=tuple(stories)))
    return with_sides(named, around=around)


def suite_of(comparison: Comparison) -> Suite:
    """The stories of the evals, and what the suite's test looks at."""
    return comparison._suite
