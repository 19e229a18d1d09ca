"""From results to the stories of their evals: the one conclusion about an eval.

``check``, ``compare`` and ``summarize_evals`` put their results on sides, and :func:`tell` does the
rest. It chooses, once, the earlier outcomes that each eval is compared with. These outcomes are
*shown* for a side (state, values, run). Conclusions come from all comparable outcomes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from msgspec.structs import replace

from retab_analysis.evidence.comparable import BASELINE, CANDIDATE, Ledger, collect
from retab_analysis.evidence.saved_evals import SavedEvals
from retab_analysis.evidence.since import Findings, weigh
from retab_analysis.evidence.story import (
    DEFINITION,
    OF_OUTCOMES,
    Outcomes,
    Side,
    Story,
    first_known,
)
from retab_analysis.evidence.transitions import find_transition
from retab_analysis.vocabulary import (
    DECIDED,
    NOT_PASSING,
    TRANSITIONS,
    combined_state,
    eval_rate,
    state_counts,
)

SHOWN = Side.__struct_fields__[Side.__struct_fields__.index("block_id") : -1]
"""The columns of a result that a story shows of a side."""
_PLACES = {word: place for place, word in enumerate(TRANSITIONS)}


@dataclass(frozen=True, eq=False)
class Told:
    """The stories of the evals that have a transition, the most urgent first, and their results.

    ``held`` are the earlier results that each eval is compared with.
    """

    ledger: Ledger
    stories: tuple[Story, ...]
    held: pl.DataFrame


def tell(
    results: pl.DataFrame,
    saved: SavedEvals,
    *,
    own_past: bool = True,
    horizon: datetime | None = None,
    after_gaps: frozenset[str] = frozenset(),
) -> Told:
    """Conclude about each eval: its outcomes in time, the model's answers, its transition.

    ``results`` are on their sides; with ``own_past`` each eval is compared with its own past.
    ``horizon`` is as for :func:`collect`; ``after_gaps`` are runs before which some were not read.
    """
    ledger = collect(results, horizon)
    findings = weigh(ledger)
    table = _choose_outcomes(ledger, findings)
    held = _choose_held(table, findings, own_past=own_past)
    present = table.filter("comparable")
    failed = present.filter(pl.col("state").is_in(NOT_PASSING)).unique("eval", keep="last")
    chosen = (held, present.filter(side=CANDIDATE), failed)
    sides, unknown = [_sum_up(ledger, each) for each in chosen], _find_unknown(present)
    readings = findings.read(own_past=own_past)
    ends = np.searchsorted(table["eval"], np.arange(ledger.evals.height), side="right")
    of_all = Outcomes(ledger.results, table, ends.tolist(), after_gaps)
    stories = []
    about = ledger.evals.select("eval_id", "eval_name", "path", "condition_kind")
    for index, (eval_id, name, path, kind) in enumerate(about.iter_rows()):
        known = saved.of(eval_id)
        was, is_now, last_failure = (each.get(index) for each in sides)
        if known["standing"] == "removed":
            is_now = None
        if known["standing"] == "same_code":
            was = is_now
        told = Story(
            id=eval_id,
            name=name,
            block_id=first_known([each.block_id for each in (is_now, was) if each is not None]),
            index=index,
            path=path,
            condition_kind=kind,
            of_all=of_all,
            was=was,
            now=is_now,
            reading=readings[index],
            unknown=unknown.get(index, ()),
            last_failure=last_failure,
            has_own_past=own_past,
            **known,
        )
        if transition := find_transition(told):
            stories.append(replace(told, transition=transition))
    stories += _list_unread(saved, ledger.evals["eval_id"])
    gone = {each.name or "": each for each in stories if each.standing == "removed" and each.name}
    stories = [replace(s, namesake=gone.get(s.name or "")) if s.is_new else s for s in stories]
    return Told(ledger, tuple(sorted(stories, key=_find_place)), held)


def _list_unread(saved: SavedEvals, read: pl.Series) -> Iterator[Story]:
    """The saved evals without any read result: new ones, and evals that lost theirs."""
    if saved.evals is None:
        return
    unread = saved.evals.filter(~pl.col("eval_id").is_in(read.implode()))
    columns = unread.select("eval_id", "eval_name", "block_id", "path", "condition_kind")
    for eval_id, name, block, path, kind in columns.iter_rows():
        about = {"path": path, "condition_kind": kind, **saved.of(eval_id)}
        told = Story(eval_id, name, block, index=-1, **about)
        if transition := find_transition(told):
            yield replace(told, transition=transition)


def _choose_outcomes(ledger: Ledger, findings: Findings) -> pl.DataFrame:
    """The results within the horizon, and older ones that rules look for, by eval and time.

    These are the newest of each state, before the eval was probably worse and altogether.
    """
    table = ledger.results.select("eval", *OF_OUTCOMES, *DEFINITION.values())
    evals, rows = table["eval"].to_numpy(), table["row"].fill_null(-1).to_numpy()
    if not ledger.is_inside.all():
        is_old = ~ledger.is_inside[evals, rows] & (rows >= 0)
        since = findings.likely_since
        limit = np.where(since < 0, ledger.histories.candidate, since)[evals]
        older = table.with_columns(before=pl.Series(rows < limit)).filter(pl.Series(is_old))
        kinds = ("eval", "comparable", "state")
        newest = (
            each.unique(kinds, keep="last", maintain_order=True)["at"]
            for each in (older, older.filter("before"))
        )
        kept = pl.concat([table.filter(pl.Series(~is_old))["at"], *newest]).unique()
        table = table.filter(pl.col("at").is_in(kept.implode()))
    return table.sort("eval", "at")


def _find_unknown(present: pl.DataFrame) -> dict[int, list[str]]:
    """What of the definition of each eval one side does not tell, and what may have changed."""
    its, now = present.filter(pl.col("state").is_in(DECIDED)), pl.col("side") == CANDIDATE
    words = []
    for word, name in DEFINITION.items():
        before, since = (pl.col(name).filter(each).is_not_null().any() for each in (~now, now))
        # Some conditions have no threshold or expected value.
        lacks = before ^ since if name in ("threshold", "expected") else ~(before & since)
        words.append(pl.when(lacks).then(pl.lit(word)).alias(word))
    told = its.group_by("eval").agg(*words, both=now.any() & ~now.all()).filter("both")
    lacking = told.select("eval", pl.concat_list(*DEFINITION).list.drop_nulls())
    return {index: found for index, found in lacking.iter_rows() if found}


def _choose_held(table: pl.DataFrame, findings: Findings, *, own_past: bool) -> pl.DataFrame:
    """The earlier outcomes that each eval is compared with.

    With a baseline these are all its comparable decided ones; without any, the outcomes of the
    newest earlier row that has one. Without a baseline, an eval that passes now is compared with
    its newest earlier decided row. An eval that does not pass is compared with its newest pass
    before the row since which it is broken. One that never passed is compared with its newest row.

    Without a decided outcome, an error takes its place. Any other outcome only says why the eval
    cannot be compared.
    """
    since, candidate = findings.likely_since, findings.histories.candidate
    limit = np.where(findings.is_passing, 0, np.where(since < 0, candidate, since))
    earlier = table.with_columns(limit=pl.Series(limit[table["eval"]])).filter(
        pl.col("side") != CANDIDATE
    )
    state, row, is_baseline = pl.col("state"), pl.col("row"), pl.col("side") == BASELINE
    is_best = (state == "passed") & (row < pl.col("limit")) if own_past else is_baseline
    kinds = (state.is_in(DECIDED) & is_best, state.is_in(DECIDED), state == "error", pl.lit(True))
    kind = pl.coalesce(
        *(pl.when("comparable", each).then(place) for place, each in enumerate(kinds)), len(kinds)
    )
    chosen = earlier.filter(kind == kind.min().over("eval"))
    is_held = (row == row.max().over("eval")).fill_null(False)
    return chosen.filter(is_held if own_past else is_held | is_baseline)


def _sum_up(ledger: Ledger, chosen: pl.DataFrame) -> dict[int, Side]:
    """A side of each eval, by its place in the ledger; each has its outcomes in order of time."""
    its = ledger.results[chosen["at"]]
    sums = its.group_by("eval").agg(
        *state_counts(),
        pl.col("score", "duration_ms").median(),
        pl.col("code").drop_nulls().last(),
        margin=(pl.col("score") - pl.col("threshold")).median(),
    )
    summed = sums.select(
        *("eval", combined_state().alias("whole"), "score", "margin", "duration_ms", "code"),
        *eval_rate(),
    )
    is_mixed, fails = pl.col("whole") == "mixed", pl.col("state").is_in(NOT_PASSING)
    each = its.select("eval", "state", *SHOWN, at="moment").join(summed, on="eval")
    shown = each.filter((pl.col("state") == pl.col("whole")) | (is_mixed & fails))
    newest = shown.unique("eval", keep="last", maintain_order=True).with_columns(state="whole")
    return {
        index: Side(*row)
        for index, *row in newest.select("eval", *Side.__struct_fields__).iter_rows()
    }


def _find_place(story: Story) -> tuple[object, ...]:
    """The most urgent first: by transition, the surest first, then by block, name and id."""
    p = -1.0 if story.p is None else story.p
    block, name = story.block_id, story.name
    names = block is None, block or "", name is None, name or "", story.id
    return _PLACES[story.transition], -round(p, 3), *names
