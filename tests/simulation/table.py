"""Prints how often the library's conclusions are right: ``python tests/simulation/table.py``.

``--suites`` a cell (80), ``--seed`` (1), ``--runs`` the lengths of the history. The tables are
Markdown. All cells are printed, also where the library is worse than the naive rule.
"""

from __future__ import annotations

import argparse
import functools
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from simulation.rules import LibraryRule, NaiveRule, Rule
from simulation.scoring import (
    BlameTally,
    Calibration,
    Cell,
    Tally,
    tally_blame,
    tally_compare,
    tally_settle,
)

HISTORIES = (0, 1, 3, 10, 20, 50, 100)
SETTLED = (0, 3, 10)
COMPARED = ("same", "benign", "edit", "drift")

T = TypeVar("T", Tally, BlameTally)
Row = tuple[str, str, Callable[[Tally], float]]
ROWS: tuple[Row, ...] = (
    ("nothing changed: false alarms a suite", "same", lambda t: t.alarms_a_suite),
    ("nothing changed: red", "same", lambda t: t.red_share),
    ("a block edited, no effect: false alarms a suite", "benign", lambda t: t.alarms_a_suite),
    ("a block edited, no effect: red", "benign", lambda t: t.red_share),
    ("edited: recall", "edit", lambda t: t.recall),
    ("edited: recall, hard breaks", "edit", lambda t: t.recall_hard),
    ("edited: recall, soft breaks", "edit", lambda t: t.recall_soft),
    ("edited: precision", "edit", lambda t: t.precision),
    ("edited: suites with a break in which one is named", "edit", lambda t: t.caught_share),
    ("drift: recall", "drift", lambda t: t.recall),
    ("drift: precision", "drift", lambda t: t.precision),
)
THIRD: tuple[Row, ...] = (
    ("nothing changed, third check of one version: red", "same", lambda t: t.red_share),
    ("edited, third check of one version: recall", "edit", lambda t: t.recall),
    ("edited, third check of one version: precision", "edit", lambda t: t.precision),
    ("drift, third check of one version: recall", "drift", lambda t: t.recall),
)
VERDICTS: tuple[Row, ...] = (
    ("nothing changed: verdict `regressed`", "same", lambda t: t.verdict_share("regressed")),
    ("nothing changed: verdict `improved`", "same", lambda t: t.verdict_share("improved")),
    ("nothing changed: the suite's test says worse", "same", lambda t: t.worse_share),
    ("nothing changed: verdict `no_change`", "same", lambda t: t.verdict_share("no_change")),
    (
        "a block edited, no effect: verdict `regressed`",
        "benign",
        lambda t: t.verdict_share("regressed"),
    ),
    ("edited: verdict `regressed`", "edit", lambda t: t.verdict_share("regressed")),
    ("drift: verdict `regressed`", "drift", lambda t: t.verdict_share("regressed")),
)
PAST: tuple[tuple[str, Callable[[BlameTally], float]], ...] = (
    ("broken at any time, not passing now: recall", lambda t: t.recall),
    ("broken at any time: precision", lambda t: t.precision),
    ("blame: right run, hard", lambda t: t.right_share(hard=True)),
    ("blame: right run, soft", lambda t: t.right_share(hard=False)),
    ("blame: the 90 % set holds the run", lambda t: t.coverage),
    ("blame: runs in that set", lambda t: t.runs_in_set),
    ("blame: right cause", lambda t: t.cause_share),
    ("mended evals, seldom failing: recognised", lambda t: t.recognised_share),
    ("mended evals, all: called broken", lambda t: t.mended_called_share),
)


class Study:
    """All cells of the tables, each drawn when it is first needed.

    ``suites`` is how many a cell has: one number, or one for each length of the history.
    """

    def __init__(self, rules: Sequence[Rule], suites: int | Mapping[int, int], seed: int) -> None:
        self.rules = list(rules)
        self.suites = suites
        self.seed = seed
        self.compare = functools.cache(self._compare)
        self.settle = functools.cache(self._settle)
        self.blame = functools.cache(self._blame)

    def cell(self, kind: str, runs: int) -> Cell:
        """The scenarios of one cell."""
        suites = self.suites if isinstance(self.suites, int) else self.suites[runs]
        return Cell(kind, runs, suites, self.seed)

    def _compare(self, kind: str, runs: int, checks: int = 1) -> dict[str, Tally]:
        return tally_compare(self.rules, self.cell(kind, runs), checks)

    def _settle(self, kind: str, runs: int) -> dict[str, Tally]:
        return tally_settle(self.rules, self.cell(kind, runs))

    def _blame(self, runs: int) -> dict[str, BlameTally]:
        return tally_blame(self.rules, self.cell("past", runs))

    def pooled(self, kind: str, histories: Sequence[int], rule: str) -> Tally:
        """One tally over several histories."""
        total = Tally()
        for runs in histories:
            total.merge(self.compare(kind, runs)[rule])
        return total

    def settled(self, kinds: Sequence[str], rule: str, histories: Sequence[int]) -> Tally:
        """One tally over several kinds and histories, after reruns."""
        total = Tally()
        for kind in kinds:
            for runs in histories:
                total.merge(self.settle(kind, runs)[rule])
        return total

    def blamed(self, histories: Sequence[int], rule: str) -> BlameTally:
        """One tally over several histories."""
        total = BlameTally()
        for runs in histories:
            total.merge(self.blame(runs)[rule])
        return total


def table(study: Study, histories: Sequence[int] = HISTORIES) -> str:
    """All tables, in Markdown."""
    parts = [
        f"{study.suites} suites a cell, seed {study.seed}. In each cell: "
        f"{' / '.join(rule.name for rule in study.rules)}; – where a rule says nothing.",
        _tabulate(study, histories),
        "After at most four rounds of reruns of what is left open:",
        _tabulate_settled(study, [runs for runs in SETTLED if runs in histories]),
    ]
    for rule in study.rules:
        calibration = _pool_calibration(study, histories, rule.name)
        if calibration.cases.any():
            parts += [
                f"`p_regressed` of {rule.name}, all histories and kinds together:",
                _tabulate_calibration(calibration),
            ]
    return "\n\n".join(parts) + "\n"


def _tabulate(study: Study, histories: Sequence[int]) -> str:
    heads = [f"{runs}, episodes" if runs >= 50 else str(runs) for runs in histories]
    lines = [_line("earlier runs", heads), _line("---", ["---"] * len(heads))]
    for checks, rows in ((1, ROWS), (3, THIRD), (1, VERDICTS)):
        for title, kind, figure in rows:
            cells = [_cell(study, study.compare(kind, runs, checks), figure) for runs in histories]
            lines.append(_line(title, cells))
    for title, of_past in PAST:
        lines.append(_line(title, [_cell(study, study.blame(runs), of_past) for runs in histories]))
    return "\n".join(lines)


def _tabulate_settled(study: Study, histories: Sequence[int]) -> str:
    rows: tuple[tuple[str, tuple[str, ...], Callable[[Tally], float]], ...] = (
        ("edited: recall", ("edit",), lambda t: t.recall),
        ("edited: precision", ("edit",), lambda t: t.precision),
        ("drift: recall", ("drift",), lambda t: t.recall),
        (
            "edited, with or without effect: false alarms a suite",
            ("edit", "benign"),
            lambda t: t.alarms_a_suite,
        ),
        (
            "edited, with or without effect: reruns a suite",
            ("edit", "benign"),
            lambda t: t.reruns_a_suite,
        ),
        ("nothing changed: red", ("same",), lambda t: t.red_share),
        ("nothing changed: reruns a suite", ("same",), lambda t: t.reruns_a_suite),
    )
    heads = [*map(str, histories), "together"]
    lines = [_line("earlier runs", heads), _line("---", ["---"] * len(heads))]
    for title, kinds, figure in rows:
        groups = [*([runs] for runs in histories), list(histories)]
        cells = [
            _cell(study, {r.name: study.settled(kinds, r.name, each) for r in study.rules}, figure)
            for each in groups
        ]
        lines.append(_line(title, cells))
    return "\n".join(lines)


def _pool_calibration(study: Study, histories: Sequence[int], rule: str) -> Calibration:
    total = Calibration()
    for kind in COMPARED:
        total.merge(study.pooled(kind, histories, rule).calibration)
    return total


def _tabulate_calibration(calibration: Calibration) -> str:
    lines = ["| said | evals | said, mean | came true |", "| --- | --- | --- | --- |"]
    for tenth, cases, said, true, _ in calibration.table().iter_rows():
        tenths = f"{tenth / 10:.1f} to {tenth / 10 + 0.1:.1f}"
        lines.append(_line(tenths, [f"{cases:.0f}", f"{said:.2f}", f"{true:.2f}"]))
    return "\n".join(lines)


def _line(title: str, cells: Sequence[str]) -> str:
    return f"| {title} | {' | '.join(cells)} |"


def _cell(study: Study, tallies: dict[str, T], figure: Callable[[T], float]) -> str:
    return " / ".join(_number(figure(tallies[rule.name])) for rule in study.rules)


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def main(arguments: Sequence[str] | None = None) -> str:
    """The tables, for the arguments of a command line."""
    parser = argparse.ArgumentParser(description="How often the conclusions are right.")
    parser.add_argument("--suites", type=int, default=80, help="simulated suites a cell")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other suites")
    parser.add_argument("--runs", type=int, nargs="+", default=HISTORIES, help="earlier runs")
    given = parser.parse_args(arguments)
    return table(Study([NaiveRule(), LibraryRule()], given.suites, given.seed), given.runs)


if __name__ == "__main__":
    sys.stdout.write(main())
