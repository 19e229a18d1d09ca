"""A child of this process."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from typing import Any


def in_child(work: Callable[[], Any], meanwhile: Callable[[], Any] | None = None) -> Any:
    """What a function gives in a child that is forked from here; this process goes on meanwhile.

    Args:
        work: Called in the child.
        meanwhile: Called here while the child is there; what it gives is given then.
    """
    reading, writing = os.pipe()
    waiting, going_on = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        child = os.fork()
    if child == 0:
        os.close(going_on)
        try:
            given = work()
        except BaseException as error:
            given = f"{type(error).__name__}: {error}"
        os.write(writing, json.dumps(given).encode())
        os.read(waiting, 1)  # until the parent closes its end
        os._exit(0)
    os.close(writing)
    os.close(waiting)
    here = meanwhile() if meanwhile is not None else None
    os.close(going_on)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
        text = pipe.read()
    os.waitpid(child, 0)
    return here if meanwhile is not None else json.loads(text)
