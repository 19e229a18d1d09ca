"""What a response means: its status, headers and body become one of our errors, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from retab_analysis.config import Settings
from retab_analysis.errors import (
    APIError,
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServerError,
)
from retab_analysis.transport.retry import (
    RETRIED_STATUSES,
    FailedAttempt,
    RetryState,
    attempts_made,
    parse_retry_after,
)

SNIPPET_LENGTH = 200

_ERROR_BY_STATUS: dict[int, type[APIError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidRequestError,
    429: RateLimitError,
}


@dataclass(frozen=True, slots=True)
class Response:
    """What came back for one request, read to its end; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def classify_response(
    response: Response, state: RetryState, settings: Settings, now: float
) -> FailedAttempt | None:
    """Tell an error from an answer.

    Args:
        response: What came back.
        state: The request, and which attempt this was.
        settings: The client's; its key is masked where the server repeats it.
        now: The wall clock, in seconds since 1970.

    Returns:
        None for a 2xx status, else the failure.
    """
    if 200 <= response.status < 300:
        return None
    if 300 <= response.status < 400:
        return FailedAttempt(_redirect_error(response, state, settings), retry=False)
    error = _api_error(response, state, settings, now)
    return FailedAttempt(error, retry=response.status in RETRIED_STATUSES)


def invalid_json(
    response: Response, reason: str, state: RetryState, settings: Settings
) -> FailedAttempt:
    """The failure of a 2xx response whose body is not JSON.

    It is tried again: a proxy's error page and a body that was cut off look like this too.
    """
    content_type = response.headers.get("content-type", "no content type")
    error = ProtocolError(
        f"{state.request}: the answer ({response.status}, {content_type}, "
        f"{len(response.body)} bytes) is not JSON: {reason}; it starts with "
        f"{_snippet(response.body, settings)}{attempts_made(state.attempt)}. "
        "Is base_url the API's address?",
        attempts=state.attempt,
    )
    return FailedAttempt(error, retry=True)


def _snippet(body: bytes, settings: Settings) -> str:
    """The beginning of a body as a quoted text without the key."""
    text = settings.api_key.redact(body.decode("utf-8", "replace"))
    return repr(text[:SNIPPET_LENGTH] + ("…" if len(text) > SNIPPET_LENGTH else ""))


def _redirect_error(response: Response, state: RetryState, settings: Settings) -> ProtocolError:
    target = settings.api_key.redact(response.headers.get("location", "nowhere"))
    return ProtocolError(
        f"{state.request}: redirected ({response.status}) to {target[:SNIPPET_LENGTH]!r}, which "
        "was not followed: the key goes to no other address; correct base_url",
        attempts=state.attempt,
    )


def _api_error(response: Response, state: RetryState, settings: Settings, now: float) -> APIError:
    redact = settings.api_key.redact  # some servers repeat what they were sent
    code, message = (each and redact(each) for each in _error_detail(response.body))
    request_id = redact(response.headers.get("x-request-id", "")) or None
    parts = [f"{state.request}: {response.status}"]
    if code:
        parts.append(f" {code}")
    if response.body:
        parts.append(f": {message or _snippet(response.body, settings)}")
    else:
        parts.append(", with no message")
    if request_id:
        parts.append(f" [x-request-id {request_id}]")
    parts.append(attempts_made(state.attempt))
    parts.append(_hint(response.status, settings))
    return _error_type(response.status)(
        "".join(parts),
        status_code=response.status,
        code=code,
        request_id=request_id,
        retry_after=parse_retry_after(response.headers.get("retry-after"), now),
        attempts=state.attempt,
    )


def _error_type(status: int) -> type[APIError]:
    return _ERROR_BY_STATUS.get(status, ServerError if status >= 500 else APIError)


def _hint(status: int, settings: Settings) -> str:
    if status == 401:
        return f". The key came from {settings.key_source}: is it the key of {settings.base_url}?"
    if status == 403:
        return f". The key came from {settings.key_source}: may it read this?"
    return ""


def _error_detail(body: bytes) -> tuple[str | None, str | None]:
    """The API's own code and message: ``detail`` is a text, a coded object or field errors."""
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None, None
    detail = document.get("detail") if isinstance(document, dict) else None
    if isinstance(detail, str):
        return None, detail
    if isinstance(detail, dict):
        code, message = detail.get("code"), detail.get("message")
        return (str(code) if code else None), (str(message) if message else None)
    if isinstance(detail, list):
        return None, "; ".join(_field_error(item) for item in detail)
    return None, None


def _field_error(item: object) -> str:
    if not isinstance(item, dict):
        return str(item)
    location = item.get("loc")
    where = ".".join(map(str, location)) if isinstance(location, list) else ""
    return f"{where}: {item.get('msg')}" if where else str(item.get("msg"))
