"""The tables of fetched records, and of a comparison's answers, column by column."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce
from operator import add, and_, or_

import msgspec
import polars as pl

from retab_analysis import wire
from retab_analysis.schema.conditions import describe_asserted
from retab_analysis.schema.table import (
    Boolean,
    Column,
    Datetime,
    Float64,
    Int64,
    Int64s,
    String,
    Strings,
    Table,
)
from retab_analysis.vocabulary import DECIDED, TERMINAL, first_that_holds, is_outage, pass_rate


def _message(path: str) -> pl.Expr:
    """For the API's placeholder, the message of its details; null if there is none."""
    said, reason, why = (
        pl.col(f"{path}.{name}") for name in ("message", "reason", "details.message")
    )
    return first_that_holds(
        (said != "(no message)", said),
        (reason.is_not_null(), reason),
        (why != "(no message)", why),
    )


def _json(path: str) -> pl.Expr:
    """Free-form JSON, in which null only means that there is none."""
    return pl.when(pl.col(path) != "null").then(pl.col(path))


_STATUS = pl.col("lifecycle.status")
_OUTCOMES = [pl.col(f"counts.outcome.{name}") for name in DECIDED]
_ERRORS = pl.col("counts.lifecycle_counts.error")
# Operators, not functions such as ``is_in``: in a frame of one row these take longer than the rest.
_IS_TERMINAL = reduce(or_, [_STATUS.eq(each) for each in TERMINAL])
_NOT_PASSING = [*_OUTCOMES[1:], _ERRORS, pl.col("counts.lifecycle_counts.cancelled")]
_OK = first_that_holds(
    (~_IS_TERMINAL, None),
    (_STATUS != "completed", False),
    otherwise=reduce(and_, [count == 0 for count in _NOT_PASSING]),
)
_RATED = reduce(add, [each.cast(pl.Float64) for each in (*_OUTCOMES, _ERRORS)])
_PASS_RATE = pass_rate([*_OUTCOMES, _ERRORS])
_QUEUE_MS = (pl.col("timing.started_at") - pl.col("timing.created_at")).dt.total_milliseconds()
_SCOPE = first_that_holds(
    (pl.col("eval_id").is_not_null(), "eval"),
    (pl.col("target.block_id").is_not_null(), "block"),
    otherwise="workflow",
)
_STATE = first_that_holds(
    (_STATUS.is_in(("error", "cancelled")), _STATUS),
    (pl.col("verdict").is_in(DECIDED), pl.col("verdict")),
    otherwise="unscored",
)


_Row = tuple[str, pl.DataType, str | pl.Expr | None, str]


def _columns(*rows: _Row) -> tuple[Column, ...]:
    return tuple(
        Column(name, dtype, pl.col(source) if isinstance(source, str) else source, doc)
        for name, dtype, source, doc in rows
    )


def _extended(table: Table, *rows: _Row) -> Table:
    return replace(table, columns=(*table.columns, *_columns(*rows)))


def _made_here(name: str, noun: str, *rows: tuple[str, pl.DataType, str]) -> Table:
    columns = tuple(Column(column, dtype, None, doc) for column, dtype, doc in rows)
    return Table(name, noun, wire.Wire, columns)


def _counts(names: Iterable[str], part: str) -> list[_Row]:
    return [(name, Int64, f"counts.{part}.{name}", f"evals {name}") for name in names]


_REASONS = pl.col("freshness.reasons").list.join(", ")
RUNS = Table(
    "runs",
    "run",
    wire.Run,
    _columns(
        ("run_id", String, "id", "the run"),
        ("status", String, "lifecycle.status", "pending, queued, running, completed, …"),
        *_counts(DECIDED, "outcome"),
        ("error", Int64, "counts.lifecycle_counts.error", "evals that ended in an error"),
        ("pass_rate", Float64, _PASS_RATE, "passed / (passed + failed + blocked + error), or null"),
        ("ok", Boolean, _OK, "completed and every eval passed; null while it goes on"),
        ("duration_ms", Int64, "timing.duration_ms", "start to completion, as the API gives it"),
        ("queue_ms", Int64, _QUEUE_MS, "creation to start, whole milliseconds"),
        ("created_at", Datetime, "timing.created_at", "when it was created"),
        ("workflow_version_id", String, "workflow_version_id", "the version that was evaluated"),
        ("workflow_id", String, "workflow_id", "the workflow"),
        ("scope", String, _SCOPE, "the scope: workflow, block or eval"),
        ("eval_id", String, "eval_id", "the eval, if scope is eval"),
        ("target_type", String, "target.type", "block, if it has a target"),
        ("target_block_id", String, "target.block_id", "the block that was evaluated"),
        ("trigger_type", String, "trigger.type", "its trigger: manual, api, schedule, …"),
        ("total_evals", Int64, "total_evals", "how many evals it has"),
        *_counts(["pending", "queued", "running", "completed", "cancelled"], "lifecycle_counts"),
        ("is_terminal", Boolean, _IS_TERMINAL, "completed, error or cancelled"),
        ("is_outage", Boolean, is_outage(_ERRORS, _RATED), "half of its evals, 3 or more: errors"),
        ("started_at", Datetime, "timing.started_at", "when it started"),
        ("completed_at", Datetime, "timing.completed_at", "when it ended"),
        ("status_message", String, _message("lifecycle"), "an error's message, or why cancelled"),
        ("error_code", String, "lifecycle.details.error_code", "the error's code"),
        ("error_block_id", String, "lifecycle.details.block_id", "the block that failed"),
        ("freshness_status", String, "freshness.status", "fresh, stale or unknown"),
        ("freshness_reasons", String, _REASONS, "why it is stale, joined by a comma"),
        ("validity_fingerprint", String, "freshness.validity_fingerprint", "of the code it ran"),
    ),
    ("run_id",),
)

_ASSERTION = "assertion_result"
_CONDITION = pl.struct(
    f"{_ASSERTION}.{name}" for name in ("condition_kind", "expected_value", "threshold")
).map_batches(describe_asserted, pl.String)
RESULTS = Table(
    "results",
    "result",
    wire.Result,
    _columns(
        ("eval_name", String, None, "the eval's name, from an EVALS frame"),
        ("eval_id", String, "eval_id", "the eval"),
        ("state", String, _STATE, "passed, failed, blocked, error, cancelled or unscored"),
        ("block_id", String, "block_id", "the block that was evaluated"),
        ("block_label", String, None, "the block's label, from an EVALS frame"),
        ("document_names", Strings, "handle_inputs.*.document.filename", "the input files' names"),
        ("duration_ms", Int64, "timing.duration_ms", "start to completion, as the API gives it"),
        ("expected_value", String, f"{_ASSERTION}.expected_value", "compact JSON, as it was sent"),
        ("actual_value", String, f"{_ASSERTION}.actual_value", "compact JSON, as it was sent"),
        ("path", String, None, "the path in the output, from an EVALS frame"),
        ("condition", String, _CONDITION, "the assertion in words"),
        ("condition_kind", String, f"{_ASSERTION}.condition_kind", "equals, similarity_gte, …"),
        ("failure_code", String, f"{_ASSERTION}.failure.code", "why it failed or was blocked"),
        ("failure_message", String, f"{_ASSERTION}.failure.message", "the same in words"),
        ("score", Float64, f"{_ASSERTION}.score", "the score, if the condition measures one"),
        ("threshold", Float64, f"{_ASSERTION}.threshold", "the least score that passes"),
        ("run_id", String, "workflow_eval_run_id", "the run"),
        ("workflow_version_id", String, None, "the run's version"),
        ("run_scope", String, None, "the run's scope: workflow, block or eval"),
        ("run_is_outage", Boolean, None, "whether the run was an outage"),
        ("run_created_at", Datetime, None, "when the run was created"),
        ("run_completed_at", Datetime, None, "when the run ended"),
        ("result_id", String, "id", "the result"),
        ("workflow_id", String, "workflow_id", "the workflow"),
        ("block_type", String, "block_type", "extract, split, classifier, function"),
        ("status", String, "lifecycle.status", "pending, queued, running, completed, …"),
        ("status_message", String, _message("lifecycle"), "an error's message, or why cancelled"),
        ("verdict", String, "verdict", "passed, failed or blocked, as the API gives it"),
        ("created_at", Datetime, "timing.created_at", "when it was created"),
        ("started_at", Datetime, "timing.started_at", "when it started"),
        ("completed_at", Datetime, "timing.completed_at", "when it ended"),
        ("queue_ms", Int64, _QUEUE_MS, "creation to start, whole milliseconds"),
        ("assertion_id", String, f"{_ASSERTION}.assertion_id", "the assertion"),
        ("assertion_label", String, f"{_ASSERTION}.assertion_label", "its label"),
        ("metric_kind", String, f"{_ASSERTION}.metric_kind", "the measure of the score"),
        ("warnings", Strings, "warnings", "the API's warnings"),
        ("document_ids", Strings, "handle_inputs.*.document.id", "the input files' ids"),
        ("error_code", String, "lifecycle.details.error_code", "an error's code"),
        ("error_block_id", String, "lifecycle.details.block_id", "the block of the error"),
        ("failure_details", String, _json(f"{_ASSERTION}.failure.details"), "more, compact JSON"),
        ("routing_decisions", String, _json("routing_decisions"), "routes taken, compact JSON"),
        ("artifact_operation", String, "artifact.operation", "the judged output's operation"),
        ("artifact_id", String, "artifact.id", "the judged output"),
        ("handle_inputs_fingerprint", String, "handle_inputs_fingerprint", "same: same inputs"),
        ("block_execution_fingerprint", String, "block_execution_fingerprint", "same: same block"),
        ("workflow_draft_fingerprint", String, "workflow_draft_fingerprint", "same: same draft"),
        ("execution_fingerprint", String, "execution_fingerprint", "same: same execution"),
    ),
    ("run_id", "eval_id", "result_id"),
)

RESULTS_WITH_PAYLOADS = _extended(
    replace(RESULTS, record=wire.ResultWithPayloads),
    ("handle_inputs", String, "inputs", "the block's inputs, compact JSON"),
    ("handle_outputs", String, "outputs", "the block's outputs, compact JSON"),
)


def _ended(summary: str) -> pl.Expr:
    return pl.coalesce(pl.col(f"{summary}.completed_at"), pl.col(f"{summary}.started_at"))


def _fingerprints(name: str, summary: str, when: str) -> list[_Row]:
    parts = {"block": "block_execution_fingerprint", "inputs": "handle_inputs_fingerprint"}
    return [
        (f"{name}_{part}_fingerprint", String, f"{summary}.{source}", f"the {part}, {when}")
        for part, source in parts.items()
    ]


def _validity(name: str, summary: str, when: str) -> list[_Row]:
    return [(f"{name}_validity", String, f"{summary}.validity_fingerprint", f"the block, {when}")]


def _read_issues(column: pl.Series) -> pl.Series:
    """Each issue as a text: itself or its message, else the JSON that was sent."""
    issue, lists = wire.decoder(str | wire.ErrorDetails), wire.decoder(list[msgspec.Raw] | None)

    def say(raw: msgspec.Raw) -> str:
        with contextlib.suppress(msgspec.MsgspecError):
            found = issue.decode(raw)
            return found if isinstance(found, str) else found.message or str(raw, "utf-8")
        return str(raw, "utf-8")

    def read(text: str) -> list[str] | None:
        with contextlib.suppress(msgspec.MsgspecError):
            return None if (raws := lists.decode(text)) is None else list(map(say, raws))
        return [text]

    return pl.Series(column.name, list(map(read, column)), Strings)


_KIND = pl.col("assertion.condition").str.json_path_match("$.kind")
_DRIFT = pl.coalesce("drift.detail", "schema_drift_detail")
_SAVED_FILES = "source.handle_inputs.*.document.filename"
_ISSUES = pl.col("validation_issues").fill_null("[]").map_batches(_read_issues, Strings)
EVALS = Table(
    "evals",
    "eval",
    wire.Eval,
    _columns(
        ("eval_id", String, "id", "the saved eval"),
        ("eval_name", String, "name", "its name"),
        ("block_id", String, "target.block_id", "the block that it evaluates"),
        ("block_label", String, None, "its label; null unless from an archive"),
        ("output_handle_id", String, "assertion.target.output_handle_id", "the block's output"),
        ("path", String, "assertion.target.path", "the path in the output"),
        ("condition_kind", String, _KIND, "equals, similarity_gte, …"),
        ("assertion_label", String, "assertion.label", "the assertion's label"),
        ("assertion_id", String, "assertion.id", "the assertion"),
        ("condition", String, "assertion.condition", "compact JSON, as it was sent"),
        ("source_type", String, "source.type", "manual or run_step: the source of its inputs"),
        ("source_run_id", String, "source.run_id", "the run that its inputs are from"),
        ("source_step_id", String, "source.step_id", "the step that its inputs are from"),
        ("assertion_drift_status", String, "assertion_drift_status", "valid, drifted, broken"),
        ("schema_drift", String, "schema_drift", "none, partial, drifted, unknown"),
        ("drift_status", String, "drift.status", "none, drifted, broken, unknown"),
        ("drift_detail", String, _DRIFT, "the parts that do not fit any more"),
        ("freshness_status", String, "freshness.status", "fresh, stale, unknown"),
        ("freshness_reasons", String, _REASONS, "why it is stale, joined by a comma"),
        ("validation_status", String, "validation_status", "whether it can run"),
        ("validation_issues", Strings, _ISSUES, "why it cannot run"),
        ("latest_run_status", String, "latest_run_summary.status", "its newest run"),
        ("latest_run_outcome", String, "latest_run_summary.outcome", "its newest verdict"),
        ("latest_result_id", String, "latest_run_summary.run_record_id", "its newest result"),
        ("latest_run_completed_at", Datetime, "latest_run_summary.completed_at", "when it ended"),
        ("latest_run_duration_ms", Int64, "latest_run_summary.duration_ms", "how long it took"),
        ("created_at", Datetime, "created_at", "when it was saved"),
        ("updated_at", Datetime, "updated_at", "when it was changed"),
        ("workflow_id", String, "workflow_id", "the workflow"),
        ("last_passed_at", Datetime, _ended("latest_passing_run_summary"), "when it passed last"),
        ("last_failed_at", Datetime, _ended("latest_failing_run_summary"), "failed or blocked"),
        *_fingerprints("latest", "latest_run_summary", "its newest run"),
        *_fingerprints("last_passed", "latest_passing_run_summary", "when it passed last"),
        *_fingerprints("last_failed", "latest_failing_run_summary", "when it failed last"),
        ("present_validity", String, "freshness.validity_fingerprint", "its block as it is now"),
        *_validity("latest", "latest_run_summary", "its newest run"),
        *_validity("last_passed", "latest_passing_run_summary", "when it passed last"),
        *_validity("last_failed", "latest_failing_run_summary", "when it failed last"),
        ("schema_path", String, "assertion_schema_dep.schema_path", "the path in the schema"),
        ("affected_paths", Strings, "drift.affected_targets", "the paths that do not fit any more"),
        ("document_names", Strings, _SAVED_FILES, "its input files' names, if manual"),
    ),
)

WORKFLOWS = Table(
    "workflows",
    "workflow",
    wire.Workflow,
    _columns(
        ("workflow_id", String, "id", "the workflow"),
        ("name", String, "name", "its name"),
        ("description", String, "description", "its description"),
        ("project_id", String, "project_id", "the project that it belongs to"),
        ("published_version_id", String, "published.version_id", "the version in production"),
        ("published_description", String, "published.description", "its release note"),
        ("published_at", Datetime, "published.published_at", "since when"),
        ("created_at", Datetime, "created_at", "when it was created"),
        ("updated_at", Datetime, "updated_at", "when it was changed"),
    ),
)

_PUBLISHER = first_that_holds(
    *((pl.col(each) != "", pl.col(each)) for each in ("published_by_name", "published_by_email")),
    otherwise=pl.col("published_by"),
)
_OF_GRAPHS = {
    "workflow_version_id": pl.coalesce("workflow_version_id", "id"),
    "published_at": pl.col("created_at"),
    "workflow_id": pl.col("workflow_id"),
}
VERSIONS = Table(
    "versions",
    "version",
    wire.Publication,
    _columns(
        ("workflow_version_id", String, "workflow_version_id", "the version, as runs name it"),
        ("version", Int64, "version", "its ordinal, from 1"),
        ("description", String, "description", "the release note"),
        ("published_at", Datetime, "published_at", "when"),
        ("published_by", String, _PUBLISHER, "who: the name, else the email, else the id"),
        ("is_current", Boolean, "is_current", "whether it is in production now"),
        ("workflow_id", String, "workflow_id", "the workflow"),
    ),
)

GRAPHS = Table(
    "graphs",
    "graph",
    wire.GraphId,
    tuple(replace(each, source=_OF_GRAPHS.get(each.name)) for each in VERSIONS.columns),
)
"""The same columns, if the API only lists graphs."""

BLOCKS = Table(
    "blocks",
    "block",
    wire.Block,
    _columns(
        ("block_id", String, "id", "the block"),
        ("block_type", String, "type", "extract, split, classifier, function"),
        ("label", String, "label", "what it is called"),
        ("config", String, "config", "its configuration, compact JSON"),
        ("parent_id", String, "parent_id", "its parent block"),
    ),
)

LIVE_BLOCKS = _extended(BLOCKS, ("updated_at", Datetime, "updated_at", "when it was saved"))
"""The blocks of the draft, with the time of each one's last save."""

# Paging knows a record by its id, so a column has to need it.
_MARK = pl.coalesce("block_config_version_fingerprint", "id")
EDITS = Table(
    "edits",
    "edit",
    wire.BlockEra,
    _columns(
        ("block_id", String, None, "the block"),
        ("block_label", String, "block_label", "what it is called"),
        ("name", String, None, "of this configuration: v5, or edit of 29 Nov 19:26"),
        ("number", Int64, None, "its place among those of its block, from 1; null if not known"),
        ("first_seen_at", Datetime, "first_seen_at", "the beginning of this configuration"),
        ("last_seen_at", Datetime, "last_seen_at", "when this configuration was last seen"),
        ("config_fingerprint", String, _MARK, "same: same config"),
        ("versions", Int64s, "publish_epochs.*.publish_version", "the versions that have it"),
        ("is_draft", Boolean, "matches_current_draft", "whether the draft has it now"),
        ("is_published", Boolean, "is_current_published", "whether production has it now"),
        ("run_count", Int64, "run_count", "how many runs had it"),
        ("config", String, _json("config_snapshot"), "the configuration, compact JSON"),
        ("workflow_id", String, None, "the workflow"),
        ("workflow_name", String, None, "its name, if known"),
    ),
)
"""One row per era of a block's configuration: from one edit to the next."""

ERAS = _extended(
    EDITS, ("block_type", String, "block_type", "extract, split, classifier, function")
)
"""EDITS, with the type of the block."""

TABLES: Mapping[str, Table] = {table.name: table for table in (RUNS, RESULTS, EVALS, WORKFLOWS)}
"""The tables that are also read from files, by their names."""

PROBLEMS = pl.Schema(dict.fromkeys(("record_id", "path", "reason", "raw"), String))
"""Records that did not decode, one row each."""

CONFIG_CHANGES = _made_here(
    "config_changes",
    "change",
    ("block_id", String, "the block that was edited"),
    ("block_type", String, "extract, split, classifier, function"),
    ("label", String, "the block's label"),
    ("change", String, "added, removed or changed"),
    ("field", String, "a JSON path such as $.config.prompt; $ for a whole block"),
    ("before", String, "the earlier value, JSON, or null"),
    ("after", String, "the later value, JSON, or null"),
)

_TRIED = "null where it has not run"
TRIES = _made_here(
    "tries",
    "try",
    ("block_id", String, "the block"),
    ("block_label", String, "what it is called"),
    ("name", String, "of this code: v5, or edit of 29 Nov 19:05"),
    ("number", Int64, "its place among the codes of the block, from 1; it stays"),
    ("edited_at", Datetime, "when it was edited, if known"),
    ("words", String, "what differs from the try before, marked"),
    ("n_runs", Int64, f"runs on it; {_TRIED}"),
    ("n_evals", Int64, f"evals that ran on it; {_TRIED}"),
    ("passed", Int64, f"evals that passed; {_TRIED}"),
    ("failed", Int64, f"evals that failed or were blocked; {_TRIED}"),
    ("mixed", Int64, f"evals that passed and failed; {_TRIED}"),
    ("error", Int64, f"evals that ended in an error; {_TRIED}"),
    ("mended", Int64, f"evals that pass, and were broken at the try before; {_TRIED}"),
    ("mended_of", Int64, f"evals that ran, and were broken at the try before; {_TRIED}"),
    ("broke", Int64, f"evals that are broken since it; {_TRIED}"),
    ("is_present", Boolean, "whether it is the block's present code"),
    ("is_best", Boolean, "whether it is better than each other one, as far as runs tell"),
    ("versions", Int64s, "the versions that have it"),
    ("first_run_at", Datetime, "when it ran first"),
    ("last_run_at", Datetime, "when it ran last"),
    ("code", String, "the fingerprint of its results, or null"),
    ("config", String, "the configuration, compact JSON, or null"),
    ("workflow_id", String, "the workflow"),
)

_SETTLED = "results that passed, failed or were blocked"
COMPARISON = _made_here(
    "comparison",
    "eval",
    ("eval_name", String, "the eval's name"),
    ("transition", String, "its change: regressed, suspect, fixed, …"),
    ("p_regressed", Float64, "probability that it got worse to stay, or null"),
    ("p_improved", Float64, "probability that it got better to stay"),
    ("block_id", String, "the block that it evaluates"),
    ("block_label", String, "the block's label, if known"),
    ("block_changed", Boolean, "whether its block was edited between the sides"),
    ("cause", String, "why it broke: edit, saved_again (the eval), drift (no edit) or unknown"),
    ("since_at", Datetime, "when it broke"),
    ("since_version_id", String, "the version with which it broke, if by an edit"),
    ("since_run_id", String, "the run in which it broke, the likeliest one"),
    ("reason", String, "why, and since when; or why it cannot be compared"),
    ("document_names", Strings, "the input files' names"),
    ("condition", String, "the assertion in words"),
    ("expected_value", String, "compact JSON, as it was sent"),
    ("baseline_actual", String, "the value at the baseline, compact JSON"),
    ("candidate_actual", String, "the value at the candidate, compact JSON"),
    ("failure", String, "why it does not pass now: code and message"),
    ("baseline_state", String, "passed, failed, blocked, mixed, error, …"),
    ("candidate_state", String, "the same of the candidate"),
    ("baseline_n", Int64, f"the baseline's {_SETTLED}"),
    ("candidate_n", Int64, f"the candidate's {_SETTLED}"),
    ("baseline_pass_rate", Float64, "the share of them that passed"),
    ("candidate_pass_rate", Float64, "the same of the candidate"),
    ("reruns_to_clear", Int64, "how many more passing rows bring p to 0.05; null above 5"),
    ("reruns_to_confirm", Int64, "how many more failing rows bring p to 0.95; null above 5"),
    ("n_failed_in_a_row", Int64, "how many of its newest rows failed, one after the other"),
    ("decides_at", Datetime, "when the next look can decide; null if nothing is unclear"),
    ("is_accepted", Boolean, "whether it is accepted by name, and does not simply pass"),
    ("score_delta", Float64, "score, candidate minus baseline; medians of several"),
    ("margin_delta", Float64, "score minus threshold, likewise"),
    ("duration_delta_ms", Int64, "duration, likewise"),
    ("eval_id", String, "the eval"),
    ("baseline_run_id", String, "the run of the baseline's result"),
    ("candidate_run_id", String, "the run of the candidate's result"),
    ("baseline_result_id", String, "the baseline's result, the newest in its state"),
    ("candidate_result_id", String, "the candidate's result, the newest in its state"),
)
"""``Comparison.evals``: one row per eval, the most urgent first."""
