"""The API's refusals: a status and a detail, worded as the API words them."""

from typing import Any


class ApiError(Exception):
    """An answer other than success.

    Attributes:
        status: The HTTP status.
        detail: What goes under ``detail`` in the body.
        headers: Further response headers.
    """

    def __init__(self, status: int, detail: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


def coded(status: int, code: str, message: str, details: dict[str, Any] | None = None) -> ApiError:
    """Make a problem with a code for programs and a message for people."""
    return ApiError(status, {"code": code, "message": message, "details": details})


def not_found(kind: str, ident: str) -> ApiError:
    """Make the 404 for an id that nothing has."""
    code = f"{kind.replace(' ', '_')}_not_found"
    return coded(404, code, f"No {kind} with id '{ident[:200]}'")


def unauthorized(message: str) -> ApiError:
    """Make the 401 for a missing or wrong key."""
    return ApiError(401, message, {"WWW-Authenticate": "Bearer"})


def invalid(*errors: dict[str, Any]) -> ApiError:
    """Make the 422 that lists what is wrong with the request."""
    return ApiError(422, list(errors))


def field_error(loc: tuple[str | int, ...], msg: str, kind: str) -> dict[str, Any]:
    """Make one entry of a 422."""
    return {"loc": list(loc), "msg": msg, "type": kind}
