"""The client that every function asks by default."""

from __future__ import annotations

import threading
from collections.abc import Callable

from retab_analysis.errors import ConfigError
from retab_analysis.schema.conversion import check_polars_threads
from retab_analysis.transport import Client

_default: Client | None = None
# Tells why the default cannot be used any more, if that is known without asking it.
_find_problem: Callable[[], str | None] | None = None
_default_lock = threading.Lock()


def use_while(client: Client | None, find_problem: Callable[[], str | None] | None) -> None:
    """Set the default; before each use ``find_problem`` tells why it cannot be used any more."""
    global _default, _find_problem
    with _default_lock:
        _default, _find_problem = client, find_problem


def check_client(client: Client | None) -> Client | None:
    """Check a client for later use, without making one from the environment."""
    if client is not None and not isinstance(client, Client):
        raise ConfigError(f"client must be a Client or None, got {type(client).__name__}")
    return client


def client_or_default(client: Client | None) -> Client:
    """The given client, or the default, made from the environment at first use."""
    global _default
    check_polars_threads()
    check_client(client)
    if client is not None:
        return client
    # Under the lock: threads that come together share one client and its limit of requests.
    with _default_lock:
        problem = _find_problem and _find_problem()
        if problem:
            raise ConfigError(problem)
        if _default is None:
            _default = Client()
        return _default
