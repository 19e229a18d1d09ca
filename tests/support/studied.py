"""One test over many seeds or dialects: a few at each change, the rest with the studies."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def with_studies(values: Iterable[Any], core: Collection[Any]) -> list[Any]:
    """The parameters of a test; those outside ``core`` run with ``make studies``."""
    study = pytest.mark.study
    return [each if each in core else pytest.param(each, marks=study) for each in values]
