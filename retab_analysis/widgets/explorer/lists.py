"""What the explorer lists: runs, results and evals, as data, and how their rows read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import polars as pl

from retab_analysis.comparison.detail import name_documents, name_row
from retab_analysis.markup import STATE_SIGNS, Html, join, one_line, sign, tag
from retab_analysis.schema import RESULTS, RUNS, Table
from retab_analysis.widgets.table import Listing, Row, TableColumn

TO_MINUTE = "%Y-%m-%d %H:%M"
"""How moments are written, in UTC."""

_LONGEST = 200


def format_text(column: str) -> Callable[[Row], str]:
    """A text in one line; empty where there is none."""
    return lambda row: one_line(row[column], _LONGEST)


def format_as(column: str, spec: str) -> Callable[[Row], str]:
    """A number or a moment as Python's ``format`` writes it; empty where there is none."""
    return lambda row: "" if row[column] is None else f"{row[column]:{spec}}"


def format_duration(column: str) -> Callable[[Row], str]:
    """Milliseconds as seconds, to the millisecond, also below zero: clocks may disagree."""
    return lambda row: "" if row[column] is None else f"{row[column] / 1000:,.3f}"


def format_share(column: str) -> Callable[[Row], str]:
    """A share in percent; 0.0 % and 100.0 % only where it is exactly 0 or 1."""

    def format_percent(row: Row) -> str:
        value = row[column]
        if value is None:
            return ""
        # 9,999 of 10,000 would be rounded to 100.0 %, and look as if everything had passed.
        return f"{value if value in (0, 1) else min(max(value, 0.001), 0.999):.1%}"

    return format_percent


def format_changed(column: str) -> Callable[[Row], str]:
    """Whether something is another than in the run before."""
    return lambda row: {True: "changed", False: "same"}.get(row[column], "")


def format_scope(row: Row) -> str:
    which = {"block": "target_block_id", "eval": "eval_id"}.get(row["scope"])
    return one_line(f"{row['scope']} {row[which]}" if which else row["scope"], _LONGEST)


def format_kind(row: Row) -> str:
    """What kind of eval it is, as :func:`retab_analysis.summarize_evals` has it."""
    signs = {"flaky": "≈ ", "broken": "✗ ", "getting_worse": "↘ ", "never_passed": "× "}
    kind = one_line(row["kind"])
    return f"{signs.get(kind, '')}{kind}".replace("_", " ")


def format_change(row: Row) -> str:
    return one_line(row["change"]).replace("_", " ")


def format_recent(row: Row) -> str:
    signs = {**STATE_SIGNS, "mixed": "~"}
    return "".join(signs.get(each, "?") for each in row["last_states"])


def mark_recent(row: Row) -> Html:
    return tag("span", *(mark_sign(each) for each in row["last_states"]), class_="ra-signs")


def mark_status(row: Row) -> Html:
    """A run's status with a sign that says whether it is ok."""
    state = {True: "passed", False: "failed", None: row["status"]}[row["ok"]]
    if row["status"] in ("error", "cancelled"):
        state = row["status"]
    return join(sign(state), f" {one_line(row['status'], _LONGEST)}")


def mark_state(row: Row) -> Html:
    return join(mark_sign(row["state"]), f" {one_line(row['state'], _LONGEST)}")


def mark_sign(state: str) -> Html:
    """The sign of a state; also of ``mixed``, which only several results together can have."""
    return tag("span", "~", title="mixed", class_="ra-mixed") if state == "mixed" else sign(state)


def _text(name: str, title: str, width: float) -> TableColumn:
    return TableColumn(name, title, width, format_text(name))


def _number(name: str, title: str, text: Callable[[Row], str], hint: str = "") -> TableColumn:
    width = 3.5 + 0.5 * len(title)
    return TableColumn(name, title, width, text, is_number=True, falling=True, hint=hint)


def _moment(name: str, title: str) -> TableColumn:
    return TableColumn(name, title, 10.5, format_as(name, TO_MINUTE), falling=True)


def list_runs(runs: pl.DataFrame) -> Listing:
    """Runs, with the user's own columns; their workflow only where there are several."""
    # The same workflow in each row would only take room.
    several = runs["workflow_id"].n_unique() > 1
    workflow = (_text("workflow_id", "Workflow", 10),) if several else ()
    columns = (*_RUNS.columns[:2], *workflow, *_RUNS.columns[2:])
    return _with_own_columns(replace(_RUNS, columns=columns), runs, RUNS)


def list_results(results: pl.DataFrame) -> Listing:
    """Results, with the user's own columns; payloads are too long to be read in a line."""
    # They would be taken for columns of the user's own.
    payloads = [name for name in ("handle_inputs", "handle_outputs") if name in results.columns]
    return _with_own_columns(RESULTS_LISTING, results.drop(payloads), RESULTS)


def _with_own_columns(listing: Listing, frame: pl.DataFrame, table: Table) -> Listing:
    """The listing with the columns that a frame has besides those of its table."""
    own = [name for name in frame.columns if name not in table.schema]
    texts = [name for name in own if frame.schema[name] == pl.String]
    # A list or a struct cannot be sorted by, and has no place in one line.
    shown = [name for name in own if not frame.schema[name].is_nested()]
    added = (
        replace(_text(name, name, 8), is_number=frame.schema[name].is_numeric()) for name in shown
    )
    return replace(
        listing,
        columns=(*listing.columns, *added),
        texts=(*listing.texts, *texts),
    )


_RATE = "passed / (passed + failed + blocked + error)"

_RUNS = Listing(
    noun="runs",
    key="run_id",
    columns=(
        TableColumn("status", "Status", 9, format_text("status"), mark_status),
        _moment("created_at", "Created (UTC)"),
        _text("workflow_version_id", "Version", 9),
        _number("pass_rate", "Pass rate", format_share("pass_rate"), _RATE),
        _number("passed", "Passed", format_as("passed", ",")),
        _number("total_evals", "Evals", format_as("total_evals", ",")),
        _number("duration_ms", "Ran (s)", format_duration("duration_ms")),
        _number("queue_ms", "Queue (s)", format_duration("queue_ms")),
        TableColumn("scope", "Scope", 12, format_scope),
        _text("trigger_type", "Trigger", 7),
    ),
    texts=(
        *("run_id", "workflow_id", "workflow_version_id", "eval_id", "target_block_id"),
        *("status_message", "error_code", "error_block_id"),
    ),
    sort="created_at",
)


RESULTS_LISTING = Listing(
    noun="results",
    key="result_id",
    columns=(
        TableColumn("state", "State", 8, format_text("state"), mark_state),
        TableColumn("eval_name", "Eval", 20, name_row),
        _text("block_id", "Block", 11),
        TableColumn("document_names", "Document", 14, name_documents),
        _text("failure_code", "Failure", 11),
        _number("duration_ms", "Took (s)", format_duration("duration_ms")),
        _text("workflow_version_id", "Version", 9),
        _moment("run_created_at", "Run (UTC)"),
    ),
    texts=(
        *("eval_name", "eval_id", "run_id", "workflow_version_id", "block_id", "path"),
        *("failure_message", "status_message"),
    ),
    sort="run_created_at",
    lists=("document_names",),
)


# The columns of :func:`retab_analysis.summarize_evals`.
EVALS_LISTING = Listing(
    noun="evals",
    key="eval_id",
    columns=(
        TableColumn("state", "Now", 8, format_text("state"), mark_state),
        TableColumn("eval_name", "Eval", 20, name_row),
        _text("block_id", "Block", 11),
        TableColumn("last_states", "Last 10 runs", 16, format_recent, mark_recent),
        TableColumn("kind", "Kind", 9, format_kind),
        TableColumn(
            "since_at", "Broken since", 9.5, format_as("since_at", "%Y-%m-%d"), falling=True
        ),
        _text("cause", "Cause", 6),
        _number("rate", "Failed", format_share("rate"), "of the outcomes of its definition now"),
        _number("outcomes", "Outcomes", format_as("outcomes", ",")),
    ),
    texts=("eval_name", "eval_id", "block_id", "since_version_id", "since_run_id"),
    sort="since_at",
)


HISTORY_COLUMNS = (
    TableColumn("state", "State", 8, format_text("state"), mark_state),
    TableColumn("change", "Change", 9, format_change),
    _moment("run_created_at", "Run (UTC)"),
    _text("workflow_version_id", "Version", 8),
    TableColumn("block_changed", "Edited", 6, format_changed("block_changed")),
    TableColumn("inputs_changed", "Inputs", 6, format_changed("inputs_changed")),
    _number("duration_ms", "Took (s)", format_duration("duration_ms")),
)
"""An eval's history, run by run; see :func:`retab_analysis.eval_history`."""
