"""A sandbox in which nothing happens, and frames of it."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest
from support.fakes import STILL

import retab_analysis as ra


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ra.Sandbox]:
    with ra.Sandbox(speed=STILL) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def api(sandbox: ra.Sandbox) -> ra.Client:
    return ra.Client(**sandbox.credentials)


@pytest.fixture(scope="module")
def runs(api: ra.Client) -> pl.DataFrame:
    return ra.fetch_runs("wf_invoices", client=api)


@pytest.fixture(scope="module")
def results(api: ra.Client, runs: pl.DataFrame) -> pl.DataFrame:
    ended = runs.filter("is_terminal", pl.col("scope") == "workflow").head(6)
    return ra.fetch_results(ended, evals=ra.fetch_evals("wf_invoices", client=api), client=api)
