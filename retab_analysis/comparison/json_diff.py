"""The differences of JSON documents, with list items aligned and numbers compared by value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from retab_analysis.comparison.json_alignment import align
from retab_analysis.comparison.json_values import Index, Path, parse_json, write_json, write_path

ABSENT = object()  # nothing stands there


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where documents differ: its path in the last two, and the value in each.

    ``is_moved``: whether it is an item whose order among the others changed.
    """

    path: Path
    values: tuple[object, ...]
    is_moved: bool = False


def differing_paths(
    texts: Mapping[str, str | None], at: Path = (), *, is_expected: bool = True
) -> list[dict[str, str | None]]:
    """The paths where some JSON texts disagree, and the value in each; see ``diff``.

    The newest is last. ``expected`` is first, if there is one. A side that is None is ignored.
    ``at`` is the path of these values in their output. Without ``is_expected``, ``expected`` is the
    operand of a condition, for example the length of a list. It then says nothing about the values
    inside.
    """
    known = {name: parse_json(text) for name, text in texts.items() if text is not None}
    values = [*known.values()]
    if all(value == values[-1] for value in values):
        return []
    if not is_expected or type(known.get("expected")) is not type(values[-1]):
        known.pop("expected", None)
    rows: list[dict[str, str | None]] = [{"path": write_path(at), **texts}]
    for each in diff_documents(*known.values()):
        found = zip(known, each.values, strict=True)
        there = {name: write_json(value) for name, value in found if value is not ABSENT}
        if each.path:
            path = write_path((*at, *each.path))
            rows.append({"path": path, **dict.fromkeys(texts), **there})
    return rows


def diff_documents(*values: object, path: Path = ()) -> Iterator[Difference]:
    """The differences of documents from :func:`parse_json`, in the order of the last one.

    ``path`` is their place, if they are parts of other documents.
    """
    if all(value == values[-1] for value in values):
        return
    if all(isinstance(value, dict) for value in values):
        for key in dict.fromkeys(key for value in reversed(values) for key in value):  # type: ignore[attr-defined]
            members = (value.get(key, ABSENT) for value in values)  # type: ignore[attr-defined]
            yield from diff_documents(*members, path=(*path, key))
    elif all(isinstance(value, list) for value in values):
        yield from _item_differences(path, values)  # type: ignore[arg-type]
    else:
        yield Difference(path, values)


@dataclass(frozen=True, slots=True)
class _Slot:
    """An item in several lists: its index in each, None if a list lacks it."""

    indices: tuple[int | None, ...]
    is_moved: bool = False
    is_alike: bool = True

    def pick(self, lists: tuple[list[object], ...]) -> tuple[object, ...]:
        return tuple(
            ABSENT if index is None else items[index]
            for items, index in zip(lists, self.indices, strict=True)
        )


def _item_differences(path: Path, lists: tuple[list[object], ...]) -> Iterator[Difference]:
    for slot in _slots(lists):
        values = slot.pick(lists)
        index = Index(*slot.indices[-2:])
        if index == (None, None):  # only the expected value has it
            index = Index(slot.indices[0], None)
        here = (*path, index)
        if slot.is_moved and index.before != index.after:
            yield Difference(here, values, is_moved=True)
        elif slot.is_alike:
            yield from diff_documents(*values, path=here)
        elif any(value != values[-1] for value in values):
            yield Difference(here, values)


def _slots(lists: tuple[list[object], ...]) -> list[_Slot]:
    """The items of all lists, aligned one list after the other, beginning with the last."""
    slots = [_Slot((at,)) for at in range(len(lists[-1]))]
    for start in reversed(range(len(lists) - 1)):
        newer = lists[start + 1 :]
        # If several lists have an item, the next one is aligned with the newest.
        newest = [
            [value for value in slot.pick(newer) if value is not ABSENT][-1] for slot in slots
        ]
        # An item that is expected elsewhere did not move.
        pairs = align(lists[start], newest, moves=start == len(lists) - 2)
        nothing = _Slot((None,) * len(newer))
        slots = [
            _Slot(
                (pair.before, *old.indices),
                old.is_moved or pair.is_moved,
                old.is_alike and pair.is_alike,
            )
            for pair in pairs
            for old in [nothing if pair.after is None else slots[pair.after]]
        ]
    return slots
