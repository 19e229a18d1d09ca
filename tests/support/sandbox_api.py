"""What the sandbox's tests share: a clock set by hand, and the API with or without sockets."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

from support.inside import (
    SECOND,
    ApiError,
    Request,
    SimulatedRun,
    Store,
    StoreServer,
    World,
    build_world,
    parse_instant,
    past_runs,
)
from support.inside import answer_request as answer

KEY = "sandbox-key"
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
    """The sandbox's world on a day that stays the same."""
    return build_world(seed, ANCHOR)


@cache
def past_of(world: World) -> list[SimulatedRun]:
    """A world's past runs; they have ended, so several stores can hold them."""
    return past_runs(world)


def make_store(world: World | None = None, **settings: Any) -> Store:
    """A store with a world's past, by default the sandbox's world."""
    world = world or plan_world()
    return Store(world, past_of(world), **settings)


def make_server(world: World | None = None, **settings: Any) -> StoreServer:
    """A server for such a store, whose time stands still and whose key is ``KEY``."""
    return StoreServer(make_store(world, clock=Clock()), key=KEY, **settings)


class Api:
    """The API, asked directly."""

    def __init__(
        self,
        world: World | None = None,
        *,
        store: Callable[..., Store] = make_store,
        speed: float = 1.0,
        now: int = START,
    ) -> None:
        self.clock = Clock(now)
        self.store = store(world, speed=speed, clock=self.clock)

    def call(
        self, method: str, path: str, query: dict[str, Any] | None = None, body: Any = None
    ) -> tuple[int, Any]:
        target = path + (f"?{urlencode(query)}" if query else "")
        raw_body = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
        request = Request(method, target, f"Bearer {KEY}", raw_body, "http://here")
        try:
            done = answer(self.store, KEY, request)
        except ApiError as error:
            return error.status, json.loads(error.body)
        return done.status, json.loads(done.body or b"null")

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
            assert waited < limit, "it did not happen"


def status_of(document: dict[str, Any]) -> str:
    return str(document["lifecycle"]["status"])


def whole(run: dict[str, Any]) -> bool:
    return run.get("eval_id") is None and run.get("target") is None


# Over sockets


def ask(
    server: StoreServer,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    key: str | None = KEY,
) -> tuple[int, Any, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=5)
    sent = dict(headers or {})
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    try:
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        content = response.read()
        is_json = response.getheader("Content-Type") == "application/json"
        document = json.loads(content) if content and is_json else content
        return response.status, document, response.headers
    finally:
        connection.close()


def port_of(server: StoreServer) -> int:
    port = urlsplit(server.base_url).port
    assert port is not None
    return port
