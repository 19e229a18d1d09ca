"""The API's state at each instant: a world, its past runs, and the runs that start now."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

from retab_analysis.sandbox.encoding import to_json
from retab_analysis.sandbox.http.messages import coded, not_found
from retab_analysis.sandbox.instants import MINUTE, SECOND, wall_clock
from retab_analysis.sandbox.queries import Key, PageQuery, R, RunFilter, Scope, SortedRows
from retab_analysis.sandbox.simulation.planning import Circumstances, active_evals, make_plan
from retab_analysis.sandbox.simulation.run_documents import summary_document
from retab_analysis.sandbox.simulation.serial_queue import SerialQueue
from retab_analysis.sandbox.simulation.simulated_runs import SimulatedRun
from retab_analysis.sandbox.simulation.timing import TERMINAL
from retab_analysis.sandbox.world.definition_documents import (
    Document,
    block_document,
    blocks_of,
    edited_at,
    era_documents,
    eval_document,
    publication_document,
    version_diff,
    version_document,
    workflow_created,
    workflow_document,
)
from retab_analysis.sandbox.world.model import (
    Block,
    File,
    Plan,
    SavedEval,
    Version,
    Workflow,
    World,
)
from retab_analysis.sandbox.world.requested_evals import changed_eval
from retab_analysis.sandbox.world.world import config_before, edit

# The slowest and the fastest speed.
SPEEDS = (1e-9, 1e9)
# After a long time without a request, only this much is played back: a laptop that slept for a week
# would otherwise come back to thousands of runs.
_LONGEST_REPLAY = 30 * MINUTE


# A run and the position of a result in it.
Place = tuple[SimulatedRun, int]


class Store:
    """The state behind the API; safe for many threads, and every answer is of one instant.

    It begins with a world and the runs of its past. ``clock`` gives microseconds since 1970. A run
    is of the draft as it is when the run starts, or, with ``frozen_at="creation"``, as it was when
    the run was created.
    """

    def __init__(
        self,
        world: World,
        runs: Iterable[SimulatedRun] = (),
        *,
        speed: float = 1.0,
        clock: Callable[[], int] = wall_clock,
        frozen_at: Literal["start", "creation"] = "start",
    ) -> None:
        # Too far from 1, instants would leave the years of ISO 8601.
        low, high = SPEEDS
        is_number = isinstance(speed, int | float) and not isinstance(speed, bool)
        if not (is_number and low <= speed <= high):
            said = repr(speed)[:80] if is_number else type(speed).__name__
            told = f"speed must be a positive number (from {low:g} to {high:g})"
            raise ValueError(f"{told}, not {said}")
        self._world, self._pace, self._clock = world, 1 / speed, clock
        self._waits_for_start = frozen_at == "start"
        self._lock = threading.RLock()
        self._now = clock()
        self._workflows = {workflow.id: workflow for workflow in world.workflows}
        self._runs: dict[str, SimulatedRun] = {}
        self._keys: dict[str, SimulatedRun] = {}
        self._results: dict[str, Place] = {}
        self._evals: dict[str, SavedEval] = {}
        # The results of each eval, oldest first.
        self._places = defaultdict[str, list[Place]](list)
        self._sorted_runs: dict[str | None, SortedRows[SimulatedRun]] = {None: SortedRows()}
        self._started = Counter[str]()
        for workflow in world.workflows:
            self._evals |= {each.id: each for each in workflow.evals if each.removed is None}
        for run in runs:
            self._add_run(run)
        self._queue = SerialQueue(self._next_in_flight, longest_replay=_LONGEST_REPLAY)
        for stream in range(len(world.in_flight)):
            # The background runs look as if they had gone on for a while.
            ago = max(1, 9 - 4 * stream) * SECOND
            self._queue.open_stream(stream, self._now - round(ago * self._pace))

    def _add_run(self, run: SimulatedRun) -> None:
        self._runs[run.id] = run
        for workflow_id in (None, run.workflow_id):
            rows = self._sorted_runs.setdefault(workflow_id, SortedRows())
            rows.add((run.created, run.id), run)
        for position, child in enumerate(run.plan.children):
            place = self._results[run.result_ids[position]] = (run, position)
            self._places[child.eval.id].append(place)

    @contextmanager
    def _reading(self) -> Iterator[int]:
        with self._lock:
            self._now = max(self._now, self._clock())
            self._queue.advance(self._now)
            yield self._now

    def clock(self) -> float:
        return self._clock() / SECOND

    def sizes(self) -> tuple[int, int, int]:
        with self._reading():
            return len(self._workflows), len(self._evals), len(self._runs)

    # Runs

    def list_runs(self, narrow: RunFilter, query: PageQuery) -> bytes:
        with self._reading() as now:
            rows = self._sorted_runs.get(narrow.workflow_id, SortedRows())

            def locate(run_id: str) -> Key | None:
                run = self._runs.get(run_id)
                return None if run is None else (run.created, run.id)

            return rows.page(
                query,
                locate,
                lambda run: run.json(now),
                lambda run: run.id in self._runs and _is_wanted(run, narrow, now),
            )

    def get_run(self, run_id: str) -> bytes:
        with self._reading() as now:
            return self._run(run_id).json(now)

    def create_run(self, workflow_id: str, scope: Scope, key: str = "") -> bytes:
        """Start a run; a second request with a key gives the run of the first."""
        with self._reading() as now:
            if key in self._keys:
                return self._keys[key].json(now)
            workflow = self._workflow(workflow_id)
            evals = _evals_in_scope(workflow, scope, now)
            block_id = evals[0].block.id if scope.eval_id else scope.block_id
            run = self._start(workflow, evals, now, "api", Scope(scope.eval_id, block_id))
            self._queue.submit(run)
            if key:
                self._keys[key] = run
            return run.json(now)

    def cancel_run(self, run_id: str) -> bytes:
        with self._reading() as now:
            run = self._run(run_id)
            status = run.state(now).status
            if status in TERMINAL:
                message = f"Run '{run_id}' is {status} and cannot be cancelled"
                raise coded(409, "run_not_cancellable", message, {"status": status})
            self._queue.cancel(run, now)
            return run.json(now)

    def _run(self, run_id: str) -> SimulatedRun:
        return _find("workflow eval run", self._runs, run_id)

    def _start(
        self, workflow: Workflow, evals: list[SavedEval], created: int, trigger: str, scope: Scope
    ) -> SimulatedRun:
        # A client's first run is the same, however many background runs there were.
        self._started[trigger] += 1
        number, seed = self._started[trigger], self._world.seed

        def plan_now() -> Plan:
            workflow_now = self._workflows[workflow.id]
            draft = workflow_now.newest
            # When a user tries edits, results show only their effects, and no chance.
            around = Circumstances(flaky_fails=frozenset() if draft.acts_as else None)
            plan = make_plan(
                *(workflow_now, draft, evals, created, trigger, seed),
                *(f"run {trigger} {number}", around),
                eval_id=scope.eval_id,
                block_id=scope.block_id,
            )
            if trigger == "api" or number == 1:
                return plan
            # However fast time goes, background runs stay as rare as in the real API: else they
            # would soon fill the newest runs and hide the story of the past.
            length = sum(child.ms for child in plan.children)
            seldom = round(length * (1 / self._pace - 1))
            return replace(plan, delay_ms=max(plan.delay_ms, seldom))

        again = plan_now if self._waits_for_start else None
        run = SimulatedRun(plan_now(), pace=self._pace, plan_again=again)
        self._add_run(run)
        return run

    def _next_in_flight(self, stream: int, created: int) -> SimulatedRun:
        turns = self._world.in_flight[stream]
        trigger = ("webhook", "schedule")[stream % 2]
        # By its own count: the same runs follow each other whatever a client starts.
        workflow_id, block_id = turns[(stream + self._started[trigger]) % len(turns)]
        workflow, scope = self._workflows[workflow_id], Scope(block_id=block_id)
        evals = _evals_in_scope(workflow, scope, created)
        return self._start(workflow, evals, created, trigger, scope)

    # Results

    def list_results(self, run_id: str, query: PageQuery) -> bytes:
        with self._reading() as now:
            run = self._run(run_id)

            def locate(result_id: str) -> Key | None:
                found, position = self._results.get(result_id, (None, 0))
                return (position, result_id) if found is run else None

            numbered = zip(enumerate(run.result_ids), run.results_json(now), strict=True)
            kept = (pair for pair in numbered if pair[0][1] in self._results)
            return SortedRows(kept).page(query, locate, bytes)

    def get_result(self, result_id: str) -> bytes:
        with self._reading() as now:
            run, position = _find("workflow eval result", self._results, result_id)
            return run.results_json(now)[position]

    # Evals, workflows, versions, files

    def list_evals(self, workflow_id: str, block_id: str | None, query: PageQuery) -> bytes:
        with self._reading() as now:
            rows = {
                (saved.created, saved.id): saved
                for saved in self._workflow(workflow_id).evals
                if saved.id in self._evals and block_id in (None, saved.block.id)
            }
            return _page_of(rows, query, lambda saved: self._eval(saved, now))

    def get_eval(self, eval_id: str) -> bytes:
        with self._reading() as now:
            return self._eval(self._saved(eval_id), now)

    def update_eval(self, eval_id: str, asked: Document) -> bytes:
        with self._reading() as now:
            return self._save(self._saved(eval_id), asked, now)

    def delete_eval(self, eval_id: str) -> bytes:
        """Delete an eval with its history, as the API does: its results, and runs of it alone."""
        with self._reading():
            saved = self._saved(eval_id)
            self._replace_eval(saved)
            del self._evals[eval_id]
            for run, position in self._places.pop(eval_id, ()):
                del self._results[run.result_ids[position]]
                if run.eval_id == eval_id:
                    del self._runs[run.id]
            return b""

    def _saved(self, eval_id: str) -> SavedEval:
        return _find("workflow eval", self._evals, eval_id)

    def _save(self, saved: SavedEval, asked: Document, now: int) -> bytes:
        changed = changed_eval(self._workflows[saved.workflow_id], saved, asked, now)
        self._replace_eval(saved, changed)
        self._evals[saved.id] = changed
        return self._eval(changed, now)

    def _replace_eval(self, saved: SavedEval, *changed: SavedEval) -> None:
        workflow = self._workflows[saved.workflow_id]
        others = (each for each in workflow.evals if each.id != saved.id)
        self._workflows[workflow.id] = replace(workflow, evals=(*others, *changed))

    def _eval(self, saved: SavedEval, now: int) -> bytes:
        latest = {
            f"latest_{name}run_summary": self._newest_summary(saved, outcome, now)
            for name, outcome in (("", None), ("passing_", "passed"), ("failing_", "failed"))
        }
        return to_json(eval_document(saved, self._workflows[saved.workflow_id], latest))

    def _newest_summary(self, saved: SavedEval, outcome: str | None, now: int) -> Document | None:
        for run, position in reversed(self._places[saved.id]):
            if outcome not in (None, run.plan.children[position].result.outcome):
                continue
            state = run.state(now).children[position]
            has_ended = state.status in TERMINAL if outcome is None else state.status == "completed"
            if has_ended and state.started is not None:
                return summary_document(run.plan, position, state)
        return None

    def list_workflows(
        self, project_id: str | None, sort_by: str | None, query: PageQuery
    ) -> bytes:
        by_creation = sort_by == "created_at"
        rows = {
            (workflow_created(each) if by_creation else each.newest.at, each.id): each
            for each in self._workflows.values()
            if project_id in (None, each.project_id)
        }
        return _page_of({key: workflow_document(each) for key, each in rows.items()}, query)

    def get_workflow(self, workflow_id: str) -> bytes:
        return to_json(workflow_document(self._workflow(workflow_id)))

    def _workflow(self, workflow_id: str) -> Workflow:
        return _find("workflow", self._workflows, workflow_id)

    def list_versions(self, workflow_id: str, query: PageQuery) -> bytes:
        workflow = self._workflow(workflow_id)
        rows = {
            (version.at, version.id): version_document(workflow, version)
            for version, _ in workflow.published
        }
        return _page_of(rows, query)

    def list_publications(self, workflow_id: str, query: PageQuery) -> bytes:
        workflow = self._workflow(workflow_id)
        rows = {
            (told.ordinal, told.id): publication_document(workflow, version, told)
            for version, told in workflow.published
        }
        return _page_of(rows, query)

    def get_version(self, workflow_id: str, version_id: str) -> bytes:
        workflow = self._workflow(workflow_id)
        return to_json(version_document(workflow, _version(workflow, version_id)))

    def list_blocks(self, workflow_id: str, query: PageQuery) -> bytes:
        workflow = self._workflow(workflow_id)
        rows = {
            (edited_at(workflow, block), block.id): block_document(workflow, block)
            for block in blocks_of(workflow, workflow.newest)
        }
        return _page_of(rows, query)

    def get_block(self, block_id: str) -> bytes:
        homes = {each: its for its in self._workflows.values() for each in its.newest.revisions}
        workflow = _find("block", homes, block_id)
        return to_json(block_document(workflow, _block(workflow, block_id)))

    def list_eras(self, block_id: str, workflow_id: str, query: PageQuery) -> bytes:
        with self._reading():
            workflow = self._workflow(workflow_id)
            block = _block(workflow, block_id)
            rows = self._sorted_runs.get(workflow_id, SortedRows()).rows
            runs = Counter(run.plan.version.number for run in rows)
            eras = era_documents(workflow, block, lambda number: runs[number])
            return _page_of({(at, era["id"]): era for at, era in enumerate(eras)}, query)

    def prompt(self, block_id: str) -> str:
        with self._reading():
            block, workflow = self._prompted(block_id)
            return str(workflow.newest.configs[block.id]["prompt"])

    def edit(self, block_id: str, changes: Mapping[str, Any]) -> None:
        with self._reading() as now:
            block, workflow = self._prompted(block_id)
            config = workflow.newest.configs[block.id]
            if missing := sorted(changes.keys() - config.keys()):
                raise ValueError(
                    f"block {block_id!r} has no {missing[0]}, only {', '.join(config)}"
                )
            self._configure(workflow, block, {**config, **changes}, now)

    def put_back(self, block_id: str) -> None:
        with self._reading() as now:
            block, workflow = self._prompted(block_id)
            self._configure(workflow, block, config_before(workflow, block), now)

    def _configure(
        self, workflow: Workflow, block: Block, config: Mapping[str, Any], now: int
    ) -> None:
        if config != workflow.newest.configs[block.id]:
            edited = edit(workflow, block, config, now)
            self._workflows[workflow.id] = edited

    def _prompted(self, block_id: str) -> tuple[Block, Workflow]:
        found = {
            block.id: (block, workflow)
            for workflow in self._workflows.values()
            for block in blocks_of(workflow, workflow.newest)
            if "prompt" in workflow.newest.configs[block.id]
        }
        if block_id not in found:
            raise ValueError(f"no block {block_id!r} has a prompt; some do: {', '.join(found)}")
        return found[block_id]

    def diff_versions(self, workflow_id: str, baseline: str, candidate: str) -> bytes:
        workflow = self._workflow(workflow_id)
        old, new = _version(workflow, baseline), _version(workflow, candidate)
        return to_json(version_diff(workflow, old, new))

    def file(self, file_id: str) -> File:
        return _find("file", self._world.files, file_id)


def _page_of(
    rows: Mapping[Key, R], query: PageQuery, encode: Callable[[R], bytes] = to_json
) -> bytes:
    places = {key[1]: key for key in rows}
    return SortedRows(rows.items()).page(query, places.get, encode)


def _is_wanted(run: SimulatedRun, narrow: RunFilter, now: int) -> bool:
    return (
        narrow.eval_id in (None, run.eval_id)
        and narrow.target_block_id in (None, run.block_id)
        and narrow.trigger_type in (None, run.trigger)
        and (narrow.from_date is None or run.created >= narrow.from_date)
        and (narrow.to_date is None or run.created <= narrow.to_date)
        and (narrow.status is None or run.state(now).status == narrow.status)
        and (narrow.exclude_status is None or run.state(now).status != narrow.exclude_status)
    )


def _evals_in_scope(workflow: Workflow, scope: Scope, now: int) -> list[SavedEval]:
    evals = active_evals(workflow, workflow.newest, now)
    if scope.eval_id is not None:
        return [_find("workflow eval", {saved.id: saved for saved in evals}, scope.eval_id)]
    if scope.block_id is not None:
        _find("block", workflow.newest.revisions, scope.block_id)
        return [saved for saved in evals if saved.block.id == scope.block_id]
    return evals


def _block(workflow: Workflow, block_id: str) -> Block:
    return _find("block", {block.id: block for block in workflow.blocks}, block_id)


def _version(workflow: Workflow, version_id: str) -> Version:
    return _find("workflow version", {its.id: its for its, _ in workflow.published}, version_id)


def _find(kind: str, rows: Mapping[str, R], ident: str) -> R:
    if ident not in rows:
        raise not_found(kind, ident)
    return rows[ident]
