"""What the explorer lists: runs, results and evals, as data, and how their rows read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from retab_analysis.markup import STATE_SIGNS, Html, join, one_line, sign, tag
from retab_analysis.schema import RESULTS, RUNS, Table
from retab_analysis.widgets.common.text import format_milliseconds, label_documents, label_eval

_LONGEST = 200

Row = Mapping[str, Any]
Formatter = Callable[[Row], str]


@dataclass(frozen=True, slots=True)
class ListColumn:
    """One column of a list as it is shown.

    Attributes:
        name: The column of the frame by which a click on the heading sorts.
        title: The heading.
        share: How wide, in relation to the others.
        text: What a row shows there.
        html: The same with signs and colours, where that differs.
        falling: Whether the first click puts the largest on top.
        hint: What it means, where the heading does not say it.
    """

    name: str
    title: str
    share: int
    text: Formatter
    html: Callable[[Row], Html] | None = None
    falling: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Facet:
    """A column of which values can be chosen.

    Attributes:
        title: What it is called.
        name: The column.
        newest_first: Whether its values are ordered by their last moment, else by frequency.
    """

    title: str
    name: str
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed.

    Attributes:
        noun: Of its rows, in the plural; also the variable's name in code.
        key: The column that tells rows apart.
        columns: What is shown.
        facets: Of what values can be chosen.
        moment: Title and column of what the dates of the filter refer to.
        texts: The columns that are searched.
        sort: The column by which it is sorted at first, the largest on top.
        lists: The columns of several texts that are searched, too.
    """

    noun: str
    key: str
    columns: tuple[ListColumn, ...]
    facets: tuple[Facet, ...]
    moment: tuple[str, str]
    texts: tuple[str, ...]
    sort: str
    lists: tuple[str, ...] = ()


# How a row reads in a cell: as text, and with signs where they say it faster


def format_text(column: str) -> Formatter:
    """A text in one line; empty where there is none."""
    return lambda row: one_line(row[column], _LONGEST)


def format_time(column: str) -> Formatter:
    """A moment in UTC, to the minute."""
    return lambda row: "" if row[column] is None else f"{row[column]:%Y-%m-%d %H:%M}"


def format_duration(column: str) -> Formatter:
    """Milliseconds in words, also below zero: the clocks of two machines may disagree."""
    return lambda row: "" if row[column] is None else format_milliseconds(row[column])


def format_share(column: str) -> Formatter:
    """A share in percent; 0.0 % and 100.0 % only where it is exactly 0 or 1."""

    def format_percent(row: Row) -> str:
        value = row[column]
        if value is None:
            return ""
        # 9,999 of 10,000 would be rounded to 100.0 %, and look as if everything had passed.
        return f"{value if value in (0, 1) else min(max(value, 0.001), 0.999):.1%}"

    return format_percent


def format_changed(column: str) -> Formatter:
    """Whether something is another than in the run before."""
    return lambda row: {True: "changed", False: "same"}.get(row[column], "")


def format_passed(row: Row) -> str:
    """How many evals of a run passed."""
    passed = row["passed"]
    return f"{'?' if passed is None else passed} of {row['total_evals']}"


def format_scope(row: Row) -> str:
    """What a run is of: the workflow, a block or an eval."""
    which = {"block": "target_block_id", "eval": "eval_id"}.get(row["scope"])
    return one_line(f"{row['scope']} {row[which]}" if which else row["scope"], _LONGEST)


def format_kind(row: Row) -> str:
    """What kind of eval it is, as :func:`retab_analysis.summarize_evals` has it."""
    signs = {"flaky": "≈ ", "broken": "✗ ", "never_passed": "× "}
    kind = one_line(row["kind"])
    return f"{signs.get(kind, '')}{kind}".replace("_", " ")


def format_change(row: Row) -> str:
    """What happened to an eval against the run before."""
    return one_line(row["change"]).replace("_", " ")


def format_since(row: Row) -> str:
    """Since when an eval is broken, and by what."""
    when = row["since_at"]
    parts = ["" if when is None else f"{when:%Y-%m-%d}", one_line(row["cause"])]
    return ", ".join(part for part in parts if part)


def format_recent(row: Row) -> str:
    """The signs of several states, the newest last."""
    signs = {**STATE_SIGNS, "mixed": "~"}
    return "".join(signs.get(each, "?") for each in row["last_states"])


def mark_recent(row: Row) -> Html:
    """The same on their colours."""
    return tag("span", *(mark_sign(each) for each in row["last_states"]), class_="ra-signs")


def mark_status(row: Row) -> Html:
    """A run's status with a sign that says whether it is ok."""
    state = {True: "passed", False: "failed", None: row["status"]}[row["ok"]]
    if row["status"] in ("error", "cancelled"):
        state = row["status"]
    return join(sign(state), f" {one_line(row['status'], _LONGEST)}")


def mark_state(row: Row) -> Html:
    """A state with its sign."""
    return join(mark_sign(row["state"]), f" {one_line(row['state'], _LONGEST)}")


def mark_sign(state: str) -> Html:
    """The sign of a state; also of ``mixed``, which only several results together can have."""
    return tag("span", "~", title="mixed", class_="ra-mixed") if state == "mixed" else sign(state)


# What is listed


def list_runs(runs: pl.DataFrame) -> Listing:
    """Runs, with the user's own columns; their workflow only where there are several."""
    workflow = ListColumn("workflow_id", "Workflow", 14, format_text("workflow_id"))
    # The same workflow in each row would only take room.
    several = runs["workflow_id"].n_unique() > 1
    first = _RUNS.columns[:2]
    columns = (*first, *([workflow] if several else []), *_RUNS.columns[2:])
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
    chosen = [name for name in own if frame.schema[name] in (pl.String, pl.Boolean)]
    # A list or a struct cannot be sorted by, and has no place in one line.
    shown = [name for name in own if not frame.schema[name].is_nested()]
    added = (ListColumn(name, name, 10, format_text(name)) for name in shown)
    return replace(
        listing,
        columns=(*listing.columns, *added),
        facets=(*listing.facets, *(Facet(name, name) for name in chosen)),
        texts=(*listing.texts, *texts),
    )


_RUNS = Listing(
    noun="runs",
    key="run_id",
    columns=(
        ListColumn("status", "Status", 14, format_text("status"), mark_status),
        ListColumn("created_at", "Created (UTC)", 16, format_time("created_at"), falling=True),
        ListColumn("workflow_version_id", "Version", 15, format_text("workflow_version_id")),
        ListColumn(
            "pass_rate",
            "Pass rate",
            11,
            format_share("pass_rate"),
            falling=True,
            hint="passed / (passed + failed + blocked + error)",
        ),
        ListColumn("passed", "Passed", 9, format_passed, falling=True),
        ListColumn("duration_ms", "Ran for", 11, format_duration("duration_ms"), falling=True),
        ListColumn("queue_ms", "In queue", 10, format_duration("queue_ms"), falling=True),
        ListColumn("scope", "Scope", 14, format_scope),
        ListColumn("trigger_type", "Trigger", 9, format_text("trigger_type")),
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


RESULTS_LISTING = Listing(
    noun="results",
    key="result_id",
    columns=(
        ListColumn("state", "State", 13, format_text("state"), mark_state),
        ListColumn("eval_name", "Eval", 24, label_eval),
        ListColumn("block_id", "Block", 15, format_text("block_id")),
        ListColumn("document_names", "Document", 20, label_documents),
        ListColumn("failure_code", "Failure", 18, format_text("failure_code")),
        ListColumn("duration_ms", "Took", 8, format_duration("duration_ms"), falling=True),
        ListColumn("workflow_version_id", "Version", 14, format_text("workflow_version_id")),
        ListColumn("run_created_at", "Run (UTC)", 15, format_time("run_created_at"), falling=True),
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


# The columns of :func:`retab_analysis.summarize_evals`.
EVALS_LISTING = Listing(
    noun="evals",
    key="eval_id",
    columns=(
        ListColumn("state", "Now", 13, format_text("state"), mark_state),
        ListColumn("eval_name", "Eval", 26, label_eval),
        ListColumn("block_id", "Block", 16, format_text("block_id")),
        ListColumn("last_states", "Last 10 runs", 26, format_recent, mark_recent),
        ListColumn("kind", "Kind", 14, format_kind),
        ListColumn("since_at", "Broken since", 20, format_since, falling=True),
        ListColumn("outcomes", "Outcomes", 9, format_text("outcomes"), falling=True),
        ListColumn("rate", "Failed", 8, format_share("rate"), falling=True),
    ),
    facets=(
        Facet("Now", "state"),
        Facet("Block", "block_id"),
        Facet("Kind", "kind"),
        Facet("Cause", "cause"),
    ),
    moment=("broken", "since_at"),
    texts=("eval_name", "eval_id", "block_id", "since_version_id", "since_run_id"),
    sort="since_at",
)


HISTORY_COLUMNS = (
    ListColumn("state", "State", 12, format_text("state"), mark_state),
    ListColumn("change", "Change", 16, format_change),
    ListColumn("run_created_at", "Run (UTC)", 15, format_time("run_created_at")),
    ListColumn("workflow_version_id", "Version", 18, format_text("workflow_version_id")),
    ListColumn("block_changed", "Edited", 11, format_changed("block_changed")),
    ListColumn("inputs_changed", "Inputs", 9, format_changed("inputs_changed")),
    ListColumn("duration_ms", "Took", 8, format_duration("duration_ms")),
    ListColumn("run_id", "Run", 22, format_text("run_id")),
)
"""An eval's history, run by run; see :func:`retab_analysis.eval_history`."""
