"""Which items of two lists belong together."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from retab_analysis.comparison.json_values import Identities, Verbatim

PAIRS_OF_LISTS = 40_000
"""Two lists are compared item by item up to this many pairs, 200 items with 200."""

PAIRS_OF_DOCUMENTS = 500_000
"""The same for all the lists of two documents together."""

_ALIKE = 0.3
_ALIKE_ELSEWHERE = 0.6
_FEATURES = 200
_SCRIPTS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_SCRIPTS}]|[^\W{_SCRIPTS}]+")

Ids = Sequence[int]
Features = frozenset[object]


@dataclass(frozen=True, slots=True)
class Pair:
    """An item of one list and the item of the other that it became.

    Attributes:
        before: Its index, None where the item was added.
        after: Its index, None where the item was removed.
        moved: Whether it stands in another order to the items that did not move.
        alike: False where the two have only their place in common.
    """

    before: int | None
    after: int | None
    moved: bool = False
    alike: bool = True


def running_numbers(lists: Sequence[list[object]]) -> frozenset[str]:
    """The members that only count the items of a list, ``position`` for example.

    Such a number follows from the index: where an item is dropped, those of all later items change,
    and that says nothing. A member counts where in every list it is 0, 1, 2 … or 1, 2, 3 …, always
    from the same start, and one of the lists has three items or more.
    """
    longest = max(lists, key=len)
    if len(longest) < 3 or not isinstance(longest[0], dict):
        return frozenset()
    starts = {key: _integer(value) for key, value in longest[0].items()}
    return frozenset(
        key
        for key, start in starts.items()
        if start in ("0", "1") and all(_counts(items, key, int(start)) for items in lists)
    )


def _counts(items: list[object], key: str, start: int) -> bool:
    return all(
        isinstance(item, dict) and _integer(item.get(key)) == str(at)
        for at, item in enumerate(items, start)
    )


def _integer(value: object) -> str | None:
    if isinstance(value, Verbatim):
        return value.text
    return str(value) if type(value) is int else None


class Aligner:
    """Aligns the lists of two documents, at a cost that is bounded for both together.

    Items that are equal are matched first: the longest common subsequence stays in place, other
    equal items have moved. Between the items that stay, what is left is matched in order so that
    the sum of the likenesses is greatest; then across the whole list where the likeness is high.
    What is left after that between the same two neighbours stands for one another. The likeness of
    two items is the Dice coefficient of their features: scalars with their paths, words of texts;
    features that more than half of all items have tell nothing and do not count.

    That is quadratic, so beyond :data:`PAIRS_OF_LISTS` only items that are equal and stand once in
    each list are matched at any distance (Bram Cohen's "patience diff"), and of the others those at
    the same place between their neighbours.
    """

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._left = PAIRS_OF_DOCUMENTS

    def align(
        self, before: list[object], after: list[object], without: frozenset[str] = frozenset()
    ) -> list[Pair]:
        """Match the items of two lists.

        Args:
            before: The one list.
            after: The other.
            without: Members of the items that do not count, see :func:`running_numbers`.

        Returns:
            Every index of either list in exactly one pair, in the order of ``after``; removed items
            follow the item that they followed. The pairs that are not moved are in the same order
            in both lists.
        """
        old, new = (
            [self._identities.of_item(each, without) for each in s] for s in (before, after)
        )
        stay = self._in_common(old, new)
        moved = _equal_elsewhere(old, new, stay)
        unlike: dict[int, int] = {}
        if len(stay) + len(moved) < min(len(before), len(after)):
            features = _distinctive([self._features(each, without) for each in (*before, *after)])
            old_features, new_features = features[: len(before)], features[len(before) :]
            self._match_alike(old_features, new_features, stay, moved)
            unlike = _same_place(len(before), len(after), stay, moved)
        return _in_order(len(before), len(after), stay, moved, unlike)

    def _affords(self, pairs: int) -> bool:
        """Whether so many pairs may be looked at; counts them as looked at."""
        if pairs > min(self._left, PAIRS_OF_LISTS):
            return False
        self._left -= pairs
        return True

    def _in_common(self, old: Ids, new: Ids) -> dict[int, int]:
        """The items that are equal and in the same order: index before to index after."""
        shorter = min(len(old), len(new))
        head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
        rest = shorter - head
        tail = next((at for at in range(rest) if old[-1 - at] != new[-1 - at]), rest)
        ends = (len(old) - tail, len(new) - tail)
        found = {at: at for at in range(head)}
        found |= self._in_middle(old, new, (head, head), ends)
        return found | {ends[0] + at: ends[1] + at for at in range(tail)}

    def _in_middle(
        self, old: Ids, new: Ids, start: tuple[int, int], end: tuple[int, int]
    ) -> dict[int, int]:
        small = (end[0] - start[0]) * (end[1] - start[1]) <= min(self._left, PAIRS_OF_LISTS)
        anchors = [] if small else _unique_in_order(old, new, start, end)
        found = dict(anchors)
        corners = [(start[0] - 1, start[1] - 1), *anchors, end]
        for (i, j), (below, right) in pairwise(corners):
            if self._affords((below - i - 1) * (right - j - 1)):
                common = _longest_common(old[i + 1 : below], new[j + 1 : right])
                found |= {i + 1 + left: j + 1 + right for left, right in common}
        return found

    def _features(self, item: object, without: frozenset[str]) -> Features:
        features: list[object] = []
        waiting: list[tuple[tuple[str, ...], object]] = [((), item)]
        while waiting and len(features) < _FEATURES:
            path, value = waiting.pop()
            if isinstance(value, dict):
                skipped = without if not path else frozenset()
                waiting += [((*path, k), v) for k, v in value.items() if k not in skipped]
            elif isinstance(value, list):
                waiting += [((*path, "*"), each) for each in value]
            else:
                features.append((path, self._identities.of(value)))
            if isinstance(value, str):
                features += [(path, word) for word in _WORD.findall(value.lower())]
        return frozenset(features[:_FEATURES])

    def _match_alike(
        self,
        old: list[Features],
        new: list[Features],
        stay: dict[int, int],
        moved: dict[int, int],
    ) -> None:
        for left, right in _gaps(len(old), len(new), stay, moved):
            if left and right and self._affords(len(left) * len(right)):
                stay.update(_alike_in_order(old, new, left, right))
        left = [at for at in range(len(old)) if at not in stay and at not in moved]
        taken = {*stay.values(), *moved.values()}
        right = [at for at in range(len(new)) if at not in taken]
        if left and right and self._affords(len(left) * len(right)):
            moved.update(_alike_elsewhere(old, new, left, right))


def _unique_in_order(
    old: Ids, new: Ids, start: tuple[int, int], end: tuple[int, int]
) -> list[tuple[int, int]]:
    """The longest run of items that stand once in each list and in the same order."""
    before, after = (
        {side[at]: at for at in span if counts[side[at]] == 1}
        for side, span, counts in (
            (old, range(start[0], end[0]), Counter(old[start[0] : end[0]])),
            (new, range(start[1], end[1]), Counter(new[start[1] : end[1]])),
        )
    )
    both = [(at, after[each]) for each, at in before.items() if each in after]
    return _longest_increasing(both)


def _longest_increasing(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of pairs that ascend by their first, the longest subsequence that does by its second."""
    ends: list[int] = []
    last: list[int] = []
    previous: list[int | None] = []
    for at, (_, right) in enumerate(pairs):
        length = bisect_left(ends, right)
        previous.append(last[length - 1] if length else None)
        ends[length : length + 1] = [right]
        last[length : length + 1] = [at]
    found = []
    at_or_none = last[-1] if last else None
    while at_or_none is not None:
        found.append(pairs[at_or_none])
        at_or_none = previous[at_or_none]
    return found[::-1]


def _longest_common(old: Ids, new: Ids) -> Iterator[tuple[int, int]]:
    """The longest common subsequence, as pairs of indices; of several, what keeps its index."""
    bonus = 1 / (len(old) + len(new) + 1)  # all of them together are less than one item

    def worth(i: int, j: int) -> float:
        return (1 + bonus * (i == j)) if old[i] == new[j] else 0.0

    return _best_in_order(len(old), len(new), worth)


def _best_in_order(
    height: int, width: int, worth: Callable[[int, int], float]
) -> Iterator[tuple[int, int]]:
    """The pairs, each index in one at most and none crossing, whose worth adds up to the most."""
    best = [[0.0] * (width + 1) for _ in range(height + 1)]
    worths = [[worth(i, j) for j in range(width)] for i in range(height)]
    for i in reversed(range(height)):
        row, below, here = best[i], best[i + 1], worths[i]
        for j in reversed(range(width)):
            row[j] = max(row[j + 1], below[j], below[j + 1] + here[j])
    i = j = 0
    while i < height and j < width:
        if worths[i][j] and best[i][j] == best[i + 1][j + 1] + worths[i][j]:
            yield i, j
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1


def _equal_elsewhere(old: Ids, new: Ids, stay: dict[int, int]) -> dict[int, int]:
    taken = set(stay.values())
    left = [at for at in range(len(old)) if at not in stay]
    right = [at for at in range(len(new)) if at not in taken]
    counts = Counter(old[at] for at in left), Counter(new[at] for at in right)
    few = len(left) * len(right) <= PAIRS_OF_LISTS
    free: dict[int, deque[int]] = defaultdict(deque)
    for at in right:
        if few or all(each[new[at]] == 1 for each in counts):
            free[new[at]].append(at)
    return {at: free[old[at]].popleft() for at in left if free.get(old[at])}


def _distinctive(features: list[Features]) -> list[Features]:
    """The features without those that more than half of the items have."""
    if len(features) < 4:
        return features
    counts = Counter(feature for each in features for feature in each)
    common = {feature for feature, count in counts.items() if 2 * count > len(features)}
    return [each - common for each in features]


def _likeness(left: Features, right: Features) -> float:
    """The Dice coefficient, from 0 to 1."""
    total = len(left) + len(right)
    return 2 * len(left & right) / total if total else 0.0


def _gaps(
    height: int, width: int, stay: dict[int, int], moved: dict[int, int]
) -> Iterator[tuple[list[int], list[int]]]:
    """The items without a partner, between each two items that stay."""
    targets = set(moved.values())
    corners = [(-1, -1), *sorted(stay.items()), (height, width)]
    for (i, j), (below, right) in pairwise(corners):
        yield (
            [at for at in range(i + 1, below) if at not in moved],
            [at for at in range(j + 1, right) if at not in targets],
        )


def _alike_in_order(
    old: list[Features], new: list[Features], left: list[int], right: list[int]
) -> Iterable[tuple[int, int]]:
    def worth(i: int, j: int) -> float:
        likeness = _likeness(old[left[i]], new[right[j]])
        return likeness if likeness >= _ALIKE else 0.0

    return [(left[i], right[j]) for i, j in _best_in_order(len(left), len(right), worth)]


def _alike_elsewhere(
    old: list[Features], new: list[Features], left: list[int], right: list[int]
) -> dict[int, int]:
    """The likest first."""
    likenesses = ((_likeness(old[i], new[j]), i, j) for i in left for j in right)
    ranked = sorted((-each, i, j) for each, i, j in likenesses if each >= _ALIKE_ELSEWHERE)
    found: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in ranked:
        if i not in found and j not in taken:
            found[i] = j
            taken.add(j)
    return found


def _same_place(
    height: int, width: int, stay: dict[int, int], moved: dict[int, int]
) -> dict[int, int]:
    found: dict[int, int] = {}
    for left, right in _gaps(height, width, stay, moved):
        if left and right:
            # Of the longer side the items that have the same index as those of the other.
            skipped = right[0] - left[0]
            more = len(left) - len(right)
            old = left[min(max(skipped, 0), max(more, 0)) :]
            new = right[min(max(-skipped, 0), max(-more, 0)) :]
            found.update(zip(old, new, strict=False))
    return found


def _in_order(
    height: int,
    width: int,
    stay: dict[int, int],
    moved: dict[int, int],
    unlike: dict[int, int],
) -> list[Pair]:
    pairs: list[tuple[tuple[int, int], Pair]] = []
    place = -1
    for i in range(height):
        if i in moved:
            pairs.append(((moved[i], 0), Pair(i, moved[i], moved=True)))
        elif i in stay or i in unlike:
            place = stay[i] if i in stay else unlike[i]
            pairs.append(((place, 0), Pair(i, place, alike=i in stay)))
        else:
            pairs.append(((place, i + 1), Pair(i, None)))
    taken = {*stay.values(), *moved.values(), *unlike.values()}
    pairs += [((j, 0), Pair(None, j)) for j in range(width) if j not in taken]
    return [pair for _, pair in sorted(pairs, key=lambda each: each[0])]
