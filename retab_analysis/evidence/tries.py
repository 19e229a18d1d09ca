"""Tries: the codes of a block, and what each of them mended and broke.

A try is one code: a code that came back is the try it was, with all its runs. A save that has not
run is a try, too. *Mended* goes by the verdict of the try before, *broke* by its own. An eval
that is flaky, or *mixed* at a try (it passed and failed there), is in neither.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from retab_analysis.evidence.cells import BEGAN
from retab_analysis.evidence.comparable import CANDIDATE, EARLIER, collect
from retab_analysis.evidence.names import Name, make_name
from retab_analysis.evidence.since import weigh
from retab_analysis.evidence.story import Story
from retab_analysis.evidence.timeline import Era
from retab_analysis.evidence.versions import Versions
from retab_analysis.vocabulary import BROKEN, DECIDED

_CLEAR = 2  # so many evals more pass at the best try than at each other one


class TryVerdict(Struct, frozen=True):
    """What the verdict of a try says of evals: which are broken, and which of them since this try.

    ``came`` are those that are broken since this try by the likeliest reading.
    """

    broken: frozenset[str] = frozenset()
    came: frozenset[str] = frozenset()
    flaky: frozenset[str] = frozenset()


class Try(Struct, frozen=True):
    """One code of a block.

    ``states`` has the state of each eval that ended: ``passed``, ``failed``, ``mixed`` or
    ``error``. ``values`` has the newest actual value of each, as JSON. ``of`` are the evals that
    the verdict of the try before calls broken and that ran at this one. ``mended`` are those of
    them that pass, and that its own verdict does not call broken. ``broke`` are those that it calls
    broken since this try, ``unclear`` others that passed at the try before and fail here.

    ``config`` is its block as it was, a row of BLOCKS, as far as that is known.
    """

    code: str | None
    name: Name
    began_at: datetime  # when it was edited, else when it ran first
    edited_at: datetime | None
    first_run_at: datetime | None = None
    last_run_at: datetime | None = None
    states: Mapping[str, str] = {}
    values: Mapping[str, str | None] = {}
    runs: frozenset[str] = frozenset()
    number: int | None = None  # its place among the codes of its block
    is_present: bool = False
    again: Name | None = None  # the save that put it in again, after later codes
    is_waiting: bool = False  # whether it has not run since
    era: Era | None = None  # if the history of its block is known
    config: Mapping[str, Any] | None = None
    verdict: TryVerdict = TryVerdict()
    of: frozenset[str] = frozenset()
    mended: frozenset[str] = frozenset()
    broke: frozenset[str] = frozenset()
    unclear: frozenset[str] = frozenset()

    def read(self, name: str) -> str:
        """A text of its configuration, its prompt for example; empty if it is not known."""
        known = json.loads((self.config or {}).get("config") or "{}").get(name)
        return known if isinstance(known, str) else ""

    @property
    def has_run(self) -> bool:
        return bool(self.states)

    def list(self, *states: str) -> frozenset[str]:
        """The evals with some states."""
        return frozenset(each for each, state in self.states.items() if state in states)

    @property
    def passed(self) -> frozenset[str]:
        return self.list("passed")

    @property
    def is_good(self) -> bool:
        """Whether it ran, and no eval simply failed."""
        return self.has_run and not self.list("failed", "error")

    def count_passes(self, other: Try) -> tuple[int, int, int]:
        """How many evals pass at this try and at another, of how many that both ran.

        Evals that are flaky, or mixed at one of them, do not count.
        """
        aside = self.verdict.flaky | other.verdict.flaky | self.list("mixed") | other.list("mixed")
        both = frozenset(self.states).intersection(other.states) - aside
        return len(both & self.passed), len(both & other.passed), len(both)

    def leads(self, other: Try, by: int) -> bool:
        mine, its, of = self.count_passes(other)
        return of > 0 and mine - its >= by


def list_tries(
    versions: Versions,
    block: str,
    *,
    stories: Collection[Story] = (),
    since: datetime | None = None,
    draft: Mapping[str, Any] | None = None,
) -> list[Try]:
    """The tries of a block, in the order of their codes.

    ``stories`` are the verdict on the newest of them. ``since`` is the moment from which on all
    runs were read: earlier eras may have run. ``draft`` is the block as it is now, a row of BLOCKS.
    """
    timeline = versions.timeline
    history = timeline.histories.get(block)
    saved = timeline.facts.saved.filter(block_id=block)["eval_id"]
    results = timeline.results.filter(pl.col("eval_id").is_in(saved.implode()), block_id=block)
    ended = results.filter(pl.col("state").is_in((*DECIDED, "error"))).with_columns(began=BEGAN)
    rows = ended.drop_nulls(("began", "code")).sort("began", "code")
    found = [
        _read_code(its, block, versions) for its in rows.partition_by("code", maintain_order=True)
    ]
    ran = {each.code for each in found}
    for era in () if history is None else history.eras:
        has_run = history is not None and not ran.isdisjoint(history.codes_of(era))
        if not has_run and (since is None or era.first > since):
            name, at = versions.names[block, era.mark], era.first
            found.append(Try(None, name, at, at, is_present=era.is_draft, era=era))
    found = _mark_present(found, versions, block)
    told = []
    for place, each in enumerate(sorted(found, key=lambda each: each.began_at), start=1):
        number = place if history is None else each.era and each.era.number
        config = each.era.config if each.era else draft if each.is_present else None
        told.append(replace(each, number=number, config=config))
    return [*_compare(told, ended, stories)]


def _read_code(rows: pl.DataFrame, block: str, versions: Versions) -> Try:
    """A code with all its results."""
    code, first = rows["code"][0], rows["began"][0]
    history = versions.timeline.histories.get(block)
    era = None if history is None else history.find(first, code)
    edited_at = None if era is None else era.first
    newest = rows.unique("eval_id", keep="last", maintain_order=True)
    states = dict.fromkeys(newest["eval_id"].sort(), "error")
    for eval_id, state in rows.filter(pl.col("state") != "error")["eval_id", "state"].iter_rows():
        now = "passed" if state == "passed" else "failed"
        states[eval_id] = now if states[eval_id] in ("error", now) else "mixed"
    return Try(
        code,
        versions.name_code(block, code, era),
        edited_at or first,
        edited_at,
        first,
        rows["began"][-1],
        states,
        dict(newest.select("eval_id", "actual_value").iter_rows()),
        frozenset(rows["run_id"].drop_nulls()),
        era=era,
    )


def _mark_present(found: list[Try], versions: Versions, block: str) -> list[Try]:
    """Mark the try on the present code; it may have been put in again, with or without a run."""
    presence = versions.timeline.presences.get(block)
    saved_at = versions.timeline.facts.saved_at.get(block)
    codes = frozenset[str]() if presence is None else presence.codes
    history = versions.timeline.histories.get(block)
    if not codes and history is not None and history.draft is not None:
        # Without a voucher for a code, the history names the draft's.
        codes = frozenset(history.codes_of(history.draft))
    its = [each for each in found if each.has_run and each.code in codes]
    if any(each.is_present for each in found) or not its:
        return found
    now = max(its, key=_find_last)
    others = [each for each in found if each is not now]
    last = max(map(_find_last, others), default=(now.began_at, now.began_at))
    is_waiting = _find_last(now) < last
    is_saved = saved_at is not None and saved_at > last[0]
    if last[0] > (now.first_run_at or now.began_at) and (is_saved or not is_waiting):
        again = make_name(saved_at, year=versions.year) if is_saved else Name("")
        now = replace(now, again=again, is_waiting=is_waiting)
    elif now.edited_at is None and saved_at is not None and saved_at <= now.began_at:
        now = replace(now, edited_at=saved_at)
    return [*others, replace(now, is_present=True)]


def _find_last(its: Try) -> tuple[datetime, datetime]:
    """When a try ran last, else when it was edited; of two codes in one run the later is last."""
    return its.last_run_at or its.began_at, its.began_at


def _compare(
    tries: Sequence[Try], results: pl.DataFrame, stories: Collection[Story]
) -> Iterator[Try]:
    """Tell what each try mended and broke, compared with the newest earlier one that ran."""
    judged = {each.run_id for story in stories for each in story.present}
    ran = [each for each in tries if each.has_run and not each.runs.isdisjoint(judged)]
    newest = max(ran, key=_find_last, default=None)
    later = {each.code for each in tries if each.code is not None}
    before: Try | None = None
    for each in tries:
        if not each.has_run:
            yield each
            continue
        later.discard(each.code or "")
        is_later = pl.col("code").fill_null("").is_in([*later])
        known = results.filter(~is_later, pl.col("began") <= each.last_run_at)
        told = _tell_verdict(stories, each) if each is newest else _find_verdict(known, each)
        its = replace(each, verdict=told)
        if before is not None:
            fail, steady = its.list("failed", "error"), its.states.keys() - told.flaky
            good, bad = before.passed - before.verdict.broken, before.verdict.broken - before.passed
            broke = fail & told.broken & (told.came | good) - bad
            of = before.verdict.broken & steady
            its = replace(
                its,
                of=of,
                mended=of & its.passed - told.broken,
                broke=broke,
                unclear=fail & before.passed - broke - told.flaky,
            )
        yield its
        before = its


def _tell_verdict(stories: Collection[Story], its: Try) -> TryVerdict:
    broken = [each for each in stories if each.transition in BROKEN]
    return TryVerdict(
        frozenset(each.id for each in broken),
        frozenset(each.id for each in broken if each.since_run_id in its.runs),
        frozenset(each.id for each in stories if each.transition == "flaky"),
    )


def _find_verdict(known: pl.DataFrame, its: Try) -> TryVerdict:
    """What a check would have said after the last run of a try, of results until then."""
    is_its = pl.col("code").eq_missing(its.code)
    newest = known.filter(is_its).sort("began")["run_id"][-1]
    is_now = is_its & pl.col("run_id").eq_missing(newest)
    side = pl.when(is_now).then(CANDIDATE).otherwise(EARLIER).cast(pl.Int8)
    ledger = collect(known.with_columns(side=side))
    found = weigh(ledger)
    own = set(ledger.results.filter(is_its).drop_nulls("row").select("eval", "row").iter_rows())
    came = [(at, row) in own for at, row in enumerate(found.overall.since)]
    ids = ledger.evals["eval_id"]
    broken, flaky = found.is_broken, found.is_flaky & ~found.is_broken
    masks = broken, broken & np.asarray(came, dtype=np.bool_), flaky
    return TryVerdict(*(frozenset(ids.filter(pl.Series(each, dtype=pl.Boolean))) for each in masks))


def find_last_good(tries: Sequence[Try]) -> Try | None:
    """The newest good try before the newest one."""
    return next((each for each in reversed(tries[:-1]) if each.is_good), None)


def choose(tries: Sequence[Try]) -> tuple[Try | None, bool | None]:
    """The try whose prompt is handed out, and whether it is the best one; None without another.

    Tries are compared after the last good code, on the evals that both ran. The *leading* ones are
    those that no other beats there; the best one passes two evals more than each other.
    """
    good, now = find_last_good(tries), next((e for e in tries if e.is_present and e.has_run), None)
    after = 0 if good is None else tries.index(good) + 1
    ran = [each for at, each in enumerate(tries) if each.has_run and (at >= after or each is now)]
    leading = [each for each in ran if not any(other.leads(each, 1) for other in ran)]
    best = [e for e in leading if all(e.leads(other, _CLEAR) for other in ran if other is not e)]
    chosen = leading[-1] if leading else good
    if now is not None and (now.is_good or now in leading):
        chosen = now
    chosen = best[0] if best and chosen in leading else chosen
    return chosen, chosen in best if ran[1:] else None


def say_on(tries: Sequence[Try], day: date | None) -> list[Try]:
    """The tries with their names as they are said on a day."""
    return [
        replace(each, name=each.name.on(day), again=each.again and each.again.on(day))
        for each in tries
    ]


class LastTry(Struct, frozen=True):
    """The newest edit that ran, of a block that broke before it.

    ``is_newest`` is whether the block was not edited again since.
    """

    block: str
    its: Try
    is_newest: bool = True


def find_last_try(tries: Sequence[Try], block: str, runs: Collection[str]) -> LastTry | None:
    """The newest try in some runs, if evals that it ran were broken before.

    If the present code is an earlier one, there is none.
    """
    ran = [each for each in tries if not each.runs.isdisjoint(runs)]
    its = max(ran, key=_find_last, default=None)
    is_back = any(
        each.again or (each.is_present and each.has_run > (each is its)) for each in tries
    )
    if its is None or not its.of or is_back:
        return None
    later = tries[tries.index(its) + 1 :]
    return LastTry(block, its, not later or later[0].has_run)


def find_edit(tries: Sequence[Try], story: Story) -> Try | None:
    """The edit that broke an eval: the code in the run since which it is broken."""
    ran = [each for each in tries if story.since_run_id in each.runs]
    codes = {each.code for each in story.outcomes if each.run_id == story.since_run_id}
    return next((each for each in ran if each.code in codes), ran[-1] if ran else None)
