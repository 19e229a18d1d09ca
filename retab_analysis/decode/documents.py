"""Bytes become structs: in one go if every record is good, else record by record.

msgspec decodes a usual body whole. If that fails, Python's own decoder cuts the body into its
records, and each is decoded alone: one bad record spoils no other.
"""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from retab_analysis import wire
from retab_analysis.decode.frames import find_unreadable_time
from retab_analysis.decode.problems import (
    JsonNumber,
    Problems,
    describe_problem,
    printable,
    shorten,
)
from retab_analysis.errors import ProtocolError, SchemaError

T = TypeVar("T")
W = TypeVar("W", bound=wire.Wire)
Record = type[wire.Wire]
Check = Callable[[], None]
Take = Callable[[str, Any, str], None]  # a record: its text, the same parsed, its JSON path

# The errors of msgspec for a body: the wrong shape, no JSON, bad UTF-8, too deep.
_DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
_NO_TIME = "Expected a time in ISO 8601, to the microsecond at most - at `$.{}`"
_SHOWN = 200
_PIECE = 16 * 1024  # bytes that are searched together
_CHECKED_EACH = 4_096  # characters between two checks whether to go on
_SPACE = re.compile(r"[ \t\n\r]*")


def never() -> None:
    """A check that never stops the work."""


@dataclass(slots=True)
class Page:
    """A body's content: the good records, the others as problems, and the next page's cursor."""

    body: bytes
    structs: list[Any] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)
    after: str | None = None

    def cut(self, check: Check = never) -> list[bytes]:
        """All records of a page of a list, each as it was sent, whether it decodes or not."""
        page = _decode_whole(_WirePage[msgspec.Raw], self.body)
        if page is not None:
            return [bytes(each) for each in page.data]
        records: list[bytes] = []

        def take(text: str, value: Any, where: str) -> None:
            records.append(text.encode("utf-8", "surrogateescape"))

        _cut_records(self.body, check, take)
        return records


class _WirePage(wire.Wire, Generic[T]):
    data: list[T]
    list_metadata: wire.ListMetadata


def read_page(record: Record, body: bytes, check: Check = never) -> Page:
    """Read a page of a list; it calls ``check`` now and then, which may raise to end it.

    A body that is not JSON is a ProtocolError, JSON that is no page a SchemaError.
    """
    page = _decode_whole(_WirePage[record], body)  # type: ignore[valid-type]
    if page is not None and find_unreadable_time(record, page.data) is None:
        # An empty cursor means that there is no further page, just like an absent one.
        return Page(body, page.data, after=page.list_metadata.after or None)
    found = Page(body)
    is_list, members = _cut_records(body, check, partial(_decode_one, found, record))
    metadata = members.get("list_metadata", "null").encode("utf-8", "surrogateescape")
    place = _decode_whole(wire.ListMetadata, metadata)
    if not is_list or place is None:
        _refuse(body, "a page, {data: […], list_metadata: {…}}")
    found.after = place.after or None
    return found


def read_one(record: Record, body: bytes, check: Check = never) -> Page:
    """Read a single document; checks and raises as :func:`read_page` does."""
    document = _decode_whole(record, body)
    if document is not None and find_unreadable_time(record, [document]) is None:
        return Page(body, [document])
    cut, found = _Cut(body, check), Page(body)
    text, value = cut.take()
    cut.end()
    if not isinstance(value, dict):
        _refuse(body, "an object, a list of objects, or a page")
    _decode_one(found, record, text, value, "$")
    return found


def read_any(record: Record, body: bytes) -> Page:
    """Read a page, a list of records, or a single one; raises as :func:`read_page` does."""
    is_list = body.lstrip()[:1] == b"["
    whole = _decode_whole(list[record] if is_list else _WirePage[record], body)  # type: ignore[valid-type]
    structs = whole if is_list or whole is None else whole.data
    if structs is not None and find_unreadable_time(record, structs) is None:
        return Page(body, structs)
    found = Page(body)
    is_list, _ = _cut_records(body, never, partial(_decode_one, found, record))
    return found if is_list else read_one(record, body)


def read_document(record: type[W], body: bytes) -> W:
    """Read a single document that does not become a row; raises as :func:`read_page` does."""
    found = read_one(record, body)
    for problem in found.problems:
        raise SchemaError(f"at {problem.path}: {problem.reason}", path=problem.path)
    document: W = found.structs[0]
    return document


def _decode_whole(wanted: Any, body: bytes) -> Any:
    """The body as structs, or None if any part of it is wrong."""
    try:
        if not body.isascii():
            # msgspec does not look inside skipped or raw parts. Piece by piece: as one text, a body
            # with a single emoji takes four times its size.
            utf8 = codecs.getincrementaldecoder("utf-8")()
            for start in range(0, len(body), _PIECE):
                utf8.decode(body[start : start + _PIECE])
            utf8.decode(b"", final=True)
        return wire.decoder(wanted).decode(body)
    except _DECODE_ERRORS:
        return None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class _Cut:
    """Takes one JSON value after the other out of a body.

    The text has surrogate escapes for bytes that are not UTF-8; lone surrogates are JSON.
    """

    _json = json.JSONDecoder(
        parse_constant=_refuse_constant, parse_int=JsonNumber, parse_float=JsonNumber
    )

    def __init__(self, body: bytes, check: Check) -> None:
        self._text, self._check = body.decode("utf-8", "surrogateescape"), check
        self._at = self._due = 0

    def peek(self) -> str:
        """The next character after white space; empty at the end."""
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
        return self._text[self._at : self._at + 1]

    def skip(self, character: str) -> bool:
        """Go past a character if it comes next."""
        is_next = self.peek() == character
        self._at += is_next
        return is_next

    def take(self) -> tuple[str, Any]:
        """The next value: its text, and the parsed value."""
        self.peek()
        start = self._at
        if start >= self._due:
            self._check()
            self._due = start + _CHECKED_EACH
        try:
            value, self._at = self._json.raw_decode(self._text, start)
        except RecursionError:
            raise SchemaError("the document is nested too deeply", path="$") from None
        except ValueError as error:
            reason = str(error)
        else:
            return self._text[start : self._at], value
        raise ProtocolError(f"not JSON: {reason}")

    def items(self, end: str) -> Iterator[int]:
        """Stop before each item of the list or object just opened; the caller takes it."""
        if self.skip(end):
            return
        for number in itertools.count():
            yield number
            if self.skip(end):
                return
            if not self.skip(","):
                raise ProtocolError(f"not JSON: no comma and no {end} at character {self._at}")

    def end(self) -> None:
        """Make sure that no text follows."""
        if self.peek():
            raise ProtocolError(f"not JSON: there is more after its end, character {self._at}")


def _cut_records(body: bytes, check: Check, take: Take) -> tuple[bool, dict[str, str]]:
    """Give ``take`` the records of a list or of a page one by one.

    It returns whether there is a list, and the other members of a page.
    """
    cut, members = _Cut(body, check), dict[str, str]()
    is_list = cut.skip("[")

    def read_records(path: str) -> None:
        for number in cut.items("]"):
            take(*cut.take(), f"{path}[{number}]")

    if is_list:
        read_records("$")
    elif cut.skip("{"):
        for _ in cut.items("}"):
            _, name = cut.take()
            if type(name) is not str or not cut.skip(":"):
                raise ProtocolError("not JSON: a member has no name")
            if name == "data" and cut.skip("["):
                is_list = True
                read_records("$.data")
            else:
                members[name], _ = cut.take()
    else:
        cut.take()
    cut.end()
    return is_list, members


def _decode_one(found: Page, record: Record, text: str, value: Any, where: str) -> None:
    try:
        struct = wire.decoder(record).decode(text.encode())
        if (path := find_unreadable_time(record, [struct])) is not None:
            raise msgspec.ValidationError(_NO_TIME.format(path))
        found.structs.append(struct)
    except _DECODE_ERRORS as error:
        if found.problems.is_full():
            found.problems.total += 1
        else:
            found.problems.add(describe_problem(text, value, where, str(error)))


def _refuse(body: bytes, expected: str) -> NoReturn:
    found = shorten(printable(body[: 4 * _SHOWN].decode("utf-8", "surrogateescape")), _SHOWN)
    raise SchemaError(f"expected {expected}; got {found}", path="$")
