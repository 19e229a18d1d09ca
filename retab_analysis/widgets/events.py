"""What a person does on a page, as changes of a state; what a browser sends may be anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from retab_analysis.comparison.comparison import suite_of
from retab_analysis.widgets.state import ViewState

COMPARING = "Comparing …"
_LONGEST = 200  # characters of a search


def apply_event(state: ViewState, name: str, value: object) -> ViewState:
    """The state after an event; the same one where it means nothing."""
    if not isinstance(value, str | None):
        return state
    text, made = value or "", state.comparison
    if name == "search":
        return replace(state, search=text[:_LONGEST])
    if name == "clear":
        return replace(state, search="", show=frozenset())
    if name == "ask":
        asked = {"asking": text if text in ("cancel", "settle") else ""}
        return replace(state, **asked)  # type: ignore[arg-type]
    if name == "candidate" or (name == "baseline" and text):
        chosen: dict[str, Any] = {name: text or None}
        is_other = getattr(state, name) != chosen[name]
        is_free = state.job in ("", COMPARING)
        return replace(state, job=COMPARING, asking="", **chosen) if is_other and is_free else state
    if name == "open" and made is not None and text in {each.id for each in suite_of(made).stories}:
        return replace(state, opened=None if state.opened == text else text, preview=None)
    if name == "show" and text:
        return replace(state, show=state.show ^ {text})
    if name == "fold" and text:
        return replace(state, unfolded=state.unfolded ^ {text})
    return state
