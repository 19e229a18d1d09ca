"""The comparison view as a page: shows the state, and does what a person asks for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from retab_analysis._config_changes import fetch_config_changes
from retab_analysis._settle import settle
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.config_changes import Edits
from retab_analysis.errors import RetabAnalysisError
from retab_analysis.markup import Html
from retab_analysis.progress import Progress
from retab_analysis.report import write_report
from retab_analysis.transport import Client
from retab_analysis.widgets.compare import html
from retab_analysis.widgets.compare.state import ROUNDS, CompareState
from retab_analysis.widgets.compare.task import Task
from retab_analysis.widgets.display import Closable, ShownPage
from retab_analysis.widgets.page import Event, HtmlPage

_LABEL = "Comparison of eval runs"


class ComparePage(ShownPage):
    """The page of one view.

    Args:
        view: The view, whose ``close`` removes the page.
        state: What is compared.
        client: What to ask; None for the default one.
        save_values: Whether what stands for the page in a saved notebook holds values.
    """

    def __init__(
        self, view: Closable, state: CompareState, client: Client | None, *, save_values: bool
    ) -> None:
        self._view, self._state, self._client = view, state, client
        self._save_values = save_values
        # Events may come from several threads, and the end of a task does.
        self._lock = threading.RLock()
        self._task: Task | None = None
        self._look = html.CompareLook()
        self._drawn: dict[str, tuple[object, Html]] = {}
        page = HtmlPage(self._render(), self._on_event, label=_LABEL)
        super().__init__(view, page, self._make_still)

    def close(self) -> None:
        """Take the page away; where it was displayed, its last state stays."""
        if self._task is not None:
            self._task.stop()
        super().close()

    def _render(self) -> dict[str, str]:
        return dict(html.render_sections(self._state, self._look))

    def _make_still(self) -> dict[str, str]:
        with self._lock:
            look = replace(self._look, values=self._save_values, live=False)
            still = html.render_still_view(self._state, look, self._page.token)
            return {"text/html": str(still), "text/plain": html.plain_text(self._state)}

    def _draw(self, before: Comparison) -> None:
        """Show what there is now, and keep it at once where something else is compared."""
        state, task = self._state, self._task
        names = [*self._look.plots]
        self._look = replace(
            self._look,
            task=None if task is None else task.state,
            plots={each: self._draw_plot(each) for each in names},
        )
        self._page.show(self._render())
        self._display.keep(now=state.comparison is not before)

    def _draw_plot(self, which: str) -> Html:
        of = (self._state.comparison, self._state.shown)
        known = self._drawn.get(which)
        if known is None or known[0] != of:
            known = self._drawn[which] = of, html.draw_plot(self._state, which)
        return known[1]

    # What a person does

    def _on_event(self, event: Event) -> None:
        act = _ACTIONS.get(event.name)
        if act is None:
            return
        with self._lock:
            before, asking = self._state.comparison, event.name == "ask"
            # Whatever else is done answers the question.
            self._look = replace(self._look, asking=asking)
            act(self, event)
            self._draw(before)

    def _toggle(self, transition: Any) -> None:
        if transition in self._state.counts:
            self._state.show(transition, transition not in self._state.shown)

    def _open_plot(self, which: Any) -> None:
        if which in html.PLOTS:
            plots = {**self._look.plots}
            if plots.pop(which, None) is None:
                plots[which] = Html("")
            self._look = replace(self._look, plots=plots)

    def _choose(self, event: Event) -> None:
        """Compare something else, unless what is compared is being settled."""
        if self._is_busy or not isinstance(event.value, str):
            return
        if event.name == "kind":
            self._state.choose_kind(event.value)
        else:
            self._state.choose_side(**{event.name: event.value})
        self._task = None
        self._change_form(said="")

    # Reports

    def _open_form(self, event: Event) -> None:
        form = html.ReportForm() if self._look.form is None else None
        self._look = replace(self._look, form=form)

    def _change_form(self, **values: Any) -> None:
        if self._look.form is not None:
            self._look = replace(self._look, form=replace(self._look.form, **values))

    def _write(self, event: Event) -> None:
        form = self._look.form
        if form is None:
            return
        try:
            path = Path(form.path.strip()).expanduser()
            write_report(self._state.comparison, path, values=form.values)
        except (RetabAnalysisError, OSError, RuntimeError, ValueError) as error:
            said = f"Not written: {error}"
        else:
            said = f"Written to {path.resolve()}"
        self._change_form(said=said)

    # What takes time

    @property
    def _is_busy(self) -> bool:
        return self._task is not None and self._task.state.is_running

    def _start(self, words: str, work: Callable[[Comparison, Progress], Comparison]) -> None:
        """Do something beside the notebook; what comes of it is compared from then on."""
        if self._is_busy:
            return
        pair, comparison = self._state.pair, self._state.comparison

        def on_change(found: Comparison | None) -> None:
            with self._lock:
                before = self._state.comparison
                if found is not None:
                    self._state.learn(pair, found)
                self._draw(before)

        self._task = Task(words, lambda progress: work(comparison, progress), on_change)
        self._task.start()

    def _settle(self, event: Event) -> None:
        def work(comparison: Comparison, progress: Progress) -> Comparison:
            client = self._client
            return settle(comparison, max_rounds=ROUNDS, client=client, progress=progress)

        self._start("Running evals again", work)

    def _leave(self, event: Event) -> None:
        if self._task is not None:
            self._task.stop()

    def _look_up(self, event: Event) -> None:
        between = self._state.edited_between
        if between is None:
            return

        def work(comparison: Comparison, progress: Progress) -> Comparison:
            sides = comparison.sides
            workflow_id = sides.candidate["workflow_id"].drop_nulls()[0]
            changes = fetch_config_changes(workflow_id, *between, client=self._client)
            return replace(comparison, sides=replace(sides, edits=Edits(changes, *between)))

        self._start("Looking up what was edited", work)


_ACTIONS: dict[str, Callable[[ComparePage, Event], object]] = {
    **dict.fromkeys(("kind", "baseline", "candidate"), ComparePage._choose),
    "chip": lambda page, event: page._toggle(event.value),
    "open": lambda page, event: page._state.choose(event.key),
    "reveal": lambda page, event: page._state.reveal(event.value),
    "step": lambda page, event: page._state.step(int(event.value)),
    "plot": lambda page, event: page._open_plot(event.value),
    "report": ComparePage._open_form,
    "path": lambda page, event: page._change_form(path=str(event.value), said=""),
    "values": lambda page, event: page._change_form(values=event.value is True, said=""),
    "write": ComparePage._write,
    "ask": lambda page, event: None,
    "keep": lambda page, event: None,
    "settle": ComparePage._settle,
    "leave": ComparePage._leave,
    "look_up": ComparePage._look_up,
}
