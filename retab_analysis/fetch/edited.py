"""Which blocks were edited since their saved evals ran last: what ``only="edited"`` starts.

The API does not say which code a block has now. So each saved eval is asked whether it ran on that,
by what says most about it: its ``freshness``; else whether evals of its block ran last on different
codes, of which only one can be the present one; else whether the block was saved after the run.
Where nothing says it, the block counts as edited: a run too many costs less than a break unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from retab_analysis.errors import list_some
from retab_analysis.fetch.lists import read_live_blocks, read_saved, refuse_unknown
from retab_analysis.schema import PROBLEMS
from retab_analysis.transport import Client

_WHY = {
    "code": "its code is not the one on which its evals ran last",
    "undecided": "its evals have no verdict on its present code",
    "saved": "it was saved after its evals ran last",
    "unknown": "on which code its evals ran last is not known",
    "never": "its evals were never run",
}
_LISTED = 5

Eval = dict[str, Any]
Scope = dict[str, str]


@dataclass(frozen=True, eq=False)
class Selection:
    """What is to be started, and what is left out.

    ``evals`` is None if their number is not known. ``left_out`` has one row per block, as
    ``ProblemsWarning.problems``.
    """

    scopes: list[Scope]
    evals: int | None
    said: str
    said_left_out: str = ""
    left_out: pl.DataFrame = field(default_factory=PROBLEMS.to_frame)


@dataclass(frozen=True, eq=False)
class _Block:
    """A block with its saved evals; ``why`` it counts as edited, None where it does not."""

    id: str
    evals: list[Eval]
    is_there: bool
    why: str | None

    def say_left_out(self) -> str:
        """Why it is left out, and what else is to be known of its evals."""
        n = count(len(self.evals), "eval")
        if not self.is_there:
            return f"{n}; the workflow does not have this block any more"
        ran = [each for each in self.evals if each["latest_run_status"] is not None]
        never = len(self.evals) - len(ran)
        stale = [each for each in ran if each["freshness_status"] == "stale"]
        reasons = sorted({reason for each in stale for reason in _reasons(each)})
        more = [f"{never} never run"] * bool(never)
        more += [f"{len(stale)} out of date by {', '.join(map(repr, reasons))}"] * bool(stale)
        return ", ".join([n, "not edited", *more])


def select_edited(client: Client, workflow_id: str, *, repeat: int = 1) -> Selection:
    """Choose what to start: the blocks that were edited."""
    blocks = _read_blocks(client, workflow_id)
    edited = [each for each in blocks if each.why]
    scopes = [{"type": "block", "block_id": each.id} for each in edited]
    what = [f"block {each.id!r} ({_WHY[each.why]})" for each in edited if each.why]
    left_out = [each for each in blocks if not each.why]
    evals = sum(len(each.evals) for each in edited)
    runs = [scope for scope in scopes for _ in range(repeat)]
    said = f"{say_start(workflow_id, len(runs), evals, repeat)}: {'; '.join(what)}."
    if not runs:
        said = "No run is started: no block was edited since its evals ran last."
    reasons = {each.id: each.say_left_out() for each in left_out}
    told = list_some((f"{block!r} ({why})" for block, why in reasons.items()), _LISTED)
    rows = [(block, "$", why, "") for block, why in reasons.items()]
    problems = pl.DataFrame(rows, PROBLEMS, orient="row")
    left = f"Left out: {told}." if reasons else ""
    return Selection(runs, evals * repeat, said, left, problems)


def _read_blocks(client: Client, workflow_id: str) -> list[_Block]:
    """The blocks of the saved evals, each with its evals, the oldest first."""
    saved = read_saved(client, workflow_id, strict=True).frame
    refuse_unknown(client, {"workflow_id": [workflow_id]}, saved)
    saved_at = dict(read_live_blocks(client, workflow_id)["block_id", "updated_at"].iter_rows())
    parts = saved.sort("block_id", "created_at", "eval_id").partition_by("block_id", as_dict=True)
    blocks = []
    for (block,), its in parts.items():
        evals, is_there = its.to_dicts(), block in saved_at
        why = find_why(evals, saved_at[block]) if is_there else None
        blocks.append(_Block(str(block), evals, is_there, why))
    return blocks


def find_why(evals: Sequence[Eval], saved_at: datetime | None) -> str | None:
    """Why a block counts as edited, by the eval that says it most surely; None where it does not.

    Evals that are not valid cannot be run, and say nothing.
    """
    valid = [each for each in evals if each["validation_status"] in (None, "valid")]
    ran = [each for each in valid if each["latest_run_status"] is not None]
    if not ran:
        return "never" if valid else None
    codes = {each["latest_block_fingerprint"] for each in ran} - {None}
    found = {_ask(each, saved_at, differ=len(codes) > 1) for each in ran}
    # Single evals that end in an error have that for a reason of their own.
    open_ones = [each["latest_run_status"] for each in ran if _is_undecided(each)]
    if "cancelled" in open_ones or 2 * len(open_ones) >= len(ran):
        found.add("undecided")
    return next((why for why in _WHY if why in found), None)


def _ask(row: Eval, saved_at: datetime | None, *, differ: bool) -> str | None:
    """Why an eval says that it did not run on the present code of its block; None where it did."""
    status, reasons = row["freshness_status"], _reasons(row)
    if status == "fresh" or (status == "stale" and reasons):
        return "code" if "validity_changed" in reasons else None
    if differ:
        return "code"
    ended, took = row["latest_run_completed_at"], row["latest_run_duration_ms"] or 0
    if saved_at is None or ended is None:
        return "unknown"
    return "saved" if saved_at > ended - timedelta(milliseconds=took) else None


def _reasons(row: Eval) -> list[str]:
    """Why the newest result of an eval is out of date."""
    said = row["freshness_reasons"]
    return said.split(", ") if said else []


def _is_undecided(row: Eval) -> bool:
    """Whether an eval has no verdict on the code on which it ran last: cancelled, or an error."""
    known = row["last_passed_block_fingerprint"], row["last_failed_block_fingerprint"]
    has_ended = row["latest_run_status"] in ("cancelled", "error")
    return has_ended and row["latest_block_fingerprint"] not in {*known} - {None}


def say_start(workflow_id: str, runs: int, evals: str | int, repeat: int) -> str:
    """How many runs are started, and of how many evals, or of which."""
    times = f", each {repeat} times" if repeat > 1 else ""
    told = count(evals, "eval") if isinstance(evals, int) else evals
    return f"Starting {count(runs, 'run')} of {workflow_id}, {told}{times}"


def count(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
