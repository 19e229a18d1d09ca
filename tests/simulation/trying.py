"""World L: a block is edited ten times a day, and each edit is run once.

An edit breaks some evals, mends some of those that are broken, or does nothing; or it puts back an
earlier code. Some evals come and go. In *parts* every third run is of the evals that failed last.
In *equal* no edit changes anything. Nothing here was tuned to the library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl
from support.inside import Facts, Timeline, Versions, choose_try, list_tries

from simulation.clocked import RISE, Drawn
from simulation.population import Bools, Floats

KINDS = ("whole", "parts", "equal")
BEFORE, A_DAY, DAYS = 12, 10, 2


def draw_tried(kind: str, *, seed: Sequence[int]) -> tuple[Drawn, Bools, list[Floats]]:
    """A suite of one block, what each run of it covers, and the failing rates on each code."""
    rng = np.random.default_rng([6, *seed, KINDS.index(kind)])
    rows, size = BEFORE + A_DAY * DAYS, int(rng.integers(12, 41))
    comes_and_goes = rng.random(size) < rng.uniform(0.05, 0.2)
    base = np.where(comes_and_goes, rng.uniform(0.1, 0.5, size), rng.uniform(0, 0.01, size))
    rates, now, code = [base], 0, np.zeros((rows, 1), dtype=np.int64)
    for row in range(BEFORE, rows):
        dice, its = rng.random(), rates[now]
        if dice < 0.2 and len(rates) > 1:
            now = int(rng.choice([each for each in range(len(rates)) if each != now]))
        else:
            now = len(rates)
            rates.append(its if kind == "equal" else _edit(rng, dice, base, its))
        code[row] = now
    hours = np.append(24.0 * np.arange(BEFORE), _list_hours(rng))
    drawn = Drawn(
        at=rows - 1,
        block=np.zeros(size, dtype=np.int64),
        document=rng.integers(max(2, size // 3), size=size),
        rates=np.stack([rates[each] for each in code[:, 0]]),
        code=code,
        hours=hours,
        bad=np.zeros((3, 0)),
        noise=0.1,
        repeats=0.0,
        repeats_for=0.0,
        documents_fail=0.0,
        seed=(6, *seed, KINDS.index(kind)),
    )
    return drawn, _cover(drawn, in_parts=kind == "parts"), rates


def _edit(rng: np.random.Generator, dice: float, base: Floats, its: Floats) -> Floats:
    """The rates after an edit: some evals break, or some broken ones are mended."""
    after, broken = its.copy(), np.flatnonzero(its - base >= RISE)
    if dice < 0.5 and len(broken):
        mended = rng.choice(broken, int(rng.integers(1, len(broken) + 1)), replace=False)
        after[mended] = base[mended]
    elif dice < 0.75:
        solid = np.flatnonzero(its < 0.05)
        hit = rng.choice(solid, min(len(solid), int(rng.integers(1, 10))), replace=False)
        after[hit] = np.where(rng.random(len(hit)) < 0.8, rng.uniform(0.95, 1), 0.6)
    return after


def _list_hours(rng: np.random.Generator) -> Floats:
    """An edit about every fifty minutes, from morning to evening."""
    day = 24.0 * (BEFORE + np.arange(DAYS))[:, None]
    return np.asarray(day + 0.85 * np.arange(A_DAY) + rng.uniform(0, 0.5, (DAYS, A_DAY))).ravel()


def _cover(drawn: Drawn, *, in_parts: bool) -> Bools:
    covered = np.ones(drawn.fails.shape, dtype=bool)
    for row in range(BEFORE + 1, drawn.rows) if in_parts else ():
        failed = drawn.fails[row - 1] & covered[row - 1]
        covered[row] = failed if row % 3 == 0 and failed.sum() > 1 else True
    return covered


def count_tried(kind: str, seed: Sequence[int]) -> Counter[str]:
    """How often *broke*, *mended* and a named best try are true.

    *Broke* is true of an eval that fails more often than on the good code at the beginning, *broke
    at once* if also more often than at the try before. *Mended* is true of one that fails less
    often than on some code before.
    """
    drawn, covered, rates = draw_tried(kind, seed=seed)
    results = drawn.results.filter(pl.Series(covered.ravel()))
    whole = pl.Series(np.repeat(np.where(covered.all(axis=1), "block", "eval"), drawn.size))
    results = results.with_columns(run_scope=whole.filter(pl.Series(covered.ravel())))
    facts = Facts(drawn.saved, read_at=drawn.time(drawn.hours[-1] + 1))
    block = drawn.saved["block_id"][0]
    versions = Versions(Timeline.make(results, facts))
    tries = list_tries(versions, block)
    counts, place = Counter(suites=1), {each: at for at, each in enumerate(drawn.eval_ids)}
    names = dict(results.select("block_execution_fingerprint", "run_id").iter_rows())
    runs = {each: at for at, each in enumerate(drawn.run_ids)}
    its_code = {name: int(drawn.code[runs[run], 0]) for name, run in names.items()}
    order = [its_code[each.code] for each in tries if each.code]
    for at, each in enumerate(tries[1:], start=1):
        now, known = rates[order[at]], np.stack([rates[its] for its in order[:at]])
        is_worse, was_worse = now - rates[0] >= RISE, known.max(axis=0) - now >= RISE
        is_so = {
            "broke": (each.broke, is_worse),
            "broke at once": (each.broke, now - known[-1] >= RISE),
            "mended": (each.mended, was_worse),
        }
        for word, (evals, true) in is_so.items():
            said = [place[key] for key in evals]
            counts.update({f"said {word}": len(said), word: int(true[said].sum())})
    failing = [float(rates[its].sum()) for its in order]
    for end in range(2, len(tries) + 1):
        known = tries[:end]
        chosen, is_best = choose_try(known)
        if chosen is None or is_best is None:
            continue
        good = max((at for at, each in enumerate(known[:-1]) if each.is_good), default=-1)
        least = min(failing[good + 1 : end])
        is_so = failing[known.index(chosen)] <= least + RISE
        counts.update({"asked": 1, "named": int(is_best), "best": int(is_best and is_so)})
    return counts
