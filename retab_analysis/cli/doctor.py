"""``doctor``: whether the API is as this library assumes, and facts about this installation."""

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

from retab_analysis.cli.assumptions import REFUSED, Asker, DiffersError, UnaskedError, load_facts
from retab_analysis.cli.console import FAILS, HOLDS, NOT_ASKED, Console
from retab_analysis.cli.session import Session
from retab_analysis.errors import ConfigError, ProtocolError, RetabAnalysisError, SchemaError
from retab_analysis.markup import one_line

_MARKS = {"holds": "✓", "differs": "✗", "could not be asked": "?"}
_PACKAGES = """retab_analysis polars numpy msgspec requests urllib3 truststore matplotlib ipywidgets
anywidget"""
_EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "anywidget")


def run_doctor(options: Namespace, console: Console, session: Session) -> int:
    rows: list[dict[str, Any]] = []
    try:
        told = session.client.describe()
        asker = Asker(session.client, options.workflow)
        rows = [_ask(each, asker) for each in load_facts()]
    except ConfigError as error:
        told = {"key": f"cannot be used: {error}"}
    told |= describe_installation()
    outcomes = Counter(row["outcome"] for row in rows)
    # The library carries on where a fact that is not certain is false.
    certain = {row["outcome"] for row in rows if row["sure"] == "certain"}
    is_known = rows and "could not be asked" not in certain
    code = FAILS if "differs" in certain else HOLDS if is_known else NOT_ASKED
    if options.json:
        console.show_json({"exit_code": code, "installation": told, "facts": rows})
        return code
    for name, text in told.items():
        console.show(f"{name}: {one_line(text)}")
    console.show("")
    for row in rows:
        console.show(f"{_MARKS[row['outcome']]} {row['name']:<26} {row['says']}")
        for line in _explain(row):
            console.show(textwrap.indent(textwrap.fill(line, 96), "    "))
    console.show(", ".join(f"{each}: {outcomes[each]}" for each in _MARKS if rows))
    return code


def _explain(row: dict[str, Any]) -> list[str]:
    if row["outcome"] == "differs":
        return [f"differs ({row['sure']}): {row['reason']}", f"then: {row['otherwise']}"]
    return [f"{row['outcome']}: {row['reason']}"] if row["outcome"] != "holds" else []


def _ask(fact: dict[str, Any], asker: Asker) -> dict[str, Any]:
    """The outcome of a question, without the server's words."""
    asker.request_ids.clear()
    outcome, reason = "holds", ""
    try:
        asker.ask(fact)
    except DiffersError as found:
        outcome, reason = "differs", str(found)
    except UnaskedError as found:
        outcome, reason = "could not be asked", str(found)
    except (ProtocolError, SchemaError) as error:
        outcome, reason = "differs", f"the answer cannot be read ({type(error).__name__})"
    except RetabAnalysisError as error:
        status = getattr(error, "status_code", None)
        # Endpoints outside the SDK may be closed to some keys, or fail: the library goes on.
        is_closed = status is not None and (status == 403 or status >= 500)
        refuses = status in REFUSED or (is_closed and fact["sure"] == "probable")
        outcome = "differs" if refuses else "could not be asked"
        reason = f"answered with {status}" if status else type(error).__name__
    except (LookupError, TypeError, AttributeError, ValueError):
        outcome, reason = "differs", "a member is missing, or of another type"
    told = {each: fact[each] for each in ("name", "says", "otherwise", "source", "sure")}
    ids = [one_line(each)[:80] for each in asker.request_ids]
    return {**told, "outcome": outcome, "reason": reason, "request_ids": ids}


def describe_installation() -> dict[str, str]:
    installed = []
    for name in _PACKAGES.split():
        try:
            installed.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            installed.append(f"{name} missing")
    lacking = [each for each in ("ipywidgets", "anywidget") if find_spec(each) is None]
    folder = Path(sys.prefix, "share", "jupyter", "labextensions")
    widgets = "in this Python; a JupyterLab of this environment lacks their extensions"
    if lacking:
        widgets = f"no: {' and '.join(lacking)} cannot be imported"
    elif all((folder / each).is_dir() for each in _EXTENSIONS):
        widgets = "yes, also in a JupyterLab of this environment"
    python = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return {"python": python, "versions": ", ".join(installed), "widgets": widgets}
