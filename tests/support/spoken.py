"""All that the doors say of many situations, one text a line, as a process with other words asks.

``python -m support.spoken``, with ``tests`` and the package on the path.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib.pyplot as plt
from comparison.cases import of_every_transition
from matplotlib.text import Text

import retab_analysis as ra
from support.edited import TABLE
from support.inside import Session, main

_UNSEEN = re.compile(r"<(style|script)\b.*?</\1>|<[^>]+>", re.DOTALL)
FLOW = "wf_invoices"


def seen(html: str) -> str:
    return _UNSEEN.sub(" ", html)


def of_verdict(made: ra.Comparison) -> Iterator[str]:
    gate = made.gate()
    yield from (repr(made), made.headline, made.explain(), made.to_markdown(), str(made.next_step))
    yield seen(made.to_html(values=True))
    yield from (repr(gate), *gate.reasons, *gate.notes, *map(made.explain, made.evals["eval_id"]))


def of_sandbox(folder: Path) -> Iterator[str]:
    with ra.Sandbox(speed=10_000) as sandbox, ra.Client(**sandbox.credentials) as client:
        ask: dict[str, Any] = {"client": client, "progress": False}
        verdict = ra.check(FLOW, **ask)
        yield from of_verdict(verdict)
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            yield repr(ra.settle(verdict, max_reruns=3, client=client))
        yield said.getvalue()
        for shown in (ra.overview(**ask), ra.overview(FLOW, every="1w", **ask)):
            yield from (repr(shown), shown.headline, seen(shown._repr_html_()))
        tries = ra.tries(FLOW, "extract_lines", **ask)
        yield from (repr(tries), seen(tries._repr_html_()))
        with ra.explore(FLOW, client=client) as view:
            yield repr(view)
        results = ra.fetch_results(ra.fetch_runs(FLOW, limit=20, **ask), **ask)
        for axes in (ra.plot_verdicts(results), ra.plot_comparison(verdict)):
            yield from (each.get_text() for each in axes.figure.findobj(Text))
            plt.close(axes.figure)
        junit = folder / "junit.xml"
        for line in (["check", FLOW, "--junit", str(junit)], ["report", "--all", "--markdown"]):
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main(line, Session(client))
            yield from (out.getvalue(), err.getvalue())
        yield junit.read_text("utf-8")


def speak() -> Iterator[str]:
    # Every sixth row, because its neighbours have the same sentences.
    for row in [*TABLE.values()][::6]:
        with row.make() as api:
            yield from of_verdict(api.check(**row.asks))
    for own_past in (True, False):
        yield from of_verdict(of_every_transition(own_past=own_past))
    with TemporaryDirectory() as folder:
        yield from of_sandbox(Path(folder))


if __name__ == "__main__":
    for text in speak():
        sys.stdout.write(f"{' '.join(text.split())}\n")
