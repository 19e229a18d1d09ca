"""``decode_runs`` and its like: documents that the user already has, as frames.

All forms first become JSON text: there is one decoder, with one set of messages.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import polars as pl

from retab_analysis.arguments import check_flag
from retab_analysis.decode.documents import read_any
from retab_analysis.decode.frames import to_frame
from retab_analysis.decode.problems import report_problems
from retab_analysis.errors import ProtocolError, SchemaError
from retab_analysis.schema import EVALS, RESULTS, RUNS, Table


class Model(Protocol):
    """An object of the official SDK, or any other pydantic model of a document."""

    def model_dump(self, *, mode: str, by_alias: bool, exclude_unset: bool) -> Any:
        """The document behind the object."""


Documents = bytes | str | dict[str, Any] | Model | Sequence[dict[str, Any] | Model]
"""One document of the API, several, or a page of a list, in any form."""


def decode_runs(data: Documents, *, strict: bool = True) -> pl.DataFrame:
    """Make a RUNS frame of documents of the API.

    Args:
        data: One eval run, a list of them, or a page; as bytes, text, parsed JSON, or objects of
            the official SDK.
        strict: Raise for a record that does not decode. False keeps the good ones and warns once.

    Returns:
        A RUNS frame, one row per run.

    Raises:
        ProtocolError: The text is not JSON.
        SchemaError: A record has the wrong shape.

    Warns:
        ProblemsWarning: With ``strict=False``, some did not decode; see its ``.problems``.

    Example:
        >>> run = {
        ...     "id": "wfevalrun_1",
        ...     "workflow_id": "wf_1",
        ...     "workflow_version_id": "draft_2026_05_18",
        ...     "trigger": {"type": "api"},
        ...     "lifecycle": {"status": "completed"},
        ...     "timing": {"created_at": "2026-05-18T10:00:00Z", "duration_ms": 28000},
        ...     "total_evals": 1,
        ... }
        >>> ra.decode_runs(run).select("run_id", "status", "duration_ms").rows()
        [('wfevalrun_1', 'completed', 28000)]
    """
    return _decode(RUNS, data, strict)


def decode_results(data: Documents, *, strict: bool = True) -> pl.DataFrame:
    """Make a RESULTS frame of documents of the API.

    ``eval_name``, ``path``, ``workflow_version_id``, ``run_scope``, ``run_is_outage``,
    ``run_created_at`` and ``run_completed_at`` are null: they are not in these documents.

    Args:
        data: One result, a list of them, or a page; as bytes, text, parsed JSON, or objects of the
            official SDK. Numbers inside values keep their exact text only if you give bytes or
            text.
        strict: Raise for a record that does not decode. False keeps the good ones and warns once.

    Raises:
        ProtocolError, SchemaError: As :func:`decode_runs`.

    Warns:
        ProblemsWarning: As :func:`decode_runs`.

    Example:
        >>> page = {"data": [], "list_metadata": {"before": None, "after": None}}
        >>> ra.decode_results(page).height
        0
    """
    return _decode(RESULTS, data, strict)


def decode_evals(data: Documents, *, strict: bool = True) -> pl.DataFrame:
    """Make an EVALS frame of documents of the API.

    Args:
        data: One saved eval, a list of them, or a page; as bytes, text, parsed JSON, or objects of
            the official SDK.
        strict: Raise for a record that does not decode. False keeps the good ones and warns once.

    Raises:
        ProtocolError, SchemaError: As :func:`decode_runs`.

    Warns:
        ProblemsWarning: As :func:`decode_runs`.

    Example:
        >>> page = {"data": [], "list_metadata": {"before": None, "after": None}}
        >>> ra.decode_evals(page).columns[:3]
        ['eval_id', 'eval_name', 'block_id']
    """
    return _decode(EVALS, data, strict)


def _decode(table: Table, data: Documents, strict: bool) -> pl.DataFrame:
    check_flag("strict", strict)
    try:
        page = read_any(table.record, _as_bytes(data))
    except ProtocolError as error:
        raise ProtocolError(f"the document is {error}") from None
    report_problems(table, page.problems, strict=strict, verb="decode")
    return to_frame(table, page.structs)


def _as_bytes(data: Documents) -> bytes:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if isinstance(data, str):
        return data.encode("utf-8", "surrogatepass")
    if not isinstance(data, dict | list) and not _is_model(data):
        raise SchemaError(
            "expected bytes, str, a dict, objects of the official SDK, or a list of documents; "
            f"got {type(data).__name__}"
        )
    try:
        return json.dumps(data, allow_nan=False, default=_dump_model).encode()
    except (TypeError, ValueError, RecursionError) as error:
        reason = str(error)
    raise ProtocolError(f"not JSON: {reason}")


def _is_model(value: object) -> bool:
    return hasattr(value, "model_dump") and not isinstance(value, type)


def _dump_model(value: Any) -> Any:
    """The document behind a model; ``json.dumps`` calls this for types that it does not know."""
    if isinstance(value, datetime):  # of ``model_dump()``
        return value.isoformat()
    if not _is_model(value):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    # Leave out unsent fields: the SDK fills in defaults, for example counts of 0 for a run without
    # counts.
    return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
