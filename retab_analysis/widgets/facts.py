"""A state in words, made once for each comparison and each look at the runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import polars as pl

from retab_analysis.checks.read import count_waiting
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.config_changes import compare_blocks, mark_changes
from retab_analysis.comparison.detail import (
    WORDS,
    find_sign,
    list_documents,
    name_eval,
    say_short,
    say_word,
    word_of,
)
from retab_analysis.comparison.names import name_version
from retab_analysis.comparison.run_columns import KnownRuns, say_moment
from retab_analysis.comparison.situations import write_heading
from retab_analysis.fetch.edits import find_era
from retab_analysis.markup import count_noun, one_line
from retab_analysis.render.document import (
    Cell,
    Change,
    Count,
    Document,
    Heading,
    Line,
    Note,
    Row,
    Span,
    Tone,
    plain,
    write_line,
)
from retab_analysis.render.door import Door
from retab_analysis.render.page import PageRow, ShownPage
from retab_analysis.render.text import to_text
from retab_analysis.schema import BLOCKS
from retab_analysis.vocabulary import BROKEN, DRAFT, NOT_COMPARED
from retab_analysis.widgets.state import NO_EVAL, NO_RUN, ViewState, WorkflowLook

NOT_YET = "not_yet"
PASSES, BROKE = WORDS["still_passing"].key, WORDS["regressed"].key

_HEADLINE = 90  # characters of an error that stand in the headline


class Judgement:
    """A comparison in words; ``gate`` is the one that it has by itself."""

    def __init__(self, comparison: Comparison, *, values: bool) -> None:
        self.comparison, self.values = comparison, values
        self.gate = comparison.gate()
        door = Door(values, types="", shows="")
        self.page = inside(comparison).page(door, self.gate)
        self.document, self.facts = self.page.document, self.page.facts
        self.stories = self.page.stories


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
        names = ("comparison", "runs", "results", "checked", "eras", "phase")
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
        return self._say_context(() if self.judged is None else self.judged.document.context)

    def _say_context(self, told: tuple[Span, ...]) -> tuple[Span, ...]:
        look, workflow_id = self.look, self.state.workflow_id
        called = Span(one_line(look.name or workflow_id), title=one_line(workflow_id))
        if self.judged is None:
            return (called,) if called.text else ()
        about = [*told[:-1]]
        if not self.judged.stories and not look.checked.is_empty():
            version = name_version(look.checked, look.versions, look.year).text
            moment: Any = look.checked["created_at"].max()
            when = "" if moment is None else f"{moment:%-d %b %Y, %H:%M} UTC"
            about = [called, *(Span(each) for each in (version, when) if each)]
        return (*about, Span(count_noun(len(self.keys), "eval")))

    @property
    def badge(self) -> tuple[str, Tone] | None:
        """The state of the gate; None while a run goes on, and if the run could not run."""
        if self.judged is None or self.look.is_going:
            return None
        if inside(self.judged.comparison).sides.read.could_not_run:
            return None
        return self.judged.document.badge, self.judged.document.badge_tone

    @property
    def seen(self) -> str:
        """When the API answered last, or why it does not answer."""
        look = self.look
        at = "" if look.seen_at is None else f"{look.seen_at:%H:%M:%S} UTC"
        if look.trouble and self.judged is not None:
            return f"{one_line(look.trouble, 300)}{f'; showing the state of {at}' * bool(at)}"
        if look.trouble and look.phase != "failed":
            return one_line(look.trouble, 300)
        if look.phase == "stopped":
            return f"watching has stopped{f', as of {at}' * bool(at)}"
        return f"as of {at}" if at else ""

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
        codes = self._runs.read_codes()
        its = codes.get(checked["run_id"][0], {}).items()
        for run in later.filter(scope="workflow").reverse().iter_rows(named=True):
            now = codes.get(run["run_id"], {})
            if now and all(now.get(block, code) == code for block, code in its):
                sign = "✓" if run["ok"] else "✗"
                yield f"A later run on the same code: {sign} {_say_passing(run)}."
                return

    # The page

    @property
    def page(self) -> ShownPage:
        """What is known, and the evals of the checked runs that have no result yet."""
        if self.judged is None:
            bare = Document(self.heading, (), "", "", "other", self.notes, (), ())
            return ShownPage(bare, self.context, seen=self.seen, name=self.state.workflow_id)
        badge, tone = self.badge or ("", "other")
        document = replace(
            self._shown.document,
            heading=self.heading,
            notes=self.notes,
            badge=badge,
            badge_tone=tone,
            counts=tuple(self.counts),
        )
        return replace(self._shown, document=document, seen=self.seen)

    @cached_property
    def _shown(self) -> ShownPage:
        assert self.judged is not None
        shown = self.judged.page.show(self._runs)
        blank = "o" * len(shown.columns)
        waiting = (each for each in self.keys if each not in shown.rows)
        return replace(
            shown,
            context=self._say_context(shown.context),
            name=self.state.workflow_id,
            rows={**shown.rows, **{each: self._make_waiting(each, blank) for each in waiting}},
            folds={**shown.folds, NOT_YET: "Not yet"},
        )

    @property
    def _runs(self) -> KnownRuns:
        look, judged = self.look, self.judged
        assert judged is not None
        baseline = inside(judged.comparison).sides.baseline
        labels = {key: one_line(label) for key, label in look.labels.items() if label}
        return KnownRuns(
            look.results,
            frozenset(look.checked["run_id"]),
            frozenset(() if baseline is None else baseline["run_id"].drop_nulls()),
            self.names,
            labels,
            look.year,
            are_versions=bool(judged.facts.versions),
            say_edit=partial(_find_changes, look.eras) if self.state.values else None,
        )

    def _make_waiting(self, eval_id: str, cells: str) -> PageRow:
        saved = self._saved.get(eval_id, {})
        block = saved.get("block_id") or ""
        called = one_line(saved.get("eval_name") or eval_id)
        row = Row(eval_id, "…", "other", "not yet", (Cell("name", (write_line(called),)),))
        kind, named = self.keys[eval_id], self.name_block(block)
        return PageRow(row, kind, block, named, cells=cells)

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

    @cached_property
    def _saved(self) -> dict[str, dict[str, Any]]:
        names = ("eval_id", "eval_name", "block_id", "path")
        return {row["eval_id"]: row for row in self.look.saved.select(names).iter_rows(named=True)}

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
    all_eras: pl.DataFrame, block: str, before: datetime | None, after: datetime | None
) -> tuple[Change, ...]:
    """What was edited in a block between two moments, if its history tells."""
    if before is None or after is None:
        return ()
    eras = all_eras.filter(block_id=block)
    sides = [find_era(eras, at).select([*BLOCKS.schema]) for at in (before, after)]
    is_known = all(each.height == 1 for each in sides)
    return mark_changes(compare_blocks(*sides)) if is_known else ()


def _say_passing(run: Mapping[str, Any]) -> str:
    if not run["is_terminal"]:
        return "goes on"
    parts = [run[name] for name in ("passed", "failed", "blocked", "error")]
    return "" if None in parts else f"{parts[0]} of {sum(parts)} pass"


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
