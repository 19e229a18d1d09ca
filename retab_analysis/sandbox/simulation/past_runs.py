"""The past of a world: runs that have ended, one after the other."""

from collections.abc import Iterator

from retab_analysis.sandbox.instants import MILLI, SECOND
from retab_analysis.sandbox.simulation.planning import Circumstances, active_evals, make_plan
from retab_analysis.sandbox.simulation.simulated_runs import SimulatedRun
from retab_analysis.sandbox.world.model import Crash, PastRun, Plan, SavedEval, Workflow, World
from retab_analysis.sandbox.world.seeding import SeededRandom

# Among so many whole-workflow runs a flaky eval fails exactly in proportion to its rate: the story
# does not depend on the seed's luck. One that fails in fewer than one of ten runs has a longer
# window, in which it fails once.
_FLAKY_WINDOW = 10


def past_runs(world: World) -> list[SimulatedRun]:
    planned = [pair for workflow in world.workflows for pair in _plans(workflow, world.seed)]
    planned.sort(key=lambda pair: (pair[1].created, pair[1].id))
    free = 0
    runs = []
    for past, plan in planned:
        chance = SeededRandom(world.seed, "queue", plan.id)
        run = SimulatedRun(plan)
        runs.append(run)
        if past.end == "withdrawn":
            run.cancelled = run.ready + chance.integer(20, 90) * SECOND
            continue
        timetable = run.begin(max(run.ready + _wait(past, chance), free))
        if past.end == "cancelled":
            length = timetable.end - timetable.start
            run.cancelled = timetable.start + round(length * (0.3 + 0.3 * chance.random()))
        free = run.cancelled or timetable.end
    return runs


def _plans(workflow: Workflow, seed: int) -> Iterator[tuple[PastRun, Plan]]:
    failures = _flaky_failures(workflow, seed)
    whole_runs = 0
    for number, past in enumerate(workflow.past_runs):
        chance = SeededRandom(seed, "event", workflow.id, number)
        created = past.at + chance.integer(0, 40 * SECOND)
        version = next(each for each in reversed(workflow.versions) if each.at <= created)
        evals = _chosen(active_evals(workflow, version, created), past)
        single = evals[0] if past.only else None
        flaky_fails = None
        if past.is_whole:
            flaky_fails = frozenset(key for key, fails in failures.items() if whole_runs in fails)
            whole_runs += 1
        mishaps = not past.quiet and past.only is None
        circumstances = Circumstances(past.incidents, flaky_fails, mishaps)
        crash = None
        if past.end == "error":
            details = None if past.details is None else dict(past.details)
            after = min(len(evals) - 1, len(evals) // 3)
            crash = Crash(after, {"message": past.note, "details": details})
        plan = make_plan(
            *(workflow, version, evals, created, past.trigger, seed, number, circumstances),
            eval_id=single.id if single else None,
            block_id=single.block.id if single else past.block,
            crash=crash,
            reason=past.note if past.end in ("cancelled", "withdrawn") else None,
        )
        yield past, plan


def _flaky_failures(workflow: Workflow, seed: int) -> dict[str, set[int]]:
    whole_runs = [past for past in workflow.past_runs if past.is_whole]
    failures: dict[str, set[int]] = {}
    for saved in workflow.evals:
        modes = saved.assertions[-1].failure_modes
        rate = next((mode.rate for mode in modes if mode.incident is None), None)
        if rate is None:
            continue
        chance = SeededRandom(seed, "flaky", saved.key)
        chosen = failures.setdefault(saved.key, set())
        # From the end: the newest runs fill whole windows.
        size = max(_FLAKY_WINDOW, round(1 / rate))
        for end in range(len(whole_runs), 0, -size):
            window = range(max(0, end - size), end)
            open_to_chance = [index for index in window if not whole_runs[index].quiet]
            chosen.update(chance.sample(open_to_chance, round(rate * len(window))))
    return failures


def _chosen(evals: list[SavedEval], past: PastRun) -> list[SavedEval]:
    if past.block is not None:
        return [saved for saved in evals if saved.block.id == past.block]
    if past.only is None:
        return evals
    of_document = [saved for saved in evals if saved.key.split("/")[0] == past.only]
    failing = [
        saved
        for saved in evals
        if any(mode.incident == past.only for mode in saved.assertions[-1].failure_modes)
    ]
    return (failing or of_document)[:1]


def _wait(past: PastRun, chance: SeededRandom) -> int:
    kind = chance.random()
    if kind < 0.8 or past.quiet:
        return chance.integer(60, 2_500) * MILLI
    if kind < 0.95:
        return chance.integer(20_000, 200_000) * MILLI
    return chance.integer(300_000, 1_400_000) * MILLI
