"""Documents to JSON bytes, with numbers that keep the literal they were written with."""

import json
import re
from collections.abc import Iterable
from typing import Any

# A control character cannot occur in JSON text unescaped, so the mark always shows as "\\u0000".
_MARK = "\x00number:"
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKED = re.compile(r'"\\u0000number:([-+.0-9eE]+)"')


def number(literal: str) -> str:
    """Make a value that is written as exactly this JSON number, such as ``1.10``.

    >>> to_json({"price": number("1.10")})
    b'{"price":1.10}'
    """
    json.loads(literal)
    return _MARK + literal


def to_json(document: Any) -> bytes:
    """Encode a document compactly in UTF-8; bytes are taken for JSON already and pass through."""
    if isinstance(document, bytes):
        return document
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    if not text.isascii() and _SURROGATE.search(text):
        # A lone surrogate has no UTF-8; as an escape it travels, as in other people's JSON.
        text = json.dumps(document, separators=(",", ":"))
    if "\\u0000number:" in text:
        text = _MARKED.sub(r"\1", text)
    return text.encode()


def page_json(rows: Iterable[bytes], before: str | None, after: str | None) -> bytes:
    """Encode a page from rows that are JSON already."""
    metadata = to_json({"before": before, "after": after})
    return b"".join((b'{"data":[', b",".join(rows), b'],"list_metadata":', metadata, b"}"))
