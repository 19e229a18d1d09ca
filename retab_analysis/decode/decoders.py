"""Documents that somebody already has, as frames."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import polars as pl

from retab_analysis.decode.frames import to_frame
from retab_analysis.decode.page import Problem, parse_any
from retab_analysis.errors import ProblemsWarning, ProtocolError, SchemaError
from retab_analysis.schema import EVALS, PROBLEMS, RESULTS, RUNS, Table


def decode_runs(data: bytes | str | dict[str, Any] | list[Any]) -> pl.DataFrame:
    """Make a RUNS frame of documents of the API.

    Args:
        data: One eval run, a list of them, or a page; as bytes, text or parsed JSON.

    Returns:
        A RUNS frame, one row per run.

    Raises:
        ProtocolError: The text is not JSON.
        SchemaError: A record has the wrong shape.

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
        >>> decode_runs(run).select("run_id", "status", "duration_ms").rows()
        [('wfevalrun_1', 'completed', 28000)]
    """
    return _decode(RUNS, data)


def decode_results(data: bytes | str | dict[str, Any] | list[Any]) -> pl.DataFrame:
    """Make a RESULTS frame of documents of the API.

    ``eval_name``, ``path``, ``workflow_version_id`` and ``run_created_at`` are null: they are not
    in these documents.

    Args:
        data: One result, a list of them, or a page; as bytes, text or parsed JSON. Numbers inside
            values stay as they were written in bytes and text only.

    Returns:
        A RESULTS frame, one row per result.

    Raises:
        ProtocolError: The text is not JSON.
        SchemaError: A record has the wrong shape.
    """
    return _decode(RESULTS, data)


def decode_evals(data: bytes | str | dict[str, Any] | list[Any]) -> pl.DataFrame:
    """Make an EVALS frame of documents of the API.

    Args:
        data: One saved eval, a list of them, or a page; as bytes, text or parsed JSON.

    Returns:
        An EVALS frame, one row per saved eval.

    Raises:
        ProtocolError: The text is not JSON.
        SchemaError: A record has the wrong shape.
    """
    return _decode(EVALS, data)


def report(table: Table, problems: Sequence[Problem], *, strict: bool) -> None:
    """Say what did not decode: raise, or warn once.

    Raises:
        SchemaError: There is a problem and ``strict`` is set.
    """
    if not problems:
        return
    first = problems[0]
    frame = pl.DataFrame([astuple(each) for each in problems], schema=PROBLEMS, orient="row")
    named = f"{table.noun} {first.record_id or '(no id)'}: at {first.path}: {first.reason}"
    if strict:
        more = f" (and {len(problems) - 1} more, see .problems)" if len(problems) > 1 else ""
        raise SchemaError(
            f"{named}{more}. strict=False keeps the good records",
            record_id=first.record_id,
            path=first.path,
            problems=frame,
        )
    count = f"{len(problems)} {table.noun}{'s' if len(problems) > 1 else ''}"
    warnings.warn(
        ProblemsWarning(f"{count} left out, see .problems; the first: {named}", frame),
        stacklevel=4,
    )


def _decode(table: Table, data: bytes | str | dict[str, Any] | list[Any]) -> pl.DataFrame:
    page = parse_any(table, _as_bytes(data))
    report(table, page.problems, strict=True)
    return to_frame(table, [page.rows])


def _as_bytes(data: bytes | str | dict[str, Any] | list[Any]) -> bytes:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if isinstance(data, str):
        return data.encode("utf-8", "surrogatepass")
    if not isinstance(data, dict | list):
        raise SchemaError(
            f"expected bytes, str, a dict or a list of documents; got {type(data).__name__}"
        )
    try:
        return json.dumps(data, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        reason = str(error)
    raise ProtocolError(f"the document is not JSON: {reason}")
