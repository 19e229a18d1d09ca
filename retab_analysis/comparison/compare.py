"""``compare`` and ``compare_versions``: from RESULTS frames to a :class:`Comparison`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from retab_analysis.arguments import check_share
from retab_analysis.comparison.comparison import Comparison, sides_of
from retab_analysis.comparison.detail import list_evals
from retab_analysis.comparison.explanation import describe_last_good, describe_sides
from retab_analysis.comparison.sides import Sides, check_one_workflow, check_results
from retab_analysis.comparison.suite_test import Suite
from retab_analysis.comparison.transitions import describe_evals
from retab_analysis.errors import ConfigError, list_some
from retab_analysis.evidence.comparable import CANDIDATE, Ledger, collect, combine_sides
from retab_analysis.evidence.since import weigh
from retab_analysis.schema import RESULTS, checked
from retab_analysis.stats.suite import SuiteRates
from retab_analysis.vocabulary import DECIDED, DRAFT, LIKELY, MOMENT, is_draft

_BY = ("workflow_version_id", "run_id", "workflow_draft_fingerprint")
_NAMED = 5
_DOCUMENTS = ("document_ids", "document_names")

Results = pl.DataFrame | pl.LazyFrame


def compare(
    baseline: Results,
    candidate: Results,
    *,
    history: Results | None = None,
    alpha: float = 0.05,
    margin: float = 0.05,
) -> Comparison:
    """Compare two sets of results, eval by eval.

    What may be concluded of an eval comes from all that is comparable: the same inputs, condition
    and expected value. The more history there is, the better flaky evals, drifts and breaks are
    told apart.

    Args:
        baseline: The RESULTS frame to compare with. It is earlier by definition, whatever its dates
            say.
        candidate: A RESULTS frame: what is. Either may hold several runs.
        history: A RESULTS frame of other runs. Rows of the runs that are compared are left out of
            it, and rows that are later than the candidate's first result.
        alpha: The level of the suite's test, and one minus that of its interval.
        margin: ``no_change`` is said where the whole interval of the change lies within ± this
            share (0.05: five points).

    Returns:
        The comparison.

    Raises:
        ConfigError: An argument that cannot be used, or results of two workflows.
        SchemaError: A frame that is not a RESULTS frame.

    Example:
        >>> newest = ra.fetch_runs("wf_invoices", status="completed", scope="workflow", limit=4)
        >>> now, *earlier = (ra.fetch_results(run_id) for run_id in newest["run_id"])
        >>> verdict = ra.compare(earlier[0], now, history=pl.concat(earlier[1:]))
        >>> verdict.verdict in ("regressed", "improved", "no_change", "inconclusive")
        True
    """
    now = check_results(candidate, "candidate").collect()
    before = check_results(baseline, "baseline").collect()
    further = None if history is None else check_results(history, "history").collect()
    check_one_workflow(now, before, further)
    sides = Sides(
        candidate=now,
        baseline=before,
        history=None if further is None else _without_compared(further, before, now),
    )
    return compare_sides(sides, alpha, margin)


def _without_compared(
    history: pl.DataFrame, baseline: pl.DataFrame, candidate: pl.DataFrame
) -> pl.DataFrame:
    """History that is not among what is compared, and not later than the candidate."""
    compared = pl.concat([baseline, candidate])
    # Results whose run is not known are recognised by their own id.
    left_out = [
        history[name].is_in(compared[name].drop_nulls().unique().implode())
        for name in ("run_id", "result_id")
    ]
    first = candidate.select(MOMENT.min()).item()
    if first is not None:  # where the candidate's dates are not known, nothing can be later
        left_out.append(history.select(first < MOMENT).to_series())
    return history.filter(~pl.any_horizontal(each.fill_null(False) for each in left_out))


def compare_versions(
    results: Results,
    baseline: object,
    candidate: object,
    *,
    by: str = "workflow_version_id",
    alpha: float = 0.05,
    margin: float = 0.05,
) -> Comparison:
    """Compare two versions within one frame; its other rows are the history.

    Args:
        results: A RESULTS frame of several runs.
        baseline: The version that was: a value of the column ``by``, or ``"draft"`` for the newest
            draft.
        candidate: The version that is, likewise.
        by: What makes a version: ``workflow_version_id``, ``run_id``,
            ``workflow_draft_fingerprint``, or a column of your own that the frame has beside ours.
        alpha: The level of the suite's test, and one minus that of its interval.
        margin: The loss of pass rate that ``no_change`` rules out (0.05: five points).

    Returns:
        The comparison.

    Raises:
        ConfigError: A version that is not in the frame (the message lists those that are), or
            another argument that cannot be used.
        SchemaError: A frame that is not a RESULTS frame.

    Example:
        >>> runs = ra.fetch_runs("wf_invoices", status="completed", scope="workflow", limit=8)
        >>> newest, before = runs["workflow_version_id"].unique(maintain_order=True).head(2)
        >>> ra.compare_versions(ra.fetch_results(runs), before, newest).summary.height
        1
    """
    _check_by(by, results)
    frame = check_results(results, "results", also=(by,)).collect()
    before, now = (
        (frame[by] == _find_known(frame, by, name, value)).fill_null(False)
        for name, value in (("baseline", baseline), ("candidate", candidate))
    )
    return compare(
        frame.filter(before),
        frame.filter(now),
        history=frame.filter(~(before | now)),
        alpha=alpha,
        margin=margin,
    )


def compare_sides(sides: Sides, alpha: float, margin: float) -> Comparison:
    """Compare two sides whose frames were checked."""
    check_share("alpha", alpha)
    check_share("margin", margin)
    blocks = sides.changed_blocks
    results = combine_sides(sides.candidate, sides.baseline, sides.history)
    ledger = collect(results, blocks, sides.horizon)
    findings = weigh(ledger)
    # Against each eval's own past they are those since the newest earlier run, which is not what
    # the eval is held against.
    shown = None if sides.baseline is None else blocks
    told, earlier = describe_evals(results, ledger, findings, sides, shown)
    held = None if sides.baseline is None else earlier
    suite = _collect_suite(results, ledger, told, held)
    if sides.unedited is not None:
        edited = _find_edited(suite.evals)
        suite = suite.without(edited["eval_id"])
        are = "eval of an edited block is" if edited.height == 1 else "evals of edited blocks are"
        said = f"{edited.height} {are} not judged: {list_evals(edited, _NAMED)}."
        sides = replace(sides, unedited=said if edited.height else "")
    return Comparison(alpha, margin, _describe(sides, suite.evals), sides, suite)


def without_edited(comparison: Comparison) -> Comparison:
    """The same, and judged is only what nobody edited; what was is left out, and that is said."""
    sides = replace(sides_of(comparison), unedited="", edits=None)
    return compare_sides(sides, comparison.alpha, comparison.margin)


def _find_edited(evals: pl.DataFrame) -> pl.DataFrame:
    """The evals that got worse by an edit, or whose block was edited since they passed.

    What got worse without an edit is none of them, whatever was edited later.
    """
    by_edit, is_drift = ((pl.col("cause") == each).fill_null(False) for each in ("edit", "drift"))
    return evals.filter(by_edit | (pl.col("block_changed").fill_null(False) & ~is_drift))


def _describe(sides: Sides, evals: pl.DataFrame) -> str:
    if sides.baseline is None:
        earlier = sides.candidate.clear() if sides.history is None else sides.history
        return describe_last_good(sides.compared, evals, earlier)
    return sides.compared or describe_sides(sides.baseline, sides.candidate)


def _collect_suite(
    results: pl.DataFrame, ledger: Ledger, evals: pl.DataFrame, earlier: pl.DataFrame | None
) -> Suite:
    """The pass rate of each eval in each row, outages apart, by the run that the row began with.

    Where a baseline was passed in, the rate before is that of ``earlier``: ``eval, at``. Held
    against its own past, an eval is held against

    1. the rows before it got worse, where it is called worse since before the candidate's row;
    2. else those on other code than the candidate's, where there are such rows;
    3. else all.
    """
    is_now = pl.col("side") == CANDIDATE
    decided = ledger.results.filter(
        "comparable",
        pl.col("state").is_in(DECIDED),
        is_now | ~pl.col("outage"),
        pl.col("row").is_not_null(),
    )
    passed = pl.col("state") == "passed"
    rows = decided.group_by("eval", "row", "side", "began", is_now=is_now).agg(
        rate=(passed.any().cast(pl.Float64) + passed.all().cast(pl.Float64)) / 2,
        at=pl.col("at").max(),
        moment=pl.col("moment").min(),
        code=pl.col("code").drop_nulls().last(),
        is_held=pl.lit(True)
        if earlier is None
        else pl.col("at").is_in(earlier["at"].implode()).any(),
    )
    before = rows.filter(~pl.col("is_now"))
    if earlier is None:
        chosen = _choose_before(before, rows.filter("is_now"), evals)
        rows = rows.with_columns(is_held=pl.col("at").is_in(chosen["at"].implode()))
    runs = (
        rows.group_by("began", "is_now")
        .agg(pl.col("moment").min())
        .sort("is_now", "moment", "began", nulls_last=False)
        .with_row_index("column")
    )
    placed = rows.join(runs, on=("began", "is_now"))
    shape = ledger.evals.height, max(runs.height, 1)
    rates, held = np.full(shape, np.nan), np.zeros(shape, dtype=np.bool_)
    cell = placed["eval"].to_numpy(), placed["column"].to_numpy()
    rates[cell] = placed["rate"].to_numpy()
    held[cell] = placed["is_held"].to_numpy()
    is_after = np.zeros(shape[1], dtype=np.bool_)
    is_after[: runs.height] = runs["is_now"].to_numpy()
    return Suite(
        evals=evals,
        rates=SuiteRates(rates, is_after, held & ~is_after),
        documents=ledger.evals.select("eval_id").join(
            _find_documents(results), on="eval_id", how="left", maintain_order="left"
        ),
    )


def _choose_before(rows: pl.DataFrame, now: pl.DataFrame, evals: pl.DataFrame) -> pl.DataFrame:
    """The rows that each eval's rate before is made of; see :func:`_collect_suite`."""
    present = now.sort("row").group_by("eval").agg(present=pl.col("code").drop_nulls().last())
    worse = evals.filter(pl.col("p_worse") >= LIKELY).select("eval", "since_row")
    since = pl.col("row") < pl.col("since_row")
    # Where it began at the candidate's row, all earlier rows are before it.
    earlier = pl.col("since_row") <= pl.col("row").max().over("eval")
    told = (
        rows.join(present, on="eval", how="left")
        .join(worse, on="eval", how="left")
        .with_columns(
            first=(since & earlier).fill_null(False),
            second=(pl.col("code") != pl.col("present")).fill_null(False),
        )
    )
    any_first, any_second = (pl.col(name).any().over("eval") for name in ("first", "second"))
    chosen = (
        pl.when(any_first).then("first").when(any_second).then("second").otherwise(pl.lit(True))
    )
    return told.filter(chosen).select(rows.columns)


def _find_documents(results: pl.DataFrame) -> pl.DataFrame:
    """``eval_id, documents``: what each eval reads, as its newest result says."""
    named = (pl.when(pl.col(name).list.len() > 0).then(name) for name in _DOCUMENTS)
    return (
        results.sort("at")
        .select("eval_id", documents=pl.coalesce(named))
        .drop_nulls("documents")
        .unique("eval_id", keep="last")
    )


def _check_by(by: object, results: object) -> None:
    """Check what tells versions apart: a column of ours, or one that the user put beside them."""
    if isinstance(by, str):
        if by in _BY:
            return
        dtype = checked(results, RESULTS, (), "results").collect_schema().get(by)
        is_single = dtype is not None and not dtype.is_nested() and dtype != pl.Object
        # What begins with ^ or is * names several columns to polars.
        if is_single and by not in RESULTS.schema and not by.startswith(("^", "*")):
            return
    raise ConfigError(
        f"by must be one of {', '.join(_BY)}, or a column of your own with single values; "
        f"got {by!r}"
    )


def _find_known(frame: pl.DataFrame, by: str, name: str, value: object) -> object:
    """The version that equals a value, as the column has it."""
    known = (
        frame.group_by(by)
        .agg(pl.col("run_created_at").max())
        .sort("run_created_at", by, descending=True, nulls_last=True)[by]
        .drop_nulls()
        .to_list()
    )
    if by == "workflow_version_id" and value == DRAFT and DRAFT not in known:
        value = next((each for each in known if is_draft(each)), value)
    try:
        return {each: each for each in known}[value]
    except (KeyError, TypeError):  # a value that cannot be hashed is not one of them either
        noun = f"a {by}" if by in _BY else f"a value of {by}"
        listed = list_some(map(str, known)) or "none"
        raise ConfigError(
            f"{name}={value!r} is not {noun} of these results; there are {listed}"
        ) from None
