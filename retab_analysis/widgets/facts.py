"""A state in words, made once for each comparison and each look at the runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any

import polars as pl

from retab_analysis.checks.read import count_waiting
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.config_changes import compare_blocks, mark_changes
from retab_analysis.comparison.detail import (
    WORDS,
    find_sign,
    list_documents,
    make_cells,
    make_row,
    name_eval,
    say_reason,
    say_short,
    say_word,
    word_of,
)
from retab_analysis.comparison.names import name_version
from retab_analysis.comparison.situations import write_heading
from retab_analysis.fetch.edits import find_era
from retab_analysis.markup import count_noun, one_line
from retab_analysis.render.document import (
    Change,
    Count,
    Heading,
    Line,
    Note,
    Row,
    Span,
    plain,
    write_line,
)
from retab_analysis.render.door import Door
from retab_analysis.render.text import mark_line, to_text
from retab_analysis.schema import BLOCKS
from retab_analysis.vocabulary import BROKEN, DRAFT, NOT_COMPARED, say_day
from retab_analysis.widgets.state import NO_EVAL, NO_RUN, ViewState, WorkflowLook

COLUMNS, YOUNGER = 16, 3
"""So many runs are columns of the matrix, and so many of them may be newer than the checked."""

NOT_YET, _NOT_RUN = "not_yet", "not_run"

_HEADLINE = 90  # characters of an error that stand in the headline

# What a cell of the matrix is: a letter for each state of a result.
_LETTERS = {"passed": "p", "failed": "f", "blocked": "b", "error": "e", "cancelled": "c"}
LETTERS: Mapping[str, str] = MappingProxyType(
    {**_LETTERS, "mixed": "f", "running": "r", NOT_YET: "n", _NOT_RUN: "o"}
)
_WORST = "erncpo"  # the first of these letters stands for several undecided evals
PASSES, BROKE = WORDS["still_passing"].key, WORDS["regressed"].key


class Judgement:
    """A comparison in words; ``gate`` is the one that it has by itself."""

    def __init__(self, comparison: Comparison, *, values: bool) -> None:
        self.comparison, self.values = comparison, values
        self.gate = comparison.gate()
        door = Door(values, types="", shows="")
        self.document = inside(comparison).document(door, self.gate)
        self.facts = inside(comparison).facts(self.gate)
        self.stories = {each.id: each for each in inside(comparison).stories}
        self._rows: dict[str, Row] = {}

    def make_row(self, eval_id: str) -> Row:
        if eval_id not in self._rows:
            story = self.stories[eval_id]
            self._rows[eval_id] = make_row(
                story, make_cells(story, self.facts.year, values=self.values)
            )
        return self._rows[eval_id]

    def say_reason(self, eval_id: str) -> str:
        return say_reason(self.stories[eval_id], self.facts.year) or ""


@dataclass(frozen=True, eq=False)
class RunColumn:
    """A run as a column of the matrix; ``cells`` are the letters of its evals by their ids."""

    run: Mapping[str, Any]  # a row of RUNS
    version: str
    title: str
    is_checked: bool
    is_baseline: bool
    cells: Mapping[str, str]
    edited: frozenset[str]  # the blocks that ran on other code in the run before

    def cell(self, eval_id: str, block: str | None) -> str:
        goes_on = not self.run["is_terminal"] and self.run["scope"] != "eval"
        is_due = goes_on and self.run["target_block_id"] in (None, block)
        return self.cells.get(eval_id) or LETTERS[NOT_YET if is_due else _NOT_RUN]


class Facts:
    """A state in words; ``judged`` is its comparison in words, if that was made before."""

    def __init__(self, state: ViewState, judged: Judgement | None) -> None:
        self.state = state
        made, values = state.look.comparison, state.values
        if judged is None or judged.comparison is not made or judged.values != values:
            judged = None if made is None else Judgement(made, values=values)
        self.judged = judged

    def is_of(self, state: ViewState) -> bool:
        """Whether another state says the same about the runs and the evals."""
        names = ("comparison", "runs", "results", "checked", "eras", "between", "phase")
        is_same = all(getattr(self.look, name) is getattr(state.look, name) for name in names)
        return is_same and self.state.values == state.values

    @property
    def look(self) -> WorkflowLook:
        return self.state.look

    # The evals

    @cached_property
    def keys(self) -> dict[str, str]:
        """The key under which each eval is counted, in the order of harm."""
        look, judged = self.look, self.judged
        if judged is None:
            return {}
        found = {k: word_of(each).key for k, each in judged.stories.items()}
        found |= dict.fromkeys(judged.gate.accepted, "accepted")
        is_checked = pl.col("run_id").is_in(look.checked["run_id"].implode())
        passed = {*look.results.filter(is_checked, state="passed")["eval_id"]}
        # A further pass of a passing eval is only counted, without another comparison.
        passes = look.passing & passed if look.is_watched else frozenset[str]()
        pending = sorted(inside(judged.comparison).sides.saved.pending - found.keys())
        pending.sort(key=lambda each: each not in passes)
        return found | {each: PASSES if each in passes else NOT_YET for each in pending}

    @cached_property
    def counts(self) -> list[Count]:
        """How many evals there are of each key; together they are all evals."""
        if self.judged is None:
            return []
        numbers = Counter(self.keys.values())
        known = {each.key: each for each in self.judged.document.counts}
        if self.look.is_going:
            known = {BROKE: WORDS["regressed"].make_count(0), **known}
        if numbers[PASSES]:
            known.setdefault(PASSES, WORDS["still_passing"].make_count(0))
        if numbers[NOT_YET]:
            known[NOT_YET] = Count(NOT_YET, 0, "not yet", "other")
        return [replace(each, number=numbers[key]) for key, each in known.items()]

    def count(self, *keys: str) -> int:
        return sum(key in keys for key in self.keys.values())

    # The head

    @cached_property
    def heading(self) -> Heading:
        """The headline of the document, with the present progress of the runs."""
        look, checked, judged = self.look, self.look.checked, self.judged
        left, total = count_waiting(checked)
        if judged is not None and look.is_going:
            read = replace(judged.facts.sides.read, waiting=(left, total))
            return write_heading(
                replace(judged.facts, sides=replace(judged.facts.sides, read=read))
            )
        if judged is not None:
            return judged.document.heading
        if look.trouble in (NO_EVAL, NO_RUN):
            return Heading("○", "other", look.trouble)
        if look.phase == "failed":
            return Heading("‼", "error", one_line(look.trouble, _HEADLINE))
        if look.phase == "reading" or checked.is_empty():
            return Heading("…", "other", "Reading the runs and their results …")
        if left:
            return Heading("…", "other", f"{total - left} of {total} done")
        passed = checked["passed"].sum()
        return Heading("○", "other", f"{passed} of {total} pass", "; held against nothing")

    @cached_property
    def context(self) -> tuple[Span, ...]:
        """The workflow, the version and time of the checked run, and the number of evals."""
        look, workflow_id = self.look, self.state.workflow_id
        called = Span(one_line(look.name or workflow_id), title=one_line(workflow_id))
        if self.judged is None:
            return (called,) if called.text else ()
        *about, _ = self.judged.document.context
        if not self.judged.stories and not look.checked.is_empty():
            version = name_version(look.checked, look.versions, look.year).text
            moment: Any = look.checked["created_at"].max()
            when = "" if moment is None else f"{moment:%-d %b %Y, %H:%M} UTC"
            about = [called, *(Span(each) for each in (version, when) if each)]
        return (*about, Span(count_noun(len(self.keys), "eval")))

    @property
    def badge(self) -> tuple[str, str] | None:
        """The state of the gate; None while a run goes on, and if the run could not run."""
        if self.judged is None or self.look.is_going:
            return None
        if inside(self.judged.comparison).sides.read.could_not_run:
            return None
        return self.judged.document.badge, self.judged.document.badge_tone

    @property
    def notes(self) -> tuple[Line, ...]:
        own = self.state.failures + self.look.notes
        if self.judged is None:
            is_cut = self.look.phase == "failed" and len(self.look.trouble) > _HEADLINE
            return tuple(map(write_line, (*([self.look.trouble] if is_cut else []), *own)))
        return (*map(write_line, (*own, *self._say_broken_off())), *self.judged.document.notes)

    def _say_broken_off(self) -> Iterator[str]:
        """The reason why a run could not run, and the answer of a later run on the same code."""
        assert self.judged is not None
        if not inside(self.judged.comparison).sides.read.could_not_run:
            return
        checked, runs = self.look.checked, self.look.runs
        yield from (one_line(each, 300) for each in checked["status_message"].drop_nulls())
        later = runs.filter(pl.col("created_at") > checked["created_at"].max(), status="completed")
        its = self._codes.get(checked["run_id"][0], {}).items()
        for run in later.filter(scope="workflow").reverse().iter_rows(named=True):
            now = self._codes.get(run["run_id"], {})
            if now and all(now.get(block, code) == code for block, code in its):
                sign = "✓" if run["ok"] else "✗"
                yield f"A later run on the same code: {sign} {_say_passing(run)}."
                return

    # The matrix

    @cached_property
    def _codes(self) -> dict[str, dict[str, str]]:
        known = self.look.results.drop_nulls(("run_id", "block_id", "code"))
        one = known.group_by("run_id", "block_id").agg(pl.col("code").last())
        found: dict[str, dict[str, str]] = {}
        for run_id, block, code in one.iter_rows():
            found.setdefault(run_id, {})[block] = code
        return found

    @cached_property
    def columns(self) -> list[RunColumn]:
        look, made = self.look, self.judged and inside(self.judged.comparison).sides
        checked = {*look.checked["run_id"]}
        baseline = made.baseline if made else None
        before = set() if baseline is None else {*baseline["run_id"].drop_nulls()}
        shown = _choose_columns(look, checked, before)
        states = _read_cells(look.results, shown["run_id"])
        codes: dict[str, tuple[str, datetime | None]] = {}  # of the blocks, and when they ran
        found = []
        for run in shown.iter_rows(named=True):
            run_id = run["run_id"]
            now = self._codes.get(run_id, {})
            known = {b: codes[b] for b, code in now.items() if codes.get(b, (code,))[0] != code}
            codes |= {block: (code, run["created_at"]) for block, code in now.items()}
            version = self.names.get(run_id, "")
            edited = {block: at for block, (_, at) in known.items()}
            looks = self._write_title(run, version, edited), run_id in checked, run_id in before
            its = states.get(run_id, {}), frozenset(edited)
            found.append(RunColumn(run, version, *looks, *its))
        return found

    @cached_property
    def names(self) -> dict[str, str]:
        """The version of each run, by its id; none before something was judged."""
        look, versions = self.look, self.look.versions
        if versions is None:
            return {}
        named = versions.name_runs(look.results, look.year).items()
        read = {run_id: each.text for run_id, each in named}
        unread = look.runs.filter(~pl.col("run_id").is_in([*read]))
        rows = unread.select("run_id", "created_at", "workflow_version_id").iter_rows()
        others: dict[str, str] = {
            run_id: versions.name_run(at, look.year, version=version).text
            for run_id, at, version in rows
        }
        return read | others

    def list_choices(self) -> list[tuple[str, str]]:
        """Versions and the newest runs: the choices for the checked run and the baseline."""
        look = self.look
        published = () if look.versions is None else look.versions.publications
        numbers = sorted({each.number for each in published if each.number}, reverse=True)
        known = [(name, name) for name in (*(f"v{each}" for each in numbers), DRAFT)]
        ended = look.runs.filter("is_terminal", pl.col("scope").is_in(("workflow", "block")))
        for run in ended.head(COLUMNS).iter_rows(named=True):
            at = run["created_at"]
            about = say_moment(at, look.year), self.names.get(run["run_id"])
            known.append((run["run_id"], " · ".join(filter(None, about))))
        return known

    def _write_title(
        self, run: Mapping[str, Any], version: str, edited: Mapping[str, datetime | None]
    ) -> str:
        """What a run was; of edited blocks, by when they ran before, what was edited."""
        when = say_moment(run["created_at"], self.look.year)
        about = " · ".join(filter(None, (f"{when} UTC" * bool(when), version, _say_passing(run))))
        lines = [about]
        for block, before in sorted(edited.items()):
            words = _find_changes(self.look.eras.filter(block_id=block), before, run["created_at"])
            lines.append(f"{self.name_block(block)} was edited before this run{':' * bool(words)}")
            if self.state.values:
                lines += [f"{each.label}: {one_line(mark_line(each.line), 300)}" for each in words]
        return "\n".join(lines)

    def name_block(self, block: str | None) -> str:
        """The label of a block; its id if it has none."""
        return one_line(self.look.labels.get(block or "") or block)

    def cells_of(self, eval_id: str) -> list[str]:
        block = self.block_of(eval_id)
        return [column.cell(eval_id, block) for column in self.columns]

    def sum_cells(self, eval_ids: Sequence[str]) -> list[str | float]:
        """For several evals: one letter if nothing failed, else the share that failed."""
        rows = [self.cells_of(each) for each in eval_ids]
        found: list[str | float] = []
        for letters in (Counter(each) for each in zip(*rows, strict=True)):
            failed, of = letters["f"] + letters["b"], letters["f"] + letters["b"] + letters["p"]
            letter = "p" if of else next(each for each in _WORST if each in letters)
            found.append(failed / of if failed else letter)
        return found

    def edits_of(self, block: str | None) -> list[int]:
        return [at for at, each in enumerate(self.columns) if block in each.edited]

    def block_of(self, eval_id: str) -> str | None:
        """The block of an eval, also of one without a result yet."""
        story = self.judged and self.judged.stories.get(eval_id)
        return story.block_id if story else self._saved.get(eval_id, {}).get("block_id")

    @cached_property
    def _saved(self) -> dict[str, dict[str, Any]]:
        names = ("eval_id", "eval_name", "block_id", "path")
        return {row["eval_id"]: row for row in self.look.saved.select(names).iter_rows(named=True)}

    def name_waiting(self, eval_id: str) -> str:
        return one_line(self._saved.get(eval_id, {}).get("eval_name") or eval_id)

    @cached_property
    def arrival(self) -> dict[str, int]:
        """The order in which the results of the checked runs came, by the ids of their evals."""
        is_checked = pl.col("run_id").is_in(self.look.checked["run_id"].implode())
        came = self.look.results.filter(is_checked).drop_nulls("completed_at")
        ids = came.sort("completed_at", maintain_order=True)["eval_id"].unique(maintain_order=True)
        return {each: at for at, each in enumerate(ids)}

    # The search

    def find(self) -> list[str] | None:
        """The evals that the pressed counts and the search leave, by harm; None for all."""
        state, asked = self.state, self.state.search.casefold().split()
        if not (asked or state.show):
            return None
        return [
            eval_id
            for eval_id, key in self.keys.items()
            if (not state.show or key in state.show)
            and all(each in self._texts.get(eval_id, "") for each in asked)
        ]

    @cached_property
    def _texts(self) -> dict[str, str]:
        """The text that a search looks at, by the ids of the evals."""
        assert self.judged is not None
        names = self.names
        pairs = self.look.results.group_by("eval_id").agg(pl.col("run_id").drop_nulls().unique())
        ran = {k: [names.get(each) for each in ids] for k, ids in pairs.iter_rows()}
        found = {}
        words = {each.key: each.word for each in self.counts}
        for eval_id, key in self.keys.items():
            block, story = self.block_of(eval_id), self.judged.stories.get(eval_id)
            said = [words[key], self.name_waiting(eval_id), block, self.name_block(block)]
            if story is not None:
                said += [name_eval(story), list_documents(story), story.path, story.state]
            if story is not None and self.state.values:
                was = story.was.actual_value if story.was else None
                said += [story.condition, story.expected_value, story.got, was, story.failure]
            found[eval_id] = "\n".join(filter(None, (*said, *ran.get(eval_id, ())))).casefold()
        return found

    # As text

    def to_text(self, width: int | None = None) -> str:
        if self.judged is None:
            return "\n".join([str(self.heading), *map(plain, self.notes)])
        badge = self.badge[0] if self.badge else ""
        document = replace(
            self.judged.document,
            heading=self.heading,
            badge=badge,
            brief=" · ".join(plain((each,)) for each in self.context),
            notes=self.notes,
            counts=tuple(self.counts),
        )
        trouble = (Note(write_line(self.look.trouble)),) if self.look.trouble else ()
        parts = replace(document, parts=(*trouble, *document.parts))
        return to_text(parts) if width is None else to_text(parts, width)


def _find_changes(
    eras: pl.DataFrame, before: datetime | None, after: datetime | None
) -> tuple[Change, ...]:
    """What was edited in a block between two moments, if its history tells."""
    if before is None or after is None:
        return ()
    sides = [find_era(eras, at).select([*BLOCKS.schema]) for at in (before, after)]
    is_known = all(each.height == 1 for each in sides)
    return mark_changes(compare_blocks(*sides)) if is_known else ()


def say_moment(moment: datetime | None, year: int | None) -> str:
    """A moment as ``28 Nov 23:05``; with its year if that is another one."""
    return "" if moment is None else f"{say_day(moment, year)} {moment:%H:%M}"


def _say_passing(run: Mapping[str, Any]) -> str:
    if not run["is_terminal"]:
        return "goes on"
    parts = [run[name] for name in ("passed", "failed", "blocked", "error")]
    return "" if None in parts else f"{parts[0]} of {sum(parts)} pass"


def _choose_columns(look: WorkflowLook, checked: set[str], before: set[str]) -> pl.DataFrame:
    """The newest runs that were read; few of them newer than the checked run."""
    is_read = pl.col("run_id").is_in([*look.read])
    is_asked = pl.col("run_id").is_in([*checked])
    is_before = pl.col("run_id").is_in([*before])
    known = pl.concat([look.checked, look.runs]).unique("run_id", keep="first")
    runs = known.filter(is_asked | (is_read & pl.col("scope").is_in(("workflow", "block"))))
    runs = runs.sort("created_at", "run_id", nulls_last=True)
    newest = look.checked["created_at"].max()
    younger = runs.filter((pl.col("created_at") > newest).fill_null(False), ~is_asked)
    runs = runs.join(younger.tail(-YOUNGER), on="run_id", how="anti")
    kept = runs.tail(COLUMNS)
    rest = runs.head(-COLUMNS).filter(is_before).tail(1)
    return pl.concat([rest, kept.tail(COLUMNS - rest.height)])


def _read_cells(results: pl.DataFrame, runs: pl.Series) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    shown = results.filter(pl.col("run_id").is_in(runs.implode()))
    for run_id, eval_id, state, status in shown.select(
        "run_id", "eval_id", "state", "status"
    ).iter_rows():
        letter = LETTERS.get(state) or LETTERS.get(status)
        if letter is None:
            letter = LETTERS[NOT_YET if status in ("queued", "pending") else _NOT_RUN]
        found.setdefault(run_id, {})[eval_id] = letter
    return found


def list_news(facts: Facts, said: set[tuple[str, str]], *, values: bool) -> Iterator[str]:
    """A line for each eval whose word is news and not in ``said`` yet."""
    for story in facts.judged.stories.values() if facts.judged else ():
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
