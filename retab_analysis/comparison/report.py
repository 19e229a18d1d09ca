"""A comparison for somebody else: a report as a file, and what other doors show of it."""

from __future__ import annotations

import os
from typing import Any

from retab_analysis.arguments import check_flag, check_path
from retab_analysis.comparison.comparison import Comparison
from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.verdict_document import Door, list_cases
from retab_analysis.errors import ConfigError
from retab_analysis.files import save
from retab_analysis.render.document import Case, Document
from retab_analysis.render.html import to_page
from retab_analysis.render.markdown import to_markdown


def make_document(comparison: Comparison, gate: Gate, door: Door) -> Document:
    return comparison._document(door, gate)


def make_cases(
    comparison: Comparison, gate: Gate, *, values: bool, passes_undecided: bool = False
) -> list[Case]:
    facts = comparison._facts(gate)
    return list_cases(facts, gate, values=values, passes_undecided=passes_undecided)


def make_values(comparison: Comparison, gate: Gate, door: Door, *, brief: bool) -> dict[str, Any]:
    """What ``Comparison.to_dict`` gives, with what the gate says."""
    return comparison._list_values(gate, door, brief=brief)


def write_report(
    comparison: Comparison,
    path: str | os.PathLike[str],
    *,
    values: bool = False,
    gate: Gate | None = None,
) -> None:
    """Write a comparison as a file: what broke and by what first, then the rest.

    A file that is there already is replaced whole or not at all. What still passes is only counted.
    Markdown fits into a pull request: as ``Comparison.to_markdown`` it has at most 60,000
    characters, and says what it leaves out.

    Args:
        comparison: What :func:`check` or :func:`compare` gives.
        path: Where to: ``.md`` for Markdown that reads well on GitHub, ``.html`` for one file that
            loads nothing from anywhere, for light and dark screens.
        values: Also expected and actual values, and the words of prompts, which are the customers'
            data. Without them the report still names evals, blocks and versions, as they were
            named: with a name that quotes a value it says that value.
        gate: What ``comparison.gate(…)`` gave, where the rule is another one than the usual.

    Raises:
        ConfigError: Another suffix, no such folder, not a comparison, ``values`` is not a bool, or
            ``gate`` is not a gate's answer.
        OSError: It cannot be written.

    Example:
        >>> verdict = ra.check("wf_claims")
        >>> ra.write_report(verdict, "report.html")
        >>> ra.write_report(verdict, "report.md", values=True)  # with the customers' data
    """
    if not isinstance(comparison, Comparison):
        given = type(comparison).__name__
        raise ConfigError(f"comparison: expected what ra.check(…) gives, got {given}")
    check_flag("values", values)
    if not isinstance(gate, Gate | None):
        raise ConfigError(f"gate: expected what comparison.gate() gives, got {type(gate).__name__}")
    target = check_path("path", path)
    suffix = target.suffix.lower()
    if suffix not in (".md", ".html"):
        raise ConfigError(f"path must end in .md or .html, got {target.name!r}")
    judged = comparison.gate() if gate is None else gate
    document = make_document(comparison, judged, Door(values))
    page = to_markdown(document) if suffix == ".md" else to_page(document, str(document.heading))
    save(target, page.encode())
