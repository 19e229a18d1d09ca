"""From query strings and bodies to queries for the store; errors become a 422."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from retab_analysis.sandbox.encoding import from_json
from retab_analysis.sandbox.http.messages import ApiError, invalid
from retab_analysis.sandbox.instants import parse_instant
from retab_analysis.sandbox.queries import PageQuery, RunFilter, Scope
from retab_analysis.sandbox.simulation.timing import STATUSES

TRIGGERS = ("manual", "api", "schedule", "webhook", "email", "custom", "restart")
_LARGEST_PAGE = 100
_NOT_A_STRING = "Input should be a valid string"


class Query:
    """A query string read field by field; the first wrong one raises an `ApiError`."""

    def __init__(self, text: str) -> None:
        # If a parameter is given twice, the last counts; unknown ones are ignored.
        self._values = dict(parse_qsl(text, keep_blank_values=True, errors="replace"))

    def field(self, name: str) -> str | None:
        """The text of a field; only one with a ``?`` behind its name may be missing."""
        if name not in self._values and not name.endswith("?"):
            raise _refusal(name, "Field required", "missing")
        return self._values.get(name.rstrip("?"))

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        value = self._values.get(name)
        if value is not None and value not in allowed:
            words = " or ".join(f"'{word}'" for word in allowed)
            raise _refusal(name, f"Input should be {words}", "enum")
        return value

    def instant(self, name: str) -> int | None:
        value = self._values.get(name)
        if value is None:
            return None
        # An unescaped "+" of an offset arrives as a space.
        found = parse_instant(value.replace(" ", "+") if "T" in value else value)
        if found is None:
            raise _refusal(name, "Input should be a valid datetime", "datetime_from_date_parsing")
        return found

    def page(self, default: int, most: int = _LARGEST_PAGE) -> PageQuery:
        # An empty cursor counts as absent.
        before, after = self._values.get("before") or None, self._values.get("after") or None
        if before is not None and after is not None:
            raise _refusal("before", "'before' and 'after' exclude each other", "value_error")
        order = self.choice("order", ("asc", "desc")) or "desc"
        return PageQuery(self._limit(default, most), order, before, after)

    def _limit(self, default: int, most: int) -> int:
        value = self._values.get("limit", str(default))
        # `int` would accept other scripts' digits, and refuses very long numbers in its own words.
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", value):
            raise _refusal("limit", "Input should be a valid integer", "int_parsing")
        if int(value) < 1:
            raise _refusal("limit", "Input should be at least 1", "greater_than_equal")
        if int(value) > most:
            raise _refusal("limit", f"Input should be at most {most}", "less_than_equal")
        return int(value)


def _refusal(name: str, message: str, kind: str) -> ApiError:
    return invalid(("query", name), message, kind)


def read_run_filter(query: Query) -> RunFilter:
    return RunFilter(
        query.field("workflow_id?"),
        query.field("eval_id?"),
        query.field("target_block_id?"),
        query.choice("status", STATUSES),
        query.choice("exclude_status", STATUSES),
        query.choice("trigger_type", TRIGGERS),
        query.instant("from_date"),
        query.instant("to_date"),
    )


def read_object(body: bytes) -> dict[str, Any]:
    try:
        document = from_json(body.decode())
    except (ValueError, RecursionError):
        raise invalid(("body",), "JSON decode error", "json_invalid") from None
    if not isinstance(document, dict):
        raise invalid(("body",), "Input should be an object", "model_attributes_type")
    return document


def read_run_request(body: bytes) -> tuple[str, Scope]:
    match document := read_object(body):
        case {"workflow_id": str(workflow_id)}:
            return workflow_id, _scope(document.get("scope"))
        case {"workflow_id": _}:
            raise invalid(("body", "workflow_id"), _NOT_A_STRING, "string_type")
    raise invalid(("body", "workflow_id"), "Field required", "missing")


def _scope(scope: Any) -> Scope:
    match scope:
        case None | {"type": "workflow"}:
            return Scope()
        case {"type": "block", "block_id": str(block_id)}:
            return Scope(block_id=block_id)
        case {"type": "single", "eval_id": str(eval_id)}:
            return Scope(eval_id=eval_id)
    message = (
        "Input should be of type 'workflow', 'block' (with a 'block_id') or 'single' (an 'eval_id')"
    )
    raise invalid(("body", "scope"), message, "union_tag_invalid")
