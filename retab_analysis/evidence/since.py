"""Whether an eval got worse, since when, why, and what would decide it.

An eval *regressed* where its last jump was upward and lies after the row to which it is compared: a
lasting worsening began then, and has not been mended since. With W(j) the probability of that by
the present rate j, and A(j) the posterior of the present rate, ``p_regressed`` is Σ W / Σ A, and
after k further outcomes Σ W e^k / Σ A e^k, where e is the likelihood of such an outcome over normal
and bad hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from retab_analysis.evidence.comparable import CANDIDATE, Ledger
from retab_analysis.evidence.inference import Histories, Posterior, find_likeliest, infer, last_row
from retab_analysis.evidence.kinds import comes_and_goes, find_kinds, may_be_flaky
from retab_analysis.evidence.rates import EDITED, SAME, Bools, Floats, Ints, Words
from retab_analysis.evidence.reruns import ROUNDS, count_reruns, expect_reruns, predict
from retab_analysis.vocabulary import DECIDED, LIKELY

CREDIBLE = 0.90


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
    reruns_to_clear: Ints
    reruns_to_confirm: Ints


def answer(
    histories: Histories,
    posterior: Posterior,
    after: npt.ArrayLike = -1,
    known: Bools | None = None,
) -> Answers:
    """Read all answers off the model: ``histories`` went into it, ``posterior`` came out of it.

    ``after`` is the row after which a worsening counts, -1 for all rows, which is also how an eval
    that passes now is judged; one for each eval, shape (n,), or one for all. ``known`` is of which
    evals something can be said, shape (n,); None for those with an outcome both before the
    candidate and on its side.
    """
    rows = np.broadcast_to(np.asarray(after, dtype=np.int64), histories.shape[:1])
    known = histories.decided if known is None else known
    later = np.arange(histories.shape[1])[None, :] > rows[:, None]
    p, _ = predict(posterior, rows)
    worse, edited = show_at_outcomes(histories, np.where(later, posterior.worse, 0.0))
    half = worse.sum(axis=1) / 2
    edit, drift = (np.where(edited == kind, worse, 0.0) for kind in (EDITED, SAME))
    is_edit, is_drift = edit.sum(axis=1) > half, drift.sum(axis=1) > half
    of_cause = np.where(is_edit[:, None], edit, np.where(is_drift[:, None], drift, worse))
    since = find_likeliest(of_cause, known)
    cause = np.where(is_edit, "edit", np.where(is_drift, "drift", "unknown"))
    improved = np.where(later, posterior.better, 0.0).sum(axis=1)
    before = histories.observed[:, : histories.candidate].any(axis=1)
    waiting = before & ~histories.decided
    needed = [
        np.where(known | waiting, count_reruns(p, clear=clear), -1) for clear in (True, False)
    ]
    clear, confirm = (np.where(waiting & (each == 0), 1, each) for each in needed)
    return Answers(
        p_regressed=np.where(known, p[0, 0], np.nan),
        p_improved=np.where(known, np.minimum(improved, 1.0), np.nan),
        since=since,
        since_rows=find_credible_rows(worse) & (since >= 0)[:, None],
        cause=np.where(since >= 0, cause, ""),
        reruns_to_clear=clear,
        reruns_to_confirm=confirm,
    )


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


def find_credible_rows(worse: Floats) -> Bools:
    """The smallest set of rows that holds ``CREDIBLE`` of what each eval has, shape (n, T)."""
    order = np.argsort(-worse, axis=1, kind="stable")
    ordered = np.take_along_axis(worse, order, axis=1)
    before = np.cumsum(ordered, axis=1) - ordered
    chosen = (before < CREDIBLE * worse.sum(axis=1, keepdims=True)) & (ordered > 0)
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


@dataclass(frozen=True, eq=False)
class Findings:
    """What the model makes of a ledger; read with :meth:`of_each_eval`.

    Attributes:
        ledger: What went into it.
        posterior: What came out.
    """

    ledger: Ledger
    posterior: Posterior

    @cached_property
    def overall(self) -> Answers:
        """The answers where a worsening counts whenever it began."""
        histories = self.ledger.histories
        known = np.asarray(histories.observed.any(axis=1))
        return answer(histories, self.posterior, known=known)

    @property
    def overall_of_each(self) -> pl.DataFrame:
        """``eval, p_worse, fails_last``, also of evals without an outcome on the candidate's side.

        How probable it is that each is worse, whenever that began, and whether its newest row has a
        failure.
        """
        p = self.overall.p_regressed
        histories = self.ledger.histories
        rows, newest = np.arange(histories.shape[1])[None, :], last_row(histories.observed)
        fails = (histories.failed & (rows == newest[:, None])).any(axis=1)
        found = pl.DataFrame({"eval": np.arange(len(p)), "p_worse": p, "fails_last": fails})
        return found.with_columns(pl.col("p_worse").fill_nan(None))

    @property
    def since(self) -> pl.DataFrame:
        """``eval, since_row``: since when each eval is probably worse; null where it is not."""
        likely = self.overall.p_regressed >= LIKELY
        return pl.DataFrame(
            {"eval": np.arange(len(likely)), "since_row": np.where(likely, self.overall.since, -1)}
        ).with_columns(pl.when(pl.col("since_row") >= 0).then("since_row"))

    def of_each_eval(
        self, after: pl.DataFrame | None = None, known: pl.Series | None = None
    ) -> pl.DataFrame:
        """One row per eval, in the order of ``ledger.evals``.

        Args:
            after: ``eval, after``: the row after which a worsening counts, null for all rows; None
                for all rows of all evals.
            known: Of which evals to say it; None for those with an outcome both before the
                candidate and on its side.

        Returns:
            ``eval, p_regressed, p_improved`` (null where it cannot be said), ``p_worse, p_better``
            (whenever it began), ``cause``, ``since_row, since_at, since_run_id, since_version_id``,
            ``since_runs`` (List(String), the smallest set of runs that holds 90 %),
            ``reruns_to_clear, reruns_to_confirm``, ``expected_reruns`` (how many it will get in the
            mean if it gets at most 0, 1, …), ``kind``, ``comes_and_goes``, ``may_be_flaky``;
            ``passing_rows``, how many of its newest rows passed, one after the other;
            ``passes_…`` and ``outcomes_…`` for ``earlier`` and ``candidate`` (before the candidate
            and on its side), ``before`` and ``since`` (before ``since_row`` and from it on; as
            these where there is none); and what :meth:`newest_hour` says.
        """
        histories, overall = self.ledger.histories, self.overall
        n = self.ledger.evals.height
        rows = np.full(n, -1, dtype=np.int64)
        if after is not None:
            given = after.drop_nulls("after")
            rows[given["eval"].to_numpy()] = given["after"].to_numpy()
        told_of = None if known is None else known.to_numpy()
        answers = answer(histories, self.posterior, rows, told_of)
        # What broke before the row after which a worsening counts did not break again after it.
        earlier = answers.p_regressed < overall.p_regressed / 2
        told = (answers.since >= 0) & ~earlier
        every_row = np.arange(histories.shape[1])[None, :]
        failed = last_row(histories.failed)[:, None]
        since = np.where(told, answers.since, overall.since)
        is_now = every_row >= histories.candidate
        is_since = every_row >= np.where(since >= 0, since, histories.candidate)[:, None]
        parts = {"earlier": ~is_now, "candidate": is_now, "before": ~is_since, "since": is_since}
        outcomes = {"passes": histories.passes, "outcomes": histories.passes + histories.fails}
        frame = pl.DataFrame(
            {
                "eval": np.arange(n),
                "p_regressed": answers.p_regressed,
                "p_improved": answers.p_improved,
                "p_worse": overall.p_regressed,
                "p_better": overall.p_improved,
                "cause": np.where(told, answers.cause, overall.cause).astype(str),
                "since_row": since,
                "kind": find_kinds(histories, self.posterior).astype(str),
                "comes_and_goes": comes_and_goes(histories, self.posterior),
                "may_be_flaky": may_be_flaky(histories, self.posterior),
                "reruns_to_clear": answers.reruns_to_clear,
                "reruns_to_confirm": answers.reruns_to_confirm,
                "expected_reruns": expect_reruns(self.posterior, rows, histories.decided).T,
                "passing_rows": (histories.passed & (every_row > failed)).sum(axis=1),
                **{
                    f"{what}_{name}": np.where(part, counts, 0).sum(axis=1)
                    for name, part in parts.items()
                    for what, counts in outcomes.items()
                },
            },
            schema_overrides={
                "cause": pl.String,
                "kind": pl.String,
                "expected_reruns": pl.Array(pl.Float64, ROUNDS + 1),
            },
        )
        places = pl.col("since_row", "reruns_to_clear", "reruns_to_confirm")
        nullable = frame.with_columns(
            pl.col("p_regressed", "p_improved", "p_worse", "p_better").fill_nan(None),
            pl.when(pl.col("cause") != "").then(pl.col("cause")),
            pl.when(places >= 0).then(places),
        )
        named = self._with_runs(nullable, answers.since_rows)
        return named.join(self.newest_hour(), on="eval", how="left", maintain_order="left")

    def newest_hour(self) -> pl.DataFrame:
        """What each eval did in its newest row on the candidate's side.

        Returns:
            ``eval``; ``tries``, how often it ended there, in a verdict or an error that is not of
            an outage; ``tried_at``, when it was run there last; ``in_bad_hour``, whether that row
            is probably a bad hour: other evals of its block that are shaky failed at once, and
            solid ones did not. Evals that did not end there have no row.
        """
        is_error = (pl.col("state") == "error") & ~pl.col("outage")
        ended = self.ledger.results.filter(
            "comparable",
            pl.col("side") == CANDIDATE,
            pl.col("row").is_not_null(),
            is_error | pl.col("state").is_in(DECIDED),
        )
        newest = (
            ended.filter(pl.col("row") == pl.col("row").max().over("eval"))
            .group_by("eval", "row")
            .agg(tries=pl.len().cast(pl.Int64), tried_at=pl.col("moment").max())
        )
        places = newest["row"].to_numpy(), newest["eval"].to_numpy()
        is_bad = pl.Series(self.posterior.bad_hour[places] >= LIKELY, dtype=pl.Boolean)
        return newest.with_columns(in_bad_hour=is_bad).drop("row")

    def _with_runs(self, frame: pl.DataFrame, since_rows: Bools) -> pl.DataFrame:
        """Add the run of the row since which an eval is worse, and the runs it may have been.

        A row of several runs is named after the first: the others ran its evals again.
        """
        told = self.ledger.results.filter("comparable", pl.col("row").is_not_null())
        runs = told.unique(("eval", "row"), keep="first", maintain_order=True).select(
            "eval",
            since_row="row",
            since_at="moment",
            since_run_id="run_id",
            since_version_id="workflow_version_id",
        )
        evals, rows = np.nonzero(since_rows)
        possible = (
            runs.join(pl.DataFrame({"eval": evals, "since_row": rows}), on=["eval", "since_row"])
            .sort("eval", "since_row")
            .group_by("eval", maintain_order=True)
            .agg(since_runs=pl.col("since_run_id").drop_nulls())
        )
        return frame.join(runs, on=["eval", "since_row"], how="left", maintain_order="left").join(
            possible, on="eval", how="left", maintain_order="left"
        )


def weigh(ledger: Ledger) -> Findings:
    """Infer what the history of each eval says."""
    return Findings(ledger, infer(ledger.histories))
