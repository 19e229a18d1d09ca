"""What is wrong with a document: which record, where in it, why, and how that is reported.

A body that is not JSON is a ``ProtocolError``, because then what answered is not the API. A record
that is JSON of another shape is a :class:`Problem`: it spoils no other record.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import NoReturn, overload

import polars as pl

from retab_analysis.errors import ProblemsWarning, ProtocolError, SchemaError
from retab_analysis.schema import PROBLEMS, Table

MOST_DETAILS = 1_000
"""How many records that did not decode are described; the others are counted."""

_RAW_LIMIT = 2_000
_FOUND_LIMIT = 80
# How msgspec ends its messages: with the place of the error.
_PLACE = re.compile(r" - at `\$?([^`]*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Problem:
    """One record that did not decode.

    Attributes:
        record_id: Its id, or None where it has none that can be read.
        path: The JSON path of what is wrong, from the top of the document.
        reason: What was expected and what was found there.
        raw: The record's text, cut.
    """

    record_id: str | None
    path: str
    reason: str
    raw: str


class Problems(Sequence[Problem]):
    """Records that did not decode: the first thousand in detail, the others counted.

    A few kilobytes on the wire can become millions of bad records. As a sequence it is those that
    are known in detail.

    Attributes:
        total: How many there are.
    """

    def __init__(self, details: Iterable[Problem] = ()) -> None:
        self.total = 0
        self._details: list[Problem] = []
        for each in details:
            self.add(each)

    @overload
    def __getitem__(self, index: int) -> Problem: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Problem]: ...
    def __getitem__(self, index: int | slice) -> Problem | Sequence[Problem]:
        return self._details[index]

    def __len__(self) -> int:
        return len(self._details)

    def is_full(self) -> bool:
        """Whether further ones are only counted."""
        return len(self._details) >= MOST_DETAILS

    def add(self, problem: Problem) -> None:
        """Add one."""
        self.total += 1
        if not self.is_full():
            self._details.append(problem)

    def add_all(self, others: Problems) -> None:
        """Add all of another list."""
        self._details += others[: MOST_DETAILS - len(self)]
        self.total += others.total

    def frame(self) -> pl.DataFrame:
        """Those that are known in detail: ``record_id, path, reason, raw``."""
        rows = [astuple(each) for each in self._details]
        return pl.DataFrame(rows, schema=PROBLEMS, orient="row")


def report_problems(
    table: Table, problems: Problems, *, strict: bool, is_list: bool = False
) -> None:
    """Say what did not decode: raise, or warn once.

    Args:
        table: What the records are.
        problems: Those that did not decode; nothing happens where there are none.
        strict: Whether to raise.
        is_list: Whether they are of a list, of which the good ones could be kept.

    Raises:
        SchemaError: There is a problem and ``strict`` is set.
    """
    if not problems:
        return
    first = problems[0]
    named = f"{table.noun} {first.record_id or '(no id)'}: at {first.path}: {first.reason}"
    first_of = "" if problems.total == len(problems) else f"the first {len(problems):,} are in "
    if strict:
        advice = f"; fetch_{table.name}(…, strict=False) keeps the good records"
        more = f" (and {problems.total - 1:,} more, {first_of or 'see '}.problems)"
        raise SchemaError(
            f"{named}{more if problems.total > 1 else ''}{advice if is_list else ''}",
            record_id=first.record_id,
            path=first.path,
            problems=problems.frame(),
        )
    count = f"{problems.total:,} {table.noun}{'s' if problems.total > 1 else ''}"
    told = f"{count} left out, {first_of or 'see '}.problems; the first: {named}"
    warnings.warn(
        ProblemsWarning(told, problems.frame()),
        stacklevel=4,  # the line that called the public function
    )


def describe_problem(text: str, where: str, message: str) -> Problem:
    """Find out what is wrong with a record that did not decode.

    Args:
        text: The record. Bytes that are not UTF-8 are in it as surrogate escapes.
        where: Its JSON path.
        message: The decoder's.

    Raises:
        ProtocolError: The record is not even JSON, so the body is not.
    """
    path, reason = _explain(text, message)
    return Problem(_record_id(text), where + path, reason, shorten(printable(text), _RAW_LIMIT))


def _explain(text: str, message: str) -> tuple[str, str]:
    """The JSON path inside the record, and what was expected and found there."""
    if not check_json(text):
        return "", "nested too deeply"
    if printable(text) != text:
        return "", "bytes that are not UTF-8"
    match = _PLACE.search(message)
    if match is None and ("malformed" in message or "truncated" in message):
        # It is JSON to Python's decoder, so this is the one thing that only msgspec refuses.
        return "", "a text with a lone surrogate"
    path = match.group(1) if match else ""
    found, expected = _found(text, path), _PLACE.sub("", message)
    return path, expected if found is None else f"{expected}; found {found}"


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def _found(text: str, path: str) -> str | None:
    """What stands at a path of a record; None where that is an object, a list, or nothing."""
    value = json.loads(text, parse_float=_Number, parse_int=_Number)
    for name, index in _STEP.findall(path):
        try:
            value = value[int(index) if index else name]
        except (KeyError, IndexError, TypeError):
            return None
    if isinstance(value, dict | list):
        return None
    return shorten(str(value) if isinstance(value, _Number) else json.dumps(value), _FOUND_LIMIT)


def _record_id(text: str) -> str | None:
    """The id of a record that did not decode, as far as it can be read."""
    try:
        record = json.loads(text, parse_int=str)
    except RecursionError:
        match = re.search(r'"id"\s*:\s*"([^"\\]*)"', text)
        return printable(match.group(1)) if match else None
    found = record.get("id") if isinstance(record, dict) else None
    return printable(found) if isinstance(found, str) else None


def check_json(text: str) -> bool:
    """Whether a text is JSON, as far as it is not nested too deeply.

    Returns:
        False where it is nested too deeply to tell.

    Raises:
        ProtocolError: It is not JSON; ``NaN`` and ``Infinity`` are not.
    """
    try:
        _JSON.decode(text)
    except RecursionError:
        return False
    except ValueError as error:
        reason = str(error)
    else:
        return True
    raise ProtocolError(f"not JSON: {reason}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Integers as text: Python refuses to parse those of more than 4300 digits.
_JSON = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=str)


def printable(text: str) -> str:
    """A text in which what is not a character is shown as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def shorten(text: str, length: int) -> str:
    """A text cut at a length."""
    return text if len(text) <= length else text[:length] + "…"
