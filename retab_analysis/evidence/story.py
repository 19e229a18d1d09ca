"""The story of one eval: its outcomes, run by run, and the model's answers.

Every rule about an eval is a function of its story, in :mod:`retab_analysis.evidence.transitions`.
Every sentence about it comes from its story, in :mod:`retab_analysis.comparison.detail`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from statistics import median
from typing import Any, Literal, NamedTuple, TypeVar

import polars as pl
from msgspec import Struct

from retab_analysis.evidence.comparable import CANDIDATE
from retab_analysis.schema import write_by_value
from retab_analysis.vocabulary import (
    BROKEN,
    CERTAIN_ENOUGH,
    DECIDED,
    FAILING,
    LIKELY,
    NOT_PASSING,
    SCORED,
    SURE,
)

_RUNS = 12  # how many outcomes are shown
REPEATEDLY = 3
"""In so many of its newest rows an eval failed that fails again and again."""
_NEWEST, _LEAST_FALL = 5, 0.01  # rows, and of a score
DEFINITION = {
    **{"inputs": "handle_inputs_fingerprint", "condition": "condition_kind"},
    **{"threshold": "threshold", "expected value": "expected"},
}
"""The parts of a definition in words, and their columns."""
_T = TypeVar("_T")


class Outcome(Struct, frozen=True, gc=False):
    """An eval's outcome in one run: a result, as far as rules read it.

    What is only shown is looked up by its place, see :meth:`Story.look_up`.
    """

    at: int  # its place among the compared results
    side: int
    row: int | None  # of the ledger; None if it judges nothing
    is_present: bool  # whether it may be of the present definition
    state: str
    moment: datetime | None
    run_id: str | None
    code: str | None
    is_whole: bool  # whether it came from a run of the whole workflow
    is_outage: bool

    @property
    def is_now(self) -> bool:
        return self.side == CANDIDATE

    @property
    def is_decided(self) -> bool:
        return self.state in DECIDED


OF_OUTCOMES = (
    *("at", "side", "row", "comparable", "state", "moment", "run_id", "code", "is_whole", "outage"),
)
"""The columns of a ledger's results that make an outcome."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The outcomes of all evals that their stories have, made for one once somebody reads them.

    They are some of the ledger's ``results``, sorted by ``eval`` and time. An eval's outcomes lie
    between two ``ends``: its own, and the end of the eval before. Before the runs ``after_gaps``
    some runs were not read.
    """

    results: pl.DataFrame
    chosen: pl.DataFrame
    ends: Sequence[int]
    after_gaps: frozenset[str] = frozenset()

    @cached_property
    def _rows(self) -> list[tuple[Any, ...]]:
        return self.chosen.select(OF_OUTCOMES).rows()

    def of(self, index: int) -> tuple[Outcome, ...]:
        first = self.ends[index - 1] if index else 0
        return tuple(Outcome(*row) for row in self._rows[first : self.ends[index]])


class Side(Struct, frozen=True, gc=False):
    """An eval on one side: its state over decided results, and the result that shows it.

    That is the newest result with this state; for ``mixed``, the newest that did not pass. ``score,
    margin, duration_ms`` are medians.
    """

    state: str
    n: int = 0
    pass_rate: float | None = None
    score: float | None = None
    margin: float | None = None
    duration_ms: float | None = None
    code: str | None = None
    block_id: str | None = None
    document_names: Sequence[str] | None = None
    condition: str | None = None
    expected_value: str | None = None
    actual_value: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    status_message: str | None = None
    run_id: str | None = None
    result_id: str | None = None
    at: datetime | None = None

    @property
    def has_passed(self) -> bool:
        return self.state in ("passed", "mixed")


class Share(NamedTuple):
    """How many outcomes passed, and how many there are."""

    passed: int
    of: int

    def __str__(self) -> str:
        return f"{self.passed} of {self.of}"


class Reading(Struct, frozen=True, gc=False):
    """The model's answers about an eval; see :meth:`Findings.read`."""

    p_regressed: float | None = None
    p_improved: float | None = None
    p_worse: float | None = None
    cause: str | None = None
    since_row: int | None = None
    since_at: datetime | None = None
    since_run_id: str | None = None
    since_version_id: str | None = None
    is_flaky: bool = False  # by its nature
    is_broken: bool = False  # by its last decided row
    fails_first: bool = False  # whether it failed since its last pass, and never before
    reruns_to_clear: int | None = None
    reruns_to_confirm: int | None = None
    rounds: int | None = None  # in how many reruns the transition may change
    reruns: int | None = None
    reruns_in_row: int | None = None
    row_ends_at: datetime | None = None
    limit: float = CERTAIN_ENOUGH  # the probability from which on it is called broken
    passing_rows: int = 0  # how many of its newest rows passed, one after the other
    failing_rows: int = 0  # and how many failed
    passed_last: bool = False
    failed_last: bool = False
    earlier: Share = Share(0, 0)  # its outcomes before the candidate
    now: Share = Share(0, 0)  # on its side
    before: Share = Share(0, 0)  # before it got worse, or before the candidate
    since: Share = Share(0, 0)  # since it got worse, or on the candidate's side
    on_code: Share = Share(0, 0)  # on its present code before that, if this code came back


NOTHING_READ = Reading()
_Gone = Literal["not known", "removed", "same_code", "not_comparable", "not valid"]
Standing = Literal[_Gone, "never", "block", "eval", "saved", "unseen", "tested"]
"""How a saved eval stands now: the first that holds, if the saved evals are known.

It was deleted. Two versions decide its transition. It cannot run. It never ran; or did not run
since its block was edited, it was edited itself, or it was saved again and maybe edited. It ran,
and nothing tells whether its block was edited since. Else it is tested.
"""
APART: tuple[Standing, ...] = ("same_code", "not_comparable")
STALE: tuple[Standing, ...] = ("never", "block", "eval", "saved")


class Story(Struct, frozen=True, eq=False, dict=True):
    """All facts about one eval.

    ``was`` and ``now`` sum up outcomes before, and on the candidate's side.
    """

    id: str
    name: str | None
    block_id: str | None
    block_label: str | None = None
    block_name: str | None = None  # its label, with its id if another block has it too
    index: int = 0  # its place in the ledger
    path: str | None = None
    condition_kind: str | None = None
    of_all: Outcomes | None = None  # of all evals
    was: Side | None = None
    now: Side | None = None
    last_failure: Side | None = None
    reading: Reading = NOTHING_READ
    standing: Standing = "not known"
    is_expected: bool = True  # whether the candidate ought to have a result of it
    is_pending: bool = False  # whether a result is still to come
    is_on_present_code: bool = True  # whether it has an outcome or an error on it
    saved_again_at: datetime | None = None  # its last save, if it ran before and may be edited
    read_at: datetime | None = None  # when the saved evals were read
    unknown: Sequence[str] = ()  # what of its definition one side lacks, and may have changed
    has_own_past: bool = True  # whether it is compared with its own past, not with a baseline
    namesake: Story | None = None  # of a new one: the deleted eval that had its name
    transition: str = ""  # a Transition

    @property
    def is_apart(self) -> bool:
        """Whether it does not count, because two versions decide its transition."""
        return self.standing in APART

    @property
    def is_stale(self) -> bool:
        """Whether it did not run as it is now."""
        return self.standing in STALE

    # Its results

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """In the order of time, the candidate's last.

        These are all within the horizon, and before it the newest of each state.
        """
        return () if self.of_all is None else self.of_all.of(self.index)

    def look_up(self, name: str, outcomes: Sequence[Outcome]) -> list[Any]:
        """A column of some of its results, the newest last."""
        places = [each.at for each in outcomes]
        return [] if self.of_all is None else self.of_all.results[name].gather(places).to_list()

    @property
    def _sides(self) -> Sequence[Side]:
        return [each for each in (self.now, self.was) if each is not None]

    @property
    def condition(self) -> str | None:
        return first_known(each.condition for each in self._sides)

    @property
    def expected_value(self) -> str | None:
        return first_known(each.expected_value for each in self._sides)

    @property
    def document_names(self) -> Sequence[str] | None:
        return first_known(each.document_names for each in self._sides)

    @property
    def earlier(self) -> list[Outcome]:
        return [each for each in self.outcomes if not each.is_now]

    @property
    def present(self) -> list[Outcome]:
        return [each for each in self.outcomes if each.is_now]

    @cached_property
    def decided(self) -> list[Outcome]:
        """Its decided outcomes with its present definition."""
        return [each for each in self.outcomes if each.is_decided and each.is_present]

    @property
    def ended(self) -> tuple[str, ...]:
        states = (each.state for each in self.outcomes)
        return tuple(each for each in states if each in (*DECIDED, "error"))[-_RUNS:]

    def count_on(self, code: str | None) -> Share:
        """Its rows on a code: how many passed, of how many."""
        rows: dict[int | None, bool] = {}
        for each in self.decided:
            if each.code == code:
                rows[each.row] = rows.get(each.row, False) or each.state == "passed"
        return Share(sum(rows.values()), len(rows))

    @property
    def passes_in_the_end(self) -> bool:
        is_mixed = self.state == "mixed"
        return self.state == "passed" or (is_mixed and self.ended[-1:] == ("passed",))

    @property
    def is_known_before(self) -> bool:
        """Whether it was decided before, with any definition."""
        return self.is_comparable or any(each.is_decided for each in self.earlier)

    @property
    def is_comparable(self) -> bool:
        """Whether it was decided before with its present definition."""
        return self.reading.earlier.of > 0

    @property
    def was_ever_decided(self) -> bool:
        """Whether it was ever decided with its present definition."""
        return self.is_comparable or self.is_decided

    @property
    def passed_before(self) -> bool:
        return self.reading.earlier.passed > 0

    @property
    def is_decided(self) -> bool:
        return self.reading.now.of > 0

    @property
    def errors(self) -> list[Outcome]:
        return [each for each in self.present if each.state == "error" and each.is_present]

    @property
    def is_outage(self) -> bool:
        return any(each.is_outage for each in self.errors)

    @cached_property
    def errors_since(self) -> datetime | None:
        """When the newest of its rows began that all ended in errors on one code, two or more."""
        found: dict[int, datetime | None] = {}
        code: str | None = None
        for each in reversed(self.outcomes):
            is_error = each.state == "error" and not each.is_outage
            if each.row is None or not each.is_present or not (is_error or each.is_decided):
                continue
            code = code or each.code
            if each.is_decided or each.code not in (None, code):
                found.pop(each.row, None)
                break
            found[each.row] = each.moment
        return [*found.values()][-1] if len(found) > 1 else None

    @property
    def last(self) -> Outcome | None:
        """Its last decided outcome with its present definition."""
        return self.decided[-1] if self.decided else None

    @property
    def last_at(self) -> datetime | None:
        """When it ran last."""
        return max((at for each in self.outcomes if (at := each.moment)), default=None)

    @property
    def has_moved(self) -> bool:
        """Whether it was of another block in its baseline."""
        blocks = (self.was and self.was.block_id), (self.now and self.now.block_id)
        return None not in blocks and blocks[0] != blocks[1]

    @property
    def ran_on_new_code(self) -> bool:
        """Whether its newest result is of code that no earlier one has."""
        codes = {each.code for each in self.earlier if each.code is not None}
        newest = [each.code for each in self.present if each.code is not None]
        return bool(codes and newest) and newest[-1] not in codes

    @property
    def block_changed(self) -> bool | None:
        """Whether its block was edited between the sides; None if that is not known."""
        codes = (self.was and self.was.code), (self.now and self.now.code)
        # Codes of two blocks tell nothing about either.
        return None if None in codes or self.has_moved else codes[0] != codes[1]

    @cached_property
    def edited(self) -> str | None:
        """The edited part of its definition, in words; None if no edit is known."""
        others = [each for each in self.outcomes if each.is_decided and not each.is_present]
        if not others:
            return None
        differs = []
        for word, name in DEFINITION.items():
            both = (self.look_up(name, rows) for rows in (self.decided, others))
            values = [first_known(reversed(each)) for each in both]
            differs += [word] * (None not in values and values[0] != values[1])
        return " and ".join(differs)

    # Its present state

    @property
    def state(self) -> str | None:
        return None if self.now is None else self.now.state

    @property
    def fails(self) -> bool:
        """Whether it has a result on the candidate's side, and does not simply pass in it."""
        return self.state in (*FAILING, "mixed")

    @property
    def passes_less_often(self) -> bool:
        """Whether it passes at times, but less often than before."""
        if self.state != "mixed":
            return False
        was, now = (0.0 if each is None else each.pass_rate or 0.0 for each in (self.was, self.now))
        return now < was

    @property
    def shown(self) -> Side | None:
        """The result that made its word: of a broken eval its last failure, whatever ran since."""
        fails = self.state in (*NOT_PASSING, "mixed")
        return self.now if fails or self.transition not in BROKEN else self.last_failure

    @property
    def got(self) -> str | None:
        return None if self.shown is None else self.shown.actual_value

    @cached_property
    def _failures(self) -> tuple[list[str | None], list[Outcome]] | None:
        """The values of its earlier failures, and the failures with its value of now."""
        if self.state not in NOT_PASSING or self.got is None:
            return None
        failed = [each for each in self.decided if each.state in NOT_PASSING]
        known = [*zip(failed, self.look_up("actual_value", failed), strict=True)]
        now = ((e.row, value) for e, value in reversed(known) if e.is_now and value is not None)
        row, text = next(now)
        earlier, got = [pair for pair in known if pair[0].row != row], write_by_value(text)
        values = dict.fromkeys(value for _, value in earlier if value is not None)
        equal = {each for each in values if each == text or write_by_value(each) == got}
        return [value for _, value in earlier], [e for e, value in earlier if value in equal]

    @property
    def seen_at(self) -> tuple[datetime, ...]:
        """When it failed with its value of now, and passed after on that code."""
        _, same = self._failures or ((), ())
        return tuple(e.moment for e in same if e.moment is not None and self._passed_after(e))

    def _passed_after(self, failure: Outcome) -> bool:
        return any(
            each.state == "passed"
            and each.code == failure.code is not None
            and each.at > failure.at
            and each.row != failure.row
            for each in self.decided
        )

    @property
    def is_new_value(self) -> bool:
        """Whether it failed before, and never with its value of now."""
        earlier, same = self._failures or ((), ())
        return bool(earlier) and not same and None not in earlier

    @property
    def failure(self) -> str | None:
        now = self.now if self.fails else self.shown
        if now is None or now.state not in (*FAILING, "mixed"):
            return None
        message = now.status_message if now.failure_message is None else now.failure_message
        return ": ".join(each for each in (now.failure_code, message) if each is not None) or None

    # Conclusions

    @property
    def is_new(self) -> bool:
        return self.transition == "added" or self.standing == "never"

    @property
    def p_called(self) -> float | None:
        """The probability that decides its transition: by its whole history if that is certain."""
        reading = self.reading
        is_certain = self.has_own_past and (reading.p_worse or 0) >= CERTAIN_ENOUGH
        return reading.p_worse if is_certain else reading.p_regressed

    @property
    def p(self) -> float | None:
        """The probability that it got worse and was not mended.

        None if it was not decided now; but if it stays broken, it keeps the last one.
        """
        is_told = self.is_decided or self.transition in BROKEN
        if self.transition in ("same_code", "removed"):
            return None
        return self.reading.p_regressed if is_told else None

    @property
    def is_said_worse(self) -> bool:
        is_old = self.transition == "still_failing" and (self.reading.p_worse or 0) >= LIKELY
        return self.transition in (*BROKEN, "suspect") or (is_old and self.passed_before)

    @property
    def since_at(self) -> datetime | None:
        return self.reading.since_at if self.is_said_worse else None

    @property
    def since_run_id(self) -> str | None:
        return self.reading.since_run_id if self.is_said_worse else None

    @property
    def since_version_id(self) -> str | None:
        """A drift has a run and a date, and no version."""
        is_told = self.is_said_worse and self.reading.cause == "edit"
        return self.reading.since_version_id if is_told else None

    @cached_property
    def _place_since(self) -> int | None:
        """The place of its first outcome since it is worse, or else on the candidate's side."""
        row = self.reading.since_row if self.is_said_worse else None
        first = sys.maxsize if row is None else row
        its = self.outcomes
        return next(
            (e.at for e in its if e.is_now or (-1 if e.row is None else e.row) >= first), None
        )

    @property
    def edit(self) -> tuple[datetime, datetime] | None:
        """The moments of its last pass on other code and of its first failure."""
        first = (each.moment for each in self.outcomes if each.is_now and each.moment is not None)
        since, place = self.since_at or next(first, None), self._place_since
        if since is None or place is None:
            return None
        runs = (each for each in self.outcomes if each.run_id == self.since_run_id is not None)
        code = first_known(each.code for each in runs)
        passed = (e for e in self.outcomes if e.at < place and e.state == "passed")
        before = [e.moment for e in passed if None in (e.code, code) or e.code != code]
        known = [at for at in before if at is not None]
        return (known[-1], since) if known else None

    @property
    def was_seen(self) -> bool:
        """Whether an earlier run of the whole workflow showed that it is broken."""
        place = None if self.since_at is None else self._place_since
        its = (each for each in self.earlier if each.is_whole and each.state in NOT_PASSING)
        return place is not None and any(each.at >= place for each in its)

    @property
    def _is_beyond_gap(self) -> bool:
        """Whether unread runs lie between its last pass and its first failure."""
        since, gaps = self.reading.since_row, self.of_all.after_gaps if self.of_all else frozenset()
        if since is None:
            return False
        found = [self.reading.since_run_id]
        for each in reversed(self.outcomes):
            if each.row is None or each.row >= since:
                continue
            if each.is_present and each.state == "passed":
                return not gaps.isdisjoint(found)
            found.append(each.run_id)
        return found[0] in gaps

    @property
    def is_latest(self) -> bool:
        """Whether it may have got worse earlier than it shows."""
        was = self.was
        # If only the saved eval remembers its pass, other runs may lie between.
        is_remembered = was is not None and was.state == "passed" and was.run_id is None
        return is_remembered or self._is_beyond_gap

    @property
    def cause(self) -> str | None:
        if not self.is_said_worse:
            return None
        # It is not known which of the unread runs was on edited code.
        is_open = self.is_latest and self.reading.cause == "edit"
        cause = "unknown" if is_open else self.reading.cause
        return "saved_again" if cause != "edit" and self._was_saved_between else cause

    @property
    def _was_saved_between(self) -> bool:
        """Whether it was saved again after its last pass, and before its first failure since."""
        saved_at, since = self.saved_again_at, self.since_at
        passed = [e.moment for e in self.decided if e.state == "passed" and e.moment is not None]
        before = max((at for at in passed if since is not None and at < since), default=None)
        return None not in (saved_at, before) and before < saved_at <= since  # type: ignore[operator]

    @property
    def is_near(self) -> bool:
        """Whether it passes, and its score sank to near its limit.

        The median of its last five rows lies below that of the rows before, by more than twice
        their median absolute deviation and at least 0.01. A third of its distance is left, or less.
        """
        passes = self.state == "passed" and self.transition in ("still_passing", "fixed")
        if not passes or self.condition_kind not in SCORED:
            return False
        rows: dict[int, list[float]] = {}
        columns = (self.look_up(name, self.decided) for name in ("score", "threshold"))
        for each, score, threshold in zip(self.decided, *columns, strict=True):
            if None not in (each.row, score, threshold):
                rows.setdefault(each.row or 0, []).append(round(score - threshold, 9))
        margins = [median(its) for its in rows.values()]
        if not (before := margins[:-_NEWEST]):
            return False
        was, now = median(before), median(margins[-_NEWEST:])
        fell, usual = was - now, median(abs(each - was) for each in before)
        return fell > 2 * usual and fell >= _LEAST_FALL and now <= was / 3

    @property
    def is_unsure(self) -> bool:
        return self.transition in BROKEN and self.p is not None and self.p < SURE

    @property
    def fails_repeatedly(self) -> bool:
        """Whether it failed in its newest three rows, passed before, and is not called broken."""
        reading = self.reading
        is_open = self.transition == "suspect" or (
            self.transition == "still_failing" and reading.earlier.passed + reading.now.passed > 0
        )
        return is_open and reading.failing_rows >= REPEATEDLY

    @property
    def decides_at(self) -> datetime | None:
        """The time of the next look that can decide; None if nothing is unclear."""
        is_unclear = self.is_unsure or self.transition == "suspect"
        return self.reading.row_ends_at if is_unclear else None

    @property
    def not_run_since(self) -> datetime | None:
        """When it was decided last, if it was not run now."""
        is_run = self.is_decided or self.errors
        return None if is_run or self.last is None else self.last.moment

    @property
    def is_isolated_error(self) -> bool:
        return self.transition == "newly_errored" and not self.is_outage

    @property
    def errs_always(self) -> bool:
        """Whether it passed once and ended in an error in its newest two rows, or more."""
        return self.is_isolated_error and self.errors_since is not None and self.passed_before

    @property
    def is_undecided(self) -> bool:
        """Whether one run cannot tell: it may have got worse, or ended in an isolated error."""
        return self.transition == "suspect" or (self.is_isolated_error and not self.errs_always)


def first_known(values: Iterable[_T | None]) -> _T | None:
    return next((each for each in values if each is not None), None)
