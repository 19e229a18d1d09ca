"""The change of a whole suite: its formula, error rates by simulation, invariances, extremes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as scipy_stats
from support.inside import SuiteChange, SuiteRates, suite_change
from support.suites import Suite

TRIES = 120


def rates_of(passes: np.ndarray | list[list[float]], candidates: int = 1) -> SuiteRates:
    """All runs but the last are before."""
    rates = np.array(passes, dtype=float)
    is_after = np.arange(rates.shape[1]) >= rates.shape[1] - candidates
    return SuiteRates(rates, is_after, np.tile(~is_after, (len(rates), 1)))


def change_of(
    passes: np.ndarray | list[list[float]], documents: np.ndarray | None = None, candidates: int = 1
) -> SuiteChange:
    """Each eval is alone unless documents are given."""
    known = np.arange(len(passes)) if documents is None else documents
    return suite_change(rates_of(passes, candidates), known)


def by_hand(suite: SuiteRates, documents: np.ndarray) -> tuple[float, int, float]:
    """The standard error, its degrees of freedom and what is detectable, term by term."""
    n = len(suite.rates)
    earlier = [t for t in range(suite.rates.shape[1]) if not suite.is_after[t]]
    known = ~np.isnan(suite.rates)
    whole = [t for t in range(suite.rates.shape[1]) if known[:, t].sum() >= n / 2]
    runs = [t for t in whole if t in earlier]
    c, r = len(whole) - len(runs), len(runs)
    mean = {e: np.mean([suite.rates[e, t] for t in earlier if known[e, t]]) for e in range(n)}
    fails = {(e, t): mean[e] - suite.rates[e, t] for e in range(n) for t in earlier if known[e, t]}
    v_doc, single = 0.0, []
    for document in set(documents.tolist()):
        evals = [e for e in range(n) if documents[e] == document]
        rows = [t for t in earlier if any(known[e, t] for e in evals)]
        sums = [sum(fails.get((e, t), 0.0) for e in evals) for t in rows]
        if len(rows) > 1:
            v_doc += sum(x * x for x in sums) / (len(rows) - 1) * (1 / c + 1 / len(rows))
        else:
            single.append(sum(1 - mean[e] for e in evals))
    v_doc += (1 + 1 / c) * sum((x - np.mean(single)) ** 2 for x in single)
    v = v_doc
    if r > 1:
        of_run = [n * np.mean([fails[e, t] for e in range(n) if (e, t) in fails]) for t in runs]
        v_run = np.var(of_run, ddof=1) * (1 / c + 1 / r) * r / (r - 1)
        v = max(v_doc, (6 * v_doc + (r - 1) * v_run) / (5 + r))
    sizes = np.bincount(documents)
    one_more = (sizes**2).sum() / n
    after = np.array([np.nanmean(suite.rates[e, suite.is_after]) for e in range(n)])
    moved = after - np.array([np.nanmean(suite.rates[e, suite.is_before[e]]) for e in range(n)])
    largest = max((moved[documents == each].sum()) ** 2 for each in set(documents.tolist()))
    df = min(len(sizes) - 1, 5 + r)
    t = scipy_stats.t.ppf(0.975, df)
    detectable = (t + 0.84) * math.sqrt(v + one_more) / n
    return math.sqrt(v + max(one_more, largest / r)) / n, df, detectable


@pytest.mark.parametrize("runs", [1, 2, 5, 12])
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("candidates", [1, 3])
def test_one_standard_error_for_test_interval_and_what_is_detectable(
    runs: int, missing: float, candidates: int
) -> None:
    made = Suite(
        n=24, runs=runs, per_document=3, failing=0.2, missing=missing, candidates=candidates
    )
    suite = made.draw(np.random.default_rng(runs))
    change = suite_change(suite, made.clusters)
    se, df, detectable = by_hand(suite, made.clusters)
    assert (change.se, change.df) == (pytest.approx(se), df)
    half = scipy_stats.t.ppf(0.975, df) * se
    assert change.delta is not None
    assert change.p_value == pytest.approx(2 * scipy_stats.t.sf(abs(change.delta) / se, df))
    assert change.delta_low == pytest.approx(max(-1, change.delta - half))
    assert change.delta_high == pytest.approx(min(1, change.delta + half))
    assert change.detectable == (pytest.approx(detectable) if detectable <= 1 else None)
    assert change.runs == candidates


def test_only_what_an_eval_is_held_against_is_its_rate_before() -> None:
    suite = rates_of([[0, 1, 1, 0]] * 12 + [[1, 1, 1, 1]] * 12)
    suite.is_before[:12, 0] = False
    change = suite_change(suite, np.arange(24))
    assert (change.baseline_pass_rate, change.candidate_pass_rate) == (1.0, 0.5)
    assert change.se == pytest.approx(by_hand(suite, np.arange(24))[0])


def test_without_a_whole_run_on_either_side_there_is_no_test() -> None:
    few = np.full((10, 3), np.nan)
    few[:, 0] = 1
    few[:4, 1:] = 1  # a run of less than half
    few[4:, 2] = np.nan
    change = change_of(np.where(np.arange(3) == 2, few, few))
    assert change.p_value is None
    assert change.detectable is None


def is_found(change: SuiteChange) -> bool:
    return change.p_value is not None and change.p_value <= 0.05 and (change.delta or 0) < 0


@pytest.mark.study
@pytest.mark.parametrize("runs", [5, 20])
@pytest.mark.parametrize(
    "suite",
    [Suite(n=72, failing=0.001), Suite(n=200, failing=0.035), Suite(n=200, failing=0.27)],
    ids=["without noise", "some noise", "much noise"],
)
def test_what_is_detectable_is_mostly_found(suite: Suite, runs: int) -> None:
    suite = replace(suite, runs=runs)
    dice = np.random.default_rng(5)
    falls = [suite_change(suite.draw(dice), suite.clusters).detectable or 1.0 for _ in range(30)]
    tries = [suite.draw(dice, float(np.mean(falls))) for _ in range(TRIES)]
    found = np.mean([is_found(suite_change(each, suite.clusters)) for each in tries])
    # Where nothing varies the largest change of a document widens the test, and not this.
    assert 0.5 <= found <= 0.99


def test_what_no_suite_of_this_size_can_find_is_none() -> None:
    assert change_of([[1, 1]] * 3).detectable is None
    assert change_of([[1, 1]] * 12, documents=np.zeros(12, dtype=int)).detectable is None


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_order_of_evals_and_documents_does_not_matter(missing: float) -> None:
    suite = Suite(n=60, runs=7, per_document=3, failing=0.3, missing=missing)
    rates = suite.draw(np.random.default_rng(8))
    order = np.random.default_rng(9).permutation(60)
    others = np.random.default_rng(10).permutation(20)[suite.clusters[order]]
    one, other = suite_change(rates, suite.clusters), suite_change(rates.take(order), others)
    for name in ("delta", "delta_low", "p_value", "detectable"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))


def test_nothing_and_next_to_nothing() -> None:
    assert change_of(np.zeros((0, 2))) == SuiteChange()
    assert change_of([[1, 0]]) == SuiteChange(1.0, 0.0, -1.0, n_evals=1, n_documents=1, runs=1)
    change = change_of([[1, 1]] * 40)
    assert (change.delta, change.p_value) == (0.0, 1.0)
    assert change.delta_low is not None
    assert -0.4 < change.delta_low < 0
    same = change_of([[1, 1]] * 40, documents=np.zeros(40, dtype=int))
    assert (same.delta, same.delta_low, same.p_value, same.n_documents) == (0.0, None, None, 1)


@pytest.mark.parametrize("missing", [0.0, 0.05])
def test_ten_thousand_evals(missing: float) -> None:
    suite = Suite(n=10_000, runs=5, per_document=3, failing=0.05, missing=missing)
    change = suite_change(suite.draw(np.random.default_rng(1), fall=0.02), suite.clusters)
    assert change.delta == pytest.approx(-0.02, abs=0.01)
    assert is_found(change)
    assert (change.n_evals, change.n_documents) == (10_000, 3334)


def test_a_level_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        suite_change(rates_of([[1, 1]] * 2), np.arange(2), alpha=0.0)
