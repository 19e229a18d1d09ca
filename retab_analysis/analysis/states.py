"""The state of each eval in each run or version."""

from __future__ import annotations

import polars as pl

from retab_analysis.analysis.frames import Frame, apply_lazily, check_key
from retab_analysis.arguments import check_flag
from retab_analysis.errors import ConfigError
from retab_analysis.schema import RESULTS
from retab_analysis.vocabulary import (
    MOMENT,
    combined_state,
    eval_rate,
    known_state,
    state_counts,
)

_TIMES = ("run_created_at", "created_at")
_STATE = ("state", "n", "pass_rate")
_EVAL = ("eval_id", "eval_name")


def combine_results(lazy: pl.LazyFrame, *keys: str, **more: pl.Expr) -> pl.LazyFrame:
    """One row per group of results, usually of one eval, with their combined state.

    Its columns are the keys, ``more``, ``moment`` (the earliest), the counts of each state, and
    ``state, n, pass_rate`` as :mod:`retab_analysis.vocabulary` defines them.
    """
    known = lazy.with_columns(known_state(), moment=MOMENT)
    groups = known.group_by(keys).agg(pl.col("moment").min(), *state_counts(), **more)
    return groups.with_columns(combined_state().alias("state"), *eval_rate())


def states(results: Frame, by: str = "run_id", *, wide: bool = False) -> Frame:
    """Find the state of each eval in each run, version, or other group.

    Several results of one eval in a group make one state, as in a comparison of two versions.
    Decided results (passed, failed, blocked) that are all the same give that state. If some pass
    and some do not, the state is ``mixed``. Otherwise it is the most frequent; if equal,
    ``blocked``. An eval without a decided result is ``error``, else ``unscored`` (also for unknown
    states), else ``cancelled``.

    Args:
        results: A RESULTS frame.
        by: The column that makes the groups, your own included.
        wide: Give a column for each group, for looking at evals side by side.

    Returns:
        Long: ``eval_id, eval_name`` (the newest one), the column of ``by``, ``state`` (String),
        ``n`` (Int64, the number of decided results), ``pass_rate`` (Float64, the share of them that
        passed; null without any). The groups are in time order: by earliest run, then by value. So
        are the evals of a group.

        Wide: ``eval_id, eval_name`` and a column of states for each value of ``by``, named after it
        and in the same order; null if an eval has no result there. The evals are in the order of
        the long form. The columns are known only after reading the results, so ``states`` collects
        a LazyFrame here; the outcome is still a LazyFrame.

    Raises:
        ConfigError: A column cannot be used, two columns of the wide form would have one name, or
            it is not a frame.
        SchemaError: It is not a RESULTS frame.

    Example:
        >>> import polars as pl
        >>> from retab_analysis.schema import RESULTS
        >>> rows = [("e1", "passed", "r1"), ("e1", "failed", "r2"), ("e2", "passed", "r2")]
        >>> frame = pl.DataFrame(rows, ["eval_id", "state", "run_id"], orient="row")
        >>> results = pl.concat([RESULTS.empty(), frame], how="diagonal")
        >>> ra.states(results, wide=True).rows()
        [('e1', None, 'passed', 'failed'), ('e2', None, None, 'passed')]
    """
    check_flag("wide", wide)
    key: str = check_key(by, results, RESULTS, (*_EVAL, *_STATE))

    def long(lazy: pl.LazyFrame) -> pl.LazyFrame:
        narrow = lazy.select(*_EVAL, "state", *_TIMES, pl.col(key).alias("key"))
        combined = combine_results(narrow, "eval_id", "key").with_columns(
            opened=pl.col("moment").min().over("key")
        )
        named = combined.join(_newest_names(narrow), on="eval_id", nulls_equal=True)
        ordered = named.sort("opened", "key", "moment", "eval_id", nulls_last=True)
        return ordered.select(*_EVAL, pl.col("key").alias(key), *_STATE)

    found = apply_lazily(results, RESULTS, (*_EVAL, "state", key, *_TIMES), long)
    if not wide:
        return found
    side_by_side = _widened(found.lazy().collect(), key)
    return side_by_side.lazy() if isinstance(found, pl.LazyFrame) else side_by_side


def _newest_names(lazy: pl.LazyFrame) -> pl.LazyFrame:
    """The newest name of each eval. A saved eval can be renamed between two runs."""
    name = pl.col("eval_name").sort_by(MOMENT, "eval_name", nulls_last=False)
    return lazy.group_by("eval_id").agg(name.drop_nulls().last())


def _widened(long: pl.DataFrame, key: str) -> pl.DataFrame:
    """A column of states for each value of a key, from the long form."""
    labels = long[key].cast(pl.String).fill_null("null")
    columns = [*_EVAL, *labels.unique(maintain_order=True)]
    if len(set(columns)) < len(columns) or labels.n_unique() < long[key].n_unique():
        raise ConfigError(
            f"two columns would have one name, after the values of {key}; wide=False keeps them "
            "apart"
        )
    return long.with_columns(labels).pivot(key, index=_EVAL, values="state")
