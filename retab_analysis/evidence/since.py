"""What is read off the model: is an eval worse, since when, why, and what would decide it.

All of them are functions of a :class:`~retab_analysis.evidence.inference.Posterior`. An eval
*regressed* where its last jump was upward and lies after the row to which it is compared: a
lasting worsening began then, and has not been mended since.

With W(j) the probability of that by the present rate j, and A(j) the posterior of the present
rate, ``p_regressed`` is Σ W / Σ A, and after k further outcomes Σ W e^k / Σ A e^k, where e is the
likelihood of such an outcome over normal and bad hours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retab_analysis.evidence.histories import Histories, collect_edits
from retab_analysis.evidence.inference import Posterior
from retab_analysis.evidence.rates import (
    EDITED,
    HOUR_RATES,
    HOURS,
    SAME,
    Bools,
    Floats,
    Ints,
)

CLEARED, CONFIRMED = 0.05, 0.95
MOST_RERUNS = 5
CREDIBLE = 0.90

Words = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Answers:
    """What is known of each of n evals, over T rows.

    Attributes:
        p_regressed: The probability of a lasting worsening after ``after``; NaN where it cannot be
            told: by default where there is no outcome before the candidate or none on its side,
            shape (n,).
        p_improved: The same of a lasting improvement, shape (n,).
        since: The likeliest row at which the worsening began, the first at which the eval has an
            outcome, of those that fit the cause; -1 where ``p_regressed`` is NaN or nothing points
            to any row, shape (n,).
        since_rows: The smallest set of rows that holds 90 % of the probability, shape (n, T).
        cause: ``edit``, ``drift`` or ``unknown``: whether the worsening began where the code of the
            block was edited; empty where ``since`` is -1, shape (n,).
        rate: The posterior mean of the present failing rate, shape (n,).
        reruns_to_clear: How many further passes in a row bring the probability to at most .05, 0
            where it is there; -1 where more than 5 are needed, or it is NaN, shape (n,).
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
        after: The row after which a worsening counts, -1 for all rows; one for each eval, shape
            (n,), or one for all.
        known: Which evals are told of, shape (n,); None for those with an outcome both before the
            candidate and on its side.
    """
    rows = np.broadcast_to(np.asarray(after, dtype=np.int64), histories.shape[:1])
    known = histories.decided if known is None else known
    later = np.arange(histories.shape[1])[None, :] > rows[:, None]
    probability = predict_regressed(posterior, rows)
    p_regressed = np.where(known, probability[0, 0], np.nan)
    worse = show_at_outcomes(histories, np.where(later, posterior.worse, 0.0))
    begun = find_since(worse, known)
    cause = find_cause(histories, worse, begun)
    since = find_since(np.where(_at_cause(histories, cause), worse, 0.0), begun >= 0)
    improved = np.where(later, posterior.better, 0.0).sum(axis=1)
    return Answers(
        p_regressed=p_regressed,
        p_improved=np.where(known, np.minimum(improved, 1.0), np.nan),
        since=since,
        since_rows=find_credible_rows(worse) & (since >= 0)[:, None],
        cause=cause,
        rate=posterior.rate,
        reruns_to_clear=count_reruns(probability[0], known, clear=True),
        reruns_to_confirm=count_reruns(probability[1], known, clear=False),
    )


def predict_regressed(posterior: Posterior, after: Ints) -> Floats:
    """The probability of a lasting worsening now, and after up to 5 further equal outcomes.

    Returns:
        Shape (2, 6, n): after so many further passes, and after so many further failures.
    """
    alone, after, which = posterior.each_once(after)
    worse = alone.worse_by_rate(after)
    present = alone.present[:, alone.pattern]
    fails = HOURS @ HOUR_RATES
    found = np.empty((2, MOST_RERUNS + 1, after.size))
    for place, likelihood in enumerate((1 - fails, fails)):
        for k in range(MOST_RERUNS + 1):
            weight = likelihood**k
            found[place, k] = (weight @ worse) / (weight @ present)
    return np.clip(found, 0.0, 1.0)[..., which]


def count_reruns(probability: Floats, known: Bools, *, clear: bool) -> Ints:
    """How many further equal outcomes decide, -1 for none of 0 to 5; ``probability`` is (6, n)."""
    decides = probability <= CLEARED if clear else probability >= CONFIRMED
    return np.where(decides.any(axis=0) & known, np.argmax(decides, axis=0), -1)


def show_at_outcomes(histories: Histories, probabilities: Floats) -> Floats:
    """Move each row's probability to the first row, from there on, that has an outcome.

    A rate that jumped where an eval was not run shows at its next outcome. What has no outcome
    after it stays where it is.
    """
    found = probabilities.copy()
    observed = histories.observed
    pending = np.cumsum(observed[:, ::-1], axis=1)[:, ::-1] > 0
    for row in range(observed.shape[1] - 1):
        moves = ~observed[:, row] & pending[:, row]
        found[:, row + 1] += np.where(moves, found[:, row], 0.0)
        found[:, row] = np.where(moves, 0.0, found[:, row])
    return found


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


def find_cause(histories: Histories, worse: Floats, since: Ints) -> Words:
    """Whether more than half of a worsening lies where the code was edited, or where it was not.

    An edit shows at an eval's next outcome: a run in between that was cancelled, say, was on the
    new code already.
    """
    edited = collect_edits(histories, histories.observed)
    total = worse.sum(axis=1)
    edit = np.where(edited == EDITED, worse, 0.0).sum(axis=1)
    drift = np.where(edited == SAME, worse, 0.0).sum(axis=1)
    cause = np.where(edit > total / 2, "edit", np.where(drift > total / 2, "drift", "unknown"))
    return np.where(since >= 0, cause, "")


def _at_cause(histories: Histories, cause: Words) -> Bools:
    """The rows at which a worsening of that cause may have begun; all where it is not known."""
    edited = collect_edits(histories, histories.observed)
    fits = np.where(cause[:, None] == "edit", edited == EDITED, edited == SAME)
    return np.asarray(fits | np.isin(cause, ("unknown", ""))[:, None])


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


def first_row(mask: Bools) -> Ints:
    """The first row at which each eval's mask holds, T where none does, shape (n,)."""
    n_rows = mask.shape[1]
    rows = np.where(mask, np.arange(n_rows)[None, :], n_rows)
    return np.asarray(rows.min(axis=1, initial=n_rows))
