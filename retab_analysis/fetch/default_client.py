"""Which client a function talks to when it is given none."""

from __future__ import annotations

import threading

from retab_analysis.errors import ConfigError
from retab_analysis.transport import Client

_default: Client | None = None
_default_lock = threading.Lock()


def use(client: Client | None) -> None:
    """Make a client the one that every function takes when it is given none.

    Args:
        client: The client; None goes back to one that is made from the environment at the next use.

    Raises:
        ConfigError: It is not a client.
    """
    global _default
    if client is not None and not isinstance(client, Client):
        raise ConfigError(f"use() takes a Client or None, got {type(client).__name__}")
    with _default_lock:
        _default = client


def client_or_default(client: Client | None) -> Client:
    """The given client, else the default, made from the environment at first use.

    Raises:
        ConfigError: It is not a client, or there is no key in the environment.
    """
    global _default
    if client is not None:
        if not isinstance(client, Client):
            raise ConfigError(f"client must be a Client or None, got {type(client).__name__}")
        return client
    # Under the lock, so that threads that come first together share one client, and with it the
    # limit of requests at once.
    with _default_lock:
        if _default is None:
            _default = Client()
        return _default
