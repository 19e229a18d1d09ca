"""A verdict as a page: its document, a row for each eval that opens, and the matrix of its runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any

import polars as pl

from retab_analysis.comparison.config_changes import BlockConfigs, mark_changes
from retab_analysis.comparison.detail import (
    WORDS,
    find_differences,
    find_was,
    list_documents,
    name_block,
    say_reason,
    summarize_value,
)
from retab_analysis.comparison.run_columns import KnownRuns, say_moment
from retab_analysis.comparison.tries_table import TriesInWords, choose_tries
from retab_analysis.comparison.verdict_document import write_row
from retab_analysis.comparison.verdict_facts import VerdictFacts
from retab_analysis.evidence.story import Story
from retab_analysis.markup import one_line
from retab_analysis.render.document import (
    Card,
    ChangeList,
    Document,
    DocumentTable,
    Note,
    Part,
    Span,
    write_line,
)
from retab_analysis.render.page import COLUMNS, Inside, PageRow, RunColumn, RunLine, ShownPage
from retab_analysis.vocabulary import BROKEN, MOMENT, say_day, say_ran

LINES = 8
"""So many lines of runs an open row has; equal runs share one."""
PASSES = WORDS["still_passing"].key

_Past = tuple["_Insides", tuple[RunColumn, ...], dict[str, str]]

_LONG = 4_000  # characters of a value that are shown
_VALUE = 120
_TRIES = 5  # that a card shows, beside the last good code


@dataclass(frozen=True, eq=False)
class VerdictPage:
    """What a page shows of a verdict; :meth:`show` gives it with the runs that are known by then.

    ``stories`` are those of all saved evals, also of those that two versions do not compare. Its
    context is without the moment of the run, which has a line of its own.
    """

    document: Document
    facts: VerdictFacts
    stories: Mapping[str, Story]
    values: bool
    _told: dict[object, _Past] = field(default_factory=dict)

    @cached_property
    def rows(self) -> dict[str, PageRow]:
        return {eval_id: self._make_row(story) for eval_id, story in self.stories.items()}

    def _make_row(self, story: Story) -> PageRow:
        facts, kind = self.facts, self.facts.word_of(story).key
        why = "" if kind in ("fails", "passes") else say_reason(story, facts.year) or ""
        about = story.block_id or "", name_block(story), why, list_documents(story)
        return PageRow(write_row(facts, story, values=self.values), kind, *about)

    def read_runs(self) -> KnownRuns:
        """The runs of the verdict itself."""
        sides, year = self.facts.sides, self.facts.year
        known = pl.concat(sides.known, how="diagonal_relaxed")
        is_first = pl.col("result_id").is_null() | pl.col("result_id").is_first_distinct()
        told, results = sides.around.told, sides.code(known.filter(is_first))
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

    def show(self, runs: KnownRuns | None = None) -> ShownPage:
        known = self.read_runs() if runs is None else runs
        is_first = self.facts.is_first
        insides, columns, cells = self._tell_past(known)
        if known.going:
            columns, cells = known.add_now(columns, cells)
        if is_first:
            columns, cells = (), {}
        blank = "".join("-" if each.is_gap else "o" for each in columns)
        rows = {k: replace(each, cells=cells.get(k, blank)) for k, each in self.rows.items()}
        first = (COLUMNS[0], ("block", "block"), COLUMNS[1], COLUMNS[-1])
        ids = self.facts.sides.candidate["workflow_id"].drop_nulls()
        return ShownPage(
            replace(self.document, parts=(*self._compare(), *map(self._try, self.document.parts))),
            tuple(each for each in self.document.context if each.look != "quiet"),
            write_line(self._say_run(), " · nothing to compare with yet" * is_first),
            name=ids[0] if len(ids) else "evals",
            rows=rows,
            columns=columns,
            titles=first if is_first else COLUMNS,
            passing=WORDS["first pass"].key if is_first else PASSES,
            folds=_FOLDS,
            inside=insides.make,
            copies=tuple(copy for its in self._tries.values() for copy in its.copies()),
        )

    @cached_property
    def _tries(self) -> dict[str, TriesInWords]:
        """The tries of blocks that were edited again since they broke evals."""
        edits, year = self.facts.sides.around.edits, self.facts.year
        found = dict[str, TriesInWords]()
        if edits is None:
            return {}
        for each in self.facts.last_tries:
            known = self.facts.tries[each.block]
            configs = edits.configs.get(each.block, BlockConfigs())
            its = frozenset(s.id for s in self.facts.of(*BROKEN) if s.block_id == each.block)
            about = known, choose_tries(known, _TRIES), configs, its, year
            found[each.block] = TriesInWords(*about, self.values)
        return found

    def _try(self, part: Part) -> Part:
        """A card; that of a block that was edited again has a column for each of its tries."""
        tables = [each for each in getattr(part, "parts", ()) if isinstance(each, DocumentTable)]
        blocks = {self.stories[each.key].block_id for table in tables for each in table.rows}
        last = next((each for each in self.facts.last_tries if {each.block} == blocks), None)
        if not isinstance(part, Card) or last is None or last.block not in self._tries:
            return part
        words, parts = self._tries[last.block], list[Part]()
        for each in part.parts:
            if isinstance(each, DocumentTable):
                parts.append(words.make({row.key: self.stories[row.key] for row in each.rows}))
            # The columns have the words of each try, and what it mended.
            elif isinstance(each, Note) or not any(words.changes):
                parts.append(each)
        return replace(part, parts=tuple(parts))

    def _compare(self) -> Iterator[Card]:
        """The edits between two versions, block by block."""
        edits = self.facts.sides.around.edits
        if not self.facts.versions or edits is None:
            return
        before, now = self.facts.versions
        parts: list[Note | ChangeList] = []
        for (block, *_), rows in edits.changes.group_by("block_id", maintain_order=True):
            called = edits.name(None if block is None else str(block))
            parts.append(Note(write_line(Span(called, "strong"))))
            parts.append(ChangeList(mark_changes(rows, values=self.values)))
        told = tuple(parts) or (Note(write_line("No block differs.")),)
        title = write_line(Span("Edited", "strong"), f" between {before} and {now}")
        yield Card("other", title, (), told)

    def _say_run(self) -> str:
        """``run of 29 Nov 23:05, took 5 min``: the newest of the checked runs."""
        runs = self.facts.sides.candidate.drop_nulls("run_id")
        newest: Any = runs.filter(MOMENT.max() == MOMENT)
        if newest.is_empty() or self.facts.versions:
            return ""
        began, ended = newest.select(MOMENT.min(), pl.col("run_completed_at").max()).row(0)
        seconds = None if ended is None else (ended - began).total_seconds()
        return say_ran(began, seconds, self.facts.year, "took")


_FAILED_ONCE = (
    "It has failed in its only run. Is the expected value right? Open the document and look; "
    "if it is, the block needs an edit."
)
_FOLDS = {
    PASSES: "Pass",
    WORDS["same_code"].key: WORDS["same_code"].word.capitalize(),
    WORDS["not compared"].key: "Not run on both versions",
}


class _Insides:
    """What open rows show; each is made once."""

    def __init__(self, page: VerdictPage, runs: KnownRuns) -> None:
        self.page, self.runs = page, runs
        self._made: dict[str, Inside | None] = {}

    @cached_property
    def _results(self) -> dict[str, pl.DataFrame]:
        """The results of each eval, the newest first."""
        ordered = self.runs.past.sort(MOMENT, "completed_at", descending=True, nulls_last=True)
        parts = ordered.partition_by("eval_id", as_dict=True)
        return {str(eval_id): its for (eval_id, *_), its in parts.items()}

    def make(self, eval_id: str) -> Inside | None:
        if eval_id not in self._made:
            story = self.page.stories.get(eval_id)
            self._made[eval_id] = None if story is None else self._make(story)
        return self._made[eval_id]

    def _make(self, story: Story) -> Inside:
        results, values = self._results.get(story.id), self.page.values
        was, row = find_was(story), self.page.rows[story.id]
        reason = _FAILED_ONCE if row.kind == "fails" else row.why
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
            when = _say_span(moments, self.runs.year)
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
        return at, named, word, said if self.page.values else ""


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


def _say_span(moments: Sequence[Any], year: int | None) -> str:
    """``28 Nov 23:05``, or ``24 to 27 Nov`` of several runs, the newest first."""
    newest, oldest = moments[0], moments[-1]
    if len(moments) == 1 or newest is None or oldest is None:
        return say_moment(newest, year)
    last, first = say_day(newest, year), say_day(oldest, year)
    if first == last:
        return last
    is_one_month = (newest.year, newest.month) == (oldest.year, oldest.month)
    return f"{oldest.day if is_one_month else first} to {last}"
