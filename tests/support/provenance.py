"""Which requests are documented: by ``facts.toml``, by the official SDK, by the vendor's CLI."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import retab_analysis as ra

FACTS = Path(ra.__file__).parent / "cli" / "facts.toml"

Sends = Mapping[tuple[str, str], frozenset[str]]

# What the vendor's command line asks and no SDK does, as the notes on the API have it.
CLI: Sends = {
    ("GET", "/v1/workflows/{}/published-versions"): frozenset({"limit", "before", "after"}),
    ("GET", "/v1/workflows/blocks/{}/config-history"): frozenset(
        {"workflow_id", "limit", "before", "after"}
    ),
    ("GET", "/v1/auth/status"): frozenset(),
}


@functools.cache
def facts() -> dict[str, dict[str, dict[str, Any]]]:
    document: dict[str, dict[str, dict[str, Any]]] = tomllib.loads(FACTS.read_text("utf-8"))
    return document


@functools.cache
def endpoints() -> Sends:
    """What ``facts.toml`` says that is sent: names of parameters, or of members of a body."""
    known = facts()["endpoint"].items()
    return {split_place(each): frozenset(its.get("sends", ())) for each, its in known}


def split_place(named: str) -> tuple[str, str]:
    """The method and the path of an endpoint in ``facts.toml``."""
    method, _, path = named.partition(" ")
    return method, path


def sdk_requests() -> Sends:
    """What the SDK's ``prepare_…`` methods make, with every argument given that is a plain one."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for resource in _resources():
        for name, prepare in inspect.getmembers(resource, inspect.isfunction):
            if name.startswith("prepare_"):
                for request in _prepared(resource(), prepare):
                    names = {*(request.params or {}), *(request.data or {})}
                    place = (request.method, re.sub(r"\{\w+\}", "{}", request.url))
                    found[place] = found.get(place, frozenset()) | names
    return found


def _resources() -> Iterator[Any]:
    import retab.resources

    for module in pkgutil.walk_packages(retab.resources.__path__, "retab.resources."):
        for name, each in vars(importlib.import_module(module.name)).items():
            if name.endswith("Mixin") and each.__module__ == module.name:
                yield each


def _prepared(resource: Any, prepare: Any) -> Iterator[Any]:
    parameters = [*inspect.signature(prepare).parameters.values()][1:]
    given = {
        each.name: f"{{{each.name}}}" for each in parameters if each.kind is not each.VAR_KEYWORD
    }
    if "scope" in given:
        given["scope"] = {"type": "workflow"}
    try:
        yield prepare(resource, **given)
    except (ValueError, TypeError, AttributeError, OSError):
        return  # a body of the SDK's own types, none of which we send


@functools.cache
def find_endpoint(method: str, path: str) -> tuple[str, str] | None:
    """Which endpoint a request is for, those first that name more: ``runs`` is no id."""
    for known in sorted(endpoints(), key=lambda each: each[1].count("{}")):
        if known[0] == method and re.fullmatch(known[1].replace("{}", "[^/]+"), path):
            return known
    return None


def undocumented(method: str, path: str, names: Collection[str]) -> list[str]:
    """What of a request nobody documents."""
    found = find_endpoint(method, path)
    if found is None:
        return [f"{method} {path}"]
    return [f"{method} {path}: {each}" for each in sorted({*names} - endpoints()[found])]
