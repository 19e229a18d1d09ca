"""What several threads decode at first use, in an interpreter of its own: a crash ends it."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys, threading
from retab_analysis import wire
from retab_analysis.decode.documents import read_page

BODY = b'{"data": [], "list_metadata": {}}'
kinds = [each for each in wire.Wire.__subclasses__()]
start = threading.Barrier(16)
sys.setswitchinterval(1e-6)

def work(number):
    start.wait()
    for at in range(len(kinds)):
        read_page(kinds[(number + at) % len(kinds)], BODY)

threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
for each in threads:
    each.start()
for each in threads:
    each.join()
"""


@pytest.mark.parametrize("_", range(4))
def test_threads_that_decode_for_the_first_time_at_once_do_not_crash(_: int) -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
