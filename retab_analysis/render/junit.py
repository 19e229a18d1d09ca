"""Cases of a test suite as JUnit XML, as CI systems show them.

A case that was tried several times follows Maven Surefire: ``flakyFailure`` and ``flakyError`` if
it passes in the end, ``rerunFailure`` and ``rerunError`` if it does not
(https://maven.apache.org/surefire/maven-surefire-plugin/examples/rerun-failing-tests.html).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

from retab_analysis.files import save
from retab_analysis.render.document import Case

# Characters that XML 1.0 cannot hold, not even escaped: https://www.w3.org/TR/xml/#charsets
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(
    path: Path, about: str, cases: Sequence[Case], properties: Mapping[str, str]
) -> None:
    """Write cases as JUnit XML; a failure that does not count is skipped in it."""
    failed = sum(each.outcome == "failed" for each in cases)
    skipped = sum(each.outcome in ("xfailed", "skipped") for each in cases)
    counts = {"tests": len(cases), "failures": failed, "errors": 0, "skipped": skipped}
    numbers = {name: f"{count}" for name, count in counts.items()}
    suites = Xml.Element("testsuites", numbers)
    suite = Xml.SubElement(suites, "testsuite", {"name": _text(f"retab {about}"), **numbers})
    above = Xml.SubElement(suite, "properties") if properties else suite
    for name, value in properties.items():
        Xml.SubElement(above, "property", {"name": name, "value": _text(value)})
    for case in cases:
        name = case.name if case.name == case.key else f"{case.name} ({case.key})"
        where = ".".join(each for each in ("retab", about, case.group) if each)
        _write_case(Xml.SubElement(suite, "testcase", {"classname": _text(where)}), name, case)
    Xml.indent(suites)
    save(path, Xml.tostring(suites, encoding="utf-8", xml_declaration=True) + b"\n")


def _write_case(element: Xml.Element, name: str, case: Case) -> None:
    element.set("name", _text(name))
    if case.outcome == "failed":
        failure = Xml.SubElement(element, "failure", {"message": _text(case.message)})
        failure.set("type", "failure")
        failure.text = _text(case.details)
    elif case.outcome != "passed":
        Xml.SubElement(element, "skipped", {"message": _text(case.message)})
    # Surefire has no such element in a skipped case.
    word = {"failed": "rerun", "passed": "flaky"}.get(case.outcome)
    for each in case.attempts if word else ():
        tried = Xml.SubElement(element, f"{word}{each.kind.capitalize()}")
        tried.set("message", _text(each.message))
        tried.set("type", each.kind)


def _text(text: str) -> str:
    """A text that XML can hold; other characters are shown by their numbers."""
    return _NOT_XML.sub(lambda found: f"#x{ord(found[0]):02X}", text)
