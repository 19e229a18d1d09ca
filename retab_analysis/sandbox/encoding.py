"""JSON out and in, with numbers that keep their literal.

Clients go wrong on numbers such as ``1.10`` or with twenty digits, so the sandbox has to send
exactly these. Python's floats cannot: ``1.10`` would leave as ``1.1``.
"""

import json
import re
from typing import Any

# Such a number travels as a string that starts with this mark. JSON text never contains a raw
# control character: after encoding the mark is always "\\u0000" and can be found again.
_MARK = "\x00number:"
_MARKED = re.compile(r'"\\u0000number:([-+.0-9eE]+)"')
_SURROGATE = re.compile("[\ud800-\udfff]")


def to_json(document: Any) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    if not text.isascii() and _SURROGATE.search(text):
        # A lone surrogate from a request has no UTF-8; as an escape it can be sent.
        text = json.dumps(document, separators=(",", ":"))
    if "\\u0000number:" in text:
        text = _MARKED.sub(r"\1", text)
    return text.encode()


def from_json(text: str) -> Any:
    """Decode a document; `to_json` writes all of its numbers as they were."""
    return json.loads(text, parse_float=_as_written)


def _as_written(literal: str) -> float | str:
    value = float(literal)
    return value if repr(value) == literal else _MARK + literal
