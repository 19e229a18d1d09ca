"""A hundred small simulated suites, and what is concluded of each: a line a suite."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator

from golden.book import count_transitions, name_evals, say_number
from simulation.world import KINDS, Scenario, simulate

import retab_analysis as ra

LARGEST = 100
SEED = 2026
EARLIER = (0, 1, 3, 10, 20)
EACH = 4
DIGESTED = (
    *("eval_id", "transition", "cause", "since_run_id", "baseline_state", "candidate_state"),
    *("reruns_to_clear", "reruns_to_confirm"),
)
CALLED = ("newly_blocked", "regressed", "suspect")


def small_suites() -> Iterator[tuple[str, Scenario]]:
    """The first suites of each kind and length that are small; half of the long have episodes."""
    for kind, runs in itertools.product(KINDS, EARLIER):
        drawn = (
            simulate(kind, runs, seed=(SEED, at), episodes=runs >= 20 and at % 2 == 1)
            for at in itertools.count()
        )
        small = (each for each in drawn if each.suite.size <= LARGEST)
        for at, scenario in enumerate(itertools.islice(small, EACH)):
            yield f"{kind}, {runs} earlier, {at}", scenario


def describe_suite(title: str, scenario: Scenario) -> str:
    """What is concluded, in a line.

    It names what is called, with its p, the run since when and the cause. Of the other evals it has
    the sum of their p, which says in which direction a change goes. The digest at the end is of all
    evals, so that no change escapes.
    """
    made = ra.compare(scenario.baseline, scenario.candidate, history=scenario.history)
    (summary,) = made.summary.rows(named=True)
    rows = made.evals.rows(named=True)
    called = name_evals([row for row in rows if row["transition"] in CALLED], len(rows))
    others = sum(row["p_regressed"] or 0 for row in rows if row["transition"] not in CALLED)
    everything = sorted(
        f"{[row[each] for each in DIGESTED]} {say_number(row['p_regressed'])}" for row in rows
    )
    parts = [
        f"{title}: {count_transitions(rows)}",
        *(called or ["none called"]),
        f"others {say_number(others)}",
        f"{made.verdict} p {say_number(summary['p_value'])}",
        f"{zlib.crc32(repr(everything).encode()):08x}",
    ]
    return "; ".join(parts) + "\n"
