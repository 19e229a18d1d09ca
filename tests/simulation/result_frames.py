"""RESULTS frames of simulated runs, built a column at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from support.inside import RESULTS

from simulation.luck import BLOCKED, FAILED, PASSED, STATES
from simulation.population import Bools, Ints, Suite

DECIDED = (PASSED, FAILED, BLOCKED)
FIRST_RUN = datetime(2026, 1, 5, 8, tzinfo=UTC)
_JUDGED = pl.col("state").is_in(("passed", "failed", "blocked"))
_KINDS = ("extract", "classifier", "split", "function")


def describe_evals(suite: Suite) -> pl.DataFrame:
    """What is the same in all results of an eval: one row each, in the columns of RESULTS."""
    block = pl.Series("block", suite.block)
    known = suite.document >= 0
    document = pl.Series("document", suite.document).cast(pl.String)
    here = pl.Series("known", known)
    path = pl.format("field_{}", pl.int_range(suite.size) % 17)
    return pl.select(
        eval_id=pl.format("eval_{}", pl.int_range(suite.size).cast(pl.String).str.zfill(4)),
        eval_name=pl.format("Eval {} of block {}", pl.int_range(suite.size), block),
        block_id=pl.format("block_{}", block),
        block_type=pl.Series([_KINDS[at % len(_KINDS)] for at in suite.block]),
        document_names=pl.when(here).then(pl.concat_list(pl.format("invoice_{}.pdf", document))),
        document_ids=pl.when(here).then(pl.concat_list(pl.format("file_{}", document))),
        path=path,
        condition_kind=pl.lit("equals"),
        assertion_id=pl.format("assert_{}", pl.int_range(suite.size)),
        workflow_id=pl.lit("wf_simulated"),
    )


def describe_runs(ids: list[str], times: list[datetime], versions: list[str]) -> pl.DataFrame:
    """What all results of a run have in common: one row a run, in the columns of RESULTS."""
    return pl.DataFrame(
        {
            "run_id": ids,
            "run_created_at": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            "workflow_version_id": versions,
            "workflow_draft_fingerprint": [f"draft:{each}" for each in versions],
        }
    )


def build_results(
    evals: pl.DataFrame, runs: pl.DataFrame, states: Ints, code: Ints, definition: pl.DataFrame
) -> pl.DataFrame:
    """A RESULTS frame, run by run.

    Args:
        evals: One row an eval, from ``describe_evals``.
        runs: One row a run, from ``describe_runs``.
        states: Indexes into ``STATES``, ``runs × evals``; −1 where a run does not have the eval.
        code: How often the block of each eval had been edited, ``runs × evals``.
        definition: ``handle_inputs_fingerprint`` and ``expected_value``, runs × evals rows.
    """
    cells = np.flatnonzero(states.ravel() >= 0)
    at_run, at_eval = np.divmod(cells, states.shape[1])
    frame = pl.concat(
        [
            evals[at_eval],
            runs[at_run],
            definition[cells],
            pl.DataFrame(
                {
                    "state": pl.Series(STATES)[states.ravel()[cells]],
                    "code": code.ravel()[cells],
                    "place": at_eval,
                }
            ),
        ],
        how="horizontal",
    )
    return _complete(frame.with_columns(_derived())).select(RESULTS.schema.names())


def define(suite: Suite, redefined: Bools) -> pl.DataFrame:
    """Inputs and expected value of each eval in each run, runs × evals rows, run by run."""
    at = np.tile(np.arange(suite.size), len(redefined))
    inputs = (redefined & suite.changed_inputs).ravel().astype(int)
    expected = (redefined & ~suite.changed_inputs).ravel().astype(int)
    one = pl.DataFrame({"at": at, "inputs": inputs, "expected": expected})
    return one.select(
        handle_inputs_fingerprint=pl.format("in:{}:{}", "at", "inputs"),
        expected_value=pl.format('"value {}.{}"', "at", "expected"),
    )


def _derived() -> list[pl.Expr]:
    """What follows from the state, the code and the run: times, fingerprints, what was found."""
    state, created = pl.col("state"), pl.col("run_created_at")
    ran = state != "cancelled"
    took = 800 + (pl.col("place") * 37) % 2600
    code = pl.format("{}:{}", "block_id", "code")
    passed = state == "passed"
    return [
        pl.format("{}/{}", "run_id", "eval_id").alias("result_id"),
        pl.when(_JUDGED).then(state).alias("verdict"),
        pl.when(state.is_in(("error", "cancelled")))
        .then(state)
        .otherwise(pl.lit("completed"))
        .alias("status"),
        pl.when(state == "error").then(pl.lit("provider overloaded")).alias("status_message"),
        pl.when(_JUDGED).then("expected_value").alias("expected_value"),
        pl.when(_JUDGED).then("condition_kind").alias("condition_kind"),
        pl.when(passed)
        .then("expected_value")
        .when(state == "failed")
        .then(pl.lit('"something else"'))
        .alias("actual_value"),
        pl.when(state == "failed")
        .then(pl.lit("not_equal"))
        .when(state == "blocked")
        .then(pl.lit("block_execution_failed"))
        .alias("failure_code"),
        pl.when(ran).then(code).alias("block_execution_fingerprint"),
        pl.when(ran).then("handle_inputs_fingerprint").alias("handle_inputs_fingerprint"),
        pl.when(ran)
        .then(pl.format("{}|{}", code, "handle_inputs_fingerprint"))
        .alias("execution_fingerprint"),
        created.alias("created_at"),
        pl.when(ran).then(created + pl.duration(milliseconds=200)).alias("started_at"),
        pl.when(ran)
        .then(created + pl.duration(milliseconds=200 + took))
        .otherwise(created + pl.duration(milliseconds=100))
        .alias("completed_at"),
        pl.when(ran).then(took).alias("duration_ms"),
        pl.when(ran).then(pl.lit(200)).alias("queue_ms"),
    ]


def _complete(frame: pl.DataFrame) -> pl.DataFrame:
    """Every column of RESULTS with its dtype; those that say nothing here are null."""
    return frame.with_columns(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in RESULTS.schema.items()
    )


def run_times(rng: np.random.Generator, runs: int) -> list[datetime]:
    """When each run was created: half an hour to two days after the one before."""
    hours = np.cumsum(rng.uniform(0.5, 48, runs))
    return [FIRST_RUN + timedelta(hours=round(float(at), 3)) for at in hours]


def name_versions(code: Ints) -> list[str]:
    """One draft for each state of the code, ``runs × blocks``: it changes with every edit."""
    changed = np.any(np.diff(code, axis=0) != 0, axis=1)
    return [f"draft_{at}" for at in np.concatenate(([0], np.cumsum(changed)))]
