"""Whatever happens between two checks, one that reads an archive says what one that asks says.

A seed makes a sequence of runs of whatever scope, edits, deletions, runs that go on and end later,
and runs that become visible late. As long as all that there is fits into what a check reads without
an archive, both have read the same and must say the same: with an archive that is brought up to
date after each event, with one that is after every few, and with a new one.

``SEQUENCES=100 pytest -m study tests/checks/test_archived_sequences.py`` runs so many seeds.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.lettered_api import DAY, HOUR, MINUTE, LetteredApi, Run
from support.studied import with_studies

import retab_analysis as ra

SEEDS = (1, *range(3, int(os.environ.get("SEQUENCES", 30))))
BLOCKS = {"a": "extract", "b": "extract", "c": "extract", "d": "classify", "e": "classify"}


class World:
    """A workflow to which something happens, as a seed says."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.api = LetteredApi(
            dict.fromkeys(BLOCKS, ""),
            {"extract": "A", "classify": "A"},
            blocks=BLOCKS,
            published=self.random.choice(((), ("AA",))),
            memory=self.random.random() < 0.7,
        )
        self.api.largest_page = self.random.choice((2, 7, 100))
        self.bad = dict.fromkeys(BLOCKS, 0.0)
        self.saved = list(BLOCKS)
        self.told: list[str] = []

    def letters(self, evals: list[str]) -> dict[str, str]:
        """What becomes of some evals now."""
        return {
            each: "F"
            if self.random.random() < self.bad[each]
            else self.random.choice("P" * 40 + "EB")
            for each in evals
        }

    def run(self, letters: dict[str, str], scope: str = "W", **more: Any) -> Run:
        after = self.random.choice((MINUTE, HOUR, DAY, DAY, 3 * DAY))
        usual = {"after": after, "id": f"run {len(self.told)}"}
        return self.api.run(letters, scope=scope, **(usual | more))

    def happen(self) -> None:
        """Something happens."""
        events = [each for each in dir(self) if each.startswith("on_")]
        event = self.random.choice(["on_whole"] * 8 + events)
        self.told.append(event)
        getattr(self, event)()

    def on_whole(self) -> None:
        self.run(self.letters(self.saved))

    def on_change_of_rate(self) -> None:
        self.bad[self.random.choice(self.saved)] = self.random.choice((0, 0.3, 1, 1))

    def on_edit(self) -> None:
        if self.api.runs:
            self.api.edit(self.random.choice(("extract", "classify")))
        self.on_change_of_rate()

    def on_cancelled(self) -> None:
        letters = self.letters(self.saved)
        done = self.random.randrange(len(letters))
        self.run(
            {each: now if at < done else "C" for at, (each, now) in enumerate(letters.items())}
        )

    def on_broken_off(self) -> None:
        run = self.run(self.letters(self.saved), status="error")
        run.results = self.random.sample(list(run.letters), self.random.randrange(len(run.letters)))

    def on_lost(self) -> None:
        run = self.run(self.letters(self.saved))
        run.results = self.random.sample(list(run.letters), len(run.letters) - 1)

    def on_outage(self) -> None:
        self.run(dict.fromkeys(self.saved, "E"))

    def on_block(self) -> None:
        block = self.random.choice(("extract", "classify"))
        if its := [each for each in self.saved if BLOCKS[each] == block]:
            self.run(self.letters(its), "B")

    def on_single(self) -> None:
        self.run(self.letters([self.random.choice(self.saved)]), "E")

    def on_single_of_edited(self) -> None:
        its = self.random.choice(self.saved)
        self.run(self.letters([its]), "E", codes={BLOCKS[its]: "Z"})

    def on_rerun(self) -> None:
        name = self.random.choice(self.saved)
        for at in range(self.random.randrange(1, 3)):
            self.run(self.letters([name]), "E", after=MINUTE, id=f"rerun {len(self.told)} {at}")

    def on_going(self) -> None:
        letters = self.letters(self.saved)
        done = self.random.randrange(len(letters))
        self.run(
            {each: now if at < done else "U" for at, (each, now) in enumerate(letters.items())}
        )

    def on_end(self) -> None:
        for run in self.api.runs:
            ends = self.letters(list(run.letters))
            run.letters = {
                each: ends[each] if now == "U" else now for each, now in run.letters.items()
            }

    def on_late(self) -> None:
        if self.api.runs:
            self.run(self.letters(self.saved), after=-5 * HOUR)

    def on_deleted_run(self) -> None:
        order = sorted(self.api.runs, key=lambda run: run.at)
        # Of what is older than all that is there nobody knows that it was deleted.
        if order[1:]:
            self.api.runs.remove(self.random.choice(order[1:]))

    def on_removed(self) -> None:
        if len(self.saved) > 2:
            self.api.remove(self.saved.pop(self.random.randrange(len(self.saved))))

    def on_redefined(self) -> None:
        self._write_letter(self.api.definitions)

    def on_inputs(self) -> None:
        self._write_letter(self.api.inputs)

    def _write_letter(self, rows: dict[str, str]) -> None:
        """From the next run on; what was run stays as it was, also where runs were deleted."""
        at = max((run.column for run in self.api.runs), default=-1) + 1
        name = self.random.choice(self.saved)
        row = rows.get(name, "A").ljust(at, rows.get(name, "A")[-1])
        rows[name] = row + chr(ord(row[-1]) + 1)

    def on_renamed(self) -> None:
        self.api.change(self.random.choice(self.saved), name=f"name {len(self.told)}")

    def on_invalid(self) -> None:
        status = self.random.choice(("broken", "valid"))
        self.api.change(self.random.choice(self.saved), validation_status=status)

    def on_miscounted(self) -> None:
        if self.api.runs:
            self.api.change(self.random.choice(self.api.runs[-3:]).id, total_evals=9)

    def __str__(self) -> str:
        rows = [
            f"{run.id} {run.at:%d %H:%M} {run.scope} {run.codes} {run.letters} {run.status}"
            f" {run.results}"
            for run in sorted(self.api.runs, key=lambda run: run.at)
        ]
        return "\n".join([" ".join(self.told), *rows, str(self.saved), str(self.api.definitions)])


def say(api: LetteredApi, world: World, **more: Any) -> tuple[Any, set[str], pl.DataFrame | None]:
    """What a check says, by which runs, and of each eval."""
    try:
        made = api.check(**more)
    except ra.ConfigError as error:
        return str(error), set(), None
    gate = made.gate()
    # An archive also knows what an eval that is not saved any more was called, and its path.
    name = pl.when(pl.col("eval_id").is_in(world.saved)).then("eval_name")
    # And it knows which save left all that a saved eval carries as it was, but its name.
    reason = pl.col("reason").str.replace("; saved again on [0-9]+ [A-Za-z]+$", "")
    evals = made.evals.with_columns(name, reason).sort("eval_id")
    said = [made.headline, gate.ok, gate.reasons, gate.undecided, made.explain()]
    if "on_removed" not in world.told:
        said.append(str(made))
    return said, set(made.plan["run_id"].drop_nulls()), evals


@pytest.mark.parametrize("seed", with_studies(SEEDS, (1,)))
def test_an_archive_says_what_the_api_says(seed: int, tmp_path: Path) -> None:
    world = World(seed)
    often, rare = (ra.Archive(tmp_path / each) for each in ("often", "rare"))
    n_alike = 0
    with world.api as api:
        for at in range(18):
            world.happen()
            said, read, evals = say(api, world)
            archives = [often]
            if at % 5 == 4:
                archives += [rare, ra.Archive(tmp_path / f"new {at}")]
            for archive in archives:
                told, kept, known = say(api, world, archive=archive)
                about = f"{archive} {world}"
                if kept != read:
                    # Of blocks and single evals all runs are read, and not only the ends.
                    more = {run.id: run.scope for run in api.runs}
                    assert kept > read, about
                    assert {more[each] for each in kept - read} <= {"B", "E"}, about
                    continue
                n_alike += 1
                assert told == said, about
                if evals is not None and known is not None:
                    assert_frame_equal(known, evals)
    assert n_alike >= 6
