"""Loaded by schemathesis: what the contract says in words and OpenAPI cannot."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.hook
def filter_query(context: Any, query: dict[str, Any]) -> bool:
    """`before` and `after` exclude each other."""
    return not (isinstance(query, dict) and query.get("before") and query.get("after"))
