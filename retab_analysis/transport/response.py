"""What an answer means: a status, headers and a body become one of our errors, or none."""

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
    RetabAnalysisError,
    ServerError,
)
from retab_analysis.transport.retry import retry_after_seconds

RETRIED = frozenset({408, 429, 500, 502, 503, 504})
SNIPPET = 200

_BY_STATUS: dict[int, type[APIError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidRequestError,
    429: RateLimitError,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that gave no result: the error, and whether another attempt may help."""

    error: RetabAnalysisError
    retry: bool


def judge(
    answer: Answer, *, request: str, settings: Settings, attempt: int, now: float
) -> Failure | None:
    """Tell an error answer from a good one.

    Args:
        answer: The answer.
        request: Method and URL, for the message.
        settings: The client's; its key is masked where the server repeats it.
        attempt: Which attempt this was, counted from 1.
        now: The wall clock, in seconds since 1970.

    Returns:
        None for a 2xx answer, else the failure.
    """
    if 200 <= answer.status < 300:
        return None
    if 300 <= answer.status < 400:
        return Failure(_redirect(answer, request, settings, attempt), retry=False)
    return Failure(_api_error(answer, request, settings, attempt, now), answer.status in RETRIED)


def not_json(
    answer: Answer, reason: str, *, request: str, settings: Settings, attempt: int
) -> Failure:
    """The failure of a good status whose body is not JSON."""
    kind = answer.headers.get("content-type", "no content type")
    error = ProtocolError(
        f"{request}: the answer ({answer.status}, {kind}, {len(answer.body)} bytes) "
        f"is not JSON: {reason}; it starts with {snippet(answer.body, settings)}"
        f"{attempts_made(attempt)}. Is base_url the API's address?",
        attempts=attempt,
    )
    return Failure(error, retry=True)


def attempts_made(attempt: int) -> str:
    """The words for how often it was tried, nothing for once."""
    return f" (after {attempt} attempts)" if attempt > 1 else ""


def snippet(body: bytes, settings: Settings) -> str:
    """The beginning of a body as a quoted text without the key."""
    text = settings.api_key.redact(body.decode("utf-8", "replace"))
    return repr(text[:SNIPPET] + ("…" if len(text) > SNIPPET else ""))


def _redirect(answer: Answer, request: str, settings: Settings, attempt: int) -> ProtocolError:
    target = settings.api_key.redact(answer.headers.get("location", "nowhere"))
    return ProtocolError(
        f"{request}: redirected ({answer.status}) to {target[:SNIPPET]!r}, which was not followed: "
        "the key goes to no other address; correct base_url",
        attempts=attempt,
    )


def _api_error(
    answer: Answer, request: str, settings: Settings, attempt: int, now: float
) -> APIError:
    redact = settings.api_key.redact  # some servers repeat what they were sent
    code, said = (each and redact(each) for each in _detail(answer.body))
    request_id = redact(answer.headers.get("x-request-id", "")) or None
    parts = [f"{request}: {answer.status}"]
    if code:
        parts.append(f" {code}")
    if answer.body:
        parts.append(f": {said or snippet(answer.body, settings)}")
    else:
        parts.append(", with no message")
    if request_id:
        parts.append(f" [x-request-id {request_id}]")
    parts.append(attempts_made(attempt))
    parts.append(_hint(answer.status, settings))
    return _error_type(answer.status)(
        "".join(parts),
        status_code=answer.status,
        code=code,
        request_id=request_id,
        retry_after=retry_after_seconds(answer.headers.get("retry-after"), now),
        attempts=attempt,
    )


def _error_type(status: int) -> type[APIError]:
    return _BY_STATUS.get(status, ServerError if status >= 500 else APIError)


def _hint(status: int, settings: Settings) -> str:
    if status == 401:
        return f". The key came from {settings.key_source}: is it the key of {settings.base_url}?"
    if status == 403:
        return f". The key came from {settings.key_source}: may it read this?"
    return ""


def _detail(body: bytes) -> tuple[str | None, str | None]:
    """The API's code and sentence: ``detail`` is a text, a coded object or field errors."""
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
