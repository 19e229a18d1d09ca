"""A workflow's API whose runs are written as letters: a column is a run, a row is an eval."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.documents import eval_document
from support.fakes import KEY
from support.faultserver import Reply, page, reply
from support.made_runs import result_with, run_with

FLOW = "wf_letters"
FIRST = datetime(2026, 4, 1, 10, tzinfo=UTC)
STATES = {
    "P": "passed",
    "F": "failed",
    "B": "blocked",
    "E": "error",
    "C": "cancelled",
    "U": "unscored",
}
_ENDED = ("passed", "failed", "blocked", "error", "cancelled")


@dataclass
class LetteredApi:
    """Answers as the API does.

    Attributes:
        evals: For each eval a letter per run, see :data:`STATES`; a dot is no result.
        codes: A letter per run for the code of all blocks, which is also the version; the last one
            is that of what is started. One code if empty.
        names: Names of evals; an eval is called after its id where there is none.
        edited: Evals whose expected value is another one from the newest run on.
        reruns: For each eval a letter per run that is started of it; it passes after these.
        starts: For each eval its letter in a run of the whole workflow that is started.
        broken: What is answered, by method and beginning of the path, instead of what is asked for.
        upto: So many runs there are so far, of those that are written; None for all.
    """

    evals: Mapping[str, str]
    codes: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    edited: tuple[str, ...] = ()
    reruns: Mapping[str, str] = field(default_factory=dict)
    starts: Mapping[str, str] = field(default_factory=dict)
    broken: dict[str, Reply] = field(default_factory=dict)
    upto: int | None = None
    started: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def past(self) -> int:
        """How many runs there were."""
        written = max(map(len, self.evals.values()), default=0)
        return written if self.upto is None else min(written, self.upto)

    def __call__(self, request: str) -> Reply:
        method, target, _ = request.split(" ", 2)
        address = urlsplit(target)
        with self._lock:
            self.asked.append(f"{method} {address.path}")
        for beginning, answer in self.broken.items():
            if f"{method} {target}".startswith(beginning):
                return answer
        if f"Authorization: Bearer {KEY}\r\n" not in request:
            return reply(401, {"detail": "Invalid API key"})
        query = {name: each[-1] for name, each in parse_qs(address.query).items()}
        where = address.path.removeprefix("/v1/workflows")
        if method == "POST":
            return self._start(json.loads(request.partition("\r\n\r\n")[2]))
        if where == "/evals/runs":
            return self._list(query)
        if where.startswith("/evals/runs/"):
            return self._one(where.removeprefix("/evals/runs/"))
        if where == "/evals/results":
            return reply(body=page(self._results(query["run_id"])))
        if where == "/evals":
            return reply(body=page([self._eval(each) for each in self.evals]))
        return reply(404, {"detail": "there is no such thing"})

    def _runs(self) -> list[dict[str, Any]]:
        """Every run: its number, its states by eval, and what it was started for."""
        past = [
            {"id": f"run_{at}", "at": at, "states": self._column(at), "eval_id": None}
            for at in range(self.past)
        ]
        return [*past, *self.started]

    def _column(self, at: int) -> dict[str, str]:
        letters = {each: row[at] for each, row in self.evals.items() if at < len(row)}
        return {each: STATES[letter] for each, letter in letters.items() if letter != "."}

    def _code(self, at: int) -> str:
        return self.codes[min(at, len(self.codes) - 1)] if self.codes else "A"

    def _start(self, body: dict[str, Any]) -> Reply:
        scope = body["scope"]
        with self._lock:
            at = self.past + len(self.started)
            eval_id = scope.get("eval_id")
            if eval_id is None:
                letters = {each: self.starts.get(each, "P") for each in self.evals}
            else:
                before = sum(each["eval_id"] == eval_id for each in self.started)
                row = self.reruns.get(eval_id, "")
                letters = {eval_id: row[before] if before < len(row) else "P"}
            states = {each: STATES[letter] for each, letter in letters.items()}
            run = {"id": f"started_{at}", "at": at, "states": states, "eval_id": eval_id}
            self.started.append(run)
        document = self._document(run)
        document["lifecycle"] = {"status": "pending"}
        document["counts"] = None
        return reply(201, document)

    def _one(self, run_id: str) -> Reply:
        found = [run for run in self._runs() if run["id"] == run_id]
        return reply(body=self._document(found[0])) if found else reply(404, {"detail": "no run"})

    def _list(self, query: dict[str, str]) -> Reply:
        if query.get("workflow_id", FLOW) != FLOW:
            return reply(body=page([]))
        begin = int(query.get("after", "0"))
        end = begin + int(query["limit"])
        runs = [self._document(run) for run in reversed(self._runs())]
        if "to_date" in query:
            last = datetime.fromisoformat(query["to_date"])
            runs = [
                each
                for each in runs
                if datetime.fromisoformat(each["timing"]["created_at"]) <= last
            ]
        return reply(body=page(runs[begin:end], f"{end}" if end < len(runs) else None))

    def _document(self, run: dict[str, Any]) -> dict[str, Any]:
        states = list(run["states"].values())
        counts = {name: states.count(name) for name in _ENDED}
        going = states.count("unscored")
        status = "running" if going else "completed"
        if counts["cancelled"]:
            status = "cancelled"
        document = run_with(
            run["id"],
            status,
            **counts,
            running=going,
            workflow_id=FLOW,
            eval_id=run["eval_id"],
            workflow_version_id=f"version_{self._code(run['at'])}",
        )
        document["timing"]["created_at"] = _iso(run["at"])
        return document

    def _results(self, run_id: str) -> list[dict[str, Any]]:
        run = next(run for run in self._runs() if run["id"] == run_id)
        return [self._result(eval_id, state, run) for eval_id, state in run["states"].items()]

    def _result(self, eval_id: str, state: str, run: dict[str, Any]) -> dict[str, Any]:
        is_new = eval_id in self.edited and run["at"] >= self.past - 1
        document = result_with(
            eval_id,
            state,
            run["id"],
            workflow_id=FLOW,
            block_id="extract",
            block_execution_fingerprint=f"code {self._code(run['at'])}",
            handle_inputs={
                "document": {
                    "type": "file",
                    "document": {
                        "id": f"file {eval_id}",
                        "filename": f"{eval_id}.pdf",
                        "mime_type": "application/pdf",
                    },
                }
            },
        )
        document["timing"].update(
            dict.fromkeys(document["timing"], None), created_at=_iso(run["at"])
        )
        if document["assertion_result"] is not None:
            value = {"total": "12.50", "note": "two red apples"}
            passed = value if state == "passed" else {**value, "note": "two green apples"}
            expected = {**value, "total": "13.00"} if is_new else value
            document["assertion_result"].update(actual_value=passed, expected_value=expected)
        return document

    def _eval(self, eval_id: str) -> dict[str, Any]:
        passed = self.evals[eval_id][: self.past].rfind("P")
        return eval_document(
            eval_id,
            workflow_id=FLOW,
            name=self.names.get(eval_id, eval_id),
            target={"type": "block", "block_id": "extract"},
            latest_passing_run_summary=None if passed < 0 else self._summary(passed),
        )

    def _summary(self, at: int) -> dict[str, Any]:
        return {
            "run_record_id": f"run_{at}",
            "status": "completed",
            "outcome": "passed",
            "started_at": _iso(at),
            "duration_ms": 1,
            "completed_at": _iso(at),
            "block_execution_fingerprint": f"code {self._code(at)}",
        }


def _iso(at: int) -> str:
    return (FIRST + timedelta(days=at)).isoformat().replace("+00:00", "Z")
