"""How ``make docs`` builds the pages: every cell is executed against the sandbox."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from pathlib import Path

import retab_analysis as ra
from retab_analysis import schema

HERE = Path(__file__).parent
MADE = HERE / "generated"  # not in git: copies of the notebooks, and the columns of the frames

project = "retab_analysis"
author = copyright = "The retab_analysis developers"
version = release = ra.__version__
language = "en"

sys.path.insert(0, str(HERE))
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "rates"]
# A part of the tables is written by a program, below another heading than here.
suppress_warnings = ["myst.header"]
exclude_patterns = ["skill"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# A page is as true as its cells: each is executed, and an error ends the build. The environment is
# that of somebody without a key.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_merge_streams = True
os.environ |= {
    "JUPYTER_PREFER_ENV_PATH": "1",
    # Frames as short as a page wants them.
    "POLARS_FMT_MAX_ROWS": "12",
    "POLARS_FMT_STR_LEN": "60",
    "POLARS_FMT_TABLE_HIDE_COLUMN_DATA_TYPES": "1",
    "POLARS_FMT_TABLE_HIDE_DATAFRAME_SHAPE_INFORMATION": "1",
}
for name in [name for name in os.environ if name.startswith("RETAB_")]:
    del os.environ[name]

# A widget needs a kernel and, in a page, a script from a CDN. Our views have the same as HTML, and
# that goes first; of a progress bar nothing is shown, instead of its text at some moment (whose
# priority is 100).
nb_ipywidgets_js: dict[str, object] = {}
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", 95)]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # what a parameter takes is explained where it stands
autodoc_preserve_defaults = False
napoleon_google_docstring = True
napoleon_use_rtype = False

nitpicky = True
nitpick_ignore = [("py:class", "polars.dataframe.frame.DataFrame")]  # a field of Comparison

html_theme = "furo"
html_title = f"retab_analysis {version}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False

# Sphinx and its extensions warn of one another's old names, which is nothing that we can mend.
warnings.filterwarnings("ignore", module=r"(sphinx|myst_nb|myst_parser|jupyter_cache)\b")


def _copy_notebooks() -> None:
    for notebook in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
        target = MADE / notebook.name
        if not target.exists() or target.read_bytes() != notebook.read_bytes():
            shutil.copyfile(notebook, target)


def _write_columns() -> None:
    """Each frame's columns as a page: they are data, and nobody writes them down twice."""
    tables = {
        "RUNS": "One row for each eval run: `fetch_runs`, `fetch_run`, `start_runs`.",
        "RESULTS": "One row for each eval in a run: `fetch_results`, `fetch_result`.",
        "EVALS": "One row for each saved eval: `fetch_evals`.",
        "WORKFLOWS": "One row for each workflow: `fetch_workflows`.",
        "VERSIONS": "One row for each publication of a version: `fetch_versions`.",
        "EDITS": "One row for each era of a block, from one edit to the next: `fetch_edits`.",
        "CONFIG_CHANGES": (
            "One row for each field that was edited: `fetch_config_changes`, "
            "`verdict.config_changes`."
        ),
        "COMPARISON": (
            "One row for each eval that was compared: `verdict.evals`, and what is chosen of it: "
            "`verdict.broken`, `unclear`, `flaky`, `fixed`, `new`."
        ),
    }
    text = [
        "# The columns of the frames\n",
        "This page is made from `retab_analysis.schema`, which holds the columns as data. In a",
        "notebook, `ra.schema.RUNS.describe()` gives the same as a frame. *Source* is where the",
        "value stands in the document of the API. The [reference](../reference.md) says beside",
        "each function that makes a frame of another shape which columns that has.\n",
    ]
    for name, purpose in tables.items():
        columns = getattr(schema, name).describe()
        shown = ["name", "meaning", "dtype", *["source"] * columns["source"].ne("").any()]
        text += [
            f"## {name}\n",
            f"{purpose}\n",
            f"| {' | '.join(shown)} |",
            "|-" * len(shown) + "|",
        ]
        for row in columns.iter_rows(named=True):
            row["dtype"] = row["dtype"].replace("(time_unit='us', time_zone='UTC')", "(us, UTC)")
            coded = {each: f"`{row[each]}`" for each in ("name", "dtype")}
            cells = [(row | coded)[each].replace("|", r"\|").replace("<", "&lt;") for each in shown]
            text.append(f"| {' | '.join(cells)} |")
        text.append("")
    page = MADE / "columns.md"
    if not page.exists() or page.read_text(encoding="utf-8") != "\n".join(text):
        page.write_text("\n".join(text), encoding="utf-8")


MADE.mkdir(exist_ok=True)
_copy_notebooks()
_write_columns()
