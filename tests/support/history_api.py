"""A server of one long history of runs, which takes dates and order in whatever way."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from support.documents import run_document
from support.faultserver import Reply, reply

SECOND = 1_000_000
HOUR, DAY, YEAR = 3600 * SECOND, 86_400 * SECOND, 365 * 86_400 * SECOND
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TODAY = (datetime(2026, 5, 18, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
PAGE = 100
FOREVER = 10**18


def iso(moment: int) -> str:
    return (EPOCH + timedelta(microseconds=moment)).isoformat().replace("+00:00", "Z")


def read_iso(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Run:
    """``created`` is what the document says, ``key`` what the server sorts by."""

    id: str
    created: int | None
    key: tuple[int, str]
    status: str
    body: bytes


def make_run(
    run_id: str,
    created: int | None,
    *,
    sort_by: int | None = None,
    status: str = "completed",
    **changes: object,
) -> Run:
    document = run_document(
        run_id,
        timing={"created_at": None if created is None else iso(created)},
        lifecycle={"status": status},
        counts=None,
        target=None,
        freshness=None,
        **changes,
    )
    at = sort_by if sort_by is not None else created or 0
    return Run(run_id, created, (at, run_id), status, json.dumps(document).encode())


def runs_at(times: Iterable[int]) -> list[Run]:
    return list(_runs_at(tuple(times)))


@functools.lru_cache(32)
def _runs_at(times: tuple[int, ...]) -> list[Run]:
    return [make_run(f"r{index:05}", at) for index, at in enumerate(times)]


# What servers make of a date, in microseconds: the bounds in which a time must lie.
Bounds = Callable[[int, int], Callable[[int], bool]]
DATES: dict[str, Bounds] = {
    "inclusive": lambda low, high: lambda at: low <= at <= high,
    "exclusive": lambda low, high: lambda at: low < at < high,
    "cut to seconds": lambda low, high: (
        lambda at: low // SECOND * SECOND <= at <= high // SECOND * SECOND
    ),
    "cut to days": lambda low, high: lambda at: low // DAY * DAY <= at <= high // DAY * DAY,
    "the whole of both days": lambda low, high: lambda at: low // DAY <= at // DAY <= high // DAY,
    "two hours off": lambda low, high: lambda at: low + 2 * HOUR <= at <= high + 2 * HOUR,
    "ignored": lambda low, high: lambda at: True,
    "from_date ignored": lambda low, high: lambda at: at <= high,
    "to_date ignored": lambda low, high: lambda at: low <= at,
    # As where a missing from_date means some days before to_date.
    "three days at most": lambda low, high: (
        lambda at: max(low, high - 3 * DAY) <= at <= min(high, low + 3 * DAY)
    ),
}


@dataclass
class HistoryApi:
    """The list of runs: order, limit, dates, status, and a cursor that survives changes."""

    runs: list[Run]
    dates: Bounds = DATES["inclusive"]
    largest_page: int = PAGE
    before_each: Callable[[HistoryApi, int, dict[str, str]], Reply | None] = lambda *_: None
    queries: list[dict[str, str]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    ordered: tuple[str, list[Run], list[Run]] = ("", [], [])

    def __call__(self, request: str) -> Reply:
        query = dict(parse_qsl(urlsplit(request.split(" ")[1]).query))
        with self.lock:
            self.queries.append(query)
            number = len(self.queries)
        if number > 500:  # far more than any history here needs: end what would never end
            return reply(401)
        fault = self.before_each(self, number, query)
        return self.answer(query) if fault is None else fault

    def chosen(self, query: dict[str, str]) -> list[Run]:
        low = read_iso(query["from_date"]) if "from_date" in query else -FOREVER
        high = read_iso(query["to_date"]) if "to_date" in query else FOREVER
        is_inside = self.dates(low, high)
        is_bounded = "from_date" in query or "to_date" in query
        with self.lock:
            if self.ordered[:2] != (query["order"], self.runs):
                key, is_desc = (lambda run: run.key), query["order"] == "desc"
                ordered = sorted(self.runs, key=key, reverse=is_desc)
                self.ordered = (query["order"], self.runs, ordered)
            runs = self.ordered[2]
        return [
            run
            for run in runs
            if query.get("status", run.status) == run.status
            and (not is_bounded or (run.created is not None and is_inside(run.created)))
        ]

    def answer(self, query: dict[str, str]) -> Reply:
        runs, sign = self.chosen(query), -1 if query["order"] == "desc" else 1
        if "after" in query:
            at, run_id = query["after"].split("~")
            key = (int(at), run_id)
            runs = [run for run in runs if (run.key > key if sign > 0 else run.key < key)]
        size = min(int(query["limit"]), self.largest_page)
        after = None
        if len(runs) > size:
            after = f"{runs[size - 1].key[0]}~{runs[size - 1].id}"
        metadata = json.dumps({"before": None, "after": after}).encode()
        records = b",".join(run.body for run in runs[:size])
        return reply(body=b'{"data": [' + records + b'], "list_metadata": ' + metadata + b"}")
