"""Cut a body into its records without decoding them, so that one bad record spoils no other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from retab_analysis.errors import ProtocolError

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},:]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Body:
    """A body with its records cut out.

    Attributes:
        rest: The JSON text with ``null`` in the place of each record.
        records: The text of each record. Bytes that are not UTF-8 are there as surrogate escapes.
        where: The JSON path of each record.
    """

    rest: str
    records: list[str]
    where: list[str]


def split(body: bytes) -> Body:
    """Cut a page, a list or a single object into its records.

    Only strings and brackets are looked at, one token after the other, so that neither depth nor
    bad characters inside a record matter. What is left over is checked to be JSON.

    Raises:
        ProtocolError: The rest is not JSON; where it is too deep to tell, that it is cut off.
    """
    text = body.decode("utf-8", "surrogateescape")
    spans, prefix = _spans(text)
    pieces, end = [], 0
    for start, stop in spans:
        pieces += [text[end:start], "null"]
        end = stop
    rest = "".join([*pieces, text[end:]])
    if not check_json(rest) and _depth_at_end(rest) != 0:
        raise ProtocolError("it is cut off, in something that is nested too deeply")
    where = [f"{prefix}[{index}]" if prefix else "$" for index in range(len(spans))]
    return Body(rest, [text[start:stop].strip() for start, stop in spans], where)


def check_json(text: str) -> bool:
    """Whether a text is JSON that can be read, too deep a nesting apart.

    Returns:
        False where it is nested too deeply to tell.

    Raises:
        ProtocolError: It is not JSON; ``NaN`` and ``Infinity`` are not.
    """
    try:
        json.loads(text, parse_constant=_refuse_constant, parse_int=str)
    except RecursionError:
        return False
    except ValueError as error:
        reason = str(error)
    else:
        return True
    raise ProtocolError(reason)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _depth_at_end(text: str) -> int:
    """How many brackets are still open."""
    tokens = (token.group() for token in _TOKEN.finditer(text))
    return sum((each in "[{") - (each in "]}") for each in tokens)


def _spans(text: str) -> tuple[list[tuple[int, int]], str]:
    """The records of the text, and the JSON path of the array that they stand in."""
    beginning = text.lstrip()[:1]
    if beginning == "[":
        return list(_elements(text, text.index("["))), "$"
    array = _data_array(text) if beginning == "{" else None
    if array is not None:
        return list(_elements(text, array)), "$.data"
    return ([(0, len(text))] if beginning == "{" else []), ""


def _data_array(text: str) -> int | None:
    """Where the array begins that is the member ``data`` of the outermost object."""
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


def _elements(text: str, array: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each element of the array that begins there."""
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
