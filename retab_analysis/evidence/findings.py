"""What the model says of each eval, as a frame: how sure, since when, why, what would decide it.

This is where arrays become rows again. ``outcomes`` makes the arrays, ``inference`` and ``answers``
draw the conclusions; whoever compares, blames or draws reads the frame that is made here, so that
no part of the library has a rule of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from retab_analysis.evidence.inference import Histories, Posterior, infer
from retab_analysis.evidence.outcomes import Outcomes
from retab_analysis.evidence.reruns import ROUNDS, expect_reruns
from retab_analysis.evidence.since import (
    CREDIBLE,
    Answers,
    answer,
    count_reruns,
    predict_regressed,
)

__all__ = ["CREDIBLE", "Findings", "weigh"]

Counts = npt.NDArray[np.int64]

_LIKELY = 0.5


@dataclass(frozen=True, eq=False)
class Findings:
    """What the model makes of some outcomes; read with :meth:`of_each_eval`.

    Attributes:
        outcomes: What went into it.
        posterior: What came out.
        overall: The answers where a worsening counts whenever it began.
    """

    outcomes: Outcomes
    posterior: Posterior
    overall: Answers

    @property
    def since(self) -> pl.DataFrame:
        """``eval, since_row``: since when each eval is probably worse; null where it is not."""
        likely = self.overall.p_regressed >= _LIKELY
        return pl.DataFrame(
            {
                "eval": np.arange(len(likely)),
                "since_row": np.where(likely, self.overall.since, -1),
            }
        ).with_columns(pl.when(pl.col("since_row") >= 0).then("since_row"))

    def of_each_eval(
        self, after: pl.DataFrame | None = None, *, undecided: bool = False
    ) -> pl.DataFrame:
        """One row per eval, in the order of ``outcomes.evals``.

        Args:
            after: ``eval, after``: the row after which a worsening counts, null for all rows; None
                for all rows of all evals.
            undecided: Also tell of evals without an outcome on the candidate's side, from their
                history alone.

        Returns:
            ``eval, p_regressed, p_improved`` (null where it cannot be said), ``p_ever`` (whenever
            it began), ``cause``, ``since_row, since_at, since_run_id, since_version_id``,
            ``since_runs`` (List(String), the smallest set of runs that holds 90 %),
            ``reruns_to_clear, reruns_to_confirm``, ``expected_reruns`` (how many it will get in the
            mean if it gets at most 0, 1, …), ``rate`` (of failing), ``passes_before,
            outcomes_before, passes_since, outcomes_since, runs_since``: what was counted before
            that row and from it on, or before and on the candidate's side where there is none;
            ``passes_earlier, outcomes_earlier, passes_candidate, outcomes_candidate``: before the
            candidate and on its side.
        """
        n = self.outcomes.evals.height
        rows = np.full(n, -1, dtype=np.int64)
        if after is not None:
            given = after.drop_nulls("after")
            rows[given["eval"].to_numpy()] = given["after"].to_numpy()
        known = np.asarray(self.outcomes.histories.observed.any(axis=1)) if undecided else None
        answers = answer(self.outcomes.histories, self.posterior, rows, known)
        # What broke before the row after which a worsening counts did not break again after it.
        earlier = answers.p_regressed < self.overall.p_regressed / 2
        told = (answers.since >= 0) & ~earlier
        since = np.where(told, answers.since, self.overall.since)
        frame = pl.DataFrame(
            {
                "eval": np.arange(n),
                "p_regressed": answers.p_regressed,
                "p_improved": answers.p_improved,
                "p_ever": self.overall.p_regressed,
                "cause": np.where(told, answers.cause, self.overall.cause).astype(str),
                "since_row": since,
                "rate": answers.rate,
                **self._reruns(answers, rows),
                "expected_reruns": self._expect_reruns(rows).T,
                **_count_around(self.outcomes.histories, since),
                **_count_sides(self.outcomes.histories),
            },
            schema_overrides={
                "cause": pl.String,
                "expected_reruns": pl.Array(pl.Float64, ROUNDS + 1),
            },
        )
        nullable = frame.with_columns(
            pl.col("p_regressed", "p_improved", "p_ever").fill_nan(None),
            pl.when(pl.col("cause") != "").then("cause").alias("cause"),
            *(
                pl.when(pl.col(name) >= 0).then(name).alias(name)
                for name in ("since_row", "reruns_to_clear", "reruns_to_confirm")
            ),
        )
        return self._with_runs(nullable, answers)

    def _reruns(self, answers: Answers, after: Counts) -> dict[str, Counts]:
        """As in the answers; and for an eval that was not decided now, what reruns would tell."""
        histories = self.outcomes.histories
        before = histories.observed[:, : histories.candidate].any(axis=1)
        waiting = before & ~histories.decided
        predicted = predict_regressed(self.posterior, after)
        clear = count_reruns(predicted[0], waiting, clear=True)
        confirm = count_reruns(predicted[1], waiting, clear=False)
        # Without an outcome at least one is needed; where more than 5 are, that stays unsaid.
        return {
            "reruns_to_clear": np.where(
                waiting, np.where(clear == 0, 1, clear), answers.reruns_to_clear
            ),
            "reruns_to_confirm": np.where(
                waiting, np.where(confirm == 0, 1, confirm), answers.reruns_to_confirm
            ),
        }

    def _expect_reruns(self, after: Counts) -> npt.NDArray[np.float64]:
        """How many reruns each eval will get in the mean, with at most 0, 1, … of them."""
        return expect_reruns(self.posterior, after, self.outcomes.histories.decided)

    def _with_runs(self, frame: pl.DataFrame, answers: Answers) -> pl.DataFrame:
        """Add the run of the row since which an eval is worse, and the runs it may have been."""
        wanted = answers.since_rows.copy()
        begun = frame.drop_nulls("since_row")
        wanted[begun["eval"].to_numpy(), begun["since_row"].to_numpy()] = True
        runs = self.outcomes.runs_of_rows(wanted)
        named = runs.select(
            "eval",
            pl.col("row").alias("since_row"),
            pl.col("moment").alias("since_at"),
            pl.col("run_id").alias("since_run_id"),
            pl.col("workflow_version_id").alias("since_version_id"),
        )
        evals, rows = np.nonzero(answers.since_rows)
        possible = (
            pl.DataFrame({"eval": evals, "row": rows})
            .join(runs, on=["eval", "row"])
            .sort("eval", "row")
            .group_by("eval", maintain_order=True)
            .agg(pl.col("run_id").drop_nulls().alias("since_runs"))
        )
        return frame.join(named, on=["eval", "since_row"], how="left", maintain_order="left").join(
            possible, on="eval", how="left", maintain_order="left"
        )


def weigh(outcomes: Outcomes) -> Findings:
    """Infer what the history of each eval says."""
    posterior = infer(outcomes.histories)
    return Findings(outcomes, posterior, answer(outcomes.histories, posterior))


def _count_around(histories: Histories, since: Counts) -> dict[str, Counts]:
    """Passes and outcomes before a row and from it on; the candidate's row where it is -1."""
    start = np.where(since >= 0, since, histories.candidate)
    is_since = np.arange(histories.shape[1])[None, :] >= start[:, None]
    observed = is_since & histories.observed
    return {
        **_count_parts(histories, is_since, ("before", "since")),
        "runs_since": observed.sum(axis=1),
    }


def _count_sides(histories: Histories) -> dict[str, Counts]:
    """Passes and outcomes before the candidate and on its side."""
    is_candidate = np.arange(histories.shape[1])[None, :] >= histories.candidate
    return _count_parts(histories, is_candidate, ("earlier", "candidate"))


def _count_parts(
    histories: Histories, is_second: npt.NDArray[np.bool_], names: tuple[str, str]
) -> dict[str, Counts]:
    """Comparable passes and outcomes of the two parts of each history."""
    outcomes = histories.passes + histories.fails
    passes = histories.passes
    return {
        f"{what}_{name}": np.where(is_part, counts, 0).sum(axis=1)
        for name, is_part in zip(names, (~is_second, is_second), strict=True)
        for what, counts in (("passes", passes), ("outcomes", outcomes))
    }
