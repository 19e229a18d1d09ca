"""The sandbox: a server for the world that follows from a seed."""

from collections.abc import Iterable, Mapping
from typing import Any

from retab_analysis.sandbox.http.faults import Fault
from retab_analysis.sandbox.http.server import Server
from retab_analysis.sandbox.instants import start_of_day, wall_clock
from retab_analysis.sandbox.store import Store
from retab_analysis.sandbox.world.world import build_world


class Sandbox(Server):
    """A Retab API on loopback with a simulated world, for trying things without a key.

    It holds some workflows with saved evals, five months of runs (with a regression, its fix, and
    one more in the newest version), and two runs that are always in flight. What is started here
    progresses in time, one run after the other, as on the real queue.

    Args:
        seed: Any whole number; the same seed on the same day gives the same world.
        speed: How fast runs go: 10 is ten times as fast as life, in which an eval takes seconds.
        latency: Seconds added to each answer.
        faults: What is to go wrong: `Fault` objects, or mappings of their fields.

    Raises:
        ValueError: A seed, speed, latency or fault that cannot be.

    Example:
        >>> with Sandbox() as sandbox:
        ...     sorted(sandbox.credentials)
        ['api_key', 'base_url']
    """

    def __init__(
        self,
        seed: int = 0,
        speed: float = 1.0,
        *,
        latency: float = 0.0,
        faults: Iterable[Fault | Mapping[str, Any]] | None = None,
    ) -> None:
        if not isinstance(seed, int):
            raise ValueError(f"seed is a whole number, not {seed!r}")
        world = build_world(seed, start_of_day(wall_clock()))
        key = f"sandbox-key-{seed}"
        super().__init__(Store(world, speed=speed), api_key=key, latency=latency, faults=faults)
