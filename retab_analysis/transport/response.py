"""From a response to one of our errors, or none, by its status, headers and body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from retab_analysis import errors
from retab_analysis.config import Settings
from retab_analysis.errors import APIError, ProtocolError
from retab_analysis.transport.retry import (
    RETRIED_STATUSES,
    FailedAttempt,
    RetryState,
    attempts_made,
    parse_limit,
    parse_retry_after,
)

SNIPPET_LENGTH = 200
_ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
_PARTIAL_STATUSES = (206, 226)  # a range, and a difference to an earlier answer

_ERROR_BY_STATUS: dict[int, type[APIError]] = {
    400: errors.InvalidRequestError,
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    422: errors.InvalidRequestError,
    429: errors.RateLimitError,
}


@dataclass(frozen=True, slots=True)
class Response:
    """The response to one request: names of headers in lower case, the key masked."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def classify_response(
    response: Response, state: RetryState, settings: Settings, now: float
) -> FailedAttempt | None:
    """Tell an error from an answer; None for a 2xx status and a whole answer."""
    status, headers = response.status, response.headers
    encoding, kind = headers.get("content-encoding", ""), headers.get("content-type", "")
    if status >= 400 or status < 200:
        error = _api_error(response, state, settings, now)
        return FailedAttempt(error, retry=status in RETRIED_STATUSES)
    if status >= 300:
        target = headers.get("location", "nowhere")
        redirect = ProtocolError(
            f"{state.request}: redirected ({status}) to {target[:SNIPPET_LENGTH]!r}, which was not "
            "followed: the key goes to no other address; correct base_url",
            attempts=state.attempt,
        )
        return FailedAttempt(redirect, retry=False)
    if status in _PARTIAL_STATUSES or "content-range" in headers or kind.startswith("multipart/"):
        return wrong_body(response, "a part of a document", state)
    if is_compressed_otherwise(encoding):
        found = f"compressed as {encoding[:80]!r}, which was not asked for, and not read"
        return wrong_body(response, found, state)
    return None


def is_compressed_otherwise(encoding: str) -> bool:
    """Whether a body has an unrequested compression: a kilobyte may become a gigabyte."""
    return encoding.strip().lower() not in _ENCODINGS


def wrong_body(response: Response, found: str, state: RetryState) -> FailedAttempt:
    """The failure of a 2xx response that does not answer the request.

    Examples are a proxy's error page, a truncated body, and another request's answer.
    """
    content_type = response.headers.get("content-type", "no content type")
    hint = ". Is base_url the API's address?" if found.startswith("not JSON") else ""
    told = (
        f"{state.request}: the answer ({response.status}, {content_type}, {len(response.body)} "
        f"bytes) is {found}; it starts with {_snippet(response.body)}{attempts_made(state.attempt)}"
    )
    return FailedAttempt(ProtocolError(told + hint, attempts=state.attempt), retry=True)


def _snippet(body: bytes) -> str:
    # Decode only the shown part: a character has at most four bytes.
    text = body[: 4 * SNIPPET_LENGTH + 4].decode("utf-8", "replace")
    return repr(text[:SNIPPET_LENGTH] + ("…" if len(text) > SNIPPET_LENGTH else ""))


def _api_error(response: Response, state: RetryState, settings: Settings, now: float) -> APIError:
    # Masked once more: if JSON escapes the key, the body's bytes do not contain it.
    redact = settings.api_key.redact
    code, message = (each and redact(each) for each in _error_detail(response.body))
    request_id = response.headers.get("x-request-id") or None
    said = f": {message or _snippet(response.body)}" if response.body else ", with no message"
    doubts = {401: f"is it the key of {settings.base_url}?", 403: "may it read this?"}
    doubt = doubts.get(response.status)
    hint = f". The key came from {settings.key_source}: {doubt}" if doubt else ""
    parse = parse_limit if response.status == 429 else parse_retry_after
    usual = errors.ServerError if response.status >= 500 else APIError
    return _ERROR_BY_STATUS.get(response.status, usual)(
        f"{state.request}: {response.status}{f' {code}' if code else ''}{said}"
        f"{f' [x-request-id {request_id}]' if request_id else ''}{attempts_made(state.attempt)}"
        f"{hint}",
        status_code=response.status,
        code=code,
        request_id=request_id,
        retry_after=parse(response.headers, now),
        attempts=state.attempt,
    )


def read_status(response: Response) -> str | None:
    """The name of the key's environment, flat or nested, from the answer about the key."""
    try:
        flat = msgspec.json.decode(response.body)
        nested = flat.get("environment") or {}
        names = flat.get("environment_slug"), nested.get("name"), flat.get("environment_id")
        found = next(filter(None, (*names, nested.get("id"))), None)
    except (ValueError, RecursionError, TypeError, AttributeError):
        return None
    return None if found is None else str(found)[:SNIPPET_LENGTH]


def _error_detail(body: bytes) -> tuple[str | None, str | None]:
    """The API's own code and message: ``detail`` is a text, a coded object or field errors."""
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None, None
    detail = document.get("detail") if isinstance(document, dict) else None
    if isinstance(detail, dict):
        code, message = detail.get("code"), detail.get("message")
        return (str(code) if code else None), (str(message) if message else None)
    if isinstance(detail, list):
        return None, "; ".join(_field_error(item) for item in detail)
    return None, detail if isinstance(detail, str) else None


def _field_error(item: object) -> str:
    if not isinstance(item, dict):
        return str(item)
    location = item.get("loc")
    where = ".".join(map(str, location)) if isinstance(location, list) else ""
    return f"{where}: {item.get('msg')}" if where else str(item.get("msg"))
