"""Whatever is run between two checks, what broke hard stays red until it is mended.

A seed makes a sequence: edits, whole runs, runs that were cancelled or lost results, runs of blocks
and of single evals, errors, short pages, at any distance in time. One eval breaks for good, by an
edit or by itself; the others pass.
"""

from __future__ import annotations

from random import Random

import pytest
from support.lettered_api import DAY, HOUR, MINUTE, LetteredApi

SEEDS = range(6)
BLOCKS = {"a": "extract", "b": "extract", "c": "extract", "d": "classify", "e": "classify"}


class Sequence:
    """Runs that a seed makes, one after the other.

    Attributes:
        api: What answers.
        is_bad: Whether the eval ``a`` fails from now on.
        passes: In how many runs of several evals it passed before.
        failures: In how many it failed since.
        by_edit: Whether it broke by an edit.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        codes = {"extract": "A", "classify": "A"}
        self.api = LetteredApi(
            dict.fromkeys(BLOCKS, ""), codes, blocks=BLOCKS, memory=self.random.random() < 0.5
        )
        self.api.largest_page = self.random.choice((2, 7, 100))
        self.is_bad = self.by_edit = False
        self.passes = self.failures = 0
        self.bare = 0

    @property
    def must_be_red(self) -> bool:
        """Whether what there is must be enough for anybody."""
        needed = 3 if self.by_edit and self.passes < 10 else 4
        enough = 3 if self.by_edit else 10
        return self.passes >= enough and self.failures >= (3 if self.by_edit else needed)

    def whole(self, letters: str = "") -> None:
        """A run of the whole workflow, complete; letters are instead of what would be."""
        own = "F" if self.is_bad else "P"
        self.run(dict(zip(BLOCKS, letters or own + "PPPP", strict=True)))

    def run(self, letters: dict[str, str], scope: str = "W") -> None:
        after = self.random.choice((MINUTE, HOUR, DAY, DAY, 3 * DAY))
        run = self.api.run(letters, scope=scope, after=after)
        run.results = self.random.sample(list(run.letters), len(run.letters))
        if scope != "E":
            self.passes += letters.get("a") == "P" and not self.is_bad
            self.failures += letters.get("a") == "F"

    def step(self) -> None:
        """Something that happens."""
        own = "F" if self.is_bad else "P"
        kind = self.random.choice(
            (
                "whole",
                "whole",
                "cancelled",
                "half",
                "lost",
                "error",
                "block",
                "other",
                *"ssse",
                "missing",
            )
        )
        if kind == "whole":
            self.whole()
        elif kind == "cancelled":
            self.whole("CCCCC")
        elif kind == "half":
            self.whole(self.random.choice((own + "PCCC", "CCPPP", own + "PPCC", "CPPPP")))
        elif kind == "lost":
            self.whole()
            run = self.api.runs[-1]
            run.results = [each for each in run.letters if each != "a"]
            self.failures -= self.is_bad
            self.passes -= not self.is_bad
        elif kind == "missing":
            self.run(dict.fromkeys("bcde", "P"))
        elif kind == "error":
            self.whole("EPPPP")
        elif kind == "block":
            self.run({"a": own, "b": "P", "c": "P"}, "B")
        elif kind == "other":
            self.run({"d": "P", "e": "P"}, "B")
        elif kind == "edit":
            self.api.edit(self.random.choice(("extract", "classify")))
        else:
            name = self.random.choice("abcde")
            self.run({name: own if name == "a" else "P"}, "E")


def describe(sequence: Sequence) -> str:
    return "\n".join(
        f"{run.id} {run.at:%d %H:%M} {run.scope} {run.codes} {run.letters} {run.results}"
        for run in sequence.api.runs
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_what_broke_hard_is_red_at_every_later_check(seed: int) -> None:
    made = Sequence(seed)
    made.whole()
    for _ in range(made.random.randrange(3, 30)):
        made.step()
    made.by_edit = made.random.random() < 0.5
    if made.by_edit:
        made.api.edit("extract")
    made.is_bad = True
    with made.api as api:
        made.whole()
        for _ in range(12):
            made.step()
            if made.must_be_red:
                gate = api.check().gate()
                assert "a" in gate.failing, describe(made)
