"""The ledger: each eval's outcomes in order of time, from whatever run, and what of them counts.

An outcome is a pass or not (``failed``, ``blocked``), whether it came from a run of the whole
workflow, of a block, or of the eval alone; there is no other kind of evidence. The rules, which are
section 2 of the evidence rules in the documentation of :mod:`retab_analysis.evidence`:

*Definition.* Two outcomes are comparable where inputs, kind of condition and expected value, by
value, are the same or not known on one side. The present definition is that of the newest decided
result; an eval's history begins after the last one that differs from it.

*Hours.* A row of the model is a run of the workflow or of a block, with the runs of single evals on
the same code that began within 30 minutes after it ended. Later ones form a row of their own, which
is open for 30 minutes from the first of them. Rows are counted by block: what was run of one block
is not a moment at which another one could have broken. Within a day no rate jumps between a run and
its reruns on the same code.

*Errors.* An execution error is not an outcome. Where errors repeat, in two rows on the same code
with no pass between, they count as not passing. In an outage they never do.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

import numpy as np
import polars as pl

from retab_analysis.evidence.inference import Histories
from retab_analysis.evidence.rates import EDITED, SAME, UNKNOWN, Bools, Ints
from retab_analysis.schema import RESULTS, write_by_value
from retab_analysis.vocabulary import BLOCK_CODE, DECIDED, MOMENT, NOT_PASSING, known_state

EARLIER, BASELINE, CANDIDATE = 0, 1, 2
"""The values of ``side``: history, the baseline that was passed in, the candidate."""

DEFINITION = ("handle_inputs_fingerprint", "condition_kind", "expected")
"""What has to agree; ``expected`` is the expected value by value."""

NEEDED = (
    *("eval_id", "eval_name", "block_id", "state", "run_id", "result_id", "workflow_id"),
    *("workflow_version_id", "run_created_at", "created_at", "completed_at", BLOCK_CODE),
    *("handle_inputs_fingerprint", "condition_kind", "expected_value"),
)
"""The columns of a RESULTS frame of which a ledger is made."""

SAME_HOUR = timedelta(minutes=30)
SAME_DAY = timedelta(days=1)
OUTAGE_EVALS, OUTAGE_SHARE, OUTAGE_HALF = 3, 0.1, 0.5
_TIES = ("eval_id", "state", BLOCK_CODE, *DEFINITION[:2], "expected_value")
_PLACED = pl.Schema({"block": pl.Int64, "run": pl.String, "is_now": pl.Boolean, "row": pl.Int64})
_NOT_TOLD = -1  # of an edit, beside SAME, UNKNOWN and EDITED


Cell = dict[str, Any]
"""What there is of a block in a run, or one result, by the names of columns."""


@dataclass(frozen=True, eq=False)
class Ledger:
    """What is known of each eval, row by row.

    Attributes:
        results: One row per result that was looked at, in the order of time: ``at`` (its place in
            what :func:`combine_sides` says), ``eval`` (index into ``evals``), ``side``, ``row``
            (Int64), ``comparable`` (Boolean: of the present definition), ``state``, ``moment``,
            ``run_id, workflow_version_id, block_id``, ``is_single`` (of a run of one eval),
            ``outage`` (of a run in an outage); ``code`` (of its block) and :data:`DEFINITION`.
        evals: One row per eval, in the order of the arrays: ``eval`` (index), ``eval_id``,
            ``block_id``, ``block`` (index).
        histories: The same as arrays, for the model.
        errors_count: Which evals have repeated errors that count as not passing on the
            candidate's side, shape (n,).
    """

    results: pl.DataFrame
    evals: pl.DataFrame
    histories: Histories
    errors_count: Bools


def combine_sides(
    candidate: pl.DataFrame,
    baseline: pl.DataFrame | None = None,
    history: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Put results that are to be held against one another into one frame.

    Args:
        candidate: The results that are judged, with the columns :data:`NEEDED`; others are kept.
        baseline: Results that are earlier whatever their dates say, or None.
        history: Other results that are earlier than the candidate's, or None.

    Returns:
        One row per result, each once, with ``side``, ``moment`` and a ``state`` that is one of
        ours: what is earlier first, then the candidate, each in the order of time, numbered by
        ``at``. The order of the frames does not matter.
    """
    sides = ((history, EARLIER), (baseline, BASELINE), (candidate, CANDIDATE))
    frames = [
        _each_once(frame).with_columns(
            side=pl.lit(side, pl.Int8), moment=MOMENT, state=known_state()
        )
        for frame, side in sides
        if frame is not None
    ]
    # Which of several of one moment came first is not known: ids, and else all that is judged,
    # only see to it that the order of the frames does not say so.
    order = pl.col("side") == CANDIDATE, "moment", "side", "run_id", "result_id", *_TIES
    ordered = pl.concat(frames, how="diagonal").sort(order, nulls_last=False)
    return ordered.with_columns(at=pl.int_range(pl.len()))


def _each_once(results: pl.DataFrame) -> pl.DataFrame:
    """Of a result that is there twice the later row; results without an id all count."""
    if results["result_id"].n_unique() == results.height:
        return results
    again = pl.col("result_id").is_not_null() & ~pl.struct(RESULTS.key).is_last_distinct()
    return results.filter(~again)


def collect(
    results: pl.DataFrame,
    runs: pl.DataFrame | None = None,
    changed_blocks: frozenset[str] | None = None,
) -> Ledger:
    """Make a ledger of results.

    Args:
        results: What :func:`combine_sides` gives.
        runs: ``run_id, scope`` of their runs; where it is None, or lacks a run, a run of one eval
            that other runs have among others is taken for a run of that eval alone.
        changed_blocks: The blocks in which the candidate's version differs from what was before,
            for blocks whose results do not say it; None where that is not known.
    """
    table, evals = _arrange(results)
    table = _describe_runs(_mark_comparable(table), runs)
    cells = _list_cells(table)
    candidate = _place_rows(cells)
    key = ("block", "run", "is_now")
    rows = pl.DataFrame([{name: cell[name] for name in (*key, "row")} for cell in cells], _PLACED)
    table = table.join(rows, on=key, maintain_order="left")
    block = evals["block"].to_numpy()
    shape = evals.height, 1 + max([candidate, *rows["row"]])
    edited = _find_edits(table, evals, shape, candidate, changed_blocks)
    passes, fails = (
        _count(table.filter("comparable", pl.col("state").is_in(states)), shape)
        for states in (("passed",), NOT_PASSING)
    )
    repeated = np.where(fails > 0, 0, _repeat(table, passes, edited))
    jumps = np.ones(shape, dtype=np.bool_)
    for cell in cells:
        if cell["is_rerun"]:
            at = cell["row"]
            jumps[:, at] &= (block != cell["block"]) | (edited[:, at] == EDITED)
    return Ledger(
        results=table.select(
            *("at", "eval", "side", "comparable", "state", "moment", "run_id"),
            *("workflow_version_id", "block_id", "is_single", "outage"),
            pl.when(pl.col("row") >= 0).then("row").alias("row"),
            *("code", *DEFINITION),
        ),
        evals=evals,
        histories=Histories(passes, fails + repeated, block, edited, candidate, jumps),
        errors_count=np.asarray(repeated[:, candidate:].any(axis=1)),
    )


def _arrange(results: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The results that a ledger is made of, in the order of time; and the evals.

    A result without a run (a pass that only the saved eval remembers) is a run itself.
    """
    # Only where an eval has several texts they may be one value.
    pairs = results.select("eval_id", "expected_value").unique().drop_nulls()
    several = pairs.filter(pl.len().over("eval_id") > 1)["expected_value"].unique()
    by_value = {text: write_by_value(text) for text in several}
    alone = "result " + pl.coalesce("result_id", pl.col("at").cast(pl.String))
    table = results.filter(pl.col("eval_id").is_not_null()).select(
        *("at", "side", "moment", "state", "run_id", "completed_at", "workflow_version_id"),
        *("eval_id", "block_id", *DEFINITION[:2]),
        is_now=pl.col("side") == CANDIDATE,
        run=pl.coalesce("run_id", alone),
        code=BLOCK_CODE,
        expected=pl.col("expected_value").replace(by_value),
    )
    evals = table.group_by("eval_id").agg(pl.col("block_id").drop_nulls().last()).sort("eval_id")
    evals = evals.select(
        pl.int_range(pl.len()).alias("eval"),
        *("eval_id", "block_id"),
        block=pl.Series(_number(evals["block_id"])),
    )
    of_evals = evals.rename({"block_id": "last_block_id"})
    return table.join(of_evals, on="eval_id", maintain_order="left"), evals


def _number(texts: pl.Series) -> Ints:
    """Texts as numbers for an array, from 1 on; 0 for null."""
    return texts.rank("dense").cast(pl.Int64).fill_null(0).to_numpy()


def _newest(numbers: Ints, group: Ints, n_groups: int) -> Ints:
    """The newest number of each group that is known; 0 where none is."""
    found = np.zeros(n_groups, dtype=np.int64)
    known = numbers > 0
    found[group[known]] = numbers[known]
    return found


def _mark_comparable(table: pl.DataFrame) -> pl.DataFrame:
    """Add ``comparable``: whether a result is newer than all decided ones of other definitions."""
    decided = table.filter(pl.col("state").is_in(DECIDED))
    newest = decided.group_by("eval").agg(pl.col(DEFINITION).drop_nulls().last())
    differs = pl.any_horizontal(pl.col(each) != pl.col(f"{each}_newest") for each in DEFINITION)
    others = decided.join(newest, on="eval", suffix="_newest").filter(differs)
    until = others.group_by("eval").agg(until=pl.col("at").max())
    told = table.join(until, on="eval", how="left", maintain_order="left")
    return told.with_columns(comparable=pl.col("at") > pl.col("until").fill_null(-1)).drop("until")


def _describe_runs(table: pl.DataFrame, runs: pl.DataFrame | None) -> pl.DataFrame:
    """Add ``is_single, outage`` of each result's run: of one eval alone; and whether in an outage.

    An outage: at least three evals and a tenth of those that ended ended in errors, in two blocks
    or more; or three and at least half of them.
    """
    error, ended = pl.col("state") == "error", pl.col("state").is_in((*DECIDED, "error"))
    errors = pl.col("eval").filter(error).n_unique()
    share = errors / pl.col("eval").filter(ended).n_unique()
    wide = (pl.col("block").filter(error).n_unique() > 1) & (share >= OUTAGE_SHARE)
    outage = (errors >= OUTAGE_EVALS) & (wide | (share >= OUTAGE_HALF))
    scopes = {} if runs is None else dict(runs.select("run_id", "scope").iter_rows())
    scope = pl.col("run_id").replace_strict(scopes, default=None, return_dtype=pl.String)
    alone = (pl.col("size") == 1) & (pl.col("size").max().over("eval") > 1)
    sized = table.with_columns(size=pl.col("eval").n_unique().over("run"))
    return sized.with_columns(
        is_single=pl.coalesce(scope == "eval", alone), outage=outage.over("run")
    )


def _list_cells(table: pl.DataFrame) -> list[Cell]:
    """What there is of each block in each run, in the order of time: a row of the model, or less.

    Results that an eval had while it was in another block do not say which code this one had.
    """
    is_error = (pl.col("state") == "error") & ~pl.col("outage")
    own = pl.col("block_id").eq_missing(pl.col("last_block_id"))
    cells = table.group_by("block", "run", "is_now").agg(
        pl.col("side").max(),
        pl.col("moment").min(),
        pl.col("completed_at").max().alias("ended"),
        pl.col("code").filter(own).drop_nulls().first(),
        pl.col("workflow_version_id").drop_nulls().first(),
        pl.col("is_single").first(),
        pl.col("run_id").is_null().first().alias("is_remembered"),
        pl.col("eval").first(),
        (is_error | pl.col("state").is_in(DECIDED)).any().alias("has_outcome"),
    )
    return cells.sort("block", "is_now", "moment", "side", "run", nulls_last=False).to_dicts()


@dataclass(slots=True)
class _Row:
    """The newest row of a block while rows are placed.

    Attributes:
        number: Its place among the rows of its block and side.
        cell: What the block has in the first of its runs.
        until: When it stops to take runs of single evals.
        evals: The evals of remembered passes that are in it; empty where it is of runs.
    """

    number: int
    cell: Cell
    until: datetime | None
    evals: set[int]

    def takes(self, cell: Cell) -> bool:
        """Whether what a block has in a run belongs to this row."""
        if cell["is_remembered"] or self.evals:
            return bool(cell["is_remembered"] and self.evals and cell["eval"] not in self.evals)
        if not cell["is_single"] or cell["moment"] is None or self.until is None:
            return False
        return bool(cell["moment"] <= self.until) and has_same_code(self.cell, cell)


def has_same_code(row: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether a block had one code in two runs; where that is not known, whether it may have."""
    for name in ("code", "workflow_version_id"):
        if row[name] is not None and other[name] is not None:
            return bool(row[name] == other[name])
    return True


def _place_rows(cells: list[Cell]) -> int:
    """Put cells into rows, of which the candidate's begin at one place, and say at which.

    Each cell gets ``row``, -1 where it has no outcome; and ``is_rerun``, whether that row repeats
    the block's run before it, on the same code within a day, so that no rate can have jumped.
    """
    lengths: dict[int, int] = {}
    for (block, is_now), its in itertools.groupby(cells, itemgetter("block", "is_now")):
        row: _Row | None = None
        anchor: _Row | None = None
        for cell in its:
            cell["row"], cell["is_rerun"] = -1, False
            if not cell["has_outcome"]:
                continue
            if row is None or not row.takes(cell):
                begun = (None if cell["is_single"] else cell["ended"]) or cell["moment"]
                until = None if begun is None else begun + SAME_HOUR
                row = _Row(0 if row is None else row.number + 1, cell, until, set())
                if anchor is None or not (is_now or cell["is_single"]):
                    anchor = row
            if cell["is_remembered"]:
                row.evals.add(cell["eval"])
            elif anchor is not None and row is not anchor:
                cell["is_rerun"] = _is_same_day(anchor.cell, cell)
            cell["row"] = row.number
        if not is_now and row is not None:
            lengths[block] = row.number + 1
    candidate = max(lengths.values(), default=0)
    for cell in cells:
        if cell["row"] >= 0:
            cell["row"] += candidate - (0 if cell["is_now"] else lengths[cell["block"]])
    return candidate


def _is_same_day(first: Cell, cell: Cell) -> bool:
    """Whether a block was run again on the same code within a day, as far as that is known."""
    began, moment = first["moment"], cell["moment"]
    near = moment is None or began is None or moment - began < SAME_DAY
    return near and has_same_code(first, cell)


def _places(table: pl.DataFrame, shape: tuple[int, int]) -> Ints:
    """The place of each result, which has a row, among all evals and rows."""
    return np.asarray(table["eval"].to_numpy() * shape[1] + table["row"].to_numpy())


def _count(table: pl.DataFrame, shape: tuple[int, int]) -> Ints:
    """How many of these results each eval has in each row."""
    placed = table.filter(pl.col("row") >= 0)
    counts = np.bincount(_places(placed, shape), minlength=shape[0] * shape[1])
    return counts.reshape(shape)


def _find_edits(
    table: pl.DataFrame,
    evals: pl.DataFrame,
    shape: tuple[int, int],
    candidate: int,
    changed_blocks: frozenset[str] | None,
) -> Ints:
    """Whether the code of an eval's block in a row is another than in the row before.

    It is told of where an eval has results, but for the first of these rows. The block's code says
    so where both are known. Where neither that nor an equal version does, a version diff says it of
    the candidate, and of others that the version is another. Where a code is not known, but is
    before and after, nothing is told if these are equal, and it is not known if they differ. A
    block was edited where that is so for at least half of its evals; and so it is for an eval whose
    own results say it, however long ago its result before was. Codes of two blocks say nothing of
    either: where an eval was moved to another block, it is not known, unless most of that block's
    evals say that it was edited.

    ``shape`` is (n, T), ``candidate`` the candidate's first row, and ``changed_blocks`` are those
    that a version diff names, None where there is none.

    Returns:
        ``SAME``, ``UNKNOWN`` or ``EDITED``, shape (n, T).
    """
    table = table.filter(pl.col("row") >= 0)
    has_results = _count(table, shape) > 0
    codes, versions, blocks = (
        _newest(_number(table[name]), _places(table, shape), has_results.size).reshape(shape)
        for name in ("code", "workflow_version_id", "block_id")
    )
    by_version = _compare(versions, np.full_like(versions, UNKNOWN))
    if changed_blocks is not None:
        told = evals["block_id"].is_in(sorted(changed_blocks)).fill_null(False).to_numpy()
        is_other = by_version[:, candidate] != SAME
        by_version[:, candidate] = np.where(is_other & told, EDITED, SAME)
    before, after = _last_known(codes), _last_known(codes[:, ::-1])[:, ::-1]
    is_between = (codes == 0) & (before > 0) & (after > 0)
    blocks = _fill(blocks)
    of_codes = _last_known(np.where(codes > 0, blocks, 0))
    is_moved = _differ(blocks, _last_known(blocks)) | _differ(blocks, of_codes)
    own = np.where(is_moved | is_between, UNKNOWN, _compare(codes, by_version))
    is_first = np.arange(shape[1]) == has_results.argmax(axis=1)[:, None]
    is_told = has_results & ~is_first & ~(is_between & (before == after))
    own = np.where(is_told, own, _NOT_TOLD)
    flags = np.where(own == EDITED, EDITED, _of_most(own, blocks))
    return np.where(is_moved, np.maximum(flags, UNKNOWN), flags)


def _compare(numbers: Ints, otherwise: Ints) -> Ints:
    """Whether each is another than the last before; ``otherwise`` where one is not known."""
    before = _last_known(numbers)
    changed = np.where(_differ(numbers, before), EDITED, SAME)
    return np.where((numbers > 0) & (before > 0), changed, otherwise)


def _differ(numbers: Ints, others: Ints) -> Bools:
    """Where both are known and differ."""
    return np.asarray((numbers > 0) & (others > 0) & (numbers != others))


def _fill(numbers: Ints) -> Ints:
    """The numbers; where one is not known the last before it, or else the next."""
    filled = np.where(numbers > 0, numbers, _last_known(numbers))
    return np.where(filled > 0, filled, _last_known(filled[:, ::-1])[:, ::-1])


def _last_known(numbers: Ints) -> Ints:
    """The last number above 0 in the rows before each row; 0 where there is none."""
    places = np.where(numbers > 0, np.arange(numbers.shape[1]), 0)
    last = np.maximum.accumulate(places, axis=1)
    found = np.zeros_like(numbers)
    found[:, 1:] = np.take_along_axis(numbers, last, axis=1)[:, :-1]
    return found


def _of_most(own: Ints, blocks: Ints) -> Ints:
    """What is said of most of a block's evals in each row, for each eval."""
    cell = blocks * own.shape[1] + np.arange(own.shape[1])
    size = int(cell.max(initial=-1)) + 1
    same, unknown, edited = (
        np.bincount(cell[own == flag], minlength=size) for flag in (SAME, UNKNOWN, EDITED)
    )
    known = np.where(edited >= same, EDITED, SAME)
    flags = np.where(same + edited > 0, known, np.where(unknown > 0, UNKNOWN, SAME))
    return np.asarray(flags[cell])


def _repeat(table: pl.DataFrame, passes: Ints, edited: Ints) -> Ints:
    """Errors that come in two rows or more, on the same code with no pass between: one a row.

    Errors of one half hour are one, which counts in the last of their rows: so is an error that is
    on both sides.
    """
    found = np.zeros_like(passes)
    is_error = (pl.col("state") == "error") & ~pl.col("outage")
    errors = table.filter("comparable", is_error, pl.col("row") >= 0)
    firsts = errors.unique(["eval", "row"], keep="first", maintain_order=True)
    several = firsts.filter(pl.len().over("eval") > 1)
    for (place,), its in several.partition_by("eval", as_dict=True).items():
        of_row = {error["row"]: error for error in its.iter_rows(named=True)}
        hours: list[int] = []
        begun: Cell = {}
        for row in range(found.shape[1]):
            if passes[place, row] or edited[place, row] == EDITED:
                hours, begun = [], {}
            if row not in of_row or passes[place, row]:
                continue
            if begun and _is_same_hour(begun, of_row[row]):
                found[place, hours.pop()] = 0
            else:
                begun = of_row[row]
            hours.append(row)
            if len(hours) > 1:
                found[place, hours] = 1
    return found


def _is_same_hour(first: Cell, later: Cell) -> bool:
    """Whether an error is of the run of the other, or began within half an hour after it."""
    ended = first["completed_at"] or first["moment"]
    if first["run"] == later["run"] or ended is None or later["moment"] is None:
        return bool(first["run"] == later["run"])
    return bool(later["moment"] <= ended + SAME_HOUR)


def split_by_candidate(
    results: pl.DataFrame,
    runs: pl.DataFrame,
    saved: pl.DataFrame,
    base: frozenset[str],
    follow: bool,
) -> pl.DataFrame:
    """Say of each result whether it is on the candidate's side, earlier, or neither.

    For each block the candidate's side is one run, and what was run since on the same code. That
    run is one of ``base``; with ``follow`` it is the newest since that decided at least half of the
    block's saved evals, unless it was cut short on the code that was there already: then it is only
    more evidence about that code. What was tried since on other code judges nothing.

    Returns:
        The results with ``place``: ``candidate``, ``earlier`` or ``tried``.
    """
    block_of = dict(saved.select("eval_id", "block_id").iter_rows())
    sizes = Counter(block_of.values())
    own = pl.col("eval_id").replace_strict(block_of, default=None, return_dtype=pl.String)
    placed = results.with_columns(block=pl.coalesce(own, "block_id"))
    code = pl.col(BLOCK_CODE).filter(pl.col("block_id").eq_missing(pl.col("block")))
    decided = pl.col("state").is_in(DECIDED)
    cells = placed.group_by("block", "run_id").agg(
        code.drop_nulls().first().alias("code"),
        pl.col("eval_id").filter(decided).n_unique().alias("decided"),
    )
    facts = runs.select("run_id", "created_at", "workflow_version_id", "scope", "status")
    known = cells.join(facts, on="run_id").sort("created_at", "run_id", nulls_last=False)
    places = []
    for (block,), its in known.partition_by("block", as_dict=True).items():
        places += _place_block(its, facts, base, follow, sizes.get(block, 0))
    schema = {"run_id": pl.String(), "block": pl.String(), "place": pl.String()}
    found = pl.DataFrame(places, schema=schema, orient="row")
    joined = placed.join(
        found, on=("run_id", "block"), how="left", nulls_equal=True, maintain_order="left"
    )
    named = runs.filter(pl.col("run_id").is_in(list(base)))
    is_asked_for = pl.lit(True) if follow else is_in_scope(named, "block")
    place = pl.when(is_asked_for).then("place").fill_null("earlier")
    return joined.with_columns(place).drop("block")


def is_in_scope(runs: pl.DataFrame, block: str = "block_id") -> pl.Expr:
    """Whether an eval is among those that some runs are of, as their scopes say."""
    if not runs.filter(scope="workflow").is_empty():
        return pl.lit(True)
    blocks = runs.filter(scope="block")["target_block_id"].drop_nulls()
    evals = runs["eval_id"].drop_nulls()
    return pl.col(block).is_in(blocks.implode()) | pl.col("eval_id").is_in(evals.implode())


def _place_block(
    cells: pl.DataFrame, facts: pl.DataFrame, base: frozenset[str], follow: bool, size: int
) -> list[tuple[str, str | None, str]]:
    """Where each run of one block stands: run, block, place."""
    rows = cells.to_dicts()
    chosen = [row for row in rows if row["run_id"] in base]
    if not chosen:
        # What is checked has nothing of this block: its run stands there all the same.
        newest = facts.filter(pl.col("run_id").is_in(list(base))).sort("created_at").tail(1)
        chosen = [{**row, "code": None} for row in newest.to_dicts()]
    for row in rows if follow and chosen else ():
        is_later = _is_after(row, chosen[-1]) and row["scope"] != "eval"
        is_cut = row["status"] != "completed" and has_same_code(row, chosen[-1])
        if is_later and not is_cut and row["decided"] and 2 * row["decided"] >= size:
            chosen = [row]
    ids = {row["run_id"] for row in chosen}
    placed = []
    for row in rows:
        place = "earlier"
        if row["run_id"] in ids:
            place = "candidate"
        elif chosen and _is_after(row, chosen[-1]):
            place = "candidate" if has_same_code(row, chosen[-1]) else "tried"
        placed.append((row["run_id"], row["block"], place))
    return placed


def _is_after(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    moments = row["created_at"], other["created_at"]
    return None not in moments and moments[0] > moments[1]
