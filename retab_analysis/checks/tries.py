"""``tries``: the last edits of a block, and what each of them mended and broke."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, partial
from typing import Any

import polars as pl

from retab_analysis.arguments import check_count, resolve
from retab_analysis.checks.defaults import open_source
from retab_analysis.checks.source import Source
from retab_analysis.checks.verdict import Memory, Question, make_verdict
from retab_analysis.comparison.breaks import list_breaks, name_try, say_breaks
from retab_analysis.comparison.comparison import Compared, inside
from retab_analysis.comparison.detail import BROKE, find_day, list_differences
from retab_analysis.comparison.plain_values import list_rows
from retab_analysis.comparison.run_columns import say_moment
from retab_analysis.comparison.shown import Shown
from retab_analysis.comparison.sides import find_year
from retab_analysis.comparison.tries_table import (
    TriesInWords,
    choose_tries,
    name_column,
)
from retab_analysis.errors import ConfigError
from retab_analysis.evidence.names import Edit, find_edits
from retab_analysis.evidence.story import Story
from retab_analysis.evidence.tries import Try, find_best, list_tries, say_on
from retab_analysis.fetch.lists import resolve_workflow
from retab_analysis.fetch.params import check_text, client_or_default
from retab_analysis.markup import count_noun, one_line
from retab_analysis.progress import Progress, check_progress
from retab_analysis.render.document import (
    Card,
    Change,
    Count,
    Document,
    DocumentTable,
    Folded,
    Head,
    Heading,
    Inside,
    Line,
    Note,
    Part,
    Row,
    RunLine,
    Span,
    Tone,
    write_line,
)
from retab_analysis.render.door import Door
from retab_analysis.render.text import mark_line
from retab_analysis.schema import TRIES
from retab_analysis.transport import Client
from retab_analysis.vocabulary import BROKEN, DRAFT

EVALS_OF_TRIES = pl.Schema(
    {
        **dict.fromkeys(("eval_name", "name", "state", "value"), pl.String()),
        **dict.fromkeys(("mended", "broke"), pl.Boolean()),
        "eval_id": pl.String(),
    }
)
"""The columns of ``Tries.evals``, one row per try and eval; nulls where it has not run."""

_ROW = ("eval_id", "eval_name")
_WHOLE = 400  # characters of a value in an open row
_COUNTED = (
    "A try is one code of the block, from one edit to the next. It has the newest result of each "
    f"eval on that code, of any run. It mended and {BROKE} what differs from the try before."
)
_KINDS: Mapping[str, tuple[str, Tone]] = {
    "broke": (BROKE, "bad"),
    "again": ("passes again", "good"),
    "steady": ("pass at every try", "good"),
    "unrun": ("not run", "other"),
}


@dataclass(frozen=True, eq=False)
class _Shown:
    """The tries that are shown, the oldest first, and what is known of their block."""

    block: str
    label: str
    known: Sequence[Try]
    tries: Sequence[Try]
    evals: Sequence[tuple[str, str | None]]
    broken: Sequence[Story]
    newest_day: date | None
    year: int | None
    workflow: str
    stories: Mapping[str, Story]  # of the block's evals that ran
    edits: Sequence[Edit] = ()  # of the block
    unread: int = 0  # runs of the block since the last good code

    def find(self, name: str) -> Try:
        """The newest try with a name, or with a part of it that no other has."""
        asked = check_text("name", name)
        marks = {each.era.mark for each in find_edits(asked, self.edits)}
        whole = [each for each in self.known if each.name.text == asked]
        parts = [each for each in self.known if asked.casefold() in each.name.text.casefold()]
        edits = [each for each in self.known if each.era and each.era.mark in marks]
        found = whole or edits or parts
        if len({_write(each) for each in found}) == 1:
            return found[-1]
        listed = ", ".join(dict.fromkeys(repr(each.name.text) for each in found or self.known))
        fits = f"{asked!r} fits {len(found)} tries" if found else f"there is no try {asked!r}"
        raise ConfigError(f"name: {fits}: {listed}")

    def head(self) -> Heading:
        last = self.tries[-1]
        named = name_try(last)
        named = named[0].upper() + named[1:] if named.startswith("the ") else named
        passing = f"{len(last.passed)} of {len(last.states)} pass"
        if not last.has_run:
            back = "was put back and has not run since" * last.is_put_back
            return Heading("○", "other", f"{named} {back or 'has not run yet'}")
        sign: tuple[str, Tone] = ("✓", "good") if last.is_good else ("○", "other")
        if not last.of and not last.broke:
            if not any(each.has_run for each in self.tries[:-1]):
                return Heading("○", "other", f"{named} is the only code that ran", f": {passing}")
            return Heading(*sign, f"{named} {BROKE} nothing", f": {passing}")
        broke = f" and {BROKE} {len(last.broke)}" * bool(last.broke)
        said = f"{named} mended {len(last.mended)} of {len(last.of)}{broke}"
        if not last.of:
            return Heading("✗", "bad", f"{named} {BROKE} {len(last.broke)} of {len(last.states)}")
        if last.mended == last.of and not broke:
            return Heading(*sign, said, "" if last.is_good else f": {passing}")
        return Heading("✗", "bad", said, "" if last.mended or broke else self._since())

    def _since(self) -> str:
        still = [each for each in self.broken if each.id in self.tries[-1].of]
        breaks = list_breaks(still, {self.block: self.tries})
        if not find_day(still, self.year) or [each.cause for each in breaks] != ["edit"]:
            return ""
        return f"; they are broken{say_breaks(breaks, self.year, is_new=False, is_short=True)}"

    def tell(self, values: bool) -> TriesInWords:
        broken = frozenset(each.id for each in self.broken)
        about = self.known, self.tries, broken, self.year
        return TriesInWords(*about, values)

    @cached_property
    def changes(self) -> list[tuple[Change, ...]]:
        return self.tell(True).changes

    # The document

    def document(self, door: Door) -> Document:
        """The tries; the evals that are broken come first, apart those that pass at every try."""
        told, day = self.tell(door.values), self.newest_day if door.is_live else None
        known = [self.stories[key] for key, _ in self.evals if key in self.stories]
        known.sort(key=lambda each: each.id not in told.broken)
        steady = [s for s in known if self.is_steady(s.id) and s.id not in told.broken]
        shown = [s for s in known if s not in steady]
        aside = write_line("a value is shown where it changes") if door.values else ()
        tables = [self._table(told, its, door) for its in (shown, steady)]
        title = told.say_title(self.label)
        parts: list[Part] = [Card(self.head().tone, title, aside, (tables[0],))]
        if steady:
            said = f"Pass at every try: {len(steady)}"
            fold = "steady", "Pass at every try", len(steady), (tables[1],), write_line(said)
            parts.append(Folded(*fold))
        parts.append(Folded("counted", "How a try is counted", None, (Note(write_line(_COUNTED)),)))
        evals = count_noun(len(self.evals), "eval")
        return Document(
            Head(
                replace(self, tries=say_on(self.tries, day)).head(),
                write_line(self.workflow, self.label, evals),
                f"{self.label} · {evals}",
                judged=self._say_best(told),
            ),
            tuple(self._list_notes(door)),
            tuple(_count([row.kind for table in tables for row in table.rows])),
            tuple(parts),
            name=self.label,
            copies=told.copies() if door.passing else (),
        )

    def _table(self, told: TriesInWords, evals: Sequence[Story], door: Door) -> DocumentTable:
        table = told.make(evals)
        if not door.passing:
            return table
        return replace(table, rows=tuple(self._open(row, door.values) for row in table.rows))

    def _say_best(self, told: TriesInWords) -> Line:
        """The run of the newest try, and the best one."""
        at, best = self.tries[-1].last_run_at, told.best()
        ran = f"run of {say_moment(at, self.year)}" if at else ""
        if best is None:
            return write_line(ran)
        named, passing = name_column(best), f"{len(best.passed)} of {len(best.states)} pass"
        said = Span(f"best try: {named}, {passing}", "strong")
        return write_line(ran, " · " * bool(ran), said)

    def _open(self, row: Row, values: bool) -> Row:
        """A row that a page counts, and opens."""
        kind = {"passed": "again", "not run": "unrun"}.get(row.word, "broke")
        kind = "steady" if self.is_steady(row.key) and kind == "again" else kind
        inside = partial(self._tell_inside, values, row.key)
        return replace(row, kind=kind, group_name=self.label, text=row.word, inside=inside)

    def _tell_inside(self, values: bool, eval_id: str) -> Inside:
        """What an eval got at each try, and how the last two values differ."""
        runs, differing = [], list[str]()
        for its in reversed(self.tries):
            state, value = its.states.get(eval_id), its.values.get(eval_id)
            if state is None:
                continue
            said = one_line(value, _WHOLE) if values and value is not None else ""
            runs.append(RunLine(say_moment(its.last_run_at, self.year), its.name.text, state, said))
            if values and value is not None and value not in differing:
                differing.append(value)
        now, before = (*differing[:2], "", "")[:2]
        changes = tuple(list_differences(before, now)) if before else ()
        title = "What differs from the value before"
        return Inside(
            title=title, differences=tuple(e for e in changes if e.label), runs=tuple(runs)
        )

    def _list_notes(self, door: Door) -> list[Line]:
        notes = []
        if self.unread:
            runs = f"{count_noun(self.unread, 'run')} of the block"
            said = f"Not read since the last good code: {runs}. Tries may be missing."
            notes.append(write_line(said))
        return [*notes, *filter(None, [door.hint()])]

    def is_steady(self, eval_id: str) -> bool:
        return {each.states.get(eval_id, "passed") for each in self.tries} == {"passed"}


@dataclass(frozen=True, eq=False, repr=False)
class Tries(Shown, called="tries"):
    """The last edits of a block, and what each of them mended and broke.

    ``frame`` has one row per try, the newest first; ``ra.schema.TRIES.describe()`` explains its
    columns. ``evals`` has one row per try and eval.

    Example:
        >>> ra.tries("wf_invoices", "extract_lines").headline
        '...'
    """

    frame: pl.DataFrame
    evals: pl.DataFrame
    _shown: _Shown

    @property
    def headline(self) -> str:
        """What the newest edit did, in one line."""
        return str(self._shown.head())

    def prompt(self, name: str | None = None) -> str:
        """Give the prompt of a try.

        Args:
            name: Its name or a part of it that no other has: ``"19:05"``, ``"v5"``,
                ``"edit of 29 Nov 19:05"``, ``"try 7"``. By default the best try since the last good
                code: the one at which most evals pass, of equals the newest. If fewer than two
                tries ran since then, earlier ones and that code compete, too.

        Raises:
            ConfigError: There is no such try, its block has no prompt, or the API does not keep the
                configurations of earlier drafts.
        """
        its = find_best(self._shown.tries) if name is None else self._shown.find(name)
        if its is None:
            raise ConfigError("no try has run yet; give the name of one")
        if (config := _write(its)) is None:
            raise ConfigError(
                f"the configuration of {its.name.text!r} is not known: the API does not keep "
                "earlier drafts"
            )
        prompt = json.loads(config).get("prompt")
        if not isinstance(prompt, str):
            raise ConfigError(
                f"block {self._shown.block} has no prompt; the column config has its configuration"
            )
        return prompt

    def _document(self, door: Door) -> Document:
        return self._shown.document(door)


def list_tried(found: Tries, *, values: bool) -> dict[str, Any]:
    """The tries as plain values that JSON can hold; of evals their states, the newest last."""
    page = found._shown
    best, hidden = find_best(page.tries), () if values else ("words", "config")
    evals: dict[str, dict[str, Any]] = {
        eval_id: {
            "eval_id": eval_id,
            "eval_name": name,
            "states": [each.states.get(eval_id) for each in page.tries],
            **({"values": [each.values.get(eval_id) for each in page.tries]} if values else {}),
        }
        for eval_id, name in page.evals
        if not page.is_steady(eval_id)
    }
    return {
        "headline": found.headline,
        "best": None if best is None else best.name.text,
        "tries": list_rows(found.frame.drop(hidden)),
        "evals": [*evals.values()],
    }


def tries(
    workflow_id: str,
    block: str,
    *,
    last: int = 5,
    client: Client | None = None,
    progress: Progress | bool | None = None,
) -> Tries:
    """Show the last edits of a block, and what each of them mended and broke.

    A try is one code of the block, from one edit to the next. It is compared with the newest try
    before it that ran. One eval more or less may be luck: one run of a try shows no more.

    Args:
        workflow_id: The workflow, its id or its name.
        block: The block, its id or its label.
        last: How many tries to show, beside the last good code: the newest at which no eval failed.
        client: The client to ask; by default the session's.
        progress: False for no progress bar; by default a notebook or a terminal shows one.

    Returns:
        ``.frame``, one row per try, the newest first; ``.evals``, one row per try and eval: its
        state and value, and whether the try mended or broke it; ``.headline``; and
        ``.prompt(name)``, which gives a prompt back. Without the history of blocks, the words and
        earlier prompts are not known.

    Raises:
        ConfigError: An argument cannot be used, there is no such block, or the workflow has no run.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.

    Example:
        >>> its = ra.tries("wf_invoices", "extract_lines")
        >>> its.frame.select("passed", "n_evals").row(0)
        (9, 18)
    """
    check_text("workflow_id", workflow_id)
    check_text("block", block)
    check_count("last", last, 1)
    check_progress(progress)
    chosen = client_or_default(client)
    source = open_source(chosen, resolve_workflow(chosen, workflow_id), progress)
    memory = Memory(source)
    memory.listing  # noqa: B018 - the lists that name the blocks
    block_id = _find_block(block, source)
    compared = inside(make_verdict(Question(), memory, progress).comparison)
    return _make(compared, block_id, last, source, memory)


def _find_block(asked: str, source: Source) -> str:
    labels = source.labels
    ids = source.saved["block_id"].drop_nulls().unique(maintain_order=True)
    return resolve("block", asked, {each: labels.get(each) for each in ids}, parts=True)


def _make(compared: Compared, block: str, last: int, source: Source, memory: Memory) -> Tries:
    told, year = compared.sides.around.told, find_year(compared.sides.candidate)
    assert told is not None
    runs = memory.listing.runs.filter(~pl.col("run_id").is_in([*source.read_ids]))
    is_its = pl.col("target_block_id").eq_missing(block)
    since: Any = runs.filter(pl.col("scope").eq("workflow") | is_its)["created_at"].max()
    graph = source.read_blocks([DRAFT]).get(DRAFT)
    draft = () if graph is None else graph.filter(block_id=block).to_dicts()
    known = list_tries(told, block, since=since, draft=next(iter(draft), None))
    if not known:
        start = f"ra.start_runs({source.workflow_id!r}, blocks={block!r})"
        raise ConfigError(f"no eval of block {block} has run yet: {start}")
    shown = choose_tries(known, last)
    good = [each.last_run_at or each.began_at for each in shown if each.is_good]
    first = good[-1] if good else shown[0].began_at
    page = _Shown(
        block,
        source.labels.get(block) or block,
        known,
        shown,
        source.saved.filter(block_id=block).select(_ROW).rows(),
        [e for e in compared.counting if e.block_id == block and e.transition in BROKEN],
        compared.facts().newest_day,
        year,
        source.name or source.workflow_id,
        {each.id: each for each in compared.stories if each.block_id == block},
        [each for each in told.edits if each.block == block],
        runs.filter(is_its, pl.col("created_at") > first).height,
    )
    rows = [_tell(each, changes) for each, changes in zip(shown, page.changes, strict=True)]
    about = {"block_id": block, "block_label": page.label, "workflow_id": source.workflow_id}
    frame = pl.DataFrame([row | about for row in reversed(rows)], schema=TRIES.schema)
    return Tries(frame, _list_evals(page), page)


def _write(its: Try) -> str | None:
    return None if its.config is None else its.config["config"]


def _count(kinds: Sequence[str]) -> Iterator[Count]:
    for key, (word, tone) in _KINDS.items():
        if number := kinds.count(key):
            yield Count(key, number, word, tone)


def _tell(its: Try, changes: Sequence[Change]) -> dict[str, Any]:
    words = "; ".join(f"{each.label}: {mark_line(each.line)}" for each in changes)
    counts = {name: its.count(name) for name in ("passed", "failed", "mixed", "error")}
    counts |= {"n_evals": len(its.states), "mended": len(its.mended)}
    counts |= {"mended_of": len(its.of), "broke": len(its.broke)}
    return {
        "name": its.name.text,
        "edited_at": its.edited_at,
        "words": words or None,
        **{name: number if its.has_run else None for name, number in counts.items()},
        "is_present": its.is_present,
        "first_run_at": its.first_run_at,
        "last_run_at": its.last_run_at,
        "code": its.code,
        "config": _write(its),
        "versions": sorted(its.era.versions) if its.era else [],
    }


def _list_evals(page: _Shown) -> pl.DataFrame:
    rows = []
    for its in reversed(page.tries):
        for eval_id, name in page.evals:
            ran = eval_id in its.states
            told = (eval_id in its.mended, eval_id in its.broke) if ran else (None, None)
            state = (its.states.get(eval_id), its.values.get(eval_id))
            rows.append((name, its.name.text, *state, *told, eval_id))
    return pl.DataFrame(rows, schema=EVALS_OF_TRIES, orient="row")
