"""The live view as a page: shows the state, and does what its buttons say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from retab_analysis.widgets.display import Closable, ShownPage
from retab_analysis.widgets.live import html
from retab_analysis.widgets.live.state import LiveState
from retab_analysis.widgets.page import Event, HtmlPage

_LABEL = "Live view of eval runs"


@dataclass(frozen=True, slots=True)
class Actions:
    """What the buttons do; ``cancel`` is None where that is not offered."""

    stop: Callable[[], None]
    refresh: Callable[[], None]
    cancel: Callable[[], None] | None
    code: Callable[[], str]


class LivePage(ShownPage):
    """The page of one view. The number of its sections does not depend on the number of runs.

    Args:
        view: The view, whose ``close`` removes the page.
        state: What is shown first.
        actions: What the buttons do.
        compact: Show one line and one bar, without lists and buttons.
        save_values: Whether what stands for the page in a saved notebook holds values.
    """

    def __init__(
        self,
        view: Closable,
        state: LiveState,
        actions: Actions,
        *,
        compact: bool = False,
        save_values: bool = False,
    ) -> None:
        self._state, self._actions = state, actions
        self._compact, self._save_values = compact, save_values
        self._look = html.LiveLook(can_cancel=actions.cancel is not None)
        page = HtmlPage(self._render(), self._on_event, label=_LABEL)
        super().__init__(view, page, self._make_still)

    def draw(self, state: LiveState) -> None:
        """Show a state; what has not changed is not sent."""
        has_begun = bool(state.runs) and not self._state.runs
        self._state = state
        self._page.show(self._render())
        # What was saved first may say nothing yet; what is saved last stays.
        self._display.keep(now=has_begun or state.phase != "watching")

    def flush(self) -> None:
        """Send everything again from the cell that runs, so that who executes it stores it."""
        self._page.flush()
        self._display.keep(now=True)

    def _render(self) -> dict[str, Any]:
        if self._compact:
            return dict(html.render_brief_sections(self._state))
        look = replace(self._look, code=self._actions.code())
        return dict(html.render_sections(self._state, look))

    def _make_still(self) -> dict[str, str]:
        return make_still(
            self._state,
            compact=self._compact,
            values=self._save_values,
            code=self._actions.code(),
            token=self._page.token,
        )

    def _on_event(self, event: Event) -> None:
        if event.name == "stop":
            self._actions.stop()
        elif event.name == "refresh":
            self._actions.refresh()
        elif event.name == "cancel" and self._actions.cancel is not None:
            self._actions.cancel()
        if event.name == "show":
            limit = None if self._look.limit else html.SHOWN_EVALS
            self._look = replace(self._look, limit=limit)
        # Whatever else is done answers the question.
        self._look = replace(self._look, asking=event.name == "ask")
        self._page.show(self._render())


def make_still(
    state: LiveState, *, compact: bool, values: bool, code: str, token: str | None = None
) -> dict[str, str]:
    """The view as HTML and as text, for where nothing drives it.

    Args:
        state: What is shown.
        compact: Whether it is one line.
        values: Whether expected and actual values are in it, and messages that may quote them.
        code: The lines that fetch the results.
        token: The token of the page that it stands for, or None.
    """
    if compact:
        line = html.describe_briefly(state)
        return {"text/html": html.render_still_line(state, token), "text/plain": line}
    look = html.LiveLook(values=values, limit=None, code=code)
    return {
        "text/html": str(html.render_still_view(state, look, token)),
        "text/plain": html.plain_text(state, values=values),
    }
