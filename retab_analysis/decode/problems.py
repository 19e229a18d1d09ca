"""Problems of documents: which record, where in it, why, and how they are reported.

A body that is not JSON is a ``ProtocolError``, because then the API did not answer. A record that
is JSON of another shape is a :class:`Problem`: it spoils no other record.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any

import polars as pl

from retab_analysis.errors import ProblemsWarning, SchemaError
from retab_analysis.schema import PROBLEMS, Table

MOST_DETAILS = 1_000
"""How many records that did not decode are described; the others are counted."""

_RAW_LIMIT = 2_000
_FOUND_LIMIT = 80
# The end of msgspec's messages: the place of the error.
_PLACE = re.compile(r" - at `\$?([^`]*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Problem:
    """One record that did not decode, why not, and where in the document; its text is cut.

    ``record_id`` is None if it has no readable id.
    """

    record_id: str | None
    path: str
    reason: str
    raw: str


class Problems(list[Problem]):
    """Records that did not decode: the first thousand in detail, the others counted in ``total``.

    A few kilobytes on the wire can become millions of bad records.
    """

    def __init__(self, details: Iterable[Problem] = ()) -> None:
        super().__init__()
        self.total = 0
        for each in details:
            self.add(each)

    def is_full(self) -> bool:
        """Whether further ones are only counted."""
        return len(self) >= MOST_DETAILS

    def add(self, problem: Problem) -> None:
        self.total += 1
        if not self.is_full():
            self.append(problem)

    def add_all(self, others: Problems) -> None:
        self += others[: MOST_DETAILS - len(self)]
        self.total += others.total

    def frame(self) -> pl.DataFrame:
        """The detailed ones: ``record_id, path, reason, raw``."""
        return pl.DataFrame([astuple(each) for each in self], schema=PROBLEMS, orient="row")


def report_problems(table: Table, problems: Problems, *, strict: bool, verb: str = "") -> None:
    """Report records that did not decode, if any: raise a SchemaError, or warn once.

    ``verb`` is ``fetch`` or ``decode``, if the good ones of several could be kept.
    """
    if not problems:
        return
    first = problems[0]
    named = f"{table.noun} {first.record_id or '(no id)'}: at {first.path}: {first.reason}"
    first_of = "" if problems.total == len(problems) else f"the first {len(problems):,} are in "
    if strict:
        advice = f"; {verb}_{table.name}(…, strict=False) keeps the good records"
        more = f" (and {problems.total - 1:,} more, {first_of or 'see '}.problems)"
        raise SchemaError(
            f"{named}{more if problems.total > 1 else ''}{advice if verb else ''}",
            record_id=first.record_id,
            path=first.path,
            problems=problems.frame(),
        )
    count = f"{problems.total:,} {table.noun}{'s' if problems.total > 1 else ''}"
    told = f"{count} left out, {first_of or 'see '}.problems; the first: {named}"
    warnings.warn(
        ProblemsWarning(told, problems.frame()),
        stacklevel=5,  # the line that called the public function
    )


class JsonNumber(str):
    """A number as it was written; Python would not parse an integer of 5,000 digits."""

    __slots__ = ()


def describe_problem(text: str, value: Any, where: str, message: str) -> Problem:
    """Describe the problem of a record that did not decode, at the path ``where``.

    In the text, bytes that are not UTF-8 are surrogate escapes; in the parsed value each number is
    a :class:`JsonNumber`. The message is the decoder's.
    """
    shown, match, path = printable(text), _PLACE.search(message), ""
    if shown != text:
        reason = "bytes that are not UTF-8"
    elif match is None and ("malformed" in message or "truncated" in message):
        # Python's decoder takes it as JSON: only msgspec refuses this.
        reason = "a text with a lone surrogate"
    elif "recursion" in message.lower():
        reason = "nested too deeply"
    else:
        path, reason = match.group(1) if match else "", _PLACE.sub("", message)
        found = _found(value, path)
        reason = reason if found is None else f"{reason}; found {found}"
    record_id = value.get("id") if isinstance(value, dict) else None
    return Problem(
        printable(record_id) if type(record_id) is str else None,
        where + path,
        reason,
        shorten(shown, _RAW_LIMIT),
    )


def _found(value: Any, path: str) -> str | None:
    """The value at a path of a record; None if that is an object, a list, or missing."""
    for name, index in _STEP.findall(path):
        try:
            value = value[int(index) if index else name]
        except (KeyError, IndexError, TypeError):
            return None
    if isinstance(value, dict | list):
        return None
    shown = value if isinstance(value, JsonNumber) else json.dumps(value)
    return shorten(shown, _FOUND_LIMIT)


def printable(text: str) -> str:
    """A text with escapes in place of anything that is not a character."""
    return text.encode("utf-8", "backslashreplace").decode()


def shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"
