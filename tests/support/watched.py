"""The sandbox with a log of what it was asked, and with faults on request."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import retab_analysis as ra
from support.inside import ApiError, Request, Response, StoreServer


class Served(NamedTuple):
    """A request that was served: method, and path with its query."""

    method: str
    path: str


class Requests(list[Served]):
    """The requests, oldest first."""

    def matching(self, piece: str) -> list[Served]:
        """Those whose path with its query contains this piece."""
        return [each for each in self if piece in each.path]


@dataclass
class Fault:
    """Something that goes wrong with requests that match, so many times after so many others.

    ``kind`` is ``status`` (the answer has it), or ``reset`` (there is none, and the connection
    ends).
    """

    match: str = ""
    method: str | None = None
    kind: str = "status"
    status: int = 503
    after: int = 0
    times: int | None = 1
    seen: int = field(default=0, init=False)

    def meets(self, request: Request) -> bool:
        if self.match not in request.target or self.method not in (None, request.method):
            return False
        self.seen += 1
        turn = self.seen - self.after
        return turn > 0 and (self.times is None or turn <= self.times)


class WatchedServer(StoreServer):
    """A server for any store that notes its requests and has faults.

    Args:
        faults: What is to go wrong.
    """

    def __init__(self, *args: Any, faults: Iterable[Fault] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.requests = Requests()
        self._faults = list(faults)
        self._watch = threading.Lock()

    def inject(self, **fault: Any) -> None:
        """Let a fault wait for its requests."""
        self._faults.append(Fault(**fault))

    def _answer(self, request: Request) -> Response:
        with self._watch:
            self.requests.append(Served(request.method, request.target))
            fault = next((each for each in self._faults if each.meets(request)), None)
        if fault is not None and fault.kind == "reset":
            raise ConnectionAbortedError
        if fault is not None:
            raise ApiError(fault.status, "Injected by a test")
        return super()._answer(request)


class WatchedSandbox(WatchedServer, ra.Sandbox):
    """The sandbox itself, watched."""
