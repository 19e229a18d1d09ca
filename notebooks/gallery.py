"""Draw every plot of 1, 3, 20 and 200 versions or evals, light, dark and in talk size.

One sheet for each plot, in ``docs/gallery/``::

    python notebooks/gallery.py
"""

from __future__ import annotations

import io
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
from retab_analysis.schema import RESULTS, RUNS, VERSIONS

OUT = Path(__file__).parent.parent / "docs" / "gallery"
STYLES = ("default", "dark_background", "seaborn-v0_8-talk")
SIZES = (1, 3, 20, 200)
WIDTH, HEIGHT = 640, 440  # pixels of a figure on its sheet
START = datetime(2026, 5, 18, 9, tzinfo=UTC)
HOSTILE = ["$x_$", "_private", "<b>bold</b>", "$5 and $6", "a\nb", "\\alpha_1^2"]
HOSTILE += ["みどり商事: 通貨", "فاتورة 12", "a\u202eb", "draft_2026_05_18", "draft_2026_05_19"]


def version(at: int) -> str:
    """A version's id: drafts between published ones, and some hostile names."""
    if at % 3 != 2:
        return f"draft_2026_05_{at:04}"
    return HOSTILE[at % len(HOSTILE)] if at < 12 else f"wfv_0123456789abcdef{at:04}0123456789abcdef"


def run(dice: random.Random, at: int, of: int) -> dict[str, Any]:
    """One run of up to eighty evals; the newest one still goes on."""
    failed, blocked, error, cancelled = (dice.randrange(n) for n in (12, 4, 3, 2))
    going = at == of - 1
    left = 40 if going else 0
    created = START + timedelta(hours=7 * at)
    started = created + timedelta(seconds=dice.randrange(1, 900))
    duration = dice.randrange(60, 1800)
    passed = 80 - failed - blocked - error - cancelled - left
    status = "running" if going else dice.choice(["completed"] * 8 + ["error", "cancelled"])
    return dict.fromkeys(RUNS.schema) | {
        "run_id": f"run_{at:04}_0123456789abcdef0123456789abcdef",
        "status": status,
        "ok": None if going else failed + blocked + error + cancelled == 0,
        "passed": passed,
        "failed": failed,
        "blocked": blocked,
        "error": error,
        "cancelled": cancelled,
        "running": left // 4,
        "queued": left // 2,
        "pending": left // 4,
        "total_evals": 80,
        "scope": "eval" if at % 5 == 3 else "workflow",
        "created_at": created,
        "started_at": started,
        "completed_at": None if going else started + timedelta(seconds=duration),
        "duration_ms": None if going else 1000 * duration,
        "queue_ms": int((started - created).total_seconds() * 1000),
        "workflow_version_id": version(at),
        "is_terminal": not going,
    }


def runs(n: int) -> pl.DataFrame:
    """A RUNS frame."""
    dice = random.Random(n)
    return pl.DataFrame([run(dice, at, n) for at in range(n)], schema=RUNS.schema)


def versions(n: int) -> pl.DataFrame:
    """A VERSIONS frame of every third version."""
    rows = [
        {
            "workflow_version_id": version(at),
            "version": at // 3 + 1,
            "description": f"Totals are rounded to {at} digits, and names are kept as printed",
            "published_at": START + timedelta(hours=7 * at),
            "is_current": at == n - 1,
            "workflow_id": "wf",
        }
        for at in range(2, n, 3)
    ]
    return pl.DataFrame(rows, schema=VERSIONS.schema)


def repeated(frame: pl.DataFrame) -> pl.DataFrame:
    """Each run five times, each time longer."""
    factors = (0.7, 0.9, 1.0, 1.2, 1.9)
    copies = (
        frame.with_columns(
            (pl.col("duration_ms", "queue_ms") * factor).cast(pl.Int64),
            pl.col("run_id") + f"_{factor}",
        )
        for factor in factors
    )
    return pl.concat(copies)


def result(dice: random.Random, at: int, on: int) -> dict[str, Any]:
    """One eval in one run: each seventh is flaky, each fifth is edited or breaks midway."""
    late = on >= 3 + at % 5
    broken = at % 5 == 1 and late
    state = "failed" if broken or (at % 7 == 2 and dice.random() < 0.4) else "passed"
    state = dice.choice(["blocked", "error", "cancelled", "unscored"]) if at % 11 == 5 else state
    return dict.fromkeys(RESULTS.schema) | {
        "eval_name": HOSTILE[at]
        if at < len(HOSTILE)
        else f"total of invoice {at} from the supplier",
        "eval_id": f"eval_{at:04}",
        "state": state,
        "block_id": f"block_{at % 4}",
        "condition_kind": "equals",
        "expected_value": "2" if at % 5 == 3 and late else "1",
        "run_id": f"run_{on:04}_0123456789abcdef0123456789abcdef",
        "result_id": f"res_{at}_{on}",
        "workflow_version_id": version(on),
        "run_created_at": START + timedelta(hours=on),
        "handle_inputs_fingerprint": "same",
        "block_execution_fingerprint": f"code {at % 4 == 1 and on > 2}",
    }


def results(evals: int, n: int) -> pl.DataFrame:
    """A RESULTS frame of so many evals and runs."""
    dice = random.Random(evals)
    rows = [result(dice, at, on) for at in range(evals) for on in range(n) if (at + on + 1) % 17]
    return pl.DataFrame(rows, schema=RESULTS.schema)


def comparison(blocks: int) -> Any:
    """Two runs in which a bit of everything happens, over some blocks."""
    dice, rows = random.Random(blocks), []
    for at in range(9 * blocks):
        block, kind = f"block_{at % blocks}", dice.randrange(12 if at % blocks else 40)
        last = {0: "failed", 1: "blocked", 2: "error", 3: "cancelled"}.get(kind, "passed")
        first = "failed" if kind == 4 else "passed"
        for on, state in ((1, first), (9, last)):
            row = result(dice, at, on) | {"state": state, "block_id": block, "expected_value": "1"}
            code = f"code {on if at % 2 else 0}"
            rows.append(row | {"block_execution_fingerprint": code})
            if kind == 5:
                rows[-1]["handle_inputs_fingerprint"] = f"inputs {on}"
        if kind == 6:
            rows.pop()
    frame = pl.DataFrame(rows, schema=RESULTS.schema)
    first_run, last_run = (pl.col("run_id").str.starts_with(f"run_000{on}") for on in (1, 9))
    return ra.compare(frame.filter(first_run), frame.filter(last_run))


def draw(
    name: str, plot: Callable[..., Axes], make: Callable[[int], tuple[Any, dict[str, Any]]]
) -> None:
    """A sheet of one plot: the sizes down, the styles across."""
    sheet = Image.new("RGB", (WIDTH * len(STYLES), HEIGHT * len(SIZES)), "#c8c8c8")
    for down, n in enumerate(SIZES):
        what, how = make(n)
        for across, style in enumerate(STYLES):
            with plt.style.context(style):
                figure = plot(what, **how).get_figure(root=True)
                assert figure is not None
                figure.savefig(file := io.BytesIO())
                plt.close(figure)
            picture = Image.open(file).convert("RGB")
            picture.thumbnail((WIDTH - 8, HEIGHT - 8))
            sheet.paste(picture, (WIDTH * across + 4, HEIGHT * down + 4))
    sheet.quantize(128).save(OUT / f"{name}.png", optimize=True)


def main() -> None:
    """Draw them all, or those whose names are given."""
    OUT.mkdir(parents=True, exist_ok=True)
    draw("pass_rate", plots.plot_pass_rate, lambda n: (runs(n), {"versions": versions(n)}))
    draw(
        "pass_rate_over_time",
        plots.plot_pass_rate,
        lambda n: (runs(n), {"every": "1d", "versions": versions(n)}),
    )
    draw("outcomes", plots.plot_outcomes, lambda n: (runs(n), {}))
    shares = {"by": "workflow_version_id"}
    draw("outcomes_by_version", plots.plot_outcomes, lambda n: (runs(n), shares))
    draw(
        "durations", plots.plot_durations, lambda n: (repeated(runs(n)), {"versions": versions(n)})
    )
    draw("verdicts", plots.plot_verdicts, lambda n: (results(n, min(n, 40)), {}))
    draw("comparison", plots.plot_comparison, lambda n: (comparison(n), {}))


if __name__ == "__main__":
    main()
