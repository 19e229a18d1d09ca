"""The whole verdict as a document: made once, and shown by every door."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

import polars as pl

from retab_analysis.comparison.breaks import Break, list_breaks, say_again, say_try
from retab_analysis.comparison.config_changes import compare_tries, mark_changes
from retab_analysis.comparison.detail import (
    ACCEPTED,
    BROKE,
    DOUBT,
    WORDS,
    Word,
    describe,
    find_day,
    find_sign,
    list_attempts,
    list_documents,
    list_stories,
    make_cells,
    name_block,
    name_eval,
    say_got,
    say_reason,
    say_removed,
    say_saved_again,
    say_short,
    say_since,
    say_word,
)
from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.head import make_head
from retab_analysis.comparison.tries_table import TriesInWords
from retab_analysis.comparison.verdict_facts import VerdictFacts
from retab_analysis.evidence.story import Share, Story
from retab_analysis.evidence.tries import Try
from retab_analysis.markup import count_noun, one_line, say_rates
from retab_analysis.render.document import (
    Card,
    Case,
    Cell,
    ChangeList,
    Document,
    DocumentTable,
    Folded,
    Line,
    Note,
    Part,
    Row,
    Span,
    TableColumn,
    list_rows,
    write_line,
)
from retab_analysis.render.door import Door, NextStep
from retab_analysis.render.html import count_held
from retab_analysis.schema import CONFIG_CHANGES
from retab_analysis.vocabulary import BROKEN, NOT_COMPARED, say_day

SUITE = "suite"
"""The case for reasons that are not about a single eval."""

_NAMED = 6
_EDITS = 3  # that a title names
_TRIES = 5  # that a card shows, beside the last good code
_FOLDS = {
    WORDS["still_passing"].key: "Pass",
    WORDS["same_code"].key: WORDS["same_code"].word.capitalize(),
    WORDS["not compared"].key: "Not run on both versions",
}
_FIRST = datetime.min.replace(tzinfo=UTC)
_NEXT = (
    "The next run is compared with this one. An eval that passes now and fails then is called "
    "broken. An eval that fails now and fails then fails as before, and does not fail the gate."
)


def make_document(
    facts: VerdictFacts,
    gate: Gate,
    explanation: str,
    step: NextStep | None,
    door: Door,
    stories: Mapping[str, Story],
) -> Document:
    """Make the document; ``step`` is the next step, ``stories`` are of all saved evals."""
    writer = _Writer(facts, gate, explanation, door, stories)
    ids = facts.sides.candidate["workflow_id"].drop_nulls()
    return Document(
        make_head(facts, gate),
        tuple(writer.notes()),
        tuple(facts.counts()),
        tuple(writer.parts()),
        door.say_step(step),
        columns=writer.columns,
        passing=writer.passing,
        name=ids[0] if len(ids) else "evals",
        copies=tuple(copy for its in writer.tries.values() for copy in its.copies()),
    )


@dataclass(frozen=True, eq=False)
class _Writer:
    facts: VerdictFacts
    gate: Gate
    explanation: str
    door: Door
    stories: Mapping[str, Story]

    @property
    def columns(self) -> tuple[TableColumn, ...]:
        before, now = ("was", "got") if self.door.values else ("before", "now")
        second = TableColumn(before, "was", in_text=False, named=True)
        if self.facts.is_first:  # nothing is known of what it was
            second = TableColumn("block", "block", in_text=False)
        every = (
            TableColumn("eval", "name"),
            TableColumn("asserts", "asserts"),
            second,
            TableColumn(now, "got", named=True),
        )
        return tuple(each for each in every if each.key not in self._without)

    @property
    def _without(self) -> tuple[str, ...]:
        """The columns that a page leaves out where it holds no values."""
        return ("was", "got") if self.door.passing and not self.door.values else ()

    @property
    def passing(self) -> str:
        return WORDS["first pass" if self.facts.is_first else "still_passing"].key

    def notes(self) -> Iterator[Line]:
        facts = self.facts
        yield from (write_line(note) for note in (*facts.notes, self._deleted) if note)
        called = facts.of(*BROKEN)
        documents = {list_documents(each) for each in called}
        if len(called) > 1 and len(documents) == 1 and list_documents(called[0]):
            yield write_line(f"All {len(called)} read one document: {list_documents(called[0])}.")

    @property
    def _deleted(self) -> str:
        """If evals were deleted since they were judged, the gate's note about the deleted ones."""
        deleted = [each for each in self.facts.of("removed") if each.standing == "removed"]
        is_news = any(each.present for each in deleted)
        return say_removed(deleted, self.facts.year) if is_news else ""

    # Cards

    def parts(self) -> Iterator[Part]:
        """The breaks by cause, the unclear evals, and folded parts."""
        shown = []
        for each in (*self._open_parts(), *self._folded()):
            shown.append(each)
            yield each
        if self.door.passing:
            yield from self._rest({row.key for row in list_rows(shown)})
        yield from self._fine_print()

    def _open_parts(self) -> Iterator[Part]:
        facts = self.facts
        if self.door.passing:
            yield from self._compare()
        yield from self._first()
        yield from self._near()
        errors = facts.of("newly_errored")
        groups: dict[tuple[str, str], list[Story]] = {}
        for each in facts.of(*BROKEN):
            cause = each.cause or "unknown"
            where = name_block(each) if cause == "edit" else find_day([each], facts.year)
            groups.setdefault((cause, where), []).append(each)
        for (cause, _), evals in sorted(groups.items(), key=lambda each: -len(each[1])):
            isolated = [each for each in errors if not each.is_outage and cause == "edit"]
            near = [each for each in isolated if each.block_id == evals[0].block_id]
            errors = [each for each in errors if each not in near]
            yield self._card(cause, evals, near)
        yield from self._unsure([*facts.of("suspect"), *errors])
        yield from self._new_failures()
        edits = facts.sides.edits
        has_values = any(each.fails for each in facts.stories)
        if (has_values or (edits is not None and edits.changes.height)) and self.door.hint():
            yield Note(self.door.hint())

    def _first(self) -> Iterator[Part]:
        """The failures of a first run, each with its block: nothing is known of what it was."""
        failing = [s for s in self.facts.counted if self.facts.word_of(s).key == "fails"]
        if not failing:
            return
        verb = "fails" if len(failing) == 1 else "fail"
        title = Span(f"{count_noun(len(failing), 'eval')} {verb}", "strong")
        aside = "no eval has passed or broken before: nothing can be said of edits"
        look = write_line(title, ": look at each once")
        yield Card("bad", look, write_line(aside), (self._table(failing),))

    def _near(self) -> Iterator[Note]:
        if near := [each for each in self.facts.stories if each.is_near]:
            verb, whose = ("passes", "its") if len(near) == 1 else ("pass", "their")
            said = f"{len(near)} {verb}, but near {whose} limit: {list_stories(near, _NAMED)}."
            yield Note(write_line(said))

    def _card(self, cause: str, evals: list[Story], errors: list[Story]) -> Card:
        parts = [*self._show_edits(evals, errors)] if cause == "edit" else [self._table(evals)]
        if (words := self.tries.get(evals[0].block_id or "")) and cause == "edit":
            parts = [*self._show_tries(parts, words)]
        aside = write_line(" · ".join(self._aside(evals, errors)))
        title = self._title(cause, evals)
        if self._without:  # without the words of edits its title names the fields
            edits = [each for each in parts if isinstance(each, ChangeList)]
            parts = [each for each in parts if each not in edits]
            title = _name_edits(title, [c.label for each in edits for c in each.differences])
        return Card("bad", title, aside, tuple(parts))

    def _table(self, evals: Iterable[Story], *, is_fold: bool = False) -> DocumentTable:
        return DocumentTable(self.columns, tuple(self._row(e, is_fold=is_fold) for e in evals))

    @cached_property
    def tries(self) -> dict[str, TriesInWords]:
        """On a page: the tries of blocks that were edited again since they broke evals."""
        found = dict[str, TriesInWords]()
        if not self.door.passing:
            return {}
        for each in self.facts.last_tries:
            known = self.facts.tries[each.block]
            its = [s for s in self.facts.of(*BROKEN) if s.block_id == each.block]
            about = known, _TRIES, its, self.facts.year, self.door.values
            found[each.block] = TriesInWords(*about)
        return found

    def _show_tries(self, parts: Iterable[Part], words: TriesInWords) -> Iterator[Part]:
        """The parts of a card with a column for each try: these say what each try changed."""
        for each in parts:
            if isinstance(each, DocumentTable):
                yield words.make([self.stories[row.key] for row in each.rows], each.rows)
            elif isinstance(each, Note) or not any(words.changes):
                yield each

    def _compare(self) -> Iterator[Card]:
        """The edits between two versions, block by block."""
        edits = self.facts.sides.edits
        if not self.facts.versions or edits is None:
            return
        before, now = self.facts.versions
        parts: list[Note | ChangeList] = []
        for (block, *_), rows in edits.changes.group_by("block_id", maintain_order=True):
            called = edits.name(None if block is None else str(block))
            parts.append(Note(write_line(Span(called, "strong"))))
            parts.append(ChangeList(mark_changes(rows, values=self.door.values)))
        told = tuple(parts) or (Note(write_line("No block differs.")),)
        title = write_line(Span("Edited", "strong"), f" between {before} and {now}")
        yield Card("other", title, (), told)

    def _show_edits(self, evals: list[Story], errors: list[Story]) -> Iterator[Part]:
        """The edits of a block that broke something, each with its words and its evals.

        Behind them the newest edit since that ran, with what it mended and broke.
        """
        block, breaks = evals[0].block_id, list_breaks(evals, self.facts.tries)
        last = next((each for each in self.facts.last_tries if each.block == block), None)
        breaks.sort(key=lambda each: each.edit.began_at if each.edit else _FIRST)
        tried = self._find_words(block, None if last is None else last.its)
        for each in breaks:
            if breaks[1:]:
                known = each.name(self.facts.year).removeprefix("the ") or "unknown edit"
                named = each.edit.name.text if each.edit else known
                said = f"{named} · {count_noun(len(each.evals), 'eval')}"
                yield Note(write_line(Span(said, "strong")))
            yield self._show_edit(each, tried)
            if last is not None and each is breaks[-1]:
                yield Note(write_line(say_try(last)))
                is_told = breaks[1:] and any(its.edit == last.its for its in breaks)
                if not is_told and (changes := mark_changes(tried, values=self.door.values)):
                    yield ChangeList(changes)
            yield self._table((*each.evals, *(errors if each is breaks[-1] else ())))

    def _find_words(self, block: str | None, its: Try | None) -> pl.DataFrame:
        """What an edit changed of the code that ran before it, as far as that is known."""
        tries = self.facts.tries.get(block or "", ())
        before = [each for each in tries[: tries.index(its) if its else 0] if each.has_run]
        return compare_tries(before[-1], its) if its and before else CONFIG_CHANGES.empty()

    def _show_edit(self, its: Break, apart: pl.DataFrame) -> Part:
        """The words of an edit, or why they are not known.

        One edit of a block has the words between the last passes and the first failures, without
        those ``apart``. Of several edits each has its own.
        """
        known, block = self.facts.sides.edits, its.evals[0].block_id
        worse = [s for s in self.facts.stories if s.cause == "edit" and s.block_id == block]
        if list_breaks(worse, self.facts.tries)[1:]:
            changes = self._find_words(block, its.edit)
        else:
            every = CONFIG_CHANGES.empty() if known is None else known.changes
            changes = every.filter(pl.col("block_id").eq_missing(block)).join(
                apart, on=every.columns, how="anti", nulls_equal=True
            )
        if told := mark_changes(changes, values=self.door.values):
            return ChangeList(told)
        why = "" if known is None else f"The edit is not known: {known.why}."
        return Note(write_line(why or "The edit was not looked up: ra.check asks the API."))

    def _title(self, cause: str, evals: list[Story]) -> Line:
        blocks = {name_block(each) for each in evals}
        block = blocks.pop() if len(blocks) == 1 else ""
        total = sum(each.block_id == evals[0].block_id for each in self.facts.there)
        broke = f"{len(evals)} of its {count_noun(total, 'eval')} {BROKE}"
        goes_on = self.facts.sides.read.waiting[0] > 0
        if not block or total <= 1 or goes_on:
            broke = f"{count_noun(len(evals), 'eval')} {BROKE}{' so far' * goes_on}"
        since = " ".join(filter(None, (broke, say_since(evals, self.facts.year))))
        if cause == "edit":
            return write_line(Span(f"{block or 'A block'} was edited", "strong"), f"; {since}")
        if cause == "drift":
            nobody = f"No one edited {block or 'their blocks'}"
            return write_line(Span(nobody, "strong"), f"; {since}")
        strong = Span(f"{count_noun(len(evals), 'eval')} {BROKE}", "strong")
        if cause == "saved_again":
            return write_line(strong, f" {say_saved_again(evals, self.facts.year)}")
        return write_line(strong, f"{since.removeprefix(broke)}; the cause is unknown")

    def _aside(self, evals: list[Story], errors: list[Story]) -> Iterator[str]:
        block, then = evals[0].block_id, "since"
        last = next((e for e in self.facts.last_tries if e.block == block and e.is_newest), None)
        on_code = [each.count_on(last.its.code) for each in evals] if last else []
        since, before = ([getattr(e.reading, at) for e in evals] for at in ("since", "before"))
        now, past, here = (_add(known) for known in (since, before, on_code))
        if here.of and (day := find_day(evals, self.facts.year)):
            then = f"since {day}"
        said, things = str(past), "results passed"
        always = all(each.passed == each.of for each in before)
        if len(set(since)) == 1 and (always or len(set(before)) == 1) and len(set(on_code)) < 2:
            now, here, said = since[0], (*on_code, here)[0], str(before[0])
            low, high = min(each.of for each in before), max(each.of for each in before)
            if always:
                said = f"all {low}" if low == high else f"all {low} to {high}"
            things = "run" if (here.of or now.of) == 1 else "runs"
        passed = ("each passed " if evals[1:] else "passed ") * (things != "results passed")
        shares = ((str(here), here.of, "on this code"), (str(now), now.of, then))
        told = [[share, where] for share, of, where in (*shares, (said, past.of, "before")) if of]
        if told:  # a share only of something
            told[0].insert(1, things)
            yield passed + ", ".join(map(" ".join, told))
        if unsure := sum(each.is_unsure for each in evals):
            few = "" if unsure == len(evals) else f"{unsure} of these "
            yield f"{few}{DOUBT.removeprefix(', ')}"
        if blocked := sum(each.transition == "newly_blocked" for each in evals):
            yield f"{blocked} of these {'is' if blocked == 1 else 'are'} blocked"
        if errors:
            yield f"{len(errors)} more ended in an error"

    def _row(self, each: Story, *, is_fold: bool = False) -> Row:
        """The row of an eval; in a fold with its reason."""
        facts, values, told = self.facts, self.door.values, self.facts.word_of(each)
        name, asserts, was, got = make_cells(each, facts.year, values=values)
        is_plain = told.key in ("fails", "passes")
        why = "" if is_plain else say_reason(each, facts.year)
        if is_fold and why:
            name = replace(name, lines=(name.lines[0], (Span(why, "quiet"),)))
        if facts.is_first:
            was = Cell("block", (write_line(name_block(each)),))
        sign = (told.sign, told.tone, told.word) if is_plain else (*find_sign(each), say_word(each))
        brief = say_got(each, facts.year) if each.state == "error" and values else None
        about = each.block_id or "", name_block(each), list_documents(each)
        cells = tuple(c for c in (name, asserts, was, got) if c.key not in self._without)
        return Row(each.id, *sign, cells, brief, told.key, *about)

    def _unsure(self, evals: list[Story]) -> Iterator[Part]:
        evals = [each for each in evals if not each.is_outage]
        if not evals:
            return
        suspects = [each for each in evals if each.transition == "suspect"]
        errors = len(evals) - len(suspects)
        said = []
        if suspects:
            once = all(each.reading.since.of == 1 for each in suspects)
            verb = "failed once" if once else "may have broken"
            said.append(f"{count_noun(len(suspects), 'eval')} {verb}")
        if errors:
            number = errors if suspects else count_noun(errors, "eval")
            is_again = all(each.errs_always for each in evals if each not in suspects)
            said.append(f"{number} ended in an error{' at every run' * is_again}")
        reruns, until = self.facts.looks
        aside: list[str | Span] = []
        if reruns:
            is_one = min(reruns, len(evals)) == 1
            aside.append(f"one rerun {'may clear it' if is_one else 'each may clear them'}")
        if until is not None:
            day = say_day(until, self.facts.year)
            aside.append(f"{'; ' * bool(aside)}a look after {day} {until:%H:%M} UTC may decide")
        title = write_line(Span("Not sure yet", "strong"), f": {', '.join(said)}")
        yield Card("doubt", title, write_line(*aside), tuple(self._list_unsure(evals)))

    def _list_unsure(self, evals: list[Story]) -> Iterator[Part]:
        """The unclear evals of edited blocks, each block after the words of its edit; the rest."""
        by_edit = [s for s in evals if s.transition == "suspect" and s.cause == "edit"]
        for each in list_breaks(by_edit, self.facts.tries):
            yield Note(write_line(Span(f"{name_block(each.evals[0])} was edited", "strong")))
            yield self._show_edit(each, CONFIG_CHANGES.empty())
            yield self._table(each.evals)
        if others := [each for each in evals if each not in by_edit]:
            yield self._table(others)

    def _new_failures(self) -> Iterator[Part]:
        """New or edited evals that fail: named, because readers look for failures."""
        told = []
        for transition in ("added", "not_comparable"):
            failing = [s for s in self.facts.of(transition) if s.fails and not s.passes_in_the_end]
            if failing and not self.facts.is_first:
                word = WORDS[transition].word.capitalize()
                told.append(f"{word} and failing: {list_stories(failing, _NAMED)}.")
        if told:
            yield Note(write_line(" ".join(told)))

    # The folded parts

    def _folded(self) -> Iterator[Part]:
        facts = self.facts
        for word, evals in (
            *((each, facts.of(each)) for each in ("incomplete", "stale", "fixed", "flaky")),
            ("still_failing", facts.of("still_failing")),
            ("not compared", [s for s in facts.of(*NOT_COMPARED) if s.standing != "removed"]),
            ("accepted", [s for s in facts.stories if s.id in facts.accepted]),
            ("old", facts.old),
        ):
            if evals := [
                each for each in evals if facts.word_of(each).key not in ("fails", "passes")
            ]:
                yield self._reasoned(WORDS[word], evals)

    def _rest(self, listed: Collection[str]) -> Iterator[Folded]:
        """The evals that no other part has, by their kinds; of those that pass as many as fit."""
        for count in self.facts.counts():
            its = (s for k, s in self.stories.items() if k not in listed)
            if evals := [each for each in its if self.facts.word_of(each).key == count.key]:
                title = _FOLDS.get(count.key) or count.word.capitalize()
                most = count_held(len(self.stories), self.door.passing)
                held = evals[:most] if count.key == self.passing else evals
                table = self._table(held, is_fold=True)
                yield Folded(f"rest:{count.key}", title, len(evals), (table,))

    def _fine_print(self) -> Iterator[Folded]:
        if self.facts.is_first:
            yield Folded("next", "What happens next", None, (Note(write_line(_NEXT)),))
        explained = filter(None, (*self.explanation.splitlines(), self._rates()))
        sentences = [Note(write_line(each)) for each in explained]
        yield Folded("how", "How this was compared, and how sure it is", None, tuple(sentences))
        gate = self.gate
        rule = [f"The rule of the gate: {gate.rule}."] if gate.rule else []
        told = [*gate.reasons, *rule, *(each for each in gate.notes if each != self._deleted)]
        if told:
            title = "Why the gate fails" if gate.reasons else "The gate"
            lines = tuple(Note(write_line(one_line(each))) for each in told)
            yield Folded("gate", title, None, lines)

    def _reasoned(self, word: Word, evals: Sequence[Story]) -> Folded:
        key, title = word.key, word.word.capitalize()
        is_named = key in ("no_result", "not_run", "fixed")
        brief = write_line(f"{title}: {list_stories(evals, _NAMED)}.") if is_named else None
        notes = self._put_back(evals) if key == "fixed" else ()
        parts = (*notes, self._table(evals, is_fold=True))
        return Folded(key, title, len(evals), parts, brief)

    def _put_back(self, fixed: Sequence[Story]) -> Iterator[Note]:
        for block, name in {each.block_id: name_block(each) for each in fixed}.items():
            if again := self.facts.find_again(block):
                yield Note(write_line(Span(name, "strong"), f": {say_again(again)}."))

    def _rates(self) -> str:
        row, n = self.facts.summary, self.facts.summary["n_evals"]
        if not n:
            return ""
        before, now = say_rates(row["baseline_pass_rate"], row["candidate_pass_rate"])
        how = " (the mean of their earlier runs)" if self.facts.sides.baseline is None else ""
        passing = f"{round(n * row['candidate_pass_rate'], 1):,g} of {n:,}"
        who = f"{count_noun(n, 'eval')} with an earlier result"
        return f"Of {who}, {before} passed before{how}; {now} pass now ({passing})."


def _name_edits(title: Line, labels: Sequence[str]) -> Line:
    """A title that names the edited fields behind its first words."""
    named = [*dict.fromkeys(labels)]
    if not named:
        return title
    words = [part for each in named[:_EDITS] for part in (", ", Span(each, "code"))][1:]
    more = f" and {len(named) - _EDITS} more" if len(named) > _EDITS else ""
    return *title[:1], *write_line(" (", *words, more, ")"), *title[1:]


def _add(shares: Sequence[Share]) -> Share:
    return Share(sum(each.passed for each in shares), sum(each.of for each in shares))


def list_cases(
    facts: VerdictFacts,
    gate: Gate,
    aside: Iterable[Story] = (),
    *,
    values: bool,
    passes_undecided: bool,
) -> list[Case]:
    """A case for each eval, and one for reasons and doubts that are not about a single eval.

    Those of the evals ``aside``, which two versions do not compare, are skipped.
    """
    cases = [_make_case(each, facts.year, gate, values) for each in facts.stories]
    cases += [_skip(each, facts.year) for each in aside]
    doubt = f"The gate is undecided: {gate.doubt}." if gate.doubt and not passes_undecided else ""
    if said := "\n".join(gate.suite_reasons) or doubt:
        return [*cases, Case(SUITE, SUITE, "", "failed", one_line(said), said)]
    return [*cases, Case(SUITE, SUITE, "", "passed")]


def _skip(story: Story, year: int | None) -> Case:
    why = f"{say_word(story)}: {say_reason(story, year)}"
    return Case(name_eval(story), one_line(story.id), one_line(story.block_id), "skipped", why)


def _make_case(story: Story, year: int | None, gate: Gate, values: bool) -> Case:
    about = (name_eval(story), one_line(story.id), one_line(story.block_id))
    passes_as_before = story.transition == "still_passing" and story.reading.now.of < 2
    attempts = () if passes_as_before else list_attempts(story, values=values)
    if story.id in gate.failing:
        details = "\n".join(describe(story, year, values=values))
        return Case(*about, "failed", say_short(story, year, values=values), details, attempts)
    if story.passes_in_the_end and story.transition != "stale":
        return Case(*about, "passed", attempts=attempts)
    why = f"{say_word(story)}: {say_reason(story, year)}"
    if story.id in gate.accepted:
        return Case(*about, "xfailed", f"{ACCEPTED}; {why}")
    known_failing = story.fails and story.transition in ("still_failing", "flaky", *BROKEN)
    return Case(*about, "xfailed" if known_failing else "skipped", why)
