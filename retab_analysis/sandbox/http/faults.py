"""Faults on request: declared as data, used up one by one."""

import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

KINDS = ("status", "reset", "cut", "html", "empty", "slow", "drip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong with requests.

    Attributes:
        match: A piece of the path with its query; the empty piece is in every request.
        kind: ``"status"`` answers with that status; ``"reset"`` breaks the connection instead of
            answering; ``"cut"`` breaks it in the middle of the body; ``"html"`` answers 200 with a
            web page; ``"empty"`` answers 200 with nothing; ``"slow"`` waits `delay` seconds, then
            answers; ``"drip"`` spreads the body over `delay` seconds.
        status: The status of kind ``"status"``.
        retry_after: The header Retry-After, where one is wanted.
        message: What the body of kind ``"status"`` says.
        delay: Seconds, for ``"slow"`` and ``"drip"``.
        method: Only requests with this method.
        after: How many matching requests to let through first.
        times: How often; None is for ever.

    Raises:
        ValueError: A kind that there is not, or a number out of range.
    """

    match: str = ""
    kind: str = "status"
    status: int = 503
    retry_after: str | None = None
    message: str = "Injected by the sandbox"
    delay: float = 1.0
    method: str | None = None
    after: int = 0
    times: int | None = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a fault's kind is one of {', '.join(KINDS)}, not {self.kind!r}")
        if not 300 <= self.status <= 599:
            raise ValueError(f"a fault's status is between 300 and 599, not {self.status!r}")
        if not (math.isfinite(self.delay) and self.delay >= 0):
            raise ValueError(f"a fault's delay is in seconds, 0 or more, not {self.delay!r}")
        if self.after < 0 or (self.times is not None and self.times < 1):
            raise ValueError("a fault's after is at least 0, and its times at least 1 or None")
        if any(not 32 <= ord(letter) < 256 for letter in self.retry_after or ""):
            raise ValueError("a fault's retry_after has to fit in a header")


def as_fault(fault: Fault | Mapping[str, Any]) -> Fault:
    """Take a fault, or a mapping with the fields of one.

    Raises:
        ValueError: Anything else.
    """
    if isinstance(fault, Fault):
        return fault
    if not isinstance(fault, Mapping):
        raise ValueError(f"a fault is a Fault or a mapping of its fields, not {fault!r}")
    try:
        return Fault(**fault)
    except TypeError:
        known = ", ".join(Fault.__dataclass_fields__)
        raise ValueError(f"not a fault: {dict(fault)!r}; its fields are {known}") from None


class FaultBook:
    """The faults that are waiting for their requests; safe for many threads."""

    def __init__(self, faults: Iterable[Fault | Mapping[str, Any]] = ()) -> None:
        self._lock = threading.Lock()
        self._entries = [[as_fault(fault), 0] for fault in faults]

    def add(self, fault: Fault | Mapping[str, Any]) -> None:
        """Let a fault wait for its requests."""
        with self._lock:
            self._entries.append([as_fault(fault), 0])

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._entries.clear()

    def draw(self, method: str, target: str) -> Fault | None:
        """Give the fault that this request meets, if any, and count it."""
        with self._lock:
            for entry in self._entries:
                fault: Fault = entry[0]  # type: ignore[assignment]
                if fault.match not in target or fault.method not in (None, method):
                    continue
                entry[1] += 1  # type: ignore[operator]
                hits = entry[1] - fault.after  # type: ignore[operator]
                if hits > 0 and (fault.times is None or hits <= fault.times):
                    return fault
        return None
