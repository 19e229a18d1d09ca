"""The rule that a build stands or falls by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from retab_analysis.comparison.transitions import TRANSITIONS
from retab_analysis.comparison.wording import listed, phrase
from retab_analysis.errors import ConfigError
from retab_analysis.stats import NOT_PASSING

FAIL_ON = ("regressed", "newly_blocked", "newly_errored", "incomplete")


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether the candidate may pass, and why.

    Attributes:
        ok: Whether it may.
        reasons: One sentence each: first what counts against it, then the evals that were
            removed, or added or changed and do not pass, whether it may pass or not.
    """

    ok: bool
    reasons: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.ok


def judge_gate(
    evals: pl.DataFrame,
    pass_rate: float | None,
    *,
    fail_on: str | Iterable[str],
    max_failures: int,
    allow: str | Iterable[str],
    min_pass_rate: float | None,
) -> Gate:
    """Apply the rule; see :meth:`Comparison.gate`.

    Raises:
        ConfigError: An argument that cannot be used.
    """
    counting = _transitions(fail_on)
    _check_numbers(max_failures, min_pass_rate)
    allowed = _several("allow", allow)
    free = pl.col("eval_id").is_in(allowed) | pl.col("eval_name").is_in(allowed).fill_null(False)
    against = evals.filter(pl.col("transition").is_in(counting), ~free)
    reasons = [
        _named(phrase(transition), chosen)
        for transition in TRANSITIONS
        if (chosen := against.filter(pl.col("transition") == transition)).height
    ]
    ok = against.height <= max_failures
    if max_failures and against.height:
        reasons.append(f"{against.height} count against the gate; {max_failures} are accepted.")
    if min_pass_rate is not None and (pass_rate is None or pass_rate < min_pass_rate):
        ok = False
        rate = "not known" if pass_rate is None else f"{pass_rate:.1%}"
        reasons.append(f"The pass rate is {rate}; at least {min_pass_rate:.1%} is asked for.")
    return Gate(ok, (*reasons, *_always_named(evals, counting)))


def _always_named(evals: pl.DataFrame, counting: Sequence[str]) -> list[str]:
    transition = pl.col("transition")
    failing = pl.col("candidate_state").is_in((*NOT_PASSING, "mixed"))
    groups = {
        "removed": (transition == "removed", "removed"),
        "added": ((transition == "added") & failing, "added and not passing"),
        "not_comparable": ((transition == "not_comparable") & failing, "changed and not passing"),
    }
    return [
        _named(words, chosen)
        for name, (which, words) in groups.items()
        if name not in counting and (chosen := evals.filter(which)).height
    ]


def _named(words: str, evals: pl.DataFrame) -> str:
    return f"{evals.height} {words}: {listed(evals)}."


def _transitions(fail_on: str | Iterable[str]) -> list[str]:
    names = _several("fail_on", fail_on)
    for name in names:
        if name not in TRANSITIONS:
            raise ConfigError(f"fail_on: {name!r} is none of {', '.join(TRANSITIONS)}")
    return names


def _several(name: str, values: str | Iterable[str]) -> list[str]:
    if isinstance(values, str):
        return [values]
    if not isinstance(values, Iterable):
        raise ConfigError(f"{name} must be a string or several, got {values!r}")
    several = list(values)
    if not all(isinstance(value, str) for value in several):
        raise ConfigError(f"{name} must hold strings, got {several!r}")
    return several


def _check_numbers(max_failures: int, min_pass_rate: float | None) -> None:
    if isinstance(max_failures, bool) or not isinstance(max_failures, int) or max_failures < 0:
        raise ConfigError(
            f"max_failures must be a whole number of at least 0, got {max_failures!r}"
        )
    if min_pass_rate is not None and not (
        isinstance(min_pass_rate, int | float) and 0 <= min_pass_rate <= 1
    ):
        raise ConfigError(f"min_pass_rate must be from 0 to 1, got {min_pass_rate!r}")
