"""From a result to the document that it is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.documents import result_document
from support.fakes import STILL, client_for
from support.faultserver import FaultServer, Reply, reply
from support.frames import result, results
from support.html_elements import Elements
from support.inside import OpenedDocument

import retab_analysis as ra

NOWHERE = "http://127.0.0.1:9"
URL = "https://files.example/x?signature=1&expires=2"


def elements(opened: OpenedDocument) -> Elements:
    return Elements(opened._repr_html_())


def link(name: str = "invoice.pdf", url: str = URL) -> Reply:
    return reply(body={"download_url": url, "expires_in": "15 minutes", "filename": name})


def by_path(known: dict[str, Reply]) -> Callable[[str], Reply]:
    return lambda request: known.get(urlsplit(request.split(" ")[1]).path, reply(404))


def opened(given: Any, answer: Any = None) -> OpenedDocument:
    with FaultServer([answer or link()]) as server:
        return ra.open_document(given, client=client_for(server.url))


def test_a_row_as_a_frame_and_as_a_dict() -> None:
    frame = results(result("e", "failed", document_ids=["a/b"]))
    for given in (frame, frame.row(0, named=True)):
        with FaultServer([link()]) as server:
            document = ra.open_document(given, client=client_for(server.url))
            assert server.paths == ["/v1/files/a%2Fb/download-link"]
        assert document == OpenedDocument(URL, "invoice.pdf", "a/b")
        assert repr(document) == f"invoice.pdf (a/b): {URL}"


def test_a_pdf_and_an_image_are_shown_beside_a_link() -> None:
    pdf, image = (
        elements(OpenedDocument(URL, name, "file_1")) for name in ("scan.pdf", "Scan 1.JPEG")
    )
    for shown in (pdf, image):
        (anchor,) = shown.attributes("a")
        assert anchor["href"] == URL
        assert "noopener" in str(anchor["rel"])
    assert not pdf.attributes("img")
    (shown_pdf,) = pdf.attributes("object")
    assert str(shown_pdf["data"]).startswith(f"{URL}#")
    assert shown_pdf["type"] == "application/pdf"
    (shown_image,) = image.attributes("img")
    assert shown_image["src"] == URL
    assert shown_image["alt"] == "Scan 1.JPEG"


def test_of_several_documents_the_first_and_how_many_more() -> None:
    row = {"document_ids": ["file_1", None, "file_2", "file_3"], "eval_id": "e"}
    document = opened(row)
    assert document.document_id == "file_1"
    assert document.others == ("file_2", "file_3")
    assert "2 more documents: file_2, file_3" in repr(document)
    assert "2 more documents: file_2, file_3" in elements(document).text
    single = opened({"document_ids": ["a", "b"]})
    assert "1 more document: b" in repr(single)


def test_the_id_of_a_result_or_of_a_document() -> None:
    body = result_document("res_1")
    ids = [each["document"]["id"] for each in body["handle_inputs"].values() if "document" in each]
    known = {
        "/v1/workflows/evals/results/res_1": reply(body=body),
        **{f"/v1/files/{ident}/download-link": link() for ident in (*ids, "doc_9", "file_9")},
    }
    with FaultServer([by_path(known)]) as server:
        client = client_for(server.url)
        assert ra.open_document("res_1", client=client).document_id == ids[0]
        assert ra.open_document("doc_9", client=client).document_id == "doc_9"
        before = len(server.requests)
        assert ra.open_document("file_9", client=client).document_id == "file_9"
        assert len(server.requests) == before + 1
        with pytest.raises(ra.NotFoundError):
            ra.open_document("nothing", client=client)


def test_a_row_of_a_comparison_leads_to_its_newest_result() -> None:
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        run = ra.fetch_runs("wf_claims", status="completed", limit=1, client=client)
        frame = ra.fetch_results(run, evals=False, client=client, progress=False)
        row = frame.filter(frame["document_ids"].list.len() > 0).head(1)
        given = {"candidate_result_id": row["result_id"][0], "baseline_result_id": "other"}
        found = ra.open_document(given, client=client)
        assert found.document_id == row["document_ids"][0][0]
        assert found.name == row["document_names"][0][0]
        assert found == ra.open_document(row, client=client)


@pytest.mark.parametrize("documents", [None, [], [None]])
def test_a_result_without_a_document(documents: Any) -> None:
    row = {"document_ids": documents, "eval_name": "Total is zero"}
    with pytest.raises(ra.ConfigError, match="Total is zero has no document"):
        ra.open_document(row, client=client_for(NOWHERE))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (results(), "has no rows"),
        (3, "must be a RESULTS frame, one of its rows or an id, got int"),
        (None, "got NoneType"),
        ("", "is empty"),
        ({}, "neither document_ids nor a result's id; it has nothing"),
        ({"run_id": "r"}, "it has run_id"),
        ({"document_ids": "file_1"}, "must be a list, got 'file_1'"),
        ({"result_id": 3}, "must be a string"),
    ],
)
def test_what_is_not_a_result(given: Any, message: str) -> None:
    with pytest.raises(ra.ConfigError, match=message):
        ra.open_document(given, client=client_for(NOWHERE))


HOSTILE = '"><script>alert(1)</script>\x1b\u202e.png'


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,<script>", 'x"><script>'])
def test_an_address_that_could_run_is_not_made_a_link(url: str) -> None:
    shown = elements(OpenedDocument(url, "invoice.png", "file_1"))
    assert not shown.attributes("a")
    assert not shown.attributes("img")
    assert "invoice.png" in shown.text


def test_hostile_names_stay_text() -> None:
    shown = elements(OpenedDocument(f'{URL}"><script>', HOSTILE, HOSTILE, (HOSTILE,)))
    assert not shown.attributes("script")
    assert {tag for tag, _ in shown.made} <= {"div", "style", "a", "bdi", "img"}
    assert all(key[:2] != "on" for _, attributes in shown.made for key in attributes)
    assert "\x1b" not in shown.text
    assert "\x1b" not in repr(OpenedDocument(URL, HOSTILE, "file_1"))
