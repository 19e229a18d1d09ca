"""Send one request and read its whole body, over kept connections.

Only this file and ``deadline`` use requests and urllib3. Problems on the way become a
:class:`FailedAttempt`; ``retry`` decides whether to try again.
"""

from __future__ import annotations

import http.client
import io
import logging
import os
import queue
import ssl
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
import truststore
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from retab_analysis.config import Secret, Settings, is_loopback
from retab_analysis.errors import ConfigError, ResponseTooLarge, RetabAnalysisError, TransportError
from retab_analysis.transport.deadline import Attempt, current_attempt
from retab_analysis.transport.response import Response, is_compressed_otherwise
from retab_analysis.transport.retry import FailedAttempt, attempts_made

MAX_BODY = 128 * 1024 * 1024
MAX_ERROR_BODY = 64 * 1024
CHUNK = 256 * 1024
MOST_INTERIM = 100

Params = Sequence[tuple[str, str]]

# The errors of requests, urllib3 and the standard library for network problems. Any other error is
# a bug, which another attempt would only hide.
NETWORK_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)


class _Reader(io.RawIOBase):
    """Reads a socket while the caller waits: no timeout ends a stream that keeps coming."""

    def __init__(self, raw: io.RawIOBase, attempt: Attempt) -> None:
        self._raw, self._attempt = raw, attempt

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._attempt.check()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _FinalResponse(http.client.HTTPResponse):
    """The answer itself; it skips interim responses (103 Early Hints)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), current_attempt()))

    def begin(self) -> None:
        super().begin()
        for _ in range(MOST_INTERIM):
            if not 100 <= self.status < 200:
                return
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        if 100 <= self.status < 200:
            raise http.client.HTTPException(f"{MOST_INTERIM} times no answer, but a 1xx status")


class _Connection(HTTPConnection):
    """A connection that the current attempt can shut down."""

    response_class = _FinalResponse
    # ``HTTPConnection.debuglevel`` would print all headers, with the key.
    debuglevel = 0

    def connect(self) -> None:
        current_attempt().hold(self)
        super().connect()
        current_attempt().hold(self)  # now there is a socket; or the time was up meanwhile

    def request(self, *args: Any, **kwargs: Any) -> None:
        current_attempt().hold(self)
        super().request(*args, **kwargs)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _KeptConnections(queue.LifoQueue[Any]):
    """The unused connections of a pool, without locks that a fork might leave locked."""

    def __init__(self, maxsize: int = 0) -> None:
        self._most = maxsize
        self._kept: list[Any] = []

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        current_attempt().release()  # first, because another thread may get it
        if len(self._kept) >= self._most:
            raise queue.Full
        self._kept.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        try:
            return self._kept.pop()
        except IndexError:
            raise queue.Empty from None

    def qsize(self) -> int:
        return len(self._kept)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection
    QueueCls = _KeptConnections


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection
    QueueCls = _KeptConnections


class _Adapter(HTTPAdapter):
    def __init__(self, context: ssl.SSLContext | None, size: int) -> None:
        self._context = context
        super().__init__(pool_connections=2, pool_maxsize=size, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        kwargs |= {"ssl_context": self._context, "proxy_ssl_context": self._context}
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        return manager


class _KeyMask(logging.Filter):
    """Masks the key in urllib3's log records, which quote a server's headers, and addresses."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            redact = current_attempt().redact
        except LookupError:  # another program's request
            return True
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info:
            text = logging.Formatter().formatException(record.exc_info)
            # Without its traceback, whose frames a handler may show with their variables.
            record.exc_text, record.exc_info = redact(text), None
        return True


# At the loggers themselves: a filter does not see the records of loggers below it.
for _name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_KeyMask())


class BearerAuth(AuthBase):
    """Puts the key on a request at the last moment: no object of ours holds the header."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return request


class RequestSender:
    """Sends requests over a pool of kept connections; safe for many threads.

    It works on requests' adapter rather than a ``Session``: with no session there are no cookies,
    no netrc, no redirects and no environment that changes between two requests.
    """

    def __init__(self, settings: Settings, user_agent: str) -> None:
        self._settings, self._auth = settings, BearerAuth(settings.api_key)
        self._proxy, self._ca_bundle = _choose_proxy(settings), _choose_ca_bundle()
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
        }
        self.start_anew()

    def start_anew(self) -> None:
        """Forget all connections without closing them; for a forked child."""
        # The operating system's certificates; requests adds certifi's. A fork may leave the lock of
        # the parent's context held.
        context = None if self._ca_bundle else truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # An overview checks four workflows at once.
        self._adapter = _Adapter(context, 4 * self._settings.max_concurrency)

    def close(self) -> None:
        """Close the kept connections; requests under way go on."""
        self._adapter.close()

    def send(self, method: str, url: str, params: Params, json: Any) -> Response | FailedAttempt:
        """Send one request and read its whole body, in a thread of the current attempt."""
        try:
            return self._send_and_read(method, url, params, json)
        except BaseException as error:
            # They hold the key, and in cycles, which would keep the socket open for a while.
            for each in _causes(error):
                traceback.clear_frames(each.__traceback__)
            if isinstance(error, RetabAnalysisError):
                return FailedAttempt(error.with_traceback(None), retry=False)
            if isinstance(error, NETWORK_ERRORS):
                return self._network_failure(f"{method} {url}", error)
            redact = self._settings.api_key.redact
            error.args = tuple(
                redact(each) if isinstance(each, str) else each for each in error.args
            )
            raise

    def _send_and_read(self, method: str, url: str, params: Params, json: Any) -> Response:
        settings, state = self._settings, current_attempt().state
        headers = self._headers | ({"Idempotency-Key": state.key} if state.key else {})
        request = requests.Request(
            method, url, params=list(params), json=json, headers=headers, auth=self._auth
        ).prepare()
        # If the deadline is near, the waiting caller gives up first, with its own error.
        timeout = min(settings.timeout, state.remaining() + 1)
        answer = self._adapter.send(
            request,
            stream=True,
            timeout=timeout,
            verify=self._ca_bundle or True,
            proxies=self._proxy,
        )
        # Masked here, before any of our code can show, log or keep it.
        redact, redact_body = settings.api_key.redact, settings.api_key.redact_bytes
        told = {redact(name.lower()): redact(text) for name, text in answer.headers.items()}
        try:
            body = _read_body(answer)
        finally:
            answer.close()
        return Response(answer.status_code, told, redact_body(body))

    def _network_failure(self, request: str, error: BaseException) -> FailedAttempt:
        causes, attempts = _causes(error), current_attempt().state.attempt
        # The innermost cause's message: a person can act on it.
        reason = self._settings.api_key.redact(str(causes[-1]) or type(causes[-1]).__name__)
        for parts in map(_parse_proxy, self._proxy.values()):  # a URL does not show it
            port = "" if parts.port is None else f":{parts.port}"
            reason += f" (through the proxy {parts.scheme}://{parts.hostname}{port})"
        if is_tls := _is_tls(causes):
            reason = (
                f"TLS failed: {reason}; if this network has a certificate authority of its own, "
                "add it to the operating system's certificates or name it in REQUESTS_CA_BUNDLE"
            )
        text = f"{request}: {reason}{attempts_made(attempts)}"
        return FailedAttempt(TransportError(text, attempts=attempts), retry=not is_tls)


def _read_body(answer: requests.Response) -> bytes:
    """Read the body in pieces as they come, and unpack it only up to the limit."""
    is_error, body = answer.status_code >= 400, bytearray()
    limit = MAX_ERROR_BODY if is_error else MAX_BODY
    if is_compressed_otherwise(answer.headers.get("Content-Encoding", "")):
        return b""
    while True:
        try:
            piece = answer.raw.read1(CHUNK, decode_content=True)
        except NETWORK_ERRORS:
            if is_error:  # the status is enough, even if its message is cut short
                return bytes(body)
            raise
        body += piece
        if not piece or (is_error and len(body) > limit):
            return bytes(body)
        if len(body) > limit:
            state = current_attempt().state
            told = f"the body is larger than {limit // 1024**2} MiB once decompressed"
            raise ResponseTooLarge(f"{state.request}: {told}", attempts=state.attempt)


def _choose_ca_bundle() -> str | None:
    name = next(filter(os.environ.get, ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")), None)
    path = name and os.environ[name]
    if path and not Path(path).exists():
        raise ConfigError(f"{name} names {path!r}, which does not exist")
    return path


def _choose_proxy(settings: Settings) -> dict[str, str]:
    """The environment's proxy; requests to this machine go to no other machine."""
    url, scheme = settings.base_url, urlsplit(settings.base_url).scheme
    proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    if proxy is None:
        return {}
    try:
        host = _parse_proxy(proxy).hostname or ""
    except ValueError:
        # Show neither the address nor urlsplit's message: both may hold a password.
        raise ConfigError(
            f"the proxy that the environment names ({scheme.upper()}_PROXY or ALL_PROXY) is not an "
            "address; expected for example http://proxy.example.com:3128"
        ) from None
    return {} if settings.is_loopback and not is_loopback(host) else {scheme: proxy}


def _parse_proxy(url: str) -> SplitResult:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    _ = parts.port  # raises if it is not a number
    return parts


def _is_tls(causes: Sequence[BaseException]) -> bool:
    """Whether TLS was refused; a handshake that only broke off may succeed the next time."""
    if any(isinstance(each, ssl.SSLEOFError | ssl.SSLZeroReturnError) for each in causes):
        return False
    return any(isinstance(each, ssl.SSLError | requests.exceptions.SSLError) for each in causes)


def _causes(error: BaseException) -> Sequence[BaseException]:
    """The error and its causes; libraries put them in ``reason`` or ``args``."""
    chain = [error]
    while len(chain) < 16:  # an error that names itself would never end
        last = chain[-1]
        inner = [getattr(last, "reason", None), *last.args, last.__cause__]
        following = next((each for each in inner if isinstance(each, BaseException)), None)
        if following is None:
            break
        chain.append(following)
    return chain
