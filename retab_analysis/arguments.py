"""Checks of arguments: every public function makes the same ones, before it does anything.

To Python the text ``"False"`` is true and True is the number 1: ``values="False"`` would show
customers' values. A caller who writes that gets an error.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import inspect
import os
import re
import sys
import tomllib
import types
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from retab_analysis.errors import ConfigError, described, list_some, shown

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
        raise ConfigError(f"{name} must be True or False, got {shown(value)}")
    return value


def check_count(name: str, value: object, least: int = 0) -> int:
    """Check a whole number of at least ``least`` that fits into 64 bits."""
    if not _is_number(value) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, got {shown(value)}")
    if value > LARGEST_COUNT:
        raise ConfigError(f"{name} must be at most {LARGEST_COUNT:,}, got {shown(value)}")
    return value


def check_choice(name: str, value: object, choices: Collection[str]) -> str:
    """Check a word that is one of several."""
    # A polars column that is compared with a word gives a column, which is neither true nor false.
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {shown(value)}")
    return value


def check_callable(name: str, value: object) -> None:
    if not callable(value):
        raise ConfigError(f"{name} must be a function, got {described(value)}")


def check_seconds(name: str, value: object, *, zero: bool = False) -> float:
    """Check a time in seconds, at most a year; ``zero`` allows 0."""
    # NaN must not pass.
    if _is_number(value) and 0 <= value <= LONGEST_WAIT and (zero or value > 0):
        return float(value)
    least = "at least" if zero else "above"
    raise ConfigError(
        f"{name} must be a number of seconds, {least} 0 and at most {LONGEST_WAIT:,.0f} (a year), "
        f"got {shown(value)}"
    )


def check_share(name: str, value: object, *, ends: bool = False) -> float:
    """Check a share of a whole; ``ends`` allows 0 and 1."""
    if _is_number(value) and (0 <= value <= 1 if ends else 0 < value < 1):
        return float(value)
    range_ = "from 0 to 1" if ends else "between 0 and 1"
    raise ConfigError(f"{name} must be a number {range_}, got {shown(value)}")


def check_path(name: str, value: object, expected: str = "a str or a Path") -> Path:
    """Check a path, but not whether it exists. ``expected`` names the accepted types."""
    if not isinstance(value, str | os.PathLike):
        raise ConfigError(f"{name}: expected {expected}, got {type(value).__name__}")
    path = Path(value)
    with contextlib.suppress(UnicodeEncodeError):
        if b"\0" not in os.fsencode(path):
            return path
    raise ConfigError(f"{name} {str(path)!r} holds a character that no path can have")


def find_named(
    noun: str, asked: str, known: Mapping[str, str | None], *, parts: bool = False
) -> str | None:
    """The id with this id or name in ``known``, or None; if several have it, ConfigError.

    With ``parts`` a beginning or a part of a name will do if no other name has it.
    """
    meant = [asked] if asked in known else [each for each, name in known.items() if name == asked]
    if not meant and parts:
        meant = _list_fitting(asked, known)
    if len(meant) > 1:
        is_name = known[meant[0]] == asked
        said = f"is the name of {len(meant)}" if is_name else f"fits the names of {len(meant)}"
        listed = list_some((_say_one(each, known) for each in meant), _LISTED)
        raise ConfigError(f"{asked!r} {said} {noun}s: {listed}; give one of them")
    return meant[0] if meant else None


def resolve(noun: str, asked: str, known: Mapping[str, str | None], *, parts: bool = False) -> str:
    """As :func:`find_named`; if nothing has this id or name, the ConfigError names the nearest."""
    found = find_named(noun, asked, known, parts=parts)
    if found is None:
        raise ConfigError(f"there is no {noun} {asked!r}; {suggest(asked, known)}")
    return found


def _list_fitting(asked: str, known: Mapping[str, str | None]) -> list[str]:
    """The ids of what has this beginning, else this part, in its name, else in its id."""
    part = _fold(asked)
    named = [{each: _fold(name) for each, name in known.items() if name}]
    for names in (*named, {each: _fold(each) for each in known}) if part else ():
        for fits in (str.startswith, str.__contains__):
            if found := [each for each, name in names.items() if fits(name, part)]:
                return found
    return []


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", name.strip()).casefold()


def _say_one(ident: str, known: Mapping[str, str | None]) -> str:
    """A name, with its id if others have the name, too."""
    name = known.get(ident)
    is_own = sum(each == name for each in known.values()) == 1
    return repr(name) if name and is_own else repr(ident) if not name else f"{name!r} ({ident})"


def find_nearest(asked: str, known: Mapping[str, str | None]) -> str | None:
    shown = {name: f"{name!r} ({each})" for each, name in known.items() if name}
    shown |= {each: repr(each) for each in known}
    near = [] if asked in shown else difflib.get_close_matches(asked, shown, n=1)
    return shown[near[0]] if near else None


def suggest(asked: str, known: Mapping[str, str | None]) -> str:
    """Suggest known ids or names for an unknown one, in words."""
    if fitting := _list_fitting(asked, known):
        is_id = _fold(asked) not in _fold(known[fitting[0]] or "")
        said = (repr(each) if is_id else _say_one(each, known) for each in fitting)
        listed = list_some(said, _LISTED)
        return f"did you mean {'one of ' if len(fitting) > 1 else ''}{listed}?"
    if (near := find_nearest(asked, known)) is not None:
        return f"did you mean {near}?"
    listed = list_some((_say_one(each, known) for each in known), _LISTED)
    return f"known are for example {listed}" if known else "there are none"


def add_sentence(text: object, sentence: str) -> str:
    """Add a sentence to a message, which may end as a question like :func:`suggest`'s."""
    return f"{text}{'' if str(text).endswith('?') else '.'} {sentence}"


# What a person types first: ``names.toml`` has the line to type instead


_VERB = re.compile(r"^(?:get|load|list|read|find|show|to|as|make|is|fetch|write)_")


@functools.cache
def read_synonyms() -> dict[str, dict[str, str]]:
    """For each owner of names its words of other tools, and the line to type instead."""
    read = tomllib.loads(resources.files(__package__).joinpath("names.toml").read_text("utf-8"))
    return {
        owner: {word: line for words, line in lines.items() for word in words.split()}
        for owner, lines in read.items()
    }


def unknown_name(owner: str, asked: str, known: Collection[str]) -> AttributeError:
    """The error that ``ra`` or an object has no such attribute, with the line to type instead."""
    told = f"there is no {owner}.{asked}; {_hint_at_name(owner, asked, known)}"
    return AttributeError(told, name=asked, obj=None)  # None: Python adds no hint of its own


def _hint_at_name(owner: str, asked: str, known: Collection[str]) -> str:
    synonyms, ra = read_synonyms(), sys.modules[__package__]
    stem = _VERB.sub("", asked.lower())
    stems = dict.fromkeys((asked, stem, stem.rstrip("s"), f"{stem}s"))
    for words in (synonyms[owner], synonyms["ra"] if asked not in ra.__all__ else {}):
        if found := next((words[each] for each in stems if each in words), None):
            return found
    if asked in ra.__all__:
        first = [*inspect.signature(getattr(ra, asked)).parameters][:1]
        takes_it = first[0] in ("comparison", "what", "frame", "frames") if first else False
        return f"did you mean ra.{asked}({owner if takes_it else '…'})?"
    near = [f"fetch_{each}" for each in stems if f"fetch_{each}" in known][:1]
    near = near or difflib.get_close_matches(asked, known, n=1)
    if near := near or sorted(each for each in known if stem in each)[:3]:
        return f"did you mean {f' or {owner}.'.join([f'{owner}.{near[0]}', *near[1:]])}?"
    return "help(ra) lists every function" if owner == "ra" else f"it has {_list(known)}"


def find_nearest_words(section: str, asked: str, known: Collection[str]) -> list[str]:
    """The known words that the table gives for a word of other tools, else the most similar one."""
    words = read_synonyms()[section].get(asked.lstrip("-").replace(" ", "_"), "").split()
    return [one for one in words if one in known] or difflib.get_close_matches(asked, known, 1, 0.7)


def suggest_words(section: str, asked: str, known: Collection[str]) -> str:
    """What to write instead of a word that is not one of several, as the end of a message."""
    told, near = read_synonyms()[section].get(asked, ""), find_nearest_words(section, asked, known)
    if "=" in told or not near:
        return told or f"known are {_list(known)}"
    return f"did you mean {' or '.join(map(repr, near))}?"


def explain_call(called: str, function: Callable[..., Any], given: Collection[str]) -> str:
    """The line to type instead of a call with wrong arguments."""
    taken = [each for each in inspect.signature(function).parameters if each != "self"]
    words = read_synonyms().get(called, {})
    for each in (each for each in given if each not in taken):
        near = find_nearest_words("arguments", each, taken)
        hint = words.get(each) or (f"did you mean {near[0]}=…" if near else "")
        return "; ".join(filter(None, (hint, f"it takes {_list(taken)}")))
    example = re.search(rf">>> (.*{re.escape(called)}\(.*)", function.__doc__ or "")
    usage = words.get("example") or (example and example[1])
    return f"for example: {usage}" if usage else f"it takes {_list(taken)}"


def suggest_option(asked: str, options: Sequence[str]) -> str:
    """The nearest options of a command line, or a line to type, as the end of a message."""
    name = asked.partition("=")[0].lstrip("-")
    told = read_synonyms()["options"].get(name, "")
    if told.startswith("retab-analysis "):
        return f"; {told}"
    near = find_nearest_words("options", f"--{name}", options)
    return f"; did you mean {' or '.join(near)}?" if near and asked[:1] == "-" else ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names) if isinstance(names, set) else names)


_IDS = {
    *("workflow_id", "runs", "run_id", "result_id", "evals", "eval", "eval_id", "block", "blocks"),
    *("target_block_id", "candidate", "baseline", "accepted", "project_id", "what"),
}


def as_ids(value: Any) -> Any:
    """An object with ``.id``, or several in a list, as ids; anything else as it is."""
    if type(value) in (list, tuple):
        return [as_ids(each) for each in value]
    ident = getattr(value, "id", None)
    return ident if isinstance(ident, str) else value


def guard(called: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A public function behind a check of its arguments' names; objects with ``.id`` are ids."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def door(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            told = f"{called}(): {error}; {explain_call(called, function, kwargs)}"
            raise TypeError(told) from None
        for each in _IDS.intersection(bound.arguments):
            bound.arguments[each] = as_ids(bound.arguments[each])
        try:
            return function(*bound.args, **bound.kwargs)
        except ConfigError as error:
            words = read_synonyms().get(called, {})
            for each, its in bound.arguments.items():
                said = f"{each}={its if isinstance(its, str) else ''}"
                if line := words.get(said) or words.get(f"{each}:{type(its).__name__}"):
                    error.args = (add_sentence(error, line),)
            raise

    return door


class Guided:
    """Answers an unknown attribute, or wrong arguments of a method, with the line to type."""

    _called = ""  # the variable in which pages keep such an object

    def __init_subclass__(cls, called: str) -> None:
        cls._called = called
        for name, method in [*vars(cls).items()]:
            if isinstance(method, types.FunctionType) and not name.startswith("_"):
                setattr(cls, name, guard(f"{called}.{name}", method))

    if not TYPE_CHECKING:  # else every attribute would exist for type checkers

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") or hasattr(type(self), name):
                return object.__getattribute__(self, name)  # raises what it raised before
            known = {each for each in dir(self) if not each.startswith("_")}
            raise unknown_name(self._called, name, known)

        def __getitem__(self, asked: Any) -> Any:  # Python asks it in loops, too
            if isinstance(asked, str) and hasattr(type(self), asked):
                raise TypeError(f"write {self._called}.{asked}")
            self.__len__()

        def __len__(self) -> int:
            hint = _hint_at_name(self._called, "df", ())
            raise TypeError(f"{self._called} is neither a list nor a frame; {hint}")

        def __bool__(self) -> bool:
            return True


def _is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number. Python counts True and False as numbers; we do not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
