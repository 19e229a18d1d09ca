"""The sandbox: a Retab API on loopback for the world that follows from a seed."""

import secrets

from retab_analysis.sandbox.http.messages import Request, Response
from retab_analysis.sandbox.http.routes import answer
from retab_analysis.sandbox.http.server import Server
from retab_analysis.sandbox.instants import DAY, wall_clock
from retab_analysis.sandbox.simulation.past_runs import past_runs
from retab_analysis.sandbox.store import Store, checked_speed
from retab_analysis.sandbox.world.world import build_world

SHORTEST_KEY = 8


class StoreServer(Server):
    """A Retab API on loopback for any store; without a key, a random one is made."""

    def __init__(self, store: Store, *, key: str | None = None, latency: float = 0.0) -> None:
        # A client refuses any other key: shorter ones cannot be masked in texts without damage, and
        # the rest does not fit in a header.
        fits = isinstance(key, str) and len(key) >= SHORTEST_KEY
        if key is not None and not (fits and all("!" <= letter <= "~" for letter in key)):
            raise ValueError(
                f"key is at least {SHORTEST_KEY} visible ASCII characters, without spaces"
            )
        self._store = store
        self._key = f"sandbox-{secrets.token_urlsafe(24)}" if key is None else key
        super().__init__(self._answer, latency=latency)

    def _answer(self, request: Request) -> Response:
        return answer(self._store, self._key, request)

    @property
    def credentials(self) -> dict[str, str]:
        """What a client needs, by the names of its arguments.

        Raises:
            RuntimeError: The server is not running.
        """
        return {"api_key": self._key, "base_url": self.base_url}

    def __repr__(self) -> str:
        state = f"running at {self.base_url}" if self.running else "stopped"
        workflows, evals, runs = self._store.sizes()
        return f"<{type(self).__name__} {state}: {workflows} workflows, {evals} evals, {runs} runs>"


class Sandbox(StoreServer):
    """A Retab API on loopback with a simulated world, for trying things without an account.

    It holds some workflows with saved evals, five months of runs (with known gaps, edits that broke
    something and edits that mended it, a drift that nobody's edit explains, an outage, and a break
    by the newest edit), and two runs that are always in flight. What is started here progresses in
    time, one run after the other, as on the real queue.

    It listens on 127.0.0.1 only, and a request to any other host is answered with 421, so that no
    web page whose name resolves to this machine gets an answer.

    Args:
        seed: Any whole number; the same seed on the same day gives the same world.
        speed: How fast runs go: 10 is ten times as fast as life, in which an eval takes seconds.
        latency: Seconds added to each answer.
        key: The API key that it asks for. By default each sandbox makes one of its own, so that
            no other program on this machine is let in.

    Raises:
        ValueError: A seed, speed, latency or key that is not valid.

    Example:
        >>> with Sandbox() as sandbox:
        ...     sorted(sandbox.credentials)
        ['api_key', 'base_url']
    """

    def __init__(
        self, seed: int = 0, speed: float = 1.0, *, latency: float = 0.0, key: str | None = None
    ) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise ValueError(f"seed is a whole number, not {seed!r}")
        checked_speed(speed)
        now = wall_clock()
        world = build_world(seed, now - now % DAY)
        store = Store(world, past_runs(world), speed=speed)
        super().__init__(store, key=key, latency=latency)
