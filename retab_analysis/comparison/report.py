"""A comparison for somebody else: a report as a file, and the values for other doors."""

from __future__ import annotations

import os

from retab_analysis.arguments import check_flag, check_path
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.verdict_document import Door
from retab_analysis.errors import ConfigError
from retab_analysis.files import save
from retab_analysis.render.html import to_page
from retab_analysis.render.markdown import to_markdown


def write_report(
    comparison: Comparison,
    path: str | os.PathLike[str],
    *,
    values: bool = False,
    gate: Gate | None = None,
) -> None:
    """Write a comparison as a file: first the breaks with their causes, then the rest.

    ``write_report`` replaces an existing file whole or not at all. It only counts the evals that
    still pass. Markdown fits into a pull request: like ``Comparison.to_markdown`` it has at most
    60,000 characters, and counts the rows that it leaves out.

    Args:
        comparison: A comparison from :func:`check` or :func:`compare`.
        path: The file: ``.md`` for Markdown that reads well on GitHub, ``.html`` for one file that
            loads nothing else, for light and dark screens.
        values: Also expected and actual values, and the words of prompts: the customers' data.
            Without them the report still has the names of evals, blocks and versions. A name that
            quotes a value shows it.
        gate: An answer of ``comparison.gate(…)``, if your rule is not the default one.

    Raises:
        ConfigError: Another suffix, no such folder, not a comparison, ``values`` is not a bool, or
            ``gate`` is not a gate's answer.
        OSError: The file cannot be written.

    Example:
        >>> verdict = ra.check("wf_claims")
        >>> ra.write_report(verdict, "report.html")
        >>> ra.write_report(verdict, "report.md", values=True)  # with the customers' data
    """
    if not isinstance(comparison, Comparison):
        given = type(comparison).__name__
        raise ConfigError(f"comparison: expected a comparison from ra.check(…), got {given}")
    check_flag("values", values)
    if not isinstance(gate, Gate | None):
        raise ConfigError(f"gate: expected comparison.gate(), got {type(gate).__name__}")
    target = check_path("path", path)
    suffix = target.suffix.lower()
    if suffix not in (".md", ".html"):
        raise ConfigError(f"path must end in .md or .html, got {target.name!r}")
    document = inside(comparison).document(Door(values), gate)
    page = to_markdown(document) if suffix == ".md" else to_page(document, str(document.heading))
    save(target, page.encode())
