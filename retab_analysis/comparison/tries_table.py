"""The tries of a block as columns of a page, and its evals as rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from retab_analysis.comparison.breaks import say_unclear
from retab_analysis.comparison.config_changes import compare_tries, mark_changes
from retab_analysis.comparison.detail import BROKE, name_eval, say_asserts, summarize_value
from retab_analysis.evidence.names import EDIT
from retab_analysis.evidence.story import Story
from retab_analysis.evidence.tries import Try, choose, find_last_good
from retab_analysis.markup import count_noun, one_line
from retab_analysis.render.document import (
    Cell,
    Change,
    DocumentTable,
    Line,
    Look,
    Row,
    Span,
    TableColumn,
    Tone,
    write_line,
)
from retab_analysis.render.text import mark_line

SIGNS: Mapping[str, tuple[str, Tone]] = {
    "passed": ("✓", "good"),
    "failed": ("✗", "bad"),
    "mixed": ("~", "flaky"),
    "error": ("!", "error"),
}
NOT_RUN: tuple[str, Tone] = ("·", "other")
_LETTERS = {"passed": "p", "failed": "f", "mixed": "s", "error": "e"}
_VALUE = 28  # characters of a value
_CHANGES = 2  # of a try that stand above its column
_NEAR = 24  # characters beside a changed word


@dataclass(frozen=True, eq=False)
class TriesInWords:
    """The tries of a block in the order of their codes, the last of them as columns.

    ``last`` of those that ran have a column, behind the last good code. Saves that have not run
    share one. ``broken`` are the evals of the block that are broken now.
    """

    known: Sequence[Try]
    last: int
    broken: Sequence[Story]
    year: int | None
    values: bool

    @cached_property
    def tries(self) -> list[Try]:
        """The tries that are shown: the last ones that ran, the last good, later saves."""
        ran = [each for each in self.known if each.has_run]
        # Without a good one, the earlier one at which most evals passed stands for it.
        most = sorted(ran[: -self.last], key=lambda each: len(each.passed))[-1:]
        shown = [*([self.good] if self.good else most), *ran[-self.last :], self.now]
        first = min(each.began_at for each in shown)
        return [e for e in self.known if e in shown or (not e.has_run and e.began_at >= first)]

    @cached_property
    def saves(self) -> list[Try]:
        """The tries that have not run; the last of them has the column of all."""
        return [each for each in self.tries if not each.has_run]

    @cached_property
    def columns(self) -> list[Try]:
        return [each for each in self.tries if each not in self.saves[:-1]]

    @cached_property
    def good(self) -> Try | None:
        return find_last_good(self.known)

    @cached_property
    def now(self) -> Try:
        """The present code, else the newest one."""
        return next((each for each in self.known if each.is_present), self.known[-1])

    @cached_property
    def choice(self) -> tuple[Try | None, bool | None]:
        return choose(self.known)

    @cached_property
    def best(self) -> Try | None:
        return self.choice[0] if self.choice[1] else None

    @cached_property
    def changes(self) -> list[tuple[Change, ...]]:
        """What each try that is shown changed, from the one before it."""
        both = zip([None, *self.known], self.known, strict=False)
        shown = {id(each) for each in self.tries}
        return [mark_changes(compare_tries(*pair)) for pair in both if id(pair[1]) in shown]

    def find_changes(self, its: Try) -> tuple[Change, ...]:
        return self.changes[next(at for at, each in enumerate(self.tries) if each is its)]

    def copies(self) -> Iterator[tuple[str, str]]:
        """The prompt that :func:`choose` gives, by what the button says; not that of the draft."""
        its = self.choice[0] if self.values else None
        if its is not None and its.read("prompt") not in ("", self.now.read("prompt")):
            yield f"Copy the prompt of {say_number(its)}", its.read("prompt")

    def say_title(self, label: str) -> Line:
        n = sum(each.has_run for each in self.tries)
        n -= n > 1 and self.good is self.tries[0]  # which stands before them
        words = Span(f"{n} {'try' if n == 1 else 'tries'} on {label}", "strong")
        return write_line(words, "; the marked words differ from the code before")

    @cached_property
    def _edit(self) -> Try | None:
        """The try that broke what is broken, the first of them."""
        broken = {each.id for each in self.broken}
        return next((each for each in self.tries if broken & each.broke), None)

    def make(self, evals: Sequence[Story], rows: Sequence[Row] = ()) -> DocumentTable:
        """A column for each try, a row for each eval; ``rows`` are those of these evals."""
        bare = (Row(each.id, "", "other", "", ()) for each in evals)
        told = tuple(map(self._make_row, evals, rows or bare))
        return DocumentTable((TableColumn("eval", "name"), *map(self._tell, self.columns)), told)

    def _tell(self, its: Try) -> TableColumn:
        n, named = len(its.states), name_column(its)
        marks = {"edit": its is self._edit, "last": its is self.now, "saves": not its.has_run}
        marked = frozenset(mark for mark, is_so in marks.items() if is_so)
        if not its.has_run:
            title = f"{count_noun(len(self.saves), 'save')}, not run"
            about = "\n".join(filter(None, (named, self._say_config(its))))
            return TableColumn(title, "·", told=(named, ""), about=about, marks=marked)
        errors, passed = len(its.list("error")), len(its.passed)
        best = ", best" * (its is self.best)
        return TableColumn(
            f"{named}{', the last good' * (its is self.good)}",
            key="" if its.number is None else str(its.number),
            lines=tuple(self._list_words(its)),
            shares=(passed / n, (n - passed - errors) / n),
            told=(
                f"{passed} of {n} pass, {count_noun(len(its.runs), 'run')}{best}",
                self.say_outcome(its),
            ),
            about=self._say_config(its),
            marks=marked,
        )

    def _say_config(self, its: Try) -> str:
        """The model of a try, and what it changed beside the prompt."""
        model = its.read("model")
        lines = [f"model: {model}"] if model else []
        for each in self.find_changes(its):
            if each.label != "prompt":
                said = f": {one_line(mark_line(each.line), 300)}" if self.values else ""
                lines.append(f"{each.label}{said}")
        return "\n".join(lines)

    def _list_words(self, its: Try) -> list[Line]:
        known = self.find_changes(its)
        if its is self.tries[0]:
            start = one_line(its.read("prompt"), 120) if self.values else ""
            return [write_line(Span(start, "quiet"))] if start else []
        if not self.values:
            return [write_line(Span(each.label, "code")) for each in known[:_CHANGES]]
        more = len(known[_CHANGES:])
        places = Span(f"and {more} more place{'s' * (more > 1)}", "quiet")
        return [_cut(each.line) for each in known[:_CHANGES]] + [write_line(places)] * (more > 0)

    def say_done(self, its: Try) -> str:
        """``mended 5 of 9 and broke 2 again``."""
        before = [each.broke for each in self.known[: self.known.index(its)]]
        again = its.broke <= frozenset().union(*before)
        broke = f"{BROKE} {len(its.broke)}{' again' * again}" if its.broke else ""
        is_told = its.of and (its.mended or not broke)
        mended = f"mended {len(its.mended)} of {len(its.of)}" if is_told else ""
        return " and ".join(filter(None, (mended, broke)))

    def say_outcome(self, its: Try) -> str:
        """What a try did, and what else fails now: ``; 1 more fails now, unclear``."""
        said = self.say_done(its)
        if not said and len(its.passed) == len(its.states):
            return "all passed"
        return "; ".join(filter(None, (said, say_unclear(its))))

    def _make_row(self, story: Story, row: Row) -> Row:
        name = write_line(Span(name_eval(story), title=story.id))
        lines = name, say_asserts(story, values=self.values)
        cells = [Cell("name", tuple(filter(None, lines)))]
        before: Try | None = None
        for its in self.columns:
            is_end = its in (self.columns[0], self.columns[-1])
            cells.append(self._make_cell(its, story.id, before, is_end=is_end))
            before = its if story.id in its.states else before
        now = self.now if story.id in self.now.states else before
        state = now.states[story.id] if now else "not run"
        sign, tone = SIGNS.get(state, NOT_RUN)
        return replace(row, sign=sign, tone=tone, word=state, cells=tuple(cells))

    def _make_cell(self, its: Try, key: str, before: Try | None, *, is_end: bool) -> Cell:
        state, value = its.states.get(key, ""), its.values.get(key)
        was = None if before is None else before.values.get(key)
        letter = _LETTERS.get(state, "o")
        if not self.values or value is None or not (is_end or value != was):
            return Cell(letter=letter)
        has_risen = before is not None and before.states.get(key) != "passed"
        look: Look = "wrong" if state != "passed" else "right" if has_risen else "value"
        said = one_line(summarize_value(value), _VALUE)
        return Cell(lines=(write_line(Span(said, look)),), letter=letter)


def say_number(its: Try) -> str:
    """``try 7``; without a number what it is called."""
    return its.name.full if its.number is None else f"try {its.number}"


def name_column(its: Try) -> str:
    """``try 7 · 2 Dec 08:43``."""
    name = one_line(its.name.text, 40)
    if its.number is not None:
        name = f"try {its.number} · {name.removeprefix(EDIT)}"
    return f"{name} (put back)" if its.again is not None else name


def _cut(line: Line) -> Line:
    """The marked words, and a few letters beside them."""
    found = []
    for at, span in enumerate(line):
        text = span.text
        if span.look in ("removed", "added"):
            gap = " " if at and text[:1].isspace() else ""
            found.append(Span(gap + one_line(text, 160), span.look))
            continue
        left = text[:_NEAR].rpartition(" ")[0] if at else ""
        right = text[-_NEAR:].partition(" ")[2] if at < len(line) - 1 else ""
        short = text if len(text) <= 2 * _NEAR else f"{left} … {right}"
        found.append(Span(short.replace("\n", " "), "quiet"))
    return tuple(found)
