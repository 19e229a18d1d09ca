"""A log of the requests that were served, so that one can see what a program asks for."""

import threading
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

# More than anybody counts, and bounded for a sandbox that is polled for weeks.
_LIMIT = 100_000


class ServedRequest(NamedTuple):
    """A request that was served: method, path with its query, and the status given."""

    method: str
    path: str
    status: int


class RequestLog:
    """The newest requests, oldest first; safe to read while more arrive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._served: deque[ServedRequest] = deque(maxlen=_LIMIT)

    def add(self, served: ServedRequest) -> None:
        """Note a request."""
        with self._lock:
            self._served.append(served)

    def matching(self, piece: str, method: str | None = None) -> list[ServedRequest]:
        """Give the requests whose path with its query contains this piece."""
        return [s for s in self if piece in s.path and method in (None, s.method)]

    def clear(self) -> None:
        """Forget what was served."""
        with self._lock:
            self._served.clear()

    def __iter__(self) -> Iterator[ServedRequest]:
        with self._lock:
            return iter(list(self._served))

    def __len__(self) -> int:
        with self._lock:
            return len(self._served)

    def __repr__(self) -> str:
        return f"<{len(self)} requests served>"
