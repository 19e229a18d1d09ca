"""Several workflows of one provider: what is found if their histories are looked at together.

``python tests/simulation/shared.py`` prints the table of ``docs/simulation.md``: ``--groups`` of
six workflows a row (25), ``--earlier`` runs of each (10), ``--seed`` (3).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    for threads in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(threads, "1")

import numpy as np

from simulation.result_frames import FIRST_RUN
from simulation.rules import LibraryRule
from simulation.scoring import WORLDS
from simulation.world import Scenario

WORKFLOWS, EARLIER = 6, 10
CHANGE = FIRST_RUN + timedelta(days=400)
"""When it happens, whatever it is: between the newest run of each workflow and the one before."""

ROWS = (
    ("a thin upgrade", "second", "upgrade"),
    ("nothing changed", "first", "same"),
    ("nothing changed", "second", "same"),
    ("edits without effect", "first", "benign"),
    ("edits without effect", "second", "benign"),
    ("edits that break something", "second", "edit"),
    ("a bad hour in each", "second", "hour"),
)


def draw_workflows(
    world: str, kind: str, seed: Sequence[int], earlier: int = EARLIER
) -> list[Scenario]:
    """Six suites to which the same sort of thing happens at one moment."""
    rng = np.random.default_rng([*seed, 4])
    drawn = []
    for at in range(WORKFLOWS):
        made = WORLDS[world](kind, earlier - 1, seed=(*seed, at))
        before, now = made.times[made.candidate_row - 1 :][:2]
        shift = CHANGE - before - (now - before) * float(rng.random())
        drawn.append(replace(made, times=[each + shift for each in made.times]))
    return drawn


def count_groups(
    world: str, kind: str, seed: int, groups: int, earlier: int = EARLIER
) -> Counter[str]:
    """What ``check`` finds in each workflow, and what is found with the event that all share.

    *Planted* are the evals that broke with the newest run and that somebody could know of; called
    and not broken is false; ``red`` are the groups in which something false is called; ``said``
    those of which it is said that something changed for all.
    """
    counts: Counter[str] = Counter()
    for group in range(groups):
        drawn = draw_workflows(world, kind, (seed, group), earlier)
        sides = [(each.candidate, each.of_rows(0, each.candidate_row)) for each in drawn]
        shared = LibraryRule().find_shared(sides)
        counts.update(groups=1, said=any(shared))
        false: Counter[str] = Counter()
        for scenario, side, by_event in zip(drawn, sides, shared, strict=True):
            planted = set(scenario.truth.filter("by_candidate", "knowable")["eval_id"])
            broken = set(scenario.truth.filter("broken")["eval_id"])
            alone = LibraryRule().check(*side).called
            counts["planted"] += len(planted)
            for name, called in (("alone", alone), ("together", alone | by_event)):
                found = len(called & planted)
                false[name] += len(called - broken)
                counts.update({f"found {name}": found, f"called {name}": found})
            false["event"] += len(by_event - broken)
        counts.update({f"called {name}": more for name, more in false.items()})
        counts.update({f"red {name}": more > 0 for name, more in false.items()})
    return counts


def tabulate(seed: int, groups: int, earlier: int) -> str:
    """The table, in Markdown."""
    heads = ["", "world", "recall", "precision", "any false red", "said to have changed for all"]
    lines = [heads, ["---"] * len(heads)]
    for title, world, kind in ROWS:
        counts = count_groups(world, kind, seed, groups, earlier)
        pairs = [("found", "planted"), ("found", "called"), ("red", "groups")]
        told = [
            " / ".join(
                _share(counts, f"{part} {name}", f"{whole} {name}" if whole == "called" else whole)
                for name in ("alone", "together")
            )
            for part, whole in pairs
        ]
        if kind in ("same", "benign", "hour"):
            told[:2] = "–", "–"
        lines.append([title, world, *told, _share(counts, "said", "groups")])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _share(counts: Counter[str], part: str, whole: str) -> str:
    return f"{counts[part] / counts[whole]:.2f}" if counts[whole] else "–"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What is found in several workflows together.")
    parser.add_argument("--groups", type=int, default=25, help="groups of six workflows a row")
    parser.add_argument("--seed", type=int, default=3, help="another seed, other suites")
    parser.add_argument("--earlier", type=int, default=EARLIER, help="earlier runs of each")
    asked = parser.parse_args()
    sys.stdout.write(f"{tabulate(asked.seed, asked.groups, asked.earlier)}\n")
