"""What the explorer lists: runs, results and evals, as data."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from retab_analysis.analysis import eval_history, flaky_evals
from retab_analysis.schema import RESULTS, RUNS, Table
from retab_analysis.stats import DECIDED
from retab_analysis.widgets.common.text import documents, eval_name
from retab_analysis.widgets.explorer import cells
from retab_analysis.widgets.explorer.listing import Column, Facet, Listing

RECENT = 10
CHANGES = ("regressed", "newly_blocked", "newly_errored", "fixed")


def with_own_columns(listing: Listing, frame: pl.DataFrame, table: Table) -> Listing:
    """The listing with the columns that a frame has besides those of its table."""
    own = [name for name in frame.columns if name not in table.schema]
    texts = [name for name in own if frame.schema[name] == pl.String]
    chosen = [name for name in own if frame.schema[name] in (pl.String, pl.Boolean)]
    shown = [name for name in own if not frame.schema[name].is_nested()]
    return replace(
        listing,
        columns=(*listing.columns, *(Column(name, name, 10, cells.text(name)) for name in shown)),
        facets=(*listing.facets, *(Facet(name, name) for name in chosen)),
        texts=(*listing.texts, *texts),
    )


def results_listing(results: pl.DataFrame) -> Listing:
    """Results, with the columns of the user's own; payloads are no columns to be read in a line."""
    payloads = [name for name in ("handle_inputs", "handle_outputs") if name in results.columns]
    return with_own_columns(RESULTS_LISTING, results.drop(payloads), RESULTS)


def runs_listing(runs: pl.DataFrame) -> Listing:
    """Runs, with the columns of the user's own; their workflow only where there are several."""
    workflow = Column("workflow_id", "Workflow", 14, cells.text("workflow_id"))
    several = runs["workflow_id"].n_unique() > 1
    listing = Listing(
        noun="runs",
        key="run_id",
        columns=(
            Column("status", "Status", 14, cells.text("status"), cells.run_status),
            Column("created_at", "Created (UTC)", 16, cells.time("created_at"), falling=True),
            *([workflow] if several else []),
            Column("workflow_version_id", "Version", 15, cells.text("workflow_version_id")),
            Column(
                "pass_rate",
                "Pass rate",
                11,
                cells.share("pass_rate"),
                falling=True,
                hint="passed / (passed + failed + blocked)",
            ),
            Column("passed", "Passed", 9, cells.passed_of_total, falling=True),
            Column("duration_ms", "Ran for", 11, cells.duration("duration_ms"), falling=True),
            Column("queue_ms", "In queue", 10, cells.duration("queue_ms"), falling=True),
            Column("scope", "Scope", 14, cells.scope),
            Column("trigger_type", "Trigger", 9, cells.text("trigger_type")),
        ),
        facets=(
            Facet("Workflow", "workflow_id"),
            Facet("Version", "workflow_version_id", newest_first=True),
            Facet("Status", "status"),
            Facet("Scope", "scope"),
            Facet("Block", "target_block_id"),
            Facet("Trigger", "trigger_type"),
        ),
        moment=("created", "created_at"),
        texts=(
            *("run_id", "workflow_id", "workflow_version_id", "eval_id", "target_block_id"),
            *("status_message", "error_code", "error_block_id"),
        ),
        sort="created_at",
    )
    return with_own_columns(listing, runs, RUNS)


RESULTS_LISTING = Listing(
    noun="results",
    key="result_id",
    columns=(
        Column("state", "State", 13, cells.text("state"), cells.state),
        Column("eval_name", "Eval", 24, eval_name),
        Column("block_id", "Block", 15, cells.text("block_id")),
        Column("document_names", "Document", 20, documents),
        Column("failure_code", "Failure", 18, cells.text("failure_code")),
        Column("duration_ms", "Took", 8, cells.duration("duration_ms"), falling=True),
        Column("workflow_version_id", "Version", 14, cells.text("workflow_version_id")),
        Column("run_created_at", "Run (UTC)", 15, cells.time("run_created_at"), falling=True),
    ),
    facets=(
        Facet("Workflow", "workflow_id"),
        Facet("Version", "workflow_version_id", newest_first=True),
        Facet("State", "state"),
        Facet("Block", "block_id"),
        Facet("Condition", "condition_kind"),
        Facet("Failure", "failure_code"),
    ),
    moment=("of runs created", "run_created_at"),
    texts=(
        *("eval_name", "eval_id", "run_id", "workflow_version_id", "block_id", "path"),
        *("failure_message", "status_message"),
    ),
    sort="run_created_at",
    lists=("document_names",),
)


EVALS_LISTING = Listing(
    noun="evals",
    key="eval_id",
    columns=(
        Column("state", "Now", 13, cells.text("state"), cells.state),
        Column("eval_name", "Eval", 26, eval_name),
        Column("block_id", "Block", 16, cells.text("block_id")),
        Column("recent", f"Last {RECENT} runs", 22, cells.recent_text, cells.recent_signs),
        Column("flaky", "Flaky", 9, cells.flaky_mark, falling=True),
        Column("changed_at", "Last change", 23, cells.last_change, falling=True),
        Column("runs", "Runs", 6, cells.text("runs"), falling=True),
        Column("pass_rate", "Passed", 8, cells.share("pass_rate"), falling=True),
    ),
    facets=(
        Facet("Now", "state"),
        Facet("Block", "block_id"),
        Facet("Last change", "change"),
        Facet("Flaky", "flaky"),
    ),
    moment=("changed", "changed_at"),
    texts=("eval_name", "eval_id", "block_id", "changed_version", "changed_run_id"),
    sort="changed_at",
)


HISTORY_COLUMNS = (
    Column("state", "State", 12, cells.text("state"), cells.state),
    Column("change", "Change", 16, cells.change),
    Column("run_created_at", "Run (UTC)", 15, cells.time("run_created_at")),
    Column("workflow_version_id", "Version", 18, cells.text("workflow_version_id")),
    Column("block_changed", "Block's code", 11, cells.differs("block_changed")),
    Column("inputs_changed", "Inputs", 9, cells.differs("inputs_changed")),
    Column("duration_ms", "Took", 8, cells.duration("duration_ms")),
    Column("run_id", "Run", 22, cells.text("run_id")),
)
"""An eval's history, run by run; see :func:`retab_analysis.eval_history`."""


def overview(results: pl.DataFrame) -> pl.DataFrame:
    """One row per eval: how it stands, and what happened to it last.

    Args:
        results: A RESULTS frame of several runs.

    Returns:
        ``eval_name, eval_id, block_id, state`` (the newest that was decided; what goes on or was
        cancelled says nothing), ``recent`` (the states of the last ten runs, the newest last),
        ``flaky`` (Boolean, see :func:`flaky_evals`; one that drifted is none), ``change,
        changed_at, changed_run_id, changed_version`` (the last change from one run in which it was
        decided to the next), ``runs`` (Int64), ``pass_rate``.
    """
    flaky = flaky_evals(results).filter(~pl.col("drift"))["eval_id"]
    evals = (
        eval_history(results)
        .group_by("eval_id", maintain_order=True)
        .agg(
            pl.col("eval_name", "block_id").last(),
            last_state=pl.col("state").last(),
            recent=pl.col("state").tail(RECENT),
            runs=pl.len().cast(pl.Int64),
            pass_rate=pl.col("pass_rate").mean(),
        )
    )
    changed = pl.col("change").is_in(CHANGES)
    decided = (
        eval_history(results.filter(pl.col("state").is_in(DECIDED)))
        .group_by("eval_id")
        .agg(
            state=pl.col("state").last(),
            change=pl.col("change").filter(changed).last(),
            changed_at=pl.col("run_created_at").filter(changed).last(),
            changed_run_id=pl.col("run_id").filter(changed).last(),
            changed_version=pl.col("workflow_version_id").filter(changed).last(),
        )
    )
    return evals.join(decided, on="eval_id", how="left", maintain_order="left").select(
        *("eval_name", "eval_id", "block_id"),
        pl.coalesce("state", "last_state"),
        "recent",
        pl.col("eval_id").is_in(flaky.implode()).alias("flaky"),
        *("change", "changed_at", "changed_run_id", "changed_version", "runs", "pass_rate"),
    )


OVERVIEW_CODE = f"""\
flaky = ra.flaky_evals(results).filter(~pl.col("drift"))["eval_id"]
evals = ra.eval_history(results).group_by("eval_id", maintain_order=True).agg(
    pl.col("eval_name", "block_id").last(),
    last_state=pl.col("state").last(),
    recent=pl.col("state").tail({RECENT}),
    runs=pl.len().cast(pl.Int64),
    pass_rate=pl.col("pass_rate").mean(),
)
changed = pl.col("change").is_in({list(CHANGES)!r})
decided = results.filter(pl.col("state").is_in({list(DECIDED)!r}))
changes = ra.eval_history(decided).group_by("eval_id").agg(
    state=pl.col("state").last(),
    change=pl.col("change").filter(changed).last(),
    changed_at=pl.col("run_created_at").filter(changed).last(),
    changed_run_id=pl.col("run_id").filter(changed).last(),
    changed_version=pl.col("workflow_version_id").filter(changed).last(),
)
evals = evals.join(changes, on="eval_id", how="left", maintain_order="left").select(
    "eval_name", "eval_id", "block_id",
    pl.coalesce("state", "last_state"),
    "recent",
    pl.col("eval_id").is_in(flaky.implode()).alias("flaky"),
    "change", "changed_at", "changed_run_id", "changed_version", "runs", "pass_rate",
)
"""
"""The same, to be read and changed."""
