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

from retab_analysis.evidence.code_edits import find_edits
from retab_analysis.evidence.inference import Histories
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
Flags = npt.NDArray[np.bool_]

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

    def runs_of_rows(self, wanted: Flags | None = None) -> pl.DataFrame:
        """The run of each eval in each row: ``eval, row, run_id, workflow_version_id, moment``.

        Args:
            wanted: Of which rows of which evals to tell, shape (evals, rows); None for all.
        """
        known = self.results["comparable"]
        if wanted is not None:
            places = (self.results[name].to_numpy() for name in ("eval", "row"))
            known &= pl.Series(wanted[tuple(places)])
        told = self.results.filter(known)
        newest = told.filter(pl.col("at") == pl.col("at").max().over("eval", "row"))
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
        in the order of time. The rows are in the order of sides, but not in the order of time, as
        that would take a copy of all columns. The order of the frames does not matter.
    """
    sides = ((history, EARLIER), (baseline, BASELINE), (candidate, CANDIDATE))
    frames = [
        _each_once(frame).with_columns(
            side=pl.lit(side, pl.Int8), moment=MOMENT, state=known_state()
        )
        for frame, side in sides
        if frame is not None
    ]
    if history is not None:
        frames[0] = _without_later(frames[0], pl.concat(frames[1:], how="diagonal"))
    combined = pl.concat(frames, how="diagonal")
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
    ids = results["eval_id"].drop_nulls().unique().sort()
    table = _number_evals(results, ids)
    evals = _evals(table, ids)
    table = table.with_columns(comparable=_comparable(table, evals)).drop(SAME_EVAL)
    now = int((table["side"] != CANDIDATE).sum())  # the candidate's results come last
    earlier, rows = _rows_of_earlier(table[:now], evals.height)
    row = np.concatenate([earlier, _rows_of_candidate(table[now:], rows)])
    table = table.with_columns(pl.Series("row", row, pl.Int64))
    shape = evals.height, 1 + int(row.max(initial=rows))
    outage = _is_outage(table[now:], evals)
    passes, fails = count_outcomes(table, shape)
    if not outage:
        errors = _repeated_errors(table[now:])
        fails[errors["eval"].to_numpy(), errors["row"].to_numpy()] += errors["errors"].to_numpy()
    return Outcomes(
        results=table.drop("result_id", "block_id", BLOCK_CODE),
        evals=evals.drop(SAME_EVAL).join(_edited_at(table), on="eval", how="left").sort("eval"),
        histories=Histories(
            passes=passes,
            fails=fails,
            block=evals["block"].to_numpy(),
            edited=_edited(table, evals, shape, rows, changed_blocks),
            candidate=rows,
            jumps=np.broadcast_to(np.arange(shape[1]) <= rows, shape),
        ),
        outage=outage,
    )


def _order(results: pl.DataFrame) -> Counts:
    """The places of results in the order of sides and of time, whatever the order they are in.

    Which of several of one moment came first is not known; hashes sort faster than ids. The runs
    are ranked first, because they are few: to sort by all of the keys takes three times as long.
    """
    run = pl.struct("side", "moment", pl.col("run_id").hash()).rank("dense")
    keys = results.select(run=run, result=pl.col("result_id").hash())
    return np.lexsort((keys["result"].to_numpy(), keys["run"].to_numpy()))


def _each_once(results: pl.DataFrame) -> pl.DataFrame:
    """Of a result that is there twice the later row; results without an id all count."""
    if results["result_id"].n_unique() == results.height:
        return results
    again = pl.col("result_id").is_not_null() & ~pl.struct(RESULTS.key).is_last_distinct()
    return results.filter(~again)


def _without_later(history: pl.DataFrame, compared: pl.DataFrame) -> pl.DataFrame:
    """History that is not among what is compared, and not later than the candidate."""
    # Results whose run is not known are recognised by their own id.
    left_out = [
        history[name].is_in(compared[name].drop_nulls().unique().implode())
        for name in ("run_id", "result_id")
    ]
    first = compared.filter(side=CANDIDATE)["moment"].min()
    if first is not None:  # where the candidate's dates are not known, nothing can be later
        left_out.append(history["moment"] > first)
    return history.filter(~pl.any_horizontal(each.fill_null(False) for each in left_out))


def _number_evals(results: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """What outcomes are made of; ``eval`` is the place of the eval's id in ``ids``.

    From here on evals are numbers: to group by those is faster than by texts.
    """
    number = results["eval_id"].cast(pl.Enum(ids)).to_physical().cast(pl.Int64)
    table = results.select(
        *("at", "side", "moment", "state", "run_id", "result_id", "workflow_version_id"),
        *("block_id", BLOCK_CODE, *SAME_EVAL),
        eval=number,
    )
    return table.filter(number.is_not_null())


def _evals(table: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """One row per eval: its block, and the newest of each of :data:`SAME_EVAL` that is known."""
    at, place = table["at"].to_numpy(), table["eval"].to_numpy()
    newest = [_newest(table[name], at, place, len(ids)) for name in ("block_id", *SAME_EVAL)]
    block = (pl.col("block_id").fill_null("").rank("dense") - 1).cast(pl.Int64)
    evals = pl.DataFrame([ids.alias("eval_id"), *newest]).with_row_index("eval")
    return evals.with_columns(pl.col("eval").cast(pl.Int64), block=block)


def _newest(values: pl.Series, at: Counts, group: Counts, n_groups: int) -> pl.Series:
    """The newest value of each group that is known; null where none is.

    Args:
        values: The values.
        at: Their order in time; no two are equal.
        group: The number of each one's group.
        n_groups: How many groups there are.
    """
    rows = np.flatnonzero(values.is_not_null().to_numpy())
    if rows.size < at.size:
        at, group = at[rows], group[rows]
    newest = np.full(n_groups, -1)
    np.maximum.at(newest, group, at)
    is_newest = newest[group] == at
    row = np.full(n_groups, -1)
    row[group[is_newest]] = rows[is_newest]
    return values.gather(pl.select(pl.when(pl.lit(row) >= 0).then(pl.lit(row))).to_series())


def _comparable(table: pl.DataFrame, evals: pl.DataFrame) -> pl.Series:
    """Whether a result is of the same eval as the candidate's newest, as far as that is known.

    A result that ended in an error or was cancelled does not say what it asserted. Of an eval that
    was edited it then says nothing about the present definition, and neither does any earlier
    result of unknown definition that is older than one of another.
    """
    place = table["eval"]
    differs, unknown = np.zeros((2, table.height), dtype=bool)
    for name in SAME_EVAL:
        own, wanted = table[name], evals[name].gather(place)
        differs |= (own != wanted).fill_null(False).to_numpy()
        unknown |= (own.is_null() & wanted.is_not_null()).to_numpy()
    if not differs.any():
        return pl.Series(~differs)
    at = table["at"].to_numpy()
    newest_other = np.full(evals.height, -1)
    np.maximum.at(newest_other, place.to_numpy()[differs], at[differs])
    other = newest_other[place.to_numpy()]
    is_decided = table["state"].is_in(DECIDED).to_numpy()
    is_earlier = (table["side"] != CANDIDATE).to_numpy()
    says_nothing = (at < other) | (~is_decided & (other >= 0))
    return pl.Series(~(differs | (unknown & says_nothing & is_earlier)))


def _rows_of_earlier(results: pl.DataFrame, n_evals: int) -> tuple[Counts, int]:
    """The row of each earlier result, and how many rows there are."""
    names = _name_runs(results)
    distinct = names.unique().sort()
    number = names.cast(pl.Enum(distinct)).to_physical()
    runs = (
        results.with_columns(run=number)
        .group_by("run")
        .agg(
            pl.col("moment").min(),
            pl.col("side").max(),
            _VERSION.min().alias("version"),
            pl.col("eval"),
        )
        # A baseline is earlier than the candidate by definition; among themselves runs are in
        # time order, and those whose time is not known are the oldest.
        .sort("moment", "side", "run", nulls_last=False)
    )
    rows = np.empty(runs.height, dtype=np.int64)
    rows[runs["run"].to_numpy()] = found = _rows_of_runs(runs, n_evals)
    return rows[number.to_numpy()], int(found.max(initial=-1)) + 1


def _name_runs(results: pl.DataFrame) -> pl.Series:
    """The run of each result; one without a run (a last pass of a saved eval) is a run itself."""
    if not results["run_id"].has_nulls():
        return results["run_id"]
    number = pl.col("at").cast(pl.String).str.zfill(12)
    alone = "result " + pl.coalesce("result_id", number)
    return results.select(pl.coalesce("run_id", alone)).to_series()


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


def _rows_of_candidate(results: pl.DataFrame, first: int) -> Counts:
    """The row of each of the candidate's results: an eval's runs are in the rows from first on."""
    if results["run_id"].n_unique() == 1:
        return np.full(results.height, first)
    runs = results.group_by("eval", "run_id").agg(pl.col("moment").min(), pl.col("at").min())
    ranked = runs.sort("eval", "moment", "run_id", "at", nulls_last=False).select(
        "eval", "run_id", rank=pl.int_range(pl.len(), dtype=pl.Int64).over("eval")
    )
    placed = results.select("eval", "run_id").join(
        ranked, on=["eval", "run_id"], how="left", nulls_equal=True, maintain_order="left"
    )
    return np.asarray(first + np.minimum(placed["rank"].to_numpy(), _MAX_RERUNS))


def _is_outage(now: pl.DataFrame, evals: pl.DataFrame) -> bool:
    """Whether many evals of several blocks have nothing but errors on the candidate's side."""
    ended = now.filter(pl.col("state").is_in((*DECIDED, "error")))
    found = ended.group_by("eval").agg((pl.col("state") == "error").all().alias("errored"))
    errored = found.filter("errored")["eval"]
    many = len(errored) >= max(_OUTAGE_EVALS, _OUTAGE_SHARE * found.height)
    return many and evals["block"].gather(errored).n_unique() > 1


def _repeated_errors(now: pl.DataFrame) -> pl.DataFrame:
    """``eval, row, errors``: the candidate's that came twice or more with no pass between.

    What came first of several results of one run is not known: beside a pass, its errors do not
    count.
    """
    now, state = now.filter("comparable"), pl.col("state")
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


def count_outcomes(table: pl.DataFrame, shape: tuple[int, int]) -> tuple[Counts, Counts]:
    """How many comparable passes and failures each eval has in each row."""
    cell = table["eval"].to_numpy() * shape[1] + table["row"].to_numpy()
    passed = table["comparable"] & (table["state"] == "passed")
    failed = table["comparable"] & table["state"].is_in(NOT_PASSING)
    passes, fails = (
        np.bincount(cell[each.to_numpy()], minlength=shape[0] * shape[1]).reshape(shape)
        for each in (passed, failed)
    )
    return passes, fails


def _edited_at(results: pl.DataFrame) -> pl.DataFrame:
    """When each eval was defined as it is now: its first comparable result after another one."""
    others = results.filter(~results["comparable"])
    other = others.group_by("eval").agg(other=pl.col("row").max())
    edited = results.filter(results["eval"].is_in(other["eval"].implode()))
    return (
        edited.join(other, on="eval")
        .filter("comparable", pl.col("row") > pl.col("other"))
        .sort("row", "at")
        .group_by("eval", maintain_order=True)
        .agg(
            pl.col("moment").first().alias("edited_at"),
            pl.col("run_id").first().alias("edited_run_id"),
            pl.col("workflow_version_id").first().alias("edited_version_id"),
        )
    )


def _edited(
    table: pl.DataFrame,
    evals: pl.DataFrame,
    shape: tuple[int, int],
    candidate: int,
    changed_blocks: frozenset[str] | None,
) -> Counts:
    """Whether the code of an eval's block in a row is another than in the row before."""
    row = np.minimum(table["row"].to_numpy(), candidate)  # reruns are of the same code
    cell = table["eval"].to_numpy() * shape[1] + row
    at, size = table["at"].to_numpy(), shape[0] * shape[1]
    codes, versions, blocks = (
        _newest(_number(table[name]), at, cell, size).fill_null(0).to_numpy().reshape(shape)
        for name in (BLOCK_CODE, "workflow_version_id", "block_id")
    )
    has_results = np.bincount(cell, minlength=size).reshape(shape) > 0
    told = None
    if changed_blocks is not None:
        told = evals["block_id"].is_in(sorted(changed_blocks)).fill_null(False).to_numpy()
    return find_edits(codes, versions, blocks, has_results, candidate, told)


def _number(names: pl.Series) -> pl.Series:
    """Names, which are long, many and mostly the same, as numbers from 1 on; null stays null."""
    distinct = pl.Enum(names.drop_nulls().unique())
    return names.cast(distinct).to_physical().cast(pl.Int64) + 1
