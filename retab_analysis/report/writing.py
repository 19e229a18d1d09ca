"""``write_report``: what is asked for, and the file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from retab_analysis.arguments import check_flag, check_path
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.gate import Gate
from retab_analysis.config import shows_values
from retab_analysis.errors import ConfigError
from retab_analysis.files import save
from retab_analysis.report.pages import html_page, markdown_page


def write_report(
    comparison: Comparison,
    path: str | os.PathLike[str],
    *,
    values: bool | None = None,
    gate: Gate | None = None,
) -> None:
    """Write a comparison as a file: the verdict first, then what broke, then the rest.

    A file that is there already is replaced whole or not at all. Of more than 500 evals in one
    table the first 500 are listed; what still passes is only counted. Markdown fits into a pull
    request: as ``Comparison.to_markdown`` it has at most 60,000 characters, and says what it
    leaves out.

    Args:
        comparison: What :func:`check` or :func:`compare` gives.
        path: Where to: ``.md`` for Markdown that reads well on GitHub, ``.html`` for one file that
            loads nothing from anywhere, with its figure inside, for light and dark screens.
        values: Also expected and actual values, which are the customers' data; None for yes unless
            :func:`use` or ``RETAB_ANALYSIS_VALUES`` hides them. Without them the report still names
            evals, blocks, runs and versions, as they were named: with a name that quotes a value it
            says that value.
        gate: What ``comparison.gate(…)`` gave, where the rule is another one than the usual.

    Raises:
        ConfigError: Another suffix, no such folder, not a comparison, ``values`` is not a bool, or
            ``gate`` is not a gate's answer.
        OSError: It cannot be written.
    """
    if not isinstance(comparison, Comparison):
        given = type(comparison).__name__
        raise ConfigError(f"comparison: expected what check or compare gives, got {given}")
    if values is not None:
        check_flag("values", values)
    if not isinstance(gate, Gate | None):
        raise ConfigError(f"gate: expected what comparison.gate() gives, got {type(gate).__name__}")
    target, write = _target(path)
    page = write(comparison, comparison.gate() if gate is None else gate, shows_values(values))
    save(target, page.encode())


def _target(path: object) -> tuple[Path, Callable[[Comparison, Gate, bool], str]]:
    target = check_path("path", path)
    write = {".md": markdown_page, ".html": html_page}.get(target.suffix.lower())
    if write is None:
        raise ConfigError(f"path must end in .md or .html, got {target.name!r}")
    return target, write
