"""``overview``: all workflows at a glance."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import polars as pl

from retab_analysis.analysis.triage import WHY, eval_state, why_failing
from retab_analysis.archive import Archive
from retab_analysis.arguments import check_count
from retab_analysis.checks.drift import DRIFT, find_drift
from retab_analysis.checks.kept import archive_or_none, read_kept
from retab_analysis.checks.plan import HISTORY, RunListing
from retab_analysis.errors import ConfigError, RetabAnalysisError
from retab_analysis.fetch import fetch_workflows
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.lists import read_evals
from retab_analysis.fetch.params import check_text
from retab_analysis.fetch.threads import TaskOutcomes, run_all
from retab_analysis.markup import one_line
from retab_analysis.progress import Progress, check_progress, choose_progress
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
from retab_analysis.schema.polars_threads import check_polars_threads
from retab_analysis.transport import Client
from retab_analysis.vocabulary import FAILING

OVERVIEW = pl.Schema(
    {
        "workflow_id": pl.String(),
        "name": pl.String(),
        **dict.fromkeys(("evals", "passing", *WHY), pl.Int64()),
        "last_run_at": pl.Datetime("us", "UTC"),
        "last_run_id": pl.String(),
        "last_ok_at": pl.Datetime("us", "UTC"),
        "published_version_id": pl.String(),
        "published_at": pl.Datetime("us", "UTC"),
        "published_description": pl.String(),
    }
)
"""The columns of ``Overview.frame``, one row per workflow."""

_COLUMNS = (
    *(ColumnTitle("Workflow"), ColumnTitle("Passing"), ColumnTitle("Not passing, because")),
    *(ColumnTitle(f"{each} (UTC)", named=True) for each in ("Last run", "All green", "Published")),
)
_WORDS = {
    "block_changed": "block changed",
    "inputs_changed": "inputs changed",
    "eval_edited": "eval edited",
    "same_code": "on the same code",
    "never_passed": "never passed",
}

Row = Mapping[str, Any]
Seen = tuple[pl.DataFrame, RunListing, pl.DataFrame]
"""What was seen of a workflow: its row, its newest runs, its saved evals."""


@dataclass(frozen=True, eq=False, repr=False)
class Overview:
    """How all workflows stand, from what their saved evals remember.

    Attributes:
        frame: One row per workflow, see :func:`overview`.
        drift: One row per eval that something broke which changed for all workflows.
        changed: The same in words; empty where there is no such thing.
    """

    frame: pl.DataFrame
    drift: pl.DataFrame = field(default_factory=DRIFT.to_frame)
    changed: str = ""

    def _repr_html_(self) -> str:
        rows = tuple(map(_make_row, self.frame.iter_rows(named=True)))
        parts: list[Part] = [Note(write_line(self.changed))] if self.changed else []
        parts.append(DocumentTable(_COLUMNS, rows))
        # How to go on with the workflow of which least passes.
        least = self.frame.filter(pl.col("evals") > 0).sort(pl.col("passing") / pl.col("evals"))
        for workflow_id in least["workflow_id"].head(1):
            code = Span(f"ra.explore(workflow_id={workflow_id!r})", "code")
            parts.append(Note(write_line(code, " opens the runs and results of one")))
        return str(to_html(*parts))

    def __repr__(self) -> str:
        lines = [
            f"{row['name'] or row['workflow_id']} ({row['workflow_id']}): "
            f"{row['passing']} of {row['evals']} evals pass{_why(row)}"
            for row in self.frame.iter_rows(named=True)
        ]
        told = [self.changed] if self.changed else []
        return "\n".join(map(one_line, [*told, *lines])) or "no workflows"


def overview(
    workflows: str | Iterable[str] | pl.DataFrame | None = None,
    *,
    history: int = 0,
    archive: Archive | None = None,
    client: Client | None = None,
    progress: Progress | bool | None = None,
) -> Overview:
    """Show how all workflows stand: what passes, what does not, and what changed since it did.

    Takes two requests for a workflow of up to 100 evals, several workflows at once.

    Args:
        workflows: An id, several, or a WORKFLOWS frame; None for all that there are.
        history: How many earlier runs of each workflow to read, as :func:`check` does, to find what
            changed for all of them at once: a provider's upgrade breaks so few evals of each that
            one workflow does not show it. 0 reads no results; 10 suffice, with one request or a few
            for each run.
        archive: Brought up to date first, and read instead of the API, as for :func:`check`; 30
            earlier runs of each workflow then, unless ``history`` says another number.
        client: What to ask; the default one if not given.
        progress: False for no progress bar; None shows one where there is a notebook or a terminal.

    Returns:
        The overview, in a notebook a status board. Its ``.frame`` has one row per workflow:
        ``workflow_id, name, evals, passing``, how many do not pass and why so (``block_changed,
        inputs_changed, eval_edited, same_code, never_passed``, see :func:`triage`), ``last_run_at,
        last_run_id, last_ok_at`` (of whole-workflow runs among the newest 100),
        ``published_version_id, published_at, published_description``. With ``history`` its
        ``.drift`` has one row per eval that such a change probably broke, on code that nobody
        edited then, and ``.changed`` says so in a sentence: ``workflow_id, eval_name, eval_id,
        block_id``, ``p`` (the probability that it got worse then, and was not mended since),
        ``since_at, since_run_id`` (its first result that shows it).

    Raises:
        ConfigError: A workflow that does not exist, or another argument that cannot be used.
        RetabAnalysisError: Any other failure; ``.partial`` is the frame of the others.

    Example:
        >>> board = ra.overview()
        >>> board.frame.filter(pl.col("block_changed") > 0)["workflow_id"].to_list()
        [...'wf_invoices'...]
        >>> board = ra.overview(history=10)
        >>> board.drift.is_empty(), board.changed  # nothing changed for all
        (True, '')
    """
    check_count("history", history)
    check_progress(progress)
    check_polars_threads()
    client = client_or_default(client)
    chosen = _choose(workflows, fetch_workflows(client=client, progress=False))
    kept = archive_or_none(archive)
    if kept is not None:
        history = history or HISTORY
    shown = choose_progress(progress, "Looking at workflows", "workflows")
    outcomes: TaskOutcomes[Seen] = TaskOutcomes()
    tasks = [partial(_look_at, client, row, kept) for row in chosen.iter_slices(1)]
    total = len(tasks) * (2 if history else 1)

    def update() -> None:
        shown.update(len(outcomes.results) + len(outcomes.errors), total)

    with contextlib.closing(shown):
        # Of two syncs one waits for the other.
        run_all(tasks, client.max_concurrency if kept is None else 1, outcomes, update)
        seen = [outcomes.results[at] for at in sorted(outcomes.results)]
        frame = pl.concat([pl.DataFrame(schema=OVERVIEW), *(row for row, *_ in seen)])
        try:
            if error := outcomes.error():
                raise error
            if not history:
                return Overview(frame)
            read = [(listing, evals) for _, listing, evals in seen]
            found = find_drift(read, history, lambda done: shown.update(len(tasks) + done, total))
        except RetabAnalysisError as error:
            error.partial = frame
            raise
    return Overview(frame, *found)


def _choose(wanted: object, known: pl.DataFrame) -> pl.DataFrame:
    if wanted is None:
        return known
    if isinstance(wanted, pl.DataFrame):
        if "workflow_id" not in wanted.columns:
            raise ConfigError("workflows: the frame has no column workflow_id")
        ids = wanted["workflow_id"].to_list()
    elif isinstance(wanted, str):
        ids = [wanted]
    elif isinstance(wanted, Iterable):
        ids = list(wanted)
    else:
        raise ConfigError(f"workflows must be ids or a WORKFLOWS frame, got {wanted!r}")
    for workflow_id in ids:
        check_text("workflows", workflow_id)
    unknown = [each for each in ids if each not in set(known["workflow_id"])]
    if unknown:
        there = ", ".join(known["workflow_id"].head(20)) or "none"
        raise ConfigError(f"workflows: there is no {', '.join(unknown[:5])}; there are {there}")
    return known.filter(pl.col("workflow_id").is_in(ids))


def _look_at(client: Client, workflow: pl.DataFrame, archive: Archive | None) -> Seen:
    """The row of one workflow, and what it is made of."""
    workflow_id = workflow["workflow_id"].item()
    kept = None if archive is None else read_kept(archive, workflow_id, client, progress=False)
    evals = read_evals(client, workflow_id) if kept is None else kept.saved
    listing = RunListing.read(client, workflow_id, kept)
    told = workflow.with_columns(*summarize_evals(evals), *summarize_runs(listing.runs))
    row = told.select(pl.col(name).cast(dtype) for name, dtype in OVERVIEW.items())
    return row, listing, evals


def summarize_evals(evals: pl.DataFrame) -> list[pl.Series]:
    """How many evals of an EVALS frame pass, and why the others do not."""
    state = eval_state()
    failing = state.is_in(FAILING)
    return evals.select(
        pl.len().alias("evals"),
        (state == "passed").sum().alias("passing"),
        *((failing & (why_failing() == why)).sum().alias(why) for why in WHY),
    ).get_columns()


def summarize_runs(runs: pl.DataFrame) -> list[pl.Series]:
    """The newest whole-workflow run of a RUNS frame, and the newest that was wholly ok."""
    whole = runs.filter(pl.col("scope") == "workflow").sort("created_at")
    last = whole.tail(1) if whole.height else RUNS.empty().clear(1)
    ok = whole.filter(pl.col("ok").fill_null(False))["created_at"].max()
    return [
        last["created_at"].alias("last_run_at"),
        last["run_id"].alias("last_run_id"),
        pl.Series("last_ok_at", [ok], pl.Datetime("us", "UTC")),
    ]


def _make_row(row: Row) -> DocumentRow:
    """A workflow's row in the table."""
    sign: tuple[str, Tone, str] = "✗", "bad", "not all pass"
    if row["passing"] == row["evals"]:
        sign = ("✓", "good", "all pass") if row["evals"] else ("○", "other", "no evals")
    cells = (
        (row["name"] or row["workflow_id"], row["workflow_id"]),
        (f"{row['passing']} of {row['evals']}",),
        (_why(row).removeprefix("; "),),
        (_day(row["last_run_at"]),),
        (_day(row["last_ok_at"]),),
        (_day(row["published_at"]), row["published_description"]),
    )
    lines = ([write_line(one_line(each)) for each in cell if each] for cell in cells)
    return DocumentRow(*sign, tuple(Cell(tuple(each)) for each in lines))


def _why(row: Row) -> str:
    parts = [f"{row[why]} {words}" for why, words in _WORDS.items() if row[why]]
    # Those that are running, were cancelled or never ran, or whose fingerprints are not known.
    if rest := row["evals"] - row["passing"] - sum(row[why] or 0 for why in _WORDS):
        parts.append(f"{rest} without a verdict or a known cause")
    return f"; {', '.join(parts)}" if parts else ""


def _day(moment: object) -> str:
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
