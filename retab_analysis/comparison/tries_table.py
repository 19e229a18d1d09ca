"""The tries of a block as columns of a page, and its evals as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from retab_analysis.comparison.config_changes import compare_tries, mark_changes
from retab_analysis.comparison.detail import BROKE, name_eval, say_asserts, summarize_value
from retab_analysis.evidence.story import Story
from retab_analysis.evidence.tries import Try, find_best, find_last_good, list_ran
from retab_analysis.markup import one_line
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
    """Some of the tries that are known, the oldest first, and what each changed."""

    known: Sequence[Try]
    tries: Sequence[Try]
    broken: frozenset[str]
    year: int | None
    values: bool

    @cached_property
    def changes(self) -> list[tuple[Change, ...]]:
        """What each try changed, from the one before it."""
        earlier = [None, *self.known]
        before = {id(each): earlier[at] for at, each in enumerate(self.known)}
        found = (compare_tries(before[id(each)], each) for each in self.tries)
        return [*map(mark_changes, found)]

    def copies(self) -> tuple[tuple[str, str], ...]:
        """The prompt of the best try, by what the button says."""
        best = self.best() if self.values else None
        prompt = best.read("prompt") if best else ""
        return ((f"Copy the prompt of {best.name.full}", prompt),) if best and prompt else ()

    def best(self) -> Try | None:
        """The best try; None if all of them passed as many."""
        is_plain = len({len(each.passed) for each in list_ran(self.tries)}) < 2
        return None if is_plain else find_best(self.tries)

    def say_title(self, label: str) -> Line:
        good = find_last_good(self.tries)
        n = len(self.tries) - (0 if good is None else good + 1)
        words = Span(f"{n} {'try' if n == 1 else 'tries'} on {label}", "strong")
        return write_line(words, "; the marked words differ from the code before")

    @cached_property
    def _edit(self) -> int | None:
        """The place of the try that broke what is broken, the first of them."""
        return next((at for at, its in enumerate(self.tries) if self.broken & its.broke), None)

    def make(self, evals: Sequence[Story], rows: Sequence[Row] = ()) -> DocumentTable:
        """A column for each try, a row for each eval; ``rows`` are those of these evals."""
        bare = (Row(each.id, "", "other", "", ()) for each in evals)
        told = tuple(map(self._make_row, evals, rows or bare))
        columns = TableColumn("eval", "name"), *map(self._tell, range(len(self.tries)))
        return DocumentTable(columns, told)

    def _tell(self, at: int) -> TableColumn:
        its, n = self.tries[at], len(self.tries[at].states)
        is_good = at == find_last_good(self.tries)
        passed, errors = len(its.passed), its.count("error")
        best = ", best" * (its is self.best())
        marks = {"edit": at == self._edit, "last": at == len(self.tries) - 1}
        return TableColumn(
            f"{name_column(its)}{', the last good' * is_good}",
            lines=tuple(self._list_words(at)),
            shares=(passed / n, (n - passed - errors) / n) if n else None,
            told=(
                f"{passed} of {n} pass{best}" if its.has_run else "not run",
                self.say_outcome(at),
            ),
            about=self._say_config(at),
            marks=frozenset(mark for mark, is_so in marks.items() if is_so),
        )

    def _say_config(self, at: int) -> str:
        """The model of a try, and what it changed beside the prompt."""
        model = self.tries[at].read("model")
        lines = [f"model: {model}"] if model else []
        for each in self.changes[at]:
            if each.label != "prompt":
                said = f": {one_line(mark_line(each.line), 300)}" if self.values else ""
                lines.append(f"{each.label}{said}")
        return "\n".join(lines)

    def _list_words(self, at: int) -> list[Line]:
        known = self.changes[at]
        if at == 0 and self.values:
            start = one_line(self.tries[0].read("prompt"), 120)
            return [write_line(Span(start, "quiet"))] if start else []
        if at == 0 or not known:
            return []
        if not self.values:
            return [write_line(Span(each.label, "code")) for each in known[:_CHANGES]]
        lines = [_cut(each.line) for each in known[:_CHANGES]]
        more = len(known) - len(lines)
        places = f"and {more} more place{'s' * (more > 1)}"
        return [*lines, write_line(Span(places, "quiet"))] if more else lines

    def say_outcome(self, at: int) -> str:
        its, before = self.tries[at], self.tries[:at]
        if not its.has_run:
            return ""
        again = all(any(each in its_.broke for its_ in before) for each in its.broke)
        broke = f"{BROKE} {len(its.broke)}{' again' * again}" if its.broke else ""
        is_told = its.of and (its.mended or not broke)
        mended = f"mended {len(its.mended)} of {len(its.of)}" if is_told else ""
        all_passed = "all passed" if len(its.passed) == len(its.states) and not its.mended else ""
        return " and ".join(filter(None, (mended, broke))) or all_passed

    def _make_row(self, story: Story, row: Row) -> Row:
        name = write_line(Span(name_eval(story), title=story.id))
        lines = name, say_asserts(story, values=self.values)
        cells = [Cell("name", tuple(filter(None, lines)))]
        before: Try | None = None
        for at, its in enumerate(self.tries):
            cells.append(self._make_cell(at, story.id, before))
            before = its if story.id in its.states else before
        state = before.states[story.id] if before else "not run"
        sign, tone = SIGNS.get(state, NOT_RUN)
        return replace(row, sign=sign, tone=tone, word=state, cells=tuple(cells))

    def _make_cell(self, at: int, key: str, before: Try | None) -> Cell:
        its, last = self.tries[at], len(self.tries) - 1
        state, value = its.states.get(key, ""), its.values.get(key)
        was = None if before is None else before.values.get(key)
        letter = _LETTERS.get(state, "o")
        is_told = self.values and value is not None and (at in (0, last) or value != was)
        if not is_told or value is None:
            return Cell(letter=letter)
        has_risen = before is not None and before.states.get(key) != "passed"
        look: Look = "wrong" if state != "passed" else "right" if has_risen else "value"
        said = one_line(summarize_value(value), _VALUE)
        return Cell(lines=(write_line(Span(said, look)),), letter=letter)


def name_column(its: Try) -> str:
    return one_line(its.name.text, 40) + " (put back)" * its.is_put_back


def choose_tries(known: Sequence[Try], last: int) -> list[Try]:
    """The last tries, behind the last good code if it is not among them."""
    shown, earlier = known[-last:], [each for each in known[:-last] if each.has_run]
    if any(each.is_good for each in shown[:-1]):
        return [*shown]
    most = sorted(earlier, key=lambda each: len(each.passed))[-1:]
    return [*([each for each in earlier if each.is_good][-1:] or most), *shown]


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
