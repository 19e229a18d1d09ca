"""Which word follows for an eval that was decided before and now: one rule for every door."""

from __future__ import annotations

import polars as pl

from retab_analysis.evidence.reruns import CLEARED_BY_PASS
from retab_analysis.vocabulary import CERTAIN_ENOUGH, LIKELY, UNLIKELY, first_that_holds


def find_word(p: pl.Expr) -> pl.Expr:
    """``broken``, or the transition that follows: the first rule that fits.

    ``p`` is the probability that the eval got worse and was not mended. It reads the columns of
    :meth:`retab_analysis.evidence.since.Findings.of_each_eval`; ``passed_once``; ``was_good``,
    whether it passed, at times at least, where it is held against; ``passes``, whether it only
    passes now; and ``less_often``, whether it passes now, but less often than it did.
    """
    both = pl.col("passed_last") & pl.col("failed_last")
    failed = pl.col("outcomes_since") - pl.col("passes_since")
    by_edit = (pl.col("cause") == "edit") & (p >= LIKELY) & (pl.col("passes_since") <= failed)
    is_cleared = (p <= UNLIKELY) | (both & (p <= CLEARED_BY_PASS))
    worse = pl.col("was_good") & (~pl.col("has_pass") | pl.col("less_often"))
    return first_that_holds(
        ((p >= CERTAIN_ENOUGH) & pl.col("passed_once"), "broken"),
        (pl.col("is_flaky"), "flaky"),
        (worse & by_edit, "broken"),
        (worse & is_cleared & pl.col("failed_last"), "flaky"),
        (worse & is_cleared, "still_passing"),
        (worse, "suspect"),
        (pl.col("passes") & ~pl.col("was_good") & (pl.col("p_improved") >= LIKELY), "fixed"),
        (pl.col("passes"), "still_passing"),
        (both, "flaky"),
        (pl.col("passed_last"), "still_passing"),
        otherwise="still_failing",
    )
