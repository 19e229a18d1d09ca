"""Prints how often the library's conclusions are right: ``python tests/simulation/table.py``.

``--suites`` a cell (80; 4 for a glance), ``--seed`` (1), ``--processes`` (2), ``--worlds``. The
tables are Markdown, and ``--into docs/simulation.md`` puts them there. All cells are printed.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    # Each process has a core, and small frames.
    for threads in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(threads, "1")

from simulation.rules import LibraryRule, NaiveRule, Rule
from simulation.scoring import WORLDS, Cell, calibrate, count_suites

ALL = (0, 1, 3, 10, 20, 50, 100)
FEW, MANY, SHORT, LONG = ALL[:3], ALL[3:], ALL[:5], ALL[5:]
CHECKED, SETTLED, ONCE = (0, 3, 10, 20), (0, 3, 10), (1, 3)
LOOKS, LEVELS, SHOWN = 12, (1.0, 0.6, 0.3), (1, 2, 3, 6, 12)
CHUNK = 5
RULES = (NaiveRule(), LibraryRule())
LEAST_CASES = 50
MARK = "<!-- What follows is written by tests/simulation/table.py. -->"


@dataclass(frozen=True)
class Figure:
    """A row of a table.

    Attributes:
        title: What it says.
        cells: Whose suites are counted; those of each history apart where the columns are that.
        counts: Numerator and denominator, and for some the count whose share in the same
            denominator is the most that one run can tell.
        sign: ``≤`` where less is better, else ``≥``.
        must: What is promised; None where nothing is.
    """

    title: str
    cells: tuple[Cell, ...]
    counts: str
    sign: str
    must: float | None = None

    def shares(self, study: Study, histories: Sequence[int] | None) -> list[float]:
        """What each rule reaches, and the ceiling; NaN where there is nothing to count."""
        part, whole, *ceiling = self.counts.split("/")
        cells = [each for each in self.cells if histories is None or each.runs in histories]
        counts = list(study.count(cells).values())
        asked = [(each, part) for each in counts] + [(counts[-1], each) for each in ceiling]
        return [each[of] / each[whole] if each[whole] else math.nan for each, of in asked]

    def is_missed(self, reached: float) -> bool:
        """Whether what was reached is not what must be."""
        return self.must is not None and self.is_worse(reached, self.must)

    def is_worse(self, one: float, other: float) -> bool:
        """Whether one share is worse than another."""
        return one > other if self.sign == "≤" else one < other


def _row(title: str, asked: str, histories: Sequence[int], counts: str, must: str) -> Figure:
    judge, *kinds = asked.split()
    cells = tuple(
        # The longest histories cost most.
        Cell(judge, kind, runs, every=2 if runs >= 50 else 1)
        for kind in kinds
        for runs in histories
    )
    return Figure(title, cells, counts, must[0], float(must[1:]) if must[1:] else None)


def _looks(title: str, counts: str, must: str, level: float | None, **more: bool) -> Figure:
    if level is None:
        cell = Cell("looks", "same", 10, looks=50, every=10, **more)
    else:
        cell = Cell("looks", "edit", 10, looks=LOOKS, level=level, every=4)
    return Figure(title, (cell,), counts, must[0], float(must[1:]) if must[1:] else None)


def _sequence(title: str, runs: int) -> Figure:
    return Figure(title, (Cell("sequence", "same", runs, looks=8, every=2),), "red/looks", "≥", 1.0)


BY_HISTORY = (
    _row("nothing changed: false alarms a suite", "compare same", ALL, "alarms/suites", "≤"),
    _row("nothing changed: red", "compare same", ALL, "red/suites", "≤"),
    _row("the same with `last_good`", "check same", CHECKED, "red/suites", "≤"),
    _row("edited, no effect: red", "compare benign", ALL, "red/suites", "≤"),
    _row("the same with `last_good`", "check benign", CHECKED, "red/suites", "≤"),
    _row("edited: recall", "compare edit", ALL, "found/planted/failing", "≥"),
    _row("edited: precision", "compare edit", ALL, "found/called", "≥"),
    _row("only edited blocks are run: called alike", "only edit", CHECKED, "both/either", "≥"),
    _row("the same: recall", "only edit", CHECKED, "found/planted", "≥"),
    _row("the same: evals that are run", "only edit", CHECKED, "ran/all", "≤"),
    _row("edited, `last_good`: recall", "again edit", ONCE, "without/planted/failing", "≥"),
    _row(
        "the same, run once more before the edit", "again edit", ONCE, "with/planted/failing", "≥"
    ),
    _row("drift: recall", "compare drift", ALL, "found/planted/failing", "≥"),
    _row("drift: precision", "compare drift", ALL, "found/called", "≥"),
    _row("upgrade: recall", "compare upgrade", ALL, "found/planted/failing", "≥"),
    _row("broken at any time: recall", "past past", ALL, "named/broken/failing", "≥"),
    _row("broken at any time: precision", "past past", ALL, "named/blamed", "≥"),
    _row("since when: right run, hard", "past past", ALL, "right hard/hard", "≥"),
    _row("since when: right run, soft", "past past", ALL, "right soft/soft", "≥"),
    _row("since when: the 90 % set holds the run", "past past", ALL, "covered/named", "≥"),
    _row("since when: right cause", "past past", ALL, "right cause/caused", "≥"),
    _row("mended evals recognised", "past past", LONG, "recognised/steady", "≥"),
    _row(
        "nothing changed: the suite's test says worse", "compare same", ALL, "worse/verdicts", "≤"
    ),
    _row("nothing changed: `regressed`", "compare same", ALL, "regressed/verdicts", "≤"),
    _row("nothing changed: `no_change`", "compare same", ALL, "no_change/verdicts", "≥"),
    _row("edited: `regressed`", "compare edit", ALL, "regressed/verdicts", "≥"),
)
DRIFT, BOTH = "drift at {} earlier runs: recall", "settle edit benign"
MUSTS = (
    _row("nothing changed: false alarms a suite", "compare same", ALL, "alarms/suites", "≤.3"),
    _row("nothing changed: red", "compare same", ALL, "red/suites", "≤.1"),
    _row("the same with `last_good`", "check same", CHECKED, "red/suites", "≤.12"),
    _row("edited, no effect: red", "compare benign", ALL, "red/suites", "≤.25"),
    _row("the same with `last_good`", "check benign", CHECKED, "red/suites", "≤.3"),
    _row("edited, 0 to 3 runs: recall", "compare edit", FEW, "found/planted/failing", "≥.68"),
    _row("the same: precision", "compare edit", FEW, "found/called", "≥.78"),
    _row("edited, 10 to 100 runs: recall", "compare edit", MANY, "found/planted/failing", "≥.73"),
    _row("the same: precision", "compare edit", MANY, "found/called", "≥.85"),
    _row(DRIFT.format(3), "compare drift", (3,), "found/planted/failing", "≥.5"),
    _row(DRIFT.format(10), "compare drift", (10,), "found/planted/failing", "≥.68"),
    _row(DRIFT.format(20), "compare drift", (20,), "found/planted/failing", "≥.72"),
    _row("`settle`: recall, share of what fails", "settle edit", SETTLED, "found/failing", "≥.93"),
    _row("`settle`: false alarms a suite", BOTH, SETTLED, "alarms/suites", "≤.15"),
    _row("`settle`: reruns a suite", BOTH, SETTLED, "reruns/suites", "≤10"),
    _row("a bad hour that stays: before `settle`", "settle hour", SETTLED, "before/suites", "≤"),
    _row("a bad hour that stays: more after it", "settle hour", SETTLED, "more/suites", "≤.1"),
    _row("since when, up to 20 runs: hard", "past past", SHORT, "right hard/hard", "≥.93"),
    _row("since when, up to 20 runs: soft", "past past", SHORT, "right soft/soft", "≥.83"),
    _row("since when, 50 to 100 runs: hard", "past past", LONG, "right hard/hard", "≥.9"),
    _row("since when, 50 to 100 runs: soft", "past past", LONG, "right soft/soft", "≥.8"),
    _row("since when: the 90 % set holds the run", "past past", ALL, "covered/named", "≥.93"),
    _row("episodes: mended recognised", "past past", LONG, "recognised/steady", "≥.8"),
    _row("episodes: precision of broken at any time", "past past", LONG, "named/blamed", "≥.85"),
    _looks("a called break to 1.0 is green at the next look", "green/known", "≤.02", 1.0),
    _looks("a called break to 0.6", "green/known", "≤.3", 0.6),
    _looks("a called break to 0.3", "green/known", "≤", 0.3),
    _looks("50 looks, nothing changed: red at a look", "red/looks", "≤.06", None, edits=False),
    _looks("the same: at least once", "ever red/suites", "≤", None, edits=False),
    _looks("50 looks, benign edits: red at a look", "red/looks", "≤.09", None),
    _looks("the same: at least once", "ever red/suites", "≤", None),
    _row("100 evals at 20 %, one earlier run: red", "compare uniform", (0,), "red/suites", "≤.1"),
    _row("the same with `last_good`", "check uniform", (0,), "red/suites", "≤.1"),
    _sequence("3 passes, an edit, 3 failures: red until mended", 2),
    _sequence("10 passes, no edit, 4 failures: red until mended", 9),
)


class Study:
    """The counts of the cells of one world; a cell is drawn when it is first needed."""

    def __init__(self, world: str, suites: int, seed: int, rules: Sequence[Rule] = RULES) -> None:
        self.world, self.suites, self.seed, self.rules = world, suites, seed, rules
        self.counts: dict[Cell, dict[str, Counter[str]]] = {}

    def tasks(self, cell: Cell) -> list[Callable[[], dict[str, Counter[str]]]]:
        """What counts a cell, a few suites each."""
        is_there = cell.kind != "upgrade" or self.world == "second"
        suites = range(max(1, self.suites // cell.every) if is_there else 0)
        return [
            partial(count_suites, cell, self.world, self.seed, suites[at : at + CHUNK], self.rules)
            for at in suites[::CHUNK]
        ]

    def add(self, cell: Cell, more: dict[str, Counter[str]]) -> None:
        """Add what was counted in some suites of a cell."""
        known = self.counts.setdefault(cell, {rule.name: Counter() for rule in self.rules})
        for name, counts in more.items():
            known[name].update(counts)

    def count(self, cells: Sequence[Cell]) -> dict[str, Counter[str]]:
        """What each rule says in some cells together."""
        total = {rule.name: Counter[str]() for rule in self.rules}
        for cell in cells:
            if cell not in self.counts:
                self.add(cell, {})
                for task in self.tasks(cell):
                    self.add(cell, task())
            for name, counts in self.counts[cell].items():
                total[name].update(counts)
        return total


def fill(studies: Sequence[Study], processes: int) -> None:
    """Count all that the tables need, in several processes; the longest histories first."""
    cells = {cell for figure in (*BY_HISTORY, *MUSTS) for cell in figure.cells}
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        waiting = {
            pool.submit(task): (study, cell)
            for cell in sorted(cells, key=lambda each: (-each.looks, -each.runs, each.kind))
            for study in studies
            for task in study.tasks(cell)
        }
        for done, future in enumerate(as_completed(waiting), 1):
            study, cell = waiting[future]
            study.add(cell, future.result())
            sys.stderr.write(f"\r{done} of {len(waiting)}")
    sys.stderr.write("\n")


def tabulate(studies: Sequence[Study], histories: Sequence[int] = ALL) -> str:
    """All tables, in Markdown."""
    names = " / ".join(rule.name for rule in studies[0].rules)
    parts = [
        f"{studies[0].suites} suites a cell, seed {studies[0].seed}. Each figure is {names}, and "
        "in brackets its ceiling: of what broke, the share that fails in the candidate's run. "
        "✗: what is promised is not reached; ▿: worse than the naive rule.",
        "### What is promised",
        _tabulate_musts(studies),
    ]
    for study in studies:
        parts += [f"### The {study.world} world, by earlier runs", _tabulate(study, histories)]
        parts += ["Breaks at their later looks, called (ceiling):", _tabulate_looks(study)]
        parts += ["`p_regressed`, all histories and kinds together:", _tabulate_calibration(study)]
    return "\n\n".join(parts) + "\n"


def _tabulate_musts(studies: Sequence[Study]) -> str:
    rows = []
    for figure in MUSTS:
        must = "" if figure.must is None else f"{figure.sign} {figure.must:g}"
        rows.append([figure.title, must, *(_cell(figure, study) for study in studies)])
    return _grid(["", "must", *(f"{study.world} world" for study in studies)], rows)


def _tabulate(study: Study, histories: Sequence[int]) -> str:
    heads = [f"{runs}, episodes" if runs >= 50 else str(runs) for runs in histories]
    rows = [
        [each.title, *(_cell(each, study, [runs]) for runs in histories)] for each in BY_HISTORY
    ]
    return _grid(["earlier runs", *heads], [row for row in rows if set(row[1:]) != {"–"}])


def _tabulate_looks(study: Study) -> str:
    rows = []
    for level in LEVELS:
        asked = [_looks("", f"called {at}/planted {at}/failing {at}", "≥", level) for at in SHOWN]
        rows.append([f"broken to {level}", *(_cell(each, study) for each in asked)])
    return _grid(["look", *map(str, SHOWN)], rows)


def _tabulate_calibration(study: Study) -> str:
    rows = [
        [
            f"{tenth / 10:.1f} to {tenth / 10 + 0.1:.1f}",
            *(f"{cases:.0f}", f"{said:.2f}", f"{true:.2f}{' ✗' if abs(off) > 0.15 else ''}"),
        ]
        for tenth, cases, said, true, off in calibrate(stated(study), LEAST_CASES).iter_rows()
    ]
    return _grid(["said", "evals", "said, mean", "came true"], rows)


def stated(study: Study) -> Counter[str]:
    """What the last of the rules says in all comparisons together."""
    cells = {each for figure in BY_HISTORY for each in figure.cells if each.judge == "compare"}
    return list(study.count(sorted(cells, key=str)).values())[-1]


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def _cell(figure: Figure, study: Study, histories: Sequence[int] | None = None) -> str:
    shares = figure.shares(study, histories)
    rules, ceiling = shares[: len(study.rules)], shares[len(study.rules) :]
    if all(map(math.isnan, rules)):
        return "–"
    told = " / ".join(map(_number, rules)) + "".join(f" ({_number(each)})" for each in ceiling)
    missed = " ✗" if figure.is_missed(rules[-1]) else ""
    return told + missed + (" ▿" if figure.is_worse(rules[-1], rules[0]) else "")


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.1f}" if abs(value) >= 2 else f"{value:.2f}"


def main(arguments: Sequence[str] | None = None) -> str:
    """The tables, for the arguments of a command line."""
    parser = argparse.ArgumentParser(description="How often the conclusions are right.")
    parser.add_argument("--suites", type=int, default=80, help="simulated suites a cell")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other suites")
    parser.add_argument("--processes", type=int, default=2, help="so many at the same time")
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--into", type=Path, help="a page whose part below MARK they become")
    given = parser.parse_args(arguments)
    studies = [Study(world, given.suites, given.seed) for world in given.worlds]
    fill(studies, given.processes)
    if given.into:
        put_into(given.into, tabulate(studies))
    return tabulate(studies)


def put_into(page: Path, tables: str) -> None:
    """Replace what a page has below its ``MARK``."""
    above = page.read_text().partition(MARK)[0]
    page.write_text(f"{above}{MARK}\n\n{tables}")


if __name__ == "__main__":
    sys.stdout.write(main())
