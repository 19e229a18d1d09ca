"""The ledger: each eval's outcomes from all runs in order of time, and which of them count.

An outcome is a pass or not (``failed``, ``blocked``). It may come from a run of the whole workflow,
of a block, or of the eval alone. There is no other evidence. The rules:

*Definition.* Two outcomes are comparable if inputs, kind of condition, threshold and expected value
have the same value, or are unknown on one side. An outcome counts if it is comparable with the
newest decided result.

*Rows.* A row of a block is a run of the workflow or of the block. It includes the runs of single
evals on the same code that began within three hours after its end. Later single runs form their own
row, open for three hours from its first run. The next whole or block run closes a row, and so does
any run on other code. In a row an eval counts at most once as a pass and once as a failure. A model
repeats its output for a while: a rerun within three hours can clear an eval, but never confirms
that it broke. Within a day no rate jumps between a run and its reruns on the same code.

*Errors.* An execution error is no outcome.

*Horizon.* The rows of the newest 24 whole runs before the candidate decide; older ones only tell
since when. ``check`` reads as many, with older ones between which others are not read. So a frame
of what it read has the same horizon.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

import numpy as np
import polars as pl

from retab_analysis.evidence.cells import CellOnSide, list_sided
from retab_analysis.evidence.inference import Histories
from retab_analysis.evidence.rates import EDITED, SAME, UNKNOWN, Bools, Ints
from retab_analysis.evidence.timeline import OF_CODES, may_be_same
from retab_analysis.schema import RESULTS, write_by_value
from retab_analysis.vocabulary import (
    DECIDED,
    MOMENT,
    NOT_PASSING,
    OUTAGE_EVALS,
    OUTAGE_HALF,
    SAME_EVAL,
    known_state,
)

MOMENT_TYPE = pl.Datetime("us", "UTC")
EARLIER, BASELINE, CANDIDATE = 0, 1, 2
"""The values of ``side``: history, the given baseline, the candidate."""

NEEDED = (
    *("eval_id", "eval_name", "state", "result_id", "workflow_id", *OF_CODES),
    *("run_scope", "run_created_at", "run_completed_at", "created_at", "completed_at"),
    *("document_ids", "document_names", *SAME_EVAL),
)
"""The columns of a RESULTS frame that a ledger needs."""

OPEN = timedelta(hours=3)
"""How long after its first run a row takes runs of single evals."""
HORIZON = 24
"""How many whole runs before the candidate decide."""
SAME_DAY = timedelta(days=1)
OUTAGE_SHARE = 0.1
_TIES = ("eval_id", "state", "code", *SAME_EVAL)
_PLACED = pl.Schema({"block": pl.Int64, "run": pl.String, "is_now": pl.Boolean, "row": pl.Int64})
_ROWS = pl.Schema(
    {"block": pl.Int64(), "row": pl.Int64(), "began": pl.String(), "moment": MOMENT_TYPE}
    | {"until": MOMENT_TYPE, "is_now": pl.Boolean()}
)


@dataclass(frozen=True, eq=False)
class Ledger:
    """The outcomes of each eval, row by row.

    ``results`` are those of all sides, each once and with all their columns. ``at`` is the place of
    each in the order of time, ``eval`` an index into ``evals``, ``row`` null if it judges nothing,
    ``expected`` its expected value by value. ``evals`` are in the order of the arrays. Each of
    ``rows`` of a block ``began`` with a run, and takes runs of single evals ``until`` a moment.
    """

    results: pl.DataFrame
    evals: pl.DataFrame
    rows: pl.DataFrame
    histories: Histories
    is_inside: Bools  # which rows decide, and do not only tell since when, shape (n, T)

    def places(self, results: pl.DataFrame) -> Bools:
        found = np.zeros(self.histories.shape, dtype=np.bool_)
        placed = results.drop_nulls("row")
        found[placed["eval"].to_numpy(), placed["row"].to_numpy()] = True
        return found


def put_on_side(results: pl.DataFrame, side: int) -> pl.DataFrame:
    return results.with_columns(side=pl.lit(side, pl.Int8))


def _put_in_order(results: pl.DataFrame) -> pl.DataFrame:
    """Earlier results, then the candidate's, each once on a side, numbered by ``at``.

    It adds ``moment`` and a ``state`` that is one of ours. A timeline tells which results have
    their eval's present definition (``is_own``); without one all may have it.
    """
    if results["result_id"].n_unique() < results.height:
        again = ~pl.struct("side", *RESULTS.key).is_last_distinct()
        results = results.filter(~again | pl.col("result_id").is_null())
    own = pl.col("is_own").fill_null(False) if "is_own" in results.columns else pl.lit(True)
    order = pl.coalesce("order", MOMENT) if "order" in results.columns else MOMENT
    known = results.with_columns(moment=MOMENT, state=known_state(), is_own=own, order=order)
    # The order of results with one moment is not known. Ids, or all judged columns, order them, so
    # the order of the rows has no effect.
    ties = _TIES if known["result_id"].has_nulls() else ()
    keys = pl.col("side") == CANDIDATE, "order", "moment", "side", "run_id", "result_id", *ties
    return known.sort(keys, nulls_last=False).with_columns(at=pl.int_range(pl.len()))


def collect(results: pl.DataFrame, horizon: datetime | None = None) -> Ledger:
    """Make a ledger of results on sides, with the columns :data:`NEEDED` and others.

    ``horizon`` is the beginning of the oldest run whose rows decide; None means the 24th newest
    whole run before the candidate.
    """
    known = _put_in_order(results.drop_nulls("eval_id"))
    table, evals = _arrange(known)
    table = _describe_runs(_mark_comparable(table))
    rows, candidate = _make_rows(list_sided(table))
    placed = [(row.block, cell.run, row.is_now, row.number) for row in rows for cell in row.cells]
    table = table.join(
        pl.DataFrame(placed, _PLACED, orient="row"),
        on=("block", "run", "is_now"),
        how="left",
        maintain_order="left",
    )
    block = evals["block"].to_numpy()
    shape = evals.height, 1 + max([candidate, *(row.number for row in rows)])
    edited, codes = _find_edits(rows, table, block, shape)
    # In a row an eval counts at most once as a pass and once as a failure.
    passes, fails = (
        (_count(table.filter("comparable", pl.col("state").is_in(states)), shape) > 0).astype(int)
        for states in (("passed",), NOT_PASSING)
    )
    jumps, again = np.ones(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
    for row in rows:
        if row.is_rerun:
            jumps[:, row.number] &= (block != row.block) | (edited[:, row.number] == EDITED)
        again[:, row.number] |= (block == row.block) & row.is_again
    known_as = block, _number_documents(known, evals)
    marks = ("eval", "comparable", "is_single", "is_whole", "outage", "row")
    return Ledger(
        results=known.hstack(table.select(*marks, expected="expected_value")),
        evals=evals,
        rows=pl.DataFrame([row.told for row in rows], _ROWS, orient="row"),
        histories=Histories(passes, fails, *known_as, edited, codes, candidate, jumps, again),
        is_inside=_find_inside(table, rows, block, shape, horizon),
    )


def _arrange(results: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The results of a ledger in the order of time, and the evals.

    A result without a run (a pass that only the saved eval remembers) is a run itself.
    """
    # Only evals with several texts may have one value in two texts.
    pairs = results.select("eval_id", "expected_value").unique().drop_nulls()
    several = pairs.filter(pl.len().over("eval_id") > 1)["expected_value"].unique()
    by_value = {text: write_by_value(text) for text in several}
    alone = "result " + pl.coalesce("result_id", pl.col("at").cast(pl.String))
    by_text = results.with_columns(pl.col("expected_value").replace(by_value))
    table = by_text.select(
        *("at", "side", "order", "moment", "state", "run_id", "run_scope", "run_completed_at"),
        *("completed_at", "eval_id", "block_id", *SAME_EVAL, "code", "is_own"),
        is_now=pl.col("side") == CANDIDATE,
        run=pl.coalesce("run_id", alone),
    )
    known, is_now = pl.all().drop_nulls().last(), pl.col("side") == CANDIDATE
    about = results.select(
        *("eval_id", "block_id", "eval_name", "condition_kind"), path=pl.when(is_now).then("path")
    )
    # A rerun's results may lack them.
    evals = about.group_by("eval_id").agg(known).sort("eval_id")
    evals = evals.select(
        pl.int_range(pl.len()).alias("eval"),
        *evals.columns,
        block=pl.col("block_id").rank("dense").cast(pl.Int64).fill_null(0),
    )
    of_evals = evals.select("eval", "eval_id", "block", last_block_id="block_id")
    return table.join(of_evals, on="eval_id", maintain_order="left"), evals


def _number_documents(results: pl.DataFrame, evals: pl.DataFrame) -> Ints:
    """A number for the document of each eval, from its newest result that names one, shape (n,).

    Evals that read several documents have one number if they share one, directly or through others.
    ``results`` are in the order of time, ``evals`` have an ``eval_id``.
    """
    columns = ("document_ids", "document_names")
    named = (pl.when(pl.col(name).list.len() > 0).then(name) for name in columns)
    told = results.select("eval_id", document=pl.coalesce(named)).drop_nulls("document")
    newest = told.unique("eval_id", keep="last").explode("document")
    pairs = evals.select("eval", "eval_id").join(newest, on="eval_id")
    numbers = pairs["document"].rank("dense").cast(pl.Int64).fill_null(0)
    return find_clusters(pairs["eval"].to_numpy(), numbers.to_numpy(), evals.height)


def find_clusters(evals: Ints, documents: Ints, n: int) -> Ints:
    """Number the clusters of evals that share documents, directly or through other evals.

    The clusters are the connected components of the graph that joins two evals with a document in
    common. Each pair of ``evals`` and ``documents`` says that an eval reads a document. Both are
    numbered from 0, and so are the clusters, in the order of their first appearance. An eval
    without documents is a cluster of its own. In each round a cluster joins the one with the
    smallest number among the clusters that share a document with it; a few rounds are enough.

    Source: Y. Shiloach and U. Vishkin, "An O(log n) parallel connectivity algorithm", Journal of
    Algorithms 3 (1982) 57-67.

    Example:
        >>> import numpy as np
        >>> find_clusters(np.array([0, 1, 2, 2, 4]), np.array([0, 1, 0, 2, 2]), 5).tolist()
        [0, 1, 0, 2, 0]
    """
    cluster = np.arange(n)
    while True:
        own = cluster[evals]
        first = np.full(documents.max(initial=-1) + 1, n)
        np.minimum.at(first, documents, own)
        joined = cluster.copy()
        np.minimum.at(joined, own, first[documents])
        while (joined != joined[joined]).any():
            joined = joined[joined]
        if (joined == cluster).all():
            return np.asarray(np.unique(cluster, return_inverse=True)[1])
        cluster = joined


def _mark_comparable(table: pl.DataFrame) -> pl.DataFrame:
    """Add ``comparable``: whether a result may be of the present definition.

    This is the definition of the newest decided result with the saved eval's assertion, else of the
    newest. An undecided result has no definition.
    """
    decided, is_own = pl.col("state").is_in(DECIDED), pl.col("is_own")
    known = table.filter(decided).filter(is_own | ~is_own.any().over("eval"))
    newest = known.group_by("eval").agg(pl.col(SAME_EVAL).drop_nulls().last())
    told = table.join(newest, on="eval", how="left", suffix="_newest", maintain_order="left")
    differs = pl.any_horizontal(pl.col(each) != pl.col(f"{each}_newest") for each in SAME_EVAL)
    return told.select(*table.columns, comparable=~(decided & differs).fill_null(False))


def _describe_runs(table: pl.DataFrame) -> pl.DataFrame:
    """Add ``is_single, is_whole, outage`` of each result's run.

    The run is of one eval alone; of the whole workflow; in an outage. If its scope is not known, a
    run of one eval that other runs have among others is single; a run of half of the evals is
    whole. In an outage at least three evals ended in errors: a tenth of those that ended, in two
    blocks or more; or half of them.
    """
    error, ended = pl.col("state") == "error", pl.col("state").is_in((*DECIDED, "error"))
    errors = pl.col("eval").filter(error).n_unique()
    share = errors / pl.col("eval").filter(ended).n_unique()
    wide = (pl.col("block").filter(error).n_unique() > 1) & (share >= OUTAGE_SHARE)
    outage = (errors >= OUTAGE_EVALS) & (wide | (share >= OUTAGE_HALF))
    scope = pl.col("run_scope")
    alone = (pl.col("size") == 1) & (pl.col("size").max().over("eval") > 1)
    most = ~alone & (2 * pl.col("size") >= table["eval"].n_unique())
    sized = table.with_columns(size=pl.col("eval").n_unique().over("run"))
    return sized.with_columns(
        is_single=pl.coalesce(scope == "eval", alone),
        is_whole=pl.coalesce(scope == "workflow", most),
        outage=outage.over("run"),
    )


@dataclass(slots=True, eq=False)
class _Row:
    """A row of a block: the block's cells in its runs."""

    cells: list[CellOnSide]
    number: int  # among the rows of its block and side; in the end its place in the arrays
    until: datetime | None  # when it takes runs of single evals
    is_rerun: bool = False  # whether it repeats the row before: then no rate can have jumped
    is_again: bool = False  # whether it has reruns of single evals, on the candidate's code

    @property
    def first(self) -> CellOnSide:
        return self.cells[0]

    @property
    def block(self) -> int:
        return self.first.block

    @property
    def is_now(self) -> bool:
        return self.first.is_now

    @property
    def told(self) -> tuple[object, ...]:
        """The row as one of :data:`_ROWS`."""
        first = self.first
        return self.block, self.number, first.run, first.moment, self.until, self.is_now

    def takes(self, cell: CellOnSide) -> bool:
        """Whether a block's cell in a run belongs to this row."""
        if cell.is_remembered or self.first.is_remembered:
            is_new = all(cell.eval != each.eval for each in self.cells)
            return cell.is_remembered and self.first.is_remembered and is_new
        if not cell.is_single or cell.moment is None or self.until is None:
            return False
        return cell.moment <= self.until and may_be_same(self.first.code, cell.code)

    def close(self, moment: datetime | None) -> None:
        if moment is not None and self.until is not None:
            self.until = min(self.until, moment)


def _make_rows(cells: list[CellOnSide]) -> tuple[list[_Row], int]:
    """The rows of all blocks, and the place where the candidate's begin.

    A row is a rerun if it repeats the block's run before it, on the same code within a day.
    """
    rows: list[_Row] = []
    lengths: dict[int, int] = {}
    for (block, is_now), its in itertools.groupby(cells, attrgetter("block", "is_now")):
        row: _Row | None = None
        anchor: _Row | None = None
        for cell in its:
            begins = row is None or not row.takes(cell)
            is_other = cell.has_outcome or (row and not may_be_same(row.first.code, cell.code))
            if row is not None and begins and is_other:
                row.close(cell.moment)
            if not cell.has_outcome:
                continue
            if row is None or begins:
                begun = (None if cell.is_single else cell.ended) or cell.moment
                until = None if begun is None else begun + OPEN
                row = _Row([], 0 if row is None else row.number + 1, until)
                rows.append(row)
                if anchor is None or not (is_now or cell.is_single):
                    anchor = row
            row.cells.append(cell)
            if anchor is not None and row is not anchor and not cell.is_remembered:
                row.is_rerun |= _is_same_day(anchor.first, cell)
                is_same = may_be_same(anchor.first.code, cell.code)
                row.is_again = is_now and row.first.is_single and is_same
        if not is_now and row is not None:
            lengths[block] = row.number + 1
    candidate = max(lengths.values(), default=0)
    for row in rows:
        row.number += candidate - (0 if row.is_now else lengths[row.block])
    return rows, candidate


def _is_same_day(first: CellOnSide, cell: CellOnSide) -> bool:
    """Whether a block was run again on the same code within a day, as far as is known."""
    is_known = first.moment is not None and cell.moment is not None
    is_later = is_known and cell.moment - first.moment >= SAME_DAY  # type: ignore[operator]
    return not is_later and may_be_same(first.code, cell.code)


def _count(table: pl.DataFrame, shape: tuple[int, int]) -> Ints:
    """How many of these results each eval has in each row."""
    placed = table.drop_nulls("row")
    places = placed["eval"].to_numpy() * shape[1] + placed["row"].to_numpy()
    counts = np.bincount(places, minlength=shape[0] * shape[1])
    return counts.reshape(shape)


def _find_edits(
    rows: list[_Row], table: pl.DataFrame, block: Ints, shape: tuple[int, int]
) -> tuple[Ints, Ints]:
    """Whether an eval's block had another code in a row than in the row before, and the codes.

    The block's last known codes decide. If they are unknown in a row, equal codes around it mean no
    edit; else it is not known. The codes of another block tell nothing about an eval that was moved
    from there.

    Returns ``SAME``, ``UNKNOWN`` or ``EDITED``, and the number of the block's one code, 0 if it is
    not known or not one; both of the shape (n, T).
    """
    edited, codes = (np.zeros((1 + block.max(initial=0), shape[1]), np.int64) for _ in range(2))
    numbers: dict[str, int] = {}
    for its in (list(its) for _, its in itertools.groupby(rows, attrgetter("block"))):
        for row, (flag, code) in zip(its, _compare_rows(its), strict=True):
            edited[row.block, row.number] = flag
            number = numbers.setdefault(code, len(numbers) + 1) if code else 0
            codes[row.block, row.number] = number
    edited, codes = edited[block], codes[block]
    away = table.filter(pl.col("row").is_not_null(), pl.col("block_id") != pl.col("last_block_id"))
    for index, row in away.group_by("eval").agg(pl.col("row").max()).iter_rows():
        edited[index, : row + 2] = np.maximum(edited[index, : row + 2], UNKNOWN)
        codes[index, : row + 1] = 0
    return edited, codes


def _compare_rows(rows: list[_Row]) -> list[tuple[int, str | None]]:
    """Whether a block was edited since the row before each of its rows, and its one code there."""
    known: list[str] = []
    found: list[tuple[int, str | None]] = []
    since = 0  # the first row after the last one with a known code
    for row in rows:
        codes = sorted({code for cell in row.cells for code in cell.codes})
        flag = UNKNOWN if found else SAME
        if codes and known:
            flag = SAME if codes == known else EDITED
            if flag == SAME:
                found[since:] = [(SAME, None)] * (len(found) - since)
        found.append((flag, codes[0] if len(codes) == 1 else None))
        known, since = codes or known, len(found) if codes else since
    return found


def _find_inside(
    table: pl.DataFrame,
    rows: list[_Row],
    block: Ints,
    shape: tuple[int, int],
    horizon: datetime | None,
) -> Bools:
    """Which rows lie within the horizon, shape (n, T); a given baseline always does."""
    if horizon is None:
        is_run = "is_whole", pl.col("side") != CANDIDATE, pl.col("run_id").is_not_null()
        whole = table.filter(*is_run).group_by("run").agg(pl.col("moment").min())["moment"]
        newest = whole.sort(descending=True, nulls_last=True)
        horizon = newest[HORIZON - 1] if newest.len() >= HORIZON else None
    inside = np.ones(shape, dtype=np.bool_)
    if horizon is None:
        return inside
    for row in rows:
        if row.first.moment is None or row.first.side != EARLIER:
            continue
        if row.first.moment < horizon:
            inside[block == row.block, row.number] = False
    return inside
