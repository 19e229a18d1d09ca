"""Colours, and the hatches, markers and signs that say the same without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

Style = dict[str, Any]
"""Arguments of a matplotlib artist."""

EDGE = "#1a1a1a"
"""Around a coloured area, and for what is drawn on it, on light and dark grounds alike."""

BLUE = "#0072B2"
SKY = "#56B4E9"
YELLOW = "#F0E442"


@dataclass(frozen=True, slots=True)
class Look:
    """How one kind of thing is drawn.

    Attributes:
        colour: The fill.
        hatch: On an area, so that it is told apart in grey; matplotlib's hatch letters.
        sign: On a small cell; empty for none.
    """

    colour: str
    hatch: str = ""
    sign: str = ""


# The colours are those of Okabe and Ito, "Color Universal Design", 2008: they are told apart with
# every kind of colour vision. The grey ones are for what says nothing about an eval. Areas without
# a hatch differ in how light they are, so that they are told apart in grey as well; a hatch is for
# what would be as light as another one.
STATE_LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "passed": Look("#009E73"),
        "failed": Look("#D55E00", "///", "x"),
        "blocked": Look("#E69F00", "", "_"),
        "error": Look("#CC79A7", "xxx", "+"),
        "mixed": Look(YELLOW, "", "|"),
        "cancelled": Look("#7F7F7F", "", "."),
        "running": Look(SKY, "..."),
        "queued": Look("#B6C0C9"),
        "pending": Look("#D0D7DD"),
        "unscored": Look("#EBEEF0"),
    }
)

TRANSITION_LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "regressed": Look("#D55E00", "///"),
        "newly_blocked": Look("#E69F00"),
        "newly_errored": Look("#CC79A7", "xxx"),
        "suspect": Look("#F4B183", "//"),
        "fixed": Look("#009E73"),
        "flaky": Look(YELLOW),
        "incomplete": Look(SKY, "..."),
        "not_comparable": Look("#B6C0C9"),
        "removed": Look("#7F7F7F"),
        "added": Look("#EBEEF0"),
    }
)
"""Of every transition but those in which an eval stayed as it was."""
