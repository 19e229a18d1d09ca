"""Chromium from the system, driven by Playwright."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BUILD = Path(__file__).parents[2] / "build"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # In CI they must run: a missing browser is then an error of the first of them.
    if CHROMIUM is None and os.environ.get("CI") != "true":
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip("no Chromium (apt-get install chromium)"))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    quiet = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-sync",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    assert CHROMIUM is not None, "no Chromium (apt-get install chromium)"
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": quiet}


@pytest.fixture
def screenshots() -> Path:
    """Where pictures are kept, to be looked at."""
    folder = BUILD / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    """An answer takes a round trip to the kernel, which may have to share its machine."""
    expect.set_options(timeout=20_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture
def console(page: Page) -> list[str]:
    """What the browser's console says of errors."""
    said: list[str] = []
    page.on("console", lambda each: said.append(each.text) if each.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


@dataclass(frozen=True)
class Lab:
    """A JupyterLab of its own."""

    url: str
    token: str
    root: Path
    settings: Path
    process: subprocess.Popen[bytes]

    def end_kernels(self) -> None:
        for kernel in json.loads(self._ask("GET", "")):
            self._ask("DELETE", f"/{kernel['id']}")

    def _ask(self, method: str, path: str) -> bytes:
        headers = {"Authorization": f"token {self.token}"}
        address = f"{self.url}/api/kernels{path}"
        request = urllib.request.Request(address, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())


@pytest.fixture(scope="session")
def _lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = start_lab(tmp_path_factory.mktemp("lab"))
    yield lab
    # Its kernels have ended, and its own way of ending takes a minute where one ended by itself.
    lab.process.kill()
    lab.process.wait()


@pytest.fixture
def lab(_lab: Lab) -> Iterator[Lab]:
    """JupyterLab in its light theme; what ran in it is ended with the test.

    A view that goes on in a kernel that nobody looks at takes time from all tests after it.
    """
    # Another test may have turned it dark.
    (_lab.settings / "themes.jupyterlab-settings").write_text('{"theme": "JupyterLab Light"}')
    yield _lab
    _lab.end_kernels()


def start_lab(home: Path) -> Lab:
    port = free_port()
    url, token, root = f"http://127.0.0.1:{port}", "test", home / "notebooks"
    root.mkdir()
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    options = [
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={root}",
        "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
        f"--LabApp.user_settings_dir={home / 'settings'}",
        f"--LabApp.workspaces_dir={home / 'workspaces'}",
    ]
    status = f"{url}/api/status?token={token}"
    return Lab(url, token, root, settings, start(home, ["jupyterlab", *options], status))


@dataclass(frozen=True)
class Voila:
    """A notebook as an app of its own; what it writes goes into the folder ``root``."""

    url: str
    root: Path


@pytest.fixture(scope="session")
def voilas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path, str], Voila]]:
    """A notebook as an app, in a theme, started at first use."""
    running: dict[tuple[Path, str], tuple[Voila, subprocess.Popen[bytes]]] = {}

    def voila(notebook: Path, theme: str) -> Voila:
        if (notebook, theme) not in running:
            home = tmp_path_factory.mktemp(f"voila-{theme}")
            running[notebook, theme] = start_voila(home, notebook, theme)
        return running[notebook, theme][0]

    yield voila
    for _, process in running.values():
        end(process)


def start_voila(home: Path, notebook: Path, theme: str) -> tuple[Voila, subprocess.Popen[bytes]]:
    port = free_port()
    found = Voila(f"http://127.0.0.1:{port}", home / "notebooks")
    found.root.mkdir()
    options = [
        str(shutil.copy(notebook, found.root)),
        "--no-browser",
        "--Voila.ip=127.0.0.1",
        f"--port={port}",
        "--Voila.port_retries=0",
        f"--theme={theme}",
    ]
    # Not the app itself: each time it is asked for, a kernel starts.
    return found, start(home, ["voila", *options], f"{found.url}/voila/static/voila.js")


@pytest.fixture
def marimo(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Starts marimo on a notebook as an app; gives its address."""
    running = []

    def open_(source: str) -> str:
        (tmp_path / "app.py").write_text(source)
        address = f"http://127.0.0.1:{(port := free_port())}"
        options = ["run", str(tmp_path / "app.py"), "--headless", "--no-token", f"--port={port}"]
        running.append(start(tmp_path, ["marimo", *options], f"{address}/health"))
        return address

    yield open_
    for process in running:
        end(process)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def start(home: Path, module: list[str], url: str) -> subprocess.Popen[bytes]:
    """A server with settings of its own, once it answers."""
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = {**os.environ, **{name: str(home / name) for name in folders}}
    with (home / "server.log").open("wb") as log:
        command = [sys.executable, "-m", *module]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    wait_for(url, process, home / "server.log")
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a server, which first stops its kernels."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    # A machine that others use, too, has taken more than a minute.
    until = time.monotonic() + 240
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    end(process)
    raise AssertionError(f"{url} does not answer: {log.read_text()}")
