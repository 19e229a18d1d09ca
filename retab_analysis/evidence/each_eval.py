"""What the model says of each eval, as a frame: how sure, since when, why, what would decide it.

This is where arrays become rows again. ``comparable`` makes the arrays, ``inference``, ``since``,
``reruns`` and ``kinds`` draw the conclusions; whoever compares, blames or draws reads the frame
that is made here, so that no part of the library has a rule of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from retab_analysis.evidence.comparable import CANDIDATE, Ledger
from retab_analysis.evidence.inference import Histories, Posterior, infer
from retab_analysis.evidence.kinds import comes_and_goes, find_kinds, may_be_flaky
from retab_analysis.evidence.reruns import ROUNDS, expect_reruns
from retab_analysis.evidence.since import Answers, answer, last_row
from retab_analysis.vocabulary import DECIDED, LIKELY

Ints = npt.NDArray[np.int64]


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
            {
                "eval": np.arange(len(likely)),
                "since_row": np.where(likely, self.overall.since, -1),
            }
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
            mean if it gets at most 0, 1, …), ``rate`` (of failing), ``kind``, ``comes_and_goes``,
            ``may_be_flaky``; ``passing_rows``, how many of its newest rows passed, one after the
            other;
            ``passes_before, outcomes_before, passes_since, outcomes_since, runs_since``: what was
            counted before ``since_row`` and from it on, or before and on the candidate's
            side where there is none; ``passes_earlier, outcomes_earlier, passes_candidate,
            outcomes_candidate``: before the candidate and on its side; and what :meth:`newest_hour`
            says.
        """
        histories = self.ledger.histories
        n = self.ledger.evals.height
        rows = np.full(n, -1, dtype=np.int64)
        if after is not None:
            given = after.drop_nulls("after")
            rows[given["eval"].to_numpy()] = given["after"].to_numpy()
        told_of = None if known is None else known.to_numpy()
        answers = answer(histories, self.posterior, rows, told_of)
        # What broke before the row after which a worsening counts did not break again after it.
        earlier = answers.p_regressed < self.overall.p_regressed / 2
        told = (answers.since >= 0) & ~earlier
        since = np.where(told, answers.since, self.overall.since)
        rows_of = np.arange(histories.shape[1])[None, :]
        failed = last_row(histories.failed)
        frame = pl.DataFrame(
            {
                "eval": np.arange(n),
                "p_regressed": answers.p_regressed,
                "p_improved": answers.p_improved,
                "p_worse": self.overall.p_regressed,
                "p_better": self.overall.p_improved,
                "cause": np.where(told, answers.cause, self.overall.cause).astype(str),
                "since_row": since,
                "rate": answers.rate,
                "kind": find_kinds(histories, self.posterior).astype(str),
                "comes_and_goes": comes_and_goes(histories, self.posterior),
                "may_be_flaky": may_be_flaky(histories, self.posterior),
                "reruns_to_clear": answers.reruns_to_clear,
                "reruns_to_confirm": answers.reruns_to_confirm,
                "expected_reruns": expect_reruns(self.posterior, rows, histories.decided).T,
                "passing_rows": (histories.passed & (rows_of > failed[:, None])).sum(axis=1),
                **_count_around(histories, since),
                **_count_parts(histories, rows_of >= histories.candidate, ("earlier", "candidate")),
            },
            schema_overrides={
                "cause": pl.String,
                "kind": pl.String,
                "expected_reruns": pl.Array(pl.Float64, ROUNDS + 1),
            },
        )
        nullable = frame.with_columns(
            pl.col("p_regressed", "p_improved", "p_worse", "p_better").fill_nan(None),
            pl.when(pl.col("cause") != "").then("cause").alias("cause"),
            *(
                pl.when(pl.col(name) >= 0).then(name).alias(name)
                for name in ("since_row", "reruns_to_clear", "reruns_to_confirm")
            ),
        )
        named = self._with_runs(nullable, answers)
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
        return newest.drop("row").with_columns(in_bad_hour=is_bad)

    def _with_runs(self, frame: pl.DataFrame, answers: Answers) -> pl.DataFrame:
        """Add the run of the row since which an eval is worse, and the runs it may have been."""
        wanted = answers.since_rows.copy()
        begun = frame.drop_nulls("since_row")
        wanted[begun["eval"].to_numpy(), begun["since_row"].to_numpy()] = True
        runs = self.ledger.runs_of_rows(wanted)
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


def weigh(ledger: Ledger) -> Findings:
    """Infer what the history of each eval says."""
    return Findings(ledger, infer(ledger.histories))


def _count_around(histories: Histories, since: Ints) -> dict[str, npt.NDArray[np.generic]]:
    """Passes and outcomes before a row and from it on; the candidate's row where it is -1."""
    start = np.where(since >= 0, since, histories.candidate)
    is_since = np.arange(histories.shape[1])[None, :] >= start[:, None]
    observed = is_since & histories.observed
    return {
        **_count_parts(histories, is_since, ("before", "since")),
        "runs_since": observed.sum(axis=1),
    }


def _count_parts(
    histories: Histories, is_second: npt.NDArray[np.bool_], names: tuple[str, str]
) -> dict[str, npt.NDArray[np.generic]]:
    """Comparable passes and outcomes of the two parts of each history."""
    outcomes = histories.passes + histories.fails
    passes = histories.passes
    return {
        f"{what}_{name}": np.where(is_part, counts, 0).sum(axis=1)
        for name, is_part in zip(names, (~is_second, is_second), strict=True)
        for what, counts in (("passes", passes), ("outcomes", outcomes))
    }
