"""JSON with numbers as they were written, and texts that have no UTF-8."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.inside import from_json, number, to_json


@pytest.mark.parametrize("literal", ["1.10", "-0.0", "1.5e6", "12345678901234567890", "2", "1E-3"])
def test_a_number_keeps_its_literal(literal: str) -> None:
    assert to_json([number(literal)]) == f"[{literal}]".encode()
    assert to_json(from_json(f"[{literal}]")) == f"[{literal}]".encode()


@pytest.mark.parametrize("literal", ["", "one", "1,5", "0x10"])
def test_what_is_not_a_number_is_refused(literal: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting value|Extra data"):
        number(literal)


def test_a_text_that_looks_like_the_mark_is_left_alone() -> None:
    text = "\\u0000number:1.10"
    assert json.loads(to_json([text])) == [text]


def test_a_lone_surrogate_travels_as_an_escape() -> None:
    assert to_json(["é\ud800"]) == b'["\\u00e9\\ud800"]'


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_any_document_comes_back(document: object) -> None:
    assert json.loads(to_json(document)) == document
