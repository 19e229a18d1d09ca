"""What a comparison says, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from retab_analysis.comparison.suite_test import BROKEN
from retab_analysis.markup import one_line
from retab_analysis.stats import least_flips

_PHRASES = {
    "newly_blocked": "newly blocked",
    "newly_errored": "newly errored",
    "not_comparable": "not comparable",
    "still_failing": "still failing",
    "still_passing": "still passing",
}
_NAMED = 20


def phrase(transition: str) -> str:
    """A transition in words."""
    return _PHRASES.get(transition, transition)


def listed(evals: pl.DataFrame, limit: int = _NAMED) -> str:
    """The names of some evals, each with its id."""
    names = [
        eval_id if name is None else f"{one_line(name)} ({eval_id})"
        for name, eval_id in evals.head(limit).select("eval_name", "eval_id").iter_rows()
    ]
    more = evals.height - limit
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def counted(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def headline(summary: Mapping[str, Any], evals: pl.DataFrame) -> str:
    """In one line: what broke, what was fixed, what is not counted, what stayed."""
    parts = [f"{_broken(summary)} broke{_in_changed_blocks(evals)}"]
    parts += [
        f"{summary[each]} {phrase(each)}"
        for each in ("fixed", "flaky", "incomplete", "not_comparable", "removed", "added")
        if summary[each]
    ]
    return ", ".join([*parts, f"{summary['still_passing'] + summary['still_failing']} unchanged"])


def _broken(summary: Mapping[str, Any]) -> int:
    return sum(summary[each] for each in BROKEN)


def _in_changed_blocks(evals: pl.DataFrame) -> str:
    broken = evals.filter(pl.col("transition").is_in(BROKEN))["block_changed"]
    known = broken.drop_nulls()
    if known.is_empty():
        return ""
    return f" ({known.sum()} in a block that changed)"


def explain(
    compared: str, summary: Mapping[str, Any], evals: pl.DataFrame, verdict: str, alpha: float
) -> str:
    """Three sentences: what was compared, what flipped, what the numbers say."""
    return " ".join((compared, _flips(summary, evals), _statistics(summary, verdict, alpha)))


def _flips(summary: Mapping[str, Any], evals: pl.DataFrame) -> str:
    broken = _broken(summary)
    said = f"{counted(broken, 'eval')} passed before and {'does' if broken == 1 else 'do'} not now"
    if not broken:
        said = "No eval that passed before fails now"
    fixed = summary["fixed"]
    said += f"{_noise(evals)}, {fixed or 'none'} {'was' if fixed < 2 else 'were'} fixed"
    apart = [
        f"{summary[each]} {phrase(each)}"
        for each in ("flaky", "incomplete", "not_comparable", "removed", "added")
        if summary[each]
    ]
    return f"{said}; not counted: {', '.join(apart)}." if apart else f"{said}."


def _noise(evals: pl.DataFrame) -> str:
    """How many of what broke are in a block that did not change: suspect."""
    broken = evals.filter(pl.col("transition").is_in(BROKEN))
    same = broken.filter(~pl.col("block_changed")).height
    if not same:
        known = broken.height and broken["block_changed"].null_count() == 0
        return " (in blocks that changed)" if known else ""
    share = "" if same == broken.height else f"{same} of them "
    return f" ({share}in a block that did not change, which may be noise)"


def _statistics(summary: Mapping[str, Any], verdict: str, alpha: float) -> str:
    pairs = summary["n_pairs"]
    if not pairs:
        return "There is no eval whose two sides can be compared, so nothing can be concluded."
    over = f"Over {counted(pairs, 'comparable eval')}"
    if verdict == "no_change":
        return f"{over} nothing flipped{_power(summary, alpha)}."
    share = f"{over} the pass rate {_moved(summary, alpha)}"
    p = f"exact McNemar p {_probability(summary['p_value'])}"
    if verdict == "inconclusive":
        return f"{share}, which may be chance ({p}){_power(summary, alpha)}."
    return f"{share}, which is more than chance explains at {alpha:g} ({p})."


def _moved(summary: Mapping[str, Any], alpha: float) -> str:
    delta, low, high = (100 * summary[name] for name in ("delta", "delta_low", "delta_high"))
    ends = f"{low:+.1f} to {high:+.1f}".replace("-", "−")
    interval = f"{100 - 100 * alpha:.4g} % interval {ends}"
    if delta == 0:
        return f"stayed the same ({interval} points)"
    return f"{'fell' if delta < 0 else 'rose'} by {abs(delta):.1f} points ({interval})"


def _power(summary: Mapping[str, Any], alpha: float) -> str:
    """What it would have taken."""
    flips = least_flips(alpha)
    if summary["detectable"] is None:
        return f"; {flips} one-way flips are the least that can be significant at {alpha:g}"
    return (
        f"; {flips} one-way flips ({summary['detectable']:.1%} of them) are the least that can be "
        f"significant at {alpha:g}"
    )


def _probability(p: float) -> str:
    return f"= {p:.2g}" if p >= 0.001 else "< 0.001"


def label(frame: pl.DataFrame) -> str:
    """What a side is: its run, or how many, and its version."""
    runs = _distinct(frame, "run_id")
    versions = _distinct(frame, "workflow_version_id")
    what = f"run {one_line(runs[0])}" if len(runs) == 1 else counted(len(runs), "run")
    if not versions:
        return what
    named = ", ".join(one_line(version) for version in versions[:3])
    more = f" and {len(versions) - 3} more" if len(versions) > 3 else ""
    return f"{what} of version{'s' if len(versions) > 1 else ''} {named}{more}"


def _distinct(frame: pl.DataFrame, name: str) -> Sequence[str]:
    return frame[name].drop_nulls().unique().sort().to_list()
