"""What is known of one eval, and every word, cell and mark about it.

Nothing else in the library words an eval: reports, views, gates and test suites ask here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from retab_analysis.comparison.json_diff import ABSENT, diff_documents
from retab_analysis.comparison.json_values import parse_json, write_json, write_path
from retab_analysis.comparison.names import say_day
from retab_analysis.comparison.word_marks import mark_words
from retab_analysis.errors import list_some
from retab_analysis.evidence.story import Side, Story
from retab_analysis.evidence.transitions import find_reason
from retab_analysis.markup import count_noun, one_line
from retab_analysis.render.document import (
    Cell,
    Change,
    FailedTry,
    Line,
    Look,
    Span,
    Tone,
    write_line,
)
from retab_analysis.render.text import mark_line
from retab_analysis.vocabulary import BROKEN, DECIDED, FAILING

WORDS: Mapping[str, tuple[str, str, Tone]] = {
    "regressed": ("✗", "broke", "bad"),
    "newly_blocked": ("⊘", "broke", "blocked"),
    "newly_errored": ("!", "error", "error"),
    "suspect": ("?", "unclear", "doubt"),
    "flaky": ("≈", "flaky", "flaky"),
    "still_failing": ("×", "failing as before", "known"),
    "incomplete": ("…", "no result", "other"),
    "added": ("+", "new", "other"),
    "not_comparable": ("≠", "edited", "other"),
    "removed": ("−", "removed", "other"),
    "fixed": ("✓", "fixed", "good"),
    "still_passing": ("·", "pass", "good"),
    # Of a single result, where nothing is known of others.
    "passed": ("·", "passed", "good"),
    "failed": ("✗", "failed", "bad"),
    "blocked": ("⊘", "blocked", "blocked"),
    "error": ("!", "error", "error"),
    "cancelled": ("…", "cancelled", "other"),
}
"""The sign of each transition, its word, and what it means; in the order of the counts."""

WHOLE = ("equals", "similarity_gte", "split_iou_gte", None)
"""The conditions that hold the whole value against what is expected; None where not known."""

_RUNS = 12  # so many outcomes are shown
_LONGEST = 120  # so much of a value
_SHORT = 60  # an object no longer than this is shown as it is
_AROUND, _NEAR = 60, 24  # so much of a text stays on each side of what changed
_TEXT = 20_000
_PATHS = 20
_LONG_TEXT = 30  # from so many characters on the words of a text are marked, not the whole

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EvalDetail:
    """The words of a story; ``year`` is that of the candidate."""

    story: Story
    year: int | None = None

    @classmethod
    def of_result(cls, result: Row, passed: Row | None = None) -> EvalDetail:
        """What one result says by itself: nothing about what became of the eval.

        ``passed`` is the row of the result that passed last before it.
        """
        known = ((None if row is None else _read_side(row)) for row in (passed, result))
        was, now = known
        story = Story(
            id=str(result["eval_id"]),
            name=result["eval_name"],
            block_id=result.get("block_id"),
            path=result.get("path"),
            condition_kind=result.get("condition_kind"),
            was=was,
            now=now,
            transition=result["state"],
        )
        return cls(story)

    @property
    def id(self) -> str:
        return self.story.id

    @property
    def name(self) -> str:
        return name_eval(self.story)

    @property
    def block(self) -> str:
        return one_line(self.story.block_id)

    @property
    def documents(self) -> str:
        return ", ".join(one_line(each) for each in self.story.document_names or () if each)

    @property
    def transition(self) -> str:
        return self.story.transition

    @property
    def word(self) -> str:
        return self._words[1]

    @property
    def _words(self) -> tuple[str, str, Tone]:
        return WORDS.get(self.transition, ("?", one_line(self.transition), "other"))

    @property
    def state(self) -> str | None:
        return self.story.state

    @property
    def fails(self) -> bool:
        return self.story.fails

    @property
    def outcomes(self) -> tuple[str, ...]:
        """How it ended the last times, the newest last."""
        ended = [each.state for each in self.story.outcomes if each.state in (*DECIDED, "error")]
        return tuple(ended[-_RUNS:])

    @property
    def passes_in_the_end(self) -> bool:
        """Whether it passes now, or passed when it was tried again."""
        newest = self.outcomes[-1:] == ("passed",)
        return self.state == "passed" or (self.state == "mixed" and newest)

    @property
    def p(self) -> float | None:
        """How probable it is that it got worse and was not mended."""
        return self.story.p

    # In a table

    @property
    def sign(self) -> tuple[str, Tone]:
        """Its sign; that of an eval which is blocked or broke says what it is now."""
        sign, _, tone = self._words
        if self.transition in BROKEN and self.state == "error":
            return WORDS["newly_errored"][0], "error"
        return sign, tone

    def cells(self, *, values: bool) -> tuple[Cell, ...]:
        """Its cells under *eval*, *asserts*, *was* and *got*."""
        return self._name_cell(), Cell((self.asserts(values=values),)), *self._sides(values)

    def _name_cell(self) -> Cell:
        is_suspect = self.transition == "suspect" and self.p is not None
        says_p = self.story.is_unsure or is_suspect
        # Each a piece of its own, so that a name that is written from right to left ends with it.
        sure = (" · " * bool(self.documents), f"broken with probability {say_p(self.p)}")
        documents = Span(self.documents, "quiet", title=self.documents)
        below = write_line(documents, *(Span(each, "quiet") for each in sure if says_p))
        lines = (write_line(Span(self.name, title=self.id)), below)
        return Cell(tuple(filter(None, lines)))

    def asserts(self, *, values: bool) -> Line:
        path = one_line(self.story.path)
        if not values:
            return write_line(Span(path, "code"))
        condition = one_line(self.story.condition, _LONGEST)
        gap = " " if path and condition else ""
        look: Look = "right" if self.story.condition_kind in WHOLE else "strong"
        return write_line(Span(path, "code"), gap, Span(condition, look))

    def _sides(self, values: bool) -> tuple[Cell, Cell]:
        """What it was, and what it got."""
        before = self.story.was
        if not values:
            was = write_line(Span(before.state if before else "", "quiet"))
            share = self.story.reading.now
            now = f"passed {share}" if self.state == "mixed" else self.state or "not run"
            return Cell((was,) if was else ()), Cell((write_line(now),))
        text = before.actual_value if before and before.has_passed else None
        was = write_line(Span(summarize_value(text), "quiet")) if text else ()
        lines = [self.got()]
        if self.message and self.state != "error":
            lines.append(write_line(Span(one_line(self.message, 300), "quiet")))
        # What stands in the line itself is not said again below it.
        is_said = (self.story.got or "").startswith("{")
        folded = tuple(self._differences()[is_said:]) if self.fails else ()
        return Cell((was,) if was else ()), Cell(tuple(lines), folded)

    def got(self) -> Line:
        """What came, or what was said in its place."""
        story = self.story
        text, state = story.got, story.state
        if state is None or (text is None and state not in ("error", "failed", "blocked", "mixed")):
            said = {"cancelled": "cancelled", "unscored": "no verdict"}.get(state or "", "not run")
            return write_line(Span(said, "quiet"))
        if state == "error" or text is None:
            again = " (also in the run before)" if self.errs_again else ""
            return write_line(f"{one_line(self.message, 300) or state}{again}")
        if state == "passed":
            return write_line(Span(summarize_value(text), "value"))
        expected = story.expected_value
        if (
            story.condition_kind == "equals"
            and expected is not None
            and _is_long_text(text)
            and _is_long_text(expected)
        ):
            segments = mark_words(expected[1:-1], text[1:-1])
            looks: dict[str, Any] = {"equal": "value", "added": "wrong"}
            kept = [each for each in segments if each.kind in looks]
            return write_line(*(Span(each.text, looks[each.kind]) for each in kept))
        if text.startswith("{") and (inside := self._differences()):
            others = len(inside) - 1
            more = f"; and {count_noun(others, 'more place')}" if others else ""
            return (Span(f"{inside[0].label}: ", "strong"), *inside[0].line, *write_line(more))
        missing = find_missing(expected, story.was and story.was.actual_value, text)
        without = f", without {', '.join(missing[:3])}" if missing else ""
        return write_line(Span(f"{summarize_value(text)}{without}", "wrong"))

    def _differences(self) -> list[Change]:
        """Where what came differs inside from what passed last, else from what is expected."""
        story, got = self.story, self.story.got
        was = story.was.actual_value if story.was and story.was.has_passed else None
        held = story.expected_value if was is None and story.condition_kind in WHOLE else was
        if got is None or held is None or got[:1] != held[:1] or got[:1] not in ("[", "{"):
            return []
        return list_differences(held, got)

    @property
    def message(self) -> str:
        """Why it does not pass, as the API says it; without the code in front of a sentence."""
        failure = self.story.failure or ""
        code, colon, said = failure.partition(": ")
        return said if colon and code.replace("_", "").isalnum() and " " not in code else failure

    @property
    def errs_again(self) -> bool:
        return self.outcomes[-2:] == ("error", "error")

    # In words

    def short(self, *, values: bool) -> str:
        """Why it does not pass, in a line: ``expected 18.5, got 1``."""
        got = one_line("".join(span.text for span in self.got()), 200)
        if not values or self.state is None:
            return self.word if self.state in (None, "failed", "mixed") else str(self.state)
        if self.state == "error":
            return got
        expected = self.story.expected_value
        if self.story.condition_kind == "equals" and expected is not None:
            return f"expected {summarize_value(expected)}, got {got}"
        condition = one_line(self.story.condition, _LONGEST)
        return f"expected {condition}, got {got}" if condition else f"got {got}"

    @property
    def reason(self) -> str | None:
        """Why it has its transition, with numbers; None where it simply passes."""
        return say_reason(self.story, self.year)

    def describe(self, *, values: bool) -> list[str]:
        """What there is to know of a failure, line by line."""
        story = self.story
        was = None if story.was is None else story.was.actual_value
        facts = {
            "why": self.reason,
            "probability": None if self.p is None else f"{say_p(self.p)} that it got worse",
            "block": self.block,
            "outcome": f"{story.was.state if story.was else 'absent'} → {self.state or 'absent'}",
            "documents": self.documents,
        }
        if values:
            facts |= {
                "path": story.path,
                "asserts": story.condition,
                "message": story.failure,
                "was": was,
                "got": story.got,
            }
        width = max(map(len, facts))
        told = [f"  {name:<{width}}  {one_line(said, 500)}" for name, said in facts.items() if said]
        lines = [f"{self.name} ({one_line(self.id)}): {self.short(values=values)}", *told]
        if values and was is not None and story.got is not None:
            inside = list_differences(was, story.got)
            marked = ((each.label, mark_line(each.line)) for each in inside if each.label)
            lines += [f"    {label}: {one_line(line, 500)}" for label, line in marked]
        return lines

    def attempts(self, *, values: bool) -> tuple[FailedTry, ...]:
        """Its tries on the candidate's side that did not pass, but for what is shown of it."""
        failed = [each for each in reversed(self.story.present) if each.state in FAILING]
        return tuple(
            FailedTry(
                "error" if each.state == "error" else "failure",
                one_line(each.message, 500) if values and each.message else each.state,
            )
            for each in failed[not self.passes_in_the_end :]
        )


def _read_side(row: Row) -> Side:
    """One result as a side of a story."""
    return Side(**{name: row[name] for name in Side._fields if name in row})


def say_reason(story: Story, year: int | None) -> str | None:
    """Why an eval has its transition, with numbers; None where it simply passes."""
    reason = find_reason(story)
    if reason is None:
        return None
    kind, now, before, at = reason
    day = "" if at is None else say_day(at, year)
    state, more = story.state, _say_more(story, year)
    if kind in ("broken", "comes and goes"):
        return f"{kind}{_say_since(story, day)}: {now} passed; before, {before}{more}"
    said = {
        "suspect": f"passed {now}; before, {before}{more}",
        "always an error": f"error at every run since {day}",
        "outage": "ended in an error of an outage",
        "error": "ended in an error",
        "fixed": f"fixed: passed {now}; before, {before}",
        "passes again": f"passes again: passed {now}; before, {before}",
        "flaky": f"comes and goes: passed {before} before and {now} now",
        "failed once": f"failed once: passed {before} before and {now} now",
        "still_failing": f"passed {before} before and {now} now",
        "never passed": f"never passed{' since it was edited' if story.edited else ''}",
        "not_comparable": f"{story.edited or 'eval'} edited: earlier results say nothing of it",
        "added": f"no earlier result; {state} now",
        "removed": "not among the results"
        if story.saved.is_there is None
        else "not saved any more",
        "incomplete": _say_missing(story),
    }
    return said[kind]


def _say_since(story: Story, day: str) -> str:
    return f" since {day}{' at the latest' * story.is_latest}" if day else ""


def _say_more(story: Story, year: int | None) -> str:
    """Of what is worse: whether its block was edited, and what is not known of it."""
    edits = {"edit": "; its block was edited then", "drift": "; nobody edited its block then"}
    said = edits.get(story.cause or "", "")
    said += "; it was moved to another block since" * story.has_moved
    if story.unknown:
        said += f"; whether the eval's {' or '.join(story.unknown)} changed is not known"
    last = story.not_run_since
    return said if last is None else f"{said}; not run since {say_day(last, year)}"


def _say_missing(story: Story) -> str:
    if story.saved.is_edited:
        return "edited since it was run last"
    why = {"cancelled": "cancelled", "unscored": "no verdict", "error": "ended in an error"}
    said = why.get(story.state or "", "no result came" if story.state else "not run")
    return f"{said}; it was broken on the code before" if story.reading.is_broken else said


def name_eval(story: Story) -> str:
    """What to call an eval, in one line: its name, or its id where it has none."""
    return one_line(story.name or story.id)


def name_row(row: Row) -> str:
    """As :func:`name_eval`, of a row of a frame."""
    return one_line(row["eval_name"] or row["eval_id"])


def name_documents(row: Row) -> str:
    return ", ".join(one_line(each) for each in row["document_names"] or () if each)


def name_evals(details: Iterable[EvalDetail], limit: int = 20) -> str:
    return list_some((each.name for each in details), limit)


def list_stories(stories: Iterable[Story], limit: int = 20) -> str:
    """The names of some evals; where two have one name, with their ids."""
    return list_names([(each.name, each.id) for each in stories], limit)


def list_evals(evals: pl.DataFrame, limit: int = 20) -> str:
    """As :func:`list_stories`, of a frame with ``eval_name`` and ``eval_id``."""
    return list_names(evals.select("eval_name", "eval_id").rows(), limit)


def list_names(named: Sequence[tuple[str | None, str]], limit: int = 20) -> str:
    counts = Counter(name for name, _ in named)
    said = [
        one_line(eval_id if not name else f"{name} ({eval_id})" if counts[name] > 1 else name)
        for name, eval_id in named[:limit]
    ]
    more = len(named) - limit
    return ", ".join(said) + (f" and {more} more" if more > 0 else "")


def say_p(p: float | None) -> str:
    """A probability with two digits, rounded down, so that nothing seems surer than it is.

    Example:
        >>> say_p(0.9999), say_p(0.625), say_p(0.001)
        ('0.99', '0.62', 'below 0.01')
    """
    floored = min(math.floor(100 * (p or 0) + 1e-9), 99)
    return f"{floored / 100:.2f}" if floored else "below 0.01"


# Values


def summarize_value(text: str) -> str:
    """A JSON value in a few words: a list by its length, a long object by its members.

    Anything else is as it is written.

    Example:
        >>> summarize_value('[1, 2]'), summarize_value('"Ltd"'), summarize_value('{"a":1}')
        ('2 items', '"Ltd"', '{"a":1}')
    """
    parsed = parse_json(text) if text.startswith(("[", "{")) else None
    if isinstance(parsed, list):
        return f"{len(parsed):,} item{'' if len(parsed) == 1 else 's'}"
    if isinstance(parsed, dict) and len(text) > _SHORT:
        return one_line(f"object with {', '.join(map(str, parsed))}", _LONGEST)
    return one_line(text, _LONGEST)


def _is_long_text(text: str | None) -> bool:
    return text is not None and text.startswith('"') and _LONG_TEXT < len(text) < _TEXT


def find_missing(expected: str | None, was: str | None, got: str) -> list[str]:
    """The members that some item of a list lacks, and that a schema asks for or all items had."""
    items = parse_json(got) if got.startswith("[") else None
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        return []
    asked = _find_required(parse_json(expected)) if expected is not None else []
    if not asked and was is not None:
        earlier = parse_json(was)
        if isinstance(earlier, list) and earlier and all(isinstance(e, dict) for e in earlier):
            asked = [key for key in earlier[0] if all(key in each for each in earlier)]
    return [one_line(key, 40) for key in asked if any(key not in each for each in items)]


def _find_required(value: object) -> list[str]:
    """What the nearest ``required`` of a schema names."""
    level = [value]
    while level:
        for each in level:
            if isinstance(each, dict) and isinstance(named := each.get("required"), list):
                return [key for key in named if isinstance(key, str)]
        inner = [each for each in level if isinstance(each, dict)]
        level = [value for each in inner for value in each.values()]
    return []


def list_differences(before: str, after: str) -> list[Change]:
    """Where two JSON values differ inside, their pieces marked; the first so many."""
    found: list[Change] = []
    for each in diff_documents(parse_json(before), parse_json(after)):
        if len(found) == _PATHS:
            found.append(Change("…", ()))
            break
        label = write_path(each.path).removeprefix("$").removeprefix(".")
        if each.is_moved:
            found.append(Change(label, write_line("moved")))
        else:
            sides = (None if v is ABSENT else write_json(v) for v in each.values)
            found.append(Change(label, mark_change(*sides)))
    return found


def mark_change(before: str | None, after: str | None) -> Line:
    """What was removed and added: in texts the words, anything else as a whole."""
    are_texts = all(v is None or (v.startswith('"') and len(v) <= _TEXT) for v in (before, after))
    if are_texts and before is not None and after is not None:
        return mark_texts(before, after, _NEAR)
    sides = [(before, "removed"), (after, "added")]
    spans = [Span(one_line(v, _LONGEST), look) for v, look in sides if v is not None]  # type: ignore[arg-type]
    return write_line(*(part for span in spans for part in (span, " ")))[: 2 * len(spans) - 1]


def mark_texts(before: str, after: str, around: int = _AROUND) -> Line:
    """Two texts as one, with what was removed and added; what both have is cut where it is long."""
    segments = mark_words(before[:_TEXT], after[:_TEXT])
    spans: list[Span] = []
    for at, each in enumerate(segments):
        if each.kind == "equal":
            head, tail = around * (at > 0), around * (at < len(segments) - 1)
            spans.append(Span(_shorten(each.text, head, tail)))
            continue
        if each.kind == "added" and spans and spans[-1].look == "removed":
            spans.append(Span(" "))
        spans.append(Span(each.text, each.kind))
    return tuple(spans)


def _shorten(text: str, head: int, tail: int) -> str:
    """What both texts have, without its middle; nothing changed beyond an outer end."""
    if len(text) <= head + tail + 20:
        return text
    return f"{text[:head]} … {text[len(text) - tail :] if tail else ''}"
