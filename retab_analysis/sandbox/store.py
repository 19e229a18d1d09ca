"""What the API knows at each instant: a world, its past runs, and those that are started now."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from retab_analysis.sandbox.encoding import to_json
from retab_analysis.sandbox.instants import MINUTE, SECOND, wall_clock
from retab_analysis.sandbox.queries import (
    ConflictError,
    Key,
    NotFoundError,
    Page,
    PageQuery,
    R,
    RunFilter,
    Scope,
    SortedRows,
)
from retab_analysis.sandbox.simulation.planning import Circumstances, active_evals, make_plan
from retab_analysis.sandbox.simulation.serial_queue import SerialQueue
from retab_analysis.sandbox.simulation.simulated_runs import SimulatedEval, SimulatedRun
from retab_analysis.sandbox.simulation.timing import TERMINAL
from retab_analysis.sandbox.world.definition_documents import (
    Document,
    block_document,
    blocks_of,
    edited_at,
    publication_document,
    version_diff,
    version_document,
    workflow_created,
    workflow_document,
)
from retab_analysis.sandbox.world.model import File, SavedEval, Version, Workflow, World

# The slowest and the fastest speed.
SPEEDS = (1e-9, 1e9)
# When nobody asked for long, no more than this is played back: a laptop that slept for a week
# would otherwise come back to thousands of runs.
_LONGEST_REPLAY = 30 * MINUTE


class EncodedRow(NamedTuple):
    """A row of a list, as the API sends it."""

    id: str
    json: bytes


class Store:
    """The state behind the API; safe for many threads, and every answer is of one instant.

    It begins with a world and the runs of its past. ``clock`` gives microseconds since 1970.
    """

    def __init__(
        self,
        world: World,
        runs: Iterable[SimulatedRun] = (),
        *,
        speed: float = 1.0,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self._world, self._pace, self._clock = world, 1 / checked_speed(speed), clock
        self._lock = threading.RLock()
        self._now = clock()
        self._workflows = {workflow.id: workflow for workflow in world.workflows}
        self._runs: dict[str, SimulatedRun] = {}
        self._results: dict[str, tuple[SimulatedRun, int]] = {}
        self._evals: dict[str, SimulatedEval] = {}
        self._sorted_runs: dict[str | None, SortedRows[SimulatedRun]] = {None: SortedRows()}
        self._sorted_evals: dict[str, SortedRows[SimulatedEval]] = {}
        self._started = Counter[str]()
        for workflow in world.workflows:
            self._add_evals(workflow)
        for run in runs:
            self._add_run(run)
        replay = round(_LONGEST_REPLAY * self._pace)
        self._queue = SerialQueue(self._next_in_flight, longest_replay=replay)
        for stream in range(len(world.in_flight)):
            # The runs in flight look as if they had been so for a while.
            ago = max(1, 9 - 4 * stream) * SECOND
            self._queue.open_stream(stream, self._now - round(ago * self._pace))

    def _add_evals(self, workflow: Workflow) -> None:
        rows = self._sorted_evals[workflow.id] = SortedRows()
        for saved in workflow.evals:
            if saved.removed is None:
                row = self._evals[saved.id] = SimulatedEval(saved, workflow)
                rows.add((row.created, row.id), row)

    def _add_run(self, run: SimulatedRun) -> None:
        self._runs[run.id] = run
        for workflow_id in (None, run.workflow_id):
            rows = self._sorted_runs.setdefault(workflow_id, SortedRows())
            rows.add((run.created, run.id), run)
        for position, child in enumerate(run.plan.children):
            self._results[run.result_ids[position]] = (run, position)
            if child.eval.id in self._evals:
                self._evals[child.eval.id].add(run, position)

    @contextmanager
    def _reading(self) -> Iterator[int]:
        """Hold the state still at one reading of the clock, which never goes back."""
        with self._lock:
            self._now = max(self._now, self._clock())
            self._queue.advance(self._now)
            yield self._now

    def sizes(self) -> tuple[int, int, int]:
        """Count workflows, saved evals and runs."""
        with self._reading():
            return len(self._workflows), len(self._evals), len(self._runs)

    # Runs

    def list_runs(
        self, narrow: RunFilter, query: PageQuery, sort_by: str = "created_at"
    ) -> Page[EncodedRow]:
        """Give a page of runs."""
        with self._reading() as now:
            by_update = sort_by == "updated_at"
            rows = self._sorted_runs.get(narrow.workflow_id, SortedRows())
            if by_update:
                rows = SortedRows([((run.updated(now), run.id), run) for run in rows.rows])

            def locate(run_id: str) -> Key | None:
                run = self._runs.get(run_id)
                if run is None:
                    return None
                return (run.updated(now) if by_update else run.created, run.id)

            page = rows.page(query, locate, lambda run: _is_wanted(run, narrow, now))
            return _encoded(page, lambda run: run.json(now))

    def get_run(self, run_id: str) -> bytes:
        """Give one run."""
        with self._reading() as now:
            return self._run(run_id).json(now)

    def create_run(self, workflow_id: str, scope: Scope) -> bytes:
        """Start a run on the newest version of a workflow."""
        with self._reading() as now:
            workflow = self._workflow(workflow_id)
            evals = _evals_in_scope(workflow, scope, now)
            block_id = evals[0].block.id if scope.eval_id else scope.block_id
            run = self._start(workflow, evals, now, "api", Scope(scope.eval_id, block_id))
            self._queue.submit(run)
            return run.json(now)

    def cancel_run(self, run_id: str) -> bytes:
        """Cancel a run that has not ended."""
        with self._reading() as now:
            run = self._run(run_id)
            status = run.status(now)
            if status in TERMINAL:
                message = f"Run '{run_id}' is {status} and cannot be cancelled"
                raise ConflictError("run_not_cancellable", message, {"status": status})
            self._queue.cancel(run, now)
            return run.json(now)

    def _run(self, run_id: str) -> SimulatedRun:
        if run_id not in self._runs:
            raise NotFoundError("workflow eval run", run_id)
        return self._runs[run_id]

    def _start(
        self,
        workflow: Workflow,
        evals: list[SavedEval],
        created: int,
        trigger: str,
        scope: Scope,
        least_delay_ms: int = 0,
    ) -> SimulatedRun:
        # The first run that a client starts is the same, however many have run by themselves.
        self._started[trigger] += 1
        name, seed = f"run {trigger} {self._started[trigger]}", self._world.seed
        plan = make_plan(
            *(workflow, workflow.newest, evals, created, trigger, seed, name, Circumstances()),
            eval_id=scope.eval_id,
            block_id=scope.block_id,
        )
        plan = replace(plan, delay_ms=max(plan.delay_ms, least_delay_ms))
        run = SimulatedRun(plan, pace=self._pace)
        self._add_run(run)
        return run

    def _next_in_flight(self, stream: int, created: int) -> SimulatedRun:
        turns = self._world.in_flight[stream]
        workflow_id, block_id = turns[self._started.total() % len(turns)]
        workflow, scope = self._workflows[workflow_id], Scope(block_id=block_id)
        evals = _evals_in_scope(workflow, scope, created)
        trigger = ("webhook", "schedule")[stream % 2]
        # A tenth of a real second: however fast time goes, the history does not flood.
        return self._start(workflow, evals, created, trigger, scope, round(100 / self._pace))

    # Results

    def list_results(self, run_id: str, query: PageQuery) -> Page[EncodedRow]:
        """Give a page of a run's results."""
        with self._reading() as now:
            run = self._run(run_id)
            rows = map(EncodedRow, run.result_ids, run.results_json(now))

            def locate(result_id: str) -> Key | None:
                found, position = self._results.get(result_id, (None, 0))
                return (position, result_id) if found is run else None

            numbered = [((position, row.id), row) for position, row in enumerate(rows)]
            return SortedRows(numbered).page(query, locate)

    def get_result(self, result_id: str) -> bytes:
        """Give one result."""
        with self._reading() as now:
            if result_id not in self._results:
                raise NotFoundError("workflow eval result", result_id)
            run, position = self._results[result_id]
            return run.results_json(now)[position]

    # Evals, workflows, versions, files

    def list_evals(
        self, workflow_id: str, block_id: str | None, query: PageQuery
    ) -> Page[EncodedRow]:
        """Give a page of a workflow's saved evals."""
        with self._reading() as now:
            rows = self._sorted_evals[self._workflow(workflow_id).id]

            def locate(eval_id: str) -> Key | None:
                row = self._evals.get(eval_id)
                return None if row is None else (row.created, row.id)

            page = rows.page(query, locate, lambda row: block_id in (None, row.block_id))
            return _encoded(page, lambda row: row.json(now))

    def get_eval(self, eval_id: str) -> bytes:
        """Give one saved eval."""
        with self._reading() as now:
            if eval_id not in self._evals:
                raise NotFoundError("workflow eval", eval_id)
            return self._evals[eval_id].json(now)

    def list_workflows(
        self, query: PageQuery, project_id: str | None = None, sort_by: str = "updated_at"
    ) -> Page[EncodedRow]:
        """Give a page of workflows."""
        by_creation = sort_by == "created_at"
        keys = {
            workflow.id: (
                workflow_created(workflow) if by_creation else workflow.newest.at,
                workflow.id,
            )
            for workflow in self._workflows.values()
        }
        rows = SortedRows([(keys[workflow.id], workflow) for workflow in self._workflows.values()])
        page = rows.page(query, keys.get, lambda row: project_id in (None, row.project_id))
        return _encoded(page, lambda row: to_json(workflow_document(row)))

    def _workflow(self, workflow_id: str) -> Workflow:
        if workflow_id not in self._workflows:
            raise NotFoundError("workflow", workflow_id)
        return self._workflows[workflow_id]

    def list_versions(self, workflow_id: str, query: PageQuery) -> Page[EncodedRow]:
        """Give a page of what was published of a workflow."""
        workflow = self._workflow(workflow_id)
        rows = {
            (told.ordinal, told.id): publication_document(workflow, version, told)
            for version, told in workflow.published
        }
        return _page_of(rows, query)

    def get_version(self, workflow_id: str, version_id: str) -> bytes:
        """Give a published version."""
        workflow = self._workflow(workflow_id)
        return to_json(version_document(workflow, _version(workflow, version_id)))

    def list_blocks(self, workflow_id: str, query: PageQuery) -> Page[EncodedRow]:
        """Give a page of the blocks of a workflow's draft, ordered by when they were edited."""
        workflow = self._workflow(workflow_id)
        rows = {
            (edited_at(workflow, block), block.id): block_document(workflow, block)
            for block in blocks_of(workflow, workflow.newest)
        }
        return _page_of(rows, query)

    def diff_versions(self, workflow_id: str, baseline: str, candidate: str) -> bytes:
        """Give what changed from one published version of a workflow to another."""
        workflow = self._workflow(workflow_id)
        old, new = _version(workflow, baseline), _version(workflow, candidate)
        return to_json(version_diff(workflow, old, new))

    def file(self, file_id: str) -> File:
        """Give what is known about a file; there are no real documents here."""
        if file_id not in self._world.files:
            raise NotFoundError("file", file_id)
        return self._world.files[file_id]


def checked_speed(speed: float) -> float:
    """Give the speed back; too far from 1, instants would leave the years that ISO 8601 has."""
    low, high = SPEEDS
    number = isinstance(speed, int | float) and not isinstance(speed, bool)
    if not (number and low <= speed <= high):
        raise ValueError(
            f"speed must be a positive number (from {low:g} to {high:g}), not {speed!r}"
        )
    return speed


def _encoded(page: Page[R], encode: Callable[[R], bytes]) -> Page[EncodedRow]:
    rows = [EncodedRow(row.id, encode(row)) for row in page.rows]
    return Page(rows, page.before, page.after)


def _page_of(rows: Mapping[Key, Document], query: PageQuery) -> Page[EncodedRow]:
    """Give a page of a few documents by their keys."""
    places = {key[1]: key for key in rows}
    encoded = [(key, EncodedRow(key[1], to_json(row))) for key, row in rows.items()]
    return SortedRows(encoded).page(query, places.get)


def _is_wanted(run: SimulatedRun, narrow: RunFilter, now: int) -> bool:
    """Say whether a filter keeps a run; the status, which may cost most, comes last."""
    return (
        narrow.eval_id in (None, run.eval_id)
        and narrow.target_block_id in (None, run.block_id)
        and narrow.trigger_type in (None, run.trigger)
        and (narrow.from_date is None or run.created >= narrow.from_date)
        and (narrow.to_date is None or run.created <= narrow.to_date)
        and (narrow.status is None or run.status(now) == narrow.status)
        and (narrow.exclude_status is None or run.status(now) != narrow.exclude_status)
    )


def _evals_in_scope(workflow: Workflow, scope: Scope, now: int) -> list[SavedEval]:
    """List the evals that a new run on the newest version takes."""
    evals = active_evals(workflow, workflow.newest, now)
    if scope.eval_id is not None:
        chosen = [saved for saved in evals if saved.id == scope.eval_id]
        if not chosen:
            raise NotFoundError("workflow eval", scope.eval_id)
        return chosen
    if scope.block_id is not None:
        if scope.block_id not in workflow.newest.revisions:
            raise NotFoundError("block", scope.block_id)
        return [saved for saved in evals if saved.block.id == scope.block_id]
    return evals


def _version(workflow: Workflow, version_id: str) -> Version:
    """Find a published version; the API cannot address a draft, and says that there is none."""
    for version, _ in workflow.published:
        if version.id == version_id:
            return version
    raise NotFoundError("workflow version", version_id)
