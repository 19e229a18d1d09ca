"""The messages of a connection: a request as it came in, a response, or the API's refusal."""

from typing import Any, NamedTuple

from retab_analysis.sandbox.encoding import to_json


class Request(NamedTuple):
    """A request as it came in; `base_url` is where the server listens, for links to itself.

    ``key`` is its Idempotency-Key.
    """

    method: str
    target: str
    authorization: str
    body: bytes
    base_url: str
    key: str = ""


class Response(NamedTuple):
    """A successful answer."""

    status: int
    body: bytes
    media_type: str = "application/json"


class ApiError(Exception):
    """An answer other than success.

    As in the API, ``detail`` in the body is a text, an object with a code, or (422) a list of
    errors.
    """

    def __init__(self, status: int, detail: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}

    @property
    def body(self) -> bytes:
        return to_json({"detail": self.detail})


def coded(status: int, code: str, message: str, details: dict[str, Any] | None = None) -> ApiError:
    return ApiError(status, {"code": code, "message": message, "details": details})


def not_found(kind: str, ident: str) -> ApiError:
    code = f"{kind.replace(' ', '_')}_not_found"
    return coded(404, code, f"No {kind} with id '{ident[:200]}'")


def invalid(loc: tuple[str, ...], msg: str, kind: str) -> ApiError:
    return ApiError(422, [{"loc": list(loc), "msg": msg, "type": kind}])
