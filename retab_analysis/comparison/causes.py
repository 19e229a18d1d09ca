"""What several evals that flipped have in common."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from retab_analysis.comparison.json_diff import ABSENT, Difference, diff_documents
from retab_analysis.comparison.json_values import Index, Path, kind_of, parse_json, write_path
from retab_analysis.markup import one_line
from retab_analysis.vocabulary import FLIPPED

CAUSES_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(("block_id", "path", "change"), pl.String()),
        "evals": pl.Int64(),
        **dict.fromkeys(("example_eval_id", "sentence"), pl.String()),
    }
)
"""The columns of ``Comparison.causes``, one row per group of flips."""

_SENTENCES = {
    "error": "{they} did not run{code}",
    "blocked": "{they} could not be judged{code}",
    "dropped item": "an item{of} is missing",
    "added item": "an additional item{of}",
    "replaced item": "an item{of} was replaced",
    "missing field": "{path} is missing",
    "added field": "{path} is new",
    "missing value": "the value{at} is null now",
    "added value": "the value{at} is no longer null",
    "type changed": "the value{at} changed its type",
    "changed number": "the number{at} changed",
    "changed text": "the text{at} changed",
    "changed value": "the value{at} changed",
    "moved item": "an item{of} moved",
    "same value": "the value did not change",
}
"""Each kind of change in words. Of two that as many evals share, the one above says more."""

# A code is in snake case; a message that happens to have a colon is not to be taken for one.
_CODE = re.compile(r"([a-z][a-z0-9]*(?:_[a-z0-9]+)+)(?:: |$)")


@dataclass(frozen=True, slots=True)
class _Trait:
    """Something that several flips may share; without a block it is that of several blocks."""

    is_fixed: bool
    block: str | None
    change: str
    path: str | None = None
    code: str | None = None

    @property
    def order(self) -> tuple[object, ...]:
        """Of traits that as many share: what says more first, then in a fixed order."""
        rank = [*_SENTENCES].index(self.change)
        texts = (self.block or "", self.path or "", self.code or "")
        return self.is_fixed, self.code is None, self.block is None, rank, *texts


def group_causes(evals: pl.DataFrame, asserted: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Group the evals that flipped by what several of them have in common.

    That is the same change at the same path of one block's output, or a failure with the same code,
    also of several blocks. Groups are made greedily, the largest first, so that an eval is in one
    of them at most; one that shares nothing with another is in none. What was fixed is never in a
    group with what broke.

    Args:
        evals: The columns ``eval_id, transition, block_id, baseline_actual, candidate_actual,
            failure, baseline_state, candidate_state`` of ``Comparison.evals``.
        asserted: By the evals' ids, which part of its block's output each looks at, such as
            ``lines.0.quantity``; without it, paths begin at the values that are compared.

    Returns:
        ``block_id`` (null where several), ``path`` (without indices, null for failures), ``change``
        (``dropped item``, or with a code ``error: rate_limited``; behind ``fixed: `` where the
        evals pass again), ``evals`` (how many), ``example_eval_id`` (the first in the order of
        ``evals``) and ``sentence`` (no values in it), the largest first.
    """
    rows = evals.filter(pl.col("transition").is_in(FLIPPED)).rows(named=True)
    shared: dict[_Trait, set[int]] = defaultdict(set)
    for at, row in enumerate(rows):
        for trait in _traits(row, split_path((asserted or {}).get(row["eval_id"]))):
            shared[trait].add(at)
    causes = []
    while shared:
        trait = min(shared, key=lambda each: (-len(shared[each]), each.order))
        members = shared.pop(trait)
        if len(members) < 2:
            break
        change = f"{trait.change}: {trait.code}" if trait.code else trait.change
        flips = [rows[at] for at in sorted(members)]
        causes.append(
            {
                "block_id": trait.block,
                "path": trait.path,
                "change": f"fixed: {change}" if trait.is_fixed else change,
                "evals": len(flips),
                "example_eval_id": flips[0]["eval_id"],
                "sentence": _sentence(trait, flips),
            }
        )
        shared = {each: left for each, ids in shared.items() if (left := ids - members)}
    return pl.DataFrame(causes, schema=CAUSES_SCHEMA)


def split_path(asserted: str | None) -> Path:
    """The steps of ``lines.0.quantity``, which looks at an item of a list by its number."""
    steps = asserted.split(".") if asserted else []
    return tuple(Index(int(step), int(step)) if step.isdecimal() else step for step in steps)


def _traits(row: Mapping[str, Any], asserted: Path) -> Iterator[_Trait]:
    is_fixed, block = row["transition"] == "fixed", row["block_id"]
    state = row["baseline_state"] if is_fixed else row["candidate_state"]
    before, after = row["baseline_actual"], row["candidate_actual"]
    if state in ("error", "blocked"):
        found = _CODE.match(row["failure"] or "")
        code = found[1] if found else None
        yield from {_Trait(is_fixed, each, state, code=code) for each in (block, None)}
    elif before is not None and after is not None:
        differences = diff_documents(parse_json(before), parse_json(after))
        changes = [(_change(each), each.path) for each in differences] or [("same value", ())]
        for change, inside in changes:
            path = write_path((*asserted, *inside), generalised=True)
            yield _Trait(is_fixed, block, change, path)


def _change(difference: Difference) -> str:
    before, after = difference.values
    is_item = bool(difference.path) and isinstance(difference.path[-1], Index)
    if difference.is_moved:
        return "moved item"
    if after is ABSENT:
        return "dropped item" if is_item else "missing field"
    if before is ABSENT:
        return "added item" if is_item else "added field"
    kinds = kind_of(before), kind_of(after)
    if "null" in kinds:
        return "added value" if before is None else "missing value"
    if kinds[0] != kinds[1]:
        return "type changed"
    if kinds[0] in ("number", "text"):
        return f"changed {kinds[0]}"
    return "replaced item" if is_item and kinds[0] in ("object", "list") else "changed value"


def _sentence(trait: _Trait, members: Sequence[Mapping[str, Any]]) -> str:
    """One sentence, such as ``3 evals of lines (1 unclear): an item of lines is missing.``."""
    blocks = {row["block_id"] for row in members}
    where = f" of {len(blocks)} blocks" if len(blocks) > 1 else ""
    if len(blocks) == 1 and members[0]["block_id"] is not None:
        where = f" of {one_line(members[0]['block_id'])}"
    suspects = sum(row["transition"] == "suspect" for row in members)
    unclear = f" ({suspects} unclear)" if suspects else ""
    path = (trait.path or "").removeprefix("$").removeprefix(".")
    named = one_line(path.replace("[*]", "[]"))
    around = named.removesuffix("[]")
    what = _SENTENCES[trait.change].format(
        path=named,
        at=f" at {named}" if named else "",
        of=f" of {around}" if around else "",
        they="before, they" if trait.is_fixed else "they",
        code=f", {trait.code}" if trait.code else "",
    )
    again = " pass again" if trait.is_fixed else ""
    return f"{len(members)} evals{where}{unclear}{again}: {what}."
