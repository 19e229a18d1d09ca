"""The gate: the rule that passes or fails a build, and the failures that are accepted.

The verdict is statistics and may be inconclusive; the gate is a rule and always says yes or no,
and why. What is known and accepted is written down in a TOML file beside the code, so that it is
reviewed like code, runs out, and does not outlive its reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from retab_analysis.arguments import check_count, check_flag, check_share, find_named, resolve
from retab_analysis.comparison.accepted import Policy, read_policy
from retab_analysis.comparison.detail import WORDS, list_stories
from retab_analysis.comparison.headline import SET_ASIDE, VerdictFacts
from retab_analysis.comparison.names import say_day
from retab_analysis.comparison.sides import ReadLabels
from retab_analysis.comparison.suite_test import SuiteTest, say_p_value, say_points
from retab_analysis.errors import ConfigError
from retab_analysis.evidence.story import Story
from retab_analysis.markup import count_noun, one_line
from retab_analysis.vocabulary import BROKEN, TRANSITIONS, UNDECIDED

FAIL_ON = (*BROKEN, "incomplete")
"""The transitions that count against a candidate unless one says otherwise."""

_LISTED = 5
_NOT_OVER = (*BROKEN, *UNDECIDED, "flaky")
_FILES = (".toml", ".txt", ".json", ".yaml", ".yml", ".csv")


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether the candidate may pass, and why.

    Attributes:
        reasons: Why not, one sentence each; empty where it may.
        notes: What is worth knowing and does not count: evals that were removed, or that are new
            or edited and fail; accepted failures.
        failing: The ids of the evals because of which it may not, in the order of
            ``Comparison.evals``; none where so many are tolerated.
        undecided: The ids of the evals that one run cannot tell: suspects, and those that ended in
            an isolated error; :func:`settle` runs them again.
        doubt: Why it is undecided although nothing fails it, in words; empty where it is not.
        accepted: The ids of the evals that do not pass, and are accepted.
        informational: The ids of the evals that do not pass, and only inform.
        rule: By which rule, in words.
        suite_reasons: Those of the reasons that are of no single eval that fails.
    """

    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    doubt: str = ""
    accepted: tuple[str, ...] = ()
    informational: tuple[str, ...] = ()
    rule: str = ""
    suite_reasons: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 where it holds, 1 where it fails, 2 where it is undecided."""
        return 1 if self.reasons else 2 if self.doubt else 0

    @property
    def ok(self) -> bool:
        """Whether it holds: nothing fails it, and nothing is undecided."""
        return self.exit_code == 0

    @property
    def set_aside(self) -> dict[str, str]:
        """The evals that do not pass and do not count, with the word for why."""
        informational = dict.fromkeys(self.informational, "informational")
        return informational | dict.fromkeys(self.accepted, "accepted")

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True, slots=True)
class GateRule:
    """A rule whose arguments were checked; see :meth:`Comparison.gate`."""

    fail_on: tuple[str, ...]
    max_failures: int
    names: tuple[str, ...]
    policy: Policy
    min_pass_rate: float | None
    verdict: bool
    knows_labels: bool = False  # whether the labels of blocks were asked for

    @classmethod
    def check(
        cls,
        fail_on: str | Iterable[str],
        max_failures: int,
        allow: str | os.PathLike[str] | Iterable[str],
        min_pass_rate: float | None,
        verdict: bool,
    ) -> GateRule:
        check_count("max_failures", max_failures)
        if min_pass_rate is not None:
            check_share("min_pass_rate", min_pass_rate, ends=True)
        check_flag("verdict", verdict)
        is_file = isinstance(allow, os.PathLike) or (
            isinstance(allow, str) and allow.endswith(".toml")
        )
        if isinstance(allow, str) and not is_file and _looks_like_file(allow):
            raise ConfigError(
                f"allow={allow!r} is taken for the id of an eval, and looks like a file: accepted "
                "failures are read from a Path, or from a text that ends in .toml"
            )
        transitions = _check_texts("fail_on", fail_on)
        if unknown := [each for each in transitions if each not in TRANSITIONS]:
            known = ", ".join(TRANSITIONS)
            raise ConfigError(f"fail_on: {unknown[0]!r} is not one of {known}")
        return cls(
            fail_on=transitions,
            max_failures=max_failures,
            names=() if is_file else _check_texts("allow", allow),
            policy=read_policy(allow) if is_file else Policy(),  # type: ignore[arg-type]
            min_pass_rate=min_pass_rate,
            verdict=verdict,
        )

    def with_block_ids(self, stories: Iterable[Story], read_labels: ReadLabels | None) -> GateRule:
        """The rule with ids in the place of the labels of blocks.

        Labels are asked for only where a block is not one that an eval is of.
        """
        ids: dict[str, str | None] = dict.fromkeys(
            each.block_id for each in stories if each.block_id is not None
        )
        if read_labels is None or ids.keys() >= {*self.policy.blocks}:
            return self
        labels = read_labels()
        if labels is None:
            return self
        known = {**ids, **labels}
        found = (find_named("block", name, known) or name for name in self.policy.blocks)
        policy = replace(self.policy, blocks=tuple(dict.fromkeys(found)))
        return replace(self, policy=policy, knows_labels=True)

    def describe(self, known: int) -> str:
        """The rule in words, for the reader of a report; ``known`` failures are accepted."""
        said = [self._describe_evals()] if self.fail_on else []
        if self.verdict:
            said.append("the suite's test may not find that the pass rate fell")
        if self.min_pass_rate is not None:
            least = f"{self.min_pass_rate:.{_digits(self.min_pass_rate)}%}"
            said.append(f"the pass rate must be at least {least}")
        verb = "is" if known == 1 else "are"
        free = f"; {count_noun(known, 'failure')} {verb} accepted" if known else ""
        return (", and ".join(said) or "nothing fails it") + free

    def _describe_evals(self) -> str:
        *most, last = dict.fromkeys(WORDS[each][1] for each in self.fail_on)
        named = f"{', '.join(most)} or {last}" if most else last
        few = self.max_failures
        tolerated = f"at most {count_noun(few, 'eval')}" if few else "no eval"
        return f"{tolerated} may count as {named}"

    def accepted_ids(self, stories: Sequence[Story]) -> set[str]:
        """The evals whose failure does not count: by id or name, and not run out."""
        entries = [each.id for each in self.policy.accepted if not each.has_run_out()]
        return {*find_evals(stories, [*entries, *self.names]).values()}

    def informational_ids(self, stories: Sequence[Story]) -> set[str]:
        """The evals that only inform: they are named in the file, or their block is."""
        named = find_evals(stories, self.policy.evals).values()
        return {*named, *(each.id for each in stories if each.block_id in self.policy.blocks)}

    def set_aside(self, stories: Sequence[Story]) -> set[str]:
        return self.accepted_ids(stories) | self.informational_ids(stories)


def find_evals(stories: Iterable[Story], names: Iterable[str]) -> dict[str, str]:
    """The id of each eval that is meant, by its id or its name; what is not there is left out."""
    known = name_by_id(stories)
    found = ((each, find_named("eval", each, known)) for each in names)
    return {each: eval_id for each, eval_id in found if eval_id is not None}


def name_by_id(stories: Iterable[Story]) -> dict[str, str | None]:
    return {each.id: each.name for each in stories}


def _say_against(facts: VerdictFacts, fallen: SuiteTest | None, left_out: str) -> list[str]:
    """What speaks against the candidate beside single evals, without those ``left_out``."""
    said = []
    if facts.outage is not None:
        ended, total = facts.outage
        said.append(
            f"Outage: {ended} of {count_noun(total, 'eval')} ended in an error; run them again."
        )
    if n := facts.sides.read.unnamed:
        verb = "is" if n == 1 else "are"
        said.append(
            f"The candidate's results do not add up: {count_noun(n, 'result')} "
            f"{verb} missing, or not as its run counts them."
        )
    if fallen is not None and fallen.is_sure:
        change = fallen.change
        beginning = f"Without the {left_out} evals, the" if left_out else "The"
        said.append(
            f"{beginning} pass rate fell by {say_points(change.delta or 0)}, more than chance "
            f"explains (p value {say_p_value(change.p_value or 0)})."
        )
    return said


def apply_rule(
    rule: GateRule, facts: VerdictFacts, fallen: SuiteTest | None, pass_rate: float | None
) -> Gate:
    """Apply a rule to the evals of a comparison.

    ``fallen`` is about the suite without the accepted evals, where it fell by its test and that
    counts; ``pass_rate`` is that without the informational ones.
    """
    stories, waiting = facts.stories, facts.sides.read.waiting
    saved = facts.sides.saved.evals
    known = (
        None
        if saved is None
        else frozenset(saved.select("eval_id", "eval_name").unpivot()["value"])
    )
    aside = rule.accepted_ids(stories), rule.informational_ids(stories)
    is_free = aside[0] | aside[1]
    left_out = [word for word, ids in zip(SET_ASIDE, aside, strict=True) if ids]
    counting = [each for each in stories if each.transition in rule.fail_on or each.errs_always]
    counts = {each.id for each in counting}
    named = [each for each in counting if each.id not in is_free]
    coming = waiting[0] if "incomplete" in rule.fail_on else 0
    if len(named) + coming <= rule.max_failures:
        named, coming = [], 0
    to_come = []
    if coming:
        verb = "is" if coming == 1 else "are"
        to_come.append(f"Not ended yet: {coming} of {waiting[1]} {verb} still to come.")
    failures = _name_failures(named, facts.year)
    total = len(named) + coming
    if total and rule.max_failures:
        tolerated = f"{rule.max_failures} {'is' if rule.max_failures == 1 else 'are'} tolerated"
        verb = "counts" if total == 1 else "count"
        failures.append(f"{total} {verb} against the gate; {tolerated}.")
    further = _say_against(facts, fallen, " and ".join(left_out))
    further += _check_pass_rate(rule, pass_rate) + _check_accepted(rule, stories, known)
    reasons = [*to_come, *failures, *further]
    notes = _note_others([each for each in stories if each.id not in is_free], rule, waiting)
    notes += _note_idle(rule, stories, known)
    failing = [each for each in stories if each.id in is_free and (each.fails or each.id in counts)]
    accepted = [each for each in failing if each.id in aside[0]]
    informing = [each for each in failing if each.id not in aside[0]]
    for word, several in zip(SET_ASIDE, (accepted, informing), strict=True):
        if several:
            notes.append(f"{len(several)} {word}: {list_stories(several)}.")
    unsure = [
        each
        for each in stories
        if (each.is_undecided or each.transition == "stale") and each.id not in is_free | counts
    ]
    return Gate(
        tuple(reasons),
        tuple(notes),
        failing=tuple(each.id for each in named),
        undecided=tuple(each.id for each in unsure),
        doubt="" if reasons else _say_doubt(facts, unsure, fallen),
        accepted=tuple(each.id for each in accepted),
        informational=tuple(each.id for each in informing),
        rule=rule.describe(len(accepted)),
        suite_reasons=(*to_come, *further),
    )


def _say_doubt(facts: VerdictFacts, unsure: Sequence[Story], fallen: SuiteTest | None) -> str:
    stale = [each for each in unsure if each.transition == "stale"]
    unsure = [each for each in unsure if each.transition != "stale"]
    suspects = sum(each.transition == "suspect" for each in unsure)
    errors = len(unsure) - suspects
    said = [f"{count_noun(suspects, 'eval')} may have broken"] if suspects else []
    said += [f"{count_noun(errors, 'eval')} ended in an error"] if errors else []
    if fallen is not None and not said:
        return "the pass rate fell in one run and no single eval explains it; run the suite again"
    said += ["the pass rate fell in one run"] if fallen is not None else []
    verb = "has" if len(stale) == 1 else "have"
    said += [f"{count_noun(len(stale), 'eval')} {verb} not run as they are now"] if stale else []
    said += ["a newer run cannot be judged yet"] if facts.sides.read.doubts else []
    if not said and not facts.is_decided:
        return "nothing was decided"
    if not said and not facts.has_pass and not (facts.passing[0] and facts.is_apart):
        return "no eval passes"
    return " and ".join(said)


def _name_failures(named: Iterable[Story], year: int | None) -> list[str]:
    """What counts against the candidate, by what became of it and since when."""
    groups: dict[str, list[Story]] = {}
    for each in named:
        said, at = WORDS[each.transition][1], each.since_at
        if each.errors_since is not None:
            said += f" at every run since {say_day(each.errors_since, year)}"
        elif at is not None:
            latest = " at the latest" if each.is_latest else ""
            said += f" since {say_day(at, year)}{latest}"
        groups.setdefault(said, []).append(each)
    return [f"{len(its)} {said}: {list_stories(its)}." for said, its in groups.items()]


def _check_pass_rate(rule: GateRule, pass_rate: float | None) -> list[str]:
    least = rule.min_pass_rate
    if least is None or (pass_rate is not None and pass_rate >= least):
        return []
    asked = _digits(least)
    if pass_rate is None:
        return [f"The pass rate is not known; at least {least:.{asked}%} is asked for."]
    n = next((n for n in range(asked, 15) if f"{pass_rate:.{n}%}" != f"{least:.{n}%}"), 15)
    return [f"The pass rate is {pass_rate:.{n}%}; at least {least:.{n}%} is asked for."]


def _digits(share: float) -> int:
    """How many decimals a percentage is written with: all that it has, and at least one."""
    return next((n for n in range(1, 6) if round(share, n + 2) == share), 6)


def _check_accepted(
    rule: GateRule, stories: Sequence[Story], saved: frozenset[str] | None
) -> list[str]:
    """Entries that have no reason any more.

    One pass is not the end of a failure: an entry has to go once its eval passed in two rows, and
    is not flaky.
    """
    reasons = []
    found = find_evals(stories, [each.id for each in rule.policy.accepted])
    known = {each.id: each for each in stories}
    for entry in rule.policy.accepted:
        name = one_line(f"{entry.name} ({entry.id})" if entry.name else entry.id)
        story = known.get(found.get(entry.id, ""))
        is_removed = story is not None and story.transition == "removed"
        passes = story and story.state == "passed" and story.reading.passing_rows > 1
        if is_removed if saved is None else entry.id not in saved:
            reasons.append(f"Accepted, but not saved any more: {name}. Remove the entry.")
        elif story and passes and story.transition not in _NOT_OVER:
            reasons.append(f"Accepted, but passes again: {name}. Remove the entry.")
        elif entry.has_run_out():
            reasons.append(f"Accepted until {entry.until}, which is over: {name}.")
    return reasons


def _note_idle(rule: GateRule, stories: Sequence[Story], saved: frozenset[str] | None) -> list[str]:
    notes = []
    names = dict.fromkeys(rule.names)
    found = find_evals(stories, names)
    passing = {each.id for each in stories if each.state == "passed"}
    for name in names:
        if name not in found:
            notes.append(f"Allowed, but not compared: {one_line(name)}.")
        elif found[name] in passing:
            notes.append(f"Allowed, but passes: {one_line(name)}.")
    if saved is None:
        # Whether it is saved is not known; it may be a slip of the pen.
        entries = [each.id for each in rule.policy.accepted]
        known = find_evals(stories, entries)
        notes += [f"Accepted, but not compared: {one_line(e)}." for e in entries if e not in known]
    of_block = "no eval here is of such a block" if rule.knows_labels else "the id of no block here"
    blocks = {each.block_id for each in stories}
    there = {*find_evals(stories, rule.policy.evals), *(saved or ())}, blocks
    tiers = ("there is no such eval here", rule.policy.evals), (of_block, rule.policy.blocks)
    for (said, named), known_names in zip(tiers, there, strict=True):
        unknown = [one_line(each) for each in named if each not in known_names]
        notes += [f"In a tier, but {said}: {each}." for each in unknown]
    return notes


def _looks_like_file(text: str) -> bool:
    # Of a text that is too long for a path, Path.is_file raises.
    return text.lower().endswith(_FILES) or os.path.isfile(text)  # noqa: PTH113


def _note_others(stories: Sequence[Story], rule: GateRule, waiting: tuple[int, int]) -> list[str]:
    words = {"added": "new and failing", "not_comparable": "edited and failing"}
    # As long as results are to come, nobody knows whether an eval is gone.
    words = words if waiting[0] else {"removed": "removed", **words}
    chosen = {
        name: [s for s in stories if s.transition == name and (name == "removed" or s.fails)]
        for name in words
        if name not in rule.fail_on
    }
    return [
        f"{len(its)} {words[name]}: {list_stories(its)}." for name, its in chosen.items() if its
    ]


def choose_accepted(
    stories: Sequence[Story], evals: str | Iterable[str] | pl.DataFrame
) -> list[Story]:
    """The evals that are to be accepted, by their ids, names, or a frame of them."""
    if isinstance(evals, pl.DataFrame):
        if "eval_id" not in evals.columns:
            raise ConfigError("evals: the frame has no column eval_id")
        evals = evals["eval_id"].to_list()
    known = name_by_id(stories)
    ids = {resolve("eval", each, known) for each in _check_texts("evals", evals)}
    chosen = [each for each in stories if each.id in ids]
    idle = [each for each in chosen if not (each.fails or each.transition in (*FAIL_ON, "stale"))]
    if idle:
        verb = "neither fails nor fails" if len(idle) == 1 else "neither fail nor fail"
        listed = list_stories(idle, _LISTED)
        raise ConfigError(f"evals: {listed} {verb} the gate: nothing to accept")
    return chosen


def _check_texts(name: str, values: object) -> tuple[str, ...]:
    if isinstance(values, str):
        return (values,)
    if not isinstance(values, Iterable):
        raise ConfigError(f"{name} must be a text or several, got {values!r}")
    several = tuple(values)
    if not all(isinstance(value, str) for value in several):
        raise ConfigError(f"{name} must hold texts, got {list(several)!r}")
    return several
