"""``demo``: the library without a key, with a sandbox as its API."""

from __future__ import annotations

import contextlib
import threading
from functools import partial

from retab_analysis.errors import ConfigError
from retab_analysis.fetch.params import use_while
from retab_analysis.sandbox import Sandbox
from retab_analysis.transport import Client

_lock = threading.Lock()
_running: Sandbox | None = None


def demo(seed: int = 0, speed: float = 1.0) -> Sandbox:
    """Start the built-in sandbox and make it the default of every function.

    A second call stops the first sandbox and starts a new one.

    Args:
        seed: The same seed gives the same world.
        speed: How fast its runs go: 10 is ten times as fast as the real API.

    Returns:
        The running sandbox. ``.stop()`` ends it; the next function that asks it raises an error.

    Raises:
        ConfigError: A seed or a speed that cannot be used.

    Example:
        >>> import retab_analysis as ra
        >>> sandbox = ra.demo()
        >>> ra.fetch_runs("wf_invoices", limit=3).shape
        (3, 34)
        >>> sandbox.stop()
    """
    global _running
    with _lock:
        try:
            sandbox = Sandbox(seed=seed, speed=speed).start()
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if _running is not None:
            _running.stop()
        _running = sandbox
        client = Client(sandbox.credentials["api_key"], sandbox.base_url)
        use_while(client, partial(_find_problem, sandbox, client.base_url))
    return sandbox


def _find_problem(sandbox: Sandbox, address: str) -> str | None:
    with contextlib.suppress(RuntimeError):
        if sandbox.base_url == address:
            return None
    return (
        "the sandbox that demo() started was stopped: call demo() again, or use(None) to go back "
        "to the key in RETAB_API_KEY"
    )
