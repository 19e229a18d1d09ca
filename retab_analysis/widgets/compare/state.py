"""The state of a comparison that is looked at: what can be compared, and what is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl

from retab_analysis.checks.edits import spans_of
from retab_analysis.checks.settle import RerunPlan
from retab_analysis.comparison import Comparison, compare_versions
from retab_analysis.comparison.compare import compare_sides
from retab_analysis.comparison.comparison import sides_of, with_edits
from retab_analysis.errors import ConfigError
from retab_analysis.markup import count_noun, one_line
from retab_analysis.schema import RESULTS, checked
from retab_analysis.vocabulary import MOMENT
from retab_analysis.widgets.phrases import shorten_version

ROUNDS = 4
"""How often each undecided eval is run again at most."""

SIDE_COLUMNS = {
    "version": "workflow_version_id",
    "run": "run_id",
    "draft": "workflow_draft_fingerprint",
}
"""What can stand on a side, and the column of RESULTS that has it."""


@dataclass(frozen=True, slots=True)
class SideOption:
    """What can be chosen as baseline or candidate, in words, and of how many evals it is."""

    value: str
    words: str
    evals: int


class CompareState:
    """Two sides of one frame of results, and their comparison; ``clock`` is the time of the API."""

    def __init__(
        self,
        results: pl.DataFrame | pl.LazyFrame,
        baseline: str | None = None,
        candidate: str | None = None,
        *,
        alpha: float = 0.05,
        margin: float = 0.05,
    ) -> None:
        self._alpha, self._margin = alpha, margin
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._known: dict[tuple[str, str, str], Comparison] = {}
        # What was asked for, and stays where other results come; None for the newest.
        self._wanted = baseline, candidate
        self._read(results)
        self._compare()

    def take(self, results: pl.DataFrame | pl.LazyFrame) -> None:
        """Compare other results; what was run again or looked up here is not forgotten."""
        self._read(results)
        known, self._known = self._known, {}
        for pair, before in known.items():
            if {*pair[1:]} <= {side.value for side in self.sides.get(pair[0], ())}:
                self._known[pair] = self._add_known(self._compare_pair(pair), before)
        self._compare()

    def _read(self, results: pl.DataFrame | pl.LazyFrame) -> None:
        # What is read here; the comparison itself checks what it needs.
        read = ("eval_id", "state", "run_created_at", "created_at", *SIDE_COLUMNS.values())
        checked(results, RESULTS, read, "results")
        frame = results.lazy().collect()
        sides = find_sides(frame)
        self.kind, self.baseline, self.candidate = choose_sides(frame, sides, *self._wanted)
        self.results, self.sides = frame, sides

    def _add_known(self, comparison: Comparison, before: Comparison) -> Comparison:
        sides, had = sides_of(comparison), sides_of(before)
        again = had.candidate.join(self.results, on="result_id", how="anti")
        candidate = pl.concat([sides.candidate, again], how="diagonal")
        grown = replace(sides, candidate=candidate, started=had.started)
        made = compare_sides(grown, self._alpha, self._margin)
        is_same = spans_of(made).equals(spans_of(before))
        return with_edits(made, had.around.edits if is_same else None)

    @property
    def pair(self) -> tuple[str, str, str]:
        """What is compared: the kind, the baseline, the candidate."""
        return self.kind, self.baseline, self.candidate

    @property
    def same(self) -> bool:
        return self.baseline == self.candidate

    @property
    def can_look_up(self) -> bool:
        """Whether an edit broke something, and nobody has asked yet which."""
        has_asked = sides_of(self.comparison).around.edits is not None
        return not (has_asked or spans_of(self.comparison).is_empty())

    @property
    def plan(self) -> RerunPlan:
        """What it takes to run again what is undecided."""
        return RerunPlan.make(self.comparison, ROUNDS, now=self.clock())

    @property
    def started(self) -> int:
        """How many runs an earlier attempt has started, whose results are not counted yet."""
        before = sides_of(self.comparison).started
        return 0 if before is None else before.height

    def choose_kind(self, kind: str) -> None:
        """Compare by another kind: the newest of that kind which each of the present sides has."""
        if kind == self.kind or kind not in self.sides:
            return
        before, now = (
            self._newest(kind, SIDE_COLUMNS[self.kind], value)
            for value in (self.baseline, self.candidate)
        )
        # One version may have no draft, or two versions the same one.
        if before is None or now is None or before == now:
            now, before = [side.value for side in self.sides[kind]][:2]
        self._choose(kind, before, now)

    def _newest(self, kind: str, column: str, value: str) -> str | None:
        """The newest that a side of another kind has; among whole runs, not one of a few evals."""
        there = set(self.results.filter(pl.col(column) == value)[SIDE_COLUMNS[kind]])
        sides = [side for side in self.sides[kind] if side.value in there]
        most = max((side.evals for side in sides), default=0)
        return next((side.value for side in sides if 2 * side.evals >= most), None)

    def choose_side(self, *, baseline: str | None = None, candidate: str | None = None) -> None:
        """Put something else on a side; what is not offered changes nothing."""
        values = {side.value for side in self.sides[self.kind]}
        before = baseline if baseline in values else self.baseline
        now = candidate if candidate in values else self.candidate
        if (before, now) != (self.baseline, self.candidate):
            self._choose(self.kind, before, now)

    def _choose(self, kind: str, baseline: str, candidate: str) -> None:
        self.kind, self.baseline, self.candidate = kind, baseline, candidate
        self._wanted = baseline, candidate
        self._compare()

    def _compare(self) -> None:
        known = self._known.get(self.pair)
        self.comparison: Comparison = self._compare_pair(self.pair) if known is None else known

    def _compare_pair(self, pair: tuple[str, str, str]) -> Comparison:
        kind, baseline, candidate = pair
        return compare_versions(
            self.results,
            baseline,
            candidate,
            by=SIDE_COLUMNS[kind],
            alpha=self._alpha,
            margin=self._margin,
        )

    def learn(self, pair: tuple[str, str, str], comparison: Comparison) -> None:
        """From now on use a comparison that knows more, wherever this pair is compared."""
        self._known[pair] = comparison
        if pair == self.pair:
            self.comparison = comparison


def find_sides(results: pl.DataFrame) -> dict[str, tuple[SideOption, ...]]:
    """What can be chosen in a RESULTS frame, by kind, the newest first; a kind needs two.

    A version is as old as its first run: a run of an old version that is started again today does
    not make that version new.
    """
    found = {kind: _list_sides(results, kind, column) for kind, column in SIDE_COLUMNS.items()}
    return {kind: sides for kind, sides in found.items() if len(sides) > 1}


def _list_sides(results: pl.DataFrame, kind: str, column: str) -> tuple[SideOption, ...]:
    rows = (
        results.lazy()
        .filter(pl.col(column).is_not_null())
        .group_by(pl.col(column).alias("value"))
        .agg(
            MOMENT.min().alias("moment"),
            pl.col("run_id").n_unique().alias("runs"),
            pl.col("eval_id").n_unique().alias("evals"),
            pl.col("workflow_version_id").drop_nulls().sort().first().alias("version"),
        )
        .sort("moment", "value", descending=True, nulls_last=True)
        .collect()
    )
    sides = []
    for value, moment, runs, evals, version in rows.iter_rows():
        when = "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
        named = shorten_version(one_line(value)) or "(no name)"
        of = "" if version is None else shorten_version(one_line(version))
        parts = [named, when and f"since {when[:10]}", count_noun(runs, "run")]
        if kind == "run":
            parts = [when, of, count_noun(evals, "eval"), named]
        sides.append(SideOption(value, " · ".join(part for part in parts if part), evals))
    return tuple(sides)


def choose_kind(sides: dict[str, tuple[SideOption, ...]], *wanted: str | None) -> str | None:
    """The kind that has all that is wanted on its sides; versions before runs before drafts."""
    for kind, offered in sides.items():
        values = {side.value for side in offered}
        if all(each is None or each in values for each in wanted):
            return kind
    return None


def choose_sides(
    results: pl.DataFrame,
    sides: dict[str, tuple[SideOption, ...]],
    baseline: str | None,
    candidate: str | None,
) -> tuple[str, str, str]:
    """The kind, the baseline and the candidate, each as wanted or else the newest that fits.

    What fits a run is one that has at least half of its evals, if there is one: a run of a single
    eval says nothing about a run of all.
    """
    for name, value in (("baseline", baseline), ("candidate", candidate)):
        if not isinstance(value, str | None):
            raise ConfigError(f"{name} must be a string, got {type(value).__name__}")
    if not sides:
        runs = count_noun(results["run_id"].drop_nulls().n_unique(), "run")
        raise ConfigError(
            f"results must be of at least two runs, or versions, to be compared; they are of {runs}"
        )
    kind = choose_kind(sides, baseline, candidate)
    if kind is None:
        raise _explain_unknown(results, sides, baseline, candidate)
    values = [side.value for side in sides[kind]]
    if candidate is None and baseline is not None:
        newer = values[: values.index(baseline)]
        if not newer:
            raise ConfigError(
                f"baseline={baseline!r} is the newest {kind} of these results; pass it as "
                "candidate=, or pass a candidate, too"
            )
        candidate = _choose_partner(results, kind, baseline, newer)
    if candidate is None:
        candidate = values[0]
    if baseline is None:
        older = values[values.index(candidate) + 1 :]
        if not older:
            raise ConfigError(
                f"candidate={candidate!r} is the oldest {kind} of these results; "
                "pass a baseline, too"
            )
        baseline = _choose_partner(results, kind, candidate, older)
    return kind, baseline, candidate


def _choose_partner(results: pl.DataFrame, kind: str, value: str, offered: Sequence[str]) -> str:
    """The first one offered that fits beside a side."""
    if kind != "run":
        return offered[0]
    # Only a run can be of a few evals: how many of its evals does each other run have?
    evals = results.filter(pl.col("run_id") == value)["eval_id"].unique()
    shared = dict(
        results.filter(pl.col("eval_id").is_in(evals.implode()))
        .group_by("run_id")
        .agg(pl.col("eval_id").n_unique())
        .iter_rows()
    )
    return next((each for each in offered if 2 * shared.get(each, 0) >= len(evals)), offered[0])


def _explain_unknown(
    results: pl.DataFrame,
    sides: dict[str, tuple[SideOption, ...]],
    baseline: str | None,
    candidate: str | None,
) -> ConfigError:
    """The error for what is on no side, or for two that are not of one kind."""
    given = (baseline, candidate)
    wanted = [value for value in given if value is not None]
    only = results["workflow_version_id"].drop_nulls().unique()
    if len(only) == 1 and only[0] in wanted:
        return ConfigError(
            f"these results are of one version only, {only[0]!r}; without baseline and candidate "
            "its two newest runs are compared, or pass the ids of two runs"
        )
    # Of whichever kind the first one is; compare_versions says what there is of that kind.
    kinds = (choose_kind(sides, value) for value in wanted)
    kind = next((found for found in kinds if found), next(iter(sides)))
    known = [side.value for side in sides[kind]]
    pair = [known[0] if value is None else value for value in given]
    try:
        compare_versions(results, pair[0], pair[1], by=SIDE_COLUMNS[kind])
    except ConfigError as error:
        return error
    raise AssertionError("both are there")  # pragma: no cover
