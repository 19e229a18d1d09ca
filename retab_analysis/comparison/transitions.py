"""The rules, in their order, as expressions over two sides."""

from __future__ import annotations

import polars as pl

from retab_analysis.comparison.flip_history import with_history
from retab_analysis.comparison.sides import BLOCK, SAME, differs, one_side
from retab_analysis.stats import DECIDED, change_of, fisher_exact_over

TRANSITIONS = (
    "regressed",
    "newly_blocked",
    "newly_errored",
    "fixed",
    "flaky",
    "incomplete",
    "not_comparable",
    "removed",
    "added",
    "still_failing",
    "still_passing",
)
"""What can become of an eval, in the order in which one wants to hear of it."""

EVALS_SCHEMA = pl.Schema(
    {
        "eval_name": pl.String(),
        "transition": pl.String(),
        "block_id": pl.String(),
        "block_changed": pl.Boolean(),
        "reason": pl.String(),
        "document_names": pl.List(pl.String()),
        "expected_value": pl.String(),
        "baseline_actual": pl.String(),
        "candidate_actual": pl.String(),
        "baseline_state": pl.String(),
        "candidate_state": pl.String(),
        "baseline_n": pl.Int64(),
        "candidate_n": pl.Int64(),
        "baseline_pass_rate": pl.Float64(),
        "candidate_pass_rate": pl.Float64(),
        "score_delta": pl.Float64(),
        "margin_delta": pl.Float64(),
        "duration_delta_ms": pl.Int64(),
        "eval_id": pl.String(),
        "baseline_run_id": pl.String(),
        "candidate_run_id": pl.String(),
    }
)
"""The columns of ``Comparison.evals``, one row per eval."""

_WORDS = ("inputs", "condition", "expected value")
_BOTH = "mixed", *DECIDED


def find_transitions(
    baseline: pl.LazyFrame,
    candidate: pl.LazyFrame,
    history: pl.LazyFrame | None,
    changed_blocks: frozenset[str] | None,
    alpha: float,
) -> pl.DataFrame:
    """Compare two sides, eval by eval.

    Args:
        baseline: The results before, as :func:`check_results` gives them.
        candidate: The results now.
        history: Results of other runs, or None.
        changed_blocks: The blocks in which the versions differ, or None where that is not known.
        alpha: The level at which a difference counts as none of chance.

    Returns:
        One row per eval with the columns of :data:`EVALS_SCHEMA`: what needs attention first, in
        the order of :data:`TRANSITIONS`, those in a block that did not change last, then by block,
        name and id.
    """
    left, right = one_side(baseline), one_side(candidate)
    both = left.join(
        right.rename(lambda name: f"c_{name}"),
        left_on="eval_id",
        right_on="c_eval_id",
        how="full",
        coalesce=True,
    )
    looked = both.with_columns(
        _flipped(), *(differs(name).alias(f"{name}_differs") for name in SAME)
    )
    counted = with_history(looked, _none(baseline) if history is None else history)
    tested = counted.with_columns(mixed_p=fisher_exact_over("passed", "n", "c_passed", "c_n"))
    judged = tested.with_columns(transition=_transition(alpha)).with_columns(reason=_reason())
    return _told(judged, changed_blocks).collect()


def _none(results: pl.LazyFrame) -> pl.LazyFrame:
    return results.filter(pl.lit(False))


def _flipped() -> pl.Expr:
    """Passing on one side, decided and not passing on the other; nothing mixed."""
    one = (pl.col("state") == "passed") != (pl.col("c_state") == "passed")
    decided = pl.col("state").is_in(DECIDED) & pl.col("c_state").is_in(DECIDED)
    return (one & decided).fill_null(False).alias("flipped")


def _is_mixed() -> pl.Expr:
    return (pl.col("state") == "mixed") | (pl.col("c_state") == "mixed")


def _transition(alpha: float) -> pl.Expr:
    before, after = pl.col("state"), pl.col("c_state")
    other = pl.any_horizontal(pl.col(f"{name}_differs").fill_null(False) for name in SAME)
    lucky = pl.col("earlier_flips") & (pl.col("flip_chance") > alpha)
    return (
        pl.when(before.is_null())
        .then(pl.lit("added"))
        .when(after.is_null())
        .then(pl.lit("removed"))
        .when(other)
        .then(pl.lit("not_comparable"))
        .when(~before.is_in(_BOTH) | ~after.is_in(_BOTH))
        .then(pl.lit("incomplete"))
        .when(_is_mixed() & (pl.col("mixed_p") > alpha))
        .then(pl.lit("flaky"))
        .when(_is_mixed() & (pl.col("c_pass_rate") > pl.col("pass_rate")))
        .then(pl.lit("fixed"))
        .when(_is_mixed())
        .then(pl.lit("regressed"))
        .when(pl.col("flipped") & lucky)
        .then(pl.lit("flaky"))
        .otherwise(change_of(before, after))
    )


def _reason() -> pl.Expr:
    transition = pl.col("transition")
    return (
        pl.when(transition == "not_comparable")
        .then(_changed())
        .when(transition == "incomplete")
        .then(_incomplete())
        .when(transition.is_in(("flaky", "regressed", "fixed")) & _is_mixed())
        .then(_mixed())
        .when(pl.col("flipped") & pl.col("earlier_flips"))
        .then(_earlier())
    )


def _changed() -> pl.Expr:
    words = [
        pl.when(pl.col(f"{name}_differs")).then(pl.lit(word))
        for name, word in zip(SAME, _WORDS, strict=True)
    ]
    return pl.concat_str(
        pl.concat_str(words, separator=" and ", ignore_nulls=True), pl.lit(" changed")
    )


def _incomplete() -> pl.Expr:
    sides = [
        pl.when(~pl.col(name).is_in(_BOTH)).then(pl.format(f"{side} {{}}", name))
        for name, side in (("state", "baseline"), ("c_state", "candidate"))
    ]
    return pl.concat_str(sides, separator=", ", ignore_nulls=True)


def _mixed() -> pl.Expr:
    counts = pl.format("passed {} of {}, then {} of {}", "passed", "n", "c_passed", "c_n")
    p = pl.format("{} (p = {})", counts, pl.col("mixed_p").round_sig_figs(2))
    return pl.when(pl.col("transition") == "flaky").then(counts).otherwise(p)


def _earlier() -> pl.Expr:
    errored = (pl.col("state") == "error") | (pl.col("c_state") == "error")
    counts = pl.format(
        "{} {} of {} earlier runs on identical code",
        pl.when(errored).then(pl.lit("errored in")).otherwise(pl.lit("failed")),
        "earlier_failed",
        "earlier_n",
    )
    p = pl.format("{} (p = {})", counts, pl.col("flip_chance").round_sig_figs(2))
    return pl.when(pl.col("transition") == "flaky").then(counts).otherwise(p)


def _told(judged: pl.LazyFrame, changed_blocks: frozenset[str] | None) -> pl.LazyFrame:
    """The columns that are shown, in the order in which they are read."""
    either = [
        pl.coalesce(f"c_{name}", name).alias(name)
        for name in ("eval_name", "block_id", "document_names", "expected_value")
    ]
    named = judged.with_columns(
        *either,
        *(_delta(name) for name in ("score", "margin")),
        block_changed=_block_changed(changed_blocks),
        # One of 300 million years is none that can be told.
        duration_delta_ms=(pl.col("c_duration_ms") - pl.col("duration_ms"))
        .round()
        .cast(pl.Int64, strict=False),
    ).rename(
        {
            f"{prefix}{name}": f"{side}_{short}"
            for prefix, side in (("", "baseline"), ("c_", "candidate"))
            for name, short in _SIDE_COLUMNS.items()
        }
    )
    place = pl.col("transition").replace_strict(
        TRANSITIONS, range(len(TRANSITIONS)), return_dtype=pl.Int8
    )
    suspect = ~pl.col("block_changed").fill_null(True)
    ordered = named.sort(place, suspect, "block_id", "eval_name", "eval_id", nulls_last=True)
    return ordered.with_columns(
        pl.col("baseline_n", "candidate_n").fill_null(0),
    ).select(pl.col(name).cast(dtype) for name, dtype in EVALS_SCHEMA.items())


_SIDE_COLUMNS = {
    "actual_value": "actual",
    "state": "state",
    "n": "n",
    "pass_rate": "pass_rate",
    "run_id": "run_id",
}


def _delta(name: str) -> pl.Expr:
    return (pl.col(f"c_{name}") - pl.col(name)).alias(f"{name}_delta")


def _block_changed(changed_blocks: frozenset[str] | None) -> pl.Expr:
    if changed_blocks is None:
        return differs(BLOCK)
    block = pl.coalesce("c_block_id", "block_id")
    return block.is_in(sorted(changed_blocks))
