"""One test over many seeds or dialects: a few at each change, the rest with the studies."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def with_studies(values: Iterable[Any], core: Collection[Any]) -> list[Any]:
    """The parameters of a test, or tuples of them; those outside ``core`` run with the studies."""
    return [
        pytest.param(
            *(each if isinstance(each, tuple) else (each,)),
            marks=() if each in core else pytest.mark.study,
        )
        for each in values
    ]
