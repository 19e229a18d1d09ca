"""``overview``: all workflows at a glance, or one with its evals that do not pass."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from retab_analysis.arguments import add_sentence, resolve
from retab_analysis.checks.defaults import open_source
from retab_analysis.checks.plan import RunListing
from retab_analysis.checks.source import Source
from retab_analysis.comparison.detail import WORDS, say_invalid
from retab_analysis.errors import ConfigError
from retab_analysis.fetch import fetch_workflows
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.params import check_text
from retab_analysis.fetch.present import NOTHING_RAN, find_began, find_present, find_stale
from retab_analysis.fetch.threads import TaskOutcomes, run_all
from retab_analysis.markup import one_line
from retab_analysis.progress import Progress, check_progress, choose_progress, say
from retab_analysis.render.document import (
    Cell,
    ColumnTitle,
    DocumentTable,
    Note,
    Part,
    Span,
    Tone,
    write_line,
)
from retab_analysis.render.document import Row as DocumentRow
from retab_analysis.render.html import to_html
from retab_analysis.schema import RUNS
from retab_analysis.transport import Client
from retab_analysis.vocabulary import FAILING, first_that_holds

WHY = ("block_changed", "inputs_changed", "eval_edited", "same_code", "never_passed")
"""Why an eval may not pass now, in the order in which they are listed."""

OVERVIEW = pl.Schema(
    {
        "workflow_id": pl.String(),
        "name": pl.String(),
        **dict.fromkeys(("evals", "passing", "stale", *WHY), pl.Int64()),
        "last_run_at": pl.Datetime("us", "UTC"),
        "last_run_id": pl.String(),
        "last_ok_at": pl.Datetime("us", "UTC"),
        "published_version_id": pl.String(),
        "published_at": pl.Datetime("us", "UTC"),
        "published_description": pl.String(),
    }
)
"""The columns of ``Overview.frame``, one row per workflow."""

UNWELL = pl.Schema(
    {
        **dict.fromkeys(("eval_name", "eval_id", "block_id", "why", "state"), pl.String()),
        **dict.fromkeys(("last_passed_at", "last_failed_at"), pl.Datetime("us", "UTC")),
        "workflow_id": pl.String(),
    }
)
"""The columns of ``Overview.frame`` of one workflow, one row per saved eval that does not pass."""

_COLUMNS = (
    *(ColumnTitle("Workflow"), ColumnTitle("Passing"), ColumnTitle("Not passing, because")),
    *(ColumnTitle(f"{each} (UTC)", named=True) for each in ("Last run", "All green", "Published")),
)
_EVAL_COLUMNS = (
    *(ColumnTitle("Eval"), ColumnTitle("Now"), ColumnTitle("Because"), ColumnTitle("Block")),
    *(ColumnTitle(f"{each} (UTC)", named=True) for each in ("Last passed", "Last failed")),
)
_WORDS = {
    "block_changed": "block changed",
    "inputs_changed": "inputs changed",
    "eval_edited": "eval edited",
    "same_code": "on the same code",
    "never_passed": "never passed",
}

Row = Mapping[str, Any]
Seen = tuple[pl.DataFrame, pl.DataFrame]
"""What was seen of a workflow: its row, its saved evals."""


@dataclass(frozen=True, eq=False, repr=False)
class Overview:
    """How all workflows stand, or one, from what their saved evals remember.

    ``frame`` has one row per workflow. For a single workflow, it has one row per saved eval that
    does not pass, and ``workflow`` is the workflow's own row; see :func:`overview`.
    """

    frame: pl.DataFrame
    workflow: pl.DataFrame | None = None
    _notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        rows = self.frame.iter_rows(named=True)
        if self.workflow is None:
            parts: list[Part] = [DocumentTable(_COLUMNS, tuple(map(_make_row, rows)))]
            # How to go on with the workflow of which least passes.
            least = self.frame.filter(pl.col("evals") > 0).sort(pl.col("passing") / pl.col("evals"))
            for workflow_id in least["workflow_id"].head(1):
                code = Span(f"ra.overview({workflow_id!r})", "code")
                parts.append(Note(write_line(code, " lists the evals of one that do not pass")))
            return str(to_html(*parts))
        parts = [Note(write_line(one_line(_describe(self.workflow.row(0, named=True)))))]
        if not self.frame.is_empty():
            code = Span(f"ra.check({self.workflow['workflow_id'].item()!r})", "code")
            parts.append(DocumentTable(_EVAL_COLUMNS, tuple(map(_make_eval_row, rows))))
            parts.append(Note(write_line(code, " says which of them broke, and by which edit")))
        parts += [Note(write_line(each)) for each in self._notes]
        return str(to_html(*parts))

    def __repr__(self) -> str:
        rows = self.frame.iter_rows(named=True)
        if self.workflow is None:
            return "\n".join(one_line(_describe(row)) for row in rows) or "no workflows"
        lines = [_describe(self.workflow.row(0, named=True)), *map(_describe_eval, rows)]
        return "\n".join(map(one_line, (*lines, *self._notes)))


def overview(
    workflow_id: str | None = None,
    *,
    client: Client | None = None,
    progress: Progress | bool | None = None,
) -> Overview:
    """Show how all workflows stand, or one: what passes, what does not, and what changed since.

    Reads what each saved eval remembers of its newest run and of its newest one that passed, with
    two requests for a workflow of up to 100 evals. That cannot say whether a failure will last;
    :func:`check` can.

    Args:
        workflow_id: The workflow's id or name; None for all that there are.
        client: What to ask; the default one if not given.
        progress: False for no progress bar; None shows one where there is a notebook or a terminal.

    Returns:
        The overview, in a notebook a status board. Of all workflows its ``.frame`` has one row for
        each: ``workflow_id, name, evals, passing, stale`` (not run as they are now), how
        many do not pass and why so
        (``block_changed, inputs_changed, eval_edited, same_code, never_passed``), ``last_run_at,
        last_run_id, last_ok_at`` (of whole-workflow runs among the newest 100),
        ``published_version_id, published_at, published_description``.

        Of one workflow this row is ``.workflow``, and ``.frame`` has one row for each saved eval
        whose newest run failed, was blocked or ended in an error: ``eval_name, eval_id, block_id``;
        ``why``: ``block_changed`` (the block's code is another than when it passed last),
        ``inputs_changed`` (the eval was given other inputs since), ``eval_edited`` (the saved eval
        was edited since, and may assert something else), ``same_code`` (it passed on the same code
        and inputs: flaky, or a drift), ``never_passed``, or null where that is not known; where
        several changed, the inputs before the block, and the eval last; ``state``, ``failed``,
        ``blocked`` or ``error``; ``last_passed_at, last_failed_at, workflow_id``. They are ordered
        by ``why`` as above, then by block, name and id.

    Raises:
        ConfigError: There is no such workflow (the message names the nearest), or another argument
            that cannot be used.
        RetabAnalysisError: Any other failure; of all workflows, ``.partial`` is the frame of the
            others.

    Example:
        >>> board = ra.overview()
        >>> board.frame.filter(pl.col("block_changed") > 0)["workflow_id"].to_list()
        [...'wf_invoices'...]
        >>> one = ra.overview("wf_invoices")
        >>> "block_changed" in one.frame["why"].to_list()
        True
    """
    check_progress(progress)
    if workflow_id is not None:
        check_text("workflow_id", workflow_id)
    client = client_or_default(client)
    chosen = fetch_workflows(client=client, progress=False)
    if workflow_id is not None:
        names = dict(chosen.select("workflow_id", "name").iter_rows())
        try:
            chosen = chosen.filter(workflow_id=resolve("workflow", workflow_id, names))
        except ConfigError as unknown:
            unknown.args = (add_sentence(unknown, client.describe_environment()),)
            raise
    elif chosen.is_empty():
        say(f"There is no workflow. {client.describe_environment()}.")
    shown = choose_progress(progress, "Looking at workflows", "workflows")
    outcomes: TaskOutcomes[Seen] = TaskOutcomes()
    tasks = [partial(_look_at, client, row) for row in chosen.iter_slices(1)]

    def update() -> None:
        shown.update(len(outcomes.results) + len(outcomes.errors), len(tasks))

    with contextlib.closing(shown):
        run_all(tasks, client.max_concurrency, outcomes, update)
    seen = [outcomes.results[at] for at in sorted(outcomes.results)]
    frame = pl.concat([pl.DataFrame(schema=OVERVIEW), *(row for row, _ in seen)])
    if error := outcomes.error():
        if workflow_id is None:
            error.partial = frame
        raise error
    if workflow_id is None:
        return Overview(frame)
    evals = seen[0][1]
    invalid = evals.filter((pl.col("validation_status") != "valid").fill_null(False))
    notes = map(say_invalid, invalid.sort("eval_name", "eval_id").iter_rows(named=True))
    return Overview(list_unwell(evals), frame, tuple(notes))


def _look_at(client: Client, workflow: pl.DataFrame) -> Seen:
    source = open_source(client, workflow["workflow_id"].item(), progress=False)
    evals = source.saved
    listing = RunListing.read(source)
    stale = _find_stale(source, listing)
    told = workflow.with_columns(
        *summarize_evals(evals), *summarize_runs(listing.runs), stale=len(stale)
    )
    return told.select(pl.col(name).cast(dtype) for name, dtype in OVERVIEW.items()), evals


def _find_stale(source: Source, listing: RunListing) -> dict[str, str]:
    """The evals that have not run as they are now, as far as the saved evals tell."""
    saved = source.saved
    if listing.runs.is_empty():
        return {}
    present = find_present(saved, NOTHING_RAN, source.read_saved_at, source.read_begun)
    rows = saved.drop_nulls("latest_run_status").iter_rows(named=True)
    ran = {row["eval_id"]: row for row in rows}
    on_present = [
        eval_id
        for eval_id, row in ran.items()
        if row["block_id"] in present
        and present[row["block_id"]].has(eval_id, row["latest_block_fingerprint"], find_began(row))
    ]
    return find_stale(saved, present, on_present, ran)


def summarize_evals(evals: pl.DataFrame) -> list[pl.Series]:
    """How many evals of an EVALS frame pass, and why the others do not."""
    state = _eval_state()
    failing = state.is_in(FAILING)
    return evals.select(
        pl.len().alias("evals"),
        (state == "passed").sum().alias("passing"),
        *((failing & (_why_failing() == why)).sum().alias(why) for why in WHY),
    ).get_columns()


def list_unwell(evals: pl.DataFrame) -> pl.DataFrame:
    """The evals of an EVALS frame that do not pass now, and why: the columns of :data:`UNWELL`."""
    order = pl.col("why").replace_strict(WHY, range(len(WHY)), return_dtype=pl.Int8, default=None)
    told = evals.with_columns(state=_eval_state(), why=_why_failing())
    failing = told.filter(pl.col("state").is_in(FAILING)).select(UNWELL.names())
    return failing.sort(order, "block_id", "eval_name", "eval_id", nulls_last=True)


def _eval_state() -> pl.Expr:
    """What an eval of an EVALS frame does now: the outcome of its newest run, else its status."""
    return pl.coalesce("latest_run_outcome", "latest_run_status")


def _why_failing() -> pl.Expr:
    """Why an eval of an EVALS frame does not pass, one of :data:`WHY`; null where that is open.

    Inputs come first: a pass on other inputs says nothing about these. That the eval was edited is
    said last of what changed, because the edit may have been of its name alone.
    """
    inputs, block = (
        pl.col(f"latest_{part}_fingerprint") != pl.col(f"last_passed_{part}_fingerprint")
        for part in ("inputs", "block")
    )
    return first_that_holds(
        (pl.col("last_passed_at").is_null(), "never_passed"),
        (inputs, "inputs_changed"),
        (block, "block_changed"),
        (pl.col("updated_at") > pl.col("last_passed_at"), "eval_edited"),
        (block.is_not_null() & inputs.is_not_null(), "same_code"),
    )


def summarize_runs(runs: pl.DataFrame) -> list[pl.Series]:
    whole = runs.filter(pl.col("scope") == "workflow").sort("created_at")
    last = whole.tail(1) if whole.height else RUNS.empty().clear(1)
    ok = whole.filter(pl.col("ok").fill_null(False))["created_at"].max()
    return [
        last["created_at"].alias("last_run_at"),
        last["run_id"].alias("last_run_id"),
        pl.Series("last_ok_at", [ok], pl.Datetime("us", "UTC")),
    ]


def _make_row(row: Row) -> DocumentRow:
    sign: tuple[str, Tone, str] = "✗", "bad", "not all pass"
    if row["passing"] == row["evals"]:
        sign = ("✓", "good", "all pass") if row["evals"] else ("○", "other", "no evals")
        sign = ("○", "other", "not run since the edit") if row["stale"] else sign
    cells = (
        (row["name"] or row["workflow_id"], row["workflow_id"]),
        (f"{row['passing']} of {row['evals']}",),
        (_why(row).removeprefix("; "),),
        (_day(row["last_run_at"]),),
        (_day(row["last_ok_at"]),),
        (_day(row["published_at"]), row["published_description"]),
    )
    return DocumentRow(*sign, _make_cells(*cells))


def _make_eval_row(row: Row) -> DocumentRow:
    cells = (
        (row["eval_name"] or row["eval_id"], row["eval_id"]),
        (row["state"],),
        (_WORDS.get(row["why"], ""),),
        (row["block_id"],),
        (_day(row["last_passed_at"]),),
        (_day(row["last_failed_at"]),),
    )
    sign, word, tone = WORDS[row["state"]]
    return DocumentRow(sign, tone, word, _make_cells(*cells))


def _make_cells(*cells: tuple[str | None, ...]) -> tuple[Cell, ...]:
    lines = ([write_line(one_line(each)) for each in cell if each] for cell in cells)
    return tuple(Cell(tuple(each)) for each in lines)


def _describe(row: Row) -> str:
    passing = f"{row['passing']} of {row['evals']} evals pass"
    return f"{row['name'] or row['workflow_id']} ({row['workflow_id']}): {passing}{_why(row)}"


def _describe_eval(row: Row) -> str:
    parts = [row["state"], _WORDS.get(row["why"]), row["block_id"] and f"block {row['block_id']}"]
    if row["last_passed_at"]:
        parts.append(f"last passed {_day(row['last_passed_at'])} UTC")
    name = f"{row['eval_name'] or row['eval_id']} ({row['eval_id']})"
    return f"{WORDS[row['state']][0]} {name}: {', '.join(filter(None, parts))}"


def _why(row: Row) -> str:
    parts = [f"{row[why]} {words}" for why, words in _WORDS.items() if row[why]]
    parts += [f"{row['stale']} not run since the edit"] if row["stale"] else []
    # Those that are running, were cancelled or never ran, or whose fingerprints are not known.
    if rest := row["evals"] - row["passing"] - sum(row[why] or 0 for why in _WORDS):
        parts.append(f"{rest} without a verdict or a known cause")
    return f"; {', '.join(parts)}" if parts else ""


def _day(moment: object) -> str:
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
