"""How a comparison was made and how sure it is, in a few sentences.

A sentence that does not hold is left out. None speaks of all evals if some are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

from retab_analysis.comparison.detail import BROKE, DOUBT
from retab_analysis.comparison.suite_test import SuiteTest
from retab_analysis.comparison.verdict_facts import VerdictFacts
from retab_analysis.markup import count_noun, one_line, say_p_value, say_points
from retab_analysis.vocabulary import BROKEN, MOMENT, NOT_COMPARED, say_day

TRUE_IF_UNSURE = (
    "about 7 of 10 such evals are broken, in simulated suites in which every second edit breaks one"
)
_WIDEST = 0.25  # a wider interval, or a larger fall, helps no reader


def explain(facts: VerdictFacts, test: SuiteTest, margin: float) -> str:
    """Some lines: both sides, how sure the breaks are, the pass rates."""
    sides = facts.sides
    started = None
    if sides.started is not None:
        started = f"Started and not waited for: {count_noun(sides.started.height, 'rerun')}."
    edits = sides.edits
    lines = [
        " ".join(filter(None, (_say_compared(facts), *facts.notes, started, _say_unknown(facts)))),
        _say_sure(facts),
        _say_suite(facts, test, margin),
        None if edits is None else edits.describe(),
    ]
    return "\n".join(filter(None, lines))


def _say_compared(facts: VerdictFacts) -> str:
    sides, year = facts.sides, facts.year
    names = facts.versions or (
        "" if sides.baseline is None else facts.name_side(sides.baseline).text,
        facts.version,
    )
    is_compared = pl.col("eval_id").is_in([each.id for each in facts.stories])
    shown = is_compared if facts.versions and facts.stories else pl.lit(True)
    now = _name_runs(sides.candidate.filter(shown), names[1], year)
    now += f", {sides.read.why}," if sides.read.why else ""
    if sides.baseline is not None:
        before = _name_runs(sides.baseline, names[0], year)
        return f"Compared {now} with {before}{sides.read.against}."
    held = [s.was for s in facts.stories if s.was is not None and s.transition not in NOT_COMPARED]
    runs = {each.run_id for each in held if each.run_id is not None}
    said = [f"in {count_noun(len(runs), 'run')}"] if runs else []
    if remembered := sum(each.run_id is None for each in held):
        said.append(f"{remembered} as the saved evals remember")
    past = f" ({', '.join(said)})" if said else "; there is none"
    return f"Compared {now} with each eval's own past{past}."


def _say_unknown(facts: VerdictFacts) -> str | None:
    n = sum(bool(each.unknown) for each in facts.there)
    found = {word for each in facts.there for word in each.unknown}
    if not n:
        return None
    what = " or ".join(word for word in ("inputs", "condition", "expected value") if word in found)
    of = count_noun(len(facts.there), "eval")
    said = f"Whether the {what} of {n:,} of {of} changed is not known"
    return f"{said}; {'it is' if n == 1 else 'they are'} compared as if nothing had."


def _say_sure(facts: VerdictFacts) -> str | None:
    """How many evals broke with some doubt, and how often that is true; how many did not run."""
    broken = [each for each in facts.stories if each.transition in BROKEN]
    unsure, missing = (
        sum(each.is_unsure for each in broken),
        sum(each.not_run_since is not None for each in broken),
    )
    said = []
    if unsure:
        said.append(f"{count_noun(unsure, 'eval')} {BROKE}{DOUBT}: {TRUE_IF_UNSURE}.")
    if missing:
        verb = "was" if missing == 1 else "were"
        said.append(f"{count_noun(missing, 'eval')} that {BROKE} {verb} not run since.")
    return " ".join(said) or None


def _say_suite(facts: VerdictFacts, test: SuiteTest, margin: float) -> str:
    summary = facts.summary
    n, documents, low = (summary[name] for name in ("n_evals", "n_documents", "delta_low"))
    over = f"Over the {count_noun(n, 'eval')} decided on both sides"
    if low is None:
        why = "it takes two independent documents, and an earlier run of at least half of them"
        return f"{over} no test of the suite is possible: {why}."
    moved = f"{over} ({count_noun(documents, 'independent document')}) the pass rate "
    moved += _say_moved(summary, test.alpha)
    if test.fell or test.rose:
        return f"{moved}, more than chance explains (p value {say_p_value(summary['p_value'])})."
    known = "excluded" if test.is_not_worse(margin) else "not excluded"
    said = f"{moved}; a fall of {100 * margin:g} points or more is {known}."
    share = summary["detectable"]
    if share is None or share > _WIDEST:
        return said
    points = count_noun(max(math.ceil(100 * share - 1e-9), 1), "point")
    return f"{said} A fall of {points} or more would show in the suite as a whole."


def _say_moved(summary: Mapping[str, float], alpha: float) -> str:
    delta, low, high = (summary[name] for name in ("delta", "delta_low", "delta_high"))
    ends = " to ".join(f"{100 * each:+z.1f}".replace("-", "−") for each in (low, high))
    is_said = high - low <= 2 * _WIDEST
    interval = f" ({100 - 100 * alpha:.4g} % interval {ends} points)" if is_said else ""
    if abs(delta) < 1e-9:
        return f"stayed the same{interval}"
    return f"{'fell' if delta < 0 else 'rose'} by {say_points(delta)}{interval}"


def _name_runs(results: pl.DataFrame, version: str, year: int | None) -> str:
    """Some runs, and the name of their version."""
    runs = results["run_id"].drop_nulls().unique()
    at = results.select(MOMENT.min()).item()
    what = count_noun(len(runs), "run") if len(runs) else "results of unknown runs"
    if len(runs) == 1:
        day = "" if at is None else f"{say_day(at, year)}, {at:%H:%M}"
        what = f"the run of {day}" if day else f"run {one_line(runs[0])}"
    return f"{what} ({version})" if version else what
