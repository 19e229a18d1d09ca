"""A small workflow with a story: one run a day, an edit that breaks evals, a drift, a known gap."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import polars as pl

import retab_analysis as ra
from support.inside import (
    Request,
    Response,
    SortedRows,
    StoreServer,
    World,
    build_workflow,
    files_of,
    workflow_spec,
)
from support.sandbox_api import ANCHOR, KEY, Clock, make_store

FLOW = "wf_small"
FIRST, EDITED, MENDED = -60, -30, -18
"""The days of the first run, of the edit that breaks two evals, and of the edit that mends them."""
DRIFTED, CURED = -40, -33
"""The days on which an eval of the other block begins to fail and passes again, on one code."""
LATE = -12
"""The day from which on one eval fails that nobody mends, by an edit of the other block."""
WRONG = {"values": ["wrong"]}
FAILS = {
    ("extract", 0): "edit",
    ("extract", 1): "edit",
    ("extract", 2): "always",
    ("classify", 0): "drift",
    ("classify", 1): "late",
}
EVALS = 8
"""So many evals each block has."""


UNSURE = {
    ("extract", 0): "edit",
    ("extract", 2): "always",
    ("extract", 3): "glitch",
    ("extract", 4): "crash",
    ("classify", 0): "drift",
    ("classify", 1): "late",
}
"""Who fails where the last edit came today: one is broken by it, two failed by accident."""


def _fields(late: int, fails: Mapping[tuple[str, int], str]) -> dict[str, Any]:
    early = {"at": "05:00"}
    daily = {"at": "12:00", "trigger": "schedule", "quiet": True}
    documents = [
        {
            "key": f"letter{at}",
            "filename": f"letter {at}.pdf",
            "outputs": {block: {"total": f"{at}"} for block in ("extract", "classify")},
        }
        for at in range(EVALS)
    ]
    return {
        "about": "A story that a test can tell by heart.",
        "id": FLOW,
        "name": "Small",
        "description": None,
        "project_id": None,
        "blocks": [
            {"id": "extract", "kind": "extract", "name": "Extract", "config": {"prompt": "One"}},
            {"id": "classify", "kind": "extract", "name": "Classify", "config": {"prompt": "One"}},
        ],
        "versions": [
            {"day": FIRST - 1, "changed": {}, "note": "First"},
            {"day": EDITED, "changed": {"extract": {"prompt": "Two"}}, "note": "Second", **early},
            {"day": MENDED, "changed": {"extract": {"prompt": "Three"}}, "note": "Third", **early},
            {"day": late, "changed": {"classify": {"prompt": "Four"}}, **early},
        ],
        "incidents": {
            "edit": {"kind": "edit", "about": "An edit.", "versions": [2, 2]},
            "drift": {"kind": "drift", "about": "Another model.", "days": [DRIFTED, CURED - 1]},
            "late": {"kind": "edit", "about": "An edit that stays.", "versions": [4, None]},
            "always": {"kind": "gap", "about": "A known gap.", "versions": [1, None]},
            "glitch": {"kind": "episode", "about": "One bad moment."},
            "crash": {"kind": "outage", "about": "Another one."},
        },
        "documents": documents,
        "runs": [
            {"days": [[FIRST, -2]], **daily},
            {"days": [-1], **daily, "incidents": ["glitch", "crash"]},
        ],
        "evals": {
            block: [
                {
                    "name": f"{block} {at}",
                    "document": f"letter{at}",
                    "path": "total",
                    "condition": {"kind": "equals"},
                    "since": FIRST - 1,
                    "fails": _how(fails.get((block, at))),
                }
                for at in range(EVALS)
            ]
            for block in ("extract", "classify")
        },
    }


def _how(incident: str | None) -> list[dict[str, Any]]:
    """In which incident an eval fails; a crash is an error of its execution."""
    if incident is None:
        return []
    error = {"error": {"code": "provider_timeout", "message": "No answer within 60 s"}}
    return [{"when": incident, **(error if incident == "crash" else WRONG)}]


@cache
def small_world(*, unsure: bool = False) -> World:
    spec = workflow_spec(_fields(-1, UNSURE) if unsure else _fields(LATE, FAILS))
    workflow = build_workflow(spec, 0, ANCHOR)
    return World(0, ANCHOR, [workflow], {file.id: file for file in files_of(spec, 0)})


class Ticking(Clock):
    """Time that goes on whenever somebody asks for it, so that nobody has to wait for a run."""

    def __call__(self) -> int:
        self.forward(5)
        return self.now


class Small:
    """The small workflow's API, a client of it, and its runs by the day on which they were."""

    def __init__(self, server: StoreServer, clock: Clock, *, unsure: bool) -> None:
        self.server = server
        self.clock = clock
        self.client = ra.Client(KEY, server.base_url)
        self._fields = _fields(-1, UNSURE) if unsure else _fields(LATE, FAILS)

    def edit(self, block: str) -> None:
        """Somebody edits a block of the draft, this morning."""
        self._fields["versions"].append(
            {"day": 0, "at": "01:00", "changed": {block: {"prompt": "Edited"}}}
        )
        self._become()

    def redefine(self, name: str, **changes: Any) -> None:
        """Somebody edits what a saved eval is given or asserts."""
        store = self.server._store
        workflow = store._workflows[FLOW]
        row = next(each for each in store._evals.values() if each._saved.name == name)
        edited = replace(row._saved.assertions[-1], at=store._clock(), **changes)
        saved = replace(row._saved, assertions=(*row._saved.assertions, edited))
        others = [each for each in workflow.evals if each.id != saved.id]
        store._workflows[FLOW] = replace(workflow, evals=(*others, saved))
        row._saved, row._encoded = saved, None

    def delete(self, *names: str) -> None:
        """Somebody deletes saved evals, which deletes their runs as well."""
        evals = self._fields["evals"]
        for block, listed in evals.items():
            evals[block] = [each for each in listed if each["name"] not in names]
        self._become()

    def _become(self) -> None:
        """What the API knows becomes what the fields say; the runs of the past stay."""
        store = self.server._store
        workflow = build_workflow(workflow_spec(self._fields), 0, ANCHOR)
        saved = {each.id: each for each in workflow.evals}
        with store._lock:
            store._workflows[FLOW] = workflow
            gone = store._evals.keys() - saved.keys()
            rows = store._sorted_evals[FLOW] = SortedRows()
            for eval_id in saved:
                row = store._evals[eval_id]
                row._saved, row._workflow, row._encoded = saved[eval_id], workflow, None
                rows.add((row.created, row.id), row)
            for eval_id in gone:
                del store._evals[eval_id]
            for run_id in [run.id for run in store._runs.values() if run.eval_id in gone]:
                del store._runs[run_id]

    def forget(self, *members: str) -> None:
        """The API does not say these members of a saved eval any more."""
        answer = self.server._service.answer

        def without(request: Request) -> Response:
            found = answer(request)
            if not request.target.startswith("/v1/workflows/evals?"):
                return found
            document = json.loads(found.body)
            for each in document["data"]:
                each.update(dict.fromkeys(members))
            return Response(found.status, json.dumps(document).encode())

        object.__setattr__(self.server._service, "answer", without)

    def runs(self) -> pl.DataFrame:
        """The runs, the oldest first."""
        return ra.fetch_runs(FLOW, client=self.client, order="asc", progress=False)

    def run_of(self, day: int) -> str:
        """The run of a day, counted back from today."""
        run_id: str = self.runs()["run_id"][day - FIRST]
        return run_id


@contextmanager
def small_api(*, unsure: bool = False) -> Iterator[Small]:
    """Serve the small workflow; its clock stands still until a test moves it.

    Args:
        unsure: Whether the last edit came today, so that one run cannot tell what it broke; then
            time goes on with each request.
    """
    clock = Ticking() if unsure else Clock()
    with StoreServer(make_store(small_world(unsure=unsure), clock=clock), key=KEY) as server:
        yield Small(server, clock, unsure=unsure)
