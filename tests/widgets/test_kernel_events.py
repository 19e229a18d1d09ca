"""Events of a page while a cell waits, in a real kernel; the test is the front end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

SETUP = """import retab_analysis as ra
sandbox = ra.demo(speed=0.02)
view = ra.watch(ra.start_runs("wf_claims"), interval=0.1)
while view.comparison is None: pass
print(view.widget.model_id)"""


@pytest.fixture
def kernel() -> Iterator[BlockingKernelClient]:
    manager, client = start_new_kernel(extra_arguments=["--IPKernelApp.log_level=40"])
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def wait_for(kernel: BlockingKernelClient, request: str, seconds: float = 20.0) -> dict[str, Any]:
    """The reply to a request, whatever other replies come before it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        reply: dict[str, Any] = kernel.get_shell_msg(timeout=seconds)
        if reply["parent_header"]["msg_id"] == request:
            return reply
    raise AssertionError("no reply")


def execute(kernel: BlockingKernelClient, code: str) -> list[dict[str, Any]]:
    """What a cell puts below itself, message by message."""
    messages: list[dict[str, Any]] = []
    kernel.execute_interactive(code, timeout=60, output_hook=messages.append)
    return messages


def printed(kernel: BlockingKernelClient, code: str) -> str:
    streams = [each["content"] for each in execute(kernel, code) if each["msg_type"] == "stream"]
    return "".join(each["text"] for each in streams if each["name"] == "stdout").strip()


def test_a_click_is_answered_and_the_next_cells_wait_their_turn(
    kernel: BlockingKernelClient,
) -> None:
    model = printed(kernel, SETUP).splitlines()[-1]
    waiting = kernel.execute("ended = view.wait(30)['status'][0]; order = ['waited']")
    after = [kernel.execute(f"order.append({number})") for number in (1, 2)]
    time.sleep(1)
    for event in ("ask", "cancel"):
        content = {"id": event, "event": event, "scope": "0", "value": "cancel"}
        data = {"method": "custom", "content": content}
        message = kernel.session.msg("comm_msg", {"comm_id": model, "data": data})
        kernel.shell_channel.send(message)
    assert wait_for(kernel, waiting)["content"]["status"] == "ok"
    for request in after:
        wait_for(kernel, request)
    assert printed(kernel, "print(ended, order)") == "cancelled ['waited', 1, 2]"


def test_a_wait_that_ends_early_gives_back_what_came_meanwhile(
    kernel: BlockingKernelClient,
) -> None:
    printed(kernel, SETUP)
    late = "try:\n    view.wait(1)\nexcept ra.WaitTimeout:\n    order = ['late']"
    waiting = kernel.execute(late)
    after = kernel.execute("order.append('after')")
    wait_for(kernel, waiting)
    wait_for(kernel, after)
    assert printed(kernel, "print(order)") == "['late', 'after']"


def test_a_start_is_said_as_plain_output_of_its_own(kernel: BlockingKernelClient) -> None:
    code = "import retab_analysis as ra\nsandbox = ra.demo()\nruns = ra.start_runs('wf_claims')"
    messages = execute(kernel, code)
    shown = [each["content"]["data"] for each in messages if each["msg_type"] == "display_data"]
    assert shown == [{"text/plain": "Starting 1 run of 20 evals in wf_claims."}]
    assert not [each for each in messages if each["msg_type"] == "stream"]
    # What a cell prints stays its own, and so does its last value.
    code = "runs = ra.start_runs('wf_claims', evals=ra.fetch_evals('wf_claims')['eval_id'][0])\n1"
    messages = execute(kernel, code)
    assert [
        each["content"]["data"] for each in messages if each["msg_type"] == "execute_result"
    ] == [{"text/plain": "1"}]
