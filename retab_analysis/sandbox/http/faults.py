"""Faults on request: declared as data, each waits for the requests that it matches."""

import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

KINDS = ("status", "reset", "cut", "html", "empty", "slow", "drip")
# Longer than anybody waits, and what `time.sleep` takes everywhere.
LONGEST = 86_400.0


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
        times: How often; None is without end.

    Raises:
        ValueError: A kind that there is not, a number out of range, or a value of another type.
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
        for name in ("match", "message"):
            _check_text(name, getattr(self, name))
        for name in ("method", "retry_after"):
            if getattr(self, name) is not None:
                _check_text(name, getattr(self, name))
        if not (_is_whole(self.status) and 300 <= self.status <= 599):
            raise ValueError(f"a fault's status is between 300 and 599, not {self.status!r}")
        if not is_seconds(self.delay):
            raise ValueError(f"a fault's delay is in seconds, 0 or more, not {self.delay!r}")
        times_fit = self.times is None or (_is_whole(self.times) and self.times >= 1)
        if not (_is_whole(self.after) and self.after >= 0 and times_fit):
            raise ValueError("a fault's after is at least 0, and its times at least 1 or None")
        if any(not 32 <= ord(letter) < 256 for letter in self.retry_after or ""):
            raise ValueError("a fault's retry_after has to fit in a header")


def is_seconds(value: object) -> bool:
    """Say whether a value is a number of seconds that a connection can wait: 0 to one day."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and 0 <= value <= LONGEST


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f"a fault's {name} is a text, not {value!r}")


def as_fault(fault: Fault | Mapping[str, Any]) -> Fault:
    """Take a fault, or a mapping with the fields of one.

    Raises:
        ValueError: Anything else.
    """
    if isinstance(fault, Fault):
        return fault
    if not isinstance(fault, Mapping):
        raise ValueError(f"a fault is a Fault or a mapping of its fields, not {fault!r}")
    known = [each.name for each in fields(Fault)]
    if not set(fault) <= set(known):
        raise ValueError(f"not a fault: {dict(fault)!r}; its fields are {', '.join(known)}")
    return Fault(**fault)


class FaultInjector:
    """The faults that are waiting for their requests; safe for many threads."""

    def __init__(self, faults: Iterable[Fault | Mapping[str, Any]] = ()) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_WaitingFault] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault | Mapping[str, Any]) -> None:
        """Let a fault wait for its requests."""
        waiting = _WaitingFault(as_fault(fault))
        with self._lock:
            self._waiting.append(waiting)

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._waiting.clear()

    def next_fault(self, method: str, target: str) -> Fault | None:
        """Give the fault that this request meets, if any, and count the request."""
        with self._lock:
            for waiting in self._waiting:
                if waiting.meets(method, target):
                    return waiting.fault
        return None


class _WaitingFault:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._matched = 0

    def meets(self, method: str, target: str) -> bool:
        fault = self.fault
        if fault.match not in target or fault.method not in (None, method):
            return False
        self._matched += 1
        turn = self._matched - fault.after
        return turn > 0 and (fault.times is None or turn <= fault.times)
