"""The starts of ``only="edited"``: blocks and evals without a verdict on their present state.

It starts a block if any sign (the API's freshness of its evals, the time of its save) shows another
code than its newest results have. It also starts a block if its run was cut short, or if half of
its evals are open. Else it starts single evals that are new or were edited. A run too many costs
less than a break unseen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from retab_analysis.errors import ConfigError, list_some
from retab_analysis.evidence.present import (
    NOTHING_RAN,
    Present,
    find_began,
    find_present,
    is_edited,
    is_up_to_date,
    list_reasons,
)
from retab_analysis.fetch.lists import read_live_blocks, read_saved, refuse_unknown
from retab_analysis.transport import Client

_WHY = {
    "code": "it was edited and has not run since",
    "saved": "it was saved after its evals ran last",
    "unknown": "on which code its evals ran last is not known",
    "cut": "its last run was cut short",
    "half": "half of its evals have no verdict as they are now",
    "never": "its evals were never run",
}
_LISTED = 5

SAVE_FIRST = "save an eval in Retab first, then start a run: ra.start_runs({!r}) or check --start"
"""The next step if a workflow has no evals."""

Eval = dict[str, Any]
Scope = dict[str, str]


@dataclass(frozen=True, eq=False)
class Selection:
    """The runs to start, their numbers of evals, and the sentences about them."""

    scopes: list[Scope]
    evals: int
    said: str


@dataclass(frozen=True, eq=False)
class _Block:
    """A block with its saved evals; ``why`` it counts as edited, None if it does not."""

    id: str
    name: str
    evals: list[Eval]
    is_there: bool
    why: str | None
    single: list[Eval] = field(default_factory=list)  # the evals that are started on their own

    def say_left_out(self) -> str:
        n = count(len(self.evals), "eval")
        if not self.is_there:
            return f"{n}; the workflow does not have this block any more"
        ran = [each for each in self.evals if each["latest_run_status"] is not None]
        never = len(self.evals) - len(ran)
        stale = [each for each in ran if each["freshness_status"] == "stale"]
        reasons = sorted({reason for each in stale for reason in list_reasons(each)})
        more = [f"{never} never run"] * bool(never)
        more += [f"{len(stale)} out of date by {', '.join(map(repr, reasons))}"] * bool(stale)
        return ", ".join([n, "not edited", *more])


def select_edited(client: Client, workflow_id: str, *, repeat: int = 1) -> Selection:
    blocks = _read_blocks(client, workflow_id)
    if not blocks:
        raise ConfigError(f"{workflow_id} has no saved eval: {SAVE_FIRST.format(workflow_id)}")
    edited = [each for each in blocks if each.why]
    single = [row for each in blocks if not each.why for row in each.single]
    sized = [({"type": "block", "block_id": each.id}, len(each.evals)) for each in edited]
    sized += [({"type": "single", "eval_id": row["eval_id"]}, 1) for row in single]
    what = [f"block {each.name!r} ({_WHY[each.why]})" for each in edited if each.why]
    if single:
        names = list_some((repr(row["eval_name"] or row["eval_id"]) for row in single), _LISTED)
        what.append(f"{count(len(single), 'eval')} that {_are_new(single)} ({names})")
    runs = [scope for scope, _ in sized for _ in range(repeat)]
    sizes = [size for _, size in sized for _ in range(repeat)]
    said = f"{say_start(workflow_id, sizes)}: {'; '.join(what)}."
    if not runs:
        said = "No run is started: no block was edited since its evals ran last."
    left_out = [f"{each.name!r} ({each.say_left_out()})" for each in blocks if not each.why]
    if left_out:
        said += f" Left out: {list_some(left_out, _LISTED)}."
    return Selection(runs, sum(sizes), said)


def _are_new(evals: Sequence[Eval]) -> str:
    is_new = {each["latest_run_status"] is None for each in evals}
    words = "is" if len(evals) == 1 else "are"
    return f"{words} {' or '.join(w for w, n in (('new', True), ('edited', False)) if n in is_new)}"


def _read_blocks(client: Client, workflow_id: str) -> list[_Block]:
    saved = read_saved(client, workflow_id, strict=True).frame
    refuse_unknown(client, {"workflow_id": [workflow_id]}, saved)
    live = read_live_blocks(client, workflow_id)
    saved_at = dict(live["block_id", "updated_at"].iter_rows())
    labels = dict(live["block_id", "label"].iter_rows())
    alike = Counter(labels.values())
    present = find_present(saved, NOTHING_RAN, lambda: saved_at)
    parts = saved.sort("block_id", "created_at", "eval_id").partition_by("block_id", as_dict=True)
    blocks = []
    for (block,), its in parts.items():
        evals, is_there = its.to_dicts(), block in saved_at
        valid = [each for each in evals if each["validation_status"] in (None, "valid")]
        open_ones = [each for each in valid if is_open(each)]
        why = find_why(valid, open_ones, present[str(block)], saved_at[block]) if is_there else None
        single = open_ones if is_there else []
        label = labels.get(block) or block
        name = label if alike[label] < 2 else f"{label} ({block})"
        blocks.append(_Block(str(block), str(name), evals, is_there, why, single))
    return blocks


def find_why(
    evals: Sequence[Eval], open_ones: Sequence[Eval], present: Present, saved_at: datetime | None
) -> str | None:
    """Why a block is started as a whole, the surest sign first; None if it is not."""
    ran = [each for each in evals if each["latest_run_status"] is not None]
    if not ran:
        return "never" if evals else None
    began = [each for each in map(find_began, ran) if each is not None]
    is_said = [is_up_to_date(each) or is_edited(each) for each in ran]
    codes = {each["latest_block_fingerprint"] for each in ran} - {None}
    if (present.is_said and not present.is_run) or any(map(is_edited, ran)):
        return "code"
    if saved_at is not None and began and saved_at > max(began):
        return "saved"
    if not all(_has(present, each) for each in ran if not is_up_to_date(each)):
        return "code"
    if not all(is_said) and (saved_at is None or len(began) < len(ran)) and len(codes) != 1:
        return "unknown"
    if any(each["latest_run_status"] == "cancelled" and _is_undecided(each) for each in ran):
        return "cut"
    undecided = [each for each in ran if _is_undecided(each)]
    return "half" if 2 * (len(undecided) + len(open_ones)) >= len(evals) else None


def _has(present: Present, row: Eval) -> bool:
    return present.has(row["eval_id"], row["latest_block_fingerprint"], find_began(row))


def is_open(row: Eval) -> bool:
    if row["latest_run_status"] is None or "inputs_changed" in list_reasons(row):
        return True
    began, edited = find_began(row), row["updated_at"]
    return began is not None and edited is not None and edited > began


def _is_undecided(row: Eval) -> bool:
    known = row["last_passed_block_fingerprint"], row["last_failed_block_fingerprint"]
    has_ended = row["latest_run_status"] in ("cancelled", "error")
    return has_ended and row["latest_block_fingerprint"] not in {*known} - {None}


def say_start(workflow_id: str, sizes: Sequence[int]) -> str:
    """How many runs are started, and with how many evals; ``sizes`` has the number for each run."""
    if not sizes:
        return "No run is started: no eval was named"
    is_equal = len({*sizes}) == 1
    evals = count(sizes[0] if is_equal else sum(sizes), "eval")
    each = "" if len(sizes) == 1 else " each" if is_equal else " together"
    return f"Starting {count(len(sizes), 'run')} of {evals}{each} in {workflow_id}"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
