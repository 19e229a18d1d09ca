"""What a user meets who checks, runs again what is unclear, and checks again.

``look`` asks what ``ra.check`` asks once it has read the runs, each eval against its own past;
``look_naively`` says *regressed* of what passed before and does not now. ``settle`` acts as
somebody does who calls ``ra.settle`` now, and three more times once the hour is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl
from support import inside
from support.inside import SavedEvals, Sides, compare_sides

import retab_analysis as ra
from simulation.clocked import Drawn, Outcomes
from simulation.population import Bools

RED = ("regressed", "newly_blocked")
ALPHA, MARGIN = 0.05, 0.05
READ = 30
"""So many earlier whole runs a check reads: most of them the newest."""
NOW, LATER = 5 / 60, 3 + 5 / 60
WAITING = (NOW, LATER, 2 * LATER, 3 * LATER)
"""When reruns begin, in hours after the run: once now, and whenever the hour before is over."""


@dataclass(frozen=True)
class Answer:
    """The word for each eval (empty for none), the exit code, and what they are taken from."""

    words: npt.NDArray[np.str_]
    exit: int
    made: ra.Comparison | None = None
    told: pl.DataFrame | None = None
    again: tuple[pl.DataFrame, ...] = ()

    @property
    def called(self) -> Bools:
        """The evals of which it is said that they broke."""
        return np.isin(self.words, RED)


def choose_read(row: int) -> list[int]:
    """Of the runs before a row those that a check reads: the newest, the oldest, some between."""
    if row <= READ:
        return list(range(row))
    others = READ // 5
    newest, oldest = READ - others, others // 2
    step, spread = (row - newest - oldest) / (others - oldest), range(others - oldest)
    between = sorted(row - 1 - newest - int((at + 0.5) * step) for at in spread)
    return [*range(oldest), *between, *range(row - newest, row)]


def judge(
    candidate: pl.DataFrame,
    history: pl.DataFrame,
    again: pl.DataFrame | None = None,
    saved: pl.DataFrame | None = None,
) -> ra.Comparison:
    """The comparison that ``ra.check`` makes; ``again`` are runs of single evals."""
    whole = pl.coalesce("run_scope", pl.lit("workflow"))
    history, candidate = (each.with_columns(run_scope=whole) for each in (history, candidate))
    if again is not None:
        candidate = pl.concat([candidate, again.with_columns(run_scope=pl.lit("eval"))])
    expected = None if saved is None else frozenset(saved["eval_id"])
    sides = Sides.of(candidate, None, history, saved=SavedEvals(saved, expected))
    return compare_sides(sides, ALPHA, MARGIN)


def exit_code(made: ra.Comparison) -> int:
    """The exit code of a check."""
    gate = made.gate()
    return gate.exit_code


def choose_again(made: ra.Comparison, rounds: int, now: datetime) -> list[str]:
    """What ``settle`` starts now, where an eval is run again so many times at most."""
    return [each.id for each in inside.RerunPlan.make(made, rounds, now=now).asked]


def look(
    drawn: Drawn,
    row: int,
    again: Sequence[pl.DataFrame] = (),
    blocks: Bools | None = None,
    before: Sequence[pl.DataFrame] = (),
) -> Answer:
    """A check when a run is the newest, of some blocks or of all, with reruns since and before."""
    reruns = pl.concat(again) if again else None
    single = (each.with_columns(run_scope=pl.lit("eval")) for each in before)
    history = pl.concat([drawn.of_rows(choose_read(row)), *single])
    newest = drawn.of_rows([row])
    if blocks is not None:
        newest = newest.filter(blocks[drawn.block])
    made = judge(newest, history, reruns, drawn.saved)
    said = made.evals.select("eval_id", "transition", "p_regressed", "since_run_id", "cause")
    evals = pl.DataFrame({"eval_id": drawn.eval_ids})
    told = evals.join(said, on="eval_id", how="left", maintain_order="left")
    words = told["transition"].fill_null("").to_numpy().astype(str)
    return Answer(words, exit_code(made), made, told, tuple(again))


def look_naively(drawn: Drawn, row: int, last: Outcomes | None = None) -> Answer:
    """The same of the naive rule; ``last`` is what the evals ended with since then."""
    fails = drawn.fails[row] if last is None else last.fails
    passed = ~drawn.fails[choose_read(row)].all(axis=0)
    words = np.where(fails & passed, "regressed", np.where(fails, "fails", "passes"))
    return Answer(words, int((fails & passed).any()))


def settle(
    drawn: Drawn, row: int, *, naively: bool = False, before: Sequence[pl.DataFrame] = ()
) -> tuple[Answer, Answer, int]:
    """Before and after the reruns, and how many they were; ``before`` are those of earlier runs."""
    answer = look_naively(drawn, row) if naively else look(drawn, row, before=before)
    at_sight = answer
    last, again, spent = drawn.after(row), [], 0
    for round_, wait in enumerate(WAITING):
        hour = drawn.hours[row] + wait
        asked = answer.called
        if answer.made is not None:
            named = choose_again(answer.made, len(WAITING), drawn.time(hour))
            asked = np.isin(drawn.eval_ids, named)
        if not asked.any():
            continue
        spent += int(asked.sum())
        drawn.rerun(row, round_, hour, asked, last)
        if naively:
            answer = look_naively(drawn, row, last)
        else:
            again.append(drawn.results_again(row, round_, hour, asked, last))
            answer = look(drawn, row, again, before=before)
    return at_sight, answer, spent
