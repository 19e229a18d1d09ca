"""The gate: the rule that passes or fails a build, and the failures that are accepted.

The verdict is statistics and may be inconclusive; the gate is a rule and always says yes or no,
and why. What is known and accepted is written down in a TOML file beside the code, so that it is
reviewed like code, runs out, and does not outlive its reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

import polars as pl

from retab_analysis.arguments import check_count, check_flag, check_share, find_named, resolve
from retab_analysis.comparison.accepted import Policy, read_policy
from retab_analysis.comparison.detail import WORDS, list_evals, say_day
from retab_analysis.comparison.explanation import say_p_value, say_points
from retab_analysis.comparison.headline import SET_ASIDE, VerdictFacts
from retab_analysis.comparison.sides import ReadLabels
from retab_analysis.comparison.suite_test import SuiteTest
from retab_analysis.comparison.transitions import errs_always, is_failing, is_undecided
from retab_analysis.errors import ConfigError
from retab_analysis.markup import count_noun, one_line
from retab_analysis.vocabulary import BROKEN, TRANSITIONS

FAIL_ON = (*BROKEN, "incomplete")
"""The transitions that count against a candidate unless one says otherwise."""

_LISTED = 5
_NOT_OVER = (*BROKEN, "suspect", "flaky", "incomplete")
_FILES = (".toml", ".txt", ".json", ".yaml", ".yml", ".csv")


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether the candidate may pass, and why.

    Attributes:
        ok: Whether it may.
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

    ok: bool
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

    def with_block_ids(self, evals: pl.DataFrame, read_labels: ReadLabels | None) -> GateRule:
        """The rule with ids in the place of the labels of blocks.

        Labels are asked for only where a block is not one that an eval is of.
        """
        ids: dict[str, str | None] = dict.fromkeys(evals["block_id"].drop_nulls())
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

    def accepted_ids(self, evals: pl.DataFrame) -> pl.Series:
        """The evals whose failure does not count: by id or name, and not run out."""
        entries = [each.id for each in self.policy.accepted if not each.has_run_out()]
        found = find_evals(evals, [*entries, *self.names])
        return evals.filter(pl.col("eval_id").is_in([*found.values()]))["eval_id"]

    def informational_ids(self, evals: pl.DataFrame) -> pl.Series:
        """The evals that only inform: they are named in the file, or their block is."""
        named = find_evals(evals, self.policy.evals).values()
        is_named = pl.col("eval_id").is_in([*named])
        is_of_block = pl.col("block_id").is_in(self.policy.blocks)
        return evals.filter(is_named | is_of_block.fill_null(False))["eval_id"]

    def set_aside(self, evals: pl.DataFrame) -> pl.Series:
        """The evals that do not count: the accepted and the informational ones."""
        return pl.concat([self.accepted_ids(evals), self.informational_ids(evals)]).unique()


def find_evals(evals: pl.DataFrame, names: Iterable[str]) -> dict[str, str]:
    """The id of each eval that is meant, by its id or its name; what is not there is left out."""
    known = name_by_id(evals)
    found = ((each, find_named("eval", each, known)) for each in names)
    return {each: eval_id for each, eval_id in found if eval_id is not None}


def name_by_id(evals: pl.DataFrame) -> dict[str, str | None]:
    """The names of the evals of a comparison, by their ids."""
    return dict(evals.select("eval_id", "eval_name").iter_rows())


def _say_against(facts: VerdictFacts, fallen: SuiteTest | None, left_out: str) -> list[str]:
    """What speaks against the candidate beside single evals, without those ``left_out``."""
    said = []
    if facts.outage is not None:
        ended, total = facts.outage
        said.append(
            f"Outage: {ended} of {count_noun(total, 'eval')} ended in an error; run them again."
        )
    if n := facts.sides.unnamed:
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
    evals, sides = facts.evals, facts.sides
    saved = None
    if sides.saved is not None:
        saved = frozenset(sides.saved.select("eval_id", "eval_name").unpivot()["value"])
    aside = rule.accepted_ids(evals), rule.informational_ids(evals)
    is_accepted, informs = (pl.col("eval_id").is_in(ids.implode()) for ids in aside)
    is_free = is_accepted | informs
    left_out = [word for word, ids in zip(SET_ASIDE, aside, strict=True) if len(ids)]
    counts = pl.col("transition").is_in(rule.fail_on) | errs_always()
    coming = sides.waiting[0] if "incomplete" in rule.fail_on else 0
    named = evals.filter(counts, ~is_free)
    if named.height + coming <= rule.max_failures:
        named, coming = named.clear(), 0
    to_come = []
    if coming:
        verb = "is" if coming == 1 else "are"
        to_come.append(f"Not ended yet: {coming} of {sides.waiting[1]} {verb} still to come.")
    failures = _name_failures(named, facts.year)
    total = named.height + coming
    if total and rule.max_failures:
        tolerated = f"{rule.max_failures} {'is' if rule.max_failures == 1 else 'are'} tolerated"
        verb = "counts" if total == 1 else "count"
        failures.append(f"{total} {verb} against the gate; {tolerated}.")
    further = _say_against(facts, fallen, " and ".join(left_out))
    further += _check_pass_rate(rule, pass_rate) + _check_accepted(rule, evals, saved)
    reasons = [*to_come, *failures, *further]
    notes = _note_others(evals.filter(~is_free), rule.fail_on, sides.waiting)
    notes += _note_idle(rule, evals, saved)
    failing = evals.filter(is_free, is_failing() | counts)
    known, informing = failing.filter(is_accepted), failing.filter(~is_accepted)
    for word, several in zip(SET_ASIDE, (known, informing), strict=True):
        if several.height:
            notes.append(f"{several.height} {word}: {list_evals(several)}.")
    unsure = evals.filter(is_undecided(), ~is_free, ~counts)
    return Gate(
        not reasons,
        tuple(reasons),
        tuple(notes),
        failing=tuple(named["eval_id"]),
        undecided=tuple(unsure["eval_id"]),
        doubt="" if reasons else _say_doubt(facts, unsure, fallen),
        accepted=tuple(known["eval_id"]),
        informational=tuple(informing["eval_id"]),
        rule=rule.describe(known.height),
        suite_reasons=(*to_come, *further),
    )


def _say_doubt(facts: VerdictFacts, unsure: pl.DataFrame, fallen: SuiteTest | None) -> str:
    """What may be wrong although nothing fails the gate."""
    if not facts.is_decided:
        return "nothing was decided"
    suspects = unsure.filter(transition="suspect").height
    errors = unsure.height - suspects
    said = [f"{count_noun(suspects, 'eval')} may have broken"] if suspects else []
    said += [f"{count_noun(errors, 'eval')} ended in an error"] if errors else []
    if fallen is not None and not said:
        return "the pass rate fell in one run and no single eval explains it; run the suite again"
    said += ["the pass rate fell in one run"] if fallen is not None else []
    return " and ".join(said)


def _name_failures(named: pl.DataFrame, year: int | None) -> list[str]:
    """What counts against the candidate, by what became of it and since when."""
    groups: dict[str, list[str]] = {}
    for row in named.iter_rows(named=True):
        said, at = WORDS[row["transition"]][1], row["since_at"]
        if row["errors_since"] is not None:
            said += f" at every run since {say_day(row['errors_since'], year)}"
        elif at is not None:
            latest = " at the latest" if row["is_latest"] else ""
            said += f" since {say_day(at, year)}{latest}"
        groups.setdefault(said, []).append(row["eval_id"])
    return [
        f"{len(ids)} {said}: {list_evals(named.filter(pl.col('eval_id').is_in(ids)))}."
        for said, ids in groups.items()
    ]


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


def _check_accepted(rule: GateRule, evals: pl.DataFrame, saved: frozenset[str] | None) -> list[str]:
    """Entries that have no reason any more.

    One pass is not the end of a failure: an entry has to go once its eval passed in two rows, and
    is not flaky.
    """
    reasons = []
    found = find_evals(evals, [each.id for each in rule.policy.accepted])
    rows = {row["eval_id"]: row for row in evals.iter_rows(named=True)}
    for entry in rule.policy.accepted:
        name = one_line(f"{entry.name} ({entry.id})" if entry.name else entry.id)
        row = rows[found[entry.id]] if entry.id in found else None
        transition = row["transition"] if row else None
        passes = row and row["candidate_state"] == "passed" and row["passing_rows"] > 1
        if transition == "removed" if saved is None else entry.id not in saved:
            reasons.append(f"Accepted, but not saved any more: {name}. Remove the entry.")
        elif row and passes and transition not in _NOT_OVER:
            reasons.append(f"Accepted, but passes again: {name}. Remove the entry.")
        elif entry.has_run_out():
            reasons.append(f"Accepted until {entry.until}, which is over: {name}.")
    return reasons


def _note_idle(rule: GateRule, evals: pl.DataFrame, saved: frozenset[str] | None) -> list[str]:
    """Ids and names that were allowed and that no eval needs."""
    notes = []
    names = dict.fromkeys(rule.names)
    found = find_evals(evals, names)
    passing = set(evals.filter(candidate_state="passed")["eval_id"])
    for name in names:
        if name not in found:
            notes.append(f"Allowed, but not compared: {one_line(name)}.")
        elif found[name] in passing:
            notes.append(f"Allowed, but passes: {one_line(name)}.")
    if saved is None:
        # Whether it is saved is not known; it may be a slip of the pen.
        entries = [each.id for each in rule.policy.accepted]
        known = find_evals(evals, entries)
        notes += [f"Accepted, but not compared: {one_line(e)}." for e in entries if e not in known]
    of_block = "no eval here is of such a block" if rule.knows_labels else "the id of no block here"
    there = {*find_evals(evals, rule.policy.evals), *(saved or ())}, {*evals["block_id"]}
    tiers = ("there is no such eval here", rule.policy.evals), (of_block, rule.policy.blocks)
    for (said, named), known_names in zip(tiers, there, strict=True):
        unknown = [one_line(each) for each in named if each not in known_names]
        notes += [f"In a tier, but {said}: {each}." for each in unknown]
    return notes


def _looks_like_file(text: str) -> bool:
    # Of a text that is too long for a path, Path.is_file raises.
    return text.lower().endswith(_FILES) or os.path.isfile(text)  # noqa: PTH113


def _note_others(
    evals: pl.DataFrame, counting: Iterable[str], waiting: tuple[int, int]
) -> list[str]:
    groups = {
        # As long as results are to come, nobody knows whether an eval is gone.
        "removed": (pl.lit(waiting[0] == 0), "removed"),
        "added": (is_failing(), "new and failing"),
        "not_comparable": (is_failing(), "edited and failing"),
    }
    return [
        f"{chosen.height} {words}: {list_evals(chosen)}."
        for name, (which, words) in groups.items()
        if name not in counting and (chosen := evals.filter(which, transition=name)).height
    ]


def choose_accepted(
    compared: pl.DataFrame, evals: str | Iterable[str] | pl.DataFrame
) -> pl.DataFrame:
    """The evals that are to be accepted, by their ids, names, or a frame of them."""
    if isinstance(evals, pl.DataFrame):
        if "eval_id" not in evals.columns:
            raise ConfigError("evals: the frame has no column eval_id")
        evals = evals["eval_id"].to_list()
    known = name_by_id(compared)
    ids = [resolve("eval", each, known) for each in _check_texts("evals", evals)]
    chosen = compared.filter(pl.col("eval_id").is_in(ids))
    idle = chosen.filter(~(is_failing() | pl.col("transition").is_in(FAIL_ON)))
    if idle.height:
        verb = "neither fails nor fails" if idle.height == 1 else "neither fail nor fail"
        raise ConfigError(f"evals: {list_evals(idle, _LISTED)} {verb} the gate: nothing to accept")
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
