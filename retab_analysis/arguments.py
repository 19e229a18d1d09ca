"""Checks of arguments: every public function makes the same ones, before it does anything.

To Python the text ``"False"`` is true and True is the number 1: ``values="False"`` would show
customers' values. A caller who writes that gets an error.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TypeGuard

from retab_analysis.errors import ConfigError

LONGEST_WAIT = 366 * 24 * 3600.0  # seconds; operating systems refuse much longer waits
LARGEST_COUNT = 2**63 - 1  # frames count their rows in 64 bits
AGE = re.compile(r"([0-9]{1,9}) ?([hdw])")  # how long ago: hours, days or weeks
_LISTED = 5


@contextlib.contextmanager
def naming(argument: str) -> Iterator[None]:
    """Tell a ConfigError which argument causes it, so that no door has to read its text."""
    try:
        yield
    except ConfigError as error:
        error.argument = error.argument or argument
        raise


def check_flag(name: str, value: object) -> bool:
    """Check an argument that is either True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False, got {value!r}")
    return value


def check_count(name: str, value: object, least: int = 0) -> int:
    """Check a whole number of at least ``least`` that fits into 64 bits."""
    if not _is_number(value) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")
    if value > LARGEST_COUNT:
        raise ConfigError(f"{name} must be at most {LARGEST_COUNT:,}, got {value!r}")
    return value


def check_choice(name: str, value: object, choices: Collection[str]) -> str:
    """Check a word that is one of several."""
    # A polars column that is compared with a word gives a column, which is neither true nor false.
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value


def check_callable(name: str, value: object) -> None:
    if not callable(value):
        raise ConfigError(f"{name} must be a function, got {type(value).__name__} ({value!r})")


def check_seconds(name: str, value: object, *, zero: bool = False) -> float:
    """Check a time in seconds, at most a year; ``zero`` allows 0."""
    # NaN must not pass.
    if _is_number(value) and 0 <= value <= LONGEST_WAIT and (zero or value > 0):
        return float(value)
    least = "at least" if zero else "above"
    raise ConfigError(
        f"{name} must be a number of seconds, {least} 0 and at most {LONGEST_WAIT:,.0f} (a year), "
        f"got {value!r}"
    )


def check_share(name: str, value: object, *, ends: bool = False) -> float:
    """Check a share of a whole; ``ends`` allows 0 and 1."""
    if _is_number(value) and (0 <= value <= 1 if ends else 0 < value < 1):
        return float(value)
    range_ = "from 0 to 1" if ends else "between 0 and 1"
    raise ConfigError(f"{name} must be a number {range_}, got {value!r}")


def check_path(name: str, value: object, expected: str = "a str or a Path") -> Path:
    """Check a path, but not whether it exists. ``expected`` names the accepted types."""
    if not isinstance(value, str | os.PathLike):
        raise ConfigError(f"{name}: expected {expected}, got {type(value).__name__}")
    path = Path(value)
    try:
        is_possible = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        raise ConfigError(f"{name} {str(path)!r} holds a character that no path can have")
    return path


def find_named(noun: str, asked: str, known: Mapping[str, str | None]) -> str | None:
    """The id with this id or name in ``known``, or None; if several have it, ConfigError."""
    meant = [asked] if asked in known else [each for each, name in known.items() if name == asked]
    if len(meant) > 1:
        listed = ", ".join(sorted(meant)[:_LISTED])
        raise ConfigError(f"{asked!r} is the name of {len(meant)} {noun}s; give an id: {listed}")
    return meant[0] if meant else None


def resolve(noun: str, asked: str, known: Mapping[str, str | None]) -> str:
    """As :func:`find_named`; if nothing has this id or name, the ConfigError names the nearest."""
    found = find_named(noun, asked, known)
    if found is None:
        raise ConfigError(f"there is no {noun} {asked!r}; {suggest(asked, known)}")
    return found


def find_nearest(asked: str, known: Mapping[str, str | None]) -> str | None:
    shown = {name: f"{name!r} ({each})" for each, name in known.items() if name}
    shown |= {each: repr(each) for each in known}
    near = difflib.get_close_matches(asked, shown, n=1)
    return shown[near[0]] if near else None


def suggest(asked: str, known: Mapping[str, str | None]) -> str:
    """Suggest known ids or names for an unknown one, in words."""
    near = find_nearest(asked, known)
    if near is not None:
        return f"did you mean {near}?"
    return f"known are for example {', '.join([*known][:_LISTED])}" if known else "there are none"


def add_sentence(text: object, sentence: str) -> str:
    """Add a sentence to a message, which may end as a question like :func:`suggest`'s."""
    return f"{text}{'' if str(text).endswith('?') else '.'} {sentence}"


def _is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number. Python counts True and False as numbers; we do not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
