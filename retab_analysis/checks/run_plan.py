"""``plan_runs``: before money is spent, how often to run which evals to find a break."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from retab_analysis.archive import Archive
from retab_analysis.arguments import check_share
from retab_analysis.checks.check import check
from retab_analysis.comparison.comparison import sides_of
from retab_analysis.comparison.reruns import SETTLE_ROUNDS
from retab_analysis.evidence.comparable import Ledger, collect, combine_sides
from retab_analysis.evidence.detection import find_power
from retab_analysis.evidence.reruns import MOST_RERUNS
from retab_analysis.markup import count_noun
from retab_analysis.transport import Client
from retab_analysis.vocabulary import DECIDED

PLANNED = pl.Schema(
    {
        **dict.fromkeys(("eval_name", "eval_id", "block_id"), pl.String()),
        "repeats": pl.Int64(),
        **dict.fromkeys(("found", "found_by_one"), pl.Float64()),
        "why_not": pl.String(),
        "duration_ms_p50": pl.Float64(),
    }
)
"""The columns of ``RunPlan.frame``, one row per eval."""


@dataclass(frozen=True, eq=False, repr=False)
class RunPlan:
    """How often to run which evals, and what that costs.

    Attributes:
        frame: One row per eval, see :func:`plan_runs`.
        detect: How often an eval fails after the break that is to be found.
        power: How probably it is to be found.
    """

    frame: pl.DataFrame
    detect: float
    power: float

    @property
    def executions(self) -> int:
        """How many executions of evals are planned."""
        return int(self.frame["repeats"].sum())

    @property
    def minutes(self) -> float | None:
        """How long they take on the queue, one after the other; None where no duration is known."""
        return self._minutes(pl.col("repeats"))

    @property
    def found_by_one(self) -> float | None:
        """How probably one run of everything finds a break of one eval, in the mean over evals."""
        known = self.frame["found_by_one"].drop_nulls()
        return float(known.mean()) if len(known) else None  # type: ignore[arg-type]

    def _minutes(self, repeats: pl.Expr) -> float | None:
        known = self.frame.filter(repeats.is_not_null()).select(
            pl.col("duration_ms_p50").fill_null(pl.col("duration_ms_p50").median()) * repeats
        )
        total = float(known.to_series().sum())
        return total / 60_000 or None

    def __repr__(self) -> str:
        often = f"fails {self.detect:.0%} of the time"
        aim = f"To find a break after which an eval {often}, with a probability of {self.power:g}:"
        groups = self.frame.drop_nulls("repeats").group_by("repeats").len().sort("repeats")
        lines = [
            f"  {count_noun(n, 'eval')}: {count_noun(repeats, 'run')} each"
            for repeats, n in groups.iter_rows()
        ]
        left_out = (
            self.frame.drop_nulls("why_not")
            .group_by("why_not")
            .agg(pl.len(), pl.col("found").mean())
        )
        for why, n, found in left_out.sort("why_not").iter_rows():
            most = "" if found is None else f", they find it with {found:.2f} in the mean"
            lines.append(f"  {count_noun(n, 'eval')} left out: {why}{most}")
        everything = _say_cost(self.frame.height, self._minutes(pl.lit(1)))
        lines.append(f"Together {_say_cost(self.executions, self.minutes)}.")
        if self.found_by_one is not None:
            lines.append(
                f"One run of everything ({everything}) finds such a break of one eval with a "
                f"probability of {self.found_by_one:.2f}."
            )
        if self.detect < self.power:
            lines.append(
                f"No single run can find it so often: an eval that {often} passes a run with a "
                f"probability of {1 - self.detect:.2g}."
            )
        return "\n".join([aim, *lines])


def _say_cost(executions: int, minutes: float | None) -> str:
    time = "" if minutes is None else f", about {max(round(minutes), 1):,} min on the queue"
    return f"{count_noun(executions, 'execution')}{time}"


def plan_runs(
    workflow_id: str,
    *,
    detect: float = 0.6,
    power: float = 0.8,
    archive: Archive | None = None,
    client: Client | None = None,
) -> RunPlan:
    """Say how often each eval has to be run to find a break of a size, and what that costs.

    Starts nothing. The history of each eval is read as :func:`check` reads it, and the model is
    asked what would be said after so many runs on edited code, with what is undecided then run
    again as :func:`settle` does. What comes and goes needs more runs than what always passes. Evals
    that break together support one another, and are found sooner than is said here; luck that the
    evals of a document share makes it later. In simulated suites breaks that were to be found with
    .84 in the mean were found with .77.

    Args:
        workflow_id: The workflow.
        detect: How often an eval fails once it is broken, between 0 and 1: a prompt that breaks it
            for good is 1, a thin degradation .3.
        power: With which probability the break of an eval is to be found, between 0 and 1.
        archive: Where the history is read, as for :func:`check`.
        client: What to ask; the default one if not given.

    Returns:
        ``.frame``, one row per eval: ``eval_name, eval_id, block_id``; ``repeats`` (Int64), how
        often to run it, at most 5; ``found``, with which probability the break is found then, and
        ``found_by_one`` by a single run (Float64); ``why_not``, why it is left out: it is not
        pass now, or 5 runs do not suffice (``found`` is what these give); ``duration_ms_p50``, its
        median duration so far. ``.executions`` and ``.minutes`` are what all of them cost,
        ``.found_by_one`` is what one run of everything finds; as text it says all of this.

    Raises:
        ConfigError: An argument that cannot be used, or there is no run to plan by.
        RetabAnalysisError: What :func:`check` raises.

    Example:
        >>> plan = ra.plan_runs("wf_claims", detect=0.9)
        >>> print(plan)
        To find a break after which an eval fails 90% of the time, with a probability of 0.8:
          ... evals: 1 run each
        ...
        >>> for (repeats,), evals in plan.frame.drop_nulls("repeats").group_by("repeats"):
        ...     pass  # ra.start_runs("wf_claims", evals=evals["eval_id"], repeat=repeats)
    """
    check_share("detect", detect)
    check_share("power", power)
    comparison = check(workflow_id, archive=archive, client=client)
    sides = sides_of(comparison)
    runs = None if sides.runs is None else sides.runs.select("run_id", "scope")
    results = combine_sides(sides.candidate, sides.baseline, sides.history)
    timed = results.filter(pl.col("state").is_in(DECIDED)).group_by("eval_id")
    durations = timed.agg(duration_ms_p50=pl.col("duration_ms").median())
    evals = comparison.evals.filter(pl.col("transition") != "removed")
    known = evals.join(
        _find_repeats(collect(results, runs), detect, power), on="eval_id", how="left"
    )
    frame = known.join(durations, on="eval_id", how="left").with_columns(
        why_not=pl.when(pl.col("candidate_state").is_null())
        .then(pl.lit("without a result now"))
        .when(pl.col("candidate_state") != "passed")
        .then(pl.lit("not passing now"))
        .when(pl.col("repeats").is_null())
        .then(pl.lit(f"{MOST_RERUNS} runs do not suffice"))
    )
    only_passing = pl.when(pl.col("candidate_state") == "passed")
    planned = frame.with_columns(
        only_passing.then(name).alias(name) for name in ("repeats", "found", "found_by_one")
    )
    ordered = planned.sort("repeats", "eval_name", "eval_id", nulls_last=True)
    return RunPlan(ordered.select(PLANNED.names()), detect, power)


def _find_repeats(ledger: Ledger, detect: float, power: float) -> pl.DataFrame:
    """``eval_id, repeats, found, found_by_one``; ``repeats`` is null where none suffice."""
    found = find_power(ledger.histories, detect, MOST_RERUNS, SETTLE_ROUNDS)
    suffices = found >= power
    least = np.where(suffices.any(axis=0), suffices.argmax(axis=0), MOST_RERUNS - 1)
    return ledger.evals.select("eval_id").with_columns(
        pl.when(pl.Series(suffices.any(axis=0))).then(pl.Series(least + 1)).alias("repeats"),
        found=pl.Series(found[least, np.arange(least.size)]),
        found_by_one=pl.Series(found[0]),
    )
