"""decode_runs and its like, with documents in any form."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from support.documents import (
    eval_document,
    result_document,
    run_document,
)
from support.faultserver import page

import retab_analysis as ra

FORMS = {
    "one": lambda run: run,
    "a list": lambda run: [run],
    "a page": lambda run: page([run]),
    "a page without metadata": lambda run: {"data": [run]},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(
    "as_what", [lambda x: x, json.dumps, lambda x: json.dumps(x, indent=2).encode()]
)
def test_decode_takes_any_form(form: Any, as_what: Any) -> None:
    for function, document in (
        (ra.decode_runs, run_document()),
        (ra.decode_results, result_document()),
        (ra.decode_evals, eval_document()),
    ):
        frame = function(as_what(form(document)))
        assert frame.height == 1
        assert frame.equals(function([document]))
        assert function([]).equals(frame.clear())


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (7, ra.SchemaError, "or a list of documents; got int"),
        (None, ra.SchemaError, "got NoneType"),
        (b"7", ra.SchemaError, "expected an object, a list of objects, or a page; got 7"),
        ([7], ra.SchemaError, r"\$\[0\]: Expected `object`, got `int`; found 7"),
        ({"a": 1}, ra.SchemaError, "missing required field `id`"),
        ("", ra.ProtocolError, "Expecting value"),
        ({"a": {1, 2}}, ra.ProtocolError, "not JSON serializable"),
        ([float("nan")], ra.ProtocolError, "not JSON"),
        ("\ud800", ra.ProtocolError, "Expecting value"),
        ('{"data": [{}', ra.ProtocolError, "the document is not JSON: no comma and no"),
        ('{"data": [{},,{}]}', ra.ProtocolError, "not JSON"),
        ('{"data": [{},]}', ra.ProtocolError, "not JSON"),
        ('{"data": [{}}', ra.ProtocolError, "not JSON"),
        ('{"data": [{}]} x', ra.ProtocolError, "not JSON"),
        ('{"data" [{}]}', ra.ProtocolError, "not JSON"),
        ("{1: 2}", ra.ProtocolError, "not JSON"),
        (
            [run_document(total_evals="x"), run_document("r2", id=...)],
            ra.SchemaError,
            r"run wfevalrun_1: at \$\[0\]\.total_evals.*\(and 1 more, see \.problems\)",
        ),
        ([run_document(timing__created_at="x" * 500)], ra.SchemaError, "ISO 8601"),
        ([run_document(total_evals=["a", "b"])], ra.SchemaError, "got `array`"),
        ([run_document(total_evals="y" * 500)], ra.SchemaError, "y{70,80}…"),
    ],
)
def test_decode_refuses_the_rest(data: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        ra.decode_runs(data)


def test_lenient_keeps_the_good_records_and_warns_its_caller_once() -> None:
    data = [run_document("a"), run_document("bad", total_evals="x"), run_document("b")]
    with pytest.warns(ra.ProblemsWarning, match="1 run left out") as caught:
        frame = ra.decode_runs(data, strict=False)
    assert frame["run_id"].to_list() == ["a", "b"]
    assert [each.filename for each in caught] == [__file__]
    assert caught[0].message.problems["record_id"].to_list() == ["bad"]  # type: ignore[union-attr]
    with pytest.raises(ra.SchemaError, match=r"decode_runs\(…, strict=False\)"):
        ra.decode_runs(data)


SDK_READS = """
import json, sys
import retab_analysis as ra
from retab.types.pagination import AsyncPaginatedList, ListMetadata, PaginatedList
from retab.types.workflows import evals as sdk

kinds = {
    "runs": (ra.decode_runs, sdk.WorkflowEvalRun),
    "results": (ra.decode_results, sdk.WorkflowEvalResult),
    "evals": (ra.decode_evals, sdk.WorkflowEval),
}
after = ListMetadata(before=None, after=None)
for kind, documents in json.load(sys.stdin).items():
    decode, model = kinds[kind]
    objects = [model.model_validate(each) for each in documents]
    expected = decode(documents)
    assert decode(objects).equals(expected), kind
    for page in (PaginatedList, AsyncPaginatedList):
        assert decode(page(data=objects, list_metadata=after)).equals(expected), (kind, page)
    assert decode(objects[0]).equals(expected.head(1)), kind
    assert decode([objects[0], documents[1]]).equals(expected.head(2)), kind
"""


def test_objects_of_the_sdk_are_read_as_the_documents_that_they_were_made_from() -> None:
    documents = {
        # Without counts: the SDK's objects have zeros there, which nobody sent.
        "runs": [run_document(counts=...), run_document("r2", counts__outcome=None)],
        "results": [result_document(), result_document("r2", warnings=..., timing=...)],
        "evals": [eval_document(), eval_document("e2", freshness=...)],
    }
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SDK_READS],
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


class Model:
    """What pydantic models have in common."""

    def __init__(self, document: Any) -> None:
        self.document = document

    def model_dump(self, **how: Any) -> Any:
        assert how == {"mode": "json", "by_alias": True, "exclude_unset": True}
        return self.document


def test_models_may_stand_anywhere() -> None:
    run = run_document()
    for data in (Model(run), [Model(run)], Model(page([run])), {"data": [Model(run)]}):
        assert ra.decode_runs(data).equals(ra.decode_runs(run))


def test_a_model_of_something_else_is_refused() -> None:
    with pytest.raises(ra.SchemaError, match="missing required field `id`"):
        ra.decode_runs(Model({"a": 1}))
    with pytest.raises(ra.ProtocolError, match="type object is not JSON serializable"):
        ra.decode_runs([Model(object())])
    with pytest.raises(ra.SchemaError, match="got type"):
        ra.decode_runs(Model)  # type: ignore[arg-type]
