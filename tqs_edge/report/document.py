"""The frame of every page this package writes: style, policy, cards. No script, no request."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
STYLES = ("colours.css", "page.css", "chart.css")
# The browser itself refuses whatever a page would try to load or run.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def read_style(name: str) -> str:
    """The text of a style sheet of this package."""
    return (HERE / name).read_text(encoding="utf-8")


def document(title: str, header: str, cards: Sequence[str], footer: str = "") -> str:
    """A whole self-contained page. `title` is plain text; header, cards and footer are HTML."""
    style = "".join(read_style(name) for name in STYLES)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"{header}\n<main>\n" + "\n".join(cards) + "\n</main>\n"
        f"<footer>{footer}</footer>\n</body>\n</html>\n"
    )
