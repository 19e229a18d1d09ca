"""FAULTS.md 68: wherever a name or an id is shown, nothing in it turns the text round."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from matplotlib.text import Text
from support.compared import compare_in
from support.fakes import KEY
from support.faultserver import FaultServer, reply
from support.frames import result, results, run, runs
from support.inside import (
    OVERVIEW,
    UNWELL,
    Heading,
    OpenedDocument,
    Overview,
    Periods,
    Seen,
    show_turning,
    tell_news,
)
from support.plotted import figure_of
from support.shown import view_of

import retab_analysis as ra

TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
# A plot of many runs shortens their names, so that little of a longer one would be left.
TURNED = "\u202ex\u2066"


def turned(eval_id: str, state: str, number: int) -> dict[str, Any]:
    """A result in which every name and id holds what would turn it round."""
    names = ("eval_name", "block_id", "path", "workflow_id", "failure_code", "failure_message")
    return result(
        eval_id + TURNED,
        state,
        number,
        **dict.fromkeys((*names, "condition", "status_message"), TURNED),
        document_names=[TURNED],
        workflow_version_id=f"v{number}{TURNED}",
        run_id=f"r{number}{TURNED}",
        expected_value=f'"{TURNED}"',
        actual_value=f'"{number}{TURNED}"',
    )


RESULTS = results(
    *(turned("a", "passed", 1), turned("b", "passed", 1)),
    *(turned("a", "failed", 2), turned("b", "passed", 2)),
)
RUNS = runs(
    *(
        run(
            f"r{number}{TURNED}",
            number,
            workflow_version_id=f"v{number}{TURNED}",
            workflow_id=TURNED,
            eval_id=TURNED if number == 1 else None,
            scope="eval" if number == 1 else "workflow",
            status_message=TURNED,
        )
        for number in (1, 2, 3)
    )
)
COMPARISON = compare_in(RESULTS, f"v1{TURNED}", f"v2{TURNED}")


def comparison_texts() -> Iterator[str]:
    yield from (repr(COMPARISON), COMPARISON.explain())
    for values in (True, False):
        yield from (COMPARISON.to_html(values=values), COMPARISON.to_markdown(values=values))
    gate = COMPARISON.gate()
    yield from (*gate.reasons, *gate.notes)


def report_texts(folder: Path) -> Iterator[str]:
    for name in ("report.md", "report.html"):
        ra.write_report(COMPARISON, folder / name)
        yield (folder / name).read_text(encoding="utf-8")


def view_texts() -> Iterator[str]:
    view = view_of(COMPARISON, RESULTS, save_values=True)
    for eval_id in view.comparison.evals["eval_id"]:
        changes: dict[str, Any] = {"opened": frozenset((eval_id,))}
        told = replace(view.state.look, trouble=TURNED, notes=(TURNED,))
        for more in ({}, {"look": told, "job": TURNED}):
            view._change(view.state.workflow_id, **changes, **more)
            yield from view._repr_mimebundle_().values()
            yield from map(str, view._render().values())
    yield from tell_news(view, set(), values=True)


def plotted_texts(draw: Callable[..., Any], of: Any, **how: Any) -> Iterator[str]:
    figure = figure_of(draw(of, **how))
    figure.canvas.draw()
    yield from (each.get_text() for each in figure.findobj(Text))


def other_texts() -> Iterator[str]:
    document = OpenedDocument(f"https://x/{TURNED}", TURNED, TURNED, (TURNED,))
    yield from (repr(document), document._repr_html_())
    row = dict.fromkeys(OVERVIEW) | {
        "workflow_id": TURNED,
        "name": TURNED,
        "headline": f"✗ {TURNED}",
        "n_evals": 1,
    }
    seen, span = (Seen(row, Heading("✗", "bad", TURNED)),), Periods.until(datetime.now(UTC), "1w")
    overview = Overview(pl.DataFrame([row], schema=OVERVIEW), span, _seen=seen)
    yield from (repr(overview), overview._repr_html_())
    row = dict.fromkeys(UNWELL) | {"eval_name": TURNED, "eval_id": TURNED, "block_id": TURNED}
    evals = pl.DataFrame([row | {"transition": "regressed"}], schema=UNWELL)
    one = Overview(evals, span, overview.frame, _seen=seen)
    yield from (repr(one), one._repr_html_())


def check(texts: Iterator[str]) -> None:
    shown = list(texts)
    assert not [text for text in shown if TURNING.search(text)]
    # What is not there cannot turn anything round either.
    assert [text for text in shown if "U+2066" in text or "U+202E" in text]


@pytest.mark.parametrize("texts", [comparison_texts, view_texts, other_texts])
def test_68_nothing_turns_text_round(texts: Callable[[], Iterator[str]]) -> None:
    check(texts())


def test_68_nothing_turns_a_report_round(tmp_path: Path) -> None:
    check(report_texts(tmp_path))


@pytest.mark.parametrize(
    ("draw", "of", "how"),
    [
        (ra.plot_outcomes, RUNS, {"by": "workflow_version_id"}),
        (ra.plot_pass_rate, RUNS, {"scope": None}),
        (ra.plot_durations, RUNS, {}),
        (ra.plot_verdicts, RESULTS, {}),
        (ra.plot_comparison, COMPARISON, {}),
    ],
)
def test_68_nothing_turns_a_plot_round(draw: Any, of: Any, how: dict[str, Any]) -> None:
    check(plotted_texts(draw, of, **how))


def test_what_turns_nothing_round_stays() -> None:
    arabic = "\u0641\u0627\u062a\u0648\u0631\u0629 \u200e123\u200f"
    assert show_turning(arabic) == arabic


def test_88_what_a_server_says_steers_nothing_in_an_error() -> None:
    said = f"no \x1b[31m\u202eworkflow\u2066\x9b \n{'long' * 100} name"
    with FaultServer([reply(404, {"detail": {"code": "not_found", "message": said}})]) as server:
        client = ra.Client(KEY, server.url)
        with pytest.raises(ra.NotFoundError) as caught:
            ra.fetch_run("run_1", client=client)
    told = str(caught.value)
    assert "no <U+001B>[31m<U+202E>workflow<U+2066><U+009B>" in told
    assert "longlong" in told
    assert max(map(len, told.split())) <= 200
