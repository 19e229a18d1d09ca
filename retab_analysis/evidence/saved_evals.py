"""The facts about saved evals: which ought to have a result, and which did not run as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from retab_analysis.evidence.comparable import CANDIDATE
from retab_analysis.evidence.places import is_in_scope
from retab_analysis.evidence.presence import OPEN, Word
from retab_analysis.evidence.story import APART, Standing, Story
from retab_analysis.evidence.timeline import Timeline
from retab_analysis.vocabulary import DECIDED, MOMENT


@dataclass(frozen=True, eq=False)
class SavedEvals:
    """Facts about the saved evals, by their ids; None means: not known."""

    evals: pl.DataFrame | None = None
    expected: frozenset[str] | None = None  # evals that ought to have a result in the candidate
    pending: frozenset[str] = frozenset()  # evals whose result is still to come
    on_present_code: frozenset[str] = frozenset()  # evals with an outcome or an error on it
    standing: Mapping[str, Standing] = field(default_factory=dict)  # without those that are tested
    saved_again: Mapping[str, datetime] = field(default_factory=dict)  # and maybe edited, and when
    on_way: Mapping[str, str] = field(default_factory=dict)  # evals that a run tests now, and which
    read_at: datetime | None = None  # when the saved evals were read

    def list(self, *standings: Standing) -> dict[str, Standing]:
        """The evals that stand so."""
        return {each: its for each, its in self.standing.items() if its in standings}

    def stand(self, evals: Mapping[str, Standing]) -> SavedEvals:
        """The same, where some evals stand otherwise, and no others are apart."""
        others = {k: its for k, its in self.standing.items() if its not in APART}
        return replace(self, standing={**others, **evals})

    def leave_out_tested(self, stories: Iterable[Story]) -> tuple[Story, ...]:
        """The evals without those that a run tests now: reruns of these would come twice."""
        return tuple(each for each in stories if each.id not in self.on_way)

    def of(self, eval_id: str) -> dict[str, Any]:
        """The facts of a story that come from here."""
        standing = self.standing.get(eval_id, "not known" if self.evals is None else "tested")
        is_expected = self.expected is None or eval_id in self.expected
        return {
            "standing": standing,
            "is_expected": standing != "never" and is_expected,
            "is_pending": eval_id in self.pending,
            "is_on_present_code": eval_id in self.on_present_code,
            "saved_again_at": self.saved_again.get(eval_id),
            "read_at": self.read_at,
        }


def find_expected(runs: pl.DataFrame, saved: pl.DataFrame, placed: pl.DataFrame) -> frozenset[str]:
    """The evals that ought to have a result: they were saved and valid when a run of them began.

    The run is of the whole workflow, of their block or of them alone. Its cell is on the judged
    code, or on the present one; or it began no earlier than the candidate's side of the block.
    """
    scope, began, created = pl.col("scope"), pl.col("began"), pl.col("created_at")
    known = saved.filter((pl.col("validation_status") == "valid").fill_null(True))
    valid = known.select("eval_id", "block_id", "created_at")
    is_judged, first = (pl.col("side") == CANDIDATE) | pl.col("is_judged"), MOMENT.min()
    cells = placed.group_by("block_id", "run_id").agg(is_judged=is_judged.any())
    begun = placed.filter(side=CANDIDATE).group_by("block_id").agg(first=first)
    due = runs.select("run_id", "scope", began="created_at", of="target_block_id", alone="eval_id")
    asked = valid.select("block_id").unique().join(due, how="cross")
    its = asked.filter(scope.is_in(("workflow", "eval")) | (pl.col("of") == pl.col("block_id")))
    told = its.join(cells, on=["block_id", "run_id"], how="left").join(begun, "block_id", "left")
    judged = told.filter(pl.coalesce("is_judged", began >= pl.col("first")).fill_null(True))
    # Whether an eval was saved by then is told by the newest run alone.
    last = pl.when(began.null_count() == 0).then(began.max())
    of = judged.group_by("block_id", alone=pl.when(scope == "eval").then("alone")).agg(last=last)
    is_own = pl.coalesce(pl.col("alone") == pl.col("eval_id"), pl.lit(True))
    found = valid.join(of, on="block_id").filter(
        is_own, (created <= pl.col("last")).fill_null(True)
    )
    return frozenset(found["eval_id"])


def judge_saved(
    now: pl.DataFrame,
    timeline: Timeline,
    expected: frozenset[str],
    pending: frozenset[str] = frozenset(),
    going: pl.DataFrame | None = None,
) -> SavedEvals:
    """Which evals are invalid, ran on present code, and did not run as they and their blocks are.

    ``now`` are the results of a timeline on the candidate's side, ``going`` the runs that go on.
    """
    saved = timeline.facts.saved
    on_code = find_ended(now).filter(pl.col("on_code").is_in(("is_now", "unknown")))
    on_present, own = {*on_code["eval_id"]}, {*on_code.filter("is_own")["eval_id"]}
    invalid = saved.filter((pl.col("validation_status") != "valid").fill_null(False))["eval_id"]
    tested, unseen = find_tested(now), find_tested(now, "unknown")
    standing: dict[str, Standing] = dict.fromkeys(invalid, "not valid")
    # A run that goes on is no run yet.
    ended = pl.coalesce("latest_run_completed_at", "last_passed_at", "last_failed_at").is_not_null()
    ended |= ~pl.col("latest_run_status").fill_null(OPEN[0]).is_in(OPEN)
    ran = {*saved.filter(ended)["eval_id"], *find_ended(timeline.results)["eval_id"]}
    for eval_id in saved["eval_id"]:
        if eval_id in tested or eval_id in standing:
            continue
        edited: Standing = "saved" if eval_id in own else "eval"
        why = edited if eval_id in on_present else "block"
        stale = why if eval_id in ran else "never"
        standing[eval_id] = "unseen" if eval_id in unseen else stale
    return SavedEvals(
        saved,
        expected,
        pending,
        frozenset(on_present),
        standing,
        timeline.saved_again,
        {} if going is None else _find_on_way(going, timeline),
    )


def find_ended(results: pl.DataFrame) -> pl.DataFrame:
    """The outcomes and the errors."""
    return results.filter(pl.col("state").is_in((*DECIDED, "error")))


def find_tested(results: pl.DataFrame, on_code: Word = "is_now") -> frozenset[str]:
    """The evals with an outcome or an error as they and their blocks are now.

    ``results`` are those of a timeline. ``on_code`` is what it says of their code.
    """
    is_now = (pl.col("on_code") == on_code) & (pl.col("defined") != "is_not")
    return frozenset(find_ended(results).filter(is_now)["eval_id"])


def _find_on_way(runs: pl.DataFrame, timeline: Timeline) -> dict[str, str]:
    """The evals in the scope of a run that was created after their and their block's last save.

    A run does not test a block if the codes of its results are known and old.
    """
    saved, again = timeline.facts.saved, timeline.saved_again
    found = dict[str, str]()
    coded = timeline.cells.drop_nulls("code").select("block", "run_id", "is_old").rows()
    others = {each[:2] for each in coded} - {each[:2] for each in coded if not each[2]}
    for run in runs.iter_slices(1):
        began, run_id = run["created_at"].item(), run["run_id"].item()
        asked = saved.filter(is_in_scope(run))["eval_id", "block_id", "created_at"]
        for eval_id, block, created in asked.iter_rows():
            saves = timeline.facts.saved_at.get(block), created, again.get(eval_id)
            is_since = began is None or all(at is None or began > at for at in saves)
            if is_since and (block, run_id) not in others:
                found[eval_id] = run_id
    return found


def count_lost(
    runs: pl.DataFrame, results: pl.DataFrame, open_ones: int = 0
) -> tuple[int, int, int]:
    """What some runs count and their results do not show, apart from ``open_ones``.

    These are so many results of saved evals. Of the others: the failures that contradict the
    results that are there; the failures that are gone with evals that were deleted since; and all
    results that are gone with them.
    """
    names = ("failed", "blocked", "error")
    its = results.unique(("run_id", "eval_id"), keep="last").group_by("run_id")
    shown = its.agg(pl.len(), *((pl.col("state") == n).sum().alias(f"{n}_shown") for n in names))
    ended = runs.filter("is_terminal").join(shown, on="run_id", how="left")
    lost = [(pl.col(n) - pl.col(f"{n}_shown").fill_null(0).cast(pl.Int64)).clip(0) for n in names]
    there = pl.col("len").fill_null(0).cast(pl.Int64)
    absent = (pl.col("total_evals") - there).clip(0).filter(status="completed")
    told = ended.select(pl.sum_horizontal(lost).sum(), absent.sum()).row(0)
    failures, gone = (max(0, int(each) - open_ones) for each in told)
    return max(0, failures - gone), min(failures, gone), gone
