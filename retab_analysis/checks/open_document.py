"""``open_document``: from a result to the document that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from retab_analysis import markup
from retab_analysis.errors import ConfigError, NotFoundError, described
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.lists import read_link
from retab_analysis.fetch.params import check_text
from retab_analysis.fetch.results import read_result
from retab_analysis.markup import Html, tag
from retab_analysis.transport import Client

# What every browser shows; a TIFF, for example, is not among it.
IMAGES = frozenset((".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".avif"))
_FILE = "file"  # so the ids of documents begin


@dataclass(frozen=True)
class OpenedDocument:
    """A document of a result; a notebook shows an image or a PDF, and a link to anything else.

    ``url`` is temporary, and whoever has it can read the document. ``others`` are the ids of the
    other documents of the same result.
    """

    url: str
    name: str
    document_id: str
    others: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        shown = markup.join(
            markup.name(markup.one_line(self.name)), " ", embed(self.url, self.name)
        )
        more = tag("div", self._more()) if self.others else None
        return str(tag("div", tag("div", shown), more))

    def _more(self) -> str:
        listed = ", ".join(markup.one_line(each) for each in self.others[:5])
        noun = "document" if len(self.others) == 1 else "documents"
        rest = len(self.others) - 5
        return f"{len(self.others)} more {noun}: {listed}" + (" …" if rest > 0 else "")

    def __repr__(self) -> str:
        name, document_id, url = map(markup.one_line, (self.name, self.document_id, self.url))
        lines = [f"{name} ({document_id}): {url}"]
        return "\n".join([*lines, self._more()] if self.others else lines)


def embed(url: str, name: str) -> Html:
    """A document as a page shows it: an image or the beginning of a PDF, and a link to it."""
    # Anything but the web's own schemes could run in the notebook's page.
    if urlsplit(url).scheme not in ("http", "https"):
        return tag("div", "Its address is not one of the web.")
    called, suffix = markup.one_line(name), PurePosixPath(name).suffix.lower()
    shown = None
    wide = "display:block;width:100%;max-width:60em;"
    if suffix in IMAGES:
        looks = {"referrerpolicy": "no-referrer", "style": f"{wide}height:auto;object-fit:contain"}
        shown = tag("img", src=url, alt=called, **looks)
    elif suffix == ".pdf":
        first = f"{url}#page=1&toolbar=0&view=FitH"
        looks = {"type": "application/pdf", "style": f"{wide}height:40em"}
        shown = tag("object", data=first, aria_label=called, **looks)
    link = tag("a", "Open in a new tab", href=url, target="_blank", rel="noopener noreferrer")
    return tag("div", link, shown)


def open_document(
    result: pl.DataFrame | Mapping[str, Any] | str, *, client: Client | None = None
) -> OpenedDocument:
    """Open the document that a result is about.

    Args:
        result: A row of a RESULTS frame or of ``Comparison.evals`` (a frame of one row, or a
            dict), the id of a result, or that of a document.
        client: The client to ask with; the default one if not given.

    Returns:
        The document, which a notebook shows: an image, a PDF, or else a link. Of several documents
        it is the first, and says how many more there are; ``.url`` is a temporary address.

    Raises:
        ConfigError: The result has no document, or it is not a result.
        NotFoundError: There is no such result or document.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.

    Example:
        >>> results = ra.fetch_results(ra.fetch_runs("wf_invoices", scope="workflow", limit=1))
        >>> about = results.filter(pl.col("document_ids").list.len() > 0).head(1)
        >>> ra.open_document(about).url.startswith("http")  # a notebook shows the document
        True
    """
    client = client_or_default(client)
    if isinstance(result, str):
        return _open_id(client, check_text("result", result))
    row = _read_row(result)
    if "document_ids" not in row:
        return _open_id(client, check_text("result", _result_id(row)))
    ids = [each for each in row["document_ids"] or () if each is not None]
    return _open(client, ids, row.get("eval_name") or row.get("eval_id"))


def _result_id(row: Mapping[str, Any]) -> object:
    for name in ("result_id", "candidate_result_id", "baseline_result_id"):
        if row.get(name) is not None:
            return row[name]
    there = ", ".join(map(str, row)) or "nothing"
    raise ConfigError(f"result has neither document_ids nor a result's id; it has {there}")


def _open_id(client: Client, ident: str) -> OpenedDocument:
    """Open what an id stands for; a result is asked for first, unless it looks like a document."""
    if ident.startswith(_FILE):
        return _open(client, [ident], None)
    try:
        row = read_result(client, ident).row(0, named=True)
    except NotFoundError:
        return _open(client, [ident], None)
    return _open(client, row["document_ids"] or [], ident)


def _open(client: Client, ids: list[str], of: object) -> OpenedDocument:
    if not ids:
        raise ConfigError(f"result {markup.one_line(of)} has no document: its inputs are not files")
    first, *others = ids
    link = read_link(client, first)
    return OpenedDocument(link.download_url, link.filename, first, tuple(others))


def _read_row(result: object) -> Mapping[str, Any]:
    if isinstance(result, pl.DataFrame):
        if result.height != 1:
            raise ConfigError(
                f"result: expected one row, got {result.height}; choose one, for example "
                "with frame.head(1)"
            )
        result = result.row(0, named=True)
    if not isinstance(result, Mapping):
        raise ConfigError(
            f"result must be a row of a RESULTS frame or an id, got {described(result)}"
        )
    if not isinstance(result.get("document_ids"), list | tuple | None):
        raise ConfigError(f"result: document_ids must be a list, got {result['document_ids']!r}")
    return result
