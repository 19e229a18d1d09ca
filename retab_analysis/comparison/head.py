"""The head of a verdict: made once from what was judged, and written by every door."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import polars as pl

from retab_analysis.comparison.conclusion import write_heading
from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.run_columns import say_moment, say_span
from retab_analysis.comparison.verdict_facts import VerdictFacts
from retab_analysis.markup import count_noun, one_line
from retab_analysis.render.document import Head, Span, Tone, write_line
from retab_analysis.vocabulary import MOMENT, say_duration

_NAMED = 3  # runs that judged


class Judge(NamedTuple):
    """A run that judged so many evals: the newest result of each is one of its results."""

    run_id: str
    began: datetime | None
    evals: int
    seconds: float | None


def make_head(facts: VerdictFacts, gate: Gate) -> Head:
    passed, of = facts.passing
    badges: tuple[tuple[str, Tone], ...] = ("gate holds", "good"), ("gate fails", "bad")
    badge, tone = (*badges, ("gate undecided", "doubt"))[gate.exit_code]
    candidate, workflow = facts.sides.candidate, facts.sides.workflow
    ids = candidate["workflow_id"].drop_nulls().unique().to_list()
    name = None if workflow is None or workflow.is_empty() else workflow["name"][0]
    flow = Span(one_line(name or (ids or [""])[0]), title=", ".join(map(one_line, ids)) or None)
    counted, waiting = len(facts.there), facts.sides.saved.pending - {s.id for s in facts.stories}
    all_evals = counted + facts.apart.total() + len(waiting)
    share = f"{counted} of " * (bool(facts.versions) and counted < all_evals)
    code = _name_code(facts)
    return Head(
        write_heading(facts),
        write_line(flow, code, f"{share}{count_noun(all_evals, 'eval')}"),
        " · ".join(filter(None, (code.text, f"{passed:,} of {of:,} pass" * (of > 0), badge))),
        badge,
        tone,
        judged=write_line(" · ".join(_say_judges(facts))),
    )


def _name_code(facts: VerdictFacts) -> Span:
    baseline, candidate = facts.sides.baseline, facts.sides.candidate
    sides = [candidate, baseline] if facts.versions and baseline is not None else [candidate]
    ids = (side["workflow_version_id"].drop_nulls().unique(maintain_order=True) for side in sides)
    title = " against ".join(", ".join(map(one_line, each)) for each in ids)
    return Span(" against ".join(reversed(facts.versions)) or facts.version, title=title or None)


def list_judges(facts: VerdictFacts) -> list[Judge]:
    """The runs that judged, those of the most evals first."""
    judged = (each.now.run_id for each in facts.there if each.now is not None)
    counts = Counter(each for each in judged if each is not None)
    ran = facts.sides.candidate.filter(pl.col("run_id").is_in([*counts])).group_by("run_id")
    spans = ran.agg(began=MOMENT.min(), ended=pl.col("run_completed_at").max())
    judges = []
    for run_id, began, ended in spans.iter_rows():
        seconds = None if began is None or ended is None else (ended - began).total_seconds()
        judges.append(Judge(run_id, began, counts[run_id], seconds))
    return sorted(judges, key=lambda each: (-each.evals, str(each.began), each.run_id))


def _say_judges(facts: VerdictFacts) -> Iterator[str]:
    """The runs that judged; their evals and those that none judged are all there are."""
    if facts.versions:
        yield from _say_sides(facts)
        return
    judges, year = list_judges(facts), facts.year
    total = len(facts.there) + facts.apart.total()
    left = total - sum(each.evals for each in judges)
    if len(judges) == 1:
        [its] = judges
        when = f" of {say_moment(its.began, year)}" if its.began else ""
        share = f" ({its.evals} of {count_noun(total, 'eval')})" if left else ""
        took = "" if its.seconds is None else f", took {say_duration(its.seconds)}"
        yield f"run{when}{share}{took}"
    elif judges:
        named, others = judges[:_NAMED], judges[_NAMED:]
        told = [f"{say_moment(its.began, year) or its.run_id} ({its.evals})" for its in named]
        told[0] = f"{told[0][:-1]} {'eval' if named[0].evals == 1 else 'evals'})"
        told += [f"{len(others)} more ({sum(each.evals for each in others)})"] * bool(others)
        none = f"; {left} not judged" if left else ""
        yield f"judged by the runs of {', '.join(told[:-1])} and {told[-1]}{none}"
    if facts.is_first:
        yield "nothing to compare with yet"


def _say_sides(facts: VerdictFacts) -> Iterator[str]:
    """``v5 by 6 runs, 25 to 30 Nov``: the later version first."""
    is_compared = pl.col("eval_id").is_in([each.id for each in facts.stories])
    sides = facts.sides.candidate, facts.sides.baseline
    for name, side in zip(reversed(facts.versions), sides, strict=True):
        if side is None:
            continue
        runs = side.filter(is_compared).drop_nulls("run_id").group_by("run_id")
        moments = runs.agg(at=MOMENT.min())["at"].sort(descending=True, nulls_last=True)
        if len(moments):
            when = say_span(moments.to_list(), facts.year)
            yield f"{name} by {count_noun(len(moments), 'run')}{f', {when}' * bool(when)}"
