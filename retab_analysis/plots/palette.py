"""Colours, and hatches, markers and signs with the same meanings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Style = dict[str, Any]
"""Arguments of a matplotlib artist."""

EDGE = "#1a1a1a"
"""Around and on a coloured area, for light and dark grounds alike."""

BLUE = "#0072B2"
SKY = "#56B4E9"
NEW = "#D55E00"
"""The newest; its size and its lightness also differ from :data:`QUIET` and :data:`BLUE`."""
QUIET = "#9AA5B1"
MUTED = "#7C8794"
"""Of secondary words, on light and dark grounds."""


@dataclass(frozen=True, slots=True)
class Look:
    """The look of one kind: an area's fill and hatch, and the sign on a small cell."""

    colour: str
    hatch: str = ""
    sign: str = ""


NOT_ENDED = "not ended"
"""The look of evals that run, are queued or pending."""

# The first five differ in lightness, by a tenth of the way from black to white or more: they stay
# distinct in grey and with every kind of colour vision. The others, which tell nothing about an
# eval, have a sign or a hatch.
STATE_LOOKS: Mapping[str, Look] = {
    "passed": Look("#36A98D"),
    "failed": Look("#C24A00", "", "x"),
    "blocked": Look("#F2B632", "", "_"),
    "error": Look("#5E2A7E", "", "+"),
    "cancelled": Look("#DCE1E5", "", "."),
    "mixed": Look("#9CCBEA", "", "|"),
    NOT_ENDED: Look("#B6C0C9", "..."),
    "unscored": Look("#EEF0F2", "//"),
}
