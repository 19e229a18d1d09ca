"""Break the library on purpose, in a sample of places, and say where no test notices.

``python tests/mutants.py [seed] [minutes] [room]``, or ``make mutants``. mutmut changes one
operator, number or argument at a time, in the rooms that ``[tool.mutmut]`` names, and runs the
tests that come by there. With a room, such as ``comparison.gate``, all mutants of it are tried.
What nothing notices is either a test that is missing, or makes no difference: then ``mutants.md``
says why. The exit code is 1 where there is something that it does not name.
"""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXPLAINED = Path(__file__).with_name("mutants.md")
MUTMUT = Path(sys.executable).with_name("mutmut")
MINUTES = 9.0
# About as many as there is time for; those whose tests are the quickest come first.
SAMPLE = 150
# Any one will do to have the mutants made, and which tests come by them counted.
FIRST = "retab_analysis.vocabulary.x_known_state__mutmut_1"
SURVIVED = {0: "no test fails", 5: "no test comes by", 33: "no test comes by"}


def main(seed: int = 0, minutes: float = MINUTES, room: str = "") -> int:
    # Who starts this in the background may have told it to ignore what ends mutmut.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end = time.monotonic() + 60 * minutes
    run_mutmut(end, FIRST)
    names = [each for each in sorted(collect_results()) if f"retab_analysis.{room}" in each]
    if not names:
        sys.stderr.write("mutmut made no mutants: what it says above is why\n")
        return 2
    sample = random.Random(seed).sample(names, len(names) if room else min(SAMPLE, len(names)))
    run_mutmut(end, *sample)
    results = collect_results()
    tried = [name for name in sample if results[name] is not None]
    survivors = {name: describe(name) for name in tried if results[name] in SURVIVED}
    explained = EXPLAINED.read_text(encoding="utf-8")
    new = {name: change for name, change in survivors.items() if change not in explained}
    for name, change in new.items():
        sys.stdout.write(f"{SURVIVED[results[name] or 0]}: {change}\n")
    sys.stdout.write(
        f"seed {seed}: {len(tried)} of {len(names):,} mutants were tried, {len(survivors)} "
        f"survived, {len(new)} of these are not explained in {EXPLAINED.name}\n"
    )
    return 1 if new else 0


def run_mutmut(end: float, *names: str) -> None:
    """Try some mutants until the time is over; what was tried by then counts."""
    with subprocess.Popen([MUTMUT, "run", *names], cwd=ROOT) as mutmut:
        try:
            mutmut.wait(max(1.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            mutmut.send_signal(signal.SIGINT)


def collect_results() -> dict[str, int | None]:
    """What the tests ended with for each mutant, None for those that were not tried."""
    files = (ROOT / "mutants").rglob("*.py.meta")
    parts = (json.loads(file.read_text(encoding="utf-8")) for file in files)
    return {name: code for part in parts for name, code in part["exit_code_by_key"].items()}


def describe(name: str) -> str:
    """A mutant in one line that stays the same as long as its own lines do."""
    shown = subprocess.run(
        [MUTMUT, "show", name], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    before, after = (" ".join(changed_lines(shown, sign)) for sign in "-+")
    function = re.sub(r"__mutmut_\d+$", "", name).replace("xǁ", "").replace("ǁ", ".")
    return f"`{function.replace('.x_', '.')}`: `{before}` → `{after}`"


def changed_lines(diff: str, sign: str) -> Iterator[str]:
    for line in diff.splitlines():
        if line.startswith(sign) and not line.startswith(sign * 3):
            yield line[1:].strip()


if __name__ == "__main__":
    sys.exit(
        main(*(kind(each) for kind, each in zip((int, float, str), sys.argv[1:], strict=False)))
    )
