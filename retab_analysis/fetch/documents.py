"""Documents: the files that evals were run on."""

from __future__ import annotations

from retab_analysis import wire
from retab_analysis.decode import read_document
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.params import quote_id
from retab_analysis.transport import Client


def fetch_document_link(document_id: str, *, client: Client | None = None) -> str:
    """Fetch a temporary address of a document.

    Args:
        document_id: One of ``document_ids`` of a RESULTS frame.
        client: The client to ask with; the default one if not given.

    Returns:
        A URL that needs no key and expires soon. Whoever has it can read the document. The answer
        has nothing that could be compared with ``document_id``: that it is the link of this
        document rests on the API, and on no connection being shared with another process.

    Raises:
        NotFoundError: There is no such document.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.
    """
    return read_link(client_or_default(client), document_id).download_url


def read_link(client: Client, document_id: str) -> wire.FileLink:
    """Read the temporary address of a document, and its name; see :func:`fetch_document_link`."""
    path = f"/v1/files/{quote_id('document_id', document_id)}/download-link"
    return client.get(path, parse=lambda body: read_document(wire.FileLink, body))
