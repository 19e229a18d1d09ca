"""How a comparison was made and how sure it is, in sentences.

Every number here comes from the frames and the model. A sentence is left out where it does not
hold; no sentence speaks of all evals where some are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from retab_analysis.comparison.detail import say_day, say_p
from retab_analysis.comparison.headline import VerdictFacts
from retab_analysis.comparison.suite_test import SuiteTest
from retab_analysis.errors import list_some
from retab_analysis.markup import count_noun, one_line
from retab_analysis.vocabulary import BROKEN

_ROUNDING = 1e-9
_WIDEST = 0.25  # a wider interval, or a larger fall, is of no use to anybody
_APART = ("not_comparable", "added", "removed")

Row = Mapping[str, Any]


def label_side(frame: pl.DataFrame) -> str:
    """What a side is: its run, or how many, and its version."""
    runs = _distinct(frame, "run_id")
    versions = _distinct(frame, "workflow_version_id")
    what = f"run {one_line(runs[0])}" if len(runs) == 1 else count_noun(len(runs), "run")
    what = what if runs else "results of unknown runs"
    if not versions:
        return what
    named = list_some(map(one_line, versions), 3)
    return f"{what} of version{'s' if len(versions) > 1 else ''} {named}"


def _distinct(frame: pl.DataFrame, name: str) -> Sequence[str]:
    return frame[name].drop_nulls().unique().sort().to_list()


def describe_sides(baseline: pl.DataFrame, candidate: pl.DataFrame) -> str:
    """One sentence about what was compared with what."""
    now = f"{label_side(candidate)} ({count_noun(candidate['eval_id'].n_unique(), 'eval')})"
    before = f"{label_side(baseline)} ({count_noun(baseline['eval_id'].n_unique(), 'eval')})"
    return f"Compared {now} with {before}."


def describe_last_good(beginning: str | None, evals: pl.DataFrame, earlier: pl.DataFrame) -> str:
    """One sentence about which result each eval is held against, where it has its own.

    ``beginning`` is how it begins, ``earlier`` has ``run_id, run_created_at`` of the history.
    """
    said = beginning or "Compared each eval with its own past"
    is_held = pl.col("baseline_state").is_not_null()
    held = evals.filter(is_held, ~pl.col("transition").is_in(_APART))
    dates = earlier.group_by(baseline_run_id="run_id").agg(pl.col("run_created_at").min())
    runs = (
        held.drop_nulls("baseline_run_id")
        .group_by("baseline_run_id")
        .agg(pl.len().alias("n"))
        .join(dates, on="baseline_run_id", how="left")
        .sort("n", "run_created_at", "baseline_run_id", descending=[True, True, False])
    )
    if held.is_empty():
        return f"{said}; there is none."
    parts = []
    for row in runs.head(1).iter_rows(named=True):
        at = row["run_created_at"]
        day = "" if at is None else f" of {say_day(at)}"
        parts.append(f"{row['n']} with run {one_line(row['baseline_run_id'])}{day}")
    if runs.height > 1:
        others = count_noun(runs.height - 1, "other run")
        parts.append(f"{runs['n'][1:].sum()} with {others}")
    if remembered := held["baseline_run_id"].null_count():
        parts.append(f"{remembered} with what the saved evals remember")
    return f"{said}: {', '.join(parts)}."


def explain(facts: VerdictFacts, compared: str, test: SuiteTest, margin: float) -> str:
    """Some lines: what was compared, how sure it is what broke, what the numbers say."""
    sides = facts.sides
    started = None
    if sides.started is not None:
        verb = "was" if sides.started.height == 1 else "were"
        started = f"{count_noun(sides.started.height, 'rerun')} {verb} started and not waited for."
    unknown = _unknown(facts.evals["unknown"])
    lines = [
        " ".join(filter(None, (compared, *sides.notes, sides.unedited, started, unknown))),
        _sure(facts),
        _outage(facts),
        _not_counted(facts),
        _suite(facts, test, margin),
        None if sides.edits is None else sides.edits.describe(),
    ]
    return "\n".join(filter(None, lines))


def _unknown(unknown: pl.Series) -> str | None:
    n, found = (unknown.list.len() > 0).sum(), unknown.explode().to_list()
    if not n:
        return None
    what = " or ".join(word for word in ("inputs", "condition", "expected value") if word in found)
    said = f"Whether the {what} of {n:,} of {count_noun(len(unknown), 'eval')} changed is not known"
    return f"{said}; {'it is' if n == 1 else 'they are'} compared as if nothing had."


def _sure(facts: VerdictFacts) -> str | None:
    """How sure it is that what is called broken got worse; not of the date or the cause."""
    broken = [each for each in facts.details if each.transition in BROKEN]
    known = [each.p for each in broken if each.p is not None]
    if not known:
        return None
    n = len(broken)
    who = f"Each of the {n} evals" if n > 1 else "The eval"
    missing = sum(each.not_run_since is not None for each in broken)
    verb = "was" if missing == 1 else "were"
    not_run = f"; {missing} of them {verb} not run since" if missing else ""
    least = say_p(min(known))
    return f"{who} that broke got worse with a probability of at least {least}{not_run}."


def _outage(facts: VerdictFacts) -> str | None:
    down = [each for each in facts.details if each.state == "error" and each.is_outage]
    if not down:
        return None
    blocks = count_noun(len({each.block for each in down}), "block")
    return (
        f"{count_noun(len(down), 'eval')} of {blocks} ended in errors of an outage, which say "
        "nothing of the evals and count in no rate."
    )


def _not_counted(facts: VerdictFacts) -> str | None:
    """What is not among the evals of the suite's test, which are all the others."""
    summary, total = facts.summary, facts.evals.height
    said = []
    apart = sum(summary[name] for name in _APART)
    if (n := total - apart - summary["n_evals"]) > 0:
        verb = "was" if n == 1 else "were"
        said.append(f"{n} of {count_noun(total, 'eval')} {verb} not decided on both sides")
    if n := summary["not_comparable"]:
        was = "was" if n == 1 else "were"
        said.append(f"{n} {was} edited, so that earlier results do not count")
    if n := summary["added"]:
        said.append(f"{n} {'is' if n == 1 else 'are'} new")
    if n := summary["removed"]:
        said.append(f"{n} {'was' if n == 1 else 'were'} removed")
    return f"Not counted: {'; '.join(said)}." if said else None


def _suite(facts: VerdictFacts, test: SuiteTest, margin: float) -> str:
    """What the test of the suite as a whole says."""
    summary = facts.summary
    n = summary["n_evals"]
    if not n:
        return (
            "No eval was decided on both sides, so that nothing can be concluded about the suite."
        )
    was = "was" if n == 1 else "were"
    over = f"Over the {count_noun(n, 'eval')} that {was} decided on both sides"
    if summary["delta_low"] is None and summary["n_documents"] > 1:
        return f"{over} no test is possible: it takes an earlier run of at least half of them."
    if summary["delta_low"] is None:
        who = "Only one eval was" if n == 1 else "The evals that were"
        why = "" if n == 1 else " all share documents: they are one observation"
        return f"{who} decided on both sides{why}, which says nothing about the suite as a whole."
    moved = f"{over} ({count_noun(summary['n_documents'], 'independent document')}) the pass rate "
    moved += _moved(summary, test.alpha)
    if facts.sides.baseline is None:
        moved += ", against their earlier results"
    if test.fell or test.rose:
        p = say_p_value(summary["p_value"])
        return f"{moved}, more than chance explains (p value {p})."
    known = "excluded" if test.is_not_worse(margin) else "not excluded"
    fall = f"{100 * margin:g} points or more"
    return f"{moved}; a fall of {fall} is {known}.{_detectable(summary)}"


def _moved(summary: Row, alpha: float) -> str:
    delta, low, high = (summary[name] for name in ("delta", "delta_low", "delta_high"))
    ends = " to ".join(f"{100 * each:+z.1f}".replace("-", "−") for each in (low, high))
    is_said = high - low <= 2 * _WIDEST
    interval = f" ({100 - 100 * alpha:.4g} % interval {ends} points)" if is_said else ""
    if abs(delta) < _ROUNDING:
        return f"stayed the same{interval}"
    return f"{'fell' if delta < 0 else 'rose'} by {say_points(delta)}{interval}"


def say_points(delta: float) -> str:
    """A change of a rate without its sign; of a small one the first digit that is not zero.

    Example:
        >>> say_points(-0.123), say_points(0.0004)
        ('12.3 points', '0.04 points')
    """
    points = abs(100 * delta)
    return f"{points:.1f} points" if points >= 0.05 else f"{points:.1g} points"


def _detectable(summary: Row) -> str:
    """Which fall the suite would show, rounded up; only where that is small enough to be of use."""
    share = summary["detectable"]
    if share is None or share > _WIDEST:
        return ""
    points = max(math.ceil(100 * share - _ROUNDING), 1)
    noun = "point" if points == 1 else "points"
    return f" A fall of {points} {noun} or more would show in the suite as a whole."


def say_p_value(p: float) -> str:
    """The test's p in words that fit behind its letter."""
    return f"= {p:.2g}" if p >= 0.001 else "< 0.001"
