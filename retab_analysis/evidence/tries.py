"""Tries: the codes of a block in time, and what each of them mended and broke.

A try begins at each change of code. An era of the block's history without a result is a try that
has not run. So is a code that was put back and has not run since. *Mended* and *broke* compare
a try with the newest earlier one that ran. An eval with both a pass and a failure at a try is
*mixed*, and is in neither.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Any

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from retab_analysis.evidence.cells import BEGAN
from retab_analysis.evidence.names import Name, make_name
from retab_analysis.evidence.story import Story
from retab_analysis.evidence.timeline import BlockHistory, Era
from retab_analysis.evidence.versions import Versions
from retab_analysis.vocabulary import DECIDED, NOT_PASSING


class Try(Struct, frozen=True):
    """One code of a block in time.

    ``states`` has the state of each eval that ended: ``passed``, ``failed``, ``mixed`` or
    ``error``. ``values`` has the newest actual value of each, as JSON. ``of`` are the evals that
    did not pass at the try before and ran at this one, ``mended`` those of them that pass.
    """

    code: str | None
    name: Name
    edited_at: datetime | None
    first_run_at: datetime | None = None
    last_run_at: datetime | None = None
    states: Mapping[str, str] = {}
    values: Mapping[str, str | None] = {}
    is_present: bool = False
    is_put_back: bool = False  # whether an earlier try had this code
    back: Name | None = None  # of the save that put it back, if it has not run since
    era: Era | None = None  # if the history of its block is known
    draft: Mapping[str, Any] | None = None  # the block of the draft, of the present code
    runs: frozenset[str] = frozenset()
    of: frozenset[str] = frozenset()
    mended: frozenset[str] = frozenset()
    broke: frozenset[str] = frozenset()

    @property
    def began_at(self) -> datetime:
        """When it was edited, else when it ran first."""
        began = self.edited_at or self.first_run_at
        assert began is not None
        return began

    @property
    def config(self) -> Mapping[str, Any] | None:
        """Its block as it was, a row of BLOCKS, as far as that is known."""
        return self.draft if self.era is None else self.era.config

    def read(self, name: str) -> str:
        """A text of its configuration, its prompt for example; empty if it is not known."""
        known = json.loads((self.config or {}).get("config") or "{}").get(name)
        return known if isinstance(known, str) else ""

    @property
    def has_run(self) -> bool:
        return bool(self.states)

    def count(self, state: str) -> int:
        return [*self.states.values()].count(state)

    @property
    def is_good(self) -> bool:
        """Whether it ran, and no eval simply failed."""
        return self.has_run and not self.failing

    @property
    def passed(self) -> frozenset[str]:
        return frozenset(each for each, state in self.states.items() if state == "passed")

    @property
    def failing(self) -> frozenset[str]:
        states = ("failed", "error")
        return frozenset(each for each, state in self.states.items() if state in states)


def list_tries(
    versions: Versions,
    block: str,
    *,
    since: datetime | None = None,
    draft: Mapping[str, Any] | None = None,
) -> list[Try]:
    """The tries of a block, the oldest first.

    ``since`` is the moment from which on all runs were read: earlier eras may have run. ``draft``
    is the block as it is now, a row of BLOCKS.
    """
    timeline = versions.timeline
    history = timeline.histories.get(block)
    saved = timeline.facts.saved.filter(block_id=block)["eval_id"]
    ended = pl.col("state").is_in((*DECIDED, "error"))
    results = timeline.results.filter(
        ended, pl.col("eval_id").is_in(saved.implode()), block_id=block
    )
    rows = results.with_columns(began=BEGAN).drop_nulls(("began", "code")).sort("began", "code")
    stretch = pl.col("code").ne(pl.col("code").shift(1)).fill_null(True).cum_sum()
    found, seen = list[Try](), set[str]()
    for its in rows.with_columns(stretch=stretch).partition_by("stretch", maintain_order=True):
        found.append(_read_stretch(its, block, versions, history, seen))
    ran = {each.code for each in found}
    for era in () if history is None else history.eras:
        has_run = history is not None and not ran.isdisjoint(history.codes_of(era))
        if not has_run and (since is None or era.first > since):
            name = versions.names[block, era.mark]
            found.append(Try(None, name, era.first, is_present=era.is_draft, era=era))
    found.sort(key=attrgetter("began_at"))
    told = _mark_present(found, versions, block)
    return [*_compare(replace(e, draft=draft) if e.is_present else e for e in told)]


def _read_stretch(
    rows: pl.DataFrame,
    block: str,
    versions: Versions,
    history: BlockHistory | None,
    seen: set[str],
) -> Try:
    code, first = rows["code"][0], rows["began"][0]
    is_put_back = code in seen
    era: Era | None = None if history is None else history.find(first, code)
    edited_at = None if era is None or is_put_back else era.first
    seen.add(code)
    passed, failed = (
        {*rows.filter(pl.col("state").is_in(states))["eval_id"]}
        for states in (("passed",), NOT_PASSING)
    )
    states = {
        each: "mixed" if each in passed & failed else "passed" if each in passed else "failed"
        for each in sorted(passed | failed)
    }
    newest = rows.unique("eval_id", keep="last", maintain_order=True)
    for eval_id in newest["eval_id"]:
        states.setdefault(eval_id, "error")
    return Try(
        code,
        versions.name_code(block, code, era),
        edited_at,
        first,
        rows["began"][-1],
        states,
        dict(newest.select("eval_id", "actual_value").iter_rows()),
        is_put_back=is_put_back,
        era=era,
        runs=frozenset(rows["run_id"].drop_nulls()),
    )


def _mark_present(found: Sequence[Try], versions: Versions, block: str) -> list[Try]:
    """Mark the newest try on the present code; it may have been put back without a run."""
    presence = versions.timeline.presences.get(block)
    saved_at = versions.timeline.facts.saved_at.get(block)
    codes = frozenset[str]() if presence is None else presence.codes
    history = versions.timeline.histories.get(block)
    if not codes and history is not None and history.draft is not None:
        # Nobody vouches for a code, but the history names that of the draft.
        codes = frozenset(history.codes_of(history.draft))
    if any(each.is_present for each in found) or not codes:
        return [*found]
    newest = max((at for at, each in enumerate(found) if each.code in codes), default=None)
    if newest is None:
        return [*found]
    told = [replace(each, is_present=at == newest) for at, each in enumerate(found)]
    if newest == len(found) - 1:
        edited_at, first = told[-1].edited_at, told[-1].first_run_at
        if edited_at is None and None not in (saved_at, first) and saved_at <= first:  # type: ignore[operator]
            edited_at = saved_at
        return [*told[:-1], replace(told[-1], edited_at=edited_at)]
    last = found[-1].last_run_at or found[-1].edited_at
    if saved_at is None or last is None or saved_at <= last:
        return told
    name = make_name(saved_at, year=versions.year)
    back = replace(found[newest], edited_at=saved_at, is_put_back=True, is_present=True, back=name)
    unrun = replace(
        back, states={}, values={}, first_run_at=None, last_run_at=None, runs=frozenset()
    )
    return [*found, unrun]


def find_last_good(tries: Sequence[Try]) -> int | None:
    """The place of the newest good try before the newest one."""
    places = (at for at, each in enumerate(tries[:-1]) if each.is_good)
    return max(places, default=None)


def list_ran(tries: Sequence[Try]) -> list[Try]:
    """The tries that ran after the last good code; all that ran, if there are not two of them."""
    at = find_last_good(tries)
    later = [] if at is None else [each for each in tries[at + 1 :] if each.has_run]
    return later if len(later) > 1 else [each for each in tries if each.has_run]


def find_best(tries: Sequence[Try]) -> Try | None:
    """The try with the most passes, the newest of equals; of two or more those since the last good.

    A single try is compared with that code.
    """
    return max(reversed(list_ran(tries)), key=lambda each: len(each.passed), default=None)


def say_on(tries: Sequence[Try], day: date | None) -> list[Try]:
    """The tries with their names as they are said on a day."""
    return [
        replace(each, name=each.name.on(day), back=each.back and each.back.on(day))
        for each in tries
    ]


class LastTry(Struct, frozen=True):
    """The newest edit that ran, of a block that broke before it.

    ``is_newest`` is whether the block was not edited again since. ``before`` is the try that it is
    compared with.
    """

    block: str
    its: Try
    before: Try
    is_newest: bool = True


def find_last_try(tries: Sequence[Try], block: str, runs: Collection[str]) -> LastTry | None:
    """The newest try in some runs, if evals that it ran did not pass before.

    A try that lies before the present code in the order of codes is none: that code came back and
    has not run since.
    """
    ran = [each for each in tries if each.has_run]
    newest = next((each for each in reversed(ran) if not each.runs.isdisjoint(runs)), None)
    if newest is None or not newest.of or find_put_back(tries) is not None:
        return None
    is_last = newest is tries[-1] or tries[tries.index(newest) + 1].has_run
    return LastTry(block, newest, ran[ran.index(newest) - 1], is_last)


def find_put_back(tries: Sequence[Try]) -> Try | None:
    """The present code, if it was put back and has not run since."""
    newest = tries[-1] if tries else None
    return newest if newest is not None and newest.is_put_back and not newest.has_run else None


def find_before(tries: Sequence[Try]) -> Try | None:
    """The newest try that ran on the code that was put back and has not run since."""
    back = find_put_back(tries)
    same = (each for each in reversed(tries[:-1]) if back is not None and each.code == back.code)
    return next(same, None)


def find_edit(tries: Sequence[Try], story: Story) -> Try | None:
    """The edit that broke an eval: the code in the run since which it is broken."""
    ran = [each for each in tries if story.since_run_id in each.runs]
    codes = {each.code for each in story.outcomes if each.run_id == story.since_run_id}
    return next((each for each in ran if each.code in codes), ran[-1] if ran else None)


def _compare(tries: Iterable[Try]) -> Iterator[Try]:
    """Tell what each try mended and broke, compared with the newest earlier one that ran."""
    before: Try | None = None
    for each in tries:
        if before is None or not each.has_run:
            yield each
        else:
            of = before.failing.intersection(each.states)
            broke = before.passed & each.failing
            yield replace(each, of=of, mended=of & each.passed, broke=broke)
        before = each if each.has_run else before
