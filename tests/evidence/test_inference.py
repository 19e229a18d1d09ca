from __future__ import annotations

import itertools

import numpy as np
import pytest
from evidence.exact import exact_worse, histories, likelihood
from support.inside import (
    Histories,
    Posterior,
    cut_window,
    group_equal,
    infer,
    inference,
    rates,
    split_blocks,
)


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
    return Histories(passes, fails, block, edits[block], start, n_rows - rounds)


def same(a: Posterior, b: Posterior, order: np.ndarray | slice = slice(None)) -> None:
    np.testing.assert_allclose(a.worse[order], b.worse, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(a.better[order], b.better, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(a.rate[order], b.rate, rtol=1e-9)


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


@pytest.mark.parametrize("edited", [rates.SAME, rates.EDITED])
def test_what_nobody_has_seen_yet_is_more_likely_broken(edited: int) -> None:
    new, newer, old = (rates.share_weights(edited, up=True, age=age) for age in (0, 1, 3))
    np.testing.assert_allclose(newer[1:], new[1:] * 0.8)
    np.testing.assert_allclose(old[1:], new[1:] * 0.5)
    new, old = (rates.share_weights(edited, up=False, age=age) for age in (0, 3))
    np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("others", [0, 3, 4, 20])
@pytest.mark.parametrize("edit", ["e", " "])
def test_a_break_looks_hardly_less_probable_one_run_later(others: int, edit: str) -> None:
    found = []
    for failures in range(1, 16):
        rows = ["P" + "F" * failures, *["P" * (failures + 1)] * others]
        found.append(float(infer(histories(rows, " " + edit)).worse[0].sum()))
        assert found[-1] > max(found) - 0.03
    assert found[-1] == max(found)


def test_a_block_that_changes_both_ways_is_rather_a_shaky_one() -> None:
    def ask(others: str) -> float:
        rows = ["PF"] * 2 + [others] * 2 + ["PP"] * 36
        given = histories(rows, " e")
        return float(infer(given).worse[0, 1])

    assert ask("FP") < ask("PP") - 0.08


def test_an_unknown_edit_lies_between_an_edit_and_none() -> None:
    low, middle, high = (
        rates.share_weights(edited, up=True, age=0) @ rates.SHARES
        for edited in (rates.SAME, rates.UNKNOWN, rates.EDITED)
    )
    assert low < middle < high


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
    up = [p.sum(axis=1) @ rates.SHARES for p in priors]
    down = [p.sum(axis=0) @ rates.SHARES for p in priors]
    worse, better, total = np.zeros(n_rows), np.zeros(n_rows), 0.0
    for path in itertools.product(range(rates.RATES.size), repeat=n_rows):
        weight, last = first[path[0]] * emissions[0][path[0]], 0
        for t in range(1, n_rows):
            i, j = path[t - 1], path[t]
            can_jump = t <= given.candidate
            u, d = (up[t], down[t]) if can_jump else (0.0, 0.0)
            stay = 1 - u * rates.CAN_BREAK[i] - d * rates.CAN_MEND[i] if i == j else 0.0
            weight *= (stay + u * rates.BREAKS[i, j] + d * rates.MENDS[i, j]) * emissions[t][j]
            last = last if i == j else t
        total += weight
        if last and path[last] < path[last - 1]:
            better[last] += weight
        elif last and given.passes[0, :last].any():
            worse[last] += weight
    return worse / total, better / total


@pytest.mark.parametrize(
    ("row", "edited", "candidate"),
    [
        ("PPF", "  e", -1),
        ("PFF", "", -1),
        ("FPP", " e ", -1),
        ("P.F", " ? ", -1),
        ("PFF", "  ", -2),
    ],
)
def test_one_eval_agrees_with_all_paths(row: str, edited: str, candidate: int) -> None:
    given = histories([row], edited, candidate)
    found = infer(given)
    if "." in row:  # the row is no moment at which it could jump; what is known of it moves on
        given = histories([row.replace(".", "")], edited.strip().rjust(2), candidate)
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


def test_shares_are_inferred_from_the_others_exactly_where_messages_are_given() -> None:
    """Against Bayes' rule written out, for two blocks and a pattern that two evals have."""
    given = histories(["PPF", "PPF", "PFF", "PPP", "FFF"], "  e", -1, block=[0, 0, 0, 1, 1])
    patterns, pattern = group_equal(given)
    rng = np.random.default_rng(1)
    terms = np.empty((3, 2, patterns.size))
    terms[0] = rng.uniform(0.1, 1, (2, patterns.size))
    terms[1:] = terms[0] * rng.uniform(-0.9, 3, (2, 2, patterns.size))
    found = inference.expect_shares(patterns)
    inference.cavity(patterns)(2, terms, found)
    for e in range(5):
        others = [o for o in range(5) if o != e and given.block[o] == given.block[e]]
        age = rates.find_age(2, given.candidate)
        weights = rates.HOURS[:, None, None] * rates.SHARE_PRIORS[age, rates.EDITED]
        for a, b, c in (terms[:, :, pattern[o]] for o in others):
            linear = np.add.outer(a, 0 * rates.SHARES)
            linear = linear[:, :, None] + np.multiply.outer(b, rates.SHARES)[:, :, None]
            linear = linear + np.multiply.outer(c, rates.SHARES)[:, None, :]
            weights = weights * np.where(rates.POSSIBLE, linear, 0)
        hour = weights.sum(axis=(1, 2))
        at = pattern[e]
        np.testing.assert_allclose(found.hour[2, :, at], hour / hour.sum())
        np.testing.assert_allclose(
            found.up[2, :, at], np.einsum("hud,u->h", weights, rates.SHARES) / hour
        )
        np.testing.assert_allclose(
            found.down[2, :, at], np.einsum("hud,d->h", weights, rates.SHARES) / hour
        )


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
    assert (by_rate <= found.present[:, found.pattern] + 1e-9).all()


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
    other = Histories(
        given.passes[order],
        given.fails[order],
        label[given.block][order],
        given.edited[order],
        given.start[order],
        given.candidate,
    )
    same(infer(given), infer(other), order)


def test_equal_histories_are_counted_once_and_weigh_as_many() -> None:
    given = histories(["PPPF"] * 6 + ["PPPP"] * 30, "   e")
    patterns, pattern = group_equal(given)
    assert sorted(patterns.count.tolist()) == [6, 30]
    assert len(set(pattern[:6].tolist())) == 1
    few = infer(histories(["PPPF"] * 2 + ["PPPP"] * 30, "   e"))
    many = infer(given)
    assert many.worse[0].sum() > few.worse[0].sum() > 0.5


@pytest.mark.parametrize("width", [1, 7, 1000])
def test_parts_of_blocks_change_nothing(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given = drawn(5)
    whole = infer(given)
    parts = split_blocks(group_equal(given)[0], width)
    assert sum(part.size for part in parts) == group_equal(given)[0].size
    assert all(part.first[0] == 0 for part in parts)
    monkeypatch.setattr(inference, "_WIDTH", width)
    same(whole, infer(given))


def test_what_precedes_a_history_is_not_looked_at() -> None:
    given = drawn(2)
    before = np.arange(12)[None, :] < given.start[:, None]
    passes = np.where(before, 5, given.passes)
    fails = np.where(before, 7, given.fails)
    edited = np.where(before, 2, given.edited)
    other = Histories(passes, fails, given.block, edited, given.start, given.candidate)
    same(infer(given), infer(other))


def test_what_never_passed_did_not_break() -> None:
    found = infer(histories(["FFFFP", "FFPFF", "....F", "P...F"], "eeeee"))
    assert (found.worse[[0, 2]] == 0).all()
    assert (found.worse[1, :3] == 0).all()
    assert found.worse[1, 3:].sum() > 0
    assert found.better[0].sum() > 0.05


def test_reruns_do_not_jump() -> None:
    found = infer(drawn(1, rounds=4))
    assert (found.worse[:, 9:] == 0).all()
    assert (found.better[:, 9:] == 0).all()


def test_a_run_of_one_eval_is_no_moment_for_the_others() -> None:
    rows = ["PPPPP", "PP.PF", "PP.PP", "PP.PP"]
    found = infer(histories(rows, "  e  "))
    assert found.worse[1, 2] == 0
    without = infer(histories([row[:2] + row[3:] for row in rows[1:]], "  e "))
    assert found.worse[1, 3] > 2 * without.worse[0, 2] / 3  # the edit is looked for at the next row


@pytest.mark.parametrize("sweeps", [3, 4, 6])
def test_sweeps_settle(sweeps: int) -> None:
    given = drawn(7, n=80)
    settled = infer(given, sweeps=15).worse.sum(axis=1)
    np.testing.assert_allclose(infer(given, sweeps=sweeps).worse.sum(axis=1), settled, atol=0.01)


def test_the_first_rate_is_fitted_without_the_candidate() -> None:
    given = drawn(4)
    fails = given.fails.copy()
    fails[:, -1] += 3
    other = Histories(given.passes, fails, given.block, given.edited, given.start, given.candidate)
    np.testing.assert_array_equal(infer(given).first, infer(other).first)
    assert infer(given).first.sum() == pytest.approx(1)


@pytest.mark.parametrize("n_rows", [0, 1, 5])
def test_no_evals(n_rows: int) -> None:
    none = np.zeros((0, n_rows), dtype=np.int64)
    some = np.zeros(0, dtype=np.int64)
    found = infer(Histories(none, none, some, none, some, n_rows))
    assert found.worse.shape == found.better.shape == (0, n_rows)
    assert found.rate.shape == (0,)
    assert found.worse_by_rate(some).shape == (13, 0)


def test_no_rows_and_no_outcomes_leave_the_prior() -> None:
    none = np.zeros((2, 0), dtype=np.int64)
    start = np.zeros(2, dtype=np.int64)
    found = infer(Histories(none, none, start, none, start, 0))
    assert found.worse.shape == (2, 0)
    assert found.rate.tolist() == [pytest.approx(rates.FIRST @ rates.RATES)] * 2
    silent = infer(histories(["....", "----"]))
    np.testing.assert_allclose(silent.worse[1], 0, atol=1e-12)
    np.testing.assert_allclose(silent.rate[1], rates.FIRST @ rates.RATES)


@pytest.mark.parametrize("count", [1, 100, 10_000, 10_000_000])
def test_many_outcomes_at_a_row(count: int) -> None:
    outcomes = np.array([[count, 0], [0, count], [count, count], [0, 0]])
    passes = np.stack([outcomes[:, 0], outcomes[:, 1], outcomes[:, 0], outcomes[:, 1]])
    fails = np.stack([outcomes[:, 1], outcomes[:, 0], outcomes[:, 0], outcomes[:, 0]])
    block = np.array([0, 0, 1, 1])
    found = infer(Histories(passes, fails, block, np.zeros((4, 4), int), np.zeros(4, int), 3))
    for values in (found.worse, found.better, found.rate):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
        assert (values <= 1 + 1e-9).all()


@pytest.mark.parametrize("n", [1, 2, 2000])
@pytest.mark.parametrize("outcome", ["P", "F"])
def test_all_alike(n: int, outcome: str) -> None:
    found = infer(histories([outcome * 30] * n, "", -1))
    assert np.isfinite(found.worse).all()
    assert found.worse.sum(axis=1).max() < 0.01
    assert (found.rate < 0.01).all() if outcome == "P" else (found.rate > 0.9).all()


def test_contradictions_of_solid_evals_stay_finite() -> None:
    """Thousands of outcomes each way, in a block of which half breaks and half does not."""
    passes = np.full((200, 3), 10_000)
    fails = np.zeros((200, 3), dtype=np.int64)
    passes[::2, 2], fails[::2, 2] = 0, 10_000
    found = infer(
        Histories(passes, fails, np.zeros(200, int), np.zeros((200, 3), int), np.zeros(200, int), 2)
    )
    worse = found.worse.sum(axis=1)
    assert (worse[::2] > 0.999).all()
    assert (worse[1::2] < 0.001).all()


def test_a_window_puts_what_is_older_in_groups() -> None:
    rows = ["P" * 17 + "FP" + "F" * 40, "P" * 59, "F" * 59, "." * 54 + "P" * 5, "-" * 9 + "P" * 50]
    given = histories(rows, " " * 17 + "e", -1)
    window = cut_window(given, 20)
    assert window.histories.shape == (5, 21)
    assert (window.histories.candidate, window.older) == (20, 40)
    assert window.histories.passes[:, :2].tolist() == [[17, 1], [40, 0], [0, 0], [0, 0], [31, 0]]
    assert window.histories.fails[:, :2].tolist() == [[0, 22], [0, 0], [40, 0], [0, 0], [0, 0]]
    assert window.histories.start.tolist() == [0] * 5
    assert window.histories.edited[:, :3].tolist() == [[2, 2, 0]] * 5  # the most of the block
    assert window.broke.tolist() == [[0, 17], [17, 40], [0, 40], [17, 40], [17, 40]]
    assert cut_window(given, 58).histories is given
    assert cut_window(given, 58).older == 0
    found = infer(given, max_rows=20)
    assert found.worse.shape == (5, 59)
    assert found.worse[0].argmax() == 17
    assert found.worse[0].sum() > 0.5
    assert found.worse[1].sum() < 0.01


@pytest.mark.parametrize("seed", range(4))
def test_a_window_loses_no_outcome_and_tells_of_original_rows(seed: int) -> None:
    given = drawn(seed, n_rows=60, rounds=2)
    window = cut_window(given, 30)
    for name in ("passes", "fails"):
        before = np.where(given.comparable, getattr(given, name), 0)
        after = np.where(window.histories.comparable, getattr(window.histories, name), 0)
        assert (before.sum(axis=1) == after.sum(axis=1)).all()
        np.testing.assert_array_equal(before[:, window.older :], after[:, 3:])
    found = infer(given, max_rows=30)
    for row in (-1, 0, 7, 20, window.older - 1, window.older, 40, 59):
        by_rate = found.worse_by_rate(np.full(40, row)).sum(axis=0)
        np.testing.assert_allclose(by_rate, found.worse[:, row + 1 :].sum(axis=1), atol=1e-12)


@pytest.mark.parametrize("length", [20, 22, 40, 91, 100, 101, 150, 400])
def test_a_break_stays_however_long_it_is_not_mended(length: int) -> None:
    found = infer(histories(["P" * 30 + "F" * length, "P" * (30 + length)], "", -1))
    assert found.worse[0].sum() > 0.95
    assert found.worse[0].argmax() == 30


@pytest.mark.parametrize("length", [76, 106, 150, 270])
@pytest.mark.parametrize(
    ("before", "since", "after", "edited"),
    [
        ("P" * 30, 30, "FFFFP", ""),
        ("P" * 30, 30, "FFFFP", " " * 30 + "e"),
        ("P" * 5, 5, "FFFFP", ""),
        ("P" * 30 + "FFFP", 30, "F", ""),
        ("F" * 12 + "P" * 25, 37, "FFFFP", ""),  # bad at first
        ("P" * 20 + "F" * 10 + "P" * 15, 45, "FFFFP", ""),  # mended in between
        ("P" * 20 + "F" * 10 + "P" * 15, 45, "FPFFPF", " " * 20 + "e" + " " * 24 + "e"),
        ("P..PP" * 6, 30, "F..FP.FF", ""),
    ],
)
def test_a_break_stays_though_it_passes_now_and_then(
    before: str, since: int, after: str, edited: str, length: int
) -> None:
    row = before + (after * length)[:length] + "F"
    given = histories([row, *["P" * len(row)] * 9], edited)
    whole, cut = infer(given, max_rows=1000), infer(given)
    worse = cut.worse[0].sum()
    assert worse == pytest.approx(whole.worse[0].sum(), abs=0.02)
    assert worse > 0.9
    assert cut.worse[0].argmax() == whole.worse[0].argmax() == since


@pytest.mark.parametrize("length", [110, 180, 300])
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.7])
def test_groups_do_not_change_what_is_said_of_who_fails_now_and_then(
    length: int, rate: float
) -> None:
    rng = np.random.default_rng(length)
    row = "".join(rng.choice(["F", "P"], p=[rate, 1 - rate], size=length)) + "F"
    given = histories([row, *["P" * len(row)] * 9])
    whole, cut = infer(given, max_rows=1000), infer(given)
    assert cut.worse[0].sum() == pytest.approx(whole.worse[0].sum(), abs=0.1)


def test_a_long_history_ends_like_its_window() -> None:
    given = drawn(9, n_rows=60)
    whole, cut = infer(given, max_rows=1000), infer(given, max_rows=40)
    assert cut.worse.shape == whole.worse.shape
    assert np.abs(cut.worse.sum(axis=1) - whole.worse.sum(axis=1)).mean() < 0.05


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fails": np.zeros((2, 4), int)}, "one shape"),
        ({"block": np.zeros(3, int)}, "block and start"),
        ({"candidate": 4}, "candidate"),
        ({"passes": np.full((2, 3), -1)}, "below 0"),
        ({"edited": np.full((2, 3), 3)}, "edited"),
        ({"start": np.array([0, 4])}, "start"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], says: str) -> None:
    fields: dict[str, object] = {
        "passes": np.zeros((2, 3), int),
        "fails": np.zeros((2, 3), int),
        "block": np.zeros(2, int),
        "edited": np.zeros((2, 3), int),
        "start": np.zeros(2, int),
        "candidate": 2,
    }
    with pytest.raises(ValueError, match=says):
        Histories(**(fields | change))  # type: ignore[arg-type]
