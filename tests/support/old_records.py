"""The API's older records: what the documents of today's sandbox would have lacked before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

Document = dict[str, Any]


def older_run(document: Document, way: int) -> Document:
    """A run as its record was once; ``way`` (0 to 3) says how its counts are missing."""
    older = document | {"timing": _older_times(document["timing"])}
    for name in ("target", "eval_id", "freshness"):
        if older[name] is None or name == "freshness":
            del older[name]
    counts = {
        part: {name: count for name, count in numbers.items() if count}
        for part, numbers in older.pop("counts").items()
    }
    without = {"outcome": counts["outcome"], "lifecycle_counts": None}
    return older | ({"counts": None}, {}, {"counts": counts}, {"counts": without})[way]


def older_result(document: Document) -> Document:
    """A result as its record was once."""
    older = document | {"timing": _older_times(document["timing"]), "execution_fingerprint": None}
    lacking = ("routing_decisions", "verdict_summary", "artifact", "handle_outputs")
    for name in ("block_execution_fingerprint", "handle_inputs_fingerprint", *lacking):
        del older[name]
    return older


def _older_times(timing: Document) -> Document:
    """The same with milliseconds and an offset."""
    return {
        name: datetime.fromisoformat(value).isoformat(timespec="milliseconds")
        if isinstance(value, str)
        else value
        for name, value in timing.items()
    }
