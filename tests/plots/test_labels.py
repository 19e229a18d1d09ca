"""Names as labels."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from support.plotted import version

from retab_analysis.plots.labels import shorten_names


@pytest.mark.parametrize("limit", [8, 16, 28])
def test_shortened_names_stay_unique(limit: int) -> None:
    dice = random.Random(limit)
    tails = ["".join(dice.choices("ab", k=dice.randrange(60))) for _ in range(200)]
    names = [*dict.fromkeys(f"ver_{tail}" for tail in tails), None, "(none)", "a\nb", "a b"]
    names += [version(at) for at in range(30)]
    short = shorten_names(names, limit)
    assert len(set(short)) == len(names)
    assert max(map(len, short)) <= 2 * limit
    assert shorten_names(["\ud800\u202e"]) == ["\ufffd<U+202E>"]
    assert shorten_names(["same", "same"]) == ["same", "same"]


def test_times_are_short_and_stay_apart() -> None:
    day, minute = datetime(2026, 5, 18, tzinfo=UTC), timedelta(minutes=1)
    moments = [day, day + 61 * minute, day + 61 * minute + timedelta(seconds=1)]
    assert shorten_names(moments) == ["2026-05-18", "2026-05-18 01:01", "2026-05-18 01:01 (2)"]


def test_names_that_differ_early_lose_their_end() -> None:
    names = [f"total of invoice {at} from the same supplier" for at in (8, 9, 10)]
    assert shorten_names(names, 24) == [
        f"total of invoice {at} from"[:23] + "…" for at in (8, 9, 10)
    ]
    late = [f"{name} in {town}" for name in names for town in ("Oslo", "Bern")]
    assert len(set(shorten_names(late, 24))) == len(late)
