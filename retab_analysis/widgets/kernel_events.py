"""Answers the events of pages while a cell blocks the kernel.

A kernel reads its messages between cells. Some front ends send a page's events to a subshell (from
ipykernel 7.0), a part of the kernel that goes on meanwhile. The others' events stay in the queue
until the cell has ended. Here the waiting cell looks into that queue, handles the events of pages,
and puts back the rest. ipykernel has no public way for this. If its private one is not as expected,
nothing happens, and the page says why it does not answer.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Self

_OURS = ("comm_msg", "comm_open", "comm_close")
# Seconds between two looks at the events, while a cell waits.
_STEP = 0.05


def wait_answering(
    wait: Callable[[float | None], bool], timeout: float | None, *, answering: bool
) -> bool:
    """Wait in the running cell and answer the events of pages; returns whether the end has come."""
    events = KernelEvents.find() if answering else None
    if events is None:
        return wait(timeout)
    end = math.inf if timeout is None else time.monotonic() + timeout
    with events:
        while not wait(min(_STEP, max(0.0, end - time.monotonic()))):
            if time.monotonic() >= end:
                return False
            events.handle()
    return True


class KernelEvents:
    """The queue of the kernel's main thread, while a cell holds that thread; a context manager."""

    def __init__(self, kernel: Any, stream: Any) -> None:
        self._kernel, self._stream = kernel, stream
        self._others: list[Any] = []

    @classmethod
    def find(cls) -> Self | None:
        """The queue of this kernel, or None if it cannot be read here."""
        ipython = sys.modules.get("IPython")
        kernel = getattr(ipython and ipython.get_ipython(), "kernel", None)
        if kernel is None or threading.current_thread() is not threading.main_thread():
            return None
        try:
            # ipykernel 7 has a thread for the shell's channel, and a subshell for the main thread.
            thread = getattr(kernel, "shell_channel_thread", None)
            if thread is None:
                stream = kernel.shell_stream
            else:
                stream = thread.manager.get_shell_channel_to_subshell_pair(None).to_stream
            known = [stream.socket.recv_multipart, stream._recv_callback, stream.flush]
            known += [kernel.shell_handlers, kernel.session.unpack]
            return cls(kernel, stream) if all(known) else None
        except (AttributeError, LookupError, TypeError):
            return None

    def handle(self) -> None:
        """Answer the events that have come, and put all other messages aside."""
        from zmq import NOBLOCK, Again

        while True:
            try:
                message = self._stream.socket.recv_multipart(NOBLOCK, copy=False)
            except Again:
                return
            idents, parts = self._kernel.session.feed_identities(message, copy=False)
            # The signature comes first. Checking it twice would be refused as a repetition.
            header = self._kernel.session.unpack(parts[1].bytes)
            if header.get("msg_type") in _OURS:
                self._answer(idents, parts)
            else:
                self._others.append(message)

    def _answer(self, idents: Any, parts: Any) -> None:
        """Handle a message as the kernel does, but as part of the cell that waits."""
        message = self._kernel.session.deserialize(parts, content=True, copy=False)
        handler = self._kernel.shell_handlers[message["header"]["msg_type"]]
        handler(self._stream, idents, message)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Give the other messages back, in their order and before later ones."""
        stream = self._stream
        hand_over: Callable[..., object] = stream.io_loop.add_callback
        for message in self._others:
            hand_over(stream._recv_callback, message)
        # Its socket reports new messages only: without this, earlier ones would stay in it.
        hand_over(stream.flush, 1)
        self._others = []
