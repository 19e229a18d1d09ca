"""A body becomes structs: in one go where every record is good, else record by record."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from retab_analysis import wire
from retab_analysis.decode.record_split import Body, check_json, split
from retab_analysis.errors import SchemaError

T = TypeVar("T")
Record = type[wire.Wire]

# What msgspec raises for a body: the wrong shape, no JSON, bad UTF-8, too deep.
_DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
_RAW_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One record that did not decode, and where in the document."""

    record_id: str | None
    path: str
    reason: str
    raw: str


@dataclass(slots=True)
class Structs:
    """The good records of a body with their JSON paths, the bad ones, and the next cursor."""

    records: list[Any] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    after: str | None = None


class _WirePage(wire.Wire, Generic[T]):
    data: list[T]
    list_metadata: wire.ListMetadata


def read_page(record: Record, body: bytes) -> Structs:
    """Read a page of a list.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but no page.
    """
    page = _decode_whole(_WirePage[record], body)  # type: ignore[valid-type]
    if page is not None:
        return _good(page.data, "$.data", page.list_metadata.after or None)
    parts = split(body)
    structs = _by_record(record, parts)
    structs.after = _metadata(parts).after or None
    return structs


def read_one(record: Record, body: bytes) -> Structs:
    """Read a single document.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but no object.
    """
    document = _decode_whole(record, body)
    if document is not None:
        return Structs([document], ["$"])
    parts = split(body)
    if parts.where != ["$"]:
        _refuse(parts, "an object")
    return _by_record(record, parts)


def read_any(record: Record, body: bytes) -> Structs:
    """Read a page, a list of records, or a single one.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but none of these.
    """
    if body.lstrip()[:1] == b"[":
        records = _decode_whole(list[record], body)  # type: ignore[valid-type]
        if records is not None:
            return _good(records, "$")
    page = _decode_whole(_WirePage[record], body)  # type: ignore[valid-type]
    if page is not None:
        return _good(page.data, "$.data")
    parts = split(body)
    if not parts.where and parts.rest.lstrip()[:1] not in ("[", "{"):
        _refuse(parts, "an object, a list of objects, or a page")
    return _by_record(record, parts)


def _good(records: list[Any], array: str, after: str | None = None) -> Structs:
    return Structs(records, [f"{array}[{index}]" for index in range(len(records))], [], after)


@functools.cache
def _decoder(wanted: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(wanted)


def _decode_whole(wanted: Any, body: bytes) -> Any:
    """The body as structs, or None where anything in it is wrong."""
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look inside of what it skips or keeps raw
        return _decoder(wanted).decode(body)
    except _DECODE_ERRORS:
        return None


def _by_record(record: Record, parts: Body) -> Structs:
    structs = Structs()
    for text, where in zip(parts.records, parts.where, strict=True):
        try:
            document = _decoder(record).decode(text.encode())
        except _DECODE_ERRORS as error:
            reason = str(error)
            structs.problems.append(_problem(text, where, reason))
        else:
            structs.records.append(document)
            structs.where.append(where)
    return structs


def _metadata(parts: Body) -> wire.ListMetadata:
    expected = "a page, {data: […], list_metadata: {…}}"
    if parts.where and parts.where[0] != "$.data[0]":
        _refuse(parts, expected)
    try:
        page = msgspec.json.decode(parts.rest, type=_WirePage[None])
    except _DECODE_ERRORS as error:
        reason = str(error)
    else:
        return page.list_metadata
    _refuse(parts, f"{expected}: {reason}")


def _refuse(parts: Body, expected: str) -> NoReturn:
    found = parts.records[0] if parts.where == ["$"] else parts.rest
    raise SchemaError(f"expected {expected}; got {_shorten(_printable(found), 200)}", path="$")


_AT = re.compile(r" - at `\$?([^`]*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def _problem(text: str, where: str, reason: str) -> Problem:
    path, explanation = _explain(reason, text)
    return Problem(
        _record_id(text), where + path, explanation, _shorten(_printable(text), _RAW_LIMIT)
    )


def _explain(reason: str, text: str) -> tuple[str, str]:
    """The JSON path inside the record, and what was expected and found there.

    Raises:
        ProtocolError: The record is not even JSON, so the body is not.
    """
    if not check_json(text):
        return "", "nested too deeply"
    if _printable(text) != text:
        return "", "bytes that are not UTF-8"
    match = _AT.search(reason)
    if match is None and ("malformed" in reason or "truncated" in reason):
        return "", "a text with a lone surrogate"
    path = match.group(1) if match else ""
    found, explanation = _found(text, path), _AT.sub("", reason)
    return path, explanation if found is None else f"{explanation}; found {found}"


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def _found(text: str, path: str) -> str | None:
    """What stands at a path of a record, unless that is an object or a list."""
    value = json.loads(text, parse_float=_Number, parse_int=_Number)
    for name, index in _STEP.findall(path):
        try:
            value = value[int(index) if index else name]
        except (KeyError, IndexError, TypeError):
            return None
    if isinstance(value, dict | list):
        return None
    return _shorten(str(value) if isinstance(value, _Number) else json.dumps(value), 80)


def _record_id(text: str) -> str | None:
    """The id of a record that did not decode, as far as it can be read."""
    try:
        record = json.loads(text, parse_int=str)
    except RecursionError:
        match = re.search(r'"id"\s*:\s*"([^"\\]*)"', text)
        return _printable(match.group(1)) if match else None
    found = record.get("id") if isinstance(record, dict) else None
    return _printable(found) if isinstance(found, str) else None


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"
