"""What every eval came to in every run, as arrays of counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Counts = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeTable:
    """Passes and outcomes of evals (rows) in runs (columns); runs are before or after a change.

    Attributes:
        passes: How often each eval passed in each run.
        outcomes: Of how many decided outcomes; 0 where the run has none of this eval.
        is_after: For each run, whether it is on the candidate's side.
    """

    passes: Counts
    outcomes: Counts
    is_after: Flags

    @classmethod
    def from_arrays(
        cls, passes: ArrayLike, outcomes: ArrayLike, is_after: ArrayLike
    ) -> OutcomeTable:
        """Check counts, and take them as whole numbers.

        Raises:
            ValueError: The shapes do not fit together, or more passes than outcomes.
        """
        import numpy as np

        after = np.asarray(is_after, dtype=bool)
        total = np.asarray(outcomes, dtype=np.int64)
        passed = np.asarray(passes, dtype=np.int64)
        if passed.size == total.size == 0:
            passed = total = np.zeros((0, len(after)), dtype=np.int64)
        if passed.shape != total.shape or total.shape[1:] != after.shape:
            raise ValueError(f"shapes {passed.shape}, {total.shape} and {after.shape} do not fit")
        if ((passed < 0) | (passed > total)).any():
            raise ValueError("an eval must pass from 0 times to as often as it has outcomes")
        return cls(passed, total, after)

    @classmethod
    def from_rows(
        cls, rows: Iterable[tuple[str, str, bool, int, int]]
    ) -> tuple[list[str], OutcomeTable]:
        """Arrange rows of (eval, run, is after, passes, outcomes); equal keys are added up.

        Returns:
            The evals in the order of the table's rows, and the table, both sorted by id.

        Example:
            >>> evals, table = OutcomeTable.from_rows(
            ...     [("e1", "r1", False, 1, 1), ("e1", "r2", True, 0, 1), ("e2", "r2", True, 1, 1)]
            ... )
            >>> evals, table.outcomes.tolist()
            (['e1', 'e2'], [[1, 1], [0, 1]])
        """
        import numpy as np

        rows = list(rows)
        evals = sorted({row[0] for row in rows})
        columns = sorted({(row[2], row[1]) for row in rows})
        row_of = {name: at for at, name in enumerate(evals)}
        column_of = {key: at for at, key in enumerate(columns)}
        place = [
            np.array([row_of[row[0]] for row in rows], dtype=np.intp),
            np.array([column_of[row[2], row[1]] for row in rows], dtype=np.intp),
        ]
        counts = np.zeros((2, len(evals), len(columns)), dtype=np.int64)
        for at in (0, 1):
            np.add.at(counts[at], tuple(place), [row[3 + at] for row in rows])
        return evals, cls.from_arrays(counts[0], counts[1], [key[0] for key in columns])

    def comparable(self) -> Flags:
        """For each eval, whether it has an outcome on both sides."""
        before, after = self.side(False), self.side(True)
        return (before[1] > 0) & (after[1] > 0)

    def side(self, after: bool) -> tuple[Counts, Counts]:
        """The passes and the outcomes of each eval on one side."""
        columns = self.is_after == after
        return self.passes[:, columns].sum(axis=1), self.outcomes[:, columns].sum(axis=1)

    def differences(self) -> Floats:
        """For each eval its pass rate after minus its pass rate before."""
        before, after = self.side(False), self.side(True)
        return after[0] / after[1] - before[0] / before[1]

    def take(self, rows: NDArray[np.bool_ | np.signedinteger]) -> OutcomeTable:
        """The table of some of the evals."""
        return OutcomeTable(self.passes[rows], self.outcomes[rows], self.is_after)
