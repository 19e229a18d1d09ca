"""How many examples a law is tried on."""

from __future__ import annotations

from hypothesis import settings


def examples(number: int) -> settings:
    """For a law that is slow, or that needs more than others: so many in the long profile.

    In any other run it is the same part of them that laws without a number are tried on.
    """
    return settings(max_examples=max(1, number * settings.default.max_examples // 100))
