"""A check is green only where every valid saved eval passed or failed as it is now.

A seed makes a sequence: edits and reverts, saves that change nothing, publications, whole runs,
runs of blocks and of single evals, runs that are cancelled, hang or lose results, evals that are
redefined and put back, get other inputs, become invalid, are deleted and made anew, are renamed.
Some seeds have an API without freshness, without fingerprints, or read an archive. After each step
``check`` is asked:

* exit code 0 only if each valid saved eval has an outcome on the present code of its block and with
  its present definition;
* and always, if all of them ran so and passed in the newest whole run.

``SEQUENCES=300 pytest tests/checks/test_principle.py`` runs so many seeds.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from support.lettered_api import DAY, HOUR, MINUTE, LetteredApi, Run
from support.studied import with_studies

import retab_analysis as ra

BLOCKS = {"a": "extract", "b": "extract", "c": "extract", "d": "classify", "e": "classify"}
STEPS = 12


class Suite:
    """What a workflow is now, and what its runs were."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        codes = {"extract": "A", "classify": "A"}
        self.api = LetteredApi(
            dict.fromkeys(BLOCKS, ""),
            codes,
            blocks=dict(BLOCKS),
            definitions=dict.fromkeys(BLOCKS, "A"),
            inputs=dict.fromkeys(BLOCKS, "A"),
            memory=self.random.random() < 0.5,
        )
        self.code = dict.fromkeys(("extract", "classify"), "A")
        self.blocks = dict(BLOCKS)
        self.defined = dict.fromkeys(BLOCKS, "AA")  # its condition and its inputs
        self.is_silent = seed % 3 == 2  # whether the API gives no freshness
        self.api.fingerprints = seed % 4 != 1
        if self.is_silent:
            for each in BLOCKS:
                self.api.change(each, freshness=None)
        self.invalid: set[str] = set()
        self.told: list[tuple[Run, dict[str, str], dict[str, str]]] = []
        self.last_step = ""

    # What a person does

    def edit(self) -> None:
        block = self.random.choice([*self.code])
        self.code[block] = chr(
            ord(max(self.code[block], *(r.codes[block] for r in self.api.runs))) + 1
        )

    def revert(self) -> None:
        block = self.random.choice([*self.code])
        self.code[block] = self.random.choice([run.codes[block] for run in self.api.runs])

    def redefine(self) -> None:
        each = self.random.choice([*self.defined])
        self.defined[each] = self.random.choice("AB") + self.defined[each][1]

    def give_other_inputs(self) -> None:
        each = self.random.choice([*self.defined])
        self.defined[each] = self.defined[each][0] + self.random.choice("AB")

    def invalidate(self) -> None:
        each = self.random.choice([*self.defined])
        self.invalid ^= {each}
        status = "broken" if each in self.invalid else "valid"
        self.api.change(each, validation_status=status)

    def recreate(self) -> None:
        """Delete an eval, with its results, and make one with its name."""
        alone = {run.eval_id for run in self.api.runs}
        if not (there := [each for each in self.blocks if each not in alone]):
            return
        old = self.random.choice(there)
        new = f"{old}'"
        self.api.remove(old, with_results=True)
        self.api.evals = {**self.api.evals, new: ""}
        self.blocks[new] = self.blocks.pop(old)
        self.api.blocks = {**self.api.blocks, new: self.blocks[new]}
        self.api.names = {**self.api.names, new: self.api.names.get(old, old)}
        del self.defined[old]
        self.defined[new] = "AA"
        self.invalid -= {old}
        if self.is_silent:
            self.api.change(new, freshness=None)

    def save(self) -> None:
        """Save a block without a change."""
        self.api.saved[self.random.choice([*self.code])] = self.api._now()

    def publish(self) -> None:
        letters = "".join(self.code.values())
        self.api.published = [*(each for each in self.api.published if each != letters), letters]

    def rename(self) -> None:
        each = self.random.choice([*self.defined])
        self.api.names = {**self.api.names, each: f"{each} {self.random.random():.3f}"}

    def run(self, evals: list[str], scope: str, bad: str = "", **more: object) -> None:
        wanted = [each for each in evals if each not in self.invalid]
        if not wanted:
            return
        letters = {each: self.random.choice(bad) if bad else "P" for each in wanted}
        after = self.random.choice((MINUTE, HOUR, 4 * HOUR, DAY))
        self.write()
        made = self.api.run(letters, scope=scope, codes=dict(self.code), after=after, **more)
        self.told.append((made, dict(self.code), dict(self.defined)))

    def run_whole(self) -> None:
        self.run([*self.blocks], "W")

    def run_block(self) -> None:
        block = self.random.choice([*self.code])
        self.run([each for each, its in self.blocks.items() if its == block], "B")

    def run_single(self) -> None:
        self.run([self.random.choice([*self.blocks])], "E")

    def cancel(self) -> None:
        self.run([*self.blocks], "W", "CP")

    def hang(self) -> None:
        self.run([*self.blocks], "W", "UP")

    def fail_some(self) -> None:
        self.run([*self.blocks], "W", "PPPF")

    def lose(self) -> None:
        self.run([*self.blocks], "W")
        if self.told:
            made = self.told[-1][0]
            made.results = [each for each in made.letters if self.random.random() < 0.6]

    def write(self) -> None:
        """Let the API know how all is now, from the next run on."""
        column = len(self.api.runs)
        api = self.api
        runs = [told for _, told, _ in self.told]
        api.codes = {
            block: "".join([*(codes[block] for codes in runs), now])
            for block, now in self.code.items()
        }
        for at, rows in ((0, "definitions"), (1, "inputs")):
            its = [defined for _, _, defined in self.told]
            found = {
                each: "".join([*(defined.get(each, "AA")[at] for defined in its), now[at]])
                for each, now in self.defined.items()
            }
            setattr(api, rows, found)
        assert column == len(self.told)

    # What must be so

    def has_run(self, eval_id: str) -> bool:
        """Whether an eval has an outcome as it and its block are now."""
        block = self.blocks[eval_id]
        # Without freshness nothing tells of inputs that were edited and not run; without
        # fingerprints nothing does, once a run began that has no outcome yet.
        newest = [run.letters[eval_id] for run in self.api.runs if eval_id in run.letters][-1:]
        is_open = newest in (["U"], ["C"])
        known = 1 if self.is_silent or (is_open and not self.api.fingerprints) else 2
        return any(
            run.letters.get(eval_id, ".") in "PFB"
            and (run.results is None or eval_id in run.results)
            and codes[block] == self.code[block]
            and defined.get(eval_id, "AA")[:known] == self.defined[eval_id][:known]
            for run, codes, defined in self.told
        )

    @property
    def is_honest(self) -> bool:
        """Whether the newest run was whole, and all valid evals passed in it as they are now."""
        if not self.told or self.invalid or len(self.told) < 2:
            return False
        run, codes, defined = self.told[-1]
        # Without freshness a save looks like an edit.
        if self.is_silent and any(at >= run.at for at in self.api.saved.values()):
            return False
        passed = {each for each in run.letters if run.letters[each] == "P"}
        whole = run.scope == "W" and passed == {*self.blocks} and run.results is None
        return whole and codes == self.code and defined == self.defined


STEPS_OF: tuple[Callable[[Suite], None], ...] = (
    *(Suite.edit, Suite.revert, Suite.redefine, Suite.give_other_inputs, Suite.invalidate),
    *(Suite.rename, Suite.run_whole, Suite.run_whole, Suite.run_block, Suite.run_single),
    *(Suite.cancel, Suite.hang, Suite.fail_some, Suite.lose),
    *(Suite.recreate, Suite.save, Suite.publish),
)


SEEDS = range(int(os.environ.get("SEQUENCES", 20)))


@pytest.mark.parametrize("seed", with_studies(SEEDS, (0, 4)))
def test_green_is_what_ran_as_it_is_now(seed: int, tmp_path: Path) -> None:
    suite = Suite(seed)
    archive = ra.Archive(tmp_path / "archive") if seed % 5 == 4 else None
    steps: list[str] = []
    with suite.api:
        for _ in range(3):
            suite.run_whole()
        for _ in range(STEPS):
            step = suite.random.choice(STEPS_OF)
            step(suite)
            steps.append(step.__name__)
            suite.write()
            suite.api.now = max(run.at for run in suite.api.runs) + suite.random.choice(
                (MINUTE, HOUR, 2 * DAY)
            )
            made = suite.api.check(archive)
            code = made.gate().exit_code
            untested = [
                each
                for each in suite.blocks
                if each not in suite.invalid and not suite.has_run(each)
            ]
            assert code or not untested, (steps, untested, made)
            # A sign is the gate's, and there is something to do until the gate holds.
            assert code == 0 or made.headline[0] != "✓", (steps, made)
            assert (made.next_step is None) == (code == 0), (steps, made)
            said = {"regressed", "newly_blocked", "suspect", "newly_errored"}
            if suite.is_honest and not said & {*made.evals["transition"]}:
                assert code == 0, (steps, made)
