"""``overview``: all workflows at a glance, or one with its evals that do not pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import polars as pl

from retab_analysis.analysis.periods import Length
from retab_analysis.arguments import Guided
from retab_analysis.checks.defaults import open_source
from retab_analysis.checks.verdict import Memory, Question, make_verdict
from retab_analysis.checks.week import (
    BLOCKS,
    UNREAD,
    USUAL,
    Periods,
    Seen,
    add_runs,
    list_blocks,
    make_week,
    sum_up,
)
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.conclusion import write_heading
from retab_analysis.comparison.detail import WORDS
from retab_analysis.comparison.gate import Gate
from retab_analysis.fetch import fetch_runs, fetch_workflows
from retab_analysis.fetch.lists import resolve_named
from retab_analysis.fetch.params import check_text, client_or_default
from retab_analysis.fetch.starts import SAVE_FIRST
from retab_analysis.fetch.threads import TaskOutcomes, run_all
from retab_analysis.markup import join, one_line
from retab_analysis.progress import Progress, check_progress, say, show_progress
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
from retab_analysis.render.week import Week, week_to_html
from retab_analysis.schema import COMPARISON
from retab_analysis.transport import Client
from retab_analysis.vocabulary import BROKEN, UNDECIDED

OVERVIEW = pl.Schema(
    {
        **dict.fromkeys(("workflow_id", "name", "version", "headline", "mark"), pl.String()),
        **dict.fromkeys(("exit_code", "n_evals", "broken", "unclear", "accepted"), pl.Int64()),
        **dict.fromkeys(("runs", "evals_used"), pl.Int64()),
        **dict.fromkeys(("pass_rate", "pass_rate_before"), pl.Float64()),
        **dict.fromkeys(("duration_ms_p95", "duration_ms_p95_before"), pl.Int64()),
        "read_at": pl.Datetime("us", "UTC"),
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

_EVAL_COLUMNS = (*map(ColumnTitle, ("Eval", "Because", "Block")), ColumnTitle("Since", named=True))
_AT_ONCE = 2  # workflows: each check uses all connections


@dataclass(frozen=True, eq=False, repr=False)
class Overview(Guided, called="overview"):
    """How all workflows stand, or one; see :func:`overview`.

    ``frame`` has one row per workflow. For a single workflow, it has one row per saved eval that
    does not pass, and ``workflow`` is the workflow's own row. ``blocks`` has one row per block, if
    trends were asked for.

    Example:
        >>> ra.overview("wf_invoices").workflow.height
        1
    """

    frame: pl.DataFrame
    _span: Periods
    workflow: pl.DataFrame | None = None
    blocks: pl.DataFrame = field(default_factory=BLOCKS.to_frame)
    _notes: tuple[str, ...] = ()
    _seen: Sequence[Seen] = ()

    @property
    def headline(self) -> str:
        """One line about all of them."""
        return str(self._week.heading)

    @cached_property
    def _week(self) -> Week:
        """The page, for :func:`write_report`."""
        return make_week(self._seen, self._span)

    def _repr_html_(self) -> str:
        page, parts = week_to_html(self._week), list[Part]()
        if self.workflow is None:
            for workflow_id in self.frame["workflow_id"].head(1):
                code = Span(f"ra.overview({workflow_id!r})", "code")
                parts.append(Note(write_line(code, " lists the evals of one that do not pass")))
        elif not self.frame.is_empty():
            rows = tuple(map(_make_eval_row, self.frame.iter_rows(named=True)))
            code = Span(f"ra.check({self.workflow['workflow_id'].item()!r})", "code")
            parts.append(DocumentTable(_EVAL_COLUMNS, rows))
            parts.append(Note(write_line(code, " shows the edit, and what each eval got")))
        parts += [Note(write_line(each)) for each in self._notes]
        return str(join(page, to_html(*parts) if parts else None))

    def __repr__(self) -> str:
        rows = self.frame.iter_rows(named=True)
        if self.workflow is None:
            return "\n".join(one_line(_describe(row)) for row in rows) or "no workflows"
        lines = [_describe(self.workflow.row(0, named=True)), *map(_describe_eval, rows)]
        return "\n".join(map(one_line, (*lines, *self._notes)))


def overview(
    workflow_id: str | None = None,
    *,
    every: str | None = None,
    client: Client | None = None,
    progress: Progress | bool | None = None,
) -> Overview:
    """Show how all workflows stand, or one: the answer of :func:`check` for each, the worst first.

    It checks two workflows at a time, so many workflows take a while. With an archive
    (:func:`use`), it fetches only new runs. :func:`write_report` makes a page of it to give away.

    Args:
        workflow_id: The workflow's id or name; by default all workflows.
        every: With trends: the length of a period, as for :func:`summarize_runs` (``"1w"``). The
            last period ends with the day of the newest run of these workflows. This also reads the
            runs of the last 13 periods and the edits of all blocks. Of a period that ``check`` did
            not read, it reads the results of one whole run.
        client: The client to ask; by default the session's.
        progress: False for no progress bar; by default a notebook or a terminal shows one.

    Returns:
        The overview, shown as a page. For all workflows, ``.frame`` has one row for each:
        ``workflow_id, name, version`` (what was checked), ``headline, mark`` (its sign); the gate's
        ``exit_code``, null if nothing ran yet or the workflow could not be read; ``n_evals,
        broken, unclear, accepted``. Of the last period in which anything ran (by default the week):
        ``runs, evals_used, pass_rate, duration_ms_p95``; of the one before,
        ``pass_rate_before, duration_ms_p95_before``.
        ``read_at`` is when it was read. Workflows that fail the gate come first, then undecided
        ones; within each group, the one with the most broken evals. ``.headline`` is one line about
        all.

        With ``every``, ``.blocks`` has one row per block: ``workflow_id, block_id, block_label,
        n_evals, broken, pass_rate, pass_rate_before``. Blocks with broken evals come first, then
        those that fell most.

        For one workflow, its row is ``.workflow``. ``.frame`` has one row for each eval that does
        not pass, or may not: ``eval_name, transition, block_id, block_label, cause, since_at,
        reason, candidate_state, eval_id`` as in ``Comparison.evals`` and in its order, and
        ``workflow_id``.

    Raises:
        ConfigError: The workflow does not exist (the message names the nearest), or another
            argument cannot be used.
        RetabAnalysisError: Any other failure; of all workflows only if none can be read.

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
    if every is not None:
        Length.read(every)  # which refuses an unusable one
    client = client_or_default(client)
    asked: Any = {"client": client, "progress": False}
    chosen = fetch_workflows(**asked)
    found = None
    if workflow_id is not None:
        names = dict(chosen.select("workflow_id", "name").iter_rows())
        found = resolve_named(client, "workflow", workflow_id, names, parts=True)
        chosen = chosen.filter(workflow_id=found)
    elif chosen.is_empty():
        say(f"There is no workflow. {client.describe_environment()}.")
    outcomes: TaskOutcomes[Seen] = TaskOutcomes()
    newest = fetch_runs(found, limit=1, **asked)
    last: datetime | None = newest.select(pl.col("created_at").max()).item()
    span = Periods.until(last or client.api_time, every or USUAL)
    has_trends = every is not None
    rows = chosen.to_dicts()
    tasks = [partial(_look_at, client, row, span, trends=has_trends) for row in rows]
    with show_progress(progress, "Looking at workflows", "workflows") as bar:

        def update() -> None:
            bar.update(len(outcomes.results) + len(outcomes.errors), len(tasks))

        run_all(tasks, _AT_ONCE, outcomes, update)
    if (error := outcomes.error()) and (workflow_id is not None or not outcomes.results):
        raise error
    unread = {at: _see_unread(rows[at], error) for at, error in outcomes.errors.items()}
    seen = outcomes.results | unread
    return _sum_up([seen[at] for at in range(len(rows))], span, is_single=workflow_id is not None)


def _sum_up(seen: Sequence[Seen], span: Periods, *, is_single: bool) -> Overview:
    known = _order([replace(each, told={**each.told, **sum_up(each, span)}) for each in seen])
    frame = pl.DataFrame([each.told for each in known], schema=OVERVIEW)
    blocks = pl.concat([BLOCKS.to_frame(), *(list_blocks(each, span) for each in seen)])
    if not is_single:
        return Overview(frame, span, None, blocks, (), known)
    [one] = known
    unwell = UNWELL.to_frame() if one.unwell is None else one.unwell
    return Overview(unwell, span, frame, blocks, one.notes, known)


def _order(seen: Sequence[Seen]) -> list[Seen]:
    """The worst first, each with all columns of its row."""
    told = [{**e.told, "headline": str(e.heading), "mark": e.heading.sign} for e in seen]
    rows = pl.DataFrame(told, schema=OVERVIEW).with_row_index("at")
    gravity = pl.col("exit_code").replace_strict({1: 0, 2: 1, 0: 2}, default=3)
    worst = rows.sort(gravity, pl.col("broken", "unclear").neg(), maintain_order=True)
    return [replace(seen[row.pop("at")], told=row) for row in worst.to_dicts()]


def _look_at(client: Client, workflow: Mapping[str, Any], span: Periods, *, trends: bool) -> Seen:
    flow = workflow["workflow_id"]
    source = open_source(client, flow, progress=False)
    kept, evals = Memory(source), source.saved.height
    told = {"workflow_id": flow, "name": workflow["name"], "n_evals": evals}
    told["read_at"] = client.api_time
    if kept.listing.present.is_empty():
        nothing = Heading("○", "other", "No run yet" if evals else "No evals yet")
        return Seen(told, nothing)
    verdict = make_verdict(Question(), kept, progress=False).comparison
    seen = _see(told, verdict, verdict.gate())
    seen = replace(seen, unwell=list_unwell(verdict, flow), labels=source.labels)
    return add_runs(seen, kept, span, [*verdict.removed["eval_id"]], trends=trends)


def _see(told: Mapping[str, Any], verdict: Comparison, gate: Gate) -> Seen:
    facts = inside(verdict).facts(gate)
    heading, broken = write_heading(facts), facts.of(*BROKEN)
    counts = {"broken": broken, "unclear": facts.of("suspect"), "accepted": facts.accepted}
    row = {**told, "version": facts.version, "exit_code": gate.exit_code}
    row |= {name: len(its) for name, its in counts.items()}
    last_days = [each.until for each in facts.policy.accepted if each.until]
    until = min(last_days, default=None)
    return Seen(row, heading, broken, until, notes=facts.notes)


def _see_unread(workflow: Mapping[str, Any], error: object) -> Seen:
    heading = Heading(UNREAD, "other", f"Not read: {one_line(str(error), 200)}")
    return Seen({name: workflow[name] for name in ("workflow_id", "name")}, heading)


def list_unwell(verdict: Comparison, workflow_id: str) -> pl.DataFrame:
    """The evals that do not pass, or may not: the columns of UNWELL."""
    is_open = pl.col("transition").is_in((*BROKEN, *UNDECIDED))
    passes = (pl.col("candidate_state") == "passed").fill_null(False)
    unwell = verdict.evals.filter(is_open | ~passes, pl.col("transition") != "removed")
    return unwell.with_columns(workflow_id=pl.lit(workflow_id)).select(UNWELL.names())


def _make_eval_row(row: Mapping[str, Any]) -> Row:
    sign, word, tone, _ = WORDS[row["transition"]]
    cells = (
        (row["eval_name"] or row["eval_id"], row["eval_id"]),
        (row["reason"] or word,),
        (row["block_label"] or row["block_id"],),
        (f"{row['since_at']:%Y-%m-%d %H:%M}" if row["since_at"] else None,),
    )
    return Row(row["eval_id"], sign, tone, word, _make_cells(*cells))


def _make_cells(*cells: tuple[str | None, ...]) -> tuple[Cell, ...]:
    lines = ([write_line(one_line(each, 200)) for each in cell if each] for cell in cells)
    return tuple(Cell("", tuple(each)) for each in lines)


def _describe(row: Mapping[str, Any]) -> str:
    sign, _, said = row["headline"].partition(" ")
    name = f"{one_line(row['name'] or row['workflow_id'], 200)} ({row['workflow_id']})"
    more = f"; {SAVE_FIRST.format(row['workflow_id'])}" if row["n_evals"] == 0 else ""
    return f"{sign} {name}: {said}{more}"


def _describe_eval(row: Mapping[str, Any]) -> str:
    sign, word, *_ = WORDS[row["transition"]]
    name = f"{one_line(row['eval_name'] or row['eval_id'], 200)} ({row['eval_id']})"
    where = row["block_label"] or row["block_id"]
    parts = [row["reason"] or word, where and f"block {where}"]
    return f"{sign} {name}: {', '.join(filter(None, parts))}"
