"""Links to documents."""

from __future__ import annotations

import pytest
from support.fakes import client_for
from support.faultserver import FaultServer, Reply, reply
from support.inside import read_link

import retab_analysis as ra


def test_a_document_link() -> None:
    link = {"download_url": "https://example.com/x?sig=1", "expires_in": "1h", "filename": "x"}
    with FaultServer([reply(body=link)]) as server:
        found = read_link(client_for(server.url), "a/b")
        assert server.paths == ["/v1/files/a%2Fb/download-link"]
    assert (found.download_url, found.filename) == ("https://example.com/x?sig=1", "x")


@pytest.mark.parametrize(
    ("answer", "error"), [(reply(404), ra.NotFoundError), (reply(body={}), ra.SchemaError)]
)
def test_a_document_that_has_no_link(answer: Reply, error: type[ra.RetabAnalysisError]) -> None:
    with FaultServer([answer]) as server, pytest.raises(error):
        read_link(client_for(server.url), "x")
