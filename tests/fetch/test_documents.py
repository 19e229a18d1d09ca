"""Links to documents."""

from __future__ import annotations

import pytest
from support.contract import schema_of
from support.fakes import client_for
from support.faultserver import FaultServer, Reply, reply

import retab_analysis as ra


def test_a_document_link() -> None:
    link = {"download_url": "https://example.com/x?sig=1", "expires_in": "1h", "filename": "x"}
    with FaultServer([reply(body=link)]) as server:
        url = ra.fetch_document_link("a/b", client=client_for(server.url))
        assert server.paths == ["/v1/files/a%2Fb/download-link"]
    assert url == "https://example.com/x?sig=1"


@pytest.mark.parametrize(
    ("answer", "error"), [(reply(404), ra.NotFoundError), (reply(body={}), ra.SchemaError)]
)
def test_a_document_that_has_no_link(answer: Reply, error: type[ra.RetabAnalysisError]) -> None:
    with FaultServer([answer]) as server, pytest.raises(error):
        ra.fetch_document_link("x", client=client_for(server.url))


def test_62_an_answer_has_nothing_to_compare_with_the_document_that_was_asked_for() -> None:
    """A link's address is the API's own affair, and a name may be that of many files.

    Once the contract has an id here, ``read_link`` is to compare it, as all other reads do.
    """
    told = schema_of("FileLink")["properties"]
    assert set(told) == {"download_url", "expires_in", "filename", "mime_data"}
