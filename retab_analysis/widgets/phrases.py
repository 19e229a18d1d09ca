"""Rows, times and versions as text: the words that the states of all views are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retab_analysis.markup import count_noun as count_noun
from retab_analysis.markup import one_line

__all__ = [
    "EvalLine",
    "count_noun",
    "describe_change",
    "format_milliseconds",
    "format_probability",
    "format_range",
    "format_seconds",
    "label_documents",
    "label_eval",
    "make_eval_line",
    "name_transition",
    "shorten_version",
]

_SHORT_VERSION = 24


def label_eval(row: Mapping[str, Any]) -> str:
    """What an eval is called in one line: its name, or its id where it has none.

    The same over a frame is :func:`retab_analysis.vocabulary.eval_label`.
    """
    return one_line(row["eval_name"] or row["eval_id"])


def label_documents(row: Mapping[str, Any]) -> str:
    """The names of an eval's documents in one line."""
    return one_line(", ".join(each for each in row["document_names"] or () if each))


@dataclass(frozen=True, slots=True)
class EvalLine:
    """One eval, with what became of it in one run.

    Attributes:
        run_id: The run; empty for an eval that was not run.
        eval_id: The eval.
        name: What it is called.
        state: A state of RESULTS.
        document: The names of its documents.
        expected: The expected value as JSON, or None.
        actual: The actual value as JSON, or None.
        message: Why it does not pass; it may quote the values.
        cause: The same without any value.
        seconds: How long it took, or None.
        transition: What became of it since earlier runs, or None where that is not known (yet).
        p: The probability that it got worse to stay, or None.
        reason: In words, why it has that transition, or has none yet; holds no value.
    """

    run_id: str
    eval_id: str
    name: str
    state: str
    document: str
    expected: str | None
    actual: str | None
    message: str | None
    cause: str | None
    seconds: float | None
    transition: str | None = None
    p: float | None = None
    reason: str | None = None


def make_eval_line(row: Mapping[str, Any], found: Mapping[str, Any] | None = None) -> EvalLine:
    """What is shown of an eval.

    Args:
        row: A row of a RESULTS frame.
        found: ``transition, p_regressed, reason`` of the eval in a comparison, where known.
    """
    found = found or {}
    duration = row["duration_ms"]
    return EvalLine(
        run_id=row["run_id"],
        eval_id=row["eval_id"],
        name=label_eval(row),
        state=row["state"],
        document=label_documents(row),
        expected=row["expected_value"],
        actual=row["actual_value"],
        message=row["failure_message"] or row["status_message"],
        cause=row["failure_code"] or row["status_message"],
        # The clocks of two machines may disagree, so that a duration can be below zero.
        seconds=None if duration is None else max(0, duration) / 1000,
        transition=found.get("transition"),
        p=found.get("p_regressed"),
        reason=found.get("reason"),
    )


_TRANSITION_WORDS = {
    "regressed": "broke",
    "newly_blocked": "newly blocked",
    "newly_errored": "newly errored",
    "not_comparable": "edited",
    "still_failing": "known failure",
    "still_passing": "still passing",
}


def name_transition(transition: str) -> str:
    """What a transition of one eval is called in a list."""
    return _TRANSITION_WORDS.get(transition, transition)


def describe_change(line: EvalLine) -> str:
    """What became of an eval since earlier runs, and how sure that is; empty if nothing did.

    Example:
        >>> row = dict.fromkeys(("eval_name", "document_names", "expected_value", "actual_value"))
        >>> row |= dict.fromkeys(("failure_message", "status_message", "failure_code"))
        >>> row |= {"run_id": "r", "eval_id": "e", "state": "failed", "duration_ms": 1}
        >>> found = {"transition": "regressed", "p_regressed": 0.876, "reason": "broken since v2"}
        >>> describe_change(make_eval_line(row, found))
        'broke (p 0.88): broken since v2'
    """
    if line.transition is None:
        return line.reason or ""
    if line.transition == "still_passing":
        return ""
    name = name_transition(line.transition)
    sure = "" if line.p is None else f" ({format_probability(line.p)})"
    return f"{name}{sure}" + (f": {line.reason}" if line.reason else "")


def format_probability(p: float) -> str:
    """A probability of getting worse, never as a certainty.

    Example:
        >>> [format_probability(each) for each in (0.0001, 0.5, 0.99999)]
        ['p < 0.01', 'p 0.50', 'p > 0.99']
    """
    if p < 0.01:
        return "p < 0.01"
    return "p > 0.99" if p > 0.99 else f"p {p:.2f}"


def format_seconds(seconds: float) -> str:
    """A length of time that a person reads at a glance.

    Example:
        >>> [format_seconds(each) for each in (0.4, 59, 61, 3600, 90061)]
        ['0 s', '59 s', '1 min 1 s', '1 h', '1 d 1 h']
    """
    whole = max(0, int(seconds))
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    for at, (unit, size) in enumerate(units):
        if whole >= size or unit == "s":
            words = f"{whole // size} {unit}"
            rest = whole % size // units[at + 1][1] if unit != "s" else 0
            return f"{words} {rest} {units[at + 1][0]}" if rest else words
    raise AssertionError


def format_range(low: float, high: float) -> str:
    """A range of seconds, in coarser steps than its ends are uncertain.

    Example:
        >>> format_range(70, 130), format_range(8, 9)
        ('1 to 3 min', 'about 10 s')
    """
    for unit, size, step in (("h", 3600, 1), ("min", 60, 1), ("s", 1, 5)):
        if high >= 1.5 * size or unit == "s":
            first, last = int(low / size // step * step), math.ceil(high / size / step) * step
            if last - first <= step:
                return f"about {last} {unit}"
            return f"{first} to {last} {unit}"
    raise AssertionError


def format_milliseconds(took: int) -> str:
    """A duration or a difference of durations; below a second to the millisecond."""
    words = f"{abs(took)} ms" if abs(took) < 1000 else format_seconds(abs(took) / 1000)
    return f"−{words}" if took < 0 else words


def shorten_version(version: str) -> str:
    """A version as a person reads it; ids that are hashes of the content are long, and cut."""
    return version if len(version) <= _SHORT_VERSION else version[:16] + "…"
