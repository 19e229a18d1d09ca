"""Colours and what says the same without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from support.inside import RATED, STATE_LOOKS, STATES

# How who sees no green sees a colour, over linear red, green and blue: the severest form in G. M.
# Machado, M. M. Oliveira and L. A. F. Fernandes, "A Physiologically-based Model for Simulation of
# Color Vision Deficiency", 2009.
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
)


@pytest.mark.parametrize("seen", [np.eye(3), DEUTERANOPIA])
def test_the_five_states_of_an_ended_eval_differ_in_grey(seen: Any) -> None:
    shades = sorted(lightness(STATE_LOOKS[each].colour, seen) for each in (*RATED, "cancelled"))
    assert min(np.diff(shades)) > 0.07
    assert not any(STATE_LOOKS[each].hatch for each in (*RATED, "cancelled"))


def lightness(colour: str, seen: Any = None) -> float:
    """How light a colour is in grey, from 0 to 1 (ITU-R BT.601, which image programs use)."""
    rgb = np.array(to_rgb(colour))
    if seen is not None:
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        linear = np.clip(seen @ linear, 0, 1)
        rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return float(rgb @ [0.299, 0.587, 0.114])


def test_every_word_that_is_drawn_has_a_look() -> None:
    assert {*STATES, "mixed"} <= set(STATE_LOOKS)
