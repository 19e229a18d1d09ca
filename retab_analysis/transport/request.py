"""Send one request and read its whole body, over kept connections.

Only this file, ``connection`` and ``cancellation`` use requests and urllib3. What goes wrong on the
way comes back as a :class:`FailedAttempt`; whether it is tried again is for ``retry``.
"""

from __future__ import annotations

import http.client
import ssl
import traceback
from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.auth import AuthBase
from requests.utils import get_environ_proxies, select_proxy

from retab_analysis.config import Secret, Settings, is_loopback
from retab_analysis.errors import (
    ConfigError,
    ResponseTooLarge,
    RetabAnalysisError,
    TransportError,
)
from retab_analysis.transport.cancellation import cancellable
from retab_analysis.transport.connection import TimedAdapter
from retab_analysis.transport.exchange import check_time
from retab_analysis.transport.response import Response
from retab_analysis.transport.retry import (
    FailedAttempt,
    RetryState,
    attempts_made,
    deadline_exceeded,
)

E = TypeVar("E", bound=BaseException)

MAX_BODY = 128 * 1024 * 1024
MAX_ERROR_BODY = 64 * 1024
CHUNK = 256 * 1024

Params = Sequence[tuple[str, str]]

# Whatever requests, urllib3 and the standard library raise for a network that misbehaves. Anything
# else is a mistake in a program, which another attempt would only hide.
NETWORK_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
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
        self.start_anew()

    def start_anew(self) -> None:
        """Forget all connections without a word to the server; for a child that was forked."""
        size = self._settings.max_concurrency
        self._adapter = TimedAdapter(pool_connections=2, pool_maxsize=size, max_retries=0)

    def close(self) -> None:
        """Close the kept connections."""
        self._adapter.close()

    def send(
        self, method: str, url: str, params: Params, json: Any, state: RetryState
    ) -> Response | FailedAttempt:
        """Send one request and read its whole body.

        The frames of the HTTP library hold the key in their locals, so no exception takes them
        along: the network's come back as values, and any other one (Ctrl-C, a lack of memory, a
        mistake) is raised from here, outside of any ``except`` block.
        """
        try:
            with cancellable():
                return self._send_and_read(method, url, params, json, state)
        except BaseException as error:
            failure = error
        try:
            if isinstance(failure, RetabAnalysisError):
                return FailedAttempt(_without_frames(failure), retry=False)
            if isinstance(failure, NETWORK_ERRORS):
                return self._network_failure(f"{method} {url}", failure, state)
            raise self._safe_to_show(failure)
        finally:
            # Its traceback refers to this frame: the cycle would keep the socket open until the
            # garbage collector comes.
            del failure

    def _safe_to_show(self, error: E) -> E:
        """An exception that is not ours, without the frames that hold the key."""
        redact = self._settings.api_key.redact
        error.args = tuple(redact(each) if isinstance(each, str) else each for each in error.args)
        last = traceback.extract_tb(error.__traceback__)[-1]
        if isinstance(error, Exception):
            error.add_note(
                f"raised at {last.filename}:{last.lineno}; the frames of the HTTP library are left "
                "out, because they hold the API key"
            )
        return _without_frames(error)

    def _send_and_read(
        self, method: str, url: str, params: Params, json: Any, state: RetryState
    ) -> Response:
        request = requests.Request(
            method, url, params=list(params), json=json, headers=self._headers, auth=self._auth
        ).prepare()
        response = self._adapter.send(
            request,
            stream=True,
            timeout=self._settings.timeout,  # and less where the deadline is near: ``connection``
            verify=self._settings.ca_bundle or True,
            proxies=self._proxies,
        )
        try:
            body = _read_body(response, state, f"{method} {url}")
        finally:
            response.close()
        # Masked here, before anything of ours can show, log or keep it.
        redact, redact_body = self._settings.api_key.redact, self._settings.api_key.redact_bytes
        headers = {redact(name.lower()): redact(text) for name, text in response.headers.items()}
        return Response(response.status_code, headers, redact_body(body))

    def _network_failure(
        self, request: str, error: BaseException, state: RetryState
    ) -> FailedAttempt:
        if state.remaining() <= 0:
            return FailedAttempt(deadline_exceeded(state), retry=False)
        reason = self._settings.api_key.redact(_innermost_message(error))
        text = f"{request}: {reason}{self._through_proxy()}"
        if _is_tls(error):
            text = (
                f"{request}: TLS failed: {reason}{self._through_proxy()}; if this network has a "
                "certificate authority of its own, name its bundle in REQUESTS_CA_BUNDLE"
            )
            return FailedAttempt(TransportError(text, attempts=state.attempt), retry=False)
        told = TransportError(f"{text}{attempts_made(state.attempt)}", attempts=state.attempt)
        return FailedAttempt(told, retry=True, timed_out=_is_timeout(error))

    def _through_proxy(self) -> str:
        """Which proxy the requests take, if any: the one thing that a URL does not say."""
        proxy = select_proxy(self._settings.base_url, self._proxies)
        if proxy is None:
            return ""
        parts = urlsplit(_with_scheme(proxy))
        port = "" if parts.port is None else f":{parts.port}"
        return f" (through the proxy {parts.scheme}://{parts.hostname}{port})"


def _read_body(response: requests.Response, state: RetryState, request: str) -> bytes:
    """Read the body in pieces as they come, so that a dripping one meets the deadline."""
    is_error = response.status_code >= 400
    limit = MAX_ERROR_BODY if is_error else MAX_BODY
    body = bytearray()
    while True:
        try:
            check_time()
            _refuse_nested(response)
            piece = response.raw.read1(CHUNK, decode_content=True)
        except NETWORK_ERRORS as error:
            if is_error:  # the status is enough, even if its message did not arrive whole
                return bytes(body)
            # Also over TLS, where the handshake had succeeded: it is tried again.
            kind = TimeoutError if _is_timeout(error) else ConnectionError
            raise kind(_innermost_message(error)) from None
        body += piece
        if not piece or (is_error and len(body) > limit):
            return bytes(body)
        if len(body) > limit:
            raise ResponseTooLarge(
                f"{request}: the body is larger than {limit // 1024**2} MiB once decompressed",
                attempts=state.attempt,
            )


def _refuse_nested(response: requests.Response) -> None:
    """Refuse a body that is compressed twice: a few bytes can keep a processor busy for minutes."""
    encoding = response.headers.get("Content-Encoding", "")
    if "," in encoding:
        raise ConnectionError(f"the body is compressed more than once ({encoding[:80]})")


def _without_frames(error: E) -> E:
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def _choose_proxies(settings: Settings) -> dict[str, str]:
    """The environment's proxies; an address of this machine is not sent to another one."""
    proxies = dict(get_environ_proxies(settings.base_url, no_proxy=None))
    chosen = select_proxy(settings.base_url, proxies)
    if chosen is not None:
        _check_proxy(chosen, settings.base_url)
    if settings.is_loopback:
        return {scheme: url for scheme, url in proxies.items() if _host_is_loopback(url)}
    return proxies


def _check_proxy(proxy: str, base_url: str) -> None:
    try:
        _ = urlsplit(_with_scheme(proxy)).port
    except ValueError as error:
        reason = str(error)
    else:
        return
    # Not the address itself, which may hold a password.
    scheme = urlsplit(base_url).scheme.upper()
    raise ConfigError(
        f"the proxy that the environment names ({scheme}_PROXY or ALL_PROXY) is not an address: "
        f"{reason}; expected for example http://proxy.example.com:3128"
    )


def _host_is_loopback(url: str) -> bool:
    host = urlsplit(_with_scheme(url)).hostname
    return host is not None and is_loopback(host)


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_tls(error: BaseException) -> bool:
    """Whether TLS was refused; a handshake that only broke off may succeed the next time."""
    causes = _causes(error)
    if any(isinstance(each, ssl.SSLEOFError | ssl.SSLZeroReturnError) for each in causes):
        return False
    return any(isinstance(each, ssl.SSLError | requests.exceptions.SSLError) for each in causes)


def _is_timeout(error: BaseException) -> bool:
    kinds = (TimeoutError, urllib3.exceptions.TimeoutError)
    return any(isinstance(each, kinds) for each in _causes(error))


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
