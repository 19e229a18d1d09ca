"""Names: what a code of a block, or a state of a workflow, is called, for ever.

An edit is called by its moment, ``edit of 29 Nov 19:26``. A publication adds ``v5``, which is shown
then; both are taken. A code that came back is the code it was. Without a history a name is made of
the first run, ``draft of 21 Nov 09:14``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

import polars as pl

from retab_analysis.evidence.timeline import BlockHistory, Era, list_histories
from retab_analysis.vocabulary import DRAFT, say_day

EDIT = "edit of "


class Name(NamedTuple):
    """What a version is called, its newest edit, and its number if it was published.

    ``when`` is the moment of an edit as a sentence says it, ``time`` the same without its day.
    """

    text: str
    edited_at: datetime | None = None
    version: int | None = None
    when: str = ""
    time: str = ""

    @property
    def said(self) -> str:
        """The name in a sentence: ``v5``, ``the edit of 29 Nov``."""
        is_edit = self.when and "," not in self.text  # and not a state of several blocks
        return f"the {EDIT}{self.when}" if is_edit else self.full

    @property
    def full(self) -> str:
        """The whole name with its article: ``v5``, ``the edit of 29 Nov 19:26``."""
        return self.text if self.version is not None else f"the {self.text}"

    def on(self, day: date | None) -> Name:
        """The name as it is said on a day: of an edit of that day, ``the edit of 19:26``."""
        is_then = self.when and self.edited_at is not None and self.edited_at.date() == day
        return self._replace(when=self.time) if is_then else self


def make_name(
    at: datetime | None,
    edits: Iterable[datetime] = (),
    *,
    year: int | None,
    version: int | str | None = None,
    first: datetime | None = None,
) -> Name:
    """Name a code of a block, or a state of a workflow.

    Args:
        at: The edit that led to it, if that is known; of a state the newest.
        edits: All edits of the block; of a state those of all blocks.
        year: The year of the newest run: other years are named.
        version: The publication that has it: its number, or what it is called without one.
        first: The first run, for what has neither a publication nor a known edit.
    """
    if version is not None:
        number = version if isinstance(version, int) else None
        return Name(str(version) if number is None else f"v{number}", at, number)
    if at is None:
        return Name(DRAFT if first is None else f"{DRAFT} of {say_day(first, year)} {first:%H:%M}")
    others = [each for each in edits if each != at and each.date() == at.date()]
    is_second = any(each < at and f"{each:%H:%M}" == f"{at:%H:%M}" for each in others)
    day, time = say_day(at, year), f"{at:%H:%M:%S}" if is_second else f"{at:%H:%M}"
    return Name(f"{EDIT}{day} {time}", at, None, f"{day} {time}" if others else day, time)


class Edit(NamedTuple):
    """An edit of a block: its era, what its code is called, and the edit itself."""

    block: str
    label: str
    era: Era
    name: Name
    edit: Name

    @property
    def within(self) -> str:
        """``extract_lines of 29 Nov 19:26``: the edit beside others of the workflow."""
        return f"{self.label} of {self.edit.text.removeprefix(EDIT)}"

    @property
    def keys(self) -> set[str]:
        """What a person may type for it, besides its name and a part of it."""
        at, number = self.era.first, self.era.number
        days, times = (
            (say_day(at, at.year), f"{say_day(at)}"),
            (self.edit.time, f"{at:%H:%M:%S}"),
        )
        dated, found = (f"{day} {time}" for day in days for time in times), set[str]()
        for moment in {*times, *dated, *(f"v{each}" for each in self.era.versions)}:
            named = (moment, *(f"{each} of {moment}" for each in ("edit", self.label, self.block)))
            found.update(named)
        if number is not None:
            tried = f"try {number}"
            found.update((tried, *(f"{tried} of {each}" for each in (self.label, self.block))))
        return {each.casefold() for each in found}


def list_edits(
    histories: Mapping[str, Sequence[Era]],
    year: int | None,
    labels: Mapping[str, str | None] | None = None,
) -> list[Edit]:
    """The edits of blocks, the oldest first. A code is called by its first publication."""
    found, called = [], labels or {}
    for block, eras in histories.items():
        moments = [era.first for era in eras]
        for era in eras:
            edit = make_name(era.first, moments, year=year)
            version = min(era.versions, default=None)
            name = edit if version is None else make_name(era.first, year=year, version=version)
            found.append(Edit(block, called.get(block) or block, era, name, edit))
    return sorted(found, key=lambda each: (each.era.first, each.block))


def find_edits(asked: str, edits: Sequence[Edit]) -> list[Edit]:
    """The edits with a name: the whole name comes before other forms, and these before a part."""
    word = asked.strip().casefold().removeprefix("the ")
    part = re.compile(rf"(?<!\w){re.escape(word)}")
    return (
        [e for e in edits if word in (e.name.text, e.edit.text.casefold())]
        or [e for e in edits if word in e.keys]
        or [e for e in edits if word and any(map(part.search, e.keys))]
    )


def split_state(asked: str, edits: Sequence[Edit]) -> tuple[str, list[Edit]]:
    """The parts of a state's name: ``edit of 1 Dec 14:10``, and edits: ``extract_lines of v3``."""
    word, beside = asked.strip().casefold(), list[Edit]()
    keys = [(f", {key}", each) for each in edits for key in each.keys]
    while its := [pair for pair in keys if word.endswith(pair[0])]:
        end, edit = max(its, key=lambda pair: len(pair[0]))
        word, beside = word.removesuffix(end), [edit, *beside]
    return word, beside


def name_edits(edits: pl.DataFrame) -> pl.DataFrame:
    """An EDITS frame with the ``name`` of the code of each era."""
    known = list_histories(edits)
    named = list_edits({k: its.eras for k, its in known.items()}, _find_year(known))
    names = {(each.block, each.era.mark): each.name.text for each in named}
    keys = edits.select("block_id", "config_fingerprint").iter_rows()
    return edits.with_columns(name=pl.Series([names.get(key) for key in keys], dtype=pl.String))


def _find_year(histories: Mapping[str, BlockHistory]) -> int | None:
    moments = [(era.last or era.first) for its in histories.values() for era in its.eras]
    return max(moments).year if moments else None


NAMES = pl.Schema(
    {"workflow_id": pl.String(), "since": pl.Datetime("us", "UTC"), "version": pl.String()}
)
"""What the draft of each workflow is called, since which moment."""


def name_drafts(edits: pl.DataFrame) -> pl.DataFrame:
    """The names of the drafts of an EDITS frame, as :data:`NAMES`, in the order of time."""
    found: list[tuple[str | None, datetime, str]] = []
    for (workflow,), its in edits.partition_by("workflow_id", as_dict=True).items():
        known = list_histories(its)
        year, eras = _find_year(known), [era for each in known.values() for era in each.eras]
        firsts = [era.first for era in eras]
        ends = (era.last for era in eras if era.last is not None and not era.is_draft)
        for at in sorted({*firsts, *(each + timedelta(microseconds=1) for each in ends)}):
            now = [era for each in known.values() if (era := each.find(at)) is not None]
            shared = frozenset.intersection(*(era.versions for era in now))
            newest, version = max(era.first for era in now), min(shared, default=None)
            found.append((workflow, at, make_name(newest, firsts, year=year, version=version).text))
    return pl.DataFrame(found, schema=NAMES, orient="row").sort("since")
