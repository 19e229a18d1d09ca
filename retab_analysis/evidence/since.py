"""Whether an eval got worse, since when, why, and what would decide it.

An eval *regressed* where its last jump was upward and lies after the row to which it is compared: a
lasting worsening began then, and has not been mended since. With W(j) the probability of that by
the present rate j, and A(j) the posterior of the present rate, ``p_regressed`` is Σ W / Σ A, and
after k further outcomes Σ W e^k / Σ A e^k, where e is the likelihood of such an outcome over normal
and bad hours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retab_analysis.evidence.inference import Histories, Posterior
from retab_analysis.evidence.rates import EDITED, HOUR_RATES, HOURS, SAME, Bools, Floats, Ints
from retab_analysis.vocabulary import SURE, UNLIKELY

MOST_RERUNS = 5
CREDIBLE = 0.90

Words = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Answers:
    """What is known of each of n evals, over T rows.

    Attributes:
        p_regressed: The probability of a lasting worsening after ``after``; NaN where it is not
            known, shape (n,).
        p_improved: The same of a lasting improvement.
        since: The likeliest outcome at which the worsening began, of those that fit the cause; -1
            where ``p_regressed`` is NaN or nothing points to any row, shape (n,).
        since_rows: The smallest set of rows that holds 90 % of the probability, shape (n, T).
        cause: ``edit``, ``drift`` or ``unknown``: whether the worsening began where the code of the
            block was edited; empty where ``since`` is -1, shape (n,).
        rate: The posterior mean of the present failing rate, shape (n,).
        reruns_to_clear: How many further passes in a row bring the probability to at most .05, 0
            where it is there; at least 1 where an eval that was decided before is not decided now;
            -1 where more than 5 are needed, or nothing was decided before, shape (n,).
        reruns_to_confirm: How many further failures bring it to at least .95, likewise.
    """

    p_regressed: Floats
    p_improved: Floats
    since: Ints
    since_rows: Bools
    cause: Words
    rate: Floats
    reruns_to_clear: Ints
    reruns_to_confirm: Ints


def answer(
    histories: Histories,
    posterior: Posterior,
    after: npt.ArrayLike = -1,
    known: Bools | None = None,
) -> Answers:
    """Read all answers off the model.

    Args:
        histories: What went into the model.
        posterior: What came out of it.
        after: The row after which a worsening counts, -1 for all rows, which is also how an eval
            that passes now is judged; one for each eval, shape (n,), or one for all.
        known: Of which evals something can be said, shape (n,); None for those with an outcome both
            before the candidate and on its side.
    """
    rows = np.broadcast_to(np.asarray(after, dtype=np.int64), histories.shape[:1])
    known = histories.decided if known is None else known
    later = np.arange(histories.shape[1])[None, :] > rows[:, None]
    probability = predict_regressed(posterior, rows)
    worse, edited = show_at_outcomes(histories, np.where(later, posterior.worse, 0.0))
    half = worse.sum(axis=1) / 2
    edit, drift = (np.where(edited == kind, worse, 0.0) for kind in (EDITED, SAME))
    is_edit, is_drift = edit.sum(axis=1) > half, drift.sum(axis=1) > half
    of_cause = np.where(is_edit[:, None], edit, np.where(is_drift[:, None], drift, worse))
    since = find_since(of_cause, known)
    cause = np.where(is_edit, "edit", np.where(is_drift, "drift", "unknown"))
    improved = np.where(later, posterior.better, 0.0).sum(axis=1)
    before = histories.observed[:, : histories.candidate].any(axis=1)
    waiting = before & ~histories.decided
    needed = [
        count_reruns(probability[at], known | waiting, clear=clear)
        for at, clear in ((0, True), (1, False))
    ]
    clear, confirm = (np.where(waiting & (each == 0), 1, each) for each in needed)
    return Answers(
        p_regressed=np.where(known, probability[0, 0], np.nan),
        p_improved=np.where(known, np.minimum(improved, 1.0), np.nan),
        since=since,
        since_rows=find_credible_rows(worse) & (since >= 0)[:, None],
        cause=np.where(since >= 0, cause, ""),
        rate=posterior.rate,
        reruns_to_clear=clear,
        reruns_to_confirm=confirm,
    )


def predict_regressed(posterior: Posterior, after: Ints) -> Floats:
    """The probability of a lasting worsening now, and after up to 5 further equal outcomes.

    Returns:
        Shape (2, 6, n): after so many further passes, and after so many further failures.
    """
    worse, k = posterior.worse_by_rate(after), np.arange(MOST_RERUNS + 1)[:, None]
    fails = HOURS @ HOUR_RATES
    weight = np.stack([(1 - fails) ** k, fails**k])
    return np.clip((weight @ worse) / (weight @ posterior.present), 0.0, 1.0)


def count_reruns(probability: Floats, known: Bools, *, clear: bool) -> Ints:
    """How many further equal outcomes decide, -1 for none of 0 to 5; ``probability`` is (6, n)."""
    decides = probability <= UNLIKELY if clear else probability >= SURE
    return np.where(decides.any(axis=0) & known, np.argmax(decides, axis=0), -1)


def show_at_outcomes(histories: Histories, worse: Floats) -> tuple[Floats, Ints]:
    """Move what happened where an eval was not run to its next outcome, where it shows.

    Returns:
        The probability that a worsening began at a row, which stays where it is if there is no
        outcome after it; and what is known of edits. Both of shape (n, T).
    """
    worse, edited = worse.copy(), np.where(histories.begun, histories.edited, SAME)
    observed = histories.observed
    newest = last_row(observed)
    for row in range(observed.shape[1] - 1):
        moves = ~observed[:, row] & (row < newest)
        worse[moves, row + 1] += worse[moves, row]
        edited[moves, row + 1] = np.maximum(edited[moves, row], edited[moves, row + 1])
        worse[moves, row], edited[moves, row] = 0.0, SAME
    return worse, edited


def find_since(worse: Floats, known: Bools) -> Ints:
    """The likeliest row of each eval, the latest of several; -1 where there is none."""
    if not worse.shape[1]:
        return np.full(worse.shape[0], -1, dtype=np.int64)
    likeliest = worse.shape[1] - 1 - np.argmax(worse[:, ::-1], axis=1)
    return np.where(known & (worse.sum(axis=1) > 0), likeliest, -1)


def find_credible_rows(worse: Floats, level: float = CREDIBLE) -> Bools:
    """The smallest set of rows that holds ``level`` of what each eval has, shape (n, T)."""
    order = np.argsort(-worse, axis=1, kind="stable")
    ordered = np.take_along_axis(worse, order, axis=1)
    before = np.cumsum(ordered, axis=1) - ordered
    chosen = (before < level * worse.sum(axis=1, keepdims=True)) & (ordered > 0)
    found: Bools = np.zeros(chosen.shape, dtype=np.bool_)
    np.put_along_axis(found, order, chosen, axis=1)
    return found


def p_any_regressed(p_regressed: Floats, block: npt.NDArray[np.integer]) -> float:
    """The probability that anything got worse: 1 − Π over blocks of (1 − the block's largest p).

    Evals of a block break together, so that a product over evals would count one break many times.
    NaN counts as nothing known, that is, as 0.
    """
    _, place = np.unique(block, return_inverse=True)
    largest = np.zeros(int(place.max(initial=-1)) + 1)
    np.maximum.at(largest, place, np.nan_to_num(p_regressed))
    return float(1 - np.prod(1 - largest))


def last_row(mask: Bools) -> Ints:
    """The last row at which each eval's mask holds, -1 where none does, shape (n,)."""
    rows = np.arange(mask.shape[1])
    return np.asarray(np.where(mask, rows[None, :], -1).max(axis=1, initial=-1))
