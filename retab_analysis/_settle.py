"""``settle``: run again what one more result may decide, round by round."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from retab_analysis.arguments import check_count
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.compare import compare_sides
from retab_analysis.comparison.sides import Sides, check_results
from retab_analysis.comparison.transitions import SURE, UNLIKELY
from retab_analysis.comparison.wording import count_noun
from retab_analysis.errors import ConfigError, RetabAnalysisError
from retab_analysis.fetch import fetch_results, start_runs, wait_for_runs
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.progress import Progress, choose_progress
from retab_analysis.transport import Client
from retab_analysis.vocabulary import BLOCK_CODE

_WAIT = 24 * 3600.0


def settle(
    comparison: Comparison,
    *,
    max_rounds: int = 4,
    max_reruns: int | None = None,
    client: Client | None = None,
    progress: Progress | bool | None = None,
) -> Comparison:
    """Run the evals again that one more result may decide, until they are decided.

    In each round every eval that is still undecided is run once, as a run of its own; then
    everything is weighed anew. An eval is decided where the probability that it got worse is at
    least 0.95 or at most 0.05. ``comparison.reruns`` is the plan of the first round, and starts
    nothing. Runs that were started are never cancelled.

    Args:
        comparison: What :func:`check` or :func:`compare` gives. Its candidate has to be the
            workflow as it is now, because that is what runs.
        max_rounds: How many rounds there are at most.
        max_reruns: How many runs are started at most; None for as many as the rounds need.
        client: What to ask; the default one if not given.
        progress: As for :func:`fetch_results`. The bar says how many runs are expected, and how
            many there are at most.

    Returns:
        The comparison with the new results on the candidate's side.

    Raises:
        ConfigError: An argument that cannot be used, or the workflow was edited since the
            candidate ran, so that reruns would say nothing about it; ``.partial`` is the
            comparison so far.
        RetabAnalysisError: A start, the wait or a read failed; ``.partial`` is the comparison with
            all results that came.
        KeyboardInterrupt: After Ctrl-C; ``.partial`` as above. What was started goes on.
    """
    if not isinstance(comparison, Comparison):
        raise ConfigError(
            f"comparison: expected what check or compare gives, got {type(comparison).__name__}"
        )
    rounds = check_count("max_rounds", max_rounds)
    most = None if max_reruns is None else check_count("max_reruns", max_reruns)
    return _Settling(comparison, client_or_default(client), most).run(rounds, progress)


@dataclass
class _Settling:
    """A comparison that is being settled."""

    comparison: Comparison
    client: Client
    most: int | None
    started: int = 0

    def run(self, rounds: int, progress: Progress | bool | None) -> Comparison:
        """Go on until all is decided, or the rounds or the reruns are used up."""
        mean, limit = self._expect(rounds)
        shown = choose_progress(
            progress, f"Running again, about {count_noun(mean, 'time')}", "runs"
        )
        try:
            for _ in range(rounds):
                shown.update(self.started, limit, f"at most {limit}")
                undecided = self._undecided()
                if undecided.is_empty():
                    break
                self._round(undecided)
            shown.update(self.started, limit)
        except (RetabAnalysisError, KeyboardInterrupt) as error:
            error.partial = self.comparison  # type: ignore[union-attr]
            raise
        finally:
            shown.close()
        return self.comparison

    def _expect(self, rounds: int) -> tuple[int, int]:
        """How many runs there will be in the mean, and at most."""
        waiting = self._undecided().height
        limit = waiting * rounds if self.most is None else min(self.most, waiting * rounds)
        return min(round(self.comparison.expect_reruns(rounds)), limit), limit

    def _undecided(self) -> pl.DataFrame:
        """The evals to run again now."""
        p = pl.col("p_regressed")
        open_ = p.is_null() | ((p > UNLIKELY) & (p < SURE))
        waiting = self.comparison.reruns.filter(open_)
        return waiting if self.most is None else waiting.head(max(0, self.most - self.started))

    def _round(self, undecided: pl.DataFrame) -> None:
        """Start a run for each eval, wait for all of them, and weigh everything anew."""
        sides = self.comparison.sides
        workflow_id = _workflow_of(sides)
        try:
            runs = start_runs(workflow_id, eval_ids=undecided["eval_id"], client=self.client)
        except RetabAnalysisError as error:
            # What was started counts; who pressed Ctrl-C does not want to wait for it.
            if error.partial is not None and error.partial.height:
                self._take(error.partial)
            raise
        self._take(runs)

    def _take(self, runs: pl.DataFrame) -> None:
        """Wait for some runs, and add their results to the candidate's side."""
        self.started += runs.height
        ended = wait_for_runs(runs, timeout=_WAIT, client=self.client)
        results = fetch_results(ended, evals=False, client=self.client, progress=False)
        sides = self.comparison.sides
        named = _with_names(results, sides.candidate)
        new = check_results(named, "reruns").collect()
        _check_code(sides.candidate, new)
        more = new.select(sides.candidate.columns)
        reruns = more if sides.reruns is None else pl.concat([sides.reruns, more])
        grown = replace(sides, reruns=reruns)
        self.comparison = compare_sides(grown, self.comparison.alpha, self.comparison.margin)


def _workflow_of(sides: Sides) -> str:
    found = sides.candidate["workflow_id"].drop_nulls().unique()
    if len(found) != 1:
        raise ConfigError("the comparison's results do not say which workflow they are of")
    workflow: str = found.item()
    return workflow


def _with_names(results: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The reruns with the names, paths and conditions that the candidate's results have."""
    columns = ("eval_name", "condition")
    names = known.group_by("eval_id").agg(pl.col(name).drop_nulls().last() for name in columns)
    joined = results.drop(columns).join(names, on="eval_id", how="left")
    return joined.select(results.columns)


def _check_code(candidate: pl.DataFrame, reruns: pl.DataFrame) -> None:
    """Refuse reruns of other code than the candidate's, where both are known."""
    before = candidate.group_by("eval_id").agg(pl.col(BLOCK_CODE).drop_nulls().last().alias("code"))
    both = reruns.join(before, on="eval_id")
    edited = both.filter((pl.col(BLOCK_CODE) != pl.col("code")).fill_null(False))
    if edited.height:
        blocks = ", ".join(edited["block_id"].drop_nulls().unique().sort().head(3))
        raise ConfigError(
            f"the workflow was edited since the candidate ran (block {blocks}): "
            f"{count_noun(edited.height, 'rerun')} ran other code and cannot be counted; check a "
            "run of the workflow as it is now"
        )
