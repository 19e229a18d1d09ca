"""The server: a world on a port of this machine."""

import math
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Self

from retab_analysis.sandbox.http.connection import Service, TcpServer
from retab_analysis.sandbox.http.faults import Fault, FaultBook
from retab_analysis.sandbox.http.request_log import Journal
from retab_analysis.sandbox.store import Store
from retab_analysis.sandbox.world.world import World


class Server:
    """A Retab API on 127.0.0.1 for a world; a context manager, or `start` and `stop`.

    Args:
        world: What is served; a `Store` where speed or clock are to be chosen.
        api_key: The bearer token asked for.
        latency: Seconds added to each answer.
        faults: What is to go wrong.

    Raises:
        ValueError: A latency that is not 0 or more, or something that is not a fault.
    """

    def __init__(
        self,
        world: World | Store,
        *,
        api_key: str = "sandbox-key",
        latency: float = 0.0,
        faults: Iterable[Fault | Mapping[str, Any]] | None = None,
    ) -> None:
        if not (math.isfinite(latency) and latency >= 0):
            raise ValueError(f"latency is in seconds, 0 or more, not {latency!r}")
        self._store = Store(world) if isinstance(world, World) else world
        self._service = Service(self._store, api_key, latency, FaultBook(faults or ()))
        self._lock = threading.Lock()
        self._tcp: TcpServer | None = None
        self._thread: threading.Thread | None = None

    def start(self, port: int = 0) -> Self:
        """Begin to serve; when it serves already, nothing happens.

        Args:
            port: The port; 0 lets the system choose.
        """
        with self._lock:
            if self._tcp is None:
                self._tcp = TcpServer(port, self._service)
                self._thread = threading.Thread(
                    target=self._tcp.serve_forever, args=(0.05,), name="retab-sandbox", daemon=True
                )
                self._thread.start()
        return self

    def stop(self) -> None:
        """End serving: the port is free, open connections are closed, and no thread is left."""
        with self._lock:
            tcp, thread, self._tcp, self._thread = self._tcp, self._thread, None, None
            if tcp is not None and thread is not None:
                tcp.shutdown()
                tcp.server_close()
                thread.join()
                tcp.close_connections()

    @property
    def running(self) -> bool:
        """Whether the server is serving."""
        return self._tcp is not None

    @property
    def base_url(self) -> str:
        """Where the API is.

        Raises:
            RuntimeError: The server is not running.
        """
        tcp = self._tcp
        if tcp is None:
            raise RuntimeError("the sandbox is not running: call .start(), or use it in a `with`")
        return tcp.base_url

    @property
    def credentials(self) -> dict[str, str]:
        """What a client needs, by the names of its arguments.

        Raises:
            RuntimeError: The server is not running.
        """
        return {"api_key": self._service.api_key, "base_url": self.base_url}

    @property
    def requests(self) -> Journal:
        """The requests served so far."""
        return self._service.journal

    def inject(self, fault: Fault | Mapping[str, Any]) -> None:
        """Let a fault wait for its requests.

        Raises:
            ValueError: It is not a fault.
        """
        self._service.faults.add(fault)

    def clear_faults(self) -> None:
        """Forget all faults that are waiting."""
        self._service.faults.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        tcp = self._tcp
        state = f"running at {tcp.base_url}" if tcp else "stopped"
        workflows, evals, runs = self._store.sizes()
        return f"<{type(self).__name__} {state}: {workflows} workflows, {evals} evals, {runs} runs>"
