"""Random histories that try to make a verdict green which must not be, and the laws that hold.

A world is a dialect and a list of steps; a step is a name and a number from which it draws. The
world knows what is true of each result: its code, and the definition that it tested. So a list that
broke a law can be made shorter, step by step.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import retab_analysis as ra
from support.faultserver import Reply, reply
from support.lettered_api import DAY, FIRST, HOUR, MINUTE, LetteredApi, Run, using

BLOCKS = {"a": "extract", "b": "extract", "c": "extract", "d": "extract", "e": "classify"}
BLOCKS |= {"f": "classify", "g": "classify"}
EVALS = tuple(BLOCKS)
YOUNG = ("d", "g")
"""Evals that are saved later."""
PARTS: tuple[dict[str, Any], ...] = (
    {"assertion__target__path": "total.net"},
    {"assertion__target__output_handle_id": "out-2"},
    {"assertion__condition__operator": "is"},
    {"assertion__condition__method": "jaccard"},
    {"assertion__condition__rubric": "It is red."},
)
BROKEN = ("regressed", "newly_blocked", "newly_errored", "suspect", "incomplete")
WORSE = (*BROKEN, "still_failing")

STALE = {"status": "stale", "reasons": ["validity_changed"], "validity_fingerprint": None}

Step = tuple[str, int]


@dataclass(frozen=True)
class Dialect:
    """What the API tells, and whether an archive is read."""

    freshness: bool = True
    validity: bool = False
    history: bool = True
    fingerprints: bool = True
    memory: bool = True
    archive: bool = False
    saves: bool = True  # of blocks
    moves: bool = False  # the time at which an eval was saved, with each run

    @classmethod
    def draw(cls, random: Random) -> Dialect:
        shares = (0.6, 0.4, 0.4, 0.75, 0.7, 0.3, 0.8, 0.2)
        return cls(*(random.random() < share for share in shares))

    @property
    def tells_codes(self) -> bool:
        """Whether anybody vouches for the present code of a block that was edited."""
        return self.freshness or self.saves


@dataclass
class World:
    """A workflow, what happened to it, and what is true of it."""

    dialect: Dialect
    archive: ra.Archive | None = None
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        how = self.dialect
        self.api = LetteredApi(
            dict.fromkeys(EVALS, ""),
            {"extract": "A", "classify": "A"},
            blocks=BLOCKS,
            history=how.history,
            fingerprints=how.fingerprints,
            validity=how.validity,
            memory=how.memory,
        )
        self.now: datetime = FIRST
        self.code = {"extract": "A", "classify": "A"}
        self.newest = dict(self.code)
        self.defined = dict.fromkeys(EVALS, 0)
        self.saved = [each for each in EVALS if each not in YOUNG]
        self.young = [*YOUNG]
        self.doubted: set[str] = set()  # what the API calls stale without a reason
        self.nulled: set[str] = set()
        self.ran: dict[str, dict[str, int]] = {}  # of each run what its evals were then
        self.saved_at: dict[str, datetime] = {}
        self.random = Random(0)
        if not how.freshness:
            for each in EVALS:
                self.api.change(each, freshness=None)
        if not how.saves:
            self.api.broken["GET /v1/workflows/blocks?"] = reply(403, {})
        self.api.remove(*self.young)
        self.do(("on_run", 0))

    def do(self, step: Step) -> None:
        """Something happens, and time goes on."""
        name, number = step
        self.random = Random(number)
        self.pass_time(self.random.choice((5 * MINUTE, HOUR, 4 * HOUR, DAY + HOUR)))
        getattr(self, name)()
        self.told.append(f"{self.now:%d %H:%M} {name} {self.code} {self.defined}")

    def pass_time(self, time: timedelta) -> None:
        newest = max((run.at for run in self.api.runs), default=self.now)
        self.now = self.api.now = max(self.now, newest) + time

    # What happens

    def on_edit(self) -> None:
        block = self.random.choice([*self.code])
        self.newest[block] = chr(ord(self.newest[block]) + 1)
        self._save(block, self.newest[block])

    def on_put_back(self) -> None:
        block = self.random.choice([*self.code])
        self._save(block, self.random.choice([run.codes[block] for run in self.api.runs]))

    def on_save(self) -> None:
        block = self.random.choice([*self.code])
        self._save(block, self.code[block])

    def _save(self, block: str, code: str) -> None:
        self.code[block] = code
        self.api.codes = dict(self.code)
        self.api.saved_at[block] = self.now

    def on_part(self) -> None:
        """An eval is edited in a part that no result carries."""
        each = self.random.choice(self.saved)
        self.defined[each] += 1
        part = {name: f"{value} {self.now}" for name, value in self.random.choice(PARTS).items()}
        self._resave(each, **part)

    def on_parts_of_all(self) -> None:
        for each in self.saved:
            self.defined[each] += 1
            self._resave(each, assertion__target__path=f"path {self.now}")

    def on_rename(self) -> None:
        each = self.random.choice(self.saved)
        self._resave(each, name=f"{each} {self.now}")

    def _resave(self, eval_id: str, **members: Any) -> None:
        self.saved_at[eval_id] = self.now
        self.api.resave(eval_id, self.now, **members)

    def on_delete(self) -> None:
        if len(self.saved) > 5:
            self.saved.remove(gone := self.random.choice(self.saved))
            self.api.remove(gone)

    def on_new(self) -> None:
        """An eval is saved for the first time."""
        if self.young:
            self.saved.append(new := self.young.pop())
            self.api.restore(new)
            self._resave(new, created_at=f"{self.now:%Y-%m-%dT%H:%M:%SZ}")

    def on_doubt(self) -> None:
        """The API calls an eval stale that ran on the present code, until it runs again."""
        if not self.dialect.freshness or self.dialect.validity:
            return
        self.doubted.add(each := self.random.choice(self.saved))
        self.api.change(each, freshness=STALE)

    def on_break(self) -> None:
        """An edit breaks an eval for certain: it passed three times before, and fails three."""
        each = self.random.choice(self.saved)
        for _ in range(3):
            self._run(self.saved, "W")
            self.pass_time(DAY)
        self._break(each)

    def on_break_of_new(self) -> None:
        """A new eval fails three times, and passes three times on older code: it broke."""
        if not self.young or not (self.dialect.freshness or self.dialect.fingerprints):
            return
        block = BLOCKS[each := self.young[-1]]
        older = {block: self.random.choice([run.codes[block] for run in self.api.runs])}
        self.on_new()
        self._break(each)
        its = [each for each in self.saved if BLOCKS[each] == block]
        for _ in range(3):
            self.pass_time(DAY)
            self._run(its, "B", codes=older)

    def _break(self, eval_id: str) -> None:
        block = BLOCKS[eval_id]
        self.newest[block] = chr(ord(self.newest[block]) + 1)
        self._save(block, self.newest[block])
        for _ in range(3):
            self.pass_time(DAY)
            self._run(self.saved, "W", failing=eval_id)

    def on_run(self) -> None:
        self._run(self.saved, "W")

    def on_block(self) -> None:
        block = self.random.choice([*self.code])
        self._run([each for each in self.saved if BLOCKS[each] == block], "B")

    def on_single(self) -> None:
        self._run([self.random.choice(self.saved)], "E")

    def on_cancelled(self) -> None:
        self._run(self.saved, "W", "CCP")

    def on_failures(self) -> None:
        self._run(self.saved, "W", "PPPF")

    def on_errors(self) -> None:
        self._run(self.saved, "W", "PPPPPE")

    def on_late(self) -> None:
        run = self._run(self.saved, "W")
        run.results = [each for each in run.letters if self.random.random() < 0.6]

    def on_arrival(self) -> None:
        for run in self.api.runs:
            run.results = None

    def on_going(self) -> None:
        """A run goes on; others wait for it in one queue."""
        if not any("U" in run.letters.values() for run in self.api.runs):
            self._run(self.saved, "W", "PU")

    def on_end(self) -> None:
        for run in filter(self.is_going, self.api.runs):
            run.letters = {each: now.replace("U", "P") for each, now in run.letters.items()}
            self._note_run(run)

    def on_older(self) -> None:
        """A run of older code, where something may tell: freshness, or a run of the present one."""
        block = self.random.choice([*self.code])
        older = {run.codes[block] for run in self.api.runs} - {self.code[block]}
        saved_at = self.api.saved_at.get(block, FIRST)
        has_run = any(
            run.codes[block] == self.code[block] and run.at > saved_at and now in "PFB"
            for each in EVALS
            if BLOCKS[each] == block
            for run, now in self.list_rows(each)
        )
        if not older or not (self.dialect.freshness or (self.dialect.fingerprints and has_run)):
            return
        its = [each for each in self.saved if BLOCKS[each] == block]
        self._run(its, "B", codes={block: self.random.choice(sorted(older))})

    def on_nulls(self) -> None:
        """Some fields that may be null are null, while freshness tells of edits."""
        if not self.dialect.freshness:
            return
        each = self.random.choice(self.saved)
        fields = ("block_execution_fingerprint", "handle_inputs_fingerprint")
        name = self.random.choice(fields)
        self.nulled.add(each)
        for run in self.api.runs:
            if each in run.letters:
                self.api.change(f"res_{run.id}_{each}", **{name: None})
        if any(run.letters.get(each, "U") in "PFBE" for run in self.api.runs):
            self.api.change(each, **{f"latest_run_summary__{name}": None})

    def on_second_person(self) -> None:
        """Somebody edits a block while a check reads."""
        after, seen = self.random.randrange(4), itertools.count()

        def act(_: str) -> Reply | None:
            if next(seen) == after:
                self.on_edit()
            return None

        self.api.broken["GET "] = act
        self.check()
        del self.api.broken["GET "]

    def _run(
        self,
        evals: Sequence[str],
        scope: str,
        letters: str = "P",
        failing: str | None = None,
        **more: Any,
    ) -> Run:
        newest = max((run.at for run in self.api.runs), default=self.now)
        became = {each: self.random.choice(letters) for each in evals}
        became |= {} if failing is None else {failing: "F"}
        name = f"run_{len(self.ran)}"
        run = self.api.run(became, scope=scope, after=self.now - newest, id=name, **more)
        self._note_run(run)
        return run

    def _note_run(self, run: Run) -> None:
        self.ran.setdefault(run.id, dict(self.defined))
        ended = {each for each, now in run.letters.items() if now in "PFBE"}
        if self.is_going(run):
            return
        for each in ended & self.doubted:
            self.doubted.remove(each)
            self.api.forget(each, "freshness")
        if self.dialect.moves:
            for each in ended & {*self.saved}:
                if run.at > self.saved_at.get(each, FIRST):
                    self.api.resave(each, run.at + MINUTE / 2)

    # What is true

    def list_rows(self, eval_id: str) -> list[tuple[Run, str]]:
        """The runs that ended and have an outcome or an error of an eval, and which."""
        return [
            (run, run.letters[eval_id])
            for run in self.api.runs
            if run.letters.get(eval_id, ".") in "PFBE" and not self.is_going(run)
            if run.results is None or eval_id in run.results
        ]

    def is_of_now(self, run: Run, eval_id: str) -> bool:
        """Whether a run tested an eval's present definition on the present code."""
        block = BLOCKS[eval_id]
        is_defined = self.ran[run.id][eval_id] == self.defined[eval_id]
        return is_defined and run.codes[block] == self.code[block]

    def has_run(self, eval_id: str) -> bool:
        """Whether an eval has an outcome on its present code and definition."""
        its = (self.is_of_now(run, eval_id) for run, _ in self.list_rows(eval_id))
        return eval_id not in self.doubted and any(its)

    def is_untouched(self, eval_id: str) -> bool:
        """Whether its newest outcome is so, and neither it nor its block was saved since."""
        rows = self.list_rows(eval_id)
        if not rows or eval_id in self.doubted | self.nulled:
            return False
        run, _ = max(rows, key=lambda row: row[0].at)
        return self.is_of_now(run, eval_id) and run.at > self._saved_last(eval_id)

    def is_broken(self, eval_id: str) -> bool:
        """Whether it failed three times in a row on the present code, and passed on all older."""
        rows, block = self.list_rows(eval_id), BLOCKS[eval_id]
        kept = [row for row in rows if row[0].scope != "E"]
        is_same = all(self.ran[run.id][eval_id] == self.defined[eval_id] for run, _ in rows)
        codes = [*dict.fromkeys(run.codes[block] for run in self.api.runs), self.code[block]]
        before = codes[: codes.index(self.code[block])]
        now = [letter for run, letter in rows if run.codes[block] == self.code[block]]
        older = [letter for run, letter in rows if run.codes[block] in before]
        is_told = self.dialect.fingerprints and self.dialect.tells_codes
        is_told &= not ({eval_id} & (self.nulled | self.doubted)) and len(kept) == len(rows)
        # Where an older version ran last, nothing tells a save for looks from an edit.
        seen = [run for run, _ in rows if run.codes[block] == self.code[block]]
        is_saved = self.dialect.saves
        is_last = any(
            run is rows[-1][0] or (is_saved and run.at > self._saved_last(eval_id)) for run in seen
        )
        is_known = self.code[block] == self.newest[block] and is_same and is_told and is_last
        return is_known and older.count("P") == len(older) >= 3 <= len(now) == now.count("F")

    def is_going(self, run: Run) -> bool:
        """Whether a run has not ended and is younger than a day."""
        return "U" in run.letters.values() and run.at > self.now - DAY

    def is_moved(self, eval_id: str) -> bool:
        """Whether a run of older code moved the time of an edit of the eval, which hides it."""
        rows = self.list_rows(eval_id) if self.dialect.moves else []
        return any(run.codes[BLOCKS[eval_id]] != self.code[BLOCKS[eval_id]] for run, _ in rows[-1:])

    def is_on_way(self, eval_id: str) -> bool:
        """Whether a run goes on that was created after the last save of the eval and its block."""
        saved_at = self._saved_last(eval_id)
        its = (run for run in self.api.runs if eval_id in run.letters and self.is_going(run))
        return any(run.at > saved_at for run in its)

    def _saved_last(self, eval_id: str) -> datetime:
        blocks, evals = self.api.saved_at, self.saved_at
        return max(blocks.get(BLOCKS[eval_id], FIRST), evals.get(eval_id, FIRST))

    # What has to hold

    def check(self) -> Any:
        return self.api.check(archive=self.archive)

    def judge(self) -> Any:
        """Nothing is well that has not run as it is now, and nothing is stale that has."""
        verdict = self.check()
        gate, words = verdict.gate(), dict(verdict.evals["eval_id", "transition"].iter_rows())
        lacking = {e for e in self.saved if not self.has_run(e) and not self.is_moved(e)}
        assert not (gate.ok and lacking), f"green, and {lacking} have not run"
        if self.dialect.tells_codes:
            well = {each for each in lacking if words.get(each) not in (*WORSE, "stale")}
            assert not well, f"well, and not run: {well}"
        else:
            assert not gate.ok, "green, and nobody vouches for the code"
        stale = {each for each in self.saved if words.get(each) == "stale"}
        ran = {each for each in stale if self.is_untouched(each) and not self.is_on_way(each)}
        assert not ran, f"stale, and it ran: {ran}"
        lost = {each for each in self.saved if self.is_broken(each)}.difference(gate.failing)
        assert not lost, f"broken, and it holds the gate no more: {lost}"
        return verdict

    def follow(self) -> None:
        """What is started is what has not run, and then it is not started again."""
        verdict = self.judge()
        words = dict(verdict.evals.select("eval_id", "transition").iter_rows())
        stale = {*verdict.stale["eval_id"]}
        on_way = {each for each in self.saved if self.is_on_way(each)}
        asked = self.start()
        started = {each for run in asked for each in run.letters}
        left_out = stale - on_way - started
        assert not left_out, f"stale, and not started: {left_out}"
        alone = {run.eval_id for run in asked if run.scope == "E"}
        others = [each for each in alone if each not in stale and words.get(each) not in WORSE]
        assert not others, f"started without a need: {others}"
        self.pass_time(5 * MINUTE)
        if not asked:
            return
        again = started & {*self.judge().stale["eval_id"]}
        assert not again, f"advised again: {again}"

    def start(self) -> list[Run]:
        """The runs that ``only="edited"`` starts."""
        return self._start(lambda: ra.start_runs(self.api.flow, only="edited", client=self.client))

    def settle(self) -> None:
        """Nothing is refused as edited that has run, and was not saved since."""
        verdict = self.judge()
        wanted = {*verdict.reruns["eval_id"]}
        if wanted & {*verdict.stale["eval_id"]} or not all(map(self.is_untouched, wanted)):
            return
        self._start(lambda: ra.settle(verdict, client=self.client, progress=False))

    @property
    def client(self) -> ra.Client:
        return self.api.client

    def _start(self, act: Callable[[], Any]) -> list[Run]:
        """The runs that something starts."""
        before = {run.id for run in self.api.runs}
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with using(self.archive):
                act()
        found = [run for run in self.api.runs if run.id not in before]
        for run in found:
            self._note_run(run)
        return found


STEPS = [each for each in vars(World) if each.startswith("on_")] + ["on_run"] * 4 + ["on_edit"]
LAWS = ("judge", "judge", "judge", "follow", "settle")


def draw_steps(random: Random, number: int) -> list[Step]:
    """Steps, and between them what has to hold."""
    names = [
        name
        for _ in range(number)
        for name in (random.choice(STEPS), random.choice((*LAWS, *STEPS)))
    ]
    names.append(random.choice(("judge", "follow", "settle")))
    return [(name, random.randrange(10**6)) for name in names]


def play(dialect: Dialect, steps: Sequence[Step], archive: ra.Archive | None = None) -> str:
    """Play the steps; what broke, or nothing."""
    world = World(dialect, archive)
    with world.api, world.api.client:
        for step in steps:
            try:
                world.do(step)
            except (AssertionError, ra.RetabAnalysisError) as error:
                return "\n".join([*world.told, f"{step[0]}: {error}"])
    return ""


def shrink(
    steps: Sequence[Step], breaks: Callable[[Sequence[Step]], str]
) -> tuple[list[Step], str]:
    """The fewest of the steps that still break a law, as far as leaving out one by one finds."""
    left, said = list(steps), breaks(steps)
    for at in reversed(range(len(steps))):
        fewer = left[:at] + left[at + 1 :]
        if found := breaks(fewer):
            left, said = fewer, found
    return left, said


def play_seed(seed: int, folder: Path, number: int = 6) -> str:
    """Play the world of a seed; the shortest list of its steps that breaks a law, or nothing."""
    random = Random(seed)
    dialect, count = Dialect.draw(random), itertools.count()
    steps = draw_steps(random, number)

    def breaks(some: Sequence[Step]) -> str:
        if not dialect.archive:
            return play(dialect, some)
        with ra.Archive(folder / f"{seed} {next(count)}.sqlite") as archive:
            return play(dialect, some, archive)

    if not breaks(steps):
        return ""
    fewest, said = shrink(steps, breaks)
    return f"seed {seed}: {dialect}\n{fewest}\n{said}"
