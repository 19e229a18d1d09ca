"""axe-core: what keeps people from using a page who do not see it, or have no mouse."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"

_RUN = """async (where) => {
    const found = await axe.run(where, {resultTypes: ["violations"]});
    return found.violations.map((each) => ({
        id: each.id, impact: each.impact, nodes: each.nodes.map((node) => node.html),
    }));
}"""


def find_barriers(page: Page, where: str) -> list[dict[str, Any]]:
    """What axe finds wrong within an element: ``id, impact, nodes``."""
    if not AXE.exists() and os.environ.get("CI") != "true":
        pytest.skip("no axe-core (`make node`, which needs Node.js)")
    page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate(_RUN, where)
    return found
