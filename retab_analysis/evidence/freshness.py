"""Whether a rerun repeats the candidate's run: the same code, the same eval.

A result of other code, or of an eval with another assertion by now, says nothing about the
candidate. Before a start, only the saved evals can tell. Their newest results carry fingerprints,
and the API tells whether these results are still up to date. If it does not, a block that was saved
after the candidate's run counts as edited. After the run the results themselves tell.
"""

from __future__ import annotations

import polars as pl

from retab_analysis.schema import asserts_the_same
from retab_analysis.vocabulary import BLOCK_CODE, ERA, MOMENT, SAME_EVAL

_INPUTS = SAME_EVAL[0]
_KNOWN = ("block_id", "eval_name", BLOCK_CODE, *SAME_EVAL)
_MOMENT = pl.Datetime("us", "UTC")
_EDITED = ("eval_id", "eval_name", "block_id", "edited")


def find_edited(
    candidate: pl.DataFrame, saved: pl.DataFrame, blocks: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The evals that certainly would not repeat the candidate's run if they ran now.

    ``saved`` is an EVALS frame. ``blocks`` has the time when each block was saved (``block_id,
    updated_at``), for evals without freshness from the API. Returns ``eval_id, eval_name, block_id,
    edited``: ``code``, ``validity``, ``saved``, ``inputs`` or ``condition``.
    """
    told = saved.select(
        *("eval_id", "latest_block_fingerprint", "latest_inputs_fingerprint"),
        *("freshness_status", "freshness_reasons"),
        pl.col("condition").alias("saved_condition"),
    )
    both = told.join(_known(candidate), on="eval_id").with_columns(_saved_later(blocks))
    code, inputs = pl.col("latest_block_fingerprint"), pl.col("latest_inputs_fingerprint")
    asserted = both.select("saved_condition", *SAME_EVAL[1:]).iter_rows()
    same = [None if None in row[:2] else asserts_the_same(*row) for row in asserted]
    edited = _first_that_holds(
        {
            "code": code != pl.col(BLOCK_CODE),
            "validity": (code == pl.col(BLOCK_CODE)) & _is_stale("validity_changed"),
            "inputs": (inputs != pl.col(_INPUTS))
            | ((inputs == pl.col(_INPUTS)) & _is_stale("inputs_changed")),
            "condition": ~pl.lit(pl.Series(same, dtype=pl.Boolean)),
            "saved": ~has_freshness() & pl.col("is_saved_later"),
        }
    )
    return both.with_columns(edited=edited).drop_nulls("edited").select(_EDITED)


def split_reruns(
    candidate: pl.DataFrame, reruns: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The reruns of the candidate's code and eval, as far as both are known, and the rest.

    The rest has the columns of :func:`find_edited`.
    """
    known = _known(candidate).rename({name: f"known_{name}" for name in _KNOWN})
    both = reruns.join(known, on="eval_id", how="left", maintain_order="left")

    def differs(name: str) -> pl.Expr:
        return pl.col(name) != pl.col(f"known_{name}")

    edited = _first_that_holds(
        {
            "code": differs(BLOCK_CODE),
            "inputs": differs(_INPUTS),
            "condition": differs("condition_kind").fill_null(False)
            | differs("expected_value").fill_null(False),
        }
    )
    judged = both.with_columns(edited=edited)
    same = judged.filter(pl.col("edited").is_null()).select(reruns.columns)
    return same, judged.drop_nulls("edited").select(_EDITED)


def has_freshness() -> pl.Expr:
    """Whether the API tells if a saved eval's newest result is up to date."""
    return pl.col("freshness_status").is_in(("fresh", "stale")).fill_null(False)


def _first_that_holds(cases: dict[str, pl.Expr]) -> pl.Expr:
    return pl.coalesce(
        pl.when(holds.fill_null(False)).then(pl.lit(name)) for name, holds in cases.items()
    )


def _known(candidate: pl.DataFrame) -> pl.DataFrame:
    """Each eval's code and definition by its newest results, and the time of its last run."""
    is_era = pl.col(BLOCK_CODE).str.starts_with(ERA)
    return (
        candidate.with_columns(pl.when(~is_era).then(BLOCK_CODE).alias(BLOCK_CODE))
        .sort(MOMENT, nulls_last=False, maintain_order=True)
        .group_by("eval_id")
        .agg(pl.col(name).drop_nulls().last() for name in _KNOWN)
        .with_columns(ran_at=pl.lit(candidate["run_created_at"].max(), _MOMENT))
    )


def _saved_later(blocks: pl.DataFrame | None) -> pl.Expr:
    """``is_saved_later``: whether the block of an eval was saved after the candidate's run."""
    times = {} if blocks is None else dict(blocks.select("block_id", "updated_at").iter_rows())
    saved_at = pl.col("block_id").replace_strict(times, default=None, return_dtype=_MOMENT)
    return (saved_at > pl.col("ran_at")).fill_null(False).alias("is_saved_later")


def _is_stale(reason: str) -> pl.Expr:
    reasons = pl.col("freshness_reasons").str.split(", ")
    return (pl.col("freshness_status") == "stale") & reasons.list.contains(reason)
