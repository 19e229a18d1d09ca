"""A client that was used, in a child that was forked: FAULTS.md 61."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import ssl
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.documents import result_document, run_document
from support.fakes import KEY
from support.faultserver import FaultServer, Reply, reply
from support.forked import in_child
from support.inside import main

import retab_analysis as ra

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")


def run_of(request: str) -> Reply:
    time.sleep(0.001)  # so that requests of several processes are under way at the same time
    return reply(body=run_document(request.split(" ")[1].rpartition("/")[2]))


def wrong_answers(client: ra.Client, name: str, number: int) -> list[str]:
    """The runs that were asked for, and came as another one or as an error."""
    wrong = []
    for at in range(number):
        asked = f"{name}-{at}"
        try:
            found = client.get(f"/v1/workflows/evals/runs/{asked}", parse=json.loads)["id"]
        except ra.RetabAnalysisError as error:
            found = str(error)
        if found != asked:
            wrong.append(f"{asked}: {found}")
    return wrong


def test_61_processes_do_not_get_each_others_answers() -> None:
    """Without a connection of its own, three of four answers were another process's."""
    with FaultServer([run_of]) as server, ra.Client(KEY, server.url, max_attempts=1) as client:
        assert wrong_answers(client, "before", 3) == []
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()

        def work(name: str) -> None:
            queue.put(wrong_answers(client, name, 40))

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            children = [context.Process(target=work, args=(f"child{at}",)) for at in range(4)]
            for child in children:
                child.start()
        mine = wrong_answers(client, "parent", 40)
        theirs = [queue.get() for _ in children]
        for child in children:
            child.join(10)
        assert [mine, *theirs] == [[]] * 5
        # The parent goes on over the connection that it had; each child has made one.
        assert server.connections == 5


def test_61_over_tls_too(trusted_tls: ssl.SSLContext) -> None:
    with FaultServer([run_of], trusted_tls) as server:
        with ra.Client(KEY, server.url, max_attempts=1) as client:
            assert wrong_answers(client, "before", 1) == []
            assert in_child(lambda: wrong_answers(client, "child", 3)) == []
            assert wrong_answers(client, "after", 3) == []
        assert server.connections == 2


def test_61_a_child_holds_none_of_its_parents_connections_open() -> None:
    """A server that waits for the end of one would wait for the child."""
    with FaultServer([run_of]) as server, ra.Client(KEY, server.url) as client:
        wrong_answers(client, "before", 1)

        def end() -> list[str]:
            client.close()
            until = time.monotonic() + 10
            while server._open and time.monotonic() < until:
                time.sleep(0.01)
            return list(map(str, server._open))

        assert in_child(lambda: "there", meanwhile=end) == []


def test_61_a_fork_beside_busy_threads_does_not_hang() -> None:
    """Whatever locks the threads held at that moment, the child has new ones."""
    stop = threading.Event()
    with FaultServer([run_of]) as server, ra.Client(KEY, server.url) as client:

        def read() -> None:
            while not stop.is_set():
                wrong_answers(client, "thread", 1)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                assert in_child(lambda: wrong_answers(client, "child", 2)) == []
        finally:
            stop.set()
            for thread in threads:
                thread.join(10)


def test_61_a_look_up_of_the_parent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread does not exist in the child."""
    import socket

    asked, release = threading.Event(), threading.Event()
    parent, real = os.getpid(), socket.getaddrinfo

    def look_up(*args: Any, **kwargs: Any) -> Any:
        if os.getpid() == parent:
            asked.set()
            release.wait(60)
        return real(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with FaultServer([run_of]) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        with ra.Client(KEY, url, deadline=30, max_attempts=1) as client:
            waiting = threading.Thread(target=wrong_answers, args=(client, "parent", 1))
            waiting.start()
            assert asked.wait(20)
            assert in_child(lambda: wrong_answers(client, "child", 1)) == []
            release.set()
            waiting.join(5)


RUNS = ra.decode_runs([run_document("r")])
RESULTS = ra.decode_results([result_document("a")])
COMPARED = ra.compare(RESULTS, RESULTS)
COMPUTING: dict[str, Callable[[ra.Client], Any]] = {
    "fetch_run": lambda client: ra.fetch_run("r", client=client),
    "fetch_results": lambda client: ra.fetch_results("r", client=client),
    "fetch_result": lambda client: ra.fetch_result("r", client=client),
    "fetch_runs with dates": lambda client: ra.fetch_runs(from_date="2026-01-01", client=client),
    "start_runs": lambda client: ra.start_runs("wf", client=client),
    "start_runs of evals": lambda client: ra.start_runs("wf", evals="a", client=client),
    "start_runs of what was edited": lambda client: ra.start_runs(
        "wf", only="edited", client=client
    ),
    "fetch_config_changes": lambda client: ra.fetch_config_changes("wf", "v1", client=client),
    "check": lambda client: ra.check("wf", client=client),
    "settle": lambda client: ra.settle(COMPARED, client=client),
    "overview": lambda client: ra.overview("wf", client=client),
    "watch": lambda client: ra.watch("r", client=client),
    "summarize_runs": lambda _: ra.summarize_runs(RUNS),
    "summarize_evals": lambda _: ra.summarize_evals(RESULTS),
    "states": lambda _: ra.states(RESULTS),
    "compare": lambda _: ra.compare(RESULTS, RESULTS),
    "plot": lambda _: ra.plot_outcomes(RUNS),
    "gate": lambda _: COMPARED.gate(),
    "a report": lambda _: COMPARED.to_markdown(),
    "reruns": lambda _: COMPARED.reruns,
    "write_csv": lambda _: ra.write_csv(RUNS, io.StringIO()),
    "read_csv": lambda _: ra.read_csv(io.StringIO("a\n1\n")),
    "a frame of one's own": lambda _: ra.summarize_runs(RUNS.lazy()),
}


@pytest.mark.parametrize("call", COMPUTING.values(), ids=COMPUTING)
def test_81_a_child_in_which_polars_would_wait_for_ever_says_so(
    call: Callable[[ra.Client], Any],
) -> None:
    with FaultServer([run_of]) as server, ra.Client(KEY, server.url) as client:
        said = in_child(lambda: str(call(client)))
        assert said.startswith("ConfigError: this process was forked")
        assert "spawn" in said
        assert server.requests == []
        assert ra.fetch_run("after", client=client).height == 1


def test_81_so_does_the_command_line(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETAB_API_KEY", KEY)
    assert in_child(lambda: main(["check", "wf"])) == 3
    assert "this process was forked" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere polars' threads are not seen")
@pytest.mark.parametrize(
    "call",
    [
        *('fetch_results("r", client=client)', 'check("wf", client=client)'),
        *('Archive("a").info()', 'Archive("a").verify()', 'Archive("a").export_parquet("lake")'),
        *(f'Archive("a").scan_{table}().collect()' for table in ("runs", "results", "evals")),
        *(f'Archive("a").scan_{table}().collect()' for table in ("versions", "edits")),
        'Archive("a").sync("wf", client=client)',
    ],
)
def test_81_whoever_has_used_polars_before(call: str, tmp_path: Path) -> None:
    """A new process, in which polars is used, and nothing of ours that would know it."""
    program = f"""if True:
        import os, polars, retab_analysis as ra
        polars.DataFrame({{"a": [2, 1]}}).sort("a")
        child = os.fork()
        if child == 0:
            client = ra.Client("some_key", "http://127.0.0.1:9")
            try:
                ra.{call}
            except ra.ConfigError as error:
                os._exit(7 if "this process was forked" in str(error) else 8)
            os._exit(9)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    command = [sys.executable, "-W", "ignore", "-c", program]
    ended = subprocess.run(command, check=False, timeout=60, cwd=tmp_path)
    assert ended.returncode == 7


AT_EXIT = """if True:
    import atexit, sys
    import retab_analysis as ra
    client = ra.Client("some_key", sys.argv[1], max_attempts=1)
    {before}
    def last():
        try:
            print("height", ra.fetch_run("last", client=client).height)
        except ra.RetabAnalysisError as error:
            print(type(error).__name__, error)
    atexit.register(last)
"""


@pytest.mark.parametrize(
    ("before", "said"),
    [
        # polars cannot be loaded any more, and no thread can be had from Python 3.12 on.
        ("", "ConfigError Python is shutting down and cannot load fetch_run any more"),
        ('ra.fetch_run("first", client=client)', "height 1"),
    ],
)
def test_a_request_while_python_ends_is_answered_or_one_of_our_errors(
    before: str, said: str
) -> None:
    program = AT_EXIT.format(before=before)
    with FaultServer([run_of]) as server:
        ended = subprocess.run(
            [sys.executable, "-c", program, server.url],
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )
    assert ended.stdout.startswith(said), ended.stderr
    assert ended.stderr == ""
