"""A page as a browser would read it: its elements with their attributes, and its text."""

from __future__ import annotations

from html.parser import HTMLParser


class Elements(HTMLParser):
    """Every element that a browser would make, with its attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.made: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.made.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each element of this kind."""
        return [attributes for made, attributes in self.made if made == tag]
