"""A server of runs, results and saved evals, which a test may have fail wherever it likes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from support.documents import result_document, run_document
from support.faultserver import Reply, page, reply

RUNS_PATH, RESULTS_PATH = "/v1/workflows/evals/runs/", "/v1/workflows/evals/results"
EVALS_PATH = "/v1/workflows/evals"
Hook = Callable[[str, dict[str, str]], Reply | None]


@dataclass
class ResultsApi:
    """Runs by id with their results; ``hook`` may answer a request of a run instead.

    ``evals`` answers a request for the saved evals of a workflow; there are none if not told.
    """

    runs: dict[str, list[dict[str, Any]]]
    hook: Hook = lambda run_id, query: None
    evals: Callable[[str], Reply] = lambda workflow_id: reply(body=page([]))
    asked: list[str] = field(default_factory=list)  # "run a", "results a"
    evals_asked: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: str) -> Reply:
        parts = urlsplit(request.split(" ")[1])
        query = dict(parse_qsl(parts.query))
        if parts.path == "/v1/workflows":
            return reply(body=page([]))
        if parts.path == EVALS_PATH:
            self.evals_asked.append(query["workflow_id"])
            return self.evals(query["workflow_id"])
        is_run = parts.path.startswith(RUNS_PATH)
        run_id = unquote(parts.path.removeprefix(RUNS_PATH)) if is_run else query["run_id"]
        with self.lock:
            self.asked.append(f"{'run' if is_run else 'results'} {run_id}")
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            fault = self.hook(run_id, {} if is_run else query)
            return fault or (self.run(run_id) if is_run else self.results(run_id, query))
        finally:
            with self.lock:
                self.at_once -= 1

    def run(self, run_id: str) -> Reply:
        # Of the workflow that its results are of.
        of = {each["workflow_id"] for each in self.runs.get(run_id, [])} or {"wf_invoices"}
        created = f"2026-05-{int(run_id[1:]) + 1:02}T00:00:00Z" if run_id[1:].isdigit() else None
        return reply(
            body=run_document(
                run_id,
                workflow_id=of.pop(),
                workflow_version_id=f"v-{run_id}",
                timing__created_at=created,
            )
        )

    def results(self, run_id: str, query: dict[str, str]) -> Reply:
        start = int(query.get("after", 0))
        end = start + int(query["limit"])
        records = self.runs[run_id]
        return reply(body=page(records[start:end], str(end) if end < len(records) else None))


def results_of(run_id: str, number: int = 2) -> list[dict[str, Any]]:
    return [
        result_document(
            f"{run_id}-{each}", workflow_eval_run_id=run_id, eval_id=f"e{each}", handle_inputs={}
        )
        for each in range(number)
    ]


def some_runs(number: int, each: int = 2) -> dict[str, list[dict[str, Any]]]:
    return {f"r{index}": results_of(f"r{index}", each) for index in range(number)}


def body(answer: Reply) -> bytes:
    return answer.data.partition(b"\r\n\r\n")[2]


def our_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("retab_analysis")]
