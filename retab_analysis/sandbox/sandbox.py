"""The sandbox: a Retab API on loopback for the world that follows from a seed."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Never

from retab_analysis.sandbox.encoding import from_json
from retab_analysis.sandbox.http.server import StoreServer
from retab_analysis.sandbox.instants import DAY, wall_clock
from retab_analysis.sandbox.simulation.past_runs import past_runs
from retab_analysis.sandbox.store import Store
from retab_analysis.sandbox.world.world import build_world


class Sandbox(StoreServer):
    """A Retab API on loopback with a simulated world, for trying things without an account.

    It holds some workflows with saved evals, and five months of runs. These have known gaps, edits
    that broke evals and edits that fixed them, a drift without an edit, an outage, and a break by
    the newest edit. Two more runs are always going on. Your runs progress in time, one after the
    other, as on the real queue.

    It listens on 127.0.0.1 only, and answers a request to any other host with 421: a web page whose
    name resolves to this machine gets no answer.

    Args:
        seed: Any whole number; the same seed on the same day gives the same world.
        speed: How fast runs go: 10 is ten times as fast as the real API, in which an eval takes
            seconds.
        latency: Seconds added to each answer.
        key: The API key that it asks for. By default each sandbox makes its own, which keeps out
            other programs on this machine.

    Raises:
        ValueError: A seed, speed, latency or key is not valid.

    Example:
        >>> with ra.Sandbox() as sandbox:
        ...     sorted(sandbox.credentials)
        ['api_key', 'base_url']
    """

    def __init__(
        self,
        seed: int = 0,
        speed: float = 1.0,
        *,
        latency: float = 0.0,
        key: str | None = None,
    ) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise ValueError(f"seed is a whole number, not {type(seed).__name__}")
        now = wall_clock()
        world = build_world(seed, now - now % DAY)
        store = Store(world, past_runs(world), speed=speed)
        super().__init__(store, key=key, latency=latency)

    def edit(
        self,
        block: str,
        prompt: str | None = None,
        *,
        schema: Mapping[str, Any] | None = None,
        model: str | None = None,
        **others: Never,
    ) -> None:
        """Give a block another prompt, schema or model, as in Retab's editor.

        The sandbox takes the longest of its earlier prompts that the new one contains. The evals
        end as they did with that prompt, so some break or are fixed (`retab_analysis.fetch_edits`
        lists the prompts). Another schema or model changes no result, nor does a prompt that
        contains none of the earlier ones. "A row with a price is a line of its own.", added to the
        newest prompt of extract_lines, mends five of the nine evals that it broke.

        Args:
            block: The id of the block.
            prompt: The whole prompt; the present one edits nothing.
            schema: The whole JSON schema of an extract block.
            model: The name of the model.
            others: The sandbox has nothing else to edit.

        Raises:
            ValueError: The block does not exist, it has no prompt or no schema, nothing was given,
                or a text cannot be UTF-8.
        """
        given = {"prompt": prompt, "json_schema": schema, "model": model, **others}
        changes = {name: value for name, value in given.items() if value is not None}
        kinds = {"prompt": str, "json_schema": Mapping, "model": str}
        fits = all(isinstance(value, kinds.get(name, ())) for name, value in changes.items())
        if not (isinstance(block, str) and changes and fits):
            told = f"edit takes the id of a block, not {block!r}" * (not isinstance(block, str))
            raise ValueError(told or f"edit takes prompt=…, model=… or schema={{…}}, not {changes}")
        text = json.dumps(changes, ensure_ascii=False)
        self._store.edit(block, from_json(text.encode().decode()))  # no half a surrogate pair

    def prompt(self, block: str) -> str:
        """Give the present prompt of a block.

        Raises:
            ValueError: The block does not exist, or it has no prompt.
        """
        return self._store.prompt(block)

    def put_back(self, block: str = "") -> None:
        """Put a block back: its prompt, schema and model are those of the published version.

        In a workflow that was never published they are those before the newest edit.

        Args:
            block: The id of the block.

        Raises:
            ValueError: No block is given, it does not exist, or it has no prompt.
        """
        if not block:
            raise ValueError('name the block: sandbox.put_back("extract_lines") undoes its edits')
        self._store.put_back(block)

    if not TYPE_CHECKING:  # else every attribute would exist for type checkers

        def __getattr__(self, name: str) -> Never:
            own = (each for each in dir(Sandbox) if not each.startswith("_"))
            raise AttributeError(
                f"there is no sandbox.{name}; it has {', '.join(own)}; "
                'sandbox.put_back("extract_lines") undoes the edits of a block'
            )
