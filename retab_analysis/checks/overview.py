"""``overview``: all workflows at a glance, or one with its evals that do not pass."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import polars as pl

from retab_analysis.checks.defaults import open_source
from retab_analysis.checks.verdict import Memory, Question, make_verdict
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.detail import WORDS
from retab_analysis.comparison.situations import write_heading
from retab_analysis.fetch import fetch_workflows
from retab_analysis.fetch.lists import resolve_named
from retab_analysis.fetch.params import check_text, client_or_default
from retab_analysis.fetch.starts import SAVE_FIRST
from retab_analysis.fetch.threads import TaskOutcomes, run_all
from retab_analysis.markup import one_line
from retab_analysis.progress import Progress, check_progress, choose_progress, say
from retab_analysis.render.document import (
    Cell,
    ColumnTitle,
    DocumentTable,
    Heading,
    Note,
    Part,
    Row,
    Span,
    write_line,
)
from retab_analysis.render.html import to_html
from retab_analysis.schema import COMPARISON, RUNS
from retab_analysis.transport import Client
from retab_analysis.vocabulary import BROKEN, UNDECIDED

_MOMENT = pl.Datetime("us", "UTC")
OVERVIEW = pl.Schema(
    {
        **dict.fromkeys(("workflow_id", "name", "headline"), pl.String()),
        **dict.fromkeys(("exit_code", "evals", "passing", "broke", "unclear", "stale"), pl.Int64()),
        "last_run_at": _MOMENT,
        "last_run_id": pl.String(),
        "last_ok_at": _MOMENT,
        "published_version_id": pl.String(),
        "published_at": _MOMENT,
        "published_description": pl.String(),
    }
)
"""The columns of ``Overview.frame``, one row per workflow."""

_SHOWN = ("eval_name", "transition", "block_id", "block_label", "cause", "since_at", "reason")
UNWELL = pl.Schema(
    {
        **{name: COMPARISON.schema[name] for name in (*_SHOWN, "candidate_state", "eval_id")},
        "workflow_id": pl.String(),
    }
)
"""The columns of ``Overview.frame`` of one workflow, one row per saved eval that does not pass."""

_COLUMNS = (
    *(ColumnTitle("Workflow"), ColumnTitle("What a check says"), ColumnTitle("Pass")),
    *(ColumnTitle(f"{each} (UTC)", named=True) for each in ("Last run", "All green", "Published")),
)
_EVAL_COLUMNS = (*map(ColumnTitle, ("Eval", "Because", "Block")), ColumnTitle("Since", named=True))
_AT_ONCE = 2  # workflows: each check uses all connections


@dataclass(frozen=True, eq=False)
class Seen:
    """A workflow: its row, its evals that do not pass, and notes."""

    row: pl.DataFrame
    unwell: pl.DataFrame
    heading: Heading
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Overview:
    """How all workflows stand, or one.

    ``frame`` has one row per workflow. For a single workflow, it has one row per saved eval that
    does not pass, and ``workflow`` is the workflow's own row; see :func:`overview`.
    """

    frame: pl.DataFrame
    workflow: pl.DataFrame | None = None
    _notes: tuple[str, ...] = ()
    _headings: Mapping[str, Heading] = field(default_factory=dict)  # by workflow

    def _repr_html_(self) -> str:
        rows = self.frame.iter_rows(named=True)
        parts: list[Part]
        if self.workflow is None:
            parts = [DocumentTable(_COLUMNS, tuple(map(self._make_row, rows)))]
            for workflow_id in self.frame["workflow_id"].head(1):
                code = Span(f"ra.overview({workflow_id!r})", "code")
                parts.append(Note(write_line(code, " lists the evals of one that do not pass")))
            return str(to_html(*parts))
        parts = [Note(write_line(one_line(self._describe(self.workflow.row(0, named=True)))))]
        if not self.frame.is_empty():
            code = Span(f"ra.check({self.workflow['workflow_id'].item()!r})", "code")
            parts.append(DocumentTable(_EVAL_COLUMNS, tuple(map(_make_eval_row, rows))))
            parts.append(Note(write_line(code, " shows the edit, and what each eval got")))
        parts += [Note(write_line(each)) for each in self._notes]
        return str(to_html(*parts))

    def __repr__(self) -> str:
        rows = self.frame.iter_rows(named=True)
        if self.workflow is None:
            return "\n".join(one_line(self._describe(row)) for row in rows) or "no workflows"
        lines = [self._describe(self.workflow.row(0, named=True)), *map(_describe_eval, rows)]
        return "\n".join(map(one_line, (*lines, *self._notes)))

    def _make_row(self, row: Mapping[str, Any]) -> Row:
        head = self._headings.get(row["workflow_id"], Heading("", "other", row["headline"]))
        said = f"{head.strong}{head.rest}"
        cells = (
            (row["name"] or row["workflow_id"], row["workflow_id"]),
            (said,),
            (f"{row['passing']} of {row['evals']}",),
            (_day(row["last_run_at"]),),
            (_day(row["last_ok_at"]),),
            (_day(row["published_at"]), row["published_description"]),
        )
        return Row(row["workflow_id"], head.sign, head.tone, said, _make_cells(*cells))

    def _describe(self, row: Mapping[str, Any]) -> str:
        head = self._headings.get(row["workflow_id"], Heading("", "other", row["headline"]))
        name = f"{one_line(row['name'] or row['workflow_id'], 200)} ({row['workflow_id']})"
        passing = f"{row['passing']} of {row['evals']} pass"
        more = "" if passing in head.rest else f" · {passing}"
        if not row["evals"]:
            more = f"; {SAVE_FIRST.format(row['workflow_id'])}"
        return f"{head.sign} {name}: {head.strong}{head.rest}{more}".lstrip()


def overview(
    workflow_id: str | None = None,
    *,
    client: Client | None = None,
    progress: Progress | bool | None = None,
) -> Overview:
    """Show how all workflows stand, or one: the answer of :func:`check` for each, the worst first.

    It checks two workflows at a time, so many workflows take a while. With an archive
    (:func:`use`), it fetches only new runs.

    Args:
        workflow_id: The workflow's id or name; by default all workflows.
        client: The client to ask; by default the session's.
        progress: False for no progress bar; by default a notebook or a terminal shows one.

    Returns:
        The overview, in a notebook a status board. For all workflows, ``.frame`` has one row for
        each: ``workflow_id, name``; ``headline``; the gate's ``exit_code``, null if nothing ran
        yet; ``passing``, how many of its ``evals`` pass in the checked run; ``broke, unclear,
        stale`` (not run since the edit). ``last_run_at, last_run_id, last_ok_at`` are about
        whole-workflow runs among the newest 100. Then come ``published_version_id, published_at,
        published_description``. Workflows that fail the gate come first, then undecided ones.
        Within each group, the workflow with the most broken evals is first.

        For one workflow, this row is ``.workflow``. ``.frame`` has one row for each eval that does
        not pass, or may not: ``eval_name, transition, block_id, block_label, cause, since_at,
        reason, candidate_state, eval_id`` as in ``Comparison.evals`` and in its order, and
        ``workflow_id``.

    Raises:
        ConfigError: The workflow does not exist (the message names the nearest), or another
            argument cannot be used.
        RetabAnalysisError: Any other failure; if you asked for all workflows, ``.partial`` is the
            frame of the others.

    Example:
        >>> board = ra.overview()
        >>> board.frame.filter(exit_code=1)["workflow_id"].to_list()
        [...'wf_invoices'...]
        >>> one = ra.overview("wf_invoices")
        >>> "regressed" in one.frame["transition"].to_list()
        True
    """
    check_progress(progress)
    if workflow_id is not None:
        check_text("workflow_id", workflow_id)
    client = client_or_default(client)
    chosen = fetch_workflows(client=client, progress=False)
    if workflow_id is not None:
        names = dict(chosen.select("workflow_id", "name").iter_rows())
        found = resolve_named(client, "workflow", workflow_id, names)
        chosen = chosen.filter(workflow_id=found)
    elif chosen.is_empty():
        say(f"There is no workflow. {client.describe_environment()}.")
    shown = choose_progress(progress, "Looking at workflows", "workflows")
    outcomes: TaskOutcomes[Seen] = TaskOutcomes()
    tasks = [partial(_look_at, client, row) for row in chosen.iter_slices(1)]

    def update() -> None:
        shown.update(len(outcomes.results) + len(outcomes.errors), len(tasks))

    with contextlib.closing(shown):
        run_all(tasks, _AT_ONCE, outcomes, update)
    seen = [outcomes.results[at] for at in sorted(outcomes.results)]
    frame = pl.concat([pl.DataFrame(schema=OVERVIEW), *(each.row for each in seen)])
    gravity = pl.col("exit_code").replace_strict({1: 0, 2: 1, 0: 2}, default=3)
    most = pl.col("broke", "unclear", "stale").neg()
    frame = frame.sort(gravity, most, maintain_order=True)
    if error := outcomes.error():
        if workflow_id is None:
            error.partial = frame
        raise error
    headings = {each.row["workflow_id"].item(): each.heading for each in seen}
    if workflow_id is None:
        return Overview(frame, _headings=headings)
    return Overview(seen[0].unwell, frame, seen[0].notes, headings)


def _look_at(client: Client, workflow: pl.DataFrame) -> Seen:
    source = open_source(client, workflow["workflow_id"].item(), progress=False)
    kept = Memory(source)
    listing, evals = kept.listing, source.saved.height
    heading = Heading("○", "other", "No run yet" if evals else "No evals yet")
    said: tuple[Any, ...] = None, evals, 0, 0, 0, 0
    unwell, notes = UNWELL.to_frame(), tuple[str, ...]()
    if not listing.present.is_empty():
        verdict = make_verdict(Question(), kept, progress=False).comparison
        facts, code = inside(verdict).facts(), verdict.gate().exit_code
        open_ones = (len(facts.of(*each)) for each in (BROKEN, ("suspect",), ("stale",)))
        heading, said = write_heading(facts), (code, *reversed(facts.passing), *open_ones)
        unwell, notes = list_unwell(verdict, workflow["workflow_id"].item()), facts.notes
    names = ("exit_code", "evals", "passing", "broke", "unclear", "stale")
    told = workflow.with_columns(
        *summarize_runs(listing.runs),
        headline=pl.lit(str(heading)),
        **{name: pl.lit(each) for name, each in zip(names, said, strict=True)},
    )
    row = told.select(pl.col(name).cast(dtype) for name, dtype in OVERVIEW.items())
    return Seen(row, unwell, heading, notes)


def list_unwell(verdict: Comparison, workflow_id: str) -> pl.DataFrame:
    """The evals that do not pass, or may not: the columns of UNWELL."""
    is_open = pl.col("transition").is_in((*BROKEN, *UNDECIDED))
    passes = (pl.col("candidate_state") == "passed").fill_null(False)
    unwell = verdict.evals.filter(is_open | ~passes, pl.col("transition") != "removed")
    return unwell.with_columns(workflow_id=pl.lit(workflow_id)).select(UNWELL.names())


def summarize_runs(runs: pl.DataFrame) -> list[pl.Series]:
    whole = runs.filter(pl.col("scope") == "workflow").sort("created_at")
    last = whole.tail(1) if whole.height else RUNS.empty().clear(1)
    ok = whole.filter(pl.col("ok").fill_null(False))["created_at"].max()
    return [
        last["created_at"].alias("last_run_at"),
        last["run_id"].alias("last_run_id"),
        pl.Series("last_ok_at", [ok], pl.Datetime("us", "UTC")),
    ]


def _make_eval_row(row: Mapping[str, Any]) -> Row:
    sign, word, tone, _ = WORDS[row["transition"]]
    cells = (
        (row["eval_name"] or row["eval_id"], row["eval_id"]),
        (row["reason"] or word,),
        (row["block_label"] or row["block_id"],),
        (_day(row["since_at"]) if row["since_at"] else None,),
    )
    return Row(row["eval_id"], sign, tone, word, _make_cells(*cells))


def _make_cells(*cells: tuple[str | None, ...]) -> tuple[Cell, ...]:
    lines = ([write_line(one_line(each, 200)) for each in cell if each] for cell in cells)
    return tuple(Cell("", tuple(each)) for each in lines)


def _describe_eval(row: Mapping[str, Any]) -> str:
    sign, word, *_ = WORDS[row["transition"]]
    name = f"{one_line(row['eval_name'] or row['eval_id'], 200)} ({row['eval_id']})"
    where = row["block_label"] or row["block_id"]
    parts = [row["reason"] or word, where and f"block {where}"]
    return f"{sign} {name}: {', '.join(filter(None, parts))}"


def _day(moment: object) -> str:
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
