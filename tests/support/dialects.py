"""Other shapes of the API: a proxy on loopback that changes what is asked and what is answered.

The sandbox serves what is documented. How sure each fact is says the API's notes; a dialect is the
API where one of the less sure ones is false.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Tell = Callable[[Any], Any]

PUBLICATIONS, GRAPHS = r"/v1/workflows/[^/]+/published-versions", "/v1/workflows/versions"
EVALS, RESULTS = r"/v1/workflows/evals(/(?!runs|results)[^/]+)?", "/v1/workflows/evals/results"
HISTORY = r"/v1/workflows/blocks/[^/]+/config-history"


@dataclass
class Dialect:
    """How an API differs from the documented one.

    Attributes:
        refused: What is answered, by the pattern of a path: a status, or a web page.
        moved: Which path is meant by the pattern of another one.
        told: What becomes of a row of a list, or of a single document, by the pattern of its path.
        dropped: Which header of a request is ignored.
        lost: Which POSTs have their answers lost, counted from 1 by ``posts``.
        frozen_at: When a run takes the draft, in the sandbox behind it.
    """

    refused: Mapping[str, int | str] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, Tell] = field(default_factory=dict)
    dropped: str = ""
    lost: Collection[int] = ()
    posts: int = 0
    frozen_at: str = "start"

    def ask(self, target: str) -> str:
        """What the API behind calls it."""
        path, mark, query = target.partition("?")
        for pattern, other in self.moved.items():
            if re.fullmatch(pattern, path):
                path = other.format(**_fields(query))
        return f"{path}{mark}{query}"

    def refuse(self, target: str) -> int | str | None:
        path = urlsplit(target).path
        found = (how for pattern, how in self.refused.items() if re.fullmatch(pattern, path))
        return next(found, None)

    def tell(self, target: str, body: bytes) -> bytes:
        """An answer, in this dialect."""
        path = urlsplit(target).path
        for pattern, change in self.told.items():
            if re.fullmatch(pattern, path):
                document = json.loads(body)
                if "data" in document:
                    document["data"] = [*map(change, document["data"])]
                else:
                    document = change(document)
                body = json.dumps(document).encode()
        return body


def _fields(query: str) -> dict[str, str]:
    return dict(each.split("=", 1) for each in query.split("&") if "=" in each)


def without(*members: str) -> Tell:
    """Set members to null, wherever they are in a document."""

    def change(value: Any) -> Any:
        if isinstance(value, list):
            return [*map(change, value)]
        if not isinstance(value, dict):
            return value
        return {name: None if name in members else change(each) for name, each in value.items()}

    return change


def moved_by_runs(saved: dict[str, Any]) -> dict[str, Any]:
    """An eval that counts as saved when it ran last; the answer of a deleted one stays."""
    if "updated_at" not in saved:
        return saved
    ran = (saved["latest_run_summary"] or {}).get("completed_at") or ""
    return {**saved, "updated_at": max(saved["updated_at"], ran)}


def nested(status: dict[str, Any]) -> dict[str, Any]:
    """Who a key is, with its environment in an object of its own."""
    slug, ident = status.pop("environment_slug"), status.pop("environment_id")
    return {**status, "environment": {"id": ident, "name": slug, "type": "non_production"}}


NO_FINGERPRINTS = without(
    "handle_inputs_fingerprint",
    "block_execution_fingerprint",
    "workflow_draft_fingerprint",
    "execution_fingerprint",
)

DIALECTS: dict[str, Callable[[], Dialect]] = {
    "as documented": Dialect,
    "no config-history": lambda: Dialect({HISTORY: 404}),
    "graph versions only": lambda: Dialect({PUBLICATIONS: 404}),
    "publications for the dashboard only": lambda: Dialect({PUBLICATIONS: 403, HISTORY: 403}),
    "a web page": lambda: Dialect({PUBLICATIONS: "<html>", HISTORY: "<html>"}),
    "no fingerprints": lambda: Dialect(
        told={f"{RESULTS}(/[^/]+)?|{EVALS}": NO_FINGERPRINTS},
    ),
    "no freshness": lambda: Dialect(told={EVALS: without("freshness")}),
    "the draft is frozen when the run starts": lambda: Dialect(frozen_at="start"),
    "the draft is frozen when the run is created": lambda: Dialect(frozen_at="creation"),
    "config-history answers 500": lambda: Dialect({HISTORY: 500}),
    "validity absent": lambda: Dialect(
        told={EVALS: without("validity_fingerprint")},
    ),
    "updated_at moves with each run": lambda: Dialect(told={EVALS: moved_by_runs}),
    "idempotency keys ignored": lambda: Dialect(dropped="Idempotency-Key"),
    "auth nested": lambda: Dialect(told={"/v1/auth/status": nested}),
    "another environment": lambda: Dialect({r"/v1/workflows/.+": 404}),
    # Where the list of versions was one of publications.
    "last month": lambda: Dialect(
        {PUBLICATIONS: 404, HISTORY: 404},
        moved={GRAPHS: "/v1/workflows/{workflow_id}/published-versions"},
        told={GRAPHS: lambda row: {**row, "created_at": row["published_at"]}},
    ),
}


# Those that tell codes by something else, or not at all; the others are kinds of these.
APART = {
    *("as documented", "no config-history", "no fingerprints", "no freshness"),
    *("the draft is frozen when the run starts", "last month", "another environment"),
}


@contextlib.contextmanager
def spoken(dialect: Dialect, base_url: str) -> Iterator[str]:
    """Put a dialect in front of an API; gives the address of both."""
    behind = urlsplit(base_url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body go out together

        def _serve(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            refused = dialect.refuse(self.path)
            if isinstance(refused, str):
                return self._answer(200, refused.encode(), {"Content-Type": "text/html"})
            if refused is not None:
                return self._answer(refused, json.dumps({"detail": "no such page"}).encode(), {})
            assert behind.hostname is not None
            connection = http.client.HTTPConnection(behind.hostname, behind.port, timeout=30)
            with contextlib.closing(connection):
                headers = {
                    name: value
                    for name, value in self.headers.items()
                    if name not in ("Host", dialect.dropped)
                }
                connection.request(self.command, dialect.ask(self.path), sent or None, headers)
                answer = connection.getresponse()
                body = answer.read()
            kept = ("Content-Type", "Date", "x-request-id", "RateLimit-Limit")
            dialect.posts += self.command == "POST"
            if self.command == "POST" and dialect.posts in dialect.lost:
                self.close_connection = True
                return None
            given = {name: value for name in kept if (value := answer.headers[name])}
            self._answer(answer.status, dialect.tell(self.path, body), given)

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response_only(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        do_GET = do_POST = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(5)
