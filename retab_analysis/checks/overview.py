"""``overview``: all workflows at a glance, or one with its evals that do not pass."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import polars as pl

from retab_analysis.analysis.summaries import find_period
from retab_analysis.arguments import Guided
from retab_analysis.checks.defaults import open_source
from retab_analysis.checks.verdict import Memory, Question, make_verdict
from retab_analysis.checks.week import (
    BLOCKS,
    UNREAD,
    USUAL,
    History,
    Periods,
    list_blocks,
    make_week,
    read_history,
    sum_up,
)
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.detail import WORDS
from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.situations import write_heading
from retab_analysis.fetch import fetch_runs, fetch_workflows
from retab_analysis.fetch.lists import resolve_named
from retab_analysis.fetch.params import check_text, client_or_default
from retab_analysis.fetch.starts import SAVE_FIRST
from retab_analysis.fetch.threads import TaskOutcomes, run_all
from retab_analysis.markup import join, one_line
from retab_analysis.progress import Progress, check_progress, choose_progress, say
from retab_analysis.render.document import (
    Cell,
    ColumnTitle,
    DocumentTable,
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


@dataclass(frozen=True, eq=False)
class Seen:
    """A workflow: what a check says of it, its evals that do not pass, notes, and its runs."""

    told: dict[str, Any]
    unwell: pl.DataFrame = field(default_factory=UNWELL.to_frame)
    notes: tuple[str, ...] = ()
    history: History = field(default_factory=History)
    broken: Counter[str] = field(default_factory=Counter)  # by block
    labels: Mapping[str, str | None] = field(default_factory=dict)
    since_edit: int = 0
    broke_at: tuple[datetime, ...] = ()


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
    workflow: pl.DataFrame | None = None
    blocks: pl.DataFrame = field(default_factory=BLOCKS.to_frame)
    _notes: tuple[str, ...] = ()
    _histories: Mapping[str, History] = field(default_factory=dict)
    _span: Periods | None = None
    _since_edit: int = 0

    @property
    def headline(self) -> str:
        """One line about all of them."""
        return str(self._week.heading)

    @cached_property
    def _week(self) -> Week:
        """The page, for :func:`write_report`."""
        rows = self.frame if self.workflow is None else self.workflow
        return make_week(rows, self.blocks, self._histories, self._span, self._since_edit)

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
        every: With trends: the length of a period, as for :func:`summarize_runs` (``"1w"``). This
            also reads the runs of the last 13 periods and the edits of all blocks. Of a period
            that ``check`` did not read, it reads the results of one whole run.
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
        find_period(every)  # which refuses an unusable one
    client = client_or_default(client)
    asked: Any = {"client": client, "progress": False}
    chosen = fetch_workflows(**asked)
    if workflow_id is not None:
        names = dict(chosen.select("workflow_id", "name").iter_rows())
        found = resolve_named(client, "workflow", workflow_id, names, parts=True)
        chosen = chosen.filter(workflow_id=found)
    elif chosen.is_empty():
        say(f"There is no workflow. {client.describe_environment()}.")
    shown = choose_progress(progress, "Looking at workflows", "workflows")
    outcomes: TaskOutcomes[Seen] = TaskOutcomes()
    newest = fetch_runs(limit=1, **asked)
    last: datetime | None = newest.select(pl.col("created_at").max()).item()
    span = Periods.until(last or client.api_time, every or USUAL)
    has_trends = every is not None
    rows = chosen.to_dicts()
    tasks = [partial(_look_at, client, row, span, trends=has_trends) for row in rows]

    def update() -> None:
        shown.update(len(outcomes.results) + len(outcomes.errors), len(tasks))

    with contextlib.closing(shown):
        run_all(tasks, _AT_ONCE, outcomes, update)
    if (error := outcomes.error()) and (workflow_id is not None or not outcomes.results):
        raise error
    unread = {at: Seen(_tell_unread(rows[at], error)) for at, error in outcomes.errors.items()}
    seen = outcomes.results | unread
    return _sum_up([seen[at] for at in range(len(rows))], span, is_single=workflow_id is not None)


def _sum_up(seen: list[Seen], span: Periods, *, is_single: bool) -> Overview:
    told = [each.told | sum_up(each.history, span) for each in seen]
    frame = _order(pl.DataFrame(told, schema=OVERVIEW))
    histories, blocks = {}, [BLOCKS.to_frame()]
    for each in seen:
        flow = each.told["workflow_id"]
        new = sum(at >= span.starts[-1] for at in each.broke_at)
        histories[flow] = replace(each.history, new=new)
        blocks.append(list_blocks(flow, each.history, span, each.broken, each.labels))
    since = sum(each.since_edit for each in seen)
    rest: Any = (pl.concat(blocks), seen[0].notes if is_single else (), histories, span, since)
    if is_single:
        return Overview(seen[0].unwell, frame, *rest)
    return Overview(frame, None, *rest)


def _order(frame: pl.DataFrame) -> pl.DataFrame:
    """The worst first."""
    gravity = pl.col("exit_code").replace_strict({1: 0, 2: 1, 0: 2}, default=3)
    return frame.sort(gravity, pl.col("broken", "unclear").neg(), maintain_order=True)


def _look_at(client: Client, workflow: Mapping[str, Any], span: Periods, *, trends: bool) -> Seen:
    flow = workflow["workflow_id"]
    source = open_source(client, flow, progress=False)
    kept, evals = Memory(source), source.saved.height
    told = {"workflow_id": flow, "name": workflow["name"], "n_evals": evals}
    told |= {"read_at": client.api_time, "mark": "○"}
    if kept.listing.present.is_empty():
        return Seen(told | {"headline": "○ No run yet" if evals else "○ No evals yet"})
    verdict = make_verdict(Question(), kept, progress=False).comparison
    facts = inside(verdict).facts()
    history = read_history(kept, span, trends=trends)
    last_days = [each.until for each in inside(verdict).sides.accepted.accepted if each.until]
    broken = facts.of(*BROKEN)
    return Seen(
        told | _tell_verdict(verdict, verdict.gate()),
        list_unwell(verdict, flow),
        facts.notes,
        replace(history, heading=write_heading(facts), until=min(last_days, default=None)),
        Counter(each.block_id for each in broken if each.block_id is not None),
        source.labels,
        sum(each.cause == "edit" for each in broken),
        tuple(each.since_at for each in broken if each.since_at is not None),
    )


def _tell_verdict(verdict: Comparison, gate: Gate) -> dict[str, Any]:
    facts = inside(verdict).facts(gate)
    headline = str(write_heading(facts))
    told: dict[str, Any] = {"headline": headline, "mark": headline[0], "version": facts.version}
    counts = {"broken": facts.of(*BROKEN), "unclear": facts.of("suspect")}
    told |= {name: len(its) for name, its in (counts | {"accepted": facts.accepted}).items()}
    return told | {"exit_code": gate.exit_code}


def _tell_unread(workflow: Mapping[str, Any], error: object) -> dict[str, Any]:
    told = {name: workflow[name] for name in ("workflow_id", "name")}
    return told | {"mark": UNREAD, "headline": f"{UNREAD} Not read: {one_line(str(error), 200)}"}


def index_checks(
    checked: Mapping[str, tuple[Comparison, Gate] | str], links: Mapping[str, str]
) -> Week:
    """The page of some checks with links to their reports; of one without answer, why."""
    rows: list[dict[str, Any]] = []
    for flow, answer in checked.items():
        if isinstance(answer, str):
            rows.append(_tell_unread({"workflow_id": flow, "name": None}, answer))
            continue
        known = inside(answer[0]).sides.around.workflow
        name = None if known is None or known.is_empty() else known["name"][0]
        told = {"workflow_id": flow, "name": name, "n_evals": answer[0].evals.height}
        rows.append(told | _tell_verdict(*answer))
    frame = _order(pl.DataFrame(rows, schema=OVERVIEW))
    return make_week(frame, BLOCKS.to_frame(), {}, None, links=links)


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
        (_day(row["since_at"]) if row["since_at"] else None,),
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


def _day(moment: object) -> str:
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
