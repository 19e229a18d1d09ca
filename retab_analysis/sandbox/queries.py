"""What can be asked for: runs narrowed by a filter, and the scope of a new run."""

from typing import NamedTuple

from retab_analysis.sandbox.simulation.simulated_runs import Run


class RunFilter(NamedTuple):
    """What the list of runs can be narrowed by; None does not narrow."""

    workflow_id: str | None = None
    eval_id: str | None = None
    target_block_id: str | None = None
    status: str | None = None
    exclude_status: str | None = None
    trigger_type: str | None = None
    from_date: int | None = None
    to_date: int | None = None

    def keeps(self, run: Run, now: int) -> bool:
        """Say whether a run is wanted; the status, which may cost most, comes last."""
        return (
            (self.eval_id is None or run.eval_id == self.eval_id)
            and (self.target_block_id is None or run.block_id == self.target_block_id)
            and (self.trigger_type is None or run.trigger == self.trigger_type)
            and (self.from_date is None or run.created >= self.from_date)
            and (self.to_date is None or run.created <= self.to_date)
            and (self.status is None or run.status(now) == self.status)
            and (self.exclude_status is None or run.status(now) != self.exclude_status)
        )


class Scope(NamedTuple):
    """What a new run covers: one eval, one block, or (both None) the whole workflow."""

    eval_id: str | None = None
    block_id: str | None = None
