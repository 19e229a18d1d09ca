"""The API's contract: its schemas, and documents that it allows."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

OPENAPI = Path(__file__).parents[1] / "data" / "openapi.yaml"

Schema = dict[str, Any]


@functools.cache
def openapi() -> Schema:
    document: Schema = yaml.safe_load(OPENAPI.read_text())
    return document


def schema_of(name: str) -> Schema:
    schema: Schema = openapi()["components"]["schemas"][name]
    return schema


def resolve(schema: Schema) -> Schema:
    reference = schema.get("$ref")
    return schema_of(reference.rpartition("/")[2]) if reference else schema


def variants(schema: Schema) -> list[Schema]:
    """The alternatives of a schema, each without references."""
    schema = resolve(schema)
    choices = schema.get("anyOf") or schema.get("oneOf")
    return [each for choice in choices for each in variants(choice)] if choices else [schema]


def types_of(schema: Schema) -> list[str]:
    declared = schema.get("type", [])
    return [declared] if isinstance(declared, str) else declared


WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
ZONES = st.sampled_from(
    [None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=14))]
)
TIMES = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES)


def _time_text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def documents(schema: Schema) -> st.SearchStrategy[Any]:
    """Any document that a schema allows, with members that it does not name."""
    return st.one_of([_documents(each) for each in variants(schema)])


def _documents(schema: Schema) -> st.SearchStrategy[Any]:
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("format") == "date-time":
        text = TIMES.map(_time_text)
        return text | st.none() if "null" in types_of(schema) else text
    kinds = types_of(schema)
    return st.one_of([_of_type(kind, schema) for kind in kinds]) if kinds else JSON


def _of_type(kind: str, schema: Schema) -> st.SearchStrategy[Any]:
    if kind == "object":
        return _objects(schema)
    if kind == "array":
        return st.lists(documents(schema.get("items", {})), max_size=3)
    return {
        "null": st.none(),
        "string": WORDS,
        "boolean": st.booleans(),
        "integer": st.integers(-(2**63), 2**63 - 1),
        "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53),
    }[kind]


def _objects(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    properties = schema.get("properties", {})
    required = set(schema.get("required", []))
    # In a union the discriminator tells the variants apart, though only its default is declared.
    required |= {name for name in ("status", "type") if "const" in properties.get(name, {})}
    members = {name: documents(each) for name, each in properties.items()}
    fixed = st.fixed_dictionaries(
        {name: members[name] for name in required},
        optional={name: members[name] for name in members if name not in required},
    )
    others = schema.get("additionalProperties", {})
    free = st.dictionaries(
        WORDS.map(lambda word: f"x-{word}"),
        documents(others) if isinstance(others, dict) else JSON,
        max_size=2,
    )
    return st.builds(lambda one, two: {**two, **one}, fixed, free)
