"""The gate: the rule that passes or fails a build, and the failures that are accepted.

The verdict is statistics and may be inconclusive; the gate is a rule and always says yes or no,
and why. What is known and accepted is written down in a TOML file beside the code, so that it is
reviewed like code, runs out, and does not outlive its reason.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import polars as pl

from retab_analysis.arguments import check_count, check_flag, check_share
from retab_analysis.comparison.accepted import Accepted, read_accepted
from retab_analysis.comparison.suite_test import suite_regressed
from retab_analysis.comparison.transitions import CERTAIN_ENOUGH
from retab_analysis.comparison.wording import (
    add_since,
    at_least,
    count_noun,
    list_evals,
    phrase,
    say_p,
    say_points,
    say_waiting,
)
from retab_analysis.errors import ConfigError
from retab_analysis.markup import one_line
from retab_analysis.vocabulary import BROKEN, FAILING, TRANSITIONS

FAIL_ON = (*BROKEN, "newly_errored", "incomplete")
"""The transitions that count against a candidate unless one says otherwise."""

_UNDECIDED = ("unscored", "cancelled")
_FILES = (".toml", ".txt", ".json", ".yaml", ".yml", ".csv")


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether the candidate may pass, and why.

    Attributes:
        ok: Whether it may.
        reasons: Why not, one sentence each; empty where it may.
        notes: What is worth knowing and does not count: evals that were removed, or that are new
            or edited and fail; suspects; accepted failures.
        failing: The ids of the evals because of which it may not, in the order of
            ``Comparison.evals``; none where so many are tolerated.
        accepted: The ids of the evals that do not pass, and are accepted.
        rule: By which rule, in words.
    """

    ok: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    rule: str = ""

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True, slots=True)
class GateRule:
    """A rule whose arguments were checked; see :meth:`Comparison.gate`."""

    fail_on: tuple[str, ...]
    max_failures: int
    names: tuple[str, ...]
    accepted: tuple[Accepted, ...]
    min_pass_rate: float | None
    verdict: bool

    @classmethod
    def check(
        cls,
        fail_on: str | Iterable[str],
        max_failures: int,
        allow: str | os.PathLike[str] | Iterable[str],
        min_pass_rate: float | None,
        verdict: bool,
    ) -> GateRule:
        """Check what a user passed.

        Raises:
            ConfigError: An argument that cannot be used, or a file that cannot be read.
        """
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
        return cls(
            fail_on=_check_transitions(fail_on),
            max_failures=max_failures,
            names=() if is_file else _check_texts("allow", allow),
            accepted=read_accepted(allow) if is_file else (),  # type: ignore[arg-type]
            min_pass_rate=min_pass_rate,
            verdict=verdict,
        )

    def describe(self, known: int) -> str:
        """The rule in words, for the reader of a report.

        Args:
            known: How many evals do not pass and are accepted.
        """
        said = [self._describe_evals()] if self.fail_on else []
        if self.verdict and self.max_failures:
            said.append("the suite's own test may not find that the pass rate fell")
        elif self.verdict:
            said.append("the verdict on the suite may not be regressed")
        if self.min_pass_rate is not None:
            least = f"{self.min_pass_rate:.{_digits(self.min_pass_rate)}%}"
            said.append(f"the pass rate must be at least {least}")
        verb = "is" if known == 1 else "are"
        free = f"; {count_noun(known, 'failure')} {verb} accepted" if known else ""
        return (", and ".join(said) or "nothing fails it") + free

    def _describe_evals(self) -> str:
        side = " on the side that is checked"
        *most, last = (f"{phrase(each)}{side * (each == 'incomplete')}" for each in self.fail_on)
        named = f"{', '.join(most)} or {last}" if most else last
        few = self.max_failures
        tolerated = f"at most {count_noun(few, 'eval')}" if few else "no eval"
        return f"{tolerated} may be {named}"

    def accepted_ids(self, evals: pl.DataFrame) -> pl.Series:
        """The evals whose failure does not count: by id or name, and not run out."""
        ids = [each.id for each in self.accepted if not each.has_run_out()]
        named = pl.col("eval_id").is_in([*ids, *self.names]) | pl.col("eval_name").is_in(
            self.names
        ).fill_null(False)
        return evals.filter(named)["eval_id"]

    def counting(self) -> pl.Expr:
        """Which evals count against the candidate, over ``Comparison.evals``.

        An eval that was not decided earlier says nothing against the candidate.
        """
        transition = pl.col("transition")
        return transition.is_in(self.fail_on) & (
            (transition != "incomplete") | pl.col("candidate_state").is_in(_UNDECIDED)
        )


@dataclass(frozen=True, slots=True)
class Regressed:
    """A verdict that counts against the candidate.

    Attributes:
        summary: ``Comparison.summary``, without the accepted evals.
        alpha: The level of the suite's test.
        by_test: Whether only the suite's test counts, because some failures are tolerated.
        without_accepted: Whether accepted evals were left out.
    """

    summary: pl.DataFrame
    alpha: float
    by_test: bool
    without_accepted: bool

    def __str__(self) -> str:
        row = self.summary.row(0, named=True)
        parts = []
        if not self.by_test and (row["p_any_regressed"] or 0) >= CERTAIN_ENOUGH:
            sure = at_least(row["p_any_regressed"])
            parts.append(f"something got worse with a probability of {sure}")
        if suite_regressed(self.summary, self.alpha):
            fell = f"the pass rate fell by {say_points(row['delta'])}"
            parts.append(f"{fell}, more than chance explains (p {say_p(row['p_value'])})")
        beginning = "Without the accepted evals, the" if self.without_accepted else "The"
        return f"{beginning} verdict is regressed: {', and '.join(parts)}."


def apply_rule(
    rule: GateRule,
    evals: pl.DataFrame,
    pass_rate: float | None,
    regressed: Regressed | None,
    waiting: tuple[int, int] = (0, 0),
    latest: Collection[str] = (),
) -> Gate:
    """Apply a rule to the evals of a comparison.

    Args:
        rule: The rule.
        evals: ``Comparison.evals``.
        pass_rate: The candidate's.
        regressed: The verdict where it counts against the candidate, else None.
        waiting: How many evals of the candidate are still to come, and of how many.
        latest: The ids of the evals that may have broken earlier than it shows.
    """
    is_free = pl.col("eval_id").is_in(rule.accepted_ids(evals).implode())
    coming = waiting[0] if "incomplete" in rule.fail_on else 0
    against = evals.filter(rule.counting(), ~is_free)
    # Of evals that are still to come it is said how many they are, and not which.
    named = against.filter(pl.col("candidate_state") != "unscored") if coming else against
    if named.height + coming <= rule.max_failures:
        named, coming = named.clear(), 0
    reasons = _name_failures(rule, add_since(named, latest), coming, waiting)
    if regressed is not None:
        reasons.append(str(regressed))
    reasons += _check_pass_rate(rule, pass_rate)
    reasons += _check_accepted(rule, evals)
    notes = _note_others(evals.filter(~is_free), rule.fail_on, waiting)
    notes += _note_idle(rule, evals)
    fails = pl.col("candidate_state").is_in((*FAILING, "mixed"))
    known = evals.filter(is_free, fails | rule.counting())
    if known.height:
        notes.append(f"{known.height} accepted: {list_evals(known)}.")
    return Gate(
        not reasons,
        tuple(reasons),
        tuple(notes),
        failing=tuple(named["eval_id"]),
        accepted=tuple(known["eval_id"]),
        rule=rule.describe(known.height),
    )


def _name_failures(
    rule: GateRule, named: pl.DataFrame, coming: int, waiting: tuple[int, int]
) -> list[str]:
    """What counts against the candidate, by transition and by when it began.

    Args:
        rule: The rule.
        named: The evals that count and are more than are tolerated; with ``since``.
        coming: How many evals count because they are still to come.
        waiting: How many there are still to come, and of how many.
    """
    total = named.height + coming
    if not total:
        return []
    reasons = [f"{say_waiting(waiting)}.".capitalize()] if coming else []
    for transition in TRANSITIONS:
        chosen = named.filter(transition=transition)
        for (since,), group in chosen.group_by("since", maintain_order=True):
            reasons.append(f"{group.height} {phrase(transition)}{since}: {list_evals(group)}.")
    if rule.max_failures:
        verb = "counts" if total == 1 else "count"
        tolerated = f"{rule.max_failures} {'is' if rule.max_failures == 1 else 'are'} tolerated"
        reasons.append(f"{total} {verb} against the gate; {tolerated}.")
    return reasons


def _check_pass_rate(rule: GateRule, pass_rate: float | None) -> list[str]:
    least = rule.min_pass_rate
    if least is None or (pass_rate is not None and pass_rate >= least):
        return []
    asked = _digits(least)
    if pass_rate is None:
        return [f"The pass rate is not known; at least {least:.{asked}%} is asked for."]
    digits = next((n for n in range(asked, 15) if f"{pass_rate:.{n}%}" != f"{least:.{n}%}"), 15)
    rate = f"{pass_rate:.{digits}%}"
    return [f"The pass rate is {rate}; at least {least:.{digits}%} is asked for."]


def _digits(share: float) -> int:
    """How many decimals a percentage is written with: all that it has, and at least one."""
    return next((n for n in range(1, 6) if round(share, n + 2) == share), 6)


def _check_accepted(rule: GateRule, evals: pl.DataFrame) -> list[str]:
    """Entries that have no reason any more."""
    reasons = []
    for entry in rule.accepted:
        name = one_line(f"{entry.name} ({entry.id})" if entry.name else entry.id)
        states = evals.filter(pl.col("eval_id") == entry.id)["candidate_state"]
        if states.is_empty():
            reasons.append(f"Accepted, but not compared: {name}. Remove the entry.")
        elif (states == "passed").all(ignore_nulls=False):
            reasons.append(f"Accepted, but passes again: {name}. Remove the entry.")
        elif entry.has_run_out():
            reasons.append(f"Accepted until {entry.until}, which is over: {name}.")
    return reasons


def _note_idle(rule: GateRule, evals: pl.DataFrame) -> list[str]:
    """Ids and names that were allowed and that no eval needs."""
    notes = []
    for name in dict.fromkeys(rule.names):
        named = (pl.col("eval_id") == name) | (pl.col("eval_name") == name)
        states = evals.filter(named)["candidate_state"]
        if states.is_empty():
            notes.append(f"Allowed, but not compared: {one_line(name)}.")
        elif (states == "passed").all(ignore_nulls=False):
            notes.append(f"Allowed, but passes: {one_line(name)}.")
    return notes


def _looks_like_file(text: str) -> bool:
    # Of a text that is too long for a path, Path.is_file raises.
    return text.lower().endswith(_FILES) or os.path.isfile(text)  # noqa: PTH113


def _note_others(
    evals: pl.DataFrame, counting: Iterable[str], waiting: tuple[int, int]
) -> list[str]:
    transition = pl.col("transition")
    failing = pl.col("candidate_state").is_in((*FAILING, "mixed"))
    groups = {
        # As long as results are to come, nobody knows whether an eval is gone.
        "removed": ((transition == "removed") & (waiting[0] == 0), "removed"),
        "added": ((transition == "added") & failing, "new and not passing"),
        "not_comparable": ((transition == "not_comparable") & failing, "edited and not passing"),
        "suspect": (transition == "suspect", "suspect"),
    }
    return [
        f"{chosen.height} {words}: {list_evals(chosen)}."
        for name, (which, words) in groups.items()
        if name not in counting and (chosen := evals.filter(which)).height
    ]


def choose_failures(
    compared: pl.DataFrame, evals: Iterable[str] | pl.DataFrame | None
) -> pl.DataFrame:
    """The evals that are to be accepted; None for all that fail the usual gate.

    Raises:
        ConfigError: One of them was not compared.
    """
    if evals is None:
        rule = GateRule.check(FAIL_ON, 0, (), None, True)
        return compared.filter(rule.counting())
    if isinstance(evals, pl.DataFrame):
        if "eval_id" not in evals.columns:
            raise ConfigError("evals: the frame has no column eval_id")
        evals = evals["eval_id"].to_list()
    ids = _check_texts("evals", evals)
    unknown = sorted(set(ids) - set(compared["eval_id"]))
    if unknown:
        raise ConfigError(f"evals: {', '.join(unknown[:5])} were not compared")
    return compared.filter(pl.col("eval_id").is_in(ids))


def _check_transitions(fail_on: str | Iterable[str]) -> tuple[str, ...]:
    names = _check_texts("fail_on", fail_on)
    for name in names:
        if name not in TRANSITIONS:
            raise ConfigError(f"fail_on: {name!r} is not one of {', '.join(TRANSITIONS)}")
    return names


def _check_texts(name: str, values: object) -> tuple[str, ...]:
    if isinstance(values, str):
        return (values,)
    if not isinstance(values, Iterable):
        raise ConfigError(f"{name} must be a text or several, got {values!r}")
    several = tuple(values)
    if not all(isinstance(value, str) for value in several):
        raise ConfigError(f"{name} must hold texts, got {list(several)!r}")
    return several
