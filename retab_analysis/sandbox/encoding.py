"""JSON out and in, with numbers that keep the literal they were written with.

What an API sends as ``1.10`` or with twenty digits is where clients go wrong, so the sandbox has to
be able to send exactly that. Python's floats cannot: ``1.10`` would leave as ``1.1``.
"""

import json
import re
from typing import Any

# Such a number travels as a string that starts with this mark. JSON text never holds a control
# character as it is, so after encoding the mark always shows as "\\u0000" and can be found again.
_MARK = "\x00number:"
_MARKED = re.compile(r'"\\u0000number:([-+.0-9eE]+)"')
_SURROGATE = re.compile("[\ud800-\udfff]")


def to_json(document: Any) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    if not text.isascii() and _SURROGATE.search(text):
        # A lone surrogate, which a request may have brought along, has no UTF-8; as an escape it
        # can be sent.
        text = json.dumps(document, separators=(",", ":"))
    if "\\u0000number:" in text:
        text = _MARKED.sub(r"\1", text)
    return text.encode()


def from_json(text: str) -> Any:
    """Decode a document so that `to_json` writes all of its numbers as they were."""
    return json.loads(text, parse_float=_as_written)


def _as_written(literal: str) -> float | str:
    value = float(literal)
    return value if repr(value) == literal else _MARK + literal
