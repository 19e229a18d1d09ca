"""Which client a function talks to when it is given none."""

from __future__ import annotations

import threading
from collections.abc import Callable

from retab_analysis.errors import ConfigError
from retab_analysis.transport import Client

_default: Client | None = None
# Says why the default cannot be used any more, where that can be known without asking it.
_find_problem: Callable[[], str | None] | None = None
_default_lock = threading.Lock()


def use(client: Client | None) -> None:
    """Make a client the one that every function takes when it is given none.

    Args:
        client: The client; None goes back to one that is made from the environment at the next use.

    Raises:
        ConfigError: It is not a client.
    """
    use_while(check_client(client), None)


def use_while(client: Client | None, find_problem: Callable[[], str | None] | None) -> None:
    """Make a client the default for as long as its server is known to be there.

    Args:
        client: The client, as for :func:`use`.
        find_problem: Says why it cannot be used any more, or None; called before each use.
    """
    global _default, _find_problem
    with _default_lock:
        _default, _find_problem = client, find_problem


def check_client(client: Client | None) -> Client | None:
    """Check a client that is needed later, if at all; none is made from the environment.

    Raises:
        ConfigError: It is neither a client nor None.
    """
    if client is not None and not isinstance(client, Client):
        raise ConfigError(f"client must be a Client or None, got {type(client).__name__}")
    return client


def client_or_default(client: Client | None) -> Client:
    """The given client, else the default, made from the environment at first use.

    Raises:
        ConfigError: It is not a client, there is no key in the environment, or the sandbox that
            was the default was stopped.
    """
    global _default
    check_client(client)
    if client is not None:
        return client
    # Under the lock, so that threads that come first together share one client, and with it the
    # limit of requests at once.
    with _default_lock:
        problem = _find_problem and _find_problem()
        if problem:
            raise ConfigError(problem)
        if _default is None:
            _default = Client()
        return _default
