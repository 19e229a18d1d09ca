"""What a person does on a page, as changes of a state; what a browser sends may be anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from retab_analysis.comparison.comparison import suite_of
from retab_analysis.widgets.state import ViewState

COMPARING = "Comparing …"
_LONGEST = 200  # characters of a search


def apply_event(state: ViewState, name: str, value: object) -> ViewState:
    """The state after an event; the same one where it means nothing."""
    found = _EVENTS.get(name)
    if found is None or not isinstance(value, str | None):
        return state
    return found(state, value or "")


def _open(state: ViewState, eval_id: str) -> ViewState:
    made = state.comparison
    if made is None or all(each.id != eval_id for each in suite_of(made).stories):
        return state
    return replace(state, opened=None if state.opened == eval_id else eval_id, preview=None)


def _show(state: ViewState, word: str) -> ViewState:
    return replace(state, show=state.show ^ {word}) if word else state


def _search(state: ViewState, text: str) -> ViewState:
    return replace(state, search=text[:_LONGEST])


def _clear(state: ViewState, _: str) -> ViewState:
    return replace(state, search="", show=frozenset())


def _fold(state: ViewState, title: str) -> ViewState:
    return replace(state, unfolded=state.unfolded ^ {title}) if title else state


def _ask(state: ViewState, what: str) -> ViewState:
    if what == "cancel":
        return replace(state, asking="cancel")
    return replace(state, asking="settle" if what == "settle" else "")


def _compare(name: str) -> Callable[[ViewState, str], ViewState]:
    def change(state: ViewState, value: str) -> ViewState:
        chosen: str | None = value or None
        is_busy = state.job not in ("", COMPARING)
        if is_busy or getattr(state, name) == chosen or (name == "baseline" and not chosen):
            return state
        changed = {name: chosen}
        return replace(state, job=COMPARING, asking="", **changed)  # type: ignore[arg-type]

    return change


_EVENTS: Mapping[str, Callable[[ViewState, str], ViewState]] = {
    "open": _open,
    "show": _show,
    "search": _search,
    "clear": _clear,
    "fold": _fold,
    "ask": _ask,
    "candidate": _compare("candidate"),
    "baseline": _compare("baseline"),
}
