"""Records on the way to one frame: when they become rows changes the memory it takes, no more."""

from __future__ import annotations

import json
import tracemalloc

from support.documents import result_document
from support.faultserver import page
from support.inside import RESULTS, Gathering, paging, read_page


def test_the_memory_that_waits_is_bounded_by_the_size_of_the_bodies() -> None:
    value = "x" * 200_000
    body = json.dumps(page([result_document(assertion_result__actual_value=value)])).encode()
    gathering = Gathering(RESULTS)
    tracemalloc.start()
    try:
        for _ in range(400):
            # A raw value keeps the body that it was sent in, a copy of its own each time.
            gathering.add(read_page(RESULTS.record, bytes(bytearray(body))))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * paging._GATHERED_AT < 400 * len(body) / 2
    assert gathering.rows().height == 400
