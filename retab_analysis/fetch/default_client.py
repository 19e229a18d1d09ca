"""What is set for all functions: the client they talk to, and whether values are shown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import EllipsisType

from retab_analysis.arguments import check_flag
from retab_analysis.config import show_values
from retab_analysis.errors import ConfigError
from retab_analysis.transport import Client

_default: Client | None = None
# Says why the default cannot be used any more, where that can be known without asking it.
_find_problem: Callable[[], str | None] | None = None
_default_lock = threading.Lock()


def use(
    client: Client | EllipsisType | None = ..., *, values: bool | EllipsisType | None = ...
) -> None:
    """Set what every function takes when it is not told otherwise; what is left out stays.

    Args:
        client: The client to talk to; None goes back to one that is made from the environment at
            the next use.
        values: Whether expected and actual values, and the words of prompts, are shown in notebook
            and terminal; an argument ``values=`` of a function wins. None goes back to the variable
            ``RETAB_ANALYSIS_VALUES``, which hides them with ``0``. Frames hold them all the same.

    Raises:
        ConfigError: It is not a client, or ``values`` is neither a bool nor None.

    Example:
        >>> import retab_analysis as ra
        >>> ra.use(values=False)  # before a notebook is shown to somebody else
        >>> ra.use(values=None)
    """
    if values is not None and values is not ...:
        check_flag("values", values)
    if client is not ...:
        use_while(check_client(client), None)
    if values is not ...:
        show_values(values)


def use_while(client: Client | None, find_problem: Callable[[], str | None] | None) -> None:
    """As :func:`use`, with what says before each use why the client cannot be used any more."""
    global _default, _find_problem
    with _default_lock:
        _default, _find_problem = client, find_problem


def check_client(client: Client | None) -> Client | None:
    """Check a client that is needed later, if at all; none is made from the environment."""
    if client is not None and not isinstance(client, Client):
        raise ConfigError(f"client must be a Client or None, got {type(client).__name__}")
    return client


def client_or_default(client: Client | None) -> Client:
    """The given client, else the default, made from the environment at first use."""
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
