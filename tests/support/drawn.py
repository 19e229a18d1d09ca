"""Widgets without a browser: what they are made of, and what they would send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from comm.base_comm import BaseComm


class Recording(BaseComm):
    """Keeps the changes of state that would go to the browser."""

    sent: ClassVar[list[dict[str, Any]]] = []

    def publish_msg(self, msg_type: str, data: Any = None, **rest: Any) -> None:
        if msg_type == "comm_msg" and data.get("method") == "update":
            self.sent.append(data["state"])


def walk(widget: Any) -> Iterator[Any]:
    """A widget and all that is in it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)
