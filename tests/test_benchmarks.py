"""The benchmarks still run; how fast is for ``tests/benchmarks/run.py`` to judge."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from benchmarks import bodies, harness, run

pytestmark = pytest.mark.study

FOLDER = Path(run.__file__).parent


@pytest.mark.parametrize("name", run.NAMES)
def test_a_benchmark_measures_what_it_promises(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "ROUNDS", 1)
    monkeypatch.setattr(harness, "AT_LEAST", 0.0)
    benchmark = run.load(name)
    monkeypatch.setattr(benchmark, "INTERVAL", 0.1, raising=False)
    rows = benchmark.measure(2)
    assert name == benchmark.NAME
    assert benchmark.PROMISES.keys() <= {row.label for row in rows}
    # Of few rounds there may be nothing that was kept.
    assert all(row.judged > 0 or row.unit == "MB more" for row in rows)


def test_every_benchmark_can_be_run() -> None:
    found = [each.stem for each in FOLDER.glob("*.py") if "\nPROMISES" in each.read_text()]
    assert sorted(found) == sorted(run.NAMES)


@pytest.mark.parametrize(
    ("ratio", "code", "words"),
    [
        (5.0, 0, "| 5.0   | ≥ 5      |"),
        (4.9, 1, "not as promised: decode_runs: fast"),
        (None, 1, "not as promised: decode_runs: fast"),
    ],
)
def test_a_promise_that_is_not_kept_is_the_exit_code(
    ratio: float | None,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [] if ratio is None else [harness.Row("fast", "rows", 100 * ratio, 100)]
    fake = SimpleNamespace(NAME="decode_runs", PROMISES={"fast": 5}, measure=lambda: rows)
    monkeypatch.setattr(run, "load", lambda name: harness if name == "harness" else fake)
    assert run.main(["decode_runs"]) == code
    assert words in capsys.readouterr().out


def test_an_unknown_name_is_refused_by_the_program() -> None:
    ended = subprocess.run(
        [sys.executable, FOLDER / "run.py", "nothing"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr == f"no benchmark nothing; there are {', '.join(run.NAMES)}\n"


def test_a_result_is_as_large_as_it_is_said_to_be() -> None:
    assert 1_700 < len(bodies.page(bodies.results(100))) / 100 < 1_900
