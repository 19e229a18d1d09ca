"""Whether an eval got worse, since when, why, and which further outcomes decide it.

An eval *regressed* if its last jump was upward and lies after the row to which it is compared: a
lasting worsening began then and was not mended since. Let W(j) be its probability by the present
rate j, and A(j) the posterior of the present rate. Then ``p_regressed`` is Σ W / Σ A. After k
further outcomes it is Σ W e^k / Σ A e^k, where e is the likelihood of such an outcome over normal
and bad hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from retab_analysis.evidence.comparable import BASELINE, CANDIDATE, Ledger
from retab_analysis.evidence.inference import Histories, Posterior, find_likeliest, last_row
from retab_analysis.evidence.rates import (
    EDITED,
    HOUR_RATES,
    HOURS,
    SAME,
    Bools,
    Floats,
    Ints,
    Words,
)
from retab_analysis.evidence.readings import date_after_passes, infer_within, mark_returns
from retab_analysis.evidence.story import NOTHING_READ, Reading, Share
from retab_analysis.vocabulary import (
    CERTAIN_ENOUGH,
    CLEARED_BY_PASS,
    DECIDED,
    LIKELY,
    SURE,
    UNLIKELY,
)

MOST_RERUNS = 5
"""How many equal outcomes in a row ``count_reruns`` looks ahead."""
ROUNDS = 8
"""How many rounds ``predict`` looks ahead."""
ENOUGH_FAILURES = 2
"""In so many rows an eval failed on edited code, if *more likely than not* calls it broken."""
DOUBT_BY_EDIT, NATURE_ROWS = 0.2, 3
"""From this probability on that an edit broke it, an eval is flaky by its nature only if it failed
in so many rows since."""


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers for each of n evals, shape (n,).

    ``cause`` is ``edit`` if more than half of the probability, and ``since``, lie at rows with
    edited code; ``drift`` if they lie at other rows; else ``unknown``. An eval that passed on its
    present code before ``since`` is a ``drift``, too. ``reruns_to_clear`` passes
    in a row clear an eval, ``reruns_to_confirm`` failures confirm it. They are 0 if that is so
    already, and at least 1 if it was decided before and is not now. They are -1 if more than 5 are
    needed or nothing was decided before.
    """

    p_regressed: Floats  # NaN if it is not known
    p_improved: Floats
    since: Ints  # the likeliest outcome at which the worsening began; -1 if there is none
    cause: Words  # empty if ``since`` is -1
    limit: Floats  # the probability from which on it is called broken
    reruns_to_clear: Ints
    reruns_to_confirm: Ints
    rounds: Ints  # in how many reruns the transition may change; -1 for above 8


def answer(histories: Histories, posterior: Posterior, after: Ints, known: Bools) -> Answers:
    """Read all answers off the model: ``histories`` is its input, ``posterior`` its output.

    ``after`` is the row after which a worsening of each eval counts; -1, for all rows, also judges
    an eval that passes now. ``known`` marks the evals with an answer. Both have the shape (n,).
    """
    later = np.arange(histories.shape[1])[None, :] > after[:, None]
    passes, fails = predict(posterior, after)
    worse, edited = show_at_outcomes(histories, np.where(later, posterior.worse, 0.0))
    since = date_after_passes(histories, find_likeliest(worse, known))
    cause = _find_cause(histories, worse, edited, since)
    failed = _count_failed(histories, since, cause == "edit")
    improved = np.where(later, posterior.better, 0.0).sum(axis=1)
    waiting = histories.observed[:, : histories.candidate].any(axis=1) & ~histories.decided
    needed = count_reruns(passes, clear=True), count_reruns(fails, clear=False)
    asked = (np.where(known | waiting, each, -1) for each in needed)
    clear, confirm = (np.where(waiting & (each == 0), 1, each) for each in asked)
    passed_last: Bools = np.asarray((histories.passed & is_newest(histories)).any(axis=1))
    return Answers(
        p_regressed=np.where(known, passes[0], np.nan),
        p_improved=np.where(known, np.minimum(improved, 1.0), np.nan),
        since=since,
        cause=cause,
        limit=find_limit(failed),
        reruns_to_clear=clear,
        reruns_to_confirm=confirm,
        rounds=np.where(known, count_rounds(passes, fails, failed, passed_last), -1),
    )


def _find_cause(histories: Histories, worse: Floats, edited: Ints, since: Ints) -> Words:
    """Why each eval got worse; what is said of its row has to hold for it, too."""
    half, there = worse.sum(axis=1) / 2, _take_at(edited, since)
    is_edit, is_drift = (
        (np.where(edited == kind, worse, 0.0).sum(axis=1) > half) & (there == kind)
        for kind in (EDITED, SAME)
    )
    has_passed = (histories.passed & _is_before(histories, since, on_present_code=True)).any(axis=1)
    told = np.where(is_edit, "edit", np.where(is_drift, "drift", "unknown"))
    return np.where(since >= 0, np.where(has_passed, "drift", told), "")


def _count_failed(histories: Histories, since: Ints, by_edit: Bools) -> Ints:
    """In how many rows each eval failed on the code of the edit at ``since``.

    Without an edit these are the candidate's row and rows of reruns; -1 if it passed in one.
    """
    codes, candidate = histories.codes, histories.candidate
    is_its = (codes == _take_at(codes, since)[:, None]) & (codes > 0)
    its = histories.again | (np.arange(codes.shape[1]) == candidate)
    passed = (histories.passed & its).any(axis=1)
    failed = (histories.failed & np.where(by_edit[:, None], is_its, its)).sum(axis=1)
    return np.where(passed & ~by_edit, -1, failed)


def _take_at(table: npt.NDArray[np.integer], rows: Ints) -> npt.NDArray[np.integer]:
    """The entry of each eval in a row; the first one for row -1, shape (n,)."""
    if not table.size:
        return np.zeros(len(table), dtype=np.int64)
    return np.take_along_axis(table, np.maximum(rows, 0)[:, None], axis=1)[:, 0]


def _is_before(histories: Histories, rows: Ints, *, on_present_code: bool) -> Bools:
    """The rows before a row of each eval, on the code of its newest outcome or on others."""
    codes = histories.codes
    is_its = codes == _take_at(codes, last_row(histories.observed))[:, None]
    before = np.arange(codes.shape[1]) < rows[:, None]
    return np.asarray(before & (codes > 0) & (is_its == on_present_code))


def find_limit(failed: Ints) -> Floats:
    """The probability from which on an eval is called broken.

    ``failed`` is in how many rows it failed on the code of the edit that explains it. Without an
    edit it is in how many the candidate's run and reruns show it, -1 if they do not.
    """
    return np.where(failed >= ENOUGH_FAILURES, LIKELY, CERTAIN_ENOUGH)


def find_returned(histories: Histories, since: Ints) -> Bools:
    """The earlier rows on the present code of each eval, if it came back, shape (n, T).

    They lie before ``since``, shape (n,), or else before the newest outcome.
    """
    newest = last_row(histories.observed)
    here = _is_before(histories, np.where(since >= 0, since, newest), on_present_code=True)
    other = _is_before(histories, newest, on_present_code=False)
    came_back = (other & (np.cumsum(here, axis=1) > 0)).any(axis=1, keepdims=True)
    return np.asarray(here & came_back)


def is_newest(histories: Histories) -> Bools:
    newest = last_row(histories.observed)[:, None]
    return np.asarray(np.arange(histories.shape[1])[None, :] == newest)


def show_at_outcomes(histories: Histories, worse: Floats) -> tuple[Floats, Ints]:
    """Move a change at a row without an outcome to the eval's next outcome, where it shows.

    It returns the probability that a worsening began at a row, and the edits, (n, T).
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


@dataclass(frozen=True, eq=False)
class Findings:
    """The model's answer to a ledger; :meth:`read` says it eval by eval."""

    ledger: Ledger
    histories: Histories  # of the ledger, where a return to code may be no edit for an eval
    posterior: Posterior

    @cached_property
    def overall(self) -> Answers:
        """The answers if a worsening counts whenever it began."""
        known = np.asarray(self.histories.observed.any(axis=1))
        return answer(self.histories, self.posterior, np.full(known.size, -1), known)

    @cached_property
    def is_flaky(self) -> Bools:
        """Which evals are flaky by nature, whatever they do today, shape (n,).

        One that may have broken is flaky only if it came and went before that: two failures after
        an edit are no nature yet.
        """
        overall, failed = self.overall, self.ledger.histories.failed
        rows = np.arange(failed.shape[1])[None, :]
        few = (failed & (rows >= overall.since[:, None])).sum(axis=1) < NATURE_ROWS
        by_edit = (overall.p_regressed > DOUBT_BY_EDIT) & (overall.cause == "edit") & few
        may_have_broken = (overall.p_regressed >= LIKELY) | by_edit
        before, ever = (
            comes_and_goes(self.ledger.histories, self.posterior, self.ledger.is_inside, until)
            for until in (overall.since, None)
        )
        return np.asarray(np.where(may_have_broken, before, ever))

    @cached_property
    def is_broken(self) -> Bools:
        """Which evals are called broken by their last decided row, shape (n,)."""
        is_called = self.overall.p_regressed >= self.overall.limit
        return np.asarray(is_called & self.histories.passed.any(axis=1))

    @cached_property
    def fails_first(self) -> Bools:
        """Which evals fail, and within the horizon never failed before their last pass, (n,)."""
        failed = self.histories.failed & self.ledger.is_inside
        last = last_row(self.histories.passed)
        return np.asarray(failed.any(axis=1) & (failed.argmax(axis=1) > last) & (last >= 0))

    @property
    def likely_since(self) -> Ints:
        """The row since which each eval is probably worse; -1 if it is not, shape (n,)."""
        return np.where(self.overall.p_regressed >= LIKELY, self.overall.since, -1)

    @cached_property
    def is_passing(self) -> Bools:
        """Which evals pass now and are not called worse, shape (n,)."""
        passed, failed = (
            each[:, self.histories.candidate :].any(axis=1)
            for each in (self.histories.passed, self.histories.failed)
        )
        return np.asarray(passed & ~failed & ~(self.overall.p_regressed >= CERTAIN_ENOUGH))

    def _find_after(self, *, own_past: bool) -> Ints:
        """The row after which a worsening counts, -1 for any, shape (n,).

        It is the baseline's newest row, else the newest earlier one. Compared with its own past, an
        eval that does not pass now may have got worse at any time.
        """
        results, candidate = self.ledger.results, self.histories.candidate
        newest = last_row(self.histories.observed[:, :candidate])
        if own_past:
            return np.where(self.is_passing, newest, -1)
        is_held = pl.col("comparable") & pl.col("state").is_in(DECIDED)
        held = last_row(self.ledger.places(results.filter(is_held, side=BASELINE)))
        return np.where(held < 0, newest, held)

    def read(self, *, own_past: bool) -> list[Reading]:
        """The answers about each eval, in the order of ``ledger.evals``.

        ``own_past`` tells that evals are compared with their own past, without a baseline.
        ``p_worse`` counts a change whenever it began. ``before`` and ``since`` are before
        ``since_row`` and from it on; without it, before the candidate and on its side.
        """
        histories, overall = self.histories, self.overall
        rows = np.arange(histories.shape[1])[None, :]
        is_now = rows >= histories.candidate
        has_run = (histories.observed & is_now).any(axis=1)
        known = histories.decided | (self.is_broken & ~has_run)
        answers = answer(histories, self.posterior, self._find_after(own_past=own_past), known)
        # An eval that broke before the row after which a worsening counts did not break again.
        earlier = answers.p_regressed < overall.p_regressed / 2
        told = (answers.since >= 0) & ~earlier
        since = np.where(told, answers.since, overall.since)
        limit = np.where(told, answers.limit, overall.limit)
        # Nothing but a pass of its own excuses a first failure: it is worth a rerun.
        waits, clear = answers.p_regressed < limit, answers.reruns_to_clear
        table = pl.DataFrame(
            {
                "eval": np.arange(len(since)),
                "p_regressed": answers.p_regressed,
                "p_improved": answers.p_improved,
                "p_worse": overall.p_regressed,
                "cause": np.where(told, answers.cause, overall.cause),
                "since_row": since,
                "is_flaky": self.is_flaky,
                "is_broken": self.is_broken,
                "fails_first": self.fails_first,
                "reruns_to_clear": np.where(self.fails_first & (clear == 0), 1, clear),
                "reruns_to_confirm": answers.reruns_to_confirm,
                "rounds": np.where(self.fails_first & waits, 1, answers.rounds),
                "limit": limit,
                **_describe_newest(histories),
            }
        ).with_columns(
            pl.col(pl.Float64).fill_nan(None),
            pl.col(pl.Int64).replace(-1, None),
            pl.col(pl.String).replace("", None),
        )
        for part in (self._name_rows(since), self._find_ends()):
            table = table.join(part, on="eval", how="left", maintain_order="left")
        is_since = rows >= np.where(since >= 0, since, histories.candidate)[:, None]
        parts = {
            **{"earlier": ~is_now, "now": is_now, "before": ~is_since, "since": is_since},
            "on_code": find_returned(histories, since),
        }
        counted = {name: _count_shares(histories, part) for name, part in parts.items()}
        # Most evals have the same answers as some others.
        alike = table.with_columns(**counted).group_by(pl.exclude("eval")).agg("eval")
        readings = [NOTHING_READ] * table.height
        for *row, evals in alike.iter_rows():
            found = dict(zip(alike.columns, row, strict=False))
            reading = Reading(**found | {name: Share(**found[name]) for name in parts})
            for each in evals:
                readings[each] = reading
        return readings

    def _find_ends(self) -> pl.DataFrame:
        """When an eval's newest row on the candidate's side ends, and how many results are reruns.

        That is of evals with an ended result there.
        """
        is_error = (pl.col("state") == "error") & ~pl.col("outage")
        ended = self.ledger.results.filter(
            "comparable",
            pl.col("side") == CANDIDATE,
            pl.col("row").is_not_null(),
            is_error | pl.col("state").is_in(DECIDED),
        )
        is_newest = pl.col("row") == pl.col("row").max()
        # The first of them is no rerun, whatever its run.
        again = pl.col("is_single") & (pl.int_range(pl.len()) > 0)
        told = ended.group_by("eval", maintain_order=True).agg(
            pl.col("row").max(), reruns=again.sum(), reruns_in_row=(again & is_newest).sum()
        )
        blocks = self.ledger.evals.select("eval", "block")
        ends = self.ledger.rows.select("block", "row", row_ends_at="until")
        both = told.join(blocks, on="eval").join(ends, on=("block", "row"))
        return both.select("eval", "row_ends_at", "reruns", "reruns_in_row")

    def _name_rows(self, rows: Ints) -> pl.DataFrame:
        """The run that names a row of each eval: its first, the others ran its evals again."""
        told = self.ledger.results.filter("comparable", pl.col("row").is_not_null())
        told = told.filter(pl.Series(told["row"].to_numpy() == rows[told["eval"].to_numpy()]))
        first = told.unique("eval", keep="first", maintain_order=True)
        names = {"since_run_id": "run_id", "since_version_id": "workflow_version_id"}
        return first.select("eval", since_at="moment", **names)


def _describe_newest(histories: Histories) -> dict[str, Bools | Ints]:
    """The newest rows of each eval: how many passed or failed in a row, and the newest one."""
    passed, failed, newest = histories.passed, histories.failed, is_newest(histories)
    rows = np.arange(histories.shape[1])[None, :]
    return {
        "passing_rows": (passed & (rows > last_row(failed)[:, None])).sum(axis=1),
        "failing_rows": (failed & (rows > last_row(passed)[:, None])).sum(axis=1),
        "passed_last": (passed & newest).any(axis=1),
        "failed_last": (failed & newest).any(axis=1),
    }


def _count_shares(histories: Histories, part: Bools) -> pl.Series:
    passes, fails = (
        np.where(part, each, 0).sum(axis=1) for each in (histories.passes, histories.fails)
    )
    return pl.DataFrame({"passed": passes, "of": passes + fails}).to_struct()


def weigh(ledger: Ledger) -> Findings:
    histories = mark_returns(ledger.histories)
    return Findings(ledger, histories, infer_within(histories, ledger.is_inside))


def comes_and_goes(
    histories: Histories, posterior: Posterior, is_inside: Bools, before: Ints | None = None
) -> Bools:
    """Whether each eval failed in two rows with a pass between them, shape (n,).

    The pass is in a row between, or in the first of the two. No edit of the block lies between the
    first and the last of the three. Only deciding rows count (``is_inside``, shape (n, T)), since
    the eval's rate last changed for certain. With ``before``, shape (n,), only rows before that row
    of each eval count.
    """
    rows = np.arange(histories.shape[1])[None, :]
    counts = is_inside & (rows >= _find_change(posterior)[:, None])
    if before is not None:
        counts &= rows < before[:, None]
    passed, failed = histories.passed & counts, histories.failed & counts
    edit = np.maximum.accumulate(np.where(histories.edited == EDITED, rows, 0), axis=1)
    last_pass = _find_last(passed)
    earlier = np.pad(last_pass, ((0, 0), (1, 0)), constant_values=-1)[:, :-1]
    first = np.take_along_axis(_find_last(failed), np.maximum(earlier, 0), axis=1)
    return np.asarray((failed & (earlier >= 0) & (first >= edit)).any(axis=1))


def _find_change(posterior: Posterior) -> Ints:
    """The row since which each eval's rate is certainly another; -1 if there is none."""
    worse, better = posterior.worse, posterior.better
    sums = np.maximum(worse.sum(axis=1), better.sum(axis=1))
    return find_likeliest(np.maximum(worse, better), sums >= CERTAIN_ENOUGH)


def _find_last(mask: Bools) -> Ints:
    """The last row up to each row at which an eval's mask holds; -1 if none does, shape (n, T)."""
    rows = np.where(mask, np.arange(mask.shape[1])[None, :], -1)
    return np.maximum.accumulate(rows, axis=1)


# Further rows: the posterior predictive. After i further passes and j further failures the
# probability that an eval got worse is p(i, j) = Σ W e₊^i e₋^j / Σ A e₊^i e₋^j.


def predict(posterior: Posterior, after: Ints) -> tuple[Floats, Floats]:
    """The probability that each eval got worse, after so many further passes or failures in a row.

    ``after`` is the row after which a worsening counts, shape (n,). Returns two arrays of the shape
    (ROUNDS + 1, n).
    """
    worse, present = posterior.worse_by_rate(after), posterior.present
    fails = (HOURS @ HOUR_RATES)[None, :] ** np.arange(ROUNDS + 1)[:, None]
    passes = (1 - HOURS @ HOUR_RATES)[None, :] ** np.arange(ROUNDS + 1)[:, None]
    found = [np.clip(weight @ worse / (weight @ present), 0.0, 1.0) for weight in (passes, fails)]
    return found[0], found[1]


def count_reruns(p: Floats, *, clear: bool) -> Ints:
    """How many further passes in a row clear each eval, or failures confirm it; -1 for above 5.

    ``p`` are the probabilities of :func:`predict` for passes, or for failures.
    """
    decides = p[: MOST_RERUNS + 1] <= UNLIKELY if clear else p[: MOST_RERUNS + 1] >= SURE
    return np.where(decides.any(axis=0), decides.argmax(axis=0), -1)


def count_rounds(passes: Floats, fails: Floats, failed: Ints, passed_last: Bools) -> Ints:
    """The number of rounds in which reruns may change each eval's transition; -1 for above 8.

    All passes, or all failures, bring its probability across the threshold of a break, or all
    passes clear it. ``failed`` is as for :func:`find_limit`.
    """
    now, limit = passes[0], np.where(passed_last, CLEARED_BY_PASS, UNLIKELY)
    more = failed + np.arange(ROUNDS + 1)[:, None] * (failed >= 0)
    called = find_limit(more)
    may_change = (now < called[0]) & (fails >= called)
    may_change |= (now >= called[0]) & (passes < called[0])
    may_change |= (now > limit) & (passes <= limit)
    may_change[0] = False
    return np.where(may_change.any(axis=0), may_change.argmax(axis=0), -1)
