"""The sandbox started and stopped, and the arguments that it takes."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from support.inside import StoreServer
from support.sandbox_api import KEY, ask, make_store, port_of

from retab_analysis import Sandbox

RUNS = "/v1/workflows/evals/runs"


def test_a_sandbox_from_start_to_stop() -> None:
    sandbox = Sandbox(seed=5)
    assert not sandbox.running
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.base_url
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.credentials
    sandbox.stop()
    before = threading.active_count()
    assert sandbox.start() is sandbox
    address = sandbox.base_url
    assert sandbox.start().base_url == address
    assert sandbox.running
    key = sandbox.credentials["api_key"]
    assert sandbox.credentials == {"api_key": key, "base_url": address}
    assert ask(sandbox, "/v1/workflows", key=key)[0] == 200
    port = port_of(sandbox)
    sandbox.stop()
    sandbox.stop()
    assert not sandbox.running
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    with StoreServer(make_store()).start(port) as again:
        assert port_of(again) == port


def test_stopping_closes_connections_that_are_open() -> None:
    before = threading.active_count()
    with Sandbox() as sandbox:
        idle = socket.create_connection(("127.0.0.1", port_of(sandbox)), timeout=5)
        ask(sandbox, "/v1/workflows")
    assert idle.recv(1) == b""
    idle.close()
    deadline = time.perf_counter() + 60
    while threading.active_count() > before and time.perf_counter() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_state_survives_a_stop() -> None:
    sandbox = Sandbox(key=KEY)
    with sandbox:
        body = b'{"workflow_id": "wf_claims"}'
        run_id = ask(sandbox, RUNS, "POST", body)[1]["id"]
    with sandbox:
        assert ask(sandbox, f"{RUNS}/{run_id}")[0] == 200


def test_repr() -> None:
    sandbox = Sandbox()
    assert repr(sandbox) == "<Sandbox stopped: 5 workflows, 158 evals, 237 runs>"
    with sandbox:
        assert repr(sandbox).startswith(f"<Sandbox running at {sandbox.base_url}: 5 workflows, ")
        assert sandbox.credentials["api_key"] not in repr(sandbox)
        assert sandbox.credentials["api_key"] not in str(vars(sandbox)["_tcp"])


def test_each_sandbox_has_a_key_of_its_own() -> None:
    with Sandbox() as one, Sandbox() as other:
        keys = [sandbox.credentials["api_key"] for sandbox in (one, other)]
        assert keys[0] != keys[1]
        assert ask(one, RUNS, key=keys[0])[0] == 200
        assert ask(one, RUNS, key=keys[1])[0] == 401


@pytest.mark.parametrize("port", [-1, 65_536, "0", True, 80.0])
def test_invalid_ports(port: Any) -> None:
    with pytest.raises(ValueError, match="port is a whole number from 0 to 65535"):
        Sandbox().start(port)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"speed": 0}, "speed must be a positive number"),
        ({"speed": float("nan")}, "speed must be a positive number"),
        ({"speed": True}, "speed must be a positive number"),
        ({"speed": 1e12}, "speed must be a positive number"),
        ({"latency": -0.1}, "latency is in seconds"),
        ({"latency": "0"}, "latency is in seconds"),
        ({"latency": None}, "latency is in seconds"),
        ({"seed": 1.0}, "seed is a whole number"),
        ({"key": "short"}, "key is at least 8 visible ASCII characters"),
        ({"key": "schlüssel"}, "key is at least 8 visible ASCII characters"),
    ],
)
def test_invalid_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sandbox(**arguments)
