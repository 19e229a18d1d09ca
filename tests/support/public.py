"""The public names, as ``dir`` lists them."""

from __future__ import annotations

import retab_analysis as ra

PACKAGES = ("errors", "schema")
PUBLIC = [name for name in dir(ra) if not name.startswith("__") and name not in PACKAGES]
