"""axe-core: what keeps people from using a page who do not see it, or have no mouse."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Frame, Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"

_RUN = """async ([where, rules]) => {
    const only = rules ? {runOnly: {type: "rule", values: rules}} : {};
    const found = await axe.run(where, {resultTypes: ["violations"], ...only});
    return found.violations.map((each) => ({
        id: each.id, impact: each.impact, nodes: each.nodes.map((node) => node.html),
    }));
}"""


def find_barriers(
    page: Page | Frame, where: str, *, only: list[str] | None = None
) -> list[dict[str, Any]]:
    """What axe finds wrong within an element: ``id, impact, nodes``.

    Args:
        page: What a browser shows.
        where: The element.
        only: The rules, all if not given; of a page in other colours, those of colours suffice.
    """
    if not AXE.exists() and os.environ.get("CI") != "true":
        pytest.skip("no axe-core (`make node`, which needs Node.js)")
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate(_RUN, [where, only])
    return found


def find_barriers_in_all_looks(
    tab: Page, where: str, look: Callable[[str, int], None]
) -> list[dict[str, Any]]:
    """The same in narrow and wide pages, light and dark; ``look`` is called before each of them."""
    found = []
    for scheme, rules in (("light", None), ("dark", ["color-contrast"])):
        tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (700, 1600):
            tab.set_viewport_size({"width": width, "height": 900})
            look(scheme, width)
            found += find_barriers(tab, where, only=rules)
    return found
