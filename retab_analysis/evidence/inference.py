"""The failing rate of an eval as a hidden state that jumps, and how it is inferred.

**The model.** ``rates`` says what states there are and how likely jumps are a priori. Write E_h(q)
for the likelihood of an eval's outcomes at a run, given its rate q and the hour h (normal or bad),
I for the identity, U and D for the kernels of jumps up and down, ``canUp`` and ``canDown`` for the
rates from which they lead. If a share u of the block's evals jumps up at that run, and d down,
then the step of one eval from the run before is

    T = Σ_h P(h) · [(1 − u·canUp − d·canDown) I + u U + d D] · diag(E_h),

a hidden Markov model, solved by passes forward and backward (Rabiner 1989), each row rescaled. At
the first row of a history, and at reruns of the candidate, nothing jumps: T = Σ_h P(h) diag(E_h).

**Shares and hours** are not known. With α the forward message of an eval at the run before and β
its backward message at the run, its likelihood α T β is linear in u and d once h is given:
a_h + u b_h + d c_h. The posterior of (h, u, d) over a small grid is the prior times the product of
these over the block's evals. An eval must not support itself, so for its own step that product
leaves it out (a *cavity*, as in expectation propagation: Opper and Winther 2000, Minka 2001);
because of the linearity its step needs only P(h) and the means of u and d for each h. The messages
depend on the steps and the steps on the messages, so sweeps are repeated. The prior of the first
rate is fitted meanwhile by EM (Dempster, Laird and Rubin 1977):
π ← (20·prior + Σ posteriors) / (20 + n).

**The candidate is kept out of its own support.** The sweeps and EM see only rows before the
candidate. Then one more round finds what each eval's steps are, from the others' messages: these
now contain the outcomes on the candidate's side, each eval its own, but no step that was inferred
from them. So nothing that an eval does on the candidate's side comes back to it by way of the
others, and one more failure there does not make a break less probable. Two exceptions are the
model's own: where an eval failed nearly always, rates of .9 and of .995 are told apart, which
moves probabilities below .04 by up to .005 the other way; and many failures at one row, beside
passes at the next, read more and more as a bad hour.

**What comes out.** The last jump of an eval was at run t and upward with the probability

    worse_t = α(t−1) · P(jump up to the rate at t) · E_t · Π over later runs (stay · E) / Z,

and likewise ``better_t``; worse_t is 0 where the eval had not passed before, as nothing was there
that could have broken. Where the last jump in a sequence was, is a question about change points
(Chib 1998), here with rates that may come back.

Sources:
    L. R. Rabiner, "A tutorial on hidden Markov models and selected applications in speech
    recognition", Proceedings of the IEEE 77 (1989) 257-286.
    A. P. Dempster, N. M. Laird and D. B. Rubin, "Maximum likelihood from incomplete data via the EM
    algorithm", Journal of the Royal Statistical Society B 39 (1977) 1-38.
    M. Opper and O. Winther, "Gaussian processes for classification: mean-field algorithms", Neural
    Computation 12 (2000) 2655-2684.
    T. P. Minka, "Expectation propagation for approximate Bayesian inference", Proceedings of the
    17th Conference on Uncertainty in Artificial Intelligence (2001) 362-369.
    S. Chib, "Estimation and comparison of multiple change-point models", Journal of Econometrics 86
    (1998) 221-241.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from retab_analysis.evidence.histories import (
    Histories,
    Patterns,
    cut_window,
    group_equal,
    split_blocks,
)
from retab_analysis.evidence.rates import (
    BREAKS,
    BROKEN,
    CAN_BREAK,
    CAN_MEND,
    FIRST,
    FIRST_WEIGHT,
    HOURS,
    MENDS,
    POSSIBLE,
    RATES,
    SHARE_PRIORS,
    SHARES,
    Bools,
    Floats,
    Ints,
    find_age,
)

SWEEPS = 4
MAX_ROWS = 100

_STATES = RATES.size
_SMALL = 1e-60  # the least that a message may give a rate, so that no later outcome is impossible
_SMALLEST = 1e-100  # the least likelihood of a share, against the best; dividing by it is safe
_COLUMNS = 640  # of a product of matrices: above it BLAS would start threads, which costs more
_MOVES = np.concatenate([BREAKS - np.diag(CAN_BREAK), MENDS - np.diag(CAN_MEND)], axis=1).T.copy()
_WIDTH = 256  # patterns at a time
_EM_STEPS = 20
_RETURNS = np.concatenate(
    [np.eye(_STATES), BREAKS - np.diag(CAN_BREAK), MENDS - np.diag(CAN_MEND)], axis=1
)
_SUMS = np.stack(
    [
        np.ones((SHARES.size, SHARES.size)),
        np.repeat(SHARES[:, None], SHARES.size, axis=1),
        np.repeat(SHARES[None, :], SHARES.size, axis=0),
    ]
).reshape(3, -1)
_IMPOSSIBLE = np.where(POSSIBLE, 0.0, -np.inf)[:, :, None]
SHARE_HOUR_PRIORS = HOURS[None, :, None, None, None] * np.moveaxis(SHARE_PRIORS, 1, -1)[:, None]
"""The prior of hour and shares, shape (ages, 2, 7, 7, 3): age, hour, share up, down, edit."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """What the model makes of :class:`Histories` of n evals over T rows.

    Equal histories of a block are held once, as G patterns over the R rows of a window.

    Attributes:
        pattern: Which pattern each eval has, shape (n,).
        up: The probability that the last jump was at a row, upward, and to which rate from
            ``RATES[BROKEN]`` on, shape (R, 8, G).
        down: The probability that it was at a row and downward, shape (R, G).
        present: The probabilities of the rate at the last row, shape (13, G).
        first: The fitted prior of an eval's first rate, shape (13,).
        n_rows: T.
        older: How many of the T rows the window has in groups; see ``histories.Window``.
        broke: The row that stands for each group where a worsening began, shape (n, groups).
        mended: The row that stands for it where an improvement began.
    """

    pattern: Ints
    up: Floats
    down: Floats
    present: Floats
    first: Floats
    n_rows: int
    older: int
    broke: Ints
    mended: Ints

    @property
    def worse(self) -> Floats:
        """The probability that a lasting worsening began at a row, shape (n, T).

        It has not been mended since; the sum over rows is the probability that the eval is worse
        now than before its last jump.
        """
        return self._by_row(self.up.sum(axis=1), self.broke)

    @property
    def better(self) -> Floats:
        """The probability that a lasting improvement began at a row, shape (n, T)."""
        return self._by_row(self.down, self.mended)

    @property
    def rate(self) -> Floats:
        """The posterior mean of the present failing rate in a normal hour, shape (n,)."""
        return np.asarray((RATES @ self.present)[self.pattern])

    def worse_by_rate(self, after: Ints) -> Floats:
        """The probability of a lasting worsening after a row, by the present rate, shape (13, n).

        Args:
            after: For each eval the row after which a worsening counts, -1 for all, shape (n,).
        """
        rows = self.up.shape[0]
        later = np.zeros((rows + 1, *self.up.shape[1:]))
        later[:-1] = np.cumsum(self.up[::-1], axis=0)[::-1]
        by_rate = np.zeros((_STATES, after.size))
        by_rate[BROKEN:] = later[self._find_later(after), :, self.pattern].T
        return by_rate

    def _find_later(self, after: Ints) -> Ints:
        """The first row of the window at which a worsening is later than ``after``, shape (n,)."""
        grouped = (self.broke <= after[:, None]).sum(axis=1)
        newer = after + 1 - self.older + self.broke.shape[1]
        later = np.where(after < self.older, grouped, newer)
        return np.asarray(np.clip(later, 0, self.up.shape[0]))

    def each_once(self, after: Ints) -> tuple[Posterior, Ints, Ints]:
        """One eval of those of which the same is said: most of a large suite always pass.

        Args:
            after: For each eval the row after which a worsening counts, -1 for all, shape (n,).

        Returns:
            What is said of m evals, no two alike; their ``after``, shape (m,); and which of them
            stands for each eval, shape (n,).
        """
        key = self.pattern * (self.up.shape[0] + 1) + self._find_later(after)
        _, chosen, which = np.unique(key, return_index=True, return_inverse=True)
        alone = replace(
            self,
            pattern=self.pattern[chosen],
            broke=self.broke[chosen],
            mended=self.mended[chosen],
        )
        return alone, after[chosen], which

    def _by_row(self, probabilities: Floats, shown: Ints) -> Floats:
        """Window rows of patterns as original rows of evals; ``shown`` has those of the groups."""
        found = np.zeros((self.pattern.size, self.n_rows))
        groups = shown.shape[1]
        found[:, self.older :] = probabilities[groups:, self.pattern].T
        evals = np.arange(self.pattern.size)
        for group in range(groups):
            found[evals, shown[:, group]] += probabilities[group, self.pattern]
        return found


def infer(histories: Histories, *, sweeps: int = SWEEPS, max_rows: int = MAX_ROWS) -> Posterior:
    """Infer when evals got worse or better, and how often they fail now.

    Args:
        histories: The outcomes.
        sweeps: How often shares and hours are inferred anew; with 4, probabilities are mostly
            within .001 of where they settle.
        max_rows: At most so many rows before the candidate go into the model; where there are
            more, the oldest are put together in groups, see ``histories.cut_window``.
    """
    n, n_rows = histories.shape
    if not n or not n_rows:
        return _nothing(n, n_rows)
    window = cut_window(histories, max_rows)
    patterns, pattern = group_equal(window.histories)
    parts = split_blocks(patterns, _WIDTH)
    first, beliefs = _learn_history(parts, sweeps)
    traces = [
        _trace_last_jump(part, first, _look_at_others(part, first, learnt))
        for part, learnt in zip(parts, beliefs, strict=True)
    ]
    up, down, present = (np.concatenate(trace, axis=-1) for trace in zip(*traces, strict=True))
    return Posterior(
        pattern, up, down, present, first, n_rows, window.older, window.broke, window.mended
    )


def _nothing(n: int, n_rows: int) -> Posterior:
    """What is known without any outcome: the prior."""
    return Posterior(
        pattern=np.zeros(n, dtype=np.int64),
        up=np.zeros((n_rows, _STATES - BROKEN, 1)),
        down=np.zeros((n_rows, 1)),
        present=FIRST[:, None],
        first=FIRST,
        n_rows=n_rows,
        older=0,
        broke=np.zeros((n, 0), dtype=np.int64),
        mended=np.zeros((n, 0), dtype=np.int64),
    )


@dataclass(frozen=True, eq=False)
class Beliefs:
    """What is believed of each row's hour and shares, for each pattern; shapes (T, 2, G).

    Attributes:
        hour: The probabilities of a normal and of a bad hour.
        up: The mean share that jumps up, by hour; 0 where a rate cannot jump.
        down: The mean share that jumps down.
    """

    hour: Floats
    up: Floats
    down: Floats


def expect_shares(patterns: Patterns) -> Beliefs:
    """What is believed of hours and shares before any outcome was seen."""
    age = find_age(np.arange(patterns.n_rows), patterns.candidate)[:, None]
    up = (SHARE_PRIORS.sum(axis=3) @ SHARES)[age, patterns.edited] * patterns.jumps
    down = (SHARE_PRIORS.sum(axis=2) @ SHARES)[age, patterns.edited] * patterns.jumps
    hour = np.broadcast_to(HOURS[None, :, None], (patterns.n_rows, 2, patterns.size)).copy()
    return Beliefs(hour, np.repeat(up[:, None], 2, axis=1), np.repeat(down[:, None], 2, axis=1))


def _learn_history(parts: list[Patterns], sweeps: int) -> tuple[Floats, list[Beliefs]]:
    """Fit the prior of the first rate, and what is believed of rows, to the history.

    Rows from the candidate on keep what is believed before any outcome was seen.
    """
    first, beliefs = FIRST, [expect_shares(part) for part in parts]
    for _ in range(sweeps):
        later = [
            pass_backward(part, known, part.candidate)
            for part, known in zip(parts, beliefs, strict=True)
        ]
        first = fit_first(parts, first, [messages[0] for messages in later])
        for part, known, messages in zip(parts, beliefs, later, strict=True):
            _sweep(part, first, known, messages, known)
    return first, beliefs


def _look_at_others(patterns: Patterns, first: Floats, beliefs: Beliefs) -> Beliefs:
    """Each eval's beliefs from the others' outcomes, those on the candidate's side included."""
    found = expect_shares(patterns)
    later = pass_backward(patterns, beliefs, patterns.n_rows)
    _sweep(patterns, first, beliefs, later, found)
    return found


def fit_first(parts: list[Patterns], first: Floats, later: list[Floats]) -> Floats:
    """Fit the prior of the first rate by EM; ``later`` has the messages before row 0.

    Its steps are cheap beside a sweep and slow to settle, so that several are made at once.
    """
    messages = np.concatenate(later, axis=1)
    count = np.concatenate([part.count * part.evident for part in parts])
    for _ in range(_EM_STEPS):
        posterior = (count / (first @ messages)) @ messages.T * first
        first = (FIRST_WEIGHT * FIRST + posterior) / (FIRST_WEIGHT + count.sum())
    return first


def pass_backward(patterns: Patterns, beliefs: Beliefs, rows: int) -> Floats:
    """How probable what comes later is, given a rate, up to a factor; shape (rows + 1, 13, G).

    Entry t + 1 is the message at row t from the rows after it, entry 0 the one before row 0.
    """
    later = np.empty((rows + 1, _STATES, patterns.size))
    later[rows] = 1.0
    for row in range(rows - 1, -1, -1):
        weighed = emission(patterns, row) * later[row + 1]
        weighed *= beliefs.hour[row][:, None]
        stacked = np.empty((3, *weighed.shape[1:]))
        stacked[0] = weighed[0] + weighed[1]
        for place, share in ((1, beliefs.up[row]), (2, beliefs.down[row])):
            stacked[place] = share[0] * weighed[0] + share[1] * weighed[1]
        before = multiply(_RETURNS, stacked.reshape(3 * _STATES, -1))
        later[row] = np.maximum(before / before.max(axis=0), _SMALL)
    return later


def _sweep(patterns: Patterns, first: Floats, used: Beliefs, later: Floats, found: Beliefs) -> None:
    """Go through the rows, infer each one's hour and shares into ``found``, step by ``used``.

    If both are the same object, each step is made by what was just found.
    """
    rows = later.shape[0] - 1
    infer_row = cavity(patterns)
    message = np.repeat(first[:, None], patterns.size, axis=1)
    for row in range(rows):
        moves = spread(message)
        likelihood = emission(patterns, row)
        terms = np.einsum("xjg,hjg->xhg", moves, likelihood * later[row + 1])
        terms[1:] *= patterns.jumps[row]
        infer_row(row, terms, found)
        message = step(moves, likelihood, used, row)[0]


def emission(patterns: Patterns, row: int) -> Floats:
    """How probable a row's outcomes are, by hour and rate, shape (2, 13, G)."""
    likelihoods = np.empty((2, _STATES, patterns.size))
    np.take(patterns.likelihoods, patterns.outcome[row], axis=2, out=likelihoods, mode="clip")
    return likelihoods


def spread(message: Floats) -> Floats:
    """A message, and how it changes if all rates jump up, or down; shape (3, 13, G)."""
    moves = np.empty((3, *message.shape))
    moves[0] = message
    moves[1:] = multiply(_MOVES, message).reshape(2, *message.shape)
    return moves


def step(moves: Floats, likelihood: Floats, beliefs: Beliefs, row: int) -> tuple[Floats, Floats]:
    """The forward message at a row, of sum 1, and what it was divided by; shapes (13, G), (G,)."""
    message = np.zeros_like(moves[0])
    for hour in (0, 1):
        arrived = beliefs.up[row, hour] * moves[1]
        arrived += beliefs.down[row, hour] * moves[2]
        arrived += moves[0]
        arrived *= likelihood[hour]
        arrived *= beliefs.hour[row, hour]
        message += arrived
    total = message.sum(axis=0)
    return np.maximum(message / total, _SMALL), total


def multiply(matrix: Floats, columns: Floats) -> Floats:
    """The product of matrices, in pieces so small that BLAS does not start threads for them."""
    found = np.empty((matrix.shape[0], columns.shape[1]))
    for begin in range(0, columns.shape[1], _COLUMNS):
        piece = slice(begin, begin + _COLUMNS)
        found[:, piece] = matrix @ columns[:, piece]
    return found


def cavity(patterns: Patterns) -> Callable[[int, Floats, Beliefs], None]:
    """A function that infers a row's hour and shares for each pattern, from the rest of its block.

    Its arguments are the row, the terms a, b and c of each pattern's likelihood
    a_h + u b_h + d c_h, shape (3, 2, G), and the beliefs into which it writes. Of a pattern that
    several evals have, one is left out, the others count.
    """
    several = np.flatnonzero(patterns.count != 1)
    times = patterns.count[several]
    one_edit = patterns.one_edit
    age = find_age(np.arange(patterns.n_rows), patterns.candidate)

    def infer_row(row: int, terms: Floats, found: Beliefs) -> None:
        likelihoods = share_likelihoods(terms)
        logs = np.log(likelihoods)
        logs[..., several] *= times
        block = np.add.reduceat(logs, patterns.first, axis=3)
        block += _IMPOSSIBLE
        support = np.exp(block - block.max(axis=(0, 1, 2)))
        priors = SHARE_HOUR_PRIORS[age[row]]
        weights = weigh(support, priors, patterns, row, bool(one_edit[row]), logs)
        # Its memory is used again.
        take_means(np.divide(weights, likelihoods, out=logs), patterns.jumps[row], row, found)

    return infer_row


def share_likelihoods(terms: Floats) -> Floats:
    """Each pattern's likelihood of hour and shares, the largest about 1, shape (2, 7, 7, G)."""
    most = np.maximum(terms[1], terms[2])
    np.maximum(most, 0.0, out=most)
    most += terms[0]
    a, b, c = terms / np.maximum(most[0], most[1])
    up = a[:, None] + SHARES[None, :, None] * b[:, None]
    down = SHARES[None, :, None] * c[:, None]
    found = up[:, :, None] + down[:, None]
    np.maximum(found, _SMALLEST, out=found)
    return np.asarray(found)


def weigh(
    support: Floats, priors: Floats, patterns: Patterns, row: int, one_edit: bool, memory: Floats
) -> Floats:
    """The block's support times the prior that goes with each pattern's edit, (2, 7, 7, G or 1)."""
    edited = patterns.edited[row]
    if not one_edit:
        return np.multiply(support[..., patterns.block], priors[..., edited], out=memory)
    known = support * priors[..., edited[patterns.first]]
    if patterns.first.size == 1:
        return np.asarray(known)
    # "raise" would make a copy
    return np.take(known, patterns.block, axis=3, out=memory, mode="clip")


def take_means(weights: Floats, jumps: Bools, row: int, found: Beliefs) -> None:
    """The probabilities of the hours and the mean shares in each, from weights (2, 7, 7, G)."""
    sums = np.stack([multiply(_SUMS, part) for part in weights.reshape(2, _SUMS.shape[1], -1)])
    total = np.maximum(sums[:, 0], np.finfo(np.float64).tiny)
    found.hour[row] = total / total.sum(axis=0)
    found.up[row] = sums[:, 1] / total * jumps
    found.down[row] = sums[:, 2] / total * jumps


def _trace_last_jump(
    patterns: Patterns, first: Floats, beliefs: Beliefs
) -> tuple[Floats, Floats, Floats]:
    """The probabilities of ``up``, ``down`` and ``present``, as in :class:`Posterior`."""
    rows, n = patterns.n_rows, patterns.size
    messages = np.empty((rows + 1, _STATES, n))
    totals = np.empty((rows, n))
    messages[0] = first[:, None]
    for row in range(rows):
        moves = spread(messages[row])
        messages[row + 1], totals[row] = step(moves, emission(patterns, row), beliefs, row)
    up, down = np.zeros((rows, _STATES - BROKEN, n)), np.zeros((rows, n))
    lasting = 1.0 / messages[rows].sum(axis=0) * np.ones((_STATES, 1))
    for row in range(rows - 1, -1, -1):
        weighed = emission(patterns, row) * (beliefs.hour[row] / totals[row])[:, None]
        rise = (weighed * beliefs.up[row][:, None]).sum(axis=0) * lasting
        fall = (weighed * beliefs.down[row][:, None]).sum(axis=0) * lasting
        rise = rise[BROKEN:] * multiply(BREAKS[:, BROKEN:].T, messages[row])
        up[row] = rise * patterns.passed[row]
        down[row] = (fall * multiply(MENDS.T, messages[row])).sum(axis=0)
        lasting *= (weighed * _staying(beliefs, row)).sum(axis=0)
    return up, down, messages[rows] / messages[rows].sum(axis=0)


def _staying(beliefs: Beliefs, row: int) -> Floats:
    """The probability that a rate does not jump, by hour, shape (2, 13, G)."""
    leaves = beliefs.up[row][:, None] * CAN_BREAK[:, None]
    leaves += beliefs.down[row][:, None] * CAN_MEND[:, None]
    return np.asarray(1.0 - leaves)
