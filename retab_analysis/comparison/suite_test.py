"""The statistics of a comparison."""

from __future__ import annotations

import polars as pl

from retab_analysis.comparison.transitions import TRANSITIONS
from retab_analysis.stats import least_flips, mcnemar_exact, paired_interval

BROKEN = ("regressed", "newly_blocked", "newly_errored")
"""The transitions in which an eval passed before and does not now."""

SUMMARY_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(TRANSITIONS, pl.Int64()),
        "baseline_pass_rate": pl.Float64(),
        "candidate_pass_rate": pl.Float64(),
        "n_pairs": pl.Int64(),
        "n_discordant": pl.Int64(),
        "delta": pl.Float64(),
        "delta_low": pl.Float64(),
        "delta_high": pl.Float64(),
        "p_value": pl.Float64(),
        "detectable": pl.Float64(),
    }
)
"""The columns of ``Comparison.summary``."""


def summarize(evals: pl.DataFrame, alpha: float) -> pl.DataFrame:
    """The one row of ``Comparison.summary``.

    Args:
        evals: One row per eval, as :func:`find_transitions` gives them.
        alpha: The level of the test, and one minus that of the interval.
    """
    counts = dict.fromkeys(TRANSITIONS, 0) | dict(evals["transition"].value_counts().iter_rows())
    worse, better = sum(counts[each] for each in BROKEN), counts["fixed"]
    pairs = worse + better + counts["still_passing"] + counts["still_failing"]
    row: dict[str, float | None] = {
        **counts,
        "baseline_pass_rate": _pass_rate(evals, "baseline"),
        "candidate_pass_rate": _pass_rate(evals, "candidate"),
        "n_pairs": pairs,
        "n_discordant": worse + better,
        **_difference(worse, better, pairs, alpha),
    }
    return pl.DataFrame([row], schema=SUMMARY_SCHEMA)


def _pass_rate(evals: pl.DataFrame, side: str) -> float | None:
    """The share of the decided results that passed; a few results of one eval count each."""
    n = pl.col(f"{side}_n")
    passed = (pl.col(f"{side}_pass_rate") * n).round().sum()  # counts, which 23/43 × 43 is not
    rate: float | None = evals.select(pl.when(n.sum() > 0).then(passed / n.sum())).item()
    return rate


def _difference(worse: int, better: int, pairs: int, alpha: float) -> dict[str, float | None]:
    if not pairs:
        return dict.fromkeys(("delta", "delta_low", "delta_high", "p_value", "detectable"))
    low, high = paired_interval(worse, better, pairs, alpha)
    needed = least_flips(alpha)
    return {
        "delta": (better - worse) / pairs,
        "delta_low": low,
        "delta_high": high,
        "p_value": mcnemar_exact(worse, better),
        "detectable": needed / pairs if needed <= pairs else None,
    }


def judge(summary: pl.DataFrame, alpha: float) -> str:
    """``no_change``, ``regressed``, ``improved`` or ``inconclusive``."""
    row = summary.row(0, named=True)
    if not row["n_pairs"]:
        return "inconclusive"
    if not row["n_discordant"]:
        return "no_change"
    if row["p_value"] <= alpha:
        return "regressed" if row["delta"] < 0 else "improved"
    return "inconclusive"
