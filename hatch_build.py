"""The addresses in the package's metadata, which are those of the repository that publishes it.

The files of the repository name no address of it, so that they hold in every copy: the README's
links are relative. Where ``RETAB_ANALYSIS_REPOSITORY`` says where it is published from, as the
release workflow does, they are made absolute, and the project's URLs are made of the same address.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE = re.compile(r"(?P<picture>!?)(?P<text>\[[^\]]*\])\((?!https?:|#)(?P<path>[^)]+)\)")
PLACES = {
    "Documentation": "tree/{tag}/docs",
    "Changelog": "blob/{tag}/CHANGELOG.md",
    "Issues": "issues",
}


class RepositoryAddresses(MetadataHookInterface):
    """Fills in ``readme`` and ``urls``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Make them of the README and of the address, where there is one."""
        readme = Path(self.root, "README.md").read_text("utf-8")
        urls = {"The API of Retab": "https://docs.retab.com"}
        address = os.environ.get("RETAB_ANALYSIS_REPOSITORY", "").rstrip("/")
        if address:
            tag = f"v{metadata['version']}"
            urls["Repository"] = address
            urls |= {name: f"{address}/{path.format(tag=tag)}" for name, path in PLACES.items()}

            def absolute(link: re.Match[str]) -> str:
                kind = "raw" if link["picture"] else "blob"
                return f"{link['picture']}{link['text']}({address}/{kind}/{tag}/{link['path']})"

            readme = RELATIVE.sub(absolute, readme)
        metadata["urls"] = urls
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
