"""Colours and what says the same without them."""

from __future__ import annotations

import itertools

from matplotlib.colors import to_rgb
from support.inside import FLIPPED, NOT_COUNTED, STATE_LOOKS, STATES, TRANSITION_LOOKS


def test_every_colour_has_a_second_sign() -> None:
    for looks in (STATE_LOOKS, TRANSITION_LOOKS):
        # What is mixed is in grids only, where it has a sign.
        areas = [look for word, look in looks.items() if word != "mixed"]
        for one, other in itertools.combinations(areas, 2):
            apart = abs(lightness(one.colour) - lightness(other.colour))
            assert one.hatch != other.hatch or apart > 0.05, (one, other)


def test_a_hatch_is_only_where_lightness_does_not_tell() -> None:
    assert sum(bool(look.hatch) for look in STATE_LOOKS.values()) <= 3
    assert sum(bool(look.hatch) for look in TRANSITION_LOOKS.values()) <= 4


def lightness(colour: str) -> float:
    """How light a colour is in grey, from 0 to 1 (ITU-R BT.601, which image programs use)."""
    red, green, blue = to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_every_word_that_is_drawn_has_a_look() -> None:
    assert {*STATES, "mixed"} <= set(STATE_LOOKS)
    assert list(TRANSITION_LOOKS) == [*FLIPPED, *NOT_COUNTED]
