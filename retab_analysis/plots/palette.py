"""Colours, and the hatches, markers and signs that say the same without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Style = dict[str, Any]
"""Arguments of a matplotlib artist."""

EDGE = "#1a1a1a"
"""Around a coloured area, and for what is drawn on it, on light and dark grounds alike."""

BLUE = "#0072B2"
SKY = "#56B4E9"
NEW = "#D55E00"
"""What is newest; told apart from :data:`QUIET` and :data:`BLUE` by its size and its value, too."""
QUIET = "#9AA5B1"
MUTED = "#7C8794"
"""Of words beside the matter, on light and dark grounds."""


@dataclass(frozen=True, slots=True)
class Look:
    """How one kind of thing is drawn: an area's fill and hatch, and the sign on a small cell."""

    colour: str
    hatch: str = ""
    sign: str = ""


NOT_ENDED = "not ended"
"""What is drawn of evals that run, are queued or pending."""

# The first five differ in how light they are, by a tenth of the way from black to white or more, so
# that they are told apart in grey and with every kind of colour vision. The others, which say
# nothing about an eval, have a sign or a hatch.
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
