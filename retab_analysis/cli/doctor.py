"""``doctor``: whether the API is as this library takes it, and what this installation is."""

from __future__ import annotations

import platform
import sys
import textwrap
from argparse import Namespace
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from retab_analysis.cli.assumptions import (
    ASSUMPTIONS,
    Asker,
    Assumption,
    DiffersError,
    UnaskedError,
)
from retab_analysis.cli.console import FAILS, HOLDS, NOT_ASKED, Console
from retab_analysis.cli.session import Session
from retab_analysis.errors import ConfigError, ProtocolError, RetabAnalysisError, SchemaError
from retab_analysis.markup import one_line

_MARKS = {"holds": "✓", "differs": "✗", "could not be asked": "?"}
_PACKAGES = (
    *("retab_analysis", "polars", "numpy", "msgspec", "requests", "urllib3", "matplotlib"),
    *("ipywidgets", "anywidget"),
)
_EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "anywidget")
_REFUSED = (400, 404, 405, 410, 422)
_MOST_IDS = 3


def run_doctor(options: Namespace, console: Console, session: Session) -> int:
    """Ask everything, and print what came of it."""
    try:
        client = session.client
    except ConfigError as error:
        told = {"key": f"cannot be used: {error}", **describe_installation()}
        if options.json:
            console.show_json({"exit_code": NOT_ASKED, "installation": told, "assumptions": []})
        else:
            _show_installation(told, console)
        return NOT_ASKED
    asker = Asker(client, options.workflow)
    rows = [_ask(each, asker) for each in ASSUMPTIONS]
    told = {"key": "there is one", **_describe_address(client.base_url), **describe_installation()}
    outcomes = Counter(row["outcome"] for row in rows)
    code = FAILS if outcomes["differs"] else NOT_ASKED if outcomes["could not be asked"] else HOLDS
    if options.json:
        console.show_json({"exit_code": code, "installation": told, "assumptions": rows})
        return code
    _show_installation(told, console)
    for row in rows:
        console.show(f"{_MARKS[row['outcome']]} {row['name']:<26} {row['sentence']}")
        said = [row["reason"], ", ".join(row["request_ids"][-_MOST_IDS:])]
        if row["outcome"] != "holds":
            text = f"{row['outcome']}: {'; '.join(filter(None, said))}"
            console.show(textwrap.indent(textwrap.fill(text, 96), "    "))
        elif said[1]:
            console.show(f"    {said[1]}")
    console.show(", ".join(f"{each}: {outcomes[each]}" for each in _MARKS))
    return code


def _ask(assumption: Assumption, asker: Asker) -> dict[str, Any]:
    """What came of a question; nothing of the server's words is in it."""
    asker.request_ids.clear()
    outcome, reason = "holds", ""
    try:
        assumption.ask(asker)
    except DiffersError as found:
        outcome, reason = "differs", str(found)
    except UnaskedError as found:
        outcome, reason = "could not be asked", str(found)
    except (ProtocolError, SchemaError) as error:
        outcome, reason = "differs", f"the answer cannot be read ({type(error).__name__})"
    except RetabAnalysisError as error:
        status = getattr(error, "status_code", None)
        outcome = "differs" if status in _REFUSED else "could not be asked"
        reason = f"answered with {status}" if status else type(error).__name__
    except (LookupError, TypeError, AttributeError, ValueError):
        outcome, reason = "differs", "a member is missing, or of another type"
    return {
        "name": assumption.name,
        "outcome": outcome,
        "sentence": assumption.sentence,
        "reason": reason,
        "request_ids": [one_line(each)[:80] for each in asker.request_ids],
    }


def _show_installation(told: dict[str, str], console: Console) -> None:
    for name, text in told.items():
        console.show(f"{name}: {one_line(text)}")
    console.show("")


def _describe_address(base_url: str) -> dict[str, str]:
    """The API's address, and the proxy on the way, without its user and password."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    shown = "none"
    if proxy and not proxy_bypass(host):
        try:
            found = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            port = f":{found.port}" if found.port else ""
            shown = f"{found.scheme}://{found.hostname}{port}"
        except ValueError:
            shown = "one that is not an address"
    return {"address": base_url, "proxy": shown}


def describe_installation() -> dict[str, str]:
    """What is installed here, and whether widgets work."""
    installed = {}
    for name in _PACKAGES:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            installed[name] = "missing"
    lacking = [each for each in ("ipywidgets", "anywidget") if find_spec(each) is None]
    folder = Path(sys.prefix, "share", "jupyter", "labextensions")
    if lacking:
        widgets = f"no: {' and '.join(lacking)} cannot be imported"
    elif all((folder / each).is_dir() for each in _EXTENSIONS):
        widgets = "yes, also in a JupyterLab of this environment"
    else:
        widgets = "in this Python; a JupyterLab of this environment lacks their extensions"
    return {
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "versions": ", ".join(f"{name} {each}" for name, each in installed.items()),
        "widgets": widgets,
    }
