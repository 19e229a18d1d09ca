"""The object that a comparison gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl
import polars.selectors as cs

from retab_analysis.comparison import render, wording
from retab_analysis.comparison.gate import FAIL_ON, Gate, judge_gate
from retab_analysis.comparison.json_diff import differing_paths
from retab_analysis.comparison.suite_test import judge, summarize
from retab_analysis.errors import ConfigError, RegressionError

_DIFF = pl.Schema(dict.fromkeys(("path", "expected", "baseline", "candidate"), pl.String()))


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Which evals broke between two sides, and whether that is more than noise.

    Attributes:
        evals: One row per eval, what flipped first: ``eval_name, transition, block_id,
            block_changed, reason, document_names, expected_value, baseline_actual,
            candidate_actual, baseline_state, candidate_state, baseline_n, candidate_n,
            baseline_pass_rate, candidate_pass_rate, score_delta, margin_delta,
            duration_delta_ms, eval_id, baseline_run_id, candidate_run_id``. A delta is candidate
            minus baseline; ``margin`` is score minus threshold; of several results, the medians.
        compared: What was compared with what, one sentence.
        alpha: The level of the tests.
        summary: One row: how many evals there are of each transition, ``baseline_pass_rate,
            candidate_pass_rate`` over all decided results, and over the evals that both sides
            decided on the same inputs and that are not flaky: ``n_pairs, n_discordant, delta,
            delta_low, delta_high`` (difference of the passing shares, from -1 to 1),
            ``p_value`` (exact McNemar, two-sided), ``detectable`` (the least share of the pairs
            that would have had to flip to be significant, null where all together would not do).
        verdict: ``no_change``, ``regressed``, ``improved`` or ``inconclusive``: statistics. The
            rule that a build stands or falls by is :meth:`gate`.
    """

    evals: pl.DataFrame
    compared: str
    alpha: float
    summary: pl.DataFrame
    verdict: str

    @classmethod
    def make(cls, evals: pl.DataFrame, compared: str, alpha: float) -> Comparison:
        """Judge the evals of two sides."""
        summary = summarize(evals, alpha)
        return cls(evals, compared, alpha, summary, judge(summary, alpha))

    @property
    def undecided(self) -> pl.DataFrame:
        """The evals to run again, flaky or incomplete: rows of :attr:`evals`."""
        return self.evals.filter(pl.col("transition").is_in(("flaky", "incomplete")))

    def gate(
        self,
        fail_on: str | Iterable[str] = FAIL_ON,
        max_failures: int = 0,
        allow: str | Iterable[str] = (),
        min_pass_rate: float | None = None,
    ) -> Gate:
        """Apply a rule.

        Args:
            fail_on: The transitions that count against the candidate.
            max_failures: How many evals may have them.
            allow: Ids or names of evals that do not count.
            min_pass_rate: The least share of the candidate's decided results that has to pass.

        Returns:
            ``.ok`` and ``.reasons``. Evals that were removed, or added or changed and do not
            pass, are always named in the reasons.

        Raises:
            ConfigError: An argument that cannot be used.
        """
        return judge_gate(
            self.evals,
            self.summary["candidate_pass_rate"][0],
            fail_on=fail_on,
            max_failures=max_failures,
            allow=allow,
            min_pass_rate=min_pass_rate,
        )

    def raise_if_regressed(self, **gate: Any) -> None:
        """Raise if the gate does not hold; takes what :meth:`gate` takes.

        Raises:
            RegressionError: It does not; with ``.comparison`` and ``.reasons``.
            ConfigError: An argument that cannot be used.
        """
        judged = self.gate(**gate)
        if not judged.ok:
            raise RegressionError(" ".join(judged.reasons), comparison=self, reasons=judged.reasons)

    def diff(self, eval_id: str) -> pl.DataFrame:
        """The JSON paths at which an eval's expected, baseline and candidate value differ.

        Args:
            eval_id: The eval.

        Returns:
            ``path, expected, baseline, candidate`` (String): one row per path such as
            ``$.lines[0].price``; what stands there as JSON, numbers as they were written, null
            where nothing does. What is not known at all (an eval without an expected value, a side
            without the eval) takes no part.

        Raises:
            ConfigError: There is no such eval.
        """
        rows = self.evals.filter(pl.col("eval_id") == str(eval_id))
        if rows.is_empty():
            known = ", ".join(self.evals["eval_id"].head(20))
            raise ConfigError(f"no eval {eval_id!r} was compared; there are {known or 'none'}")
        row = rows.row(0, named=True)
        texts = {
            "expected": row["expected_value"],
            "baseline": row["baseline_actual"],
            "candidate": row["candidate_actual"],
        }
        return pl.DataFrame(differing_paths(texts), schema=_DIFF)

    def explain(self) -> str:
        """Three sentences: what was compared, what flipped, and what the numbers say."""
        row = self.summary.row(0, named=True)
        return wording.explain(self.compared, row, self.evals, self.verdict, self.alpha)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain Python values that JSON can hold; with expected and actual values."""
        return {
            "verdict": self.verdict,
            "explanation": self.explain(),
            "alpha": self.alpha,
            "summary": _finite(self.summary).row(0, named=True),
            "evals": _finite(self.evals).to_dicts(),
        }

    def to_markdown(self, *, values: bool = False) -> str:
        """Markdown that reads well on GitHub.

        Args:
            values: Also expected and actual values, which are the customers' data.
        """
        return render.as_markdown(self, values=values)

    def to_html(self, *, values: bool = False) -> str:
        """A piece of HTML with its own style, for light and dark render.

        Args:
            values: Also expected and actual values, which are the customers' data.
        """
        return str(render.as_html(self, values=values))

    def _repr_html_(self) -> str:
        return self.to_html()

    def __repr__(self) -> str:
        return render.as_text(self)


def _finite(frame: pl.DataFrame) -> pl.DataFrame:
    """What is no number is null in JSON."""
    floats = cs.float()
    return frame.with_columns(pl.when(floats.is_finite()).then(floats))
