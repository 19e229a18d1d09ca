"""Other worlds: large ones for benchmarks, recorded ones, and the sandbox in its own process."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.sandbox_api import ANCHOR, Api, status_of
from support.worlds import bulk_world, recorded_world

from retab_analysis.sandbox.__main__ import main
from retab_analysis.sandbox.instants import SECOND, parse_instant
from retab_analysis.sandbox.world.model import File


def test_bulk_world() -> None:
    api = Api(bulk_world(5, 40, anchor=ANCHOR, spacing=60))
    runs = api.runs()
    assert [run["total_evals"] for run in runs] == [40] * 5
    created = [parse_instant(run["timing"]["created_at"]) for run in runs]
    assert created == [ANCHOR - n * 60 * SECOND for n in range(5)]
    assert {status_of(run) for run in runs} == {"completed"}
    sizes = [len(json.dumps(result)) for result in api.results(runs[0]["id"])]
    assert 1_600 < sum(sizes) / len(sizes) < 2_200
    assert len(api.evals("wf_bulk")) == 40
    assert api.create("wf_bulk")["total_evals"] == 40


def test_a_large_history_is_quick() -> None:
    start = perf_counter()
    api = Api(bulk_world(5_000, 1, anchor=ANCHOR, spacing=0))
    assert perf_counter() - start < 3
    assert len({run["id"] for run in api.runs()}) == 5_000


RUN: dict[str, Any] = {
    "id": "run/1",
    "workflow_id": "wf",
    "workflow_version_id": "v",
    "trigger": {"type": "telepathy"},
    "lifecycle": {"status": "napping"},
    "timing": {"created_at": "2026-05-01T10:00:00Z"},
    "total_evals": 2,
    "surprise": "\ud800",
}


def test_recorded_world() -> None:
    eval_ = {"id": "e", "workflow_id": "wf", "created_at": None, "target": {"block_id": "b"}}
    world = recorded_world(
        [(RUN, [{"id": "r1", "number": 1.5}, b'{"id": NaN}'])],
        workflows=[{"id": "wf", "created_at": "2026-05-01T10:00:00Z", "updated_at": 5}],
        evals=[eval_],
        files=[File("f", "a.pdf", "application/pdf")],
    )
    api = Api(world)
    assert api.runs() == [RUN]
    assert api.runs(status="completed") == []
    assert api.runs(sort_by="updated_at", workflow_id="wf") == [RUN]
    assert api.results("run/1", order="asc")[0] == {"id": "r1", "number": 1.5}
    assert world.runs[0].results_json(0)[1] == b'{"id": NaN}'
    assert api.get("/v1/workflows/evals/results/r1")["number"] == 1.5
    assert api.evals("wf") == [eval_]
    assert [w["id"] for w in api.all("/v1/workflows")] == ["wf"]
    assert api.get("/v1/files/f/download-link")["filename"] == "a.pdf"
    assert api.cancel("run%2F1")[0] == 409
    body = {"workflow_id": "wf"}
    assert api.call("POST", "/v1/workflows/evals/runs", body=body)[0] == 422


def test_recorded_numbers_and_dates_of_any_kind() -> None:
    bare = {"id": "bare", "lifecycle": None, "timing": None, "target": None, "trigger": None}
    api = Api(recorded_world([(bare, [])]))
    assert api.runs() == [bare]
    assert api.results("bare") == []


# In a process of its own


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
            assert process.stdout is not None
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
    assert main(["--seed", "1"], ended) == 0
    exports = exported(capsys.readouterr().out.splitlines())
    assert list(exports) == ["RETAB_API_KEY", "RETAB_API_BASE_URL"]


def test_main_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    assert main([], Interrupted()) == 0
    assert capsys.readouterr().out.endswith("\n\n")


@pytest.mark.parametrize("arguments", [["--speed", "0"], ["--latency", "-1"], ["--port", "99999"]])
def test_main_refuses(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err
