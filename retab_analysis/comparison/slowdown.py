"""How much longer evals take than before."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from retab_analysis.comparison.sides import Sides
from retab_analysis.stats.median import median_interval
from retab_analysis.vocabulary import DECIDED

_KEY = ("eval_id", "handle_inputs_fingerprint")


@dataclass(frozen=True, slots=True)
class Slowdown:
    """The median over evals of how many times as long they take as before.

    Attributes:
        ratio: The median of the evals' ratios; an eval's is of the medians of its durations.
        low: The lower end of its interval of 95 %; None with fewer than 6 evals.
        high: The upper end.
        n_evals: How many evals have a duration now and, with the same inputs, before.
    """

    ratio: float
    low: float | None
    high: float | None
    n_evals: int


def measure_slowdown(sides: Sides) -> Slowdown | None:
    """Compare the durations of decided results; None where no eval has any on both sides."""
    further = (each for each in (sides.baseline, sides.history) if each is not None)
    before = pl.concat([sides.candidate.clear(), *further], how="diagonal")
    ratios = (
        _medians(sides.candidate)
        .join(_medians(before), on=_KEY, nulls_equal=True, suffix="_before")
        .select(ratio=pl.col("duration_ms") / pl.col("duration_ms_before"))["ratio"]
        .to_list()
    )
    if not ratios:
        return None
    low, high = median_interval(ratios, 0.05) or (None, None)
    return Slowdown(pl.Series(ratios).median(), low, high, len(ratios))  # type: ignore[arg-type]


def _medians(results: pl.DataFrame) -> pl.DataFrame:
    timed = results.filter(pl.col("state").is_in(DECIDED), pl.col("duration_ms") > 0)
    return timed.group_by(_KEY).agg(pl.col("duration_ms").median())
