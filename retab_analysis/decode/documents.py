"""Bytes become structs: in one go where every record is good, else record by record.

The usual body is decoded whole, by msgspec. Where that fails, the body is cut into the texts of its
records without decoding them, and each is decoded for itself, so that one bad record spoils no
other one, whatever is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from retab_analysis import wire
from retab_analysis.decode.problems import (
    Problems,
    check_json,
    describe_problem,
    printable,
    shorten,
)
from retab_analysis.errors import ProtocolError, SchemaError

T = TypeVar("T")
Record = type[wire.Wire]
Check = Callable[[], None]

# What msgspec raises for a body: the wrong shape, no JSON, bad UTF-8, too deep.
_DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
_SHOWN = 200
_CHECKED_EACH = 256  # records between two looks whether to go on
# What gives JSON its structure; strings as a whole, so that no bracket inside of one is seen.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},:]', re.DOTALL)


def never() -> None:
    """A check that ends nothing."""


@dataclass(slots=True)
class Records:
    """What a body holds.

    Attributes:
        structs: The good records.
        where: The JSON path of each of them.
        problems: The other records; the first thousand in detail, the rest counted.
        after: The cursor of the next page, or None.
    """

    structs: list[Any] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)
    after: str | None = None


class _WirePage(wire.Wire, Generic[T]):
    data: list[T]
    list_metadata: wire.ListMetadata


def read_page(record: Record, body: bytes, check: Check = never) -> Records:
    """Read a page of a list.

    Args:
        record: What the page holds.
        body: The JSON.
        check: Called now and then; may raise to end it.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but not a page.
    """
    page = _decode_whole(_WirePage[record], body)  # type: ignore[valid-type]
    if page is not None:
        return _all_good(page.data, "$.data", page.list_metadata.after)
    split = SplitBody(body)
    records = _decode_each(record, split, check)
    records.after = _list_metadata(split).after or None
    return records


def read_one(record: Record, body: bytes, check: Check = never) -> Records:
    """Read a single document.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but not an object.
    """
    document = _decode_whole(record, body)
    if document is not None:
        return Records([document], ["$"])
    split = SplitBody(body)
    records = _decode_each(record, split, check)
    if split.path != "$" or split.is_array:
        _refuse(split, "an object")
    return records


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
    split = SplitBody(body)
    records = _decode_each(record, split, never)
    if split.path is None:
        _refuse(split, "an object, a list of objects, or a page")
    return records


def _all_good(structs: list[Any], array: str, after: str | None = None) -> Records:
    # An empty cursor means that there is no further page, as an absent one does.
    where = [f"{array}[{n}]" for n in range(len(structs))]
    return Records(structs, where, Problems(), after or None)


def _decode_whole(wanted: Any, body: bytes) -> Any:
    """The body as structs, or None where anything in it is wrong."""
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look inside of what it skips or keeps raw
        return wire.decoder(wanted).decode(body)
    except _DECODE_ERRORS:
        return None


def _decode_each(record: Record, split: SplitBody, check: Check) -> Records:
    """Decode record by record, and make sure that all of the body is JSON.

    Raises:
        ProtocolError: It is not.
    """
    records = Records()
    for number, text in enumerate(split.records()):
        if number % _CHECKED_EACH == 0:
            check()
        try:
            struct = wire.decoder(record).decode(text.encode())
        except _DECODE_ERRORS as error:
            message = str(error)
        else:
            records.structs.append(struct)
            records.where.append(split.where(number))
            continue
        if records.problems.is_full():
            check_json(text)
            records.problems.total += 1
        else:
            records.problems.add(describe_problem(text, split.where(number), message))
    if not check_json(split.rest()) and _depth_at_end(split.rest()) != 0:
        raise ProtocolError("not JSON: it is cut off, in something that is nested too deeply")
    return records


def _list_metadata(split: SplitBody) -> wire.ListMetadata:
    expected = "a page, {data: […], list_metadata: {…}}"
    if split.path != "$.data":
        _refuse(split, expected)
    try:
        page: _WirePage[None] = wire.decoder(_WirePage[None]).decode(split.rest())
    except _DECODE_ERRORS as error:
        reason = str(error)
    else:
        return page.list_metadata
    _refuse(split, f"{expected}: {reason}")


def _refuse(split: SplitBody, expected: str) -> NoReturn:
    found = shorten(printable(split.text[: _SHOWN + 1]), _SHOWN)
    raise SchemaError(f"expected {expected}; got {found}", path="$")


class SplitBody:
    """A page, a list or a single object, cut into its records without decoding them.

    Only strings and brackets are looked at, one token after the other, so that neither depth nor
    bad characters inside a record matter, and no more than one record is taken out at a time.

    Attributes:
        text: The whole body. Bytes that are not UTF-8 are in it as surrogate escapes.
        path: The JSON path of the records' array, or of the only record; None where there is
            neither.
        is_array: Whether there is an array.
    """

    def __init__(self, body: bytes) -> None:
        self.text = body.decode("utf-8", "surrogateescape")
        self.path, self._begin = _find_records(self.text)
        self.is_array = self.path is not None and self._begin is not None
        self._end = len(self.text)

    def where(self, number: int) -> str:
        """The JSON path of a record."""
        return f"{self.path}[{number}]" if self.is_array else str(self.path)

    def records(self) -> Iterator[str]:
        """The text of each record.

        Raises:
            ProtocolError: Something is missing between two of them, or the array does not end.
        """
        if self._begin is None:
            if self.path is not None:
                yield self.text.strip()
            return
        depth, start, is_first = 0, self._begin + 1, True
        for token in _TOKEN.finditer(self.text, self._begin):
            found = token.group()
            depth += (found in "[{") - (found in "]}")
            if depth == 0 or (found == "," and depth == 1):
                text = self.text[start : token.start()].strip()
                if text:
                    yield text
                elif depth or not is_first:
                    raise ProtocolError("not JSON: there is nothing between two commas")
                start, is_first = token.end(), False
            if depth == 0:
                self._end = token.start()
                return
        raise ProtocolError("not JSON: it is cut off")

    def rest(self) -> str:
        """The JSON around the records, once all of them were taken out."""
        if self._begin is None:
            return "null" if self.path is not None else self.text
        return self.text[: self._begin + 1] + self.text[self._end :]


def _depth_at_end(text: str) -> int:
    """How many brackets are still open."""
    tokens = (token.group() for token in _TOKEN.finditer(text))
    return sum((each in "[{") - (each in "]}") for each in tokens)


def _find_records(text: str) -> tuple[str | None, int | None]:
    """The JSON path of the records, and where the array starts that they stand in."""
    first = text.lstrip()[:1]
    if first == "[":
        return "$", text.index("[")
    if first != "{":
        return None, None
    array = _data_array(text)
    return ("$", None) if array is None else ("$.data", array)


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
