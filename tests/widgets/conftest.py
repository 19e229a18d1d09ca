"""A sandbox in which nothing happens, and a view of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fakes import STILL
from support.inside import View

import retab_analysis as ra


@pytest.fixture(scope="package")
def api() -> Iterator[ra.Client]:
    with ra.Sandbox(speed=STILL) as sandbox:
        yield ra.Client(**sandbox.credentials)


@pytest.fixture
def view(api: ra.Client) -> Iterator[View]:
    """What ``check`` says of the sandbox's invoices."""
    view = ra.explore("wf_invoices", client=api)
    view.wait(120)
    yield view
    view.close()
