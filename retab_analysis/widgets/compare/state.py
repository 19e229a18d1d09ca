"""The state of a comparison that is looked at: what is compared, what is listed, what is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import polars as pl

from retab_analysis.comparison import Comparison, Gate, compare_versions
from retab_analysis.comparison.render import FLIPPED
from retab_analysis.comparison.sides import check_results
from retab_analysis.comparison.transitions import TRANSITIONS
from retab_analysis.widgets.compare.sides import KINDS, Side, choose_sides, find_sides

# More in one list nobody reads, and a browser draws it slowly; chips make it shorter.
LISTED = 1_000

_SAID = ("path", "failure_message")


class Versus:
    """Two sides of one frame, the evals of some transitions, and one of them.

    Attributes:
        results: The RESULTS frame.
        sides: What can be chosen, by kind, the newest first.
        kind: What is compared: ``version``, ``run`` or ``draft``.
        baseline: The one that was.
        candidate: The one that is.
        comparison: The two, compared.
        shown: The transitions whose evals are listed.
        chosen: The ``eval_id`` that is open; None where nothing is listed.
    """

    def __init__(
        self,
        results: pl.DataFrame | pl.LazyFrame,
        baseline: str | None = None,
        candidate: str | None = None,
        *,
        version_diff: pl.DataFrame | None = None,
        alpha: float = 0.05,
    ) -> None:
        check_results(results, "results", also=tuple(KINDS.values()))
        self.results = results.lazy().collect()
        self.sides = find_sides(self.results)
        self._alpha = alpha
        self.kind, *pair = choose_sides(self.results, self.sides, baseline, candidate)
        self.baseline, self.candidate = pair
        # Between other sides other blocks differ; there the blocks' fingerprints have to say it.
        self._diffs = {(self.kind, *sorted(pair)): version_diff}
        self._compare()

    @property
    def same(self) -> bool:
        """Whether both sides are the same, which says nothing."""
        return self.baseline == self.candidate

    @cached_property
    def gate(self) -> Gate:
        """The gate with its default rule."""
        return self.comparison.gate()

    @property
    def counts(self) -> dict[str, int]:
        """How many evals there are of each transition that occurs, in order."""
        row = self.comparison.summary.row(0, named=True)
        return {each: row[each] for each in TRANSITIONS if row[each]}

    def choose_kind(self, kind: str) -> None:
        """Compare by another kind: the newest of what was compared, as far as there is one."""
        if kind == self.kind or kind not in self.sides:
            return
        before, now = (
            self._newest(kind, KINDS[self.kind], value) for value in (self.baseline, self.candidate)
        )
        values = [side.value for side in self.sides[kind]]
        if before is None or now is None or before == now:
            now, before = values[:2]
        self.kind, self.baseline, self.candidate = kind, before, now
        self._compare()

    def _newest(self, kind: str, column: str, value: str) -> str | None:
        """The newest that a side of another kind has; not a run of a few evals among whole ones."""
        there = set(self.results.filter(pl.col(column) == value)[KINDS[kind]])
        sides = [side for side in self.sides[kind] if side.value in there]
        most = max((side.evals for side in sides), default=0)
        return next((side.value for side in sides if 2 * side.evals >= most), None)

    def choose_side(self, *, baseline: str | None = None, candidate: str | None = None) -> None:
        """Put something else on a side; what is not offered changes nothing."""
        values = {side.value for side in self.sides[self.kind]}
        before = baseline if baseline in values else self.baseline
        now = candidate if candidate in values else self.candidate
        if (before, now) != (self.baseline, self.candidate):
            self.baseline, self.candidate = before, now
            self._compare()

    def side(self, value: str) -> Side:
        """What is known of one that can be chosen."""
        return next(side for side in self.sides[self.kind] if side.value == value)

    def _compare(self) -> None:
        self.comparison: Comparison = compare_versions(
            self.results,
            self.baseline,
            self.candidate,
            by=KINDS[self.kind],
            version_diff=self._diffs.get((self.kind, *sorted((self.baseline, self.candidate)))),
            alpha=self._alpha,
        )
        self.__dict__.pop("gate", None)
        flipped = [each for each in FLIPPED if each in self.counts]
        self.shown = frozenset(flipped or self.counts)
        self.chosen: str | None = None
        self._list()

    def show(self, transition: str, on: bool) -> None:
        """List the evals of a transition, or do not."""
        self.shown = self.shown | {transition} if on else self.shown - {transition}
        self._list()

    def _list(self) -> None:
        """List what is wanted; the eval that was open stays open if it is still there."""
        wanted = pl.col("transition").is_in(sorted(self.shown))
        found = self.comparison.evals.filter(wanted)
        self.hidden = max(found.height - LISTED, 0)
        self.listed: Sequence[Mapping[str, Any]] = found.head(LISTED).to_dicts()
        self._places = {row["eval_id"]: at for at, row in enumerate(self.listed)}
        if self.chosen not in self._places:
            self.chosen = self.listed[0]["eval_id"] if self.listed else None

    @property
    def place(self) -> int | None:
        """Where in the list the open eval is, from 0."""
        return None if self.chosen is None else self._places[self.chosen]

    @property
    def row(self) -> Mapping[str, Any] | None:
        """The open eval, a row of ``comparison.evals``."""
        return None if self.place is None else self.listed[self.place]

    def choose(self, eval_id: str | None) -> None:
        """Open an eval of the list; one that is not in it changes nothing."""
        if eval_id in self._places:
            self.chosen = eval_id

    def step(self, by: int) -> None:
        """Go on in the list, or back; at its ends it stays there."""
        if self.place is not None:
            self.move_to(self.place + by)

    def move_to(self, place: int) -> None:
        """Open the eval at a place of the list, from 0, or the nearest there is."""
        if self.listed:
            self.chosen = self.listed[min(max(place, 0), len(self.listed) - 1)]["eval_id"]

    def told(self, side: str) -> Mapping[str, Any]:
        """What the result that is shown of the open eval says besides, on one side.

        Args:
            side: ``baseline`` or ``candidate``.

        Returns:
            ``path`` and ``failure_message``, each None where there is none.
        """
        nothing = dict.fromkeys(_SAID)
        if self.row is None or self.row[f"{side}_state"] is None:
            return nothing
        run, state = self.row[f"{side}_run_id"], self.row[f"{side}_state"]
        column = KINDS[self.kind]
        found = self.results.filter(
            pl.col("eval_id") == self.row["eval_id"],
            pl.col("run_id").eq_missing(pl.lit(run)),
            pl.col(column) == getattr(self, side),
        )
        # A mixed eval shows a result that did not pass.
        like = pl.col("state") == state if state != "mixed" else pl.col("state") != "passed"
        rows = found.filter(like).select(name for name in _SAID if name in found.columns)
        return nothing | (rows.row(-1, named=True) if rows.height else {})
