"""The plots above a list of runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl

from retab_analysis.markup import Html, tag
from retab_analysis.widgets.common.drawing import as_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHOICES = ("Pass rate and outcomes", "Durations", "Timeline", "None")
_VERSION = "workflow_version_id"
_VERSIONS = 12
_LATEST = 30
_HALF, _WHOLE = 5.2, 10.6


def plots(runs: pl.DataFrame, which: str) -> Html:
    """Draw some runs: their newest versions, or the newest of them.

    Args:
        runs: A RUNS frame.
        which: One of :data:`CHOICES`.
    """
    draw = {"Timeline": _timeline, "Durations": _durations, "None": _nothing}
    return tag("div", *draw.get(which, _versions)(runs), class_="ra-plots")


def _versions(runs: pl.DataFrame) -> list[Html]:
    from retab_analysis.plots import plot_outcomes, plot_pass_rate

    recent, words = _newest_versions(runs)
    return [
        _drawn(lambda ax: plot_pass_rate(recent, scope=None, ax=ax), f"Pass rate{words}", _HALF),
        _drawn(lambda ax: plot_outcomes(recent, by=_VERSION, ax=ax), f"Outcomes{words}", _HALF),
    ]


def _durations(runs: pl.DataFrame) -> list[Html]:
    from retab_analysis.plots import plot_durations

    recent, words = _newest_versions(runs)
    return [_drawn(lambda ax: plot_durations(recent, ax=ax), f"Durations{words}", _WHOLE)]


def _timeline(runs: pl.DataFrame) -> list[Html]:
    from retab_analysis.plots import plot_timeline

    newest = runs.sort("created_at", descending=True, nulls_last=True).head(_LATEST)
    words = f"The newest {newest.height} runs" if newest.height < runs.height else "Runs"
    return [_drawn(lambda ax: plot_timeline(newest, ax=ax), f"{words} in time", _WHOLE)]


def _nothing(_: pl.DataFrame) -> list[Html]:
    return []


def _newest_versions(runs: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """The runs of the newest versions, and which these are in words."""
    newest = runs.group_by(_VERSION).agg(pl.col("created_at").max())
    versions = newest.sort("created_at", _VERSION, descending=True, nulls_last=True)[_VERSION]
    if len(versions) <= _VERSIONS:
        return runs, " by version"
    kept = versions.head(_VERSIONS).implode()
    shown = runs.filter(pl.col(_VERSION).is_in(kept, nulls_equal=True))
    return shown, f" of the newest {_VERSIONS} of {len(versions)} versions"


def _drawn(draw: Callable[[Axes], object], title: str, width: float) -> Html:
    picture = as_svg(draw, label=title, width=width, height=3.4)
    return tag("figure", tag("figcaption", title), picture)
