"""From results to the stories of their evals: the one conclusion about an eval.

``check``, ``compare`` and ``summarize_evals`` put their results on sides, and :func:`tell` does the
rest. It chooses, once, the earlier outcomes that each eval is compared with. These outcomes are
*shown* for a side (state, values, run). Conclusions come from all comparable outcomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

import numpy as np
import polars as pl
from msgspec.structs import replace

from retab_analysis.evidence.comparable import BASELINE, Ledger, collect
from retab_analysis.evidence.saved_evals import SavedEvals
from retab_analysis.evidence.since import Findings, weigh
from retab_analysis.evidence.story import Outcome, Reading, Side, Story, first_known
from retab_analysis.evidence.transitions import find_transition
from retab_analysis.vocabulary import DECIDED, NOT_PASSING, TRANSITIONS

_OUTCOME = (
    *("at", "side", "row", "comparable", "state", "moment", "run_id", "block_id", "code"),
    *("is_whole", "outage", "handle_inputs_fingerprint", "condition_kind", "threshold", "expected"),
    *("score", "margin", "duration_ms", "message", "value"),
)
SHOWN = Side.__struct_fields__[Side.__struct_fields__.index("block_id") : -1]
"""The columns of a result that a story shows of a side."""
_PLACES = {word: place for place, word in enumerate(TRANSITIONS)}


@dataclass(frozen=True, eq=False)
class Told:
    """The stories of the evals that have a transition, the most urgent first, and their results."""

    ledger: Ledger
    stories: tuple[Story, ...]


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
    outcomes = _list_outcomes(ledger, findings)
    held = [*_choose_held(outcomes, findings, own_past=own_past)]
    now = [[each for each in its if each.is_now and each.is_present] for its in outcomes]
    readings = findings.read(own_past=own_past)
    failed = [[e for e in its if e.is_present and e.state in NOT_PASSING][-1:] for its in outcomes]
    shown = _read_shown(ledger, (*held, *now, *failed))
    stories = []
    about = ledger.evals.select("eval_id", "eval_name", "path", "condition_kind")
    for index, (eval_id, name, path, kind) in enumerate(about.iter_rows()):
        known = saved.of(eval_id)
        was, is_now = _sum_up(held[index], shown), _sum_up(now[index], shown)
        if known.is_deleted:
            is_now = None
        if known.word == "same_code":
            was = is_now
        either = [side for side in (is_now, was) if side is not None]
        told = Story(
            id=eval_id,
            name=name,
            block_id=first_known(side.block_id for side in either),
            index=index,
            path=path,
            condition=first_known(side.condition for side in either),
            condition_kind=kind,
            expected_value=first_known(side.expected_value for side in either),
            document_names=first_known(side.document_names for side in either),
            outcomes=tuple(outcomes[index]),
            held=tuple(held[index]),
            was=was,
            now=is_now,
            reading=readings[index],
            saved=known,
            last_failure=_sum_up(failed[index], shown),
            has_own_past=own_past,
            is_beyond_gap=_is_beyond_gap(outcomes[index], readings[index], after_gaps),
        )
        if transition := find_transition(told):
            stories.append(replace(told, transition=transition))
    stories += _list_unread(saved, ledger.evals["eval_id"])
    gone = {each.name or "": each for each in stories if each.saved.is_deleted and each.name}
    stories = [replace(s, namesake=gone.get(s.name or "")) if s.is_new else s for s in stories]
    return Told(ledger, tuple(sorted(stories, key=_find_place)))


def _list_unread(saved: SavedEvals, read: pl.Series) -> Iterator[Story]:
    """The saved evals without any read result: new ones, and evals that lost theirs."""
    if saved.evals is None:
        return
    unread = saved.evals.filter(~pl.col("eval_id").is_in(read.implode()))
    about = unread.select("eval_id", "eval_name", "block_id", "path", "condition_kind")
    for eval_id, name, block, path, kind in about.iter_rows():
        now = saved.of(eval_id)
        told = Story(eval_id, name, block, index=-1, path=path, condition_kind=kind, saved=now)
        if transition := find_transition(told):
            yield replace(told, transition=transition)


def _list_outcomes(ledger: Ledger, findings: Findings) -> list[list[Outcome]]:
    """The outcomes of each eval: those within the horizon, and older ones that rules look for.

    These are the newest of each state, before the eval was probably worse and altogether.
    """
    failure = pl.col("failure_message")
    message = pl.coalesce(pl.when(failure != "").then(failure), "status_message")
    margin = pl.col("score") - pl.col("threshold")
    value = pl.when(pl.col("state").is_in(NOT_PASSING)).then("actual_value")
    told = ledger.results.with_columns(margin=margin, message=message, value=value)
    table = told.select("eval", *_OUTCOME)
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
    found: list[list[Outcome]] = [[] for _ in range(ledger.evals.height)]
    for index, *row in table.sort("eval", "at").iter_rows():
        found[index].append(Outcome(*row))
    return found


def _choose_held(
    outcomes: Sequence[Sequence[Outcome]], findings: Findings, *, own_past: bool
) -> Iterator[list[Outcome]]:
    """The earlier outcomes that each eval is compared with.

    With a baseline these are all its comparable decided ones; without any, the outcomes of the
    newest earlier row that has one. Without a baseline, an eval that passes now is compared with
    its newest earlier decided row. An eval that does not pass is compared with its newest pass
    before the row since which it is broken. One that never passed is compared with its newest row.

    Without a decided outcome, an error takes its place. Any other outcome only says why the eval
    cannot be compared.
    """
    since, candidate = findings.likely_since, findings.histories.candidate
    before = np.where(findings.is_passing, 0, np.where(since < 0, candidate, since))
    for its, limit in zip(outcomes, before.tolist(), strict=True):
        earlier = [each for each in its if not each.is_now]
        present = [each for each in earlier if each.is_present]
        decided = [each for each in present if each.is_decided]
        if own_past:
            passed = [each for each in decided if each.state == "passed"]
            best = [each for each in passed if each.row is not None and each.row < limit]
        else:
            best = [each for each in decided if each.side == BASELINE]
        errors = [each for each in present if each.state == "error"]
        chosen = best or decided or errors or present or earlier
        newest = max((each.row for each in chosen if each.row is not None), default=None)
        yield [
            each
            for each in chosen
            if (newest is not None and each.row == newest)
            or (not own_past and each.side == BASELINE)
        ]


def _read_shown(ledger: Ledger, chosen: Iterable[Sequence[Outcome]]) -> dict[int, dict[str, Any]]:
    """The shown columns of the chosen results, by their places."""
    shows = {_choose_shown(its).at for its in chosen if its}
    rows = ledger.results.filter(pl.col("at").is_in([*shows])).select("at", *SHOWN)
    return {row.pop("at"): row for row in rows.iter_rows(named=True)}


def _sum_up(its: Sequence[Outcome], shown: Mapping[int, Mapping[str, Any]]) -> Side | None:
    if not its:
        return None
    states = [each.state for each in its]
    passed, n = states.count("passed"), sum([each in DECIDED for each in states])
    return Side(
        state=_combine(states),
        n=n,
        pass_rate=passed / n if n else None,
        score=_find_median([each.score for each in its]),
        margin=_find_median([each.margin for each in its]),
        duration_ms=_find_median([each.duration_ms for each in its]),
        code=next((each.code for each in reversed(its) if each.code is not None), None),
        **shown[(one := _choose_shown(its)).at],
        at=one.moment,
    )


def _choose_shown(its: Sequence[Outcome]) -> Outcome:
    """The newest that has the state of all; if that is ``mixed``, the newest that did not pass."""
    state = _combine([each.state for each in its])
    says = NOT_PASSING if state == "mixed" else (state,)
    return next(each for each in reversed(its) if each.state in says)


def _combine(states: Sequence[str]) -> str:
    """The state of several results, by :func:`retab_analysis.vocabulary.combined_state`."""
    failed, blocked = states.count("failed"), states.count("blocked")
    if failed or blocked:
        return "mixed" if "passed" in states else "blocked" if blocked >= failed else "failed"
    order = ("passed", "error", "unscored")
    return next((each for each in order if each in states), "cancelled")


def _find_median(numbers: Sequence[float | None]) -> float | None:
    known = [each for each in numbers if each is not None]
    return median(known) if known else None


def _is_beyond_gap(
    outcomes: Sequence[Outcome], reading: Reading, after_gaps: frozenset[str]
) -> bool:
    """Whether unread runs lie between an eval's last pass and its first failure.

    There are unread runs before the runs ``after_gaps``.
    """
    since = reading.since_row
    if since is None:
        return False
    found = [reading.since_run_id]
    for each in reversed(outcomes):
        if each.row is None or each.row >= since:
            continue
        if each.is_present and each.state == "passed":
            return not after_gaps.isdisjoint(found)
        found.append(each.run_id)
    return found[0] in after_gaps


def _find_place(story: Story) -> tuple[object, ...]:
    """The most urgent first: by transition, the surest first, then by block, name and id."""
    p = -1.0 if story.p is None else story.p
    names = ((each is None, each or "") for each in (story.block_id, story.name, story.id))
    return _PLACES[story.transition], -round(p, 3), *names
