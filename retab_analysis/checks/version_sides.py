"""The sides of an earlier version, and of two versions.

Each side has the results on its version's code, whatever run they are of. Evals of a block with one
code in both versions are ``same_code``; those without a result on one of the codes are
``not_comparable``. Neither counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import polars as pl

from retab_analysis.checks.plan import DRAFT_NOW, ReadingPlan
from retab_analysis.comparison.sides import SIDED, Sides
from retab_analysis.evidence.comparable import (
    BASELINE,
    CANDIDATE,
    EARLIER,
    HORIZON,
    put_on_side,
)
from retab_analysis.evidence.names import Name
from retab_analysis.evidence.presence import Presence, Sameness
from retab_analysis.evidence.saved_evals import count_lost, find_ended
from retab_analysis.evidence.story import Standing
from retab_analysis.evidence.versions import Moment, Versions
from retab_analysis.markup import count_noun
from retab_analysis.vocabulary import MOMENT, NOT_PASSING

_CODED = {"block_id": pl.String(), "code": pl.String()}


def keep_to_version(
    sides: Sides, now: Moment, codes: Mapping[str, Presence], versions: Versions
) -> Sides:
    """The candidate's side of an earlier version: its own results, and what is not known of it."""
    named, draft = versions.name(now), versions.code_of(DRAFT_NOW)
    others = [block for block, its in codes.items() if its.compare(draft[block]) != "same"]
    candidate, others_ = _choose_coded(sides.candidate, codes), pl.col("side") != CANDIDATE
    assert sides.saved.evals is not None
    never = {*sides.saved.evals["eval_id"]} - {*find_ended(candidate)["eval_id"]}
    unknown = [block for block, its in codes.items() if its.is_there and not its.codes]
    evals = count_noun(len(never), "eval")
    saved = sides.saved.stand(dict.fromkeys(sorted(never), "not_comparable"))
    said = f"It is not known which results are of {named.said}" if unknown else ""
    return replace(
        sides,
        results=pl.concat([sides.results.filter(others_), candidate]),
        saved=replace(saved, expected=frozenset(), pending=frozenset()),
        read=replace(sides.read, others=tuple(others), named=named, unknown=said),
        notes=(*sides.notes, *[f"{evals} never ran on {named.said}."] * bool(never and not said)),
    )


def set_against(sides: Sides, plan: ReadingPlan, versions: Versions) -> Sides:
    """The sides of two versions: results on the code of either, whatever run they are of."""
    assert plan.before is not None
    before, results = versions.code_of(plan.before), versions.timeline.results
    is_past = plan.now is not None and plan.now.kind != "draft"
    now = _find_codes(plan, versions, sides.candidate)
    told = {block: its.compare(now[block]) for block, its in before.items() if block in now}
    called = Name("run") if plan.now is None else versions.name(plan.now)
    names = versions.name(plan.before), called
    if plan.now is not None and names[0].text == names[1].text:
        names = plan.before.keep(names[0]), plan.now.keep(names[1])
    differing = {block: before[block] for block, word in told.items() if word == "edited"}
    earlier = put_on_side(_choose_newest(_choose_coded(results, differing)), BASELINE)
    if is_past:
        candidate = put_on_side(_choose_newest(_choose_coded(results, now)), CANDIDATE)
        history = candidate.clear()
    else:
        candidate, its = sides.candidate, pl.col("block_id").is_in([*differing])
        history = _choose_coded(sides.results.filter(its, side=EARLIER), differing, how="anti")
    words = _find_words(sides.saved.evals, told, candidate, earlier, is_past=is_past)
    notes, read = _note_versions(words, names, told, candidate), sides.read
    if is_past:  # its newest whole run has to add up
        newest = candidate.filter(run_scope="workflow").sort(MOMENT)["run_id"].tail(1)
        run = plan.read.filter(pl.col("run_id").is_in(newest.implode()))
        unnamed, failures, _ = count_lost(run, results)
        read = replace(read, unnamed=unnamed, gone_failures=failures)
    return replace(
        sides,
        results=pl.concat(each.select(SIDED) for each in (history, earlier, candidate)),
        own_past=False,
        saved=sides.saved.stand(words),
        notes=(*sides.notes, *notes),
        read=replace(
            read,
            against=" and nothing else" if is_past else read.against,
            versions=names,
            named=names[1],
            unknown=_say_unknown(before, now, told, names),
        ),
    )


def _say_unknown(
    before: Mapping[str, Presence],
    now: Mapping[str, Presence],
    told: Mapping[str, Sameness],
    names: tuple[Name, Name],
) -> str:
    """What is not known about two versions, in words; empty if all is known."""
    unknown = [block for block, word in told.items() if word == "unknown"]
    pairs = [(before[block].config, now.get(block, Presence()).config) for block in unknown]
    if not unknown:
        return ""
    if any(None in pair for pair in pairs):
        return f"It is not known whether {names[0].said} and {names[1].said} differ"
    return f"It is not known which results are of {names[0].said}"


def _find_codes(
    plan: ReadingPlan, versions: Versions, candidate: pl.DataFrame
) -> Mapping[str, Presence]:
    """The codes of the checked version; runs that were asked for have those of their blocks."""
    if plan.now is not None:
        return versions.code_of(plan.now)
    codes = candidate.group_by("block_id").agg(pl.col("code").drop_nulls().unique())
    return {block: Presence(codes=frozenset(its)) for block, its in codes.iter_rows()}


def _choose_coded(
    results: pl.DataFrame, codes: Mapping[str, Presence], how: Literal["semi", "anti"] = "semi"
) -> pl.DataFrame:
    """The results on the code of a version; with ``anti`` the others."""
    pairs = [(block, code) for block, its in codes.items() for code in its.codes]
    keys = pl.DataFrame(pairs, _CODED, orient="row")
    return results.join(keys, on=[*_CODED], how=how, maintain_order="left")


def _choose_newest(results: pl.DataFrame) -> pl.DataFrame:
    """The results of the newest whole runs, and of all runs of blocks and evals."""
    whole = results.filter(run_scope="workflow").group_by("run_id").agg(MOMENT.max().alias("at"))
    older = whole.sort("at", descending=True, nulls_last=True)["run_id"][HORIZON:]
    return results.filter(~pl.col("run_id").is_in(older.implode()).fill_null(False))


def _find_words(
    saved: pl.DataFrame | None,
    told: Mapping[str, Sameness],
    candidate: pl.DataFrame,
    baseline: pl.DataFrame,
    *,
    is_past: bool,
) -> dict[str, Standing]:
    """The transitions that two versions decide: the same code, or no result to compare."""
    assert saved is not None
    ran_before = {*find_ended(baseline)["eval_id"]}
    runs_now = {*find_ended(candidate)["eval_id"]}
    words: dict[str, Standing] = {}
    for eval_id, block in saved.select("eval_id", "block_id").iter_rows():
        if block not in told:
            continue
        is_there = eval_id in ran_before and (not is_past or eval_id in runs_now)
        if told[block] == "same":
            words[eval_id] = "same_code"
        elif told[block] == "unknown" or not is_there:
            words[eval_id] = "not_comparable"
    return words


def _note_versions(
    words: Mapping[str, Standing],
    names: tuple[Name, Name],
    told: Mapping[str, Sameness],
    candidate: pl.DataFrame,
) -> list[str]:
    same = [each for each, word in words.items() if word == "same_code"]
    notes = []
    if same and len(same) < len(words) + len(candidate):
        blocks = sum(word == "same" for word in told.values())
        failing = pl.col("eval_id").is_in(same) & pl.col("state").is_in(NOT_PASSING)
        n = candidate.sort(MOMENT).unique("eval_id", keep="last").filter(failing).height
        fails = f"; {n} of them {'fails' if n == 1 else 'fail'} on it now" if n else ""
        have = "has" if len(same) == 1 else "have"
        notes.append(
            f"{count_noun(len(same), 'eval')} of {count_noun(blocks, 'block')} {have} the same "
            f"code in {names[0].said} and {names[1].said}{fails}."
        )
    never = sum(word == "not_comparable" for word in words.values())
    if never and "unknown" not in told.values():
        notes.append(f"{count_noun(never, 'eval')} never ran on {names[0].said}.")
    return notes
