"""From query strings and bodies to what the store is asked for; what is wrong becomes a 422."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from retab_analysis.sandbox.http.messages import field_error, invalid
from retab_analysis.sandbox.instants import parse_instant
from retab_analysis.sandbox.queries import PageQuery, RunFilter, Scope
from retab_analysis.sandbox.simulation.timing import STATUSES

TRIGGERS = ("manual", "api", "schedule", "webhook", "email", "custom", "restart")
# For each type of scope, the member of the body that says what it is about.
_SCOPES = {"workflow": None, "block": "block_id", "single": "eval_id"}
_LARGEST_PAGE = 100
_NOT_AN_OBJECT = "Input should be a valid dictionary or object to extract fields from"


class Query:
    """A query string read field by field; `check` raises for all that was wrong."""

    def __init__(self, text: str) -> None:
        # Of a parameter that is given twice the last counts, and unknown ones are ignored.
        self._values = dict(parse_qsl(text, keep_blank_values=True, errors="replace"))
        self._errors: list[dict[str, Any]] = []

    def text(self, name: str) -> str | None:
        """Read a string."""
        return self._values.get(name)

    def required(self, name: str) -> str:
        """Read a string that must be there."""
        if name not in self._values:
            self._refuse(name, "Field required", "missing")
        return self._values.get(name, "")

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        """Read one of several words."""
        value = self._values.get(name)
        if value is not None and value not in allowed:
            words = " or ".join(f"'{word}'" for word in allowed)
            self._refuse(name, f"Input should be {words}", "enum")
        return value

    def instant(self, name: str) -> int | None:
        """Read a date-time."""
        value = self._values.get(name)
        if value is None:
            return None
        # An unescaped "+" of an offset arrives as a space.
        found = parse_instant(value.replace(" ", "+") if "T" in value else value)
        if found is None:
            self._refuse(name, "Input should be a valid datetime", "datetime_from_date_parsing")
        return found

    def page(self, default: int) -> PageQuery:
        """Read limit, order and cursors."""
        # An empty cursor counts as absent.
        before, after = self._values.get("before") or None, self._values.get("after") or None
        if before is not None and after is not None:
            self._refuse("before", "'before' and 'after' exclude each other", "value_error")
        order = self.choice("order", ("asc", "desc")) or "desc"
        return PageQuery(self._limit(default), order, before, after)

    def _limit(self, default: int) -> int:
        value = self._values.get("limit")
        if value is None:
            return default
        digits = value.removeprefix("-").removeprefix("+")
        # `int` would take other scripts' digits, and refuses very long numbers in its own words.
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
            self._refuse("limit", "Input should be a valid integer", "int_parsing")
        elif int(value) < 1:
            message = "Input should be greater than or equal to 1"
            self._refuse("limit", message, "greater_than_equal")
        elif int(value) > _LARGEST_PAGE:
            message = f"Input should be less than or equal to {_LARGEST_PAGE}"
            self._refuse("limit", message, "less_than_equal")
        else:
            return int(value)
        return default

    def check(self) -> None:
        """Raise the 422 if anything was wrong.

        Raises:
            ApiError: It was.
        """
        if self._errors:
            raise invalid(*self._errors)

    def _refuse(self, name: str, message: str, kind: str) -> None:
        self._errors.append(field_error(("query", name), message, kind))


def read_run_filter(query: Query) -> RunFilter:
    """Read what the list of runs is narrowed by."""
    return RunFilter(
        query.text("workflow_id"),
        query.text("eval_id"),
        query.text("target_block_id"),
        query.choice("status", STATUSES),
        query.choice("exclude_status", STATUSES),
        query.choice("trigger_type", TRIGGERS),
        query.instant("from_date"),
        query.instant("to_date"),
    )


def read_run_request(body: bytes) -> tuple[str, Scope]:
    """Read the body that starts a run: the workflow's id, and the scope.

    Raises:
        ApiError: 422 for a body that does not say so.
    """
    document = _json_object(body)
    workflow_id = document.get("workflow_id")
    if "workflow_id" not in document:
        raise invalid(field_error(("body", "workflow_id"), "Field required", "missing"))
    if not isinstance(workflow_id, str):
        raise invalid(_not_a_string("workflow_id"))
    scope = document.get("scope")
    return workflow_id, Scope() if scope is None else _scope(scope)


def _json_object(body: bytes) -> Mapping[str, Any]:
    if not body:
        raise invalid(field_error(("body",), "Field required", "missing"))
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        place = getattr(error, "pos", 0)
        raise invalid(field_error(("body", place), "JSON decode error", "json_invalid")) from None
    if not isinstance(document, dict):
        raise invalid(field_error(("body",), _NOT_AN_OBJECT, "model_attributes_type"))
    return document


def _scope(scope: Any) -> Scope:
    if not isinstance(scope, dict):
        raise invalid(field_error(("body", "scope"), _NOT_AN_OBJECT, "model_attributes_type"))
    kind = scope.get("type")
    if not isinstance(kind, str) or kind not in _SCOPES:
        message = "Input should have a 'type' of 'workflow', 'block' or 'single'"
        raise invalid(field_error(("body", "scope"), message, "union_tag_invalid"))
    member = _SCOPES[kind]
    if member is None:
        return Scope()
    if member not in scope:
        raise invalid(field_error(("body", "scope", kind, member), "Field required", "missing"))
    if not isinstance(scope[member], str):
        raise invalid(_not_a_string("scope", kind, member))
    return Scope(**{member: scope[member]})


def _not_a_string(*path: str) -> dict[str, Any]:
    return field_error(("body", *path), "Input should be a valid string", "string_type")
