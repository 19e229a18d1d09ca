"""Matching the items of two lists."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product, zip_longest

from retab_analysis.render.marks import equal_blocks, split_words

# Writes equal values alike, and hardly any others.
_KEYS = json.JSONEncoder(sort_keys=True, default=hash)
_ALIKE = 0.3
_FEATURES = 200
_PAIRS = 10_000  # of more items between two that stay, each pairs with the one at its place

Pairs = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Pair:
    """An item of one list and the item of the other that it became."""

    before: int | None  # its index, None where the item was added
    after: int | None  # its index, None where the item was removed
    is_moved: bool = False  # whether it stands in another order to the items that did not move
    is_alike: bool = True  # False where the two have only their place in common


def align(old: list[object], new: list[object], *, moves: bool = True) -> list[Pair]:
    """Match the items of two lists.

    Equal items in the same order stay; with ``moves``, other equal items have moved. Between the
    same two neighbours, similar items are paired, the most similar first. Items that are still left
    are paired by place. Every index of either list is in exactly one pair, in the order of ``new``;
    a removed item follows its old neighbour.
    """
    old_keys, new_keys = ([*map(_KEYS.encode, items)] for items in (old, new))
    stay = [(i + at, j + at) for i, j, n in equal_blocks(old_keys, new_keys) for at in range(n)]
    moved = _equal_elsewhere(old_keys, new_keys, stay) if moves else {}
    pairs = [Pair(i, j) for i, j in stay]
    pairs += [Pair(i, j, is_moved=True) for i, j in moved.items()]
    targets = {*moved.values()}
    for (i, j), (below, right) in pairwise([(-1, -1), *stay, (len(old), len(new))]):
        left = [at for at in range(i + 1, below) if at not in moved]
        added = [at for at in range(j + 1, right) if at not in targets]
        pairs += _pair_gap(old, new, left, added)
    return _in_order(pairs)


def _equal_elsewhere(old: Sequence[str], new: Sequence[str], stay: Pairs) -> dict[int, int]:
    sources, targets = {i for i, _ in stay}, {j for _, j in stay}
    free: dict[str, list[int]] = defaultdict(list)
    for at in reversed(range(len(new))):
        if at not in targets:
            free[new[at]].append(at)
    return {at: free[key].pop() for at, key in enumerate(old) if at not in sources and free[key]}


def _pair_gap(
    old: list[object], new: list[object], left: list[int], right: list[int]
) -> Iterator[Pair]:
    alike: Pairs = []
    if 0 < len(left) * len(right) <= _PAIRS:
        before, after = {i: _features(old[i]) for i in left}, {j: _features(new[j]) for j in right}
        likeness = {  # the Dice coefficient, from 0 to 1
            (i, j): 2 * len(before[i] & after[j]) / (len(before[i]) + len(after[j]) or 1)
            for i, j in product(left, right)
        }
        for i, j in sorted(likeness, key=lambda each: (-likeness[each], each)):
            if likeness[i, j] >= _ALIKE and all((i - a) * (j - b) > 0 for a, b in alike):
                alike.append((i, j))
    yield from (Pair(i, j) for i, j in alike)
    ends = [(-1, -1), *sorted(alike), (len(old), len(new))]
    for (i, j), (below, beyond) in pairwise(ends):
        removed = [at for at in left if i < at < below]
        added = [at for at in right if j < at < beyond]
        yield from (Pair(a, b, is_alike=False) for a, b in zip_longest(removed, added))


def _features(item: object) -> frozenset[object]:
    """The features of an item: its scalars with their keys, and the words of its texts."""
    features: list[object] = []
    waiting: list[tuple[str, object]] = [("", item)]
    while waiting and len(features) < _FEATURES:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(key, each) for each in value]
        else:
            features.append((key, type(value), value))
        if isinstance(value, str):
            features += [(key, word) for word in split_words(value.lower()) if not word.isspace()]
    return frozenset(features[:_FEATURES])


def _in_order(pairs: list[Pair]) -> list[Pair]:
    place = -1
    ordered: list[tuple[int, int, Pair]] = []
    for pair in sorted(pairs, key=lambda each: -1 if each.before is None else each.before):
        if pair.before is not None and pair.after is not None and not pair.is_moved:
            place = pair.after
        at = (place, 1 + (pair.before or 0)) if pair.after is None else (pair.after, 0)
        ordered.append((*at, pair))
    return [pair for *_, pair in sorted(ordered, key=lambda each: each[:2])]
