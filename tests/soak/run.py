"""Hold out for minutes: ``python tests/soak/run.py [--seconds 480] [name …]``; ``make soak``.

Faults and forks at random moments, each for its share of the time; random worlds for a minute.
What has to hold is asserted, and what was survived is counted. The seed is printed, so that a run
that found something can be repeated, as far as threads repeat.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from support.adversary import play_seed
from support.documents import run_document
from support.fakes import KEY
from support.faultserver import FaultServer, Reply, reply
from support.outages import AS_DELETED, OUTAGES, WORLDS, is_green

import retab_analysis as ra

THREADS = 64
MOST_MORE_MEMORY = 150  # MiB


def answer_with_faults(request: str) -> Reply:
    """The run that was asked for, or something that goes wrong on the way to it."""
    run_id = request.split(" ")[1].rpartition("/")[2]
    good = reply(body=run_document(run_id))
    faults = [
        Reply(b"", "reset"),
        Reply(b"", "close"),
        Reply(good.data[:200], "reset"),
        Reply(good.data[:-50], "close"),
        Reply(b"HTTP/1.1 200 ", endless=b"x", pause=0.01),
        Reply(b"", endless=b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.01),
        reply(503, {"detail": f"down, {KEY}"}),
        reply(429, headers={"Retry-After": "0.05"}),
        reply(404, {"detail": "gone"}),
        reply(206, run_document(run_id)),
        reply(body=run_document("another")),
        reply(body=b"<html>" + KEY.encode()),
        reply(body=run_document(run_id, total_evals=KEY)),
    ]
    return good if random.random() < 0.7 else random.choice(faults)


def resident() -> float:
    """The memory of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only


def soak_faults(seconds: float) -> Counter[str]:
    """Many threads, one client, every kind of fault: the right run or one of our errors."""
    seen: Counter[str] = Counter()
    with FaultServer([answer_with_faults]) as server:
        with ra.Client(KEY, server.url, deadline=1.0, max_concurrency=THREADS) as client:
            end = time.monotonic() + seconds
            memory: list[float] = []

            def read(thread: int) -> None:
                number = 0
                while time.monotonic() < end:
                    asked, began = f"r{thread}-{number}", time.monotonic()
                    number += 1
                    try:
                        found = ra.fetch_run(asked, client=client)["run_id"].to_list()
                    except ra.RetabAnalysisError as error:
                        outcome, shown = type(error).__name__, f"{error!r} {vars(error)}"
                    else:
                        outcome, shown = "good", f"{found}"
                        assert found == [asked]
                    assert KEY not in shown
                    seen[outcome] += 1
                    assert time.monotonic() - began < 15, "the deadline is 1 s, the machine is busy"

            with ThreadPoolExecutor(THREADS) as pool:
                reading = [pool.submit(read, each) for each in range(THREADS)]
                while time.monotonic() < end:
                    time.sleep(min(5.0, seconds / 10))
                    memory.append(resident())
                for each in reading:
                    each.result()
            seen["MiB more than at first"] = round(memory[-1] - memory[0])
            assert memory[-1] - memory[0] < MOST_MORE_MEMORY, memory
            assert seen["good"] > THREADS
    assert not [each for each in threading.enumerate() if each.name.startswith("retab_analysis")]
    return seen


def soak_forks(seconds: float) -> Counter[str]:
    """Forks beside busy threads: each process gets its own answers."""
    seen: Counter[str] = Counter()
    stop = threading.Event()
    context = multiprocessing.get_context("fork")

    def answer(request: str) -> Reply:
        return reply(body=run_document(request.split(" ")[1].rpartition("/")[2]))

    def read(client: ra.Client, name: str, number: int) -> None:
        for at in range(number):
            asked = f"{name}-{at}"
            assert ra.fetch_run(asked, client=client)["run_id"].to_list() == [asked]

    with FaultServer([answer]) as server, ra.Client(KEY, server.url) as client:

        def go_on(name: str) -> None:
            while not stop.is_set():
                read(client, name, 20)
                seen["rounds of threads"] += 1

        end = time.monotonic() + seconds
        with ThreadPoolExecutor(8) as pool:
            busy = [pool.submit(go_on, f"thread{each}") for each in range(8)]
            while time.monotonic() < end:
                processes = [
                    # Of polars, no thread may be needed in a child that was forked.
                    context.Process(target=in_child, args=(client, f"child{each}"))
                    for each in range(4)
                ]
                for process in processes:
                    process.start()
                for process in processes:
                    process.join(60)
                    assert process.exitcode == 0, process.exitcode
                    seen["children"] += 1
            stop.set()
            for each in busy:
                each.result()
    return seen


def in_child(client: ra.Client, name: str) -> None:
    import json

    for at in range(20):
        asked = f"{name}-{at}"
        found = client.get(f"/v1/workflows/evals/runs/{asked}", parse=json.loads)
        assert found["id"] == asked, f"{found['id']} instead of {asked}"


def soak_laws(seconds: float) -> Counter[str]:
    """Random worlds in every dialect: no green verdict that is not true, and the laws.

    Each time two endpoints fail at once, too, in a world that is not well.
    """
    seen: Counter[str] = Counter()
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            broken = play_seed(random.randrange(10**9), Path(folder))
            assert not broken, broken
            seen["worlds"] += 1
            world, outages = random.choice([*WORLDS]), random.sample(OUTAGES, 2)
            if {*outages} == AS_DELETED:
                continue
            assert not is_green(world, outages), (world, outages)
            seen["outages"] += 1
    return seen


SOAKS: dict[str, Callable[[float], Counter[str]]] = {
    "faults": soak_faults,
    "forks": soak_forks,
    "laws": soak_laws,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=480.0, help="for all of them together")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(SOAKS))
    options = parser.parse_args()
    random.seed(options.seed)
    warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
    chosen = options.names or list(SOAKS)
    print(f"seed {options.seed}", flush=True)
    # A minute of laws is enough, whatever the others have.
    laws = min(60.0, options.seconds / len(chosen)) if "laws" in chosen else 0.0
    others = [each for each in chosen if each != "laws"]
    shares = dict.fromkeys(others, (options.seconds - laws) / max(1, len(others))) | {"laws": laws}
    for name in chosen:
        began, before = time.monotonic(), descriptors()
        seen = SOAKS[name](shares[name])
        time.sleep(1)  # for the servers' threads to close what they had
        more = descriptors() - before
        assert more < 20, f"{name} leaves {more} files or sockets open"
        counts = ", ".join(f"{count} {what}" for what, count in sorted(seen.items()))
        print(f"{name}: {time.monotonic() - began:.0f} s: {counts}", flush=True)


if __name__ == "__main__":
    main()
