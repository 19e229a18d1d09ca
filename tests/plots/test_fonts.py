"""Scripts for which the usual font has no letters."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib import font_manager
from matplotlib.font_manager import FontEntry
from support.inside import choose_families, fonts, replace_undrawable, shorten_names
from support.plotted import ALL, Plot, figure_of, some, texts

CJK, ARABIC, HEBREW = (
    "\u307f\u3069\u308a\u5546\u4e8b",
    "\u0641\u0627\u062a\u0648\u0631\u0629",
    "\u05e2\u05d1",
)
OWN = "Retab Test Symbols"


@pytest.fixture
def _symbols(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """matplotlib's own font of mathematical symbols, as if it were one for another script."""
    path = Path(font_manager.__file__).parent / "mpl-data/fonts/ttf/STIXGeneral.ttf"
    entry = FontEntry(fname=str(path), name=OWN, style="normal", variant="normal", weight=400)
    manager = font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", [*manager.ttflist, entry])
    monkeypatch.setattr(fonts, "_FALLBACKS", ("DejaVu Sans", OWN))
    yield
    manager._findfont_cached.cache_clear()


@pytest.mark.parametrize("plot", ALL)
def test_names_in_other_scripts_are_drawn_without_a_warning(plot: Plot) -> None:
    names = [f"{CJK} 1", f"{CJK} 2", ARABIC, HEBREW, "\U0001f697 car"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plot(some(plot, names))
        figure_of(ax).canvas.draw()
    said = " ".join(texts(ax))
    assert ARABIC in said
    assert HEBREW in said


def test_what_no_font_has_is_a_box_and_stays_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_FALLBACKS", ("DejaVu Sans",))
    assert replace_undrawable(f"a{CJK[0]}b") == "a□b"
    assert shorten_names([CJK[0], CJK[1], CJK[0]]) == ["□", "□ (2)", "□"]


@pytest.mark.usefixtures("_symbols")
def test_a_font_that_is_installed_is_used() -> None:
    # STIX has this letter, DejaVu does not.
    assert replace_undrawable("a\u1d81") == "a\u1d81"
    assert choose_families()[-1] == OWN


def test_no_family_is_named_that_is_not_installed() -> None:
    installed = {font.name for font in font_manager.fontManager.ttflist}
    assert set(choose_families()[1:]) <= installed
