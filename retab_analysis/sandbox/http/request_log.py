"""A record of the requests that were served, so that tests can count them."""

import threading
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

# Enough for any test, and bounded for a sandbox that is polled for weeks.
_LIMIT = 100_000


class Served(NamedTuple):
    """A request that was served: method, path with its query, and the status given."""

    method: str
    path: str
    status: int


class Journal:
    """The newest requests, oldest first; safe to read while more arrive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._served: deque[Served] = deque(maxlen=_LIMIT)

    def add(self, served: Served) -> None:
        """Record a request."""
        with self._lock:
            self._served.append(served)

    def matching(self, piece: str, method: str | None = None) -> list[Served]:
        """Give the requests whose path with query holds this piece."""
        return [s for s in self if piece in s.path and method in (None, s.method)]

    def clear(self) -> None:
        """Forget what was recorded."""
        with self._lock:
            self._served.clear()

    def __iter__(self) -> Iterator[Served]:
        with self._lock:
            return iter(list(self._served))

    def __len__(self) -> int:
        with self._lock:
            return len(self._served)

    def __repr__(self) -> str:
        return f"<{len(self)} requests served>"
