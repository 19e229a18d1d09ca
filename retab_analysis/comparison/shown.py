"""What has a document can be shown and given away in every form."""

from __future__ import annotations

import shutil
from functools import cached_property

from retab_analysis.arguments import Guided, check_flag
from retab_analysis.config import shows_values
from retab_analysis.render.document import Document
from retab_analysis.render.door import Door
from retab_analysis.render.html import STAND_IN, to_html
from retab_analysis.render.markdown import to_markdown
from retab_analysis.render.text import WIDEST, to_text

_SHOWS = "ra.use(values=True)"


class Shown(Guided, called="verdict"):
    """An answer with a document, which is written anew for each door."""

    def _document(self, door: Door) -> Document:
        raise NotImplementedError

    @cached_property
    def _written(self) -> dict[Door, str]:
        return {}

    def to_markdown(self, *, values: bool = False) -> str:
        """Markdown that reads well on GitHub, and fits into a comment on a pull request.

        It has at most 60,000 characters. If it would be longer, it leaves out rows of long tables
        and says how many.

        Args:
            values: Also expected and actual values, and the words of prompts: the customers' data.

        Raises:
            ConfigError: ``values`` is not a bool.
        """
        return to_markdown(self._document(Door(check_flag("values", values))))

    def to_html(self, *, values: bool = False) -> str:
        """A piece of HTML with its own style, for light and dark pages.

        Args:
            values: Also expected and actual values, and the words of prompts: the customers' data.

        Raises:
            ConfigError: ``values`` is not a bool.
        """
        return self._write(Door(check_flag("values", values), passing=STAND_IN))

    def _repr_html_(self) -> str:
        return self._write(Door(shows_values(), shows=_SHOWS, is_live=True, passing=STAND_IN))

    def _write(self, door: Door) -> str:
        """A piece of HTML, kept: a notebook asks for it each time it shows the answer."""
        if door not in self._written:
            self._written[door] = str(to_html(self._document(door)))
        return self._written[door]

    def __repr__(self) -> str:
        width = shutil.get_terminal_size((WIDEST, 24)).columns
        return to_text(self._document(Door(shows_values(), shows=_SHOWS, is_live=True)), width)
