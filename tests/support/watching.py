"""Servers for views that watch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import retab_analysis as ra
from support.documents import eval_document
from support.fakes import KEY
from support.faultserver import Reply, page, reply
from support.made_runs import result_with, run_with


def routes(
    runs: Callable[[int], Reply], results: list[dict[str, Any]] | None = None
) -> Callable[[str], Reply]:
    """Answers by path: the n-th look at a run, and always the same results and evals."""
    looks = iter(range(10**6))

    def answer(request: str) -> Reply:
        path = request.split(" ")[1]
        if path.startswith("/v1/workflows/evals/results"):
            return reply(body=page(results or []))
        if path.startswith("/v1/workflows/evals/runs/"):
            return runs(next(looks))
        if path.startswith("/v1/workflows/evals?"):
            return reply(body=page([eval_document("e1")]))
        return reply(body=page([]))

    return answer


def in_order(*answers: Reply) -> Callable[[int], Reply]:
    """The answers one after the other, the last one for ever."""
    return lambda look: answers[min(look, len(answers) - 1)]


def client(url: str, **settings: Any) -> ra.Client:
    return ra.Client(KEY, url, **{"max_attempts": 1, **settings})


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.01)


GOING = reply(body=run_with(running=1, queued=1))

ENDED = reply(body=run_with("r1", "completed", passed=1, failed=1))

RESULTS = [result_with("e1", "passed"), result_with("e2", "failed")]
