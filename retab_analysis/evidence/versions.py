"""Versions: which code each block had at a moment.

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
from datetime import datetime
from functools import cached_property
from typing import Literal, NamedTuple

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from retab_analysis.evidence.cells import BlockInRun, read_codes
from retab_analysis.evidence.names import Edit, Name, list_edits, make_name
from retab_analysis.evidence.presence import Presence
from retab_analysis.evidence.timeline import BlockHistory, Era, Timeline, lacks_codes
from retab_analysis.vocabulary import DRAFT, ERA, MOMENT, say_day

_UNRUN = f"{ERA}not run"
"""The code of a block that was edited and has not run."""

BEFORE = "code before"
"""What the previous code of each block is called."""
CODE_OF = "code of "

Kind = Literal["draft", "publication", "time", "edit", "run id", "previous"]


class Moment(Struct, frozen=True):
    """A version of a workflow.

    ``name`` is what a person typed, empty for the usual one; ``at`` is None for the draft. Of an
    edit, ``marks`` has the eras that began with it, by their blocks.
    """

    name: str
    kind: Kind
    at: datetime | None = None
    version: str | None = None  # the id of a publication, or an id that runs carry
    number: int | None = None
    marks: Mapping[str, str] = {}

    def __str__(self) -> str:
        if self.kind in ("draft", "previous"):
            return f"the {DRAFT if self.kind == 'draft' else BEFORE}"
        is_alone = self.kind in ("time", "run id") or self.number is not None
        return self.name if is_alone else f"the {self.name}"

    def keep(self, name: Name) -> Name:
        """The name as it was asked for, where two versions are one code."""
        if self.kind == "draft":
            return Name(DRAFT, name.edited_at)
        is_time = self.kind == "time"
        return Name(f"{CODE_OF}{self.name}", name.edited_at) if is_time else name

    @property
    def place(self) -> tuple[object, ...]:
        """What is equal for two names of one version."""
        return self.kind, self.at, self.version, self.marks


def find_era(
    history: BlockHistory, block: str, moment: Moment, code: str | None = None
) -> Era | None:
    """The era of a block in a version; ``code`` ran at about that moment."""
    if (mark := moment.marks.get(block)) is not None:
        return next((each for each in history.eras if each.mark == mark), None)
    if moment.kind == "previous":
        now = history.draft
        before = [each for each in history.eras if now is not None and each.first < now.first]
        return max(before, key=lambda each: each.first, default=now)
    if moment.number is not None and any(each.versions for each in history.eras):
        return next((each for each in history.eras if moment.number in each.versions), None)
    return None if moment.at is None else history.find(moment.at, code)


class PublishedVersion(NamedTuple):
    """A published version. ``configs`` has the configuration of each block, if it is known."""

    version: str
    number: int | None
    at: datetime | None
    configs: Mapping[str, str] | None = None

    def call(self, year: int | None) -> int | str:
        """Its number; without one what it is called."""
        if self.number is not None:
            return self.number
        return self.version if self.at is None else f"version of {say_day(self.at, year)}"


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
        saved = self.timeline.facts.saved["block_id"]
        return saved.drop_nulls().unique(maintain_order=True).to_list()

    @cached_property
    def _ran(self) -> dict[str, list[BlockInRun]]:
        """The codes of each block in runs, as far as they are known, in the order of time."""
        return {
            block: sorted((each for each in its if each.run_id and each.code), key=_find_began)
            for block, its in self.timeline.ran.items()
        }

    @property
    def lacking(self) -> str:
        """Why it is not known which code results ran, behind a sentence; empty if it is."""
        lacks = ["no fingerprints"] * lacks_codes(self.timeline.results)
        lacks += ["no history"] * (not self.timeline.histories)
        return ": " * bool(lacks) + ", ".join(lacks)

    def code_of(self, moment: Moment) -> dict[str, Presence]:
        """The code of each block with saved evals."""
        return {block: self._code_of(block, moment) for block in self.blocks}

    def _code_of(self, block: str, moment: Moment, code: str | None = None) -> Presence:
        """The code of a block in a version; ``code`` ran at that moment."""
        if moment.kind == "draft":
            return self._present(block)
        if moment.kind == "previous":
            return self._previous(block)
        ran = self._ran.get(block, ())
        if moment.kind == "run id" and (own := [e for e in ran if e.version == moment.version]):
            codes = frozenset(each.code for each in own if each.run_id == own[-1].run_id)
            return Presence(codes=codes, config=self._find_era_of(block, own[-1].code))
        history = self.timeline.histories.get(block)
        if history is not None:
            return self._read_era(block, history, moment, code)
        if code is not None:
            return Presence(codes=frozenset([code]))
        saved_at = self.timeline.facts.saved_at.get(block)
        if saved_at is not None and moment.at is not None and saved_at <= moment.at:
            return self._present(block)
        return self._read_results(block, ran, moment)

    def _present(self, block: str) -> Presence:
        presence, history = self.timeline.presences.get(block), self.timeline.histories.get(block)
        if history is not None:
            config = None if history.draft is None else history.draft.mark
        elif self.draft is not None:
            config = self.draft.get(block)
        else:  # a block that was not saved since is the same
            saved_at = self.timeline.facts.saved_at.get(block)
            config = None if saved_at is None else f"saved {saved_at}"
        if presence is None:
            return Presence(config=config)
        # Codes are known, and none of them is the present one.
        is_unrun = not presence.codes and self._ran.get(block)
        codes = frozenset([_UNRUN]) if is_unrun else presence.codes
        return replace(presence, codes=codes, config=config)

    def mark(self, moment: Moment) -> Moment:
        """A version with the eras of its blocks, where it is the code before."""
        if moment.kind != "previous":
            return moment
        its, known = self.code_of(moment), self.timeline.histories
        marks = {block: mark for block in known if block in its and (mark := its[block].config)}
        return replace(moment, marks=marks)

    def _previous(self, block: str) -> Presence:
        """The newest code that ran, besides the present one."""
        now, ran = self._present(block), self._ran.get(block, ())
        codes = dict.fromkeys(each.code for each in ran)  # in the order in which they ran first
        others = [each for each in codes if each not in now.codes]
        if not others:
            # With a single code there is nothing before it; results without one tell nothing.
            has_run = any(each.run_id for each in self.timeline.ran.get(block, ()))
            return Presence() if has_run and not codes else now
        config = self._find_era_of(block, others[-1])
        return Presence(codes=frozenset([others[-1]]), config=config)

    def _find_era_of(self, block: str, code: str) -> str | None:
        """The mark of the era whose code this is."""
        history = self.timeline.histories.get(block)
        if history is None:
            return None
        its = (each.mark for each in history.eras if code in history.codes_of(each))
        return next(its, None)

    def _read_era(
        self, block: str, history: BlockHistory, moment: Moment, code: str | None
    ) -> Presence:
        ran, at = self._ran.get(block, ()), moment.at
        near = () if at is None else sorted(ran, key=lambda each: abs(each.began - at))
        era = find_era(history, block, moment, code or next((each.code for each in near), None))
        if era is None:  # a block that ran before has lost the beginning of its history
            return Presence(is_there=at is not None and any(each.began <= at for each in ran))
        return Presence(codes=frozenset(history.codes_of(era)), config=era.mark)

    def _read_results(self, block: str, ran: Sequence[BlockInRun], moment: Moment) -> Presence:
        told = next((each for each in self.publications if each.version == moment.version), None)
        configs = None if told is None else told.configs
        config = None if configs is None else configs.get(block)
        if configs is not None and config is None:
            return Presence(is_there=False)
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
        return Presence(codes=frozenset(found - foreign), config=config)

    # Names

    @cached_property
    def year(self) -> int | None:
        """The year of the newest run."""
        newest = self.timeline.results.select(MOMENT.max()).item()
        return None if newest is None else int(newest.year)

    def name(self, moment: Moment) -> Name:
        """What a version is called. One that was asked for by its name keeps it."""
        state = self.code_of(moment)
        if moment.kind == "edit":
            edits = (each.era.first for each in self.edits)
            return make_name(moment.at, edits, year=self.year)._replace(text=moment.name)
        called = {"publication": moment.name, "draft": DRAFT * bool(moment.name)}
        if asked := called.get(moment.kind):
            return Name(asked, self._find_edit(state), moment.number)
        published = self._find_publication(moment.at, state)
        if moment.kind == "previous" and published is None:
            return self._name_before(state)
        return self._name(state, published, moment.at)

    def _name_before(self, state: Mapping[str, Presence]) -> Name:
        """The edit before the newest change, if both are of one block: each block has its own."""
        now, found = self.code_of(Moment("", "draft")), list[tuple[datetime, datetime, Name]]()
        for block, its in state.items():
            before, last = (self._find_edit({block: each}) for each in (its, now[block]))
            # A configuration that was put back is as old as its first era.
            last = self.timeline.facts.saved_at.get(block) or last
            if before is not None and last is not None and its.compare(now[block]) != "same":
                found.append((last, before, self.names[block, its.config or ""]))
        last, before, named = max(found, default=(None, None, Name(BEFORE)))
        return named if before == max((each[1] for each in found), default=None) else Name(BEFORE)

    def name_run(
        self,
        at: datetime | None,
        *,
        version: str | None = None,
        codes: Mapping[str, str] | None = None,
    ) -> Name:
        """What the version of a run is called: ``v5``, ``edit of 29 Nov 19:26``.

        The run began ``at`` a moment, carries an id, and its blocks had ``codes``.
        """
        named = next((each for each in self.publications if each.version == version), None)
        moment, ran = Moment(DRAFT, "draft") if at is None else Moment("", "time", at), codes or {}
        state = {block: self._code_of(block, moment, ran.get(block)) for block in self.blocks}
        first = None if at is None else min(at, self.first_runs.get(version or "", at))
        return self._name(state, named or self._find_publication(at, state), first)

    def name_code(self, block: str, code: str, era: Era | None) -> Name:
        """What a code of a block is called: by its first publication, else by its edit."""
        if era is not None:
            return self.names[block, era.mark]
        its = Presence(codes=frozenset([code]))
        published = [
            each
            for each in self.publications
            if self._published[each.version].get(block, Presence()).compare(its) == "same"
        ]
        first = min(published, key=_find_place, default=None)
        return self._name({block: its}, first)

    def _name(
        self,
        state: Mapping[str, Presence],
        published: PublishedVersion | None,
        first: datetime | None = None,
    ) -> Name:
        version = None if published is None else published.call(self.year)
        edits = {each.era.first for each in self.edits}
        codes = ((block, code) for block, its in state.items() for code in its.codes)
        began = [at for each in codes if (at := self._first_seen.get(each)) is not None]
        at, first = self._find_edit(state), max(began, default=first)
        return make_name(at, edits, year=self.year, version=version, first=first)

    @cached_property
    def edits(self) -> list[Edit]:
        """The edits of the blocks whose history is known."""
        known = {block: its.eras for block, its in self.timeline.histories.items()}
        return list_edits(known, self.year)

    @cached_property
    def names(self) -> dict[tuple[str, str], Name]:
        """The name of each era, by its block and mark."""
        return {(each.block, each.era.mark): each.name for each in self.edits}

    def name_runs(self, results: pl.DataFrame) -> dict[str, Name]:
        """The name of the version of each run, by the codes of its blocks."""
        version, codes = pl.col("workflow_version_id").drop_nulls().first(), read_codes(results)
        runs = results.drop_nulls("run_id").group_by("run_id", maintain_order=True)
        return {
            run_id: self.name_run(at, version=carried, codes=codes.get(run_id))
            for run_id, at, carried in runs.agg(MOMENT.min().alias("at"), version).iter_rows()
        }

    def name_side(self, results: pl.DataFrame, labels: Mapping[str, str]) -> Name:
        """The name of a side, by the newest row of each eval; ``labels`` are the blocks' names.

        It is the version of the run of most evals. Then each block follows whose code is newer, or
        is an older one that was put back since.
        """
        rows = results.drop_nulls("run_id").sort(MOMENT, "run_id", nulls_last=True)
        newest = rows.unique("eval_id", keep="last", maintain_order=True)
        runs = newest.group_by("run_id", maintain_order=True).agg(n=pl.len(), at=MOMENT.max())
        if runs.is_empty():
            return Name("")
        run_id = runs.sort("n", "at", nulls_last=False)["run_id"][-1]
        main = self.name_runs(rows)[run_id]
        if main.edited_at is None or "code" not in newest.columns:
            return main
        cells = newest.drop_nulls(("block_id", "code")).select("block_id", "code").unique()
        ran = {(block, self._find_era_of(block, code)) for block, code in cells.iter_rows()}
        its = read_codes(self.timeline.results.filter(run_id=run_id)).get(run_id, {})
        other = dict[str, Edit]()
        for each in self.edits:  # of a block the newest one
            block, label = each.block, labels.get(each.block, each.block)
            if (block, each.era.mark) not in ran:
                continue
            if each.era.first > main.edited_at:
                other[block] = each._replace(label=label)
            elif block in its and self._find_era_of(block, its[block]) != each.era.mark:
                other[block] = each._replace(label=label, edit=each.name)
        state = {
            block: Presence(codes=frozenset([code]), config=self._find_era_of(block, code))
            for block, code in cells.iter_rows()
        }
        is_whole = len(state) == cells.height == len(self.blocks)
        if other and is_whole and (published := self._find_publication(None, state)):
            return self._name(state, published)
        at = max([main.edited_at, *(each.era.first for each in other.values())])
        beside = (each.within for each in other.values())
        return main._replace(text=", ".join((main.text, *beside)), edited_at=at)

    def _find_edit(self, state: Mapping[str, Presence]) -> datetime | None:
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
        for block, ran in self.timeline.ran.items():
            for each in ran:  # in the order in which the runs were created
                if each.run_id and each.code and each.created_at is not None:
                    found.setdefault((block, each.code), each.created_at)
        return found

    def _find_publication(
        self, at: datetime | None, state: Mapping[str, Presence]
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
    def _published(self) -> dict[str, dict[str, Presence]]:
        return {
            version: self.code_of(Moment(version, "publication", at, version, number))
            for version, number, at, _ in self.publications
        }


def _find_began(ran: BlockInRun) -> tuple[datetime, str]:
    return ran.began, ran.code


def _find_place(publication: PublishedVersion) -> tuple[bool, datetime | None]:
    return publication.at is not None, publication.at


def _list_newest(ran: Sequence[BlockInRun], at: datetime | None) -> list[str]:
    """The code of the newest result until a moment, if there is one."""
    codes = [each.code for each in ran if at is None or each.began <= at]
    return codes[-1:]
