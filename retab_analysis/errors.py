"""The errors about the API, an argument, a record or an archive.

::

    RetabAnalysisError
    ├── ConfigError (ValueError)
    ├── TransportError
    │   ├── DeadlineExceeded (TimeoutError)
    │   └── ResponseTooLarge
    ├── ProtocolError
    ├── APIError
    │   ├── InvalidRequestError       400, 422
    │   ├── AuthenticationError       401
    │   ├── PermissionDeniedError     403
    │   ├── NotFoundError             404
    │   ├── ConflictError             409
    │   ├── RateLimitError            429
    │   └── ServerError               5xx
    ├── SchemaError (ValueError)
    ├── PaginationError
    ├── WaitTimeout (TimeoutError)
    ├── ArchiveError
    └── RegressionError

Catch :class:`RetabAnalysisError` for all of them. Each one has ``.partial``, the work done before
it, and ``.cursor``, where the next fetch can resume (``after=``).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

# Most keys look so. This also masks a key that was passed as another argument.
_KEY = re.compile(r"\b(?:sk|rt_test|rt_live)[-_][A-Za-z0-9_-]{5,}")
masks: list[Callable[[str], str]] = []
"""Mask the keys that are known; ``config`` adds to them."""

# A server's text may steer a terminal, turn other text round, and be endless.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_MOST = 80  # characters of an argument
_LONG_NAME = re.compile(r"[^\s'\"…]{201,}")


def as_shown(message: str) -> str:
    """Show a message's control characters by their numbers, and cut long names."""
    shown = _CONTROL.sub(lambda found: f"<U+{ord(found[0]):04X}>", message)
    return _LONG_NAME.sub(lambda found: f"{found[0][:199]}…", shown)


def mask_keys(text: str) -> str:
    text = _KEY.sub("***", text)
    return functools.reduce(lambda masked, mask: mask(masked), masks, text)


class RetabAnalysisError(Exception):
    """The base of all errors of this package.

    Attributes:
        partial: The work done before the error, or None: rows, or for ``settle`` a comparison.
        cursor: Pass it as ``after=`` to go on where ``partial`` ends, or None.
        unconfirmed: The runs that ``start_runs`` may have started without getting an answer, a RUNS
            frame. None if there can be none, or if the API could not be asked.

    Example:
        >>> try:
        ...     runs = ra.fetch_runs("wf_nope")
        ... except ra.RetabAnalysisError as error:
        ...     runs = error.partial  # None here; rows, if a fetch stopped halfway
    """

    partial: pl.DataFrame | None = None
    cursor: str | None = None
    unconfirmed: pl.DataFrame | None = None

    def __init__(self, message: str, **attributes: Any) -> None:
        super().__init__(as_shown(mask_keys(message)))
        for name, value in attributes.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no attribute {name}")
            setattr(self, name, value)


class ConfigError(RetabAnalysisError, ValueError):
    """A setting or an argument cannot be used: no key, a bad base URL, an impossible id.

    Attributes:
        argument: The argument's name if it chooses what a check compares: ``candidate``,
            ``baseline`` or ``accepted``; else None.
    """

    argument: str | None = None


class TransportError(RetabAnalysisError):
    """The network failed: refused, reset, a body cut short, TLS.

    Attributes:
        attempts: How many times the request was tried.

    Example:
        >>> client = ra.Client("any-key-at-all", "http://127.0.0.1:9", max_attempts=1)
        >>> try:
        ...     ra.fetch_workflows(client=client)
        ... except ra.TransportError as error:
        ...     print("is the address right, and the network there?")
        is the address right, and the network there?
    """

    attempts: int = 1


class DeadlineExceeded(TransportError, TimeoutError):  # noqa: N818 - the contract's name
    """One request with all its retries took longer than the client's ``deadline``.

    Attributes:
        retry_after: Seconds that the API asked to wait, if that caused the error; else None.

    Example:
        >>> with ra.Sandbox(latency=5) as sandbox:
        ...     client = ra.Client(**sandbox.credentials, deadline=0.05)
        ...     ra.fetch_workflows(client=client)
        Traceback (most recent call last):
            ...
        retab_analysis.errors.DeadlineExceeded: ...
    """

    retry_after: float | None = None


class ResponseTooLarge(TransportError):  # noqa: N818 - the contract's name
    """A body grew above the limit once decompressed."""


class ProtocolError(RetabAnalysisError):
    """The answer is not the API's answer to this request: HTML, a redirect, a part, another run.

    Attributes:
        attempts: How many times the request was tried.

    Example:
        >>> ra.decode_runs("<html>Log in</html>")
        Traceback (most recent call last):
            ...
        retab_analysis.errors.ProtocolError: ...
    """

    attempts: int = 1


class APIError(RetabAnalysisError):
    """The API answered with an error status.

    Attributes:
        status_code: The HTTP status.
        code: The API's own error code, if it gives one.
        request_id: The ``x-request-id`` of the answer; quote it to Retab's support.
        retry_after: Seconds that the server asked to wait, if it did.
        attempts: How many times the request was tried.

    Example:
        >>> try:
        ...     ra.fetch_run("evalrun_nope")
        ... except ra.APIError as error:
        ...     print(error.status_code)  # .request_id is what Retab's support asks for
        404
    """

    status_code: int = 0
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    attempts: int = 1


class InvalidRequestError(APIError):
    """400 or 422: the API rejected a parameter."""


class AuthenticationError(APIError):
    """401: the key is missing, wrong or revoked."""


class PermissionDeniedError(APIError):
    """403: the key is valid but may not do this."""


class NotFoundError(APIError):
    """404: it does not exist, or not yet."""


class ConflictError(APIError):
    """409: its present state does not allow this."""


class RateLimitError(APIError):
    """429: too many requests; see ``retry_after``."""


class ServerError(APIError):
    """5xx: the API failed."""


class SchemaError(RetabAnalysisError, ValueError):
    """JSON of the wrong shape: a record that does not decode, or a file that is not the table.

    Attributes:
        record_id: The id of the record, or None if it has no readable one.
        path: Where in the document, for example ``$.data[3].timing.duration_ms``.
        problems: The records that did not decode, the first thousand of them, as a frame
            (``record_id, path, reason, raw``), or None.
        request_id: The ``x-request-id`` of the answer, or None; quote it to Retab's support.

    Example:
        >>> ra.decode_runs({"id": "run_1", "total_evals": "many"})
        Traceback (most recent call last):
            ...
        retab_analysis.errors.SchemaError: ...
    """

    record_id: str | None = None
    path: str | None = None
    problems: pl.DataFrame | None = None
    request_id: str | None = None


class PaginationError(RetabAnalysisError):
    """The API's cursors lead nowhere: one came twice, or many pages had no rows."""


class WaitTimeout(RetabAnalysisError, TimeoutError):  # noqa: N818 - the contract's name
    """The wait ended before the runs did.

    Example:
        >>> try:
        ...     ra.wait_for_runs(ra.start_runs("wf_contracts"), timeout=0.01)
        ... except ra.WaitTimeout as error:
        ...     print(error.runs.height)  # how the run was last seen; it goes on
        1
    """

    @property
    def runs(self) -> pl.DataFrame | None:
        """The last RUNS frame seen, or None: the same as ``partial``."""
        return self.partial


class ArchiveError(RetabAnalysisError):
    """The file of an archive cannot be used: damaged, foreign, of a newer version, a full disk."""


class RegressionError(RetabAnalysisError):
    """The gate of a comparison fails, or is undecided where that was asked for.

    Attributes:
        comparison: The comparison that was judged.
        reasons: Why, one sentence each.

    Example:
        >>> try:
        ...     ra.check("wf_invoices").raise_if_regressed()
        ... except ra.RegressionError as error:
        ...     print(error.comparison.headline)
        ✗ ... since the edit of extract_lines...
    """

    comparison: Any = None
    reasons: tuple[str, ...] = ()


class ProblemsWarning(UserWarning):
    """Some records were left out: they do not decode (``strict=False``), or cannot run.

    Attributes:
        problems: The omitted records, a frame of ``record_id, path, reason, raw`` (String each). It
            has one row per record, for the first thousand.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     runs = ra.decode_runs([{"id": "run_1"}], strict=False)
        >>> caught[0].message.problems.columns
        ['record_id', 'path', 'reason', 'raw']
    """

    def __init__(self, message: str, problems: pl.DataFrame | None = None) -> None:
        super().__init__(message)
        self.problems = problems


def described(given: object) -> str:
    """The type of a wrong argument, for a message, and its id; of pandas also the conversion."""
    kind = type(given)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    name = kind.__qualname__ if name.startswith("retab_analysis.") else name
    ident = getattr(given, "id", None)
    named = f"{name} {ident!r}"[:_MOST] if isinstance(ident, str) else name[:_MOST]
    return f"{name} (polars.from_pandas converts it)" if name.startswith("pandas.") else named


def shown(given: object) -> str:
    """A wrong argument, for a message: a text or number itself, the type of anything else."""
    if given is None or isinstance(given, bool | int | float | str | bytes):
        said = repr(given)
        return said if len(said) <= _MOST else f"{said[: _MOST - 1]}…"
    return described(given)


def list_some(names: Iterable[str], most: int = 20) -> str:
    """The first of some names, and how many more there are."""
    first = [*names]
    more = f" and {len(first) - most} more" if len(first) > most else ""
    return ", ".join(first[:most]) + more


def refuse_at_end(name: str, error: RuntimeError) -> None:
    if "shutdown" not in str(error):
        raise error
    raise ConfigError(f"Python is shutting down and cannot load {name} any more: use it earlier")
