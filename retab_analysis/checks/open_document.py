"""``open_document``: from a result to its document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from retab_analysis import markup
from retab_analysis.arguments import resolve
from retab_analysis.errors import ConfigError, NotFoundError, described, list_some
from retab_analysis.fetch.lists import read_known, read_link, resolve_workflow
from retab_analysis.fetch.params import check_text, client_or_default
from retab_analysis.fetch.results import read_result
from retab_analysis.markup import Html, tag
from retab_analysis.schema import as_polars
from retab_analysis.transport import Client

# Every browser shows these; a TIFF, for example, is not among them.
IMAGES = frozenset((".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".avif"))
_FILE = "file"  # so the ids of documents begin


@dataclass(frozen=True)
class OpenedDocument:
    """A document of a result; a notebook shows an image or a PDF, and a link to anything else.

    ``url`` is temporary; anybody who has it can read the document. ``others`` are the ids of the
    other documents of the same result, and ``rows`` is how many results were given.
    """

    url: str
    name: str
    document_id: str
    others: tuple[str, ...] = ()
    rows: int = 1

    def _repr_html_(self) -> str:
        shown = markup.join(
            markup.name(markup.one_line(self.name)), " ", embed(self.url, self.name)
        )
        return str(tag("div", tag("div", shown), *(tag("div", line) for line in self._notes())))

    def _notes(self) -> list[str]:
        notes = [f"This is the first of {self.rows:,} rows."] if self.rows > 1 else []
        if self.others:
            said = list_some(map(markup.one_line, self.others), 5)
            notes.append(f"{markup.count_noun(len(self.others), 'more document')}: {said}")
        return notes

    def __repr__(self) -> str:
        name, document_id, url = map(markup.one_line, (self.name, self.document_id, self.url))
        return "\n".join([f"{name} ({document_id}): {url}", *self._notes()])


def embed(url: str, name: str) -> Html:
    # Anything but the web's own schemes could run in the notebook's page.
    if urlsplit(url).scheme not in ("http", "https"):
        return tag("div", "Its address is not a web address.")
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
    what: pl.DataFrame | Mapping[str, Any] | str,
    *,
    workflow_id: str | None = None,
    client: Client | None = None,
) -> OpenedDocument:
    """Open the document of a result.

    Args:
        what: A RESULTS frame or ``Comparison.evals`` (the first row is used); one of their
            rows as a dict; the id of a result or of a document. With ``workflow_id`` the id or the
            name of a saved eval, which stands for its newest result.
        workflow_id: The workflow of the eval, its id or its name.
        client: The client to ask; by default the session's.

    Returns:
        The document, which a notebook shows: an image, a PDF, or else a link. If a result has
        several, it is the first; ``.others`` has the other ids. ``.url`` is a temporary address.

    Raises:
        ConfigError: The result has no document, it is not a result, or the eval does not exist or
            has no result yet.
        NotFoundError: The result or document does not exist.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.

    Example:
        >>> verdict = ra.check("wf_invoices")
        >>> ra.open_document(verdict.broken).name  # a notebook shows the document
        'BRT_88_April.pdf'
    """
    chosen = client_or_default(client)
    if isinstance(what, str):
        ident = check_text("what", what)
        if workflow_id is not None:
            ident = _find_result(chosen, workflow_id, ident)
        return _open_id(chosen, ident)
    frame = as_polars(what, "what")
    known = None if frame is None else frame.lazy().collect()
    row, rows = _read_row(what, known), 1 if known is None else known.height
    if "document_ids" not in row:
        opened = _open_id(chosen, check_text("what", _result_id(row)))
    else:
        ids = [each for each in row["document_ids"] or () if each is not None]
        opened = _open(chosen, ids, row.get("eval_name") or row.get("eval_id"))
    return replace(opened, rows=rows)


def _find_result(client: Client, workflow_id: str, asked: str) -> str:
    workflow_id = resolve_workflow(client, workflow_id)
    saved, known = read_known(client, workflow_id)
    eval_id = resolve("eval", asked, known, parts=True)
    found: list[str] = saved.filter(eval_id=eval_id)["latest_result_id"].drop_nulls().to_list()
    if not found:
        start = f"run = ra.start_runs({workflow_id!r}, evals={asked!r})"
        raise ConfigError(f"eval {asked!r} has no result yet: {start}")
    return found[0]


def _result_id(row: Mapping[str, Any]) -> object:
    for name in ("result_id", "candidate_result_id", "baseline_result_id"):
        if row.get(name) is not None:
            return row[name]
    there = ", ".join(map(str, row)) or "nothing"
    raise ConfigError(f"what has neither document_ids nor a result's id; it has {there}")


def _open_id(client: Client, ident: str) -> OpenedDocument:
    """Open a result or document by its id; as a result first, unless it is like a document's."""
    if ident.startswith(_FILE):
        return _open(client, [ident], None)
    try:
        row = read_result(client, ident).row(0, named=True)
    except NotFoundError:
        try:
            return _open(client, [ident], None)
        except NotFoundError as error:
            code = f'open_document({ident!r}, workflow_id="…")'
            error.args = (f"{error}. If it is the id or the name of an eval: {code}",)
            raise
    return _open(client, row["document_ids"] or [], ident)


def _open(client: Client, ids: list[str], of: object) -> OpenedDocument:
    if not ids:
        raise ConfigError(f"result {markup.one_line(of)} has no document: its inputs are not files")
    first, *others = ids
    link = read_link(client, first)
    return OpenedDocument(link.download_url, link.filename, first, tuple(others))


def _read_row(result: Any, frame: pl.DataFrame | None) -> Mapping[str, Any]:
    if frame is not None:
        if frame.is_empty():
            raise ConfigError("what has no rows, so there is no document to open")
        result = frame.row(0, named=True)
    elif hasattr(result, "to_dict") and hasattr(result, "index"):  # a row of pandas
        lists = {each: [*ids] for each, ids in result.items() if each == "document_ids"}
        result = result.to_dict() | lists
    if not isinstance(result, Mapping):
        raise ConfigError(
            f"what must be a RESULTS frame, one of its rows or an id, got {described(result)}"
        )
    if not isinstance(result.get("document_ids"), list | tuple | None):
        raise ConfigError(f"what: document_ids must be a list, got {result['document_ids']!r}")
    return result
