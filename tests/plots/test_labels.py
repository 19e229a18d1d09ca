"""Names as labels."""

from __future__ import annotations

import random
import warnings
from datetime import UTC, datetime, timedelta

import matplotlib as mpl
import pytest
from matplotlib.font_manager import findfont, get_font
from support.inside import choose_families, shorten_names
from support.plotted import ALL, OF_RUNS, Plot, figure_of, notes_of, some, version


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


@pytest.mark.parametrize("plot", ALL)
def test_a_script_that_no_font_has_is_boxes_and_one_warning(plot: Plot) -> None:
    names = ["\U00013000 a", "\U00013001 b", "c"]
    assert shorten_names(names) == ["□ a", "□ b", "c"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        how = {"by": "trigger_type"} if plot in OF_RUNS else {}
        ax = plot(some(plot, names), **how)
        figure_of(ax).canvas.draw()
    said = "no installed font has some of the characters in the names, drawn as boxes"
    assert [(str(each.message), each.filename) for each in caught] == [(said, __file__)]
    assert notes_of(ax)[-1] == said


def test_a_script_that_an_installed_font_has_is_drawn_in_it() -> None:
    with mpl.rc_context({"font.family": ["STIXSizeOneSym"]}):
        assert choose_families("abc") == ["STIXSizeOneSym"]
        own, other = choose_families("\u0627")
    assert own == "STIXSizeOneSym"
    assert "\u0627" in map(chr, get_font(findfont(other)).get_charmap())
