"""Colours and what says the same without them."""

from __future__ import annotations

from retab_analysis.plots.palette import STATE_LOOKS, TRANSITION_LOOKS
from retab_analysis.vocabulary import FLIPPED, NOT_COUNTED, STATES


def test_every_colour_has_a_second_sign() -> None:
    assert len({(look.hatch, look.marker) for look in STATE_LOOKS.values()}) == len(STATE_LOOKS)
    assert len({look.marker for look in STATE_LOOKS.values()}) == len(STATE_LOOKS)
    assert len({look.hatch for look in TRANSITION_LOOKS.values()}) == len(TRANSITION_LOOKS)


def test_every_word_that_is_drawn_has_a_look() -> None:
    assert {*STATES, "mixed"} <= set(STATE_LOOKS)
    assert list(TRANSITION_LOOKS) == [*FLIPPED, *NOT_COUNTED]
