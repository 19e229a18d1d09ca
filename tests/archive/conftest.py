from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.nursery import Nursery

import retab_analysis as ra


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as made:
        yield made


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[ra.Archive]:
    with ra.Archive(tmp_path / "archive.sqlite") as made:
        yield made
