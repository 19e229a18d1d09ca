"""Send one request and read its whole body, over kept connections.

Only this file and ``cancellation`` use requests and urllib3. What goes wrong on the way comes back
as a :class:`FailedAttempt`; whether it is tried again is for ``retry``.
"""

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
from retab_analysis.transport.response import Response
from retab_analysis.transport.retry import FailedAttempt, RetryState, attempts_made

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


class RequestSender:
    """Sends requests over a pool of kept connections; safe for many threads.

    It works on requests' adapter rather than a ``Session``: with no session there are no cookies,
    no netrc, no redirects and no environment that changes between two requests.
    """

    def __init__(self, settings: Settings, user_agent: str) -> None:
        self._settings = settings
        self._auth = BearerAuth(settings.api_key)
        self._proxies = _choose_proxies(settings)
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
        self, method: str, url: str, params: Params, json: Any, state: RetryState
    ) -> Response | FailedAttempt:
        """Send one request and read its whole body.

        The errors of the network come back as values and are raised by the caller, outside of any
        ``except`` block: the frames of urllib3 hold the key in their locals, and must not be
        reachable from what a notebook prints.
        """
        interrupted = False  # Ctrl-C, too, would carry urllib3's frames
        try:
            with cancellable():
                return self._send_and_read(method, url, params, json, state)
        except RetabAnalysisError as error:
            failure = FailedAttempt(error, retry=False)
        except KeyboardInterrupt:
            interrupted = True
        except NETWORK_ERRORS as error:
            failure = self._network_failure(f"{method} {url}", error, state)
        if interrupted:
            raise KeyboardInterrupt
        return failure

    def _send_and_read(
        self, method: str, url: str, params: Params, json: Any, state: RetryState
    ) -> Response:
        request = requests.Request(
            method, url, params=list(params), json=json, headers=self._headers, auth=self._auth
        ).prepare()
        response = self._adapter.send(
            request,
            stream=True,
            # 0 would be refused as a timeout, and the deadline may have passed just now.
            timeout=max(0.001, min(self._settings.timeout, state.remaining())),
            verify=self._settings.ca_bundle or True,
            proxies=self._proxies,
        )
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            body = _read_body(response, self._settings.timeout, state, f"{method} {url}")
        finally:
            response.close()
        return Response(response.status_code, headers, body)

    def _network_failure(self, request: str, error: Exception, state: RetryState) -> FailedAttempt:
        if state.remaining() <= 0:
            return FailedAttempt(_deadline_error(request, state), retry=False)
        reason = self._settings.api_key.redact(_innermost_message(error))
        if _is_tls(error):
            hint = "; if this network has a certificate authority of its own, name its bundle in "
            text = f"{request}: TLS failed: {reason}{hint}REQUESTS_CA_BUNDLE"
            return FailedAttempt(TransportError(text, attempts=state.attempt), retry=False)
        text = f"{request}: {reason}{attempts_made(state.attempt)}"
        return FailedAttempt(TransportError(text, attempts=state.attempt), retry=True)


def _read_body(
    response: requests.Response, timeout: float, state: RetryState, request: str
) -> bytes:
    """Read the body in pieces as they come, so that a dripping one meets the deadline."""
    is_error = response.status_code >= 400
    limit = MAX_ERROR_BODY if is_error else MAX_BODY
    body = bytearray()
    while True:
        try:
            _limit_wait(response.raw, min(timeout, state.remaining()))
            piece = response.raw.read1(CHUNK, decode_content=True)
        except NETWORK_ERRORS as error:
            if is_error:  # the status is enough, even if its message did not arrive whole
                return bytes(body)
            raise _BodyError(_innermost_message(error)) from None
        body += piece
        if not piece or (is_error and len(body) > limit):
            return bytes(body)
        if len(body) > limit:
            raise ResponseTooLarge(
                f"{request}: the body is larger than {limit // 1024**2} MiB once decompressed",
                attempts=state.attempt,
            )
        if state.remaining() <= 0:
            raise _deadline_error(request, state)


class _BodyError(OSError):
    """The body broke off. Also over TLS, where the handshake had succeeded: it is tried again."""


def _limit_wait(raw: Any, seconds: float) -> None:
    """Let the next read of the socket wait no longer than this.

    urllib3 sets the timeout once for each request and has no public way to shorten it later;
    where the socket cannot be found, a stalled read ends with the timeout set at the start.
    """
    buffered = getattr(getattr(raw, "_fp", None), "fp", None)
    sock = getattr(getattr(buffered, "raw", None), "_sock", None)
    if sock is not None:
        sock.settimeout(max(0.001, seconds))


def _deadline_error(request: str, state: RetryState) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"{request}: not finished within the deadline of {state.deadline:g} s"
        f"{attempts_made(state.attempt)}",
        attempts=state.attempt,
    )


def _choose_proxies(settings: Settings) -> dict[str, str]:
    """The environment's proxies; an address of this machine is not sent to another one."""
    proxies = dict(get_environ_proxies(settings.base_url, no_proxy=None))
    if settings.is_loopback:
        return {scheme: url for scheme, url in proxies.items() if _host_is_loopback(url)}
    return proxies


def _host_is_loopback(url: str) -> bool:
    host = urlsplit(url if "://" in url else f"//{url}").hostname
    return host is not None and is_loopback(host)


def _is_tls(error: BaseException) -> bool:
    return any(
        isinstance(each, ssl.SSLError | requests.exceptions.SSLError) for each in _causes(error)
    )


def _innermost_message(error: BaseException) -> str:
    """What the innermost cause says, because that is what a person can act on."""
    innermost = _causes(error)[-1]
    return str(innermost) or type(innermost).__name__


def _causes(error: BaseException) -> Sequence[BaseException]:
    """The error and what is inside of it; libraries put the cause in ``reason`` or ``args``."""
    chain = [error]
    while len(chain) < 16:  # an error that names itself would never end
        last = chain[-1]
        inner = [getattr(last, "reason", None), *last.args, last.__cause__]
        following = next((each for each in inner if isinstance(each, BaseException)), None)
        if following is None:
            break
        chain.append(following)
    return chain
