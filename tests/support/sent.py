"""What widgets would send to the browser."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, ClassVar

import comm
from comm.base_comm import BaseComm


class Recording(BaseComm):
    """Keeps the changes of state that it is given."""

    sent: ClassVar[list[dict[str, Any]]] = []

    def publish_msg(self, msg_type: str, data: Any = None, **rest: Any) -> None:
        if msg_type == "comm_msg" and data.get("method") == "update":
            self.sent.append(data["state"])


@contextlib.contextmanager
def sent_messages() -> Iterator[list[dict[str, Any]]]:
    """The messages of the widgets that are made meanwhile."""
    make = comm.create_comm
    comm.create_comm = Recording
    Recording.sent.clear()
    try:
        yield Recording.sent
    finally:
        comm.create_comm = make
        Recording.sent.clear()
