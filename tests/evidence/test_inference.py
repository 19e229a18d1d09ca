from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from evidence.exact import exact_worse, histories, likelihood, may_jump
from support.inside import Histories, Posterior, infer, rates


def drawn(seed: int, n: int = 40, n_rows: int = 12, rounds: int = 1) -> Histories:
    """Outcomes of solid, shaky and failing evals, edits, gaps, late starts, reruns of some."""
    rng = np.random.default_rng(seed)
    rate = rng.choice([0.001, 0.02, 0.2, 0.6, 0.99], n, p=[0.6, 0.15, 0.1, 0.05, 0.1])
    rates_at = np.repeat(rate[:, None], n_rows, axis=1)
    for e in np.flatnonzero(rng.random(n) < 0.3):
        rates_at[e, rng.integers(1, n_rows) :] = rng.choice([0.001, 0.5, 0.97])
    fails = (rng.random((n, n_rows)) < rates_at).astype(np.int64)
    passes = 1 - fails
    gone = rng.random((n, n_rows)) < 0.05
    gone[:, n_rows - rounds + 1 :] |= rng.random((n, rounds - 1)) < 0.8
    passes[gone], fails[gone] = 0, 0
    passes += rng.random((n, n_rows)) < 0.02
    block = rng.integers(0, 4, n)
    edits = rng.choice([0, 1, 2], size=(4, n_rows), p=[0.8, 0.05, 0.15])
    start = np.where(rng.random(n) < 0.2, rng.integers(0, n_rows, n), 0)
    jumps = np.tile(may_jump(n_rows, n_rows - rounds), (n, 1))
    late = np.arange(n_rows) < start[:, None]
    passes[late], fails[late] = 0, 0
    codes = 1 + np.cumsum(edits == 2, axis=1)
    return Histories(
        *(passes, fails, block, np.arange(n) // 3, edits[block], codes[block]),
        *(n_rows - rounds, jumps, ~jumps),
    )


def counted(passes: np.ndarray, fails: np.ndarray, block: np.ndarray, candidate: int) -> Histories:
    """Counts of outcomes of one code, all of which a rate may precede by a jump."""
    none = np.zeros(passes.shape, int)
    alone = np.arange(len(passes))
    return Histories(passes, fails, block, alone, none, none + 1, candidate, none == 0, none > 0)


def same(a: Posterior, b: Posterior, order: np.ndarray | slice = slice(None)) -> None:
    np.testing.assert_allclose(a.worse[order], b.worse, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(a.better[order], b.better, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(a.present[:, order], b.present, rtol=1e-9)


def test_jumps_are_large_and_sum_to_one_where_there_are_any() -> None:
    step = rates.RATES[None, :] - rates.RATES[:, None]
    assert (step[rates.BREAKS > 0] >= rates.LEAST_JUMP).all()
    assert (step[rates.MENDS > 0] <= -rates.LEAST_JUMP).all()
    for kernel, can in ((rates.BREAKS, rates.CAN_BREAK), (rates.MENDS, rates.CAN_MEND)):
        np.testing.assert_allclose(kernel.sum(axis=1), can, atol=1e-12)
    assert rates.CAN_BREAK.tolist() == [1] * 10 + [0] * 3  # nothing is .14 above .9
    assert rates.CAN_MEND.tolist() == [0] * 5 + [1] * 8


@pytest.mark.parametrize("edited", [rates.SAME, rates.UNKNOWN, rates.EDITED])
@pytest.mark.parametrize("age", [0, 1, 3])
@pytest.mark.parametrize("up", [True, False])
def test_share_weights_are_probabilities(edited: int, up: bool, age: int) -> None:
    weights = rates.share_weights(edited, up=up, age=age)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()


@pytest.mark.parametrize("others", [0, 3, 4, 20])
@pytest.mark.parametrize("edit", ["e", " "])
def test_a_break_looks_hardly_less_probable_one_run_later(others: int, edit: str) -> None:
    found = []
    for failures in range(1, 16):
        rows = ["P" + "F" * failures, *["P" * (failures + 1)] * others]
        found.append(float(infer(histories(rows, " " + edit)).worse[0].sum()))
        assert found[-1] > max(found) - 0.03
    assert found[-1] == max(found)


def paths(given: Histories, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Worse and better by row, of one eval without others, by summing over every path of rates."""
    n_rows = given.shape[1]
    emissions = [
        sum(rates.HOURS[h] * likelihood(given, 0, t, h) for h in (0, 1)) for t in range(n_rows)
    ]
    priors = [
        rates.SHARE_PRIORS[rates.find_age(t, given.candidate), given.edited[0, t]]
        for t in range(n_rows)
    ]
    up, down = np.array(priors) @ rates.PAIRS[:, 0], np.array(priors) @ rates.PAIRS[:, 1]
    worse, better, total = np.zeros(n_rows), np.zeros(n_rows), 0.0
    for path in itertools.product(range(rates.RATES.size), repeat=n_rows):
        weight, last = first[path[0]] * emissions[0][path[0]], 0
        for t in range(1, n_rows):
            i, j = path[t - 1], path[t]
            u, d = (up[t], down[t]) if given.jumps[0, t] else (0.0, 0.0)
            stay = 1 - u * rates.CAN_BREAK[i] - d * rates.CAN_MEND[i] if i == j else 0.0
            weight *= (stay + u * rates.BREAKS[i, j] + d * rates.MENDS[i, j]) * emissions[t][j]
            last = last if i == j else t
        total += weight
        if last and path[last] < path[last - 1]:
            better[last] += weight
        elif last:
            worse[last] += weight
    return worse / total, better / total


@pytest.mark.parametrize(
    ("row", "edited", "candidate", "later"),
    [
        ("PPF", "  e", -1, 0),
        ("PFF", "", -1, 0),
        ("FPF", " e ", -1, 0),  # what never passed may have got worse, too
        ("P.F", " ? ", -1, 0),  # at a run without it, it may have broken unseen
        ("PFF", "", -2, 0),  # run again within a day
        ("PFF", "", -2, 1),  # run again later
    ],
)
def test_one_eval_agrees_with_all_paths(row: str, edited: str, candidate: int, later: int) -> None:
    given = histories([row], edited, candidate, later=later)
    found = infer(given)
    worse, better = paths(given, found.first)
    np.testing.assert_allclose(found.worse[0][found.worse[0] > 0], worse[worse > 0], rtol=1e-9)
    np.testing.assert_allclose(found.better[0][found.better[0] > 0], better[better > 0], rtol=1e-9)


@pytest.mark.parametrize(
    ("rows", "edited", "candidate", "within"),
    [
        (["PPF", "PPF"], "  e", -1, 0.001),
        (["PPPF", "PPPF", "PPPF"], "   e", -1, 0.001),
        (["PPPPPPF", "PPPPPPP", "PPPPPPP"], "", -1, 0.001),
        (["PPFF", "PPPF", "PPFF"], "", -1, 0.016),
        (["PPPFF", "PPPFP", "PFPFF"], "   e", -2, 0.01),
        (["PPFFF", "PPFFP", "PPPPP"], "  e", -1, 0.01),
        (["PFFFPP", "PFFFPP", "PPPPPP"], " e  e", -1, 0.002),
        (["PPFPF", "PPPPF", "PFPPF"], "", -1, 0.02),
    ],
)
def test_a_block_agrees_with_the_exact_sum(
    rows: list[str], edited: str, candidate: int, within: float
) -> None:
    given = histories(rows, edited, candidate)
    found = infer(given)
    exact = exact_worse(given, found.first)
    np.testing.assert_allclose(found.worse.sum(axis=1), exact, atol=within)


@pytest.mark.parametrize("seed", range(4))
def test_where_the_last_jump_was_sums_to_one_at_most(seed: int) -> None:
    found = infer(drawn(seed, rounds=2))
    total = found.worse.sum(axis=1) + found.better.sum(axis=1)
    assert (found.worse >= 0).all()
    assert (found.better >= 0).all()
    assert (total <= 1 + 1e-9).all()
    np.testing.assert_allclose(found.present.sum(axis=0), 1)
    by_rate = found.worse_by_rate(np.full(40, -1))
    np.testing.assert_allclose(by_rate.sum(axis=0), found.worse.sum(axis=1), atol=1e-12)
    assert (by_rate <= found.present + 1e-9).all()


def test_a_worsening_counts_only_after_the_row_given() -> None:
    found = infer(drawn(3))
    for row in (0, 4, 10, 11):
        by_rate = found.worse_by_rate(np.full(40, row))
        np.testing.assert_allclose(
            by_rate.sum(axis=0), found.worse[:, row + 1 :].sum(axis=1), atol=1e-12
        )


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_evals_and_the_names_of_blocks_do_not_matter(seed: int) -> None:
    given = drawn(seed, rounds=3)
    order = np.random.default_rng(seed).permutation(40)
    label = np.array([907, -3, 12, 11])
    other = replace(given, block=label[given.block], document=-7 * given.document)
    same(infer(given), infer(other.take(order, slice(None))), order)


def test_reruns_do_not_jump() -> None:
    found = infer(drawn(1, rounds=4))
    assert (found.worse[:, 9:] == 0).all()
    assert (found.better[:, 9:] == 0).all()


@pytest.mark.parametrize("blocks", [1, 5, 20])
def test_a_suite_that_is_flaky_as_a_whole_is_recognised_at_its_second_run(blocks: int) -> None:
    called = 0
    for seed in range(10):
        fails = (np.random.default_rng(seed).random((100, 2)) < 0.2).astype(np.int64)
        found = infer(counted(1 - fails, fails, np.arange(100) % blocks, 1))
        called += bool((found.worse.sum(axis=1) >= 0.5).any())
    assert called <= 1


def test_the_first_rate_is_fitted_without_the_candidate() -> None:
    given = drawn(4)
    fails = given.fails.copy()
    fails[:, -1] += 3
    np.testing.assert_array_equal(infer(given).first, infer(replace(given, fails=fails)).first)
    assert infer(given).first.sum() == pytest.approx(1)


@pytest.mark.parametrize("n_rows", [0, 1, 5])
def test_no_evals(n_rows: int) -> None:
    none = np.zeros((0, n_rows), dtype=np.int64)
    some = np.zeros(0, dtype=np.int64)
    found = infer(counted(none, none, some, n_rows))
    assert found.worse.shape == found.better.shape == (0, n_rows)
    assert found.present.shape == (rates.RATES.size, 0)
    assert found.worse_by_rate(some).shape == (13, 0)


def test_no_rows_and_no_outcomes_leave_the_prior() -> None:
    none = np.zeros((2, 0), dtype=np.int64)
    start = np.zeros(2, dtype=np.int64)
    found = infer(counted(none, none, start, 0))
    assert found.worse.shape == (2, 0)
    np.testing.assert_allclose(found.present, np.column_stack([rates.FIRST] * 2))
    silent = infer(histories(["....", "----"]))
    np.testing.assert_allclose(silent.worse[1], 0, atol=1e-12)
    np.testing.assert_allclose(silent.present[:, 1], rates.FIRST)


@pytest.mark.parametrize("count", [1, 100, 10_000, 10_000_000])
def test_many_outcomes_at_a_row(count: int) -> None:
    outcomes = np.array([[count, 0], [0, count], [count, count], [0, 0]])
    passes = np.stack([outcomes[:, 0], outcomes[:, 1], outcomes[:, 0], outcomes[:, 1]])
    fails = np.stack([outcomes[:, 1], outcomes[:, 0], outcomes[:, 0], outcomes[:, 0]])
    block = np.array([0, 0, 1, 1])
    found = infer(counted(passes, fails, block, 3))
    for values in (found.worse, found.better, found.present):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
        assert (values <= 1 + 1e-9).all()


def test_contradictions_of_solid_evals_stay_finite() -> None:
    """Thousands of outcomes each way, in a block of which half breaks and half does not."""
    passes = np.full((200, 3), 10_000)
    fails = np.zeros((200, 3), dtype=np.int64)
    passes[::2, 2], fails[::2, 2] = 0, 10_000
    found = infer(counted(passes, fails, np.zeros(200, int), 2))
    worse = found.worse.sum(axis=1)
    assert (worse[::2] > 0.999).all()
    assert (worse[1::2] < 0.001).all()
