"""RESULTS frames as outcomes: what may be counted, in which row of time, on which code.

A *row* is a moment at which evals were run: usually one run. Runs of one version that share no eval
(a suite that was started block by block, reruns of single evals) are put into one row, because
nothing can have changed for an eval between two runs of which only one has it. The candidate's
first result of an eval is in the first row of the candidate, its reruns in the rows after it.

What counts, and why, is section 2 of the evidence rules in the documentation of
:mod:`retab_analysis.evidence`:

* A result counts for an eval where inputs, condition kind and expected value are the candidate's,
  or are not known on one side.
* ``passed`` is a pass, ``failed`` and ``blocked`` are failures. An ``error`` is neither, unless it
  repeats on the candidate's side with no pass between: then it is not the provider's bad minute.
* What is later than the candidate's first result is not history. A baseline that was passed in is
  earlier by definition.
* A result that is given twice counts once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from retab_analysis.evidence.histories import Histories
from retab_analysis.evidence.rates import EDITED, SAME, UNKNOWN
from retab_analysis.schema import RESULTS
from retab_analysis.vocabulary import (
    BLOCK_CODE,
    DECIDED,
    MOMENT,
    NOT_PASSING,
    SAME_EVAL,
    known_state,
)

Counts = npt.NDArray[np.int64]

_VERSION = pl.col("workflow_version_id")

EARLIER, BASELINE, CANDIDATE = 0, 1, 2
"""The values of ``side``: history, the baseline that was passed in, the candidate."""

NEEDED = (
    *("eval_id", "eval_name", "block_id", "state", "run_id", "result_id", "workflow_id"),
    *("workflow_version_id", "run_created_at", "created_at", BLOCK_CODE, *SAME_EVAL),
)
"""The columns of a RESULTS frame that outcomes are made of."""

_MAX_RERUNS = 40
_OUTAGE_EVALS = 3
_OUTAGE_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What is known of each eval, row by row.

    Attributes:
        results: One row per result that was looked at, in no promised order: ``at`` (its place in
            what :func:`combine_sides` says), ``eval`` (index into ``evals``), ``side``, ``row``
            (Int64), ``comparable`` (Boolean), ``state``, ``moment``, ``run_id``,
            ``workflow_version_id``.
        evals: One row per eval, in the order of the arrays: ``eval`` (index), ``eval_id``,
            ``block`` (index), ``edited_at`` (when its definition changed last, null where it did
            not).
        histories: The same as arrays, for the model.
        outage: Whether so many evals of several blocks ended in an error at once that the
            execution failed, and not the evals.
    """

    results: pl.DataFrame
    evals: pl.DataFrame
    histories: Histories
    outage: bool

    def runs_of_rows(self) -> pl.DataFrame:
        """The run of each eval in each row: ``eval, row, run_id, workflow_version_id, moment``."""
        known = self.results.filter("comparable")
        newest = known.filter(pl.col("at") == pl.col("at").max().over("eval", "row"))
        return newest.select("eval", "row", "run_id", "workflow_version_id", "moment")


def combine_sides(
    candidate: pl.DataFrame,
    baseline: pl.DataFrame | None = None,
    history: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Put results that are to be held against one another into one frame.

    Args:
        candidate: The results that are judged, with the columns :data:`NEEDED`; others are kept.
        baseline: Results that are earlier whatever their dates say, or None.
        history: Results of other runs, or None; those of the runs that are judged, or of the
            baseline, are left out, and those that are later than the candidate's first one.

    Returns:
        One row per result, each once, with ``side``, ``moment``, a ``state`` that is one of ours,
        and ``at``, by which they are numbered: history first, then baseline, then candidate, each
        in the order of time. The order of the frames does not matter.
    """
    sides = ((history, EARLIER), (baseline, BASELINE), (candidate, CANDIDATE))
    frames = [
        _each_once(frame).with_columns(
            side=pl.lit(side, pl.Int8), moment=MOMENT, state=known_state()
        )
        for frame, side in sides
        if frame is not None
    ]
    combined = _without_later(pl.concat(frames, how="diagonal"))
    at = np.empty(combined.height, dtype=np.int64)
    at[_order(combined)] = np.arange(at.size)
    return combined.with_columns(pl.Series("at", at))


def collect_outcomes(
    results: pl.DataFrame, changed_blocks: frozenset[str] | None = None
) -> Outcomes:
    """Make outcomes of results.

    Args:
        results: What :func:`combine_sides` gives.
        changed_blocks: The blocks in which the candidate's version differs from what was before,
            for blocks whose results do not say it; None where that is not known.
    """
    table = results.select("at", "side", "moment", *NEEDED)
    evals = _evals(table)
    table = _with_comparable(table.join(evals.select("eval_id", "eval", "block"), on="eval_id"))
    earlier, rows = _place_earlier(table.filter(pl.col("side") != CANDIDATE), evals.height)
    placed = pl.concat([earlier, _place_candidate(table.filter(side=CANDIDATE), rows)])
    outage = _is_outage(placed)
    shape = evals.height, 1 + max(rows, placed.select(pl.col("row").max()).item() or 0)
    decided = placed.filter(pl.col("comparable") & pl.col("state").is_in(DECIDED))
    passes = _counted(decided.filter(state="passed"), shape)
    fails = _counted(decided.filter(pl.col("state").is_in(NOT_PASSING)), shape)
    if not outage:
        errors = _repeated_errors(placed)
        fails[errors["eval"].to_numpy(), errors["row"].to_numpy()] += errors["errors"].to_numpy()
    return Outcomes(
        results=placed.select(
            *("at", "eval", "side", "row", "comparable", "state", "moment", "run_id"),
            "workflow_version_id",
        ),
        evals=evals.join(_edited_at(placed), on="eval", how="left").sort("eval"),
        histories=Histories(
            passes=passes,
            fails=fails,
            block=evals["block"].to_numpy(),
            edited=_edited(placed, evals, shape, rows, changed_blocks),
            start=_first_rows(passes + fails),
            candidate=rows,
        ),
        outage=outage,
    )


def _order(results: pl.DataFrame) -> Counts:
    """The places of results in the order of sides and of time, whatever the order they are in.

    Which of several of one moment came first is not known; hashes sort faster than ids.
    """
    ids = (pl.col(name).hash() for name in ("run_id", "result_id"))
    keys = results.select("side", "moment", *ids)
    order = keys.select(pl.arg_sort_by(keys.columns, nulls_last=False)).to_series()
    return order.cast(pl.Int64).to_numpy()


def _each_once(results: pl.DataFrame) -> pl.DataFrame:
    """Of a result that is there twice the later row; results without an id all count."""
    again = pl.col("result_id").is_not_null() & ~pl.struct(RESULTS.key).is_last_distinct()
    return results.filter(~again)


def _without_later(results: pl.DataFrame) -> pl.DataFrame:
    """Without history that is among what is compared, or later than the candidate."""
    compared = results.filter(pl.col("side") != EARLIER)
    first = pl.col("moment").filter(pl.col("side") == CANDIDATE).min()
    # Results whose run is not known are recognised by their own id.
    is_same = pl.any_horizontal(
        pl.col(name).is_in(compared[name].drop_nulls().unique().implode()).fill_null(False)
        for name in ("run_id", "result_id")
    )
    # Where the candidate's dates are not known, nothing can be later.
    is_later = (pl.col("moment") > first).fill_null(False)
    return results.filter((pl.col("side") != EARLIER) | ~(is_same | is_later))


def _evals(results: pl.DataFrame) -> pl.DataFrame:
    """One row per eval: ``eval, eval_id, block``, by id, so that the input's order is no matter."""
    ordered = results.select("at", "eval_id", "block_id").sort("at")
    evals = ordered.group_by("eval_id").agg(pl.col("block_id").drop_nulls().last()).sort("eval_id")
    return evals.with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("eval"),
        (pl.col("block_id").fill_null("").rank("dense") - 1).cast(pl.Int64).alias("block"),
    ).select("eval", "eval_id", "block_id", "block")


def _with_comparable(results: pl.DataFrame) -> pl.DataFrame:
    """Whether a result is of the same eval as the candidate's newest, as far as that is known."""
    ordered = results.select("at", "eval", *SAME_EVAL).sort("at")
    wanted = ordered.group_by("eval").agg(
        pl.col(name).drop_nulls().last().alias(f"w_{name}") for name in SAME_EVAL
    )
    differs = pl.any_horizontal(
        (pl.col(name) != pl.col(f"w_{name}")).fill_null(False) for name in SAME_EVAL
    )
    return results.join(wanted, on="eval", how="left").with_columns(comparable=~differs)


def _place_earlier(results: pl.DataFrame, n_evals: int) -> tuple[pl.DataFrame, int]:
    """Give each earlier result its ``row``; also how many rows there are."""
    # A result without a run (the last pass that a saved eval remembers) is a run of its own.
    number = pl.col("at").cast(pl.String).str.zfill(12)
    run = pl.coalesce("run_id", "result " + pl.coalesce("result_id", number))
    runs = (
        results.with_columns(run=run)
        .group_by("run")
        .agg(
            pl.col("moment").min(),
            pl.col("side").max(),
            pl.col("workflow_version_id").min().alias("version"),
            pl.col("eval").unique().sort(),
        )
        # A baseline is earlier than the candidate by definition; among themselves runs are in
        # time order, and those whose time is not known are the oldest.
        .sort("moment", "side", "run", nulls_last=False)
    )
    rows = _rows_of_runs(runs, n_evals)
    numbered = runs.select("run", pl.Series("row", rows, pl.Int64))
    placed = results.with_columns(run=run).join(numbered, on="run", how="left").drop("run")
    return placed, int(rows.max(initial=-1)) + 1


def _rows_of_runs(runs: pl.DataFrame, n_evals: int) -> Counts:
    """The row of each run: the one before it is shared where version and evals allow it."""
    rows = np.zeros(runs.height, dtype=np.int64)
    taken = np.zeros(n_evals, dtype=bool)
    row, version = -1, None
    for at, (ids, name) in enumerate(zip(runs["eval"], runs["version"], strict=True)):
        index = ids.to_numpy()
        if row < 0 or name != version or taken[index].any():
            row, version = row + 1, name
            taken[:] = False
        taken[index] = True
        rows[at] = row
    return rows


def _place_candidate(results: pl.DataFrame, first: int) -> pl.DataFrame:
    """The candidate's results: the n-th run of an eval is in the n-th row from the first on."""
    runs = results.group_by("eval", "run_id").agg(pl.col("moment").min(), pl.col("at").min())
    ranked = runs.sort("eval", "moment", "run_id", "at", nulls_last=False).select(
        "eval", "run_id", rank=pl.int_range(pl.len(), dtype=pl.Int64).over("eval")
    )
    placed = results.join(ranked, on=["eval", "run_id"], how="left", nulls_equal=True)
    row = first + pl.min_horizontal("rank", pl.lit(_MAX_RERUNS, pl.Int64))
    return placed.with_columns(row=row).drop("rank")


def _is_outage(results: pl.DataFrame) -> bool:
    """Whether many evals of several blocks have nothing but errors on the candidate's side."""
    now = results.filter(pl.col("side") == CANDIDATE, pl.col("state").is_in((*DECIDED, "error")))
    evals = now.group_by("eval").agg(
        pl.col("block").first(), (pl.col("state") == "error").all().alias("errored")
    )
    errored = evals.filter("errored")
    many = errored.height >= max(_OUTAGE_EVALS, _OUTAGE_SHARE * evals.height)
    return many and errored["block"].n_unique() > 1


def _repeated_errors(results: pl.DataFrame) -> pl.DataFrame:
    """``eval, row, errors``: the candidate's that came twice or more with no pass between.

    What came first of several results of one run is not known: beside a pass, its errors do not
    count.
    """
    now, state = results.filter(pl.col("side") == CANDIDATE, "comparable"), pl.col("state")
    errored = now.filter(state == "error")["eval"].unique()
    now = now.filter(pl.col("eval").is_in(errored.implode()))
    by_row = now.group_by("eval", "row").agg(
        (state == "passed").any().alias("passes"),
        (state == "error").sum().cast(pl.Int64).alias("errors"),
    )
    stretch = pl.col("passes").cum_sum().over("eval")
    errors = by_row.sort("eval", "row").with_columns(stretch=stretch).filter(~pl.col("passes"))
    repeated = pl.col("errors").sum().over("eval", "stretch") > 1
    return errors.filter(repeated).select("eval", "row", "errors")


def _counted(results: pl.DataFrame, shape: tuple[int, int]) -> Counts:
    """How many results each eval has in each row."""
    counts = np.zeros(shape, dtype=np.int64)
    where = results["eval"].to_numpy(), results["row"].to_numpy()
    np.add.at(counts, where, 1)
    return counts


def _first_rows(outcomes: Counts) -> Counts:
    """The first row in which an eval has an outcome; the number of rows where it has none."""
    seen = outcomes > 0
    found: Counts = np.where(seen.any(axis=1), seen.argmax(axis=1), outcomes.shape[1])
    return found


def _edited_at(results: pl.DataFrame) -> pl.DataFrame:
    """When each eval was defined as it is now: its first comparable result after another one."""
    other = results.filter(~pl.col("comparable")).group_by("eval").agg(other=pl.col("row").max())
    return (
        results.filter("comparable")
        .join(other, on="eval")
        .filter(pl.col("row") > pl.col("other"))
        .sort("row", "at")
        .group_by("eval", maintain_order=True)
        .agg(
            pl.col("moment").first().alias("edited_at"),
            pl.col("run_id").first().alias("edited_run_id"),
            pl.col("workflow_version_id").first().alias("edited_version_id"),
        )
    )


def _edited(
    results: pl.DataFrame,
    evals: pl.DataFrame,
    shape: tuple[int, int],
    candidate: int,
    changed_blocks: frozenset[str] | None,
) -> Counts:
    """Whether the code of an eval's block in a row is another than in the row before.

    A block was edited where that is so for at least half of its evals; and so it is for an eval
    whose own results say it, however long ago its result before was.
    """
    told = None
    if changed_blocks is not None:
        named = evals.filter(pl.col("block_id").is_in(sorted(changed_blocks)))
        told = named["block"].unique()
    own = _own_changes(results, candidate, told)
    by_block = own.group_by("block", "row").agg(
        pl.when(pl.col("changed").count() > 0)
        .then(pl.when(pl.col("changed").mean() >= 0.5).then(EDITED).otherwise(SAME))
        .otherwise(UNKNOWN)
        .alias("flag")
    )
    flags = np.full((evals["block"].n_unique(), shape[1]), SAME, dtype=np.int64)
    flags[by_block["block"].to_numpy(), by_block["row"].to_numpy()] = by_block["flag"].to_numpy()
    edited: Counts = flags[evals["block"].to_numpy()]
    changed = own.filter("changed")
    edited[changed["eval"].to_numpy(), changed["row"].to_numpy()] = EDITED
    return edited


def _own_changes(
    results: pl.DataFrame, candidate: int, changed_blocks: pl.Series | None
) -> pl.DataFrame:
    """``eval, block, row, changed``: whether the code is another than at the eval's last result.

    The block's fingerprint says so where both have one. Where neither that nor an equal version
    does, a version diff says it of the candidate, and of others that the version is another.
    """
    known = _codes_by_row(results, candidate)
    code, version_differs = pl.col(BLOCK_CODE), pl.col("version_before") != _VERSION
    if changed_blocks is not None:
        is_told = (pl.col("row") == candidate) & version_differs.fill_null(True)
        told = pl.col("block").is_in(changed_blocks.implode())
        version_differs = pl.when(is_told).then(told).otherwise(version_differs)
    both = code.is_not_null() & pl.col("code_before").is_not_null()
    changed = pl.when(both).then(code != pl.col("code_before")).otherwise(version_differs)
    return known.select("eval", "block", "row", changed=changed)


def _codes_by_row(results: pl.DataFrame, candidate: int) -> pl.DataFrame:
    """What is known of each eval's code where it has results, and of the code before."""
    code = pl.col(BLOCK_CODE)
    row = pl.min_horizontal("row", pl.lit(candidate, pl.Int64))  # reruns are of the same code
    # Numbers from 1 on for texts, which are many and mostly the same; 0 where it is not known.
    numbers = (
        each.cast(pl.Categorical).to_physical().cast(pl.Int64) + 1 for each in (code, _VERSION)
    )
    rows = (
        results.select("eval", "block", "at", *numbers, row=row)
        .sort("eval", "row", "at")
        .group_by("eval", "row", maintain_order=True)
        .agg(pl.col("block").first(), code.drop_nulls().last(), _VERSION.drop_nulls().last())
    )
    evals = rows["eval"].to_numpy()
    codes, versions = (rows[name].fill_null(0).to_numpy() for name in rows.columns[3:])
    before, after = _last_known(codes, evals), _last_known(codes[::-1], evals[::-1])[::-1]
    known = rows.with_columns(
        pl.Series("code_before", before).replace(0, None),
        pl.Series("version_before", _last_known(versions, evals)).replace(0, None),
    )
    # Where a code is not known, but is before and after, it is told of at the one after.
    is_told = (codes > 0) | (before == 0) | (after == 0)
    is_first = np.diff(evals, prepend=-1) != 0
    return known.filter(pl.Series(is_told & ~is_first))


def _last_known(numbers: Counts, evals: Counts) -> Counts:
    """The last number above 0 before each place, of the same eval; 0 where there is none.

    The places of an eval have to come together.
    """
    places = np.where(numbers > 0, np.arange(numbers.size), -1)
    last = np.concatenate([[-1], np.maximum.accumulate(places)[:-1]])[: numbers.size]
    is_same = (last >= 0) & (evals[last] == evals)
    return np.where(is_same, numbers[last], 0)
