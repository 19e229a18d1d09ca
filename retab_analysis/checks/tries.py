"""``tries``: the last edits of a block, and what each of them mended and broke."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

import polars as pl

from retab_analysis.arguments import check_count, resolve
from retab_analysis.checks.defaults import open_source
from retab_analysis.checks.source import Source
from retab_analysis.checks.verdict import Memory, Question, make_verdict
from retab_analysis.comparison.breaks import name_try, say_unclear
from retab_analysis.comparison.comparison import Compared, inside
from retab_analysis.comparison.detail import BROKE, list_differences
from retab_analysis.comparison.plain_values import list_rows
from retab_analysis.comparison.run_columns import say_moment
from retab_analysis.comparison.shown import Shown
from retab_analysis.comparison.sides import find_year
from retab_analysis.comparison.tries_table import TriesInWords, name_column, say_number
from retab_analysis.errors import ConfigError
from retab_analysis.evidence.names import Edit, find_edits, split_state
from retab_analysis.evidence.story import Story
from retab_analysis.evidence.tries import Try, list_tries, say_on
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
    "A try is one code of the block, with all its runs; one that was put back is the try it was. "
    f"It mended evals that the verdict of the try before calls broken, and {BROKE} those that its "
    "own verdict calls broken since. Evals that come and go are in neither."
)
_KINDS: Mapping[str, tuple[str, Tone]] = {
    "broke": (BROKE, "bad"),
    "again": ("passes again", "good"),
    "steady": ("pass at every try", "good"),
    "unrun": ("not run", "other"),
}


@dataclass(frozen=True, eq=False)
class _Page(TriesInWords):
    """The tries of a block, and what else its page shows."""

    block: str
    label: str
    workflow: str
    evals: Sequence[tuple[str, str | None]]
    stories: Mapping[str, Story]  # of the block's evals that ran
    newest_day: date | None
    edits: Sequence[Edit] = ()  # of the workflow
    unread: int = 0  # runs of the block since the first try that is shown

    def find(self, which: str | int) -> Try:
        """The newest try with a number, a name, or a part of it that no other has."""
        if isinstance(which, int):
            found = [each for each in self.known if each.number == which]
        else:
            asked = check_text("which", which)
            main, beside = split_state(asked, self.edits)
            named = [each for each in beside if each.block == self.block]
            own = [each for each in self.edits if each.block == self.block]
            marks = {each.era.mark for each in named or find_edits(main, own)}
            word = asked.casefold()
            found = (
                [each for each in self.known if asked in (each.name.text, say_number(each))]
                or [each for each in self.known if each.era and each.era.mark in marks]
                or [each for each in self.known if word in each.name.text.casefold()]
            )
        if len({_write(each) for each in found}) == 1:
            return found[-1]
        listed = ", ".join(f"{say_number(e)} ({e.name.text})" for e in found or self.known)
        fits = f"{which!r} fits {len(found)} tries" if found else f"there is no try {which!r}"
        raise ConfigError(f"which: {fits}: {listed}")

    def head(self) -> Heading:
        now, best = self.now, self.best
        named, n = name_try(now), len(now.states)
        named = named[0].upper() + named[1:] if named.startswith("the ") else named
        passing = f"{len(now.passed)} of {n} pass"
        if not now.has_run:
            return Heading("○", "other", f"{named} has not run yet")
        if now.again is not None:
            at = "" if now.again.edited_at is None else f" at {now.again.edited_at:%H:%M}"
            since = " and has not run since" * now.is_waiting
            return Heading("○", "other", f"{named} was put back{at}{since}", f": {passing}")
        if best is not None and best is not now:
            mine, its, of = now.count_passes(best)
            said = f"{say_number(now)} passes {mine} of {of}"
            better = f": {say_number(best)} passes {its} of the same {of}"
            return Heading("✗", "bad", said[0].upper() + said[1:], better)
        is_only = [each for each in self.known if each.has_run] == [now]
        done = self.say_done(now) or (
            "is the only code that ran" if is_only else f"{BROKE} nothing"
        )
        tail = f"; {say_unclear(now)}" if now.unclear else f": {passing}"
        if now.broke or now.mended != now.of:
            return Heading("✗", "bad", f"{named} {done}", tail)
        return Heading(*(("✓", "good") if now.is_good else ("○", "other")), f"{named} {done}", tail)

    def explain(self, its: Try) -> str:
        """What a try changed, and which evals it mended and broke."""
        names, n = dict(self.evals), len(its.states)
        runs = count_noun(len(its.runs), "run")
        told = f"{len(its.passed)} of {n} pass, {runs}" if its.has_run else "not run"
        known = replace(self, last=len(self.known))
        words = [f"  {e.label}: {mark_line(e.line)}" for e in known.find_changes(its)]
        groups = {"mended": its.mended, BROKE: its.broke, "more fail, unclear": its.unclear}
        said = [
            f"  {word}: {', '.join(sorted(names.get(each) or each for each in evals))}"
            for word, evals in groups.items()
            if evals
        ]
        return "\n".join((f"{name_column(its)}: {told}", *words, *said))

    # The document

    def document(self, door: Door) -> Document:
        """The tries; the evals that are broken come first, apart those that pass at every try."""
        if door.values != self.values:
            return replace(self, values=door.values).document(door)
        day = self.newest_day if door.is_live else None
        known = [self.stories[key] for key, _ in self.evals if key in self.stories]
        known.sort(key=lambda each: each not in self.broken)
        steady = [s for s in known if self.is_steady(s.id) and s not in self.broken]
        shown = [s for s in known if s not in steady]
        aside = write_line("a value is shown where it changes") if door.values else ()
        tables = [self._table(its, door) for its in (shown, steady)]
        kinds = [row.kind for table in tables for row in table.rows]
        title = self.say_title(self.label)
        parts: list[Part] = [Card(self.head().tone, title, aside, (tables[0],))]
        if steady:
            said = f"Pass at every try: {len(steady)}"
            fold = "steady", "Pass at every try", len(steady), (tables[1],), write_line(said)
            parts.append(Folded(*fold))
        parts.append(Folded("counted", "How a try is counted", None, (Note(write_line(_COUNTED)),)))
        evals = count_noun(len(self.evals), "eval")
        return Document(
            Head(
                replace(self, known=say_on(self.known, day)).head(),
                write_line(self.workflow, self.label, evals),
                f"{self.label} · {evals}",
                judged=self._say_best(),
            ),
            tuple(filter(None, (self._note_unread(), door.hint()))),
            tuple(Count(k, n, *its) for k, its in _KINDS.items() if (n := kinds.count(k))),
            tuple(parts),
            name=self.label,
            copies=tuple(self.copies()) if door.passing else (),
        )

    def _table(self, evals: Sequence[Story], door: Door) -> DocumentTable:
        table = self.make(evals)
        if not door.passing:
            return table
        return replace(table, rows=tuple(self._open(row, door.values) for row in table.rows))

    def _say_best(self) -> Line:
        """The run of the newest try, and the best one."""
        at, (_, is_best), best = self.now.last_run_at, self.choice, self.best
        ran = f"run of {say_moment(at, self.year)}" if at else ""
        said = f"best: {name_column(best)}" if best else ""
        if is_best is False:
            said = "no difference that these runs can tell"
        return write_line(ran, " · " * bool(ran and said), Span(said, "strong"))

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

    def _note_unread(self) -> Line:
        runs = f"{count_noun(self.unread, 'run')} of the block"
        said = f"Not read since the last good code: {runs}. Tries may be missing."
        return write_line(said * bool(self.unread))

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
    _page: _Page

    @property
    def headline(self) -> str:
        """What the newest edit did, in one line."""
        return str(self._page.head())

    def prompt(self, which: int | str | None = None) -> str:
        """Give the prompt of a try.

        Args:
            which: Its number, its name, or a part of it that no other has: ``7``, ``"19:05"``,
                ``"v5"``, ``"edit of 29 Nov 19:05"``, ``"try 7"``. By default the best try; if these
                runs tell no difference, the present one, or the newest of those that none beats.

        Raises:
            ConfigError: There is no such try, its block has no prompt, or the API does not keep the
                configurations of earlier drafts.
        """
        page = self._page
        its = page.choice[0] if which is None else page.find(which)
        if its is None:
            raise ConfigError("no try has run yet; give the number of one")
        if (config := _write(its)) is None:
            raise ConfigError(
                f"the configuration of {its.name.text!r} is not known: the API does not keep "
                "earlier drafts"
            )
        prompt = json.loads(config).get("prompt")
        if not isinstance(prompt, str):
            raise ConfigError(
                f"block {page.block} has no prompt; the column config has its configuration"
            )
        return prompt

    def explain(self, which: int | str | None = None) -> str:
        """Say what a try changed, and which evals it mended and broke, by default the present one.

        Args:
            which: Its number or its name, as for :meth:`prompt`.

        Raises:
            ConfigError: There is no such try.
        """
        return self._page.explain(self._page.now if which is None else self._page.find(which))

    def _document(self, door: Door) -> Document:
        return self._page.document(door)


def list_tried(found: Tries, *, values: bool) -> dict[str, Any]:
    """The tries as plain values that JSON can hold; of evals their states, the newest last."""
    page = found._page
    best, hidden = page.best, () if values else ("words", "config")
    evals = []
    for eval_id, name in page.evals:
        told: dict[str, Any] = {"eval_id": eval_id, "eval_name": name}
        told["states"] = [each.states.get(eval_id) for each in page.tries]
        if values:
            told["values"] = [each.values.get(eval_id) for each in page.tries]
        evals += [] if page.is_steady(eval_id) else [told]
    return {
        "headline": found.headline,
        "best": None if best is None else best.name.text,
        "tries": list_rows(found.frame.drop(hidden)),
        "evals": evals,
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

    A try is one code of the block, with all its runs; a code that was put back is the try it was.
    It is compared with the newest try before it that ran, by the verdicts on both. One eval more or
    less may be luck: one run of a try shows no more.

    Args:
        workflow_id: The workflow, its id or its name.
        block: The block, its id or its label.
        last: How many tries that ran to show, beside the last good code: the newest at which no
            eval failed.
        client: The client to ask; by default the session's.
        progress: False for no progress bar; by default a notebook or a terminal shows one.

    Returns:
        ``.frame``, one row per try, the newest first; ``.evals``, one row per try and eval: its
        state and value, and whether the try mended or broke it; ``.headline``; and
        ``.prompt(which)``, which gives a prompt back. Without the history of blocks, the words and
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
    told, year = compared.sides.told, find_year(compared.sides.candidate)
    assert told is not None
    runs = memory.listing.runs.filter(~pl.col("run_id").is_in([*source.read_ids]))
    is_its = pl.col("target_block_id").eq_missing(block)
    since: Any = runs.filter(pl.col("scope").eq("workflow") | is_its)["created_at"].max()
    graph = source.read_blocks([DRAFT]).get(DRAFT)
    draft = () if graph is None else graph.filter(block_id=block).to_dicts()
    stories = [each for each in compared.counting if each.block_id == block]
    now = next(iter(draft), None)
    known = list_tries(told, block, stories=stories, since=since, draft=now)
    if not known:
        start = f"ra.start_runs({source.workflow_id!r}, blocks={block!r})"
        raise ConfigError(f"no eval of block {block} has run yet: {start}")
    page = _Page(
        known,
        last,
        [each for each in stories if each.transition in BROKEN],
        year,
        True,
        block=block,
        label=source.labels.get(block) or block,
        workflow=source.name or source.workflow_id,
        evals=source.saved.filter(block_id=block).select(_ROW).rows(),
        stories={each.id: each for each in compared.stories if each.block_id == block},
        newest_day=compared.facts().newest_day,
        edits=told.edits,
    )
    oldest = page.good if page.good in page.tries else page.tries[0]
    first = oldest.last_run_at or oldest.began_at
    unread = runs.filter(is_its, pl.col("created_at") > first).height
    page = replace(page, unread=unread)
    rows = [_tell(page, *each) for each in zip(page.tries, page.changes, strict=True)]
    about = {"block_id": block, "block_label": page.label, "workflow_id": source.workflow_id}
    frame = pl.DataFrame([row | about for row in reversed(rows)], schema=TRIES.schema)
    return Tries(frame, _list_evals(page), page)


def _write(its: Try) -> str | None:
    return None if its.config is None else its.config["config"]


def _tell(page: _Page, its: Try, changes: Sequence[Change]) -> dict[str, Any]:
    words = "; ".join(f"{each.label}: {mark_line(each.line)}" for each in changes)
    counts = {name: len(its.list(name)) for name in ("passed", "failed", "mixed", "error")}
    counts |= {"n_runs": len(its.runs), "n_evals": len(its.states), "mended": len(its.mended)}
    counts |= {"mended_of": len(its.of), "broke": len(its.broke)}
    return {
        "name": its.name.text,
        "number": its.number,
        "edited_at": its.edited_at,
        "words": words or None,
        **{name: number if its.has_run else None for name, number in counts.items()},
        "is_present": its.is_present,
        "is_best": its is page.best,
        "first_run_at": its.first_run_at,
        "last_run_at": its.last_run_at,
        "code": its.code,
        "config": _write(its),
        "versions": sorted(its.era.versions) if its.era else [],
    }


def _list_evals(page: _Page) -> pl.DataFrame:
    rows = []
    for its, (key, name) in itertools.product(reversed(page.tries), page.evals):
        told = (key in its.mended, key in its.broke) if key in its.states else (None, None)
        states = its.states.get(key), its.values.get(key)
        rows.append((name, its.name.text, *states, *told, key))
    return pl.DataFrame(rows, schema=EVALS_OF_TRIES, orient="row")
