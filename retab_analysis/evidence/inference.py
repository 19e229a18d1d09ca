"""The failing rate of an eval as a hidden state that jumps, and its inference.

**The model.** ``rates`` has the states and the prior probabilities of jumps. Write E_h(q) for the
likelihood of an eval's outcomes at a run, given its rate q and the hour h (normal or bad). Write I
for the identity, U and D for the kernels of jumps up and down, ``canUp`` and ``canDown`` for the
rates from which they lead. A share u of the block's evals jumps up at that run, and d down. Then
the step of one eval from the run before is::

    T = Σ_h P(h) · [(1 − u·canUp − d·canDown) I + u U + d D] · diag(E_h),

a hidden Markov model, solved by passes forward and backward (Rabiner 1989), each row rescaled. At
the first row of a history, and at reruns within a day, nothing jumps: T = Σ_h P(h) diag(E_h).

**Shares and hours** are not known. Let α be the forward message of an eval at the run before and β
its backward message at the run. Given h, its likelihood α T β is linear in u and d: a_h + u b_h + d
c_h. The posterior of (h, u, d) over a small grid is the prior times the product of these over the
block's evals. Evals that read one document fail together, so they must not support each other: for
an eval's step that product leaves out its document. This is a *cavity*, as in expectation
propagation (Opper and Winther 2000, Minka 2001). Because of the linearity the step needs only P(h)
and the means of u and d for each h. The messages depend on the
steps and the steps on the messages; one sweep is enough. Before it EM fits the prior of the first
rate (Dempster, Laird and Rubin 1977): π ← (20·prior + Σ posteriors) / (20 + n).

**The candidate is kept out of its own support.** The sweep and EM see only rows before the
candidate. Then one more round finds each eval's steps from the others' messages. These now contain
the outcomes on the candidate's side, but no step that was inferred from them. So nothing that an
eval does there comes back to it by way of the others, and one more failure does not make a break
less probable. There are three exceptions. With fewer than five earlier rows EM sees the candidate's
too: else nothing could tell a suite that is flaky as a whole from one that broke. If an eval failed
nearly always, the model distinguishes rates of .9 and .995. This moves probabilities below .04 by
up to .01 the other way. And the more failures one row has, with passes in the next, the more it
looks like a bad hour.

**What comes out.** The last jump of an eval was at run t and upward with the probability::

    worse_t = α(t−1) · P(jump up to the rate at t) · E_t · Π over later runs (stay · E) / Z,

and likewise ``better_t``. Finding the last jump in a sequence is a change point problem (Chib
1998), here with rates that may come back.

Sources:
    L. R. Rabiner, "A tutorial on hidden Markov models", Proceedings of the IEEE 77 (1989) 257-286.
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

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from retab_analysis.evidence.rates import (
    AGE_FACTORS,
    BREAKS,
    BROKEN,
    CAN_BREAK,
    CAN_MEND,
    FEW_ROWS,
    FIRST,
    FIRST_WEIGHT,
    HOUR_RATES,
    HOURS,
    MENDS,
    PAIRS,
    RATES,
    SAME,
    SHARE_PRIORS,
    Bools,
    Floats,
    Ints,
    find_age,
)

_STATES = RATES.size
_SMALL = 1e-60  # the least weight of a rate in a message: no later outcome may be impossible
_SMALLEST = 1e-100  # the least likelihood, against the likeliest; dividing by it is safe
_KINDS = SHARE_PRIORS.shape[1]  # of edits
_PRIORS = _KINDS * AGE_FACTORS.size  # of shares: by age, and by knowledge of an edit
_PIECE = 640  # of a product of matrices: above it BLAS would start threads, which costs more
_EM_STEPS = 5
_RISE, _FALL = BREAKS - np.diag(CAN_BREAK), MENDS - np.diag(CAN_MEND)
_MOVES = np.concatenate([_RISE, _FALL], axis=1).T.copy()
_RETURNS = np.concatenate([np.eye(_STATES), _RISE, _FALL], axis=1)
_LINEAR = np.column_stack([np.ones(len(PAIRS)), PAIRS])
_SUMS = np.einsum("px,akp->apxk", _LINEAR, SHARE_PRIORS).reshape(len(AGE_FACTORS), len(PAIRS), -1)


@dataclass(frozen=True, eq=False)
class Histories:
    """The outcomes of n evals over T rows, which are runs in the order of time.

    The rows from ``candidate`` on are the candidate's side: its run, and reruns since. It has only
    outcomes that are comparable with the candidate's. An eval's history begins with the first of
    them, and its rate there has the prior of a first rate. A rate may not jump between a run and
    its reruns on the same code within a day; ``edited`` counts where it may.
    """

    passes: npt.NDArray[np.integer]  # how many outcomes passed, shape (n, T)
    fails: npt.NDArray[np.integer]  # how many did not pass, shape (n, T)
    block: npt.NDArray[np.integer]  # any number for each eval's block, shape (n,)
    document: npt.NDArray[np.integer]  # any number for each eval's document, shape (n,)
    edited: npt.NDArray[np.integer]  # SAME, UNKNOWN or EDITED since the row before, shape (n, T)
    codes: npt.NDArray[np.integer]  # a number for the block's code, 0 if not known, shape (n, T)
    candidate: int  # the candidate's first row; T if all rows are history
    jumps: Bools  # whether a rate may jump between the row before and this one, shape (n, T)
    again: Bools  # whether single evals alone ran again, on the candidate's code, shape (n, T)

    @property
    def shape(self) -> tuple[int, int]:
        return self.passes.shape[0], self.passes.shape[1]

    def take(self, evals: Bools | slice, rows: Ints | slice) -> Histories:
        """Some evals and some rows."""
        names = ("passes", "fails", "edited", "codes", "jumps", "again")
        taken = {name: getattr(self, name)[evals][:, rows] for name in names}
        return replace(self, block=self.block[evals], document=self.document[evals], **taken)

    @property
    def passed(self) -> Bools:
        """Where an outcome passed, shape (n, T)."""
        return np.asarray(self.passes > 0)

    @property
    def failed(self) -> Bools:
        """Where an outcome did not pass, shape (n, T)."""
        return np.asarray(self.fails > 0)

    @property
    def observed(self) -> Bools:
        """Where there is an outcome, shape (n, T)."""
        return self.passed | self.failed

    @property
    def begun(self) -> Bools:
        """Where there was an outcome before, to which an eval may have changed, shape (n, T)."""
        seen = np.maximum.accumulate(self.observed, axis=1)
        return np.asarray(np.pad(seen, ((0, 0), (1, 0)))[:, :-1])

    @property
    def decided(self) -> Bools:
        """Which evals have an outcome both before the candidate and on its side, shape (n,)."""
        observed = self.observed
        before, on = observed[:, : self.candidate], observed[:, self.candidate :]
        return np.asarray(before.any(axis=1) & on.any(axis=1))


@dataclass(frozen=True, eq=False)
class Posterior:
    """The model's answer to :class:`Histories` of n evals over T rows.

    ``up`` is the probability that the last jump was upward at a row and to a rate, from
    ``RATES[BROKEN]`` on. ``down`` is the probability that it was downward at a row.
    """

    up: Floats  # shape (T, 8, n)
    down: Floats  # shape (T, n)
    present: Floats  # the probabilities of the rate at the last row, shape (13, n)
    first: Floats  # the fitted prior of an eval's first rate, shape (13,)
    evidence: Floats  # the logarithm of the probability of its outcomes, up to a term, shape (n,)

    @property
    def worse(self) -> Floats:
        """The probability that a worsening began at a row and was not mended since, (n, T)."""
        return np.asarray(self.up.sum(axis=1).T)

    @property
    def better(self) -> Floats:
        return self.down.T

    def worse_by_rate(self, after: Ints) -> Floats:
        """The probability that each eval got worse after a row, by the present rate, (13, n)."""
        later = np.arange(self.up.shape[0])[:, None] > after
        by_rate = np.zeros((_STATES, after.size))
        by_rate[BROKEN:] = np.einsum("tjn,tn->jn", self.up, later.astype(np.float64))
        return by_rate


def infer(histories: Histories, first: Floats | None = None) -> Posterior:
    """Solve the model; ``first`` is the prior of an eval's first rate, if it was fitted before."""
    n, n_rows = histories.shape
    if not n or not n_rows:
        up, down = np.zeros((n_rows, _STATES - BROKEN, n)), np.zeros((n_rows, n))
        return Posterior(up, down, np.repeat(FIRST[:, None], n, axis=1), FIRST, np.zeros(n))
    evals, place = _Evals.of(histories)
    first, beliefs = _learn(evals, first)
    found = _trace_last_jump(evals, first, beliefs)
    of_evals = ("up", "down", "present", "evidence")
    return replace(found, **{name: getattr(found, name)[..., place] for name in of_evals})


@dataclass(frozen=True, eq=False)
class _Evals:
    """The model's input for each eval and row; the evals are sorted by block and document.

    Documents of a block are one here, counted as often, if their evals have equal histories; and so
    are a document's evals with equal histories. Most of a large suite simply passes.
    """

    count: Ints  # how many evals of one document each stands for, shape (n,)
    first: Ints  # the first eval of each document, shape (D,)
    document: Ints  # the place of each eval's document in ``first``, shape (n,)
    often: Ints  # how many documents each stands for, shape (D,)
    block: list[slice]  # the documents of each block
    outcome: Ints  # which column of ``likelihoods`` belongs to a row's outcomes, shape (T, n)
    likelihoods: Floats  # of outcomes by hour and rate, the largest 1, shape (2, 13, K)
    jumps: Bools  # shape (T, n)
    prior: Ints  # of shares, by a row's age and knowledge of an edit, shape (T, n)
    candidate: int

    @cached_property
    def pairs(self) -> list[tuple[Ints, Ints]]:
        """What to add to what, in steps, so that a document's first eval has the sum of its evals.

        Pairs are added, then pairs of pairs: a large document takes few steps.
        """
        sizes = np.diff(self.first, append=self.count.size)
        left = np.arange(self.count.size) - np.repeat(self.first, sizes)
        right = np.repeat(sizes, sizes) - left
        steps = [2**power for power in range(int(sizes.max() - 1).bit_length())]
        its = [np.flatnonzero((left % (2 * step) == 0) & (right > step)) for step in steps]
        return [(each, each + step) for each, step in zip(its, steps, strict=True)]

    @classmethod
    def of(cls, histories: Histories) -> tuple[_Evals, Ints]:
        """Prepare histories; also returns the index of each eval in them."""
        n_rows = histories.shape[1]
        _, block = np.unique(histories.block, return_inverse=True)
        # The rest of its block suggests this for later rows; an eval has not shown it itself.
        has_more = np.arange(n_rows) <= last_row(histories.observed)[:, None]
        jumps = histories.jumps & histories.begun & has_more
        # If a rate cannot jump, the edit tells what to expect from the rest of the block.
        edited = np.where(jumps, histories.edited, SAME)
        of_block = np.zeros((int(block.max()) + 1, n_rows), dtype=np.int64)
        np.maximum.at(of_block, block, edited)
        age = find_age(np.arange(n_rows), histories.candidate)
        prior = _KINDS * age + np.where(jumps, edited, of_block[block])
        outcome, likelihoods = _index_outcomes(histories)
        keys = np.column_stack([block, (outcome * _PRIORS + prior) * 2 + jumps])
        kinds: dict[bytes, int] = {}
        kind = np.array([kinds.setdefault(key.tobytes(), len(kinds)) for key in keys])
        document = np.unique(histories.document, return_inverse=True)[1]
        document = np.unique(block * len(document) + document, return_inverse=True)[1]
        order = np.lexsort((kind, document))
        sorted_, ends = kind[order], np.cumsum(np.bincount(document)).tolist()
        alike: dict[bytes, int] = {}
        its = [sorted_[begin:end].tobytes() for begin, end in pairwise([0, *ends])]
        like = np.array([alike.setdefault(each, len(alike)) for each in its])
        key = like[document] * len(kinds) + kind
        _, chosen, place = np.unique(key, return_index=True, return_inverse=True)
        often, document = np.bincount(like), like[document[chosen]]
        first = np.unique(document, return_index=True)[1]
        block = block[chosen][first]
        begins = np.unique(block, return_index=True)[1].tolist()
        evals = cls(
            count=np.bincount(place) // often[document],
            first=first,
            document=document,
            often=often,
            block=[slice(*each) for each in pairwise([*begins, len(first)])],
            outcome=outcome[chosen].T.copy(),
            likelihoods=likelihoods,
            jumps=jumps[chosen].T.copy(),
            prior=prior[chosen].T.copy(),
            candidate=histories.candidate,
        )
        return evals, place


def _index_outcomes(histories: Histories) -> tuple[Ints, Floats]:
    """Number the different outcomes of a row, none first, with their probabilities."""
    width = int(histories.fails.max()) + 1
    outcomes = histories.passes.astype(np.int64) * width + histories.fails
    codes = np.unique(np.append(outcomes, 0))
    logs = np.log1p(-HOUR_RATES)[:, :, None] * (codes // width)
    logs = logs + np.log(HOUR_RATES)[:, :, None] * (codes % width)
    likelihoods = np.exp(logs - logs.max(axis=(0, 1)))
    return np.searchsorted(codes, outcomes), np.maximum(likelihoods, _SMALLEST)


@dataclass(frozen=True, eq=False)
class _Beliefs:
    """Beliefs about each row's hour and shares, for each eval; shapes (T, 2, n)."""

    hour: Floats  # the probabilities of a normal and of a bad hour
    up: Floats  # the mean share that jumps up, by hour; 0 if a rate cannot jump
    down: Floats

    @classmethod
    def before(cls, evals: _Evals) -> _Beliefs:
        rows, n = evals.outcome.shape
        means = (SHARE_PRIORS.reshape(-1, len(PAIRS)) @ PAIRS)[evals.prior]
        means *= evals.jumps[..., None]
        up, down = (np.repeat(means[:, None, :, i], 2, axis=1) for i in (0, 1))
        hour = np.broadcast_to(HOURS[:, None], (rows, 2, n)).copy()
        return cls(hour, up, down)


def _learn(evals: _Evals, given: Floats | None) -> tuple[Floats, _Beliefs]:
    """Fit the prior of the first rate to the history, and infer the beliefs about all rows."""
    first, beliefs = FIRST if given is None else given, _Beliefs.before(evals)
    seen = evals.outcome > 0
    few = seen[: evals.candidate].sum(axis=0).max() < FEW_ROWS
    rows = len(seen) if few else evals.candidate
    later = _pass_backward(evals, beliefs, rows)
    learns = seen[:rows].any(axis=0)
    if given is None:
        count = evals.count * evals.often[evals.document]
        first = _fit_first(first, later[0][:, learns], count[learns])
    if few:
        later = _pass_backward(evals, beliefs, evals.candidate)
    messages = np.empty((len(seen) + 1, _STATES, evals.count.size))
    messages[0] = first[:, None]
    _sweep(evals, messages, later, beliefs, known=False)
    del later  # as large as the messages
    _sweep(evals, messages, _pass_backward(evals, beliefs, len(seen)), beliefs, known=True)
    return first, beliefs


def _fit_first(first: Floats, messages: Floats, count: Ints) -> Floats:
    """Fit the prior of the first rate by EM to messages before row 0, shape (13, evals)."""
    for _ in range(_EM_STEPS):  # cheap compared with a sweep, and slow to converge
        posterior = first * (messages @ (count / (first @ messages)))
        first = (FIRST_WEIGHT * FIRST + posterior) / (FIRST_WEIGHT + count.sum())
    return first


def _pass_backward(evals: _Evals, beliefs: _Beliefs, rows: int) -> Floats:
    """The probability of later outcomes given a rate, up to a factor; shape (rows + 1, 13, n).

    Entry t + 1 is the message at row t from the rows after it, entry 0 the one before row 0.
    """
    n = evals.count.size
    later = np.ones((rows + 1, _STATES, n))
    for row in range(rows - 1, -1, -1):
        weighed = _emission(evals, row) * later[row + 1]
        weighed *= beliefs.hour[row][:, None]
        stacked = np.empty((3, _STATES, n))
        stacked[0] = weighed[0] + weighed[1]
        for place, share in ((1, beliefs.up[row]), (2, beliefs.down[row])):
            stacked[place] = share[0] * weighed[0] + share[1] * weighed[1]
        before = _multiply(_RETURNS, stacked.reshape(3 * _STATES, n))
        later[row] = np.maximum(before / before.max(axis=0), _SMALL)
    return later


def _sweep(
    evals: _Evals, messages: Floats, later: Floats, beliefs: _Beliefs, *, known: bool
) -> None:
    """Go through the rows, and infer the hour and shares of those that ``later`` reaches.

    ``messages`` are the forward ones before each row: known, or found here by the newest beliefs.
    """
    for row in range(len(messages) - 1):
        moves, likelihood = _spread(messages[row]), _emission(evals, row)
        if row < len(later) - 1:
            terms = np.einsum("xjn,hjn->xhn", moves, likelihood * later[row + 1])
            terms[1:] *= evals.jumps[row]
            infer_row(evals, row, terms, beliefs)
        if not known:
            messages[row + 1] = _step(moves, likelihood, beliefs, row)[0]


def infer_row(evals: _Evals, row: int, terms: Floats, found: _Beliefs) -> None:
    """Infer a row's hour and shares for each eval, from the other documents of its block.

    ``terms`` are the a, b and c of each eval's likelihood a_h + u b_h + d c_h, shape (3, 2, n).
    """
    most = np.maximum(terms[1:].max(axis=0), 0.0) + terms[0]
    scaled = (terms / most.max(axis=0)).transpose(2, 1, 0).reshape(-1, 3)
    memory = _multiply(scaled, _LINEAR.T).reshape(most.shape[1], -1)
    np.log(np.maximum(memory, _SMALLEST, out=memory), out=memory)
    twins = np.flatnonzero(evals.count > 1)
    memory[twins] *= evals.count[twins, None]
    for its, others in evals.pairs:
        memory[its] += memory[others]
    documents = memory[evals.first]
    for here in evals.block:
        np.subtract(evals.often[here] @ documents[here], documents[here], out=documents[here])
    support = np.subtract(documents, documents.max(axis=1, keepdims=True), out=documents)
    np.exp(support, out=support)
    age, kind = np.divmod(evals.prior[row], _KINDS)
    sums = _multiply(support.reshape(-1, len(PAIRS)), _SUMS[age[0]]).reshape(-1, 2, 3, _KINDS)
    total, up, down = sums[evals.document, :, :, kind].T.copy()
    np.maximum(total, np.finfo(np.float64).tiny, out=total)
    weighed = HOURS[:, None] * total
    np.divide(weighed, weighed.sum(axis=0), out=found.hour[row])
    found.up[row] = up / total * evals.jumps[row]
    found.down[row] = down / total * evals.jumps[row]


def _emission(evals: _Evals, row: int) -> Floats:
    """The probability of a row's outcomes, by hour and rate, shape (2, 13, n)."""
    return np.asarray(np.take(evals.likelihoods, evals.outcome[row], axis=2))


def _spread(message: Floats) -> Floats:
    """A message, and how it changes if all rates jump up, or down; shape (3, 13, n)."""
    moves = np.empty((3, *message.shape))
    moves[0] = message
    moves[1:] = _multiply(_MOVES, message).reshape(2, *message.shape)
    return moves


def _step(moves: Floats, likelihood: Floats, beliefs: _Beliefs, row: int) -> tuple[Floats, Floats]:
    """The forward message at a row, of sum 1, and its divisor; shapes (13, n), (n,)."""
    arrived = beliefs.up[row][:, None] * moves[1]
    arrived += beliefs.down[row][:, None] * moves[2]
    arrived += moves[0]
    arrived *= likelihood
    arrived *= beliefs.hour[row][:, None]
    message = arrived[0] + arrived[1]
    total = message.sum(axis=0)
    return np.maximum(message / total, _SMALL), total


def _multiply(left: Floats, right: Floats) -> Floats:
    """The product of matrices, in pieces so small that BLAS does not start threads for them."""
    if len(left) <= _PIECE >= right.shape[1]:
        return left @ right
    found = np.empty((left.shape[0], right.shape[1]))
    for begin in range(0, max(found.shape), _PIECE):
        piece = slice(begin, begin + _PIECE)
        if len(left) > right.shape[1]:
            np.matmul(left[piece], right, out=found[piece])
        else:
            found[:, piece] = left @ right[:, piece]
    return found


def _trace_last_jump(evals: _Evals, first: Floats, beliefs: _Beliefs) -> Posterior:
    rows, n = evals.outcome.shape
    messages = np.empty((rows + 1, _STATES, n))
    totals = np.empty((rows, n))
    messages[0] = first[:, None]
    for row in range(rows):
        moves = _spread(messages[row])
        messages[row + 1], totals[row] = _step(moves, _emission(evals, row), beliefs, row)
    up, down = np.zeros((rows, _STATES - BROKEN, n)), np.zeros((rows, n))
    present = messages[rows] / messages[rows].sum(axis=0)
    lasting = np.ones((_STATES, n)) / messages[rows].sum(axis=0)
    for row in range(rows - 1, -1, -1):
        weighed = _emission(evals, row) * (beliefs.hour[row] / totals[row])[:, None]
        rise = (weighed * beliefs.up[row][:, None]).sum(axis=0) * lasting
        fall = (weighed * beliefs.down[row][:, None]).sum(axis=0) * lasting
        up[row] = rise[BROKEN:] * _multiply(BREAKS[:, BROKEN:].T, messages[row])
        down[row] = (fall * _multiply(MENDS.T, messages[row])).sum(axis=0)
        leaves = beliefs.up[row][:, None] * CAN_BREAK[:, None]
        leaves += beliefs.down[row][:, None] * CAN_MEND[:, None]
        lasting *= (weighed * (1.0 - leaves)).sum(axis=0)
    return Posterior(up, down, present, first, np.log(totals).sum(axis=0))


def last_row(mask: Bools) -> Ints:
    """The last row at which each eval's mask holds, -1 if none does, shape (n,)."""
    rows = np.arange(mask.shape[1])
    return np.asarray(np.where(mask, rows[None, :], -1).max(axis=1, initial=-1))


def find_likeliest(change: Floats, known: Bools) -> Ints:
    """The likeliest row of a change of each eval, the latest of several; -1 if there is none."""
    if not change.shape[1]:
        return np.full(change.shape[0], -1, dtype=np.int64)
    likeliest = change.shape[1] - 1 - np.argmax(change[:, ::-1], axis=1)
    return np.where(known & (change.sum(axis=1) > 0), likeliest, -1)
