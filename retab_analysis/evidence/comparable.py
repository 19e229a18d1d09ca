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

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

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
_NOT_TOLD = -1  # of an edit, beside SAME, UNKNOWN and EDITED


@dataclass(frozen=True, eq=False)
class Ledger:
    """What is known of each eval, row by row.

    Attributes:
        results: One row per result that was looked at, in no promised order: ``at`` (its place in
            what :func:`combine_sides` says), ``eval`` (index into ``evals``), ``side``, ``row``
            (Int64), ``comparable`` (Boolean: of the present definition), ``state``, ``moment``,
            ``run_id, workflow_version_id, block_id``, ``is_single`` (of a run of one eval) and
            ``outage`` (of a run in an outage).
        evals: One row per eval, in the order of the arrays: ``eval`` (index), ``eval_id``,
            ``block_id``, ``block`` (index); ``edited_at, edited_run_id, edited_version_id``, when
            its definition changed last, null where it did not.
        histories: The same as arrays, for the model.
        errors_count: Which evals have repeated errors that count as not passing on the
            candidate's side, shape (n,).
    """

    results: pl.DataFrame
    evals: pl.DataFrame
    histories: Histories
    errors_count: Bools

    def runs_of_rows(self, wanted: Bools | None = None) -> pl.DataFrame:
        """The run of each eval in each row: ``eval, row, run_id, workflow_version_id, moment``.

        A row of several runs is named after the first: the others ran its evals again.

        Args:
            wanted: Of which rows of which evals to tell, shape (evals, rows); None for all.
        """
        told = self.results.filter("comparable", pl.col("row").is_not_null())
        if wanted is not None:
            places = (told[name].to_numpy() for name in ("eval", "row"))
            told = told.filter(pl.Series(wanted[tuple(places)]))
        first = told.filter(pl.col("at") == pl.col("at").min().over("eval", "row"))
        return first.select("eval", "row", "run_id", "workflow_version_id", "moment")


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
        One row per result, each once, with ``side``, ``moment``, a ``state`` that is one of ours,
        and ``at``, by which they are numbered: what is earlier first, then the candidate, each in
        the order of time. The rows are not in that order, as that would take a copy of all columns.
        The order of the frames does not matter.
    """
    sides = ((history, EARLIER), (baseline, BASELINE), (candidate, CANDIDATE))
    frames = [
        _each_once(frame).with_columns(
            side=pl.lit(side, pl.Int8), moment=MOMENT, state=known_state()
        )
        for frame, side in sides
        if frame is not None
    ]
    combined = pl.concat(frames, how="diagonal")
    at = np.empty(combined.height, dtype=np.int64)
    at[_order(combined)] = np.arange(at.size)
    return combined.with_columns(pl.Series("at", at))


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
    ids = results["eval_id"].drop_nulls().unique().sort()
    table = _number_evals(results, ids)
    evals = _describe_evals(table, ids)
    table = table.with_columns(
        evals["block"].gather(table["eval"]),
        comparable=_comparable(table, evals),
    )
    table = table.join(_describe_runs(table, runs), on="run", how="left", maintain_order="left")
    cells, candidate = _place_rows(_collect_cells(table, evals))
    keys = ("block", "run", "is_now")
    table = table.with_columns(is_now=pl.col("side") == CANDIDATE)
    table = table.join(cells, on=keys, how="left", maintain_order="left")
    shape = evals.height, 1 + max(candidate, int(table["row"].max() or 0))  # type: ignore[arg-type]
    counted = _Cells.of(table, shape)
    edited = counted.find_edits(evals, candidate, changed_blocks)
    repeated = _repeat(counted, edited)
    fails = counted.fails + repeated
    observed = (counted.passes > 0) | (fails > 0)
    return Ledger(
        results=table.select(
            *("at", "eval", "side", "row", "comparable", "state", "moment", "run_id"),
            *("workflow_version_id", "block_id", "is_single", "outage"),
        ),
        evals=evals.select("eval", "eval_id", "block_id", "block")
        .join(_find_definition_changes(table), on="eval", how="left")
        .sort("eval"),
        histories=Histories(
            passes=counted.passes,
            fails=fails,
            block=evals["block"].to_numpy(),
            edited=edited,
            jumps=_may_jump(observed, edited, cells, evals, shape),
            candidate=candidate,
        ),
        errors_count=np.asarray(repeated[:, candidate:].any(axis=1)),
    )


def _order(results: pl.DataFrame) -> Ints:
    """The places of results in the order of time, the candidate last, whatever their order.

    Which of several of one moment came first is not known; hashes sort faster than ids. The runs
    are ranked first, because they are few: to sort by all of the keys takes three times as long.
    """
    is_now = pl.col("side") == CANDIDATE
    run = pl.struct(is_now.alias("now"), "moment", "side", pl.col("run_id").hash()).rank("dense")
    keys = results.select(run=run, result=pl.col("result_id").hash())
    return np.lexsort((keys["result"].to_numpy(), keys["run"].to_numpy()))


def _each_once(results: pl.DataFrame) -> pl.DataFrame:
    """Of a result that is there twice the later row; results without an id all count."""
    if results["result_id"].n_unique() == results.height:
        return results
    again = pl.col("result_id").is_not_null() & ~pl.struct(RESULTS.key).is_last_distinct()
    return results.filter(~again)


def _number_evals(results: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """What a ledger is made of; ``eval`` is the place of the eval's id in ``ids``.

    From here on evals and runs are numbers: to group by those is faster than by texts. A result
    without a run (a pass that only the saved eval remembers) is a run itself.
    """
    # Only where an eval has several texts they may be one value.
    texts = results.select("eval_id", "expected_value").unique().drop_nulls()
    several = texts.filter(pl.len().over("eval_id") > 1)["expected_value"].unique()
    by_value = {text: write_by_value(text) for text in several}
    alone = "result " + pl.coalesce("result_id", pl.col("at").cast(pl.String))
    table = results.select(
        *("at", "side", "moment", "state", "run_id", "result_id", "workflow_version_id"),
        *("block_id", BLOCK_CODE, "completed_at", *DEFINITION[:2]),
        expected=pl.col("expected_value").replace(by_value),
        eval=results["eval_id"].cast(pl.Enum(ids)).to_physical().cast(pl.Int64),
        name=pl.coalesce("run_id", alone),
    )
    runs = table["name"].unique().sort()
    number = table["name"].cast(pl.Enum(runs)).to_physical().cast(pl.Int64)
    return table.with_columns(run=number).drop("name").filter(pl.col("eval").is_not_null())


def _describe_evals(table: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """One row per eval: its block, and what its newest decided results say of its definition."""
    at, place = table["at"].to_numpy(), table["eval"].to_numpy()
    decided = table["state"].is_in(DECIDED).to_numpy()
    block = _newest(table["block_id"], at, place, len(ids))
    known = [
        _newest(table[name].filter(decided), at[decided], place[decided], len(ids))
        for name in DEFINITION
    ]
    number = (pl.col("block_id").fill_null("").rank("dense") - 1).cast(pl.Int64)
    evals = pl.DataFrame([ids.alias("eval_id"), block, *known]).with_row_index("eval")
    return evals.with_columns(pl.col("eval").cast(pl.Int64), block=number)


def _newest(values: pl.Series, at: Ints, group: Ints, n_groups: int) -> pl.Series:
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
    """Whether a result lies after the last decided one of another definition."""
    place, at = table["eval"], table["at"].to_numpy()
    differs = np.zeros(table.height, dtype=bool)
    for name in DEFINITION:
        differs |= (table[name] != evals[name].gather(place)).fill_null(False).to_numpy()
    differs &= table["state"].is_in(DECIDED).to_numpy()
    newest_other = np.full(evals.height, -1)
    np.maximum.at(newest_other, place.to_numpy()[differs], at[differs])
    return pl.Series(at > newest_other[place.to_numpy()])


def _describe_runs(table: pl.DataFrame, runs: pl.DataFrame | None) -> pl.DataFrame:
    """``run, is_single, outage``: whether it is of one eval alone, and whether it was an outage.

    An outage: at least three evals and a tenth of those that ended ended in errors, in two blocks
    or more; or three and at least half of them.
    """
    sizes = table.group_by("run").agg(pl.col("eval").n_unique().alias("n"))
    largest = (
        table.select("run", "eval")
        .join(sizes, on="run")
        .with_columns(pl.col("n").max().over("eval").alias("most"))
        .group_by("run")
        .agg(pl.col("n").first(), pl.col("most").max(), pl.col("eval").first())
    )
    found = largest.with_columns(is_single=(pl.col("n") == 1) & (pl.col("most") > 1))
    if runs is not None:
        known = table.select("run", "run_id").unique("run").join(runs, on="run_id")
        told = known.select("run", told=pl.col("scope") == "eval")
        found = found.join(told, on="run", how="left").with_columns(
            is_single=pl.coalesce("told", "is_single")
        )
    error, ended = pl.col("state") == "error", pl.col("state").is_in((*DECIDED, "error"))
    errors = pl.col("eval").filter(error).n_unique()
    share = errors / pl.col("eval").filter(ended).n_unique()
    wide = (pl.col("block").filter(error).n_unique() > 1) & (share >= OUTAGE_SHARE)
    outages = table.group_by("run").agg(
        outage=(errors >= OUTAGE_EVALS) & (wide | (share >= OUTAGE_HALF))
    )
    return found.select("run", "is_single").join(outages, on="run")


def _collect_cells(table: pl.DataFrame, evals: pl.DataFrame) -> pl.DataFrame:
    """What there is of each block in each run, in the order of time: a row of the model, or less.

    Results that an eval had while it was in another block do not say which code this one had.
    """
    own = table["block_id"].eq_missing(evals["block_id"].gather(table["eval"]))
    table = table.with_columns(code=pl.when(own).then(BLOCK_CODE))
    is_error = (pl.col("state") == "error") & ~pl.col("outage")
    return (
        table.group_by("block", "run", is_now=pl.col("side") == CANDIDATE)
        .agg(
            pl.col("side").max(),
            pl.col("moment").min(),
            pl.col("completed_at").max().alias("ended"),
            pl.col("code").drop_nulls().first(),
            pl.col("workflow_version_id").drop_nulls().first(),
            pl.col("is_single").first(),
            pl.col("run_id").is_null().first().alias("is_remembered"),
            pl.col("eval").first(),
            (is_error | pl.col("state").is_in(DECIDED)).any().alias("has_outcome"),
        )
        .sort("block", "is_now", "moment", "side", "run", nulls_last=False)
    )


@dataclass(slots=True)
class _Row:
    """The newest row of a block while rows are placed.

    Attributes:
        number: Its place among the rows of its block and side.
        cell: What the block has in the first of its runs.
        until: When it stops to take runs of single evals.
        evals: The evals of remembered passes that are in it; None where it is of runs.
    """

    number: int
    cell: dict[str, object]
    until: datetime | None
    evals: set[int] | None

    def takes(self, cell: dict[str, object]) -> bool:
        """Whether what a block has in a run belongs to this row."""
        if cell["is_remembered"]:
            return self.evals is not None and cell["eval"] not in self.evals
        moment = cell["moment"]
        if not cell["is_single"] or moment is None or self.until is None or self.evals is not None:
            return False
        return moment <= self.until and has_same_code(self.cell, cell)  # type: ignore[operator]


def has_same_code(row: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether a block had one code in two runs; where that is not known, whether it may have.

    Args:
        row: ``code`` and ``workflow_version_id``, either may be None.
        other: The same of the other run.
    """
    for name in ("code", "workflow_version_id"):
        if row[name] is not None and other[name] is not None:
            return row[name] == other[name]
    return True


def _place_rows(cells: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Put what there is of each block in each run into rows; the candidate's begin at one place.

    Returns:
        ``block, run, is_now, row, is_rerun``: null rows where there is no outcome; ``is_rerun``
        where the row repeats the block's run before it, on the same code within a day, so that no
        rate can have jumped; and the candidate's first row.
    """
    rows: list[int | None] = []
    reruns: list[bool] = []
    group: tuple[int, bool] | None = None
    row: _Row | None = None
    anchor: _Row | None = None
    for cell in cells.iter_rows(named=True):
        if group != (cell["block"], cell["is_now"]):
            group, row = (cell["block"], cell["is_now"]), None
        if not cell["has_outcome"]:
            rows.append(None)
            reruns.append(False)
            continue
        begins = row is None
        if row is None or not row.takes(cell):
            ended = None if cell["is_single"] else cell["ended"]
            begun = ended or cell["moment"]
            row = _Row(
                number=0 if row is None else row.number + 1,
                cell=cell,
                until=None if begun is None else begun + SAME_HOUR,
                evals=set() if cell["is_remembered"] else None,
            )
            if begins or not (cell["is_now"] or cell["is_single"]):
                anchor = row
        if row.evals is not None:
            row.evals.add(cell["eval"])
        rows.append(row.number)
        is_rerun = anchor is not None and row is not anchor and _is_same_day(anchor.cell, cell)
        reruns.append(is_rerun and not cell["is_remembered"])
    keys = ("block", "run", "is_now")
    found = pl.Series("row", rows, pl.Int64), pl.Series("is_rerun", reruns, pl.Boolean)
    placed = cells.select(*keys, *found)
    lengths = placed.filter(~pl.col("is_now")).group_by("block").agg(n=pl.col("row").max() + 1)
    candidate = int(lengths["n"].max() or 0)  # type: ignore[arg-type]
    first = pl.when("is_now").then(candidate).otherwise(candidate - pl.col("n").fill_null(0))
    placed = placed.join(lengths, on="block", how="left", maintain_order="left")
    return placed.select(*keys, pl.col("row") + first, "is_rerun"), candidate


def _is_same_day(first: dict[str, object], cell: dict[str, object]) -> bool:
    """Whether a block was run again on the same code within a day, as far as that is known."""
    began, moment = first["moment"], cell["moment"]
    near = moment is None or began is None or moment - began < SAME_DAY  # type: ignore[operator]
    return near and has_same_code(first, cell)


@dataclass(frozen=True, eq=False)
class _Cells:
    """The results that are in rows, and how many of each kind each eval has in each row."""

    table: pl.DataFrame
    passes: Ints
    fails: Ints
    errors: Ints

    @classmethod
    def of(cls, table: pl.DataFrame, shape: tuple[int, int]) -> _Cells:
        placed = table.filter("comparable", pl.col("row").is_not_null())
        cell = placed["eval"].to_numpy() * shape[1] + placed["row"].to_numpy()
        state = placed["state"]
        kinds = (
            state == "passed",
            state.is_in(NOT_PASSING),
            (state == "error") & ~placed["outage"],
        )
        counts = (
            np.bincount(cell[kind.to_numpy()], minlength=shape[0] * shape[1]).reshape(shape)
            for kind in kinds
        )
        return cls(table.filter(pl.col("row").is_not_null()), *counts)

    def list_errors(self) -> pl.DataFrame:
        """``eval, row, run, moment, ended`` of each error that is not of an outage, one a row."""
        is_error = (pl.col("state") == "error") & ~pl.col("outage")
        ended = pl.coalesce("completed_at", "moment").alias("ended")
        errors = self.table.filter("comparable", is_error).sort("at")
        return errors.select("eval", "row", "run", "moment", ended).unique(
            ["eval", "row"], keep="first", maintain_order=True
        )

    def find_edits(
        self, evals: pl.DataFrame, candidate: int, changed_blocks: frozenset[str] | None
    ) -> Ints:
        """Whether the code of an eval's block in a row is another than in the row before.

        It is told of where an eval has results, but for the first of these rows. The block's code
        says so where both are known. Where neither that nor an equal version does, a version diff
        says it of the candidate, and of others that the version is another. Where a code is not
        known, but is before and after, nothing is told if these are equal, and it is not known if
        they differ. A block was edited where that is so for at least half of its evals; and so it
        is for an eval whose own results say it, however long ago its result before was. Codes of
        two blocks say nothing of either: where an eval was moved to another block, it is not known,
        unless most of that block's evals say that it was edited.

        Args:
            evals: The evals, in the order of the arrays.
            candidate: The candidate's first row.
            changed_blocks: The blocks in which a version diff says that the candidate has other
                code; None where there is no such diff.

        Returns:
            ``SAME``, ``UNKNOWN`` or ``EDITED``, shape (n, T).
        """
        shape = self.passes.shape
        cell = self.table["eval"].to_numpy() * shape[1] + self.table["row"].to_numpy()
        at, size = self.table["at"].to_numpy(), shape[0] * shape[1]
        codes, versions, blocks = (
            _newest(_number(self.table[name]), at, cell, size)
            .fill_null(0)
            .to_numpy()
            .reshape(shape)
            for name in (BLOCK_CODE, "workflow_version_id", "block_id")
        )
        has_results = np.bincount(cell, minlength=size).reshape(shape) > 0
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


def _number(names: pl.Series) -> pl.Series:
    """Names, which are long, many and mostly the same, as numbers from 1 on; null stays null."""
    distinct = pl.Enum(names.drop_nulls().unique())
    return names.cast(distinct).to_physical().cast(pl.Int64) + 1


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


def _repeat(counted: _Cells, edited: Ints) -> Ints:
    """Errors that come in two rows or more, on the same code with no pass between: one a row.

    Errors of one half hour are one, which counts in the last of their rows: so is an error that is
    on both sides.
    """
    found = np.zeros_like(counted.errors)
    again = np.flatnonzero((counted.errors > 0).sum(axis=1) > 1)
    of_these = pl.col("eval").is_in(pl.Series(again).implode())
    for (eval_,), its in counted.list_errors().filter(of_these).group_by("eval"):
        places = {error["row"]: error for error in its.sort("row").iter_rows(named=True)}
        hours: list[int] = []
        begun: dict[str, object] | None = None
        for row in range(found.shape[1]):
            if counted.passes[eval_, row] or edited[eval_, row] == EDITED:
                hours, begun = [], None
            if row not in places or counted.passes[eval_, row]:
                continue
            if begun is not None and _is_same_hour(begun, places[row]):
                found[eval_, hours.pop()] = 0
            else:
                begun = places[row]
            hours.append(row)
            if len(hours) > 1:
                found[eval_, hours] = 1
    return np.where(counted.fails > 0, 0, found)


def _is_same_hour(first: dict[str, object], later: dict[str, object]) -> bool:
    """Whether an error is of the run of the other, or began within half an hour after it."""
    if first["run"] == later["run"]:
        return True
    ended, moment = first["ended"], later["moment"]
    return None not in (ended, moment) and moment <= ended + SAME_HOUR  # type: ignore[operator]


def _may_jump(
    observed: Bools, edited: Ints, cells: pl.DataFrame, evals: pl.DataFrame, shape: tuple[int, int]
) -> Bools:
    """To which rows an eval's rate may jump: between its first outcome and its last.

    Not to reruns of the row before, on the same code within a day.
    """
    rows = np.arange(shape[1])[None, :]
    last = np.where(observed, rows, -1).max(axis=1, initial=-1)
    within = (rows > observed.argmax(axis=1)[:, None]) & (rows <= last[:, None])
    n_blocks = 1 + int(evals["block"].max() or 0)  # type: ignore[arg-type]
    reruns = np.zeros((n_blocks, shape[1]), dtype=np.bool_)
    again = cells.filter("is_rerun").select("block", "row").to_numpy()
    reruns[again[:, 0], again[:, 1]] = True
    return np.asarray(within & ~(reruns[evals["block"].to_numpy()] & (edited != EDITED)))


def _find_definition_changes(table: pl.DataFrame) -> pl.DataFrame:
    """When each eval was defined as it is now: its first comparable result after another one."""
    changed = table.filter(~pl.col("comparable"))["eval"].unique()
    decided = table.filter(
        "comparable", pl.col("eval").is_in(changed.implode()), pl.col("state").is_in(DECIDED)
    )
    first = decided.filter(pl.col("at") == pl.col("at").min().over("eval"))
    return first.select(
        "eval",
        edited_at="moment",
        edited_run_id="run_id",
        edited_version_id="workflow_version_id",
    )
