"""Versions: which code each block had at a moment, and the name of a moment.

An eval run always runs the draft, so a version is no id of runs: it is the code of its blocks. The
order of trust:

1. The block's history: the era that has the version's number, or the era at the moment.
2. Without a history, the code of the newest result before the moment. Its configuration, if the
   API gives that, corrects the answer: a configuration that the draft or another version also has
   has their code; a code of another configuration is not the answer.

Two versions of a block are the *same* if they have one configuration or share a code, and *edited*
if both have one and they differ. Everything else is *unknown*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Literal, NamedTuple

import polars as pl
from msgspec import Struct

from retab_analysis.evidence.presence import Ran
from retab_analysis.evidence.timeline import (
    BlockHistory,
    Era,
    Sameness,
    Timeline,
    list_histories,
)
from retab_analysis.schema import RESULTS
from retab_analysis.vocabulary import DRAFT, ERA, MOMENT, EditNames, say_day

_UNRUN = f"{ERA}not run"
"""The code of a block that was edited and has not run."""

BEFORE = "code before"
"""What the previous code of each block is called."""

_EDIT = "edit of "

Kind = Literal["draft", "publication", "time", "run id", "previous"]


class Moment(Struct, frozen=True):
    """A version of a workflow.

    ``name`` is what a person typed, empty for the usual one; ``at`` is None for the draft.
    """

    name: str
    kind: Kind
    at: datetime | None = None
    version: str | None = None  # the id of a publication, or an id that runs carry
    number: int | None = None

    def __str__(self) -> str:
        if self.kind in ("draft", "previous"):
            return f"the {DRAFT if self.kind == 'draft' else BEFORE}"
        is_named = self.kind != "publication" or self.number is not None
        return self.name if is_named else f"the {self.name}"

    def keep(self, name: Name) -> Name:
        """The name as it was asked for, where two versions are one code."""
        if self.kind == "draft":
            return Name(DRAFT, name.edited_at)
        is_time = self.kind == "time"
        return Name(f"code of {self.name}", name.edited_at) if is_time else name

    @property
    def place(self) -> tuple[object, ...]:
        """What is equal for two names of one version."""
        return self.kind, self.at, self.version


class BlockCode(Struct, frozen=True):
    """The codes of a block in a version, and what tells its configuration from others.

    Without either, the code is not known. ``is_sure`` is whether an edit since would be seen.
    """

    codes: frozenset[str] = frozenset()
    config: str | None = None
    is_there: bool = True
    is_sure: bool = True

    def compare(self, other: BlockCode) -> Sameness:
        if not (self.is_there and other.is_there):
            return "edited" if self.is_there or other.is_there else "same"
        if self.config is not None and self.config == other.config:
            return "same"
        if self.codes & other.codes:
            return "same" if self.is_sure and other.is_sure else "unknown"
        # Configurations may differ; without codes it is not known which results are of which.
        return "edited" if self.codes and other.codes else "unknown"


class Name(NamedTuple):
    """What a version is called, its newest edit, and its number if it was published."""

    text: str
    edited_at: datetime | None = None
    number: int | None = None

    @property
    def said(self) -> str:
        """The name in a sentence: ``v5``, ``the edit of 29 Nov``."""
        return self.text if self.number is not None else f"the {self.text}"

    @property
    def is_edit(self) -> bool:
        return self.edited_at is not None and self.text.startswith(_EDIT)

    def say(self, today: date | None = None, *, after: Name | None = None) -> str:
        """The same without the day of ``today``, ``the edit of 19:26``.

        ``after`` is the name before it in the sentence: of two edits the second is ``that of
        30 Nov``, of one day ``that of 19:26``.
        """
        if self.edited_at is None or not self.is_edit:
            return self.said
        is_second = after is not None and after.is_edit
        days = [today, *([after.edited_at.date()] if after and after.edited_at else [])]
        when = self.text.removeprefix(_EDIT)
        if self.edited_at.date() in days:
            _, _, time = when.partition(", ")
            when = time or f"{self.edited_at:%H:%M}"
        return f"that of {when}" if is_second else f"the {_EDIT}{when}"


class PublishedVersion(NamedTuple):
    """A published version. ``configs`` has the configuration of each block, if it is known."""

    version: str
    number: int | None
    at: datetime | None
    configs: Mapping[str, str] | None = None

    def name(self, year: int | None, edited_at: datetime | None) -> Name:
        day = self.version if self.at is None else f"version of {say_day(self.at, year)}"
        named = day if self.number is None else f"v{self.number}"
        return Name(named, edited_at, self.number)


class Versions(Struct, frozen=True, eq=False, dict=True):
    """The versions of a workflow, told by a timeline, publications and configurations.

    ``draft`` has the configuration of each block of the draft, if it is known.
    """

    timeline: Timeline
    publications: Sequence[PublishedVersion] = ()
    draft: Mapping[str, str] | None = None
    first_runs: Mapping[str, datetime] = {}  # when each id was carried first

    @cached_property
    def blocks(self) -> list[str]:
        saved = self.timeline.definitions.saved["block_id"]
        return saved.drop_nulls().unique(maintain_order=True).to_list()

    @cached_property
    def _ran(self) -> dict[str, list[Ran]]:
        """The codes of each block in runs, as far as they are known, in the order of time."""
        return {
            block: sorted((each for each in its if each.run_id and each.code), key=_find_began)
            for block, its in self.timeline.ran.items()
        }

    def code_of(self, moment: Moment) -> dict[str, BlockCode]:
        """The code of each block with saved evals."""
        return {block: self._code_of(block, moment) for block in self.blocks}

    def _code_of(self, block: str, moment: Moment, code: str | None = None) -> BlockCode:
        """The code of a block in a version; ``code`` ran at that moment."""
        if moment.kind == "draft":
            return self._present(block)
        if moment.kind == "previous":
            return self._previous(block)
        ran = self._ran.get(block, ())
        if moment.kind == "run id" and (own := [e for e in ran if e.version == moment.version]):
            codes = frozenset(each.code for each in own if each.run_id == own[-1].run_id)
            return BlockCode(codes, self._find_era_of(block, own[-1].code))
        history = self.timeline.histories.get(block)
        if history is not None:
            return self._read_era(history, ran, moment, code)
        if code is not None:
            return BlockCode(frozenset([code]))
        saved_at = self.timeline.saved_at.get(block)
        if saved_at is not None and moment.at is not None and saved_at <= moment.at:
            return self._present(block)
        return self._read_results(block, ran, moment)

    def _present(self, block: str) -> BlockCode:
        presence, history = self.timeline.presences.get(block), self.timeline.histories.get(block)
        if history is not None:
            config = None if history.draft is None else history.draft.mark
        elif self.draft is not None:
            config = self.draft.get(block)
        else:  # a block that was not saved since is the same
            saved_at = self.timeline.saved_at.get(block)
            config = None if saved_at is None else f"saved {saved_at}"
        if presence is None:
            return BlockCode(config=config)
        # Codes are known, and none of them is the present one.
        is_unrun = not presence.codes and self._ran.get(block)
        codes = frozenset([_UNRUN]) if is_unrun else presence.codes
        return BlockCode(codes, config, is_sure=presence.sign != "none")

    def _previous(self, block: str) -> BlockCode:
        """The newest code that ran, besides the present one."""
        now, ran = self._present(block), self._ran.get(block, ())
        codes = dict.fromkeys(each.code for each in ran)  # in the order in which they ran first
        others = [each for each in codes if each not in now.codes]
        if not others:
            # With a single code there is nothing before it; results without one tell nothing.
            has_run = any(each.run_id for each in self.timeline.ran.get(block, ()))
            return BlockCode() if has_run and not codes else now
        return BlockCode(frozenset([others[-1]]), self._find_era_of(block, others[-1]))

    def _find_era_of(self, block: str, code: str) -> str | None:
        """The mark of the era whose code this is."""
        history = self.timeline.histories.get(block)
        if history is None:
            return None
        its = (each.mark for each in history.eras if code in history.codes_of(each))
        return next(its, None)

    def _read_era(
        self, history: BlockHistory, ran: Sequence[Ran], moment: Moment, code: str | None
    ) -> BlockCode:
        # A block that ran before has lost the beginning of its history.
        had_run = moment.at is not None and any(each.began <= moment.at for each in ran)
        era: Era | None = None
        if moment.number is not None and any(each.versions for each in history.eras):
            era = next((each for each in history.eras if moment.number in each.versions), None)
        elif (at := moment.at) is not None:
            nearest = min(ran, key=lambda each: abs(each.began - at), default=None)
            era = history.find(at, code or (None if nearest is None else nearest.code))
        if era is None:
            return BlockCode(is_there=had_run)
        return BlockCode(frozenset(history.codes_of(era)), era.mark)

    def _read_results(self, block: str, ran: Sequence[Ran], moment: Moment) -> BlockCode:
        told = next((each for each in self.publications if each.version == moment.version), None)
        configs = None if told is None else told.configs
        config = None if configs is None else configs.get(block)
        if configs is not None and config is None:
            return BlockCode(is_there=False)
        if config is not None and self.draft is not None and self.draft.get(block) == config:
            return self._present(block)
        found, foreign = set[str](), set[str]()
        if config is None:
            found |= {*_list_newest(ran, moment.at)}
        else:
            for each in self.publications:
                its = None if each.configs is None else each.configs.get(block)
                is_earlier = None not in (each.at, moment.at) and each.at < moment.at  # type: ignore[operator]
                if its == config:
                    found |= {*_list_newest(ran, each.at)}
                elif its is not None and is_earlier:
                    foreign |= {*_list_newest(ran, each.at)}
            foreign |= self._present(block).codes if self.draft is not None else set()
        # A code of another configuration shows an edit that did not run before the publication.
        return BlockCode(frozenset(found - foreign), config)

    # Names

    def name(self, moment: Moment, year: int | None) -> Name:
        """What a version is called. One that was asked for by its name keeps it."""
        state = self.code_of(moment)
        if moment.kind == "publication" or (moment.kind == "draft" and moment.name):
            named = DRAFT if moment.kind == "draft" else moment.name
            return Name(named, self._find_edit(state), moment.number)
        published = self._find_publication(moment.at, state)
        if published is None and moment.kind == "previous":
            return self._name_previous(state, year)
        codes = [(block, code) for block, its in state.items() for code in its.codes]
        began = [at for each in codes if (at := self._first_seen.get(each)) is not None]
        return self._name_state(state, published, max(began, default=moment.at), year)

    def _name_state(
        self,
        state: Mapping[str, BlockCode],
        published: PublishedVersion | None,
        first: datetime | None,
        year: int | None,
    ) -> Name:
        """The publication with some codes, else their newest edit, else the day they ran first."""
        edited_at = self._find_edit(state)
        if published is not None:
            return published.name(year, edited_at)
        if edited_at is not None:
            return Name(self.edits.name(edited_at, year), edited_at)
        return Name(DRAFT if first is None else f"draft of {say_day(first, year)}")

    def _name_previous(self, state: Mapping[str, BlockCode], year: int | None) -> Name:
        """The edit before the newest change, if both are of one block; each block has its own."""
        now, saved_at = self.code_of(Moment("", "draft")), self.timeline.saved_at
        touched = {block: its for block, its in state.items() if its.compare(now[block]) != "same"}
        before = {block: self._find_edit({block: its}) for block, its in touched.items()}
        changed = {b: self._find_edit({b: now[b]}) for b in touched}
        # A configuration that was put back is as old as its first era.
        changed |= {b: saved_at[b] for b in touched if b in saved_at}
        last, at = _find_latest(changed), before.get(_find_latest(before) or "")
        if at is None or last != _find_latest(before):
            return Name(BEFORE)
        return Name(self.edits.name(at, year), at)

    def name_run(
        self,
        at: datetime | None,
        year: int | None,
        *,
        version: str | None = None,
        codes: Mapping[str, str] | None = None,
    ) -> Name:
        """What the version of a run is called: ``v5``, ``edit of 29 Nov``, ``draft of 21 Nov``.

        The run began ``at`` a moment, carries an id, and its blocks had ``codes``.
        """
        named = next((each for each in self.publications if each.version == version), None)
        moment, ran = Moment(DRAFT, "draft") if at is None else Moment("", "time", at), codes or {}
        state = {block: self._code_of(block, moment, ran.get(block)) for block in self.blocks}
        first = None if at is None else min(at, self.first_runs.get(version or "", at))
        return self._name_state(state, named or self._find_publication(at, state), first, year)

    def name_runs(self, results: pl.DataFrame, year: int | None) -> dict[str, Name]:
        """The name of the version of each run, by the codes of its blocks."""
        about: dict[str, tuple[datetime | None, str | None]] = {}
        codes: dict[str, dict[str, str]] = {}
        names = "run_id", "block_id", "code"
        cells = results.drop_nulls("run_id").group_by(names, maintain_order=True)
        its = cells.agg(
            MOMENT.min().alias("at"), pl.col("workflow_version_id").drop_nulls().first()
        )
        for run_id, block, code, at, version in its.iter_rows():
            about.setdefault(run_id, (at, version))
            if block is not None and code is not None:
                codes.setdefault(run_id, {})[block] = code
        return {
            run_id: self.name_run(at, year, version=version, codes=codes.get(run_id))
            for run_id, (at, version) in about.items()
        }

    def _find_edit(self, state: Mapping[str, BlockCode]) -> datetime | None:
        """The newest edit of a block that led to these codes, if histories tell it."""
        edits = [
            era.first
            for block, its in self.timeline.histories.items()
            for era in its.eras
            if block in state and era.mark == state[block].config
        ]
        return max(edits, default=None)

    @cached_property
    def _first_seen(self) -> dict[tuple[str, str], datetime]:
        found: dict[tuple[str, str], datetime] = {}
        for block, ran in self._ran.items():
            for each in ran:
                found.setdefault((block, each.code), each.began)
        return found

    @cached_property
    def edits(self) -> EditNames:
        eras = (era for each in self.timeline.histories.values() for era in each.eras)
        ran = (each.began for its in self._ran.values() for each in its)
        return EditNames((era.first for era in eras), ran)

    def _find_publication(
        self, at: datetime | None, state: Mapping[str, BlockCode]
    ) -> PublishedVersion | None:
        """The newest publication until a moment with these codes, else the first one after it."""
        equal = [
            each
            for each in self.publications
            # A publication with an unknown block gives no name.
            if all(
                code.compare(state[block]) == "same"
                for block, code in self._published[each.version].items()
            )
        ]
        before = [each for each in equal if None in (at, each.at) or each.at <= at]  # type: ignore[operator]
        newest = max(before, key=_find_place, default=None)
        return newest or min(equal, key=_find_place, default=None)

    @cached_property
    def _published(self) -> dict[str, dict[str, BlockCode]]:
        return {
            version: self.code_of(Moment(version, "publication", at, version, number))
            for version, number, at, _ in self.publications
        }


def _find_began(ran: Ran) -> tuple[datetime, str]:
    return ran.began, ran.code


def _find_latest(moments: Mapping[str, datetime | None]) -> str | None:
    """The block with the latest moment."""
    known = {block: at for block, at in moments.items() if at is not None}
    return max(known, key=known.__getitem__, default=None)


def _find_place(publication: PublishedVersion) -> tuple[bool, datetime | None]:
    return publication.at is not None, publication.at


def _list_newest(ran: Sequence[Ran], at: datetime | None) -> list[str]:
    """The code of the newest result until a moment, if there is one."""
    codes = [each.code for each in ran if at is None or each.began <= at]
    return codes[-1:]


NAMES = pl.Schema(
    {"workflow_id": pl.String(), "since": pl.Datetime("us", "UTC"), "version": pl.String()}
)
"""What the draft of each workflow is called, since which moment."""


def list_names(edits: pl.DataFrame) -> pl.DataFrame:
    """The names of the drafts of an EDITS frame, as :data:`NAMES`, in the order of time.

    A draft is the newest publication that all its blocks have, else its newest edit.
    """
    found: list[tuple[str | None, datetime, str]] = []
    for (workflow,), its in edits.partition_by("workflow_id", as_dict=True).items():
        histories = list_histories(its, RESULTS.empty())
        eras = [era for each in histories.values() for era in each.eras]
        moments = {at for era in eras for at in (era.first, era.last) if at is not None}
        names = EditNames(era.first for era in eras)
        year = max(moments).year if moments else None
        for at in sorted(moments):
            now = [era for each in histories.values() if (era := each.find(at)) is not None]
            shared = frozenset.intersection(*(era.versions for era in now))
            edit = names.name(max(era.first for era in now), year)
            found.append((workflow, at, f"v{max(shared)}" if shared else edit))
    return pl.DataFrame(found, schema=NAMES, orient="row").sort("since")
