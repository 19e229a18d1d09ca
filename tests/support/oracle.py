"""What a RUNS row must hold, computed member by member in plain Python."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

MISSING = object()
BOUND = 2**63


class RefusedError(Exception):
    """The document has the wrong shape."""


def member(document: Any, path: str, kinds: tuple[type, ...], default: Any = None) -> Any:
    """What stands at a path; None where a part is missing, the default where the last is."""
    *parts, leaf = path.split(".")
    for part in parts:
        if document is None:
            return None
        if not isinstance(document, dict):
            raise RefusedError(path)
        document = document.get(part)
    if document is None:
        return None
    if not isinstance(document, dict):
        raise RefusedError(path)
    value = document.get(leaf, default)
    if value is MISSING:
        raise RefusedError(f"{path} is required")
    return check(value, kinds, path)


def check(value: Any, kinds: tuple[type, ...], path: str) -> Any:
    if value is None:
        return value
    if isinstance(value, bool) != (bool in kinds) or not isinstance(value, kinds):
        raise RefusedError(path)
    if isinstance(value, int) and not -BOUND <= value < BOUND:
        raise RefusedError(path)
    return value


def required(document: Any, path: str, kinds: tuple[type, ...]) -> Any:
    *parts, _ = path.split(".")
    for depth in range(1, len(parts) + 1):
        if not isinstance(member(document, ".".join(parts[:depth]), (dict,), MISSING), dict):
            raise RefusedError(path)
    value = member(document, path, kinds, MISSING)
    if value is None:
        raise RefusedError(f"{path} is null")
    return value


def moment(document: Any, path: str) -> datetime | None:
    text = member(document, path, (str,))
    if text is None:
        return None
    if re.search(r"\.\d{7,}", text):
        raise RefusedError(path)
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise RefusedError(path) from None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def strings(document: Any, path: str) -> list[str] | None:
    value = member(document, path, (list,), [])
    if value is not None and not all(isinstance(each, str) for each in value):
        raise RefusedError(path)
    return value


def run_row(run: Any) -> dict[str, Any]:
    """The RUNS row of a document.

    Raises:
        RefusedError: The document is not one that the contract allows, where we read it.
    """
    if not isinstance(run, dict):
        raise RefusedError("no object")
    status = required(run, "lifecycle.status", (str,))
    counts: dict[str, int | None] = {
        **{
            name: member(run, f"counts.lifecycle_counts.{name}", (int,), 0)
            for name in ("pending", "queued", "running", "completed", "error", "cancelled")
        },
        **{
            name: member(run, f"counts.outcome.{name}", (int,), 0)
            for name in ("passed", "failed", "blocked")
        },
    }
    for part in ("target", "counts", "freshness", "counts.outcome", "counts.lifecycle_counts"):
        member(run, part, (dict,))
    target_type = member(run, "target.type", (str,), "block")
    block_id = member(run, "target.block_id", (str,))
    if target_type == "block" and block_id is None:
        raise RefusedError("target.block_id")
    if isinstance(run.get("target"), dict) and target_type is None:
        raise RefusedError("target.type")
    eval_id = member(run, "eval_id", (str,))
    message = member(run, "lifecycle.message", (str,))
    reason = member(run, "lifecycle.reason", (str,))
    required(run, "timing", (dict,))
    created, started = moment(run, "timing.created_at"), moment(run, "timing.started_at")
    rated = [counts[name] for name in ("passed", "failed", "blocked", "error")]
    total = None if None in rated else sum(float(each or 0) for each in rated)
    terminal = status in ("completed", "error", "cancelled")
    return {
        "run_id": required(run, "id", (str,)),
        "status": status,
        **counts,
        "pass_rate": float(rated[0] or 0) / total if total and total > 0 else None,
        "ok": ok(status, counts) if terminal else None,
        "duration_ms": member(run, "timing.duration_ms", (int,)),
        "queue_ms": milliseconds(created, started),
        "created_at": created,
        "started_at": started,
        "completed_at": moment(run, "timing.completed_at"),
        "workflow_version_id": required(run, "workflow_version_id", (str,)),
        "workflow_id": required(run, "workflow_id", (str,)),
        "scope": "eval" if eval_id is not None else "block" if block_id is not None else "workflow",
        "eval_id": eval_id,
        "target_type": target_type,
        "target_block_id": block_id,
        "trigger_type": required(run, "trigger.type", (str,)),
        "total_evals": required(run, "total_evals", (int,)),
        "is_terminal": terminal,
        "status_message": said(message, reason, member(run, "lifecycle.details.message", (str,))),
        "error_code": member(run, "lifecycle.details.error_code", (str,)),
        "error_block_id": member(run, "lifecycle.details.block_id", (str,)),
        "freshness_status": member(run, "freshness.status", (str,), "unknown"),
        "freshness_reasons": strings(run, "freshness.reasons"),
    }


def said(*messages: str | None) -> str | None:
    """The first message that is one."""
    return next((each for each in messages if each not in (None, "(no message)")), None)


def ok(status: str, counts: dict[str, int | None]) -> bool | None:
    if status != "completed":
        return False
    bad = [counts[name] for name in ("failed", "blocked", "error", "cancelled")]
    if any(each not in (0, None) for each in bad):
        return False
    return None if None in bad else True


def milliseconds(start: datetime | None, end: datetime | None) -> int | None:
    if start is None or end is None:
        return None
    span = end - start
    microseconds = (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds
    return abs(microseconds) // 1000 * (1 if microseconds >= 0 else -1)
