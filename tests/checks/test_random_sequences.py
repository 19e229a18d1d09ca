"""Whatever is run between two checks, what broke hard stays red until it is mended.

A seed makes a sequence: edits, whole runs, runs that were cancelled, lost results or ended in an
outage, runs of blocks and of single evals, reruns, errors, short pages, at any distance in time.
One eval breaks for good, by an edit or by itself; it is mended, redefined or accepted, and may
break again; the others pass.

``SEQUENCES=300 pytest tests/checks/test_random_sequences.py`` runs so many seeds of each test.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from random import Random

import pytest
from support.lettered_api import DAY, HOUR, MINUTE, LetteredApi, Run
from support.studied import with_studies

import retab_analysis as ra

BLOCKS = {"a": "extract", "b": "extract", "c": "extract", "d": "classify", "e": "classify"}
ENDS = ("mended", "redefined", "accepted")
CALLED = ("regressed", "newly_blocked")


def seeds(first: int, usual: int) -> range:
    """The seeds of a test, which begin at a number of its own."""
    return range(first, first + int(os.environ.get("SEQUENCES", usual)))


class Sequence:
    """Runs that a seed makes, one after the other.

    Attributes:
        api: What answers.
        is_bad: Whether the eval ``a`` fails from now on.
        defined: From which run on the eval ``a`` is defined as it is now.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        codes = {"extract": "A", "classify": "A"}
        self.api = LetteredApi(
            dict.fromkeys(BLOCKS, ""), codes, blocks=BLOCKS, memory=self.random.random() < 0.5
        )
        self.api.largest_page = self.random.choice((2, 7, 100))
        self.is_bad = False
        self.defined = 0

    @property
    def own(self) -> str:
        """What becomes of the eval ``a``."""
        return "F" if self.is_bad else "P"

    @property
    def history(self) -> list[tuple[str, str]]:
        """What runs of several evals said of ``a`` as it is defined now, and on which code."""
        return [
            (run.letters["a"], run.codes["extract"])
            for run in self.api.runs[self.defined :]
            if run.scope != "E" and run.letters.get("a", "C") in "PFE" and self.has_result(run)
        ]

    @property
    def letters(self) -> str:
        """What of these runs counts: of errors two in a row are failures, one is nothing."""
        return re.sub("(?<!E)E(?!E)", "", "".join(letter for letter, _ in self.history))

    def has_result(self, run: Run) -> bool:
        return run.results is None or "a" in run.results

    @property
    def must_be_red(self) -> bool:
        """Whether what there is must be enough for anybody.

        Three failures after an edit are enough after three passes, if it never failed before: what
        failed once among few passes may have been shaky all the while.
        """
        before = self.letters.rstrip("FE")
        failures = self.letters[len(before) :].count("F")
        passes = len(before) - len(before.rstrip("P"))
        if not failures or not passes:
            return False
        codes = {kind: [code for each, code in self.history if each == kind] for kind in "PF"}
        is_edit = codes["F"][-failures] != codes["P"][-1]
        return (passes >= 10 and failures >= 4) or (
            is_edit and passes >= 3 and failures >= 3 and passes == len(before)
        )

    def whole(self, letters: str = "") -> Run:
        """A run of the whole workflow, complete; letters are instead of what would be."""
        return self.run(dict(zip(BLOCKS, letters or self.own + "PPPP", strict=True)))

    def run(self, letters: dict[str, str], scope: str = "W") -> Run:
        after = self.random.choice((MINUTE, HOUR, DAY, DAY, 3 * DAY))
        run = self.api.run(letters, scope=scope, after=after)
        run.results = self.random.sample(list(run.letters), len(run.letters))
        return run

    def redefine(self) -> None:
        """Edit what ``a`` asserts."""
        self.defined = len(self.api.runs)
        row = self.api.definitions.get("a", "A")
        self.api.definitions = {"a": row.ljust(self.defined, row[-1]) + chr(ord(row[-1]) + 1)}

    def step(self) -> None:
        """Something that happens."""
        own = self.own
        kinds = "whole whole cancelled half lost short error outage block other single rerun edit"
        kind = self.random.choice((*kinds.split(), "missing"))
        if kind in ("whole", "rerun"):
            self.whole()
        if kind == "cancelled":
            self.whole("CCCCC")
        elif kind == "half":
            self.whole(self.random.choice((own + "PCCC", "CCPPP", own + "PPCC", "CPPPP")))
        elif kind == "lost":
            self.whole().results = list("bcde")
        elif kind == "short":
            run = self.whole()
            run.results = self.random.sample(list(BLOCKS), self.random.randrange(1, 5))
        elif kind == "missing":
            self.run(dict.fromkeys("bcde", "P"))
        elif kind == "error":
            self.whole("EPPPP")
        elif kind == "outage":
            self.whole(self.random.choice(("EEEEE", own + "EEEE", "EEPEP", own + "PEEE")))
        elif kind == "block":
            self.run({"a": own, "b": "P", "c": "P"}, "B")
        elif kind == "other":
            self.run({"d": "P", "e": "P"}, "B")
        elif kind == "edit":
            self.api.edit(self.random.choice(("extract", "classify")))
        elif kind == "rerun":
            for _ in range(self.random.randrange(1, 4)):
                self.api.run({"a": own}, scope="E", after=self.random.choice((MINUTE, HOUR)))
        elif kind == "single":
            name = self.random.choice(list(BLOCKS))
            self.run({name: own if name == "a" else "P"}, "E")

    def break_it(self) -> None:
        """After three or ten passes in a row, and more, the eval fails from now on."""
        by_edit = self.random.random() < 0.5
        while True:
            passes = len(self.letters) - len(self.letters.rstrip("P"))
            least = 3 if by_edit and passes == len(self.letters) else 10
            if passes >= least and self.random.random() < 0.4:
                break
            self.step()
        if by_edit:
            self.api.edit("extract")
        self.is_bad = True

    def __str__(self) -> str:
        rows = [
            f"{run.id} {run.at:%d %H:%M} {run.scope} {run.codes} {run.letters} {run.results}"
            for run in self.api.runs
        ]
        return "\n".join([*rows, f"defined at {self.defined}"])


@pytest.mark.parametrize("seed", with_studies(seeds(0, 4), (0, 1)))
def test_what_broke_hard_is_red_until_it_is_mended_redefined_or_accepted(
    seed: int, tmp_path: Path
) -> None:
    made = Sequence(seed)
    if made.random.random() < 0.3:
        for _ in range(4):
            made.step()
        made.redefine()
    made.whole()
    with made.api as api:
        for _ in range(made.random.choice((1, 1, 2))):
            made.break_it()
            while not made.must_be_red:
                made.step()
            for _ in range(5):
                assert "a" in api.check().gate().failing, made
                made.step()
            end = made.random.choice(ENDS)
            if end == "accepted":
                api.check().accept(tmp_path / "accepted.toml", ["a"], reason="known")
                for _ in range(3):
                    made.step()
                    gate = api.check().gate(accepted=tmp_path / "accepted.toml")
                    assert "a" not in gate.failing, made
            elif end == "redefined":
                made.redefine()
                for _ in range(3):
                    made.whole()
                    assert transition(api.check()) not in (*CALLED, "suspect"), made
            made.is_bad = False
            for _ in range(3):
                made.whole()
            assert "a" not in api.check().gate().failing, made


def transition(made: ra.Comparison) -> str:
    found: str = made.evals.filter(eval_id="a")["transition"].item()
    return found
