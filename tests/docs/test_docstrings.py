"""Every public function and class shows how it is used, and ``help`` fits on a screen or two."""

from __future__ import annotations

import doctest
import inspect
import pydoc
import re

import polars as pl
import pytest
from support.inside import (
    Comparison,
    Gate,
    OpenedDocument,
    Overview,
    Tries,
    View,
)

import retab_analysis as ra


@pytest.mark.parametrize("name", sorted(ra.__all__))
def test_every_function_and_class_but_errors_has_an_example_that_runs(name: str) -> None:
    """That it runs is shown by pytest, which collects the examples of the package."""
    value = getattr(ra, name)
    if isinstance(value, type) and issubclass(value, Exception):
        return
    documented = inspect.getdoc(value) or ""
    examples = doctest.DocTestParser().get_examples(documented)
    assert examples
    assert not any(example.options.get(doctest.SKIP) for example in examples)


# What public functions give back, beside frames.
GIVEN = (Comparison, Gate, Overview, OpenedDocument, Tries, View)


@pytest.mark.parametrize("name", sorted(ra.__all__))
def test_every_parameter_is_explained_where_it_stands(name: str) -> None:
    value = getattr(ra, name)
    if isinstance(value, type) and issubclass(value, (Exception, *GIVEN)):
        return
    explained = (inspect.getdoc(value) or "").partition("Args:\n")[2]
    for parameter in (each for each in inspect.signature(value).parameters if each[0] != "_"):
        assert f"    {parameter}:" in explained or f"    {parameter}, " in explained, parameter


@pytest.mark.parametrize("kind", [ra.Archive, ra.Client, ra.Sandbox, type(ra.schema.RUNS), *GIVEN])
def test_what_can_be_asked_of_an_object_is_explained(kind: type) -> None:
    parts = inspect.getmembers(kind, lambda part: inspect.isroutine(part) or type(part) is property)
    public = {name: part for name, part in parts if not name.startswith("_")}
    assert [name for name, part in public.items() if not inspect.getdoc(part)] == []


def test_what_has_columns_of_its_own_names_each_of_them() -> None:
    with ra.Sandbox() as sandbox, ra.Client(**sandbox.credentials) as client:
        verdict = ra.check("wf_invoices", client=client, progress=False)
        runs = ra.fetch_runs("wf_invoices", scope="workflow", limit=6, client=client)
        results = ra.fetch_results(runs, client=client)
        edits = ra.fetch_config_changes("wf_invoices", "published", client=client)
        board = ra.overview(client=client, progress=False)
        one = ra.overview("wf_invoices", client=client, progress=False)
    frames = {
        ra.summarize_runs: ra.summarize_runs(runs, (), every="1w"),
        ra.fetch_config_changes: edits,
        ra.overview: pl.concat([board.frame, one.frame], how="diagonal"),
        **{each: each(results) for each in (ra.summarize_evals, ra.states)},
        **{each: each(results) for each in (ra.summarize_results, ra.eval_history)},
    }
    for function, frame in frames.items():
        said = inspect.getdoc(function) or ""
        assert [each for each in frame.columns if not re.search(rf"\b{each}\b", said)] == []
    assert verdict.evals.columns == ra.schema.COMPARISON.describe()["name"].to_list()


def test_help_is_a_page() -> None:
    shown = pydoc.render_doc(ra, renderer=pydoc.plaintext).splitlines()
    assert len(shown) < 120


def test_help_names_every_function() -> None:
    documented = ra.__doc__ or ""
    for name in ra.__all__:
        if inspect.isfunction(getattr(ra, name)):
            assert re.search(rf"\b{name}\b", documented), name


def test_only_help_sees_fewer_names() -> None:
    pydoc.render_doc(ra)
    assert set(ra.__all__) <= set(dir(ra))
    assert {"check", "Client"} <= {name for name, _ in inspect.getmembers(ra)}
