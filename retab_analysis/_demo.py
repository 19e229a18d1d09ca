"""The library without a key: a sandbox that everything talks to."""

from __future__ import annotations

import threading

from retab_analysis.fetch import use
from retab_analysis.sandbox import Sandbox
from retab_analysis.transport import Client

_lock = threading.Lock()
_running: Sandbox | None = None


def demo(seed: int = 0, speed: float = 1.0) -> Sandbox:
    """Start the built-in sandbox and make it the default of every function.

    Calling it again stops the sandbox before and starts a new one.

    Args:
        seed: The same seed gives the same world.
        speed: How fast its runs go: 10 is ten times as fast as life.

    Returns:
        The running sandbox; ``.stop()`` ends it.

    Raises:
        ValueError: A speed that is not above 0.

    Example:
        >>> import retab_analysis as ra
        >>> sandbox = ra.demo()
        >>> ra.fetch_runs("wf_invoices", limit=3).shape
        (3, 32)
        >>> sandbox.stop()
    """
    global _running
    with _lock:
        sandbox = Sandbox(seed=seed, speed=speed).start()
        if _running is not None:
            _running.stop()
        _running = sandbox
        use(Client(sandbox.credentials["api_key"], sandbox.base_url))
    return sandbox
