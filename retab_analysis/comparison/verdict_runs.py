"""The runs of a verdict on a page: the letters of its rows, and the inside of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import groupby
from typing import Any

import polars as pl
import polars.selectors as cs

from retab_analysis.comparison.detail import (
    WORDS,
    find_differences,
    find_was,
    name_block,
    say_reason,
    summarize_value,
)
from retab_analysis.comparison.run_columns import KnownRuns, say_span
from retab_analysis.comparison.verdict_facts import VerdictFacts
from retab_analysis.evidence.story import Story
from retab_analysis.markup import one_line
from retab_analysis.render.document import (
    Document,
    Inside,
    Row,
    RunLine,
    TableColumn,
    change_rows,
)
from retab_analysis.vocabulary import MOMENT

LINES = 8
"""So many lines of runs an open row has; equal runs share one."""
_Past = tuple["_Insides", tuple[TableColumn, ...], dict[str, str]]

_READ = (
    *("eval_id", "run_id", "run_created_at", "created_at", "state", "status", "status_message"),
    *("failure_message", "failure_code", "actual_value", "document_ids", "document_names"),
)
_LONG = 4_000  # characters of a value that are shown
_VALUE = 120


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of a verdict: :meth:`draw` gives the rows of a document their letters.

    ``stories`` are those of all saved evals, also of those that two versions do not compare.
    """

    facts: VerdictFacts
    stories: Mapping[str, Story]
    values: bool
    _told: dict[object, _Past] = field(default_factory=dict)

    @cached_property
    def known(self) -> KnownRuns:
        """The runs of the verdict itself."""
        sides, year = self.facts.sides, self.facts.year
        is_first = pl.col("result_id").is_null() | pl.col("result_id").is_first_distinct()
        told, results = sides.told, sides.code(sides.results.filter(is_first))
        names = {} if told is None else told.name_runs(results)
        before = () if sides.baseline is None else sides.baseline["run_id"].drop_nulls()
        return KnownRuns(
            results,
            frozenset(sides.candidate["run_id"].drop_nulls()),
            frozenset(before),
            {run_id: each.text for run_id, each in names.items()},
            {each.block_id or "": name_block(each) for each in self.stories.values()},
            year,
            are_versions=bool(self.facts.versions),
        )

    def _tell_past(self, known: KnownRuns) -> _Past:
        """What the runs that have ended tell; made again only if there are others."""
        key = known.checked, frozenset(known.past["run_id"]), known.say_edit is None
        if key not in self._told:
            self._told.clear()
            self._told[key] = _Insides(self, known), *known.make_columns()
        return self._told[key]

    def draw(self, document: Document, runs: KnownRuns | None = None) -> Document:
        """A document with the runs that are known by then, and with rows that open."""
        known = self.known if runs is None else runs
        insides, columns, cells = self._tell_past(known)
        places = {each.key: at for at, each in enumerate(columns)}
        if known.going:
            columns, cells = known.add_now(columns, cells)
        if self.facts.is_first:
            columns, cells = (), {}
        blank = "".join("-" if "gap" in each.marks else "o" for each in columns)

        def open_row(row: Row) -> Row:
            story = self.stories.get(row.key)
            now = None if story is None or known.are_versions else story.now
            tint = None if now is None or now.run_id is None else places.get(now.run_id)
            letters, inside = cells.get(row.key, blank), partial(insides.make, row.key, row.kind)
            return replace(row, letters=letters, tint=tint, inside=inside) if row.kind else row

        return replace(document, parts=change_rows(document.parts, open_row), runs=columns)


_FAILED_ONCE = (
    "It has failed in its only run. Is the expected value right? Open the document and look; "
    "if it is, the block needs an edit."
)


class _Insides:
    """What open rows show; each is made once."""

    def __init__(self, its: Runs, runs: KnownRuns) -> None:
        self.its, self.runs = its, runs
        self._made: dict[str, Inside | None] = {}

    @cached_property
    def _results(self) -> dict[str, pl.DataFrame]:
        """The results of each eval, the newest first."""
        past = self.runs.past.sort(MOMENT, "completed_at", descending=True, nulls_last=True)
        parts = past.select(cs.by_name(*_READ, require_all=False)).partition_by(
            "eval_id", as_dict=True
        )
        return {str(eval_id): its for (eval_id, *_), its in parts.items()}

    def make(self, eval_id: str, kind: str) -> Inside | None:
        if eval_id not in self._made:
            story = self.its.stories.get(eval_id)
            self._made[eval_id] = None if story is None else self._make(story, kind)
        return self._made[eval_id]

    def _make(self, story: Story, kind: str) -> Inside:
        results, values, was = self._results.get(story.id), self.its.values, find_was(story)
        reason = "" if kind == "passes" else say_reason(story, self.its.facts.year) or ""
        reason = _FAILED_ONCE if kind == "fails" else reason
        changes = find_differences(story) if values else []
        title = "What differs from the last pass" if was else "What differs from what is expected"
        return Inside(
            f"{reason[0].upper()}{reason[1:]}".removesuffix(".") + "." if reason else "",
            title,
            tuple(changes),
            () if changes or not values else tuple(_list_values(story, was)),
            *self._list_runs(results),
            () if results is None else tuple(find_documents(results)),
        )

    def _list_runs(self, results: pl.DataFrame | None) -> tuple[tuple[RunLine, ...], int]:
        """Its runs, the newest first; equal neighbours share a line."""
        runs = [] if results is None else [*map(self._tell_run, results.iter_rows(named=True))]
        lines = []
        for (version, word, value), several in groupby(runs, key=lambda each: each[1:]):
            moments = [each[0] for each in several]
            said = f"{word} × {len(moments)}" if len(moments) > 1 else word
            when = say_span(moments, self.runs.year)
            lines.append((RunLine(when, version, said, value), len(moments)))
        return tuple(each for each, _ in lines[:LINES]), sum(n for _, n in lines[LINES:])

    def _tell_run(self, row: Mapping[str, Any]) -> tuple[Any, str, str, str]:
        at, ended = row["run_created_at"] or row["created_at"], row["state"]
        word = WORDS[ended].word if ended in WORDS else one_line(row.get("status") or ended)
        value = row["status_message"] or row["failure_message"] or row["failure_code"]
        said = one_line(value, _VALUE)
        if row["actual_value"] is not None and ended != "error":
            said = summarize_value(row["actual_value"])
        named = one_line(self.runs.names.get(row["run_id"] or "", ""))
        return at, named, word, said if self.its.values else ""


def _list_values(story: Story, was: str | None) -> Iterator[tuple[str, str]]:
    """The whole values that the row cuts."""
    for title, value in (("expected", story.expected_value), ("was", was), ("got", story.got)):
        if value is not None and summarize_value(value) != one_line(value):
            yield title, value[:_LONG]


def find_documents(results: pl.DataFrame) -> list[tuple[str, str]]:
    """The documents of the newest result that has any: their ids and names."""
    for ids, names in results.select("document_ids", "document_names").iter_rows():
        named = names if names and len(names) == len(ids or ()) else ids
        if found := [(each, named[at] or each) for at, each in enumerate(ids or ()) if each]:
            return found
    return []
