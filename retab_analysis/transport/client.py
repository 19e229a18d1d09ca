"""The client: one call is one request with all its retries."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any, NoReturn, Self, TypeVar

from retab_analysis.arguments import add_sentence
from retab_analysis.config import Secret, load_settings
from retab_analysis.errors import NotFoundError, ProtocolError, RetabAnalysisError, SchemaError
from retab_analysis.transport.deadline import (
    Attempt,
    check_cancelled,
    current_token,
    forget_threads,
    under_way,
)
from retab_analysis.transport.request import Params, RequestSender
from retab_analysis.transport.response import Response, classify_response, read_status, wrong_body
from retab_analysis.transport.retry import (
    FailedAttempt,
    RetryLoop,
    RetryState,
    TimeSource,
    tell_time,
)

T = TypeVar("T")
Parse = Callable[[bytes], T]
Accept = Callable[[T, datetime], None]
_Read = Callable[[Response], T]

_LIST_OF_RUNS = "GET /v1/workflows/evals/runs"
"""The one request whose answers set the clock."""

_log = logging.getLogger("retab_analysis")
_clients: weakref.WeakSet[Client] = weakref.WeakSet()


class Client:
    """A connection to the Retab API.

    A client is safe for many threads, which share its open connections; as a context manager it
    closes them. After a fork the client works, but polars does not: spawn processes instead. The
    key appears in no repr, error, traceback or log record. A client cannot be pickled.

    Args:
        api_key: The key. By default the variable ``RETAB_API_KEY``, or the default profile of
            ``~/.retab/config.json``, the file of Retab's command line.
        base_url: The API's address. By default the profile's, if the client uses its key. Else the
            variable ``RETAB_API_BASE_URL`` or ``RETAB_BASE_URL``, or ``https://api.retab.com``. It
            may end in ``/v1``. Plain ``http://`` works for this machine only.
        profile: Use the key of this profile of that file.
        timeout: Seconds to wait for a connection, and for each part of an answer.
        deadline: Seconds for one request with all its retries. Once the API has answered a call,
            waiting for its rate limit may take up to 600 seconds more.
        max_attempts: How often a GET is tried; answers with 429 do not count. A POST is sent once.
        max_concurrency: How many requests one fetch sends at the same time. A check may do two
            fetches at once, an overview four checks.

    Attributes:
        clock_offset: Seconds by which the API's clock is ahead of this machine's, by the ``Date``
            of the latest list of runs; 0 before the first.

    Raises:
        ConfigError: There is no key, or only a browser login; or a value cannot be used.

    Proxies come from the environment (``HTTPS_PROXY``, ``NO_PROXY``, …). An address on this machine
    uses only a proxy on this machine. Certificates are checked against the operating system's and
    certifi's; with ``REQUESTS_CA_BUNDLE`` only against that file.

    Example:
        >>> with ra.Sandbox() as sandbox, ra.Client(**sandbox.credentials, timeout=10) as client:
        ...     ra.fetch_runs("wf_invoices", limit=3, client=client).height
        3
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        profile: str | None = None,
        timeout: float = 30.0,
        deadline: float = 120.0,
        max_attempts: int = 5,
        max_concurrency: int = 8,
    ) -> None:
        # A traceback may be shown with its variables.
        secret = None if api_key is None else Secret(api_key)
        del api_key
        limits = timeout, deadline, max_attempts, max_concurrency
        self._settings = load_settings(secret, base_url, profile, *limits)
        self._sender = RequestSender(self._settings, f"retab-analysis/{version('retab_analysis')}")
        self._set_time(TimeSource())
        self.clock_offset = 0.0
        self._environment: str | None = None
        _clients.add(self)

    def _set_time(self, source: TimeSource) -> None:
        """Use other clocks; for tests."""
        self._source, self._asking = source, threading.Lock()
        self._loop = RetryLoop(source, self.sleep, check_cancelled)

    @property
    def base_url(self) -> str:
        """The API's address, without ``/v1``."""
        return self._settings.base_url

    @property
    def is_production(self) -> bool:
        """Whether the key is known to be for production, without a request."""
        return self._settings.environment == "production"

    @property
    def max_concurrency(self) -> int:
        """How many requests one fetch sends at the same time."""
        return self._settings.max_concurrency

    @property
    def api_time(self) -> datetime:
        """The API's time by its newest list of runs; before the first, this machine's."""
        return datetime.fromtimestamp(self._source.wall() + self.clock_offset, UTC)

    def get(
        self, path: str, params: Params = (), *, parse: Parse[T], tries: int | None = None
    ) -> T:
        """GET a document by its quoted path from ``/v1`` on, and try again while that may help.

        ``parse`` makes the result from the body; its ``ProtocolError`` names the problem ("not
        JSON") and counts as a failed attempt. With ``tries`` there are at most as many.
        """
        most = self._settings.max_attempts
        limits = {"max_attempts": min(tries or most, most)}
        return self._call("GET", path, params, None, lambda each: parse(each.body), **limits)

    def post(
        self,
        path: str,
        json: Any,
        *,
        parse: Parse[T],
        accept: Accept[T] = lambda result, now: None,
        key: str | None = None,
    ) -> T:
        """POST a JSON document, once: even after a failure the API may have acted on it.

        ``key`` is its Idempotency-Key, the same for the same change.

        ``accept`` gets the result and the API's time by this very answer, without a ``Date`` by
        :attr:`api_time`. Its ``ProtocolError`` names the problem.
        """

        def read(response: Response) -> T:
            accept(result := parse(response.body), tell_time(response.headers) or self.api_time)
            return result

        return self._call("POST", path, (), json, read, key=key)

    def describe_environment(self) -> str:
        """Name the environment that the key sees, for errors about missing records; asks once."""
        with self._asking:
            if self._environment is None:
                kind, name = self._settings.environment, None
                most = min(5.0, self._settings.deadline)
                limits = {"max_attempts": 1, "deadline": most, "overtime": 0.0}
                with contextlib.suppress(RetabAnalysisError):  # some keys may not ask
                    name = self._call("GET", "/v1/auth/status", (), None, read_status, **limits)
                named = f" {name!r}" if name else ""
                self._environment = f"{f'the {kind}' if kind else 'its own'} environment{named}"
        return f"The key sees {self._environment} alone: records of another one look missing"

    def explain_absence(self, error: BaseException) -> None:
        """Add to an error about a missing record that it may be in another environment."""
        if isinstance(error, NotFoundError):
            error.args = (add_sentence(error, self.describe_environment()),)

    def now(self) -> float:
        """Seconds on a clock that only goes forward."""
        return self._source.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait, until the time is over or this thread is stopped."""
        token = current_token()
        (self._source.sleep or (token.wait if token else time.sleep))(seconds)

    def close(self) -> None:
        """Close the kept connections; using the client again opens new ones."""
        self._sender.close()

    def _call(
        self, method: str, path: str, params: Params, json: Any, read: _Read[T], **limits: Any
    ) -> T:
        settings, url = self._settings, self._settings.base_url + path
        usual = {"deadline": settings.deadline, "max_attempts": settings.max_attempts}
        state = RetryState(f"{method} {path}", self._source, **usual | limits)

        def attempt(state: RetryState) -> T | FailedAttempt:
            with under_way(Attempt(state, settings.api_key.redact)) as current:
                response = current.call(partial(self._sender.send, method, url, params, json))
                if isinstance(response, FailedAttempt):
                    return response
                result = self._read(response, state, read)
                is_answer = not isinstance(result, FailedAttempt)
                now = tell_time(response.headers) if state.request == _LIST_OF_RUNS else None
                if is_answer and now is not None:
                    self.clock_offset = now.timestamp() - self._source.wall()
                return result

        return self._loop.call(attempt, state)

    def _read(self, response: Response, state: RetryState, read: _Read[T]) -> T | FailedAttempt:
        _log.debug("%s: %d, %d bytes", state.request, response.status, len(response.body))
        failed = classify_response(response, state, self._settings, self._source.wall())
        if failed is not None:
            return failed
        try:
            return read(response)
        except SchemaError as error:
            error.request_id = response.headers.get("x-request-id")
            if error.request_id:
                error.args = (f"{error} [x-request-id {error.request_id}]",)
            raise
        except ProtocolError as error:
            # Outside its block: a later exception must have no context.
            reason = str(error)
        return wrong_body(response, reason, state)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        # A traceback may show a client whose __init__ failed before it had settings.
        if not hasattr(self, "_settings"):
            return "Client(api_key='***', base_url=None)"
        key, url = self._settings.key_source, self._settings.url_source
        return f"Client(api_key='***' from {key}, base_url={self.base_url!r} from {url})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __copy__(self) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Client cannot be pickled: it holds a key; make one in each process")


def _start_all_anew() -> None:
    # Neither sockets, locks nor threads are taken from the parent.
    forget_threads()
    for client in list(_clients):
        client._sender.start_anew()
        client._set_time(client._source)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_all_anew)
