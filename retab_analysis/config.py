"""What can be set: a client's settings, and whether values are shown.

The environment is read only when something is asked for.
"""

from __future__ import annotations

import functools
import html
import ipaddress
import itertools
import json
import os
import re
import weakref
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

from retab_analysis.arguments import check_count, check_seconds
from retab_analysis.errors import ConfigError

KEY_VARIABLE = "RETAB_API_KEY"
URL_VARIABLE = "RETAB_API_BASE_URL"
VALUES_VARIABLE = "RETAB_ANALYSIS_VALUES"
ARCHIVE_VARIABLE = "RETAB_ANALYSIS_ARCHIVE"
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
DEFAULT_BASE_URL = "https://api.retab.com"
SHORTEST_KEY = 8

_shows_values: bool | None = None  # what use(values=…) said last
_keys: set[weakref.ref[Secret]] = set()  # of all clients
_URL_SAFE = str.maketrans("+/", "-_")
_HEX = re.compile("%[0-9A-F]{2}")


def shows_values(asked: bool | None = None) -> bool:
    """Whether expected and actual values, and the words of prompts, are shown.

    What was asked for by an argument wins, then ``use(values=…)``, then the variable
    ``RETAB_ANALYSIS_VALUES``; where nobody said anything they are shown. Doors that lead out of the
    room (JSON, comments, logs) hide values unless they are asked for, and do not ask here.
    """
    for known in (asked, _shows_values):
        if known is not None:
            return known
    # Of a text that means neither, the careful reading is right.
    return os.environ.get(VALUES_VARIABLE, "").strip().lower() in ("", "1", "true", "yes", "on")


def show_values(shown: bool | None) -> None:
    """Say whether values are shown; None leaves it to the environment."""
    global _shows_values
    _shows_values = shown


class Secret:
    """A text that shows only to code that calls ``reveal``.

    It has no ``__dict__``, its repr is masked, a copy is itself, and it cannot be pickled.
    """

    __slots__ = ("__weakref__", "reveal", "spellings")

    # Closures, because whatever shows an object's slots would show a text.
    reveal: Callable[[], str]
    spellings: Callable[[], tuple[str, ...]]

    def __init__(self, value: str) -> None:
        self.reveal = lambda: value
        self.spellings = functools.cache(lambda: _spellings(value))

    def __repr__(self) -> str:
        return "Secret('***')"

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled: it would leave the process")

    def redact(self, text: str) -> str:
        """Mask the secret where a text from outside repeats it, in whatever spelling."""
        for spelling in self.spellings():
            text = text.replace(spelling, "***")
        return text

    def redact_bytes(self, body: bytes) -> bytes:
        """Mask the secret in a body, as :meth:`redact` does."""
        for spelling in self.spellings():
            body = body.replace(spelling.encode(), b"***")
        return body


def _spellings(value: str) -> tuple[str, ...]:
    """How a text may be written: as it is, and as URLs, HTML, JSON and base64 have it."""
    codes = [ord(each) for each in value]
    quoted = [quote(value, safe=safe) for safe in ("", "/")]
    found = [value, *quoted, *(_HEX.sub(lambda each: each[0].lower(), each) for each in quoted)]
    escaped = html.escape(value)
    found += [html.escape(value, quote=False), escaped, escaped.replace("&#x27;", "&#39;")]
    inside = json.dumps(value)[1:-1]
    found += [inside, inside.replace("/", "\\/")]
    # Every character of it escaped, which changes nothing to who reads it.
    for each in ("%{:02x}", "%{:02X}", "\\u{:04x}", "\\u{:04X}", "&#{};", "&#x{:x};", "&#x{:X};"):
        found.append("".join(map(each.format, codes)))
    # Some escape a few more characters than HTML asks for.
    special = [each for each in "/+=" if each in value]
    for count in range(1, len(special) + 1):
        for chosen in itertools.combinations(special, count):
            for each in ("&#{};", "&#x{:x};", "&#x{:X};"):
                found.append(value.translate({ord(c): each.format(ord(c)) for c in chosen}))
    for start in range(3):
        # In base64 a text looks different by where it starts among the three bytes of a group; the
        # characters at both ends depend on what is beside it.
        middle = b64encode(b"\0" * start + value.encode())[(0, 2, 3)[start] :].decode()
        middle = middle.rstrip("=")
        whole = middle[: len(middle) - (1 if (start + len(value)) % 3 else 0)]
        found += [whole, whole.translate(_URL_SAFE)]
    return tuple(dict.fromkeys(found))


def _mask_keys(text: str) -> str:
    """Mask the keys of all clients, and that of the environment."""
    secret = _from_environment()
    for each in (secret, *(key() for key in list(_keys))):
        if each is not None and _problem_of_key(each) is None:
            text = each.redact(text)
    return text


ConfigError.masks.append(_mask_keys)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a client; times in seconds.

    ``base_url`` has no ``/v1``. ``is_loopback`` says whether it can only mean this machine.
    ``key_source`` says in words where the key came from. Without ``ca_bundle``, the usual
    certificates are trusted.
    """

    api_key: Secret
    key_source: str
    base_url: str
    is_loopback: bool
    ca_bundle: str | None
    timeout: float
    deadline: float
    max_attempts: int
    max_concurrency: int


def load_settings(
    api_key: Secret | None,
    base_url: str | None,
    *,
    timeout: float,
    deadline: float,
    max_attempts: int,
    max_concurrency: int,
) -> Settings:
    """Check the arguments, and take the rest from the environment; no message shows the key."""
    key, source = _api_key(api_key)
    url, loopback = _base_url(base_url)
    return Settings(
        api_key=key,
        key_source=source,
        base_url=url,
        is_loopback=loopback,
        ca_bundle=_ca_bundle(),
        timeout=check_seconds("timeout", timeout),
        deadline=check_seconds("deadline", deadline),
        max_attempts=check_count("max_attempts", max_attempts, 1),
        max_concurrency=check_count("max_concurrency", max_concurrency, 1),
    )


def _api_key(given: Secret | None) -> tuple[Secret, str]:
    source = "the argument api_key" if given is not None else f"the variable {KEY_VARIABLE}"
    secret = _from_environment() if given is None else given
    if secret is None:
        raise ConfigError(
            f"no API key: pass api_key=… or set {KEY_VARIABLE}; to try the library without one, "
            "call retab_analysis.demo(), or start python -m retab_analysis.sandbox"
        )
    problem = _problem_of_key(secret)
    if problem is not None:
        raise ConfigError(f"{source} {problem}")
    key = Secret(secret.reveal().strip())
    _keys.add(weakref.ref(key, _keys.discard))
    return key, source


def _from_environment() -> Secret | None:
    value = os.environ.get(KEY_VARIABLE)
    return None if value is None else Secret(value.strip())


def _problem_of_key(secret: Secret) -> str | None:
    """Why it cannot be a key. Not raised here, where a traceback would show ``value``."""
    value: object = secret.reveal()
    if not isinstance(value, str):
        return f"must be a string, got {type(value).__name__}"
    value = value.strip()
    if not value:
        return "is empty"
    if not all("!" <= character <= "~" for character in value):
        return (
            "holds a space, a line break or a character outside ASCII, which no key does: "
            "was more than the key copied?"
        )
    if "://" in value:
        return "is an address: was it given in the place of base_url?"
    if len(value) < SHORTEST_KEY:
        return (
            f"has fewer than {SHORTEST_KEY} characters: was it cut off? So short a key cannot be "
            "masked in messages without masking parts of words, too"
        )
    return None


def _base_url(argument: str | None) -> tuple[str, bool]:
    source = "base_url" if argument is not None else URL_VARIABLE
    value = argument if argument is not None else os.environ.get(URL_VARIABLE) or DEFAULT_BASE_URL
    if not isinstance(value, str):
        raise ConfigError(f"{source} must be a string, got {type(value).__name__}")
    try:
        parts = urlsplit(value.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(
            f"{source} is not a URL; expected for example {DEFAULT_BASE_URL}"
        ) from None
    # The URL is in no message before it is known that it holds no password.
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{source} holds user information (…@host): a key goes into api_key")
    if parts.scheme not in ("http", "https") or not host:
        # Not shown either: it may be the key.
        raise ConfigError(
            f"{source} is not an http(s) URL; expected for example {DEFAULT_BASE_URL}"
        )
    shown = f"{source} {value.strip()!r}"
    if parts.query or parts.fragment or not _is_plain(value.strip()):
        raise ConfigError(f"{shown} must be scheme, host and path only")
    loopback = is_loopback(host)
    if parts.scheme == "http" and not loopback:
        raise ConfigError(
            f"{shown} would send the API key unencrypted: "
            "use https, or a loopback address such as http://127.0.0.1:8000"
        )
    path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}", loopback


def _is_plain(url: str) -> bool:
    return all("!" <= character <= "~" and character not in '\\"<>' for character in url)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _ca_bundle() -> str | None:
    for variable in CA_VARIABLES:
        path = os.environ.get(variable)
        if path:
            if not Path(path).exists():
                raise ConfigError(f"{variable} names {path!r}, which does not exist")
            return path
    return None
