"""Draw every plot in all sizes: of 1, 5 and 40 versions, or of 3, 30 and 300 evals.

One sheet for each plot, in ``docs/gallery/``: 6 × 4 and 10 × 6 inches, light and dark::

    python notebooks/gallery.py
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import polars as pl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from PIL import Image

import retab_analysis as ra
from retab_analysis import plots
from retab_analysis.schema import EDITS, RESULTS, RUNS

OUT = Path(__file__).parent.parent / "docs" / "gallery"
STYLES, FIGURES = ("default", "dark_background"), ((6, 4), (10, 6))
VERSIONS_OF, EVALS_OF = (1, 5, 40), (3, 30, 300)
HEIGHT = 330  # pixels of a figure on its sheet
START = datetime(2026, 5, 18, 9, tzinfo=UTC)
HOSTILE = ["$x_$", "_private", "<b>bold</b>", "$5 and $6", "a\nb", "\\alpha_1^2"]
HOSTILE += ["みどり商事: 通貨", "فاتورة 12", "a\u202eb", "draft_2026_05_18", "draft_2026_05_19"]
BLOCKS = ["extract_lines", "classify", "split_bundle", "extract_header", "check_totals"]


def version(at: int) -> str:
    """A version's id: drafts between published ones, and some hostile names."""
    if at % 3 != 2:
        return f"draft_2026_05_{at:04}"
    return HOSTILE[at % len(HOSTILE)] if at < 12 else f"wfv_0123456789abcdef{at:04}0123456789abcdef"


def run(dice: random.Random, at: int, of: int) -> dict[str, Any]:
    """One run of eighty evals, of five in each version; the newest one still goes on."""
    going = at == of - 1
    status = "running" if going else dice.choice(["completed"] * 8 + ["cancelled"])
    failed, blocked, error = (dice.randrange(n) for n in (12, 4, 3))
    cancelled, left = 60 * (status == "cancelled"), 40 * going
    if cancelled:
        failed = blocked = error = 0
    created = START + timedelta(hours=14 * at)
    queued, duration = dice.lognormvariate(3, 0.6), dice.lognormvariate(5 + at / 200, 0.3)
    return dict.fromkeys(RUNS.schema) | {
        "run_id": f"run_{at:04}_0123456789abcdef0123456789abcdef",
        "status": status,
        "ok": None if going else failed + blocked + error + cancelled == 0,
        "passed": 80 - failed - blocked - error - cancelled - left,
        "failed": failed,
        "blocked": blocked,
        "error": error,
        "cancelled": cancelled,
        "running": left // 4,
        "queued": left // 2,
        "pending": left // 4,
        "total_evals": 80,
        "scope": "workflow",
        "created_at": created,
        "duration_ms": None if going else int(1000 * duration),
        "queue_ms": int(1000 * queued),
        "workflow_version_id": version(at // 5),
        "workflow_id": "wf",
        "is_terminal": not going,
    }


def runs(n: int) -> pl.DataFrame:
    """A RUNS frame of so many versions."""
    dice = random.Random(n)
    return pl.DataFrame([run(dice, at, 5 * n) for at in range(5 * n)], schema=RUNS.schema)


def edits(n: int, blocks: int = 1) -> pl.DataFrame:
    """An EDITS frame: a block was edited for each version; every third one is published."""
    rows = [
        {
            "block_id": f"block_{at % blocks}",
            "block_label": BLOCKS[at % blocks],
            "first_seen_at": START + timedelta(hours=70 * at - 1),
            "last_seen_at": START + timedelta(hours=70 * (at + 1) - 2),
            "config_fingerprint": f"configuration {at}",
            "versions": [at // 3 + 1] if at % 3 == 2 else [],
            "is_draft": at == n - 1,
            "workflow_id": "wf",
            "workflow_name": "Invoices: header, lines & $totals$",
        }
        for at in range(n)
    ]
    return pl.DataFrame([dict.fromkeys(EDITS.schema) | row for row in rows], schema=EDITS.schema)


def result(dice: random.Random, at: int, on: int) -> dict[str, Any]:
    """One eval in one run: each ninth is flaky, some are edited, and some break midway."""
    late = on >= 3 + at % 5
    broken = at % 8 == 1 and late
    state = "failed" if broken or (at % 9 == 2 and dice.random() < 0.25) else "passed"
    state = dice.choice(["blocked", "error", "cancelled", "unscored"]) if at % 23 == 5 else state
    return dict.fromkeys(RESULTS.schema) | {
        "eval_name": HOSTILE[at]
        if at < len(HOSTILE)
        else f"total of invoice {at} from the supplier",
        "eval_id": f"eval_{at:04}",
        "state": state,
        "block_id": f"block_{at % 4}",
        "condition_kind": "equals",
        "expected_value": "2" if at % 16 == 1 and on > 20 else "1",
        "run_id": f"run_{on:04}_0123456789abcdef0123456789abcdef",
        "result_id": f"res_{at}_{on}",
        "workflow_version_id": version(on),
        "workflow_id": "wf",
        "run_created_at": START + timedelta(days=on),
        "handle_inputs_fingerprint": "same",
        "block_execution_fingerprint": f"code {at % 4 == 1 and on > 2}",
    }


def results(evals: int, n: int) -> pl.DataFrame:
    """A RESULTS frame of so many evals and runs."""
    dice = random.Random(evals)
    rows = [result(dice, at, on) for at in range(evals) for on in range(n) if (at + on + 1) % 41]
    return pl.DataFrame(rows, schema=RESULTS.schema)


def comparison(evals: int) -> Any:
    """Nine runs, before the last of which two blocks were edited."""
    dice, rows = random.Random(evals), []
    for at in range(evals):
        block = at % min(len(BLOCKS), 1 + evals // 8)
        for on in range(9):
            is_edited = block in (0, 2) and on == 8
            state = "failed" if dice.random() < (0.3 if is_edited else 0.02) else "passed"
            row = result(dice, at, on) | {"state": state, "block_id": BLOCKS[block]}
            row |= {"expected_value": "1", "workflow_version_id": "v5" if on == 8 else "v4"}
            rows.append(row | {"block_execution_fingerprint": f"code {is_edited}"})
    frame = pl.DataFrame(rows, schema=RESULTS.schema)
    before, now = (pl.col("run_id").str.starts_with(f"run_000{on}") for on in (7, 8))
    return ra.compare(frame.filter(before), frame.filter(now), history=frame)


def labels(n: int) -> tuple[pl.DataFrame, dict[str, Any]]:
    """So many evals of a classifier in ten runs: up to eight labels, and some mistakes."""
    names = ["invoice", "credit_note", "reminder", *HOSTILE[:5]][: 2 ** min(3, len(str(n)))]
    dice, rows = random.Random(n), []
    for at in range(n):
        for on in range(10):
            expected, is_wrong = names[at % len(names)], dice.random() < 0.08
            given = dice.choice(names) if is_wrong else expected
            row = result(dice, at, on) | {"state": "passed" if given == expected else "failed"}
            row |= {"expected_value": json.dumps(expected), "actual_value": json.dumps(given)}
            rows.append(row | {"block_id": "classify_document"})
    return pl.DataFrame(rows, schema=RESULTS.schema), {}


def draw(
    name: str,
    plot: Callable[..., Axes],
    sizes: tuple[int, ...],
    make: Callable[[int], tuple[Any, dict[str, Any]]],
) -> None:
    """A sheet of one plot: how much there is down, figures and styles across."""
    lines = []
    for n in sizes:
        what, how = make(n)
        pictures = [
            _picture(plot, what, how, style, inches) for inches in FIGURES for style in STYLES
        ]
        line = Image.new("RGB", (sum(each.width + 8 for each in pictures), HEIGHT + 8), "#c8c8c8")
        left = 4
        for each in pictures:
            line.paste(each, (left, 4))
            left += each.width + 8
        lines.append(line)
    sheet = Image.new("RGB", (lines[0].width, (HEIGHT + 8) * len(lines)))
    for down, line in enumerate(lines):
        sheet.paste(line, (0, (HEIGHT + 8) * down))
    # It keeps the colour of a single dot.
    sheet.quantize(256, Image.Quantize.MAXCOVERAGE).save(OUT / f"{name}.png", optimize=True)


def _picture(
    plot: Callable[..., Axes], what: Any, how: dict[str, Any], style: str, inches: tuple[int, int]
) -> Image.Image:
    with plt.style.context(style):
        figure = plt.figure(figsize=inches, layout="constrained")
        plot(what, **how, ax=figure.subplots())
        figure.savefig(file := io.BytesIO())
        plt.close(figure)
    picture = Image.open(file).convert("RGB")
    return picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT))


def main() -> None:
    """Draw them all."""
    OUT.mkdir(parents=True, exist_ok=True)
    by_version, weekly = {"by": "version"}, {"every": "1w"}

    def known(n: int, **how: Any) -> tuple[pl.DataFrame, dict[str, Any]]:
        return runs(n), {"edits": edits(n), **how}

    def by_block(n: int) -> tuple[pl.DataFrame, dict[str, Any]]:
        return results(n, 40), {"by": "block_id", "every": "1w", "edits": edits(10, 4)}

    draw("pass_rate", plots.plot_pass_rate, VERSIONS_OF, known)
    draw("pass_rate_over_time", plots.plot_pass_rate, VERSIONS_OF, lambda n: known(n, **weekly))
    draw("pass_rate_by_block", plots.plot_pass_rate, EVALS_OF, by_block)
    draw("outcomes", plots.plot_outcomes, VERSIONS_OF, lambda n: (runs(n), {}))
    draw("outcomes_by_version", plots.plot_outcomes, VERSIONS_OF, lambda n: known(n, **by_version))
    draw("durations", plots.plot_durations, VERSIONS_OF, known)
    draw("durations_over_time", plots.plot_durations, VERSIONS_OF, lambda n: known(n, **weekly))
    draw("verdicts", plots.plot_verdicts, EVALS_OF, lambda n: (results(n, min(n, 40)), {}))
    draw("confusion", plots.plot_confusion, EVALS_OF, labels)
    draw("comparison", plots.plot_comparison, EVALS_OF, lambda n: (comparison(n), {}))


if __name__ == "__main__":
    main()
