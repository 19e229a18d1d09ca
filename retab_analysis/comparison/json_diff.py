"""Where JSON documents differ, with list items aligned and numbers left as they were written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from retab_analysis.comparison.json_alignment import Aligner, Pair, running_numbers
from retab_analysis.comparison.json_values import (
    MAX_DEPTH,
    Identities,
    Path,
    Verbatim,
    is_too_deep,
    parse_json,
    write_json,
    write_path,
)

_ABSENT = object()
"""Nothing stands at this path, although the document takes part."""

_SILENT = object()
"""The document says nothing about this path."""

_EXPECTED = "expected"
_ORIGINS = {"expected": "expected at", "baseline": "was", "before": "was"}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two documents.

    Attributes:
        kind: What became of the value.
        path: Where it is in the document after; of a removed item, the list's path there and the
            index that it had before.
        origin: Where it was before; of an added item, the list's path there and the index that it
            has after.
        before: The value before, None where it was added.
        after: The value after, None where it was removed. A moved item may differ inside, and then
            the changes there follow.
        numbering: The members that count the items of the list, which follow from where items
            are, see :func:`~retab_analysis.comparison.json_alignment.running_numbers`.
    """

    kind: Literal["changed", "added", "removed", "moved"]
    path: Path
    origin: Path
    before: object
    after: object
    numbering: frozenset[str] = frozenset()


def differing_paths(
    texts: dict[str, str | None], *, is_whole: bool = False
) -> list[dict[str, str | None]]:
    """The paths at which some JSON texts do not all agree, list items aligned.

    The last text that is known is what the others are aligned with. A value that is not known
    (None) takes no part. Numbers are compared as they are written. What is not JSON, or is nested
    deeper than 100, is compared as a whole. Members that only count a list's items do not count
    where items were added, dropped or moved.

    Unless it is what the whole value should be, what is called ``expected`` says nothing about an
    object or list where it is of another shape: a scalar (the length that a list should have, for
    example), a list where an object is, or an object that has less than half of its members in
    common.

    Args:
        texts: The JSON text of each, by name.
        is_whole: Whether the others should be equal to what is called ``expected``.

    Returns:
        One row per path, in the order of the documents: ``path`` (``$.lines[3].price``), and for
        each name what stands there as JSON, or None where nothing does. An index is that of the
        last text, or of the one before where only that has the item; where an item from another
        index stands there now, each of the two has a row. An object or list that one side lacks is
        one row with its whole JSON. An item that stands elsewhere is one row whose
        path names both places, ``$.lines[3] (was [7])`` (or ``(expected at [7])``, or both), with
        the item's whole JSON on each side; :func:`is_moved` tells these rows.
    """
    known = {name: parse_json(text) for name, text in texts.items() if text is not None}
    if len(known) < 2:
        return []
    rows: dict[str, list[dict[str, str | None]]] = {}
    for spot in _Differ(tuple(known)).differences(tuple(known.values()), is_whole):
        if spot.moved and not spot.elsewhere:
            continue  # other items moved around it
        found = dict(zip(known, map(_written, spot.values), strict=True))
        row = {"path": spot.label, **{name: found.get(name) for name in texts}}
        _add_row(rows.setdefault(spot.label, []), row)
    return [row for same_path in rows.values() for row in same_path]


def _add_row(rows: list[dict[str, str | None]], row: dict[str, str | None]) -> None:
    """Add a row to those of its path; what one side has there and another side is one row."""
    values = [name for name, value in row.items() if name != "path" and value is not None]
    free = (each for each in rows if all(each[name] is None for name in values))
    beside = next(free, None)
    if beside is None:
        rows.append(row)
    else:
        beside.update({name: row[name] for name in values})


def is_moved(path: str) -> bool:
    """Whether a row's path says that an item stands elsewhere: ``$.lines[3] (was [7])``."""
    return path.endswith("])")


def _written(value: object) -> str | None:
    return None if value is _ABSENT or value is _SILENT else write_json(value)


def diff_documents(before: object, after: object) -> list[Change]:
    """How one document becomes another.

    Args:
        before: A JSON document as :func:`parse_json` gives it, or of plain Python values.
        after: Another.

    Returns:
        The changes, in the order of the documents; none where they are equal.
        :func:`apply_changes` makes the second document of the first with them.

    Raises:
        ValueError: A document that is nested deeper than 100.
    """
    if is_too_deep(before) or is_too_deep(after):
        raise ValueError(f"the document is nested deeper than {MAX_DEPTH}")
    spots = _Differ(("before", "after")).differences((before, after))
    return [_change(spot) for spot in spots]


def _change(spot: _Spot) -> Change:
    before, after = (None if value is _ABSENT else value for value in spot.values)
    origin, path = spot.paths
    kind: Literal["changed", "added", "removed", "moved"] = "moved" if spot.moved else "changed"
    if _ABSENT in spot.values:
        kind = "added" if spot.values[0] is _ABSENT else "removed"
    return Change(kind, path, origin, before, after, spot.numbering)


@dataclass(frozen=True, slots=True)
class _Spot:
    """One place in each of the documents.

    Attributes:
        values: What stands there, for each document.
        paths: Where that is, for each document.
        moved: Whether it is an item that stands in another order to the others than before.
        elsewhere: In words, at which other index a moved item was; empty where it is the same.
        alike: False where what stands there has only the place in common.
        numbering: Where this is a list's item, the members that only count the items.
    """

    values: tuple[object, ...]
    paths: tuple[Path, ...]
    moved: bool = False
    elsewhere: str = ""
    alike: bool = True
    numbering: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        return write_path(self.paths[-1]) + self.elsewhere


@dataclass(slots=True)
class _Slot:
    """One item in each of several lists: its index in each, None where a list lacks it."""

    order: tuple[int, int]
    indices: list[int | None]
    moved: set[int] = field(default_factory=set)
    alike: bool = True


class _Differ:
    """Walks through several documents at once; the last is what the others are aligned with."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._identities = Identities()
        self._aligner = Aligner(self._identities)

    def differences(self, documents: tuple[object, ...], is_whole: bool = True) -> Iterator[_Spot]:
        """Every place at which the documents differ."""
        expected, *others = documents
        is_expected = self._names[0] == _EXPECTED
        silent = is_expected and not is_whole and not _same_shape(expected, others)
        values = (_SILENT, *others) if silent else documents
        return self._inside(_Spot(values, ((),) * len(documents)))

    def _inside(self, spot: _Spot) -> Iterator[_Spot]:
        """The differences at a spot and below it."""
        if spot.moved:
            yield spot
            spot = replace(spot, moved=False, elsewhere="")
        if self._agree(spot.values, spot.numbering):
            return
        if self._hides(spot):
            if spot.values[0] is not _ABSENT:
                yield spot
            spot = replace(spot, values=(_SILENT, *spot.values[1:]))
        kinds = {_container(value) for value in spot.values if value is not _SILENT}
        inside = spot.alike or self._overlap(spot)
        if kinds == {dict} and inside:
            children = _members(spot)
        elif kinds == {list} and inside:
            children = self._items(spot)
        else:
            yield spot
            return
        for child in children:
            yield from self._inside(child)

    def _agree(self, values: Iterable[object], without: frozenset[str] = frozenset()) -> bool:
        asked = [value for value in values if value is not _SILENT]
        if any(value is _ABSENT for value in asked):
            return all(value is _ABSENT for value in asked)
        return len({self._identities.of_item(value, without) for value in asked}) < 2

    def _hides(self, spot: _Spot) -> bool:
        """Whether an expected value of another shape would hide how the others differ inside."""
        expected, *others = spot.values
        if self._names[0] != _EXPECTED or expected is _SILENT or len(others) < 2:
            return False
        kinds = {_container(value) for value in others}
        apart = kinds in ({dict}, {list}) and _container(expected) not in kinds
        return apart and not self._agree(others, spot.numbering)

    def _overlap(self, spot: _Spot) -> bool:
        """Whether what has only its place in common is small, or still shares something inside."""
        objects = [value for value in spot.values if isinstance(value, dict)]
        if not objects:
            lists = [value for value in spot.values if isinstance(value, list)]
            items = ({self._identities.of(item) for item in each} for each in lists)
            small = all(len(each) <= 2 for each in lists)
            return small or bool(set.intersection(*items))
        keys = {key for each in objects for key in each} - spot.numbering
        return len(keys) <= 2 or any(
            self._agree([each.get(key, _ABSENT) for each in objects]) for key in keys
        )

    def _items(self, spot: _Spot) -> Iterator[_Spot]:
        numbering = running_numbers([each for each in spot.values if isinstance(each, list)])
        for slot in self._slots(spot.values, numbering):
            yield self._item(spot, slot, numbering)

    def _slots(self, values: tuple[object, ...], numbering: frozenset[str]) -> list[_Slot]:
        last = values[-1]
        assert isinstance(last, list)
        empty: list[int | None] = [None] * (len(values) - 1)
        slots = [_Slot((j, 0), [*empty, j]) for j in range(len(last))]
        dropped: list[_Slot] = []
        for side, items in reversed([*enumerate(values[:-1])]):
            if isinstance(items, list):
                pairs = self._aligner.align(items, last, numbering)
                orphans = self._fill(slots, side, pairs, values)
                dropped += self._joined(dropped, orphans, (values, side), numbering)
        return sorted([*slots, *dropped], key=lambda slot: slot.order)

    def _fill(
        self, slots: list[_Slot], side: int, pairs: list[Pair], values: tuple[object, ...]
    ) -> list[_Slot]:
        """Enter a list's items into the slots of the last list; gives slots for those left over."""
        orphans = []
        place = -1
        for pair in pairs:
            if pair.before is None:
                continue
            foreign = self._is_foreign(slots, side, pair, values)
            if pair.after is None or foreign:
                indices = [pair.before if at == side else None for at in range(len(self._names))]
                orphans.append(_Slot((place, pair.before + 1), indices))
                continue
            slot = slots[pair.after]
            slot.indices[side] = pair.before
            slot.alike &= pair.alike
            if pair.moved:
                slot.moved.add(side)
            else:
                place = pair.after
        return orphans

    def _is_foreign(
        self, slots: list[_Slot], side: int, pair: Pair, values: tuple[object, ...]
    ) -> bool:
        """Whether an expected item is neither like what stands in its place now nor what did."""
        if pair.alike or pair.after is None or self._names[side] != _EXPECTED or len(values) < 3:
            return False
        expected, before, _ = values
        index = slots[pair.after].indices[1]
        if index is None or not isinstance(expected, list) or not isinstance(before, list):
            return True
        return not self._agree([expected[pair.before or 0], before[index]])

    def _joined(
        self,
        dropped: list[_Slot],
        orphans: list[_Slot],
        where: tuple[tuple[object, ...], int],
        numbering: frozenset[str],
    ) -> list[_Slot]:
        """What two lists have and the last lacks shares a slot; gives the orphans that do not."""
        values, side = where
        if not dropped or not orphans:
            return orphans
        found, own = ([_last_present(slot, values) for slot in each] for each in (dropped, orphans))
        alone = []
        for pair in self._aligner.align(found, own, numbering):
            if pair.after is None:
                continue
            if pair.before is None or not pair.alike:
                alone.append(orphans[pair.after])
            else:
                dropped[pair.before].indices[side] = orphans[pair.after].indices[side]
        return alone

    def _item(self, spot: _Spot, slot: _Slot, numbering: frozenset[str]) -> _Spot:
        shown = next(index for index in reversed(slot.indices) if index is not None)
        steps = [shown if index is None else index for index in slot.indices]
        elsewhere = [
            f"{_ORIGINS.get(self._names[side], 'was')} [{steps[side]}]"
            for side in sorted(slot.moved, reverse=True)
            if steps[side] != shown
        ]
        return _Spot(
            tuple(
                value[index] if isinstance(value, list) and index is not None else _missing(value)
                for value, index in zip(spot.values, slot.indices, strict=True)
            ),
            tuple((*path, step) for path, step in zip(spot.paths, steps, strict=True)),
            moved=bool(slot.moved),
            elsewhere=f" ({', '.join(elsewhere)})" if elsewhere else "",
            alike=slot.alike,
            numbering=numbering,
        )


def _same_shape(expected: object, others: list[object]) -> bool:
    """Whether an expected value says something about what is inside of the others."""
    last = others[-1] if others else None
    if not isinstance(last, dict) or not isinstance(expected, dict):
        return _container(last) in (None, _container(expected))
    keys = {key for each in others if isinstance(each, dict) for key in each}
    return not keys or 2 * len(keys & expected.keys()) >= len(expected)


def _container(value: object) -> type | None:
    return next((kind for kind in (dict, list) if isinstance(value, kind)), None)


def _missing(container: object) -> object:
    return _SILENT if container is _SILENT else _ABSENT


def _last_present(slot: _Slot, values: tuple[object, ...]) -> object:
    """The item of a slot, of the last list that has it."""
    items = (
        value[index]
        for value, index in zip(values, slot.indices, strict=True)
        if index is not None and isinstance(value, list)
    )
    return [*items][-1]


def _members(spot: _Spot) -> Iterator[_Spot]:
    """The members of objects, in the order of the last."""
    objects = [value for value in reversed(spot.values) if isinstance(value, dict)]
    for key in dict.fromkeys(key for each in objects for key in each):
        if key not in spot.numbering:
            values = (
                value.get(key, _ABSENT) if isinstance(value, dict) else _missing(value)
                for value in spot.values
            )
            yield _Spot(tuple(values), tuple((*path, key) for path in spot.paths))


def apply_changes(before: object, changes: Iterable[Change]) -> object:
    """Make the second document of the first.

    Args:
        before: The first document, which stays as it is.
        changes: What :func:`diff_documents` gave for it.

    Returns:
        The second document; its objects' members may be in another order.
    """
    document = _copied(before)
    lists: dict[Path, list[Change]] = defaultdict(list)
    for change in changes:
        if not change.origin:
            return change.after
        *to, step = change.origin
        container = _at(document, to)
        if isinstance(container, list) and change.kind != "changed":
            lists[tuple(to)].append(change)
        elif change.kind == "removed":
            del container[step]
        else:
            container[step] = change.after
    # The innermost first: what is around it has the indices of the first document till its turn.
    for path in sorted(lists, key=len, reverse=True):
        items = _at(document, path)
        items[:] = _rearranged(items, lists[path])
    return document


def _copied(value: object) -> object:
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _at(document: Any, path: Iterable[str | int]) -> Any:
    for step in path:
        document = document[step]
    return document


def _rearranged(items: list[Any], changes: list[Change]) -> list[Any]:
    gone = {change.origin[-1] for change in changes if change.kind != "added"}
    placed = {
        change.path[-1]: change.after if change.kind == "added" else items[int(change.origin[-1])]
        for change in changes
        if change.kind != "removed"
    }
    kept = iter([item for at, item in enumerate(items) if at not in gone])
    height = len(items) - len(gone) + len(placed)
    arranged = [placed[at] if at in placed else next(kept) for at in range(height)]
    return _renumbered(items, arranged, changes[0].numbering) if items else arranged


def _renumbered(items: list[Any], arranged: list[Any], numbering: frozenset[str]) -> list[Any]:
    """The items with the members that count them set anew."""
    if not numbering:
        return arranged
    starts = {key: items[0][key] for key in numbering}
    return [
        {**item, **{key: _count(start, at) for key, start in starts.items()}}
        for at, item in enumerate(arranged)
    ]


def _count(first: object, at: int) -> object:
    if isinstance(first, Verbatim):
        return Verbatim(str(int(first.text) + at))
    assert isinstance(first, int)
    return first + at
