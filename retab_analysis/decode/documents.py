"""Bytes become structs: in one go where every record is good, else record by record.

The usual body is decoded whole, by msgspec. Where that fails, the body is cut into the texts of its
records without decoding them, and each is decoded for itself, so that one bad record spoils no
other one, whatever is wrong with it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from retab_analysis import wire
from retab_analysis.decode.problems import (
    Problem,
    check_json,
    describe_problem,
    printable,
    shorten,
)
from retab_analysis.errors import ProtocolError, SchemaError

T = TypeVar("T")
Record = type[wire.Wire]

# What msgspec raises for a body: the wrong shape, no JSON, bad UTF-8, too deep.
_DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
_SHOWN = 200
# What gives JSON its structure; strings as a whole, so that no bracket inside of one is seen.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},:]', re.DOTALL)


@dataclass(slots=True)
class Records:
    """What a body holds.

    Attributes:
        structs: The good records.
        where: The JSON path of each of them.
        problems: The other records.
        after: The cursor of the next page, or None.
    """

    structs: list[Any] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    after: str | None = None


class _WirePage(wire.Wire, Generic[T]):
    data: list[T]
    list_metadata: wire.ListMetadata


def read_page(record: Record, body: bytes) -> Records:
    """Read a page of a list.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but not a page.
    """
    page = _decode_whole(_WirePage[record], body)  # type: ignore[valid-type]
    if page is not None:
        return _all_good(page.data, "$.data", page.list_metadata.after)
    split = split_records(body)
    records = _decode_each(record, split)
    records.after = _list_metadata(split).after or None
    return records


def read_one(record: Record, body: bytes) -> Records:
    """Read a single document.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but not an object.
    """
    document = _decode_whole(record, body)
    if document is not None:
        return Records([document], ["$"])
    split = split_records(body)
    if split.where != ["$"]:
        _refuse(split, "an object")
    return _decode_each(record, split)


def read_any(record: Record, body: bytes) -> Records:
    """Read a page, a list of records, or a single one.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but none of these.
    """
    if body.lstrip()[:1] == b"[":
        structs = _decode_whole(list[record], body)  # type: ignore[valid-type]
        if structs is not None:
            return _all_good(structs, "$")
    page = _decode_whole(_WirePage[record], body)  # type: ignore[valid-type]
    if page is not None:
        return _all_good(page.data, "$.data")
    split = split_records(body)
    if not split.where and split.rest.lstrip()[:1] not in ("[", "{"):
        _refuse(split, "an object, a list of objects, or a page")
    return _decode_each(record, split)


def _all_good(structs: list[Any], array: str, after: str | None = None) -> Records:
    # An empty cursor means that there is no further page, as an absent one does.
    return Records(structs, [f"{array}[{n}]" for n in range(len(structs))], [], after or None)


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


def _decode_each(record: Record, split: SplitBody) -> Records:
    records = Records()
    for text, where in zip(split.records, split.where, strict=True):
        try:
            struct = _decoder(record).decode(text.encode())
        except _DECODE_ERRORS as error:
            message = str(error)
            records.problems.append(describe_problem(text, where, message))
        else:
            records.structs.append(struct)
            records.where.append(where)
    return records


def _list_metadata(split: SplitBody) -> wire.ListMetadata:
    expected = "a page, {data: […], list_metadata: {…}}"
    if split.where and split.where[0] != "$.data[0]":
        _refuse(split, expected)
    try:
        page = msgspec.json.decode(split.rest, type=_WirePage[None])
    except _DECODE_ERRORS as error:
        reason = str(error)
    else:
        return page.list_metadata
    _refuse(split, f"{expected}: {reason}")


def _refuse(split: SplitBody, expected: str) -> NoReturn:
    found = split.records[0] if split.where == ["$"] else split.rest
    raise SchemaError(f"expected {expected}; got {shorten(printable(found), _SHOWN)}", path="$")


@dataclass(frozen=True, slots=True)
class SplitBody:
    """A body with its records cut out.

    Attributes:
        rest: The JSON text with ``null`` in the place of each record.
        records: The text of each record. Bytes that are not UTF-8 are there as surrogate escapes.
        where: The JSON path of each record.
    """

    rest: str
    records: list[str]
    where: list[str]


def split_records(body: bytes) -> SplitBody:
    """Cut a page, a list or a single object into its records, without decoding them.

    Only strings and brackets are looked at, one token after the other, so that neither depth nor
    bad characters inside a record matter. What is left over is checked to be JSON.

    Raises:
        ProtocolError: The rest is not JSON; where it is too deep to tell, that it is cut off.
    """
    text = body.decode("utf-8", "surrogateescape")
    spans, array = _record_spans(text)
    pieces, end = [], 0
    for start, stop in spans:
        pieces += [text[end:start], "null"]
        end = stop
    rest = "".join([*pieces, text[end:]])
    if not check_json(rest) and _depth_at_end(rest) != 0:
        raise ProtocolError("it is cut off, in something that is nested too deeply")
    where = [f"{array}[{index}]" if array else "$" for index in range(len(spans))]
    return SplitBody(rest, [text[start:stop].strip() for start, stop in spans], where)


def _depth_at_end(text: str) -> int:
    """How many brackets are still open."""
    tokens = (token.group() for token in _TOKEN.finditer(text))
    return sum((each in "[{") - (each in "]}") for each in tokens)


def _record_spans(text: str) -> tuple[list[tuple[int, int]], str]:
    """Where the records are in the text, and the JSON path of the array that they stand in."""
    first = text.lstrip()[:1]
    if first == "[":
        return list(_element_spans(text, text.index("["))), "$"
    array = _data_array(text) if first == "{" else None
    if array is not None:
        return list(_element_spans(text, array)), "$.data"
    return ([(0, len(text))] if first == "{" else []), ""


def _data_array(text: str) -> int | None:
    """Where the array starts that is the member ``data`` of the outermost object."""
    depth, last, key = 0, "", ""
    for token in _TOKEN.finditer(text):
        found = token.group()
        if found == "[" and depth == 1 and key == '"data"' and last == ":":
            return token.start()
        if found == ":" and depth == 1:
            key = last
        depth += (found in "[{") - (found in "]}")
        last = found
    return None


def _element_spans(text: str, array: int) -> Iterator[tuple[int, int]]:
    """Start and end of each element of the array that starts there."""
    depth, start = 0, array + 1
    for token in _TOKEN.finditer(text, array):
        found = token.group()
        depth += (found in "[{") - (found in "]}")
        closes = depth == 0
        if closes or (found == "," and depth == 1):
            if text[start : token.start()].strip():
                yield start, token.start()
            start = token.end()
        if closes:
            return
