"""The sandbox in a process of its own: ``python -m retab_analysis.sandbox``."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest
from support.inside import sandbox_main as main


def ask(exports: dict[str, str]) -> int:
    port = urlsplit(exports["RETAB_API_BASE_URL"]).port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    headers = {"Authorization": f"Bearer {exports['RETAB_API_KEY']}"}
    connection.request("GET", "/v1/workflows", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def exported(lines: list[str]) -> dict[str, str]:
    assert all(line.startswith("export ") for line in lines)
    return dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)


def test_a_process_of_its_own() -> None:
    command = [sys.executable, "-W", "error", "-m", "retab_analysis.sandbox", "--seed", "3"]
    with subprocess.Popen(
        [*command, "--speed", "50"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # A shell may have told its children to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            exports = exported([process.stdout.readline(), process.stdout.readline()])
            assert ask(exports) == 200
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=10)
        finally:
            process.kill()
    assert process.returncode == 0
    assert errors == ""


def test_main(capsys: pytest.CaptureFixture[str]) -> None:
    ended = threading.Event()
    ended.set()
    assert main(["--seed", "1", "--key", "my-own-key"], ended) == 0
    exports = exported(capsys.readouterr().out.splitlines())
    assert list(exports) == ["RETAB_API_KEY", "RETAB_API_BASE_URL"]
    assert exports["RETAB_API_KEY"] == "my-own-key"


@pytest.mark.parametrize(
    "arguments", [["--speed", "0"], ["--latency", "-1"], ["--port", "99999"], ["--key", "short"]]
)
def test_main_refuses(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err
