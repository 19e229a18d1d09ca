"""What the API knows at each instant: lookups, pages and filters over a world and its live runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from retab_analysis.sandbox.diff import version_diff
from retab_analysis.sandbox.encoding import page_json, to_json
from retab_analysis.sandbox.http.messages import coded, not_found
from retab_analysis.sandbox.instants import MINUTE, SECOND, wall_clock
from retab_analysis.sandbox.paging import Key, PageQuery, Shelf
from retab_analysis.sandbox.queries import RunFilter, Scope
from retab_analysis.sandbox.rows import (
    EvalRow,
    Place,
    RecordedEval,
    ResultRow,
    SimulatedEval,
    WorkflowRow,
)
from retab_analysis.sandbox.serial_queue import SerialQueue
from retab_analysis.sandbox.simulation.planning import Circumstances, make_plan, scoped_evals
from retab_analysis.sandbox.simulation.simulated_runs import Run, SimulatedRun
from retab_analysis.sandbox.simulation.timing import TERMINAL
from retab_analysis.sandbox.world.model import File, SavedEval, Workflow
from retab_analysis.sandbox.world.world import World


class Store:
    """The state behind the API; safe for many threads, and every answer is of one instant.

    Args:
        world: What there is at the start.
        speed: How fast live runs go: 10 is ten times as fast as life.
        clock: Gives the time in microseconds since 1970.

    Raises:
        ValueError: A speed that is not a positive, finite number.
    """

    def __init__(
        self, world: World, *, speed: float = 1.0, clock: Callable[[], int] = wall_clock
    ) -> None:
        if not 0 < speed < float("inf"):
            raise ValueError(f"speed must be a positive number, not {speed!r}")
        self._world, self._pace, self._clock = world, 1 / speed, clock
        self._lock = threading.RLock()
        self._now = clock()
        self._workflows = {workflow.id: workflow for workflow in world.workflows}
        self._runs: dict[str, Run] = {}
        self._results: dict[str, tuple[Run, int]] = {}
        self._evals: dict[str, EvalRow] = {}
        self._run_shelves: dict[str | None, Shelf[Run]] = {None: Shelf()}
        self._eval_shelves: dict[str, Shelf[EvalRow]] = {}
        self._live = 0
        self._fill()
        self._queue = SerialQueue(
            len(world.in_flight), self._refill, rest=round(30 * MINUTE * self._pace)
        )
        # The runs in flight look as if they had been so for a while.
        self._queue.open([self._now - round(ago * SECOND * self._pace) for ago in (9, 5)])

    def _fill(self) -> None:
        documents = [dict(workflow.document) for workflow in self._workflows.values()]
        self._workflow_rows = {
            row.id: row for row in map(WorkflowRow, [*documents, *self._world.recorded_workflows])
        }
        self._eval_shelves = {name: Shelf() for name in self._workflow_rows}
        for workflow in self._workflows.values():
            for saved in workflow.evals:
                self._add_eval(SimulatedEval(saved, workflow), listed=saved.removed is None)
        for document in self._world.recorded_evals:
            self._add_eval(RecordedEval(document), listed=True)
        for run in self._world.runs:
            self._add_run(run)

    def _add_eval(self, row: EvalRow, *, listed: bool) -> None:
        if listed:
            self._evals[row.id] = row
            self._eval_shelves.setdefault(row.workflow_id, Shelf()).add((row.created, row.id), row)

    def _add_run(self, run: Run) -> None:
        self._runs[run.id] = run
        for name in (None, run.workflow_id):
            self._run_shelves.setdefault(name, Shelf()).add((run.created, run.id), run)
        for position, ident in enumerate(run.result_ids):
            self._results[ident] = (run, position)
        if isinstance(run, SimulatedRun):
            for position, child in enumerate(run.plan.children):
                row = self._evals.get(child.eval.id)
                if isinstance(row, SimulatedEval):
                    row.places.append(Place(run, position))

    @contextmanager
    def _reading(self) -> Iterator[int]:
        """Hold the state still at one reading of the clock, which never goes back."""
        with self._lock:
            self._now = max(self._now, self._clock())
            self._queue.advance(self._now)
            yield self._now

    # Runs

    def list_runs(self, narrow: RunFilter, query: PageQuery, sort_by: str = "created_at") -> bytes:
        """Give a page of runs."""
        with self._reading() as now:
            shelf = self._run_shelves.get(narrow.workflow_id, Shelf())
            if sort_by == "updated_at":
                shelf = Shelf([((run.updated(now), run.id), run) for run in shelf.rows])
            page = shelf.page(
                query,
                lambda ident: self._run_key(ident, sort_by, now),
                lambda run: narrow.keeps(run, now),
            )
            return page_json([run.json(now) for run in page.rows], page.before, page.after)

    def _run_key(self, ident: str, sort_by: str, now: int) -> Key | None:
        run = self._runs.get(ident)
        if run is None:
            return None
        return (run.updated(now) if sort_by == "updated_at" else run.created, run.id)

    def get_run(self, run_id: str) -> bytes:
        """Give one run."""
        with self._reading() as now:
            return self._run(run_id).json(now)

    def create_run(self, workflow_id: str, scope: Scope) -> bytes:
        """Start a run on the newest version of a workflow."""
        with self._reading() as now:
            if workflow_id not in self._workflow_rows:
                raise not_found("workflow", workflow_id)
            workflow = self._workflows.get(workflow_id)
            if workflow is None:
                raise coded(422, "not_runnable", f"Workflow '{workflow_id}' is only a recording")
            evals = scoped_evals(workflow, scope, now)
            block_id = evals[0].block.id if scope.eval_id else scope.block_id
            run = self._simulate(workflow, evals, now, "api", scope.eval_id, block_id)
            self._queue.submit(run)
            return run.json(now)

    def cancel_run(self, run_id: str) -> bytes:
        """Cancel a run that has not ended."""
        with self._reading() as now:
            run = self._run(run_id)
            status = run.status(now)
            if status in TERMINAL or not isinstance(run, SimulatedRun):
                message = f"Run '{run_id}' is {status} and cannot be cancelled"
                raise coded(409, "run_not_cancellable", message, {"status": status})
            self._queue.cancel(run, now)
            return run.json(now)

    def _run(self, run_id: str) -> Run:
        run = self._runs.get(run_id)
        if run is None:
            raise not_found("workflow eval run", run_id)
        return run

    def _simulate(
        self,
        workflow: Workflow,
        evals: list[SavedEval],
        created: int,
        trigger: str,
        eval_id: str | None,
        block_id: str | None,
        least_delay_ms: int = 0,
    ) -> SimulatedRun:
        self._live += 1
        plan = make_plan(
            workflow,
            workflow.newest,
            evals,
            created,
            trigger,
            self._world.seed,
            f"live {self._live}",
            Circumstances(),
            eval_id=eval_id,
            block_id=block_id,
        )
        plan = replace(plan, delay_ms=max(plan.delay_ms, least_delay_ms))
        run = SimulatedRun(plan, pace=self._pace)
        self._add_run(run)
        return run

    def _refill(self, stream: int, created: int) -> SimulatedRun:
        turns = self._world.in_flight[stream]
        workflow_id, block_id = turns[self._live % len(turns)]
        workflow = self._workflows[workflow_id]
        evals = scoped_evals(workflow, Scope(block_id=block_id), created)
        trigger = ("webhook", "schedule")[stream % 2]
        # A tenth of a real second: however fast time goes, the history does not flood.
        least = round(100 / self._pace)
        return self._simulate(workflow, evals, created, trigger, None, block_id, least)

    # Results

    def list_results(self, run_id: str, query: PageQuery) -> bytes:
        """Give a page of a run's results."""
        with self._reading() as now:
            run = self._run(run_id)
            rows = map(ResultRow, run.result_ids, run.results_json(now))
            shelf = Shelf([((place, row.id), row) for place, row in enumerate(rows)])
            page = shelf.page(query, lambda ident: self._result_key(ident, run_id))
            return page_json([row.json for row in page.rows], page.before, page.after)

    def _result_key(self, ident: str, run_id: str) -> Key | None:
        run, position = self._results.get(ident, (None, 0))
        return (position, ident) if run is not None and run.id == run_id else None

    def get_result(self, result_id: str) -> bytes:
        """Give one result."""
        with self._reading() as now:
            if result_id not in self._results:
                raise not_found("workflow eval result", result_id)
            run, position = self._results[result_id]
            return run.results_json(now)[position]

    # Evals, workflows, files

    def list_evals(self, workflow_id: str, block_id: str | None, query: PageQuery) -> bytes:
        """Give a page of a workflow's saved evals."""
        with self._reading() as now:
            if workflow_id not in self._eval_shelves:
                raise not_found("workflow", workflow_id)
            page = self._eval_shelves[workflow_id].page(
                query, self._eval_key, lambda row: block_id is None or row.block_id == block_id
            )
            return page_json([row.json(now) for row in page.rows], page.before, page.after)

    def _eval_key(self, ident: str) -> Key | None:
        row = self._evals.get(ident)
        return None if row is None else (row.created, row.id)

    def get_eval(self, eval_id: str) -> bytes:
        """Give one saved eval."""
        with self._reading() as now:
            if eval_id not in self._evals:
                raise not_found("workflow eval", eval_id)
            return self._evals[eval_id].json(now)

    def list_workflows(
        self, query: PageQuery, project_id: str | None = None, sort_by: str = "updated_at"
    ) -> bytes:
        """Give a page of the workflows."""
        keys = {
            row.id: (row.created if sort_by == "created_at" else row.updated, row.id)
            for row in self._workflow_rows.values()
        }
        shelf = Shelf([(keys[row.id], row) for row in self._workflow_rows.values()])
        page = shelf.page(
            query, keys.get, lambda row: project_id is None or row.project_id == project_id
        )
        return page_json([row.json for row in page.rows], page.before, page.after)

    def diff_versions(self, workflow_id: str, baseline: str, candidate: str) -> bytes:
        """Give what changed from one version of a workflow to another."""
        workflow = self._workflows.get(workflow_id)
        if workflow is None:
            raise not_found("workflow", workflow_id)
        return to_json(version_diff(workflow, baseline, candidate))

    def download_link(self, file_id: str, url: str) -> bytes:
        """Give a link to a file, by the address where the file is."""
        document = {
            "download_url": url,
            "expires_in": "15 minutes",
            "filename": self._file(file_id).filename,
            "mime_data": None,
        }
        return to_json(document)

    def file_text(self, file_id: str) -> bytes:
        """Give what stands for a file: there are no real documents here."""
        name = self._file(file_id).filename
        return f"{name}\n\nThis document exists only in the sandbox's simulation.\n".encode()

    def _file(self, file_id: str) -> File:
        file = self._world.files.get(file_id)
        if file is None:
            raise not_found("file", file_id)
        return file

    def sizes(self) -> tuple[int, int, int]:
        """Count workflows, saved evals and runs."""
        with self._reading():
            return len(self._workflow_rows), len(self._evals), len(self._runs)
