"""What is known of one eval, and every word, cell and mark about it.

Nothing else in the library words an eval: reports, views, gates and test suites ask here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from retab_analysis.comparison.json_diff import ABSENT, diff_documents
from retab_analysis.comparison.json_values import parse_json, write_json, write_path
from retab_analysis.comparison.sides import Sides
from retab_analysis.errors import list_some
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
from retab_analysis.stats.word_marks import mark_words
from retab_analysis.vocabulary import BROKEN, DECIDED, FAILING, MOMENT, NOT_PASSING, SURE

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
class Share:
    """How many outcomes passed, of how many."""

    passed: int
    of: int

    def __str__(self) -> str:
        return f"{self.passed} of {self.of}"


@dataclass(frozen=True, slots=True)
class EvalDetail:
    """What is known of one eval.

    ``row`` is what a comparison keeps of it; of a single result, its row. ``since`` are its
    outcomes since it got worse, or on the candidate's side, and ``before`` those before that;
    ``earlier`` those before the candidate, and ``now`` those on its side.
    """

    row: Row
    since: Share = Share(0, 0)
    before: Share = Share(0, 0)
    earlier: Share = Share(0, 0)
    now: Share = Share(0, 0)
    is_latest: bool = False  # whether it may have begun earlier than it shows
    is_outage: bool = False
    not_run_since: datetime | None = None
    year: int | None = None
    path: str | None = None
    kind: str | None = None
    outcomes: tuple[str, ...] = ()
    tries: tuple[tuple[str, str], ...] = ()
    was_seen: bool = False  # whether an earlier run of the whole workflow showed that it is broken
    block_name: str | None = None

    @classmethod
    def make(cls, row: Row, **more: Any) -> EvalDetail:
        """What a row of the evals says that a comparison keeps."""
        known: dict[str, Any] = {
            name: Share(row[f"passes_{column}"], row[f"outcomes_{column}"])
            for name, column in _SHARES.items()
        }
        known |= {name: row[name] for name in ("is_latest", "is_outage", "not_run_since")}
        return cls(row=row, **known, **more)

    @classmethod
    def of_result(cls, result: Row, passed: Row | None = None) -> EvalDetail:
        """What one result says by itself: nothing about what became of the eval.

        ``passed`` is the row of the result that passed last before it.
        """
        message = result["failure_message"] or result["status_message"]
        row = {
            **result,
            "transition": result["state"],
            "p_regressed": None,
            "baseline_state": None if passed is None else "passed",
            "baseline_actual": None if passed is None else passed["actual_value"],
            "candidate_state": result["state"],
            "candidate_actual": result["actual_value"],
            "failure": ": ".join(filter(None, (result["failure_code"], message))),
        }
        return cls(row=row, path=result.get("path"), kind=result.get("condition_kind"))

    @property
    def id(self) -> str:
        return str(self.row["eval_id"])

    @property
    def name(self) -> str:
        return name_eval(self.row)

    @property
    def block(self) -> str:
        """What its block is called: by its label where that is known, else by its id."""
        return self.block_name or one_line(self.row["block_id"])

    @property
    def documents(self) -> str:
        return name_documents(self.row)

    @property
    def transition(self) -> str:
        return str(self.row["transition"])

    @property
    def word(self) -> str:
        return self._words[1]

    @property
    def _words(self) -> tuple[str, str, Tone]:
        return WORDS.get(self.transition, ("?", one_line(self.transition), "other"))

    @property
    def state(self) -> str | None:
        known: str | None = self.row["candidate_state"]
        return known

    @property
    def fails(self) -> bool:
        return self.state in (*FAILING, "mixed")

    @property
    def passes_in_the_end(self) -> bool:
        """Whether it passes now, or passed when it was tried again."""
        newest = self.outcomes[-1:] == ("passed",)
        return self.state == "passed" or (self.state == "mixed" and newest)

    @property
    def p(self) -> float | None:
        """How probable it is that it got worse and was not mended."""
        known: float | None = self.row["p_regressed"]
        return known

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
        is_unsure = self.transition in BROKEN and self.p is not None and self.p < SURE
        says_p = is_unsure or (self.transition == "suspect" and self.p is not None)
        # Each a piece of its own, so that a name that is written from right to left ends with it.
        sure = (" · " * bool(self.documents), f"broken with probability {say_p(self.p)}")
        documents = Span(self.documents, "quiet", title=self.documents)
        below = write_line(documents, *(Span(each, "quiet") for each in sure if says_p))
        lines = (write_line(Span(self.name, title=self.id)), below)
        return Cell(tuple(filter(None, lines)))

    def asserts(self, *, values: bool) -> Line:
        path = one_line(self.path)
        if not values:
            return write_line(Span(path, "code"))
        condition = one_line(self.row["condition"], _LONGEST)
        gap = " " if path and condition else ""
        look: Look = "right" if self.kind in WHOLE else "strong"
        return write_line(Span(path, "code"), gap, Span(condition, look))

    def _sides(self, values: bool) -> tuple[Cell, Cell]:
        """What it was, and what it got."""
        if not values:
            before = self.row["baseline_state"]
            was = write_line(Span(before or "", "quiet"))
            now = f"passed {self.now}" if self.state == "mixed" else self.state or "not run"
            return Cell((was,) if was else ()), Cell((write_line(now),))
        was_text = self.row["baseline_actual"]
        passed = self.row["baseline_state"] in ("passed", "mixed")
        was = write_line(Span(summarize_value(was_text), "quiet")) if passed and was_text else ()
        lines = [self.got()]
        if self.message and self.state != "error":
            lines.append(write_line(Span(one_line(self.message, 300), "quiet")))
        # What stands in the line itself is not said again below it.
        is_said = (self.row["candidate_actual"] or "").startswith("{")
        folded = tuple(self._differences()[is_said:]) if self.fails else ()
        return Cell((was,) if was else ()), Cell(tuple(lines), folded)

    def got(self) -> Line:
        """What came, or what was said in its place."""
        text, state = self.row["candidate_actual"], self.state
        if state is None or (text is None and state not in ("error", "failed", "blocked", "mixed")):
            said = {"cancelled": "cancelled", "unscored": "no verdict"}.get(state or "", "not run")
            return write_line(Span(said, "quiet"))
        if state == "error" or text is None:
            again = " (also in the run before)" if self.errs_again else ""
            return write_line(f"{one_line(self.message, 300) or state}{again}")
        if state == "passed":
            return write_line(Span(summarize_value(text), "value"))
        expected = self.row["expected_value"]
        if self.kind == "equals" and _is_long_text(text) and _is_long_text(expected):
            segments = mark_words(expected[1:-1], text[1:-1])
            looks: dict[str, Any] = {"equal": "value", "added": "wrong"}
            kept = [each for each in segments if each.kind in looks]
            return write_line(*(Span(each.text, looks[each.kind]) for each in kept))
        if text.startswith("{") and (inside := self._differences()):
            others = len(inside) - 1
            more = f"; and {count_noun(others, 'more place')}" if others else ""
            return (Span(f"{inside[0].label}: ", "strong"), *inside[0].line, *write_line(more))
        missing = find_missing(expected, self.row["baseline_actual"], text)
        without = f", without {', '.join(missing[:3])}" if missing else ""
        return write_line(Span(f"{summarize_value(text)}{without}", "wrong"))

    def _differences(self) -> list[Change]:
        """Where what came differs inside from what passed last, else from what is expected."""
        row, got = self.row, self.row["candidate_actual"]
        was = row["baseline_actual"] if row["baseline_state"] in ("passed", "mixed") else None
        held = row["expected_value"] if was is None and self.kind in WHOLE else was
        if got is None or held is None or got[:1] != held[:1] or got[:1] not in ("[", "{"):
            return []
        return list_differences(held, got)

    @property
    def message(self) -> str:
        """Why it does not pass, as the API says it; without the code in front of a sentence."""
        failure = self.row["failure"] or ""
        code, colon, said = failure.partition(": ")
        return said if colon and code.replace("_", "").isalnum() and " " not in code else failure

    @property
    def errs_again(self) -> bool:
        return self.outcomes[-2:] == ("error", "error")

    @property
    def errs_always(self) -> bool:
        """Whether it passed once and ended in an error at every run since."""
        row = self.row
        is_error = self.transition == "newly_errored" and not self.is_outage
        return is_error and row["errors_since"] is not None and bool(row["passed_before"])

    # In words

    def short(self, *, values: bool) -> str:
        """Why it does not pass, in a line: ``expected 18.5, got 1``."""
        got = one_line("".join(span.text for span in self.got()), 200)
        if not values or self.state is None:
            return self.word if self.state in (None, "failed", "mixed") else str(self.state)
        if self.state == "error":
            return got
        expected = self.row["expected_value"]
        if self.kind == "equals" and expected is not None:
            return f"expected {summarize_value(expected)}, got {got}"
        condition = one_line(self.row["condition"], _LONGEST)
        return f"expected {condition}, got {got}" if condition else f"got {got}"

    @property
    def reason(self) -> str | None:
        """Why it has its transition, with numbers; None where it simply passes."""
        transition, row = self.transition, self.row
        if transition in BROKEN or (transition == "still_failing" and row["since_at"]):
            return self._say_broken()
        if transition == "suspect":
            about = f"{self._say_block()}{self._say_same()}"
            return f"passed {self.since}; before, {self.before}{about}"
        if transition == "newly_errored":
            if self.errs_always:
                return f"error at every run since {say_day(row['errors_since'], self.year)}"
            return f"ended in an error{' of an outage' if self.is_outage else ''}"
        if transition == "fixed":
            return f"fixed: passed {self.now}; before, {self.earlier}"
        if transition == "flaky":
            what = "comes and goes" if row["is_flaky"] else "failed once"
            return f"{what}: passed {self.earlier} before and {self.now} now"
        if transition == "incomplete":
            return self._say_missing()
        if transition == "still_failing":
            if row["passed_before"]:
                return f"passed {self.earlier} before and {self.now} now"
            return f"never passed{' since it was edited' if row['differs'] else ''}"
        if transition == "still_passing" and row["baseline_state"] not in ("passed", "mixed"):
            return f"passes again: passed {self.now}; before, {self.earlier}"
        differs, is_saved = row.get("differs"), row.get("is_saved")
        return {
            "not_comparable": f"{differs or 'eval'} edited: earlier results say nothing of it",
            "added": f"no earlier result; {self.state} now",
            "removed": "not saved any more" if is_saved is False else "not among the results",
        }.get(transition)

    def _say_broken(self) -> str:
        what = "comes and goes" if self.since.passed else "broken"
        at = self.row["since_at"]
        day = "" if at is None else f" since {say_day(at, self.year)}"
        latest = " at the latest" if self.is_latest else ""
        told = f"{what}{day}{latest}: {self.since} passed; before, {self.before}"
        last = self.not_run_since
        not_run = "" if last is None else f"; not run since {say_day(last, self.year)}"
        return f"{told}{self._say_block()}{self._say_same()}{not_run}"

    def _say_block(self) -> str:
        words = {"edit": "; its block was edited then", "drift": "; nobody edited its block then"}
        return words.get(self.row["cause"] or "", "")

    def _say_same(self) -> str:
        """That it was moved, and of what it is not known whether it is still the same."""
        moved = "; it was moved to another block since" if self.row["has_moved"] else ""
        unknown = " or ".join(self.row["unknown"] or ())
        return moved + (f"; whether the eval's {unknown} changed is not known" if unknown else "")

    def _say_missing(self) -> str:
        if self.row["is_edited_since"]:
            return "edited since it was run last"
        why = {"cancelled": "cancelled", "unscored": "no verdict", "error": "ended in an error"}
        said = why.get(self.state or "", "no result came" if self.state else "not run")
        return f"{said}; it was broken on the code before" if self.row["is_broken"] else said

    def describe(self, *, values: bool) -> list[str]:
        """What there is to know of a failure, line by line."""
        facts = {
            "why": self.reason,
            "probability": None if self.p is None else f"{say_p(self.p)} that it got worse",
            "block": self.block,
            "outcome": f"{self.row['baseline_state'] or 'absent'} → {self.state or 'absent'}",
            "documents": self.documents,
        }
        if values:
            row = self.row
            facts |= {
                "path": self.path,
                "asserts": row["condition"],
                "message": row["failure"],
                "was": row["baseline_actual"],
                "got": row["candidate_actual"],
            }
        width = max(map(len, facts))
        told = [f"  {name:<{width}}  {one_line(said, 500)}" for name, said in facts.items() if said]
        lines = [f"{self.name} ({one_line(self.id)}): {self.short(values=values)}", *told]
        if values and None not in (self.row["baseline_actual"], self.row["candidate_actual"]):
            inside = list_differences(self.row["baseline_actual"], self.row["candidate_actual"])
            marked = ((each.label, mark_line(each.line)) for each in inside if each.label)
            lines += [f"    {label}: {one_line(line, 500)}" for label, line in marked]
        return lines

    def attempts(self, *, values: bool) -> tuple[FailedTry, ...]:
        """Its tries on the candidate's side that did not pass, but for what is shown of it."""
        tried = self.tries if self.passes_in_the_end else self.tries[1:]
        said = [(state, message if values and message else state) for state, message in tried]
        return tuple(FailedTry("error" if s == "error" else "failure", text) for s, text in said)


_SHARES = {"since": "since", "before": "before", "earlier": "earlier", "now": "candidate"}

FACTS = (
    *(f"{what}_{column}" for column in _SHARES.values() for what in ("passes", "outcomes")),
    *("passed_before", "is_broken", "is_edited_since", "is_saved", "has_moved", "differs"),
)
"""The columns that a detail reads beside those that a comparison keeps anyway."""


def say_reasons(evals: pl.DataFrame, year: int | None) -> pl.DataFrame:
    """The same with the column ``reason``: most of a large suite simply passes, and has none."""
    passes = (pl.col("transition") == "still_passing") & (pl.col("baseline_state") == "passed")
    told = evals.filter(~passes.fill_null(False))
    reasons = [EvalDetail.make(row, year=year).reason for row in told.iter_rows(named=True)]
    said = pl.DataFrame({"eval": told["eval"], "reason": pl.Series(reasons, dtype=pl.String)})
    worded = evals.drop("reason").join(said, on="eval", how="left", maintain_order="left")
    return worded.select(evals.columns)


def collect_details(evals: pl.DataFrame, sides: Sides) -> list[EvalDetail]:
    """The details of the evals that do not simply pass, in the order of ``Comparison.evals``."""
    chosen = evals.filter((pl.col("transition") != "still_passing") | (pl.col("candidate_n") > 1))
    ids = chosen["eval_id"].implode()
    columns = ("eval_id", "run_id", "state", "failure_message", "status_message", MOMENT.alias("t"))
    known = [each for each in (sides.history, sides.baseline, sides.candidate) if each is not None]
    frames = [each.filter(pl.col("eval_id").is_in(ids)).select(columns) for each in known]
    rows = pl.concat(frames).sort("t", nulls_last=False, maintain_order=True)
    ended = rows.filter(pl.col("state").is_in((*DECIDED, "error")))
    outcomes = dict(ended.group_by("eval_id").agg(pl.col("state").tail(_RUNS)).iter_rows())
    tries = _list_tries(frames[-1])
    seen = _find_seen(chosen, rows, sides)
    # A result of a rerun may not say what it looks at.
    newest = pl.col("path", "condition_kind").drop_nulls().last()
    about = sides.candidate.group_by("eval_id").agg(newest)
    paths = {eval_id: (path, kind) for eval_id, path, kind in about.iter_rows()}
    year = find_year(sides.candidate)
    names = {} if sides.edits is None else sides.edits.names
    return [
        EvalDetail.make(
            row,
            year=year,
            path=path,
            kind=kind,
            outcomes=tuple(outcomes.get(row["eval_id"], ())),
            tries=tuple(tries.get(row["eval_id"], ())),
            was_seen=row["eval_id"] in seen,
            block_name=names.get(row["block_id"]),
        )
        for row in chosen.iter_rows(named=True)
        for path, kind in [paths.get(row["eval_id"], (None, None))]
    ]


def say_invalid(saved: Row) -> str:
    """That a row of an EVALS frame cannot be run, and why."""
    issues = "; ".join(saved["validation_issues"] or ()) or saved["drift_detail"]
    why = one_line(issues or saved["validation_status"], 200)
    return f"This saved eval cannot run: {name_eval(saved)} ({why})."


def _list_tries(candidate: pl.DataFrame) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    failing = candidate.filter(pl.col("state").is_in(FAILING)).sort("t", descending=True)
    for eval_id, _, state, failure, status, _ in failing.iter_rows():
        found.setdefault(eval_id, []).append((state, one_line(failure or status, 500)))
    return found


def _find_seen(evals: pl.DataFrame, rows: pl.DataFrame, sides: Sides) -> set[str]:
    """The evals that an earlier run of the whole workflow showed to be broken."""
    began = evals.select("eval_id", "since_at").drop_nulls()
    now = sides.candidate["run_id"].drop_nulls().unique().implode()
    failed = rows.join(began, on="eval_id").filter(
        pl.col("state").is_in(NOT_PASSING),
        pl.col("t") >= pl.col("since_at"),
        ~pl.col("run_id").is_in(now).fill_null(False),
    )
    if sides.runs is not None:
        whole = sides.runs.filter(scope="workflow")["run_id"].implode()
        failed = failed.filter(pl.col("run_id").is_in(whole))
    return set(failed["eval_id"])


def find_year(results: pl.DataFrame) -> int | None:
    newest = results.select(MOMENT.max()).item()
    return None if newest is None else int(newest.year)


def name_eval(row: Row) -> str:
    """What to call an eval, in one line: its name, or its id where it has none."""
    return one_line(row["eval_name"] or row["eval_id"])


def name_documents(row: Row) -> str:
    return ", ".join(one_line(each) for each in row["document_names"] or () if each)


def name_evals(details: Iterable[EvalDetail], limit: int = 20) -> str:
    return list_some((each.name for each in details), limit)


def list_evals(evals: pl.DataFrame, limit: int = 20) -> str:
    """The names of some evals; where two have one name, with their ids."""
    names = evals["eval_name"].fill_null("")
    twice = set(names.filter(names.is_duplicated()))
    said = [
        one_line(eval_id if not name else f"{name} ({eval_id})" if name in twice else name)
        for name, eval_id in evals.head(limit).select("eval_name", "eval_id").iter_rows()
    ]
    more = evals.height - limit
    return ", ".join(said) + (f" and {more} more" if more > 0 else "")


def say_day(moment: datetime, year: int | None = None) -> str:
    """A day as ``27 Nov``; with its year where that is another one."""
    return f"{moment.day} {moment:%b}" + (f" {moment.year}" if moment.year != year else "")


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
