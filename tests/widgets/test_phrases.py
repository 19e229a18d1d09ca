"""Times, versions and documents in words."""

from __future__ import annotations

import pytest
from support.inside import format_range, name_documents, shorten_version


def test_a_long_version_is_shortened() -> None:
    assert shorten_version("draft_2026_05_18") == "draft_2026_05_18"
    assert shorten_version("wfv_0123456789abcdef0123456789") == "wfv_0123456789ab…"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0, 3, "about 5 s"),
        (12, 44, "10 to 45 s"),
        (100, 110, "about 2 min"),
        (150, 400, "2 to 7 min"),
        (4000, 9000, "1 to 3 h"),
    ],
)
def test_a_range_in_words(low: float, high: float, words: str) -> None:
    assert format_range(low, high) == words


def test_documents_in_one_line() -> None:
    assert name_documents({"document_names": None}) == ""
    assert name_documents({"document_names": ["a", None, "b\nc"]}) == "a, b c"
