"""The past: a workflow's events made into runs that have ended, one after the other."""

from collections.abc import Iterable, Iterator

from retab_analysis.sandbox.catalog.specs import Event
from retab_analysis.sandbox.instants import DAY, MILLI, MINUTE, SECOND
from retab_analysis.sandbox.simulation.planning import Circumstances, Luck, active_evals, make_plan
from retab_analysis.sandbox.simulation.simulated_runs import SimulatedRun
from retab_analysis.sandbox.world.model import Crash, Plan, SavedEval, Version, Workflow
from retab_analysis.sandbox.world.seeding import Dice

# Within so many whole-workflow runs a flaky eval fails exactly in proportion to its rate, so that
# the story does not depend on the seed's luck.
_WINDOW = 10


def past_runs(
    workflows: Iterable[tuple[Workflow, tuple[Event, ...]]], seed: int, anchor: int
) -> list[SimulatedRun]:
    """Make all runs of the past, in the order of their creation."""
    planned: list[tuple[Event, Plan]] = []
    for workflow, events in workflows:
        planned += _plans(workflow, events, seed, anchor)
    planned.sort(key=lambda pair: (pair[1].created, pair[1].id))
    free = 0
    runs = []
    for event, plan in planned:
        run, free = _played(event, plan, free, Dice(seed, "queue", plan.id))
        runs.append(run)
    return runs


def _plans(
    workflow: Workflow, events: tuple[Event, ...], seed: int, anchor: int
) -> Iterator[tuple[Event, Plan]]:
    ordered = sorted(events, key=lambda event: (event.day, event.minute))
    wholes = [event for event in ordered if event.block is None and event.only is None]
    unlucky = _unlucky_runs(workflow, wholes, seed)
    whole = -1
    for number, event in enumerate(ordered):
        dice = Dice(seed, "event", workflow.id, number)
        created = anchor + event.day * DAY + event.minute * MINUTE + dice.between(0, 40 * SECOND)
        luck: Luck | None = None
        if event.block is None and event.only is None:
            whole += 1
            luck = _luck(unlucky, whole)
        yield event, _plan(workflow, event, created, luck, seed, number, anchor)


def _luck(unlucky: dict[str, set[int]], whole: int) -> Luck:
    return lambda saved: whole in unlucky.get(saved.key, ())


def _unlucky_runs(workflow: Workflow, wholes: list[Event], seed: int) -> dict[str, set[int]]:
    """Choose the whole-workflow runs in which each flaky eval fails."""
    unlucky: dict[str, set[int]] = {}
    for saved in workflow.evals:
        rate = _flip_rate(saved)
        if rate is None:
            continue
        dice = Dice(seed, "flaky", saved.key)
        chosen = unlucky.setdefault(saved.key, set())
        # Counted from the end, so that the newest runs fill whole windows.
        for end in range(len(wholes), 0, -_WINDOW):
            window = range(max(0, end - _WINDOW), end)
            free = [i for i in window if not wholes[i].tags]
            chosen.update(dice.sample(free, round(rate * len(window))))
    return unlucky


def _flip_rate(saved: SavedEval) -> float | None:
    troubles = saved.assertions[-1].troubles
    return next((trouble.rate for trouble in troubles if trouble.rate < 1), None)


def _plan(
    workflow: Workflow,
    event: Event,
    created: int,
    luck: Luck | None,
    seed: int,
    number: int,
    anchor: int,
) -> Plan:
    version = _version_at(workflow, created)
    chosen = _chosen(workflow, event, version, created)
    scoped = chosen[0] if event.only else None
    vintage = _vintage(anchor - created)
    if vintage < 2:
        # Those records have milliseconds only, and filters go by what the record says.
        created -= created % MILLI
    calm = "quiet" in event.tags or "final" in event.tags
    return make_plan(
        workflow,
        version,
        chosen,
        created,
        event.trigger,
        seed,
        number,
        Circumstances(event.tags, luck, mishaps=not calm and event.only is None),
        eval_id=scoped.id if scoped else None,
        block_id=scoped.block.id if scoped else event.block,
        crash=_crash(event, len(chosen)),
        vintage=vintage,
        reason=event.note if event.end in ("cancelled", "withdrawn") else None,
    )


def _vintage(age: int) -> int:
    return 0 if age > 130 * DAY else 1 if age > 118 * DAY else 2


def _version_at(workflow: Workflow, instant: int) -> Version:
    return next(v for v in reversed(workflow.versions) if v.at <= instant)


def _chosen(workflow: Workflow, event: Event, version: Version, created: int) -> list[SavedEval]:
    evals = active_evals(workflow, version, created)
    if event.block is not None:
        return [saved for saved in evals if saved.block.id == event.block]
    if event.only is None:
        return evals
    named = [saved for saved in evals if saved.key.split("/")[0] == event.only]
    failing = [
        saved
        for saved in evals
        if any(trouble.when == event.only for trouble in saved.assertions[-1].troubles)
    ]
    return (failing or named)[:1]


def _crash(event: Event, size: int) -> Crash | None:
    if event.end != "error":
        return None
    details = None if event.details is None else dict(event.details)
    return Crash(min(size - 1, size // 3), {"message": event.note, "details": details})


def _played(event: Event, plan: Plan, free: int, dice: Dice) -> tuple[SimulatedRun, int]:
    """Run a plan to its end on the serial queue; give the run and when the queue is free again."""
    run = SimulatedRun(plan)
    if event.end == "withdrawn":
        run.cancelled = run.ready + dice.between(20, 90) * SECOND
        return run, free
    path = run.begin(max(run.ready + _wait(event, dice), free))
    if event.end == "cancelled":
        run.cancelled = path.start + round((path.end - path.start) * (0.3 + 0.3 * dice.random()))
    return run, run.cancelled or path.end


def _wait(event: Event, dice: Dice) -> int:
    """Draw how long other people's runs are in the way, in microseconds."""
    kind = dice.random()
    if kind < 0.8 or event.tags:
        return dice.between(60, 2_500) * MILLI
    if kind < 0.95:
        return dice.between(20_000, 200_000) * MILLI
    return dice.between(300_000, 1_400_000) * MILLI
