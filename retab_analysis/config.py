"""The settings of a client, and whether values are shown.

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
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote, urlsplit

from retab_analysis.arguments import check_count, check_seconds, suggest
from retab_analysis.errors import ConfigError, masks

KEY_VARIABLE = "RETAB_API_KEY"
URL_VARIABLES = ("RETAB_API_BASE_URL", "RETAB_BASE_URL")
LOGIN_FILE = "~/.retab/config.json"  # of Retab's command line
VALUES_VARIABLE = "RETAB_ANALYSIS_VALUES"
ARCHIVE_VARIABLE = "RETAB_ANALYSIS_ARCHIVE"
DEFAULT_BASE_URL = "https://api.retab.com"
SHORTEST_KEY = 8
# How a key begins, by which its environment is known: test, else production.
_KEY_START = re.compile("(rt_test_|sk_retab_test_)|rt_live_|sk_retab_")

_shows_values: bool | None = None  # the last use(values=…)
publications: dict[str, str] = {}
"""The names of the publications that this session has read, such as ``v5``, by workflow/id."""
_keys: set[weakref.ref[Secret]] = set()  # of all clients
_URL_SAFE = str.maketrans("+/", "-_")
_HEX = re.compile("%[0-9A-F]{2}")


def shows_values() -> bool:
    """Whether expected and actual values, and the words of prompts, are shown on one's own screen.

    ``use(values=…)`` wins, then the variable ``RETAB_ANALYSIS_VALUES``; else they are shown. Output
    that others may read (files, JSON, comments, logs) hides values unless its caller asks for them.
    """
    if _shows_values is not None:
        return _shows_values
    # A text that means neither hides them: that is the careful reading.
    return os.environ.get(VALUES_VARIABLE, "").strip().lower() in ("", "1", "true", "yes", "on")


def show_values(shown: bool | None) -> None:
    """Set whether values are shown; None leaves it to the environment."""
    global _shows_values
    _shows_values = shown


class Secret:
    """A text that shows only to code that calls ``reveal``.

    It has no ``__dict__``, its repr is masked, a copy is itself, and it cannot be pickled.
    """

    __slots__ = ("__weakref__", "reveal", "spellings")

    # Closures, because a tool that shows an object's slots would show a text.
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
        """Mask the secret in a text from outside, in any spelling."""
        for spelling in self.spellings():
            text = text.replace(spelling, "***")
        return text

    def redact_bytes(self, body: bytes) -> bytes:
        """Mask the secret in a body, as :meth:`redact` does."""
        for spelling in self.spellings():
            body = body.replace(spelling.encode(), b"***")
        return body


def _spellings(value: str) -> tuple[str, ...]:
    """All spellings of a text: plain, and as URLs, HTML, JSON and base64 write it."""
    codes = [ord(each) for each in value]
    quoted = [quote(value, safe=safe) for safe in ("", "/")]
    found = [value, *quoted, *(_HEX.sub(lambda each: each[0].lower(), each) for each in quoted)]
    escaped = html.escape(value)
    found += [html.escape(value, quote=False), escaped, escaped.replace("&#x27;", "&#39;")]
    inside = json.dumps(value)[1:-1]
    found += [inside, inside.replace("/", "\\/")]
    # A server may escape every character.
    for each in ("%{:02x}", "%{:02X}", "\\u{:04x}", "\\u{:04X}", "&#{};", "&#x{:x};", "&#x{:X};"):
        found.append("".join(map(each.format, codes)))
    # Some escape a few more characters than HTML asks for.
    special = [each for each in "/+=" if each in value]
    for count in range(1, len(special) + 1):
        for chosen in itertools.combinations(special, count):
            for each in ("&#{};", "&#x{:x};", "&#x{:X};"):
                found.append(value.translate({ord(c): each.format(ord(c)) for c in chosen}))
    for start in range(3):
        # Base64 of a text depends on where it starts in a group of three bytes. The characters at
        # both ends depend on its neighbours.
        middle = b64encode(b"\0" * start + value.encode())[(0, 2, 3)[start] :].decode()
        middle = middle.rstrip("=")
        whole = middle[: len(middle) - (1 if (start + len(value)) % 3 else 0)]
        found += [whole, whole.translate(_URL_SAFE)]
    return tuple(dict.fromkeys(found))


def _mask_keys(text: str) -> str:
    """Mask the keys of all clients and of the environment."""
    secret = _from_environment()
    for each in (secret, *(key() for key in list(_keys))):
        if each is not None and _problem_of_key(each) is None:
            text = each.redact(text)
    return text


masks.append(_mask_keys)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a client; times in seconds.

    ``base_url`` has no ``/v1``. ``is_loopback``: it can only mean this machine. Both sources are
    words for people; ``environment`` is the key's, if known.
    """

    api_key: Secret
    key_source: str
    environment: str | None
    base_url: str
    url_source: str
    is_loopback: bool
    timeout: float
    deadline: float
    max_attempts: int
    max_concurrency: int

    def __post_init__(self) -> None:
        check_seconds("timeout", self.timeout)
        check_seconds("deadline", self.deadline)
        check_count("max_attempts", self.max_attempts, 1)
        check_count("max_concurrency", self.max_concurrency, 1)


class _Credentials(NamedTuple):
    """A key, its source, and the address and environment stored with it."""

    key: Secret
    source: str
    base_url: Any = None
    environment: str | None = None


def load_settings(
    api_key: Secret | None, base_url: str | None, profile: str | None, *limits: Any
) -> Settings:
    """Check the arguments and look up the others; no message shows the key."""
    found = _find_credentials(api_key, profile)
    address = _find_address(base_url, found)
    return Settings(found.key, found.source, found.environment, *address, *limits)


def _find_credentials(given: Secret | None, profile: str | None) -> _Credentials:
    if given is not None and profile is not None:
        raise ConfigError("give either api_key or profile: each of them names a key")
    if given is not None:
        found = _Credentials(given, "the argument api_key")
    elif profile is None and (variable := _from_environment()):
        found = _Credentials(variable, f"the variable {KEY_VARIABLE}")
    else:
        found = _log_in(profile)
    problem = _problem_of_key(found.key)
    if problem is not None:
        raise ConfigError(f"{found.source} {problem}")
    key = Secret(found.key.reveal().strip())
    _keys.add(weakref.ref(key, _keys.discard))
    begins = _KEY_START.match(key.reveal())
    known = begins and ("test" if begins[1] else "production")
    return found._replace(key=key, environment=known or found.environment)


def _log_in(profile: str | None) -> _Credentials:
    """The key of a profile, or of the default one, from the file of Retab's command line."""
    if profile is not None and (not isinstance(profile, str) or _KEY_START.match(profile)):
        raise ConfigError(f"profile must be the name of a profile in {LOGIN_FILE}")
    file, problem = _read_login_file()
    profiles = file.get("environments") or {}
    listed = ", ".join(map(repr, profiles))
    name = file.get("default_environment") or None if profile is None else profile
    chosen, source = file, LOGIN_FILE
    if name is not None:
        chosen, source = profiles.get(str(name)), f"the profile {name!r} of {LOGIN_FILE}"
        if problem is None and chosen is None:
            problem = f"has no profile {name!r}; {suggest(str(name), dict.fromkeys(profiles))}"
    if problem is not None:
        raise ConfigError(f"{LOGIN_FILE} {problem}")
    if key := chosen.get("api_key") or chosen.get("access_token"):
        address = chosen.get("base_url") or file.get("base_url") or None
        slug = chosen.get("server_environment_slug")
        return _Credentials(key, source, address, slug if isinstance(slug, str) else None)
    if chosen.get("oauth") or file.get("oauth"):
        told = "has only a browser login, which expires and which this library cannot renew"
        raise ConfigError(f"{source} {told}: create an API key, and set {KEY_VARIABLE} to it")
    if listed:
        raise ConfigError(f"{source} has no key; choose a profile: {listed}")
    raise ConfigError(
        f"no API key: pass api_key=… or set {KEY_VARIABLE} ({LOGIN_FILE} has none either); to try "
        "the library without one, call retab_analysis.demo(), or start python -m "
        "retab_analysis.sandbox"
    )


def _read_login_file() -> tuple[Any, str | None]:
    """The file's content, or its problem. It does not raise: a traceback might show a key."""
    try:
        text = Path(LOGIN_FILE).expanduser().read_text("utf-8-sig")
        file = json.loads(text, object_hook=_wrap_keys)
    except (ValueError, RecursionError):
        return {}, "is not JSON"
    except (FileNotFoundError, NotADirectoryError, RuntimeError):  # or there is no home directory
        return {}, None
    except OSError as error:
        return {}, f"cannot be read: {error.strerror}"
    profiles = (file.get("environments") or {}) if isinstance(file, dict) else None
    fits = isinstance(profiles, dict) and all(isinstance(each, dict) for each in profiles.values())
    return (file, None) if fits else ({}, "is not as Retab's command line writes it")


def _wrap_keys(members: dict[str, Any]) -> dict[str, Any]:
    """Hide the keys, and the tokens of a browser's login."""
    names = ("api_key", "access_token", "oauth")
    return members | {each: Secret(members[each]) for each in names if members.get(each)}


def _from_environment() -> Secret | None:
    value = os.environ.get(KEY_VARIABLE)
    return None if value is None else Secret(value.strip())


def _problem_of_key(secret: Secret) -> str | None:
    """Why it cannot be a key. It does not raise: a traceback would show ``value``."""
    value: object = secret.reveal()
    if not isinstance(value, str):
        return f"must be a string, got {type(value).__name__}"
    value = value.strip()
    if not value:
        return "is empty"
    if not all("!" <= character <= "~" for character in value):
        return "holds a space, a line break or a character outside ASCII: was too much copied?"
    if "://" in value:
        return "is an address: was it given in the place of base_url?"
    if len(value) < SHORTEST_KEY:
        # Masking so short a text would also mask parts of words.
        return f"has fewer than {SHORTEST_KEY} characters: was it cut off?"
    return None


def _find_address(argument: str | None, found: _Credentials) -> tuple[str, str, bool]:
    """The address for a key, its source, and whether it is this machine."""
    variable = next((each for each in URL_VARIABLES if os.environ.get(each)), None)
    value, source, unused = DEFAULT_BASE_URL, "the default", ""
    if argument is not None:
        value, source = argument, "the argument base_url"
    elif found.base_url is not None:
        value, source = found.base_url, f"the base_url of {found.source}"
        unused = f", not {variable}, because the key belongs to it" if variable else ""
    elif variable is not None:
        value, source = os.environ[variable], f"the variable {variable}"
    url, loopback = _check_address(source, value)
    return url, source + unused, loopback


def _check_address(source: str, value: object) -> tuple[str, bool]:
    if not isinstance(value, str):
        raise ConfigError(f"{source} must be a string, got {type(value).__name__}")
    try:
        parts = urlsplit(value.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    # No message shows the URL until it is clear that it holds no password.
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{source} holds user information (…@host): a key goes into api_key")
    if parts.scheme not in ("http", "https") or not host:
        # No message shows it either: it may be the key.
        raise ConfigError(
            f"{source} is not an http(s) URL; expected for example {DEFAULT_BASE_URL}"
        )
    shown = f"{source} {value.strip()!r}"
    is_plain = all("!" <= each <= "~" and each not in '\\"<>' for each in value.strip())
    if parts.query or parts.fragment or not is_plain:
        raise ConfigError(f"{shown} must be scheme, host and path only")
    loopback = is_loopback(host)
    if parts.scheme == "http" and not loopback:
        raise ConfigError(f"{shown} would send the API key unencrypted: use https")
    path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}", loopback


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
