"""One request and its whole answer: the only place that uses requests."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.auth import AuthBase
from requests.utils import get_environ_proxies

from retab_analysis.config import Secret, Settings, is_loopback
from retab_analysis.errors import (
    DeadlineExceeded,
    ResponseTooLarge,
    RetabAnalysisError,
    TransportError,
)
from retab_analysis.transport.cancellation import CancellableAdapter, cancellable
from retab_analysis.transport.response import Answer, Failure, attempts_made
from retab_analysis.transport.retry import Schedule

MAX_BODY = 128 * 1024 * 1024
MAX_ERROR_BODY = 64 * 1024
CHUNK = 256 * 1024

Params = Sequence[tuple[str, str]]

# Whatever requests, urllib3 and the standard library raise for a network that misbehaves.
NETWORK_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)


class BearerAuth(AuthBase):
    """Puts the key on a request at the last moment, so that no object of ours holds the header."""

    __slots__ = ("_key",)

    def __init__(self, key: Secret) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header."""
        request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return request


class Exchange:
    """Sends requests over a pool of kept connections; safe for many threads.

    It works on requests' adapter rather than a ``Session``: with no session there are no cookies,
    no netrc, no redirects and no environment that changes between two requests.
    """

    def __init__(self, settings: Settings, user_agent: str) -> None:
        self._settings = settings
        self._auth = BearerAuth(settings.api_key)
        self._proxies = _proxies(settings)
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
        }
        size = settings.max_concurrency
        self._adapter = CancellableAdapter(pool_connections=2, pool_maxsize=size, max_retries=0)

    def close(self) -> None:
        """Close the kept connections."""
        self._adapter.close()

    def send(
        self, method: str, url: str, params: Params, json: Any, schedule: Schedule
    ) -> Answer | Failure:
        """Send one request and read its whole answer.

        The errors of the network come back as values and are raised by the caller, outside of any
        ``except`` block: the frames of urllib3 hold the key in their locals, and must not be
        reachable from what a notebook prints.
        """
        interrupted = False
        try:
            with cancellable():
                return self._exchange(method, url, params, json, schedule)
        except RetabAnalysisError as error:
            failure = Failure(error, retry=False)
        except KeyboardInterrupt:
            interrupted = True
        except NETWORK_ERRORS as error:
            failure = self._failure(f"{method} {url}", error, schedule)
        if interrupted:
            raise KeyboardInterrupt
        return failure

    def _exchange(
        self, method: str, url: str, params: Params, json: Any, schedule: Schedule
    ) -> Answer:
        request = requests.Request(
            method, url, params=list(params), json=json, headers=self._headers, auth=self._auth
        ).prepare()
        response = self._adapter.send(
            request,
            stream=True,
            timeout=max(0.001, min(self._settings.timeout, schedule.remaining())),
            verify=self._settings.ca_bundle or True,
            proxies=self._proxies,
        )
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            body = _read(response, self._settings.timeout, schedule, f"{method} {url}")
        finally:
            response.close()
        return Answer(response.status_code, headers, body)

    def _failure(self, request: str, error: Exception, schedule: Schedule) -> Failure:
        if schedule.remaining() <= 0:
            return Failure(_deadline(request, schedule), retry=False)
        reason = self._settings.api_key.redact(_reason(error))
        if _is_tls(error):
            hint = "; if this network has a certificate authority of its own, name its bundle in "
            text = f"{request}: TLS failed: {reason}{hint}REQUESTS_CA_BUNDLE"
            return Failure(TransportError(text, attempts=schedule.attempt), retry=False)
        text = f"{request}: {reason}{attempts_made(schedule.attempt)}"
        return Failure(TransportError(text, attempts=schedule.attempt), retry=True)


def _read(response: requests.Response, timeout: float, schedule: Schedule, request: str) -> bytes:
    """Read the body in pieces as they come, so that a dripping one meets the deadline."""
    is_error = response.status_code >= 400
    limit = MAX_ERROR_BODY if is_error else MAX_BODY
    body = bytearray()
    while True:
        try:
            _limit_wait(response.raw, min(timeout, schedule.remaining()))
            piece = response.raw.read1(CHUNK, decode_content=True)
        except NETWORK_ERRORS as error:
            if is_error:  # the status says enough, also where its message does not arrive whole
                return bytes(body)
            raise _BodyError(_reason(error)) from None
        body += piece
        if not piece or (is_error and len(body) > limit):
            return bytes(body)
        if len(body) > limit:
            raise ResponseTooLarge(
                f"{request}: the body is larger than {limit // 1024**2} MiB once decompressed",
                attempts=schedule.attempt,
            )
        if schedule.remaining() <= 0:
            raise _deadline(request, schedule)


class _BodyError(OSError):
    """The body broke off; with TLS too, where that is no failure of the handshake."""


def _limit_wait(raw: Any, seconds: float) -> None:
    """Let the next read of the socket wait no longer than this.

    urllib3 sets the timeout once for each request and has no public way to shorten it later;
    where the socket cannot be found, a stalled read ends with the timeout set at the start.
    """
    buffered = getattr(getattr(raw, "_fp", None), "fp", None)
    sock = getattr(getattr(buffered, "raw", None), "_sock", None)
    if sock is not None:
        sock.settimeout(max(0.001, seconds))


def _deadline(request: str, schedule: Schedule) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"{request}: not finished within the deadline of {schedule.deadline:g} s"
        f"{attempts_made(schedule.attempt)}",
        attempts=schedule.attempt,
    )


def _proxies(settings: Settings) -> dict[str, str]:
    """The environment's proxies; what is on this machine stays on this machine."""
    proxies = dict(get_environ_proxies(settings.base_url, no_proxy=None))
    if settings.is_loopback:
        return {scheme: url for scheme, url in proxies.items() if _host_is_loopback(url)}
    return proxies


def _host_is_loopback(url: str) -> bool:
    host = urlsplit(url if "://" in url else f"//{url}").hostname
    return host is not None and is_loopback(host)


def _is_tls(error: BaseException) -> bool:
    return any(
        isinstance(each, ssl.SSLError | requests.exceptions.SSLError) for each in _chain(error)
    )


def _reason(error: BaseException) -> str:
    """The innermost cause in its own words, which is what a person can act on."""
    innermost = list(_chain(error))[-1]
    return str(innermost) or type(innermost).__name__


def _chain(error: BaseException) -> Sequence[BaseException]:
    chain = [error]
    while len(chain) < 16:
        last = chain[-1]
        inner = [getattr(last, "reason", None), *last.args, last.__cause__]
        following = next((each for each in inner if isinstance(each, BaseException)), None)
        if following is None:
            break
        chain.append(following)
    return chain
