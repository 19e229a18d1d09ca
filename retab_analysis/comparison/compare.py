"""``compare`` and ``compare_versions``: from RESULTS frames to a :class:`Comparison`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from retab_analysis.arguments import check_share
from retab_analysis.comparison.comparison import Comparison
from retab_analysis.comparison.eval_rows import describe_evals
from retab_analysis.comparison.sides import (
    Sides,
    check_one_workflow,
    check_results,
    choose_baseline,
    choose_last_good,
    pick_rows,
)
from retab_analysis.comparison.suite_test import Suite
from retab_analysis.errors import ConfigError
from retab_analysis.evidence.findings import Findings, weigh
from retab_analysis.evidence.outcomes import (
    CANDIDATE,
    EARLIER,
    Outcomes,
    collect_outcomes,
    combine_sides,
    count_outcomes,
)
from retab_analysis.schema import RESULTS, checked
from retab_analysis.stats.outcomes import OutcomeTable
from retab_analysis.vocabulary import DECIDED

_BY = ("workflow_version_id", "run_id", "workflow_draft_fingerprint")
_LISTED = 20
_DOCUMENTS = ("document_ids", "document_names")

Results = pl.DataFrame | pl.LazyFrame


def compare(
    baseline: Results,
    candidate: Results,
    *,
    history: Results | None = None,
    version_diff: pl.DataFrame | None = None,
    alpha: float = 0.05,
    margin: float = 0.05,
) -> Comparison:
    """Compare two sets of results, eval by eval.

    What may be concluded of an eval comes from all that is comparable: the same inputs, condition
    and expected value. The more history there is, the better flaky evals, drifts and breaks are
    told apart; :mod:`retab_analysis.evidence` says how.

    Args:
        baseline: The RESULTS frame to compare with. It is earlier by definition, whatever its dates
            say.
        candidate: A RESULTS frame: what is. Either may hold several runs.
        history: A RESULTS frame of other runs. Rows of the runs that are compared are left out of
            it, and rows that are later than the candidate's first result.
        version_diff: What :func:`fetch_version_diff` gives: which blocks differ between the two
            sides. Without it, the blocks' fingerprints say so.
        alpha: The level of the suite's test, and one minus that of its interval.
        margin: ``no_change`` is said where the whole interval of the change lies within ± this
            share (0.05: five points).

    Returns:
        The comparison.

    Raises:
        ConfigError: An argument that cannot be used, or results of two workflows.
        SchemaError: A frame that is not a RESULTS frame.
    """
    sides = Sides(
        candidate=check_results(candidate, "candidate").collect(),
        baseline=check_results(baseline, "baseline").collect(),
        history=None if history is None else check_results(history, "history").collect(),
        version_diff=version_diff,
    )
    return compare_sides(sides, alpha, margin)


def compare_versions(
    results: Results,
    baseline: object,
    candidate: object,
    *,
    by: str = "workflow_version_id",
    version_diff: pl.DataFrame | None = None,
    alpha: float = 0.05,
    margin: float = 0.05,
) -> Comparison:
    """Compare two versions within one frame; its other rows are the history.

    Args:
        results: A RESULTS frame of several runs.
        baseline: The version that was: a value of the column ``by``.
        candidate: The version that is, likewise.
        by: What makes a version: ``workflow_version_id``, ``run_id``,
            ``workflow_draft_fingerprint``, or a column of your own that the frame has beside ours.
        version_diff: As for :func:`compare`.
        alpha: As for :func:`compare`.
        margin: As for :func:`compare`.

    Returns:
        The comparison.

    Raises:
        ConfigError: A version that is not in the frame (the message lists those that are), or
            another argument that cannot be used.
        SchemaError: A frame that is not a RESULTS frame.
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
        version_diff=version_diff,
        alpha=alpha,
        margin=margin,
    )


def compare_sides(sides: Sides, alpha: float, margin: float) -> Comparison:
    """Compare two sides whose frames were checked.

    Raises:
        ConfigError: A level, a margin or a version diff that cannot be used, or results of two
            workflows.
    """
    check_share("alpha", alpha)
    check_share("margin", margin)
    check_one_workflow(sides.candidate, sides.baseline, sides.history)
    blocks = _changed_blocks(sides.version_diff)
    results = combine_sides(sides.candidate_and_reruns, sides.baseline, sides.history)
    outcomes = collect_outcomes(results, blocks)
    findings = weigh(outcomes)
    if sides.baseline is None:
        earlier, after = _hold_against_last_good(outcomes, findings)
        # The version diff is with the newest earlier run, and not with each eval's own result.
        blocks = None
    else:
        earlier = choose_baseline(outcomes)
        after = _last_decided(earlier, outcomes)
    evals = describe_evals(results, outcomes, findings, earlier, after, blocks, sides.after_gaps)
    chosen = None if sides.baseline is None else earlier
    results, outcomes = _without_reruns(results, outcomes, sides.rerun_ids)
    suite = _collect_suite(results, outcomes, evals, chosen)
    is_further = outcomes.results["side"] == EARLIER
    return Comparison.conclude(
        evals,
        suite,
        sides=sides,
        alpha=alpha,
        margin=margin,
        outage=outcomes.outage,
        further=outcomes.results["run_id"].filter(is_further).drop_nulls().n_unique(),
    )


def _hold_against_last_good(
    outcomes: Outcomes, findings: Findings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Each eval's own last good result, and the row after which a worsening counts for it.

    For an eval that does not pass now it does not matter how long ago that began: all rows count.
    """
    passing = _is_passing(outcomes)
    earlier = choose_last_good(outcomes, passing, findings.since)
    after = _last_decided(earlier, outcomes).join(passing.filter("passing"), on="eval", how="semi")
    return earlier, after


def _is_passing(outcomes: Outcomes) -> pl.DataFrame:
    """``eval, passing``: whether all decided results of the candidate passed, and there are some.

    What ended in an error does not pass; an eval without either is left out.
    """
    decided = pl.col("state").is_in(DECIDED)
    now = outcomes.results.filter(
        pl.col("side") == CANDIDATE, "comparable", decided | (pl.col("state") == "error")
    )
    passed = pl.col("state") == "passed"
    return now.group_by("eval").agg((decided.any() & (passed | ~decided).all()).alias("passing"))


def _last_decided(chosen: pl.DataFrame, outcomes: Outcomes) -> pl.DataFrame:
    """``eval, after``: the row of the newest decided result of those that were chosen."""
    rows = outcomes.results.select("at", "row", "state", "comparable")
    decided = chosen.join(rows, on="at").filter("comparable", pl.col("state").is_in(DECIDED))
    return decided.group_by("eval").agg(pl.col("row").max().alias("after"))


def _without_reruns(
    results: pl.DataFrame, outcomes: Outcomes, reruns: set[str]
) -> tuple[pl.DataFrame, Outcomes]:
    """What the suite's test and the two pass rates may look at."""
    if not reruns:
        return results, outcomes
    again = pl.col("run_id").is_in(list(reruns)).fill_null(False)
    first = replace(outcomes, results=outcomes.results.filter(~again))
    return results.filter(~again), first


def _collect_suite(
    results: pl.DataFrame,
    outcomes: Outcomes,
    evals: pl.DataFrame,
    earlier: pl.DataFrame | None,
) -> Suite:
    """What the suite's test looks at.

    Without chosen earlier results it is everything comparable that is earlier: results that were
    chosen because they passed would make every change a fall.
    """
    counted, is_after = outcomes.results, outcomes.results["side"] == CANDIDATE
    if earlier is not None:
        chosen = counted["at"].filter(is_after)
        counted = pick_rows(counted, pl.concat([chosen, earlier["at"]]))
    shape = outcomes.histories.shape
    passes, fails = count_outcomes(counted, shape)
    table = OutcomeTable(
        passes, passes + fails, np.arange(shape[1]) >= outcomes.histories.candidate
    )
    now = results.filter(results["side"] == CANDIDATE)
    named = (pl.when(pl.col(name).list.len() > 0).then(name) for name in _DOCUMENTS)
    documents = (
        now.sort("at")
        .select("eval_id", documents=pl.coalesce(named))
        .drop_nulls("documents")
        .unique("eval_id", keep="last")
    )
    return Suite(
        evals=evals.select(
            *("eval_id", "transition", "block_id", "expected_reruns", "unknown", "is_latest"),
            p_worse="p_regressed",
            p_better="p_improved",
        ),
        table=table,
        documents=outcomes.evals.select("eval_id").join(
            documents, on="eval_id", how="left", maintain_order="left"
        ),
    )


def _check_by(by: object, results: object) -> None:
    """Check what tells versions apart: three columns of ours, or one that the user put beside them.

    Raises:
        ConfigError: It is another column of ours, or is not there, or has not single values.
    """
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
    """The version that equals a value, as the column has it.

    Raises:
        ConfigError: There is none.
    """
    known = (
        frame.group_by(by)
        .agg(pl.col("run_created_at").max())
        .sort("run_created_at", by, descending=True, nulls_last=True)[by]
        .drop_nulls()
        .to_list()
    )
    try:
        return {each: each for each in known}[value]
    except (KeyError, TypeError):  # a value that cannot be hashed is not one of them either
        more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
        noun = f"a {by}" if by in _BY else f"a value of {by}"
        listed = ", ".join(map(str, known[:_LISTED])) or "none"
        raise ConfigError(
            f"{name}={value!r} is not {noun} of these results; there are {listed}{more}"
        ) from None


def _changed_blocks(version_diff: pl.DataFrame | None) -> frozenset[str] | None:
    if version_diff is None:
        return None
    is_frame = isinstance(version_diff, pl.DataFrame)
    if not is_frame or version_diff.schema.get("block_id") not in (pl.String, pl.Null):
        raise ConfigError(
            "version_diff must be a frame with a column block_id of texts, as "
            f"fetch_version_diff gives it; got {type(version_diff).__name__}"
        )
    return frozenset(version_diff["block_id"].drop_nulls().to_list())
