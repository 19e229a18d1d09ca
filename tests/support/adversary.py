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
from support.faultserver import Reply
from support.lettered_api import DAY, FIRST, HOUR, MINUTE, LetteredApi, Run, using

BLOCKS = {"a": "extract", "b": "extract", "c": "extract", "d": "extract", "e": "classify"}
BLOCKS |= {"f": "classify", "g": "classify"}
EVALS = tuple(BLOCKS)
PARTS: tuple[dict[str, Any], ...] = (
    {"assertion__target__path": "total.net"},
    {"assertion__target__output_handle_id": "out-2"},
    {"assertion__condition__operator": "is"},
    {"assertion__condition__method": "jaccard"},
    {"assertion__condition__rubric": "It is red."},
)
WORSE = ("regressed", "newly_blocked", "newly_errored", "suspect", "incomplete", "still_failing")

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

    @classmethod
    def draw(cls, random: Random) -> Dialect:
        return cls(*(random.random() < share for share in (0.6, 0.5, 0.5, 0.75, 0.7, 0.3)))


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
        self.saved = list(EVALS)
        self.ran: dict[str, dict[str, int]] = {}  # of each run what its evals were then
        self.saved_at: dict[str, datetime] = {}
        self.random = Random(0)
        if not how.freshness:
            for each in EVALS:
                self.api.change(each, freshness=None)
        self.do(("on_run", 0))

    def do(self, step: Step) -> None:
        """Something happens, and time goes on."""
        name, number = step
        self.random = Random(number)
        self.pass_time(self.random.choice((5 * MINUTE, HOUR, 4 * HOUR, DAY)))
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
        self._run(self.saved, "W", "PU")

    def on_end(self) -> None:
        for run in self.api.runs:
            run.letters = {each: now.replace("U", "P") for each, now in run.letters.items()}

    def on_older(self) -> None:
        """A run of older code, where something may tell: freshness, or a run of the present one."""
        block = self.random.choice([*self.code])
        older = {run.codes[block] for run in self.api.runs} - {self.code[block]}
        saved_at = self.api.saved_at.get(block, FIRST)
        has_run = any(
            run.codes[block] == self.code[block]
            and run.at > saved_at
            and any(BLOCKS[each] == block and now in "PFB" for each, now in run.letters.items())
            for run in self.api.runs
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

    def _run(self, evals: Sequence[str], scope: str, letters: str = "P", **more: Any) -> Run:
        newest = max((run.at for run in self.api.runs), default=self.now)
        became = {each: self.random.choice(letters) for each in evals}
        name = f"run_{len(self.told)}"
        run = self.api.run(became, scope=scope, after=self.now - newest, id=name, **more)
        self.ran[run.id] = dict(self.defined)
        return run

    # What is true

    def has_run(self, eval_id: str) -> bool:
        """Whether an eval has an outcome on its present code and definition."""
        block = BLOCKS[eval_id]
        return any(
            run.letters.get(eval_id, ".") in "PFBE"
            and (run.results is None or eval_id in run.results)
            and run.codes[block] == self.code[block]
            and self.ran[run.id][eval_id] == self.defined[eval_id]
            for run in self.api.runs
            if not self.is_going(run)
        )

    def is_untouched(self, eval_id: str) -> bool:
        """Whether it has run so, and neither it nor its block was saved since."""
        newest = max(run.at for run in self.api.runs if eval_id in run.letters)
        is_saved = eval_id in self.saved
        return is_saved and self.has_run(eval_id) and newest >= self._saved_last(eval_id)

    def is_going(self, run: Run) -> bool:
        """Whether a run has not ended and is younger than a day."""
        return "U" in run.letters.values() and run.at > self.now - DAY

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
        """Never green over an eval that has not run as it is now."""
        verdict = self.check()
        lacking = [each for each in self.saved if not self.has_run(each)]
        assert not (verdict.gate().ok and lacking), f"green, and {lacking} have not run"
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
        # A block may run as a whole for the sake of others.
        stale = {*self.judge().stale["eval_id"]}
        again = stale | {run.eval_id for run in self.start() if run.scope == "E"}
        assert not again & started, f"advised again: {again & started}"
        self.pass_time(5 * MINUTE)

    def start(self) -> list[Run]:
        """The runs that ``only="edited"`` starts."""
        before = {run.id for run in self.api.runs}
        with contextlib.redirect_stderr(io.StringIO()), using(self.archive):
            ra.start_runs(self.api.flow, only="edited", client=self.api.client)
        found = [run for run in self.api.runs if run.id not in before]
        self.ran |= {run.id: dict(self.defined) for run in found}
        return found

    def settle(self) -> None:
        """Nothing is refused as edited that has run, and was not saved since."""
        verdict = self.judge()
        wanted = {*verdict.reruns["eval_id"]}
        if wanted & {*verdict.stale["eval_id"]} or not all(map(self.is_untouched, wanted)):
            return
        before = {run.id for run in self.api.runs}
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ra.settle(verdict, client=self.api.client, progress=False)
        found = [run for run in self.api.runs if run.id not in before]
        self.ran |= {run.id: dict(self.defined) for run in found}


STEPS = [each for each in vars(World) if each.startswith("on_")] + ["on_run"] * 4 + ["on_edit"]
LAWS = ("judge", "judge", "judge", "follow", "settle")


def draw_steps(random: Random, number: int) -> list[Step]:
    """Steps, and between them what has to hold."""
    names = [
        name
        for _ in range(number)
        for name in (random.choice(STEPS), random.choice((*LAWS, *STEPS)))
    ]
    return [*((name, random.randrange(10**6)) for name in names), ("follow", 0)]


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


def play_seed(seed: int, folder: Path, number: int = 10) -> str:
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
