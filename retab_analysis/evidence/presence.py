"""Which code of a block is the present one. A guess may redden a verdict, and never whitens one.

A result is of the present code only if somebody vouches for it:

1. *The API*, eval by eval. If an eval is fresh, or stale for a reason that is no edit, the code of
   its newest run is present. So is the code of a remembered run whose validity is the present one,
   unless that contradicts the status. Such a code is present for all evals of the block. But if the
   API calls an eval stale by an edit, the code of its newest run is old for that eval: the *veto*.
2. *The save*, if the API calls no eval of the block fresh or stale: the codes of runs that were
   created after it, and that were not seen before it; without such, those of the first run after
   it. If the API calls evals stale and vouches for nothing, these codes *may be* present, which is
   enough for a break, and not for a pass.
3. *Nobody*, otherwise. If there was no sign at all, the edits of the block are *unseen*.

Histories and publications name codes. They never vouch. A result without a code is present if it is
the newest of a fresh eval, or if its run was created after the save.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from retab_analysis.evidence.cells import BlockInRun, is_after

NO_EDIT = frozenset(("inputs_changed", "engine_changed", "metrics_engine_changed"))
"""Why a result may be out of date without an edit of the block's configuration."""

Word = Literal["is_now", "may_be", "is_not", "unknown"]
"""Whether a result is of the present code, or of the present definition."""

Sameness = Literal["same", "edited", "unknown"]

OPEN = ("pending", "queued", "running")


class SavedWord(Struct, frozen=True, gc=False):
    """The API's word about one saved eval.

    ``now`` and ``old`` are codes of its block. The run of its ``newest`` result was created then.
    """

    eval_id: str
    word: Literal["fresh", "stale", "silent"]
    now: frozenset[str] = frozenset()
    old: frozenset[str] = frozenset()
    newest: datetime | None = None


_SILENT = SavedWord("", "silent")


class Presence(Struct, frozen=True, gc=False):
    """The present codes of a block, and who vouches for them; or those of a version.

    If nobody does, and there is no sign at all, ``sign`` is ``none``, and ``codes`` has the newest
    code that ran. ``likely`` are codes that may be present, if the API vouches for none.
    ``saved_at`` is when the block was saved last. ``config`` tells its configuration from others.
    Without codes and a configuration it is not known. ``is_there``: whether there is a block.
    """

    sign: Literal["api", "save", "none", "asked"] = "asked"
    codes: frozenset[str] = frozenset()
    likely: frozenset[str] = frozenset()
    saved_at: datetime | None = None
    told: Mapping[str, SavedWord] = {}
    config: str | None = None
    is_there: bool = True

    def compare(self, other: Presence) -> Sameness:
        if not (self.is_there and other.is_there):
            return "edited" if self.is_there or other.is_there else "same"
        if self.config is not None and self.config == other.config:
            return "same"
        if self.codes & other.codes:  # without a sign, no edit since would be seen
            return "unknown" if "none" in (self.sign, other.sign) else "same"
        # Configurations may differ; without codes it is not known which results are of which.
        return "edited" if self.codes and other.codes else "unknown"

    def judge(self, eval_id: str | None, code: str | None, created: datetime | None) -> Word:
        """Whether a result of an eval is of the present code."""
        if self.sign == "none":
            return "unknown"
        told = self.told.get(eval_id or "", _SILENT)
        if code is not None:
            is_old = code in told.old
            may_be: Word = "may_be" if code in self.likely and not is_old else "is_not"
            return "is_now" if code in self.codes and not is_old else may_be
        is_newest = told.word == "fresh" and created == told.newest
        is_since = is_after(created, self.saved_at) and told.word != "stale"
        return "is_now" if is_newest or is_since else "is_not"


def _find_word(row: Mapping[str, Any]) -> Literal["fresh", "stale", "silent"]:
    status, reasons = row["freshness_status"], {*(row["freshness_reasons"] or "").split(", ")}
    # Else it speaks of a run that is still to tell its code.
    is_known = row["latest_run_status"] not in OPEN or row["latest_block_fingerprint"] is not None
    if (status == "fresh" and is_known) or (status == "stale" and reasons <= NO_EDIT):
        return "fresh"
    return "stale" if status == "stale" and "no_baseline" not in reasons else "silent"


def read_word(row: Mapping[str, Any], ran: str | None, at: datetime | None) -> SavedWord:
    """The API's word about an eval: a row of EVALS, the code of its newest result and its time."""
    word, present = _find_word(row), row.get("present_validity")
    newest = {each for each in [row["latest_block_fingerprint"] or ran] if each}
    now, old = (newest if word == each else set[str]() for each in ("fresh", "stale"))
    for name in ("latest", "last_passed", "last_failed"):
        code, validity = row[f"{name}_block_fingerprint"], row.get(f"{name}_validity")
        is_newest = name == "latest" or row.get(f"{name}_at") == row["latest_run_completed_at"]
        if None in (present, code, validity):
            continue
        if present == validity and not (word == "stale" and is_newest):
            now.add(code)
            old.discard(code)
        elif present != validity and word != "fresh" and code not in now:
            old.add(code)
    return SavedWord(row["eval_id"], word, frozenset(now), frozenset(old), at)


def find_presence(
    told: Sequence[SavedWord], ran: Sequence[BlockInRun], saved_at: datetime | None = None
) -> Presence:
    """The present codes of a block.

    ``ran`` are its cells in the order of time. ``saved_at`` is when it was saved last.
    """
    its = {each.eval_id: each for each in told}
    vouched = frozenset[str]().union(*(each.now for each in told))
    coded = [each for each in ran if each.code]
    is_told = bool(vouched) or any(each.word != "silent" for each in told)
    if saved_at is None and not is_told:
        return Presence("none", frozenset(each.code for each in coded[-1:]), told=its)
    before = {each.code for each in coded if not is_after(each.began, saved_at)}
    since = [each for each in coded if each.run_id and is_after(each.created_at, saved_at)]
    first = {each.code for each in since if each.run_id == since[0].run_id}
    saved = frozenset({each.code for each in since} - before or first)
    if not is_told:
        return Presence("save", saved, saved_at=saved_at, told=its)
    return Presence("api", vouched, frozenset() if vouched else saved, saved_at, its)
