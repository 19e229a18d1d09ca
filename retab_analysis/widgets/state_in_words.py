"""A state in words, made once for each comparison and each look at the runs."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

import polars as pl

from retab_analysis.checks.read import count_waiting
from retab_analysis.checks.week import sum_up_all
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.config_changes import compare_blocks, mark_changes
from retab_analysis.comparison.detail import (
    WORDS,
    find_sign,
    list_documents,
    name_eval,
    say_short,
    say_word,
)
from retab_analysis.comparison.going import (
    ENDED,
    Mark,
    add_marks,
    make_marks,
    write_beside,
    write_going,
)
from retab_analysis.comparison.run_columns import KnownRuns, say_moment
from retab_analysis.config import shows_values
from retab_analysis.evidence.places import is_in_scope
from retab_analysis.evidence.versions import Versions
from retab_analysis.fetch.run_line import RunStatus
from retab_analysis.markup import Html, one_line
from retab_analysis.render.document import (
    Cell,
    Change,
    Count,
    Document,
    DocumentTable,
    Folded,
    Head,
    Heading,
    Line,
    Row,
    Span,
    TableColumn,
    list_rows,
    plain,
    write_line,
)
from retab_analysis.render.door import Door
from retab_analysis.render.text import WIDEST, to_text
from retab_analysis.vocabulary import BROKEN, NOT_COMPARED
from retab_analysis.widgets.state import NO_EVAL, NO_RUN, ViewState, WorkflowLook

NOT_YET = "not_yet"
PASSES, BROKE = WORDS["still_passing"].key, WORDS["regressed"].key

_HEADLINE = 90  # characters of an error that stand in the headline
# The counts of a first run that goes on, by what its evals do.
_FIRST: Mapping[str, Count] = MappingProxyType(
    {
        **{
            WORDS[each].key: WORDS[each].make_count(0)
            for each in ("first failure", "newly_errored", "first pass")
        },
        NOT_YET: Count(NOT_YET, 0, "not yet", "other"),
    }
)
_PROGRESS = (
    Count("done", 0, "done", "other"),
    Count(NOT_YET, 0, "not yet", "other"),
    Count("apart", 0, "not in this run", "other"),
)


class Judgement:
    """A comparison in words; ``gate`` is the one that it has by itself."""

    def __init__(self, comparison: Comparison, *, values: bool) -> None:
        self.comparison, self.values = comparison, values
        self.gate = comparison.gate()
        door = Door(values, types="", shows="", is_live=True, passing=sys.maxsize)
        self.document, self.runs = inside(comparison).undrawn(door, self.gate)
        self.facts, self.stories = self.runs.facts, self.runs.stories
        self.written: dict[str, tuple[object, Html]] = {}  # of rows, by the names of pieces
        self.names: dict[str, str] = {}  # the version of each run, by its id


class StateInWords:
    """A state in words; ``judged`` is its comparison in words, if that was made before."""

    def __init__(self, state: ViewState, judged: Judgement | None) -> None:
        self.state = state
        made, values = state.look.comparison, state.values
        if judged is None or judged.comparison is not made or judged.values != values:
            judged = None if made is None else Judgement(made, values=values)
        self.judged = judged

    def is_of(self, state: ViewState) -> bool:
        """Whether another state says the same about the runs and the evals."""
        names = ("comparison", "runs", "watched", "results", "checked", "phase", "progress")
        is_same = all(getattr(self.look, name) is getattr(state.look, name) for name in names)
        own = "values", "candidate"
        return is_same and all(getattr(self.state, each) == getattr(state, each) for each in own)

    @property
    def look(self) -> WorkflowLook:
        return self.state.look

    # The evals

    @cached_property
    def keys(self) -> dict[str, str]:
        """The key under which each eval is counted, in the order of harm."""
        judged = self.judged
        if judged is None:
            return {}
        found = {k: judged.facts.word_of(each).key for k, each in judged.stories.items()}
        # In a first run that goes on, its results are all that is known.
        pending = sorted(inside(judged.comparison).sides.saved.pending - found.keys())
        first = {k: mark.outcome for k, mark in self.marks.items() if k in pending}
        pending.sort(key=lambda each: [*_FIRST].index(first.get(each, NOT_YET)))
        return found | {each: first.get(each, NOT_YET) for each in pending}

    @cached_property
    def counts(self) -> list[Count]:
        """How many evals there are of each key; together they are all evals."""
        if self.judged is None:
            return []
        numbers = Counter(self.keys.values())
        known = {each.key: each for each in (*self.judged.document.counts, *_FIRST.values())}
        counts = [replace(each, number=numbers[key]) for key, each in known.items()]
        return [each for each in counts if each.number or each.key not in _FIRST]

    def count(self, *keys: str) -> int:
        return sum(key in keys for key in self.keys.values())

    # The runs that go on

    @property
    def is_going(self) -> bool:
        """Whether the comparison is of what had ended before the watched runs, which go on."""
        return self.look.is_going and self.state.candidate is None

    @property
    def is_first(self) -> bool:
        """Whether nothing is known but the results of runs that go on."""
        return self.is_going and self.judged is not None and not self.judged.stories

    @cached_property
    def _going(self) -> pl.DataFrame:
        """The results of the runs that go on."""
        is_going = pl.col("run_id").is_in(self.look.going["run_id"].implode())
        return self.look.results.filter(is_going if self.is_going else pl.lit(False))

    @cached_property
    def marks(self) -> dict[str, Mark]:
        """What evals do in the runs that go on, by their ids."""
        if self.judged is None:
            return {}
        return make_marks(self.judged.stories, self._going, values=self.state.values)

    @cached_property
    def news(self) -> list[str]:
        """The evals that fail in a run that goes on, and passed by all that is known."""
        known = {k: self.marks[k] for k in self.keys if k in self.marks}
        first = self.is_first
        return [k for k, m in known.items() if m.is_news or (first and m.outcome != "passes")]

    @cached_property
    def done(self) -> frozenset[str]:
        """The evals with a result in a run that goes on."""
        ended = self._going.filter(pl.col("state").is_in(ENDED))
        return frozenset(ended["eval_id"]).intersection(self.keys)

    @cached_property
    def due(self) -> frozenset[str]:
        """The evals whose result is still to come."""
        runs, saved = self.look.going.iter_slices(1), self.look.saved
        asked = {each for run in runs for each in saved.filter(is_in_scope(run))["eval_id"]}
        return (
            frozenset(asked).intersection(self.keys) - self.done if self.is_going else frozenset()
        )

    @property
    def progress(self) -> list[Count]:
        """How many evals have run again; together they are all evals."""
        if not self.is_going or self.is_first or not self.keys:
            return []
        numbers = Counter(map(self._say_progress, self.keys))
        counts = [replace(each, number=numbers[each.key]) for each in _PROGRESS]
        return [each for each in counts if each.number or each.key != "apart"]

    def _say_progress(self, eval_id: str) -> str:
        return "done" if eval_id in self.done else NOT_YET if eval_id in self.due else "apart"

    @cached_property
    def far(self) -> tuple[int, int]:
        """How many results of the runs that go on there are, of how many."""
        ended = self._going.filter(pl.col("state").is_in(ENDED)).unique(("run_id", "eval_id"))
        return ended.height, int(self.look.going["total_evals"].sum())

    # The head

    @cached_property
    def heading(self) -> Heading:
        """The headline of the document; while runs go on, what they add to it."""
        look, judged = self.look, self.judged
        if judged is not None and self.is_going:
            is_queued = look.is_waiting and not self.far[0]
            return write_going(judged.facts, self.marks, self.far, is_queued=is_queued)
        if judged is not None:
            return judged.document.head.heading
        checked = look.watched if look.is_watched else look.checked
        left, total = count_waiting(checked)
        if look.trouble in (NO_EVAL, NO_RUN):
            return Heading("○", "other", look.trouble)
        if look.phase == "failed":
            return Heading("‼", "error", one_line(look.trouble, _HEADLINE))
        runs = f"{look.progress[1]} runs" if look.progress[1] else "the runs"
        if look.phase == "reading" or checked.is_empty():
            return Heading("…", "other", "Reading", f" {runs} and their results")
        if left:
            how_far = "Queued" if look.is_waiting else f"{total - left} of {total} done"
            rest = "" if look.notes else f"; reading {runs} before"
            return Heading("…", "other", how_far, rest)
        passed = checked["passed"].sum()
        return Heading("○", "other", f"{passed} of {total} pass", "; held against nothing")

    def show(self, is_open: bool | None) -> Document:
        """The page; of several workflows (``is_open`` is not None) what is known comes first."""
        head, (ended, total), known = self.head, self.far, self._known.heading
        if is_open is not None and self.judged is not None and self.is_going and not self.is_first:
            if not self.look.is_away:
                left = self.look.line.left
                done = Span(f"{ended} of {total}", "strong")
                head = replace(head, going=write_line(done, left and f" · {left} left"), judged=())
            head = replace(head, heading=write_beside(known, self.marks) if ended else known)
        return replace(self.document, head=head)

    @cached_property
    def _known(self) -> Head:
        """The head of the comparison; of a workflow without one its name."""
        if self.judged is None:
            called = one_line(self.look.name or self.state.workflow_id)
            return Head(self.heading, write_line(called))
        known = self.judged.document.head
        return replace(known, badge="", brief="") if self.is_first else known

    @property
    def head(self) -> Head:
        """What the comparison says, with how far the runs are."""
        look, (ended, total) = self.look, self.far
        return replace(
            self._known,
            heading=self.heading,
            going=say_status(look.line),
            seen=self.seen,
            seconds=look.line.seconds,
            status=look.status,
            far=ended / total if total else 0.0,
        )

    @property
    def seen(self) -> str:
        """When the API answered last."""
        at = self.look.seen_at
        return "" if at is None else f"as of {say_moment(at, self.look.year)} UTC"

    @property
    def notes(self) -> tuple[Line, ...]:
        own = self.state.failures + self.look.notes
        if self.judged is None:
            is_cut = self.look.phase == "failed" and len(self.look.trouble) > _HEADLINE
            return tuple(map(write_line, (*([self.look.trouble] if is_cut else []), *own)))
        said = (*self._say_unsaved(), *map(write_line, (*own, *self._say_broken_off())))
        return (*said, *self.judged.document.notes)

    def _say_unsaved(self) -> Iterator[Line]:
        """How to keep values in the file of a notebook."""
        if not self.state.values and shows_values():
            how = "watch(run" if self.look.is_watched else "explore(workflow_id"
            told = "Values are not saved in this file. To keep them: "
            yield write_line(told, Span(f"ra.{how}, save_values=True)", "code"))

    def _say_broken_off(self) -> list[str]:
        """The reason why a run could not run."""
        if self.judged is None or not inside(self.judged.comparison).sides.read.could_not_run:
            return []
        return [one_line(each, 300) for each in self.look.checked["status_message"].drop_nulls()]

    # The page

    @property
    def document(self) -> Document:
        """What is known, and the evals of the checked runs that have no result yet."""
        counts = tuple(self.counts)
        told = replace(self._shown, head=self.head, notes=self.notes, counts=counts)
        return replace(told, name=self.state.workflow_id or "evals")

    @cached_property
    def _shown(self) -> Document:
        if self.judged is None:
            return Document(self.head)
        known, parts = self.judged.document, [*self.judged.document.parts]
        places = [at for at, each in enumerate(parts) if not any(list_rows((each,)))]
        first = next((at for at in places if isinstance(parts[at], Folded)), len(parts))
        parts[first:first] = self._list_waiting()
        drawn = self.judged.runs.draw(replace(known, parts=tuple(parts)), self._runs)
        if not self.is_going:
            return drawn
        again = {each: self._say_progress(each) for each in self.keys}
        return add_marks(drawn, self.marks, again, self.news, self.progress)

    def _list_waiting(self) -> Iterator[Folded]:
        """The evals of the checked runs that no comparison has yet, by what they do."""
        stories, columns = (
            (self.judged.stories, self.judged.document.columns) if self.judged else ({}, ())
        )
        its = [each for each in self.keys if each not in stories]
        for count in self.counts:
            rows = tuple(self._make_waiting(e, columns) for e in its if self.keys[e] == count.key)
            if rows:
                title = {PASSES: "Pass"}.get(count.key) or count.word.capitalize()
                table = DocumentTable(columns, rows)
                yield Folded(f"rest:{count.key}", title, len(rows), (table,))

    @property
    def _runs(self) -> KnownRuns:
        look, judged = self.look, self.judged
        assert judged is not None
        return replace(
            judged.runs.known,
            results=look.results,
            checked=frozenset(look.checked["run_id"]),
            names=self.names,
            going=frozenset(look.going["run_id"]) if self.is_going else frozenset(),
            due=self.due,
            say_edit=partial(_find_changes, look.versions) if self.state.values else None,
        )

    def _make_waiting(self, eval_id: str, columns: Sequence[TableColumn]) -> Row:
        block = self._saved.get(eval_id, {}).get("block_id") or ""
        name = Cell("name", (write_line(self._name(eval_id)),))
        cells = (name, *(Cell(each.key) for each in columns[1:]))
        about = self.keys[eval_id], block, self.name_block(block)
        return Row(eval_id, "…", "other", "not yet", cells, None, *about)

    @cached_property
    def names(self) -> dict[str, str]:
        """The version of each run, by its id; none before something was judged."""
        look, versions, judged = self.look, self.look.versions, self.judged
        if versions is None or judged is None or judged.names:
            return judged.names if judged else {}
        named = versions.name_runs(look.results).items()
        read = {run_id: each.text for run_id, each in named}
        unread = look.runs.filter(~pl.col("run_id").is_in([*read]))
        rows = unread.select("run_id", "created_at", "workflow_version_id").iter_rows()
        judged.names = read | {r: versions.name_run(at, version=v).text for r, at, v in rows}
        return judged.names

    @cached_property
    def choices(self) -> list[tuple[str, str]]:
        """Versions and the runs that were read: the choices for both sides."""
        look = self.look
        published = () if look.versions is None else look.versions.publications
        numbers = sorted({each.number for each in published if each.number}, reverse=True)
        names = [f"v{each}" for each in numbers]
        known = [(each, f"{each}, published" if each in names[:1] else each) for each in names]
        is_whole = pl.col("scope").is_in(("workflow", "block"))
        ended = look.runs.filter("is_terminal", is_whole, pl.col("run_id").is_in([*look.read]))
        for run in ended.iter_rows(named=True):
            at = run["created_at"]
            about = say_moment(at, look.year), self.names.get(run["run_id"])
            known.append((run["run_id"], " · ".join(filter(None, about))))
        return known

    def name_block(self, block: str | None) -> str:
        """The label of a block; its id if it has none."""
        return one_line(self.look.labels.get(block or "") or block)

    def _name(self, eval_id: str) -> str:
        story = self.judged and self.judged.stories.get(eval_id)
        if story:
            return name_eval(story)
        return one_line(self._saved.get(eval_id, {}).get("eval_name") or eval_id)

    @cached_property
    def _saved(self) -> dict[str, dict[str, Any]]:
        names = ("eval_id", "eval_name", "block_id", "path")
        return {row["eval_id"]: row for row in self.look.saved.select(names).iter_rows(named=True)}

    def to_text(self, width: int = WIDEST) -> str:
        return to_text(self.document, width)


def rank(facts: StateInWords) -> tuple[int, ...]:
    """The place of a workflow: the worst first, then those that are read, then the others."""
    if facts.judged is None:
        return (2 if facts.look.phase == "failed" else 1), 0, 0, 0
    doubts = facts.count("error", "unclear")
    return 0, -facts.count(BROKE), -doubts, -facts.judged.gate.exit_code


def sum_up(told: Sequence[StateInWords]) -> Heading:
    """The headline of several workflows."""
    codes = [each.judged.gate.exit_code for each in told if each.judged is not None]
    others = [each.look for each in told if each.judged is None]
    reading = sum(each.phase != "failed" for each in others)
    lost = sum(each.phase == "failed" and each.trouble not in (NO_EVAL, NO_RUN) for each in others)
    return sum_up_all(len(told), [each.count(BROKE) for each in told], codes, reading, lost)


def say_status(status: RunStatus) -> Line:
    title = one_line(status.title, 300) or None
    strong = Span(status.strong, "strong", title) if status.strong else None
    return write_line(strong, Span(status.rest, title=title))


def _find_changes(
    versions: Versions | None, block: str, before: datetime | None, after: datetime | None
) -> tuple[Change, ...]:
    """What was edited in a block between two moments, if its history tells."""
    history = None if versions is None else versions.timeline.histories.get(block)
    if history is None or before is None or after is None:
        return ()
    was, now = history.find(before), history.find(after)
    return mark_changes(compare_blocks([was.config], [now.config])) if was and now else ()


def list_news(facts: StateInWords, said: set[tuple[str, str]], *, values: bool) -> Iterator[str]:
    """A line for each eval whose word is news and not in ``said`` yet.

    While runs go on, these are the evals that do something else than is known of them.
    """
    if facts.is_going:
        for eval_id, mark in facts.marks.items():
            if not mark.is_same and (eval_id, mark.outcome) not in said:
                said.add((eval_id, mark.outcome))
                told = plain(mark.line) if values else f"it {mark.outcome}"
                yield f"{'?' if mark.is_news else '–'} {facts._name(eval_id)}: {told}"
        return
    its, look = facts.judged.stories if facts.judged else {}, facts.look
    watched = pl.col("run_id").is_in(look.watched["run_id"].implode())
    ran = {*look.results.filter(watched)["eval_id"]}
    for story in its.values():
        if look.is_watched and story.id not in ran:
            continue
        is_new = story.transition in NOT_COMPARED and story.fails
        if is_new or story.transition in (*BROKEN, "suspect", "newly_errored"):
            if (key := (story.id, story.transition)) in said:
                continue
            said.add(key)
            words = dict.fromkeys(
                (say_word(story), say_short(story, facts.look.year, values=values))
            )
            documents = f" [{list_documents(story)}]" if list_documents(story) else ""
            yield one_line(
                f"{find_sign(story)[0]} {name_eval(story)}{documents}: {'; '.join(words)}"
            )
