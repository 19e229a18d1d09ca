"""What the sandbox's tests share: a clock that is set by hand, and an API without sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import urlencode

from retab_analysis.sandbox import Store, World, build_world
from retab_analysis.sandbox.http.messages import ApiError
from retab_analysis.sandbox.http.routes import RawRequest, answer
from retab_analysis.sandbox.instants import SECOND, parse_instant

KEY = "key"
ANCHOR = parse_instant("2026-11-24") or 0
START = ANCHOR + 36_000 * SECOND


class Clock:
    """Time as a test wants it."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)


@cache
def plan_world(seed: int = 0) -> World:
    """Build a world that no store has used; its runs keep nothing but their own encodings."""
    return build_world(seed, ANCHOR)


class Api:
    """The API, asked directly."""

    def __init__(self, world: World | None = None, *, speed: float = 1.0, now: int = START) -> None:
        self.clock = Clock(now)
        self.store = Store(world or plan_world(), speed=speed, clock=self.clock)

    def call(
        self, method: str, path: str, query: dict[str, Any] | None = None, body: Any = None
    ) -> tuple[int, Any]:
        target = path + (f"?{urlencode(query)}" if query else "")
        raw_body = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
        raw = RawRequest(method, target, f"Bearer {KEY}", raw_body, "http://here")
        try:
            done = answer(self.store, KEY, raw)
        except ApiError as error:
            return error.status, {"detail": error.detail}
        return done.status, json.loads(done.body)

    def get(self, path: str, **query: Any) -> Any:
        status, document = self.call("GET", path, query)
        assert status == 200, document
        return document

    def pages(self, path: str, **query: Any) -> Iterator[list[Any]]:
        after = None
        while True:
            page = self.get(path, **query, **({"after": after} if after else {}))
            yield page["data"]
            after = page["list_metadata"]["after"]
            if after is None:
                return

    def all(self, path: str, **query: Any) -> list[Any]:
        return [row for page in self.pages(path, **{"limit": 100, **query}) for row in page]

    def runs(self, **query: Any) -> list[Any]:
        return self.all("/v1/workflows/evals/runs", **query)

    def run(self, run_id: str) -> Any:
        return self.get(f"/v1/workflows/evals/runs/{run_id}")

    def results(self, run_id: str, **query: Any) -> list[Any]:
        return self.all("/v1/workflows/evals/results", run_id=run_id, **query)

    def evals(self, workflow_id: str, **query: Any) -> list[Any]:
        return self.all("/v1/workflows/evals", workflow_id=workflow_id, **query)

    def create(self, workflow_id: str, **scope: str) -> Any:
        body = {"workflow_id": workflow_id, **({"scope": scope} if scope else {})}
        status, document = self.call("POST", "/v1/workflows/evals/runs", body=body)
        assert status == 201, document
        return document

    def cancel(self, run_id: str) -> tuple[int, Any]:
        return self.call("POST", f"/v1/workflows/evals/runs/{run_id}/cancel")

    def until(self, done: Callable[[], bool], step: float = 1.0, limit: float = 3_600.0) -> None:
        waited = 0.0
        while not done():
            self.clock.forward(step)
            waited += step
            assert waited < limit, "it never came to pass"


def status_of(document: dict[str, Any]) -> str:
    return str(document["lifecycle"]["status"])


def whole(run: dict[str, Any]) -> bool:
    return run.get("eval_id") is None and run.get("target") is None
