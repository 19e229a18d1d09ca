"""Which characters can be drawn, and with which fonts."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import matplotlib as mpl
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

_FALLBACKS = (
    "DejaVu Sans",  # comes with matplotlib
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK TC", "Noto Sans CJK KR"),
    *("Noto Sans JP", "Noto Sans SC", "Noto Sans KR", "Source Han Sans", "Source Han Sans SC"),
    *("Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Yu Gothic", "MS Gothic", "Microsoft YaHei", "SimHei", "Malgun Gothic"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "IPAexGothic", "IPAGothic", "TakaoPGothic"),
    *("Droid Sans Fallback", "NanumGothic"),
    *("Noto Sans Arabic", "Noto Naskh Arabic", "Geeza Pro", "Segoe UI", "Amiri", "KacstOne"),
    *("Noto Sans Hebrew", "Noto Sans Devanagari", "Nirmala UI", "Mangal", "Kohinoor Devanagari"),
    *("Noto Sans Thai", "Leelawadee UI", "Thonburi"),
    *("Noto Emoji", "Symbola", "Segoe UI Emoji", "Segoe UI Symbol", "Apple Symbols"),
)
"""Families that have what the usual ones lack: CJK, Arabic, Hebrew, Hindi, Thai, symbols."""

_NO_GLYPH = "□"


def choose_families() -> list[str]:
    """The user's own font families, and after them those that are installed for other scripts."""
    own = list(mpl.rcParams["font.family"])
    installed = {font.name for font in fontManager.ttflist}
    return [*own, *(name for name in _FALLBACKS if name in installed and name not in own)]


def replace_undrawable(line: str) -> str:
    """A line in which characters that no installed font has are a box.

    matplotlib would draw a box for them as well, and warn once for each character.
    """
    if line.isascii():
        return line
    glyphs = [_glyphs(_find(family)) for family in choose_families()]
    return "".join(
        each if any(ord(each) in known for known in glyphs) else _NO_GLYPH for each in line
    )


def _find(family: str) -> Any:
    return findfont(FontProperties(family=[family]))


@lru_cache(maxsize=64)
def _glyphs(path: Any) -> frozenset[int]:
    """The code points for which a font has a glyph."""
    return frozenset(get_font(path).get_charmap())
