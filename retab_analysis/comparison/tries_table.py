"""The tries of a block as columns of a page, and its evals as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        earlier, shown = ran[: -self.last], ran[-self.last :]
        # Without a good one, the earlier one at which most evals passed stands for it.
        head = [self.good] if self.good in earlier else []
        head = head or sorted(earlier, key=lambda each: len(each.passed))[-1:] * (not self.good)
        shown = [*head, *shown, *([] if self.now in shown else [self.now])]
        first = min(shown, key=lambda each: each.began_at).began_at
        return [e for e in self.known if e in shown or (not e.has_run and e.began_at >= first)]

    @cached_property
    def columns(self) -> list[list[Try]]:
        """The tries that ran, each alone, and those that have not run together."""
        saves = [each for each in self.tries if not each.has_run]
        alone = [[each] for each in self.tries if each.has_run or each is saves[-1]]
        return [saves if each[0] in saves[-1:] else each for each in alone]

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
        its, is_best = self.choice
        return its if is_best else None

    @cached_property
    def changes(self) -> list[tuple[Change, ...]]:
        """What each try that is shown changed, from the one before it."""
        both = zip([None, *self.known], self.known, strict=False)
        shown = {id(each) for each in self.tries}
        return [mark_changes(compare_tries(*pair)) for pair in both if id(pair[1]) in shown]

    def find_changes(self, its: Try) -> tuple[Change, ...]:
        return self.changes[next(at for at, each in enumerate(self.tries) if each is its)]

    def copies(self) -> tuple[tuple[str, str], ...]:
        """The prompt that :func:`choose` gives, by what the button says; not that of the draft."""
        its = self.choice[0] if self.values else None
        prompt = its.read("prompt") if its is not None else ""
        if its is None or not prompt or prompt == self.now.read("prompt"):
            return ()
        return ((f"Copy the prompt of {say_number(its)}", prompt),)

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

    def _tell(self, column: Sequence[Try]) -> TableColumn:
        its, n = column[-1], len(column[-1].states)
        marks = {"edit": its is self._edit, "last": its is self.now, "saves": not its.has_run}
        marked = frozenset(mark for mark, is_so in marks.items() if is_so)
        if not its.has_run:
            title = f"{count_noun(len(column), 'save')}, not run"
            about = "\n".join(filter(None, (name_column(its), self._say_config(its))))
            key = "·"
            return TableColumn(title, key, told=(name_column(its), ""), about=about, marks=marked)
        errors, passed = its.count("error"), len(its.passed)
        best = ", best" * (its is self.best)
        return TableColumn(
            f"{name_column(its)}{', the last good' * (its is self.good)}",
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
        known, is_first = self.find_changes(its), its is self.tries[0]
        if is_first and self.values:
            start = one_line(its.read("prompt"), 120)
            return [write_line(Span(start, "quiet"))] if start else []
        if is_first or not known:
            return []
        if not self.values:
            return [write_line(Span(each.label, "code")) for each in known[:_CHANGES]]
        lines = [_cut(each.line) for each in known[:_CHANGES]]
        more = len(known) - len(lines)
        places = f"and {more} more place{'s' * (more > 1)}"
        return [*lines, write_line(Span(places, "quiet"))] if more else lines

    def say_outcome(self, its: Try) -> str:
        """``mended 5 of 9 and broke 2 again; 1 more fails now, unclear``."""
        before = [each.broke for each in self.known[: self.known.index(its)]]
        again = its.broke <= frozenset().union(*before)
        broke = f"{BROKE} {len(its.broke)}{' again' * again}" if its.broke else ""
        is_told = its.of and (its.mended or not broke)
        mended = f"mended {len(its.mended)} of {len(its.of)}" if is_told else ""
        said = " and ".join(filter(None, (mended, broke)))
        if not said and its.has_run and len(its.passed) == len(its.states):
            return "all passed"
        return "; ".join(filter(None, (said, say_unclear(its))))

    def _make_row(self, story: Story, row: Row) -> Row:
        name = write_line(Span(name_eval(story), title=story.id))
        lines = name, say_asserts(story, values=self.values)
        cells = [Cell("name", tuple(filter(None, lines)))]
        before: Try | None = None
        for column in self.columns:
            its, is_end = column[-1], column in (self.columns[0], self.columns[-1])
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
