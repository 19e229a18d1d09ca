"""Reads publications, histories and configurations, and turns what a person types into a moment."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import polars as pl

from retab_analysis.arguments import find_nearest, read_moment
from retab_analysis.checks.source import Source
from retab_analysis.comparison.since import CURRENT, Known, Since, find_since, list_moments
from retab_analysis.errors import ConfigError, RetabAnalysisError, list_some
from retab_analysis.evidence.names import Edit, find_edits, list_edits, make_name, split_state
from retab_analysis.evidence.timeline import Timeline, list_histories
from retab_analysis.evidence.versions import BEFORE, CODE_OF, Moment, PublishedVersion, Versions
from retab_analysis.fetch.paging import PAGE_SIZE
from retab_analysis.fetch.publications import note_versions
from retab_analysis.fetch.runs import fetch_run, read_newest_runs
from retab_analysis.schema import write_by_value
from retab_analysis.transport import Client
from retab_analysis.vocabulary import DRAFT, say_day

PREVIOUS = "previous"
_NUMBER = re.compile(r"[vV]?([0-9]{1,9})")
_SPOKEN = re.compile(r"\S[ :]\S")
"""Names that are made of words, or times; no id is."""
_DAY = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}")
_MOST_GRAPHS = 6


def find_moment(name: str, asked: object, source: Source, runs: pl.DataFrame) -> Moment | None:
    """The moment that an argument names; None if it names no version.

    ``name`` is the argument's name, ``runs`` a RUNS frame: an id that runs carry is a version, too.
    """
    if isinstance(asked, date):
        return _find_time(name, asked, source)
    if not isinstance(asked, str):
        return None
    word = asked.strip().casefold().removeprefix("the ")
    if word == DRAFT:
        return Moment(word, "draft")
    if word in (PREVIOUS, BEFORE):
        return Moment(PREVIOUS, "previous")
    if word in CURRENT:
        return _tell(_find_current(name, asked, source), source)
    known = source.read_versions()
    number = _NUMBER.fullmatch(asked.strip())
    its = known.filter(pl.col("workflow_version_id") == asked)
    if its.is_empty() and number is not None:
        its = known.filter(version=int(number[1]))
    if not its.is_empty():
        return _tell(its.row(0, named=True), source)
    day = word.removeprefix(CODE_OF)
    if number is None and _DAY.match(day):
        return _find_time(name, day, source)
    ran = runs.filter(pl.col("workflow_version_id") == asked)["created_at"]
    if len(ran):
        return Moment(asked, "run id", ran.max(), asked)  # type: ignore[arg-type]
    return _find_named(name, asked, source, runs) if _SPOKEN.search(word) else None


def _find_named(name: str, asked: str, source: Source, runs: pl.DataFrame) -> Moment | None:
    """The moment with a name that a version without a number, a draft or an edit has."""
    year, word = source.client.api_time.year, asked.strip().casefold().removeprefix("the ")
    for row in source.read_versions().iter_rows(named=True):
        if (found := _tell(row, source)).name.casefold() == word:
            return found
    for began, ended in runs.sort("created_at").select("created_at", "completed_at").iter_rows():
        if began is not None and word == make_name(None, year=year, first=began).text.casefold():
            return Moment(asked, "time", ended or began)
    edits = list_known_edits(source)
    main, beside = split_state(asked, edits)
    if beside and (base := find_moment(name, main, source, runs)) is not None:
        at = max(each for each in (base.at, *(e.era.first for e in beside)) if each is not None)
        marks = {**base.marks, **{each.block: each.era.mark for each in beside}}
        return Moment(asked, "edit", at, base.version, base.number, marks)
    fitting = find_edits(asked, edits)
    moments = {each.edit.text: each for each in fitting}
    if len(moments) > 1:
        listed = list_some((each.within for each in moments.values()), 10)
        raise ConfigError(f"{name}={asked!r} fits {len(moments)} edits: {listed}; give one of them")
    marks = {each.block: each.era.mark for each in fitting}
    its = (Moment(k, "edit", each.era.first, marks=marks) for k, each in moments.items())
    return next(its, None)


def list_known_edits(source: Source) -> list[Edit]:
    """The edits of all blocks, as far as their histories are known."""
    labels = source.labels
    eras = source.read_eras([*labels])
    known = {} if eras is None else list_histories(eras)
    histories = {block: its.eras for block, its in known.items()}
    return list_edits(histories, source.client.api_time.year, labels)


def _find_time(name: str, asked: date | str, source: Source) -> Moment:
    """A date is the end of its day; today is the draft."""
    now, said = source.client.api_time, str(asked)
    first, last = (read_moment(name, asked, now, last=each) for each in (False, True))
    if first is None or last is None or first > now:
        raise ConfigError(f"{name}={said!r} is in the future; it is {now:%Y-%m-%d %H:%M} UTC now")
    return Moment(DRAFT, "draft") if last >= now else Moment(said, "time", last)


def _find_current(name: str, asked: str, source: Source) -> Mapping[str, object]:
    current = source.read_versions().filter(pl.col("is_current").fill_null(False))
    if current.is_empty():
        source.require("versions")
        raise ConfigError(
            f"{name}={asked!r}: workflow {source.workflow_id} has no published version"
        )
    return current.row(0, named=True)


def _tell(row: Mapping[str, Any], source: Source) -> Moment:
    names = "workflow_version_id", "version", "published_at"
    version, number, at = (row[each] for each in names)
    called = PublishedVersion(version, number, at).call(source.client.api_time.year)
    named = make_name(at, year=None, version=called).text
    return Moment(named, "publication", at, version, number)


def read_since(client: Client, workflow_id: str, asked: str) -> Since:
    """The moment of a gate, as ``Comparison.gate`` reads it, before there is a comparison."""
    source, today = Source(client, workflow_id), client.api_time

    def list_named() -> Known:
        runs = read_newest_runs(client, workflow_id, limit=PAGE_SIZE)
        versions, its = source.read_versions(), runs.select("run_id", "created_at")
        return list_moments(versions, list_known_edits(source), its)

    try:
        return find_since(asked, list_named, today.date())
    except ConfigError:
        with contextlib.suppress(RetabAnalysisError):  # an older run
            at = fetch_run(asked, client=client)["created_at"].item()
            return find_since(asked, lambda: ({asked: at}, ()), today.date())
        raise


def say_unknown(name: str, asked: str, source: Source, runs: pl.DataFrame) -> str:
    """The message about a name that fits nothing: it lists the names that there are."""
    versions = source.read_versions()
    year = source.client.api_time.year
    named = {
        f"v{number}": "" if at is None else f" ({say_day(at, year)})"
        for number, at in versions.select("version", "published_at").iter_rows()
        if number is not None
    }
    near = find_nearest(asked, dict.fromkeys([*named, *runs["run_id"]]))
    hint = f"; did you mean {near}?" if near else "."
    published = list_some((f"{each}{day}" for each, day in named.items()), 10) or "none"
    notes = "".join(f" {each}" for each in note_versions(versions)) if not named else ""
    return (
        f"{name}={asked!r}: there is no such version or run{hint} Published: {published}; "
        f'also "draft", "previous", an edit such as "29 Nov 19:26", a date.{notes} '
        f"{say_newest(runs, year)}"
    )


def say_newest(runs: pl.DataFrame, year: int) -> str:
    """The day and the id of the newest whole run."""
    newest = runs.filter(scope="workflow").select("created_at", "run_id").head(1)
    told = [f"{say_day(at, year)} ({run_id})" for at, run_id in newest.drop_nulls().iter_rows()]
    return f"Its newest whole run: {''.join(told) or 'none'}"


def find_following(source: Source, moment: Moment) -> datetime | None:
    """When the next version after a moment was published; None if none was."""
    if moment.at is None:
        return None
    published = source.read_versions()["published_at"].drop_nulls()
    return min((each for each in published if each > moment.at), default=None)


def make_versions(
    source: Source, timeline: Timeline, runs: pl.DataFrame, moments: Iterable[Moment | None]
) -> Versions:
    """The versions of a workflow; reads configurations if histories do not tell the moments."""
    asked = [each for each in moments if each is not None and each.kind == "publication"]
    graphs: dict[str, pl.DataFrame] = {}
    known, saved_at = source.read_versions(), timeline.facts.saved_at
    blocks = timeline.facts.saved["block_id"].drop_nulls().unique()
    silent = {
        block
        for block in blocks
        if block not in timeline.histories
        for each in asked
        if (at := saved_at.get(block)) is None or each.at is None or at > each.at
    }
    if silent:
        ids = known["workflow_version_id"].drop_nulls().to_list()
        named = [each.version for each in asked if each.version is not None]
        wanted = [DRAFT, *named, *(each for each in ids if each not in named)][: _MOST_GRAPHS + 1]
        graphs = source.read_blocks(wanted)
    rows = known.drop_nulls("workflow_version_id")
    rows = rows.select("workflow_version_id", "version", "published_at")
    configs = {version: _mark_configs(blocks) for version, blocks in graphs.items()}
    carried = runs.drop_nulls("workflow_version_id").group_by("workflow_version_id")
    return Versions(
        timeline,
        [PublishedVersion(each, n, at, configs.get(each)) for each, n, at in rows.iter_rows()],
        configs.get(DRAFT),
        dict(carried.agg(pl.col("created_at").min()).drop_nulls().iter_rows()),
    )


def _mark_configs(blocks: pl.DataFrame) -> dict[str, str]:
    rows = blocks.select("block_id", "config").drop_nulls("block_id").iter_rows()
    return {block: write_by_value(config or "") for block, config in rows}
