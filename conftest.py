"""What the examples in docstrings find when they run: one sandbox for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def _sandbox_of_examples() -> Iterator[Any]:
    import retab_analysis as ra

    with ra.Sandbox(speed=200) as sandbox, ra.Client(**sandbox.credentials) as client:
        yield client


@pytest.fixture(autouse=True)
def _ground_of_an_example(
    request: pytest.FixtureRequest,
    doctest_namespace: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """``ra`` and ``pl``, a sandbox that everything talks to, and a folder to write to."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    import polars as pl

    import retab_analysis as ra

    client = request.getfixturevalue("_sandbox_of_examples")
    doctest_namespace |= {"ra": ra, "pl": pl}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    ra.use(client)
    yield
    ra.use(None, values=None)
