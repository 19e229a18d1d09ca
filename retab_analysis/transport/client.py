"""The client: one call is one request with all its retries."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NoReturn, Self, TypeVar

from retab_analysis.config import Secret, load_settings
from retab_analysis.errors import (
    APIError,
    DeadlineExceeded,
    ProtocolError,
    RateLimitError,
    RetabAnalysisError,
    TransportError,
)
from retab_analysis.transport.cancellation import current
from retab_analysis.transport.request import Exchange, Params
from retab_analysis.transport.response import Failure, attempts_made, judge, not_json
from retab_analysis.transport.retry import Gate, Schedule, Time

T = TypeVar("T")

_log = logging.getLogger("retab_analysis")


class Client:
    """A connection to the Retab API.

    Safe for many threads, which share its kept connections; a context manager that closes them.
    The key shows in no repr, error, traceback or log record, and a client cannot be pickled.

    Args:
        api_key: The key; else the variable ``RETAB_API_KEY``.
        base_url: The API's address; else the variable ``RETAB_API_BASE_URL``, else
            ``https://api.retab.com``. A trailing ``/v1`` is tolerated. Plain ``http://`` is
            taken for this machine only.
        timeout: Seconds to wait for a connection, and for each part of an answer.
        deadline: Seconds for one request with all its retries.
        max_attempts: How often a GET is tried. A POST is sent once.
        max_concurrency: How many requests a fetch of many things has under way at once.

    Raises:
        ConfigError: There is no key, or a value cannot be used.

    Proxies and the CA bundle are taken from the environment (``HTTPS_PROXY``, ``NO_PROXY``,
    ``REQUESTS_CA_BUNDLE``, …) when the client is made. An address on this machine is only
    reached through a proxy on this machine.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float = 30.0,
        deadline: float = 120.0,
        max_attempts: int = 5,
        max_concurrency: int = 8,
    ) -> None:
        # A traceback may be shown with its variables.
        secret = None if api_key is None else Secret(api_key)
        del api_key
        self._settings = load_settings(
            secret,
            base_url,
            timeout=timeout,
            deadline=deadline,
            max_attempts=max_attempts,
            max_concurrency=max_concurrency,
        )
        self._exchange = Exchange(self._settings, f"retab-analysis/{version('retab_analysis')}")
        self._set_time(Time())

    def _set_time(self, time: Time) -> None:
        """Go by other clocks; for tests."""
        self._time = time
        self._gate = Gate(time.monotonic, self.sleep)

    @property
    def base_url(self) -> str:
        """The API's address, without ``/v1``."""
        return self._settings.base_url

    @property
    def max_concurrency(self) -> int:
        """How many requests a fetch of many things has under way at once."""
        return self._settings.max_concurrency

    def get(self, path: str, params: Params = (), *, parse: Callable[[bytes], T]) -> T:
        """GET a document, trying again while that may help.

        Args:
            path: From ``/v1`` on, with every part of it quoted.
            params: Names and values of the query.
            parse: Makes the result of the body. Its ``ProtocolError`` says that the body is not
                JSON, and counts as a failed attempt; any other error goes to the caller.

        Returns:
            What ``parse`` gives.

        Raises:
            APIError: The API answered with an error status (a subclass by status).
            TransportError: The network failed at every attempt, or the deadline passed.
            ProtocolError: What answered is not the API.
            SchemaError: From ``parse``.
        """
        return self._call("GET", path, params, None, parse)

    def post(self, path: str, json: Any, *, parse: Callable[[bytes], T]) -> T:
        """POST a JSON document, once: it is never tried again by itself.

        Args:
            path: From ``/v1`` on, with every part of it quoted.
            json: The body, or None.
            parse: Makes the result of the body.

        Returns:
            What ``parse`` gives.

        Raises:
            APIError: The API answered with an error status (a subclass by status).
            TransportError: The network failed or the deadline passed; whether the API acted on
                the request is not known.
            ProtocolError: What answered is not the API.
            SchemaError: From ``parse``.
        """
        return self._call("POST", path, (), json, parse)

    def now(self) -> float:
        """Seconds on a clock that only goes forward."""
        return self._time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait, unless this thread is told to stop."""
        cancel = current()
        if cancel is None:
            self._time.sleep(seconds)
        else:
            cancel.wait(seconds)

    def close(self) -> None:
        """Close the kept connections; using the client again opens new ones."""
        self._exchange.close()

    def _call(
        self, method: str, path: str, params: Params, json: Any, parse: Callable[[bytes], T]
    ) -> T:
        settings = self._settings
        attempts = settings.max_attempts if method == "GET" else 1
        schedule = Schedule(self._time, deadline=settings.deadline, max_attempts=attempts)
        while True:
            schedule.attempt += 1
            outcome = self._attempt(method, path, params, json, parse, schedule)
            if not isinstance(outcome, Failure):
                return outcome
            self._wait_or_raise(outcome, schedule)

    def _attempt(
        self,
        method: str,
        path: str,
        params: Params,
        json: Any,
        parse: Callable[[bytes], T],
        schedule: Schedule,
    ) -> T | Failure:
        settings, request = self._settings, f"{method} {path}"
        if not self._gate.pass_through(schedule):
            return Failure(_held_back(request, schedule), retry=False)
        url = settings.base_url + path
        answer = self._exchange.send(method, url, params, json, schedule)
        if isinstance(answer, Failure):
            return answer
        attempt = schedule.attempt
        _log.debug("%s: %d, %d bytes", request, answer.status, len(answer.body))
        failure = judge(
            answer, request=request, settings=settings, attempt=attempt, now=self._time.wall()
        )
        if failure is not None:
            return failure
        try:
            return parse(answer.body)
        except ProtocolError as error:
            reason = str(error)
        return not_json(answer, reason, request=request, settings=settings, attempt=attempt)

    def _wait_or_raise(self, failure: Failure, schedule: Schedule) -> None:
        """Sleep before the next attempt, or raise where there is none."""
        error = failure.error
        asked = error.retry_after if isinstance(error, APIError) else None
        if isinstance(error, RateLimitError) and asked is not None:
            self._gate.close(asked)
        if not failure.retry or schedule.is_last():
            raise error
        pause = schedule.backoff() if asked is None else asked
        if pause > schedule.remaining():
            raise _out_of_time(error, schedule)
        _log.debug("attempt %d failed, the next in %.2f s: %s", schedule.attempt, pause, error)
        self.sleep(pause)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        # In a traceback also a client is shown of which nothing came.
        url = self.base_url if hasattr(self, "_settings") else None
        return f"Client(api_key='***', base_url={url!r})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Client cannot be pickled: it holds a key and connections; make one in each process"
        )


def _held_back(request: str, schedule: Schedule) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"{request}: the API asked this client to slow down, for longer than the deadline of "
        f"{schedule.deadline:g} s",
        attempts=schedule.attempt,
    )


def _out_of_time(error: RetabAnalysisError, schedule: Schedule) -> RetabAnalysisError:
    """What to raise when the deadline is nearer than the next attempt.

    A status says more than the deadline does; a network failure says less.
    """
    if not isinstance(error, TransportError):
        return error
    return DeadlineExceeded(
        f"the deadline of {schedule.deadline:g} s leaves no time for another attempt"
        f"{attempts_made(schedule.attempt)}; the last one: {error}",
        attempts=schedule.attempt,
    )
