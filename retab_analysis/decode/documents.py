"""Bytes become structs: in one go where every record is good, else record by record.

The usual body is decoded whole, by msgspec. Where that fails, the body is cut into the texts of its
records without decoding them, and each is decoded for itself, so that one bad record spoils no
other one, whatever is wrong with it.
"""

from __future__ import annotations

import codecs
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
W = TypeVar("W", bound=wire.Wire)
Record = type[wire.Wire]
Check = Callable[[], None]

# What msgspec raises for a body: the wrong shape, no JSON, bad UTF-8, too deep.
_DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
_SHOWN = 200
_PIECE = 16 * 1024  # bytes that are looked through together
_CHECKED_EACH = 256  # records between two looks whether to go on
# What gives JSON its structure; strings as a whole, so that no bracket inside of one is seen.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},:]', re.DOTALL)


def never() -> None:
    """A check that ends nothing."""


@dataclass(slots=True)
class Page:
    """What a body holds.

    Attributes:
        size: Of the body, in bytes.
        structs: The good records.
        problems: The other records; the first thousand in detail, the rest counted.
        after: The cursor of the next page, or None.
    """

    size: int
    structs: list[Any] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)
    after: str | None = None


class _WirePage(wire.Wire, Generic[T]):
    data: list[T]
    list_metadata: wire.ListMetadata


def read_page(record: Record, body: bytes, check: Check = never) -> Page:
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
        # An empty cursor means that there is no further page, as an absent one does.
        return Page(len(body), page.data, after=page.list_metadata.after or None)
    split = SplitBody(body)
    found = _decode_each(record, split, check)
    found.after = _list_metadata(split).after or None
    return found


def read_one(record: Record, body: bytes, check: Check = never) -> Page:
    """Read a single document.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but not an object.
    """
    document = _decode_whole(record, body)
    if document is not None:
        return Page(len(body), [document])
    split = SplitBody(body)
    found = _decode_each(record, split, check)
    if split.path != "$" or split.is_array:
        _refuse(split, "an object")
    return found


def read_any(record: Record, body: bytes) -> Page:
    """Read a page, a list of records, or a single one.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but none of these.
    """
    if body.lstrip()[:1] == b"[":
        structs = _decode_whole(list[record], body)  # type: ignore[valid-type]
        if structs is not None:
            return Page(len(body), structs)
    page = _decode_whole(_WirePage[record], body)  # type: ignore[valid-type]
    if page is not None:
        return Page(len(body), page.data)
    split = SplitBody(body)
    found = _decode_each(record, split, never)
    if split.path is None:
        _refuse(split, "an object, a list of objects, or a page")
    return found


def _decode_whole(wanted: Any, body: bytes) -> Any:
    """The body as structs, or None where anything in it is wrong."""
    try:
        if not body.isascii():
            _check_utf8(body)  # msgspec does not look inside of what it skips or keeps raw
        return wire.decoder(wanted).decode(body)
    except _DECODE_ERRORS:
        return None


def _check_utf8(body: bytes) -> None:
    """Raise a ``UnicodeDecodeError`` where a body is not UTF-8."""
    check = codecs.getincrementaldecoder("utf-8")()
    # Piece by piece: as one text, a body with a single emoji takes four times its size.
    for start in range(0, len(body), _PIECE):
        check.decode(body[start : start + _PIECE])
    check.decode(b"", final=True)


def _decode_each(record: Record, split: SplitBody, check: Check) -> Page:
    """Decode record by record, and make sure that all of the body is JSON.

    Raises:
        ProtocolError: It is not.
    """
    found = Page(split.size)
    for number, text in enumerate(split.records()):
        if number % _CHECKED_EACH == 0:
            check()
        try:
            found.structs.append(wire.decoder(record).decode(text.encode()))
            continue
        except _DECODE_ERRORS as error:
            message = str(error)
        if found.problems.is_full():
            check_json(text)
            found.problems.total += 1
        else:
            found.problems.add(describe_problem(text, split.where(number), message))
    if not check_json(split.rest()) and _depth_at_end(split.rest()) != 0:
        raise ProtocolError("not JSON: it is cut off, in something that is nested too deeply")
    return found


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


def read_document(record: type[W], body: bytes) -> W:
    """Read a single document that does not become a row.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON of another shape.
    """
    found = read_one(record, body)
    for problem in found.problems:
        raise SchemaError(f"at {problem.path}: {problem.reason}", path=problem.path)
    document: W = found.structs[0]
    return document


class SplitBody:
    """A page, a list or a single object, cut into its records without decoding them.

    Only strings and brackets are looked at, one token after the other, so that neither depth nor
    bad characters inside a record matter, and no more than one record is taken out at a time.

    Attributes:
        size: Of the body, in bytes.
        text: The whole body. Bytes that are not UTF-8 are in it as surrogate escapes.
        path: The JSON path of the records' array, or of the only record; None where there is
            neither.
        is_array: Whether there is an array.
    """

    def __init__(self, body: bytes) -> None:
        self.size = len(body)
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
