"""A workflow whose runs go on as a test says, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.documents import eval_document
from support.faultserver import Reply, page, reply
from support.made_runs import result_with, run_with

ENDED = ("passed", "failed", "blocked", "error", "cancelled")


@dataclass
class MadeRun:
    """A run of the whole workflow: the state of each of its evals so far."""

    run_id: str
    day: int
    states: list[str]
    status: str = "completed"
    second: int = 0

    def document(self) -> dict[str, Any]:
        ended = {name: self.states.count(name) for name in ENDED}
        left = len(self.states) - sum(ended.values())
        going = {"running": min(left, 1), "queued": max(left - 1, 0)}
        created = f"2026-05-{self.day:02}T10:{self.second // 60:02}:{self.second % 60:02}Z"
        return run_with(self.run_id, self.status, **ended, **going, timing__created_at=created)

    def results(self) -> list[dict[str, Any]]:
        return [result_with(f"e{at}", each, self.run_id) for at, each in enumerate(self.states)]


def past(evals: int, runs: int = 9) -> list[MadeRun]:
    """Earlier runs in which everything passed, the newest first."""
    return [MadeRun(f"p{day}", day, ["passed"] * evals) for day in range(runs, 0, -1)]


@dataclass
class LiveApi:
    """Answers as the API does, from a list of runs that a test changes meanwhile.

    Attributes:
        runs: All runs, the newest first.
        broken: What is answered, by the beginning of the path, instead of what is asked for.
        evals: How many saved evals there are.
    """

    runs: list[MadeRun]
    broken: dict[str, Reply] = field(default_factory=dict)
    evals: int = 4

    def __call__(self, request: str) -> Reply:
        address = urlsplit(request.split(" ")[1])
        whole = f"{address.path}?{address.query}"
        for piece, answer in list(self.broken.items()):
            if whole.startswith(piece):
                return answer
        query = {name: each[-1] for name, each in parse_qs(address.query).items()}
        where = address.path.removeprefix("/v1/workflows/evals")
        if where == "/runs":
            return self._list(query)
        if where.startswith("/runs/"):
            return self._one(where.removeprefix("/runs/"))
        if where == "/results":
            found = [run for run in self.runs if run.run_id == query["run_id"]]
            return reply(body=page(found[0].results()))
        if where == "":
            return reply(body=page([eval_document(f"e{at}") for at in range(self.evals)]))
        return reply(404, {"detail": "no such route"})

    def _one(self, run_id: str) -> Reply:
        found = [run for run in self.runs if run.run_id == run_id]
        return reply(body=found[0].document()) if found else reply(404, {"detail": "no such run"})

    def _list(self, query: dict[str, str]) -> Reply:
        documents = [run.document() for run in self.runs]
        since, until = query.get("from_date", ""), query.get("to_date", "9")
        created = [each["timing"]["created_at"] for each in documents]
        chosen = [
            document
            for document, at in zip(documents, created, strict=True)
            if since[:19] <= at[:19] <= until[:19]
        ]
        begin, size = int(query.get("after", "0")), int(query["limit"])
        end = begin + size
        return reply(body=page(chosen[begin:end], str(end) if end < len(chosen) else None))


def step(run: MadeRun, states: Sequence[str]) -> None:
    """Let a run have these states, its other evals still to come."""
    run.states = [*states, *["unscored"] * (len(run.states) - len(states))]
    if len(states) == len(run.states):
        run.status = "completed"
