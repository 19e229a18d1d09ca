"""Which code of a block is the present one: the API's word, then the block's history and save.

The order of trust, eval by eval first:

a. *Validity*: a saved eval tells the validity of its block as it is now, and of three remembered
   runs. If both are equal, the run's code is present; if they differ, it is old for this eval.
b. *Fresh*: the code of the newest run is present.
c. *Stale by an edit*: the code of the newest run is old for this eval.

A code that is old for an eval is never present for it, whatever the block says: the *veto*. It does
not hold if the validity of another remembered run on that code is the present one. Then the block:

d. Codes that are present for an eval are present for all its evals.
e. If its evals are stale: what ran after the block was saved, on a code that is old for none. If
   that time is not known, the newest code that was seen first after all old ones.
f. If the API says nothing: the codes of the draft's era; else what ran after the save.
g. If there is nothing at all: the code of the newest result, which is then ``unknown``.

A result without a code is judged by the save: it is present if its run was created after that. But
a draft that ran before the save is of older code, if another draft ran first after it. If the API
calls the newest result stale, and that is of such a draft, the results of newer drafts are present.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

NO_EDIT = frozenset(("inputs_changed", "engine_changed", "metrics_engine_changed"))
"""Why a result may be out of date without an edit of the block's configuration."""

NEVER_RAN = "no_baseline"

Word = Literal["is_now", "is_not", "unknown"]
"""Whether a result is of the present code, or of the present definition."""

OPEN = ("pending", "queued", "running")
_TICK = timedelta(microseconds=1)


class Ran(Struct, frozen=True, gc=False):
    """A code in a run, from its first result on. The run was created before that began.

    ``code`` is empty if it is not known. If only a saved eval remembers it, it has no run.
    ``draft`` is None where ``version``, the id of the run, does not tell one code from another.
    """

    run_id: str | None
    code: str
    created: datetime
    began: datetime
    draft: str | None = None
    version: str | None = None


class SavedWord(Struct, frozen=True, gc=False):
    """The API's word about one saved eval.

    ``now`` and ``old`` are codes of its block.
    """

    eval_id: str
    word: Literal["fresh", "stale", "silent"]
    now: frozenset[str] = frozenset()
    old: frozenset[str] = frozenset()
    ended: datetime | None = None  # when its newest run ended
    began: datetime | None = None  # when its newest run was created, as far as is known
    draft: str | None = None  # of its newest result, if that has no code


class Presence(Struct, frozen=True, gc=False):
    """The present codes of a block.

    A result without a code has one of them if its run was created after ``after``, and its draft is
    not among the ``older``. ``own`` has the presence of each eval, in a block whose evals have
    different codes in one run.
    """

    sign: Literal["fresh", "validity", "stale", "history", "saved", "newest", "asked"]
    codes: frozenset[str] = frozenset()
    after: datetime | None = None
    told: Mapping[str, SavedWord] = {}
    own: Mapping[str, Presence] = {}
    older: frozenset[str] = frozenset()

    def judge(
        self,
        eval_id: str | None,
        code: str | None,
        created: datetime | None,
        draft: str | None = None,
    ) -> Word:
        """Whether a result of an eval is of the present code."""
        told = self.told.get(eval_id or "")
        its = self.own.get(eval_id or "", self)
        if code is None:
            return its._judge_by_time(told, created, draft)
        if code not in its.codes or (told is not None and code in told.old):
            return "is_not"
        return "unknown" if its.sign == "newest" else "is_now"

    def _judge_by_time(
        self, told: SavedWord | None, created: datetime | None, draft: str | None
    ) -> Word:
        if told is not None and told.word == "stale":
            is_newer = None not in (told.ended, created) and created > told.ended  # type: ignore[operator]
            if not is_newer and (draft is None or told.draft not in self.older):
                return "is_not"
        elif self.sign == "newest":
            return "unknown"
        if self.sign == "asked":
            return "is_not"
        if self.after is None:
            return "is_not" if self.sign == "stale" else "unknown"
        is_after = created is not None and created > self.after
        return "is_now" if is_after and draft not in self.older else "is_not"


def read_words(saved: pl.DataFrame, newest: Mapping[str, Ran]) -> dict[str, list[SavedWord]]:
    """The API's word about the saved evals of each block.

    ``saved`` is an EVALS frame, ``newest`` has each eval's newest result.
    """
    rows = saved.to_dicts()
    fresh = [row for row in rows if _find_word(row) == "fresh"]
    known = [
        row.get("present_validity") == row.get("latest_validity")
        for row in fresh
        if None not in (row.get("present_validity"), row.get("latest_validity"))
    ]
    agree = sum(known)
    counts = not known or 2 * (len(known) - agree) < len(known)
    found: dict[str, list[SavedWord]] = {}
    for row in rows:
        its = newest.get(row["eval_id"])
        told = _read_eval(row, its, is_equality_sure=counts, is_difference_sure=agree > 0)
        found.setdefault(row["block_id"], []).append(told)
    return found


def _find_word(row: Mapping[str, Any]) -> Literal["fresh", "stale", "silent"]:
    status, reasons = row["freshness_status"], {*(row["freshness_reasons"] or "").split(", ")}
    if row["latest_run_status"] in OPEN and row["latest_block_fingerprint"] is None:
        # It speaks of a run that is still to tell its code.
        status = "unknown" if status == "fresh" else status
    if status == "fresh" or (status == "stale" and reasons <= NO_EDIT):
        return "fresh"
    return "stale" if status == "stale" and NEVER_RAN not in reasons else "silent"


def _read_eval(
    row: Mapping[str, Any],
    ran: Ran | None,  # its newest result
    *,
    is_equality_sure: bool,
    is_difference_sure: bool,
) -> SavedWord:
    word, present = _find_word(row), row.get("present_validity")
    newest = row["latest_block_fingerprint"]
    by_time = "" if ran is None else ran.code
    now, old, vouched = set[str](), set[str](), set[str]()
    for name in ("latest", "last_passed", "last_failed"):
        code, validity = row[f"{name}_block_fingerprint"], row.get(f"{name}_validity")
        is_newest = name == "latest" or row.get(f"{name}_at") == row["latest_run_completed_at"]
        if None in (present, code, validity):
            continue
        if present == validity:
            # A validity that contradicts its own reason says nothing about that run.
            if is_equality_sure and not (word == "stale" and is_newest):
                now.add(code)
                vouched |= set() if is_newest else {code}
        elif word == "stale" or (is_difference_sure and row["freshness_status"] != "stale"):
            old.add(code)
    if word == "fresh":
        now |= {newest or by_time} - {""}
    elif word == "stale":
        lent = by_time if ran is not None and _is_of_summary(ran, row) else ""
        old |= {newest or lent} - {""}
    return SavedWord(
        row["eval_id"],
        word,
        frozenset(now),
        frozenset(old - vouched),
        row["latest_run_completed_at"],
        find_began(row) if ran is None else ran.created,
        None if ran is None or newest or by_time else ran.draft,
    )


def _is_of_summary(ran: Ran, row: Mapping[str, Any]) -> bool:
    """Whether the newest result is no newer than the newest run that a saved eval remembers."""
    ended = row["latest_run_completed_at"]
    return row["latest_run_status"] in OPEN if ended is None else bool(ran.created <= ended)


def find_began(row: Mapping[str, Any]) -> datetime | None:
    """When the newest remembered run of a saved eval began."""
    ended, took = row["latest_run_completed_at"], row["latest_run_duration_ms"] or 0
    return None if ended is None else ended - timedelta(milliseconds=took)


def find_presence(
    told: Sequence[SavedWord],
    ran: Sequence[Ran],
    saved_at: datetime | None = None,
    era_codes: Collection[str] | None = None,
    of_evals: Mapping[str, Sequence[Ran]] = {},
) -> Presence:
    """The present codes of a block.

    ``ran`` are its codes in the order of time, ``of_evals`` those of each eval, in a block whose
    evals have different codes in one run. ``saved_at`` is when it was saved last. ``era_codes`` are
    the codes of the draft's era, None if they are not known.
    """
    found = _find_one(told, ran, saved_at, era_codes)
    if saved_at is not None and (found.sign != "fresh" or found.after == saved_at):
        fresh = {each.draft for each in told if each.word == "fresh"}
        found = replace(found, older=_list_older_drafts(ran, saved_at) - fresh)
    if not of_evals:
        return found
    words = {each.eval_id: [each] for each in told}
    own = {
        name: _find_one(words.get(name, ()), of_evals.get(name, ()), saved_at, era_codes)
        for name in {**words, **of_evals}
    }
    return replace(found, own=own)


def is_mixed(ran: Sequence[Ran], saved_at: datetime | None) -> bool:
    """Whether a block has several codes in one run since its last save."""
    codes: dict[str, set[str]] = {}
    for each in ran:
        is_since = saved_at is None or each.began > saved_at
        if is_since and each.run_id is not None and each.code:
            codes.setdefault(each.run_id, set()).add(each.code)
    return any(len(each) > 1 for each in codes.values())


def _find_one(
    told: Sequence[SavedWord],
    ran: Sequence[Ran],
    saved_at: datetime | None,
    era_codes: Collection[str] | None,
) -> Presence:
    its = {each.eval_id: each for each in told}
    fresh = [each for each in told if each.word == "fresh"]
    now = frozenset[str]().union(*(each.now for each in told))
    if fresh:
        began = min((each.began for each in fresh if each.began is not None), default=None)
        since = [at for at in (saved_at, began and began - _TICK) if at is not None]
        return Presence("fresh", now, min(since, default=None), its)
    if now:
        return Presence("validity", now, saved_at, its)
    coded = [each for each in ran if each.code]
    if any(each.word == "stale" for each in told):
        old = frozenset[str]().union(*(each.old for each in told))
        rest = [each for each in coded if each.code not in old]
        chosen = _choose_newer(coded, rest) if saved_at is None else _choose_since(rest, saved_at)
        return Presence("stale", _codes(chosen), saved_at, its)
    if era_codes is not None:
        return Presence("history", frozenset(era_codes), saved_at, its)
    if saved_at is not None:
        return Presence("saved", _codes(_choose_since(coded, saved_at)), saved_at, its)
    return Presence("newest", _codes(coded[-1:]), None, its)


def _list_older_drafts(ran: Sequence[Ran], saved_at: datetime) -> frozenset[str]:
    """The drafts that ran before a save, if another one ran first after it."""
    drafted = [each for each in ran if each.draft is not None]
    before = {each.draft for each in drafted if each.began <= saved_at}
    since = {each.draft for each in drafted if each.created > saved_at} - before
    return frozenset(before) if since else frozenset()  # type: ignore[arg-type]


def _codes(ran: Sequence[Ran]) -> frozenset[str]:
    return frozenset(each.code for each in ran)


def _choose_newer(ran: Sequence[Ran], rest: Sequence[Ran]) -> Sequence[Ran]:
    """The newest code of the rest, if it was seen first after all others that ran.

    An earlier code is the present one only if it was put back, and then it has not run since.
    """
    first: dict[str, int] = {}
    for at, each in enumerate(ran):
        first.setdefault(each.code, at)
    others = first.keys() - {each.code for each in rest}
    newest = max((first[code] for code in others), default=-1)
    return [each for each in rest if first[each.code] > newest][-1:]


def _choose_since(ran: Sequence[Ran], saved_at: datetime) -> Sequence[Ran]:
    """The newest code that never ran before a save, else the first that ran after it.

    A run that was created before the save and began after it may be on either code: a known one
    is the old one, a new one the saved one.
    """
    before = {each.code for each in ran if each.began <= saved_at}
    first = {each.code: each for each in reversed(ran) if each.code not in before}
    if first:
        return [max(first.values(), key=lambda each: each.began)]
    return [each for each in ran if each.created > saved_at][:1]
