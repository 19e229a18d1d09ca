"""``overview``: all workflows at a glance, or one with its evals that do not pass."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import polars as pl

from retab_analysis.analysis.periods import Length
from retab_analysis.checks.defaults import open_source
from retab_analysis.checks.plan import RunListing
from retab_analysis.checks.verdict import Memory, Question, make_verdict
from retab_analysis.checks.week import (
    BLOCKS,
    UNREAD,
    USUAL,
    Periods,
    Seen,
    add_runs,
    head_up,
    list_blocks,
    make_board,
    sum_up,
)
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.conclusion import write_heading
from retab_analysis.comparison.detail import WORDS
from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.shown import Shown
from retab_analysis.fetch import fetch_workflows
from retab_analysis.fetch.lists import resolve_named
from retab_analysis.fetch.params import check_text, client_or_default
from retab_analysis.fetch.starts import SAVE_FIRST
from retab_analysis.fetch.threads import TaskOutcomes, run_all
from retab_analysis.markup import one_line
from retab_analysis.progress import Progress, check_progress, say, show_progress
from retab_analysis.render.document import (
    Cell,
    Document,
    DocumentTable,
    Heading,
    Note,
    Part,
    Row,
    Span,
    TableColumn,
    write_line,
)
from retab_analysis.render.door import Door
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

_EVAL_COLUMNS = (*map(TableColumn, ("Eval", "Because", "Block")), TableColumn("Since", named=True))
_AT_ONCE = 4  # workflows: each has so many connections as a fetch


@dataclass(frozen=True, eq=False, repr=False)
class Overview(Shown, called="overview"):
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
        return str(head_up(self._seen))

    def _document(self, door: Door) -> Document:
        more, does = list[Part](), " lists the evals of one that do not pass"
        called, rows = "overview", self.frame.rows(named=True)
        if self.workflow is not None:
            more += [DocumentTable(_EVAL_COLUMNS, tuple(map(_make_eval_row, rows)))] if rows else []
            called, does = "check", " shows the edit, and what each eval got"
        if rows and door.passing:
            code = Span(f"ra.{called}({self._seen[0].told['workflow_id']!r})", "code")
            more.append(Note(write_line(code, does)))
        more += [Note(write_line(each)) for each in self._notes]
        return make_board(self._seen, self._span, door, more)


def overview(
    workflow_id: str | Iterable[str] | None = None,
    *,
    every: str | None = None,
    client: Client | None = None,
    progress: Progress | bool | None = None,
) -> Overview:
    """Show how all workflows stand, or one: the answer of :func:`check` for each, the worst first.

    It reads the lists of all workflows, then it checks four workflows at a time. With an archive
    (:func:`use`), it fetches only new runs. :func:`write_report` makes a page of it to give away.

    Args:
        workflow_id: The id or name of a workflow, or of several; by default all workflows.
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
    several: Any = None if workflow_id is None else [workflow_id]
    if not isinstance(workflow_id, str) and isinstance(workflow_id, Iterable):
        several = [*workflow_id]
    is_single = isinstance(workflow_id, str)
    for each in several or ():
        check_text("workflow_id", each)
    if every is not None:
        Length.read(every)  # which refuses an unusable one
    client = client_or_default(client)
    chosen = fetch_workflows(client=client, progress=False)
    if several is not None:
        names = dict(chosen.select("workflow_id", "name").iter_rows())
        ids = [resolve_named(client, "workflow", e, names, parts=True) for e in several]
        chosen = chosen.filter(pl.col("workflow_id").is_in(ids))
    elif chosen.is_empty():
        say(f"There is no workflow. {client.describe_environment()}.")
    rows, trends, done = chosen.to_dicts(), every is not None, itertools.count(1)
    with show_progress(progress, "Looking at workflows", "workflows") as bar:

        def update() -> None:
            bar.update(next(done) // 2, len(rows))  # each is opened, then judged

        # All lists first: no workflow waits for the results of another one.
        opens = [partial(_open, client, listed) for listed in chosen.iter_slices(1)]
        opened = run_all(opens, _AT_ONCE, on_done=update)
        newest: Any = [each.listing.runs["created_at"].max() for each in opened.results.values()]
        last = max(filter(None, newest), default=client.api_time)
        span = Periods.until(last, every or USUAL)
        tasks = [partial(_look_at, opened, at, row, span, trends) for at, row in enumerate(rows)]
        outcomes = run_all(tasks, _AT_ONCE, on_done=update)
    if (error := outcomes.error()) and (is_single or not outcomes.results):
        raise error
    seen = outcomes.results
    for at in {*range(len(rows))} - seen.keys():
        seen[at] = _see_unread(rows[at], outcomes.errors.get(at, error))
    return _sum_up([seen[at] for at in range(len(rows))], span, is_single=is_single)


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


def _open(client: Client, listed: pl.DataFrame) -> Memory:
    source = open_source(client, listed["workflow_id"][0], progress=False)
    source.find_workflow = lambda: listed
    return Memory(source, RunListing.read(source))


def _look_at(
    opened: TaskOutcomes[Memory], at: int, workflow: Mapping[str, Any], span: Periods, trends: bool
) -> Seen:
    if at not in opened.results and (error := opened.errors.get(at) or opened.error()):
        raise error
    kept, flow = opened.results.pop(at), workflow["workflow_id"]
    source, evals = kept.source, kept.source.saved.height
    told = {"workflow_id": flow, "name": workflow["name"], "n_evals": evals}
    told["read_at"] = source.client.api_time
    if kept.listing.present.is_empty():
        nothing = Heading("○", "other", "No run yet" if evals else "No evals yet")
        notes = () if evals else (f"{SAVE_FIRST.format(flow)}.",)
        return Seen(told, nothing, notes=notes)
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
    name = Span(one_line(row["eval_name"] or row["eval_id"], 200), title=row["eval_id"])
    since = f"{row['since_at']:%Y-%m-%d %H:%M}" if row["since_at"] else ""
    told = row["reason"] or word, row["block_label"] or row["block_id"], since
    cells = (Cell("", (write_line(one_line(each, 200)),)) for each in told)
    brief = write_line(one_line(told[0], 200), f", block {one_line(told[1])}" * bool(told[1]))
    return Row(row["eval_id"], sign, tone, word, (Cell("name", (write_line(name),)), *cells), brief)
