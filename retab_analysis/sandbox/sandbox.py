"""The sandbox: a Retab API on loopback for the world that follows from a seed."""

from retab_analysis.sandbox.http.server import StoreServer
from retab_analysis.sandbox.instants import DAY, wall_clock
from retab_analysis.sandbox.simulation.past_runs import past_runs
from retab_analysis.sandbox.store import Store
from retab_analysis.sandbox.world.world import build_world


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
        now = wall_clock()
        world = build_world(seed, now - now % DAY)
        store = Store(world, past_runs(world), speed=speed)
        super().__init__(store, key=key, latency=latency)

    def edit(self, block: str, *, prompt: str) -> None:
        """Give a block another prompt, as somebody does in Retab's editor.

        The longest of its earlier prompts that the new one holds decides how its evals end: as they
        did with that one, so that some break or are mended (`retab_analysis.fetch_edits` lists the
        prompts). A prompt that holds none of them changes no result.

        Args:
            block: The id of the block.
            prompt: The whole prompt; the one that it has already edits nothing.

        Raises:
            ValueError: There is no such block, it has no prompt, or a text cannot be UTF-8.
        """
        if not (isinstance(block, str) and isinstance(prompt, str)):
            raise ValueError(f"block and prompt are texts, not {block!r} and {prompt!r}")
        self._store.edit(block, prompt.encode().decode())  # half a surrogate pair is no text
