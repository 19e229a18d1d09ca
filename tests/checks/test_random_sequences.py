"""Whatever is run between two checks, what broke hard stays red until it is mended.

A seed makes a sequence: edits, whole runs, runs that were cancelled or lost results, runs of blocks
and of single evals, errors, short pages, at any distance in time. One eval breaks for good, by an
edit or by itself; the others pass.
"""

from __future__ import annotations

from random import Random

import pytest
from support.lettered_api import DAY, HOUR, MINUTE, LetteredApi

SEEDS = range(4)
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

    @property
    def must_be_red(self) -> bool:
        """Whether what there is must be enough for anybody."""
        passes, failures = (3, 3) if self.by_edit else (10, 4)
        return self.passes >= passes and self.failures >= failures

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


def broken_by(seed: int) -> Sequence:
    """A sequence in which the eval has just broken."""
    made = Sequence(seed)
    made.by_edit = made.random.random() < 0.5
    made.whole()
    while made.passes < (3 if made.by_edit else 10) or made.random.random() < 0.8:
        made.step()
    if made.by_edit:
        made.api.edit("extract")
    made.is_bad = True
    return made


@pytest.mark.parametrize("seed", SEEDS)
def test_what_broke_hard_is_red_at_every_later_check(seed: int) -> None:
    made = broken_by(seed)
    with made.api as api:
        while not made.must_be_red:
            made.step()
        for _ in range(5):
            assert "a" in api.check().gate().failing, describe(made)
            made.step()


@pytest.mark.parametrize("seed", range(100, 103))
def test_neither_the_order_of_rows_nor_passing_company_changes_what_is_called(seed: int) -> None:
    made = broken_by(seed)
    with made.api as api:
        for _ in range(5):
            made.whole()
        first = api.check()
        for run in api.runs:
            shown = [*(run.letters if run.results is None else run.results)]
            run.results = made.random.sample(shown, len(shown))
        shuffled = api.check()
        assert shuffled.evals.equals(first.evals), describe(made)
        company = [f"company {at}" for at in range(6)]
        api.evals = {**api.evals, **dict.fromkeys(company, "")}
        for run in api.runs:
            if run.scope == "W" and run.results is not None:
                run.letters |= dict.fromkeys(company, "P")
                run.results += company
        called = [check.gate().failing for check in (first, api.check())]
    assert ("a" in called[0]) is ("a" in called[1]) is True, describe(made)


@pytest.mark.parametrize("seed", range(200, 203))
def test_nothing_fails_where_everything_passes(seed: int) -> None:
    made = Sequence(seed)
    made.whole()
    with made.api as api:
        for _ in range(made.random.randrange(3, 12)):
            made.step()
        for _ in range(5):
            made.whole()
            gate = api.check().gate()
        assert gate.ok, describe(made)
        assert not gate.undecided
