"""Which label a block gave instead of which."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.frames import result, results

from retab_analysis import ConfigError, SchemaError, confusion


def labelled(at: int, expected: Any, actual: Any, state: str = "", **more: Any) -> dict[str, Any]:
    """A result that asserts one label."""
    state = state or ("passed" if expected == actual else "failed")
    values = {"expected_value": json.dumps(expected), "actual_value": json.dumps(actual)}
    return result(f"e{at}", state, at, **(values | more))


def test_what_counts() -> None:
    frame = results(
        labelled(1, "invoice", "invoice"),
        labelled(2, "invoice", "invoice", actual_value=None),  # a pass has what it asserts
        labelled(3, "invoice", "receipt"),
        labelled(4, "invoice", None, "blocked", actual_value=None),
        labelled(5, "receipt", "invoice"),
        labelled(6, "receipt", None),  # JSON null is a value
        labelled(7, "other", "other", block_id="block_2"),
        # These are no outcomes, or assert no label.
        labelled(8, "invoice", "invoice", "error"),
        labelled(9, "invoice", "invoice", "unscored"),
        labelled(10, "invoice", "invoice", "cancelled"),
        labelled(11, "invoice", "invoice", condition_kind="contains"),
        labelled(12, 7, 7),
        labelled(13, None, None),
    )
    invoice, receipt, other = (json.dumps(each) for each in ("invoice", "receipt", "other"))
    assert confusion(frame).rows() == [
        ("block_1", invoice, invoice, 2, 2 / 3, 0.5),
        ("block_1", invoice, receipt, 1, 2 / 3, 0.5),
        ("block_1", invoice, None, 1, 2 / 3, 0.5),
        ("block_1", receipt, invoice, 1, 0.0, 0.0),
        ("block_1", receipt, "null", 1, 0.0, 0.0),
        ("block_2", other, other, 1, 1.0, 1.0),
    ]
    of_block = confusion(frame.lazy(), block="block_2")
    assert of_block.collect(engine="streaming").rows() == [("block_2", other, other, 1, 1.0, 1.0)]
    assert confusion(frame, block="block_2").equals(of_block.collect())
    never = confusion(results(labelled(1, "a", "b")))
    assert never.select("precision", "recall").rows() == [(None, 0.0)]
    schema = dict.fromkeys(("block_id", "expected_value", "actual_value"), pl.String)
    schema |= {"n": pl.Int64, "precision": pl.Float64, "recall": pl.Float64}
    assert confusion(frame.clear()).schema == pl.Schema(schema)


PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1)


@examples(60)
@given(PAIRS)
def test_precision_and_recall_by_their_definitions(pairs: list[tuple[str, str]]) -> None:
    frame = results(*(labelled(at, *pair) for at, pair in enumerate(pairs)))
    found, counted = confusion(frame), Counter(pairs)
    told = {
        (json.loads(expected), json.loads(actual)): n
        for _, expected, actual, n, *_ in found.iter_rows()
    }
    assert told == counted
    for row in found.iter_rows(named=True):
        label = json.loads(row["expected_value"])
        given_ = [expected for expected, actual in pairs if actual == label]
        expected_ = [actual for expected, actual in pairs if expected == label]
        assert row["recall"] == expected_.count(label) / len(expected_)
        precision = given_.count(label) / len(given_) if given_ else None
        assert row["precision"] == precision


def test_what_is_refused() -> None:
    frame = results(labelled(1, "a", "a", block_id="classify"))
    with pytest.raises(ConfigError, match="no block 'clasify'; did you mean 'classify'"):
        confusion(frame, block="clasify")
    with pytest.raises(ConfigError, match="block must be the id of a block, got 3"):
        confusion(frame, block=3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="expected a"):
        confusion([1])  # type: ignore[type-var]
    with pytest.raises(SchemaError, match="condition_kind"):
        confusion(frame.drop("condition_kind"))
