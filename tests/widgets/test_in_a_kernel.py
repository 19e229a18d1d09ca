"""What a cell shows besides its value, in a real kernel; the test is the front end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

SETUP = "import retab_analysis as ra\nsandbox = ra.demo(speed=200)\n"


@pytest.fixture
def kernel() -> Iterator[BlockingKernelClient]:
    manager, client = start_new_kernel(extra_arguments=["--IPKernelApp.log_level=40"])
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def execute(kernel: BlockingKernelClient, code: str) -> list[dict[str, Any]]:
    """What a cell puts below itself, message by message."""
    messages: list[dict[str, Any]] = []
    kernel.execute_interactive(code, timeout=60, output_hook=messages.append)
    return messages


def list_displays(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["content"]["data"] for each in messages if each["msg_type"] == "display_data"]


def test_a_wait_says_once_what_keeps_the_buttons_alive(kernel: BlockingKernelClient) -> None:
    for shown, lines in (("", 0), ("view.widget; ", 1)):
        code = f"view = ra.watch(ra.start_runs('wf_claims'))\n{shown}runs = view.wait(30)"
        said = [each["text/plain"] for each in list_displays(execute(kernel, SETUP + code))]
        assert sum("await view" in each for each in said) == lines
    # Nothing is left to wait for.
    assert list_displays(execute(kernel, "runs = view.wait()")) == []


def test_a_page_is_sent_whole_though_its_question_waits(kernel: BlockingKernelClient) -> None:
    code = "import time\nview = ra.explore('wf_claims')\nruns = view.wait(60)\ndisplay(view)\n"
    messages = execute(kernel, SETUP + code + "time.sleep(2)")
    sent = [each["content"]["data"] for each in messages if each["msg_type"] == "comm_msg"]
    whole = [each["content"]["pieces"] for each in sent if "pieces" in each.get("content", {})]
    assert whole
    assert "evals are still broken" in whole[0]["0:line"]


def test_a_start_is_said_as_plain_output_of_its_own(kernel: BlockingKernelClient) -> None:
    code = "import retab_analysis as ra\nsandbox = ra.demo()\nruns = ra.start_runs('wf_claims')"
    messages = execute(kernel, code)
    assert list_displays(messages) == [{"text/plain": "Starting 1 run of 20 evals in wf_claims."}]
    assert not [each for each in messages if each["msg_type"] == "stream"]
    # Those of a cell are one line.
    code = "for flow in ['wf_claims', 'wf_contracts'] * 10:\n    runs = ra.start_runs(flow)"
    messages = execute(kernel, code)
    assert len(list_displays(messages)) == 1
    said = [
        each["content"]["data"] for each in messages if each["msg_type"] == "update_display_data"
    ]
    assert said[-1] == {"text/plain": "Starting 20 runs of 460 evals together in 2 workflows."}
    # What a cell prints stays its own, and so does its last value.
    code = "runs = ra.start_runs('wf_claims', evals=ra.fetch_evals('wf_claims')['eval_id'][0])\n1"
    messages = execute(kernel, code)
    assert [
        each["content"]["data"] for each in messages if each["msg_type"] == "execute_result"
    ] == [{"text/plain": "1"}]
