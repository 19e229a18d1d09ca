"""``compare``: from RESULTS frames to a :class:`Comparison`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import polars as pl

from retab_analysis.arguments import check_share
from retab_analysis.comparison.accepted import GivenAccepted, read_accepted
from retab_analysis.comparison.comparison import Compared, Comparison
from retab_analysis.comparison.sides import Sides, check_one_workflow, check_results
from retab_analysis.comparison.suite_test import Suite
from retab_analysis.evidence.comparable import Ledger
from retab_analysis.evidence.inference import last_row
from retab_analysis.evidence.rates import Bools
from retab_analysis.evidence.story import Story
from retab_analysis.evidence.telling import Told
from retab_analysis.stats.suite import SuiteRates
from retab_analysis.vocabulary import DECIDED, LIKELY, MOMENT

Results = pl.DataFrame | pl.LazyFrame


def compare(
    baseline: Results,
    candidate: Results,
    *,
    history: Results | None = None,
    accepted: GivenAccepted = None,
    alpha: float = 0.05,
    margin: float = 0.05,
) -> Comparison:
    """Compare two sets of results, eval by eval.

    ``compare`` judges an eval by all its comparable results: the same inputs, condition and
    expected value. With more history, it tells flaky evals, drifts and breaks apart better.

    Args:
        baseline: The RESULTS frame to compare with. ``compare`` takes it as the earlier one,
            whatever its dates.
        candidate: The RESULTS frame to judge. Both may hold several runs.
        history: A RESULTS frame of other runs. ``compare`` ignores its rows of the compared runs,
            and rows later than the candidate's first result.
        accepted: Known failures: ids or names of evals, or a file that ``Comparison.accept`` wrote.
            By default the failures that :func:`use` was given.
        alpha: The level of the suite's test. Its interval has the level 1 - ``alpha``.
        margin: The largest fall of the pass rate that still counts as ``no_change`` (0.05: five
            points).

    Returns:
        The comparison.

    Raises:
        ConfigError: An argument cannot be used, a file cannot be read, or the results are of two
            workflows.
        SchemaError: A frame is not a RESULTS frame.

    Example:
        >>> newest = ra.fetch_runs("wf_invoices", status="completed", scope="workflow", limit=4)
        >>> now, *earlier = (ra.fetch_results(run_id) for run_id in newest["run_id"])
        >>> verdict = ra.compare(earlier[0], now, history=pl.concat(earlier[1:]))
        >>> verdict.verdict in ("regressed", "improved", "no_change", "inconclusive")
        True
    """
    now = check_results(candidate, "candidate").collect()
    before = check_results(baseline, "baseline").collect()
    further = None
    if history is not None:
        further = check_results(history, "history").collect()
    check_one_workflow(now, before, further)
    past = None if further is None else _without_compared(further, before, now)
    sides = Sides.of(now, before, past, accepted=read_accepted(accepted))
    return compare_sides(sides, alpha, margin)


def _without_compared(
    history: pl.DataFrame, baseline: pl.DataFrame, candidate: pl.DataFrame
) -> pl.DataFrame:
    """The history without the compared runs and without later rows than the candidate's."""
    compared = pl.concat([baseline, candidate])
    # Results of an unknown run are recognised by their own id.
    left_out = [
        history[name].is_in(compared[name].drop_nulls().unique().implode())
        for name in ("run_id", "result_id")
    ]
    first = candidate.select(MOMENT.min()).item()
    if first is not None:  # if the candidate's dates are not known, nothing can be later
        left_out.append(history.select(first < MOMENT).to_series())
    return history.filter(~pl.any_horizontal(each.fill_null(False) for each in left_out))


def compare_sides(sides: Sides, alpha: float, margin: float) -> Comparison:
    check_share("alpha", alpha)
    check_share("margin", margin)
    told = sides.tell()
    suite = _collect_suite(told)
    policy = sides.accepted.fit(told.stories, sides.saved.evals)
    made = Compared(alpha, margin, replace(sides, accepted=policy), suite, sides.notes)
    return Comparison(made.with_edits(sides.edits))


def _collect_suite(told: Told) -> Suite:
    """The pass rate of each eval in each row, outages apart, by the run that the row began with.

    With a baseline, the rate before is the rate of its outcomes. Without one, an eval's rate before
    is over

    1. its rows before it got worse, if ``check`` calls it worse since before the candidate's row;
    2. else its rows on other code than the candidate's, if there are any;
    3. else all its rows.
    """
    ledger, stories = told.ledger, told.stories
    histories, results = ledger.histories, ledger.results
    is_now = np.arange(histories.shape[1]) >= histories.candidate
    outages = ledger.places(results.filter("outage", pl.col("state").is_in(DECIDED)))
    known = histories.observed & (is_now | ~outages)
    if all(each.has_own_past for each in stories):
        held = _choose_before(ledger, known & ~is_now, stories)
    else:
        counting = [each.index for each in stories if not each.is_apart]
        held = known & ledger.places(told.held.filter(pl.col("eval").is_in(counting)))
    runs = ledger.rows.group_by("began", "is_now").agg(pl.col("moment").min())
    runs = runs.sort("is_now", "moment", "began", nulls_last=False).with_row_index("column")
    placed = ledger.rows.join(runs, on=("began", "is_now"))
    column = np.zeros((1 + histories.block.max(initial=0), histories.shape[1]), dtype=np.int64)
    column[placed["block"].to_numpy(), placed["row"].to_numpy()] = placed["column"].to_numpy()
    rates = np.full((ledger.evals.height, max(runs.height, 1)), np.nan)
    is_before = np.zeros(rates.shape, dtype=np.bool_)
    at = np.nonzero(known)
    cell = at[0], column[histories.block[at[0]], at[1]]
    # A failure and a pass in one row are one half.
    rates[cell] = np.where(histories.passed[at], np.where(histories.failed[at], 0.5, 1.0), 0.0)
    is_before[cell] = held[at]
    is_after = np.zeros(rates.shape[1], dtype=np.bool_)
    is_after[: runs.height] = runs["is_now"].to_numpy()
    return Suite(
        stories=stories,
        rates=SuiteRates(rates, is_after, is_before & ~is_after),
        eval_ids=ledger.evals["eval_id"],
        documents=histories.document,
    )


def _choose_before(ledger: Ledger, rows: Bools, stories: Iterable[Story]) -> Bools:
    candidate, codes = ledger.histories.candidate, ledger.histories.codes
    since = np.full(len(rows), -1)
    for each in stories:
        began = each.reading.since_row
        if (each.reading.p_worse or 0) >= LIKELY and began is not None and began < candidate:
            since[each.index] = began
    now = codes[:, candidate:]
    present = np.take_along_axis(now, last_row(now > 0)[:, None], axis=1)
    is_other = rows & (codes > 0) & (present > 0) & (codes != present)
    is_earlier = rows & (np.arange(rows.shape[1]) < since[:, None])
    chosen = np.where(is_other.any(axis=1, keepdims=True), is_other, rows)
    return np.where(is_earlier.any(axis=1, keepdims=True), is_earlier, chosen)
