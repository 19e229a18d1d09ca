"""What the evals that flipped have in common."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl

from retab_analysis.comparison.json_diff import Change, diff_documents
from retab_analysis.comparison.json_values import Path, Verbatim, kind_of, parse_json, write_path
from retab_analysis.markup import one_line
from retab_analysis.vocabulary import FLIPPED

CAUSES_SCHEMA = pl.Schema(
    {
        "block_id": pl.String(),
        "path": pl.String(),
        "change": pl.String(),
        "evals": pl.Int64(),
        "example_eval_id": pl.String(),
        "sentence": pl.String(),
    }
)
"""The columns of ``Comparison.causes``, one row per group of flips."""

_SAID = {
    "dropped item": ("an item of {} is missing", "items are missing"),
    "added item": ("{} has an additional item", "lists have additional items"),
    "replaced item": ("an item of {} was replaced", "items were replaced"),
    "missing field": ("{} is missing", "fields are missing"),
    "added field": ("{} is new", "fields are new"),
    "missing value": ("{} is null now", "values are null now"),
    "added value": ("{} is no longer null", "values are no longer null"),
    "type changed": ("the value at {} changed its type", "values changed their type"),
    "changed number": ("the number at {} changed", "numbers changed"),
    "changed text": ("the text at {} changed", "texts changed"),
    "changed value": ("the value at {} changed", "values changed"),
    "moved item": ("an item of {} moved", "items moved"),
    "rewritten number": (
        "the number at {} is written in another way",
        "numbers are written in another way",
    ),
    "same value": ("the value did not change", "the value did not change"),
    "unknown value": ("one of the two values is not known", "one of the two values is not known"),
}
"""Each kind of change in words: at one path, and at several. What tells more comes first."""

_OF_ITEMS = ("dropped item", "added item", "replaced item", "moved item")
_STATES = ("error", "blocked")
_VARIOUS = "various"
_RANKS = {change: rank for rank, change in enumerate((*_STATES, *_SAID))}
# A code is in snake case; a message that happens to have a colon is not to be taken for one.
_CODE = re.compile(r"([a-z][a-z0-9]*(?:_[a-z0-9]+)+)(?:: |$)")


@dataclass(frozen=True, slots=True)
class _Trait:
    """Something that several flips may share."""

    fixed: bool
    block: str | None
    change: str
    path: str | None = None
    code: str | None = None

    @property
    def order(self) -> tuple[bool, bool, bool, int, str, str, str]:
        """Of traits that as many share: what tells more first, then in a fixed order."""
        rank = _RANKS.get(self.change, len(_RANKS))
        block, path, code = (text or "" for text in (self.block, self.path, self.code))
        return self.fixed, not code, self.block is None, rank, block, path, code


@dataclass(frozen=True, slots=True)
class _Flip:
    """An eval that flipped, and the traits that it may share with others.

    Attributes:
        eval_id: The eval.
        block: Its block, None where it is not known.
        suspect: Whether the flip is one that more runs have to decide.
        traits: In rounds: the most precise ones first, whose groups are made first.
    """

    eval_id: str
    block: str | None
    suspect: bool
    traits: tuple[tuple[_Trait, ...], ...]


def group_causes(evals: pl.DataFrame, asserted: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Group the evals that flipped by what they have in common.

    What differs between the two actual values is taken from
    :func:`~retab_analysis.comparison.json_diff.diff_documents`, indices replaced by ``*``. Groups
    are made greedily, the largest first, in three rounds: evals of one block with the same change
    at the same path, or with the same failure code (of several blocks where that is a larger
    group); evals of one block with the same change anywhere, or that did not run at all; what is
    left of a block. What was fixed is never in a group with what broke. So there are at most half
    as many rows as flips, but for one eval per block (and direction) that is left alone.

    Args:
        evals: The columns ``eval_id, transition, block_id, baseline_actual, candidate_actual,
            failure, baseline_state, candidate_state`` of ``Comparison.evals``.
        asserted: By the evals' ids, which part of its block's output each looks at, such as
            ``lines.0.quantity``; without it, paths begin at the values that are compared.

    Returns:
        ``block_id`` and ``path`` (null where several), ``change``, ``evals`` (how many; each flip
        is counted once), ``example_eval_id`` (the first in the order of ``evals``), ``sentence``
        (no values in it), the largest first. ``change`` is ``dropped item``, ``added item``,
        ``replaced item``, ``moved item``, ``missing field``, ``added field``, ``missing value``
        (null now), ``added value``, ``type changed``, ``changed number``, ``changed text``,
        ``changed value``, ``rewritten number`` (1.10 and 1.1), ``same value``, ``unknown value``,
        ``blocked``, ``error``, both also with a code (``error: rate_limited``), or ``various``;
        with ``fixed: `` before it where the evals pass again.
    """
    rows = evals.filter(pl.col("transition").is_in(FLIPPED)).iter_rows(named=True)
    paths = asserted or {}
    flips = [_flip(row, _split_path(paths.get(row["eval_id"], ""))) for row in rows]
    groups = sorted(_cover(flips), key=lambda group: (-len(group[1]), *group[0].order))
    return pl.DataFrame(
        [_row(trait, members) for trait, members in groups],
        schema=CAUSES_SCHEMA,
        orient="row",
    )


def _split_path(asserted: str) -> Path:
    """The steps of ``lines.0.quantity``, which looks at an item of a list by its number."""
    steps = asserted.split(".") if asserted else []
    return tuple(int(step) if step.isdecimal() else step for step in steps)


def _flip(row: Mapping[str, Any], asserted: Path) -> _Flip:
    fixed = row["transition"] == "fixed"
    block = row["block_id"]
    precise: tuple[_Trait, ...]
    broad: tuple[_Trait, ...]
    state = row["baseline_state"] if fixed else row["candidate_state"]
    if state in _STATES:
        code = _code(row["failure"])
        where = (block, None) if code else (block,)
        precise = tuple(_Trait(fixed, each, state, code=code) for each in where)
        broad = (_Trait(fixed, block, state), _Trait(fixed, None, state))
    else:
        values = (row["baseline_actual"], row["candidate_actual"])
        changes = dict.fromkeys(_changes(*values, asserted))
        precise = tuple(_Trait(fixed, block, change, path) for change, path in changes)
        broad = tuple(_Trait(fixed, block, change) for change, _ in changes)
    last = (_Trait(fixed, block, _VARIOUS),)
    return _Flip(row["eval_id"], block, row["transition"] == "suspect", (precise, broad, last))


def _code(failure: str | None) -> str | None:
    found = _CODE.match(failure or "")
    return found[1] if found else None


def _changes(
    before: str | None, after: str | None, asserted: Path
) -> Iterator[tuple[str, str | None]]:
    """What differs between two values: the kind of change and the path, without indices."""
    if before is None or after is None:
        yield "unknown value", None
        return
    changes = diff_documents(parse_json(before), parse_json(after))
    if not changes:
        yield "same value", None
    for change in changes:
        yield _kind(change), write_path((*asserted, *change.path), generalised=True)


def _kind(change: Change) -> str:
    item = bool(change.path) and isinstance(change.path[-1], int)
    if change.kind == "moved":
        return "moved item"
    if change.kind != "changed":
        return _LACKING[change.kind, item]
    before, after = kind_of(change.before), kind_of(change.after)
    if "null" in (before, after):
        return "added value" if before == "null" else "missing value"
    if before != after:
        return "type changed"
    if before in ("object", "list"):
        return "replaced item" if item else "changed value"
    if before == "number":
        return "rewritten number" if _same_number(change) else "changed number"
    return "changed text" if before == "text" else "changed value"


_LACKING = {
    ("removed", True): "dropped item",
    ("removed", False): "missing field",
    ("added", True): "added item",
    ("added", False): "added field",
}


def _same_number(change: Change) -> bool:
    before, after = (
        each.text if isinstance(each, Verbatim) else str(each)
        for each in (change.before, change.after)
    )
    try:
        return Decimal(before) == Decimal(after)
    except InvalidOperation:  # an exponent of twenty digits
        return False


def _cover(flips: list[_Flip]) -> Iterator[tuple[_Trait, list[_Flip]]]:
    """Groups that hold each flip once."""
    waiting = dict(enumerate(flips))
    for level in range(3):
        shared: dict[_Trait, set[int]] = defaultdict(set)
        for at, flip in waiting.items():
            for trait in flip.traits[level]:
                shared[trait].add(at)
        for trait, members in _greedily(shared):
            yield trait, [waiting.pop(at) for at in sorted(members)]
    for flip in waiting.values():
        yield min(flip.traits[0], key=lambda trait: trait.order), [flip]


def _greedily(shared: dict[_Trait, set[int]]) -> Iterator[tuple[_Trait, set[int]]]:
    """Always the trait that most of those without a group share, while two or more do."""
    while shared:
        trait = min(shared, key=lambda each: (-len(shared[each]), each.order))
        members = shared.pop(trait)
        if len(members) < 2:
            return
        yield trait, members
        shared = {each: left for each, ids in shared.items() if (left := ids - members)}


def _row(trait: _Trait, members: list[_Flip]) -> tuple[Any, ...]:
    change = f"{trait.change}: {trait.code}" if trait.code else trait.change
    return (
        trait.block,
        trait.path,
        f"fixed: {change}" if trait.fixed else change,
        len(members),
        members[0].eval_id,
        _sentence(trait, members),
    )


def _sentence(trait: _Trait, members: list[_Flip]) -> str:
    """One sentence, such as ``3 evals of lines (1 suspect): an item of $.lines is missing.``."""
    count = len(members)
    who = f"{count} eval{'s' if count > 1 else ''}{_where(members)}"
    suspects = sum(flip.suspect for flip in members)
    if suspects:
        who += f" ({suspects} suspect)"
    passing = f" {'pass' if count > 1 else 'passes'} again"
    if trait.change == _VARIOUS:
        return f"{who}{passing if trait.fixed else ' changed'}, each in another way."
    return f"{who}{passing if trait.fixed else ''}: {_said(trait, count)}."


def _where(members: list[_Flip]) -> str:
    blocks = {flip.block for flip in members}
    if len(blocks) > 1:
        return f" of {len(blocks)} blocks"
    return "".join(f" of {one_line(block)}" for block in blocks if block is not None)


def _said(trait: _Trait, count: int) -> str:
    if trait.change in _STATES:
        when = "before, " if trait.fixed else ""
        who = "they" if count > 1 else "it"
        what = "did not run" if trait.change == "error" else "could not be judged (blocked)"
        return f"{when}{who} {what}{f', {trait.code}' if trait.code else ''}"
    at_one, at_several = _SAID[trait.change]
    if trait.path is None:
        return at_several
    path = trait.path.removesuffix("[*]") if trait.change in _OF_ITEMS else trait.path
    return at_one.format(one_line(path))
