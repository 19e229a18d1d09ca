"""JUnit XML: one case for each eval, as CI systems show them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

from retab_analysis.cli.eval_checks import EvalCheck
from retab_analysis.files import save

# What XML 1.0 cannot hold, not even escaped: https://www.w3.org/TR/xml/#charsets
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, workflow_id: str, checks: Sequence[EvalCheck]) -> None:
    """Write cases as JUnit XML; a file that is there is replaced whole or not at all.

    A case that does not pass and does not count is skipped in it, as pytest's are.

    Raises:
        OSError: It cannot be written.
    """
    failed = sum(each.outcome == "failed" for each in checks)
    skipped = sum(each.outcome in ("xfailed", "skipped") for each in checks)
    counts = {"tests": len(checks), "failures": failed, "errors": 0, "skipped": skipped}
    numbers = {name: f"{count}" for name, count in counts.items()}
    suites = Xml.Element("testsuites", numbers)
    suite = Xml.SubElement(suites, "testsuite", {"name": _text(f"retab {workflow_id}"), **numbers})
    for check in checks:
        name = check.name if check.name == check.eval_id else f"{check.name} ({check.eval_id})"
        where = ".".join(each for each in ("retab", workflow_id, check.block) if each)
        case = Xml.SubElement(suite, "testcase", {"classname": _text(where), "name": _text(name)})
        if check.outcome == "failed":
            failure = Xml.SubElement(case, "failure", {"message": _text(check.reason)})
            failure.text = _text(check.details)
        elif check.outcome != "passed":
            Xml.SubElement(case, "skipped", {"message": _text(check.reason)})
    Xml.indent(suites)
    save(path, Xml.tostring(suites, encoding="utf-8", xml_declaration=True) + b"\n")


def _text(text: str) -> str:
    """A text that XML can hold; what it cannot is shown by its number."""
    return _NOT_XML.sub(lambda found: f"#x{ord(found[0]):02X}", text)
